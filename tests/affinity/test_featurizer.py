import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.affinity.featurizer.catalogue import FEATURES
from skmtl.affinity.featurizer.components import pca_alignments, principal_components
from skmtl.affinity.featurizer.distances import compare_rows
from skmtl.affinity.featurizer.neighbors import share_of_other
from skmtl.affinity.featurizer.ranks import rank_divergence
from skmtl.affinity.featurizer.samples import merge_identical_rows
from skmtl.data import TaskSet


# ---------------------------------------------------------------------- an independent reference:
# one pair at a time, by definition
def naive_mean_distance(A, B):
    return np.mean([[np.sqrt(np.sum((a - b) ** 2)) for b in B] for a in A])


def naive_mean_cosine(A, B):
    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b) if a.any() and b.any() else 0.0

    return np.mean([[cosine(a, b) for b in B] for a in A])


def naive_components(A, k):
    C = (A - A.mean(0)).T @ (A - A.mean(0))
    values, vectors = np.linalg.eigh(C)
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
    return vectors * (values > 1e-12 * max(np.sum(A**2), 1e-300))


def naive_cross_links(A, B, n_neighbors):
    rows, task = np.concatenate([A, B]), np.repeat([0, 1], [len(A), len(B)])
    k, cross = min(n_neighbors, len(rows) - 1), 0.0
    for r, row in enumerate(rows):
        distance = np.sum((rows - row) ** 2, axis=1)
        others = np.arange(len(rows)) != r
        last = np.sort(distance[others])[k - 1]
        tied = others & np.isclose(distance, last, rtol=1e-9, atol=0)
        nearer = others & (distance < last) & ~tied
        foreign = task != task[r]
        cross += (nearer & foreign).sum() + (k - nearer.sum()) * (tied & foreign).sum() / tied.sum()
    return cross / (k * len(rows))


def naive_features(A, B, y, z, n_components=3, n_neighbors=5):
    n, m, p = len(A), len(B), A.shape[1]
    d_i, d_j, d = naive_mean_distance(A, A), naive_mean_distance(B, B), naive_mean_distance(A, B)
    k = min(n_components, n, m, p)
    ranks = rankdata(np.concatenate([A, B]), axis=0)

    def over(a, b):
        return a / b if b > 0 else 0.0

    return {
        "data_size": n + m,
        "data_ratio_target": n / (n + m),
        "data_ratio_source": m / (n + m),
        "size_gap": abs(n - m) / (n + m),
        "intra_distance_target": d_i,
        "intra_distance_source": d_j,
        "cross_distance": d,
        "intra_distance_gap": over(abs(d_i - d_j), d_i + d_j),
        "cross_distance_ratio": over(d, np.sqrt(d_i * d_j)),
        "cross_distance_fraction": over(d, d_i + d_j),
        "energy_distance": 2 * d - d_i - d_j,
        "mean_gap": np.linalg.norm(A.mean(0) - B.mean(0)),
        "cosine_similarity": naive_mean_cosine(A, B),
        "pca_alignment": np.abs(
            np.sum(naive_components(A, k) * naive_components(B, k), axis=0)
        ).sum()
        / k,
        "rank_divergence": np.abs(ranks[:n].mean(0) - ranks[n:].mean(0)).mean() / (n + m),
        "cross_link_ratio": naive_cross_links(A, B, n_neighbors),
        "label_std_target": np.std(y),
        "label_std_source": np.std(z),
        "label_mean_gap": abs(np.mean(y) - np.mean(z)),
    }


def assert_equals_naive(tasks, X, y, task, rtol=1e-9, atol=1e-12, **options):
    """All features of all pairs of `tasks`, whose encoded rows are X, against the reference."""
    featurizer = TaskRelationFeaturizer(tasks, **options).fit()
    names = {"n_components", "n_neighbors"} & set(options)
    got = pd.DataFrame(
        featurizer.transform(tasks.pairs()), columns=featurizer.get_feature_names_out()
    )
    for row, (i, j) in enumerate(tasks.pairs()):
        expected = naive_features(
            X[task == i],
            X[task == j],
            y[task == i],
            y[task == j],
            **{name: options[name] for name in names},
        )
        scale = np.abs(X).max()
        for name in got.columns:
            slack = atol * scale if name in ("energy_distance", "mean_gap") else atol
            np.testing.assert_allclose(
                got.loc[row, name],
                expected[name],
                rtol=rtol,
                atol=slack,
                err_msg=f"{name} of {i}, {j}",
            )


