"""Distributions of a number of components, K = 1, 2, …, that is not known."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from bayesgmm.priors.checks import check_positive, short


@dataclass(frozen=True, eq=False)
class Count:
    """A distribution of K = 1, 2, …; abstract.

    Laws: `log_prob` sums to one over K = 1, 2, …, every constant included; `draw` draws from it.
    """

    def __post_init__(self):
        for f in fields(self):
            check_positive(f"{f.name} of {type(self).__name__}", getattr(self, f.name))

    def log_prob(self, k) -> np.ndarray:
        """log p(K) of integers of any shape; −inf below 1."""
        k = np.asarray(k)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(k >= 1, self._log_prob(np.maximum(k, 1)), -np.inf)

    def most(self, tail: float, limit: int) -> int:
        """The smallest K that leaves a probability of at most ``tail`` above it, or the limit."""
        left = 1 - np.cumsum(np.exp(self.log_prob(np.arange(1, limit + 1))))
        enough = np.flatnonzero(left <= tail)
        return int(enough[0]) + 1 if len(enough) else limit

    def draw(self, shape, rng) -> np.ndarray:
        """Draws of a shape."""
        raise NotImplementedError

    def __str__(self):
        named = ", ".join(f"{f.name} = {short(getattr(self, f.name))}" for f in fields(self))
        return f"{type(self).__name__}({named})"

    def _log_prob(self, k):
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Uniform(Count):
    """K is 1, 2, …, or ``most_components``, each as likely (Richardson & Green 1997).

    Examples
    --------
    >>> np.exp(Uniform(4).log_prob([1, 4, 5]))
    array([0.25, 0.25, 0.  ])
    """

    most_components: int = 30

    def __post_init__(self):
        super().__post_init__()
        if self.most_components != int(self.most_components):
            raise ValueError(f"most_components of Uniform must be a whole number, not {self.most_components}")

    def _log_prob(self, k):
        return np.where(k <= self.most_components, -np.log(self.most_components), -np.inf)

    def draw(self, shape, rng):
        return rng.integers(1, self.most_components + 1, size=shape)


@dataclass(frozen=True, eq=False)
class Geometric(Count):
    """p(K) = p (1 − p)^(K − 1): the mean is 1/p.

    Examples
    --------
    >>> np.exp(Geometric(0.5).log_prob([1, 2, 3]))
    array([0.5  , 0.25 , 0.125])
    """

    probability: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        if self.probability > 1:
            raise ValueError(f"probability of Geometric must be at most 1, not {self.probability}")

    def _log_prob(self, k):
        from scipy.special import xlog1py

        return np.log(self.probability) + xlog1py(k - 1, -self.probability)

    def draw(self, shape, rng):
        return rng.geometric(self.probability, size=shape)


@dataclass(frozen=True, eq=False)
class Poisson(Count):
    """K − 1 ~ Poisson(rate): the mean is 1 + rate.

    Examples
    --------
    >>> np.exp(Poisson(1.0).log_prob([1, 2, 3])).round(4)
    array([0.3679, 0.3679, 0.1839])
    """

    rate: float = 1.0

    def _log_prob(self, k):
        from scipy.special import gammaln

        return (k - 1) * np.log(self.rate) - self.rate - gammaln(k)

    def draw(self, shape, rng):
        return 1 + rng.poisson(self.rate, size=shape)


@dataclass(frozen=True, eq=False)
class BetaNegativeBinomial(Count):
    """K − 1 ~ negative binomial of ``shape`` whose probability of success is ~ Beta(a, b).

    p(K) = Γ(r + K − 1)/(Γ(r) (K − 1)!) · B(r + a, K − 1 + b)/B(a, b). BNB(1, 4, 3), the default, has the mean 2, leaves
    7/12 or so to K = 1, and a tail that falls like K^−5 (Frühwirth-Schnatter, Malsiner-Walli & Grün 2021).

    Examples
    --------
    >>> np.exp(BetaNegativeBinomial(1, 4, 3).log_prob([1, 2, 3])).round(4)
    array([0.5714, 0.2143, 0.0952])
    """

    shape: float = 1.0
    a: float = 4.0
    b: float = 3.0

    def _log_prob(self, k):
        from scipy.special import betaln, gammaln

        r, j = self.shape, k - 1
        binomial = gammaln(r + j) - gammaln(r) - gammaln(j + 1)
        return binomial + betaln(r + self.a, j + self.b) - betaln(self.a, self.b)

    def draw(self, shape, rng):
        success = rng.beta(self.a, self.b, size=shape)
        return 1 + rng.poisson(rng.gamma(self.shape, size=shape) * (1 - success) / success)
