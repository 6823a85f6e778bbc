"""Starts: what a user may ask for, what is yielded, and that units of the features do not matter."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import bayesgmm as bg
from bayesgmm.families import FAMILIES
from bayesgmm.fit.hierarchy import hierarchy
from bayesgmm.fit.starts import kmeans_plus_plus, starts_for
from bayesgmm.fit.wanted import how_many, wanted
from bayesgmm.kernel import Incomplete

FAITHFUL = bg.load_dataset("faithful").to_numpy(dtype=float)
LABELS = (FAITHFUL[:, 1] > 65).astype(int)


def begun(x, k, starts, seed=0, **options):
    return list(starts_for(x, k, starts, seed, **options))


def fit(x, k, starts=10, **options):
    return bg.fit_mle(x, k, starts=starts, progress=False, **{"seed": 0, **options})


# ---- what may be asked for


@pytest.mark.parametrize("n", range(1, 30))
def test_a_number_is_that_many(n):
    asked = wanted(n, 2, 272, 2)
    assert how_many(asked) == n and asked[0].name == "hierarchy"
    assert len(begun(FAITHFUL, 2, n)) == n


def test_names_with_counts_come_in_their_order():
    kinds = [one.kind for one in begun(FAITHFUL, 3, {"random": 2, "hierarchy": 3, "kmeans++": 1})]
    assert kinds == ["random"] * 2 + ["hierarchy EII", "hierarchy VVV", "hierarchy VVV sphered", "kmeans++"]
    assert [one.kind for one in begun(FAITHFUL[:, :1], 3, {"hierarchy": 3})] == [
        "hierarchy quantiles", "hierarchy EII", "hierarchy VVV"]  # fmt: skip


def test_what_a_user_gives_is_begun_from():
    found = fit(FAITHFUL, 2, starts=1)
    r = found.mixture.responsibilities(FAITHFUL)
    mixed = [LABELS, LABELS.tolist(), r, found, found.mixture, "random"]
    asked = wanted(mixed, 2, 272, 2)
    assert [one.name for one in asked] == ["labels", "labels", "responsibilities", "mixture", "mixture", "random"]
    again = fit(FAITHFUL, 2, starts=mixed)
    assert [s.kind for s in again.starts] == [one.name for one in asked]
    # From a maximum there is nothing to gain.
    assert {s.n_iter for s in again.starts[2:5]} <= {0, 1, 2}
    assert again.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-7)


def test_labels_are_an_m_step_at_exactly_them():
    (one,) = begun(FAITHFUL, 2, LABELS)
    for k in (0, 1):
        rows = FAITHFUL[LABELS == k]
        np.testing.assert_allclose(one.stats.means[k], rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(one.stats.scatters[k], len(rows) * np.cov(rows.T, ddof=0), rtol=1e-10)
    (thin,) = begun(FAITHFUL, 2, np.r_[1, np.zeros(271, dtype=int)])  # one row has no covariance of its own
    assert np.linalg.eigvalsh(thin.stats.scatters[1])[0] > 0


WRONG = {
    "0": (0, "starts must be an integer of at least 1, not 0"),
    "true": (True, "starts must be an integer of at least 1, not True"),
    "fraction": (2.5, "starts must be an integer of at least 1, not 2.5"),
    "name": ("kmeans", "starts names 'kmeans', which is not known; use 'hierarchy', 'kmeans[+][+]', 'random'"),
    "count": ({"random": -1}, "starts={'random': -1}: give a whole number of starts"),
    "trees": ({"hierarchy": 4}, "4 starts by hierarchy, but there are 3"),
    "none": ({"random": 0}, "asks for no start"),
    "empty": ([], "asks for no start"),
    "length": (LABELS[:100], "starts has 100 labels, but x has 272 rows"),
    "label": (np.where(np.arange(272) == 7, 2, LABELS), "the label 2 in row 7; labels must be 0 … 1"),
    "no row": (np.zeros(272, dtype=int), "no row with the label 1"),
    "columns": (np.full((272, 3), 1 / 3), "responsibilities of 3 components, but n_components is 2"),
    "sums": (np.full((272, 2), 0.4), "responsibilities .0.4, 0.4. in row 0; they must be non-negative and sum to one"),
    "empty component": (np.eye(2)[np.zeros(272, dtype=int)], "gives component 1 no row"),
    "mixture": (bg.Mixture([1.0], [[0.0, 0.0]], [np.eye(2)]), "a mixture of 1 components of 2 features, but"),
    "words": (object(), "cannot be read; give a number, names with counts"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_refused_in_a_sentence(name):
    starts, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        fit(FAITHFUL, 2, starts=starts)


def test_rows_that_do_not_count_take_their_labels_along():
    counts = np.where(np.arange(272) % 5 == 0, 0.0, 1.0)
    kept = counts > 0
    a = fit(FAITHFUL, 2, starts=LABELS, case_weights=counts)
    b = fit(FAITHFUL[kept], 2, starts=LABELS[kept])
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=1e-13)


def test_the_posterior_mode_of_a_story_begins_where_it_is_told():
    from bayesgmm.models import finite_mixture

    found = bg.fit_map(finite_mixture(FAITHFUL, 2), starts=[LABELS, "hierarchy"], progress=False)
    assert [s.kind for s in found.starts] == ["labels", "hierarchy EII"]
    assert found.census[0].n_starts == 2 and "2 of 2 starts reached this mode" in str(found)


# ---- what is yielded


@pytest.mark.parametrize("starts", ["hierarchy", "kmeans++", "random"])
def test_statistics_are_of_all_rows_with_positive_definite_scatters(starts):
    counts = np.random.default_rng(0).integers(1, 5, 272).astype(float)
    for one in begun(FAITHFUL, 6, starts, case_weights=counts):
        assert one.stats.total == pytest.approx(counts.sum(), rel=1e-12)
        assert (np.linalg.eigvalsh(one.stats.scatters) > 0).all() and (one.stats.counts > 0).all()


def test_more_components_than_different_rows_of_a_sample_still_begin():
    x = np.repeat(np.arange(4.0), 30)[:, None]
    tree = hierarchy(x[:90])
    assert tree.n_leaves == 3
    found = begun(x[:90], 4, {"hierarchy": 3, "kmeans++": 3, "random": 3}, tree=tree)
    assert len(found) == 9 and all(np.isfinite(one.stats.means).all() for one in found)


def test_a_seed_fixes_random_starts_and_hierarchy_needs_none():
    a, b, c = (begun(FAITHFUL, 3, 10, seed=seed) for seed in (1, 1, 2))
    same = [np.array_equal(p.stats.means, q.stats.means) for p, q in zip(a, b, strict=True)]
    other = [np.array_equal(p.stats.means, q.stats.means) for p, q in zip(a, c, strict=True)]
    assert all(same) and all(other[:3]) and not any(other[3:])


def test_one_tree_serves_all_numbers_of_components():
    tree = hierarchy(FAITHFUL)
    for k in (1, 2, 5):
        (given,), (own,) = begun(FAITHFUL, k, "hierarchy", tree=tree), begun(FAITHFUL, k, "hierarchy")
        np.testing.assert_array_equal(given.stats.means, own.stats.means)


def test_seeds_are_drawn_by_their_weights():
    y, weights = np.arange(3.0)[:, None], np.array([1.0, 0.0, 1.0])
    seeds = [kmeans_plus_plus(y, 2, np.random.default_rng(i), weights).ravel() for i in range(20)]
    assert all(sorted(s) == [0.0, 2.0] for s in seeds)


@pytest.mark.parametrize("starts", ["hierarchy", "kmeans++", "random", LABELS])
def test_missing_cells_are_no_obstacle(starts):
    x = FAITHFUL.copy()
    x[::9, 0] = np.nan
    found = fit(x, 2, starts=starts, missing="marginalise")
    assert found.converged and found.mixture.weights.min() > 0.3
    assert all(one.stats.total == pytest.approx(272) for one in begun(Incomplete.of(x), 2, starts))


# ---- units do not matter

ROTATION = np.array([[0.6, -0.8], [0.8, 0.6]])
MAPS = {"rotation": 300.0 * ROTATION, "scaling": np.diag([100.0, 1e-2]), "linear": np.array([[3.0, 1.0], [-20.0, 5.0]])}
# Under which maps of the rows a family is closed (Celeux & Govaert 1995), by mclust's code; E and V are of one feature.
CLOSED = {code: ("rotation", "scaling", "linear") for code in ("EEE", "VEE", "EVV", "VVV")}
CLOSED |= {code: ("scaling",) for code in ("EEI", "VEI", "EVI", "VVI")}
CLOSED |= {code: ("rotation",) for code in ("EII", "VII", "EVE", "VVE", "EEV", "VEV")}
CASES = [(f.code, name) for f in FAMILIES for name in CLOSED.get(f.code, ())]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("k", [2, 5])
def test_what_is_begun_from_moves_with_the_rows(name, k):
    matrix = MAPS[name]
    for one, moved in zip(begun(FAITHFUL, k, 20), begun(FAITHFUL @ matrix.T + 7.0, k, 20), strict=True):
        np.testing.assert_allclose(moved.stats.counts, one.stats.counts, rtol=1e-9)
        np.testing.assert_allclose(moved.stats.means, one.stats.means @ matrix.T + 7.0, rtol=1e-9)
        scale = np.abs(matrix @ one.stats.scatters @ matrix.T).max()
        np.testing.assert_allclose(moved.stats.scatters, matrix @ one.stats.scatters @ matrix.T, atol=1e-9 * scale)


@pytest.mark.parametrize(("code", "name"), CASES)
def test_no_label_changes_with_the_units(code, name):
    matrix = MAPS[name]
    a = fit(FAITHFUL, 3, covariance_type=code)
    b = fit(FAITHFUL @ matrix.T + [5.0, -3.0], 3, covariance_type=code)
    jacobian = len(FAITHFUL) * np.log(abs(np.linalg.det(matrix)))
    assert b.log_likelihood + jacobian == pytest.approx(a.log_likelihood, rel=1e-8)
    moved = b.mixture.predict(FAITHFUL @ matrix.T + [5.0, -3.0])
    pairs = set(zip(a.mixture.predict(FAITHFUL).tolist(), moved.tolist(), strict=True))
    assert len(pairs) == 3  # the same groups; components are numbered by the first feature, which another may now be


def agreement(a, b):
    """The adjusted Rand index (Hubert & Arabie 1985)."""
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(a, b)


@pytest.mark.slow
def test_an_irrelevant_feature_in_other_units_changes_nothing():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, 150)
        x = np.column_stack([4 * labels + rng.standard_normal(150), rng.standard_normal(150)])
        scaled = x * [1.0, 100.0]
        a, b = (fit(rows, 2, seed=seed).mixture.predict(rows) for rows in (x, scaled))
        assert agreement(labels, a) == agreement(labels, b) and (a == b).all()


def test_trees_find_the_mode_that_mclust_does_on_iris():
    """In units of all rows its three kinds of iris overlap, and a tree leads elsewhere."""
    recorded = json.loads((Path(__file__).parents[1] / "reference" / "mclust.json").read_text())["data"]["iris"]
    found = bg.fit_mle(load_iris().data, 3, starts="hierarchy", progress=False)
    assert found.log_likelihood > recorded["log_likelihood"]["VVV"][2] - 1e-2
