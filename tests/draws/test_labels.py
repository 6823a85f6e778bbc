"""Matching labels: what was permuted is undone, everywhere at once, and the record of it is true."""

import itertools
import runpy
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from bayesgmm import Mixture
from bayesgmm.draws import mean_mixture, relabel
from bayesgmm.draws.affinity import _distances, as_draws, gains, match
from bayesgmm.draws.mixtures import DIMS, from_arrays, read
from bayesgmm.draws.permute import permute

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))


def same(a, b):
    return all(np.array_equal(a.posterior[name].values, b.posterior[name].values) for name in DIMS)


@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 1), (2, 2), (3, 4), (6, 2)])
def test_random_permutations_of_every_draw_are_undone(k, d):
    clean = synthetic.posterior(synthetic.truth(k, d), n=60)
    orders = synthetic.random_orders(clean)
    raw = synthetic.shuffled(clean, orders)
    matched = relabel(raw, reference=synthetic.truth(k, d))
    assert same(matched, clean)
    inverse = np.argsort(orders, axis=1).reshape(4, 60, k)
    assert np.array_equal(matched.sample_stats["permutation"].values, inverse)
    # without a reference the labels are those of some draw: the same up to one permutation of all
    again = relabel(relabel(raw), reference=synthetic.truth(k, d))
    assert same(again, clean)
    assert np.array_equal(again.sample_stats["permutation"].values, inverse)


def test_relabelling_twice_is_relabelling_once():
    clean = synthetic.posterior(synthetic.truth())
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    once = relabel(raw)
    twice = relabel(once)
    assert same(once, twice)
    assert once.sample_stats["permutation"].equals(twice.sample_stats["permutation"])


def test_permutation_leads_from_the_raw_draws_to_the_matched_ones_and_raw_is_untouched():
    clean = synthetic.posterior(synthetic.truth(4, 2), n=40)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    before = raw.copy(deep=True)
    matched = relabel(raw)
    for name in ("weights", "means", "covariances"):
        expected = np.take_along_axis(
            raw.posterior[name].values,
            matched.sample_stats["permutation"].values.reshape(4, 40, 4, *(1,) * (raw.posterior[name].ndim - 3)),
            axis=2,
        )
        assert np.array_equal(matched.posterior[name].values, expected)
    assert same(raw, before) and "permutation" not in raw.sample_stats
    assert matched.attrs["labelling"] == "ecr" and matched.attrs["labelling_rows"] == "60 of 60"


def test_the_pivot_is_the_draw_of_highest_density():
    clean = synthetic.posterior(synthetic.truth(2, 1), n=50)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    best = int(raw.sample_stats["lp"].values.argmax())
    matched = relabel(raw)
    assert np.array_equal(matched.sample_stats["permutation"].values.reshape(-1, 2)[best], [0, 1])
    renamed = raw.copy()
    renamed["sample_stats"].dataset = raw["sample_stats"].to_dataset().rename(lp="logp")
    assert same(relabel(renamed), matched)
    assert "log density" in relabel(renamed).attrs["labelling_reference"]


def test_without_sample_stats_a_central_draw_is_the_pivot_and_the_group_is_made():
    clean = synthetic.posterior(synthetic.truth(3, 2), n=50)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    del raw["sample_stats"]
    matched = relabel(raw)
    assert matched.attrs["labelling_reference"].endswith("(most central)")
    assert same(relabel(matched, reference=synthetic.truth(3, 2)), clean)


def test_every_variable_of_the_components_moves_with_them():
    clean = synthetic.posterior(synthetic.truth(3, 2), n=20)
    rng = np.random.default_rng(0)
    pair, other = rng.normal(size=(4, 20, 3, 3)), rng.normal(size=(3, 4, 20))
    names = ("chain", "draw", "component", "component_other")
    clean["posterior"].dataset = (
        clean["posterior"]
        .to_dataset()
        .assign(
            pair=(names, pair),
            first=(("component", "chain", "draw"), other),
            overall=(("chain", "draw"), rng.normal(size=(4, 20))),
        )
    )
    orders = synthetic.random_orders(clean)
    raw = synthetic.shuffled(clean, orders)
    o = orders.reshape(4, 20, 3)
    assert np.array_equal(raw.posterior["pair"].values[1, 2], pair[1, 2][np.ix_(o[1, 2], o[1, 2])])
    matched = relabel(raw, reference=synthetic.truth(3, 2))
    for name in ("pair", "first", "overall"):
        assert np.array_equal(matched.posterior[name].values, clean.posterior[name].values)
        assert matched.posterior[name].dims == clean.posterior[name].dims


