"""Case ids for sources that have none."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray


def row_ids(prefix: str, rows: Iterable[int]) -> NDArray[np.str_]:
    """An id for each row of a file (the first is 1): `<prefix>-` and 10 digits of the sha256 of `<prefix> <row>`.

    A row's number would tell of what the file is sorted by, such as the date, which no method should see.
    """
    return np.array([f"{prefix}-{sha256(f'{prefix} {row}'.encode()).hexdigest()[:10]}" for row in rows])
