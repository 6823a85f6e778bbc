import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bayesgmm.data import ColumnError, DataError, Table, as_table, check_components

ROWS = [[3.6, 79.0], [1.8, 54.0], [3.3, 74.0]]
COLUMNS = {"eruptions": [3.6, 1.8, 3.3], "waiting": [79, 54, 74]}


def one_sentence(error) -> str:
    message = str(error.value)
    assert "\n" not in message and message.strip() == message and not message.endswith(".")
    return message


@pytest.mark.parametrize(
    "x",
    [ROWS, np.array(ROWS), pd.DataFrame(COLUMNS), pa.table(COLUMNS), tuple(map(tuple, ROWS))],
    ids=lambda x: type(x),
)
def test_every_container_gives_the_same_values(x):
    table = as_table(x)
    np.testing.assert_array_equal(table.values, ROWS)
    assert table.values.dtype == np.float64 and table.values.flags.c_contiguous
    assert (table.n_obs, table.n_features) == (3, 2)


def test_frames_keep_their_names_and_arrays_get_some():
    assert as_table(pd.DataFrame(COLUMNS)).features == ("eruptions", "waiting")
    assert as_table(pd.DataFrame(ROWS)).features == ("0", "1")
    assert as_table(ROWS).features == ("x0", "x1")
    assert as_table(ROWS, features=["a", "b"]).features == ("a", "b")
    assert as_table(pd.Series([1.0, 2.0], name="a")).features == ("a",)


def test_one_dimension_is_one_feature():
    assert as_table([1, 2, 3]).values.shape == (3, 1)


def test_features_choose_and_order_columns():
    frame = pd.DataFrame({**COLUMNS, "kind": ["a", "b", "c"]})
    table = as_table(frame, features=("waiting", "eruptions"))
    np.testing.assert_array_equal(table.values, np.array(ROWS)[:, ::-1])
    assert as_table(table, features="eruptions").features == ("eruptions",)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool, np.float32, np.longdouble, ">f8"])
def test_real_dtypes_are_numbers(dtype):
    x = np.array([[1, 0], [0, 1]], dtype=dtype)
    np.testing.assert_array_equal(as_table(x).values, [[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64", "bool", "int8", "float32", "double[pyarrow]"])
def test_numeric_frame_dtypes(dtype):
    table = as_table(pd.DataFrame({"a": pd.Series([1, 0], dtype=dtype)}))
    np.testing.assert_array_equal(table.values, [[1.0], [0.0]])


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e308, 1e308)))
def test_laws(x):
    table = as_table(x)
    assert as_table(table) is table
    assert table.values is x  # hypothesis' arrays are C-contiguous float64
    np.testing.assert_array_equal(as_table(np.asfortranarray(x)).values, x)


def test_cells_whose_sum_overflows_are_finite():
    x = np.full((3, 1), 1e308)
    assert as_table(x).values is x


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_names_the_cell_that_is_not_finite(bad, word):
    x = np.zeros((100_000, 3))
    x[70_000, 1] = x[80_000, 2] = bad
    with pytest.raises(DataError) as error:
        as_table(x, features=("a", "b", "c"), name="y")
    message = one_sentence(error)
    assert message.startswith(f"y has {word} in row 70001 (of 100000, counted from 1), column 'b' (and 1 more cell)")


@pytest.mark.parametrize(
    "x",
    [
        pd.DataFrame({"a": pd.Series([1, None], dtype="Int64")}),
        pa.table({"a": [1, None]}),
        np.ma.masked_array([[1.0], [2.0]], mask=[[False], [True]]),
    ],
    ids=["pandas", "pyarrow", "masked"],
)
def test_missing_cells_are_not_finite(x):
    with pytest.raises(DataError, match="NaN in row 2"):
        as_table(x)


def test_names_text_columns_and_the_features_to_use():
    frame = pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "kind": ["p", "q"]})
    with pytest.raises(ColumnError) as error:
        as_table(frame)
    assert one_sentence(error) == (
        "x: column 'kind' holds text ('p' in row 1); choose columns with features=('a', 'b')"
    )
    assert error.value.usable == ("a", "b")
    assert as_table(frame, features=error.value.usable).features == ("a", "b")


