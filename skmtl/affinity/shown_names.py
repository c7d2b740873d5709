"""Lists of task names in messages."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], at_most: int = 8, width: int = 32) -> str:
    """Return names as text of bounded length: the first few, shortened, and their number."""
    shown = [name if len(name) <= width else name[: width - 3] + "..." for name in names[:at_most]]
    more = f", ... ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(shown) + more
