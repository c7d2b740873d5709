"""fairlearn's methods on the data of fairness_tables.py: reductions, thresholds by group and an
adversary, one model per task.

    python benchmarks/fairness_rivals.py --cache DIR
        (fits what is not in results/fairness_rivals.csv, row by row, then writes
        results/fairness_rivals.md)
    python benchmarks/fairness_rivals.py --report-only  (writes the tables of what is there)
    python benchmarks/fairness_rivals.py --quick
        (generated rows; writes nothing unless --out is given)

Rows, splits and the baseline are those of fairness_tables.py: --cache is its folder. A baseline
that is not there is trained in the same way.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fairlearn
import numpy as np
import pandas as pd
import sklearn
import torch
from common import RESULTS, markdown, parse, parser, versions
from fairlearn.adversarial import AdversarialFairnessClassifier
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import ExponentiatedGradient, FalsePositiveRateParity
from fairness_data import Split, load, network
from numpy.typing import NDArray
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skmtl
from skmtl.metrics import (
    average_relative_error,
    average_relative_fairness_gap,
    chance_gap,
    error_rate,
    group_rate_gap,
    hypervolume,
    reported_point,
)
from skmtl.model_selection import fairness_sweep
from skmtl.model_selection.thresholds import quantile_threshold

# Hidden units of the network that has an adversary, rows per step and epochs; constraints and
# weights of the adversary (1 is fairlearn's default).
ADVERSARIAL = {
    "adult": (64, 512, 10),
    "german": (32, 128, 40),
    "lsac": (32, 512, 20),
    "generated": (8, 64, 5),
}
BOUNDS = {"adult": (0.01,), "german": (0.01, 0.05), "lsac": (0.01, 0.05), "generated": (0.01,)}
ADVERSARIES = (("equalized_odds", 0.3), ("equalized_odds", 1.0), ("demographic_parity", 1.0))
ORDER = (
    "vanilla",
    "ThresholdOptimizer",
    "LogisticRegression",
    "ExponentiatedGradient",
    "Adversarial",
)
BASELINE = "single-task networks"
REFERENCE = (1.3, 1.2)  # of the hypervolume, as in fairness_tables.py
# a gap is called empty where fewer than this share of the positive labels' number is predicted
# positive
EMPTY = 0.1


# ---------------------------------------------------------------------- methods: decisions of their
# own, and scores where they have some
Outcome = tuple[NDArray[Any], NDArray[np.float64] | None]


def vanilla(name: str, data: Split, split: int) -> tuple[list[Outcome], Any]:
    """Our network of all tasks without a fairness term, and the network itself."""
    fitted = network(name).set_params(random_state=split).fit(data.X, data.Y)
    return [(task[:, 1] >= 0.5, task[:, 1]) for task in fitted.predict_proba(data.X_test)], fitted


def thresholds(data: Split, fitted: Any, split: int) -> list[Outcome]:
    """Thresholds by group on the probabilities of a fitted network; the logistic curve on top
    changes no order.
    """
    found: list[Outcome] = []
    for t, (own, later) in enumerate(
        zip(fitted.predict_proba(data.X), fitted.predict_proba(data.X_test), strict=True)
    ):
        optimizer = ThresholdOptimizer(
            estimator=LogisticRegression(),
            constraints="false_positive_rate_parity",
            predict_method="predict_proba",
        )
        optimizer.fit(own[:, [1]], data.Y.iloc[:, t], sensitive_features=data.sensitive)
        found.append(
            (
                optimizer.predict(
                    later[:, [1]], sensitive_features=data.sensitive_test, random_state=split
                ),
                None,
            )
        )
    return found


def logistic(X: NDArray[Any], y: pd.Series, later: NDArray[Any]) -> Outcome:
    """What the reduction starts from."""
    score = LogisticRegression(max_iter=200).fit(X, y).predict_proba(later)[:, 1]
    return score >= 0.5, score


def reduction(
    X: NDArray[Any], y: pd.Series, later: NDArray[Any], data: Split, split: int, bound: float
) -> Outcome:
    """A random mixture of logistic regressions on reweighted rows; its score is the mixture's mean
    probability.
    """
    model = ExponentiatedGradient(
        LogisticRegression(max_iter=200), FalsePositiveRateParity(difference_bound=bound)
    )
    model.fit(X, y, sensitive_features=data.sensitive)
    score = np.zeros(len(later))
    for weight, one in zip(model.weights_, model.predictors_[model.weights_.index], strict=True):
        if weight > 0:
            classes = list(one.classes_)
            score += weight * (one.predict_proba(later)[:, classes.index(1)] if 1 in classes else 0)
    return model.predict(later, random_state=split), score


def adversary(
    X: NDArray[Any],
    y: pd.Series,
    later: NDArray[Any],
    data: Split,
    split: int,
    name: str,
    constraints: str,
    alpha: float,
) -> Outcome:
    """A network whose opponent guesses the group from its score, for equalized odds also from the
    label.
    """
    width, batch_size, epochs = ADVERSARIAL[name]
    model = AdversarialFairnessClassifier(
        backend="torch",
        predictor_model=[width, "relu"],
        adversary_model=[3, "leaky_relu"],
        constraints=constraints,
        alpha=alpha,
        batch_size=batch_size,
        epochs=epochs,
        shuffle=True,
        random_state=split,
    )
    model.fit(X, y, sensitive_features=data.sensitive)
    # Only a private method gives the probabilities that predict cuts at 0.5.
    return np.asarray(model.predict(later)).ravel(), np.asarray(
        model._raw_predict(later), dtype=float
    ).ravel()


# ---------------------------------------------------------------------- one split
def rows_of(
    name: str, split: int, done: set[str], options: argparse.Namespace
) -> Iterator[list[dict[str, object]]]:
    """Yield the rows of every method that has not been run on a split."""
    data = load(name, split, options.data_home)
    if BASELINE not in done and not baseline_path(name, split, options).exists():
        yield baseline_rows(name, split, data)
    if not {"vanilla network", "ThresholdOptimizer *"} <= done:
        start = time.process_time()
        plain, fitted = vanilla(name, data, split)
        trained = time.process_time() - start
        yield judged(name, split, "vanilla network", plain, data, [trained] * len(plain))
        start = time.process_time()
        treated = thresholds(data, fitted, split)
        yield judged(
            name,
            split,
            "ThresholdOptimizer *",
            treated,
            data,
            [trained + time.process_time() - start] * len(plain),
        )
    columns = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_include="category"),
        ),
        remainder=StandardScaler(),
    )
    X = columns.fit_transform(data.X)
    later = columns.transform(data.X_test)
    if "LogisticRegression" not in done:
        yield task_by_task(name, split, "LogisticRegression", data, lambda y: logistic(X, y, later))
    for bound in BOUNDS[name]:
        if (method := f"ExponentiatedGradient, {bound}") not in done:
            yield task_by_task(
                name,
                split,
                method,
                data,
                lambda y, bound=bound: reduction(X, y, later, data, split, bound),
            )
    for constraints, alpha in ADVERSARIES:
        if (method := f"Adversarial, {constraints.replace('_', ' ')}, {alpha}") not in done:
            yield task_by_task(
                name,
                split,
                method,
                data,
                lambda y, constraints=constraints, alpha=alpha: adversary(
                    X, y, later, data, split, name, constraints, alpha
                ),
            )


def task_by_task(
    name: str, split: int, method: str, data: Split, fit: Any
) -> list[dict[str, object]]:
    """Fit one model per task and judge it."""
    outcomes, seconds = [], []
    for task in data.Y:
        start = time.process_time()
        with (
            warnings.catch_warnings()
        ):  # pandas 3 warns of what fairlearn does with it, PyTorch of how it copies arrays
            warnings.simplefilter("ignore")
            outcomes.append(fit(data.Y[task]))
        seconds.append(time.process_time() - start)
    return judged(name, split, method, outcomes, data, [sum(seconds)] * len(seconds))


def judged(
    name: str, split: int, method: str, outcomes: list[Outcome], data: Split, seconds: list[float]
) -> list[dict[str, object]]:
    """Return errors and gaps of own decisions, and of as many positive ones as there are positive
    labels in training where there are scores.
    """
    rows = []
    for (own, score), task, spent in zip(outcomes, data.Y, seconds, strict=True):
        y = data.Y_test[task].to_numpy()
        decisions = {"own": np.asarray(own).astype(int)}
        if score is not None:
            decisions["quantile"] = (
                score >= quantile_threshold(score, float(data.Y[task].mean()))
            ).astype(int)
        for kind, decided in decisions.items():
            rows.append(
                {
                    "data": name,
                    "split": split,
                    "method": method,
                    "decisions": kind,
                    "task": task,
                    "labels_positive": y.mean(),
                    "positive": decided.mean(),
                    "error": error_rate(y, decided),
                    "gap": group_rate_gap(y, decided, data.sensitive_test),
                    "chance": chance_gap(y, decided, data.sensitive_test),
                    "seconds": spent,
                }
            )
    return rows


# ---------------------------------------------------------------------- what methods are held
# against
def baseline_path(name: str, split: int, options: argparse.Namespace) -> Path:
    """Return where fairness_tables.py keeps a baseline."""
    return Path(options.cache / f"{name}-{split}-baseline.json")


def baseline_rows(name: str, split: int, data: Split) -> list[dict[str, object]]:
    """Train the baseline of fairness_tables.py: the same seed draws the same validation rows and
    networks.
    """
    start = time.process_time()
    tests: dict[str, Any] = {
        "X_test": data.X_test,
        "Y_test": data.Y_test,
        "sensitive_features_test": data.sensitive_test,
    }
    runs = fairness_sweep(
        network(name),
        data.X,
        data.Y,
        sensitive_features=data.sensitive,
        **tests,
        n_runs=1,
        n_jobs=1,
        random_state=split,
    )
    found, spent = runs.attrs["baseline"], time.process_time() - start
    same = {
        "data": name,
        "split": split,
        "method": BASELINE,
        "decisions": "quantile",
        "seconds": spent,
    }
    return [
        {**same, "task": task, "error": found[f"error_{task}"], "gap": found[f"gap_{task}"]}
        for task in data.Y
    ]


def baseline_of(
    name: str, split: int, table: pd.DataFrame, options: argparse.Namespace
) -> dict[str, pd.Series]:
    """Return errors and gaps of the baseline, from fairness_tables.py where they are there."""
    if (path := baseline_path(name, split, options)).exists():
        known = json.loads(path.read_text())
        tasks = [key.removeprefix("error_") for key in known if key.startswith("error_")]
        return {
            what: pd.Series({task: known[f"{what}_{task}"] for task in tasks})
            for what in ("error", "gap")
        }
    own = table[(table["method"] == BASELINE) & (table["split"] == split)].set_index("task")
    return {what: own[what] for what in ("error", "gap")}


# ---------------------------------------------------------------------- tables
def spread(values: pd.Series, digits: int = 3) -> str:
    """Return mean and standard deviation."""
    return (
        f"{values.mean():.{digits}f} ({values.std():.{digits}f})"
        if len(values) > 1
        else f"{values.mean():.{digits}f}"
    )


def point(part: pd.DataFrame, baseline: dict[str, pd.Series]) -> tuple[float, float]:
    """Return ARE and ARFG of one model per task on one split; empty gaps are left out."""
    part = part.set_index("task")
    counted = part.index[~part["empty"]]
    gap = (
        average_relative_fairness_gap(part.loc[counted, "gap"], baseline["gap"][counted])
        if len(counted)
        else np.nan
    )
    return float(average_relative_error(part["error"], baseline["error"][part.index])), float(gap)


def table_of(name: str, rows: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Return a line for every method and kind of decision, and one for the front of fairlearn's;
    means and standard deviations over splits.
    """
    table = rows[rows["data"] == name]
    table = table.assign(empty=table["positive"] < EMPTY * table["labels_positive"])
    baselines = {
        split: baseline_of(name, int(split), table, options) for split in table["split"].unique()
    }
    lines, models = [], table[table["method"] != BASELINE]
    for (method, kind), own in models.groupby(["method", "decisions"], sort=False):
        points = pd.DataFrame(
            [point(part, baselines[split]) for split, part in own.groupby("split")],
            columns=["are", "arfg"],
        )
        line = {
            "method": method,
            "decisions": kind,
            "splits": len(points),
            "ARE": spread(points["are"]),
            "ARFG": spread(points["arfg"]),
        }
        line["hypervolume"] = (
            spread(points.apply(lambda one: hypervolume([list(one)], REFERENCE), axis=1))
            if kind == "quantile"
            else ""
        )
        for task, mine in own.groupby("task", sort=False):
            line |= {
                f"error {task}": spread(mine["error"], 4),
                f"gap {task}": spread(mine["gap"], 4) + " †" * bool(mine["empty"].any()),
                f"gap by chance {task}": f"{mine['chance'].mean():.4f}",
                f"positive {task}": f"{mine['positive'].mean():.3f} of "
                f"{mine['labels_positive'].mean():.3f}",
            }
        lines.append(line | {"seconds": f"{own.groupby('split')['seconds'].first().mean():.1f}"})
    rivals = models[
        (models["decisions"] == "quantile")
        & models["method"].str.startswith(("ExponentiatedGradient", "Adversarial"))
    ]
    clouds = [
        np.array([point(one, baselines[split]) for _, one in part.groupby("method")])
        for split, part in rivals.groupby("split")
    ]
    chosen = pd.DataFrame(
        [cloud[reported_point(cloud)] for cloud in clouds], columns=["are", "arfg"]
    )
    front = {
        "method": "fairlearn's fronts: reported point",
        "decisions": "quantile",
        "splits": len(clouds),
        "ARE": spread(chosen["are"]),
    }
    front |= {
        "ARFG": spread(chosen["arfg"]),
        "hypervolume": spread(pd.Series([hypervolume(cloud, REFERENCE) for cloud in clouds])),
    }
    lines.sort(
        key=lambda line: (
            line["decisions"] == "own",
            ORDER.index(str(line["method"]).split()[0].rstrip(",")),
            line["method"],
        )
    )
    return pd.DataFrame([*lines, front]).fillna("")


