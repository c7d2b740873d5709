"""Tables 2, 3, 6 and Figures 2, 7 of the paper on task affinity from data divergence, for skmtl.

    python benchmarks/affinity_tables.py --data-home DIR

measures the gains of all pairs of School, Landmine and the MHC-I substitute of "Chemical" on
several splits (kept in --cache), predicts them from a sample of the pairs, and compares the total
test loss of single-task, all-in-one and grouped training. Writes benchmarks/results/affinity_*.csv,
.md and .png.
"""

from __future__ import annotations

import argparse
import sys
import warnings
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
    load_tasks,
    measure_split,
    published_network,
)
from numpy.typing import NDArray

from skmtl import TaskGroupedClassifier, TaskGroupedRegressor, TaskSet
from skmtl.affinity import PairwiseGainRegressor, TaskRelationFeaturizer
from skmtl.estimators import measure_groups
from skmtl.grouping import DEFAULT_NETWORK, loss_units

FRACTIONS = (0.05, 0.10, 0.25, 0.50)
MODELS = {
    "linear": {"indicators": False, "degree": 1},
    "quadratic (paper)": {"indicators": False, "degree": 2},
    "task indicators only": {"indicators": True, "features": []},
    "quadratic + indicators": {"indicators": True, "degree": 2},
}
PAPER_CORRELATION = {
    "school": 0.13,
    "mhc_binding": 0.50,
    "landmine": 0.58,
}  # quadratic, 25 % of pairs, Table 2


# ---------------------------------------------------------------------- prediction
def feature_tables(tasks: TaskSet) -> dict[str, NDArray[np.float64]]:
    """Features of all ordered pairs for every model, from training rows."""
    pairs = tasks.pairs()
    tables = {}
    for model, settings in MODELS.items():
        featurizer = TaskRelationFeaturizer(
            tasks,
            features=settings.get("features", "all"),
            task_indicators=settings["indicators"],
            random_state=0,
        )
        tables[model] = featurizer.fit().transform(pairs)
    return tables


