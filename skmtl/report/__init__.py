"""One self-contained page about a task grouping, for readers who do not program."""

from skmtl.report.content import GroupingReport
from skmtl.report.page import render_report, write_report

__all__ = ["GroupingReport", "render_report", "write_report"]
