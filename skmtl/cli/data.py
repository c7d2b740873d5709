"""From what the user named to checked data."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.cli.errors import InputError
from skmtl.cli.named import NAMED_SETS
from skmtl.cli.tables import read_table
from skmtl.data import Kind, TaskSet, encode_task_ids, tidy_labels
from skmtl.grouping import MIN_ROWS

_SHOWN = 8


@dataclass(frozen=True)
class Data:
    """Checked data.

    Attributes
    ----------
    name : str
        Name of the data set or file.
    about : str
        What it holds, in a sentence.
    tasks : TaskSet
        All tasks.
    unusable : dict of str to str
        Tasks without test rows, and why.
    notices : list of str
        What the reader must know.
    """

    name: str
    about: str
    tasks: TaskSet
    unusable: Mapping[str, str]
    notices: Sequence[str] = ()


def read_data(options: argparse.Namespace) -> Data:
    """Read and check the data that the options name.

    Parameters
    ----------
    options : Namespace
        ``data``, ``task``, ``target``, ``kind`` and ``data_home``.

    Returns
    -------
    Data
        With at least two usable tasks.

    Raises
    ------
    InputError
        If the data cannot be read or used.
    """
    return _named(options) if options.data in NAMED_SETS else _file(options)


# ---------------------------------------------------------------------- named sets
def _named(options: argparse.Namespace) -> Data:
    name = options.data
    if options.task or options.target:
        raise InputError(
            f"--task and --target belong to files; {name} is a data set (write ./{name} for a file "
            "of that name)"
        )
    chosen = NAMED_SETS[name]
    try:
        tasks = chosen.load(options.data_home).task_set
    except (OSError, ImportError) as error:
        raise InputError(f"data set {name}: {error}") from None
    if options.kind not in (None, tasks.kind):
        raise InputError(f"{name} holds {tasks.kind} tasks; leave --kind out")
    return Data(
        name, chosen.about, tasks, _unusable(tasks), [chosen.caveat] if chosen.caveat else []
    )


# ---------------------------------------------------------------------- files
def _file(options: argparse.Namespace) -> Data:
    path = Path(options.data)
    if not path.exists():
        _complain_of_missing(options.data)
    for option in ("task", "target"):
        if not getattr(options, option):
            raise InputError(f"--{option} COLUMN is needed to read a file")
    if options.task == options.target:
        raise InputError(f"--task and --target name the same column, {options.task!r}")
    frame, notices = read_table(path)
    for option in ("task", "target"):
        _check_column(frame, getattr(options, option), option)
    target, task = frame[options.target], frame[options.task]
    kept, dropped = _labelled(target, task, options)
    target, task, inputs = (
        target[kept],
        task[kept],
        frame.loc[kept].drop(columns=[options.task, options.target]),
    )
    kind: Kind = options.kind or _inferred_kind(target)
    if options.kind is None:
        reason = (
            "its values are numbers"
            if kind == "regression"
            else "its values are classes"
            if target.nunique() > 2
            else "it has two values"
        )
        notices = [
            f"The target {options.target!r} is taken for {kind}: {reason}. Use --kind to say "
            "otherwise.",
            *notices,
        ]
    try:
        names, codes = encode_task_ids(task, f"task column {options.task!r}")
    except ValueError as error:
        raise InputError(str(error)) from None
    if len(names) < 2:
        raise InputError(
            f"column {options.task!r} holds one task only, {names[0]!r}; at least two are needed"
        )
    labels = (
        _numbers(target, options.target)
        if kind == "regression"
        else _classes(target, options.target)
    )
    tasks = TaskSet.from_long(
        _checked_inputs(inputs), labels, np.array(names, dtype=object)[codes], kind=kind
    )
    about = (
        f"Column {options.target!r} of {path.name}, one task for every value of {options.task!r}."
    )
    return Data(path.name, about, tasks, _unusable(tasks), [*notices, *dropped])


def _complain_of_missing(data: str) -> None:
    if Path(data).suffix or os.sep in data:
        raise InputError(f"file not found: {data}")
    near = difflib.get_close_matches(data, NAMED_SETS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise InputError(
        f"{data!r} is neither a file nor a data set; data sets are {', '.join(NAMED_SETS)}.{hint}"
    )


def _check_column(frame: pd.DataFrame, name: str, option: str) -> None:
    if name in frame.columns:
        return
    columns = list(frame.columns)
    folded = {column.casefold(): column for column in columns}
    near = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3)]
    hint = (
        f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else f"It has {', '.join(map(repr, columns[:_SHOWN]))}{', ...' * (len(columns) > _SHOWN)}."
    )
    raise InputError(f"--{option}: the table has no column {name!r}. {hint}")


def _labelled(
    target: pd.Series, task: pd.Series, options: argparse.Namespace
) -> tuple[NDArray[np.bool_], list[str]]:
    """Mask of the rows that have a target and a task, and what is said about the others."""
    has_target, has_task = target.notna().to_numpy(), task.notna().to_numpy()
    notices = []
    for known, what in (
        (has_target, f"a target (column {options.target!r})"),
        (has_task | ~has_target, f"a task (column {options.task!r})"),
    ):
        count = int((~known).sum())
        if count == len(known):
            raise InputError(f"no row has {what}")
        if count:
            notices.append(
                f"{count:,} row{'s' * (count > 1)} without {what} {'were' if count > 1 else 'was'} "
                "dropped."
            )
    kept = has_target & has_task
    if not kept.any():
        raise InputError("no row has both a task and a target")
    return kept, notices


def _inferred_kind(target: pd.Series) -> Kind:
    """Text, booleans and two whole numbers are classes; other numbers are quantities."""
    if not pd.api.types.is_numeric_dtype(target) or pd.api.types.is_bool_dtype(target):
        return "classification"
    values = target.unique().astype(float)
    return (
        "classification"
        if len(values) <= 2 and np.all(values == np.floor(values)) and np.isfinite(values).all()
        else "regression"
    )


def _numbers(target: pd.Series, column: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(target, errors="coerce")
    if numbers.isna().any() or pd.api.types.is_datetime64_any_dtype(target):
        example = (
            target.astype(object)[numbers.isna()].iloc[0]
            if numbers.isna().any()
            else target.iloc[0]
        )
        raise InputError(
            f"target {column!r} is not numeric (it holds {example!r}); regression needs numbers, "
            "else use --kind classification"
        )
    values = numbers.to_numpy(dtype=np.float64)
    if np.isinf(values).any():
        raise InputError(f"target {column!r} holds infinite values")
    return values


def _classes(target: pd.Series, column: str) -> NDArray[Any]:
    if pd.api.types.is_bool_dtype(target):
        return target.to_numpy(dtype=np.int64)
    if pd.api.types.is_numeric_dtype(target):
        values = target.to_numpy(dtype=np.float64)
        if not np.all(np.isfinite(values) & (values == np.floor(values))):
            raise InputError(
                f"target {column!r} holds numbers that are not whole; they cannot be classes, use "
                "--kind regression"
            )
        return tidy_labels(values)
    numbers = pd.to_numeric(target.astype(object), errors="coerce")
    if numbers.notna().mean() > 0.5:
        example = target[numbers.isna()].iloc[0] if numbers.isna().any() else target.iloc[0]
        raise InputError(
            f"target {column!r} holds text such as {example!r} among numbers; clean the column "
            "first"
        )
    return target.astype(str).to_numpy(dtype=str)


def _checked_inputs(inputs: pd.DataFrame) -> pd.DataFrame:
    """Return finite float64 inputs; name the column that is none."""
    if inputs.shape[1] == 0:
        raise InputError("there is no input column beside the task and the target")
    for column in inputs:
        values = inputs[column]
        if values.dtype.kind not in "biuf":
            what = "dates" if values.dtype.kind in "mM" else "text"
            known = values.dropna()
            example = f", such as {known.iloc[0]!r}" if len(known) and what == "text" else ""
            raise InputError(
                f"input column {column!r} holds {what}{example}; networks need numbers: encode it "
                "(say, one 0/1 column for every value) or drop the column"
            )
        missing = int(values.isna().sum())
        if missing:
            raise InputError(
                f"input column {column!r} has {missing:,} missing values; networks need complete "
                "inputs for now: fill them in, or drop the column or the rows"
            )
        if not np.isfinite(values.to_numpy(dtype=np.float64)).all():
            raise InputError(f"input column {column!r} holds infinite values")
    return inputs.astype(np.float64)


# ---------------------------------------------------------------------- tasks
def _unusable(tasks: TaskSet) -> dict[str, str]:
    """Tasks that get no test rows, and why; raise where fewer than two others remain."""
    found: dict[str, str] = {}
    for task in tasks:
        if len(task) < MIN_ROWS:
            found[task.name] = f"{len(task)} row{'s' * (len(task) != 1)}"
        elif tasks.kind == "classification" and len(np.unique(task.y)) < 2:
            found[task.name] = "one class only"
    usable = len(tasks) - len(found)
    if usable < 2:
        listed = ", ".join(
            f"{name} ({why})" for name, why in list(found.items())[:_SHOWN]
        ) + ", ..." * (len(found) > _SHOWN)
        need = f"at least {MIN_ROWS} rows" + " and two classes" * (tasks.kind == "classification")
        raise InputError(
            f"{usable} of {len(tasks)} tasks can be used, and two are needed; a task needs {need}. "
            f"Not usable: {listed}"
        )
    return found
