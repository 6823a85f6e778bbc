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

# Numbers in the rows above which a pass is worth all threads; of one of many samples, which have a thread each.
MOST_NUMBERS, MOST_OF_SAMPLE = 500_000, 5_000_000
# A conditional variance of a component, of that of all rows, below which it has collapsed.
FLAT = 1e-10


class Units(NamedTuple):
    """z = T (x − centre), T lower triangular, its inverse, and the factor of the covariance of all rows, in z."""

    centre: np.ndarray  # (D,)
    turn: np.ndarray  # (D, D)
    factor: np.ndarray  # (D, D)
    inverse: np.ndarray  # (D, D): T⁻¹

    @classmethod
    def of(cls, x, case_weights, family: Family) -> Units | None:
        """Units that suit a family; None where the rows lie in a plane."""
        whole = moments(x, case_weights)
        return cls._from(whole.means[0], whole.scatters[0] / whole.total, family)

    @classmethod
    def like(cls, mixture: Mixture, family: Family) -> Units | None:
        """The same for rows like those of a mixture."""
        weights, centre = mixture.weights, mixture.weights @ mixture.means
        gaps = mixture.means - centre
        within = np.einsum("k,kij->ij", weights, mixture.covariances)
        return cls._from(centre, within + (gaps.T * weights) @ gaps, family)

    @classmethod
    def _from(cls, centre, covariance, family: Family) -> Units | None:
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return None
        turn = np.eye(len(factor)) / np.sqrt(np.trace(covariance) / len(factor))
        if family.units == ANY_MAP:
            turn = np.linalg.inv(factor)
        elif family.units == EACH_SCALE:
            turn = np.diag(1 / np.sqrt(np.diag(covariance)))
        turn = np.tril(turn)
        return cls(centre, turn, turn @ factor, np.tril(np.linalg.inv(turn)))

    def factors(self, mixture: Mixture, family: Family) -> np.ndarray:
        """A mixture's factors, in z, as many as the family has of its own."""
        found = mixture.whitening.factors
        if not family.is_shared:
            found = np.broadcast_to(found, (mixture.n_components, *found.shape[1:]))
        return found * np.diag(self.turn) if family.is_diagonal else self.turn @ found

    def back(self, means, factors, family: Family) -> tuple[np.ndarray, np.ndarray]:
        """Means (…, K, D) and factors (…, F, D, D) or (…, F, D) in x."""
        factors = factors * np.diag(self.inverse) if family.is_diagonal else self.inverse @ factors
        return self.centre + means @ self.inverse.T, factors

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
    units = Units.of(x, case_weights, target.family) if starts and is_compiled(x, target) else None
    if units is None:
        return [None] * len(starts)
    found = _ascents(units, x, case_weights, starts, target, tolerance, most)
    return [_path(found, i, x, case_weights, units, target) for i in range(len(starts))]


def refit_compiled(samples, start: Mixture, target: Target, tolerance: float, most: int) -> list:
    """From one mixture over samples, rows and their weights, all of one size: where each climb ended, or None where
    it collapsed, and whether it is there; nothing at all where Python's loop had better climb.
    """
    x, weights = zip(*samples, strict=True)
    first = np.asarray(x[0], dtype=float)
    units = Units.like(start, target.family) if is_compiled(first, target, MOST_OF_SAMPLE) else None
    if units is None:
        return []
    x = first if all(rows is x[0] for rows in x) else np.stack(x, dtype=float)
    weights = None if weights[0] is None else np.stack(weights)
    starts = [start] * len(samples)
    found = _ascents(units, x, weights, starts, target, tolerance, most)
    shares = np.exp(found.log_weights)
    shares /= shares.sum(axis=1, keepdims=True)
    back = units.back(found.means, found.factors, target.family)
    return [(None if end == COLLAPSED else Mixture.from_whitening(w, m, Whitening.of(f), features=target.features),
             end == CONVERGED) for end, w, m, f in zip(found.ends, shares, *back, strict=True)]  # fmt: skip


def _ascents(units: Units, x, weights, starts: list[Mixture], target: Target, tolerance: float, most: int):
    """Climbs from mixtures, in z; over the same rows or weights, or each over its own."""
    prior = units.penalty(target, starts[0].n_components)
    return ascents(
        (x - units.centre) @ units.turn.T, weights, np.array([m.log_weights for m in starts]),
        np.array([(m.means - units.centre) @ units.turn.T for m in starts]),
        np.array([units.factors(m, target.family) for m in starts]), target.family.letters,
        penalty=prior, floor=None if prior else FLAT * np.diag(units.factor) ** 2, tolerance=tolerance, most=most,
    )  # fmt: skip


def _path(found, i: int, x, case_weights, units: Units, target: Target):
    from bayesgmm.fit.climbs import Climbed, nowhere

    if found.ends[i] == COLLAPSED:
        # Under a prior nothing collapses, but a weight may come to lie at 0.
        return None if isinstance(target, Posterior) else nowhere("its rows have no volume", int(found.n_iter[i]))
    weights = np.exp(found.log_weights[i])
    means, factors = units.back(found.means[i], found.factors[i], target.family)
    mixture = Mixture.from_whitening(weights / weights.sum(), means, Whitening.of(factors), features=target.features)
    height = e_step(x, mixture, case_weights, pointwise=False)[0]
    objective, history = height + target.log_prior(mixture), found.histories[i, : found.n_iter[i] + 1]
    done = bool(found.ends[i] == CONVERGED)
    climbed = Climbed(mixture, height, objective, int(found.n_iter[i]), done, "")
    return climbed, [*(history[:-1] + (objective - history[-1])).tolist(), objective]


def is_compiled(x, target: Target, most: int = MOST_NUMBERS) -> bool:
    """Whether compiled code climbs over such rows: complete ones in double precision, not too many."""
    if not (isinstance(x, np.ndarray) and x.dtype == float and x.size <= most):
        return False
    return not isinstance(target, Posterior) or type(target.prior) is Conjugate
