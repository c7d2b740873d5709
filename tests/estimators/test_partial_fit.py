"""Learning in parts: partial_fit, and fit with warm_start."""

import pickle

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskSet
from skmtl.estimators import TrainingRows, fit_groups

FAST = {
    "hidden_layer_sizes": (6,),
    "learning_rate_init": 0.01,
    "max_iter": 4,
    "n_members": 2,
    "random_state": 0,
}
FULL = FAST | {
    "dtype": "float64",
    "batch_size": "full",
    "early_stopping": False,
    "n_iter_no_change": 1000,
}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]
FORMS = pytest.mark.parametrize("form", ["wide", "long"])
KINDS = pytest.mark.parametrize("kind", BOTH)


@pytest.fixture
def problem(X, Y, labels, long_form):
    """Inputs, targets and settings of a form and kind."""

    def of(kind, form):
        if form == "wide":
            return X, labels if kind is MultiTaskClassifier else Y, {}
        inputs, y, _ = long_form
        return (
            inputs,
            (y > np.median(y)).astype(int) if kind is MultiTaskClassifier else y,
            {"task_column": -1},
        )

    return of


def assert_same_members(first, second, **tolerance):
    for own, other in zip(first.members_, second.members_, strict=True):
        for a, b in zip(own, other, strict=True):
            np.testing.assert_allclose(a, b, **tolerance or {"rtol": 1e-9, "atol": 1e-10})


def output(model, X):
    return (
        np.hstack([*np.atleast_3d(model.predict_proba(X))])
        if isinstance(model, MultiTaskClassifier)
        else model.predict(X)
    )


def training_loss(model, X, Y):
    """Mean over networks and tasks of the mean squared error in units of each task's variance."""
    single, losses = pickle.loads(pickle.dumps(model)), []
    for member in model.members_:
        single.members_ = [member]
        losses.append(
            np.mean(np.nanmean((single.predict(X) - Y) ** 2, axis=0) / np.nanvar(Y, axis=0))
        )
    return np.mean(losses)


# ---------------------------------------------------------------- partial_fit
@FORMS
@KINDS
@pytest.mark.parametrize("solver", ["adam", "adamw", "adagrad", "sgd"])
def test_two_calls_with_all_rows_are_one_fit_of_two_passes(kind, form, solver, problem):
    X, y, settings = problem(kind, form)
    whole = kind(**FULL | settings | {"solver": solver, "max_iter": 2}).fit(X, y)
    parts = kind(**FULL | settings | {"solver": solver}).partial_fit(X, y).partial_fit(X, y)
    assert_same_members(parts, whole)
    np.testing.assert_allclose(parts.task_loss_curve_, whole.task_loss_curve_, rtol=1e-9)
    assert parts.n_iter_ == whole.n_iter_ == 2
    assert [entry["iteration"] for entry in parts.history_] == [1, 2]
    assert_same_members(parts, whole)


@FORMS
@KINDS
def test_repeated_calls_lower_the_training_loss(kind, form, problem):
    X, y, settings = problem(kind, form)
    model = kind(**FAST | settings | {"batch_size": 8})
    for _ in range(25):
        assert model.partial_fit(X, y) is model
    assert model.loss_curve_.shape == (25,)
    assert model.task_loss_curve_.shape == (25, 3)
    assert (model.n_iter_, len(model.history_)) == (25, 25)
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]


@FORMS
@KINDS
def test_a_seed_gives_the_same_networks_and_parts_are_shuffled_anew(kind, form, problem):
    X, y, settings = problem(kind, form)
    first, second = (
        kind(**FAST | settings | {"batch_size": 8}),
        kind(**FAST | settings | {"batch_size": 8}),
    )
    for model in (first, second):
        model.partial_fit(X, y).partial_fit(X, y)
    assert_same_members(first, second, rtol=0, atol=0)


@FORMS
@KINDS
def test_a_pickle_between_two_calls_changes_nothing(kind, form, problem):
    X, y, settings = problem(kind, form)
    model = kind(**FAST | settings | {"batch_size": 8}).partial_fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_same_members(again.partial_fit(X, y), model.partial_fit(X, y), rtol=0, atol=0)


