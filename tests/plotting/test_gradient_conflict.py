"""The picture of a fit's gradients shows what the fit noted."""

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskRegressor
from skmtl.plotting import GradientConflictDisplay


def fitted(rng, aggregator, n_tasks=3):
    X = rng.normal(size=(60, 4))
    Y = pd.DataFrame(
        X @ rng.normal(size=(4, n_tasks)), columns=[f"task {t}" for t in range(n_tasks)]
    )
    return MultiTaskRegressor(
        (4,), aggregator=aggregator, max_iter=5, n_members=1, early_stopping=False, random_state=0
    ).fit(X, Y)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_fit_is_drawn_with_its_conflict_volume_and_weights(rng, ax):
    model = fitted(rng, "upgrad")
    display = GradientConflictDisplay.from_estimator(model, ax=ax)
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_array_equal(
        lines["task pairs in conflict"],
        [entry["negative_cosine_fraction"] for entry in model.history_],
    )
    np.testing.assert_array_equal(
        lines["volume of the gradients"], [entry["voldet"] for entry in model.history_]
    )
    weights = model.aggregation_weights_
    np.testing.assert_allclose(
        display.relative_weights_, weights / weights.mean(axis=1, keepdims=True)
    )
    assert labels(display.weights_ax_) == model.task_names_
    assert ax.get_title(loc="left").endswith("upgrad")


@pytest.mark.parametrize("aggregator", ["mean", "dwa", "graddrop"])
def test_aggregators_that_note_no_conflict_are_refused(rng, ax, aggregator):
    with pytest.raises(ValueError, match=r"no 'negative_cosine_fraction'.*aggregator=\"upgrad\""):
        GradientConflictDisplay.from_estimator(fitted(rng, aggregator), ax=ax)


def test_many_tasks_are_colours_with_the_heaviest_on_top(rng, ax):
    weights = pd.DataFrame(rng.uniform(1, 2, size=(8, 60)), columns=[f"t{k}" for k in range(60)])
    weights["t33"] += 5
    display = GradientConflictDisplay.from_predictions(
        [{"negative_cosine_fraction": 0.5}] * 8, weights=weights, ax=ax
    )
    ticks = [label.get_text() for label in display.weights_ax_.get_yticklabels()]
    assert ticks[0] == "t33"
    assert len(ticks) <= 45
    image = display.weights_ax_.images[0].get_array()
    np.testing.assert_allclose(image[0], np.log2(weights["t33"] / weights.mean(axis=1)))


def test_tasks_without_weights_and_a_volume_of_nothing_are_left_out(ax):
    history = [{"negative_cosine_fraction": 0.2, "voldet": 1e-12, "unsolved": 0.0}] * 3
    display = GradientConflictDisplay.from_predictions(
        history, weights=[[np.nan, 1.0], [2.0, 2.0], [np.nan, np.nan]], ax=ax
    )
    assert labels(ax) == ["task pairs in conflict", "conflict by chance"]
    np.testing.assert_array_equal(
        display.relative_weights_, [[np.nan, 1.0], [1.0, 1.0], [np.nan, np.nan]]
    )


def test_long_fits_get_a_running_mean(rng, ax):
    values = rng.random(100)
    GradientConflictDisplay.from_predictions(
        pd.DataFrame({"negative_cosine_fraction": values}), ax=ax
    )
    thick = next(
        line for line in ax.lines if line.get_label() == "task pairs in conflict"
    ).get_ydata()
    assert thick[50] == pytest.approx(values[45:55].mean())
    assert any(np.array_equal(line.get_ydata(), values) for line in ax.lines)


def test_the_pass_that_was_kept_is_marked(ax):
    GradientConflictDisplay.from_predictions(
        [{"iteration": k, "negative_cosine_fraction": 0.5} for k in (1, 2, 3)],
        best_iteration=2,
        ax=ax,
    )
    assert "kept" in labels(ax)
    assert any(list(line.get_xdata()) == [2, 2] for line in ax.lines)


def test_weights_of_another_length_than_the_history_are_refused(ax):
    with pytest.raises(ValueError, match=r"history has 2 entries. Got 1 rows"):
        GradientConflictDisplay.from_predictions(
            [{"negative_cosine_fraction": 0.5}] * 2, weights=[[1.0, 1.0]], ax=ax
        )