def within_target(values: NDArray[np.float64], targets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Values minus the mean of their target task."""
    totals, counts = np.bincount(targets, values), np.bincount(targets)
    return values - (totals / np.maximum(counts, 1))[targets]


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's correlation, 0 where one side does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def split_half(gains: NDArray[np.float64], targets: NDArray[np.intp] | None) -> float:
    """Reliability of the mean over splits, (m, R): split-half correlation with the Spearman-Brown
    correction.
    """
    rng, n_splits = np.random.default_rng(0), gains.shape[1]
    found = []
    for _ in range(50):
        order = rng.permutation(n_splits)
        halves = [
            gains[:, part].mean(1)
            for part in (order[: n_splits // 2], order[n_splits // 2 : 2 * (n_splits // 2)])
        ]
        if targets is not None:
            halves = [within_target(half, targets) for half in halves]
        found.append(correlation(*halves))
    r = float(np.mean(found))
    return 2 * r / (1 + r)


def gains_of_splits(name: str, args: argparse.Namespace) -> tuple[NDArray[np.float64], float]:
    """Gains of all ordered pairs on every split, (m, R), and the mean seconds that measuring a
    split took.
    """
    measured: list[Measured] = [
        measure_split(name, split, data_home=args.data_home, cache=args.cache)
        for split in range(args.splits)
    ]
    matrices = [one.gains() for one in measured]
    off_diagonal = ~np.eye(len(matrices[0]), dtype=bool)
    return np.column_stack([matrix[off_diagonal] for matrix in matrices]), float(
        np.mean([one.seconds for one in measured])
    )


def predict_unseen(name: str, args: argparse.Namespace) -> list[dict[str, object]]:
    """Correlation and R2 on unseen pairs for every model, fraction and draw."""
    tasks = load_tasks(name, args.data_home)
    gains, seconds = gains_of_splits(name, args)
    n_tasks, n_splits = len(tasks), gains.shape[1]
    target, source = np.nonzero(~np.eye(n_tasks, dtype=bool))
    first, second = np.minimum(target, source), np.maximum(target, source)
    group = first * n_tasks + second
    unordered = np.unique(group)
    half = n_splits // 2
    regimes = {"one split": (gains[:, 0], gains[:, 1:])}
    if half > 1:
        regimes[f"mean of {half} splits"] = (gains[:, :half].mean(1), gains[:, half:])
    train, _ = tasks.train_test_split(TEST_SIZE, 0)
    tables = feature_tables(train)
    rows = []
    for regime, (measured, others) in regimes.items():
        elsewhere = others.mean(1)
        reliability = {"pooled": split_half(others, None), "within": split_half(others, target)}
        for fraction in FRACTIONS:
            for draw in range(args.draws):
                rng = np.random.default_rng([draw, round(1000 * fraction)])
                seen = np.isin(
                    group, rng.permutation(unordered)[: max(2, round(fraction * len(unordered)))]
                )
                for model, settings in MODELS.items():
                    X = tables[model]
                    predictor = PairwiseGainRegressor(degree=settings.get("degree", 1)).fit(
                        X[seen], measured[seen], groups=group[seen]
                    )
                    predicted, truth = predictor.predict(X[~seen]), measured[~seen]
                    centred = within_target(predicted, target[~seen])
                    rows.append(
                        {
                            "data": name,
                            "trained on": regime,
                            "fraction": fraction,
                            "model": model,
                            "draw": draw,
                            "correlation": correlation(predicted, truth),
                            "r2": 1
                            - np.sum((truth - predicted) ** 2)
                            / np.sum((truth - truth.mean()) ** 2),
                            "other splits": correlation(predicted, elsewhere[~seen]),
                            "within target, other splits": correlation(
                                centred, within_target(elsewhere[~seen], target[~seen])
                            ),
                            "reliability": reliability["pooled"],
                            "reliability within target": reliability["within"],
                            "seconds": fraction * seconds,
                        }
                    )
    return rows


def prediction_tables(args: argparse.Namespace) -> None:
    """Tables 2 and 6, Figures 2 and 7."""
    rows: list[dict[str, object]] = []
    for name in args.data:
        rows += predict_unseen(name, args)
        summary = summarise(pd.DataFrame(rows))
        write(
            args,
            "affinity_prediction",
            "Prediction of unseen pairwise gains",
            _PREDICTION_NOTE.format(args=args),
            summary,
        )
    draw_figures(pd.DataFrame(rows), args)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over draws."""
    keys = ["data", "trained on", "fraction", "model"]
    measures = ["correlation", "r2", "other splits", "within target, other splits"]
    grouped = rows.groupby(keys, sort=False)
    table = grouped[[*measures, "reliability", "reliability within target", "seconds"]].mean()
    for measure in measures:
        table.insert(table.columns.get_loc(measure) + 1, f"{measure} sd", grouped[measure].std())
    table = table.reset_index()
    at_quarter = (
        (table["fraction"] == 0.25)
        & (table["model"] == "quadratic (paper)")
        & (table["trained on"] == "one split")
    )
    table["paper"] = np.where(at_quarter, table["data"].map(PAPER_CORRELATION), np.nan)
    return table.round(3)


def draw_figures(rows: pd.DataFrame, args: argparse.Namespace) -> None:
    """Correlation against the fraction of pairs (Figure 7) and R2 against measuring time (Figure
    2).
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(rows["data"]))
    figure = Figure(figsize=(4.2 * len(names), 7), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        own = rows[(rows["data"] == name) & (rows["trained on"] == "one split")]
        for model in ("quadratic (paper)", "quadratic + indicators"):
            part = own[own["model"] == model].groupby("fraction")
            for row, measure, x in (
                (0, "correlation", 100 * np.array(FRACTIONS)),
                (1, "r2", part["seconds"].mean().to_numpy()),
            ):
                axes[row, column].plot(x, part[measure].median(), marker="o", label=model)
                axes[row, column].fill_between(
                    x, part[measure].quantile(0.25), part[measure].quantile(0.75), alpha=0.2
                )
        axes[0, column].set(
            title=name, xlabel="measured pairs (%)", ylabel="correlation, unseen pairs"
        )
        axes[1, column].set(xlabel="measuring time (s)", ylabel="R2, unseen pairs")
    axes[0, 0].legend(frameon=False)
    out = args.out or (None if args.quick else common.RESULTS)
    if out is not None:
        figure.savefig(out / "affinity_prediction.png", dpi=120)


# ---------------------------------------------------------------------- totals
def total_losses(name: str, split: int, args: argparse.Namespace) -> dict[str, object]:
    """Total test loss of single-task, all-in-one and grouped training on one split, all with one
    seed.
    """
    tasks = load_tasks(name, args.data_home)
    train, test = tasks.train_test_split(TEST_SIZE, split)
    network = published_network(name, tasks.kind)
    if args.network == "default":
        network = type(network)(**DEFAULT_NETWORK)
    X, y, task = train.to_long()
    frame = pd.DataFrame(np.asarray(X)).add_prefix("x").assign(task=task)
    grouped = TaskGroupedRegressor if tasks.kind == "regression" else TaskGroupedClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = grouped(network, task_column="task", random_state=split).fit(frame, y)
    everybody = tuple(tasks.names)
    groups = list(dict.fromkeys([*((one,) for one in everybody), everybody, *model.groups_]))
    outcomes = dict(
        zip(groups, measure_groups(network, train, test, groups, seed=split), strict=True)
    )
    unit = loss_units(train, pooled=True)

    def total(serving: dict[str, tuple[str, ...]]) -> float:
        return sum(
            outcomes[group].losses[group.index(one)] / unit[one] for one, group in serving.items()
        )

    served_by = {
        one: model.groups_[label]
        for one, label in zip(model.task_names_, model.labels_, strict=True)
    }
    row = {
        "data": name,
        "network": args.network,
        "split": split,
        "single-task": total({one: (one,) for one in everybody}),
        "joint": total(dict.fromkeys(everybody, everybody)),
        "grouped": total(served_by),
        "groups": len(model.groups_),
        "chosen": model.choice_.loc[model.choice_["chosen"], "candidate"].item(),
    }
    return row | {"grouped / better": row["grouped"] / min(row["single-task"], row["joint"])}


def totals_table(args: argparse.Namespace) -> None:
    """Table 3 with the comparison that the paper lacks: one network for all tasks."""
    rows = []
    for split in range(args.total_splits):
        for name in args.data:
            rows.append(total_losses(name, split, args))
            write(
                args,
                f"affinity_totals_{args.network}",
                "Total test loss, split by split",
                _TOTALS_NOTE,
                pd.DataFrame(rows).round(4),
            )
    table = pd.DataFrame(rows)
    numbers = ["single-task", "joint", "grouped"]
    summary = table.groupby(["data", "network"], sort=False)[numbers].agg(["mean", "std"])
    summary.columns = [f"{column} {what}" for column, what in summary.columns]
    summary["grouped / better of the two"] = summary["grouped mean"] / summary[
        ["single-task mean", "joint mean"]
    ].min(axis=1)
    summary = summary.reset_index().round(3)
    write(
        args,
        f"affinity_totals_{args.network}_summary",
        "Total test loss: mean and standard deviation over splits",
        _TOTALS_NOTE,
        summary,
    )


_PREDICTION_NOTE = """Gains of all pairs measured with the paper's networks (its Table 5) on
{args.splits} random splits, 30 % test rows. A predictor is fitted on a random share of the
unordered pairs, {args.draws} draws, and judged on the others: `correlation` and `r2` on the same
gains (the paper's protocol where trained on one split), `other splits` against the mean of gains
measured on other splits, and `within target` the same with the mean of each target task removed,
which is what grouping needs. `reliability` is that of the mean over the other splits. `paper` =
Table 2."""
_TOTALS_NOTE = """Sum over tasks of the test loss (School: squared error over the variance of all
training targets; else log loss), 30 % test rows. The grouping is chosen on training rows alone (25
% of the pairs measured, 4 repeats); the three strategies are trained with one seed."""


def write(args: argparse.Namespace, name: str, title: str, note: str, table: pd.DataFrame) -> None:
    """Print a table with its title, note and versions, and write it."""
    versions = common.versions(np, sklearn, torch)
    text = f"# {title}\n\n{note}\n\n{common.markdown(table)}\n\n{versions}\n"
    common.report(args, name, text, table)
    sys.stdout.flush()


def main() -> None:
    """Run the sections that were asked for."""
    parser = common.parser(__doc__)
    parser.add_argument(
        "--data", nargs="+", default=list(DATA_SETS), choices=[*DATA_SETS, "planted"]
    )
    parser.add_argument(
        "--sections", nargs="+", default=["prediction", "totals"], choices=["prediction", "totals"]
    )
    parser.add_argument(
        "--network",
        default="published",
        choices=["published", "default"],
        help="network of the totals",
    )
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--total-splits", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(".cache/affinity"))
    args = common.parse(parser)
    if args.quick:
        args.data, args.splits, args.draws, args.total_splits, args.network = (
            ["planted"],
            4,
            2,
            1,
            "published",
        )
    if "prediction" in args.sections:
        prediction_tables(args)
    if "totals" in args.sections:
        totals_table(args)


if __name__ == "__main__":
    main()
