"""Cross-validation splits for many tasks with missing labels."""

from skmtl.splitting.splitters import MultiTaskKFold

# What other packages of skmtl use; no promise to users.
__shared__ = ["MultiTaskKFold"]
