import contextlib
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from skmtl.base import FairnessTerm
from skmtl.losses import SquaredError
from skmtl.network import (
    SOLVERS,
    Architecture,
    FleetData,
    Member,
    Training,
    numeric_mode,
    resolve_device,
    train_fleet,
)

LOSSES = ("squared_error", "binary_cross_entropy", "cross_entropy")
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES)
LAYOUTS = pytest.mark.parametrize("layout", ["wide", "long"])
TOLERANCE = {"float64": dict(rtol=1e-9, atol=1e-9), "float32": dict(rtol=1e-4, atol=1e-4)}


def train(fleet, members=None, **options):
    return train_fleet(
        fleet.architecture,
        fleet.data,
        fleet.members if members is None else members,
        fleet.training,
        **options,
    )


def assert_same(ours, others, dtype="float64"):
    assert len(ours) == len(others)
    for own, other in zip(ours, others, strict=True):
        assert (own.n_iter, own.best_iteration, own.diverged) == (
            other.n_iter,
            other.best_iteration,
            other.diverged,
        )
        pairs = [
            *zip(own.parameters, other.parameters, strict=True),
            *zip(own.scores, other.scores, strict=True),
        ]
        for a, b in [
            *pairs,
            (own.task_loss_curve, other.task_loss_curve),
            (own.validation_curve, other.validation_curve),
        ]:
            np.testing.assert_allclose(a, b, **TOLERANCE[dtype])


def numpy_scores(architecture, parameters, X, task):
    """Scores (n, k) of a tanh network in numpy, float64."""
    assert architecture.activation == "tanh"
    layers = [
        (np.asarray(w, dtype=float), np.asarray(b, dtype=float))
        for w, b in zip(parameters[::2], parameters[1::2], strict=True)
    ]
    trunk = [(w.T, b.T) for w, b in layers[: architecture.n_trunk_layers]]
    heads = [(w[task].T, b[task].T) for w, b in layers[architecture.n_trunk_layers :]]
    for w, b in [*trunk, *heads[:-1]]:
        X = np.tanh(X @ w + b)
    return X @ heads[-1][0] + heads[-1][1]


def numpy_loss(fleet, parameters, rows, task, n_classes):
    """Weighted mean loss of one task over its labeled rows; None without any."""
    y = fleet.data.y if fleet.data.y.ndim == 1 else fleet.data.y[:, task]
    rows = rows[~np.isnan(y[rows])]
    if not len(rows):
        return None
    scores, y = numpy_scores(fleet.architecture, parameters, fleet.data.X[rows], task), y[rows]
    if isinstance(fleet.training.loss, SquaredError):
        losses = (scores[:, 0] - y) ** 2
    elif scores.shape[1] == 1:
        losses = np.logaddexp(0, scores[:, 0]) - y * scores[:, 0]
    else:
        scores = scores[:, : n_classes[task]]
        losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(y)), y.astype(int)]
    return np.average(losses, weights=fleet.data.sample_weight[rows])


def validation_loss(fleet, member, parameters):
    """Mean of the tasks' validation losses, weighted by task, over tasks with a label."""
    wide = fleet.data.y.ndim == 2
    losses = [
        numpy_loss(fleet, parameters, member.validation[0 if wide else t], t, member.n_scores)
        for t in range(3)
    ]
    held = [t for t in range(3) if losses[t] is not None]
    return np.average([losses[t] for t in held], weights=member.task_weights[held])


# ---------------------------------------------------------------- against a plain loop
@LAYOUTS
@EVERY_LOSS
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_member_equals_a_plain_pytorch_loop(random_fleet, plain_training, layout, loss, solver):
    fleet = random_fleet(layout, loss, 2, solver=solver, max_iter=25, record=True)
    for own, member in zip(train(fleet), fleet.members, strict=True):
        parameters, curve = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, 25
        )
        for a, b in zip(own.parameters, parameters, strict=True):
            np.testing.assert_allclose(a, b, **TOLERANCE["float64"])
        np.testing.assert_allclose(own.task_loss_curve, curve, **TOLERANCE["float64"])
        assert (own.n_iter, own.best_iteration, own.diverged) == (25, 25, False)


