"""Estimators that each break one promise of the contract, and the check that must catch them."""

import random
import threading
import time
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import r2_score
from sklearn.utils.metadata_routing import MetadataRequest

from tests.utils.toys import ToyClassifier, ToyRegressor


class ChangesX(ToyRegressor):
    def fit(self, X, y, *, sample_weight=None):
        super().fit(X, y, sample_weight=sample_weight)
        if isinstance(X, np.ndarray):
            X[0, 0] = 0.0
        return self


class ChangesItsParameters(ToyRegressor):
    def fit(self, X, y, *, sample_weight=None):
        super().fit(X, y, sample_weight=sample_weight)
        self.random_state = 7
        return self


class PicklesSomethingElse(ToyRegressor):
    def __getstate__(self):
        state = super().__getstate__().copy()
        if "parts_" in state:
            state["parts_"] = {
                name: (z, y + 1, slope) for name, (z, y, slope) in state["parts_"].items()
            }
        return state


class FitsOnce(ToyRegressor):
    def fit(self, X, y, *, sample_weight=None):
        return self if hasattr(self, "parts_") else super().fit(X, y, sample_weight=sample_weight)


class PredictsFrames(ToyRegressor):
    def predict(self, X):
        return pd.DataFrame(super().predict(X))


class TakesNaNForZero(ToyRegressor):
    def fit(self, X, y, *, sample_weight=None):
        return super().fit(X, np.nan_to_num(y), sample_weight=sample_weight)


class TakesNaNForAClass(ToyClassifier):
    def fit(self, X, y, *, sample_weight=None, sensitive_features=None):
        return super().fit(X, np.nan_to_num(y), sample_weight=sample_weight)


class CentresOverAllRows(ToyRegressor):
    def projected(self, inputs):
        self.centre_ = getattr(self, "centre_", inputs.mean(0))
        return np.tanh((inputs - self.centre_) @ self.direction_)


class TurnsLabelsIntoStrings(ToyClassifier):
    def targets(self, column):
        return np.array([str(value) for value in column])


class ForgetsToNormalise(ToyClassifier):
    def answer(self, z, part):
        return 1.1 * super().answer(z, part)


class StacksProbabilities(ToyClassifier):
    def predict_proba(self, X):
        found = super().predict_proba(X)
        return np.hstack(found) if isinstance(found, list) else found

    def predict(self, X):
        return np.column_stack(
            [
                classes[own.argmax(1)]
                for classes, own in zip(self.classes_, super().predict_proba(X), strict=True)
            ]
        )


class PredictsTheRarest(ToyClassifier):
    def predict(self, X):
        found = super().predict_proba(X)
        if isinstance(found, list):
            return np.column_stack(
                [classes[own.argmin(1)] for classes, own in zip(self.classes_, found, strict=True)]
            )
        return self.classes_[found.argmin(1)]


class BelievesInForeignClasses(ToyClassifier):
    def predict_proba(self, X):
        found = super().predict_proba(X)
        return (
            found
            if isinstance(found, list)
            else (found + 1e-4) / (found + 1e-4).sum(1, keepdims=True)
        )


class DividesByTheSpread(ToyRegressor):
    def learn(self, z, y, weight):
        mean_z, mean_y, slope = super().learn(z, y, weight)
        with np.errstate(all="ignore"):
            return mean_z, mean_y, slope * np.std(y) / np.std(y)


class ClipsPredictions(ToyRegressor):
    def answer(self, z, part):
        return np.clip(super().answer(z, part), -5, 5)


class PrefersTheFirstTask(ToyRegressor):
    def _answers(self, X):
        answers, codes = super()._answers(X)
        return [answer + 0.01 * (t == 0) for t, answer in enumerate(answers)], codes


class AlwaysPredictsColumns(ToyRegressor):
    def predict(self, X):
        return super().predict(X).reshape(len(X), -1)


class ShrinksInLongForm(ToyRegressor):
    def answer(self, z, part):
        return (1.0 if self.task_column is None else 0.9) * super().answer(z, part)


