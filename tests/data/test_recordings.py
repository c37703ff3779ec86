"""Recordings of real files' making: read by name with their corner cases, and brought to one form or refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import Cohort, DataError
from benchmark.data.intake import take_in
from benchmark.data.modalities.signal import LEADS
from benchmark.data.recordings import Recording, collected, prepared, resampled
from benchmark.data.wfdb_records import read_record
from benchmark.system.locations import ROOT

UPPER = tuple(lead.upper() for lead in LEADS)
"""As PTB-XL writes them."""


def ecg(hertz: int = 100, seconds: float = 10) -> np.ndarray:
    """(12, samples) in mV, whole microvolts: each lead a wave of its own below 20 Hz; the limb leads follow from I and II."""
    time = np.arange(round(hertz * seconds)) / hertz
    one, two, *chest = (np.sin(2 * np.pi * (2 + lead) * time + lead) * (0.5 + 0.1 * lead) for lead in range(8))
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.round(np.stack([*limbs, *chest]), 3)


def written(folder: Path, values: np.ndarray, name: str = "00001_lr", hertz: int = 100, leads=UPPER, **more) -> Path:
    """The header of a record as PhysioNet's own library writes it."""
    import wfdb

    count = len(leads)
    formats = {"fmt": ["16"] * count, "adc_gain": [1000.0] * count, "baseline": [0] * count, "units": ["mV"] * count} | more
    wfdb.wrsamp(name, fs=hertz, sig_name=list(leads), p_signal=values.T, write_dir=str(folder), **formats)
    return folder / f"{name}.hea"


