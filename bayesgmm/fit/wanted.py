"""``starts=`` as a user may say it: a number, names with counts, or beginnings of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bayesgmm.mixture import Mixture

#: Names of starts; the last are made from the best end of the others, and need three components.
NAMES = ("hierarchy", "kmeans++", "random", "split-merge")
HIERARCHY, MOVES = NAMES[0], NAMES[3]
# Ways to grow a tree, and how far a row of responsibilities may be from one.
_TREES, _SUMS = 3, 1e-6


class Wanted(NamedTuple):
    """Some starts: a name and how many, or one of a user's own, labels as responsibilities."""

    name: str
    count: int = 1
    own: np.ndarray | Mixture | None = None

    def of_rows(self, kept) -> Wanted:
        """The same where only some rows are left; ``kept`` is a mask (N,)."""
        return self._replace(own=self.own[kept]) if isinstance(self.own, np.ndarray) else self


def wanted(starts, n_components: int, n_obs: int, n_features: int) -> tuple[Wanted, ...]:
    """Read ``starts=``.

    An int n means about a third by hierarchy, at most three; every fifth by split and merge, where K > 2; and of the
    others half by k-means++, half at random.

    Raises
    ------
    ValueError
        If it cannot be read, or does not fit K, N or D; one sentence says what to give.

    Examples
    --------
    >>> [(w.name, w.count) for w in wanted(10, 2, 100, 3)]
    [('hierarchy', 3), ('kmeans++', 3), ('random', 4)]
    >>> [w.count for w in wanted(10, 3, 100, 3)]
    [3, 2, 3, 2]
    >>> [(w.name, w.count) for w in wanted(["hierarchy", {"kmeans++": 4}, [0, 0, 1]], 2, 3, 1)]
    [('hierarchy', 1), ('kmeans++', 4), ('labels', 1)]
    """
    if isinstance(starts, tuple) and starts and all(isinstance(s, Wanted) for s in starts):
        return starts
    found = tuple(_read(starts, n_components, n_obs, n_features))
    if not sum(w.count for w in found):
        raise ValueError(f"starts={starts!r} asks for no start; ask for one or more")
    return found


def how_many(starts: tuple[Wanted, ...]) -> int:
    """The number of climbs begun."""
    return sum(w.count for w in starts)


def _read(starts, k, n, d):
    if isinstance(starts, str):
        starts = {starts: 1}
    if isinstance(starts, Mapping):
        return _named(starts)
    if isinstance(starts, int | np.integer | float):
        return _mixed(at_least_one(starts, "starts"), k)
    mixture = getattr(starts, "mixture", starts)
    if isinstance(mixture, Mixture):
        return [_of_mixture(mixture, k, d)]
    if _is_list_of_starts(starts):
        return [w for one in starts for w in _read(one, k, n, d)]
    return [_of_array(starts, k, n)]


def _mixed(n: int, k: int) -> list[Wanted]:
    trees, moves = min(_TREES, -(-n // 3)), n // 5 if k > 2 else 0
    rest = n - trees - moves
    counts = (trees, rest // 2, -(-rest // 2), moves)
    return [Wanted(name, count) for name, count in zip(NAMES, counts, strict=True) if count]


def _named(counts):
    for name, count in counts.items():
        if name not in NAMES:
            raise ValueError(f"starts names {name!r}, which is not known; use {', '.join(map(repr, NAMES))}")
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"starts={{{name!r}: {count!r}}}: give a whole number of starts")
        if name == HIERARCHY and count > _TREES:
            raise ValueError(f"starts asks for {count} starts by hierarchy, but there are {_TREES}; ask for others")
    return [Wanted(name, int(count)) for name, count in counts.items() if count]


def _is_list_of_starts(value) -> bool:
    """Whether a list holds starts, rather than labels or rows of responsibilities."""
    return isinstance(value, list | tuple) and (not value or not all(
        isinstance(one, int | float | np.number) or (isinstance(one, list | tuple) and not _is_list_of_starts(one))
        for one in value
    ))


def _of_mixture(mixture, k, d) -> Wanted:
    if (mixture.n_components, mixture.n_features) != (k, d):
        raise ValueError(
            f"starts has a mixture of {mixture.n_components} components of {mixture.n_features} features, but "
            f"n_components is {k} and x has {d} features; give one that fits"
        )
    return Wanted("mixture", 1, mixture)


def _of_array(values, k, n) -> Wanted:
    try:
        array = np.asarray(values)
        numbers = array.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"starts={values!r:.60} cannot be read; {_ASK}") from None
    if array.ndim not in (1, 2) or array.shape[0] != n:
        what = f"shape {array.shape}" if array.ndim != 1 else f"{len(array)} labels"
        raise ValueError(f"starts has {what}, but x has {n} rows; {_ASK}")
    return _of_labels(numbers, k) if array.ndim == 1 else _of_responsibilities(numbers, k)


_ASK = (
    "give a number, names with counts, such as {'hierarchy': 1, 'kmeans++': 9}, one label 0 … K − 1 a row, "
    "responsibilities (N, K), a Mixture, a Fit, or a list of these"
)


def _of_labels(labels, k) -> Wanted:
    bad = ~np.isin(labels, np.arange(k))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"starts has the label {labels[row]:g} in row {row}; labels must be 0 … {k - 1}")
    missing = sorted({*range(k)} - {*labels.astype(int).tolist()})
    if missing:
        raise ValueError(f"starts has no row with the label {missing[0]}; each of 0 … {k - 1} needs rows")
    return Wanted("labels", 1, np.eye(k)[labels.astype(int)])


def _of_responsibilities(r, k) -> Wanted:
    if r.shape[1] != k:
        raise ValueError(f"starts has responsibilities of {r.shape[1]} components, but n_components is {k}")
    bad = ~((r >= 0).all(axis=1) & (np.abs(r.sum(axis=1) - 1) <= _SUMS))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"starts has responsibilities {r[row].tolist()} in row {row}; they must be non-negative and sum to one"
        )
    if not (r.sum(axis=0) > 0).all():
        raise ValueError(f"starts gives component {int((r.sum(axis=0) <= 0).argmax())} no row; each needs some")
    return Wanted("responsibilities", 1, r)


def at_least_one(value, name: str) -> int:
    """Check a count that a user gave."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
    return int(value)
