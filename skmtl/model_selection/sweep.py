"""Many networks that differ in the weights of tasks and penalties, for the frontier between error
and unfairness.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from joblib import Memory, effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_memory

from skmtl.data import check_fraction
from skmtl.estimators import MultiTaskClassifier, fit_together, probabilities_together
from skmtl.metrics import average_relative_error, average_relative_fairness_gap, pareto_mask
from skmtl.model_selection.sweep_rows import Judge, SweepRows, read_rows
from skmtl.model_selection.thresholds import check_threshold
from skmtl.support import Stage, progress_bar

# Runs that are trained, and kept, at once; seeds of the baseline.
_AT_ONCE, _BASELINE_SEEDS = 100, 5
_LARGEST_SEED = np.iinfo(np.int32).max


def fairness_sweep(
    estimator: Any,
    X: Any,
    Y: Any,
    *,
    sensitive_features: Any,
    X_test: Any,
    Y_test: Any,
    sensitive_features_test: Any,
    n_runs: int = 1000,
    weight: Any = (0, 5),
    task_weight: Any = (0, 1),
    head_ratio: Any = None,
    validation_fraction: float = 0.2,
    threshold: float | str = "quantile",
    rate: str | None = None,
    baseline: Mapping[str, float] | None = None,
    n_jobs: int | None = None,
    memory: str | Memory | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> pd.DataFrame:
    r"""Train many networks with random weights, as fleets, and judge all of them.

    Every run draws a weight of the fairness penalty for each task, the weights of the tasks in the
    loss, and the network's seed, and is trained on the rows that are left when the validation rows
    are held out. Runs that no other run beats in error and in fairness are the frontier between the
    two. Choose a run by its figures on the validation rows: the best of a thousand runs on test
    rows owes much to luck.

    Parameters
    ----------
    estimator : MultiTaskClassifier or Pipeline that ends in one
        Settings of all runs, wide form. Its ``fairness`` is the term whose weights are drawn; None
        = no term, tasks' weights alone are drawn.
    X : array-like of shape (n, p)
        Inputs.
    Y : array-like of shape (n,) or (n, T)
        Labels, two classes a task, NaN where unknown. The larger class is the positive one.
    sensitive_features : array-like of shape (n,) or (n, q), str or list of str
        Groups, as in ``fit`` of the estimator.
    X_test : array-like of shape (m, p)
        Inputs of the rows to judge the runs on.
    Y_test : array-like of shape (m,) or (m, T)
        Their labels.
    sensitive_features_test : array-like of shape (m,) or (m, q), str or list of str
        Their groups.
    n_runs : int, default=1000
        Number of runs.
    weight : (low, high) or array-like of shape (T, 2), default=(0, 5)
        Range of the penalties' weights, drawn uniformly and independently.
    task_weight : (low, high) or None, default=(0, 1)
        Range of the tasks' weights: they are drawn uniformly among those that sum to 1 and lie in
        the range. None = the estimator's own.
    head_ratio : (low, high), array-like of shape (T, 2) or None, default=None
        Range of the ``head_ratio`` of :class:`skmtl.fairness.MTAF`. None = the term's own.
    validation_fraction : float, default=0.2
        Share of the rows that are held out for validation, by combinations of labels and groups.
    threshold : "quantile", "validation" or float, default="quantile"
        Probability from which a row is taken for positive. "quantile": such that the share of
        positive decisions on the judged rows is that of positive labels in training; a rare class,
        which is never predicted at 0.5 and then has an empty gap of 0, is judged as well.
        "validation": where the error on the validation rows is least.
    rate : {"fpr", "tpr", "equalized_odds"}, default=None
        Rate whose gap is measured. None = that of the fairness term's criterion, "fpr" where tasks
        have several or there is no term.
    baseline : mapping of str to float, default=None
        Entries ``error_<task>`` and ``gap_<task>`` that errors and gaps are held against, and the
        same with the prefix ``val_`` for validation rows (else those of the test rows). None =
        single-task networks of the same settings without a fairness term, mean of 5 seeds.
    n_jobs : int or None, default=None
        Most processes that fleets are spread over. None = as many as torch may use threads.
    memory : str, joblib.Memory or None, default=None
        Where finished parts, of 100 runs, are kept: a call that is repeated goes on where the last
        one ended.
    random_state : int, RandomState or None, default=None
        Source of the draws and of the validation rows.
    verbose : int, default=0
        1 prints a line at the end, and shows a progress bar in a terminal if rich is installed.

    Returns
    -------
    DataFrame with n_runs rows
        ``weight_<task>`` (and ``head_ratio_<task>``), ``task_weight_<task>`` and ``seed`` of every
        run. On test rows ``error_<task>``, ``gap_<task>``, their means relative to the baseline
        ``are`` and ``arfg``, and ``pareto``: no other run is at least as good in both and better in
        one. The same on validation rows with the prefix ``val_``. ``attrs["baseline"]`` holds the
        baseline.

    Raises
    ------
    TypeError
        If the estimator is not a MultiTaskClassifier or a Pipeline that ends in one.
    ValueError
        If it is in long form, labels are not binary, shapes differ, a range is impossible, or every
        fit fails.

    Warns
    -----
    FitFailedWarning
        Says how many fits failed and why; their rows are NaN.
    UndefinedMetricWarning
        Names tasks whose baseline is zero: their ratio is left out of the mean.

    Notes
    -----
    With two tasks and the default ranges this is the search of [1]_, section 6.3, which draws
    20,000 runs. There test rows serve as validation rows, too. Errors and gaps at one threshold are
    rates of decisions: a run's gap is at least what chance makes of it, see
    :func:`skmtl.metrics.chance_gap`.

    References
    ----------
    .. [1] Wang et al., "Understanding and improving fairness-accuracy trade-offs in multi-task
       learning", KDD 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.fairness import MTAF
    >>> from skmtl.model_selection import fairness_sweep
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(0, 2, 600)
    >>> X = rng.normal(size=(600, 3)) + group[:, None]
    >>> Y = (X[:, :2] + rng.normal(size=(600, 2)) > 0.5).astype(int)
    >>> network = MultiTaskClassifier(
    ...     (8,), fairness=MTAF("gap"), n_members=1, max_iter=10, early_stopping=False
    ... )
    >>> runs = fairness_sweep(
    ...     network,
    ...     X[:400],
    ...     Y[:400],
    ...     sensitive_features=group[:400],
    ...     X_test=X[400:],
    ...     Y_test=Y[400:],
    ...     sensitive_features_test=group[400:],
    ...     n_runs=20,
    ...     random_state=0,
    ... )
    >>> runs.shape, sorted(runs.attrs["baseline"])[:2]
    ((20, 19), ['error_0', 'error_1'])
    >>> chosen = runs[runs["val_are"] <= 1.1].sort_values("val_arfg").iloc[0]
    >>> bool(chosen["arfg"] < 1)
    True
    """
    network = clone(_network(estimator))
    check_threshold(threshold)
    check_fraction(validation_fraction, "validation_fraction")
    if isinstance(n_runs, bool) or not isinstance(n_runs, Integral) or n_runs < 1:
        raise ValueError(f"n_runs must be an int >= 1. Got {n_runs!r}.")
    drop = not isinstance(estimator, Pipeline) and not network.sensitive_as_input
    rows, names, classes = read_rows(X, Y, sensitive_features, None, "Y", drop=drop)
    test, _, _ = read_rows(
        X_test, Y_test, sensitive_features_test, classes, "Y_test", drop=drop, task_names=names
    )
    rng = check_random_state(random_state)
    split_seed, baseline_seed = rng.randint(_LARGEST_SEED, size=2).tolist()
    runs = _draw(network, names, int(n_runs), weight, task_weight, head_ratio, rng)
    train, held = rows.split(validation_fraction, split_seed)
    if isinstance(estimator, Pipeline):
        train, held, test = _before(estimator, train, held, test)
    rate = _rate(network) if rate is None else rate
    measure = check_memory(memory).cache(_measure, ignore=["n_jobs"])
    arguments = {"threshold": threshold, "rate": rate, "n_jobs": n_jobs}
    with progress_bar() if verbose else nullcontext():
        stage = Stage("Runs of the sweep", int(n_runs), int(verbose))
        parts = []
        for start in range(0, int(n_runs), _AT_ONCE):
            part = runs.iloc[start : start + _AT_ONCE]
            parts.append(measure(network, part, names, train, held, test, **arguments))
            stage.advance(len(part))
        if baseline is None:
            baseline = _single_task(
                measure, network, names, (train, held, test), baseline_seed, arguments
            )
    table = pd.concat([runs, pd.concat(parts, ignore_index=True)], axis=1)
    if table[f"error_{names[0]}"].isna().all():
        raise ValueError("Every fit of the sweep failed; the warnings above say why.")
    return _with_ratios(table, names, _checked(baseline, names))


# ---------------------------------------------------------------------- what is trained
def _network(estimator: Any) -> MultiTaskClassifier:
    network = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(network, MultiTaskClassifier):
        raise TypeError(
            "fairness_sweep needs a MultiTaskClassifier or a Pipeline that ends in one. Got "
            f"{estimator!r}."
        )
    if network.task_column is not None:
        raise ValueError(
            "fairness_sweep needs labels in wide form, one column a task. Got "
            f"task_column={network.task_column!r}."
        )
    return network


def _rate(network: MultiTaskClassifier) -> str:
    criterion = getattr(network.fairness, "criterion", "fpr")
    return criterion if isinstance(criterion, str) else "fpr"


def _draw(
    network: Any,
    names: list[str],
    n_runs: int,
    weight: Any,
    task_weight: Any,
    head_ratio: Any,
    rng: np.random.RandomState,
) -> pd.DataFrame:
    """Draw the settings of all runs."""
    drawn: dict[str, NDArray[np.generic]] = {}
    n_tasks, has_term = len(names), network.fairness is not None
    for parameter, given in (("weight", weight), ("head_ratio", head_ratio if has_term else None)):
        if given is not None:
            low, high = _range(given, parameter, n_tasks)
            values = (
                rng.uniform(low, high, size=(n_runs, n_tasks))
                if has_term
                else np.zeros((n_runs, n_tasks))
            )
            drawn |= {f"{parameter}_{name}": values[:, t] for t, name in enumerate(names)}
    if task_weight is not None:
        shares = _shares(task_weight, n_runs, n_tasks, rng)
        drawn |= {f"task_weight_{name}": shares[:, t] for t, name in enumerate(names)}
    return pd.DataFrame(drawn | {"seed": rng.randint(_LARGEST_SEED, size=n_runs)})


def _range(
    given: Any, parameter: str, n_tasks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.asarray(given, dtype=float)
    if (
        values.shape not in ((2,), (n_tasks, 2))
        or not np.isfinite(values).all()
        or (values < 0).any()
        or (values[..., 0] > values[..., 1]).any()
    ):
        raise ValueError(
            f"{parameter} must be a pair low <= high of numbers >= 0, or {n_tasks} such pairs, one "
            f"a task. Got {given!r}."
        )
    low, high = np.broadcast_to(values, (n_tasks, 2)).T
    return low, high


def _shares(
    given: Any, n_runs: int, n_tasks: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Draw weights that sum to 1, (runs, T), uniformly among those within the range, one after
    another: a coordinate given the others left.
    """
    low, high = (float(limits[0]) for limits in _range(given, "task_weight", 1))
    if not n_tasks * low <= 1 <= n_tasks * high:
        raise ValueError(
            f"task_weight must allow {n_tasks} weights that sum to 1: low <= {1 / n_tasks:.3g} <= "
            f"high. Got {given!r}."
        )
    found = np.empty((0, n_tasks))
    for _ in range(1000):
        drawn = low + (1 - n_tasks * low) * rng.dirichlet(np.ones(n_tasks), size=max(n_runs, 1000))
        found = np.vstack([found, drawn[(drawn <= high + 1e-12).all(axis=1)]])
        if len(found) >= n_runs:
            return found[:n_runs]
    raise ValueError(
        f"task_weight={given!r} leaves hardly any weights of {n_tasks} tasks that sum to 1. Widen "
        "the range."
    )


