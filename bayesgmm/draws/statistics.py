"""What predictive checks look at: numbers that a mixture of the wrong number or shape of components gets wrong.

Each takes data sets (R, N, D) and gives its numbers by (name, feature), each (R,). They are affine in units or free of
them, so that a check does not depend on the units of the data.
"""

from __future__ import annotations

import numpy as np

DISTANCE = "distance of HDR levels"
# Cells of the smoothed histogram, and how far it reaches beyond the data, in bandwidths.
_CELLS, _BEYOND = 512, 3.0
# Of a valley's depth: what rounding leaves is none.
_DIGITS = 6


def of_features(x: np.ndarray, features) -> dict[tuple[str, str], np.ndarray]:
    """Of each feature by itself: sd, skewness, kurtosis, the smallest and largest value, and the `valley`.

    Examples
    --------
    >>> found = of_features(np.array([[[0.0], [0.0], [3.0]]]), ["a"])
    >>> {name: value.round(3).item() for (name, _), value in found.items()}
    {'sd': 1.732, 'skewness': 0.707, 'kurtosis': 1.5, 'smallest': 0.0, 'largest': 3.0, 'valley': 0.262}
    """
    found = {}
    for j, name in enumerate(features):
        values = x[..., j]
        found |= {(statistic, name): number for statistic, number in _of_one(values).items()}
    return found


def of_pairs(x: np.ndarray, features) -> dict[tuple[str, str], np.ndarray]:
    """Pearson's correlation of each pair of features."""
    z = x - x.mean(axis=1, keepdims=True)
    products = np.einsum("rni,rnj->rij", z, z)
    sds = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
    pairs = zip(*np.triu_indices(len(features), 1))
    return {("correlation", f"{features[i]}, {features[j]}"): products[:, i, j] / (sds[:, i] * sds[:, j])
            for i, j in pairs}  # fmt: skip


def of_levels(levels: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Of levels (R, N) that ought to be uniform: Kolmogorov's distance from it.

    Examples
    --------
    >>> of_levels(np.array([[0.25, 0.75], [0.75, 1.0]]))
    {('distance of HDR levels', 'all'): array([0.25, 0.75])}
    """
    u, n = np.sort(levels, axis=1), levels.shape[1]
    step = np.arange(n)
    distance = np.maximum((u - step / n).max(axis=1), ((step + 1) / n - u).max(axis=1))
    return {(DISTANCE, "all"): distance}


def valley(values: np.ndarray) -> np.ndarray:
    """How deep the deepest valley of a density estimate is (R,), of values (R, N): 0 with one mode, up to 1.

    The depth is from the lower of the two peaks around it down to its floor, as a share of the highest peak, so that a
    few rows far out make no deep one. The bandwidth is Silverman's (1986), of each data set.

    Examples
    --------
    >>> valley(np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 0.2, 5.0, 5.2, 5.1]])).round(2)
    array([0. , 0.2])
    """
    density = _smoothed(values)
    left = np.maximum.accumulate(density, axis=1)
    right = np.maximum.accumulate(density[:, ::-1], axis=1)[:, ::-1]
    lower_peak = np.minimum(left, right)
    depth = ((lower_peak - density) / density.max(axis=1, keepdims=True)).max(axis=1)
    return depth.round(_DIGITS)


def _of_one(values: np.ndarray) -> dict[str, np.ndarray]:
    z = values - values.mean(axis=1, keepdims=True)
    scale = np.sqrt((z * z).mean(axis=1, keepdims=True))
    standard = z / np.where(scale > 0, scale, 1.0)
    n = values.shape[1]
    return {
        "sd": scale[:, 0] * np.sqrt(n / max(1, n - 1)),
        "skewness": (standard**3).mean(axis=1),
        "kurtosis": (standard**4).mean(axis=1),
        "smallest": values.min(axis=1),
        "largest": values.max(axis=1),
        "valley": valley(values),
    }


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Gaussian kernel density estimates (R, cells), each on a grid of its own, up to a factor."""
    from scipy.fft import irfft, rfft

    r, n = values.shape
    quartiles = np.quantile(values, [0.25, 0.75], axis=1)
    sd, spread = values.std(axis=1), (quartiles[1] - quartiles[0]) / 1.349
    scale = np.where(spread > 0, np.minimum(sd, spread), sd)
    width = 0.9 * np.where(scale > 0, scale, 1.0) * n**-0.2
    low, high = values.min(axis=1) - _BEYOND * width, values.max(axis=1) + _BEYOND * width
    cell = (high - low) / _CELLS
    place = ((values - low[:, None]) / cell[:, None]).astype(int).clip(0, _CELLS - 1)
    counts = np.bincount((place + _CELLS * np.arange(r)[:, None]).ravel(), minlength=r * _CELLS).reshape(r, _CELLS)
    # Beyond the data there is room for the kernel, so that the ends of the circle do not meet.
    frequency = 2 * np.pi * np.arange(_CELLS // 2 + 1) / _CELLS
    kernel = np.exp(-0.5 * (frequency * (width / cell)[:, None]) ** 2)
    return irfft(rfft(counts, axis=1) * kernel, _CELLS, axis=1)
