"""What is planted is found: a subspace from few rows, and the tasks of a minority that a small
representation starves.

    python benchmarks/representation_planted.py
        (20 draws of every setting; writes results/representation_planted.csv and .md)
    python benchmarks/representation_planted.py --quick
        (2 draws of small settings; writes nothing unless --out is given)
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy
import sklearn
from common import markdown, parse, parser, report, versions
from sklearn.exceptions import ConvergenceWarning

from skmtl import LowRankMultiTaskRegressor, MultiTaskRegressor
from skmtl.datasets import make_majority_minority_tasks
from skmtl.representation import representation_path

LINEAR = LowRankMultiTaskRegressor(task_column="task")
# Full batches without early stopping: a network of linear units that is trained to the end.
NETWORK = MultiTaskRegressor(
    (4,),
    activation="identity",
    task_column="task",
    batch_size="full",
    learning_rate_init=0.03,
    alpha=0.0,
    max_iter=150,
    n_members=1,
    early_stopping=False,
    task_embedding_dim=0,
    random_state=0,
)


def tasks(
    majority: int, minority: int, rows: int, inputs: int, ranks: tuple[int, int], noise: float
) -> dict[str, Any]:
    return {
        "n_majority": majority,
        "n_minority": minority,
        "n_samples": rows,
        "n_features": inputs,
        "majority_rank": ranks[0],
        "minority_rank": ranks[1],
        "noise": noise,
    }


SETTINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "small": (LINEAR, tasks(24, 3, 50, 10, (2, 2), 0.2)),
    "medium": (LINEAR, tasks(60, 6, 60, 16, (3, 3), 0.3)),
    "the paper's": (LINEAR, tasks(100, 10, 100, 32, (8, 8), 0.0)),
    "the paper's, with noise": (LINEAR, tasks(100, 10, 100, 32, (8, 8), 0.3)),
    "few rows": (LINEAR, tasks(60, 5, 30, 16, (3, 2), 0.5)),
    "much noise": (LINEAR, tasks(60, 5, 60, 16, (3, 2), 1.0)),
    "network": (NETWORK, tasks(12, 2, 60, 4, (1, 1), 0.2)),
}

NOTE = """Recovery: R = 8 dimensions planted in 64 inputs, heads uniform on the unit sphere; "angle"
is the sine of the largest angle between the planted and the found subspace, "error" the largest
Euclidean distance of a task's coefficients (of length 1) from the truth; largest over draws.
Seconds are those of one thread of a shared machine.

