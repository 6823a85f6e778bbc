"""Every criterion's answer in one table: what it rests on, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayesgmm as bg
from bayesgmm.selection.agreement import paragraphs
from bayesgmm.selection.answers import HowMany, most_probable, table_of
from bayesgmm.selection.predicted import _pointwise, loo_by_number

QUICK = {"draws": 100, "tune": 200, "chains": 2, "seed": 1, "progress": False}
FEW = {"covariance_types": "full", "loo": False}


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(-4, 1, (40, 2)), rng.normal(4, 1, (40, 2))])


@pytest.fixture(scope="module")
def two(groups):
    return bg.how_many(groups, [1, 2, 3], covariance_types=["EII", "VVV"], **QUICK)


def draws_of(numbers, n_obs=12):
    """Draws whose K and K₊ are given (chain, draw); rows in turn are in each of the K₊ clusters."""
    numbers = np.asarray(numbers)
    labels = np.arange(n_obs) % numbers[..., None]
    return xr.DataTree.from_dict({"posterior": xr.Dataset({
        "n_components": (("chain", "draw"), numbers + 1), "n_clusters": (("chain", "draw"), numbers),
        "allocations": (("chain", "draw", "obs"), labels)}, {"obs": np.arange(n_obs)})})  # fmt: skip


def of_draws(tree, **others):
    numbers = {"mfm": bg.n_clusters(tree)}
    found = {"selection": None, "loo": None, "draws": {"mfm": tree}, "numbers": numbers, "partitions": {}, "balls": {}}
    found |= others
    return HowMany(**found, table=table_of(found, 0.95), level=0.95, missing=(), n_obs=12)


def test_two_groups_far_apart_are_two_by_every_criterion(two):
    assert list(two.table.index) == ["BIC", "ICL", "BIC, merged", "LOO", "K, mfm", "K₊, mfm", "VI, mfm"]
    clear = two.table.drop(index="LOO")  # which sets no upper limit
    assert set(clear["number"]) == {2} and two.table.loc["LOO", "lower"] == 2
    labels = two.partitions["mfm"].labels
    assert bg.adjusted_rand_index(labels, np.repeat([0, 1], 40)) == 1.0
    assert not two.missing


def test_rows_say_what_their_parts_say(two):
    chosen = two.selection.choices
    for row in ("BIC", "ICL", "BIC, merged"):
        assert two.table.loc[row, "number"] == chosen.loc[row, "n_clusters"]
    drawn = two.draws["mfm"]["posterior"]["n_clusters"].values
    values, counts = np.unique(drawn, return_counts=True)
    assert two.table.loc["K₊, mfm", "number"] == values[counts.argmax()]
    assert two.table.loc["K₊, mfm", "probability"] == pytest.approx(counts.max() / drawn.size)
    ball = two.partitions["mfm"].credible_ball(0.95)
    assert two.table.loc["VI, mfm", ["lower", "upper"]].tolist() == [ball.upper.n_clusters, ball.lower.n_clusters]


def test_the_range_of_bic_is_what_is_less_than_two_above(two):
    each = two.selection.table.groupby("n_components")["bic"].min()
    near = each.index[each < each.min() + 2]
    assert two.table.loc["BIC", ["lower", "upper"]].tolist() == [near.min(), near.max()]


def test_the_same_seed_gives_the_same(groups):
    first, second = (bg.how_many(groups, [1, 2], **FEW, **QUICK) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, second.table)


def test_parts_that_are_handed_over_are_taken(groups, two):
    again = bg.how_many(groups, selection=two.selection, processes=two.draws, loo=False, **QUICK)
    assert again.selection is two.selection and again.draws["mfm"] is two.draws["mfm"]
    pd.testing.assert_frame_equal(again.numbers["mfm"], two.numbers["mfm"])


def test_names_and_options_of_ones_own(groups):
    asked = {"few": {"process": "sparse", "n_components": 3}, "dp": {"process": "dp", "concentration": 1.0}}
    found = bg.how_many(groups, processes=asked, selection=False, loo=False, **QUICK)
    assert list(found.table.index) == ["K₊, few", "VI, few", "K₊, dp", "VI, dp"]  # K of neither is unknown
    assert found.draws["few"].attrs["process"] == "sparse"
    assert "Miller & Harrison" in found.text


# ---- leave-one-out


def test_loo_is_that_of_the_rows_left_out_in_turn():
    """One Gaussian of known posterior draws: importance sampling beside the exact posterior without each row."""
    rng = np.random.default_rng(5)
    x, sd, prior_sd, n_draws = rng.normal(1.0, 1.0, 30), 1.0, 3.0, 20_000

    def posterior(rows):
        precision = len(rows) / sd**2 + 1 / prior_sd**2
        return rows.sum() / sd**2 / precision, precision**-0.5

    exact = [stats.norm(m, np.hypot(s, sd)).logpdf(x[i]) for i in range(30)
             for m, s in [posterior(np.delete(x, i))]]  # fmt: skip
    mean, spread = posterior(x)
    means = rng.normal(mean, spread, (4, n_draws // 4))
    values = stats.norm(means[..., None], sd).logpdf(x)
    tree = xr.DataTree.from_dict({"log_likelihood": xr.Dataset({"x": (("chain", "draw", "obs"), values)})})
    elpd, pareto_k, _ = _pointwise(tree, x[:, None])
    # The Monte Carlo error of a row is about spread · |x − mean| / √draws, at most 0.005 here.
    np.testing.assert_allclose(elpd, exact, atol=0.02)
    assert pareto_k.max() < 0.5


def test_loo_finds_two_groups_better_than_one_and_no_worse_than_three(two):
    loo = two.loo
    assert not loo.loc[1, "as_good"] and loo.loc[[2, 3], "as_good"].all()
    off = loo["elpd"] - loo["elpd"].max()
    np.testing.assert_allclose(off, loo["difference"])
    assert (loo["difference"] < -max(4, 0)).tolist() == (~loo["as_good"]).tolist()


def test_loo_that_is_interrupted_keeps_the_numbers_that_are_finished(groups, two, monkeypatch):
    tree = bg.sample_components(groups, process="sparse", n_components=1, concentration=1.0, draws=50, tune=50,
                                thin=1, chains=2, seed=1, progress=False)  # fmt: skip

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesgmm.selection.predicted.sample_components", interrupted)
    options = {"prior": "hierarchical", "covariance_type": "full", "seeds": [1, 2], "progress": False}
    loo = loo_by_number(bg.as_table(groups), [1, 2], draws={1: tree}, **options)
    assert list(loo.index) == [1] and loo.attrs["incomplete"]
    with pytest.raises(KeyboardInterrupt):
        loo_by_number(bg.as_table(groups), [1, 2], **options)


# ---- interrupts


def test_what_is_finished_is_kept(groups, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(bg.how_many.__globals__, "partition_of", interrupted)
    found = bg.how_many(groups, [1, 2], covariance_types="full", **QUICK)
    assert found.missing == ("VI, mfm", "LOO")
    assert list(found.table.index) == ["BIC", "ICL", "BIC, merged", "K, mfm", "K₊, mfm"]
    assert "It was interrupted, and is incomplete: VI of mfm and LOO are not whole." in found.text
    monkeypatch.setitem(bg.how_many.__globals__, "sweep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bg.how_many(groups, [1, 2], **QUICK)


# ---- words


@pytest.mark.parametrize("values", [{1: 1.0}, {1: 0.5, 2: 0.5}, {2: 0.02, 3: 0.5, 4: 0.3, 5: 0.17, 6: 0.01}])
def test_ranges_hold_their_probability_and_no_less_probable_number(values):
    low, high = most_probable(pd.Series(values), 0.95)
    assert sum(p for k, p in values.items() if low <= k <= high) >= 0.95 - 1e-9


def test_agreement_is_said():
    assert of_draws(draws_of(np.full((2, 50), 3))).table["number"].tolist() == [3]  # K never varies, and is left out
    rng = np.random.default_rng(0)
    found = of_draws(draws_of(rng.choice([2, 3], size=(4, 200), p=[0.2, 0.8])))
    assert found.table["number"].tolist() == [4, 3]
    first, why, *rest = paragraphs(found)
    assert first.startswith("They do not agree: K₊ of mfm says 3; K of mfm says 4.")
    assert "without rows" in why and not rest


def test_chains_that_do_not_agree_are_told():
    numbers = np.full((4, 200), 3)
    numbers[0] = 2
    numbers[:, ::40] = 4
    found = of_draws(draws_of(numbers))
    assert "Chains do not agree, by R-hat, on K of mfm" in found.text
    assert "R-hat" in found.table.loc["K₊, mfm", "how_sure"]


def test_shown_as_text_and_as_a_plain_table(two):
    assert str(two).splitlines()[1].split()[:3] == ["BIC", "Gaussians", "2"]
    page = two._repr_html_()
    assert page.count("<tr>") == 8 and "style" not in page and "class" not in page


# ---- errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"processes": ["mfm", "crp"]}, "processes has 'crp', which is not known"),
        ({"processes": {"a": 3}}, "must be options of sample_components, or draws that it gave, not a int"),
        ({"processes": {"LOO": {}}}, "which is the name of a row; choose another"),
        ({"processes": {"a": draws_of([[2, 3]])}}, "x has 80 rows, and processes\\['a'\\] is of 12"),
        ({"processes": [], "selection": False, "loo": False}, "nothing is asked"),
        ({"level": 1.0}, "level must be strictly between 0 and 1, not 1.0"),
        ({"prior": "lkj"}, "LKJ has none; use prior='hierarchical'"),
        ({"covariance_type": "tied"}, "'tied' ties components together"),
        ({"draws": 0}, "draws must be an integer of at least 1, not 0"),
        ({"n_components": [0, 1]}, "n_components must hold whole numbers of at least 1, not 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_asked_is_refused_before_anything_is_run(groups, options, words):
    with pytest.raises(ValueError, match=words):
        bg.how_many(groups, **options)
