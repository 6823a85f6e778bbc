"""What a user waits for first: from the import to the printed fit of Old Faithful, in a fresh process."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.clock import fresh
from benchmarks.tables import Table

TITLE = "From the import to the printed fit"
JOBS = {
    "ours: import, fit_mle, print": "import bayesgmm as bg\nprint(bg.fit_mle(x, 2, seed=1))",
    "scikit-learn: import, fit, print": (
        "from sklearn.mixture import GaussianMixture\nm = GaussianMixture(2, n_init=10, random_state=1).fit(x)\n"
        "print(m.weights_, m.means_, m.covariances_, m.score(x) * len(x))"
    ),
    "ours: import alone": "import bayesgmm",
    "ours: import, and one pass of the kernel": (
        "from bayesgmm import Mixture, e_step\n"
        "e_step(x, Mixture([0.5, 0.5], [[2, 55], [4, 80]], [[[1, 0], [0, 9]]] * 2))"
    ),
    "scikit-learn: import alone": "import sklearn.mixture",
}
AT_MOST = {"ours: import, fit_mle, print": 1.5}


def run(code: str, rows: Path) -> tuple[float, float]:
    """Seconds from the first import after NumPy's to the end, and of the whole process."""
    start = time.perf_counter()
    *_, job = fresh("benchmarks.walk", f"import numpy as np; x = np.load({str(rows)!r})", code)
    return job["wall"], time.perf_counter() - start


def measure(quick: bool = False) -> list[Table]:
    """Medians of five, the jobs in turn, after a first round that fills the caches."""
    from bayesgmm import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "faithful.npy")
        np.save(rows, load_dataset("faithful").to_numpy(float))
        rounds = [{name: run(code, rows) for name, code in JOBS.items()} for _ in range(1 if quick else 6)]
    rounds = rounds if quick else rounds[1:]
    medians = {name: np.median([one[name] for one in rounds], axis=0) for name in JOBS}
    table = [{"job": name, "wall, s": float(inner), "whole process, s": float(outer), "at most": AT_MOST.get(name)}
             for name, (inner, outer) in medians.items()]  # fmt: skip
    note = (
        "Old Faithful, 272 × 2, as a NumPy array, K = 2, ten starts each, caches warm, medians of five in turn. The "
        "clock starts after `import numpy`; the whole process has Python's and NumPy's start as well."
    )
    return [Table("Old Faithful, maximum likelihood", ("job",), table, note)]
