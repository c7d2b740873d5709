"""Synthetic binary tasks whose labels favor one of two sensitive groups."""

from __future__ import annotations

from math import exp, pi, sqrt
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr
from sklearn.utils import Bunch, check_random_state

from skmtl.datasets.bunches import description

Array = NDArray[np.float64]
GROUPS = ("a", "b")


def make_fair_tasks(
    n_samples: int = 1000,
    n_tasks: int = 2,
    n_features: int = 6,
    *,
    bias: Any = 1.0,
    relatedness: float = 0.5,
    positive_rate: Any = 0.4,
    group_share: float = 0.5,
    proxy_noise: float = 0.3,
    noise: float = 1.0,
    missing: float = 0.0,
    random_state: Any = None,
) -> Bunch:
    r"""Generate binary tasks whose labels depend on a sensitive group that the inputs reveal.

    .. math::

        y_t = \mathbb{1}\big[ w_t^\top x + b_t \, (g - \tfrac{1}{2}) + \varepsilon_t > c_t \big],
        \qquad x \sim N(0, I), \quad \varepsilon_t \sim N(0, \text{noise}^2)

    where g = 1 for group "b" and 0 for group "a". The inputs are x and a proxy of the group,
    :math:`g + N(0, \text{proxy\_noise}^2)`. The unit vectors :math:`w_t` have a common component,
    so that the tasks benefit from a shared trunk. An accurate network has a higher false positive
    rate in the favored group; the expected rate gap is returned.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.
    n_tasks : int, default=2
        Number of tasks T.
    n_features : int, default=6
        Number of inputs x, without the proxy.
    bias : float or array-like of shape (T,), default=1.0
        Advantage :math:`b_t` of group "b" in the labels of each task; 0 = labels do not depend on
        the group.
    relatedness : float, default=0.5
        Expected correlation between the tasks' functions of x, from 0 to 1.
    positive_rate : float or array-like of shape (T,), default=0.4
        Expected fraction of positive labels, which determines :math:`c_t`.
    group_share : float, default=0.5
        Expected fraction of rows in group "b".
    proxy_noise : float, default=0.3
        Standard deviation of the noise of the proxy; 0 = the proxy is the group.
    noise : float, default=1.0
        Standard deviation of the noise in the labels.
    missing : float, default=0.0
        Fraction of labels that are missing (NaN).
    random_state : int, RandomState instance or None, default=None
        Seed of the random numbers.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (n_samples, n_features + 1), columns ``x0`` ... and ``proxy``.
        - target : DataFrame of shape (n_samples, T), columns ``task_0`` ...; 0/1 and NaN.
        - sensitive_features : Series of shape (n_samples,), "a" or "b"; not an input.
        - split : None.
        - feature_names : list of str.
        - coef : ndarray of shape (T, n_features), the :math:`w_t`.
        - bias, threshold : ndarrays of shape (T,), :math:`b_t` and :math:`c_t`.
        - expected : DataFrame of shape (T, 3), columns ``error``, ``fpr_gap`` and ``tpr_gap``:
          expected error and rate gaps of the Bayes classifier that knows x and the group.
        - DESCR : str.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    skmtl.metrics.group_rate_gap : Rate gap of predictions between sensitive groups.

    Examples
    --------
    >>> from skmtl.datasets import make_fair_tasks
    >>> planted = make_fair_tasks(bias=[1.5, 0.0], random_state=0)
    >>> planted.data.shape, planted.target.columns.tolist()
    ((1000, 7), ['task_0', 'task_1'])
    >>> planted.target.groupby(planted.sensitive_features).mean().round(
    ...     1
    ... ).to_numpy().tolist()  # positive labels of the two groups
    [[0.2, 0.4], [0.6, 0.4]]
    >>> planted.expected["fpr_gap"].round(2).to_dict()
    {'task_0': 0.29, 'task_1': 0.0}
    """
    for name, count in {
        "n_samples": n_samples,
        "n_tasks": n_tasks,
        "n_features": n_features,
    }.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name} must be an int of at least 1. Got {count!r}.")
    numbers = {
        "relatedness": relatedness,
        "group_share": group_share,
        "proxy_noise": proxy_noise,
        "noise": noise,
        "missing": missing,
    }
    for name, value in numbers.items():
        _check(name, value)
    own_bias, rates = (
        _one_per_task("bias", bias, n_tasks),
        _one_per_task("positive_rate", positive_rate, n_tasks),
    )
    spread = sqrt(1 + noise**2)
    threshold = np.array(
        [_threshold(b, rate, group_share, spread) for b, rate in zip(own_bias, rates, strict=True)]
    )

    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    common = _unit(rng.standard_normal(n_features))
    coef = np.array(
        [
            _unit(
                np.sqrt(relatedness) * common
                + np.sqrt(1 - relatedness) * _unit(rng.standard_normal(n_features))
            )
            for _ in range(n_tasks)
        ]
    )
    group = (rng.uniform(size=n_samples) < group_share).astype(int)
    X = rng.standard_normal((n_samples, n_features))
    scores = (
        X @ coef.T
        + own_bias * (group[:, None] - 0.5)
        + noise * rng.standard_normal((n_samples, n_tasks))
    )
    labels = (scores > threshold).astype(float)
    proxy = group + proxy_noise * rng.standard_normal(n_samples)
    labels[rng.uniform(size=labels.shape) < missing] = np.nan

    names = [f"task_{t}" for t in range(n_tasks)]
    data = pd.DataFrame(
        np.column_stack([X, proxy]), columns=[*(f"x{j}" for j in range(n_features)), "proxy"]
    )
    truth = [_expected(b, c, group_share, noise) for b, c in zip(own_bias, threshold, strict=True)]
    return Bunch(
        data=data,
        target=pd.DataFrame(labels, columns=names)
        if missing
        else pd.DataFrame(labels, columns=names).astype("int64"),
        sensitive_features=pd.Series(np.array(GROUPS, dtype=object)[group], name="group").astype(
            "category"
        ),
        split=None,
        feature_names=list(data.columns),
        coef=coef,
        bias=own_bias,
        threshold=threshold,
        expected=pd.DataFrame(truth, index=names, columns=["error", "fpr_gap", "tpr_gap"]),
        DESCR=description("fair_tasks"),
    )


