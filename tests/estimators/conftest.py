"""Small problems, and what trained networks say about them written out in numpy."""

import numpy as np
import pytest

_ACTIVATE = {
    "relu": lambda value: np.maximum(value, 0),
    "tanh": np.tanh,
    "logistic": lambda value: 1 / (1 + np.exp(-value)),
    "identity": lambda value: value,
}


def _standardised(train, values):
    """Numbers (n, p) scaled by the known ones of training, far ones drawn in, then 1 where a column
    with gaps in training is missing.
    """
    train, values = np.asarray(train, dtype=float), np.asarray(values, dtype=float)
    z = (values - np.nanmean(train, axis=0)) / np.nanstd(train, axis=0)
    z = np.where(np.abs(z) > 4, np.sign(z) * (4 + np.log1p(np.maximum(np.abs(z) - 4, 0))), z)
    return np.column_stack(
        [np.nan_to_num(z, nan=0.0), np.isnan(values[:, np.isnan(train).any(axis=0)])]
    )


def _representation(model, member, numeric, codes=None, task=0):
    """What a task's head sees, (n, width), in one network, and (weight, bias) of all its heads."""
    hidden, heads = (
        np.atleast_1d(sizes).astype(int)
        for sizes in (model.hidden_layer_sizes, model.head_hidden_layer_sizes)
    )
    parts = [np.asarray(part, dtype=float) for part in member]
    n_tables = 0 if codes is None else codes.shape[1]
    tables, layers = parts[:n_tables], parts[n_tables:]
    vectors = layers.pop() if len(layers) % 2 else np.empty((model.n_outputs_, 0))
    assert len(layers) == 2 * (len(hidden) + len(heads) + 1)
    x = np.column_stack(
        [
            numeric,
            *(table[codes[:, j]] for j, table in enumerate(tables)),
            np.tile(vectors[task], (len(numeric), 1)),
        ]
    )
    layers = list(zip(layers[::2], layers[1::2], strict=True))
    for weight, bias in layers[: len(hidden)]:
        x = _ACTIVATE[model.activation](x @ weight.T + bias.T)
    return x, layers[len(hidden) :]


def _scores(model, member, numeric, codes=None, task=0):
    """Scores (n, k) of a task's head in one network."""
    x, heads = _representation(model, member, numeric, codes, task)
    for weight, bias in heads[:-1]:
        x = _ACTIVATE[model.activation](x @ weight[task].T + bias[task].T)
    weight, bias = heads[-1]
    return x @ weight[task].T + bias[task].T


@pytest.fixture
def standardised():
    return _standardised


@pytest.fixture
def plain_representation():
    return lambda *arguments: _representation(*arguments)[0]


@pytest.fixture
def plain_scores():
    return _scores


@pytest.fixture
def X(rng):
    """Inputs without far values, which the estimators draw in."""
    return rng.normal(size=(48, 4)).clip(-2.5, 2.5)


@pytest.fixture
def Y(X, rng):
    """Three targets with NaN, every task with at least 20 labels."""
    Y = np.column_stack([X[:, 0] + X[:, 1], 10 * X[:, 0] - 3, np.sin(X[:, 2])]) + 0.1 * rng.normal(
        size=(len(X), 3)
    )
    for t in range(3):
        Y[rng.permutation(len(Y))[:10], t] = np.nan
    return Y


@pytest.fixture
def labels(Y):
    """Three binary targets with NaN."""
    return np.where(np.isnan(Y), np.nan, np.nanmedian(Y, axis=0) < Y)


@pytest.fixture
def long_form(X, rng):
    """X with ids 7.0, 3.0, 12.0 in the last column, targets, and the ids."""
    task = np.array([7.0, 3.0, 12.0])[np.r_[0, 1, 2, rng.integers(0, 3, size=len(X) - 3)]]
    return np.column_stack([X, task]), X[:, 0] * task + rng.normal(size=len(X)), task
