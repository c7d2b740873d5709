"""Aggregators and weightings of TorchJD, as plug-ins of the training loop."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skmtl.base import Aggregator, GradientWeighting, JacobianAggregator


def is_torchjd(value: Any) -> bool:
    """Whether a value is an aggregator or a weighting of TorchJD; without importing it."""
    return any(
        kind.__module__.split(".")[0] == "torchjd" and kind.__name__ in ("Aggregator", "Weighting")
        for kind in type(value).__mro__
    )


def from_torchjd(module: Any) -> Aggregator:
    """Return the plug-in of a TorchJD object: by Gramians where it needs no more, else by
    Jacobians.
    """
    try:
        from torchjd.aggregation import Weighting
    except ImportError as error:  # unpickled where it is not installed
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
    return TorchJDAggregator(module) if weighting is None else TorchJDWeighting(weighting)


def _reads_jacobian(weighting: Any) -> bool:
    """Whether a weighting, or the one that it wraps, is declared to read the matrix of the
    gradients and not their Gramian.
    """
    kinds = {kind.__name__ for kind in type(weighting).__mro__}
    if "_MatrixWeighting" in kinds or "_GramianWeighting" in kinds:
        return "_MatrixWeighting" in kinds
    return _reads_jacobian(weighting.weighting) if hasattr(weighting, "weighting") else False


class _Weighed:
    """A weighting of Jacobians as what turns a Jacobian into a direction."""

    def __init__(self, weighting: Any):
        self.weighting = weighting

    def __call__(self, jacobian: Tensor) -> Tensor:
        direction: Tensor = self.weighting(jacobian) @ jacobian
        return direction

    def reset(self) -> None:
        """Forget what the weighting remembers."""
        if hasattr(self.weighting, "reset"):
            self.weighting.reset()


class TorchJDWeighting(GradientWeighting):
    """A weighting of TorchJD that reads a Gramian; every network has a copy of its own."""

    random = True

    def __init__(self, module: Any):
        self.module = module

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> dict[str, Any]:
        """Return a copy for each network."""
        return _copies(self.module, n_members)

    def weights_and_state(
        self, gramian: Tensor, state: dict[str, Any], **options: Any
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the weights, (E, T); the copies change in place."""
        return _each(state, gramian, options["generator"]), state


class TorchJDAggregator(JacobianAggregator):
    """An aggregator of TorchJD that reads a Jacobian; every network has a copy of its own."""

    random = True

    def __init__(self, module: Any):
        self.module = module

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> dict[str, Any]:
        """Return a copy for each network."""
        return _copies(self.module, n_members)

    def direction_and_state(
        self, jacobian: Tensor, state: dict[str, Any], **options: Any
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the direction, (E, P); the copies change in place."""
        return _each(state, jacobian, options["generator"], columns=True), state


def _copies(module: Any, count: int) -> dict[str, Any]:
    copies = np.empty(count, dtype=object)
    for e in range(count):
        copies[e] = copy.deepcopy(module)
        if hasattr(module, "reset"):
            copies[e].reset()
    return {"module": copies, "n_tasks": np.zeros(count, dtype=int)}


def _each(
    state: dict[str, Any],
    matrices: Tensor,
    generators: Sequence[torch.Generator],
    *,
    columns: bool = False,
) -> Tensor:
    """Call every network's module: weights, or with ``columns`` directions.

    What a module draws from the global generator is drawn from the network's own, and nothing is
    left behind. A module whose history is of another number of tasks (one was absent) forgets it; a
    matrix that is not finite gives NaN.
    """
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
