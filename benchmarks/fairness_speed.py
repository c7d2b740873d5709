"""Time of many fits that differ in the weights of fairness terms: as fleets, and one by one.

    python benchmarks/fairness_speed.py  (writes results/fairness_speed.csv and .md)
    python benchmarks/fairness_speed.py --quick
        (fewer runs on generated rows, writes nothing unless --out is given)

200 runs on german by fairness_sweep, and the same runs as separate fits, each judged by the same
metrics; and a grid of 24 weights on 5 folds by FleetSearchCV and by scikit-learn's GridSearchCV.
All on one thread, in seconds of the processor, taking turns.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd
import sklearn
import torch
from common import markdown, parse, parser, report, versions
from fairness_data import PENALTIES, load, network
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skmtl
from skmtl.data import split_rows
from skmtl.fairness import MTAF
from skmtl.metrics import error_rate, group_rate_gap, make_multitask_scorer
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold, fairness_sweep


def sweep(name: str, n_runs: int, data_home: str | None, seed: int) -> tuple[float, pd.DataFrame]:
    """Sweep once; return seconds and the runs."""
    data = load(name, 0, data_home)
    base = {f"{what}_{task}": 0.2 for what in ("error", "gap") for task in data.Y.columns}
    start = time.process_time()
    runs = fairness_sweep(
        network(name, MTAF(PENALTIES[name])),
        data.X,
        data.Y,
        sensitive_features=data.sensitive,
        X_test=data.X_test,
        Y_test=data.Y_test,
        sensitive_features_test=data.sensitive_test,
        n_runs=n_runs,
        baseline=base,
        n_jobs=1,
        threshold=0.5,
        random_state=seed,
    )
    return time.process_time() - start, runs


def one_by_one(name: str, runs: pd.DataFrame, data_home: str | None, seed: int) -> float:
    """Fit and judge the same settings one after another; return seconds."""
    data = load(name, 0, data_home)
    held = split_rows(np.zeros(len(data.X)), 0.2, np.random.RandomState(seed), stratify=False)
    X, Y, group = data.X[~held], data.Y[~held], data.sensitive[~held]
    start = time.process_time()
    for run in runs.to_dict("records"):
        model = clone(network(name, MTAF(PENALTIES[name])))
        model.set_params(
            random_state=int(run["seed"]),
            fairness__weight=[run[f"weight_{task}"] for task in Y.columns],
            task_weights=[run[f"task_weight_{task}"] for task in Y.columns],
        )
        model.fit(X, Y, sensitive_features=group)
        for rows, labels, groups in (
            (data.X_test, data.Y_test, data.sensitive_test),
            (data.X[held], data.Y[held], data.sensitive[held]),
        ):
            decided = np.column_stack(
                [own[:, 1] >= 0.5 for own in model.predict_proba(rows)]
            ).astype(int)
            error_rate(labels, decided)
            group_rate_gap(labels, decided, groups)
    return time.process_time() - start


def search(
    kind: type, name: str, n_weights: int, data_home: str | None, dtype: str
) -> tuple[float, pd.DataFrame]:
    """Search once; return seconds and the scores of candidates and folds."""
    data = load(name, 0, data_home)
    scorers = {
        "accuracy": make_multitask_scorer(skmtl.metrics.multitask_accuracy),
        "gap": make_multitask_scorer(
            group_rate_gap, greater_is_better=False, needs=("sensitive_features",)
        ),
    }
    estimator = network(name, MTAF(PENALTIES[name])).set_params(random_state=0, dtype=dtype)
    grid = {"fairness__weight": np.linspace(0.1, 5, n_weights).tolist()}
    found = kind(
        estimator, grid, cv=MultiTaskKFold(5, random_state=0), scoring=scorers, refit=False
    )
    start = time.process_time()
    found.fit(data.X, data.Y, sensitive_features=data.sensitive)
    return time.process_time() - start, pd.DataFrame(found.cv_results_)


def ratio(values: list[float]) -> str:
    """Return median, smallest and largest."""
    return f"{np.median(values):.1f} ({min(values):.1f}..{max(values):.1f})"


def main() -> None:
    """Time both."""
    known = parser(__doc__ or "")
    known.add_argument("--rounds", type=int, default=3)
    options = parse(known)
    name, n_runs, n_weights, rounds = (
        ("generated", 10, 3, 1) if options.quick else ("german", 200, 24, options.rounds)
    )
    torch.set_num_threads(1)
    rows = []
    sweep(name, 2, options.data_home, 0)  # warms up
    ours, ratios = [], []
    for turn in range(rounds):
        seconds, runs = sweep(name, n_runs, options.data_home, options.seed + turn)
        ours.append(seconds)
        ratios.append(one_by_one(name, runs, options.data_home, options.seed + turn) / seconds)
    rows.append(
        {
            "what": f"{n_runs} runs of a sweep",
            "fleet, s": f"{np.median(ours):.1f}",
            "one by one / fleet": ratio(ratios),
            "largest difference of a score": "",
        }
    )
    print(rows[-1], flush=True)
    with sklearn.config_context(enable_metadata_routing=True):
        for dtype in ("float32", "float64"):
            ours, ratios, differences, same = [], [], [], []
            for turn in range(rounds):
                found = {
                    kind: search(kind, name, n_weights, options.data_home, dtype)
                    for kind in (FleetSearchCV, GridSearchCV)[:: 1 if turn % 2 else -1]
                }
                (seconds, table), (theirs, reference) = found[FleetSearchCV], found[GridSearchCV]
                ours.append(seconds)
                ratios.append(theirs / seconds)
                scores = [column for column in table if column.startswith("split")]
                differences.append(
                    np.nanmax(
                        np.abs(
                            table[scores].to_numpy(dtype=float)
                            - reference[scores].to_numpy(dtype=float)
                        )
                    )
                )
                same.append(
                    all(
                        table[f"mean_test_{score}"].idxmax()
                        == reference[f"mean_test_{score}"].idxmax()
                        for score in ("accuracy", "gap")
                    )
                )
            what = f"FleetSearchCV: {n_weights} weights x 5 folds, {dtype}"
            difference = f"{max(differences):.0e}, same best: {'yes' if all(same) else 'no'}"
            rows.append(
                {
                    "what": what,
                    "fleet, s": f"{np.median(ours):.1f}",
                    "one by one / fleet": ratio(ratios),
                    "largest difference of a score": difference,
                }
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    text = f"""# Many weights of a fairness term: fleets against separate fits

{markdown(table)}

Data: {name}. MTA-F with the penalty "{PENALTIES[name]}", the paper's network and passes, one
network a fit. Median (lowest..highest) of {rounds} rounds, one thread of {os.cpu_count()} cores,
seconds of the processor. Scores: accuracy and FPR gap, mean over tasks, on the test rows of a fold.
Seed {options.seed}. {versions(np, sklearn, torch, skmtl)}.
"""
    report(options, "fairness_speed", text, table)


if __name__ == "__main__":
    main()
