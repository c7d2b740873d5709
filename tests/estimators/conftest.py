import numpy as np
import pytest


@pytest.fixture
def X(rng):
    return rng.normal(size=(48, 4))


@pytest.fixture
def Y(X, rng):
    """Three targets with NaN, every task with at least 20 labels."""
    Y = np.column_stack([X[:, 0] + X[:, 1], 10 * X[:, 0] - 3, np.sin(X[:, 2])]) + 0.1 * rng.normal(size=(len(X), 3))
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
