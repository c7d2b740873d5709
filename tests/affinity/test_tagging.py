import numpy as np
import pytest
import torch
from sklearn.utils import check_random_state

from skmtl import MultiTaskClassifier, MultiTaskRegressor, TaskSet
from skmtl.affinity import TaggingAffinity
from skmtl.affinity.joint import JointNetworks, Sample, chosen_rows
from skmtl.affinity.tagging import average_known, relative_decrease

# Nothing held out, inputs as they are: a reference needs the targets' scale only.
PLAIN = {
    "early_stopping": False,
    "standardize": False,
    "dtype": "float64",
    "learning_rate_init": 0.05,
    "alpha": 0.0,
}


def seed_of(random_state):
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def visited(estimator, tasks, seed, every=1):
    """Networks after every epoch, as (number, parameters)."""
    joint, seen = JointNetworks(estimator, tasks, 1, seed), []
    joint.train(lambda k, parameters: seen.append(parameters), every)
    return joint, seen


def reference_losses(joint, parameters, tasks, plain_scores):
    """Every task's loss by plain torch."""
    losses = []
    for t, task in enumerate(tasks):
        scores = plain_scores(joint.architecture, parameters, np.asarray(task.X), t)[:, 0]
        if tasks.kind == "regression":
            losses.append(
                ((scores - torch.tensor((task.y - task.y.mean()) / task.y.std())) ** 2).mean()
            )
        else:
            losses.append(
                torch.nn.functional.binary_cross_entropy_with_logits(
                    scores, torch.tensor(task.y, dtype=torch.float64)
                )
            )
    return losses


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_the_table_is_the_mean_of_look_aheads_by_autograd(
    kind, activation, few_tasks, few_classes, plain_scores
):
    tasks = few_tasks if kind == "regression" else few_classes
    network = (MultiTaskRegressor if kind == "regression" else MultiTaskClassifier)(
        hidden_layer_sizes=(4, 3),
        head_hidden_layer_sizes=(2,),
        activation=activation,
        max_iter=3,
        **PLAIN,
    )
    joint, seen = visited(network, tasks, seed_of(7))
    first = joint.architecture.n_trunk_parameters
    expected = np.zeros((4, 4))
    for parameters in seen:
        for source in range(4):
            leaves = [part.clone().requires_grad_() for part in parameters]
            before = reference_losses(joint, leaves, tasks, plain_scores)
            gradients = torch.autograd.grad(before[source], leaves[:first])
            ahead = [
                part - 0.3 * step for part, step in zip(leaves[:first], gradients, strict=True)
            ] + leaves[first:]
            after = reference_losses(joint, ahead, tasks, plain_scores)
            for target in range(4):
                if target != source:
                    expected[target, source] += 1 - (after[target] / before[target]).item()
    fitted = TaggingAffinity(network, learning_rate=0.3, max_samples=None, random_state=7).fit(
        tasks
    )
    assert fitted.n_look_aheads_ == len(seen) == 3
    np.testing.assert_allclose(fitted.affinity_, expected / 3, rtol=1e-6, atol=1e-10)


def test_a_look_ahead_worked_out_by_hand_has_targets_in_rows():
    # One unit, s_t = a_t (w x + b) with w = 1, b = 0, x = 1: scores 1 and 2, losses 0.25 and 1,
    # gradients (1, 1) and (-4, -4) in (w, b).
    tasks = TaskSet.from_long(np.ones((4, 1)), [0.0, 1.0, 0.0, 2.0], [1, 1, 2, 2])
    joint = JointNetworks(
        MultiTaskRegressor(hidden_layer_sizes=(1,), activation="identity"), tasks, 1, 0
    )
    heads = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    parameters = [
        part.double()
        for part in (torch.ones(1, 1, 1), torch.zeros(1, 1, 1), heads, torch.zeros(1, 2, 1, 1))
    ]
    sample = Sample(
        torch.ones(1, 1, 2).double(),
        None,
        torch.tensor([[[0.5], [3.0]]]).double(),
        torch.ones(1, 2, 1).double(),
    )
    losses, gradients = joint.task_gradients(parameters, sample)
    assert losses.tolist() == [0.25, 1.0]
    assert gradients.tolist() == [[1.0, 1.0], [-4.0, -4.0]]
    after = joint.losses_after(parameters, -0.1 * gradients, sample)
    table = relative_decrease(losses.numpy()[:, None], after.numpy().T)
    # A step on task 2 takes the unit to 1.8, one on task 1 to 0.8.
    np.testing.assert_allclose([table[0, 1], table[1, 0]], [1 - 1.3**2 / 0.25, 1 - 1.4**2])


