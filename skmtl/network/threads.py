"""Number of threads, and denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def numeric_mode(n_threads: int) -> Iterator[None]:
    """Limit threads of torch and numpy, and flush denormal numbers to zero, in a context.

    Weights of inactive units decay to denormal numbers, which are up to a hundred times slower.
    The flag belongs to the calling thread and does not reach torch's own worker
    threads. All settings are restored at the end.

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
        # Waiting numpy threads would delay those of torch.
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(threads)


def _denormals_are_flushed() -> bool:
    tiny = torch.tensor([1e-310], dtype=torch.float64)
    return bool((tiny * 0.5 == 0).item())
