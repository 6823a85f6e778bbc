"""A distribution of a number between 0 and 1: for the discount of a Pitman-Yor process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.priors.checks import check_positive, short


@dataclass(frozen=True, eq=False)
class Beta:
    """Beta(a, b), mean a/(a + b).

    Examples
    --------
    >>> print(Beta(1, 2))
    Beta(a = 1, b = 2)
    """

    a: float = 1.0
    b: float = 1.0

    def __post_init__(self):
        for name in ("a", "b"):
            check_positive(f"{name} of Beta", getattr(self, name))

    def log_density(self, value) -> np.ndarray:
        """Log density, every constant included."""
        from scipy.special import betaln, xlog1py, xlogy

        return xlogy(self.a - 1, value) + xlog1py(self.b - 1, -np.asarray(value)) - betaln(self.a, self.b)

    def draw(self, shape, rng) -> np.ndarray:
        """Draws of a shape."""
        return rng.beta(self.a, self.b, size=shape)

    def __str__(self):
        return f"Beta(a = {short(self.a)}, b = {short(self.b)})"
