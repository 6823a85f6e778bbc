"""`plan`'s arithmetic on sizes, for compiled code to call."""

from numba.extending import register_jitable

from bayesgmm.kernel import plan

for _size in (plan.is_screened, plan.block_rows, plan.batch_rows, plan.memory, plan.pattern_memory):
    register_jitable(_size)
