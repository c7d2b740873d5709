"""Means, directions and principal components of tasks, compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist


def mean_gaps(X: NDArray[np.float64], members: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Euclidean distance of the tasks' mean rows, eq. (9), of shape (T, T)."""
    means = np.stack([X[index].mean(axis=0) for index in members])
    gaps: NDArray[np.float64] = cdist(means, means)
    return gaps


def cosine_similarities(
    X: NDArray[np.float64], members: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Mean cosine between rows of two tasks, eq. (10), of shape (T, T).

    The mean of all inner products of unit vectors is the inner product of their means. A row of
    zeros has no direction and contributes 0.
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    units = np.divide(X, norms, out=np.zeros_like(X), where=norms > 0)
    means = np.stack([units[index].mean(axis=0) for index in members])
    similarities: NDArray[np.float64] = means @ means.T
    return similarities


def pca_alignments(
    X: NDArray[np.float64], members: list[NDArray[np.intp]], n_components: int
) -> NDArray[np.float64]:
    """Mean absolute cosine of principal components of the same order, eq. (11).

    Parameters
    ----------
    X : ndarray of shape (n, q)
        Rows.
    members : list of T ndarrays of shape (n_t,)
        Rows of every task.
    n_components : int
        Largest number of components; a pair uses min(n_components, n_i, n_j, q).

    Returns
    -------
    ndarray of shape (T, T)
        Between 0 and 1. A component without variance has no direction of its own and contributes 0,
        so a task with a single row has alignment 0.
    """
    k = min(n_components, X.shape[1])
    directions = np.stack([principal_components(X[index], k) for index in members])
    used = np.minimum(k, [len(index) for index in members])
    cosines = np.abs(np.einsum("ilp,jlp->lij", directions, directions, optimize=True)).cumsum(
        axis=0
    )
    pair = np.minimum.outer(used, used)
    aligned: NDArray[np.float64] = np.take_along_axis(cosines, pair[None] - 1, axis=0)[0] / pair
    return aligned


def principal_components(X: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """First k principal directions of the rows, (k, q), padded with zeros."""
    directions = np.zeros((k, X.shape[1]))
    _, scales, components = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    tolerance = 10 * max(X.shape) * np.finfo(float).eps * np.abs(X).max()
    kept = int(np.count_nonzero(scales[:k] > tolerance))
    directions[:kept] = components[:kept]
    return directions