NOTE = f"""Test rows of the splits of fairness_tables.py, mean (standard deviation) over splits. ARE
and ARFG are held against the baseline of that table: single-task networks, mean of 5 seeds, that
decide at the quantile of the training positive rate. Models here learn from all training rows, the
networks of that table from four fifths.

"own": the method's own decisions, at 0.5 or at random thresholds. "quantile": as many positive
decisions on test rows as the share of positive labels in training says; the score of
ExponentiatedGradient is then the mean probability of its mixture, which is not what its constraint
is on. A cut at 0.5 is made for a small error, the quantile is not: hold own decisions against the
vanilla network's own. "positive": share predicted positive, of the share of positive labels.

\\* needs the sensitive feature of everybody at prediction, and decides at random within some
scores. It has no score beside its decisions. † an empty gap: fewer positive decisions than a tenth
of the positive labels, so that there is hardly anything to differ. ARFG leaves it out. On lsac the
baseline's gap of passed_bar is what chance gives: read the gap of grades_above_average instead of
ARFG.

Hypervolume up to (ARE, ARFG) = {REFERENCE}, larger is better; of a single model it is a rectangle.
The last line takes all models with quantile decisions, thresholds by group excepted, as runs of one
method: the reported point is the one on their front with ARE nearest the middle of all.

ExponentiatedGradient: logistic regression on one-hot inputs, false positive rates of a group at
most the given bound from the overall one in training. ThresholdOptimizer: false positive rate
parity on the probabilities of the vanilla network, fitted on the same training rows. Adversarial:
AdversarialFairnessClassifier with PyTorch, constraint and weight of the adversary; there is no
constraint on false positives alone. With equalized odds and fairlearn's default weight of 1 it does
not learn the income task of adult, whatever the split. LogisticRegression is what the reduction
starts from, without a constraint: hold its errors against these. Seconds are processor seconds of
one thread for both tasks, on a machine with other work: orders of magnitude."""


