"""Why maximum likelihood and the posterior disagree about a parameter: the likely reasons, in words."""

from __future__ import annotations

import numpy as np

from bayesgmm.comparison.items import Item
from bayesgmm.draws.mixtures import group_of, read
from bayesgmm.fit.parameters import parameter_names, parameter_vector
from bayesgmm.fit.suspicion import FEW

# From what skewness of a posterior, part of the way to the prior, and posterior sds that the mean moves with the power
# of the prior, they are named as a reason.
_SKEWED, _DRAWN, _PULLED = 0.5, 0.1, 0.25


def reasons(table, mle: Item, draws: Item, errors) -> dict[str, str]:
    """Of every row of the table, the reasons that apply, the gravest first.

    Parameters
    ----------
    table : DataFrame
        With ``mle``, ``mean`` and ``sd``, and ``shrinkage`` where the prior is known.
    mle, draws : Item
    errors : Uncertainty or None
        Of the MLE, if its rows are known.
    """
    shapes, found = _shapes(draws), {}
    for name, row in table.iterrows():
        label = int(name.partition("[")[2].rstrip("]").partition(",")[0])
        why, (skewness, pull) = list(_of_component(label, mle, draws, errors)), shapes.get(name, (0.0, 0.0))
        # The prior explains a mean above the MLE if it draws it up.
        if row.get("shrinkage", 0.0) > _DRAWN or -pull * np.sign(row["difference"]) > _PULLED:
            why.append("drawn by the prior")
        if abs(skewness) > _SKEWED:
            why.append("skewed posterior")
        found[name] = "; ".join(why) or "no reason known"
    return found


def _of_component(label: int, mle: Item, draws: Item, errors):
    if label not in mle.labels or label not in draws.labels:
        yield "only one has this component"
        return
    k = mle.labels.index(label)
    rows = mle.mixture.weights[k] * getattr(mle.fit, "n_obs", np.inf)
    if rows < FEW:
        yield f"small component (about {rows:.3g} rows)"
    if errors is not None:
        doubts = [doubt for doubt in errors.doubts[k] if "rows speak for it" not in doubt]
        if any("boundary" in doubt or "determine" in doubt for doubt in doubts):
            yield "boundary"
        if any("overlaps" in doubt for doubt in doubts):
            yield "overlapping components"


def _shapes(item: Item) -> dict[str, tuple[float, float]]:
    """Of every parameter the skewness of its posterior, and by how many sds the prior draws its mean up.

    That is cov(θ, log p(θ)) / sd: how fast the mean moves with the power of the prior (Kallioinen et al. 2024).
    """
    m, prior = read(item.draws), group_of(item.draws, "log_prior")
    values = parameter_vector(m.weights, m.means, m.covariances)
    off = values - values.mean(axis=0)
    spread = np.sqrt((off**2).mean(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    log_prior = np.zeros(len(m)) if prior is None else sum(v.values.ravel() for v in prior.data_vars.values())
    pulls = (off * (log_prior - log_prior.mean())[:, None]).mean(axis=0) / spread
    names = parameter_names(item.mixture.n_components, item.mixture.features, item.labels)
    return dict(zip(names, zip(((off / spread) ** 3).mean(axis=0).tolist(), pulls.tolist())))
