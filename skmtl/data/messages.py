"""Names and values in warnings and errors, shortened where they are many or long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

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
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def shown_text(text: object, at_most: int = 120) -> str:
    """Return a text, or what an object prints, for a message, cut where it is long."""
    found = str(text)
    return found if len(found) <= at_most else f"{found[: at_most - 3]}..."
