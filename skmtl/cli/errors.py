"""Exception for bad input."""

from __future__ import annotations


class InputError(Exception):
    """Bad input; the command line prints it in one line and exits with code 2."""
