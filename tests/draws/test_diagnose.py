"""The verdict, over a battery of posteriors whose trouble is known."""

import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm import Mixture
from bayesgmm.draws import by_feature, diagnose, from_arrays, relabel, summary
from bayesgmm.draws.convergence import convergence
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.permute import permute
from bayesgmm.draws.verdicts import VERDICTS

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))
SEEDS = range(2)  # what is said; test_verdicts.py has the verdicts from twenty seeds


def other_mode() -> Mixture:
    """Two of the three components merged, the third split: a mode that chains get stuck in."""
    m = synthetic.truth()
    means = np.array([m.means[:2].mean(axis=0), m.means[2] - 0.5, m.means[2] + 0.5])
    covariances = np.array([np.cov(m.sample(4000, seed=0)[0].T) / 3, m.covariances[2], m.covariances[2]])
    return Mixture([0.55, 0.25, 0.2], means, covariances, features=m.features)


@pytest.mark.parametrize("seed", SEEDS)
def test_sound(seed):
    found = diagnose(synthetic.posterior(synthetic.truth(), seed))
    assert (found.verdict, found.ok) == ("sound", True)
    assert "4 chains agree" in found.text and "no draw diverged" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_switching_undone_is_harmless_whether_matched_before_or_not(seed):
    clean = synthetic.posterior(synthetic.truth(), seed)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean, seed))
    assert diagnose(relabel(raw)).verdict == diagnose(raw).verdict == "label switching"
    assert diagnose(raw).ok and "bayesgmm.relabel" in diagnose(raw).text
    assert "have been matched" in diagnose(relabel(raw)).text


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_chains_in_other_labels_are_label_switching(seed):
    clean = synthetic.posterior(synthetic.truth(), seed)
    orders = np.repeat([[0, 1, 2], [0, 1, 2], [2, 0, 1], [0, 1, 2]], 300, axis=0)
    found = diagnose(synthetic.shuffled(clean, orders))
    assert found.verdict == "label switching" and "300 of 1200" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_in_another_mode_is_told_apart(seed):
    rows = synthetic.truth().sample(60, seed=1)[0]
    clean = synthetic.posterior(synthetic.truth(), seed, x=rows)
    stuck = synthetic.with_chain(clean, 2, synthetic.posterior(other_mode(), seed, x=rows))
    for draws in (stuck, relabel(stuck)):
        found = diagnose(draws)
        assert (found.verdict, found.ok) == ("different modes", False)
        unknown = "mass unknown, predictive weight unknown"
        assert f"chains 0, 1, 3: {unknown}; chain 2: {unknown}" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_that_does_not_move_is_not_converged(seed):
    draws = synthetic.posterior(synthetic.truth(), seed)
    for name in draws.posterior.data_vars:
        values = draws["posterior"][name].values
        values[1] = values[1, :1]
    assert diagnose(draws).verdict == "not converged"
    for name in draws.posterior.data_vars:
        values = draws["posterior"][name].values
        values[:] = values[:, :1]
    assert diagnose(draws).verdict == "not converged"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [3, 12, 50, 90])
def test_too_few_draws(seed, n):
    found = diagnose(synthetic.posterior(synthetic.truth(), seed, n=n))
    assert found.verdict == "too few draws" and "400" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_divergences_are_counted(seed):
    found = diagnose(synthetic.posterior(synthetic.truth(), seed, diverging=7))
    assert found.verdict == "divergences" and "7 of 1200" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_that_differ_between_chains_though_said_to_be_matched_are_uncertain(seed):
    matched = relabel(synthetic.posterior(synthetic.truth(), seed))
    wrong = synthetic.with_chain(matched, 3, permute(matched, [1, 0, 2]))
    wrong["sample_stats"]["permutation"] = matched["sample_stats"]["permutation"]
    found = diagnose(wrong)
    assert found.verdict == "labels uncertain" and "R-hat" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_components_that_overlap_have_uncertain_labels(seed):
    draws = relabel(synthetic.posterior(synthetic.truth(2, 1, apart=0.3), seed, noise=0.3))
    found = diagnose(draws)
    assert found.verdict == "labels uncertain" and not found.ok and "overlap" in found.text


@pytest.mark.parametrize("seed", SEEDS)
def test_one_chain_is_judged_by_its_halves(seed):
    draws = synthetic.posterior(synthetic.truth(), seed, chains=1, n=2001)
    found = diagnose(draws)
    assert found.verdict == "sound" and "only one chain" in found.text
    draws["posterior"]["means"].values[0, 1000:] += 1.0
    assert diagnose(draws).verdict == "not converged"


