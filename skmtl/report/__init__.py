"""Report of a task grouping as one self-contained HTML page."""

from skmtl.report.content import GroupingReport, Strategy
from skmtl.report.page import render_report, write_report
from skmtl.report.wording import headline, reliability_sentence

__all__ = ["GroupingReport", "render_report", "write_report"]

# What other packages of skmtl use; no promise to users.
__shared__ = ["Strategy", "headline", "reliability_sentence"]
