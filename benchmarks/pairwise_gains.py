"""Time of training the two-task networks that pairwise gains need, against four ways to train them
without a fleet.

    python benchmarks/pairwise_gains.py --data-home FOLDER
        (or the environment variable SKMTL_DATA; reads FOLDER/school/school.csv.gz)
    python benchmarks/pairwise_gains.py --quick  (generated tasks of School's sizes, under a minute)

All methods train 27-[20, 10, 32] trunks with one linear head a task by Adam (learning rate 0.005,
L2 penalty 1e-4), 64 rows of every task a step, on the same training, validation and test rows;
denormal numbers are flushed to zero in all of them. The smaller task of a pair is repeated up to
the larger one. Two protocols: until the validation loss has not improved for 50 passes, and 60
passes with validation but without stopping. Times are wall times of all that a method does,
validation and best weights included, divided by the steps that its networks needed. Preparing rows
(split, scaling) counts for skmtl only.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import joblib
import numpy as np
import pandas as pd
import sklearn
import torch
from common import markdown, parse, parser, report, versions
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

import skmtl
from skmtl import MultiTaskRegressor
from skmtl.datasets import fetch_school, make_grouped_tasks
from skmtl.estimators import group_job, measure_groups, problem_of_groups, read_settings

HIDDEN, BATCH, RATE, PENALTY, TOL = (20, 10, 32), 64, 0.005, 1e-4, 1e-4
CORES = torch.get_num_threads()


@dataclass(frozen=True)
class Protocol:
    """When training ends."""

    name: str
    max_iter: int
    patience: int


STOPPING, FIXED, SHORT = (
    Protocol("early stopping", 1000, 50),
    Protocol("60 passes", 60, 60),
    Protocol("3 passes", 3, 3),
)


# ---------------------------------------------------------------------- the pairs
@dataclass(frozen=True)
class Pair:
    """Scaled rows (x, y) of two tasks, and the scales of their targets."""

    names: tuple[str, str]
    train: list
    validation: list
    test: list
    scales: tuple[float, float]

    @property
    def n_rows(self):
        return max(len(y) for _, y in self.train)

    @property
    def n_steps(self):
        return -(-self.n_rows // BATCH)


def estimator(protocol):
    return MultiTaskRegressor(
        HIDDEN,
        learning_rate_init=RATE,
        batch_size=BATCH,
        alpha=PENALTY,
        tol=TOL,
        early_stopping=True,
        max_iter=protocol.max_iter,
        n_iter_no_change=protocol.patience,
    )


def prepare(train, test, groups, seed):
    """Return the rows that skmtl trains, validates and tests each pair on."""
    settings = read_settings(estimator(STOPPING))
    problem = problem_of_groups(settings, train, test, split_seed=seed)
    X, y = problem.data.X.astype(np.float32), problem.data.y.astype(np.float32)

    def pair(group):
        (member,) = group_job(settings, problem, [group], seed=seed, record=False).networks
        parts = [
            [(X[rows], y[rows]) for rows in part] for part in (member.train, member.validation)
        ]
        tested = [
            (X[rows], problem.targets.encode(n, test[n].y).astype(np.float32))
            for n, rows in zip(group, member.evaluation, strict=True)
        ]
        return Pair(
            group, *parts, tested, tuple(problem.targets.codings[name].unit for name in group)
        )

    return [pair(group) for group in groups]


def evenly(pairs, n):
    """Return n pairs spread evenly over the sizes, so that small samples have the sizes of large
    ones.
    """
    by_size = sorted(pairs, key=lambda pair: pair.n_rows)
    return [
        by_size[i] for i in np.linspace(0, len(pairs) - 1, min(n, len(pairs))).round().astype(int)
    ]


def repeated(part, length):
    """Return the rows of two tasks, (2, length, p) and (2, length, 1), going round and round."""
    index = [np.arange(length) % len(y) for _, y in part]
    x, y = (np.stack([own[k][i] for own, i in zip(part, index, strict=True)]) for k in (0, 1))
    return torch.from_numpy(x), torch.from_numpy(y).unsqueeze(-1)


def weighted(part, scales=(1.0, 1.0), length=None):
    """Return rows (2, length, p), (2, length, 1) and weights under which squared errors sum to the
    mean of the tasks' losses.
    """
    length = length or max(len(y) for _, y in part)
    weights = np.stack(
        [
            np.where(np.arange(length) < len(y), scale**2 / len(y) / 2, 0)
            for (_, y), scale in zip(part, scales, strict=True)
        ]
    )
    return *repeated(part, length), torch.from_numpy(weights.astype(np.float32)).unsqueeze(-1)


# ---------------------------------------------------------------------- ours
def train_fleet(data, seed, n_workers, pairs, protocol):
    """Return (steps, test loss) of every network, by skmtl."""
    outcomes = measure_groups(
        estimator(protocol), *data, [pair.names for pair in pairs], seed=seed, n_workers=n_workers
    )
    return [
        (outcome.n_iter * pair.n_steps, np.mean(outcome.losses))
        for outcome, pair in zip(outcomes, pairs, strict=True)
    ]


# ---------------------------------------------------------------------- a loop
class PairNetwork(nn.Module):
    """A shared trunk and two heads; one pass through the trunk serves the rows of both tasks, or
    each task has its own.
    """

    def __init__(self, n_inputs, hidden=HIDDEN, n_tasks=2, *, at_once=True):
        super().__init__()
        self.at_once = at_once
        sizes = [n_inputs, *hidden]
        self.trunk = nn.Sequential(
            *(layer for i, o in itertools.pairwise(sizes) for layer in (nn.Linear(i, o), nn.ReLU()))
        )
        self.heads = nn.ModuleList(nn.Linear(sizes[-1], 1) for _ in range(n_tasks))
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x):
        features = self.trunk(x) if self.at_once else [self.trunk(own) for own in x]
        return torch.stack([head(features[t]) for t, head in enumerate(self.heads)])


def dealt(x, y, order, n_steps):
    """Return the batches of a pass: one gather, cut into steps (S, T, B, ...)."""
    n_tasks, length = y.shape[:2]
    index = (order.view(n_steps, 1, -1) + length * torch.arange(n_tasks)[:, None]).flatten()
    shape = (n_steps, n_tasks, length // n_steps, -1)
    return x.flatten(0, 1)[index].view(shape).unbind(), y.flatten(0, 1)[index].view(shape).unbind()


def take_pass(network, optimizer, x, y, n_steps):
    for own_x, own_y in zip(*dealt(x, y, torch.randperm(y.shape[1]), n_steps), strict=True):
        optimizer.zero_grad()
        functional.mse_loss(network(own_x), own_y).backward()
        optimizer.step()


@torch.no_grad()
def loss_of(network, x, y, weights):
    return ((network(x) - y).square_() * weights).sum().item()


def train_one(pair, protocol, seed, at_once):
    """Train one network step by step; return its steps and test loss."""
    torch.manual_seed(seed)
    x, y = repeated(pair.train, pair.n_rows if pair.n_steps == 1 else pair.n_steps * BATCH)
    validation = weighted(pair.validation)
    network = PairNetwork(x.shape[2], at_once=at_once)
    parameters = [parameter.detach() for parameter in network.parameters()]
    kept = [parameter.clone() for parameter in parameters]
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, weight_decay=PENALTY, fused=True)
    best, stale, n_iter = np.inf, 0, 0
    while n_iter < protocol.max_iter and stale < protocol.patience:
        n_iter += 1
        take_pass(network, optimizer, x, y, pair.n_steps)
        loss = loss_of(network, *validation)
        stale = 0 if loss < best - TOL else stale + 1
        if loss < best:
            best = loss
            torch._foreach_copy_(kept, parameters)
    torch._foreach_copy_(parameters, kept)
    return n_iter * pair.n_steps, loss_of(network, *weighted(pair.test, pair.scales))


def train_loop(seed, n_threads, at_once, pairs, protocol):
    """Train one network after another."""
    with torch_threads(n_threads):
        return [train_one(pair, protocol, seed, at_once) for pair in pairs]


@contextmanager
def torch_threads(n):
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def spread_over(train, n_chunks, pairs, protocol):
    """Run a method of one thread in as many processes as there are cores."""
    n_chunks, results = min(n_chunks, len(pairs)), [None] * len(pairs)
    trained = Parallel(n_jobs=CORES, batch_size=1, max_nbytes=None)(
        delayed(train)(pairs[k::n_chunks], protocol) for k in range(n_chunks)
    )
    for k, chunk in enumerate(trained):
        results[k::n_chunks] = chunk
    return results


# ---------------------------------------------------------------------- scikit-learn
def train_sklearn(seed, pairs, protocol):
    """Fit one network without heads on the stacked rows of every pair; it draws its validation rows
    itself.
    """
    with threadpool_limits(1), torch_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [fit_sklearn(pair, protocol, seed) for pair in pairs]


def fit_sklearn(pair, protocol, seed):
    x, y = (np.concatenate([rows[k] for rows in pair.train + pair.validation]) for k in (0, 1))
    n_held = -(-len(y) // 10)
    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        learning_rate_init=RATE,
        batch_size=min(BATCH, len(y) - n_held),
        alpha=PENALTY,
        tol=TOL,
        max_iter=protocol.max_iter,
        early_stopping=True,
        n_iter_no_change=protocol.patience,
        random_state=seed,
    ).fit(x, y)
    losses = [
        np.mean((model.predict(x) - y) ** 2) * scale**2
        for (x, y), scale in zip(pair.test, pair.scales, strict=True)
    ]
    return model.n_iter_ * -(-(len(y) - n_held) // BATCH), np.mean(losses)


# ---------------------------------------------------------------------- torch.func.vmap
def train_vmap(seed, chunk_size, n_threads, pairs, protocol):
    """Train chunks of networks that take equally many steps a pass, each chunk until its last
    network stops.
    """
    results = {}
    with torch_threads(n_threads):
        for _, same in itertools.groupby(
            sorted(pairs, key=lambda pair: pair.n_rows), key=lambda pair: pair.n_steps
        ):
            same = list(same)
            for chunk in (
                same[start : start + chunk_size] for start in range(0, len(same), chunk_size)
            ):
                results |= dict(
                    zip(
                        (pair.names for pair in chunk),
                        train_chunk(chunk, protocol, seed),
                        strict=True,
                    )
                )
    return [results[pair.names] for pair in pairs]


def stacked(chunk, part, scale=False):
    """Return rows and weights of a chunk, (E, 2, N, ...), padded with weight 0."""
    length = max(len(y) for pair in chunk for _, y in getattr(pair, part))
    rows = [
        weighted(getattr(pair, part), pair.scales if scale else (1.0, 1.0), length)
        for pair in chunk
    ]
    return [torch.stack(column) for column in zip(*rows, strict=True)]


def train_chunk(chunk, protocol, seed):
    """Train a chunk as one stack; return the steps and test loss of every network."""
    torch.manual_seed(seed)
    n_steps, length = (
        chunk[0].n_steps,
        chunk[-1].n_rows if chunk[0].n_steps == 1 else chunk[0].n_steps * BATCH,
    )
    x, y = (
        torch.stack(rows)
        for rows in zip(*(repeated(pair.train, length) for pair in chunk), strict=True)
    )
    validation = stacked(chunk, "validation")
    networks = [PairNetwork(x.shape[-1]) for _ in chunk]
    parameters, _ = stack_module_state(networks)
    base = networks[0].to("meta")
    optimizer = torch.optim.Adam(parameters.values(), lr=RATE, weight_decay=PENALTY, fused=True)
    kept = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    def loss(own, x, y):
        return functional.mse_loss(functional_call(base, own, (x,)), y)

    def weighted_loss(own, x, y, weights):
        return ((functional_call(base, own, (x,)) - y).square() * weights).sum()

    best, stale, n_iter = (
        np.full(len(chunk), np.inf),
        np.zeros(len(chunk), int),
        np.zeros(len(chunk), int),
    )
    for _ in range(protocol.max_iter):
        order = torch.randperm(length).view(n_steps, -1)
        for rows in order:
            optimizer.zero_grad()
            vmap(loss)(parameters, x[:, :, rows], y[:, :, rows]).sum().backward()
            optimizer.step()
        with torch.no_grad():
            watched = vmap(weighted_loss)(parameters, *validation).numpy()
        running = stale < protocol.patience
        n_iter += running
        stale[running] = np.where(watched < best - TOL, 0, stale + 1)[running]
        better = running & (watched < best)
        best[better] = watched[better]
        keep_rows(kept, parameters, np.flatnonzero(better))
        if (stale >= protocol.patience).all():
            break
    with torch.no_grad():
        losses = vmap(weighted_loss)(kept, *stacked(chunk, "test", scale=True)).tolist()
    return list(zip((n_iter * n_steps).tolist(), losses, strict=True))


def keep_rows(kept, parameters, rows):
    if len(rows):
        rows = torch.from_numpy(rows)
        for name, parameter in parameters.items():
            kept[name].index_copy_(0, rows, parameter.detach().index_select(0, rows))


def fastest(calls, n_rounds=3):
    """Return the key of the call that takes the least time in all: a mean, so that one quiet moment
    decides nothing.
    """
    seconds = dict.fromkeys(calls, 0.0)
    for _, (key, call) in itertools.product(range(n_rounds), calls.items()):
        seconds[key] += timed(call)[0]
    return min(seconds, key=seconds.get)


def best_threads(pairs, seed):
    """Return the number of torch threads with which a loop is fastest."""
    return fastest(
        {n: partial(train_loop, seed, n, True, pairs, SHORT) for n in sorted({1, CORES})}
    )


def best_chunk(pairs, seed):
    """Return the chunk size and the number of torch threads with which vmap is fastest."""
    sizes = [size for size in (32, 64, 128, 256) if size < len(pairs)] or [len(pairs)]
    return fastest(
        {
            (size, n): partial(train_vmap, seed, size, n, pairs, SHORT)
            for size in sizes
            for n in sorted({1, CORES})
        }
    )


# ---------------------------------------------------------------------- measuring
@dataclass
class Method:
    """A way to train pairs, the cores it uses, and the pairs it is timed on in each protocol."""

    name: str
    cores: int
    train: Callable
    pairs: dict


def timed(call):
    """Return seconds and what the call returns."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def methods(data, pairs, samples, seed):
    """Return all methods; the first one is ours on all cores."""

    def sampled(name):
        return dict.fromkeys((STOPPING, FIXED), evenly(pairs, samples[name]))

    ours = {STOPPING: pairs, FIXED: evenly(pairs, samples["ours, 60 passes"])}
    chunk, threads = best_chunk(evenly(pairs, samples["vmap"]), seed)
    n_threads = best_threads(evenly(pairs, 4), seed)
    loop, fit = partial(train_loop, seed, 1, True), partial(train_sklearn, seed)
    rivals = [
        Method(
            f"PyTorch loop, a forward pass a task, {n_threads} thread(s)",
            n_threads,
            partial(train_loop, seed, n_threads, False),
            sampled("loop"),
        ),
        Method(
            f"PyTorch loop, tasks stacked, {n_threads} thread(s)",
            n_threads,
            partial(train_loop, seed, n_threads, True),
            sampled("loop"),
        ),
        Method(
            f"PyTorch loop, tasks stacked, {CORES} processes (joblib)",
            CORES,
            partial(spread_over, loop, 4 * CORES),
            sampled("processes"),
        ),
        Method("scikit-learn MLPRegressor (no heads)", 1, fit, sampled("sklearn")),
        Method(
            f"scikit-learn MLPRegressor (no heads), {CORES} processes",
            CORES,
            partial(spread_over, fit, 4 * CORES),
            sampled("sklearn"),
        ),
        Method(
            f"torch.func.vmap, {chunk} networks a chunk, {threads} thread(s)",
            threads,
            partial(train_vmap, seed, chunk, threads),
            sampled("vmap"),
        ),
        Method(
            f"torch.func.vmap, {chunk} networks a chunk, {CORES} processes",
            CORES,
            partial(spread_over, partial(train_vmap, seed, chunk, 1), CORES),
            sampled("vmap"),
        ),
    ]
    fleets = [
        Method(f"skmtl, {n} worker(s)", n, partial(train_fleet, data, seed, n), ours)
        for n in sorted({1, CORES}, reverse=True)
    ]
    return fleets + rivals


