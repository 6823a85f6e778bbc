"""The semi-conjugate prior: means that know nothing of the covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families import Family
from bayesgmm.kernel import Stats
from bayesgmm.mixture import Mixture
from bayesgmm.priors.base import Prior
from bayesgmm.priors.checks import check_above, check_matrix, short
from bayesgmm.priors.positive import Positive
from bayesgmm.priors.weights import weights_in_words

# The two conditional maximisations settle in a few turns where the data say more than the prior.
_MOST_TURNS, _SETTLED = 200, 1e-13


@dataclass(frozen=True, eq=False)
class Independent(Prior):
    """Normal means and inverse-Wishart covariances, independent of each other, with Dirichlet weights.

    μ_k ~ N(m₀, B₀),  Σ_k ~ InverseWishart(ν₀, Ψ₀),  π ~ Dirichlet(α).
    Tied, diagonal and spherical covariances as in `Conjugate`.

    Unlike the conjugate prior it does not hold that a wide component's mean is the more uncertain. A constant that is
    left out is scaled by the data (`bayesgmm.scale_prior`): m₀ the mean and B₀ = S the covariance of the rows;
    ν₀ = D + 2 and Ψ₀ as in `Conjugate`.

    Parameters
    ----------
    mean : array_like (D,), optional
        m₀, in data units.
    mean_covariance : array_like (D, D), optional
        B₀, in squared data units.
    dof : float, optional
        ν₀ > D − 1.
    scale : array_like (D, D), optional
        Ψ₀, in squared data units.
    concentration : float, array_like (K,) or Gamma
        α > 0, or the distribution of one α for all components.

    Raises
    ------
    ValueError
        If a constant is out of its range.

    References
    ----------
    Gelman et al. (2013), section 4.1, on semi-conjugate priors; Frühwirth-Schnatter (2006), section 6.3.2.

    Examples
    --------
    >>> print(Independent(mean=[0.0], mean_covariance=[[4.0]], dof=3, scale=[[2.0]]))
    Independent prior
      weights      ~ Dirichlet(1)
      covariance_k ~ InverseWishart(dof = 3, scale = [[2]])
      mean_k       ~ Normal([0], [[4]])
      so 90 % of the rows are expected at ... to ...
    """

    DIMS = {
        "mean": ("feature",),
        "mean_covariance": ("feature", "feature_other"),
        "dof": (),
        "scale": ("feature", "feature_other"),
    }

    mean: np.ndarray | None = None
    mean_covariance: np.ndarray | None = None
    dof: float | None = None
    scale: np.ndarray | None = None
    concentration: float | np.ndarray | Positive = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_matrix("mean_covariance", self.mean_covariance)
        check_matrix("scale", self.scale)
        if self.scale is not None:
            check_above("dof", self.dof, len(self.scale) - 1, "D - 1")

    def log_components(self, means, covariances, family: Family) -> dict[str, np.ndarray]:
        """Log densities of the covariances' free parameters, and of the means."""
        log_covariances = family.log_conjugate(covariances, self.dof, self.scale)
        return {"covariances": log_covariances, "means": log_normal(means, self.mean, self.mean_covariance)}

    def draw_components(self, size: int, n_components: int, family: Family, rng):
        """Draws of μ (size, K, D) and Σ (size, K, D, D)."""
        covariances = family.draw_conjugate((size, n_components), self.dof, self.scale, rng)
        return draw_normal((size, n_components), self.mean, self.mean_covariance, rng), covariances

    def mode(
        self, stats: Stats, family: Family, near: Mixture | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The (π, μ, Σ) that maximise Q(θ; S) + log p(θ): the M-step of EM to the posterior mode.

        Means given covariances and covariances given means are maximised in turn (Meng & Rubin 1993), from x̄_k on
        until they settle. A weight whose N_k + α_k − 1 is not positive sits on the boundary, at 0.
        """
        means, covariances = stats.means, None if near is None else near.covariances
        for _ in range(_MOST_TURNS):
            gap = stats.means - means
            scatters = stats.scatters + stats.counts[:, None, None] * gap[:, :, None] * gap[:, None, :]
            # One row less: there, a mean's prior speaks of Σ_k like a row; here it does not.
            covariances = family.conjugate_mode(scatters, stats.counts - 1, self.dof, self.scale, covariances)
            moved = self._mean_given(covariances, stats) - means
            means = means + moved
            sds = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
            if (np.abs(moved) <= _SETTLED * (sds + np.abs(means))).all():
                break
        weights = np.maximum(stats.counts + self.concentration - 1, 0.0)
        return weights / weights.sum(), means, covariances

    def _mean_given(self, covariances, stats) -> np.ndarray:
        """μ_k = m₀ + N_k B₀ (Σ_k + N_k B₀)⁻¹ (x̄_k − m₀)."""
        spread = stats.counts[:, None, None] * self.mean_covariance
        gap = np.linalg.solve(covariances + spread, (stats.means - self.mean)[..., None])
        return self.mean + (spread @ gap)[..., 0]

    def __str__(self):
        names = {"mean": "mean of x", "mean_covariance": "covariance of x", "dof": "D + 2", "scale": "Ψ₀"}
        c = {name: short(getattr(self, name), otherwise) for name, otherwise in names.items()}
        return "\n".join((
            "Independent prior" + ("" if self.is_scaled else ", scaled by the data"),
            f"  weights      ~ {weights_in_words(self.concentration)}",
            f"  covariance_k ~ InverseWishart(dof = {c['dof']}, scale = {c['scale']})",
            f"  mean_k       ~ Normal({c['mean']}, {c['mean_covariance']})",
        )) + self._width()  # fmt: skip


def log_normal(means, mean, covariance) -> np.ndarray:
    """Σ_k log N(μ_k | m₀, B₀) of μ (…, K, D)."""
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, (means - mean)[..., None])[..., 0]
    constant = np.log(np.diag(factor)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)
    return (-0.5 * (z**2).sum(axis=-1) - constant).sum(axis=-1)


def draw_normal(shape: tuple[int, ...], mean, covariance, rng) -> np.ndarray:
    """Draws (…, D) from N(m₀, B₀)."""
    noise = rng.standard_normal((*shape, len(mean)))
    return mean + noise @ np.linalg.cholesky(covariance).T
