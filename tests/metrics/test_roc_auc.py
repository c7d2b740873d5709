import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score

from skmtl.metrics import multitask_roc_auc


def holes(Y, rng, share=0.3):
    """A copy with NaN in some cells; the first six rows stay complete."""
    Y = Y.astype(float)
    Y[6:][rng.random(Y[6:].shape) < share] = np.nan
    return Y


def simplex(rng, *shape):
    p = rng.random(shape) + 0.05
    return p / p.sum(axis=-1, keepdims=True)


def labels(rng, n, sizes):
    """Integer labels with every class of every task among the first rows."""
    return np.column_stack([np.r_[np.arange(6) % k, rng.integers(0, k, size=n - 6)] for k in sizes])


def reference(y, p, weight=None):
    """ROC AUC of scikit-learn on the labeled rows of one task."""
    known = ~pd.isna(y)
    weight = None if weight is None else weight[known]
    p = p[known]
    if p.ndim == 1 or p.shape[1] == 2:
        return roc_auc_score(y[known], p if p.ndim == 1 else p[:, 1], sample_weight=weight)
    return roc_auc_score(y[known], p, sample_weight=weight, multi_class="ovr", average="macro")


def test_auc_of_a_hand_worked_example_counts_the_pairs_in_order():
    Y = np.array([[0, 1.0], [0, 0.0], [1, np.nan], [1, 1.0]])
    scores = np.array([[0.1, 0.5], [0.6, 0.5], [0.4, 0.9], [0.8, 0.5]])
    assert multitask_roc_auc(Y, scores, average=None).tolist() == [0.75, 0.5]
    assert multitask_roc_auc(Y, scores) == 0.625


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_of_binary_and_multi_class_tasks_is_that_of_scikit_learn_task_by_task(weighted, rng):
    sizes = [2, 3, 4]
    Y, P = holes(labels(rng, 40, sizes), rng), [simplex(rng, 40, k) for k in sizes]
    weight = rng.uniform(0.1, 2, size=40) if weighted else None
    expected = [reference(Y[:, t], P[t], weight) for t in range(3)]
    np.testing.assert_allclose(
        multitask_roc_auc(Y, P, sample_weight=weight, average=None), expected, rtol=1e-12
    )
    assert multitask_roc_auc(Y, P, sample_weight=weight) == pytest.approx(
        np.mean(expected), rel=1e-12
    )


def test_second_class_probabilities_scores_and_lists_agree_on_binary_tasks(rng):
    Y, p = holes(labels(rng, 40, [2, 2, 2]), rng), rng.uniform(0.01, 0.99, size=(40, 3))
    expected = [reference(Y[:, t], p[:, t]) for t in range(3)]
    for form in (
        p,
        np.log(p / (1 - p)),
        [np.column_stack([1 - q, q]) for q in p.T],
        pd.DataFrame(p),
    ):
        np.testing.assert_allclose(multitask_roc_auc(Y, form, average=None), expected)


def test_one_task_takes_scores_two_columns_or_one_column_per_class(rng):
    y, p = labels(rng, 30, [2])[:, 0], rng.random(30)
    three, P = labels(rng, 30, [3])[:, 0], simplex(rng, 30, 3)
    expected = roc_auc_score(y, p)
    for target, form in [
        (y, p),
        (y, np.column_stack([1 - p, p])),
        (y[:, None], p[:, None]),
        (y[:, None], [np.column_stack([1 - p, p])]),
    ]:
        assert multitask_roc_auc(target, form) == pytest.approx(expected)
    assert multitask_roc_auc(three, P) == pytest.approx(reference(three, P))


def test_long_form_reads_the_columns_of_the_union_of_classes(rng):
    task = np.repeat(["b", "a", "c"], 20)
    y = np.r_[np.tile([0, 1], 10), np.tile([1, 2], 10), np.tile([0, 1, 2, 1], 5)]
    P = simplex(rng, 60, 3)
    P[:20, 2], P[20:40, 0] = 0, 0
    P /= P.sum(axis=1, keepdims=True)
    expected = [
        roc_auc_score(y[:20], P[:20, 1]),
        roc_auc_score(y[20:40] == 2, P[20:40, 2]),
        reference(y[40:], P[40:]),
    ]
    np.testing.assert_allclose(multitask_roc_auc(y, P, task=task, average=None), expected)


def test_long_form_takes_one_score_a_row(rng):
    task, y, scores = np.arange(40) % 2, np.tile([0, 0, 1, 1], 10), rng.normal(size=40)
    expected = [roc_auc_score(y[task == t], scores[task == t]) for t in (0, 1)]
    np.testing.assert_allclose(multitask_roc_auc(y, scores, task=task, average=None), expected)


