"""Jobs in threads that somebody waits for: a bar on a terminal, and an interrupt that keeps what is finished."""

from __future__ import annotations

import sys
import time
from collections import deque
from concurrent.futures import wait

import numpy as np

from bayesgmm.kernel import threads
from bayesgmm.kernel.threads import pool
from bayesgmm.progress import PATIENCE, started

# Seconds between two looks.
_LOOK = 0.1


def in_threads(jobs: list, halt: np.ndarray, *, what: str, show: bool) -> list:
    """Call each job in one of the kernel's threads; its answer, or None for those that an interrupt left out.

    A job that runs is to end early once ``halt[0]`` is not 0, which an interrupt sees to.

    Raises
    ------
    KeyboardInterrupt
        If no job had begun.

    Examples
    --------
    >>> in_threads([lambda: 1, lambda: 2], np.zeros(1, int), what="numbers", show=False)
    [1, 2]
    """
    todo, found = deque(enumerate(jobs)), [None] * len(jobs)

    def work():
        while todo and not halt[0]:
            try:
                place, job = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            found[place] = job()

    workers = max(1, min(threads(), len(jobs)))
    running = [pool(workers).submit(work) for _ in range(workers)]
    try:
        _watch(running, found, what, show and sys.stderr.isatty())
    except KeyboardInterrupt:
        halt[0] = 1
        wait(running)
        if all(answer is None for answer in found):
            raise
    for one in running:
        one.result()
    return found


def _watch(running, found: list, what: str, show: bool) -> None:
    began, bar, task = time.monotonic(), None, None
    try:
        while wait(running, timeout=_LOOK).not_done:
            if show and bar is None and time.monotonic() - began > PATIENCE:
                bar = started()
                task = bar.add_task(what, total=len(found))
            if bar is not None:
                bar.update(task, completed=sum(answer is not None for answer in found))
    finally:
        if bar is not None:
            bar.stop()
