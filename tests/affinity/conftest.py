from itertools import pairwise

import pytest
import torch

from skmtl.datasets import make_grouped_tasks

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}


@pytest.fixture
def plain_scores():
    """Scores (rows, k) of one task in plain torch; parameters have a leading axis of length 1."""

    def scores(architecture, parameters, X, t):
        h = torch.tensor(X)
        first = architecture.n_trunk_parameters
        for weight, bias in zip(parameters[:first:2], parameters[1:first:2], strict=True):
            h = ACTIVATIONS[architecture.activation](h @ weight[0].T + bias[0, :, 0])
        heads = [part[0, t] for part in parameters[first:]]
        for k, _ in enumerate(pairwise(architecture.head_sizes)):
            h = h @ heads[2 * k].T + heads[2 * k + 1][:, 0]
            h = ACTIVATIONS[architecture.activation](h) if k < architecture.n_head_layers - 1 else h
        return h

    return scores


@pytest.fixture
def few_tasks(rng):
    return make_grouped_tasks(
        4, 2, n_samples=(14, 22), n_features=3, random_state=int(rng.integers(2**31))
    ).task_set


@pytest.fixture
def few_classes(rng):
    return make_grouped_tasks(
        4,
        2,
        n_samples=(24, 30),
        n_features=3,
        kind="classification",
        random_state=int(rng.integers(2**31)),
    ).task_set
