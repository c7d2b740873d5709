"""The low-rank regressor against linear models of scikit-learn: School (139 tasks in long form)
and tables with several targets.

    python benchmarks/representation_school.py
        (needs data; ten splits; writes results/representation_school.csv and .md)
    python benchmarks/representation_school.py --quick
        (two splits of generated tasks; writes nothing unless --out is given)

Every method chooses its settings (rank, penalty) by three-fold cross-validation on training rows;
inputs are standardized with training rows, and every task has an intercept of its own. scikit-
learn's MultiTaskElasticNet needs every label of every row, which School does not have: there it
gets the missing ones from each school's own ridge regression. On tables with several targets it
needs no such help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from common import markdown, parse, parser, report, versions
from quality_data import load
from scipy import stats
from sklearn.linear_model import MultiTaskElasticNet, MultiTaskElasticNetCV, Ridge
from sklearn.model_selection import KFold

from skmtl import LowRankMultiTaskRegressor
from skmtl.datasets import fetch_school, make_majority_minority_tasks
from skmtl.model_selection import MultiTaskKFold

ALPHAS, RANKS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), (1, 2, 3, 4, 6, 8)
STEPS = (
    0.001,
    0.003,
    0.01,
    0.03,
    0.1,
    0.3,
)  # penalties of the elastic net, relative to the smallest that leaves nothing
L1_RATIOS = (0.1, 0.5, 0.9)
WIDE = ("mtr_slump", "mtr_edm", "mtr_sf2", "mtr_scpf", "mtr_osales")
OURS = "low rank"

NOTE = """Mean over splits (standard deviation). "lead of low rank": mean difference to it on the
same splits, with its 95 % t-interval; splits share rows, so the intervals are too short, if
anything. School: the ten public splits (75 % of every school's rows for training); explained
variance = 1 - sum of squared errors / sum of squares around the mean of the test rows, and the mean
over schools of each school's R2. Tables: ten random splits, 70 % for training, mean over targets of
R2.

- ridge, one a task: penalty chosen for each task alone; ridge, common penalty: one penalty for all
  tasks.
- PCA of ridge: the leading directions of the tasks' ridge coefficients, in which the heads are
  fitted again (on tables: of the predictions).
- elastic net: scikit-learn's MultiTaskElasticNet, which shares the choice of inputs over tasks. On
  School, missing labels are those that the school's own ridge predicts.
- one ridge: the same coefficients for all tasks, with intercepts of their own."""


# ---------------------------------------------------------------------- long form
Lines = tuple[np.ndarray, np.ndarray]  # coefficients (T, p), intercepts (T,)


def ridges(X: np.ndarray, y: np.ndarray, task: np.ndarray, alpha: float) -> Lines:
    """Ridge regressions, one a task, with a penalty in units of its mean squared error."""
    return solved(*centred_moments(X, y, task), alpha)


def projected_ridges(
    X: np.ndarray, y: np.ndarray, task: np.ndarray, rank: int, alpha: float
) -> Lines:
    """Heads within the leading directions of the ridge coefficients."""
    x_mean, y_mean, second, cross = centred_moments(X, y, task)
    basis = np.linalg.svd(solved(x_mean, y_mean, second, cross, alpha)[0], full_matrices=False)[2][
        :rank
    ]
    heads, intercepts = solved(
        x_mean @ basis.T, y_mean, basis @ second @ basis.T, cross @ basis.T, alpha
    )
    return heads @ basis, intercepts


def centred_moments(X: np.ndarray, y: np.ndarray, task: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means of inputs and target, and second moments around them, of every task."""
    own = [(X[task == t], y[task == t]) for t in range(task.max() + 1)]
    x_mean, y_mean = np.array([x.mean(0) for x, _ in own]), np.array([z.mean() for _, z in own])
    second = np.array([(x - m).T @ (x - m) / len(x) for (x, _), m in zip(own, x_mean, strict=True)])
    return (
        x_mean,
        y_mean,
        second,
        np.array([(x - m).T @ z / len(x) for (x, z), m in zip(own, x_mean, strict=True)]),
    )


def solved(
    x_mean: np.ndarray, y_mean: np.ndarray, second: np.ndarray, cross: np.ndarray, alpha: float
) -> Lines:
    """Ridge regressions from moments."""
    coef = np.linalg.solve(second + alpha * np.eye(second.shape[-1]), cross[:, :, None])[:, :, 0]
    return coef, y_mean - (coef * x_mean).sum(1)


def one_ridge(X: np.ndarray, y: np.ndarray, task: np.ndarray, alpha: float) -> Lines:
    """The same coefficients for all tasks, each with an intercept."""
    means = np.array(
        [np.append(X[task == t].mean(0), y[task == t].mean()) for t in range(task.max() + 1)]
    )
    coef = (
        Ridge(alpha=alpha * len(X), fit_intercept=False)
        .fit(X - means[task, :-1], y - means[task, -1])
        .coef_
    )
    return np.tile(coef, (len(means), 1)), means[:, -1] - means[:, :-1] @ coef


def low_rank(X: np.ndarray, y: np.ndarray, task: np.ndarray, rank: int, alpha: float) -> Lines:
    """Ours."""
    model = LowRankMultiTaskRegressor(
        rank, task_column=-1, alpha=alpha, fit_intercept=True, tol=1e-6
    ).fit(np.column_stack([X, task]), y)
    order = np.argsort(np.array(model.task_names_).astype(int))
    return model.coef_[order], model.intercept_[order]


def elastic_net(
    X: np.ndarray, y: np.ndarray, task: np.ndarray, step: float, l1_ratio: float
) -> Lines:
    """scikit-learn's model on labels that are completed by ridge regressions, one a task."""
    coef, intercept = ridges(X, y, task, 0.1)
    Y = X @ coef.T + intercept
    Y[np.arange(len(y)), task] = y
    x_mean, y_mean = X.mean(0), Y.mean(0)
    # The loss depends on second moments alone: p rows with the same ones give the same model in a
    # fraction of the time.
    Q, R = np.linalg.qr(X - x_mean)
    scale = np.sqrt(X.shape[1] / len(X))
    inputs, targets = scale * R, scale * Q.T @ (Y - y_mean)
    most = np.linalg.norm(inputs.T @ targets, axis=1).max() / (len(inputs) * l1_ratio)
    model = MultiTaskElasticNet(
        alpha=step * most, l1_ratio=l1_ratio, fit_intercept=False, max_iter=20_000, tol=1e-3
    ).fit(inputs, targets)
    return model.coef_, y_mean - model.coef_ @ x_mean


LONG: dict[str, tuple[Callable[..., Lines], list[tuple[Any, ...]]]] = {
    OURS: (low_rank, list(product(RANKS, ALPHAS))),
    "PCA of ridge": (projected_ridges, list(product(RANKS, ALPHAS))),
    "ridge, common penalty": (ridges, [(alpha,) for alpha in ALPHAS]),
    "one ridge": (one_ridge, [(alpha,) for alpha in ALPHAS]),
    "elastic net, completed labels": (elastic_net, list(product(STEPS, L1_RATIOS))),
}


def predicted(lines: Lines, X: np.ndarray, task: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", X, lines[0][task]) + lines[1][task]


def long_split(
    X: np.ndarray, y: np.ndarray, task: np.ndarray, train: np.ndarray, test: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Explained variance of the test rows under every method, settings chosen on training rows."""
    x_mean, x_std = X[train].mean(0), X[train].std(0)
    X = (X - x_mean) / np.where(x_std > 0, x_std, 1.0)
    folds = list(
        MultiTaskKFold(3, task_column=-1, random_state=0).split(
            np.column_stack([X, task])[train], y[train]
        )
    )
    for name, (fit, grid) in LONG.items():
        errors = np.zeros(len(grid))
        own = np.zeros((len(grid), task.max() + 1))
        for inner, held in folds:
            inner, held = train[inner], train[held]
            for k, setting in enumerate(grid):
                squares = (
                    predicted(fit(X[inner], y[inner], task[inner], *setting), X[held], task[held])
                    - y[held]
                ) ** 2
                errors[k] += squares.sum()
                own[k] += np.bincount(task[held], squares, minlength=own.shape[1])
        best = grid[int(errors.argmin())]
        fitted = fit(X[train], y[train], task[train], *best)
        yield scored(name, best, predicted(fitted, X[test], task[test]), y[test], task[test])
        if name == "ridge, common penalty":
            each = [fit(X[train], y[train], task[train], *setting) for setting in grid]
            chosen = own.argmin(0)
            mixed = tuple(
                np.array([each[k][part][t] for t, k in enumerate(chosen)]) for part in (0, 1)
            )
            yield scored(
                "ridge, one a task",
                ("each",),
                predicted(mixed, X[test], task[test]),
                y[test],
                task[test],
            )


def scored(
    name: str, setting: tuple[Any, ...], found: np.ndarray, y: np.ndarray, task: np.ndarray
) -> dict[str, Any]:
    squares, spread = (found - y) ** 2, (y - y.mean()) ** 2
    own = [
        1 - squares[task == t].sum() / ((y[task == t] - y[task == t].mean()) ** 2).sum()
        for t in np.unique(task)
    ]
    return {
        "method": name,
        "setting": " ".join(
            f"{value:g}" if not isinstance(value, str) else value for value in setting
        ),
        "explained": 1 - squares.sum() / spread.sum(),
        "mean R2": float(np.mean(own)),
    }


# ---------------------------------------------------------------------- tables with several targets
def wide_split(
    X: np.ndarray, Y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Mean R2 of the targets under every method; targets are standardized with training rows."""
    x_mean, x_std, y_mean, y_std = (
        X[train].mean(0),
        X[train].std(0),
        Y[train].mean(0),
        Y[train].std(0),
    )
    X, Y = (
        (X - x_mean) / np.where(x_std > 0, x_std, 1.0),
        (Y - y_mean) / np.where(y_std > 0, y_std, 1.0),
    )
    T, folds = Y.shape[1], list(KFold(3, shuffle=True, random_state=0).split(train))
    ranks = sorted({min(rank, T, X.shape[1]) for rank in RANKS})
    alphas = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

    def ours(A: np.ndarray, B: np.ndarray, C: np.ndarray, rank: int, alpha: float) -> np.ndarray:
        return LowRankMultiTaskRegressor(rank, alpha=alpha, fit_intercept=True).fit(A, B).predict(C)

    def ridge(A: np.ndarray, B: np.ndarray, C: np.ndarray, alpha: float) -> np.ndarray:
        return Ridge(alpha=alpha * len(A)).fit(A, B).predict(C)

    def pca(A: np.ndarray, B: np.ndarray, C: np.ndarray, rank: int, alpha: float) -> np.ndarray:
        model = Ridge(alpha=alpha * len(A)).fit(A, B)
        shown = np.linalg.svd(model.predict(A) - B.mean(0), full_matrices=False)[2][:rank]
        return B.mean(0) + (model.predict(C) - B.mean(0)) @ shown.T @ shown

    methods: dict[str, tuple[Callable[..., np.ndarray], list[tuple[Any, ...]]]] = {
        OURS: (ours, list(product(ranks, alphas))),
        "PCA of ridge": (pca, list(product(ranks, alphas))),
        "ridge, common penalty": (ridge, [(alpha,) for alpha in alphas]),
    }
    for name, (fit, grid) in methods.items():
        errors = [
            sum(
                (
                    (fit(X[train][inner], Y[train][inner], X[train][held], *s) - Y[train][held])
                    ** 2
                ).sum()
                for inner, held in folds
            )
            for s in grid
        ]
        best = grid[int(np.argmin(errors))]
        yield {
            "method": name,
            "setting": " ".join(f"{value:g}" for value in best),
            "mean R2": r2(fit(X[train], Y[train], X[test], *best), Y[test]),
        }
    net = MultiTaskElasticNetCV(
        l1_ratio=list(L1_RATIOS), alphas=30, cv=3, max_iter=20_000, tol=1e-3
    ).fit(X[train], Y[train])
    yield {
        "method": "elastic net",
        "setting": f"{net.alpha_:g} {net.l1_ratio_:g}",
        "mean R2": r2(net.predict(X[test]), Y[test]),
    }


def r2(found: np.ndarray, Y: np.ndarray) -> float:
    spread = ((Y - Y.mean(0)) ** 2).sum(0)
    known = spread > 1e-9 * len(Y)  # a rare value may have no row here
    return float((1 - ((found - Y) ** 2).sum(0)[known] / spread[known]).mean())


def numbers(frame: pd.DataFrame) -> np.ndarray:
    """Indicators for categories; missing numbers take the mean."""
    coded = pd.get_dummies(frame, dtype=float)
    return coded.fillna(coded.mean()).to_numpy()


# ---------------------------------------------------------------------- all of it
def measure(data_home: str | None, n_splits: int, quick: bool, seed: int) -> pd.DataFrame:
    lines = []
    if quick:
        tasks = make_majority_minority_tasks(
            20, 2, 40, 10, majority_rank=2, minority_rank=2, noise=0.5, random_state=seed
        )
        X, y, task = tasks.data.to_numpy(), tasks.target.to_numpy(), pd.factorize(tasks.task)[0]
        deals = [
            (train, test)
            for train, test in MultiTaskKFold(4, task_column=-1, random_state=seed).split(
                np.column_stack([X, task]), y
            )
        ]
    else:
        school = fetch_school(data_home=data_home)
        X, y, task = (
            school.data.to_numpy(dtype=float),
            school.target.to_numpy(dtype=float),
            pd.factorize(school.task)[0],
        )
        deals = [
            (np.flatnonzero(column == 0), np.flatnonzero(column == 1))
            for column in school.splits.to_numpy().T
        ]
    for k, (train, test) in enumerate(deals[:n_splits]):
        lines += [
            {"data": "generated" if quick else "school", "split": k, **line}
            for line in long_split(X, y, task, train, test)
        ]
        print(f"{lines[-1]['data']}: split {k + 1}", flush=True)
    for name in () if quick else WIDE:
        table = load(name, data_home)
        X, Y = numbers(table.X), table.Y
        for k in range(n_splits):
            order = np.random.default_rng([seed, k]).permutation(len(X))
            cut = round(0.7 * len(X))
            lines += [
                {"data": name, "split": k, **line}
                for line in wide_split(X, Y, order[:cut], order[cut:])
            ]
        print(name, flush=True)
    return pd.DataFrame(lines)


def summary(table: pd.DataFrame, data: str, measure_name: str) -> pd.DataFrame:
    """One line a method: mean, spread, and the lead of ours."""
    own = table[table["data"] == data].pivot(index="split", columns="method", values=measure_name)
    rows = []
    for method in own.columns[np.argsort(-own.mean().to_numpy())]:
        lead = own[OURS] - own[method]
        half = (
            stats.t.ppf(0.975, len(lead) - 1) * lead.std() / np.sqrt(len(lead))
            if len(lead) > 1
            else np.nan
        )
        settings = table[(table["data"] == data) & (table["method"] == method)][
            "setting"
        ].value_counts()
        rows.append(
            {
                "method": method,
                measure_name: f"{own[method].mean():.4f} ({own[method].std():.4f})",
                "lead of low rank": ""
                if method == OURS
                else f"{lead.mean():+.4f} ({lead.mean() - half:+.4f} to {lead.mean() + half:+.4f})",
                "low rank better": ""
                if method == OURS
                else f"{int((lead > 0).sum())} of {len(lead)}",
                "chosen most often": settings.index[0],
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Measure and write."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--splits", type=int, default=10)
    options = parse(arguments)
    table = measure(
        options.data_home, 2 if options.quick else options.splits, options.quick, options.seed
    )
    parts = []
    for data in table["data"].unique():
        if table.loc[table["data"] == data, "explained"].notna().any():
            parts.append(
                f"## {data}, explained variance of all test "
                f"rows\n\n{markdown(summary(table, data, 'explained'))}\n"
            )
        parts.append(
            f"## {data}, mean R2 over tasks\n\n{markdown(summary(table, data, 'mean R2'))}\n"
        )
    text = (
        f"# Low-rank regression against linear models of scikit-learn\n\n{NOTE}\n\n"
        + "\n".join(parts)
        + f"\nSeed {options.seed}. {versions(np, sklearn)}.\n"
    )
    report(options, "representation_school", text, table)


if __name__ == "__main__":
    main()
