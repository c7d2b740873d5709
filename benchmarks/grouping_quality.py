"""Total test loss of single-task, all-in-one and grouped training, and of what users pick instead;
recovery of planted groups.

    python benchmarks/grouping_quality.py --data-home DIR

trains on School, Landmine, the MHC-I substitute of "Chemical" and two generated sets, over outer
splits, with three networks. Every result is appended to grouping_quality_raw.csv as it comes; a
second call goes on where the first one ended, and rewrites the tables.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import common
import numpy as np
import pandas as pd
import sklearn
import torch
from affinity_data import TEST_SIZE, load_tasks, published_network
from numpy.typing import NDArray
from quality_data import Split
from quality_rivals import METHODS as RIVAL_METHODS
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score

from skmtl import (
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
    TaskGrouper,
    TaskSet,
)
from skmtl.affinity import collect_pairwise_gains, predict_affinity
from skmtl.datasets import make_grouped_tasks
from skmtl.estimators import fit_groups, read_settings, read_training_rows
from skmtl.grouping import DEFAULT_NETWORK, loss_units

GENERATED: dict[str, dict[str, Any]] = {
    "planted": {"n_tasks": 24, "n_groups": 4, "n_samples": (30, 90)},
    "planted, 6 harmful": {"n_tasks": 24, "n_groups": 3, "n_samples": (30, 90), "n_harmful": 6},
    "quick": {"n_tasks": 6, "n_groups": 2, "n_samples": 40},
}
NETWORKS = ("published", "small", "default")
RIVALS = ("hist_gradient_boosting", "linear_indicator", "linear_per_task")
GROUPED = {"grouped, pairs only": {"n_rounds": 0}, "grouped": {}}
SIMPLE = ("single-task", "joint")
# Noise of the planted clusters: standard deviation, the noiseless targets have about unit variance.
NOISE_LEVELS = (0.25, 0.5, 1.0)
TRAINING_SEEDS = (0, 1)
RAW = "grouping_quality_raw.csv"
KEYS = ["section", "data", "network", "split", "method"]


# ---------------------------------------------------------------------- data
@cache
def tasks_of(name: str, data_home: str | None) -> TaskSet:
    """Return the tasks of a set."""
    return (
        make_grouped_tasks(**GENERATED[name], random_state=0).task_set
        if name in GENERATED
        else load_tasks(name, data_home)
    )


def network_of(name: str, network: str, kind: str) -> Any:
    """Return the network that every group gets."""
    of_kind = MultiTaskRegressor if kind == "regression" else MultiTaskClassifier
    if network == "published":
        return published_network(name, kind).set_params(n_members=1, task_embedding_dim=0)
    return of_kind(**DEFAULT_NETWORK) if network == "small" else of_kind()


def long_form(tasks: TaskSet) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return inputs with the task in the last column, and targets."""
    X, y, task = tasks.to_long()
    return pd.DataFrame(np.asarray(X, dtype=float)).add_prefix("x").assign(task=task), np.asarray(y)


# ---------------------------------------------------------------------- losses
def task_losses(
    tasks: TaskSet, outputs: NDArray[np.float64], units: dict[str, float]
) -> NDArray[np.float64]:
    """Return the loss of every task from predictions, or probabilities of class 1, of its rows,
    task after task.
    """
    y = np.concatenate([task.y for task in tasks])
    losses = (
        (y - outputs) ** 2
        if tasks.kind == "regression"
        else -np.log(np.maximum(np.where(y == 1, outputs, 1 - outputs), 1e-07))
    )
    parts = np.split(losses, np.cumsum(tasks.sizes)[:-1])
    return np.array(
        [part.mean() / units[name] for name, part in zip(tasks.names, parts, strict=True)]
    )


