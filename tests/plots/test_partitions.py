"""What the figures of partitions show, in numbers."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

import bayesgmm as bg
from bayesgmm.plots.partitions import _averaged
from bayesgmm.plots.style import component_colors

from .conftest import made_up


def draws_of(m, n, k, noise=0.15, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    return truth, np.where(rng.random((m, n)) < noise, rng.integers(k + 2, size=(m, n)), truth)


def test_the_map_has_the_similarities_in_an_order_that_keeps_clusters_together():
    truth, draws = draws_of(80, 40, 3)
    p = bg.similarity(draws)
    found = bg.partition(draws, seed=0)
    ax = bg.plot_similarity(p, found)
    shown, strip = (image.get_array() for image in ax.images)
    assert sorted(np.asarray(shown).sum(axis=1)) == pytest.approx(sorted(p.values.sum(axis=1)))
    assert np.asarray(shown) == pytest.approx(np.asarray(shown).T)
    colors = np.asarray(strip)[:, 0]
    assert (np.abs(np.diff(colors, axis=0)).max(axis=1) > 0).sum() == found.n_clusters - 1
    assert {tuple(c) for c in colors} == {to_rgb(c) for c in component_colors(found.n_clusters)}
    assert ax.get_title() == f"40 rows in {found.n_clusters} clusters"
    plt.close(ax.figure)


def test_of_many_rows_neighbours_are_averaged():
    p = np.random.default_rng(0).random((7, 7))
    order = np.random.default_rng(1).permutation(7)
    q = p[np.ix_(order, order)]
    found = _averaged(p, order, 3)
    assert found.shape == (3, 3)
    assert found[0, 2] == pytest.approx(q[:3, 6:].mean()) and found[1, 1] == pytest.approx(q[3:6, 3:6].mean())
    ax = bg.plot_similarity(np.eye(1700), np.zeros(1700, int))
    assert ax.images[0].get_array().shape == (567, 567) and "3 by 3 averaged" in ax.get_title()
    plt.close(ax.figure)


def test_a_partition_is_drawn_with_the_bounds_of_its_ball():
    truth, draws = draws_of(80, 40, 3)
    x = np.random.default_rng(0).normal(size=(40, 3)) + 5 * truth[:, None]
    found = bg.partition(draws, seed=0)
    axes = bg.plot_partition(found, x, features=(0, 2)).ravel()
    ball = found.credible_ball()
    for ax, bound in zip(axes[1:], ball.bounds.values()):
        assert f"{bound.n_clusters} clusters, {bound.distance:.3g} away" in ax.get_title()
    at = np.asarray(axes[0].collections[0].get_offsets())
    assert sorted(map(tuple, at)) == sorted(map(tuple, x[:, [0, 2]]))
    assert axes[2].get_xlabel() == "x0" and axes[2].get_ylabel() == "x2"
    plt.close(axes[0].figure)


def test_draws_of_a_mixture_are_ordered_by_an_estimate_of_their_own():
    draws = made_up(3, 2)[2]
    ax = bg.plot_similarity(draws, seed=0)
    assert "90 rows in" in ax.get_title()
    figure, ax = plt.subplots()
    assert bg.plot_partition(bg.partition(draws, seed=0), draws["observed_data"]["x"].values, ax=ax) is ax
    plt.close(figure)


def test_errors_say_what_is_wrong():
    _, draws = draws_of(20, 10, 2)
    found, x = bg.partition(draws, seed=0), np.random.default_rng(0).normal(size=(10, 2))
    for call, words in (
        (lambda: bg.plot_similarity(np.ones((3, 4))), "similarities must be N × N"),
        (lambda: bg.plot_similarity(draws, [0, 1]), "partition must have 10 rows"),
        (
            lambda: bg.plot_partition(found, x[:9]),
            "the 10 rows of the partition",
        ),
        (lambda: bg.plot_partition(found, x, features=("a", 1)), "two of"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
