import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.utils import check_random_state

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskSet
from skmtl.affinity import GradientTaskAffinity
from skmtl.affinity.gradient_affinity import _scaled, _task_rows
from skmtl.affinity.joint import JointNetworks, stacked
from skmtl.affinity.random_groups import random_groups
from skmtl.affinity.sample_gradients import Projection, projected_gradients
from skmtl.affinity.subset_regression import TaskRows, fit_subsets, task_losses
from skmtl.losses import LogLoss, SquaredError

SMALL = {"hidden_layer_sizes": (4, 3), "activation": "tanh", "max_iter": 2, "dtype": "float64"}


def three_classes(rng):
    X = rng.normal(size=(90, 3))
    return TaskSet.from_long(
        X, np.digitize(X[:, 0], [-0.5, 0.5]), np.arange(90) % 3, kind="classification"
    )


def trained(network, tasks, **settings):
    joint = JointNetworks(network, tasks, 1, 5, **settings)
    return joint, stacked(joint.train(lambda k, parameters: None, 2)[0])


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_gradients_of_single_scores_are_those_of_autograd_projected(
    kind, few_tasks, rng, plain_scores, monkeypatch
):
    monkeypatch.setattr("skmtl.affinity.sample_gradients._HELD_AT_ONCE", 500)
    tasks = few_tasks if kind == "regression" else three_classes(rng)
    network = (MultiTaskRegressor if kind == "regression" else MultiTaskClassifier)(
        standardize=False, head_hidden_layer_sizes=(2,), **SMALL
    )
    joint, parameters = trained(network, tasks)
    sample, projection = joint.training_sample(0, None), Projection(joint, 7, 3)
    scores, features = projected_gradients(joint, parameters, sample, projection)
    first, rows = joint.architecture.n_trunk_parameters, joint.members[0].train
    for t in range(len(tasks)):
        for b, row in enumerate(rows[t]):
            leaves = [part.clone().requires_grad_() for part in parameters]
            own = plain_scores(joint.architecture, leaves, joint.problem.data.X[[row]], t)[0]
            np.testing.assert_allclose(scores[t, b], own.detach(), rtol=1e-9, atol=1e-12)
            for k in range(joint.architecture.n_outputs):
                gradients = torch.autograd.grad(own[k], leaves, retain_graph=True)
                trunk = torch.cat([part.flatten() for part in gradients[:first]])
                head = torch.cat([part[0, t].flatten() for part in gradients[first:]])
                assert all(
                    (part[0, other] == 0).all()
                    for part in gradients[first:]
                    for other in range(len(tasks))
                    if other != t
                )
                np.testing.assert_allclose(
                    features[t, b, k],
                    trunk @ projection.trunk + head @ projection.heads[t],
                    rtol=1e-7,
                    atol=1e-10,
                )


def test_the_projection_has_signs_over_the_root_of_its_dimensions_and_is_drawn_by_name(few_tasks):
    one, other = (
        Projection(JointNetworks(MultiTaskRegressor(**SMALL), tasks, 1, 5), 16, 3)
        for tasks in (few_tasks, few_tasks.subset(few_tasks.names[::-1]))
    )
    assert (one.trunk.abs() == 0.25).all()
    assert abs(one.heads.mean().item()) < 0.1
    torch.testing.assert_close(one.heads, other.heads.flip(0))
    assert not torch.equal(one.heads[0], one.heads[1])


def random_rows(rng, n_tasks, n_rows, k, d, loss):
    labels = (
        rng.normal(size=(n_tasks, n_rows))
        if loss == "squared_error"
        else rng.integers(0, max(k, 2), (n_tasks, n_rows)).astype(float)
    )
    weights = rng.random((n_tasks, n_rows)) * (rng.random((n_tasks, n_rows)) < 0.8)
    weights[:, 0] += 0.1
    arrays = (
        rng.normal(size=(n_tasks, n_rows, k)),
        rng.normal(size=(n_tasks, n_rows, k, d)),
        labels,
        weights / weights.sum(1, keepdims=True),
    )
    return arrays, TaskRows(*map(torch.tensor, arrays))