def test_nothing_is_held_out_even_where_early_stopping_is_demanded(X, Y):
    demanding = MultiTaskRegressor(**FULL | {"early_stopping": True}).partial_fit(X[:12], Y[:12])
    assert_same_members(demanding, MultiTaskRegressor(**FULL).partial_fit(X[:12], Y[:12]))


def test_inputs_and_targets_are_read_as_in_the_first_call(X, Y, standardised, plain_scores):
    first, second = slice(0, 24), slice(24, 48)
    model = (
        MultiTaskRegressor(**FULL)
        .partial_fit(X[first], Y[first])
        .partial_fit(100 * X[second], 100 * Y[second])
    )
    numeric = standardised(X[first][~np.isnan(Y[first]).all(axis=1)], X)
    for t in range(3):
        scores = np.mean(
            [plain_scores(model, member, numeric, None, t)[:, 0] for member in model.members_],
            axis=0,
        )
        np.testing.assert_allclose(
            model.predict(X)[:, t],
            scores * np.nanstd(Y[first, t]) + np.nanmean(Y[first, t]),
            rtol=1e-9,
        )


def test_weights_of_rows_count(X, Y, rng):
    weight = rng.integers(1, 3, size=48).astype(float)
    weighted, repeated = MultiTaskRegressor(**FULL), MultiTaskRegressor(**FULL)
    twice = np.repeat(np.arange(48), weight.astype(int))
    for _ in range(2):
        weighted.partial_fit(X, Y, sample_weight=weight)
        repeated.partial_fit(X[twice], Y[twice])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-7)


def test_categories_of_later_calls_that_are_new_are_the_unknown_level(rng):
    town = rng.permutation(np.arange(48) % 3)
    X = pd.DataFrame(
        {"a": rng.normal(size=48), "town": pd.Categorical(np.array(["x", "y", "z"])[town])}
    )
    model = MultiTaskRegressor(**FULL, embedding_dim=2, alpha=0).partial_fit(X, X["a"])
    before = [member[0].copy() for member in model.members_]
    assert not any(table[0].any() for table in before)
    model.partial_fit(X.assign(town=pd.Categorical(np.full(48, "new"))), X["a"])
    assert all(member[0][0].all() for member in model.members_)


@FORMS
@KINDS
def test_an_estimator_fitted_as_one_of_many_groups_learns_further(kind, form, problem):
    X, y, settings = problem(kind, form)
    kind_of_tasks = "classification" if kind is MultiTaskClassifier else "regression"
    tasks = (
        TaskSet.from_wide(X, y, kind=kind_of_tasks)
        if form == "wide"
        else TaskSet.from_long(X[:, :-1], y, X[:, -1], kind=kind_of_tasks)
    )
    like = kind(**FULL | settings).fit(X, y)
    rows = TrainingRows(like.model_.intake.layout, tasks)
    (model,) = fit_groups(kind(**FULL | settings), rows, [tasks.names], seed=0)
    assert model.partial_fit(X, y).n_iter_ == FULL["max_iter"] + 1
    assert np.isfinite(output(model, X)).all()


# ---------------------------------------------------------------- tasks that come and go
@FORMS
def test_a_task_may_be_absent_from_a_call_and_its_head_stays(form, X, Y, long_form):
    settings = FULL | {"solver": "adagrad", "alpha": 0.0}
    if form == "wide":
        model, some = MultiTaskRegressor(**settings).partial_fit(X, Y), Y.copy()
        some[:, 1] = np.nan
        inputs, y, name = X, some, "1"
    else:
        inputs, y, task = long_form
        model, name = MultiTaskRegressor(**settings, task_column=-1).partial_fit(inputs, y), "3"
        inputs, y = inputs[task != 3], y[task != 3]
    t = model.task_names_.index(name)
    before = [[part.copy() for part in member] for member in model.members_]
    model.partial_fit(inputs, y)
    for own, member in zip(before, model.members_, strict=True):
        for a, b in zip(
            own[2:], member[2:], strict=True
        ):  # weight and bias of the heads, in long form the tasks' vectors
            np.testing.assert_array_equal(a[t], b[t])
            assert all((a[other] != b[other]).any() for other in range(3) if other != t)
    absent = np.array([[False] * 3, [k == t for k in range(3)]])
    assert np.isfinite(model.task_loss_curve_[~absent]).all()
    assert len(model.task_names_) == 3


