"""One seed governs everything random, and nothing global is touched."""

from __future__ import annotations

import sys
from random import getstate
from typing import Any

import joblib
import numpy as np
from sklearn.utils import check_random_state

from skmtl.utils.estimator_checks.contract_registry import contract
from skmtl.utils.estimator_checks.problems import (
    assert_same,
    assert_that,
    examples,
    is_random,
    outputs,
    seeded,
)


@contract()
def check_same_seed_gives_same_predictions(name: str, estimator: Any) -> None:
    """Require that two fits with one integer ``random_state`` agree to the last bit."""
    for model, X, y in examples(estimator):
        first, second = (outputs(seeded(model, 5).fit(X, y), X) for _ in range(2))
        assert_same(first, second, f"{name}: two fits with one random_state differ.")


@contract(is_random)
def check_other_seed_gives_other_predictions(name: str, estimator: Any) -> None:
    """Require that another ``random_state`` gives other predictions."""
    for model, X, y in examples(estimator):
        first, *others = (outputs(seeded(model, seed).fit(X, y), X) for seed in (0, 1, 2))
        assert_that(
            not all(np.array_equal(first, other) for other in others),
            f"{name}: random_state has no effect.",
        )


@contract(is_random)
def check_random_state_may_be_an_instance(name: str, estimator: Any) -> None:
    """Require that ``random_state`` may be a RandomState: equal ones give equal predictions."""
    for model, X, y in examples(estimator):
        first, second = (
            outputs(seeded(model).set_params(random_state=np.random.RandomState(3)).fit(X, y), X)
            for _ in range(2)
        )
        assert_same(first, second, f"{name}: fits with two RandomState objects of one seed differ.")


@contract()
def check_global_random_states_are_left_alone(name: str, estimator: Any) -> None:
    """Require that ``fit`` and ``predict`` do not touch global random states.

    These are the global generators of numpy, Python and torch.
    """
    for model, X, y in examples(estimator):
        before = _global_states()
        outputs(model.fit(X, y), X)
        touched = [
            library
            for library, state in _global_states().items()
            if state != before.get(library, state)
        ]
        assert_that(not touched, f"{name} touches the global random state of {', '.join(touched)}.")


def _global_states() -> dict[str, bytes]:
    kind, keys, *rest = check_random_state(None).get_state()  # that of numpy.random
    states = {
        "numpy": repr((kind, *rest)).encode() + np.asarray(keys).tobytes(),
        "Python": repr(getstate()).encode(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.get_rng_state().numpy().tobytes()
    return states


@contract()
def check_threads_of_joblib_fit_the_same(name: str, estimator: Any) -> None:
    """Require that fits in two threads at once give what fits one after the other give."""
    for model, X, y in examples(estimator):
        expected = [_fit_and_predict(seeded(model, seed), X, y) for seed in (0, 1)]
        found = joblib.Parallel(n_jobs=2, backend="threading")(
            joblib.delayed(_fit_and_predict)(seeded(model, seed), X, y) for seed in (0, 1)
        )
        for own, other in zip(found, expected, strict=True):
            assert_same(
                own, other, f"{name}: fits in two threads at once disturb each other.", 1e-9
            )


def _fit_and_predict(model: Any, X: Any, y: Any) -> Any:
    return outputs(model.fit(X, y), X)
