"""The LKJ prior: standard deviations and correlations apart, and means that know nothing of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bayesgmm.families import Diagonal, Family, Full, Spherical, Tied
from bayesgmm.priors.base import Prior
from bayesgmm.priors.checks import check_matrix, check_positive, short
from bayesgmm.priors.independent import Independent, draw_normal, log_normal
from bayesgmm.priors.positive import LogNormal, Positive
from bayesgmm.priors.weights import weights_in_words


@dataclass(frozen=True, eq=False)
class LKJ(Prior):
    """Correlations from LKJ(η), standard deviations of their own, normal means, and Dirichlet weights.

    Σ_k = diag(s_k) R_k diag(s_k),  R_k ~ LKJ(η) with density ∝ |R|^(η−1),  s_kd ~ a distribution of positive numbers,
    μ_k ~ N(m₀, B₀),  π ~ Dirichlet(α). Tied: one s and one R. Diagonal: R_k = I. Spherical: one s_k for all features,
    the units of its distribution being the root of the features' mean square, which depends on their units.

    A constant that is left out is scaled by the data (`bayesgmm.scale_prior`): m₀ the mean and B₀ = S the covariance
    of the rows; η = (D + 3)/2; standard deviations are log-normal, their median that within the clusters (the root of
    the diagonal of Ψ₀ of `Conjugate`) and half of them within a factor of two of it.

    Where a component collapses on D points, which span a hyperplane, its likelihood grows like |R|^(−D/2), so a
    posterior mode exists only for η > 1 + D/2, and for standard deviations that avoid 0 (`LogNormal`, `InverseGamma`).
    For sampling alone, any η > 0 and any distribution will do.

    Parameters
    ----------
    mean : array_like (D,), optional
        m₀, in data units.
    mean_covariance : array_like (D, D), optional
        B₀, in squared data units.
    eta : float, optional
        η > 0. A correlation alone has the law of 2 Beta(η − 1 + D/2, η − 1 + D/2) − 1.
    scales : LogNormal, InverseGamma, HalfNormal or HalfStudentT
        The distribution of each standard deviation, in data units.
    concentration : float, array_like (K,) or Gamma
        α > 0, or the distribution of one α for all components.

    Raises
    ------
    ValueError
        If a constant is out of its range.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009); Barnard, McCulloch & Meng (2000) for separating scales from correlations;
    Chung et al. (2015) for priors that avoid the boundary.

    Examples
    --------
    >>> print(LKJ(mean=[0.0], mean_covariance=[[9.0]], eta=2, scales=LogNormal(median=[1.5])))
    LKJ prior
      weights      ~ Dirichlet(1)
      scale_k      ~ LogNormal(median = [1.5], sd = 1)
      correlation_k ~ LKJ(2), covariance_k = diag(scale_k) correlation_k diag(scale_k)
      mean_k       ~ Normal([0], [[9]])
      so 90 % of the rows are expected at ... to ...
    """

    DIMS = {"mean": ("feature",), "mean_covariance": ("feature", "feature_other"), "eta": ()}

    mean: np.ndarray | None = None
    mean_covariance: np.ndarray | None = None
    eta: float | None = None
    scales: Positive = field(default_factory=LogNormal)
    concentration: float | np.ndarray | Positive = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_matrix("mean_covariance", self.mean_covariance)
        check_positive("eta", self.eta)
        if not isinstance(self.scales, Positive) or not self.scales.UNIT:
            raise ValueError(
                "scales must be a distribution of standard deviations, such as bayesgmm.priors.LogNormal(), "
                f"InverseGamma(), HalfNormal() or HalfStudentT(), not {self.scales!r}"
            )

    @property
    def is_scaled(self) -> bool:
        """Every constant is a number."""
        return super().is_scaled and self.scales.is_scaled and np.ndim(getattr(self.scales, self.scales.UNIT)) == 1

    def with_constants(self, n_components: int, **constants) -> Prior:
        """Fill the constants that were left out, and one α for each of K components; ``scales`` is replaced."""
        new = super().with_constants(n_components, **{n: v for n, v in constants.items() if n != "scales"})
        return replace(new, scales=constants.get("scales", self.scales))

    @property
    def constants(self) -> dict[str, tuple]:
        """Every constant by name: its dims, and its value."""
        return super().constants | {f"scales_{name}": value for name, value in self.scales.constants.items()}

    def with_mode(self, family: Family) -> Prior:
        """Itself, unless a component could collapse; see `Prior.with_mode`."""
        super().with_mode(family)
        least = 1 + len(self.mean) / 2
        if not self.scales.avoids_zero:
            raise ValueError(
                f"under {type(self.scales).__name__} scales a component may collapse on a row, where the posterior "
                "density is unbounded and has no mode; use LogNormal() or InverseGamma() scales for a MAP estimate, "
                "or sample the posterior"
            )
        if isinstance(family, Full | Tied) and len(self.mean) > 1 and self.eta <= least:
            raise ValueError(
                f"eta = {self.eta:g} is not above 1 + D/2 = {least:g}, so a component may collapse on {len(self.mean)} "
                "rows, where the posterior density is unbounded and has no mode; use a larger eta for a MAP estimate, "
                "or sample the posterior"
            )
        return self

    def like_it(self) -> Prior:
        """`Independent`, with the standard deviations' units on the diagonal of Ψ₀."""
        unit = getattr(self.scales, self.scales.UNIT)
        scale = np.diag(np.square(unit))
        return Independent(self.mean, self.mean_covariance, len(unit) + 2, scale, self.concentration).like_it()

    # ---- densities and draws

    def log_components(self, means, covariances, family: Family) -> dict[str, np.ndarray]:
        """Log densities of standard deviations, of correlations where there are any, and of the means."""
        scales = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
        found = {"means": log_normal(means, self.mean, self.mean_covariance)}
        correlations = covariances / scales[..., :, None] / scales[..., None, :]
        match family:
            case Full():
                found["correlations"] = self.log_correlations(correlations).sum(axis=-1)
            case Tied():
                scales = scales[..., :1, :]
                found["correlation"] = self.log_correlations(correlations[..., 0, :, :])
            case Spherical():
                return found | {"scales": self.scales.pooled().log_density(scales[..., 0]).sum(axis=-1)}
        return found | {"scales": self.scales.log_density(scales).sum(axis=(-2, -1))}

    def log_correlations(self, correlations) -> np.ndarray:
        """log LKJ(R; η) of R (…, D, D)."""
        constant = log_lkj_constant(self.eta, correlations.shape[-1])
        return constant + (self.eta - 1) * np.linalg.slogdet(correlations)[1]

    def draw_components(self, size: int, n_components: int, family: Family, rng):
        """Draws of μ (size, K, D) and Σ (size, K, D, D)."""
        d, shape = len(self.mean), (size, n_components)
        means = draw_normal(shape, self.mean, self.mean_covariance, rng)
        match family:
            case Spherical():
                scales = self.scales.pooled().draw(shape, rng)
                return means, (scales**2)[..., None, None] * np.eye(d)
            case Diagonal():
                return means, (self.scales.draw((*shape, d), rng) ** 2)[..., None] * np.eye(d)
        each = (size, 1) if isinstance(family, Tied) else shape
        factors = self.scales.draw((*each, d), rng)[..., None] * draw_lkj_factors(each, self.eta, d, rng)
        return means, np.broadcast_to(factors @ factors.mT, (*shape, d, d))

    def __str__(self):
        names = {"mean": "mean of x", "mean_covariance": "covariance of x", "eta": "(D + 3)/2"}
        c = {name: short(getattr(self, name), otherwise) for name, otherwise in names.items()}
        product = "covariance_k = diag(scale_k) correlation_k diag(scale_k)"
        return "\n".join((
            "LKJ prior" + ("" if self.is_scaled else ", scaled by the data"),
            f"  weights      ~ {weights_in_words(self.concentration)}",
            f"  scale_k      ~ {self.scales}",
            f"  correlation_k ~ LKJ({c['eta']}), {product}",
            f"  mean_k       ~ Normal({c['mean']}, {c['mean_covariance']})",
        )) + self._width()  # fmt: skip


