"""The only room that evaluates a mixture on rows: `e_step`, and the statistics that it returns.

From outside in: `estep` checks and centres; `evaluate` cuts the rows into ranges (`plan`) and hands them to threads;
`library` loads the compiled code, which `compiler` makes once from `build` and from

    `walk`        ranges of rows, block by block
    `parameters`  what a block needs of a mixture, made once a pass
    `joints`      log p(x, z = k) of a block; `screen`, the same where many features rule components out early
    `refine`      rows that two components claim from afar, in double-double arithmetic
    `assign`      responsibilities, or the largest, or a draw
    `tiles`       the inner loops, over vectors of rows (`lanes`); `arithmetic`, exp and log that vectorise

Covariances of low rank have a walk of their own, `factored`, which `lowrank` prepares and `factored_plan` cuts up.

Rows with missing cells go through `incomplete`, whose compiled code, `patterns`, walks over one group of them after
another. `many` takes the same rows under one mixture after the other, in the loop of `repeat`. `orders` has the sums
and assignments by which labels are matched, in the loops of `labels`. `merges` makes a tree of rows, in the loop of
`agglomerate`. `ascents` climbs by quasi-Newton EM in any family, from several starts or over several samples, in the
loop of `ascent`, which is at one of its `places` and takes `quasi` Newton steps. `structured` has the M-steps of
covariances that share volumes, shapes or axes, in the loops of `structure`, which finds axes in `rotations`, and the
rest in `shapes` and `triangles`. `scores` has the other thing that rows say: the curvature of their log-likelihood,
which is not a function of the statistics. `searches` looks for partitions near those of all draws, in the loops of
`search` on the tables of `clusters`, and counts how often rows are together, in the loop of `pairs`. `jaxed` is the
pass over the rows written in JAX, which only `ppl.jaxed` loads.
"""

from bayesgmm.kernel.ascents import Penalty, ascents
from bayesgmm.kernel.estep import e_step
from bayesgmm.kernel.incomplete import Incomplete
from bayesgmm.kernel.lowrank import FactorStats, LowRank
from bayesgmm.kernel.many import log_probs
from bayesgmm.kernel.merges import merges
from bayesgmm.kernel.orders import add_in_order, best_orders, overlaps
from bayesgmm.kernel.scores import Information, information
from bayesgmm.kernel.searches import Problem, co_clustering
from bayesgmm.kernel.statistics import Stats
from bayesgmm.kernel.structured import structured
from bayesgmm.kernel.threads import set_threads, threads
from bayesgmm.kernel.whitening import Whitening

__all__ = ["FactorStats", "Incomplete", "Information", "LowRank", "Penalty", "Problem", "Stats", "Whitening",
           "add_in_order", "ascents", "best_orders", "co_clustering", "e_step", "information", "log_probs",
           "merges", "overlaps", "set_threads", "structured", "threads"]  # fmt: skip
