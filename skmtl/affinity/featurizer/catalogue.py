"""The names of the features, and how the tables of a family of features are filled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]

SIZES = ("data_size", "data_ratio_target", "data_ratio_source", "size_gap")
DISTANCES = (
    "intra_distance_target",
    "intra_distance_source",
    "cross_distance",
    "intra_distance_gap",
    "cross_distance_ratio",
    "cross_distance_fraction",
    "energy_distance",
)
REPRESENTATIONS = ("mean_gap", "cosine_similarity", "pca_alignment", "rank_divergence")
LINKS = ("cross_link_ratio",)
LABELS = ("label_std_target", "label_std_source", "label_mean_gap")
TRANSFERS = (
    "transfer_to_target",
    "transfer_to_source",
    "agreement_on_target",
    "agreement_on_source",
    "coefficient_cosine",
)
FEATURES = SIZES + DISTANCES + REPRESENTATIONS + LINKS + LABELS
EXTENDED = FEATURES + TRANSFERS


def size_tables(sizes: NDArray[np.intp]) -> dict[str, Table]:
    """Eqs. (4) and (5) for all pairs: one (T, T) table for every name in SIZES, rows = target,
    columns = source.
    """
    n = sizes.astype(float)
    total = n[:, None] + n
    return {
        "data_size": total,
        "data_ratio_target": n[:, None] / total,
        "data_ratio_source": n[None, :] / total,
        "size_gap": np.abs(n[:, None] - n) / total,
    }


def distance_tables(distances: Table) -> dict[str, Table]:
    """Eqs. (6) to (8) and their normalised forms from mean distances (T, T): one table for every
    name in DISTANCES.
    """
    intra = distances.diagonal()
    target, source = (
        np.broadcast_to(intra[:, None], distances.shape),
        np.broadcast_to(intra, distances.shape),
    )
    both = target + source
    return {
        "intra_distance_target": target,
        "intra_distance_source": source,
        "cross_distance": distances,
        "intra_distance_gap": quotient(np.abs(target - source), both),
        "cross_distance_ratio": quotient(distances, np.sqrt(target) * np.sqrt(source)),
        "cross_distance_fraction": quotient(distances, both),
        "energy_distance": np.maximum(2 * distances - both, 0.0),
    }


def label_tables(means: NDArray[np.float64], deviations: NDArray[np.float64]) -> dict[str, Table]:
    """Spread and gap of the targets: one table for every name in LABELS."""
    shape = (len(means), len(means))
    return {
        "label_std_target": np.broadcast_to(deviations[:, None], shape),
        "label_std_source": np.broadcast_to(deviations, shape),
        "label_mean_gap": np.abs(means[:, None] - means),
    }


def quotient(numerator: Table, denominator: Table) -> Table:
    """Quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)


def fill(
    tables: dict[str, Table],
    wanted: tuple[str, ...],
    family: tuple[str, ...],
    compute: Callable[[], dict[str, Table]],
) -> None:
    """Compute a family of tables if one of them is wanted, and keep those that are."""
    if set(family) & set(wanted):
        tables.update((name, table) for name, table in compute().items() if name in wanted)
