"""The search against all partitions there are, and against R's mcclust and mcclust.ext on their own data."""

import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.draws.clusterings import clusterings
from bayesgmm.draws.losses import distances
from bayesgmm.draws.optimum import bound

FOLDER = Path(os.environ.get("BAYESGMM_REFERENCES", Path(__file__).parents[3] / "shared" / "refs")) / "partitions"
LOSSES = ("vi", "binder", "nvi", "vi_bound")


def reference(name):
    if not (FOLDER / name).is_file():
        pytest.skip(f"{FOLDER / name} is not there: set BAYESGMM_REFERENCES to the folder of reference results")
    if name.endswith(".gz"):
        with gzip.open(FOLDER / name, "rt") as file:
            return np.array(list(csv.reader(file))[1:], dtype=float)
    return json.loads((FOLDER / name).read_text())


@pytest.fixture(scope="module")
def wade():
    """500 draws of 200 points by Wade & Ghahramani, and what mcclust and mcclust.ext say of them."""
    return reference("ex1_DPM_wade_draws.csv.gz").astype(int), reference("ex1_DPM_wade.json")


@pytest.fixture(scope="module")
def nine():
    return reference("exhaustive9.json")


def all_partitions(n):
    """Every partition of n items, as labels in which a new cluster has the next number."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*one, k] for one in found for k in range(max(one) + 2)]
    return np.array(found)


def made_up(m, n, k, noise, seed):
    """Draws about a partition into k clusters, each row put elsewhere at random with a probability."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    return truth, np.where(rng.random((m, n)) < noise, rng.integers(k + 3, size=(m, n)), truth)


def written_out(a, b, loss):
    """A distance from the definitions, over pairs of rows or the joint distribution of labels."""
    n = len(a)
    if loss == "binder":
        return ((a[:, None] == a) != (b[:, None] == b)).sum() / n**2
    joint, own, other = (np.unique(np.stack(c, 1), axis=0, return_counts=True)[1] / n for c in ((a, b), (a,), (b,)))
    h, h_a, h_b = (-(p * np.log2(p)).sum() for p in (joint, own, other))
    vi = (h - h_a) + (h - h_b)
    return vi if loss == "vi" else (vi / h if h > 0 else 0.0)


@pytest.mark.parametrize("loss", ["vi", "binder", "nvi"])
def test_a_distance_is_as_its_definition_writes_it(loss):
    rng = np.random.default_rng(1)
    for n in (1, 2, 7, 40):
        a, b = rng.integers(4, size=(2, n))
        assert bg.partition_distance(a, b, loss=loss) == pytest.approx(written_out(a, b, loss), abs=1e-13)


@pytest.mark.parametrize("loss", ["vi", "binder", "nvi"])
def test_a_loss_is_a_metric_on_the_partitions_of_five(loss):
    parts = all_partitions(5)
    table = np.array([distances(parts, one, loss) for one in parts])
    assert (np.diag(table) == 0).all() and (table[~np.eye(len(parts), dtype=bool)] > 1e-3).all()
    assert np.allclose(table, table.T, atol=1e-14)
    assert (table[:, None, :] <= table[:, :, None] + table[None] + 1e-12).all()


def test_ranges_of_the_distances():
    together, apart = np.zeros(64, int), np.arange(64)
    assert bg.partition_distance(together, apart) == pytest.approx(6.0)
    assert bg.partition_distance(together, apart, loss="nvi") == pytest.approx(1.0)
    assert bg.partition_distance(together, apart, loss="binder") == pytest.approx(63 / 64)


def test_the_adjusted_rand_index_is_scikit_learns():
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(0)
    for n in (1, 2, 30, 300):
        a, b = rng.integers(3, size=n), rng.integers(5, size=n)
        assert bg.adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
        assert bg.adjusted_rand_index(a, a) == 1.0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(4))
