"""NUTS on declared stories: against the closed form where there is one, and sound from every seed."""

import arviz as az
import numpy as np
import pytest
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.models import finite_mixture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faithful():
    return finite_mixture(bg.load_dataset("faithful"), 2)


@pytest.fixture(scope="module")
def draws(faithful):
    return bg.sample(faithful, seed=1, progress=False)


def test_twenty_seeds_are_sound_on_old_faithful(faithful, draws):
    reference = draws["posterior"].to_dataset().mean(("chain", "draw"))
    for seed in range(20):
        found = bg.sample(faithful, seed=seed, progress=False)
        posterior = found["posterior"].to_dataset()[["weights", "means", "covariances"]]
        assert int(found["sample_stats"]["diverging"].sum()) == 0
        assert max(float(v.max()) for v in az.rhat(posterior).data_vars.values()) <= 1.01
        for method in ("bulk", "tail"):
            assert min(float(v.min()) for v in az.ess(posterior, method=method).data_vars.values()) >= 1000
        assert bg.diagnose(found).verdict == "sound"
        # The same labels in all chains of all seeds up to one permutation a seed.
        by_chain = posterior["means"].mean("draw").sel(feature="waiting").values
        order = np.argsort(by_chain, axis=1)
        assert (order == order[0]).all()
        gap = np.sort(by_chain, axis=1) - np.sort(reference["means"].sel(feature="waiting").values)
        assert np.abs(gap).max() < 0.25


def test_one_component_has_the_closed_forms_moments():
    """K = 1: the normal-inverse-Wishart posterior (Gelman et al. 2013, section 3.6)."""
    x = bg.load_dataset("faithful").to_numpy(float)[:60]
    prior = bg.scale_prior("conjugate", x, 1)
    found = bg.sample(finite_mixture(x, 1), seed=3, progress=False)["posterior"]
    n, d = x.shape
    shrinkage, dof = prior.shrinkage + n, prior.dof + n
    mean = (prior.shrinkage * prior.mean + n * x.mean(axis=0)) / shrinkage
    gap, centred = x.mean(axis=0) - prior.mean, x - x.mean(axis=0)
    scale = prior.scale + centred.T @ centred + prior.shrinkage * n / shrinkage * np.outer(gap, gap)
    expected = {"means": mean[None], "covariances": scale[None] / (dof - d - 1)}
    comparisons = d + d * d
    z = norm.ppf(1 - 1e-4 / (2 * comparisons))
    for name, value in expected.items():
        error = az.mcse(found.to_dataset()[[name]])[name].values
        assert (np.abs(found[name].mean(("chain", "draw")).values - value) < z * error).all(), name
    assert (found["weights"] == 1).all()


def test_the_tree_is_whole_and_comes_back_from_a_file(draws, tmp_path):
    x = bg.load_dataset("faithful")
    groups = {"posterior", "sample_stats", "observed_data", "constant_data", "log_likelihood", "log_prior", "prior"}
    assert set(draws.children) == groups
    assert draws["posterior"]["covariances"].dims == ("chain", "draw", "component", "feature", "feature_other")
    np.testing.assert_array_equal(draws["observed_data"]["x"], x.to_numpy())
    one = bg.Mixture(*(draws["posterior"][n].values[2, 7] for n in ("weights", "means", "covariances")))
    np.testing.assert_allclose(draws["log_likelihood"]["x"].values[2, 7], one.log_prob(x.to_numpy()), rtol=1e-10)
    draws.to_netcdf(tmp_path / "posterior.nc")
    again = az.from_netcdf(tmp_path / "posterior.nc")
    assert again["posterior"].to_dataset().equals(draws["posterior"].to_dataset())
    assert again.attrs["prior"].startswith("Conjugate prior")
    assert az.loo(draws).good_k >= 0.7 - 1e-9


def test_the_same_seed_gives_the_same_draws(faithful):
    a, b = (bg.sample(faithful, seed=5, draws=50, tune=200, chains=2, progress=False) for _ in range(2))
    np.testing.assert_array_equal(a["posterior"]["means"], b["posterior"]["means"])


@pytest.mark.parametrize("covariance_type", ["tied", "diag", "spherical"])
def test_other_families_are_sound_too(covariance_type):
    model = finite_mixture(bg.load_dataset("faithful"), 2, covariance_type=covariance_type)
    found = bg.sample(model, seed=1, progress=False)
    assert bg.diagnose(found).verdict == "sound"
    mode, mean = bg.fit_map(model, seed=0).mixture, found["posterior"]["means"].mean(("chain", "draw")).values
    sd = found["posterior"]["means"].std(("chain", "draw")).values
    order = np.argsort(mean[:, 0])
    assert (np.abs(mean[order] - mode.means) < sd[order]).all()


def test_bad_arguments_are_refused_with_a_sentence(faithful):
    with pytest.raises(ValueError, match="engine 'hmc' is not known"):
        bg.sample(faithful, engine="hmc")
    with pytest.raises(ValueError, match="draws must be an integer of at least 1, not 0"):
        bg.sample(faithful, draws=0)


def test_where_there_are_too_many_variables_for_the_curvature_chains_still_start(monkeypatch, faithful):
    from bayesgmm.fit import mode

    monkeypatch.setattr(mode, "MOST_FOR_CURVATURE", 5)
    found = bg.sample(faithful, draws=200, tune=300, seed=1, progress=False)
    assert found.attrs["density"] == "native" and not found["sample_stats"]["diverging"].any()


def test_the_curvature_from_one_pass_serves_chains_as_well(monkeypatch, faithful):
    from bayesgmm.engines import ways

    expected = ways.way_of(faithful).folded._factors
    monkeypatch.setattr(ways, "_MANY", 1)
    np.testing.assert_allclose(ways.way_of(faithful).folded._factors, expected, rtol=1e-5, atol=1e-7)
