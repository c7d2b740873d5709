"""Time to fit one small network: skmtl against a plain PyTorch loop, skorch and scikit-learn.

    python benchmarks/fit_time.py  (writes results/fit_time.csv and .md)
    python benchmarks/fit_time.py --quick
        (fewer passes and rounds, writes nothing unless --out is given)

400 rows, 10 features, one target, 32 hidden units, 100 passes of 32 rows per step by Adam (learning
rate 0.001, L2 penalty 1e-4), no validation part, no early stopping. All methods take turns; the
first round warms up and does not count. Inputs and target are standardized before the clock starts
for the methods that do not do so themselves. skmtl's default number of members is timed beside.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import sklearn
import torch
from common import markdown, parse, parser, report, versions
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn

import skmtl
from skmtl import MultiTaskRegressor

N_ROWS, N_FEATURES, HIDDEN, BATCH, RATE, PENALTY = 400, 10, 32, 32, 1e-3, 1e-4
OURS = "skmtl, 1 member"
Array = NDArray[np.float64]


# ---------------------------------------------------------------------- methods
def fit_skmtl(
    X: Array, y: Array, passes: int, seed: int, n_members: int | str = 1
) -> Callable[[], object]:
    """Train by skmtl, which standardizes by itself."""
    model = MultiTaskRegressor(
        (HIDDEN,),
        n_members=n_members,
        batch_size=BATCH,
        learning_rate_init=RATE,
        alpha=PENALTY,
        max_iter=passes,
        early_stopping=False,
        tol=0,
        n_iter_no_change=1000,
        random_state=seed,
    )
    return lambda: model.fit(X, y)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(N_FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))


def fit_loop(X: Array, y: Array, passes: int, seed: int, fused: bool) -> Callable[[], object]:
    """Train step by step on shuffled rows; L2 as weight decay, which autograd does not see."""
    x, target = (
        torch.from_numpy(StandardScaler().fit_transform(part).astype(np.float32))
        for part in (X, y[:, None])
    )

    def fit() -> nn.Module:
        torch.manual_seed(seed)
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=PENALTY, fused=fused)
        for _ in range(passes):
            for rows in torch.randperm(len(x)).split(BATCH):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x[rows]), target[rows]).backward()
                optimizer.step()
        return model

    return fit


def fit_skorch(X: Array, y: Array, passes: int, seed: int) -> Callable[[], object]:
    """Train by skorch without a validation part and without printing."""
    from skorch import NeuralNetRegressor

    x, target = (
        StandardScaler().fit_transform(part).astype(np.float32) for part in (X, y[:, None])
    )

    def fit() -> object:
        torch.manual_seed(seed)
        settings = {
            "lr": RATE,
            "optimizer__weight_decay": PENALTY,
            "batch_size": BATCH,
            "max_epochs": passes,
            "iterator_train__shuffle": True,
        }
        return NeuralNetRegressor(
            network, optimizer=torch.optim.Adam, train_split=None, verbose=0, **settings
        ).fit(x, target)

    return fit


def fit_sklearn(X: Array, y: Array, passes: int, seed: int) -> Callable[[], object]:
    x, target = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    settings = {
        "batch_size": BATCH,
        "learning_rate_init": RATE,
        "alpha": PENALTY,
        "max_iter": passes,
        "tol": 0,
        "n_iter_no_change": 1000,
    }
    return lambda: MLPRegressor(hidden_layer_sizes=(HIDDEN,), random_state=seed, **settings).fit(
        x, target
    )


# ---------------------------------------------------------------------- taking turns
@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Use so many threads; None = as the libraries choose."""
    before = torch.get_num_threads()
    try:
        if number is not None:
            torch.set_num_threads(number)
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


def timed(fit: Callable[[], object]) -> float:
    start = time.perf_counter()
    fit()
    return time.perf_counter() - start


def spread(values: Array, digits: int) -> str:
    return f"{np.median(values):.{digits}f} ({values.min():.{digits}f}..{values.max():.{digits}f})"


def tabulate(order: Iterable[str], seconds: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    """Median (lowest..highest) in milliseconds; ratios are medians of the rounds' ratios to ours
    with the same threads.
    """
    rows: dict[str, dict[str, str]] = {}
    for name, setting in dict.fromkeys(
        itertools.product(order, [setting for _, setting in seconds])
    ):
        values = seconds[name, setting]
        times, ours = 1e3 * np.array(values[1:]), 1e3 * np.array(seconds[OURS, setting][1:])
        row = rows.setdefault(name, {"method": name})
        row[f"ms, {setting}"], row[f"ratio to ours, {setting}"] = (
            spread(times, 1),
            spread(times / ours, 2),
        )
    return pd.DataFrame(rows.values())


def main() -> None:
    """Time all methods."""
    known = parser(__doc__ or "")
    known.add_argument("--rounds", type=int, default=7)
    known.set_defaults(data_home=".")  # needs no data
    options = parse(known)
    passes, rounds = (10, 2) if options.quick else (100, options.rounds)
    rng = np.random.default_rng(options.seed)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    data = (X, X[:, 0] + np.sin(X[:, 1]) + 0.5 * rng.normal(size=N_ROWS), passes, options.seed)
    fits = {
        OURS: fit_skmtl(*data),
        "skmtl, default members": fit_skmtl(*data, n_members="auto"),
        "PyTorch loop": fit_loop(*data, fused=False),
        "PyTorch loop, fused Adam": fit_loop(*data, fused=True),
        "scikit-learn MLPRegressor": fit_sklearn(*data),
    }
    modules = [np, sklearn, torch, skmtl]
    if importlib.util.find_spec("skorch") is None:
        print("skorch is skipped: it is not installed.")
    else:
        import skorch

        fits["skorch NeuralNetRegressor"] = fit_skorch(*data)
        modules.append(skorch)
    seconds: dict[tuple[str, str], list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for turn, (setting, number) in itertools.product(
            range(rounds + 1), {"threads as chosen": None, "1 thread": 1}.items()
        ):
            with threads(number):
                for name in np.roll(
                    list(fits), turn
                ):  # who comes first after a change of threads pays for it
                    seconds.setdefault((name, setting), []).append(timed(fits[name]))
    table = tabulate(fits, seconds)
    text = f"""# One fit: {N_ROWS} rows, {N_FEATURES} features, one target, {HIDDEN} hidden units,
    {passes} passes of {BATCH} rows per step

{markdown(table)}

Median (lowest..highest) of {rounds} rounds in which all methods took turns, in rotating order,
after one round that does not count. Ratios are to skmtl with one member and the same threads, above
1 = skmtl is faster. "threads as chosen": PyTorch chose {torch.get_num_threads()} on
{os.cpu_count()} cores. skmtl standardizes inputs and target within its time, the others got them
standardized. Seed {options.seed}. {versions(*modules)}.
"""
    report(options, "fit_time", text, table)


if __name__ == "__main__":
    main()
