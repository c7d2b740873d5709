"""Everything that can be fitted here is stored by skops with types of skmtl only."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone

from skmtl import MultiTaskRegressor, PairwiseGainRegressor, TaskGrouper, TaskRelationFeaturizer
from skmtl.affinity import (
    EnsembleAffinity,
    GradientTaskAffinity,
    HigherOrderAffinity,
    LinearSurrogate,
    TaggingAffinity,
)
from skmtl.data import TaskSet

NETWORK = MultiTaskRegressor((4,), n_members=1, max_iter=2, early_stopping=False)


def stored(fitted):
    """What comes back from a file, after a look at the types in it."""
    content = skops.io.dumps(fitted)
    types = skops.io.get_untrusted_types(data=content)
    assert [name for name in types if not name.startswith("skmtl.")] == []
    return skops.io.loads(content, trusted=types)


def make_tasks(rng, form):
    X = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    if form == "mixed":
        city = rng.choice(["Rome", "Oslo"], 80)
        X = X.assign(
            city=pd.Categorical(np.where(X["a"] > 1, None, city), ["Oslo", "Bonn", "Rome"]),
            text=np.where(X["b"] > 1, None, city),
            count=pd.array(np.where(X["a"] > 0, 3, 7), dtype="Int64"),
            open=X["b"] > 0,
        )
    return TaskSet.from_long(
        X.to_numpy() if form == "array" else X, rng.normal(size=80), np.arange(80) % 4
    )


@pytest.mark.parametrize("form", ["array", "frame", "mixed"])
def test_a_featurizer_keeps_its_tasks_and_features(rng, form):
    tasks = make_tasks(rng, form)
    for fitted in (False, True):
        featurizer = TaskRelationFeaturizer(tasks, features="extended", random_state=0)
        loaded = stored(featurizer.fit() if fitted else featurizer)
        again = loaded if fitted else loaded.fit()
        np.testing.assert_array_equal(
            again.transform(tasks.pairs()), featurizer.fit().transform(tasks.pairs())
        )
        if form != "array":
            pd.testing.assert_frame_equal(loaded.tasks.X, tasks.X)


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("alpha", ["cv", "reml"])
def test_a_gain_regressor_predicts_the_same(rng, degree, alpha):
    X = pd.DataFrame(rng.normal(size=(30, 3)), columns=["a", "b", "c"])
    model = PairwiseGainRegressor(degree=degree, alpha=alpha).fit(X, rng.normal(size=30))
    np.testing.assert_array_equal(stored(model).predict(X), model.predict(X))


@pytest.mark.parametrize(
    "estimate",
    [
        TaggingAffinity(),
        GradientTaskAffinity(n_dimensions=4, n_subsets=4),
        LinearSurrogate(n_groups=4),
        HigherOrderAffinity(),
        EnsembleAffinity(pair_fraction=0.9, n_knots=3),
    ],
    ids=lambda estimate: type(estimate).__name__,
)
def test_an_affinity_predicts_groups_as_before(rng, estimate):
    tasks = make_tasks(rng, "frame")
    fitted = clone(estimate).set_params(estimator=NETWORK, random_state=0).fit(tasks)
    groups = [tasks.names[:3], tasks.names[2:]]
    pd.testing.assert_frame_equal(
        stored(fitted).predict_groups(groups), fitted.predict_groups(groups)
    )


@pytest.mark.parametrize("method", ["beam", "sdp", "spectral", "exhaustive"])
def test_a_grouper_keeps_its_groups(rng, method):
    names = list("abcde")
    gains = pd.DataFrame(rng.normal(size=(5, 5)), index=names, columns=names)
    grouper = TaskGrouper(method, n_groups=2).fit(gains)
    assert stored(grouper).groups_ == grouper.groups_
