"""Rendering of a Display as a PNG file, without pyplot."""

from __future__ import annotations

from io import BytesIO
from typing import Any

# After a single run of the constrained layout, labels beside axes of fixed aspect are cut off.
_LAYOUT_PASSES = 3


def figure_png(
    display: Any, *, figsize: tuple[float, float] | None = None, dpi: int = 150, **kwargs: Any
) -> bytes:
    """Draw a Display on a new figure and return the content of a PNG file.

    Parameters
    ----------
    display : Display
        Anything with ``plot(ax=...)``, such as :class:`TaskAffinityDisplay`.
    figsize : tuple of float, default=None
        Width and height in inches; by default the ``figsize`` of the Display.
    dpi : int, default=150
        Pixels per inch.
    **kwargs : dict
        Passed to ``display.plot``.

    Returns
    -------
    bytes
        Content of a PNG file; write it with ``Path.write_bytes`` or embed it in a page.

    Notes
    -----
    No pyplot figure is opened, so no figure has to be closed and no window appears. Afterwards,
    ``display.ax_`` and ``display.figure_`` are those of the new figure.

    Examples
    --------
    >>> from skmtl.plotting import GainPredictionDisplay, figure_png
    >>> figure_png(GainPredictionDisplay(y_true=[0.1, -0.2, 0.3], y_pred=[0.0, -0.1, 0.1]))[1:4]
    b'PNG'
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib. Install it with: pip install "skmtl[plot]"'
        ) from error
    figure = Figure(figsize=figsize or getattr(display, "figsize", None), layout="constrained")
    display.plot(ax=figure.subplots(), **kwargs)
    if (layout := figure.get_layout_engine()) is not None:
        for _ in range(_LAYOUT_PASSES):
            layout.execute(figure)
    target = BytesIO()
    figure.savefig(target, format="png", dpi=dpi, facecolor="white")
    return target.getvalue()
