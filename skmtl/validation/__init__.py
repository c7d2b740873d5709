"""What long computations tell their caller."""

from skmtl.validation.progress import Stage, progress_to

__all__ = ["Stage", "progress_to"]
