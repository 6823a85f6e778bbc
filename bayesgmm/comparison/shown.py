"""Tables of a comparison as people read them: text, and HTML that survives a code host's notebook view."""

from __future__ import annotations

import html
import math

import numpy as np


def rounded(table):
    """The table of parameters as text: estimates to the digits that their posterior sd leaves meaningful."""
    import pandas as pd

    spreads = [c for c in table.columns if c.partition("_")[0] == "sd" or c.endswith("_se")]
    rows = {}
    for name, row in table.iterrows():
        known = row[spreads].astype(float).dropna()
        sd = float(known.min()) if len(known) else math.nan
        rows[name] = [_cell(column, row[column], sd) for column in table.columns]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(table.columns))


def scores_shown(table):
    """Held-out scores as text: nats to a tenth."""
    shown = table.astype(object).copy()
    for column in ("elpd", "se", "difference", "difference_se"):
        shown[column] = [f"{value:.1f}" if math.isfinite(value) else "" for value in table[column]]
    return shown


def p_values_shown(table):
    """P-values as text."""
    return table.map(lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}")


def as_html(table) -> str:
    """A plain table: no style, no script, no class."""
    head = "".join(f"<th>{html.escape(str(c))}</th>" for c in table.columns)
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th>{''.join(f'<td>{html.escape(str(v))}</td>' for v in row)}</tr>\n"
        for name, row in zip(table.index, table.to_numpy())
    )
    return f"<table>\n<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"


def _cell(column: str, value, sd: float) -> str:
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return ""
    if column.startswith("ess"):
        return f"{math.floor(value)}" if math.isfinite(value) else str(value)
    if column.startswith("r_hat"):
        return f"{value:.3f}"
    if column == "difference":
        return f"{value:+.2f}"
    if column == "shrinkage":
        return f"{100 * value:.0f} %"
    return f"{value:.{_decimals(sd)}f}" if sd > 0 else f"{value:.4g}"


def _decimals(sd: float) -> int:
    """So many decimals that the standard deviation shows two digits."""
    return max(0, 1 - math.floor(math.log10(sd))) if np.isfinite(sd) else 4
