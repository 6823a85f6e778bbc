"""Which rows are uncertain, and of what: entropies by SciPy, and cases built to be one or the other."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import entropy

from bayesgmm.draws import diagnose, from_arrays, membership, relabel, summary, uncertain
from bayesgmm.draws.mixtures import read

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))
NEW = np.array([[2.0, -1.0], [2.5, -1.2], [6.0, -3.0], [0.0, 0.0]])


@pytest.fixture(scope="module")
def draws():
    return synthetic.posterior(synthetic.truth(3, 2, apart=4.0), n=300, noise=0.2)


def on_a_line(sd, noise, at):
    """Two components about 0 and 9, whose means are known up to some noise, and one row."""
    means = np.array([[0.0], [9.0]]) + noise * np.random.default_rng(0).standard_normal((4, 500, 2, 1))
    return from_arrays(np.full((4, 500, 2), 0.5), means, np.full((4, 500, 2, 1, 1), sd**2), x=[[at], [0.0]])


@pytest.mark.parametrize("x", [None, NEW], ids=["own rows", "new points"])
def test_probabilities_are_those_of_membership(draws, x):
    found, known = uncertain(draws, x), membership(draws, x)
    p = known["probability"].values
    assert 0 < len(found) < len(p)
    for n, row in found.iterrows():
        order = np.argsort(-p[n])
        assert (row["component"], row["runner_up"]) == tuple(order[:2])
        assert np.allclose([row["probability"], row["runner_up_probability"]], p[n, order[:2]], atol=1e-12)
    assert np.allclose(found["entropy"], known["entropy"].values[found.index], atol=1e-12)
    assert (np.diff(found["entropy"]) <= 0).all()


def test_own_rows_have_the_interval_of_membership(draws):
    found, known = uncertain(draws), membership(draws)
    for name in ("lower", "upper"):
        assert np.allclose(found[name], known[name].values[found.index, found["component"]], atol=1e-12)


@pytest.mark.parametrize("x", [None, NEW], ids=["own rows", "new points"])
def test_what_parameters_cause_is_the_mutual_information_of_label_and_draw(draws, x):
    rows = draws["observed_data"]["x"].values if x is None else x
    log_prob, r = read(draws).log_prob(rows, responsibilities=True)
    found = uncertain(draws, x)
    for n, row in found.iterrows():
        weight = np.ones(len(r)) if x is None else np.exp(log_prob[:, n])
        joint = (weight / weight.sum())[:, None] * r[:, n]
        information = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint.ravel())
        assert np.isclose(row["from_parameters"], information, atol=1e-9)
        assert np.isclose(row["from_overlap"] + row["from_parameters"], row["entropy"], atol=1e-12)


def test_a_row_between_wide_components_is_uncertain_by_overlap_between_narrow_ones_by_parameters():
    wide, narrow = uncertain(on_a_line(3.0, 0.01, 4.5)), uncertain(on_a_line(0.2, 0.3, 4.5))
    assert wide["cause"].tolist() == ["overlap"] and narrow["cause"].tolist() == ["parameters"]
    assert wide.loc[0, "from_parameters"] < 0.001 < 0.6 < narrow.loc[0, "from_parameters"]
    assert narrow.loc[0, "lower"] < 0.001 and narrow.loc[0, "upper"] > 0.999


def test_a_row_is_listed_for_its_probability_or_for_its_interval():
    """Its probability is 0.95, but in a few per cent of the draws it is somebody else's."""
    draws = on_a_line(0.2, 0.3, 4.1)
    p = membership(draws)
    assert 0.9 < p["probability"].values[0, 0] < 0.999 and p["lower"].values[0, 0] < 0.5
    assert uncertain(draws, prob=0.5).index.tolist() == [0]
    assert uncertain(draws, prob=0.5, ci_prob=0.1).empty
    assert uncertain(draws, prob=0.99, ci_prob=0.1).index.tolist() == [0]


def test_the_interval_of_a_new_point_is_of_the_posterior_that_has_seen_it():
    """Where the second component lies is hardly known: among draws that make the point likely it is surely its own."""
    rng, shape = np.random.default_rng(0), (4, 500)
    means = np.stack([rng.normal(0, 0.3, shape), rng.normal(9, 3.0, shape)], axis=-1)[..., None]
    draws = from_arrays(np.full((*shape, 2), 0.5), means, np.ones((*shape, 2, 1, 1)), x=[[0.0], [9.0]])
    assert membership(draws, [[4.5]])["lower"].values[0, 1] < 0.05
    assert uncertain(draws, [[4.5]]).empty


def test_blocks_of_rows_do_not_show(draws, monkeypatch):
    import sys

    whole = uncertain(draws)
    monkeypatch.setattr(sys.modules["bayesgmm.draws.membership"], "_BLOCK", 1200 * 3 * 7)
    parts = uncertain(draws)
    assert parts.index.equals(whole.index) and np.allclose(parts.select_dtypes(float), whole.select_dtypes(float))


def test_one_component_is_never_uncertain():
    assert uncertain(synthetic.posterior(synthetic.truth(1, 2))).empty


def test_uncertain_labels_are_refused_in_the_words_of_the_summary():
    draws = relabel(synthetic.posterior(synthetic.truth(2, 2, apart=0.3), noise=0.3))
    with pytest.raises(ValueError, match="single components") as refused:
        uncertain(draws)
    assert str(refused.value) == diagnose(draws).text
    assert summary(draws).attrs["verdict_text"].startswith(str(refused.value))


def test_what_is_out_of_range_is_refused(draws):
    for options in (dict(prob=1.0), dict(ci_prob=0.0)):
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            uncertain(draws, **options)
