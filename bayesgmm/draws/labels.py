"""The one place where labels are matched: which component of each draw is which component of the others.

    `affinity`      components by their parameters, to one reference: no rows are needed
    `allocations`   draws by what they say of the rows: ECR and Stephens' algorithm
    `permute`       what an order of components does to a tree of draws
    `confidence`    how likely the labels are right

The iterated algorithms end in a local optimum. They start here from the draws as affinity matches them to one draw,
and not from the labels that the sampler happened to give, so that the answer does not depend on those.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.draws import allocations
from bayesgmm.draws.affinity import as_draws, gains
from bayesgmm.draws.confidence import confidence
from bayesgmm.draws.invariants import case_weights, log_density, log_likelihood, overall_moments, rows_of
from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.draws.parts import PartDraws, read_any
from bayesgmm.draws.permute import permute, with_statistic
from bayesgmm.draws.responsibilities import Responsibilities, some_rows
from bayesgmm.kernel import best_orders
from bayesgmm.mixture import Mixture

METHODS = ("auto", "ecr", "ecr-pivot", "stephens", "pivot", "order")


def relabel(draws, *, method: str = "auto", reference=None, feature: str | None = None):
    """The same draws with the labels of their components matched. Every draw is kept, and the model is unchanged.

    All variables that carry the dim ``component`` (or ``component_other``) are permuted together. Laws: undoes any
    permutation of the draws' components, and does not depend on one; doing it twice is doing it once.

    ============  ==========================================================================================
    "ecr"         iterated: every draw takes the order of components that agrees best with one allocation of
                  the rows, which is the one the draws agree on
    "ecr-pivot"   the same in one step, with the allocation of the reference
    "stephens"    iterated: the order whose responsibilities have the least Kullback-Leibler divergence from
                  their average
    "pivot"       the order whose components have the most in common with the reference's; needs no rows
    "order"       by the means of one feature, rising; the others are not looked at
    "auto"        "ecr", or "pivot" where the draws do not hold their rows
    ============  ==========================================================================================

    ECR is the default: it uses all that the draws say of the rows, is not bound to one draw, which "pivot" is, and
    takes as good as no time. Stephens' algorithm mostly agrees with it, and takes longer.

    Parameters
    ----------
    draws : xarray.DataTree
        As `bayesgmm.sample` returns them; from elsewhere, ``weights``, ``means`` and ``covariances`` suffice, and
        rows (the group ``observed_data``; ``case_weights`` of ``constant_data`` are counted) for "ecr",
        "ecr-pivot" and "stephens".
    method : {"auto", "ecr", "ecr-pivot", "stephens", "pivot", "order"}
    reference : Mixture, or array_like of int (N,), optional
        What labels are named after, and matched to by "pivot"; for "ecr-pivot" labels of the rows will do. Without
        it, the draw with the highest log density: ``lp`` or ``logp`` of ``sample_stats``; or else the highest
        log-likelihood; or else the draw whose overall mean and covariance are closest to their posterior medians.
        That draw keeps its labels.
    feature : str, optional
        For "order"; it may be left out if there is only one.

    Returns
    -------
    xarray.DataTree
        A new tree. In ``sample_stats``, ``permutation`` (chain, draw, component) says where each component came
        from, ``relabelled[j] = raw[permutation[j]]``, counted from the draws as they were first sampled even if they
        are relabelled again; ``label_confidence`` (chain, draw, component) is the probability that the label of a
        component in that draw is right (see `bayesgmm.draws.confidence`). The attributes ``labelling``,
        ``labelling_reference`` and, where rows are used, ``labelling_rows`` and
        ``labelling_steps`` say how it was done.

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture, `method` is unknown or needs what is not there, or `reference` has
        other components.

    Warns
    -----
    UserWarning
        If a variable has a dim such as ``component_pair`` whose relation to the components is not known: it is
        left as it is.

    Notes
    -----
    Memory is bounded: where draws × rows × K exceeds 3·10⁷, responsibilities are made anew for each step, in blocks,
    and after 8 such steps the iterated methods end where they are, which the attribute ``labelling_steps`` tells;
    beyond 2·10⁸, labels are matched on as many rows, taken at random with a fixed seed.

    Random allocations of the rows, which ECR was written for, are replaced by their probabilities. The data-based
    algorithm of Rodríguez & Walker (2014) is left out: it matches means and standard deviations of allocated rows,
    which is what "pivot" does with the parameters themselves.

    References
    ----------
    Papastamoulis & Iliopoulos (2010) and Rodríguez & Walker (2014) for ECR, Stephens (2000), Marin, Mengersen &
    Robert (2005) for the pivot; Papastamoulis (2016) compares them.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.array([[0.0, 9.0], [9.1, 0.1], [0.2, 9.2]]).reshape(1, 3, 2, 1)
    >>> draws = from_arrays(np.full((1, 3, 2), 0.5), means, np.ones((1, 3, 2, 1, 1)), sample_stats={"lp": [[2, 1, 0]]})
    >>> matched = relabel(draws)
    >>> matched.posterior["means"].values[0, :, :, 0]
    array([[0. , 9. ],
           [0.1, 9.1],
           [0.2, 9.2]])
    >>> matched.sample_stats["permutation"].values[0].tolist()
    [[0, 1], [1, 0], [0, 1]]
    >>> relabel(draws, method="order").posterior["means"].values[0, 1, :, 0]
    array([0.1, 9.1])
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    mixtures = read_any(draws)
    if method == "order":
        return _finished(draws, mixtures, _ordered(mixtures, feature, reference))
    if feature is not None:
        raise ValueError(f"feature is what method='order' goes by; method={method!r} has no use for it")
    rows = rows_of(draws, mixtures)
    if method == "auto":
        method = "pivot" if rows is None else "ecr"
    if method == "pivot":
        return _finished(draws, mixtures, _pivoted(draws, mixtures, reference))
    if rows is None:
        raise ValueError(f"method={method!r} needs the rows, a variable (obs, feature) in observed_data, which these "
                         "draws do not hold; method='pivot' does without")  # fmt: skip
    return _finished(draws, mixtures, _by_rows(draws, mixtures, rows, method, reference))


