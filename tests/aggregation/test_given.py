"""Gramians and Jacobians that users pass are rejected unless they are valid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skmtl.aggregation import (
    AGGREGATORS,
    GradDrop,
    TaskGradients,
    negative_cosine_fraction,
    shapley_values,
    voldet,
    voldetpro,
)
from tests.aggregation.conftest import SPECIAL, gaussian, gramian, quietly, special, tensor

METHODS = [
    kind()
    for name, kind in AGGREGATORS.items()
    if kind.kind == "gradient_weights" or name in ("mean", "sum", "rlw")
]
METHODS.append(TaskGradients("upgrad"))
CALLS = {type(method).__name__: method.weights for method in METHODS}
CALLS |= {
    function.__name__: function
    for function in (shapley_values, voldet, voldetpro, negative_cosine_fraction)
}
WRONG = {
    "NaN": (torch.full((3, 3), torch.nan), "has NaN or infinite entries"),
    "infinite": (torch.full((3, 3), torch.inf), "has NaN or infinite entries"),
    "asymmetric": (tensor([[1.0, 5.0], [-3.0, 1.0]]), "is not symmetric"),
    "negative definite": (-torch.eye(2), "has a negative eigenvalue"),
    "cosines above one": (tensor([[1.0, 2.0], [2.0, 1.0]]), "has a negative eigenvalue"),
    "a negative length": (torch.diag(tensor([1.0, -1e-3])), "has a negative eigenvalue"),
    "a zero gradient with products": (tensor([[0.0, 1.0], [1.0, 1.0]]), "has a negative"),
    "integers": (torch.tensor([[1, 2], [0, 1]]), "is not symmetric"),
}


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_gramian_is_refused_and_the_message_says_why(name, wrong):
    matrix, why = WRONG[wrong]
    with pytest.raises(ValueError, match=rf"needs inner products of task gradients.*{why}"):
        CALLS[name](matrix)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_of_a_batch_the_message_names_the_first_wrong_gramian(name):
    batch = torch.eye(3).repeat(2, 2, 1, 1)
    batch[1, 0, 2, 2] = -1.0
    with pytest.raises(ValueError, match=r"The Gramian at index \(1, 0\) has a negative eigenval"):
        CALLS[name](batch)


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("rows", SPECIAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_makes_no_gramian_wrong(name, rows, dtype, rng):
    jacobian = special(rows, rng).to(dtype)
    quietly(CALLS[name], gramian(jacobian))


def test_products_rounded_to_single_precision_are_taken_in_double_precision(rng):
    rough = gramian(gaussian(rng, 40, 30).float() * 1e6)
    rough = rough + 1e-7 * rough.abs().max() * tensor(rng.uniform(-1, 1, size=(40, 40))).float()
    assert shapley_values(rough.double()).isfinite().all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", [*METHODS, GradDrop()], ids=repr)
def test_a_jacobian_that_is_not_finite_is_refused(method, broken, rng):
    jacobian = gaussian(rng)
    jacobian[1, 2] = broken
    with pytest.raises(ValueError, match="needs a finite Jacobian. Got one with NaN or infin"):
        method.aggregate(jacobian)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_gradients_too_long_for_inner_products_are_refused(method):
    if type(method).__name__ in ("Mean", "Sum", "RLW"):
        pytest.skip("needs no inner products")
    with pytest.raises(ValueError, match="inner products of rows are finite; they overflow"):
        method.aggregate(1e200 * torch.eye(2, dtype=torch.float64))
