"""Retrained heads that do not rely on spurious tasks."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import MultiTaskClassifier
from skmtl.datasets import make_spurious_tasks
from skmtl.fairness import MTAF
from skmtl.model_selection import MultiTaskKFold
from skmtl.spurious import DebiasedClassifier, SpuriousTaskDetector

QUICK = {"hidden_layer_sizes": (16,), "n_members": 2, "max_iter": 15, "random_state": 0}
METHODS = pytest.mark.parametrize("method", ["adversarial", "reweight"])


@pytest.fixture(scope="module")
def shifted():
    return make_spurious_tasks(random_state=0)


@pytest.fixture(scope="module")
def trained(shifted):
    return MultiTaskClassifier(**QUICK).fit(shifted.data, shifted.target)


class Given(BaseEstimator):
    """A detector that has been told."""

    def __init__(self, pairs=()):
        self.pairs = pairs

    def fit(self, Y):
        self.spurious_ = np.zeros((Y.shape[1], Y.shape[1]), dtype=bool)
        for i, j in self.pairs:
            self.spurious_[i, j] = True
        return self


# ---------------------------------------------------------------------- what it achieves
def test_accuracy_on_balanced_combinations_improves_in_nine_of_ten_draws():
    gains = {"adversarial": [], "reweight": []}
    for seed in range(10):
        tasks = make_spurious_tasks(random_state=seed)
        vanilla = MultiTaskClassifier(n_members=1, max_iter=60, random_state=seed).fit(
            tasks.data, tasks.target
        )
        for method, own in gains.items():
            model = DebiasedClassifier(
                FrozenEstimator(vanilla), method=method, random_state=seed
            ).fit(tasks.data, tasks.target)
            own.append(
                model.score(tasks.test_data, tasks.test_target)
                - vanilla.score(tasks.test_data, tasks.test_target)
            )
    for method, own in gains.items():
        assert np.sum(np.array(own) > 0) >= 9, (method, np.round(own, 3))


@METHODS
def test_heads_come_to_tell_less_of_the_other_task(shifted, method):
    """Share of the other label that the logit explains for given own label, on new rows of the
    training distribution.
    """
    fresh = make_spurious_tasks(n_samples=4000, random_state=0)
    model = DebiasedClassifier(MultiTaskClassifier(**QUICK), method=method).fit(
        shifted.data, shifted.target
    )

    def told(network):
        p = network.predict_proba(fresh.data)[0][:, 1]
        logit, own, other = (
            np.log(p / (1 - p)),
            fresh.target["task_0"].to_numpy(),
            fresh.target["task_1"].to_numpy(),
        )
        within = [
            LinearRegression()
            .fit(logit[own == c, None], other[own == c])
            .score(logit[own == c, None], other[own == c])
            for c in (0, 1)
        ]
        return np.mean(within)

    assert told(model) < 0.6 * told(model.estimator_)


def test_reweighted_linear_heads_come_near_the_weighted_logistic_regression():
    """Without a trunk, heads are logistic regressions of the inputs; the reference knows the
    independence weights in closed form.
    """
    tasks = make_spurious_tasks(n_samples=1000, n_tasks=2, n_features=5, random_state=1)
    y, other = tasks.target["task_0"].to_numpy(), tasks.target["task_1"].to_numpy()
    joint = np.histogram2d(y, other, bins=2)[0] / len(y)
    weight = (joint.sum(1, keepdims=True) * joint.sum(0) / joint)[y, other]
    reference = (
        LogisticRegression(C=np.inf)
        .fit(tasks.data, y, sample_weight=weight)
        .predict_proba(tasks.test_data)[:, 1]
    )
    network = MultiTaskClassifier((), n_members=1, max_iter=60, standardize=False, random_state=0)
    model = DebiasedClassifier(network, method="reweight", max_iter=300).fit(
        tasks.data, tasks.target
    )
    assert np.abs(model.predict_proba(tasks.test_data)[0][:, 1] - reference).mean() < 0.01
    assert (
        np.abs(model.estimator_.predict_proba(tasks.test_data)[0][:, 1] - reference).mean() > 0.03
    )


# ---------------------------------------------------------------------- what it leaves alone
@METHODS
def test_the_trunk_and_the_heads_of_unaffected_tasks_stay_as_they_are(shifted, trained, method):
    before = [[part.copy() for part in member] for member in trained.members_]
    model = DebiasedClassifier(FrozenEstimator(trained), method=method).fit(
        shifted.data, shifted.target
    )
    assert model.estimator_ is trained
    np.testing.assert_array_equal(model.spurious_, shifted.spurious)
    for old, kept, new in zip(before, trained.members_, model.debiased_.members_, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(old, kept, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(old[:2], new[:2], strict=True))
        assert np.array_equal(old[2][2], new[2][2])
        assert not np.allclose(old[2][:2], new[2][:2])
    np.testing.assert_array_equal(
        model.debiased_.transform(shifted.data), trained.transform(shifted.data)
    )


def test_without_spurious_tasks_the_network_stays_as_it_is(shifted, trained):
    model = DebiasedClassifier(
        FrozenEstimator(trained), detector=SpuriousTaskDetector(threshold=1.0)
    ).fit(shifted.data, shifted.target)
    assert model.n_iter_ == 0
    np.testing.assert_array_equal(
        model.predict_proba(shifted.test_data)[0], trained.predict_proba(shifted.test_data)[0]
    )


def test_without_debiasing_standardized_heads_are_the_same_heads():
    """Writing heads for standardized inputs and back is exact: a tiny step changes predictions by
    next to nothing.
    """
    tasks = make_spurious_tasks(n_samples=300, random_state=2)
    for heads in ((), (5,)):
        network = MultiTaskClassifier(head_hidden_layer_sizes=heads, **QUICK).fit(
            tasks.data * 1000 + 500, tasks.target
        )
        model = DebiasedClassifier(FrozenEstimator(network), strength=0.0, max_iter=1).fit(
            tasks.data * 1000 + 500, tasks.target
        )
        change = np.abs(
            model.predict_proba(tasks.data * 1000 + 500)[0]
            - network.predict_proba(tasks.data * 1000 + 500)[0]
        )
        assert 0 < change.max() < 0.15


# ---------------------------------------------------------------------- forms of input
@METHODS
@pytest.mark.parametrize("heads", [(), (6,)], ids=str)
def test_several_classes_missing_labels_and_strings(method, heads):
    rng = np.random.default_rng(0)
    animal = rng.integers(0, 3, 400)
    scene = np.where(rng.random(400) < 0.7, animal % 2, rng.integers(0, 2, 400))
    X = np.eye(3)[animal] + rng.normal(size=(400, 3))
    Y = pd.DataFrame(
        {
            "animal": np.array(["cat", "dog", "emu"], dtype=object)[animal],
            "scene": np.array(["in", "out"], dtype=object)[scene],
        }
    )
    Y.loc[:60, "scene"] = None
    Y.loc[350:, "animal"] = None
    model = DebiasedClassifier(
        MultiTaskClassifier(head_hidden_layer_sizes=heads, **QUICK), method=method, random_state=0
    ).fit(X, Y)
    assert model.spurious_.sum() == 2
    assert [list(own) for own in model.classes_] == [["cat", "dog", "emu"], ["in", "out"]]
    assert [p.shape for p in model.predict_proba(X)] == [(400, 3), (400, 2)]
    assert set(model.predict(X)[:, 0]) <= {"cat", "dog", "emu"}
    assert 0.3 < model.score(X, Y) <= 1


def test_large_tables_take_several_steps_a_pass(shifted):
    tasks = make_spurious_tasks(n_samples=2500, random_state=0)
    model = DebiasedClassifier(
        MultiTaskClassifier(**{**QUICK, "max_iter": 3}),
        method="reweight",
        max_iter=6,
        random_state=0,
    ).fit(tasks.data, tasks.target)
    assert model.n_iter_ == 6
    again = clone(model).fit(tasks.data, tasks.target)
    np.testing.assert_array_equal(
        model.predict_proba(tasks.data)[0], again.predict_proba(tasks.data)[0]
    )


@METHODS
def test_whole_weights_count_like_repeated_rows_in_the_heads(shifted, trained, method):
    weight = np.random.default_rng(0).integers(1, 3, 600)
    X, Y = shifted.data[:600], shifted.target[:600]
    rows = np.repeat(np.arange(600), weight)
    weighted = DebiasedClassifier(FrozenEstimator(trained), method=method, max_iter=10).fit(
        X, Y, sample_weight=weight
    )
    repeated = DebiasedClassifier(FrozenEstimator(trained), method=method, max_iter=10).fit(
        X.iloc[rows], Y.iloc[rows]
    )
    np.testing.assert_allclose(
        weighted.predict_proba(X)[0], repeated.predict_proba(X)[0], atol=0.02
    )


def test_a_frame_tells_a_frozen_network_its_tasks_by_name(shifted, trained):
    turned = shifted.target[["task_2", "task_1", "task_0"]]
    first, second = (
        DebiasedClassifier(FrozenEstimator(trained)).fit(shifted.data, Y)
        for Y in (shifted.target, turned)
    )
    np.testing.assert_array_equal(
        first.predict_proba(shifted.data)[0], second.predict_proba(shifted.data)[0]
    )


def test_one_task_alone_has_nothing_to_disregard(shifted):
    model = DebiasedClassifier(MultiTaskClassifier(**QUICK)).fit(
        shifted.data, shifted.target["task_0"]
    )
    assert model.predict(shifted.test_data).shape == (2000,)
    assert model.spurious_.tolist() == [[False]]


# ---------------------------------------------------------------------- scikit-learn
def test_a_detector_of_the_users_own_and_a_frozen_one(shifted, trained):
    told = DebiasedClassifier(FrozenEstimator(trained), detector=Given([(2, 0)])).fit(
        shifted.data, shifted.target
    )
    assert told.spurious_.sum() == 1
    found = SpuriousTaskDetector().fit(shifted.target)
    frozen = DebiasedClassifier(FrozenEstimator(trained), detector=FrozenEstimator(found)).fit(
        shifted.data[:50], shifted.target[:50]
    )
    np.testing.assert_array_equal(frozen.spurious_, found.spurious_)


def test_it_works_in_a_pipeline_and_a_grid_search(shifted):
    model = make_pipeline(
        StandardScaler(), DebiasedClassifier(MultiTaskClassifier(**QUICK), max_iter=5)
    )
    grid = {
        "debiasedclassifier__strength": [0.1, 1.0],
        "debiasedclassifier__method": ["adversarial", "reweight"],
    }
    search = GridSearchCV(model, grid, cv=MultiTaskKFold(2, random_state=0)).fit(
        shifted.data, shifted.target
    )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict_proba(shifted.test_data)) == 3


def test_sample_weight_is_routed_where_it_is_requested(shifted):
    weight = np.where(shifted.target["task_0"] == 1, 5.0, 1.0)
    with config_context(enable_metadata_routing=True):
        own = DebiasedClassifier(
            MultiTaskClassifier(**QUICK), max_iter=5, random_state=0
        ).set_fit_request(sample_weight=True)
        routed = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), own).fit(
            shifted.data, shifted.target, sample_weight=weight
        )
    plain = make_pipeline(StandardScaler(), clone(own)).fit(
        shifted.data, shifted.target, debiasedclassifier__sample_weight=weight
    )
    np.testing.assert_array_equal(
        routed.predict_proba(shifted.data)[0], plain.predict_proba(shifted.data)[0]
    )
    unweighted = make_pipeline(StandardScaler(), clone(own)).fit(shifted.data, shifted.target)
    assert (
        routed.predict_proba(shifted.data)[0][:, 1].mean()
        > unweighted.predict_proba(shifted.data)[0][:, 1].mean()
    )


def test_one_random_state_seeds_everything(shifted):
    settings = {**QUICK, "random_state": None}
    model = DebiasedClassifier(
        MultiTaskClassifier(**settings),
        detector=SpuriousTaskDetector(n_bootstrap=3),
        max_iter=5,
        random_state=3,
    )
    first, second = (clone(model).fit(shifted.data, shifted.target) for _ in range(2))
    np.testing.assert_array_equal(
        first.predict_proba(shifted.data)[0], second.predict_proba(shifted.data)[0]
    )
    np.testing.assert_array_equal(first.detector_.p_values_, second.detector_.p_values_)


def test_it_pickles_and_clones(shifted, trained):
    model = DebiasedClassifier(FrozenEstimator(trained), max_iter=3).fit(
        shifted.data, shifted.target
    )
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        loaded.predict(shifted.test_data), model.predict(shifted.test_data)
    )
    pd.testing.assert_frame_equal(loaded.detector_.table_, model.detector_.table_)
    assert not hasattr(clone(model), "debiased_")


# ---------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"estimator": LogisticRegression()}, TypeError, "must be a MultiTaskClassifier"),
        ({"estimator": FrozenEstimator(LogisticRegression())}, TypeError, "Got LogisticRegression"),
        ({"estimator": MultiTaskClassifier(task_column=0)}, ValueError, "task_column=0"),
        ({"estimator": MultiTaskClassifier(fairness=MTAF())}, ValueError, "fairness"),
        ({"method": "magic"}, ValueError, "'method' parameter"),
        ({"strength": -1.0}, ValueError, "'strength' parameter"),
        ({"max_iter": 0}, ValueError, "'max_iter' parameter"),
    ],
)
def test_bad_parameters_are_named(shifted, parameters, error, message):
    with pytest.raises(error, match=message):
        DebiasedClassifier(**{"estimator": MultiTaskClassifier(**QUICK), **parameters}).fit(
            shifted.data, shifted.target
        )


def test_labels_that_a_frozen_network_does_not_know_are_named(shifted, trained):
    model = DebiasedClassifier(FrozenEstimator(trained))
    with pytest.raises(
        ValueError, match=r"names of the tasks of the frozen estimator. Missing: 'task_2'"
    ):
        model.fit(shifted.data, shifted.target[["task_0", "task_1"]])
    with pytest.raises(ValueError, match="one column for each of the 3 tasks"):
        model.fit(shifted.data, shifted.target.to_numpy()[:, :2])
    with pytest.raises(ValueError, match="'task_1' has the label 7"):
        model.fit(shifted.data, shifted.target.assign(task_1=7))


def test_an_unfitted_model_says_so(shifted):
    with pytest.raises(ValueError, match="not fitted"):
        DebiasedClassifier(MultiTaskClassifier()).predict(shifted.data)
    with pytest.raises(ValueError, match="not fitted"):
        DebiasedClassifier(FrozenEstimator(MultiTaskClassifier())).fit(shifted.data, shifted.target)


def test_rows_without_a_label_or_a_weight_change_nothing(shifted, trained):
    X, Y = shifted.data.to_numpy(), shifted.target.to_numpy().astype(float)
    wild = np.full((30, X.shape[1]), 1e4)
    plain = DebiasedClassifier(FrozenEstimator(trained)).fit(shifted.data, Y)
    frame = pd.DataFrame(np.vstack([X, wild]), columns=shifted.data.columns)
    unlabeled = DebiasedClassifier(FrozenEstimator(trained)).fit(
        frame, np.vstack([Y, np.full((30, 3), np.nan)])
    )
    weightless = DebiasedClassifier(FrozenEstimator(trained)).fit(
        frame, np.vstack([Y, np.ones((30, 3))]), sample_weight=np.repeat([1.0, 0.0], [1000, 30])
    )
    for model in (unlabeled, weightless):
        np.testing.assert_allclose(
            model.predict_proba(shifted.data)[0], plain.predict_proba(shifted.data)[0], atol=1e-5
        )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_labels_in_frames_of_other_libraries_match_tasks_by_name(shifted, trained, library):
    module = pytest.importorskip(library)
    Y = pd.DataFrame(np.asarray(shifted.target), columns=trained.task_names_)
    turned = Y[Y.columns[::-1]]
    turned = module.from_pandas(turned) if library == "polars" else module.Table.from_pandas(turned)
    frozen = FrozenEstimator(trained)
    expected, found = (
        DebiasedClassifier(frozen, max_iter=3, random_state=0).fit(shifted.data, y)
        for y in (Y, turned)
    )
    np.testing.assert_array_equal(found.spurious_, expected.spurious_)
    np.testing.assert_array_equal(found.predict(shifted.data), expected.predict(shifted.data))


@METHODS
def test_skops_saves_and_loads_it_with_types_of_skmtl_only(shifted, method):
    skops = pytest.importorskip("skops.io")
    model = DebiasedClassifier(
        MultiTaskClassifier(**QUICK), method=method, max_iter=3, random_state=0
    ).fit(shifted.data, shifted.target)
    for one in (model, model.detector_):
        saved = skops.dumps(one)
        types = skops.get_untrusted_types(data=saved)
        assert all(name.startswith("skmtl.") for name in types)
        again = skops.loads(saved, trusted=types)
        assert type(again) is type(one)
    np.testing.assert_array_equal(
        skops.loads(
            skops.dumps(model), trusted=skops.get_untrusted_types(data=skops.dumps(model))
        ).debiased_.predict(shifted.data),
        model.predict(shifted.data),
    )
