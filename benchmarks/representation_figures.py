"""Risks of majority and minority tasks under a shared linear representation (Figures 2 and 3 of Li
and Oymak, ICASSP 2023).

    python benchmarks/representation_figures.py
        (20 draws of every point; writes results/representation_figures.csv, .md and .png)
    python benchmarks/representation_figures.py --alpha 0.01
        (bounds the heads by a ridge penalty; writes representation_figures_ridge.*)
    python benchmarks/representation_figures.py --quick
        (2 draws, few points; writes nothing unless --out is given)

Setting of the paper: 32 inputs, two orthogonal subspaces of 8 dimensions, heads on the unit sphere,
no noise, T_min = 10. Left panels: T_maj = 100 and N rows a task; right panels: N = 40 and T_maj
tasks. Figure 2 fits a representation of 8 dimensions, too small for both groups, Figure 3 one of
16.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import scipy
import sklearn
from common import RESULTS, markdown, parse, parser, report, versions
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skmtl.datasets import make_majority_minority_tasks
from skmtl.representation import (
    LowRankMultiTaskRegressor,
    minority_risk_bounds,
    population_minimum,
    task_risks,
)

DIMENSIONS, N_MINORITY, N_MAJORITY, ROWS = 8, 10, 100, 40
TASKS = tuple(range(10, 101, 10))
PANELS: dict[tuple[int, str], tuple[int, ...]] = {
    (2, "N"): (5, 10, 15, 20, 30, 40, 50, 60, 80, 100),
    (2, "T_maj"): TASKS,
    (3, "N"): (1, 5, 10, 15, 20, 25, 30, 32, 36, 40),
    (3, "T_maj"): TASKS,
}
QUICK_PANELS: dict[tuple[int, str], tuple[int, ...]] = {
    (2, "N"): (20, 40),
    (2, "T_maj"): (10, 50),
    (3, "N"): (10, 40),
    (3, "T_maj"): (10, 50),
}
CURVES = ("majority", "minority", "average")
COLOURS = {"majority": "#0072B2", "minority": "#D55E00", "average": "#009E73"}
HIGHEST = 2.2  # top of the pictures

NOTE = """Excess risk, mean over {draws} draws (smallest to largest); 0 is perfect, 1 is a
prediction of 0. "alone": the majority or the minority with a representation of 8 dimensions of its
own. "limit": the population minimum for the draw's coefficients, N to infinity. "Theorem 1": its
upper bound on the majority's risk and its lower bound on the minority's there; with a small
majority, whose heads are uneven, they say nothing. The empirical risks lie above the limit, because
heads are fitted to N rows; the theorem is about the limit.

The fit minimises the paper's problem (1) to a stationary point, with a ridge penalty alpha of the
heads in place of its bound on their length, which it does not give. With alpha = 0 and N close to
the dimension of the representation heads are arbitrarily long, and means are carried by single
draws; the picture shows medians. Figure 3, right: with alpha = 0 the risk is 0 for every T_maj,
because N = 40 exceeds the 32 inputs and there is no noise; with alpha = 0.01 it is small and falls
with T_maj for the majority, as printed in the paper. The paper does not say how it optimized, so
its numbers there cannot be reproduced, only the shapes; in both the minority's risk does not rise
with T_maj."""


# ---------------------------------------------------------------------- measuring
def measure(
    figure: int, axis: str, point: int, draw: int, seed: int, alpha: float
) -> tuple[list[dict[str, Any]], float]:
    """One draw at one point of a panel, all curves, and the processor seconds it took."""
    start = time.process_time()
    n_rows, n_majority = (point, N_MAJORITY) if axis == "N" else (ROWS, point)
    entropy = np.random.SeedSequence([seed, figure, axis == "N", point, draw]).generate_state(1)
    tasks = make_majority_minority_tasks(
        n_majority, N_MINORITY, n_rows, random_state=int(entropy[0] % 2**31)
    )
    minority = tasks.is_minority
    joint = fitted_risks(
        tasks,
        np.ones(len(minority), dtype=bool),
        DIMENSIONS if figure == 2 else 2 * DIMENSIONS,
        alpha,
    )
    found = {
        "majority": joint[~minority].mean(),
        "minority": joint[minority].mean(),
        "average": joint.mean(),
    }
    if figure == 3:
        for name, group in (("majority", ~minority), ("minority", minority)):
            found[f"{name} alone"] = fitted_risks(tasks, group, DIMENSIONS, alpha).mean()
    else:
        limit = population_minimum(tasks.coef, DIMENSIONS)[1]
        found |= {
            "majority limit": limit[~minority].mean(),
            "minority limit": limit[minority].mean(),
        }
        found["majority Theorem 1"], found["minority Theorem 1"] = minority_risk_bounds(
            tasks.heads[~minority], tasks.heads[minority]
        )
    lines = [
        {"figure": figure, "axis": axis, "point": point, "draw": draw, "curve": curve, "risk": risk}
        for curve, risk in found.items()
    ]
    return lines, time.process_time() - start


def fitted_risks(tasks: Any, group: Any, rank: int, alpha: float) -> Any:
    """Excess risks of a group of tasks that share a representation."""
    chosen = np.repeat(group, tasks.task_set.sizes)
    X = np.column_stack(
        [
            tasks.data.to_numpy()[chosen],
            np.repeat(np.arange(group.sum()), tasks.task_set.sizes[group]),
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # where heads may grow without end nothing converges
        model = LowRankMultiTaskRegressor(
            rank, task_column=-1, alpha=alpha, max_iter=200, random_state=0
        ).fit(X, tasks.target.to_numpy()[chosen])
    return task_risks(model.coef_, tasks.coef[group])


# ---------------------------------------------------------------------- showing
def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean, smallest and largest risk over draws."""
    grouped = table.groupby(["figure", "axis", "point", "curve"], sort=False)["risk"]
    return grouped.agg(["mean", "median", "min", "max"]).reset_index()