def losses_of_groups(
    network: Any, train: TaskSet, test: TaskSet, serving: dict[str, tuple[str, ...]]
) -> NDArray[np.float64]:
    """Test losses (T,), mean over training seeds, where every task is served by the network of a
    group.
    """
    groups = list(dict.fromkeys(serving.values()))
    units = loss_units(train, pooled=True)
    own = clone(network).set_params(task_column="task")
    rows = replace(read_training_rows(read_settings(own), *long_form(train)), tasks=train)
    found = []
    for seed in TRAINING_SEEDS:
        loss_of: dict[str, float] = {}
        for group, fitted in zip(groups, fit_groups(own, rows, groups, seed=seed), strict=True):
            served = test.subset([name for name in group if serving[name] == group])
            X, _ = long_form(served)
            outputs = (
                fitted.predict(X) if test.kind == "regression" else fitted.predict_proba(X)[:, 1]
            )
            loss_of.update(zip(served.names, task_losses(served, outputs, units), strict=True))
        found.append([loss_of[name] for name in test.names])
    return np.mean(found, axis=0)


# ---------------------------------------------------------------------- one result
def total_of_networks(
    name: str, network: str, split: int, method: str, args: argparse.Namespace
) -> dict[str, Any]:
    """Total test loss of one way to train networks."""
    tasks = tasks_of(name, args.data_home)
    train, test = tasks.train_test_split(TEST_SIZE, split)
    own = network_of(name, network, tasks.kind)
    start = time.perf_counter()
    found: dict[str, Any] = {}
    if method in GROUPED:
        grouped = TaskGroupedRegressor if tasks.kind == "regression" else TaskGroupedClassifier
        model = grouped(
            own, task_column="task", random_state=split, memory=args.cache, **GROUPED[method]
        )
        model.fit(*long_form(train))
        serving = {
            one: model.groups_[label]
            for one, label in zip(model.task_names_, model.labels_, strict=True)
        }
        found = {
            "chosen": model.choice_.loc[model.choice_["chosen"], "candidate"].item(),
            "groups": len(model.groups_),
        }
    else:
        serving = {
            one: (one,) if method == "single-task" else tuple(tasks.names) for one in tasks.names
        }
    seconds = time.perf_counter() - start
    return {"value": losses_of_groups(own, train, test, serving).sum(), "seconds": seconds, **found}


