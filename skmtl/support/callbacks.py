"""Callbacks of scikit-learn 1.9 around a training loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sklearn

from skmtl._sklearn_compat import (
    HAS_CALLBACKS,
    AutoPropagatedCallback,
    CallbackSupportMixin,
    FitCallback,
    InvalidParameterError,
    callback_management_context,
    clone_parametrized,
)

Reconstruct = Callable[[], dict[str, Any]]
OnEpoch = Callable[[int, Reconstruct], bool]


class CallbackSupport(CallbackSupportMixin):
    """Mixin for estimators with a ``callbacks`` parameter; goes left of ``BaseEstimator``.

    It provides ``set_callbacks`` with scikit-learn 1.9 or newer. Clones share the objects in
    ``callbacks`` with the original, as scikit-learn's clones share those of ``set_callbacks``, so
    that reports from the clones of a search reach the user's callback.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator, clone
    >>> from skmtl.support import CallbackSupport
    >>> class Network(CallbackSupport, BaseEstimator):
    ...     def __init__(self, callbacks=None):
    ...         self.callbacks = callbacks
    >>> callback = object()
    >>> clone(Network(callbacks=[callback])).callbacks[0] is callback
    True
    """

    def __sklearn_clone__(self) -> Any:
        if getattr(self, "callbacks", None) is None:
            return clone_parametrized(self)
        bare = copy.copy(self)
        bare.callbacks = None
        cloned = clone_parametrized(bare)
        cloned.callbacks = self.callbacks
        return cloned


def registered_callbacks(estimator: Any) -> list[Any] | None:
    """Return the callbacks registered by ``set_callbacks`` on an estimator; None without any."""
    registered: list[Any] | None = getattr(estimator, "_skl_callbacks", None)
    return registered


@contextmanager
def fit_callbacks(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    max_epochs: int | None,
    metadata: dict[str, Any] | None = None,
) -> Iterator[OnEpoch | None]:
    """Run the callbacks of an estimator around its training loop.

    The callbacks are those of ``set_callbacks``, those that a search or pipeline passes down, and
    those in the parameter ``callbacks``. ``fit`` sets the fitted attributes before the context
    ends, because callbacks then see the estimator once more. They are torn down when the context
    ends, also after an error.

    Parameters
    ----------
    estimator : estimator
        Estimator that is fitted; its class derives from :class:`CallbackSupport`.
    X, y : array-like
        Training data as the user passed them; callbacks pass them to scorers.
    max_epochs : int or None
        Largest number of epochs; None if unknown.
    metadata : dict, optional
        Other arguments of ``fit``, such as ``sample_weight``; None values are left out.

    Yields
    ------
    callable or None
        ``on_epoch(n_done, reconstruct)``, to be called after every epoch. ``reconstruct()`` returns
        the fitted attributes as if training stopped now; it is called only if a callback needs
        them. The result is True if a callback asks to stop. None if there are no callbacks.

    Raises
    ------
    InvalidParameterError
        If ``callbacks`` is not a list of scikit-learn callbacks.
    ValueError
        If there are callbacks and scikit-learn is older than 1.9.
    TypeError
        If ``callbacks`` holds a callback that must be set on the search or pipeline that fits the
        estimator, such as ``ProgressBar``.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from skmtl.support import CallbackSupport, fit_callbacks
    >>> class Counter(CallbackSupport, BaseEstimator):
    ...     def __init__(self, callbacks=None):
    ...         self.callbacks = callbacks
    ...
    ...     def fit(self, X, y=None):
    ...         with fit_callbacks(self, X, y, max_epochs=3) as on_epoch:
    ...             for n_done in range(1, 4):
    ...                 if on_epoch and on_epoch(n_done, lambda: {"n_iter_": n_done}):
    ...                     break
    ...             self.n_iter_ = n_done
    ...         return self
    >>> Counter().fit([[0.0]]).n_iter_  # no callbacks: on_epoch is None
    3
    """
    registered = registered_callbacks(estimator)
    callbacks = [*(registered or []), *_given(estimator, registered or [])]
    if not callbacks:
        yield None
        return
    with callback_management_context(estimator):  # tears down
        estimator._skl_callbacks = callbacks
        try:
            passed = {name: value for name, value in (metadata or {}).items() if value is not None}
            epochs = _Epochs(estimator, {"X": X, "y": y, "metadata": passed}, max_epochs)
            yield epochs
            epochs.close()
        finally:
            if registered is None:
                del estimator._skl_callbacks
            else:
                estimator._skl_callbacks = registered


class _Epochs:
    """One fit and its epochs, as scikit-learn's tree of callback contexts.

    The context of an epoch begins when the previous one ends, because it is not known whether
    another epoch will follow. A context whose epoch never ran is ended without data.
    """

    def __init__(self, estimator: Any, data: dict[str, Any], max_epochs: int | None):
        self.data = {"estimator": estimator, **data}
        self.max_epochs, self.n_done, self.stopped = max_epochs, 0, False
        self.fit = estimator._init_callback_context(max_subtasks=max_epochs)
        self.fit.call_on_fit_task_begin(**self.data)
        self.current = self._begin()

    def __call__(self, n_done: int, reconstruct: Reconstruct) -> bool:
        while (
            self.n_done < n_done and self.current is not None
        ):  # several epochs at once: each is reported, only the last with fitted attributes
            self.n_done += 1
            shown = {"reconstruction_attributes": reconstruct} if self.n_done == n_done else {}
            self.stopped |= bool(self.current.call_on_fit_task_end(**self.data, **shown))
            self.current = None if self.stopped or self.n_done == self.max_epochs else self._begin()
        return self.stopped

    def close(self) -> None:
        """End the open contexts, after the estimator has been fitted."""
        if self.current is not None:
            self.current.call_on_fit_task_end(estimator=self.data["estimator"])
        self.fit.call_on_fit_task_end(**self.data, reconstruction_attributes={})

    def _begin(self) -> Any:
        return self.fit.subcontext(task_name="pass").call_on_fit_task_begin(**self.data)


def _given(estimator: Any, registered: list[Any]) -> list[Any]:
    """Validate the parameter ``callbacks`` and return those that are not registered already."""
    given, name = getattr(estimator, "callbacks", None), type(estimator).__name__
    if given is None:
        return []
    if given and not HAS_CALLBACKS:
        raise ValueError(
            f"The 'callbacks' parameter of {name} needs scikit-learn 1.9 or newer. Found "
            f"{sklearn.__version__}: update it, or set callbacks=None."
        )
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(callback, FitCallback) and not isinstance(callback, type) for callback in given
    ):
        raise InvalidParameterError(
            f"The 'callbacks' parameter of {name} must be None or a list of scikit-learn callbacks "
            f"(instances, such as sklearn.callback.ProgressBar()). Got {given!r} instead."
        )
    new = [callback for callback in given if not any(callback is other for other in registered)]
    outer = getattr(estimator, "_parent_callback_ctx", None)
    misplaced = [
        type(callback).__name__ for callback in new if isinstance(callback, AutoPropagatedCallback)
    ]
    if outer is not None and misplaced:
        raise TypeError(
            f"The 'callbacks' parameter of {name} holds {misplaced[0]}, which belongs on the "
            f"outermost estimator, and {name} is fitted inside {outer.estimator_name}. "
            f"Use {outer.estimator_name}.set_callbacks({misplaced[0]}()) instead."
        )
    return new
