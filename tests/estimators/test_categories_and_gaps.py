"""Estimators on tables with categories and missing numbers: how columns are declared, and what is
unseen or missing.
"""

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.estimators.input_reader import InputReader

SMALL = {
    "hidden_layer_sizes": (6,),
    "learning_rate_init": 0.02,
    "max_iter": 5,
    "batch_size": 16,
    "n_members": 2,
    "random_state": 0,
}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]
TOWNS = np.array(["Bonn", "Oslo", "Rome"])
N = 60


@pytest.fixture
def towns(rng):
    """A number, a town of category dtype and the code of the town as a number."""
    town = rng.permutation(np.arange(N) % 3)
    return pd.DataFrame(
        {"age": rng.normal(size=N), "town": pd.Categorical(TOWNS[town]), "code": town * 1.5}
    )


@pytest.fixture
def y(towns, rng):
    return towns["age"].to_numpy() + towns["code"].to_numpy() + 0.1 * rng.normal(size=N)


def output(model, X):
    return model.predict_proba(X) if isinstance(model, MultiTaskClassifier) else model.predict(X)


def fitted(kind, X, y, **settings):
    return kind(**SMALL | settings).fit(X, y > np.median(y) if kind is MultiTaskClassifier else y)


# ---------------------------------------------------------------- unseen and missing levels
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("embedding_dim", ["auto", 4])
def test_unseen_and_missing_levels_are_one_level_of_their_own(kind, embedding_dim, towns, y):
    model = fitted(kind, towns, y, embedding_dim=embedding_dim)
    one = towns.iloc[[0] * 5].assign(town=["Paris", None, "Bonn", "Oslo", "Rome"])
    found = output(model, one.assign(town=one["town"].astype("category")))
    np.testing.assert_array_equal(found[0], found[1])
    assert len(np.unique(found[1:].reshape(4, -1)[:, 0])) == 4
    np.testing.assert_array_equal(
        found, output(model, one)
    )  # strings in a column that is known to hold categories


def test_the_vector_of_the_unknown_is_zero_where_training_never_met_it_and_learned_where_it_did(
    towns, y
):
    settings = {"embedding_dim": 4, "alpha": 0.0}
    assert not any(
        member[0][0].any() for member in fitted(MultiTaskRegressor, towns, y, **settings).members_
    )
    gappy = towns.assign(town=towns["town"].where(np.arange(N) % 5 > 0))
    assert all(
        member[0][0].all() for member in fitted(MultiTaskRegressor, gappy, y, **settings).members_
    )


def test_a_missing_level_can_be_told_from_the_others(rng):
    town = rng.permutation(np.arange(120) % 3)
    X = pd.DataFrame(
        {
            "noise": rng.normal(size=120),
            "town": pd.Categorical(np.where(town == 0, None, TOWNS[town])),
        }
    )
    y = np.array([5.0, 0.0, 1.0])[town]
    for embedding_dim in ("auto", 2):
        model = fitted(
            MultiTaskRegressor, X, y, embedding_dim=embedding_dim, max_iter=150, alpha=0.0
        )
        assert model.predict(X)[town == 0].mean() == pytest.approx(5.0, abs=0.5)


# ---------------------------------------------------------------- what is embedded
def test_auto_writes_sixteen_levels_out_and_embeds_seventeen(rng):
    levels = rng.permutation(np.arange(68))
    X = pd.DataFrame(
        {
            "small": pd.Categorical(levels % 16),
            "large": pd.Categorical(levels % 17),
            "flag": pd.Categorical(levels % 2),
        }
    )
    reader = InputReader.learn(X)
    assert (reader.written_out, reader.embedded, reader.n_inputs) == ([0, 2], [1], 18)
    assert reader.embeddings == ((18, 7),)  # 1.6 * sqrt(18)
    numeric, codes = reader.read(X)
    np.testing.assert_array_equal(
        numeric,
        np.column_stack(
            [levels[:, None] % 16 == np.arange(16), levels[:, None] % 2 == np.arange(2)]
        ),
    )
    np.testing.assert_array_equal(codes, levels[:, None] % 17 + 1)
    whole = InputReader.learn(X, embedding_dim=3)
    assert (whole.written_out, whole.embeddings, whole.n_inputs) == (
        [],
        ((17, 3), (18, 3), (3, 3)),
        0,
    )
    assert whole.read(X)[0].shape == (68, 0)


@pytest.mark.parametrize(("n_levels", "width"), [(17, 7), (40, 10), (99, 16), (500, 16)])
def test_the_width_of_an_embedding_grows_with_the_root_of_its_levels_up_to_sixteen(n_levels, width):
    assert InputReader.learn(
        pd.DataFrame({"c": pd.Categorical(np.arange(n_levels))})
    ).embeddings == ((n_levels + 1, width),)


def test_a_table_of_categories_alone_is_enough(rng):
    town = rng.permutation(np.arange(N) % 3)
    X = pd.DataFrame({"town": pd.Categorical(TOWNS[town])})
    for settings in ({"embedding_dim": 2}, {"embedding_dim": 2, "hidden_layer_sizes": ()}, {}):
        model = fitted(
            MultiTaskRegressor, X, np.array([0.0, 1.0, 4.0])[town], max_iter=150, **settings
        )
        np.testing.assert_allclose(
            model.predict(X.iloc[[*(int(np.flatnonzero(town == k)[0]) for k in range(3))]]),
            [0, 1, 4],
            atol=0.7,
        )


@pytest.mark.parametrize("embedding_dim", ["auto", 2])
def test_names_of_levels_do_not_matter_but_their_order_of_code(embedding_dim, towns, y):
    renamed = towns.assign(
        town=towns["town"].cat.rename_categories({"Bonn": 10, "Oslo": 20, "Rome": 30})
    )
    np.testing.assert_array_equal(
        *(
            fitted(MultiTaskRegressor, X, y, embedding_dim=embedding_dim).predict(X)
            for X in (towns, renamed)
        ),
    )