def _before(pipeline: Pipeline, train: SweepRows, *others: SweepRows) -> list[SweepRows]:
    """Fit the steps before the network on the training rows and apply them."""
    steps = clone(pipeline[:-1])
    inputs = [steps.fit_transform(train.X, train.Y), *(steps.transform(rows.X) for rows in others)]
    return [
        SweepRows(X, rows.Y, rows.coded, rows.sensitive)
        for X, rows in zip(inputs, (train, *others), strict=True)
    ]


def _measure(
    network: MultiTaskClassifier,
    runs: pd.DataFrame,
    names: list[str],
    train: SweepRows,
    held: SweepRows,
    test: SweepRows,
    *,
    threshold: float | str,
    rate: str,
    n_jobs: int | None,
) -> pd.DataFrame:
    """Train some runs and return their errors and gaps on test and validation rows."""
    networks = [_with(network, run, names) for run in runs.to_dict("records")]
    n_workers = None if n_jobs is None else effective_n_jobs(n_jobs)
    outcomes = fit_together(
        networks,
        [(train.X, train.Y, {"sensitive_features": train.sensitive})] * len(networks),
        n_workers=n_workers,
    )
    shares = np.nanmean(train.coded, axis=0)
    table = np.full((len(runs), 4 * len(names)), np.nan)
    fitted = [k for k, outcome in enumerate(outcomes) if outcome.error is None]
    judges = [Judge(rows, rate) for rows in (test, held)]
    probabilities = [
        probabilities_together([networks[k] for k in fitted], rows.X) for rows in (test, held)
    ]
    for k, *both in zip(fitted, *probabilities, strict=True):
        positive = [np.column_stack([task[:, -1] for task in own]) for own in both]
        chosen = (
            judges[1].thresholds(threshold, positive[1], shares)
            if threshold == "validation"
            else None
        )
        cuts = [
            judge.thresholds(threshold, own, shares) if chosen is None else chosen
            for judge, own in zip(judges, positive, strict=True)
        ]
        table[k] = np.concatenate(
            [judge(own >= cut) for judge, own, cut in zip(judges, positive, cuts, strict=True)]
        )
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(runs)} fits failed, their rows are NaN: "
            f"{type(failed[0]).__name__}: {failed[0]}",
            FitFailedWarning,
            stacklevel=3,
        )
    return pd.DataFrame(
        table,
        columns=[
            f"{prefix}{what}_{name}"
            for prefix in ("", "val_")
            for what in ("error", "gap")
            for name in names
        ],
    )


