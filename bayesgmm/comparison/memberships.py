"""Which component each row belongs to, by each of several fits and posteriors, and what changes between them."""

from __future__ import annotations

import numpy as np

from bayesgmm.comparison.items import Item
from bayesgmm.comparison.rows import Rows
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.responsibilities import Responsibilities

# Rows × components × draws of all items above which memberships are left out.
_MOST = 2_000_000_000


def memberships(items: list[Item], rows: Rows):
    """A Dataset of ``probability`` (item, obs, component), and per item and row ``entropy``, ``change``.

    Of draws, a probability is E[r_nk]. ``change`` is the total variation ½ Σ_k |P_k − P′_k| from the first item's: the
    probability that has moved to other components. None where there are too many numbers.
    """
    import xarray as xr

    labels = sorted({label for item in items for label in item.labels})
    n = len(rows.values)
    if n * sum(len(i.labels) * (1 if i.draws is None else len(read(i.draws))) for i in items) > _MOST:
        return None
    p = np.zeros((len(items), n, len(labels)))
    for i, item in enumerate(items):
        p[i][:, [labels.index(label) for label in item.labels]] = _probabilities(item, rows.values)
    dims = ("item", "obs", "component")
    arrays = {
        "probability": (dims, p),
        "entropy": (dims[:2], -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=2)),
        "change": (dims[:2], 0.5 * np.abs(p - p[0]).sum(axis=2)),
    }
    names = [item.name for item in items]
    return xr.Dataset(arrays, {"item": names, "obs": np.arange(n), "component": labels})


def moved(found, counts: np.ndarray) -> list[str]:
    """In a sentence an item, how many rows have another most probable component than by the first item."""
    best, names = found["probability"].values.argmax(axis=2), found["item"].values
    total, said = counts.sum(), []
    for i in range(1, len(names)):
        other, mean = counts[best[i] != best[0]].sum(), (counts @ found["change"].values[i]) / total
        said.append(f"{other:g} of {total:g} rows have another most probable component by {names[i]} than by "
                    f"{names[0]}; on average a probability of {mean:.2g} moves.")  # fmt: skip
    return said


def _probabilities(item: Item, values: np.ndarray) -> np.ndarray:
    if item.draws is None:
        return item.mixture.responsibilities(values)
    mixtures = read(item.draws)
    every = np.tile(np.arange(mixtures.n_components), (len(mixtures), 1))
    return Responsibilities.of(mixtures, values).total(every) / len(mixtures)
