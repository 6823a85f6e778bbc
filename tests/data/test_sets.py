import subprocess
import sys

import pytest

from bayesgmm.data import DataError, as_table, load_dataset


def test_old_faithful():
    table = as_table(load_dataset("faithful"))
    assert table.values.shape == (272, 2) and table.features == ("eruptions", "waiting")
    assert table.values.sum(axis=0) == pytest.approx([948.677, 19284])


def test_galaxies():
    values = as_table(load_dataset("galaxies")).values[:, 0]
    assert len(values) == 82 and (values.min(), values.max()) == (9.172, 34.279)
    # The two values by which copies of these data differ, as Richardson & Green (1997) have them.
    assert sorted(values)[73] == 24.366 and sorted(values)[77] == 26.96


def test_penguins():
    frame = load_dataset("penguins")
    assert frame.columns[:2].tolist() == ["species", "sex"] and frame["sex"].isna().sum() == 9
    assert frame["species"].value_counts().to_dict() == {"Adelie": 151, "Gentoo": 123, "Chinstrap": 68}
    table = as_table(frame, features=["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"])
    # As published by Horst, Hill & Gorman (2020).
    assert table.values.mean(axis=0).round(2).tolist() == [43.92, 17.15, 200.92, 4201.75]


def test_japanese_vowels():
    frame = load_dataset("japanese_vowels")
    assert frame.columns[:4].tolist() == ["utterance", "part", "speaker", "frame"] and frame.shape == (9961, 16)
    assert not frame.isna().any().any()
    said = frame.groupby("utterance").agg(part=("part", "first"), speaker=("speaker", "first"), n=("frame", "size"))
    numbers = said.groupby(["part", "speaker"]).size()
    # As the description at the UCI repository has them.
    assert numbers["train"].tolist() == [30] * 9 and numbers["test"].tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert (said["n"].min(), said["n"].max()) == (7, 29)
    assert (frame.groupby("utterance")["frame"].max() + 1 == said["n"]).all()
    assert (frame.groupby("utterance")[["part", "speaker"]].nunique() == 1).all().all()
    assert frame.loc[0, ["lpc1", "lpc2", "lpc12"]].tolist() == [1.860936, -0.207383, 0.088728]


def test_an_unknown_name_lists_those_there_are():
    known = "'faithful', 'galaxies', 'japanese_vowels', 'penguins'"
    with pytest.raises(DataError, match=f"no data set 'iris'; load one of {known}"):
        load_dataset("iris")


def test_arrays_need_no_data_frame_library():
    code = (
        "import sys, bayesgmm.data as d; d.as_table([[1, 2], [3, 4]], fitting=True); "
        "print([m for m in ('pandas', 'narwhals', 'pyarrow', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
