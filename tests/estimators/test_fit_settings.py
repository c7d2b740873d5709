"""What settings become: decay, batches, validation splits, members, one line of output, callbacks,
saved state.
"""

import pickle

import numpy as np
import pandas as pd
import pytest

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl.estimators import read_settings, read_training_rows
from skmtl.estimators.fit_settings import Seeds
from skmtl.estimators.job_building import ensemble_job
from skmtl.estimators.problem_building import fit_problem
from skmtl.support import VersionMismatchWarning, running_versions

FAST = {
    "hidden_layer_sizes": (4,),
    "learning_rate_init": 0.01,
    "max_iter": 4,
    "n_members": 2,
    "random_state": 0,
}
FULL = FAST | {"dtype": "float64", "batch_size": "full", "early_stopping": False}
BOTH = [MultiTaskRegressor, MultiTaskClassifier]
KINDS = pytest.mark.parametrize("kind", BOTH)
FORMS = pytest.mark.parametrize("form", ["wide", "long"])


class Stopped(Exception):
    """Ends a fit before it trains."""


@pytest.fixture
def asked(monkeypatch):
    """What a fit asks the fleet to train: the architecture, the data, the members and the settings
    of training.
    """

    def of(model, X, y):
        found = {}

        def noted(architecture, data, members, training, **options):
            found.update(
                architecture=architecture,
                data=data,
                members=members,
                training=training,
                options=options,
            )
            raise Stopped

        with monkeypatch.context() as patched:
            patched.setattr("skmtl.estimators.train_jobs.train_fleet", noted)
            with pytest.raises(Stopped):
                model.fit(X, y)
        return found

    return of


@pytest.fixture
def problem(X, Y, labels, long_form):
    def of(kind, form):
        if form == "wide":
            return X, labels if kind is MultiTaskClassifier else Y, {}
        inputs, y, _ = long_form
        return (
            inputs,
            (y > np.median(y)).astype(int) if kind is MultiTaskClassifier else y,
            {"task_column": -1},
        )

    return of


def output(model, X):
    found = model.predict_proba(X) if isinstance(model, MultiTaskClassifier) else model.predict(X)
    return np.hstack(found) if isinstance(found, list) else found


# ---------------------------------------------------------------- decay
@KINDS
@pytest.mark.parametrize(
    ("solver", "alpha"), [("adamw", 1.0), ("adam", 1e-4), ("adagrad", 1e-4), ("sgd", 1e-4)]
)
def test_auto_decays_as_the_solver_does(kind, solver, alpha, problem):
    X, y, _ = problem(kind, "wide")
    auto, given, none = (
        kind(**FULL, solver=solver, **own).fit(X, y)
        for own in ({}, {"alpha": alpha}, {"alpha": 0.0})
    )
    np.testing.assert_array_equal(output(auto, X), output(given, X))
    assert not np.array_equal(output(auto, X), output(none, X))


# ---------------------------------------------------------------- batches
@pytest.mark.parametrize(
    ("n_rows", "expected"), [(2, 16), (159, 16), (200, 20), (1000, 100), (2569, 256), (9000, 256)]
)
def test_auto_takes_a_tenth_of_the_rows_between_16_and_256_in_wide_form(
    n_rows, expected, asked, rng
):
    found = asked(
        MultiTaskRegressor(early_stopping=False),
        rng.normal(size=(n_rows, 2)),
        rng.normal(size=(n_rows, 2)),
    )
    assert found["training"].batch_size == expected


@pytest.mark.parametrize(
    ("n_tasks", "rows_a_task", "expected"),
    [(2, 40, 16), (4, 1000, 100), (4, 4000, 128), (20, 600, 25), (40, 100, 12), (200, 20, 4)],
)
def test_auto_takes_at_most_512_rows_of_all_tasks_and_at_least_4_of_each_in_long_form(
    n_tasks, rows_a_task, expected, asked, rng
):
    task = np.repeat(np.arange(n_tasks), rows_a_task)
    model = MultiTaskRegressor(early_stopping=False, task_column=0)
    assert (
        asked(model, np.column_stack([task, task % 7]), rng.normal(size=len(task)))[
            "training"
        ].batch_size
        == expected
    )


def test_auto_counts_the_rows_that_are_not_held_out(asked, rng):
    X = rng.normal(size=(1000, 2))
    assert asked(MultiTaskRegressor(validation_fraction=0.4), X, X)["training"].batch_size == 60
    assert asked(MultiTaskRegressor(batch_size=7), X, X)["training"].batch_size == 7
    assert asked(MultiTaskRegressor(batch_size="full"), X, X)["training"].batch_size is None