def test_one_component_never_varies_in_its_weight_and_that_is_no_failure():
    draws = synthetic.posterior(synthetic.truth(1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, table = diagnose(draws), summary(draws)
    assert found.verdict == "sound"
    assert np.isnan(found.table.loc["weights[0]", "r_hat"])
    assert np.isnan(table.loc["weights[0]", "r_hat"]) and table.loc["weights[0]", "mean"] == 1


def test_draws_of_values_only_are_judged_without_sampler_or_data():
    full = synthetic.posterior(synthetic.truth())
    bare = from_arrays(*(full.posterior[n].values for n in ("weights", "means", "covariances")))
    found = diagnose(bare)
    assert found.verdict == "sound" and "diverged" not in found.text


def test_log_likelihood_counts_and_must_be_finite():
    import xarray as xr

    draws = synthetic.posterior(synthetic.truth())
    values = np.random.default_rng(0).normal(size=(4, 300, 60))
    draws["log_likelihood"] = xr.DataTree(xr.Dataset({"x": (("chain", "draw", "obs"), values)}))
    assert np.allclose(quantities(draws, read(draws))["log-likelihood"], values.sum(axis=2).ravel())
    draws["log_likelihood"]["x"].values[2] += 1.0
    assert diagnose(draws).verdict == "different modes"
    draws["log_likelihood"]["x"].values[1, 3, 4] = -np.inf
    found = diagnose(draws)
    assert found.verdict == "not converged" and "not finite" in found.text


def test_label_invariant_quantities_do_not_change_with_labels():
    clean = synthetic.posterior(synthetic.truth(), n=30)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    a, b = quantities(clean, read(clean)), quantities(raw, read(raw))
    assert list(a) == list(b) and len([name for name in a if name.startswith("log density at row")]) == 5
    assert all(np.allclose(a[name], b[name], rtol=1e-12, atol=1e-12) for name in a)


def test_overall_moments_are_those_of_the_mixture():
    draws = synthetic.posterior(synthetic.truth(), n=2)
    found = quantities(draws, read(draws))
    x = read(draws).mixture(3).sample(200_000, seed=0)[0]
    assert np.isclose(found["overall mean[f1]"][3], x[:, 1].mean(), atol=0.05)
    assert np.isclose(found["overall covariance[f0, f1]"][3], np.cov(x.T)[0, 1], rtol=0.02)


def test_r_hat_and_ess_are_arviz_own():
    import arviz as az

    values = np.random.default_rng(0).normal(size=(4, 200)).cumsum(axis=1)
    found = convergence({"walk": values.ravel()}, 4).loc["walk"]
    assert found["r_hat"] == az.rhat(values) and found["ess_bulk"] == az.ess(values)


def test_every_verdict_is_documented():
    assert all(f'"{verdict}"' in diagnose.__doc__ for verdict in VERDICTS)


def test_summary_is_arviz_table_with_each_covariance_once_and_the_verdict_last():
    import arviz as az

    draws = synthetic.posterior(synthetic.truth(2, 3))
    table = summary(draws, ci_prob=0.9)
    own = az.summary(draws, ci_prob=0.9, var_names=["weights", "means", "covariances"], round_to="none")
    assert list(table.columns) == list(own.columns)
    assert np.array_equal(table.to_numpy(), own.loc[table.index].to_numpy())
    assert len(table) == 2 + 6 + 2 * 6
    assert {"weights[0]", "means[0, f1]", "covariances[1, f0, f2]"} <= set(table.index)
    assert "covariances[1, f2, f0]" not in table.index
    assert table.attrs["verdict"] == "sound"
    assert repr(table).splitlines()[-1].startswith("sound: ") and "<p>sound: " in table._repr_html_()
    assert table.loc[["weights[0]"]].attrs["verdict"] == "sound"
    assert list(summary(draws, var_names="weights").index) == ["weights[0]", "weights[1]"]
    with pytest.raises(ValueError, match="no variable 'sigma'"):
        summary(draws, var_names=["sigma"])


def test_summary_leaves_components_out_where_their_labels_mean_nothing_unless_asked():
    draws = relabel(synthetic.posterior(synthetic.truth(2, 2, apart=0.3), noise=0.3))
    table = summary(draws)
    assert table.attrs["verdict"] == "labels uncertain" and not table.attrs["components"]
    assert not [name for name in table.index if name.startswith(("weights", "means", "covariances"))]
    assert {"sorted weights[0]", "overall mean[f0]", "overall covariance[f0, f1]"} <= set(table.index)
    assert "overlap" in repr(table) and "var_names=['weights', 'means', 'covariances'] shows them" in repr(table)
    found = quantities(draws, read(draws))
    assert np.isclose(table.loc["overall mean[f0]", "mean"], found["overall mean[f0]"].mean(), rtol=1e-12)
    asked = summary(draws, var_names=["means"])
    assert list(asked.index) == [f"means[{k}, {a}]" for k in (0, 1) for a in ("f0", "f1")]
    assert asked.attrs["verdict"] == "labels uncertain" and asked.attrs["components"]
    assert "leaves those out" not in repr(asked)
    assert summary(synthetic.posterior(synthetic.truth())).attrs["components"]


def test_labels_that_swap_between_chains_leave_components_out_too():
    matched = relabel(synthetic.posterior(synthetic.truth()))
    wrong = synthetic.with_chain(matched, 3, permute(matched, [1, 0, 2]))
    wrong["sample_stats"]["permutation"] = matched["sample_stats"]["permutation"]
    assert not summary(wrong).attrs["components"]


def test_features_without_names_are_named_as_arrays_are():
    draws = synthetic.posterior(synthetic.truth(2, 2))
    unnamed = draws["posterior"].to_dataset().drop_vars(["feature", "feature_other"])
    draws["posterior"].dataset = unnamed.assign_coords(feature=[0, 1])
    assert "means[0, x1]" in summary(draws).index


def test_by_feature_gives_scalar_variables():
    import xarray as xr

    draws = synthetic.posterior(synthetic.truth(2, 2), n=5)
    rows = draws["observed_data"]["x"]
    draws["posterior_predictive"] = xr.DataTree(xr.Dataset({"x": rows.expand_dims(chain=4, draw=5)}))
    draws["log_likelihood"] = xr.DataTree(xr.Dataset({"x": (("chain", "draw", "obs"), np.zeros((4, 5, 60)))}))
    split = by_feature(draws)
    assert np.array_equal(split.observed_data["f1"].values, rows.values[:, 1])
    assert split.posterior_predictive["f0"].dims == ("chain", "draw", "obs")
    assert set(split.log_likelihood.data_vars) == {"f0", "f1"}
    with pytest.raises(ValueError, match="observed_data"):
        by_feature(split.drop_nodes("observed_data"))
