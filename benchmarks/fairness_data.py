"""The three data sets of the MTA-F paper, with its features, networks and optimizer, and splits of
training and test rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl import MultiTaskClassifier
from skmtl.datasets import fetch_adult, fetch_german_credit, fetch_law_school, make_fair_tasks

# Network, epochs, rows per step and learning rate of the code of the paper (batches of the paper);
# its embeddings have 40, 1 and 10 columns.
_NETWORKS = {
    "adult": {
        "hidden_layer_sizes": (64,),
        "head_hidden_layer_sizes": (32,),
        "batch_size": 512,
        "max_iter": 40,
        "learning_rate_init": 0.02,
        "embedding_dim": 40,
    },
    "german": {
        "hidden_layer_sizes": (32,),
        "head_hidden_layer_sizes": (16,),
        "batch_size": 128,
        "max_iter": 20,
        "learning_rate_init": 0.06,
        "embedding_dim": 1,
    },
    "lsac": {
        "hidden_layer_sizes": (32,),
        "head_hidden_layer_sizes": (16,),
        "batch_size": 512,
        "max_iter": 60,
        "learning_rate_init": 0.08,
        "embedding_dim": 10,
    },
    "generated": {
        "hidden_layer_sizes": (8,),
        "head_hidden_layer_sizes": (),
        "batch_size": 64,
        "max_iter": 5,
        "learning_rate_init": 0.05,
    },
}
# The penalty that the paper uses on each set, and the tasks whose gap without treatment is above
# what chance gives.
PENALTIES = {"adult": "mmd", "german": "gap", "lsac": "correlation", "generated": "gap"}
UNFAIR_TASKS = {
    "adult": ["income_above_50k", "capital_gain"],
    "german": [],
    "lsac": ["grades_above_average"],
    "generated": [],
}
# A differentiable gap at the threshold that decisions are made at: that of the positives' share,
# roughly; and ranges of its weights.
SOFT_GAP = {
    "adult": ({"threshold": [0.45, 0.25], "temperature": 0.1}, [(0.4, 0.9), (0.1, 0.3)]),
    "german": ({"threshold": [0.5, 0.5], "temperature": 0.1}, [(0.1, 0.6), (0.1, 0.6)]),
    "lsac": ({"threshold": [0.7, 0.47], "temperature": 0.1}, [(0.0, 0.1), (0.4, 2.0)]),
    "generated": ({"threshold": 0.5, "temperature": 0.1}, [(0.1, 0.6), (0.1, 0.6)]),
}
_FETCH = {"adult": fetch_adult, "german": fetch_german_credit, "lsac": fetch_law_school}


@dataclass(frozen=True)
class Split:
    """Rows of one split; arguments of ``fit`` and of ``fairness_sweep``."""

    X: pd.DataFrame
    Y: pd.DataFrame
    sensitive: pd.Series
    X_test: pd.DataFrame
    Y_test: pd.DataFrame
    sensitive_test: pd.Series


def network(name: str, fairness: object = None) -> MultiTaskClassifier:
    """Return the paper's network for a data set: Adagrad, no penalty on the weights, no early
    stopping.
    """
    fixed = {
        "solver": "adagrad",
        "alpha": 0.0,
        "n_members": 1,
        "early_stopping": False,
        "tol": 0.0,
        "device": "cpu",
    }
    return MultiTaskClassifier(**fixed, **_NETWORKS[name], fairness=fairness)


def plain_network(fairness: object = None) -> MultiTaskClassifier:
    """Return one network of skmtl's defaults (AdamW, early stopping), in batches of 512 and with a
    decay of 1 whatever the number of rows.
    """
    return MultiTaskClassifier(
        n_members=1, batch_size=512, alpha=1.0, device="cpu", fairness=fairness
    )


def with_group(data: Split) -> Split:
    """Return the split with the sensitive feature as one more input."""
    X, X_test = (
        part.assign(group=group.astype("category"))
        for part, group in ((data.X, data.sensitive), (data.X_test, data.sensitive_test))
    )
    return replace(data, X=X, X_test=X_test)


def load(name: str, split: int, data_home: str | None) -> Split:
    """Return training and test rows: split 0 as given where there is one, else drawn, with equally
    many test rows.
    """
    if name == "generated":
        bunch = make_fair_tasks(n_samples=400, random_state=0)
        test: NDArray[np.bool_] = np.random.default_rng(split).random(400) < 0.3
    else:
        bunch = _FETCH[name](data_home=data_home)
        n = len(bunch.data)
        given = None if bunch.split is None else (bunch.split == "test").to_numpy()
        n_test = n // 5 if given is None else int(given.sum())
        drawn = np.random.default_rng([7, split]).permutation(n) < n_test
        test = given if given is not None and split == 0 else drawn
    X, Y = (
        pd.DataFrame(bunch.data).reset_index(drop=True),
        pd.DataFrame(bunch.target).reset_index(drop=True),
    )
    sensitive = pd.Series(np.asarray(bunch.sensitive_features).ravel())
    return Split(
        *(part[~test].reset_index(drop=True) for part in (X, Y, sensitive)),
        *(part[test].reset_index(drop=True) for part in (X, Y, sensitive)),
    )
