"""Simulation-based calibration: is an engine's posterior the one that the prior and the likelihood imply?

θ is drawn from the prior, rows given θ, and draws from their posterior. Then θ itself is one more draw from that
posterior, so that its rank among the draws is uniform, whatever the rows say (Cook, Gelman & Rubin 2006; Talts et al.
2018). Labels mean nothing, so what is ranked does not depend on them, and some of it depends on the rows as well as on
θ, without which an engine that ignores the rows would pass (Modrák et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesgmm.draws.invariants import overall_moments
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.draws.parts import PartDraws, read_any
from bayesgmm.draws.uniformity import uniformity
from bayesgmm.engines.waiting import bar
from bayesgmm.families import family
from bayesgmm.fit.wanted import at_least_one
from bayesgmm.priors import Prior

if TYPE_CHECKING:
    import pandas as pd

# Anchors: these quantiles, feature by feature, of so many rows of the prior predictive.
_QUANTILES, _ROWS = (0.25, 0.5, 0.75), 10_000
# Pairs of rows whose coming from one component is ranked.
_PAIRS = ((0, 1), (2, 3), (4, 5))


class Simulated(NamedTuple):
    """Data sets drawn from a prior: the mixtures π (R, K), μ (R, K, D), Σ (R, K, D, D), rows x (R, N, D), anchors."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    x: np.ndarray
    anchors: np.ndarray

    def truth(self, r: int) -> MixtureDraws:
        """The mixture of data set r, as the one draw of a posterior."""
        names = tuple(f"x{j}" for j in range(self.x.shape[-1]))
        return MixtureDraws(self.weights[[r]], self.means[[r]], self.covariances[[r]], names)


def simulate(prior: Prior, n_obs: int, n_components: int, *, covariance_type="full", replications=100, seed=None):
    """Draw mixtures from a prior, and rows from each; see `calibrate`.

    Examples
    --------
    >>> from bayesgmm.priors import Conjugate
    >>> prior = Conjugate(mean=[0.0], shrinkage=1.0, dof=5, scale=[[3.0]])
    >>> simulate(prior, 20, 2, replications=5, seed=1).x.shape
    (5, 20, 1)
    """
    if not (isinstance(prior, Prior) and prior.is_scaled):
        raise ValueError(
            "prior must be a value of bayesgmm.priors with every constant a number, such as bayesgmm.scale_prior gives "
            "for one data set: constants that each simulated data set scales anew are no prior of it"
        )
    rng, kind = np.random.default_rng(seed), family(covariance_type, sampled=True)
    drawn = prior.draw(replications, n_components, kind, seed=rng)
    x = _rows(*drawn, n_obs, rng)
    widely = _rows(*prior.draw(_ROWS, n_components, kind, seed=rng), 1, rng)
    return Simulated(*drawn, x, np.quantile(widely[:, 0], _QUANTILES, axis=0))


def _rows(weights, means, covariances, n, rng) -> np.ndarray:
    """n rows (R, n, D) of each of R mixtures."""
    u = rng.uniform(size=(len(weights), n, 1))
    labels = np.minimum((u > np.cumsum(weights, axis=1)[:, None]).sum(axis=2), weights.shape[1] - 1)
    at = np.arange(len(weights))[:, None], labels
    noise = rng.standard_normal((*labels.shape, means.shape[-1]))
    return means[at] + np.einsum("rnij,rnj->rni", np.linalg.cholesky(covariances)[at], noise)


