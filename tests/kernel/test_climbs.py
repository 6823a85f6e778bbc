"""EM many times at once in compiled code, against EM's own loop and closed forms."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.families import family
from bayesgmm.fit.climbs import climb_each
from bayesgmm.fit.em import Likelihood, climb, em
from bayesgmm.kernel import set_threads, threads
from bayesgmm.kernel.climbs import CLIMBING, COLLAPSED, CONVERGED, climbs

FAMILIES = ("full", "tied", "diag", "spherical")


def clusters(n=150, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(n // 3, d)), 6 + 2 * rng.normal(size=(n - n // 3, d))])


def resampled(x, times, seed=1):
    return np.random.default_rng(seed).multinomial(len(x), np.full(len(x), 1 / len(x)), size=times).astype(float)


def in_parts(fit, kind):
    factors = kind.whitening(fit.mixture.covariances).factors
    if not kind.is_shared:
        factors = np.broadcast_to(factors, (fit.n_components, *factors.shape[1:]))
    return fit.mixture.log_weights, fit.mixture.means, factors


@pytest.mark.parametrize("alias", FAMILIES)
@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_one_step_is_ems(alias, k, d):
    x, kind = clusters(d=d), family(alias)
    fit = bg.fit_mle(x, k, covariance_type=alias, seed=0, progress=False)
    weights = resampled(x, 3)
    log_weights, means, factors, ends = climbs(x, weights, *in_parts(fit, kind), is_round=kind.is_round, most=1)
    assert (ends == CLIMBING).all()
    for i, w in enumerate(weights):
        expected = Likelihood(kind, fit.features).update(bg.e_step(x, fit.mixture, w)[1])
        np.testing.assert_allclose(np.exp(log_weights[i]), expected.weights, rtol=1e-12)
        np.testing.assert_allclose(means[i], expected.means, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(factors[i], expected.whitening.factors[: len(factors[i])], rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("alias", FAMILIES)
def test_it_ends_where_ems_loop_does(alias):
    x, kind = clusters(), family(alias)
    fit = bg.fit_mle(x, 2, covariance_type=alias, seed=0, progress=False)
    target, tolerance = Likelihood(kind, fit.features), 1e-6
    samples = [(x, w) for w in resampled(x, 20)]
    for (_, w), ended in zip(samples, climb_each(samples, fit.mixture, target, tolerance), strict=True):
        best = climb(x, fit.mixture, target, w)[0]
        assert ended.converged
        assert best.log_likelihood - w @ ended.mixture.log_prob(x) <= tolerance
        # The decrement of the loop, which looks at the curvature, at the place where compiled code stopped.
        left = [step.decrement for _, step in zip(range(40), em(x, ended.mixture, target, w), strict=False)]
        assert np.min(left) < 1e-5


def test_ridges_are_gone_on_with_by_quasi_newton_steps():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(100, 1)), 1.2 + rng.normal(size=(100, 1))])
    fit = bg.fit_mle(x, 2, covariance_type="tied", seed=0, progress=False)
    samples, target = [(x, w) for w in resampled(x, 10)], Likelihood(family("tied"), fit.features)
    *_, ends = climbs(x, np.array([w for _, w in samples]), *in_parts(fit, family("tied")), most=20)
    assert (ends == CLIMBING).any()
    for (_, w), ended in zip(samples, climb_each(samples, fit.mixture, target, 1e-5), strict=True):
        assert ended.mixture is None or ended.converged
        if ended.mixture is not None:
            there = climb(x, ended.mixture, target, w)[0].log_likelihood
            assert there - w @ ended.mixture.log_prob(x) < 1e-4


def test_rows_of_their_own_are_as_good_as_weights():
    x = clusters()
    fit, weights = bg.fit_mle(x, 2, seed=0, progress=False), resampled(x, 4)
    parts = in_parts(fit, family("full"))
    by_weights = climbs(x, weights, *parts)
    by_rows = climbs(np.array([np.repeat(x, w.astype(int), axis=0) for w in weights]), None, *parts)
    for a, b in zip(by_weights, by_rows, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


def test_a_climb_depends_on_nothing_but_its_own_rows():
    x = clusters()
    fit, weights = bg.fit_mle(x, 2, seed=0, progress=False), resampled(x, 30)
    parts, before = in_parts(fit, family("full")), threads()
    try:
        set_threads(1)
        one = climbs(x, weights, *parts)
        set_threads(2)
        two = climbs(x, weights[::-1], *parts)
    finally:
        set_threads(before)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b[::-1])


def test_what_collapses_is_said():
    x = np.array([[0.0], [0.1], [0.2], [5.0], [5.3]])
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    weights = np.array([[1.0, 1, 1, 1, 1], [1, 1, 1, 2, 0], [1, 1, 1, 0, 0]])
    *_, ends = climbs(x, weights, *in_parts(fit, family("full")))
    # One row twice, or none, is no component; the mode is at the fit itself where each row counts once.
    assert ends.tolist() == [CONVERGED, COLLAPSED, COLLAPSED]
    found = climb_each([(x, w) for w in weights], fit.mixture, Likelihood(family("full"), fit.features), 1e-4)
    assert found[0].converged and found[1].mixture is None


def test_wrong_shapes_are_refused():
    x = clusters()
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    parts = in_parts(fit, family("full"))
    for rows, weights in ((x, np.ones((2, 3))), (x[:, :1], np.ones((2, len(x)))), (x, None)):
        with pytest.raises(ValueError, match="do not fit"):
            climbs(rows, weights, *parts)
