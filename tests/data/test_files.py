import numpy as np
import pandas as pd
import pytest

from bayesgmm.data import ColumnError, DataError, as_table


@pytest.fixture
def write(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


FRAME = pd.DataFrame({"a": [0.1, 1e-300, 3.0], "b": [1, 2, 3]})


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".parquet"])
def test_files_come_back_to_the_last_bit(tmp_path, suffix):
    values = np.random.default_rng(0).normal(size=(500, 2)) * [1e-7, 1e20]
    frame = pd.DataFrame(values, columns=["a", "b"])
    path = tmp_path / f"t{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
    for spelling in (path, str(path)):
        table = as_table(spelling)
        np.testing.assert_array_equal(table.values, values)
        assert table.features == ("a", "b")


def test_spaces_blank_lines_and_a_byte_order_mark(write):
    table = as_table(write("\ufeffa, b\n1, 2\n\n3, 4\n"))
    assert table.features == ("a", "b")
    np.testing.assert_array_equal(table.values, [[1, 2], [3, 4]])


def test_the_index_that_pandas_saves_in_parquet_is_no_feature(tmp_path):
    FRAME.set_index(pd.Index([5, 3, 9])).to_parquet(tmp_path / "t.parquet")
    assert as_table(tmp_path / "t.parquet").features == ("a", "b")


def test_the_index_that_pandas_saves_in_csv_is_refused(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv")
    with pytest.raises(ColumnError, match=r"t\.csv: column 1 has no name.*features=\('a', 'b'\)"):
        as_table(tmp_path / "t.csv")


def test_text_column_in_a_file(write):
    path = write("a,b,kind\n1,2,p\n3,4,q\n")
    with pytest.raises(ColumnError, match=r"t\.csv: column 'kind' holds text \('p' in row 1\)"):
        as_table(path)
    assert as_table(path, features=("b", "a")).features == ("b", "a")


@pytest.mark.parametrize(
    ("text", "name", "word"),
    [
        ("", "t.csv", "is empty"),
        ("\n\n", "t.csv", "no header"),
        ("a,b\n", "t.csv", "header but no rows"),
        ("a,a\n1,2\n", "t.csv", "two columns named 'a'"),
        ("1.5,2\n3,4\n", "t.csv", "starts with numbers"),
        ("a;b\n1;2\n", "t.csv", "something else than commas"),
        ("a,b\n1,2,3\n4,5,6\n", "t.csv", "more cells than its header"),
        ("a,b\n1,2\n3,4,5\n", "t.csv", "line 3"),
        ("a,b\n1\n", "t.csv", "NaN in row 1"),
        ("a,b\n1,\n", "t.csv", "NaN in row 1 .*column 'b'"),
        ("a,b\n1,inf\n", "t.csv", "inf in row 1"),
        (b"a,b\n\xff\xfe,2\n", "t.csv", "UTF-8"),
        ("a,b\n1,2\n", "t.txt", "ends in '.txt'"),
        ("a,b\n1,2\n", "t", "no extension"),
        ("a,b\n1,2\n", "t.parquet", "not a readable Parquet file"),
        ("", "t.parquet", "is empty"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_refuses_what_is_no_table(write, text, name, word):
    path = write(text, name)
    with pytest.raises(DataError, match=word) as error:
        as_table(path)
    message = str(error.value)
    assert "\n" not in message and message.startswith(path.name)


def test_a_cut_parquet_file(tmp_path):
    path = tmp_path / "t.parquet"
    FRAME.to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        as_table(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        as_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        as_table(tmp_path)
