"""Sentences and number formats of the report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skmtl.report.content import GROUPED, JOINT, SINGLE, GroupingReport

ABSENT = "\u2013"


def headline(report: GroupingReport) -> str:
    """Summarize the comparison of the strategies in one sentence.

    Parameters
    ----------
    report : GroupingReport
        Losses and groups.

    Returns
    -------
    str
        A sentence without its full stop.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.report import GroupingReport, headline
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
    ...     gains=pd.DataFrame(),
    ...     affinity=pd.DataFrame(),
    ...     predicted_gains=pd.DataFrame(),
    ...     reliability=float("nan"),
    ...     choice=pd.DataFrame(),
    ... )
    >>> headline(report)
    'No strategy improves on one network per task'
    """
    totals, best = report.totals, report.best
    if not len(report.losses.dropna()) or not totals[SINGLE] > 0:
        return "The strategies cannot be compared: no task has a held-out loss for each of them"
    reduction = 1 - totals[best] / totals[SINGLE]
    if best == SINGLE or reduction < 0.0005:
        return "No strategy improves on one network per task"
    faint = ", a negligible difference" if reduction < 0.01 else ""
    if best == JOINT:
        return (
            f"One joint network lowers the held-out loss by {percent(reduction)} compared with one "
            f"network per task{faint}"
        )
    from_joint = 1 - totals[GROUPED] / totals[JOINT]
    groups = f"{len(report.groups)} groups" if len(report.groups) > 1 else "groups"
    return (
        f"Training the tasks in {groups} lowers the held-out loss by {percent(reduction)} compared "
        f"with one network per task and by {percent(from_joint)} compared with one joint "
        f"network{faint}"
    )


def reliability_word(reliability: float) -> str:
    """Return "weak", "moderate" or "strong" for a reliability, "unknown" for NaN."""
    if math.isnan(reliability):
        return "unknown"
    return "weak" if reliability < 0.3 else "moderate" if reliability < 0.7 else "strong"


def reliability_sentence(reliability: float) -> str:
    """Explain a reliability to a reader who acts on single pairs.

    Parameters
    ----------
    reliability : float
        Expected correlation between two independent measurements of all gains; NaN = unknown.

    Returns
    -------
    str
        One or two sentences.

    Examples
    --------
    >>> from skmtl.report import reliability_sentence
    >>> reliability_sentence(0.9)
    'The reliability of the measured gains is strong: ... correlate with them at about 0.90. ...'
    """
    advice = {
        "unknown": "The gains were measured only once, so their reliability is unknown. Repeat the "
        "measurement before you rely on single pairs.",
        "weak": "Most differences between single pairs are due to chance: do not act on them.",
        "moderate": "The overall pattern is reproducible, but many single pairs are not: rely only "
        "on pairs whose gain is more than twice its standard error.",
        "strong": "A second measurement would rank the pairs in much the same way.",
    }
    word = reliability_word(reliability)
    if word == "unknown":
        return advice[word]
    return (
        f"The reliability of the measured gains is {word}: an independent measurement of all pairs "
        f"would correlate with them at about {reliability:.2f}. {advice[word]}"
    )


def percent(value: float, *, signed: bool = False, digits: int = 1) -> str:
    """Format a fraction as a percentage, with a minus sign and a narrow space."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{100 * value:{'+' if signed else ''}.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return f"{text}\u202f%".replace("-", "\u2212")


def number(value: Any) -> str:
    """Format a number with four significant digits and a thousands separator."""
    if isinstance(value, (int, np.integer)):
        return str(value) if isinstance(value, bool) else f"{int(value):,}"
    if not isinstance(value, (float, np.floating)):
        return str(value)
    if not math.isfinite(value):
        return ABSENT
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "\u2212")
    return f"{value:#.4g}".replace("-", "\u2212")


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
