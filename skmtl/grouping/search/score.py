"""Predicted gain of each task in each group (higher-order affinity)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_gains(affinity: NDArray[np.float64], groups: NDArray[np.bool_]) -> NDArray[np.float64]:
    r"""Return the predicted gain of each task in each group that contains it.

    .. math:: \hat g_{G \to i} = \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} A_{ij}

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Entry [i, j] is the gain of task i when trained with task j; the diagonal must be 0.
    groups : ndarray of shape (n, T)
        True where the task belongs to the group.

    Returns
    -------
    ndarray of shape (n, T)
        The mean above, 0 in a group of one, and -inf where the task is not in the group.

    References
    ----------
    .. [1] "Task affinity from data divergence", equation (15) (higher-order affinity), after
       Standley et al., "Which tasks should be learned together in multi-task learning?", ICML
       2020.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 0.2, 0.4], [0.1, 0.0, -0.3], [0.0, 0.5, 0.0]])
    >>> group_gains(A, np.array([[True, True, True], [True, False, False]])).round(2)
    array([[ 0.3 , -0.1 ,  0.25],
           [ 0.  ,  -inf,  -inf]])
    """
    others = np.maximum(groups.sum(axis=1) - 1, 1)
    means = (groups.astype(np.float64) @ affinity.T) / others[:, None]
    return np.where(groups, means, -np.inf)


def serve(
    affinity: NDArray[np.float64], groups: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.float64]]:
    """Assign each task to the group with its largest predicted gain; drop groups without a task.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    groups : ndarray of shape (n, T)
        Membership; every task must be in at least one group.

    Returns
    -------
    groups : ndarray of shape (m, T)
        The groups that serve a task, in the order of their members.
    labels : ndarray of shape (T,)
        Index of the group that serves the task.
    gains : ndarray of shape (T,)
        Gain of the task in that group.
    """
    by_members = sorted(range(len(groups)), key=lambda row: tuple(np.flatnonzero(groups[row])))
    groups = groups[by_members]
    gains = group_gains(affinity, groups)
    used, labels = np.unique(gains.argmax(axis=0), return_inverse=True)
    return groups[used], labels.astype(np.intp), gains.max(axis=0)


def partition_mask(labels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the membership (n_groups, T) of a partition given by labels, without empty groups."""
    return np.equal(np.unique(labels)[:, None], labels[None, :])
