"""How a pass is cut up: rows into blocks and ranges, a thread's memory into buffers. Plain arithmetic on sizes.

The number of ranges is a function of the problem alone, and their sums are added in their order, so that results are
the same to the last bit for any number of threads.
"""

from typing import NamedTuple

MOST_RANGES = 64
# Multiplications a range is worth, of which threads take several, so that they end together; and what a thread is
# worth: below it, waking it costs more than it saves.
RANGE_WORK, THREAD_WORK = 400_000, 1_500_000
# From this many features on, a few probes tell first which components a row may belong to at all.
SCREENED = 20
# Blocks that are screened together, and directions in which a component is probed.
SCREENED_BLOCKS = 8
PROBES = 4
# Rows of a buffer stand this much further apart than they are long, or all would fall on the same cache lines.
PAD = 16


class Memory(NamedTuple):
    """Where a thread's buffers begin, in bytes; what each is, `walk.Room` and `parameters.Theta` say."""

    log_prob: int
    xt: int
    whitened: int
    z: int
    joint: int
    q: int  # and peak and sums after it
    rows: int
    members: int
    label: int
    owner: int
    lengths: int
    last: int
    centre: int
    spare: int
    log_norms: int
    means: int
    scales: int
    coefs: int
    directions: int
    offsets: int
    bounds: int
    fine: int
    bytes: int  # how many there are
    blocks: int  # of whitened rows
    probes: int  # of each component


def is_screened(n_components, width):
    """Whether rows are screened: dense factors of many features, more than one component."""
    return n_components > 1 and width >= SCREENED


def block_rows(n_components, n_features, width):
    """Rows of a block: as many as leave its whitened points in the second-level cache."""
    together = 8 if is_screened(n_components, width) else n_components
    return max(64, min(256, 32768 // (together * n_features) // 16 * 16))


def batch_rows(n_components, n_features, width):
    """Rows that are screened together: one block, where there is no screening."""
    return block_rows(n_components, n_features, width) * (SCREENED_BLOCKS if is_screened(n_components, width) else 1)


def n_ranges(n, n_components, n_features, width):
    """Into how many ranges n rows are cut."""
    batches = -(-n // batch_rows(n_components, n_features, width))
    return max(1, min(MOST_RANGES, batches, _work(n, n_components, n_features, width) // RANGE_WORK))


def n_workers(threads, n, n_components, n_features, width):
    """How many of the threads n rows are worth."""
    return max(1, min(threads, _work(n, n_components, n_features, width) // THREAD_WORK))


def _work(n, n_components, n_features, width):
    return n * n_components * (n_features * (width + 8) + 60)  # 60: the exponential, and what goes with it


def memory(n_components, n_features, n_factors, width, size):
    """Lay out a thread's buffers; ``size`` is that of a number, in bytes."""
    block, batch = block_rows(n_components, n_features, width), batch_rows(n_components, n_features, width)
    screened = 1 if is_screened(n_components, width) else 0
    lists = n_components + screened * (2 * SCREENED_BLOCKS + n_components)
    probes, line = screened * min(PROBES, n_components - 1), (batch + PAD) * size
    log_prob = 0
    xt = log_prob + 8 * (batch + PAD)
    whitened = xt + n_features * (block + PAD) * size
    z = whitened + n_features * (block + PAD) * size
    joint = z + lists * n_features * (block + PAD) * size
    q = joint + n_components * line
    rows = q + 3 * line
    members = rows + 8 * batch
    label = members + screened * 8 * lists * block
    owner = label + screened * 8 * batch
    lengths = owner + 8 * lists
    last = lengths + 8 * lists
    centre = last + 8 * n_components
    spare = centre + 8 * n_features
    log_norms = spare + 8 * n_features * max(width, PROBES + 1)
    means = log_norms + n_components * size
    scales = means + n_components * n_features * size
    coefs = scales + n_factors * n_features * size
    directions = coefs + n_factors * n_features * width * size
    offsets = directions + n_components * probes * n_features * size
    bounds = offsets + n_components * probes * size
    fine = bounds + -(-screened * 4 * n_components * batch // 8) * 8
    end = fine + 16 * n_features
    return Memory(log_prob, xt, whitened, z, joint, q, rows, members, label, owner, lengths, last, centre, spare,
                  log_norms, means, scales, coefs, directions, offsets, bounds, fine, end, lists, probes)  # fmt: skip


class PatternMemory(NamedTuple):
    """Where the buffers of a walk over rows with missing cells begin, in bytes, after eight numbers."""

    means: int
    factors: int
    turns: int
    half: int
    m0: int
    m1: int
    m2: int
    walk: int
    bytes: int


def pattern_memory(n_components, n_features, n_factors, width):
    """Lay out a thread's buffers for rows that have any of the features."""
    means = 64
    factors = means + 8 * n_components * n_features
    turns = factors + 8 * n_factors * n_features * width
    half = turns + 8 * n_factors * n_features * n_features
    m0 = half + 8 * n_features * n_features
    m1 = m0 + 8 * n_components
    m2 = m1 + 8 * n_components * n_features
    walk = -(-(m2 + 8 * n_components * n_features * width) // 64) * 64
    most = 0
    for n in range(1, n_features + 1):
        most = max(most, memory(n_components, n, n_factors, n if width > 1 else 1, 8).bytes)
    return PatternMemory(means, factors, turns, half, m0, m1, m2, walk, walk + most)