# ---------------------------------------------------------------- members
@FORMS
@KINDS
def test_members_hold_out_different_rows_and_each_keeps_the_rest(kind, form, problem, asked):
    X, y, settings = problem(kind, form)
    found = asked(kind(**FAST | settings | {"n_members": 4}), X, y)
    assert {member.ensemble for member in found["members"]} == {0}
    held = []
    for member in found["members"]:
        for train, validation in zip(member.train, member.validation, strict=True):
            assert len(validation) > 0
            assert not set(train) & set(validation)
        rows = np.concatenate([*member.train, *member.validation])
        assert (
            len(np.unique(rows))
            == len(rows)
            == (len(X) if form == "long" else (~np.isnan(y).all(axis=1)).sum())
        )
        held.append(tuple(np.sort(np.concatenate(member.validation))))
    assert len(set(held)) == 4
    assert (
        len({member.seed for member in found["members"]})
        == len({member.order_seed for member in found["members"]})
        == 4
    )


def test_auto_trains_eight_members_and_four_where_there_are_many_rows(asked, rng):
    X = rng.normal(size=(20_001, 1))
    assert len(asked(MultiTaskRegressor(), X[:100], X[:100])["members"]) == 8
    assert len(asked(MultiTaskRegressor(), X[:20_000], X[:20_000])["members"]) == 8
    assert len(asked(MultiTaskRegressor(), X, X)["members"]) == 4
    assert len(asked(MultiTaskRegressor(n_members=3), X, X)["members"]) == 3


@KINDS
def test_dropout_reaches_training_and_not_prediction(kind, problem, asked):
    X, y, _ = problem(kind, "wide")
    assert asked(kind(**FAST, dropout=0.25), X, y)["training"].dropout == 0.25
    dropped, whole = kind(**FAST, dropout=0.25).fit(X, y), kind(**FAST).fit(X, y)
    assert not np.allclose(output(dropped, X), output(whole, X))
    np.testing.assert_array_equal(output(dropped, X), output(dropped, X))
    np.testing.assert_array_equal(
        output(dropped, X), output(kind(**FAST, dropout=0.25).fit(X, y), X)
    )


# ---------------------------------------------------------------- output
@KINDS
@FORMS
def test_verbose_prints_one_line_and_silence_none(kind, form, problem, capsys):
    X, y, settings = problem(kind, form)
    model = kind(**FULL | settings, verbose=1).fit(X, y)
    assert (
        capsys.readouterr().out
        == f"[{kind.__name__}] 3 tasks, 4 epochs, training loss {model.loss_curve_[-1]:.4g}\n"
    )
    kind(**FULL | settings).fit(X, y)
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- callbacks
class Recorder:
    """Writes down the passes that it is told of, and what the estimator shown then predicts; stops
    after ``stop_after``.
    """

    def __init__(self, X=None, stop_after=None):
        self.X, self.stop_after, self.told, self.shown = X, stop_after, [], []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **_):
        self.told.append((context.task_name, context.task_id))
        if self.X is not None and fitted_estimator is not None:
            self.shown.append((fitted_estimator.n_iter_, output(fitted_estimator, self.X)))
        return context.task_name == "pass" and context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        pass


@pytest.fixture
def callbacks():
    return pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")


@FORMS
@KINDS
def test_each_pass_shows_the_estimator_that_a_shorter_fit_gives(kind, form, problem, callbacks):
    X, y, settings = problem(kind, form)
    recorder = Recorder(X)
    model = kind(**FULL | settings, callbacks=[recorder]).fit(X, y)
    assert recorder.told == [("pass", 0), ("pass", 1), ("pass", 2), ("pass", 3), ("fit", 0)]
    assert [n_iter for n_iter, _ in recorder.shown] == [1, 2, 3, 4, 4]
    for n_iter, shown in recorder.shown:
        np.testing.assert_array_equal(
            shown, output(kind(**FULL | settings | {"max_iter": n_iter}).fit(X, y), X)
        )
    np.testing.assert_array_equal(output(model, X), output(kind(**FULL | settings).fit(X, y), X))


@KINDS
def test_a_callback_may_stop_the_fit(kind, problem, callbacks):
    X, y, _ = problem(kind, "wide")
    recorder = Recorder(stop_after=3)
    model = kind(**FAST | {"max_iter": 50}, callbacks=[recorder]).fit(X, y)
    assert (model.n_iter_, model.loss_curve_.shape, len(model.history_)) == (3, (3,), 3)
    assert recorder.told == [("pass", 0), ("pass", 1), ("pass", 2), ("fit", 0)]