@FORMS
@KINDS
def test_a_call_with_a_single_task_is_that_task_alone(kind, form, problem):
    X, y, settings = problem(kind, form)
    model = kind(**FULL | settings).partial_fit(X, y)
    if form == "wide":
        one = np.full_like(y, np.nan)
        one[:, 2] = y[:, 2]
        model.partial_fit(X, one)
    else:
        rows = X[:, -1] == 12
        model.partial_fit(X[rows], y[rows])
    assert np.isfinite(output(model, X)).all()
    assert (model.n_iter_, len(model.task_names_)) == (2, 3)


def test_absent_columns_of_a_frame_are_found_by_name_whatever_their_order(X, Y):
    named, gone = (
        pd.DataFrame(Y, columns=["u", "v", "w"]),
        pd.DataFrame(Y, columns=["u", "v", "w"]).assign(v=np.nan),
    )
    straight, turned = (MultiTaskRegressor(**FULL).partial_fit(X, named) for _ in range(2))
    straight.partial_fit(X, gone)
    turned.partial_fit(X, gone[["w", "v", "u"]])
    assert_same_members(straight, turned)


@pytest.mark.parametrize("one_a_row_first", [False, True])
def test_rows_with_one_label_or_with_several_may_come_in_any_call(one_a_row_first, X, Y, rng):
    single = np.where(
        np.arange(3) == rng.permutation(np.arange(48) % 3)[:, None], np.nan_to_num(Y), np.nan
    )
    parts = [single, Y] if one_a_row_first else [Y, single]
    for width in ("auto", 2):
        model = MultiTaskRegressor(**FULL, task_embedding_dim=width)
        for part in parts:
            model.partial_fit(X, part)
        assert model.predict(X).shape == (48, 3)


@KINDS
def test_a_task_that_the_first_call_did_not_bring_is_refused_by_name(kind, long_form):
    X, y, task = long_form
    y = (y > 0).astype(int) if kind is MultiTaskClassifier else y
    known = task != 12
    model = kind(**FULL, task_column=-1).partial_fit(X[known], y[known])
    with pytest.raises(
        ValueError, match=f"Task '12' was not in the first fit of this {kind.__name__}"
    ):
        model.partial_fit(X, y)


@KINDS
def test_another_number_of_wide_tasks_and_other_names_are_refused(kind, X, labels):
    model = kind(**FULL).partial_fit(X, labels)
    with pytest.raises(
        ValueError, match="y must have the shape that it had in the first fit: 3 tasks"
    ):
        model.partial_fit(X, labels[:, [0, 1, 2, 0]])
    with pytest.raises(ValueError, match="y must have the shape"):
        model.partial_fit(X, np.nan_to_num(labels[:, 0]))
    with pytest.raises(ValueError, match="Task 'u' was not in the first fit"):
        model.partial_fit(X, pd.DataFrame(labels, columns=list("uvw")))


def test_other_columns_are_refused(X, Y):
    model = MultiTaskRegressor(**FULL).partial_fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features, but MultiTaskRegressor is expecting 4"):
        model.partial_fit(X[:, :3], Y)
    model = MultiTaskRegressor(**FULL).partial_fit(pd.DataFrame(X, columns=list("abcd")), Y)
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(pd.DataFrame(X, columns=list("abce")), Y)


# ---------------------------------------------------------------- classes
def test_classes_may_be_declared_for_what_later_calls_bring(X):
    y = np.arange(48) % 2 * 10
    model = MultiTaskClassifier(**FULL).partial_fit(X, y, classes=[20, 0, 10])
    assert model.classes_.tolist() == [0, 10, 20]
    assert model.partial_fit(X, np.full(48, 20)).predict_proba(X).shape == (48, 3)
    undeclared = MultiTaskClassifier(**FULL).partial_fit(X, y)
    assert undeclared.classes_.tolist() == [0, 10]
    with pytest.raises(
        ValueError,
        match=r"Task '0' has the label .*20.* in y, which is not among its classes \[0, 10\]",
    ):
        undeclared.partial_fit(X, np.full(48, 20))


