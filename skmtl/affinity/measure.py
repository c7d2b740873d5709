"""Measuring gains: a fleet of two-task networks against a fleet of one-task networks."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import Memory
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.metrics import log_loss, mean_squared_error, zero_one_loss
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from skmtl.affinity.gains import PairwiseGains
from skmtl.data import TaskSet, check_fraction, task_name
from skmtl.estimators import MultiTaskClassifier, MultiTaskRegressor, measure_groups
from skmtl.support import Stage

Group = tuple[str, ...]


def collect_pairwise_gains(
    tasks: TaskSet,
    estimator: BaseEstimator,
    *,
    pairs: str | float | Any = "all",
    test_size: float = 0.3,
    n_repeats: int = 1,
    n_jobs: int | None = None,
    memory: str | Memory | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> PairwiseGains:
    r"""Measure how much tasks win by training in pairs.

    Every repeat splits the rows of every task into training and test part and trains each task
    alone and each pair together: same initial trunk, same order of rows, same validation rows
    within the training part, so that a difference in test loss is due to the partner. In a pair the
    smaller task is repeated, after the split, until both are equally large. What is measured for a
    pair depends on neither the other pairs nor ``n_jobs``.

    Parameters
    ----------
    tasks : TaskSet
        Tasks, at least two.
    estimator : MultiTaskRegressor, MultiTaskClassifier or any scikit-learn estimator
        The first two are trained as one fleet. Any other is cloned and fitted on the stacked rows
        of the group, in a joblib loop; its loss is the mean squared error, the log loss, or without
        ``predict_proba`` the error rate.
    pairs : "all", float or array-like of shape (m, 2), default="all"
        All ordered pairs; a fraction in (0, 1] of the unordered pairs, drawn at random, both
        directions; or names, target then source.
    test_size : float, default=0.3
        Fraction of every task's rows that losses are taken on.
    n_repeats : int, default=1
        Measurements with fresh splits and seeds that are averaged. One measurement of a gain
        predicts another only weakly: look at ``reliability``.
    n_jobs : int or None, default=None
        Most processes that a large fleet is spread over, or joblib workers for other estimators.
        None = as many as torch may use threads, or one worker.
    memory : str, joblib.Memory or None, default=None
        Where finished repeats are kept; a repeated call recomputes nothing.
    random_state : int, RandomState or None, default=None
        Seed of pairs, splits and networks.
    verbose : int, default=0
        1 prints a line a repeat.

    Returns
    -------
    PairwiseGains
        Table, matrix and reliability of the gains.

    Raises
    ------
    TypeError
        If ``tasks`` is not a TaskSet.
    ValueError
        If there are fewer than two tasks, a pair is unknown, doubled or of one task with itself, a
        number is out of range, or the kind of the estimator is not that of the tasks.

    Warns
    -----
    UserWarning
        Names tasks with fewer than 10 rows, whose gains are mostly noise, and tasks whose gain is
        undefined.

    References
    ----------
    .. [1] "Identification of task affinity for multi-task learning based on divergence of task
       data", ICLR 2026 submission, eq. (3) and appendix A.1. There rows are repeated before the
       validation part is split off, so copies leak into it; here they are repeated after.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import collect_pairwise_gains
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> gains = collect_pairwise_gains(
    ...     tasks, MultiTaskRegressor(max_iter=20), pairs=0.5, n_repeats=2, random_state=0
    ... )
    >>> gains.table.columns.tolist()
    ['target', 'source', 'gain', 'gain_se', 'stl_loss', 'mtl_loss', 'n_repeats']
    >>> gains.values.shape, gains.matrix.shape
    ((6,), (4, 4))
    """
    _check(tasks, estimator, n_repeats, n_jobs)
    check_fraction(test_size, "test_size")
    rng = check_random_state(random_state)
    ordered = resolve_pairs(
        tasks, pairs, np.random.RandomState(rng.randint(np.iinfo(np.int32).max))
    )
    seeds = rng.randint(np.iinfo(np.int32).max, size=n_repeats).tolist()
    order_of = {name: k for k, name in enumerate(tasks.names)}
    together: list[Group] = list(dict.fromkeys(_in_order(pair, order_of) for pair in ordered))
    involved = sorted({name for pair in together for name in pair}, key=order_of.__getitem__)
    groups = [(name,) for name in involved] + together
    measure = check_memory(memory).cache(_measure_repeat, ignore=["n_jobs", "stage"])
    losses: list[dict[Group, tuple[float, ...]]] = []
    for repeat, seed in enumerate(seeds):
        stage = Stage(f"Gains of pairs, repeat {repeat + 1} of {n_repeats}", len(groups), verbose)
        outcome = measure(
            tasks, clone(estimator), groups, test_size, seed, n_jobs=n_jobs, stage=stage
        )
        if untold := len(groups) - stage.done:
            stage.advance(untold)
        losses.append(dict(zip(groups, outcome, strict=True)))
    pair_of = {
        (a, b): (group, position)
        for group in together
        for position, (a, b) in enumerate((group, group[::-1]))
    }
    single = np.array([[repeat[(target,)][0] for repeat in losses] for target, _ in ordered])
    shared = np.array(
        [
            [repeat[pair_of[target, source][0]][pair_of[target, source][1]] for repeat in losses]
            for target, source in ordered
        ]
    )
    gains = PairwiseGains(list(tasks.names), ordered, single, shared)
    _warn_of_weak_tasks(tasks, gains)
    return gains


def resolve_pairs(tasks: TaskSet, pairs: Any, rng: np.random.RandomState) -> NDArray[np.object_]:
    """Return the ordered pairs that "all", a fraction or an array of names stand for, (m, 2)."""
    unordered = list(itertools.combinations(tasks.names, 2))
    if isinstance(pairs, str):
        if pairs != "all":
            raise ValueError(
                "pairs must be 'all', a fraction in (0, 1] or an array of names of shape (m, 2). "
                f"Got {pairs!r}."
            )
        return tasks.pairs()
    if np.ndim(pairs) == 0:
        if isinstance(pairs, bool) or not isinstance(pairs, Real) or not 0 < float(pairs) <= 1:
            raise ValueError(
                "pairs must be 'all', a fraction in (0, 1] or an array of names of shape (m, 2). "
                f"Got {pairs!r}."
            )
        n_drawn = max(1, round(float(pairs) * len(unordered)))
        drawn = [unordered[i] for i in np.sort(rng.permutation(len(unordered))[:n_drawn])]
        return np.array(
            [direction for pair in drawn for direction in (pair, pair[::-1])], dtype=object
        )
    given = np.asarray(pairs, dtype=object)
    if given.ndim != 2 or given.shape[1] != 2 or len(given) == 0:
        raise ValueError(
            f"pairs must have shape (m, 2): target, then source. Got shape {given.shape}."
        )
    named = [(task_name(target, "pairs"), task_name(source, "pairs")) for target, source in given]
    for target, source in named:
        for name in (target, source):
            if name not in tasks:
                raise ValueError(f"pairs names the task {name!r}, which is not in tasks.")
        if target == source:
            raise ValueError(f"pairs holds task {target!r} with itself.")
    if len(set(named)) < len(named):
        raise ValueError(f"pairs holds {max(named, key=named.count)} twice.")
    return np.array(named, dtype=object)


def _measure_repeat(
    tasks: TaskSet,
    estimator: BaseEstimator,
    groups: list[Group],
    test_size: float,
    seed: int,
    n_jobs: int | None = None,
    stage: Stage | None = None,
) -> list[tuple[float, ...]]:
    """Test losses of every group's tasks after one split."""
    train, test = tasks.train_test_split(test_size, seed)
    if isinstance(estimator, (MultiTaskRegressor, MultiTaskClassifier)):
        progress = None if stage is None else stage.advance
        return [
            outcome.losses
            for outcome in measure_groups(
                estimator, train, test, groups, seed=seed, n_workers=n_jobs, progress=progress
            )
        ]
    results: list[tuple[float, ...]] = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(estimator, train, test, group, seed) for group in groups
    )
    return results


