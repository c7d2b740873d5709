"""Three toy problems with two tasks and two parameters (appendix F.1 of the SVFair paper): who
reaches the Pareto front, and where.

    python benchmarks/toy_fronts.py  (writes results/toy_fronts.csv, .md and .png)
    python benchmarks/toy_fronts.py --rate 0.001  (the paper's learning rate, five times as long)
    python benchmarks/toy_fronts.py --quick
        (learning rate 0.025, a few methods; writes nothing unless --out is given)

All starts of all problems are one fleet: every step asks an aggregator once for the weights of all
of them. Adam; the paper has a learning rate of 0.001 and does not print its number of steps. Here
the rate is 0.005, and a method stops when no loss of any start has moved by more than 0.01 within 1
/ rate steps, or after 25 / rate: enough for a parameter to move by 25.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from common import RESULTS, markdown, parse, parser, report, versions
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skmtl.aggregation import MGDA, FairGrad, SVFair, resolve_aggregator
from skmtl.base import Aggregator, Signals

PROBLEMS = ("A", "B", "C")
STARTS = [(-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0)]
PASS = 25  # steps that count as a pass over the data for methods that learn from passes
LOWEST = (
    -21.0
)  # no loss is below; loss weightings see what is above, because most of them need positive losses
ARRIVED, STATIONARY, NEAR, REST = 0.01, 0.001, 0.01, 0.01
QUICK = ("mean", "mgda", "pcgrad", "dwa", "fairgrad", "svfair")
GRADIENT = (
    "mgda",
    "pcgrad",
    "gradvac",
    "graddrop",
    "cagrad",
    "imtlg",
    "nash",
    "fairgrad",
    "svfair",
    "alignedmtl",
    "upgrad",
    "dualproj",
    "config",
)
METHODS = (
    "mean",
    "si",
    "gls",
    "rlw",
    "uw",
    "dwa",
    "famo",
    "gradnorm",
    "stch",
    "minmax",
    "relobralo",
    "igb",
    *GRADIENT,
)
DRAWN = (
    "mean",
    "rlw",
    "uw",
    "dwa",
    "famo",
    "mgda",
    "pcgrad",
    "cagrad",
    "imtlg",
    "nash",
    "fairgrad",
    "svfair",
)

NOTE = """Losses are divided by their range on the front (A: 1.96 and 19.6, C: 19.6 both, B:
{ranges_b}). "distance": median (largest) distance of the last point from the front, over {starts}
starts: the five of the paper and {random} drawn from [-10, 10]^2. "arrived": share with a distance
below {arrived}. "stationarity", for B: median (largest) length of the shortest average of the two
raw gradients; "stationary": share below {stationary}. "from..to (sd)": where on the front the
starts end that arrive, 0 = best for task 1, 1 = best for task 2. "paper's starts": the same for the
five starts in the paper's order, - where not arrived. Runs ended after {steps} steps, or where
"steps" is less because nothing moved any more.

Problems, as in the programs that the paper builds on: A multiplies all of L1 by 0.1 (the paper
prints it on the first term only), and g2 has + tanh(-theta2). With the printed minus, the argument
of its logarithm at the start (9, 9) is {singular:.0e}, below the clip of 5e-6, and the gradient of
L2 is ({stuck}): as good as none. The front of A and C is theta1 in [-7, 7], theta2 within
{theta_low:.3f}..{theta_high:.3f}. B has no attained front: both losses fall for ever as theta2
falls; "distance" is from the limit, theta1 in [-7.09, 5.64], and stationarity mainly says how far
down a method got: raw gradients fade like exp(theta2), which slows Adam down, while directions of a
fixed length keep their pace.

