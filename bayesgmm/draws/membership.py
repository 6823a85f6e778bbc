"""Which component a point belongs to, averaged over the posterior."""

from __future__ import annotations

from collections.abc import Iterator
from warnings import warn

import numpy as np

from bayesgmm.draws.confidence import DOUBT, confidence
from bayesgmm.draws.invariants import observed_rows
from bayesgmm.draws.mixtures import MixtureDraws, group_of
from bayesgmm.draws.parts import PartDraws, read_any

# Doubles of responsibilities held at once.
_BLOCK = 8_000_000


def membership(draws, x=None, *, ci_prob: float = 0.95, missing: str = "raise"):
    """The probability that each point belongs to each component, and how sure the posterior is of it.

    For the rows that the posterior was drawn from, P(Z_n = k | data) = E[r_nk], the posterior mean of the
    responsibilities. A new point x̃ is not in the data, and draws under which it is likely count for more:
    P(z̃ = k | x̃, data) = E[π_k N_k(x̃)] / E[p(x̃)], which can be far from E[r_k(x̃)]. Both are returned.

    Laws: probabilities and means sum to one over components; permuting the components of the draws permutes
    the answer.

    Parameters
    ----------
    draws : xarray.DataTree
        With matched labels (`relabel`), or the components mean nothing.
    x : array_like, data frame, path or Table, optional
        New points (N, D), the features in the posterior's order or, in a frame, under its names.
        Without it, the posterior's own rows (the group ``observed_data``), or, of a story with components of its own,
        those that the group ``log_joint`` holds.
    ci_prob : float
        Probability of the equal-tailed interval of r.
    missing : {"raise", "marginalise"}
        Missing cells of new points are an error, or summed out. Those of the posterior's own rows, which it was drawn
        from without, always are.

    Returns
    -------
    xarray.Dataset
        Over (obs, component): ``probability``; ``mean``, ``lower``, ``upper`` of the responsibility r_nk, as a
        function of the parameters, over the posterior. Over obs: ``entropy`` −Σ_k P log P of ``probability``, in nats.

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture, or holds no data and `x` is not given.
    DataError
        If `x` cannot be read, or has other features.

    Warns
    -----
    UserWarning
        If labels are expected to be wrong in more than 5 % of the draws (`bayesgmm.draws.confidence`): a component is
        then an average over different ones. `diagnose` says more.

    Notes
    -----
    Rows are taken in blocks, so that draws × rows × K numbers are never held at once.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.array([[[[-2.0], [2.0]], [[-1.0], [3.0]]]])
    >>> draws = from_arrays(np.full((1, 2, 2), 0.5), means, np.ones((1, 2, 2, 1, 1)), x=[[0.0], [2.0]])
    >>> membership(draws)["probability"].values.round(3)
    array([[0.741, 0.259],
           [0.009, 0.991]])
    >>> membership(draws, [[0.0]])["probability"].values.round(3)
    array([[0.835, 0.165]])
    """
    doubt = 1.0 - confidence(read_any(draws)).mean(axis=0)
    if doubt.max() > DOUBT:
        warn(
            f"of component {doubt.argmax()}, {doubt.max():.0%} of the labels are expected to be wrong, so that its "
            "probabilities are an average over different components: match labels with bayesgmm.relabel(draws), and "
            "if that does not help, speak of rows that go together, not of components",
            stacklevel=2,
        )
    return shares(draws, x, ci_prob=ci_prob, missing=missing)


def shares(draws, x=None, *, ci_prob: float = 0.95, missing: str = "raise"):
    """`membership`, whatever the labels are worth."""
    import xarray as xr

    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must be strictly between 0 and 1, not {ci_prob}")
    mixtures = read_any(draws)
    rows, obs = points(draws, mixtures, x, missing)
    found = _by_blocks(rows, mixtures, new=x is not None, ci_prob=ci_prob)
    arrays = {name: (("obs", "component"), values) for name, values in found.items()}
    arrays["entropy"] = ("obs", entropy(found["probability"]))
    coords = {"obs": obs, "component": np.arange(mixtures.n_components)}
    return xr.Dataset(arrays, coords, {"ci_prob": ci_prob, "new_points": int(x is not None)})


