"""For every test: PyTensor runs graphs by Python code, except where a test asks for machine code by its name.

To make machine code of a graph takes seconds to a minute, and most tests, examples and notebooks run theirs once.
"""

import os

os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, ("mode=FAST_COMPILE", os.environ.get("PYTENSOR_FLAGS"))))
