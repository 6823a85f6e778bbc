"""The hierarchical prior: covariances that share a random scale, and means over the range of the data; free of K."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families import Diagonal, Family, Full, Spherical, Tied, draw_wishart
from bayesgmm.priors.base import Prior
from bayesgmm.priors.checks import check_above, check_matrix, short
from bayesgmm.priors.independent import Independent, draw_normal, log_normal
from bayesgmm.priors.positive import Positive
from bayesgmm.priors.weights import weights_in_words


@dataclass(frozen=True, eq=False)
class Hierarchical(Prior):
    """Covariances of a common random scale C₀, means over the range of the data; nothing depends on K.

    μ_k ~ N(b₀, B₀),  Σ_k⁻¹ | C₀ ~ Wishart(c₀, C₀),  C₀ ~ Wishart(g₀, G₀),  π ~ Dirichlet(α),
    where Wishart(c, C) has the density ∝ |W|^(c − (D+1)/2) exp(−tr CW): 2c degrees of freedom, mean c C⁻¹.
    Tied: one Σ. Diagonal: σ⁻²_kd ~ Gamma(c₀, C₀,d), C₀,d ~ Gamma(g₀, G₀,dd), one C₀ a feature. Spherical: σ⁻²_k ~
    Gamma(c₀, C₀), C₀ ~ Gamma(g₀, D / tr(G₀⁻¹)), which depends on the units of the features.

    A constant that is left out is scaled by the data (`bayesgmm.scale_prior`), R being the ranges of the features.
    D = 1: b₀ the middle of the range, B₀ = R², c₀ = 2, g₀ = 0.2, G₀ = 10/R².
    D > 1: b₀ the medians, B₀ = diag(R²), c₀ = 2.5 + (D−1)/2, g₀ = 0.5 + (D−1)/2, G₀ = (100 g₀/c₀) diag(1/R²).

    Parameters
    ----------
    mean : array_like (D,), optional
        b₀, in data units.
    mean_covariance : array_like (D, D), optional
        B₀, in squared data units.
    shape : float, optional
        c₀ > (D − 1)/2.
    rate_shape : float, optional
        g₀ > (D − 1)/2.
    rate_rate : array_like (D, D), optional
        G₀, in one over squared data units.
    concentration : float, array_like (K,) or Gamma
        α > 0, or the distribution of one α for all components.

    Raises
    ------
    ValueError
        If a constant is out of its range.

    References
    ----------
    Richardson & Green (1997) for D = 1; Stephens (1997) and Malsiner-Walli, Frühwirth-Schnatter & Grün (2016) for
    several features.

    Examples
    --------
    >>> print(Hierarchical(mean=[0.0], mean_covariance=[[9.0]], shape=2, rate_shape=0.2, rate_rate=[[1.0]]))
    Hierarchical prior
      weights      ~ Dirichlet(1)
      rate         ~ Wishart(0.2, [[1]])
      covariance_k : its inverse ~ Wishart(2, rate)
      mean_k       ~ Normal([0], [[9]])
      so 90 % of the rows are expected at ... to ...
    """

    DIMS = {
        "mean": ("feature",),
        "mean_covariance": ("feature", "feature_other"),
        "shape": (),
        "rate_shape": (),
        "rate_rate": ("feature", "feature_other"),
    }

    mean: np.ndarray | None = None
    mean_covariance: np.ndarray | None = None
    shape: float | None = None
    rate_shape: float | None = None
    rate_rate: np.ndarray | None = None
    concentration: float | np.ndarray | Positive = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_matrix("mean_covariance", self.mean_covariance)
        check_matrix("rate_rate", self.rate_rate)
        if self.rate_rate is not None:
            for name in ("shape", "rate_shape"):
                check_above(name, getattr(self, name), (len(self.rate_rate) - 1) / 2, "(D - 1)/2")

    @property
    def pooled_rate_rate(self) -> float:
        """The rate of the one C₀ of spherical components."""
        return float(len(self.rate_rate) / np.trace(np.linalg.inv(self.rate_rate)))

    def given(self, rate) -> Independent:
        """The prior of (π, μ, Σ) given C₀ (D, D); for diagonal Σ that of its diagonal, for spherical ones C₀ = c I."""
        return Independent(self.mean, self.mean_covariance, 2 * self.shape, 2 * np.asarray(rate), self.concentration)

    def rate_given(self, covariances, family: Family) -> np.ndarray:
        """E[C₀ | Σ] (D, D), for Σ (K, D, D): (g₀ + F c₀) (G₀ + Σ_k Σ_k⁻¹)⁻¹ with F covariances."""
        parts = covariances[:1] if isinstance(family, Tied) else covariances
        total, precision = self.rate_shape + len(parts) * self.shape, np.linalg.inv(parts).sum(axis=0)
        return total * np.linalg.inv(self.rate_rate_of(family) + precision)

    def rate_rate_of(self, family: Family) -> np.ndarray:
        """G₀ (D, D) as a family sees it."""
        match family:
            case Diagonal():
                return np.diag(np.diag(self.rate_rate))
            case Spherical():
                return self.pooled_rate_rate * np.eye(len(self.rate_rate))
        return self.rate_rate

    def with_mode(self, family: Family) -> Prior:
        """`Independent`, with C₀ at its prior mean: the joint density of Σ and C₀ is unbounded where both vanish."""
        super().with_mode(family)
        return self.given(self.rate_shape * np.linalg.inv(self.rate_rate_of(family)))

    def like_it(self) -> Prior:
        """`Independent`, with C₀ at its prior mean."""
        return self.given(self.rate_shape * np.linalg.inv(self.rate_rate)).like_it()

    # ---- densities and draws

    def log_components(self, means, covariances, family: Family, *, rate=None) -> dict[str, np.ndarray]:
        """Log densities of C₀, of the covariances given it, and of the means; ``rate`` is C₀ (…, D, D)."""
        if rate is None:
            raise ValueError("the rate C₀ of the hierarchical prior is a variable of its own: give it, rate=…, too")
        rate = np.asarray(rate, dtype=float)
        return {
            "rate": self._log_rate(rate, family),
            "covariances": family.log_conjugate(covariances, 2 * self.shape, 2 * rate),
            "means": log_normal(means, self.mean, self.mean_covariance),
        }

    def hyper(self, variables, family: Family) -> dict[str, np.ndarray]:
        """The concentration, and C₀ (…, D, D) whatever the family declares."""
        rate, identity = np.asarray(variables["rate"]), np.eye(len(self.rate_rate))
        if isinstance(family, Diagonal):
            rate = rate[..., None] * identity
        if isinstance(family, Spherical):
            rate = rate[..., None, None] * identity
        return super().hyper(variables, family) | {"rate": rate}

    def _log_rate(self, rate, family):
        from scipy.special import gammaln, multigammaln

        d, g, big = len(self.rate_rate), self.rate_shape, self.rate_rate_of(family)
        if isinstance(family, Full | Tied):
            constant = g * np.linalg.slogdet(big)[1] - multigammaln(g, d)
            return constant + (g - 0.5 * (d + 1)) * np.linalg.slogdet(rate)[1] - np.einsum("ij,...ji->...", big, rate)
        shown = slice(1 if isinstance(family, Spherical) else d)
        values, rates = np.diagonal(rate, axis1=-2, axis2=-1)[..., shown], np.diag(big)[shown]
        return (g * np.log(rates) - gammaln(g) + (g - 1) * np.log(values) - rates * values).sum(axis=-1)

    def draw_components(self, size: int, n_components: int, family: Family, rng):
        """Draws of μ (size, K, D) and Σ (size, K, D, D)."""
        rate = self.draw_rate(size, family, rng)
        covariances = family.draw_conjugate((size, n_components), 2 * self.shape, 2 * rate, rng)
        return draw_normal((size, n_components), self.mean, self.mean_covariance, rng), covariances

    def draw_rate(self, size: int, family: Family, rng) -> np.ndarray:
        """Draws of C₀ (size, D, D)."""
        d, g, big = len(self.rate_rate), self.rate_shape, self.rate_rate_of(family)
        match family:
            case Full() | Tied():
                return draw_wishart((size,), 2 * g, 0.5 * np.linalg.inv(big), rng)
            case Diagonal():
                return (rng.gamma(g, size=(size, d)) / np.diag(big))[..., None] * np.eye(d)
            case Spherical():
                return (rng.gamma(g, size=size) / big[0, 0])[:, None, None] * np.eye(d)

    def __str__(self):
        names = {"mean": "middle of x", "mean_covariance": "ranges of x, squared", "shape": "c₀", "rate_shape": "g₀",
                 "rate_rate": "G₀"}  # fmt: skip
        c = {name: short(getattr(self, name), otherwise) for name, otherwise in names.items()}
        return "\n".join((
            "Hierarchical prior" + ("" if self.is_scaled else ", scaled by the data"),
            f"  weights      ~ {weights_in_words(self.concentration)}",
            f"  rate         ~ Wishart({c['rate_shape']}, {c['rate_rate']})",
            f"  covariance_k : its inverse ~ Wishart({c['shape']}, rate)",
            f"  mean_k       ~ Normal({c['mean']}, {c['mean_covariance']})",
        )) + self._width()  # fmt: skip
