"""A mixture's parameters as one vector, each under the name that it has in every table."""

from __future__ import annotations

import numpy as np


def parameter_names(n_components: int, features, labels=None) -> list[str]:
    """Names (P,): ``weights[0]``, …, ``means[0, a]``, …, ``covariances[0, a, b]``, …, each covariance once.

    Components are numbered from 0, or have other labels.

    Examples
    --------
    >>> parameter_names(1, ["a", "b"])[3:]
    ['covariances[0, a, a]', 'covariances[0, a, b]', 'covariances[0, b, b]']
    """
    components = range(n_components) if labels is None else labels
    weights = [f"weights[{k}]" for k in components]
    means = [f"means[{k}, {a}]" for k in components for a in features]
    return [*weights, *means, *pair_names("covariances", components, features)]


def pair_names(what: str, components, features) -> list[str]:
    """Names of what two features have in each component, each pair once: ``covariances[0, a, b]``."""
    pairs = [(features[i], features[j]) for i, j in zip(*np.triu_indices(len(features)), strict=True)]
    return [f"{what}[{k}, {a}, {b}]" for k in components for a, b in pairs]


def parameter_vector(weights, means, covariances) -> np.ndarray:
    """The parameters (…, P), in the order of their names, of mixtures π (…, K), μ (…, K, D) and Σ (…, K, D, D)."""
    rows, columns = np.triu_indices(means.shape[-1])
    parts = weights, means, covariances[..., rows, columns]
    return np.concatenate([np.reshape(part, (*weights.shape[:-1], -1)) for part in parts], axis=-1)


def shaped(vector: np.ndarray, n_components: int, n_features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A vector (P,) of something about each parameter, as (K,), (K, D) and a symmetric (K, D, D).

    Examples
    --------
    >>> shaped(np.arange(6), 1, 2)[2].tolist()
    [[[3, 4], [4, 5]]]
    """
    k, d = n_components, n_features
    weights, means, pairs = np.split(vector, [k, k + k * d])
    return weights, means.reshape(k, d), symmetric(pairs, k, d)


def symmetric(pairs: np.ndarray, n_components: int, n_features: int) -> np.ndarray:
    """Something about each pair of features (K · D(D+1)/2,), as symmetric matrices (K, D, D)."""
    rows, columns = np.triu_indices(n_features)
    matrices = np.empty((n_components, n_features, n_features), dtype=pairs.dtype)
    matrices[:, rows, columns] = matrices[:, columns, rows] = pairs.reshape(n_components, -1)
    return matrices


def owners(n_components: int, n_features: int) -> np.ndarray:
    """The component (P,) that each parameter is of."""
    k, d = np.arange(n_components), n_features
    return np.concatenate([k, np.repeat(k, d), np.repeat(k, d * (d + 1) // 2)])
