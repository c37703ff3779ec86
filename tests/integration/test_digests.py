"""Published keys rest on the digests of the real cohorts: these are their values at the first publication."""

from __future__ import annotations

import pytest

from benchmark.data.preparation import load_cohort
from tests.integration.conftest import RealData

DIGESTS = {
    "estonian-stroke": (
        "ce6a2f4f623ffa40da44b05357c64f4ca898b8856f791921c06cd2ecae513ede",
        "e531fd2f13eafc7fff468df4a513d1fdd21c6cd02a7f220de87bb5d918ac7740",
    ),
    "soop": (
        "c3ac1e7ebc6264c7899d94d595e2ad63780fa3df59fe9a02b6fa31e81ff367f5",
        "9625f2605bf9a0e3585fb58a66b20cc07df7e8fe6ffc28c97989838b61b7a703",
    ),
}
"""Dataset -> its task digest and its content digest."""


@pytest.mark.parametrize("dataset", DIGESTS)
def test_a_real_cohort_has_the_digests_under_which_its_rows_were_published(
    dataset: str, real_data: RealData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROKEBENCH_DATA", real_data.fetch(dataset)["STROKEBENCH_DATA"])
    cohort = load_cohort(dataset)
    assert (cohort.task_digest, cohort.content_digest) == DIGESTS[dataset]
