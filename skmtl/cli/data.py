"""Loading and checking of the data that the command line names."""

from __future__ import annotations

import argparse
import difflib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.cli.column_types import with_own_type
from skmtl.cli.columns import checked_inputs, classes, inferred_kind, quantities, task_ids
from skmtl.cli.errors import InputError
from skmtl.cli.named import NAMED_SETS
from skmtl.cli.tables import read_table
from skmtl.data import Kind, TaskSet
from skmtl.grouping import MIN_ROWS

_SHOWN = 8
# Warning about tasks named None or nan.
MISSING_AS_TEXT = r".*which is what a missing value becomes"


@dataclass(frozen=True)
class Data:
    """Checked data.

    Attributes
    ----------
    name : str
        Name of the data set or file.
    about : str
        Description in one sentence.
    tasks : TaskSet
        All tasks.
    unusable : dict of str to str
        Tasks without test rows, with the reason.
    notices : list of str
        Remarks for the reader: assumptions, rows that were dropped.
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
    with warnings.catch_warnings():
        # In a file, the text "None" or "nan" is a task id, not a converted missing value.
        warnings.filterwarnings("ignore", message=MISSING_AS_TEXT)
        if options.data in NAMED_SETS:
            return _named(options)
        try:
            return _file(options)
        except (ValueError, TypeError) as error:  # of the readers that estimators share
            raise InputError(f"{options.data} cannot be used: {error}") from error


# ---------------------------------------------------------------------- named sets
def _named(options: argparse.Namespace) -> Data:
    name = options.data
    if options.task or options.target:
        raise InputError(
            f"--task and --target apply to files, but {name} is a data set (write ./{name} for a "
            "file of that name)"
        )
    chosen = NAMED_SETS[name]
    try:
        tasks = chosen.load(options.data_home).task_set
    except (OSError, ImportError) as error:
        raise InputError(f"data set {name}: {error}") from None
    if options.kind not in (None, tasks.kind):
        raise InputError(f"{name} contains {tasks.kind} tasks; leave out --kind")
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
            raise InputError(f"--{option} COLUMN is required for a file")
    if options.task == options.target:
        raise InputError(f"--task and --target name the same column, {options.task!r}")
    frame, notices = read_table(path, options.task)
    for option in ("task", "target"):
        _check_column(frame, getattr(options, option), option)
    target, task = frame[options.target], frame[options.task]
    kept, dropped = _labelled(target, task, options)
    target, task, inputs = (
        with_own_type(target[kept], options.target),
        task[kept],
        frame.loc[kept].drop(columns=[options.task, options.target]),
    )
    kind: Kind = options.kind or inferred_kind(target)
    if options.kind is None:
        reason = (
            "its values are numbers"
            if kind == "regression"
            else "its values are classes"
            if target.nunique() > 2
            else "it has two values"
        )
        notices = [
            f"The target {options.target!r} is treated as {kind}: {reason}. Use --kind to change "
            "this.",
            *notices,
        ]
    names, codes = task_ids(task, options.task)
    labels = (
        quantities(target, options.target)
        if kind == "regression"
        else classes(target, options.target)
    )
    tasks = TaskSet.from_long(
        checked_inputs(inputs), labels, np.array(names, dtype=object)[codes], kind=kind
    )
    about = f"Target {options.target!r} of {path.name}, one task per value of {options.task!r}."
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
    """Return a mask of the rows with a target and a task, and notices about the other rows."""
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


# ---------------------------------------------------------------------- tasks
def _unusable(tasks: TaskSet) -> dict[str, str]:
    """Return the tasks without test rows and the reasons; raise if fewer than two others remain."""
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
            f"{usable} of {len(tasks)} tasks can be used, but at least two are needed; a task "
            f"needs {need}. Not usable: {listed}"
        )
    return found
