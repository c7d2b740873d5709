"""Names and values in warnings and errors, shortened where they are many or long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Longest name that is shown in full.
_LONGEST = 40


def shown_names(names: Iterable[Any], at_most: int = 5) -> str:
    """Format names for a message: the first few, quoted, and their number if there are more.

    Examples
    --------
    >>> from skmtl.data import shown_names
    >>> shown_names(["a", "b"]), shown_names(range(9), at_most=2)
    ("'a', 'b'", '0, 1, ... (9 in all)')
    """
    listed = list(names)
    shown = ", ".join(shown_value(name) for name in listed[:at_most])
    return shown + (f", ... ({len(listed)} in all)" if len(listed) > at_most else "")


def shown_value(value: Any) -> str:
    """Format a value for a message, cut if it is long; numpy scalars as Python ones."""
    text = repr(value.item() if hasattr(value, "item") and not hasattr(value, "len") else value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
