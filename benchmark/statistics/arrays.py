"""The arrays of the statistics, named by what they hold."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Index = NDArray[np.intp]
Counts = NDArray[np.int64]
Labels = NDArray[np.integer]
