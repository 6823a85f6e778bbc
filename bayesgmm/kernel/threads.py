"""How many threads an E-step over many rows may use. Results do not depend on it, to the last bit."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def _available() -> int:
    asked = os.environ.get("BAYESGMM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_limit = _available()


def threads() -> int:
    """The number of threads in use: every available core, or the environment's ``BAYESGMM_THREADS``.

    Examples
    --------
    >>> threads() >= 1
    True
    """
    return _limit


def set_threads(n: int) -> int:
    """Use at most ``n`` threads from now on; returns the number used before.

    Raises
    ------
    ValueError
        If ``n`` is below 1.

    Examples
    --------
    >>> before = set_threads(1)
    >>> threads(), set_threads(before)
    (1, 1)
    """
    global _limit
    if n < 1:
        raise ValueError(f"set_threads(n) needs n of at least 1, not {n}")
    before, _limit = _limit, int(n)
    return before


@cache
def pool(size: int) -> ThreadPoolExecutor:
    """The worker threads, started once for each size and kept."""
    return ThreadPoolExecutor(size, thread_name_prefix="bayesgmm")


# A forked child inherits the pools but none of their threads, and would wait for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)
