"""An interrupt keeps what has been drawn, whichever engine draws."""

import signal
import subprocess
import sys
import time

import pytest

import bayesgmm as bg
from bayesgmm.engines.waiting import most_draws

pytestmark = pytest.mark.slow
RUN = """
import sys, warnings
import numpy as np
import bayesgmm as bg
from bayesgmm.models import finite_mixture
engine, draws, tune, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rows = np.tile(bg.load_dataset("faithful"), (30, 1))  # so many that draws are few
rows += np.random.default_rng(0).normal(size=rows.shape) * 0.1
model = finite_mixture(rows, 2)
bg.sample(model, engine=engine, draws=20, tune=50, chains=1, seed=1, progress=False)
print("ready", flush=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = bg.sample(model, engine=engine, draws=draws, tune=tune, chains=3, seed=1, progress=False)
said = [str(w.message) for w in caught if "interrupted" in str(w.message)]
found.to_netcdf(path)
print(len(said), said, flush=True)
"""


def interrupted(engine, draws, tune, path, after):
    """Run, send what Ctrl-C sends, and return what was printed, and the errors."""
    arguments = [sys.executable, "-c", RUN, engine, str(draws), str(tune), str(path)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "ready"
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=120)
    finally:
        process.kill()


@pytest.mark.parametrize("engine", ["nuts", "gibbs"])
def test_draws_so_far_are_kept_and_marked(engine, tmp_path):
    import arviz as az

    out, error = interrupted(engine, 5_000_000, 100, tmp_path / "kept.nc", after=3)
    assert out.startswith("1 ['sampling was interrupted: "), error
    found = az.from_netcdf(tmp_path / "kept.nc")
    n, chains = (found["posterior"].sizes[dim] for dim in ("draw", "chain"))
    assert 0 < n < 5_000_000 and found["sample_stats"].sizes["draw"] == n
    assert found.attrs["incomplete"] == 1 and found.attrs["kept"] == f"{n} of 5000000 draws of {chains} of 3 chains"
    for name in ("weights", "means", "covariances"):
        assert found["posterior"][name].notnull().all()
    assert bg.summary(found) is not None


@pytest.mark.parametrize("engine", ["nuts", "gibbs"])
def test_before_the_end_of_warm_up_there_is_nothing_to_keep(engine, tmp_path):
    out, error = interrupted(engine, 10, 50_000_000, tmp_path / "nothing.nc", after=2)
    assert not out and "KeyboardInterrupt: no chain had finished its warm-up" in error


def test_most_draws_are_kept():
    assert [v.tolist() if hasattr(v, "tolist") else v for v in most_draws([5, 5, 5])] == [[0, 1, 2], 5]
    chains, n = most_draws([0, 7, 1])
    assert chains.tolist() == [1] and n == 7
    assert most_draws([0, 0])[1] == 0
