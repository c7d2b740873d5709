"""Tables of the comparison of default settings, from the lines that default_quality.py has
measured.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import sklearn
import torch
from common import markdown, report, versions
from quality_data import HELD_APART, N_ADULT
from quality_rivals import METHODS

MEASURES = {
    "relative_rmse": ("Relative RMSE", 1),
    "auc": ("ROC AUC", -1),
    "log_loss": ("Log loss", 1),
}  # title, and 1 where smaller is better
OURS = "skmtl"
NETWORKS = [name for name, method in METHODS.items() if method.network]

NOTE = """Default settings, one thread. Every method sees the same training and test rows: 30 % test
rows (School: the public splits; adult: {adult} training and as many test rows a seed from the
official halves). Mean (standard deviation) over seeds; [k] = only k of the seeds were measured; - =
not measured, or left out because a fit took more than the limit. Relative RMSE: mean over targets
or tasks of RMSE / RMSE of the training mean. ROC AUC and log loss: means over tasks, probabilities
clipped to 0.001 .. 0.999. Rank: 1 = best of the methods that were measured on all seeds of the set,
by the mean over seeds; for classification the mean of the ranks by AUC and by log loss. "linear +
task indicator" exists in long form only. scikit-learn's MLP gets standardized inputs and targets,
one-hot categories."""


def write_report(options: argparse.Namespace, rows: pd.DataFrame) -> None:
    """Print and write all tables."""
    if rows.empty:
        raise SystemExit("Nothing was measured for these sets, methods and seeds.")
    mixed = rows.groupby(["set", "seed"])["rows"].nunique()
    if (mixed > 1).any():
        raise SystemExit(
            f"Methods saw different rows of {mixed.index[mixed > 1].tolist()}; measure these again "
            "with --again."
        )
    summary = summarise(rows)
    apart = summary["set"].isin(HELD_APART)
    parts = [
        (summary[~apart], "Development sets"),
        (summary[apart], "Held-apart sets, which played no part in choosing defaults"),
    ]
    sections = [section(part, title) for part, title in parts if len(part)]
    packages = ", ".join(sorted(rows["package"].dropna().unique()))
    text = "\n\n".join(
        [
            "# Default settings against rivals",
            NOTE.format(adult=N_ADULT),
            *sections,
            f"{packages}. {versions(np, pd, sklearn, torch)}.",
        ]
    )
    report(options, "default_quality", text + "\n", summary.round(5))


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a set and method: mean and standard deviation of every measure, seconds, ranks."""
    numbers = [*MEASURES, "sum_mse", "cpu_s"]
    rows = rows.assign(**{name: pd.to_numeric(rows[name]) for name in numbers})
    rows = rows[rows[["relative_rmse", "log_loss"]].notna().any(axis=1)]
    grouped = rows.groupby(["set", "method"], sort=False)
    table = pd.concat(
        [
            grouped.size().rename("seeds"),
            grouped[numbers].mean(),
            grouped[list(MEASURES)].std().add_suffix(" sd"),
        ],
        axis=1,
    ).reset_index()
    table["complete"] = table["seeds"] == table.groupby("set")["seeds"].transform("max")
    table["rank"] = ranks(table)
    table["rank among networks"] = ranks(table[table["method"].isin(NETWORKS)])
    order = {name: i for i, name in enumerate(METHODS)}
    return table.sort_values(
        ["set", "method"],
        key=lambda column: column.map(order) if column.name == "method" else column,
        kind="stable",
    )


def ranks(table: pd.DataFrame) -> pd.Series:
    """Rank within every set among the methods that have all seeds; mean over the measures that the
    set has.
    """
    table = table[table["complete"]]
    by_measure = [
        (sign * table[name]).groupby(table["set"]).rank() for name, (_, sign) in MEASURES.items()
    ]
    return pd.concat(by_measure, axis=1).mean(axis=1)


