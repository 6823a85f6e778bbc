"""`bootstrap_lrt`: does one component more fit better than it would by chance?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import nan, sqrt
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.data import Table, as_table
from bayesgmm.families import Family
from bayesgmm.families import family as family_of
from bayesgmm.fit.climbs import Climbed, climb_from
from bayesgmm.fit.degenerate import diagnose_fit
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.mle import fit_mle
from bayesgmm.fit.moments import moments
from bayesgmm.fit.moves import splits
from bayesgmm.fit.result import Fit
from bayesgmm.fit.scaling import counted
from bayesgmm.fit.starts import start_statistics
from bayesgmm.fit.wanted import at_least_one
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.resampling.refits import simulated
from bayesgmm.selection.select import numbers_of
from bayesgmm.selection.workers import Stopped, over_threads, ticking

if TYPE_CHECKING:
    import pandas as pd

# Newton's decrement at which a climb ends: a statistic is off by as much, which is nothing beside its own spread.
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Rung:
    """K components against K + 1.

    Attributes
    ----------
    fit : Fit
        Of K components.
    statistic : float
        2 (log L of K + 1 − log L of K); NaN where every fit of K + 1 collapsed.
    replicates : ndarray (B,)
        The same of samples from the fit, where there is one.
    left_out : int
        Samples in which every fit of K or of K + 1 collapsed.
    """

    fit: Fit
    statistic: float
    replicates: np.ndarray
    left_out: int

    @property
    def p_value(self) -> float:
        """(1 + replicates as large as the statistic) / (1 + replicates)."""
        if not np.isfinite(self.statistic):
            return nan
        return float((1 + (self.replicates >= self.statistic).sum()) / (1 + len(self.replicates)))

    @property
    def row(self) -> dict:
        """Of the table."""
        p, b, k = self.p_value, len(self.replicates), self.fit.n_components
        return {"n_components": k, "against": k + 1, "statistic": self.statistic, "p_value": p,
                "p_se": sqrt(p * (1 - p) / (b + 1)), "replicates": b, "left_out": self.left_out}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodRatioTest:
    """Tests of K components against K + 1, one after another; what `bootstrap_lrt` returns.

    Attributes
    ----------
    tests : tuple of Rung
    level : float
        A p-value above it ends the sequence.
    incomplete : bool
        Somebody interrupted: the last test has fewer replicates than were asked for.
    """

    tests: tuple[Rung, ...]
    level: float
    incomplete: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """A row a test: K, ``against`` K + 1, the statistic, its p-value and that one's Monte Carlo standard error."""
        import pandas as pd

        return pd.DataFrame([test.row for test in self.tests]).set_index("n_components")

    @property
    def n_components(self) -> int | None:
        """The first K that is not rejected at the level; None where all that were tested are."""
        return next((test.fit.n_components for test in self.tests if not test.p_value <= self.level), None)

    @property
    def text(self) -> str:
        """In a sentence or more, what the tests say."""
        last = self.tests[-1]
        k, p = last.fit.n_components, last.p_value
        what = "1 component" if k == 1 else f"{k} components"
        if p <= self.level:
            said = [f"{what}, the most that were tested, are rejected at level {self.level:g} (p = {p:.3f}): try more."]
        elif np.isfinite(last.statistic):
            said = [f"{what} cannot be rejected at level {self.level:g} (p = {p:.3f}), fewer can."]
        else:
            said = [f"{what}: with one more every fit collapses, and there is nothing to test."]
        if out := sum(test.left_out for test in self.tests):
            said.append(f"{out} samples had fits alone that collapsed, and are left out.")
        if self.incomplete:
            said.append("The last test was interrupted, and is incomplete.")
        return " ".join(said)

    def __str__(self) -> str:
        return f"{self.table.to_string()}\n\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from bayesgmm.comparison.shown import as_html

        return f"{as_html(self.table.round(4))}\n<p>{self.text}</p>"


