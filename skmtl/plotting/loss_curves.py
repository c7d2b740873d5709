"""Display of the loss per task under several training strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skmtl.plotting.canvas import (
    GRID,
    INK,
    MARKERS,
    SERIES,
    axes_or_new,
    literal,
    shortened,
    tidy,
    titled,
)

MOST_NAMES = 45


class TaskLossDisplay:
    """Held-out loss per task and strategy, with the totals in an upper panel.

    Create a display with :meth:`from_predictions`.

    Parameters
    ----------
    losses : DataFrame of shape (T, n_strategies)
        One row per task, one column per strategy; the first strategy is the baseline of the
        comparison. NaN = not trained with that strategy.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the losses per task.
    totals_ax_ : matplotlib Axes
        Axes of the totals.
    figure_ : matplotlib Figure
        Figure of both axes.
    totals_ : Series
        Sum of the losses per strategy, over the tasks that all strategies have a loss for.

    See Also
    --------
    TaskAffinityDisplay : Heatmap of the gains of all task pairs.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from skmtl.plotting import TaskLossDisplay
    >>> losses = pd.DataFrame({"single-task": [1.0, 0.5], "joint": [0.75, 0.5]}, index=["a", "b"])
    >>> TaskLossDisplay.from_predictions(losses, ax=Figure().subplots()).totals_.to_dict()
    {'single-task': 1.5, 'joint': 1.25}
    """

    def __init__(self, *, losses: pd.DataFrame) -> None:
        self.losses = losses

    @property
    def figsize(self) -> tuple[float, float]:
        """Width and height in inches that suit the number of tasks."""
        count = len(self.losses)
        return (7.4, 3.0 + 0.21 * count) if count <= MOST_NAMES else (10.5, 5.6)

    @classmethod
    def from_predictions(
        cls, losses: pd.DataFrame, *, ax: Any = None, name: str | None = None, **kwargs: Any
    ) -> TaskLossDisplay:
        """Draw a table of losses.

        Parameters
        ----------
        losses : DataFrame of shape (T, n_strategies)
            One row per task, one column per strategy.
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the totals; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        TaskLossDisplay
            The Display, drawn.
        """
        return cls(losses=losses).plot(ax=ax, name=name, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> TaskLossDisplay:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the totals; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        TaskLossDisplay
            The Display itself.
        """
        losses = pd.DataFrame(self.losses).astype(np.float64)
        complete = losses.dropna()
        self.totals_ = complete.sum()
        self.ax_ = axes_or_new(ax, self.figsize)
        self.figure_ = self.ax_.figure
        self.totals_ax_ = _split(self.ax_, inches=0.5 + 0.24 * losses.shape[1])
        self._draw_totals(len(complete), len(losses), name)
        self._draw_tasks(losses.sort_values(losses.columns[0], na_position="first"), kwargs)
        return self

    def _draw_totals(self, n_complete: int, n_tasks: int, name: str | None) -> None:
        ax, totals = self.totals_ax_, self.totals_
        places = np.arange(len(totals))
        ax.barh(places, totals, color=[SERIES[k % len(SERIES)] for k in places], height=0.62)
        for k, total in enumerate(totals):
            change = (
                "" if k == 0 or not totals.iloc[0] else f"  ({total / totals.iloc[0] - 1:+.1%})"
            )
            ax.annotate(
                f"{total:.4g}{change}",
                (total, k),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=INK,
            )
        ax.set_yticks(places, [shortened(column, 24) for column in totals.index])
        ax.invert_yaxis()
        ax.set_xlim(0, 1.28 * max(float(totals.max()), 1e-12))
        left_out = (
            f" with a loss for all strategies ({n_tasks - n_complete} left out)"
            if n_complete < n_tasks
            else ""
        )
        tidy(
            ax,
            title=titled(
                f"Total loss of {n_complete} task{'s' * (n_complete != 1)}{left_out}, smaller is "
                "better",
                name,
            ),
        )
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(bottom=False, labelbottom=False, left=False)

    def _draw_tasks(self, losses: pd.DataFrame, style: dict[str, Any]) -> None:
        """Draw tasks from top to bottom with names, or from left to right if there are many."""
        ax, places, named = self.ax_, np.arange(len(losses)), len(losses) <= MOST_NAMES
        lowest, highest = losses.min(axis=1), losses.max(axis=1)
        (ax.hlines if named else ax.vlines)(
            places, lowest, highest, color=GRID, linewidth=2.5 if named else 1.5, zorder=1
        )
        for k, column in enumerate(losses):
            x, y = (losses[column], places) if named else (places, losses[column])
            look = {
                "color": SERIES[k % len(SERIES)],
                "marker": MARKERS[k % len(MARKERS)],
                "s": 30 if named else 13,
                "linewidths": 0,
                "alpha": 0.95,
                "zorder": 2 + k,
            }
            ax.scatter(x, y, **{**look, "label": literal(column), **style})
        values = losses.to_numpy()
        positive = values[values > 0]
        skewed = (
            positive.size == np.isfinite(values).sum()
            and positive.size
            and positive.max() > 40 * positive.min()
        )
        label = "Held-out loss" + (" (logarithmic scale)" if skewed else "")
        if skewed:
            (ax.set_xscale if named else ax.set_yscale)("log")
        elif positive.size == np.isfinite(values).sum():
            (ax.set_xlim if named else ax.set_ylim)(0, None)
        if named:
            ax.set_yticks(
                places,
                [shortened(task) for task in losses.index],
                fontsize=9 if len(losses) <= 30 else 8,
            )
            ax.set_ylim(-0.7, len(losses) - 0.3)
            tidy(ax, title="Loss of each task", xlabel=label)
            ax.tick_params(axis="y", length=0)
        else:
            ax.set_xticks([])
            ax.set_xlim(-1.5, len(losses) + 0.5)
            tidy(
                ax,
                title="Loss of each task",
                xlabel=f"{len(losses)} tasks, sorted by {literal(losses.columns[0])} loss",
                ylabel=label,
            )
        ax.grid(axis="x" if named else "y", color=GRID, linewidth=0.6, zorder=0)
        ax.set_axisbelow(True)
        ax.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=losses.shape[1],
            fontsize=9,
            frameon=False,
            borderaxespad=0.3,
            columnspacing=1.2,
            handletextpad=0.2,
        )


def _split(ax: Any, inches: float) -> Any:
    """Split off the upper part of `ax` as new axes."""
    figure, box = ax.figure, ax.get_position()
    share = float(np.clip(inches / max(box.height * figure.get_size_inches()[1], 1e-6), 0.1, 0.5))
    place = ax.get_subplotspec()
    if place is None:
        gap = 0.35 * share * box.height
        ax.set_position((box.x0, box.y0, box.width, (1 - share) * box.height - gap))
        return figure.add_axes((box.x0, box.y1 - share * box.height, box.width, share * box.height))
    grid = place.subgridspec(2, 1, height_ratios=[share, 1 - share], hspace=0.05)
    ax.set_subplotspec(grid[1])
    return figure.add_subplot(grid[0])
