"""The generator of majority and minority tasks makes data with the properties it documents."""

import numpy as np
import pytest

from skmtl.datasets import make_majority_minority_tasks


def test_groups_lie_in_orthogonal_subspaces_with_unit_coefficients():
    planted = make_majority_minority_tasks(
        7, 4, 5, 9, majority_rank=3, minority_rank=2, random_state=0
    )
    basis = np.vstack([planted.components_majority, planted.components_minority])
    np.testing.assert_allclose(basis @ basis.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(planted.coef, axis=1), 1)
    np.testing.assert_allclose(
        planted.coef[:7], planted.heads[:7] @ planted.components_majority, atol=1e-12
    )
    np.testing.assert_allclose(
        planted.coef[7:], planted.heads[7:, :2] @ planted.components_minority, atol=1e-12
    )
    assert [
        name
        for name, small in zip(planted.task_set.names, planted.is_minority, strict=True)
        if small
    ] == planted.minority


def test_targets_are_the_stated_functions_plus_noise():
    exact = make_majority_minority_tasks(
        3, 2, 4, 6, majority_rank=2, minority_rank=2, random_state=1
    )
    for t, task in enumerate(exact.task_set):
        np.testing.assert_allclose(task.y, task.X.to_numpy() @ exact.coef[t])
    noisy = make_majority_minority_tasks(
        3, 2, 4000, 6, majority_rank=2, minority_rank=2, noise=0.5, random_state=1
    )
    np.testing.assert_array_equal(noisy.coef, exact.coef)
    residual = (
        noisy.task_set["majority_0"].y - noisy.task_set["majority_0"].X.to_numpy() @ noisy.coef[0]
    )
    assert residual.std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_minority": 0}, "n_minority must be"),
        ({"n_features": 15}, "at least majority_rank"),
        ({"noise": -1}, "noise must be"),
        ({"n_samples": 1.5}, "n_samples"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_majority_minority_tasks(**settings)
