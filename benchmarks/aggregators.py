"""What aggregation costs: a call of every gradient method, a training step with it, and where the
step's time goes.

    python benchmarks/aggregators.py
        (writes results/aggregators_call, _step and _profile, .csv and .md)
    python benchmarks/aggregators.py --part step --tasks 10 40  (one part, some numbers of tasks)
    python benchmarks/aggregators.py --quick
        (few tasks and rounds, writes nothing unless --out is given)

call: `method.weights(gramian)` in float64, of one Gramian and of a fleet of 8, beside TorchJD's
weighting of the same name on the same Gramian. step: 20 inputs, hidden layers of 64 and 32, a
linear head for each of T tasks that share all rows, 512 rows per step, squared error, Adam, one
network, float32. skmtl goes through `skmtl.network.train_fleet`; the rivals are in
aggregator_rivals.py. profile: the same steps with a timer around the functions that they are made
of.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from aggregator_rivals import passes, present, rivals, their_call, their_methods, torchjd_version
from common import markdown, parse, parser, report, versions
from torch import Tensor

import skmtl
from skmtl.aggregation import AGGREGATORS, SVFair, TaskGradients, UPGrad
from skmtl.network import Architecture, FleetData, Member, Training, train_fleet

N_INPUTS, HIDDEN, BATCH, RATE = 20, (64, 32), 512, 1e-3
N_PARAMETERS, FLEET = 3000, 8  # columns of the Jacobians behind the Gramians; Gramians of a fleet
TASKS, LIMIT = (2, 10, 40, 139), 4.0  # seconds above which a call or a step is left out
MEAN = "skmtl, mean"
UPGRAD = "skmtl, UPGrad"
OURS = {
    MEAN: None,
    "skmtl, SVFair": SVFair(),
    "skmtl, SVFair at the representation": TaskGradients(SVFair(), at="representation"),
    "skmtl, SVFair every 10 steps": TaskGradients(SVFair(), every=10),
    UPGRAD: UPGrad(),
}
TARGETS = (
    ("skmtl, SVFair", 10, 4.0),
    ("skmtl, SVFair", 40, 12.0),
    *(("skmtl, SVFair at the representation", n_tasks, 2.0) for n_tasks in TASKS),
)


class Clock:
    """Time that has passed, or that this process has computed."""

    now = staticmethod(time.perf_counter)


CLOCK = Clock()


def settings(options: Any) -> str:
    return (
        f"{options.threads} thread(s), {options.clock} time, seed {options.seed}. "
        f"{versions(np, torch, skmtl)}{torchjd_version()}."
    )


def spread(values: list[float], scale: float, digits: int) -> str:
    lowest, middle, highest = np.quantile(scale * np.array(values), [0, 0.5, 1])
    return f"{middle:,.{digits}f} ({lowest:,.{digits}f}..{highest:,.{digits}f})"


def ratio(above: list[float] | None, below: list[float] | None) -> float:
    """Median of the rounds' ratios; NaN where either was left out."""
    return float(np.median(np.array(above) / np.array(below))) if above and below else float("nan")


def in_turn(calls: dict[Any, Callable[[], float]], rounds: int) -> dict[Any, list[float]]:
    """Let all take turns, in rotating order; the first round warms up and does not count."""
    seconds: dict[Any, list[float]] = {key: [] for key in calls}
    for turn in range(rounds + 1):
        for position in np.roll(np.arange(len(calls)), turn):
            key = list(calls)[position]
            seconds[key].append(calls[key]())
    return {key: values[1:] for key, values in seconds.items()}


# ---------------------------------------------------------------------- one call
def our_methods() -> dict[str, Any]:
    known = {name: kind() for name, kind in AGGREGATORS.items() if kind.kind != "loss_weights"}
    return {
        **known,
        "svfair, tau auto": SVFair(tau="auto"),
        "svfair, voldetpro": SVFair("voldetpro"),
    }


def jacobians(n_tasks: int, rng: np.random.Generator) -> Tensor:
    """Gaussian gradients with a common direction that half of the tasks follow backwards, of
    lengths that differ; a fleet of them.
    """
    own = rng.normal(size=(FLEET, n_tasks, N_PARAMETERS))
    shared = 0.5 * rng.normal(size=(FLEET, n_tasks, 1)) * rng.normal(size=(FLEET, 1, N_PARAMETERS))
    return torch.tensor((own + shared) * np.exp(0.5 * rng.normal(size=(FLEET, n_tasks, 1))))


