"""All estimates of affinity held against each other, in accuracy and cost, and chosen pairs
against random ones.

    python benchmarks/affinity_rivals.py --data-home DIR --cache DIR

takes the gains of all pairs on five splits (measured, or read from --cache), lets every method
predict them from the training rows of one split, and from a share of that split's gains where it
uses gains, and judges it on the pairs it has not seen. Every finished piece is kept as a row of
benchmarks/results/affinity_rivals_raw.csv and not computed again. Writes
benchmarks/results/affinity_rivals*.csv, .md and .png.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np
import pandas as pd
import sklearn
import torch
from affinity_data import (
    DATA_SETS,
    TEST_SIZE,
    Measured,
    as_gains,
    load_tasks,
    measure_split,
    published_network,
)
from affinity_rivals_report import ceiling, write_report
from affinity_tables import correlation, within_target
from numpy.typing import NDArray

from skmtl import TaskSet
from skmtl.affinity import (
    EnsembleAffinity,
    GradientTaskAffinity,
    LinearSurrogate,
    PairwiseGainRegressor,
    TaggingAffinity,
    TaskRelationFeaturizer,
    gain_predictor,
    pairs_to_measure,
)
from skmtl.affinity.pair_prediction import fit_weighted
from skmtl.estimators import measure_groups

FRACTIONS = (0.05, 0.10, 0.25)
ACTIVE_FRACTIONS = (0.03, 0.05, 0.075, 0.10, 0.15, 0.25, 0.35)
TABLES = {
    "TAG": TaggingAffinity,
    "GRAD-TAE": GradientTaskAffinity,
    "linear surrogate": LinearSurrogate,
}


class Split:
    """One data set on one split: training tasks, gains measured there (and on the next splits, with
    repeats) and elsewhere, and how unseen pairs are judged.
    """

    def __init__(self, name: str, split: int, args: argparse.Namespace, n_repeats: int = 1):
        self.name, self.number, self.args = name, split, args
        tasks = load_tasks(name, args.data_home)
        self.train, _ = tasks.train_test_split(TEST_SIZE, split)
        self.network = published_network(name, tasks.kind)
        self.all = [
            measure_split(name, s, data_home=args.data_home, cache=args.cache, n_workers=1)
            for s in range(args.splits)
        ]
        repeats = [(split + r) % args.splits for r in range(n_repeats)]
        self.measured: Measured = average([self.all[s] for s in repeats])
        self.first, self.second = self.measured.pairs.T
        self.own = self._ordered(self.measured.gains())
        self.elsewhere = np.mean(
            [self._ordered(one.gains()) for s, one in enumerate(self.all) if s not in repeats],
            axis=0,
        )

    def _ordered(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Entries of a table (T, T) for both directions of every pair, (m, 2)."""
        return np.column_stack([table[self.first, self.second], table[self.second, self.first]])

    def draw(self, fraction: float, draw: int) -> NDArray[np.intp]:
        """Return a random share of the unordered pairs."""
        count = len(self.measured.pairs)
        return np.random.default_rng([draw, round(1000 * fraction)]).permutation(count)[
            : max(2, round(fraction * count))
        ]

    def judge(self, predicted: NDArray[np.float64], seen: NDArray[np.intp]) -> dict[str, float]:
        """Score a table (T, T) of predictions on the pairs that were not seen."""
        rest = np.setdiff1d(np.arange(len(self.measured.pairs)), seen)
        target = np.column_stack([self.first, self.second])[rest].ravel()
        ours, own, other = (
            part[rest].ravel() for part in (self._ordered(predicted), self.own, self.elsewhere)
        )
        ours = np.where(np.isfinite(ours), ours, np.nanmean(ours))
        return {
            "one split": correlation(ours, own),
            "r2": 1 - np.sum((own - ours) ** 2) / np.sum((own - own.mean()) ** 2),
            "other splits": correlation(ours, other),
            "within target": correlation(within_target(ours, target), within_target(other, target)),
        }


def average(parts: list[Measured]) -> Measured:
    """Return mean losses, as repeats are averaged before a gain is taken."""
    alone, together = (
        np.mean([getattr(part, what) for part in parts], axis=0) for what in ("alone", "together")
    )
    return Measured(parts[0].pairs, alone, together, sum(part.seconds for part in parts))


# ---------------------------------------------------------------------- methods that take no
# measured gains
def tables(split: Split) -> list[dict[str, object]]:
    """TAG, GRAD-TAE, linear surrogate, and HOA, which is the measurement itself."""
    rows, nobody = [], np.empty(0, dtype=np.intp)
    for method, estimator in TABLES.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = estimator(split.network, random_state=split.number).fit(split.train)
        seconds = time.process_time() - start
        trainings = 1 + (
            len(fitted.groups_) + len(split.train) - 1 if method == "linear surrogate" else 0
        )
        rows.append(
            {
                "method": method,
                "fraction": 0.0,
                "seconds": seconds,
                "trainings": trainings,
                **split.judge(fitted.affinity_.to_numpy(), nobody),
            }
        )
    measuring = {
        "seconds": seconds_of_measuring(split, 1.0),
        "trainings": len(split.train) + len(split.measured.pairs),
    }
    scores = split.judge(split.measured.gains(), nobody) | {"one split": np.nan, "r2": np.nan}
    return [*rows, {"method": "HOA", "fraction": 1.0, **measuring, **scores}]


