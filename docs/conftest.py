"""Leaves out the pages whose examples need a newer scikit-learn than the one that is installed."""

from __future__ import annotations

import importlib.util

# scikit-learn has callbacks since 1.9.
collect_ignore = (
    [] if importlib.util.find_spec("sklearn.callback") else ["user_guide/callbacks.rst"]
)
