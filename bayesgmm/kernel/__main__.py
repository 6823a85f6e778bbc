"""Compile the native kernels and leave them in the disk cache: ``python -m bayesgmm.kernel``."""

import numpy as np

from bayesgmm.kernel.estep import evaluate
from bayesgmm.kernel.native import serial_moments
from bayesgmm.kernel.whitening import Whitening

x = np.zeros((2, 2))
whitening = Whitening.of(np.array([np.eye(2), 2 * np.eye(2)]))
evaluate(x, np.zeros(2), x, whitening, np.empty(0), responsibilities=True)
serial_moments(x, np.zeros(2), x, whitening.factors, False, np.empty(0))
