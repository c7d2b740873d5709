"""Names and objects that estimators accept as aggregator=."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skmtl.aggregation
from skmtl.aggregation import AGGREGATORS, SVFair, TaskGradients, UPGrad, resolve_aggregator
from skmtl.base import Aggregator

# By design the names of the contract, kind by kind.
LOSSES = [
    "mean",
    "sum",
    "si",
    "gls",
    "rlw",
    "uw",
    "dwa",
    "famo",
    "gradnorm",
    "stch",
    "minmax",
    "relobralo",
    "igb",
]
GRADIENTS = [
    "mgda",
    "pcgrad",
    "gradvac",
    "cagrad",
    "imtlg",
    "nash",
    "fairgrad",
    "pivrg",
    "svfair",
    "alignedmtl",
    "upgrad",
    "dualproj",
    "config",
]


def test_the_names_are_those_of_the_three_kinds():
    assert sorted(AGGREGATORS) == sorted([*LOSSES, *GRADIENTS, "graddrop"])
    for names, kind in [
        (LOSSES, "loss_weights"),
        (GRADIENTS, "gradient_weights"),
        (["graddrop"], "direction"),
    ]:
        assert all(AGGREGATORS[name].kind == kind for name in names)


@pytest.mark.parametrize("name", sorted(AGGREGATORS))
def test_a_name_stands_for_an_object_of_default_parameters(name):
    first, second = resolve_aggregator(name), resolve_aggregator(name)
    assert first is not second
    assert type(first) is AGGREGATORS[name]
    assert first.get_params() == clone(first).get_params() == AGGREGATORS[name]().get_params()
    assert isinstance(first, Aggregator)


def test_every_class_has_a_name_or_wraps_those_that_have():
    public = [getattr(skmtl.aggregation, name) for name in skmtl.aggregation.__all__]
    classes = {
        value for value in public if isinstance(value, type) and issubclass(value, Aggregator)
    }
    assert {kind.__name__ for kind in classes - set(AGGREGATORS.values())} == {
        "ShapleyWeighted",
        "TaskGradients",
    }


@pytest.mark.parametrize("method", [SVFair(tau=0.2), TaskGradients("upgrad")], ids=repr)
def test_an_object_stands_for_itself(method):
    assert resolve_aggregator(method) is method


def test_a_plug_in_of_the_users_is_taken():
    class Mine(Aggregator):
        kind = "gradient_weights"

        def step(self, signals, state):
            return torch.ones_like(signals.gramian[..., 0]), state

    mine = Mine()
    assert resolve_aggregator(mine) is mine


def test_a_numpy_string_is_a_name():
    assert isinstance(resolve_aggregator(np.str_("upgrad")), UPGrad)


@pytest.mark.parametrize(
    "value",
    [
        "svfare",
        "",
        None,
        3,
        UPGrad,
        Aggregator(),
        ["upgrad"],
        ("upgrad", "mgda"),
        {"tau": 1},
        np.array(["upgrad"]),
    ],
    ids=repr,
)
def test_anything_else_is_refused_with_the_names_that_there_are(value):
    with pytest.raises(
        ValueError,
        match="The 'aggregator' parameter must be one of mean, sum, .*, config, an aggregator "
        "object .* Got .* instead",
    ):
        resolve_aggregator(value)