@LAYOUTS
@pytest.mark.parametrize(
    ("hidden", "head_hidden"), [((), ()), ((), (5,)), ((7,), ()), ((6, 5, 4), (3, 3))]
)
@pytest.mark.parametrize("batch_size", [None, 1, 5, 1000])
def test_any_shape_and_batch_size_equals_a_plain_loop(
    random_fleet, plain_training, layout, hidden, head_hidden, batch_size
):
    fleet = random_fleet(layout, "squared_error", 1, max_iter=4, batch_size=batch_size)
    fleet.architecture = replace(
        fleet.architecture, hidden=hidden, head_hidden=head_hidden, activation="logistic"
    )
    (own,) = train(fleet)
    parameters, _ = plain_training(
        fleet.architecture, fleet.data, fleet.members[0], fleet.training, 4
    )
    for a, b in zip(own.parameters, parameters, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE["float64"])


def test_members_may_differ_in_their_number_of_tasks(random_fleet, plain_training):
    fleet = random_fleet("long", "squared_error", 3, max_iter=5)
    for number, tasks in enumerate(([0], [2, 1], [1, 0, 2])):
        member = fleet.members[number]
        rows = {name: [getattr(member, name)[t] for t in tasks] for name in ("train", "evaluation")}
        fleet.members[number] = replace(member, task_weights=member.task_weights[tasks], **rows)
    for own, member in zip(train(fleet), fleet.members, strict=True):
        parameters, _ = plain_training(fleet.architecture, fleet.data, member, fleet.training, 5)
        assert own.parameters[-1].shape[0] == len(own.scores) == len(member.train)
        for a, b in zip(own.parameters, parameters, strict=True):
            np.testing.assert_allclose(a, b, **TOLERANCE["float64"])


@LAYOUTS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_have_the_dtype_of_training_and_numbers_that_leave_are_float64(
    random_fleet, layout, dtype
):
    fleet = random_fleet(
        layout, "squared_error", 1, dtype=dtype, max_iter=2, record=True, split=True
    )
    (own,) = train(fleet)
    assert {part.dtype for part in own.parameters} == {np.dtype(dtype)}
    assert {part.dtype for part in [*own.scores, own.task_loss_curve, own.validation_curve]} == {
        np.dtype("float64")
    }


@LAYOUTS
@EVERY_LOSS
def test_single_precision_stays_close_to_double(random_fleet, layout, loss):
    fleet = random_fleet(layout, loss, 2, solver="sgd")
    double = train(fleet)
    fleet.training = replace(fleet.training, dtype="float32")
    assert_same(train(fleet), double, "float32")


# ---------------------------------------------------------------- independence of the neighbours
def mixed_fleet(random_fleet, layout, loss, **settings):
    """Eighteen members of two stack shapes that stop at different times."""
    return random_fleet(
        layout,
        loss,
        18,
        split=True,
        sizes=(13, 20),
        n_iter_no_change=2,
        max_iter=15,
        record=True,
        learning_rate=(0.001, 0.1),
        **settings,
    )


@LAYOUTS
@EVERY_LOSS
def test_a_member_becomes_the_same_alone_among_others_in_any_order_and_again(
    rng, random_fleet, layout, loss
):
    fleet = mixed_fleet(random_fleet, layout, loss)
    together = train(fleet)
    order = rng.permutation(18)
    assert_same(train(fleet, [fleet.members[i] for i in order]), [together[i] for i in order])
    for i in rng.choice(18, size=4, replace=False):
        assert_same(train(fleet, [fleet.members[i]]), [together[i]])
    for own, again in zip(together, train(fleet), strict=True):
        assert all(
            np.array_equal(a, b) for a, b in zip(own.parameters, again.parameters, strict=True)
        )


@pytest.fixture
def in_processes(monkeypatch):
    """Spread fleets over processes, however small they are."""
    monkeypatch.setattr("skmtl.network.planning._WORTH_PROCESSES", 0)
    monkeypatch.setattr("skmtl.network.planning._WORTH_A_PROCESS", 2)


@LAYOUTS
@EVERY_LOSS
def test_a_member_becomes_the_same_in_one_process_and_in_two(
    random_fleet, in_processes, layout, loss
):
    fleet = mixed_fleet(random_fleet, layout, loss)
    assert_same(train(fleet, n_workers=2), train(fleet, n_workers=1))


