"""Threads, denormal numbers, devices and precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def numeric_mode(n_threads: int) -> Iterator[None]:
    """Run with this many torch threads, one thread of numpy's, and denormal numbers flushed to
    zero, in the calling thread; all are restored.

    Weights of dying units shrink into denormal numbers, on which a processor is up to a hundred
    times slower. The flag belongs to a thread and does not reach torch's own worker threads, hence
    fleets prefer several threads with one torch thread each.

    Parameters
    ----------
    n_threads : int
        Threads that torch may use within one operation.

    Yields
    ------
    None
        Nothing.

    Examples
    --------
    >>> import torch
    >>> from skmtl.network import numeric_mode
    >>> with numeric_mode(1):
    ...     torch.get_num_threads()
    1
    """
    threads, flushed = torch.get_num_threads(), _denormals_are_flushed()
    torch.set_num_threads(n_threads)
    torch.set_flush_denormal(True)
    try:
        with threadpool_limits(
            limits=1, user_api="blas"
        ):  # numpy's threads, waiting between small systems, would hold torch's up
            yield
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(threads)


def _denormals_are_flushed() -> bool:
    tiny = torch.tensor([1e-310], dtype=torch.float64)
    return bool((tiny * 0.5 == 0).item())


def resolve_device(device: str) -> torch.device:
    """Return the device of a name.

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


def members_that_fit(bytes_per_member: int, device: torch.device, passing: int = 0) -> int:
    """How many members to train in one stack.

    They take at most a quarter of the memory that is free, with what each needs for a moment of
    every step (``passing``). On CPU their activations should also stay within the processor's last
    cache (about 8 MB a thread was fastest, with little between 4 and 16), as long as that leaves
    eight members.
    """
    fitting = _free_bytes(device) // 4 // max(bytes_per_member + passing, 1)
    cached = (
        4096 if device.type == "cuda" else max(8, min(512, 8_000_000 // max(bytes_per_member, 1)))
    )
    return int(max(1, min(fitting, cached)))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return 4_000_000_000
