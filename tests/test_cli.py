import re
import time

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from bayesgmm import workflow
from bayesgmm.cli import app, main
from bayesgmm.selection import sweep
from bayesgmm.workflow import FILES, SELECTED, FolderError, staged

GOOD = "a,b\n" + "".join(f"{i},{i * i % 7}\n" for i in range(20))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder) -> dict:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refuse(folder, text, *options, code=2, command="fit") -> str:
    """What a command says to bad input; it must be one sentence, and leave nothing behind."""
    (folder / "t.csv").write_text(text)
    before = tree(folder)
    done = CliRunner().invoke(app, [command, "t.csv", *options])
    assert done.exit_code == code, done.output
    assert done.stdout == "" and re.fullmatch(r"bayesgmm: [^\n]*[^.\n]\n", done.stderr), done.output
    assert tree(folder) == before
    return done.stderr


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a,b,kind\n1,2,p\n2,5,q\n", ["-k", "2"], "'kind' holds text ('p' in row 1); choose columns with --features a"),
        ("a,kind\n1,p\n2,q\n", ["-k", "1", "--features", "kind"], "choose columns with --features a"),
        ('"a b","c,d",kind\n1,2,p\n2,5,q\n', ["-k", "2"], "--features 'a b,\"c,d\"'"),
        ("kind\np\nq\n", ["-k", "2"], "no usable column is left"),
        ("a,b\n1,2\n,5\n3,4\n", ["-k", "2"], "NaN in row 2 (of 3, counted from 1), column 'a'"),
        ("a,b\n1,2\n2,inf\n3,4\n", ["-k", "2"], "inf in row 2 (of 3, counted from 1), column 'b'"),
        ("a,b\n1,2\n", ["-k", "1"], "t.csv has 1 row, where a fit needs at least 2"),
        ("a,b\n", ["-k", "1"], "header but no rows"),
        ("", ["-k", "1"], "is empty"),
        ("a,b\n1,7\n2,7\n3,7\n", ["-k", "1"], "column 'b' is constant (7.0); choose columns with --features a"),
        ("a,b\n1,2\n1,2\n3,4\n", ["-k", "3"], "--components is 3, but t.csv has only 2 distinct rows"),
        (GOOD, ["-k", "0"], "--components must be a whole number of at least 1, not 0"),
        (GOOD, ["-k", "-1"], "--components must be a whole number of at least 1, not -1"),
        (GOOD, ["-k", "2", "--covariance", "round"], "--covariance 'round' is not known; use one of 'full', 'tied'"),
        (GOOD, ["-k", "2", "--features", "a,c"], "t.csv has no column 'c'; its columns are 'a', 'b'"),
        (GOOD, ["-k", "2", "--features", "a,a"], "twice"),
        (GOOD, ["-k", "2", "--features", ""], "features is empty"),
        (GOOD, ["-k", "2", "--out", "t.csv"], "t.csv is a file, where results need a folder"),
        (GOOD, ["-k", "2", "--out", "t.csv/deeper"], "t.csv is a file, where results need a folder"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)  # fmt: skip
def test_bad_input_is_one_sentence(folder, text, options, words):
    assert words in refuse(folder, text, *options)