def seconds_of_measuring(split: Split, fraction: float) -> float:
    """Processor seconds that measuring a share of the pairs takes, from one timed sample a data
    set.
    """
    path = split.args.cache / f"seconds-{split.name}.txt"
    if not path.exists():
        count = len(split.measured.pairs)
        sample = split.measured.pairs[
            np.random.default_rng(0).permutation(count)[: min(count, 400)]
        ]
        names = split.train.names
        train, test = load_tasks(split.name, split.args.data_home).train_test_split(
            TEST_SIZE, split.number
        )
        seconds = []
        for groups in ([(name,) for name in names], [(names[i], names[j]) for i, j in sample]):
            start = time.process_time()
            measure_groups(split.network, train, test, groups, seed=0, n_workers=1)
            seconds.append(time.process_time() - start)
        path.write_text(f"{seconds[0]} {seconds[1] / len(sample) * count}")
    alone, pairs = map(float, path.read_text().split())
    return alone + fraction * pairs


# ---------------------------------------------------------------------- methods that predict gains
# from a share of them
def quadratic(split: Split) -> tuple[Callable[[NDArray[np.intp]], NDArray[np.float64]], int]:
    """Quadratic ridge on the features of the data."""
    X = TaskRelationFeaturizer(split.train, random_state=0).fit().transform(split.train.pairs())

    def predict(seen: NDArray[np.intp]) -> NDArray[np.float64]:
        gains = as_gains(split.train.names, split.measured, seen)
        return square(
            PairwiseGainRegressor()
            .fit(X[rows_of(split.train, gains.pairs)], gains.values, groups=gains.groups)
            .predict(X),
            len(split.train),
        )

    return predict, 0


def ensemble(split: Split) -> tuple[Callable[[NDArray[np.intp]], NDArray[np.float64]], int]:
    """ETAP; one network of all tasks serves all draws."""
    first = EnsembleAffinity(split.network, random_state=split.number).fit(
        split.train, gains=as_gains(split.train.names, split.measured, np.arange(2))
    )

    def predict(seen: NDArray[np.intp]) -> NDArray[np.float64]:
        gains = as_gains(split.train.names, split.measured, seen)
        table: NDArray[np.float64] = (
            EnsembleAffinity(split.network)
            .fit(split.train, gains=gains, scores=first.scores_)
            .affinity_.to_numpy()
        )
        return table

    return predict, 1


def partial_pooling(split: Split) -> tuple[Callable[[NDArray[np.intp]], NDArray[np.float64]], int]:
    """Our predictor."""
    single = dict(zip(split.train.names, split.measured.alone, strict=True))
    featurizer, regressor = (
        step for _, step in gain_predictor(split.train, single_losses=single, random_state=0).steps
    )
    X = featurizer.fit().transform(split.train.pairs())

    def predict(seen: NDArray[np.intp]) -> NDArray[np.float64]:
        gains = as_gains(split.train.names, split.measured, seen)
        fitted = fit_weighted(
            regressor,
            X[rows_of(split.train, gains.pairs)],
            gains.values,
            gains.groups,
            gains.pairs[:, 0],
        )
        return square(fitted.predict(X), len(split.train))

    return predict, 0


PREDICTORS = {"quadratic (paper)": quadratic, "ETAP": ensemble, "skmtl": partial_pooling}


def rows_of(tasks: TaskSet, pairs: NDArray[np.object_]) -> NDArray[np.intp]:
    """Rows of ``tasks.pairs()`` that hold some pairs."""
    row = {tuple(pair): k for k, pair in enumerate(tasks.pairs())}
    return np.array([row[tuple(pair)] for pair in pairs])


def square(values: NDArray[np.float64], n_tasks: int) -> NDArray[np.float64]:
    """Arrange values of all ordered pairs as a table with a diagonal of 0."""
    table = np.zeros((n_tasks, n_tasks))
    table[~np.eye(n_tasks, dtype=bool)] = values
    return table


def predictions(split: Split) -> list[dict[str, object]]:
    """Predict from shares of the gains; means over draws of the pairs."""
    rows = []
    for method, prepare in PREDICTORS.items():
        start = time.process_time()
        predict, joint = prepare(split)
        prepared = time.process_time() - start
        for fraction in FRACTIONS:
            start = time.process_time()
            scores = [
                split.judge(predict(seen), seen)
                for seen in (split.draw(fraction, draw) for draw in range(split.args.draws))
            ]
            seconds = (
                prepared
                + (time.process_time() - start) / len(scores)
                + seconds_of_measuring(split, fraction)
            )
            trainings = joint + len(split.train) + round(fraction * len(split.measured.pairs))
            rows.append(
                {
                    "method": method,
                    "fraction": fraction,
                    "seconds": seconds,
                    "trainings": trainings,
                    **pd.DataFrame(scores).mean(),
                }
            )
    return rows


