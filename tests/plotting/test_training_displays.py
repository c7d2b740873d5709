"""Displays of representations, fronts and gradients: what is common to them."""

import builtins

import numpy as np
import pandas as pd
import pytest

from skmtl.plotting import (
    GradientConflictDisplay,
    ParetoFrontierDisplay,
    RepresentationRiskDisplay,
    figure_png,
)
from skmtl.representation import RepresentationPath

LONG = "a name that is much too long to stand beside an axis, number"


def path(rng, n_tasks):
    ranks = (1, 2, 4, 8)
    risks, starved = rng.uniform(0, 1.2, size=(4, n_tasks)), rng.random((4, n_tasks)) < 0.3
    return RepresentationPath(
        ranks,
        tuple(f"{LONG} {t} $" for t in range(n_tasks)),
        risks,
        rng.uniform(0, 1, n_tasks),
        np.ones(n_tasks),
        starved,
    )


def history(rng, n_passes):
    return [
        {
            "iteration": k + 1,
            "negative_cosine_fraction": rng.random(),
            "voldet": rng.random(),
            "unsolved": 0.1 * rng.random(),
        }
        for k in range(n_passes)
    ]


def display(kind, rng, n_tasks):
    if kind == "representation":
        return RepresentationRiskDisplay(path=path(rng, n_tasks))
    if kind == "pareto":
        return ParetoFrontierDisplay(
            points={f"{LONG} {k} $": rng.lognormal(size=(40, 2)) for k in range(min(n_tasks, 9))}
        )
    weights = pd.DataFrame(
        rng.gamma(2, size=(n_tasks + 1, n_tasks)), columns=[f"{LONG} {t} $" for t in range(n_tasks)]
    )
    return GradientConflictDisplay(
        history=history(rng, n_tasks + 1), weights=weights, best_iteration=2
    )


KINDS = ["representation", "pareto", "gradients"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_tasks", [2, 29, 139])
def test_every_display_becomes_a_png_that_holds_all_labels(rng, kind, n_tasks):
    from matplotlib import pyplot

    before, drawn = pyplot.get_fignums(), display(kind, rng, n_tasks)
    assert figure_png(drawn, name="cost in $ and $", dpi=50).startswith(b"\x89PNG\r\n\x1a\n")
    assert pyplot.get_fignums() == before
    drawn.figure_.set_dpi(50)  # at which it was laid out
    frame = drawn.figure_.bbox
    for axes in drawn.figure_.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= -0.5
        assert box.y0 >= -0.5
        assert box.y1 <= frame.y1 + 0.5
        assert axes.get_position().width > 0.4 or axes.get_label() == "<colorbar>"


@pytest.mark.parametrize("kind", KINDS)
def test_plot_returns_the_display_drawn_on_the_given_axes(rng, ax, kind):
    drawn = display(kind, rng, 5)
    assert drawn.plot(ax=ax, name="winter term") is drawn
    assert drawn.ax_ is ax
    assert drawn.figure_ is ax.figure
    assert ax.get_title(loc="left").endswith("winter term")


@pytest.mark.parametrize("kind", KINDS)
def test_plot_without_axes_opens_one_figure(rng, kind):
    from matplotlib import pyplot

    before = set(pyplot.get_fignums())
    drawn = display(kind, rng, 3).plot()
    assert len(set(pyplot.get_fignums()) - before) == 1
    pyplot.close(drawn.figure_)


@pytest.mark.parametrize("kind", KINDS)
def test_axes_without_a_grid_place_are_drawn_on(rng, kind):
    from matplotlib.figure import Figure

    axes = Figure().add_axes((0.3, 0.1, 0.5, 0.8))
    assert display(kind, rng, 3).plot(ax=axes).ax_ is axes
    below = [other for other in axes.figure.axes if other is not axes]
    assert all(other.get_position().y1 < axes.get_position().y0 for other in below)


def test_missing_matplotlib_names_the_extra(rng, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for kind in KINDS:
        with pytest.raises(ImportError, match=r'pip install "skmtl\[plot\]"'):
            display(kind, rng, 3).plot()
