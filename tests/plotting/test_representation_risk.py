"""The picture of a representation path says what the path says."""

import numpy as np
import pytest

from skmtl import LowRankMultiTaskRegressor
from skmtl.datasets import make_majority_minority_tasks
from skmtl.plotting import RepresentationRiskDisplay
from skmtl.representation import RepresentationPath, representation_path


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.fixture
def planted():
    bunch = make_majority_minority_tasks(
        8,
        2,
        n_samples=40,
        n_features=6,
        majority_rank=1,
        minority_rank=1,
        noise=0.1,
        random_state=0,
    )
    return bunch, bunch.data.assign(task=bunch.task), bunch.target


def test_lines_are_relative_risks_in_the_order_of_ranks_and_starved_tasks_are_named(planted, ax):
    bunch, X, y = planted
    path = representation_path(
        LowRankMultiTaskRegressor(task_column="task"), X, y, ranks=[3, 1, 2], cv=2
    )
    display = RepresentationRiskDisplay.from_predictions(path, ax=ax)
    for t, name in enumerate(path.task_names):
        np.testing.assert_array_equal(display.lines_[name].get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(
            display.lines_[name].get_ydata(), (path.risks[:, t] / path.trivial_risks[t])[[1, 2, 0]]
        )
    assert (
        sorted(label.get_text() for label in display.starved_ax_.get_yticklabels())
        == bunch.minority
    )
    assert "no task starved from size 2" in texts(ax)
    assert "2 tasks starved" in " ".join(label.get_text() for label in ax.get_legend().get_texts())


def test_the_path_of_an_estimator_is_measured_and_drawn(planted, ax):
    _, X, y = planted
    model = LowRankMultiTaskRegressor(task_column="task")
    display = RepresentationRiskDisplay.from_estimator(
        model, X, y, ranks=[1, 2], cv=2, task_weights={"minority_0": 50.0}, ax=ax
    )
    expected = representation_path(
        model, X, y, ranks=[1, 2], cv=2, task_weights={"minority_0": 50.0}
    )
    np.testing.assert_array_equal(display.path.risks, expected.risks)
    assert ax.get_title(loc="left").endswith("LowRankMultiTaskRegressor")


def made(starved, risks=None, ranks=None):
    starved = np.asarray(starved, dtype=bool)
    names = tuple(f"t{k}" for k in range(starved.shape[1]))
    risks = np.full(starved.shape, 0.5) if risks is None else np.asarray(risks, dtype=float)
    return RepresentationPath(
        tuple(ranks or range(1, len(starved) + 1)),
        names,
        risks,
        np.zeros(len(names)),
        np.ones(len(names)),
        starved,
    )


def test_without_starved_tasks_there_is_one_panel(ax):
    assert (
        RepresentationRiskDisplay.from_predictions(made([[False, False]]), ax=ax).starved_ax_
        is None
    )
    assert ax.figure.axes == [ax]


def test_it_is_said_when_every_size_starves_some_task(ax):
    RepresentationRiskDisplay.from_predictions(made([[True, False], [False, True]]), ax=ax)
    assert "some task is starved at every size" in texts(ax)


def test_most_starved_tasks_come_first_and_the_rest_is_counted(ax):
    starved = np.zeros((3, 40), dtype=bool)
    starved[0] = True
    starved[1, 5] = True
    display = RepresentationRiskDisplay.from_predictions(made(starved), ax=ax)
    labels = [label.get_text() for label in display.starved_ax_.get_yticklabels()]
    assert labels[:2] == ["t5", "t0"]
    assert labels[-1] == "count of 16 others"
    assert texts(display.starved_ax_) == ["16", "", ""]


def test_a_task_that_went_wrong_does_not_shrink_the_others(ax):
    risks = np.full((2, 200), 0.5)
    risks[0, 3] = 1e6
    RepresentationRiskDisplay.from_predictions(made(np.zeros((2, 200)), risks), ax=ax)
    assert ax.get_ylim()[1] < 2
    assert "1 task above the axes" in texts(ax)


def test_tasks_without_variance_and_ranks_that_span_much_are_drawn(ax):
    path = made(np.zeros((2, 2)), ranks=[1, 64])
    path.trivial_risks[1] = 0
    assert np.isnan(
        RepresentationRiskDisplay.from_predictions(path, ax=ax).lines_["t1"].get_ydata()
    ).all()
    assert ax.get_xscale() == "log"
