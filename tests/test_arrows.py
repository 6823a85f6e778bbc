"""The arrows between the rooms, read from the imports themselves."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

CHAIN = ("progress", "kernel", "univariate", "mixture", "families", "priors", "data", "tape", "ppl", "fit")
CORE = {room: set(CHAIN[: i + 1]) for i, room in enumerate(CHAIN)}
MAY_IMPORT = {
    **CORE,
    "tape": {"kernel", "tape"},
    "draws": {"progress", "kernel", "univariate", "mixture", "data", "draws"},
    "engines": {*CHAIN, "draws", "engines"},
    "reduction": {"kernel", "mixture", "data", "draws", "reduction"},
    "resampling": {*CHAIN, "draws", "resampling"},
    "comparison": {*CHAIN, "draws", "engines", "resampling", "comparison"},
    "selection": {*CHAIN, "draws", "engines", "resampling", "comparison", "selection"},
    "classify": {*CHAIN, "draws", "engines", "comparison", "selection", "models", "classify"},
    "calibration": {*CHAIN, "draws", "engines", "models", "calibration"},
    "testing": {"kernel", "ppl", "testing"},
    "plots": {*CHAIN, "draws", "engines", "resampling", "comparison", "selection", "reduction", "plots"},
    "workflow": {*CHAIN, "draws", "engines", "resampling", "comparison", "selection", "reduction", "plots", "models",
                 "workflow"},
    "cli": {*CHAIN, "draws", "engines", "resampling", "comparison", "selection", "reduction", "plots", "models",
            "workflow", "cli"},
    "": set(),
}
STRUCTURES = {"full", "tied", "diag", "spherical"}
FILES = sorted([*(ROOT / "bayesgmm").rglob("*.py"), *(ROOT / "models").glob("*.py")])


class Import(NamedTuple):
    """One imported name: what, from which file, and whether inside a function."""

    target: str
    names: tuple[str, ...]
    inside: bool
    where: str


def module_of(path: Path) -> str:
    """The dotted name a file is imported by; a package's own file ends in ``.__init__``."""
    relative = path.relative_to(ROOT).with_suffix("")
    parts = ("bayesgmm", *relative.parts) if relative.parts[0] == "models" else relative.parts
    return ".".join(parts)


def room_of(module: str) -> str:
    """The second part of a bayesgmm name: its room; '' for the package itself."""
    parts = [p for p in module.split(".") if p != "__init__"]
    return parts[1] if len(parts) > 1 else ""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_type_checking(node) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node, inside=False, typing=False):
    """Every node with where it stands: inside a function, and under ``if TYPE_CHECKING``."""
    yield node, inside, typing
    inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    typing = typing or is_type_checking(node)
    for child in ast.iter_child_nodes(node):
        yield from walk(child, inside, typing)


def targets(node, module: str):
    """The modules an import statement names, and the names taken; ``from package import room`` names the room."""
    if isinstance(node, ast.Import):
        return [(alias.name, ()) for alias in node.names]
    base = node.module or ""
    if node.level:
        base = ".".join([*module.split(".")[: -node.level], *([base] if base else [])])
    if base == "bayesgmm":
        return [(f"bayesgmm.{home_of(alias.name)}", (alias.name,)) for alias in node.names]
    return [(base, tuple(alias.name for alias in node.names))]


