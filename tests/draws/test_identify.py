"""Draws of one number of clusters: what is kept, what is left out, and that it is a posterior like any other."""

import itertools

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from scipy import stats

import bayesgmm as bg
from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.draws.point_process import are_permutations, grouped
from bayesgmm.models import finite_mixture

from .synthetic import posterior, truth

# All comparisons of a test together fail by chance this rarely.
UNLIKELY = 1e-4
FLAT = {"concentration": 1.0, "weights": "static"}


def as_sampled(draws, numbers, rng, spare=1):
    """A known posterior as `sample_components` gives it: shuffled, of n clusters each, empty components after them."""
    post = draws["posterior"].to_dataset()
    k, (chains, length) = post.sizes["component"], numbers.shape
    orders = np.argsort(rng.random((chains, length, k)), axis=2)
    wide = post.pad(component=(0, spare))
    for name, values in post.data_vars.items():
        wide[name].values[:, :, :k] = np.take_along_axis(
            values.values, orders.reshape(orders.shape + (1,) * (values.ndim - 3)), axis=2
        )
    # What a draw gives to its empty component is taken from all of its clusters alike.
    wide["weights"].values[:, :, :k] *= 0.8
    wide["weights"].values[:, :, k] = 0.2
    rows = len(draws["observed_data"]["x"])
    truth_labels = np.arange(rows) % k
    labels = np.argsort(orders, axis=2)[:, :, truth_labels].astype(np.int16)
    wide = wide.assign(n_clusters=(("chain", "draw"), numbers), allocations=(("chain", "draw", "obs"), labels),
                       concentration=(("chain", "draw"), rng.random(numbers.shape)))  # fmt: skip
    likelihood = xr.Dataset({"log_likelihood": (("chain", "draw"), rng.random(numbers.shape))})
    observed = draws["observed_data"].to_dataset()
    return xr.DataTree.from_dict({"posterior": wide, "sample_stats": likelihood, "observed_data": observed}), orders


@pytest.fixture(scope="module")
def known():
    """A posterior of three clusters far apart, in disorder, of unequal numbers of draws in its chains."""
    rng = np.random.default_rng(3)
    numbers = np.where(rng.random((4, 60)) < np.array([[0.9], [0.5], [0.2], [0.0]]), 3, 4)
    draws = posterior(truth(), n=60)
    return draws, *as_sampled(draws, numbers, rng), numbers


def test_the_draws_of_a_number_of_clusters_have_their_labels_back(known):
    draws, sampled, _, numbers = known
    found = bg.identify(sampled, 3)
    post, kept = found["posterior"], found["sample_stats"]
    n = (numbers == 3).sum()
    assert post.sizes["chain"] == 4 and post.sizes["draw"] == n // 4
    assert found.attrs["non_permutation_rate"] == 0 and found.attrs["posterior_share"] == n / numbers.size
    chain, draw = kept["from_chain"].values, kept["from_draw"].values
    assert (numbers[chain, draw] == 3).all() and len(set(zip(chain.ravel(), draw.ravel()))) == chain.size
    assert not (chain == 3).any()
    # The heaviest first: the weights of `truth` rise.
    own = draws["posterior"].isel(component=[2, 1, 0])
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(post[name].values, own[name].values[chain, draw], rtol=1e-12)
    np.testing.assert_array_equal(post["allocations"].values[0, 0], 2 - np.arange(60) % 3)
    np.testing.assert_array_equal(post["concentration"], sampled["posterior"]["concentration"].values[chain, draw])
    np.testing.assert_array_equal(kept["log_likelihood"], sampled["sample_stats"]["log_likelihood"].values[chain, draw])
    np.testing.assert_allclose(kept["weight_left_out"], 0.2, rtol=1e-12)
    assert np.allclose(post["weights"].sum("component"), 1, atol=1e-14)


def test_the_permutation_leads_from_the_draws_to_the_answer(known):
    _, sampled, _, _ = known
    found = bg.identify(sampled, 3)
    kept = found["sample_stats"]
    raw = sampled["posterior"]["means"].values[kept["from_chain"].values, kept["from_draw"].values]
    order = kept["permutation"].values[..., None]
    np.testing.assert_array_equal(np.take_along_axis(raw, order, axis=2), found["posterior"]["means"])