# ---------------------------------------------------------------------- helpers
def _unit(vector: Array) -> Array:
    unit: Array = vector / np.linalg.norm(vector)
    return unit


def _threshold(bias: float, positive_rate: float, group_share: float, spread: float) -> float:
    """Return the score threshold that gives the expected fraction of positive labels."""

    def too_many(limit: float) -> float:
        shares = ndtr((bias * np.array([-0.5, 0.5]) - limit) / spread)
        return float((1 - group_share) * shares[0] + group_share * shares[1]) - positive_rate

    far = abs(bias) + 10 * spread
    return float(brentq(too_many, -far, far))


def _expected(
    bias: float, threshold: float, group_share: float, noise: float
) -> tuple[float, float, float]:
    """Return the error and the FPR and TPR gaps of the Bayes classifier."""
    error, rates = 0.0, []
    for share, limit in (
        (1 - group_share, threshold + bias / 2),
        (group_share, threshold - bias / 2),
    ):

        def wrong(u: float, limit: float = limit) -> float:
            return float(exp(-(u**2) / 2) / sqrt(2 * pi) * ndtr(-abs(u - limit) / noise))

        false_positive, false_negative = (
            (0.0, 0.0)
            if noise == 0
            else (quad(wrong, limit, np.inf)[0], quad(wrong, -np.inf, limit)[0])
        )
        positive = float(ndtr(-limit / sqrt(1 + noise**2)))
        error += share * (false_positive + false_negative)
        rates.append((false_positive / (1 - positive), 1 - false_negative / positive))
    return error, abs(rates[0][0] - rates[1][0]), abs(rates[0][1] - rates[1][1])


def _check(name: str, value: Any) -> None:
    bounds = {"relatedness": (0, 1), "group_share": (0, 1), "missing": (0, 1)}
    low, high = bounds.get(name, (0, np.inf))
    fits = (
        isinstance(value, (int, float, np.integer, np.floating))
        and low <= value <= high
        and np.isfinite(value)
    )
    if not fits or (name == "missing" and value == 1):
        limits = (
            f"a finite number, {low} or larger"
            if high == np.inf
            else f"a number between {low} and {high}" + ", but not 1" * (name == "missing")
        )
        raise ValueError(f"{name} must be {limits}. Got {value!r}.")


def _one_per_task(name: str, given: Any, n_tasks: int) -> Array:
    values = np.asarray(given, dtype=float)
    if values.shape not in ((), (n_tasks,)):
        raise ValueError(
            f"{name} must be one number, or one for each of the {n_tasks} tasks. Got shape "
            f"{values.shape}."
        )
    if not np.isfinite(values).all() or (
        name == "positive_rate" and not ((values > 0) & (values < 1)).all()
    ):
        raise ValueError(
            f"{name} must contain "
            f"{'numbers above 0 and below 1' if name == 'positive_rate' else 'finite numbers'}. "
            f"Got {given!r}."
        )
    return np.broadcast_to(values, n_tasks).astype(float)
