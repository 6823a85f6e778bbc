"""A progress bar, shown only where somebody waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

# Seconds after which work is long enough to want a bar.
PATIENCE = 0.5


def track(items: Iterable, total: int, what: str, show: bool) -> Iterator:
    """Yield the items, with a bar on a terminal's standard error once they take more than half a second."""
    began, bar, task = time.monotonic(), None, None
    try:
        for done, item in enumerate(items):
            if bar is None and show and sys.stderr.isatty() and time.monotonic() - began > PATIENCE:
                bar = started()
                task = bar.add_task(what, total=total)
            if bar is not None:
                bar.update(task, completed=done)
            yield item
    finally:
        if bar is not None:
            bar.stop()


def started():
    """A bar on standard error, already shown."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    bar.start()
    return bar
