"""Error and cost of sampled Shapley values of gradient conflict, against exact ones (Table 13 of
the SVFair paper, up to 139 tasks).

    python benchmarks/shapley_error.py --data-home FOLDER
        (or the environment variable SKMTL_DATA; reads FOLDER/school/school.csv.gz)
    python benchmarks/shapley_error.py --quick  (random gradients only, seconds)

"network" is the gradients in the trunk of a 27-[20, 10, 32] network with one head a task, at evenly
spaced steps of training on School; fewer than 139 tasks are drawn at random. "random" is Gaussian
gradients with four times as many parameters as tasks.
"""

from __future__ import annotations

import itertools
import math
import time
from functools import partial

import numpy as np
import pandas as pd
import torch
from common import markdown, parse, parser, report, versions
from torch.nn import functional

from skmtl.aggregation.shapley import UTILITIES, _prefix_coverage, _prefix_volumes, shapley_values
from skmtl.aggregation.voldet import normalized, opposition
from skmtl.datasets import fetch_school

HIDDEN, N_STEPS, RATE = (20, 10, 32), 300, 0.005
PERMUTATIONS = (100, 1000, 10_000)
N_TIMED = 3  # permutations on which the cost of one determinant a subset is measured

NOTE = """MSE: mean squared difference from the exact values, over tasks and Gramians. Noise: root
of the MSE divided by the standard deviation of the exact values over tasks; near 1, half of what is
seen is sampling error. A: algorithm 3 of the paper, plain permutations, v(empty set) = 0 as in its
worked example. B: the same with v(empty set) = 1, the determinant that numpy gives to an empty
matrix, and the constant 1 / T added; softmax does not see the constant. skmtl:
shapley_values(method="permutation"), which counts the first task exactly, takes antithetic pairs,
and of VolDetPro samples the square root only. exact: the default for VolDet; for VolDetPro it
enumerates the square root, up to 16 tasks. Milliseconds for one Gramian, one thread; skmtl and
exact: shortest of three calls; A and B: one determinant for every set of tasks that a permutation
passes through, extrapolated from {timed} permutations (their errors come from one Cholesky factor a
permutation, which gives the same determinants). Who joins first alone gives A a squared error of (1
/ T - phi^2) / permutations, 5e-4 for 20 tasks and 100 permutations; the paper's Table 13 prints
3e-6 there, in the range of B. Largest difference between exact values and an enumeration of all
subsets, over the Gramians of 10 tasks: {difference:.0e}."""


# ---------------------------------------------------------------------- Gramians
def random_gramians(n_tasks, n, rng):
    rows = torch.tensor(rng.normal(size=(n, n_tasks, 4 * n_tasks)))
    return list(rows @ rows.mT)


