"""EM: the loop, what it climbs, and when it stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from bayesgmm.families import Family
from bayesgmm.fit.accelerate import Curvature, Frame
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior

# Stop when the Newton decrement, twice the log density still to be gained, is below this …
TOLERANCE = 1e-8
# … or the gradient per row, in whitened coordinates, below this; in single precision, go on in double below that.
LEAST_GRADIENT, ROUGH = 1e-8, 1e-6
MOST_STEPS = 5000
_EPS, _SINGLE_EPS = float(np.finfo(float).eps), float(np.finfo(np.float32).eps)
# EM's own steps first, until the gradient is below this: longer ones from afar end more often in another mode, which
# may be a lower one.
NEAR = 0.05


class Step(NamedTuple):
    """One turn of EM: a mixture, its log density, what the points say under it, and what is left to gain."""

    mixture: Mixture
    log_likelihood: float
    objective: float  # the log-likelihood, or the log posterior density
    stats: Stats
    decrement: float  # Newton's: twice what is left to gain; infinite as long as it cannot be told
    gradient: float  # ‖∇ objective‖ / N in coordinates in which a complete row has unit information
    accelerated: bool  # reached by a quasi-Newton step, not by EM's own
    passes: int  # over the rows, up to here
    single: bool  # in single precision: what the step says has about six digits


@dataclass(frozen=True)
class Likelihood:
    """The log-likelihood, as EM climbs it."""

    family: Family
    features: tuple[str, ...]

    def update(self, stats: Stats, near: Mixture | None = None) -> Mixture:
        """M-step: the mixture that maximises Q(θ; S). Raises LinAlgError where a covariance collapses.

        Where a family has no closed form it begins at a mixture that is ``near``, and does not end lower than there.
        """
        if not (stats.counts > 0).all():
            raise np.linalg.LinAlgError("a component has lost all its points")
        begin = None if near is None else near.covariances
        weights, covariances = stats.counts / stats.total, self.family.m_step(stats.scatters, stats.counts, begin)
        return Mixture.from_whitening(weights, stats.means, self.family.whitening(covariances), features=self.features)

    def log_prior(self, mixture: Mixture) -> float:
        """Nothing is added to the log-likelihood."""
        return 0.0

    def frame(self, mixture: Mixture, total: float) -> Frame:
        """Coordinates around a mixture."""
        return Frame(mixture, total)


@dataclass(frozen=True)
class Posterior:
    """The log posterior density of (π, μ, Σ) under a prior with closed forms, as EM climbs it."""

    family: Family
    features: tuple[str, ...]
    prior: Prior

    def update(self, stats: Stats, near: Mixture | None = None) -> Mixture:
        """M-step: the mixture that maximises Q(θ; S) + log p(θ)."""
        weights, means, covariances = self.prior.mode(stats, self.family, near)
        return Mixture.from_whitening(weights, means, self.family.whitening(covariances), features=self.features)

    def log_prior(self, mixture: Mixture) -> float:
        """log p(θ)."""
        return self.prior.log_density(mixture, self.family)

    def frame(self, mixture: Mixture, total: float) -> Frame:
        """Coordinates around a mixture."""
        return Frame(mixture, total)


Target = Likelihood | Posterior


@dataclass(frozen=True, eq=False)
class _Place:
    """A mixture that was looked at in one pass: its objective, and where EM would go from it."""

    mixture: Mixture
    log_likelihood: float
    objective: float
    stats: Stats
    image: Mixture
    frame: Frame
    residual: np.ndarray


class _Surface:
    """The objective on some rows; counts the passes over them."""

    def __init__(self, x, target: Target, case_weights):
        self.x, self.target, self.case_weights, self.passes = x, target, case_weights, 0
        self.single = x.dtype == np.float32

    def look(self, mixture: Mixture) -> _Place:
        """One pass. Raises LinAlgError where a covariance collapses or the objective is no number."""
        self.passes += 1
        log_likelihood, stats = e_step(self.x, mixture, self.case_weights, pointwise=False, single=self.single)
        objective = log_likelihood + self.target.log_prior(mixture)
        if not isfinite(objective):
            raise np.linalg.LinAlgError("the log density is not finite")
        image, frame = self.target.update(stats, mixture), self.target.frame(mixture, stats.total)
        return _Place(mixture, log_likelihood, objective, stats, image, frame, frame.toward(image))

    def rounding(self, place: _Place) -> float:
        """How far an objective can be off: a few units in the last place of its largest partial sums."""
        size = 4 * (abs(place.objective) + place.stats.total)
        # Single precision ends within a row; rows are summed in double, and their errors are as good as random.
        return size * (_SINGLE_EPS / sqrt(place.stats.total) if self.single else _EPS)

    def rises(self, here: _Place, there: _Place, step: np.ndarray) -> bool:
        """Whether a step gains; below rounding its slopes tell, which cancel less (Hager & Zhang 2005)."""
        gain, floor = there.objective - here.objective, self.rounding(here)
        return gain > floor or (gain >= -floor and step @ (here.residual + there.residual) > 0)


def em(x, start: Mixture, target: Target, case_weights=None, *, accelerate: bool = True) -> Iterator[Step]:
    """Climb for as long as the caller looks on; the objective never falls.

    Every step costs a pass over the rows. The first are EM's; once they are short, quasi-Newton steps are tried, and
    where two of them do not gain, two passes are lost and EM's own step is taken, which cannot fall (Dempster, Laird
    & Rubin 1977).

    Parameters
    ----------
    x : ndarray (N, D)
        Rows. Single ones are climbed in single precision first, and at the end in double: from there on
        `Step.single` is False, and what the steps say is exact.
    start : Mixture
    target : Likelihood or Posterior
        What to climb.
    case_weights : ndarray (N,), optional
    accelerate : bool
        False leaves EM as it was in 1977.

    Yields
    ------
    Step
        Every mixture that was accepted, from ``start`` on. Ends by itself only if EM's own step falls by more than
        rounding, which means that something is wrong: that step is refused.

    References
    ----------
    Jamshidian & Jennrich (1997); Varadhan & Roland (2008) and Henderson & Varadhan (2019) for safeguards of this kind.
    """
    surface, curvature, accelerated = _Surface(x, target, case_weights), Curvature(), False
    here = surface.look(start)
    while here is not None:
        yield (step := _step(here, surface, curvature, accelerated))
        if surface.single and (step.gradient < ROUGH or step.decrement < TOLERANCE):
            here = _in_double(here, surface)
            continue
        is_ready = accelerate and curvature.is_known and step.gradient < NEAR
        # A leap that failed has told about the curvature: the next one is shorter and knows better.
        there = _leap(here, surface, curvature) or _leap(here, surface, curvature) if is_ready else None
        accelerated = there is not None
        if there is None:
            there = _em_step(here, surface, curvature)
        if surface.single and (there is None or there.objective <= here.objective + surface.rounding(here)):
            there = _in_double(there or here, surface)
        here = there


def _step(place, surface, curvature, accelerated) -> Step:
    gradient = sqrt(place.residual @ place.residual / place.stats.total)
    return Step(place.mixture, place.log_likelihood, place.objective, place.stats, curvature.decrement(place.residual),
                gradient, accelerated, surface.passes, surface.single)  # fmt: skip


def _in_double(here, surface) -> _Place:
    """The same place, looked at with all digits."""
    surface.single = False
    return surface.look(here.mixture)


def _leap(here, surface, curvature) -> _Place | None:
    """The quasi-Newton step, or None if it gains nothing; either way it tells about the curvature."""
    try:
        vector = curvature.direction(here.residual)
        there = surface.look(here.frame.at(vector, surface.target.family, curvature.radius))
    except np.linalg.LinAlgError:
        curvature.judge(False)
        return None
    step = here.frame.toward(there.mixture)
    curvature.learn(step, here.residual - there.residual)
    rises = surface.rises(here, there, step)
    curvature.judge(rises)
    return there if rises else None


def _em_step(here, surface, curvature) -> _Place | None:
    """EM's own step, or None if the objective falls along it, which the theory rules out."""
    there = surface.look(here.image)
    curvature.learn(here.residual, here.residual - there.residual)
    return there if there.objective - here.objective >= -surface.rounding(here) else None


