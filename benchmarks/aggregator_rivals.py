"""What benchmarks/aggregators.py holds against skmtl: calls of TorchJD, and training steps of
PyTorch, TorchJD and one reverse pass for every task.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skmtl.aggregation import UPGrad

# Takes a batch's inputs and labels, (B, p) and (B, T), and leaves the gradients behind.
Gradients = Callable[[Tensor, Tensor], None]


def present(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def torchjd_version() -> str:
    return f", TorchJD {importlib.metadata.version('torchjd')}" if present("torchjd") else ""


# ---------------------------------------------------------------------- calls
def their_methods(n_tasks: int) -> dict[str, tuple[Any, bool]]:
    """Return TorchJD's methods by our names, and whether they are given the Jacobian."""
    if not present("torchjd"):
        return {}
    from torchjd import aggregation as theirs

    known = {
        "mgda": (theirs.MGDAWeighting(), False),
        "pcgrad": (theirs.PCGradWeighting(), False),
        "gradvac": (theirs.GradVacWeighting(), False),
        "graddrop": (theirs.GradDrop(), True),
        "imtlg": (theirs.IMTLGWeighting(), False),
        "fairgrad": (theirs.FairGradWeighting(alpha=2.0), False),
        "alignedmtl": (theirs.AlignedMTLWeighting(), False),
        "upgrad": (theirs.UPGradWeighting(), False),
        "dualproj": (theirs.DualProjWeighting(), False),
        "config": (theirs.ConFIG(), True),
    }
    if present("cvxpy"):
        known["cagrad"] = (theirs.CAGradWeighting(c=0.5), False)
    if present("cvxpy") and present("ecos"):  # without ECOS it returns its starting weights
        known["nash"] = (theirs.NashMTL(n_tasks=n_tasks), True)
    return known


def their_call(method: Any, by_jacobian: bool, rows: Tensor) -> Callable[[], object]:
    shown = rows if by_jacobian else rows @ rows.mT

    def call() -> object:
        if hasattr(method, "reset"):
            method.reset()
        return method(shown)

    return call


# ---------------------------------------------------------------------- networks
class Network(nn.Module):
    """A trunk and linear heads: one module per task, as the libraries' own examples have it, or one
    wide layer, which is faster.
    """

    def __init__(self, n_inputs: int, hidden: tuple[int, ...], n_tasks: int, wide: bool):
        super().__init__()
        layers, width = [], n_inputs
        for units in hidden:
            layers += [nn.Linear(width, units), nn.ReLU()]
            width = units
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(
            [nn.Linear(width, n_tasks)] if wide else [nn.Linear(width, 1) for _ in range(n_tasks)]
        )

    def losses(self, features: Tensor, y: Tensor) -> list[Tensor]:
        """Return the mean squared error of every task."""
        if len(self.heads) == 1:
            return list((self.heads[0](features) - y).square().mean(0).unbind())
        return [
            functional.mse_loss(head(features), y[:, t : t + 1])
            for t, head in enumerate(self.heads)
        ]


# ---------------------------------------------------------------------- gradients
def by_mean(model: Network) -> Gradients:
    def gradients(x: Tensor, y: Tensor) -> None:
        torch.stack(model.losses(model.trunk(x), y)).mean().backward()

    return gradients


def by_autojac(model: Network) -> Gradients:
    """TorchJD's way for shared trunks: the Jacobian by vmap, then its UPGrad."""
    from torchjd.aggregation import UPGrad as TheirUPGrad
    from torchjd.autojac import jac_to_grad, mtl_backward

    aggregator = TheirUPGrad()

    def gradients(x: Tensor, y: Tensor) -> None:
        features = model.trunk(x)
        mtl_backward(
            model.losses(features, y), features=features, retain_graph=len(model.heads) == 1
        )
        jac_to_grad(model.trunk.parameters(), aggregator)

    return gradients


def by_autogram(model: Network) -> Gradients:
    """TorchJD's way without a Jacobian: the trunk's Gramian layer by layer, then a reverse pass of
    the weighted losses, which the heads follow too.
    """
    from torchjd.aggregation import UPGradWeighting
    from torchjd.autogram import Engine

    engine, weighting = Engine(model.trunk, batch_dim=None), UPGradWeighting()

    def gradients(x: Tensor, y: Tensor) -> None:
        losses = torch.stack(model.losses(model.trunk(x), y))
        losses.backward(weighting(engine.compute_gramian(losses)))

    return gradients


def by_passes(aggregate: Callable[[Tensor], Tensor]) -> Callable[[Network], Gradients]:
    """One reverse pass of the whole network for every task, as in LibMTL: the trunk's gradients are
    flattened and cleared each time, heads keep theirs.
    """

    def of(model: Network) -> Gradients:
        shared = list(model.trunk.parameters())

        def gradients(x: Tensor, y: Tensor) -> None:
            losses, rows = model.losses(model.trunk(x), y), []
            for t, loss in enumerate(losses):
                loss.backward(retain_graph=t + 1 < len(losses))
                rows.append(torch.cat([parameter.grad.flatten() for parameter in shared]))
                for parameter in shared:
                    parameter.grad = None
            direction = aggregate(torch.stack(rows))
            for parameter, part in zip(
                shared, direction.split([parameter.numel() for parameter in shared]), strict=True
            ):
                parameter.grad = part.view_as(parameter)

        return gradients

    return of


# ---------------------------------------------------------------------- steps
def rivals() -> dict[str, tuple[Callable[[Network], Gradients], bool]]:
    """Return how each rival comes by its gradients, and whether its heads are one wide layer."""
    known: dict[str, tuple[Callable[[Network], Gradients], bool]] = {
        "PyTorch, mean": (by_mean, False),
        "PyTorch, mean, one wide head": (by_mean, True),
        "a pass for every task, skmtl's UPGrad": (by_passes(UPGrad().aggregate), False),
    }
    if not present("torchjd"):
        return known
    from torchjd.aggregation import UPGrad as TheirUPGrad

    return {
        **known,
        "a pass for every task, TorchJD's UPGrad": (by_passes(TheirUPGrad()), False),
        "TorchJD autojac, UPGrad": (by_autojac, False),
        "TorchJD autojac, UPGrad, one wide head": (by_autojac, True),
        "TorchJD autogram, UPGrad": (by_autogram, False),
        "TorchJD autogram, UPGrad, one wide head": (by_autogram, True),
    }


def passes(
    name: str,
    hidden: tuple[int, ...],
    x: Tensor,
    y: Tensor,
    batch_size: int,
    rate: float,
    seed: int,
) -> Iterator[None]:
    """Train a rival by Adam on shuffled rows, without end; stops after every pass."""
    torch.manual_seed(seed)
    build, wide = rivals()[name]
    model = Network(x.shape[1], hidden, y.shape[1], wide)
    gradients, optimizer = build(model), torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    while True:
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            gradients(x[rows], y[rows])
            optimizer.step()
        yield