def network_gramians(tasks, n, seed):
    """Gramians of all tasks at n steps of training."""
    data = standardised(tasks)
    generator = torch.Generator().manual_seed(seed)
    sizes = [data[0][0].shape[1], *HIDDEN]
    trunk = [
        torch.randn(i, o, generator=generator) * math.sqrt(2 / i)
        for i, o in itertools.pairwise(sizes)
    ] + [torch.zeros(o) for o in HIDDEN]
    parameters = [
        p.requires_grad_()
        for p in [
            *trunk,
            torch.randn(len(data), HIDDEN[-1], generator=generator) / math.sqrt(HIDDEN[-1]),
        ]
    ]
    x, y = (torch.cat(parts) for parts in zip(*data, strict=True))
    task = torch.repeat_interleave(
        torch.arange(len(data)), torch.tensor([len(own) for _, own in data])
    )
    optimizer, gramians = torch.optim.Adam(parameters, lr=RATE), []
    for step in range(1, N_STEPS + 1):
        losses = task_losses(parameters, x, y, task, len(data))
        if step % (N_STEPS // n) == 0:
            rows = [
                torch.cat(
                    [g.flatten() for g in torch.autograd.grad(loss, trunk, retain_graph=True)]
                )
                for loss in losses
            ]
            jacobian = torch.stack(rows).double()
            gramians.append(jacobian @ jacobian.T)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    return gramians


def standardised(tasks):
    """Inputs and targets of every task, scaled by all rows together."""
    X, y = (np.asarray(part, dtype=float) for part in tasks.to_long()[:2])
    x_scale, y_scale = X.std(0) + 1e-12, y.std()
    pairs = [
        (np.asarray(tasks[name].X, dtype=float), np.asarray(tasks[name].y, dtype=float))
        for name in tasks.names
    ]
    return [
        (
            torch.tensor((a - X.mean(0)) / x_scale).float(),
            torch.tensor((b - y.mean()) / y_scale).float(),
        )
        for a, b in pairs
    ]


def task_losses(parameters, x, y, task, n_tasks):
    depth = len(HIDDEN)
    for weight, bias in zip(parameters[:depth], parameters[depth : 2 * depth], strict=True):
        x = functional.relu(x @ weight + bias)
    errors = ((x * parameters[-1][task]).sum(1) - y).square()
    return torch.zeros(n_tasks).index_add(0, task, errors) / torch.bincount(task, minlength=n_tasks)


def subsets_of(gramians, n_tasks, rng):
    chosen = [torch.tensor(rng.choice(len(g), n_tasks, replace=False)) for g in gramians]
    return [g[c][:, c] for g, c in zip(gramians, chosen, strict=True)]


# ---------------------------------------------------------------------- the paper's estimator
def algorithm_3(gramian, utility, n, seed, empty, chunk=2**21):
    """Mean marginal contributions along plain random permutations, less the constant that v(empty
    set) contributes.
    """
    cosines, present = normalized(gramian)
    generator, n_tasks, total = (
        torch.Generator().manual_seed(seed),
        len(gramian),
        torch.zeros(len(gramian), dtype=torch.float64),
    )
    for part in (
        torch.rand(n, n_tasks, generator=generator).argsort(-1).split(max(1, chunk // n_tasks**2))
    ):
        values = _prefix_volumes(cosines, present, part)
        if utility == "voldetpro":
            opposed = opposition(cosines)
            joined = opposed[part.unsqueeze(-1), part.unsqueeze(-2)].tril(-1).sum(-1)
            values = values + _prefix_coverage(opposed, present, part) + joined.cumsum(-1)
        added = values.diff(dim=-1, prepend=torch.full((len(part), 1), empty, dtype=torch.float64))
        total += added.gather(-1, part.argsort(-1)).sum(0)
    return total / n + empty / n_tasks


def seconds_of_determinants(gramian, n, seed):
    """Time of one determinant for every set that n permutations pass through."""
    cosines, rng = normalized(gramian)[0].numpy(), np.random.default_rng(seed)
    start = time.perf_counter()
    for order in [rng.permutation(len(gramian)) for _ in range(n)]:
        for k in range(1, len(order) + 1):
            np.linalg.det(cosines[np.ix_(order[:k], order[:k])])
    return time.perf_counter() - start


# ---------------------------------------------------------------------- measuring
def shortest(call):
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def difference_from_enumeration(gramians):
    return max(
        float(
            (shapley_values(g, u, method="exact") - shapley_values(g, u, method="enumerate"))
            .abs()
            .max()
        )
        for g in gramians
        for u in UTILITIES
    )


def measure(name, gramians, utility, seed):
    """One line for every number of permutations."""
    n_tasks, first = len(gramians[0]), gramians[0]
    exact = torch.stack([shapley_values(g, utility, method="exact") for g in gramians])
    spread = float(exact.std(-1, correction=0).square().mean().sqrt())
    exact_ms = 1000 * shortest(lambda: shapley_values(first, utility, method="exact"))
    determinants_ms = (
        1000 * shortest(lambda: seconds_of_determinants(first, N_TIMED, seed)) / N_TIMED
    )
    lines = []
    for n in PERMUTATIONS:
        estimators = {
            "A": partial(algorithm_3, utility=utility, n=n, empty=0.0),
            "B": partial(algorithm_3, utility=utility, n=n, empty=1.0),
            "skmtl": lambda g, seed, n=n: shapley_values(
                g, utility, method="permutation", n_permutations=n, random_state=seed
            ),
        }
        mse = {
            key: float(
                (torch.stack([f(g, seed=seed + k) for k, g in enumerate(gramians)]) - exact)
                .square()
                .mean()
            )
            for key, f in estimators.items()
        }
        line = {
            "gradients": name,
            "utility": utility,
            "tasks": n_tasks,
            "Gramians": len(gramians),
            "permutations": n,
        }
        line |= {f"MSE {key}": value for key, value in mse.items()} | {
            f"noise {key}": math.sqrt(value) / spread for key, value in mse.items()
        }
        line |= {
            "ms A, B": n * determinants_ms,
            "ms skmtl": 1000 * shortest(lambda f=estimators["skmtl"]: f(first, seed)),
            "ms exact": exact_ms,
        }
        lines.append(line)
    return lines


def main():
    arguments = parser(__doc__)
    arguments.add_argument(
        "--gramians",
        type=int,
        default=10,
        help="Gramians of every kind and size; a third of them for more than 40 tasks",
    )
    options = parse(arguments)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    n = 3 if options.quick else options.gramians
    lines = []
    for n_tasks in (10, 40) if options.quick else (10, 20, 40, 139):
        lines += measure(
            "random",
            random_gramians(n_tasks, n if n_tasks <= 40 else max(1, n // 3), rng),
            "voldet",
            options.seed,
        )
    tens = random_gramians(10, n, rng)
    lines += measure("random", tens, "voldetpro", options.seed)
    if not options.quick:
        gramians = network_gramians(
            fetch_school(data_home=options.data_home).task_set, n, options.seed
        )
        chosen = {n_tasks: subsets_of(gramians, n_tasks, rng) for n_tasks in (10, 20, 40)}
        tens += chosen[10]
        for part in chosen.values():
            lines += measure("network", part, "voldet", options.seed)
        lines += measure("network", gramians[::3], "voldet", options.seed)
        lines += measure("network", subsets_of(gramians, 16, rng), "voldetpro", options.seed)
    table = pd.DataFrame(lines)
    shown = table.copy()
    for column in table:
        style = {"MSE": "{:.1e}", "noise": "{:.2g}", "ms": "{:,.1f}"}.get(column.split()[0])
        if style:
            shown[column] = table[column].map(style.format)
    note = NOTE.format(timed=N_TIMED, difference=difference_from_enumeration(tens))
    text = (
        f"# Sampled and exact Shapley values\n\n{markdown(shown.astype(str))}\n\n{note}\nSeed "
        f"{options.seed}. {versions(np, torch)}.\n"
    )
    report(options, "shapley_error", text, table)


if __name__ == "__main__":
    main()
