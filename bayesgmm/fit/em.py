"""EM: the loop, what it climbs, and when it stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayesgmm.families import Family
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior

# Stop when what is still to be gained, extrapolated, is below this many units of log density.
TOLERANCE = 1e-9
MOST_STEPS = 5000


class Step(NamedTuple):
    """One turn of EM: a mixture, its log density, and what the points say under it."""

    mixture: Mixture
    log_likelihood: float
    objective: float
    stats: Stats


@dataclass(frozen=True)
class Likelihood:
    """The log-likelihood, as EM climbs it."""

    family: Family
    features: tuple[str, ...]

    def update(self, stats: Stats) -> Mixture:
        """M-step: the mixture that maximises Q(θ; S). Raises LinAlgError where a covariance collapses."""
        if not (stats.counts > 0).all():
            raise np.linalg.LinAlgError("a component has lost all its points")
        weights, covariances = stats.counts / stats.total, self.family.m_step(stats.scatters, stats.counts)
        return Mixture.from_whitening(weights, stats.means, self.family.whitening(covariances), features=self.features)

    def log_prior(self, mixture: Mixture) -> float:
        """Nothing is added to the log-likelihood."""
        return 0.0


@dataclass(frozen=True)
class Posterior:
    """The log posterior density of (π, μ, Σ) under a prior with closed forms, as EM climbs it."""

    family: Family
    features: tuple[str, ...]
    prior: Prior

    def update(self, stats: Stats) -> Mixture:
        """M-step: the mixture that maximises Q(θ; S) + log p(θ)."""
        weights, means, covariances = self.prior.mode(stats, self.family)
        return Mixture.from_whitening(weights, means, self.family.whitening(covariances), features=self.features)

    def log_prior(self, mixture: Mixture) -> float:
        """log p(θ)."""
        return self.prior.log_density(mixture, self.family)


Target = Likelihood | Posterior


def em(x, start: Mixture, target: Target, case_weights=None) -> Iterator[Step]:
    """Climb for as long as the caller looks on; the objective never falls (Dempster, Laird & Rubin 1977)."""
    mixture = start
    while True:
        log_prob, stats = e_step(x, mixture, case_weights)
        log_likelihood = float(log_prob.sum() if case_weights is None else case_weights @ log_prob)
        yield Step(mixture, log_likelihood, log_likelihood + target.log_prior(mixture), stats)
        mixture = target.update(stats)


def still_to_gain(history: list[float]) -> float:
    """What the limit lies above the last value, by Aitken's extrapolation of the last three (Böhning et al. 1994)."""
    if len(history) < 3:
        return np.inf
    before, last = history[-2] - history[-3], history[-1] - history[-2]
    if last <= 4 * np.finfo(float).eps * abs(history[-1]):
        return 0.0
    ratio = last / before if before > 0 else 1.0
    return last * ratio / (1 - ratio) if ratio < 1 else np.inf


def climb(x, start: Mixture, target: Target, case_weights=None) -> tuple[Step, list[float], bool]:
    """Run EM until almost nothing is left to gain: the last step, the history of the objective, converged or not."""
    history = []
    for step in em(x, start, target, case_weights):
        history.append(step.objective)
        if still_to_gain(history) < TOLERANCE:
            return step, history, True
        if len(history) >= MOST_STEPS:
            return step, history, False
    raise AssertionError("em() does not end by itself")
