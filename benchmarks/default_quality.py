"""Test error of default settings: skmtl against linear models, forests, boosting and neural
networks.

    python benchmarks/default_quality.py --data-home FOLDER
        (or the environment variable SKMTL_DATA)
    python benchmarks/default_quality.py --methods realmlp tabm --sets mtr_slump mtr_edm \
        --seed 2 --seeds 1
    python benchmarks/default_quality.py --report  (tables of what was measured)
    python benchmarks/default_quality.py --quick
        (generated tables, writes nothing unless --out is given)

Appends one line a (set, method, seed) to results/default_quality_raw.csv as it comes; what is there
is not measured again, unless --again. Every method sees the same rows and uses one thread. Rivals
that are not installed are skipped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from common import RESULTS, parse, parser
from default_quality_report import write_report
from numpy.typing import NDArray
from quality_data import LARGE_SETS, SMALL_SETS, Split, draw, load
from quality_rivals import METHODS, quiet
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

SETS = (*SMALL_SETS, *LARGE_SETS)
QUICK_SETS = tuple(
    f"generated_{form}_{kind}"
    for form in ("wide", "long")
    for kind in ("regression", "classification")
)
QUICK_METHODS = (
    "skmtl",
    "linear_per_task",
    "linear_indicator",
    "sklearn_mlp",
    "hist_gradient_boosting",
)
KEY = ["set", "method", "seed"]
COLUMNS = [
    *KEY,
    "relative_rmse",
    "sum_mse",
    "auc",
    "log_loss",
    "cpu_s",
    "wall_s",
    "rows",
    "package",
]
CLIP = 1e-3  # of probabilities, so that one row that a forest is sure of does not decide the mean


class OutOfTime(BaseException):
    """A fit needed more than --limit; no Exception, so that no library catches it."""


# ---------------------------------------------------------------------- one cell
def scores(split: Split, predicted: NDArray[np.float64]) -> dict[str, float]:
    """Measures on test rows, means over tasks."""
    train, test = (
        by_task(split.X_train, split.Y_train),
        by_task(split.X_test, split.Y_test, predicted),
    )
    if split.kind == "classification":
        clipped = [(y, np.clip(p, CLIP, 1 - CLIP)) for y, p in test]
        return {
            "auc": float(np.mean([roc_auc_score(y, p) for y, p in test if len(np.unique(y)) == 2])),
            "log_loss": float(np.mean([log_loss(y, p, labels=[0, 1]) for y, p in clipped])),
        }
    errors = np.array([np.mean((y - p) ** 2) for y, p in test])
    of_means = np.array(
        [
            np.mean((y - y_train.mean()) ** 2)
            for (y, _), (y_train, _) in zip(test, train, strict=True)
        ]
    )
    found = {"relative_rmse": float(np.mean(np.sqrt(errors / of_means)))}
    return found | ({"sum_mse": float(errors.sum() / np.var(split.Y_train))} if split.long else {})


def by_task(
    X: pd.DataFrame, Y: NDArray[np.float64], predicted: NDArray[np.float64] | None = None
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Known targets and predictions of every task, in the order of the categories."""
    predicted = Y if predicted is None else predicted
    if Y.ndim == 1:
        return [
            (Y[rows], predicted[rows])
            for rows in (np.flatnonzero(X["task"] == task) for task in X["task"].cat.categories)
        ]
    return [(y[~np.isnan(y)], p[~np.isnan(y)]) for y, p in zip(Y.T, predicted.T, strict=True)]


