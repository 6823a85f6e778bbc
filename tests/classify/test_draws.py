"""Classes drawn from their posteriors: closed forms of one Gaussian a class, coverage, and what cannot be drawn."""

import numpy as np
import pytest
from scipy.stats import binom, multivariate_t

import bayesgmm as bg
from bayesgmm.classify import ClassifierDraws
from bayesgmm.draws.mixtures import from_arrays

from .made_up import sequences

ONE = {"n_components": 1, "covariance_types": "full", "progress": False}
PRIOR = bg.Conjugate(mean=[0.0, 0.0], shrinkage=0.5, dof=6.0, scale=np.eye(2))


def updated(x, prior=PRIOR):
    """Constants of the posterior of one Gaussian under the conjugate prior (Gelman et al. 2013, section 3.6)."""
    n, d = x.shape
    gap = x.mean(axis=0) - prior.mean
    kappa, dof = prior.shrinkage + n, prior.dof + n
    scale = prior.scale + n * np.cov(x.T, bias=True) + prior.shrinkage * n / kappa * np.outer(gap, gap)
    return (prior.shrinkage * np.asarray(prior.mean) + n * x.mean(axis=0)) / kappa, kappa, dof, scale


def drawn(x, rng, n_draws, prior=PRIOR):
    """Draws (M, …) from that posterior, by SciPy."""
    from scipy.stats import invwishart

    mean, kappa, dof, scale = updated(x, prior)
    covariances = invwishart(dof, scale).rvs(n_draws, random_state=rng)
    noise = rng.standard_normal((n_draws, len(mean)))
    return mean + np.einsum("mij,mj->mi", np.linalg.cholesky(covariances / kappa), noise), covariances


def exactly(classifier, x, labels, rng, n_draws, prior=PRIOR):
    """The classes of a classifier drawn from their closed-form posteriors."""
    trees = {}
    for name in classifier.classes:
        means, covariances = drawn(x[labels == name], rng, n_draws, prior)
        trees[name] = from_arrays(np.ones((1, n_draws, 1)), means[None, :, None], covariances[None, :, None])
    return ClassifierDraws(classifier, trees)


@pytest.mark.slow
def test_the_predictive_probability_of_one_gaussian_is_that_of_students_t():
    x, labels, _ = sequences(n_groups=45, length=2)
    fit = bg.fit_classifier(x, labels, **ONE)
    found = bg.sample_classifier(fit, x, labels, prior=PRIOR, engine="gibbs", draws=1000, tune=10, chains=2, seed=1,
                                 progress=False)  # fmt: skip
    densities = []
    for name, mixtures in zip(fit.classes, found.mixtures):
        mean, kappa, dof, scale = updated(x[labels == name])
        df = dof - 2 + 1
        density = multivariate_t(mean, scale * (kappa + 1) / (kappa * df), df).pdf(x)
        each = np.exp(mixtures.log_prob(x))
        error = each.std(axis=0) / np.sqrt(len(each))  # one component: draws of Gibbs are independent
        near = error < 0.05 * density
        assert near.sum() > 20
        assert (np.abs(each.mean(axis=0) - density) < 5 * error)[near].all()
        densities.append(each.mean(axis=0))
    expected = fit.class_prior * np.stack(densities, axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities(x), expected, rtol=1e-9)
    np.testing.assert_allclose(found.predict_proba(x)["probability"], expected, rtol=1e-9)