class _Labelling(NamedTuple):
    """Orders (M, K), and what the attributes say of them."""

    orders: np.ndarray
    attributes: dict[str, str]


def _finished(draws, mixtures: MixtureDraws, done: _Labelling):
    new = permute(draws, done.orders)
    new = with_statistic(new, "label_confidence", confidence(mixtures.permute(done.orders)))
    kept = {name: value for name, value in draws.attrs.items() if not str(name).startswith("labelling")}
    new.attrs = {**kept, **done.attributes}
    return new


def _ordered(mixtures: MixtureDraws, feature, reference) -> _Labelling:
    if reference is not None:
        raise ValueError("method='order' takes a feature, and no reference")
    if isinstance(mixtures, PartDraws):
        return _ordered_by(mixtures, feature)
    names = mixtures.features
    if feature is None and len(names) == 1:
        feature = names[0]
    if feature not in names:
        raise ValueError(f"method='order' needs a feature, one of {', '.join(names)}, not {feature!r}")
    orders = np.argsort(mixtures.means[:, :, names.index(feature)], axis=1, kind="stable")
    return _Labelling(orders, {"labelling": "order", "labelling_reference": f"means of {feature}, rising"})


def _ordered_by(parts: PartDraws, name) -> _Labelling:
    values = [v for n, v in parts.own.items() if n == name and v.ndim == 2]
    if not values:
        have = ", ".join(n for n, v in parts.own.items() if v.ndim == 2)
        raise ValueError(f"method='order' needs a variable with one number a component, one of {have}, not {name!r}")
    orders = np.argsort(values[0], axis=1, kind="stable")
    return _Labelling(orders, {"labelling": "order", "labelling_reference": f"{name}, rising"})


def _pivoted(draws, mixtures: MixtureDraws, reference) -> _Labelling:
    reference, own, origin = _reference(draws, mixtures, reference)
    orders = best_orders(_gains(mixtures, reference, own))
    return _Labelling(orders, {"labelling": "pivot", "labelling_reference": origin})


def _gains(mixtures, reference, own) -> np.ndarray:
    """How alike components (M, K, K) are to those of the reference; draws of any components have one of their own."""
    return mixtures.gains(own) if isinstance(mixtures, PartDraws) else gains(mixtures, reference)