def our_call(method: Any, rows: Tensor) -> Callable[[], object]:
    weighs = method.kind == "gradient_weights"
    return partial(
        method.weights if weighs else method.aggregate,
        rows @ rows.mT if weighs else rows,
        generator=torch.Generator().manual_seed(0),
    )


def repeated(call: Callable[[], object], limit: float) -> Callable[[], float] | None:
    """Return a function that times a call, often enough to be read; None where one call takes too
    long.
    """
    call()
    start = CLOCK.now()
    call()
    once = CLOCK.now() - start
    if once > limit:
        return None
    count = int(np.clip(0.05 / once, 1, 1000))

    def timed() -> float:
        start = CLOCK.now()
        for _ in range(count):
            call()
        return (CLOCK.now() - start) / count

    return timed


def call_part(options: Any) -> None:
    """Time one call of every method."""
    rng, lines, left_out = np.random.default_rng(options.seed), [], []
    for n_tasks in options.tasks:
        rows = jacobians(n_tasks, rng)
        calls = {("one", name): our_call(method, rows[0]) for name, method in our_methods().items()}
        calls |= {("fleet", name): our_call(method, rows) for name, method in our_methods().items()}
        calls |= {
            ("theirs", name): their_call(*method, rows[0])
            for name, method in their_methods(n_tasks).items()
        }
        timers = {}
        for key, call in calls.items():
            timer = repeated(call, options.limit)
            if timer is None:
                left_out.append(f"{key[1]} ({key[0]}) of {n_tasks} tasks")
            else:
                timers[key] = timer
        seconds = in_turn(timers, options.rounds)
        for name in our_methods():
            one, fleet, theirs = (seconds.get((kind, name)) for kind in ("one", "fleet", "theirs"))
            line = {"method": name, "tasks": n_tasks}
            for column, values, share in (
                ("us", one, 1),
                ("us in a fleet", fleet, FLEET),
                ("us TorchJD", theirs, 1),
            ):
                line |= {column: 1e6 * np.median(values) / share if values else np.nan}
                line |= {
                    f"{column}, {k}": 1e6 * f(values) / share if values else np.nan
                    for k, f in (("lowest", min), ("highest", max))
                }
            lines.append({**line, "TorchJD / skmtl": ratio(theirs, one)})
        print(f"call: {n_tasks} tasks done", flush=True)
    table = pd.DataFrame(lines)
    shown = pd.DataFrame({"method": table["method"].unique()})
    for n_tasks, own in table.groupby("tasks"):
        for column in ("us", "us in a fleet", "TorchJD / skmtl"):
            style = "{:,.1f}" if column.startswith("T") else "{:,.0f}"
            shown[f"T={n_tasks}: {column}"] = [
                "-" if np.isnan(value) else style.format(value) for value in own[column]
            ]
    text = f"""# One call of every gradient method, in microseconds

{markdown(shown)}

Weights from one Gramian, and for each of a fleet of {FLEET} Gramians in one call; graddrop reads
the Jacobian with its {N_PARAMETERS} columns, as do TorchJD's
graddrop and config. Above 1 = skmtl is faster. Medians of {options.rounds} rounds in which all
took turns. The results are not the same: TorchJD's
upgrad and dualproj add 1e-4 to the diagonal, its mgda takes at most 100 steps of Frank and Wolfe,
skmtl solves these exactly. Left out because a call took
more than {options.limit:g} s: {"; ".join(left_out) or "none"}. TorchJD's nash needs
ECOS{"." if present("ecos") else ", which is not installed."}
{settings(options)}
"""
    report(options, "aggregators_call", text, table)


# ---------------------------------------------------------------------- one step
def learning_data(n_tasks: int, n_rows: int, rng: np.random.Generator) -> FleetData:
    """Targets that have a part in common and a part of their own."""
    X = rng.normal(size=(n_rows, N_INPUTS))
    slopes = rng.normal(size=(N_INPUTS, 1)) + rng.normal(size=(N_INPUTS, n_tasks))
    return FleetData(X, np.tanh(X @ slopes / 3) + 0.3 * rng.normal(size=(n_rows, n_tasks)))