def climb(
    x, start: Mixture, target: Target, case_weights=None, *, accelerate: bool = True, tolerance: float = TOLERANCE,
    most: int | None = None,
) -> tuple[Step, list[float], bool]:  # fmt: skip
    """Run EM until nothing is left to gain: the last step, the history of the objective, converged or not.

    Converged is a Newton decrement below a tolerance, 1e-8 (so that less than half of that is left to gain), or a
    gradient per row below 1e-8 in whitened coordinates; a short step is not, nor a step refused.
    """
    history, roughly, most = [], [], MOST_STEPS - 1 if most is None else most
    for step in em(x, start, target, case_weights, accelerate=accelerate):
        (roughly if step.single else history).append(step.objective)
        if not step.single and (step.decrement < tolerance or step.gradient < LEAST_GRADIENT):
            return step, _joined(roughly, history), True
        if len(roughly) + len(history) > most:
            break
    return step, _joined(roughly, history), False


def _joined(roughly, history) -> list[float]:
    """A history whose first part is in single precision, which is off by nearly the same everywhere, and noisy."""
    if not roughly or not history:
        return roughly or history
    before = np.maximum.accumulate(np.array(roughly) + (history[0] - roughly[-1]))
    return [*np.minimum(before, history[0])[:-1].tolist(), *history]
