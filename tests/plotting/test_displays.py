import builtins
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from skmtl.plotting import GainPredictionDisplay, TaskAffinityDisplay, TaskLossDisplay, figure_png

matplotlib.use("Agg")


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def affinity(rng, n_tasks):
    names = [f"task {k}" for k in range(n_tasks)]
    return pd.DataFrame(rng.normal(size=(n_tasks, n_tasks)), index=names, columns=names)


def losses(rng, n_tasks):
    return pd.DataFrame(
        rng.uniform(0.5, 1.0, size=(n_tasks, 3)),
        index=[f"task {k}" for k in range(n_tasks)],
        columns=["single-task", "joint", "grouped"],
    )


def displays(rng, n_tasks):
    names = [f"task {k}" for k in range(n_tasks)]
    return [
        TaskAffinityDisplay(
            affinity=affinity(rng, n_tasks),
            groups=[tuple(names[: n_tasks // 2]), tuple(names[n_tasks // 2 :])],
        ),
        GainPredictionDisplay(y_true=rng.normal(size=n_tasks), y_pred=rng.normal(size=n_tasks)),
        TaskLossDisplay(losses=losses(rng, n_tasks)),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("n_tasks", [2, 29, 139])
def test_every_display_becomes_a_png_without_pyplot(rng, which, n_tasks):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    assert figure_png(displays(rng, n_tasks)[which], dpi=40).startswith(b"\x89PNG\r\n\x1a\n")
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("which", [0, 1, 2])
def test_plot_returns_the_display_drawn_on_the_given_axes(rng, ax, which):
    display = displays(rng, 5)[which]
    assert display.plot(ax=ax, name="winter term") is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    titles = [axes.get_title(loc="left") for axes in ax.figure.axes]
    assert any(title.endswith("winter term") for title in titles)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_plot_without_axes_opens_one_figure(rng, which):
    from matplotlib import pyplot

    before = set(pyplot.get_fignums())
    display = displays(rng, 5)[which].plot()
    opened = set(pyplot.get_fignums()) - before
    assert len(opened) == 1
    pyplot.close(display.figure_)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_names_are_shown_as_they_are_even_with_dollar_signs(rng, which):
    display = displays(rng, 3)[which]
    if which != 1:
        attribute = "affinity" if which == 0 else "losses"
        table = getattr(display, attribute).set_axis(
            ["a$x^", "b$", "a name that is far too long for a label"], axis=0
        )
        display = (
            TaskAffinityDisplay(affinity=table) if which == 0 else TaskLossDisplay(losses=table)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure_png(display, name="cost in $ and $", dpi=40)


def test_missing_matplotlib_names_the_extra(rng, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for display in displays(rng, 3):
        with pytest.raises(ImportError, match=r'pip install "skmtl\[plot\]"'):
            display.plot()
        with pytest.raises(ImportError, match=r'pip install "skmtl\[plot\]"'):
            figure_png(display)


# ------------------------------------------------------------------ affinity
def test_heatmap_shows_each_gain_in_the_order_of_the_groups(rng, ax):
    table = affinity(rng, 5)
    display = TaskAffinityDisplay.from_predictions(
        table, groups=[("task 3", "task 0"), ("task 1", "task 3")], ax=ax
    )
    assert display.order_ == ["task 3", "task 0", "task 1", "task 2", "task 4"]
    shown = display.im_.get_array()
    expected = table.loc[display.order_, display.order_].to_numpy(copy=True)
    off_diagonal = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(shown[off_diagonal], expected[off_diagonal])
    assert np.ma.getmaskarray(shown).diagonal().all()
    assert [label.get_text() for label in ax.get_yticklabels()] == display.order_


def test_colours_are_centred_at_zero(rng, ax):
    display = TaskAffinityDisplay.from_predictions(affinity(rng, 6) + 5, ax=ax)
    low, high = display.im_.get_clim()
    assert low == -high < 0


def test_one_frame_is_drawn_around_each_group(rng, ax):
    display = TaskAffinityDisplay.from_predictions(
        affinity(rng, 5), groups=[("task 0", "task 4"), ("task 1", "task 2", "task 3")], ax=ax
    )
    assert [(patch.get_x(), patch.get_width()) for patch in display.ax_.patches] == [
        (-0.5, 2),
        (1.5, 3),
    ]


@pytest.mark.parametrize("grouped", [True, False])
def test_many_tasks_get_few_labels(rng, ax, grouped):
    table = affinity(rng, 139)
    groups = [tuple(table.index[:100]), tuple(table.index[100:])] if grouped else None
    TaskAffinityDisplay.from_predictions(table, groups=groups, ax=ax)
    assert len(ax.get_yticks()) <= 45


def test_group_numbers_follow_the_given_list_when_a_group_is_contained_in_earlier_ones(rng, ax):
    names = [f"task {k}" for k in range(60)]
    TaskAffinityDisplay.from_predictions(
        affinity(rng, 60), groups=[tuple(names[:30]), tuple(names[5:9]), tuple(names[30:])], ax=ax
    )
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3"]


@pytest.mark.parametrize("table", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.zeros((1, 1))])
def test_tables_without_gains_are_drawn(ax, table):
    TaskAffinityDisplay.from_predictions(table, ax=ax)


def test_affinity_of_a_fitted_object_is_drawn(rng, ax):
    class Fitted:
        affinity_ = rng.normal(size=(3, 3))
        task_names_ = ("a", "b", "c")
        groups_ = (("c",), ("a", "b"))

    assert TaskAffinityDisplay.from_estimator(Fitted(), ax=ax).order_ == ["c", "a", "b"]


def test_wrong_tables_and_groups_are_refused(rng, ax):
    with pytest.raises(ValueError, match="square"):
        TaskAffinityDisplay.from_predictions(np.zeros((2, 3)), ax=ax)
    with pytest.raises(ValueError, match="'stranger'"):
        TaskAffinityDisplay.from_predictions(affinity(rng, 3), groups=[("stranger",)], ax=ax)


# ---------------------------------------------------------------- prediction
def test_scatter_holds_predicted_against_measured_and_says_the_correlation(rng, ax):
    measured = rng.normal(size=50)
    predicted = measured + rng.normal(size=50)
    measured[4] = np.nan
    display = GainPredictionDisplay.from_predictions(measured, predicted, ax=ax)
    known = np.delete(np.arange(50), 4)
    np.testing.assert_array_equal(
        display.scatter_.get_offsets(), np.column_stack([predicted, measured])[known]
    )
    label = ax.get_legend().get_texts()[0].get_text()
    assert f"correlation {np.corrcoef(predicted[known], measured[known])[0, 1]:.2f}" in label
    assert "49 pairs" in label


def test_estimator_predicts_for_the_picture(rng, ax):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    model = Ridge().fit(X, y)
    display = GainPredictionDisplay.from_estimator(model, X, y, ax=ax)
    np.testing.assert_array_equal(display.scatter_.get_offsets()[:, 0], model.predict(X))
    assert ax.get_title(loc="left").endswith("Ridge")


@pytest.mark.parametrize("values", [[], [0.1], [0.2, 0.2, 0.2]])
def test_few_or_constant_gains_are_drawn_without_a_correlation(ax, values):
    GainPredictionDisplay.from_predictions(values, values, ax=ax)
    assert "correlation" not in ax.get_legend().get_texts()[0].get_text()


def test_extreme_pairs_are_counted_rather_than_stretching_the_frame(rng, ax):
    measured = rng.normal(size=500)
    measured[0] = 1e6
    GainPredictionDisplay.from_predictions(measured, rng.normal(size=500), ax=ax)
    assert ax.get_ylim()[1] < 100
    assert any("outside the axes" in text.get_text() for text in ax.texts)


# -------------------------------------------------------------------- losses
def test_totals_are_sums_over_tasks_that_every_strategy_trained(rng, ax):
    table = losses(rng, 6)
    table.iloc[2, 1] = np.nan
    display = TaskLossDisplay.from_predictions(table, ax=ax)
    pd.testing.assert_series_equal(display.totals_, table.drop(index="task 2").sum())
    assert [bar.get_width() for bar in display.totals_ax_.patches] == pytest.approx(
        list(display.totals_)
    )
    assert "1 left out" in display.totals_ax_.get_title(loc="left")


def test_tasks_stand_in_the_order_of_the_first_strategy(rng, ax):
    table = losses(rng, 8)
    TaskLossDisplay.from_predictions(table, ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(
        table.sort_values("single-task").index
    )


def test_losses_are_drawn_on_axes_without_a_grid_place(rng):
    axes = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    display = TaskLossDisplay.from_predictions(losses(rng, 4), ax=axes)
    assert display.totals_ax_.get_position().y0 > axes.get_position().y1


@pytest.mark.parametrize("factor", [0.0, 1e4])
def test_zero_and_very_unequal_losses_are_drawn(rng, ax, factor):
    table = losses(rng, 5)
    table.iloc[0] *= factor
    TaskLossDisplay.from_predictions(table, ax=ax)
    assert ax.get_xscale() == ("log" if factor else "linear")


@pytest.mark.parametrize("n_tasks", [12, 49, 139])
def test_labels_of_a_heatmap_lie_inside_the_picture(rng, n_tasks):
    names = [f"task {k}" for k in range(n_tasks)]
    third = n_tasks // 3
    display = TaskAffinityDisplay(
        affinity=pd.DataFrame(rng.normal(size=(n_tasks, n_tasks)), index=names, columns=names),
        groups=[names[:third], names[third:]],
    )
    figure_png(display, dpi=60)
    box, frame = display.ax_.get_tightbbox(), display.figure_.bbox
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= frame.x1
    assert box.y1 <= frame.y1
