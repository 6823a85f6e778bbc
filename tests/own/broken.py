"""Stories that break the contract, each in one way, and the words of the sentence that says so."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from pytensor.gradient import disconnected_grad

import bayesgmm as bg

X = np.array([0, 1, 1, 2, 0, 3, 30, 28, 33, 25, 31, 2])


def _model(x, k=2):
    return pm.Model(coords={"component": range(k), "obs": range(len(x))})


def sound(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def a_variable_without_the_dim(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, shape=2)
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def a_variable_per_component(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pt.stack([pm.Gamma(f"rate_{k}", 1.0, 0.1) for k in range(2)])
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def components_that_are_not_alike(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates * np.array([1.0, 2.0])), observed=x, dims="obs")
    return model


def weights_that_do_not_sum_to_one(x):
    with _model(x) as model:
        weights = pm.Beta("weights", 1.0, 1.0, dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def no_component_coordinate(x):
    with pm.Model(coords={"obs": range(len(x))}) as model:
        weights = pm.Dirichlet("weights", np.ones(2))
        rates = pm.Gamma("rates", 1.0, 0.1, shape=2)
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def rows_without_their_dim(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x)
    return model


def a_start_of_its_own(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component", initval=np.array([1.0, 30.0]))
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def an_order(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        logs = pm.Normal("logs", 0.0, 3.0, dims="component", transform=transforms.ordered)
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=pt.exp(logs)), observed=x, dims="obs")
    return model


def a_wrong_gradient(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=disconnected_grad(rates)), observed=x, dims="obs")
    return model


def a_density_summed_over_rows(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        log_probs = pm.logp(pm.Poisson.dist(mu=rates), x[:, None]).sum(axis=0, keepdims=True)
        bg.MarginalMixture("x", weights, log_probs, observed=x, dims="obs")
    return model


def rows_that_depend_on_each_other(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 1.0, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates * x.mean()), observed=x, dims="obs")
    return model


def no_mixture_of_ours(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Gamma("rates", 1.0, 0.1, dims="component")
        pm.Mixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


def a_variable_that_is_discrete(x):
    with _model(x) as model:
        weights = pm.Dirichlet("weights", np.ones(2), dims="component")
        rates = pm.Geometric("rates", 0.1, dims="component")
        bg.MarginalMixture("x", weights, pm.Poisson.dist(mu=rates), observed=x, dims="obs")
    return model


BROKEN = {
    a_variable_without_the_dim: "rates differs between the components but has not the dim 'component'",
    a_variable_per_component: "rate_0 .of component 0., rate_1 .of component 1. belongs to some components alone",
    components_that_are_not_alike: "permuting the components .* does not permute",
    weights_that_do_not_sum_to_one: "the weights must be at least 0 and sum to one",
    no_component_coordinate: "no coordinate 'component'",
    rows_without_their_dim: "give it dims=\\('obs',\\)",
    a_start_of_its_own: "rates has an initval",
    an_order: "logs is ordered",
    a_wrong_gradient: "the gradient by rates is .* but the density rises by",
    a_density_summed_over_rows: "one row for each row that is observed",
    rows_that_depend_on_each_other: "log p of row .* changes when other rows are left out",
    no_mixture_of_ours: "observes 0 mixtures, but a story exactly one",
    a_variable_that_is_discrete: "rates is discrete",
}
