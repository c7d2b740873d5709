"""Pairs of tasks in messages."""

from __future__ import annotations

from collections.abc import Sequence

# Largest number of pairs that are named, and of letters of a name.
_PAIRS, _LETTERS = 4, 24


def shown_pairs(pairs: Sequence[tuple[str, str]], notes: Sequence[str] | None = None) -> str:
    """Return the names of the first pairs of tasks with their notes, and the number of others.

    Examples
    --------
    >>> shown_pairs([("young", "smiling")], ["3 common rows"])
    "'young' and 'smiling' (3 common rows)"
    """
    shown = []
    for k, pair in enumerate(pairs[:_PAIRS]):
        first, second = (
            repr(name if len(name) <= _LETTERS else name[: _LETTERS - 3] + "...") for name in pair
        )
        shown.append(f"{first} and {second}" + (f" ({notes[k]})" if notes else ""))
    more = f" and {len(pairs) - _PAIRS} more pairs" if len(pairs) > _PAIRS else ""
    return ", ".join(shown) + more