Starved tasks: `representation_path` with five folds at the majority's own rank, where exactly the
tasks of the minority are starved, and at the sum of both ranks, where none is. "exact": draws in
which it named exactly the minority; "missed" and "wrong": tasks of the minority not named and of
the majority named, in all draws; "all served": draws in which the larger rank starved nobody. Where
rows are few or noise is large, two standard errors are too much for some tasks: the rule then stays
silent rather than name a task that is well served. The network (linear units, two folds) varies the
width of its only layer."""


def recovery(n_tasks: int, n_rows: int, noise: float, seed: int) -> dict[str, Any]:
    """Fit one planted subspace."""
    rng = np.random.default_rng([seed, n_tasks, n_rows])
    basis = np.linalg.qr(rng.normal(size=(64, 8)))[0].T
    heads = rng.normal(size=(n_tasks, 8))
    coef = heads / np.linalg.norm(heads, axis=1, keepdims=True) @ basis
    task = np.repeat(np.arange(n_tasks), n_rows)
    X = rng.normal(size=(len(task), 64))
    y = np.einsum("ij,ij->i", X, coef[task]) + noise * rng.normal(size=len(task))
    table = np.column_stack([X, task])
    start = time.perf_counter()
    model = LowRankMultiTaskRegressor(8, task_column=-1).fit(table, y)
    seconds = time.perf_counter() - start
    angle = np.linalg.norm(basis - basis @ model.components_.T @ model.components_, 2)
    return {
        "tasks": n_tasks,
        "rows": n_rows,
        "noise": noise,
        "seconds": seconds,
        "angle": angle,
        "error": np.linalg.norm(model.coef_ - coef, axis=1).max(),
    }


def named(model: Any, setting: dict[str, Any], seed: int) -> dict[str, Any]:
    """Hold the tasks that a path names against those that were planted."""
    planted = make_majority_minority_tasks(**setting, random_state=seed)
    rank, both = setting["majority_rank"], setting["majority_rank"] + setting["minority_rank"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        path = representation_path(
            model,
            planted.data.assign(task=planted.task),
            planted.target,
            ranks=[rank, both],
            cv=2 if isinstance(model, MultiTaskRegressor) else 5,
        )
    found, truth = set(path.starved_tasks(rank)), set(planted.minority)
    return {
        "exact": found == truth,
        "missed": len(truth - found),
        "wrong": len(found - truth),
        "all served": not path.starved_tasks(both),
    }


def main() -> None:
    """Measure and write."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--draws", type=int, default=20)
    arguments.set_defaults(data_home=".")  # needs no data
    options = parse(arguments)
    draws = range(options.seed, options.seed + (2 if options.quick else options.draws))
    sizes = (
        [(100, 50, 0.0)] if options.quick else [(1000, 50, 0.0), (1000, 50, 0.5), (200, 50, 0.0)]
    )
    fits = pd.DataFrame([recovery(*size, seed) for size in sizes for seed in list(draws)[:3]])
    worst = fits.groupby(["tasks", "rows", "noise"], sort=False).max().reset_index()
    worst = worst.assign(
        seconds=worst["seconds"].map("{:.1f}".format),
        angle=worst["angle"].map("{:.1e}".format),
        error=worst["error"].map("{:.1e}".format),
    )
    print(markdown(worst), flush=True)
    lines = []
    for name, (model, setting) in SETTINGS.items():
        if options.quick and name not in ("small", "network"):
            continue
        lines += [{"setting": name, "draw": seed, **named(model, setting, seed)} for seed in draws]
        print(name, flush=True)
    table = pd.DataFrame(lines)
    counts = table.drop(columns="draw").groupby("setting", sort=False).sum()
    n_draws = table.groupby("setting", sort=False).size()
    shown = pd.DataFrame(
        {
            "setting": counts.index,
            "majority, minority": [
                f"{s['n_majority']}, {s['n_minority']}"
                for s in (SETTINGS[name][1] for name in counts.index)
            ],
            "rows x inputs": [
                f"{s['n_samples']} x {s['n_features']}"
                for s in (SETTINGS[name][1] for name in counts.index)
            ],
            "ranks": [
                "{majority_rank} + {minority_rank}".format(**SETTINGS[name][1])
                for name in counts.index
            ],
            "noise": [SETTINGS[name][1]["noise"] for name in counts.index],
            "exact": [f"{count} of {n}" for count, n in zip(counts["exact"], n_draws, strict=True)],
            "missed": [
                f"{counts.loc[name, 'missed']} of {n_draws[name] * SETTINGS[name][1]['n_minority']}"
                for name in counts.index
            ],
            "wrong": [
                f"{counts.loc[name, 'wrong']} of {n_draws[name] * SETTINGS[name][1]['n_majority']}"
                for name in counts.index
            ],
            "all served": [
                f"{count} of {n}" for count, n in zip(counts["all served"], n_draws, strict=True)
            ],
        }
    )
    parts = (
        f"## Recovery of a subspace\n\n{markdown(worst)}\n\n## Starved tasks, draws "
        f"{draws[0]} "
        f"to {draws[-1]}\n\n{markdown(shown)}\n"
    )
    text = (
        "# Planted subspaces and "
        f"minorities\n\n{NOTE}\n\n{parts}\n{versions(np, scipy, sklearn)}.\n"
    )
    report(options, "representation_planted", text, table)


if __name__ == "__main__":
    main()
