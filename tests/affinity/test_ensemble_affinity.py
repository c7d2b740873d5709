import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import SplineTransformer
from sklearn.utils import check_random_state

from skmtl import MultiTaskRegressor, TaskSet
from skmtl.affinity import EnsembleAffinity, PairwiseGains, TaggingAffinity, collect_pairwise_gains
from skmtl.affinity.ensemble_affinity import spline, update_scores
from skmtl.affinity.joint import JointNetworks

SMALL = {
    "hidden_layer_sizes": (4,),
    "activation": "tanh",
    "max_iter": 3,
    "dtype": "float64",
    "n_members": 1,
}
ALPHAS = np.logspace(-6, 2, 17)


@pytest.fixture
def eight(rng):
    return TaskSet.from_long(rng.normal(size=(120, 3)), rng.normal(size=120), np.arange(120) % 8)


@pytest.fixture
def gains(eight, rng):
    pairs = eight.pairs()[rng.permutation(56)[:30]]
    return PairwiseGains(eight.names, pairs, np.ones((30, 1)), rng.random((30, 1)))


def test_a_score_worked_out_by_hand_has_targets_in_rows():
    np.testing.assert_allclose(
        update_scores(np.array([2.0, 0.5]), np.array([[1.0, 2.0], [3.0, -1.0]])),
        [[2.5, 0.5], [2.0, 20.0]],
    )
    scores = update_scores(np.array([0.0, 1.0]), np.ones((2, 1)))
    assert np.isnan(scores).tolist() == [[True, True], [False, False]]


def test_scores_are_inner_products_of_autograd_gradients_over_the_loss_averaged_over_passes(
    few_tasks, plain_scores
):
    network = MultiTaskRegressor(**SMALL, early_stopping=False, standardize=False)
    fitted = EnsembleAffinity(network, max_samples=None, random_state=1).fit(few_tasks)
    seed = int(check_random_state(1).randint(np.iinfo(np.int32).max))
    joint, seen = JointNetworks(network, few_tasks, 1, seed), []
    joint.train(lambda k, parameters: seen.append(parameters), 1)
    first = joint.architecture.n_trunk_parameters
    expected = np.zeros((4, 4))
    for parameters in seen:
        leaves = [part.clone().requires_grad_() for part in parameters]
        losses, gradients = [], []
        for t, task in enumerate(few_tasks):
            y = torch.tensor((task.y - task.y.mean()) / task.y.std())
            losses.append(
                (
                    (plain_scores(joint.architecture, leaves, np.asarray(task.X), t)[:, 0] - y) ** 2
                ).mean()
            )
            gradients.append(
                torch.cat(
                    [part.flatten() for part in torch.autograd.grad(losses[-1], leaves[:first])]
                )
            )
        for i in range(4):
            for j in range(4):
                expected[i, j] += (gradients[i] @ gradients[j] / losses[i]).item() / len(seen)
    np.testing.assert_allclose(fitted.scores_, expected, rtol=1e-7, atol=1e-12)


def test_scores_are_look_aheads_over_the_step_for_small_steps(few_tasks):
    network = MultiTaskRegressor(**SMALL)
    scores = EnsembleAffinity(network, random_state=1).fit(few_tasks).scores_.to_numpy()
    look_ahead = (
        TaggingAffinity(network, learning_rate=1e-6, random_state=1)
        .fit(few_tasks)
        .affinity_.to_numpy()
        / 1e-6
    )
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(look_ahead[off], scores[off], rtol=1e-3, atol=1e-4)


def test_the_spline_is_that_of_scikit_learn_at_quantiles_and_goes_on_linearly(rng):
    score = rng.normal(size=50) ** 3
    value = np.tanh(score) + 0.1 * rng.normal(size=50)
    fitted = spline(score, value, 5)
    basis = SplineTransformer(
        5, knots=np.quantile(score, np.linspace(0, 1, 5))[:, None], extrapolation="linear"
    ).fit(score[:, None])
    reference = RidgeCV(alphas=ALPHAS).fit(basis.transform(score[:, None]), value)
    new = np.linspace(-30, 30, 40)[:, None]
    np.testing.assert_allclose(
        fitted.predict(new), reference.predict(basis.transform(new)), rtol=1e-6, atol=1e-8
    )
    far = fitted.predict(np.array([[100.0], [200.0], [300.0]]))
    assert far[2] - far[1] == pytest.approx(far[1] - far[0])


@pytest.mark.parametrize("scores", [[1.0], [1.0, 1.0, 1.0], [0.0, 1.0]])
def test_few_or_equal_scores_give_the_mean(scores):
    values = np.arange(len(scores), dtype=float)
    np.testing.assert_allclose(
        spline(np.array(scores), values, 5).predict(np.array([[0.5], [2.0]])), values.mean()
    )


