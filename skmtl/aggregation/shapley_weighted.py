"""Loss weightings combined with the priorities of SVFair."""

from __future__ import annotations

import torch
from torch import Tensor

from skmtl.aggregation.dwa import DWA
from skmtl.aggregation.gramians import squared_norms
from skmtl.aggregation.kinds import Device, LossWeighting, State
from skmtl.aggregation.parameter_checks import checked_choice
from skmtl.aggregation.rlw import RLW
from skmtl.aggregation.shapley import UTILITIES, shapley_shares
from skmtl.aggregation.svfair import check_shapley, priorities
from skmtl.aggregation.uw import UW
from skmtl.base import Signals

Method = RLW | DWA | UW
METHODS: dict[str, type[Method]] = {"rlw": RLW, "dwa": DWA, "uw": UW}


class ShapleyWeighted(LossWeighting):
    r"""Loss weighting of losses that are multiplied by the priorities of SVFair.

    .. math:: L_i' = \omega_i L_i, \qquad \omega = \operatorname{softmax}(\phi / \tau), \qquad
        w_i = \omega_i w_i'

    where :math:`\phi` are the Shapley values of the tasks in the conflict between the task
    gradients of the trunk, and :math:`w'` are the weights that the loss weighting gives to L'.

    Parameters
    ----------
    method : {"rlw", "dwa", "uw"} or object, default="rlw"
        Loss weighting, by name or as an :class:`RLW`, :class:`DWA` or :class:`UW` object.
    utility : {"voldet", "voldetpro"}, default="voldet"
        Measure of conflict, see :func:`voldet` and :func:`voldetpro`.
    tau : float or "auto", default=1.0
        Temperature of the priorities, see :class:`SVFair`. Small values favor tasks whose gradients
        deviate; large values make all priorities alike.
    n_permutations : int, default=1000
        Number of random orders if the Shapley values are sampled (VolDetPro with more than 12
        tasks).

    See Also
    --------
    SVFair : The gradient weighting with the same priorities.

    Notes
    -----
    These are the variants of table 6 of [1]_. The priorities are those of the Gramian of the
    unweighted task gradients. UW learns from L', whereas DWA compares the unweighted mean losses of
    the epochs. The priorities sum to 1, so that steps are about T times shorter than those of the
    loss weighting alone.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness: towards fair multi-task
       learning", ICLR 2026, section 5.5.

    Examples
    --------
    The third gradient deviates from the other two:

    >>> import torch
    >>> from skmtl.aggregation import ShapleyWeighted
    >>> from skmtl.base import Signals
    >>> gramian = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> method = ShapleyWeighted("dwa", tau=0.2)
    >>> signals = Signals(losses=torch.ones(1, 3), gramian=gramian[None])
    >>> method.step(signals, method.init(1, 3))[0]
    tensor([[0.1438, 0.1438, 0.7124]], dtype=torch.float64)
    """

    def __init__(
        self,
        method: str | Method = "rlw",
        *,
        utility: str = "voldet",
        tau: float | str = 1.0,
        n_permutations: int = 1000,
    ) -> None:
        self.method = method
        self.utility = utility
        self.tau = tau
        self.n_permutations = n_permutations

    def check(self, n_tasks: int) -> None:
        """Raise ValueError if a parameter is out of range."""
        self._method().check(n_tasks)
        checked_choice(self, "utility", self.utility, UTILITIES)
        check_shapley(self, self.tau, self.n_permutations)

    def init(self, n_networks: int, n_tasks: int, *, device: Device = None) -> State:
        """Return the state of the loss weighting."""
        return self._method().init(n_networks, n_tasks, device=device)

    def step(self, signals: Signals, state: State) -> tuple[Tensor, State]:
        """Return the weights, (..., T), and the state of the loss weighting, which reads L'."""
        losses, gramian = signals.losses, signals.gramian.detach().to(torch.float64)
        if gramian.shape[:-1] != losses.shape:
            raise ValueError(
                f"gramian must have shape {(*losses.shape, losses.shape[-1])} for losses of shape "
                f"{tuple(losses.shape)}. Got {tuple(gramian.shape)}."
            )
        if "present" in signals.sources:
            present = signals.present
            gramian = torch.where(present[..., :, None] & present[..., None, :], gramian, 0.0)
        omega = self._priorities(gramian)
        weights, state = self._method().step(signals.replaced(losses=omega * losses), state)
        return omega * weights, state

    def end_epoch(self, signals: Signals, state: State) -> State:
        """Return the next state of the loss weighting, from the mean losses of the epoch."""
        return self._method().end_epoch(signals, state)

    def _priorities(self, gramian: Tensor) -> Tensor:
        """Return the priorities, (..., T); NaN for a Gramian that is not finite."""
        tau = None if self.tau == "auto" else float(self.tau)
        shares = shapley_shares(
            gramian, self.utility, n_permutations=self.n_permutations, random_state=0
        )
        finite = gramian.isfinite().all(-1).all(-1)[..., None]
        known = torch.where(finite, shares, 0.0)
        weights = priorities(known.cpu().numpy(), (squared_norms(gramian) > 0).cpu().numpy(), tau)
        return torch.where(finite, torch.as_tensor(weights, device=gramian.device), torch.nan)

    def _method(self) -> Method:
        if isinstance(self.method, str) and self.method in METHODS:
            return METHODS[self.method]()
        if isinstance(self.method, (RLW, DWA, UW)):
            return self.method
        raise ValueError(
            f"The 'method' parameter of ShapleyWeighted must be one of {tuple(METHODS)}, or an "
            f"RLW, DWA or UW object. Got {self.method!r} instead."
        )
