"""Observed information against second differences of the log-likelihood, written out with SciPy."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import bayesgmm as bg
from bayesgmm.kernel import Whitening, e_step
from bayesgmm.kernel.scores import information

K, D = 3, 2


def mixture(kind):
    rng = np.random.default_rng(4)
    factors = np.tril(rng.normal(size=(K, D, D)) * 0.4) + 1.2 * np.eye(D)
    factors = {"full": factors, "tied": factors[:1], "diag": np.diagonal(factors, axis1=1, axis2=2)}[kind]
    return bg.Mixture.from_whitening(np.array([0.2, 0.3, 0.5]), 1.5 * rng.normal(size=(K, D)), Whitening(factors))


def log_likelihood(theta, of, x, w, kind):
    """Σ w log p at shifts (a, b, E) of a mixture."""
    a, b, e = np.split(theta, [K, K + K * D])
    logs = of.log_weights + a
    rows, columns = (np.arange(D),) * 2 if kind == "diag" else np.tril_indices(D)
    joint = []
    for k in range(K):
        change = np.zeros((D, D))
        change[rows, columns] = e.reshape(K, -1)[k]
        old = np.broadcast_to(of.scale_trils, (K, D, D))[k]
        new = old @ (np.eye(D) + change)
        mean = of.means[k] + old @ b.reshape(K, D)[k]
        joint.append(logs[k] - logsumexp(logs) + multivariate_normal(mean, new @ new.T).logpdf(x))
    return w @ logsumexp(joint, axis=0)


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_equals_second_differences(kind):
    of, rng = mixture(kind), np.random.default_rng(1)
    x, w = of.sample(40, seed=2)[0], rng.uniform(0.2, 3, 40)
    found = information(x, of, w).observed
    p, h = len(found), 2e-4
    assert p == K * (1 + D + (D if kind == "diag" else D * (D + 1) // 2))
    basis = h * np.eye(p)

    def value(theta):
        return log_likelihood(theta, of, x, w, kind)

    def second(a, b, s):
        return (value(s * (a + b)) - value(s * (a - b)) - value(s * (b - a)) + value(-s * (a + b))) / (2 * s * h) ** 2

    # Two steps, so that the next term of the error cancels. Each pair once: `second` is symmetric.
    expected, places = np.empty((p, p)), np.tril_indices(p)
    expected[places] = [(second(a, b, 2) - 4 * second(a, b, 1)) / 3 for a, b in zip(basis[places[0]], basis[places[1]])]
    expected.T[places] = expected[places]
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_is_chunk_invariant_and_counts_rows_by_their_weight(monkeypatch):
    from bayesgmm.kernel import scores

    of = mixture("full")
    x = of.sample(50, seed=2)[0]
    whole = information(np.repeat(x, 2, axis=0), of).observed
    monkeypatch.setattr(scores, "_BLOCK", 100)
    np.testing.assert_allclose(information(x, of, np.full(50, 2.0)).observed, whole, rtol=1e-10, atol=1e-10)


def test_where_labels_are_certain_nothing_is_missing():
    far = bg.Mixture([0.4, 0.6], [[0.0], [100.0]], np.ones((2, 1, 1)))
    x = far.sample(30, seed=1)[0]
    found = information(x, far)
    assert np.abs(found.missing).max() < 1e-9
    counts = e_step(x, far)[1].counts
    np.testing.assert_allclose(np.diag(found.observed)[2:4], counts, rtol=1e-12)
