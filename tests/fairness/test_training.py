from dataclasses import replace

import numpy as np
import pytest
import torch

from skmtl.fairness import MTAF, PerTaskFairness, mmd_penalty
from skmtl.losses import LogLoss
from skmtl.network import Architecture, FleetData, Member, Training, train_fleet

TERMS = pytest.mark.parametrize("term", [MTAF, PerTaskFairness])


def unfair_data(rng, n=400):
    """Two labels that depend on the group beside the inputs, which give the group away."""
    group = rng.integers(0, 2, size=n)
    X = np.column_stack([rng.normal(size=(n, 2)), group + 0.1 * rng.normal(size=n)])
    y = (X[:, :2] + group[:, None] + rng.normal(size=(n, 2)) > 0.5).astype(float)
    return FleetData(X, y, groups=group)


def gaps(data, member):
    """Difference of the groups' mean scores among each task's negative rows."""
    means = [
        [own[(data.y[:, t] == 0) & (data.groups == g)].mean() for g in (0, 1)]
        for t, own in enumerate(member.scores)
    ]
    return np.abs(np.diff(means, axis=1).ravel())


@pytest.fixture
def setting(rng):
    data = unfair_data(rng)
    rows = [np.arange(400)]
    members = [
        Member(rows, evaluation=rows, seed=seed, order_seed=seed, learning_rate=0.05)
        for seed in (1, 2)
    ]
    architecture = Architecture(3, hidden=(8,), head_hidden=(4,))
    return (
        architecture,
        data,
        members,
        Training(loss=LogLoss(), batch_size=100, max_iter=15, n_iter_no_change=15),
    )


@TERMS
def test_weight_zero_trains_to_the_bit_as_without_a_term(setting, term):
    for own, plain in zip(
        train_fleet(*setting, terms=[term(weight=0.0)]), train_fleet(*setting), strict=True
    ):
        for a, b in zip(own.parameters, plain.parameters, strict=True):
            np.testing.assert_array_equal(a, b)


@TERMS
def test_rows_of_unknown_groups_alone_train_to_the_bit_as_without_a_term(setting, term):
    architecture, data, members, training = setting
    unknown = replace(data, groups=np.full(400, -1))
    for own, plain in zip(
        train_fleet(architecture, unknown, members, training, terms=[term()]),
        train_fleet(*setting),
        strict=True,
    ):
        for a, b in zip(own.parameters, plain.parameters, strict=True):
            np.testing.assert_array_equal(a, b)


@TERMS
@pytest.mark.parametrize("loss", ["mmd", "gap", "correlation"])
def test_the_gap_on_training_rows_falls(setting, term, loss):
    data = setting[1]
    treated = [
        gaps(data, member) for member in train_fleet(*setting, terms=[term(loss, weight=2.0)])
    ]
    plain = [gaps(data, member) for member in train_fleet(*setting)]
    assert np.mean(treated) < 0.7 * np.mean(plain)


def test_gradients_of_a_toy_model_follow_algorithm_1(rng):
    """Each part's gradient in its own set of parameters, by autograd through formulas written out
    for two tasks.
    """
    x, group = torch.tensor(rng.normal(size=(60, 3))), torch.tensor(rng.integers(0, 2, size=60))
    y = torch.tensor(rng.integers(0, 2, size=(2, 60)))
    trunk, heads = (
        torch.tensor(rng.normal(size=(3, 4)), requires_grad=True),
        torch.tensor(rng.normal(size=(4, 2)), requires_grad=True),
    )
    lam, ratio = [0.7, 1.9], [0.4, 2.5]

    logits = torch.tanh(x @ trunk) @ heads
    arguments = (
        logits.T.view(1, 2, 1, 60),
        y.double().unsqueeze(0),
        torch.full((1, 2, 60), 1 / 60).double(),
        group.view(1, 1, -1),
    )
    to_trunk, to_heads = MTAF("mmd", weight=lam, head_ratio=ratio).values(*arguments)
    (ours_trunk,) = torch.autograd.grad(to_trunk.sum(), trunk, retain_graph=True)
    (ours_heads,) = torch.autograd.grad(to_heads.sum(), heads, retain_graph=True)

    p = torch.sigmoid(logits)
    negative = [y[0] == 0, y[1] == 0]
    exclusive = [negative[0] & ~negative[1], negative[1] & ~negative[0]]
    own = [mmd_penalty(p[exclusive[t], t], group[exclusive[t]]) for t in range(2)]
    shared = [mmd_penalty(p[negative[t], t], group[negative[t]]) - own[t] for t in range(2)]
    (trunk_by_hand,) = torch.autograd.grad(
        sum(lam[t] * shared[t] for t in range(2)), trunk, retain_graph=True
    )
    heads_by_hand = torch.stack(
        [
            torch.autograd.grad(lam[t] * ratio[t] * own[t], heads, retain_graph=True)[0][:, t]
            for t in range(2)
        ],
        1,
    )
    torch.testing.assert_close(ours_trunk, trunk_by_hand)
    torch.testing.assert_close(ours_heads, heads_by_hand)
