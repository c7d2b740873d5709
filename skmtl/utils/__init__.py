"""Tools for developers of multi-task estimators."""

from skmtl.utils.estimator_checks import (
    check_multitask_estimator,
    multitask_checks,
    parametrize_with_checks,
)

__all__ = ["check_multitask_estimator", "multitask_checks", "parametrize_with_checks"]
