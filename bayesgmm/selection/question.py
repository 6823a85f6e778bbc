"""`how_many`: every answer to the question, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from bayesgmm.data import DataError, as_table
from bayesgmm.draws import n_clusters
from bayesgmm.draws import partition as partition_of
from bayesgmm.draws.mixtures import posterior_of
from bayesgmm.engines import sample_components
from bayesgmm.engines.unknown.scale import scaled
from bayesgmm.families import family as family_of
from bayesgmm.fit.wanted import at_least_one
from bayesgmm.selection.answers import HowMany, table_of
from bayesgmm.selection.predicted import loo_by_number
from bayesgmm.selection.select import numbers_of
from bayesgmm.selection.select import select as sweep
from bayesgmm.selection.selection import Selection

PROCESSES = ("mfm", "sparse", "dp", "py")


def how_many(x, n_components=range(1, 10), *, processes=("mfm",), selection=True, loo=True, prior="hierarchical",
             covariance_types="all", covariance_type="full", level=0.95, draws=2500, tune=5000, chains=4, thin=10,
             seed=None, progress=True) -> HowMany:  # fmt: skip
    """Ask every criterion how many components, or clusters, there are, and set their answers side by side.

    =================  ===========  ==============================================================================
    row                counts       by
    =================  ===========  ==============================================================================
    ``BIC``            Gaussians    `select`, over families as well; its range: less than 2 above the lowest
    ``ICL``            clusters     the same fits, with a penalty for rows between components
    ``BIC, merged``    clusters     the Gaussians of BIC's choice, those that overlap merged
    ``LOO``            Gaussians    posteriors with K fixed, by how well they predict a row from the others; its range:
                                    as good as the best, within four nats or two standard errors
    ``K, mfm``         Gaussians    the posterior of K, empty components included: its mode; its range: the most
                                    probable numbers that have a probability of ``level`` together
    ``K₊, mfm``        clusters     the same of the components that have rows
    ``VI, mfm``        clusters     the partition of least expected variation of information; its range: the numbers
                                    of clusters in its credible ball
    =================  ===========  ==============================================================================

    Parameters
    ----------
    x : array, frame or file (N, D)
        Complete rows in data units.
    n_components : int or iterable of int
        The numbers that BIC, ICL and LOO try. The posterior of K is free of them.
    processes : str, iterable of str, or mapping
        Priors of partitions, as in `sample_components`: "mfm", "sparse", "dp", "py". A mapping leads from any name to
        options of `sample_components`, or to draws that it gave.
    selection : bool or Selection
        Whether to run `select`; or what it gave.
    loo : bool or mapping
        Whether to fit every K for LOO; or posteriors with K fixed, by K, of the same rows.
    prior : {"hierarchical", "independent"} or Prior
        Of the components, for the posteriors: it may not depend on K.
    covariance_types : "all", str or iterable of str
        Families that `select` tries.
    covariance_type : {"full", "diag", "spherical"}
        Of the posteriors.
    level : float
        Probability of the ranges of K, K₊ and of the credible ball.
    draws, tune, chains, thin : int
        Of `sample_components`.
    seed : int, optional
        The same seed gives the same answers.
    progress : bool
        Show bars on a terminal.

    Returns
    -------
    HowMany
        ``.table``, ``.text``, and what they rest on: ``.selection``, ``.loo``, ``.draws``, ``.numbers``,
        ``.partitions``, ``.balls``. `bayesgmm.plot_how_many` draws it. An interrupt (Ctrl-C) ends the work: what is
        finished is there, and ``.missing`` says what is not.

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used.
    KeyboardInterrupt
        When interrupted before anything was finished.

    Notes
    -----
    The posteriors for LOO are drawn by Gibbs under the prior of the components that the posterior of K has too, with
    π ~ Dirichlet(1, …, 1). Criteria may disagree because they count different things: the text says which.

    References
    ----------
    Schwarz (1978); Biernacki, Celeux & Govaert (2000); Baudry et al. (2010); Vehtari, Gelman & Gabry (2017) for LOO,
    Sivula, Magnusson, Matamoros & Vehtari (2020) for its differences; Frühwirth-Schnatter, Malsiner-Walli & Grün (2021)
    for K and K₊; Wade & Ghahramani (2018) for the partition and its ball.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful").iloc[::4]
    >>> found = how_many(x, [1, 2, 3], loo=False, draws=100, tune=200, seed=1, progress=False)
    >>> found.table.loc[["BIC", "K₊, mfm", "VI, mfm"], ["number", "counts"]]
             number     counts
    BIC           2  Gaussians
    K₊, mfm       2   clusters
    VI, mfm       2   clusters
    """
    table, numbers = as_table(x, fitting=True), numbers_of(n_components)
    _check(table, prior, covariance_type, level, {"draws": draws, "tune": tune, "chains": chains, "thin": thin})
    options = {"prior": prior, "covariance_type": covariance_type, "draws": draws, "tune": tune, "chains": chains,
               "thin": thin, "keep": "allocations", "progress": progress}  # fmt: skip
    asked = _asked(processes, len(table.values))
    seeds = iter(np.random.SeedSequence(seed).generate_state(1 + 2 * len(asked) + len(numbers)).tolist())
    done, parts = {}, {}
    if selection is not False:
        parts["BIC and ICL"] = partial(_selected, selection, table, numbers, covariance_types, next(seeds), progress)
    for name, how in asked.items():
        first, second = next(seeds), next(seeds)
        parts[name] = partial(_drawn, how, table, options | {"seed": first})
        parts[f"VI, {name}"] = lambda name=name, s=second: partition_of(done[name], seed=s, progress=progress)
    if loo is not False:
        possible = [k for k in numbers if k <= len(table.values)]
        fits = {"prior": prior, "covariance_type": covariance_type, "progress": progress, "draws": loo}
        parts["LOO"] = partial(loo_by_number, table, possible, seeds=list(seeds), **fits)
    if not parts:
        raise DataError("nothing is asked: give processes, or leave selection or loo to be run")
    missing = _as_far_as_it_goes(parts, done)
    return _answers(done, list(asked), level, missing, len(table.values))


def _check(table, prior, covariance_type, level: float, counts: dict) -> None:
    """What the last part would refuse is refused before the first begins."""
    if not 0 < level < 1:
        raise DataError(f"level must be strictly between 0 and 1, not {level}")
    try:
        scaled(prior, table, family_of(covariance_type))
        for name, value in counts.items():
            at_least_one(value, name)
    except ValueError as error:
        raise DataError(str(error)) from None


def _asked(processes, n_rows: int) -> dict:
    """By name: options for `sample_components`, or draws."""
    if isinstance(processes, Mapping):
        asked = dict(processes)
    else:
        names = [processes] if isinstance(processes, str) else list(processes)
        for name in names:
            if name not in PROCESSES:
                known = ", ".join(map(repr, PROCESSES))
                raise DataError(f"processes has {name!r}, which is not known; use {known}, or a mapping of options")
        asked = {name: {"process": name} for name in names}
    for name, how in asked.items():
        if name in ("LOO", "BIC and ICL"):
            raise DataError(f"processes calls one {name!r}, which is the name of a row; choose another")
        if hasattr(how, "children"):
            _require_rows(name, how, n_rows)
        elif not isinstance(how, Mapping):
            raise DataError(f"processes[{name!r}] must be options of sample_components, or draws that it gave, not "
                            f"a {type(how).__name__}")  # fmt: skip
    return asked


def _require_rows(name: str, tree, n_rows: int) -> None:
    posterior = posterior_of(tree)
    if "allocations" not in posterior:
        raise DataError(f"processes[{name!r}] holds no allocations: draw with keep='allocations', or 'all'")
    if posterior.sizes["obs"] != n_rows:
        raise DataError(f"x has {n_rows} rows, and processes[{name!r}] is of {posterior.sizes['obs']}")


def _selected(selection, table, numbers, families, seed, progress) -> Selection:
    if isinstance(selection, Selection):
        return selection
    return sweep(table, numbers, covariance_types=families, seed=seed, progress=progress)


def _drawn(how, table, options):
    return how if hasattr(how, "children") else sample_components(table, **(options | how))


def _as_far_as_it_goes(parts: dict, done: dict) -> tuple[str, ...]:
    """Do one part after another until somebody interrupts; the names of those that are not whole."""
    names = list(parts)
    for i, name in enumerate(names):
        try:
            done[name] = parts[name]()
        except KeyboardInterrupt:
            if not done:
                raise
            return tuple(names[i:])
        if _cut_short(done[name]):
            return tuple(names[i:])
    return ()


def _cut_short(part) -> bool:
    attrs = getattr(part, "attrs", {})
    flags = getattr(part, "incomplete", False), getattr(part, "interrupted", False), attrs.get("incomplete", False)
    return any(bool(flag) for flag in flags if not hasattr(flag, "shape"))


def _answers(done: dict, names: list[str], level: float, missing, n_obs: int) -> HowMany:
    draws = {name: done[name] for name in names if name in done}
    partitions = {name: done[f"VI, {name}"] for name in names if f"VI, {name}" in done}
    found = {"selection": done.get("BIC and ICL"), "loo": done.get("LOO"), "draws": draws, "partitions": partitions,
             "numbers": {name: n_clusters(tree) for name, tree in draws.items()},
             "balls": {name: one.credible_ball(level) for name, one in partitions.items()}}  # fmt: skip
    return HowMany(**found, table=table_of(found, level), level=level, missing=missing, n_obs=n_obs)
