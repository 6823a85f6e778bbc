"""Where the criteria for a number of components agree, where not, and why, in sentences."""

from __future__ import annotations

import math

# R-hat above which chains do not agree on a number.
_MIXED = 1.05


def paragraphs(found) -> list[str]:
    """What all say; why they differ; what to doubt."""
    return [_said(found.table), *_reasons(found), *_doubts(found)]


def listed(names) -> str:
    """Names in a sentence.

    Examples
    --------
    >>> listed(["BIC"]), listed(["BIC", "ICL", "LOO"])
    ('BIC', 'BIC, ICL and LOO')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _quoted(row: str) -> str:
    """A row's name within a sentence: K₊ of mfm."""
    return "merging" if row == "BIC, merged" else row.replace(", ", " of ", 1)


def _saying(table, number: int) -> str:
    names = [_quoted(row) for row in table.index[table["number"] == number]]
    return f"{listed(names)} {'says' if len(names) == 1 else 'say'} {number}"


def _said(table) -> str:
    numbers = sorted(set(table["number"]))
    if len(numbers) == 1:
        return f"All say {numbers[0]}." if len(table) > 1 else f"{_saying(table, numbers[0])}."
    line = f"They do not agree: {'; '.join(_saying(table, k) for k in numbers)}."
    ranges = table[table["lower"].notna()]
    if len(ranges) > 1:
        low, high = int(ranges["lower"].max()), int(ranges["upper"].min())
        if low <= high:
            common = f"{low}" if low == high else f"{low} to {high}"
            return f"{line} {common} {'is' if low == high else 'are'} in the range of each that has one."
        return f"{line} No number is in the range of each."
    return line


def _reasons(found) -> list[str]:
    return [line for line in (_shape(found), _empty(found), _prediction(found), _small(found), *_growth(found)) if line]


def _number(found, row: str):
    return int(found.table.loc[row, "number"]) if row in found.table.index else None


def _shape(found) -> str:
    """Gaussians or clusters: BIC beside ICL and merging."""
    bic, fewer = _number(found, "BIC"), [_number(found, row) for row in ("ICL", "BIC, merged")]
    fewer = [k for k in fewer if k is not None]
    if bic is None or not fewer or min(fewer) >= bic:
        return ""
    return ("BIC counts the Gaussians that the density needs, and a cluster that is no Gaussian takes several; ICL and "
            "merging count clusters that rows can be told apart into.")  # fmt: skip


def _empty(found) -> str:
    """K beside K₊."""
    larger = [name for name in found.numbers
              if (k := _number(found, f"K, {name}")) is not None and k > _number(found, f"K₊, {name}")]  # fmt: skip
    if not larger:
        return ""
    return f"K counts components without rows as well, K₊ those that have some, so K of {listed(larger)} is larger."


def _prediction(found) -> str:
    """LOO has no upper end."""
    if found.loo is None or len(found.loo) < 2:
        return ""
    good, last = found.loo.index[found.loo["as_good"]], found.loo.index.max()
    if len(good) > 1:
        to = f"{good.min()} to {good.max()}" if len(good) == good.max() - good.min() + 1 else listed(map(str, good))
        line = f"LOO asks how well rows are predicted, which components too many hardly harm: {to} predict alike, so "
        line += f"that {good.min()} are enough"
        return f"{line}, and it sets no upper limit." if good.max() == last else f"{line}."
    return ""


def _small(found) -> str:
    """The partition beside K₊."""
    apart = [name for name in found.partitions if _number(found, f"VI, {name}") < _number(found, f"K₊, {name}")]
    if not apart:
        return ""
    return (f"The partition of {listed(apart)} has fewer clusters than K₊: most draws have further small ones, which "
            "do not hold the same rows from draw to draw.")  # fmt: skip


def _growth(found) -> list[str]:
    """What a posterior of K₊ cannot tell."""
    lines = []
    endless = [name for name, tree in found.draws.items() if tree.attrs.get("process") in ("dp", "py")]
    if endless:
        lines.append(f"{listed(endless)} {'has' if len(endless) == 1 else 'have'} no end of components, and more "
                     "clusters the more rows there are: of a number that is finite, K₊ is an "
                     "overestimate sooner or later (Miller & Harrison 2014).")  # fmt: skip
    icl = _number(found, "ICL")
    more = [name for name in found.numbers if icl is not None and name not in endless
            and _number(found, f"K₊, {name}") > icl]  # fmt: skip
    if more:
        lines.append(f"K₊ of {listed(more)} counts the Gaussians that rows are in: where a cluster is no Gaussian it "
                     "takes several, the more of them the more rows there are.")  # fmt: skip
    if len({_number(found, f"K₊, {name}") for name in found.numbers}) > 1:
        lines.append("Processes are different priors of the number of clusters, and here the data do not overrule "
                     "them.")  # fmt: skip
    return lines


def _doubts(found) -> list[str]:
    said = []
    poor = [f"{_quoted(name)} ({r:.2f})" for name, r in found.table["r_hat"].items() if math.isfinite(r) and r > _MIXED]
    if poor:
        said.append(f"Chains do not agree, by R-hat, on {listed(poor)}: those probabilities and scores are rough, so "
                    "draw for longer.")  # fmt: skip
    said += _about_loo(found.loo)
    said += _at_the_end(found)
    if found.missing:
        left = [_quoted(part) for part in found.missing]
        said.append(f"It was interrupted, and is incomplete: {listed(left)} {'is' if len(left) == 1 else 'are'} not "
                    "whole.")  # fmt: skip
    return said


def _about_loo(loo) -> list[str]:
    if loo is None:
        return []
    best = loo["elpd"].idxmax()
    rough = int(loo.loc[best, "rough"])
    if not rough:
        return []
    return [f"LOO with {best} components rests on importance sampling that cannot be trusted for {rough} "
            f"row{'' if rough == 1 else 's'} (Pareto k above 0.7)."]  # fmt: skip


def _at_the_end(found) -> list[str]:
    """Chosen was the largest number that was tried."""
    ends, tried = [], set()
    if found.selection is not None:
        tried = set(found.selection.table["n_components"])
        ends = [name for name in ("BIC", "ICL") if len(tried) > 1 and _number(found, name) == max(tried)]
    if not ends:
        return []
    return [f"{listed(ends)} chose as many as were tried: try more than {max(tried)}."]
