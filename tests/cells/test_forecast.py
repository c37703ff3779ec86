"""The time that is left, by what is known of rows and by how long their cells took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.cells.forecast import Forecast, in_order
from benchmark.cells.store import CellAddress, CellRecord

QUICK, SLOW, OTHER = (("made", "repeated-cv", name) for name in ("quick", "slow", "other"))


def forecast() -> Forecast:
    """Two neural rows and a classical one, measured before at 1, 60 and 2 s per cell."""
    known = {QUICK: 1.0, SLOW: 60.0, OTHER: 2.0}
    return Forecast(known, (), known, {QUICK: "neural", SLOW: "neural", OTHER: "classical"}, ())


def record(row: tuple[str, str, str], seconds: float) -> CellRecord:
    return CellRecord(CellAddress(*row, "seed39-fold0"), 39, {}, "", "ok", measured={"total_seconds": seconds})


def test_without_any_cell_the_times_of_before_count() -> None:
    assert forecast().left({QUICK: 10, SLOW: 2}, 30, jobs=2) == pytest.approx((10 + 120 + 30) / 2)


def test_no_less_than_no_time_is_left_after_the_last_stage() -> None:
    assert forecast().left({}, 0.3 - 0.1 - 0.1 - 0.1, jobs=1) == 0


def test_cells_in_which_workers_import_their_libraries_do_not_multiply_the_time_left() -> None:
    made = forecast()
    for seconds in (15.0, 14.0):
        made.took(record(QUICK, seconds))
    assert made.left({SLOW: 2}, 0, jobs=1) == pytest.approx(120)
    for seconds in (1.0, 1.0, 1.0):
        made.took(record(QUICK, seconds))
    assert made.left({SLOW: 2}, 0, jobs=1) == pytest.approx(120)


def test_one_cell_that_takes_longer_than_any_import_corrects_a_guess_that_was_far_too_low() -> None:
    made = forecast()
    made.took(record(QUICK, 50.0))
    assert made.left({QUICK: 19}, 0, jobs=2) == pytest.approx(19 * 50 / 2)


def test_a_machine_that_is_twice_as_slow_doubles_what_is_left_of_that_family() -> None:
    made = forecast()
    for _ in range(4):
        made.took(record(QUICK, 2.0))
    assert made.seconds(SLOW) == pytest.approx(120)
    assert made.seconds(OTHER) == pytest.approx(4), "no row of its family has ended: all families together"
    assert made.left({QUICK: 10, SLOW: 1}, 0, jobs=2) == pytest.approx(120), "no less than one cell takes"


class Waiting:
    """As much of a planned cell as its order depends on."""

    def __init__(self, dataset: str, method: str, seed: int) -> None:
        self.address, self.split = CellAddress(dataset, "p", method, f"seed{seed}"), SimpleNamespace(seed=seed)


def test_seeds_come_first_then_what_is_soon_done_and_of_alike_rows_real_patients() -> None:
    seconds = {("made", "p", "a"): 1.0, ("real", "p", "a"): 1.5, ("real", "p", "net"): 2.0, ("real", "p", "long"): 500.0}
    expected = Forecast(seconds, (), seconds, dict.fromkeys(seconds, ""), ())
    cells: list[Any] = [
        Waiting(row[0], row[2], seed) for seed in (39, 40) for row in sorted(seconds, key=seconds.get, reverse=True)
    ]
    encoded = {cell: 90.0 for cell in cells if cell.address.method == "net"}
    ordered = [
        (cell.split.seed, cell.address.dataset, cell.address.method) for cell in in_order(cells, expected, encoded, {"made"})
    ]
    first = [(39, "real", "a"), (39, "made", "a"), (39, "real", "net"), (39, "real", "long")]
    assert ordered == [*first, *((40, *rest) for _, *rest in first)]
