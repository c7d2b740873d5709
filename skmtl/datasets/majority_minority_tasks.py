"""Tasks of a majority and a minority that need different representations."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from skmtl.datasets.bunches import description, grouped_bunch

Array = NDArray[np.float64]


def make_majority_minority_tasks(
    n_majority: int = 100,
    n_minority: int = 10,
    n_samples: int = 100,
    n_features: int = 32,
    *,
    majority_rank: int = 8,
    minority_rank: int = 8,
    noise: float = 0.0,
    random_state: Any = None,
) -> Bunch:
    r"""Generate linear tasks of a majority and a minority whose coefficients lie in orthogonal
    subspaces.

    .. math:: y = h_t^\top B x + \varepsilon, \qquad x \sim N(0, I), \qquad \varepsilon \sim N(0,
        \text{noise}^2)

    with :math:`B = B_{maj}` for tasks of the majority and :math:`B_{min}` for those of the
    minority. The rows of the two together are random orthonormal vectors; the heads :math:`h_t` are
    uniform on the unit sphere, so noiseless targets have variance one.

    Parameters
    ----------
    n_majority, n_minority : int, default=100, 10
        Numbers of tasks; tasks of the majority come first.
    n_samples : int, default=100
        Rows of every task.
    n_features : int, default=32
        Number of inputs, at least ``majority_rank + minority_rank``.
    majority_rank, minority_rank : int, default=8, 8
        Dimensions of the two subspaces.
    noise : float, default=0.0
        Standard deviation of the noise.
    random_state : int, RandomState instance or None, default=None
        Seed. Subspaces and heads are drawn before the rows, and do not depend on `n_samples`.

    Returns
    -------
    Bunch
        With the attributes

        - data : DataFrame of shape (n, n_features), rows task after task.
        - target : Series of shape (n,).
        - task : Series of shape (n,), names ``majority_0`` ... and ``minority_0`` ...
        - task_set : TaskSet.
        - feature_names : list of str.
        - is_minority : ndarray of bool of shape (T,).
        - majority, minority : lists of the names of the tasks.
        - coef : ndarray of shape (T, n_features), true coefficients.
        - heads : ndarray of shape (T, max(ranks)), the :math:`h_t`, padded with zeros.
        - components_majority, components_minority : ndarrays of shape (rank, n_features),
          :math:`B_{maj}` and :math:`B_{min}`.
        - DESCR : str.

    Raises
    ------
    ValueError
        If a number is out of range, or there are fewer features than dimensions.

    See Also
    --------
    skmtl.representation.representation_path : Finds the tasks that a rank starves.

    Notes
    -----
    The defaults, except for the number of rows, are those of [1]_, section 4, which leaves noise
    out and varies rows and numbers of tasks.

    References
    ----------
    .. [1] Li, Oymak, "On the fairness of multitask representation learning", ICASSP 2023.

    Examples
    --------
    >>> from skmtl.datasets import make_majority_minority_tasks
    >>> planted = make_majority_minority_tasks(
    ...     n_majority=6,
    ...     n_minority=2,
    ...     n_features=8,
    ...     majority_rank=3,
    ...     minority_rank=2,
    ...     random_state=0,
    ... )
    >>> planted.task_set
    TaskSet(8 regression tasks, 8 features, 100..100 rows per task)
    >>> planted.minority
    ['minority_0', 'minority_1']
    >>> bool(abs(planted.components_majority @ planted.coef[planted.is_minority].T).max() < 1e-12)
    True
    """
    _check(n_majority, n_minority, n_samples, n_features, majority_rank, minority_rank, noise)
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    basis = np.linalg.qr(rng.standard_normal((n_features, majority_rank + minority_rank)))[0].T
    heads = np.zeros((n_majority + n_minority, max(majority_rank, minority_rank)))
    heads[:n_majority, :majority_rank] = _on_the_sphere(rng, n_majority, majority_rank)
    heads[n_majority:, :minority_rank] = _on_the_sphere(rng, n_minority, minority_rank)
    coef = np.concatenate(
        [
            heads[:n_majority, :majority_rank] @ basis[:majority_rank],
            heads[n_majority:, :minority_rank] @ basis[majority_rank:],
        ]
    )

    majority, minority = (
        [f"{group}_{t}" for t in range(count)]
        for group, count in (("majority", n_majority), ("minority", n_minority))
    )
    owner = np.repeat(np.arange(len(coef)), n_samples)
    X = rng.standard_normal((len(owner), n_features))
    y = np.einsum("ij,ij->i", X, coef[owner]) + noise * rng.standard_normal(len(owner))
    return grouped_bunch(
        pd.DataFrame(X, columns=[f"x{j}" for j in range(n_features)]),
        pd.Series(y, name="y"),
        pd.Series(np.array(majority + minority, dtype=object)[owner], name="task"),
        "regression",
        is_minority=np.arange(len(coef)) >= n_majority,
        majority=majority,
        minority=minority,
        coef=coef,
        heads=heads,
        components_majority=basis[:majority_rank],
        components_minority=basis[majority_rank:],
        DESCR=description("majority_minority_tasks"),
    )


def _on_the_sphere(rng: np.random.RandomState, count: int, size: int) -> Array:
    """Uniform unit vectors, (count, size)."""
    draws = rng.standard_normal((count, size))
    unit: Array = draws / np.linalg.norm(draws, axis=1, keepdims=True)
    return unit


def _check(
    n_majority: int,
    n_minority: int,
    n_samples: int,
    n_features: int,
    majority_rank: int,
    minority_rank: int,
    noise: float,
) -> None:
    counts = {
        "n_majority": n_majority,
        "n_minority": n_minority,
        "n_samples": n_samples,
        "majority_rank": majority_rank,
        "minority_rank": minority_rank,
    }
    for name, value in counts.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be an int of at least 1. Got {value!r}.")
    if not isinstance(n_features, Integral) or n_features < majority_rank + minority_rank:
        raise ValueError(
            "n_features must be an int of at least majority_rank + minority_rank = "
            f"{majority_rank + minority_rank}, "
            f"for the subspaces are orthogonal. Got {n_features!r}."
        )
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a finite number, 0 or larger. Got {noise!r}.")