def total_of_rival(name: str, split: int, method: str, args: argparse.Namespace) -> dict[str, Any]:
    """Total test loss of what users pick instead of a network, each with its defaults or a
    cross-validated penalty.
    """
    tasks = tasks_of(name, args.data_home)
    train, test = tasks.train_test_split(TEST_SIZE, split)
    (X, y), (X_test, y_test) = (long_form(part) for part in (train, test))
    X, X_test = (
        frame.assign(task=pd.Categorical(frame["task"], categories=tasks.names))
        for frame in (X, X_test)
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = RIVAL_METHODS[method].fit(
            Split(name, tasks.kind, X, y, X_test, y_test, ""), split
        )(X_test)
    return {
        "value": task_losses(test, outputs, loss_units(train, pooled=True)).sum(),
        "seconds": time.perf_counter() - start,
    }


def recovery(
    noise: float, split: int, args: argparse.Namespace, *, n_harmful: int = 0, quick: bool = False
) -> dict[str, Any]:
    """Agreement of the groups with the planted ones: those that are kept, and those that clustering
    finds in their true number.

    With harmful tasks, gains are those of one least-squares fit to the rows of both tasks: networks
    with heads turn the sign of a look-alike's function, which then helps. What counts is the share
    of harmful tasks that no task they contradict is grouped with.
    """
    planted = make_grouped_tasks(
        12 if quick else 60, 3 if quick else 6, noise=noise, n_harmful=n_harmful, random_state=split
    )
    start = time.perf_counter()
    if n_harmful:
        gains = collect_pairwise_gains(
            planted.task_set,
            LinearRegression(),
            pairs=0.25,
            n_repeats=4,
            random_state=split,
            memory=args.cache,
        )
        affinity, kept = predict_affinity(planted.task_set, gains, random_state=split), None
    else:
        model = TaskGroupedRegressor(task_column="task", random_state=split, memory=args.cache).fit(
            planted.data.assign(task=planted.task), planted.target
        )
        affinity, kept = model.affinity_, adjusted_rand_score(planted.labels, model.labels_)
    labels = TaskGrouper("sdp", n_groups=len(planted.groups)).fit(affinity.to_numpy()).labels_
    found = {
        "value": adjusted_rand_score(planted.labels, labels),
        "kept": kept,
        "seconds": time.perf_counter() - start,
    }
    if n_harmful:
        harmful = np.flatnonzero(planted.contradicts >= 0)
        found["isolated"] = np.mean(
            [
                not np.isin(planted.contradicts[t], planted.labels[labels == labels[t]])
                for t in harmful
            ]
        )
    else:
        found |= {
            "chosen": model.choice_.loc[model.choice_["chosen"], "candidate"].item(),
            "groups": len(model.groups_),
        }
    return found


# ---------------------------------------------------------------------- runs
def jobs(args: argparse.Namespace) -> Iterator[tuple[str, str, str, int, str]]:
    """Section, data, network, split and method of every result, the quick ones first within a
    split.
    """
    for split in range(args.splits):
        for name in args.data:
            yield from (("totals", name, "", split, method) for method in args.rivals)
            yield from (
                ("totals", name, network, split, method)
                for network in args.networks
                for method in (*SIMPLE, *GROUPED)
            )
        yield from (
            ("clusters", f"noise {noise:g}", "small", split, "planted") for noise in args.noise
        )
        yield from (
            ("clusters", f"noise {noise:g}", "least squares", split, "harmful")
            for noise in args.noise
        )


def one(job: tuple[str, str, str, int, str], args: argparse.Namespace) -> dict[str, Any]:
    """Compute one result."""
    section, name, network, split, method = job
    if section == "clusters":
        n_harmful = (3 if args.quick else 6) * (method == "harmful")
        found = recovery(float(name.split()[1]), split, args, n_harmful=n_harmful, quick=args.quick)
    elif network:
        found = total_of_networks(name, network, split, method, args)
    else:
        found = total_of_rival(name, split, method, args)
    return (
        dict(zip(KEYS, job, strict=True))
        | {
            "value": np.nan,
            "kept": None,
            "isolated": None,
            "chosen": "",
            "groups": None,
            "seconds": None,
        }
        | found
    )


def run(args: argparse.Namespace) -> pd.DataFrame:
    """Compute what is missing, and keep every result as it comes."""
    out = args.out or (None if args.quick else common.RESULTS)
    path = None if out is None else Path(out) / RAW
    known = (
        pd.read_csv(path, keep_default_na=False, na_values=["nan"])
        if path is not None and path.exists()
        else pd.DataFrame(columns=KEYS)
    )
    # Earlier results call the joint network "all together".
    known = known.replace("all together", "joint")
    done = set(known[KEYS].astype(str).itertuples(index=False, name=None))
    rows = []
    for job in jobs(args):
        if tuple(map(str, job)) in done:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            rows.append(one(job, args))
        print(rows[-1], file=sys.stderr, flush=True)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows[-1:]).to_csv(path, mode="a", header=not path.exists(), index=False)
    new = pd.DataFrame(rows)
    return (
        new if known.empty else known if new.empty else pd.concat([known, new], ignore_index=True)
    )


