"""The methods of `relabel`: what each maximises, and the laws they share."""

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesgmm import Mixture
from bayesgmm.draws import allocations, from_arrays, relabel
from bayesgmm.draws import responsibilities as parts
from bayesgmm.draws.allocations import allocation_table, ecr, ecr_to, stephens
from bayesgmm.draws.labels import METHODS
from bayesgmm.draws.mixtures import DIMS, read
from bayesgmm.draws.permute import permute
from bayesgmm.draws.responsibilities import Responsibilities, some_rows

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))
BY_ROWS = ("ecr", "ecr-pivot", "stephens")
OPTIONS = {"order": {"feature": "f0"}}


def same(a, b):
    return all(np.array_equal(a.posterior[name].values, b.posterior[name].values) for name in DIMS)


def orders_of(draws):
    return draws.sample_stats["permutation"].values.reshape(-1, draws.posterior.sizes["component"])


def agreement(r, orders, weights):
    """The largest expected number of rows whose label agrees with one allocation."""
    total = np.take_along_axis(r, orders[:, None, :], axis=2).sum(axis=0)
    return (weights * total.max(axis=1)).sum()


def divergence(r, orders, weights):
    """Σ w r log (r / q) of the ordered responsibilities, q their mean."""
    ordered = np.take_along_axis(r, orders[:, None, :], axis=2)
    ratio = np.where(ordered > 0, ordered / np.maximum(ordered.mean(axis=0), 1e-300), 1.0)
    return (weights[:, None] * ordered * np.log(ratio)).sum()


def random_problem(rng, m=6, n=8, k=3):
    """Responsibilities that differ from draw to draw, in labels too, and case weights."""
    logits = 2.0 * rng.standard_normal((n, k)) + rng.standard_normal((m, n, k))
    r = np.exp(logits)
    r = rng.permuted(r / r.sum(axis=2, keepdims=True), axis=2) if rng.random() < 0.2 else r / r.sum(axis=2)[..., None]
    return r, rng.gamma(2.0, size=n), rng.permuted(np.tile(np.arange(k), (m, 1)), axis=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 1), (3, 2), (10, 2)])
def test_any_permutation_of_separate_components_is_undone(method, k, d):
    truth = synthetic.truth(k, d)
    clean = synthetic.posterior(truth, n=40)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    matched = relabel(raw, method=method, **OPTIONS.get(method, {"reference": truth}))
    assert same(matched, clean)
    assert np.array_equal(orders_of(matched), np.argsort(synthetic.random_orders(clean), axis=1))
    assert matched.sample_stats["label_confidence"].dims == ("chain", "draw", "component")
    assert (matched.sample_stats["label_confidence"] > 0.999).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_matched_does_not_depend_on_the_labels_as_sampled(method):
    draws = synthetic.posterior(synthetic.truth(3, 2, apart=1.2), n=50, noise=0.4)  # they overlap: labels are disputed
    one = relabel(draws, method=method, **OPTIONS.get(method, {}))
    raw = synthetic.shuffled(draws, synthetic.random_orders(draws))
    other = relabel(raw, method=method, **OPTIONS.get(method, {}))
    between = [p for p in itertools.permutations(range(3)) if same(permute(other, np.array(p)), one)]
    assert len(between) == 1, "the two differ by more than one permutation of all draws"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("apart", [0.3, 1.2, 8.0])
def test_twice_is_once(method, apart):
    draws = synthetic.posterior(synthetic.truth(3, 2, apart=apart), n=50, noise=0.4)
    raw = synthetic.shuffled(draws, synthetic.random_orders(draws))
    once = relabel(raw, method=method, **OPTIONS.get(method, {}))
    twice = relabel(once, method=method, **OPTIONS.get(method, {}))
    assert same(once, twice)
    assert np.array_equal(orders_of(once), orders_of(twice))
    assert np.allclose(once.sample_stats["label_confidence"], twice.sample_stats["label_confidence"], atol=1e-9)


