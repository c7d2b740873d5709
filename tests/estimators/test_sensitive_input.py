"""What is wrong with sensitive features is said, with the task and the group."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier
from skmtl.fairness import MTAF, PerTaskFairness

FAST = {"hidden_layer_sizes": (4,), "n_members": 1, "max_iter": 2, "random_state": 0}


@pytest.fixture
def people(rng):
    X = pd.DataFrame(rng.normal(size=(120, 3)), columns=list("abc"))
    Y = pd.DataFrame(rng.integers(0, 2, size=(120, 2)), columns=["loan", "card"])
    return X, Y, rng.permutation(np.repeat(["f", "m"], 60))


def fit(X, Y, group, term=None, **parameters):
    return MultiTaskClassifier(fairness=term or MTAF(), **FAST, **parameters).fit(
        X, Y, sensitive_features=group
    )


@pytest.mark.parametrize(
    ("criterion", "label", "kind"), [("fpr", 1, "negative"), ("tpr", 0, "positive")]
)
def test_a_group_without_rows_of_the_label_that_is_compared_is_named(
    people, criterion, label, kind
):
    X, Y, group = people
    Y.loc[group == "m", "loan"] = label
    with pytest.warns(
        UserWarning,
        match=f"Task 'loan' has no {kind} row of the group 'm'; the fairness term has no effect on "
        "the task.",
    ):
        fit(X, Y, group, MTAF(criterion=criterion))
    with pytest.warns(
        UserWarning,
        match=f"no {kind} row of the group 'm'; the fairness term has no effect on the task in its "
        f"{kind} rows.",
    ):
        fit(X, Y, group, PerTaskFairness(criterion="equalized_odds"))
    other = {"fpr": "tpr", "tpr": "fpr"}[criterion]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(X, Y, group, MTAF(criterion=other))
        fit(X, Y, group, MTAF(criterion=criterion, weight=[0.0, 1.0]))


def test_in_long_form_the_task_is_named(people):
    X, Y, group = people
    task = np.where(np.arange(120) % 2, "u", "v")
    y = Y["loan"].mask((task == "u") & (group == "m"), 1)
    with pytest.warns(UserWarning, match="Task 'u' has no negative row of the group 'm'"):
        fit(X.assign(task=task), y, group, task_column="task")


def test_a_number_that_was_not_cut_into_bands_is_recognised(people):
    X, Y, _ = people
    with pytest.warns(
        UserWarning,
        match="sensitive_features hold 120 groups in 120 rows, too few per group to compare. Bin "
        "numbers",
    ):
        fit(X, Y, X["a"].to_numpy())


@pytest.mark.parametrize("term", [MTAF, PerTaskFairness])
def test_a_positive_class_that_a_task_does_not_have_is_an_error_that_names_it(people, term):
    X, Y, group = people
    Y["card"] = np.arange(120) % 3
    with pytest.raises(
        ValueError,
        match=f"'positive_class' parameter of {term.__name__} is 2, but task 'loan' has 2 classes",
    ):
        fit(X, Y, group, term(positive_class=2))
    fit(X, Y, group, term(positive_class=[1, 2]))


def test_shapes_and_names_that_do_not_fit_are_errors(people):
    X, Y, group = people
    with pytest.raises(
        ValueError,
        match=r"sensitive_features must have shape \(n,\) or \(n, k\) with k at least 1. Got shape "
        r"\(\)",
    ):
        fit(X, Y, 3)
    with pytest.raises(ValueError, match=r"Got shape \(120, 1, 1\)"):
        fit(X, Y, np.zeros((120, 1, 1)))
    with pytest.raises(ValueError, match=r"Got shape \(120, 0\)"):
        fit(X, Y, X[[]])
    with pytest.raises(
        ValueError,
        match="120 are needed. Got 2. If these are names of columns, 'agee' is not a column of X",
    ):
        fit(X.assign(sex=group), Y, ["sex", "agee"])


def test_missing_sensitive_features_are_asked_for_with_the_way_to_pass_them(people):
    X, Y, _ = people
    with pytest.raises(
        ValueError,
        match="needs sensitive_features in "
        "fit.*enable_metadata_routing=True.*<step>__sensitive_features",
    ):
        MultiTaskClassifier(fairness=MTAF(), **FAST).fit(X, Y)
