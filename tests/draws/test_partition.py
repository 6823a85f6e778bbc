"""The search against all partitions there are, and against R's mcclust and mcclust.ext on their own data."""

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.draws import from_arrays, waiting
from bayesgmm.draws.ball import credible_ball
from bayesgmm.draws.clusterings import clusterings
from bayesgmm.draws.losses import distances
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.n_clusters import mean_error
from bayesgmm.draws.optimum import bound, bound_influence
from bayesgmm.kernel import Problem, co_clustering
from tests.draws.synthetic import tree

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


def test_binder_by_similarities_is_binder_by_draws():
    """The same objective, looked at, and no search by one gets below what the other finds from the same start."""
    _, draws = made_up(50, 80, 4, 0.3, seed=3)
    labels, total = clusterings(draws).labels, np.arange(81.0) ** 2
    by_draws = Problem.of_draws(labels, total, n_slots=12)
    by_pairs = Problem.of_similarity(co_clustering(labels), total, n_slots=12, pairs=True)
    for seed in range(5):
        start = np.random.default_rng(seed).integers(5, size=80)
        one, other = (problem.search((0, 0), start, deep=0).value for problem in (by_draws, by_pairs))
        assert one == pytest.approx(other, rel=1e-12)
        one, other = (problem.search((seed, 1), start) for problem in (by_draws, by_pairs))
        assert one.value == pytest.approx(other.value, rel=1e-9)
        assert by_draws.search((0, 0), other.labels, deep=0).value == pytest.approx(other.value, rel=1e-12)


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


def labels_of(partition, wade):
    return np.unique(wade[1][partition]["best"]["cl"], return_inverse=True)[1]


@pytest.mark.parametrize(("kind", "loss", "centre"), [("VI", "vi", "minVI"), ("Binder", "binder", "minbinder")])
def test_credible_balls_have_the_radii_and_bounds_of_mcclust_at_its_own_centres(wade, kind, loss, centre):
    told = wade[1][f"credibleball_{kind}"]
    ball = credible_ball(labels_of(centre, wade), clusterings(wade[0]).labels, 0.95, loss)
    names = {"horizontal": "horiz", "upper": "upper", "lower": "lower"}
    for name, theirs in names.items():
        assert ball.bounds[name].distance == pytest.approx(told[f"dist_{theirs}"], abs=1e-11)
        if f"n_clusters_{theirs}" in told:
            assert ball.bounds[name].n_clusters == told[f"n_clusters_{theirs}"]
    assert ball.radius == pytest.approx(told["dist_horiz"], abs=1e-11)
    assert 0.95 <= ball.probability < 0.952


def test_a_credible_ball_is_the_smallest_that_holds_its_probability():
    _, draws = made_up(200, 30, 3, 0.2, 7)
    found = bg.partition(draws, seed=0)
    for level in (0.1, 0.5, 0.95):
        ball = found.credible_ball(level)
        apart = np.array([written_out(found.labels, row, "vi") for row in draws])
        assert (apart <= ball.radius + 1e-12).mean() >= level > (apart < ball.radius - 1e-12).mean()
        assert ball.probability == pytest.approx((apart <= ball.radius + 1e-12).mean())
        assert ball.upper.n_clusters <= ball.horizontal.n_clusters <= ball.lower.n_clusters
        for edge in ball.bounds.values():
            assert bg.partition_distance(edge.labels, found) == pytest.approx(edge.distance, abs=1e-12)


def test_uncertainty_of_rows_against_pairs_counted_one_by_one():
    _, draws = made_up(100, 25, 3, 0.2, 8)
    found = bg.partition(draws, seed=0)
    p, labels = bg.similarity(draws).values, found.labels
    together = found.uncertainty["together"].values
    for i in range(25):
        mates = np.flatnonzero((labels == labels[i]) & (np.arange(25) != i))
        alone = np.mean([(row == row[i]).sum() == 1 for row in draws])
        assert together[i] == pytest.approx(p[i, mates].mean() if len(mates) else alone, abs=1e-12)
    shares = found.uncertainty["probability"].values
    assert (shares >= 0).all() and (shares.sum(axis=1) <= 1 + 1e-12).all()


def test_of_equal_draws_everything_is_certain():
    draws = np.tile([0, 0, 1, 2, 2, 2], (20, 1))
    for loss in LOSSES:
        found = bg.partition(draws, loss=loss, seed=0)
        assert bg.partition_distance(found, draws[0]) == 0 and found.expected_loss == pytest.approx(0.0, abs=1e-12)
        assert found.standard_error == 0 and found.credible_ball().radius == 0
    frame = found.to_frame()
    assert (frame[["together", "probability"]] == 1).all(axis=None) and frame["runner_up"].isna().all()
    assert found.labels.tolist() == [1, 1, 2, 0, 0, 0] and found.sizes.tolist() == [3, 2, 1]


def test_one_row_and_one_draw():
    for loss in LOSSES:
        assert bg.partition([[3], [5]], loss=loss).labels.tolist() == [0]
        assert bg.partition([[3, 1, 3]], loss=loss).n_clusters == 2


