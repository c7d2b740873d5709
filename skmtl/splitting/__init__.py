"""Cross-validation splits for many tasks with missing labels."""

from skmtl.splitting.splitters import MultiTaskKFold

__all__ = ["MultiTaskKFold"]
