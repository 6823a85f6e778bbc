"""A plain verdict on a posterior: may these draws be used, and if not, why and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayesgmm.draws.confidence import DOUBT, confidence
from bayesgmm.draws.convergence import convergence
from bayesgmm.draws.groups import agreeing, recorded_masses
from bayesgmm.draws.invariants import n_rows, quantities
from bayesgmm.draws.labels import relabel
from bayesgmm.draws.mixtures import MixtureDraws, group_of
from bayesgmm.draws.parts import PartDraws, read_any
from bayesgmm.draws.stacking import Stacked, predictive_weights
from bayesgmm.draws.verdicts import (
    DIFFERENT_MODES,
    DIVERGENCES,
    EMPTY_COMPONENT,
    HIGH_PARETO_K,
    LABEL_SWITCHING,
    LABELS_UNCERTAIN,
    LOW_ENERGY,
    NOT_CONVERGED,
    SOUND,
    TOO_FEW_DRAWS,
    explain,
)

R_HAT = 1.01
# Above this, chains are in different places; between the two, they may only be short.
R_HAT_APART = 1.05
ESS_PER_CHAIN = 100
# Less of the energy's variance between draws than this, and the momentum does not reach the tails (Betancourt 2016).
LEAST_ENERGY = 0.3
# Pareto's k up to which importance weights may be trusted (Vehtari et al. 2024).
PARETO_K = 0.7


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found.

    Attributes
    ----------
    verdict : str
        One of ``bayesgmm.draws.verdicts.VERDICTS``, which `diagnose` explains.
    text : str
        A sentence or two: the numbers behind it, and what to do.
    table : pandas.DataFrame
        A row a quantity: ``kind`` ("label-invariant" or "component"), ``r_hat``, ``ess_bulk``, ``ess_tail``;
        NaN for what does not vary.
    modes : pandas.DataFrame or None
        Of chains in different modes, a row a mode: ``chains``, a tuple of their numbers; ``mass``, the share of the
        posterior, and ``mass_se``; ``predictive_weight``, by stacking, which is no mass. NaN for what is unknown.
    """

    verdict: str
    text: str
    table: object
    modes: object = None

    @property
    def ok(self) -> bool:
        """Whether the draws may be used as they are or, after label switching, as `relabel` returns them."""
        return self.verdict in (SOUND, LABEL_SWITCHING)

    @property
    def labels_hold(self) -> bool:
        """Whether single components may be spoken of; if not, `text` says why, and what may be."""
        return self.verdict != LABELS_UNCERTAIN

    def __str__(self) -> str:
        return f"{self.verdict}: {self.text}"


@dataclass(frozen=True)
class _Findings:
    """The numbers that a verdict is made from."""

    table: object
    n_chains: int
    n_draws: int
    divergences: int | None
    matched_here: bool
    moved: int  # draws whose components were not in the most frequent order
    doubts: np.ndarray  # (K,): the expected share of draws in which a component has another's label
    rows: np.ndarray  # (K,): rows that the median draw gives a component; infinite where their number is not known
    rows_needed: int
    told: str  # what they are needed for
    energy: float  # the least E-BFMI of a chain; infinite where energies were not recorded
    pareto_k: float
    groups: np.ndarray  # (C,): chains that agree with each other have the same number
    masses: list[tuple[float, float]] | None  # the share of each group of chains, and its standard error
    stacked: Stacked | None = None  # the predictive weight of each group of chains
    r_hat_wanted = R_HAT

    @property
    def apart(self) -> float:
        """The R-hat beyond which chains are apart: what independent draws may show by chance, where they are few."""
        return max(R_HAT_APART, 1.0 + 5.0 / (self.n_draws / (2 if self.n_chains == 1 else 1)))

    @property
    def doubt(self) -> float:
        return float(self.doubts.max())

    @property
    def ess_needed(self) -> int:
        return ESS_PER_CHAIN * self.n_chains

    def worst(self, kind: str | None = None) -> tuple[float, str]:
        r_hat = (self.table if kind is None else self.table[self.table["kind"] == kind])["r_hat"].dropna()
        return (float(r_hat.max()), r_hat.idxmax()) if len(r_hat) else (1.0, "nothing varies")

    def least(self, kind: str | None = None) -> tuple[float, str]:
        rows = self.table if kind is None else self.table[self.table["kind"] == kind]
        ess = rows[["ess_bulk", "ess_tail"]].min(axis=1).dropna()
        return (float(ess.min()), ess.idxmin()) if len(ess) else (np.inf, "nothing varies")


