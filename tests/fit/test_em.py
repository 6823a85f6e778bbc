"""EM's laws: it climbs, it knows when it has arrived, and it takes few passes, even along ridges."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm.families import FAMILIES, WITH_PRIORS
from bayesgmm.fit import em as module
from bayesgmm.fit.accelerate import Curvature, Frame
from bayesgmm.fit.em import Likelihood, Posterior, climb, em
from bayesgmm.fit.starts import start_statistics

EACH = pytest.mark.parametrize("alias", [f.alias for f in WITH_PRIORS])
EVERY = pytest.mark.parametrize("alias", [f.alias for f in FAMILIES])
PRIORS = pytest.mark.parametrize("prior", [None, "conjugate"])


def drawn(seed, k, d, n, apart):
    """Rows of k components with random covariances, centres `apart` standard deviations from the origin."""
    rng = np.random.default_rng(seed)
    factors = np.eye(d) + 0.5 * rng.normal(size=(k, d, d)) / np.sqrt(d)
    z, centres = rng.integers(k, size=n), apart * rng.normal(size=(k, d))
    return centres[z] + np.einsum("nij,nj->ni", factors[z], rng.normal(size=(n, d)))


def heavily_overlapping():
    """K = 3 in the plane, one standard deviation apart."""
    rng = np.random.default_rng(5)
    return np.array([[0, 0], [1, 0], [0.5, 0.87]])[rng.integers(3, size=2000)] + rng.normal(size=(2000, 2))


def problem(x, k, alias, prior=None, seed=0):
    """(rows, start, target): what `em` needs."""
    family, features = bg.family(alias), tuple(f"x{j}" for j in range(x.shape[1]))
    target = Likelihood(family, features)
    if prior is not None:
        covariance = np.atleast_2d(np.cov(x.T))
        constants = {"mean": x.mean(axis=0), "shrinkage": 0.1, "dof": len(features) + 2.0, "scale": covariance / k}
        target = Posterior(family, features, bg.Conjugate(**constants).with_constants(k))
    return x, target.update(next(start_statistics(x, k, 1, np.random.default_rng(seed)))), target


def log_likelihood(x, weights, means, covariances):
    """Written without whitening, and without this package."""
    gap, precisions = x - means[:, None], np.linalg.inv(covariances)
    distance = np.einsum("kni,kij,knj->kn", gap, precisions, gap, optimize=True)
    log_weights = np.log(weights) - 0.5 * np.linalg.slogdet(2 * np.pi * covariances)[1]
    return logsumexp(log_weights[:, None] - 0.5 * distance, axis=0).sum()


def left_to_gain(x, mixture, alias, h=1e-4):
    """Newton's decrement by central differences of an independent log-likelihood, in free coordinates of our own."""
    k, d = mixture.means.shape
    factors, shape = mixture.scale_trils, {"full": (k, d, d), "tied": (1, d, d), "diag": (k, d), "spherical": (k, 1)}
    free = shape[alias]
    lower = np.flatnonzero(np.tril(np.ones(free)) if alias in ("full", "tied") else np.ones(free))

    def value(t):
        weights = mixture.weights * np.exp(np.append(t[: k - 1], 0.0))
        means = mixture.means + np.einsum("kij,kj->ki", factors, t[k - 1 : k - 1 + k * d].reshape(k, d))
        change = np.zeros(free)
        change.flat[lower] = t[k - 1 + k * d :]
        change = change if change.ndim == 3 else change[..., None] * np.eye(d)
        turned = factors @ (np.eye(d) + change)
        return log_likelihood(x, weights / weights.sum(), means, turned @ turned.swapaxes(1, 2))

    basis = h * np.eye(k - 1 + k * d + len(lower))
    gradient = np.array([value(e) - value(-e) for e in basis]) / (2 * h)
    hessian = np.array([[value(a + b) - value(a - b) - value(b - a) + value(-a - b) for b in basis] for a in basis])
    return gradient @ np.linalg.solve(-hessian / (4 * h * h), gradient), np.linalg.eigvalsh(-hessian)[0]


# ---- it climbs


