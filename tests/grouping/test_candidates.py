from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skmtl import TaskGrouper, TaskSet
from skmtl.grouping.candidates import Candidate, choose, joint, loss_units, proposed, single_task

NAMES = ["a", "b", "c", "d"]
PAIRS = Candidate("pairs", (("a", "b"), ("c", "d")), {"a": 0, "b": 0, "c": 1, "d": 1})


def table(*losses, extra=()):
    return choose(
        [single_task(NAMES), joint(NAMES), PAIRS, *extra],
        [np.array(loss, dtype=float) for loss in losses],
    )


def winner(found):
    return found["candidate"][found["chosen"]].tolist()


def frame(A, names=None):
    names = [f"t{k}" for k in range(len(A))] if names is None else names
    return pd.DataFrame(A, index=names, columns=names)


def test_the_simple_groupings_serve_every_task():
    assert single_task(NAMES).groups == (("a",), ("b",), ("c",), ("d",))
    assert single_task(NAMES).served_by == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert joint(NAMES).groups == (("a", "b", "c", "d"),)
    assert set(joint(NAMES).served_by.values()) == {0}


def test_numbers_worked_by_hand():
    # Totals 4.0, 3.2 and 2.8; against "joint" the pairs differ by -0.1 each: no spread, a
    # clear win.
    found = table([1, 1, 1, 1], [0.8, 0.8, 0.8, 0.8], [0.7, 0.7, 0.7, 0.7])
    np.testing.assert_allclose(found["validation_loss"], [4.0, 3.2, 2.8])
    np.testing.assert_allclose(found["difference"], [0.8, 0.0, -0.4])
    np.testing.assert_allclose(found["difference_se"], 0, atol=1e-12)
    assert found["n_groups"].tolist() == [4, 1, 2]
    assert winner(found) == ["pairs"]


def test_the_standard_error_is_that_of_a_sum_over_tasks():
    # Differences -0.4, 0.2, 0.2, -0.4: mean -0.1, sample variance 0.12, standard error of the sum
    # sqrt(4 * 0.12).
    found = table([2, 2, 2, 2], [1, 1, 1, 1], [0.6, 1.2, 1.2, 0.6])
    assert found["difference"][2] == pytest.approx(-0.4)
    assert found["difference_se"][2] == pytest.approx(np.sqrt(0.48))


@pytest.mark.parametrize(("gain", "expected"), [(1.36, "joint"), (1.41, "pairs")])
def test_a_proposal_wins_only_by_more_than_two_standard_errors(gain, expected):
    # The spread around the mean difference stays that of the example above: standard error 0.6928.
    spread = np.array([-0.3, 0.3, 0.3, -0.3])
    assert winner(table([2, 2, 2, 2], [1, 1, 1, 1], 1 - gain / 4 + spread)) == [expected]


def test_a_proposal_that_was_singled_out_elsewhere_needs_less_evidence():
    losses = [
        np.full(4, 2.0),
        np.full(4, 1.0),
        1 - 0.25 + np.array([-0.3, 0.3, 0.3, -0.3]),
    ]  # 1.44 standard errors
    given = [single_task(NAMES), joint(NAMES), PAIRS]
    assert winner(choose(given, losses)) == ["joint"]
    assert winner(choose(given, losses, 1.0)) == ["pairs"]


def test_a_simple_grouping_needs_no_evidence_against_the_other():
    assert winner(table([1, 1, 1, 1], [1, 1, 1, 0.999], [2, 2, 2, 2])) == ["joint"]
    assert winner(table([1, 1, 1, 0.999], [1, 1, 1, 1], [2, 2, 2, 2])) == ["single-task"]


def test_a_tie_of_the_simple_groupings_goes_to_single_tasks():
    assert winner(table([1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1])) == ["single-task"]


def test_the_better_of_two_strong_proposals_wins():
    other = Candidate("triple", (("a", "b", "c"), ("d",)), {"a": 0, "b": 0, "c": 0, "d": 1})
    assert winner(table([2, 2, 2, 2], [1, 1, 1, 1], [0.5] * 4, [0.4] * 4, extra=[other])) == [
        "triple"
    ]


def test_a_lower_total_without_evidence_loses_to_a_strong_one():
    other = Candidate("lucky", (("a", "b", "c"), ("d",)), {"a": 0, "b": 0, "c": 0, "d": 1})
    found = table([2, 2, 2, 2], [1, 1, 1, 1], [0.9] * 4, [-3, 1.5, 1.5, 1.5], extra=[other])
    assert found["validation_loss"][3] < found["validation_loss"][2]
    assert winner(found) == ["pairs"]


