"""Display of the risk per task against the size of a shared representation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.plotting.canvas import FAINT, GRID, INK, PALE, SERIES, axes_or_new, tidy, titled
from skmtl.plotting.panels import cut_in_the_middle, legend_above, note_in_corner, panel_below
from skmtl.representation import RepresentationPath, representation_path

MOST_NAMES = 25
_STARVED = SERIES[2]


class RepresentationRiskDisplay:
    """Risk per task against the size of a shared representation, with the starved tasks.

    A task is starved at a size if the shared representation explains much less of it than a
    single-task model does. Gray lines are tasks that are never starved. Orange lines are tasks that
    are starved at some sizes, marked by squares; the lower panel lists these tasks and sizes. The
    dashed line marks the smallest size at which no task is starved. Create a display with
    :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    path : RepresentationPath
        Result of :func:`skmtl.representation.representation_path`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the risks.
    starved_ax_ : matplotlib Axes or None
        Axes of the starved tasks; None if there are none.
    figure_ : matplotlib Figure
        Figure of both axes.
    lines_ : dict of str to matplotlib Line2D
        Line of each task.

    See Also
    --------
    skmtl.representation.representation_path : Measure the risks and find the starved tasks.

    Notes
    -----
    Risks are divided by the risk of predicting the task's training mean, so that tasks in different
    units share one scale: 1 = nothing is explained, above 1 = worse than the mean. Starved tasks
    are sorted by the number of sizes at which they are starved; at most 25 are named.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skmtl.plotting import RepresentationRiskDisplay
    >>> from skmtl.representation import RepresentationPath
    >>> risks, starved = (
    ...     np.array([[0.1, 1.0], [0.1, 0.2]]),
    ...     np.array([[False, True], [False, False]]),
    ... )
    >>> path = RepresentationPath(
    ...     (1, 2), ("north", "south"), risks, np.array([0.1, 0.1]), np.ones(2), starved
    ... )
    >>> display = RepresentationRiskDisplay.from_predictions(path, ax=Figure().subplots())
    >>> [label.get_text() for label in display.starved_ax_.get_yticklabels()]
    ['south']
    """

    def __init__(self, *, path: RepresentationPath) -> None:
        self.path = path

    @property
    def figsize(self) -> tuple[float, float]:
        """Width and height in inches that suit the number of starved tasks."""
        n_starved = int(self.path.starved.any(axis=0).sum())
        return 8.4, 4.6 + (_strip_inches(n_starved) if n_starved else 0.0)

    @classmethod
    def from_predictions(
        cls, path: RepresentationPath, *, ax: Any = None, name: str | None = None, **kwargs: Any
    ) -> RepresentationRiskDisplay:
        """Draw a measured path.

        Parameters
        ----------
        path : RepresentationPath
            Result of :func:`skmtl.representation.representation_path`.
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the names of starved tasks; a new figure by
            default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.plot`` for the lines of all tasks.

        Returns
        -------
        RepresentationRiskDisplay
            The Display, drawn.
        """
        return cls(path=path).plot(ax=ax, name=name, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        ranks: Iterable[int],
        cv: Any = 5,
        n_jobs: int | None = None,
        task_weights: Any = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> RepresentationRiskDisplay:
        """Measure the path of an estimator and draw it.

        Parameters
        ----------
        estimator : LowRankMultiTaskRegressor or MultiTaskRegressor
            Estimator to clone and fit; it is not changed.
        X : array-like of shape (n, p)
            Inputs, in long form with the task column.
        y : array-like of shape (n,) or (n, T)
            Targets, NaN where a row has no label for a task (wide form).
        ranks : iterable of int
            Sizes to try.
        cv : int or splitter, default=5
            As in :func:`skmtl.representation.representation_path`.
        n_jobs : int, optional
            Number of folds that are fitted in parallel.
        task_weights : array-like of shape (T,), dict or None, default=None
            As in :func:`skmtl.representation.representation_path`.
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the names of starved tasks; a new figure by
            default.
        name : str, default=None
            What is shown, for the title; by default the name of the estimator's class.
        **kwargs : dict
            Passed to ``Axes.plot`` for the lines of all tasks.

        Returns
        -------
        RepresentationRiskDisplay
            The Display, drawn; its ``path`` contains the numbers.
        """
        path = representation_path(
            estimator, X, y, ranks=ranks, cv=cv, n_jobs=n_jobs, task_weights=task_weights
        )
        return cls.from_predictions(
            path, ax=ax, name=type(estimator).__name__ if name is None else name, **kwargs
        )

    def plot(
        self, ax: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> RepresentationRiskDisplay:
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the names of starved tasks; a new figure by
            default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.plot`` for the lines of all tasks.

        Returns
        -------
        RepresentationRiskDisplay
            The Display itself.
        """
        order = np.argsort(self.path.ranks, kind="stable")
        ranks, starved = np.asarray(self.path.ranks)[order], self.path.starved[order]
        self.ax_ = axes_or_new(ax, self.figsize)
        self.figure_ = self.ax_.figure
        n_starved = int(starved.any(axis=0).sum())
        self.starved_ax_: Any = (
            panel_below(self.ax_, _strip_inches(n_starved)) if n_starved else None
        )
        self._draw_risks(ranks, 1 - self.path.explained[order], starved, name, kwargs)
        if self.starved_ax_ is not None:
            self._draw_starved(ranks, starved)
        self._mark_smallest()
        return self

    def _draw_risks(
        self,
        ranks: NDArray[Any],
        left: NDArray[Any],
        starved: NDArray[Any],
        name: str | None,
        style: dict[str, Any],
    ) -> None:
        ax, crowd = self.ax_, left.shape[1]
        ax.axhline(1, color=PALE, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        self.lines_ = {}
        is_starved: NDArray[np.bool_] = np.any(starved, axis=0)
        looks = {
            False: {
                "color": FAINT if crowd > 12 else PALE,
                "alpha": float(np.clip(12 / crowd, 0.35, 0.9)),
                "linewidth": 1.1,
                "zorder": 2,
            },
            True: {
                "color": _STARVED,
                "alpha": float(np.clip(8 / is_starved.sum(), 0.35, 0.9))
                if is_starved.any()
                else 1.0,
                "linewidth": 1.3,
                "zorder": 3,
            },
        }
        looks = {
            kind: {**look, "marker": "o" if len(ranks) == 1 else None, "markersize": 4, **style}
            for kind, look in looks.items()
        }
        for t, task in enumerate(self.path.task_names):
            (self.lines_[task],) = ax.plot(
                ranks,
                left[:, t],
                **{
                    **looks[bool(is_starved[t])],
                    "marker": "o" if len(ranks) == 1 else None,
                    "markersize": 4,
                    **style,
                },
            )
        place, task_of = np.nonzero(starved)
        ax.scatter(
            ranks[place],
            left[place, task_of],
            marker="s",
            s=18,
            color=_STARVED,
            linewidths=0,
            zorder=4,
        )
        tidy(
            ax,
            title=titled("Risk per task of a shared representation", name),
            ylabel="Risk / risk of the task's mean",
        )
        finite = left[np.isfinite(left)]
        top = (
            float(max(1.12, min(finite.max(initial=1.0) * 1.06, np.quantile(finite, 0.99) * 1.3)))
            if finite.size
            else 1.12
        )
        ax.set_ylim(min(0.0, float(finite.min(initial=0.0))), top)
        above = int((left > top).any(axis=0).sum())
        if above:
            note_in_corner(ax, f"{above} task{'s' * (above > 1)} above the axes")
        ax.grid(axis="y", color=GRID, linewidth=0.6, zorder=0)
        ax.set_axisbelow(True)
        self._scale(ranks)
        self._legend(crowd, is_starved)

    def _scale(self, ranks: NDArray[Any]) -> None:
        """Set the ticks of the common x axis at the ranks; a wide range gets a log scale."""
        from matplotlib.ticker import NullLocator

        if ranks[-1] > 16 * ranks[0]:
            self.ax_.set_xscale("log", base=2)
        shown = ranks if len(ranks) <= 20 else ranks[:: -(-len(ranks) // 20)]
        for ax in filter(None, (self.ax_, self.starved_ax_)):
            ax.set_xticks(shown, [str(rank) for rank in shown])
            ax.xaxis.set_minor_locator(NullLocator())
        self.ax_.margins(x=0.04)
        self.ax_.set_xlabel(
            "" if self.starved_ax_ is not None else "Size of the representation",
            fontsize=10,
            color=INK,
        )
        if self.starved_ax_ is not None:
            self.ax_.tick_params(labelbottom=False)

    def _legend(self, crowd: int, is_starved: NDArray[Any]) -> None:
        from matplotlib.lines import Line2D

        count, full = int(is_starved.sum()), crowd - int(is_starved.sum())
        entries: list[tuple[int, dict[str, Any], str]] = [
            (
                full,
                {"color": PALE, "linewidth": 1.4},
                f"{full} task{'s' * (full != 1)} never starved",
            ),
            (
                count,
                {"color": _STARVED, "linewidth": 1.4, "marker": "s", "markersize": 4},
                f"{count} task{'s' * (count != 1)} starved (squares)",
            ),
            (1, {"color": PALE, "linewidth": 1, "linestyle": (0, (1, 2))}, "the task's mean"),
        ]
        handles = [Line2D([], [], label=label, **look) for number, look, label in entries if number]
        legend_above(self.ax_, handles)

    def _draw_starved(self, ranks: NDArray[Any], starved: NDArray[Any]) -> None:
        """Draw one row per starved task, with a square per size; the most starved are on top."""
        ax = self.starved_ax_
        last = np.where(starved.any(axis=0), len(ranks) - 1 - starved[::-1].argmax(axis=0), -1)
        order = np.lexsort((np.arange(starved.shape[1]), -last, -starved.sum(axis=0)))[
            : int(starved.any(axis=0).sum())
        ]
        named = order if len(order) <= MOST_NAMES else order[: MOST_NAMES - 1]
        for row, t in enumerate(named):
            where = ranks[starved[:, t]]
            ax.hlines(row, ranks[0], ranks[-1], color=GRID, linewidth=0.8, zorder=1)
            ax.scatter(
                where,
                np.full(len(where), row),
                marker="s",
                s=26,
                color=_STARVED,
                linewidths=0,
                zorder=2,
            )
        labels = [cut_in_the_middle(self.path.task_names[t]) for t in named]
        if len(named) < len(order):
            rest = starved[:, order[len(named) :]].sum(axis=1)
            for rank, count in zip(ranks, rest, strict=True):
                ax.annotate(
                    str(count) if count else "",
                    (rank, len(named)),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=_STARVED,
                )
            labels.append(f"count of {len(order) - len(named)} others")
        ax.set_yticks(np.arange(len(labels)), labels, fontsize=9 if len(labels) <= 15 else 8)
        ax.set_ylim(len(labels) - 0.4, -0.6)
        tidy(ax, title="", xlabel="Size of the representation")
        ax.set_title(
            "Starved tasks", loc="left", fontsize=9.5, fontweight="bold", color=_STARVED, pad=4
        )
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)

    def _mark_smallest(self) -> None:
        """Mark the smallest size without starved tasks, or note that there is none."""
        smallest = self.path.smallest_rank_
        if smallest is None:
            self.ax_.annotate(
                "some task is starved at every size",
                (0.01, 0.03),
                xycoords="axes fraction",
                fontsize=9,
                color=INK,
            )
            return
        for ax in filter(None, (self.ax_, self.starved_ax_)):
            ax.axvline(smallest, color=INK, linewidth=1.1, linestyle=(0, (5, 4)), zorder=1.5)
        right = smallest > np.median(self.path.ranks)
        self.ax_.annotate(
            f"no task starved from size {smallest}",
            (smallest, 0.985),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if right else 5, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            fontsize=9,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        )


def _strip_inches(n_starved: int) -> float:
    return 0.62 + 0.19 * min(n_starved, MOST_NAMES)
