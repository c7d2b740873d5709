"""Statistics per task, from which the features of pairs are computed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skmtl.affinity.featurizer.catalogue import (
    DISTANCES,
    LABELS,
    LINKS,
    REPRESENTATIONS,
    TRANSFERS,
    wants,
)
from skmtl.affinity.featurizer.components import (
    mean_directions,
    principal_components,
    task_means,
)
from skmtl.affinity.featurizer.input_matrix import encode_inputs
from skmtl.affinity.featurizer.samples import merge_identical_rows, subsample
from skmtl.affinity.featurizer.target_moments import label_codes, label_moments
from skmtl.affinity.featurizer.transfer import ridge_models, standardized
from skmtl.data import TaskSet

Array = NDArray[np.float64]


@dataclass
class PreparedTasks:
    """Statistics per task; those that no requested feature needs are empty.

    Attributes
    ----------
    sizes : ndarray of shape (T,)
        Rows of every task.
    label_means, label_deviations : ndarray of shape (T,)
        Moments of the labels.
    points : ndarray of shape (u, q)
        Distinct encoded rows, at most ``max_samples`` per task.
    members : list of T ndarrays
        Rows of every task in ``points``, with repetitions.
    means, directions : ndarray of shape (T, q)
        Mean row, and mean of rows scaled to length 1.
    components : ndarray of shape (T, k, q)
        Principal directions.
    coef : ndarray of shape (T, q)
        Ridge regression of every task.
    rows : list of T ndarrays of shape (n_t, q)
        All encoded rows of every task.
    labels : list of T ndarrays of shape (n_t,)
        Their standardized labels.
    """

    sizes: NDArray[np.intp]
    label_means: Array = field(default_factory=lambda: np.empty(0))
    label_deviations: Array = field(default_factory=lambda: np.empty(0))
    points: Array = field(default_factory=lambda: np.empty((0, 0)))
    members: list[NDArray[np.intp]] = field(default_factory=list)
    means: Array = field(default_factory=lambda: np.empty((0, 0)))
    directions: Array = field(default_factory=lambda: np.empty((0, 0)))
    components: Array = field(default_factory=lambda: np.empty((0, 0, 0)))
    coef: Array = field(default_factory=lambda: np.empty((0, 0)))
    rows: list[Array] = field(default_factory=list)
    labels: list[Array] = field(default_factory=list)


def prepare(
    tasks: TaskSet,
    wanted: tuple[str, ...],
    *,
    n_components: int,
    standardize: bool,
    max_samples: int,
    seed: int,
) -> PreparedTasks:
    """Encode the inputs of all tasks and summarize each task, in linear time."""
    found = PreparedTasks(tasks.sizes)
    if wants(wanted, LABELS):
        found.label_means, found.label_deviations = label_moments(tasks)
    if not wants(wanted, DISTANCES, REPRESENTATIONS, LINKS, TRANSFERS):
        return found
    encoded, members = encode_inputs(tasks, standardize=standardize)
    if wants(wanted, TRANSFERS):
        found.rows = [encoded[index] for index in members]
        found.labels = [standardized(y) for y in label_codes(tasks)]
        found.coef = ridge_models(found.rows, found.labels)
    if wants(wanted, DISTANCES, REPRESENTATIONS, LINKS):
        found.points, found.members = merge_identical_rows(
            encoded, subsample(members, tasks.names, max_samples, seed)
        )
    if "mean_gap" in wanted:
        found.means = task_means(found.points, found.members)
    if "cosine_similarity" in wanted:
        found.directions = mean_directions(found.points, found.members)
    if "pca_alignment" in wanted:
        k = min(n_components, found.points.shape[1])
        found.components = np.stack(
            [principal_components(found.points[index], k) for index in found.members]
        )
    return found
