"""Entry point of the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from skmtl.cli.arguments import parse
from skmtl.cli.data import read_data
from skmtl.cli.errors import InputError
from skmtl.cli.files import FILES, check_folder, contents, write
from skmtl.cli.strategies import compare
from skmtl.cli.text import closing, opening, plain, results, say
from skmtl.support import progress_bar


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Arguments without the name of the program; None = those of the process.

    Returns
    -------
    int
        Exit code: 0 on success; 2 for arguments or data that cannot be used, with one line on the
        error stream; 130 when interrupted.

    Examples
    --------
    >>> from skmtl.cli import main
    >>> main(["--version"])
    skmtl ...
    0
    """
    try:
        _group(parse(arguments))
    except InputError as error:
        print(f"skmtl: {' '.join(plain(str(error)).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("skmtl: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has had enough; the files are written
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    return 0


def _group(options: argparse.Namespace) -> None:
    if not options.out.strip():
        raise InputError("--out: the name of the folder is empty")
    folder = Path(options.out)
    data = read_data(options)
    check_folder(folder)
    say(*opening(data))
    try:
        with progress_bar():
            comparison = compare(data, options)
    except (ValueError, MemoryError) as error:
        raise InputError(f"{data.name} cannot be used: {error or type(error).__name__}") from error
    files, missing = contents(comparison)
    write(folder, files)
    say(
        *results(comparison),
        *closing(
            comparison.report, str(folder), [name for name in FILES if name in files], missing
        ),
    )
