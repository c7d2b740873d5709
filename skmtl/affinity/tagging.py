"""TAG: effect of a gradient step on one task on the losses of the others."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skmtl._sklearn_compat import Interval
from skmtl.affinity.affinity_estimator import (
    AffinityEstimator,
    affinity_table,
    network_and_seed,
)
from skmtl.affinity.joint import JointNetworks
from skmtl.affinity.shown_names import listed
from skmtl.data import TaskSet


class TaggingAffinity(AffinityEstimator):
    r"""Inter-task affinity of TAG: relative change of a task's loss after a step on another task.

    .. math::

        Z_{j \to i} = 1 - \frac{L_i(\theta_s - \eta \nabla_{\theta_s} L_j, \theta_i)}
        {L_i(\theta_s, \theta_i)}

    averaged over the training of a joint network [1]_. The step changes only the trunk
    :math:`\theta_s`, not the heads :math:`\theta_i`. Both losses are computed on the rows of the
    gradient.

    Parameters
    ----------
    estimator : MultiTaskRegressor, MultiTaskClassifier or None, default=None
        Joint network; None = default settings for the kind of the tasks.
    learning_rate : float or None, default=None
        Learning rate :math:`\eta` of the step; None = the estimator's ``learning_rate_init``.
    every : int, default=1
        Epochs between two look-aheads.
    max_samples : int or None, default=256
        Maximum number of training rows per task in a look-ahead, drawn anew each time; None = all.
    n_repeats : int, default=1
        Number of networks, with different seeds and validation rows, whose affinities are averaged.
    random_state : int, RandomState or None, default=None
        Seed of networks and rows.

    Attributes
    ----------
    affinity_ : DataFrame of shape (T, T)
        Affinities, row = target, column = source of the step; larger = helps more; diagonal 0.
    n_look_aheads_ : int
        Number of look-aheads that were averaged.
    task_names_ : list of str
        Task names.

    Raises
    ------
    TypeError
        From ``fit``, if ``tasks`` is not a TaskSet.
    ValueError
        From ``fit``, if there are fewer than two tasks, or if the kind of the estimator differs
        from that of the tasks or it has no hidden layer.

    Warns
    -----
    UserWarning
        If the loss of a task is zero, so that no effect can be measured: its row is NaN.

    See Also
    --------
    EnsembleAffinity : First-order effect of an update, fitted to measured gains.

    Notes
    -----
    The published code looks ahead at each step and averages over the epochs up to the one that
    early stopping selects. Here, look-aheads are made every ``every`` epochs if the parameters are
    the best so far (those that early stopping would keep), which costs much less. The step is a
    plain gradient step, regardless of the solver; the published one includes momentum. All
    look-aheads of an epoch are evaluated in one batch of networks.

    References
    ----------
    .. [1] Fifty et al., "Efficiently identifying task groupings for multi-task learning", NeurIPS
       2021, equation (1).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.affinity import TaggingAffinity
    >>> from skmtl.datasets import make_grouped_tasks
    >>> tasks = make_grouped_tasks(n_tasks=4, n_groups=2, random_state=0).task_set
    >>> TaggingAffinity(MultiTaskRegressor(max_iter=10), random_state=0).fit(tasks).affinity_.shape
    (4, 4)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AffinityEstimator._parameter_constraints,
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "every": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        learning_rate: float | None = None,
        every: int = 1,
        max_samples: int | None = 256,
        n_repeats: int = 1,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.learning_rate = learning_rate
        self.every = every
        self.max_samples = max_samples
        self.n_repeats = n_repeats
        self.random_state = random_state

    def fit(self, tasks: TaskSet) -> TaggingAffinity:
        """Train the joint network and measure the look-aheads.

        Parameters
        ----------
        tasks : TaskSet
            Tasks with their training rows.

        Returns
        -------
        TaggingAffinity
            The fitted estimator.
        """
        estimator, seed = network_and_seed(self, tasks)
        self.task_names_ = tasks.names
        joint = JointNetworks(estimator, tasks, int(self.n_repeats), seed)
        rate = float(
            estimator.learning_rate_init if self.learning_rate is None else self.learning_rate
        )
        tables: list[NDArray[np.float64]] = []

        def look_ahead(k: int, parameters: list[Tensor]) -> None:
            sample = joint.training_sample(k, self.max_samples, draw=len(tables))
            before, gradients = joint.task_gradients(parameters, sample)
            after = joint.losses_after(parameters, -rate * gradients, sample)
            tables.append(relative_decrease(before.numpy()[:, None], after.numpy().T))

        joint.train(look_ahead, int(self.every))
        self.n_look_aheads_ = len(tables)
        self.affinity_ = affinity_table(average_known(tables, tasks.names), tasks.names)
        return self


def relative_decrease(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return 1 - after / before; NaN where the loss before is 0 or one of them is not finite."""
    known = (before > 0) & np.isfinite(before) & np.isfinite(after)
    ratio: NDArray[np.float64] = np.divide(
        after, before, out=np.full(np.broadcast(before, after).shape, np.nan), where=known
    )
    return 1.0 - ratio


def average_known(tables: list[NDArray[np.float64]], names: list[str]) -> NDArray[np.float64]:
    """Return the mean of tables (T, T), ignoring NaN; warn about targets that are all NaN."""
    stack = np.stack(tables)
    known = np.isfinite(stack)
    count = known.sum(0)
    mean: NDArray[np.float64] = np.divide(
        np.where(known, stack, 0.0).sum(0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
    unknown = [name for name, row in zip(names, np.isnan(mean), strict=True) if row.any()]
    if unknown:
        warnings.warn(
            "The affinity is NaN where a task's loss is zero or not finite: target "
            f"{listed(unknown)}.",
            UserWarning,
            stacklevel=3,
        )
    return mean