@KINDS
def test_callbacks_follow_a_fit_that_stops_early_to_its_end(kind, problem, callbacks):
    X, y, _ = problem(kind, "wide")
    recorder = Recorder(X)
    model = kind(
        **FAST | {"max_iter": 60, "n_iter_no_change": 2, "learning_rate_init": 0.1},
        callbacks=[recorder],
    ).fit(X, y)
    assert [task_id for name, task_id in recorder.told if name == "pass"][: model.n_iter_] == list(
        range(model.n_iter_)
    )
    np.testing.assert_array_equal(recorder.shown[-1][1], output(model, X))


@KINDS
@FORMS
def test_the_scoring_monitor_logs_a_score_of_every_pass(kind, form, problem, callbacks):
    X, y, settings = problem(kind, form)
    monitor = callbacks.ScoringMonitor(scoring={"own": lambda fitted, X, y: fitted.score(X, y)})
    model = kind(**FULL | settings, callbacks=[monitor]).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "pass", "own"].tolist()
    assert len(scores) == 4
    assert scores == pytest.approx(
        [kind(**FULL | settings | {"max_iter": n}).fit(X, y).score(X, y) for n in (1, 2, 3, 4)]
    )
    assert scores[-1] == pytest.approx(model.score(X, y))


# ---------------------------------------------------------------- saved state
@pytest.fixture
def table(rng):
    """Numbers with gaps, a small and a large category, and a task column of words."""
    X = pd.DataFrame(
        {
            "a": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)),
            "school": np.array(["elm", "oak"])[np.arange(60) % 2],
        }
    )
    return X.assign(
        town=pd.Categorical(np.array(["x", "y"])[rng.permutation(60) % 2]),
        code=pd.Categorical(rng.permutation(60) % 20),
    )


@KINDS
@pytest.mark.parametrize("way", ["pickle", "skops"])
@pytest.mark.parametrize("parts", [False, True], ids=["fit", "partial_fit"])
def test_a_saved_estimator_predicts_transforms_and_goes_on_as_before(kind, way, parts, table, rng):
    y = rng.integers(2, size=60)
    model = kind(**FULL, task_column="school", warm_start=True)
    (model.partial_fit if parts else model.fit)(table, y)
    if way == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        skops = pytest.importorskip("skops.io")
        stored = skops.dumps(model)
        untrusted = skops.get_untrusted_types(data=stored)
        assert all(name.startswith("skmtl.") for name in untrusted)
        again = skops.loads(stored, trusted=untrusted)
    np.testing.assert_array_equal(output(again, table), output(model, table))
    np.testing.assert_array_equal(again.transform(table), model.transform(table))
    assert again.get_params() == model.get_params()
    for one in (again, model):
        one.partial_fit(table, y).fit(table, y)
    np.testing.assert_array_equal(output(again, table), output(model, table))


@KINDS
def test_an_estimator_remembers_the_versions_it_was_saved_with(kind, problem):
    X, y, _ = problem(kind, "wide")
    state = kind(**FAST).fit(X, y).__getstate__()
    assert state["_versions"] == running_versions()
    assert not hasattr(pickle.loads(pickle.dumps(kind(**FAST).fit(X, y))), "_versions")
    with pytest.warns(VersionMismatchWarning, match=f"{kind.__name__} was saved with skmtl 0.0.1"):
        kind().__setstate__(state | {"_versions": state["_versions"] | {"skmtl": "0.0.1"}})


@pytest.mark.parametrize(
    ("solver", "n_rows", "alpha"),
    [("adamw", 100, 1.0), ("adamw", 2000, 1.0), ("adamw", 8000, 0.25), ("sgd", 8000, 1e-4)],
)
def test_the_penalty_falls_where_tasks_have_many_labels(solver, n_rows, alpha):
    X = np.zeros((n_rows, 1))
    labels = np.column_stack(
        [np.zeros(n_rows), np.zeros(n_rows), np.where(np.arange(n_rows) < 50, 0.0, np.nan)]
    )
    settings = read_settings(MultiTaskRegressor(solver=solver, n_members=1))
    rows = read_training_rows(settings, X, labels)
    (network,) = ensemble_job(settings, fit_problem(settings, rows), Seeds(0, 0)).networks
    assert network.alpha == alpha
