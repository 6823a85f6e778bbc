"""Optimal assignments against SciPy's, and the sums that labels are matched with against NumPy's."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from bayesgmm.kernel import add_in_order, best_orders, overlaps, set_threads
from bayesgmm.kernel.threads import pool


def gained(gains, orders):
    return np.take_along_axis(gains, orders[:, None, :], axis=1)[:, 0].sum(axis=1)


def gains_of(kind, k, rng, m=200):
    if kind == "ties":
        return rng.integers(0, 3, (m, k, k)).astype(float)
    if kind == "sums of one-hot tables":  # as ECR has them: whole numbers, with rows and columns of zeros
        return rng.poisson(1.0, (m, k, k)) * (rng.random((m, k, 1)) < 0.7)
    if kind == "far from zero":
        return 1e3 * rng.standard_normal((m, k, k)) - 1e7
    return rng.standard_normal((m, k, k))


@pytest.mark.parametrize("kind", ["generic", "ties", "sums of one-hot tables", "far from zero"])
@pytest.mark.parametrize("k", range(1, 13))
def test_as_good_as_scipys_assignment(kind, k):
    gains = gains_of(kind, k, np.random.default_rng(k)).astype(float)
    orders = best_orders(gains)
    assert (np.sort(orders, axis=1) == np.arange(k)).all()
    expected = np.array([g[linear_sum_assignment(g, maximize=True)].sum() for g in gains])
    # Sums of K numbers, the path's prices among them: K² roundings of the largest.
    assert np.allclose(gained(gains, orders), expected, rtol=0, atol=k * k * 2.3e-16 * np.abs(gains).max())


@given(st.data())
def test_no_order_gains_more(data):
    k = data.draw(st.integers(1, 5))
    cells = st.integers(-4, 4)
    gains = np.array(data.draw(st.lists(cells, min_size=k * k, max_size=k * k)), dtype=float).reshape(1, k, k)
    every = np.array(list(itertools.permutations(range(k))))
    assert gained(gains, best_orders(gains))[0] == gained(np.repeat(gains, len(every), axis=0), every).max()


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_permuting_the_rows_of_a_gain_permutes_its_order(seed, k):
    rng = np.random.default_rng(seed)
    gains, p = rng.standard_normal((1, k, k)), rng.permutation(k)  # ties have probability zero
    assert (p[best_orders(gains[:, p])] == best_orders(gains)).all()


def test_sums_are_numpys():
    rng = np.random.default_rng(0)
    r, table = rng.random((30, 50, 4)), rng.standard_normal((50, 4))
    orders = rng.permuted(np.tile(np.arange(4), (30, 1)), axis=1)
    assert np.allclose(overlaps(r, table), r.transpose(0, 2, 1) @ table, rtol=1e-12, atol=1e-12)
    total = np.ones((50, 4))
    add_in_order(r, orders, total)
    assert np.allclose(total, 1 + np.take_along_axis(r, orders[:, None, :], axis=2).sum(axis=0), rtol=1e-13)


def all_three(r, table):
    gains = overlaps(r, table)
    orders, total = best_orders(gains), np.zeros(table.shape)
    add_in_order(r, orders, total)
    return gains, orders, total


def test_the_same_to_the_last_bit_for_any_number_of_threads_and_any_blocks():
    rng = np.random.default_rng(1)
    r, table = rng.random((3000, 60, 6)), rng.standard_normal((60, 6))
    before = set_threads(1)
    try:
        alone = all_three(r, table)
        set_threads(3)
        together = all_three(r, table)
    finally:
        set_threads(before)
    assert all((a == b).all() for a, b in zip(alone, together))
    total = np.zeros((60, 6))
    for part in (slice(0, 1), slice(1, 1700), slice(1700, 3000)):
        add_in_order(r[part], alone[1][part], total)
    assert (total == alone[2]).all()


def test_nothing_is_left_out_when_the_other_threads_are_busy_elsewhere():
    release, r = threading.Event(), np.random.default_rng(2).random((3000, 60, 6))
    before = set_threads(2)
    busy = pool(1).submit(release.wait)
    try:
        gains, orders, total = all_three(r, np.ones((60, 6)))
    finally:
        release.set()
        busy.result()
        set_threads(before)
    assert np.allclose(gains, r.sum(axis=1)[:, :, None], rtol=1e-12)
    assert (np.sort(orders, axis=1) == np.arange(6)).all() and np.isclose(total.sum(), r.sum(), rtol=1e-12)


def test_what_does_not_fit_is_refused():
    r, table = np.zeros((2, 5, 3)), np.zeros((5, 3))
    for wrong in (np.zeros((5, 2)), np.zeros((4, 3))):
        with pytest.raises(ValueError, match="need a table"):
            overlaps(r, wrong)
    with pytest.raises(ValueError, match="orders"):
        add_in_order(r, np.zeros((1, 3)), table)
    with pytest.raises(ValueError, match="total"):
        add_in_order(r, np.zeros((2, 3)), table.astype(np.float32))
    with pytest.raises(ValueError, match="from 0 to 2"):
        add_in_order(r, np.full((2, 3), 3), table)
    with pytest.raises(ValueError, match="finite"):
        best_orders(np.full((1, 2, 2), np.nan))
    with pytest.raises(ValueError, match="shape"):
        best_orders(np.zeros((2, 3)))
    assert best_orders(np.zeros((0, 3, 3))).shape == (0, 3)