def test_tasks_of_one_kind_help_more_than_their_opposites(rng):
    X = rng.normal(size=(320, 3)).clip(-2, 2)
    task = np.arange(320) % 8
    y = np.where(task < 4, 1, -1) * X[:, 0] + 0.1 * rng.normal(size=320)
    # Heads start alike, so at first the trunk alone tells the two kinds apart.
    network = MultiTaskRegressor((8,), max_iter=2, early_stopping=False, random_state=0)
    A = (
        TaggingAffinity(network, random_state=0)
        .fit(TaskSet.from_long(X, y, task))
        .affinity_.to_numpy()
    )
    same = (np.arange(8) < 4)[:, None] == (np.arange(8) < 4)
    assert A[same & ~np.eye(8, dtype=bool)].min() > A[~same].max()


def test_only_weights_that_training_would_keep_are_looked_at_and_each_once(few_tasks):
    network = MultiTaskRegressor(
        (4,),
        max_iter=30,
        learning_rate_init=0.3,
        early_stopping=True,
        validation_fraction=0.3,
        n_iter_no_change=5,
    )
    joint, seen = visited(network, few_tasks, 3)
    improved = set()
    trained = joint.train(lambda k, parameters: None, 1)[0]
    for n_done, loss in enumerate(trained.validation_curve):
        if loss < trained.validation_curve[:n_done].min(initial=np.inf):
            improved.add(n_done)
    assert len(seen) == len(improved) < trained.n_iter
    np.testing.assert_array_equal(seen[-1][0][0], trained.parameters[0])


def test_looking_every_few_passes_looks_at_the_last_weights_too(few_tasks):
    network = MultiTaskRegressor((4,), max_iter=7, early_stopping=False)
    every_pass, every_third = (visited(network, few_tasks, 0, every)[1] for every in (1, 3))
    assert [len(every_pass), len(every_third)] == [7, 3]
    np.testing.assert_array_equal(every_third[1][0], every_pass[5][0])
    np.testing.assert_array_equal(every_third[2][0], every_pass[6][0])
    assert len(visited(network, few_tasks, 0, 100)[1]) == 1


def test_many_look_aheads_at_once_are_the_same_as_one_at_a_time(few_tasks, monkeypatch):
    network = MultiTaskRegressor((4,), max_iter=2, dtype="float64")
    together = TaggingAffinity(network, random_state=0).fit(few_tasks).affinity_
    monkeypatch.setattr("skmtl.affinity.joint._HELD_AT_ONCE", 1)
    np.testing.assert_allclose(
        TaggingAffinity(network, random_state=0).fit(few_tasks).affinity_,
        together,
        rtol=1e-9,
        atol=1e-14,
    )


def test_a_sample_holds_distinct_rows_and_changes_from_draw_to_draw(rng):
    rows = rng.permutation(1000)[:50]
    first, second = (chosen_rows(rows, 20, 3, draw) for draw in (0, 1))
    assert len(set(first)) == 20
    assert set(first) <= set(rows)
    assert set(first) != set(second)
    np.testing.assert_array_equal(chosen_rows(rows, 50, 3, 0), rows)


def test_repeats_are_networks_whose_look_aheads_are_averaged(few_tasks):
    network = MultiTaskRegressor((4,), max_iter=2, early_stopping=False)
    assert TaggingAffinity(network, n_repeats=3, random_state=0).fit(few_tasks).n_look_aheads_ == 6


def test_a_task_without_a_loss_is_unknown_and_named():
    with pytest.warns(UserWarning, match="target b"):
        mean = average_known(
            [np.array([[0.0, 1.0], [np.nan, np.nan]]), np.array([[0.0, 3.0], [np.nan, np.nan]])],
            ["a", "b"],
        )
    np.testing.assert_array_equal(mean, [[0.0, 2.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(
        relative_decrease(np.array([[0.0], [2.0]]), np.array([[1.0, 0.0], [1.0, np.inf]])),
        [[np.nan, np.nan], [0.5, np.nan]],
    )


def test_parameters_out_of_range_are_refused(few_tasks):
    for name, value in {"learning_rate": 0.0, "every": 0, "max_samples": 0}.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of TaggingAffinity"):
            TaggingAffinity(**{name: value}).fit(few_tasks)
