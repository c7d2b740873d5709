"""What a user gives as X, held against scikit-learn's contract, and the task column in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skmtl.data import check_inputs, take_column
from skmtl.estimators.input_encoder import InputEncoder


class LeastSquares(RegressorMixin, BaseEstimator):
    """The smallest estimator that reads its tables the way ours do."""

    def __init__(self, ridge=1e-3):
        self.ridge = ridge

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X, y, sample_weight=None):
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        _, X = check_inputs(self, X, reset=True)
        y = column_or_1d(np.asarray(y, dtype=float), warn=True)
        if not np.isfinite(y).all() or len(y) != len(X):
            raise ValueError(
                "Input y contains NaN or infinity, or another number of samples than X."
            )
        weight = (
            np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        )
        if weight.shape != y.shape or not weight.any():
            raise ValueError("sample_weight must have shape (n,) and not be all zero")
        self.encoder_ = InputEncoder.learn(X, sample_weight=weight)
        A = np.column_stack([self.encoder_.transform(X).numeric, np.ones(len(X))])
        self.coef_ = np.linalg.solve(
            (A.T * weight) @ A + self.ridge * np.eye(A.shape[1]), A.T @ (weight * y)
        )
        return self

    def predict(self, X):
        check_is_fitted(self)
        numeric = self.encoder_.transform(check_inputs(self, X, reset=False)[1]).numeric
        return (numeric * self.coef_[:-1]).sum(axis=1) + self.coef_[-1]


@pytest.mark.filterwarnings("ignore:Skipping check:UserWarning")
@parametrize_with_checks([LeastSquares()])
def test_an_estimator_that_reads_tables_this_way_keeps_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_the_task_column_counts_among_the_features_but_not_among_the_inputs():
    X = pd.DataFrame({"a": [1.0, np.nan], "school": ["s1", "s2"], "c": pd.Categorical(["u", "v"])})
    for column in ("school", 1, -2):
        estimator = LeastSquares()
        ids, inputs = check_inputs(estimator, X, reset=True, task_column=column)
        assert list(ids) == ["s1", "s2"]
        pd.testing.assert_frame_equal(inputs, X[["a", "c"]])
        assert (estimator.n_features_in_, list(estimator.feature_names_in_)) == (
            3,
            ["a", "school", "c"],
        )
        with pytest.raises(ValueError, match="feature names should match"):
            check_inputs(estimator, X[["school", "a", "c"]], reset=False, task_column=column)
        with pytest.raises(ValueError, match="feature names should match"):
            check_inputs(estimator, X.rename(columns={"c": "d"}), reset=False, task_column=column)


@pytest.mark.parametrize("as_list", [False, True])
def test_ids_of_an_array_may_be_anything_while_the_rest_becomes_numbers(as_list):
    X = np.array([[1.5, "a", np.nan], [2, "b", True]], dtype=object)
    estimator = LeastSquares()
    ids, inputs = check_inputs(estimator, X.tolist() if as_list else X, reset=True, task_column=1)
    assert list(ids) == ["a", "b"]
    np.testing.assert_array_equal(inputs, [[1.5, np.nan], [2.0, 1.0]])
    assert (inputs.dtype, estimator.n_features_in_) == (np.float64, 3)
    with pytest.raises(
        ValueError, match="X has 2 features, but LeastSquares is expecting 3 features"
    ):
        check_inputs(estimator, X[:, :2], reset=False, task_column=1)


def test_columns_named_by_numbers_are_found_by_name_before_position():
    X = pd.DataFrame({2: [1.0, 2.0], 0: [7, 8], 1: [0.5, 0.5]})
    assert list(check_inputs(LeastSquares(), X, reset=True, task_column=0)[0]) == [7, 8]


@pytest.mark.parametrize("task_column", [None, 0])
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.arange(4.0), "Expected 2D array, got 1D array instead"),
        (pd.Series([1.0, 2.0]), "Expected"),
        (csr_array(np.eye(3)), "Sparse data was passed"),
        (np.ones((3, 2)) * 1j, "Complex data not supported"),
        (np.ones((0, 3)), r"0 sample\(s\)"),
        (pd.DataFrame({"a": [], "b": []}), r"0 sample\(s\)"),
        (np.ones((3, 0)), r"0 feature\(s\)"),
        (pd.DataFrame(index=[0, 1, 2]), r"0 feature\(s\)"),
        (np.array([[0, 1.0, np.inf], [1, 2.0, 3.0]]), "infinity"),
        (
            np.array([["u", "v", "x"], ["u", "v", "y"]], dtype=object),
            "could not convert string to float: ",
        ),
        ([["u", "v", "x"], ["u", "v", "y"]], "could not convert string to float: "),
    ],
)
def test_tables_that_scikit_learn_refuses_are_refused_in_its_words(X, message, task_column):
    with pytest.raises((ValueError, TypeError), match=message):
        check_inputs(LeastSquares(), X, reset=True, task_column=task_column)


@pytest.mark.parametrize(
    ("X", "column", "message"),
    [
        (
            pd.DataFrame({"a": [1.0], "t": [1]}),
            "s",
            r"task_column='s' is not a column of X, which has the columns 'a', 't'",
        ),
        (pd.DataFrame({"a": [1.0], "t": [1]}), 2, "task_column=2 is out of range: X has 2 columns"),
        (np.ones((2, 2)), "t", "X is not a DataFrame. Give the index of the column instead"),
        (np.ones((2, 2)), -3, "task_column=-3 is out of range: X has 2 columns"),
        (pd.DataFrame({"t": [1, 2]}), "t", r"0 feature\(s\)"),
        (np.ones((2, 1)), 0, r"0 feature\(s\)"),
    ],
)
def test_a_task_column_that_is_not_there_or_alone_is_refused(X, column, message):
    with pytest.raises(ValueError, match=message):
        check_inputs(LeastSquares(), X, reset=True, task_column=column)


def test_a_name_that_stands_for_two_columns_is_refused():
    with pytest.raises(ValueError, match="task_column='t' stands for 2 columns"):
        take_column(pd.DataFrame([[1.0, 2, 3]], columns=["a", "t", "t"]), "t", "task_column")


def test_frames_of_other_libraries_become_pandas_frames():
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {
            "a": [1.0, None, 3.0],
            "t": ["u", "v", "u"],
            "c": pa.array(["x", "y", None]).dictionary_encode(),
        }
    )
    estimator = LeastSquares()
    ids, inputs = check_inputs(estimator, table, reset=True, task_column="t")
    assert list(ids) == ["u", "v", "u"]
    assert list(estimator.feature_names_in_) == ["a", "t", "c"]
    np.testing.assert_array_equal(
        InputEncoder.learn(inputs).transform(inputs).codes[:, 0], [1, 2, 0]
    )
