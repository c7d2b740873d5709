"""Display of the gains of all task pairs as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skmtl.plotting.canvas import INK, axes_or_new, shortened, tidy, titled

MOST_LABELS = 45


class TaskAffinityDisplay:
    """Heatmap of the gains of all task pairs, with a frame around each task group.

    A cell shows the gain of the target task (row) when it is trained with the source task (column).
    Blue: the loss of the target falls. Red: it rises. Gray: not measured. Create a display with
    :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    affinity : DataFrame of shape (T, T) or array-like
        Gains, row = target, column = source; the diagonal is ignored, and NaN = not measured.
    groups : list of tuple of str, default=None
        Task names of each group. A task in several groups is drawn in the first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the heatmap.
    figure_ : matplotlib Figure
        Figure of the axes.
    im_ : matplotlib AxesImage
        The heatmap.
    colorbar_ : matplotlib Colorbar
        The color scale.
    order_ : list of str
        Task names from top to bottom and from left to right.

    See Also
    --------
    GainPredictionDisplay : Scatter plot of measured against predicted gains.

    Notes
    -----
    The color scale ends at the 98 % quantile of the absolute gains, so that a single extreme pair
    does not dominate it. Up to 45 tasks are named. With more tasks, the groups are numbered, or
    only some of the tasks are named if there are no groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from skmtl.plotting import TaskAffinityDisplay
    >>> gains = pd.DataFrame(
    ...     [[0, -0.1, 0.2], [0.0, 0, 0.1], [0.3, -0.2, 0]], index=list("abc"), columns=list("abc")
    ... )
    >>> TaskAffinityDisplay.from_predictions(
    ...     gains, groups=[("a", "c"), ("b",)], ax=Figure().subplots()
    ... ).order_
    ['a', 'c', 'b']
    """

    def __init__(self, *, affinity: Any, groups: Sequence[Sequence[str]] | None = None) -> None:
        self.affinity = affinity
        self.groups = groups

    @property
    def figsize(self) -> tuple[float, float]:
        """Width and height in inches that suit the number of tasks."""
        side = float(np.clip(3.6 + 0.17 * len(self.affinity), 4.6, 9.0))
        return side + 1.2, side

    @classmethod
    def from_predictions(
        cls,
        affinity: Any,
        *,
        groups: Sequence[Sequence[str]] | None = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> TaskAffinityDisplay:
        """Draw a table of gains.

        Parameters
        ----------
        affinity : DataFrame of shape (T, T) or array-like
            Gains, row = target, column = source.
        groups : list of tuple of str, default=None
            Task names of each group.
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        TaskAffinityDisplay
            The Display, drawn.
        """
        table = getattr(affinity, "matrix", affinity)  # of PairwiseGains
        return cls(affinity=table, groups=groups).plot(ax=ax, name=name, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, name: str | None = None, **kwargs: Any
    ) -> TaskAffinityDisplay:
        """Draw the gains and groups of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted estimator with ``affinity_`` and ``task_names_``; ``groups_`` is drawn if it
            exists.
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        TaskAffinityDisplay
            The Display, drawn.
        """
        if not hasattr(estimator, "affinity_"):  # any object that has it will do
            check_is_fitted(estimator, "affinity_")
        affinity = pd.DataFrame(
            np.asarray(estimator.affinity_),
            index=list(estimator.task_names_),
            columns=list(estimator.task_names_),
        )
        return cls.from_predictions(
            affinity, groups=getattr(estimator, "groups_", None), ax=ax, name=name, **kwargs
        )

    def plot(
        self, ax: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> TaskAffinityDisplay:
        """Draw the heatmap.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        TaskAffinityDisplay
            The Display itself.
        """
        table = pd.DataFrame(self.affinity)
        if table.shape[0] != table.shape[1]:
            raise ValueError(
                f"affinity must be a square table of targets by sources. Got shape {table.shape}."
            )
        blocks = _blocks([str(task) for task in table.index], self.groups)
        self.order_ = [task for block in blocks for task in block]
        position = {str(task): k for k, task in enumerate(table.index)}
        order = [position[task] for task in self.order_]
        values = table.to_numpy(dtype=np.float64)[np.ix_(order, order)]
        np.fill_diagonal(values, np.nan)

        self.ax_ = axes_or_new(ax, self.figsize)
        self.figure_ = self.ax_.figure
        from matplotlib import colormaps
        from matplotlib.patches import Rectangle
        from matplotlib.ticker import PercentFormatter

        strength = np.abs(values[np.isfinite(values)])
        limit = float(np.quantile(strength, 0.98)) if strength.size else 0.0
        limit = limit or (float(strength.max(initial=0.0)) or 0.01)
        colors = colormaps["RdBu"].with_extremes(bad="#d9d9d9")
        self.im_ = self.ax_.imshow(
            values,
            **{
                "cmap": colors,
                "vmin": -limit,
                "vmax": limit,
                "interpolation": "nearest",
                **kwargs,
            },
        )
        extend = "both" if (strength > limit).any() else "neither"
        self.colorbar_ = self.figure_.colorbar(
            self.im_,
            ax=self.ax_,
            fraction=0.046,
            pad=0.03,
            extend=extend,
            format=PercentFormatter(xmax=1),
        )
        self.colorbar_.set_label(
            "Gain: relative reduction of the target's loss", fontsize=9, color=INK
        )
        self.colorbar_.ax.tick_params(labelsize=8, colors=INK, length=3)
        self.colorbar_.outline.set_visible(False)

        tidy(
            self.ax_,
            title=titled("Which tasks help each other", name),
            xlabel="Source task",
            ylabel="Target task",
        )
        for side in self.ax_.spines.values():
            side.set_visible(False)
        if self.groups is not None:
            start = -0.5
            for block in filter(None, blocks):
                self.ax_.add_patch(
                    Rectangle(
                        (start, start),
                        len(block),
                        len(block),
                        fill=False,
                        edgecolor=INK,
                        linewidth=1.6,
                        clip_on=False,
                    )
                )
                start += len(block)
        self._label(blocks)
        return self

    def _label(self, blocks: list[list[str]]) -> None:
        """Label the axes with task names, or with group numbers if there are too many tasks."""
        count = len(self.order_)
        if count <= MOST_LABELS or self.groups is None:
            step = -(-count // MOST_LABELS)
            ticks = np.arange(0, count, step)
            labels = [shortened(self.order_[k]) for k in ticks]
            size = float(np.clip(200 / len(ticks), 5.5, 9))
            self.ax_.set_yticks(ticks, labels, fontsize=size)
            self.ax_.set_xticks(
                ticks, labels, fontsize=size, rotation=90 if max(map(len, labels)) > 2 else 0
            )
            if step > 1:
                self.ax_.set_ylabel(f"{self.ax_.get_ylabel()} (every {step}th named)")
            return
        sizes = np.array([len(block) for block in blocks])
        centres = np.cumsum(sizes) - sizes / 2 - 0.5
        room = np.flatnonzero(sizes >= count / 40)
        labels = [
            f"group {k + 1}" + (f"\n({sizes[k]} tasks)" if sizes[k] >= count / 20 else "")
            for k in room
        ]
        self.ax_.set_yticks(centres[room], labels, fontsize=8)
        self.ax_.set_xticks(centres[room], [str(k + 1) for k in room], fontsize=8)


def _blocks(names: list[str], groups: Sequence[Sequence[str]] | None) -> list[list[str]]:
    """Return the task names per group, each name once, and tasks without a group at the end.

    A group whose tasks all appear in earlier groups is empty, so that the numbers of groups stay.
    """
    if groups is None:
        return [names]
    left = dict.fromkeys(names)
    blocks = []
    for group in groups:
        unknown = [task for task in group if str(task) not in names]
        if unknown:
            raise ValueError(f"groups contains task {unknown[0]!r}, which is not in affinity.")
        block = [task for task in dict.fromkeys(map(str, group)) if task in left]
        for task in block:
            del left[task]
        blocks.append(block)
    return blocks + [[task] for task in left]
