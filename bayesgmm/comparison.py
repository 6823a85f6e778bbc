"""MLE beside MAP beside the posterior, parameter by parameter, under one labelling."""

from __future__ import annotations

import html
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from bayesgmm.draws.affinity import match
from bayesgmm.draws.labels import relabel
from bayesgmm.draws.mixtures import group_of, read
from bayesgmm.draws.permute import permute
from bayesgmm.draws.summary import parameter_table
from bayesgmm.fit.parameters import parameter_names, parameter_vector
from bayesgmm.mixture import Mixture

CI_PROB = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` returns.

    Attributes
    ----------
    table : pandas.DataFrame
        In full precision; a row a parameter (``weights[0]``, ``means[0, eruptions]``, …), in data units.
    items : tuple
        What was compared, under the labels of the first: a `Mixture` for each fit, a DataTree for draws.
    """

    table: object
    items: tuple

    def __str__(self) -> str:
        return _shown(self.table).to_string()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = _shown(self.table)
        head = "".join(f"<th>{html.escape(str(c))}</th>" for c in shown.columns)
        rows = "".join(
            f"<tr><th>{html.escape(str(name))}</th>{''.join(f'<td>{html.escape(v)}</td>' for v in row)}</tr>\n"
            for name, row in zip(shown.index, shown.to_numpy())
        )
        return f"<table>\n<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"


def compare(*fits_and_draws) -> Comparison:
    """Lay point estimates and posteriors side by side.

    Components take the labels of the first item (`bayesgmm.draws.match`): fits by their mixture, draws as a
    whole by the mixture at their posterior means (draws whose labels were never matched are matched first).

    Parameters
    ----------
    *fits_and_draws : Fit or xarray.DataTree
        One or more, in any order.

    Returns
    -------
    Comparison
        Columns ``mle`` and ``map`` for fits; ``mean``, ``sd``, ``lower``, ``upper`` (equal-tailed, 95 %), ``r_hat``,
        ``ess_bulk``, ``ess_tail`` for draws; a second of a kind has ``_2`` after its names. With an MLE and draws,
        ``difference`` is (mle − mean) / sd of the first of each: the distance in posterior standard deviations.

    Raises
    ------
    ValueError
        If nothing is given, an item is neither, or components or features differ.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from bayesgmm import Mixture
    >>> from bayesgmm.draws import from_arrays
    >>> mle = SimpleNamespace(mixture=Mixture([1.0], [[2.0]], [[[1.0]]], features=["a"]), estimator="MLE")
    >>> means = np.random.default_rng(1).normal(2.1, 0.1, size=(4, 500, 1, 1))
    >>> draws = from_arrays(np.ones((4, 500, 1)), means, np.ones((4, 500, 1, 1, 1)), features=["a"])
    >>> compare(mle, draws).table.loc["means[0, a]", ["mle", "mean", "difference"]].astype(float).round(1).tolist()
    [2.0, 2.1, -1.0]
    """
    import pandas as pd

    if not fits_and_draws:
        raise ValueError("compare() needs at least one fit or posterior: compare(mle, draws)")
    items = _matched([_item(given) for given in fits_and_draws])
    counts, columns = Counter(), []
    for kind, item in items:
        counts[kind] += 1
        suffix = f"_{counts[kind]}" if counts[kind] > 1 else ""
        part = _estimates(item, kind) if isinstance(item, Mixture) else _posterior(item)
        columns.append(part.add_suffix(suffix))
    table = pd.concat(columns, axis=1)
    if {"mle", "mean", "sd"} <= set(table.columns):
        table["difference"] = (table["mle"] - table["mean"]) / table["sd"].where(table["sd"] > 0)
    return Comparison(table, tuple(item for _, item in items))


def _item(given):
    """(column name, Mixture) of a fit; ("draws", DataTree) of a posterior, its labels matched within."""
    if hasattr(given, "mixture") and hasattr(given, "estimator"):
        return str(given.estimator).lower(), given.mixture
    if "posterior" not in getattr(given, "children", ()):
        raise ValueError(f"compare() takes fits and DataTrees with a posterior, not a {type(given).__name__}")
    stats = group_of(given, "sample_stats")
    return "draws", given if stats is not None and "permutation" in stats else relabel(given)


def _matched(items):
    """The items with their components in the order of the first item's."""
    reference = _mixture(items[0][1])
    matched = items[:1]
    for kind, item in items[1:]:
        order = match(_mixture(item), reference)[0]
        matched.append((kind, item.permute(order) if isinstance(item, Mixture) else permute(item, order)))
    return matched


def _mixture(item) -> Mixture:
    return item if isinstance(item, Mixture) else read(item).mean()


def _estimates(mixture: Mixture, kind: str):
    import pandas as pd

    names = parameter_names(mixture.n_components, mixture.features)
    values = parameter_vector(mixture.weights, mixture.means, mixture.covariances)
    return pd.DataFrame({kind: values}, index=names)


def _posterior(draws):
    import pandas as pd

    table = pd.DataFrame(parameter_table(draws, ci_prob=CI_PROB, ci_kind="eti"))
    bounds = [c for c in table.columns if c.endswith(("_lb", "_ub"))]
    table = table.rename(columns=dict(zip(bounds, ("lower", "upper"))))
    return table[["mean", "sd", "lower", "upper", "r_hat", "ess_bulk", "ess_tail"]].astype(float)


def _shown(table):
    """The table as text: estimates to the digits that their posterior sd leaves meaningful."""
    import pandas as pd

    spreads = [c for c in table.columns if c.startswith("sd")]
    rows = {}
    for name, row in table.iterrows():
        sd = np.nanmin([row[c] for c in spreads]) if spreads and row[spreads].notna().any() else math.nan
        rows[name] = [_cell(column, row[column], sd) for column in table.columns]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(table.columns))


def _cell(column: str, value: float, sd: float) -> str:
    if math.isnan(value):
        return ""
    if column.startswith("ess"):
        return f"{math.floor(value)}" if math.isfinite(value) else str(value)
    if column.startswith("r_hat"):
        return f"{value:.3f}"
    if column == "difference":
        return f"{value:+.2f}"
    return f"{value:.{_decimals(sd)}f}" if sd > 0 else f"{value:.4g}"


def _decimals(sd: float) -> int:
    """So many decimals that the standard deviation shows two digits."""
    return max(0, 1 - math.floor(math.log10(sd)))