# ---------------------------------------------------------------- how columns are declared
@pytest.mark.parametrize("embedding_dim", ["auto", 3])
@pytest.mark.parametrize(
    "declared", [["town"], [1], [-2], [False, True, False], ["town", 1]], ids=str
)
def test_a_column_declared_by_name_position_or_mask_is_that_of_category_dtype(
    declared, embedding_dim, towns, y
):
    expected = fitted(MultiTaskRegressor, towns, y, embedding_dim=embedding_dim).predict(towns)
    plain = towns.assign(town=towns["town"].astype(str))
    found = fitted(
        MultiTaskRegressor, plain, y, categorical_features=declared, embedding_dim=embedding_dim
    ).predict(plain)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize("how", ["name", "position", "from the end", "mask"])
def test_in_long_form_positions_count_the_task_column(position, how, towns, y, rng):
    task = np.r_[0, 1, rng.integers(2, size=N - 2)]
    typed = towns.copy()
    typed.insert(position, "school", np.array(["elm", "oak"])[task])
    expected = fitted(MultiTaskRegressor, typed, y, task_column="school").predict(typed)
    plain = typed.assign(town=typed["town"].astype(str))
    where = plain.columns.get_loc("town")
    declared = {
        "name": ["town"],
        "position": [where],
        "from the end": [where - 4],
        "mask": [name == "town" for name in plain.columns],
    }[how]
    model = fitted(
        MultiTaskRegressor, plain, y, task_column="school", categorical_features=declared
    )
    np.testing.assert_array_equal(model.predict(plain), expected)
    for task_column in (position, position - 4):
        again = fitted(
            MultiTaskRegressor, plain, y, task_column=task_column, categorical_features=declared
        )
        np.testing.assert_array_equal(again.predict(plain), expected)


def test_in_long_form_a_column_of_an_array_is_declared_by_its_position_in_the_whole(towns, y, rng):
    task = np.r_[0, 1, rng.integers(2, size=N - 2)]
    array = np.column_stack([task, towns["age"], towns["code"]])
    frame = pd.DataFrame({"task": task, "age": towns["age"], "code": pd.Categorical(towns["code"])})
    expected = fitted(MultiTaskRegressor, frame, y, task_column=0, embedding_dim=3).predict(frame)
    found = fitted(
        MultiTaskRegressor, array, y, task_column=0, embedding_dim=3, categorical_features=[2]
    ).predict(array)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="categorical_features holds the task column"):
        fitted(MultiTaskRegressor, array, y, task_column=0, categorical_features=[0])


def test_numbers_are_categories_only_where_they_are_declared(towns, y):
    numbers = towns[["age", "code"]]
    assert fitted(MultiTaskRegressor, numbers, y, embedding_dim=2).members_[0][0].shape == (
        6,
        2,
    )  # the first weight
    assert fitted(
        MultiTaskRegressor, numbers, y, embedding_dim=2, categorical_features=["code"]
    ).members_[0][0].shape == (4, 2)  # three levels and none
    with pytest.raises(ValueError, match="could not convert string to float"):
        fitted(MultiTaskRegressor, towns, y, categorical_features=None)


# ---------------------------------------------------------------- missing numbers
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("form", ["array", "frame", "long"])
def test_a_missing_number_is_the_mean_and_a_sign_that_it_is_missing(kind, form, rng):
    X = rng.normal(size=(N, 3))
    y = X[:, 0] + X[:, 1]
    holes = rng.random((N, 3)) < 0.3
    holes[0], holes[:, 2] = [True, False, False], False
    gappy = np.where(holes, np.nan, X)
    filled = np.where(holes, np.nanmean(gappy, axis=0), X)
    # Columns that do not vary otherwise: the scale must be that of the known values, so the filled
    # table is scaled by hand.
    scaled = np.column_stack(
        [(filled - np.nanmean(gappy, axis=0)) / np.nanstd(gappy, axis=0), holes[:, :2]]
    )
    settings = {"dtype": "float64"}
    if form == "long":
        task = np.r_[0, 1, rng.integers(2, size=N - 2)]
        gappy, scaled = np.column_stack([task, gappy]), np.column_stack([task, scaled])
        settings["task_column"] = 0
    elif form == "frame":
        gappy = pd.DataFrame(gappy, columns=list("abc")).astype("Float64")
    found = output(fitted(kind, gappy, y, **settings), gappy)
    np.testing.assert_allclose(
        found, output(fitted(kind, scaled, y, **settings, standardize=False), scaled), atol=1e-7
    )


@pytest.mark.parametrize("kind", BOTH)
def test_a_number_that_is_first_missing_at_predict_is_the_mean(kind, rng):
    X = rng.normal(size=(N, 3))
    model = fitted(kind, X, X[:, 0])
    gappy, mean = X.copy(), X.copy()
    gappy[::2, 1], mean[::2, 1] = np.nan, X[:, 1].mean()
    np.testing.assert_allclose(output(model, gappy), output(model, mean), atol=1e-9)
    assert np.isfinite(output(model, np.full((2, 3), np.nan))).all()


def test_a_gap_that_tells_the_target_is_learned(rng):
    X = rng.normal(size=(120, 2))
    y = np.where(np.arange(120) % 4 == 0, 3.0, 0.0)
    X[::4, 0] = np.nan
    model = fitted(MultiTaskRegressor, X, y, max_iter=100)
    assert model.predict(X)[::4].mean() > 2
    assert abs(model.predict(X)[1::4].mean()) < 0.7
