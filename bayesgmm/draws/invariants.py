"""What a posterior says that does not depend on labels: the quantities by which convergence is judged first."""

from __future__ import annotations

from itertools import islice

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws, group_of
from bayesgmm.draws.parts import PartDraws

ANCHORS = 5
# Beyond this many features the overall covariance is watched on its diagonal alone.
_FULL_COVARIANCE_UP_TO = 10
# Numbers of variables that are not a component's.
_MOST_SHARED = 40


def quantities(draws, mixtures: MixtureDraws | PartDraws) -> dict[str, np.ndarray]:
    """The label-invariant quantities of a posterior, by name, each (M,).

    The sorted weights; mean and covariance of the whole mixture; the log-likelihood (without it, the log density
    of the parameters); the log density at a few of the observed rows (`anchors`), which tells apart modes that share
    their moments; and the probability that neighbours among these rows come from the same component. Of components of
    a story's own, the same without mean and covariance, but with all variables that are not a component's.

    Examples
    --------
    >>> from itertools import islice

import numpy as np
    >>> from bayesgmm.draws.mixtures import from_arrays, read
    >>> draws = from_arrays([[[0.2, 0.8]]], [[[[0.0], [1.0]]]], np.ones((1, 1, 2, 1, 1)), x=[[0.0], [1.0]])
    >>> for name, value in quantities(draws, read(draws)).items():
    ...     print(name, value.round(3))
    sorted weights[0] [0.2]
    sorted weights[1] [0.8]
    overall mean[x0] [0.8]
    overall covariance[x0, x0] [1.16]
    log density at row 0 [-1.297]
    log density at row 1 [-1.001]
    rows 0 and 1 together [0.653]
    """
    found = {f"sorted weights[{k}]": w for k, w in enumerate(np.sort(mixtures.weights, axis=1).T)}
    if isinstance(mixtures, PartDraws):
        found |= dict(islice(mixtures.named(mixtures.shared).items(), _MOST_SHARED))
    else:
        found |= _moments_by_name(mixtures)
    likelihood, density = log_likelihood(draws), log_density(draws)
    if likelihood is not None:
        found["log-likelihood"] = likelihood
    elif density is not None:
        found["log density of the parameters"] = density
    rows = rows_of(draws, mixtures)
    if rows is not None:
        places = _anchors_of(mixtures) if isinstance(mixtures, PartDraws) else anchors(rows)
        at, r = mixtures.log_prob(rows[places], responsibilities=True)
        found |= {f"log density at row {n}": at[:, i] for i, n in enumerate(places)}
        pairs = zip(range(len(places)), range(1, len(places)), strict=False)
        found |= {f"rows {places[i]} and {places[j]} together": (r[:, i] * r[:, j]).sum(axis=1) for i, j in pairs}
    return found


def rows_of(draws, mixtures: MixtureDraws | PartDraws) -> np.ndarray | None:
    """The rows that `mixtures.log_prob` takes: (N, D), or positions (N,); None if the draws do not hold them."""
    if isinstance(mixtures, PartDraws):
        return np.arange(mixtures.log_joint.shape[1])
    return observed_rows(draws, mixtures.features)


def _anchors_of(parts: PartDraws) -> np.ndarray:
    """Positions of a few rows spread over the data, by how probable they are on average."""
    order = np.argsort(np.logaddexp.reduce(parts.log_joint, axis=2).mean(axis=0), kind="stable")
    return np.unique(order[np.linspace(0, len(order) - 1, 2 * ANCHORS + 1).round().astype(int)[1::2]])


def n_rows(draws) -> float:
    """N, the case weights of the rows that were observed; infinite where draws do not say."""
    constants = group_of(draws, "constant_data")
    if constants is not None and "case_weights" in constants:
        return float(constants["case_weights"].sum())
    groups = (group_of(draws, name) for name in ("observed_data", "log_likelihood"))
    return next((float(g.sizes["obs"]) for g in groups if g is not None and "obs" in g.sizes), np.inf)


def case_weights(draws, n_rows: int) -> np.ndarray | None:
    """How often each of the rows counts (N,), or None if the draws do not say, or say it of other rows."""
    constants = group_of(draws, "constant_data")
    if constants is None or "case_weights" not in constants or constants["case_weights"].shape != (n_rows,):
        return None
    return constants["case_weights"].values


def overall_moments(mixtures: MixtureDraws) -> tuple[np.ndarray, np.ndarray]:
    """Mean (M, D) and covariance (M, D, D) of each draw's whole mixture."""
    weights = mixtures.weights
    mean = np.einsum("mk,mkd->md", weights, mixtures.means)
    apart = mixtures.means - mean[:, None]
    between = np.einsum("mk,mki,mkj->mij", weights, apart, apart)
    return mean, between + np.einsum("mk,mkij->mij", weights, mixtures.covariances)


def anchors(x: np.ndarray) -> np.ndarray:
    """Positions of a few complete rows (N, D) spread over the data: quantiles along their first principal axis."""
    complete = np.flatnonzero(np.isfinite(x).all(axis=1))
    if not complete.size:
        return complete
    rows = x[complete]
    spread = rows.std(axis=0)
    standard = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    axis = np.linalg.eigh(standard.T @ standard)[1][:, -1]
    order = complete[np.argsort(standard @ axis, kind="stable")]
    return np.unique(order[np.linspace(0, len(order) - 1, 2 * ANCHORS + 1).round().astype(int)[1::2]])


def observed_rows(draws, features) -> np.ndarray | None:
    """The observed rows (N, D), features in the posterior's order; None if the draws do not hold them."""
    group = group_of(draws, "observed_data")
    if group is None:
        return None
    fits = [v for v in group.data_vars.values() if v.ndim == 2 and v.shape[1] == len(features)]
    chosen = [v for v in fits if v.name == "x"] or fits
    return np.ascontiguousarray(chosen[0].values, dtype=float) if len(chosen) == 1 else None


def log_density(draws) -> np.ndarray | None:
    """log p(θ, x) up to a constant (M,), as the sampler recorded it (``lp`` or ``logp``), or None."""
    stats = group_of(draws, "sample_stats")
    found = [] if stats is None else [stats[name] for name in ("lp", "logp") if name in stats]
    return found[0].transpose("chain", "draw").values.reshape(-1) if found else None


def log_likelihood(draws) -> np.ndarray | None:
    """Σ_n log p(x_n | θ) (M,) from the group ``log_likelihood`` (its ``x``, or its only variable), or None."""
    group = group_of(draws, "log_likelihood")
    names = [] if group is None else ["x"] if "x" in group else list(group.data_vars)
    if len(names) != 1:
        return None
    values = group[names[0]].transpose("chain", "draw", ...).values
    return values.reshape(values.shape[0] * values.shape[1], -1).sum(axis=1)


def _moments_by_name(mixtures: MixtureDraws) -> dict[str, np.ndarray]:
    mean, covariance = overall_moments(mixtures)
    names, many = mixtures.features, len(mixtures.features) > _FULL_COVARIANCE_UP_TO
    found = {f"overall mean[{a}]": mean[:, i] for i, a in enumerate(names)}
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            if i == j or (i < j and not many):
                found[f"overall covariance[{a}, {b}]"] = covariance[:, i, j]
    return found
