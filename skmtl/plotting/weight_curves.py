"""Task weights over the epochs of a fit, as lines for few tasks and as colors for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.plotting.canvas import FAINT, GRID, INK, PALE, SERIES, tidy
from skmtl.plotting.panels import cut_in_the_middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES, MOST_NAMES = 6, 45
_HUES = SERIES[1:]


def relative_weights(weights: Any, n_epochs: int) -> pd.DataFrame:
    """Return weights divided by their mean absolute weight per epoch; NaN stays NaN."""
    table = pd.DataFrame(weights).astype(np.float64).reset_index(drop=True)
    if len(table) != n_epochs:
        raise ValueError(
            f"weights must have one row per epoch: history has {n_epochs} entries. "
            f"Got {len(table)} rows."
        )
    table.columns = [str(column) for column in table.columns]
    scale = table.abs().mean(axis=1)
    return table.div(scale.where(scale > 0), axis=0)


def weights_inches(n_tasks: int) -> float:
    """Return the height of the weights panel in inches."""
    return 2.4 if n_tasks <= MOST_LINES else float(np.clip(0.9 + 0.16 * n_tasks, 2.0, 6.5))


def weight_lines(ax: Axes, epochs: NDArray[np.float64], weights: pd.DataFrame) -> None:
    """Draw one line per task: its weight over the epochs."""
    ax.axhline(1, color=PALE, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    smooth = (
        weights
        if len(weights) <= 30
        else weights.rolling(max(1, len(weights) // 10), center=True, min_periods=1).mean()
    )
    for k, task in enumerate(weights):
        hue = _HUES[k % len(_HUES)]
        if smooth is not weights:
            ax.plot(epochs, weights[task], color=hue, linewidth=0.6, alpha=0.3, zorder=2)
        look: dict[str, Any] = {
            "color": hue,
            "linewidth": 1.6,
            "zorder": 3,
            "marker": "o" if len(epochs) <= 30 else None,
            "markersize": 3,
        }
        ax.plot(epochs, smooth[task], **look, label=cut_in_the_middle(task, 24))
    tidy(ax, title="", ylabel="Weight / mean weight")
    values = weights.to_numpy()
    if np.isfinite(values).any() and np.nanmin(values) >= 0:
        ax.set_ylim(0, 1.06 * np.nanmax(values))
    ax.grid(axis="y", color=GRID, linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        fontsize=9,
        frameon=False,
        title="Tasks",
        alignment="left",
        title_fontsize=9,
    )


def weight_colors(ax: Axes, epochs: NDArray[np.float64], weights: pd.DataFrame) -> None:
    """Draw one row of colors per task, sorted by the mean weight from top to bottom."""
    from matplotlib import colormaps
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ordered = weights[
        weights.mean().sort_values(ascending=False, na_position="last", kind="stable").index
    ]
    values = np.log2(ordered.to_numpy().T.clip(min=2.0**-6))
    limit = (
        float(np.clip(np.nanquantile(np.abs(values), 0.98), 0.2, 4))
        if np.isfinite(values).any()
        else 1.0
    )
    colors = colormaps["PuOr_r"].with_extremes(bad="#d9d9d9")
    edges = (epochs[0] - 0.5, epochs[-1] + 0.5, values.shape[0] - 0.5, -0.5)
    image = ax.imshow(
        values,
        aspect="auto",
        cmap=colors,
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=edges,
    )
    step = -(-len(values) // MOST_NAMES)
    ticks = np.arange(0, len(values), step)
    ax.set_yticks(
        ticks,
        [cut_in_the_middle(ordered.columns[k], 24) for k in ticks],
        fontsize=float(np.clip(220 / len(ticks), 6, 9)),
    )
    tidy(
        ax,
        title="",
        ylabel=""
        if step == 1
        else f"every {step}{'nd' if step == 2 else 'rd' if step == 3 else 'th'} task named",
    )
    ax.tick_params(axis="y", length=0, labelsize=float(np.clip(220 / len(ticks), 6, 9)))
    for side in ax.spines.values():
        side.set_visible(False)
    bar = ax.figure.colorbar(
        image,
        ax=ax,
        fraction=0.05,
        pad=0.02,
        aspect=25,
        extend="both" if (np.abs(values) > limit).any() else "neither",
    )
    bar.set_label("Weight / mean weight", fontsize=9, color=INK)
    whole = limit >= 1
    places: list[float] = (
        [float(k) for k in range(-int(limit), int(limit) + 1)]
        if whole
        else [share * limit for share in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    )
    bar.locator = FixedLocator(places)
    bar.formatter = FuncFormatter(
        lambda tick, _: f"{2.0**tick:.3g}" if whole else f"{2.0**tick:.2f}"
    )
    bar.minorlocator = NullLocator()
    bar.update_ticks()
    bar.ax.tick_params(labelsize=8, colors=INK, length=3)
    bar.outline.set_edgecolor(FAINT)