@pytest.mark.parametrize(
    "classes",
    [[["a", "b"], ["u", "v", "w"]], [np.array(["a", "b"]), np.array(["w", "u", "v"])]],
    ids=["lists", "arrays"],
)
def test_two_dimensional_labels_take_a_list_of_classes_one_a_task(classes, X):
    Y = pd.DataFrame(
        {
            "small": np.array(["a", "b"])[np.arange(48) % 2],
            "large": np.array(["u", "v"])[np.arange(48) // 24],
        }
    )
    model = MultiTaskClassifier(**FULL).partial_fit(X, Y, classes=classes)
    assert [own.tolist() for own in model.classes_] == [["a", "b"], ["u", "v", "w"]]
    model.partial_fit(X, Y.assign(large="w"))
    assert [own.shape for own in model.predict_proba(X)] == [(48, 2), (48, 3)]
    with pytest.raises(
        ValueError,
        match=r"Task 'small' has the label .*'u'.* in y, which is not among its classes \['a', "
        r"'b'\]",
    ):
        model.partial_fit(X, Y.assign(small="u"))


def test_one_list_of_classes_is_that_of_every_task_in_wide_and_long_form(X, labels, long_form):
    wide = MultiTaskClassifier(**FULL).partial_fit(X, labels, classes=[0, 1, 2])
    assert [own.tolist() for own in wide.classes_] == [[0, 1, 2]] * 3
    wide.partial_fit(X, labels + 1)
    inputs, y, task = long_form
    long = MultiTaskClassifier(**FULL, task_column=-1).partial_fit(
        inputs, (y > 0).astype(int), classes=np.arange(3)
    )
    assert long.classes_.tolist() == [0, 1, 2]
    assert (long.predict_proba(inputs) > 0).all()
    with pytest.raises(ValueError, match="Task '3' has the label .*7.* in y"):
        long.partial_fit(inputs, np.where(task == 3, 7, 0))


def test_a_label_outside_the_declared_classes_is_refused_in_the_first_call_too(X):
    with pytest.raises(
        ValueError, match="Task '0' has the label .*2.* in y, which is not among its classes"
    ):
        MultiTaskClassifier(**FULL).partial_fit(X, np.arange(48) % 3, classes=[0, 1])


@pytest.mark.parametrize(
    ("labels", "shown"),
    [([0, 1, 2], "2"), (["a", "b", "c"], "'c'"), ([0.0, 1.0, 2.0], "2")],
    ids=str,
)
def test_a_refused_label_is_shown_as_the_user_wrote_it(labels, shown, X):
    y = np.array(labels)[np.arange(48) % 3]
    with pytest.raises(ValueError, match=f"Task '0' has the label {shown} in y"):
        MultiTaskClassifier(**FULL).partial_fit(X, y, classes=labels[:2])


# ---------------------------------------------------------------- fit again
def test_a_warm_fit_begins_where_the_last_one_ended(X, Y):
    model = MultiTaskRegressor(**FULL | {"max_iter": 30, "warm_start": True}).fit(X, Y)
    ended = training_loss(model, X, Y)
    model.fit(X, Y)
    assert model.loss_curve_[0] == pytest.approx(ended, rel=1e-9)
    assert model.loss_curve_.shape == (30,)
    assert model.loss_curve_[-1] < ended


@FORMS
@KINDS
def test_a_warm_fit_goes_on_with_all_members_and_a_cold_one_starts_anew(kind, form, problem):
    X, y, settings = problem(kind, form)
    model = kind(
        **FULL | settings | {"warm_start": True, "learning_rate_init": 1e-12, "alpha": 0.0}
    )
    start = pickle.loads(pickle.dumps(model.set_params(learning_rate_init=0.01).fit(X, y)))
    assert_same_members(model.set_params(learning_rate_init=1e-12).fit(X, y), start, atol=1e-9)
    cold = kind(**FULL | settings | {"alpha": 0.0}).fit(X, y)
    assert_same_members(cold, start, rtol=0, atol=0)  # a first warm fit is a cold one
    again = [part.copy() for part in cold.members_[0]]
    for a, b in zip(again, cold.fit(X, y).members_[0], strict=True):
        np.testing.assert_array_equal(a, b)


@FORMS
@KINDS
def test_a_warm_fit_after_partial_fit_carries_the_solvers_state(kind, form, problem):
    X, y, settings = problem(kind, form)
    parts = kind(**FULL | settings | {"max_iter": 3, "warm_start": True}).partial_fit(X, y)
    whole = pickle.loads(pickle.dumps(parts))
    for _ in range(3):
        parts.partial_fit(X, y)
    assert_same_members(whole.fit(X, y), parts)


def test_partial_fit_goes_on_from_a_fit(X, Y):
    model = MultiTaskRegressor(**FULL).fit(X, Y)
    ended = training_loss(model, X, Y)
    model.partial_fit(X, Y)
    assert model.loss_curve_[-1] == pytest.approx(ended, rel=1e-9)
    assert (model.n_iter_, model.loss_curve_.shape, model.task_loss_curve_.shape) == (
        5,
        (5,),
        (5, 3),
    )


def test_early_stopping_of_a_warm_fit_never_ends_above_where_it_began(X, Y):
    model = MultiTaskRegressor(
        **FAST | {"max_iter": 40, "warm_start": True, "early_stopping": True, "n_members": 1}
    ).fit(X, Y)
    first = min(entry["validation_loss"] for entry in model.history_)
    model.fit(X, Y)
    assert min(entry["validation_loss"] for entry in model.history_) < first + 0.05


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (7,)},
        {"hidden_layer_sizes": (6, 6)},
        {"head_hidden_layer_sizes": (3,)},
        {"activation": "tanh"},
    ],
    ids=str,
)
@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_another_architecture_is_refused(change, again, X, Y):
    model = MultiTaskRegressor(**FULL, warm_start=True).fit(X, Y).set_params(**change)
    with pytest.raises(
        ValueError,
        match="This MultiTaskRegressor goes on from networks of another shape: "
        "hidden_layer_sizes.*warm_start=False",
    ):
        getattr(model, again)(X, Y)
    if again == "fit":
        assert model.set_params(warm_start=False).fit(X, Y).predict(X).shape == (48, 3)


