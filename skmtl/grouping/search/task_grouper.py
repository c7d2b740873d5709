"""Estimator that turns a matrix of pairwise gains into task groups."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.validation import validate_data
from threadpoolctl import threadpool_limits

from skmtl.affinity import PairwiseGains
from skmtl.data import shown_value
from skmtl.grouping.search.beam import beam_groups
from skmtl.grouping.search.exhaustive import exhaustive_groups
from skmtl.grouping.search.gain_matrix import as_matrix, axis_labels, check_size
from skmtl.grouping.search.published import published_groups
from skmtl.grouping.search.score import serve
from skmtl.grouping.search.sdp import sdp_groups
from skmtl.grouping.search.selection import RULES
from skmtl.grouping.search.spectral import spectral_groups
from skmtl.support import DocLinks, VersionedState

METHODS = ("beam", "sdp", "exhaustive", "spectral", *RULES)


class TaskGrouper(VersionedState, DocLinks, ClusterMixin, BaseEstimator):
    r"""Clustering of tasks into groups that are trained together, given the gains of task pairs.

    The predicted gain of a task in a group is the mean of its gains from the other tasks of the
    group [1]_,

    .. math::

        \hat g_{G \to i} = \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} A_{ij}, \qquad
        \hat g_{\{i\} \to i} = 0.

    Each task is served by the group in which its predicted gain is largest. The search maximizes
    the total predicted gain over all tasks. Each task is in at least one group.

    Parameters
    ----------
    method : {"beam", "sdp", "exhaustive", "spectral", "tag", "standley", "mtgnet"}, default="beam"
        - "beam": beam search for candidate groups, then a greedy choice among them and local search
          [2]_. Groups may overlap.
        - "exhaustive": the optimal set of groups, for at most 15 tasks. Groups may overlap.
        - "sdp": semidefinite relaxation, rounded to a partition into exactly `n_groups` groups
          [3]_.
        - "spectral": spectral clustering of the symmetrized gains, shifted to be non-negative. The
          groups are a partition.
        - "tag", "standley", "mtgnet": published rules that select from a table of candidate groups,
          see :func:`~skmtl.grouping.select_groups`. The table contains all groups ("tag" and
          "standley", at most 10 tasks), or single tasks, the group of all tasks and the groups of a
          beam search ("mtgnet"). Groups may overlap.
    n_groups : int, float or None, default=None
        Number of groups. "sdp" and "spectral" return exactly this number. For the other methods it
        is a budget: they return fewer groups if one more does not increase the total gain. For
        "standley" it is a multiple of 0.5, the cost of a group of one task. None chooses the number
        with the largest total gain, up to one group per task if groups may overlap (see Notes).
    max_group_size : int or None, default=None
        Largest number of tasks in a group; None = no limit. Must be None for "sdp" and "spectral".
    beam_width : int, default=10
        Number of groups that the beam of each task keeps at each size, for "beam" and "mtgnet".
        Larger values are slower and find better groups.
    max_candidates : int, default=50_000
        Maximum number of candidate groups of at least two tasks, for "beam" and "mtgnet".
    singletons : bool, default=False
        For "tag": whether groups of one task may be selected.
    affinity : "precomputed" or callable, default="precomputed"
        "precomputed": `fit` receives the matrix of gains. A callable computes the (T, T) matrix of
        gains from the input of `fit`, (T, p) with one row per task.
    random_state : int, RandomState instance or None, default=None
        Seed of the random moves of the local search and of spectral clustering. None is the same as
        0, so that results are reproducible; pass a RandomState instance for varying results.

    Attributes
    ----------
    labels_ : ndarray of shape (T,)
        Index in `groups_` of the group that serves the task.
    groups_ : list of tuples
        Tasks of each group: names if `fit` received names (a PairwiseGains, or a DataFrame with
        labels), otherwise positions. Groups are sorted by their tasks, and each serves at least one
        task.
    predicted_gain_ : ndarray of shape (T,)
        Predicted gain of the task in the group that serves it.
    total_gain_ : float
        Sum of `predicted_gain_`.
    n_groups_ : int
        Number of groups.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if `fit` received a DataFrame with string names.

    Warns
    -----
    ConvergenceWarning
        If a solver of the relaxation fails or is inaccurate; the warning names the replacement.

    Notes
    -----
    An average of pair gains is never larger than the best pair gain. With overlapping groups and no
    limit on their number, it is therefore optimal to pair each task with its best partner. With
    `n_groups=None`, "beam" and "exhaustive" return larger groups only where gains are equal (up to
    1e-9 of the largest absolute gain), because ties go to fewer groups. To train fewer networks,
    set `n_groups`.

    For a given budget, the optimum is a partition of the tasks into sets, each served by the best
    group that contains the set; that group follows from sorting sums of gains. "exhaustive" finds
    the partition by dynamic programming over subsets. "beam" finds it by local search, which moves
    and swaps tasks between sets. The search published with [2]_ adds rows of a table of candidates
    greedily from five starts, without exchanges.

    References
    ----------
    .. [1] "Task affinity from data divergence", equation (15) and appendix A.6; after Standley et
       al., "Which tasks should be learned together in multi-task learning?", ICML 2020.
    .. [2] Song et al., "Efficient and effective multi-task grouping via meta learning on task
       combinations", NeurIPS 2022.
    .. [3] Li, Sharma and Zhang, "Scalable multitask learning using gradient-based estimation of
       task affinity", KDD 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import TaskGrouper
    >>> A = np.full((5, 5), -0.2)
    >>> A[:3, :3], A[3:, 3:] = 0.3, 0.1
    >>> grouper = TaskGrouper().fit(A)
    >>> grouper.groups_, grouper.labels_
    ([(0, 1, 2), (3, 4)], array([0, 0, 0, 1, 1]))
    >>> round(grouper.total_gain_, 2)
    1.1
    """

    def __init__(
        self,
        method: str = "beam",
        *,
        n_groups: float | None = None,
        max_group_size: int | None = None,
        beam_width: int = 10,
        max_candidates: int = 50_000,
        singletons: bool = False,
        affinity: Any = "precomputed",
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.n_groups = n_groups
        self.max_group_size = max_group_size
        self.beam_width = beam_width
        self.max_candidates = max_candidates
        self.singletons = singletons
        self.affinity = affinity
        self.random_state = random_state

    def fit(self, A: Any, y: Any = None) -> TaskGrouper:
        """Find the groups.

        Parameters
        ----------
        A : array-like or DataFrame of shape (T, T), or PairwiseGains
            Entry [i, j] is the gain of task i when trained with task j. The diagonal is ignored.
            The labels of a DataFrame are the task names. Of a PairwiseGains, ``matrix`` is used, so
            all pairs must have been measured. With a callable `affinity`, A is the input of the
            callable: (T, p), one row per task.
        y : None
            Ignored.

        Returns
        -------
        TaskGrouper
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, if `A` is not square or has a missing, masked, infinite
            or huge (above 1e100) gain off the diagonal, if its labels are not unique, or if the
            tasks do not fit into `n_groups` groups of at most `max_group_size` tasks.
        TypeError
            If `A` is a TaskSet or not a matrix.
        """
        self._check_parameters()
        gains, names = self._read_gains(A)
        n_tasks = len(gains)
        size = n_tasks if self.max_group_size is None else min(int(self.max_group_size), n_tasks)
        self._check_capacity(n_tasks, size)
        scaled = gains / (np.abs(gains).max() or 1.0)
        rng = check_random_state(0 if self.random_state is None else self.random_state)
        with threadpool_limits(
            limits=1, user_api="blas"
        ):  # the matrices are small: threads would only wait for each other
            found = self._search(scaled, size, rng)
        groups, self.labels_, self.predicted_gain_ = serve(gains, found)
        self.groups_ = [tuple(names[t] for t in np.flatnonzero(group)) for group in groups]
        self.total_gain_ = float(self.predicted_gain_.sum())
        self.n_groups_ = len(self.groups_)
        return self

    def fit_predict(self, A: Any, y: Any = None) -> NDArray[np.intp]:
        """Find the groups and return the one that serves each task.

        Parameters
        ----------
        A : array-like or DataFrame of shape (T, T)
            As in :meth:`fit`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (T,)
            `labels_`.
        """
        return self.fit(A).labels_

    def _search(
        self, gains: NDArray[np.float64], size: int, rng: np.random.RandomState
    ) -> NDArray[np.bool_]:
        """Return the membership of the groups that the method finds."""
        width, most = int(self.beam_width), int(self.max_candidates)
        if self.method in RULES:
            return published_groups(
                gains, self.method, self.n_groups, size, width, most, bool(self.singletons)
            )
        n_groups = None if self.n_groups is None else int(self.n_groups)
        if self.method == "beam":
            return beam_groups(gains, n_groups, size, width, most, rng)
        if self.method == "exhaustive":
            return exhaustive_groups(gains, n_groups, size)
        return (
            sdp_groups(gains, n_groups, rng)
            if self.method == "sdp"
            else spectral_groups(gains, n_groups, rng)
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = isinstance(self.affinity, str) and self.affinity == "precomputed"
        return tags

    def _check_parameters(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                _refusal("method", f"one of {', '.join(map(repr, METHODS))}", self.method)
            )
        if not (
            callable(self.affinity)
            or (isinstance(self.affinity, str) and self.affinity == "precomputed")
        ):
            raise ValueError(_refusal("affinity", "'precomputed' or a callable", self.affinity))
        for name, may_be_none in (
            ("n_groups", True),
            ("max_group_size", True),
            ("beam_width", False),
            ("max_candidates", False),
        ):
            value = getattr(self, name)
            if (value is None and may_be_none) or (
                name == "n_groups" and self.method == "standley" and _is_half_step(value)
            ):
                continue
            if (
                not isinstance(value, numbers.Integral)
                or isinstance(value, (bool, np.bool_))
                or value < 1
            ):
                raise ValueError(
                    _refusal(
                        name,
                        "an int in the range [1, inf)" + (" or None" if may_be_none else ""),
                        value,
                    )
                )
        if self.max_group_size is not None and self.method in ("sdp", "spectral"):
            raise ValueError(
                "The 'max_group_size' parameter of TaskGrouper must be None with "
                f"method={self.method!r}. Got {self.max_group_size!r} instead."
            )

    def _check_capacity(self, n_tasks: int, size: int) -> None:
        if self.n_groups is None:
            return
        if self.n_groups > n_tasks:
            raise ValueError(
                _refusal(
                    "n_groups", f"at most the number of tasks, n_samples={n_tasks}", self.n_groups
                )
            )
        if self.method != "standley" and self.n_groups * size < n_tasks:
            raise ValueError(
                f"{n_tasks} tasks do not fit into n_groups={self.n_groups} groups of at most "
                f"max_group_size={size}. Raise one of the two."
            )

    def _read_gains(self, A: Any) -> tuple[NDArray[np.float64], list[Any]]:
        """Return the gains with a diagonal of 0, and the task names."""
        hint = ""
        if callable(self.affinity):
            rows = validate_data(self, A, dtype=np.float64)
            gains = np.array(self.affinity(rows), dtype=np.float64)
            if gains.shape != (len(rows), len(rows)):
                raise ValueError(
                    "The callable 'affinity' must return an array of shape "
                    f"{(len(rows), len(rows))}. Got shape {gains.shape} instead."
                )
            names = axis_labels(A.index) if isinstance(A, pd.DataFrame) else None
        else:
            if isinstance(A, PairwiseGains):
                A = A.matrix
                hint = (
                    " Predict the pairs that were not measured with predict_affinity(tasks, gains)."
                )
            A, names = as_matrix(A)
            gains = np.array(validate_data(self, A, dtype=np.float64, ensure_all_finite=False))
            if gains.shape[0] != gains.shape[1]:
                assert_all_finite(gains, estimator_name="TaskGrouper", input_name="A")
                raise ValueError(
                    "A must be a square matrix of pairwise gains, one row and one column per task. "
                    f"Got shape {gains.shape} instead."
                )
        names = list(range(len(gains))) if names is None else names
        np.fill_diagonal(gains, 0.0)
        bad = np.argwhere(~np.isfinite(gains))
        if len(bad):
            row, column = bad[0]
            what = "NaN" if np.isnan(gains[row, column]) else "infinity"
            raise ValueError(
                f"A contains {what} as the gain of task {shown_value(names[row])} when trained "
                f"with task {shown_value(names[column])} ({len(bad)} such pairs). All gains must "
                f"be finite.{hint}"
            )
        check_size(gains, names)
        return gains, names


def _refusal(name: str, allowed: str, value: Any) -> str:
    return f"The {name!r} parameter of TaskGrouper must be {allowed}. Got {value!r} instead."


def _is_half_step(value: Any) -> bool:
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and float(value) >= 0.5
        and float(2 * value).is_integer()
    )
