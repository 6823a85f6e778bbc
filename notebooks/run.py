"""Execute the notebooks: `python notebooks/run.py [--check] [NAME ...]`.

Every `NN_*.py` beside this file is a percent script, the source that people review. Its pair `NN_*.ipynb`, with
outputs, is written from it, for readers on a code host. With `--check` the scripts are only executed, and the first
error is reported. Cell ids are fixed and what changes from run to run is left out, so a notebook changes only when
its source or its results do.
"""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets import default

HERE = Path(__file__).resolve().parent
TIMEOUT = 900
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def read(script):
    """The notebook that a percent script describes, its cells named by their place."""
    notebook = jupytext.read(script)
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i:03d}"
    return notebook


class _Manager(AsyncKernelManager):
    """Knows one kernel, ipykernel's own: a `python3` that a user registered could run another environment."""

    @default("kernel_spec_manager")
    def _only_our_own(self):
        return KernelSpecManager(kernel_dirs=[])


def execute(notebook):
    """Run a notebook, in place, in the interpreter that runs this script and away from the checkout."""
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            kernel_manager_class=_Manager,
            timeout=TIMEOUT,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=_environment(folder))
    return notebook


def _environment(folder):
    # Figures must reach the cells whatever backend the caller works with, nobody's IPython profile may run, and
    # sets must be listed in the same order every time.
    fixed = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "IPYTHONDIR": folder, "PYTHONHASHSEED": "0"}
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COLUMNS")} | fixed


def stripped(notebook):
    """A notebook without what differs between machines and runs."""
    notebook["metadata"] = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell["metadata"] = nbformat.from_dict({})
    return notebook


def scripts(names=()):
    """The notebooks' sources, all or those named by their stem."""
    found = sorted(HERE.glob("[0-9][0-9]_*.py"))
    unknown = set(names) - {script.stem for script in found}
    if unknown:
        sys.exit(f"no such notebook: {', '.join(sorted(unknown))}; there are {', '.join(s.stem for s in found)}")
    return [script for script in found if not names or script.stem in names]


def main(arguments=None):
    """Execute; 1 if a cell failed."""
    parser = argparse.ArgumentParser(description="Execute the notebooks and write them with their outputs.")
    parser.add_argument("--check", action="store_true", help="execute only, write nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a notebook without its ending; all of them if none")
    options = parser.parse_args(arguments)
    for script in scripts(options.names):
        try:
            notebook = execute(read(script))
        except CellExecutionError as error:
            print(f"{script.name} failed:\n{error}", file=sys.stderr)
            return 1
        if not options.check:
            nbformat.write(stripped(notebook), script.with_suffix(".ipynb"))
        print(f"{script.name}: {'runs' if options.check else 'written'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