def _with(
    network: MultiTaskClassifier, run: Mapping[Any, Any], names: list[str]
) -> MultiTaskClassifier:
    """Return a network, which has not been fitted, with the settings of a run."""
    one = copy.copy(network)
    one.random_state = int(run["seed"])
    if one.fairness is not None:
        one.fairness = copy.copy(one.fairness)
        for parameter in ("weight", "head_ratio"):
            if f"{parameter}_{names[0]}" in run:
                setattr(
                    one.fairness, parameter, [float(run[f"{parameter}_{name}"]) for name in names]
                )
    if f"task_weight_{names[0]}" in run:
        one.task_weights = [float(run[f"task_weight_{name}"]) for name in names]
    return one


# ---------------------------------------------------------------------- what runs are held against
def _single_task(
    measure: Any,
    network: Any,
    names: list[str],
    rows: tuple[SweepRows, ...],
    seed: int,
    arguments: dict[str, Any],
) -> dict[str, float]:
    """Return the mean errors and gaps of single-task networks."""
    plain = clone(network).set_params(fairness=None, task_weights=None)
    seeds = pd.DataFrame(
        {"seed": np.random.RandomState(seed).randint(_LARGEST_SEED, size=_BASELINE_SEEDS)}
    )
    found: dict[str, float] = {}
    for t, name in enumerate(names):
        own = measure(plain, seeds, [name], *(part.of_task(t) for part in rows), **arguments)
        found |= {str(column): float(value) for column, value in own.mean().items()}
    return found


