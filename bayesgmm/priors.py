"""Priors as values: constants in data units, their log density, and the closed-form updates they allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayesgmm.families import Family
from bayesgmm.kernel import Stats
from bayesgmm.mixture import Mixture


@dataclass(frozen=True, eq=False)
class Conjugate:
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
    concentration : float or array_like (K,)
        α > 0.
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
    """

    mean: np.ndarray | None = None
    shrinkage: float | None = None
    dof: float | None = None
    scale: np.ndarray | None = None
    concentration: float | np.ndarray = 1.0
    scaling: str = "pooled"

    def __post_init__(self):
        for name in ("mean", "scale"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.array(getattr(self, name), dtype=float))
        if self.scaling not in ("pooled", "mclust"):
            raise ValueError(f"scaling must be 'pooled' or 'mclust', not {self.scaling!r}")
        if self.shrinkage is not None and not self.shrinkage > 0:
            raise ValueError(f"shrinkage must be above 0, not {self.shrinkage}")
        if not (np.asarray(self.concentration) > 0).all():
            raise ValueError(f"concentration must be above 0, not {self.concentration}")
        if self.scale is not None:
            self._check_scale()

    def _check_scale(self):
        shape = self.scale.shape
        square = len(shape) == 2 and shape[0] == shape[1] and np.isfinite(self.scale).all()
        if not square or not _is_symmetric(self.scale) or np.linalg.eigvalsh(self.scale)[0] <= 0:
            raise ValueError(f"scale must be a symmetric positive definite (D, D) matrix; it has shape {shape}")
        if self.dof is not None and self.dof <= len(self.scale) - 1:
            raise ValueError(f"dof must be above D - 1 = {len(self.scale) - 1}, not {self.dof}")

    @classmethod
    def mclust(cls) -> Conjugate:
        """mclust's constants, for parity: Ψ₀ = S / K^(2/D), κ₀ = 0.01 (Fraley & Raftery 2007).

        Ψ₀ contains the scatter between the clusters, so it shrinks more than needed as D grows.
        """
        return cls(shrinkage=0.01, scaling="mclust")

    @property
    def is_scaled(self) -> bool:
        """Every constant is a number."""
        return all(c is not None for c in (self.mean, self.shrinkage, self.dof, self.scale))

    def with_constants(self, n_components: int, **constants) -> Conjugate:
        """Fill the constants that were left out, and one α for each of K components."""
        missing = {name: value for name, value in constants.items() if getattr(self, name) is None}
        alpha = np.asarray(self.concentration, dtype=float)
        if alpha.ndim and alpha.shape != (n_components,):
            raise ValueError(f"concentration has {alpha.size} values for {n_components} components")
        return replace(self, concentration=np.broadcast_to(alpha, (n_components,)).copy(), **missing)

    def log_density(self, mixture: Mixture, family: Family) -> float:
        """log p(π, μ, Σ) of the declared variables, every constant included."""
        covariances, gap = mixture.covariances, mixture.means - self.mean
        distance = np.einsum("ki,ki->k", gap, np.linalg.solve(covariances, gap[:, :, None])[:, :, 0])
        log_det = np.linalg.slogdet(covariances)[1]
        constant = mixture.n_features * np.log(self.shrinkage / (2 * np.pi))
        log_means = 0.5 * (constant - log_det - self.shrinkage * distance).sum()
        return float(log_means + family.log_conjugate(covariances, self.dof, self.scale)) + self._log_weights(mixture)

    def _log_weights(self, mixture: Mixture) -> float:
        from scipy.special import gammaln, xlogy

        alpha = np.broadcast_to(self.concentration, mixture.weights.shape)
        return float(gammaln(alpha.sum()) - gammaln(alpha).sum() + xlogy(alpha - 1, mixture.weights).sum())

    def mode(self, stats: Stats, family: Family) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The (π, μ, Σ) that maximise Q(θ; S) + log p(θ): the M-step of EM to the posterior mode.

        A weight whose N_k + α_k − 1 is not positive sits on the boundary, at 0.
        """
        total = stats.counts + self.shrinkage
        means = (stats.counts[:, None] * stats.means + self.shrinkage * self.mean) / total[:, None]
        gap = stats.means - self.mean
        pull = (self.shrinkage * stats.counts / total)[:, None, None] * gap[:, :, None] * gap[:, None, :]
        covariances = family.conjugate_mode(stats.scatters + pull, stats.counts, self.dof, self.scale)
        weights = np.maximum(stats.counts + self.concentration - 1, 0.0)
        return weights / weights.sum(), means, covariances

    def __str__(self):
        names = {"mean": "mean of x", "shrinkage": "κ₀", "dof": "D + 2", "scale": "Ψ₀"}
        c = {name: _short(getattr(self, name), otherwise) for name, otherwise in names.items()}
        head = "Conjugate prior" if self.is_scaled else f"Conjugate prior, scaled by the data ({self.scaling})"
        return "\n".join((
            head,
            f"  weights      ~ Dirichlet({_short(np.unique(self.concentration).squeeze(), '')})",
            f"  covariance_k ~ InverseWishart(dof = {c['dof']}, scale = {c['scale']})",
            f"  mean_k       ~ Normal({c['mean']}, covariance_k / {c['shrinkage']})",
        ))  # fmt: skip


Prior = Conjugate


def prior(spec) -> Prior:
    """Look a prior up by name; a prior is returned as it is.

    Raises
    ------
    ValueError
        If there is no such prior.

    Examples
    --------
    >>> prior("conjugate").concentration
    1.0
    """
    if isinstance(spec, Prior):
        return spec
    if spec == "conjugate":
        return Conjugate()
    raise ValueError(f"prior {spec!r} is not known; use 'conjugate' or a value such as bayesgmm.priors.Conjugate(...)")


def _is_symmetric(matrix):
    size = np.sqrt(np.abs(np.diag(matrix)))
    return (np.abs(matrix - matrix.T) <= 1e-8 * np.outer(size, size)).all()


def _short(value, otherwise):
    if value is None:
        return otherwise
    text = np.array2string(np.asarray(value), separator=", ", formatter={"float_kind": "{:.4g}".format})
    return text.replace("\n", "")
