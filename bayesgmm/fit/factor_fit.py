"""`FactorFit`: a mixture of factors as an estimate, and what may be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families import ROTATION, FactorModel
from bayesgmm.fit.factor_target import FactorLikelihood
from bayesgmm.fit.result import Fit
from bayesgmm.mixture import Mixture

#: A feature of which hardly anything is left to the noise is a Heywood case; R's factanal() ends there.
HEYWOOD = 0.005
#: What became of a start that was not worth going on with.
LEFT = "left on the way"
# How near the bound counts as there, and how many loadings and Heywood cases are named.
_AT_BOUND, _NAMED = 1.5, 3


@dataclass(frozen=True, eq=False)
class FactorDegeneracy:
    """Why a mixture of factors is no estimate.

    Attributes
    ----------
    component : int
    collapsed : bool
        The likelihood has no maximum there; otherwise too few rows stand behind the component.
    text : str
        What happened, and what to do.
    """

    component: int
    collapsed: bool
    text: str


@dataclass(frozen=True, eq=False)
class FactorFit(Fit):
    """Maximum likelihood of a mixture with Σ_k = Λ_kΛ_kᵀ + Ψ_k: a `Fit`, with loadings and noise.

    A row of component k is x = μ_k + Λ_k f + ε with factors f ~ N(0, I) and noise ε ~ N(0, Ψ_k), Ψ_k diagonal. Factors
    may be turned by any rotation; here they are in the order of what they explain, in units of the noise.

    Attributes
    ----------
    model : FactorModel
        What components share.
    census : tuple of Mode
        The modes in which the best starts ended; the other starts were left on the way.
    """

    model: FactorModel = FactorModel()

    @property
    def n_factors(self) -> int:
        """q."""
        return self.mixture.whitening.rank

    @property
    def loadings(self) -> np.ndarray:
        """Λ_k (K, D, q), in data units a standard deviation of the factor."""
        return self.mixture.whitening.loadings

    @property
    def noise(self) -> np.ndarray:
        """The diagonals of Ψ_k (K, D): variances."""
        return self.mixture.whitening.noise

    @property
    def uniquenesses(self) -> np.ndarray:
        """The share (K, D) of a feature's variance within a component that is noise; the factors explain the rest."""
        return self.noise / (self.noise + (self.loadings**2).sum(axis=2))

    @property
    def heywood(self) -> tuple[tuple[int, str], ...]:
        """Component and feature, of which the factors explain nearly all: less than 0.5 % is left to the noise."""
        return tuple((int(k), self.features[j]) for k, j in np.argwhere(self.uniquenesses < HEYWOOD))

    def __str__(self):
        d, q = self.mixture.n_features, self.n_factors
        lines = [
            f"MLE of a mixture of {self.n_components} Gaussians with {q} factor{'s' if q > 1 else ''} each "
            f"(D = {d}, {self.model.code}), N = {self.n_obs:g}",
            f"  log-likelihood {self.log_likelihood:.4f}, {self.n_parameters} parameters, BIC {self.bic:.2f}",
            f"  {'converged' if self.converged else 'NOT converged'} in {self.n_iter} steps; {self._told()}",
            f"  {self.model.code} is {self.model.description}",
        ]
        if self.model.units == ROTATION:
            lines.append("  it depends on the units of the features: scaling one of them gives another fit")
        lines += [f"  {sentence}" for sentence in self._doubts()]
        lines.append("  component  weight  explained  largest loadings of the first factor")
        return "\n".join([*lines, *map(self._line, range(self.n_components))])

    def _told(self) -> str:
        """How many of the starts came here, and what became of the others."""
        here = next((m for m in self.census if m.mixture is self.mixture), self.census[0])
        failed = sum(bool(start.note) and start.note != LEFT for start in self.starts)
        others = len(self.starts) - here.n_starts - failed
        parts = [f"{here.n_starts} of {len(self.starts)} starts reached this mode"]
        parts += [f"{others} ended or were left below it"] if others else []
        parts += [f"{failed} collapsed"] if failed else []
        return ", ".join(parts)

    def _doubts(self) -> list[str]:
        cases = self.heywood
        if not cases:
            return []
        some = ", ".join(f"{feature!r} of component {k}" for k, feature in cases[:_NAMED])
        more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
        return [f"Heywood cases: of {some}{more} the factors leave less than {HEYWOOD:.1%} to the noise; "
                "use fewer factors, or share the noise"]  # fmt: skip

    def _line(self, k: int) -> str:
        first = self.loadings[k, :, 0]
        largest = np.abs(first).argsort()[::-1][:_NAMED]
        named = ", ".join(f"{self.features[j]} {first[j]:.3g}" for j in largest)
        explained = 1 - self.noise[k].sum() / (self.noise[k].sum() + (self.loadings[k] ** 2).sum())
        return f"  {k:9d}  {self.mixture.weights[k]:6.4f}  {explained:9.1%}  {named}"


def diagnose_factors(mixture: Mixture, n_obs: float, target: FactorLikelihood) -> FactorDegeneracy | None:
    """Look for a component that has collapsed, or has hardly any rows.

    Where the noise of more than q features is at its bound, some combination of them has no variance but that, or a
    feature none at all: the likelihood would go on rising without it. A component of fewer than q + 2 rows knows no
    factors.
    """
    low_rank, points, least = mixture.whitening, mixture.weights * n_obs, target.family.bound(target.least)
    bound = low_rank.noise <= _AT_BOUND * least
    variances = low_rank.noise + (low_rank.loadings**2).sum(axis=2)
    flat = variances <= 2 * _AT_BOUND * least
    collapsed = flat.any(axis=1) | (bound.sum(axis=1) > low_rank.rank)
    if collapsed.any():
        k = int(collapsed.argmax())
        return FactorDegeneracy(k, True, _collapse(target.family, mixture.features, k, points[k], flat[k], bound[k]))
    if (points < low_rank.rank + 2).any():
        k = int(points.argmin())
        few = f"component {k} rests on about {points[k]:.1f} rows, too few for {low_rank.rank} factors; "
        return FactorDegeneracy(k, False, few + "use fewer components, or share loadings and noise")
    return None


def _collapse(model, features, k, points, flat, bound) -> str:
    names = [features[j] for j in np.flatnonzero(flat if flat.any() else bound)]
    listed = ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    what = f"hardly differ in {listed}" if flat.any() else f"lie in a hyperplane of {listed}"
    share = "" if model.shared_noise else "share the noise (shared='noise'), "
    round_ = "" if model.isotropic else "make it isotropic (noise='isotropic'), "
    advice = f"{share}{round_}use fewer components, or leave such features out"
    return f"component {k} collapsed: its rows, about {points:.1f}, {what}; {advice}"
