"""Means, directions and principal components of tasks, and their comparison for pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Numbers held in memory at a time while principal components are compared.
_CHUNK_ELEMENTS = 2**22


def task_means(X: Array, members: list[Index]) -> Array:
    """Return the mean row of each task, (T, q)."""
    return np.stack([X[index].mean(axis=0) for index in members])


def mean_directions(X: Array, members: list[Index]) -> Array:
    """Return the mean of each task's rows scaled to length 1, (T, q).

    A row of zeros has no direction and contributes 0.
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return task_means(np.divide(X, norms, out=np.zeros_like(X), where=norms > 0), members)


def mean_gaps(means: Array, targets: Index, sources: Index) -> Array:
    """Return the Euclidean distance of the mean rows of pairs, equation (9), (m,)."""

    def gaps(these: Array) -> Array:
        found: Array = cdist(these, these)
        return found

    return compared(means, targets, sources, gaps, lambda a, b: np.linalg.norm(a - b, axis=1))


def cosine_similarities(directions: Array, targets: Index, sources: Index) -> Array:
    """Return the inner products of pairs, (m,).

    For mean directions this is the mean cosine between rows of two tasks, equation (10): the mean
    of all inner products of unit vectors is the inner product of their means.
    """
    return compared(
        directions,
        targets,
        sources,
        lambda these: these @ these.T,
        lambda a, b: np.einsum("mq,mq->m", a, b),
    )


def pca_alignments(components: Array, sizes: Index, targets: Index, sources: Index) -> Array:
    """Return the mean absolute cosine of principal components of equal order, equation (11).

    Parameters
    ----------
    components : ndarray of shape (T, k, q)
        Principal directions of every task.
    sizes : ndarray of shape (T,)
        Rows of every task.
    targets, sources : ndarray of shape (m,)
        Pairs of tasks.

    Returns
    -------
    ndarray of shape (m,)
        Between 0 and 1. A component without variance has no direction and contributes 0, so a task
        with a single row has alignment 0.
    """
    k = components.shape[1]

    def of_all(these: Array) -> Array:
        return np.abs(np.einsum("ilp,jlp->ijl", these, these, optimize=True))

    cosines = compared(
        components,
        targets,
        sources,
        of_all,
        lambda a, b: np.abs(np.einsum("mlq,mlq->ml", a, b)),
    ).cumsum(axis=1)
    used = np.minimum(k, np.minimum(sizes[targets], sizes[sources]))
    aligned: Array = cosines[np.arange(len(targets)), used - 1] / used
    return aligned


def compared(
    values: Array,
    targets: Index,
    sources: Index,
    of_all: Callable[[Array], Array],
    of_each: Callable[[Array, Array], Array],
) -> Array:
    """Compare pairs of tasks from a table of all tasks, or pair by pair if few are needed."""
    involved = np.unique(np.concatenate([targets, sources]))
    if 2 * len(targets) >= len(involved) * (len(involved) - 1):
        i, j = np.searchsorted(involved, targets), np.searchsorted(involved, sources)
        return of_all(values[involved])[i, j]
    step = max(1, _CHUNK_ELEMENTS // values[0].size)
    parts = [slice(start, start + step) for start in range(0, len(targets), step)]
    return np.concatenate([of_each(values[targets[p]], values[sources[p]]) for p in parts])


def principal_components(X: Array, k: int) -> Array:
    """Return the first k principal directions of the rows, (k, q), padded with zeros."""
    directions = np.zeros((k, X.shape[1]))
    _, scales, components = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    tolerance = 10 * max(X.shape) * np.finfo(float).eps * np.abs(X).max()
    kept = int(np.count_nonzero(scales[:k] > tolerance))
    directions[:kept] = components[:kept]
    return directions
