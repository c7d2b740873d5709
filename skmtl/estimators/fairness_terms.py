"""Fairness term of a fit: validation, and its form in the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.base import FairnessTerm
from skmtl.data import Groups, warn_of_missing_groups
from skmtl.estimators.problem import Problem


def terms_of(fairness: FairnessTerm | None, names: Sequence[str]) -> list[FairnessTerm]:
    """Return the fairness terms without their weights; empty if all weights are 0."""
    if fairness is None:
        return []
    own = fairness.for_tasks(names)
    return [] if own.multipliers is not None and not own.multipliers.any() else [own.shared]


def term_weights(
    fairness: FairnessTerm | None, all_names: Sequence[str], names: Sequence[str]
) -> NDArray[np.float64] | None:
    """Return the weights of the fairness term for some of the tasks, (2, T)."""
    weights = None if fairness is None else fairness.for_tasks(all_names).multipliers
    return None if weights is None else weights[:, [all_names.index(name) for name in names]]


def check_fairness(problem: Problem) -> None:
    """Raise or warn if the fairness term does not fit the tasks and groups."""
    fairness, targets = problem.settings.fairness, problem.targets
    if fairness is None:
        return
    sets = _compared(problem, fairness)
    groups = known_groups(fairness, problem.groups)
    warn_of_missing_groups(
        groups,
        problem.train,
        targets.classes,
        {} if sets is None else dict(zip(problem.names, sets, strict=True)),
    )


def compare_the_same(problem: Problem, other: Problem) -> bool:
    """Return whether the fairness terms of two problems with the same rows look at the same ones.

    What :func:`check_fairness` says of one is then true of the other.
    """
    fairness, others = problem.settings.fairness, other.settings.fairness
    if fairness is None or others is None:
        return fairness is others
    return _compared(problem, fairness) == _compared(other, others)


def _compared(problem: Problem, fairness: FairnessTerm) -> Any:
    n_classes = [len(problem.targets.classes[name]) for name in problem.names]
    return fairness.for_tasks(problem.names, n_classes).compared


def known_groups(fairness: FairnessTerm, groups: Groups | None) -> Groups:
    """Return the sensitive groups; raise if the fairness term needs them and they are missing."""
    if groups is None:
        raise ValueError(
            f"fairness={fairness!r} needs sensitive_features in fit: the groups that are "
            "to be treated alike. In a pipeline or search, call "
            "sklearn.set_config(enable_metadata_routing=True) and pass fit(X, y, "
            "sensitive_features=...), or pass <step>__sensitive_features=..."
        )
    return groups


def refuse_fairness(fairness: FairnessTerm | None, where: str) -> None:
    """Raise if a fairness term would have no effect because sensitive groups are unknown."""
    if fairness is not None:
        raise ValueError(
            f"The estimator has fairness={fairness!r}, but {where} knows no sensitive groups: the "
            "term would have no effect. Set fairness=None to work with the plain losses."
        )
