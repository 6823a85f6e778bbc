"""Work over threads that keeps what is finished when somebody interrupts it, and a bar for all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Condition, Event, Thread

from bayesgmm.kernel import threads
from bayesgmm.progress import track

# Seconds between two looks at how far work has come: whoever looks takes time from those who work.
_GLANCE = 0.05


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

    Items begin in their order; for ``tick`` and ``stopped`` see `flow`.
    """
    found = {}

    def one(item):
        found[item] = work(item)
        return ()

    flow([partial(one, item) for item in items], tick, stopped)
    return {item: found[item] for item in items if item in found}


def flow(jobs: Iterable[Callable], tick: Callable, stopped: Event) -> None:
    """Run jobs over all cores, and those that they make possible: a job returns the jobs that may come after it.

    They begin in the order in which they became possible. ``tick`` is called once for each that has ended.
    ``stopped`` is set at an interrupt, or where a job fails: no other begins then, and long ones look at it from time
    to time, and raise `Stopped`. A failure that is not an interrupt is raised in the end.
    """
    if stopped.is_set():
        return
    line = _Line(jobs, stopped)
    team = [Thread(target=line.work, name=f"selection-{i}", daemon=True) for i in range(threads())]
    for one in team:
        one.start()
    ticked = 0
    try:
        while not line.over.wait(_GLANCE):
            ticked = _tick_to(line.ended, ticked, tick)
    except KeyboardInterrupt:
        line.stop()
    for one in team:
        one.join()
    _tick_to(line.ended, ticked, tick)
    if line.failure is not None:
        raise line.failure


def _tick_to(ended: int, ticked: int, tick: Callable) -> int:
    for _ in range(ended - ticked):
        tick()
    return ended


class _Line:
    """Jobs that wait for a thread, and how many are at work."""

    def __init__(self, jobs: Iterable[Callable], stopped: Event):
        self._waiting, self._busy, self._stopped = deque(jobs), 0, stopped
        self._changed, self.over = Condition(), Event()
        self.ended, self.failure = 0, None

    def work(self) -> None:
        """Take one job after another until there is none, nor will be."""
        while (job := self._next()) is not None:
            more = ()
            try:
                more = list(job())
            except Stopped:
                pass
            except KeyboardInterrupt:
                self.stop()
            except BaseException as error:
                self.failure = error
                self.stop()
            with self._changed:
                self._waiting.extend(more)
                self._busy -= 1
                self.ended += 1
                self._changed.notify_all()

    def stop(self) -> None:
        """Let no other job begin."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _next(self) -> Callable | None:
        with self._changed:
            while not self._waiting and self._busy and not self._stopped.is_set():
                self._changed.wait()
            if self._waiting and not self._stopped.is_set():
                self._busy += 1
                return self._waiting.popleft()
            self.over.set()
            return None
