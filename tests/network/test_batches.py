import numpy as np
import pytest
import torch

from skmtl.network import FleetData
from skmtl.network.batches import BatchStream, DeviceData, RowTable, batch_shape, build_table

TIGHT = dict(rtol=1e-12, atol=1e-12)


def on_device(data):
    return DeviceData(data, torch.float64, torch.device("cpu"))


def wide(rng, n=50, n_tasks=3, missing=0.4, sample_weight=True):
    y = rng.normal(size=(n, n_tasks))
    y[rng.random(y.shape) < missing] = np.nan
    return FleetData(
        rng.normal(size=(n, 2)),
        y,
        sample_weight=rng.uniform(0.1, 3.0, size=n) if sample_weight else None,
    )


def long(rng, n=50, sample_weight=True):
    return FleetData(
        rng.normal(size=(n, 2)),
        rng.normal(size=n),
        sample_weight=rng.uniform(0.1, 3.0, size=n) if sample_weight else None,
    )


def choose(rng, sizes, n=50):
    return [rng.permutation(n)[:size] for size in sizes]


def weight_of_rows(index, weights, n):
    """Weights (E, T, N) summed over the places where a row stands: (E, T, n)."""
    e, t, _ = weights.shape
    total = torch.zeros(e, t, n, dtype=weights.dtype)
    return total.scatter_add_(2, index.expand(e, t, -1), weights).numpy()


def one_pass(stream, table, orders):
    """Row numbers (column 0 of the inputs), labels and weights of a pass, (S, E, T, B)."""
    seen = []
    for batch in stream.batches(table, orders):
        e, t, b = batch.weights.shape
        rows = batch.x[:, 0].reshape(e, -1, b).expand(e, t, b)
        seen.append((rows.clone(), batch.labels.clone(), batch.weights.clone()))
    return tuple(torch.stack(part) for part in zip(*seen, strict=True))


def numbered(data):
    """The same data with the row number in the first column."""
    X = data.X.copy()
    X[:, 0] = np.arange(len(X))
    return FleetData(X, data.y, data.sample_weight, data.groups)


@pytest.mark.parametrize("sample_weight", [False, True])
@pytest.mark.parametrize("length", [None, 12, 40])
def test_weights_of_own_rows_are_shares_of_each_tasks_weight(rng, sample_weight, length):
    data = long(rng, sample_weight=sample_weight)
    members = [choose(rng, (12, 7, 3)), choose(rng, (5, 1, 12))]
    table = build_table(on_device(data), members, length)
    assert table.index.shape == table.weights.shape == (2, 3, length or 12)
    found = weight_of_rows(table.index, table.weights, 50)
    for e, member in enumerate(members):
        for t, rows in enumerate(member):
            expected = np.zeros(50)
            expected[rows] = (
                data.sample_weight[rows] / data.sample_weight[rows].sum()
                if sample_weight
                else 1 / len(rows)
            )
            np.testing.assert_allclose(found[e, t], expected, **TIGHT)


@pytest.mark.parametrize("sample_weight", [False, True])
@pytest.mark.parametrize("length", [None, 30, 64])
def test_weights_of_shared_rows_leave_missing_labels_out(rng, sample_weight, length):
    data = wide(rng, sample_weight=sample_weight)
    members = [choose(rng, (30,)), choose(rng, (11,))]
    table = build_table(on_device(data), members, length)
    assert table.index.shape == (2, 1, length or 30)
    found = weight_of_rows(table.index, table.weights, 50)
    for e, (rows,) in enumerate(members):
        for t in range(3):
            expected = np.zeros(50)
            labeled = rows[~np.isnan(data.y[rows, t])]
            expected[labeled] = data.sample_weight[labeled] if sample_weight else 1.0
            np.testing.assert_allclose(found[e, t], expected / max(expected.sum(), 1e-300), **TIGHT)


def test_a_task_without_a_label_has_weight_zero_and_the_others_sum_to_one(rng):
    data = wide(rng, missing=0.2)
    data.y[:20, 1] = np.nan
    shared = build_table(on_device(data), [[np.arange(20)]], 32)
    torch.testing.assert_close(
        shared.weights.sum(2), torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64), **TIGHT
    )
    own = build_table(
        on_device(long(rng)), [[np.arange(4), np.array([], dtype=int), np.arange(9)]], 16
    )
    torch.testing.assert_close(
        own.weights.sum(2), torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64), **TIGHT
    )


