"""Why maximum likelihood and the posterior disagree about a parameter: the likely reasons, in words."""

from __future__ import annotations

import numpy as np

from bayesgmm.comparison.items import Item
from bayesgmm.draws.mixtures import read
from bayesgmm.fit.parameters import parameter_names, parameter_vector
from bayesgmm.fit.suspicion import FEW

# From what skewness of a posterior, and part of the way to the prior, they are named as a reason.
_SKEWED, _DRAWN = 0.5, 0.1


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
    skewness = _skewness(draws)
    found = {}
    for name, row in table.iterrows():
        label = int(name.partition("[")[2].rstrip("]").partition(",")[0])
        why = list(_of_component(label, mle, draws, errors))
        if abs(skewness.get(name, 0.0)) > _SKEWED:
            why.append("skewed posterior")
        if row.get("shrinkage", 0.0) > _DRAWN:
            why.append("drawn to the prior")
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


def _skewness(item: Item) -> dict[str, float]:
    m = read(item.draws)
    values = parameter_vector(m.weights, m.means, m.covariances)
    off = values - values.mean(axis=0)
    spread = np.sqrt((off**2).mean(axis=0))
    skewness = (off**3).mean(axis=0) / np.where(spread > 0, spread, 1.0) ** 3
    names = parameter_names(item.mixture.n_components, item.mixture.features, item.labels)
    return dict(zip(names, skewness.tolist()))
