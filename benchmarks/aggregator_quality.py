"""Test error of a network by the way it combines its tasks' gradients, on real tables with several
tasks.

    python benchmarks/aggregator_quality.py --data-home FOLDER
        (or the environment variable SKMTL_DATA)
    python benchmarks/aggregator_quality.py --methods mean upgrad --sets mtr_slump ml_flags \
        --seeds 1
    python benchmarks/aggregator_quality.py --report  (tables of what was measured)
    python benchmarks/aggregator_quality.py --quick
        (generated tables, writes nothing unless --out is given)

Appends one line a (set, method, seed) to results/aggregator_quality_raw.csv as it comes; what is
there is not measured again. All methods of a seed see the same rows, start from the same weights
and use one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
import torch
from common import RESULTS, markdown, parse, parser, report, versions
from default_quality import CLIP, OutOfTime, by_task, cpu_seconds, time_limit
from numpy.typing import NDArray
from quality_data import Split, draw, load
from quality_rivals import predictor, quiet
from scipy.stats import t as student
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.aggregation import AGGREGATORS, SVFair
from skmtl.metrics import delta_m, mean_rank

SETS = (
    "mtr_slump",
    "mtr_edm",
    "ml_flags",
    "mtr_sf2",
    "mtr_scpf",
    "school",
    "adult",
    "mtr_osales",
    "ml_scene",
    "landmine",
)
QUICK_SETS = ("generated_wide_regression", "generated_long_classification")
QUICK_METHODS = ("mean", "mean_again", "single", "famo")
# mean_again: mean from another random state, what no difference looks like. mean_slow, mean_fast:
# mean with another learning rate, what tuning does. single: one network per task.
CONTROLS = {
    "mean_again": {},
    "mean_slow": {"learning_rate_init": 0.001},
    "mean_fast": {"learning_rate_init": 0.01},
}
OBJECTS = {**dict.fromkeys(CONTROLS, "mean"), "svfair_auto": SVFair(utility="auto", tau="auto")}
METHODS = (
    "mean",
    "single",
    *CONTROLS,
    *[name for name in AGGREGATORS if name != "mean"],
    "svfair_auto",
)
LATE = ("cagrad",)  # the slowest, after all others of a seed
N_ADULT = 4000
SCHOOLS, SCHOOLS_A_GROUP = 24, 8
KEY = ["set", "method", "seed"]
COLUMNS = [*KEY, "errors", "aucs", "cpu_s", "passes", "conflict", "rows", "members"]

NOTE = """{members} networks averaged, every other setting at its default, one thread, {seeds}
splits a set with 30 % test rows (School: the public splits). Error of a task: RMSE / RMSE of the
training mean, or log loss with probabilities clipped to 0.001 .. 0.999. Wide sets: mtr_*, ml_*,
adult ({adult} training rows a seed from the official half). school: the {schools} largest schools,
dealt at random into groups of {a_group} that train together, in wide form with one label a row.
landmine: long form, 29 tasks. "single" is one network per task with the same settings. "mean_again"
is mean with another random state: its differences to mean are what no effect looks like;
"mean_slow" and "mean_fast" are mean with the learning rates 0.001 and 0.01 in the place of 0.003.
Standard errors are over splits, which share rows, so that they are rather too small. The defaults
(learning rate, weight decay, stopping) were chosen with mean, which favors mean."""
COLUMN_NOTE = """delta-m: mean change of the tasks' errors against single-task networks, negative is
better. Rank: by delta-m within every set, of the methods that have all sets. Better / worse: sets
where the paired t-test at 5 % says so. Worst task: largest change of a task against single, minus
mean's."""

