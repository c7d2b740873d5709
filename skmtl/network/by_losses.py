"""Steps along losses that a plug-in weighs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skmtl.base import LossWeighting
from skmtl.network.steering import Steering
from skmtl.network.steps import Step, gramian_of, presence


class LossSteering(Steering):
    """Trunk and heads follow losses that a :class:`skmtl.base.LossWeighting` weighs."""

    aggregator: LossWeighting

    def begin_pass(self, n_members: int) -> None:  # noqa: D102
        super().begin_pass(n_members)
        self._loss_sums, self._shares = (
            torch.zeros_like(self._weight_sums),
            torch.zeros_like(self._weight_sums),
        )

    def gradients(self, step: Step) -> None:  # noqa: D102
        derivative = step.weighted(step.derivative(losses=True), step.importance)
        self._seen = losses, present = self._mean_losses(step, step.sums)
        reading, signals = {}, {}
        if "gramian" in self.aggregator.reads or "gradient_norms" in self.aggregator.needs:
            gramian = gramian_of(step.network.trunk_jacobian(derivative))
            reading = {"gramian": gramian} if "gramian" in self.aggregator.reads else {}
            signals["gradient_norms"] = gramian.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
        weights = self.aggregator.loss_weights(
            losses, self.state, present=present, **self._drawing(), **reading
        )
        step.backward(step.weighted(derivative, weights), step.importance, weights)
        step.signals = {**signals, "weights": weights}
        if step.record:
            self._note(weights.double(), present)

    def after_step(self, step: Step, scores_after: Callable[[], Tensor]) -> None:  # noqa: D102
        losses, present = self._seen
        if self.aggregator.advances == "pass":
            share = step.batch.weights.sum(2).double()
            self._loss_sums += torch.where(present, losses * share, 0.0)
            self._shares += torch.where(present, share, 0.0)
            return
        if "losses_after" in self.aggregator.needs:
            values = step.loss.values(scores_after(), step.batch.labels)
            step.signals["losses_after"] = self._mean_losses(
                step, (values * step.batch.weights).sum(2)
            )[0]
        signals = {name: step.signals[name] for name in self.aggregator.needs}
        self.state = self.aggregator.advance(losses, self.state, present=present, **signals)

    def end_pass(self, scores: Tensor | None) -> None:  # noqa: D102
        if self.aggregator.advances == "pass":
            seen = self._shares > 0
            losses = torch.where(seen, self._loss_sums / torch.where(seen, self._shares, 1.0), 0.0)
            self.state = self.aggregator.advance(losses, self.state, present=seen)

    @staticmethod
    def _mean_losses(step: Step, sums: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mean losses of the tasks' rows in the batch, times the tasks' importance, and
        which tasks have any.
        """
        assert sums is not None
        shares, present = presence(step)
        losses = torch.where(present, sums.double() / torch.where(present, shares, 1.0), 0.0)
        return losses if step.importance is None else losses * step.importance, present
