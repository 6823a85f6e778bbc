"""The main job from a table to a folder of results: three fits, their comparison, and the figures.

This is the command line's work without its words; a script may call :func:`run` as well.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bayesgmm.data import Table, check_components

if TYPE_CHECKING:
    import xarray as xr

    from bayesgmm.comparison import Comparison
    from bayesgmm.draws import Diagnosis
    from bayesgmm.fit import Fit

__all__ = ["FILES", "SELECTED", "FolderError", "Result", "Step", "run", "staged"]

FIGURES = ("components.png", "marginals.png", "ranks.png", "responsibilities.png")
FILES = ("posterior.nc", "comparison.csv", *FIGURES)
#: What `bayesgmm select` writes.
SELECTED = ("selection.csv", "selection.png")


class FolderError(ValueError):
    """A folder that results cannot be written to, in one sentence.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, staged(file.name, ()):
    ...     pass
    Traceback (most recent call last):
    bayesgmm.workflow.FolderError: ... is a file, where results need a folder; name another one
    """


@dataclass(frozen=True)
class Step:
    """What one step of the job took, in seconds of the clock and of all processors together."""

    name: str
    wall: float
    cpu: float


@dataclass(frozen=True)
class Result:
    """Everything that the main job found and wrote.

    Attributes
    ----------
    mle, map : Fit
    draws : xarray.DataTree
    diagnosis : Diagnosis
    comparison : Comparison
    steps : tuple of Step
    files : tuple of Path
    """

    mle: Fit
    map: Fit
    draws: xr.DataTree
    diagnosis: Diagnosis
    comparison: Comparison
    steps: tuple[Step, ...]
    files: tuple[Path, ...]


def run(
    table: Table,
    n_components: int,
    *,
    out: str | Path,
    covariance_type: str = "full",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int | None = None,
    progress: bool = True,
    show: Callable[[str, bool], AbstractContextManager] | None = None,
) -> Result:
    """Fit by maximum likelihood, MAP and posterior; compare; write posterior, table and figures to a folder.

    What was asked for is checked before any work, and the folder gets its files only when all of them are made.

    Parameters
    ----------
    table : Table
        From ``as_table(x, fitting=True)``.
    n_components : int
    out : path
        The folder to write :data:`FILES` to. It is made if need be; other files in it are left alone.
    covariance_type : {"full", "tied", "diag", "spherical"}
    draws, tune, chains : int
        Kept and warm-up draws of each chain, and how many chains.
    seed : int, optional
    progress : bool
        Show the progress bars of EM and NUTS.
    show : callable, optional
        ``show(name, has_bar)`` is entered as a context around each step; `has_bar` where the step shows its own.

    Returns
    -------
    Result

    Raises
    ------
    DataError
        The data cannot hold that many components.
    FolderError
        `out` cannot be written to.
    ValueError
        `covariance_type` is unknown, or the fit is degenerate (`bayesgmm.fit.DegenerateFit`).
    """
    from bayesgmm.families import family

    n_components = check_components(table, n_components)
    family(covariance_type, sampled=True)
    stopwatch = _Stopwatch(show or (lambda name, has_bar: nullcontext()))
    common = {"seed": seed, "progress": progress}
    with staged(out, FILES) as folder:
        with stopwatch("imports"):
            bg, finite_mixture = _imports()
        with stopwatch("maximum likelihood (EM)", has_bar=True):
            mle = bg.fit_mle(table, n_components, covariance_type=covariance_type, **common)
        with stopwatch("posterior mode (MAP)", has_bar=True):
            model = finite_mixture(table, n_components, covariance_type=covariance_type)
            map_ = bg.fit_map(model, **common)
        with stopwatch("posterior (NUTS)", has_bar=True):
            posterior = bg.sample(model, draws=draws, tune=tune, chains=chains, **common)
            if "incomplete" in posterior.attrs:  # who stops a job wants it stopped
                raise KeyboardInterrupt
        with stopwatch("summary"):
            diagnosis, comparison = bg.diagnose(posterior), bg.compare(mle, map_, posterior)
            posterior.to_netcdf(folder / "posterior.nc")
            comparison.table.to_csv(folder / "comparison.csv", index_label="parameter")
        with stopwatch("figures"):
            _figures(table, mle, map_, posterior, folder)
    files = tuple(Path(out) / name for name in FILES)
    return Result(mle, map_, posterior, diagnosis, comparison, tuple(stopwatch.steps), files)


def _imports():
    """The heavy packages, loaded where their time is seen for what it is."""
    import arviz  # noqa: F401
    import nutpie  # noqa: F401

    import bayesgmm
    from bayesgmm.models import finite_mixture

    return bayesgmm, finite_mixture


def _figures(table: Table, mle: Fit, map_: Fit, posterior: xr.DataTree, folder: Path) -> None:
    from bayesgmm import plots

    figures = (
        plots.plot_components(posterior, table, mle=mle),
        plots.plot_comparison(mle, posterior, map=map_),
        plots.plot_ranks(posterior),
        plots.plot_membership(posterior, scatter=table.n_features <= 2),
    )
    for figure, name in zip(figures, FIGURES):
        plots.save(figure, folder / name)


class _Stopwatch:
    """Collects a Step for each block of code that it is entered around."""

    def __init__(self, show: Callable[[str, bool], AbstractContextManager]) -> None:
        self.show = show
        self.steps: list[Step] = []

    @contextmanager
    def __call__(self, name: str, has_bar: bool = False) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        with self.show(name, has_bar):
            yield
        self.steps.append(Step(name, time.perf_counter() - wall, time.process_time() - cpu))


@contextmanager
def staged(folder: str | Path, names: tuple[str, ...]) -> Iterator[Path]:
    """A temporary folder whose files are moved into `folder` at the end, and thrown away after an exception.

    Parameters
    ----------
    folder : path
        Made with its parents if need be, at the end.
    names : sequence of str
        The files that will be written: none may be a folder there.

    Yields
    ------
    Path
        Where to write, on the same file system, so that each move is atomic.

    Raises
    ------
    FolderError
        Before the block is entered, if `folder` cannot be written to.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> home = pathlib.Path(tempfile.mkdtemp())
    >>> with staged(home / "results", ("a.txt",)) as temporary:
    ...     _ = (temporary / "a.txt").write_text("whole")
    ...     (home / "results").exists()
    False
    >>> (home / "results" / "a.txt").read_text()
    'whole'
    """
    folder = Path(folder)
    temporary = _temporary_for(folder, names)
    try:
        yield temporary
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(temporary.iterdir()):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_for(folder: Path, names: tuple[str, ...]) -> Path:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise FolderError(f"{existing} is a file, where results need a folder; name another one")
    for name in names:
        if (folder / name).is_dir():
            raise FolderError(f"{folder / name} is a folder, where a result would be written; name another folder")
    try:
        return Path(tempfile.mkdtemp(prefix=".bayesgmm-", dir=existing))
    except OSError as error:
        raise FolderError(f"{folder} cannot be written to ({error.strerror}); name another folder") from None
