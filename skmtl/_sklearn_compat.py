"""The only module that imports private names of scikit-learn.

Names that not every supported version has are replaced here, too.
"""

from sklearn.base import _clone_parametrized as clone_parametrized
from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._validation import _fit_and_score as fit_and_score
from sklearn.model_selection._validation import _insert_error_scores as insert_error_scores
from sklearn.model_selection._validation import (
    _warn_or_raise_about_fit_failures as warn_or_raise_about_fit_failures,
)
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

try:  # experimental since scikit-learn 1.9, and free to change without notice
    from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin, FitCallback
    from sklearn.callback._callback_support import callback_management_context
except ImportError:
    from contextlib import nullcontext as callback_management_context

    HAS_CALLBACKS = False
    AutoPropagatedCallback = CallbackSupportMixin = FitCallback = type(
        "NoCallbacks", (), {"__doc__": "Stand-in below scikit-learn 1.9."}
    )
else:
    HAS_CALLBACKS = True

__all__ = [
    "HAS_CALLBACKS",
    "AutoPropagatedCallback",
    "CallbackSupportMixin",
    "FitCallback",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "callback_management_context",
    "check_method_params",
    "check_sample_weight",
    "clone_parametrized",
    "fit_and_score",
    "fit_context",
    "insert_error_scores",
    "safe_split",
    "warn_or_raise_about_fit_failures",
]