@pytest.fixture
def rng():
    return np.random.default_rng()


def draw(rng, sizes, p=4):
    task = rng.permutation(np.repeat([f"t{t}" for t in range(len(sizes))], sizes))
    return (
        rng.normal(size=(len(task), p)) + 0.5 * (task == "t0")[:, None],
        rng.normal(size=len(task)),
        task,
    )


def zscored(X):
    deviation = X.std(0)
    return (X - X.mean(0)) / np.where(deviation > 1e-12 * np.abs(X).max(), deviation, np.inf)


# ---------------------------------------------------------------------- every feature against its
# definition
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("standardize", [True, False])
def test_all_features_equal_their_definitions_for_random_tasks(rng, scale, standardize):
    X, y, task = draw(rng, [7, 12, 25, 4])
    X *= scale
    tasks = TaskSet.from_long(X, y, task)
    atol = 1e-12 if standardize else 1e-13
    assert_equals_naive(
        tasks, zscored(X) if standardize else X, y, task, atol=atol, standardize=standardize
    )


@pytest.mark.parametrize(("n_components", "n_neighbors"), [(1, 1), (2, 3), (10, 200)])
def test_all_features_equal_their_definitions_for_other_components_and_neighbours(
    rng, n_components, n_neighbors
):
    X, y, task = draw(rng, [6, 9, 8], p=5)
    tasks = TaskSet.from_long(X, y, task)
    assert_equals_naive(
        tasks,
        X,
        y,
        task,
        standardize=False,
        n_components=min(n_components, 5),
        n_neighbors=n_neighbors,
    )


def test_all_features_equal_their_definitions_with_duplicates_ties_and_constant_columns(rng):
    X, y, task = draw(rng, [8, 15, 11, 20], p=6)
    X[:, 1:4] = rng.integers(0, 3, size=(len(X), 3))
    X[:, 4] = 7.3
    X[::3] = X[rng.integers(0, len(X), size=len(X[::3]))]
    assert_equals_naive(TaskSet.from_long(X, y, task), zscored(X), y, task)


def test_cross_links_equal_their_definition_where_almost_all_distances_are_tied(rng):
    X = rng.integers(0, 2, size=(60, 3)).astype(float)
    task = np.repeat(["a", "b", "c"], [10, 30, 20])
    featurizer = TaskRelationFeaturizer(
        TaskSet.from_long(X, np.zeros(60), task), features=["cross_link_ratio"]
    ).fit()
    X = zscored(X)
    for i, j in ("ab", "bc", "ca"):
        np.testing.assert_allclose(
            featurizer.transform([[i, j]]),
            naive_cross_links(X[task == i], X[task == j], 5),
            rtol=1e-9,
        )