# What the tables say; checked against them whenever they are measured anew.
FINDINGS = """No method beats mean over all sets, so that mean stays the default. Gains beyond noise
are confined to three regression sets (mtr_scpf, mtr_osales, mtr_slump), nearly all to methods that
bring every task forward by a like share: nash, fairgrad, pivrg, svfair (-2 to -8 %). On mtr_slump
and mtr_osales a larger step (mean_fast) brings mean all or most of that at no cost; on mtr_scpf it
does not. On mtr_edm, ml_flags, mtr_sf2, school, adult and ml_scene no method moves the error by
more than 3 % and few by more than noise; minmax harms by up to 7 %. On landmine (rare positives,
few rows of a task in a step) gradient methods lose 0.3 to 2 %, and famo, si and gls 17 to 21 %:
they divide by a batch's loss, so that presumably the tasks without a positive row in it take over.
The share of conflicting gradients does not tell where a method helps. Where it is worth the time
(regression, a task worse than single-task): first another learning rate for mean, then nash or
pivrg, judged by cross-validation."""


# ---------------------------------------------------------------------- rows
def parts(name: str, data_home: str | None, seed: int) -> list[Split]:
    """Return the tables that are trained one by one: one, for school one a group."""
    split = draw(load(name, data_home), seed)
    if name == "adult":
        rows = np.sort(np.random.default_rng(seed).permutation(len(split.X_train))[:N_ADULT])
        return [
            replace(
                split,
                X_train=split.X_train.iloc[rows].reset_index(drop=True),
                Y_train=split.Y_train[rows],
            )
        ]
    if name != "school":
        return [split]
    largest = (
        split.X_train["task"].astype(str).value_counts()
    )  # ties by name, so that it depends on the split alone
    schools = (
        largest.sort_index().sort_values(ascending=False, kind="stable").index[:SCHOOLS].to_numpy()
    )
    groups = np.random.default_rng(seed).permutation(schools).reshape(-1, SCHOOLS_A_GROUP)
    return [in_wide_form(split, group) for group in groups]


def in_wide_form(split: Split, group: NDArray[Any]) -> Split:
    """Rows of some tasks of a long table, one column per task."""

    def widen(X: pd.DataFrame, y: NDArray[np.float64]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
        which = X["task"].astype(str).to_numpy()[:, None] == group
        rows = which.any(axis=1)
        return X[rows].drop(columns="task").reset_index(drop=True), np.where(
            which[rows], y[rows, None], np.nan
        )

    (X_train, Y_train), (X_test, Y_test) = (
        widen(split.X_train, split.Y_train),
        widen(split.X_test, split.Y_test),
    )
    return replace(split, X_train=X_train, Y_train=Y_train, X_test=X_test, Y_test=Y_test)


# ---------------------------------------------------------------------- one cell
def network(split: Split, seed: int, members: int, **options: Any) -> Any:
    """Return an unfitted estimator."""
    return (MultiTaskRegressor if split.kind == "regression" else MultiTaskClassifier)(
        n_members=members, random_state=seed, **options
    )


def together(
    split: Split, method: str, seed: int, members: int
) -> tuple[NDArray[np.float64], list[Any]]:
    """Fit one network for all tasks; return test predictions and the network."""
    state = seed + 1000 if method == "mean_again" else seed
    options = {
        "aggregator": OBJECTS.get(method, method),
        "task_column": "task" if split.long else None,
        **CONTROLS.get(method, {}),
    }
    model = network(split, state, members, **options).fit(split.X_train, split.Y_train)
    return predictor(model, split.kind, wide=not split.long)(split.X_test), [model]


def apart(split: Split, seed: int, members: int) -> tuple[NDArray[np.float64], list[Any]]:
    """Fit one network per task."""
    predicted, models = np.full(split.Y_test.shape, np.nan), []
    for train, test, columns in tasks_of(split):
        y = split.Y_train[train] if split.long else split.Y_train[train, columns]
        drop = ["task"] if split.long else []
        models.append(
            network(split, seed, members).fit(split.X_train.iloc[train].drop(columns=drop), y)
        )
        values = predictor(models[-1], split.kind, wide=False)(
            split.X_test.iloc[test].drop(columns=drop)
        )
        predicted[test if split.long else (test, columns)] = values
    return predicted, models


def tasks_of(split: Split) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], int]]:
    """Labeled training and test rows of every task, and its column."""
    if split.long:
        for task in split.X_train["task"].cat.categories:
            yield (
                np.flatnonzero(split.X_train["task"] == task),
                np.flatnonzero(split.X_test["task"] == task),
                0,
            )
    else:
        for column, (y_train, y_test) in enumerate(
            zip(split.Y_train.T, split.Y_test.T, strict=True)
        ):
            yield np.flatnonzero(~np.isnan(y_train)), np.flatnonzero(~np.isnan(y_test)), column


