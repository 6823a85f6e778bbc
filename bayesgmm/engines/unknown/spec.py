"""The prior of partitions as it is asked for: a process, its number of components, its concentration, its discount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.engines.unknown import process as native
from bayesgmm.priors.counts import BetaNegativeBinomial, Count
from bayesgmm.priors.fractions import Beta
from bayesgmm.priors.positive import F, Gamma, HalfNormal, HalfStudentT, InverseGamma, LogNormal, Positive

PROCESSES = ("mfm", "sparse", "dp", "py")
#: What stands in for what is left out.
NUMBERS = {"mfm": BetaNegativeBinomial(1, 4, 3), "sparse": 10}
CONCENTRATIONS = {"mfm": F(6, 3), "sparse": Gamma(1, 20), "dp": Gamma(2, 4), "py": Gamma(2, 4)}
DISCOUNT = 0.25
# A prior of K is cut off where it leaves so little, or here.
_TAIL, _MOST = 1e-6, 500
_KINDS = {Gamma: native.GAMMA, F: native.F, LogNormal: native.LOG_NORMAL, InverseGamma: native.INVERSE_GAMMA,
          HalfNormal: native.HALF_NORMAL, HalfStudentT: native.HALF_STUDENT_T}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spec:
    """A process with numbers or priors for all that it has; make one with `spec_of`."""

    process: str
    n_components: int | Count | None  # None where there is no end of them
    concentration: float | Positive
    is_shared: bool  # Dirichlet(α/K), not Dirichlet(α)
    discount: float | Beta

    @property
    def is_finite(self) -> bool:
        """Whether there are K components, and not infinitely many."""
        return self.n_components is not None

    @property
    def log_p(self) -> np.ndarray:
        """log p(K) of K = 1, 2, …, up to the largest that is looked at."""
        if isinstance(self.n_components, Count):
            return self.n_components.log_prob(np.arange(1, self.n_components.most(_TAIL, _MOST) + 1))
        return np.where(np.arange(1, (self.n_components or 1) + 1) == (self.n_components or 1), 0.0, -np.inf)

    @property
    def start(self) -> tuple[float, float]:
        """α and σ that chains begin with."""
        alpha, sigma = self.concentration, self.discount
        if isinstance(alpha, Positive):
            alpha = float(np.median(alpha.draw(1001, np.random.default_rng(0))))
        return alpha, 0.5 * sigma.a / (sigma.a + sigma.b) if isinstance(sigma, Beta) else sigma

    def law(self) -> np.ndarray:
        """Numbers for `process.law_at`."""
        alpha, sigma = self.concentration, self.discount
        kind = _KINDS[type(alpha)] if isinstance(alpha, Positive) else native.FIXED
        constants = [float(v) for _, v in alpha.constants.values()] if kind else []
        beta = (1, sigma.a, sigma.b) if isinstance(sigma, Beta) else (0, 0, 0)
        head = [self.is_finite, self.is_shared, kind, *(constants + [0.0, 0.0])[:2], *beta]
        return np.concatenate([np.array(head, dtype=float), self.log_p])

    def in_words(self) -> str:
        """The prior of partitions in formulas."""
        symbol = "α/K" if self.is_shared else "α"
        lines = []
        if self.is_finite:
            count = isinstance(self.n_components, Count)
            lines += [f"K ~ {self.n_components}" if count else f"K = {self.n_components}"]
            lines += [f"weights | K ~ Dirichlet({symbol}, ..., {symbol})"]
        else:
            lines += ["weights ~ PitmanYor(σ, α)" if self.process == "py" else "weights ~ DirichletProcess(α)"]
        random = isinstance(self.concentration, Positive)
        lines += [f"α ~ {self.concentration}" if random else f"α = {self.concentration:g}"]
        if self.process == "py":
            lines += [f"σ ~ {self.discount}" if isinstance(self.discount, Beta) else f"σ = {self.discount:g}"]
        return "\n".join(lines)


def spec_of(process, n_components, concentration, weights, discount) -> Spec:
    """A process, checked and with everything that was left out.

    Raises
    ------
    ValueError
        If something is not known, out of its range, or not a part of the process.
    """
    if process not in PROCESSES:
        raise ValueError(f"process {process!r} is not known; use {', '.join(map(repr, PROCESSES[:-1]))} or 'py'")
    is_finite, left_open = process in NUMBERS, concentration is None
    n_components = _number(process, n_components)
    concentration = CONCENTRATIONS[process] if left_open else concentration
    _check_concentration(concentration)
    if not is_finite and weights is not None:
        raise ValueError(f"weights={weights!r} is about K components, and process={process!r} has no K: leave it out")
    if weights not in (None, "static", "dynamic"):
        raise ValueError(f"weights={weights!r} is not known; use 'static', Dirichlet(α), or 'dynamic', Dirichlet(α/K)")
    is_shared = weights == "dynamic" or (weights is None and left_open and process == "mfm")
    return Spec(process, n_components, concentration, is_shared, _discount(process, discount))


def _number(process, n_components):
    if process not in NUMBERS:
        if n_components is not None:
            raise ValueError(f"process={process!r} has infinitely many components: leave n_components out")
        return None
    if n_components is None:
        return NUMBERS[process]
    if isinstance(n_components, Count) and process == "mfm":
        return n_components
    whole = isinstance(n_components, int | np.integer) and not isinstance(n_components, bool)
    if not whole or n_components < 1:
        wanted = "a whole number above 0" + (", or a prior such as bayesgmm.priors.Uniform(30)" if process == "mfm" else
                                             "; a prior of K is for process='mfm'")  # fmt: skip
        raise ValueError(f"n_components must be {wanted}, not {n_components}")
    return int(n_components)


def _check_concentration(concentration):
    if isinstance(concentration, Positive):
        if type(concentration) not in _KINDS or not concentration.is_scaled:
            raise ValueError(f"the constants of concentration={concentration} must be numbers")
        if any(np.ndim(value) for _, value in concentration.constants.values()):
            raise ValueError(f"the constants of concentration={concentration} must be single numbers")
    elif not (np.ndim(concentration) == 0 and np.isreal(concentration) and 0 < concentration < np.inf):
        raise ValueError(f"concentration must be one number above 0 or a distribution of it, not {concentration}")


def _discount(process, discount):
    if process != "py":
        if discount is not None:
            raise ValueError(f"discount is a number of process='py'; {process!r} has none: leave it out")
        return 0.0
    discount = DISCOUNT if discount is None else discount
    if not isinstance(discount, Beta) and not (np.ndim(discount) == 0 and 0 <= discount < 1):
        raise ValueError(f"discount must be in [0, 1), or a bayesgmm.priors.Beta, not {discount}")
    return discount
