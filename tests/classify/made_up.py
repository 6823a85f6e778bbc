"""Rows of classes that are made up, in sequences."""

import numpy as np


def sequences(n_groups=60, length=4, n_classes=3, n_features=2, seed=0, spread=1.5):
    """x (N, D), labels (N,) and group names (N,): each class one Gaussian; sequences of different lengths."""
    rng = np.random.default_rng(seed)
    means = spread * rng.standard_normal((n_classes, n_features))
    lengths = rng.integers(1, 2 * length, size=n_groups)
    groups = np.repeat(np.arange(n_groups), lengths)
    labels = (np.arange(n_groups) % n_classes)[groups]
    x = means[labels] + rng.standard_normal((len(groups), n_features))
    order = rng.permutation(len(groups))  # rows of a group need not stand together
    return x[order], np.array(["ant", "bee", "cat", "dog"])[labels[order]], np.array([f"g{g}" for g in groups])[order]
