"""A progress bar for interactive terminals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from skmtl.support.progress import progress_to


@contextmanager
def progress_bar() -> Iterator[None]:
    """Show a progress bar in this context, if output goes to a terminal and rich is installed.

    Yields
    ------
    None
        Nothing; the bar disappears when the context ends.

    Examples
    --------
    >>> from skmtl.support import Stage, progress_bar
    >>> with progress_bar():  # no terminal, no bar
    ...     Stage("pairs", total=2).advance(2)
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield
        return
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )
    except ImportError:
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in shown:
                shown[stage] = bar.add_task(stage, total=total)
            bar.update(shown[stage], completed=done, total=total)

        with progress_to(advance):
            yield
