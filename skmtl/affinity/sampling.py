"""Choice of the task pairs to measure next."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.higher_order import check_gains
from skmtl.affinity.pair_prediction import gain_predictor
from skmtl.affinity.variance_components import column_blocks, fit_components
from skmtl.data import TaskSet

Array = NDArray[np.float64]

# Prior fractions of the variance of a gain that features, targets, sources and noise explain.
_SHARES, _NOISE = (0.15, 0.35, 0.10), 0.40
# Number of tasks per pair that is chosen in one step.
_TASKS_A_PAIR = 10


def pairs_to_measure(
    tasks: TaskSet, n_pairs: int, *, gains: PairwiseGains | None = None, random_state: Any = None
) -> NDArray[np.object_]:
    r"""Choose the task pairs whose predicted gains are most uncertain.

    In the linear model of :func:`gain_predictor`, the posterior variance of a gain depends on which
    pairs are measured, but not on the results. Pairs are chosen one after another: the next one has
    the largest sum of the posterior variances of its two directions

    .. math::

        \operatorname{Var}(\hat g_{s \to t}) =
        x_{ts}^\top \left(D^{-1} + X^\top X / \sigma^2\right)^{-1} x_{ts}

    given those chosen before. With many tasks, several disjoint pairs are chosen in one step.

    Parameters
    ----------
    tasks : TaskSet
        Training rows of the tasks.
    n_pairs : int
        Number of unordered pairs.
    gains : PairwiseGains, optional
        Measured gains. Their pairs are not chosen again, and the variances of features, targets and
        sources are estimated from them. None = prior variances, the largest for targets.
    random_state : int, RandomState or None, default=None
        Seed of the subsamples of large tasks and of the choice among ties.

    Returns
    -------
    ndarray of shape (2 * n_pairs, 2)
        Task names, target then source, in the order of the choice, both directions of each pair:
        the ``pairs`` of :func:`collect_pairwise_gains`.

    Raises
    ------
    TypeError
        If ``tasks`` is not a TaskSet or ``gains`` is not a PairwiseGains.
    ValueError
        If ``n_pairs`` is larger than the number of pairs that are not measured.

    Examples
    --------
    >>> from skmtl.affinity import pairs_to_measure
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=6, n_groups=2, random_state=0).task_set
    >>> chosen = pairs_to_measure(tasks, 3, random_state=0)
    >>> chosen.shape, bool((chosen[0] == chosen[1, ::-1]).all())  # both directions of a pair
    ((6, 2), True)
    """
    if not isinstance(tasks, TaskSet):
        raise TypeError(f"tasks must be a TaskSet. Got {type(tasks).__name__}.")
    n_tasks, rng = len(tasks), check_random_state(random_state)
    first, second = np.triu_indices(n_tasks, 1)
    free = np.ones(len(first), dtype=bool)
    if gains is not None:
        check_gains(gains, tasks)
        measured = {frozenset(pair) for pair in gains.pairs}
        free = np.array(
            [
                frozenset((tasks.names[i], tasks.names[j])) not in measured
                for i, j in zip(first, second, strict=True)
            ],
            dtype=bool,
        )
    if (
        isinstance(n_pairs, bool)
        or not isinstance(n_pairs, Integral)
        or not 1 <= n_pairs <= free.sum()
    ):
        raise ValueError(
            f"n_pairs must be an int from 1 to {free.sum()}, the number of pairs that are left. "
            f"Got {n_pairs!r}."
        )
    design, blocks = _design(tasks, rng)
    covariance, noise = _known(design, blocks, tasks, gains)
    rows = np.arange(n_tasks**2 - n_tasks).reshape(
        n_tasks, n_tasks - 1
    )  # ordered pairs, without the diagonal
    both = np.column_stack([rows[first, second - 1], rows[second, first]])
    chosen = _choose(
        design,
        covariance,
        noise,
        both,
        np.column_stack([first, second]),
        free,
        int(n_pairs),
        max(1, n_tasks // _TASKS_A_PAIR),
        rng,
    )
    return tasks.pairs()[both[chosen].ravel()]


def _design(tasks: TaskSet, rng: np.random.RandomState) -> tuple[Array, NDArray[np.intp]]:
    """Return the centered design matrix of all ordered pairs and the block of each column."""
    featurizer = gain_predictor(tasks, random_state=rng.randint(np.iinfo(np.int32).max))[0]
    X = featurizer.fit_transform(tasks.pairs())
    n_features = len(featurizer.feature_names_)
    blocks = column_blocks(X[:, n_features:], np.ones(n_features, dtype=np.intp))
    X = X - X.mean(0)
    X[:, :n_features] /= np.maximum(X[:, :n_features].std(0), 1e-12)
    return X, blocks


def _known(
    design: Array, blocks: NDArray[np.intp], tasks: TaskSet, gains: PairwiseGains | None
) -> tuple[Array, float]:
    """Return the covariance of the coefficients and the noise variance, given the measurements."""
    if gains is not None and np.isfinite(gains.values).sum() > 2 and np.nanstd(gains.values) > 0:
        row = {tuple(pair): k for k, pair in enumerate(tasks.pairs())}
        known = np.isfinite(gains.values)
        seen, values = (
            design[[row[tuple(pair)] for pair in gains.pairs[known]]],
            gains.values[known],
        )
        found = fit_components(seen - seen.mean(0), values - values.mean(), blocks)
        return found.covariance, found.noise
    spread = np.bincount(blocks, (design**2).mean(0))
    shares = np.divide(_SHARES, spread, out=np.zeros(len(spread)), where=spread > 0)
    return np.diag(shares[blocks]), _NOISE


def _choose(
    design: Array,
    covariance: Array,
    noise: float,
    both: NDArray[np.intp],
    members: NDArray[np.intp],
    free: NDArray[np.bool_],
    n_pairs: int,
    at_once: int,
    rng: np.random.RandomState,
) -> list[int]:
    """Choose pairs of largest variance, several per step, and update the covariance."""
    covariance, free, chosen = covariance.copy(), free.copy(), list[int]()
    variance = np.einsum("ij,ij->i", design @ covariance, design)
    while len(chosen) < n_pairs:
        score = np.where(
            free, variance[both].sum(1) * (1 + 1e-9 * rng.uniform(size=len(free))), -np.inf
        )
        batch, busy = list[int](), set[int]()
        for k in np.argsort(-score)[: 20 * at_once]:
            pair = {int(task) for task in members[k]}
            if free[k] and not pair & busy and len(batch) < min(at_once, n_pairs - len(chosen)):
                batch.append(int(k))
                busy |= pair
        rows = design[both[batch].ravel()]
        seen = covariance @ rows.T
        lower = np.linalg.cholesky(rows @ seen + noise * np.eye(len(rows)))
        step = scipy.linalg.solve_triangular(lower, seen.T, lower=True).T
        covariance -= step @ step.T
        variance -= ((design @ step) ** 2).sum(1)
        free[batch] = False
        chosen += batch
    return chosen
