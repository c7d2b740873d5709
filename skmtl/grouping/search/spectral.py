"""Task groups by spectral clustering of the symmetrized gains."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import SpectralClustering

from skmtl.grouping.search.number_of_groups import best_partition
from skmtl.grouping.search.score import group_gains, partition_mask

FLOOR = 1e-6


def spectral_groups(
    affinity: NDArray[np.float64], n_groups: int | None, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    r"""Partition the tasks by spectral clustering.

    Spectral clustering needs non-negative similarities. It cuts the graph with weights

    .. math::

        W_{ij} = \varepsilon + (1 - \varepsilon) \frac{S_{ij} - \min S}{\max S - \min S},
        \qquad S = (A + A') / 2

    over pairs i != j, where :math:`\varepsilon` = 1e-6 keeps the graph connected. The shift
    preserves the order of the pairs but not the signs of the gains. Like all normalized cuts, the
    method favors groups of similar size.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    n_groups : int or None
        Number of groups; None takes the number with the largest total gain (see
        :func:`~skmtl.grouping.search.number_of_groups.best_partition`).
    rng : RandomState
        Generator of the initial centers of k-means.

    Returns
    -------
    ndarray of shape (m, T)
        Membership of m = `n_groups` groups.
    """
    n_tasks = len(affinity)
    weights = _similarity(affinity)
    seed = int(rng.randint(np.iinfo(np.int32).max))

    def partition(number: int) -> NDArray[np.intp]:
        if number in (1, n_tasks):
            return np.arange(n_tasks) % number
        model = SpectralClustering(n_clusters=number, affinity="precomputed", random_state=seed)
        with warnings.catch_warnings():
            # With equal rows, k-means warns and returns too few clusters; the lines below split
            # them further.
            warnings.filterwarnings("ignore", message="Number of distinct clusters")
            labels = np.asarray(model.fit_predict(weights), dtype=np.intp)
        return _split_to(affinity, labels, number)

    return partition_mask(
        best_partition(affinity, partition, try_all_up_to=30)
        if n_groups is None
        else partition(n_groups)
    )


def _similarity(affinity: NDArray[np.float64]) -> NDArray[np.float64]:
    both = (affinity + affinity.T) / 2
    pairs = both[~np.eye(len(both), dtype=bool)]
    spread = np.ptp(pairs) if pairs.size else 0.0
    weights: NDArray[np.float64] = (
        (both - pairs.min()) / spread if spread > 0 else np.ones_like(both)
    )
    weights = FLOOR + (1 - FLOOR) * weights
    np.fill_diagonal(weights, 0.0)
    return weights


def _split_to(
    affinity: NDArray[np.float64], labels: NDArray[np.intp], number: int
) -> NDArray[np.intp]:
    """Split off the task with the smallest gain until there are enough groups."""
    labels = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    for new in range(labels.max() + 1, number):
        gains = group_gains(affinity, partition_mask(labels)).max(axis=0)
        shared = np.bincount(labels)[labels] > 1
        labels[np.where(shared, gains, np.inf).argmin()] = new
    return labels
