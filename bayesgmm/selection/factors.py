"""`select_factors`: how many components, of how many factors, and what they share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.data import DataError, as_table
from bayesgmm.families import FACTOR_CODES, FactorModel
from bayesgmm.fit import DegenerateFit, FactorFit, fit_factors
from bayesgmm.fit.scaling import counted
from bayesgmm.progress import track
from bayesgmm.selection.select import numbers_of
from bayesgmm.selection.words import CRITERIA

if TYPE_CHECKING:
    import pandas as pd

_NUMBERS = ("log_likelihood", "n_parameters", "bic", "icl", "aic", "entropy")
# Rows of the table that are told, and ends of other fits that are tried.
_TOLD, _NEIGHBOURS = 5, 2


@dataclass(frozen=True, eq=False, repr=False)
class FactorSelection:
    """Fits of several numbers of components and factors; what `select_factors` returns.

    Attributes
    ----------
    fits : mapping
        (K, q, code) → `FactorFit`, of those that came through.
    table : pandas.DataFrame
        A row a fit that was tried: ``n_components``, ``n_factors``, ``model``, ``log_likelihood``, ``n_parameters``,
        ``bic``, ``icl``, ``aic``, ``entropy``, ``converged``, ``heywood`` (how many cases), and a ``note`` that says
        why there is none.
    criterion : {"bic", "icl", "aic"}
    incomplete : bool
        Somebody interrupted: fits are missing.
    """

    fits: Mapping[tuple[int, int, str], FactorFit]
    table: pd.DataFrame
    criterion: str
    incomplete: bool

    @property
    def best(self) -> FactorFit:
        """The fit with the lowest value of the criterion."""
        return self.fits[self._keys()[0]]

    @property
    def ranking(self) -> pd.DataFrame:
        """The fits that came through, best first, with their ``difference`` from the best."""
        found = self.table[self.table["log_likelihood"].notna()].sort_values(self.criterion, kind="stable")
        found = found.reset_index(drop=True)
        found.insert(3, "difference", found[self.criterion] - found[self.criterion].iloc[0])
        return found

    def _keys(self) -> list[tuple[int, int, str]]:
        return list(self.ranking[["n_components", "n_factors", "model"]].itertuples(index=False, name=None))

    def __str__(self):
        best, missing = self.best, len(self.table) - len(self.fits)
        lines = [
            f"{_plural(best.n_components, 'component')} of {_plural(best.n_factors, 'factor')}, {best.model.code}: "
            f"{best.model.description}; the lowest {CRITERIA[self.criterion]} of {len(self.fits)} fits",
            self.ranking.head(_TOLD).drop(columns=["note", "entropy", "aic"]).round(1).to_string(index=False),
        ]
        lines += [f"{missing} fits did not come through; the table's notes say why"] if missing else []
        lines += ["interrupted: other fits are missing"] if self.incomplete else []
        return "\n".join(lines)

    __repr__ = __str__


def select_factors(x, n_components=range(1, 6), n_factors=range(1, 4), *, models="all", criterion="bic", starts=5,
                   case_weights=None, seed=None, progress=True) -> FactorSelection:  # fmt: skip
    """Fit every number of components and of factors, for every model, and choose by a criterion.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Rows in data units. Models of isotropic noise depend on them: standardise features that are not alike.
    n_components, n_factors : int or iterable of int
        The numbers K and q to try.
    models : "all", str or iterable of str
        Codes of what components share, as "UUU"; see `bayesgmm.families.FactorModel`.
    criterion : {"bic", "icl", "aic"}
        What chooses the best; lower is better. All three are in the table.
    starts : int, str or mapping
        Climbs begun of every fit, as in `fit_factors`. Where the fits of one factor less, and of the model before, have
        ended is tried as well.
    case_weights : array (N,), optional
        Non-negative frequencies.
    seed : int, optional
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    FactorSelection
        ``.best``, ``.table``, ``.ranking``, ``.fits[K, q, model]``. An interrupt (Ctrl-C) ends it early: what is
        finished is there, and ``.incomplete`` is true.

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used; the message says where and what to do.
    DegenerateFit
        If not one fit came through.

    Notes
    -----
    Numbers of factors from which a covariance has as many parameters as a full one, (D − q)² < D + q (Ledermann 1937),
    are tried if they are asked for; more of them are then free than the data can tell.

    References
    ----------
    McNicholas & Murphy (2008).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("penguins").select_dtypes("number").dropna()
    >>> found = select_factors(x, [1, 2], [1], models=["UUU", "CCU"], seed=0, starts=2, progress=False)
    >>> found.best.n_components, found.best.model.code
    (2, 'UUU')
    """
    table, _ = counted(as_table(x, fitting=True), case_weights)
    numbers, ranks, codes = numbers_of(n_components), _ranks(n_factors, table.n_features), _codes(models)
    if criterion not in CRITERIA:
        raise DataError(f"criterion must be one of {', '.join(map(repr, CRITERIA))}, not {criterion!r}")
    cells = [(k, q, code) for k in numbers for q in ranks for code in codes]
    fits, notes, values = {}, {}, np.asarray(table.values, dtype=float)
    seeds = np.random.SeedSequence(seed).generate_state(len(cells))
    options = {"case_weights": case_weights, "progress": False}
    try:
        for (k, q, code), own in zip(track(cells, len(cells), "fits", progress), seeds, strict=False):
            near = _neighbours(fits, k, q, code, codes, values, case_weights)
            begin = [starts, *near] if near else starts
            try:
                fits[k, q, code] = fit_factors(x, k, q, starts=begin, seed=int(own), **options, **_arguments(code))
                notes[k, q, code] = ""
            except DegenerateFit as error:
                notes[k, q, code] = str(error)
    except KeyboardInterrupt:
        if not fits:
            raise KeyboardInterrupt("no fit was finished, so there is nothing to keep") from None
        warnings.warn(f"interrupted: {len(notes)} of {len(cells)} fits are finished", stacklevel=2)
    if not fits:
        raise DegenerateFit(f"not one of {len(cells)} fits came through: {next(iter(notes.values()))}")
    return FactorSelection(fits, _table(notes, fits), criterion, len(notes) < len(cells))


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _arguments(code: str) -> dict:
    model = FactorModel.of(code)
    shared = [name for name, yes in (("loadings", model.shared_loadings), ("noise", model.shared_noise)) if yes]
    return {"noise": "isotropic" if model.isotropic else "diagonal", "shared": tuple(shared)}


def _neighbours(fits, k, q, code, codes, values, case_weights) -> list:
    """The memberships in which fits alike have ended: of one factor less, and of the model before."""
    before = codes[codes.index(code) - 1] if codes.index(code) else None
    found = [fits[key] for key in ((k, q - 1, code), (k, q, before)) if key in fits]
    # Rows of no weight have left the values, but not what fit_factors is given.
    if k == 1 or not found or case_weights is not None and not (np.asarray(case_weights) > 0).all():
        return []
    shares = [fit.mixture.responsibilities(values) for fit in found[:_NEIGHBOURS]]
    return [r for r in shares if (r.sum(axis=0) > 0).all()]


def _ranks(n_factors, n_features: int) -> list[int]:
    asked = numbers_of(n_factors)
    if asked[-1] >= n_features:
        raise DataError(f"n_factors must be below the number of features, {n_features}, but {asked[-1]} is asked for")
    return asked


def _codes(models) -> list[str]:
    if isinstance(models, str) and models == "all":
        return list(FACTOR_CODES)
    asked = {FactorModel.of(code).code for code in ([models] if isinstance(models, str) else models)}
    if not asked:
        raise DataError(f"models is empty: give 'all', or codes of {' '.join(FACTOR_CODES)}")
    return [code for code in FACTOR_CODES if code in asked]


def _table(notes: Mapping, fits: Mapping) -> pd.DataFrame:
    """A row a fit that was tried, with its numbers where it has come through."""
    import pandas as pd

    rows = []
    for key, note in notes.items():
        fit, row = fits.get(key), dict(zip(("n_components", "n_factors", "model"), key, strict=True))
        row |= {name: np.nan if fit is None else getattr(fit, name) for name in _NUMBERS}
        rows.append(row | {"converged": fit is not None and fit.converged,
                           "heywood": 0 if fit is None else len(fit.heywood), "note": note})  # fmt: skip
    return pd.DataFrame(rows)