# ---------------------------------------------------------------------- tables
def totals_table(raw: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over splits, and paired differences from the better of single-task and all
    together.
    """
    totals = raw[raw["section"] == "totals"].assign(value=lambda rows: rows["value"].astype(float))
    rows = []
    for (name, network), own in totals[totals["network"] != ""].groupby(
        ["data", "network"], sort=False
    ):
        table = own.pivot(index="split", columns="method", values="value")
        rivals = totals[(totals["data"] == name) & (totals["network"] == "")].pivot(
            index="split", columns="method", values="value"
        )
        table = (
            table.reindex(columns=[*SIMPLE, *GROUPED])
            .join(rivals.reindex(columns=RIVALS))
            .dropna(subset=[*SIMPLE, "grouped"])
        )
        if table.empty:
            continue
        better, rival = (
            table[list(SIMPLE)].mean().idxmin(),
            table[list(RIVALS)].mean().fillna(np.inf).idxmin(),
        )
        for method in table.columns[table.notna().all()]:  # those that were run on the same splits
            excess, behind = (
                100 * (table[method] / table[better] - 1),
                100 * (table[method] / table[rival] - 1),
            )
            rows.append(
                {
                    "data": name,
                    "network": network,
                    "method": method,
                    "splits": len(table),
                    "total": table[method].mean(),
                    "sd": table[method].std(),
                    f"% above the better of {' and '.join(SIMPLE)}": excess.mean(),
                    "sd of %": excess.std(),
                    "% above the best rival": behind.mean(),
                }
            )
    return pd.DataFrame(rows).round(3)


def clusters_table(raw: pd.DataFrame) -> pd.DataFrame:
    """Adjusted Rand index, and harmful tasks that are isolated, mean and smallest over draws."""
    own = raw[raw["section"] == "clusters"].copy()
    if own.empty:
        return own
    for column in ("value", "kept", "isolated"):
        own[column] = pd.to_numeric(own[column], errors="coerce")
    grouped = own.groupby(["method", "data"], sort=False)
    table = grouped["value"].agg(
        draws="size", **{"ARI, true number of groups": "mean", "its smallest": "min"}
    )
    table["ARI of the groups kept"], table["harmful tasks isolated"] = (
        grouped["kept"].mean(),
        grouped["isolated"].mean(),
    )
    table["kept"] = grouped["chosen"].agg(
        lambda names: ", ".join(sorted({name for name in names if name}))
    )
    return table.reset_index().round(3)


_TOTALS_NOTE = f"""Sum over tasks of the test loss (regression: squared error over the variance of
all training targets; else log loss) on 30 % test rows, mean over outer splits; networks are trained
with {len(TRAINING_SEEDS)} seeds, whose losses are averaged. Groups are chosen on training rows
alone (25 % of the pairs measured, 4 repeats); "grouped, pairs only" proposes from pair gains
(`n_rounds=0`), "grouped" measures groups as well. Percentages are means of paired ratios, split by
split. Networks: published = the paper's (one member, heads only), small = that of the grouped
estimators, default = defaults of MultiTaskRegressor and MultiTaskClassifier. The rivals have their
defaults, or a cross-validated penalty, and the task as a category."""
_CLUSTERS_NOTE = """Planted tasks (60 tasks, 6 clusters, 100 rows each; 6 of the tasks harmful in
the rows of that name), 25 % of the pairs measured. The groups kept may be one network for all
tasks, where that is as good on held-out rows."""


def main() -> None:
    """Run what is missing and write the tables."""
    parser = common.parser(__doc__)
    parser.add_argument(
        "--data",
        nargs="+",
        default=["landmine", "mhc_binding", "school", "planted", "planted, 6 harmful"],
    )
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), choices=RIVALS)
    parser.add_argument("--noise", nargs="*", type=float, default=list(NOISE_LEVELS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument(
        "--cache", default=".cache/grouping", help="folder of finished measurements"
    )
    args = common.parse(parser)
    torch.set_num_threads(1)
    if args.quick:
        args.data, args.networks, args.rivals, args.noise, args.splits, args.cache = (
            ["quick"],
            ["small"],
            ["linear_indicator"],
            [0.5],
            1,
            None,
        )
    raw = run(args)
    for name, title, note, table in (
        (
            "grouping_quality",
            "Total test loss of grouped training",
            _TOTALS_NOTE,
            totals_table(raw),
        ),
        ("grouping_clusters", "Planted groups", _CLUSTERS_NOTE, clusters_table(raw)),
    ):
        common.report(
            args,
            name,
            f"# {title}\n\n{note}\n\n{common.markdown(table)}\n\n"
            f"{common.versions(np, sklearn, torch)}\n",
            table,
        )


if __name__ == "__main__":
    main()
