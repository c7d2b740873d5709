"""The two kinds of Bunch that data sets return."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pandas as pd
from sklearn.utils import Bunch

from skmtl.data import Kind, TaskSet


def grouped_bunch(
    data: pd.DataFrame, target: pd.Series, task: pd.Series, kind: Kind, **more: Any
) -> Bunch:
    """Return the Bunch of a data set in which each row belongs to one task."""
    return Bunch(
        data=data,
        target=target,
        task=task,
        task_set=TaskSet.from_long(data, target, task, kind=kind),
        feature_names=list(data.columns),
        **more,
    )


def fairness_bunch(
    frame: pd.DataFrame,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    target: dict[str, pd.Series],
    sensitive_features: pd.Series | pd.DataFrame,
    split: pd.Series | None,
    **more: Any,
) -> Bunch:
    """Return the Bunch of a data set with two binary labels and a sensitive feature per row."""
    data = frame[[*numeric, *categorical]].astype(dict.fromkeys(categorical, "category"))
    return Bunch(
        data=data,
        target=pd.DataFrame(target).astype("int64"),
        sensitive_features=sensitive_features,
        split=split,
        feature_names=list(data.columns),
        frame=frame,
        **more,
    )


def description(name: str) -> str:
    """Return the text that describes a data set."""
    return (files("skmtl.datasets") / "descr" / f"{name}.rst").read_text(encoding="utf-8")