# ---------------------------------------------------------------------- tables
def section(part: pd.DataFrame, title: str) -> str:
    """All tables of some sets."""
    tables = [f"## {title}"]
    for name, (measure, _) in MEASURES.items():
        if part[name].notna().any():
            tables += [f"### {measure}", markdown(errors(part[part[name].notna()], name))]
    tables += ["### Ranks", markdown(rank_table(part))]
    if (part["method"] == OURS).any():
        tables += [
            "### skmtl / rival, by relative RMSE or log loss (below 1: skmtl is better)",
            markdown(ratio_table(part)),
        ]
    tables += [
        "### Seconds of computing a fit",
        markdown(pivot(part, part["cpu_s"].map("{:.1f}".format))),
    ]
    return "\n\n".join(tables)


def errors(part: pd.DataFrame, name: str) -> pd.DataFrame:
    """Mean (sd) for methods and sets, and School's total."""
    few = np.where(part["complete"], "", " [" + part["seeds"].astype(str) + "]")
    table = pivot(
        part,
        part[name].map("{:.3f}".format)
        + part[f"{name} sd"].map(lambda sd: "" if np.isnan(sd) else f" ({sd:.3f})")
        + few,
    )
    if name == "relative_rmse" and (part["set"] == "school").any():
        totals = part[part["set"] == "school"].set_index("method")["sum_mse"].map("{:.1f}".format)
        table["school, sum of MSE"] = [totals.get(method, "-") for method in methods_of(part)]
    return table


def rank_table(part: pd.DataFrame) -> pd.DataFrame:
    """Rank on every set, the mean over sets, and the mean among neural networks."""
    table = pivot(part, part["rank"].map("{:.1f}".format).replace("nan", "-"))
    found = part.groupby("method")
    for column, source in (("mean", "rank"), ("mean among networks", "rank among networks")):
        values, counts = found[source].mean(), found[source].count()
        table[column] = [
            "-" if np.isnan(values[m]) else f"{values[m]:.2f} ({counts[m]} sets)"
            for m in methods_of(part)
        ]
    return table


def ratio_table(part: pd.DataFrame) -> pd.DataFrame:
    """Ratio of ours to every rival on the sets that both have all seeds of, its geometric mean, and
    how often ours is better.
    """
    complete = part[part["complete"]]
    loss = complete.assign(loss=complete["relative_rmse"].fillna(complete["log_loss"])).pivot(
        index="method", columns="set", values="loss"
    )
    auc = complete.pivot(index="method", columns="set", values="auc")
    rivals = [method for method in methods_of(part) if method != OURS and method in loss.index]
    rows = []
    for method in rivals:
        ratio, higher = (
            (loss.loc[OURS] / loss.loc[method]).dropna(),
            (auc.loc[OURS] - auc.loc[method]).dropna(),
        )
        row = {"rival": METHODS[method].title} | {
            name: f"{ratio[name]:.3f}" if name in ratio else "-"
            for name in dict.fromkeys(part["set"])
        }
        row["geometric mean"] = f"{np.exp(np.log(ratio).mean()):.3f}" if len(ratio) else "-"
        row["skmtl better"] = f"{(ratio < 1).sum()} of {len(ratio)}"
        row["skmtl better by AUC"] = f"{(higher > 0).sum()} of {len(higher)}"
        rows.append(row)
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["rival"])


def pivot(part: pd.DataFrame, cells: pd.Series) -> pd.DataFrame:
    """Methods as rows with their titles, sets as columns, "-" where nothing was measured."""
    table = part.assign(cell=cells).pivot(index="method", columns="set", values="cell")
    table = table.loc[methods_of(part), list(dict.fromkeys(part["set"]))].fillna("-").reset_index()
    table["method"] = [METHODS[method].title for method in table["method"]]
    table.columns.name = None
    return table


def methods_of(part: pd.DataFrame) -> list[str]:
    """Methods that were measured, in the order of the list."""
    return [method for method in METHODS if method in set(part["method"])]
