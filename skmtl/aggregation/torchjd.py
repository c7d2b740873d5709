"""Aggregators and weightings of TorchJD as aggregators of the training loop."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.aggregation.drawing import Generators
from skmtl.aggregation.kinds import Device, State
from skmtl.base import Aggregator, Signals


class Module(Protocol):
    """A module of TorchJD, which maps a matrix to weights or a direction."""

    def __call__(self, matrix: Tensor, /) -> Tensor:
        """Return weights or a direction."""


# TorchJD's modules keep their own history, so the state has one module per network.
Copies: TypeAlias = NDArray[np.object_]


def is_torchjd(value: object) -> bool:
    """Return whether a value is an aggregator or a weighting of TorchJD, without importing it."""
    return any(
        kind.__module__.split(".")[0] == "torchjd" and kind.__name__ in ("Aggregator", "Weighting")
        for kind in type(value).__mro__
    )


def from_torchjd(module: object) -> Aggregator:
    """Return the aggregator for a TorchJD object.

    It reads the Gramian if the object needs nothing else, and the Jacobian otherwise.
    """
    try:
        from torchjd.aggregation import Weighting
    except ImportError as error:  # an object unpickled where TorchJD is not installed
        raise ImportError(
            "TorchJD objects as aggregator= need the torchjd package: pip install 'skmtl[torchjd]'."
        ) from error
    if isinstance(module, Weighting):
        return (
            TorchJDAggregator(_Weighed(module))
            if _reads_jacobian(module)
            else TorchJDWeighting(module)
        )
    weighting = getattr(module, "gramian_weighting", None)
    if weighting is None:
        return TorchJDAggregator(cast(Module, module))
    return TorchJDWeighting(weighting)


def _reads_jacobian(weighting: object) -> bool:
    """Return whether a weighting, or one that it wraps, reads the Jacobian and not the Gramian."""
    kinds = {kind.__name__ for kind in type(weighting).__mro__}
    if "_MatrixWeighting" in kinds or "_GramianWeighting" in kinds:
        return "_MatrixWeighting" in kinds
    return hasattr(weighting, "weighting") and _reads_jacobian(weighting.weighting)


class _Weighed:
    """Maps a Jacobian to a direction, with a weighting that reads the Jacobian."""

    def __init__(self, weighting: Module):
        self.weighting = weighting

    def __call__(self, jacobian: Tensor) -> Tensor:
        return self.weighting(jacobian) @ jacobian

    def reset(self) -> None:
        """Reset the history of the weighting."""
        if hasattr(self.weighting, "reset"):
            self.weighting.reset()


class TorchJDWeighting(Aggregator):
    """A weighting of TorchJD that reads the Gramian; every network has its copy."""

    kind = "gradient_weights"

    def __init__(self, module: Module):
        self.module = module

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return a copy of the module per network."""
        return _copies(self.module, n_networks)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (E, T); the copies change in place."""
        return _each(state, signals.gramian, signals.generators), state


class TorchJDAggregator(Aggregator):
    """An aggregator of TorchJD that reads the Jacobian; every network has its copy."""

    kind = "direction"

    def __init__(self, module: Module):
        self.module = module

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return a copy of the module per network."""
        return _copies(self.module, n_networks)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the direction, (E, P); the copies change in place."""
        return _each(state, signals.jacobian, signals.generators, columns=True), state


def _copies(module: Module, count: int) -> State:
    copies = np.empty(count, dtype=object)
    for e in range(count):
        copies[e] = copy.deepcopy(module)
        if hasattr(module, "reset"):
            copies[e].reset()
    return cast(State, {"module": copies, "n_tasks": np.zeros(count, dtype=int)})


def _each(
    state: State,
    matrices: Tensor,
    generators: Generators,
    *,
    columns: bool = False,
) -> Tensor:
    """Call every network's module, and return weights, or with ``columns`` directions.

    Modules that draw from torch's global generator draw from that of their network instead; the
    global state is restored. If the number of tasks has changed since the last call (a task was
    absent), the module is reset. A matrix that is not finite gives NaN.
    """
    if not isinstance(generators, Sequence):
        raise TypeError("TorchJD objects need a sequence of generators, one per network.")
    results = []
    n_tasks = matrices.shape[1]
    before = torch.random.get_rng_state()
    try:
        for e, (module, matrix, generator) in enumerate(
            zip(state["module"], matrices, generators, strict=True)
        ):
            seed = torch.randint(2**62, (), generator=generator, device=generator.device)
            torch.default_generator.manual_seed(int(seed))
            if state["n_tasks"][e] not in (0, n_tasks) and hasattr(module, "reset"):
                module.reset()
            state["n_tasks"][e] = n_tasks
            bad = not bool(matrix.isfinite().all())
            results.append(
                torch.full_like(matrix[0] if columns else matrix[:, 0], torch.nan)
                if bad
                else module(matrix).detach()
            )
    finally:
        torch.random.set_rng_state(before)
    return torch.stack(results)
