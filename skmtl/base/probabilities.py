"""Lower bound of predicted probabilities in the log loss."""

from __future__ import annotations

import numpy as np

# As in scikit-learn: the log loss of a label with probability 0 is 36.04.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
