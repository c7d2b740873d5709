"""Independent references: one network in plain PyTorch, its plain training loop, and random fleets
to hold against them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional

from skmtl.losses import LogLoss, SquaredError
from skmtl.network import Architecture, FleetData, Member, Training
from skmtl.network.batches import BatchStream, DeviceData, batch_shape, build_table

_ACTIVATE = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda value: value,
}


def _plain_representation(architecture, parameters, x, task, codes=None, factors=None):
    """What one task's head sees, (rows, width), at row-major inputs (rows, p) and category codes
    (rows, c), and the parameters of the heads.

    ``factors`` are those of dropout, (rows, width) for every hidden layer, heads' included.
    """
    tables, layers, vectors = _plain_parts(architecture, parameters)
    x = torch.cat(
        [
            x,
            *(table[codes[:, j]] for j, table in enumerate(tables)),
            *(vector[task].expand(len(x), -1) for vector in vectors),
        ],
        1,
    )
    factors = iter(factors or [])
    activate = _ACTIVATE[architecture.activation]
    for weight, bias in layers[: len(architecture.hidden)]:
        x = activate(x @ weight.mT + bias.mT) * next(factors, 1.0)
    return x, layers[len(architecture.hidden) :], factors


def _plain_scores(architecture, parameters, x, task, codes=None, factors=None):
    """Scores (rows, k) of one task's head at row-major inputs (rows, p); parameters of one network,
    tasks first in the heads.
    """
    x, heads, factors = _plain_representation(architecture, parameters, x, task, codes, factors)
    activate = _ACTIVATE[architecture.activation]
    for weight, bias in heads[:-1]:
        x = activate(x @ weight[task].mT + bias[task].mT) * next(factors, 1.0)
    weight, bias = heads[-1]
    return x @ weight[task].mT + bias[task].mT


def _plain_parts(architecture, parameters):
    """Tables of the categories, (weight, bias) of all layers, and the vectors of the tasks in a
    list of one or none.
    """
    n, rest = len(architecture.embeddings), list(parameters)
    vectors = [rest.pop()] if architecture.task_embedding_dim else []
    return rest[:n], list(zip(rest[n::2], rest[n + 1 :: 2], strict=True)), vectors


def _plain_losses(loss, scores, labels, n_classes=None):
    """Loss of every row from scores (rows, k) and labels (rows,)."""
    if isinstance(loss, SquaredError) or loss == "squared_error":
        return functional.mse_loss(scores[:, 0], labels, reduction="none")
    if scores.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(scores[:, 0], labels, reduction="none")
    return functional.cross_entropy(scores[:, :n_classes], labels.long(), reduction="none")


class _PlainSolver:
    """One network's solver: PyTorch's own, with Adam's epsilon moved to where Kingma and Ba's
    efficient order has it.
    """

    def __init__(self, name, parameters, decaying, learning_rate, alpha):
        self.name, self.decaying, self.alpha, self.rate, self.k = (
            name,
            decaying,
            alpha,
            learning_rate,
            0,
        )
        kinds = {
            "adam": lambda: torch.optim.Adam(parameters, lr=learning_rate),
            "adamw": lambda: torch.optim.Adam(parameters, lr=learning_rate),
            "adagrad": lambda: torch.optim.Adagrad(
                parameters, lr=learning_rate, initial_accumulator_value=0.1, eps=1e-8
            ),
            "sgd": lambda: torch.optim.SGD(
                parameters, lr=learning_rate, momentum=0.9, nesterov=True
            ),
        }
        self.optimiser = kinds[name]()

    def step(self, loss):
        self.k += 1
        self.optimiser.zero_grad()
        if self.name != "adamw":
            loss = loss + sum(0.5 * self.alpha * weight.square().sum() for weight in self.decaying)
        loss.backward()
        if self.name == "adamw":
            with torch.no_grad():
                for weight in self.decaying:
                    weight.sub_(self.rate * self.alpha * weight)
        if self.name in ("adam", "adamw"):
            self.optimiser.param_groups[0]["eps"] = 1e-8 / np.sqrt(1 - 0.999**self.k)
        self.optimiser.step()


def _plain_training(architecture, data, member, training, n_iter, more=(), shape=None):
    """Train one member pass by pass with autograd; return its parameters and the tasks' training
    losses, (n_iter, T).

    The same network goes on with the members ``more``, ``n_iter`` passes each, and its solver with
    it. ``shape`` says how many steps of how many rows a pass has, where the member alone does not
    say.
    """
    n_tasks = data.y.shape[1] if data.shared_rows else len(member.train)
    start = architecture.initial_parameters(member.seed, n_tasks)
    parameters = [
        torch.tensor(np.array(part), dtype=getattr(torch, training.dtype), requires_grad=True)
        for part in start
    ]
    tables, layers, vectors = _plain_parts(architecture, parameters)
    on_device = DeviceData(data, parameters[0].dtype, torch.device("cpu"))
    solver = _PlainSolver(
        training.solver,
        parameters,
        [*tables, *(weight for weight, _ in layers), *vectors],
        member.learning_rate,
        member.alpha,
    )
    curve = []
    for now in (member, *more):
        task_weights = np.ones(n_tasks) if now.task_weights is None else now.task_weights
        n_steps, n_rows = batch_shape(now.train, training.batch_size) if shape is None else shape
        rows, stream = (
            build_table(on_device, [now.train], n_steps * n_rows),
            BatchStream(on_device, n_steps),
        )
        generator = torch.Generator().manual_seed(now.order_seed)
        for epoch in range(n_iter):
            curve.append(np.zeros(n_tasks))
            for batch in stream.batches(rows, [(now.order_seed, epoch)]):
                inputs, factors = (
                    batch.x[0].T.clone(),
                    _plain_factors(
                        architecture, training.dropout, generator, batch.x.shape[2], n_tasks, n_rows
                    ),
                )
                total = torch.zeros((), dtype=parameters[0].dtype)
                for t in range(n_tasks):
                    own = slice(None) if data.shared_rows else slice(t * n_rows, (t + 1) * n_rows)
                    codes = None if batch.codes is None else batch.codes[0].T[own]
                    dropped = [part[own] if part.ndim == 2 else part[t] for part in factors]
                    scores = _plain_scores(architecture, parameters, inputs[own], t, codes, dropped)
                    losses = _plain_losses(
                        training.loss,
                        scores,
                        batch.labels[0, t],
                        None if now.n_scores is None else int(now.n_scores[t]),
                    )
                    task_loss = (losses * batch.weights[0, t]).sum()
                    curve[-1][t] += task_loss.item() / n_steps
                    total = total + task_loss * task_weights[t] / task_weights.sum()
                solver.step(total)
    return [part.detach().numpy() for part in parameters], np.array(curve)


def _plain_factors(architecture, dropout, generator, n_inputs, n_tasks, n_rows):
    """Factors of dropout for one step: (rows, width) of every trunk layer, (T, rows, width) of
    every hidden layer of the heads.
    """
    if not dropout:
        return []
    shapes = [(width, n_inputs) for width in architecture.hidden] + [
        (n_tasks, width, n_rows) for width in architecture.head_hidden
    ]
    return [
        torch.empty(shape, dtype=torch.float64)
        .bernoulli_(1 - dropout, generator=generator)
        .div_(1 - dropout)
        .mT
        for shape in shapes
    ]


@dataclass
class Fleet:
    """Everything that one call of train_fleet needs."""

    architecture: Architecture
    data: FleetData
    members: list[Member]
    training: Training


def _random_fleet(
    rng,
    layout,
    loss,
    n_members,
    *,
    n_tasks=3,
    n_rows=60,
    p=4,
    sizes=(18, 24),
    split=False,
    learning_rate=(0.002, 0.02),
    embeddings=(),
    task_dim=0,
    **training,
):
    """Members with rows, seeds, step sizes, penalties and task weights of their own; ``layout`` is
    "wide" or "long".

    ``embeddings`` are the levels and widths of categorical columns, ``task_dim`` is the width of
    the tasks' vectors.
    """
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
    codes = (
        np.column_stack([rng.integers(levels, size=n_rows) for levels, _ in embeddings])
        if embeddings
        else None
    )
    data = FleetData(
        rng.normal(size=(n_rows, p)),
        y,
        sample_weight=rng.uniform(0.5, 2.0, size=n_rows),
        codes=codes,
    )

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
            n_scores=n_classes,
            label=f"member {number}",
        )

    outputs = 1 if n_classes is None else int(n_classes.max())
    architecture = Architecture(
        p, (6, 5), (4,), outputs, "tanh", embeddings=embeddings, task_embedding_dim=task_dim
    )
    settings = (
        dict(
            loss=SquaredError() if loss == "squared_error" else LogLoss(),
            batch_size=8,
            max_iter=12,
            n_iter_no_change=100,
            dtype="float64",
        )
        | training
    )
    return Fleet(
        architecture, data, [member(number) for number in range(n_members)], Training(**settings)
    )


@pytest.fixture
def plain_scores():
    return _plain_scores


@pytest.fixture
def plain_representation():
    return lambda *arguments: _plain_representation(*arguments)[0]


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
