"""Modes laid over each other: the arithmetic, and draws that have the mass of every mode right."""

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.datasets import load_iris

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.engines.density.folded import Folded
from bayesgmm.engines.density.sampling import POINT, NativeModel
from bayesgmm.engines.density.traced import Traced
from bayesgmm.engines.modes import Mode, heaviest, worth_a_look
from bayesgmm.engines.ways import way_of
from bayesgmm.fit.mode import Summit, summit
from bayesgmm.models import finite_mixture
from bayesgmm.ppl.surface import Surface

SHARE = 0.3  # of the prior's second bump


@pytest.fixture(scope="module")
def two_bumps():
    """A mean with two places to be, twenty standard deviations apart, and one row that hardly says which."""
    x = np.array([[0.4]])
    with pm.Model(coords={"component": [0], "feature": ["a"], "obs": [0]}) as model:
        mean = pm.Flat("mean", dims=("component", "feature"))
        bumps = [np.log(share) - 0.5 * ((mean[0, 0] - m) / s) ** 2 - np.log(s)
                 for share, m, s in ((1 - SHARE, -10.0, 1.0), (SHARE, 10.0, 0.5))]  # fmt: skip
        pm.Potential("bumps", pt.logaddexp(*bumps))
        bg.MarginalGaussianMixture(
            "x", np.ones(1), mean, 10.0 * np.ones((1, 1, 1)), observed=x, dims=("obs", "feature")
        )
    density = Traced(Surface(model))
    summits = [summit(density._program, np.array([start]), 1) for start in (-9.0, 11.0)]
    return density, heaviest(density._program, summits)


def masses(x=0.4, sd=10.0):
    """In closed form: each bump times the normal density of the row under it, and the means there."""
    weights, means, sds = np.array([1 - SHARE, SHARE]), np.array([-10.0, 10.0]), np.array([1.0, 0.5])
    found = weights * norm(means, np.hypot(sds, sd)).pdf(x)
    precision = sds**-2 + sd**-2
    return found / found.sum(), (means / sds**2 + x / sd**2) / precision, precision**-0.5


def test_laplace_gives_the_mass_of_normal_modes_exactly(two_bumps):
    _, modes = two_bumps
    share = np.exp([m.log_mass for m in modes] - logsumexp([m.log_mass for m in modes]))
    np.testing.assert_allclose(share, masses()[0], rtol=1e-6)
    np.testing.assert_allclose([m.point[0] for m in modes], masses()[1], rtol=1e-7)
    np.testing.assert_allclose([m.factor[0, 0] for m in modes], masses()[2], rtol=1e-6)


@pytest.mark.slow
def test_chains_visit_both_modes_in_proportion(two_bumps):
    import nutpie

    density, modes = two_bumps
    folded = Folded(density, modes)
    model = NativeModel(dims={}, density=folded, start=lambda seed: np.random.default_rng(seed).standard_normal(1))
    tree = nutpie.sample(model, draws=2000, tune=500, chains=4, seed=1, progress_bar=False)
    u, which, heights = folded.unfold(tree["posterior"][POINT].values, np.random.default_rng(0))
    share, mean, sd = masses()
    z = norm.ppf(1 - 1e-4 / 10)
    second = (u[..., 0] > 0).astype(float)
    assert ((which == 1) == (second == 1)).mean() > 0.999
    assert abs(second.mean() - share[1]) < z * float(az.mcse(second))
    for j in (0, 1):
        here = u[..., 0][which == j]
        error = sd[j] / np.sqrt(len(here) / 4)  # four draws for one that is independent
        assert abs(here.mean() - mean[j]) < z * error
        assert abs(here.std() / sd[j] - 1) < z / np.sqrt(2 * len(here) / 4)
    np.testing.assert_allclose(heights[0, :5], [density(point)[0] for point in u[0, :5]], rtol=1e-12)


@pytest.fixture(scope="module")
def iris():
    return way_of(finite_mixture(load_iris().data, 3))


