"""Saved estimators know the versions they were saved with, whatever saves them."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import dataclass

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_dict_unchanged, check_estimators_pickle
from sklearn.utils.validation import check_is_fitted, validate_data

from skmtl.support.state import VersionedState, VersionMismatchWarning, running_versions


@dataclass(frozen=True)
class Shape:
    sizes: tuple[int, ...]
    names: dict[str, float]


class Mean(VersionedState, RegressorMixin, BaseEstimator):
    """Predicts the mean of the targets; keeps one value of every type that our fitted estimators
    keep.
    """

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        X, y = validate_data(self, X, y, y_numeric=True)
        self.mean_ = np.atleast_1d(y.mean(axis=0) + self.shift)
        self.members_ = [[np.ones((2, 3)), np.zeros(0, dtype=np.float32)]]
        self.history_ = [{"iteration": 1, "loss": 0.5}]
        self.shape_ = Shape((3, 1), {"a": 1.5})
        self.scaler_ = StandardScaler().fit(X)
        return self

    def predict(self, X):
        check_is_fitted(self)
        return np.repeat(self.mean_, len(validate_data(self, X, reset=False)))


@pytest.fixture
def fitted(rng):
    return Mean(shift=0.25).fit(rng.normal(size=(20, 3)), rng.normal(size=20))


def altered(estimator, **versions):
    """The pickle of an estimator that was saved with other versions (None: no such entry)."""
    state = estimator.__getstate__()
    recorded = {**state["_versions"], **versions}
    state["_versions"] = {
        name: version for name, version in recorded.items() if version is not None
    }
    return _Restored(type(estimator), state)


class _Restored:
    """Pickles to an estimator of a given state."""

    def __init__(self, cls, state):
        self.cls, self.state = cls, state

    def __reduce__(self):
        return self.cls, (), self.state


def same(left, right):
    return (
        left.get_params() == right.get_params()
        and vars(left).keys() == vars(right).keys()
        and np.array_equal(left.mean_, right.mean_)
    )


def through_joblib(estimator, folder):
    joblib.dump(estimator, folder / "estimator.joblib")
    return joblib.load(folder / "estimator.joblib", mmap_mode="r")


def through_skops(estimator, folder):
    skops.io.dump(estimator, folder / "estimator.skops")
    return skops.io.load(
        folder / "estimator.skops",
        trusted=skops.io.get_untrusted_types(file=folder / "estimator.skops"),
    )


ROUND_TRIPS = {
    "pickle": lambda estimator, _: pickle.loads(pickle.dumps(estimator)),
    "joblib, memory-mapped": through_joblib,
    "skops": through_skops,
    "copy": lambda estimator, _: copy.copy(estimator),
    "deepcopy": lambda estimator, _: copy.deepcopy(estimator),
}


@pytest.mark.parametrize("way", ROUND_TRIPS)
def test_a_fitted_estimator_comes_back_equal_and_without_a_warning(fitted, tmp_path, way, rng):
    again = ROUND_TRIPS[way](fitted, tmp_path)
    assert same(again, fitted)
    assert again.shape_ == fitted.shape_
    assert again.history_ == fitted.history_
    X = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


@pytest.mark.parametrize("way", ROUND_TRIPS)
def test_an_estimator_before_fit_comes_back_with_its_parameters(tmp_path, way):
    again = ROUND_TRIPS[way](Mean(shift=2.0), tmp_path)
    assert vars(again) == {"shift": 2.0}


def test_the_versions_are_in_the_state_and_not_among_the_attributes(fitted):
    before = dict(vars(fitted))
    state = fitted.__getstate__()
    assert state["_versions"] == running_versions()
    assert vars(fitted) == before
    assert "_versions" not in vars(pickle.loads(pickle.dumps(fitted)))


def test_the_recorded_versions_are_plain_strings_of_what_runs():
    import sklearn
    import torch

    import skmtl

    expected = {
        "skmtl": skmtl.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": str(torch.__version__),
    }
    assert running_versions() == expected
    assert {type(version) for version in running_versions().values()} == {str}


def test_loading_with_another_skmtl_warns_with_the_estimator_and_both_versions(fitted):
    with pytest.warns(VersionMismatchWarning) as caught:
        again = pickle.loads(pickle.dumps(altered(fitted, skmtl="0.0.7", numpy="1.26.4")))
    message = str(caught[0].message)
    assert len(caught) == 1
    assert message.startswith(
        "Mean was saved with skmtl 0.0.7, numpy 1.26.4 and is loaded with skmtl "
        f"{running_versions()['skmtl']}, numpy {np.__version__}. "
    )
    assert isinstance(caught[0].message, InconsistentVersionWarning)
    assert same(again, fitted)


def test_loading_through_skops_with_another_skmtl_warns_too(fitted, monkeypatch):
    monkeypatch.setattr("skmtl.__version__", "0.0.7")
    saved = skops.io.dumps(fitted)
    monkeypatch.undo()
    with pytest.warns(VersionMismatchWarning, match=r"saved with skmtl 0\.0\.7 and is loaded"):
        skops.io.loads(saved, trusted=skops.io.get_untrusted_types(data=saved))


@pytest.mark.parametrize("name", ["numpy", "scikit-learn", "torch"])
def test_only_another_major_version_of_the_other_packages_warns(fitted, name):
    major = running_versions()[name].split(".")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(altered(fitted, **{name: f"{major}.0.0rc1"})))
    with pytest.warns(VersionMismatchWarning, match=f"saved with {name} 0.1"):
        pickle.loads(pickle.dumps(altered(fitted, **{name: "0.1"})))


@pytest.mark.parametrize("recorded", [None, {}, "1.0", {"skmtl": None}, {"polars": "1.0"}])
def test_a_state_without_versions_or_with_unknown_ones_loads_silently(fitted, recorded):
    state = {**fitted.__getstate__(), "_versions": recorded}
    assert same(pickle.loads(pickle.dumps(_Restored(Mean, state))), fitted)
    state.pop("_versions")
    assert same(pickle.loads(pickle.dumps(_Restored(Mean, state))), fitted)


def test_setting_a_state_leaves_the_given_dict_alone(fitted):
    state = fitted.__getstate__()
    Mean().__setstate__(state)
    assert "_versions" in state


def test_every_estimator_inside_another_keeps_its_own_versions(fitted):
    pipeline = make_pipeline(StandardScaler(), fitted)
    assert same(pickle.loads(pickle.dumps(pipeline))[-1], fitted)
    with pytest.warns(VersionMismatchWarning):
        pickle.loads(pickle.dumps([altered(fitted, skmtl="0.0.7"), fitted]))


def test_a_clone_has_the_parameters_and_nothing_else(fitted):
    assert vars(clone(fitted)) == {"shift": 0.25}


def test_skops_asks_to_trust_our_own_classes_only(fitted):
    asked = skops.io.get_untrusted_types(data=skops.io.dumps(fitted))
    assert asked == sorted([f"{__name__}.Mean", f"{__name__}.Shape"])


@pytest.mark.parametrize("readonly_memmap", [False, True])
def test_the_checks_of_scikit_learn_about_state_pass(readonly_memmap):
    check_dict_unchanged("Mean", Mean())
    check_estimators_pickle("Mean", Mean(), readonly_memmap=readonly_memmap)