def test_categorical_columns_become_one_column_a_level_and_missing_numbers_the_pooled_mean(rng):
    n = 40
    frame = pd.DataFrame(
        {
            "number": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "whole": pd.array(rng.integers(0, 9, size=n), dtype="Int64"),
            "category": pd.Categorical(
                rng.choice(["u", "v", "w"], size=n), categories=["w", "v", "u", "never"]
            ),
            "text": rng.choice(["red", "green", "blue"], size=n),
            "flag": rng.random(n) < 0.5,
            "numbers": pd.Series([*rng.normal(size=n - 1), None], dtype=object),
            "gap": pd.Series([*["x", "y"] * (n // 2 - 1), None, np.nan], dtype=object),
        }
    )
    y, task = rng.normal(size=n), rng.permutation(np.repeat(["a", "b", "c"], [9, 11, 20]))
    filled = [
        frame[name].astype(float).fillna(frame[name].astype(float).mean())
        for name in ("number", "whole", "numbers")
    ]
    levels = [
        frame[name].astype(object) == level
        for name in ("category", "text", "flag")
        for level in frame[name].unique()
    ]
    levels += [frame["gap"] == "x", frame["gap"] == "y", frame["gap"].isna()]
    X = np.column_stack([*filled, *levels]).astype(float)
    assert_equals_naive(TaskSet.from_long(frame, y, task), zscored(X), y, task)
    assert_equals_naive(TaskSet.from_long(frame, y, task), X, y, task, standardize=False)


def test_wide_and_long_forms_of_the_same_data_give_the_same_features(rng):
    X = np.where(rng.random((30, 3)) < 0.1, np.nan, rng.normal(size=(30, 3)))
    Y = pd.DataFrame(
        np.where(rng.random((30, 3)) < 0.4, np.nan, rng.normal(size=(30, 3))), columns=list("abc")
    )
    wide = TaskSet.from_wide(X, Y)
    pairs = wide.pairs()
    expected = TaskRelationFeaturizer(TaskSet.from_long(*wide.to_long())).fit_transform(pairs)
    np.testing.assert_allclose(
        TaskRelationFeaturizer(wide).fit_transform(pairs), expected, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [False, True], ["x", "y", "z"]])
def test_classes_count_by_their_place_in_the_sorted_union(rng, labels):
    codes = np.r_[np.arange(len(labels)), rng.integers(0, len(labels), size=27 - len(labels))]
    task = np.repeat(["a", "b"], [12, 15])
    tasks = TaskSet.from_long(
        rng.normal(size=(27, 2)), np.array(labels)[codes], task, kind="classification"
    )
    got = TaskRelationFeaturizer(
        tasks, features=["label_std_target", "label_std_source", "label_mean_gap"]
    ).fit_transform([["a", "b"]])
    a, b = codes[:12], codes[12:]
    np.testing.assert_allclose(
        got, [[a.std(), b.std(), abs(a.mean() - b.mean())]], rtol=1e-12, atol=1e-15
    )


# ---------------------------------------------------------------------- by hand, and at the edges
def test_the_features_of_five_numbers_are_those_worked_by_hand():
    tasks = TaskSet.from_long(
        [[0.0], [2.0], [1.0], [3.0], [5.0]], [0.0, 2.0, 1.0, 1.0, 4.0], ["a", "a", "b", "b", "b"]
    )
    featurizer = TaskRelationFeaturizer(tasks, n_neighbors=1, standardize=False)
    got = dict(zip(FEATURES, featurizer.fit_transform([["a", "b"]])[0], strict=True))
    expected = {
        "data_size": 5,
        "data_ratio_target": 2 / 5,
        "data_ratio_source": 3 / 5,
        "size_gap": 1 / 5,
        "intra_distance_target": (0 + 2 + 2 + 0) / 4,
        "intra_distance_source": (2 + 4 + 2 + 2 + 4 + 2) / 9,
        "cross_distance": (1 + 3 + 5 + 1 + 1 + 3) / 6,
        "intra_distance_gap": (16 / 9 - 1) / (16 / 9 + 1),
        "cross_distance_ratio": (14 / 6) / np.sqrt(16 / 9),
        "cross_distance_fraction": (14 / 6) / (16 / 9 + 1),
        "energy_distance": 2 * 14 / 6 - 16 / 9 - 1,
        "mean_gap": 2,
        "cosine_similarity": 1 / 2,  # half of the cosines are 1, the row 0 has no direction
        "pca_alignment": 1,
        "rank_divergence": ((2 + 4 + 5) / 3 - (1 + 3) / 2) / 5,
        # nearest: 0 -> 1 (b); 2 -> 1 or 3 (b); 1 -> 0 or 2 (a); 3 -> 2 (a); 5 -> 3 (b, own)
        "cross_link_ratio": 4 / 5,
        "label_std_target": 1,
        "label_std_source": np.sqrt(2),
        "label_mean_gap": 1,
    }
    assert got == pytest.approx(expected, rel=1e-12)


def test_tasks_with_one_row_or_equal_rows_give_finite_features(rng):
    X = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 3.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    tasks = TaskSet.from_long(X, np.arange(6.0), ["one", "same", "other", "same", "same", "same"])
    for standardize in (True, False):
        features = pd.DataFrame(
            TaskRelationFeaturizer(tasks, standardize=standardize).fit_transform(tasks.pairs()),
            columns=FEATURES,
        )
        assert np.isfinite(features).all(axis=None)
        assert (
            features[
                [
                    "pca_alignment",
                    "cross_distance_ratio",
                    "cross_distance_fraction",
                    "intra_distance_gap",
                ]
            ]
            == 0
        ).all(axis=None)


def test_one_column_that_is_constant_gives_finite_features():
    tasks = TaskSet.from_long(np.full((6, 1), 0.1), np.zeros(6), list("aabbbb"))
    features = TaskRelationFeaturizer(
        tasks, features=["cross_distance", "cosine_similarity", "rank_divergence"]
    ).fit_transform([["a", "b"]])
    np.testing.assert_array_equal(features, [[0, 0, 0]])


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_standardised_features_do_not_depend_on_the_unit_of_a_column(rng, scale):
    X, y, task = draw(rng, [7, 12, 9])
    expected = TaskRelationFeaturizer(TaskSet.from_long(X, y, task)).fit_transform([["t0", "t1"]])
    np.testing.assert_allclose(
        TaskRelationFeaturizer(TaskSet.from_long(X * scale, y, task)).fit_transform([["t0", "t1"]]),
        expected,
        rtol=1e-9,
    )


def test_two_tasks_with_the_same_rows_are_at_distance_zero_and_fully_linked(rng):
    X = np.tile(rng.normal(size=(12, 3)), (2, 1))
    tasks = TaskSet.from_long(X, np.zeros(24), np.repeat(["a", "b"], 12))
    featurizer = TaskRelationFeaturizer(
        tasks,
        features=[
            "energy_distance",
            "mean_gap",
            "rank_divergence",
            "pca_alignment",
            "cross_link_ratio",
        ],
        n_neighbors=1,
    )
    np.testing.assert_allclose(
        featurizer.fit_transform([["a", "b"]]), [[0, 0, 0, 1, 1]], atol=1e-12
    )


def test_distances_stay_exact_between_close_rows_far_from_the_others(rng):
    far = rng.normal(size=(40, 3)) + 1e7 * np.repeat([[0.0], [1.0]], 20, axis=0)
    tasks = TaskSet.from_long(far, np.zeros(40), np.repeat(["a", "b"], 20))
    got = TaskRelationFeaturizer(
        tasks, standardize=False, features=["intra_distance_target", "cross_distance"]
    ).fit_transform([["b", "a"]])
    np.testing.assert_allclose(
        got,
        [[naive_mean_distance(far[20:], far[20:]), naive_mean_distance(far[:20], far[20:])]],
        rtol=1e-12,
    )


def test_only_target_and_source_features_tell_directions_apart(rng):
    X, y, task = draw(rng, [5, 9, 14])
    tasks = TaskSet.from_long(X, y, task)
    pairs = tasks.pairs()
    featurizer = TaskRelationFeaturizer(tasks).fit()
    there, back = featurizer.transform(pairs), featurizer.transform(pairs[:, ::-1])
    for c, name in enumerate(FEATURES):
        if name.endswith(("_target", "_source")):
            mirror = name[:-6] + ("source" if name.endswith("target") else "target")
            np.testing.assert_array_equal(there[:, c], back[:, FEATURES.index(mirror)])
        else:
            np.testing.assert_array_equal(there[:, c], back[:, c])


# ---------------------------------------------------------------------- invariances
def test_the_block_size_changes_nothing(rng):
    X = np.concatenate([rng.normal(size=(50, 3)), rng.integers(0, 2, size=(50, 3))])
    X, members = merge_identical_rows(X, list(np.split(rng.permutation(100), [20, 55])))
    distances, links = compare_rows(X, members, 5)
    assert rank_divergence(X, members, chunk_elements=1) == pytest.approx(
        rank_divergence(X, members), rel=1e-12
    )
    for block_elements in (1, 333, 5000):
        small_distances, small_links = compare_rows(X, members, 5, block_elements=block_elements)
        np.testing.assert_allclose(small_distances, distances, rtol=1e-12)
        np.testing.assert_allclose(small_links, links, rtol=1e-12)


def test_the_order_of_tasks_and_rows_does_not_matter(rng):
    X, y, task = draw(rng, [30, 9, 14])
    X[:, 0] = rng.integers(0, 2, size=len(X))
    tasks, order = TaskSet.from_long(X, y, task), rng.permutation(len(X))
    turned = tasks.subset(["t2", "t0", "t1"])
    expected = TaskRelationFeaturizer(tasks, max_samples=20, random_state=3).fit_transform(
        tasks.pairs()
    )
    np.testing.assert_allclose(
        TaskRelationFeaturizer(turned, max_samples=20, random_state=3).fit_transform(tasks.pairs()),
        expected,
        rtol=1e-9,
        atol=1e-12,
    )
    shuffled = TaskSet.from_long(X[order], y[order], task[order])
    expected = TaskRelationFeaturizer(tasks).fit_transform(tasks.pairs())
    np.testing.assert_allclose(
        TaskRelationFeaturizer(shuffled).fit_transform(tasks.pairs()),
        expected,
        rtol=1e-9,
        atol=1e-12,
    )


def test_a_pair_does_not_depend_on_the_other_tasks_without_standardisation(rng):
    X, y, task = draw(rng, [30, 9, 14, 22])
    tasks = TaskSet.from_long(X, y, task)
    options = {"standardize": False, "max_samples": 20, "random_state": 0}
    expected = TaskRelationFeaturizer(tasks, **options).fit_transform([["t1", "t3"]])
    np.testing.assert_allclose(
        TaskRelationFeaturizer(tasks.subset(["t1", "t3"]), **options).fit_transform([["t1", "t3"]]),
        expected,
        rtol=1e-9,
    )


def test_merged_rows_are_the_old_rows(rng):
    X = rng.integers(0, 2, size=(40, 3)) * rng.choice([-1.0, 1.0], size=(40, 3))
    members = [rng.integers(0, 40, size=15), rng.integers(0, 40, size=25)]
    points, merged = merge_identical_rows(X, members)
    assert len(np.unique(points, axis=0)) == len(points)
    for before, after in zip(members, merged, strict=True):
        assert sorted(map(tuple, X[before])) == sorted(map(tuple, points[after]))


def test_the_merge_of_two_lists_of_neighbours_counts_the_other_task():
    inf = np.inf
    own, other = np.array([[1.0, 4.0, 6.0]]), np.array([[2.0, 4.0, 4.0]])
    # k = 3 of {1, 4, 6, ...} and {2, 4, 4, 4}: 1 and 2 are in, one place for four at distance 4,
    # three of them of the other task
    np.testing.assert_allclose(
        share_of_other(own, np.array([3.0]), other, np.array([4.0])), [1 + 3 / 4]
    )
    assert (
        share_of_other(
            np.array([[1.0, inf]]), np.array([1.0]), np.array([[inf, inf]]), np.array([0.0])
        )
        == 0
    )


def test_components_that_do_not_exist_contribute_nothing(rng):
    line = rng.normal(size=(9, 1)) * np.array([[1.0, 1.0, 0.0]])
    components = np.stack([principal_components(line[:4], 3), principal_components(line[4:], 3)])
    aligned = pca_alignments(components, np.array([4, 5]), np.array([0]), np.array([1]))
    np.testing.assert_allclose(aligned, 1 / 3, rtol=1e-12)


# ---------------------------------------------------------------------- subsampling
def test_the_subsample_is_seeded_and_sizes_and_labels_count_all_rows(rng):
    X, y, task = draw(rng, [40, 25])
    tasks = TaskSet.from_long(X, y, task)

    def features(**options):
        return dict(
            zip(
                FEATURES,
                TaskRelationFeaturizer(tasks, **options).fit_transform([["t0", "t1"]])[0],
                strict=True,
            )
        )

    exact, drawn = features(), features(max_samples=10, random_state=1)
    assert drawn == features(max_samples=10, random_state=1)
    assert drawn["cross_distance"] != features(max_samples=10, random_state=2)["cross_distance"]
    assert drawn["cross_distance"] != exact["cross_distance"]
    assert {name for name in FEATURES if drawn[name] == exact[name]} >= {
        "data_size",
        "data_ratio_target",
        "size_gap",
        "label_std_source",
        "label_mean_gap",
    }
    assert features(max_samples=40, random_state=1) == exact == features(max_samples=10**9)


def test_the_global_random_state_is_not_touched(rng):
    X, y, task = draw(rng, [40, 25])
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    TaskRelationFeaturizer(TaskSet.from_long(X, y, task), max_samples=5, random_state=0).fit()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# ---------------------------------------------------------------------- scikit-learn
@pytest.fixture
def tasks(rng):
    X, y, task = draw(rng, [12, 8, 10, 5])
    return TaskSet.from_long(X, y, task)


def test_it_is_a_step_of_a_pipeline_and_can_be_cloned(tasks, rng):
    pairs, gains = tasks.pairs(), rng.normal(size=12)
    model = make_pipeline(TaskRelationFeaturizer(tasks), LinearRegression())
    assert model.fit(pairs, gains).predict(pairs[:5]).shape == (5,)
    twin = clone(model)
    assert twin[0].tasks is tasks
    np.testing.assert_array_equal(twin.fit(pairs, gains).predict(pairs), model.predict(pairs))
    assert model[0].get_params()["n_neighbors"] == 5


def test_it_pickles(tasks):
    featurizer = TaskRelationFeaturizer(tasks).fit()
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(featurizer)).transform(tasks.pairs()),
        featurizer.transform(tasks.pairs()),
    )