@pytest.mark.parametrize("method", BY_ROWS)
def test_a_row_twice_is_a_row_of_weight_two(method):
    truth = synthetic.truth(3, 1, apart=1.5)
    x, twice = truth.sample(40, seed=3)[0], np.arange(40) % 3 == 0
    draws = synthetic.posterior(truth, n=50, noise=0.5, x=np.concatenate([x, x[twice]]))
    weighted = synthetic.posterior(truth, n=50, noise=0.5, x=x)
    weighted["constant_data"] = xr.DataTree(xr.Dataset({"case_weights": ("obs", 1.0 + twice)}))
    assert np.array_equal(orders_of(relabel(draws, method=method)), orders_of(relabel(weighted, method=method)))


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_no_single_draw_can_be_ordered_better(seed):
    r, weights, start = random_problem(np.random.default_rng(seed))
    for method, objective, sign in ((ecr, agreement, 1.0), (stephens, divergence, -1.0)):
        orders = method(Responsibilities(r, weights), start).orders
        reached = sign * objective(r, orders, weights)
        assert reached >= sign * objective(r, start, weights) - 1e-9
        q = np.take_along_axis(r, orders[:, None, :], axis=2).mean(axis=0)
        table = allocation_table(q.argmax(axis=1), 3) if method is ecr else np.log(q)
        gains = np.einsum("mna,n,nb->mab", r, weights, table)
        every = [gains[:, list(p), range(3)].sum(axis=1) for p in itertools.permutations(range(3))]
        own = np.take_along_axis(gains, orders[:, None, :], axis=1)[:, 0].sum(axis=1)
        assert np.allclose(own, np.max(every, axis=0), rtol=1e-12, atol=1e-11)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([ecr, stephens]))
def test_permuting_responsibilities_and_start_permutes_the_orders(seed, method):
    rng = np.random.default_rng(seed)
    r, weights, start = random_problem(rng)
    p = rng.permuted(np.tile(np.arange(3), (6, 1)), axis=1)
    moved = np.take_along_axis(r, p[:, None, :], axis=2)
    moved_start = np.take_along_axis(np.argsort(p, axis=1), start, axis=1)
    orders = method(Responsibilities(r, weights), start)[0]
    found = method(Responsibilities(moved, weights), moved_start)[0]
    assert np.array_equal(np.take_along_axis(p, found, axis=1), orders)


def test_ecr_with_labels_agrees_best_with_them():
    rng = np.random.default_rng(5)
    r, weights, _ = random_problem(rng, m=40, k=4)
    labels = rng.integers(0, 4, 8)
    found = ecr_to(Responsibilities(r, weights), labels)
    agree = [(weights * r[:, range(8), np.array(p)[labels]]).sum(axis=1) for p in itertools.permutations(range(4))]
    own = (weights * np.take_along_axis(r, found[:, labels][..., None], axis=2)[..., 0]).sum(axis=1)
    assert np.allclose(own, np.max(agree, axis=0), rtol=1e-12)


def test_labels_of_the_rows_are_a_reference():
    truth = synthetic.truth(3, 2)
    x, labels = truth.sample(60, seed=1)
    clean = synthetic.posterior(truth, n=20, x=x)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    matched = relabel(raw, method="ecr-pivot", reference=labels)
    assert same(matched, clean) and matched.attrs["labelling_reference"] == "labels of the rows"
    for wrong in (labels[:-1], labels + 1, labels.astype(float)):
        with pytest.raises(ValueError, match="60 whole numbers from 0 to 2"):
            relabel(raw, method="ecr-pivot", reference=wrong)


def test_rows_with_missing_cells_count_for_what_they_have():
    truth = synthetic.truth(3, 2)
    x = truth.sample(60, seed=1)[0]
    x[::3, 1] = np.nan
    clean = synthetic.posterior(truth, n=20, x=x)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    for method in BY_ROWS:
        assert same(relabel(raw, method=method, reference=truth), clean)


def test_responsibilities_that_are_not_held_give_the_same_to_the_last_bit(monkeypatch):
    draws = synthetic.posterior(synthetic.truth(3, 2, apart=1.0), n=50, noise=0.4)
    mixtures, x = read(draws), draws.observed_data["x"].values
    start = synthetic.random_orders(draws)
    held = Responsibilities.of(mixtures, x)
    monkeypatch.setattr(parts, "HELD", 4 * 10 * 200 * 3)
    monkeypatch.setattr(parts, "_BLOCK", 2000)
    monkeypatch.setattr(allocations, "MOST_DEAR_STEPS", 100)
    anew = Responsibilities.of(mixtures, x)
    assert held.held and not anew.held and len(list(anew.blocks())) > 10
    assert anew.part().held and anew.part().shape == (200, 10, 3)
    for method in (ecr, stephens):  # from where the part of the rows ends
        begin = method(anew.part(), start).orders
        assert all(np.array_equal(a, b) for a, b in zip(method(held, begin), method(anew, start)))
    assert np.array_equal(held.total(start), anew.total(start))