@pytest.mark.parametrize("name", ["none.csv", ".", "t.txt"])
def test_a_path_that_is_no_table(folder, name):
    (folder / "t.txt").write_text("a\n1\n")
    done = CliRunner().invoke(app, ["fit", name, "-k", "2"])
    assert done.exit_code == 2 and done.stderr.startswith("bayesgmm: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit"], "Missing argument"),
        (["fit", "t.csv"], "Missing option '--components'"),
        (["fit", "t.csv", "-k", "two"], "Invalid value for '--components'"),
        (["fit", "t.csv", "-k", "2", "--draws", "0"], "Invalid value for '--draws'"),
        (["fit", "t.csv", "-k", "2", "--colour"], "No such option"),
        (["fti"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_one_sentence(folder, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and out == ""
    assert words in err and err.count("\n") == 1


def test_an_interrupt_is_one_sentence(folder, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "run", interrupted)
    assert "stopped" in refuse(folder, GOOD, "-k", "2", code=130)


def test_a_degenerate_fit_is_one_sentence(folder, monkeypatch):
    from bayesgmm.fit import DegenerateFit

    def degenerate(*args, **kwargs):
        raise DegenerateFit("all starts of n_components=2 lost a component; give prior='conjugate', use fewer")

    monkeypatch.setattr(workflow, "run", degenerate)
    assert "--components=2 lost a component; use fewer" in refuse(folder, GOOD, "-k", "2")


def test_our_own_mistakes_are_not_hidden(folder, monkeypatch):
    def broken(*args, **kwargs):
        raise ValueError("a bug")

    monkeypatch.setattr(workflow, "run", broken)
    (folder / "t.csv").write_text(GOOD)
    done = CliRunner().invoke(app, ["fit", "t.csv", "-k", "2"])
    assert isinstance(done.exception, ValueError)


def test_help_and_version_are_quick():
    start = time.perf_counter()
    assert "demo" in CliRunner().invoke(app, []).stdout
    assert "--components" in CliRunner().invoke(app, ["fit", "--help"]).stdout
    assert re.fullmatch(r"bayesgmm \d+\.\d+\.\d+\n", CliRunner().invoke(app, ["--version"]).stdout)
    assert time.perf_counter() - start < 5


def test_results_appear_whole_or_not_at_all(folder):
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("kept")
    (folder / "out" / "a").write_text("old")
    before = tree(folder)
    with pytest.raises(RuntimeError), staged("out", ("a", "b")) as temporary:
        (temporary / "a").write_text("half")
        raise RuntimeError
    assert tree(folder) == before
    with staged("out", ("a", "b")) as temporary:
        (temporary / "a").write_text("new")
        (temporary / "b").write_text("new")
    assert {path.name: path.read_text() for path in (folder / "out").iterdir()} == {
        "mine.txt": "kept", "a": "new", "b": "new",
    }  # fmt: skip


def test_folders_are_made_at_the_end(folder):
    with staged("deep/er", ("a",)) as temporary:
        (temporary / "a").write_text("x")
        assert not (folder / "deep").exists()
    assert [path.name for path in folder.rglob("*")] == ["deep", "er", "a"]


def test_a_result_must_not_stand_on_a_folder(folder):
    (folder / "out" / "a").mkdir(parents=True)
    with pytest.raises(FolderError, match="is a folder"), staged("out", ("a",)):
        pass


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (GOOD, ["-k", "two"], "--components must be whole numbers, as 1-9 or 2,4,8, not 'two'"),
        (GOOD, ["-k", "0-2"], "--components must hold whole numbers of at least 1, not 0"),
        (GOOD, ["-k", "3-2"], "--components is empty"),
        (GOOD, ["--types", "EEE,round"], "--covariance 'round' is not known"),
        (GOOD, ["--criterion", "mdl"], "criterion must be one of 'bic', 'icl', 'aic', not 'mdl'"),
        (GOOD, ["--prior", "flat"], "flat"),
        ("a,b\n1,2\n,5\n3,4\n", [], "sum them out with --missing marginalise"),
        ("a,kind\n1,p\n2,q\n", [], "choose columns with --features a"),
        (GOOD, ["--out", "t.csv"], "t.csv is a file, where results need a folder"),
        ("a,b\n0,0\n0,1\n1,0\n1,1\n", ["-k", "3"], "not one of 14 fits came through: 4 rows are too few"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_select_refuses_bad_input_in_one_sentence(folder, text, options, words):
    assert words in refuse(folder, text, *options, command="select")


def write_two_groups(folder):
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.normal(-4, 1, (40, 2)), rng.normal(4, 1, (40, 2))])
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(folder / "t.csv", index=False)


def test_select_from_file_to_figure(folder):
    write_two_groups(folder)
    options = ["-k", "1-2,4", "--types", "EEE,full", "--starts", "2", "--out", "out"]
    done = CliRunner().invoke(app, ["select", "t.csv", *options])
    assert done.exit_code == 0, done.output
    assert "with 2 components is" in done.stdout and "wrote to out: selection.csv, selection.png" in done.stdout
    assert {path.name for path in (folder / "out").iterdir()} == set(SELECTED)
    table = pd.read_csv(folder / "out" / "selection.csv")
    assert sorted(set(table["n_components"])) == [1, 2, 4] and set(table["covariance_type"]) == {"EEE", "VVV"}
    assert (folder / "out" / "selection.png").stat().st_size > 1000


def test_select_that_is_interrupted_keeps_what_is_finished(folder, monkeypatch):
    climbed = sweep.Problem.first

    def interrupted(self, cells, n_components, begin, family):
        if n_components == 2:
            raise KeyboardInterrupt
        return climbed(self, cells, n_components, begin, family)

    monkeypatch.setattr(sweep.Problem, "first", interrupted)
    write_two_groups(folder)
    options = ["-k", "1,2", "--types", "EEE", "--starts", "1", "--out", "out", "--quiet"]
    done = CliRunner().invoke(app, ["select", "t.csv", *options])
    assert done.exit_code == 130 and "interrupted" in done.stdout
    assert len(pd.read_csv(folder / "out" / "selection.csv")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("columns", [["a"], ["a", "b", "c"]], ids=len)
def test_fit_from_file_to_figures(folder, columns):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        np.concatenate([rng.normal(-4, 1, (40, 3)), rng.normal(4, 1, (40, 3))]), columns=["a", "b", "c"]
    ).assign(kind="text")
    frame.to_parquet("t.parquet")
    options = [
        "-k",
        "2",
        "--features",
        ",".join(columns),
        "--draws",
        "100",
        "--tune",
        "200",
        "--seed",
        "1",
        "--chains",
        "2",
    ]
    done = CliRunner().invoke(app, ["fit", "t.parquet", *options])
    assert done.exit_code == 0, done.output
    assert "R-hat" in done.stdout and "CPU seconds" in done.stdout and "t-fit" in done.stdout
    assert {path.name for path in (folder / "t-fit").iterdir()} == set(FILES)
    assert all(path.stat().st_size > 1000 for path in (folder / "t-fit").glob("*.png"))
    comparison = pd.read_csv(folder / "t-fit" / "comparison.csv", index_col=0)
    d = len(columns)
    assert len(comparison) == 2 * (1 + d + d * (d + 1) // 2)
    np.testing.assert_allclose(comparison["mle"], comparison["mean"], atol=1)

    import xarray as xr

    with xr.open_datatree(folder / "t-fit" / "posterior.nc") as draws:
        assert draws["posterior"]["means"].shape == (2, 100, 2, d)