def test_a_member_that_diverges_in_another_process_is_named(random_fleet, in_processes):
    fleet = random_fleet("long", "squared_error", 18, sizes=(20, 20), max_iter=8, solver="sgd")
    wild = [
        replace(member, learning_rate=1e30, label="wild") if k == 5 else member
        for k, member in enumerate(fleet.members)
    ]
    with pytest.warns(ConvergenceWarning, match="wild"):
        trained = train(fleet, wild, n_workers=2)
    assert [member.diverged for member in trained] == [k == 5 for k in range(18)]


@LAYOUTS
@EVERY_LOSS
@pytest.mark.parametrize("n_lanes", [1, 3, 7])
def test_a_member_becomes_the_same_in_lanes_that_are_refilled(
    random_fleet, monkeypatch, layout, loss, n_lanes
):
    fleet = mixed_fleet(random_fleet, layout, loss)
    together = train(fleet)
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: n_lanes)
    assert_same(train(fleet), together)


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_keep_their_state_while_lanes_are_refilled_and_closed_up(
    random_fleet, monkeypatch, solver
):
    fleet = mixed_fleet(random_fleet, "long", "squared_error", solver=solver)
    together = train(fleet)
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 4)
    assert_same(train(fleet), together)


@LAYOUTS
def test_single_precision_members_do_not_depend_on_their_neighbours(
    random_fleet, monkeypatch, in_processes, layout
):
    # Without early stopping: rounding may move a stop, not a weight.
    fleet = random_fleet(layout, "squared_error", 17, dtype="float32")
    together = train(fleet)
    assert_same(
        [train(fleet, [member])[0] for member in fleet.members[:3]], together[:3], "float32"
    )
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 3)
    assert_same(train(fleet, n_workers=2), together, "float32")


@LAYOUTS
@pytest.mark.parametrize("record", [False, True])
def test_a_member_without_validation_rows_trains_as_if_its_neighbours_had_none(
    random_fleet, layout, record
):
    fleet = random_fleet(
        layout, "squared_error", 4, split=True, sizes=(20, 20), n_iter_no_change=3, record=record
    )
    for i in (0, 2):
        fleet.members[i] = replace(
            fleet.members[i],
            validation=() if i else [np.array([], dtype=int)] * len(fleet.members[i].train),
        )
    together = train(fleet)
    assert_same(together, [train(fleet, [member])[0] for member in fleet.members])
    assert [len(own.validation_curve) > 0 for own in together] == [False, True, False, True]


@LAYOUTS
def test_only_members_with_evaluation_rows_have_scores(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 4, sizes=(20, 20), max_iter=2)
    expected = [own.scores for own in train(fleet)]
    for i in (0, 2):
        fleet.members[i] = replace(
            fleet.members[i],
            evaluation=() if i else [np.array([], dtype=int)] * len(fleet.members[i].train),
        )
    for i, own in enumerate(train(fleet)):
        if i in (0, 2):
            assert own.scores == []
        else:
            assert_arrays_close(own.scores, expected[i])


def assert_arrays_close(ours, others):
    for a, b in zip(ours, others, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE["float64"])


def test_members_of_one_seed_and_order_share_their_start_and_their_batches(random_fleet):
    # The same member twice in one stack, and once more with twice the step size: the twins agree to
    # the bit.
    fleet = random_fleet("long", "squared_error", 1)
    twins = [
        fleet.members[0],
        replace(fleet.members[0], label="twin"),
        replace(fleet.members[0], learning_rate=0.5),
    ]
    first, second, other = train(fleet, twins)
    assert all(
        np.array_equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True)
    )
    assert not np.allclose(first.parameters[0], other.parameters[0])


@LAYOUTS
def test_a_task_of_weight_zero_is_left_out(rng, random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 1, split=True, n_iter_no_change=2)
    member = replace(fleet.members[0], task_weights=np.array([1.0, 0.0, 2.0]), alpha=0.0)
    (own,) = train(fleet, [member])
    if layout == "wide":
        y = fleet.data.y.copy()
        y[:, 1] = rng.normal(size=len(y)) * 100
        fleet.data = replace(fleet.data, y=y)
        (other,) = train(fleet, [member])
    else:
        (other,) = train(
            fleet, [replace(member, train=[member.train[0], member.train[1][:2], member.train[2]])]
        )
    assert_same([own], [other])
    start = fleet.architecture.initial_parameters(member.seed, 3)
    split = 2 * fleet.architecture.n_trunk_layers
    assert all(
        np.array_equal(a[1], b[1])
        for a, b in zip(own.parameters[split:], start[split:], strict=True)
    )


