"""The command line: ``bayesgmm demo``, ``bayesgmm fit`` and ``bayesgmm select``.

Heavy imports stay inside the commands, so that ``--help`` and complaints about the input come at once.
Results go to standard output; progress, timings and complaints to standard error.
"""

from __future__ import annotations

import csv
import io
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from rich.console import Console
    from rich.table import Table as RichTable

    from bayesgmm.data import Table
    from bayesgmm.selection import Selection
    from bayesgmm.workflow import Result, Step

__all__ = ["app", "main"]

STARTED = time.perf_counter()

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# What Python's arguments are called here; the command line always takes the prior that the message offers.
OPTIONS = {"n_components": "--components", "covariance_types": "--types", "covariance_type": "--covariance",
           "missing='marginalise'": "--missing marginalise", "give prior='conjugate', ": ""}  # fmt: skip

Draws = Annotated[int, typer.Option(min=1, help="Draws to keep from each chain.")]
Tune = Annotated[int, typer.Option(min=1, help="Warm-up draws of each chain.")]
Chains = Annotated[int, typer.Option(min=1, help="Chains; two or more can be judged.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Same seed, same results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the table and the verdict.")]


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit; a wrong option is one sentence, not a page.

    Parameters
    ----------
    args : list of str, optional
        The words after ``bayesgmm`` (from the process if not given).

    Raises
    ------
    SystemExit
        Always: code 0, 2 after a complaint about the input, 130 when interrupted.

    Examples
    --------
    >>> main(["--version"])
    Traceback (most recent call last):
    SystemExit: 0
    """
    try:
        code = app(args, standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(f"{error.format_message().rstrip('.')}; see bayesgmm --help")
    sys.exit(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Gaussian mixtures by maximum likelihood, MAP and full posterior, side by side."""
    if version:
        from bayesgmm import __version__

        typer.echo(f"bayesgmm {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder for posterior, table and figures.")] = Path("faithful-demo"),
    draws: Draws = 1000,
    tune: Tune = 1000,
    chains: Chains = 4,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Old Faithful with two components, from the data to the figures."""
    with _complaints():
        from bayesgmm.data import as_table, load_dataset

        table = as_table(load_dataset("faithful"))
        _work(table, 2, quiet=quiet, out=out, draws=draws, tune=tune, chains=chains, seed=seed)


@app.command()
def fit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV or Parquet file.")],
    components: Annotated[int, typer.Option("--components", "-k", help="How many Gaussians.", show_default=False)],
    features: Annotated[str | None, typer.Option(help="Columns to use, as a,b (all if not given).")] = None,
    covariance: Annotated[str, typer.Option(help="full, tied, diag or spherical.")] = "full",
    out: Annotated[Path | None, typer.Option(help="The folder for the results; DATA-fit if not given.")] = None,
    draws: Draws = 1000,
    tune: Tune = 1000,
    chains: Chains = 4,
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """The same for your own data: a CSV or Parquet file with one row a point."""
    with _complaints():
        from bayesgmm.data import as_table, check_components

        table = as_table(data, features=_split(features), fitting=True)
        check_components(table, components, name=data.name)
        out = out or Path(f"{data.stem}-fit")
        options = {
            "covariance_type": _covariance(covariance),
            "draws": draws,
            "tune": tune,
            "chains": chains,
            "seed": seed,
        }
        _work(table, components, quiet=quiet, out=out, **options)


@app.command()
def select(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV or Parquet file.")],
    components: Annotated[str, typer.Option("--components", "-k", help="Numbers to try, as 1-9 or 2,4,8.")] = "1-9",
    types: Annotated[str, typer.Option(help="Covariance families, as all or EEE,VVV.")] = "all",
    criterion: Annotated[str, typer.Option(help="What chooses: bic, icl or aic.")] = "bic",
    features: Annotated[str | None, typer.Option(help="Columns to use, as a,b (all if not given).")] = None,
    prior: Annotated[str | None, typer.Option(help="Maximise the posterior under it, as conjugate.")] = None,
    missing: Annotated[str, typer.Option(help="Empty cells: raise, or marginalise.")] = "raise",
    starts: Annotated[int, typer.Option(min=1, help="Climbs of every fit.")] = 10,
    out: Annotated[Path | None, typer.Option(help="A folder for the table and the figure.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """How many components, of which covariance family: fits them all, and ranks them."""
    with _complaints():
        from bayesgmm.data import as_table
        from bayesgmm.priors import prior as prior_of
        from bayesgmm.selection import select as sweep
        from bayesgmm.workflow import SELECTED, staged

        table = as_table(data, features=_split(features), fitting=True, missing=missing)
        names = types if types == "all" else [_covariance(name.strip()) for name in types.split(",")]
        prior = prior and _known(prior, prior_of)
        options = {"criterion": criterion, "prior": prior, "missing": missing, "starts": starts, "seed": seed}
        with staged(out, SELECTED) if out is not None else nullcontext() as folder:
            found = sweep(table, _numbers(components), covariance_types=names, progress=not quiet, **options)
            if folder is not None:
                _keep(found, folder)
        typer.echo(str(found))
        if out is not None and not quiet:
            typer.echo(f"\n{_files(tuple(out / name for name in SELECTED))}")
        if found.incomplete:
            raise typer.Exit(130)


def _numbers(text: str) -> list[int]:
    """Whole numbers, as 1-9 or 2,4,8."""
    from bayesgmm.data import DataError

    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
        return [k for first, *last in ends for k in range(first, (last[0] if last else first) + 1)]
    except ValueError:
        raise DataError(f"--components must be whole numbers, as 1-9 or 2,4,8, not {text!r}") from None


def _keep(found: Selection, folder: Path) -> None:
    from bayesgmm import plots

    found.table.to_csv(folder / "selection.csv", index=False)
    plots.save(plots.plot_selection(found), folder / "selection.png")


@contextmanager
def _complaints() -> Iterator[None]:
    """What the user can mend is one sentence on standard error; what we must mend stays a traceback."""
    from bayesgmm.data import ColumnError, DataError
    from bayesgmm.workflow import FolderError

    try:
        yield
    except ColumnError as error:
        raise typer.Exit(_complain(f"{error.problem}; {error.advice(_features_option)}")) from None
    except (DataError, FolderError) as error:
        raise typer.Exit(_complain(str(error))) from None
    except ValueError as error:
        if not _degenerate(error):
            raise
        raise typer.Exit(_complain(str(error))) from None
    except KeyboardInterrupt:
        raise typer.Exit(_complain("stopped; nothing was written", code=130)) from None


def _degenerate(error: ValueError) -> bool:
    from bayesgmm.fit import DegenerateFit

    return isinstance(error, DegenerateFit)


def _complain(sentence: str, code: int = 2) -> int:
    for argument, option in OPTIONS.items():
        sentence = sentence.replace(argument, option)
    typer.echo(f"bayesgmm: {sentence}", err=True)
    return code


def _split(features: str | None) -> list[str] | None:
    """Comma-separated names; a name that holds a comma is quoted as in a CSV file."""
    return None if features is None else next(csv.reader([features], skipinitialspace=True), [])


def _features_option(names: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return f"--features {shlex.quote(line.getvalue())}"


def _covariance(name: str) -> str:
    """`name`, if it is a covariance family's."""
    from bayesgmm.families import family

    return _known(name, family)


