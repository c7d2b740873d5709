"""What the benchmarks share: arguments, tables as Markdown and CSV, versions."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from types import ModuleType

import pandas as pd

RESULTS = Path(__file__).parent / "results"


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the arguments of every benchmark."""
    arguments = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--data-home",
        default=os.environ.get("SKMTL_DATA"),
        help="folder with school/school.csv.gz; default: SKMTL_DATA",
    )
    arguments.add_argument(
        "--quick",
        action="store_true",
        help="generated tasks only; writes nothing unless --out is given",
    )
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument(
        "--out", type=Path, default=None, help="folder of the results; default: benchmarks/results"
    )
    return arguments


def parse(arguments: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options; without --quick they must say where the data are."""
    options = arguments.parse_args()
    if not options.quick and not options.data_home:
        arguments.error("give --data-home, set SKMTL_DATA, or use --quick")
    return options


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, without its index."""
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * table.shape[1] + "|"]
    lines += [
        "| " + " | ".join(str(value) for value in row) + " |"
        for row in table.itertuples(index=False)
    ]
    return "\n".join(lines)


def versions(*modules: ModuleType) -> str:
    """Return the versions of Python and of modules as a phrase."""
    names = {"sklearn": "scikit-learn", "torch": "PyTorch"}
    return ", ".join(
        [f"Python {platform.python_version()}"]
        + [f"{names.get(m.__name__, m.__name__)} {m.__version__}" for m in modules]
    )


def report(options: argparse.Namespace, name: str, text: str, table: pd.DataFrame) -> None:
    """Print the text, and write it next to the table as CSV; --quick writes only where --out is
    given.
    """
    print(text)
    out = options.out or (None if options.quick else RESULTS)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        table.to_csv(out / f"{name}.csv", index=False)
        (out / f"{name}.md").write_text(text)
