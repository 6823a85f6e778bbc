"""log p(x, z = k) of a block of rows, by whatever the structure of the factors allows to leave out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import intrinsic

from bayesgmm.kernel.lanes import WIDE, minus, read_columns, turn, write
from bayesgmm.kernel.options import FAST
from bayesgmm.kernel.tiles import shift, whiten, whiten_diagonal


class Rows(NamedTuple):
    """Rows of any layout: where they stand, how far apart in bytes, and how many."""

    address: int
    row_stride: int
    column_stride: int
    n: int
    like: np.ndarray  # an array of the same precision, never read: it tells the compiler


@intrinsic
def _peek(typing_context, address, like):
    """The number at an address."""

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(signature.return_type)
        return builder.load(builder.inttoptr(arguments[0], kind.as_pointer()))

    return like.dtype(address, like), generate


@njit(**FAST)
def fetch(x, row, column):
    """x[row, column]."""
    return _peek(x.address + row * x.row_stride + column * x.column_stride, x.like)


@njit(**FAST)
def load(x, rows, n, centre, out):
    """Transpose n rows of x into a block, relative to the centre; copies of the last fill up the last vector."""
    n_features = centre.shape[0]
    together = n_features // 4 * 4 if x.column_stride == x.like.itemsize else 0
    for b in range(0, n, WIDE // out.itemsize):
        for c in range(b, b + WIDE // out.itemsize, 4):
            at0, at1 = _address(x, rows, c, n), _address(x, rows, c + 1, n)
            at2, at3 = _address(x, rows, c + 2, n), _address(x, rows, c + 3, n)
            for j in range(0, together, 4):
                _load_four(x, at0, at1, at2, at3, j, c, centre, out)
            for j in range(together, n_features):
                step, origin, row = j * x.column_stride, centre[j], out[j]
                row[c] = _peek(at0 + step, x.like) - origin
                row[c + 1] = _peek(at1 + step, x.like) - origin
                row[c + 2] = _peek(at2 + step, x.like) - origin
                row[c + 3] = _peek(at3 + step, x.like) - origin


@njit(**FAST)
def _address(x, rows, b, n):
    return x.address + rows[min(b, n - 1)] * x.row_stride


@njit(**FAST)
def _load_four(x, at0, at1, at2, at3, j, c, centre, out):
    """Four features of four rows, which stand one after the other in memory."""
    step = j * x.column_stride
    x0, x1, x2, x3 = turn(
        read_columns(at0 + step, x.like),
        read_columns(at1 + step, x.like),
        read_columns(at2 + step, x.like),
        read_columns(at3 + step, x.like),
    )
    write(out[j], c, minus(x0, centre[j]))
    write(out[j + 1], c, minus(x1, centre[j + 1]))
    write(out[j + 2], c, minus(x2, centre[j + 2]))
    write(out[j + 3], c, minus(x3, centre[j + 3]))


@njit(**FAST)
def all_joints(n, theta, room):
    """log p(x, z = k) of every component, and the largest; z are the whitened rows."""
    for k in range(theta.means.shape[0]):
        f = k if theta.scales.shape[0] > 1 else 0
        if theta.coefs.shape[2] > 1:
            whiten(room.xt, n, theta.means[k], theta.scales[f], theta.coefs[f], room.z[k], room.q)
        else:
            whiten_diagonal(room.xt, n, theta.means[k], theta.scales[f], room.z[k], room.q)
        log_joint(room.q, n, theta.log_norms[k], room.joint[k])
        _raise_peak(room.joint[k], n, room.peak, k == 0)


@njit(**FAST)
def shared_joints(n, theta, room):
    """The same where all components share a factor: a row is whitened once, relative to the first mean."""
    # The first component's mean is the origin of the whitened rows: 0.
    whiten(room.xt, n, theta.means[0], theta.scales[0], theta.coefs[0], room.whitened, room.q)
    for k in range(theta.means.shape[0]):
        shift(room.whitened, n, theta.means[k], room.z[k], room.q)
        log_joint(room.q, n, theta.log_norms[k], room.joint[k])
        _raise_peak(room.joint[k], n, room.peak, k == 0)


@njit(**FAST)
def log_joint(q, n, log_norm, joint):
    """log p(x, z = k) at squared distances q."""
    half, huge = q.dtype.type(0.5), q.dtype.type(np.finfo(q.dtype).max)
    for b in range(n):
        # A distance beyond the largest number counts as that: a log density is never −inf.
        joint[b] = log_norm - half * min(q[b], huge)


@njit(**FAST)
def _raise_peak(joint, n, peak, first):
    if first:
        for b in range(n):
            peak[b] = joint[b]
    else:
        for b in range(n):
            peak[b] = max(peak[b], joint[b])
