import numpy as np
import pytest

from skmtl.network.stopping import Watch


def scalar_watch(losses, finite, tol, patience, max_iter, keep_best):
    """One member's course, written out: (n_iter, kept pass, best, diverged)."""
    best, kept, stale = np.inf, 0, 0
    for n_iter, (loss, good) in enumerate(zip(losses, finite, strict=True), 1):
        if not (good and np.isfinite(loss)):
            return n_iter, kept, best, True
        stale = 0 if loss < best - tol else stale + 1
        if loss < best or not keep_best:
            kept = n_iter
        best = min(best, loss)
        if stale >= patience or n_iter >= max_iter:
            return n_iter, kept, best, False
    raise AssertionError("the course is shorter than max_iter")


@pytest.mark.parametrize("keep_best", [True, False])
@pytest.mark.parametrize("tol", [0.0, 0.2])
@pytest.mark.parametrize("spoiled", [0.0, 0.05])
def test_every_member_stops_where_the_scalar_rule_stops_it(rng, keep_best, tol, spoiled):
    n, patience, max_iter = 60, 4, 25
    losses = np.round(rng.normal(size=(n, max_iter)), 1) - 0.05 * np.arange(max_iter)
    losses[rng.random(losses.shape) < spoiled] = rng.choice([np.nan, np.inf, -np.inf])
    finite = rng.random(losses.shape) >= spoiled
    watch = Watch(n, tol, patience, max_iter, keep_best=keep_best)
    ids = rng.permutation(n)
    kept = np.zeros(n, dtype=int)
    for k in range(max_iter):
        keep = watch.update(ids, losses[ids, k], finite[ids, k])
        kept[ids[keep]] = k + 1
    assert watch.finished.all()
    for e in range(n):
        n_iter, last_kept, best, diverged = scalar_watch(
            losses[e], finite[e], tol, patience, max_iter, keep_best
        )
        assert (watch.n_iter[e], watch.kept_iteration[e], watch.best[e], watch.diverged[e]) == (
            n_iter,
            last_kept,
            best,
            diverged,
        )
        assert kept[e] == last_kept


def test_members_that_enter_later_count_their_own_passes(rng):
    losses = np.round(rng.normal(size=(6, 40)), 1)
    watch = Watch(6, 0.0, 3, 10, keep_best=True)
    lanes, queue = np.array([0, 1, 2]), [3, 4, 5]
    while not watch.finished.all():
        watch.update(lanes, losses[lanes, watch.n_iter[lanes]], np.ones(3, dtype=bool))
        for lane in np.flatnonzero(watch.finished[lanes]):
            if queue:
                lanes[lane] = queue.pop(0)
    for e in range(6):
        expected = scalar_watch(losses[e], np.ones(40, dtype=bool), 0.0, 3, 10, True)
        assert (
            watch.n_iter[e],
            watch.kept_iteration[e],
            watch.best[e],
            watch.diverged[e],
        ) == expected


def test_nothing_to_watch_means_that_all_passes_are_made_and_the_last_is_kept():
    watch = Watch(2, 1e-4, 1, 5, keep_best=False)
    for _ in range(5):
        assert not watch.finished.any()
        assert watch.update(np.arange(2), None, np.ones(2, dtype=bool)).all()
    assert watch.finished.all()
    assert watch.n_iter.tolist() == watch.kept_iteration.tolist() == [5, 5]


def test_infinite_weights_end_a_member_that_is_not_watched():
    watch = Watch(2, 1e-4, 1, 5, keep_best=False)
    watch.update(np.arange(2), None, np.array([True, True]))
    keep = watch.update(np.arange(2), None, np.array([True, False]))
    assert keep.tolist() == [True, False]
    assert watch.diverged.tolist() == watch.finished.tolist() == [False, True]
    assert watch.kept_iteration.tolist() == [2, 1]


def test_a_finished_member_is_left_as_it_is():
    watch = Watch(1, 0.0, 1, 100, keep_best=True)
    for loss in (1.0, 2.0):
        watch.update(np.arange(1), np.array([loss]), np.ones(1, dtype=bool))
    assert watch.finished.all()
    for loss in (0.1, np.nan):
        assert not watch.update(np.arange(1), np.array([loss]), np.ones(1, dtype=bool)).any()
    assert (watch.n_iter[0], watch.kept_iteration[0], watch.best[0], watch.diverged[0]) == (
        2,
        1,
        1.0,
        False,
    )
