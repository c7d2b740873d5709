"""Measurement of gains: test losses of two-task networks compared with single-task networks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.metrics import log_loss, mean_squared_error, zero_one_loss
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.kept_results import KeptNumbers
from skmtl.affinity.pair_sample import resolve_pairs
from skmtl.affinity.shown_names import listed
from skmtl.data import TaskSet, check_fraction
from skmtl.estimators import MultiTaskClassifier, MultiTaskRegressor, measure_groups
from skmtl.support import Stage, warn_of_seedless_memory

Group = tuple[str, ...]

# Maximum number of parts per repeat that are cached separately; minimum number of groups per part.
_PARTS, _SMALLEST_PART = 8, 32


def collect_pairwise_gains(
    tasks: TaskSet,
    estimator: BaseEstimator,
    *,
    pairs: str | float | Any = "all",
    test_size: float = 0.3,
    n_repeats: int = 1,
    n_jobs: int | None = None,
    memory: str | os.PathLike[str] | Memory | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> PairwiseGains:
    r"""Measure the gains of task pairs: the reduction of a task's test loss by a second task.

    Each repeat splits the rows of each task into training and test rows and trains a network per
    task and a network per pair. All start from the same initial trunk and use the same order of
    rows and the same validation rows, so that a difference in test loss is due to the source task.
    In a pair, the rows of the smaller task are repeated, after the split, until both tasks are
    equally large. The gain of a pair depends neither on the other pairs nor on ``n_jobs``.

    Parameters
    ----------
    tasks : TaskSet
        At least two tasks.
    estimator : MultiTaskRegressor, MultiTaskClassifier or any scikit-learn estimator
        The first two are trained in one batch of networks. Any other estimator is cloned and fitted
        to the stacked rows of the tasks, in a joblib loop. Its loss is the mean squared error, the
        log loss, or the error rate if it has no ``predict_proba``.
    pairs : "all", float or array-like of shape (m, 2), default="all"
        All ordered pairs; a fraction in (0, 1] of the unordered pairs, drawn at random, with both
        directions; or task names, target then source.
    test_size : float, default=0.3
        Fraction of each task's rows on which losses are computed.
    n_repeats : int, default=1
        Number of measurements with new splits and seeds, which are averaged. A single measurement
        is noisy: see ``reliability``.
    n_jobs : int or None, default=None
        Maximum number of processes, or joblib workers for other estimators. None = the number of
        threads that torch may use, or one worker.
    memory : path, joblib.Memory or None, default=None
        Cache of finished measurements, with checksums. A repeated call computes nothing again, and
        an interrupted call continues after the last finished part of a repeat (an eighth, or 32
        networks).
    random_state : int, RandomState or None, default=None
        Seed of pairs, splits and networks.
    verbose : int, default=0
        1 prints a line per repeat.

    Returns
    -------
    PairwiseGains
        Table, matrix and reliability of the gains.

    Raises
    ------
    TypeError
        If ``tasks`` is not a TaskSet.
    ValueError
        If there are fewer than two tasks, if a pair is unknown, repeated or contains the same task
        twice, if a number is out of range, if the kind of the estimator differs from that of the
        tasks, or if it has a fairness term.

    Warns
    -----
    UserWarning
        If tasks have fewer than 10 rows, so that their gains are mostly noise, or if gains are
        undefined because the single-task loss is zero or the task has only one class.

    Notes
    -----
    The definition is that of [1]_. There, rows are repeated before validation rows are split off,
    so that copies leak into the validation rows; here, they are repeated after the split.

    References
    ----------
    .. [1] "Identification of task affinity for multi-task learning based on divergence of task
       data", ICLR 2026 submission, eq. (3) and appendix A.1.

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
    warn_of_seedless_memory(memory, random_state)
    rng = check_random_state(random_state)
    ordered = resolve_pairs(
        tasks, pairs, np.random.RandomState(rng.randint(np.iinfo(np.int32).max))
    )
    seeds = rng.randint(np.iinfo(np.int32).max, size=n_repeats).tolist()
    order_of = {name: k for k, name in enumerate(tasks.names)}
    together: list[Group] = list(dict.fromkeys(_in_order(pair, order_of) for pair in ordered))
    involved = sorted({name for pair in together for name in pair}, key=order_of.__getitem__)
    groups = [(name,) for name in involved] + together
    measure = KeptNumbers(_measure_repeat, memory, ignore=["n_jobs", "stage"])
    losses: list[dict[Group, NDArray[np.float64]]] = []
    for repeat, seed in enumerate(seeds):
        stage = Stage(f"Gains of pairs, repeat {repeat + 1} of {n_repeats}", len(groups), verbose)
        losses.append({})
        for part in _parts(groups) if measure.keeps else [groups]:
            done = stage.done
            outcome = measure(
                tasks, clone(estimator), part, test_size, seed, n_jobs=n_jobs, stage=stage
            )
            if untold := done + len(part) - stage.done:
                stage.advance(untold)
            ends = np.cumsum([len(group) for group in part])[:-1]
            losses[-1].update(zip(part, np.split(outcome, ends), strict=True))
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


