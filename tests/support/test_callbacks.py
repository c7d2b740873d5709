"""Callbacks of scikit-learn around a training loop: who is called when, what stops, what is left
behind.
"""

from __future__ import annotations

import importlib.util
import pickle
import sys
import threading

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dict_unchanged,
    check_estimator_cloneable,
    check_parameters_default_constructible,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from skmtl import _sklearn_compat
from skmtl.support.callbacks import CallbackSupport, fit_callbacks
from skmtl.support.state import VersionedState

sklearn_callback = pytest.importorskip(
    "sklearn.callback", reason="callbacks came with scikit-learn 1.9"
)
ProgressBar, ScoringMonitor = sklearn_callback.ProgressBar, sklearn_callback.ScoringMonitor


class Halving(CallbackSupport, VersionedState, RegressorMixin, BaseEstimator):
    """Predicts the mean, of which every pass halves what is missing; stops by itself after
    ``patience`` passes.
    """

    def __init__(self, max_iter=4, patience=None, fail_at=None, callbacks=None):
        self.max_iter = max_iter
        self.patience = patience
        self.fail_at = fail_at
        self.callbacks = callbacks

    def fit(self, X, y, *, sample_weight=None):
        _, targets = validate_data(self, X, y)
        target, mean = np.average(targets, weights=sample_weight), 0.0
        with fit_callbacks(
            self, X, y, max_epochs=self.max_iter, metadata={"sample_weight": sample_weight}
        ) as on_epoch:
            self.on_epoch_ = on_epoch is not None
            for n_done in range(1, self.max_iter + 1):
                if n_done == self.fail_at:
                    raise FloatingPointError("diverged")
                mean += (target - mean) / 2
                if on_epoch and on_epoch(
                    n_done, lambda mean=mean, n_done=n_done: {"mean_": mean, "n_iter_": n_done}
                ):
                    break
                if n_done == self.patience:
                    break
            self.mean_, self.n_iter_ = mean, n_done
        return self

    def predict(self, X):
        check_is_fitted(self)
        return np.full(len(validate_data(self, X, reset=False)), self.mean_)


class Recorder:
    """Writes down every call; asks to stop after ``stop_after`` passes."""

    def __init__(self, stop_after=None, fail_at=None):
        self.calls, self.shown, self.estimators = [], [], []
        self.stop_after, self.fail_at = stop_after, fail_at

    def setup(self, estimator, context):
        self.estimators.append(estimator)
        self._note("setup", context)

    def on_fit_task_begin(self, estimator, context):
        self._note("begin", context)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self._note("end", context)
        self.shown.append((context.task_name, X, y, metadata, fitted_estimator))
        return context.task_name == "pass" and context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        self._note("teardown", context)

    def _note(self, hook, context):
        self.calls.append((hook, context.task_name, context.task_id))
        if self.fail_at == hook:
            raise RuntimeError(f"fails at {hook}")


class Travelling(Recorder):
    """A recorder that searches and pipelines pass down."""

    max_propagation_depth = None


@pytest.fixture
def data(rng):
    return rng.normal(size=(30, 2)), rng.normal(size=30) + 5.0


def passes(recorder, hook):
    return [
        task_id for called, name, task_id in recorder.calls if called == hook and name == "pass"
    ]


GIVEN = {
    "parameter": lambda estimator, *callbacks: estimator.set_params(callbacks=list(callbacks)),
    "set_callbacks": lambda estimator, *callbacks: estimator.set_callbacks(*callbacks),
}
both_ways = pytest.mark.parametrize("give", GIVEN.values(), ids=GIVEN)


# ---------------------------------------------------------------------- order
@both_ways
def test_hooks_come_in_order_around_the_fit_and_every_pass(data, give):
    recorder = Recorder()
    give(Halving(max_iter=2), recorder).fit(*data)
    called = ", ".join(f"{hook} {name} {task_id}" for hook, name, task_id in recorder.calls)
    assert (
        called
        == "setup fit 0, begin fit 0, begin pass 0, end pass 0, begin pass 1, end pass 1, end fit "
        "0, teardown fit 0"
    )


def test_a_pass_begins_before_it_runs(data):
    class Watching(Recorder):
        def on_fit_task_begin(self, estimator, context):
            estimator.trace.append(f"begin {context.task_name} {context.task_id}")

    class Traced(Halving):
        def fit(self, X, y):
            self.trace = []
            with fit_callbacks(self, X, y, max_epochs=2) as on_epoch:
                for n_done in (1, 2):
                    self.trace.append(f"run {n_done}")
                    on_epoch(n_done, dict)
            return self

    assert Traced(callbacks=[Watching()]).fit(*data).trace == [
        "begin fit 0",
        "begin pass 0",
        "run 1",
        "begin pass 1",
        "run 2",
    ]


