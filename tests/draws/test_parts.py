"""Draws of components of one's own: the same Gaussian draws, read as Gaussians and by their rows alone, must agree."""

import numpy as np
import pytest
import xarray as xr

import bayesgmm as bg
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.parts import read_any
from bayesgmm.draws.responsibilities import Responsibilities
from tests.own.draws import K, N, by_rows, gaussian_draws


@pytest.mark.parametrize("method", ["ecr", "ecr-pivot", "stephens", "pivot"])
def test_labels_are_matched_alike(method):
    tree = gaussian_draws()
    ours, theirs = bg.relabel(by_rows(tree), method=method), bg.relabel(tree, method=method)
    for name in ("weights", "means"):
        np.testing.assert_array_equal(ours.posterior[name].values, theirs.posterior[name].values)
    np.testing.assert_array_equal(ours.sample_stats["permutation"], theirs.sample_stats["permutation"])


def test_case_weights_count_in_matching():
    weights = np.random.default_rng(0).integers(1, 4, size=N).astype(float)
    tree = gaussian_draws(weights=weights)
    ours, theirs = bg.relabel(by_rows(tree)), bg.relabel(tree)
    np.testing.assert_array_equal(ours.sample_stats["permutation"], theirs.sample_stats["permutation"])


def test_everything_with_components_is_permuted_at_once():
    """Row by row log p(x, z = k) stays that of the parameters under the same label."""
    new = bg.relabel(by_rows(gaussian_draws()))
    parts, gaussians = read_any(new), read(bg.relabel(gaussian_draws()))
    r = gaussians.log_prob(gaussian_draws()["observed_data"]["x"].values, responsibilities=True)[1]
    np.testing.assert_allclose(parts.responsibilities, r, atol=1e-10)
    undone = bg.relabel(new)
    np.testing.assert_array_equal(undone.posterior["means"], new.posterior["means"])


def test_memberships_and_uncertain_rows_are_the_same():
    tree = bg.relabel(gaussian_draws())
    same = by_rows(tree)
    ours, theirs = bg.membership(same), bg.membership(tree)
    for name in ("probability", "lower", "upper", "entropy"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-10)
    ours, theirs = bg.uncertain(same, prob=0.99), bg.uncertain(tree, prob=0.99)
    assert len(theirs) and list(ours.index) == list(theirs.index)
    np.testing.assert_allclose(ours["from_parameters"], theirs["from_parameters"], atol=1e-10)


def test_the_common_door_gives_responsibilities_whatever_the_components():
    tree = bg.relabel(gaussian_draws())
    ours, theirs = Responsibilities.of_draws(by_rows(tree)), Responsibilities.of_draws(tree)
    assert ours.shape == theirs.shape == (600, N, K)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-10)


def test_partitions_and_similarities_are_the_same():
    tree = bg.relabel(gaussian_draws())
    same = by_rows(tree)
    np.testing.assert_allclose(bg.similarity(same), bg.similarity(tree), atol=1e-10)
    ours, theirs = bg.partition(same, seed=1), bg.partition(tree, seed=1)
    np.testing.assert_array_equal(ours.labels, theirs.labels)
    assert ours.loss == theirs.loss


def test_verdicts_and_label_invariant_quantities_agree():
    for switch in (False, True):
        tree = gaussian_draws(switch)
        ours, theirs = bg.diagnose(by_rows(tree)), bg.diagnose(tree)
        assert ours.verdict == theirs.verdict
        rows = [name for name in ours.table.index if name.startswith("sorted") or name.startswith("weights")]
        assert len(rows) == 2 * K
        np.testing.assert_allclose(ours.table.loc[rows, "r_hat"], theirs.table.loc[rows, "r_hat"], rtol=1e-9)


def test_components_that_are_one_have_uncertain_labels():
    rng = np.random.default_rng(0)
    joint = -1.0 + 0.1 * rng.normal(size=(4, 200, 20, 2))
    sample = {"chain": range(4), "draw": range(200), "component": range(2)}
    rates = xr.Dataset({"rates": (("chain", "draw", "component"), 3.0 + rng.gamma(9.0, size=(4, 200, 2)))}, sample)
    group = xr.Dataset({"x": (("chain", "draw", "obs", "component"), joint)}, sample | {"obs": range(20)})
    tree = xr.DataTree.from_dict({"posterior": rates, "log_joint": group})
    assert bg.diagnose(tree).verdict == "labels uncertain"
    assert bg.summary(tree).index[0] == "sorted weights[0]"


def test_summary_has_all_variables_and_order_goes_by_one():
    tree = by_rows(gaussian_draws())
    assert {"weights[0]", "means[1, x0]", "volumes[2]"} <= set(bg.summary(tree).index)
    ordered = bg.relabel(tree, method="order", feature="volumes").posterior["volumes"].values
    assert (np.diff(ordered, axis=2) >= 0).all()
    with pytest.raises(ValueError, match="one of weights, volumes"):
        bg.relabel(tree, method="order", feature="means")


def test_what_needs_more_says_so_in_a_sentence():
    tree = by_rows(gaussian_draws())
    with pytest.raises(ValueError, match="leave x out"):
        bg.membership(tree, [[0.0, 0.0]])
    with pytest.raises(ValueError, match="needs the model"):
        bg.extend(tree, groups="posterior_predictive")
    with pytest.raises(ValueError, match="leave reference out"):
        bg.relabel(tree, reference=bg.Mixture([1.0], [[0.0]], [[[1.0]]]))
    with pytest.raises(ValueError, match="not a number in chain 0, draw 2"):
        tree["log_joint"]["x"].values[0, 2, 3, 1] = np.nan
        bg.relabel(tree)