The paper claims that SVFair with tau from 0.1 to 50 traces out the whole front of all three
problems, without bias to any task, while FairGrad depends on the start and methods such as MGDA and
Nash-MTL stop where they first meet the front. With two tasks, however, both have the same Shapley
value: over all Gramians on SVFair's way here, its weights at tau 0.1, 1 and 50 and those of
FairGrad(2), each divided by their sum, differ by at most {tau_difference:.0e}. No front can be
traced by tau; what is seen of it comes from the starts, for FairGrad as for SVFair. Their paths,
the same equation up to the constant in front of the clip, are at most {apart_before:.3f} apart in
theta until a start is near the front (shortest average below {near_front}) and up to
{apart_end:.1f} at the end: on the front the equation has no solution, the clipped step stays long
and rounding decides. {seen} Adam has learning rate {rate} and its usual (0.9, 0.999). Loss
weightings see the losses above their lower bound (-21, in A -2.1 for task 1); a pass is {passes}
steps. Methods have their defaults; Nash-MTL, FairGrad and SVFair clip the direction to length 1 as
they do in a network, FairGrad and SVFair after multiplying it by the number of tasks. PIVRG without
validation scores is FairGrad(2)."""

SEEN = """
Seen with seed 0 and a rate of 0.005: FairGrad, SVFair, Nash-MTL, IMTL-G and GradNorm bring all
starts to the front of all three problems, MGDA of B and C, Aligned-MTL of C. Those methods leave no
start above theta2 = 0. All others leave 2 to 5 of ten there, near the logarithms' valleys (MinMax
in C none), the mean 4 in all three, PCGrad (= UPGrad with two tasks) 2 or 3, ConFIG 3, CAGrad 4. Of
B, the mean, SI, GLS, DWA, RLW, ReLoBRaLo and MinMax take all that arrive to almost one point. That
FairGrad goes on along the front is seen, for SVFair as well. That MGDA and Nash-MTL cover less of
the front is not: the places where starts end have a standard deviation of 0.37, 0.30, 0.29 (A, B,
C) for MGDA, 0.28, 0.30, 0.28 for Nash-MTL, 0.34, 0.35, 0.28 for FairGrad, 0.34, 0.34, 0.29 for
SVFair. Nor is a balance that SVFair has and FairGrad lacks: from the paper's starts they end within
0.01 of each other, but for (0, 0) in C, where symmetry keeps FairGrad at 0.50 and SVFair's end is
rounding: 0.26, and with another solver of the same equation 0.70.
"""


# ---------------------------------------------------------------------- an aggregator outside an
# estimator
class Direction:
    """Weights of a fleet's task losses from step to step, by any kind of aggregator: what a
    training loop has to do for it.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        n_members: int,
        n_tasks: int,
        seed: int,
        pass_steps: int = PASS,
    ) -> None:
        self.aggregator, self.pass_steps = aggregator, pass_steps
        self.state = aggregator.init(n_members, n_tasks)
        self.generator = torch.Generator().manual_seed(seed)
        self.seen: list[Tensor] = []

    def __call__(self, losses: Tensor, gramian: Tensor, jacobian: Tensor) -> Tensor:
        """Return the gradient of the step, (E, P), from losses (E, T), Gramian (E, T, T), both
        float64, and Jacobian (E, T, P).
        """
        self.losses = losses
        norms = gramian.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
        known = Signals(
            generators=self.generator,
            losses=losses,
            gramian=gramian,
            jacobian=jacobian,
            gradient_norms=norms,
            scores=torch.zeros_like(losses),
        )
        result, self.state = self.aggregator.step(known, self.state)
        if self.aggregator.kind == "direction":
            return result
        direction = self._weighted(result, jacobian)
        if self.aggregator.kind == "loss_weights":
            return direction
        return self._clipped(direction, jacobian.shape[1])

    @property
    def looks_back(self) -> bool:
        """Whether it wants the losses after the step."""
        return type(self.aggregator).after_step is not Aggregator.after_step

    def learn(self, losses_after: Tensor | None = None) -> None:
        """Tell the aggregator what is known after the step, and at the end of an epoch."""
        if losses_after is not None:
            known = Signals(losses=self.losses, losses_after=losses_after)
            self.state = self.aggregator.after_step(known, self.state)
        self.seen.append(self.losses)
        if len(self.seen) == self.pass_steps:
            known = Signals(losses=torch.stack(self.seen).mean(0))
            self.state = self.aggregator.end_epoch(known, self.state)
            self.seen = []

    @staticmethod
    def _weighted(weights: Tensor, jacobian: Tensor) -> Tensor:
        return (weights.to(jacobian)[:, None, :] @ jacobian)[:, 0, :]

    def _clipped(self, direction: Tensor, n_tasks: int) -> Tensor:
        use = self.aggregator.trunk_step
        direction = direction * float(n_tasks if use.times_tasks else 1)
        if use.max_norm is None:
            return direction
        length = direction.norm(dim=1, keepdim=True)
        return direction * (use.max_norm / length.clamp(min=use.max_norm))