def run_rounds(candidates, n_rounds):
    """Time all methods in turn, after a short warm-up each; return microseconds a step by (method,
    protocol), and the last results.
    """
    microseconds, results = {}, {}
    Parallel(n_jobs=CORES)(
        delayed(time.sleep)(2) for _ in range(CORES)
    )  # all processes are up before the first one gets work
    for _, candidate, protocol in itertools.product(range(n_rounds), candidates, (STOPPING, FIXED)):
        candidate.train(candidate.pairs[protocol][:8], SHORT)
        seconds, outcome = timed(partial(candidate.train, candidate.pairs[protocol], protocol))
        print(f"{candidate.name}, {protocol.name}: {seconds:.1f} s", file=sys.stderr)
        key = candidate.name, protocol
        microseconds.setdefault(key, []).append(1e6 * seconds / sum(steps for steps, _ in outcome))
        results[key] = {
            pair.names: own for pair, own in zip(candidate.pairs[protocol], outcome, strict=True)
        }
    return {key: np.array(values) for key, values in microseconds.items()}, results


def mean_and_error(values):
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.1f}"


def spread(values, digits):
    return f"{np.median(values):.{digits}f} ({values.min():.{digits}f}..{values.max():.{digits}f})"


def tabulate(candidates, microseconds, results):
    """One row per method; ratios are medians over rounds, to skmtl on all cores and on one."""
    first, one, rows = candidates[0].name, candidates[len({1, CORES}) - 1].name, []
    for candidate in candidates:
        name, own = candidate.name, results[candidate.name, STOPPING]
        ours = [results[first, STOPPING][pair][1] for pair in own]
        row = {"method": name, "cores": candidate.cores}
        for protocol in (STOPPING, FIXED):
            times = microseconds[name, protocol]
            row[f"networks, {protocol.name}"] = len(candidate.pairs[protocol])
            row[f"µs a network-step, {protocol.name}"] = spread(times, 1)
            row[f"ratio to skmtl, {protocol.name}"] = spread(
                times / microseconds[first, protocol], 2
            )
            row[f"ratio to skmtl with 1 worker, {protocol.name}"] = spread(
                times / microseconds[one, protocol], 2
            )
        row["steps a network, early stopping"] = round(
            np.mean([steps for steps, _ in own.values()])
        )
        row["test MSE"] = mean_and_error([loss for _, loss in own.values()])
        row["test MSE of skmtl on the same pairs"] = mean_and_error(ours)
        row["difference"] = mean_and_error(
            [loss - other for (_, loss), other in zip(own.values(), ours, strict=True)]
        )
        rows.append(row)
    return pd.DataFrame(rows)


