"""All partitions of a few rows, and their exact posterior under the conjugate prior: what the samplers must find."""

import numpy as np
from scipy.integrate import simpson
from scipy.special import gammaln, multigammaln


def all_partitions(n):
    """Every partition of n rows, as labels in the order of appearance (Bell(n), n)."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*labels, k] for labels in found for k in range(max(labels) + 2)]
    return np.array(found)


def log_marginal(x, prior):
    """log p(x) of rows of one cluster, mean and covariance integrated out (Gelman et al. 2013, section 3.6)."""
    n, d = x.shape
    centred, gap = x - x.mean(axis=0), x.mean(axis=0) - prior.mean
    shrinkage, dof = prior.shrinkage + n, prior.dof + n
    scale = prior.scale + centred.T @ centred + prior.shrinkage * n / shrinkage * np.outer(gap, gap)
    value = multigammaln(dof / 2, d) - multigammaln(prior.dof / 2, d) - n * d / 2 * np.log(np.pi)
    value += prior.dof / 2 * np.linalg.slogdet(prior.scale)[1] - dof / 2 * np.linalg.slogdet(scale)[1]
    return value + d / 2 * np.log(prior.shrinkage / shrinkage)


def log_finite(sizes, k, gamma):
    """log p(C | K, γ), weights summed out, by the urn's own product: K!/(K − K₊)! orders of labels."""
    value = sum(np.log(k - i) for i in range(len(sizes)))
    value += sum(np.log(gamma + i) for size in sizes for i in range(size))
    return value - sum(np.log(k * gamma + i) for i in range(sum(sizes)))


def log_endless(sizes, alpha, sigma):
    """log p(C | α, σ), by the product that the urn of Pitman (1995) makes: row by row."""
    value, clusters, rows = 0.0, 0, 0
    for size in sizes:
        for j in range(size):
            value += np.log(j - sigma) if j else np.log(alpha + sigma * clusters)
            value -= np.log(alpha + rows)
            clusters += j == 0
            rows += 1
    return value


def posterior(x, prior, log_p):
    """p(C | x) of every partition, for a function that gives log p(C) of sizes."""
    partitions = all_partitions(len(x))
    cached, values = {}, []
    for labels in partitions:
        value = log_p(np.bincount(labels))
        for k in range(labels.max() + 1):
            rows = tuple(np.flatnonzero(labels == k))
            if rows not in cached:
                cached[rows] = log_marginal(x[list(rows)], prior)
            value += cached[rows]
        values.append(value)
    p = np.exp(np.array(values) - max(values))
    return partitions, p / p.sum()


def averaged(log_p, grid, log_density):
    """log ∫ p(C | v) p(v) dv over a grid of values v of one number, by Simpson's rule."""

    def log_mean(sizes):
        height = np.array([log_p(sizes, v) for v in grid]) + log_density
        return height.max() + np.log(simpson(np.exp(height - height.max()), x=grid))

    return log_mean


def numbered(allocations):
    """Labels (…, N) in the order of their appearance, as one number a partition."""
    flat = allocations.reshape(-1, allocations.shape[-1])
    canonical = np.empty_like(flat)
    for i in range(flat.shape[1]):
        same = flat[:, :i] == flat[:, i : i + 1]
        new = canonical[:, :i].max(axis=1, initial=-1) + 1
        canonical[:, i] = np.where(same.any(axis=1), canonical[np.arange(len(flat)), same.argmax(axis=1)], new)
    powers = 10 ** np.arange(flat.shape[1])[::-1]
    return (canonical.astype(np.int64) @ powers).reshape(allocations.shape[:-1])


def log_rising(a, n):
    """log a (a + 1) … (a + n − 1)."""
    return gammaln(a + n) - gammaln(a)
