"""Tables and pictures of benchmarks/affinity_rivals.py."""

from __future__ import annotations

import argparse

import common
import numpy as np
import pandas as pd

MEASURES = ["one split", "r2", "other splits", "within target"]
_NOTE = """Gains of all pairs measured with the paper's networks on {args.splits} splits, 30 % test
rows. A method sees the training rows of one split and, where a fraction is given, the gains of that
share of the pairs on that split ({args.draws} random draws), and is judged on the others:
`one split` (Pearson) and `r2` against the gains of that split; `other splits` against the mean of
the gains on the {others} other splits; `within target` the same with the mean of each target
removed. Mean and standard deviation over splits. `share` is a correlation divided by its ceiling,
the root of the reliability of what it is taken with (from the mean correlation of two splits).
`seconds` are processor seconds of one thread, measuring included; `trainings` counts networks. HOA
measures all pairs."""
_ACTIVE = """Correlations of our predictor on the pairs that were not measured, from pairs that
`pairs_to_measure` chooses without any gains, and from random ones ({args.draws} draws a split).
`needed` is the share of random pairs with the same mean correlation, interpolated; mean and
standard deviation over splits."""


_REPEATS = """Our predictor from a quarter of the pairs, each measured on so many splits (losses
averaged), judged on the pairs that were not measured: `same splits` against their gains on the same
splits, the others as above, on the splits that are left. Mean and standard deviation over
{args.splits} choices of splits, {args.draws} draws each. Measuring costs as many times as much as
there are repeats."""


def ceiling(r: float, n_splits: int) -> float:
    """Largest correlation with the mean of so many measurements, from the correlation of two."""
    return float(np.sqrt(max(n_splits * r / (1 + (n_splits - 1) * r), 0.0)))


def write_report(raw: pd.DataFrame, args: argparse.Namespace, versions: str) -> None:
    """Write what has been computed so far."""
    ceilings = raw[raw["section"] == "ceiling"].set_index("data")
    methods = raw[raw["section"].isin(["predictions", "tables"])]
    if len(methods):
        table = summary(methods, ceilings)
        note = _NOTE.format(args=args, others=args.splits - 1)
        parts = [
            (name, part.drop(columns="data")) for name, part in table.groupby("data", sort=False)
        ]
        text = "\n\n".join(
            f"## {name}\n\n{ceiling_line(ceilings, str(name))}\n\n{common.markdown(part)}"
            for name, part in parts
        )
        common.report(
            args,
            "affinity_rivals",
            f"# Estimates of affinity\n\n{note}\n\n{text}\n\n{versions}\n",
            table,
        )
    chosen = raw[raw["section"] == "active"]
    if len(chosen):
        table = active_summary(chosen)
        text = (
            "# Which pairs to "
            f"measure\n\n{_ACTIVE.format(args=args)}\n\n{common.markdown(table)}\n\n{versions}\n"
        )
        common.report(args, "affinity_active", text, table)
    repeated = raw[raw["section"] == "repeats"]
    if len(repeated):
        table = repeats_summary(repeated, ceilings, args.splits)
        note = _REPEATS.format(args=args)
        text = f"# Repeated measurements\n\n{note}\n\n{common.markdown(table)}\n\n{versions}\n"
        common.report(args, "affinity_repeats", text, table)
    out = args.out or (None if args.quick else common.RESULTS)
    if out is not None:
        draw(methods, chosen, ceilings, out)


def ceiling_line(ceilings: pd.DataFrame, name: str) -> str:
    """Say how far a correlation with other splits can go."""
    row = ceilings.loc[name]
    return (
        f"Two splits correlate by {row['other splits r']:.2f}, within targets by "
        f"{row['within target r']:.2f}; "
        f"ceilings: {row['other splits']:.2f} (other splits) and {row['within target']:.2f} "
        "(within target)."
    )