def test_shows_the_text_that_spoils_a_column_of_numbers():
    with pytest.raises(ColumnError, match=r"holds text \('n/k' in row 3\)"):
        as_table(pd.DataFrame({"a": ["1", "2", "n/k"], "b": [1, 2, 3]}))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "dates or times"),
        (pd.to_timedelta([1, 2], unit="s"), "dates or times"),
        (pd.Categorical(["p", "q"]), "text"),
        (np.array([1 + 2j, 3]), "values"),
    ],
    ids=["date", "duration", "category", "complex"],
)
def test_columns_of_other_kinds_are_refused_by_name(column, kind):
    with pytest.raises(ColumnError, match=kind) as error:
        as_table(pd.DataFrame({"a": [1, 2], "other": column}))
    assert "'other'" in one_sentence(error) and error.value.usable == ("a",)


def test_several_text_columns_are_all_named():
    with pytest.raises(ColumnError, match="columns 'b', 'c' do not hold numbers.*no usable column is left"):
        as_table(pd.DataFrame({"b": ["p"], "c": ["q"]}))


@pytest.mark.parametrize(
    ("x", "word"),
    [
        (np.zeros((0, 2)), "no rows"),
        (np.zeros((2, 0)), "no columns"),
        (pd.DataFrame(), "no columns"),
        (np.zeros((2, 2, 2)), "3-dimensional"),
        (np.zeros((2, 2), complex), "complex"),
        (np.array([["a"], ["b"]]), "text"),
        (np.array(["2020-01-01"], "M8[D]"), "dates"),
        (np.array([[1], [None]], dtype=object), "Python objects"),
        ([[1, 2], [3]], "different lengths"),
        (3.0, "float"),
        (None, "NoneType"),
        ({"a": [1, 2]}, "dict"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_what_is_no_table_of_numbers(x, word):
    with pytest.raises(DataError, match=word) as error:
        as_table(x)
    one_sentence(error)


@pytest.mark.parametrize(
    ("features", "word"),
    [(("a", "c"), "no column 'c'; its columns are 'a', 'b'"), (("a", "a"), "twice"), ((), "empty")],
)
def test_refuses_wrong_features(features, word):
    for x in (pd.DataFrame({"a": [1], "b": [2]}), Table(np.ones((1, 2)), ("a", "b"))):
        with pytest.raises(DataError, match=word):
            as_table(x, features=features)


def test_an_array_needs_one_name_a_column():
    with pytest.raises(DataError, match="2 columns but features names 1"):
        as_table(ROWS, features=["a"])


def test_a_column_without_a_name_is_no_feature():
    with pytest.raises(ColumnError, match=r"column 1 has no name.*features=\('a',\)"):
        as_table(pd.DataFrame({"": [1, 2], "a": [1, 2]}))


def test_fitting_needs_rows_and_spread():
    assert as_table([[1.0, 2.0]]).n_obs == 1
    with pytest.raises(DataError, match="1 row, where a fit needs at least 2"):
        as_table([[1.0, 2.0]], fitting=True)
    with pytest.raises(ColumnError, match=r"column 'x1' is constant \(5\.0\); .*features=\('x0',\)"):
        as_table([[1.0, 5.0], [2.0, 5.0]], fitting=True)
    with pytest.raises(DataError, match="constant"):
        as_table(Table(np.ones((4, 1)), ("a",)), fitting=True)


def test_a_late_change_is_no_constant_column():
    x = np.zeros((200_000, 1))
    x[-1] = 1
    assert as_table(x, fitting=True).n_obs == 200_000


@pytest.mark.parametrize("k", [0, -1, 1.5, 2.0, "2", None, True])
def test_components_are_counted_in_whole_numbers(k):
    with pytest.raises(DataError, match="whole number of at least 1") as error:
        check_components(as_table(ROWS), k)
    one_sentence(error)


def test_no_more_components_than_distinct_rows():
    table = as_table([[0.0], [-0.0], [1.0], [1.0]])
    assert check_components(table, np.int64(2)) == 2
    with pytest.raises(DataError, match="n_components is 3, but x has only 2 distinct rows; ask for at most 2"):
        check_components(table, 3)


def test_a_table_shows_itself():
    assert repr(as_table(ROWS)) == "Table(3 rows of x0, x1)"


def test_kept_arrays_are_not_copied_and_others_become_float64_rows():
    x = np.random.default_rng(0).normal(size=(5, 3))
    for rows in (x, x.astype(np.float32), np.asfortranarray(x), x[::2], x.astype(np.float32).T):
        kept, plain = as_table(rows, keep=True), as_table(rows)
        assert kept.values is rows
        assert plain.values.dtype == np.float64 and plain.values.flags.c_contiguous
        np.testing.assert_array_equal(plain.values, rows)
        assert as_table(kept).values.dtype == np.float64 and as_table(kept, keep=True) is kept
