import numpy as np
import pytest

from skmtl.datasets import make_grouped_tasks
from skmtl.datasets.grouped_tasks import expected_gains


def simulated_gains(bunch, rows):
    """Mean test error over disjoint blocks of rows: relative drop of a pooled least-squares fit, by
    plain simulation.
    """
    names = bunch.task_set.names
    X = [np.column_stack([np.ones(len(task)), task.X.to_numpy()]) for task in bunch.task_set]
    y = [task.y.astype(float) for task in bunch.task_set]
    blocks = [slice(start, start + rows) for start in range(0, len(y[0]) // 2, rows)]
    test = slice(len(y[0]) // 2, None)

    def error(i, others):
        errors = []
        for block in blocks:
            theta, *_ = np.linalg.lstsq(
                np.vstack([X[k][block] for k in others]),
                np.concatenate([y[k][block] for k in others]),
                rcond=None,
            )
            errors.append(np.mean((y[i][test] - X[i][test] @ theta) ** 2))
        return np.mean(errors)

    alone = np.array([error(i, [i]) for i in range(len(names))])
    together = np.array(
        [
            [error(i, [i, j]) if i != j else alone[i] for j in range(len(names))]
            for i in range(len(names))
        ]
    )
    return 1 - together / alone[:, None]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": "classification"},
        {"n_harmful": 2, "noise": 1.0},
        {"input_shift": 0.0, "group_spread": 0.3},
    ],
    ids=str,
)
def test_pooled_least_squares_gains_for_helpful_pairs_and_loses_for_harmful_ones(options):
    settings = {"n_tasks": 6, "n_groups": 2, "n_features": 5, "random_state": 3, **options}
    truth = make_grouped_tasks(n_samples=60, **settings)
    many = make_grouped_tasks(n_samples=24_000, **settings)
    np.testing.assert_array_equal(truth.coef, many.coef)
    measured = simulated_gains(many, rows=60)
    position = {name: t for t, name in enumerate(truth.task_set.names)}
    clear = np.abs(truth.expected_gain.to_numpy()) > 0.005
    for pairs, sign in ((truth.helpful_pairs, 1), (truth.harmful_pairs, -1)):
        assert len(pairs) > 0
        cells = [(position[target], position[source]) for target, source in pairs]
        assert all(sign * measured[cell] > 0 for cell in cells if clear[cell])
    np.testing.assert_allclose(measured, truth.expected_gain, rtol=0.12, atol=0.015)


def test_helpful_pairs_are_those_inside_groups_by_default():
    bunch = make_grouped_tasks(random_state=0)
    inside = {(a, b) for group in bunch.groups for a in group for b in group if a != b}
    assert {tuple(pair) for pair in bunch.helpful_pairs} == inside
    assert len(bunch.harmful_pairs) + len(bunch.helpful_pairs) == len(bunch.task_set.pairs())


def test_groups_and_labels_say_the_same():
    bunch = make_grouped_tasks(n_tasks=11, n_groups=3, n_harmful=4, random_state=0)
    names = bunch.task_set.names
    assert [
        [names[t] for t in np.flatnonzero(bunch.labels == g)] for g in range(len(bunch.groups))
    ] == bunch.groups
    assert sorted(name for group in bunch.groups for name in group) == sorted(names)


def test_harmful_tasks_look_like_the_group_that_they_contradict():
    bunch = make_grouped_tasks(
        n_tasks=11, n_groups=3, n_harmful=4, group_spread=0.1, random_state=0
    )
    for t in np.flatnonzero(bunch.contradicts >= 0):
        for k in np.flatnonzero(bunch.labels == bunch.contradicts[t]):
            np.testing.assert_array_equal(bunch.centers[t], bunch.centers[k])
            assert bunch.coef[t] @ bunch.coef[k] < -0.97
    assert (bunch.contradicts >= 0).sum() == 4
    twins = np.flatnonzero(bunch.contradicts == 0)
    assert bunch.coef[twins[0]] @ bunch.coef[twins[1]] > 0.97


def test_directions_of_groups_are_orthogonal_unit_vectors():
    bunch = make_grouped_tasks(group_spread=0.0, random_state=1)
    np.testing.assert_allclose(bunch.coef[:3] @ bunch.coef[:3].T, np.eye(3), atol=1e-12)


def test_sizes_are_drawn_from_the_range_and_rows_stand_task_after_task():
    bunch = make_grouped_tasks(n_samples=(20, 40), random_state=0)
    sizes = bunch.task_set.sizes
    assert 20 <= sizes.min() < sizes.max() <= 40
    assert bunch.data.shape == (sizes.sum(), 10)
    assert bunch.task.tolist() == np.repeat(bunch.task_set.names, sizes).tolist()
    assert bunch.task_set.feature_names_in_.tolist() == bunch.feature_names


def test_targets_with_too_few_rows_have_no_truth():
    bunch = make_grouped_tasks(n_samples=12, n_features=10, random_state=0)
    assert bunch.expected_gain.isna().all().all()
    assert bunch.helpful_pairs.shape == bunch.harmful_pairs.shape == (0, 2)


def test_expected_gain_of_twins_is_the_drop_of_the_textbook_variance():
    slopes, p, n = np.array([[1.0, 0.0], [1.0, 0.0]]), 2, 30
    gain = expected_gains(slopes, np.zeros((2, 2)), np.array([n, n]), residual=1.0)
    alone, together = 1 + (p + 1) / (n - p - 2), 1 + (p + 1) / (2 * n - p - 2)
    np.testing.assert_allclose(gain, [[0, 1 - together / alone], [1 - together / alone, 0]])


def test_classification_gives_both_classes_as_integers():
    bunch = make_grouped_tasks(kind="classification", random_state=0)
    assert bunch.target.dtype == "int64"
    assert (bunch.target.groupby(bunch.task).nunique() == 2).all()
    assert bunch.task_set.kind == "classification"


def test_one_seed_gives_one_data_set_and_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (make_grouped_tasks(random_state=seed) for seed in (7, 7, 8))
    unseeded, unseeded_again = make_grouped_tasks(), make_grouped_tasks()
    assert first.data.equals(again.data)
    assert first.target.equals(again.target)
    assert not first.data.equals(other.data)
    assert not unseeded.data.equals(unseeded_again.data)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_noiseless_linear_tasks_are_fitted_exactly():
    bunch = make_grouped_tasks(noise=0.0, nonlinearity=0.0, random_state=0)
    task = bunch.task_set["task_4"]
    np.testing.assert_allclose(
        (task.X.to_numpy() - bunch.centers[4]) @ bunch.coef[4], task.y, atol=1e-12
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "ranking"}, "kind must be"),
        ({"n_groups": 0}, "n_groups must be"),
        ({"n_tasks": 2}, "n_groups must be"),
        ({"n_harmful": 10}, "n_harmful must be"),
        ({"n_features": 2}, "n_features must be"),
        ({"noise": -1.0}, "noise must be"),
        ({"group_spread": np.nan}, "group_spread must be"),
        ({"n_samples": (5, 3)}, "n_samples must be"),
        ({"n_samples": 0}, "n_samples must be"),
    ],
)
def test_impossible_settings_raise(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_grouped_tasks(**wrong, random_state=0)


@pytest.mark.parametrize("numbers", [{"n_tasks": 0}, {"n_groups": 99}, {"n_groups": 0}])
def test_more_groups_than_tasks_are_refused_by_name(numbers):
    with pytest.raises(ValueError, match="n_groups must be at least 1 and at most n_tasks"):
        make_grouped_tasks(**numbers)
