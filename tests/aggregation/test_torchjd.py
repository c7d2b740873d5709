"""TorchJD objects in training: equal to our methods of the same definition, no side effects."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skmtl import MultiTaskRegressor
from skmtl.aggregation import (
    AGGREGATORS,
    IMTLG,
    MGDA,
    GradVac,
    PCGrad,
    TaskGradients,
    UPGrad,
    resolve_aggregator,
)
from skmtl.base import Signals
from skmtl.network import Architecture, FleetData, Member, Training, train_fleet
from tests.aggregation.conftest import gaussian, gramian, tensor

torchjd = pytest.importorskip(
    "torchjd.aggregation", reason="needs torchjd, which the test extra installs"
)
CLOSE = dict(rtol=1e-6, atol=1e-7)


@pytest.fixture
def problem(rng):
    """Two networks of two conflicting tasks that share rows."""
    x = rng.normal(size=(24, 3))
    y = np.column_stack([x[:, 0], x[:, 1] - x[:, 0]]) + 0.3 * rng.normal(size=(24, 2))
    members = [Member([np.arange(24)], seed=k, order_seed=k, learning_rate=0.02) for k in range(2)]
    return (
        Architecture(3, (4,), (), 1, "tanh"),
        FleetData(x, y),
        members,
        Training(solver="sgd", batch_size=8, max_iter=3, dtype="float64", record=True),
    )


def train(problem, aggregator, members=None):
    architecture, data, all_members, training = problem
    return train_fleet(
        architecture,
        data,
        members or all_members,
        training,
        aggregator=resolve_aggregator(aggregator),
    )


def assert_same(ours, others, **tolerance):
    for own, other in zip(ours, others, strict=True):
        for a, b in zip(own.parameters, other.parameters, strict=True):
            np.testing.assert_allclose(a, b, **(tolerance or CLOSE))


def in_two_steps(plug_in, stat):
    """What a plug-in makes of one matrix, from a fresh state."""
    signal = "gramian" if plug_in.kind == "gradient_weights" else "jacobian"
    signals = Signals(generators=[torch.Generator().manual_seed(0)], **{signal: stat[None]})
    return plug_in.step(signals, plug_in.init(1, len(stat)))[0][0]


# ---------------------------------------------------------------------- what they are taken for
@pytest.mark.parametrize(
    "theirs",
    [
        torchjd.UPGrad(),
        torchjd.MGDA(),
        torchjd.IMTLG(),
        torchjd.UPGradWeighting(),
        torchjd.PCGradWeighting(),
        torchjd.GradVac(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_reads_a_gramian_is_a_gradient_weighting(theirs, rng):
    plug_in = resolve_aggregator(theirs)
    assert plug_in.kind == "gradient_weights"
    assert in_two_steps(plug_in, gramian(gaussian(rng))).shape == (5,)


@pytest.mark.parametrize(
    "theirs",
    [torchjd.GradDrop(), torchjd.TrimmedMean(1), torchjd.ConFIG(), torchjd.Mean()],
    ids=lambda module: type(module).__name__,
)
def test_what_reads_a_jacobian_is_given_one(theirs, rng):
    plug_in, jacobian = resolve_aggregator(theirs), gaussian(rng)
    assert plug_in.kind == "direction"
    if not isinstance(theirs, torchjd.GradDrop):
        torch.testing.assert_close(in_two_steps(plug_in, jacobian), copy.deepcopy(theirs)(jacobian))


@pytest.mark.parametrize(
    "theirs",
    [
        torchjd.ExcessMTLWeighting(),
        torchjd.MeanWeighting(),
        torchjd.CRMOGMWeighting(torchjd.ExcessMTLWeighting()),
    ],
    ids=lambda module: type(module).__name__,
)
def test_a_weighting_that_reads_a_jacobian_is_not_given_a_gramian(theirs, rng):
    plug_in, jacobian = resolve_aggregator(theirs), gaussian(rng)
    torch.manual_seed(0)
    expected = copy.deepcopy(theirs)(jacobian) @ jacobian
    result = in_two_steps(plug_in, jacobian if plug_in.kind == "direction" else gramian(jacobian))
    torch.testing.assert_close(
        result if plug_in.kind == "direction" else result @ jacobian, expected
    )


def test_other_modules_of_torch_are_no_aggregators():
    with pytest.raises(
        ValueError,
        match="'aggregator' parameter must be one of mean, sum.* or an Aggregator or Weighting of "
        "torchjd. Got Linear",
    ):
        resolve_aggregator(torch.nn.Linear(2, 2))


def test_where_torchjd_is_missing_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchjd.aggregation", None)
    with pytest.raises(ImportError, match=r"pip install 'skmtl\[torchjd\]'"):
        resolve_aggregator(torchjd.UPGrad())


# ---------------------------------------------------------------------- in training
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (torchjd.PCGrad(), PCGrad()),
        (torchjd.IMTLG(), IMTLG()),
        (torchjd.Sum(), AGGREGATORS["sum"]()),
        (torchjd.MGDA(epsilon=1e-12, max_iters=20_000), MGDA()),
    ],
    ids=["pcgrad", "imtlg", "sum", "mgda"],
)
def test_it_trains_the_trunk_like_our_method_of_that_name(problem, theirs, ours):
    # Two tasks, for which PCGrad draws no order. Heads follow their own losses, as under the sum of
    # all gradients and of all losses.
    assert_same(train(problem, theirs), train(problem, ours))


def test_upgrad_trains_like_ours_up_to_their_regularisation(problem):
    pytest.importorskip("quadprog", reason="needs quadprog, which the test extra installs")
    assert_same(train(problem, torchjd.UPGrad()), train(problem, UPGrad()), rtol=0, atol=1e-3)


def test_weights_are_noted_where_there_are_any(problem):
    assert np.isfinite(train(problem, torchjd.MGDA())[0].aggregation_weights).all()
    assert np.isnan(train(problem, torchjd.GradDrop())[0].aggregation_weights).all()


STATEFUL = [
    torchjd.GradVac(),
    torchjd.PCDWeighting(),
    torchjd.CRMOGMWeighting(torchjd.MGDAWeighting()),
    torchjd.ExcessMTL(),
    torchjd.GradDrop(),
    torchjd.PCGrad(),
]


@pytest.mark.parametrize("theirs", STATEFUL, ids=lambda module: type(module).__name__)
def test_every_network_has_a_copy_of_its_own_and_nothing_is_left_behind(problem, theirs):
    problem = (
        problem[0],
        FleetData(problem[1].X, np.column_stack([problem[1].y, -problem[1].X[:, 1]])),
        *problem[2:],
    )
    before, state = pickle.dumps(theirs), torch.get_rng_state()
    together, again = train(problem, theirs), train(problem, theirs)
    alone = [train(problem, theirs, [member])[0] for member in problem[2]]
    assert_same(together, alone, rtol=1e-9, atol=1e-9)
    assert_same(together, again, rtol=0, atol=0)
    assert pickle.dumps(theirs) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_copy_starts_without_what_the_given_object_remembers(problem, rng):
    fresh, used = (
        torchjd.CRMOGMWeighting(torchjd.MGDAWeighting()),
        torchjd.CRMOGMWeighting(torchjd.MGDAWeighting()),
    )
    used(gramian(tensor([[5.0, 0.0], [0.0, 1.0]])))
    assert_same(train(problem, used), train(problem, fresh), rtol=0, atol=0)
    assert used._lambda is not None


def test_the_global_generator_is_restored_where_a_module_fails(rng):
    class Broken(torchjd.Weighting):
        def forward(self, stat, /):
            torch.rand(3)
            raise RuntimeError("broken")

    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="broken"):
        in_two_steps(resolve_aggregator(Broken()), gramian(gaussian(rng)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "theirs",
    [torchjd.UPGrad(), torchjd.ConFIG(), torchjd.MGDA(), torchjd.IMTLG()],
    ids=lambda module: type(module).__name__,
)
def test_a_network_that_has_diverged_leaves_the_others_alone(problem, theirs):
    architecture, data, members, training = problem
    diverging = [Member([np.arange(24)], seed=9, learning_rate=1e200), *(members * 6)]
    with pytest.warns(UserWarning, match="diverged"):
        trained = train((architecture, data, diverging, training), theirs)
    assert [own.diverged for own in trained] == [True] + [False] * 12


@pytest.mark.parametrize(
    "theirs", [torchjd.UPGrad(), *STATEFUL], ids=lambda module: type(module).__name__
)
def test_a_batch_without_a_task_is_taken(problem, rng, theirs):
    # One of the three tasks has a single label, so that most batches lack it.
    architecture, data, members, training = problem
    rare = np.full((24, 1), np.nan)
    rare[5] = 1.0
    trained = train(
        (architecture, FleetData(data.X, np.column_stack([data.y, rare])), members, training),
        theirs,
    )
    assert all(np.isfinite(part).all() for own in trained for part in own.parameters)


# ---------------------------------------------------------------------- in an estimator
@pytest.mark.parametrize(
    "theirs",
    [torchjd.UPGrad(), torchjd.UPGradWeighting(), torchjd.GradDrop()],
    ids=lambda module: type(module).__name__,
)
def test_an_estimator_takes_it_as_it_is(rng, theirs):
    pytest.importorskip("quadprog", reason="needs quadprog, which the test extra installs")
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    Y[:20, 1] = np.nan
    model = MultiTaskRegressor(aggregator=theirs, max_iter=3, n_members=2, random_state=0)
    fitted = clone(model).fit(X, Y)
    assert "aggregator=" in repr(model)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fitted)).predict(X), model.fit(X, Y).predict(X)
    )
    model.partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


def test_task_gradients_take_a_weighting_of_torchjd(problem):
    method = TaskGradients(torchjd.MGDAWeighting(), every=2)
    assert_same(
        train(problem, method),
        train(problem, TaskGradients(resolve_aggregator(torchjd.MGDAWeighting()), every=2)),
        rtol=0,
        atol=0,
    )


def test_gradvac_of_both_agrees_in_the_first_step(rng):
    # Two tasks need no order, and both start from targets of zero.
    matrix = gramian(tensor([[1.0, 0.2], [-0.5, 2.0]]))
    theirs = in_two_steps(resolve_aggregator(torchjd.GradVac()), matrix)
    torch.testing.assert_close(GradVac().weights(matrix), theirs, rtol=1e-5, atol=1e-6)