def measure(split: Split, method: str, seed: int, limit: float) -> dict[str, Any]:
    """Fit, predict and score; without scores where the limit ran out."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    row |= {
        "set": split.name,
        "method": method,
        "seed": seed,
        "rows": split.rows,
        "package": METHODS[method].version(),
    }
    start, cpu = time.perf_counter(), cpu_seconds()
    with contextlib.suppress(OutOfTime), threadpool_limits(1), time_limit(limit * split.n_targets):
        predict = METHODS[method].fit(split, seed)
        row |= {
            "cpu_s": round(cpu_seconds() - cpu, 2),
            "wall_s": round(time.perf_counter() - start, 2),
        }
        row |= {
            name: f"{value:.6g}" for name, value in scores(split, predict(split.X_test)).items()
        }
    return row


def cpu_seconds() -> float:
    """Time that this process and its finished children have computed, on a busy machine the fairer
    measure.
    """
    return sum(os.times()[:4])


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime after so many seconds of computing."""

    def stop(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


# ---------------------------------------------------------------------- all cells
def read(path: Path) -> pd.DataFrame:
    """Return what was measured; of two lines for the same cell the later one."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(path, dtype={"rows": str}).drop_duplicates(KEY, keep="last")


def append(path: Path, row: dict[str, Any]) -> None:
    """Add one line in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row], columns=COLUMNS).to_csv(
        path, mode="a", header=not path.exists(), index=False
    )


def measure_all(options: argparse.Namespace, path: Path) -> pd.DataFrame:
    """Seed by seed, method by method, set by set; return all rows."""
    tables = {name: load(name, options.data_home) for name in options.sets}
    measured = []
    for seed in range(options.seed, options.seed + options.seeds):
        for method in options.methods:
            for name, table in tables.items():
                if METHODS[method].long_only and table.Y.ndim == 2:
                    continue
                done = read(path)
                cells = done[(done["set"] == name) & (done["method"] == method)]
                failed = cells[["relative_rmse", "log_loss"]].isna().all(axis=1).any()
                if not options.again and (failed or seed in cells["seed"].tolist()):
                    continue
                try:
                    row = measure(draw(table, seed), method, seed, options.limit)
                except Exception as error:  # the other cells go on
                    print(
                        f"{name}, {method}, seed {seed}: {type(error).__name__}: "
                        f"{str(error).splitlines()[0]}",
                        flush=True,
                    )
                    continue
                measured.append(row)
                shown = {key: row[key] for key in COLUMNS[3:8] if not pd.isna(row[key])}
                print(
                    f"{time.strftime('%H:%M:%S')} {name}, {method}, seed {seed}: "
                    f"{shown or 'out of time, left out'}",
                    flush=True,
                )
                if options.out or not options.quick:
                    append(path, row)
    return (
        read(path) if options.out or not options.quick else pd.DataFrame(measured, columns=COLUMNS)
    )


def arguments() -> argparse.Namespace:
    """Return the options; rivals that are not installed are taken out."""
    known = parser(__doc__ or "")
    known.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    known.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    known.add_argument("--seeds", type=int, default=5, help="number of seeds, from --seed on")
    known.add_argument(
        "--limit",
        type=float,
        default=600,
        help="seconds of computing a target and seed; a set that takes more is left out for the "
        "method",
    )
    known.add_argument(
        "--again",
        action="store_true",
        help="measure what is there already once more; the later line counts",
    )
    known.add_argument(
        "--report",
        action="store_true",
        help="only write the tables, from the seeds, methods and sets asked for",
    )
    options = known.parse_args() if "--report" in sys.argv[1:] else parse(known)
    if options.quick:
        options.sets, options.methods, options.seeds = list(QUICK_SETS), list(QUICK_METHODS), 1
    if options.report:
        return options
    for method in [method for method in options.methods if METHODS[method].version() is None]:
        print(f"{METHODS[method].title} is skipped: {METHODS[method].package} is not installed.")
        options.methods.remove(method)
    return options


def main() -> None:
    """Measure, or write the tables."""
    options = arguments()
    path = (options.out or RESULTS) / "default_quality_raw.csv"
    if not options.report:
        quiet()
        torch.set_num_threads(1)
        rows = measure_all(options, path)
        if not options.quick:
            return
    else:
        rows = read(path)
    seeds = range(options.seed, options.seed + options.seeds)
    write_report(
        options,
        rows[
            rows["seed"].isin(seeds)
            & rows["method"].isin(options.methods)
            & rows["set"].isin(options.sets)
        ],
    )


if __name__ == "__main__":
    main()
