"""Fronts are those of pairwise comparison, and marks stand where they should."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from skmtl.plotting import ParetoFrontierDisplay


def not_beaten(points):
    return [
        k for k, a in enumerate(points) if not any((b <= a).all() and (b < a).any() for b in points)
    ]


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_fronts_are_the_runs_that_no_run_of_the_method_beats(rng, ax):
    points = {name: rng.integers(0, 8, size=(30, 2)) / 4 for name in "ab"}
    display = ParetoFrontierDisplay.from_predictions(points, ax=ax)
    for name, values in points.items():
        assert sorted(display.fronts_[name]) == not_beaten(values)
        assert (np.diff(values[display.fronts_[name]][:, 0]) >= 0).all()
    assert labels(ax) == ["a (30 runs)", "b (30 runs)", "baseline", "reported"]


def test_a_frame_of_a_sweep_is_drawn_on_test_or_validation_rows(rng, ax):
    frame = pd.DataFrame(
        rng.uniform(0.5, 1.5, size=(20, 4)), columns=["are", "arfg", "val_are", "val_arfg"]
    ).assign(pareto=False, weight_a=1.0)
    test = ParetoFrontierDisplay.from_predictions(frame, ax=ax)
    assert sorted(test.fronts_["runs"]) == not_beaten(frame[["are", "arfg"]].to_numpy())
    assert "smaller is better" in ax.get_xlabel()
    assert "smaller is better" in ax.get_ylabel()
    ax.clear()
    validation = ParetoFrontierDisplay.from_predictions(
        frame, columns=("val_are", "val_arfg"), ax=ax
    )
    assert sorted(validation.fronts_["runs"]) == not_beaten(
        frame[["val_are", "val_arfg"]].to_numpy()
    )
    assert "validation" in ax.get_title(loc="left")


def test_the_midpoint_rule_or_a_given_row_is_marked(ax):
    points = [[0.8, 0.9], [1.0, 0.3], [1.1, 0.1], [1.4, 0.5]]  # the midpoint of 0.8 and 1.4 is 1.1
    assert ParetoFrontierDisplay.from_predictions(points, ax=ax).reported_ == {"runs": 2}
    assert ParetoFrontierDisplay.from_predictions(points, reported=1, ax=ax).reported_ == {
        "runs": 1
    }
    assert ParetoFrontierDisplay.from_predictions(
        {"a": points, "b": points}, reported={"b": 0}, ax=ax
    ).reported_ == {"b": 0}
    assert ParetoFrontierDisplay.from_predictions(points, reported=None, ax=ax).reported_ == {}


@pytest.mark.parametrize(
    ("columns", "baseline", "expected"),
    [
        (("are", "arfg"), "auto", 1),
        (("error", "gap"), "auto", 0),
        (("error", "gap"), (0.2, 0.3), 1),
    ],
)
def test_the_baseline_is_marked_where_it_is_known(rng, ax, columns, baseline, expected):
    ParetoFrontierDisplay.from_predictions(
        {"a": rng.random((5, 2))}, columns=columns, baseline=baseline, ax=ax
    )
    assert labels(ax).count("baseline") == expected


def test_runs_that_went_wrong_are_counted_rather_than_stretching_the_frame(rng, ax):
    points = rng.uniform(0.5, 1, size=(500, 2))
    points[:3, 0] = 1e6
    points[3] = np.nan
    points[4, 1] = np.inf
    ParetoFrontierDisplay.from_predictions(points, ax=ax)
    assert ax.get_xlim()[1] < 3
    assert any("outside the axes" in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("points", [np.empty((0, 2)), [[np.nan, 1.0]], [[1.0, 1.0]]])
def test_few_or_unknown_runs_are_drawn(points, ax):
    ParetoFrontierDisplay.from_predictions(points, ax=ax)


def test_candidates_of_a_search_are_turned_so_that_smaller_is_better(rng, ax):
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    scoring = {"mse": "neg_mean_squared_error", "mae": "neg_mean_absolute_error"}
    search = GridSearchCV(
        Ridge(), {"alpha": [0.1, 1.0, 10.0]}, scoring=scoring, refit="mae", cv=2
    ).fit(X, y)
    display = ParetoFrontierDisplay.from_estimator(search, metrics=("mse", "mae"), ax=ax)
    points = -np.column_stack(
        [search.cv_results_["mean_test_mse"], search.cv_results_["mean_test_mae"]]
    )
    assert sorted(display.fronts_["candidates"]) == not_beaten(points)
    assert display.reported_ == {"candidates": search.best_index_}
    assert ax.get_title(loc="left").endswith("Ridge")
    with pytest.raises(
        ValueError, match=r"'r2', which the search did not measure; it has \['mse', 'mae'\]"
    ):
        ParetoFrontierDisplay.from_estimator(search, metrics=("mse", "r2"), ax=ax)


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        ({}, {}, "points is empty"),
        ([[1.0, 2.0, 3.0]], {}, "shape"),
        (pd.DataFrame({"are": [1.0]}), {}, "no column 'arfg'"),
        ([[1.0, 2.0]], {"reported": 5}, "row 5"),
        ([[1.0, 2.0]], {"reported": "best"}, "reported must be 'midpoint'"),
        ([[1.0, 2.0]], {"reported": {"other": 0}}, "'other'"),
    ],
)
def test_wrong_points_are_refused(points, settings, message, ax):
    with pytest.raises(ValueError, match=message):
        ParetoFrontierDisplay.from_predictions(points, ax=ax, **settings)