def test_draws_without_allocations_and_of_few_draws(known):
    _, sampled, _, _ = known
    few = sampled.isel(draw=slice(0, 3)).copy()
    few["posterior"].dataset = few["posterior"].to_dataset().drop_vars("allocations")
    few["posterior"]["n_clusters"].values[:] = 4
    few["posterior"]["n_clusters"].values[1, :2] = 3
    found = bg.identify(few, 3)
    assert found["posterior"].sizes["chain"] == 2 and found["posterior"].sizes["draw"] == 1


def test_what_does_not_fall_into_all_groups_is_left_out(known):
    _, sampled, _, numbers = known
    odd = sampled.copy(deep=True)
    chain, draw = np.argwhere(numbers == 3)[7]
    for name in ("means", "covariances"):
        odd["posterior"][name].values[chain, draw, 1] = odd["posterior"][name].values[chain, draw, 0]
    found = bg.identify(odd, 3)
    n = (numbers == 3).sum()
    assert found.attrs["non_permutation_rate"] == pytest.approx(1 / n)
    kept = zip(found["sample_stats"]["from_chain"].values.ravel(), found["sample_stats"]["from_draw"].values.ravel())
    assert (chain, draw) not in set(kept)


def test_the_mode_is_taken_without_a_number(known):
    draws, _, _, _ = known
    numbers = np.full((4, 60), 3)
    numbers[:, :20] = 4
    sampled, _ = as_sampled(draws, numbers, np.random.default_rng(0))
    assert bg.identify(sampled).attrs["n_clusters"] == 3


