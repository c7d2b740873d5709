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
    return any(kind.__module__.split(".")[0] == "torchjd" and kind.__name__ in ("Aggregator", "Weighting") for kind in type(value).__mro__)


def from_torchjd(module: Any) -> Aggregator:
    """Return the plug-in of a TorchJD object: by Gramians where it needs no more, else by Jacobians."""
    try:
        from torchjd.aggregation import Weighting
    except ImportError as error:  # unpickled where it is not installed
        raise ImportError("TorchJD objects as aggregator= need the torchjd package: pip install 'skmtl[torchjd]'.") from error
    if isinstance(module, Weighting):
        return TorchJDWeighting(module)
    weighting = getattr(module, "gramian_weighting", None)
    return TorchJDAggregator(module) if weighting is None else TorchJDWeighting(weighting)


class TorchJDWeighting(GradientWeighting):
    """A weighting of TorchJD that reads a Gramian; every network has a copy of its own."""

    random = True

    def __init__(self, module: Any):
        self.module = module

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> dict[str, Any]:
        """Return a copy for each network."""
        return _copies(self.module, n_members)

    def weights_and_state(self, gramian: Tensor, state: dict[str, Any], **options: Any) -> tuple[Tensor, dict[str, Any]]:
        """Return the weights, (E, T); the copies change in place."""
        return _each(state["module"], gramian, options["generator"]), state


class TorchJDAggregator(JacobianAggregator):
    """An aggregator of TorchJD that reads a Jacobian; every network has a copy of its own."""

    random = True

    def __init__(self, module: Any):
        self.module = module

    def initial_state(self, n_members: int, n_tasks: int, *, device: Any = None) -> dict[str, Any]:
        """Return a copy for each network."""
        return _copies(self.module, n_members)

    def direction_and_state(self, jacobian: Tensor, state: dict[str, Any], **options: Any) -> tuple[Tensor, dict[str, Any]]:
        """Return the direction, (E, P); the copies change in place."""
        return _each(state["module"], jacobian, options["generator"]), state


def _copies(module: Any, count: int) -> dict[str, Any]:
    copies = np.empty(count, dtype=object)
    for e in range(count):
        copies[e] = copy.deepcopy(module)
        if hasattr(module, "reset"):
            copies[e].reset()
    return {"module": copies}


def _each(modules: Any, matrices: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Call every network's module; what it draws from the global generator is drawn from the network's own, and nothing is left behind."""
    results = []
    state = torch.random.get_rng_state()
    try:
        for module, matrix, generator in zip(modules, matrices, generators, strict=True):
            seed = torch.randint(2**62, (), generator=generator, device=generator.device)
            torch.default_generator.manual_seed(int(seed))
            results.append(module(matrix).detach())
    finally:
        torch.random.set_rng_state(state)
    return torch.stack(results)
