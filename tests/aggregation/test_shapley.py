import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from skmtl.aggregation import shapley
from skmtl.aggregation.shapley import shapley_values
from skmtl.aggregation.voldet import voldet, voldetpro

UTILITIES = ["voldet", "voldetpro"]
TOTAL = {"voldet": voldet, "voldetpro": voldetpro}
GAMES = [
    ("voldet", "exact"),
    ("voldet", "enumerate"),
    ("voldet", "permutation"),
    ("voldetpro", "exact"),
    ("voldetpro", "enumerate"),
    ("voldetpro", "permutation"),
]
KINDS = ["random", "shared", "rank_one", "duplicates", "opposite", "near_singular", "low_rank"]


def gradients(rng, kind, n_tasks):
    """Task gradients (T, P) with norms over four decades."""
    rows = rng.normal(size=(n_tasks, n_tasks + 2))
    if kind == "shared":
        rows += rng.normal(size=n_tasks + 2)
    elif kind == "rank_one":
        rows = rng.choice([-1.0, 1.0], size=(n_tasks, 1)) * rows[0]
    elif kind == "duplicates":
        rows = rows[rng.integers(max(1, n_tasks // 2), size=n_tasks)]
    elif kind == "opposite":
        rows[1::2] = -rows[: 2 * (n_tasks // 2) : 2]
    elif kind == "near_singular":
        rows = rows[0] + 1e-7 * rows
    elif kind == "low_rank":
        rows = rng.normal(size=(n_tasks, max(1, n_tasks // 3))) @ rows[: max(1, n_tasks // 3)]
    return rows * 10.0 ** rng.uniform(-2, 2, size=(n_tasks, 1))


def gramian(rng, kind, n_tasks):
    rows = gradients(rng, kind, n_tasks)
    return torch.tensor(rows @ rows.T)


def by_definition(gramian, utility):
    """Equation (2) with equations (5) and (6), subset by subset."""
    matrix = np.asarray(gramian)
    norms = np.sqrt(np.diag(matrix))
    cosines, n = matrix / np.outer(norms, norms), len(matrix)
    values = {}
    for size in range(n + 1):
        for subset in itertools.combinations(range(n), size):
            part = cosines[np.ix_(subset, subset)]
            negative = [c for c in part[np.triu_indices(size, 1)] if c < 0]
            charge = (math.sqrt(len(negative)) + size) / size * abs(sum(negative)) if size else 0.0
            values[frozenset(subset)] = (np.linalg.det(part) if size else 0.0) + (
                charge if utility == "voldetpro" else 0.0
            )
    factor = [math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)]
    shares = [
        math.fsum(factor[len(s)] * (values[s | {i}] - v) for s, v in values.items() if i not in s)
        for i in range(n)
    ]
    return torch.tensor(shares, dtype=torch.float64)


def close(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


# ---------------------------------------------------------------------- exactness
@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4, 7])
def test_exact_and_enumerated_values_are_those_of_the_definition(rng, utility, kind, n_tasks):
    matrix = gramian(rng, kind, n_tasks)
    expected = by_definition(matrix, utility)
    close(shapley_values(matrix, utility, method="exact"), expected)
    close(shapley_values(matrix, utility, method="enumerate"), expected)


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_exact_values_of_twelve_tasks_are_those_of_enumeration(rng, utility, kind):
    matrix = gramian(rng, kind, 12)
    close(
        shapley_values(matrix, utility, method="exact"),
        shapley_values(matrix, utility, method="enumerate"),
    )


def test_exact_values_of_twelve_tasks_are_those_of_the_definition(rng):
    matrix = gramian(rng, "random", 12)
    close(shapley_values(matrix, "voldetpro"), by_definition(matrix, "voldetpro"))


@pytest.mark.parametrize("sizes", [(1,) * 10 + (2,) * 20 + (9, 80), (3,) * 13, (139,)])
def test_values_of_many_tasks_in_clusters_of_equal_gradients_are_those_of_counting(rng, sizes):
    """The volume is 1 for a set with at most one task of every cluster and 0 otherwise, so that
    sets can be counted in whole numbers.
    """
    n = sum(sizes)
    expected = []
    for size in sizes:
        others = list(sizes)
        others.remove(size)
        ways = [1]  # sets of s tasks with at most one of each of the other clusters
        for m in others:
            ways = [a + m * b for a, b in zip([*ways, 0], [0, *ways], strict=True)]
        loss = sum(
            Fraction(math.factorial(s + 1) * math.factorial(n - s - 2), math.factorial(n)) * w
            for s, w in enumerate(ways)
            if s + 2 <= n
        )
        expected += [float(Fraction(1, n) - (size - 1) * loss)] * size
    basis = np.linalg.qr(rng.normal(size=(len(sizes), len(sizes))))[0]
    rows = torch.tensor(np.repeat(basis, sizes, axis=0))
    close(shapley_values(rows @ rows.T), torch.tensor(expected, dtype=torch.float64))


def test_the_values_of_the_papers_four_tasks_are_a_64th(rng):
    rows = torch.tensor(
        [[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=torch.float64
    )
    close(shapley_values(rows @ rows.T), torch.full((4,), 1 / 64, dtype=torch.float64), atol=1e-15)


def test_two_tasks_share_what_they_have(rng):
    cosine = rng.uniform(-1, 0)
    matrix = torch.tensor([[1.0, 5 * cosine], [5 * cosine, 25.0]])
    close(shapley_values(matrix), torch.full((2,), (1 - cosine**2) / 2), atol=1e-6)
    close(
        shapley_values(matrix, "voldetpro"),
        torch.full((2,), (1 - cosine**2 - 1.5 * cosine) / 2),
        atol=1e-6,
    )


# ---------------------------------------------------------------------- axioms
@pytest.mark.parametrize(("utility", "method"), GAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_values_sum_to_the_utility_of_all_tasks(rng, utility, method, kind):
    matrix = gramian(rng, kind, 6)
    values = shapley_values(
        matrix, utility, method=method, n_permutations=7, random_state=int(rng.integers(100))
    )
    close(values.sum(), TOTAL[utility](matrix))


@pytest.mark.parametrize("n_tasks", [40, 139])
def test_values_of_many_tasks_sum_to_the_volume(rng, n_tasks):
    matrix = (
        torch.eye(n_tasks, dtype=torch.float64) + 0.02 * gramian(rng, "low_rank", n_tasks) / 1e4
    )
    close(shapley_values(matrix).sum(), voldet(matrix))


@pytest.mark.parametrize("utility", UTILITIES)
def test_tasks_with_equal_gradients_have_equal_values(rng, utility):
    rows = gradients(rng, "random", 6)
    rows[4] = 3 * rows[1]
    values = shapley_values(torch.tensor(rows @ rows.T), utility)
    close(values[4], values[1])


@pytest.mark.parametrize("utility", UTILITIES)
def test_values_move_with_their_tasks(rng, utility):
    matrix, order = gramian(rng, "shared", 8), torch.tensor(rng.permutation(8))
    close(shapley_values(matrix[order][:, order], utility), shapley_values(matrix, utility)[order])


@pytest.mark.parametrize(("utility", "method"), GAMES)
def test_a_task_without_gradient_is_a_null_player(rng, utility, method):
    rows = gradients(rng, "random", 6)
    rows[2] = 0
    kept = [0, 1, 3, 4, 5]
    exact = shapley_values(torch.tensor(rows[kept] @ rows[kept].T), utility)
    values = shapley_values(
        torch.tensor(rows @ rows.T), utility, method=method, n_permutations=20_000, random_state=0
    )
    assert values[2] == 0
    close(values[kept], exact, atol=1e-12 if method != "permutation" else 0.06)


@pytest.mark.parametrize(("utility", "method"), GAMES)
def test_values_of_gradients_that_are_all_zero_are_zero(utility, method):
    assert not shapley_values(torch.zeros(2, 3, 3), utility, method=method, random_state=0).any()


@pytest.mark.parametrize("utility", UTILITIES)
def test_values_do_not_depend_on_the_lengths_of_gradients(rng, utility):
    matrix = gramian(rng, "random", 7)
    scales = torch.tensor(10.0 ** rng.uniform(-8, 8, size=7))
    close(
        shapley_values(matrix * scales * scales.unsqueeze(1), utility),
        shapley_values(matrix, utility),
    )


# ---------------------------------------------------------------------- leading axes, types
@pytest.mark.parametrize(("utility", "method"), GAMES)
def test_leading_axes_are_games_of_their_own(rng, utility, method):
    batch = torch.stack(
        [gramian(rng, kind, 5) for kind in ("random", "shared", "duplicates", "low_rank")]
    ).view(2, 2, 5, 5)
    batch[1, 0, 3] = batch[1, 0, :, 3] = 0
    values = shapley_values(batch, utility, method=method, n_permutations=9, random_state=3)
    assert values.shape == (2, 2, 5)
    for index in np.ndindex(2, 2):
        close(
            values[index],
            shapley_values(batch[index], utility, method=method, n_permutations=9, random_state=3),
        )


def test_in_training_a_gramian_that_is_not_finite_gives_nan_for_its_network_only(rng):
    batch = torch.stack([gramian(rng, "random", 4)] * 3)
    batch[1, 0, 2] = torch.inf
    assert shapley.shapley_shares(batch).isnan().any(-1).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_have_the_type_of_the_gramian(rng, dtype):
    assert shapley_values(gramian(rng, "random", 3).to(dtype)).dtype == dtype


# ---------------------------------------------------------------------- sampling
@pytest.mark.parametrize("kind", KINDS)
def test_volumes_along_an_order_are_determinants(rng, kind):
    rows = gradients(rng, kind, 5)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = torch.tensor(rows @ rows.T)
    orders = torch.tensor(list(itertools.permutations(range(5))))
    volumes = shapley._prefix_volumes(cosines, torch.ones(5, dtype=torch.bool), orders)
    expected = [
        [np.linalg.det(cosines[np.ix_(order[:k], order[:k])]) for k in range(1, 6)]
        for order in orders.tolist()
    ]
    close(volumes, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize("kind", ["random", "shared", "low_rank"])
def test_sampled_values_come_near_the_exact_ones(rng, utility, kind):
    matrix = gramian(rng, kind, 6)
    sampled = shapley_values(
        matrix,
        utility,
        method="permutation",
        n_permutations=20_000,
        random_state=int(rng.integers(1000)),
    )
    close(sampled, shapley_values(matrix, utility, method="exact"), atol=0.06)


def test_an_order_is_followed_by_its_reverse():
    orders = shapley._orders(7, 5, torch.Generator().manual_seed(0))
    assert orders.shape == (7, 5)
    assert torch.equal(orders[4:], orders[:3].flip(-1))
    assert torch.equal(orders.sort(-1).values, torch.arange(5).expand(7, 5))


@pytest.mark.parametrize("utility", UTILITIES)
def test_chunks_of_orders_change_nothing(rng, utility, monkeypatch):
    matrix = gramian(rng, "random", 6)
    arguments = {"method": "permutation", "n_permutations": 50, "random_state": 1}
    whole = shapley_values(matrix, utility, **arguments)
    monkeypatch.setattr(shapley, "CHUNK", 3 * 36)
    close(shapley_values(matrix, utility, **arguments), whole)
    close(
        shapley_values(matrix, utility, method="enumerate"),
        shapley_values(matrix, utility, method="exact"),
    )


def test_more_than_twelve_tasks_are_sampled_for_voldetpro_and_stay_exact_for_voldet(rng):
    matrix = gramian(rng, "random", 13)
    assert torch.equal(shapley_values(matrix), shapley_values(matrix, method="exact"))
    sampled = [
        shapley_values(matrix, "voldetpro", n_permutations=50, random_state=seed)
        for seed in (1, 2, 1)
    ]
    assert torch.equal(sampled[0], sampled[2])
    assert not torch.equal(sampled[0], sampled[1])
    close(sampled[0], shapley_values(matrix, "voldetpro", method="exact"), atol=0.1)


@pytest.mark.parametrize(
    "make", [lambda: 5, lambda: np.random.RandomState(5), lambda: torch.Generator().manual_seed(5)]
)
def test_an_equal_random_state_draws_equal_orders(rng, make):
    matrix = gramian(rng, "random", 6)
    first, second = (
        shapley_values(matrix, method="permutation", n_permutations=10, random_state=make())
        for _ in range(2)
    )
    assert torch.equal(first, second)


def test_global_generators_are_not_touched(rng):
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    shapley_values(gramian(rng, "random", 6), method="permutation", n_permutations=10)
    assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"utility": "volume"}, r"utility must be one of \('voldet', 'voldetpro'\)"),
        (
            {"method": "monte_carlo"},
            r"method must be one of \('auto', 'exact', 'enumerate', 'permutation'\)",
        ),
        ({"n_permutations": 0}, "n_permutations must be a whole number of at least 1"),
    ],
)
def test_an_unknown_choice_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapley_values(torch.eye(3), **arguments)


@pytest.mark.parametrize(
    ("utility", "method"),
    [("voldet", "enumerate"), ("voldetpro", "enumerate"), ("voldetpro", "exact")],
)
def test_the_subsets_of_too_many_tasks_are_refused(utility, method):
    with pytest.raises(ValueError, match=r"at most 16 tasks are supported"):
        shapley_values(torch.eye(17), utility, method=method)
