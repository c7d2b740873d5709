"""Synthetic tasks with planted groups and known gains."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.utils import Bunch, check_random_state

from skmtl.data import Kind
from skmtl.datasets.bunches import description, grouped_bunch

Array = NDArray[np.float64]


def make_grouped_tasks(
    n_tasks: int = 12,
    n_groups: int = 3,
    n_samples: int | tuple[int, int] = 100,
    n_features: int = 10,
    *,
    kind: Kind = "regression",
    noise: float = 0.5,
    group_spread: float = 0.1,
    n_harmful: int = 0,
    input_shift: float = 1.0,
    nonlinearity: float = 0.2,
    random_state: Any = None,
) -> Bunch:
    r"""Generate tasks in planted groups: tasks help each other within a group, not across groups.

    Task t of group g draws its inputs from :math:`N(\mu_g, I)` and its targets from

    .. math::

        y = z + a \sin(2 z) + \varepsilon, \qquad z = w_t^\top (x - \mu_g), \qquad
        \varepsilon \sim N(0, \text{noise}^2)

    where the unit vectors :math:`w_t` deviate by `group_spread` from the direction of their group.
    The directions of the groups are orthogonal, and so are their centers :math:`\mu_g`, of length
    `input_shift`. For classification, the label is :math:`1[y > 0]`.

    Parameters
    ----------
    n_tasks : int, default=12
        Number of tasks, including harmful ones.
    n_groups : int, default=3
        Number of groups; task t is in group ``t % n_groups``.
    n_samples : int or (int, int), default=100
        Number of rows per task, or the range from which it is drawn.
    n_features : int, default=10
        Number of inputs, at least `n_groups` and at least 2.
    kind : {"regression", "classification"}, default="regression"
        Kind of all tasks.
    noise : float, default=0.5
        Standard deviation of the noise; the noiseless targets have about unit variance.
    group_spread : float, default=0.1
        Length of a task's deviation from the direction of its group.
    n_harmful : int, default=0
        Number of harmful tasks, which come last. They have the inputs of a group and the opposite
        of its function. The groups are contradicted in turn; harmful tasks that contradict the same
        group form an additional group.
    input_shift : float, default=1.0
        Distance of a group's center from the origin. With 0, inputs carry no information about the
        groups.
    nonlinearity : float, default=0.2
        Factor a of the sine; 0 makes the functions linear.
    random_state : int, RandomState instance or None, default=None
        Seed. The directions are drawn before the rows and do not depend on `n_samples`.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (n, n_features), rows task after task.
        - target : Series of shape (n,): float64, or int64 labels 0 and 1.
        - task : Series of shape (n,), names ``task_0`` ...
        - task_set : TaskSet.
        - feature_names : list of str.
        - groups : list of lists of names.
        - labels : ndarray of shape (n_tasks,), index in `groups` of the task's group.
        - contradicts : ndarray of shape (n_tasks,), the group that a harmful task contradicts; -1
          for the other tasks.
        - coef : ndarray of shape (n_tasks, n_features), the :math:`w_t`.
        - centers : ndarray of shape (n_tasks, n_features), the :math:`\mu` of each task.
        - expected_gain : DataFrame of shape (n_tasks, n_tasks), row = target, column = source:
          relative reduction of the target's expected test error (mean squared) by one joint
          least-squares fit to both tasks instead of a single-task fit; NaN for a target with at
          most ``n_features + 2`` rows.
        - helpful_pairs, harmful_pairs : ndarrays of shape (m, 2) of names, target then source,
          where expected_gain is positive and negative.
        - DESCR : str.

    Raises
    ------
    ValueError
        If a number is out of range, or there are fewer features than groups.

    Notes
    -----
    Expected gains are those of linear least squares with intercept, computed from the moments of
    the tasks (:func:`expected_gains`). They depend on the numbers of rows: with few rows, even an
    unrelated task helps; with many rows, even a related task does not. A network also learns the
    sine; its gains agree in sign for all but the weakest pairs.

    Examples
    --------
    >>> from skmtl.datasets import make_grouped_tasks
    >>> planted = make_grouped_tasks(n_tasks=6, n_groups=2, random_state=0)
    >>> planted.task_set
    TaskSet(6 regression tasks, 10 features, 100..100 rows per task)
    >>> planted.groups
    [['task_0', 'task_2', 'task_4'], ['task_1', 'task_3', 'task_5']]
    >>> bool(
    ...     planted.expected_gain.loc["task_0", "task_2"]
    ...     > 0
    ...     > planted.expected_gain.loc["task_0", "task_1"]
    ... )
    True
    """
    _check(
        n_tasks,
        n_groups,
        n_features,
        kind,
        noise,
        group_spread,
        n_harmful,
        input_shift,
        nonlinearity,
    )
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    names = [f"task_{t}" for t in range(n_tasks)]

    harmful = np.arange(n_tasks) >= n_tasks - n_harmful
    origin = np.where(harmful, np.cumsum(harmful) - 1, np.arange(n_tasks)) % n_groups
    directions = _orthonormal(rng, n_groups, n_features)
    centers = input_shift * _orthonormal(rng, n_groups, n_features)[origin]
    coef = _around(rng, directions[origin], group_spread) * np.where(harmful, -1.0, 1.0)[:, None]

    sizes = _sizes(rng, n_tasks, n_samples)
    labels = np.where(harmful, n_groups + origin, origin)
    owner = np.repeat(np.arange(n_tasks), sizes)
    offset = rng.standard_normal((len(owner), n_features))
    z = np.einsum("ij,ij->i", offset, coef[owner])
    y = _curve(z, nonlinearity) + noise * rng.standard_normal(len(owner))

    slope, residual = _linear_part(kind, noise, nonlinearity)
    gain = pd.DataFrame(
        expected_gains(slope * coef, centers, sizes, residual), index=names, columns=names
    )
    return grouped_bunch(
        pd.DataFrame(offset + centers[owner], columns=[f"x{j}" for j in range(n_features)]),
        pd.Series(y if kind == "regression" else (y > 0).astype(np.int64), name="y"),
        pd.Series(np.array(names, dtype=object)[owner], name="task"),
        kind,
        groups=[
            [name for name, label in zip(names, labels, strict=True) if label == group]
            for group in np.unique(labels)
        ],
        labels=labels,
        contradicts=np.where(harmful, origin, -1),
        coef=coef,
        centers=centers,
        expected_gain=gain,
        helpful_pairs=_pairs(gain.to_numpy() > 0, names),
        harmful_pairs=_pairs(gain.to_numpy() < 0, names),
        DESCR=description("grouped_tasks"),
    )


def expected_gains(
    slopes: Array, centers: Array, sizes: NDArray[np.intp], residual: float
) -> Array:
    r"""Return the expected gain of each task from pooling its least-squares fit with another task.

    Task i has inputs :math:`N(c_i, I)` and :math:`E[y | x] \approx b_i^\top (x - c_i)`. With the
    second moments :math:`M_i` of (1, x), the pooled fit converges to
    :math:`\theta = S^{-1} \sum_k \pi_k M_k \theta_k`, :math:`S = \sum_k \pi_k M_k`, and its error
    on task i is

    .. math::

        r + (\theta - \theta_i)^\top M_i (\theta - \theta_i)
        + \frac{r + \sum_k \pi_k (\theta - \theta_k)^\top M_k (\theta - \theta_k)}{N - p - 2} \,
        \mathrm{tr}(M_i S^{-1}),

    where the last term is the variance of the fit to N rows and p is the number of inputs. For a
    single-task fit, this is exact for linear functions of Gaussian inputs. For a pooled fit, it is
    the leading term, under the assumption that `residual` r does not depend on the inputs.

    Parameters
    ----------
    slopes : ndarray of shape (T, p)
        Population least-squares slopes b.
    centers : ndarray of shape (T, p)
        Means of the inputs.
    sizes : ndarray of shape (T,)
        Number of rows per task.
    residual : float
        Variance around the linear function of a task.

    Returns
    -------
    ndarray of shape (T, T)
        Gains, row = target, column = source; 0 on the diagonal, and NaN where the target has at
        most p + 2 rows.
    """
    n_tasks, p = slopes.shape
    moments = np.stack([_moments(center) for center in centers])
    thetas = np.column_stack([-np.einsum("ij,ij->i", slopes, centers), slopes])
    gain = np.zeros((n_tasks, n_tasks))
    for i in range(n_tasks):
        if sizes[i] <= p + 2:
            gain[i] = np.nan
            continue
        alone = residual * (1 + (p + 1) / (sizes[i] - p - 2))
        for j in range(n_tasks):
            if i == j:
                continue
            pair, n = [i, j], sizes[i] + sizes[j]
            share = sizes[pair] / n
            pooled = np.tensordot(share, moments[pair], 1)
            theta = np.linalg.solve(
                pooled, np.einsum("k,kab,kb->a", share, moments[pair], thetas[pair])
            )
            bias = np.einsum(
                "ka,kab,kb->k", theta - thetas[pair], moments[pair], theta - thetas[pair]
            )
            variance = (
                (residual + share @ bias)
                * np.trace(np.linalg.solve(pooled, moments[i]))
                / (n - p - 2)
            )
            together = residual + bias[0] + variance
            gain[i, j] = (
                (alone - together) / alone if alone > 0 else (-np.inf if together > 0 else 0.0)
            )
    return gain


def _moments(center: Array) -> Array:
    """Return the second moments of (1, x) for x from N(center, I)."""
    extended = np.concatenate([[1.0], center])
    return np.outer(extended, extended) + np.diag(np.concatenate([[0.0], np.ones(len(center))]))


def _linear_part(kind: str, noise: float, nonlinearity: float) -> tuple[float, float]:
    """Return the slope of the best line through (z, y) and the variance around it.

    z is standard normal; y is -1 or 1 for classification.
    """
    z = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    curve = _curve(z, nonlinearity)
    if kind == "classification":
        mean = 2 * norm.cdf(curve / noise) - 1 if noise > 0 else np.sign(curve)
        second = 1.0
    else:
        mean, second = curve, float(np.mean(curve**2)) + noise**2
    slope = float(np.mean(z * mean) / np.mean(z * z))
    return slope, max(second - slope**2, 0.0)


def _curve(z: Array, nonlinearity: float) -> Array:
    curve: Array = z + nonlinearity * np.sin(2 * z)
    return curve


def _orthonormal(rng: np.random.RandomState, count: int, size: int) -> Array:
    """Return random orthonormal rows."""
    q, _ = np.linalg.qr(rng.standard_normal((size, count)))
    rows: Array = q.T
    return rows


def _around(rng: np.random.RandomState, directions: Array, spread: float) -> Array:
    """Move unit vectors by `spread` in an orthogonal direction and normalize them."""
    step = rng.standard_normal(directions.shape)
    step -= np.einsum("ij,ij->i", step, directions)[:, None] * directions
    moved = directions + spread * step / np.linalg.norm(step, axis=1, keepdims=True)
    unit: Array = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def _sizes(rng: np.random.RandomState, n_tasks: int, n_samples: Any) -> NDArray[np.intp]:
    bounds = (n_samples, n_samples) if isinstance(n_samples, Integral) else tuple(n_samples)
    if (
        len(bounds) != 2
        or not all(isinstance(bound, Integral) for bound in bounds)
        or not 1 <= bounds[0] <= bounds[1]
    ):
        raise ValueError(
            "n_samples must be a positive int or a pair (low, high) with 1 <= low <= high. Got "
            f"{n_samples!r}."
        )
    return rng.randint(bounds[0], bounds[1] + 1, size=n_tasks).astype(np.intp)


def _pairs(chosen: NDArray[np.bool_], names: list[str]) -> NDArray[np.object_]:
    return np.array(names, dtype=object)[np.argwhere(chosen)]


def _check(
    n_tasks: int,
    n_groups: int,
    n_features: int,
    kind: str,
    noise: float,
    group_spread: float,
    n_harmful: int,
    input_shift: float,
    nonlinearity: float,
) -> None:
    if kind not in ("regression", "classification"):
        raise ValueError(f"kind must be 'regression' or 'classification'. Got {kind!r}.")
    if not 1 <= n_groups <= n_tasks:
        raise ValueError(
            f"n_groups must be at least 1 and at most n_tasks = {n_tasks}. Got {n_groups!r}."
        )
    if not 0 <= n_harmful <= n_tasks - n_groups:
        raise ValueError(
            f"n_harmful must be between 0 and n_tasks - n_groups = {n_tasks - n_groups}, so that "
            f"each group has a task. Got {n_harmful!r}."
        )
    if n_features < max(n_groups, 2):
        raise ValueError(
            f"n_features must be at least n_groups = {n_groups} and at least 2, because the "
            f"directions of the groups are orthogonal. Got {n_features!r}."
        )
    for name, value in (
        ("noise", noise),
        ("group_spread", group_spread),
        ("input_shift", input_shift),
        ("nonlinearity", nonlinearity),
    ):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be a finite number, 0 or larger. Got {value!r}.")
