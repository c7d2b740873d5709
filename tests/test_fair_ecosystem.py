"""Fairness among the tools of others: searches over a pipeline on the census data, and what
fairlearn measures and mends.
"""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmtl import MultiTaskClassifier
from skmtl.datasets import fetch_adult, make_fair_tasks
from skmtl.fairness import MTAF
from skmtl.metrics import error_rate, group_rate_gap, multitask_scorers
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold

FAST = {
    "hidden_layer_sizes": (8,),
    "n_members": 1,
    "learning_rate_init": 0.02,
    "max_iter": 15,
    "random_state": 0,
}


# ---------------------------------------------------------------------- searches
@pytest.fixture(scope="module")
def census(data_home):
    """Two thousand rows of the census data: inputs, two labels, sex."""
    adult = fetch_adult(data_home=data_home)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(adult.split == "train"))[:2000]
    return adult.data.iloc[rows], adult.target.iloc[rows], adult.sensitive_features.iloc[rows]


def census_pipeline(**parameters):
    columns = make_column_transformer(
        (StandardScaler(), ["age", "education_num", "hours_per_week"]),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            ["workclass", "marital_status", "occupation"],
        ),
    )
    settings = {
        "n_members": 1,
        "max_iter": 10,
        "batch_size": 500,
        "learning_rate_init": 0.02,
        "dtype": "float64",
        "random_state": 0,
    }
    return make_pipeline(
        columns, MultiTaskClassifier((16,), fairness=MTAF("gap"), **settings | parameters)
    )


@pytest.mark.parametrize("early_stopping", [False, True], ids=["to the end", "early stopping"])
def test_both_searches_over_a_fair_pipeline_give_the_same_scores_on_the_census_data(
    census, early_stopping
):
    X, Y, sex = census
    scoring = {
        name: multitask_scorers[name] for name in ("accuracy", "neg_log_loss", "neg_fpr_gap")
    }
    grid = {
        "multitaskclassifier__fairness__weight": [0.0, 2.0],
        "multitaskclassifier__alpha": [0.1, 1.0],
    }
    found = []
    with sklearn.config_context(enable_metadata_routing=True):
        for search in (GridSearchCV, FleetSearchCV):
            splits = MultiTaskKFold(2, random_state=0)
            one = search(
                census_pipeline(early_stopping=early_stopping),
                grid,
                scoring=scoring,
                refit="accuracy",
                cv=splits,
                error_score="raise",
            )
            found.append(one.fit(X, Y, sensitive_features=sex))
    ordinary, fleet = (pd.DataFrame(one.cv_results_) for one in found)
    names = [name for name in ordinary if "test_" in name and not name.startswith("rank")]
    assert set(names) <= set(fleet)
    np.testing.assert_allclose(fleet[names], ordinary[names], rtol=0, atol=1e-8)
    assert found[0].best_params_ == found[1].best_params_
    np.testing.assert_allclose(*(np.hstack(one.predict_proba(X)) for one in found), atol=1e-8)
    plain, fair = (
        ordinary.loc[
            ordinary["param_multitaskclassifier__fairness__weight"] == weight,
            "mean_test_neg_fpr_gap",
        ].mean()
        for weight in (0.0, 2.0)
    )
    assert fair > plain


def test_the_sensitive_column_may_pass_the_pipeline_by_name(census):
    X, Y, sex = census
    X, Y, sex = X.iloc[:400], Y.iloc[:400], sex.iloc[:400]
    columns = make_column_transformer(
        (StandardScaler(), ["age", "education_num"]),
        ("passthrough", ["sex"]),
        verbose_feature_names_out=False,
    )
    network = census_pipeline(max_iter=3)[-1]
    named = make_pipeline(columns.set_output(transform="pandas"), network).fit(
        X.assign(sex=sex), Y, multitaskclassifier__sensitive_features="sex"
    )
    scaled = make_pipeline(
        make_column_transformer((StandardScaler(), ["age", "education_num"])),
        sklearn.clone(network),
    )
    given = scaled.fit(X, Y, multitaskclassifier__sensitive_features=sex)
    np.testing.assert_array_equal(
        np.hstack(named.predict_proba(X.assign(sex=sex))), np.hstack(given.predict_proba(X))
    )


# ---------------------------------------------------------------------- fairlearn
@pytest.fixture(scope="module")
def fairlearn():
    return pytest.importorskip("fairlearn", reason="needs fairlearn, which the test extra installs")


@pytest.fixture(scope="module")
def people():
    planted = make_fair_tasks(600, bias=[2.0, 1.0], random_state=0)
    return planted.data, planted.target, planted.sensitive_features


@pytest.fixture(scope="module")
def unfair(people):
    X, Y, _ = people
    return MultiTaskClassifier(**FAST).fit(X, Y)