def test_another_width_of_the_tasks_vectors_is_refused(long_form):
    X, y, _ = long_form
    model = (
        MultiTaskRegressor(**FULL, task_column=-1, warm_start=True)
        .fit(X, y)
        .set_params(task_embedding_dim=0)
    )
    with pytest.raises(ValueError, match="networks of another shape.*task_embedding_dim"):
        model.fit(X, y)


def test_new_classes_tasks_and_columns_are_refused_in_a_warm_fit(X, labels, long_form):
    model = MultiTaskClassifier(**FULL, warm_start=True).fit(X, labels)
    with pytest.raises(ValueError, match="Task '2' has the label .*[56]"):
        model.fit(X, np.where(np.arange(3) == 2, labels + 5, labels))
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.fit(X[:, 1:], labels)
    with pytest.raises(ValueError, match="3 tasks"):
        model.fit(X, labels[:, [0, 1, 2, 0]])
    inputs, y, task = long_form
    long = MultiTaskRegressor(**FULL, task_column=-1, warm_start=True).fit(
        inputs[task != 7], y[task != 7]
    )
    with pytest.raises(ValueError, match="Task '7' was not in the first fit"):
        long.fit(inputs, y)
    assert long.fit(inputs[task == 3], y[task == 3]).task_names_ == long.task_names_


def test_a_refused_call_leaves_the_networks_as_they_were(X, labels):
    model = MultiTaskClassifier(**FULL, warm_start=True).fit(X, labels)
    before = pickle.loads(pickle.dumps(model))
    for bad in (labels[:, [0, 1, 2, 0]], labels + 5, labels[:, 0]):
        with pytest.raises(ValueError):
            model.partial_fit(X, bad)
    np.testing.assert_array_equal(
        np.hstack(model.predict_proba(X)), np.hstack(before.predict_proba(X))
    )
    assert_same_members(model.partial_fit(X, labels), before.partial_fit(X, labels), rtol=0, atol=0)