def test_the_sum_of_the_pieces_written_out(iris):
    """log q and its gradient, from the formulas of the module's text, with NumPy."""
    folded, modes = iris.folded, _modes(iris)
    assert folded.n_modes == len(modes) > 1
    sizes = [np.linalg.slogdet(m.factor)[1] for m in modes]
    rng, p = np.random.default_rng(2), folded.size

    def expected(v):
        terms = []
        for mode, size in zip(modes, sizes, strict=True):
            u = mode.point + mode.factor @ v
            apart = [np.linalg.solve(m.factor, u - m.point) for m in modes]
            logs = [m.log_mass - s - 0.5 * (4 + p) * np.log1p(z @ z / 4) for m, s, z in zip(modes, sizes, apart)]
            terms.append(iris.function(u)[0] + size + logs[len(terms)] - logsumexp(logs))
        return logsumexp(terms) - sizes[0]

    for scale in (0.0, 0.7, 1.5, 3.0):
        v = scale * rng.standard_normal(p)
        value, gradient = folded(v)
        assert value == pytest.approx(expected(v), rel=1e-10)
        direction = rng.standard_normal(p) / np.sqrt(p)
        slope = (folded(v + 1e-5 * direction)[0] - folded(v - 1e-5 * direction)[0]) / 2e-5
        assert gradient @ direction == pytest.approx(slope, rel=1e-6, abs=1e-5)


def _modes(way):
    """The modes of a folded density, from what it keeps."""
    points, factors = way.folded._points, way.folded._factors
    heights = [way.function(point)[0] for point in points]
    sizes = [np.linalg.slogdet(factor)[1] for factor in factors]
    return [Mode(p, h, f, h + s) for p, h, f, s in zip(points, heights, factors, sizes, strict=True)]


@pytest.mark.slow
def test_chains_agree_on_iris_which_has_a_second_mode():
    """Where a chain that finds the second mode by itself stays there for hundreds of draws."""
    model = finite_mixture(load_iris().data, 3)
    draws = [bg.sample(model, seed=seed, progress=False) for seed in (5, 6)]
    found = [quantities(d, read(d)) for d in draws]
    assert max(float(az.rhat(v.reshape(4, -1))) for q in found for v in q.values()) <= 1.01
    shares = [(d["sample_stats"]["mode"].values > 0).astype(float) for d in draws]
    assert all((share.sum(axis=1) > 0).sum() >= 3 for share in shares)
    error = np.hypot(*(float(az.mcse(share)) for share in shares))
    assert abs(shares[0].mean() - shares[1].mean()) < 4 * error


def test_one_mode_is_a_change_of_coordinates():
    way = way_of(finite_mixture(bg.load_dataset("faithful"), 2))
    assert way.folded.n_modes == 1
    v = np.random.default_rng(0).standard_normal((2, 3, way.folded.size))
    u, modes, heights = way.folded.unfold(v, np.random.default_rng(0))
    assert modes is None and heights is None
    value, gradient = way.folded(v[0, 0])
    at_u = way.function(u[0, 0])
    assert value == pytest.approx(at_u[0], rel=1e-13)
    np.testing.assert_allclose(gradient, way.folded._factors[0].T @ at_u[1], rtol=1e-9, atol=1e-9)
    assert not way.is_far_from_normal()


def test_modes_are_ranked_by_mass_and_none_is_kept_twice():
    """Two normals in the plane: the higher one is narrow and holds less."""
    scales, shares, places = (
        np.array([[0.1, 0.1], [1.0, 2.0]]),
        np.array([0.2, 0.8]),
        np.array([[0.0, 0.0], [30.0, 0.0]]),
    )

    def density(u):
        z = (u - places) / scales
        logs = np.log(shares) - np.log(scales).sum(axis=1) - 0.5 * (z * z).sum(axis=1) - np.log(2 * np.pi)
        value = logsumexp(logs)
        return value, -(np.exp(logs - value)[:, None] * z / scales).sum(axis=0)

    summits = [summit(density, place + 0.05, 1) for place in (*places, *places)]
    modes = heaviest(density, summits)
    np.testing.assert_allclose([m.point for m in modes], places[::-1], atol=1e-6)
    np.testing.assert_allclose(np.exp([m.log_mass for m in modes]), shares[::-1], rtol=1e-6)
    assert modes[0].height < modes[1].height


def test_only_climbs_that_may_matter_are_looked_at():
    counts = np.array([[50.0, 50.0], [50.0, 50.0], [98.0, 2.0], [50.0, 50.0]])
    # The third is a little higher, with an almost empty component; the last is far below.
    chosen = worth_a_look([-100.0, -100.0 + 1e-6, -99.0, -300.0], counts, 6)
    assert sorted(chosen.tolist()) in ([0, 2], [1, 2])


def test_a_mode_without_a_curvature_is_taken_alone():
    many = [Summit(np.zeros(3), [0.0], True, None), Summit(np.ones(3), [0.0], True, None)]
    modes = heaviest(lambda u: (float(u.sum()), u), many)
    assert len(modes) == 1 and modes[0].factor.shape == (3,)