def log_lkj_constant(eta: float, d: int) -> float:
    """Minus the logarithm of ∫ |R|^(η−1) dR over correlation matrices (D, D).

    Row i of a factor of R lies in a half sphere of i dimensions more than its last coordinate, and has there the
    density ∝ its last coordinate to the power D − i + 2η − 3, i from 1 (Lewandowski, Kurowicka & Joe 2009).
    """
    from scipy.special import betaln, gammaln

    i = np.arange(1, d)
    # ∫ over i coordinates y of (1 − |y|²)^(b − 1) = π^(i/2) B(i/2, b) / Γ(i/2).
    b = eta + 0.5 * (d - 1 - i)
    return float(-(0.5 * i * np.log(np.pi) + betaln(0.5 * i, b) - gammaln(0.5 * i)).sum())


def draw_lkj_factors(shape: tuple[int, ...], eta: float, d: int, rng) -> np.ndarray:
    """Draws of the lower triangular factors (…, D, D) of R ~ LKJ(η), row by row, by the onion method."""
    factors = np.zeros((*shape, d, d))
    factors[..., 0, 0] = 1.0
    for i in range(1, d):
        squared = rng.beta(0.5 * i, eta + 0.5 * (d - 1 - i), size=shape)
        direction = rng.standard_normal((*shape, i))
        length = np.sqrt(squared / (direction**2).sum(axis=-1))
        factors[..., i, :i], factors[..., i, i] = length[..., None] * direction, np.sqrt(1 - squared)
    return factors