def test_a_dim_that_occurs_twice_is_permuted_on_both_axes():
    clean = synthetic.posterior(synthetic.truth(3, 1), n=5)
    values = np.random.default_rng(0).normal(size=(4, 5, 3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean["posterior"].dataset = (
            clean["posterior"].to_dataset().assign(twice=(("chain", "draw", "component", "component"), values))
        )
        new = permute(clean, [2, 0, 1])
    assert np.array_equal(new.posterior["twice"].values, values[:, :, [2, 0, 1]][..., [2, 0, 1]])


def test_an_unknown_dim_is_left_alone_with_a_warning():
    draws = synthetic.posterior(synthetic.truth(3, 1), n=5)
    values = np.zeros((4, 5, 2))
    draws["posterior"].dataset = (
        draws["posterior"].to_dataset().assign(breaks=(("chain", "draw", "component_less_one"), values))
    )
    with pytest.warns(UserWarning, match="breaks .* keeps its labels"):
        relabel(draws)


def test_match_is_the_optimum_over_all_permutations():
    reference = synthetic.truth(4, 2, apart=0.7)  # overlapping, so that preferences clash
    mixtures = read(synthetic.posterior(reference, n=50, noise=1.0))
    found, orders = gains(mixtures, reference), match(mixtures, reference)
    columns = np.arange(4)
    best = np.max([found[:, list(p), columns].sum(axis=1) for p in itertools.permutations(range(4))], axis=0)
    reached = np.take_along_axis(found, orders[:, None, :], axis=1)[:, 0].sum(axis=1)
    assert np.allclose(reached, best, rtol=1e-12)
    assert (found.argmax(axis=1) != orders).any()


def test_affinity_is_the_integral_of_the_root_of_the_densities():
    a = Mixture([1.0], [[0.3]], [[[1.7]]])
    b = Mixture([1.0], [[-1.1]], [[[0.4]]])
    grid = np.linspace(-15, 15, 20001)
    integral = np.sqrt(a.prob(grid) * b.prob(grid)).sum() * (grid[1] - grid[0])
    assert np.isclose(np.exp(-_distances(as_draws(a), slice(None), b)[0, 0, 0]), integral, rtol=1e-9)


def test_far_from_the_reference_distances_still_order_components():
    reference = Mixture([0.5, 0.5], [[0.0], [1e3]], [[[1e-4]], [[1e-4]]])
    far = Mixture([0.5, 0.5], [[800.0], [300.0]], [[[1e-4]], [[1e-4]]])
    assert match(far, reference).tolist() == [[1, 0]]
    empty = Mixture([1.0, 0.0, 0.0], [[0.0], [50.0], [90.0]], [[[1.0]]] * 3)
    assert match(empty.permute([2, 0, 1]), empty).tolist() == [[1, 2, 0]]


def test_a_wild_nearly_empty_component_does_not_outvote_the_others():
    reference = Mixture([0.49, 0.49, 0.02], [[0.0], [3.0], [40.0]], np.ones((3, 1, 1)))
    draw = Mixture([0.49, 0.49, 0.02], [[0.1], [3.1], [-500.0]], np.ones((3, 1, 1)))
    assert match(draw, reference).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale):
    draws = synthetic.posterior(synthetic.truth(3, 2, apart=1.5), n=50, noise=0.5)
    mixtures, reference = read(draws), synthetic.truth(3, 2, apart=1.5)
    by = np.diag([scale, 1.0])
    moved = type(mixtures)(mixtures.weights, mixtures.means @ by + 3, by @ mixtures.covariances @ by, mixtures.features)
    other = Mixture(
        reference.weights, reference.means @ by + 3, by @ reference.covariances @ by, features=mixtures.features
    )
    assert np.array_equal(match(mixtures, reference), match(moved, other))


def test_other_components_or_features_cannot_be_matched():
    two = Mixture([0.5, 0.5], [[0.0], [1.0]], np.ones((2, 1, 1)))
    with pytest.raises(ValueError, match="same number"):
        match(two, Mixture([1.0], [[0.0]], np.ones((1, 1, 1))))
    with pytest.raises(ValueError, match="same features"):
        match(two, Mixture([0.5, 0.5], [[0.0], [1.0]], np.ones((2, 1, 1)), features=["a"]))
    with pytest.raises(ValueError, match="method"):
        relabel(synthetic.posterior(synthetic.truth(2, 1), n=4), method="magic")


def test_four_thousand_draws_take_a_fraction_of_a_second():
    clean = synthetic.posterior(synthetic.truth(3, 2), n=1000)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    start = time.process_time()
    relabel(raw)
    assert time.process_time() - start < 1.0


def test_matched_draws_survive_a_file(tmp_path):
    draws = relabel(synthetic.posterior(synthetic.truth(2, 2), n=10))
    draws.to_netcdf(tmp_path / "draws.nc")
    back = xr.open_datatree(tmp_path / "draws.nc").load()
    assert same(back, draws)
    assert same(relabel(back), draws) and back.attrs["labelling"] == "ecr"


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda p: p.drop_vars("means"), "no variable 'means'"),
        (lambda p: p.rename(component="k"), "dims .* are needed"),
        (lambda p: p.assign(weights=p.weights.where(p.draw > 2)), "weights is not finite in chain 0, draw 0"),
        (lambda p: p.assign(covariances=p.covariances * np.where(p.draw == 3, -1.0, 1.0)[None, :, None, None, None]),
         "not positive definite in chain 0, draw 3"),
    ],
)  # fmt: skip
def test_what_is_no_posterior_of_a_mixture_is_said_in_a_sentence(harm, sentence):
    draws = synthetic.posterior(synthetic.truth(2, 2), n=6)
    draws["posterior"] = xr.DataTree(harm(draws["posterior"].to_dataset()))
    with pytest.raises(ValueError, match=sentence):
        relabel(draws)


def test_a_tree_without_a_posterior_is_an_error():
    with pytest.raises(ValueError, match="group 'posterior'"):
        relabel(xr.DataTree())
    with pytest.raises(ValueError, match="group 'posterior'"):
        relabel(np.zeros(3))


def test_reading_does_not_depend_on_the_order_of_dims():
    draws = synthetic.posterior(synthetic.truth(2, 2), n=6)
    turned = draws.copy()
    turned["posterior"].dataset = draws["posterior"].to_dataset().transpose("feature_other", "component", ...)
    assert np.array_equal(read(draws).covariances, read(turned).covariances)
    assert same(draws, from_arrays(*(draws.posterior[n].values for n in DIMS)))
    assert np.allclose(mean_mixture(draws).means, draws.posterior["means"].mean(("chain", "draw")))
