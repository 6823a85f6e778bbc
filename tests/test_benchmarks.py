"""The benchmarks run, and what they write is well-formed. No test asserts a time."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as bench
from benchmarks.problems import mixture, overlapping, packed, sample, separated, unpacked
from benchmarks.tables import Table, cell, changes


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    assert bench.main(["machine", "passes", "--quick", "--out", str(out)]) == 0
    return out


@pytest.mark.slow
def test_tables_are_well_formed(results):
    for name in ("machine", "passes"):
        result = json.loads((results / "results" / f"{name}.json").read_text())
        assert result["quick"] and result["machine"] and result["versions"]["numpy"] == np.__version__
        for parts in result["tables"]:
            table = Table.from_dict(parts)
            identities = [tuple(row.get(k) for k in table.keys) for row in table.rows]
            assert len(set(identities)) == len(identities) > 0
            assert set(table.keys) <= set(table.columns)


@pytest.mark.slow
def test_every_measurement_is_a_positive_number(results):
    result = json.loads((results / "results" / "passes.json").read_text())
    for row in result["tables"][0]["rows"]:
        assert all(np.isfinite(row[c]) and row[c] > 0 for c in ("ours, s", "scikit-learn, s", "ratio", "of bound"))


@pytest.mark.slow
def test_the_page_has_all_pieces_found(results):
    text = (results / "results.md").read_text()
    assert text.index("## The machine's own bounds") < text.index("## An EM pass")
    assert "| 272 | 2 | 2 | apart |" in text


@pytest.mark.slow
def test_no_paths_of_this_machine(results):
    for path in (results / "results.md", *(results / "results").iterdir()):
        assert str(bench.HERE.parent) not in path.read_text()


@pytest.mark.slow
def test_a_run_beside_itself_has_ratios_of_one(results, capsys):
    assert bench.main(["--compare", str(results / "results"), "--out", str(results)]) == 0
    rows = [line.split("|")[-2].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert set(rows) == {"1", "new / old"}


def test_changes_match_rows_by_their_keys():
    old = [Table("t", ("N",), [{"N": 1, "s": 2.0}, {"N": 2, "s": 3.0}])]
    new = [Table("t", ("N",), [{"N": 2, "s": 1.5}, {"N": 4, "s": 1.0}])]
    assert [(c["row"], c["new / old"]) for c in changes(old, new)] == [("N=2", 0.5)]


def test_cells():
    assert [cell(v) for v in (None, True, 3, 0.012345, -892282.16, "a")] == [
        "–",
        "yes",
        "3",
        "0.0123",
        "-892282.2",
        "a",
    ]


@pytest.mark.parametrize("make", [mixture, overlapping, separated])
def test_samples_have_the_moments_of_their_mixture(make):
    truth = make(2, 3)
    x = sample(truth, 40_000)
    centre = truth.weights @ truth.means
    spread = truth.covariances.mean(axis=0) + np.cov(truth.means.T, bias=True)
    # Five standard errors of a mean.
    assert (abs(x.mean(axis=0) - centre) < 5 * np.sqrt(np.diag(spread) / len(x))).all()


@pytest.mark.parametrize("structure", ["full", "tied", "diag", "spherical"])
def test_scikit_learn_gets_the_same_mixture(structure):
    """One pass at equal parameters gives both the same next mixture."""
    from benchmarks.passes import ours, problem, scikit_learn

    x, theta = problem(500, 3, 2, structure)
    model, mine = scikit_learn(x, theta, structure)(), ours(x, theta, structure)()
    theirs = unpacked(model)
    assert np.allclose(theirs.weights, mine.weights, atol=1e-12)
    assert np.allclose(theirs.means, mine.means, atol=1e-10)
    assert np.allclose(theirs.covariances, mine.covariances, atol=1e-10)
    assert packed(theta.covariances, structure).shape == model.covariances_.shape
