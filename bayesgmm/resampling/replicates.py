"""Refits of a point estimate as values: what they say of its standard errors, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.fit.parameters import parameter_names, parameter_vector, shaped
from bayesgmm.mixture import Mixture

# A replicate whose labels are right with less than this is one that could not be matched surely.
SURE = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class Replicates:
    """Refits of a `Fit`, B of them, under its labels; what `bootstrap` and `jackknife` return.

    Attributes
    ----------
    mixture : Mixture
        The fit's own.
    weights, means, covariances : ndarray (B, K), (B, K, D), (B, K, D, D)
        Of each refit that did not end degenerate.
    confidence : ndarray (B, K)
        The probability that a component's label is right (`bayesgmm.draws.confidence`).
    numbers : ndarray of int (B,)
        Which replicate each is: for the jackknife, which row was left out.
    kind : str
        "nonparametric", "parametric", "weighted" or "jackknife".
    requested, degenerate, unconverged : int
        Refits that were asked for; that ended with a component that collapsed, which are left out; and that were still
        climbing after 5000 steps, which are not.
    incomplete : bool
        Somebody interrupted: fewer were made than were asked for.
    ci_prob : float
        Of the intervals in ``table``.
    """

    mixture: Mixture
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    confidence: np.ndarray
    numbers: np.ndarray
    kind: str
    requested: int
    degenerate: int
    unconverged: int
    incomplete: bool
    ci_prob: float

    @property
    def draws(self) -> MixtureDraws:
        """The refits as `bayesgmm.draws` reads them."""
        return MixtureDraws(self.weights, self.means, self.covariances, self.mixture.features)

    @property
    def mixtures(self) -> list[Mixture]:
        """The refits, each as a `Mixture`."""
        return [self.draws.mixture(b) for b in range(len(self))]

    @cached_property
    def names(self) -> list[str]:
        """Names of the parameters (P,), as in `bayesgmm.compare`."""
        return parameter_names(self.mixture.n_components, self.mixture.features)

    @cached_property
    def vectors(self) -> np.ndarray:
        """The refits' parameters (B, P), in the order of ``names``."""
        return parameter_vector(self.weights, self.means, self.covariances)

    @cached_property
    def estimate(self) -> np.ndarray:
        """The fit's parameters (P,)."""
        m = self.mixture
        return parameter_vector(m.weights, m.means, m.covariances)

    @property
    def unsure(self) -> int:
        """Refits whose labels could not be matched surely; they are part of every summary."""
        return int((self.confidence.min(axis=1) < SURE).sum())

    @property
    def covariance(self) -> np.ndarray:
        """Of the estimates (P, P), in the order of ``names``."""
        raise NotImplementedError

    @property
    def se(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standard errors of weights (K,), means (K, D) and covariances (K, D, D)."""
        return shaped(np.sqrt(np.diagonal(self.covariance)), *self.mixture.means.shape)

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def text(self) -> str:
        """In a sentence or more, what was done and what went wrong."""
        said = [f"{len(self)} of {self.requested} {self.kind} refits."]
        if self.incomplete:
            said.append("They were interrupted, and are incomplete.")
        if self.degenerate:
            said.append(f"{self.degenerate} more ended with a collapsed component and are left out.")
        if self.unconverged:
            said.append(f"{self.unconverged} had not converged.")
        if self.unsure:
            k = int(self.confidence.mean(axis=0).argmin())
            said.append(f"The labels of {self.unsure} could not be matched surely, most often that of component {k}: "
                        "standard errors and intervals of single components may be wrong.")  # fmt: skip
        return " ".join(said)

    def __str__(self) -> str:
        return f"{self.table.to_string()}\n\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self.table._repr_html_()}\n<p>{self.text}</p>"


class Bootstrap(Replicates):
    """Refits to B samples; made by `bootstrap`."""

    @property
    def covariance(self) -> np.ndarray:
        """Of the refits (P, P)."""
        off = self.vectors - self.vectors.mean(axis=0)
        return off.T @ off / (len(self) - 1) if len(self) > 1 else np.full((off.shape[1],) * 2, np.nan)

    @property
    def table(self):
        """A DataFrame, a row a parameter: estimate, mean, bias (mean − estimate), se, and percentile interval."""
        import pandas as pd

        lower, upper = self.interval()
        mean, se = self.vectors.mean(axis=0), np.sqrt(np.diagonal(self.covariance))
        columns = {"estimate": self.estimate, "mean": mean, "bias": mean - self.estimate, "se": se}
        return pd.DataFrame(columns | {"lower": lower, "upper": upper}, index=self.names)

    def interval(self, jackknife: Jackknife | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds (P,): percentiles, or with a `jackknife` Efron's (1987) BCa bounds."""
        tails = 0.5 + 0.5 * self.ci_prob * np.array([-1.0, 1.0])
        if jackknife is None:
            return tuple(np.quantile(self.vectors, tails, axis=0))
        levels = _corrected(tails, self.vectors, self.estimate, jackknife.acceleration)
        bounds = [np.quantile(values, level) for values, level in zip(self.vectors.T, levels.T, strict=True)]
        return tuple(np.array(bounds).T)


@dataclass(frozen=True, eq=False, repr=False)
class Jackknife(Replicates):
    """Refits to all rows but one; made by `jackknife`.

    Attributes
    ----------
    counts : ndarray (B,)
        How many rows like it each left-out row stands for: its case weight.
    total : float
        N.
    """

    counts: np.ndarray
    total: float

    def _deviations(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares (B,) of the rows, and how far (B, P) each refit is from their mean."""
        shares = self.counts / self.counts.sum()
        return shares, self.vectors - shares @ self.vectors

    @property
    def covariance(self) -> np.ndarray:
        """(N − 1) times the mean of the refits' squared deviations (P, P)."""
        shares, off = self._deviations()
        return (self.total - 1) * (off.T * shares) @ off

    @property
    def acceleration(self) -> np.ndarray:
        """Of each parameter (P,), as BCa intervals need it: a sixth of the skewness of its influence."""
        shares, off = self._deviations()
        second, third = shares @ off**2, -(shares @ off**3)
        return third / (6 * np.sqrt(self.total) * np.where(second > 0, second, 1.0) ** 1.5)

    @property
    def table(self):
        """A DataFrame, a row a parameter: estimate, bias, se, and estimate ± z se."""
        import pandas as pd
        from scipy.special import ndtri

        z, se = ndtri(0.5 + 0.5 * self.ci_prob), np.sqrt(np.diagonal(self.covariance))
        shares, _ = self._deviations()
        columns = {"estimate": self.estimate, "bias": (self.total - 1) * (shares @ self.vectors - self.estimate)}
        columns |= {"se": se, "lower": self.estimate - z * se, "upper": self.estimate + z * se}
        return pd.DataFrame(columns, index=self.names)


def _corrected(tails, vectors, estimate, acceleration) -> np.ndarray:
    """The levels (2, P) at which percentiles are taken for BCa intervals (Efron 1987)."""
    from scipy.special import ndtr, ndtri

    below = ((vectors < estimate).sum(axis=0) + 0.5 * (vectors == estimate).sum(axis=0)) / len(vectors)
    bias = ndtri(np.clip(below, 0.5 / len(vectors), 1 - 0.5 / len(vectors)))
    moved = bias + ndtri(tails)[:, None]
    return ndtr(bias + moved / (1 - acceleration * moved))
