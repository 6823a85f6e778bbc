from itertools import combinations

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.selection.merging import APART, merged, suggestion


def entropy(r, w):
    return -sum(wn * p * np.log(p) for row, wn in zip(r, w) for p in row if p > 0)


def by_hand(r, w):
    """Every step written out: of all pairs the one whose union leaves the least entropy."""
    groups = [(k,) for k in range(r.shape[1])]
    found = [groups]
    while len(groups) > 1:
        tried = [sorted([*(g for g in groups if g not in pair), tuple(sorted(pair[0] + pair[1]))])
                 for pair in combinations(groups, 2)]  # fmt: skip
        left = [entropy(np.stack([r[:, list(g)].sum(1) for g in some], 1), w) for some in tried]
        groups = tried[int(np.argmin(left))]
        found.append(groups)
    return found[::-1]


@pytest.mark.parametrize(("k", "sharpness", "seed"), [(1, 1.0, 0), (2, 1.0, 1), (4, 0.3, 2), (6, 0.1, 3), (5, 3.0, 4)])
def test_each_merge_leaves_the_least_entropy(k, sharpness, seed):
    rng = np.random.default_rng(seed)
    r, w = rng.dirichlet(np.full(k, sharpness), 40), rng.uniform(0.5, 3, 40)
    found = merged(r, w)
    wanted = by_hand(r, w)
    assert [list(groups) for groups in found.groups] == wanted
    for n in range(1, k + 1):
        responsibilities = found.responsibilities(n)
        np.testing.assert_allclose(responsibilities.sum(axis=1), 1)
        assert found.entropies[n - 1] == pytest.approx(entropy(responsibilities, w), abs=1e-9)
        np.testing.assert_array_equal(found.labels(n), responsibilities.argmax(axis=1))
    assert (np.diff(found.entropies) >= -1e-9).all()
    assert len(found.table) == k and found.moved[-1] == 0


def test_weights_are_frequencies():
    rng = np.random.default_rng(0)
    r, w = rng.dirichlet(np.ones(4), 20), rng.integers(0, 4, 20)
    weighted, repeated = merged(r, w.astype(float)), merged(np.repeat(r, w, axis=0))
    assert weighted.groups == repeated.groups
    np.testing.assert_allclose(weighted.entropies, repeated.entropies, atol=1e-12)
    np.testing.assert_allclose(weighted.moved, repeated.moved)


def test_the_order_of_components_does_not_matter():
    r = np.random.default_rng(5).dirichlet(np.full(5, 0.3), 60)
    order = [3, 0, 4, 1, 2]
    plain, turned = merged(r), merged(r[:, order])
    for some, others in zip(plain.groups, turned.groups):
        assert {frozenset(g) for g in some} == {frozenset(order[k] for k in g) for g in others}
    assert plain.n_clusters == turned.n_clusters


def test_a_cluster_of_two_gaussians_is_found_again():
    """Two crossed Gaussians at one place and one far away: two clusters."""
    truth = bg.Mixture([0.3, 0.3, 0.4], [[0, 0], [0, 0], [9, 9]],
                       [[[8, 0], [0, 0.2]], [[0.2, 0], [0, 8]], [[1, 0], [0, 1]]])  # fmt: skip
    x, labels = truth.sample(600, seed=1)
    found = bg.merge_components(truth, x)
    assert found.n_clusters == 2 and set(map(frozenset, found.groups[1])) == {frozenset({0, 1}), frozenset({2})}
    far = found.labels() == [i for i, g in enumerate(found.groups[1]) if 2 in g][0]
    assert (far == (labels == 2)).mean() > 0.99


def test_clusters_that_lie_apart_are_not_merged():
    truth = bg.Mixture(np.full(4, 0.25), 10.0 * np.arange(4)[:, None], np.ones((4, 1, 1)))
    found = bg.merge_components(truth, truth.sample(400, seed=0)[0])
    assert found.n_clusters == 4 and "No two" in found.text


def test_how_much_counts_as_apart():
    """The threshold is what two Gaussians of equal weight lose a row when they stand four standard deviations apart."""
    from scipy.integrate import quad
    from scipy.stats import norm

    def density_of_entropy(x, d=4.0):
        r = 1 / (1 + np.exp(-(d * x - d * d / 2)))
        return -(r * np.log(r) + (1 - r) * np.log1p(-r)) * 0.5 * (norm.pdf(x) + norm.pdf(x - d))

    assert quad(density_of_entropy, -4, 8)[0] == pytest.approx(APART, abs=0.001)


def test_the_suggestion_is_where_two_straight_lines_meet():
    """Entropies that are two exact lines over the rows merged, bent at three clusters."""
    moved = np.array([50.0, 40.0, 30.0, 20.0, 10.0, 0.0])
    rows = np.cumsum(moved[::-1])[::-1]
    steep, flat = 0.5, 0.1
    bend = rows[2]
    entropies = np.where(rows <= bend, flat * (rows[0] - bend) + steep * (bend - rows), flat * (rows[0] - rows))
    assert suggestion(entropies, moved) == 3


def test_a_fit_and_its_rows():
    x = bg.load_dataset("faithful")
    fit = bg.fit_mle(x, 3, covariance_type="tied", seed=0, progress=False)
    found = bg.merge_components(fit, x)
    assert found.entropies[-1] == pytest.approx(fit.entropy)
    assert "2 clusters" in found.text and found.text in str(found) and "<table>" in found._repr_html_()
    with pytest.raises(ValueError, match="give the rows"):
        bg.merge_components(fit, x[:100])
    for wrong in (0, 4, True):
        with pytest.raises(ValueError, match="from 1 to 3"):
            found.labels(wrong)
