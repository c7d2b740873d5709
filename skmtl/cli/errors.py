"""What a user did that cannot work."""

from __future__ import annotations


class InputError(Exception):
    """Bad input; the command line says it in one line and ends with exit code 2."""