def _fit_and_score(
    estimator: Any, train: TaskSet, test: TaskSet, group: Group, seed: int
) -> tuple[float, ...]:
    """Fit any scikit-learn estimator on the stacked rows of a group."""
    fitted = clone(estimator)
    if "random_state" in fitted.get_params() and fitted.get_params()["random_state"] is None:
        fitted.set_params(random_state=seed)
    X, y, _ = train.subset(group).to_long()
    try:
        fitted.fit(X, y)
    except ValueError:
        if not is_classifier(fitted) or len(np.unique(y)) > 1:
            raise
        return (np.nan,) * len(group)  # many classifiers refuse a single class
    return tuple(_loss(fitted, test[name].X, test[name].y) for name in group)


def _loss(fitted: Any, X: Any, y: NDArray) -> float:
    if not is_classifier(fitted):
        return float(mean_squared_error(y, fitted.predict(X)))
    if (
        not hasattr(fitted, "predict_proba")
        or not np.isin(y, fitted.classes_).all()
        or len(fitted.classes_) < 2
    ):
        return float(zero_one_loss(y, fitted.predict(X)))
    return float(log_loss(y, fitted.predict_proba(X), labels=fitted.classes_))


def _in_order(pair: Sequence[str], order_of: Mapping[str, int]) -> Group:
    first, second = sorted(pair, key=order_of.__getitem__)
    return first, second


def _check(tasks: Any, estimator: Any, n_repeats: Any, n_jobs: Any) -> None:
    if not isinstance(tasks, TaskSet):
        raise TypeError(f"tasks must be a TaskSet. Got {type(tasks).__name__}.")
    if len(tasks) < 2:
        raise ValueError(f"collect_pairwise_gains needs at least 2 tasks. Got {len(tasks)}.")
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            "estimator must be a MultiTaskRegressor, a MultiTaskClassifier or another "
            f"scikit-learn estimator, not fitted. Got {estimator!r}."
        )
    if isinstance(n_repeats, bool) or not isinstance(n_repeats, Integral) or n_repeats < 1:
        raise ValueError(f"n_repeats must be an int >= 1. Got {n_repeats!r}.")
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise ValueError(f"n_jobs must be None or an int other than 0. Got {n_jobs!r}.")
    if is_classifier(estimator) != (tasks.kind == "classification"):
        raise ValueError(
            f"The tasks are of kind {tasks.kind!r}, but the estimator is a "
            f"{type(estimator).__name__}."
        )


def _warn_of_weak_tasks(tasks: TaskSet, gains: PairwiseGains) -> None:
    small = [name for name, size in zip(tasks.names, tasks.sizes, strict=True) if size < 10]
    if small:
        warnings.warn(
            "Gains of tasks with fewer than 10 rows to measure on are mostly noise: "
            f"{', '.join(small)}.",
            UserWarning,
            stacklevel=3,
        )
    undefined = sorted({str(target) for target in gains.pairs[~np.isfinite(gains.values), 0]})
    if undefined:
        warnings.warn(
            "The gain is NaN where the single-task test loss is zero or not finite: target "
            f"{', '.join(undefined)}.",
            UserWarning,
            stacklevel=3,
        )