class WantsNumbersForIds(ToyRegressor):
    def ids(self, column):
        return super().ids(np.asarray(column, dtype=float))


class RemembersTheLastRow(ToyRegressor):
    def learn(self, z, y, weight):
        return super().learn(z, y, weight + (np.arange(len(y)) == len(y) - 1))


class GuessesForUnknownTasks(ToyRegressor):
    def unknown(self, name):
        return 0


class DoesNotNameTheUnknownTask(ToyRegressor):
    def unknown(self, name):
        raise ValueError("There is a task that was not in fit.")


class CentresWhatItPredicts(ToyRegressor):
    def answer(self, z, part):
        return super().answer(z, part) + 0.01 * z.mean()


class NamesTasksByPosition(ToyRegressor):
    def names(self, names):
        return [str(t) for t in range(len(names))]


class DoesNotCheckColumns(ToyRegressor):
    def check_names(self, X):
        pass

    def projected(self, inputs):
        return inputs @ self.direction_[: inputs.shape[1]]


class IgnoresTheSeed(ToyRegressor):
    def direction(self, p):
        return np.random.default_rng().normal(size=p)


class HasNoUseForASeed(ToyRegressor):
    def direction(self, p):
        return np.arange(1.0, p + 1)


class WantsAnInteger(ToyRegressor):
    def direction(self, p):
        return np.random.default_rng([1, self.random_state]).normal(size=p)


class SeedsNumpy(ToyRegressor):
    def direction(self, p):
        np.random.seed(self.random_state)  # noqa: NPY002
        return np.random.normal(size=p)  # noqa: NPY002


class DrawsFromPython(ToyRegressor):
    def direction(self, p):
        random.random()
        return super().direction(p)


class DrawsFromTorch(ToyRegressor):
    def direction(self, p):
        torch.rand(3)
        return super().direction(p)


class SharesAScratchpad(ToyRegressor):
    scratch: list = []
    both = threading.Barrier(2)

    def direction(self, p):
        SharesAScratchpad.scratch = [super().direction(p)]
        try:
            self.both.wait(0.5)  # alone, a fit waits in vain
        except threading.BrokenBarrierError:
            self.both.reset()
        time.sleep(0.01)
        return SharesAScratchpad.scratch[0]


class AddsOneToWeights(ToyRegressor):
    def weights(self, sample_weight, n):
        return super().weights(sample_weight, n) + (
            0 if sample_weight is None else np.arange(n) == 0
        )


class SmoothsWeights(ToyRegressor):
    def weights(self, sample_weight, n):
        return super().weights(sample_weight, n) + 0.1


class IgnoresWeights(ToyRegressor):
    def weights(self, sample_weight, n):
        return np.ones(n)


class RoutesNothing(ToyRegressor):
    def get_metadata_routing(self):
        return MetadataRequest(owner=self)


class RequestsEverything(ToyRegressor):
    def get_metadata_routing(self):
        request = super().get_metadata_routing()
        request.fit.add_request(param="sample_weight", alias=True)
        return request


class DoesNotAskForGroups(ToyClassifier):
    __metadata_request__fit = {"sensitive_features": None}


class PoolsTheScore(ToyRegressor):
    def score(self, X, y, sample_weight=None):
        known = ~np.isnan(y)
        weight = (
            None
            if sample_weight is None
            else np.broadcast_to(np.reshape(sample_weight, (-1, *[1] * (y.ndim - 1))), y.shape)[
                known
            ]
        )
        return r2_score(y[known], self.predict(X)[known], sample_weight=weight)