@LAYOUTS
def test_only_the_ratio_of_task_weights_counts(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 2, split=True, n_iter_no_change=2)
    assert_same(
        train(
            fleet,
            [replace(member, task_weights=7 * member.task_weights) for member in fleet.members],
        ),
        train(fleet),
    )


@LAYOUTS
def test_a_task_without_training_rows_changes_no_other(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 1)
    member = replace(fleet.members[0], alpha=0.0)
    if layout == "wide":
        fleet.data.y[:, 1] = np.nan
    else:
        member = replace(member, train=[member.train[0], np.array([], dtype=int), member.train[2]])
    (own,) = train(fleet, [member])
    (weightless,) = train(fleet, [replace(member, task_weights=member.task_weights * [1, 0, 1])])
    split = 2 * fleet.architecture.n_trunk_layers
    start = fleet.architecture.initial_parameters(member.seed, 3)
    assert all(np.isfinite(part).all() for part in own.parameters)
    for result in (own, weightless):
        assert all(
            np.array_equal(a[1], b[1])
            for a, b in zip(result.parameters[split:], start[split:], strict=True)
        )


# ---------------------------------------------------------------- stopping
@LAYOUTS
@EVERY_LOSS
def test_the_weights_of_the_lowest_validation_loss_are_restored(random_fleet, layout, loss):
    fleet = random_fleet(
        layout, loss, 9, split=True, n_iter_no_change=4, max_iter=40, learning_rate=(0.005, 0.2)
    )
    for own, member in zip(train(fleet), fleet.members, strict=True):
        assert len(own.validation_curve) == own.n_iter
        assert own.best_iteration == np.argmin(own.validation_curve) + 1
        assert validation_loss(fleet, member, own.parameters) == pytest.approx(
            own.validation_curve.min(), rel=1e-9
        )


@LAYOUTS
def test_a_member_stops_once_its_validation_loss_has_not_fallen_for_long_enough(
    random_fleet, layout
):
    tol, patience, longest = 0.01, 3, 40
    fleet = random_fleet(
        layout,
        "squared_error",
        9,
        split=True,
        n_iter_no_change=patience,
        tol=tol,
        max_iter=longest,
        learning_rate=(0.001, 0.2),
    )
    for own in train(fleet):
        best, stale, n_iter = np.inf, 0, 0
        for n_iter, loss in enumerate(own.validation_curve, 1):
            stale = 0 if loss < best - tol else stale + 1
            best = min(best, loss)
            assert (stale >= patience or n_iter >= longest) == (n_iter == own.n_iter)
        assert n_iter == own.n_iter


@LAYOUTS
def test_members_stop_at_different_times(random_fleet, layout):
    # Learning rate 0: one improvement, then three epochs without. The others train to the end.
    fleet = random_fleet(
        layout,
        "squared_error",
        4,
        split=True,
        n_iter_no_change=3,
        tol=0.0,
        max_iter=20,
        solver="sgd",
        learning_rate=(1e-6, 1e-6),
    )
    fleet.members[1:3] = [replace(member, learning_rate=0.0) for member in fleet.members[1:3]]
    fleet.members = [replace(member, validation=member.train) for member in fleet.members]
    trained = train(fleet)
    assert [own.n_iter for own in trained] == [20, 4, 4, 20]
    assert [own.best_iteration for own in trained] == [20, 1, 1, 20]


@LAYOUTS
def test_stopping_early_gives_the_weights_that_the_best_pass_had(
    random_fleet, plain_training, layout
):
    fleet = random_fleet(
        layout,
        "squared_error",
        4,
        split=True,
        n_iter_no_change=3,
        max_iter=30,
        learning_rate=(0.02, 0.1),
    )
    for own, member in zip(train(fleet), fleet.members, strict=True):
        parameters, _ = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, own.best_iteration
        )
        assert_arrays_close(own.parameters, parameters)


@LAYOUTS
def test_watching_validation_rows_does_not_change_the_course(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 2, split=True, record=True, max_iter=6)
    watched = train(fleet)
    blind = train(fleet, [replace(member, validation=()) for member in fleet.members])
    for own, other in zip(watched, blind, strict=True):
        np.testing.assert_allclose(
            own.task_loss_curve, other.task_loss_curve, **TOLERANCE["float64"]
        )


