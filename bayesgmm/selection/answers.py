"""`HowMany`: the answers of every criterion as a table, and in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bayesgmm.selection.agreement import paragraphs
from bayesgmm.selection.words import evidence

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesgmm.draws import Partition
    from bayesgmm.draws.ball import CredibleBall
    from bayesgmm.selection.selection import Selection

GAUSSIANS, CLUSTERS = "Gaussians", "clusters"
# A difference of BIC up to which another number cannot be told from the best (Kass & Raftery 1995).
_HARDLY = 2.0
_COLUMNS = ("counts", "number", "lower", "upper", "probability", "r_hat", "how_sure")


@dataclass(frozen=True, eq=False, repr=False)
class HowMany:
    """What each criterion says of the number of components, or of clusters; what `how_many` returns.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a criterion: what it ``counts``, the ``number`` it gives, the range from ``lower`` to ``upper`` that it
        leaves (missing where it has none), of posteriors the ``probability`` of the number and the ``r_hat`` of what
        it is of, and ``how_sure``, in words.
    selection : Selection or None
    loo : pandas.DataFrame or None
        A row a number of components: ``elpd``, ``se``, ``difference``, ``difference_se``, ``rough``, ``r_hat``,
        ``as_good``.
    draws : mapping of xarray.DataTree
        By process.
    numbers : mapping of pandas.DataFrame
        By process, what `n_clusters` gives.
    partitions : mapping of Partition
        By process.
    balls : mapping of CredibleBall
        By process.
    level : float
        Probability of the ranges of posteriors.
    missing : tuple of str
        What an interrupt left undone, or done in part.
    n_obs : int
        N.
    """

    table: pd.DataFrame
    selection: Selection | None
    loo: pd.DataFrame | None
    draws: Mapping[str, xr.DataTree]
    numbers: Mapping[str, pd.DataFrame]
    partitions: Mapping[str, Partition]
    balls: Mapping[str, CredibleBall]
    level: float
    missing: tuple[str, ...]
    n_obs: int

    @property
    def text(self) -> str:
        """Where the criteria agree, where not, and why, in sentences."""
        return "\n".join(paragraphs(self))

    @property
    def shown(self) -> pd.DataFrame:
        """The table as text."""
        import pandas as pd

        rows = {name: {"counts": row["counts"], "number": str(row["number"]), "range": span(row),
                       "how sure": row["how_sure"]} for name, row in self.table.iterrows()}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index")

    def __str__(self) -> str:
        return f"{_aligned(self.shown)}\n\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from bayesgmm.comparison.shown import as_html

        return "\n".join([as_html(self.shown), *(f"<p>{escape(line)}</p>" for line in paragraphs(self))])


def table_of(found: Mapping, level: float) -> pd.DataFrame:
    """The rows of all parts that there are, in the order of `HowMany`'s attributes."""
    import pandas as pd

    rows = {}
    if found["selection"] is not None:
        rows |= _of_selection(found["selection"])
    if found["loo"] is not None:
        rows["LOO"] = _of_loo(found["loo"])
    for name, numbers in found["numbers"].items():
        rows |= _of_numbers(name, numbers, level)
        if name in found["partitions"]:
            rows[f"VI, {name}"] = _of_partition(found["partitions"][name], found["balls"][name])
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(_COLUMNS))
    return table.astype({"number": int, "lower": "Int64", "upper": "Int64", "probability": float, "r_hat": float})


def span(row) -> str:
    """The range of a row in words; empty where it has none."""
    import pandas as pd

    if pd.isna(row["lower"]):
        return ""
    low, high = int(row["lower"]), int(row["upper"])
    return f"{low}" if low == high else f"{low} to {high}"