def test_set_output_gives_a_named_frame_with_the_index_of_the_pairs(tasks):
    pairs = pd.DataFrame(tasks.pairs(), columns=["target", "source"], index=range(100, 112))
    frame = TaskRelationFeaturizer(tasks).set_output(transform="pandas").fit_transform(pairs)
    assert list(frame.columns) == list(FEATURES)
    assert list(frame.index) == list(pairs.index)
    np.testing.assert_array_equal(
        frame, TaskRelationFeaturizer(tasks).fit_transform(tasks.pairs().tolist())
    )


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_alone_equals_the_feature_among_all(tasks, name):
    alone = TaskRelationFeaturizer(tasks, features=[name]).fit(None)
    assert alone.get_feature_names_out().tolist() == [name]
    every = TaskRelationFeaturizer(tasks).fit().transform(tasks.pairs())
    np.testing.assert_allclose(
        alone.transform(tasks.pairs())[:, 0], every[:, FEATURES.index(name)], rtol=1e-12, atol=1e-14
    )


def test_columns_come_in_the_order_asked_for_and_indicators_last(tasks):
    featurizer = TaskRelationFeaturizer(
        tasks, features=["size_gap", "data_size"], task_indicators=True
    )
    row = featurizer.fit_transform([["t2", "t0"]])[0]
    names = featurizer.get_feature_names_out().tolist()
    assert names == [
        "size_gap",
        "data_size",
        *(f"target={n}" for n in tasks.names),
        *(f"source={n}" for n in tasks.names),
    ]
    assert {name for name, value in zip(names[2:], row[2:], strict=True) if value == 1} == {
        "target=t2",
        "source=t0",
    }
    assert row[2:].sum() == 2
    assert TaskRelationFeaturizer(tasks, features=[], task_indicators=True).fit_transform(
        tasks.pairs()
    ).shape == (12, 8)


