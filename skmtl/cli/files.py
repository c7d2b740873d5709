"""Writing of the result files: all of them, or none."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skmtl.cli.errors import InputError
from skmtl.cli.strategies import Comparison, prediction_correlation
from skmtl.plotting import GainPredictionDisplay, TaskAffinityDisplay, TaskLossDisplay, figure_png
from skmtl.report import GroupingReport, render_report

FILES = ("report.html", "groups.json", "gains.csv", "affinity.png", "prediction.png")


def check_folder(folder: Path) -> None:
    """Raise unless files can be written to a folder, which is left unchanged."""
    existed = folder.exists()
    if existed and not folder.is_dir():
        raise InputError(f"--out: {folder} is a file, not a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=".skmtl-", dir=folder)).rmdir()
        if not existed:
            folder.rmdir()
    except OSError as error:
        raise InputError(f"--out: cannot write to {folder}: {error.strerror or error}") from None


def contents(comparison: Comparison) -> tuple[dict[str, bytes], str | None]:
    """Return the content of all files that the installed packages can produce.

    Parameters
    ----------
    comparison : Comparison
        Results of the comparison.

    Returns
    -------
    files : dict of str to bytes
        Content of each file, by name.
    missing : str or None
        Message about files that are left out and the extra to install; None if there are none.
    """
    report = comparison.report
    files = {
        "groups.json": (
            json.dumps(_summary(comparison), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        ).encode(),
        "gains.csv": defused(report.gains).to_csv(index=False, lineterminator="\n").encode(),
    }
    left_out = []
    try:
        pictures = _pictures(report)
        files |= {f"{name}.png": pictures[name] for name in ("affinity", "prediction")}
    except ImportError:
        pictures = {}
        left_out.append("pictures")
    try:
        files["report.html"] = render_report(report, pictures).encode()
    except ImportError:
        left_out.append("report.html")
    return (
        files,
        f'Left out: {" and ".join(left_out)}. For all results: pip install "skmtl[report]"'
        if left_out
        else None,
    )


def defused(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts start with ' where a spreadsheet would read a formula."""
    texts = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    written = table.copy()
    for column in texts:
        written[column] = table[column].map(_defused)
    return written


def _defused(cell: object) -> object:
    if not isinstance(cell, str) or cell.lstrip()[:1] not in tuple("=+-@") or _is_number(cell):
        return cell
    return f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _pictures(report: GroupingReport) -> dict[str, bytes]:
    predicted = report.predicted_gains.astype({"measured": float, "predicted": float})
    with warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes, without a warning.
        warnings.filterwarnings("ignore", message="Glyph")
        return {
            "affinity": figure_png(
                TaskAffinityDisplay(affinity=report.affinity, groups=report.groups)
            ),
            "prediction": figure_png(
                GainPredictionDisplay(y_true=predicted["measured"], y_pred=predicted["predicted"])
            ),
            "losses": figure_png(TaskLossDisplay(losses=report.losses)),
        }


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace the results of an earlier run once all new files are complete.

    Other files in the folder are kept.

    Parameters
    ----------
    folder : Path
        Folder for the results.
    files : dict of str to bytes
        Content of each file, by name.

    Raises
    ------
    InputError
        If the files cannot be written; those of the earlier run are then unchanged.
    """
    existed, staging = folder.exists(), None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A folder inside the target folder, so that moves stay within one file system.
        staging = Path(tempfile.mkdtemp(prefix=".skmtl-", dir=folder))
        for name, content in files.items():
            (staging / name).write_bytes(content)
        for name in files:
            os.replace(staging / name, folder / name)
        for name in set(FILES) - set(files):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot write to {folder}: {error.strerror or error}") from None
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        if not existed:
            with suppress(OSError):
                folder.rmdir()  # fails, as intended, if the folder is not empty


def _summary(comparison: Comparison) -> dict[str, Any]:
    """Return the content of groups.json."""
    report = comparison.report
    per_task = {
        name: dict(zip(report.losses.columns, row, strict=True))
        for name, row in zip(report.losses.index, report.losses.to_numpy(), strict=True)
    }
    summary = {
        "tasks": dict(report.served_by),
        "groups": [list(group) for group in report.groups],
        "winner": report.winner,
        "losses": {
            "name": report.loss_name,
            "total": report.totals.to_dict(),
            "per_task": per_task,
        },
        "reliability": report.reliability,
        "prediction_correlation": prediction_correlation(report.predicted_gains),
        "choice": report.choice.to_dict("records"),
        "rows": comparison.sizes,
        "notices": list(report.notices),
        "settings": report.settings,
        "seconds": report.seconds,
        "versions": _versions(),
    }
    plain: dict[str, Any] = _plain(summary)
    return plain


def _plain(value: Any) -> Any:
    """Return a value as a JSON type; infinite and missing numbers become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _versions() -> dict[str, str]:
    packages = {
        name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "torch")
    }
    return {
        "skmtl": sys.modules["skmtl"].__version__,
        "python": platform.python_version(),
        "pandas": pd.__version__,
        **packages,
    }
