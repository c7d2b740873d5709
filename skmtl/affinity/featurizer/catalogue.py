"""Names of the features, and features computed from a few statistics per task and pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

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


def size_features(target: NDArray[np.intp], source: NDArray[np.intp]) -> dict[str, Values]:
    """Compute equations (4) and (5) from the numbers of rows of targets and sources, (m,)."""
    n, other = target.astype(float), source.astype(float)
    total = n + other
    return {
        "data_size": total,
        "data_ratio_target": n / total,
        "data_ratio_source": other / total,
        "size_gap": np.abs(n - other) / total,
    }


def distance_features(target: Values, source: Values, cross: Values) -> dict[str, Values]:
    """Compute equations (6) to (8) and their normalized forms from mean distances.

    The distances, (m,), are those within targets, within sources, and between them.
    """
    both = target + source
    return {
        "intra_distance_target": target,
        "intra_distance_source": source,
        "cross_distance": cross,
        "intra_distance_gap": quotient(np.abs(target - source), both),
        "cross_distance_ratio": quotient(cross, np.sqrt(target) * np.sqrt(source)),
        "cross_distance_fraction": quotient(cross, both),
        "energy_distance": np.maximum(2 * cross - both, 0.0),
    }


def label_features(
    means: Values, deviations: Values, targets: NDArray[np.intp], sources: NDArray[np.intp]
) -> dict[str, Values]:
    """Compute spread and difference of labels of pairs, (m,), from moments per task, (T,)."""
    return {
        "label_std_target": deviations[targets],
        "label_std_source": deviations[sources],
        "label_mean_gap": np.abs(means[targets] - means[sources]),
    }


def quotient(numerator: Values, denominator: Values) -> Values:
    """Divide; 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)


def wants(features: tuple[str, ...], *families: tuple[str, ...]) -> bool:
    """Whether one of the features belongs to one of the families."""
    return any(name in family for name in features for family in families)
