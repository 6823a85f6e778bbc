"""Peak extra memory of a fit, as a share of the data's own size, in a fresh process each."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

from benchmarks.clock import fresh
from benchmarks.problems import sample, separated
from benchmarks.tables import Table

TITLE = "Peak memory of a fit"
# Who, N, D, K, and the share of the data's size that may be taken on top of it.
CASES = (
    ("ours", 100_000, 10, 3, None),
    ("ours", 1_000_000, 10, 3, None),
    ("ours", 1_000_000, 2, 3, None),
    ("ours", 200_000, 50, 3, None),
    ("ours", 10_000_000, 10, 3, 0.15),
    ("ours", 10_000_000, 10, 10, 0.15),
    ("scikit-learn", 100_000, 10, 3, None),
    ("scikit-learn", 1_000_000, 10, 3, None),
    ("scikit-learn", 1_000_000, 10, 10, None),
)
# A few steps show the peak.
STEPS = 10
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Let the peak start again from what is in use now, where the system can."""
    try:
        CLEAR.write_text("5")
    except OSError:
        pass


def resident(peak: bool) -> int:
    """Bytes of this process in memory, now or at most so far."""
    if STATUS.exists():
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return 1024 * int(fields["VmHWM" if peak else "VmRSS"].split()[0])
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else 1024 * used


def ours(x, k: int) -> int:
    """`fit_mle` from one start; returns the steps it took."""
    import bayesgmm.fit.em
    from bayesgmm import fit_mle

    bayesgmm.fit.em.MOST_STEPS = STEPS
    return len(fit_mle(x, k, starts=1, seed=1, progress=False).history)


def scikit_learn(x, k: int) -> int:
    """scikit-learn's fit from one start."""
    from sklearn.mixture import GaussianMixture

    warnings.simplefilter("ignore")
    return GaussianMixture(k, max_iter=STEPS, tol=1e-6, reg_covar=0, random_state=1).fit(x).n_iter_


def job(who: str, n: int, d: int, k: int) -> dict:
    """Fit, and see how far memory rose above what the rows and the loaded code already took."""
    fit = {"ours": ours, "scikit-learn": scikit_learn}[who]
    truth = separated(d, k)
    fit(sample(truth, 2000), k)  # loads all code
    x = sample(truth, n)
    forget_peak()
    before, start = resident(peak=False), time.perf_counter()
    steps = fit(x, k)
    took = time.perf_counter() - start
    extra = resident(peak=True) - before
    return {"data_mb": x.nbytes / 1e6, "extra_mb": extra / 1e6, "share": extra / x.nbytes, "s": took, "steps": steps}


def measure(quick: bool = False) -> list[Table]:
    """Growth with N, and scikit-learn's beside it."""
    rows = []
    for who, n, d, k, most in CASES:
        n = n // 100 if quick else n
        took = fresh("benchmarks.memory", who, n, d, k)
        rows.append({"who": who, "N": n, "D": d, "K": k, "data, MB": took["data_mb"], "extra, MB": took["extra_mb"],
                     "extra of data": took["share"], "at most": most, "steps": took["steps"],
                     "fit, s": took["s"]})  # fmt: skip
    note = (
        "The rise of the peak of resident memory while `fit_mle(x, K, starts=1)` runs on float64 rows already in "
        f"memory, at most {STEPS} steps; small fits are all fixed costs."
    )
    return [Table("Peak extra memory", ("who", "N", "D", "K"), rows, note)]


if __name__ == "__main__":
    print(json.dumps(job(sys.argv[1], *map(int, sys.argv[2:5]))))
