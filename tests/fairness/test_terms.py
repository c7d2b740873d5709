import numpy as np
import pytest
import torch
from sklearn.base import clone

from skmtl.fairness import MTAF, PerTaskFairness

LOSSES = pytest.mark.parametrize("loss", ["mmd", "gap", "correlation"])
CRITERIA = pytest.mark.parametrize("criterion", ["fpr", "tpr", "equalized_odds"])
TERMS = pytest.mark.parametrize("term", [MTAF, PerTaskFairness])


def gradients(values, leaf):
    return [torch.autograd.grad(value.sum(), leaf, retain_graph=True)[0] for value in values]


def assert_close(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-11)


# ---------------------------------------------------------------------- against loops over members,
# tasks and rows
@LOSSES
@CRITERIA
@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_both_terms_are_the_formulas_by_loops(random_batch, reference, loss, criterion, tasks):
    batch = random_batch(tasks=tasks, missing=0.1, unknown=0.1)
    weight, ratio = np.linspace(0.5, 2, tasks), np.linspace(0.3, 3, tasks)
    whole, own = (
        reference(batch, loss=loss, criterion=criterion, form=form) for form in ("whole", "own")
    )
    lam, r = torch.tensor(weight), torch.tensor(ratio)
    expected = ((whole - own) * lam).sum(1), (own * r * lam).sum(1)
    ours = MTAF(loss, criterion=criterion, weight=weight, head_ratio=ratio).values(*batch.arguments)
    baseline = PerTaskFairness(loss, criterion=criterion, weight=weight).values(*batch.arguments)
    for value, other in zip(
        (*ours, *baseline), (*expected, (whole * lam).sum(1), (whole * lam).sum(1)), strict=True
    ):
        assert_close(value, other)
    for slope, other in zip(
        gradients(ours, batch.scores), gradients(expected, batch.scores), strict=True
    ):
        assert_close(slope, other)


@LOSSES
def test_one_class_is_held_against_the_rest(random_batch, reference, loss):
    batch = random_batch(classes=3)
    whole, own = (reference(batch, loss=loss, positive=2, form=form) for form in ("whole", "own"))
    trunk, heads = MTAF(loss, positive_class=2).values(*batch.arguments)
    assert_close(trunk, (whole - own).sum(1))
    assert_close(heads, own.sum(1))


def test_the_two_scores_of_a_binary_task_may_be_one_logit_or_two(random_batch):
    batch = random_batch()
    two = torch.cat([torch.zeros_like(batch.scores), batch.scores], 2)
    for ours, other in zip(
        MTAF().values(*batch.arguments), MTAF().values(two, *batch.arguments[1:]), strict=True
    ):
        assert_close(ours, other)


def test_a_class_that_a_task_does_not_have_is_at_minus_infinity_and_has_no_gradient(random_batch):
    batch = random_batch(classes=3)
    scores = torch.cat(
        [batch.scores.detach(), torch.full_like(batch.scores[:, :, :1], -torch.inf)], 2
    ).requires_grad_()
    ours, plain = (
        PerTaskFairness("gap").values(scores, *batch.arguments[1:])[0],
        PerTaskFairness("gap").values(*batch.arguments)[0],
    )
    assert_close(ours, plain)
    slope = gradients([ours], scores)[0]
    assert_close(slope[:, :, :3], gradients([plain], batch.scores)[0])
    assert not slope[:, :, 3].any()


def test_false_positives_of_one_class_are_false_negatives_of_the_other(random_batch):
    batch = random_batch()
    for ours, other in zip(
        MTAF("gap", positive_class=0).values(*batch.arguments),
        MTAF("gap", positive_class=1, criterion="tpr").values(*batch.arguments),
        strict=True,
    ):
        assert_close(ours, other)


def test_losses_and_criteria_may_differ_between_tasks(random_batch, reference):
    batch = random_batch(tasks=3)
    losses, criteria = ["gap", "mmd", "gap"], ["fpr", "equalized_odds", "tpr"]
    expected = sum(reference(batch, loss=losses[t], criterion=criteria[t])[:, t] for t in range(3))
    assert_close(PerTaskFairness(losses, criterion=criteria).values(*batch.arguments)[0], expected)