@PRIORS
@EVERY
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 4), d=st.integers(1, 3), apart=st.sampled_from([0.3, 1.0, 3.0]))
def test_the_objective_never_falls_and_is_that_of_the_mixture(alias, prior, seed, k, d, apart):
    x, start, target = problem(drawn(seed, k, d, 150, apart), k, alias, prior, seed)
    try:
        steps = list(islice(em(x, start, target), 60))
    except np.linalg.LinAlgError:
        return  # a component collapsed: the likelihood has no maximum there
    floor = 1e-13 * (abs(steps[-1].objective) + len(x))
    assert (np.diff([s.objective for s in steps]) >= -floor).all()
    last = steps[-1]
    if np.linalg.cond(last.mixture.covariances).max() > 1e5:
        return  # a component all but collapsed, and the formula below, which inverts its covariance, loses the digits
    expected = log_likelihood(x, last.mixture.weights, last.mixture.means, last.mixture.covariances)
    np.testing.assert_allclose(last.log_likelihood, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(last.objective, expected + target.log_prior(last.mixture), rtol=1e-9, atol=1e-9)


@EVERY
def test_every_mixture_on_the_way_is_of_its_family(alias):
    x, start, target = problem(drawn(3, 3, 2, 400, 1.0), 3, alias)
    for step in islice(em(x, start, target), 40):
        covariances, counts = step.mixture.covariances, step.mixture.weights
        again = target.family.m_step(counts[:, None, None] * covariances, counts)
        # Axes are found by rotations, which round a little more than a division does.
        np.testing.assert_allclose(again, covariances, rtol=1e-12 if target.family.is_flat else 1e-10, atol=1e-12)


# ---- it knows when it has arrived


@EACH
@pytest.mark.parametrize("k", [2, 3])
def test_a_converged_climb_leaves_nothing_to_gain(alias, k):
    x = bg.load_dataset("faithful").to_numpy(dtype=float)
    step, _, converged = climb(*problem(x, k, alias))
    decrement, flattest = left_to_gain(x, step.mixture, alias)
    # Differences of a log-likelihood of 1e3 tell a gradient to about 1e-8.
    assert converged and step.decrement < 1e-8 and flattest > 0 and decrement < 2e-8


@EVERY
def test_the_decrement_is_honest_on_a_ridge(alias):
    x, start, target = problem(heavily_overlapping(), 3, alias)
    step, _, converged = climb(x, start, target)
    further = list(islice(em(x, step.mixture, target), 60))
    assert converged and 2 * (max(s.objective for s in further) - step.objective) < 1e-8


@EVERY
def test_the_decrement_says_before_the_end_what_is_left(alias):
    x, start, target = problem(drawn(1, 4, 3, 1500, 1.0), 4, alias)
    steps = list(islice(em(x, start, target), 200))
    top = max(s.objective for s in steps)
    late = [s for s in steps if 1e-8 < s.decrement < 1e-3]
    assert late and all(2 * (top - s.objective) < 2 * s.decrement for s in late)


@PRIORS
def test_one_component_is_there_at_once(prior):
    step, history, converged = climb(*problem(drawn(0, 1, 3, 200, 1.0), 1, "full", prior))
    assert converged and len(history) <= 3 and step.gradient < 1e-8


def falling(place, by):
    """`e_step` whose sum falls by so much a pass."""
    real, passes = module.e_step, iter(range(10**6))

    def other(*arguments, **options):
        log_likelihood, stats = real(*arguments, **options)
        return log_likelihood - by * next(passes), stats

    place.setattr(module, "e_step", other)


@pytest.mark.parametrize("accelerate", [True, False])
def test_a_fall_is_refused_and_is_no_convergence(monkeypatch, accelerate):
    x, start, target = problem(drawn(0, 2, 2, 200, 1.0), 2, "full")
    falling(monkeypatch, by=1e3)
    step, history, converged = climb(x, start, target, accelerate=accelerate)
    assert not converged and len(history) == 1 and step.mixture is start


def test_noise_below_rounding_is_no_fall(monkeypatch):
    x, start, target = problem(drawn(0, 2, 2, 200, 1.0), 2, "full")
    falling(monkeypatch, by=1e-14)
    assert climb(x, start, target)[2]


def test_a_density_that_is_no_number_is_an_error(monkeypatch):
    x, start, target = problem(drawn(0, 2, 2, 200, 1.0), 2, "full")
    falling(monkeypatch, by=np.nan)
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        climb(x, start, target)


def test_too_many_steps_are_no_convergence(monkeypatch):
    monkeypatch.setattr(module, "MOST_STEPS", 7)
    _, history, converged = climb(*problem(heavily_overlapping(), 3, "tied"))
    assert len(history) == 7 and not converged


# ---- it takes few passes


@pytest.mark.parametrize(("alias", "within"), [("full", 200), ("tied", 80), ("diag", 220)])
def test_ridges_cost_a_tenth_of_the_passes_of_plain_em(alias, within):
    x, start, target = problem(heavily_overlapping(), 3, alias)
    fast, _, converged = climb(x, start, target)
    slow = None
    for slow in em(x, start, target, accelerate=False):
        if slow.objective >= fast.objective - 1e-6 or slow.passes >= 10 * fast.passes:
            break
    assert converged and fast.passes <= within and slow.passes >= 10 * fast.passes
    assert fast.objective >= slow.objective - 1e-9


# From the start of seed 0 the two ways end in two modes, whose heights say nothing of either.
@pytest.mark.parametrize("seed", range(1, 6))
def test_overlapping_components_of_five_features(seed):
    x, start, target = problem(drawn(seed, 4, 5, 2000, 0.8), 4, "tied", seed=seed)
    fast = climb(x, start, target)[0]
    slow = next(s for s in em(x, start, target, accelerate=False) if s.decrement < 1e-8 or s.passes > 3000)
    assert 3 * fast.passes <= slow.passes and fast.objective >= slow.objective - 1e-8


def test_clear_components_cost_no_more_than_plain_em():
    x, start, target = problem(drawn(0, 3, 2, 2000, 5.0), 3, "full")
    (fast, _, _), (slow, _, _) = (climb(x, start, target, accelerate=a) for a in (True, False))
    assert fast.passes <= slow.passes
    np.testing.assert_allclose(fast.objective, slow.objective, rtol=0, atol=1e-8)


def test_plain_em_takes_the_m_step_and_nothing_else():
    x, start, target = problem(drawn(0, 2, 2, 200, 1.0), 2, "full")
    steps = list(islice(em(x, start, target, accelerate=False), 30))
    for before, after in zip(steps, steps[1:]):
        np.testing.assert_array_equal(target.update(before.stats).means, after.mixture.means)
    assert [s.passes for s in steps] == list(range(1, 31)) and not any(s.accelerated for s in steps)


# ---- a caller may watch and stop


def test_the_loop_may_be_watched_and_stopped(monkeypatch):
    passes, real = [], module.e_step
    monkeypatch.setattr(module, "e_step", lambda *a, **k: passes.append(1) or real(*a, **k))
    loop = em(*problem(heavily_overlapping(), 3, "full"))
    seen = [next(loop) for _ in range(40)]
    loop.close()
    assert len(passes) == seen[-1].passes and seen[0].decrement == np.inf and any(s.accelerated for s in seen)


# ---- invariances


@pytest.mark.parametrize("alias", ["full", "tied", "diag"])
@PRIORS
def test_units_do_not_change_the_path(alias, prior):
    x, k = drawn(7, 3, 3, 600, 1.5), 3
    units = np.array([2.0**20, 2.0**-10, 1.0])
    (a, _, _), (b, _, _) = (climb(*problem(rows, k, alias, prior)) for rows in (x, x * units))
    jacobian = len(x) * np.log(units).sum()
    assert a.passes == b.passes
    np.testing.assert_allclose(b.log_likelihood + jacobian, a.log_likelihood, rtol=1e-10)
    np.testing.assert_allclose(b.mixture.means / units, a.mixture.means, rtol=1e-6)


def test_a_million_times_the_units_and_another_origin():
    x = drawn(7, 3, 3, 600, 1.5)
    (a, _, _), (b, _, _) = (climb(*problem(rows, 3, "full")) for rows in (x, 1e6 * x + [1e6, 0.0, -3e6]))
    assert abs(a.passes - b.passes) <= 3
    np.testing.assert_allclose(b.log_likelihood + 3 * len(x) * np.log(1e6), a.log_likelihood, rtol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 300.0])