def losses_of(loss):
    def values(scores, labels):
        if loss == "squared_error":
            return (scores[:, :, 0] - labels) ** 2
        if loss == "binary_cross_entropy":
            return torch.nn.functional.softplus(scores[:, :, 0]) - labels * scores[:, :, 0]
        return (
            -torch.log_softmax(scores, 2)
            .gather(2, labels.long().expand(len(scores), -1, -1).unsqueeze(2))
            .squeeze(2)
        )

    return values


def test_sets_of_regression_tasks_are_ridge_regressions_of_scikit_learn(rng, monkeypatch):
    monkeypatch.setattr("skmtl.affinity.subset_regression._HELD_AT_ONCE", 100)
    (offset, features, y, weights), rows = random_rows(rng, 5, 8, 1, 4, "squared_error")
    members = np.array(
        [[1, 0, 0, 0, 0], [1, 1, 0, 1, 0], [0, 0, 1, 0, 1], [1, 1, 1, 1, 1]], dtype=bool
    )
    curvature = SquaredError().curvature(1)
    found = fit_subsets(rows, torch.tensor(members), 0.3, curvature, losses_of("squared_error"))
    losses = task_losses(rows, found, losses_of("squared_error"))
    for own, group, loss in zip(found, members, losses, strict=True):
        X, r, w = (
            features[group, :, 0].reshape(-1, 4),
            (y - offset[:, :, 0])[group].ravel(),
            weights[group].ravel() / group.sum(),
        )
        ridge = Ridge(alpha=0.15, fit_intercept=False).fit(
            X, r, sample_weight=w
        )  # alpha |b|^2 against alpha / 2 |b|^2
        np.testing.assert_allclose(own, ridge.coef_, rtol=1e-8, atol=1e-12)
        for t in range(5):
            expected = weights[t] @ (offset[t, :, 0] + features[t, :, 0] @ ridge.coef_ - y[t]) ** 2
            assert loss[t].item() == pytest.approx(expected)


@pytest.mark.parametrize(("loss", "k"), [("binary_cross_entropy", 1), ("cross_entropy", 3)])
def test_sets_of_classification_tasks_are_penalised_logistic_regressions_with_an_offset(
    loss, k, rng
):
    (offset, features, y, weights), rows = random_rows(rng, 4, 9, k, 3, loss)
    members = np.array([[1, 0, 0, 0], [1, 0, 1, 1]], dtype=bool)
    found = fit_subsets(rows, torch.tensor(members), 0.2, LogLoss().curvature(k), losses_of(loss))
    for own, group in zip(found, members, strict=True):

        def objective(b, group=group):
            scores = offset + features @ b
            logits = np.concatenate([np.zeros_like(scores), scores], axis=2) if k == 1 else scores
            picked = np.take_along_axis(
                log_softmax(logits, axis=2), y.astype(int)[:, :, None], axis=2
            )[:, :, 0]
            return -(weights * picked).sum(1)[group].mean() + 0.1 * b @ b

        best = minimize(objective, np.zeros(3), options={"gtol": 1e-9})
        np.testing.assert_allclose(own, best.x, rtol=1e-4, atol=1e-5)


def test_regressions_that_are_still_moving_are_counted(rng):
    _, rows = random_rows(rng, 4, 9, 1, 3, "binary_cross_entropy")
    with pytest.warns(
        ConvergenceWarning, match="2 of 2 regressions have not converged after 3 steps"
    ):
        fit_subsets(
            rows,
            torch.eye(4, dtype=torch.bool)[:2],
            1e-3,
            LogLoss().curvature(1),
            losses_of("binary_cross_entropy"),
            max_iter=3,
        )


def test_random_groups_have_their_size_serve_all_tasks_alike_and_let_all_meet(rng):
    names = [f"t{k}" for k in range(11)]
    groups = random_groups(names, 4, 30, int(rng.integers(2**31)))
    assert groups.shape == (30, 11)
    assert (groups.sum(1) == 4).all()
    assert np.ptp(groups.sum(0)) <= 10
    met = random_groups(names, 4, 1, 0, cover_pairs=True)
    assert (met.sum(1) == 4).all()
    assert ((met.T.astype(int) @ met) > 0).all()
    order = rng.permutation(11)
    np.testing.assert_array_equal(
        random_groups([names[k] for k in order], 4, 30, 5), random_groups(names, 4, 30, 5)[:, order]
    )


