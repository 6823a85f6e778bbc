"""Made-up data and posteriors, quick to make and shaped like real ones."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest

from bayesgmm.draws.mixtures import from_arrays
from bayesgmm.mixture import Mixture
from bayesgmm.selection import Selection, merge_components

matplotlib.use("Agg")

NAMES = ("length", "width", "depth", "mass", "age")


def made_up(n_components, n_features, n_obs=90):
    """mixture, x, draws."""
    mixture = true_mixture(n_components, n_features)
    x, _ = mixture.sample(n_obs, seed=3)
    return mixture, x, posterior_like(mixture, x)


def true_mixture(n_components, n_features, seed=1):
    rng = np.random.default_rng(seed)
    means = 5.0 * rng.standard_normal((n_components, n_features)) + 40.0
    factors = 0.4 * rng.standard_normal((n_components, n_features, n_features)) + np.eye(n_features)
    weights = rng.dirichlet(np.full(n_components, 8.0))
    return Mixture(weights, means, factors @ factors.swapaxes(-1, -2), features=NAMES[:n_features])


def posterior_like(mixture, x, chains=2, n_draws=40, seed=0):
    """Draws scattered about a mixture about as widely as a posterior of N rows would be."""
    rng = np.random.default_rng(seed)
    counts, d, lead = len(x) * mixture.weights, mixture.n_features, (chains, n_draws)
    weights = rng.dirichlet(counts + 1.0, size=lead)
    noise = rng.standard_normal((*lead, *mixture.means.shape)) / np.sqrt(counts)[:, None]
    means = mixture.means + np.einsum("kij,...kj->...ki", mixture.scale_trils, noise)
    factor = np.tril(rng.standard_normal((*lead, *mixture.covariances.shape))) / np.sqrt(2 * counts)[:, None, None]
    scale = mixture.scale_trils @ (np.eye(d) + factor)
    stats = {"lp": rng.standard_normal(lead), "diverging": np.zeros(lead, bool)}
    stats["energy"] = rng.standard_normal(lead)
    return from_arrays(weights, means, scale @ scale.swapaxes(-1, -2), x=x, features=mixture.features,
                       sample_stats=stats)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Every test starts without figures; the global settings are the same after it."""
    from matplotlib import pyplot as plt

    plt.close("all")
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    plt.close("all")


@pytest.fixture
def labels_that_hold(monkeypatch):
    """Figures without their verdicts on labels, which take half of the time and are held by tests of their own."""
    monkeypatch.setattr("bayesgmm.plots.style.diagnose", lambda draws: SimpleNamespace(labels_hold=True))


SIZES = [(k, d) for k in (1, 2, 5) for d in (1, 2, 5)]


@pytest.fixture(params=SIZES, ids=lambda size: f"K{size[0]}-D{size[1]}")
def case(request):
    """mixture, x, draws for every pair of K and D."""
    return made_up(*request.param)


@pytest.fixture
def plane():
    """The same with two components in two features."""
    return made_up(2, 2)


@pytest.fixture
def make():
    """The maker itself: make(K, D, N)."""
    return made_up


CODES = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")


def swept(n_features):
    """A selection whose numbers are made up: criteria that fall and rise again, gaps, and fits of hardly any rows."""
    import pandas as pd

    rows, rng = [], np.random.default_rng(2)
    for i, code in enumerate(CODES if n_features > 1 else ("E", "V")):
        for k in range(1, 10):
            bic = 2300 + 700 * np.exp(-0.9 * (k - 1) - 0.2 * i) + 4.0 * (i + 1) ** 0.7 * (k - 1) + rng.normal(0, 3)
            gone, few = i > 9 and k > 17 - i, i > 9 and k == 17 - i
            row = {"log_likelihood": -bic / 2, "bic": bic, "icl": bic + 6 * k, "aic": bic - 8 * k}
            row = {name: np.nan if gone else value for name, value in row.items()}
            rows.append({"n_components": k, "covariance_type": code, **row, "degenerate": gone or few})
    return Selection({}, pd.DataFrame(rows), "bic", 272.0, False, clusters_of_two())


def clusters_of_two():
    """Six components, two and two of which overlap, merged."""
    truth = Mixture(np.full(6, 1 / 6), [[0.0], [1.5], [10.0], [12.0], [20.0], [23.5]], np.ones((6, 1, 1)))
    return merge_components(truth, truth.sample(300, seed=1)[0])


def answered(n_processes=2):
    """Answers whose posteriors are made up; chains of the last process do not agree."""
    import pandas as pd

    from bayesgmm.draws import n_clusters, partition
    from bayesgmm.selection.answers import HowMany, table_of

    found = {"selection": swept(2), "draws": {}, "numbers": {}, "partitions": {}, "balls": {}}
    found["loo"] = pd.DataFrame({"elpd": [-200.0, -150.0, -149.0, -148.0], "se": 9.0, "difference": [-52.0, -2, -1, 0],
                                 "difference_se": [8.0, 2, 1, 0], "rough": 0, "r_hat": 1.0,
                                 "as_good": [False, True, True, True]}, index=[1, 2, 3, 4])  # fmt: skip
    for i, name in enumerate(("mfm", "dp")[:n_processes]):
        rng = np.random.default_rng(i)
        k = rng.choice([2, 3, 4, 6], size=(4, 50), p=[0.1, 0.6, 0.2, 0.1])
        k[0] -= i
        labels = np.arange(24) % k[..., None]
        found["numbers"][name] = n_clusters(labels, seed=0)
        found["partitions"][name] = partition(labels, restarts=2, seed=0, progress=False)
        found["balls"][name] = found["partitions"][name].credible_ball(0.95)
    return HowMany(**found, table=table_of(found, 0.95), level=0.95, missing=(), n_obs=24)


def judged(sharper=1.0):
    """Probabilities that are right, or sharpened, beside labels drawn from them."""
    import pandas as pd

    from bayesgmm.classify import assess

    rng, classes = np.random.default_rng(0), ["ant", "bee", "long-horned beetle"]
    p = rng.dirichlet([0.3, 0.4, 0.5], size=300)
    labels = np.array(classes)[(rng.random((300, 1)) > p.cumsum(axis=1)).sum(axis=1)]
    p = p**sharper
    return assess(pd.DataFrame(p / p.sum(axis=1, keepdims=True), columns=classes), labels)
