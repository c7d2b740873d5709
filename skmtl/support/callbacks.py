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
OnPass = Callable[[int, Reconstruct], bool]


class CallbackSupport(CallbackSupportMixin):
    """Mixin for estimators with a ``callbacks`` parameter; goes left of ``BaseEstimator``.

    From scikit-learn 1.9 on it brings ``set_callbacks``. Clones share the callbacks in
    ``callbacks`` with the original, as scikit-learn's clones share those of ``set_callbacks``: what
    a search's clones report must reach the callback that the user holds.

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
    """Return the callbacks that ``set_callbacks`` registered on any estimator; None without any."""
    registered: list[Any] | None = getattr(estimator, "_skl_callbacks", None)
    return registered


@contextmanager
def fit_callbacks(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    max_passes: int | None,
    metadata: dict[str, Any] | None = None,
) -> Iterator[OnPass | None]:
    """Run the callbacks of an estimator around its training loop.

    The callbacks are those of ``set_callbacks``, those that a search or pipeline passes down, and
    those in the parameter ``callbacks``. ``fit`` stores what it has learnt before the context ends,
    where callbacks see the fitted estimator once more. They are torn down when the context ends,
    also by an error.

    Parameters
    ----------
    estimator : estimator
        What is fitted; its class derives from :class:`CallbackSupport`.
    X, y : array-like
        Training data as the user gave them: callbacks hand them to scorers.
    max_passes : int or None
        Largest number of passes, None where unknown.
    metadata : dict, optional
        What came with X and y, such as ``sample_weight``; None values are left out.

    Yields
    ------
    callable or None
        ``on_pass(n_done, reconstruct)``, to be called after every pass over the data;
        ``reconstruct()`` returns the fitted attributes as if training stopped now, and is called
        only where a callback asks for them. Returns True where a callback asks to stop. None: there
        is nothing to call.

    Raises
    ------
    InvalidParameterError
        If ``callbacks`` is not a list of scikit-learn callbacks.
    ValueError
        If there are callbacks and scikit-learn is older than 1.9.
    TypeError
        If ``callbacks`` holds one that belongs on the search or pipeline that fits the estimator,
        such as ``ProgressBar``.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from skmtl.support import CallbackSupport, fit_callbacks
    >>> class Counter(CallbackSupport, BaseEstimator):
    ...     def __init__(self, callbacks=None):
    ...         self.callbacks = callbacks
    ...
    ...     def fit(self, X, y=None):
    ...         with fit_callbacks(self, X, y, max_passes=3) as on_pass:
    ...             for n_done in range(1, 4):
    ...                 if on_pass and on_pass(n_done, lambda: {"n_iter_": n_done}):
    ...                     break
    ...             self.n_iter_ = n_done
    ...         return self
    >>> Counter().fit([[0.0]]).n_iter_  # no callbacks: on_pass is None
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
            passes = _Passes(estimator, {"X": X, "y": y, "metadata": passed}, max_passes)
            yield passes
            passes.close()
        finally:
            if registered is None:
                del estimator._skl_callbacks
            else:
                estimator._skl_callbacks = registered


class _Passes:
    """One fit and its passes, as scikit-learn's tree of callback contexts.

    A pass begins when the one before it has ended, for nobody says whether another will follow; one
    that never ran is ended empty.
    """

    def __init__(self, estimator: Any, data: dict[str, Any], max_passes: int | None):
        self.data = {"estimator": estimator, **data}
        self.max_passes, self.n_done, self.stopped = max_passes, 0, False
        self.fit = estimator._init_callback_context(max_subtasks=max_passes)
        self.fit.call_on_fit_task_begin(**self.data)
        self.current = self._begin()

    def __call__(self, n_done: int, reconstruct: Reconstruct) -> bool:
        while (
            self.n_done < n_done and self.current is not None
        ):  # passes made at once: all are told, the last one is shown
            self.n_done += 1
            shown = {"reconstruction_attributes": reconstruct} if self.n_done == n_done else {}
            self.stopped |= bool(self.current.call_on_fit_task_end(**self.data, **shown))
            self.current = None if self.stopped or self.n_done == self.max_passes else self._begin()
        return self.stopped

    def close(self) -> None:
        """End what is open; the estimator is fitted."""
        if self.current is not None:
            self.current.call_on_fit_task_end(estimator=self.data["estimator"])
        self.fit.call_on_fit_task_end(**self.data, reconstruction_attributes={})

    def _begin(self) -> Any:
        return self.fit.subcontext(task_name="pass").call_on_fit_task_begin(**self.data)


def _given(estimator: Any, registered: list[Any]) -> list[Any]:
    """Return the checked callbacks of the parameter ``callbacks`` that are not among the registered
    ones.
    """
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
            "(instances, such as "
            f"sklearn.callback.ProgressBar()). Got {given!r} instead."
        )
    new = [callback for callback in given if not any(callback is other for other in registered)]
    outer = getattr(estimator, "_parent_callback_ctx", None)
    misplaced = [
        type(callback).__name__ for callback in new if isinstance(callback, AutoPropagatedCallback)
    ]
    if outer is not None and misplaced:
        raise TypeError(
            f"The 'callbacks' parameter of {name} holds {misplaced[0]}, which belongs on the "
            f"outermost estimator, and {name} is fitted inside "
            f"{outer.estimator_name}. Use {outer.estimator_name}.set_callbacks({misplaced[0]}()) "
            "instead."
        )
    return new
