"""Time of a grid search: FleetSearchCV against scikit-learn's GridSearchCV with the same
estimator, grid and folds.

    python benchmarks/fleet_search.py  (writes results/fleet_search.csv and .md)
    python benchmarks/fleet_search.py --quick
        (fewer passes and one round, writes nothing unless --out is given)

24 candidates on 5 folds: 8 penalties and 3 learning rates; in the pipeline 4 penalties, 3 learning
rates and 2 settings of the step before. Both searches take turns on one thread, in seconds of the
processor. Scores of every candidate on every fold are compared, too.
"""

from __future__ import annotations

import itertools
import os
import time

import numpy as np
import pandas as pd
import sklearn
import torch
from common import markdown, parse, parser, report, versions
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import SplineTransformer

import skmtl
from skmtl import MultiTaskRegressor
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold

N_FEATURES, N_TASKS, WIDTH, BATCH = 10, 5, 16, 32
PENALTIES, RATES = np.geomspace(0.03, 3, 8).tolist(), [0.001, 0.003, 0.01]


def problem(
    n_rows: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return inputs and targets, a fifth of which are missing."""
    X = rng.normal(size=(n_rows, N_FEATURES))
    Y = np.tanh(X @ rng.normal(size=(N_FEATURES, N_TASKS))) + 0.3 * rng.normal(
        size=(n_rows, N_TASKS)
    )
    return X, np.where(rng.random(Y.shape) < 0.2, np.nan, Y)


def searches(passes: int, seed: int) -> dict[str, tuple[int, object, dict[str, list[float]]]]:
    """Return rows, estimator and grid of every comparison."""
    settings = {
        "hidden_layer_sizes": (WIDTH,),
        "batch_size": BATCH,
        "max_iter": passes,
        "random_state": seed,
    }
    grid = {"alpha": PENALTIES, "learning_rate_init": RATES}
    one = MultiTaskRegressor(**settings, n_members=1)
    pipeline = Pipeline([("splines", SplineTransformer(degree=2)), ("network", one)])
    inside = {
        "splines__n_knots": [3, 4],
        "network__alpha": PENALTIES[::2],
        "network__learning_rate_init": RATES,
    }
    return {
        "one network, 400 rows": (400, one, grid),
        "one network, 1000 rows": (1000, one, grid),
        "one network, 400 rows, float64": (400, clone(one).set_params(dtype="float64"), grid),
        "pipeline with splines, one network, 400 rows": (400, pipeline, inside),
        "8 networks (default), 400 rows": (400, MultiTaskRegressor(**settings), grid),
    }


def run(
    kind: type,
    estimator: object,
    grid: dict[str, list[float]],
    data: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[float, pd.DataFrame]:
    """Search once; return the processor's seconds and the table of scores by candidate and fold."""
    search = kind(estimator, grid, cv=MultiTaskKFold(5, random_state=0), refit=False)
    start = time.process_time()
    search.fit(*data)
    seconds = time.process_time() - start
    return seconds, pd.DataFrame(search.cv_results_)


def main() -> None:
    """Time both searches on every comparison."""
    known = parser(__doc__ or "")
    known.add_argument("--rounds", type=int, default=3)
    known.add_argument("--passes", type=int, default=100)
    known.set_defaults(data_home=".")  # needs no data
    options = parse(known)
    passes, rounds = (3, 1) if options.quick else (options.passes, options.rounds)
    torch.set_num_threads(1)
    rows = []
    known_searches = list(searches(passes, options.seed).items())
    for what, (n_rows, estimator, grid) in known_searches[:: 3 if options.quick else 1]:
        data = problem(n_rows, np.random.default_rng(options.seed))
        ours, theirs, scores = [], [], []
        run(
            FleetSearchCV, estimator, {name: values[:1] for name, values in grid.items()}, data
        )  # warms up
        for turn in range(rounds):
            results = {
                kind: run(kind, estimator, grid, data)
                for kind in (FleetSearchCV, GridSearchCV)[:: 1 if turn % 2 else -1]
            }
            ours.append(results[FleetSearchCV][0])
            theirs.append(results[GridSearchCV][0])
            scores = [results[kind][1] for kind in (FleetSearchCV, GridSearchCV)]
        ratios = np.array(theirs) / np.array(ours)
        splits = [name for name in scores[0] if name.startswith("split")]
        largest = np.abs(scores[0][splits] - scores[1][splits]).to_numpy().max()
        rows.append(
            {
                "search": what,
                "FleetSearchCV, s": f"{np.median(ours):.2f}",
                "GridSearchCV, s": f"{np.median(theirs):.2f}",
                "ratio": f"{np.median(ratios):.1f} ({ratios.min():.1f}..{ratios.max():.1f})",
                "largest difference of a score": f"{largest:.0e}",
                "same best": "yes"
                if scores[0]["mean_test_score"].idxmax() == scores[1]["mean_test_score"].idxmax()
                else "no",
            }
        )
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    n_candidates = len(list(itertools.product(PENALTIES, RATES)))
    text = f"""# Grid search: {n_candidates} candidates on 5 folds

{markdown(table)}

{N_FEATURES} features, {N_TASKS} tasks, {WIDTH} hidden units, at most {passes} passes of {BATCH}
rows per step with early stopping. Median of {rounds} rounds in which both took turns, on one thread
of {os.cpu_count()} cores, in seconds of the processor; ratio: median (lowest..highest) of the
rounds', above 1 = FleetSearchCV is faster. float32 unless said otherwise. Scores are R2 on the test
rows of a fold. Seed {options.seed}. {versions(np, sklearn, torch, skmtl)}.
"""
    report(options, "fleet_search", text, table)


if __name__ == "__main__":
    main()