def test_rows_of_sample_weight_zero_count_nothing(rng):
    data = long(rng)
    data.sample_weight[:5] = 0.0
    table = build_table(on_device(data), [[np.arange(5), np.arange(3, 9)]])
    found = weight_of_rows(table.index, table.weights, 50)
    assert not found[0, 0].any()
    assert not found[0, 1, :5].any()
    np.testing.assert_allclose(found[0, 1].sum(), 1.0, **TIGHT)


@pytest.mark.parametrize("length", [9, 10, 17, 100])
def test_repetition_leaves_a_tasks_mean_as_it_is(rng, length):
    data = long(rng)
    rows = choose(rng, (9,))
    table = build_table(on_device(data), [rows], length)
    repeated = (torch.tensor(data.y)[table.index] * table.weights).sum()
    assert float(repeated) == pytest.approx(
        np.average(data.y[rows[0]], weights=data.sample_weight[rows[0]]), rel=1e-12
    )


def test_replaced_lanes_hold_the_other_table_and_the_rest_is_untouched(rng):
    data = on_device(long(rng))
    table = build_table(data, [choose(rng, (6, 4)) for _ in range(3)])
    other = build_table(data, [choose(rng, (9, 2))])
    lanes = torch.tensor([1])
    for first, second in (
        (table, other),
        (
            build_table(data, [choose(rng, (9, 9)) for _ in range(3)]),
            build_table(data, [choose(rng, (5, 5))]),
        ),
    ):
        result = first.replace(lanes, second)
        expected, own = (weight_of_rows(part.index, part.weights, 50) for part in (first, second))
        expected[1] = own[0]
        np.testing.assert_array_equal(weight_of_rows(result.index, result.weights, 50), expected)


def test_selected_members_keep_their_rows(rng):
    table = build_table(on_device(long(rng)), [choose(rng, (6, 4)) for _ in range(4)])
    rest = table.select(torch.tensor([3, 1]))
    assert torch.equal(rest.index, table.index[[3, 1]])
    assert torch.equal(rest.weights, table.weights[[3, 1]])


@pytest.mark.parametrize(
    ("sizes", "batch_size", "shape"),
    [
        ((20, 64), 64, (1, 64)),
        ((65, 3), 64, (2, 64)),
        ((128,), 64, (2, 64)),
        ((129,), 64, (3, 64)),
        ((5, 3), 64, (1, 32)),
        ((17,), None, (1, 17)),
        ((9, 33), 64, (1, 64)),
    ],
)
def test_a_pass_has_as_many_steps_as_the_longest_task_needs(sizes, batch_size, shape):
    assert batch_shape([np.arange(size) for size in sizes], batch_size) == shape


