"""Shapley values of tasks in the conflict measures VolDet and VolDetPro."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from numbers import Integral

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from skmtl.aggregation.given import checked_gramian
from skmtl.aggregation.voldet import normalized, opposition, result_dtype

UTILITIES = ("voldet", "voldetpro")
METHODS = ("auto", "exact", "enumerate", "permutation")
FEW_TASKS = 12  # largest number of tasks for which "auto" enumerates subsets
MOST_TASKS = 16  # largest number of tasks for which 2 ** T subsets are enumerated at all
CHUNK = 2**21  # entries of the largest intermediate tensor


def shapley_values(
    gramian: Tensor,
    utility: str = "voldet",
    *,
    method: str = "auto",
    n_permutations: int = 1000,
    random_state: int | np.random.RandomState | torch.Generator | None = None,
) -> Tensor:
    r"""Shapley value of each task in the conflict between the task gradients.

    This is the average over all orders of the tasks of how much a task adds to the conflict of the
    tasks before it,

    .. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|! (T - |S| - 1)!}{T!}
        \bigl(v(S \cup \{i\}) - v(S)\bigr), \qquad v(\emptyset) = 0.

    Parameters
    ----------
    gramian : Tensor of shape (..., T, T)
        Inner products of the task gradients, not normalized; leading axes are networks.
    utility : {"voldet", "voldetpro"}, default="voldet"
        Measure of conflict v, see :func:`voldet` and :func:`voldetpro`.
    method : {"auto", "exact", "enumerate", "permutation"}, default="auto"
        - "exact": the closed form of the notes, O(T^3), for VolDet and for all of VolDetPro except
          its square root, which is enumerated over the subsets of at most 16 tasks;
        - "enumerate": the determinants of all 2^T subsets of at most 16 tasks, for comparison;
        - "permutation": the mean of v(S + i) - v(S) over random orders. The contribution of the
          first task of an order is computed exactly, and only the square root of VolDetPro is
          sampled;
        - "auto": "exact", but "permutation" for VolDetPro with more than 12 tasks.
    n_permutations : int, default=1000
        Number of random orders if the method samples. Every order is followed by its reverse
        (antithetic pairs), which together are exact for any measure that is a sum over pairs of
        tasks. All networks use the same orders. A larger number reduces the sampling error.
    random_state : int, RandomState, torch.Generator or None, default=None
        Seed or source of the orders; None draws a new seed from the operating system.

    Returns
    -------
    Tensor of shape (..., T)
        Shapley values, which sum to v of all tasks with every method. A task whose gradient is zero
        has the value 0, and the others have the values that they would have without it.

    Raises
    ------
    ValueError
        If the Gramian is not a matrix of inner products, a parameter is not one of its values, or
        there are too many tasks to enumerate.

    See Also
    --------
    SVFair : Aggregator whose priorities are a softmax of these values.

    Notes
    -----
    The closed form was derived for this library. The multilinear extension [2]_ of VolDet, the
    expected determinant if every task joins with probability t, is :math:`\det((1 - t) I + t M)`.
    With :math:`M = V \operatorname{diag}(\lambda) V^\top`, Owen's integral of its derivative is

    .. math:: \phi_i = \frac1T + \int_0^1 \sum_k V_{ik}^2 (\lambda_k - 1)
        \prod_{j \ne k} (1 - t + t \lambda_j) \, dt.

    The integrand is a polynomial of degree T - 1 whose factors are all in [0, T]. Gauss-Legendre
    quadrature with ceil(T / 2) nodes is therefore exact, and no division by a determinant loses
    digits for parallel or opposite gradients. The term 1/T accounts for :math:`v(\emptyset) = 0`;
    the determinant of an empty matrix would be 1. The paper [1]_ evaluates 2^T determinants, or T
    for each of 1,000 permutations. Because of :math:`v(\emptyset) = 0`, nearly all the error of
    that estimate comes from which task is first.

    VolDetPro adds the sum of the negative cosines in S. This is a sum over pairs, half of which
    goes to either task of a pair; only the square root of the number of negative pairs has no
    closed form.

    Appendix C of [1]_ prints 0.03125 for its example of four tasks. The determinant of its matrix
    is 1/16, not 1/8, and the values are 1/64.

    References
    ----------
    .. [1] Wang et al., "From gradient volume to Shapley fairness", ICLR 2026, equation (2) and
       algorithm 3.
    .. [2] Owen, "Multilinear extensions of games", Management Science 18(5), 1972.

    Examples
    --------
    Two tasks have similar gradients; the third one, which is orthogonal to both, adds most:

    >>> import torch
    >>> from skmtl.aggregation import shapley_values
    >>> gramian = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> shapley_values(gramian)
    tensor([0.0133, 0.0133, 0.3333])
    """
    matrix = checked_gramian(gramian, "shapley_values")
    _check_choices(matrix.shape[-1], utility, method, n_permutations)
    return shapley_shares(
        matrix, utility, method=method, n_permutations=n_permutations, random_state=random_state
    )


def shapley_shares(
    gramian: Tensor,
    utility: str = "voldet",
    *,
    method: str = "auto",
    n_permutations: int = 1000,
    random_state: int | np.random.RandomState | torch.Generator | None = None,
) -> Tensor:
    """Do what `shapley_values` does, without checks; NaN for a Gramian that is not finite."""
    cosines, present = normalized(gramian)
    n_tasks = cosines.shape[-1]
    finite = cosines.isfinite().all(-1).all(-1)[..., None]
    eye = torch.eye(n_tasks, dtype=cosines.dtype, device=cosines.device)
    cosines = torch.where(finite[..., None], cosines, eye)
    if method == "auto":
        method = "permutation" if utility == "voldetpro" and n_tasks > FEW_TASKS else "exact"
    if method == "enumerate":
        shares = _enumerated_volume(cosines, present)
    elif method == "permutation" and utility == "voldet":
        shares = _sampled(
            _prefix_volumes, cosines, present, n_permutations, random_state, empty=1.0
        ) + _share_of_the_first(present)
    else:
        shares = torch.as_tensor(
            volume_shares(cosines.cpu().numpy(), present.cpu().numpy()), device=cosines.device
        )
    if utility == "voldetpro":
        opposed = opposition(cosines)
        shares = shares + opposed.sum(-1) / 2
        if method == "permutation":
            shares = shares + _sampled(
                _prefix_coverage, opposed, present, n_permutations, random_state
            )
        else:
            shares = shares + _enumerated_coverage(opposed, present)
    shares = torch.where(present, shares, 0.0)
    return torch.where(finite, shares, torch.nan).to(result_dtype(gramian))


def _check_choices(n_tasks: int, utility: str, method: str, n_permutations: int) -> None:
    if utility not in UTILITIES:
        raise ValueError(f"utility must be one of {UTILITIES}. Got {utility!r}.")
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}. Got {method!r}.")
    if not isinstance(n_permutations, Integral) or n_permutations < 1:
        raise ValueError(
            f"n_permutations must be a whole number of at least 1. Got {n_permutations!r}."
        )
    if n_tasks > MOST_TASKS and (
        method == "enumerate" or (method == "exact" and utility == "voldetpro")
    ):
        instead = "'exact' or 'auto'" if utility == "voldet" else "'permutation' or 'auto'"
        raise ValueError(
            f"method={method!r} with utility={utility!r} evaluates 2 ** {n_tasks} subsets of "
            f"tasks; at most {MOST_TASKS} tasks are supported. Use method={instead}."
        )


# ---------------------------------------------------------------------- volume, in closed form
def volume_shares(cosines: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Shapley values of VolDet: Owen's integral plus 1 / T for the empty set.

    Takes finite cosines, (..., T, T), and which tasks have a gradient, (..., T).
    """
    eigenvalues, vectors = np.linalg.eigh(cosines)
    eigenvalues = np.maximum(eigenvalues, 0)
    nodes, weights = _gauss_legendre(-(-cosines.shape[-1] // 2))
    factors = 1 + nodes[:, None] * (eigenvalues[..., None, :] - 1)
    others = factors.prod(-1, keepdims=True) / factors  # no factor is 0, as all nodes are below 1
    integral = (weights @ others) * (eigenvalues - 1)
    n_present = np.maximum(present.sum(-1, keepdims=True), 1)
    shares: NDArray[np.float64] = (vectors**2 @ integral[..., None])[..., 0] + 1 / n_present
    return shares


def _share_of_the_first(present: Tensor) -> Tensor:
    """Return the correction of every task for v(empty set) = 0, where the determinant is 1."""
    return 1 / present.sum(-1, keepdim=True).clamp(min=1).double()


@lru_cache(maxsize=16)
def _gauss_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss-Legendre quadrature on the interval from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


# ---------------------------------------------------------------------- all subsets
def _enumerated_volume(cosines: Tensor, present: Tensor) -> Tensor:
    n_tasks = cosines.shape[-1]
    members, weights = _subsets(n_tasks, cosines.device)
    identity = torch.eye(n_tasks, dtype=cosines.dtype, device=cosines.device)
    chunks = []
    for part in torch.split(members, _chunk(cosines)):
        inside = part.unsqueeze(-1) * part.unsqueeze(-2)
        blocks = torch.where(inside > 0, cosines.unsqueeze(-3), identity)
        volumes = torch.linalg.det(blocks).clamp(min=0)
        chunks.append(volumes * (present.double() @ part.T > 0))
    return torch.cat(chunks, -1) @ weights


def _enumerated_coverage(opposed: Tensor, present: Tensor) -> Tensor:
    """Return Shapley values of sqrt(number of negative pairs) / size * sum of negative cosines."""
    members, weights = _subsets(opposed.shape[-1], opposed.device)
    sums, counts = _subset_sums(opposed, members), _subset_sums((opposed > 0).double(), members)
    sizes = (present.double() @ members.T).clamp(min=1)
    return (counts.sqrt() * sums / sizes) @ weights


def _subset_sums(pairs: Tensor, members: Tensor) -> Tensor:
    """Return the sum over the pairs i < j in S, for all S, (..., 2 ** T)."""
    sums = pairs.new_zeros(*pairs.shape[:-2], 1)
    for task in range(pairs.shape[-1]):
        joined = pairs[..., task, :task] @ members[: 2**task, :task].T
        sums = torch.cat([sums, sums + joined], -1)
    return sums


@lru_cache(maxsize=8)
def _subsets(n_tasks: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which tasks are in each subset S, and the factors of v(S), both (2 ** T, T).

    Row k is the subset whose tasks are the bits of k. The factors are those with which v(S) enters
    the Shapley value of each task.
    """
    members = (np.arange(2**n_tasks)[:, None] >> np.arange(n_tasks)) & 1
    size = members.sum(1, keepdims=True)
    by_size = [math.factorial(k) * math.factorial(n_tasks - k) for k in range(n_tasks + 1)]
    orders = np.array(by_size, dtype=float)[size] / math.factorial(n_tasks)
    inside, outside = 1 / np.maximum(size, 1), -1 / np.maximum(n_tasks - size, 1)
    weights = torch.as_tensor(orders * np.where(members, inside, outside), device=device)
    return torch.as_tensor(members, dtype=torch.float64, device=device), weights


def _chunk(matrices: Tensor) -> int:
    """Return the number of subsets or orders that are evaluated at once."""
    return max(1, CHUNK // max(1, matrices.numel()))


# ---------------------------------------------------------------------- random orders
def _sampled(
    utilities: Callable[[Tensor, Tensor, Tensor], Tensor],
    pairs: Tensor,
    present: Tensor,
    n_permutations: int,
    random_state: int | np.random.RandomState | torch.Generator | None,
    empty: float = 0.0,
) -> Tensor:
    """Return the mean contribution of every task to a utility, over random orders of the tasks.

    Orders come in antithetic pairs; the empty set has the utility `empty`.
    """
    orders = _orders(n_permutations, pairs.shape[-1], _generator(random_state)).to(pairs.device)
    total = torch.zeros_like(pairs[..., 0])
    for part in torch.split(orders, _chunk(pairs)):
        first = pairs.new_tensor(empty).expand(*pairs.shape[:-2], len(part), 1)
        added = utilities(pairs, present, part).diff(dim=-1, prepend=first)
        total = total + added.gather(-1, part.argsort(-1).expand_as(added)).sum(-2)
    return total / n_permutations


def _orders(n: int, n_tasks: int, generator: torch.Generator) -> Tensor:
    """Return n orders of the tasks, (n, T); the second half are the reverses of the first."""
    numbers = torch.rand(-(-n // 2), n_tasks, generator=generator, device=generator.device)
    drawn = numbers.argsort(-1)
    return torch.cat([drawn, drawn.flip(-1)])[:n]


def _generator(
    random_state: int | np.random.RandomState | torch.Generator | None,
) -> torch.Generator:
    if isinstance(random_state, torch.Generator):
        return random_state
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
        return generator
    return generator.manual_seed(int(check_random_state(random_state).randint(2**31)))


def _prefix_volumes(cosines: Tensor, present: Tensor, orders: Tensor) -> Tensor:
    """Return the determinants of the first k tasks of every order, (..., n, T).

    They are products of the squared diagonal of the Cholesky factor.
    """
    ordered = cosines[..., orders.unsqueeze(-1), orders.unsqueeze(-2)]
    factor, first_singular = torch.linalg.cholesky_ex(ordered)
    volumes = factor.diagonal(dim1=-2, dim2=-1).square().cumprod(-1)
    position = torch.arange(1, orders.shape[-1] + 1, device=orders.device)
    reached = (first_singular.unsqueeze(-1) == 0) | (position < first_singular.unsqueeze(-1))
    return torch.where(reached, volumes, 0.0)


def _prefix_coverage(opposed: Tensor, present: Tensor, orders: Tensor) -> Tensor:
    """Return sqrt(number of negative pairs) / k * sum of negative cosines, (..., n, T).

    Pairs are those among the first k tasks of every order.
    """
    place = orders.argsort(-1)
    before = (place.unsqueeze(-1) > place.unsqueeze(-2)).to(opposed.dtype)  # (n, T, T)
    both = torch.stack([opposed, (opposed > 0).to(opposed.dtype)])
    joined = torch.einsum("nij,...ij->...ni", before, both)
    sums, counts = joined.gather(-1, orders.expand_as(joined)).cumsum(-1)
    return counts.sqrt() * sums / present[..., orders].cumsum(-1).clamp(min=1)
