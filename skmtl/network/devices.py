"""Devices and their memory."""

from __future__ import annotations

import os

import torch


def resolve_device(device: str) -> torch.device:
    """Return the torch device with a given name.

    Parameters
    ----------
    device : str
        "auto" (cuda where there is one, else cpu), "cpu", "cuda" or "cuda:<index>".

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If the name is unknown or there is no such device.

    Examples
    --------
    >>> from skmtl.network import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            "The 'device' parameter must be 'auto', 'cpu', 'cuda' or 'cuda:<index>'. Got "
            f"{device!r} instead."
        ) from None
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(
            "The 'device' parameter must be 'auto', 'cpu', 'cuda' or 'cuda:<index>'. Got "
            f"{device!r} instead."
        )
    if resolved.type == "cuda" and (
        not torch.cuda.is_available() or (resolved.index or 0) >= torch.cuda.device_count()
    ):
        raise ValueError(
            f"The 'device' parameter is {device!r}, but this machine has "
            f"{torch.cuda.device_count()} CUDA devices."
        )
    return resolved


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not available on every system
        return 4_000_000_000
