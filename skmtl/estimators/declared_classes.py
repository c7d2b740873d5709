"""Classes declared in the first call of partial_fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data import tidy_labels
from skmtl.estimators.fit_settings import Settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.targets import Targets, declared_targets
from skmtl.estimators.training_rows import TrainingRows


def declared_labels(
    settings: Settings, rows: TrainingRows, classes: Any, *, earlier: FittedNetworks | None
) -> Targets | None:
    """Return the coding for declared classes: one array per task for 2-D y, or one for all tasks.

    None if no classes are declared: the coding then follows from the labels.
    """
    if classes is None:
        return None
    several = (
        rows.layout.one_column_per_task
        and len(classes) == len(rows.tasks)
        and all(np.ndim(own) == 1 for own in classes)
    )
    given = classes if several else [classes] * len(rows.tasks)
    declared = {
        name: np.unique(tidy_labels(np.asarray(own)))
        for name, own in zip(rows.tasks.names, given, strict=True)
    }
    for name, own in declared.items():
        if own.ndim != 1 or len(own) == 0 or pd.isna(own).any():
            raise ValueError(
                f"classes must hold the known classes of every task. Got {own.tolist()} for "
                f"task {name!r}."
            )
    if earlier is not None:
        _check_declared(declared, earlier)
    return declared_targets(settings.loss, declared)


def _check_declared(declared: dict[str, NDArray[Any]], earlier: FittedNetworks) -> None:
    """Raise if classes differ from those of the first call."""
    known = dict(zip(earlier.intake.task_names, earlier.own_classes, strict=True))
    for name, classes in declared.items():
        if not np.array_equal(classes, known[name]):
            raise ValueError(
                f"classes gives {classes.tolist()} for task {name!r}, but the first call to "
                f"partial_fit gave {known[name].tolist()}."
            )
