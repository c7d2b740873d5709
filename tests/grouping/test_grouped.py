import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl import (
    MultiTaskClassifier,
    MultiTaskRegressor,
    TaskGroupedClassifier,
    TaskGroupedRegressor,
    TaskGrouper,
)
from skmtl.affinity import PairwiseGains
from skmtl.datasets import make_grouped_tasks
from skmtl.fairness import PerTaskFairness
from skmtl.grouping import grouped as grouped_module
from skmtl.grouping import rounds as rounds_module

FAST = {"hidden_layer_sizes": (6,), "learning_rate_init": 0.02, "max_iter": 6}
KINDS = {
    "regression": (TaskGroupedRegressor, MultiTaskRegressor),
    "classification": (TaskGroupedClassifier, MultiTaskClassifier),
}


def planted(kind="regression", seed=0, **options):
    data = make_grouped_tasks(
        **{"n_tasks": 5, "n_groups": 2, "n_samples": 40, "n_features": 4} | options,
        kind=kind,
        random_state=seed,
    )
    return data.data.assign(task=data.task), data.target, data


def model_of(kind="regression", **options):
    grouped, network = KINDS[kind]
    return grouped(
        **{
            "estimator": network(**FAST),
            "task_column": "task",
            "pair_fraction": 0.4,
            "n_repeats": 1,
            "random_state": 0,
        }
        | options
    )


@pytest.fixture(scope="module", params=list(KINDS))
def fitted(request):
    """(kind, model, inputs, targets) in long form."""
    X, y, _ = planted(request.param)
    return request.param, model_of(request.param).fit(X, y), X, y


def wide_of(X, n_tasks=4, seed=0):
    rng = np.random.default_rng(seed)
    Y = X[:, [0, 0, 1, 1, 2, 2][:n_tasks]] + 0.2 * rng.normal(size=(len(X), n_tasks))
    Y[rng.random(Y.shape) < 0.2] = np.nan
    return Y


def ignoring_weak_tasks():
    return pytest.mark.filterwarnings(
        "ignore:Some tasks take no part:UserWarning",
        "ignore:y contains one task:UserWarning",
        "ignore:Gains of tasks with fewer:UserWarning",
        "ignore:The gain is NaN:UserWarning",
    )


STRICT = {
    "n_members": 1,
    "dtype": "float64",
    "batch_size": "full",
    "early_stopping": False,
    "max_iter": 30,
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 0.05,
}