def test_a_threshold_may_differ_between_tasks(random_batch):
    batch = random_batch()
    alone = [
        PerTaskFairness("gap", threshold=limit, temperature=0.1, weight=weight).values(
            *batch.arguments
        )[0]
        for limit, weight in ((0.2, [1.0, 0.0]), (0.7, [0.0, 1.0]))
    ]
    together = PerTaskFairness("gap", threshold=[0.2, 0.7], temperature=0.1).values(
        *batch.arguments
    )[0]
    assert_close(together, alone[0] + alone[1])


@LOSSES
def test_several_groups_are_reduced_over_their_pairs(random_batch, reference, loss):
    batch = random_batch(n_groups=4, rows=120)
    assert_close(
        PerTaskFairness(loss).values(*batch.arguments)[0], reference(batch, loss=loss).sum(1)
    )
    spread = PerTaskFairness(loss, pairs="mean").values(*batch.arguments)[0]
    assert (spread < PerTaskFairness(loss).values(*batch.arguments)[0]).all()


@LOSSES
def test_the_mean_over_pairs_leaves_out_groups_without_rows(random_batch, loss):
    batch = random_batch(n_groups=3)
    gappy = torch.where(batch.groups == 2, 4, batch.groups)  # codes 2 and 3 stand for no row
    term = PerTaskFairness(loss, pairs="mean")
    assert_close(term.values(*batch.arguments[:3], gappy)[0], term.values(*batch.arguments)[0])


# ---------------------------------------------------------------------- Algorithm 1
def test_a_hand_worked_batch():
    # p of task 1: .1 .3 .5 .9 .8, of task 2: .2 .4 .6 .8 .5; groups a a b b a
    p = torch.tensor([[0.1, 0.3, 0.5, 0.9, 0.8], [0.2, 0.4, 0.6, 0.8, 0.5]], dtype=torch.float64)
    labels = torch.tensor([[[0.0, 0, 0, 0, 1], [0, 1, 1, 0, 0]]], dtype=torch.float64)
    groups = torch.tensor([[[0, 0, 1, 1, 0]]])
    scores = torch.logit(p).view(1, 2, 1, 5)
    # N_1 = rows 0-3: |.2 - .7| = .5; E_1 = rows 1 and 2: |.3 - .5| = .2.  N_2 = rows 0, 3, 4: |.35
    # - .8| = .45; E_2 = row 4, one group: 0.
    trunk, heads = MTAF("gap", weight=[1.0, 2.0], head_ratio=3.0).values(
        scores, labels, torch.ones(1, 2, 5, dtype=torch.float64), groups
    )
    assert trunk.item() == pytest.approx((0.5 - 0.2) + 2 * 0.45)
    assert heads.item() == pytest.approx(3 * 0.2)
    # Released form, shares 4/5 and 2/5 for task 1: the whole "gap" counts fully, the exclusive one
    # by its share.
    trunk, heads = MTAF("gap", weight=[1.0, 2.0], head_ratio=3.0, form="released").values(
        scores, labels, torch.ones(1, 2, 5, dtype=torch.float64), groups
    )
    assert trunk.item() == pytest.approx(0.5 - 3 * 0.4 * 0.2 + 2 * 0.45)
    assert heads.item() == pytest.approx(3 * 0.4 * 0.2)


@pytest.mark.parametrize("loss", ["mmd", "correlation"])
def test_the_released_form_multiplies_every_penalty_by_the_share_of_its_rows(
    random_batch, reference, loss
):
    batch = random_batch()
    whole, own = (reference(batch, loss=loss, form=form) for form in ("whole", "own"))
    negative = batch.labels == 0
    alone = negative & (negative.sum(1, keepdim=True) == 1)
    n, n_alone = (mask.double().mean(2) for mask in (negative, alone))
    trunk, heads = MTAF(loss, weight=2.0, head_ratio=0.5, form="released").values(*batch.arguments)
    assert_close(trunk, 2 * (n * whole - 0.5 * n_alone * own).sum(1))
    assert_close(heads, 2 * 0.5 * (n_alone * own).sum(1))


