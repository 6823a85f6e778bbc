"""`Fit`: a point estimate as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.families import ROTATION, family
from bayesgmm.fit.census import Mode, tabulated, told
from bayesgmm.fit.degenerate import Degeneracy
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Start:
    """What became of one start: the objective it reached (NaN if it failed), its steps, and why it failed.

    ``kind`` says what it began from, and ``mode`` which of `Fit.census` it ended in (−1 if in none).
    """

    objective: float
    n_iter: int
    converged: bool
    note: str = ""
    kind: str = ""
    mode: int = -1


@dataclass(frozen=True, eq=False)
class Fit:
    """A point estimate of a Gaussian mixture.

    Attributes
    ----------
    mixture : Mixture
        Weights, means and covariances, in data units.
    log_likelihood : float
        Σ_n w_n log p(x_n) of exactly this mixture.
    log_posterior : float or None
        log_likelihood plus the log prior density; None for maximum likelihood.
    n_parameters, n_obs : int, float
        Free parameters; rows, or the sum of their case weights.
    estimator : {"MLE", "MAP"}
    coordinates : tuple of str
        The variables whose density a MAP estimate maximises: a mode depends on them. Empty for an MLE.
    covariance_type : str or None
        The family, where it is known: scikit-learn's name, or mclust's code where there is no other.
    converged : bool
        Nothing was left to gain: the Newton decrement is below 1e-8, or the gradient per row, in whitened coordinates.
    history : ndarray
        The objective at every step of the best start, never falling by more than rounding. Steps in single precision
        are shifted to meet the first one in double.
    starts : tuple of Start
        Every start, in the order run.
    census : tuple of Mode
        The modes that they ended in, highest first, degenerate ones last; `modes` is the same as a table.
    degeneracy : Degeneracy or None
        Why this is hardly an estimate, where no start found a better one: a component rests on too few rows.
    entropy : float
        −Σ_n Σ_k r_nk log r_nk.
    log_certainty : float
        Σ_n log max_k r_nk, which ICL adds.
    point : mapping
        A MAP estimate's free variables under their PyMC names.
    prior : Prior or None
        What a MAP estimate by EM was found under, with its constants.
    """

    mixture: Mixture
    log_likelihood: float
    n_parameters: int
    n_obs: float
    estimator: str
    converged: bool
    history: np.ndarray
    starts: tuple[Start, ...]
    entropy: float
    log_certainty: float
    log_posterior: float | None = None
    covariance_type: str | None = None
    coordinates: tuple[str, ...] = ()
    point: Mapping[str, np.ndarray] = field(default_factory=dict)
    prior: Prior | None = None
    census: tuple[Mode, ...] = ()
    degeneracy: Degeneracy | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.mixture.features

    @property
    def n_components(self) -> int:
        """K."""
        return self.mixture.n_components

    @property
    def n_iter(self) -> int:
        """Steps of the best start."""
        return len(self.history) - 1

    @property
    def bic(self) -> float:
        """−2 log L + p log N (Schwarz 1978); lower is better, scikit-learn's sign."""
        return -2 * self.log_likelihood + self.n_parameters * float(np.log(self.n_obs))

    @property
    def aic(self) -> float:
        """−2 log L + 2 p (Akaike 1974); lower is better."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def icl(self) -> float:
        """BIC − 2 Σ_n log max_k r_nk (Biernacki, Celeux & Govaert 2000; mclust's, with its sign turned)."""
        return self.bic - 2 * self.log_certainty

    @property
    def modes(self) -> pd.DataFrame:
        """The census as a table, a row a mode: its objective, how much worse than the best, how many starts and of
        which kinds ended there, its log mass less the best one's (see `Mode`), and doubts.
        """
        return tabulated(self.census)

    def _of_family(self) -> list[str]:
        """What the family is, if its code alone says it, and whether units matter to it."""
        if self.covariance_type is None or self.mixture.n_features == 1:
            return []
        kind = family(self.covariance_type)
        lines = [f"  {kind.code} is {kind.description}"] if kind.alias == kind.code else []
        if kind.units == ROTATION:
            lines.append("  it depends on the units of the features: scaling one of them gives another fit")
        return lines

    def __str__(self):
        m = self.mixture
        kind = f", {self.covariance_type}" if self.covariance_type else ""
        lines = [
            f"{self.estimator} of a mixture of {m.n_components} Gaussians "
            f"(D = {m.n_features}{kind}), N = {self.n_obs:g}",
            f"  log-likelihood {self.log_likelihood:.4f}, {self.n_parameters} parameters, BIC {self.bic:.2f}",
            f"  {'converged' if self.converged else 'NOT converged'} in {self.n_iter} steps; "
            f"{told(self.census, self.mixture, [start.note for start in self.starts])}",
        ]
        lines += self._of_family()
        width = max(9, *(len(f) for f in m.features))
        lines.append("  component  weight  " + "  ".join(f"{f:>{width}}" for f in m.features) + "   (mean ± sd)")
        sds = np.sqrt(np.diagonal(m.covariances, axis1=1, axis2=2))
        for k in range(m.n_components):
            cells = "  ".join(f"{f'{mu:.4g} ± {sd:.3g}':>{width}}" for mu, sd in zip(m.means[k], sds[k], strict=True))
            lines.append(f"  {k:9d}  {m.weights[k]:6.4f}  {cells}")
        return "\n".join(lines)
