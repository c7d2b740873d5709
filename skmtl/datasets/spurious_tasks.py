"""Synthetic tasks whose labels are correlated through a nuisance in training, not in the test."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm
from sklearn.utils import Bunch, check_random_state

from skmtl.datasets.bunches import description

Array = NDArray[np.float64]


def make_spurious_tasks(
    n_samples: int = 1000,
    n_features: int = 20,
    *,
    n_tasks: int = 3,
    n_linked: int = 2,
    n_test: int = 2000,
    agreement: float = 0.9,
    test_agreement: float | None = None,
    signal: float = 1.0,
    nuisance_signal: float = 1.5,
    random_state: Any = None,
) -> Bunch:
    r"""Generate binary tasks with a shared nuisance whose link to the labels differs in the test.

    .. math::

        x = \text{signal} \sum_t \tilde y_t u_t + \text{nuisance\_signal} \, \tilde z \, v
        + \varepsilon, \qquad \varepsilon \sim N(0, I)

    with labels and nuisance coded as :math:`\tilde y, \tilde z \in \{-1, 1\}` and random
    orthonormal directions :math:`u_t, v`. In the training rows, the nuisance z is a fair coin, and
    the label of each linked task equals z with probability ``agreement``. The labels of two linked
    tasks therefore have the correlation :math:`(2 \cdot \text{agreement} - 1)^2`; the other labels
    are independent fair coins. In the test rows, all labels are independent fair coins, and z is
    drawn given the labels of the linked tasks, with ``test_agreement`` instead of ``agreement``.

    A task head that uses only the direction of its task has the accuracy
    :math:`\Phi(\text{signal})` in both parts. A head that also uses the nuisance, or the directions
    of the other linked tasks, is better on training rows and worse on test rows.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of training rows.
    n_features : int, default=20
        Number of inputs, larger than the number of tasks.
    n_tasks : int, default=3
        Number of tasks.
    n_linked : int, default=2
        Number of tasks that are linked to the nuisance; they come first.
    n_test : int, default=2000
        Number of test rows.
    agreement : float, default=0.9
        Probability that a linked label equals the nuisance in training, between 0 and 1.
    test_agreement : float or None, default=None
        The same for test rows; None = 1 - agreement, 0.5 = no link.
    signal, nuisance_signal : float, default=1.0, 1.5
        Strength of the labels and of the nuisance in the inputs, in units of the noise; 0 = absent.
    random_state : int, RandomState instance or None, default=None
        Seed. Directions are drawn before the rows and do not depend on their numbers.

    Returns
    -------
    Bunch
        With the attributes

        - data, test_data : DataFrames of shape (n_samples, n_features) and (n_test, n_features).
        - target, test_target : DataFrames of shape (n_samples, n_tasks) and (n_test, n_tasks),
          labels 0 and 1, columns ``task_0`` ...
        - feature_names : list of str.
        - task_names : list of str.
        - nuisance, test_nuisance : ndarrays of 0 and 1, the nuisance z.
        - linked : ndarray of bool of shape (T,).
        - spurious : ndarray of bool of shape (T, T), pairs of tasks that are related only through
          the nuisance: all pairs of linked tasks.
        - correlation : float, correlation of the labels of two linked tasks in training.
        - directions : ndarray of shape (T, n_features), the :math:`u_t`.
        - nuisance_direction : ndarray of shape (n_features,), v.
        - best_accuracy : float, :math:`\Phi(\text{signal})`, accuracy of a head that uses only the
          direction of its task.
        - DESCR : str.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    skmtl.spurious.SpuriousTaskDetector : Detect spurious pairs of tasks from the labels.
    skmtl.spurious.DebiasedClassifier : Retrain task heads without the spurious correlation.

    Examples
    --------
    >>> from skmtl.datasets import make_spurious_tasks
    >>> shifted = make_spurious_tasks(random_state=0)
    >>> shifted.target.corr().round(1).loc["task_0"].to_dict()
    {'task_0': 1.0, 'task_1': 0.6, 'task_2': 0.0}
    >>> shifted.spurious.astype(int)
    array([[0, 1, 0],
           [1, 0, 0],
           [0, 0, 0]])
    """
    test_agreement = 1 - agreement if test_agreement is None else test_agreement
    _check(
        n_samples,
        n_features,
        n_tasks,
        n_linked,
        n_test,
        agreement,
        test_agreement,
        signal,
        nuisance_signal,
    )
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    directions = np.linalg.qr(rng.standard_normal((n_features, n_tasks + 1)))[0].T
    linked = np.arange(n_tasks) < n_linked

    nuisance = rng.randint(2, size=n_samples)
    labels = rng.randint(2, size=(n_samples, n_tasks))
    agrees = rng.random_sample((n_samples, n_linked)) < agreement
    labels[:, :n_linked] = np.where(agrees, nuisance[:, None], 1 - nuisance[:, None])
    test_labels = rng.randint(2, size=(n_test, n_tasks))
    test_nuisance = (
        rng.random_sample(n_test) < _chance_of_nuisance(test_labels[:, :n_linked], test_agreement)
    ).astype(np.int64)

    def inputs(own: NDArray[np.int64], shared: NDArray[np.int64]) -> pd.DataFrame:
        x = (
            signal * (2 * own - 1) @ directions[:-1]
            + nuisance_signal * (2 * shared - 1)[:, None] * directions[-1]
        )
        return pd.DataFrame(
            x + rng.standard_normal(x.shape), columns=[f"x{j}" for j in range(n_features)]
        )

    names = [f"task_{t}" for t in range(n_tasks)]
    data, test_data = inputs(labels, nuisance), inputs(test_labels, test_nuisance)
    return Bunch(
        data=data,
        target=pd.DataFrame(labels, columns=names),
        test_data=test_data,
        test_target=pd.DataFrame(test_labels, columns=names),
        feature_names=list(data.columns),
        task_names=names,
        nuisance=nuisance,
        test_nuisance=test_nuisance,
        linked=linked,
        spurious=np.outer(linked, linked) & ~np.eye(n_tasks, dtype=bool),
        correlation=(2 * agreement - 1) ** 2,
        directions=directions[:-1],
        nuisance_direction=directions[-1],
        best_accuracy=float(norm.cdf(signal)),
        DESCR=description("spurious_tasks"),
    )


def _chance_of_nuisance(labels: NDArray[np.int64], agreement: float) -> Array:
    """Return P(z = 1 | labels) for a fair coin z that each label equals with ``agreement``."""
    votes = (2 * labels - 1).sum(1)
    sure = np.clip(agreement, 1e-12, 1 - 1e-12)
    chance: Array = expit(votes * np.log(sure / (1 - sure)))
    return chance


def _check(
    n_samples: int,
    n_features: int,
    n_tasks: int,
    n_linked: int,
    n_test: int,
    agreement: float,
    test_agreement: float,
    signal: float,
    nuisance_signal: float,
) -> None:
    for name, value in {
        "n_samples": n_samples,
        "n_features": n_features,
        "n_tasks": n_tasks,
        "n_linked": n_linked,
        "n_test": n_test,
    }.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be an int of at least 1. Got {value!r}.")
    if n_linked > n_tasks:
        raise ValueError(f"n_linked must be at most n_tasks = {n_tasks}. Got {n_linked!r}.")
    if n_features <= n_tasks:
        raise ValueError(
            f"n_features must be larger than n_tasks = {n_tasks}, because the directions of tasks "
            f"and nuisance are orthogonal. Got {n_features!r}."
        )
    for name, chance in {"agreement": agreement, "test_agreement": test_agreement}.items():
        if not isinstance(chance, Real) or not 0 <= chance <= 1:
            raise ValueError(f"{name} must be a probability, from 0 to 1. Got {chance!r}.")
    for name, size in {"signal": signal, "nuisance_signal": nuisance_signal}.items():
        if not isinstance(size, Real) or not 0 <= size < np.inf:
            raise ValueError(f"{name} must be a finite number, 0 or larger. Got {size!r}.")
