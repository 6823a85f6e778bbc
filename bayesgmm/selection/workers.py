"""Work over threads, with a bar, that keeps what is finished when somebody interrupts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

from bayesgmm.fit.progress import track
from bayesgmm.kernel import threads


class Stopped(Exception):
    """Work was left unfinished because somebody interrupted it."""


def over_threads(work: Callable, items: Sequence, what: str, show: bool, stopped: Event | None = None) -> dict:
    """What ``work(item)`` returns, by item; what is not finished when an interrupt comes is left out.

    Items begin in their order. ``stopped`` is set at an interrupt, or where work fails: long work looks at it from time
    to time, and raises `Stopped`.
    """
    stopped = Event() if stopped is None else stopped
    found = {}
    with ThreadPoolExecutor(max(1, min(threads(), len(items))), thread_name_prefix="select") as pool:
        jobs = {pool.submit(work, item): item for item in items}
        try:
            for job in track(as_completed(jobs), len(jobs), what, show):
                found[jobs[job]] = job.result()
        except BaseException as error:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if not isinstance(error, KeyboardInterrupt):
                raise
            done = [job for job in jobs if not job.cancelled() and job.exception() is None]
            found |= {jobs[job]: job.result() for job in done}
    return {item: found[item] for item in items if item in found}