def bootstrap_lrt(x, n_components=range(1, 10), *, covariance_type="full", replicates=999, level=0.05, starts=5,
                  case_weights=None, missing="raise", seed=None, progress=True) -> LikelihoodRatioTest:  # fmt: skip
    """Test K components against K + 1, for one K after another, until one is not rejected.

    The statistic is twice the gain in log-likelihood. Under K components its law is not known, since K + 1 of them hold
    K in a corner where regularity fails; so it is compared with that of samples from the fit of K components.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Rows in data units.
    n_components : int or iterable of int
        The numbers K to test, in rising order.
    covariance_type : str
        The family, of both.
    replicates : int
        B samples from the fit of K.
    level : float
        The sequence ends with the first p-value above it.
    starts : int
        Climbs begun by k-means++, of K and of K + 1, beside those that cut a component of K in two: in every sample the
        same as in the rows.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.
    missing : {"raise", "marginalise"}
        As in `fit_mle`; samples miss the same cells.
    seed : int, optional
        The same seed gives the same replicates, whatever the number of threads.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    LikelihoodRatioTest
        ``.table``, ``.n_components``. An interrupt (Ctrl-C) ends it early: the replicates that are finished are used.

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used, or x has too few distinct rows for the first K.
    DegenerateFit
        If every fit of the first K is degenerate.

    Notes
    -----
    A p-value is that of one test. The sequence as a whole rejects a true K with the level as its probability at most,
    as it must be rejected itself; that a smaller K is not rejected may be for want of rows.

    References
    ----------
    McLachlan (1987); McLachlan & Peel (2000), section 6.5; Davison & Hinkley (1997), section 4.2 for the p-value.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful")["waiting"]
    >>> found = bootstrap_lrt(x, replicates=19, covariance_type="tied", seed=0, progress=False)
    >>> found.n_components, found.table.loc[1, ["against", "statistic", "p_value"]].round(2).tolist()
    (2, [2.0, 122.57, 0.05])
    """
    table, weights = counted(as_table(x, fitting=True, keep=True, missing=missing), case_weights)
    numbers, n = numbers_of(n_components), at_least_one(replicates, "replicates")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}: 0.05 rejects wrongly in 5 % of tests")
    ladder = _Ladder(table.features, family_of(covariance_type), at_least_one(starts, "starts"), Event())
    seeds, tests, complete = np.random.SeedSequence(seed).spawn(len(numbers)), [], True
    for k, of in zip(numbers, seeds):
        first, *others = of.spawn(n + 1)
        fit = fit_mle(table, k, covariance_type=ladder.family, case_weights=weights, missing="marginalise",
                      seed=np.random.default_rng(first), progress=progress)  # fmt: skip
        statistic = ladder.statistic(table.rows, weights, fit.mixture, np.random.default_rng(first))
        with ticking(n, f"{k} against {k + 1}", progress) as tick:
            made = over_threads(partial(ladder.replicate, table, weights, fit), others, tick, ladder.stopped)
        complete = len(made) == n
        if not made:
            break
        values = np.array(list(made.values()))
        found = np.isfinite(values)
        tests.append(Rung(fit, statistic, values[found], int((~found).sum())))
        if not complete or not tests[-1].p_value <= level:
            break
    if not tests:
        raise KeyboardInterrupt("no test had a replicate, so there is nothing to keep")
    return LikelihoodRatioTest(tuple(tests), level, not complete)


@dataclass(frozen=True, eq=False)
class _Ladder:
    """How K and K + 1 components are fitted, to the rows and to every sample alike."""

    features: tuple[str, ...]
    family: Family
    starts: int
    stopped: Event

    def replicate(self, table: Table, weights, fit: Fit, seed: np.random.SeedSequence) -> float:
        """The statistic of a sample from a fit."""
        if self.stopped.is_set():
            raise Stopped
        rng = np.random.default_rng(seed)
        rows, _ = simulated(table, weights, fit, rng)
        return self.statistic(rows, None, fit.mixture, rng)

    def statistic(self, rows, weights, near: Mixture, rng) -> float:
        """2 (log L of K + 1 − log L of K), of the ends that `fit_mle` would take; K is begun at a mixture, too."""
        whole = moments(rows, weights)
        k, stats = near.n_components, e_step(rows, near, weights, pointwise=False)[1]
        fewer = self._best(rows, weights, whole, k, [stats], rng)
        if fewer is None:
            return nan
        begin = [one.stats for one in splits(rows, fewer.mixture, weights, whole=whole)]
        more = self._best(rows, weights, whole, k + 1, begin, rng)
        # K + 1 components can be K: a lower height is one that was not climbed to the end.
        return nan if more is None else 2 * max(0.0, more.log_likelihood - fewer.log_likelihood)

    def _best(self, rows, weights, whole: Stats, k: int, begin: list[Stats], rng) -> Climbed | None:
        begin = begin + list(start_statistics(rows, k, self.starts, rng, weights, whole))
        target = Likelihood(self.family, self.features)
        ends = climb_from(rows, begin, target, case_weights=weights, tolerance=_TOLERANCE)
        ends = sorted((end for end in ends if end.mixture is not None), key=lambda end: -end.log_likelihood)
        spare = None
        for end in ends:
            wrong = diagnose_fit(end.mixture, rows, weights, whole=whole)
            if wrong is None:
                return end
            spare = end if spare is None and not wrong.collapsed else spare
        return spare
