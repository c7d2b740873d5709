"""GRAD-TAE: regressions on projected gradients approximate training on random task subsets."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmtl._sklearn_compat import Interval
from skmtl.affinity.affinity_estimator import (
    AffinityEstimator,
    affinity_table,
    network_and_seed,
)
from skmtl.affinity.joint import JointNetworks, Sample, stacked
from skmtl.affinity.random_groups import random_groups
from skmtl.affinity.sample_gradients import Projection, projected_gradients
from skmtl.affinity.subset_regression import TaskRows, fit_subsets, task_losses
from skmtl.affinity.tagging import average_known, relative_decrease
from skmtl.base import Curvature
from skmtl.data import TaskSet
from skmtl.network import numeric_mode

# Default mean number of subsets that contain a given pair; largest subset.
_MEETINGS, _LARGEST_SUBSET = 10, 10


class GradientTaskAffinity(AffinityEstimator):
    r"""Gradient-based task affinity (GRAD-TAE): regressions on gradients instead of training.

    Near the parameters :math:`\theta^*` of a joint network, its scores are approximately linear.
    Let :math:`g(x)` be the gradient of a row's score with respect to the parameters, and P a random
    projection to d dimensions. After fine-tuning on a subset S of the tasks, the score is
    approximately

    .. math::

        f(x; \theta^*) + g(x)^\top P \beta_S, \qquad
        \beta_S = \arg\min_\beta \frac{1}{|S|} \sum_{t \in S} L_t(\beta)
        + \frac{\alpha}{2} \lVert \beta \rVert^2,

    which is a ridge regression for squared errors and a logistic regression for classes [1]_. The
    affinity is the relative reduction of the target's test loss, on average over random subsets
    that contain target and source, from that of the target only:

    .. math:: A_{ij} = 1 - \frac{\operatorname{mean}_{S \ni i, j} L_i(\beta_S)}{L_i(\beta_{\{i\}})}

    Parameters
    ----------
    estimator : MultiTaskRegressor, MultiTaskClassifier or None, default=None
        Joint network; None = default settings for the kind of the tasks.
    n_dimensions : int, default=200
        Number of dimensions d of the projected gradients.
    n_subsets : int or None, default=None
        Number of random subsets; None = as many as needed for ten subsets per pair, on average.
        Subsets are added until each pair is in at least one.
    subset_size : int or None, default=None
        Number of tasks per subset; None = ten, at most half of the tasks.
    alpha : float, default=0.01
        Penalty, for gradients scaled to a mean squared length of 1.
    test_size : float, default=0.3
        Fraction of each task's rows on which losses are computed; neither the network nor the
        regressions are fitted to them.
    max_samples : int or None, default=256
        Maximum number of training rows per task in the regressions; None = all.
    n_repeats : int, default=1
        Number of networks, with different seeds and validation rows, whose affinities are averaged.
    random_state : int, RandomState or None, default=None
        Seed of networks, subsets and projections.

    Attributes
    ----------
    affinity_ : DataFrame of shape (T, T)
        Affinities, row = target, column = source; larger = helps more; diagonal 0.
    subsets_ : ndarray of bool of shape (n_subsets, T)
        Membership of the random subsets.
    task_names_ : list of str
        Task names.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet.
    ValueError
        From ``fit``, if there are fewer than two tasks, if the kind of the estimator differs from
        that of the tasks or it has no hidden layer, or if a task has fewer than 2 rows.

    Warns
    -----
    UserWarning
        If the loss of a task is zero, so that no effect can be measured: its row is NaN.
    ConvergenceWarning
        If regressions have not converged.

    Notes
    -----
    Comparison with the published code:

    - As there, gradients are those of the scores, not of the losses, per row, for trunk and heads,
      and the entries of P are :math:`\pm 1/\sqrt d`.
    - The score at :math:`\theta^*` is an offset of the regressions, as in the paper; the code drops
      it.
    - The code loads :math:`\theta^* + P \beta_S` into the network and evaluates it; here, the
      linear model is evaluated.
    - The code pools rows; here, all tasks of a subset have equal weight, as in the networks.
    - The published table contains mean losses, negated and standardized per target. Here, losses
      are compared with that of the target only, so that larger is better and 0 means no help, as
      for measured gains. The order of the sources of a target is the same.

    References
    ----------
    .. [1] Li, Sharma and Zhang, "Scalable multitask learning using gradient-based estimation of
       task affinity", KDD 2024.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import GradientTaskAffinity
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> GradientTaskAffinity(MultiTaskRegressor(max_iter=10), n_dimensions=20, random_state=0).fit(
    ...     tasks
    ... ).affinity_.shape
    (4, 4)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AffinityEstimator._parameter_constraints,
        "n_dimensions": [Interval(Integral, 1, None, closed="left")],
        "n_subsets": [Interval(Integral, 1, None, closed="left"), None],
        "subset_size": [Interval(Integral, 2, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_dimensions: int = 200,
        n_subsets: int | None = None,
        subset_size: int | None = None,
        alpha: float = 0.01,
        test_size: float = 0.3,
        max_samples: int | None = 256,
        n_repeats: int = 1,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.n_dimensions = n_dimensions
        self.n_subsets = n_subsets
        self.subset_size = subset_size
        self.alpha = alpha
        self.test_size = test_size
        self.max_samples = max_samples
        self.n_repeats = n_repeats
        self.random_state = random_state

    def fit(self, tasks: TaskSet) -> GradientTaskAffinity:
        """Train the joint network and fit the regressions.

        Parameters
        ----------
        tasks : TaskSet
            Tasks with their training rows.

        Returns
        -------
        GradientTaskAffinity
            The fitted estimator.
        """
        estimator, seed = network_and_seed(self, tasks)
        self.task_names_ = tasks.names
        joint = JointNetworks(
            estimator, tasks, int(self.n_repeats), seed, test_size=float(self.test_size)
        )
        curvature = _curvature(joint)
        self.subsets_ = self._draw(tasks.names, seed)
        trained = joint.train(lambda k, parameters: None, every=estimator.max_iter)
        tables = []
        with numeric_mode(torch.get_num_threads()):
            for k, member in enumerate(trained):
                projection = Projection(joint, int(self.n_dimensions), seed + k)
                samples = joint.training_sample(k, self.max_samples), joint.test_sample()
                fitting, testing = (
                    _task_rows(joint, stacked(member), sample, projection) for sample in samples
                )
                tables.append(self._affinity(joint, curvature, *_scaled(fitting, testing)))
        self.affinity_ = affinity_table(average_known(tables, tasks.names), tasks.names)
        return self

    def _draw(self, names: list[str], seed: int) -> NDArray[np.bool_]:
        n_tasks = len(names)
        size = (
            max(2, min(_LARGEST_SUBSET, n_tasks // 2))
            if self.subset_size is None
            else min(int(self.subset_size), n_tasks)
        )
        needed = -(-_MEETINGS * n_tasks * (n_tasks - 1) // (size * (size - 1)))
        return random_groups(
            names,
            size,
            needed if self.n_subsets is None else int(self.n_subsets),
            seed,
            cover_pairs=True,
        )

    def _affinity(
        self, joint: JointNetworks, curvature: Curvature, fitting: TaskRows, testing: TaskRows
    ) -> NDArray[np.float64]:
        """Return the affinities of one network."""
        n_tasks = len(joint.names)
        sets = torch.as_tensor(np.concatenate([np.eye(n_tasks, dtype=bool), self.subsets_]))
        coefficients = fit_subsets(fitting, sets, float(self.alpha), curvature, joint.losses)
        losses = task_losses(testing, coefficients, joint.losses).numpy()
        alone, together = losses[:n_tasks].diagonal(), losses[n_tasks:]
        inside = self.subsets_.astype(np.float64)
        mean_loss = (together * inside).T @ inside / (inside.T @ inside)
        return relative_decrease(alone[:, None], mean_loss)


def _curvature(joint: JointNetworks) -> Curvature:
    targets = joint.problem.targets
    curvature = targets.loss.curvature(targets.n_outputs)
    if curvature is None:
        raise ValueError(
            f"GradientTaskAffinity needs a bound of the second derivative of the loss, but "
            f"{targets.loss!r} has none. Define curvature(n_scores) in "
            f"{type(targets.loss).__name__}, or set another loss."
        )
    return curvature


def _task_rows(
    joint: JointNetworks, parameters: list[Tensor], sample: Sample, projection: Projection
) -> TaskRows:
    scores, gradients = projected_gradients(joint, parameters, sample, projection)
    return TaskRows(scores, gradients, sample.labels[0], sample.weights[0])


def _scaled(fitting: TaskRows, testing: TaskRows) -> tuple[TaskRows, TaskRows]:
    """Scale all gradients so that those of the fit have a mean squared length of 1."""
    lengths = (fitting.features**2).sum(3).mean(2)
    scale = ((lengths * fitting.weights).sum() / len(fitting.labels)).sqrt()
    first, second = (
        TaskRows(rows.offset, rows.features / scale, rows.labels, rows.weights)
        for rows in (fitting, testing)
    )
    return first, second
