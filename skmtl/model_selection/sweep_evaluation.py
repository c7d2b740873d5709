"""Training of the runs of a sweep, and errors and rate gaps of their decisions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.exceptions import FitFailedWarning

from skmtl.estimators import MultiTaskClassifier, fit_together, probabilities_together
from skmtl.model_selection.sweep_rows import SweepParts, SweepRows
from skmtl.model_selection.sweep_runs import network_of_run
from skmtl.model_selection.sweep_settings import SIDES, Evaluation
from skmtl.model_selection.thresholds import least_error_threshold, quantile_threshold

# Largest number of letters of an error that a warning repeats.
_SHOWN = 300


def measure_runs(
    network: MultiTaskClassifier,
    runs: pd.DataFrame,
    names: Sequence[str],
    parts: SweepParts,
    evaluation: Evaluation,
    n_jobs: int | None,
) -> pd.DataFrame:
    """Train runs and return their errors and gaps on test and validation rows."""
    networks = [network_of_run(network, run, names) for run in runs.to_dict("records")]
    train = parts.train
    outcomes = fit_together(
        networks,
        [(train.X, train.Y, {"sensitive_features": train.sensitive})] * len(networks),
        n_workers=None if n_jobs is None else effective_n_jobs(n_jobs),
    )
    fitted = [k for k, outcome in enumerate(outcomes) if outcome.error is None]
    judged = (parts.test, parts.validation)
    probabilities = [
        probabilities_together([networks[k] for k in fitted], rows.X) for rows in judged
    ]
    judges = [Judge(rows, evaluation.rate) for rows in judged]
    shares = np.nanmean(train.coded, axis=0)
    table = np.full((len(runs), 4 * len(names)), np.nan)
    for k, *both in zip(fitted, *probabilities, strict=True):
        positive = [np.column_stack([task[:, -1] for task in own]) for own in both]
        cuts = _cuts(judges, evaluation.threshold, positive, shares)
        table[k] = np.concatenate(
            [judge(own >= cut) for judge, own, cut in zip(judges, positive, cuts, strict=True)]
        )
    _warn_of_failures([outcome.error for outcome in outcomes if outcome.error], len(runs))
    columns = [
        f"{prefix}{what}_{name}"
        for prefix in ("", "val_")
        for what in ("error", "gap")
        for name in names
    ]
    return pd.DataFrame(table, columns=columns)


def _cuts(
    judges: Sequence[Judge],
    threshold: float | str,
    positive: Sequence[NDArray[np.float64]],
    shares: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Return the thresholds on test and on validation rows, (T,) each."""
    if threshold == "validation":
        return [judges[1].thresholds(threshold, positive[1], shares)] * 2
    return [
        judge.thresholds(threshold, own, shares)
        for judge, own in zip(judges, positive, strict=True)
    ]


def _warn_of_failures(errors: Sequence[Exception], n_runs: int) -> None:
    if errors:
        reason = f"{type(errors[0]).__name__}: {errors[0]}"
        warnings.warn(
            f"{len(errors)} of {n_runs} fits failed, and their rows are NaN. The first error is "
            f"{reason if len(reason) <= _SHOWN else reason[:_SHOWN] + ' ...'}",
            FitFailedWarning,
            stacklevel=4,
        )


class Judge:
    """Errors and gaps of many runs on the same rows.

    Parameters
    ----------
    rows : SweepRows
        Rows to evaluate on.
    rate : {"fpr", "tpr", "equalized_odds"}
        Rate whose gap is measured.
    """

    def __init__(self, rows: SweepRows, rate: str):
        self.coded, self.known = rows.coded, ~np.isnan(rows.coded)
        own = rows.groups[:, None] == np.arange(rows.groups.max(initial=-1) + 1)
        self.sides = [
            [own & (rows.coded[:, [t]] == side) for side in SIDES[rate]]
            for t in range(rows.coded.shape[1])
        ]

    def thresholds(
        self,
        threshold: float | str,
        probabilities: NDArray[np.float64],
        shares: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the thresholds of all tasks, (T,), for probabilities (n, T).

        "quantile" uses the shares of positive labels, and "validation" minimizes the error on these
        rows.
        """
        if not isinstance(threshold, str):
            return np.full(len(shares), float(threshold))
        own = [
            (probabilities[known, t], self.coded[known, t] == 1)
            for t, known in enumerate(self.known.T)
        ]
        if threshold == "quantile":
            pairs = zip(own, shares, strict=True)
            return np.array([quantile_threshold(seen, share) for (seen, _), share in pairs])
        return np.array([least_error_threshold(seen, positive) for seen, positive in own])

    def __call__(self, decided: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the errors and then the rate gaps of all tasks, (2 T,), for decisions (n, T).

        They are equal to those of :mod:`skmtl.metrics`.
        """
        wrong = (decided != (self.coded == 1)) & self.known
        return np.concatenate(
            [
                wrong.sum(0) / self.known.sum(0),
                [self._gap(decided[:, t], sides) for t, sides in enumerate(self.sides)],
            ]
        )

    @staticmethod
    def _gap(decided: NDArray[np.bool_], sides: list[NDArray[np.bool_]]) -> float:
        gaps = []
        for own in sides:
            sizes = own.sum(0)
            rates = (decided @ own.astype(float))[sizes > 0] / sizes[sizes > 0]
            gaps.append(np.ptp(rates) if len(rates) > 1 else np.nan)
        return float(np.max(gaps))
