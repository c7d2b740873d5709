"""A check of what losses return: those of users may be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def checked_values(loss: object, values: Any, scores: Tensor) -> Tensor:
    """Return the values of a loss.

    Parameters
    ----------
    loss : TaskLoss
        Whose values they are.
    values : object
        What its ``values`` returned.
    scores : Tensor of shape (E, T, k, B)
        The scores.

    Raises
    ------
    TypeError
        If they are no tensor of floating point numbers.
    ValueError
        If there is not one value per network, task and row.
    """
    if not (isinstance(values, type(scores)) and values.is_floating_point()):
        raise TypeError(
            f"{type(loss).__name__}.values must return a tensor of floating point numbers. Got "
            f"{getattr(values, 'dtype', type(values).__name__)}."
        )
    shape = scores.shape[0], scores.shape[1], scores.shape[3]
    if tuple(values.shape) != shape:
        raise ValueError(
            f"{type(loss).__name__}.values must return one loss per network, task and row, here of "
            f"shape {shape}. Got shape {tuple(values.shape)}."
        )
    return values
