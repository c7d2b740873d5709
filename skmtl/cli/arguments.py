"""Arguments of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from skmtl.cli.errors import InputError
from skmtl.cli.named import NAMED_SETS

_EXAMPLES = """\
examples:
  python -m skmtl group junior_school
  python -m skmtl group pupils.csv --task school --target score --out report
"""
_GROUP = """\
Find out which tasks of a table should learn together.

A task is one thing to predict with rows of its own: a school, a shop, a
machine. The command trains many small networks, measures which tasks help each
other, chooses groups, and compares three ways of training on rows that were
kept aside: one network per task, one for all tasks, and one per group.
"""
_LARGEST_SEED = 2**32 - 1


class _Parser(argparse.ArgumentParser):
    """Parser whose complaints are one line, as all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of a command line.

    Parameters
    ----------
    arguments : sequence of str or None
        Arguments; None = those of the process.

    Returns
    -------
    Namespace
        The options.
    """
    options = _parser().parse_args(arguments)
    if options.command is None:
        raise InputError("say what to do: 'skmtl group DATA', or 'skmtl --help' for help")
    return options


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="skmtl",
        description="Multi-task learning on tables.",
        epilog=_EXAMPLES,
        formatter_class=plain,
        allow_abbrev=False,
    )
    # The command line may not import from the roof of the package, which is always loaded before
    # it.
    parser.add_argument(
        "--version",
        action="version",
        version=f"skmtl {sys.modules['skmtl'].__version__}",
        help="print the version and stop",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    group = commands.add_parser(
        "group",
        help="find out which tasks should learn together",
        description=_GROUP,
        epilog=_EXAMPLES,
        formatter_class=plain,
        allow_abbrev=False,
    )
    group.add_argument(
        "data",
        metavar="DATA",
        help=f"a CSV or Parquet file, or the name of a data set: {', '.join(NAMED_SETS)}",
    )
    group.add_argument(
        "--task",
        metavar="COLUMN",
        help="column that says which task a row belongs to (needed for a file)",
    )
    group.add_argument(
        "--target",
        metavar="COLUMN",
        help="column to predict (needed for a file); all other columns are inputs",
    )
    group.add_argument(
        "--kind",
        choices=("regression", "classification"),
        help="predict numbers or classes; worked out from the target if left out",
    )
    group.add_argument(
        "--pairs",
        type=_number(float, 0, 1, above=True),
        default=0.25,
        metavar="SHARE",
        help="share of the task pairs to measure (default 0.25)",
    )
    group.add_argument(
        "--repeats",
        type=_number(int, 1),
        default=4,
        metavar="N",
        help="measurements of every pair, averaged (default 4)",
    )
    group.add_argument(
        "--method",
        choices=("beam", "sdp"),
        help="search that proposes the groups (default: both, with several numbers of groups)",
    )
    group.add_argument(
        "--jobs", type=_number(int, 1), metavar="N", help="processes (default: one per core)"
    )
    group.add_argument(
        "--out",
        default="skmtl-report",
        metavar="DIR",
        help="folder for the results (default skmtl-report)",
    )
    group.add_argument(
        "--seed",
        type=_number(int, 0, _LARGEST_SEED),
        default=0,
        metavar="S",
        help="seed of everything random (default 0)",
    )
    group.add_argument(
        "--data-home", metavar="DIR", help="folder with the files of the named data sets"
    )
    return parser


def _number(
    kind: type, low: float, high: float | None = None, *, above: bool = False
) -> Callable[[str], Any]:
    """Return a reader of numbers in a range; ``above`` leaves out its lower end."""
    noun = "a whole number" if kind is int else "a number"
    span = (
        f"at least {low}" if high is None else f"{'above' if above else 'from'} {low} up to {high}"
    )

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if (
            value is None
            or not (value > low if above else value >= low)
            or (high is not None and not value <= high)
        ):
            raise argparse.ArgumentTypeError(f"must be {noun} {span}, got {text!r}")
        return value

    return read
