"""The command line: ``python -m skmtl group DATA``."""

from skmtl.cli.entry import main

# What other packages of skmtl use; no promise to users.
__shared__ = ["main"]