def scores(split: Split, predicted: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Errors and, for classes, areas under the ROC curve of the tasks."""
    predicted = np.where(np.isnan(split.Y_test), np.nan, predicted)
    train, test = (
        by_task(split.X_train, split.Y_train),
        by_task(split.X_test, split.Y_test, predicted),
    )
    if split.kind == "classification":
        errors = [log_loss(y, np.clip(p, CLIP, 1 - CLIP), labels=[0, 1]) for y, p in test]
        return errors, [roc_auc_score(y, p) if len(np.unique(y)) == 2 else np.nan for y, p in test]
    return [
        np.sqrt(np.mean((y - p) ** 2) / np.mean((y - z.mean()) ** 2))
        for (y, p), (z, _) in zip(test, train, strict=True)
    ], []


def measure(name: str, method: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fit, predict and score; without scores where the limit ran out."""
    tables = parts(name, options.data_home, seed)
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    row |= {
        "set": name,
        "method": method,
        "seed": seed,
        "rows": tables[0].rows,
        "members": options.members,
    }
    cpu = cpu_seconds()
    with contextlib.suppress(OutOfTime), threadpool_limits(1), time_limit(options.limit):
        found = [
            apart(split, seed, options.members)
            if method == "single"
            else together(split, method, seed, options.members)
            for split in tables
        ]
        row["cpu_s"] = round(cpu_seconds() - cpu, 3)
        errors, aucs = zip(
            *[
                scores(split, predicted)
                for split, (predicted, _) in zip(tables, found, strict=True)
            ],
            strict=True,
        )
        models = [model for _, fitted in found for model in fitted]
        negative = [
            entry.get("negative_cosine_fraction", np.nan)
            for model in models
            for entry in model.history_
        ]
        row |= {"errors": joined(np.concatenate(errors)), "aucs": joined(np.concatenate(aucs))}
        row |= {
            "passes": round(float(np.mean([model.n_iter_ for model in models])), 1),
            "conflict": round(float(np.mean(negative)), 4),
        }
    return row


def joined(values: NDArray[np.float64]) -> str:
    """Numbers of the tasks as one field."""
    return " ".join(f"{value:.6g}" for value in values)


def numbers(field: Any) -> NDArray[np.float64]:
    """Return what joined() has written."""
    return np.array(field.split(), dtype=float) if isinstance(field, str) else np.zeros(0)


# ---------------------------------------------------------------------- all cells
def read(path: Path) -> pd.DataFrame:
    """Return what was measured."""
    return (
        pd.read_csv(path, dtype={"rows": str, "errors": str, "aucs": str})
        if path.exists()
        else pd.DataFrame(columns=COLUMNS)
    )


def measure_all(options: argparse.Namespace, path: Path) -> pd.DataFrame:
    """Seed by seed, method by method, set by set; return all rows."""
    keep = options.out or not options.quick
    done, measured = set(map(tuple, read(path)[KEY].to_numpy().tolist())), []
    methods = sorted(options.methods, key=lambda method: method in LATE)
    for seed in range(options.seed, options.seed + options.seeds):
        for method in methods:
            for name in options.sets:
                if keep and (name, method, seed) in done:
                    continue
                try:
                    row = measure(name, method, seed, options)
                except Exception as error:  # the other cells go on
                    print(
                        f"{name}, {method}, seed {seed}: {type(error).__name__}: "
                        f"{str(error).splitlines()[0]}",
                        flush=True,
                    )
                    continue
                measured.append(row)
                print(
                    f"{time.strftime('%H:%M:%S')} {name}, {method}, seed {seed}: {row['cpu_s']} s, "
                    f"error {numbers(row['errors']).mean():.4f}",
                    flush=True,
                )
                if keep:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    pd.DataFrame([row], columns=COLUMNS).to_csv(
                        path, mode="a", header=not path.exists(), index=False
                    )
    return read(path) if keep else pd.DataFrame(measured, columns=COLUMNS)


# ---------------------------------------------------------------------- tables
def by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: changes in percent against single and against mean, of the mean and of the
    worst task; negative is better.
    """
    cells = {tuple(row[KEY]): row for _, row in rows[rows["errors"].notna()].iterrows()}
    found = []
    for (name, _, seed), row in cells.items():
        reference, single = (cells.get((name, base, seed)) for base in ("mean", "single"))
        if reference is None or single is None:
            continue
        error, mean_error, single_error = (
            numbers(cell["errors"]) for cell in (row, reference, single)
        )
        aucs = numbers(row["aucs"]) - numbers(reference["aucs"])
        found.append(
            {
                **{key: row[key] for key in KEY},
                "delta_m": delta_m(error, single_error, False),
                "against_mean": delta_m(error, mean_error, False),
                "worst_task": 100 * (error / single_error - 1).max(),
                "worst_against_mean": 100 * (error / mean_error - 1).max(),
                "auc_gain": 100 * np.nanmean(aucs) if len(aucs) else np.nan,
                "time_ratio": row["cpu_s"] / reference["cpu_s"],
                "conflict": row["conflict"],
            }
        )
    return pd.DataFrame(found)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row a set and method: means over seeds and standard errors of the paired differences to
    mean.
    """
    paired = table.set_index(KEY)
    bases = paired.xs("mean", level="method")[["delta_m", "worst_task"]].add_prefix("mean_")
    table = table.join(bases, on=["set", "seed"])
    table["delta_m_diff"], table["worst_task_diff"] = (
        table["delta_m"] - table["mean_delta_m"],
        table["worst_task"] - table["mean_worst_task"],
    )
    values = [
        "delta_m",
        "delta_m_diff",
        "against_mean",
        "worst_task",
        "worst_task_diff",
        "worst_against_mean",
        "auc_gain",
        "time_ratio",
        "conflict",
    ]
    grouped = table.groupby(["set", "method"], sort=False)
    errors = (
        grouped[["delta_m_diff", "against_mean", "worst_task_diff", "auc_gain"]]
        .sem()
        .add_suffix("_se")
    )
    means = grouped[values].mean().assign(time_ratio=grouped["time_ratio"].median())
    summary = pd.concat([grouped.size().rename("seeds"), means, errors], axis=1).reset_index()
    order = {name: i for i, name in enumerate((*METHODS, *SETS, *QUICK_SETS))}
    return summary.sort_values(
        ["method", "set"], key=lambda column: column.map(order), ignore_index=True
    )


def significant(summary: pd.DataFrame) -> pd.Series:
    """Sign of the paired change against mean where it is larger than chance allows in one of 20
    cells, else 0.
    """
    t = summary["against_mean"] / summary["against_mean_se"]
    return np.sign(t).where(t.abs() > student.ppf(0.975, (summary["seeds"] - 1).clip(lower=1)), 0.0)


def wide_table(summary: pd.DataFrame, cells: pd.Series) -> pd.DataFrame:
    """Methods as rows, sets as columns; - where nothing was measured."""
    table = summary.assign(cell=cells).pivot(index="method", columns="set", values="cell")
    return table.loc[
        list(dict.fromkeys(summary["method"])),
        [name for name in (*SETS, *QUICK_SETS) if name in table],
    ].fillna("-")


def with_spread(summary: pd.DataFrame, value: str, spread: str) -> pd.Series:
    """Mean (standard error), and the number of seeds where some are missing."""
    few = np.where(
        summary["seeds"] == summary["seeds"].max(), "", " [" + summary["seeds"].astype(str) + "]"
    )
    return (
        summary[value].map("{:+.1f}".format)
        + " ("
        + summary[spread].map("{:.1f}".format)
        + ")"
        + few
    )


def over_sets(summary: pd.DataFrame) -> pd.DataFrame:
    """One row a method: mean change against mean over sets, its standard error over sets, ranks,
    signs, time.
    """
    n_sets, signs = summary["set"].nunique(), significant(summary)
    delta = summary.pivot(index="method", columns="set", values="delta_m")
    full = delta.dropna()
    grouped = summary.assign(
        better=signs < 0, worse=signs > 0, log_time=np.log(summary["time_ratio"])
    ).groupby("method", sort=False)
    table = pd.concat(
        [
            grouped["delta_m"].mean(),
            pd.Series(mean_rank(full, False), full.index, name="rank"),
            grouped["against_mean"].agg(["mean", "sem", "median"]),
            grouped["worst_task_diff"].mean(),
            grouped[["better", "worse"]].sum(),
            np.exp(grouped["log_time"].mean()).rename("time"),
            grouped.size().rename("sets"),
        ],
        axis=1,
    )
    return table.assign(p=2 * student.sf((table["mean"] / table["sem"]).abs(), n_sets - 1)).loc[
        list(dict.fromkeys(summary["method"]))
    ]


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """Return the same for readers."""
    shown = pd.DataFrame({"method": table.index, "sets": table["sets"].to_numpy()})
    shown["delta-m %"] = table["delta_m"].map("{:+.2f}".format).to_numpy()
    shown["mean rank"] = (
        table["rank"].map(lambda rank: "-" if np.isnan(rank) else f"{rank:.1f}").to_numpy()
    )
    shown["against mean % (SE over sets)"] = [
        f"{row['mean']:+.2f} ({row['sem']:.2f})" for _, row in table.iterrows()
    ]
    shown["median over sets"] = table["median"].map("{:+.2f}".format).to_numpy()
    shown["sets better / worse"] = [
        f"{row['better']:.0f} / {row['worse']:.0f}" for _, row in table.iterrows()
    ]
    shown["worst task, points against mean"] = (
        table["worst_task_diff"].map("{:+.1f}".format).to_numpy()
    )
    shown["time / mean's"] = table["time"].map("{:.1f}".format).to_numpy()
    return shown


def reading(summary: pd.DataFrame, table: pd.DataFrame) -> str:
    """Say in numbers whether anything beats mean."""
    rivals = table.drop(index=["mean", "single", *CONTROLS], errors="ignore")
    cells = summary[summary["method"].isin(rivals.index)]
    signs, best, bar = significant(cells), rivals["mean"].idxmin(), 0.05 / len(rivals)
    p = f"standard error over sets {rivals['sem'][best]:.2f}, p = {rivals['p'][best]:.2f}"
    lines = [
        "- Cells (set, method) better than mean by a paired t-test at 5 %: "
        f"{int((signs < 0).sum())} of {len(cells)}; worse: {int((signs > 0).sum())}. "
        f"Chance alone gives about {0.025 * len(cells):.0f} of each.",
        f"- Best on average: {best}, {rivals['mean'][best]:+.2f} % error against mean ({p}; with "
        f"{len(rivals)} methods tried, p below {bar:.4f} would count).",
        f"- Methods below 0 on average: {', '.join(rivals.index[rivals['mean'] < 0]) or 'none'}. "
        "Methods that pass the bar: better "
        f"{', '.join(passing(rivals, -1)) or 'none'}; worse "
        f"{', '.join(passing(rivals, 1)) or 'none'}.",
    ]
    if "mean_again" in table.index:
        size = summary.loc[summary["method"] == "mean_again", "against_mean"].abs().mean()
        lines.append(
            f"- Another random state alone moves mean by {table['mean']['mean_again']:+.2f} % on "
            f"average over sets, by {size:.1f} % a set (mean size)."
        )
    for title, numeric in (("Regression", True), ("Classification", False)):
        part = signs[cells["set"].isin(set(cells.loc[cells["auc_gain"].isna(), "set"])) == numeric]
        lines.append(
            f"- {title} sets: {int((part < 0).sum())} cells better, {int((part > 0).sum())} worse, "
            f"of {len(part)}."
        )
    sets = (
        cells.groupby("set")["against_mean"]
        .agg(["median", "min"])
        .join(summary.groupby("set")["conflict"].mean())
        .dropna()
    )
    if len(sets) > 2:
        rank = sets.corr(method="spearman")["conflict"]
        lines.append(
            f"- Rank correlation over {len(sets)} sets of the share of conflicting gradients with "
            f"the methods' median change {rank['median']:+.2f}, with the "
            f"best method's {rank['min']:+.2f}; negative would say that aggregation helps where "
            "gradients conflict."
        )
    return "\n".join(lines)


def passing(rivals: pd.DataFrame, sign: int) -> list[str]:
    """Methods whose mean change over sets has a sign, by Bonferroni."""
    return [
        str(name)
        for name, row in rivals.iterrows()
        if row["p"] < 0.05 / len(rivals) and np.sign(row["mean"]) == sign
    ]


def write_report(options: argparse.Namespace, rows: pd.DataFrame) -> None:
    """Print and write all tables."""
    table = by_seed(rows)
    if table.empty:
        raise SystemExit("Nothing was measured for mean and single in these sets and seeds.")
    summary = summarise(table)
    totals, rivals = over_sets(summary), summary[summary["method"] != "mean"]
    changes = with_spread(rivals, "against_mean", "against_mean_se") + significant(rivals).map(
        {0.0: "", -1.0: " *", 1.0: " x"}
    )
    auc = summary[summary["auc_gain"].notna() & (summary["method"] != "mean")]
    conflict = (
        summary.groupby("set", sort=False)["conflict"]
        .mean()
        .dropna()
        .map("{:.2f}".format)
        .rename("share")
        .reset_index()
    )
    sections = [
        "# Aggregators on real tables",
        NOTE.format(
            members=options.members,
            seeds=table["seed"].nunique(),
            adult=N_ADULT,
            schools=SCHOOLS,
            a_group=SCHOOLS_A_GROUP,
        ),
        "## In short",
        reading(summary, totals),
        *([] if options.quick or set(summary["set"]) != set(SETS) else [FINDINGS]),
        "## Over all sets",
        COLUMN_NOTE,
        markdown(overall(totals)),
        "## delta-m % against single-task networks (standard error of the paired difference to "
        "mean)",
        shown(summary, with_spread(summary, "delta_m", "delta_m_diff_se")),
        "## Error against mean, % (standard error); * better, x worse by the paired t-test at 5 %",
        shown(rivals, changes),
        "## Worst task: largest change of a task against single, % (standard error of the paired "
        "difference to mean)",
        shown(summary, with_spread(summary, "worst_task", "worst_task_diff_se")),
        "## ROC AUC against mean, points of 100 (standard error); positive is better",
        shown(auc, with_spread(auc, "auc_gain", "auc_gain_se"))
        if len(auc)
        else "No classification sets.",
        "## Computing time / mean's",
        shown(summary, summary["time_ratio"].map("{:.1f}".format)),
        "## Conflict: share of task pairs with a negative cosine, mean over passes and gradient "
        "weightings",
        markdown(conflict),
        versions(np, pd, sklearn, torch) + ".",
    ]
    report(options, "aggregator_quality", "\n\n".join(sections) + "\n", summary.round(4))


def shown(summary: pd.DataFrame, cells: pd.Series) -> str:
    """Return methods by sets as Markdown."""
    return markdown(wide_table(summary, cells).reset_index())


def main() -> None:
    """Measure and report."""
    known = parser(__doc__ or "")
    known.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    known.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    known.add_argument("--seeds", type=int, default=5, help="number of seeds, from --seed on")
    known.add_argument("--members", type=int, default=2, help="networks that are averaged")
    known.add_argument(
        "--limit",
        type=float,
        default=60,
        help="seconds of computing a cell; one that takes more is left out",
    )
    known.add_argument(
        "--report", action="store_true", help="tables of what was measured, nothing new"
    )
    options = parse(known)
    if options.quick:
        options.sets, options.methods, options.seeds = QUICK_SETS, QUICK_METHODS, 2
        options.members = 1
    quiet()
    torch.set_num_threads(1)
    path = (options.out or RESULTS) / "aggregator_quality_raw.csv"
    write_report(options, read(path) if options.report else measure_all(options, path))


if __name__ == "__main__":
    sys.exit(main())
