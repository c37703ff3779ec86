"""The minimum detectable difference."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.statistics.multiplicity import detectable_difference


@pytest.mark.parametrize(("df", "critical"), [(19, 5.0), (5, 9.1), (5, 4.2), (np.inf, 3.26)])
def test_the_difference_is_found_with_a_probability_of_80_per_cent(df, critical):
    from scipy.stats import nct, norm

    shift = float(detectable_difference(0.02, df, critical)) / 0.02
    found = norm.sf(critical - shift) if np.isinf(df) else nct.sf(critical, df, shift)
    assert found == pytest.approx(0.8, abs=1e-6)


def test_it_grows_with_the_critical_value_and_the_error():
    one, many = detectable_difference(0.02, 19, 2.1), detectable_difference(0.02, 19, 4.4)
    assert one < many
    assert detectable_difference(0.04, 19, 4.4) == pytest.approx(2 * many)
    assert np.isnan(detectable_difference([0.02, np.nan], 19, 2.1)).tolist() == [False, True]
    assert np.isnan(detectable_difference(0.02, 19, np.nan))