# ---------------------------------------------------------------------- problems
def task_losses(copies: Tensor, problem: Tensor, sign: float = 1.0) -> Tensor:
    """Return both losses, (2, M), each of its own copy of the points, (2, M, 2), for problems 0, 1,
    2 = A, B, C, (M,); sign: of tanh in g2.
    """
    first, second = copies.unbind(-1)
    shift, slope, constant = (
        torch.tensor(pair, dtype=copies.dtype)[:, None]
        for pair in ((-7.0, 3.0), (-1.0, sign), (0.0, 2.0))
    )
    g = (0.5 * (shift - first) + slope * torch.tanh(-second) + constant).abs().clamp(
        min=5e-6
    ).log() + 6
    centre = torch.tensor([7.0, -7.0], dtype=copies.dtype)[:, None]
    h = (
        (centre - first) ** 2 + 0.1 * (torch.where(problem == 1, first, second) + 8) ** 2
    ) / 10 - 20
    upper, lower = torch.tanh(0.5 * second).clamp(min=0), torch.tanh(-0.5 * second).clamp(min=0)
    tenth = torch.tensor([0.1, 1.0], dtype=copies.dtype)[:, None]
    losses = torch.where(problem == 1, tenth, 1.0) * upper * g + lower * h
    return torch.where(problem == 0, tenth, 1.0) * losses


