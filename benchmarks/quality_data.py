"""The data sets of the comparison of default settings, and their splits into training and test
rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl import TaskSet
from skmtl.data import Kind

TEST_SIZE = 0.3
N_ADULT = 8000  # training and test rows a seed, drawn from the official training and test halves
HELD_APART = (
    "mtr_edm",
    "mtr_sf2",
    "ml_flags",
    "landmine",
)  # they play no part in choosing defaults
SMALL_SETS = ("mtr_slump", "mtr_edm", "ml_flags", "mtr_sf2", "mtr_scpf", "mtr_osales")
LARGE_SETS = ("ml_scene", "landmine", "school", "mhc_binding", "adult")
ADULT_INPUTS = {
    "age": float,
    "fnlwgt": float,
    "education_num": float,
    "hours_per_week": float,
    "workclass": "category",
    "education": "category",
    "marital_status": "category",
    "occupation": "category",
    "race": "category",
    "native_country": "category",
}


@dataclass(frozen=True)
class Table:
    """Inputs with pandas categories, in long form with the column "task"; targets (n, T) in wide
    form or (n,) in long form.

    `split` gives the training and the test rows of a seed.
    """

    name: str
    kind: Kind
    X: pd.DataFrame
    Y: NDArray[np.float64]
    split: Callable[[int], tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True)
class Split:
    """One split of a table; numbers are float64, classes 0 and 1."""

    name: str
    kind: Kind
    X_train: pd.DataFrame
    Y_train: NDArray[np.float64]
    X_test: pd.DataFrame
    Y_test: NDArray[np.float64]
    rows: str

    @property
    def long(self) -> bool:
        """Whether the column "task" of the inputs says which task a row belongs to."""
        return self.Y_train.ndim == 1

    @property
    def n_targets(self) -> int:
        """Columns of the targets, 1 in long form."""
        return 1 if self.long else self.Y_train.shape[1]


def load(name: str, data_home: str | None) -> Table:
    """Read a data set."""
    if name.startswith("generated"):
        return generated(name)
    if data_home is None:
        raise ValueError(f"{name} is a file; say where it lies.")
    frame = pd.read_csv(
        Path(data_home) / name / f"{name}.csv.gz",
        keep_default_na=name not in ("adult", "mhc_binding"),
    )
    if name == "adult":
        return adult(frame)
    if name in ("school", "landmine", "mhc_binding"):
        return grouped(name, frame, data_home)
    targets = frame.columns[frame.columns.str.startswith("y_")]
    inputs = frame.drop(columns=[*targets, "split"], errors="ignore")
    return wide(
        name,
        "classification" if name.startswith("ml_") else "regression",
        inputs,
        frame[targets].to_numpy(dtype=float),
    )


def draw(table: Table, seed: int) -> Split:
    """Return the split of a seed, the same rows for every method."""
    train, test = (np.sort(rows) for rows in table.split(seed))
    if np.intersect1d(train, test).size:
        raise RuntimeError(f"{table.name}: some rows are both training and test rows.")
    fingerprint = zlib.crc32(np.concatenate([train, [-1], test]).astype("<i8").tobytes())
    X_train, X_test = (table.X.iloc[rows].reset_index(drop=True) for rows in (train, test))
    return Split(
        table.name, table.kind, X_train, table.Y[train], X_test, table.Y[test], f"{fingerprint:08x}"
    )


# ---------------------------------------------------------------------- helpers
def wide(name: str, kind: Kind, inputs: pd.DataFrame, Y: NDArray[np.float64]) -> Table:
    """Text becomes categories; rows are dealt out at random, for classes such that each keeps its
    share.
    """
    X = inputs.apply(
        lambda column: (
            column.astype(float)
            if pd.api.types.is_numeric_dtype(column)
            else column.astype("category")
        )
    )
    return Table(
        name, kind, X, Y, lambda seed: deal(TaskSet.from_wide(row_numbers(Y), Y, kind), seed)
    )


def grouped(name: str, frame: pd.DataFrame, data_home: str) -> Table:
    """Long form: task ids and letters become categories."""
    kind: Kind = "regression" if name == "school" else "classification"
    if name == "mhc_binding":
        frame = frame[frame["jacob_like"] == 1].drop(columns="jacob_like").reset_index(drop=True)
    X = frame.drop(columns=["task", "y"])
    X = X.astype("category" if name == "mhc_binding" else float).assign(
        task=frame["task"].astype(str).astype("category")
    )
    y = frame["y"].to_numpy(dtype=float)
    if name != "school":
        return Table(
            name,
            kind,
            X,
            y,
            lambda seed: deal(
                TaskSet.from_long(row_numbers(y), y, X["task"].to_numpy(), kind), seed
            ),
        )
    public = pd.read_csv(Path(data_home) / "school" / "school_splits.csv.gz")
    return Table(name, kind, X, y, lambda seed: halves(public[f"test_{seed + 1}"].to_numpy() == 1))


def adult(frame: pd.DataFrame) -> Table:
    """Two labels; every seed draws from the official halves."""
    X = frame[list(ADULT_INPUTS)].astype(ADULT_INPUTS)
    Y = np.column_stack([frame["income"] == ">50K", frame["capital_gain"] > 0]).astype(float)
    official = halves(frame["split"].to_numpy() == "test")

    def split(seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        rng = np.random.default_rng(seed)
        train, test = (rng.permutation(rows)[:N_ADULT] for rows in official)
        return train, test

    return Table("adult", "classification", X, Y, split)


def generated(name: str) -> Table:
    """Small tables for a trial: name is generated_{wide, long}_{regression, classification}."""
    form, kind = name.split("_")[1], cast(Kind, name.split("_")[2])
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(240, 5)), columns=list("abcde"))
    Y = X.to_numpy() @ rng.normal(size=(5, 3)) + 0.3 * rng.normal(size=(240, 3))
    Y = (Y > 0).astype(float) if kind == "classification" else Y
    if form == "wide":
        return wide(name, kind, X, Y)
    task = rng.integers(0, 3, size=240)
    return (
        grouped(name, X.assign(task=task, y=Y[np.arange(240), task]), "")
        if kind == "classification"
        else long_regression(name, X, Y, task)
    )


def long_regression(
    name: str, X: pd.DataFrame, Y: NDArray[np.float64], task: NDArray[np.intp]
) -> Table:
    """Generated long form with real targets."""
    y, ids = Y[np.arange(len(Y)), task], task.astype(str)
    return Table(
        name,
        "regression",
        X.assign(task=pd.Categorical(ids)),
        y,
        lambda seed: deal(TaskSet.from_long(row_numbers(y), y, ids, "regression"), seed),
    )


def row_numbers(Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inputs of a TaskSet that serves for splitting alone."""
    return np.arange(len(Y), dtype=float)[:, None]


def deal(tasks: TaskSet, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Training and test rows: 30 % of every task, of all at once where tasks share rows."""
    train, test = (
        np.unique(np.concatenate([part.rows(name) for name in part.names]))
        for part in tasks.train_test_split(TEST_SIZE, seed)
    )
    return train, test


def halves(is_test: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows that are no test rows, and those that are."""
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
