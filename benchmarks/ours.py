"""The main job in a process of its own, as `bayesgmm demo` runs it; prints the seconds of each step."""

import json
import sys
import tempfile
import time

START = time.perf_counter(), time.process_time()

from bayesgmm.data import as_table, load_dataset  # noqa: E402
from bayesgmm.workflow import run  # noqa: E402


def main(draws: int) -> None:
    """Fit, sample, compare and draw Old Faithful."""
    with tempfile.TemporaryDirectory() as out:
        result = run(as_table(load_dataset("faithful")), 2, out=out, draws=draws, tune=draws, seed=1, progress=False)
    wall, cpu = (now - then for now, then in zip((time.perf_counter(), time.process_time()), START, strict=True))
    steps = [{"step": s.name, "wall_s": s.wall, "cpu_s": s.cpu} for s in result.steps]
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "steps": steps, "verdict": result.diagnosis.verdict}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