def test_names_may_be_given_as_the_ids_they_were_made_from(rng):
    tasks = TaskSet.from_long(rng.normal(size=(6, 2)), np.zeros(6), [7, 7, 7, 9, 9, 9])
    featurizer = TaskRelationFeaturizer(tasks).fit()
    np.testing.assert_array_equal(
        featurizer.transform([[7, 9]]), featurizer.transform([["7", "9"]])
    )


def test_no_pairs_give_no_rows(tasks):
    assert TaskRelationFeaturizer(tasks).fit().transform(np.empty((0, 2), dtype=object)).shape == (
        0,
        19,
    )


def test_a_single_task_can_be_fitted_but_has_no_pairs(rng):
    single = TaskSet.from_long(rng.normal(size=(6, 2)), np.zeros(6), list("aaaaaa"))
    featurizer = TaskRelationFeaturizer(single).fit()
    assert featurizer.transform(single.pairs()).shape == (0, 19)


# ---------------------------------------------------------------------- messages
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"features": "size_gap"},
            r"'features' parameter .* must be 'all', 'extended' or a list of names. Got 'size_gap'",
        ),
        ({"features": 3}, r"'features' parameter .* Got 3"),
        ({"features": ["size_gap", "charm"]}, r"unknown name 'charm'; the names are data_size, "),
        ({"features": ["size_gap", "size_gap"]}, r"Got 'size_gap' twice"),
        ({"features": []}, r"must not be empty unless task_indicators=True"),
        (
            {"n_components": 0},
            r"'n_components' parameter of TaskRelationFeaturizer must be an int in the range \[1, "
            r"inf\). Got 0 instead",
        ),
        ({"n_neighbors": -2}, r"'n_neighbors' .* Got -2 instead"),
        ({"max_samples": 0}, r"'max_samples' .* Got 0 instead"),
    ],
)
def test_a_parameter_out_of_range_is_named(tasks, options, message):
    with pytest.raises(ValueError, match=message):
        TaskRelationFeaturizer(tasks, **options).fit()


