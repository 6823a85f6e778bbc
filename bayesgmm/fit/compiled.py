"""EM in compiled code, where it has the M-step: rows into units that suit a family, and what is found back into theirs.

Rows are centred, and scaled by as much as a family allows without being left: sphered, each feature in standard
deviations, or all in one unit. So nothing depends on the units of x but what must.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.families import ANY_MAP, EACH_SCALE, Family
from bayesgmm.fit.em import Posterior, Target
from bayesgmm.fit.moments import moments
from bayesgmm.kernel import Penalty, Whitening, ascents, e_step
from bayesgmm.kernel.ascents import COLLAPSED, CONVERGED
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Conjugate

# Numbers in the rows above which a pass is worth all threads.
MOST_NUMBERS = 500_000
# A conditional variance of a component, of that of all rows, below which it has collapsed.
FLAT = 1e-10


class Units(NamedTuple):
    """z = T (x − centre), T lower triangular, and the factor of the covariance of all rows, in z."""

    centre: np.ndarray  # (D,)
    turn: np.ndarray  # (D, D)
    factor: np.ndarray  # (D, D)

    @classmethod
    def of(cls, x, case_weights, family: Family) -> Units | None:
        """Units that suit a family; None where the rows lie in a plane."""
        whole = moments(x, case_weights)
        covariance = whole.scatters[0] / whole.total
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return None
        turn = np.eye(len(factor)) / np.sqrt(np.trace(covariance) / len(factor))
        if family.units == ANY_MAP:
            turn = np.linalg.inv(factor)
        elif family.units == EACH_SCALE:
            turn = np.diag(1 / np.sqrt(np.diag(covariance)))
        return cls(whole.means[0], np.tril(turn), turn @ factor)

    def factors(self, mixture: Mixture, family: Family) -> np.ndarray:
        """A mixture's factors, in z, as many as the family has of its own."""
        found = mixture.whitening.factors
        if not family.is_shared:
            found = np.broadcast_to(found, (mixture.n_components, *found.shape[1:]))
        return found * np.diag(self.turn) if family.is_diagonal else self.turn @ found

    def back(self, means, factors, family: Family) -> tuple[np.ndarray, Whitening]:
        """Means and factors in x."""
        inverse = np.tril(np.linalg.inv(self.turn))
        factors = factors * np.diag(inverse) if family.is_diagonal else inverse @ np.tril(factors)
        return self.centre + means @ inverse.T, Whitening.of(factors)

    def penalty(self, target: Target, n_components: int) -> Penalty | None:
        """What a target adds to the log-likelihood, in z."""
        if not isinstance(target, Posterior):
            return None
        prior = target.prior
        more, scatters = target.family.penalty(n_components, prior.dof, prior.scale, prior.is_mclusts)
        rows = np.broadcast_to(np.asarray(prior.concentration, dtype=float) - 1, n_components)
        mean = self.turn @ (prior.mean - self.centre)
        return Penalty(prior.shrinkage, mean, rows, 1 + more, self.turn @ scatters @ self.turn.T)


def climb_compiled(x, starts: list[Mixture], target: Target, case_weights, tolerance: float, most: int) -> list:
    """What `climbs.paths_from` gives of each start, or None where Python's loop had better climb."""
    return refit_compiled([(x, case_weights)] * len(starts), starts, target, tolerance, most)


def refit_compiled(samples, starts: list[Mixture], target: Target, tolerance: float, most: int) -> list:
    """The same, of samples of rows and their weights, all of one size, with a start for each."""
    nothing, family = [None] * len(starts), target.family
    if not starts or not is_compiled(samples[0][0], target):
        return nothing
    units = Units.of(*samples[0], family)
    if units is None:
        return nothing
    z, weights = _stacked(samples, units)
    prior = units.penalty(target, starts[0].n_components)
    found = ascents(
        z, weights, np.array([m.log_weights for m in starts]),
        np.array([(m.means - units.centre) @ units.turn.T for m in starts]),
        np.array([units.factors(m, family) for m in starts]), family.letters,
        penalty=prior, floor=None if prior else FLAT * np.diag(units.factor) ** 2, tolerance=tolerance, most=most,
    )  # fmt: skip
    return [_path(found, i, *sample, units, target) for i, sample in enumerate(samples)]


def _stacked(samples, units: Units):
    """Rows in z, and weights; each once where all samples have the same."""
    (x, weights), turn = samples[0], units.turn.T
    same, alike = all(r is x for r, _ in samples), all(w is weights for _, w in samples)
    z = (x if same else np.stack([rows for rows, _ in samples])) - units.centre
    return z @ turn, weights if alike else np.stack([w for _, w in samples])


def _path(found, i: int, x, case_weights, units: Units, target: Target):
    from bayesgmm.fit.climbs import Climbed, nowhere

    if found.ends[i] == COLLAPSED:
        # Under a prior nothing collapses, but a weight may come to lie at 0.
        return None if isinstance(target, Posterior) else nowhere("its rows have no volume", int(found.n_iter[i]))
    weights, parts = np.exp(found.log_weights[i]), units.back(found.means[i], found.factors[i], target.family)
    mixture = Mixture.from_whitening(weights / weights.sum(), *parts, features=target.features)
    height = e_step(x, mixture, case_weights, pointwise=False)[0]
    objective, history = height + target.log_prior(mixture), found.histories[i, : found.n_iter[i] + 1]
    done = bool(found.ends[i] == CONVERGED)
    climbed = Climbed(mixture, height, objective, int(found.n_iter[i]), done, "")
    return climbed, [*(history[:-1] + (objective - history[-1])).tolist(), objective]


def is_compiled(x, target: Target) -> bool:
    """Whether compiled code climbs over such rows: complete ones in double precision, not too many."""
    if not (isinstance(x, np.ndarray) and x.dtype == float and x.size <= MOST_NUMBERS):
        return False
    return not isinstance(target, Posterior) or type(target.prior) is Conjugate
