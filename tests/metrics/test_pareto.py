import numpy as np
import pytest

from skmtl.metrics import hypervolume, pareto_mask, reported_point


def mask_by_definition(points):
    return [not any((q <= p).all() and (q < p).any() for q in points) for p in points]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_front_is_that_of_the_definition(rng, k):
    points = rng.integers(0, 6, size=(60, k)).astype(
        float
    )  # many equal coordinates and equal points
    assert pareto_mask(points).tolist() == mask_by_definition(points)
    points = rng.normal(size=(60, k))
    assert pareto_mask(points).tolist() == mask_by_definition(points)


def test_equal_points_are_on_the_front_together_and_nan_is_never():
    assert pareto_mask([[1, 1], [1, 1], [np.nan, 0], [0, 2]]).tolist() == [True, True, False, True]
    assert pareto_mask(np.empty((0, 2))).tolist() == []


def test_a_point_at_infinity_may_be_on_the_front():
    assert pareto_mask([[np.inf, 0], [1, 1], [np.inf, 1]]).tolist() == [True, True, False]


def test_the_reported_point_is_on_the_front_and_nearest_the_midpoint_of_all_runs():
    points = np.array([[0.5, 0.9], [0.9, 0.5], [1.0, 0.6], [1.2, 0.1], [1.5, 2.0]])
    assert (
        reported_point(points) == 1
    )  # the midpoint is 1.0; point 2 is nearest but not on the front
    assert (
        reported_point(np.vstack([points, [2.1, 3.0]])) == 3
    )  # a bad run moves the midpoint to 1.3


def test_of_equally_near_points_the_lower_is_reported_and_of_equal_points_the_first():
    assert reported_point([[0.0, 5.0], [0.75, 3.0], [1.25, 2.0], [2.0, 1.0]]) == 2
    assert reported_point([[1.0, 1.0], [1.0, 1.0]]) == 0


def test_rows_without_a_finite_value_move_neither_midpoint_nor_front():
    points = [[0.5, 0.9], [1.0, 0.3], [1.5, 0.1], [9.0, np.nan], [np.nan, 0.0], [np.inf, 0.0]]
    assert reported_point(points) == reported_point(points[:3]) == 1


def test_the_hypervolume_is_the_share_of_a_fine_grid_that_is_dominated(rng):
    points, reference = rng.integers(0, 20, size=(12, 2)) / 10, np.array([1.5, 1.8])
    x, y = np.meshgrid(np.arange(0, 15) / 10 + 0.05, np.arange(0, 18) / 10 + 0.05)
    dominated = np.zeros(x.shape, dtype=bool)
    for px, py in points:
        dominated |= (px <= x) & (py <= y)
    assert hypervolume(points, reference) == pytest.approx(dominated.sum() * 0.01)


def test_a_hypervolume_is_not_changed_by_points_that_do_not_count():
    front = [[1, 3], [2, 2]]
    assert hypervolume(front, [4, 4]) == 3 + 2
    assert hypervolume([*front, [2, 3], [np.nan, 0], [0, 4], [5, 0], [1, 3]], [4, 4]) == 5
    assert hypervolume([[5, 5]], [4, 4]) == 0
    assert hypervolume(np.empty((0, 2)), [4, 4]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pareto_mask([1.0, 2.0]), r"points must have shape \(n, k\)"),
        (lambda: reported_point([[1.0, 2.0, 3.0]]), r"points must have shape \(n, 2\)"),
        (lambda: reported_point([[np.nan, 1.0]]), "no row of finite values"),
        (lambda: hypervolume([[1.0, 2.0]], 3.0), "reference must be two finite numbers"),
    ],
)
def test_wrong_shapes_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
