"""The words of a diagnosis: what each verdict is called, and the sentence that explains it."""

from __future__ import annotations

import numpy as np

SOUND = "sound"
LABEL_SWITCHING = "label switching"
LABELS_UNCERTAIN = "labels uncertain"
EMPTY_COMPONENT = "unsupported component"
TOO_FEW_DRAWS = "too few draws"
LOW_ENERGY = "low energy information"
DIVERGENCES = "divergences"
DIFFERENT_MODES = "different modes"
HIGH_PARETO_K = "high Pareto k"
NOT_CONVERGED = "not converged"
VERDICTS = (SOUND, LABEL_SWITCHING, LABELS_UNCERTAIN, EMPTY_COMPONENT, TOO_FEW_DRAWS, LOW_ENERGY, DIVERGENCES,
            DIFFERENT_MODES, HIGH_PARETO_K, NOT_CONVERGED)  # fmt: skip


def explain(verdict: str, found) -> str:
    """A sentence or two on the findings behind a verdict, and what to do."""
    text = _TEXTS[verdict](found)
    if found.n_chains == 1:
        text += " There is only one chain, judged by its own two halves: run several."
    return text


def _agreement(found) -> str:
    (r_hat, _), (ess, _) = found.worst(), found.least()
    chains = "the chain agrees with itself" if found.n_chains == 1 else f"the {found.n_chains} chains agree"
    sizes = "nothing varies" if np.isinf(ess) else f"the smallest effective sample size is {ess:.0f}"
    divergences = "" if found.divergences is None else ", and no draw diverged"
    return f"{chains} (largest R-hat {r_hat:.3f}), {sizes}{divergences}"


def _sound(found) -> str:
    return _sentence(_agreement(found))


def _switching(found) -> str:
    did = "use bayesgmm.relabel(draws), which matches them" if found.matched_here else "they have been matched"
    total = found.n_chains * found.n_draws
    return f"{found.moved} of {total} draws had their components in another order: {did}, and {_agreement(found)}."


def _uncertain(found) -> str:
    r_hat, where = found.worst("component")
    if r_hat > found.apart:
        why = f"{where} does not after matching (R-hat {r_hat:.3f})"
    else:
        why = (f"components overlap: by their parameters, {found.doubt:.0%} of the labels of number "
               f"{found.doubts.argmax()} are expected to be wrong")  # fmt: skip
    return (f"The chains agree on the mixture as a whole, but {why}. Trust what does not depend on labels, "
            "such as densities and predictions, and not the parameters of single components.")  # fmt: skip


def _empty(found) -> str:
    k, rows = int(found.rows.argmin()), float(found.rows.min())
    return (f"The chains agree, but the data hardly speak of component {k}: half of the draws give it fewer than "
            f"{max(rows, 0.1):.1f} rows, where {found.rows_needed} are needed to tell its {found.told}. Its parameters "
            "are those of the prior; fit fewer components.")  # fmt: skip


def _few(found) -> str:
    (ess, where), (r_hat, there) = found.least(), found.worst()
    if ess < found.ess_needed:
        times = int(np.ceil(found.ess_needed / max(ess, 1.0)))
        return (f"The smallest effective sample size is {ess:.0f} ({where}), where {found.ess_needed} are needed: "
                f"draw about {max(times, 2)} times as many.")  # fmt: skip
    return f"The largest R-hat is {r_hat:.3f} ({there}), where {found.r_hat_wanted} is wanted: draw twice as many."


def _energy(found) -> str:
    return (f"The energy of a chain varies too slowly for its momentum to explore (E-BFMI {found.energy:.2f}, "
            "where 0.3 is wanted): tails may be missing. Tune longer, or take a stronger prior.")  # fmt: skip


def _divergent(found) -> str:
    total = found.n_chains * found.n_draws
    return (f"{found.divergences} of {total} draws diverged, so that a part of the posterior may be missing; "
            "sample with more tuning, or under a stronger prior.")  # fmt: skip


def _modes(found) -> str:
    parts, masses, stacked = [], found.masses, found.stacked
    for g in range(found.groups.max() + 1):
        chains = ", ".join(map(str, np.flatnonzero(found.groups == g)))
        share = "unknown" if masses is None else f"{masses[g][0]:.1%} ± {masses[g][1]:.1%}"
        weight = "unknown" if stacked is None else f"{stacked.weights[g]:.1%}"
        parts.append(f"chain{'s' if ',' in chains else ''} {chains}: mass {share}, predictive weight {weight}")
    weighed = "" if masses is None else " (by bridge sampling within each)"
    r_hat, where = found.worst("label-invariant")
    return (f"The chains are in different modes, and none has crossed: {'; '.join(parts)}{weighed}. "
            f"{_sentence(where)[:-1]} has R-hat {r_hat:.3f}. Pooled draws count modes by chains, not by their masses: "
            "do not use them as they are. Sample from other seeds, and look at the modes one by one. "
            f"{_stacking(stacked)}")  # fmt: skip


def _stacking(stacked) -> str:
    if stacked is None:
        return "Predictive weights need the group log_likelihood (bayesgmm.extend adds it)."
    rough = f"; {stacked.rough} of those densities are rough, by Pareto's k" if stacked.rough else ""
    return ("Predictive weights are no masses: they say how to weigh the modes' predictions, by stacking of the "
            f"densities of rows left out{rough}.")  # fmt: skip


def _pareto(found) -> str:
    return (f"The normal approximation is too far from the posterior: Pareto's k is {found.pareto_k:.2f}, where at "
            "most 0.7 is wanted. Do not use these draws; sample with engine='nuts'.")  # fmt: skip


def _apart(found) -> str:
    r_hat, where = found.worst("label-invariant")
    if np.isinf(r_hat):
        return f"{_sentence(where)[:-1]} is not finite, or is stuck at different values: do not use these draws."
    who = "the chain's halves" if found.n_chains == 1 else "the chains"
    return (f"{_sentence(who)[:-1]} disagree on what labels do not touch: {where} has R-hat {r_hat:.3f}, where at "
            f"most {found.r_hat_wanted} is wanted. Do not use these draws; tune longer and look for several modes.")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


_TEXTS = {SOUND: _sound, LABEL_SWITCHING: _switching, LABELS_UNCERTAIN: _uncertain, EMPTY_COMPONENT: _empty,
          TOO_FEW_DRAWS: _few, LOW_ENERGY: _energy, DIVERGENCES: _divergent, DIFFERENT_MODES: _modes,
          HIGH_PARETO_K: _pareto, NOT_CONVERGED: _apart}  # fmt: skip
