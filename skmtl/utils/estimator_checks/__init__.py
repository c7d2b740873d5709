"""The contract of multi-task estimators, as checks for any estimator.

A check is a function ``check(name, estimator)``: it fits clones of ``estimator`` on small data and
raises where a promise is broken; ``name`` is how messages call the estimator.
:func:`check_multitask_estimator` runs all that suit an estimator, :func:`parametrize_with_checks`
makes each a test of pytest.
"""

from skmtl.utils.estimator_checks.interface import (
    check_fit_leaves_inputs_as_they_were,
    check_fit_leaves_parameters_as_they_were,
    check_pickle_predicts_the_same,
    check_predictions_stay_arrays,
    check_second_fit_forgets_the_first,
    check_skops_predicts_the_same,
)
from skmtl.utils.estimator_checks.labels import (
    check_constant_target,
    check_gaps_in_targets_are_skipped,
    check_labels_keep_their_type,
    check_probabilities,
    check_probabilities_in_long_form,
    check_rows_without_labels_change_nothing,
    check_units_of_targets_do_not_matter,
)
from skmtl.utils.estimator_checks.layouts import (
    check_feature_names_and_number,
    check_one_column_equals_one_dimension,
    check_order_of_rows_in_predict_is_irrelevant,
    check_order_of_tasks_in_long_form_is_irrelevant,
    check_permuted_tasks_permute_predictions,
    check_task_ids_may_be_any_hashables,
    check_task_names,
    check_unknown_task_raises,
    check_wide_equals_long,
)
from skmtl.utils.estimator_checks.randomness import (
    check_global_random_states_are_left_alone,
    check_other_seed_gives_other_predictions,
    check_random_state_may_be_an_instance,
    check_same_seed_gives_same_predictions,
    check_threads_of_joblib_fit_the_same,
)
from skmtl.utils.estimator_checks.routing import (
    check_sample_weight_is_routed_by_a_pipeline,
    check_sample_weight_is_routed_by_a_search,
    check_sensitive_features_are_routed,
)
from skmtl.utils.estimator_checks.scoring import (
    check_cross_validation_scores_are_finite,
    check_score_is_never_nan,
    check_score_is_the_mean_over_tasks,
)
from skmtl.utils.estimator_checks.suite import (
    check_multitask_estimator,
    multitask_checks,
    parametrize_with_checks,
)
from skmtl.utils.estimator_checks.training import (
    check_rare_tasks_absent_from_minibatches,
    check_tiny_tasks_stop_early_without_error,
)
from skmtl.utils.estimator_checks.weights import (
    check_common_factor_of_weights_changes_nothing,
    check_unit_weights_are_no_weights,
    check_weights_have_an_effect,
)

__all__ = [
    "check_common_factor_of_weights_changes_nothing",
    "check_constant_target",
    "check_cross_validation_scores_are_finite",
    "check_feature_names_and_number",
    "check_fit_leaves_inputs_as_they_were",
    "check_fit_leaves_parameters_as_they_were",
    "check_gaps_in_targets_are_skipped",
    "check_global_random_states_are_left_alone",
    "check_labels_keep_their_type",
    "check_multitask_estimator",
    "check_one_column_equals_one_dimension",
    "check_order_of_rows_in_predict_is_irrelevant",
    "check_order_of_tasks_in_long_form_is_irrelevant",
    "check_other_seed_gives_other_predictions",
    "check_permuted_tasks_permute_predictions",
    "check_pickle_predicts_the_same",
    "check_predictions_stay_arrays",
    "check_probabilities",
    "check_probabilities_in_long_form",
    "check_random_state_may_be_an_instance",
    "check_rare_tasks_absent_from_minibatches",
    "check_rows_without_labels_change_nothing",
    "check_same_seed_gives_same_predictions",
    "check_sample_weight_is_routed_by_a_pipeline",
    "check_sample_weight_is_routed_by_a_search",
    "check_score_is_never_nan",
    "check_score_is_the_mean_over_tasks",
    "check_second_fit_forgets_the_first",
    "check_sensitive_features_are_routed",
    "check_skops_predicts_the_same",
    "check_task_ids_may_be_any_hashables",
    "check_task_names",
    "check_threads_of_joblib_fit_the_same",
    "check_tiny_tasks_stop_early_without_error",
    "check_unit_weights_are_no_weights",
    "check_units_of_targets_do_not_matter",
    "check_unknown_task_raises",
    "check_weights_have_an_effect",
    "check_wide_equals_long",
    "multitask_checks",
    "parametrize_with_checks",
]