def test_each_pass_shows_the_data_and_the_estimator_as_if_it_had_stopped_there(data):
    recorder, weight = Recorder(), np.arange(30.0)
    X, y = data
    model = Halving(max_iter=3, callbacks=[recorder]).fit(X, y, sample_weight=weight)
    assert [name for name, *_ in recorder.shown] == ["pass", "pass", "pass", "fit"]
    expected = np.average(y, weights=weight) * np.array([0.5, 0.75, 0.875, 0.875])
    np.testing.assert_allclose([shown.predict(X)[0] for *_, shown in recorder.shown], expected)
    assert [shown.n_iter_ for *_, shown in recorder.shown] == [1, 2, 3, 3]
    for _, shown_X, shown_y, metadata, shown in recorder.shown:
        assert shown_X is X
        assert shown_y is y
        assert metadata == {"sample_weight": weight}
        assert shown is not model


def test_nothing_is_reconstructed_for_callbacks_that_do_not_look(data):
    def never():
        raise AssertionError("nobody asked for a fitted estimator")

    estimator = Halving(callbacks=[ProgressBar()])
    with fit_callbacks(estimator, *data, max_epochs=2) as on_epoch:
        assert [on_epoch(1, never), on_epoch(2, never)] == [False, False]


def test_passes_reported_together_all_count_and_the_last_is_shown(data):
    recorder = Recorder()
    estimator = Halving(callbacks=[recorder])
    with fit_callbacks(estimator, *data, max_epochs=None) as on_epoch:
        on_epoch(3, lambda: {"mean_": 1.0})
        on_epoch(3, lambda: {"mean_": 2.0})
        on_epoch(4, lambda: {"mean_": 3.0})
    assert passes(recorder, "end") == [0, 1, 2, 3, 4]  # the last one had begun, and is ended empty
    assert [shown and shown.mean_ for name, *_, shown in recorder.shown if name == "pass"] == [
        None,
        None,
        1.0,
        3.0,
        None,
    ]


# ---------------------------------------------------------------------- stopping
@both_ways
def test_a_callback_that_returns_true_stops_the_fit(data, give):
    recorder = Recorder(stop_after=2)
    model = give(Halving(max_iter=50), Recorder(), recorder).fit(*data)
    assert model.n_iter_ == 2
    assert passes(recorder, "begin") == passes(recorder, "end") == [0, 1]
    assert recorder.calls[-2:] == [("end", "fit", 0), ("teardown", "fit", 0)]


def test_a_loop_that_stops_by_itself_leaves_no_pass_open(data):
    recorder = Recorder()
    Halving(max_iter=50, patience=3, callbacks=[recorder]).fit(*data)
    assert passes(recorder, "begin") == passes(recorder, "end")
    assert [metadata for _, _, _, metadata, _ in recorder.shown] == [
        {},
        {},
        {},
        None,
        {},
    ]  # a sample_weight of None is left out
    assert [shown is None for name, *_, shown in recorder.shown] == [
        False,
        False,
        False,
        True,
        False,
    ]


