"""The compiled kernel as it lies on the disk."""

import subprocess
import sys

import pytest

from bayesgmm.kernel import library

FIT = """
import sys
import numpy as np
import bayesgmm as bg
x = np.random.default_rng(0).normal(size=(200, 2)) + 5 * np.repeat([[0.0], [1.0]], 100, axis=0)
bg.fit_mle(x, 2, seed=0)
print(sorted({"numba", "scipy", "pandas", "pymc", "sklearn", "matplotlib"} & set(sys.modules)))
"""


def test_a_fit_in_a_fresh_process_wakes_neither_numba_nor_scipy():
    done = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("routine", library.KERNEL, ids=lambda r: r.name)
def test_every_function_is_stored_at_installation_and_loads(routine):
    assert library.is_stored(routine)
    assert callable(library.function(routine))


def test_where_the_package_may_not_be_written_to_the_users_cache_is(tmp_path, monkeypatch):
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("")
    monkeypatch.setattr(library, "_folders", lambda: (not_a_folder, tmp_path / "cache"))
    assert not library.is_stored(library.MERGE)
    library.store(library.MERGE, b"code")
    assert library.is_stored(library.MERGE)
    (stored,) = (tmp_path / "cache").iterdir()
    assert stored.read_bytes() == b"code" and library.fingerprint(library.MERGE) in stored.name


def test_what_is_not_stored_is_compiled(tmp_path):
    # As at the first call after an installation without `make setup`.
    code = "from pathlib import Path; from bayesgmm.kernel import library; "
    code += f"library._folders = lambda: (Path({str(tmp_path)!r}),); "
    code += "from bayesgmm.kernel.__main__ import main; main([library.MERGE])"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list(tmp_path.glob("merge-*.o"))) == 1


def test_threads_that_ask_first_at_the_same_time_all_get_the_function():
    code = "import threading, numpy as np; from bayesgmm.kernel.library import WALK, function; "
    code += "b = threading.Barrier(4); "
    code += "t = [threading.Thread(target=lambda: (b.wait(), function(WALK['dd']))) for _ in range(4)]; "
    code += "[i.start() for i in t]; [i.join() for i in t]; print('done')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "done" and not done.stderr