def active(split: Split) -> list[dict[str, object]]:
    """Our predictor from chosen and from random pairs: one row per draw of the latter."""
    predict, _ = partial_pooling(split)
    count = len(split.measured.pairs)
    number = {
        frozenset(pair): k
        for k, pair in enumerate(np.array(split.train.names, dtype=object)[split.measured.pairs])
    }
    most = pairs_to_measure(split.train, round(max(ACTIVE_FRACTIONS) * count), random_state=0)
    chosen = np.array([number[frozenset(pair)] for pair in most[::2]])
    rows = []
    for fraction in ACTIVE_FRACTIONS:
        seen = chosen[: max(2, round(fraction * count))]
        rows.append({"method": "chosen", "fraction": fraction, **split.judge(predict(seen), seen)})
        for draw in range(split.args.draws):
            seen = split.draw(fraction, draw)
            rows.append(
                {"method": "random", "fraction": fraction, **split.judge(predict(seen), seen)}
            )
    return rows


def repeats(split: Split) -> list[dict[str, object]]:
    """Our predictor from a quarter of the pairs, measured on several splits: what more measuring
    buys.
    """
    rows = []
    for n_repeats in range(1, split.args.splits - 1):
        several = Split(split.name, split.number, split.args, n_repeats)
        predict, _ = partial_pooling(several)
        scores = [
            several.judge(predict(seen), seen)
            for seen in (several.draw(0.25, draw) for draw in range(split.args.draws))
        ]
        rows.append(
            {
                "method": "skmtl",
                "fraction": 0.25,
                "repeats": n_repeats,
                **pd.DataFrame(scores).mean(),
            }
        )
    return rows


# ---------------------------------------------------------------------- reliability
def reliabilities(name: str, args: argparse.Namespace) -> list[dict[str, object]]:
    """Mean correlation of the gains of two splits, and the ceiling that it sets on a correlation
    with the mean of the others.
    """
    matrices = [
        measure_split(name, s, data_home=args.data_home, cache=args.cache, n_workers=1).gains()
        for s in range(args.splits)
    ]
    off = ~np.eye(len(matrices[0]), dtype=bool)
    target, gains = np.nonzero(off)[0], [matrix[off] for matrix in matrices]
    row: dict[str, object] = {"method": "ceiling"}
    for key, parts in (
        ("other splits", gains),
        ("within target", [within_target(one, target) for one in gains]),
    ):
        r = float(np.mean([correlation(a, b) for k, a in enumerate(parts) for b in parts[:k]]))
        row |= {f"{key} r": r, key: ceiling(r, len(parts) - 1)}
    return [row]


SECTIONS = {"predictions": predictions, "repeats": repeats, "active": active, "tables": tables}


def run(args: argparse.Namespace) -> pd.DataFrame:
    """Compute what is not in the raw file yet; rivals that train much come last, School's last of
    all.
    """
    out = args.out or (None if args.quick else common.RESULTS)
    path = None if out is None else out / "affinity_rivals_raw.csv"
    done = (
        pd.read_csv(path)
        if path is not None and path.exists()
        else pd.DataFrame(columns=["section", "data", "split"])
    )
    pieces = [("ceiling", name, -1) for name in args.data]
    for sections, names in (
        (["predictions", "repeats", "active"], args.data),
        (["tables"], sorted(args.data, key="school".__eq__)),
    ):
        pieces += [
            (section, name, s) for section in sections for name in names for s in range(args.splits)
        ]
    for section, name, s in pieces:
        if ((done["section"] == section) & (done["data"] == name) & (done["split"] == s)).any():
            continue
        rows = (
            reliabilities(name, args)
            if section == "ceiling"
            else SECTIONS[section](Split(name, s, args))
        )
        done = pd.concat(
            [done, pd.DataFrame(rows).assign(section=section, data=name, split=s)],
            ignore_index=True,
        )
        print(section, name, s, flush=True)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            done.to_csv(path, index=False)
    return done


def main() -> None:
    """Compute what is missing, then write tables and pictures of all there is."""
    parser = common.parser(__doc__)
    parser.add_argument(
        "--data",
        nargs="+",
        default=["landmine", "mhc_binding", "school"],
        choices=[*DATA_SETS, "planted"],
    )
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(".cache/affinity"))
    args = common.parse(parser)
    if args.quick:
        args.data, args.splits, args.draws = ["planted"], 3, 2
    torch.set_num_threads(1)
    write_report(run(args), args, common.versions(np, sklearn, torch))


if __name__ == "__main__":
    main()
