"""Axes and style that all Displays share."""

from __future__ import annotations

from typing import Any

INK, PALE, FAINT, GRID = "#222222", "#8a8a8a", "#c4c4c4", "#e4e4e4"
SERIES = (
    "#6b6b6b",
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe and Ito: safe for the color-blind
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def axes_or_new(ax: Any, figsize: tuple[float, float]) -> Any:
    """Return the given axes, or those of a new pyplot figure."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib. Install it with: pip install "skmtl[plot]"'
        ) from error
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=figsize, layout="constrained")[1]


def tidy(ax: Any, *, title: str, xlabel: str = "", ylabel: str = "") -> None:
    """Set title and labels in the common style and remove the upper and right spines."""
    ax.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
    ax.set_xlabel(xlabel, fontsize=10, color=INK)
    ax.set_ylabel(ylabel, fontsize=10, color=INK)
    ax.tick_params(colors=INK, labelsize=9, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(PALE)


def titled(title: str, name: str | None) -> str:
    """Append a name to a title."""
    return title if name is None else f"{title}: {literal(name)}"


def shortened(name: object, length: int = 22) -> str:
    """Shorten a long name with an ellipsis."""
    text = str(name)
    return literal(text if len(text) <= length else text[: length - 1] + "…")


def literal(text: object) -> str:
    """Escape dollar signs, which would start a formula."""
    return str(text).replace("$", r"\$")