@pytest.mark.parametrize(
    "options",
    [
        {"n_components": 2.0},
        {"n_neighbors": True},
        {"max_samples": None},
        {"standardize": "yes"},
        {"task_indicators": 1},
    ],
)
def test_a_parameter_of_the_wrong_type_is_named(tasks, options):
    with pytest.raises(
        TypeError, match=rf"'{next(iter(options))}' parameter of TaskRelationFeaturizer must be"
    ):
        TaskRelationFeaturizer(tasks, **options).fit()


def test_tasks_must_be_a_non_empty_task_set(tasks):
    with pytest.raises(TypeError, match=r"must be a TaskSet\. Got ndarray instead"):
        TaskRelationFeaturizer(np.zeros((3, 2))).fit()
    with pytest.raises(ValueError, match="at least one task"):
        TaskRelationFeaturizer(tasks.subset([])).fit()


def test_infinite_inputs_and_dates_raise_and_name_the_column():
    frame = pd.DataFrame({"u": [1.0, 2.0, np.inf, 3.0]})
    with pytest.raises(ValueError, match="task 'b' contains infinity in column 'u'"):
        TaskRelationFeaturizer(TaskSet.from_long(frame, np.zeros(4), list("aabb"))).fit()
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=4)})
    with pytest.raises(ValueError, match="Column 'day' of X has dtype datetime64"):
        TaskRelationFeaturizer(TaskSet.from_long(frame, np.zeros(4), list("aabb"))).fit()


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([["t0", "nobody"]], "Task 'nobody' in X is not one of the 4 tasks"),
        ([["t0", "t1"], ["t2", "t2"]], "Pair 1 of X has task 't2' as target and as source"),
        ([["t0", "t1", "t2"]], r"X must have shape \(m, 2\).* Got shape \(1, 3\)"),
        (["t0", "t1"], r"X must have shape \(m, 2\)"),
        (None, r"X must have shape \(m, 2\)"),
    ],
)
def test_bad_pairs_raise_and_name_the_task(tasks, pairs, message):
    with pytest.raises(ValueError, match=message):
        TaskRelationFeaturizer(tasks).fit().transform(pairs)


