"""Checks of what aggregators and fairness terms return: those of users may be wrong."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skmtl.base import Aggregator, FairnessTerm
from skmtl.network.lane_memory import State


def checked_init(aggregator: Aggregator, state: Any, n_networks: int, n_tasks: int) -> State:
    """Return the first state of an aggregator.

    Raises
    ------
    TypeError
        If it is no dictionary of tensors.
    ValueError
        If a tensor has other axes than networks and tasks.
    """
    found = _checked_state(aggregator, state, "init")
    for name, values in found.items():
        shape = tuple(values.shape)
        if not shape or shape[0] != n_networks or set(shape[1:]) - {n_tasks}:
            raise ValueError(
                f"{_name(aggregator)}.init must return tensors with a first axis of networks "
                f"({n_networks} here), followed by axes of tasks ({n_tasks} here). Got shape "
                f"{shape} for {name!r}."
            )
    return found


def checked_step(aggregator: Aggregator, returned: Any, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return the result and the state that an aggregator's ``step`` returned.

    Raises
    ------
    TypeError
        If it is no pair of a tensor of real numbers and a dictionary.
    ValueError
        If the tensor has another shape.
    """
    name = _name(aggregator)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise TypeError(
            f"{name}.step must return two things: {_wanted(aggregator)}, and the next state. Got "
            f"{type(returned).__name__}."
        )
    result, state = returned
    if not isinstance(result, Tensor) or result.is_complex():
        raise TypeError(
            f"{name}.step must return {_wanted(aggregator)} as a tensor of real numbers. Got "
            f"{result.dtype if isinstance(result, Tensor) else type(result).__name__}."
        )
    if tuple(result.shape) != shape:
        raise ValueError(
            f"{name}.step must return {_wanted(aggregator)}, here of shape {shape}. Got shape "
            f"{tuple(result.shape)}."
        )
    return result, _checked_state(aggregator, state, "step")


def checked_term(term: FairnessTerm, returned: Any, n_networks: int) -> tuple[Tensor, Tensor]:
    """Return the two tensors of a fairness term.

    Raises
    ------
    TypeError
        If it does not return two tensors.
    ValueError
        If they have another shape, or no gradient.
    """
    pair = isinstance(returned, tuple) and len(returned) == 2
    if not pair or not all(isinstance(part, Tensor) for part in returned):
        raise TypeError(
            f"{_name(term)}.values must return two tensors: the term as the shared layers see it, "
            f"and as the heads see it. Got {_types(returned)}."
        )
    for part in returned:
        if tuple(part.shape) != (n_networks,):
            raise ValueError(
                f"{_name(term)}.values must return one number per network, here of shape "
                f"({n_networks},). Got shape {tuple(part.shape)}."
            )
        if not part.requires_grad:
            raise ValueError(
                f"{_name(term)}.values returned a tensor without a gradient: training cannot lower "
                "it. Compute it from the scores with torch operations that have a gradient."
            )
    return returned[0], returned[1]


def _checked_state(aggregator: Aggregator, state: Any, method: str) -> State:
    if not isinstance(state, dict):
        raise TypeError(
            f"{_name(aggregator)}.{method} must return the state as a dictionary of tensors. Got "
            f"{type(state).__name__}."
        )
    for name, values in state.items():
        if not hasattr(values, "shape"):
            raise TypeError(
                f"{_name(aggregator)}.{method} must return the state as a dictionary of tensors. "
                f"Got {type(values).__name__} for {name!r}."
            )
    return state


def _wanted(aggregator: Aggregator) -> str:
    if aggregator.kind == "direction":
        return "a direction, one number per network and parameter"
    return "weights, one per network and task"


def _types(returned: Any) -> str:
    if isinstance(returned, tuple):
        return f"a tuple of {len(returned)}"
    return type(returned).__name__


def _name(plugin: object) -> str:
    return type(plugin).__name__
