"""The only place that imports private names of scikit-learn, and those that not every supported version has."""

from sklearn.base import _clone_parametrized as clone_parametrized
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

try:  # experimental since scikit-learn 1.9, and free to change without notice
    from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin, FitCallback
    from sklearn.callback._callback_support import callback_management_context
except ImportError:
    from contextlib import nullcontext as callback_management_context

    HAS_CALLBACKS = False
    AutoPropagatedCallback = CallbackSupportMixin = FitCallback = type("NoCallbacks", (), {"__doc__": "Stand-in below scikit-learn 1.9."})
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
    "check_sample_weight",
    "clone_parametrized",
    "fit_context",
]
