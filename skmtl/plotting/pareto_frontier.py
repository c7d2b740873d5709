"""Display of the runs of several methods under two measures, with their Pareto fronts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.plotting.canvas import GRID, INK, MARKERS, PALE, SERIES, axes_or_new, tidy, titled
from skmtl.plotting.front_runs import (
    UNNAMED,
    axis_limits,
    front_rows,
    read_runs,
    reported_rows,
)
from skmtl.plotting.panels import cut_in_the_middle, legend_above, note_in_corner

_ARE, _ARFG = "are", "arfg"
_LABELS = {
    _ARE: "Average relative error, ARE (smaller is better)",
    _ARFG: "Average relative fairness gap, ARFG (smaller is better)",
}
_HUES = (*SERIES[1:], SERIES[0])


class ParetoFrontierDisplay:
    """Pareto front of each method's runs under two measures, both smaller-is-better.

    A dot is a run. The stairs are the method's Pareto front: no other run of the method is at least
    as good in both measures and better in one. The star is the reported run, the cross is the
    baseline. Create a display with :meth:`from_predictions` or :meth:`from_estimator`.

    Parameters
    ----------
    points : dict of str to array-like of shape (n, 2) or DataFrame, array-like or DataFrame
        Runs of each method by name, or the runs of one method. Arrays have two columns; of a
        DataFrame, the two `columns` are used.
    columns : tuple of str, default=("are", "arfg")
        Columns of a DataFrame for the horizontal and the vertical axis. ``("val_are", "val_arfg")``
        shows the validation rows of a sweep.
    reported : "midpoint", dict of str to int, int or None, default="midpoint"
        Run that is marked. "midpoint" = the run of :func:`skmtl.metrics.reported_point`; otherwise
        a row number, or one per method, such as that of a run chosen on validation rows. None marks
        no run.
    baseline : (float, float), None or "auto", default="auto"
        Point of the baseline. "auto" = (1, 1) if `columns` are average relative errors and fairness
        gaps, otherwise none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the runs.
    figure_ : matplotlib Figure
        Figure of the axes.
    fronts_ : dict of str to ndarray
        Row numbers of each method's front, from left to right.
    reported_ : dict of str to int
        Row number of each method's reported run.

    See Also
    --------
    skmtl.model_selection.fairness_sweep : Train many runs and return the DataFrame to draw.
    skmtl.metrics.pareto_mask : Mask of the runs on the Pareto front.
    skmtl.metrics.hypervolume : Area between a front and a reference point.

    Notes
    -----
    Fronts are computed from the two columns that are drawn. A front on test rows is optimistic: a
    run that was chosen on validation rows is usually worse. Runs that are far worse than most lie
    outside the axes; their number is noted in the corner.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skmtl.plotting import ParetoFrontierDisplay
    >>> runs = {"vanilla": [[1.0, 1.0], [0.9, 1.2]], "MTA-F": [[1.0, 0.3], [1.1, 0.2], [1.2, 0.4]]}
    >>> display = ParetoFrontierDisplay.from_predictions(runs, ax=Figure().subplots())
    >>> display.fronts_["MTA-F"].tolist(), display.reported_["MTA-F"]
    ([0, 1], 1)
    """

    figsize = (7.4, 5.6)

    def __init__(
        self,
        *,
        points: Any,
        columns: tuple[str, str] = (_ARE, _ARFG),
        reported: Any = "midpoint",
        baseline: Any = "auto",
    ) -> None:
        self.points = points
        self.columns = columns
        self.reported = reported
        self.baseline = baseline

    @classmethod
    def from_predictions(
        cls,
        points: Any,
        *,
        columns: tuple[str, str] = (_ARE, _ARFG),
        reported: Any = "midpoint",
        baseline: Any = "auto",
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> ParetoFrontierDisplay:
        """Draw given runs.

        Parameters
        ----------
        points : dict of str to array-like of shape (n, 2) or DataFrame, array-like or DataFrame
            Runs of each method by name, or the runs of one method, such as the DataFrame that
            :func:`skmtl.model_selection.fairness_sweep` returns.
        columns : tuple of str, default=("are", "arfg")
            Columns of a DataFrame for the horizontal and the vertical axis, and the labels of the
            axes.
        reported : "midpoint", dict of str to int, int or None, default="midpoint"
            Run that is marked.
        baseline : (float, float), None or "auto", default="auto"
            Point of the baseline.
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.scatter`` for the runs.

        Returns
        -------
        ParetoFrontierDisplay
            The Display, drawn.
        """
        return cls(points=points, columns=columns, reported=reported, baseline=baseline).plot(
            ax=ax, name=name, **kwargs
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metrics: tuple[str, str],
        baseline: Any = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> ParetoFrontierDisplay:
        """Draw the candidates of a fitted search under two of its metrics.

        Parameters
        ----------
        estimator : GridSearchCV, RandomizedSearchCV or FleetSearchCV
            Search fitted with several metrics. Scores are negated, because searches maximize: a
            scorer with ``greater_is_better=False`` is shown as the metric itself, any other as its
            negative. The candidate that the search chose is marked.
        metrics : tuple of str
            Names of the two metrics, for the horizontal and the vertical axis.
        baseline : (float, float) or None, default=None
            Point of a baseline, in the same units.
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title; by default the name of the estimator's class.
        **kwargs : dict
            Passed to ``Axes.scatter`` for the runs.

        Returns
        -------
        ParetoFrontierDisplay
            The Display, drawn.
        """
        for metric in metrics:
            if f"mean_test_{metric}" not in estimator.cv_results_:
                known = [
                    column.removeprefix("mean_test_")
                    for column in estimator.cv_results_
                    if column.startswith("mean_test_")
                ]
                raise ValueError(
                    f"metrics names {metric!r}, which the search did not measure; it has {known}."
                )
        chosen = getattr(estimator, "best_index_", None)
        runs = pd.DataFrame(
            {
                metric: -np.asarray(estimator.cv_results_[f"mean_test_{metric}"], dtype=float)
                for metric in metrics
            }
        )
        settings = {
            "columns": tuple(metrics),
            "reported": None if chosen is None else int(chosen),
            "baseline": baseline,
        }
        return cls.from_predictions(
            {"candidates": runs},
            **settings,
            ax=ax,
            name=type(estimator.estimator).__name__ if name is None else name,
            **kwargs,
        )

    def plot(
        self, ax: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> ParetoFrontierDisplay:
        """Draw the runs and their fronts.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.scatter`` for the runs.

        Returns
        -------
        ParetoFrontierDisplay
            The Display itself.
        """
        runs = read_runs(self.points, self.columns)
        self.fronts_ = {method: front_rows(values) for method, values in runs.items()}
        self.reported_ = reported_rows(runs, self.reported)
        relative = tuple(self.columns) in ((_ARE, _ARFG), (f"val_{_ARE}", f"val_{_ARFG}"))
        corner = (
            ((1.0, 1.0) if relative else None) if isinstance(self.baseline, str) else self.baseline
        )
        self.ax_ = axes_or_new(ax, self.figsize)
        self.figure_ = self.ax_.figure

        (left, right), (low, high) = (
            axis_limits(runs, self.fronts_, self.reported_, corner, axis) for axis in (0, 1)
        )
        handles = [
            self._draw(k, method, values, (right, high), kwargs)
            for k, (method, values) in enumerate(runs.items())
        ]
        if corner is not None:
            for line, at in ((self.ax_.axvline, corner[0]), (self.ax_.axhline, corner[1])):
                line(at, color=PALE, linewidth=0.8, linestyle=(0, (4, 4)), zorder=1)
            handles.append(
                self.ax_.scatter(
                    *corner, marker="x", s=60, color=INK, linewidths=1.8, zorder=6, label="baseline"
                )
            )
        self.ax_.set(xlim=(left, right), ylim=(low, high))
        x_label, y_label = (
            _LABELS.get(str(column).removeprefix("val_"), f"{column} (smaller is better)")
            for column in self.columns
        )
        validation = " on validation rows" if str(self.columns[0]).startswith("val_") else ""
        tidy(
            self.ax_,
            title=titled(f"Pareto fronts{validation}", name),
            xlabel=x_label,
            ylabel=y_label,
        )
        self.ax_.grid(color=GRID, linewidth=0.5, zorder=0)
        self.ax_.set_axisbelow(True)
        outside = sum(
            int(((values[:, 0] > right) | (values[:, 1] > high)).sum()) for values in runs.values()
        )
        if outside:
            note_in_corner(self.ax_, f"{outside:,} run{'s' * (outside > 1)} outside the axes")
        self._legend(handles)
        return self

    # ------------------------------------------------------------------ drawing
    def _draw(
        self,
        k: int,
        method: str,
        values: NDArray[np.float64],
        ends: tuple[float, float],
        style: dict[str, Any],
    ) -> Any:
        hue, ax, crowd = _HUES[k % len(_HUES)], self.ax_, len(values)
        look = {
            "s": float(np.clip(4000 / max(crowd, 1), 5, 22)),
            "alpha": float(np.clip(40 / max(crowd, 1) ** 0.7, 0.15, 0.6)),
        }
        ax.scatter(*values.T, **{**look, "color": hue, "linewidths": 0, "zorder": 2, **style})
        front = values[self.fronts_[method]]
        if len(front):
            x, y = np.append(front[:, 0], 2 * ends[0] + 1), np.append(front[:, 1], front[-1, 1])
            x, y = np.insert(x, 0, front[0, 0]), np.insert(y, 0, 2 * abs(ends[1]) + 1)
            ax.plot(x, y, drawstyle="steps-post", color=hue, linewidth=1.5, zorder=3)
            ax.scatter(*front.T, marker=_marker(k), s=24, color=hue, linewidths=0, zorder=4)
        if method in self.reported_:
            ax.scatter(
                *values[self.reported_[method]],
                marker="*",
                s=190,
                color=hue,
                edgecolors="white",
                linewidths=0.9,
                zorder=7,
            )
        from matplotlib.lines import Line2D

        count = f"{crowd:,} run{'s' * (crowd != 1)}"
        return Line2D(
            [],
            [],
            color=hue,
            marker=_marker(k),
            markersize=5,
            label=count if method == UNNAMED else f"{cut_in_the_middle(method, 32)} ({count})",
        )

    def _legend(self, handles: list[Any]) -> None:
        """Draw the legend above the axes if it fits, otherwise beside them."""
        from matplotlib.lines import Line2D

        if self.reported_:
            handles.append(
                Line2D(
                    [], [], color=INK, marker="*", markersize=10, linestyle="none", label="reported"
                )
            )
        if len(handles) <= 4 and sum(len(handle.get_label()) for handle in handles) <= 75:
            legend_above(self.ax_, handles)
        else:
            self.ax_.legend(
                handles=handles,
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
                fontsize=9,
                frameon=False,
            )


def _marker(k: int) -> str:
    """Return the marker of a method; markers are shifted each time the colors repeat."""
    return MARKERS[(k + k // len(_HUES)) % len(MARKERS)]
