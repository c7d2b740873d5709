"""Reading of tables from CSV and Parquet files."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from skmtl.cli.errors import InputError

_PARQUET = (".parquet", ".pq")
_DECIMAL_COMMA, _SHOWN = r"\s*[+-]?\d+(,\d+)?([eE][+-]?\d+)?\s*", 5
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")


def read_table(path: Path, task: str) -> tuple[pd.DataFrame, list[str]]:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        File. Names that end in ``.parquet`` or ``.pq`` are Parquet files; all others are read as
        text, separated by commas, semicolons or tabs.
    task : str
        Task column of a text file, which is read without conversion: 007, 1e3 and NA are ids; only
        an empty cell is missing.

    Returns
    -------
    frame : DataFrame
        The table, column names as strings.
    notices : list of str
        Remarks about columns that were left out.

    Raises
    ------
    InputError
        If the file cannot be read, has no rows, or names a column twice.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a CSV or Parquet file")
    if path.suffix.lower() in _SPREADSHEETS:
        raise InputError(f"{path} is a spreadsheet and cannot be read; save it as CSV")
    parquet = path.suffix.lower() in _PARQUET
    try:
        frame, notices = _read_parquet(path) if parquet else _read_csv(path, task)
    except InputError:
        raise
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty") from None
    except pd.errors.ParserWarning:
        raise InputError(f"{path} cannot be read: rows have more cells than the header") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8 CSV or as Parquet") from None
    except Exception as error:  # each decompressor raises different exceptions
        if parquet and isinstance(error, ImportError):
            advice = 'reading Parquet files needs pyarrow: pip install "skmtl[data]"'
            raise InputError(advice) from None
        raise InputError(f"{path} cannot be read: {error or type(error).__name__}") from None
    if frame.empty:
        raise InputError(f"{path} has no rows")
    return frame, notices


def _read_parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    frame = pd.read_parquet(path)
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(column) for column in frame.columns]
    _check_header(names, path)
    return frame.set_axis(names, axis=1).reset_index(drop=True), []


def _read_csv(path: Path, task: str) -> tuple[pd.DataFrame, list[str]]:
    notices: list[str] = []
    # pandas renames the second of two equal columns, so the header is read as a row first.
    header, separator = _header(path)
    _check_header([name for name in header if name], path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            path, sep=separator, encoding="utf-8-sig", index_col=False, low_memory=False
        )
        if task in frame.columns:
            text = pd.read_csv(
                path,
                sep=separator,
                encoding="utf-8-sig",
                index_col=False,
                usecols=[task],
                dtype=str,
                keep_default_na=False,
            )[task]
            frame[task] = text.astype(object).mask(text.str.strip() == "")
    if separator == ";":
        notices += _read_decimal_commas(frame, task)
    bare = [
        frame.columns[k]
        for k, name in enumerate(header)
        if k and not name and frame.iloc[:, k].isna().all()
    ]
    frame = frame.drop(columns=bare)
    if header[0] == "" and len(header) > 1:
        return frame.iloc[:, 1:], [
            "The first column has no name; it is treated as row numbers and not used.",
            *notices,
        ]
    return frame, notices


def _read_decimal_commas(frame: pd.DataFrame, task: str) -> list[str]:
    """Convert columns of numbers with a decimal comma, in place, and return a notice."""
    found = [
        name
        for name in frame.columns
        if name != task
        and not pd.api.types.is_numeric_dtype(frame[name])
        and frame[name].notna().any()
        and frame[name].dropna().astype(str).str.fullmatch(_DECIMAL_COMMA).all()
    ]
    for name in found:
        frame[name] = (
            frame[name]
            .map(lambda cell: float(str(cell).replace(",", ".")), na_action="ignore")
            .astype(float)
        )
    columns = f"column{'s' * (len(found) > 1)} {', '.join(map(repr, found[:_SHOWN]))}"
    more = ", ..." * (len(found) > _SHOWN)
    return [f"Commas in {columns}{more} are read as decimal points."] if found else []


def _header(path: Path) -> tuple[list[str], str]:
    """Return the column names and the separator."""
    header: list[str] = []
    for separator in (",", ";", "\t"):
        header = (
            pd.read_csv(
                path,
                sep=separator,
                header=None,
                nrows=1,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
            )
            .iloc[0]
            .tolist()
        )
        if len(header) > 1:
            return header, separator
    return header, ","


def _check_header(names: list[str], path: Path) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(f"{path} has two columns named {twice[0]!r}; rename or drop one")
