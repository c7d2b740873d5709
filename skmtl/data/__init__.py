"""What users pass in, read once: tasks, task ids and names, targets, weights, sensitive features."""

from skmtl.data.gathering import as_target, checked_weight, long_tasks, weighted_rows, wide_tasks
from skmtl.data.inputs import as_pandas, check_inputs, column_position, rows_as_given, take_column
from skmtl.data.names import (
    encode_task_ids,
    known_task_codes,
    read_task_weights,
    task_name,
    wide_columns,
)
from skmtl.data.rows import Kind, check_fraction, split_rows, take_rows, tidy_labels
from skmtl.data.sensitive import (
    Groups,
    group_codes,
    named_columns,
    warn_of_missing_groups,
    without_columns,
)
from skmtl.data.taskset import Task, TaskSet

__all__ = ["Task", "TaskSet"]

# What other packages of skmtl use; no promise to users.
__shared__ = [
    "Groups",
    "Kind",
    "as_pandas",
    "as_target",
    "check_fraction",
    "check_inputs",
    "checked_weight",
    "column_position",
    "encode_task_ids",
    "group_codes",
    "known_task_codes",
    "long_tasks",
    "named_columns",
    "read_task_weights",
    "rows_as_given",
    "split_rows",
    "take_column",
    "take_rows",
    "task_name",
    "tidy_labels",
    "warn_of_missing_groups",
    "weighted_rows",
    "wide_columns",
    "wide_tasks",
    "without_columns",
]
