"""Which heavy packages a call may load, each in a fresh process."""

import tomllib
from pathlib import Path

import pytest

from benchmarks.clock import fresh

ROWS = "import numpy as np; x = np.random.default_rng(1).normal([0.0, 9.0], 1.0, (40, 2)); x[:20] += 9.0"
DRAWS = (
    "w, m = np.full((2, 50, 2), 0.5), np.random.default_rng(2).normal([[0, 9], [9, 18]], 0.1, (2, 50, 2, 2))",
    "draws = bg.draws.from_arrays(w, m, np.tile(np.eye(2), (2, 50, 2, 1, 1)), x=x)",
)
STORY = "from bayesgmm.models import finite_mixture; model = finite_mixture(x, 2)"
FRAMES = {"pandas", "xarray"}
SCIPY = {"scipy.special", "scipy.optimize", "scipy.stats"}
STATISTICS = {*FRAMES, *SCIPY, "arviz_base", "arviz_stats"}
PYMC = {*FRAMES, *SCIPY, "pymc", "pytensor", "numba"}
NUTPIE = {*PYMC, *STATISTICS, "nutpie", "arviz", "arviz_plots", "matplotlib"}


def loaded_by(*statements) -> set[str]:
    """What statements load beyond NumPy and LLVM's bindings, which the kernel needs."""
    steps = fresh("benchmarks.walk", *statements)
    return {name for step in steps for name in step["loads"]} - {"numpy", "llvmlite"}


@pytest.mark.parametrize(
    ("statements", "may"),
    [
        (["import bayesgmm"], set()),
        (["import bayesgmm as bg", ROWS, "print(bg.fit_mle(x, 2))", "bg.e_step(x, bg.fit_mle(x, 1).mixture)"], set()),
        (["import bayesgmm as bg", ROWS, "bg.scale_prior('conjugate', x, 2)"], set()),
        (["import bayesgmm as bg", "x = bg.load_dataset('faithful')", "bg.fit_mle(x, 2)"], {"pandas"}),
        (["import bayesgmm.draws, bayesgmm.fit, bayesgmm.data, bayesgmm.comparison"], set()),
        (["import bayesgmm as bg", ROWS, *DRAWS, "bg.relabel(draws), bg.membership(draws)"], FRAMES),
        (["import bayesgmm as bg", ROWS, *DRAWS, "print(bg.diagnose(draws)), print(bg.summary(draws))"], STATISTICS),
        (["import bayesgmm as bg", ROWS, "bg.plot_components(bg.fit_mle(x, 2), x)"], {"matplotlib", "scipy.special"}),
        (["import bayesgmm as bg", ROWS, STORY, "bg.fit_map(model)"], PYMC),
    ],
    ids=[
        "package",
        "fit_mle",
        "scale_prior",
        "load_dataset",
        "rooms",
        "relabel",
        "summary",
        "plot_components",
        "story",
    ],
)
def test_a_call_loads_only_what_it_needs(statements, may):
    assert loaded_by(*statements) <= may


@pytest.mark.slow
def test_a_declared_story_is_sampled_without_compiling():
    found = loaded_by("import bayesgmm as bg", ROWS, STORY, "bg.sample(model, draws=50, tune=50)")
    assert "nutpie" in found
    assert found <= NUTPIE


def test_a_graph_on_its_way_to_numba_finds_the_native_operation():
    found = fresh(
        "benchmarks.walk",
        "import bayesgmm.ppl",
        "import pytensor; from pytensor.compile.mode import NUMBA; from pytensor.graph import FunctionGraph",
        "v = pytensor.tensor.dvector(); NUMBA.optimizer.rewrite(FunctionGraph([v], [v + 1.0]))",
        "from pytensor.link.numba.dispatch.basic import numba_funcify as f; from bayesgmm.ppl.op import EStep",
        "assert f.dispatch(EStep) is not f.dispatch(object)",
    )
    dispatch = "pytensor.link.numba.dispatch"
    assert dispatch not in found[0]["loads"] + found[1]["loads"]
    assert dispatch in found[2]["loads"]


def test_every_package_is_installed():
    """An editable checkout has folders that a wheel would leave out."""
    root = Path(__file__).parents[1]
    named = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(file.parent.relative_to(root).parts) for file in (root / "bayesgmm").rglob("__init__.py")}
    assert set(named) == found | {"bayesgmm.models"}