@LAYOUTS
def test_without_validation_rows_the_recorded_training_loss_stops_a_member(
    random_fleet, plain_training, layout
):
    fleet = random_fleet(
        layout,
        "squared_error",
        6,
        record=True,
        n_iter_no_change=2,
        tol=0.02,
        max_iter=60,
        learning_rate=(0.01, 0.1),
    )
    for own, member in zip(train(fleet), fleet.members, strict=True):
        losses = own.task_loss_curve @ member.task_weights / member.task_weights.sum()
        best, stale, expected = np.inf, 0, 60
        for k, loss in enumerate(losses, 1):
            stale, best = (0 if loss < best - 0.02 else stale + 1), min(best, loss)
            if stale == 2:
                expected = k
                break
        assert own.n_iter == own.best_iteration == len(losses) == expected
        assert len(own.validation_curve) == 0
        parameters, _ = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, own.n_iter
        )
        assert_arrays_close(own.parameters, parameters)


@LAYOUTS
def test_without_anything_to_watch_all_passes_are_made(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 3, max_iter=7, n_iter_no_change=1)
    for own in train(fleet):
        assert own.n_iter == own.best_iteration == 7
        assert own.task_loss_curve.shape == (0, 3)
        assert own.validation_curve.shape == (0,)


@LAYOUTS
def test_a_task_without_validation_labels_is_not_watched(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 2, split=True, record=True, n_iter_no_change=3)
    if layout == "wide":
        fleet.data.y[
            np.unique(np.concatenate([member.validation[0] for member in fleet.members])), 2
        ] = np.nan
    else:
        fleet.members = [
            replace(member, validation=[*member.validation[:2], np.array([], dtype=int)])
            for member in fleet.members
        ]
    for own, member in zip(train(fleet), fleet.members, strict=True):
        assert not own.diverged
        assert validation_loss(fleet, member, own.parameters) == pytest.approx(
            own.validation_curve.min(), rel=1e-9
        )


# ---------------------------------------------------------------- divergence
@LAYOUTS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("split", "record"),
    [(True, False), (False, True), (False, False)],
    ids=["validation", "recorded", "blind"],
)
def test_a_member_that_diverges_ends_finite_is_named_and_touches_no_neighbour(
    random_fleet, layout, dtype, split, record
):
    fleet = random_fleet(
        layout,
        "squared_error",
        5,
        split=split,
        record=record,
        solver="sgd",
        dtype=dtype,
        sizes=(20, 20),
        max_iter=8,
    )
    quiet = train(fleet)
    fleet.members[2] = replace(
        fleet.members[2], learning_rate=1e30, alpha=0.0, label="the wild one"
    )
    with pytest.warns(ConvergenceWarning, match="the wild one") as caught:
        trained = train(fleet)
    assert not any(
        member.label in str(caught[0].message) for i, member in enumerate(fleet.members) if i != 2
    )
    assert [own.diverged for own in trained] == [False, False, True, False, False]
    assert all(np.isfinite(part).all() for part in trained[2].parameters)
    assert trained[2].n_iter < 8
    assert_same(trained[:2] + trained[3:], quiet[:2] + quiet[3:], dtype)


@LAYOUTS
def test_a_member_that_diverges_in_its_first_pass_ends_where_it_started(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 2, split=True, solver="sgd", dtype="float32")
    fleet.members[1] = replace(fleet.members[1], learning_rate=1e38)
    with pytest.warns(ConvergenceWarning, match="member 1"):
        trained = train(fleet)
    start = fleet.architecture.initial_parameters(fleet.members[1].seed, 3)
    assert (trained[1].n_iter, trained[1].best_iteration) == (1, 0)
    for part, initial in zip(trained[1].parameters, start, strict=True):
        np.testing.assert_array_equal(part, initial.astype(np.float32))