def shown(means: pd.DataFrame, figure: int, axis: str) -> pd.DataFrame:
    """A panel as a table of text, a line a point."""
    own = means[(means["figure"] == figure) & (means["axis"] == axis)]
    lines = {}
    for row in own.itertuples():
        lines.setdefault(row.point, {})[row.curve] = (
            f"{number(row.mean)} ({number(row.min)} to {number(row.max)})"
        )
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis(axis).reset_index()


def number(value: float) -> str:
    return (
        f"{value:.0e}"
        if abs(value) >= 100
        else f"{abs(value) if abs(value) < 0.0005 else value:.3f}"
    )


def findings(means: pd.DataFrame) -> list[str]:
    """The paper's statements, held against the means."""
    at = means.set_index(["figure", "axis", "point", "curve"])["mean"]
    medians = means.set_index(["figure", "axis", "point", "curve"])["median"]
    points = {
        panel: sorted({point for f, a, point, _ in at.index if (f, a) == panel}) for panel in PANELS
    }
    few = [n for n in points[2, "T_maj"] if N_MINORITY / n <= 0.2]
    even, many = (
        (at[2, "T_maj", 10, curve] for curve in ("majority", "minority")),
        [n for n in points[3, "N"] if n >= 32],
    )
    low, high = sorted(even)
    best = at[2, "N", max(points[2, "N"]), "minority"]
    alone = max(medians[3, "N", n, "minority"] - medians[3, "N", n, "minority alone"] for n in many)
    return [
        f"Figure 2, right: for T_min / T_maj <= 0.2 the smallest mean risk of the minority is "
        f"{min(at[2, 'T_maj', n, 'minority'] for n in few):.2f} (paper: at least 1).",
        f"Figure 2, right: at T_maj = 10 the two risks are {low:.2f} and {high:.2f} (paper: about "
        "equal, below 1).",
        f"Figure 2, left: with N = {max(points[2, 'N'])} the minority's risk is still {best:.2f} "
        "(paper: above 1 however many rows).",
        "Figure 3, left: for N >= 32 the largest mean risk of both groups is "
        f"{max(at[3, 'N', n, c] for n in many for c in CURVES):.1e} (paper: approaches 0), "
        f"and the minority's is at most {max(alone, 0):.1e} above its risk alone.",
        "Figure 3, right: the largest mean risk is "
        f"{max(at[3, 'T_maj', n, c] for n in points[3, 'T_maj'] for c in CURVES):.1e}.",
    ]


