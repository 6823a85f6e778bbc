"""Chains that agree with each other, where not all do: modes that no chain has left."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from bayesgmm.draws.convergence import convergence

# R-hat up to which two chains are taken to be in one place, and the effective draws without which a chain says nothing.
_TOGETHER, _LEAST_ESS = 1.05, 50


def agreeing(quantities: dict[str, np.ndarray], n_chains: int) -> np.ndarray:
    """Numbers (C,) of the groups of chains that agree on label-invariant quantities (M,).

    All are 0 where chains do not fall into groups: a chain does not agree with its own other half, moves too slowly to
    tell, or agrees with two others that do not agree with each other.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> at = np.array([0.0, 5.0, 0.0, 5.0])
    >>> agreeing({"a": (at[:, None] + rng.standard_normal((4, 500))).ravel()}, 4)
    array([0, 1, 0, 1])
    """
    values = {name: v for name, v in quantities.items() if np.ptp(v) > 0}
    none = np.zeros(n_chains, dtype=int)
    if not values or _r_hat(values, n_chains) <= _TOGETHER:
        return none
    values = {name: v.reshape(n_chains, -1) for name, v in values.items()}
    if not all(_is_settled(values, c) for c in range(n_chains)):
        return none
    together = np.eye(n_chains, dtype=bool)
    for pair in combinations(range(n_chains), 2):
        together[pair] = together[pair[::-1]] = _agree(values, list(pair))
    first = together.argmax(axis=1)
    # In groups, agreeing is transitive: chains have the same friends, or none in common.
    if not (together == (first[:, None] == first)).all():
        return none
    return np.unique(first, return_inverse=True)[1]


def _is_settled(values, chain: int) -> bool:
    own = convergence({name: v[chain] for name, v in values.items()}, 1, ("r_hat", "ess_bulk"))
    moves = own["r_hat"].notna().mean() > 0.5  # in one mode, two rows may always be together
    return bool(moves and own["r_hat"].max() <= _TOGETHER and own["ess_bulk"].min() >= _LEAST_ESS)


def _agree(values, chains: list[int]) -> bool:
    return bool(_r_hat({name: v[chains].ravel() for name, v in values.items()}, len(chains)) <= _TOGETHER)


def _r_hat(values, n_chains: int) -> float:
    """The largest."""
    return convergence(values, n_chains, ("r_hat",))["r_hat"].max()


def recorded_masses(draws, groups: np.ndarray) -> list[tuple[float, float]] | None:
    """The share of the posterior that each group's mode holds, and its standard error, as `sample` recorded them."""
    known = draws.attrs.get("mode_groups")
    if known is None or not np.array_equal(np.atleast_1d(known), groups):
        return None
    shares, errors = (np.atleast_1d(draws.attrs[name]) for name in ("mode_shares", "mode_shares_se"))
    return list(zip(shares.tolist(), errors.tolist(), strict=True))