def test_the_search_finds_the_best_of_all_partitions_of_seven(loss, seed):
    rng = np.random.default_rng(seed)
    draws = rng.integers(rng.integers(2, 6), size=(20, 7)) if seed % 2 else made_up(25, 7, 3, 0.25, seed)[1]
    parts, draws = all_partitions(7), clusterings(draws).labels
    assert len(parts) == 877
    if loss == "vi_bound":
        p = (draws[:, :, None] == draws[:, None, :]).mean(axis=0)
        least = min(bound(one, p) for one in parts)
    else:
        least = min(distances(draws, one, loss).mean() for one in parts)
    assert bg.partition(draws, loss=loss, seed=0).expected_loss == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_expected_loss_does_not_depend_on_numbers_of_clusters_or_order_of_rows(loss):
    rng = np.random.default_rng(3)
    _, draws = made_up(60, 40, 4, 0.2, 3)
    renamed = np.array([rng.permutation(7)[row] for row in draws])
    order = rng.permutation(40)
    base, other, moved = (bg.partition(d, loss=loss, seed=1) for d in (draws, renamed, draws[:, order]))
    assert other.expected_loss == pytest.approx(base.expected_loss, abs=1e-12)
    assert (other.labels == base.labels).all()
    assert moved.expected_loss == pytest.approx(base.expected_loss, abs=1e-12)
    assert bg.partition_distance(moved.labels, base.labels[order]) == 0


def test_the_same_seed_gives_the_same_answer_for_any_number_of_threads():
    _, draws = made_up(80, 150, 6, 0.35, 5)
    before = bg.kernel.set_threads(1)
    try:
        one = bg.partition(draws, seed=4)
        bg.kernel.set_threads(3)
        three = bg.partition(draws, seed=4)
    finally:
        bg.kernel.set_threads(before)
    assert (one.labels == three.labels).all() and one.expected_loss == three.expected_loss
    assert one.reached == three.reached


def test_every_partition_of_nine_that_was_enumerated_has_its_losses(nine):
    draws, p = clusterings(np.array(nine["draws"])).labels, np.array(nine["psm"])
    assert bg.similarity(draws).values == pytest.approx(p, abs=1e-12)
    told = nine["first20"]
    parts = [np.array(one) - 1 for one in told["partitions"]]
    assert [distances(draws, one, "vi").mean() for one in parts] == pytest.approx(told["expected_VI"], abs=1e-11)
    assert [bound(one, p) for one in parts] == pytest.approx(told["VI_lb"], abs=1e-11)
    pairs = 9**2 / 2
    assert [distances(draws, one, "binder").mean() * pairs for one in parts] == pytest.approx(told["binder"], abs=1e-11)


@pytest.mark.parametrize(
    ("loss", "key", "unit"),
    [("vi", "argmin_exact_expected_VI", 1.0), ("vi_bound", "argmin_VI_lower_bound", 1.0),
     ("binder", "argmin_binder", 9**2 / 2)],
)  # fmt: skip
def test_the_best_of_the_partitions_of_nine(nine, loss, key, unit):
    found = bg.partition(np.array(nine["draws"]), loss=loss, seed=0)
    assert bg.partition_distance(found.labels, nine[key]["cl"]) == 0
    assert found.expected_loss * unit == pytest.approx(nine[key]["value"], abs=1e-11)


def test_similarities_are_those_of_mcclust(wade):
    theirs = reference("ex1_DPM_wade_psm.csv.gz")
    assert bg.similarity(wade[0]).values == pytest.approx(theirs, abs=1e-12)


def test_the_bound_is_no_worse_than_min_vi(wade):
    draws, told = wade
    p = bg.similarity(draws).values
    for best in told["minVI"].values():  # the same objective, at their partitions
        if isinstance(best, dict) and "cl" in best:
            assert bound(np.array(best["cl"]) - 1, p) == pytest.approx(best["value"], abs=1e-10)
    found = bg.partition(draws, loss="vi_bound", seed=0)
    assert found.expected_loss <= told["minVI"]["best"]["value"] + 1e-9


def test_binders_loss_is_no_worse_than_minbinders(wade):
    draws, told = wade
    best = told["minbinder"]["best"]
    ours = distances(clusterings(draws).labels, np.array(best["cl"]) - 1, "binder").mean()
    assert ours == pytest.approx(best["value"], abs=1e-10)
    assert bg.partition(draws, loss="binder", seed=0).expected_loss <= best["value"] + 1e-9


def test_the_expected_vi_is_no_worse_than_that_of_any_partition_of_theirs(wade):
    draws, told = wade
    labels = clusterings(draws).labels
    theirs = np.array(told["minVI"]["best"]["cl"]) - 1
    value = told["exact_posterior_expected_VI_of_minVI_best"]
    assert distances(labels, theirs, "vi").mean() == pytest.approx(value, abs=1e-11)
    found = bg.partition(draws, seed=0)
    assert found.expected_loss <= min(value, told["exact_posterior_expected_VI_of_minbinder_best"]) + 1e-9