def overlapping(m=400, apart=1.0, seed=0):
    """Two components of several features whose draws overlap, as `MixtureDraws`."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(m, 2, 3)) + np.array([[0.0] * 3, [apart] * 3])
    root = np.tril(rng.normal(size=(m, 2, 3, 3)), -1) + np.exp(0.3 * rng.normal(size=(m, 2, 3, 1))) * np.eye(3)
    return MixtureDraws(np.full((m, 2), 0.5), means, root @ root.mT, ("a", "b", "c"))


def test_groups_do_not_depend_on_units_or_on_any_affine_map():
    draws, rng = overlapping(), np.random.default_rng(1)
    expected = grouped(draws)
    rate = 1 - are_permutations(expected).mean()
    assert 0.05 < rate < 0.8  # some are permutations, some not
    for a in (np.diag([1e-3, 1.0, 1e4]), rng.normal(size=(3, 3))):
        moved = MixtureDraws(draws.weights, draws.means @ a.T + 7.0, a @ draws.covariances @ a.T, draws.features)
        np.testing.assert_array_equal(grouped(moved), expected)


def test_groups_do_not_depend_on_the_order_of_components():
    draws, rng = overlapping(), np.random.default_rng(1)
    orders = np.argsort(rng.random((len(draws), 2)), axis=1)
    groups, other = grouped(draws), grouped(draws.permute(orders))
    same = np.take_along_axis(groups, orders, axis=1)
    assert (same == other).all() or (same == 1 - other).all()


def divergence(rows, means, covariances):
    """Σ KL(N_i ‖ N_c) of some Gaussians, with N_c the one that has the moments of their average."""
    mean = means[rows].mean(axis=0)
    around = means[rows] - mean
    centre = covariances[rows].mean(axis=0) + around.T @ around / len(rows)
    logs = np.linalg.slogdet(centre)[1] - np.linalg.slogdet(covariances[rows])[1]
    traces = np.einsum("nij,ji->n", covariances[rows], np.linalg.inv(centre))
    return 0.5 * (traces - len(mean) + np.einsum("ni,ni->n", around, np.linalg.solve(centre, around.T).T) + logs).sum()


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_the_best_there_are(seed):
    """Against all ways to put eight Gaussians into two groups, their divergences written out."""
    draws = overlapping(m=4, apart=3.0, seed=seed)
    means, covariances = draws.means.reshape(-1, 3), draws.covariances.reshape(-1, 3, 3)
    totals = {}
    for rest in itertools.product([0, 1], repeat=7):
        labels = np.array((0, *rest))
        parts = [np.flatnonzero(labels == g) for g in np.unique(labels)]
        totals[tuple(labels)] = sum(divergence(rows, means, covariances) for rows in parts)
    found = grouped(draws).ravel()
    assert tuple(found ^ found[0]) == min(totals, key=totals.get)


# ---- real draws


@pytest.fixture(scope="module")
def apart():
    x, _ = truth(n_components=2).sample(120, seed=4)
    return x, bg.sample_components(x, draws=1500, tune=8000, thin=2, seed=1, progress=False, **FLAT)


def test_far_groups_agree_with_the_posterior_of_a_known_number(apart):
    x, sampled = apart
    ours = bg.identify(sampled, 2)
    assert ours.attrs["non_permutation_rate"] == 0
    theirs = bg.sample(finite_mixture(x, 2, prior="hierarchical"), engine="gibbs", draws=2000, seed=2, progress=False)
    pairs = []
    first = theirs["posterior"]["weights"].mean(["chain", "draw"]).values.argsort()[::-1]
    for name in ("weights", "means", "covariances"):
        a = ours["posterior"][name].values
        b = theirs["posterior"][name].values[:, :, first]
        pairs += list(zip(np.moveaxis(a, (0, 1), (-2, -1)).reshape(-1, *a.shape[:2]),
                          np.moveaxis(b, (0, 1), (-2, -1)).reshape(-1, *b.shape[:2])))  # fmt: skip
    values = [(f(a), f(b)) for a, b in pairs for f in (np.asarray, np.square)]
    z = stats.norm.isf(UNLIKELY / (2 * len(values)))
    for a, b in values:
        assert abs(a.mean() - b.mean()) < z * np.hypot(float(az.mcse(a)), float(az.mcse(b)))


def test_everything_for_a_known_number_takes_it(apart):
    x, sampled = apart
    found = bg.identify(sampled, 2)
    table = bg.summary(found)
    assert list(table.index)[:4] == ["weights[0]", "weights[1]", "means[0, x0]", "means[0, x1]"]
    assert bg.diagnose(found).verdict in ("sound", "label switching", "too few draws")
    assert bg.membership(found)["probability"].sum("component").values == pytest.approx(np.ones(len(x)))
    assert (bg.predictive_density(found, x[:3])["density"] > 0).all()
    labels = bg.partition(found, seed=0, progress=False).labels
    probable = bg.membership(found)["probability"].values.argmax(axis=1)
    assert bg.adjusted_rand_index(labels, probable) > 0.99
    assert bg.n_clusters(found)["probability"].loc["n_clusters"].to_dict() == {2: 1.0}
    again = bg.relabel(found)
    assert (again["posterior"]["means"] == found["posterior"]["means"]).all()
    for plot in (bg.plot_components, bg.plot_density, bg.plot_membership):
        plot(found)
        plt.close("all")


def test_allocations_and_parameters_go_together(apart):
    x, sampled = apart
    post = bg.identify(sampled, 2)["posterior"]
    apart_from = ((x[:, None] - post["means"].values[0, -1]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(post["allocations"].values[0, -1], apart_from.argmin(axis=1))


def test_overlapping_groups_are_said_to_be_so():
    x = np.random.default_rng(0).normal(size=(60, 1))
    sampled = bg.sample_components(x, draws=200, tune=300, seed=1, progress=False, process="sparse", n_components=3,
                                   concentration=1.0)  # fmt: skip
    with pytest.warns(UserWarning, match="are no permutations, and left out. The clusters overlap"):
        found = bg.identify(sampled, 3)
    assert found.attrs["non_permutation_rate"] > 0.3


# ---- errors


def test_errors(known):
    draws, sampled, _, _ = known
    with pytest.raises(ValueError, match=r"no draw has 7 clusters; n_clusters may be one of 3 \(.*%\), 4"):
        bg.identify(sampled, 7)
    with pytest.raises(ValueError, match="where K is known, relabel matches labels"):
        bg.identify(draws)
    bare = sampled.copy()
    bare["posterior"].dataset = bare["posterior"].to_dataset()[["n_clusters", "allocations"]]
    with pytest.raises(ValueError, match="draw with keep='all' or keep='filled'"):
        bg.identify(bare)
    same = sampled.copy(deep=True)
    for name in ("means", "covariances"):
        same["posterior"][name].values[:] = same["posterior"][name].values[:, :, :1]
    with pytest.raises(ValueError, match="has one in each of 3 groups"):
        bg.identify(same, 3)
