"""How a pass is cut up where covariances are of low rank; as `plan`, plain arithmetic on sizes."""

from bayesgmm.kernel.plan import MOST_RANGES, PAD, RANGE_WORK, THREAD_WORK


def block_rows(n_components, n_features, rank):
    """Rows of a block: of one component at a time D numbers a row are held, of all of them their q coordinates."""
    return max(32, min(256, 32768 // (2 * n_features + n_components * (rank + 1)) // 16 * 16))


def n_ranges(n, n_components, n_features, rank):
    """Into how many ranges n rows are cut."""
    blocks = -(-n // block_rows(n_components, n_features, rank))
    return max(1, min(MOST_RANGES, blocks, _work(n, n_components, n_features, rank) // RANGE_WORK))


def n_workers(threads, n, n_components, n_features, rank):
    """How many of the threads n rows are worth."""
    return max(1, min(threads, _work(n, n_components, n_features, rank) // THREAD_WORK))


def _work(n, n_components, n_features, rank):
    return n * n_components * (n_features * (3 * rank + 8) + 60)


def memory(n_components, n_features, rank):
    """Bytes of a thread's buffers."""
    lines = 5 + 2 * n_features + n_features % 2 + n_components * (rank + 1)
    return 8 * lines * (block_rows(n_components, n_features, rank) + PAD)
