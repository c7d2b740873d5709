"""PIVRG: tasks that are behind their single-task baseline get higher priorities."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from skmtl.aggregation.drawing import Generators
from skmtl.aggregation.equation import Array, EquationWeighting, solve_step
from skmtl.aggregation.given import checked_gramian
from skmtl.aggregation.kinds import State, weigh, weighted_rows
from skmtl.aggregation.parameter_checks import checked_number
from skmtl.base import Signals, TrunkStep


class PIVRG(EquationWeighting):
    r"""PIVRG: fair improvements, with priority for tasks that are behind their baseline.

    .. math:: (G w)^2 = p / w, \qquad w > 0, \qquad p = T \operatorname{softmax}(s / \tau), \qquad
        \tau = \max\big((\max s - \min s) / \log b,\ \tau_{\min}\big)

    The scores s are the performance drops relative to the single-task baselines, in percent:
    positive means worse than the baseline. Compute them on validation rows.

    Parameters
    ----------
    bound : float, default=2.0
        Largest ratio b between the priorities of two tasks, above 1.
    min_temperature : float, default=10.0
        Smallest temperature, in units of the scores; a larger value makes priorities more equal.
        The paper uses 10 for two of its four data sets, and 20 and 100 for the others.

    Notes
    -----
    Without scores, or if all scores are equal, the weights are those of `FairGrad` with alpha=2.

    References
    ----------
    .. [1] Qin et al., "Revisiting fairness in multitask learning: a performance-driven approach for
       variance reduction", CVPR 2025.

    Examples
    --------
    However far a task is behind, its priority is at most `bound` times that of another:

    >>> import torch
    >>> from skmtl.aggregation import PIVRG
    >>> PIVRG().priorities(torch.tensor([0.0, 1000.0]))
    tensor([0.6667, 1.3333], dtype=torch.float64)
    """

    needs_baselines = True
    trunk_step = TrunkStep(max_norm=1.0, times_tasks=True)

    def __init__(self, bound: float = 2.0, min_temperature: float = 10.0) -> None:
        self.bound = bound
        self.min_temperature = min_temperature

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        checked_number(self, "bound", self.bound, 1.0, strict=True)
        checked_number(self, "min_temperature", self.min_temperature, 0.0, strict=True)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T)."""
        wanted = self.priorities(signals.scores).cpu().numpy()

        def priorities(gramian: Tensor, cosines: Array, norms: Array) -> Array:
            return np.broadcast_to(wanted, norms.shape)

        return solve_step(signals.gramian, state, priorities, power=2.0)

    def priorities(self, scores: Tensor) -> Tensor:
        """Return the priorities of the tasks, which sum to T.

        Parameters
        ----------
        scores : Tensor of shape (..., T)
            Performance drop relative to the baseline, in percent; positive means worse.

        Returns
        -------
        Tensor of shape (..., T)
            The priorities, float64; no two differ by more than a factor of `bound`.
        """
        bound = checked_number(self, "bound", self.bound, 1.0, strict=True)
        smallest = checked_number(self, "min_temperature", self.min_temperature, 0.0, strict=True)
        values = torch.as_tensor(scores).detach().to(torch.float64)
        if not bool(values.isfinite().all()):
            raise ValueError(
                "scores must be finite for every task. Use 0 for a task without a baseline."
            )
        spread = values.amax(-1, keepdim=True) - values.amin(-1, keepdim=True)
        temperature = (spread / math.log(bound)).clamp(min=smallest)
        return values.shape[-1] * (values / temperature).softmax(-1)

    def weights(
        self,
        gramian: Tensor,
        *,
        scores: Tensor | None = None,
        generator: Generators = None,
    ) -> Tensor:
        """Return the task weights for a Gramian of the task gradients.

        Parameters
        ----------
        gramian : Tensor of shape (..., T, T)
            Inner products of the task gradients; leading axes are networks. Never changed.
        scores : Tensor of shape (..., T), default=None
            Performance drop relative to the baseline, in percent; None = equal priorities.
        generator : torch.Generator, default=None
            Not used: the method draws nothing.

        Returns
        -------
        Tensor of shape (..., T)
            One weight per task, float64.
        """
        matrix = checked_gramian(gramian, "PIVRG")
        return weigh(self, matrix, generator, scores=_known(scores, matrix[..., 0]))

    def aggregate(
        self,
        jacobian: Tensor,
        *,
        scores: Tensor | None = None,
        generator: Generators = None,
    ) -> Tensor:
        """Return the weighted sum of the task gradients, without clipping or rescaling.

        Parameters
        ----------
        jacobian : Tensor of shape (..., T, P)
            One row per task, one column per parameter; leading axes are networks. Never changed.
        scores : Tensor of shape (..., T), default=None
            As for `weights`.
        generator : torch.Generator, default=None
            Not used: the method draws nothing.

        Returns
        -------
        Tensor of shape (..., P)
            The direction, in the dtype of `jacobian`; computed in float64.
        """
        known = _known(scores, torch.as_tensor(jacobian)[..., 0])
        return weighted_rows(self, jacobian, generator, scores=known)


def _known(scores: Tensor | None, like: Tensor) -> Tensor:
    """Return the scores, (..., T); None = zeros."""
    if scores is None:
        return torch.zeros(like.shape, dtype=torch.float64)
    return torch.as_tensor(scores)
