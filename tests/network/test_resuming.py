"""Going on from a trained member, ensembles that step together, and what is called after every
pass.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from skmtl.network import SOLVERS, TrainedMember, train_fleet

CLOSE = dict(rtol=1e-9, atol=1e-9)
LAYOUTS = pytest.mark.parametrize(("layout", "task_dim"), [("wide", 0), ("long", 2)])
TABLES = ((4, 2),)


def train(fleet, members=None, **options):
    settings = {name: options.pop(name) for name in list(options) if hasattr(fleet.training, name)}
    return train_fleet(
        fleet.architecture,
        fleet.data,
        fleet.members if members is None else members,
        replace(fleet.training, **settings),
        **options,
    )


def assert_same_parameters(ours, others, **tolerance):
    for own, other in zip(ours, others, strict=True):
        for a, b in zip(own, other, strict=True):
            np.testing.assert_allclose(a, b, **tolerance or CLOSE)


def parameters(trained):
    return [own.parameters for own in trained]


def resumed(members, trained, **changes):
    return [
        replace(member, start=own, **changes) for member, own in zip(members, trained, strict=True)
    ]


# ---------------------------------------------------------------- going on
@LAYOUTS
@pytest.mark.parametrize("solver", SOLVERS)
def test_two_runs_of_three_passes_are_one_plain_loop_that_carries_the_solvers_state(
    random_fleet, plain_training, layout, task_dim, solver
):
    fleet = random_fleet(
        layout,
        "squared_error",
        2,
        solver=solver,
        max_iter=3,
        keep_solver_state=True,
        record=True,
        embeddings=TABLES,
        task_dim=task_dim,
    )
    first = train(fleet)
    again = resumed(fleet.members, first, order_seed=77)
    for own, begun, member, more in zip(
        train(fleet, again), first, fleet.members, again, strict=True
    ):
        expected, curve = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, 3, more=[more]
        )
        assert_same_parameters([own.parameters], [expected])
        np.testing.assert_allclose(
            np.concatenate([begun.task_loss_curve, own.task_loss_curve]), curve, **CLOSE
        )
        assert (own.n_iter, own.n_steps) == (3, 2 * begun.n_steps)


@pytest.mark.parametrize("solver", SOLVERS)
def test_steps_on_all_rows_taken_in_parts_are_the_steps_taken_at_once(random_fleet, solver):
    fleet = random_fleet(
        "long", "squared_error", 3, solver=solver, batch_size=None, keep_solver_state=True
    )
    members, trained = fleet.members, []
    for passes in (1, 4, 2):
        trained = train(fleet, members, max_iter=passes)
        members = resumed(members, trained)
    whole = train(fleet, max_iter=7)
    assert_same_parameters(parameters(trained), parameters(whole), rtol=0, atol=0)
    for own, other in zip(trained, whole, strict=True):
        assert own.n_steps == other.n_steps
        assert_same_parameters(own.solver_state, other.solver_state, rtol=0, atol=0)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_without_a_state_the_solver_starts_anew_from_the_given_parameters(random_fleet, solver):
    fleet = random_fleet("wide", "squared_error", 1, solver=solver, batch_size=None, max_iter=3)
    (first,) = train(fleet, keep_solver_state=True)
    bare = TrainedMember(parameters=first.parameters)
    (anew,) = train(fleet, resumed(fleet.members, [bare]))
    (carried,) = train(fleet, resumed(fleet.members, [first]))
    assert not np.allclose(anew.parameters[0], carried.parameters[0], rtol=1e-6, atol=1e-8)

    class Given(type(fleet.architecture)):
        def initial_parameters(self, seed, n_tasks):
            return first.parameters

    fleet.architecture = Given(**vars(fleet.architecture))
    assert_same_parameters([anew.parameters], parameters(train(fleet)), rtol=0, atol=0)


@pytest.mark.parametrize(("solver", "other"), list(permutations(["adam", "adagrad", "sgd"], 2)))
def test_the_state_of_another_kind_of_solver_is_left_aside(random_fleet, solver, other):
    fleet = random_fleet("long", "squared_error", 1, solver=solver, batch_size=None, max_iter=2)
    (first,) = train(fleet, keep_solver_state=True)
    (own,) = train(fleet, resumed(fleet.members, [first]), solver=other)
    (anew,) = train(
        fleet, resumed(fleet.members, [TrainedMember(parameters=first.parameters)]), solver=other
    )
    assert_same_parameters([own.parameters], [anew.parameters], rtol=0, atol=0)


def test_a_resumed_member_does_not_depend_on_its_neighbours_or_lane(random_fleet, monkeypatch):
    fleet = random_fleet(
        "long",
        "squared_error",
        6,
        split=True,
        sizes=(13, 20),
        max_iter=3,
        keep_solver_state=True,
        task_dim=2,
    )
    members = resumed(fleet.members, train(fleet), order_seed=5)
    members[1:3] = fleet.members[1:3]  # fresh ones beside resumed ones
    alone = [train(fleet, [member])[0] for member in members]
    assert_same_parameters(parameters(train(fleet, members)), parameters(alone))
    monkeypatch.setattr("skmtl.network.planning.members_that_fit", lambda *_: 2)
    assert_same_parameters(parameters(train(fleet, members)), parameters(alone))


def test_going_on_leaves_what_it_starts_from_alone(random_fleet):
    fleet = random_fleet("wide", "squared_error", 1, max_iter=2, keep_solver_state=True)
    (first,) = train(fleet)
    before = [[part.copy() for part in own] for own in (first.parameters, *first.solver_state)]
    train(fleet, resumed(fleet.members, [first]))
    assert_same_parameters([first.parameters, *first.solver_state], before, rtol=0, atol=0)


def test_the_state_is_kept_only_where_it_is_asked_for(random_fleet):
    fleet = random_fleet("wide", "squared_error", 1, max_iter=2)
    assert train(fleet)[0].solver_state == []
    (own,) = train(fleet, keep_solver_state=True)
    assert [[part.shape for part in moments] for moments in own.solver_state] == [
        [part.shape for part in own.parameters]
    ] * 2


def test_the_state_of_a_member_that_stops_first_is_that_of_its_last_pass(random_fleet):
    # One of twenty stops early; its lane idles beside the others until the end.
    fleet = random_fleet(
        "long",
        "squared_error",
        20,
        sizes=(20, 20),
        batch_size=None,
        max_iter=6,
        n_iter_no_change=2,
        tol=0.0,
        record=True,
        keep_solver_state=True,
    )
    fleet.members[4] = replace(fleet.members[4], learning_rate=0.0)
    own, (alone,) = train(fleet)[4], train(fleet, [fleet.members[4]])
    assert own.n_iter == alone.n_iter == 3
    assert own.n_steps == alone.n_steps == 3
    assert_same_parameters(own.solver_state, alone.solver_state)


# ---------------------------------------------------------------- together
@LAYOUTS
@pytest.mark.parametrize("batch_size", [8, None])
def test_members_together_take_as_many_steps_as_the_largest(
    random_fleet, plain_training, layout, task_dim, batch_size
):
    fleet = random_fleet(
        layout,
        "squared_error",
        5,
        sizes=(9, 25),
        max_iter=3,
        batch_size=batch_size,
        task_dim=task_dim,
        keep_solver_state=True,
    )
    longest = max(len(rows) for member in fleet.members for rows in member.train)
    shape = (1, longest) if batch_size is None else (-(-longest // batch_size), batch_size)
    for own, member in zip(train(fleet, together=True), fleet.members, strict=True):
        assert own.n_steps == 3 * shape[0]
        expected, _ = plain_training(
            fleet.architecture, fleet.data, member, fleet.training, 3, shape=shape
        )
        assert_same_parameters([own.parameters], [expected])


def test_members_of_one_size_train_together_as_they_do_apart(random_fleet):
    fleet = random_fleet("wide", "squared_error", 4, sizes=(20, 20), max_iter=3)
    assert_same_parameters(
        parameters(train(fleet, together=True)), parameters(train(fleet)), rtol=0, atol=0
    )


# ---------------------------------------------------------------- after every pass
class Passes:
    """Writes down what it is told; stops after ``stop_after`` passes."""

    def __init__(self, stop_after=None, look=True):
        self.stop_after, self.look, self.n_done, self.shown = stop_after, look, [], []

    def __call__(self, n_done, now):
        self.n_done.append(n_done)
        if self.look:
            self.shown.append(now())
        return n_done == self.stop_after


@LAYOUTS
@pytest.mark.parametrize("split", [False, True], ids=["blind", "validation"])
def test_after_every_pass_the_members_are_shown_as_if_training_ended_there(
    random_fleet, layout, task_dim, split
):
    settings = dict(
        split=split,
        sizes=(12, 20),
        max_iter=5,
        record=True,
        learning_rate=(0.01, 0.2),
        task_dim=task_dim,
    )
    fleet, passes = random_fleet(layout, "squared_error", 4, **settings), Passes()
    watched = train(fleet, together=True, on_epoch=passes)
    assert passes.n_done == [1, 2, 3, 4, 5]
    for n_done, shown in zip(passes.n_done, passes.shown, strict=True):
        ended = train(fleet, together=True, max_iter=n_done)
        assert_same_parameters(parameters(shown), parameters(ended), rtol=0, atol=0)
        for own, other in zip(shown, ended, strict=True):
            assert (
                (own.n_iter, own.best_iteration)
                == (other.n_iter, other.best_iteration)
                == (n_done, other.best_iteration)
            )
            np.testing.assert_array_equal(own.task_loss_curve, other.task_loss_curve)
            np.testing.assert_array_equal(own.validation_curve, other.validation_curve)
    assert_same_parameters(
        parameters(watched), parameters(train(fleet, together=True)), rtol=0, atol=0
    )


@LAYOUTS
def test_members_that_have_stopped_are_shown_as_they_ended(random_fleet, layout, task_dim):
    settings = dict(
        split=True,
        sizes=(12, 20),
        max_iter=12,
        n_iter_no_change=2,
        tol=0.01,
        learning_rate=(0.001, 0.3),
        task_dim=task_dim,
    )
    fleet, passes = random_fleet(layout, "squared_error", 6, **settings), Passes()
    ended = train(fleet, together=True, on_epoch=passes)
    assert len(passes.n_done) == max(own.n_iter for own in ended)
    for shown in passes.shown:
        for own, other in zip(shown, ended, strict=True):
            if own.n_iter == other.n_iter:
                assert_same_parameters([own.parameters], [other.parameters], rtol=0, atol=0)
    assert_same_parameters(parameters(passes.shown[-1]), parameters(ended), rtol=0, atol=0)


@pytest.mark.parametrize("stop_after", [1, 3])
def test_true_ends_training_there(random_fleet, stop_after):
    fleet, passes = (
        random_fleet("long", "squared_error", 3, sizes=(12, 20), max_iter=9),
        Passes(stop_after),
    )
    stopped = train(fleet, together=True, on_epoch=passes)
    assert passes.n_done == list(range(1, stop_after + 1))
    assert [own.n_iter for own in stopped] == [stop_after] * 3
    assert_same_parameters(
        parameters(stopped),
        parameters(train(fleet, together=True, max_iter=stop_after)),
        rtol=0,
        atol=0,
    )


def test_what_is_shown_does_not_change_afterwards(random_fleet):
    fleet, passes = random_fleet("wide", "squared_error", 2, sizes=(20, 20), max_iter=4), Passes()
    train(fleet, together=True, on_epoch=passes)
    assert not np.array_equal(passes.shown[0][0].parameters[0], passes.shown[3][0].parameters[0])


def test_nothing_is_collected_for_who_does_not_look(random_fleet, monkeypatch):
    from skmtl.network.bookkeeping import Book

    def never(self, lanes):
        raise AssertionError("nobody looked")

    monkeypatch.setattr(Book, "as_of_now", never)
    fleet, passes = (
        random_fleet("wide", "squared_error", 2, sizes=(20, 20), max_iter=2),
        Passes(look=False),
    )
    train(fleet, together=True, on_epoch=passes)
    train(fleet, together=True)
    assert passes.n_done == [1, 2]


def test_an_ensemble_of_any_size_is_shown_as_a_whole(random_fleet, monkeypatch):
    # Large groups are otherwise cut into one part a worker.
    monkeypatch.setattr("skmtl.network.planning._WORTH_A_PROCESS", 2)
    fleet, passes = random_fleet("wide", "squared_error", 8, sizes=(20, 20), max_iter=3), Passes()
    train(fleet, together=True, on_epoch=passes, n_workers=2)
    assert passes.n_done == [1, 2, 3]
    assert [len(shown) for shown in passes.shown] == [8, 8, 8]
