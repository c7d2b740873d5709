"""A trained ensemble: predictions, representation and losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.data import TaskSet, take_rows
from skmtl.estimators.fit_job import FitJob
from skmtl.estimators.fit_settings import Seeds, Settings
from skmtl.estimators.history import FitHistory
from skmtl.estimators.intake import EncodedRows, Intake
from skmtl.estimators.outputs import TaskOutputs, joint_classes, rows_by_task
from skmtl.estimators.predictor import Parameters, Predictor
from skmtl.network import Architecture, TrainedMember


@dataclass(frozen=True, eq=False)
class FittedNetworks:
    """Trained networks, with everything needed to predict and to continue training.

    Attributes
    ----------
    intake : Intake
        How X and y are read.
    architecture : Architecture
        Shape of the networks.
    networks : list of TrainedMember
        Parameters and, if training may continue, the states of solver and aggregator.
    history : FitHistory
        Curves of the fit.
    seeds : Seeds
        Seeds of the fit.
    n_calls : int
        Calls of ``partial_fit``.
    device : str
        Device of the training.
    """

    intake: Intake
    architecture: Architecture
    networks: list[TrainedMember]
    history: FitHistory
    seeds: Seeds
    n_calls: int
    device: str

    @classmethod
    def of(
        cls,
        settings: Settings,
        intake: Intake,
        job: FitJob,
        seeds: Seeds,
        trained: Sequence[TrainedMember],
        *,
        n_calls: int = 0,
    ) -> FittedNetworks:
        """Build the model from the results of a job; tasks without labels have no training loss."""
        for network in trained:
            network.task_loss_curve[:, job.unlabeled] = np.nan
        kept = [
            TrainedMember(
                parameters=network.parameters,
                solver=settings.solver,
                solver_state=network.solver_state,
                n_steps=network.n_steps,
                aggregator=network.aggregator,
                aggregator_state=network.aggregator_state,
            )
            if job.training.keep_solver_state
            else TrainedMember(parameters=network.parameters)
            for network in trained
        ]
        history = FitHistory.of(trained, settings.weights_of(intake.task_names))
        return cls(intake, job.architecture, kept, history, seeds, n_calls, settings.device)

    @property
    def members(self) -> list[Parameters]:
        """Parameters of every network."""
        return [network.parameters for network in self.networks]

    @property
    def own_classes(self) -> list[NDArray[Any]]:
        """Classes of every task."""
        classes = self.intake.targets.classes
        return [classes[name] for name in self.intake.task_names]

    @property
    def n_scores(self) -> NDArray[np.intp]:
        """Number of scores that every task uses."""
        return np.array([self.intake.targets.n_scores(name) for name in self.intake.task_names])

    # ------------------------------------------------------------------ predict
    def task_ids(self, X: Any) -> NDArray[np.object_] | None:
        """Return the task column of X; None in wide form."""
        return self.intake.layout.task_ids(X)

    def outputs(self, X: Any) -> TaskOutputs:
        """Return predictions, or probabilities of every task's own classes."""
        return self.outputs_of(self.intake.read(X))

    def outputs_of(self, rows: EncodedRows) -> TaskOutputs:
        """Return the outputs for encoded rows; in long form only for the tasks that occur."""
        predictor = Predictor(self.architecture, self.members)
        two_dimensional = self.intake.layout.one_column_per_task
        names = self.intake.task_names
        if rows.tasks is not None:
            where = rows_by_task(rows.tasks)
            found = {t: self._of_task(predictor, rows.take(own), t) for t, own in where.items()}
            return TaskOutputs(found, where, len(rows), two_dimensional)
        if self.architecture.task_embedding_dim:
            found = {t: self._of_task(predictor, rows, t) for t in range(len(names))}
        else:
            found = self.from_scores(predictor.scores(rows.numeric, rows.codes))
        return TaskOutputs(found, None, len(rows), two_dimensional)

    def from_scores(
        self, blocks: Iterator[NDArray[np.float64]] | Sequence[NDArray[np.float64]]
    ) -> dict[int, NDArray[np.float64]]:
        """Return the outputs of all tasks from blocks of scores, (members, T, n, k)."""
        names = list(enumerate(self.intake.task_names))
        parts = [[self._decoded(name, scores[:, t]) for t, name in names] for scores in blocks]
        return dict(enumerate(np.concatenate(own) for own in zip(*parts, strict=True)))

    def _of_task(self, predictor: Predictor, rows: EncodedRows, t: int) -> NDArray[np.float64]:
        name = self.intake.task_names[t]
        blocks = predictor.scores(rows.numeric, rows.codes, t)
        return np.concatenate([self._decoded(name, scores[:, 0]) for scores in blocks])

    def _decoded(self, name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ensemble's prediction from one task's scores, (members, n, k)."""
        targets = self.intake.targets
        if targets.loss.kind == "regression":
            return targets.decode(name, scores.mean(0))
        mean: NDArray[np.float64] = targets.decode(name, scores).mean(0)
        return mean

    def representation(self, X: Any) -> NDArray[np.float64]:
        """Return the last shared layer of all networks, (n, members * width), side by side."""
        rows = self.intake.read(X)
        predictor = Predictor(self.architecture, self.members)
        if not self.architecture.task_embedding_dim or rows.tasks is None:
            return predictor.representation(rows.numeric, rows.codes)
        seen = np.empty((len(rows), self.n_features_out))
        for t, own in rows_by_task(rows.tasks).items():
            part = rows.take(own)
            seen[own] = predictor.representation(part.numeric, part.codes, t)
        return seen

    @property
    def n_features_out(self) -> int:
        """Columns of the representation."""
        return len(self.networks) * self.architecture.trunk_sizes[-1]

    def losses(self, tasks: TaskSet) -> dict[str, float]:
        """Return the mean loss of every task, as ``TaskLoss.mean_loss`` defines it.

        The table of the tasks has the columns of training, without a task column.
        """
        losses = {}
        for name in tasks.names:
            position = self.intake.task_names.index(name)
            rows, y = tasks.rows(name), tasks[name].y
            codes = (
                None
                if self.intake.layout.task_column is None
                else np.full(len(rows), position, dtype=np.intp)
            )
            encoded = self.intake.encode(take_rows(tasks.X, rows), codes)
            outputs = self.outputs_of(encoded).by_task[position]
            losses[name] = self.intake.targets.mean_loss(name, y, outputs)
        return losses

    # ------------------------------------------------------------------ other networks
    def with_members(self, members: Sequence[Parameters]) -> FittedNetworks:
        """Return a copy with other parameters and without solver states."""
        return replace(self, networks=[TrainedMember(parameters=list(own)) for own in members])

    def continued(
        self, later: FittedNetworks, task_weights: NDArray[np.float64] | None
    ) -> FittedNetworks:
        """Return the networks of a later epoch, with the history of this fit prepended."""
        history = self.history.followed_by(later.history, task_weights)
        return replace(later, history=history, n_calls=self.n_calls + 1)

    def attributes(self) -> Mapping[str, Any]:
        """Return the fitted attributes that estimators document."""
        layout, history, targets = self.intake.layout, self.history, self.intake.targets
        found: dict[str, Any] = {
            "model_": self,
            **layout.attributes(),
            "task_names_": list(self.intake.task_names),
            "n_outputs_": len(self.intake.task_names),
            "n_iter_": history.n_iter,
            "best_iteration_": history.best_iteration,
            "loss_curve_": history.loss,
            "task_loss_curve_": history.task_losses,
            "aggregation_weights_": history.aggregation_weights,
            "history_": history.entries,
            "device_": self.device,
        }
        if targets.classes:
            found["classes_"] = joint_classes(
                self.own_classes, one_column_per_task=layout.one_column_per_task
            )
        return found
