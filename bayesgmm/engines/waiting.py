"""While a sampler runs: its chains in threads, a bar on a terminal, and what is kept where somebody interrupts it."""

from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import wait
from contextlib import contextmanager
from threading import Event

import numpy as np

from bayesgmm.kernel import threads
from bayesgmm.kernel.threads import pool


@contextmanager
def bar(label: str, total: int, show: bool):
    """A rich progress bar: yields ``report(done, note)``, or None where there is no terminal to show it on."""
    if not (show and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("getting ready", total=None, note="")
        yield lambda done, note: shown.update(task, description=label, total=total, completed=done, note=note)


def run_chains(chains, report) -> bool:
    """Let all chains go on until they are finished, in as many threads as there may be; False if interrupted.

    A chain has `go_on`, which takes a moment, `is_finished`, and ``done``, by which it is reported.
    """
    waiting, stop = deque(chains), Event()

    def work():
        while not stop.is_set():
            try:
                chain = waiting.popleft()
            except IndexError:  # the others are in hand
                return
            chain.go_on()
            if not chain.is_finished:
                waiting.append(chain)

    workers = min(threads(), len(chains))
    jobs = [pool(workers).submit(work) for _ in range(workers)]
    try:
        while wait(jobs, timeout=0.1).not_done:
            if report:
                report(sum(chain.done for chain in chains), "")
        whole = True
    except KeyboardInterrupt:
        whole = False
    finally:
        stop.set()
        for job in jobs:
            job.result()
    return whole


def most_draws(lengths) -> tuple[np.ndarray, int]:
    """Of chains with so many draws, which to keep and how many draws of each, so that most are kept in all.

    Examples
    --------
    >>> most_draws([40, 100, 90])
    (array([1, 2]), 90)
    """
    lengths = np.asarray(lengths)
    kept = np.sort(lengths)[::-1]
    length = int(kept[np.argmax(kept * np.arange(1, len(kept) + 1))])
    return np.flatnonzero(lengths >= length), length


def cut_short(tree, lengths, draws: int):
    """Draws that an interrupt cut short: the chains and draws that `most_draws` keeps, and a note of it.

    Raises
    ------
    KeyboardInterrupt
        If no chain has a draw.
    """
    import xarray as xr

    chains, length = most_draws(lengths)
    if length == 0:
        raise KeyboardInterrupt("no chain had finished its warm-up, so there are no draws to keep")
    for name in ("posterior", "sample_stats"):
        tree[name] = xr.DataTree(tree[name].to_dataset().isel(chain=chains, draw=slice(length)))
    tree.attrs |= {"incomplete": 1, "kept": f"{length} of {draws} draws of {len(chains)} of {len(lengths)} chains"}
    return tree
