"""Formatting of the results as plain text of at most 80 columns."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd

from skmtl.cli.data import Data
from skmtl.cli.strategies import TEST_SIZE, Comparison, prediction_correlation
from skmtl.data import TaskSet
from skmtl.grouping import GroupingKind
from skmtl.report import GroupingReport, Strategy, headline, reliability_sentence

WIDTH = 80
MOST_TASKS, EXTREMES, MOST_CANDIDATES = 20, 5, 6
_LONGEST_NAME = 22
_UNITS = {
    "regression": "Mean squared error divided by the variance of all training targets: 0 is "
    "perfect, 1 is as good as predicting the overall mean.",
    "classification": "Log loss: 0 is perfect, 0.693 is as good as chance for two classes.",
}


def say(*lines: str) -> None:
    """Print lines without control characters, in the encoding of the output."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(plain(line).encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def plain(text: str) -> str:
    """Return a text in one line, with ASCII spaces and minus signs and no control characters."""
    text = text.replace("\u202f", " ").replace("\u2212", "-").replace("\u2013", "-")
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "?"
        for character in text
    )


def opening(data: Data) -> list[str]:
    """Describe the data."""
    tasks = data.tasks
    return [
        *_wrapped(f"{data.name}: {data.about}"),
        f"{len(tasks)} tasks ({tasks.kind}), {tasks.sizes.sum():,} rows ({_span(tasks)} per task), "
        f"{_count(tasks.n_features_in_, 'input')}",
        "",
    ]


def results(comparison: Comparison) -> list[str]:
    """Describe the results."""
    report = comparison.report
    sections = [
        _notices(report),
        _totals(report),
        _tasks(comparison),
        _groups(report),
        _choice(report),
        _trust(report),
    ]
    return [line for section in sections if section for line in [*section, ""]]


def closing(
    report: GroupingReport, folder: str, files: Sequence[str], missing: str | None
) -> list[str]:
    """Name the run time and the files."""
    lines = [
        f"Finished in {report.seconds:.0f} seconds. Results in {folder}:",
        *_wrapped(", ".join(files), indent=2),
    ]
    return [*lines, missing] if missing else lines


# ---------------------------------------------------------------------- sections
def _notices(report: GroupingReport) -> list[str]:
    return [line for notice in report.notices for line in _wrapped(f"Note: {notice}", hanging=6)]


def _totals(report: GroupingReport) -> list[str]:
    totals, complete = report.totals, report.losses.dropna()
    rows = [["strategy", "total", "mean per task", "change from single-task"]]
    single = totals[Strategy.SINGLE.value]
    for name in report.losses.columns:
        compared = name != Strategy.SINGLE.value and single > 0
        change = _percent(totals[name] / single - 1) if compared else "-"
        rows.append([name, _number(totals[name]), _number(complete[name].mean()), change])
    return [
        *_wrapped(f"{headline(report)}."),
        "",
        f"HELD-OUT LOSS of {_count(len(complete), 'task')} on {TEST_SIZE:.0%} of their rows "
        "(smaller is better)",
        *_wrapped(_UNITS[report.kind], indent=2),
        "",
        *_table(rows),
    ]


def _tasks(comparison: Comparison) -> list[str]:
    losses = comparison.report.losses
    single = losses[Strategy.SINGLE.value]
    change = losses[Strategy.GROUPED.value] / single.where(single > 0) - 1
    title = ["task", "rows", *losses.columns, "change"]

    def row(name: str) -> list[str]:
        return [
            name,
            f"{comparison.sizes[name]:,}",
            *(_number(loss) for loss in losses.loc[name]),
            _percent(change[name]),
        ]

    if len(losses) <= MOST_TASKS:
        return [
            "LOSS PER TASK (change: from single-task to grouped)",
            *_table([title, *(row(name) for name in losses.index)]),
        ]
    ordered = change.dropna().sort_values(kind="stable")
    better, worse = (
        ordered[ordered < 0].index[:EXTREMES],
        ordered[ordered > 0].index[::-1][:EXTREMES],
    )
    lines = [
        f"LOSS PER TASK: {(ordered < 0).sum()} lower and {(ordered > 0).sum()} higher grouped than "
        "single-task"
    ]
    for heading, names in (("improved", better), ("worsened", worse)):
        if len(names):
            lines += [
                f"  the {len(names)} most {heading}",
                *_table([title, *(row(name) for name in names)]),
            ]
    return lines