def quantities(mixtures: MixtureDraws, x: np.ndarray, anchors: np.ndarray) -> dict[str, np.ndarray]:
    """What is ranked, by name, each (M,): functions of a mixture and the rows x (N, D) that no labels change.

    Log weights, log determinants and the separation, tr W⁻¹B with W and B the covariance within and between
    components, are what α, ν₀ and κ₀ speak of, and show first where one of them is wrong.
    """
    n, (mean, overall) = len(x), overall_moments(mixtures)
    log_p, r = mixtures.log_prob(np.concatenate([x, anchors]), responsibilities=True)
    within = np.einsum("mk,mkij->mij", mixtures.weights, mixtures.covariances)
    found = {"log-likelihood": log_p[:, :n].sum(axis=1)}
    found |= {f"log density at anchor {i}": log_p[:, n + i] for i in range(len(anchors))}
    found |= {f"overall mean[{i}]": mean[:, i] for i in range(mean.shape[1])}
    lower = zip(*np.tril_indices(mean.shape[1]))
    found |= {f"overall covariance[{i}, {j}]": overall[:, i, j] for i, j in lower}
    found |= {f"rows {i} and {j} together": (r[:, i] * r[:, j]).sum(axis=1) for i, j in _PAIRS if max(i, j) < n}
    found["log weights"] = mixtures.log_weights.sum(axis=1)
    found["log determinants"] = np.linalg.slogdet(mixtures.covariances)[1].sum(axis=1)
    found["separation"] = np.linalg.solve(within, overall - within).trace(axis1=1, axis2=2)
    return found


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of R simulated truths among draws from their posteriors; made by `calibrate`.

    Attributes
    ----------
    ranks : DataFrame (R, quantities)
        How many draws are below the truth, ties broken at random.
    n_draws : ndarray (R,)
        The draws of each data set that are left after thinning, so that ranks run from 0 to ``n_draws``.
    pit : DataFrame (R, quantities)
        Numbers drawn uniformly from each rank's share of (0, 1): uniform, independently, where draws are right.
    """

    ranks: pd.DataFrame
    n_draws: np.ndarray
    pit: pd.DataFrame

    @property
    def p_values(self) -> pd.Series:
        """Of each quantity: 1 less the level of the simultaneous band that its ECDF just touches; see `uniformity`."""
        return self.pit.apply(uniformity)

    def outside(self, level: float = 0.999) -> list[str]:
        """The quantities whose ECDF leaves the simultaneous band of a level; none is expected where all is well.

        The level is that of one quantity. Of q quantities one in (1 − level) q leaves by chance alone, at most.
        """
        p = self.p_values
        return [str(name) for name in p.index[p < 1 - level]]

    @property
    def tree(self):
        """`pit` as ``arviz.plot_ecdf_pit`` takes it: a DataTree with a group ``prior_sbc``."""
        import xarray as xr

        values = {name: (("chain", "draw"), self.pit[name].to_numpy()[None]) for name in self.pit}
        coords = {"chain": [0], "draw": np.arange(len(self.pit))}
        return xr.DataTree.from_dict({"prior_sbc": xr.Dataset(values, coords)})

    def __str__(self):
        p, wrong = self.p_values, self.outside()
        told = f"outside the 99.9 % band: {', '.join(wrong)}" if wrong else "all inside the 99.9 % band"
        return (
            f"{len(self.ranks)} data sets, {np.median(self.n_draws):.0f} draws of each (median), {len(p)} quantities: "
            f"{told}; smallest p {p.min():.2g} ({p.idxmin()})"
        )


def calibrate(prior, n_obs, n_components, *, covariance_type="full", engine="nuts", replications=100, draws=500,
              tune=500, chains=2, sampler=None, seed=None, progress=True) -> Calibration:  # fmt: skip
    """Calibrate an engine by simulation: ranks of what was drawn from the prior among draws from the posterior.

    Each replication draws a mixture from the prior and N rows from the mixture, samples the posterior of
    `bayesgmm.models.finite_mixture` under the same prior, and keeps as many draws, evenly spaced, as the least
    effective sample size of the ranked quantities; `quantities` says what is ranked.

    Parameters
    ----------
    prior : Prior
        With every constant a number: scaled by each simulated data set it would be no prior, and correct draws would
        fail.
    n_obs, n_components : int
        N and K; D is the prior's.
    covariance_type : {"full", "tied", "diag", "spherical"}
    engine : {"nuts", "gibbs", "laplace"}
        See `bayesgmm.sample`, as for ``draws``, ``tune`` and ``chains``.
    replications : int
        R, data sets. A hundred show gross errors in a minute; a thousand those of a tenth of a standard deviation.
    sampler : callable, optional
        In place of an engine: x (N, D), seed ↦ DataTree of draws, such as `bayesgmm.draws.from_arrays` makes.
    seed : int, optional
        The same seed gives the same data sets, and the same ranks.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Calibration
        ``.outside(level)`` names what is not uniform; ``print`` says the verdict in a line.

    Raises
    ------
    ValueError
        If the prior leaves constants to the data, an argument is out of range, or the engine does not take the story.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari & Gelman (2018); Modrák et al. (2023) for quantities that depend on the data;
    Säilynoja, Bürkner & Vehtari (2022) for the bands.

    Examples
    --------
    An engine of one's own, here one that answers every data set with draws from the prior. It is right about the
    overall mean, seen without the rows; quantities that depend on the rows show it up.

    >>> import bayesgmm as bg
    >>> prior = bg.Conjugate(mean=[0.0], shrinkage=1.0, dof=5, scale=[[3.0]])
    >>> def ignorant(x, seed):
    ...     return bg.draws.from_arrays(*(a[None] for a in prior.draw(100, 2, seed=seed)))
    >>> found = calibrate(prior, 20, 2, sampler=ignorant, replications=50, seed=1, progress=False)
    >>> "log-likelihood" in found.outside(), "overall mean[0]" in found.outside()
    (True, False)
    """
    counts = {"n_obs": n_obs, "n_components": n_components, "replications": replications}
    n_obs, n_components, replications = (at_least_one(value, name) for name, value in counts.items())
    roots = np.random.SeedSequence(seed).spawn(3)
    sets = simulate(prior, n_obs, n_components, covariance_type=covariance_type, replications=replications,
                    seed=roots[0])  # fmt: skip
    if sampler is None:
        sampler = _engine(prior, n_components, covariance_type, engine, draws=draws, tune=tune, chains=chains)
    seeds, rng, found = roots[1].generate_state(replications), np.random.default_rng(roots[2]), []
    with bar("Calibration", replications, progress) as report:
        for r, x in enumerate(sets.x):
            tree = sampler(x, int(seeds[r]))
            if "incomplete" in tree.attrs:
                raise KeyboardInterrupt("calibration was interrupted")
            mixtures = read(tree)
            drawn, true = (quantities(m, x, sets.anchors) for m in (mixtures, sets.truth(r)))
            found.append(_ranked(drawn, true, mixtures.n_chains, rng))
            if report:
                report(r + 1, f"{found[-1].n_draws} draws")
    return _calibration(found, rng)


def calibrate_story(story, x, *, engine="nuts", replications=100, draws=500, tune=500, chains=2, seed=None,
                    progress=True) -> Calibration:  # fmt: skip
    """Calibrate an engine on a story with components of its own, by simulation; see `calibrate`.

    Each replication draws the story's variables from its prior, and rows given them, and samples the posterior of the
    same story, told of these rows. What is ranked are the log-likelihood, the sorted values of every variable of the
    components, the other variables, and whether rows come from one component.

    Parameters
    ----------
    story : callable
        x ↦ `pymc.Model` with an observed `MarginalMixture`; its prior must not depend on the rows. It may give the
        same model again, other rows set by `pymc.set_data`: then nothing is traced anew.
    x : array_like (N,) or (N, D)
        Rows to tell the story of at first: they give its shape.
    engine, replications, draws, tune, chains, seed, progress
        As for `calibrate`.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If an argument is out of range, or the story's components cannot be drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.models import poisson_mixture
    >>> def story(x):
    ...     return poisson_mixture(x, 2, shape=2.0, rate=0.4)
    >>> found = calibrate_story(story, np.arange(8), replications=1, draws=50, tune=50, seed=1, progress=False)
    >>> [name for name in found.ranks if "rates" in name]
    ['sorted rates[0]', 'sorted rates[1]']
    """
    from bayesgmm.engines import sample
    from bayesgmm.engines.parts import simulated, with_parts

    replications, roots = at_least_one(replications, "replications"), np.random.SeedSequence(seed).spawn(3)
    truths, rows = simulated(story(x), replications, int(roots[0].generate_state(1)[0]))
    seeds, rng, found = roots[1].generate_state(replications), np.random.default_rng(roots[2]), []
    options = {"engine": engine, "draws": draws, "tune": tune, "chains": chains, "progress": False}
    with bar("Calibration", replications, progress) as report:
        for r in range(replications):
            model = story(rows[r])
            tree = sample(model, seed=int(seeds[r]), **options)
            if "incomplete" in tree.attrs:
                raise KeyboardInterrupt("calibration was interrupted")
            truth, drawn = read_any(with_parts(truths.isel(draw=[r]), model)), read_any(tree)
            found.append(_ranked(_of_parts(drawn), _of_parts(truth), drawn.n_chains, rng))
            if report:
                report(r + 1, f"{found[-1].n_draws} draws")
    return _calibration(found, rng)


def _of_parts(parts: PartDraws) -> dict[str, np.ndarray]:
    """What is ranked of a story with components of its own."""
    n, r = parts.log_joint.shape[1], parts.responsibilities
    found = {"log-likelihood": parts.log_prob(slice(None)) @ parts.case_weights}
    ordered = {name: np.sort(v, axis=1) for name, v in parts.own.items()}
    found |= {f"sorted {name}": v for name, v in parts.named(ordered).items()} | parts.named(parts.shared)
    found |= {f"rows {i} and {j} together": (r[:, i] * r[:, j]).sum(axis=1) for i, j in _PAIRS if max(i, j) < n}
    return found


def _engine(prior, n_components, covariance_type, engine, **options) -> Callable:
    """The sampler of an engine of the package."""
    from bayesgmm.engines import sample
    from bayesgmm.models import finite_mixture

    def sampler(x, seed):
        model = finite_mixture(x, n_components, prior=prior, covariance_type=covariance_type)
        return sample(model, engine=engine, seed=seed, progress=False, **options)

    return sampler


class _Ranked(NamedTuple):
    names: list[str]
    ranks: np.ndarray
    n_draws: int


def _ranked(drawn: dict[str, np.ndarray], true: dict[str, np.ndarray], n_chains: int, rng) -> _Ranked:
    """Ranks of the truth's quantities among those of draws thinned to their effective number."""
    values = np.array(list(drawn.values()))
    n = _effective(values.reshape(len(values), n_chains, -1))
    values = values[:, ((np.arange(n) + 0.5) * values.shape[1] / n).astype(int)]
    at = np.array([true[name] for name in drawn])  # PyMC draws variables in any order
    below, same = (values < at).sum(axis=1), (values == at).sum(axis=1)
    return _Ranked(list(drawn), below + rng.integers(same + 1), n)


def _effective(values: np.ndarray) -> int:
    """The least bulk ESS among quantities (Q, chains, draws); one that never varies, and has none, is left out."""
    from arviz_stats import ess

    with np.errstate(all="ignore"):
        found = ess(values, method="bulk", chain_axis=1, draw_axis=2)
    most = values.shape[1] * values.shape[2]
    return int(np.clip(np.min(found, where=np.isfinite(found), initial=most), 1, most))


def _calibration(found: list[_Ranked], rng) -> Calibration:
    import pandas as pd

    n_draws = np.array([f.n_draws for f in found])
    ranks = pd.DataFrame([f.ranks for f in found], columns=found[0].names)
    ranks.index.name = "data set"
    pit = (ranks + rng.uniform(size=ranks.shape)).div(n_draws + 1, axis=0)
    return Calibration(ranks, n_draws, pit)
