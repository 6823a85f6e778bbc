"""The conjugate prior: normal means given Σ_k, inverse Wishart Σ_k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families import Family
from bayesgmm.kernel import Stats
from bayesgmm.mixture import Mixture
from bayesgmm.priors.base import Prior
from bayesgmm.priors.checks import check_above, check_matrix, check_positive, short
from bayesgmm.priors.positive import Positive
from bayesgmm.priors.weights import weights_in_words


@dataclass(frozen=True, eq=False)
class Conjugate(Prior):
    """Normal-inverse-Wishart components with Dirichlet weights.

    Σ_k ~ InverseWishart(ν₀, Ψ₀),  μ_k | Σ_k ~ N(m₀, Σ_k / κ₀),  π ~ Dirichlet(α).
    Tied: one Σ with the same prior. Diagonal: σ²_kd ~ InvGamma(ν₀/2, Ψ₀,dd/2). Spherical: σ²_k ~
    InvGamma(ν₀/2, tr(Ψ₀)/2D), which depends on the units of the features.

    A constant that is left out is scaled by the data (`bayesgmm.scale_prior`): m₀ the mean, ν₀ = D + 2,
    Ψ₀ = (1−ε)Ŵ + ε diag(S) with Ŵ the covariance of the tied K-component maximum-likelihood fit, S the sample
    covariance and ε = D/(N+D); κ₀ = tr(S⁻¹Ψ₀)/D, so that the means' prior spreads like the data.

    Parameters
    ----------
    mean : array_like (D,), optional
        m₀, in data units.
    shrinkage : float, optional
        κ₀ > 0: how many points' worth the prior mean counts for.
    dof : float, optional
        ν₀ > D − 1.
    scale : array_like (D, D), optional
        Ψ₀, in squared data units.
    concentration : float, array_like (K,) or Gamma
        α > 0, or the distribution of one α for all components.
    scaling : {"pooled", "mclust"}
        Which data-scaled constants stand in for those left out; see `mclust`.

    Raises
    ------
    ValueError
        If a constant is out of its range.

    References
    ----------
    Fraley & Raftery (2007); Gelman et al. (2013), section 3.6; Bishop (2006), section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> print(Conjugate(mean=[0.0], shrinkage=0.1, dof=3, scale=[[2.0]]))
    Conjugate prior
      weights      ~ Dirichlet(1)
      covariance_k ~ InverseWishart(dof = 3, scale = [[2]])
      mean_k       ~ Normal([0], covariance_k / 0.1)
      so 90 % of the rows are expected at ... to ...
    """

    DIMS = {"mean": ("feature",), "shrinkage": (), "dof": (), "scale": ("feature", "feature_other")}

    mean: np.ndarray | None = None
    shrinkage: float | None = None
    dof: float | None = None
    scale: np.ndarray | None = None
    concentration: float | np.ndarray | Positive = 1.0
    scaling: str = "pooled"

    def __post_init__(self):
        super().__post_init__()
        if self.scaling not in ("pooled", "mclust"):
            raise ValueError(f"scaling must be 'pooled' or 'mclust', not {self.scaling!r}")
        check_positive("shrinkage", self.shrinkage)
        check_matrix("scale", self.scale)
        if self.scale is not None:
            check_above("dof", self.dof, len(self.scale) - 1, "D - 1")

    @classmethod
    def mclust(cls) -> Conjugate:
        """mclust's constants, for parity: Ψ₀ = S / K^(2/D), κ₀ = 0.01 (Fraley & Raftery 2007).

        For diagonal families Ψ₀ is tr(S)/D / K^(2/D) for every feature, and for its ten families, and E and V of one
        feature, EM goes where mclust's does; the other four, for which it has no prior, take the same constants.
        Ψ₀ contains the scatter between the clusters, so it shrinks more than needed as D grows.
        """
        return cls(shrinkage=0.01, scaling="mclust")

    def log_components(self, means, covariances, family: Family) -> dict[str, np.ndarray]:
        """Log densities of the covariances' free parameters and of the means given them."""
        gap = means - self.mean
        distance = np.einsum("...i,...i->...", gap, np.linalg.solve(covariances, gap[..., None])[..., 0])
        log_det = np.linalg.slogdet(covariances)[1]
        constant = means.shape[-1] * np.log(self.shrinkage / (2 * np.pi))
        log_means = 0.5 * (constant - log_det - self.shrinkage * distance).sum(axis=-1)
        log_covariances = family.log_conjugate(covariances, self.dof, self.scale, self.is_mclusts)
        return {"covariances": log_covariances, "means": log_means}

    @property
    def is_mclusts(self) -> bool:
        """Families without a prior of their own are penalised as mclust does it."""
        return self.scaling == "mclust"

    def draw_components(self, size: int, n_components: int, family: Family, rng):
        """Draws of μ (size, K, D) and Σ (size, K, D, D)."""
        covariances = family.draw_conjugate((size, n_components), self.dof, self.scale, rng)
        noise = rng.standard_normal((size, n_components, len(self.mean), 1))
        return self.mean + (np.linalg.cholesky(covariances / self.shrinkage) @ noise)[..., 0], covariances

    def mode(
        self, stats: Stats, family: Family, near: Mixture | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The (π, μ, Σ) that maximise Q(θ; S) + log p(θ): the M-step of EM to the posterior mode.

        A weight whose N_k + α_k − 1 is not positive sits on the boundary, at 0.
        """
        total = stats.counts + self.shrinkage
        means = (stats.counts[:, None] * stats.means + self.shrinkage * self.mean) / total[:, None]
        gap = stats.means - self.mean
        pull = (self.shrinkage * stats.counts / total)[:, None, None] * gap[:, :, None] * gap[:, None, :]
        covariances = family.conjugate_mode(stats.scatters + pull, stats.counts, self.dof, self.scale,
                                             None if near is None else near.covariances, self.is_mclusts)  # fmt: skip
        weights = np.maximum(stats.counts + self.concentration - 1, 0.0)
        return weights / weights.sum(), means, covariances

    def __str__(self):
        names = {"mean": "mean of x", "shrinkage": "κ₀", "dof": "D + 2", "scale": "Ψ₀"}
        c = {name: short(getattr(self, name), otherwise) for name, otherwise in names.items()}
        head = "Conjugate prior" if self.is_scaled else f"Conjugate prior, scaled by the data ({self.scaling})"
        return "\n".join((
            head,
            f"  weights      ~ {weights_in_words(self.concentration)}",
            f"  covariance_k ~ InverseWishart(dof = {c['dof']}, scale = {c['scale']})",
            f"  mean_k       ~ Normal({c['mean']}, covariance_k / {c['shrinkage']})",
        )) + self._width()  # fmt: skip