def test_a_member_with_targets_beyond_squaring_diverges_alone(random_fleet):
    fleet = random_fleet("long", "squared_error", 3, split=True, dtype="float32", sizes=(20, 20))
    fleet.data.y[:] = np.clip(fleet.data.y, -3, 3)
    spoiled = fleet.members[1].train[0][:3]
    rows = [
        [row for row in own if row not in spoiled]
        for i in (0, 2)
        for own in (*fleet.members[i].train, *fleet.members[i].validation)
    ]
    clean = [[np.array(own) for own in rows[k : k + 3]] for k in range(0, 12, 3)]
    fleet.members[0], fleet.members[2] = (
        replace(fleet.members[i], train=clean[i], validation=clean[i + 1]) for i in (0, 2)
    )
    quiet = train(fleet)
    fleet.data.y[spoiled] = 3e38
    fleet.members[1] = replace(fleet.members[1], validation=fleet.members[1].train)
    with pytest.warns(ConvergenceWarning, match="member 1"):
        trained = train(fleet)
    assert [own.diverged for own in trained] == [False, True, False]
    assert all(np.isfinite(part).all() for part in trained[1].parameters)
    assert_same([trained[0], trained[2]], [quiet[0], quiet[2]], "float32")


def test_a_member_that_diverges_leaves_a_clean_lane_to_the_next(random_fleet, monkeypatch):
    fleet = random_fleet(
        "long", "squared_error", 6, split=True, solver="adam", sizes=(20, 20), max_iter=4
    )
    together = train(fleet)
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 2)
    wild = [
        replace(member, learning_rate=1e300, label=f"wild {i}")
        for i, member in enumerate(fleet.members[:2])
    ]
    with pytest.warns(ConvergenceWarning, match="wild 0, wild 1"):
        trained = train(fleet, wild + fleet.members)
    assert_same(trained[2:], together)


def test_many_diverged_members_are_counted_beyond_the_first_five(random_fleet):
    fleet = random_fleet("long", "squared_error", 8, solver="sgd", learning_rate=(1e200, 1e200))
    with pytest.warns(
        ConvergenceWarning,
        match=re.escape("member 0, member 1, member 2, member 3, member 4 and 3 more"),
    ):
        train(fleet)


# ---------------------------------------------------------------- evaluation
@LAYOUTS
@EVERY_LOSS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluation_scores_are_those_of_the_returned_parameters(random_fleet, layout, loss, dtype):
    fleet = random_fleet(layout, loss, 4, split=True, n_iter_no_change=2, dtype=dtype)
    if layout == "long":
        fleet.members = [
            replace(
                member,
                evaluation=[
                    member.evaluation[0],
                    np.array([], dtype=int),
                    member.evaluation[2][:1],
                ],
            )
            for member in fleet.members
        ]
    for own, member in zip(train(fleet), fleet.members, strict=True):
        for t in range(3):
            expected = numpy_scores(
                fleet.architecture,
                own.parameters,
                fleet.data.X[member.evaluation[0 if layout == "wide" else t]],
                t,
            )
            assert own.scores[t].shape == expected.shape
            np.testing.assert_allclose(own.scores[t], expected, **TOLERANCE[dtype])


@LAYOUTS
@pytest.mark.parametrize("n_evaluated", [4096, 4097, 8192, 9001])
def test_many_evaluation_rows_are_all_scored_by_the_returned_parameters(rng, layout, n_evaluated):
    architecture = Architecture(2, (3,), (), 1, "tanh")
    X, y = rng.normal(size=(9001, 2)), rng.normal(size=(9001, 2) if layout == "wide" else 9001)
    slots = 1 if layout == "wide" else 2
    rows = [rng.permutation(9001)[:n_evaluated] for _ in range(slots)]
    members = [
        Member(train=[np.arange(20)] * slots, evaluation=rows, seed=seed) for seed in range(2)
    ]
    for own in train_fleet(
        architecture, FleetData(X, y), members, Training(max_iter=1, dtype="float64")
    ):
        for t in range(2):
            expected = numpy_scores(
                architecture, own.parameters, X[rows[0 if layout == "wide" else t]], t
            )
            np.testing.assert_allclose(own.scores[t], expected, **TOLERANCE["float64"])


# ---------------------------------------------------------------- manners
class Fault(FairnessTerm):
    def values(self, scores, labels, weights, groups):
        raise ArithmeticError("a term that fails")


def denormals_are_flushed():
    return (torch.tensor([1e-310], dtype=torch.float64) * 0.5 == 0).item()


@contextlib.contextmanager
def caller_state(n_threads, flush):
    threads, flushed = torch.get_num_threads(), denormals_are_flushed()
    torch.set_num_threads(n_threads)
    torch.set_flush_denormal(flush)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(threads)