def test_the_table_compares_the_target_alone_with_the_sets_that_hold_both(few_tasks):
    network = MultiTaskRegressor(**SMALL)
    fitted = GradientTaskAffinity(
        network, n_dimensions=9, n_subsets=5, subset_size=3, alpha=0.05, random_state=2
    ).fit(few_tasks)
    seed = int(check_random_state(2).randint(np.iinfo(np.int32).max))
    joint = JointNetworks(network, few_tasks, 1, seed, test_size=0.3)
    parameters = stacked(joint.train(lambda k, parameters: None, 2)[0])
    projection = Projection(joint, 9, seed)
    fitting, testing = _scaled(
        *(
            _task_rows(joint, parameters, sample, projection)
            for sample in (joint.training_sample(0, None), joint.test_sample())
        )
    )

    def held_out(group, target):
        X = np.concatenate([fitting.features[t, fitting.weights[t] > 0, 0] for t in group])
        r = np.concatenate(
            [(fitting.labels - fitting.offset[:, :, 0])[t, fitting.weights[t] > 0] for t in group]
        )
        w = np.concatenate([fitting.weights[t][fitting.weights[t] > 0] for t in group]) / len(group)
        b = Ridge(alpha=0.025, fit_intercept=False).fit(X, r, sample_weight=w).coef_
        own = testing.weights[target] > 0
        predicted = (
            testing.offset[target, own, 0].numpy() + testing.features[target, own, 0].numpy() @ b
        )
        return np.mean((predicted - testing.labels[target, own].numpy()) ** 2)

    assert (fitted.subsets_.T.astype(int) @ fitted.subsets_ > 0).all()
    for i in range(4):
        for j in range(4):
            if i != j:
                meetings = [
                    np.flatnonzero(group) for group in fitted.subsets_ if group[i] and group[j]
                ]
                expected = 1 - np.mean([held_out(group, i) for group in meetings]) / held_out(
                    [i], i
                )
                assert fitted.affinity_.iloc[i, j] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_no_row_serves_both_training_and_the_test(few_tasks):
    joint = JointNetworks(MultiTaskRegressor(**SMALL), few_tasks, 2, 0, test_size=0.3)
    for member in joint.members:
        for train, held, test, size in zip(
            member.train, member.validation, member.evaluation, few_tasks.sizes, strict=True
        ):
            assert len({*train, *held, *test}) == len(train) + len(held) + len(test) == size


def test_tasks_that_share_a_slope_help_and_their_opposites_do_not(rng):
    # Few rows: a task alone learns its slope badly. The network is hardly trained, so that the
    # regressions have all to learn.
    X = rng.normal(size=(160, 6)).clip(-2, 2)
    task = np.arange(160) % 8
    y = np.where(task < 4, 1, -1) * X.sum(1) + rng.normal(size=160)
    network = MultiTaskRegressor(
        (16,), activation="identity", max_iter=1, learning_rate_init=1e-5, early_stopping=False
    )
    settings = {
        "subset_size": 2,
        "n_subsets": 28,
        "n_repeats": 4,
        "n_dimensions": 100,
        "alpha": 0.1,
    }
    A = (
        GradientTaskAffinity(network, **settings, random_state=0)
        .fit(TaskSet.from_long(X, y, task))
        .affinity_.to_numpy()
    )
    same = (np.arange(8) < 4)[:, None] == (np.arange(8) < 4)
    assert A[same & ~np.eye(8, dtype=bool)].mean() > A[~same].mean()


def test_a_task_with_one_row_is_refused_by_name(rng):
    with pytest.raises(ValueError, match="Task 'b' has 1 row"):
        GradientTaskAffinity(MultiTaskRegressor(**SMALL)).fit(
            TaskSet.from_long(rng.normal(size=(6, 2)), rng.normal(size=6), list("aaaaab"))
        )


def test_parameters_out_of_range_are_refused(few_tasks):
    for name, value in {
        "n_dimensions": 0,
        "n_subsets": 0,
        "subset_size": 1,
        "alpha": 0.0,
        "test_size": 1.0,
        "max_samples": 0,
    }.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of GradientTaskAffinity"):
            GradientTaskAffinity(**{name: value}).fit(few_tasks)
