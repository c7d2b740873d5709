"""How far a predicted probability is kept from 0 where its logarithm is taken."""

from __future__ import annotations

import numpy as np

# As in scikit-learn: the log loss of a label with probability 0 is 36.04.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
