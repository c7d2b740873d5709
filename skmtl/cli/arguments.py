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
Find out which tasks of a table should be trained together.

A task is a prediction problem with its rows: a school, a shop, a machine. The
command trains many small networks, measures which tasks help each other,
chooses task groups, and compares three strategies on held-out rows: one
network per task (single-task), one for all tasks (joint), and one per task
group (grouped).
"""
_LARGEST_SEED = 2**32 - 1


class _Parser(argparse.ArgumentParser):
    """Argument parser that reports errors in one line, as the other commands do."""

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
        raise InputError("a command is missing: run 'skmtl group DATA', or 'skmtl --help' for help")
    return options


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="skmtl",
        description="Multi-task learning on tabular data.",
        epilog=_EXAMPLES,
        formatter_class=plain,
        allow_abbrev=False,
    )
    # The version comes from the loaded package: the command line does not import skmtl itself.
    parser.add_argument(
        "--version",
        action="version",
        version=f"skmtl {sys.modules['skmtl'].__version__}",
        help="print the version and exit",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    group = commands.add_parser(
        "group",
        help="find out which tasks should be trained together",
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
        help="column with the task of each row (required for a file)",
    )
    group.add_argument(
        "--target",
        metavar="COLUMN",
        help="column to predict (required for a file); all other columns are inputs",
    )
    group.add_argument(
        "--kind",
        choices=("regression", "classification"),
        help="predict numbers or classes (default: inferred from the target)",
    )
    group.add_argument(
        "--pairs",
        type=_number(float, 0, 1, above=True),
        default=0.25,
        metavar="SHARE",
        help="fraction of the task pairs to measure (default 0.25)",
    )
    group.add_argument(
        "--repeats",
        type=_number(int, 1),
        default=4,
        metavar="N",
        help="repeated measurements per pair, which are averaged (default 4)",
    )
    group.add_argument(
        "--method",
        choices=("beam", "sdp"),
        help="search that proposes groupings (default: both, with several numbers of groups)",
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
        help="random seed (default 0)",
    )
    group.add_argument(
        "--data-home", metavar="DIR", help="folder with the files of the named data sets"
    )
    return parser


def _number(
    kind: type, low: float, high: float | None = None, *, above: bool = False
) -> Callable[[str], Any]:
    """Return a parser of numbers in a range; ``above`` excludes its lower end."""
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
