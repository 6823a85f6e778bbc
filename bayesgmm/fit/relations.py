"""What the rows of a component that has collapsed have in common, in words."""

from __future__ import annotations

import numpy as np

# Standard deviation along a direction, in the features' own, below which rows lie in a hyperplane.
_FLAT = 1e-3
# A feature takes part in a relation with at least this coefficient, in standard deviations.
_PART = 1e-3
# The one that a relation is solved for has at least this part of the largest.
_MUCH = 0.3


def describe(rows: np.ndarray, features: tuple[str, ...], sds: np.ndarray) -> str:
    """Say that rows (n, D) are equal, that columns are constant among them, or how columns depend on each other.

    ``sds`` are those of all rows. Rows with missing cells are left out.

    Examples
    --------
    >>> rows = np.array([[1.0, 3.0], [2.0, 5.0], [4.0, 9.0]])
    >>> describe(rows, ("a", "b"), np.ones(2))
    'there b = 2 a + 1'
    >>> describe(rows * [0, 1], ("a", "b"), np.ones(2))
    "column 'a' is constant there (0)"
    """
    rows = rows[np.isfinite(rows).all(axis=1)]
    units, n_distinct = np.where(sds > 0, sds, 1.0), len(np.unique(rows, axis=0))
    if len(rows) < 2:
        return ""
    if n_distinct == 1:
        return "they are all equal"
    scaled = (rows - rows.mean(axis=0)) / units
    spread = scaled.std(axis=0)
    constant = [name for name, s in zip(features, spread, strict=True) if s < _FLAT]
    said = f"only {n_distinct} of them are different" if n_distinct < len(rows) else ""
    if n_distinct <= len(features):
        said = f"{said or f'they are {n_distinct}'}, and so few always lie in a hyperplane"
    if constant:
        values = rows.mean(axis=0)[[features.index(name) for name in constant]]
        columns = ", ".join(f"{name!r}" for name in constant)
        one = f"column{'s' * (len(constant) > 1)} {columns} {'are' if len(constant) > 1 else 'is'} constant there"
        return "; ".join(filter(None, [said, f"{one} ({', '.join(f'{v:.4g}' for v in values)})"]))
    if n_distinct <= len(features):
        return said
    _, values, directions = np.linalg.svd(scaled, full_matrices=False)
    if values[-1] / np.sqrt(len(rows)) >= _FLAT:
        return said
    return "; ".join(filter(None, [said, f"there {_equation(directions[-1], rows.mean(axis=0), features, units)}"]))


def _equation(direction, mean, features, units) -> str:
    """The hyperplane through a mean, solved for the last feature that has much to do with it."""
    sizes = np.abs(direction)
    at = int(np.flatnonzero(sizes >= _MUCH * sizes.max())[-1])
    slopes = -direction / direction[at] / units * units[at]
    slopes[sizes < _PART] = 0.0
    constant = mean[at] - sum(s * m for j, (s, m) in enumerate(zip(slopes, mean, strict=True)) if j != at)
    terms = [(s, f" {name}") for j, (s, name) in enumerate(zip(slopes, features, strict=True)) if j != at and s != 0]
    if abs(constant) > _PART * units[at]:
        terms.append((constant, ""))
    return f"{features[at]} = " + _sum(terms)


def _sum(terms) -> str:
    text = ""
    for value, name in terms:
        sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
        text += f"{sign}{abs(value):.4g}{name}"
    return text or "0"