def train(
    aggregator: Any,
    data: FleetData,
    n_passes: int,
    seed: int,
    on_epoch: Callable[[int], None] = lambda k: None,
) -> None:
    """Train one network of skmtl."""
    training = Training(batch_size=BATCH, max_iter=n_passes, n_iter_no_change=n_passes + 1)
    member = Member([np.arange(len(data.X))], seed=seed, order_seed=seed, learning_rate=RATE)
    train_fleet(
        Architecture(N_INPUTS, HIDDEN),
        data,
        [member],
        training,
        aggregator=aggregator,
        on_epoch=lambda k, _: bool(on_epoch(k)),
    )


def our_step(name: str, data: FleetData, n_passes: int, n_steps: int, seed: int) -> float:
    """Return seconds per step, from the end of the first epoch to the end of the last."""
    ends: list[float] = []
    train(OURS[name], data, n_passes + 1, seed, lambda k: ends.append(CLOCK.now()))
    return (ends[-1] - ends[0]) / (n_passes * n_steps)


def their_step(name: str, data: FleetData, n_passes: int, n_steps: int, seed: int) -> float:
    x, y = (torch.tensor(part, dtype=torch.float32) for part in (data.X, data.y))
    training = passes(name, HIDDEN, x, y, BATCH, RATE, seed)
    next(training)
    start = CLOCK.now()
    for _ in range(n_passes):
        next(training)
    return (CLOCK.now() - start) / (n_passes * n_steps)


def step_timers(n_tasks: int, options: Any) -> tuple[dict[str, Callable[[], float]], list[str]]:
    """Return timers of the methods whose step is not too slow, and the names of the others."""
    n_steps = 20 if n_tasks <= 40 else 10
    data = learning_data(n_tasks, n_steps * BATCH, np.random.default_rng(options.seed))
    one = FleetData(data.X[:BATCH], data.y[:BATCH])
    timers, slow = {}, []
    for name, step in {
        **dict.fromkeys(OURS, our_step),
        **dict.fromkeys(rivals(), their_step),
    }.items():
        seconds = min(step(name, one, 1, 1, options.seed) for _ in range(2))
        if seconds > options.limit:
            slow.append(f"{name} of {n_tasks} tasks ({seconds:.1f} s)")
        else:
            timers[name] = partial(
                step,
                name,
                data,
                int(np.clip(options.budget / (seconds * n_steps), 1, 20)),
                n_steps,
                options.seed,
            )
    return timers, slow


def verdicts(table: pd.DataFrame) -> str:
    """Say of every target whether it is met."""
    by_name = table.set_index(["method", "tasks"])
    lines = []
    for name, n_tasks, most in TARGETS:
        if (name, n_tasks) in by_name.index:
            value = by_name.loc[(name, n_tasks), "x mean"]
            lines.append(
                f"- {name}, T={n_tasks}: {value:.2f} times the mean step, target {most:g}: "
                f"{'met' if value <= most else 'MISSED'}"
            )
    for name, n_tasks in by_name.index:
        if name.startswith("TorchJD"):
            value = by_name.loc[(name, n_tasks), "x UPGrad"]
            lines.append(
                f"- {name}, T={n_tasks}: takes {value:.2f} times skmtl's UPGrad step, target above "
                f"1: {'met' if value > 1 else 'MISSED'}"
            )
    return "\n".join(lines)


def step_part(options: Any) -> None:
    """Time training steps."""
    lines, left_out = [], []
    for n_tasks in options.tasks:
        timers, slow = step_timers(n_tasks, options)
        left_out += slow
        for name, values in (seconds := in_turn(timers, options.rounds)).items():
            line = {
                "method": name,
                "tasks": n_tasks,
                "ms a step": 1e3 * np.median(values),
                "spread": spread(values, 1e3, 3),
            }
            lines.append(
                {
                    **line,
                    "x mean": ratio(values, seconds.get(MEAN)),
                    "x UPGrad": ratio(values, seconds.get(UPGRAD)),
                }
            )
        print(pd.DataFrame(lines).query("tasks == @n_tasks").to_string(), flush=True)
    table = pd.DataFrame(lines)
    shown = table.drop(columns="ms a step").rename(
        columns={"spread": "ms a step", "x mean": f"times {MEAN}", "x UPGrad": f"times {UPGRAD}"}
    )
    for column in shown.columns[-2:]:
        shown[column] = shown[column].map("{:.2f}".format)
    what = f"{N_INPUTS} inputs, hidden {HIDDEN}, T linear heads, {BATCH} rows"
    text = f"""# One training step: {what}, squared error, Adam, one network, float32

{markdown(shown[["tasks", *shown.columns.drop("tasks")]])}

{verdicts(table)}

Median (lowest..highest) of {options.rounds} rounds in which all took turns, in rotating order;
ratios are medians of the rounds' ratios. Whole passes of 20
steps (10 beyond 40 tasks) with shuffling, without the first pass. Heads are one module per task
unless said otherwise; the rivals' Adam is fused.
Left out because a step took more than {options.limit:g} s: {"; ".join(left_out) or "none"}.
{settings(options)}
"""
    report(options, "aggregators_step", text, table)


