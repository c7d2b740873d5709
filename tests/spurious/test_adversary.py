"""The adversary's term and its gradient, compared with explicit least squares and autograd."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from skmtl.spurious.adversary import AdversarialTraining, LabelAdversary


def problem(n_classes, k, missing, seed=0, n_members=2, n_tasks=3, n_rows=60):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n_members, n_tasks, k, n_rows, generator=generator, dtype=torch.float64)
    labels = torch.randint(n_classes, (n_members, n_tasks, n_rows), generator=generator).double()
    weights = torch.rand(n_members, n_tasks, n_rows, generator=generator, dtype=torch.float64) + 0.1
    if missing:
        weights[torch.rand(weights.shape, generator=generator) < 0.2] = 0
    return scores, labels, weights / weights.sum(2, keepdim=True)


def term_of(adversary, scores, labels, weights):
    return adversary.term(scores, adversary.rows(labels, weights))[0]


def explained_by_scikit_learn(scores, labels, weights, i, j, n_classes):
    """1 - residual / variance, from a linear regression within every class of task i."""
    left, total = 0.0, 0.0
    seen = scores[i] - scores[i].mean(0) if len(scores[i]) > 1 else scores[i]
    for c in range(n_classes):
        rows = (labels[i] == c) & (weights[i] > 0) & (weights[j] > 0)
        s, w = seen[:, rows].T, weights[i][rows]
        y = np.eye(n_classes)[labels[j][rows].astype(int)][:, 1:]
        residual = y - LinearRegression().fit(s, y, sample_weight=w).predict(s)
        left += (w[:, None] * residual**2).sum()
        total += (w[:, None] * (y - np.average(y, axis=0, weights=w)) ** 2).sum()
    return 1 - left / total


@pytest.mark.parametrize(("n_classes", "k"), [(2, 1), (3, 3)])
@pytest.mark.parametrize("missing", [False, True])
def test_the_term_is_what_a_linear_regression_explains(n_classes, k, missing):
    scores, labels, weights = problem(n_classes, k, missing)
    spurious = np.array([[False, True, False], [True, False, True], [False, False, False]])
    term = term_of(LabelAdversary(spurious, n_classes, 2.5), scores, labels, weights)
    for e in range(len(scores)):
        arrays = scores[e].numpy(), labels[e].numpy(), weights[e].numpy()
        expected = sum(
            explained_by_scikit_learn(*arrays, i, j, n_classes) for i, j in np.argwhere(spurious)
        )
        assert term[e].item() == pytest.approx(2.5 * expected, abs=1e-5)


@pytest.mark.parametrize(("n_classes", "k"), [(2, 1), (3, 3)])
def test_the_gradient_is_the_reversed_gradient_of_the_best_adversary(n_classes, k):
    """An adversary fitted by least squares, its coefficients held fixed; autograd differentiates
    its relative loss.
    """
    scores, labels, weights = problem(n_classes, k, missing=True, n_members=1)
    spurious = ~np.eye(3, dtype=bool)
    leaf = scores.clone().requires_grad_()
    gradient = torch.autograd.grad(
        term_of(LabelAdversary(spurious, n_classes), leaf, labels, weights).sum(), leaf
    )[0]
    leaf = scores.clone().requires_grad_()
    loss = torch.zeros(())
    for i, j in np.argwhere(spurious):
        lost, total = 0.0, 0.0
        s_i = leaf[0, i] - leaf[0, i].mean(0) if k > 1 else leaf[0, i]
        for c in range(n_classes):
            rows = (labels[0, i] == c) & (weights[0, i] > 0) & (weights[0, j] > 0)
            s, w, y = (
                s_i[:, rows].T,
                weights[0, i, rows, None],
                torch.eye(n_classes, dtype=torch.float64)[labels[0, j, rows].long()][:, 1:],
            )
            model = LinearRegression().fit(
                s.detach().numpy(), y.numpy(), sample_weight=w[:, 0].numpy()
            )
            lost = (
                lost
                + (
                    w * (y - s @ torch.tensor(model.coef_).T - torch.tensor(model.intercept_)) ** 2
                ).sum()
            )
            total = total + (w * (y - (w * y).sum(0) / w.sum()) ** 2).sum()
        loss = loss + lost / total
    expected = -torch.autograd.grad(loss, leaf)[0]
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-4)


def test_scores_that_say_nothing_of_the_other_label_cost_nothing():
    labels = torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1]]]).double()
    scores = torch.tensor([[[[0.0, 0, 1, 1, 3, 3, 5, 5]], [[0.0, 1, 2, 3, 4, 5, 6, 7]]]]).double()
    weights = torch.full((1, 2, 8), 1 / 8, dtype=torch.float64)
    leaf = scores.requires_grad_()
    adversary = LabelAdversary(np.array([[False, True], [False, False]]), 2)
    term = term_of(adversary, leaf, labels, weights)
    assert term.item() == pytest.approx(0, abs=1e-12)
    assert torch.autograd.grad(term.sum(), leaf)[0].abs().max() < 1e-12


def test_classes_that_a_task_does_not_have_change_nothing():
    scores, labels, weights = problem(3, 3, missing=False)
    labels[:, 0] = labels[:, 0].clamp(max=1)
    spurious = np.array([[False, True, True], [False] * 3, [False] * 3])
    hidden = scores.clone()
    hidden[:, 0, 2] = -torch.inf
    leaf = hidden.requires_grad_()
    term = term_of(LabelAdversary(spurious, 3), leaf, labels, weights)
    gradient = torch.autograd.grad(term.sum(), leaf)[0]
    assert torch.isfinite(term).all()
    assert torch.isfinite(gradient).all()
    assert gradient[:, 0, 2].abs().max() == 0


def test_the_adversary_is_beaten_only_once_it_has_told_nothing_for_some_steps():
    scores, labels, weights = problem(2, 1, missing=False, n_rows=4000)
    adversary = AdversarialTraining(LabelAdversary(~np.eye(3, dtype=bool), 2))
    assert not adversary.is_beaten()
    telling = scores + 3 * labels.roll(1, 1).unsqueeze(2)
    adversary.values(telling, labels, weights, None)
    for _ in range(4):
        adversary.values(scores, labels, weights, None)
        assert not adversary.is_beaten()
    adversary.values(scores, labels, weights, None)
    assert adversary.is_beaten()


def test_an_adversary_is_a_value_that_training_never_changes():
    scores, labels, weights = problem(2, 1, missing=False)
    adversary = LabelAdversary(~np.eye(3, dtype=bool), 2)
    before = dict(vars(adversary))
    runs = [AdversarialTraining(adversary) for _ in range(2)]
    for _ in range(3):
        runs[0].values(scores, labels, weights, None)
    assert vars(adversary) == before
    assert (len(runs[0].explained), len(runs[1].explained)) == (3, 0)
    with pytest.raises(AttributeError):
        adversary.strength = 2.0
