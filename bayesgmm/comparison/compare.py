"""`compare`: MLE beside MAP beside the posterior, parameter by parameter and row by row, under one labelling."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bayesgmm.comparison.items import Item, items_of
from bayesgmm.comparison.memberships import memberships, moved
from bayesgmm.comparison.rows import Rows, rows_of
from bayesgmm.comparison.scores import HeldOut, calibration_table, held_out, score_table
from bayesgmm.comparison.shown import as_html, p_values_shown, rounded, scores_shown
from bayesgmm.comparison.table import parameter_rows
from bayesgmm.draws.diagnose import diagnose
from bayesgmm.fit.parameters import parameter_names
from bayesgmm.fit.result import Fit
from bayesgmm.fit.uncertainty import proper, standard_errors
from bayesgmm.resampling import Bootstrap
from bayesgmm.resampling import bootstrap as resampled

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` returns; it shows as tables, in a notebook too.

    Attributes
    ----------
    table : pandas.DataFrame
        In full precision; a row a parameter (``weights[0]``, ``means[0, eruptions]``, …), in data units.
    scores : pandas.DataFrame or None
        A row an item: ``elpd``, the sum of the log densities of rows held out, in nats; its standard error;
        ``difference`` from the best and the standard error of that; and ``rough``, rows of which Pareto's k says that
        they cannot be trusted.
    calibration : pandas.DataFrame or None
        p-values of Kolmogorov and Smirnov's test, a row an item: whether the probability integral transforms of the
        features, and the levels of the density, are uniform over rows held out, as they are if the item is right.
    held_out : dict of HeldOut
        The same row by row.
    memberships : xarray.Dataset or None
        ``probability`` (item, obs, component), ``entropy`` and ``change`` (item, obs): how much of a row's probability
        moves to other components, from the first item to each.
    notes : tuple of str
        What a reader should know.
    items : tuple
        What was compared, under common labels: a `Mixture` for each fit, a DataTree for draws.
    """

    table: pd.DataFrame
    items: tuple
    scores: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    held_out: dict[str, HeldOut] = field(default_factory=dict)
    memberships: xr.Dataset | None = None
    notes: tuple[str, ...] = ()

    def _parts(self):
        """Titles and tables as text."""
        yield "", rounded(self.table)
        if self.scores is not None:
            yield "Log density of rows held out (nats; higher is better)", scores_shown(self.scores)
        if self.calibration is not None:
            yield "Are rows held out where they were predicted? (p-values)", p_values_shown(self.calibration)

    def __str__(self) -> str:
        tables = [f"{title}\n{table.to_string()}".lstrip("\n") for title, table in self._parts()]
        return "\n\n".join([*tables, *(["\n".join(self.notes)] if self.notes else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        tables = [(f"<p>{html.escape(title)}</p>\n" if title else "") + as_html(part) for title, part in self._parts()]
        return "\n".join([*tables, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])


def compare(*fits_and_draws, x=None, case_weights=None, bootstrap=None, folds=10, ci_prob=0.95, seed=0,
            progress=True) -> Comparison:  # fmt: skip
    """Lay point estimates and posteriors side by side.

    Components take the labels of the first item (`bayesgmm.draws.match`): fits by their mixture, draws as a whole by
    the mixture at their posterior means (draws whose labels were never matched are matched first). Numbers of
    components may differ: those that an earlier item does not have get the next labels.

    Parameters
    ----------
    *fits_and_draws : Fit or xarray.DataTree
        One or more, in any order: of different K, families and priors too, for the same rows.
    x : array, frame or file (N, D), optional
        The rows. Without it those that the first draws hold; without either there are no standard errors, scores or
        memberships.
    case_weights : array (N,), optional
        How often each row counts; the draws' own without.
    bootstrap : int or Bootstrap, optional
        For the intervals of the (first) MLE: so many nonparametric replicates, or those of `bayesgmm.bootstrap`.
        Without, intervals are estimate ± z standard errors.
    folds : int or None
        Parts of the rows that are left out one after the other to score a fit, which is refitted without, from where
        it is. None: no scores.
    ci_prob : float
        Of every interval.
    seed : int
        For the parts, and the bootstrap.
    progress : bool
        Show a bar while a bootstrap runs.

    Returns
    -------
    Comparison
        Columns of ``table``: ``mle``, ``mle_se``, ``mle_lower``, ``mle_upper``; ``map``; of draws ``mean``, ``median``,
        ``sd``, ``lower``, ``upper`` (equal-tailed), ``r_hat``, ``ess_bulk``, ``ess_tail``; a second of a kind has
        ``_2`` in its names. With an MLE and draws, of the first of each: ``difference``, (mle − mean) / sd, the
        distance in posterior standard deviations; ``shrinkage``, (mle − mean) / (mle − prior median), the part of the
        way from the MLE to the prior, where draws have a group ``prior``; and ``flag``: the likely reasons where the
        difference exceeds 0.5, or sd and standard error differ by half (a boundary, a small or an overlapping
        component, the prior, a skewed posterior).

    Raises
    ------
    ValueError, DataError
        If nothing is given, an item is neither fit nor draws, features differ, or an argument is out of range.

    Notes
    -----
    A posterior is scored by Pareto-smoothed importance sampling, leaving out one row at a time; a fit by refits,
    leaving out a tenth of the rows, which costs it a little.

    References
    ----------
    Louis (1982) for the standard errors; Vehtari, Gelman & Gabry (2017) for leaving rows out of a posterior; Dawid
    (1984) for the probability integral transform; Hyndman (1996) for the levels.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from bayesgmm.models import finite_mixture
    >>> x = bg.load_dataset("faithful")
    >>> mle = bg.fit_mle(x, 2, seed=1, progress=False)
    >>> draws = bg.sample(finite_mixture(x, 2), draws=500, tune=500, seed=1, progress=False)
    >>> found = compare(mle, draws)
    >>> found.table.loc["weights[0]", ["mle", "mean"]].astype(float).round(2).tolist()
    [0.36, 0.36]
    >>> found.scores["method"].tolist()
    ['10-fold refits', 'PSIS-LOO']
    """
    if not fits_and_draws:
        raise ValueError("compare() needs at least one fit or posterior: compare(mle, draws)")
    ci_prob, items = proper(ci_prob), items_of(fits_and_draws)
    rows, notes = rows_of(items, x, case_weights), []
    errors, intervals = _uncertainty(items, rows, bootstrap, ci_prob, seed, progress, notes)
    table = parameter_rows(items, errors, intervals, ci_prob)
    notes += _about_labels(items)
    return Comparison(table, tuple(i.mixture if i.draws is None else i.draws for i in items),
                      **_by_rows(items, rows, folds, seed, notes), notes=tuple(notes))  # fmt: skip


def _by_rows(items: list[Item], rows: Rows | None, folds, seed, notes: list[str]) -> dict:
    """Scores, calibration and memberships, as far as they can be told."""
    if rows is None:
        return {}
    done, scored = {"memberships": memberships(items, rows)}, {}
    if done["memberships"] is not None:
        notes += moved(done["memberships"], rows.counts)
    if folds is None:
        return done
    for item in items:
        found = held_out(item, rows, folds, seed)
        if isinstance(found, str):
            notes.append(found)
        else:
            scored[item.name] = found
    if scored:
        done |= {"held_out": scored, "scores": score_table(items, scored, rows),
                 "calibration": calibration_table(scored, rows.table.features)}  # fmt: skip
    return done


def _uncertainty(items, rows, bootstrap, ci_prob, seed, progress, notes):
    """Standard errors of the MLEs, by name, and intervals of the first, by the bootstrap, by name of the parameter."""
    errors, intervals = {}, {}
    for item in (i for i in items if rows is not None and isinstance(i.fit, Fit) and i.kind == "mle"):
        try:
            errors[item.name] = _errors(item, rows, ci_prob)
        except ValueError as error:
            notes.append(f"{item.name} has no standard errors: {error}")
        if bootstrap is not None and not intervals:
            intervals[item.name] = _intervals(item, rows, bootstrap, ci_prob, seed, progress, notes)
    return errors, intervals


def _errors(item: Item, rows: Rows, ci_prob: float):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what it warns of is in the flags
        return standard_errors(item.fit, rows.values, case_weights=rows.weights, ci_prob=ci_prob)


def _intervals(item: Item, rows: Rows, bootstrap, ci_prob, seed, progress, notes):
    """Percentile bounds (P, 2) of an MLE's parameters, a DataFrame."""
    import pandas as pd

    labels = item.given_labels
    if not isinstance(bootstrap, Bootstrap):
        labels = item.labels
        bootstrap = resampled(item.fit, rows.values, replicates=bootstrap, case_weights=rows.weights, seed=seed,
                              progress=progress)  # fmt: skip
    if bootstrap.mixture.n_components != len(labels):
        raise ValueError(f"bootstrap is of {bootstrap.mixture.n_components} components, and the first MLE has "
                         f"{len(labels)}: give the one of that fit")  # fmt: skip
    notes.append(f"Intervals of {item.name} are percentiles of {bootstrap.text}")
    names = parameter_names(len(labels), item.mixture.features, labels)
    return pd.DataFrame(dict(zip(("lower", "upper"), replace(bootstrap, ci_prob=ci_prob).interval())), index=names)


def _about_labels(items: list[Item]) -> list[str]:
    """What the verdict on draws says of their components, if those cannot be told apart."""
    said = []
    for item in items:
        if item.draws is not None and not (found := diagnose(item.draws)).labels_hold:
            said.append(f"{item.name}: {found.text}")
    return said
