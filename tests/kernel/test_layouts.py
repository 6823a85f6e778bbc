"""Rows of every layout and precision are read where they stand."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bayesgmm import Mixture
from bayesgmm.kernel import e_step

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))
CODES, mixture_of, rows = here.CODES, here.mixture_of, here.rows
CASES = [*((alias, 3) for alias in CODES), ("full", 25)]


def unaligned(x):
    memory = np.empty(x.nbytes + 1, dtype=np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def strided(x):
    wide = np.full((2 * len(x), 2 * x.shape[1]), np.nan, dtype=x.dtype)
    wide[::2, ::2] = x
    return wide[::2, ::2]


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": strided,
    "backwards": lambda x: x[::-1].copy()[::-1],
    "backwards in both": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "column of a cube": lambda x: np.stack([x + 1, x, x - 1], axis=1)[:, 1],
    "read-only": read_only,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": unaligned,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize(("alias", "d"), CASES)
def test_any_layout_of_the_rows_gives_the_same_bits(alias, d, precision, layout):
    x, mixture = rows(300, d).astype(precision), mixture_of(alias, d=d)
    w = np.random.default_rng(0).uniform(0, 2, 300)
    expected = e_step(x, mixture, w, responsibilities=True)
    same = LAYOUTS[layout](x)
    np.testing.assert_array_equal(same, x)
    here.assert_same_bits(e_step(same, mixture, w, responsibilities=True), expected)
    here.assert_same_bits(e_step(x, mixture, strided(w[:, None])[:, 0], responsibilities=True), expected)


@pytest.mark.parametrize("kind", [np.float16, np.int64, np.int8, bool])
def test_other_numbers_become_doubles(kind):
    x = rows().astype(kind)
    expected = e_step(x.astype(float), mixture_of("full"))
    here.assert_same_bits(e_step(x, mixture_of("full")), expected)
    here.assert_same_bits(e_step(x.tolist(), mixture_of("full")), expected)


def test_one_row_repeated_without_memory_is_read():
    x = np.broadcast_to(rows(1), (100, 3))
    here.assert_same_bits(e_step(x, mixture_of("full")), e_step(x.copy(), mixture_of("full")))


@pytest.mark.parametrize(("alias", "d"), CASES)
def test_single_rows_in_double_arithmetic_are_those_rows_as_doubles(alias, d):
    x, mixture = rows(500, d).astype(np.float32), mixture_of(alias, d=d)
    double = e_step(x.astype(float), mixture, responsibilities=True)
    here.assert_same_bits(e_step(x, mixture, single=False, responsibilities=True), double)
    single = e_step(x, mixture, responsibilities=True)
    here.assert_same_bits(e_step(x.astype(float), mixture, single=True, responsibilities=True), single)
    assert (single[0] != double[0]).any()


@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize(("alias", "d"), CASES)
def test_single_arithmetic_keeps_five_digits_wherever_the_origin_is(alias, d, offset):
    # eps is 1.2e-7. Forward substitution loses D √cond eps at worst, about √D √cond as errors go; the factors here
    # have √cond of about ten (a hundred for D = 25). A responsibility is off by a quarter of an error of log p.
    x = (rows(500, d) + offset).astype(np.float32)
    weights, means, covariances = here.parameters(alias, d=d)
    mixture = here.made(alias, weights, means + offset, covariances)
    factors = mixture.whitening.scale_trils
    lost = 1.2e-7 * np.sqrt(d) * max(np.linalg.cond(f) for f in factors)
    exact, stats, r = e_step(x, mixture, single=False, responsibilities=True)
    log_prob, single_stats, single_r = e_step(x, mixture, responsibilities=True)
    size = np.maximum(1, np.abs(exact))
    assert (np.abs(log_prob - exact) / size).max() <= lost
    assert (np.abs(single_r - r) / size[:, None]).max() <= lost
    assert np.abs(single_r.sum(axis=1) - 1).max() <= 1e-6
    sd = np.sqrt(np.diagonal(stats.scatters, axis1=1, axis2=2) / stats.counts[:, None])
    np.testing.assert_allclose(single_stats.counts, stats.counts, atol=lost * size.sum())
    assert (np.abs(single_stats.means - stats.means) / sd).max() <= lost * size.max()
    gap = np.abs(single_stats.scatters - stats.scatters) / (
        sd[:, :, None] * sd[:, None, :] * stats.counts[:, None, None]
    )
    assert gap.max() <= lost * size.max()


def test_single_sums_over_many_rows_are_double():
    # In single precision a count would stand still at 2^24 = 1.7e7 / w; weights make up for the rows there are not.
    x = rows(30_000, 1).astype(np.float32)
    mixture = Mixture([1.0], [[0.0]], [[[9.0]]])
    w = np.random.default_rng(1).uniform(0.5, 1.5, len(x)) * 1e4
    total, stats = e_step(x, mixture, w, pointwise=False)
    exact, double = e_step(x, mixture, w, pointwise=False, single=False)
    # A block of 256 rows is summed in single precision, with an error of √256 eps at the most likely.
    assert abs(stats.total / double.total - 1) <= 2e-6 and abs(total / exact - 1) <= 4e-6
    np.testing.assert_allclose(stats.scatters, double.scatters, rtol=1e-5)
