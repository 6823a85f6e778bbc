"""Run pieces, print their tables, and keep them: JSON for each in ``results/``, all of them in ``results.md``."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.tables import Table, changes

HERE = Path(__file__).parent
PIECES = ("machine", "passes", "growth", "fits", "starts", "gradients", "memory", "start", "imports", "sampling",
          "engines", "own", "posterior", "relabelling", "partitions", "selection", "factors", "subspaces",
          "seeds", "calibration", "coverage", "unknown", "clusters", "images", "comparing")  # fmt: skip
# Run only when they are named.
LONG = ("subspaces", "seeds", "calibration", "coverage", "unknown", "clusters")
PACKAGES = ("bayesgmm", "scikit-learn", "numpy", "scipy", "numba", "llvmlite", "pymc", "pytensor", "nutpie", "arviz")


def measured(name: str, quick: bool) -> dict:
    """Run a piece: its tables, and what they were measured on."""
    piece = importlib.import_module(f"benchmarks.{name}")
    tables = [table.as_dict() for table in piece.measure(quick)]
    return {"piece": name, "title": piece.TITLE, "machine": machine(), "versions": versions(), "quick": quick,
            "tables": tables}  # fmt: skip


def machine() -> str:
    """Processor, cores, system and Python, in one line."""
    from benchmarks.machine import cores, processor

    system = f"{platform.system()} {platform.machine()}"
    return f"{processor()}, {cores()} cores, {system}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Of the packages that matter here, where they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def stored(folder: Path) -> dict[str, dict]:
    """Every piece whose JSON lies in a folder, in the order in which they run."""
    files = {name: folder / f"{name}.json" for name in PIECES}
    return {name: json.loads(path.read_text()) for name, path in files.items() if path.exists()}


def section(result: dict) -> str:
    """One piece as Markdown, with its machine and versions."""
    made = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    head = [
        f"## {result['title']}",
        "",
        f"`python -m benchmarks {result['piece']}` on {result['machine']}; {made}.",
        "",
    ]
    return "\n".join(head + [Table.from_dict(t).markdown() for t in result["tables"]])


def page(results: dict[str, dict]) -> str:
    """All pieces as Markdown."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. Calls alternate within a repeat; seconds are medians, a ratio is the "
        "median over repeats of peer over ours, so that above 1 ours is quicker. On a machine shared with others trust "
        "the ratios. `wanted` and `at most` are what this project asks of itself.",
        "",
    ]
    return "\n".join(lines + [section(result) for result in results.values()])


def compare(old: Path, new: Path) -> str:
    """Two folders of results side by side: every number in both, and new over old."""
    before, after = stored(old), stored(new)
    tables = [
        Table(f"{after[name]['title']}: new over old", ("table", "row", "column"), rows)
        for name in after
        if name in before and (rows := list(changes(_tables(before[name]), _tables(after[name]))))
    ]
    return "\n".join(table.markdown() for table in tables) or f"no piece has results in both {old} and {new}"


def _tables(result: dict) -> list[Table]:
    return [Table.from_dict(t) for t in result["tables"]]


def run(names: list[str], quick: bool, out: Path | None) -> list[str]:
    """Measure, print and store each piece; returns the names of those that failed."""
    failed = []
    for name in names:
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            result = measured(name, quick)
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
        print(section(result), flush=True)
        if out is not None:
            store(result, out)
    return failed


def store(result: dict, out: Path) -> None:
    """Write the piece's JSON, and the page of all pieces that have one."""
    folder = out / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result['piece']}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    (out / "results.md").write_text(page(stored(folder)))


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    said = f"any of {', '.join(PIECES)}; all but {', '.join(LONG)} without"
    parser.add_argument("pieces", nargs="*", metavar="PIECE", help=said)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once; kept only where --out says")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep results here (default: benchmarks/)")
    parser.add_argument(
        "--compare", type=Path, metavar="OLD_DIR", help="measure nothing: results here over those there"
    )
    asked = parser.parse_args(arguments)
    if unknown := set(asked.pieces) - set(PIECES):
        parser.error(f"there is no piece {sorted(unknown)}; choose from {', '.join(PIECES)}")
    out = asked.out or (None if asked.quick else HERE)
    if asked.compare is not None:
        print(compare(asked.compare, (out or HERE) / "results"))
        return 0
    failed = run(asked.pieces or [p for p in PIECES if p not in LONG], asked.quick, out)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
