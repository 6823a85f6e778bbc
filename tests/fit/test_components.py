"""EM for components of one's own, and the modes of their stories, against optimisers that know nothing of EM."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

import bayesgmm as bg
from bayesgmm.models import poisson_mixture


@dataclass(frozen=True)
class Poissons:
    rates: np.ndarray

    def log_prob(self, x):
        return stats.poisson.logpmf(x[:, None], self.rates)

    @classmethod
    def m_step(cls, x, r):
        return cls(x @ r / r.sum(axis=0))

    @property
    def n_parameters(self):
        return len(self.rates)


@dataclass(frozen=True)
class Gaussians:
    """Several features, full covariances: what `fit_mle` fits."""

    means: np.ndarray
    covariances: np.ndarray

    def log_prob(self, x):
        each = zip(self.means, self.covariances)
        return np.stack([stats.multivariate_normal(m, c).logpdf(x) for m, c in each], axis=1)

    @classmethod
    def m_step(cls, x, r):
        means = r.T @ x / r.sum(axis=0)[:, None]
        covariances = [np.cov(x.T, aweights=w, ddof=0) for w in r.T]
        return cls(means, np.array(covariances))


def simulated(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.poisson(np.array([2.0, 9.0, 25.0])[rng.choice(3, size=n, p=[0.5, 0.3, 0.2])])


def directly(x, k, weights=1.0):
    """The best likelihood that BFGS finds, from several starts."""

    def lost(u):
        log_joint = log_softmax(u[:k]) + stats.poisson.logpmf(x[:, None], np.exp(u[k:]))
        return -(weights * logsumexp(log_joint, axis=1)).sum()

    starts = (np.r_[np.zeros(k), np.log(np.quantile(x + 0.5, q))] for q in ([0.2, 0.6, 0.95], [0.1, 0.5, 0.8]))
    found = [minimize(lost, start, method="BFGS", options={"gtol": 1e-8}) for start in starts]
    return min(found, key=lambda f: f.fun)


def test_em_reaches_what_bfgs_reaches_and_recovers_the_simulation():
    x = simulated()
    fit, best = bg.fit_components(x, Poissons, 3, seed=0, progress=False), directly(x, 3)
    assert fit.converged and fit.log_likelihood == pytest.approx(-best.fun, abs=1e-5)
    np.testing.assert_allclose(np.sort(fit.components.rates), np.sort(np.exp(best.x[3:])), rtol=1e-3)
    # A rate of N_k rows is known to √(λ_k / N_k), and overlap costs less than twice that.
    sds = 2 * np.sqrt(np.array([2.0, 9.0, 25.0]) / (400 * np.array([0.5, 0.3, 0.2])))
    assert (np.abs(np.sort(fit.components.rates) - [2.0, 9.0, 25.0]) < 3 * sds).all()


def test_em_never_falls_and_ends_in_a_fixed_point():
    x = simulated(seed=1)
    fit = bg.fit_components(x, Poissons, 2, seed=0, progress=False)
    assert (np.diff(fit.history) > -1e-9 * abs(fit.log_likelihood)).all()
    again = Poissons.m_step(x, fit.responsibilities)
    np.testing.assert_allclose(again.rates, fit.components.rates, rtol=1e-4)
    log_joint = np.log(fit.weights) + fit.components.log_prob(x)
    assert logsumexp(log_joint, axis=1).sum() == pytest.approx(fit.log_likelihood, rel=1e-12)
    assert fit.bic == pytest.approx(-2 * fit.log_likelihood + 3 * np.log(400))


def test_gaussians_of_ones_own_end_where_fit_mle_does():
    x = bg.load_dataset("faithful").to_numpy(float)
    ours, theirs = bg.fit_components(x, Gaussians, 2, seed=0, progress=False), bg.fit_mle(x, 2, seed=0, progress=False)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, abs=1e-5)


def test_case_weights_are_rows_counted_so_often():
    x, weights = np.unique(simulated(), return_counts=True)
    grouped = bg.fit_components(x, Poissons, 3, case_weights=weights, seed=0, progress=False)
    single = bg.fit_components(simulated(), Poissons, 3, seed=0, progress=False)
    assert grouped.log_likelihood == pytest.approx(single.log_likelihood, abs=1e-5) and grouped.n_obs == 400


def test_groups_have_weights_of_their_own():
    rng = np.random.default_rng(2)
    group = np.repeat(["a", "b"], 300)
    share = np.where(group == "a", 0.9, 0.2)
    x = rng.poisson(np.where(rng.random(600) < share, 2.0, 20.0))
    fit = bg.fit_components(x, Poissons, 2, groups=group, seed=0, progress=False)
    low = fit.components.rates.argmin()
    assert fit.weights.shape == (600, 2)
    for name, wanted in (("a", 0.9), ("b", 0.2)):
        assert abs(fit.weights[group == name][0, low] - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 300)


def test_wrong_components_get_a_sentence():
    x = simulated()

    class Falls(Poissons):
        @classmethod
        def m_step(cls, x, r):
            return cls(x @ r**3 / (r**3).sum(axis=0) * 1.3)

    class Flat(Poissons):
        def log_prob(self, x):
            return super().log_prob(x).sum(axis=0)

    class NotANumber(Poissons):
        def log_prob(self, x):
            return np.full((len(x), len(self.rates)), np.nan)

    for wrong, sentence in ((Falls, "the log-likelihood fell from"), (Flat, "a row for each row and a column"),
                            (NotANumber, "not a number for component 0")):  # fmt: skip
        with pytest.raises(ValueError, match=sentence):
            bg.fit_components(x, wrong, 2, seed=0, progress=False)
    with pytest.raises(ValueError, match="groups must be 400 labels"):
        bg.fit_components(x, Poissons, 2, groups=[1, 2], progress=False)
    with pytest.raises(ValueError, match="give them n_parameters"):
        _ = bg.fit_components(bg.load_dataset("faithful").to_numpy(float), Gaussians, 1, starts=1, progress=False).bic


def test_the_mode_of_a_story_is_that_of_its_formula():
    """Dirichlet(2) and Gamma(3, 0.2): the log posterior written out, its top found without our gradient."""
    x = simulated(200, seed=3)
    model = poisson_mixture(x, 3, concentration=2.0, shape=3.0, rate=0.2)
    fit = bg.fit_map(model, seed=0, progress=False)

    def height(weights, rates):
        prior = stats.dirichlet(np.full(3, 2.0)).logpdf(weights) + stats.gamma(3.0, scale=5.0).logpdf(rates).sum()
        return logsumexp(np.log(weights) + stats.poisson.logpmf(x[:, None], rates), axis=1).sum() + prior

    at = np.r_[np.log(fit.weights), np.log(fit.components["rates"])]

    def lost(u):
        weights = np.exp(log_softmax(u[:3]))
        return -height(weights / weights.sum(), np.exp(u[3:]))

    best = minimize(lost, at + 0.1, method="BFGS")
    assert fit.log_posterior == pytest.approx(height(fit.weights, fit.components["rates"]), rel=1e-10)
    assert fit.converged and fit.log_posterior == pytest.approx(-best.fun, abs=1e-5)
    np.testing.assert_allclose(fit.responsibilities.sum(axis=1), 1.0)


def test_counts_that_are_none_are_refused_with_a_sentence():
    for rows, sentence in (([1, 2.5], "row 1 is 2.5"), ([1, -1], "row 1 is -1"), ([0, 0], "every count is 0")):
        with pytest.raises(ValueError, match=sentence):
            poisson_mixture(rows, 2)
    with pytest.raises(ValueError, match="exposure must be finite and above 0, but in row 1"):
        poisson_mixture([1, 2], 2, exposure=[1.0, 0.0])
    with pytest.raises(ValueError, match="one column of counts"):
        poisson_mixture(np.ones((4, 2)), 2)