def summary(methods: pd.DataFrame, ceilings: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over splits of every method, with shares of the ceilings."""
    grouped = methods.groupby(["data", "method", "fraction"], sort=False)
    table = grouped[["seconds", "trainings", *MEASURES]].mean()
    spread = grouped[MEASURES].std()
    ceiling = {
        measure: ceilings[measure].reindex(table.index.get_level_values("data")).to_numpy()
        for measure in ("other splits", "within target")
    }
    result = table[["seconds", "trainings"]].round({"seconds": 1, "trainings": 0})
    for measure in MEASURES:
        result[measure] = [
            f"{mean:.3f} ± {sd:.3f}"
            for mean, sd in zip(table[measure], spread[measure], strict=True)
        ]
        if measure in ceiling:
            result[f"share, {measure}"] = (table[measure] / ceiling[measure]).round(2)
    return result.reset_index().sort_values(
        ["data", "fraction", "method"],
        key=lambda column: column if column.name != "fraction" else -column,
        kind="stable",
    )


def active_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Chosen against random pairs at equal numbers, and the random share that does as well."""
    means = rows.groupby(["data", "method", "fraction", "split"])[MEASURES].mean()
    table = []
    for name in dict.fromkeys(rows["data"]):
        chosen, random = means.loc[name, "chosen"], means.loc[name, "random"]
        for fraction in dict.fromkeys(chosen.index.get_level_values("fraction")):
            row = {"data": name, "fraction": fraction}
            for measure in ("one split", "other splits", "within target"):
                needed = [
                    equal_share(random.xs(s, level="split")[measure], value)
                    for s, value in chosen.loc[fraction][measure].items()
                ]
                row[f"chosen, {measure}"] = spread_of(chosen.loc[fraction][measure])
                row[f"random, {measure}"] = spread_of(random.loc[fraction][measure])
                row[f"needed, {measure}"] = spread_of(pd.Series(needed))
            table.append(row)
    return pd.DataFrame(table)


def repeats_summary(rows: pd.DataFrame, ceilings: pd.DataFrame, n_splits: int) -> pd.DataFrame:
    """Mean and standard deviation over choices of splits, with the share of the ceiling that the
    splits that are left set.
    """
    table = []
    for (name, n_repeats), part in rows.groupby(["data", "repeats"], sort=False):
        row = {"data": name, "repeats": int(n_repeats), "same splits": spread_of(part["one split"])}
        for measure in ("other splits", "within target"):
            best = ceiling(float(ceilings.loc[name, f"{measure} r"]), n_splits - int(n_repeats))
            row |= {
                measure: spread_of(part[measure]),
                f"share, {measure}": round(part[measure].mean() / best, 2) if best else np.nan,
            }
        table.append(row)
    return pd.DataFrame(table)


def equal_share(random: pd.Series, value: float) -> float:
    """Share of random pairs that reaches a correlation, on the increasing hull of the curve; the
    ends of the curve bound it.
    """
    return float(
        np.interp(
            value, np.maximum.accumulate(random.to_numpy()), random.index.to_numpy(dtype=float)
        )
    )


def spread_of(values: pd.Series) -> str:
    """Mean and standard deviation."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


def draw(methods: pd.DataFrame, chosen: pd.DataFrame, ceilings: pd.DataFrame, out: object) -> None:
    """Accuracy against cost for every method, and chosen against random pairs."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(methods["data"]))
    if not names:
        return
    measures = ["one split", "other splits", "within target"]
    figure = Figure(figsize=(4.2 * len(names), 9), layout="constrained")
    axes = figure.subplots(3, len(names), squeeze=False)
    for column, name in enumerate(names):
        for row, measure in enumerate(measures):
            ax = axes[row, column]
            for k, method in enumerate(dict.fromkeys(methods["method"])):
                part = methods[(methods["data"] == name) & (methods["method"] == method)].groupby(
                    "fraction", sort=True
                )
                mean, spread, seconds = (
                    part[measure].mean(),
                    part[measure].std(),
                    part["seconds"].mean(),
                )
                ax.errorbar(
                    seconds,
                    mean,
                    yerr=spread,
                    marker="osD^vP*"[k % 7],
                    label=method,
                    linewidth=2 if method == "skmtl" else 1,
                    capsize=2,
                )
            if measure in ceilings:
                ax.axhline(ceilings.loc[name, measure], color="0.5", linestyle=":", label="ceiling")
            ax.set(
                xscale="log",
                title=name if row == 0 else "",
                ylabel=f"correlation, {measure}" if column == 0 else "",
                xlabel="processor seconds" if row == 2 else "",
            )
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(f"{out}/affinity_rivals.png", dpi=120)
    if not len(chosen):
        return
    figure = Figure(figsize=(4.2 * len(names), 6), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        for row, measure in enumerate(("one split", "within target")):
            for method, style in (("random", "--"), ("chosen", "-")):
                part = chosen[(chosen["data"] == name) & (chosen["method"] == method)]
                part = part.groupby(["fraction", "split"])[measure].mean().groupby("fraction")
                axes[row, column].errorbar(
                    100 * part.mean().index,
                    part.mean(),
                    yerr=part.std(),
                    linestyle=style,
                    marker="o",
                    capsize=2,
                    label=f"{method} pairs",
                )
            axes[row, column].set(
                title=name if row == 0 else "",
                xlabel="measured pairs (%)" if row else "",
                ylabel=f"correlation, {measure}" if column == 0 else "",
            )
    axes[0, 0].legend(frameon=False)
    figure.savefig(f"{out}/affinity_active.png", dpi=120)
