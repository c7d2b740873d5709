"""Joint networks with access to their parameters, gradients and look-aheads during training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl.data import TaskSet
from skmtl.estimators import (
    MultiTaskNetwork,
    Problem,
    group_job,
    problem_of_groups,
    read_settings,
    refuse_fairness,
    train_job,
)
from skmtl.network import LaneLoss, StackedNetwork, TrainedMember

# Function of the index of a network and its parameters, which have a leading axis of length 1.
Visit = Callable[[int, list[Tensor]], None]
# Numbers that the hidden layers of a look-ahead may hold at once (8 bytes each, outputs and
# derivatives).
_HELD_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class Sample:
    """Sample of rows of each task.

    Attributes
    ----------
    x : Tensor of shape (1, columns, T * B)
        Inputs, ordered by task, with columns reserved for embeddings.
    codes : Tensor of shape (1, c, T * B) or None
        Category codes.
    labels, weights : Tensor of shape (1, T, B)
        Encoded targets; sample weights that sum to 1 per task, 0 for padding.
    """

    x: Tensor
    codes: Tensor | None
    labels: Tensor
    weights: Tensor


class JointNetworks:
    """Joint networks of all tasks with different seeds and validation rows.

    Rows are split per task, as in the networks with which gains are measured.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier
        Settings; it is not changed.
    tasks : TaskSet
        All tasks.
    n_networks : int
        Number of networks.
    seed : int
        Random seed.
    test_size : float, optional
        Fraction of each task's rows on which no network is trained; 0 = none.
    """

    def __init__(
        self,
        estimator: MultiTaskNetwork,
        tasks: TaskSet,
        n_networks: int,
        seed: int,
        *,
        test_size: float = 0.0,
    ):
        settings = read_settings(estimator)
        refuse_fairness(settings.fairness, type(self).__name__)
        self.tasks = self.test = tasks
        self.problem = problem_of_groups(settings, tasks, split_seed=seed)
        if test_size:
            self.tasks, self.test = tasks.hold_out(test_size, seed)
            self.problem = Problem(
                settings,
                self.problem.intake,
                self.tasks,
                self.test,
                split_seed=seed,
                separate=True,
            )
        self.names, self.seed = tasks.names, seed
        groups = [self.names]
        job = group_job(
            settings, self.problem, groups, seed=seed, record=False, n_networks=n_networks
        )
        self.job = replace(job, together=True)
        self.architecture, self.members = job.architecture, job.networks
        n_scores = torch.tensor([[self.problem.targets.n_scores(name) for name in self.names]])
        self.loss = LaneLoss(self.problem.targets.loss, n_scores, self.architecture.n_outputs)
        if not self.architecture.n_trunk_parameters:
            raise ValueError(
                "The estimator has hidden_layer_sizes=(), so its tasks share no layer and cannot "
                "help each other. Set at least one hidden layer."
            )

    def train(self, visit: Visit, every: int) -> list[TrainedMember]:
        """Train all networks; every few epochs, visit those whose best parameters are new."""
        seen = np.zeros(len(self.members), dtype=int)

        def show(members: list[TrainedMember], last: bool) -> None:
            for k, member in enumerate(members):
                if member.best_iteration > seen[k] or (last and seen[k] == 0):
                    seen[k] = member.best_iteration
                    visit(k, stacked(member))

        def on_epoch(n_done: int, now: Callable[[], list[TrainedMember]]) -> bool:
            if n_done % every == 0:
                show(now(), last=False)
            return False

        trained = train_job(self.job, on_epoch=on_epoch)
        show(trained, last=True)
        return trained

    # ------------------------------------------------------------------ rows
    def training_sample(self, k: int, size: int | None, draw: int = 0) -> Sample:
        """Return at most ``size`` training rows per task of the k-th network.

        Different values of ``draw`` give different random rows.
        """
        rows = [chosen_rows(own, size, self.seed, draw) for own in self.members[k].train]
        return self._sample(rows, [self.problem.data.y[own] for own in rows])

    def test_sample(self) -> Sample:
        """Return the test rows of each task."""
        labels = [self.problem.targets.encode(name, self.test.targets(name)) for name in self.names]
        return self._sample(self.members[0].evaluation, labels)

    def _sample(
        self, rows: Sequence[NDArray[np.intp]], labels: Sequence[NDArray[np.floating]]
    ) -> Sample:
        data, longest = self.problem.data, max(len(own) for own in rows)
        index, y, weights = (
            np.zeros((len(rows), longest), dtype=np.intp),
            np.zeros((len(rows), longest)),
            np.zeros((len(rows), longest)),
        )
        for t, (own, targets) in enumerate(zip(rows, labels, strict=True)):
            index[t, : len(own)], y[t, : len(own)], weights[t, : len(own)] = (
                own,
                targets,
                1 / len(own),
            )
        x = torch.zeros(1, self.architecture.trunk_sizes[0], index.size, dtype=torch.float64)
        x[0, : self.architecture.n_inputs] = torch.as_tensor(data.X[index.ravel()].T)
        codes = (
            None
            if data.codes is None
            else torch.as_tensor(data.codes[index.ravel()].T[None].astype(np.int64))
        )
        return Sample(x, codes, torch.as_tensor(y[None]), torch.as_tensor(weights[None]))

    # ------------------------------------------------------------------ losses and gradients
    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each cell, (E, T, B), for scores (E, T, k, B)."""
        return self.loss.values(scores, labels)

    def task_gradients(self, parameters: list[Tensor], sample: Sample) -> tuple[Tensor, Tensor]:
        """Return the loss of each task, (T,), and its gradient in the trunk, (T, P)."""
        network = StackedNetwork(self.architecture, parameters, shared_rows=False)
        leaf = network.forward(sample.x, sample.codes).clone().requires_grad_()
        with torch.enable_grad():
            losses = (self.losses(leaf, sample.labels) * sample.weights).sum(2)
            (derivative,) = torch.autograd.grad(losses.sum(), leaf)
        return losses[0].detach(), network.trunk_jacobian(derivative)[0]

    def losses_after(self, parameters: list[Tensor], steps: Tensor, sample: Sample) -> Tensor:
        """Return the loss of each task, (S, T), after each of S alternative trunk steps, (S, P)."""
        first = self.architecture.n_trunk_parameters
        held = sum(self.architecture.trunk_sizes) * sample.x.shape[2]
        blocks = []
        for part in torch.split(steps, max(1, _HELD_AT_ONCE // held)):
            ahead = [tensor.expand(len(part), *tensor.shape[1:]).clone() for tensor in parameters]
            network = StackedNetwork(self.architecture, ahead, shared_rows=False)
            network.set_trunk_gradient(part)
            for tensor, step in zip(ahead[:first], network.gradients[:first], strict=True):
                tensor.add_(step)
            x = sample.x.expand(len(part), -1, -1)
            embedded = self.architecture.trunk_sizes[0] > self.architecture.n_inputs
            codes = None if sample.codes is None else sample.codes.expand(len(part), -1, -1)
            scores = network.forward(x.clone() if embedded else x, codes)
            blocks.append((self.losses(scores, sample.labels) * sample.weights).sum(2))
        return torch.cat(blocks)


def stacked(member: TrainedMember) -> list[Tensor]:
    """Return the parameters of a network in float64, with a leading axis of length 1."""
    return [torch.as_tensor(np.asarray(part, dtype=np.float64)[None]) for part in member.parameters]


def chosen_rows(rows: NDArray[np.intp], size: int | None, seed: int, draw: int) -> NDArray[np.intp]:
    """Draw rows without replacement; the positions depend only on their number and the seeds."""
    if size is None or len(rows) <= size:
        return rows
    return rows[np.random.default_rng((seed, draw, len(rows))).permutation(len(rows))[:size]]
