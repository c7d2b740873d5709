"""Display of the conflict between task gradients and of the aggregator's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skmtl.plotting.canvas import GRID, INK, PALE, SERIES, axes_or_new, tidy, titled
from skmtl.plotting.panels import legend_above, panel_below
from skmtl.plotting.weight_curves import (
    MOST_LINES,
    relative_weights,
    weight_colors,
    weight_lines,
    weights_inches,
)

CONFLICT, VOLUME, UNSOLVED = "negative_cosine_fraction", "voldet", "unsolved"
_LEAST_VOLUME = 0.02


class GradientConflictDisplay:
    """Conflict between task gradients over the epochs of a fit, and the weights of the tasks.

    The upper panel shows the fraction of task pairs whose gradients have a negative cosine (0 = no
    conflict, 50 % = as for unrelated gradients) and the volume that the gradients span (1 =
    orthogonal, 0 = linearly dependent). The lower panel shows the weight of each task divided by
    the mean weight of the tasks in that epoch (1 = as in the mean of the gradients): lines for up
    to six tasks, colors for more. Create a display with :meth:`from_estimator` or
    :meth:`from_predictions`.

    Parameters
    ----------
    history : list of dict or DataFrame
        One entry per epoch with "negative_cosine_fraction" and, where known, "voldet" and
        "unsolved": ``history_`` of a fitted estimator.
    weights : DataFrame of shape (n_epochs, T), array-like or None, default=None
        Task weights, one column per task; NaN = the task had no weight.
    best_iteration : int, default=None
        Epoch whose network parameters were kept.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the conflict.
    weights_ax_ : matplotlib Axes or None
        Axes of the weights; None without weights.
    figure_ : matplotlib Figure
        Figure of both axes.
    relative_weights_ : DataFrame of shape (n_epochs, T) or None
        Weights divided by their mean, as drawn in the lower panel.

    See Also
    --------
    skmtl.aggregation.negative_cosine_fraction : Fraction of task pairs in conflict.
    skmtl.aggregation.voldet : Volume spanned by the task gradients.

    Notes
    -----
    The volume of many gradients is close to 0 even without conflict; it is not drawn if it never
    exceeds 0.02. Values are those of the last batch of an epoch and therefore noisy: with more than
    30 epochs, the thick line is a running mean over a tenth of them. For an ensemble, all values
    are means over its networks.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skmtl.plotting import GradientConflictDisplay
    >>> history = [
    ...     {"iteration": 1, "negative_cosine_fraction": 0.5},
    ...     {"iteration": 2, "negative_cosine_fraction": 0.25},
    ... ]
    >>> display = GradientConflictDisplay.from_predictions(
    ...     history, weights=[[1.0, 3.0], [2.0, 2.0]], ax=Figure().subplots()
    ... )
    >>> display.relative_weights_.to_numpy()
    array([[0.5, 1.5],
           [1. , 1. ]])
    """

    def __init__(
        self,
        *,
        history: Sequence[Mapping[str, Any]] | pd.DataFrame,
        weights: ArrayLike | None = None,
        best_iteration: int | None = None,
    ) -> None:
        self.history = history
        self.weights = weights
        self.best_iteration = best_iteration

    @property
    def figsize(self) -> tuple[float, float]:
        """Width and height in inches that suit the number of tasks."""
        return 8.4, 3.4 + (
            0.0 if self.weights is None else weights_inches(np.shape(self.weights)[1])
        )

    @classmethod
    def from_predictions(
        cls,
        history: Sequence[Mapping[str, Any]] | pd.DataFrame,
        *,
        weights: ArrayLike | None = None,
        best_iteration: int | None = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> GradientConflictDisplay:
        """Draw a recorded training history.

        Parameters
        ----------
        history : list of dict or DataFrame
            One entry per epoch with "negative_cosine_fraction" and, where known, "voldet" and
            "unsolved".
        weights : DataFrame of shape (n_epochs, T), array-like or None, default=None
            Task weights, one column per task.
        best_iteration : int, default=None
            Epoch whose network parameters were kept.
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the weights; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.plot`` for the line of the conflict.

        Returns
        -------
        GradientConflictDisplay
            The Display, drawn.
        """
        return cls(history=history, weights=weights, best_iteration=best_iteration).plot(
            ax=ax, name=name, **kwargs
        )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, name: str | None = None, **kwargs: Any
    ) -> GradientConflictDisplay:
        """Draw the training history of a fitted estimator.

        Parameters
        ----------
        estimator : MultiTaskClassifier or MultiTaskRegressor
            Fitted with an aggregator that weighs task gradients by their inner products, such as
            "upgrad" or "svfair".
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the weights; a new figure by default.
        name : str, default=None
            What is shown, for the title; by default the name of the aggregator.
        **kwargs : dict
            Passed to ``Axes.plot`` for the line of the conflict.

        Returns
        -------
        GradientConflictDisplay
            The Display, drawn.
        """
        if not hasattr(estimator, "aggregation_weights_"):  # any object that has it will do
            check_is_fitted(estimator, "aggregation_weights_")
        weights = pd.DataFrame(
            np.asarray(estimator.aggregation_weights_), columns=list(estimator.task_names_)
        )
        settings = {
            "weights": weights if np.isfinite(weights.to_numpy()).any() else None,
            "best_iteration": getattr(estimator, "best_iteration_", None),
        }
        if name is None:
            name = (
                estimator.aggregator
                if isinstance(estimator.aggregator, str)
                else type(estimator.aggregator).__name__
            )
        return cls.from_predictions(estimator.history_, **settings, ax=ax, name=name, **kwargs)

    def plot(
        self, ax: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> GradientConflictDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, which make room for the weights; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.plot`` for the line of the conflict.

        Returns
        -------
        GradientConflictDisplay
            The Display itself.
        """
        notes = pd.DataFrame(self.history)
        if CONFLICT not in notes or not notes[CONFLICT].notna().any():
            raise ValueError(
                f"history has no {CONFLICT!r}: only aggregators that use the inner products of the "
                'task gradients record it. Fit with one of them, such as aggregator="upgrad".'
            )
        self.relative_weights_ = (
            None if self.weights is None else relative_weights(self.weights, len(notes))
        )
        self.ax_ = axes_or_new(ax, self.figsize)
        self.figure_ = self.ax_.figure
        epochs = notes.get("iteration", pd.Series(np.arange(1, len(notes) + 1))).to_numpy(
            dtype=float
        )
        shown = self.relative_weights_
        self.weights_ax_: Any = (
            None if shown is None else panel_below(self.ax_, weights_inches(shown.shape[1]) - 0.5)
        )
        self._draw_conflict(epochs, notes, name, kwargs)
        if shown is not None and self.weights_ax_ is not None:
            draw = weight_lines if shown.shape[1] <= MOST_LINES else weight_colors
            draw(self.weights_ax_, epochs, shown)
        for axes in filter(None, (self.ax_, self.weights_ax_)):
            if self.best_iteration is not None and self.best_iteration < len(epochs):
                axes.axvline(
                    epochs[self.best_iteration - 1],
                    color=INK,
                    linewidth=1,
                    linestyle=(0, (5, 4)),
                    zorder=5,
                )
        margin = 0.5 if len(epochs) < 60 else 0.01 * len(epochs)
        self.ax_.set_xlim(epochs[0] - margin, epochs[-1] + margin)
        lower = self.weights_ax_ or self.ax_
        lower.set_xlabel("Epoch", fontsize=10, color=INK)
        lower.xaxis.get_major_locator().set_params(integer=True)
        return self

    # ------------------------------------------------------------------ above
    def _draw_conflict(
        self,
        epochs: NDArray[np.float64],
        notes: pd.DataFrame,
        name: str | None,
        style: dict[str, Any],
    ) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.ticker import PercentFormatter

        ax = self.ax_
        ax.axhline(0.5, color=PALE, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        curves = [(CONFLICT, "task pairs in conflict", SERIES[2], 2.0)]
        if VOLUME in notes and (notes[VOLUME] > _LEAST_VOLUME).any():
            curves.append((VOLUME, "volume of the gradients", SERIES[1], 1.3))
        if UNSOLVED in notes and (notes[UNSOLVED] > 0).any():
            curves.append((UNSOLVED, "steps without a solution", INK, 1.0))
        window = max(1, len(notes) // 10) if len(notes) > 30 else 1
        handles = []
        for column, label, hue, width in curves:
            values = notes[column].astype(float)
            if window > 1:
                ax.plot(epochs, values, color=hue, linewidth=0.7, alpha=0.35, zorder=2)
                values = values.rolling(window, center=True, min_periods=1).mean()
            look = {
                "color": hue,
                "linewidth": width,
                "marker": "o" if len(epochs) <= 30 else None,
                "markersize": 3.5,
                "zorder": 3,
            }
            handles += ax.plot(
                epochs, values, label=label, **{**look, **(style if column == CONFLICT else {})}
            )
        handles.append(
            Line2D(
                [], [], color=PALE, linewidth=1, linestyle=(0, (1, 2)), label="conflict by chance"
            )
        )
        if self.best_iteration is not None and self.best_iteration < len(epochs):
            handles.append(
                Line2D([], [], color=INK, linewidth=1, linestyle=(0, (5, 4)), label="kept")
            )
        ax.set_ylim(-0.03, 1.03)
        ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        tidy(ax, title=titled("Conflict between task gradients", name), ylabel="Fraction, volume")
        ax.grid(axis="y", color=GRID, linewidth=0.6, zorder=0)
        ax.set_axisbelow(True)
        if self.weights_ax_ is not None:
            ax.tick_params(labelbottom=False)
        legend_above(ax, handles)
