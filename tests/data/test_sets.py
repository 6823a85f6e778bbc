import subprocess
import sys

import pytest

from bayesgmm.data import DataError, as_table, load_dataset


def test_old_faithful():
    table = as_table(load_dataset("faithful"))
    assert table.values.shape == (272, 2) and table.features == ("eruptions", "waiting")
    assert table.values.sum(axis=0) == pytest.approx([948.677, 19284])


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(DataError, match="no data set 'iris'; load one of 'faithful'"):
        load_dataset("iris")


def test_arrays_need_no_data_frame_library():
    code = (
        "import sys, bayesgmm.data as d; d.as_table([[1, 2], [3, 4]], fitting=True); "
        "print([m for m in ('pandas', 'narwhals', 'pyarrow', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