@pytest.mark.usefixtures("fairlearn")
def test_a_metric_frame_of_one_task_and_one_of_all_tasks_agree_with_our_gaps(people, unfair):
    from fairlearn.metrics import MetricFrame, false_positive_rate

    X, Y, groups = people
    Y, predicted = Y.where(np.random.default_rng(1).random(Y.shape) < 0.8), unfair.predict(X)
    rows, tasks = np.nonzero(Y.notna().to_numpy())
    together = MetricFrame(
        metrics={"fpr": false_positive_rate, "error": error_rate},
        y_true=Y.to_numpy()[rows, tasks].astype(int),
        y_pred=predicted[rows, tasks],
        sensitive_features=groups.iloc[rows],
        control_features=pd.Series(Y.columns[tasks], name="task"),
    )
    np.testing.assert_allclose(together.difference()["fpr"], group_rate_gap(Y, predicted, groups))
    np.testing.assert_allclose(together.overall["error"], error_rate(Y, predicted))
    known = Y["task_0"].notna()
    alone = MetricFrame(
        metrics=false_positive_rate,
        y_true=Y["task_0"][known].astype(int),
        y_pred=predicted[known, 0],
        sensitive_features=groups[known],
    )
    assert alone.difference() == pytest.approx(group_rate_gap(Y, predicted, groups)[0])


@pytest.mark.usefixtures("fairlearn")
def test_a_metric_frame_takes_our_metrics_of_several_tasks(people, unfair):
    from fairlearn.metrics import MetricFrame

    X, Y, groups = people
    predicted = unfair.predict(X)
    frame = MetricFrame(
        metrics={"error": lambda true, own: error_rate(true, own).mean()},
        y_true=Y,
        y_pred=predicted,
        sensitive_features=groups,
    )
    for name, value in frame.by_group["error"].items():
        rows = groups == name
        assert value == pytest.approx((Y.to_numpy()[rows] != predicted[rows]).mean())


@pytest.mark.usefixtures("fairlearn")
@pytest.mark.parametrize("prefit", [False, True])
def test_thresholds_of_one_task_are_set_after_our_fit_and_close_the_gap(people, prefit):
    from fairlearn.postprocessing import ThresholdOptimizer

    X, Y, groups = people
    y, own = Y["task_0"], MultiTaskClassifier(**FAST)
    # the only way to have a fairness term as well, whose groups ThresholdOptimizer does not hand on
    if prefit:
        own = own.set_params(fairness=MTAF(weight=0.05)).fit(X, y, sensitive_features=groups)
    optimizer = ThresholdOptimizer(
        estimator=own, constraints="false_positive_rate_parity", prefit=prefit
    )
    fair = optimizer.fit(X, y, sensitive_features=groups).predict(
        X, sensitive_features=groups, random_state=0
    )
    before = group_rate_gap(
        y, sklearn.clone(own).set_params(fairness=None).fit(X, y).predict(X), groups
    )
    assert group_rate_gap(y, fair, groups) < 0.05 < before
    assert optimizer.estimator_.predict_proba(X).shape == (600, 2)


@pytest.mark.usefixtures("fairlearn")
def test_thresholds_are_set_task_by_task_from_the_probabilities_of_one_network(people, unfair):
    from fairlearn.postprocessing import ThresholdOptimizer

    X, Y, groups = people
    treated = []
    for task, own in zip(Y, unfair.predict_proba(X), strict=True):
        optimizer = ThresholdOptimizer(
            estimator=LogisticRegression(),
            constraints="false_positive_rate_parity",
            predict_method="predict_proba",
        )
        optimizer.fit(own[:, [1]], Y[task], sensitive_features=groups)
        treated.append(optimizer.predict(own[:, [1]], sensitive_features=groups, random_state=0))
    gaps, before = (
        group_rate_gap(Y, predicted, groups)
        for predicted in (np.column_stack(treated), unfair.predict(X))
    )
    assert (gaps < 0.05).all()
    assert (before > 0.1).all()


@pytest.mark.usefixtures("fairlearn")
@pytest.mark.filterwarnings(
    "ignore:Setting a:Warning"
)  # pandas warns of what fairlearn does with it
def test_reductions_train_our_network_on_reweighted_rows(people):
    from fairlearn.reductions import ExponentiatedGradient, FalsePositiveRateParity

    X, Y, groups = people
    y = Y["task_0"]
    reduction = ExponentiatedGradient(
        MultiTaskClassifier(**FAST), FalsePositiveRateParity(difference_bound=0.02), max_iter=3
    )
    fair = reduction.fit(X, y, sensitive_features=groups).predict(X, random_state=0)
    plain = MultiTaskClassifier(**FAST).fit(X, y).predict(X)
    assert group_rate_gap(y, fair, groups) < 0.5 * group_rate_gap(y, plain, groups)
    assert error_rate(y, fair) < min(y.mean(), 1 - y.mean())
