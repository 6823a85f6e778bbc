"""A battery of posteriors whose trouble is known: over twenty seeds each, the right verdict in at least nineteen."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.draws import diagnose, relabel
from bayesgmm.draws.verdicts import VERDICTS
from bayesgmm.models import finite_mixture

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))
SEEDS, RIGHT = range(20), 19
ROWS = synthetic.truth().sample(60, seed=1)[0]


def sound(seed):
    """As many draws as `sample` takes: of 300 a chain, independent ones too have an R-hat above 1.01 now and then."""
    return synthetic.posterior(synthetic.truth(), seed, n=1000)


def switching(seed):
    return synthetic.shuffled(sound(seed), synthetic.random_orders(sound(seed), seed))


def chains_in_other_labels(seed):
    orders = np.repeat([[0, 1, 2], [0, 1, 2], [2, 0, 1], [0, 1, 2]], 1000, axis=0)
    return synthetic.shuffled(sound(seed), orders)


def elsewhere(seed):
    """Two of the components merged, the third split."""
    m = synthetic.truth()
    means = np.array([m.means[:2].mean(axis=0), m.means[2] - 0.5, m.means[2] + 0.5])
    covariances = np.array([np.cov(m.sample(4000, seed=0)[0].T) / 3, m.covariances[2], m.covariances[2]])
    return synthetic.posterior(bg.Mixture([0.55, 0.25, 0.2], means, covariances, features=m.features), seed, x=ROWS)


def one_chain_in_another_mode(seed):
    return synthetic.with_chain(synthetic.posterior(synthetic.truth(), seed, x=ROWS), 2, elsewhere(seed))


def two_chains_in_each_mode(seed):
    return synthetic.with_chain(one_chain_in_another_mode(seed), 0, elsewhere(seed))


def a_chain_that_is_stuck(seed):
    draws = sound(seed)
    for variable in draws["posterior"].data_vars.values():
        variable.values[1] = variable.values[1, :1]
    return draws


def chains_that_drift(seed):
    draws = sound(seed)
    draws["posterior"]["means"].values[...] += np.linspace(0, 1, 1000)[None, :, None, None]
    return draws


def a_chain_that_left_for_another_mode(seed):
    draws, other = synthetic.posterior(synthetic.truth(), seed, x=ROWS), elsewhere(seed)
    for variable, new in zip(draws["posterior"].data_vars.values(), other["posterior"].data_vars.values(), strict=True):
        variable.values[3, 150:] = new.values[3, 150:]
    return draws


def too_few(seed):
    return synthetic.posterior(synthetic.truth(), seed, n=40)


def draws_that_hang_together(seed):
    """An autoregression: the same stationary law, with a fortieth of the information."""
    rng, rho = np.random.default_rng(seed), 0.95
    draws = synthetic.posterior(synthetic.truth(), seed, n=1000)
    noise = rng.standard_normal((4, 1000)) * np.sqrt(1 - rho**2)
    walk = np.empty_like(noise)
    walk[:, 0] = rng.standard_normal(4)
    for t in range(1, 1000):
        walk[:, t] = rho * walk[:, t - 1] + noise[:, t]
    draws["posterior"]["means"].values[...] += 0.3 * walk[:, :, None, None]
    return draws


def divergent(seed):
    return synthetic.posterior(synthetic.truth(), seed, diverging=7)


def slow_energy(seed):
    draws, rng = sound(seed), np.random.default_rng(seed)
    energy = 0.3 * (rng.standard_normal((4, 1000)).cumsum(axis=1) + rng.standard_normal((4, 1000)))
    draws["sample_stats"] = draws["sample_stats"].to_dataset().assign(energy=(("chain", "draw"), energy))
    return draws


def heavy_weights(seed):
    draws = sound(seed)
    draws.attrs["pareto_k"] = 0.9
    return draws


def an_empty_component(seed):
    m = synthetic.truth()
    empty = bg.Mixture([0.49, 0.49, 0.02], m.means, m.covariances, features=m.features)
    return synthetic.posterior(empty, seed, x=ROWS)


def overlapping(seed):
    return relabel(synthetic.posterior(synthetic.truth(2, 1, apart=0.3), seed, noise=0.3))


def duplicated_rows(seed):
    """Every row four times, sampled: the likelihood has no end at them, the posterior has."""
    model = finite_mixture(np.repeat(bg.load_dataset("faithful").to_numpy(float)[::8], 4, axis=0), 2)
    return bg.sample(model, seed=seed, progress=False)


CASES = {
    sound: "sound",
    switching: "label switching",
    chains_in_other_labels: "label switching",
    one_chain_in_another_mode: "different modes",
    two_chains_in_each_mode: "different modes",
    a_chain_that_is_stuck: "not converged",
    chains_that_drift: "not converged",
    a_chain_that_left_for_another_mode: "not converged",
    too_few: "too few draws",
    draws_that_hang_together: "too few draws",
    divergent: "divergences",
    slow_energy: "low energy information",
    heavy_weights: "high Pareto k",
    an_empty_component: "unsupported component",
    overlapping: "labels uncertain",
    duplicated_rows: "sound",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_right_verdict(case):
    found = [diagnose(case(seed)).verdict for seed in SEEDS]
    assert found.count(CASES[case]) >= RIGHT, found


def test_every_verdict_has_a_case():
    assert set(CASES.values()) == set(VERDICTS)
