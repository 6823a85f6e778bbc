"""Splits and merges: statistics are kept, units do not matter, and the climbs from them find higher modes."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.fit.moves import exchanges, splits
from bayesgmm.kernel import Stats, e_step

FAITHFUL = bg.load_dataset("faithful").to_numpy(dtype=float)


def pooled(stats):
    parts = [
        Stats(*(a[k : k + 1] for a in (stats.counts, stats.means, stats.scatters))) for k in range(stats.n_components)
    ]
    return sum(parts[1:], parts[0])


def fitted(k):
    return bg.fit_mle(FAITHFUL, k, starts=3, seed=0, progress=False).mixture


@pytest.mark.parametrize("moves", [splits, exchanges])
def test_rows_lose_neither_weight_nor_mean_nor_scatter(moves):
    m = fitted(4)
    whole = pooled(e_step(FAITHFUL, m)[1])
    for one in moves(FAITHFUL, m):
        assert one.stats.n_components == (5 if moves is splits else 4)
        found = pooled(one.stats)
        np.testing.assert_allclose(found.counts, whole.counts, rtol=1e-10)
        np.testing.assert_allclose(found.means, whole.means, rtol=1e-10)
        np.testing.assert_allclose(found.scatters, whole.scatters, rtol=1e-8)
        assert (np.linalg.eigvalsh(one.stats.scatters) > 0).all()


@pytest.mark.parametrize("moves", [splits, exchanges])
def test_moves_move_with_the_rows(moves):
    m, matrix = fitted(4), np.array([[3.0, 1.0], [-20.0, 5.0]])
    there = bg.Mixture(m.weights, m.means @ matrix.T, matrix @ m.covariances @ matrix.T)
    for a, b in zip(moves(FAITHFUL, m), moves(FAITHFUL @ matrix.T, there), strict=True):
        # Which half is the first is a matter of signs.
        order = [np.lexsort(np.round(means, 6).T) for means in (a.stats.means @ matrix.T, b.stats.means)]
        np.testing.assert_allclose((a.stats.means @ matrix.T)[order[0]], b.stats.means[order[1]], rtol=1e-8)


def test_two_components_have_no_third_to_split():
    assert exchanges(FAITHFUL, fitted(2)) == [] and len(splits(FAITHFUL, fitted(2))) == 2


def test_a_bad_mode_is_left():
    rng = np.random.default_rng(0)
    x = np.vstack([rng.standard_normal((100, 2)) + centre for centre in ([0, 0], [12, 0], [6, 20])])
    # Two components share the first group, one has both others: EM stays there.
    bad = np.repeat([0, 1, 2, 2], [50, 50, 100, 100])
    stuck = bg.fit_mle(x, 3, starts=bad, progress=False)
    freed = bg.fit_mle(x, 3, starts=[bad, {"split-merge": 1}], progress=False)
    assert stuck.mixture.weights.max() > 0.6 and [s.kind for s in freed.starts] == ["labels", "split-merge"]
    np.testing.assert_allclose(freed.mixture.weights, 1 / 3, atol=0.01)
    assert freed.log_likelihood > stuck.log_likelihood + 50
