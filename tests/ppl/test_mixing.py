"""`MarginalMixture` against formulas written out with SciPy, and its density on a tape against PyMC's own."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm.ppl.observed import StoryError
from bayesgmm.ppl.open_surface import OpenSurface
from bayesgmm.ppl.parts import parts

PYTHON = Mode(linker="py", optimizer="fast_compile")
RNG = np.random.default_rng(0)
GROUP, COVARIATES = RNG.integers(3, size=20), RNG.normal(size=(20, 2))
COUNTS, REALS, ROWS = RNG.poisson(4, size=20), RNG.normal(size=20), RNG.normal(size=(20, 2))
COORDS = {"component": range(2), "obs": range(20), "group": range(3), "covariate": range(2), "feature": ["a", "b"]}


def counts(**kwargs):
    """Poissons, as a distribution."""
    with pm.Model(coords=COORDS) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 2.0, 0.5, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=COUNTS, dims="obs", **kwargs)
    return model


def counts_of(v):
    return np.log(v["weights"]) + stats.poisson.logpmf(COUNTS[:, None], v["rates"])


def counts_written_out():
    """Poissons, as an expression."""
    with pm.Model(coords=COORDS) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 2.0, 0.5, dims="component")
        log_probs = COUNTS[:, None] * pt.log(rates) - rates - pt.gammaln(COUNTS[:, None] + 1.0)
        bg.MarginalMixture("x", weights, log_probs, observed=COUNTS, dims="obs")
    return model


def regressions_by_group():
    """Regressions, their weights by group."""
    with pm.Model(coords=COORDS) as model:
        weights = pm.Dirichlet("weights", np.ones((3, 2)), dims=("group", "component"))
        slopes = pm.Normal("slopes", 0.0, 2.0, dims=("component", "covariate"))
        sds = pm.HalfNormal("sds", 1.0, dims="component")
        rows = pm.Normal.dist(mu=COVARIATES @ slopes.T, sigma=sds)
        bg.MarginalMixture("x", weights[GROUP], rows, observed=REALS, dims="obs")
    return model


def regressions_of(v):
    each = stats.norm.logpdf(REALS[:, None], COVARIATES @ v["slopes"].T, v["sds"])
    return np.log(v["weights"][GROUP]) + each


def planes():
    """Gaussians of two features and a covariance of their own, by PyMC."""
    with pm.Model(coords=COORDS) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        means = pm.Normal("means", 0.0, 2.0, dims=("component", "feature"))
        rows = pm.MvNormal.dist(mu=means, cov=np.array([[2.0, 0.5], [0.5, 1.0]]))
        bg.MarginalMixture("x", weights, rows, observed=ROWS, dims=("obs", "feature"))
    return model


def planes_of(v):
    cov = [[2.0, 0.5], [0.5, 1.0]]
    each = [stats.multivariate_normal(m, cov).logpdf(ROWS) for m in v["means"]]
    return np.log(v["weights"]) + np.stack(each, axis=1)


STORIES = [(counts, counts_of), (counts_written_out, counts_of), (regressions_by_group, regressions_of),
           (planes, planes_of)]  # fmt: skip


@pytest.fixture(scope="module", params=STORIES, ids=lambda s: s[0].__name__)
def told(request):
    story, formula = request.param
    model = story()
    surface = OpenSurface(model)
    u = surface.start + 0.3 * np.random.default_rng(1).normal(size=surface.start.shape)
    return model, surface, formula, u


def test_parts_and_pointwise_density_are_those_of_the_formula(told):
    model, surface, formula, u = told
    values = surface.free_variables(u)
    wanted = formula(values)
    np.testing.assert_allclose(surface.parts(u)[1], wanted, rtol=1e-10)
    np.testing.assert_allclose(parts(model, values).run(*values.values())[1], wanted, rtol=1e-10)
    values = [model.rvs_to_values[v] for v in model.free_RVs]
    by_row = model.logp(vars=[model["x"]], sum=False)
    outputs, joined = pm.pytensorf.join_nonshared_inputs(model.initial_point(), by_row, values)
    by_row = pytensor.function([joined], outputs[0], mode=PYTHON)(u)
    np.testing.assert_allclose(by_row, logsumexp(wanted, axis=1), rtol=1e-10)


@pytest.mark.parametrize("jacobian", [True, False])
def test_value_and_gradient_are_pymcs(told, jacobian):
    model, surface, _, u = told
    outputs, joined = pm.pytensorf.join_nonshared_inputs(
        model.initial_point(), [model.logp(jacobian=jacobian)], [model.rvs_to_values[v] for v in model.free_RVs]
    )
    wanted, slope = pytensor.function([joined], [outputs[0], pytensor.grad(outputs[0], joined)], mode=PYTHON)(u)
    for value, gradient in (surface.density(jacobian=jacobian)(u), surface.log_posterior(u, jacobian=jacobian)[:2]):
        assert value == pytest.approx(float(wanted), rel=1e-10)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())


def test_an_m_step_climbs_the_expected_log_density(told):
    """Its value is Σ r log p(x, z) + log prior, and its gradient that of central differences."""
    _, surface, formula, u = told
    r = np.random.default_rng(2).dirichlet([1, 1], size=20)
    value, gradient = surface.expected(u, r, jacobian=True)
    likelihood = logsumexp(formula(surface.free_variables(u)), axis=1).sum()
    prior = surface.log_posterior(u, jacobian=True)[0] - likelihood
    assert value == pytest.approx((r * formula(surface.free_variables(u))).sum() + prior, rel=1e-9)
    steps = 1e-6 * np.eye(len(u))
    slopes = [np.diff([surface.expected(u + s * e, r, jacobian=True)[0] for s in (-1, 1)])[0] / 2e-6 for e in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-4)


def test_case_weights_count_rows_so_often():
    twice = OpenSurface(counts(case_weights=np.where(np.arange(20) < 5, 2.0, 1.0)))
    once = OpenSurface(counts())
    u = once.start + 0.1
    values = once.free_variables(u)
    more = logsumexp(counts_of(values), axis=1)[:5].sum()
    assert twice.density()(u)[0] == pytest.approx(once.density()(u)[0] + more, rel=1e-12)


@pytest.mark.parametrize("story", [counts, regressions_by_group, planes], ids=lambda s: s.__name__)
def test_predictions_are_drawn_with_labels(story):
    model = story()
    tree = pm.sample_prior_predictive(30, model=model, random_seed=1, compile_kwargs={"mode": PYTHON})
    assert tree["prior_predictive"]["x"].shape == (1, 30, *((20, 2) if story is planes else (20,)))


def test_rows_are_drawn_from_the_mixture():
    rows = bg.MarginalMixture.dist([0.2, 0.8], pm.Normal.dist(mu=[-50.0, 50.0], sigma=1.0), shape=(20_000,))
    x = pm.draw(rows, random_seed=1, mode=PYTHON)
    share = (x < 0).mean()
    assert abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 20_000)
    assert stats.kstest(x[x > 0] - 50.0, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 5 / np.sqrt(20_000)


def test_an_expression_draws_nothing_but_what_it_is_told():
    with pytest.raises(NotImplementedError, match="say with random= which distribution"):
        pm.sample_prior_predictive(2, model=counts_written_out(), compile_kwargs={"mode": PYTHON})
    log_probs = pt.zeros((4, 2))
    rows = bg.MarginalMixture.dist([0.5, 0.5], log_probs, random=pm.Normal.dist(mu=[0.0, 9.0]), shape=(4,))
    assert pm.draw(rows, random_seed=1, mode=PYTHON).shape == (4,)


def test_shapes_that_do_not_fit_are_refused_with_a_sentence():
    with pm.Model(coords=COORDS), pytest.raises(ValueError, match="one row for each row that is observed"):
        bg.MarginalMixture("x", [0.5, 0.5], pt.zeros((19, 2)), observed=REALS, dims="obs")
    with pytest.raises(ValueError, match="weights must be"):
        bg.MarginalMixture.dist(0.5, pm.Poisson.dist(mu=[1.0, 2.0]), shape=(3,))
    with pytest.raises(ValueError, match="missing value in row 1"), pm.Model(coords=COORDS):
        bg.MarginalMixture("x", [0.5, 0.5], pm.Normal.dist(mu=[0.0, 1.0]), observed=np.array([0.0, np.nan]))


def test_a_story_without_components_is_refused_with_a_sentence():
    with pm.Model(coords={"obs": range(20)}) as model:
        bg.MarginalMixture("x", [0.5, 0.5], pm.Normal.dist(mu=[0.0, 1.0]), observed=REALS, dims="obs")
    with pytest.raises(StoryError, match="no coordinate 'component'"):
        bg.fit_map(model)