def diagnose(draws) -> Diagnosis:
    """Judge a posterior: first by quantities that labels do not touch, then by its components.

    The verdict is the first of these that holds:

    =========================  =============================================================================
    "high Pareto k"            importance weights of the draws have k above 0.7 (engine "laplace")
    "different modes"          a label-invariant quantity has R-hat above 1.05 (above 1 + 5/n for n < 100 draws a
                               chain, what independent draws may show by chance), chains fall into groups that
                               agree among themselves, and each chain agrees with itself
    "not converged"            it has, and they do not; or a quantity is not finite
    "divergences"              the sampler recorded any
    "low energy information"   the E-BFMI of a chain is below 0.3
    "too few draws"            a label-invariant quantity has R-hat above 1.01 or an effective sample size (bulk or
                               tail) below 100 a chain
    "unsupported component"    half of the draws give a component fewer than D + 1 rows (of components of a
                               story's own: no more than it has numbers)
    "labels uncertain"         a parameter of a component has such an R-hat though the mixture has not, or its label
                               is expected to be wrong in more than 5 % of the draws (`bayesgmm.draws.confidence`)
    "too few draws"            the same for the components' own parameters
    "label switching"          draws had different labels; matching, done before or by this function, undid it
    "sound"                    none of these
    =========================  =============================================================================

    Label-invariant are the sorted weights, mean and covariance of the whole mixture, the log-likelihood, the log
    density at five of the observed rows, and the probability that neighbours among them come from the same component
    (`invariants.quantities`). R-hat is the rank-normalised split one,
    the larger of bulk and folded. What never varies is left out. One chain is judged by its own two halves. Of chains
    in different modes, `sample` has recorded the masses, by bridge sampling within each; they are "unknown" where it
    could not tell, or where draws came from elsewhere. Beside them stand predictive weights, by stacking: how to weigh
    the modes' predictions where they are used together, for which the group ``log_likelihood`` is needed. They are no
    posterior masses.

    Parameters
    ----------
    draws : xarray.DataTree

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021) for R-hat, the effective sample sizes and thresholds;
    Betancourt (2016) for the energy; bridge sampling: Meng & Wong (1996); stacking: Yao, Vehtari & Gelman (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(0)
    >>> means = np.array([[0.0], [9.0]]) + 0.1 * rng.standard_normal((4, 500, 2, 1))
    >>> diagnose(from_arrays(np.full((4, 500, 2), 0.5), means, np.ones((4, 500, 2, 1, 1)))).verdict
    'sound'
    """
    findings = _findings(draws)
    verdict = _verdict(findings)
    modes = None
    if verdict == DIFFERENT_MODES:
        findings = replace(findings, stacked=predictive_weights(draws, findings.groups))
        modes = _modes(findings)
    return Diagnosis(verdict, explain(verdict, findings), findings.table, modes)


