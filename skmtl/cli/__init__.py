"""The command line: ``python -m skmtl group DATA``."""

from skmtl.cli.entry import main

__all__ = ["main"]
