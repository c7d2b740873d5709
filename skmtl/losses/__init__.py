"""Task losses, one class per file, and the names that estimators accept."""

from __future__ import annotations

from typing import Any

from skmtl.base import TaskLoss
from skmtl.losses.cross_entropy import LogLoss, cell_log_losses
from skmtl.losses.huber import Huber
from skmtl.losses.label_codes import ClassCodes, class_codes
from skmtl.losses.squared_error import SquaredError

__all__ = [
    "Huber",
    "LogLoss",
    "SquaredError",
    "TaskLoss",
]
__shared__ = ["LOSSES", "ClassCodes", "cell_log_losses", "class_codes", "resolve_loss"]

LOSSES: dict[str, type[TaskLoss]] = {
    "squared_error": SquaredError,
    "huber": Huber,
    "log_loss": LogLoss,
}


def resolve_loss(value: Any, kind: str) -> TaskLoss:
    """Return the loss object for the ``loss`` parameter of an estimator.

    Parameters
    ----------
    value : str or TaskLoss
        Value of the parameter.
    kind : {"regression", "classification"}
        Kind of the estimator's targets.

    Returns
    -------
    TaskLoss
        The object itself, or one with default parameters.

    Raises
    ------
    ValueError
        If the name is unknown, the value is not a loss, or the loss is for another kind of targets.

    Examples
    --------
    >>> from skmtl.losses import resolve_loss
    >>> resolve_loss("squared_error", "regression")
    SquaredError()
    """
    loss = LOSSES[value]() if isinstance(value, str) and value in LOSSES else value
    if isinstance(loss, TaskLoss) and loss.kind == kind:
        return loss
    names = [repr(name) for name, own in LOSSES.items() if own.kind == kind]
    raise ValueError(
        f"The 'loss' parameter must be {' or '.join(names)}, or an object of a subclass of "
        f"skmtl.losses.TaskLoss for {kind}. Got {value!r} instead."
    )
