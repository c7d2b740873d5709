"""Metrics on the forms of labels and predictions that estimators and scikit-learn pass to them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, make_scorer, roc_auc_score
from sklearn.multioutput import ClassifierChain

from skmtl import MultiTaskClassifier
from skmtl.metrics import (
    multitask_accuracy,
    multitask_log_loss,
    multitask_mse,
    multitask_r2,
    multitask_roc_auc,
)

PROBABILITY = {multitask_roc_auc: roc_auc_score, multitask_log_loss: log_loss}


@pytest.fixture
def binary(rng):
    X = rng.normal(size=(60, 3))
    return X, (X[:, :2] + rng.normal(size=(60, 2)) > 0).astype(int)


@pytest.mark.parametrize("metric", PROBABILITY)
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        ClassifierChain(LogisticRegression()),
        MultiTaskClassifier((4,), max_iter=3, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_probabilities_sent_by_make_scorer_are_read_in_either_form(estimator, metric, binary):
    X, Y = binary
    estimator.fit(X, Y)
    P = estimator.predict_proba(X)
    second = [p[:, 1] for p in P] if isinstance(P, list) else list(P.T)
    holed = Y.astype(float)
    holed[::3, 0] = np.nan
    expected = np.mean(
        [
            PROBABILITY[metric](y[~np.isnan(y)], p[~np.isnan(y)])
            for y, p in zip(holed.T, second, strict=True)
        ]
    )
    assert make_scorer(metric, response_method="predict_proba")(
        estimator, X, holed
    ) == pytest.approx(expected)


@pytest.mark.parametrize("names", [["no", "yes"], [3, 7], [False, True]])
def test_predicted_labels_of_any_type_meet_labels_with_gaps(names, binary):
    X, codes = binary
    Y = pd.DataFrame(np.array(names, dtype=object)[codes], columns=["a", "b"])
    Y.iloc[::4, 1] = None
    model = MultiTaskClassifier((4,), max_iter=3, random_state=0).fit(X, Y)
    P, known = model.predict(X), Y["b"].notna().to_numpy()
    agree = [
        np.mean([p == y for p, y in zip(P[rows, t], Y.iloc[rows, t], strict=True)])
        for t, rows in enumerate([slice(None), known])
    ]
    np.testing.assert_allclose(multitask_accuracy(Y, P, average=None), agree)


def test_integers_that_gaps_made_floats_equal_predicted_integers(rng):
    Y, P = rng.integers(0, 3, size=(20, 2)).astype(float), rng.integers(0, 3, size=(20, 2))
    Y[3, 0] = np.nan
    rows = np.arange(20) != 3
    np.testing.assert_allclose(
        multitask_accuracy(Y, P, average=None),
        [accuracy_score(Y[rows, 0], P[rows, 0]), accuracy_score(Y[:, 1], P[:, 1])],
    )


@pytest.mark.parametrize(
    "ids", [[("a", 1), ("b", 2)], ["x", "y"], [1, "1 "], [1.0, 2.0], [frozenset("a"), 3]]
)
def test_task_ids_may_be_any_hashables_in_any_container(ids, rng):
    y, p, which = rng.normal(size=12), rng.normal(size=12), np.arange(12) % 2
    task = [ids[k] for k in which]
    expected = [np.mean((y[which == t] - p[which == t]) ** 2) for t in (0, 1)]
    objects = np.fromiter(task, dtype=object, count=12)
    for form in (task, objects, pd.Series(objects, index=range(5, 17))):
        np.testing.assert_allclose(multitask_mse(y, p, task=form, average=None), expected)


@pytest.mark.parametrize(
    "metric", [multitask_accuracy, multitask_mse, multitask_r2, multitask_log_loss]
)
def test_a_task_whose_weights_are_all_zero_is_a_task_without_labels(metric, rng):
    Y = np.column_stack(
        [np.r_[np.tile([0.0, 1.0], 4), [np.nan] * 4], np.r_[[np.nan] * 8, 0, 1, 0, 1]]
    )
    P = rng.integers(0, 2, size=(12, 2)).astype(float)
    weight = np.r_[np.zeros(8), rng.uniform(0.5, 1, size=4)]
    each = metric(Y, P, sample_weight=weight, average=None)
    assert np.isnan(each).tolist() == [True, False]
    assert (
        metric(Y, P, sample_weight=weight)
        == each[1]
        == metric(Y[8:, 1], P[8:, 1], sample_weight=weight[8:])
    )
    with pytest.raises(ValueError, match="at least one non-zero"):
        metric(Y, P, sample_weight=np.zeros(12))


def test_rows_of_weight_zero_do_not_count_as_labels_of_r2():
    Y = np.column_stack([[0.0, 1.0, 2.0], [0.0, 1.0, 3.0]])
    Y[2, 0] = np.nan
    assert np.isnan(multitask_r2(Y, Y, sample_weight=[0.0, 1.0, 1.0], average=None)).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize("weight", [[1.0, -1.0], [1.0, np.nan]])
def test_weights_that_are_no_weights_raise(weight):
    with pytest.raises(ValueError, match="sample_weight must hold 2 finite numbers"):
        multitask_mse([0.0, 1.0], [0.0, 1.0], sample_weight=weight)


def test_log_loss_of_a_class_that_was_never_learnt_costs_the_smallest_probability():
    P = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert multitask_log_loss([0, 2], P, labels=[0, 1]) == pytest.approx(
        (np.log(4) - np.log(np.finfo(float).eps)) / 2
    )


def test_log_loss_reads_columns_in_the_order_of_labels(rng):
    Y, p = np.column_stack([[0, 2, 2], [1, 1, 1]]), rng.uniform(0.1, 0.5, size=(3, 2))
    P = [
        np.column_stack([p[:, 0], p[:, 1], 1 - p.sum(axis=1)]),
        np.column_stack([p[:, 0], 1 - p[:, 0]]),
    ]
    expected = [-np.log([P[0][0, 0], P[0][1, 2], P[0][2, 2]]).mean(), -np.log(P[1][:, 1]).mean()]
    np.testing.assert_allclose(
        multitask_log_loss(Y, P, labels=[np.array([0, 1, 2]), np.array([0, 1])], average=None),
        expected,
    )


@pytest.mark.parametrize("P", [[[0.5, 0.6], [0.5, 0.5]], [[1.2, -0.2], [0.5, 0.5]]])
def test_log_loss_refuses_what_is_no_probability(P):
    with pytest.raises(ValueError, match="Task '0'.*probabilities"):
        multitask_log_loss([0, 1], np.array(P))


def test_predictions_that_are_nan_raise_with_the_task_only_where_a_label_needs_them():
    Y = pd.DataFrame({"a": [0.0, 1.0], "b": [np.nan, 1.0]})
    assert multitask_mse(Y, [[0.0, np.nan], [1.0, 1.0]]) == 0
    with pytest.raises(ValueError, match="task 'b'"):
        multitask_mse(Y, [[0.0, 0.0], [1.0, np.nan]])


def test_an_error_of_scikit_learn_names_the_task():
    with pytest.raises(ValueError, match="Task '1'.*continuous"):
        multitask_accuracy([[0, 0.5], [1, 0.25]], [[0, 0], [1, 1]])
