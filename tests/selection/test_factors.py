"""The choice of components, factors and what is shared, on rows whose answer is planted."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine

import bayesgmm as bg


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    z = rng.integers(2, size=300)
    loadings = rng.normal(size=(2, 8, 2))
    means = np.array([np.zeros(8), np.full(8, 2.0)])
    return means[z] + np.einsum("ndq,nq->nd", loadings[z], rng.normal(size=(300, 2))) + 0.5 * rng.normal(
        size=(300, 8)
    ), z


def test_bic_finds_components_factors_and_model(rows):
    x, z = rows
    found = bg.select_factors(x, [1, 2], [1, 2, 3], models=["UUU", "UCC"], starts=2, seed=0, progress=False)
    best = found.best
    assert (best.n_components, best.n_factors, best.model.code) == (2, 2, "UCC")
    assert bg.adjusted_rand_index(best.mixture.predict(x), z) > 0.95
    assert len(found.table) == 12 and found.ranking["difference"].iloc[0] == 0
    assert found.fits[2, 2, "UCC"] is best and not found.incomplete
    row = found.ranking.iloc[0]
    np.testing.assert_allclose(row["bic"], -2 * best.log_likelihood + best.n_parameters * np.log(len(x)))
    assert "2 components of 2 factors, UCC" in str(found)


def test_more_factors_never_fit_worse(rows):
    """Models are nested in q, and memberships of q − 1 are where q begins."""
    x, _ = rows
    found = bg.select_factors(x, 2, [1, 2], models="UUU", starts=1, seed=0, progress=False)
    assert np.diff(found.table["log_likelihood"]).min() > 0


def test_mistakes_get_a_sentence(rows):
    x, _ = rows
    with pytest.raises(ValueError, match="criterion"):
        bg.select_factors(x, 1, 1, criterion="best")
    with pytest.raises(ValueError, match="below the number of features, 8"):
        bg.select_factors(x, 1, [1, 8])
    with pytest.raises(ValueError, match="'VVV' is no model of factors"):
        bg.select_factors(x, 1, 1, models="VVV")


@pytest.mark.parametrize("model", ["UUU", "UUC", "UCU", "UCC", "CUU", "CUC", "CCU", "CCC"])
def test_wine_beside_pgmm(model):
    """BIC of each model on standardised wine, as low as that of the R package of McNicholas & Murphy, or lower.

    pgmm stops within 0.1 of the log-likelihood that it foresees; the file tells the R commands.
    """
    x = load_wine().data
    x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    recorded = json.loads((Path(__file__).parents[1] / "reference" / "pgmm.json").read_text())["data"]["wine"]["bic"]
    found = bg.select_factors(x, [1, 2], [1, 2], models=model, starts=3, seed=0, progress=False)
    for (k, q, _), fit in found.fits.items():
        assert fit.bic < recorded[model][k - 1][q - 1] + 0.5
    # Of one factor of one group there is one maximum, which both find: the numbers of parameters are the same.
    assert found.fits[1, 1, model].bic == pytest.approx(recorded[model][0][0], abs=0.5)