@EACH
def test_single_rows_are_fitted_as_the_same_rows_in_double(alias, offset):
    x = (bg.load_dataset("faithful").to_numpy(dtype=float) + offset).astype(np.float32)
    wide = x.astype(float)
    fit, exact = (bg.fit_mle(rows, 2, covariance_type=alias, starts=2, seed=0, progress=False) for rows in (x, wide))
    assert fit.converged and (np.diff(fit.history) >= -1e-12 * abs(fit.log_likelihood)).all()
    assert fit.history[-1] == fit.log_likelihood
    np.testing.assert_allclose(fit.log_likelihood, exact.log_likelihood, rtol=1e-11)
    mixture = fit.mixture
    expected = log_likelihood(wide, mixture.weights, mixture.means, mixture.covariances)
    np.testing.assert_allclose(fit.log_likelihood, expected, rtol=1e-9)
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(mixture, name), getattr(exact.mixture, name), rtol=1e-6, atol=1e-6)
    for name in ("entropy", "log_certainty", "n_obs"):
        np.testing.assert_allclose(getattr(fit, name), getattr(exact, name), rtol=1e-5)


def test_single_rows_are_climbed_in_single_and_finished_in_double():
    x, start, target = problem(heavily_overlapping().astype(np.float32), 3, "tied")
    singles = [s.single for s in islice(em(x, start, target), 80)]
    assert singles[0] and not singles[-1] and singles == sorted(singles, reverse=True)
    step, history, converged = climb(x, start, target)
    exact = climb(x.astype(float), start, target)[0]
    assert converged and not step.single and np.all(np.diff(history) >= -1e-10)
    np.testing.assert_allclose(step.objective, exact.objective, rtol=1e-11)


