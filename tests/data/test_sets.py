import subprocess
import sys

import pytest

from bayesgmm.data import DataError, as_table, load_dataset


def test_old_faithful():
    table = as_table(load_dataset("faithful"))
    assert table.values.shape == (272, 2) and table.features == ("eruptions", "waiting")
    assert table.values.sum(axis=0) == pytest.approx([948.677, 19284])


def test_penguins():
    frame = load_dataset("penguins")
    assert frame.columns[:2].tolist() == ["species", "sex"] and frame["sex"].isna().sum() == 9
    assert frame["species"].value_counts().to_dict() == {"Adelie": 151, "Gentoo": 123, "Chinstrap": 68}
    table = as_table(frame, features=["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"])
    # As published by Horst, Hill & Gorman (2020).
    assert table.values.mean(axis=0).round(2).tolist() == [43.92, 17.15, 200.92, 4201.75]


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(DataError, match="no data set 'iris'; load one of 'faithful', 'penguins'"):
        load_dataset("iris")


def test_arrays_need_no_data_frame_library():
    code = (
        "import sys, bayesgmm.data as d; d.as_table([[1, 2], [3, 4]], fitting=True); "
        "print([m for m in ('pandas', 'narwhals', 'pyarrow', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
