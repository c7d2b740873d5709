"""Display of measured against predicted gains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_consistent_length

from skmtl.plotting.canvas import FAINT, INK, PALE, SERIES, axes_or_new, tidy, titled


class GainPredictionDisplay:
    """Scatter plot of measured against predicted gains.

    A point on the diagonal is a pair whose gain was predicted exactly. In the upper right and lower
    left quadrants, the predicted sign is correct. Create a display with :meth:`from_predictions` or
    :meth:`from_estimator`.

    Parameters
    ----------
    y_true : array-like of shape (m,)
        Measured gains. Pairs with a missing value are left out.
    y_pred : array-like of shape (m,)
        Out-of-fold or test predictions of the gains of the same pairs.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the scatter plot.
    figure_ : matplotlib Figure
        Figure of the axes.
    scatter_ : matplotlib PathCollection
        The points.
    line_ : matplotlib Line2D
        The diagonal.

    See Also
    --------
    TaskAffinityDisplay : Heatmap of the gains of all pairs.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skmtl.plotting import GainPredictionDisplay
    >>> display = GainPredictionDisplay.from_predictions(
    ...     [0.1, -0.2, 0.3], [0.0, -0.1, 0.1], ax=Figure().subplots()
    ... )
    >>> display.ax_.get_xlabel()
    'Predicted gain'
    """

    figsize = (6.4, 5.4)

    def __init__(self, *, y_true: ArrayLike, y_pred: ArrayLike) -> None:
        self.y_true = y_true
        self.y_pred = y_pred

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> GainPredictionDisplay:
        """Draw given predictions.

        Parameters
        ----------
        y_true : array-like of shape (m,)
            Measured gains.
        y_pred : array-like of shape (m,)
            Predicted gains.
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        GainPredictionDisplay
            The Display, drawn.
        """
        return cls(y_true=y_true, y_pred=y_pred).plot(ax=ax, name=name, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> GainPredictionDisplay:
        """Predict gains with a fitted estimator and draw them.

        Parameters
        ----------
        estimator : object
            Fitted predictor of gains, such as :class:`skmtl.PairwiseGainRegressor`.
        X : array-like of shape (m, n_features)
            Features of pairs that were not used in `fit`.
        y : array-like of shape (m,)
            Their measured gains.
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title; by default the name of the estimator's class.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        GainPredictionDisplay
            The Display, drawn.
        """
        return cls.from_predictions(
            y,
            estimator.predict(X),
            ax=ax,
            name=type(estimator).__name__ if name is None else name,
            **kwargs,
        )

    def plot(
        self, ax: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> GainPredictionDisplay:
        """Draw the scatter plot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure by default.
        name : str, default=None
            What is shown, for the title.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        GainPredictionDisplay
            The Display itself.
        """
        measured, predicted = (
            np.asarray(
                check_array(
                    values,
                    ensure_2d=False,
                    dtype=np.float64,
                    ensure_all_finite="allow-nan",
                    ensure_min_samples=0,
                    input_name=label,
                )
            )
            for values, label in ((self.y_true, "y_true"), (self.y_pred, "y_pred"))
        )
        check_consistent_length(measured, predicted)
        known = np.isfinite(measured) & np.isfinite(predicted)
        measured, predicted = measured[known], predicted[known]

        self.ax_ = axes_or_new(ax, self.figsize)
        self.figure_ = self.ax_.figure
        from matplotlib.ticker import PercentFormatter

        crowd = len(measured)
        style = {
            "s": float(np.clip(6000 / max(crowd, 1), 6, 36)),
            "alpha": float(np.clip(60 / max(crowd, 1) ** 0.65, 0.2, 0.8)),
            "color": SERIES[1],
        }
        self.ax_.axhline(0, color=FAINT, linewidth=1.2, zorder=0)
        self.ax_.axvline(0, color=FAINT, linewidth=1.2, zorder=0)
        self.scatter_ = self.ax_.scatter(
            predicted,
            measured,
            **{**style, "linewidths": 0, "label": _summary(measured, predicted), **kwargs},
        )
        self.line_ = self.ax_.axline(
            (0, 0),
            slope=1,
            color=INK,
            linewidth=1,
            linestyle=(0, (5, 4)),
            label="prediction = measurement",
        )
        (left, right), (low, high) = _limits(predicted), _limits(measured)
        self.ax_.set(xlim=(left, right), ylim=(low, high))
        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            axis.set_major_formatter(PercentFormatter(xmax=1))
        tidy(
            self.ax_,
            title=titled("Measured against predicted gains", name),
            xlabel="Predicted gain",
            ylabel="Measured gain",
        )
        outside = int(
            ((predicted < left) | (predicted > right) | (measured < low) | (measured > high)).sum()
        )
        if outside:
            self.ax_.annotate(
                f"{outside} extreme pair{'s' * (outside > 1)} outside the axes",
                (0.99, 0.015),
                xycoords="axes fraction",
                ha="right",
                fontsize=8,
                color=PALE,
            )
        legend = self.ax_.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9, frameon=False
        )
        for handle in legend.legend_handles:
            handle.set_alpha(0.9)
        return self


def _summary(measured: np.ndarray, predicted: np.ndarray) -> str:
    """Return the number of pairs and, where defined, the correlation and share of correct signs."""
    count = len(measured)
    parts = [f"{count:,} pair{'s' * (count != 1)}"]
    if count > 2 and np.ptp(measured) > 0 and np.ptp(predicted) > 0:
        parts.append(f"correlation {np.corrcoef(measured, predicted)[0, 1]:.2f}")
    if count:
        parts.append(f"correct sign {np.mean(np.sign(measured) == np.sign(predicted)):.0%}")
    return ", ".join(parts)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits that include zero and all but extreme values, with a margin."""
    if not len(values):
        return -1.0, 1.0
    low, high = (
        np.quantile(values, [0.005, 0.995]) if len(values) >= 200 else (values.min(), values.max())
    )
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    margin = 0.08 * (high - low) or 0.01
    return low - margin, high + margin