def headlines(table):
    """Name the fastest rival in each protocol."""
    rivals, lines = table[~table["method"].str.startswith("skmtl")], []
    for protocol in (STOPPING, FIXED):
        ratio = rivals[f"ratio to skmtl, {protocol.name}"]
        fastest = ratio.str.split().str[0].astype(float).idxmin()
        lines.append(
            f"- {protocol.name}: the fastest rival, {table['method'][fastest]}, takes "
            f"{ratio[fastest]} times as long as skmtl."
        )
    return "\n".join(lines)


# ---------------------------------------------------------------------- a single fit
def fit_loop(X, y, passes, n_threads, seed):
    """Scale, then train one network of one task step by step."""
    with torch_threads(n_threads):
        torch.manual_seed(seed)
        x = torch.from_numpy(StandardScaler().fit_transform(X).astype(np.float32)).unsqueeze(0)
        target = torch.from_numpy(((y - y.mean()) / y.std()).astype(np.float32)).view(1, -1, 1)
        n_steps = -(-len(y) // 32)
        rows = torch.arange(n_steps * 32) % len(y)
        x, target = x[:, rows], target[:, rows]
        network = PairNetwork(X.shape[1], (32,), 1)
        optimizer = torch.optim.Adam(
            network.parameters(), lr=1e-3, weight_decay=PENALTY, fused=True
        )
        for _ in range(passes):
            take_pass(network, optimizer, x, target, n_steps)


def fit_sklearn_once(X, y, settings):
    """Scale and fit, with denormal numbers flushed and one BLAS thread."""
    with threadpool_limits(1), torch_threads(1):
        MLPRegressor(hidden_layer_sizes=(32,), **settings).fit(
            StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
        )


def single_fit(n_rounds, seed, n_rows=400, n_features=10, passes=100):
    """Time one fit of one small network; one row a method."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features))
    y = X[:, 0] + np.sin(X[:, 1]) + 0.5 * rng.normal(size=n_rows)
    n_threads = fastest({n: partial(fit_loop, X, y, 20, n, seed) for n in sorted({1, CORES})})
    same = {
        "batch_size": 32,
        "max_iter": passes,
        "n_iter_no_change": passes,
        "early_stopping": False,
        "random_state": seed,
        "alpha": PENALTY,
    }
    fits = {
        "skmtl MultiTaskRegressor": lambda: MultiTaskRegressor((32,), n_members=1, **same).fit(
            X, y
        ),
        f"PyTorch loop, {n_threads} thread(s)": lambda: fit_loop(X, y, passes, n_threads, seed),
        "scikit-learn MLPRegressor": lambda: fit_sklearn_once(X, y, same),
    }
    seconds = {name: [] for name in fits}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _, (name, fit) in itertools.product(range(n_rounds + 1), fits.items()):
            seconds[name].append(timed(fit)[0])
    times = {
        name: 1e3 * np.array(values[1:]) for name, values in seconds.items()
    }  # the first round warms up
    ours = next(iter(times.values()))
    return pd.DataFrame(
        [
            {"one fit": name, "ms": spread(own, 0), "ratio": spread(own / ours, 2)}
            for name, own in times.items()
        ]
    )


def main():
    arguments = parser(__doc__)
    arguments.add_argument(
        "--pairs",
        type=int,
        default=1200,
        help="pairs that skmtl trains; rivals train evenly spread samples of them",
    )
    arguments.add_argument("--rounds", type=int, default=3)
    options = parse(arguments)
    n_pairs, n_rounds, samples = (
        options.pairs,
        options.rounds,
        {"loop": 12, "processes": 24, "sklearn": 24, "vmap": 512, "ours, 60 passes": 600},
    )
    if options.quick:
        n_pairs, n_rounds, samples = (
            min(n_pairs, 16),
            1,
            {"loop": 2, "processes": 4, "sklearn": 2, "vmap": 8, "ours, 60 passes": 16},
        )
        tasks = make_grouped_tasks(
            n_tasks=8, n_groups=2, n_samples=(22, 120), n_features=27, random_state=options.seed
        ).task_set
    else:
        tasks = fetch_school(data_home=options.data_home, download_if_missing=False).task_set
    data = tasks.train_test_split(0.3, options.seed)
    groups = list(itertools.combinations(tasks.names, 2))
    chosen = np.random.default_rng(options.seed).permutation(len(groups))[:n_pairs]
    pairs = prepare(*data, [groups[i] for i in chosen], options.seed)
    candidates = methods(data, pairs, samples, options.seed)
    table = tabulate(candidates, *run_rounds(candidates, n_rounds))
    passes = 10 if options.quick else 100
    alone = single_fit(2 * n_rounds + 1, options.seed, passes=passes)
    which = "generated tasks" if options.quick else "School"
    text = f"""# Training two-task networks: {len(pairs)} of the {len(groups)} pairs of {which}

{markdown(table)}

{headlines(table)}

Median (lowest..highest) of {n_rounds} rounds in which all methods took turns. Test MSE: mean of
both tasks, mean ± standard error over pairs, early stopping. Numbers of threads and the size of
vmap's chunks are the fastest of a few. scikit-learn's steps see 64 rows, the others' 64 of each
task. A chunk of vmap trains until its last network stops, which early stopping makes it pay for and
60 passes do not.

# One fit: 400 rows, 10 features, one target, 32 hidden units, {passes} passes of 32 rows a step

{markdown(alone)}

{CORES} cores, seed {options.seed}. {versions(torch, np, sklearn, joblib, skmtl)}.
"""
    report(options, "pairwise_gains", text, table)


if __name__ == "__main__":
    main()
