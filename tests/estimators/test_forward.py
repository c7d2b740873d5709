"""Predictions, probabilities and the representation are those of the networks in ``members_``,
written out in numpy.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skmtl import MultiTaskClassifier, MultiTaskRegressor

FAST = {
    "hidden_layer_sizes": (6, 5),
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 16,
    "n_members": 3,
    "random_state": 0,
}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]
SHAPES = pytest.mark.parametrize(
    ("hidden", "heads"), [((6, 5), ()), ((7,), (4,)), ((), ()), ((), (4, 3)), (5, 3)], ids=str
)
CLOSE = dict(rtol=1e-9, atol=1e-10)
TOWNS = np.array(["Bonn", "Oslo", "Rome", "Turin"])


def softmax(scores):
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def two_class(scores):
    return np.column_stack([1 / (1 + np.exp(scores[:, 0])), 1 / (1 + np.exp(-scores[:, 0]))])


def moments(y):
    return np.nanmean(y), np.nanstd(y)


class LongForm:
    """Rows of three tasks with numbers (some missing), a small and a large category, and what the
    networks read.
    """

    def __init__(self, rng, standardised, n=90):
        self.task = np.array(["u", "v", "w"])[np.r_[0, 1, 2, rng.integers(3, size=n - 3)]]
        numbers = rng.normal(size=(n, 3))
        numbers[rng.random((n, 3)) < 0.1] = np.nan
        numbers[:, 2] = np.nan_to_num(numbers[:, 2])
        town, code = rng.permutation(np.arange(n) % 4), rng.permutation(np.arange(n) % 20)
        self.frame = pd.DataFrame(numbers, columns=["a", "b", "c"])
        self.frame.insert(1, "school", self.task)
        self.frame.insert(0, "town", pd.Categorical(TOWNS[town]))
        self.frame["code"] = pd.Categorical(code * 10)
        self.y = (
            np.nan_to_num(numbers[:, 0])
            * np.array([1, -2, 3])[np.searchsorted(["u", "v", "w"], self.task)]
            + town
            + rng.normal(size=n)
        )
        self.numeric = np.column_stack(
            [standardised(numbers, numbers), town[:, None] == np.arange(4)]
        )
        self.codes, self.all_codes = code[:, None] + 1, np.column_stack([town, code]) + 1
        self.numbers = self.numeric[:, :-4]


@pytest.fixture
def long(rng, standardised):
    return LongForm(rng, standardised)


# ---------------------------------------------------------------- wide form
@SHAPES
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_predictions_are_the_mean_of_the_networks_in_the_users_units(
    hidden, heads, activation, X, Y, rng, standardised, plain_scores
):
    model = MultiTaskRegressor(
        **FAST
        | {"hidden_layer_sizes": hidden, "head_hidden_layer_sizes": heads, "activation": activation}
    ).fit(X, Y)
    new = rng.normal(size=(30, 4)) * 3
    numeric = standardised(X[~np.isnan(Y).all(axis=1)], new)
    for t in range(3):
        mean, scale = moments(Y[:, t])
        expected = (
            np.mean(
                [plain_scores(model, member, numeric, None, t)[:, 0] for member in model.members_],
                axis=0,
            )
            * scale
            + mean
        )
        np.testing.assert_allclose(model.predict(new)[:, t], expected, **CLOSE)


@pytest.mark.parametrize("n_classes", [[2, 2, 2], [2, 4, 3]], ids=str)
@pytest.mark.parametrize("heads", [(), (4,)], ids=str)
def test_probabilities_are_the_mean_of_the_networks_probabilities(
    n_classes, heads, X, rng, standardised, plain_scores
):
    Y = np.column_stack([np.r_[np.arange(k), rng.integers(k, size=48 - k)] for k in n_classes]) * 10
    model = MultiTaskClassifier(**FAST | {"head_hidden_layer_sizes": heads}).fit(X, Y)
    numeric = standardised(X, X)
    for t, (own, k) in enumerate(zip(model.predict_proba(X), n_classes, strict=True)):
        scores = [plain_scores(model, member, numeric, None, t) for member in model.members_]
        each = [two_class(s) if max(n_classes) == 2 else softmax(s[:, :k]) for s in scores]
        np.testing.assert_allclose(own, np.mean(each, axis=0), **CLOSE)
        np.testing.assert_array_equal(model.predict(X)[:, t], 10 * np.mean(each, axis=0).argmax(1))


@SHAPES
def test_the_representation_of_wide_targets_is_that_of_all_networks_side_by_side(
    hidden, heads, X, Y, standardised, plain_representation
):
    model = MultiTaskRegressor(
        **FAST | {"hidden_layer_sizes": hidden, "head_hidden_layer_sizes": heads}
    ).fit(X, Y)
    numeric = standardised(X[~np.isnan(Y).all(axis=1)], X)
    width = 4 if hidden == () else np.atleast_1d(hidden)[-1]
    assert model.transform(X).shape == (48, 3 * width)
    expected = np.hstack(
        [plain_representation(model, member, numeric) for member in model.members_]
    )
    np.testing.assert_allclose(model.transform(X), expected, **CLOSE)
    if hidden == ():
        np.testing.assert_allclose(model.transform(X), np.hstack([numeric] * 3), **CLOSE)


# ---------------------------------------------------------------- long form
@pytest.mark.parametrize("task_embedding_dim", ["auto", 0, 5])
@pytest.mark.parametrize("embedding_dim", ["auto", 3])
@pytest.mark.parametrize("hidden", [(6, 5), ()], ids=str)
def test_in_long_form_each_row_is_read_with_its_own_head_task_vector_and_categories(
    task_embedding_dim, embedding_dim, hidden, long, plain_scores
):
    settings = FAST | {
        "hidden_layer_sizes": hidden,
        "task_embedding_dim": task_embedding_dim,
        "embedding_dim": embedding_dim,
    }
    model = MultiTaskRegressor(**settings, task_column="school").fit(long.frame, long.y)
    numeric, codes = (
        (long.numeric, long.codes) if embedding_dim == "auto" else (long.numbers, long.all_codes)
    )
    predicted = model.predict(long.frame)
    for t, name in enumerate(model.task_names_):
        rows = long.task == name
        mean, scale = moments(long.y[rows])
        scores = [
            plain_scores(model, member, numeric[rows], codes[rows], t)[:, 0]
            for member in model.members_
        ]
        np.testing.assert_allclose(predicted[rows], np.mean(scores, axis=0) * scale + mean, **CLOSE)
    width = {"auto": 3, 0: 0, 5: 5}[task_embedding_dim]
    assert [part.shape for part in model.members_[0] if part.shape == (3, width)] == [
        (3, width)
    ] * (width > 0)


def test_in_long_form_probabilities_are_those_of_the_rows_own_task(long, plain_scores):
    labels = np.where(long.y > 0, "high", "low")
    model = MultiTaskClassifier(**FAST, task_column=2).fit(long.frame, labels)
    assert model.classes_.tolist() == ["high", "low"]
    for t, name in enumerate(model.task_names_):
        rows = long.task == name
        each = [
            two_class(plain_scores(model, member, long.numeric[rows], long.codes[rows], t))
            for member in model.members_
        ]
        np.testing.assert_allclose(
            model.predict_proba(long.frame)[rows], np.mean(each, axis=0), **CLOSE
        )


@pytest.mark.parametrize("hidden", [(6, 5), ()], ids=str)
@pytest.mark.parametrize("task_embedding_dim", ["auto", 0])
def test_in_long_form_the_representation_is_what_the_rows_own_task_sees(
    hidden, task_embedding_dim, long, plain_representation
):
    settings = FAST | {"hidden_layer_sizes": hidden, "task_embedding_dim": task_embedding_dim}
    model = MultiTaskRegressor(**settings, task_column="school").fit(long.frame, long.y)
    seen = model.transform(long.frame)
    for t, name in enumerate(model.task_names_):
        rows = long.task == name
        expected = [
            plain_representation(model, member, long.numeric[rows], long.codes[rows], t)
            for member in model.members_
        ]
        np.testing.assert_allclose(seen[rows], np.hstack(expected), **CLOSE)
    some = long.task != "v"
    np.testing.assert_allclose(model.transform(long.frame[some]), seen[some], **CLOSE)


def test_a_wide_target_of_one_label_a_row_with_task_vectors_is_read_by_each_of_them(
    X, rng, standardised, plain_scores
):
    task, Y = rng.permutation(np.arange(48) % 3), np.full((48, 3), np.nan)
    Y[np.arange(48), task] = rng.normal(size=48)
    model = MultiTaskRegressor(**FAST, task_embedding_dim=2).fit(X, Y)
    for t in range(3):
        mean, scale = moments(Y[:, t])
        expected = (
            np.mean(
                [
                    plain_scores(model, member, standardised(X, X), None, t)[:, 0]
                    for member in model.members_
                ],
                axis=0,
            )
            * scale
            + mean
        )
        np.testing.assert_allclose(model.predict(X)[:, t], expected, **CLOSE)


@pytest.mark.parametrize("n_rows", [48, 47])
def test_the_representation_of_a_wide_row_does_not_depend_on_the_other_rows(n_rows, X, rng):
    task, Y = rng.permutation(np.arange(48) % 3), np.full((48, 3), np.nan)
    Y[np.arange(48), task] = rng.normal(size=48)
    model = MultiTaskRegressor(**FAST, task_embedding_dim=2).fit(X, Y)
    order = rng.permutation(n_rows)
    np.testing.assert_allclose(
        model.transform(X[:n_rows])[order], model.transform(X[:n_rows][order]), **CLOSE
    )


# ---------------------------------------------------------------- tasks' vectors
def test_auto_takes_as_many_entries_as_tasks_up_to_eight_and_none_where_they_tell_nothing(X, rng):
    def dim(n_tasks, **settings):
        task = np.r_[np.arange(n_tasks), rng.integers(n_tasks, size=48 - n_tasks)]
        model = MultiTaskRegressor(
            **FAST | {"hidden_layer_sizes": (2,), "n_members": 1, "max_iter": 1} | settings,
            task_column=4,
        )
        return model.fit(np.column_stack([X, task]), X[:, 0]).members_[0][0].shape[1] - 4

    assert [dim(n) for n in (1, 2, 7, 8, 9)] == [0, 2, 7, 8, 8]
    assert [dim(3, task_embedding_dim=width) for width in (0, 1, 12)] == [0, 1, 12]
    wide = MultiTaskRegressor(**FAST | {"hidden_layer_sizes": (2,), "max_iter": 1})
    assert (
        wide.fit(X, X).members_[0][0].shape
        == wide.set_params(task_embedding_dim=3).fit(X, X).members_[0][0].shape
        == (2, 4)
    )


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("task_embedding_dim", ["auto", 2])
def test_the_order_in_which_tasks_appear_changes_no_prediction(
    kind, task_embedding_dim, long_form, rng
):
    X, y, _ = long_form
    y = y > np.median(y) if kind is MultiTaskClassifier else y
    settings = FAST | {
        "batch_size": "full",
        "dtype": "float64",
        "early_stopping": False,
        "max_iter": 8,
        "task_embedding_dim": task_embedding_dim,
    }
    order = np.argsort(X[:, -1], kind="stable")[
        ::-1
    ]  # tasks appear as 12, 7, 3 instead of 7, 3, 12
    first, second = (
        kind(**settings, task_column=-1).fit(X[rows], y[rows]) for rows in (slice(None), order)
    )
    assert first.task_names_ != second.task_names_
    for own, other in zip(
        *(
            (m.predict_proba(X) if kind is MultiTaskClassifier else m.predict(X))
            for m in (first, second)
        ),
        strict=True,
    ):
        np.testing.assert_allclose(own, other, atol=1e-7)


def test_task_vectors_move_away_from_zero_and_apart(long_form):
    X, y, _ = long_form
    vectors = MultiTaskRegressor(**FAST, task_column=-1, alpha=0).fit(X, y).members_[0][-1]
    assert vectors.shape == (3, 3)
    assert all(np.linalg.norm(vectors[i] - vectors[j]) > 0 for i, j in ((0, 1), (0, 2), (1, 2)))
    assert np.abs(vectors).max() > 0.01


# ---------------------------------------------------------------- as a transformer
@pytest.mark.parametrize("kind", BOTH)
def test_the_representation_has_names_and_comes_as_a_frame_where_that_is_asked_for(kind, X, labels):
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(48) + 100)
    model = kind(**FAST).fit(frame, labels)
    names = [f"{kind.__name__.lower()}{k}" for k in range(15)]
    assert model.get_feature_names_out().tolist() == names
    seen = model.set_output(transform="pandas").transform(frame)
    assert (seen.columns.tolist(), seen.index.tolist()) == (names, frame.index.tolist())
    np.testing.assert_array_equal(
        seen.to_numpy(), model.set_output(transform="default").transform(frame)
    )
    with config_context(transform_output="pandas"):
        assert isinstance(kind(**FAST).fit(frame, labels).transform(frame), pd.DataFrame)


def test_names_in_long_form_count_what_the_heads_see(long):
    # Without a trunk heads see the numbers, the small category written out, the vector of the large
    # one (1.6 * sqrt(21) = 7), that of the task.
    for hidden, width in (((6, 5), 5), ((), long.numeric.shape[1] + 7 + 3)):
        model = MultiTaskRegressor(
            **FAST | {"hidden_layer_sizes": hidden}, task_column="school"
        ).fit(long.frame, long.y)
        assert (
            len(model.get_feature_names_out()) == model.transform(long.frame).shape[1] == 3 * width
        )


def test_a_pipeline_may_learn_from_the_representation(X, Y):
    y = np.nan_to_num(Y)
    piped = make_pipeline(MultiTaskRegressor(**FAST), LinearRegression()).fit(X, y)
    assert piped.predict(X).shape == (48, 3)
    assert MultiTaskRegressor(**FAST).fit_transform(X, y).shape == (48, 15)


def test_more_rows_than_are_predicted_at_once_are_read_alike(long, rng):
    model = MultiTaskRegressor(**FAST, task_column="school").fit(long.frame, long.y)
    many = long.frame.iloc[rng.integers(len(long.frame), size=7000)]
    seen, predicted = model.transform(long.frame), model.predict(long.frame)
    position = pd.Series(np.arange(len(long.frame)), index=long.frame.index)[many.index].to_numpy()
    np.testing.assert_allclose(model.transform(many), seen[position], **CLOSE)
    np.testing.assert_allclose(model.predict(many), predicted[position], **CLOSE)
