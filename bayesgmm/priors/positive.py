"""Distributions of positive numbers: of standard deviations, and of the concentration of the weights."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np

from bayesgmm.priors.checks import check_positive, short


@dataclass(frozen=True, eq=False)
class Positive:
    """A distribution of one positive number, or of one a feature; abstract.

    Attributes
    ----------
    UNIT : str
        The constant, one a feature, that has the units of the data; what is left out is scaled by them.
    avoids_zero : bool
        Whether the density falls faster than any power towards 0, so that no likelihood can make up for it.
    """

    UNIT: ClassVar[str] = ""
    avoids_zero: ClassVar[bool] = False

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == self.UNIT and value is not None and np.ndim(value):
                object.__setattr__(self, f.name, np.array(value, dtype=float))
            check_positive(f"{f.name} of {type(self).__name__}", value)

    @property
    def is_scaled(self) -> bool:
        """Every constant is a number."""
        return all(getattr(self, f.name) is not None for f in fields(self))

    @property
    def constants(self) -> dict[str, tuple]:
        """Every constant by name: its dims, and its value."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: (("feature",) if np.ndim(value) else (), value) for name, value in named.items()}

    def scaled(self, within: np.ndarray, overall: np.ndarray) -> Positive:
        """The same with what is left out scaled by standard deviations (D,), within clusters and overall."""
        if self.UNIT and getattr(self, self.UNIT) is None:
            return replace(self, **{self.UNIT: self._unit(within, overall)})
        if self.UNIT and np.ndim(getattr(self, self.UNIT)) == 0:
            return replace(self, **{self.UNIT: np.full(len(within), float(getattr(self, self.UNIT)))})
        return self

    def pooled(self) -> Positive:
        """The same for one number instead of one a feature: the root of the mean square of its units."""
        unit = getattr(self, self.UNIT)
        return replace(self, **{self.UNIT: float(np.sqrt(np.mean(np.square(unit))))})

    def __str__(self):
        named = ", ".join(f"{f.name} = {short(getattr(self, f.name), 'by the data')}" for f in fields(self))
        return f"{type(self).__name__}({named})"

    def _unit(self, within, overall):
        raise NotImplementedError

    def log_density(self, value) -> np.ndarray:
        """Log density, every constant included."""
        raise NotImplementedError

    def draw(self, shape, rng) -> np.ndarray:
        """Draws of a shape, whose last axis is that of the features, if there are several."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Gamma(Positive):
    """Gamma(shape, rate), mean shape/rate: for the concentration of the weights.

    Examples
    --------
    >>> print(Gamma(2.0, 4.0))
    Gamma(shape = 2, rate = 4)
    """

    shape: float = 1.0
    rate: float = 1.0

    def log_density(self, value):
        from scipy.special import gammaln

        a, b = self.shape, self.rate
        return a * np.log(b) - gammaln(a) + (a - 1) * np.log(value) - b * value

    def draw(self, shape, rng):
        return rng.gamma(self.shape, size=shape) / self.rate


@dataclass(frozen=True, eq=False)
class F(Positive):
    """Fisher's F of two degrees of freedom: for the concentration, with a tail so heavy that it leaves it open.

    Examples
    --------
    >>> print(F(6, 3))
    F(dof = 6, dof_other = 3)
    """

    dof: float = 6.0
    dof_other: float = 3.0

    def log_density(self, value):
        from scipy.special import betaln

        p, q = self.dof, self.dof_other
        constant = 0.5 * (p * np.log(p) + q * np.log(q)) - betaln(0.5 * p, 0.5 * q)
        return constant + (0.5 * p - 1) * np.log(value) - 0.5 * (p + q) * np.log(p * value + q)

    def draw(self, shape, rng):
        return rng.f(self.dof, self.dof_other, size=shape)


@dataclass(frozen=True, eq=False)
class LogNormal(Positive):
    """log s ~ N(log median, sd²): a factor of exp(±2 sd) about the median holds 95 %."""

    UNIT = "median"
    avoids_zero = True
    median: float | np.ndarray | None = None
    sd: float = 1.0

    def _unit(self, within, overall):
        return within

    def log_density(self, value):
        z = (np.log(value) - np.log(self.median)) / self.sd
        return -0.5 * z**2 - np.log(self.sd * value) - 0.5 * np.log(2 * np.pi)

    def draw(self, shape, rng):
        return self.median * np.exp(self.sd * rng.standard_normal(shape))


@dataclass(frozen=True, eq=False)
class InverseGamma(Positive):
    """1/s ~ Gamma(shape, rate = scale): the mean is scale/(shape − 1)."""

    UNIT = "scale"
    avoids_zero = True
    shape: float = 3.0
    scale: float | np.ndarray | None = None

    def _unit(self, within, overall):
        return self.shape * within  # 1/s has the mean 1/within

    def log_density(self, value):
        from scipy.special import gammaln

        a, b = self.shape, self.scale
        return a * np.log(b) - gammaln(a) - (a + 1) * np.log(value) - b / value

    def draw(self, shape, rng):
        return self.scale / rng.gamma(self.shape, size=shape)


@dataclass(frozen=True, eq=False)
class HalfNormal(Positive):
    """|N(0, scale²)|; a standard deviation may be 0, so a component may collapse, and there is no mode to look for."""

    UNIT = "scale"
    scale: float | np.ndarray | None = None

    def _unit(self, within, overall):
        return overall

    def log_density(self, value):
        return 0.5 * np.log(2 / np.pi) - np.log(self.scale) - 0.5 * (value / self.scale) ** 2

    def draw(self, shape, rng):
        return self.scale * np.abs(rng.standard_normal(shape))


@dataclass(frozen=True, eq=False)
class HalfStudentT(Positive):
    """scale · |t(dof)|; as for `HalfNormal` there is no mode to look for."""

    UNIT = "scale"
    dof: float = 3.0
    scale: float | np.ndarray | None = None

    def _unit(self, within, overall):
        return overall

    def log_density(self, value):
        from scipy.special import gammaln

        nu = self.dof
        constant = np.log(2) + gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
        return constant - np.log(self.scale) - 0.5 * (nu + 1) * np.log1p((value / self.scale) ** 2 / nu)

    def draw(self, shape, rng):
        return self.scale * np.abs(rng.standard_t(self.dof, size=shape))
