"""Small graphs as lists of instructions that one compiled loop works through: no compiler stands between a user's own
story and its density."""

from bayesgmm.tape.program import Program
from bayesgmm.tape.writer import Writer

__all__ = ["Program", "Writer"]