def test_what_is_said_of_draws_written_out():
    x, labels, groups = sequences(n_groups=30, length=3)
    fit = bg.fit_classifier(x, labels, groups=groups, **ONE).tempered(0.5)
    found = exactly(fit, x, labels, np.random.default_rng(0), 50)
    one = [np.stack([found.mixtures[c].mixture(m).log_prob(x) for m in range(50)]) for c in range(3)]
    names, first = np.unique(groups, return_index=True)
    order = np.argsort(first)
    sums = np.array([[[values[m, groups == g].sum() for values in one] for g in names[order]] for m in range(50)])
    joint = np.exp(0.5 * sums) * fit.class_prior
    each = joint / joint.sum(axis=2, keepdims=True)
    p = found.predict_proba(x, groups, ci_prob=0.8)
    assert p["group"].values.tolist() == names[order].tolist() and p["class"].values.tolist() == list(fit.classes)
    np.testing.assert_allclose(p["mean"], each.mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(p["lower"], np.quantile(each, 0.1, axis=0), rtol=1e-8)
    np.testing.assert_allclose(p["upper"], np.quantile(each, 0.9, axis=0), rtol=1e-8)
    average = joint.mean(axis=0)
    np.testing.assert_allclose(p["probability"], average / average.sum(axis=1, keepdims=True), rtol=1e-8)
    np.testing.assert_array_equal(found.predict(x, groups), np.array(fit.classes)[average.argmax(axis=1)])


def test_blocks_of_groups_change_nothing(monkeypatch):
    from bayesgmm.classify import draws

    x, labels, groups = sequences(n_groups=30, length=3)
    found = exactly(bg.fit_classifier(x, labels, groups=groups, **ONE), x, labels, np.random.default_rng(0), 20)
    whole = found.predict_proba(x, groups)
    monkeypatch.setattr(draws, "_BLOCK", 20 * 3 * 7)  # seven rows at a time
    assert len(list(found._blocks(found._rows(x, groups)))) > 5
    assert whole.equals(found.predict_proba(x, groups))


@pytest.mark.slow
def test_intervals_cover_and_narrow():
    """Classes drawn from the prior: 80 % intervals of P(class | x, θ) hold the truth in 80 % of data sets."""
    rng, inside, widths, trials = np.random.default_rng(7), 0, {}, 150
    prior = bg.Conjugate(mean=[0.0, 0.0], shrinkage=0.5, dof=8.0, scale=4 * np.eye(2))
    for n in (20, 320):
        widths[n] = []
        for _ in range(trials if n == 20 else 20):
            _, means, covariances = prior.draw(2, 1, seed=rng)
            truth = [bg.Mixture([1.0], m, s) for m, s in zip(means, covariances)]
            x = np.concatenate([one.sample(n, seed=rng)[0] for one in truth])
            labels = np.repeat([0, 1], n)
            new = x[rng.integers(len(x))][None]
            true = np.exp(truth[0].log_prob(new) - np.logaddexp(truth[0].log_prob(new), truth[1].log_prob(new)))[0]
            fit = bg.fit_classifier(x, labels, model="gaussians", covariance_types="VVV", progress=False)
            p = exactly(fit, x, labels, rng, 400, prior).predict_proba(new, ci_prob=0.8)
            lower, upper = float(p["lower"][0, 0]), float(p["upper"][0, 0])
            widths[n].append(upper - lower)
            inside += n == 20 and lower <= true <= upper
    assert binom.cdf(inside, trials, 0.8) > 1e-3 and binom.sf(inside - 1, trials, 0.8) > 1e-3
    assert np.mean(widths[320]) < 0.6 * np.mean(widths[20])


@pytest.mark.slow
def test_rows_that_count_for_less_widen_the_intervals():
    x, labels, _ = sequences(n_groups=90, length=2, spread=0.8)
    fit = bg.fit_classifier(x, labels, **ONE)
    how = {"prior": PRIOR, "draws": 100, "tune": 100, "chains": 2, "seed": 1, "progress": False}
    wide = [bg.sample_classifier(fit, x, labels, row_weight=w, **how).predict_proba(x[:20]) for w in (1.0, 0.1)]
    width = [float((p["upper"] - p["lower"]).mean()) for p in wide]
    assert width[1] > 2 * width[0]


@pytest.mark.parametrize(
    ("fitted", "asked", "message"),
    [
        ({"covariance_types": "VEE"}, {}, "class 'ant' cannot be sampled: covariance_type 'VEE' has no prior"),
        ({"covariance_types": "EEE", "model": "gaussians"}, {}, r"share parts of a covariance \(EEE\)"),
        ({}, {"row_weight": 0}, "row_weight must be above 0 and at most 1, not 0"),
        ({}, {"take": slice(1, None)}, "was fitted to .* rows of class 'ant', and x has"),
    ],
)
def test_what_cannot_be_drawn_is_said(fitted, asked, message):
    x, labels, _ = sequences()
    order = np.argsort(labels, kind="stable")
    x, labels = x[order], labels[order]
    fit = bg.fit_classifier(x, labels, **ONE | fitted)
    take = asked.pop("take", slice(None))
    with pytest.raises(ValueError, match=message):
        bg.sample_classifier(fit, x[take], labels[take], progress=False, **asked)


def test_draws_of_some_classes_alone_are_nothing(monkeypatch):
    from bayesgmm import engines

    x, labels, _ = sequences()
    fit, calls = bg.fit_classifier(x, labels, **ONE), []

    def stopped(*arguments, **options):
        calls.append(1)
        tree = from_arrays(np.ones((1, 2, 1)), np.zeros((1, 2, 1, 2)), np.tile(np.eye(2), (1, 2, 1, 1, 1)))
        tree.attrs |= {"incomplete": 1} if len(calls) == 2 else {}
        return tree

    monkeypatch.setattr(engines, "sample", stopped)
    with pytest.raises(KeyboardInterrupt, match="only 1 of 3 classes were finished: nothing is kept"):
        bg.sample_classifier(fit, x, labels, progress=False)
    assert len(calls) == 2