def write(rows: pd.DataFrame, out: Path | None, options: argparse.Namespace) -> None:
    """Print the tables, and write them."""
    text = f"# fairlearn on the data of the MTA-F paper\n\n{NOTE}\n"
    for name in dict.fromkeys(rows["data"]):
        text += f"\n## {name}\n\n{markdown(table_of(name, rows, options))}\n"
    text += f"\n{versions(np, sklearn, torch, fairlearn, skmtl)}.\n"
    print(text)
    if out is not None:
        (out / "fairness_rivals.md").write_text(text)


def main() -> None:
    """Fit what is missing and report."""
    known = parser(__doc__ or "")
    known.add_argument("--sets", nargs="+", default=["german", "lsac", "adult"])
    known.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    known.add_argument(
        "--cache",
        type=Path,
        default=Path("fairness-runs"),
        help="folder of fairness_tables.py, for its baselines",
    )
    known.add_argument("--report-only", action="store_true")
    options = parse(known)
    if options.quick:
        options.sets, options.splits = ["generated"], [0, 1]
    torch.set_num_threads(1)
    out = options.out or (None if options.quick else RESULTS)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    path = None if out is None else out / "fairness_rivals.csv"
    rows = (
        pd.read_csv(path)
        if path is not None and path.exists()
        else pd.DataFrame(columns=["data", "split", "method"])
    )
    for split in [] if options.report_only else options.splits:
        for name in options.sets:
            done = set(rows.loc[(rows["data"] == name) & (rows["split"] == split), "method"])
            for new in rows_of(name, split, done, options):
                fresh = pd.DataFrame([row for row in new if row["method"] not in done])
                rows = pd.concat([rows, fresh], ignore_index=True) if len(rows) else fresh
                if path is not None:
                    rows.to_csv(path, index=False)
                print(
                    f"{name} split {split}: {new[0]['method']}, {new[0]['seconds']:.1f} s",
                    flush=True,
                )
    write(rows, out, options)


if __name__ == "__main__":
    main()