def _groups(report: GroupingReport) -> list[str]:
    n_tasks, single = len(report.losses), [group[0] for group in report.groups if len(group) == 1]
    if len(single) == n_tasks:
        return ["GROUPS: none; each task has a separate network"]
    if len(report.groups) == 1:
        return [f"GROUPS: one; all {n_tasks} tasks share a network"]
    lines = [f"GROUPS: {len(report.groups)}"]
    for number, group in enumerate(report.groups, start=1):
        if len(group) > 1:
            members = ", ".join(
                name
                if (serving := report.serving(name) + 1) == number
                else f"{name} (predicted by {serving})"
                for name in group
            )
            lines += _wrapped(f"{number}: {members}", indent=2, hanging=6)
    if single:
        lines += _wrapped(f"single-task: {', '.join(single)}", indent=2, hanging=6)
    return lines


def _choice(report: GroupingReport) -> list[str]:
    """Name the chosen grouping and the reason, by the rule of the grouped estimators."""
    choice = report.choice
    if len(choice) < 2:
        return _wrapped(
            "CHOICE: joint, because fewer than two tasks have enough training rows to measure "
            "gains."
        )
    chosen = choice.index[choice["chosen"]][0]
    is_proposed = choice["kind"] == GroupingKind.PROPOSED.value
    simple = choice[~is_proposed]["validation_loss"].idxmin()
    if chosen != simple:
        difference = _number(-choice.loc[chosen, "difference"])
        error = _number(choice.loc[chosen, "difference_se"])
        reason = (
            f"its total loss is lower than that of {choice.loc[simple, 'candidate']} by "
            f"{difference}, more than chance explains (standard error {error})."
        )
    elif not is_proposed.any():
        reason = "it has the smaller total loss, and no grouping was proposed."
    else:
        reason = (
            "it has the smaller total loss of single-task and joint, and none of the "
            f"{is_proposed.sum()} proposed groupings lowers it by more than chance explains."
        )
    proposed = choice[is_proposed].sort_values("validation_loss", kind="stable")
    shown = [*choice.index[~is_proposed], *proposed.index[:MOST_CANDIDATES]]
    rows = [["candidate", "groups", "loss", "difference", "std. error", ""]]
    for k in dict.fromkeys([*shown, chosen]):
        candidate = choice.loc[k]
        compared = (
            ["-", "-"]
            if k == simple
            else [_number(candidate["difference"]), _number(candidate["difference_se"])]
        )
        rows.append(
            [
                candidate["candidate"],
                str(candidate["n_groups"]),
                _number(candidate["validation_loss"]),
                *compared,
                "chosen" if k == chosen else "",
            ]
        )
    hidden = len(choice) - len(rows) + 1
    lines = [
        *_wrapped(f"CHOICE: {report.winner}, because {reason}"),
        "  Total loss on validation rows, which were split from the training rows:",
        *_table(rows),
    ]
    return [*lines, f"  and {_count(hidden, 'more candidate')} in the report"] if hidden else lines


def _trust(report: GroupingReport) -> list[str]:
    known = report.gains["gain"].astype(float).dropna()
    if known.empty:
        return []
    correlation = prediction_correlation(report.predicted_gains)
    text = (
        f"GAINS: {(known > 0).mean():.0%} of {len(known):,} measured gains are positive. "
        f"{reliability_sentence(report.reliability)}"
    )
    if math.isfinite(correlation):
        text += (
            " Out-of-fold predictions of the gains correlate with the measured gains at "
            f"{correlation:.2f}; noise in the measurements lowers this number."
        )
    return _wrapped(text)


# ---------------------------------------------------------------------- words and numbers
def _wrapped(text: str, *, indent: int = 0, hanging: int | None = None) -> list[str]:
    later = indent if hanging is None else hanging
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * later,
        break_on_hyphens=False,
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns, the first to the left and all others to the right."""
    cut = [[_shortened(row[0]), *row[1:]] for row in rows]
    widths = [max(len(row[k]) for row in cut) for k in range(len(cut[0]))]
    lines = [
        "  "
        + "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in cut
    ]
    return [line.rstrip() for line in lines]


def _shortened(name: str) -> str:
    name = plain(name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}".rstrip(".")


def _percent(value: float) -> str:
    return (
        "-"
        if pd.isna(value)
        else "0.0 %"
        if abs(value) < 0.0005
        else f"{value:+.1%}".replace("%", " %")
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _span(tasks: TaskSet) -> str:
    low, high = int(tasks.sizes.min()), int(tasks.sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
