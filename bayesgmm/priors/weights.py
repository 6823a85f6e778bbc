"""π ~ Dirichlet(α), the prior of the weights that all priors share: α fixed, or with a prior of its own."""

from __future__ import annotations

import numpy as np

from bayesgmm.priors.checks import short
from bayesgmm.priors.positive import Positive


def check_concentration(concentration) -> None:
    """A positive number, one a component, or a distribution of it."""
    if not isinstance(concentration, Positive) and not (np.asarray(concentration, dtype=float) > 0).all():
        raise ValueError(f"concentration must be above 0, not {concentration}")


def refuse_unbounded(concentration) -> None:
    """Without a Jacobian the density of weights with α < 1 has no maximum."""
    if (np.asarray(concentration) < 1).any():
        raise ValueError(
            f"concentration = {np.min(concentration):g} is below 1, where the posterior density of the weights is "
            "unbounded at 0 and has no mode; use at least 1 for a MAP estimate, or sample the posterior"
        )


def for_components(concentration, n_components: int):
    """One α a component; a distribution stays what it is, that of one α for all."""
    if isinstance(concentration, Positive):
        return concentration
    alpha = np.asarray(concentration, dtype=float)
    if alpha.ndim and alpha.shape != (n_components,):
        raise ValueError(f"concentration has {alpha.size} values for {n_components} components")
    return np.broadcast_to(alpha, (n_components,)).copy()


def log_weights(weights, concentration, alpha=None) -> dict[str, np.ndarray]:
    """Log density of π (…, K), and that of α (…) where it is random."""
    from scipy.special import gammaln, xlogy

    found = {}
    if isinstance(concentration, Positive):
        if alpha is None:
            raise ValueError("the concentration has a prior of its own: give its value, concentration=…, too")
        found["concentration"] = concentration.log_density(np.asarray(alpha, dtype=float))
        concentration = np.asarray(alpha, dtype=float)[..., None]
    each = np.broadcast_to(concentration, weights.shape)
    constant = gammaln(each.sum(axis=-1)) - gammaln(each).sum(axis=-1)
    return found | {"weights": constant + xlogy(each - 1, weights).sum(axis=-1)}


def draw_weights(concentration, size: int, n_components: int, rng) -> np.ndarray:
    """π (size, K); a small α leaves no digits but those of the largest weight, and no NaN."""
    alpha = concentration
    if isinstance(alpha, Positive):
        alpha = alpha.draw(size, rng)[:, None]
    alpha = np.broadcast_to(alpha, (size, n_components))
    # log G(α) = log G(α + 1) + log U / α (Marsaglia & Tsang 2000), which cannot underflow.
    logs = np.log(rng.gamma(alpha + 1.0)) + np.log(rng.uniform(size=alpha.shape)) / alpha
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def weights_in_words(concentration) -> str:
    """The formula of the weights' prior."""
    if isinstance(concentration, Positive):
        return f"Dirichlet(α), α ~ {concentration}"
    return f"Dirichlet({short(np.unique(concentration).squeeze())})"