@pytest.mark.parametrize("layout", ["wide", "long"])
@pytest.mark.parametrize("n_steps", [1, 4])
def test_a_pass_deals_every_place_of_the_table_once(rng, layout, n_steps):
    data = numbered(wide(rng) if layout == "wide" else long(rng))
    members = [choose(rng, (30,) if layout == "wide" else (30, 11, 4)) for _ in range(3)]
    table = build_table(on_device(data), members, 32)
    rows, _, weights = one_pass(
        BatchStream(on_device(data), n_steps), table, [(5, 0), (6, 0), (5, 3)]
    )
    assert rows.shape == (n_steps, 3, 3, 32 // n_steps)
    torch.testing.assert_close(weights.sum((0, 3)) / n_steps, table.weights.sum(2), **TIGHT)
    for e in range(3):
        for t in range(3):
            dealt = sorted(
                zip(
                    rows[:, e, t].flatten().tolist(),
                    weights[:, e, t].flatten().tolist(),
                    strict=True,
                )
            )
            index = table.index[e, 0 if layout == "wide" else t]
            np.testing.assert_allclose(
                dealt,
                sorted(zip(index.tolist(), (table.weights[e, t] * n_steps).tolist(), strict=True)),
                **TIGHT,
            )


def test_rows_of_a_small_task_are_visited_equally_often_up_to_one(rng):
    data = numbered(long(rng, sample_weight=False))
    sizes = (32, 13, 5)
    members = [choose(rng, sizes)]
    table = build_table(on_device(data), members, 32)
    rows, _, weights = one_pass(BatchStream(on_device(data), 4), table, [(1, 2)])
    for t, size in enumerate(sizes):
        visits = np.bincount(rows[:, 0, t].flatten().long(), minlength=50)[members[0][t]]
        assert visits.sum() == 32
        assert visits.max() - visits.min() <= 1
        total = torch.zeros(50, dtype=torch.float64).scatter_add_(
            0, rows[:, 0, t].flatten().long(), weights[:, 0, t].flatten() / 4
        )
        np.testing.assert_allclose(total.numpy()[members[0][t]], 1 / size, **TIGHT)


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_inputs_labels_and_groups_of_a_batch_belong_to_its_rows(rng, layout):
    plain = numbered(wide(rng) if layout == "wide" else long(rng))
    data = FleetData(plain.X, plain.y, plain.sample_weight, groups=rng.integers(-1, 4, size=50))
    table = build_table(
        on_device(data),
        [choose(rng, (30,) if layout == "wide" else (30, 12)) for _ in range(2)],
        32,
    )
    for batch in BatchStream(on_device(data), 2).batches(table, [(0, 0), (1, 0)]):
        e, _, b = batch.weights.shape
        index = batch.x[:, 0].reshape(e, -1, b).long().numpy()
        np.testing.assert_array_equal(
            batch.x.transpose(1, 2).reshape(e, -1, b, 2).numpy(), data.X[index]
        )
        np.testing.assert_array_equal(batch.groups.numpy(), data.groups[index])
        expected = data.y[index[:, 0]].transpose(0, 2, 1) if layout == "wide" else data.y[index]
        np.testing.assert_array_equal(batch.labels.numpy(), np.nan_to_num(expected))
        assert not batch.weights.numpy()[np.isnan(expected)].any()


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_the_order_of_rows_depends_on_seed_and_pass_alone(rng, layout):
    data = numbered(wide(rng) if layout == "wide" else long(rng))
    members = [choose(rng, (30,) if layout == "wide" else (30, 11)) for _ in range(4)]
    orders = [(3, 5), (8, 5), (3, 5), (3, 6)]
    stream, table = BatchStream(on_device(data), 4), build_table(on_device(data), members, 32)
    list(stream.batches(table, [(1, 1)] * 4))
    together = one_pass(stream, table, orders)
    for e, order in enumerate(orders):
        alone = one_pass(
            BatchStream(on_device(data), 4), build_table(on_device(data), [members[e]], 32), [order]
        )
        for part, own in zip(together, alone, strict=True):
            assert torch.equal(part[:, e], own[:, 0])


def test_equal_orders_permute_the_places_of_all_members_alike_and_others_do_not(rng):
    data = numbered(long(rng))
    table = build_table(on_device(data), [[np.arange(32)]] * 4, 32)
    rows, _, _ = one_pass(BatchStream(on_device(data), 4), table, [(3, 5), (3, 5), (3, 6), (4, 5)])
    assert torch.equal(rows[:, 0], rows[:, 1])
    assert not torch.equal(rows[:, 0], rows[:, 2])
    assert not torch.equal(rows[:, 0], rows[:, 3])
    assert not torch.equal(rows[:, 2], rows[:, 3])


def test_orders_of_all_passes_are_uniform(rng):
    # 32 places, 3000 passes: place 0 falls on each position 94 times on average, standard deviation
    # 9.5.
    stream = BatchStream(on_device(numbered(long(rng))), 4)
    index = torch.arange(32).reshape(1, 1, 32)
    table = RowTable(index.expand(100, 1, 32), torch.ones(100, 1, 32, dtype=torch.float64))
    count = np.zeros(32)
    for start in range(0, 3000, 100):
        rows, _, _ = one_pass(stream, table, [(11, start + e) for e in range(100)])
        count += (rows.transpose(0, 1).reshape(100, 32) == 0).sum(0).numpy()
    assert count.sum() == 3000
    assert np.abs(count - 3000 / 32).max() < 6 * 9.6


def test_a_stream_serves_stacks_of_changing_size(rng):
    data = numbered(long(rng))
    stream = BatchStream(on_device(data), 2)
    for n_members in (3, 1, 3, 2):
        table = build_table(on_device(data), [choose(rng, (16, 9)) for _ in range(n_members)], 16)
        rows, _, _ = one_pass(stream, table, [(0, e) for e in range(n_members)])
        for e in range(n_members):
            assert sorted(rows[:, e, 0].flatten().tolist()) == sorted(table.index[e, 0].tolist())


def test_missing_labels_become_zero_and_the_callers_array_keeps_them(rng):
    data = wide(rng)
    before = data.y.copy()
    labels = on_device(data).labels
    np.testing.assert_array_equal(labels.numpy(), np.nan_to_num(before.T))
    labels.fill_(7.0)
    np.testing.assert_array_equal(data.y, before)