def _known(name: str, look_up: Callable) -> str:
    """`name`, if it can be looked up."""
    from bayesgmm.data import DataError

    try:
        look_up(name)
    except ValueError as error:
        raise DataError(str(error)) from None
    return name


def _work(table: Table, n_components: int, *, quiet: bool, **options) -> None:
    from rich.console import Console

    from bayesgmm.workflow import Step, run

    os.environ.setdefault("MPLBACKEND", "Agg")  # figures go to files: no display is needed
    progress = Console(stderr=True, quiet=quiet)
    start = Step("start, data", time.perf_counter() - STARTED, time.process_time())
    result = run(table, n_components, progress=not quiet, show=_announcer(progress), **options)
    _report(result, [start, *result.steps], quiet)


def _announcer(console: Console):
    @contextmanager
    def show(name: str, has_bar: bool) -> Iterator[None]:
        """A line when a step is done; before that a spinner, or a line where the step has a bar of its own."""
        if has_bar:
            console.print(f"  [dim]{name} …[/]", highlight=False)
        with nullcontext() if has_bar else console.status(f"{name} …"):
            start = time.perf_counter()
            yield
        console.print(f"[green]✓[/] {name} [dim]{time.perf_counter() - start:.1f} s[/]", highlight=False)

    return show


def _report(result: Result, steps: list[Step], quiet: bool) -> None:
    from rich.console import Console

    # Away from a terminal there is no width to fit into, and a folded table cannot be read.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(_parameters(result.comparison.table))
    console.print(f"\n{result.diagnosis}", markup=False, soft_wrap=True)
    if not quiet:
        console.print("", _steps(steps), "")
        console.print(_files(result.files), markup=False, soft_wrap=True)


def _parameters(table: DataFrame) -> RichTable:
    from rich.table import Table as RichTable

    rich = RichTable(
        "", *map(_right, ("MLE", "MAP", "mean", "sd", "95 % interval", "R-hat", "ESS")), box=None, pad_edge=False
    )
    for name, row in table.iterrows():
        rich.add_row(_symbols(name), *_cells(row))
    return rich


def _right(title: str):
    from rich.table import Column

    return Column(title, justify="right", no_wrap=True)


def _symbols(name: str) -> str:
    for word, letter in {"weights": "π", "means": "μ", "covariances": "Σ"}.items():
        if name.startswith(word):
            return name.replace(word, letter, 1)
    return name


def _cells(row: Series) -> list[str]:
    """Numbers with as many decimals as show two digits of the standard deviation."""
    sd = row["sd"]
    decimals = min(8, max(0, 1 - math.floor(math.log10(sd)))) if sd > 0 else 4
    mle, map_, mean, sd, lower, upper = (
        f"{row[c]:.{decimals}f}" for c in ("mle", "map", "mean", "sd", "lower", "upper")
    )
    return [mle, map_, mean, sd, f"{lower} to {upper}", f"{row['r_hat']:.3f}", f"{row['ess_bulk']:.0f}"]


def _steps(steps: list[Step]) -> RichTable:
    from rich.table import Table as RichTable

    from bayesgmm.workflow import Step

    rich = RichTable("step", _right("seconds"), _right("CPU seconds"), box=None, pad_edge=False, show_footer=False)
    total = Step("in all", sum(step.wall for step in steps), sum(step.cpu for step in steps))
    for step in (*steps, total):
        rich.add_row(step.name, f"{step.wall:.1f}", f"{step.cpu:.1f}")
    return rich


def _files(files: tuple[Path, ...]) -> str:
    return f"wrote to {files[0].parent}: " + ", ".join(file.name for file in files)
