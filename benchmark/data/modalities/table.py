"""Table: typed columns, NaN where missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Bools, Frame, Modality


class Table(Modality):
    """What is known of a case in numbers and categories."""

    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """Two numbers and two categories; some cells are empty, and all of a case without a table."""
        n = len(severity)
        table = pd.DataFrame(
            {
                "age": 70 + 6 * severity + 6 * rng.normal(size=n),
                "nihss": np.clip(np.round(8 + 5 * severity + 2 * rng.normal(size=n)), 0, 42),
                "sex": pd.Categorical(rng.choice(["female", "male"], size=n)),
                "treatment": pd.Categorical(np.where(severity + rng.normal(size=n) > 0.5, "thrombectomy", "lysis")),
            }
        )
        table.loc[np.arange(n) % 11 == 0, "age"] = np.nan
        table.loc[np.arange(n) % 13 == 5, "treatment"] = np.nan
        table.loc[~present] = np.nan
        return {"table": table}


MODALITY = Table((Frame("table", place=10),), alone=True)