@cache
def homes() -> dict[str, str]:
    """Public name -> room, as the package's own table of lazy names says."""
    for node in tree_of(ROOT / "bayesgmm" / "__init__.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            return ast.literal_eval(node.value)
    raise AssertionError("bayesgmm/__init__.py has no _HOMES")


def home_of(name: str) -> str:
    return homes().get(name, name)


def imports(path: Path, typing=False) -> list[Import]:
    """The imports of a file; those for type checkers alone only if asked."""
    module, found = module_of(path), []
    for node, inside, for_types in walk(tree_of(path)):
        if isinstance(node, ast.Import | ast.ImportFrom) and (typing or not for_types):
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            found += [Import(target, names, inside, where) for target, names in targets(node, module)]
    return found


def package_names(path: Path) -> dict[str, str]:
    """Names a file reaches through ``import bayesgmm [as bg]``: attribute -> line."""
    known = {alias.asname or alias.name for node, _, _ in walk(tree_of(path)) if isinstance(node, ast.Import)
             for alias in node.names if alias.name == "bayesgmm"}  # fmt: skip
    attributes = [node for node, _, _ in walk(tree_of(path)) if isinstance(node, ast.Attribute)]
    taken = [node for node in attributes if isinstance(node.value, ast.Name) and node.value.id in known]
    return {node.attr: f"{path.relative_to(ROOT)}:{node.lineno}" for node in taken}


def files_of(*rooms):
    return [p for p in FILES if room_of(module_of(p)) in rooms]


def top(name: str) -> str:
    return name.split(".")[0]


def test_the_files_are_found():
    rooms = {room_of(module_of(p)) for p in FILES}
    others = {"draws", "engines", "plots", "comparison", "calibration", "selection", "workflow", "cli", "models", ""}
    assert {*CHAIN, *others} <= rooms
    assert rooms <= {*MAY_IMPORT, "models"}, "a new room: say in MAY_IMPORT what it may import"


@pytest.mark.parametrize("room", MAY_IMPORT)
@pytest.mark.parametrize("inside", [False, True], ids=["module level", "inside functions"])
def test_a_room_imports_only_what_stands_left_of_it(room, inside):
    wrong = [
        f"{i.where} imports {i.target}"
        for path in files_of(room)
        for i in imports(path)
        if i.inside == inside and top(i.target) == "bayesgmm" and i.target != "bayesgmm"
        and room_of(i.target) not in MAY_IMPORT[room] | {"__version__"}
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_the_package_itself_is_no_way_round(room):
    wrong = [
        f"{where} uses bayesgmm.{name}"
        for path in files_of(room)
        for name, where in package_names(path).items()
        if name != "__version__" and home_of(name) not in MAY_IMPORT[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_never_imports_the_stories():
    rooms = set(MAY_IMPORT) - {"calibration", "classify", "workflow", "cli"}
    wrong = [i.where for p in files_of(*rooms) for i in imports(p, typing=True) if room_of(i.target) == "models"
             and top(i.target) == "bayesgmm" or top(i.target) == "models"]  # fmt: skip
    assert not wrong


def test_the_foundations_know_nothing_of_pymc_arviz_or_figures():
    heavy = {"pymc", "pytensor", "arviz", "arviz_stats", "arviz_plots", "arviz_base", "matplotlib", "nutpie"}
    wrong = [i.where for p in files_of("kernel", "mixture", "families", "priors") for i in imports(p, typing=True)
             if top(i.target) in heavy]  # fmt: skip
    assert not wrong


def test_only_ppl_imports_pymc_and_fit_engines_and_testing_inside_functions_alone():
    wrong = []
    for path in FILES:
        room = room_of(module_of(path))
        for i in imports(path):
            if top(i.target) in ("pymc", "pytensor"):
                fine = room in ("ppl", "models") or (i.inside and room in ("fit", "engines", "testing"))
                wrong += [] if fine else [i.where]
    assert not wrong


def test_draws_know_no_sampler():
    samplers = {"pymc", "pytensor", "nutpie", "blackjax", "numpyro"}
    assert not [i.where for p in files_of("draws") for i in imports(p, typing=True) if top(i.target) in samplers]


def test_only_files_called_jaxed_import_jax_and_they_are_imported_inside_functions():
    optional = {"jax", "numpyro"}
    assert not [i.where for p in FILES for i in imports(p, typing=True) if top(i.target) in optional
                and p.name != "jaxed.py"]  # fmt: skip
    others = [i for p in FILES if p.name != "jaxed.py" for i in imports(p)]
    users = [i for i in others if "jaxed" in (*i.names, i.target.split(".")[-1])]
    assert users and all(i.inside for i in users)


def test_only_plots_imports_matplotlib():
    wrong = [i.where for p in FILES for i in imports(p, typing=True) if top(i.target) == "matplotlib"]
    assert not [where for where in wrong if not where.startswith("bayesgmm/plots/")]


def structure_strings(path: Path):
    """Lines that compare with, or match on, the name of a covariance structure."""
    for node in ast.walk(tree_of(path)):
        parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        parts += [node.pattern] if isinstance(node, ast.match_case) else []
        constants = [c.value for part in parts for c in ast.walk(part) if isinstance(c, ast.Constant)]
        if STRUCTURES & {c for c in constants if isinstance(c, str)}:
            line = getattr(node, "lineno", None) or node.pattern.lineno
            yield f"{path.relative_to(ROOT)}:{line}"


def test_only_families_compares_the_names_of_covariance_structures():
    wrong = [line for path in FILES if path.name != "families.py" for line in structure_strings(path)]
    assert not wrong, "\n".join(wrong)


def test_stories_import_no_private_name_and_no_other_story():
    stories = [p for p in files_of("models") if p.name != "__init__.py"]
    assert stories
    for path in stories:
        for i in imports(path, typing=True):
            names = {*i.target.split("."), *i.names} - {"__future__"}
            private = [name for name in names if name.startswith("_")]
            assert not private, f"{i.where} imports {private}"
            assert room_of(i.target) != "models" or top(i.target) != "bayesgmm", f"{i.where} imports another story"


def test_no_star_imports():
    assert not [i.where for path in FILES for i in imports(path, typing=True) if "*" in i.names]
