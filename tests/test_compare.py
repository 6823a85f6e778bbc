"""MLE beside MAP beside the posterior: one labelling, one table."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm import Mixture
from bayesgmm.comparison import compare
from bayesgmm.draws import mean_mixture, relabel, summary
from bayesgmm.draws.permute import permute

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "draws" / "synthetic.py")))


def fit(mixture, estimator="MLE"):
    return SimpleNamespace(mixture=mixture, estimator=estimator)


@pytest.fixture(scope="module")
def truth():
    return synthetic.truth(3, 2)


@pytest.fixture(scope="module")
def draws(truth):
    return relabel(synthetic.posterior(truth), reference=truth)


def test_the_table_lays_estimates_beside_the_posterior(truth, draws):
    comparison = compare(fit(truth), fit(truth, "MAP"), draws)
    table = comparison.table
    columns = ["mle", "map", "mean", "median", "sd", "lower", "upper", "r_hat", "ess_bulk", "ess_tail", "difference"]
    assert list(table.columns) == [*columns, "flag"]
    assert list(table.index) == list(summary(draws).index)
    assert table.loc["means[1, f0]", "mle"] == truth.means[1, 0]
    assert table.loc["covariances[2, f0, f1]", "map"] == truth.covariances[2, 0, 1]
    own = draws.posterior["means"].values[:, :, 1, 0]
    row = table.loc["means[1, f0]"]
    assert np.isclose(row["mean"], own.mean()) and np.allclose(
        row[["lower", "upper"]].astype(float), np.quantile(own, [0.025, 0.975])
    )
    assert np.isclose(row["difference"], (row["mle"] - row["mean"]) / row["sd"])


def test_components_take_the_labels_of_the_first_item_whatever_theirs_were(truth, draws):
    plain = compare(fit(truth), fit(truth, "MAP"), draws).table
    mixed = compare(fit(truth), fit(truth.permute([2, 0, 1]), "MAP"), permute(draws, [1, 2, 0])).table
    assert np.allclose(plain.drop(columns="flag"), mixed.drop(columns="flag"), rtol=1e-12)
    assert plain["flag"].equals(mixed["flag"])
    first = compare(permute(draws, [1, 2, 0]), fit(truth)).table
    assert np.isclose(first.loc["weights[0]", "mle"], truth.weights[1])
    assert np.isclose(first.loc["weights[0]", "mean"], mean_mixture(draws).weights[1])


def test_draws_that_were_never_matched_are_matched_first(truth, draws):
    raw = synthetic.posterior(truth)
    raw = synthetic.shuffled(raw, synthetic.random_orders(raw))
    matched, raw = (compare(fit(truth), one).table.drop(columns="flag") for one in (draws, raw))
    assert np.allclose(matched, raw, rtol=1e-12)


def test_repeats_are_numbered_and_one_item_is_enough(truth, draws):
    table = compare(fit(truth), fit(truth), draws, draws).table
    assert {"mle", "mle_2", "mean", "mean_2", "ess_tail_2", "difference"} <= set(table.columns)
    assert list(compare(fit(truth)).table.columns) == ["mle"]
    assert "difference" not in compare(draws).table.columns


def test_it_shows_as_text_and_as_a_bare_table(truth, draws):
    comparison = compare(fit(truth), draws)
    assert "means[2, f1]" in str(comparison) and "nan" not in str(comparison)
    shown = comparison._repr_html_()
    assert shown.startswith("<table>")
    assert not any(word in shown for word in ("style", "script", "class", "nan"))
    odd = Mixture([1.0], [[0.0]], [[[1.0]]], features=["<b>&"])
    assert "<b>" not in compare(fit(odd))._repr_html_()


def test_one_component_has_no_difference_in_its_weight():
    one = synthetic.truth(1, 1)
    table = compare(fit(one), synthetic.posterior(one)).table
    assert np.isnan(table.loc["weights[0]", "difference"]) and table.loc["weights[0]", "mean"] == 1


def test_what_cannot_be_compared_is_said_in_a_sentence(truth, draws):
    with pytest.raises(ValueError, match="at least one"):
        compare()
    with pytest.raises(ValueError, match="same features"):
        compare(fit(Mixture(truth.weights, truth.means, truth.covariances)), draws)
    with pytest.raises(ValueError, match="not a int"):
        compare(fit(truth), 3)
