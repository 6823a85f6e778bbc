"""What every prior does: keep its constants, check them, say its density, and be drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from bayesgmm.families import Family, Full
from bayesgmm.mixture import Mixture
from bayesgmm.priors.positive import Positive
from bayesgmm.priors.weights import check_concentration, draw_weights, for_components, log_weights, refuse_unbounded

# A row of the prior predictive is described by so many draws, and by the middle 90 % of them.
_ROWS, _MIDDLE = 20_000, (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class Prior:
    """A prior of (π, μ, Σ); abstract, and a subclass is final.

    A subclass lists in ``DIMS`` its constants that data may scale, each with its dims, and has the fields. It gives
    `log_components`, the log densities of its variables but the weights, and `draw_components`.

    Laws: `log_density` is that of the variables that the story declares, every constant included; permuting the
    components does not change it, if the concentrations are equal; `draw` draws from it.
    """

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {}
    concentration = 1.0  # a field of every subclass

    def __post_init__(self):
        for name, dims in self.DIMS.items():
            value = getattr(self, name)
            if dims and value is not None:
                object.__setattr__(self, name, np.array(value, dtype=float))
        check_concentration(self.concentration)

    @property
    def is_scaled(self) -> bool:
        """Every constant is a number."""
        return all(getattr(self, name) is not None for name in self.DIMS)

    def with_constants(self, n_components: int, **constants) -> Prior:
        """Fill the constants that were left out, and one α for each of K components."""
        missing = {name: value for name, value in constants.items() if getattr(self, name) is None}
        return replace(self, concentration=for_components(self.concentration, n_components), **missing)

    @property
    def constants(self) -> dict[str, tuple]:
        """Every constant by name: its dims, and its value; to be kept beside draws."""
        alpha = self.concentration
        if isinstance(alpha, Positive):
            found = {f"concentration_{name}": value for name, value in alpha.constants.items()}
        else:
            found = {"concentration": (("component",) if np.ndim(alpha) else (), alpha)}
        return found | {name: (dims, getattr(self, name)) for name, dims in self.DIMS.items()}

    def with_mode(self, family: Family) -> Prior:
        """The prior whose posterior mode a fit looks for.

        Raises
        ------
        ValueError
            If its density is unbounded; the message says why, and what to do.
        """
        if isinstance(self.concentration, Positive):
            raise ValueError(
                "concentration has a prior of its own, and the joint density of it and the weights is unbounded where "
                "it is below 1; fix it at 1 or more for a MAP estimate, or sample the posterior"
            )
        refuse_unbounded(self.concentration)
        return self

    def like_it(self) -> Prior:
        """A prior with an M-step in closed form, near whose mode that of u lies: where chains begin."""
        alpha = 1.0 if isinstance(self.concentration, Positive) else np.maximum(self.concentration, 1.0)
        return replace(self, concentration=alpha)

    # ---- densities and draws

    def log_components(self, means, covariances, family: Family, **hyper) -> dict[str, np.ndarray]:
        """Log densities of all variables but the weights, of μ (…, K, D) and Σ (…, K, D, D)."""
        raise NotImplementedError

    def draw_components(self, size: int, n_components: int, family: Family, rng):
        """Draws of μ (size, K, D) and Σ (size, K, D, D)."""
        raise NotImplementedError

    def hyper(self, variables, family: Family) -> dict[str, np.ndarray]:
        """What `log_parts` takes besides the mixture, of a story's variables by name."""
        return {"concentration": variables["concentration"]} if isinstance(self.concentration, Positive) else {}

    def log_parts(self, weights, means, covariances, family: Family, **hyper) -> dict[str, np.ndarray]:
        """The log prior density, variable by variable, of many mixtures at once.

        Parameters
        ----------
        weights, means, covariances : ndarray (…, K), (…, K, D), (…, K, D, D)
        family : Family
        **hyper : ndarray (…), (…, D, D)
            Variables above these: ``concentration`` where it has a prior, and what else the prior declares.

        Returns
        -------
        dict of ndarray (…)
        """
        alpha = hyper.pop("concentration", None)
        found = log_weights(weights, self.concentration, alpha)
        return found | self.log_components(means, covariances, family, **hyper)

    def log_density(self, mixture: Mixture, family: Family, **hyper) -> float:
        """log p(π, μ, Σ) of the declared variables, every constant included; see `log_parts`."""
        parts = self.log_parts(mixture.weights, mixture.means, mixture.covariances, family, **hyper)
        return float(sum(parts.values()))

    def draw(self, size: int, n_components: int, family: Family | None = None, seed=None):
        """Draw mixtures from the prior: π (size, K), μ (size, K, D) and Σ (size, K, D, D).

        Raises
        ------
        ValueError
            If a constant is still left to the data, or there are not K concentrations.
        """
        if not self.is_scaled:
            raise ValueError("the prior leaves constants to the data: give it to bayesgmm.scale_prior first")
        rng = np.random.default_rng(seed)
        weights = draw_weights(for_components(self.concentration, n_components), size, n_components, rng)
        return weights, *self.draw_components(size, n_components, family or Full(), rng)

    # ---- in words

    def _width(self) -> str:
        """The line that says how wide the prior predictive is; empty as long as constants are left to the data."""
        if not self.is_scaled:
            return ""
        rng = np.random.default_rng(0)
        means, covariances = self.draw_components(_ROWS, 1, Full(), rng)
        sds = np.sqrt(np.diagonal(covariances[:, 0], axis1=-2, axis2=-1))
        ends = np.quantile(means[:, 0] + sds * rng.standard_normal(sds.shape), _MIDDLE, axis=0).T
        ranges = ", ".join(f"{low:.3g} to {high:.3g}" for low, high in ends)
        return f"\n  so 90 % of the rows are expected at {ranges}"
