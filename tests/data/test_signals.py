"""Recordings: taken, joined, stacked and stored without being read, mended by the intake, and seen by networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import BenchmarkError, Cohort, DataError, Recordings
from benchmark.data.cohort import every_part
from benchmark.data.intake import take_in
from benchmark.data.modalities.signal import BLOCK, LEADS
from benchmark.data.union import union

CASES = 40


def ecgs(seed: int = 0, cases: int = CASES) -> np.ndarray:
    """(cases, 12, 100) int16 microvolts."""
    return np.random.default_rng(seed).integers(-900, 900, size=(cases, 12, 100)).astype(np.int16)


def cohort(signals: Recordings, **more) -> Cohort:
    ids = np.array([f"r{number:04d}" for number in range(len(signals))])
    return Cohort("hearts", ids, np.arange(len(ids)) % 2, signals=signals, rows=np.arange(len(ids)), **more)


def stored(value: Recordings | None) -> list[tuple[str, object]]:
    items = every_part()["signals"].digested(value)
    return [(name, item.tolist() if isinstance(item, np.ndarray) else item) for name, item in items]


def test_recordings_are_millivolts_when_taken_and_microvolts_on_disk(tmp_path: Path) -> None:
    given, part = Recordings(ecgs(), 100.0, scale=0.001).take(np.array([7, 3, 3])), every_part()["signals"]
    back = part.read(tmp_path, part.write(given, tmp_path))
    assert back.array.dtype == np.int16
    assert isinstance(back.array.base, np.memmap)
    assert (back.shape, back.hertz, back.leads, back.unit) == ((3, 12, 100), 100.0, LEADS, "mV")
    assert back[np.array([0, 1])].dtype == np.float32
    np.testing.assert_allclose(back.load(), ecgs()[[7, 3, 3]] / 1000, rtol=1e-6)
    assert stored(back) == stored(given)


def test_the_digest_knows_rate_leads_unit_scale_and_order_and_a_cohort_without_signals_has_none() -> None:
    plain = Recordings(ecgs(), 100.0, scale=0.001)
    others = (
        Recordings(ecgs(), 50.0, scale=0.001),
        Recordings(ecgs(), 100.0, LEADS[::-1], scale=0.001),
        Recordings(ecgs(), 100.0, unit="SD", scale=0.001),
        Recordings(ecgs(), 100.0, scale=0.002),
        plain.take(np.arange(CASES)[::-1]),
    )
    assert stored(None) == []
    assert all(stored(other) != stored(plain) for other in others)
    assert stored(plain.take(np.arange(CASES))) == stored(plain)
    assert repr(stored(Recordings(ecgs(), 100, scale=0.001))) == repr(stored(plain))


def test_a_long_array_is_digested_and_stored_block_by_block(tmp_path: Path) -> None:
    values, part = ecgs(cases=BLOCK + 5)[:, :1], every_part()["signals"]
    blocks = [item for _, item in part.digested(Recordings(values, 100.0, ["II"])) if isinstance(item, np.ndarray)]
    assert [len(block) for block in blocks] == [BLOCK, 5]
    assert np.array_equal(np.concatenate(blocks), values)
    given = Recordings(values, 100.0, ["II"])
    assert np.array_equal(part.read(tmp_path, part.write(given, tmp_path)).array, values)


def test_views_of_a_cohort_take_join_and_permute_the_recordings_without_a_copy() -> None:
    whole = cohort(Recordings(ecgs(), 100.0, scale=0.001))
    some, rest = whole.take([5, 1]), whole.take([0])
    assert some.signals.array is whole.signals.array
    assert np.array_equal(some.signals.load(), whole.signals[np.array([5, 1])])
    assert np.array_equal(some.join(rest).signals.load(), whole.signals[np.array([0, 1, 5])])
    dealt, order = whole.permuted("signal", np.random.default_rng(3)), np.random.default_rng(3).permutation(CASES)
    assert np.array_equal(dealt.signals.load(), whole.signals[order])
    assert dealt.labels.tolist() == whole.labels.tolist()
    assert whole.views("signal").keys() == {"ecg"}
    assert whole.only({"signal"}).blind().signals.hertz == 100.0
    assert whole.only({"table"}).signals is None


def test_cohort_and_pool_are_stacked_where_rate_and_leads_agree() -> None:
    labelled = cohort(Recordings(ecgs(), 100.0, scale=0.001))
    other = Recordings(ecgs(1), 100.0, scale=0.001)
    pool = replace(cohort(other), case_ids=np.array([f"q{number}" for number in range(CASES)]), labels=None)
    both = union([labelled.take([0, 1]), pool.take([2])])
    assert dict(zip(both.case_ids.tolist(), both.signals.load(), strict=True)).keys() == {"r0000", "r0001", "q2"}
    assert np.array_equal(both.signals.load(), np.stack([other[2], labelled.signals[0], labelled.signals[1]]))
    assert both.signals.leads == LEADS
    with pytest.raises(BenchmarkError, match=r"signals: cohort and pool hold \(12, 100\) at 100 Hz and \(12, 100\) at 50 Hz"):
        union([labelled, replace(pool, signals=Recordings(ecgs(1), 50.0, scale=0.001))])


# The intake


def mended(values: np.ndarray, leads=("I", "II"), **more) -> tuple[Cohort, list[str]]:
    taken, remarks = take_in(cohort(Recordings(values, 50.0, leads), **more))
    return taken, [str(line) for line in remarks.lines if line.place in ("signals", "present")]


def waves() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(CASES, 2, 100))


def test_a_missing_lead_is_zero_and_a_gap_a_straight_line_and_nothing_else_changes() -> None:
    values = waves()
    values[3, 1] = np.nan
    values[5, 0, 10:13] = np.nan
    values[6, 0, :4] = np.nan
    before = values.copy()
    taken, lines = mended(values)
    assert lines == [
        "signals: lead II missing: zero throughout (case r0003)",
        "signals: NaN in lead I: a straight line takes its place (cases r0005, r0006)",
    ]
    read = taken.signals.load()
    assert not read[3, 1].any()
    np.testing.assert_allclose(read[5, 0, 9:14], np.linspace(before[5, 0, 9], before[5, 0, 13], 5), rtol=1e-5)
    assert read[6, 0, :4].tolist() == [np.float32(before[6, 0, 4])] * 4
    known = ~np.isnan(before)
    assert np.array_equal(read[known], before[known].astype(np.float32))
    assert np.array_equal(np.isnan(values), np.isnan(before))


def test_a_case_without_any_lead_lacks_the_modality() -> None:
    values = waves()
    values[3] = np.nan
    values[4] = 0
    taken, lines = mended(values)
    assert lines == ["present: no signal (cases r0003, r0004)"]
    assert np.flatnonzero(~taken.present["signal"]).tolist() == [3, 4]
    assert taken.absent == {"signal": 2}


def test_flat_leads_and_microvolts_are_noted_and_the_values_stay() -> None:
    values = waves()
    values[3, 1] = 0.5
    taken, lines = mended(values)
    assert lines == ["signals: one value in all samples of lead II (case r0003)"]
    assert taken.signals.load()[3, 1].tolist() == [0.5] * 100
    (line,) = mended(1000 * waves())[1]
    assert "mV at the median: give microvolts the scale 0.001" in line
    assert not mended(20 * np.sin(np.linspace(0, 9, 100)) * np.ones((CASES, 2, 1)) / 2)[1]


def test_every_problem_of_a_recording_comes_in_one_go() -> None:
    with pytest.raises(DataError) as caught:
        take_in(cohort(Recordings(waves(), -1.0, ("II", "ii"), scale=0.0)))
    assert str(caught.value).splitlines() == [
        "hearts: signals: hertz is -1: give a positive number",
        "hearts: signals: scale is 0: give a positive number",
        "hearts: signals: lead names 'II', 'ii' occur twice: give each lead its own",
    ]


def test_integers_are_kept_as_they_are() -> None:
    taken, _ = take_in(cohort(Recordings(ecgs(), 100.0, scale=0.001)))
    assert taken.signals.array.dtype == np.int16
    assert np.array_equal(taken.signals.array[taken.signals.rows], ecgs())