def test_one_task_has_all_its_rows_to_itself(random_batch):
    batch = random_batch(tasks=1)
    trunk, heads = MTAF().values(*batch.arguments)
    assert_close(heads, PerTaskFairness().values(*batch.arguments)[1])
    assert not trunk.any()


def test_the_parts_of_trunk_and_heads_add_up_to_the_baseline(random_batch):
    batch = random_batch(tasks=3, rows=200, missing=0.2)
    trunk, heads = MTAF("correlation", criterion="equalized_odds").values(*batch.arguments)
    assert_close(
        trunk + heads,
        PerTaskFairness("correlation", criterion="equalized_odds").values(*batch.arguments)[0],
    )


def test_a_row_with_an_unknown_label_is_exclusive_to_no_task(random_batch):
    batch = random_batch(missing=0.3)
    complete = (batch.weights > 0).all(1, keepdim=True)
    heads = MTAF().values(*batch.arguments)[1]
    assert_close(
        heads, MTAF().values(batch.scores, batch.labels, batch.weights * complete, batch.groups)[1]
    )
    assert heads.any()


def test_tasks_with_rows_of_their_own_leave_everything_to_the_trunk(random_batch, reference):
    batch = random_batch(own_rows=True)
    trunk, heads = MTAF("gap").values(*batch.arguments)
    assert_close(trunk, reference(batch, loss="gap").sum(1))
    assert not heads.any()


def test_one_labeled_task_a_row_is_the_same_in_wide_and_long_form(random_batch):
    long = random_batch(own_rows=True)
    scores, labels, weights = (
        torch.cat([part, part], -1) for part in (long.scores, long.labels, long.weights)
    )
    weights[:, 0, 64:] = weights[:, 1, :64] = 0.0
    groups = torch.cat([long.groups[:, :1], long.groups[:, 1:]], -1)
    for ours, other in zip(
        MTAF().values(*long.arguments), MTAF().values(scores, labels, weights, groups), strict=True
    ):
        assert_close(ours, other)


# ---------------------------------------------------------------------- rows, members, edge cases
@TERMS
@LOSSES
def test_a_row_of_weight_two_counts_like_a_row_that_stands_twice(random_batch, term, loss):
    batch = random_batch()
    weights = batch.weights.clone()
    weights[..., :20] *= 2
    ours = term(loss).values(batch.scores, batch.labels, weights, batch.groups)
    twice = [torch.cat([part, part[..., :20]], -1) for part in batch.arguments]
    for value, other in zip(ours, term(loss).values(*twice), strict=True):
        assert_close(value, other)


@TERMS
@LOSSES
def test_members_do_not_see_each_other(random_batch, term, loss):
    batch = random_batch(members=4, missing=0.1, unknown=0.1)
    together = term(loss).values(*batch.arguments)
    for e in range(4):
        for value, alone in zip(
            together, term(loss).values(*(part[e : e + 1] for part in batch.arguments)), strict=True
        ):
            assert_close(value[e], alone[0])


@TERMS
@LOSSES
def test_a_member_with_nan_scores_spoils_no_other(random_batch, term, loss):
    batch = random_batch()
    scores = batch.scores.detach().clone()
    scores[1] = torch.nan
    for value, sound in zip(
        term(loss).values(scores, *batch.arguments[1:]),
        term(loss).values(*batch.arguments),
        strict=True,
    ):
        assert_close(value[[0, 2]], sound[[0, 2]])


@TERMS
@LOSSES
@CRITERIA
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e2, 1e30])
def test_gradients_are_finite_at_bad_scales(random_batch, term, loss, criterion, dtype, scale):
    batch = random_batch(dtype=dtype)
    leaf = (batch.scores.detach() * scale).requires_grad_()
    values = term(loss, criterion=criterion).values(leaf, *batch.arguments[1:])
    assert all(torch.isfinite(value).all() for value in values)
    assert all(torch.isfinite(slope).all() for slope in gradients(values, leaf))


