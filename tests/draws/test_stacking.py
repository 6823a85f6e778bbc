"""Predictive weights: ArviZ's stacking, a solver of SciPy's, and what they are not."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from bayesgmm.draws import diagnose
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.stacking import predictive_weights, stack

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))


def with_likelihood(draws):
    values = read(draws).log_prob(draws["observed_data"]["x"].values)
    sizes = draws["posterior"].sizes
    values = values.reshape(sizes["chain"], sizes["draw"], -1)
    draws["log_likelihood"] = xr.DataTree(xr.Dataset({"x": (("chain", "draw", "obs"), values)}))
    return draws


@pytest.fixture(scope="module")
def apart():
    """Chains 0 and 3 about the truth, 1 and 2 about a mixture with other means and weights."""
    centre = synthetic.truth(2, 2)
    other = type(centre)([0.7, 0.3], centre.means + [[0.9, 0.0], [-0.4, 0.8]], centre.covariances * 1.5,
                         features=centre.features)  # fmt: skip
    rows = np.concatenate([centre.sample(40, seed=1)[0], other.sample(20, seed=2)[0]])
    draws = synthetic.posterior(centre, x=rows)
    for chain in (1, 2):
        draws = synthetic.with_chain(draws, chain, synthetic.posterior(other, 1, x=rows))
    return with_likelihood(draws)


def test_the_weights_are_the_optimum_that_a_solver_finds():
    from scipy.optimize import minimize

    densities = np.random.default_rng(0).gamma(1.0, size=(3, 50))

    def loss(free):
        w = np.exp([0.0, *free])
        return -np.log(w / w.sum() @ densities).sum()

    best = minimize(loss, np.zeros(2), method="BFGS")
    found = stack(np.log(densities))
    assert -np.log(found @ densities).sum() <= best.fun + 1e-8
    expected = np.exp([0.0, *best.x])
    assert np.allclose(found, expected / expected.sum(), atol=1e-4)


def test_they_are_those_of_arviz(apart):
    import arviz as az

    groups = np.array([0, 1, 1, 0])
    trees = {str(g): apart.isel(chain=np.flatnonzero(groups == g)) for g in (0, 1)}
    table = az.compare(trees, method="stacking", round_to="none")
    found = predictive_weights(apart, groups)
    assert np.allclose(found.weights, [table.loc[str(g), "weight"] for g in (0, 1)], atol=2e-3)
    assert 0.02 < found.weights.min() and found.rough == 0


def test_diagnose_tells_them_beside_the_masses_and_calls_them_something_else(apart):
    apart.attrs.update(mode_groups=[0, 1, 1, 0], mode_shares=[0.9, 0.1], mode_shares_se=[0.01, 0.01])
    found = diagnose(apart)
    weights = predictive_weights(apart, np.array([0, 1, 1, 0])).weights
    assert found.verdict == "different modes"
    assert f"chains 0, 3: mass 90.0% ± 1.0%, predictive weight {weights[0]:.1%}" in found.text
    assert "no masses" in found.text
    assert found.modes["chains"].tolist() == [(0, 3), (1, 2)]
    assert np.allclose(found.modes["predictive_weight"], weights) and found.modes["mass"].tolist() == [0.9, 0.1]


def test_without_a_log_likelihood_they_are_unknown(apart):
    found = diagnose(apart.drop_nodes("log_likelihood"))
    assert "predictive weight unknown" in found.text and "bayesgmm.extend" in found.text
    assert found.modes["predictive_weight"].isna().all()
    assert diagnose(synthetic.posterior(synthetic.truth())).modes is None
