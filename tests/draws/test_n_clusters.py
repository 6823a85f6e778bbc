"""How many clusters the draws have: counted by hand, and with the errors of independent draws."""

import numpy as np

import bayesgmm as bg
from tests.draws.synthetic import tree


def test_the_number_of_clusters_is_counted_and_its_error_is_that_of_its_ess():
    k = np.array([[1, 2, 2, 3, 2, 2, 1, 2], [2, 2, 2, 2, 3, 1, 2, 2]])
    labels = np.minimum(np.arange(5), k[..., None] - 1)
    counted, told = bg.n_clusters(labels), bg.n_clusters(tree(n_clusters=k, n_components=k + 1))
    assert counted.loc["n_clusters", "probability"].to_dict() == {1: 3 / 16, 2: 11 / 16, 3: 2 / 16}
    assert told.loc["n_clusters"].equals(counted.loc["n_clusters"])
    assert told.loc["n_components", "probability"].to_dict() == {2: 3 / 16, 3: 11 / 16, 4: 2 / 16}


def test_the_errors_of_the_number_of_clusters():
    # Independent draws: the error of a share is √(p (1 − p) / M).
    k = np.random.default_rng(0).choice([2, 3, 4], p=[0.2, 0.5, 0.3], size=(4, 2000))
    table = bg.n_clusters(tree(n_clusters=k)).loc["n_clusters"]
    assert (abs(table["probability"] - [0.2, 0.5, 0.3]) < 4 * table["standard_error"]).all()
    p = table["probability"]
    assert np.allclose(table["standard_error"], np.sqrt(p * (1 - p) / 8000), rtol=0.1)
    assert (table["r_hat"] < 1.01).all()
    apart = bg.n_clusters(tree(n_clusters=np.repeat([[2], [3]], 100, axis=1) + k[:2, :100] // 4))
    assert (apart["r_hat"] > 1.3).all()