@TERMS
@LOSSES
@pytest.mark.parametrize(
    "case", ["no groups", "unknown groups", "one group", "no labels", "weight 0", "all positive"]
)
def test_where_there_is_nothing_to_compare_values_and_gradients_are_exactly_zero(
    random_batch, term, loss, case
):
    batch = random_batch()
    scores, labels, weights, groups = batch.arguments
    groups = {
        "no groups": None,
        "unknown groups": -torch.ones_like(groups),
        "one group": torch.zeros_like(groups),
    }.get(case, groups)
    weights = torch.zeros_like(weights) if case == "no labels" else weights
    labels = torch.ones_like(labels) if case == "all positive" else labels
    values = term(loss, weight=0.0 if case == "weight 0" else 1.0).values(
        scores, labels, weights, groups
    )
    for value, slope in zip(values, gradients(values, scores), strict=True):
        assert value.shape == (3,)
        assert not value.any()
        assert not slope.any()


@TERMS
@pytest.mark.parametrize("form", ["paper", "released"])
def test_gradients_of_the_unweighted_term_times_the_multipliers_are_the_terms(
    random_batch, term, form
):
    batch = random_batch()
    options = {"head_ratio": [0.5, 2.0], "form": form} if term is MTAF else {}
    own = term("gap", weight=[0.3, 4.0], **options)
    own_tasks = own.for_tasks(["0", "1"])
    shared, factors = own_tasks.shared, torch.tensor(own_tasks.multipliers)
    assert own.weight == [0.3, 4.0]
    expected = gradients(own.values(*batch.arguments), batch.scores)
    for slope, factor, other in zip(
        gradients(shared.values(*batch.arguments), batch.scores), factors, expected, strict=True
    ):
        assert_close(slope * factor.view(1, -1, 1, 1), other)


# ---------------------------------------------------------------------- parameters
@TERMS
def test_terms_are_cloned_and_set_like_any_estimator(term):
    own = clone(term("gap", weight=[1.0, 2.0])).set_params(weight=3.0, criterion="tpr")
    assert (own.loss, own.weight, own.criterion) == ("gap", 3.0, "tpr")
    assert set(own.get_params()) >= {
        "loss",
        "criterion",
        "weight",
        "length",
        "threshold",
        "temperature",
        "pairs",
        "positive_class",
    }


@TERMS
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "mse"}, "The 'loss' parameter of {} must be one of mmd, gap, correlation"),
        (
            {"criterion": ["fpr", "dp"]},
            "The 'criterion' parameter of {} must be one of fpr, tpr, equalized_odds. Got 'dp' "
            "instead for task 'grade'",
        ),
        (
            {"weight": [1.0, -1.0]},
            "The 'weight' parameter of {} must be a number >= 0. Got -1.0 instead for task 'grade'",
        ),
        (
            {"weight": [1.0, 1.0, 1.0]},
            "The 'weight' parameter of {} has 3 values, but there are 2 tasks",
        ),
        ({"weight": np.nan}, "The 'weight' parameter of {}"),
        ({"threshold": 2}, "The 'threshold' parameter of {} must be a number between 0 and 1"),
        ({"positive_class": 0.5}, "The 'positive_class' parameter of {}"),
        ({"length": 0}, "The 'length' parameter of {}"),
        ({"temperature": "low"}, "The 'temperature' parameter of {}"),
        ({"pairs": "min"}, "The 'pairs' parameter of {} must be 'max' or 'mean'"),
    ],
)
def test_wrong_parameters_raise_when_used_and_name_the_task(term, parameters, message):
    with pytest.raises(ValueError, match=message.format(term.__name__)):
        term(**parameters).for_tasks(["bar", "grade"])


def test_parameters_of_mtaf_alone_are_checked_too(random_batch):
    with pytest.raises(
        ValueError, match="The 'form' parameter of MTAF must be one of paper, released"
    ):
        MTAF(form="keras").for_tasks(["a"])
    with pytest.raises(
        ValueError,
        match="The 'head_ratio' parameter of MTAF must be a number >= 0. Got -1 instead for task "
        "'1'",
    ):
        MTAF(head_ratio=[1, -1]).values(*random_batch().arguments)
    with pytest.raises(
        ValueError, match="positive_class is 3, but the tasks have at most 2 classes"
    ):
        MTAF(positive_class=3).values(*random_batch().arguments)
