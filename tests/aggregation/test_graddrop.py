"""GradDrop against its formula, entry by entry and on average."""

from __future__ import annotations

import pytest
import torch

from skmtl.aggregation import GradDrop
from tests.aggregation.conftest import aligned, gaussian, tensor


def by_hand(jacobian, draws, leak):
    direction = []
    for column, draw in zip(jacobian.T.tolist(), draws.tolist(), strict=True):
        total = sum(abs(g) for g in column)
        purity = 0.5 * (1 + sum(column) / total) if total else 0.5
        kept = [(g > 0 and purity > draw) or (g < 0 and purity < draw) for g in column]
        direction.append(
            sum(
                (share + (1 - share) * keep) * g
                for g, keep, share in zip(column, kept, leak, strict=True)
            )
        )
    return tensor(direction)


@pytest.mark.parametrize("leak", [0.0, [0.1, 0.9, 0.0, 1.0, 0.5]], ids=["dropped", "leaking"])
def test_entries_are_kept_as_the_formula_says(leak, rng):
    jacobian, seed = gaussian(rng), int(rng.integers(1000))
    draws = torch.rand(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    direction = GradDrop(leak=leak).aggregate(
        jacobian, generator=torch.Generator().manual_seed(seed)
    )
    assert torch.allclose(direction, by_hand(jacobian, draws, [0.0] * 5 if leak == 0 else leak))


def test_positive_entries_are_kept_with_their_share_of_the_absolute_sum():
    jacobian = tensor([[3.0], [-1.0]]).expand(2, 4000)
    direction = GradDrop().aggregate(jacobian, generator=torch.Generator().manual_seed(0))
    assert set(direction.tolist()) == {3.0, -1.0}
    assert (direction == 3.0).to(torch.float64).mean().item() == pytest.approx(0.75, abs=0.03)


def test_it_is_the_sum_where_signs_agree(rng):
    jacobian = aligned(rng)
    assert torch.allclose(
        GradDrop().aggregate(jacobian, generator=torch.Generator().manual_seed(0)), jacobian.sum(0)
    )


def test_it_is_the_sum_with_a_full_leak(rng):
    jacobian = gaussian(rng)
    assert torch.allclose(GradDrop(leak=1.0).aggregate(jacobian), jacobian.sum(0))


def test_without_a_generator_the_larger_side_is_followed():
    assert torch.equal(
        GradDrop().aggregate(tensor([[3.0, 1.0], [-1.0, -2.0], [-1.0, 0.5]])), tensor([3.0, -2.0])
    )


def test_asking_for_weights_names_the_kind():
    assert GradDrop().kind == "direction"
    with pytest.raises(TypeError, match="GradDrop has no weights: it chooses among the entries"):
        GradDrop().weights(torch.eye(2))


@pytest.mark.parametrize("leak", [-0.1, 1.1, [0.5, 0.5]])
def test_a_wrong_leak_is_refused(leak, rng):
    with pytest.raises(ValueError, match="The 'leak' parameter of GradDrop must be"):
        GradDrop(leak=leak).aggregate(gaussian(rng))


def test_a_jacobian_without_rows_is_refused():
    with pytest.raises(ValueError, match="GradDrop needs a Jacobian of shape"):
        GradDrop().aggregate(torch.zeros(3))