class ScoresTasksWithoutLabels(ToyRegressor):
    def score(self, X, y, sample_weight=None):
        scores = [
            ((column - own) ** 2)[~np.isnan(column)]
            for column, own in zip(y.T, self.predict(X).T, strict=True)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(np.mean([np.mean(errors) for errors in scores]))


class ScoresWithNaN(ToyRegressor):
    def score(self, X, y, sample_weight=None):
        return (
            float(r2_score(np.asarray(y)[:, 0], self.predict(X)[:, 0])) if np.ndim(y) == 2 else 0.0
        )


class SpoilsRareTasks(ToyRegressor):
    def learn(self, z, y, weight):
        mean_z, mean_y, slope = super().learn(z, y, weight)
        return mean_z, mean_y, slope if len(y) > 3 else np.nan


class HoldsOutRowsOfTinyTasks(ToyRegressor):
    def learn(self, z, y, weight):
        if len(y) < 2:
            raise ValueError("A task has too few rows for a validation part.")
        return super().learn(z, y, weight)


CULPRITS = {
    "check_common_factor_of_weights_changes_nothing": [SmoothsWeights],
    "check_constant_target": [DividesByTheSpread],
    "check_cross_validation_scores_are_finite": [ScoresWithNaN],
    "check_feature_names_and_number": [DoesNotCheckColumns],
    "check_fit_leaves_inputs_as_they_were": [ChangesX],
    "check_fit_leaves_parameters_as_they_were": [ChangesItsParameters],
    "check_gaps_in_targets_are_skipped": [TakesNaNForZero, TakesNaNForAClass],
    "check_global_random_states_are_left_alone": [SeedsNumpy, DrawsFromPython, DrawsFromTorch],
    "check_labels_keep_their_type": [TurnsLabelsIntoStrings],
    "check_one_column_equals_one_dimension": [AlwaysPredictsColumns],
    "check_order_of_rows_in_predict_is_irrelevant": [CentresWhatItPredicts],
    "check_order_of_tasks_in_long_form_is_irrelevant": [RemembersTheLastRow],
    "check_other_seed_gives_other_predictions": [HasNoUseForASeed],
    "check_permuted_tasks_permute_predictions": [PrefersTheFirstTask],
    "check_pickle_predicts_the_same": [PicklesSomethingElse],
    "check_predictions_stay_arrays": [PredictsFrames],
    "check_probabilities": [ForgetsToNormalise, StacksProbabilities, PredictsTheRarest],
    "check_probabilities_in_long_form": [BelievesInForeignClasses],
    "check_random_state_may_be_an_instance": [WantsAnInteger],
    "check_rare_tasks_absent_from_minibatches": [SpoilsRareTasks],
    "check_rows_without_labels_change_nothing": [CentresOverAllRows],
    "check_same_seed_gives_same_predictions": [IgnoresTheSeed],
    "check_sample_weight_is_routed_by_a_pipeline": [RoutesNothing, RequestsEverything],
    "check_sample_weight_is_routed_by_a_search": [RoutesNothing, RequestsEverything],
    "check_score_is_never_nan": [ScoresTasksWithoutLabels],
    "check_score_is_the_mean_over_tasks": [PoolsTheScore],
    "check_second_fit_forgets_the_first": [FitsOnce],
    "check_sensitive_features_are_routed": [DoesNotAskForGroups],
    "check_skops_predicts_the_same": [PicklesSomethingElse],
    "check_task_ids_may_be_any_hashables": [WantsNumbersForIds],
    "check_task_names": [NamesTasksByPosition],
    "check_threads_of_joblib_fit_the_same": [SharesAScratchpad],
    "check_tiny_tasks_stop_early_without_error": [HoldsOutRowsOfTinyTasks],
    "check_unit_weights_are_no_weights": [AddsOneToWeights],
    "check_units_of_targets_do_not_matter": [ClipsPredictions],
    "check_unknown_task_raises": [GuessesForUnknownTasks, DoesNotNameTheUnknownTask],
    "check_weights_have_an_effect": [IgnoresWeights],
    "check_wide_equals_long": [ShrinksInLongForm],
}

# They raise their own error inside the check; all others must be told by the check what is
# wrong.
REFUSE = {
    DoesNotAskForGroups,
    FitsOnce,
    HoldsOutRowsOfTinyTasks,
    ScoresWithNaN,
    WantsAnInteger,
    WantsNumbersForIds,
}
