"""Named tasks with their data."""

from skmtl.tasks.names import (
    encode_task_ids,
    known_task_codes,
    read_task_weights,
    task_name,
    wide_columns,
)
from skmtl.tasks.rows import Kind, check_fraction, split_rows, take_rows, tidy_labels
from skmtl.tasks.taskset import Task, TaskSet

__all__ = [
    "Kind",
    "Task",
    "TaskSet",
    "check_fraction",
    "encode_task_ids",
    "known_task_codes",
    "read_task_weights",
    "split_rows",
    "take_rows",
    "task_name",
    "tidy_labels",
    "wide_columns",
]
