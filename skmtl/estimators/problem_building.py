"""Problems from checked rows: for one ensemble, or for networks of task groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skmtl.data import Groups, TaskSet
from skmtl.estimators.constant_targets import warn_of_constant_tasks
from skmtl.estimators.fairness_terms import check_fairness
from skmtl.estimators.fit_settings import Settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.intake import layout_of_tasks, learn_intake
from skmtl.estimators.problem import Problem
from skmtl.estimators.targets import Targets
from skmtl.estimators.training_rows import TrainingRows


def fit_problem(
    settings: Settings,
    rows: TrainingRows,
    *,
    earlier: FittedNetworks | None = None,
    targets: Targets | None = None,
    split_seed: int = 0,
    hold_out: bool = True,
) -> Problem:
    """Return the problem of an ensemble for all tasks.

    Parameters
    ----------
    settings : Settings
        Settings of the estimator, which determine how rows are read and held out.
    rows : TrainingRows
        Checked training rows.
    earlier : FittedNetworks, optional
        Networks to continue from; rows are encoded as in their fit.
    targets : Targets, optional
        Coding of the targets in the first fit, if it does not follow from the rows.
    split_seed : int
        Seed of the validation splits.
    hold_out : bool
        False uses no validation rows, whatever the settings.

    Returns
    -------
    Problem
        Arrays, rows of every task, validation splits.
    """
    if earlier is not None:
        intake = replace(
            earlier.intake,
            layout=rows.layout,
            targets=earlier.intake.targets.under(settings.loss),
        )
    else:
        intake = learn_intake(
            settings,
            rows.layout,
            rows.tasks,
            categorical=rows.categorical,
            sample_weight=rows.sample_weight,
            targets=targets,
        )
    problem = Problem(
        settings,
        intake,
        rows.tasks,
        sample_weight=rows.sample_weight,
        groups=rows.groups,
        split_seed=split_seed,
        hold_out=hold_out,
    )
    check_fairness(problem)
    warn_of_constant_tasks(settings, problem)
    return problem


def problem_of_groups(
    settings: Settings,
    train: TaskSet,
    test: TaskSet | None = None,
    *,
    split_seed: int,
    sample_weight: NDArray[np.float64] | None = None,
    groups: Groups | None = None,
) -> Problem:
    """Return a problem in long form, on which any group of tasks can be trained."""
    intake = learn_intake(
        settings,
        layout_of_tasks(settings.owner, train),
        train,
        categorical=settings.reading.categorical_features,
        sample_weight=sample_weight,
        separate=True,
    )
    return Problem(
        settings,
        intake,
        train,
        test,
        sample_weight=sample_weight,
        groups=groups,
        split_seed=split_seed,
        separate=True,
    )
