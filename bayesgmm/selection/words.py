"""What a selection says, in sentences."""

from __future__ import annotations

#: Criteria that choose, and what they are called; of each, lower is better.
CRITERIA = {"bic": "BIC", "icl": "ICL", "aic": "AIC"}
# How much a difference of BIC says, after Kass & Raftery (1995): it is twice a log Bayes factor, roughly.
_EVIDENCE = ((2.0, "hardly worth a mention"), (6.0, "some evidence"), (10.0, "strong evidence"))
_COLUMNS = {"covariance_type": "family", "n_components": "K", "difference": "difference",
            "log_likelihood": "log-likelihood", "n_parameters": "parameters"}  # fmt: skip
_DECIMALS = {"difference": 1, "log_likelihood": 2, "n_parameters": 0, "n_components": 0} | dict.fromkeys(CRITERIA, 1)


def paragraphs(selection) -> list[str]:
    """What was tried, and what to make of the result; the table of the best stands between the first and the others."""
    said = [_apart(selection), _agreement(selection), selection.merging.text]
    return [_tried(selection), *said, *_doubts(selection)]


def evidence(difference: float) -> str:
    """What a difference of BIC says against the higher one.

    Examples
    --------
    >>> evidence(0.4), evidence(30.0)
    ('hardly worth a mention', 'very strong evidence')
    """
    return next((words for most, words in _EVIDENCE if difference < most), "very strong evidence")


def shown(ranking, criterion: str):
    """Rows of a ranking as text."""
    others = [name for name in CRITERIA if name != criterion]
    order = ["covariance_type", "n_components", criterion, "difference", "log_likelihood", "n_parameters", *others]
    found = ranking[order].astype(object)
    for name in order[1:]:
        found[name] = [f"{value:.{_DECIMALS[name]}f}" for value in ranking[name]]
    return found.rename(columns=_COLUMNS | CRITERIA)


def name_of(row) -> str:
    """A row of the table in words."""
    k = int(row["n_components"])
    return f"{row['covariance_type']} with {k} component{'' if k == 1 else 's'}"


def _tried(selection) -> str:
    t = selection.table
    numbers, families = sorted(set(t["n_components"])), t["covariance_type"].nunique()
    degenerate = int(t["degenerate"].sum())
    through = int((t["log_likelihood"].notna() & ~t["degenerate"]).sum())
    of = f"{numbers[0]} to {numbers[-1]} components" if len(numbers) > 1 else f"K = {numbers[0]}"
    line = (f"Selection by {CRITERIA[selection.criterion]} (lower is better): {of}, "
            f"{families} famil{'y' if families == 1 else 'ies'}, N = {selection.n_obs:g}. "
            f"{through} of {len(t)} fits are sound")  # fmt: skip
    if degenerate:
        line += f"; {degenerate} ended degenerate"
    if (rest := len(t) - through - degenerate) > 0:
        line += f"; {rest} could not be tried"
    return f"{line}. It was interrupted, and is incomplete." if selection.incomplete else f"{line}."


def _apart(selection) -> str:
    ranking, name = selection.ranking, CRITERIA[selection.criterion]
    if len(ranking) < 2:
        return f"{name_of(ranking.iloc[0])} is the only one."
    gap, first, second = float(ranking["difference"].iloc[1]), ranking.iloc[0], ranking.iloc[1]
    line = f"{name_of(first)} is {gap:.1f} below {name_of(second)} in {name}"
    return line + (f": {evidence(gap)}." if selection.criterion == "bic" else ".")


def _agreement(selection) -> str:
    """Whether BIC and ICL choose the same, and why not."""
    bic, icl = (selection.ranked(c).iloc[0] for c in ("bic", "icl"))
    if name_of(bic) == name_of(icl):
        return "BIC and ICL agree."
    cost = float(bic["icl"] - bic["bic"])
    own = float(icl["icl"] - icl["bic"])
    return (f"BIC and ICL disagree: ICL chooses {name_of(icl)}. For rows between components it adds {cost:.1f} to the "
            f"BIC of {name_of(bic)}, and {own:.1f} to that of its own choice.")  # fmt: skip


def _doubts(selection) -> list[str]:
    """Why the best fit is to be looked at twice."""
    fit, said = selection.best, []
    here = next((mode for mode in fit.census if mode.mixture is fit.mixture), None)
    if here is not None:
        said.append(f"{here.n_starts} of {len(fit.starts)} climbs reached the best fit.")
        if here.doubt:
            said.append(f"It is {here.doubt}.")
        elif here.n_starts == 1 < len(fit.starts):
            said.append("One alone is few: there may be better ones, so try more starts.")
    if not fit.converged:
        said.append("The best fit has not converged.")
    tried = selection.table["n_components"].max()
    if fit.n_components == tried and selection.table["n_components"].nunique() > 1:
        said.append(f"It has as many components as were tried: try more than {tried}.")
    return said
