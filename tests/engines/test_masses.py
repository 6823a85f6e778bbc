"""Bridge sampling against integrals in closed form, and what a diagnosis says of chains in different modes."""

import numpy as np
import pytest
from scipy.special import multigammaln
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.draws import from_arrays
from bayesgmm.engines.density import density_of
from bayesgmm.engines.masses import Mass, log_mass, mode_masses, shares
from bayesgmm.engines.modes import Mode
from bayesgmm.engines.sweeps import sweep
from bayesgmm.fit.mode import summit
from bayesgmm.models import finite_mixture


def evidence(x, prior) -> float:
    """log p(x) of one normal under the conjugate prior (Murphy 2007, equation 266)."""
    n, d = x.shape
    shrinkage, dof, gap = prior.shrinkage + n, prior.dof + n, x.mean(axis=0) - prior.mean
    centred = x - x.mean(axis=0)
    scale = prior.scale + centred.T @ centred + prior.shrinkage * n / shrinkage * np.outer(gap, gap)
    logs = [np.linalg.slogdet(s)[1] for s in (prior.scale, scale)]
    found = multigammaln(dof / 2, d) - multigammaln(prior.dof / 2, d) + 0.5 * (prior.dof * logs[0] - dof * logs[1])
    return float(found + 0.5 * d * np.log(prior.shrinkage / shrinkage) - 0.5 * n * d * np.log(np.pi))


@pytest.mark.slow
def test_the_evidence_of_one_normal():
    x = bg.load_dataset("faithful").to_numpy(float)[:40]
    model = finite_mixture(x, 1)
    density, prior = density_of(model), bg.scale_prior("conjugate", x, 1)
    draws = bg.sample(model, engine="gibbs", draws=1000, seed=1, progress=False)["posterior"]
    point = [bg.Mixture(*(draws[n].values[c, m] for n in ("weights", "means", "covariances")))
             for c in range(4) for m in range(1000)]  # fmt: skip
    points = np.array([density.place(mixture) for mixture in point]).reshape(4, 1000, -1)
    found = log_mass(density, points, np.random.default_rng(0))
    assert found.standard_error < 0.02
    assert abs(found.log_value - evidence(x, prior)) < norm.ppf(1 - 0.5e-4) * found.standard_error


def test_a_known_integral_of_correlated_draws():
    """A normal times a number, from draws that are an autoregression."""
    rng, rho, log_total = np.random.default_rng(3), 0.8, 7.5
    noise = rng.standard_normal((4, 3000, 2)) * np.sqrt(1 - rho**2)
    draws = np.empty_like(noise)
    draws[:, 0] = rng.standard_normal((4, 2))
    for t in range(1, 3000):
        draws[:, t] = rho * draws[:, t - 1] + noise[:, t]
    factor = np.array([[2.0, 0.0], [1.5, 0.3]])

    def density(u):
        z = np.linalg.solve(factor, u)
        return log_total - 0.5 * z @ z - np.log(2 * np.pi) - np.log(0.6), None

    errors = []
    for seed in range(20):
        found = log_mass(density, draws @ factor.T, np.random.default_rng(seed))
        errors.append((found.log_value - log_total) / max(found.standard_error, 1e-12))
    assert np.abs(errors).max() < 5


def test_shares_and_what_is_not_known():
    found, error = shares([Mass(0.0, 0.1), Mass(np.log(3.0), 0.1)])
    np.testing.assert_allclose(found, [0.25, 0.75])
    np.testing.assert_allclose(error, 0.25 * 0.75 * np.hypot(0.1, 0.1))
    assert shares([Mass(0.0, 0.1), Mass(0.0, 0.9)]) is None
    assert shares([Mass(0.0, 0.1), Mass(np.nan, np.inf)]) is None


@pytest.mark.slow
def test_chains_in_two_modes_are_told_with_their_masses():
    """Three clusters and K = 2: chains that begin in {near | far} or in {near, far | farther} do not cross."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(m, 1, 40) for m in (0, 7, 20)])[:, None]
    density = density_of(finite_mixture(x, 2))
    begin = [density.place(split_at(x, middle)) for middle in (3.5, 13.0)]
    modes = [Mode.at(s.history[-1], s.point, s.curvature) for s in (summit(density, u, len(x)) for u in begin)]
    keys = np.random.SeedSequence(0).generate_state(8, np.uint64).reshape(4, 2)
    points = np.array([sweep(density, begin[c // 2], key, 0, 1500).points[500:] for c, key in enumerate(keys)])
    found = density.variables(points)
    tree = from_arrays(*(found[name] for name in ("weights", "means", "covariances")), x=x)
    assert "mass unknown" in bg.diagnose(tree).text
    tree.attrs |= mode_masses(tree, density, points, rng)
    assert tree.attrs["mode_groups"] == [0, 0, 1, 1]
    by_laplace = modes[0].log_mass - modes[1].log_mass
    shares_, errors = tree.attrs["mode_shares"], tree.attrs["mode_shares_se"]
    assert np.log(shares_[0] / shares_[1]) == pytest.approx(by_laplace, abs=0.5) and max(errors) < 0.02
    told = bg.diagnose(tree)
    assert told.verdict == "different modes" and "by bridge sampling" in told.text and "chains 0, 1: mass" in told.text


def split_at(x, middle) -> bg.Mixture:
    parts = [x[x[:, 0] < middle], x[x[:, 0] >= middle]]
    shares_ = np.array([len(part) for part in parts]) / len(x)
    return bg.Mixture(shares_, [p.mean(axis=0) for p in parts], [np.atleast_2d(np.cov(p.T)) for p in parts])
