"""Task groups by a semidefinite relaxation of clustering."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform
from sklearn.exceptions import ConvergenceWarning

from skmtl.grouping.search.number_of_groups import best_partition, partition_gain
from skmtl.grouping.search.score import partition_mask
from skmtl.grouping.search.spectral import spectral_groups

CLARABEL_UP_TO = 20


def sdp_groups(
    affinity: NDArray[np.float64], n_groups: int | None, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    r"""Partition the tasks into exactly `n_groups` groups by semidefinite programming.

    For :math:`S = (A + A') / 2` with a diagonal of 0 and k groups, the relaxation is

    .. math::

        \max_X \langle S, X \rangle \quad \text{s.t.} \quad
        X = X' \succeq 0,\ X \ge 0,\ X 1 = 1,\ \operatorname{tr} X = k.

    A partition into clusters c is the matrix :math:`X = \sum_c 1_c 1_c' / |c|`. The solution is
    rounded to such a matrix by :func:`round_solution`. One group and T groups need no solver.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0, scaled to a largest absolute value of 1.
    n_groups : int or None
        Number of groups; None takes the number with the largest total gain (see
        :func:`~skmtl.grouping.search.number_of_groups.best_partition`).
    rng : RandomState
        Used only by spectral clustering, if both solvers fail.

    Returns
    -------
    ndarray of shape (m, T)
        Membership.

    Warns
    -----
    ConvergenceWarning
        If a solver fails or is inaccurate; the warning names the replacement.

    References
    ----------
    .. [1] Li, Sharma and Zhang, "Scalable multitask learning using gradient-based estimation of
       task affinity", KDD 2024.
    """
    n_tasks = len(affinity)

    def partition(number: int) -> NDArray[np.intp]:
        if number in (1, n_tasks):
            return np.arange(n_tasks) % number
        solution = solve_relaxation(affinity, number)
        if solution is None:
            return np.asarray(spectral_groups(affinity, number, rng).argmax(axis=0), dtype=np.intp)
        return round_solution(affinity, solution, number)

    return partition_mask(
        best_partition(affinity, partition, try_all_up_to=12)
        if n_groups is None
        else partition(n_groups)
    )


def solve_relaxation(affinity: NDArray[np.float64], n_groups: int) -> NDArray[np.float64] | None:
    """Return the solution X of the relaxation, (T, T), or warn and return None if there is none.

    Up to 20 tasks, CLARABEL is tried first, and SCS for more (139 tasks take one to three seconds).
    The other solver is the fallback.
    """
    import cvxpy

    cp: Any = cvxpy
    n_tasks = len(affinity)
    similarity = (affinity + affinity.T) / 2
    similarity = similarity / (np.abs(similarity).max() or 1.0)
    X = cp.Variable((n_tasks, n_tasks), PSD=True)
    problem = cp.Problem(
        cp.Maximize(cp.sum(cp.multiply(similarity, X))),
        [X >= 0, cp.sum(X, axis=1) == 1, cp.trace(X) == n_groups],
    )
    attempts = [("CLARABEL", {}), ("SCS", {"eps": 1e-4, "max_iters": 5_000})]
    inaccurate = None
    for solver, options in attempts if n_tasks <= CLARABEL_UP_TO else attempts[::-1]:
        status = _solve(problem, solver, options)
        found = (
            None
            if X.value is None or not np.isfinite(X.value).all()
            else np.asarray((X.value + X.value.T) / 2, dtype=np.float64)
        )
        if found is not None and status == "optimal":
            return found
        if found is not None and status == "optimal_inaccurate":
            inaccurate = (solver, found) if inaccurate is None else inaccurate
        else:
            warnings.warn(
                f"{solver} found no solution of the relaxation for {n_groups} groups ({status}).",
                ConvergenceWarning,
                stacklevel=2,
            )
    if inaccurate is not None:
        warnings.warn(
            f"The solution of the relaxation for {n_groups} groups by {inaccurate[0]} is "
            "inaccurate.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return inaccurate[1]
    warnings.warn(
        f"No solver solved the relaxation for {n_groups} groups: using method='spectral' instead.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return None


def _solve(problem: Any, solver: str, options: dict[str, float]) -> str:
    from cvxpy import SolverError

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        try:
            problem.solve(solver=solver, **options)
        except (SolverError, ArithmeticError) as error:
            return f"{type(error).__name__}: {error}"
    return str(problem.status)


def round_solution(
    affinity: NDArray[np.float64], solution: NDArray[np.float64], n_groups: int
) -> NDArray[np.intp]:
    """Round a solution of the relaxation to labels of exactly `n_groups` groups.

    Single linkage and average linkage on X are both cut into `n_groups` clusters, and the partition
    with the larger total predicted gain is returned. The clusters of single linkage are the
    connected components of {X_ij >= level} for some level; average linkage tolerates a few stray
    links. The published code instead joins all pairs with X_ij > 1/T, which does not control the
    number of groups.

    Parameters
    ----------
    affinity : ndarray of shape (T, T)
        Pairwise gains with a diagonal of 0.
    solution : ndarray of shape (T, T)
        Symmetric X.
    n_groups : int
        Number of groups.

    Returns
    -------
    ndarray of shape (T,)
        Labels.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.5, 0.4, 0.1], [0.4, 0.5, 0.1], [0.1, 0.1, 0.8]])
    >>> round_solution(np.zeros((3, 3)), X, 2)
    array([0, 0, 1])
    """
    distance = solution.max() - solution
    np.fill_diagonal(distance, 0.0)
    condensed = squareform(np.maximum(distance, 0.0), checks=False)
    cuts = [
        cut_tree(linkage(condensed, method=method), n_clusters=n_groups)[:, 0].astype(np.intp)
        for method in ("single", "average")
    ]
    return max(cuts, key=lambda labels: partition_gain(affinity, labels))