def test_single_rows_far_from_the_origin_end_in_double_too():
    x = (bg.load_dataset("faithful").to_numpy(dtype=float) + 1e4).astype(np.float32)
    rows, start, target = problem(x.astype(float), 2, "full")
    (step, _, converged), (exact, _, _) = climb(x, start, target), climb(rows, start, target)
    assert converged and step.passes < 60
    np.testing.assert_allclose(step.objective, exact.objective, rtol=1e-10)


def test_the_memory_layout_does_not_matter():
    x = drawn(2, 2, 3, 300, 2.0)
    fits = [bg.fit_mle(rows, 2, starts=2, seed=0, progress=False) for rows in (x, np.asfortranarray(x))]
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, rel=1e-13)


# ---- at the edge


def test_a_weight_of_zero_does_no_harm():
    x = drawn(4, 2, 2, 300, 2.0)
    _, start, target = problem(x, 3, "full", "conjugate")
    start = bg.Mixture(np.array([0.6, 0.4, 0.0]), start.means, start.covariances)
    step, history, converged = climb(x, start, target)
    assert converged and step.mixture.weights[2] == 0.0 and np.isfinite(history).all()


# ---- its parts


@EACH
def test_a_frame_takes_a_vector_to_a_mixture_and_back(alias):
    x, start, target = problem(drawn(0, 3, 2, 300, 1.0), 3, alias)
    here, there = (s.mixture for s in islice(em(x, start, target), 2))
    frame = Frame(here, 300.0)
    assert np.abs(frame.toward(here)).max() < 1e-12
    for share in (1e-2, 1e-3):
        short = share * frame.toward(there)
        back = frame.toward(frame.at(short, target.family))
        np.testing.assert_allclose(back, short, rtol=0, atol=0.5 * share * np.abs(short).max())
    far = frame.at(1e9 * frame.toward(there), target.family, radius=1.0)
    assert (np.linalg.eigvalsh(far.covariances) > 0).all() and abs(far.weights.sum() - 1) < 1e-12


def test_length_is_gain_to_first_order():
    """‖f‖² is twice what EM's step gains of Q, whatever the units: the frame's metric is the complete rows'."""
    x, start, target = problem(drawn(0, 2, 2, 4000, 3.0), 2, "full")
    steps = list(islice(em(x, start, target, accelerate=False), 3))
    first, second = steps[1:]
    f = Frame(first.mixture, 4000.0).toward(target.update(first.stats))
    gain = second.objective - first.objective
    assert 0.4 * (f @ f) < gain < 2.0 * (f @ f)


def test_curvature_is_exact_on_a_quadratic():
    rng = np.random.default_rng(0)
    rates, turn = np.array([1.0, 0.5, 0.1, 0.01]), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    left = turn @ np.diag(rates) @ turn.T
    curvature, point = Curvature(), rng.normal(size=4)
    for _ in range(12):
        f = -left @ point
        step = curvature.direction(f)
        curvature.learn(step, left @ step)
        point = point + step
    f = -left @ rng.normal(size=4)
    np.testing.assert_allclose(curvature.direction(f), np.linalg.solve(left, f), rtol=0.05, atol=0.5)
    assert curvature.decrement(f) >= 0.5 * f @ np.linalg.solve(left, f)


def test_nothing_known_is_an_em_step_and_an_unknown_decrement():
    f = np.array([1.0, 2.0])
    curvature = Curvature()
    np.testing.assert_array_equal(curvature.direction(f), f)
    curvature.learn(f, -f)
    assert not curvature.is_known and curvature.decrement(f) == np.inf
