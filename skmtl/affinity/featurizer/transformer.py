"""Transformer from pairs of task names to features of their data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skmtl.affinity.featurizer import catalogue
from skmtl.affinity.featurizer.checks import (
    check_features,
    check_flag,
    check_pairs,
    check_positive_integer,
    check_single_losses,
    check_tasks,
)
from skmtl.affinity.featurizer.components import (
    cosine_similarities,
    mean_gaps,
    pca_alignments,
)
from skmtl.affinity.featurizer.measured import MeasuredPairs
from skmtl.affinity.featurizer.prepared import prepare
from skmtl.affinity.featurizer.transfer import transfer_features
from skmtl.data import TaskSet
from skmtl.support import DocLinks, VersionedState


class TaskRelationFeaturizer(VersionedState, DocLinks, TransformerMixin, BaseEstimator):
    r"""Features of task pairs that describe how the data of two tasks are related.

    No network is trained. The features are those of [1]_, section 3.1. For target i and source j,
    let :math:`n_i` be the number of rows of task i, :math:`d_{ij}` the mean Euclidean distance
    between rows of tasks i and j, and :math:`d_i = d_{ii}`:

    =========================== ================================================================
    name                        value, and equation of the paper
    =========================== ================================================================
    ``data_size``               :math:`n_i + n_j`, equation (4)
    ``data_ratio_target``       :math:`n_i / (n_i + n_j)`, equation (4)
    ``data_ratio_source``       :math:`n_j / (n_i + n_j)`, equation (4)
    ``size_gap``                :math:`|n_i - n_j| / (n_i + n_j)`, equation (5)
    ``intra_distance_target``   :math:`d_i`, equation (6)
    ``intra_distance_source``   :math:`d_j`, equation (6)
    ``cross_distance``          :math:`d_{ij}`, equation (7)
    ``intra_distance_gap``      :math:`|d_i - d_j| / (d_i + d_j)`, equation (7) ff.
    ``cross_distance_ratio``    :math:`d_{ij} / \sqrt{d_i d_j}`, equation (7) ff.
    ``cross_distance_fraction`` :math:`d_{ij} / (d_i + d_j)`, equation (7) ff.
    ``energy_distance``         :math:`2 d_{ij} - d_i - d_j`, equation (8)
    ``mean_gap``                distance of the mean rows, equation (9)
    ``cosine_similarity``       mean cosine of a row of i and a row of j, equation (10)
    ``pca_alignment``           mean absolute cosine of principal components of the same order,
                                equation (11)
    ``rank_divergence``         mean over columns of the absolute gap of mean ranks, over
                                :math:`n_i + n_j`, equation (12)
    ``cross_link_ratio``        share of edges between tasks in the nearest-neighbor graph of
                                both, equation (13)
    ``label_std_target``        standard deviation of the target's labels
    ``label_std_source``        standard deviation of the source's labels
    ``label_mean_gap``          absolute difference of the mean labels
    =========================== ================================================================

    These are the features "all". "extended" adds features of the ridge regressions of the two
    tasks; the first and third are computed on the rows of the target, the second and fourth on
    those of the source:

    =========================== ================================================================
    name                        value
    =========================== ================================================================
    ``transfer_to_target``      correlation of the source's model with the target's labels
    ``transfer_to_source``      correlation of the target's model with the source's labels
    ``agreement_on_target``     correlation of both models
    ``agreement_on_source``     correlation of both models
    ``coefficient_cosine``      cosine of their coefficients
    =========================== ================================================================

    Only features whose names end in ``_target`` or ``_source`` differ between the two directions of
    a pair.

    Parameters
    ----------
    tasks : TaskSet
        Tasks with their training rows only, because label features use the targets.
    features : "all", "extended" or list of str, default="all"
        Names from the tables; the columns come in this order. The list may be empty if
        ``task_indicators=True``.
    task_indicators : bool, default=False
        Append 2T columns of 0 and 1, ``target=<name>`` for all tasks and then ``source=<name>``.
    single_losses : Series or dict of str to float, default=None
        Single-task test loss by task name, as measured together with gains. Appends the column
        ``single_loss_target`` before the indicators: the logarithm of the target's loss, or the
        mean logarithm if it is not given.
    n_components : int, default=3
        Number of principal components that ``pca_alignment`` compares; a pair uses at most min(n_i,
        n_j, number of encoded columns).
    n_neighbors : int, default=5
        Neighbors of a row in the graph of ``cross_link_ratio``; a pair uses at most n_i + n_j - 1.
    standardize : bool, default=True
        Scale the encoded columns to mean 0 and standard deviation 1 over the rows of all tasks;
        constant columns become 0. False = no scaling.
    max_samples : int, default=2000
        Maximum number of rows per task, drawn without replacement, from which input features are
        computed. Sizes and label features use all rows.
    random_state : int, RandomState or None, default=None
        Seed of this draw. With an int, the draw of a task depends only on its name and the seed.

    Attributes
    ----------
    task_names_ : list of str
        Task names.
    feature_names_ : tuple of str
        Names of the features, without the indicators.
    task_indicators_ : bool
        Whether indicators of target and source are appended.
    single_log_losses_ : ndarray of shape (T,) or None
        Values of ``single_loss_target``.
    n_features_in_ : int
        2, the columns of X in ``transform``.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet or a parameter has the wrong type.
    ValueError
        From ``fit``, if a parameter is out of range, a feature is unknown or an input is infinite.
        From ``transform``, if X is not of shape (m, 2), names an unknown task or pairs a task with
        itself.

    See Also
    --------
    skmtl.TaskSet.pairs : All ordered pairs of names.

    Notes
    -----
    Choices that the paper leaves open, and deviations from it:

    - Columns of dtype bool, category, string and object are one-hot encoded, and missing numbers
      are replaced by the mean over all tasks, before all other steps.
    - Distances are V-statistics: the distance 0 of a row to itself counts. The energy distance is
      therefore never negative, and it is 0 for two tasks with the same rows.
    - Quotients are 0 if their denominator is 0, that is, if all rows of a task (for the ratio) or
      of both tasks are the same. Otherwise, ``cross_distance_ratio`` is at least 1 and
      ``cross_distance_fraction`` at least 1/2, so that 0 is unambiguous.
    - ``cosine_similarity``: a row of zeros has no direction and contributes 0.
    - ``pca_alignment``: each task is centered separately; a component without variance contributes
      0.
    - ``rank_divergence``: eq. (12) grows with the number of rows and is therefore divided by n_i +
      n_j; ties have their mean rank. The feature is the mean over encoded columns of \|AUC - 1/2\|,
      where AUC is the area under the ROC curve, and lies between 0 and 1/2.
    - ``cross_link_ratio``: edges are directed. Each row has k edges, none to itself. Tied rows
      (squared distances within 1e-9 of each other) share the remaining places equally, which is the
      expectation over random tie-breaking, so that the order of rows does not matter.
    - Classes are coded by their position in the sorted union of all tasks' classes: 0 and 1 if
      there are two. The ridge regressions of "extended" are fitted to these numbers, standardized
      within the task, with the penalty of smallest leave-one-out error.
    - The paper computes input features from training and test data and label features from training
      data. Here, both use the same rows.
    - For large tasks, the paper draws a random subset of *pairs of rows*; here, rows are drawn
      (``max_samples``), because other features need rows.

    ``fit`` takes linear time in rows and tasks. ``transform`` computes the requested pairs: one
    pair needs :math:`O((n_i + n_j)^2)` distances. If most pairs of the tasks are requested, the
    distances of all rows are computed once, O(u * n) for n rows of which u are distinct. Memory is
    proportional to the numbers of rows and pairs.

    References
    ----------
    .. [1] "Identification of task affinity for multi-task learning based on divergence of task
       data", ICLR 2026 submission, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TaskRelationFeaturizer, TaskSet
    >>> tasks = TaskSet.from_long(
    ...     X=[[0.0], [2.0], [1.0], [3.0], [5.0]],
    ...     y=[0.0, 1.0, 1.0, 2.0, 3.0],
    ...     task=["a", "a", "b", "b", "b"],
    ... )
    >>> featurizer = TaskRelationFeaturizer(
    ...     tasks,
    ...     features=["data_size", "data_ratio_target", "cross_distance", "rank_divergence"],
    ...     standardize=False,
    ... )
    >>> featurizer.fit_transform([["a", "b"], ["b", "a"]]).round(3)
    array([[5.   , 0.4  , 2.333, 0.333],
           [5.   , 0.6  , 2.333, 0.333]])
    >>> featurizer.set_output(transform="pandas").transform(tasks.pairs()).columns.tolist()
    ['data_size', 'data_ratio_target', 'cross_distance', 'rank_divergence']
    """

    def __init__(
        self,
        tasks: TaskSet,
        *,
        features: Any = "all",
        task_indicators: bool = False,
        single_losses: Any = None,
        n_components: int = 3,
        n_neighbors: int = 5,
        standardize: bool = True,
        max_samples: int = 2000,
        random_state: Any = None,
    ):
        self.tasks = tasks
        self.features = features
        self.task_indicators = task_indicators
        self.single_losses = single_losses
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.standardize = standardize
        self.max_samples = max_samples
        self.random_state = random_state

    def fit(self, X: Any = None, y: Any = None) -> TaskRelationFeaturizer:
        """Encode the inputs and compute statistics per task.

        Parameters
        ----------
        X, y : ignored
            Pairs and their gains, as passed by a Pipeline. The features depend only on ``tasks``.

        Returns
        -------
        TaskRelationFeaturizer
            The fitted transformer.
        """
        wanted = self._check_parameters()
        self.task_names_ = list(self.tasks.names)
        self.single_log_losses_ = (
            None
            if self.single_losses is None
            else check_single_losses(self.single_losses, self.task_names_)
        )
        self.feature_names_ = wanted
        self._prepared = prepare(
            self.tasks,
            wanted,
            n_components=int(self.n_components),
            standardize=bool(self.standardize),
            max_samples=int(self.max_samples),
            seed=int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)),
        )
        self._measured = MeasuredPairs(
            len(self.tasks),
            int(self.n_neighbors) if "cross_link_ratio" in wanted else None,
            distances=catalogue.wants(wanted, catalogue.DISTANCES),
            ranks="rank_divergence" in wanted,
        )
        self.task_indicators_ = bool(self.task_indicators)
        self.n_features_in_ = 2
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Compute the features of task pairs.

        Distances, neighbor graphs and rank divergences are cached for later calls.

        Parameters
        ----------
        X : array-like or DataFrame of shape (m, 2)
            Names of tasks, target then source.

        Returns
        -------
        ndarray of shape (m, F)
            Features in the order of :meth:`get_feature_names_out`.
        """
        check_is_fitted(self)
        targets, sources = check_pairs(X, self.task_names_)
        found = self._pair_features(targets, sources)
        columns = [found[name][:, None] for name in self.feature_names_]
        if self.single_log_losses_ is not None:
            columns.append(self.single_log_losses_[targets][:, None])
        if self.task_indicators_:
            one = np.eye(len(self.task_names_))
            columns += [one[targets], one[sources]]
        return np.concatenate(columns, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns of ``transform``.

        Parameters
        ----------
        input_features : ignored
            Names of the two columns of X.

        Returns
        -------
        ndarray of str of shape (F,)
            Features, then indicators.
        """
        check_is_fitted(self)
        indicators = (
            [f"{side}={name}" for side in ("target", "source") for name in self.task_names_]
            if self.task_indicators_
            else []
        )
        losses = [] if self.single_log_losses_ is None else ["single_loss_target"]
        return np.array([*self.feature_names_, *losses, *indicators], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _check_parameters(self) -> tuple[str, ...]:
        check_tasks(self.tasks)
        for what in ("n_components", "n_neighbors", "max_samples"):
            check_positive_integer(getattr(self, what), what)
        for what in ("task_indicators", "standardize"):
            check_flag(getattr(self, what), what)
        wanted = check_features(self.features)
        if not wanted and not self.task_indicators:
            raise ValueError(
                "The 'features' parameter of TaskRelationFeaturizer must not be empty unless "
                "task_indicators=True."
            )
        return wanted

    def _pair_features(
        self, targets: NDArray[np.intp], sources: NDArray[np.intp]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the requested features of pairs, each (m,), and those computed along with them."""
        wanted, tasks = self.feature_names_, self._prepared
        found = catalogue.size_features(tasks.sizes[targets], tasks.sizes[sources])
        if catalogue.wants(wanted, catalogue.LABELS):
            found |= catalogue.label_features(
                tasks.label_means, tasks.label_deviations, targets, sources
            )
        if catalogue.wants(wanted, catalogue.TRANSFERS):
            found |= transfer_features(tasks.coef, tasks.rows, tasks.labels, targets, sources)
        if "mean_gap" in wanted:
            found["mean_gap"] = mean_gaps(tasks.means, targets, sources)
        if "cosine_similarity" in wanted:
            found["cosine_similarity"] = cosine_similarities(tasks.directions, targets, sources)
        if "pca_alignment" in wanted:
            sizes = np.array([len(index) for index in tasks.members], dtype=np.intp)
            found["pca_alignment"] = pca_alignments(tasks.components, sizes, targets, sources)
        if catalogue.wants(wanted, catalogue.DISTANCES, catalogue.LINKS, ("rank_divergence",)):
            measured = self._measured.of(tasks.points, tasks.members, targets, sources)
            found |= catalogue.distance_features(*measured[:, :3].T)
            found["cross_link_ratio"], found["rank_divergence"] = measured[:, 3:].T
        return found
