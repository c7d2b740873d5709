"""Every parameter of every aggregator with values that it cannot have."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

import skmtl.aggregation
from skmtl import MultiTaskRegressor
from skmtl.aggregation import AGGREGATORS, ShapleyWeighted, SVFair, TaskGradients
from skmtl.base import Aggregator, Signals

NAN, INF = float("nan"), float("inf")
NO_NUMBER = (NAN, INF, -1.0, "one", [0.1, 0.2, 0.3, 0.4], None)
NO_POSITIVE = (*NO_NUMBER, 0.0)
NO_COUNT = (0, -3, 2.5, NAN, "one", None)
NO_SHARES = (-0.1, 1.5, NAN, "one", [0.1, 0.2, 0.3], [[0.1]], None)
NO_NUMBERS = (NAN, INF, "one", [0.1, 0.2, 0.3], [[0.1]], None)
NO_CHOICE = ("other", 0, -1, NAN, None)
NO_LENGTH = (0.0, -1.0, NAN, INF, "one")
BAD = {
    "alignedmtl": {"scale_mode": NO_CHOICE},
    "cagrad": {"c": NO_NUMBER},
    "fairgrad": {"alpha": NO_NUMBER},
    "gradvac": {"beta": (*NO_NUMBER, 1.5)},
    "graddrop": {"leak": NO_SHARES},
    "pivrg": {"bound": (1.0, 0.5, 0, *NO_NUMBER), "min_temperature": NO_POSITIVE},
    "svfair": {
        "utility": NO_CHOICE,
        "tau": NO_POSITIVE,
        "n_permutations": NO_COUNT,
        "max_norm": NO_LENGTH,
        "head_gradient": NO_CHOICE,
    },
    "uw": {"learning_rate": NO_NUMBER, "initial": NO_NUMBERS},
    "dwa": {"temperature": NO_POSITIVE},
    "famo": {"min_losses": NO_NUMBERS, "learning_rate": NO_NUMBER, "weight_decay": NO_NUMBER},
    "gradnorm": {"alpha": NO_NUMBER, "learning_rate": NO_NUMBER},
    "stch": {
        "mu": NO_POSITIVE,
        "form": NO_CHOICE,
        "warmup": (-1, 2.5, NAN, "one", None),
        "preferences": (*NO_NUMBERS, 0.0, -1.0),
        "ideal": NO_NUMBERS,
    },
    "minmax": {"step_size": (NAN, INF, -1.0, "one")},
    "relobralo": {
        "alpha": (*NO_NUMBER, 1.5),
        "temperature": NO_POSITIVE,
        "rho": (*NO_NUMBER, 1.5),
    },
    "ShapleyWeighted": {
        "method": ("mgda", 0, NAN, None),
        "utility": ("auto", *NO_CHOICE),
        "tau": NO_POSITIVE,
        "n_permutations": NO_COUNT,
    },
    "TaskGradients": {
        "method": ("mean", 0, NAN, None),
        "at": NO_CHOICE,
        "every": NO_COUNT,
        "max_norm": NO_LENGTH,
        "head_gradient": NO_CHOICE,
    },
}
WRAPPERS = {"ShapleyWeighted": ShapleyWeighted, "TaskGradients": TaskGradients}
CASES = [
    (name, parameter, value)
    for name, own in BAD.items()
    for parameter, values in own.items()
    for value in values
]


def made(name, **parameters):
    if name == "TaskGradients":
        parameters = {"method": "upgrad", **parameters}
    return (AGGREGATORS | WRAPPERS)[name](**parameters)


def test_every_parameter_of_every_aggregator_is_tried():
    public = [getattr(skmtl.aggregation, name) for name in skmtl.aggregation.__all__]
    kinds = [one for one in public if inspect.isclass(one) and issubclass(one, Aggregator)]
    names = {kind: name for name, kind in (AGGREGATORS | WRAPPERS).items()}
    for kind in kinds:
        parameters = set(inspect.signature(kind).parameters)
        assert set(BAD.get(names[kind], {})) == parameters, kind


@pytest.mark.parametrize(("name", "parameter", "value"), CASES, ids=str)
def test_a_value_that_a_parameter_cannot_have_is_named_at_first_use(name, parameter, value, rng):
    aggregator = made(name, **{parameter: value})
    message = rf"The '{parameter}' parameter of {type(aggregator).__name__} must be .*instead"
    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    with pytest.raises(ValueError, match=message):
        MultiTaskRegressor(aggregator=aggregator, max_iter=1, n_members=1).fit(X, Y)
    if aggregator.kind == "gradient_weights":
        with pytest.raises(ValueError, match=message):
            aggregator.weights(torch.eye(2))
    elif aggregator.kind == "direction":
        with pytest.raises(ValueError, match=message):
            aggregator.aggregate(torch.eye(2))


def test_no_permutations_are_refused():
    with pytest.raises(
        ValueError, match="'n_permutations' parameter of SVFair must be a whole number of at least"
    ):
        SVFair(n_permutations=0).weights(torch.eye(3))


@pytest.mark.parametrize(
    "aggregator",
    [made("svfair", tau=np.float32(0.5)), made("stch", mu=np.int64(1), warmup=np.int32(1))],
    ids=repr,
)
def test_numbers_of_numpy_are_numbers(aggregator, rng):
    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    MultiTaskRegressor(aggregator=aggregator, max_iter=1, n_members=1).fit(X, Y)


def test_a_list_for_the_tasks_is_no_error_for_single_tasks_that_train_beside_them(rng):
    made("famo", min_losses=[0.1, 0.2]).check(1)
    losses = Signals(losses=torch.ones(1, 2))
    assert made("famo", min_losses=[0.1, 0.2]).step(losses, made("famo").init(1, 2))[0].shape == (
        1,
        2,
    )
