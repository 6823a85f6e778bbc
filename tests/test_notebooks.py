"""The notebooks run, and what is committed is what their sources say."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))

each = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)


def committed(script):
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def outputs(script):
    return [output for cell in committed(script).cells for output in cell.get("outputs", ())]


def test_there_are_notebooks():
    assert SCRIPTS


@pytest.mark.slow
@each
def test_a_notebook_runs_from_top_to_bottom(script, tmp_path):
    command = [sys.executable, FOLDER / "run.py", "--check", script.stem]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@each
def test_a_notebook_has_the_cells_of_its_script(script):
    source = pytest.importorskip("jupytext").read(script)
    cells = [(cell.cell_type, cell.source) for cell in source.cells]
    assert [(cell.cell_type, cell.source) for cell in committed(script).cells] == cells


@each
def test_committed_outputs_are_clean_and_have_figures(script):
    found = outputs(script)
    assert not [o for o in found if o.output_type == "error"]
    assert not [o.text for o in found if o.get("name") == "stderr"]
    assert [o for o in found if "image/png" in o.get("data", {})]


@each
def test_every_code_cell_was_executed_in_order(script):
    counts = [cell.execution_count for cell in committed(script).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@each
def test_no_output_names_an_address_in_memory_or_a_home_folder(script):
    shown = [o.get("text", "") for o in outputs(script)]
    shown += [str(v) for o in outputs(script) for kind, v in o.get("data", {}).items() if kind.startswith("text/")]
    for private in (" at 0x", str(Path.home()), str(FOLDER.parent)):
        assert private not in "\n".join(shown)
