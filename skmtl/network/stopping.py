"""Early stopping of networks, and which parameters are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Watch:
    """Epochs, best losses, improvement and divergence of many networks.

    Parameters
    ----------
    n_members : int
        Number of networks.
    tol : float
        Smallest decrease of the monitored loss that counts as an improvement.
    n_iter_no_change : int
        Epochs without improvement after which a network stops.
    max_iter : int
        Largest number of epochs.
    keep_best : bool
        True: keep the parameters with the lowest monitored loss (validation). False: keep the
        latest finite ones.
    """

    def __init__(
        self, n_members: int, tol: float, n_iter_no_change: int, max_iter: int, *, keep_best: bool
    ):
        self.tol, self.n_iter_no_change, self.max_iter, self.keep_best = (
            tol,
            n_iter_no_change,
            max_iter,
            keep_best,
        )
        self.best = np.full(n_members, np.inf)
        self.n_iter = np.zeros(n_members, dtype=int)
        self.kept_iteration = np.zeros(n_members, dtype=int)
        self.stale = np.zeros(n_members, dtype=int)
        self.diverged = np.zeros(n_members, dtype=bool)
        self.finished = np.zeros(n_members, dtype=bool)

    def update(
        self, ids: NDArray[np.intp], watched: NDArray[np.float64] | None, finite: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Record one epoch.

        Parameters
        ----------
        ids : ndarray of shape (E,)
            Networks that trained in this epoch; finished ones are not changed.
        watched : ndarray of shape (E,) or None
            Monitored loss; None = no network stops early.
        finite : ndarray of shape (E,) of bool
            Whether all parameters are finite.

        Returns
        -------
        ndarray of shape (E,) of bool
            Networks whose current parameters are to be kept.
        """
        running = ~self.finished[ids]
        good = finite if watched is None else finite & np.isfinite(watched)
        self.n_iter[ids[running]] += 1
        self.diverged[ids[running & ~good]] = True
        keep = running & good
        if watched is not None:
            best = self.best[ids]
            self.stale[ids] = np.where(watched < best - self.tol, 0, self.stale[ids] + 1)
            if self.keep_best:
                keep &= watched < best
            self.best[ids] = np.where(running & good, np.minimum(best, watched), best)
        self.kept_iteration[ids[keep]] = self.n_iter[ids[keep]]
        self.finished[ids] |= (
            ~good | (self.stale[ids] >= self.n_iter_no_change) | (self.n_iter[ids] >= self.max_iter)
        )
        return keep
