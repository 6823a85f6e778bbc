"""One mixture climbed from over many samples at once, in compiled code, against EM's own loop."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.families import FAMILIES, family
from bayesgmm.fit.climbs import climb_each
from bayesgmm.fit.em import Likelihood, climb, em
from bayesgmm.kernel import set_threads, threads


def clusters(n=150, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(n // 3, d)), 6 + 2 * rng.normal(size=(n - n // 3, d))])


def resampled(x, times, seed=1):
    return np.random.default_rng(seed).multinomial(len(x), np.full(len(x), 1 / len(x)), size=times).astype(float)


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.code)
def test_it_ends_where_ems_loop_does(kind):
    x = clusters()
    fit = bg.fit_mle(x, 2, covariance_type=kind.code, seed=0, progress=False)
    target, tolerance = Likelihood(kind, fit.features), 1e-6
    samples = [(x, w) for w in resampled(x, 20)]
    for (_, w), ended in zip(samples, climb_each(samples, fit.mixture, target, tolerance), strict=True):
        best = climb(x, fit.mixture, target, w)[0]
        assert ended.converged
        assert best.log_likelihood - w @ ended.mixture.log_prob(x) <= tolerance
        # The decrement of the loop, which looks at the curvature, at the place where compiled code stopped.
        left = [step.decrement for _, step in zip(range(40), em(x, ended.mixture, target, w), strict=False)]
        assert np.min(left) < 1e-5


def test_ridges_are_climbed_to_the_end():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(100, 1)), 1.2 + rng.normal(size=(100, 1))])
    fit = bg.fit_mle(x, 2, covariance_type="tied", seed=0, progress=False)
    samples, target = [(x, w) for w in resampled(x, 10)], Likelihood(family("tied"), fit.features)
    for (_, w), ended in zip(samples, climb_each(samples, fit.mixture, target, 1e-5), strict=True):
        assert ended.mixture is None or ended.converged
        if ended.mixture is not None:
            there = climb(x, ended.mixture, target, w)[0].log_likelihood
            assert there - w @ ended.mixture.log_prob(x) < 1e-4


def ends(samples, fit, alias="full", tolerance=1e-4):
    return climb_each(samples, fit.mixture, Likelihood(family(alias), fit.features), tolerance)


def test_rows_of_their_own_are_as_good_as_weights():
    x = clusters()
    fit, weights = bg.fit_mle(x, 2, seed=0, progress=False), resampled(x, 4)
    by_weights = ends([(x, w) for w in weights], fit)
    by_rows = ends([(np.repeat(x, w.astype(int), axis=0), None) for w in weights], fit)
    for a, b in zip(by_weights, by_rows, strict=True):
        assert a.converged and b.converged
        for name in ("weights", "means", "covariances"):
            np.testing.assert_allclose(getattr(a.mixture, name), getattr(b.mixture, name), rtol=1e-7, atol=1e-8)


def test_a_climb_depends_on_nothing_but_its_own_sample():
    x = clusters()
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    samples, before = [(x, w) for w in resampled(x, 30)], threads()
    try:
        set_threads(1)
        one = ends(samples, fit)
        set_threads(2)
        two = ends(samples[::-1], fit)
    finally:
        set_threads(before)
    for a, b in zip(one, two[::-1], strict=True):
        for name in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(a.mixture, name), getattr(b.mixture, name))


def test_what_collapses_is_said():
    x = np.array([[0.0], [0.1], [0.2], [5.0], [5.3]])
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    weights = np.array([[1.0, 1, 1, 1, 1], [1, 1, 1, 2, 0], [1, 1, 1, 0, 0]])
    # One row twice, or none, is no component; the mode is at the fit itself where each row counts once.
    found = ends([(x, w) for w in weights], fit)
    assert found[0].converged and found[1].mixture is None and found[2].mixture is None
    np.testing.assert_allclose(found[0].mixture.means, fit.mixture.means, rtol=1e-3)
