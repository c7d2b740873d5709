"""Rendering of a report as one self-contained HTML page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skmtl.report.content import SINGLE, STRATEGIES, GroupingReport
from skmtl.report.wording import (
    ABSENT,
    duration,
    headline,
    number,
    percent,
    reliability_sentence,
    reliability_word,
)

PICTURES = ("affinity", "prediction", "losses")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_PAIRS = 10


def render_report(report: GroupingReport, pictures: Mapping[str, bytes] | None = None) -> str:
    """Render a report as one self-contained HTML page.

    Parameters
    ----------
    report : GroupingReport
        Results to show.
    pictures : dict of str to bytes, default=None
        PNG files to embed, by name: "affinity", "prediction", "losses", as returned by
        :func:`skmtl.plotting.figure_png`. Missing pictures are left out; the text stays.

    Returns
    -------
    str
        HTML without references to other files. Names and texts are escaped.

    Raises
    ------
    ImportError
        If jinja2 is not installed.
    ValueError
        If a picture has an unknown name or is not a PNG file.

    See Also
    --------
    write_report : Writes the page to a file.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.report import GroupingReport, render_report
    >>> losses = pd.DataFrame(
    ...     {"single-task": [1.0, 0.5], "joint": [0.8, 0.4], "grouped": [0.8, 0.4]},
    ...     index=["a", "b"],
    ... )
    >>> pairs = pd.DataFrame(
    ...     {
    ...         "target": ["a", "b"],
    ...         "source": ["b", "a"],
    ...         "gain": [0.2, 0.1],
    ...         "gain_se": [0.05, 0.05],
    ...     }
    ... )
    >>> report = GroupingReport(
    ...     title="Two tasks",
    ...     data_description="An example.",
    ...     kind="regression",
    ...     n_rows=40,
    ...     n_features=3,
    ...     loss_name="mean squared error",
    ...     losses=losses,
    ...     winner="joint",
    ...     groups=[("a", "b")],
    ...     gains=pairs,
    ...     affinity=pd.DataFrame(),
    ...     predicted_gains=pd.DataFrame(),
    ...     reliability=0.5,
    ...     choice=pd.DataFrame(),
    ... )
    >>> "One joint network lowers the held-out loss" in render_report(report)
    True
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(
            'HTML reports need jinja2. Install it with: pip install "skmtl[report]"'
        ) from error
    environment = Environment(
        loader=PackageLoader("skmtl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=number)
    return environment.get_template("report.html.j2").render(
        **_page(report), pictures=_embedded(pictures or {})
    )


def write_report(
    report: GroupingReport, path: str | PathLike[str], pictures: Mapping[str, bytes] | None = None
) -> Path:
    """Write a report to an HTML file.

    Parameters
    ----------
    report : GroupingReport
        Results to show.
    path : str or path
        File to write; its folder must exist. An existing file is replaced.
    pictures : dict of str to bytes, default=None
        PNG files to embed; see :func:`render_report`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        If jinja2 is not installed.

    See Also
    --------
    render_report : Returns the page as a string.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from skmtl.report import GroupingReport, write_report
    >>> losses = pd.DataFrame({"single-task": [1.0], "joint": [1.1], "grouped": [1.0]}, index=["a"])
    >>> report = GroupingReport(
    ...     title="One task",
    ...     data_description="An example.",
    ...     kind="regression",
    ...     n_rows=40,
    ...     n_features=3,
    ...     loss_name="mean squared error",
    ...     losses=losses,
    ...     winner="single-task",
    ...     groups=[("a",)],
    ...     gains=pd.DataFrame(columns=["target", "source", "gain", "gain_se"]),
    ...     affinity=pd.DataFrame(),
    ...     predicted_gains=pd.DataFrame(),
    ...     reliability=float("nan"),
    ...     choice=pd.DataFrame(),
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(report, f"{folder}/report.html").name
    'report.html'
    """
    path = Path(path)
    path.write_text(render_report(report, pictures), encoding="utf-8")
    return path


def _embedded(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Return pictures as data URLs."""
    for name, content in pictures.items():
        if name not in PICTURES:
            raise ValueError(f"pictures may contain {', '.join(PICTURES)}. Got {name!r}.")
        if not content.startswith(PNG_SIGNATURE):
            raise ValueError(f"Picture {name!r} is not a PNG file.")
    return {
        name: f"data:image/png;base64,{b64encode(content).decode('ascii')}"
        for name, content in pictures.items()
    }


def _page(report: GroupingReport) -> dict[str, Any]:
    """Return the variables of the template."""
    totals, complete = report.totals, report.losses.dropna()
    largest = max(float(totals.max()), 1e-300)
    pairs = report.gains.dropna(subset=["gain"]).sort_values("gain", ascending=False)
    return {
        "report": report,
        "headline": headline(report),
        "strategies": STRATEGIES,
        "best": report.best,
        "reduction": -_change(totals[report.best], totals[SINGLE]),
        "n_tasks": len(report.losses),
        "n_complete": len(complete),
        "n_better": int((complete[report.best] < complete[SINGLE]).sum()),
        "totals": [
            {
                "name": name,
                "total": float(totals[name]),
                "mean": float(complete[name].mean()),
                "width": 100 * float(totals[name]) / largest,
                "change": _change(totals[name], totals[SINGLE]),
            }
            for name in STRATEGIES
        ],
        "tasks": [
            _task(str(name), row)
            for name, row in zip(
                report.losses.index, report.losses.to_numpy(dtype=float), strict=True
            )
        ],
        "groups": [
            {"number": k + 1, "tasks": [_member(report, task, k) for task in group]}
            for k, group in enumerate(report.groups)
        ],
        "overlap": any(
            report.serving(task) != k for k, group in enumerate(report.groups) for task in group
        ),
        "single_is_best": report.best == SINGLE,
        "single": [
            _member(report, group[0], k) for k, group in enumerate(report.groups) if len(group) == 1
        ],
        "helpful": [
            _pair(row) for row in pairs[pairs["gain"] > 0].head(MOST_PAIRS).to_dict("records")
        ],
        "harmful": [
            _pair(row)
            for row in pairs[pairs["gain"] < 0].tail(MOST_PAIRS).iloc[::-1].to_dict("records")
        ],
        "n_pairs": len(pairs),
        "share_helpful": float((pairs["gain"] > 0).mean()) if len(pairs) else float("nan"),
        "reliability_word": reliability_word(report.reliability),
        "reliability_sentence": reliability_sentence(report.reliability),
        "prediction_correlation": _correlation(report.predicted_gains),
        "candidates": report.choice.to_dict("records"),
        "settings": {
            str(key): ABSENT if value is None else str(value)
            for key, value in report.settings.items()
        },
        "run_time": duration(report.seconds),
    }


def _change(loss: float, baseline: float) -> float:
    return float(loss / baseline - 1) if baseline > 0 else float("nan")


def _task(name: str, losses: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(losses)
    return {
        "name": name,
        "losses": [float(loss) for loss in losses],
        "changes": [_change(loss, losses[0]) for loss in losses[1:]],
        "best": int(np.nanargmin(losses)) if known.any() else -1,
    }


def _member(report: GroupingReport, task: str, group: int) -> dict[str, Any]:
    """Return the name of a task and, if another group predicts it, the number of that group."""
    serving = report.serving(task)
    return {"name": str(task), "served_by": None if serving == group else serving + 1}


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    error = float(row.get("gain_se", np.nan))
    return {
        "target": str(row["target"]),
        "source": str(row["source"]),
        "gain": float(row["gain"]),
        "error": error,
        "clear": bool(abs(row["gain"]) > 2 * error),
    }


def _correlation(predicted: pd.DataFrame) -> float:
    """Correlation of measured and predicted gains; NaN where it is undefined."""
    if len(predicted) < 3 or not {"measured", "predicted"} <= set(predicted.columns):
        return float("nan")
    both = predicted[["measured", "predicted"]].dropna()
    if len(both) < 3 or (both.std() == 0).any():
        return float("nan")
    return float(np.corrcoef(both["measured"], both["predicted"])[0, 1])
