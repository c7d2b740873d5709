"""Independent references: one network in plain PyTorch, its plain training loop, and random fleets to hold against them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional

from skmtl.network import Architecture, FleetData, Member, Training
from skmtl.network.batches import BatchStream, DeviceData, batch_shape, build_table

_ACTIVATE = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid, "identity": lambda value: value}


def _plain_scores(architecture, parameters, x, task):
    """Scores (rows, k) of one task's head at row-major inputs (rows, p); parameters of one network, tasks first in the heads."""
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    trunk, heads = layers[: len(architecture.hidden)], layers[len(architecture.hidden) :]
    activate = _ACTIVATE[architecture.activation]
    for weight, bias in trunk:
        x = activate(x @ weight.mT + bias.mT)
    for weight, bias in heads[:-1]:
        x = activate(x @ weight[task].mT + bias[task].mT)
    weight, bias = heads[-1]
    return x @ weight[task].mT + bias[task].mT


def _plain_losses(loss, scores, labels, n_classes=None):
    """Loss of every row from scores (rows, k) and labels (rows,)."""
    if loss == "squared_error":
        return functional.mse_loss(scores[:, 0], labels, reduction="none")
    if loss == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(scores[:, 0], labels, reduction="none")
    return functional.cross_entropy(scores[:, :n_classes], labels.long(), reduction="none")


class _PlainSolver:
    """One network's solver: PyTorch's own, with Adam's epsilon moved to where Kingma and Ba's efficient order has it."""

    def __init__(self, name, parameters, learning_rate, alpha):
        self.name, self.parameters, self.alpha, self.rate, self.k = name, parameters, alpha, learning_rate, 0
        kinds = {
            "adam": lambda: torch.optim.Adam(parameters, lr=learning_rate),
            "adamw": lambda: torch.optim.Adam(parameters, lr=learning_rate),
            "adagrad": lambda: torch.optim.Adagrad(parameters, lr=learning_rate, initial_accumulator_value=0.1, eps=1e-8),
            "sgd": lambda: torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9, nesterov=True),
        }
        self.optimiser = kinds[name]()

    def step(self, loss):
        self.k += 1
        self.optimiser.zero_grad()
        weights = self.parameters[::2]
        if self.name != "adamw":
            loss = loss + sum(0.5 * self.alpha * weight.square().sum() for weight in weights)
        loss.backward()
        if self.name == "adamw":
            with torch.no_grad():
                for weight in weights:
                    weight.sub_(self.rate * self.alpha * weight)
        if self.name in ("adam", "adamw"):
            self.optimiser.param_groups[0]["eps"] = 1e-8 / np.sqrt(1 - 0.999**self.k)
        self.optimiser.step()


def _plain_training(architecture, data, member, training, n_iter):
    """Train one member pass by pass with autograd; return its parameters and the tasks' training losses, (n_iter, T)."""
    n_tasks = data.y.shape[1] if data.shared_rows else len(member.train)
    start = architecture.initial_parameters(member.seed, n_tasks)
    parameters = [torch.tensor(np.array(part), dtype=getattr(torch, training.dtype), requires_grad=True) for part in start]
    task_weights = np.ones(n_tasks) if member.task_weights is None else member.task_weights
    on_device = DeviceData(data, parameters[0].dtype, torch.device("cpu"))
    n_steps, n_rows = batch_shape(member.train, training.batch_size)
    rows, stream = build_table(on_device, [member.train], n_steps * n_rows), BatchStream(on_device, n_steps)
    solver = _PlainSolver(training.solver, parameters, member.learning_rate, member.alpha)
    curve = np.zeros((n_iter, n_tasks))
    for epoch in range(n_iter):
        for batch in stream.batches(rows, [(member.order_seed, epoch)]):
            inputs = batch.x[0].T.clone()
            total = torch.zeros((), dtype=parameters[0].dtype)
            for t in range(n_tasks):
                own = inputs if data.shared_rows else inputs[t * n_rows : (t + 1) * n_rows]
                scores = _plain_scores(architecture, parameters, own, t)
                losses = _plain_losses(training.loss, scores, batch.labels[0, t], None if member.n_classes is None else int(member.n_classes[t]))
                task_loss = (losses * batch.weights[0, t]).sum()
                curve[epoch, t] += task_loss.item() / n_steps
                total = total + task_loss * task_weights[t] / task_weights.sum()
            solver.step(total)
    return [part.detach().numpy() for part in parameters], curve


@dataclass
class Fleet:
    """Everything that one call of train_fleet needs."""

    architecture: Architecture
    data: FleetData
    members: list[Member]
    training: Training


def _random_fleet(rng, layout, loss, n_members, *, n_tasks=3, n_rows=60, p=4, sizes=(18, 24), split=False, learning_rate=(0.002, 0.02), **training):
    """Members with rows, seeds, step sizes, penalties and task weights of their own; ``layout`` is "wide" or "long"."""
    shape = (n_rows, n_tasks) if layout == "wide" else (n_rows,)
    n_classes = rng.integers(2, 5, size=n_tasks) if loss == "cross_entropy" else None
    owner = rng.integers(n_tasks, size=n_rows)
    if loss == "squared_error":
        y = rng.normal(size=shape)
    elif n_classes is None:
        y = rng.integers(2, size=shape).astype(float)
    else:
        y = np.floor(rng.random(shape) * (n_classes if layout == "wide" else n_classes[owner]))
    if layout == "wide":
        y[rng.random(shape) < 0.3] = np.nan
    data = FleetData(rng.normal(size=(n_rows, p)), y, sample_weight=rng.uniform(0.5, 2.0, size=n_rows))

    def rows(size):
        if layout == "wide":
            return [rng.permutation(n_rows)[:size]]
        return [rng.permutation(np.flatnonzero(owner == t))[: size - t] for t in range(n_tasks)]

    def member(number):
        train = rows(int(rng.integers(*sizes, endpoint=True)))
        return Member(
            train=train,
            validation=rows(9) if split else (),
            evaluation=rows(7),
            seed=int(rng.integers(10_000)),
            order_seed=int(rng.integers(10_000)),
            learning_rate=float(rng.uniform(*learning_rate)),
            alpha=float(rng.uniform(0, 0.1)),
            task_weights=rng.uniform(0.2, 2.0, size=n_tasks),
            n_classes=n_classes,
            label=f"member {number}",
        )

    outputs = 1 if n_classes is None else int(n_classes.max())
    architecture = Architecture(p, hidden=(6, 5), head_hidden=(4,), n_outputs=outputs, activation="tanh")
    settings = dict(loss=loss, batch_size=8, max_iter=12, n_iter_no_change=100, dtype="float64") | training
    return Fleet(architecture, data, [member(number) for number in range(n_members)], Training(**settings))


@pytest.fixture
def plain_scores():
    return _plain_scores


@pytest.fixture
def plain_losses():
    return _plain_losses


@pytest.fixture
def plain_training():
    return _plain_training


@pytest.fixture
def random_fleet(rng):
    def draw(layout, loss, n_members, **options):
        return _random_fleet(rng, layout, loss, n_members, **options)

    return draw
