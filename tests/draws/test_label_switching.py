"""Beside label.switching 1.8 (Papastamoulis 2016): its draws, and the permutations its algorithms gave.

The recorded files are not part of this repository; BAYESGMM_REFERENCES names the folder that has them.
"""

import csv
import gzip
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from bayesgmm.draws import from_arrays, relabel
from bayesgmm.draws.allocations import allocation_table, ecr, ecr_to, stephens
from bayesgmm.draws.responsibilities import Responsibilities

FOLDER = Path(os.environ.get("BAYESGMM_REFERENCES", Path(__file__).parents[3] / "shared" / "refs")) / "relabel"
NAMES = ("papastamoulis_toy_K2", "galaxy_K3_permuted")


def columns(name, what):
    with gzip.open(FOLDER / f"{name}_{what}.csv.gz", "rt") as file:
        return np.array(list(csv.reader(file))[1:], dtype=float)


@pytest.fixture(scope="module", params=NAMES)
def recorded(request):
    if not FOLDER.is_dir():
        pytest.skip(f"no reference results in {FOLDER}; set BAYESGMM_REFERENCES to their folder")
    name = request.param
    told = json.loads((FOLDER / f"{name}.json").read_text())
    m, n, k = told["m"], told["n"], told["K"]
    means, variances, weights = (columns(name, what) for what in ("means", "variances", "weights"))
    shares = columns(name, "p").reshape(m, n, k)
    draws = from_arrays(weights[None], means[None, :, :, None], variances[None, :, :, None, None],
                        x=np.array(told["x"])[:, None])  # fmt: skip
    return SimpleNamespace(
        n=n, k=k, draws=draws, shares=shares, z=columns(name, "z").astype(int) - 1,
        pivots=np.atleast_1d(told["pivots_1based"]) - 1,
        orders={method: np.array(order) - 1 for method, order in told["permutations"].items()},
    )  # fmt: skip


def one_hot(z, k):
    return np.array([allocation_table(labels, k) for labels in z])


def held(r):
    return Responsibilities(np.ascontiguousarray(r), np.ones(r.shape[1]))


def ordered(r, orders):
    return np.take_along_axis(r, orders[:, None, :], axis=2)


def agreement(r, orders):
    return ordered(r, orders).sum(axis=0).max(axis=1).sum()


def divergence(r, orders):
    p = ordered(r, orders)
    ratio = np.where(p > 0, p / np.maximum(p.mean(axis=0), 1e-300), 1.0)
    return (p * np.log(ratio)).sum()


def starts(recorded):
    """As label.switching starts, and from where its other algorithms end."""
    identity = np.tile(np.arange(recorded.k), (len(recorded.shares), 1))
    return [identity, *recorded.orders.values()]


def up_to_one(orders, others):
    """``orders`` with the one permutation of all draws' components that brings them closest to others."""
    count = np.zeros((orders.shape[1],) * 2)
    for a in range(len(count)):
        for b in range(len(count)):
            count[a, b] = (orders[:, a] == others[:, b]).sum()
    return orders[:, linear_sum_assignment(count.T, maximize=True)[1]]


def test_responsibilities_are_those_of_the_recorded_parameters(recorded):
    from bayesgmm.draws.mixtures import read

    r = read(recorded.draws).log_prob(recorded.draws.observed_data["x"].values, responsibilities=True)[1]
    # Parameters were written with 15 digits, of which (x − μ)²/σ² loses some.
    assert np.allclose(r, recorded.shares, atol=1e-9)


def test_ecr_to_the_recorded_pivot_is_theirs_up_to_ties(recorded):
    r = one_hot(recorded.z, recorded.k)
    names = ["ECR"] if len(recorded.pivots) == 1 else [f"ECR-{i + 1}" for i in range(len(recorded.pivots))]
    for name, pivot in zip(names, recorded.pivots):
        ours, theirs = ecr_to(held(r), recorded.z[pivot]), recorded.orders[name]
        score = [(np.take_along_axis(r, o[:, recorded.z[pivot]][..., None], axis=2)).sum(axis=(1, 2))
                 for o in (ours, theirs)]  # fmt: skip
        assert np.array_equal(*score)  # whole numbers of rows
        differ = (ours != theirs).any(axis=1)
        tied = [(r[m][:, None, :] * allocation_table(recorded.z[pivot], recorded.k)[:, :, None]).sum(axis=0)
                for m in np.flatnonzero(differ)]  # fmt: skip
        assert all(is_tied(count) for count in tied)


def is_tied(count):
    """Whether two orders agree with the pivot equally well: count[b, a] rows are a here and b there."""
    from itertools import permutations

    sums = sorted(sum(count[b, a] for b, a in enumerate(p)) for p in permutations(range(len(count))))
    return sums[-1] == sums[-2]


def test_iterated_ecr_agrees_at_least_as_well_as_theirs(recorded):
    r = one_hot(recorded.z, recorded.k)
    theirs = max(agreement(r, recorded.orders[f"ECR-ITERATIVE-{i}"]) for i in (1, 2))
    for start in starts(recorded):
        assert agreement(r, ecr(held(r), start).orders) >= agreement(r, start)
    matched = relabel(recorded.draws)  # by r itself, from affinity
    ours = ecr(held(r), orders_of(matched)).orders
    assert agreement(r, ours) >= theirs - 1e-9


def test_expected_agreement_is_at_least_that_of_all_their_algorithms(recorded):
    ours = agreement(recorded.shares, orders_of(relabel(recorded.draws, method="ecr")))
    assert ours >= max(agreement(recorded.shares, o) for o in recorded.orders.values()) - 1e-9


def test_stephens_divergence_is_at_most_that_of_all_their_algorithms(recorded):
    ours = divergence(recorded.shares, orders_of(relabel(recorded.draws, method="stephens")))
    assert ours <= min(divergence(recorded.shares, o) for o in recorded.orders.values()) + 1e-9
    for start in starts(recorded):
        assert divergence(recorded.shares, stephens(held(recorded.shares), start).orders) <= (
            divergence(recorded.shares, start) + 1e-9
        )


def test_ours_agree_with_theirs_as_theirs_do_with_each_other(recorded):
    theirs = recorded.orders
    least = min(share_alike(a, b) for a in theirs.values() for b in theirs.values())
    by_rows = [order for name, order in theirs.items() if name not in ("PRA", "AIC")]
    unanimous = all(share_alike(a, by_rows[0]) == 1 for a in by_rows)
    for method in ("ecr", "ecr-pivot", "stephens", "pivot"):
        ours = orders_of(relabel(recorded.draws, method=method))
        assert max(share_alike(ours, order) for order in theirs.values()) >= least
        assert not unanimous or share_alike(ours, by_rows[0]) == 1


def share_alike(orders, others):
    return (up_to_one(orders, others) == others).all(axis=1).mean()


def orders_of(draws):
    return draws.sample_stats["permutation"].values[0]
