"""A story of a user's own in a process of its own: prints the seconds to its first draw, to all, and of a refit."""

import json
import sys
import time

START = time.perf_counter(), time.process_time()

import numpy as np  # noqa: E402
import pymc as pm  # noqa: E402
import pytensor.tensor as pt  # noqa: E402

import bayesgmm as bg  # noqa: E402


def story(x) -> pm.Model:
    """The package's story with three lines changed: other constants, and means that do not depend on covariances."""
    with pm.Model(coords=bg.coords(bg.as_table(x, fitting=True), 2)) as model:
        data = pm.Data("rows", x, dims=("obs", "feature"))
        weights = pm.Dirichlet("weights", np.full(2, 2.0), dims="component")
        covariances = bg.InverseWishart("covariances", 6.0, np.diag([0.1, 30.0]), dims=("component", "feature",
                                        "feature_other"))  # fmt: skip
        means = pm.Normal("means", [3.5, 70.0], [2.0, 30.0], dims=("component", "feature"))
        scale_trils = pt.linalg.cholesky(covariances)
        bg.MarginalGaussianMixture("x", weights, means, scale_trils, observed=data, dims=("obs", "feature"))
    return model


def seconds(since) -> dict[str, float]:
    """Wall and CPU seconds."""
    return {"wall_s": time.perf_counter() - since[0], "cpu_s": time.process_time() - since[1]}


def main(draws: int) -> None:
    """Wait for the first draw, sample; sample again with other rows."""
    x = bg.load_dataset("faithful").to_numpy(float)
    model = story(x)
    bg.sample(model, draws=1, tune=1, chains=1, seed=0, progress=False)
    steps = {"to the first draw, from the first import on": seconds(START)}
    bg.sample(model, draws=draws, tune=draws, seed=1, progress=False)
    steps[f"to 4 × ({draws} + {draws}) draws"] = seconds(START)
    with model:
        pm.set_data({"rows": x[::2]}, coords={"obs": range(len(x[::2]))})
    again = time.perf_counter(), time.process_time()
    bg.sample(model, draws=1, tune=1, chains=1, seed=2, progress=False)
    steps["other rows set: to the first draw again"] = seconds(again)
    print(json.dumps(steps))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