@pytest.mark.parametrize("names", [["no", "yes"], [-1, 1], [False, True], [2.0, 5.0]])
def test_the_second_class_is_the_larger_label_whatever_its_type(names, rng):
    codes, p = labels(rng, 30, [2, 2]), rng.random((30, 2))
    Y = np.array(names, dtype=object)[codes]
    Y[7, 0] = None
    expected = [
        roc_auc_score(np.delete(codes[:, 0], 7), np.delete(p[:, 0], 7)),
        roc_auc_score(codes[:, 1], p[:, 1]),
    ]
    np.testing.assert_allclose(multitask_roc_auc(pd.DataFrame(Y), p, average=None), expected)


def test_a_task_of_one_class_is_nan_with_a_warning_that_names_it_and_left_out_of_the_mean(rng):
    Y = pd.DataFrame({"steady": np.ones(6), "mixed": [0, 1, 0, 1, 1, 0], "unlabeled": np.nan})
    p = rng.random((6, 3))
    with pytest.warns(UndefinedMetricWarning, match="'steady'"):
        each = multitask_roc_auc(Y, p, average=None)
    assert np.isnan(each).tolist() == [True, False, True]
    with pytest.warns(UndefinedMetricWarning):
        assert multitask_roc_auc(Y, p) == each[1] == roc_auc_score(Y["mixed"], p[:, 1])


def test_no_task_of_two_classes_raises():
    with pytest.raises(ValueError, match=r"No task can be scored.*task '0'"):
        multitask_roc_auc(np.array([[1.0, 0.0], [1.0, 0.0]]), np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="No task has"):
        multitask_roc_auc(np.full((2, 2), np.nan), np.full((2, 2), 0.5))


def test_a_class_of_zero_weight_is_a_class_without_rows(rng):
    Y, p = np.column_stack([np.tile([0, 1], 5), np.tile([1, 0], 5)]), rng.random((10, 2))
    weight = np.where(Y[:, 0] == 1, 0.0, 1.0)
    Y[0, 1] = 0
    with pytest.warns(UndefinedMetricWarning, match="'0'"):
        each = multitask_roc_auc(Y, p, sample_weight=weight, average=None)
    assert np.isnan(each[0])
    assert each[1] == roc_auc_score(Y[::2, 1], p[::2, 1])


def test_labels_tell_the_columns_where_the_true_labels_cannot(rng):
    Y, P = (
        np.column_stack([np.tile([0, 2], 5), np.tile([0, 1], 5)]),
        [simplex(rng, 10, 3), simplex(rng, 10, 2)],
    )
    P[0][:, 1] = 0
    with pytest.raises(ValueError, match="so the class of each column is unknown"):
        multitask_roc_auc(np.where(Y == 2, 5, Y), [simplex(rng, 10, 4), P[1]])
    each = multitask_roc_auc(Y, P, labels=[[0, 1, 2], [0, 1]], average=None)
    np.testing.assert_allclose(
        each, [roc_auc_score(Y[:, 0] == 2, P[0][:, 2]), roc_auc_score(Y[:, 1], P[1][:, 1])]
    )


def test_a_class_that_was_never_learnt_has_the_score_zero(rng):
    y, P = np.tile([0, 1, 2], 5), simplex(rng, 15, 2)
    expected = np.mean([roc_auc_score(y == 0, P[:, 0]), roc_auc_score(y == 1, P[:, 1]), 0.5])
    assert multitask_roc_auc(y, P, labels=[0, 1]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (np.tile([[0, 1], [1, 0], [2, 1]], (2, 1)), np.zeros((6, 2))),
            {},
            r"Task '0'.* 3 classes",
        ),
        (
            (np.array([[0, 1], [1, 0]]), np.array([[0.5, np.nan], [0.1, 0.2]])),
            {},
            r"Y_pred is NaN.*task '1'",
        ),
        ((np.array([[0, 1], [1, 0]]), np.zeros((2, 3))), {}, "Y_true has 2 tasks"),
        ((np.array([0, 1]), np.zeros((2, 2))), {"labels": [0, 1, 2]}, "2 columns.*3 classes"),
        (
            (np.array([[0, 1], [1, 0]]), [np.zeros((2, 2))] * 2),
            {"labels": [0, 1]},
            "labels must be",
        ),
        (
            (np.array([[0, 1], [1, 0]]), [np.zeros((2, 2))] * 2),
            {"labels": [[0, 1]]},
            "labels has the classes of 1 tasks",
        ),
    ],
)
def test_what_does_not_fit_together_raises_with_its_name(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        multitask_roc_auc(*arguments, **options)