# ---------------------------------------------------------------------- where the time goes
# Parts of a step and the functions they stand for, by module; time spent in an inner one does not
# count for the outer one.
PLACES = {
    "forward": ["skmtl.network.stacked_network:StackedNetwork.forward"],
    "derivative of the losses": ["skmtl.network.steps:Step.derivative"],
    "backward": ["skmtl.network.stacked_network:StackedNetwork.backward"],
    "heads, down to the representation": [
        "skmtl.network.stacked_network:StackedNetwork.representation_gradient"
    ],
    "Jacobian of the trunk": ["skmtl.network.stacked_network:StackedNetwork.trunk_jacobian"],
    "Gramian": [
        "skmtl.network.steering:gramian_of",
        "skmtl.network.stacked_network:StackedNetwork.representation_gramian",
    ],
    "Shapley values: eigenvectors": ["numpy.linalg:eigh", "torch.linalg:eigh"],
    "Shapley values: the rest": ["skmtl.aggregation.svfair:shapley_shares"],
    "priorities": ["skmtl.aggregation.svfair:priorities"],
    "Newton: linear systems": ["numpy.linalg:solve", "torch.linalg:cholesky_ex"],
    "Newton: steps, the rest": ["skmtl.aggregation.newton:_relative_step"],
    "Newton: damping": ["skmtl.aggregation.newton:_damped"],
    "Newton: stopping": ["skmtl.aggregation.newton:damped_newton"],
    "Newton: scaling": ["skmtl.aggregation.newton:solve_equation"],
    "quadratic programs": ["skmtl.aggregation.upgrad:nonnegative_minimum"],
    "weights, the rest": [
        "skmtl.aggregation.svfair:SVFair.step",
        "skmtl.aggregation.mgda:MGDA.step",
        "skmtl.aggregation.upgrad:UPGrad.step",
    ],
    "writing the direction": [
        "skmtl.network.stacked_network:StackedNetwork.set_trunk_gradient",
        "skmtl.network.stacked_network:StackedNetwork.scale_head_gradients",
    ],
    "clipping": ["skmtl.network.stacked_network:StackedNetwork.clip_trunk_gradient"],
    "steering: the rest": [
        "skmtl.network.by_gradients:GradientSteering.gradients",
        "skmtl.network.steering:Steering.gradients",
    ],
    "Adam": ["skmtl.network.solvers:Adam.step"],
}
REST = "loop, batches"


class Timer:
    """Seconds and calls by part; a part's clock stands still while an inner one runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inner = [0.0]

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            start = CLOCK.now()
            try:
                return function(*args, **options)
            finally:
                whole = CLOCK.now() - start
                self.seconds[part] += whole - self._inner.pop()
                self.calls[part] += 1
                self._inner[-1] += whole

        return timed

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the functions of all parts, and put them back; absent ones are left out."""
        before: list[tuple[Any, str, Any]] = []
        for part, places in PLACES.items():
            for place in places:
                module, path = place.split(":")
                *outer, name = path.split(".")
                owner = functools.reduce(getattr, outer, importlib.import_module(module))
                if name in vars(owner):
                    before.append((owner, name, vars(owner)[name]))
                    setattr(owner, name, self.around(part, vars(owner)[name]))
                else:
                    print(f"profile: {place} is not there")
        try:
            yield
        finally:
            for owner, name, function in before:
                setattr(owner, name, function)


