"""Validation of user input: tables, tasks, targets, weights and sensitive features."""

from skmtl.data.categorical_columns import is_categorical, resolve_categorical
from skmtl.data.category_levels import Level, codes_of, learn_levels
from skmtl.data.frames import (
    as_pandas,
    distinct,
    n_rows_of,
    one_column,
    rows_as_given,
    take_rows,
)
from skmtl.data.given_targets import as_target, long_tasks, wide_tasks
from skmtl.data.inputs import check_inputs
from skmtl.data.label_types import check_label_types, plain_labels, tidy_labels
from skmtl.data.messages import shown_names, shown_text, shown_value
from skmtl.data.row_splits import check_fraction, split_rows
from skmtl.data.sample_weights import checked_weight, weighted_rows
from skmtl.data.sensitive_features import (
    Groups,
    group_codes,
    named_columns,
    sensitive_table,
    warn_of_missing_groups,
)
from skmtl.data.task import Task
from skmtl.data.task_column import column_position, take_column, without_columns
from skmtl.data.task_ids import encode_task_ids, known_task_codes, task_name
from skmtl.data.task_table import Kind, numeric_targets
from skmtl.data.task_weights import read_task_weights
from skmtl.data.taskset import TaskSet
from skmtl.data.wide_targets import (
    column_task_name,
    in_task_order,
    target_names,
    wide_columns,
)

__all__ = ["Task", "TaskSet"]

# What other packages of skmtl use; no promise to users.
__shared__ = [
    "Groups",
    "Kind",
    "Level",
    "as_pandas",
    "as_target",
    "check_label_types",
    "check_fraction",
    "check_inputs",
    "checked_weight",
    "codes_of",
    "column_position",
    "column_task_name",
    "distinct",
    "encode_task_ids",
    "group_codes",
    "in_task_order",
    "is_categorical",
    "known_task_codes",
    "learn_levels",
    "long_tasks",
    "n_rows_of",
    "named_columns",
    "numeric_targets",
    "one_column",
    "plain_labels",
    "read_task_weights",
    "resolve_categorical",
    "rows_as_given",
    "sensitive_table",
    "shown_names",
    "shown_text",
    "shown_value",
    "split_rows",
    "take_column",
    "take_rows",
    "target_names",
    "task_name",
    "tidy_labels",
    "warn_of_missing_groups",
    "weighted_rows",
    "wide_columns",
    "wide_tasks",
    "without_columns",
]
