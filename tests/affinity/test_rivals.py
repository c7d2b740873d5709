"""What all estimates of affinity have in common."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskGrouper, TaskSet
from skmtl.affinity import (
    EnsembleAffinity,
    GradientTaskAffinity,
    HigherOrderAffinity,
    LinearSurrogate,
    TaggingAffinity,
    collect_pairwise_gains,
)
from skmtl.fairness import MTAF

SETTINGS = {
    "hidden_layer_sizes": (5,),
    "n_members": 1,
    "learning_rate_init": 0.02,
    "max_iter": 3,
    "dtype": "float64",
}
NETWORKS = {
    "regression": MultiTaskRegressor(**SETTINGS),
    "classification": MultiTaskClassifier(**SETTINGS),
}
RIVALS = {
    "tagging": TaggingAffinity(),
    "gradient": GradientTaskAffinity(n_dimensions=6, n_subsets=4),
    "surrogate": LinearSurrogate(n_groups=8, group_size=3),
    "higher order": HigherOrderAffinity(),
    "ensemble": EnsembleAffinity(pair_fraction=0.7),
}
JOINT = ["tagging", "gradient", "ensemble"]
every_rival = pytest.mark.parametrize("name", RIVALS)


def rival(name, kind="regression", **settings):
    return clone(RIVALS[name]).set_params(estimator=NETWORKS[kind], random_state=0, **settings)


@every_rival
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_the_affinity_is_a_table_of_all_pairs_with_names_and_a_diagonal_of_zero(
    name, kind, few_tasks, few_classes
):
    tasks = few_tasks if kind == "regression" else few_classes
    fitted = rival(name, kind).fit(tasks)
    assert (
        fitted.task_names_
        == tasks.names
        == list(fitted.affinity_.index)
        == list(fitted.affinity_.columns)
    )
    assert (np.diag(fitted.affinity_) == 0).all()
    assert np.isfinite(fitted.affinity_.to_numpy()).all()
    assert fitted.affinity_.to_numpy()[~np.eye(4, dtype=bool)].std() > 0


@every_rival
def test_reordering_the_tasks_reorders_the_table(name, few_tasks, rng):
    if name in ("higher order", "ensemble"):
        gains = collect_pairwise_gains(few_tasks, NETWORKS["regression"], random_state=0)
        more = {"gains": gains}
    else:
        more = {}
    order = [few_tasks.names[k] for k in rng.permutation(4)]
    first, second = (
        rival(name).fit(tasks, **more).affinity_ for tasks in (few_tasks, few_tasks.subset(order))
    )
    np.testing.assert_allclose(second.loc[first.index, first.columns], first, rtol=1e-5, atol=1e-8)


@every_rival
def test_the_same_seed_gives_the_same_table_and_another_seed_another(name, few_tasks):
    first, again, other = (
        rival(name).set_params(random_state=seed).fit(few_tasks).affinity_ for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first, other)


def wide_with_gaps(rng):
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    Y[rng.random(Y.shape) < 0.3] = np.nan
    return TaskSet.from_wide(X, Y)


@every_rival
def test_wide_tasks_may_lack_labels(name, rng):
    assert np.isfinite(rival(name).fit(wide_with_gaps(rng)).affinity_.to_numpy()).all()


def test_wide_tasks_are_looked_at_by_their_labelled_rows_as_long_ones_are(rng):
    wide = wide_with_gaps(rng)
    long = TaskSet.from_long(*wide.to_long())
    # Splits of shared rows differ from those of own rows: nothing is held out here.
    network = clone(NETWORKS["regression"]).set_params(early_stopping=False, standardize=False)
    first, second = (
        rival("tagging").set_params(estimator=network).fit(tasks).affinity_
        for tasks in (wide, long)
    )
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", JOINT)
def test_categories_that_are_embedded_belong_to_the_trunk(name, rng):
    city = pd.Categorical(rng.integers(0, 4, 60).astype(str))
    X = pd.DataFrame({"a": rng.normal(size=60), "city": city})
    tasks = TaskSet.from_long(X, rng.normal(size=60), np.arange(60) % 3)
    network = clone(NETWORKS["regression"]).set_params(embedding_dim=2, task_embedding_dim=2)
    assert np.isfinite(
        rival(name).set_params(estimator=network).fit(tasks).affinity_.to_numpy()
    ).all()


@pytest.mark.parametrize("name", JOINT)
def test_three_classes_are_served(name, rng):
    X = rng.normal(size=(120, 3))
    tasks = TaskSet.from_long(
        X,
        np.digitize(X[:, 0] + rng.normal(size=120), [-0.5, 0.5]),
        np.arange(120) % 3,
        kind="classification",
    )
    assert np.isfinite(rival(name, "classification").fit(tasks).affinity_.to_numpy()).all()


@every_rival
def test_a_group_gains_nothing_where_it_is_one_task_and_nan_stands_for_tasks_outside(
    name, few_tasks
):
    fitted = rival(name).fit(few_tasks)
    a, b, c, _ = few_tasks.names
    gains = fitted.predict_groups([[a], [c, b]])
    assert gains.columns.tolist() == few_tasks.names
    assert gains.loc[0, a] == 0
    assert gains.notna().to_numpy().tolist() == [
        [True, False, False, False],
        [False, True, True, False],
    ]
    if name != "surrogate":  # there the target has a constant beside
        assert gains.loc[1, b] == pytest.approx(fitted.affinity_.loc[b, c])


@every_rival
def test_a_grouper_takes_the_table(name, few_tasks):
    assert len(TaskGrouper(n_groups=2).fit(rival(name).fit(few_tasks).affinity_).labels_) == 4


@every_rival
def test_fit_leaves_the_estimator_and_the_parameters_alone(name, few_tasks):
    fitted = rival(name)
    before = {key: repr(value) for key, value in fitted.get_params().items()}
    fitted.fit(few_tasks)
    assert {key: repr(value) for key, value in fitted.get_params().items()} == before
    assert not hasattr(fitted.estimator, "members_")


@every_rival
def test_a_fitted_estimate_can_be_stored(name, few_tasks):
    fitted = rival(name).fit(few_tasks)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fitted)).affinity_, fitted.affinity_)


@every_rival
def test_what_cannot_be_asked_is_refused_by_name(name, few_tasks, few_classes):
    with pytest.raises(TypeError, match=r"tasks must be a TaskSet\. Got ndarray"):
        rival(name).fit(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="needs at least 2 tasks. Got 1"):
        rival(name).fit(few_tasks.subset(few_tasks.names[:1]))
    with pytest.raises(
        ValueError, match=r"'classification', so the estimator of \w+ must be a MultiTaskClassifier"
    ):
        rival(name).fit(few_classes)
    with pytest.raises(ValueError, match="The 'estimator' parameter of"):
        rival(name).set_params(estimator="network").fit(few_tasks)
    with pytest.raises(ValueError, match="The 'n_repeats' parameter of"):
        rival(name, n_repeats=0).fit(few_tasks)
    with pytest.raises(NotFittedError):
        rival(name).predict_groups([["a"]])
    fitted = rival(name).fit(few_tasks)
    with pytest.raises(ValueError, match="groups contains task 'nobody', which was not in fit"):
        fitted.predict_groups([[few_tasks.names[0], "nobody"]])
    with pytest.raises(ValueError, match="groups must contain non-empty lists of task names"):
        fitted.predict_groups(few_tasks.names)


@pytest.mark.parametrize("name", JOINT)
def test_a_network_without_a_shared_layer_is_refused(name, few_tasks):
    with pytest.raises(ValueError, match="its tasks share no layer"):
        rival(name).set_params(estimator=MultiTaskRegressor(hidden_layer_sizes=())).fit(few_tasks)


@every_rival
def test_without_an_estimator_the_tasks_say_which_network_is_trained(
    name, few_classes, monkeypatch
):
    monkeypatch.setattr(
        MultiTaskClassifier.__init__,
        "__kwdefaults__",
        {**MultiTaskClassifier.__init__.__kwdefaults__, "max_iter": 2},
    )
    assert rival(name).set_params(estimator=None).fit(few_classes).affinity_.shape == (4, 4)


@every_rival
def test_a_fairness_term_is_refused_as_no_estimate_knows_sensitive_groups(name, few_classes):
    network = clone(NETWORKS["classification"]).set_params(fairness=MTAF())
    with pytest.raises(ValueError, match="Set fairness=None"):
        rival(name, "classification").set_params(estimator=network).fit(few_classes)