def profile_part(options: Any) -> None:
    """Show where the time of a step goes."""
    lines: list[dict[str, Any]] = []
    for n_tasks, name in itertools.product(options.tasks, (n for n in OURS if "every" not in n)):
        n_steps, timer, marks = 10, Timer(), []
        data = learning_data(n_tasks, n_steps * BATCH, np.random.default_rng(options.seed))
        seconds = our_step(name, FleetData(data.X[:BATCH], data.y[:BATCH]), 1, 1, options.seed)
        if seconds > options.limit:
            print(f"profile: {name} of {n_tasks} tasks is left out: {seconds:.1f} s a step")
            continue
        n_passes = int(np.clip(2 * options.budget * options.rounds / (seconds * n_steps), 1, 60))

        def note(k: int, timer: Timer = timer, marks: list[Any] = marks) -> None:
            marks.append((CLOCK.now(), dict(timer.seconds), dict(timer.calls)))

        with timer.installed():
            train(OURS[name], data, n_passes + 1, options.seed, note)
        (start, first, first_calls), (end, last, last_calls) = marks[0], marks[-1]
        count, whole = n_passes * n_steps, 1e3 * (end - start) / (n_passes * n_steps)
        parts = {part: 1e3 * (last[part] - first.get(part, 0.0)) / count for part in last}
        parts[REST] = whole - sum(parts.values())
        for part in (*PLACES, REST):
            if parts.get(part, 0.0) > 0:
                calls = (last_calls.get(part, 0) - first_calls.get(part, 0)) / count
                lines.append(
                    {
                        "method": name,
                        "tasks": n_tasks,
                        "part": part,
                        "ms a step": parts[part],
                        "share": parts[part] / whole,
                        "calls a step": calls,
                    }
                )
        lines.append(
            {
                "method": name,
                "tasks": n_tasks,
                "part": "all",
                "ms a step": whole,
                "share": 1.0,
                "calls a step": 1.0,
            }
        )
    table = pd.DataFrame(lines)
    sections = []
    for n_tasks, own in table.groupby("tasks"):
        cells = own.assign(
            cell=[
                f"{ms:.3f} ({share:.0%})"
                for ms, share in zip(own["ms a step"], own["share"], strict=True)
            ]
        )
        wide = cells.pivot(index="part", columns="method", values="cell").reindex(
            [p for p in (*PLACES, REST, "all") if p in set(own["part"])]
        )
        wide = wide[[name for name in OURS if name in wide]].fillna("-").reset_index()
        counts = own[own["part"].str.startswith("Newton: steps")].set_index("method")[
            "calls a step"
        ]
        steps = ", ".join(f"{name} {value:.1f}" for name, value in counts.items())
        sections.append(
            f"## {n_tasks} tasks\n\n{markdown(wide)}\n\nNewton steps a training step: "
            f"{steps or 'none'}."
        )
    body = "\n\n".join(sections)
    text = f"""# Where the time of a step goes, in milliseconds

{body}

The steps of aggregators_step, with a timer around each part; the time of an inner part does not
count for the outer one. The timer itself takes about a
microsecond a call. {settings(options)}
"""
    report(options, "aggregators_profile", text, table)


PARTS = {"call": call_part, "step": step_part, "profile": profile_part}


def main() -> None:
    """Run the parts that are asked for."""
    known = parser(__doc__ or "")
    known.add_argument("--part", choices=(*PARTS, "all"), default="all")
    known.add_argument(
        "--tasks",
        type=int,
        nargs="+",
        default=None,
        help="numbers of tasks; default: 2 10 40 139, or 2 4 with --quick",
    )
    known.add_argument(
        "--rounds", type=int, default=None, help="rounds that count; default: 7, or 1 with --quick"
    )
    known.add_argument("--threads", type=int, default=1, help="torch threads")
    known.add_argument(
        "--limit",
        type=float,
        default=LIMIT,
        help="seconds above which a call or a step is left out",
    )
    known.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: the process's own time, for a machine that others use too",
    )
    known.set_defaults(data_home=".")  # needs no data
    options = parse(known)
    options.tasks = options.tasks or ((2, 4) if options.quick else TASKS)
    options.rounds = options.rounds or (1 if options.quick else 7)
    options.budget = 0.02 if options.quick else 0.4  # seconds that a step is timed for in a round
    torch.set_num_threads(options.threads)
    if options.clock == "cpu":
        CLOCK.now = time.process_time
    torch.manual_seed(options.seed)
    for part in PARTS if options.part == "all" else (options.part,):
        PARTS[part](options)


if __name__ == "__main__":
    main()
