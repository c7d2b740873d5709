"""Properties of all aggregators, and of families of aggregators."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone

from skmtl.aggregation import (
    IMTLG,
    MGDA,
    PIVRG,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    FairGrad,
    GradDrop,
    GradVac,
    Mean,
    NashMTL,
    PCGrad,
    Sum,
    SVFair,
    UPGrad,
)
from skmtl.base import Aggregator, Signals
from tests.aggregation.conftest import (
    SPECIAL,
    aligned,
    gaussian,
    gramian,
    low_rank,
    quietly,
    special,
    spread,
    tensor,
    unit,
    worst_cosine,
)

FAMILY = [
    Mean(),
    Sum(),
    MGDA(),
    PCGrad(),
    GradVac(),
    GradDrop(),
    CAGrad(),
    IMTLG(),
    NashMTL(),
    FairGrad(),
    PIVRG(),
    SVFair(),
    AlignedMTL(),
    AlignedMTL(scale_mode="median"),
    UPGrad(),
    DualProj(),
    ConFIG(),
]
WEIGHTINGS = [method for method in FAMILY if not isinstance(method, GradDrop)]
RANDOM = [PCGrad(), GradVac(), GradDrop()]
# PCGrad and GradVac visit tasks in an order; for those see their own tests, where the order is
# permuted as well.
ORDERLESS = [method for method in FAMILY if not isinstance(method, (PCGrad, GradVac))]
NEVER_CONFLICT = [
    MGDA(),
    CAGrad(c=1.0),
    NashMTL(),
    FairGrad(),
    FairGrad(alpha=0.5),
    FairGrad(alpha=5.0),
    PIVRG(),
    SVFair(),
    UPGrad(),
    DualProj(),
]
# By their definition MGDA and CAGrad look at the worst task, which a zero gradient then is.
BLIND_TO_ZERO = [method for method in FAMILY if not isinstance(method, (MGDA, CAGrad))]
SAMPLERS = [gaussian, spread, low_rank, aligned]


def each(methods):
    return pytest.mark.parametrize("method", methods, ids=repr)


def over(samplers):
    return pytest.mark.parametrize("sample", samplers, ids=lambda sample: sample.__name__)


# ---------------------------------------------------------------------- finite, shaped, pure
@each(FAMILY)
@pytest.mark.parametrize("name", SPECIAL)
def test_the_direction_is_finite_for(method, name, rng):
    jacobian = special(name, rng)
    direction = quietly(method.aggregate, jacobian)
    assert direction.shape == jacobian.shape[1:]
    assert direction.isfinite().all()


@each(WEIGHTINGS)
@pytest.mark.parametrize("name", SPECIAL)
def test_weights_are_finite_for(method, name, rng):
    jacobian = special(name, rng)
    assert quietly(method.weights, gramian(jacobian)).isfinite().all()


@each(WEIGHTINGS)
def test_weights_have_the_shape_of_the_leading_axes_and_double_precision(method, rng):
    jacobian = torch.stack([torch.stack([gaussian(rng) for _ in range(3)]) for _ in range(2)])
    for dtype in (torch.float32, torch.float64):
        weights = method.weights(gramian(jacobian).to(dtype))
        assert weights.shape == (2, 3, 5)
        assert weights.dtype == torch.float64


@each(FAMILY)
def test_the_direction_has_the_dtype_of_the_jacobian_and_is_computed_in_double_precision(
    method, rng
):
    jacobian = gaussian(rng).to(torch.float32)
    direction = method.aggregate(jacobian)
    assert direction.dtype == torch.float32
    assert torch.allclose(
        direction.to(torch.float64),
        method.aggregate(jacobian.to(torch.float64)),
        rtol=1e-6,
        atol=1e-7,
    )


@each(WEIGHTINGS)
@over(SAMPLERS)
def test_the_direction_is_the_weighted_sum_of_the_rows(method, sample, rng):
    jacobian = sample(rng)
    assert torch.allclose(
        method.aggregate(jacobian),
        method.weights(gramian(jacobian)) @ jacobian,
        rtol=1e-12,
        atol=1e-14,
    )


@each(FAMILY)
@over([gaussian, spread, low_rank])
def test_a_batch_gives_what_a_loop_gives(method, sample, rng):
    jacobians = torch.stack([sample(rng) for _ in range(4)])
    batched = method.aggregate(jacobians.reshape(2, 2, *jacobians.shape[1:])).reshape(4, -1)
    looped = torch.stack([method.aggregate(jacobian) for jacobian in jacobians])
    assert torch.allclose(batched, looped, rtol=1e-8, atol=1e-9 * looped.abs().max())


@each(WEIGHTINGS)
def test_a_batch_that_holds_special_members_gives_what_a_loop_gives(method, rng):
    jacobians = torch.stack(
        [special(name, rng) for name in ("all zero", "one zero", "duplicate", "tiny", "huge")]
    )
    assert torch.allclose(
        method.aggregate(jacobians),
        torch.stack([method.aggregate(jacobian) for jacobian in jacobians]),
        rtol=1e-7,
        atol=0,
    )


@each(FAMILY)
def test_nothing_given_is_changed_and_no_gradient_is_recorded(method, rng):
    jacobian = gaussian(rng).requires_grad_()
    before, params = jacobian.detach().clone(), method.get_params()
    assert not method.aggregate(jacobian).requires_grad
    assert torch.equal(jacobian.detach(), before)
    assert method.get_params() == params


@each(WEIGHTINGS)
def test_in_training_a_network_that_is_not_finite_gets_nan_and_leaves_the_others_alone(method, rng):
    if isinstance(method, (Mean, Sum)):
        pytest.skip("reads no Gramian")
    good = gramian(gaussian(rng))
    bad = good.clone()
    bad[0, 0] = torch.nan
    signals = Signals(
        gramian=torch.stack([good, bad]), scores=torch.zeros(2, 5, dtype=torch.float64)
    )
    weights, _ = method.step(signals, method.init(2, 5))
    assert torch.allclose(weights[0], method.weights(good), rtol=1e-10)
    assert weights[1].isnan().all()


@each(FAMILY)
def test_parameters_are_those_of_scikit_learn(method):
    copy = clone(method)
    assert isinstance(copy, Aggregator)
    assert copy.get_params() == method.get_params()
    assert copy.set_params(**method.get_params()) is copy


@each(WEIGHTINGS)
@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 0, 0)])
def test_a_gramian_that_is_not_square_is_refused(method, shape):
    with pytest.raises(
        ValueError, match=rf"{type(method).__name__}.* needs a Gramian of shape \(..., T, T\)"
    ):
        method.weights(torch.zeros(shape))


# ---------------------------------------------------------------------- symmetry and scale
@each(FAMILY)
@over(SAMPLERS)
@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_scaling_all_gradients_does_not_turn_the_direction(method, sample, factor, rng):
    jacobian = sample(rng)
    expected, scaled = unit(method.aggregate(jacobian)), unit(method.aggregate(factor * jacobian))
    assert torch.allclose(scaled, expected, rtol=0, atol=1e-7)


@each(ORDERLESS)
@over(SAMPLERS)
def test_the_order_of_the_tasks_does_not_matter(method, sample, rng):
    jacobian = sample(rng)
    permuted = jacobian[torch.as_tensor(rng.permutation(len(jacobian)))]
    assert torch.allclose(
        unit(method.aggregate(permuted)), unit(method.aggregate(jacobian)), rtol=0, atol=1e-7
    )


@each(ORDERLESS)
def test_weights_are_permuted_with_the_tasks(method, rng):
    if isinstance(method, GradDrop):
        pytest.skip("has no weights")
    jacobian, order = gaussian(rng), torch.as_tensor(rng.permutation(5))
    assert torch.allclose(
        method.weights(gramian(jacobian[order])),
        method.weights(gramian(jacobian))[order],
        rtol=1e-7,
        atol=1e-9,
    )


@each(WEIGHTINGS)
def test_orthonormal_gradients_are_weighed_alike(method):
    weights = method.weights(torch.eye(4))
    assert (weights > 0).all()
    assert torch.allclose(weights, weights[:1].expand(4), rtol=1e-9)


@each(FAMILY)
def test_a_single_task_is_followed(method, rng):
    jacobian = gaussian(rng, n_tasks=1)
    assert torch.allclose(unit(method.aggregate(jacobian)), unit(jacobian[0]), atol=1e-12)


@each(FAMILY)
def test_repeated_gradients_are_followed(method, rng):
    jacobian = gaussian(rng, n_tasks=1).expand(3, -1)
    assert torch.allclose(unit(method.aggregate(jacobian)), unit(jacobian[0]), atol=1e-7)


# ---------------------------------------------------------------------- promises of some
@each(NEVER_CONFLICT)
@over([gaussian, spread, low_rank])
def test_the_direction_conflicts_with_no_task(method, sample, rng):
    jacobian = sample(rng)
    assert worst_cosine(jacobian, method.aggregate(jacobian)) > -1e-9


@each([MGDA(), UPGrad(), DualProj()])
@over([gaussian, spread])
@pytest.mark.parametrize("n_tasks", [2, 10, 30])
def test_the_direction_conflicts_with_none_of_many_tasks(method, sample, n_tasks, rng):
    jacobian = sample(rng, n_tasks=n_tasks, n_parameters=2 * n_tasks)
    assert worst_cosine(jacobian, method.aggregate(jacobian)) > -1e-9


@over([gaussian, spread])
def test_config_conflicts_with_no_task_where_gradients_are_independent(sample, rng):
    jacobian = sample(rng)
    assert worst_cosine(jacobian, ConFIG().aggregate(jacobian)) > 0


@each(BLIND_TO_ZERO)
def test_a_zero_gradient_does_not_turn_the_direction(method, rng):
    jacobian = gaussian(rng)
    with_zero = torch.cat([jacobian[:2], torch.zeros_like(jacobian[:1]), jacobian[2:]])
    assert torch.allclose(
        unit(method.aggregate(with_zero)), unit(method.aggregate(jacobian)), atol=1e-7
    )


@each(
    [
        MGDA(),
        UPGrad(),
        DualProj(),
        ConFIG(),
        IMTLG(),
        NashMTL(),
        FairGrad(),
        PIVRG(),
        SVFair(),
        PCGrad(),
    ]
)
@pytest.mark.parametrize("name", ["opposite", "balanced triangle"])
def test_the_step_is_nearly_zero_where_an_average_of_the_gradients_is_zero(method, name, rng):
    if isinstance(method, (PCGrad, IMTLG)) and name != "opposite":
        pytest.skip(
            "PCGrad makes up pairs only, IMTL-G takes the direction that comes nearest to equal "
            "projections"
        )
    jacobian = special(name, rng)
    weights = quietly(method.weights, gramian(jacobian))
    length = (weights @ jacobian).norm()
    assert length <= 1e-4 * (weights.abs() * jacobian.norm(dim=1)).sum() + 1e-12


@each(RANDOM)
def test_random_methods_repeat_themselves_with_the_same_generator_and_leave_the_global_one_alone(
    method, rng
):
    jacobian, seed = gaussian(rng, n_tasks=6), int(rng.integers(1000))
    jacobian = jacobian - jacobian.mean(0)  # without conflicts the order would not matter
    state = torch.get_rng_state()
    first, second = (
        method.aggregate(jacobian, generator=torch.Generator().manual_seed(seed)) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = [
        method.aggregate(jacobian, generator=torch.Generator().manual_seed(s)) for s in range(20)
    ]
    assert any(not torch.equal(first, other) for other in drawn)


# ---------------------------------------------------------------------- published values
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (MGDA(), [0.0, 1.0, 1.0]),
        (PCGrad(), [0.5848, 3.8012, 3.8012]),
        (GradVac(), [0.5848, 3.8012, 3.8012]),
        (CAGrad(), [0.1835, 1.2041, 1.2041]),
        (IMTLG(), [0.0767, 1.0, 1.0]),
        (FairGrad(alpha=1.0), [0.0766, 0.9985, 0.9985]),
        (NashMTL(), [0.0766, 0.9985, 0.9985]),
        (AlignedMTL(), [0.2133, 0.9673, 0.9673]),
        (UPGrad(), [0.2924, 1.9006, 1.9006]),
        (DualProj(), [0.5556, 1.1111, 1.1111]),
        (ConFIG(), [0.1588, 2.0706, 2.0706]),
    ],
    ids=repr,
)
def test_two_conflicting_gradients_give_the_known_direction(method, expected):
    assert torch.allclose(
        method.aggregate(tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])), tensor(expected), atol=6e-5
    )
