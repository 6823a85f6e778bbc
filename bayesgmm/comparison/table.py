"""Every parameter with its estimates, their uncertainty, how they differ, and why."""

from __future__ import annotations

import numpy as np

from bayesgmm.comparison.items import Item
from bayesgmm.comparison.reasons import reasons
from bayesgmm.draws.mixtures import group_of, read
from bayesgmm.draws.summary import parameter_table
from bayesgmm.fit.parameters import parameter_names, parameter_vector

# Posterior sds between MLE and mean, and ratios of sd to standard error either way, from which a row is flagged.
FAR, WIDE = 0.5, 1.5


def parameter_rows(items: list[Item], errors: dict, intervals: dict, ci_prob: float):
    """The table of `compare`.

    Parameters
    ----------
    items : list of Item
    errors, intervals : dict
        Of an item by name its `Uncertainty`, and bootstrap bounds, a DataFrame of parameters.
    ci_prob : float
    """
    import pandas as pd

    parts = [_posterior(item, ci_prob) if item.fit is None else _estimates(item, errors, intervals) for item in items]
    table = pd.concat(parts, axis=1)
    table = table.loc[sorted(table.index, key=_place)]
    mle = next((i for i in items if i.kind == "mle"), None)
    draws = next((i for i in items if i.draws is not None), None)
    if mle is not None and draws is not None:
        _compared(table, mle, draws, errors.get(mle.name))
    return table


def _names(item: Item) -> list[str]:
    return parameter_names(item.mixture.n_components, item.mixture.features, item.labels)


def _place(name: str) -> tuple:
    """Weights, means, covariances; then by component. Sorting is stable: features stay in their order."""
    kind, _, rest = name.partition("[")
    return ("weights", "means", "covariances").index(kind), int(rest.rstrip("]").partition(",")[0])


def _estimates(item: Item, errors: dict, intervals: dict):
    """Columns of a fit: the estimate; of an MLE with rows its standard error and an interval."""
    import pandas as pd

    m, name = item.mixture, item.name
    columns = {name: parameter_vector(m.weights, m.means, m.covariances)}
    found = pd.DataFrame(columns, index=_names(item))
    if name in errors:
        known = errors[name].table.set_axis(_names(item))
        found[f"{name}_se"] = known["se"]
        found[[f"{name}_lower", f"{name}_upper"]] = intervals.get(name, known)[["lower", "upper"]]
    return found


def _posterior(item: Item, ci_prob: float):
    """Columns of a posterior: mean, median, sd, interval, and how far they can be trusted."""
    import pandas as pd

    plain = pd.DataFrame(parameter_table(item.draws, ci_prob=ci_prob, ci_kind="eti"))
    bounds = [c for c in plain.columns if c.endswith(("_lb", "_ub"))]
    plain = plain.rename(columns=dict(zip(bounds, ("lower", "upper"))))
    plain.index = _names(item)
    mixtures = read(item.draws)
    plain["median"] = np.median(parameter_vector(mixtures.weights, mixtures.means, mixtures.covariances), axis=0)
    order = ["mean", "median", "sd", "lower", "upper", "r_hat", "ess_bulk", "ess_tail"]
    return plain[order].astype(float).add_suffix(item.suffix)


def _compared(table, mle: Item, draws: Item, errors) -> None:
    """Add how far the first MLE is from the first posterior, how far that was drawn to the prior, and a flag."""
    values = table["mle"].to_numpy(), table["mean"].to_numpy(), table["sd"].to_numpy()
    sd = np.where(values[2] > 0, values[2], np.nan)
    table["difference"] = (values[0] - values[1]) / sd
    centre = _prior_centre(draws)
    if centre is not None:
        known = centre.reindex(table.index).to_numpy()
        way = values[0] - known
        # Where estimate and prior all but agree there is nothing to shrink.
        table["shrinkage"] = (values[0] - values[1]) / np.where(np.abs(way) > sd, way, np.nan)
    ratio = sd / table["mle_se"].to_numpy() if "mle_se" in table else np.ones(len(table))
    with np.errstate(invalid="ignore"):
        flagged = (np.abs(table["difference"]) > FAR) | (ratio > WIDE) | (ratio < 1 / WIDE)
    why = reasons(table, mle, draws, errors)
    table["flag"] = [why[name] if flag else "" for name, flag in flagged.items()]


def _prior_centre(draws: Item):
    """The prior medians of the parameters, by name; None where the draws hold no draws from the prior."""
    import pandas as pd

    prior = group_of(draws.draws, "prior")
    if prior is None or not {"weights", "means", "covariances"} <= set(prior.data_vars):
        return None
    parts = [prior[n].values.reshape(-1, *prior[n].shape[2:]) for n in ("weights", "means", "covariances")]
    return pd.Series(np.median(parameter_vector(*parts), axis=0), index=_names(draws))
