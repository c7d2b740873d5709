"""A second panel below given axes, legends, and names that fit beside the axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from skmtl.plotting.canvas import INK, PALE, literal

_LETTERS_A_LINE = 95


def panel_below(ax: Any, inches: float) -> Any:
    """Split off about `inches` of the height of `ax` as new axes with the same x axis."""
    figure, box = ax.figure, ax.get_position()
    share = float(np.clip(inches / max(box.height * figure.get_size_inches()[1], 1e-6), 0.1, 0.75))
    place = ax.get_subplotspec()
    if place is None:
        gap = 0.08 * box.height
        ax.set_position(
            (box.x0, box.y0 + share * box.height + gap, box.width, (1 - share) * box.height - gap)
        )
        return figure.add_axes((box.x0, box.y0, box.width, share * box.height), sharex=ax)
    grid = place.subgridspec(2, 1, height_ratios=[1 - share, share], hspace=0.05)
    ax.set_subplotspec(grid[0])
    return figure.add_subplot(grid[1], sharex=ax)


def cut_in_the_middle(name: object, length: int = 28) -> str:
    """Shorten a long name in the middle, because names tend to differ at their end."""
    text = str(name)
    if len(text) <= length:
        return literal(text)
    end = (length - 1) // 2
    return literal(text[: length - 1 - end] + "…" + text[-end:])


def legend_above(ax: Any, handles: list[Any]) -> None:
    """Draw the legend between title and axes, aligned left, in one or two lines."""
    lines = 1 if sum(6 + len(handle.get_label()) for handle in handles) <= _LETTERS_A_LINE else 2
    ax.set_title(
        ax.get_title(loc="left"),
        loc="left",
        fontsize=12,
        fontweight="bold",
        color=INK,
        pad=14 + 16 * lines,
    )
    legend = ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=-(-len(handles) // lines),
        fontsize=9,
        frameon=False,
        borderaxespad=0.3,
        columnspacing=1.2,
        handletextpad=0.5,
    )
    legend.set_in_layout(
        False
        # Outside the layout: otherwise a wide legend would make the axes narrower.
    )


def note_in_corner(ax: Any, text: str) -> None:
    """Write a note in the upper right corner."""
    ax.annotate(
        text, (0.995, 0.985), xycoords="axes fraction", ha="right", va="top", fontsize=8, color=PALE
    )
