"""What a reader waits for, call by call, from the import to the printed table, and what each call loads."""

from __future__ import annotations

import numpy as np

from benchmarks.clock import fresh
from benchmarks.tables import Table

TITLE = "What each call of a reader's walk takes and loads"
BEGIN = ("import numpy", "import bayesgmm as bg", 'x = bg.load_dataset("faithful")')
WALKS = {
    "Maximum likelihood": (
        *BEGIN,
        "mle = bg.fit_mle(x, 2, seed=1, progress=False)",
        "print(mle)",
        "bg.plot_components(mle, x)",
    ),
    # nutpie first, so that each call shows what it adds to it.
    "The posterior": (
        "import numpy",
        "import nutpie",
        *BEGIN[1:],
        "from bayesgmm.models import finite_mixture",
        "model = finite_mixture(x, 2)",
        "draws = bg.sample(model, seed=1, progress=False)",
        "table = bg.summary(draws)",
        "print(table)",
        "print(bg.fit_map(model, progress=False))",
        "bg.membership(draws)",
        "bg.plot_components(draws)",
    ),
    "Draws made elsewhere": (
        *BEGIN,
        "means = [[2.0, 54.5], [4.3, 80.0]] + numpy.random.default_rng(1).normal(0, 0.1, (4, 1000, 2, 2))",
        "weights, covariances = numpy.full((4, 1000, 2), 0.5), numpy.tile([[0.1, 0.6], [0.6, 36]], (4, 1000, 2, 1, 1))",
        "draws = bg.draws.from_arrays(weights, means, covariances, x=x, features=list(x))",
        "draws = bg.relabel(draws)",
        "print(bg.diagnose(draws))",
        "print(bg.summary(draws))",
    ),
}
# Of a walk, from one call to another, all of them together; and the seconds that this project asks of it.
WAITS = (
    ("Maximum likelihood", "import bayesgmm as bg", "import bayesgmm as bg", 0.3),
    ("Maximum likelihood", "import bayesgmm as bg", "print(mle)", None),
    ("The posterior", "import nutpie", "import nutpie", None),
    ("The posterior", "import bayesgmm as bg", "print(table)", 3.0),
)


def measure(quick: bool = False) -> list[Table]:
    """Medians of five of each walk, in turn, after a first round that fills the caches."""
    times = 1 if quick else 6
    rounds = [{name: fresh("benchmarks.walk", *calls) for name, calls in WALKS.items()} for _ in range(times)]
    rounds = rounds if quick else rounds[1:]
    note = (
        "Old Faithful, 272 × 2, K = 2, a fresh process each, caches warm; sampling is 4 × (1000 + 1000) draws. Where "
        "Python keeps no byte code (`PYTHONDONTWRITEBYTECODE`, and packages that were installed without), imports take "
        "several times as long."
    )
    waits = Table("All together", ("walk", "from", "to"), [_wait(rounds, *wait) for wait in WAITS], note)
    return [waits, *(_calls(name, [one[name] for one in rounds]) for name in WALKS)]


def _wait(rounds, walk: str, first: str, last: str, most: float | None) -> dict:
    part = slice(WALKS[walk].index(first), WALKS[walk].index(last) + 1)
    wall, cpu = (
        float(np.median([sum(s[what] for s in one[walk][part]) for one in rounds])) for what in ("wall", "cpu")
    )
    return {"walk": walk, "from": f"`{first}`", "to": f"`{last}`", "wall, s": wall, "CPU, s": cpu, "at most": most}


def _calls(name: str, walks: list[list[dict]]) -> Table:
    rows = []
    for steps in zip(*walks, strict=True):
        wall, cpu = (float(np.median([step[what] for step in steps])) for what in ("wall", "cpu"))
        loads = ", ".join(steps[0]["loads"]) or None
        rows.append({"call": f"`{steps[0]['code']}`", "wall, s": wall, "CPU, s": cpu, "loads": loads})
    return Table(name, ("call",), rows)