def _findings(draws) -> _Findings:
    import pandas as pd

    stats = group_of(draws, "sample_stats")
    recorded = stats is not None and "permutation" in stats
    matched = draws if recorded else relabel(draws)
    mixtures = read_any(matched)
    open_ = isinstance(mixtures, PartDraws)
    unlabelled = quantities(draws, mixtures)
    invariant = convergence(unlabelled, mixtures.n_chains)
    own = convergence(parameters(mixtures), mixtures.n_chains)
    invariant.insert(0, "kind", "label-invariant")
    own.insert(0, "kind", "component")
    groups = agreeing(unlabelled, mixtures.n_chains)
    return _Findings(
        table=pd.concat([invariant, own]),
        n_chains=mixtures.n_chains,
        n_draws=len(mixtures) // mixtures.n_chains,
        divergences=int(stats["diverging"].sum()) if stats is not None and "diverging" in stats else None,
        matched_here=not recorded,
        moved=_moved(matched["sample_stats"]["permutation"].values),
        doubts=1.0 - confidence(mixtures).mean(axis=0),
        rows=np.median(mixtures.weights, axis=0) * (mixtures.n_rows if open_ else n_rows(draws)),
        rows_needed=mixtures.n_own + 1 if open_ else len(mixtures.features) + 1,
        told="parameters" if open_ else "covariance",
        energy=_energy(stats),
        pareto_k=float(draws.attrs.get("pareto_k", -np.inf)),
        groups=groups,
        masses=recorded_masses(draws, groups),
    )


def _modes(found: _Findings):
    import pandas as pd

    n = found.groups.max() + 1
    masses = np.full((n, 2), np.nan) if found.masses is None else np.array(found.masses)
    columns = {
        "chains": [tuple(np.flatnonzero(found.groups == g).tolist()) for g in range(n)],
        "mass": masses[:, 0],
        "mass_se": masses[:, 1],
        "predictive_weight": np.full(n, np.nan) if found.stacked is None else found.stacked.weights,
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(n, name="mode"))


def _energy(stats) -> float:
    """The least E-BFMI of a chain: how much of the energy's variance a new momentum can change."""
    if stats is None or "energy" not in stats:
        return np.inf
    energy = stats["energy"].transpose("chain", "draw").values
    varies = energy.var(axis=1)
    found = np.square(np.diff(energy, axis=1)).mean(axis=1)[varies > 0] / varies[varies > 0]
    return float(found.min()) if len(found) else np.inf


def _verdict(found: _Findings) -> str:
    invariant, own = "label-invariant", "component"
    r_hat = found.worst(invariant)[0]
    if found.pareto_k > PARETO_K:
        return HIGH_PARETO_K
    if r_hat > found.apart:
        return DIFFERENT_MODES if np.isfinite(r_hat) and found.groups.max() > 0 else NOT_CONVERGED
    if found.divergences:
        return DIVERGENCES
    if found.energy < LEAST_ENERGY:
        return LOW_ENERGY
    if _too_few(found, invariant):
        return TOO_FEW_DRAWS
    if found.rows.min() < found.rows_needed:
        return EMPTY_COMPONENT
    if found.worst(own)[0] > found.apart or found.doubt > DOUBT:
        return LABELS_UNCERTAIN
    if _too_few(found, own):
        return TOO_FEW_DRAWS
    return LABEL_SWITCHING if found.moved else SOUND


def _too_few(found: _Findings, kind: str) -> bool:
    return found.worst(kind)[0] > R_HAT or found.least(kind)[0] < found.ess_needed


def parameters(mixtures: MixtureDraws | PartDraws) -> dict[str, np.ndarray]:
    """π, μ, Σ (without Σ's duplicates), or the variables of other components, by name, each (M,)."""
    if isinstance(mixtures, PartDraws):
        own = mixtures.own if "weights" in mixtures.own else {"weights": mixtures.weights, **mixtures.own}
        return mixtures.named(own)
    names, found = mixtures.features, {}
    for k in range(mixtures.n_components):
        found[f"weights[{k}]"] = mixtures.weights[:, k]
        found |= {f"means[{k}, {a}]": mixtures.means[:, k, i] for i, a in enumerate(names)}
        for i, a in enumerate(names):
            found |= {f"covariances[{k}, {a}, {b}]": mixtures.covariances[:, k, i, j]
                      for j, b in enumerate(names) if j >= i}  # fmt: skip
    return found


def _moved(permutation: np.ndarray) -> int:
    """The number of draws whose order of components is not the most frequent one."""
    orders = permutation.reshape(-1, permutation.shape[-1])
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    return int(len(orders) - counts.max())
