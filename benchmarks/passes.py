"""One EM pass (E and M step) beside scikit-learn's at equal parameters, `reg_covar=0`."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np
from threadpoolctl import ThreadpoolController

from bayesgmm import Mixture, family
from bayesgmm.fit.em import Likelihood
from bayesgmm.kernel import e_step, plan
from benchmarks.clock import against, side_by_side
from benchmarks.machine import FORMULA, bound
from benchmarks.problems import mixture, overlapping, packed, sample
from benchmarks.tables import Table

TITLE = "An EM pass"
# N, D, K, components, and how many times as fast as scikit-learn it has to be.
SIZES = (
    (272, 2, 2, "apart", None),
    (100_000, 2, 3, "apart", 15),
    (100_000, 5, 5, "apart", 22),
    (1_000_000, 10, 10, "apart", 15),
    (100_000, 50, 10, "apart", 25),
    (100_000, 50, 10, "overlapping", 25),
)
PRECISIONS = ((1_000_000, 10, 10), (100_000, 10, 3))
FAMILIES = ("full", "tied", "diag", "spherical")
# CPU seconds of mclust 6.0.0 in R, N = 100 000, D = 5, K = 5, VVV (timing_n100000_d5_K5_VVV.json of the references).
MCLUST = {"ten EM steps": 0.833, "Mclust(), whole fit": 2.555}
PEERS = ("pomegranate", "torchgmm", "pycave")


def problem(n: int, d: int, k: int, covariance_type: str = "full", kind: str = "apart") -> tuple[np.ndarray, Mixture]:
    """Rows, and the mixture of a family that one step of EM makes of the true one."""
    truth = overlapping(d, k) if kind == "overlapping" else mixture(d, k)
    x = sample(truth, n)
    return x, Likelihood(family(covariance_type), truth.features).update(e_step(x, truth, pointwise=False)[1])


def ours(x, theta: Mixture, covariance_type: str = "full"):
    """A pass of the kernel, then the M-step."""
    target = Likelihood(family(covariance_type), theta.features)
    return lambda: target.update(e_step(x, theta, pointwise=False)[1])


def as_scikit_learn(theta: Mixture, covariance_type: str, dtype=float) -> dict:
    """The attributes of a scikit-learn GaussianMixture that is this mixture."""
    from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky

    covariances = packed(theta.covariances, covariance_type).astype(dtype)
    return {
        "weights_": theta.weights.astype(dtype),
        "means_": theta.means.astype(dtype),
        "covariances_": covariances,
        "precisions_cholesky_": _compute_precision_cholesky(covariances, covariance_type),
    }


def scikit_learn(x, theta: Mixture, covariance_type: str = "full"):
    """The same as scikit-learn's fit loop runs it; its public `fit` would time an initialisation too."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(theta.n_components, covariance_type=covariance_type, reg_covar=0)
    parameters = as_scikit_learn(theta, covariance_type, x.dtype)

    def run():
        vars(model).update(parameters)
        _, log_r = model._e_step(x)
        model._m_step(x, log_r)
        return model

    return run


def with_blas(threads: int, run):
    """The same call while BLAS may use so many threads."""
    controller = ThreadpoolController()

    def limited():
        with controller.limit(limits=threads, user_api="blas"):
            run()

    return limited


def row(n, d, k, covariance_type="full", kind="apart", *, repeats=7, quick=False) -> dict:
    """Ours, scikit-learn's as it comes and with a single-threaded BLAS; and how near ours is to the machine's bound."""
    x, theta = problem(n, d, k, covariance_type, kind)
    peer = scikit_learn(x, theta, covariance_type)
    runs = {"ours": ours(x, theta, covariance_type), "theirs": peer, "alone": with_blas(1, peer)}
    took = side_by_side(runs, repeats)
    median = {name: float(np.median(values)) for name, values in took.items()}
    return {
        "ours, s": median["ours"],
        "scikit-learn, s": median["theirs"],
        "ratio": against(took["ours"], took["theirs"]),
        "scikit-learn, BLAS on one thread, s": median["alone"],
        "its ratio": against(took["ours"], took["alone"]),
        "of bound": bound(n, d, k, covariance_type, quick=quick) / median["ours"],
    }


def _sizes(quick: bool) -> Table:
    rows = []
    for n, d, k, kind, floor in SIZES:
        n, repeats = (min(n, 2000), 1) if quick else (n, 7)
        took = row(n, d, k, kind=kind, repeats=repeats, quick=quick)
        rows.append({"N": n, "D": d, "K": k, "components": kind} | took | {"ratio wanted": floor})
    note = (
        "Full covariances, float64. scikit-learn's BLAS has every core, as it comes, or one thread, which may be "
        f"quicker. From D = {plan.SCREENED} on, components whose share of a row is provably below 2⁻¹⁰⁰ are not "
        f"evaluated, so that a pass over components that lie apart may beat the bound. {FORMULA}"
    )
    return Table("EM pass", ("N", "D", "K", "components"), rows, note)


def _precisions(quick: bool) -> Table:
    rows = []
    for n, d, k in PRECISIONS:
        n, repeats = (500, 1) if quick else (n, 7)
        x, theta = problem(n, d, k)
        single = x.astype(np.float32)
        took = side_by_side({"double": ours(x, theta), "single": ours(single, theta),
                             "their double": scikit_learn(x, theta), "their single": scikit_learn(single, theta)},
                            repeats)  # fmt: skip
        median = {name: float(np.median(values)) for name, values in took.items()}
        rows.append({"N": n, "D": d, "K": k, "ours float64, s": median["double"], "ours float32, s": median["single"],
                     "float64 / float32": against(took["single"], took["double"]), "wanted": 1.5,
                     "scikit-learn float64, s": median["their double"],
                     "scikit-learn float32, s": median["their single"],
                     "float32 of bound": bound(n, d, k, dtype="float32", quick=quick) / median["single"]})  # fmt: skip
    return Table("float32 beside float64", ("N", "D", "K"), rows, "float32 rows are read and worked on as they are.")


def _families(quick: bool) -> Table:
    n, d, k, repeats = (500, 5, 3, 1) if quick else (100_000, 10, 5, 7)
    rows = [
        {"covariances": f, "N": n, "D": d, "K": k} | row(n, d, k, f, repeats=repeats, quick=quick) for f in FAMILIES
    ]
    return Table("Covariance families", ("covariances", "N", "D", "K"), rows)


def _others(quick: bool) -> Table:
    n = 500 if quick else 100_000
    run = ours(*problem(n, 5, 5))
    run()
    start = time.process_time()
    for _ in range(10):
        run()
    rows = [{"what": "ours, ten EM steps, here", "N": n, "CPU, s": time.process_time() - start}]
    rows += [{"what": f"mclust, {what}, recorded elsewhere", "N": 100_000, "CPU, s": s} for what, s in MCLUST.items()]
    rows += [
        {"what": name, "status": "installed, but not measured" if find_spec(name) else "not installed"}
        for name in PEERS
    ]
    note = (
        "D = 5, K = 5, full covariances. mclust 6.0.0 (Fortran) was timed on another machine by others, R is not "
        "needed here: read it as an order of magnitude. CPU seconds are those of all threads together."
    )
    return Table(
        "Others", ("what",), [{"what": None, "N": None, "CPU, s": None, "status": None} | r for r in rows], note
    )


def measure(quick: bool = False) -> list[Table]:
    """Sizes with a floor, precision, families, and others."""
    return [_sizes(quick), _precisions(quick), _families(quick), _others(quick)]
