"""ECG paper: a second is 25 mm and a millivolt 10 mm, each lead in its place, and the bytes are the same when drawn twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark import Recordings
from benchmark.leaderboard.ecg_paper import DOTS_PER_INCH, LAYOUT, MARGINS_MM, PULSE_MM, ROW_MM, Trace, write_ecg

LEFT, RIGHT, BOTTOM, TOP = MARGINS_MM
DOTS_PER_MM = DOTS_PER_INCH / 25.4


def flat(leads: int = 12, seconds: int = 10) -> np.ndarray:
    """Nearly: a level line would be moved to the next row of pixels."""
    ripple = 0.02 * np.sin(np.arange(100 * seconds))
    return np.broadcast_to(ripple.astype(np.float32), (2, leads, 100 * seconds)).copy()


def drawn(path: Path, values: np.ndarray, **more) -> np.ndarray:
    """The drawing's grey values, (rows, columns)."""
    write_ecg(path, Recordings(values, 100.0, **more), 1, "made")
    return np.asarray(Image.open(path).convert("L")).astype(int)


def changed(path: Path, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and mm below the paper's upper edge of the pixels that differ from flat lines."""
    rows, columns = np.nonzero(drawn(path / "one.png", values) != drawn(path / "flat.png", flat()))
    return (columns / DOTS_PER_MM - LEFT - PULSE_MM) / 25, rows / DOTS_PER_MM - TOP


def test_the_paper_has_25_mm_a_second_and_30_mm_a_row(tmp_path: Path) -> None:
    image = drawn(tmp_path / "ecg.png", flat())
    assert image.shape[1] == pytest.approx((PULSE_MM + 250 + LEFT + RIGHT) * DOTS_PER_MM, abs=1)
    assert image.shape[0] == pytest.approx((4 * ROW_MM + BOTTOM + TOP) * DOTS_PER_MM, abs=1)


@pytest.mark.parametrize(("lead", "row", "second"), [(8, 2, 6.0), (3, 0, 3.0), (11, 2, 9.0), (4, 1, 4.0)])
def test_a_millivolt_is_10_mm_at_the_place_of_its_lead(tmp_path: Path, lead: int, row: int, second: float) -> None:
    values = flat()
    values[1, lead, round(100 * second) : round(100 * second) + 20] = 1.0
    seconds, down = changed(tmp_path, values)
    assert seconds.min() == pytest.approx(second, abs=0.03)
    assert seconds.max() == pytest.approx(second + 0.2, abs=0.03)
    zero = ROW_MM * (row + 0.5)
    assert down.min() == pytest.approx(zero - 10, abs=0.5)
    assert down.max() == pytest.approx(zero, abs=0.5)


def test_a_lead_is_shown_for_its_share_of_the_time_and_lead_ii_throughout_below(tmp_path: Path) -> None:
    values = flat()
    values[1, 8, :400] = 1.0
    assert not len(changed(tmp_path, values)[0])
    values[1, 1, 700:720] = 1.0
    seconds, down = changed(tmp_path, values)
    assert seconds.min() == pytest.approx(7.0, abs=0.03)
    assert down.min() > 3 * ROW_MM
    assert [len(row) for row in LAYOUT] == [4, 4, 4, 1]


def test_other_leads_have_a_row_each(tmp_path: Path) -> None:
    image = drawn(tmp_path / "two.png", flat(2), leads=("V1", "II"))
    assert image.shape[0] == pytest.approx((2 * ROW_MM + BOTTOM + TOP) * DOTS_PER_MM, abs=1)


def test_a_further_line_and_its_name_are_drawn_and_the_bytes_are_the_same_twice(tmp_path: Path) -> None:
    recordings = Recordings(flat(), 100.0)
    other = Trace(np.full((12, 1000), 0.5, dtype=np.float32), "#c00000", "reconstructed")
    alone, both, again = (
        write_ecg(tmp_path / name, recordings, 0, "made", over).read_bytes()
        for name, over in (("a.png", []), ("b.png", [other]), ("c.png", [other]))
    )
    assert both == again != alone
    reddish = np.asarray(Image.open(tmp_path / "b.png").convert("RGB")).astype(int)
    assert ((reddish[..., 0] > 150) & (reddish[..., 1] < 60)).sum() > 2000
