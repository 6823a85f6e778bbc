"""Agglomeration against its definition: every pair of clusters priced anew at every step."""

import numpy as np
import pytest

from bayesgmm.kernel import merges


def cost(x, w, criterion, c):
    """What a cluster costs, from its rows."""
    n, d = w.sum(), x.shape[1]
    centred = x - w @ x / n
    scatter = (centred * w[:, None]).T @ centred
    if criterion == "EII":
        return np.trace(scatter)
    if criterion == "VII":
        return d * n * np.log((np.trace(scatter) + c) / n)
    det = np.linalg.det(scatter / n) if len(x) > d else 0.0
    return n * np.log(max(det, 0.0) + (np.trace(scatter) + c) / n)


def by_definition(x, w, criterion, c):
    clusters, pairs = {i: [i] for i in range(len(x))}, []
    while len(clusters) > 1:
        names, best = sorted(clusters), (np.inf, None)
        for a in names:
            for b in (name for name in names if name > a):
                one, two = clusters[a], clusters[b]
                parts = (cost(x[rows], w[rows], criterion, c) for rows in (one + two, one, two))
                union, first, second = parts
                # Prices that differ by rounding alone are equal: the first pair stays.
                if union - first - second < best[0] - 1e-8:
                    best = union - first - second, (a, b)
        a, b = best[1]
        clusters[a] += clusters.pop(b)
        pairs.append((a, b))
    return np.array(pairs)


@pytest.mark.parametrize("criterion", ["VVV", "EII", "VII"])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_every_merger_is_the_cheapest(criterion, d):
    rng = np.random.default_rng(d)
    x, w, c = rng.standard_normal((22, d)), rng.integers(1, 4, 22).astype(float), rng.uniform(0.3, 2)
    assert (merges(x, w, criterion, c) == by_definition(x, w, criterion, c)).all()


@pytest.mark.parametrize("criterion", ["VVV", "EII", "VII"])
def test_of_equal_prices_the_first_is_taken(criterion):
    x = np.random.default_rng(0).integers(0, 3, (20, 2)).astype(float)
    x = x[np.sort(np.unique(x, axis=0, return_index=True)[1])]
    w = np.ones(len(x))
    assert (merges(x, w, criterion) == by_definition(x, w, criterion, 1.0)).all()


def test_ward_is_scipys():
    from scipy.cluster.hierarchy import fcluster, ward

    x = np.random.default_rng(1).standard_normal((200, 3))
    group = np.arange(200)
    for a, b in merges(x, np.ones(200), "EII")[:-5]:
        group[group == b] = a
    theirs = fcluster(ward(x), 6, "maxclust")
    assert len(np.unique(group)) == 6 == len(set(zip(group, theirs, strict=True)))


@pytest.mark.parametrize("criterion", ["VVV", "EII", "VII"])
def test_turning_the_rows_changes_no_merger(criterion):
    rng = np.random.default_rng(2)
    x = np.round(rng.standard_normal((300, 3)), 1)  # many distances are equal
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert (merges(x @ turn + 5, np.ones(300), criterion) == merges(x, np.ones(300), criterion)).all()


def test_one_row_needs_no_merger_and_wrong_weights_are_refused():
    assert merges(np.zeros((1, 2)), np.ones(1)).shape == (0, 2)
    for x, w in ((np.zeros((2, 1)), [1.0, 0.0]), (np.zeros((2, 1)), [1.0]), (np.full((2, 1), np.nan), [1.0, 1.0])):
        with pytest.raises(ValueError, match="must be finite.*positive"):
            merges(x, np.array(w))