def _by_blocks(rows: np.ndarray, mixtures: MixtureDraws, **how) -> dict[str, np.ndarray]:
    k = mixtures.n_components
    found = {name: np.empty((len(rows), k)) for name in ("probability", "mean", "lower", "upper")}
    for block in row_blocks(len(rows), mixtures):
        for name, values in _block(rows[block], mixtures, **how).items():
            found[name][block] = values
    return found


def _block(x: np.ndarray, mixtures: MixtureDraws, *, new: bool, ci_prob: float) -> dict[str, np.ndarray]:
    """What `membership` says of some rows: (n, K) each."""
    log_prob, r = mixtures.log_prob(x, responsibilities=True)
    mean = r.mean(axis=0)
    probability = np.einsum("mn,mnk->nk", told_by(log_prob), r) if new else mean
    tail = 0.5 * (1.0 - ci_prob)
    lower, upper = np.quantile(r, [tail, 1.0 - tail], axis=0, overwrite_input=True)
    return {"probability": probability, "mean": mean, "lower": lower, "upper": upper}


def row_blocks(n_rows: int, mixtures: MixtureDraws) -> Iterator[slice]:
    """Rows so few at a time that draws × rows × K numbers fit."""
    step = max(1, _BLOCK // (len(mixtures) * mixtures.n_components))
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def told_by(log_prob: np.ndarray) -> np.ndarray:
    """What a new point says of the draws: weights ∝ p(x | draw) (M, n), which sum to one over draws.

    Responsibilities averaged with them are E[π_k N_k(x)] / E[p(x)].
    """
    weights = np.exp(log_prob - log_prob.max(axis=0))
    return weights / weights.sum(axis=0)


def entropy(p: np.ndarray) -> np.ndarray:
    """−Σ_k p_k log p_k of the last axis, in nats.

    Examples
    --------
    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(3)
    array([0.693, 0.   ])
    """
    return 0.0 - (p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)


def points(draws, mixtures: MixtureDraws, x=None, missing: str = "raise") -> tuple[np.ndarray, np.ndarray]:
    """The rows (N, D) asked about, new ones or the posterior's own, and their labels (N,)."""
    if isinstance(mixtures, PartDraws):
        return _positions(mixtures, x)
    return _own_rows(draws, mixtures) if x is None else _new_rows(x, mixtures, missing)


def _positions(parts: PartDraws, x) -> tuple[np.ndarray, np.ndarray]:
    if x is not None:
        raise ValueError("draws of a story with components of its own know the log density of their own rows alone: "
                         "leave x out, or tell the story of the new rows and extend with its log_joint")  # fmt: skip
    return np.arange(len(parts.obs)), parts.obs


def _own_rows(draws, mixtures: MixtureDraws):
    rows = observed_rows(draws, mixtures.features)
    if rows is None:
        raise ValueError("the draws hold no rows (a variable (obs, feature) in observed_data); give them as x")
    if np.isinf(rows).any():
        raise ValueError("observed_data has infinite cells; give finite rows as x")
    group = group_of(draws, "observed_data")
    labelled = "obs" in group.coords and group.sizes["obs"] == len(rows)
    return rows, group["obs"].values if labelled else np.arange(len(rows))


def _new_rows(x, mixtures: MixtureDraws, missing: str):
    from bayesgmm.data import DataError, as_table

    features = mixtures.features
    if np.ndim(x) == 1 and len(features) > 1 and np.asarray(x).dtype.kind in "fiub":
        raise DataError(f"x has one dimension; give points as rows with the columns {', '.join(features)}")
    table = as_table(x, features=features, missing=missing)
    return table.values, np.arange(table.n_obs)
