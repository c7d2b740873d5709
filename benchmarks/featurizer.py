"""Time of the task-relation features of all pairs of School, and their difference from a pair-by-
pair computation.

    python benchmarks/featurizer.py --data-home FOLDER
        (or the environment variable SKMTL_DATA; reads FOLDER/school/school.csv.gz)
    python benchmarks/featurizer.py --quick  (generated tasks, seconds)
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import sklearn
from common import markdown, parse, parser, report, versions
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler, normalize
from threadpoolctl import threadpool_limits

from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.data import TaskSet


def naive_pair(A, B, y, z, n_components=3, n_neighbors=5):
    """The features of one pair by plain scipy and scikit-learn, in the order of features="all"."""
    n, m = len(A), len(B)
    pooled, task = np.concatenate([A, B]), np.arange(n + m) >= n
    squared = cdist(pooled, pooled, "sqeuclidean")
    distance = np.sqrt(squared)
    d_i, d_j, d = distance[:n, :n].mean(), distance[n:, n:].mean(), distance[:n, n:].mean()
    k = min(n_components, n, m, A.shape[1])
    u, v = (
        PCA(k, svd_solver="full").fit(A).components_,
        PCA(k, svd_solver="full").fit(B).components_,
    )
    ranks = rankdata(pooled, axis=0)
    np.fill_diagonal(squared, np.inf)
    last = np.sort(squared, axis=1)[:, n_neighbors - 1, None]
    tied = np.isclose(squared, last, rtol=1e-9, atol=0)
    nearer, foreign = (squared < last) & ~tied, task[:, None] != task
    places = n_neighbors - nearer.sum(axis=1)
    cross = (nearer & foreign).sum(axis=1) + places * (tied & foreign).sum(axis=1) / tied.sum(
        axis=1
    )
    return [
        n + m,
        n / (n + m),
        m / (n + m),
        abs(n - m) / (n + m),
        d_i,
        d_j,
        d,
        abs(d_i - d_j) / (d_i + d_j),
        d / np.sqrt(d_i * d_j),
        d / (d_i + d_j),
        2 * d - d_i - d_j,
        np.linalg.norm(A.mean(axis=0) - B.mean(axis=0)),
        (normalize(A) @ normalize(B).T).mean(),
        np.abs((u * v).sum(axis=1)).mean(),
        np.abs(ranks[:n].mean(axis=0) - ranks[n:].mean(axis=0)).mean() / (n + m),
        cross.mean() / n_neighbors,
        y.std(),
        z.std(),
        abs(y.mean() - z.mean()),
    ]


def load_school(data_home):
    frame = pd.read_csv(Path(data_home) / "school" / "school.csv.gz")
    return (
        frame.drop(columns=["task", "y"]).to_numpy(float),
        frame["y"].to_numpy(float),
        frame["task"].to_numpy(),
    )


def generate(seed=0, n_tasks=20, p=10):
    rng = np.random.default_rng(seed)
    task = np.repeat(np.arange(n_tasks), rng.integers(20, 100, size=n_tasks))
    X = rng.normal(size=(len(task), p)) + rng.normal(size=(n_tasks, p))[task]
    X[:, : p // 2] = np.round(X[:, : p // 2])
    return X, rng.normal(size=len(task)), task


def measure(name, X, y, task, n_checked, repeats, seed):
    tasks = TaskSet.from_long(X, y, task)
    pairs = tasks.pairs()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        features = TaskRelationFeaturizer(tasks).fit(pairs).transform(pairs)
        seconds.append(time.perf_counter() - start)
    scaled, names = StandardScaler().fit_transform(X), np.array([str(t) for t in task])
    chosen = np.random.default_rng(seed).choice(
        len(pairs), min(n_checked, len(pairs)), replace=False
    )
    rows = {t: np.flatnonzero(names == t) for t in tasks.names}
    start = time.perf_counter()
    naive = np.array(
        [
            naive_pair(scaled[rows[i]], scaled[rows[j]], y[rows[i]], y[rows[j]])
            for i, j in pairs[chosen]
        ]
    )
    naive_seconds = (time.perf_counter() - start) * len(pairs) / len(chosen)
    difference = np.abs(features[chosen] - naive)
    relative = difference / np.maximum(np.abs(naive), 1e-12)
    worst = (
        TaskRelationFeaturizer(tasks).fit().get_feature_names_out()[relative.max(axis=0).argmax()]
    )
    return {
        "data": name,
        "tasks": len(tasks),
        "rows": len(X),
        "distinct rows": len(np.unique(X, axis=0)),
        "features": X.shape[1],
        "pairs": len(pairs),
        "ours s (median)": round(float(np.median(seconds)), 2),
        "ours s (min..max)": f"{min(seconds):.2f}..{max(seconds):.2f}",
        "pair by pair s (extrapolated)": round(naive_seconds, 1),
        "ratio": round(naive_seconds / float(np.median(seconds)), 1),
        "pairs checked": len(chosen),
        "max abs difference": f"{difference.max():.1e}",
        "max rel difference": f"{relative.max():.1e} ({worst})",
        "seed": seed,
    }


def main():
    arguments = parser(__doc__)
    arguments.add_argument(
        "--pairs",
        type=int,
        default=500,
        help="pairs that are compared with the pair-by-pair computation",
    )
    arguments.add_argument("--repeats", type=int, default=3)
    options = parse(arguments)
    with threadpool_limits(1):
        measured = [
            measure(
                "generated", *generate(options.seed), options.pairs, options.repeats, options.seed
            )
        ]
        if not options.quick:
            X, y, task = load_school(options.data_home)
            measured.append(
                measure("School", X, y, task, options.pairs, options.repeats, options.seed)
            )
            jittered = X + 1e-3 * np.random.default_rng(options.seed).normal(size=X.shape)
            measured.append(
                measure(
                    "School, no two rows alike",
                    jittered,
                    y,
                    task,
                    options.pairs,
                    options.repeats,
                    options.seed,
                )
            )
    table = pd.DataFrame(measured)
    turned = table.set_index("data").astype(object).T.rename_axis("").reset_index()
    text = (
        f"# Task-relation features of all ordered pairs\n\n{markdown(turned)}\n\nOne thread. "
        f"{versions(np, scipy, sklearn)}.\n"
    )
    report(options, "featurizer", text, table)


if __name__ == "__main__":
    main()
