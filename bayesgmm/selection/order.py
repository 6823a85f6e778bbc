"""In which order the cells of a sweep are climbed: each as soon as those that it begins from are there.

A cell's first climbs need the starts of its K, and the last climbs of its family with the number before; its last
climbs need the first ones of all families of its K. What is found does not depend on how many threads there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock

from bayesgmm.families import Family
from bayesgmm.selection.sweep import Beginnings, Cell, Problem


class Order:
    """Jobs for `workers.flow`, and the cells that they leave."""

    def __init__(self, problem: Problem, numbers: Sequence[int], families: Sequence[Family]):
        self._problem, self._numbers, self._families = problem, list(numbers), list(families)
        self._after = dict(zip(self._numbers, self._numbers[1:], strict=False))
        self._lock, self._begun, self._met = Lock(), {}, Counter()
        self._first: dict[tuple[int, str], Cell] = {}
        self._last: dict[tuple[int, str], Cell] = {}

    @property
    def n_jobs(self) -> int:
        """How many jobs there are at most."""
        return len(self._numbers) * (1 + 2 * len(self._families))

    @property
    def cells(self) -> dict[tuple[int, str], Cell]:
        """By (K, code), the last that there is of each."""
        found = self._first | self._last
        keys = ((k, family.code) for k in self._numbers for family in self._families)
        return {key: found[key] for key in keys if key in found}

    def jobs(self) -> list[Callable]:
        """Those that nothing comes before."""
        k = self._numbers[0]
        for family in self._families:
            self._met[k, family.code] += 1
        return [partial(self._begin, k)]

    def _begin(self, k: int) -> list[Callable]:
        found = self._problem.begin(k)
        with self._lock:
            self._begun[k] = found
            more = [job for family in self._families for job in self._allowed(k, family)]
        return more + ([partial(self._begin, self._after[k])] if k in self._after else [])

    def _allowed(self, k: int, family: Family) -> list[Callable]:
        """The first climbs of a cell, once both that they wait for are there."""
        self._met[k, family.code] += 1
        return [partial(self._climb_first, k, family, self._begun[k])] if self._met[k, family.code] == 2 else []

    def _climb_first(self, k: int, family: Family, begin: Beginnings) -> list[Callable]:
        cell = self._problem.first(self._last, k, begin, family)
        with self._lock:
            self._first[cell.key] = cell
            here = {(k, other.code): self._first.get((k, other.code)) for other in self._families}
        return [] if None in here.values() else [partial(self._climb_last, here, one) for one in here.values()]

    def _climb_last(self, here: dict[tuple[int, str], Cell], cell: Cell) -> list[Callable]:
        found = cell if cell.target is None else self._problem.again(here, cell)
        with self._lock:
            self._last[found.key] = found
            after = self._after.get(cell.n_components)
            return [] if after is None else self._allowed(after, cell.family)
