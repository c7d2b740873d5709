import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from skmtl.metrics import multitask_accuracy, multitask_log_loss, multitask_mse, multitask_r2

REGRESSION = {multitask_r2: r2_score, multitask_mse: mean_squared_error}
METRICS = [multitask_accuracy, multitask_log_loss, multitask_mse, multitask_r2]


def holes(Y, rng, share=0.3):
    """A copy with NaN in some cells; the first four rows stay complete."""
    Y = Y.astype(float)
    Y[4:][rng.random(Y[4:].shape) < share] = np.nan
    return Y


def simplex(rng, *shape):
    p = rng.random(shape) + 0.05
    return p / p.sum(axis=-1, keepdims=True)


@pytest.fixture
def weights(rng):
    return rng.uniform(0.1, 2, size=30)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", REGRESSION)
def test_a_regression_metric_is_that_of_scikit_learn_on_each_column_without_nan(
    metric, weighted, weights, rng
):
    Y, P = holes(rng.normal(size=(30, 4)), rng), rng.normal(size=(30, 4))
    weight = weights if weighted else None
    expected = []
    for t in range(4):
        known = ~np.isnan(Y[:, t])
        expected.append(
            REGRESSION[metric](
                Y[known, t], P[known, t], sample_weight=None if weight is None else weight[known]
            )
        )
    np.testing.assert_allclose(
        metric(Y, P, sample_weight=weight, average=None), expected, rtol=1e-12
    )
    assert metric(Y, P, sample_weight=weight) == pytest.approx(np.mean(expected), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_is_that_of_scikit_learn_on_each_column_without_nan(weighted, weights, rng):
    Y, P = holes(rng.integers(0, 3, size=(30, 4)), rng), rng.integers(0, 3, size=(30, 4))
    weight = weights if weighted else None
    known = ~np.isnan(Y)
    expected = [
        accuracy_score(Y[k, t], P[k, t], sample_weight=None if weight is None else weight[k])
        for t, k in enumerate(known.T)
    ]
    np.testing.assert_allclose(
        multitask_accuracy(Y, P, sample_weight=weight, average=None), expected
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_log_loss_of_a_list_of_probabilities_is_that_of_scikit_learn_on_each_column(
    weighted, weights, rng
):
    sizes = [2, 3, 4]
    Y = np.column_stack(
        [np.concatenate([np.arange(k), rng.integers(0, k, size=30 - k)]) for k in sizes]
    )
    Y = holes(Y, rng)
    P = [simplex(rng, 30, k) for k in sizes]
    weight = weights if weighted else None
    expected = []
    for t, k in enumerate(sizes):
        known = ~np.isnan(Y[:, t])
        expected.append(
            log_loss(
                Y[known, t],
                P[t][known],
                labels=range(k),
                sample_weight=None if weight is None else weight[known],
            )
        )
    np.testing.assert_allclose(
        multitask_log_loss(Y, P, sample_weight=weight, average=None), expected, rtol=1e-12
    )


def test_log_loss_takes_probabilities_of_the_second_class_of_binary_tasks(rng):
    Y, P = (
        holes(np.vstack([np.eye(4)[:, :3], rng.integers(0, 2, size=(26, 3))]), rng),
        rng.uniform(0.05, 0.95, size=(30, 3)),
    )
    both = [np.column_stack([1 - p, p]) for p in P.T]
    np.testing.assert_allclose(
        multitask_log_loss(Y, P, average=None),
        multitask_log_loss(Y, both, average=None),
        rtol=1e-12,
    )
    known = ~np.isnan(Y[:, 1])
    assert multitask_log_loss(Y, P, average=None)[1] == pytest.approx(
        log_loss(Y[known, 1], P[known, 1])
    )


def test_probabilities_of_binary_tasks_with_different_labels_belong_to_the_larger_label(rng):
    Y, p = (
        np.column_stack([np.tile([0, 1], 5), np.tile([5, 2], 5)]),
        rng.uniform(0.1, 0.9, size=(10, 2)),
    )
    expected = [log_loss(Y[:, 0], p[:, 0]), log_loss(Y[:, 1], p[:, 1])]
    np.testing.assert_allclose(multitask_log_loss(Y, p, average=None), expected)


def test_log_loss_of_string_labels_follows_the_sorted_classes(rng):
    y, P = np.array(["b", "a", "c", "a"]), simplex(rng, 4, 3)
    assert multitask_log_loss(y, P) == pytest.approx(-np.log(P[[0, 1, 2, 3], [1, 0, 2, 0]]).mean())


def test_log_loss_is_zero_where_a_task_has_one_class_and_that_is_certain():
    Y = np.array([[7, 0], [7, 1], [7, 0]])
    np.testing.assert_allclose(
        multitask_log_loss(Y, [np.ones((3, 1)), np.full((3, 2), 0.5)], average=None), [0, np.log(2)]
    )


def test_log_loss_of_labels_that_are_all_one_reads_the_column_of_one(rng):
    p = rng.uniform(0.1, 0.9, size=(5, 2))
    np.testing.assert_allclose(
        multitask_log_loss(np.ones((5, 2)), p, average=None), -np.log(p).mean(0)
    )


def test_log_loss_refuses_probabilities_whose_classes_cannot_be_known():
    Y = np.array([[0, 1], [1, 1], [2, 1]])
    with pytest.raises(ValueError, match="so the class of each column is unknown"):
        multitask_log_loss(Y, [np.full((3, 3), 1 / 3), np.full((3, 2), 0.5)])


@pytest.mark.parametrize("metric", [multitask_accuracy, multitask_mse, multitask_r2])
def test_long_form_scores_every_task_in_order_of_appearance(metric, rng):
    task = np.array(["b", "a"])[np.r_[0, 1, rng.integers(0, 2, size=38)]]
    y, p = rng.integers(0, 2, size=40), rng.integers(0, 2, size=40)
    expected = [metric(y[task == name], p[task == name]) for name in ("b", "a")]
    np.testing.assert_allclose(metric(y, p, task=task, average=None), expected)


def test_long_form_log_loss_uses_the_union_of_the_classes(rng):
    task, y, P = (
        np.repeat([0, 1], 10),
        np.r_[np.tile([0, 1], 5), np.tile([1, 2], 5)],
        simplex(rng, 20, 3),
    )
    expected = [-np.log(P[rows, y[rows]]).mean() for rows in (np.arange(10), np.arange(10, 20))]
    np.testing.assert_allclose(multitask_log_loss(y, P, task=task, average=None), expected)


def test_long_and_wide_layouts_of_the_same_labels_score_alike(rng):
    Y, P = np.full((20, 2), np.nan), rng.normal(size=(20, 2))
    task = np.arange(20) % 2
    Y[np.arange(20), task] = rng.normal(size=20)
    long = multitask_mse(Y[np.arange(20), task], P[np.arange(20), task], task=task, average=None)
    np.testing.assert_allclose(multitask_mse(Y, P, average=None), long)


@pytest.mark.parametrize("metric", [multitask_accuracy, multitask_mse, multitask_r2])
def test_lists_frames_and_arrays_are_the_same(metric, rng):
    Y, P = rng.integers(0, 2, size=(6, 3)), rng.integers(0, 2, size=(6, 3))
    expected = metric(Y, P, average=None)
    np.testing.assert_allclose(metric(Y.tolist(), P.tolist(), average=None), expected)
    np.testing.assert_allclose(metric(pd.DataFrame(Y), pd.DataFrame(P), average=None), expected)


def test_square_lists_of_rows_are_not_read_as_columns():
    assert multitask_mse([[0, 1], [1, 0]], [[0, 1], [3, 0]], average=None).tolist() == [2.0, 0.0]


def test_accuracy_takes_tasks_of_different_types_and_missing_strings():
    Y = pd.DataFrame({"word": ["a", "b", None], "number": [1, 2, 3]})
    P = np.array([["a", 1], ["a", 2], ["a", 1]], dtype=object)
    np.testing.assert_allclose(multitask_accuracy(Y, P, average=None), [0.5, 2 / 3])


def test_nullable_integers_are_labels_like_others():
    Y = pd.DataFrame(
        {"a": pd.array([0, 1, None], dtype="Int64"), "b": pd.array([1, None, 1], dtype="Int64")}
    )
    np.testing.assert_allclose(
        multitask_accuracy(Y, np.ones((3, 2), dtype=int), average=None), [0.5, 1.0]
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_task_without_a_label_is_nan_and_the_mean_leaves_it_out(metric):
    Y, P = np.array([[0.0, np.nan], [1.0, np.nan]]), np.array([[0.25, 0.5], [0.75, 0.5]])
    P = P if metric is not multitask_accuracy else P.round()
    each = metric(Y, P, average=None)
    assert np.isnan(each).tolist() == [False, True]
    assert metric(Y, P) == each[0]


def test_r2_of_a_task_with_one_label_is_nan():
    Y = np.array([[0.0, 1.0], [1.0, np.nan]])
    assert np.isnan(multitask_r2(Y, Y, average=None)).tolist() == [False, True]


@pytest.mark.parametrize("metric", METRICS)
def test_no_label_at_all_raises(metric):
    with pytest.raises(ValueError, match="No task has"):
        metric(np.full((3, 2), np.nan), np.full((3, 2), 0.5))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.zeros((3, 2)), np.zeros((3, 3))), {}, "Y_true has 2 tasks"),
        ((np.zeros((3, 2)), np.zeros((4, 2))), {}, "3 rows"),
        ((np.zeros(3), np.zeros(3)), {"average": "micro"}, "average"),
        ((np.zeros((3, 2)), np.zeros((3, 2))), {"task": [0, 1, 1]}, "With task, Y_true"),
        ((np.zeros(3), np.zeros(3)), {"task": [0, 1]}, "task has 2 rows"),
        ((np.zeros(3), np.zeros(3)), {"task": [0, None, 1]}, "task has 1 missing"),
        ((np.zeros(3), np.zeros(3)), {"sample_weight": [1.0, 2.0]}, "sample_weight"),
        ((np.zeros(3), np.zeros(3)), {"sample_weight": np.ones((3, 1))}, "sample_weight"),
    ],
)
def test_what_does_not_fit_together_raises_with_its_name(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        multitask_mse(*arguments, **options)
