"""Work over threads that keeps what is finished when somebody interrupts it, and a bar for all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Event

from bayesgmm.kernel import threads
from bayesgmm.progress import track


class Stopped(Exception):
    """Work was left unfinished because somebody interrupted it."""


@contextmanager
def ticking(total: int, what: str, show: bool) -> Iterator[Callable]:
    """A bar on a terminal that a call moves on by one."""
    bar = track(range(total + 1), total, what, show)
    try:
        next(bar)
        yield lambda: next(bar, None)
    finally:
        bar.close()


def over_threads(work: Callable, items: Sequence, tick: Callable, stopped: Event) -> dict:
    """What ``work(item)`` returns, by item; what is not finished when an interrupt comes is left out.

    Items begin in their order. ``stopped`` is set at an interrupt, or where work fails: long work looks at it from time
    to time, and raises `Stopped`.
    """
    found = {}
    if not items or stopped.is_set():
        return found
    with ThreadPoolExecutor(min(threads(), len(items)), thread_name_prefix="selection") as pool:
        jobs = {pool.submit(work, item): item for item in items}
        try:
            for job in as_completed(jobs):
                found[jobs[job]] = job.result()
                tick()
        except BaseException as error:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if not isinstance(error, KeyboardInterrupt):
                raise
            done = [job for job in jobs if not job.cancelled() and job.exception() is None]
            found |= {jobs[job]: job.result() for job in done}
    return {item: found[item] for item in items if item in found}
