"""The suite itself: sound estimators pass, and every check catches an estimator that breaks its
promise.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import EstimatorCheckFailedWarning, SkipTestWarning

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.utils import estimator_checks
from skmtl.utils.estimator_checks import (
    check_multitask_estimator,
    multitask_checks,
    parametrize_with_checks,
)
from tests.utils.culprits import CULPRITS, REFUSE, IgnoresWeights, PoolsTheScore
from tests.utils.toys import ToyClassifier, ToyRegressor, ToyWideRegressor

CHECKS = [
    name
    for name in estimator_checks.__all__
    if name.startswith("check_") and name != "check_multitask_estimator"
]
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "user_guide" / "estimator_checks.rst"


def names_for(estimator):
    return {check.__name__ for check in multitask_checks(estimator)}


# ---------------------------------------------------------------------- the checks
@parametrize_with_checks([ToyRegressor(), ToyClassifier()])
def test_a_sound_estimator_keeps_the_contract(estimator, check):
    check(estimator)


def test_every_check_is_meant_for_a_sound_estimator():
    assert names_for(ToyRegressor()) | names_for(ToyClassifier()) == set(CHECKS)


def test_every_check_has_an_estimator_that_it_must_catch():
    assert sorted(CULPRITS) == sorted(CHECKS)


@pytest.mark.parametrize(
    ("check", "culprit"),
    [(check, culprit) for check, culprits in CULPRITS.items() for culprit in culprits],
)
def test_the_check_catches_its_culprit(check, culprit):
    if check == "check_skops_predicts_the_same":
        pytest.importorskip("skops", reason="the check itself is skipped without skops")
    with pytest.raises((ValueError, TypeError) if culprit in REFUSE else AssertionError) as caught:
        getattr(estimator_checks, check)(culprit.__name__, culprit())
    assert culprit in REFUSE or str(caught.value).startswith(culprit.__name__)


def test_every_check_is_in_the_user_guide():
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in CHECKS if f"``{name}``" not in guide] == []


def test_every_check_says_what_it_requires():
    assert [
        name
        for name in CHECKS
        if not getattr(estimator_checks, name).__doc__.startswith("Require that ")
    ] == []


# ---------------------------------------------------------------------- which checks
def test_an_estimator_gets_the_checks_that_suit_it():
    regressor, classifier = names_for(MultiTaskRegressor()), names_for(MultiTaskClassifier())
    assert "check_units_of_targets_do_not_matter" in regressor - classifier
    assert {"check_probabilities", "check_labels_keep_their_type"} <= classifier - regressor


def test_an_estimator_without_a_task_column_is_checked_in_wide_form_only():
    assert names_for(ToyRegressor()) - names_for(ToyWideRegressor()) == {
        "check_order_of_tasks_in_long_form_is_irrelevant",
        "check_task_ids_may_be_any_hashables",
        "check_unknown_task_raises",
        "check_wide_equals_long",
    }
    assert {
        result["status"] for result in check_multitask_estimator(ToyWideRegressor(), on_skip=None)
    } <= {"passed", "skipped"}


# ---------------------------------------------------------------------- the runner
def statuses(results):
    return {result["check_name"]: result["status"] for result in results}


def test_an_unexpected_failure_raises_warns_or_stands_in_the_result():
    with pytest.raises(AssertionError, match="PoolsTheScore: score is"):
        check_multitask_estimator(PoolsTheScore(), on_skip=None)
    with pytest.warns(EstimatorCheckFailedWarning, match="check_score_is_the_mean_over_tasks"):
        check_multitask_estimator(PoolsTheScore(), on_fail="warn", on_skip=None)
    found = check_multitask_estimator(PoolsTheScore(), on_fail=None, on_skip=None)
    assert {name for name, status in statuses(found).items() if status == "failed"} == {
        "check_score_is_the_mean_over_tasks"
    }


def test_an_expected_failure_is_told_apart_from_an_unexpected_one():
    found = check_multitask_estimator(
        PoolsTheScore(),
        expected_failed_checks={"check_score_is_the_mean_over_tasks": "pools tasks"},
        on_skip=None,
    )
    assert statuses(found)["check_score_is_the_mean_over_tasks"] == "xfail"
    assert {result["reason"] for result in found} == {None, "pools tasks"}


def test_a_check_whose_package_is_missing_is_skipped_with_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.warns(SkipTestWarning, match="skops is not installed"):
        found = check_multitask_estimator(ToyRegressor())
    assert [name for name, status in statuses(found).items() if status == "skipped"] == [
        "check_skops_predicts_the_same"
    ]


def test_the_estimator_that_is_checked_stays_unfitted_and_unchanged():
    toy = ToyRegressor(random_state=4)
    check_multitask_estimator(toy, on_skip=None)
    assert vars(toy) == {"task_column": None, "random_state": 4}


@pytest.mark.parametrize(
    "run",
    [check_multitask_estimator, lambda toy, **options: parametrize_with_checks([toy], **options)],
)
def test_an_exception_for_what_is_no_check_raises(run):
    with pytest.raises(ValueError, match="ToyRegressor names 'check_nothing', which is no check"):
        run(ToyRegressor(), expected_failed_checks={"check_nothing": "there is none"})


@pytest.mark.parametrize("option", ["on_skip", "on_fail"])
def test_an_unknown_option_raises(option):
    with pytest.raises(ValueError, match=f"{option}.*'shout'"):
        check_multitask_estimator(ToyRegressor(), **{option: "shout"})


# ---------------------------------------------------------------------- under pytest
def test_cases_have_readable_names_and_expected_failures_are_strict():
    expected = {"check_weights_have_an_effect": "has no use for weights"}
    cases = parametrize_with_checks(
        [ToyRegressor(), IgnoresWeights()],
        expected_failed_checks=lambda toy: expected if isinstance(toy, IgnoresWeights) else {},
    )
    ids = [case.id for case in cases.args[1]]
    assert "ToyRegressor()-check_weights_have_an_effect" in ids
    assert len(set(ids)) == len(ids)
    marked = {case.id: case.marks for case in cases.args[1] if case.marks}
    assert list(marked) == ["IgnoresWeights()-check_weights_have_an_effect"]
    (mark,) = marked["IgnoresWeights()-check_weights_have_an_effect"]
    assert (mark.name, mark.kwargs) == (
        "xfail",
        {"reason": "has no use for weights", "strict": True},
    )


def test_a_class_in_place_of_an_instance_is_refused():
    with pytest.raises(TypeError, match=r"write ToyRegressor\(\)"):
        parametrize_with_checks([ToyRegressor])


def test_warnings_for_the_user_are_silent_and_numerical_ones_are_not():
    class Talkative(ToyRegressor):
        def fit(self, X, y, *, sample_weight=None):
            warnings.warn("a tiny task", UserWarning, stacklevel=2)
            return super().fit(X, y, sample_weight=sample_weight)

    class Careless(ToyRegressor):
        def fit(self, X, y, *, sample_weight=None):
            np.log(np.zeros(1))
            return super().fit(X, y, sample_weight=sample_weight)

    estimator_checks.check_task_names("Talkative", Talkative())
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        estimator_checks.check_task_names("Careless", Careless())
