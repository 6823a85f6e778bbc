"""`select`: fit every number of components of every covariance family, and choose."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from threading import Event

import numpy as np

from bayesgmm.data import DataError, as_table
from bayesgmm.families import FAMILIES, UNIVARIATE, Family, univariate
from bayesgmm.families import family as family_of
from bayesgmm.fit.degenerate import DegenerateFit
from bayesgmm.fit.hierarchy import hierarchy
from bayesgmm.fit.moments import moments
from bayesgmm.fit.scaling import counted
from bayesgmm.priors import prior as prior_of
from bayesgmm.selection.fits import as_fit, polished
from bayesgmm.selection.ground import Ground
from bayesgmm.selection.merging import merge_components
from bayesgmm.selection.order import Order
from bayesgmm.selection.selection import Selection, table_of
from bayesgmm.selection.sweep import Cell, Problem
from bayesgmm.selection.words import CRITERIA
from bayesgmm.selection.workers import flow, over_threads, ticking

# So many of the best are climbed to all digits; the others are as good as that to what a table shows.
_POLISHED = 3


def select(x, n_components=range(1, 10), *, covariance_types="all", criterion="bic", prior=None, starts=10,
           case_weights=None, missing="raise", seed=None, progress=True) -> Selection:  # fmt: skip
    """Fit every number of components of every covariance family, over all cores, and choose by a criterion.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Rows in data units.
    n_components : int or iterable of int
        The numbers K to try.
    covariance_types : "all", str or iterable of str
        Families, by mclust's codes or scikit-learn's names. For one feature there are two, E and V.
    criterion : {"bic", "icl", "aic"}
        What chooses the best; lower is better. All three are in the table.
    prior : str or Prior, optional
        Maximise the posterior density instead, as in `fit_mle`; criteria are then at that mode (Fraley & Raftery 2007).
        Families without a closed-form M-step under it are noted, and left out.
    starts : int, str or mapping
        Climbs begun of every fit, as in `fit_mle`: a number, or names with counts. Where other fits have ended is tried
        as well.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.
    missing : {"raise", "marginalise"}
        As in `fit_mle`.
    seed : int, optional
        The same seed gives the same selection, whatever the number of threads.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Selection
        ``.best``, ``.table``, ``.ranking``, ``.fits[K, family]``; `bayesgmm.plot_selection` draws it. An interrupt
        (Ctrl-C) ends it early: what is finished is there, and ``.incomplete`` is true.

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used; the message says where and what to do.
    DegenerateFit
        If not one fit came through.

    Notes
    -----
    A fit with a component that has collapsed is no fit: its likelihood has no maximum there. The best mode that is not
    degenerate is taken instead, and where there is none the table says why.

    References
    ----------
    Schwarz (1978) and Fraley & Raftery (2002) for BIC; Biernacki, Celeux & Govaert (2000) for ICL; Celeux & Govaert
    (1995) for the families.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful")
    >>> found = select(x, [1, 2, 3], covariance_types=["full", "tied"], seed=0, progress=False)
    >>> found.best.n_components, found.best.covariance_type
    (3, 'tied')
    >>> found.ranking[["n_components", "covariance_type", "bic"]].head(2).round(1)
       n_components covariance_type     bic
    0             3             EEE  2314.3
    1             2             VVV  2322.2
    """
    table, weights = counted(as_table(x, fitting=True, keep=True, missing=missing), case_weights)
    numbers, families = numbers_of(n_components), _families(covariance_types, table.n_features)
    if criterion not in CRITERIA:
        raise DataError(f"criterion must be one of {', '.join(map(repr, CRITERIA))}, not {criterion!r}")
    prior = None if prior is None else prior_of(prior)
    ground = Ground(table, weights, moments(table.rows, weights))
    problem = Problem(ground, prior, _starts(starts), np.random.SeedSequence(seed), hierarchy(table.rows, weights),
                      Event())  # fmt: skip
    cells, complete = _swept(problem, numbers, families, progress)
    fits = {key: as_fit(cell, problem) for key, cell in cells.items() if cell.best is not None}
    sound = [key for key in fits if not cells[key].degenerate]
    if not sound:
        raise _nothing(list(cells.values()))
    highest = sorted(sound, key=lambda key: getattr(fits[key], criterion))[:_POLISHED]
    interrupted = Event()
    fits |= over_threads(lambda key: polished(fits[key], cells[key], problem), highest, lambda: None, interrupted)
    first = min((fits[key] for key in sound), key=lambda fit: fit.bic)
    rows, incomplete = table_of(list(cells.values()), fits, table.n_features), interrupted.is_set() or not complete
    merging = merge_components(first, table, case_weights=weights)
    return Selection(fits, rows, criterion, ground.whole.total, incomplete, merging)


def _swept(problem: Problem, numbers: list[int], families: list[Family], progress: bool) -> tuple[dict, bool]:
    """Every cell by (K, code), as far as somebody let it come; and whether that is all."""
    order = Order(problem, numbers, families)
    with ticking(order.n_jobs, "fits", progress) as tick:
        flow(order.jobs(), tick, problem.stopped)
    cells = order.cells
    if not cells:
        raise KeyboardInterrupt("no fit was finished, so there is nothing to keep")
    return cells, not problem.stopped.is_set()


def _starts(starts):
    if isinstance(starts, str | Mapping | int | np.integer):
        return starts
    raise DataError(
        f"starts must be a number, or names with counts such as {{'hierarchy': 1, 'kmeans++': 9}}, not a "
        f"{type(starts).__name__}: a start of your own fits one n_components alone, so give it to fit_mle"
    )


def numbers_of(n_components) -> list[int]:
    """The numbers of components, each once, in order."""
    asked = list(n_components) if isinstance(n_components, Iterable) else [n_components]
    numbers = set()
    for k in asked:
        try:
            number = operator.index(k)
        except TypeError:
            number = 0
        if number < 1 or isinstance(k, bool):
            raise DataError(f"n_components must hold whole numbers of at least 1, not {k!r}")
        numbers.add(number)
    if not numbers:
        raise DataError("n_components is empty: give the numbers of components to try, as range(1, 10)")
    return sorted(numbers)


def _families(covariance_types, n_features: int) -> list[Family]:
    """The families asked for, each once, in their own order."""
    known = FAMILIES if n_features > 1 else UNIVARIATE
    if isinstance(covariance_types, str) and covariance_types == "all":
        return list(known)
    one = isinstance(covariance_types, str) or not isinstance(covariance_types, Iterable)
    names = [covariance_types] if one else covariance_types
    asked = {univariate(name) if n_features == 1 else family_of(name, n_features) for name in names}
    if not asked:
        raise DataError("covariance_types is empty: give 'all', or the families to try")
    return [kind for kind in known if kind in asked]


def _nothing(cells: list[Cell]) -> ValueError:
    """The error where no cell has a fit."""
    note = f"not one of {len(cells)} fits came through: {cells[0].note}"
    if any(cell.degenerate for cell in cells):
        return DegenerateFit(note)
    return DataError(note)