def test_proposals_are_compared_with_the_better_simple_grouping():
    found = table([1, 1, 1, 1], [2, 2, 2, 2], [1.5] * 4)
    assert found["difference"].tolist() == [0, 4, 2]
    assert winner(found) == ["single-task"]


def test_a_single_task_is_never_evidence():
    found = choose(
        [single_task(["a"]), joint(["a"]), Candidate("x", (("a",),), {"a": 0})],
        [np.array([1.0]), np.array([0.9]), np.array([0.1])],
    )
    assert winner(found) == ["joint"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("culprit", [0, 1, 2])
def test_a_candidate_without_a_finite_loss_never_wins(bad, culprit):
    losses = [[1.0, 1, 1, 1], [1.1, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]]
    losses[culprit][0] = bad
    chosen = winner(table(*losses))
    assert chosen == [["pairs"], ["pairs"], ["single-task"]][culprit]


def test_exactly_one_candidate_is_chosen(rng):
    for _ in range(50):
        assert table(*rng.uniform(0, 1, size=(3, 4)))["chosen"].sum() == 1


@pytest.mark.parametrize(
    "grouper", [None, TaskGrouper("beam"), TaskGrouper("sdp", n_groups=2), TaskGrouper("spectral")]
)
def test_proposals_are_distinct_and_serve_every_task_from_a_group_that_holds_it(grouper, rng):
    for n in (3, 5, 9):
        affinity = frame(rng.normal(size=(n, n)))
        found = proposed(affinity, grouper, 0)
        assert len({frozenset(candidate.groups) for candidate in found}) == len(found)
        for candidate in found:
            assert len(candidate.groups) > 1
            assert max(map(len, candidate.groups)) > 1
            assert set(candidate.served_by) == set(affinity.columns)
            assert all(name in candidate.groups[g] for name, g in candidate.served_by.items())


def test_planted_groups_are_proposed():
    block = np.array([0, 1, 0, 1, 0, 1])
    groups = {
        frozenset(candidate.groups)
        for candidate in proposed(frame(np.where(block[:, None] == block, 0.3, -0.3)), None, 0)
    }
    assert frozenset([("t0", "t2", "t4"), ("t1", "t3", "t5")]) in groups


def test_affinities_without_structure_propose_nothing():
    assert proposed(frame(-np.ones((5, 5))), TaskGrouper("beam"), 0) == []
    assert proposed(frame(np.ones((5, 5))), TaskGrouper("beam"), 0) == []


def test_two_tasks_leave_nothing_to_propose(rng):
    assert proposed(frame(rng.normal(size=(2, 2))), None, 0) == []


def test_a_given_grouper_is_not_changed(rng):
    grouper = TaskGrouper("sdp", n_groups=2)
    proposed(frame(rng.normal(size=(5, 5))), grouper, 0)
    assert grouper.random_state is None
    assert not hasattr(grouper, "labels_")


def test_squared_errors_are_counted_in_variances_of_each_task_or_of_all(rng):
    X, y, task = (
        rng.normal(size=(60, 2)),
        rng.normal(size=60) * np.repeat([1, 10, 0], 20),
        np.repeat(["a", "b", "c"], 20),
    )
    tasks = TaskSet.from_long(X, y, task)
    own = loss_units(tasks, pooled=False)
    assert own == pytest.approx({"a": y[:20].var(), "b": y[20:40].var(), "c": 1.0})
    assert loss_units(tasks, pooled=True) == pytest.approx(dict.fromkeys("abc", y.var()))


@pytest.mark.parametrize("pooled", [False, True])
def test_log_losses_are_left_as_they_are(pooled, rng):
    tasks = TaskSet.from_long(
        rng.normal(size=(6, 2)), [0, 1] * 3, ["a"] * 3 + ["b"] * 3, kind="classification"
    )
    assert loss_units(tasks, pooled=pooled) == {"a": 1.0, "b": 1.0}


def test_the_simple_candidates_are_known_by_kind_whatever_their_place_and_label():
    names = list("abcd")
    plain = [single_task(names), joint(names), PAIRS]
    losses = [np.array(row) for row in ([1.0, 1, 1, 1], [0.8, 0.8, 0.8, 0.8], [0.7, 0.7, 0.7, 0.7])]
    first = choose(plain, losses)
    order = [2, 1, 0]
    second = choose(
        [replace(plain[k], name=f"label {k}") for k in order], [losses[k] for k in order]
    )
    assert first["kind"].tolist() == ["single-task", "joint", "proposed"]
    for column in ("kind", "validation_loss", "difference", "difference_se", "chosen"):
        assert second[column].tolist() == first[column].tolist()[::-1]