def _checked(baseline: Mapping[str, float], names: list[str]) -> dict[str, float]:
    known = {str(key): float(value) for key, value in dict(baseline).items()}
    for what in ("error", "gap"):
        for name in names:
            value = known.get(f"{what}_{name}")
            if value is None or not isinstance(value, Real) or value < 0:
                raise ValueError(
                    f"baseline must have a number >= 0 for '{what}_{name}'. Got {value!r}."
                )
            known.setdefault(f"val_{what}_{name}", value)
    return known


def _with_ratios(table: pd.DataFrame, names: list[str], baseline: dict[str, float]) -> pd.DataFrame:
    """Add ratios to the baseline and the frontiers."""
    for prefix in ("", "val_"):
        for ratio, mean_of, what in (
            ("are", average_relative_error, "error"),
            ("arfg", average_relative_fairness_gap, "gap"),
        ):
            columns = [f"{prefix}{what}_{name}" for name in names]
            table[f"{prefix}{ratio}"] = mean_of(
                table[columns].set_axis(names, axis=1),
                pd.Series({name: baseline[f"{prefix}{what}_{name}"] for name in names}),
            )
        points = table[[f"{prefix}are", f"{prefix}arfg"]].to_numpy()
        finite = np.isfinite(points).all(axis=1)
        front = np.zeros(len(table), dtype=bool)
        front[finite] = pareto_mask(points[finite])
        table[f"{prefix}pareto"] = front
    table.attrs["baseline"] = baseline
    return table
