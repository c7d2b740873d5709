"""Numbers in plain words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skmtl.report.content import GROUPED, SINGLE, TOGETHER, GroupingReport

ABSENT = "\u2013"


def headline(report: GroupingReport) -> str:
    """Say in one sentence what was won.

    Parameters
    ----------
    report : GroupingReport
        Losses and groups.

    Returns
    -------
    str
        A sentence without its stop.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.report import GroupingReport, headline
    >>> losses = pd.DataFrame(
    ...     {"single-task": [1.0], "all together": [1.1], "grouped": [1.0]}, index=["a"]
    ... )
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
    'Nothing was won by training tasks together: one network per task has the smallest held-out
    loss'
    """
    totals, best = report.totals, report.best
    if not len(report.losses.dropna()) or not totals[SINGLE] > 0:
        return (
            "No task has a held-out loss under every way of training, so the ways cannot be "
            "compared"
        )
    won = 1 - totals[best] / totals[SINGLE]
    if best == SINGLE or won < 0.0005:
        return (
            "Nothing was won by training tasks together: one network per task has the smallest "
            "held-out loss"
        )
    faint = ", which is next to nothing" if won < 0.01 else ""
    if best == TOGETHER:
        return (
            "Training the tasks together in one network lowers the held-out loss by "
            f"{percent(won)} against one network per task{faint}"
        )
    against = 1 - totals[GROUPED] / totals[TOGETHER]
    plan = f"{len(report.groups)} groups" if len(report.groups) > 1 else "groups"
    return (
        f"Training the tasks in {plan} lowers the held-out loss by {percent(won)} against one "
        "network per task "
        f"and by {percent(against)} against one network for all{faint}"
    )


def reliability_word(reliability: float) -> str:
    """Name the strength of a reliability."""
    if math.isnan(reliability):
        return "unknown"
    return "weak" if reliability < 0.3 else "moderate" if reliability < 0.7 else "strong"


def reliability_sentence(reliability: float) -> str:
    """Say what a reliability means for a reader who acts on single pairs.

    Parameters
    ----------
    reliability : float
        Correlation that two independent measurements of all gains would have; NaN = unknown.

    Returns
    -------
    str
        One or two sentences.

    Examples
    --------
    >>> from skmtl.report import reliability_sentence
    >>> reliability_sentence(0.9)
    'If all gains were measured again from scratch, new and old gains would correlate at about 0.90,
    which is strong. A second measurement ...'
    """
    advice = {
        "unknown": "The gains were measured once, so it cannot be said how much of them is chance. "
        "Repeat the measurement before relying on single pairs.",
        "weak": "Most of what the table of single pairs shows is chance: do not act on one pair "
        "alone.",
        "moderate": "The broad pattern would show again, many single pairs would not: trust pairs "
        "whose gain is more than twice its standard error.",
        "strong": "A second measurement would show much the same pairs.",
    }
    word = reliability_word(reliability)
    if word == "unknown":
        return advice[word]
    return (
        "If all gains were measured again from scratch, new and old gains would correlate at "
        f"about {reliability:.2f}, which is {word}. {advice[word]}"
    )


def percent(value: float, *, signed: bool = False, digits: int = 1) -> str:
    """Write a fraction as per cent, with a true minus and a narrow space."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{100 * value:{'+' if signed else ''}.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return f"{text}\u202f%".replace("-", "\u2212")


def number(value: Any) -> str:
    """Write a number with four significant digits, thousands apart."""
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
    """Write a time span in the units that people use."""
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
