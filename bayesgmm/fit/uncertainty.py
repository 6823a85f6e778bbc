"""`standard_errors`: how sure a point estimate is, by the curvature of what it maximises."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.fit.again import rows_of, target_of
from bayesgmm.fit.chart import Chart, curvature
from bayesgmm.fit.parameters import owners, pair_names, parameter_names, parameter_vector, shaped, symmetric
from bayesgmm.fit.result import Fit
from bayesgmm.fit.suspicion import doubts
from bayesgmm.mixture import Mixture

# A direction about which rows say less than this part of what they would with labels counts as one without information.
FLAT = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Uncertainty:
    """Standard errors of a fit's parameters, in data units; what `standard_errors` returns.

    NaN where the rows do not determine a parameter.

    Attributes
    ----------
    mixture : Mixture
        The estimate.
    covariance : ndarray (P, P)
        Of the estimates, in the order of ``names``; singular, as weights sum to one and a family ties covariances.
    names : tuple of str, length P
        ``weights[0]``, …, ``means[0, a]``, …, ``covariances[0, a, b]``, …, each covariance once.
    sds, correlations : ndarray (K, D), (K, D, D)
        Standard errors of √Σ_ii and of Σ_ij / √(Σ_ii Σ_jj), by the delta method.
    doubts : tuple of tuples of str, length K
        Of each component, why intervals of its parameters are not to be trusted.
    ci_prob : float
        Of the intervals in ``table``.
    """

    mixture: Mixture
    covariance: np.ndarray
    names: tuple[str, ...]
    sds: np.ndarray
    correlations: np.ndarray
    doubts: tuple[tuple[str, ...], ...]
    ci_prob: float

    @cached_property
    def _errors(self):
        errors = np.sqrt(np.diagonal(self.covariance))
        return errors, *shaped(errors, *self.mixture.means.shape)

    @property
    def weights(self) -> np.ndarray:
        """Standard errors of π (K,)."""
        return self._errors[1]

    @property
    def means(self) -> np.ndarray:
        """Standard errors of μ (K, D)."""
        return self._errors[2]

    @property
    def covariances(self) -> np.ndarray:
        """Standard errors of Σ (K, D, D)."""
        return self._errors[3]

    @property
    def table(self):
        """A DataFrame, a row a parameter: estimate, se, lower and upper (estimate ± z se), and a note of doubts."""
        m = self.mixture
        estimates = parameter_vector(m.weights, m.means, m.covariances)
        return self._table(self.names, estimates, self._errors[0], owners(*m.means.shape))

    @property
    def derived(self):
        """The same of standard deviations, ``sds[0, a]``, and correlations, ``correlations[0, a, b]``."""
        (k, d), features = self.mixture.means.shape, self.mixture.features
        sds, correlations = _shapes(self.mixture)
        upper = np.triu_indices(d, 1)
        names = [f"sds[{c}, {a}]" for c in range(k) for a in features]
        pairs = pair_names("correlations", range(k), features)
        off = np.tile(np.not_equal(*np.triu_indices(d)), k)
        names += [name for name, is_off in zip(pairs, off, strict=True) if is_off]
        parts = [(sds, self.sds), (correlations[:, *upper], self.correlations[:, *upper])]
        estimates, errors = (np.concatenate([part.ravel() for part in some]) for some in zip(*parts, strict=True))
        of = np.concatenate([np.repeat(np.arange(k), d), np.repeat(np.arange(k), len(upper[0]))])
        return self._table(names, estimates, errors, of)

    def _table(self, names, estimates, errors, of):
        import pandas as pd
        from scipy.special import ndtri

        z = ndtri(0.5 + 0.5 * self.ci_prob)
        columns = {
            "estimate": estimates,
            "se": errors,
            "lower": estimates - z * errors,
            "upper": estimates + z * errors,
        }
        return pd.DataFrame(columns | {"note": ["; ".join(self.doubts[k]) for k in of]}, index=list(names))

    def __str__(self) -> str:
        return self.table.to_string()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def standard_errors(fit: Fit, x, *, case_weights=None, ci_prob: float = 0.95) -> Uncertainty:
    """Standard errors of a fit's weights, means and covariances, from the observed information.

    Parameters
    ----------
    fit : Fit
        By maximum likelihood; or a MAP estimate under a prior with closed forms, for which they are the standard
        deviations of the normal approximation at the mode, from the curvature of the log posterior density.
    x : array, frame or file (N, D)
        The rows that it was fitted to; missing cells (NaN) are summed out, as they were then.
    case_weights : array (N,), optional
        The frequencies that it was fitted with.
    ci_prob : float
        Of the Wald intervals in the table, estimate ± z standard errors.

    Returns
    -------
    Uncertainty
        With ``weights`` (K,), ``means`` (K, D), ``covariances`` (K, D, D), the ``covariance`` of all of them, and a
        ``.table`` whose rows are those of `bayesgmm.compare`.

    Raises
    ------
    DataError, ValueError
        If these are not the rows of the fit, ``ci_prob`` lies outside (0, 1), or the mode is one of a story without
        closed forms.

    Warns
    -----
    UserWarning
        If a Wald interval is not to be trusted, with the component it is of: the rows do not determine a parameter, a
        weight is close to its boundary, few rows speak for a component, or two of them overlap. The column ``note``
        has it too.

    Notes
    -----
    Laws: permuting components permutes the errors; affine maps of the data carry them along, where the family is
    closed under these. Under a wrong model, or a sample that is no random one, the bootstrap is the better guide; see
    `bayesgmm.bootstrap`.

    References
    ----------
    Louis (1982) for the information; McLachlan & Peel (2000), section 2.15.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful")
    >>> found = standard_errors(bg.fit_mle(x, 2, seed=0, progress=False), x)
    >>> found.table.loc[["weights[0]", "means[0, waiting]"], ["estimate", "se", "lower", "upper"]].round(3)
                       estimate     se   lower   upper
    weights[0]            0.356  0.029   0.299   0.413
    means[0, waiting]    54.479  0.592  53.318  55.639
    """
    ci_prob = proper(ci_prob)
    target = target_of(fit, "standard_errors")
    table, weights = rows_of(fit, x, case_weights)
    chart = Chart(fit.mixture, target.family)
    spread = _Spread(chart, curvature(chart, table.rows, target, weights), fit.n_obs)
    slopes = chart.slopes()
    covariance = spread.of(parameter_vector(*slopes).T)
    sds, correlations = (
        np.sqrt(np.diagonal(spread.of(_columns(part)))) for part in _shape_slopes(fit.mixture, slopes[2])
    )
    k, d = fit.mixture.means.shape
    found = Uncertainty(
        fit.mixture,
        covariance,
        tuple(parameter_names(k, fit.features)),
        sds.reshape(k, d),
        symmetric(correlations, k, d),
        doubts(fit, np.sqrt(np.diagonal(covariance))[:k], spread.undetermined(), ci_prob),
        ci_prob,
    )
    said = [f"{c} ({'; '.join(why)})" for c, why in enumerate(found.doubts) if why]
    if said:
        components = "component" if len(said) == 1 else "components"
        warnings.warn(f"Wald intervals are not to be trusted for {components} {', '.join(said)}; see bg.bootstrap",
                      UserWarning, stacklevel=2)  # fmt: skip
    return found


def proper(ci_prob) -> float:
    """Check the probability of an interval."""
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must lie between 0 and 1, not {ci_prob!r}: 0.95 for 95 % intervals")
    return float(ci_prob)


class _Spread:
    """The inverse of a curvature (q, q), but for directions without information."""

    def __init__(self, chart: Chart, curved: np.ndarray, total: float):
        self.chart, self.units = chart, chart.units(total)
        self.values, self.vectors = np.linalg.eigh(curved / np.outer(self.units, self.units))
        self.known = self.values > FLAT

    def of(self, slopes: np.ndarray) -> np.ndarray:
        """The covariance (R, R) of what moves with v by slopes (R, q); NaN where that is not determined."""
        along = slopes / self.units @ self.vectors
        found = along[:, self.known] / self.values[self.known] @ along[:, self.known].T
        lost = np.linalg.norm(along[:, ~self.known], axis=1) > FLAT * np.linalg.norm(along, axis=1)
        found[lost], found[:, lost] = np.nan, np.nan
        return found

    def undetermined(self) -> dict[int, bool]:
        """Components in directions without information, each with whether the fit is no maximum along one."""
        k, d = self.chart.shape
        rows = len(self.chart.entries[0])
        of = np.concatenate([np.arange(k), np.repeat(np.arange(k), d), np.repeat(np.arange(k), rows)])
        found = {}
        for value, vector in zip(self.values[~self.known], self.vectors[:, ~self.known].T, strict=True):
            shares = np.bincount(of, (self.chart.directions @ vector) ** 2, minlength=k)
            for c in np.flatnonzero(shares > 0.1 * shares.max()).tolist():
                found[c] = found.get(c, False) or value < -FLAT
        return found


def _columns(slopes: np.ndarray) -> np.ndarray:
    """Slopes (q, K, …) as (R, q)."""
    return slopes.reshape(len(slopes), -1).T


def _shapes(mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (K, D) and correlations (K, D, D)."""
    sds = np.sqrt(np.diagonal(mixture.covariances, axis1=1, axis2=2))
    return sds, mixture.covariances / sds[:, :, None] / sds[:, None, :]


def _shape_slopes(mixture: Mixture, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How standard deviations (q, K, D), and correlations (q, K, D(D+1)/2), move where Σ does so by (q, K, D, D)."""
    sds, correlations = _shapes(mixture)
    relative = slopes / sds[:, :, None] / sds[:, None, :]
    diagonal = np.diagonal(relative, axis1=2, axis2=3)
    turned = relative - 0.5 * correlations * (diagonal[..., :, None] + diagonal[..., None, :])
    rows, columns = np.triu_indices(mixture.n_features)
    return 0.5 * sds * diagonal, turned[..., rows, columns]
