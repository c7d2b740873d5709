"""A loss weighting in which tasks whose gradients deviate from the others count for more."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.dwa import DWA
from skmtl.aggregation.kinds import checked_number
from skmtl.aggregation.losses import LossBasedWeighting, State
from skmtl.aggregation.numerics import Generators, checked_gramian, squared_norms
from skmtl.aggregation.rlw import RLW
from skmtl.aggregation.shapley import shapley_values
from skmtl.aggregation.svfair import priorities
from skmtl.aggregation.uw import UW

METHODS: dict[str, type[LossBasedWeighting]] = {"rlw": RLW, "dwa": DWA, "uw": UW}


class ShapleyWeighted(LossBasedWeighting):
    r"""Multiply the losses by SVFair's priorities before a loss weighting sees them.

    .. math:: L_i' = \omega_i L_i, \qquad \omega = \operatorname{softmax}(\phi / \tau), \qquad w_i =
        \omega_i w_i'

    with :math:`\phi` the Shapley values of the conflict between the task gradients of the trunk and
    :math:`w'` the weights for L'.

    Parameters
    ----------
    method : {"rlw", "dwa", "uw"} or object, default="rlw"
        The loss weighting, or an :class:`RLW`, :class:`DWA` or :class:`UW` with parameters of its
        own.
    utility : {"voldet", "voldetpro"}, default="voldet"
        What conflict is, see :func:`voldet` and :func:`voldetpro`.
    tau : float or "auto", default=1.0
        Temperature, see :class:`SVFair`.
    n_permutations : int, default=1000
        Orders drawn where Shapley values have to be sampled: VolDetPro with more than 12 tasks.

    See Also
    --------
    SVFair : The gradient weighting with the same priorities.

    Notes
    -----
    The variants of table 6 of [1]_. Weights need the Gramian of the unweighted task gradients, as
    `reads` says. UW learns from L'; DWA compares the plain mean losses of passes. The priorities
    sum to 1, so that steps are about T times shorter than those of the method alone.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness: towards fair multi-task
       learning", ICLR 2026, section 5.5.

    Examples
    --------
    >>> import torch
    >>> from skmtl.aggregation import ShapleyWeighted
    >>> gramian = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> ShapleyWeighted("dwa", tau=0.2).loss_weights(torch.ones(3), gramian=gramian)
    tensor([0.1438, 0.1438, 0.7124], dtype=torch.float64)
    """

    reads = ("gramian",)
    nonnegative = False

    def __init__(
        self,
        method: str | LossBasedWeighting = "rlw",
        *,
        utility: str = "voldet",
        tau: float | str = 1.0,
        n_permutations: int = 1000,
    ) -> None:
        self.method = method
        self.utility = utility
        self.tau = tau
        self.n_permutations = n_permutations

    @property
    def advances(self) -> str:  # type: ignore[override]
        """When `advance` is called: as for the method."""
        return self._method().advances

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether the method draws."""
        return self._method().random

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """What `advance` needs: the weights, if the method learns from the weighted losses."""
        return ("weights",) if isinstance(self._method(), UW) else ()

    def loss_weights(
        self,
        losses: Tensor,
        state: State | None = None,
        *,
        present: Tensor | None = None,
        generator: Generators = None,
        gramian: Tensor | None = None,
    ) -> Tensor:
        """Weigh the task losses.

        Parameters
        ----------
        losses : Tensor of shape (..., T)
            Task losses of the batch; leading axes are fleet members. Never changed.
        state : dict of str to Tensor, default=None
            The history; None = that before the first step. Never changed.
        present : Tensor of bool of shape (..., T), default=None
            Whether the batch has a labelled row for the task; None = all.
        generator : torch.Generator or sequence of torch.Generator, default=None
            Passed to the method. Orders for Shapley values are the same in every call.
        gramian : Tensor of shape (..., T, T)
            Inner products of the unweighted task gradients of the trunk.

        Returns
        -------
        Tensor of shape (..., T)
            What the losses are multiplied by, float64: 0 for an absent task, NaN for a member with
            a loss or a Gramian that is not finite.
        """
        if gramian is None:
            raise TypeError(
                "ShapleyWeighted.loss_weights needs gramian=, the inner products of the unweighted "
                "task gradients, of shape (..., T, T)."
            )
        method = self._method()
        batch = method._batch(losses, state, present)
        matrix = checked_gramian(gramian, "ShapleyWeighted").to(batch.losses.device)
        if matrix.shape[:-1] != batch.shape:
            raise ValueError(
                f"gramian must be of shape {(*batch.shape, batch.shape[-1])} for losses of shape "
                f"{tuple(batch.shape)}. Got {tuple(matrix.shape)}."
            )
        n_tasks = batch.shape[-1]
        priority = self._priorities(matrix.reshape(-1, n_tasks, n_tasks), batch.present)
        batch.finite = batch.finite & priority.isfinite().all(-1)
        seen = priority.nan_to_num(1.0) * batch.losses
        return batch.weights(
            priority * method._weights(seen, batch.state, batch.present, generator)
        )

    def _priorities(self, gramian: Tensor, present: Tensor) -> Tensor:
        tau = (
            None if self.tau == "auto" else checked_number(self, "tau", self.tau, 0.0, strict=True)
        )
        gramian = torch.where(present[:, :, None] & present[:, None, :], gramian, 0.0)
        shares = shapley_values(
            gramian, self.utility, n_permutations=self.n_permutations, random_state=0
        )
        finite = gramian.isfinite().all(-1).all(-1)[:, None]
        known = torch.where(finite, shares, 0.0)
        weights = priorities(known.cpu().numpy(), (squared_norms(gramian) > 0).cpu().numpy(), tau)
        return torch.where(finite, torch.as_tensor(weights, device=gramian.device), torch.nan)

    def _start(self, zeros: Tensor) -> State:
        return self._method()._start(zeros)

    def _advance(self, losses: Tensor, state: State, present: Tensor, **signals: Tensor) -> State:
        method = self._method()
        if "weights" in signals:
            losses = losses * signals["weights"] / method._weights(losses, state, present, None)
        return method._advance(losses, state, present)

    def _method(self) -> LossBasedWeighting:
        if isinstance(self.method, str) and self.method in METHODS:
            return METHODS[self.method]()
        if isinstance(self.method, (RLW, DWA, UW)):
            return self.method
        raise ValueError(
            f"The 'method' parameter of ShapleyWeighted must be one of {tuple(METHODS)}, or an "
            f"RLW, DWA or UW. Got {self.method!r} instead."
        )