# ---------------------------------------------------------------------- work for some pairs only
def test_one_pair_has_the_same_features_alone_as_among_all_pairs(rng):
    X, y, task = draw(rng, [7, 12, 25, 4, 30])
    tasks = TaskSet.from_long(np.round(X, 1), y, task)
    pairs = tasks.pairs()
    together = TaskRelationFeaturizer(tasks, features="extended").fit().transform(pairs)
    for row in rng.permutation(len(pairs))[:6]:
        one = TaskRelationFeaturizer(tasks, features="extended").fit()
        np.testing.assert_allclose(
            one.transform(pairs[row : row + 1])[0], together[row], rtol=1e-10, atol=1e-13
        )


def test_pairs_that_are_asked_for_twice_are_measured_once(rng, monkeypatch):
    X, y, task = draw(rng, [7, 12, 25, 4, 30])
    tasks = TaskSet.from_long(X, y, task)
    calls = []

    def counted(points, members, *more, **settings):
        calls.append(len(members))
        return compare_rows(points, members, *more, **settings)

    monkeypatch.setattr("skmtl.affinity.featurizer.measured.compare_rows", counted)
    featurizer = TaskRelationFeaturizer(tasks).fit()
    assert not calls
    first = featurizer.transform(tasks.pairs()[:1])
    assert calls == [2]
    again = featurizer.transform(tasks.pairs()[[0, 4]])  # the second is the first in reverse
    assert calls == [2]
    np.testing.assert_array_equal(first[0], again[0])
    everything = featurizer.transform(tasks.pairs())
    assert calls == [2, 5]
    np.testing.assert_array_equal(everything, featurizer.transform(tasks.pairs()))


def test_memory_grows_with_the_pairs_that_are_asked_for_not_with_all_pairs(rng):
    n_tasks = 2_000
    X = rng.normal(size=(2 * n_tasks, 2))
    tasks = TaskSet.from_long(X, X[:, 0], np.arange(2 * n_tasks) % n_tasks)
    featurizer = TaskRelationFeaturizer(tasks, features="extended")
    tracemalloc.start()
    featurizer.fit().transform([["0", "1"], ["5", "2"]])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n_tasks**2 / 2