def losses_and_jacobian(points: Tensor, problem: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses (M, 2) and task gradients (M, 2, 2)."""
    copies = points.detach().expand(2, *points.shape).clone().requires_grad_()
    losses = task_losses(copies, problem)
    return losses.detach().T, torch.autograd.grad(losses.sum(), copies)[0].transpose(0, 1)


def bounds(problem: Tensor) -> Tensor:
    """Return a lower bound of the losses, (M, 2)."""
    return torch.stack(
        [torch.where(problem == 0, 0.1 * LOWEST, LOWEST), torch.full(problem.shape, LOWEST)], 1
    ).double()


def front(problem: int, n: int = 4001) -> tuple[Tensor, Tensor]:
    """Return the points of the front, from the best for task 1 to the best for task 2, and their
    losses: for B those of the limit.
    """
    first = (
        torch.linspace(7, -7, n, dtype=torch.float64)
        if problem != 1
        else torch.linspace(12.4 / 2.2, -15.6 / 2.2, n, dtype=torch.float64)
    )
    kind = torch.full((n,), problem)
    low, high = torch.full_like(first, -9.5), torch.full_like(first, -7.0)
    if problem == 1:
        low = high = torch.full_like(first, -40.0)
    for _ in range(
        60 if problem != 1 else 0
    ):  # bisection: total over both tasks of d loss / d theta2, weighted so that theta1 is at rest
        middle = (low + high) / 2
        jacobian = losses_and_jacobian(torch.stack([first, middle], 1), kind)[1]
        down = (jacobian[:, :, 1] * jacobian[:, :, 0].abs().flip(1)).sum(1) > 0
        high, low = torch.where(down, middle, high), torch.where(down, low, middle)
    points = torch.stack([first, (low + high) / 2], 1)
    return points, losses_and_jacobian(points, kind)[0]


# ---------------------------------------------------------------------- runs
def descend(
    names: Sequence[str], starts: Tensor, problem: Tensor, rate: float, steps: int, seed: int
) -> Iterator[dict[str, Tensor]]:
    """Yield the points of every method every 0.1 / rate steps, (S, M, 2), now and then and at the
    end. Methods share only the evaluation of the losses.
    """
    points = {name: starts.clone().requires_grad_() for name in names}
    optimizer = torch.optim.Adam(list(points.values()), lr=rate)
    steer = {name: Direction(resolve_aggregator(name), len(starts), 2, seed) for name in names}
    paths: dict[str, list[Tensor]] = {name: [] for name in names}
    calm: dict[str, Tensor] = {}
    floor, window, moving = bounds(problem), round(1 / rate), list(names)
    record = max(1, window // 10)
    for step in range(steps + 1):
        every = losses_and_jacobian(
            torch.cat([points[name].detach() for name in moving]), problem.repeat(len(moving))
        )
        state = dict(
            zip(
                moving,
                zip(*(values.split(len(starts)) for values in every), strict=True),
                strict=True,
            )
        )
        if step % record == 0:
            for name in moving:
                paths[name].append(points[name].detach().clone())
        if step % window == 0:
            for name, (losses, _) in state.items():
                if name in calm and float((losses - calm[name]).abs().max()) < REST:
                    moving.remove(name)
                    points[name].grad = None  # which Adam passes over
                calm[name] = losses
            if step % (5 * window) == 0 or not moving or step == steps:
                yield {name: torch.stack(path) for name, path in paths.items()}
            if not moving:
                return
        for name in moving:
            losses, jacobian = state[name]
            points[name].grad = steer[name](
                (losses - floor).clamp(min=0), jacobian @ jacobian.mT, jacobian
            )
        optimizer.step()
        for name in moving:
            after = (
                (losses_and_jacobian(points[name], problem)[0] - floor).clamp(min=0)
                if steer[name].looks_back
                else None
            )
            steer[name].learn(after)


def tau_difference(path: Tensor, problem: Tensor) -> float:
    """Return the largest difference between weights of SVFair at three temperatures and
    FairGrad(2), as shares.
    """
    jacobian = torch.cat([losses_and_jacobian(points, problem)[1] for points in path[::2]])
    gramian = jacobian @ jacobian.mT
    away = (
        MGDA().aggregate(jacobian).norm(dim=1) > STATIONARY
    )  # at rest there is no solution, only what a solver ends with
    shares = [
        m.weights(gramian[away])
        for m in (FairGrad(2.0), SVFair(tau=0.1), SVFair(tau=1.0), SVFair(tau=50.0))
    ]
    return max(
        float(
            (w / w.sum(-1, keepdim=True) - shares[0] / shares[0].sum(-1, keepdim=True)).abs().max()
        )
        for w in shares[1:]
    )


def apart(first: Tensor, second: Tensor, problem: Tensor) -> tuple[float, float]:
    """Return the largest distance between two methods' paths until the second is near the front,
    and that at the end.
    """
    n = min(len(first), len(second))
    distance = (first[:n] - second[:n]).norm(dim=-1)
    lengths = [
        MGDA().aggregate(losses_and_jacobian(points, problem)[1]).norm(dim=1)
        for points in second[:n]
    ]
    return float(distance[torch.stack(lengths).cummin(0).values > NEAR].max()), float(
        distance[-1].max()
    )


def measure(name: str, path: Tensor, problem: Tensor, rate: float) -> list[dict[str, Any]]:
    """One line for every problem."""
    lines = []
    for index, letter in enumerate(PROBLEMS):
        own = problem == index
        losses, jacobian = losses_and_jacobian(path[-1, own], problem[own])
        reached = front(index)[1]
        span = reached.amax(0) - reached.amin(0)
        nearest = torch.cdist(losses / span, reached / span).min(1)
        distance, place = nearest.values.numpy(), nearest.indices.numpy() / (len(reached) - 1)
        rest = MGDA().aggregate(jacobian).norm(dim=1).numpy()
        near = place[distance < ARRIVED]
        lines.append(
            {
                "method": name,
                "problem": letter,
                "distance": f"{np.median(distance):.4f} ({distance.max():.2f})",
                "arrived": f"{(distance < ARRIVED).mean():.0%}",
                "stationarity": f"{np.median(rest):.0e} ({rest.max():.0e})",
                "stationary": f"{(rest < STATIONARY).mean():.0%}",
                "from..to (sd)": f"{near.min():.2f}..{near.max():.2f} ({near.std():.2f})"
                if len(near)
                else "-",
                "paper's starts": " ".join(
                    f"{p:.2f}" if d < ARRIVED else "-"
                    for p, d in zip(place[:5], distance[:5], strict=True)
                ),
                "steps": max(1, round(1 / rate) // 10) * (len(path) - 1),
            }
        )
    return lines


def draw(paths: dict[str, Tensor], problem: Tensor, file: Any) -> None:
    """Draw paths of the paper's starts in the space of the losses, a row a problem, a column a
    method.
    """
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    names = [name for name in DRAWN if name in paths]
    figure = Figure(figsize=(1.75 * len(names), 5.6), layout="constrained")
    axes = figure.subplots(len(PROBLEMS), len(names), sharex="row", sharey="row", squeeze=False)
    for row, letter in enumerate(PROBLEMS):
        edge, own = front(row)[1], torch.nonzero(problem == row)[:5, 0]
        for axis, name in zip(axes[row], names, strict=True):
            axis.plot(*edge.T, color="0.7", linewidth=5, solid_capstyle="round", zorder=1)
            for member in own:
                losses = losses_and_jacobian(
                    paths[name][:, member], problem[member].expand(len(paths[name]))
                )[0]
                axis.plot(*losses.T, linewidth=1.1, zorder=2)
                axis.plot(*losses[0], "o", color="black", markersize=2.5, zorder=3)
                axis.plot(
                    *losses[-1], "*", color="crimson", markersize=7, markeredgewidth=0, zorder=4
                )
            axis.tick_params(labelsize=7)
            if row == 0:
                axis.set_title(name, fontsize=10)
        axes[row, 0].set_ylabel(f"{letter}: loss 2", fontsize=9)
    figure.supxlabel(
        "loss 1 (grey: front, for B its limit; black: start; red: last point)", fontsize=9
    )
    figure.savefig(file, dpi=85)


def main() -> None:
    """Run all methods on all problems."""
    known = parser(__doc__ or "")
    known.add_argument("--random-starts", type=int, default=5)
    known.add_argument("--rate", type=float, default=0.005)
    known.set_defaults(data_home=".")  # needs no data
    options = parse(known)
    torch.set_num_threads(1)
    warnings.simplefilter(
        "ignore", ConvergenceWarning
    )  # on the front the tasks oppose each other, and a bargain has no solution
    rate, names = (0.1, QUICK) if options.quick else (options.rate, METHODS)
    steps = round(25 / rate)
    extra = np.random.default_rng(options.seed).uniform(-10, 10, (options.random_starts, 2))
    each = torch.tensor(np.concatenate([STARTS, extra]))
    starts, problem = each.repeat(3, 1), torch.arange(3).repeat_interleave(len(each))
    out = options.out or (None if options.quick else RESULTS)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for paths in descend(names, starts, problem, rate, steps, options.seed):
        table = pd.DataFrame(
            [line for name, path in paths.items() for line in measure(name, path, problem, rate)]
        )
        print(f"step {table['steps'].max()}", flush=True)
        if out is not None:
            table.to_csv(out / "toy_fronts.csv", index=False)
    corner = (
        torch.tensor([[9.0, 9.0]], dtype=torch.float64).expand(2, 1, 2).clone().requires_grad_()
    )
    stuck = torch.autograd.grad(task_losses(corner, torch.tensor([2]), sign=-1.0)[1].sum(), corner)[
        0
    ][1, 0]
    limits, edge = front(1)[1], front(2)[0]
    before, at_end = apart(paths["fairgrad"], paths["svfair"], problem)
    note = NOTE.format(
        apart_before=before,
        apart_end=at_end,
        near_front=NEAR,
        seen="" if options.quick else SEEN,
        ranges_b=" and ".join(f"{value:.1f}" for value in limits.amax(0) - limits.amin(0)),
        starts=len(each),
        random=len(extra),
        arrived=ARRIVED,
        stationary=STATIONARY,
        singular=abs(0.5 * (-9 + 3) - np.tanh(-9) + 2),
        stuck=", ".join(f"{value:.0e}" for value in stuck.tolist()),
        theta_low=float(edge[:, 1].min()),
        theta_high=float(edge[:, 1].max()),
        tau_difference=tau_difference(paths["svfair"], problem),
        rate=rate,
        steps=steps,
        passes=PASS,
    )
    parts = []
    for letter in PROBLEMS:
        own = table[table["problem"] == letter].drop(
            columns=["problem"] if letter == "B" else ["problem", "stationarity", "stationary"]
        )
        parts.append(f"## Problem {letter}\n\n{markdown(own)}\n")
    shown = "" if out is None else "![Paths](toy_fronts.png)\n\n"
    text = (
        f"# Toy problems with two tasks\n\n{chr(10).join(parts)}\n{shown}{note}\n\nSeed "
        f"{options.seed}. {versions(np, torch)}.\n"
    )
    report(options, "toy_fronts", text, table)
    if out is not None:
        draw(paths, problem, out / "toy_fronts.png")


if __name__ == "__main__":
    main()