def test_dear_steps_have_a_limit_and_the_attributes_tell(monkeypatch):
    draws = synthetic.posterior(synthetic.truth(3, 2, apart=0.3), n=50, noise=0.5)
    assert relabel(draws).attrs["labelling_steps"].isdigit()
    monkeypatch.setattr(parts, "HELD", 200 * 3 * 4)
    monkeypatch.setattr(allocations, "MOST_DEAR_STEPS", 1)
    assert relabel(draws).attrs["labelling_steps"] == "1, after which orders still changed"


def test_too_many_rows_are_matched_on_some(monkeypatch):
    monkeypatch.setattr(parts, "MOST", 4 * 40 * 3 * 25)
    clean = synthetic.posterior(synthetic.truth(3, 2), n=40)
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    matched = relabel(raw, reference=synthetic.truth(3, 2))
    assert same(matched, clean) and matched.attrs["labelling_rows"] == "25 of 60"
    assert len(set(some_rows(60, 160, 3).tolist())) == 25


def test_components_that_no_row_belongs_to_are_told_apart_by_their_parameters():
    truth = Mixture([0.5, 0.5, 0.0, 0.0], [[0.0], [9.0], [500.0], [900.0]], np.ones((4, 1, 1)), features=["f0"])
    weights = np.maximum(truth.weights, 1e-3) / np.maximum(truth.weights, 1e-3).sum()
    clean = synthetic.posterior(Mixture(weights, truth.means, truth.covariances, features=["f0"]), n=20,
                                x=truth.sample(50, seed=0)[0])  # fmt: skip
    raw = synthetic.shuffled(clean, synthetic.random_orders(clean))
    for method in BY_ROWS:
        assert same(relabel(raw, method=method, reference=truth), clean)


def test_ordering_sorts_one_feature_and_nothing_else():
    draws = synthetic.posterior(synthetic.truth(3, 2, apart=0.5), n=30, noise=0.5)
    rising = relabel(draws, method="order", feature="f1").posterior["means"].sel(feature="f1").values
    assert (np.diff(rising, axis=2) >= 0).all()
    one = synthetic.posterior(synthetic.truth(3, 1), n=5)
    assert relabel(one, method="order").attrs["labelling_reference"] == "means of f0, rising"
    for wrong in (None, "f2", 0):
        with pytest.raises(ValueError, match="needs a feature, one of f0, f1, not"):
            relabel(draws, method="order", feature=wrong)
    with pytest.raises(ValueError, match="takes a feature, and no reference"):
        relabel(draws, method="order", feature="f1", reference=synthetic.truth(3, 2))


def test_a_method_says_what_it_lacks():
    draws = synthetic.posterior(synthetic.truth(3, 2), n=5)
    bare = from_arrays(*(draws.posterior[name].values for name in DIMS))
    assert relabel(bare).attrs["labelling"] == "pivot" and "labelling_rows" not in relabel(bare).attrs
    for method in BY_ROWS:
        with pytest.raises(ValueError, match=f"method='{method}' needs the rows.*method='pivot' does without"):
            relabel(bare, method=method)
    with pytest.raises(ValueError, match="feature is what method='order' goes by"):
        relabel(draws, feature="f0")
    with pytest.raises(ValueError, match="must be a Mixture, not a list"):
        relabel(draws, reference=[0, 1])
    with pytest.raises(ValueError, match="same number"):
        relabel(draws, reference=synthetic.truth(2, 2))


def test_attributes_tell_of_the_last_labelling_only():
    draws = relabel(synthetic.posterior(synthetic.truth(2, 1), n=5))
    assert {"labelling_rows", "labelling_steps"} <= set(draws.attrs)
    again = relabel(draws, method="order")
    assert again.attrs["labelling"] == "order" and not {"labelling_rows", "labelling_steps"} & set(again.attrs)