def _by_rows(draws, mixtures: MixtureDraws, rows: np.ndarray, method: str, reference) -> _Labelling:
    chosen = some_rows(len(rows), *mixtures.weights.shape)
    labels = None
    if method == "ecr-pivot" and reference is not None and not isinstance(reference, Mixture):
        labels, reference = _labels(reference, len(rows), mixtures.n_components)[chosen], None
    mixture, own, origin = _reference(draws, mixtures, reference)
    affinity = _gains(mixtures, mixture, own)
    weights = case_weights(draws, len(rows))
    r = Responsibilities.of(mixtures, rows[chosen], None if weights is None else weights[chosen])
    attributes = {"labelling": method, "labelling_reference": origin if labels is None else "labels of the rows",
                  "labelling_rows": f"{len(chosen)} of {len(rows)}"}  # fmt: skip
    if method == "ecr-pivot":
        if labels is None:
            labels = _labels_of(mixtures, mixture, own, rows[chosen])
            return _Labelling(allocations.ecr_to(r, labels, affinity), attributes)
        return _Labelling(allocations.ecr_to(r, labels), attributes)
    iterate = allocations.ecr if method == "ecr" else allocations.stephens
    orders, steps, settled = iterate(r, best_orders(affinity), affinity)
    names = np.argsort(orders[own]) if own is not None else _named_after(affinity, orders)
    attributes["labelling_steps"] = f"{steps}" if settled else f"{steps}, after which orders still changed"
    return _Labelling(orders[:, names], attributes)


def _labels_of(mixtures, mixture, own, rows) -> np.ndarray:
    """The most probable component (N,) of each row under the reference."""
    if isinstance(mixtures, PartDraws):
        return mixtures.responsibilities[own][rows].argmax(axis=1)
    return as_draws(mixture).log_prob(rows, responsibilities=True)[1][0].argmax(axis=1)


def _named_after(affinity: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """One order (K,) for all draws, in which their components have most in common with the reference's."""
    in_order = np.take_along_axis(affinity, orders[:, :, None], axis=1)
    return best_orders(in_order.sum(axis=0)[None])[0]


def _reference(draws, mixtures: MixtureDraws, reference) -> tuple[Mixture, int | None, str]:
    """What to name labels after; which draw it is, if it is one; and in words."""
    if reference is None:
        m, rule = _pivot(draws, mixtures)
        return None if isinstance(mixtures, PartDraws) else mixtures.mixture(m), m, f"{mixtures._where(m)} ({rule})"
    if isinstance(mixtures, PartDraws):
        raise ValueError("draws of a story with components of its own are matched to one of them: leave reference out, "
                         "or give labels of the rows for method='ecr-pivot'")  # fmt: skip
    if not isinstance(reference, Mixture):
        raise ValueError(f"reference must be a Mixture, not a {type(reference).__name__}; labels of the rows are "
                         "for method='ecr-pivot'")  # fmt: skip
    return reference, None, "given"


def _pivot(draws, mixtures: MixtureDraws) -> tuple[int, str]:
    """The draw to match the others to, and the rule that chose it."""
    for density, rule in ((log_density(draws), "highest log density"), (log_likelihood(draws), "highest likelihood")):
        if density is not None and not np.isnan(density).all():
            return int(np.nanargmax(density)), rule
    if isinstance(mixtures, PartDraws):
        return int(mixtures.log_prob(slice(None)).sum(axis=1).argmax()), "highest likelihood"
    moments = np.concatenate([part.reshape(len(mixtures), -1) for part in overall_moments(mixtures)], axis=1)
    apart = np.abs(moments - np.median(moments, axis=0))
    return int((apart / np.where(apart.any(axis=0), apart.mean(axis=0), 1.0)).sum(axis=1).argmin()), "most central"


def _labels(labels, n_rows: int, n_components: int) -> np.ndarray:
    labels = np.asarray(labels)
    fits = labels.shape == (n_rows,) and labels.dtype.kind in "iu"
    if not fits or labels.min(initial=0) < 0 or labels.max(initial=0) >= n_components:
        raise ValueError(f"reference must be a Mixture, or {n_rows} whole numbers from 0 to {n_components - 1}: the "
                         f"label of each row; it has the shape {labels.shape} and type {labels.dtype}")  # fmt: skip
    return labels
