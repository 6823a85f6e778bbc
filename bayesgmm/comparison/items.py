"""What is compared: fits and posteriors, under one set of labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from bayesgmm.draws.affinity import match, match_some
from bayesgmm.draws.labels import relabel
from bayesgmm.draws.mixtures import group_of, read
from bayesgmm.draws.permute import permute
from bayesgmm.fit.result import Fit
from bayesgmm.mixture import Mixture


@dataclass(frozen=True, eq=False)
class Item:
    """One of the things compared, its components in the order of their labels.

    Attributes
    ----------
    name : str
        "mle", "map", "draws"; a second of a kind is "mle_2".
    mixture : Mixture
        The estimate, or the mixture at the posterior means.
    labels : tuple of int (K,)
        Ascending: what each component is called in every table. A component that no earlier item has gets a new one.
    given_labels : tuple of int (K,)
        The same in the order in which the components were given.
    fit : Fit or None
    draws : DataTree or None
    """

    name: str
    mixture: Mixture
    labels: tuple[int, ...] = ()
    given_labels: tuple[int, ...] = ()
    fit: object = None
    draws: object = None

    @property
    def kind(self) -> str:
        """The name without its number."""
        return self.name.partition("_")[0]

    @property
    def covariance_type(self) -> str:
        """The family, where it is known."""
        if self.draws is not None:
            return self.draws.attrs.get("covariance_type", "unknown")
        return getattr(self.fit, "covariance_type", None) or "unknown"

    @property
    def suffix(self) -> str:
        """What its columns end with: nothing, or the number of a second of a kind."""
        return self.name[len(self.kind) :]


def items_of(given) -> list[Item]:
    """Read what was given, name it, and label its components.

    Raises
    ------
    ValueError
        If one is neither a fit nor a posterior, or features differ.
    """
    counts, items = Counter(), []
    for one in given:
        item = _item(one)
        counts[item.name] += 1
        number = f"_{counts[item.name]}" if counts[item.name] > 1 else ""
        items.append(replace(item, name=item.name + number))
    return _labelled(items)


def _item(given) -> Item:
    if hasattr(given, "mixture") and hasattr(given, "estimator"):
        return Item(str(given.estimator).lower(), given.mixture, fit=given)
    if "posterior" not in getattr(given, "children", ()):
        raise ValueError(f"compare() takes fits and DataTrees with a posterior, not a {type(given).__name__}")
    stats = group_of(given, "sample_stats")
    draws = given if stats is not None and "permutation" in stats else relabel(given)
    return Item("draws", read(draws).mean(), draws=draws)


def _labelled(items: list[Item]) -> list[Item]:
    """The first item's components are 0, 1, …; every other one's take the labels of those they are most like."""
    pool, done = items[0].mixture, []
    for item in items:
        labels = _labels(item.mixture, pool)
        new = [k for k, label in enumerate(labels) if label >= pool.n_components]
        pool = _joined(pool, item.mixture, new)
        done.append(_in_order(item, labels))
    return done


def _labels(mixture: Mixture, pool: Mixture) -> np.ndarray:
    """Labels (K,) of a mixture's components among those of the pool; what is left over gets the next ones."""
    if mixture.n_components == pool.n_components:
        return np.argsort(match(mixture, pool)[0])
    labels = match_some(mixture, pool)
    labels[labels < 0] = pool.n_components + np.arange((labels < 0).sum())
    return labels


def _joined(pool: Mixture, mixture: Mixture, new: list[int]) -> Mixture:
    """The pool with some components of a mixture added; its weights only say how much each counts in matching."""
    if not new:
        return pool
    weights = np.concatenate([pool.weights, mixture.weights[new]])
    means = np.concatenate([pool.means, mixture.means[new]])
    covariances = np.concatenate([pool.covariances, mixture.covariances[new]])
    return Mixture(weights / weights.sum(), means, covariances, features=pool.features)


def _in_order(item: Item, labels: np.ndarray) -> Item:
    order, given = np.argsort(labels), tuple(labels.tolist())
    mixture = item.mixture.permute(order)
    # Nothing else of a fit depends on the order of its components.
    fit = replace(item.fit, mixture=mixture) if isinstance(item.fit, Fit) else item.fit
    draws = None if item.draws is None else permute(item.draws, order)
    return replace(item, mixture=mixture, labels=tuple(sorted(given)), given_labels=given, fit=fit, draws=draws)
