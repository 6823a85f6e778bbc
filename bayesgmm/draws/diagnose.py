"""A plain verdict on a posterior: may these draws be used, and if not, why and what to do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.draws.confidence import confidence
from bayesgmm.draws.convergence import convergence
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.labels import relabel
from bayesgmm.draws.mixtures import MixtureDraws, group_of, read

SOUND = "sound"
LABEL_SWITCHING = "label switching"
LABELS_UNCERTAIN = "labels uncertain"
TOO_FEW_DRAWS = "too few draws"
DIVERGENCES = "divergences"
NOT_CONVERGED = "not converged"
VERDICTS = (SOUND, LABEL_SWITCHING, LABELS_UNCERTAIN, TOO_FEW_DRAWS, DIVERGENCES, NOT_CONVERGED)

R_HAT = 1.01
# Above this, chains are in different places; between the two, they may only be short.
R_HAT_APART = 1.05
ESS_PER_CHAIN = 100
# Labels are uncertain when a component's are expected to be wrong in more than this share of the draws.
DOUBT = 0.05


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found.

    Attributes
    ----------
    verdict : str
        One of ``VERDICTS``: "sound", "label switching", "labels uncertain", "too few draws", "divergences",
        "not converged".
    text : str
        A sentence or two: the numbers behind it, and what to do.
    table : pandas.DataFrame
        A row a quantity: ``kind`` ("label-invariant" or "component"), ``r_hat``, ``ess_bulk``, ``ess_tail``;
        NaN for what does not vary.
    """

    verdict: str
    text: str
    table: object

    @property
    def ok(self) -> bool:
        """Whether the draws may be used as they are or, after label switching, as `relabel` returns them."""
        return self.verdict in (SOUND, LABEL_SWITCHING)

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

    ==================  ====================================================================================
    "not converged"     a label-invariant quantity has R-hat above 1.05 (above 1 + 5/n for n < 100 draws a chain,
                        what independent draws may show by chance), or is not finite
    "divergences"       the sampler recorded any
    "too few draws"     a label-invariant quantity has R-hat above 1.01 or an effective sample size (bulk or
                        tail) below 100 a chain
    "labels uncertain"  a parameter of a component has such an R-hat though the mixture has not, or its label is
                        expected to be wrong in more than 5 % of the draws (`bayesgmm.draws.confidence`)
    "too few draws"     the same for the components' own parameters
    "label switching"   draws had different labels; matching, done before or by this function, undid it
    "sound"             none of these
    ==================  ====================================================================================

    Label-invariant are the sorted weights, mean and covariance of the whole mixture, the log-likelihood, and the
    log density at five of the observed rows (`invariants.quantities`). R-hat is the rank-normalised split one,
    the larger of bulk and folded. What never varies is left out. One chain is judged by its own two halves.

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
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021) for R-hat, the effective sample sizes and thresholds.

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
    text = _TEXTS[verdict](findings)
    if findings.n_chains == 1:
        text += " There is only one chain, judged by its own two halves: run several."
    return Diagnosis(verdict, text, findings.table)


def _findings(draws) -> _Findings:
    import pandas as pd

    stats = group_of(draws, "sample_stats")
    recorded = stats is not None and "permutation" in stats
    matched = draws if recorded else relabel(draws)
    mixtures = read(matched)
    invariant = convergence(quantities(draws, mixtures), mixtures.n_chains)
    own = convergence(parameters(mixtures), mixtures.n_chains)
    invariant.insert(0, "kind", "label-invariant")
    own.insert(0, "kind", "component")
    return _Findings(
        table=pd.concat([invariant, own]),
        n_chains=mixtures.n_chains,
        n_draws=len(mixtures) // mixtures.n_chains,
        divergences=int(stats["diverging"].sum()) if stats is not None and "diverging" in stats else None,
        matched_here=not recorded,
        moved=_moved(matched["sample_stats"]["permutation"].values),
        doubts=1.0 - confidence(mixtures).mean(axis=0),
    )