def most_probable(probabilities: pd.Series, level: float) -> tuple[int, int]:
    """The least and the largest of the most probable values that together have a probability.

    Examples
    --------
    >>> import pandas as pd
    >>> most_probable(pd.Series({2: 0.02, 3: 0.5, 4: 0.3, 5: 0.17, 6: 0.01}), 0.95)
    (3, 5)
    """
    ordered = probabilities.sort_values(ascending=False, kind="stable")
    before = ordered.cumsum().shift(fill_value=0.0)
    kept = ordered.index[before < level - 1e-12]
    return int(kept.min()), int(kept.max())


def _of_selection(selection: Selection) -> dict[str, dict]:
    rows = {}
    for name, criterion, counts in (("BIC", "bic", GAUSSIANS), ("ICL", "icl", CLUSTERS)):
        each = selection.ranked(criterion).groupby("n_components")[criterion].min().sort_values()
        first, row = int(each.index[0]), {"counts": counts}
        row["number"], words = first, "the only number that was tried"
        if len(each) > 1:
            gap = float(each.iloc[1] - each.iloc[0])
            words = f"{gap:.1f} below that of {each.index[1]}"
            if criterion == "bic":
                words += f": {evidence(gap)}"
        if criterion == "bic":
            near = each.index[each - each.iloc[0] < _HARDLY]
            row |= {"lower": int(near.min()), "upper": int(near.max())}
        rows[name] = row | {"how_sure": words}
    merging = selection.merging
    of = f"of {len(merging)} component{'' if len(merging) == 1 else 's'}"
    rows["BIC, merged"] = {"counts": CLUSTERS, "number": merging.n_clusters, "how_sure": of}
    return rows


def _of_loo(loo: pd.DataFrame) -> dict:
    best, good = loo["elpd"].idxmax(), loo.index[loo["as_good"]]
    words = f"elpd {loo.loc[best, 'elpd']:.1f} ± {loo.loc[best, 'se']:.1f}"
    others = loo[~loo["as_good"]]
    if len(others):
        near = others["difference"].idxmax()
        d, se = -others.loc[near, "difference"], others.loc[near, "difference_se"]
        words += f"; {near} is {d:.1f} ± {se:.1f} below"
    return {"counts": GAUSSIANS, "number": int(best), "lower": int(good.min()), "upper": int(good.max()),
            "r_hat": float(loo.loc[best, "r_hat"]), "how_sure": words}  # fmt: skip


def _of_numbers(name: str, numbers: pd.DataFrame, level: float) -> dict[str, dict]:
    rows = {}
    for quantity, letter, counts in (("n_components", "K", GAUSSIANS), ("n_clusters", "K₊", CLUSTERS)):
        if quantity not in numbers.index.get_level_values("quantity"):
            continue
        some = numbers.loc[quantity]
        if quantity == "n_components" and len(some) == 1:
            continue  # K is fixed, as it is for a sparse mixture
        mode = int(some["probability"].idxmax())
        p, error, r_hat = (float(some.loc[mode, c]) for c in ("probability", "standard_error", "r_hat"))
        low, high = most_probable(some["probability"], level)
        words = f"probability {p:.2f}" + (f" ± {error:.2f}" if error >= 0.005 else "")
        words += f", R-hat {r_hat:.2f}" if math.isfinite(r_hat) else ""
        rows[f"{letter}, {name}"] = {"counts": counts, "number": mode, "lower": low, "upper": high, "probability": p,
                                     "r_hat": r_hat, "how_sure": words}  # fmt: skip
    return rows


def _of_partition(found: Partition, ball: CredibleBall) -> dict:
    return {"counts": CLUSTERS, "number": found.n_clusters, "lower": ball.upper.n_clusters,
            "upper": ball.lower.n_clusters,
            "how_sure": f"{ball.level:.0%} ball: radius {ball.radius:.2f} bits"}  # fmt: skip


def _aligned(shown: pd.DataFrame) -> str:
    """Text with every column to the left; a number is short enough to be read there."""
    cells = [["", *shown.columns], *([name, *row] for name, row in zip(shown.index, shown.to_numpy()))]
    widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in cells)