@both_ways
def test_callbacks_are_torn_down_when_fit_raises(data, give):
    recorder = Recorder()
    model = give(Halving(fail_at=2), recorder)
    with pytest.raises(FloatingPointError, match="diverged"):
        model.fit(*data)
    assert recorder.calls[-1] == ("teardown", "fit", 0)
    assert ("end", "fit", 0) not in recorder.calls
    assert not {"_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(vars(model))


def test_a_fit_that_scikit_learn_guards_as_well_tears_down_once(data):
    class Guarded(Halving):
        _parameter_constraints = {}
        fit = _sklearn_compat.fit_context(prefer_skip_nested_validation=True)(Halving.fit)

    recorder = Recorder()
    Guarded(callbacks=[recorder]).fit(*data)
    assert [called for called, *_ in recorder.calls].count("teardown") == 1


@pytest.mark.parametrize("hook", ["setup", "begin", "end"])
def test_a_failing_callback_takes_the_fit_down_and_all_are_torn_down(data, hook):
    sound, failing = Recorder(), Recorder(fail_at=hook)
    model = Halving(callbacks=[sound, failing])
    with pytest.raises(RuntimeError, match=f"fails at {hook}"):
        model.fit(*data)
    assert sound.calls[-1][0] == failing.calls[-1][0] == "teardown"
    assert "_skl_callbacks" not in vars(model)


def test_input_that_is_refused_sets_nothing_up():
    recorder = Recorder()
    with pytest.raises(ValueError, match="NaN"):
        Halving(callbacks=[recorder]).fit([[np.nan]], [1.0])
    assert recorder.calls == []


# ---------------------------------------------------------------------- what is called
def test_without_callbacks_there_is_nothing_to_call(data):
    assert not Halving().fit(*data).on_epoch_
    assert not Halving(callbacks=[]).fit(*data).on_epoch_
    assert not Halving().set_callbacks(Recorder()).set_callbacks().fit(*data).on_epoch_


def test_callbacks_of_both_kinds_are_called_and_the_same_one_only_once(data):
    first, second = Recorder(), Recorder()
    Halving(callbacks=[first, second]).set_callbacks(first).fit(*data)
    assert first.calls == second.calls


def test_fit_changes_neither_the_parameters_nor_what_was_set(data):
    given, registered = [Recorder()], Recorder()
    model = Halving(callbacks=given).set_callbacks(registered).fit(*data)
    assert model.get_params()["callbacks"] is given
    assert len(given) == 1
    assert model._skl_callbacks == [registered]
    assert not {"_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(vars(model))
    assert "_skl_callbacks" not in vars(Halving(callbacks=given).fit(*data))


@pytest.mark.parametrize(
    "given",
    ["bar", 3, [Recorder], [object()], Recorder()],
    ids=["text", "number", "class", "object", "no list"],
)
def test_what_is_no_list_of_callbacks_is_refused_by_name(data, given):
    with pytest.raises(
        (ValueError, TypeError),
        match="The 'callbacks' parameter of Halving must be None or a list of scikit-learn "
        "callbacks",
    ) as error:
        Halving(callbacks=given).fit(*data)
    assert [isinstance(error.value, kind) for kind in (ValueError, TypeError)] == [True, True]


# ---------------------------------------------------------------------- clones and copies
def test_a_clone_shares_the_callbacks_and_needs_no_copy_of_them(data):
    callback = Recorder()
    callback.lock = threading.Lock()  # cannot be copied
    model = Halving(max_iter=7, callbacks=[callback]).set_callbacks(callback).fit(*data)
    cloned = clone(model)
    assert cloned.callbacks[0] is callback
    assert cloned._skl_callbacks == [callback]
    assert cloned.get_params() == model.get_params()
    assert not hasattr(cloned, "mean_")
    assert clone(Halving(max_iter=7)).get_params() == Halving(max_iter=7).get_params()


def test_an_estimator_with_callbacks_pickles_before_and_after_fit(data):
    monitor = ScoringMonitor(scoring="r2")
    model = Halving(callbacks=[monitor, ProgressBar()])
    assert len(pickle.loads(pickle.dumps(model)).callbacks) == 2
    again = pickle.loads(pickle.dumps(model.fit(*data)))
    assert again.callbacks[0].get_logs().data == monitor.get_logs().data


def test_the_checks_of_scikit_learn_pass():
    check_dict_unchanged("Halving", Halving())
    check_estimator_cloneable("Halving", Halving())
    check_parameters_default_constructible("Halving", Halving())


# ---------------------------------------------------------------------- scikit-learn's own
@both_ways
@pytest.mark.parametrize("patience", [None, 2])
def test_the_progress_bar_runs_to_the_end_also_where_the_loop_stops_by_itself(
    data, give, patience, capsys
):
    give(Halving(max_iter=5, patience=patience), ProgressBar()).fit(*data)
    shown = capsys.readouterr().out
    assert "Halving - fit" in shown
    assert "100%" in shown


@both_ways
def test_the_scoring_monitor_logs_one_score_a_pass_and_one_for_the_fit(data, give):
    X, y = data
    monitor = ScoringMonitor(scoring="neg_mean_squared_error")
    give(Halving(max_iter=4), monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    assert log["task_name"].tolist() == ["fit", "pass", "pass", "pass", "pass"]
    expected = [-np.mean((y - y.mean() * (1 - 0.5**k)) ** 2) for k in (4, 1, 2, 3, 4)]
    np.testing.assert_allclose(log["neg_mean_squared_error"], expected)


def test_scores_are_weighted_as_the_fit_was(data):
    X, y = data
    weight = np.arange(30.0)
    monitor = ScoringMonitor(scoring=["neg_mean_squared_error"])
    model = Halving(callbacks=[monitor]).fit(X, y, sample_weight=weight)
    assert monitor.get_logs().data[-1]["neg_mean_squared_error"] == pytest.approx(
        -np.average((y - model.mean_) ** 2, weights=weight)
    )


# ---------------------------------------------------------------------- inside searches and
# pipelines
def test_a_search_passes_its_callbacks_down_and_estimators_keep_their_own(data, capsys):
    monitor, travelling = ScoringMonitor(scoring="r2"), Travelling()
    search = GridSearchCV(Halving(callbacks=[monitor]), {"max_iter": [2, 3]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None), travelling).fit(*data)
    shown = capsys.readouterr().out
    assert [bar in shown for bar in ("GridSearchCV - fit", "Halving - fit")] == [True, True]
    n_passes = 2 * (2 + 3) + search.best_params_["max_iter"]
    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "pass").sum() == n_passes
    assert (log["task_name"] == "fit").sum() == 5
    assert len(monitor.get_logs(select="all")) == 1  # one run: that of the search
    assert len(passes(travelling, "end")) == n_passes
    assert [called for called, *_ in travelling.calls].count("setup") == 1
    assert "_skl_callbacks" not in vars(search.best_estimator_)


def test_a_search_in_several_threads_reaches_the_monitor_of_the_user(data):
    monitor = ScoringMonitor(scoring="r2")
    with parallel_config("threading"):
        GridSearchCV(
            Halving(max_iter=2, callbacks=[monitor]),
            {"patience": [1, 2]},
            cv=2,
            n_jobs=2,
            refit=False,
        ).fit(*data)
    assert (monitor.get_logs().data_as_pandas["task_name"] == "pass").sum() == 2 * (1 + 2)


def test_a_search_over_a_pipeline_reaches_its_last_step(data):
    travelling = Travelling()
    pipeline = make_pipeline(StandardScaler(), Halving(max_iter=2))
    GridSearchCV(pipeline, {"halving__patience": [None]}, cv=2, refit=False).set_callbacks(
        travelling
    ).fit(*data, halving__sample_weight=np.ones(30))
    assert len(passes(travelling, "end")) == 4


def test_a_stop_inside_a_pipeline_stops_the_last_step(data):
    pipeline = make_pipeline(StandardScaler(), Halving(max_iter=50)).set_callbacks(
        Travelling(stop_after=3)
    )
    assert pipeline.fit(*data)[-1].n_iter_ == 3


def test_the_same_bar_on_the_search_and_in_the_parameter_is_shown_once(data):
    travelling = Travelling()
    GridSearchCV(
        Halving(max_iter=2, callbacks=[travelling]), {"patience": [None]}, cv=2, refit=False
    ).set_callbacks(travelling).fit(*data)
    assert len(passes(travelling, "end")) == 4


def test_a_bar_in_the_parameter_of_an_inner_estimator_is_refused_with_the_way_out(data):
    with pytest.raises(
        TypeError,
        match=r"'callbacks' parameter of Halving holds ProgressBar, .* fitted inside Pipeline\. "
        r"Use Pipeline\.set_callbacks",
    ):
        make_pipeline(StandardScaler(), Halving(callbacks=[ProgressBar()])).fit(*data)
    with pytest.raises(
        ValueError, match=r"All the 2 fits failed.[\s\S]*Use GridSearchCV\.set_callbacks"
    ):
        GridSearchCV(Halving(callbacks=[ProgressBar()]), {"patience": [None]}, cv=2).fit(*data)


def test_what_fits_clones_without_passing_callbacks_down_still_runs_them(data):
    monitor = ScoringMonitor(scoring="r2")
    cross_val_score(Halving(max_iter=2, callbacks=[monitor]), *data, cv=3)
    assert [len(log.data) for log in monitor.get_logs(select="all")] == [3, 3, 3]


# ---------------------------------------------------------------------- below scikit-learn 1.9
@pytest.fixture
def old(monkeypatch):
    """The callbacks module as it is where scikit-learn has no callbacks."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    compat = _loaded(_sklearn_compat.__file__, "skmtl._sklearn_compat")
    monkeypatch.setitem(sys.modules, "skmtl._sklearn_compat", compat)
    return _loaded(sys.modules[fit_callbacks.__module__].__file__, "skmtl.support.callbacks")


def _loaded(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_below_1_9_estimators_work_and_callbacks_are_refused_with_the_reason(old, data):
    class Old(old.CallbackSupport, BaseEstimator):
        def __init__(self, callbacks=None):
            self.callbacks = callbacks

        def fit(self, X, y):
            with old.fit_callbacks(self, X, y, max_epochs=2) as on_epoch:
                self.on_epoch_ = on_epoch
            return self

    assert not hasattr(Old, "set_callbacks")
    assert Old().fit(*data).on_epoch_ is None
    assert Old(callbacks=[]).fit(*data).on_epoch_ is None
    given = [Recorder()]
    assert clone(Old(callbacks=given)).callbacks is given
    with pytest.raises(
        ValueError, match=r"The 'callbacks' parameter of Old needs scikit-learn 1\.9 or newer"
    ):
        Old(callbacks=given).fit(*data)