def read(header: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The record in the form of PTB-XL, and what was noted."""
    form = prepared(read_record(header), 100, 10)
    return form.values, tuple(form.notes)


def test_a_record_comes_back_to_the_microvolt(tmp_path: Path) -> None:
    values, notes = read(written(tmp_path, ecg()))
    np.testing.assert_allclose(values, ecg(), atol=1e-9)
    assert notes == ()


def test_leads_in_another_order_are_found_by_name(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(12)
    named = [f"lead {LEADS[lead]}" if lead % 2 else UPPER[lead] for lead in order]
    values, notes = read(written(tmp_path, ecg()[order], leads=named))
    np.testing.assert_allclose(values, ecg(), atol=1e-9)
    assert notes == ()


def test_further_leads_are_left_out(tmp_path: Path) -> None:
    values, _ = read(written(tmp_path, np.vstack([ecg()[:1] * 3, ecg()]), leads=("vx", *UPPER)))
    np.testing.assert_allclose(values, ecg(), atol=1e-9)


def test_500_hz_become_100_hz_and_a_wave_keeps_its_form(tmp_path: Path) -> None:
    values, notes = read(written(tmp_path, ecg(500), hertz=500))
    assert values.shape == (12, 1000)
    np.testing.assert_allclose(values[:, 50:-50], ecg()[:, 50:-50], atol=0.01)
    assert notes == ()


@pytest.mark.parametrize(("hertz", "wanted", "samples"), [(500, 100, 200), (250, 100, 200), (360, 100, 200), (100, 500, 1000)])
def test_any_rate_becomes_any_other_and_a_level_line_stays_level(hertz: int, wanted: int, samples: int) -> None:
    level = resampled(np.full((2, 2 * hertz), 0.7), hertz, wanted)
    assert level.shape == (2, samples)
    np.testing.assert_allclose(level, 0.7, atol=1e-6)


def test_what_no_longer_fits_a_lower_rate_is_filtered_and_not_folded_down() -> None:
    fast = np.sin(2 * np.pi * 170 * np.arange(5000) / 500)[None]
    assert np.abs(resampled(fast, 500, 100)[:, 50:-50]).max() < 0.02


def test_a_missing_chest_lead_is_nan_and_zero_with_a_remark_in_the_cohort(tmp_path: Path) -> None:
    kept = [lead for lead in range(12) if LEADS[lead] != "V3"]
    header = written(tmp_path, ecg()[kept], leads=[UPPER[lead] for lead in kept])
    values, _ = read(header)
    assert np.isnan(values[8]).all()
    np.testing.assert_allclose(values[kept], ecg()[kept], atol=1e-9)
    taken, lines = in_cohort(header)
    assert lines == ["signals: one value in all samples of lead V3 (case r1)"]
    assert not taken.signals.load()[1, 8].any()


def test_8_leads_become_12_by_the_laws_of_the_limb_leads(tmp_path: Path) -> None:
    kept = [0, 1, *range(6, 12)]
    header = written(tmp_path, ecg()[kept], leads=[LEADS[lead] for lead in kept])
    values, notes = read(header)
    np.testing.assert_allclose(values, ecg(), atol=2e-3)
    assert notes == ("lead III, aVR, aVL, aVF computed from I and II",)
    assert in_cohort(header)[1] == ["signals: lead III, aVR, aVL, aVF computed from I and II (case r1)"]


def test_nan_in_a_record_is_bridged_before_the_rate_changes(tmp_path: Path) -> None:
    values = ecg(500)
    values[4, 1000:1010] = np.nan
    header = written(tmp_path, values, hertz=500)
    assert np.isnan(read_record(header).values[4, 1000:1010]).all()
    mended, notes = read(header)
    assert notes == ("NaN bridged by a straight line",)
    np.testing.assert_allclose(mended[:, 50:-50], ecg()[:, 50:-50], atol=0.1)


def test_a_lead_that_was_never_recorded_counts_as_missing(tmp_path: Path) -> None:
    values = ecg()
    values[11] = np.nan
    assert np.isnan(read(written(tmp_path, values))[0][11]).all()
    values[3] = np.nan
    mended, notes = read(written(tmp_path, values, "00002_lr"))
    np.testing.assert_allclose(mended[3], ecg()[3], atol=2e-3)
    assert notes == ("lead aVR computed from I and II",)


def test_a_second_too_short_is_padded_two_are_refused_by_name_and_a_longer_record_is_cut(tmp_path: Path) -> None:
    values, notes = read(written(tmp_path, ecg(seconds=9)))
    assert notes == ("too short: padded with the last value of each lead",)
    np.testing.assert_allclose(values[:, :900], ecg()[:, :900], atol=1e-9)
    assert (values[:, 900:] == values[:, 899:900]).all()
    with pytest.raises(DataError, match="recording 00002_lr: 8 s for 10 s: what lacks more than a tenth is refused"):
        read(written(tmp_path, ecg(seconds=8), "00002_lr"))
    values, notes = read(written(tmp_path, ecg(seconds=30), "00003_lr"))
    np.testing.assert_allclose(values, ecg(), atol=1e-9)
    assert notes == ("too long: cut at the end",)


def test_voltages_of_no_heart_are_clipped(tmp_path: Path) -> None:
    values = ecg()
    values[2, 500] = -14.0
    mended, notes = read(written(tmp_path, values))
    assert mended[2, 500] == -10
    assert notes == ("clipped at 10",)


def test_other_units_become_millivolts_and_what_is_no_voltage_is_refused_by_name(tmp_path: Path) -> None:
    header = written(tmp_path, 1000 * ecg(), units=["uV"] * 12, adc_gain=[1.0] * 12)
    np.testing.assert_allclose(read(header)[0], ecg(), atol=1e-9)
    with pytest.raises(DataError, match="record 00002_lr: unit 'mmhg' is no voltage"):
        read(written(tmp_path, ecg(), "00002_lr", units=["mmHg"] * 12))


def test_broken_files_are_refused_by_the_name_of_the_record(tmp_path: Path) -> None:
    header = written(tmp_path, ecg())
    signals, head = header.with_suffix(".dat"), header.read_text()
    whole = signals.read_bytes()
    for broken, message in (
        (whole[:-2400], "cannot be read"),
        (whole[:-1], "cannot be read"),
        (b"", "cannot be read"),
        (whole[:100] + b"\x07\x07" + whole[102:], r"lead III: checksum \d+, and the header says \d+"),
    ):
        signals.write_bytes(broken)
        with pytest.raises(DataError, match=f"record 00001_lr: {message}"):
            read(header)
    signals.unlink()
    with pytest.raises(DataError, match=r"record 00001_lr: cannot be read \(FileNotFoundError"):
        read(header)
    signals.write_bytes(whole)
    header.write_text(head.splitlines()[0])
    with pytest.raises(DataError, match="record 00001_lr"):
        read(header)


def test_a_lead_twice_and_no_known_lead_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="recording 00001_lr: lead aVR occurs twice"):
        read(written(tmp_path, ecg()[:2], leads=("AVR", "avr")))
    with pytest.raises(DataError, match=r"recording 00002_lr: none of its leads \(vx, vy\) is one of I, II"):
        read(written(tmp_path, ecg()[:2], "00002_lr", leads=("vx", "vy")))


def test_recordings_are_read_one_after_the_other_into_microvolts() -> None:
    read_so_far = []

    def every():
        for number in range(3):
            read_so_far.append(number)
            yield prepared(Recording(str(number), (number + 1) * ecg() / 10, 100.0, LEADS), 100, 10)

    whole = collected(every(), 3, 100.0)
    assert read_so_far == [0, 1, 2]
    assert whole.array.dtype == np.int16
    np.testing.assert_allclose(whole.load()[2], 0.3 * ecg(), atol=6e-4)


@pytest.mark.slow
def test_many_recordings_take_no_more_memory_than_they_take_as_stored() -> None:
    """A recording is 24 kB as stored and 96 kB as it is read: 4,000 more may cost the former."""
    code = """
import sys
import numpy as np
from benchmark.data.modalities.signal import LEADS
from benchmark.data.recordings import Recording, collected, prepared
values, count = np.random.default_rng(0).normal(size=(12, 1000)), int(sys.argv[1])
every = (prepared(Recording(str(number), values, 100.0, LEADS), 100, 10) for number in range(count))
assert collected(every, count, 100.0).array.nbytes == 24_000 * count
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak)
"""

    def peak(count: int) -> int:
        done = [sys.executable, "-c", code, str(count)]
        return 1024 * int(subprocess.run(done, cwd=ROOT, capture_output=True, check=True).stdout)

    few, many = peak(50), peak(4050)
    assert 0.9 < (many - few) / (4000 * 24_000) < 1.5


def in_cohort(header: Path) -> tuple[Cohort, list[str]]:
    """A cohort of a good record and that of the header, and what the intake says of its signals."""
    good = prepared(Recording("good", ecg(), 100.0, LEADS), 100, 10)
    signals = collected([good, prepared(read_record(header), 100, 10)], 2, 100.0)
    cohort, remarks = take_in(Cohort("two", np.array(["r0", "r1"]), np.array([0, 1]), signals=signals))
    return cohort, [str(line) for line in remarks.lines if line.place == "signals"]