@pytest.mark.parametrize("fails", [False, True], ids=["well", "fails"])
@pytest.mark.parametrize("n_workers", [None, 1, 2])
@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_callers_threads_and_denormals_are_as_before(
    random_fleet, n_threads, flush, n_workers, fails
):
    fleet = random_fleet("long", "squared_error", 18, sizes=(13, 20), max_iter=2)
    with caller_state(n_threads, flush):
        with (
            pytest.raises(ArithmeticError, match="a term that fails")
            if fails
            else contextlib.nullcontext()
        ):
            train(fleet, n_workers=n_workers, terms=[Fault()] if fails else [])
        assert torch.get_num_threads() == n_threads
        assert denormals_are_flushed() == flush


def test_numeric_mode_flushes_denormals_on_so_many_threads_and_restores_both():
    with caller_state(2, False):
        with numeric_mode(1):
            assert torch.get_num_threads() == 1
            assert denormals_are_flushed()
        assert torch.get_num_threads() == 2
        assert not denormals_are_flushed()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_members_train_on_one_thread_with_denormals_flushed(random_fleet, n_workers):
    seen = set()

    class Look(FairnessTerm):
        def values(self, scores, labels, weights, groups):
            seen.add((torch.get_num_threads(), denormals_are_flushed()))
            return scores.sum((1, 2, 3)) * 0, scores.sum((1, 2, 3)) * 0

    fleet = random_fleet("long", "squared_error", 18, sizes=(20, 20), max_iter=2)
    with caller_state(2, False):
        train(fleet, n_workers=n_workers, terms=[Look()])
    assert seen == {(1, True)}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_global_random_states_are_left_alone(random_fleet, n_workers):
    fleet = random_fleet("wide", "cross_entropy", 18, split=True, max_iter=3)
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    train(fleet, n_workers=n_workers)
    numpy_after = np.random.get_state()  # noqa: NPY002
    assert numpy_before[2:] == numpy_after[2:]
    np.testing.assert_array_equal(numpy_before[1], numpy_after[1])
    assert torch.equal(torch_before, torch.get_rng_state())


@LAYOUTS
def test_the_callers_arrays_are_left_alone(random_fleet, layout):
    fleet = random_fleet(layout, "squared_error", 3, split=True, max_iter=3)
    X, y, weight = fleet.data.X.copy(), fleet.data.y.copy(), fleet.data.sample_weight.copy()
    for array in (fleet.data.X, fleet.data.y, fleet.data.sample_weight):
        array.setflags(write=False)
    train(fleet)
    np.testing.assert_array_equal(fleet.data.X, X)
    np.testing.assert_array_equal(fleet.data.y, y)
    np.testing.assert_array_equal(fleet.data.sample_weight, weight)


@pytest.mark.parametrize("n_lanes", [2, 512])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_progress_adds_up_to_the_number_of_members(
    random_fleet, monkeypatch, in_processes, n_lanes, n_workers
):
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: n_lanes)
    fleet, counts = mixed_fleet(random_fleet, "long", "squared_error"), []
    train(fleet, n_workers=n_workers, progress=counts.append)
    assert sum(counts) == 18


def test_no_member_is_no_work(random_fleet):
    assert train(random_fleet("long", "squared_error", 1), []) == []


def test_returned_arrays_own_their_memory(random_fleet):
    fleet = random_fleet("long", "squared_error", 3, max_iter=2)
    trained = train(fleet)
    expected = [part.copy() for part in trained[1].parameters]
    for own in (trained[0], trained[2]):
        for array in (*own.parameters, *own.scores):
            array.fill(np.nan)
    assert all(np.array_equal(a, b) for a, b in zip(trained[1].parameters, expected, strict=True))


def test_an_unknown_device_is_named_in_the_error(random_fleet):
    fleet = random_fleet("long", "squared_error", 1, device="abacus")
    with pytest.raises(ValueError, match="'abacus'"):
        train(fleet)


def test_a_cuda_device_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="CUDA devices"):
        resolve_device(f"cuda:{torch.cuda.device_count()}")


def test_auto_is_cuda_where_there_is_one():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@LAYOUTS
@EVERY_LOSS
def test_cuda_trains_what_the_cpu_trains(random_fleet, layout, loss):
    fleet = mixed_fleet(random_fleet, layout, loss)
    host = train(fleet)
    fleet.training = replace(fleet.training, device="cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        device = train(fleet)
    for own, other in zip(device, host, strict=True):
        for a, b in zip(
            [*own.parameters, *own.scores], [*other.parameters, *other.scores], strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