@pytest.mark.slow
def test_the_standard_error_is_that_of_independent_draws():
    # 200 data sets of draws from one distribution: the spread of the expected loss of a fixed partition.
    rng, truth = np.random.default_rng(0), np.repeat([0, 1, 2], 10)
    values, errors, bounds, bound_errors = [], [], [], []
    for _ in range(200):
        draws = clusterings(np.where(rng.random((100, 30)) < 0.2, rng.integers(3, size=(100, 30)), truth)).labels
        each, p = distances(draws, truth, "vi"), bg.similarity(draws).values
        values.append(each.mean())
        errors.append(mean_error(each, 1)[0])
        bounds.append(bound(truth, p))
        bound_errors.append(mean_error(bound_influence(truth, draws, p), 1)[0])
    # The sd of 200 numbers is known to 5 %; four of these.
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)
    assert np.mean(bound_errors) == pytest.approx(np.std(bounds), rel=0.2)


def test_allocations_of_a_posterior_are_read_by_their_dims():
    _, draws = made_up(60, 20, 3, 0.2, 1)
    posterior = tree(allocations=draws.reshape(3, 20, 20))
    assert (bg.similarity(posterior).values == bg.similarity(draws).values).all()
    assert bg.partition(posterior, seed=0).expected_loss == bg.partition(draws, seed=0).expected_loss
    posterior["posterior"] = posterior["posterior"].to_dataset().transpose("obs", "chain", "draw")
    assert (bg.similarity(posterior).values == bg.similarity(draws).values).all()


def fixed_k(seed=0):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(-3, 1, 30), rng.normal(3, 1, 20)])[:, None]
    means = np.array([[-3.0], [3.0]]) + 0.3 * rng.standard_normal((4, 250, 2, 1))
    return x, from_arrays(np.full((4, 250, 2), 0.5), means, np.ones((4, 250, 2, 1, 1)), x=x)


def test_a_posterior_of_fixed_k_has_its_similarities_from_responsibilities():
    x, draws = fixed_k()
    _, r = read(draws).log_prob(x, responsibilities=True)
    exact = np.einsum("mik,mjk->ij", r, r) / len(r)
    np.fill_diagonal(exact, 1.0)
    assert bg.similarity(draws).values == pytest.approx(exact, abs=1e-12)
    # Allocations that are drawn have these as their expectation: 1000 draws, five standard errors of ½ at most.
    assert abs(bg.similarity(clusterings(draws, 1).labels).values - exact).max() < 5 * 0.5 / np.sqrt(1000)
    found = bg.partition(draws, seed=0)
    assert bg.adjusted_rand_index(found, x[:, 0] > 0) > 0.9
    # Clusters take the numbers of the components, not of the sizes.
    assert found.labels[np.argmin(x)] == 0 and found.labels[np.argmax(x)] == 1


def test_errors_say_what_is_wrong():
    draws = np.zeros((3, 4), int)
    for call, words in (
        (lambda: bg.partition(draws, loss="rand"), "loss must be one of 'vi'"),
        (lambda: bg.partition(draws, restarts=0), "restarts must be at least 1, not 0"),
        (lambda: bg.partition(draws[0]), "labels \\(M, N\\)"),
        (lambda: bg.partition(draws + 0.5), "whole numbers.*first that is not is at \\(0, 0\\)"),
        (lambda: bg.partition(np.full((2, 2), "a")), "whole numbers"),
        (lambda: bg.similarity(tree(other=np.zeros((1, 2)))), "neither allocations"),
        (lambda: bg.similarity(np.zeros((2, 20_000), int)), "3.2 GB, more than memory=1 .* use partition"),
        (lambda: bg.partition(np.zeros((2, 20_000), int), loss="vi_bound"), "3.2 GB"),
        (lambda: bg.partition(draws, seed=0).credible_ball(95), "level must be strictly between 0 and 1, not 95"),
        (lambda: bg.partition(draws, seed=0).credible_ball(loss="vi_bound"), "loss must be one of"),
        (lambda: bg.partition_distance([0, 1], [0, 1, 1]), "have 2 and 3 labels"),
        (lambda: bg.partition_distance([0, np.nan], [0, 1]), "a has no label \\(NaN\\) in row 1"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_an_interrupt_keeps_the_best_so_far(monkeypatch):
    _, draws = made_up(60, 40, 4, 0.2, 3)

    def interrupted(running, *_):
        while not all(one.done() for one in running):
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "_watch", interrupted)
    found = bg.partition(draws, seed=1)
    assert found.interrupted and "interrupted" in found.text and found.restarts >= 1
    assert np.isfinite(found.expected_loss) and len(found.labels) == 40


@pytest.mark.slow
def test_twenty_thousand_rows_need_no_matrix():
    # Peak memory in a fresh process; 20 000 × 20 000 doubles would be 3200 MB.
    code = """
import resource, numpy as np, bayesgmm as bg
rng = np.random.default_rng(0)
truth = rng.integers(4, size=20_000)
draws = np.where(rng.random((50, 20_000)) < 0.02, rng.integers(4, size=(50, 20_000)), truth)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = bg.partition(draws, seed=0, restarts=2)
print(bg.adjusted_rand_index(found, truth), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    agreement, extra = map(float, done.stdout.split())
    assert agreement > 0.999 and extra < 300