def _verdict(found: _Findings) -> str:
    invariant, own = "label-invariant", "component"
    if found.worst(invariant)[0] > found.apart:
        return NOT_CONVERGED
    if found.divergences:
        return DIVERGENCES
    if _too_few(found, invariant):
        return TOO_FEW_DRAWS
    if found.worst(own)[0] > found.apart or found.doubt > DOUBT:
        return LABELS_UNCERTAIN
    if _too_few(found, own):
        return TOO_FEW_DRAWS
    return LABEL_SWITCHING if found.moved else SOUND


def _too_few(found: _Findings, kind: str) -> bool:
    return found.worst(kind)[0] > R_HAT or found.least(kind)[0] < found.ess_needed


def parameters(mixtures: MixtureDraws) -> dict[str, np.ndarray]:
    """π, μ, Σ (without Σ's duplicates) by name, each (M,)."""
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


def _agreement(found: _Findings) -> str:
    (r_hat, _), (ess, _) = found.worst(), found.least()
    chains = "the chain agrees with itself" if found.n_chains == 1 else f"the {found.n_chains} chains agree"
    sizes = "nothing varies" if np.isinf(ess) else f"the smallest effective sample size is {ess:.0f}"
    divergences = "" if found.divergences is None else ", and no draw diverged"
    return f"{chains} (largest R-hat {r_hat:.3f}), {sizes}{divergences}"


def _sound(found: _Findings) -> str:
    return _sentence(_agreement(found))


def _switching(found: _Findings) -> str:
    did = "use bayesgmm.relabel(draws), which matches them" if found.matched_here else "they have been matched"
    total = found.n_chains * found.n_draws
    return f"{found.moved} of {total} draws had their components in another order: {did}, and {_agreement(found)}."


def _uncertain(found: _Findings) -> str:
    r_hat, where = found.worst("component")
    if r_hat > found.apart:
        why = f"{where} does not after matching (R-hat {r_hat:.3f})"
    else:
        why = (f"components overlap: by their parameters, {found.doubt:.0%} of the labels of number "
               f"{found.doubts.argmax()} are expected to be wrong")  # fmt: skip
    return (f"The chains agree on the mixture as a whole, but {why}. Trust what does not depend on labels, "
            "such as densities and predictions, and not the parameters of single components.")  # fmt: skip


def _few(found: _Findings) -> str:
    (ess, where), (r_hat, there) = found.least(), found.worst()
    if ess < found.ess_needed:
        times = int(np.ceil(found.ess_needed / max(ess, 1.0)))
        return (f"The smallest effective sample size is {ess:.0f} ({where}), where {found.ess_needed} are needed: "
                f"draw about {max(times, 2)} times as many.")  # fmt: skip
    return f"The largest R-hat is {r_hat:.3f} ({there}), where {R_HAT} is wanted: draw twice as many."


def _divergent(found: _Findings) -> str:
    total = found.n_chains * found.n_draws
    return (f"{found.divergences} of {total} draws diverged, so that a part of the posterior may be missing; "
            "sample with a higher target_accept or more tuning, or under a stronger prior.")  # fmt: skip


def _apart(found: _Findings) -> str:
    r_hat, where = found.worst("label-invariant")
    if np.isinf(r_hat):
        return f"{_sentence(where)[:-1]} is not finite, or is stuck at different values: do not use these draws."
    who = "the chain's halves" if found.n_chains == 1 else "the chains"
    return (f"{_sentence(who)[:-1]} disagree on what labels do not touch: {where} has R-hat {r_hat:.3f}, where at most "
            f"{R_HAT} is wanted. Do not use these draws; tune longer and look for several modes.")  # fmt: skip


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


_TEXTS = {SOUND: _sound, LABEL_SWITCHING: _switching, LABELS_UNCERTAIN: _uncertain, TOO_FEW_DRAWS: _few,
          DIVERGENCES: _divergent, NOT_CONVERGED: _apart}  # fmt: skip
