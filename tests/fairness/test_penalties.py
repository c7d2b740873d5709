from math import exp

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from skmtl.fairness import correlation_penalty, gap_penalty, mmd_penalty

PENALTIES = {
    "mmd": mmd_penalty,
    "short mmd": lambda s, g, **options: mmd_penalty(
        s, g, length=0.003, **options
    ),  # rows are fewer than waves: the kernel itself
    "gap": gap_penalty,
    "sharp gap": lambda s, g, **options: gap_penalty(s, g, temperature=0.05, **options),
    "correlation": correlation_penalty,
}
EACH = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=list(PENALTIES))
ORIGINAL = torch.float64


def mmd_by_enumeration(a, b, length):
    def kernel(x, y):
        return np.mean([[exp(-((p - q) ** 2) / length**2) for q in y] for p in x])

    return kernel(a, a) - 2 * kernel(a, b) + kernel(b, b)


def two_groups(rng, n=40):
    groups = np.repeat([0, 1], [n // 3, n - n // 3])
    rng.shuffle(groups)
    return rng.uniform(size=n), groups


@pytest.mark.parametrize("n", [5, 40, 300])
@pytest.mark.parametrize("length", [0.02, 0.1, 1.0])
def test_mmd_equals_the_enumeration_of_all_pairs_of_rows(rng, n, length):
    scores, groups = two_groups(rng, n)
    ours = mmd_penalty(torch.tensor(scores), torch.tensor(groups), length=length)
    assert float(ours) == pytest.approx(
        mmd_by_enumeration(scores[groups == 0], scores[groups == 1], length), rel=1e-9, abs=1e-14
    )


def test_mmd_of_logits_far_from_zero_equals_the_enumeration(rng):
    scores, groups = two_groups(rng, 400)
    scores = 20 * scores + 1000
    ours = mmd_penalty(torch.tensor(scores), torch.tensor(groups), length=1.0)
    assert float(ours) == pytest.approx(
        mmd_by_enumeration(scores[groups == 0], scores[groups == 1], 1.0), rel=1e-9
    )


def test_mmd_in_single_precision_is_exact_to_that_precision(rng):
    scores, groups = two_groups(rng, 500)
    expected = mmd_by_enumeration(scores[groups == 0], scores[groups == 1], 0.1)
    assert float(
        mmd_penalty(torch.tensor(scores, dtype=torch.float32), torch.tensor(groups))
    ) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_hand_worked_values():
    scores, groups = torch.tensor([0.2, 0.4, 0.6, 0.9], dtype=ORIGINAL), torch.tensor([0, 0, 1, 1])
    assert float(gap_penalty(scores, groups)) == pytest.approx(0.75 - 0.3)
    near, far, own_a, own_b = (
        exp(-4),
        exp(-16),
        (2 + 2 * exp(-4)) / 4,
        (2 + 2 * exp(-9)) / 4,
    )  # distances 0.2, 0.4, 0.5 and 0.7 at length 0.1
    assert float(mmd_penalty(scores, groups)) == pytest.approx(
        own_a + own_b - 2 * (far + near + exp(-49) + exp(-25)) / 4
    )
    assert float(gap_penalty(scores, groups, threshold=0.5, temperature=1e-3)) == pytest.approx(1.0)


def test_correlation_is_that_of_numpy(rng):
    scores, groups = two_groups(rng)
    assert float(correlation_penalty(torch.tensor(scores), torch.tensor(groups))) == pytest.approx(
        abs(np.corrcoef(scores, groups)[0, 1]), rel=1e-9
    )


def test_a_sharp_gap_is_the_gap_of_counted_rates(rng):
    scores, groups = two_groups(rng)
    scores = scores[abs(scores - 0.3) > 1e-3]
    groups = groups[: len(scores)]
    counted = abs((scores[groups == 0] > 0.3).mean() - (scores[groups == 1] > 0.3).mean())
    assert float(
        gap_penalty(torch.tensor(scores), torch.tensor(groups), threshold=0.3, temperature=1e-5)
    ) == pytest.approx(counted)


@EACH
def test_gradients_are_those_of_finite_differences(rng, penalty):
    scores, groups = two_groups(rng, 90)
    leaf = torch.tensor(scores, requires_grad=True)
    assert gradcheck(lambda s: penalty(s, torch.tensor(groups)), (leaf,), atol=1e-5)


@EACH
@pytest.mark.parametrize(
    "groups",
    [[], [0, 0, 0], [-1, -1, -1], [2, -1, 2]],
    ids=["empty", "one group", "unknown", "one known group"],
)
def test_without_two_groups_the_penalty_is_zero_and_so_is_its_gradient(penalty, groups):
    leaf = torch.tensor([0.1, 0.5, 0.8][: len(groups)], requires_grad=True)
    value = penalty(leaf, torch.tensor(groups, dtype=torch.int64))
    assert value.shape == ()
    assert value.item() == 0
    assert torch.autograd.grad(value, leaf)[0].tolist() == [0.0] * len(groups)


@EACH
def test_groups_that_score_alike_are_not_penalised(penalty):
    leaf = torch.tensor([0.1, 0.7, 0.1, 0.7], requires_grad=True)
    value = penalty(leaf, torch.tensor([0, 0, 1, 1]))
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(torch.autograd.grad(value, leaf)[0]).all()


@EACH
def test_rows_of_an_unknown_group_take_no_part(rng, penalty):
    scores, groups = two_groups(rng)
    known = rng.random(len(scores)) < 0.7
    leaf = torch.tensor(scores, requires_grad=True)
    value = penalty(leaf, torch.tensor(np.where(known, groups, -1)))
    assert value.item() == pytest.approx(
        penalty(torch.tensor(scores[known]), torch.tensor(groups[known])).item()
    )
    assert not torch.autograd.grad(value, leaf)[0][torch.tensor(~known)].any()
    assert penalty(leaf, torch.tensor(np.where(known, groups, np.nan))).item() == pytest.approx(
        value.item()
    )


@EACH
def test_several_groups_give_the_largest_or_the_mean_over_pairs(rng, penalty):
    scores, groups = (
        torch.tensor(rng.uniform(size=60)),
        torch.tensor(rng.permutation(np.arange(60) % 3)),
    )
    pairs = []
    for left_out in range(3):
        rows = groups != left_out
        pairs.append(penalty(scores[rows], groups[rows]).item())
    assert penalty(scores, groups).item() == pytest.approx(max(pairs))
    assert penalty(scores, groups, pairs="mean").item() == pytest.approx(np.mean(pairs))


@EACH
def test_codes_of_groups_are_names_only(rng, penalty):
    scores, groups = two_groups(rng)
    expected = penalty(torch.tensor(scores), torch.tensor(groups)).item()
    assert penalty(
        torch.tensor(scores), torch.tensor(np.array([1_000_000, 7])[groups])
    ).item() == pytest.approx(expected)
    assert penalty(torch.tensor(scores), torch.tensor(groups == 0)).item() == pytest.approx(
        expected
    )


@EACH
@pytest.mark.parametrize("scale", [0.0, 1e-38, 1e-20, 1e-8, 1e8, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_at_bad_scales(rng, penalty, scale, dtype):
    scores, groups = two_groups(rng)
    leaf = (torch.tensor(scores, dtype=dtype) * scale).requires_grad_()
    value = penalty(leaf, torch.tensor(groups))
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, leaf)[0]).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s, g: mmd_penalty(s, g, length=0), ValueError, "'length' parameter of mmd_penalty"),
        (
            lambda s, g: gap_penalty(s, g, temperature=-1),
            ValueError,
            "'temperature' parameter of gap_penalty",
        ),
        (
            lambda s, g: correlation_penalty(s, g, pairs="all"),
            ValueError,
            "'pairs' parameter of correlation_penalty must be 'max' or 'mean'",
        ),
        (
            lambda s, g: mmd_penalty(s, g[:2]),
            ValueError,
            r"the same shape \(n,\). Got \(3,\) and \(2,\)",
        ),
        (lambda s, g: gap_penalty(s.long(), g), TypeError, "floating point"),
        (lambda s, g: gap_penalty(s.numpy(), g), TypeError, "takes tensors"),
    ],
)
def test_wrong_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 1]))
