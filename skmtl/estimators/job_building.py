"""Training jobs for a problem: shape, seeds and hyperparameters of every network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skmtl.estimators.constant_targets import tasks_left_out, without_labels
from skmtl.estimators.fairness_terms import term_weights, terms_of
from skmtl.estimators.fit_job import FitJob
from skmtl.estimators.fit_settings import Seeds, Settings
from skmtl.estimators.fitted_networks import FittedNetworks
from skmtl.estimators.problem import Problem
from skmtl.estimators.train_jobs import train_job
from skmtl.network import Architecture, Member, TrainedMember, Training

# batch_size="auto": a tenth of the rows within these bounds; in long form also at most this many
# rows over all tasks.
_SMALLEST_BATCH, _LARGEST_BATCH, _ROWS_OF_ALL_TASKS = 16, 256, 512
# alpha="auto": weight decay of adamw, and the labeled rows per task above which it falls.
_DECOUPLED_DECAY, _MANY_LABELS = 1.0, 2000
# Largest width of task embeddings with "auto".
_TASK_EMBEDDING = 8
# Difference between the order seeds of consecutive ensemble members.
_BETWEEN_ORDERS = 7919


def ensemble_job(
    settings: Settings,
    problem: Problem,
    seeds: Seeds,
    *,
    earlier: FittedNetworks | None = None,
    order_seed: int | None = None,
    epochs: int | None = None,
) -> FitJob:
    """Return the job of an ensemble of networks for all tasks.

    Every network has its own initial weights, order of rows and validation split.

    Parameters
    ----------
    settings : Settings
        Hyperparameters.
    problem : Problem
        The tasks.
    seeds : Seeds
        Seed of the networks.
    earlier : FittedNetworks, optional
        Networks to continue from.
    order_seed : int, optional
        Seed of the order of rows, by default that of the networks.
    epochs : int, optional
        Number of epochs of a fit that may be continued, as in ``partial_fit``; by default
        ``max_iter``, without storing solver states.

    Returns
    -------
    FitJob
        What to train.
    """
    names, order = problem.names, seeds.networks if order_seed is None else order_seed
    architecture = architecture_of(settings, problem)
    starts = _starts(settings, problem, architecture, earlier)
    weights = settings.weights_of(names)
    left_out = tasks_left_out(settings, problem, names)
    networks = [
        _network(
            settings,
            problem,
            names,
            seeds.networks + k,
            order + _BETWEEN_ORDERS * k,
            weights,
            split=k,
            start=start,
            left_out=left_out,
        )
        for k, start in enumerate(starts)
    ]
    aggregator = settings.aggregator
    if aggregator is not None and aggregator.needs_baselines and len(names) > 1:
        networks = _with_baselines(settings, problem, networks, left_out)
    unlabeled = [t for t, name in enumerate(names) if name in left_out or name not in problem.train]
    return FitJob(
        architecture,
        without_labels(problem.data, unlabeled) if problem.shared and left_out else problem.data,
        networks,
        _training(settings, problem, record=True, epochs=epochs),
        aggregator,
        terms_of(settings.fairness, names),
        together=True,
        unlabeled=unlabeled,
    )


def group_job(
    settings: Settings,
    problem: Problem,
    groups: Sequence[Sequence[str]],
    *,
    seed: int,
    record: bool,
    n_networks: int = 1,
) -> FitJob:
    """Return the job of networks for groups of tasks, all from common random numbers.

    Parameters
    ----------
    settings : Settings
        Hyperparameters.
    problem : Problem
        Tasks in long form, so that any group of them can be trained.
    groups : sequence of sequence of str
        Names of the tasks that are trained together.
    seed : int
        Seed of everything random.
    record : bool
        Whether to keep training losses.
    n_networks : int
        Number of networks per group, which differ in their seeds and validation rows.

    Returns
    -------
    FitJob
        Networks of the first group, of the second, ...
    """
    weights = weights_of_groups(settings, problem.names, groups)
    networks = [
        _network(
            settings,
            problem,
            group,
            seed + k,
            seed + k,
            weight,
            split=k,
            left_out=tasks_left_out(settings, problem, group),
        )
        for group, weight in zip(groups, weights, strict=True)
        for k in range(n_networks)
    ]
    return FitJob(
        architecture_of(settings, problem),
        problem.data,
        networks,
        _training(settings, problem, record=record),
        settings.aggregator,
        terms_of(settings.fairness, problem.names),
    )


def weights_of_groups(
    settings: Settings, names: Sequence[str], groups: Sequence[Sequence[str]]
) -> list[NDArray[np.float64] | None]:
    """Return the task weights of every group; None for equal weights, or if all are zero."""
    weights = settings.weights_of(names)
    if weights is None:
        return [None] * len(groups)
    of = dict(zip(names, weights, strict=True))
    own = [np.array([of[name] for name in group]) for group in groups]
    return [weight if weight.any() else None for weight in own]


def architecture_of(settings: Settings, problem: Problem) -> Architecture:
    """Return the shape of the networks."""
    reader = problem.intake.reader
    return Architecture(
        n_inputs=reader.n_inputs,
        hidden=settings.hidden,
        head_hidden=settings.head_hidden,
        n_outputs=problem.targets.n_outputs,
        activation=settings.activation,
        embeddings=reader.embeddings,
        task_embedding_dim=_task_embedding_dim(settings, problem),
    )


# ---------------------------------------------------------------------- parts of a job
def _starts(
    settings: Settings,
    problem: Problem,
    architecture: Architecture,
    earlier: FittedNetworks | None,
) -> list[TrainedMember] | list[None]:
    """Return the network that each network continues from; None = random initial parameters."""
    if earlier is None:
        return [None] * settings.ensemble_size(problem.train)
    if settings.n_members not in ("auto", len(earlier.networks)):
        raise ValueError(
            f"This {settings.owner} goes on with {len(earlier.networks)} networks; "
            f"n_members={settings.n_members!r} needs a fresh fit."
        )
    if architecture != earlier.architecture:
        raise ValueError(
            f"This {settings.owner} goes on from networks of another shape: "
            "hidden_layer_sizes, head_hidden_layer_sizes, activation, "
            "task_embedding_dim and task_column must be those of the first fit. Set "
            "warm_start=False or fit a clone."
        )
    return earlier.networks


def _network(
    settings: Settings,
    problem: Problem,
    names: Sequence[str],
    seed: int,
    order_seed: int,
    task_weights: NDArray[np.float64] | None,
    *,
    split: int,
    start: TrainedMember | None = None,
    left_out: Sequence[str] = (),
) -> Member:
    """Return the network of a task group (of all tasks, if they share rows)."""
    keys = [""] if problem.shared else list(names)
    rows = problem.rows(split)
    targets = problem.targets
    nothing: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    parts = [(nothing, nothing) if key in left_out else rows[key] for key in keys]
    return Member(
        train=[train for train, _ in parts],
        validation=[validation for _, validation in parts],
        evaluation=[problem.scored[key] for key in keys] if problem.test is not None else (),
        seed=seed,
        order_seed=order_seed,
        learning_rate=settings.learning_rate,
        alpha=_alpha(settings, problem),
        task_weights=task_weights,
        n_scores=np.array([targets.n_scores(name) for name in names]),
        label=" + ".join(names) if len(names) <= 3 else f"{names[0]} + {len(names) - 1} more tasks",
        start=start,
        term_weights=term_weights(settings.fairness, problem.names, names),
    )


def _alpha(settings: Settings, problem: Problem) -> float:
    """Return the weight decay.

    Decoupled decay acts in every step, whatever the gradients, so its scale is not that of a
    penalty.
    """
    if settings.alpha is not None:
        return settings.alpha
    return _DECOUPLED_DECAY * min(
        1.0, _MANY_LABELS / max(float(np.median(problem.train.sizes)), 1.0)
    )


def _task_embedding_dim(settings: Settings, problem: Problem) -> int:
    """Return the width of the task's embedding.

    It is 0 for tasks that share rows: the trunk processes a row once for all of them.
    """
    width = settings.task_embedding_dim
    long = problem.measuring or settings.reading.task_column is not None
    if problem.shared or not long:
        return 0
    if width == "auto":
        return 0 if len(problem.names) == 1 else min(_TASK_EMBEDDING, len(problem.names))
    return int(width)


def _training(
    settings: Settings, problem: Problem, *, record: bool, epochs: int | None = None
) -> Training:
    """Return the settings of the training loop."""
    all_watched = all(len(validation) for _, validation in problem.rows(0).values())
    return Training(
        loss=problem.targets.loss,
        solver=settings.solver,
        batch_size=_batch_size(settings, problem),
        max_iter=settings.max_iter if epochs is None else epochs,
        n_iter_no_change=settings.n_iter_no_change,
        tol=settings.tol,
        record=record or not all_watched,
        dropout=settings.dropout,
        keep_solver_state=epochs is not None,
        dtype=settings.dtype,
        device=settings.device,
    )


def _batch_size(settings: Settings, problem: Problem) -> int | None:
    """Return the rows per task and step; None = all."""
    if settings.batch_size == "full":
        return None
    if settings.batch_size != "auto":
        return int(settings.batch_size)
    longest = max(len(rows) for rows, _ in problem.rows(0).values())
    adapted = int(np.clip(longest // 10, _SMALLEST_BATCH, _LARGEST_BATCH))
    if problem.shared:
        return adapted
    return max(4, min(adapted, _ROWS_OF_ALL_TASKS // len(problem.names)))


# ---------------------------------------------------------------------- single-task baselines
def _with_baselines(
    settings: Settings, problem: Problem, networks: Sequence[Member], left_out: Sequence[str]
) -> list[Member]:
    """Add the validation losses of single-task networks with the same seeds and rows.

    They are 0 for tasks without validation rows.
    """
    if not problem.watching:
        warnings.warn(
            f"{settings.aggregator} takes its scores from validation rows, of which there are none "
            "here: all tasks have equal priority. partial_fit never has any; fit has with "
            "early_stopping='auto' and tasks of at least 5 labeled rows.",
            UserWarning,
            stacklevel=4,
        )
        return list(networks)
    names = problem.names
    asked = [
        (k, t) for k in range(len(networks)) for t, name in enumerate(names) if name not in left_out
    ]
    job = FitJob(
        architecture_of(settings, problem),
        problem.data,
        [_single_task(settings, problem, networks[k], t, split=k) for k, t in asked],
        _training(settings, problem, record=False),
    )
    baselines = np.zeros((len(networks), len(names)))
    for (k, t), trained in zip(asked, train_job(job), strict=True):
        curve = trained.validation_curve
        if problem.watches(names[t], k) and np.isfinite(curve).any():
            baselines[k, t] = np.nanmin(curve)
    return [replace(one, baselines=own) for one, own in zip(networks, baselines, strict=True)]


def _single_task(
    settings: Settings, problem: Problem, network: Member, t: int, *, split: int
) -> Member:
    """Return the single-task network of one task, with the seeds and rows of ``network``."""
    if problem.shared:
        return replace(network, task_weights=np.eye(len(problem.names))[t], start=None)
    name = problem.names[t]
    return _network(settings, problem, [name], network.seed, network.order_seed, None, split=split)