def test_one_measured_pair_is_enough(eight, gains):
    one = PairwiseGains(eight.names, gains.pairs[:1], np.ones((1, 1)), np.array([[0.7]]))
    np.testing.assert_allclose(
        EnsembleAffinity(MultiTaskRegressor(**SMALL)).fit(eight, gains=one).affinity_,
        0.3 * (1 - np.eye(8)),
    )


def test_predictions_are_the_spline_of_the_score_plus_the_residual_of_the_group(eight, gains):
    fitted = EnsembleAffinity(MultiTaskRegressor(**SMALL), random_state=0).fit(eight, gains=gains)
    names, scores = eight.names, fitted.scores_
    score = np.array([scores.loc[target, source] for target, source in gains.pairs])
    bend = spline(score, gains.values, 5)
    groups = sorted({tuple(sorted(pair)) for pair in gains.pairs})
    members = np.array([[float(name in group) for name in names] for group in groups])
    residuals = np.zeros_like(members)
    for (target, source), value, s in zip(gains.pairs, gains.values, score, strict=True):
        residuals[groups.index(tuple(sorted((target, source)))), names.index(target)] = (
            value - bend.predict([[s]])[0]
        )
    ridge = RidgeCV(alphas=ALPHAS).fit(members, residuals)
    for target in names:
        for source in names:
            if target != source:
                group = [[float(name in (target, source)) for name in names]]
                expected = (
                    bend.predict([[scores.loc[target, source]]])[0]
                    + ridge.predict(group)[0, names.index(target)]
                )
                assert fitted.affinity_.loc[target, source] == pytest.approx(
                    expected, rel=1e-6, abs=1e-9
                )
    three = names[1:4]
    found = fitted.predict_groups([three])
    for target in three:
        s = np.mean([scores.loc[target, other] for other in three if other != target])
        group = [[float(name in three) for name in names]]
        assert found.loc[0, target] == pytest.approx(
            bend.predict([[s]])[0] + ridge.predict(group)[0, names.index(target)],
            rel=1e-6,
            abs=1e-9,
        )


def test_gains_that_follow_the_scores_are_predicted_for_pairs_not_measured(eight):
    network = MultiTaskRegressor(**SMALL)
    scores = EnsembleAffinity(network, random_state=0).fit(eight).scores_
    pairs = eight.pairs()
    truth = np.array(
        [np.tanh(scores.loc[target, source] / scores.to_numpy().std()) for target, source in pairs]
    )
    unordered = np.array(
        [
            min(names.index(a), names.index(b)) * 8 + max(names.index(a), names.index(b))
            for names in [eight.names]
            for a, b in pairs
        ]
    )
    measured = np.isin(unordered, np.unique(unordered)[::2])
    given = PairwiseGains(
        eight.names, pairs[measured], np.ones((measured.sum(), 1)), 1 - truth[measured, None]
    )
    fitted = EnsembleAffinity(network, random_state=0).fit(eight, gains=given)
    predicted = np.array([fitted.affinity_.loc[target, source] for target, source in pairs])
    assert np.corrcoef(predicted[~measured], truth[~measured])[0, 1] > 0.8


def test_without_gains_a_share_of_the_pairs_is_measured(few_tasks):
    network = MultiTaskRegressor(**SMALL)
    fitted = EnsembleAffinity(network, pair_fraction=0.5, n_repeats=2, random_state=3).fit(
        few_tasks
    )
    seed = int(check_random_state(3).randint(np.iinfo(np.int32).max))
    expected = collect_pairwise_gains(few_tasks, network, pairs=0.5, n_repeats=2, random_state=seed)
    assert len(fitted.gains_.pairs) == 6
    np.testing.assert_array_equal(fitted.gains_.pairs, expected.pairs)
    np.testing.assert_allclose(fitted.gains_.values, expected.values)


def test_gains_that_are_all_undefined_are_refused(eight, gains):
    undefined = PairwiseGains(eight.names, gains.pairs, np.zeros((30, 1)), np.ones((30, 1)))
    with pytest.raises(ValueError, match="gains contains no pair with a finite gain and score"):
        EnsembleAffinity(MultiTaskRegressor(**SMALL)).fit(eight, gains=undefined)


def test_parameters_out_of_range_are_refused(few_tasks):
    for name, value in {"pair_fraction": 0.0, "every": 0, "max_samples": 0, "n_knots": 1}.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of EnsembleAffinity"):
            EnsembleAffinity(**{name: value}).fit(few_tasks)
