"""Threads: the same bits whatever their number, also where several callers are at work at once, or have forked."""

import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm import fit_mle
from bayesgmm.kernel import e_step, plan, set_threads, threads

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))


@pytest.fixture(autouse=True)
def as_before():
    before = threads()
    yield
    set_threads(before)


def under(n, work):
    set_threads(n)
    return work()


def random_problem(seed):
    """A mixture, rows enough for several ranges, and how to evaluate them."""
    rng = np.random.default_rng(seed)
    alias, d, k = here.CODES[seed % 4], int(rng.integers(1, 7)), int(rng.integers(1, 5))
    if seed % 20 == 0:
        alias, d, k = "full", int(rng.integers(24, 28)), int(rng.integers(2, 5))
    mixture = here.mixture_of(alias, k=k, d=d, seed=seed)
    factors = mixture.whitening.factors
    width = d if factors.ndim == 3 else 1
    n = int(rng.integers(3, 6)) * plan.RANGE_WORK // (k * d * (width + 8))
    n = max(n, 3 * plan.batch_rows(k, d, width)) + int(rng.integers(0, 300))
    assert plan.n_ranges(n, k, d, width) >= 3
    weights = rng.uniform(0, 2, n) if rng.integers(2) else None
    options = {"assign": str(rng.choice(["soft", "hard", "draw"])), "seed": seed, "single": bool(rng.integers(2)),
               "pointwise": bool(rng.integers(2)), "responsibilities": True}  # fmt: skip
    x = 3 * rng.normal(size=(n, d))
    return lambda: e_step(x, mixture, weights, **options)


@pytest.mark.parametrize("ten", range(20))
def test_any_number_of_threads_gives_the_same_bits(ten):
    for seed in range(10 * ten, 10 * ten + 10):
        work = random_problem(seed)
        one = under(1, work)
        for n in (2, 3):
            here.assert_same_bits(under(n, work), one)
        assert np.isfinite(one[0]).all()


@pytest.mark.parametrize("alias", here.CODES)
def test_a_fit_is_the_same_whatever_the_number_of_threads(alias):
    x = here.mixture_of(alias, spread=4.0).sample(40_000, seed=0)[0]

    def fit():
        return fit_mle(x, 3, covariance_type=alias, starts=2, seed=1, progress=False)

    one, two = under(1, fit), under(2, fit)
    assert one.log_likelihood == two.log_likelihood
    np.testing.assert_array_equal(one.history, two.history)
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(one.mixture, name), getattr(two.mixture, name))


def test_four_chains_in_four_threads_get_their_own_numbers():
    from concurrent.futures import ThreadPoolExecutor

    works = [random_problem(seed) for seed in (0, 1, 2, 3)]
    expected = [under(1, work) for work in works]
    set_threads(2)
    with ThreadPoolExecutor(4) as chains:
        jobs = [chains.submit(lambda work=work: [work() for _ in range(15)]) for work in works]
        # A deadlock is a time-out: the calls take some seconds together.
        for job, right in zip(jobs, expected, strict=True):
            for found in job.result(timeout=120):
                here.assert_same_bits(found, right)


def test_threads_are_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        set_threads(0)


def test_the_environment_says_how_many_threads_there_are():
    program = "from bayesgmm.kernel import threads; print(threads())"
    root = Path(__file__).resolve().parents[2]
    for asked, found in (("3", "3"), ("1", "1")):
        env = {**os.environ, "BAYESGMM_THREADS": asked, "PYTHONPATH": str(root)}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_can_use_threads():
    x, mixture = here.rows(60_000), here.mixture_of("full")
    set_threads(2)
    expected = e_step(x, mixture)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        import signal

        signal.alarm(20)
        os._exit(0 if (e_step(x, mixture)[0] == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
