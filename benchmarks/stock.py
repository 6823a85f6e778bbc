"""The same story in stock PyMC, in a process of its own: `pm.Mixture` of `pm.MvNormal`, same prior, same sampler."""

import json
import sys
import time

START = time.perf_counter(), time.process_time()

import numpy as np  # noqa: E402
import pymc as pm  # noqa: E402
import pytensor.tensor as pt  # noqa: E402

import bayesgmm as bg  # noqa: E402


def story(x, prior) -> pm.Model:
    """Two full-covariance components, written as PyMC's own documentation would."""
    with pm.Model() as model:
        weights = pm.Dirichlet("weights", prior.concentration)
        covariances = bg.InverseWishart("covariances", prior.dof, prior.scale, shape=(2, 2, 2))
        means = pm.MvNormal("means", prior.mean, covariances / prior.shrinkage, shape=(2, 2))
        scale_trils = pt.linalg.cholesky(covariances)
        components = [pm.MvNormal.dist(means[k], chol=scale_trils[k]) for k in range(2)]
        pm.Mixture("x", weights, components, observed=x)
    return model


def main(draws: int) -> None:
    """Sample from a start near the mode, which stock PyMC would not find by itself, and print the seconds."""
    x = bg.load_dataset("faithful").to_numpy(float)
    model = story(x, bg.scale_prior("conjugate", x, 2))
    initvals = {"means": np.array([[2.0, 54.0], [4.3, 80.0]])}
    with model:
        pm.sample(draws, tune=draws, chains=4, random_seed=1, initvals=initvals, progressbar=False, quiet=True,
                  compute_convergence_checks=False)  # fmt: skip
    wall, cpu = (now - then for now, then in zip((time.perf_counter(), time.process_time()), START, strict=True))
    print(json.dumps({"wall_s": wall, "cpu_s": cpu}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