def draw(means: pd.DataFrame, file: Any) -> None:
    """Draw the four panels: medians, which single draws do not carry away, and the range over
    draws.
    """
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 7.4), layout="constrained")
    axes = figure.subplots(2, 2)
    dashes = {"alone": "--", "limit": ":", "Theorem 1": (0, (1, 2.5))}
    for ax, (number_, axis) in zip(axes.ravel(), PANELS, strict=True):
        own = means[(means["figure"] == number_) & (means["axis"] == axis)]
        for curve, line in own.groupby("curve", sort=False):
            group, _, kind = str(curve).partition(" ")
            if kind == "Theorem 1":
                ax.plot(
                    line["point"],
                    line["median"].clip(upper=10 * HIGHEST),
                    color=COLOURS[group],
                    linewidth=1.2,
                    linestyle="-.",
                    alpha=0.75,
                )
            elif kind:
                ax.plot(
                    line["point"],
                    line["median"].clip(upper=10 * HIGHEST),
                    color=COLOURS[group],
                    linewidth=1.6,
                    linestyle=dashes[kind],
                )
            else:
                ax.fill_between(
                    line["point"],
                    line["min"],
                    line["max"].clip(upper=10 * HIGHEST),
                    color=COLOURS[group],
                    alpha=0.13,
                    linewidth=0,
                )
                ax.plot(
                    line["point"],
                    line["median"].clip(upper=10 * HIGHEST),
                    color=COLOURS[group],
                    linewidth=1.8,
                    marker="o",
                    markersize=4,
                )
        ax.axhline(1, color="0.75", linewidth=0.8, zorder=0)
        ax.set_ylim(-0.04, HIGHEST)
        rank = DIMENSIONS if number_ == 2 else 2 * DIMENSIONS
        fixed = f"T_maj = {N_MAJORITY}" if axis == "N" else f"N = {ROWS}"
        ax.set_title(
            f"Figure {number_}: R = {rank}, {fixed}, T_min = {N_MINORITY}", fontsize=10, loc="left"
        )
        ax.set_xlabel(
            "rows of a task, N" if axis == "N" else "tasks of the majority, T_maj", fontsize=9
        )
        ax.set_ylabel("excess risk, median of draws", fontsize=9)
        ax.tick_params(labelsize=8)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    for ax, styles in (
        (axes[0, 1], (("limit, N to infinity", ":"), ("bound of Theorem 1", "-."))),
        (axes[1, 0], (("group alone, R = 8", "--"),)),
    ):
        handles = [
            matplotlib.lines.Line2D(
                [], [], color=COLOURS[curve], marker="o", markersize=4, label=curve
            )
            for curve in CURVES
        ]
        handles += [
            matplotlib.lines.Line2D([], [], color="0.3", linestyle=style, label=label)
            for label, style in styles
        ]
        ax.legend(
            handles=handles,
            fontsize=8,
            frameon=False,
            loc="upper right" if ax is axes[1, 0] else "upper left",
            bbox_to_anchor=None if ax is axes[1, 0] else (0.42, 1.0),
        )
    figure.savefig(file, dpi=100)


def main() -> None:
    """Measure all panels."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--draws", type=int, default=20)
    arguments.add_argument(
        "--alpha",
        type=float,
        default=0.0,
        help="ridge penalty of the heads, in place of the paper's bound on their length",
    )
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.set_defaults(data_home=".")  # needs no data
    options = parse(arguments)
    panels, draws = (QUICK_PANELS, 2) if options.quick else (PANELS, options.draws)
    start = time.perf_counter()
    jobs = [
        (figure, axis, point, k, options.seed, options.alpha)
        for (figure, axis), points in panels.items()
        for point in points
        for k in range(draws)
    ]
    with threadpool_limits(1):
        measured = Parallel(n_jobs=1 if options.quick else options.jobs)(
            delayed(measure)(*job) for job in jobs
        )
    seconds = time.perf_counter() - start
    table = pd.DataFrame([line for lines, _ in measured for line in lines])
    busy = sum(seconds for _, seconds in measured)
    means = summary(table)
    parts = [
        f"## Figure {figure}, over {axis}\n\n{markdown(shown(means, figure, axis).astype(str))}\n"
        for figure, axis in panels
    ]
    listed = "\n".join(f"- {line}" for line in findings(means))
    out = options.out or (None if options.quick else RESULTS)
    name = "representation_figures" + "_ridge" * (options.alpha > 0)
    picture = "" if out is None else f"![Risks over rows and tasks]({name}.png)\n\n"
    tail = (
        f"{len(jobs)} fits of all curves: {seconds:.0f} s with {options.jobs} jobs beside "
        "other "
        f"work, {busy:.0f} s of processor time. "
    )
    tail += f"Seed {options.seed}, alpha {options.alpha:g}. {versions(np, scipy, sklearn)}.\n"
    text = (
        "# Majority and minority under a shared "
        f"representation\n\n{picture}{listed}\n\n{NOTE.format(draws=draws)}\n\n"
        + "\n".join(parts)
        + f"\n{tail}"
    )
    report(options, name, text, means)
    if out is not None:
        draw(means, out / f"{name}.png")


if __name__ == "__main__":
    main()