@pytest.mark.filterwarnings("ignore:Skipping check:UserWarning")
@ignoring_weak_tasks()
@parametrize_with_checks(
    [grouped(network(**STRICT), n_repeats=1, random_state=0) for grouped, network in KINDS.values()]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------- what is fitted
def test_fitted_attributes_have_the_promised_shapes_and_types(fitted):
    kind, model, X, _ = fitted
    names = [f"task_{t}" for t in range(5)]
    assert model.task_names_ == names
    assert model.n_outputs_ == 5
    assert model.n_features_in_ == 5
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert all(isinstance(group, tuple) and set(group) <= set(names) for group in model.groups_)
    assert model.labels_.shape == (5,)
    assert all(
        name in model.groups_[label] for name, label in zip(names, model.labels_, strict=True)
    )
    assert isinstance(model.affinity_, pd.DataFrame)
    assert model.affinity_.index.tolist() == model.affinity_.columns.tolist() == names
    assert model.affinity_.notna().all(axis=None)
    assert isinstance(model.gains_, PairwiseGains)
    assert len(model.gains_.pairs) == 2 * 4
    assert len(model.estimators_) == len(model.groups_)
    for estimator, group in zip(model.estimators_, model.groups_, strict=True):
        assert isinstance(estimator, KINDS[kind][1])
        assert estimator.task_names_ == list(group)


def test_joint_and_single_task_are_always_among_the_candidates(fitted):
    _, model, _, _ = fitted
    choice = model.choice_
    assert {"candidate", "n_groups", "validation_loss", "chosen"} <= set(choice.columns)
    assert {"single-task", "joint"} <= set(choice["candidate"])
    assert choice["chosen"].sum() == 1
    assert choice["n_groups"][choice["chosen"]].item() == len(model.groups_)


def test_predictions_are_those_of_the_network_that_serves_the_task(fitted):
    kind, model, X, _ = fitted
    for name, label in zip(model.task_names_, model.labels_, strict=True):
        rows = X[X["task"] == name]
        np.testing.assert_allclose(
            model.predict(rows).astype(float), model.estimators_[label].predict(rows).astype(float)
        )
        if kind == "classification":
            np.testing.assert_allclose(
                model.predict_proba(rows), model.estimators_[label].predict_proba(rows)
            )


def test_predicting_one_task_gives_what_predicting_all_does(fitted):
    _, model, X, _ = fitted
    everything = model.predict(X)
    for name in model.task_names_:
        np.testing.assert_allclose(
            model.predict(X[X["task"] == name]), everything[X["task"] == name]
        )
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(model.predict(X.iloc[order]), everything[order])


def test_the_score_is_that_of_the_predictions(fitted):
    kind, model, X, y = fitted
    predicted = model.predict(X)
    parts = [(y[X["task"] == name], predicted[X["task"] == name]) for name in model.task_names_]
    expected = [
        (a == b).mean()
        if kind == "classification"
        else 1 - ((a - b) ** 2).sum() / ((a - a.mean()) ** 2).sum()
        for a, b in parts
    ]
    assert model.score(X, y) == pytest.approx(np.mean(expected))


def test_an_unknown_task_at_predict_raises_and_is_named(fitted):
    _, model, X, _ = fitted
    with pytest.raises(ValueError, match="Task 'nowhere' was not in fit"):
        model.predict(X.assign(task="nowhere"))


def test_a_pickle_predicts_the_same(fitted):
    _, model, X, _ = fitted
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_a_clone_has_the_parameters_and_nothing_learned(fitted):
    kind, model, X, _ = fitted
    copy = clone(model)
    assert repr(copy) == repr(model)
    assert not hasattr(model.estimator, "task_names_")
    with pytest.raises(NotFittedError):
        copy.predict(X)
    assert is_classifier(model) == (kind == "classification")
    assert is_regressor(model) == (kind == "regression")


def test_a_seed_gives_the_same_model_every_time(fitted):
    kind, model, X, y = fitted
    again = model_of(kind, n_jobs=2).fit(X, y)
    assert again.groups_ == model.groups_
    np.testing.assert_allclose(
        again.predict(X).astype(float), model.predict(X).astype(float), atol=1e-6
    )
    pd.testing.assert_frame_equal(again.choice_, model.choice_, rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------------- how it is chosen
def test_planted_groups_beat_one_network_for_all_and_are_not_mixed():
    """Two groups with opposite functions of the same inputs: one network per group is right."""
    X, y, data = planted(
        n_tasks=6,
        n_groups=2,
        n_harmful=0,
        n_samples=120,
        n_features=4,
        noise=0.2,
        group_spread=0.02,
        input_shift=0.0,
        seed=3,
    )
    network = MultiTaskRegressor(
        (16,),
        solver="adam",
        batch_size=20,
        learning_rate_init=0.02,
        max_iter=80,
        n_members=1,
        task_embedding_dim=0,
    )
    model = TaskGroupedRegressor(
        network, task_column="task", pair_fraction=1.0, n_repeats=2, random_state=0
    ).fit(X, y)
    matrix, same = model.affinity_.to_numpy(), data.labels[:, None] == data.labels
    assert matrix[same & ~np.eye(6, dtype=bool)].mean() > matrix[~same].mean()
    assert model.score(X, y) > 0.8


def test_the_choice_is_the_argument_of_the_totals_that_the_table_shows(fitted):
    _, model, _, _ = fitted
    choice = model.choice_
    simple = choice[choice["candidate"].isin(["single-task", "joint"])]["validation_loss"].min()
    assert choice["validation_loss"][choice["chosen"]].item() <= simple + 1e-12


@pytest.mark.parametrize("form", ["long", "wide"])
def test_rows_held_out_for_the_choice_never_enter_the_measuring(form, monkeypatch, rng):
    seen = {}

    def watch(module, name, *keys):
        function = getattr(module, name)

        def watched(*given, **options):
            for key, position in keys:
                seen.setdefault(key, given[position])
            return function(*given, **options)

        monkeypatch.setattr(module, name, watched)

    watch(grouped_module, "collect_pairwise_gains", ("gains", 0))
    watch(grouped_module, "predict_affinity", ("affinity", 0))
    watch(rounds_module, "measure_groups", ("group training", 1), ("group test", 2))
    watch(grouped_module, "fit_groups", ("rest", 1))
    watch(grouped_module, "held_out_losses", ("held", 1))
    if form == "long":
        X, y, _ = planted()
        model_of().fit(X, y)
    else:
        X = rng.normal(size=(60, 3))
        model_of(task_column=None).fit(X, wide_of(X))
    seen["rest"] = seen["rest"].tasks
    rows = {
        key: {int(row) for name in tasks.names for row in tasks.rows(name)}
        for key, tasks in seen.items()
    }
    assert rows["held"]
    assert not rows["group training"] & rows["group test"] or form == "wide"
    for key in ("gains", "affinity", "group training", "group test", "rest"):
        assert not rows[key] & rows["held"]
    for name in seen["held"].names:
        assert len(seen["held"].rows(name)) == pytest.approx(
            0.3 * (len(seen["held"].rows(name)) + len(seen["rest"].rows(name))), abs=4
        )


def test_the_winner_is_refitted_on_all_rows(monkeypatch):
    seen = {}
    fit_groups = grouped_module.fit_groups
    monkeypatch.setattr(
        grouped_module,
        "fit_groups",
        lambda e, rows, *a, **k: (seen.update(tasks=rows.tasks), fit_groups(e, rows, *a, **k))[1],
    )
    X, y, _ = planted()
    model_of().fit(X, y)
    assert seen["tasks"].sizes.sum() == len(X)


def test_a_given_grouper_proposes():
    X, y, _ = planted()
    model = model_of(grouper=TaskGrouper("sdp", n_groups=2)).fit(X, y)
    assert model.choice_["candidate"].tolist()[2:3] in ([], ["sdp, 2 groups"])
    assert {name.split(",")[0] for name in model.rounds_["candidate"]} <= {
        "single-task",
        "joint",
        "sdp",
    }
    assert not hasattr(model.grouper, "labels_")


def test_without_rounds_the_search_uses_pair_gains_only():
    X, y, _ = planted()
    model = model_of(n_rounds=0, grouper=TaskGrouper("sdp", n_groups=2)).fit(X, y)
    assert model.rounds_ is None
    assert model.choice_["candidate"].tolist()[2:] in ([], ["sdp, 2 groups"])


def test_the_finalists_of_the_rounds_are_held_against_the_simple_groupings(fitted):
    _, model, _, _ = fitted
    rounds = model.rounds_
    assert rounds.columns.tolist() == [
        "round",
        "candidate",
        "n_groups",
        "predicted_loss",
        "measured_loss",
    ]
    assert rounds["candidate"].tolist()[:2] == ["single-task", "joint"]
    assert 1 <= len(model.choice_) - 2 <= 2
    best = rounds.loc[2:].sort_values("measured_loss", kind="stable")["candidate"].iloc[0]
    assert model.choice_["candidate"].iloc[2] == best
    assert rounds["predicted_loss"].isna().tolist() == (rounds["round"] == 0).tolist()


def test_rounds_are_a_whole_number():
    X, y, _ = planted()
    with pytest.raises(
        ValueError, match="'n_rounds' parameter of TaskGroupedRegressor must be an int in the range"
    ):
        model_of(n_rounds=-1).fit(X, y)


def test_groups_that_overlap_serve_each_task_from_one_network(monkeypatch):
    chosen = grouped_module.Candidate(
        "overlapping",
        (("task_0", "task_1", "task_2"), ("task_2", "task_3", "task_4")),
        {f"task_{t}": int(t > 2) for t in range(5)},
    )
    outcome = grouped_module.Choice(chosen, pd.DataFrame())
    monkeypatch.setattr(grouped_module, "chosen", lambda *given: outcome)
    X, y, _ = planted()
    model = model_of().fit(X, y)
    assert model.labels_.tolist() == [0, 0, 0, 1, 1]
    rows = X[X["task"] == "task_2"]
    np.testing.assert_allclose(model.predict(rows), model.estimators_[0].predict(rows))
    assert not np.allclose(model.predict(rows), model.estimators_[1].predict(rows))


def test_memory_keeps_the_measurements(tmp_path, monkeypatch):
    from skmtl.affinity import measure as measure_module

    calls = []
    original = measure_module.measure_groups
    monkeypatch.setattr(
        measure_module, "measure_groups", lambda *a, **k: (calls.append(1), original(*a, **k))[1]
    )
    X, y, _ = planted()
    first, second = (model_of(memory=str(tmp_path)).fit(X, y) for _ in range(2))
    assert len(calls) == 1
    np.testing.assert_allclose(first.predict(X), second.predict(X), atol=1e-9)


# ---------------------------------------------------------------------- layouts
@pytest.mark.parametrize("frame", [False, True])
def test_the_wide_form_predicts_a_column_for_every_task(frame, rng):
    X = rng.normal(size=(60, 3))
    Y = wide_of(X)
    Y = pd.DataFrame(Y, columns=list("uvwx")) if frame else Y
    model = model_of(task_column=None).fit(X, Y)
    predicted = model.predict(X)
    assert predicted.shape == (60, 4)
    assert model.task_names_ == (list("uvwx") if frame else list("0123"))
    for t, (name, label) in enumerate(zip(model.task_names_, model.labels_, strict=True)):
        np.testing.assert_allclose(
            predicted[:, t],
            model.estimators_[label].predict(X)[:, model.groups_[label].index(name)],
        )


def test_the_wide_form_of_labels_gives_a_list_of_classes_and_probabilities(rng):
    X = rng.normal(size=(60, 3))
    Y = np.column_stack(
        [
            np.digitize(X[:, 0], [0]),
            np.digitize(X[:, 0], [-0.5, 0.5]),
            np.digitize(X[:, 1], [0]) + 5,
        ]
    ).astype(float)
    Y[:5, 0] = np.nan
    model = model_of("classification", task_column=None).fit(X, Y)
    assert [classes.tolist() for classes in model.classes_] == [[0, 1], [0, 1, 2], [5, 6]]
    assert [p.shape for p in model.predict_proba(X)] == [(60, 2), (60, 3), (60, 2)]
    for p in model.predict_proba(X):
        np.testing.assert_allclose(p.sum(1), 1)
    assert model.predict(X).dtype.kind == "i"


def test_the_long_form_of_labels_gives_the_union_of_the_classes_with_zeros():
    X, y, _ = planted("classification")
    y = np.array(["no", "yes"], dtype=object)[y]
    y[(X["task"] == "task_4").to_numpy() & (y == "yes")] = "maybe"
    model = model_of("classification").fit(X, y)
    P = model.predict_proba(X)
    assert model.classes_.tolist() == ["maybe", "no", "yes"]
    np.testing.assert_allclose(P.sum(1), 1)
    fifth = (X["task"] == "task_4").to_numpy()
    assert (P[fifth, 2] == 0).all()
    assert (P[~fifth, 0] == 0).all()
    assert set(model.predict(X[fifth])) <= {"no", "maybe"}


def test_the_task_column_of_an_array_is_found_by_position():
    X, y, _ = planted()
    numbered = X.assign(task=X["task"].str[5:].astype(float)).to_numpy()
    model = model_of(task_column=-1).fit(numbered, y)
    assert model.task_names_ == list("01234")
    assert model.predict(numbered).shape == y.shape


@pytest.mark.filterwarnings("ignore:y contains one task:UserWarning")
def test_a_flat_target_is_one_task_in_one_network(rng):
    X = rng.normal(size=(60, 3))
    model = model_of(task_column=None).fit(X, X[:, 0])
    assert model.groups_ == [("0",)]
    assert model.gains_ is None
    assert model.predict(X).shape == (60,)
    assert model.choice_["chosen"].tolist() == [True]


def test_two_tasks_are_trained_single_task_or_joint():
    X, y, _ = planted(n_tasks=2, n_groups=1)
    model = model_of().fit(X, y)
    assert model.choice_["candidate"].tolist() == ["single-task", "joint"]
    assert model.predict(X).shape == y.shape


# ---------------------------------------------------------------------- weak tasks
@ignoring_weak_tasks()
@pytest.mark.parametrize("chosen", ["joint", "single-task"])
def test_small_tasks_are_still_predicted_by_the_joint_or_a_single_task_network(chosen, monkeypatch):
    choose = grouped_module.choose
    monkeypatch.setattr(
        grouped_module,
        "choose",
        lambda *given: (table := choose(*given)).assign(chosen=table["candidate"] == chosen),
    )
    X, y, _ = planted()
    few = (X["task"] != "task_1") | (X.groupby("task").cumcount() < 5)
    model = model_of().fit(X[few], y[few])
    assert np.isfinite(model.predict(X)).all()
    assert model.groups_ == (
        [tuple(model.task_names_)]
        if chosen == "joint"
        else [(f"task_{t}",) for t in (0, 2, 3, 4, 1)]
    )
    assert model.affinity_.loc["task_1"].isna().all()
    assert model.affinity_.drop(index="task_1", columns="task_1").notna().all(axis=None)


def test_small_tasks_are_named_in_a_warning():
    X, y, _ = planted()
    few = ~X["task"].isin(["task_1", "task_3"]) | (X.groupby("task").cumcount() < 9)
    with pytest.warns(
        UserWarning,
        match=r"take no part in the choice of groups \(fewer than 10 rows: task_1, task_3\)",
    ):
        model_of().fit(X[few], y[few])


def test_tasks_of_one_class_are_named_in_a_warning_and_predicted():
    X, y, _ = planted("classification")
    y = y.where(X["task"] != "task_2", 1)
    with pytest.warns(UserWarning, match="one class only: task_2"):
        model = model_of("classification").fit(X, y)
    assert (model.predict(X[X["task"] == "task_2"]) == 1).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1)


@ignoring_weak_tasks()
@pytest.mark.parametrize("kind", KINDS)
def test_only_small_tasks_share_one_network(kind):
    X, y, _ = planted(kind, n_samples=8)
    model = model_of(kind).fit(X, y)
    assert model.groups_ == [tuple(f"task_{t}" for t in range(5))]
    assert model.gains_ is None
    assert model.predict(X).shape == y.shape


@ignoring_weak_tasks()
def test_one_usable_task_among_small_ones_is_no_choice():
    X, y, _ = planted()
    few = (X["task"] == "task_1") | (X.groupby("task").cumcount() < 5)
    assert len(model_of().fit(X[few], y[few]).groups_) == 1


@ignoring_weak_tasks()
def test_twenty_odd_problems_all_fit_and_predict(rng):
    for _ in range(8):
        kind = list(KINDS)[rng.integers(2)]
        X, y, _ = planted(
            kind,
            n_tasks=int(rng.integers(2, 6)),
            n_groups=1,
            n_samples=(2, 16),
            seed=int(rng.integers(2**31)),
        )
        model = model_of(kind, estimator=KINDS[kind][1](**FAST | {"max_iter": 2})).fit(X, y)
        assert model.predict(X).shape == y.shape
        assert sorted(set(model.labels_.tolist())) == list(range(len(model.groups_)))


# ---------------------------------------------------------------------- settings
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_the_other_kind_raises(kind):
    X, y, _ = planted(kind)
    other = next(network for name, (_, network) in KINDS.items() if name != kind)
    with pytest.raises(
        TypeError, match=f"must be a {KINDS[kind][1].__name__}. Got {other.__name__}"
    ):
        model_of(kind, estimator=other()).fit(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_estimator_a_small_network_is_used(kind, monkeypatch):
    monkeypatch.setitem(grouped_module.DEFAULT_NETWORK, "max_iter", 3)
    X, y, _ = planted(kind)
    model = model_of(kind, estimator=None).fit(X, y)
    assert type(model.estimators_[0]) is KINDS[kind][1]
    assert model.estimator is None


def test_the_networks_take_the_task_column_of_the_whole():
    X, y, _ = planted()
    model = model_of(estimator=MultiTaskRegressor(**FAST, task_column="other")).fit(X, y)
    assert model.estimator.task_column == "other"
    assert all(estimator.task_column == "task" for estimator in model.estimators_)


def test_row_weights_change_the_networks_and_weight_zero_is_absence(rng):
    X, y, _ = planted()
    kept = rng.random(len(X)) < 0.8
    weighted, without = (
        model_of().fit(X, y, sample_weight=kept.astype(float)),
        model_of().fit(X[kept], y[kept]),
    )
    assert weighted.groups_ == without.groups_
    np.testing.assert_allclose(weighted.predict(X), without.predict(X), atol=1e-4)
    assert not np.allclose(weighted.predict(X), model_of().fit(X, y).predict(X))


@pytest.mark.parametrize("weights", [[1, 5, 1, 1, 0], {"task_1": 5.0, "task_4": 0.0}])
def test_task_weights_of_the_network_follow_the_tasks_into_their_groups(weights):
    X, y, _ = planted()
    model = model_of(estimator=MultiTaskRegressor(**FAST, task_weights=weights)).fit(X, y)
    for estimator, group in zip(model.estimators_, model.groups_, strict=True):
        expected = np.array([{"task_1": 5.0, "task_4": 0.0}.get(name, 1.0) for name in group])
        if expected.any():
            np.testing.assert_allclose(
                estimator.loss_curve_, estimator.task_loss_curve_ @ expected / expected.sum()
            )
    assert np.isfinite(model.predict(X)).all()


def test_members_of_an_ensemble_are_trained_for_every_group():
    X, y, _ = planted()
    model = model_of(estimator=MultiTaskRegressor(**FAST, n_members=3)).fit(X, y)
    assert {len(estimator.members_) for estimator in model.estimators_} == {3}


def test_fit_does_not_change_parameters():
    X, y, _ = planted()
    network = MultiTaskRegressor(**FAST)
    model = model_of(estimator=network, grouper=TaskGrouper("beam"))
    before = {name: repr(value) for name, value in model.get_params().items()}
    model.fit(X, y)
    assert {name: repr(value) for name, value in model.get_params().items()} == before
    assert model.estimator is network


def test_the_wide_form_goes_through_a_pipeline_and_a_search(rng):
    X = rng.normal(size=(60, 3)) * [1, 100, 0.01]
    Y = wide_of(X / [1, 100, 0.01])
    pipeline = make_pipeline(StandardScaler(), model_of(task_column=None))
    assert pipeline.fit(X, Y).predict(X).shape == (60, 4)
    search = GridSearchCV(
        pipeline,
        {"taskgroupedregressor__estimator__alpha": [0.0, 1.0]},
        cv=KFold(2),
        error_score="raise",
    ).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_no_warning_comes_from_an_ordinary_fit():
    X, y, _ = planted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_of().fit(X, y).score(X, y)


@pytest.mark.parametrize("routing", [False, True])
def test_the_fairness_term_of_the_network_sees_the_groups_of_people(rng, routing):
    n = 240
    group = rng.choice(["f", "m"], n)
    x = rng.normal(size=(n, 3)) + (group == "m")[:, None]
    frame = pd.DataFrame(x, columns=list("abc")).assign(task=np.arange(n) % 3, sex=group)
    y = (x[:, 0] + rng.normal(size=n) > 0.5).astype(int)
    grouper = TaskGroupedClassifier(
        MultiTaskClassifier(
            (4,), n_members=1, max_iter=40, fairness=PerTaskFairness("gap", weight=20.0)
        ),
        task_column="task",
        pair_fraction=1.0,
        n_repeats=1,
        n_rounds=0,
        random_state=0,
    )
    plain = clone(grouper).set_params(estimator__fairness=None).fit(frame.drop(columns="sex"), y)
    with sklearn.config_context(enable_metadata_routing=routing):
        model = make_pipeline("passthrough", grouper).fit(
            frame,
            y,
            **{
                "sensitive_features"
                if routing
                else "taskgroupedclassifier__sensitive_features": "sex"
            },
        )

    def difference(one):
        told = one.predict_proba(frame if one is model else frame.drop(columns="sex"))[:, 1]
        return abs(told[(y == 0) & (group == "m")].mean() - told[(y == 0) & (group == "f")].mean())

    assert difference(model) < 0.5 * difference(plain)
    with pytest.raises(ValueError, match="needs sensitive_features in fit"):
        clone(grouper).fit(frame.drop(columns="sex"), y)


# ---------------------------------------------------------------------- one task; finite numbers
def test_a_forgotten_task_column_is_named_in_a_warning(rng):
    X = rng.normal(size=(60, 3))
    with pytest.warns(UserWarning, match="task_column is None.*nothing to group.*Set task_column"):
        model_of(task_column=None).fit(X, X[:, 0])


def test_a_task_column_with_one_task_is_named_in_a_warning(rng):
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"]).assign(task="north")
    with pytest.warns(UserWarning, match="contains one task, 'north'.*nothing to group"):
        model_of(task_column="task").fit(X, X["a"])


def test_rows_of_weight_zero_leak_no_warning_of_numpy(rng):
    task, X = np.arange(240) % 6, rng.normal(size=(240, 4))
    y = X[:, 0] * (task < 3) + X[:, 1] * (task >= 3) + 0.1 * rng.normal(size=240)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(task=task)
    weight = (np.random.default_rng(0).random(240) > 0.3).astype(float)
    network = MultiTaskRegressor((8,), n_members=1, max_iter=15, learning_rate_init=0.02)
    model = TaskGroupedRegressor(
        network, task_column="task", n_repeats=1, n_rounds=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model.fit(frame, y, sample_weight=weight)