def _parts(groups: list[Group]) -> list[list[Group]]:
    """Split groups into parts that are cached separately, so that interruptions lose little."""
    size = max(_SMALLEST_PART, -(-len(groups) // _PARTS))
    return [groups[start : start + size] for start in range(0, len(groups), size)]


def _measure_repeat(
    tasks: TaskSet,
    estimator: BaseEstimator,
    groups: list[Group],
    test_size: float,
    seed: int,
    n_jobs: int | None = None,
    stage: Stage | None = None,
) -> NDArray[np.float64]:
    """Return the test losses of each group's tasks on one split, concatenated over groups."""
    train, test = tasks.train_test_split(test_size, seed)
    if isinstance(estimator, (MultiTaskRegressor, MultiTaskClassifier)):
        progress = None if stage is None else stage.advance
        outcomes = measure_groups(
            estimator, train, test, groups, seed=seed, n_workers=n_jobs, progress=progress
        )
        return np.array([loss for outcome in outcomes for loss in outcome.losses])
    fitted = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_score)(estimator, train, test, group, seed) for group in groups
    )
    return np.array([loss for losses in fitted for loss in losses])


def _fit_and_score(
    estimator: BaseEstimator, train: TaskSet, test: TaskSet, group: Group, seed: int
) -> tuple[float, ...]:
    """Fit a scikit-learn estimator to the stacked rows of a group; NaN if there is one class."""
    fitted = clone(estimator)
    if "random_state" in fitted.get_params() and fitted.get_params()["random_state"] is None:
        fitted.set_params(random_state=seed)
    X, y, _ = train.subset(group).to_long()
    try:
        fitted.fit(X, y)
    except ValueError as error:
        if is_classifier(estimator) and len(np.unique(y)) < 2:
            return (np.nan,) * len(group)
        tasks = f"task {group[0]!r}" if len(group) == 1 else f"tasks {group[0]!r} and {group[1]!r}"
        raise ValueError(
            f"{type(estimator).__name__} cannot be fitted to {tasks}: {error}"
        ) from error
    return tuple(_loss(fitted, test[name].X, test[name].y) for name in group)


def _loss(fitted: BaseEstimator, X: ArrayLike, y: NDArray) -> float:
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
    check_no_fairness_term(estimator, "collect_pairwise_gains")


def check_no_fairness_term(estimator: object, where: str) -> None:
    """Raise if the estimator has a fairness term, which networks here would ignore."""
    if isinstance(estimator, MultiTaskClassifier) and estimator.fairness is not None:
        raise ValueError(
            f"{where} trains without sensitive features and would ignore "
            f"fairness={estimator.fairness!r}. Set fairness=None to measure gains of the loss."
        )


def _warn_of_weak_tasks(tasks: TaskSet, gains: PairwiseGains) -> None:
    small = [name for name, size in zip(tasks.names, tasks.sizes, strict=True) if size < 10]
    if small:
        warnings.warn(
            "Gains of tasks with fewer than 10 rows to measure on are mostly noise: "
            f"{listed(small)}.",
            UserWarning,
            stacklevel=3,
        )
    undefined = sorted({str(target) for target in gains.pairs[~np.isfinite(gains.values), 0]})
    if undefined:
        warnings.warn(
            "The gain is NaN where the single-task test loss is zero or not finite: target "
            f"{listed(undefined)}.",
            UserWarning,
            stacklevel=3,
        )
