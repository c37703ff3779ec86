"""Pages that are hard to show: a run at work, no rows, failed rows, undefined metrics, long names, an address of long ago."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.leaderboard.page import page
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from tests.browser.conftest import HOSTILE, PLUGIN, opened
from tests.leaderboard.made_standings import made_task, row, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LONG = tuple(f"{name}-{'with-a-name-of-eighty-characters-' * 3}"[:79] + "x" for name in ("one", "two", "three"))
NAMES = ("alpha", "beta", "gamma", "weak")
PLACE = "document.getElementById('ranking').getBoundingClientRect().top"
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), NAMES, ())


def rows_of(names: tuple[str, ...], splits: int | None = None) -> Standings:
    task = made_task()
    return table(task, [row(task, name, 1.0 + i / 4, splits=splits) for i, name in enumerate(names)])


@pytest.fixture
def catalogue(written: tuple[Path, list[Standings], Catalogue]) -> Catalogue:
    return written[2]


@pytest.mark.slow
def test_while_a_run_works_the_page_reloads_itself_and_stays_where_it_was(
    browser: Browser, catalogue: Catalogue, tmp_path: Path
):
    path = tmp_path / "made.html"
    half, whole = rows_of(NAMES, splits=5), rows_of(NAMES)
    task = whole.task
    partly = table(
        task, [*(row(task, name, 1.0) for name in NAMES[:2]), *(row(task, name, 1.0, splits=5) for name in NAMES[2:])]
    )
    path.write_text(page(SUITE, [partly], catalogue), encoding="utf-8")
    complete = page(SUITE, [whole], catalogue)
    with opened(browser, path, [half], catalogue) as reader:
        reader.page.clock.install()
        reader.open("filter=a&view=time&sort=method-desc&row=alpha")
        said = reader.page.locator("#interim")
        assert said.inner_text().startswith("Interim. made, repeated-cv (Interim, 5 of 20 splits; in progress: gamma, weak).")
        assert "reloads itself every 30 seconds" in said.inner_text()
        reader.page.locator("#methods summary").click()
        reader.page.evaluate("scrollTo(0, 400)")
        top = reader.page.evaluate(PLACE)
        path.write_text(complete, encoding="utf-8")
        reader.page.clock.fast_forward(15_000)
        assert said.is_visible(), "not before its time"
        reader.page.clock.fast_forward(16_000)
        reader.page.wait_for_function("() => !document.getElementById('interim').textContent")
        reader.drawn()
        names = reader.page.locator("#table tbody th").all_inner_texts()
        assert names == ["weak", "gamma", "beta", "alpha"]
        assert reader.page.get_by_label("Filter").input_value() == "a"
        assert reader.page.get_by_role("tab", name="Training time").get_attribute("aria-selected") == "true"
        assert reader.page.locator("#methods").get_attribute("open") is not None
        reader.page.wait_for_function(f"top => Math.abs({PLACE} - top) < 2", arg=top)
        reader.page.evaluate("window.same = true")
        reader.page.clock.fast_forward(120_000)
        assert reader.page.evaluate("window.same"), "a complete page is left alone"


def test_a_reader_stops_the_reloading_and_an_old_interim_page_does_not_reload(
    browser: Browser, catalogue: Catalogue, tmp_path: Path
):
    path = tmp_path / "made.html"
    path.write_text(page(SUITE, [rows_of(NAMES, splits=5)], catalogue), encoding="utf-8")
    with opened(browser, path, [], catalogue) as reader:
        reader.page.clock.install()
        reader.open()
        reader.page.get_by_role("button", name="Stop reloading").click()
        reader.page.evaluate("window.same = true")
        reader.page.clock.fast_forward(90_000)
        assert reader.page.evaluate("window.same") and "no longer reloads" in reader.page.locator("#interim").inner_text()
        reader.page.get_by_role("button", name="Reload again").click()
        reader.page.clock.fast_forward(3_600_000)
        assert reader.page.evaluate("window.same")
        assert "the run has ended or waits" in reader.page.locator("#interim").inner_text()


def test_a_suite_without_rows_says_how_to_get_them(browser: Browser, catalogue: Catalogue, tmp_path: Path):
    path = tmp_path / "made.html"
    path.write_text(page(SUITE, [], catalogue), encoding="utf-8")
    with opened(browser, path, [], catalogue) as reader:
        assert "run python -m benchmark run --suite made" in reader.page.locator("#conclusion").inner_text()
        assert not reader.page.locator("select").first.is_visible() and not reader.page.locator("#tabs").is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("view", ["best", "across", "two", "time"])
def test_a_table_whose_rows_all_failed_says_why(browser: Browser, catalogue: Catalogue, tmp_path: Path, view: str):
    task = made_task()
    failed = table(task, [row(task, name, 1.0, splits=0, failed=f"ValueError: {HOSTILE}") for name in NAMES])
    other = made_task()
    object.__setattr__(other, "dataset", "other")
    good = table(other, [row(other, name, 1.0) for name in NAMES])
    path = tmp_path / "made.html"
    path.write_text(page(SUITE, [failed, good], catalogue), encoding="utf-8")
    with opened(browser, path, [], catalogue) as reader:
        reader.open(f"dataset=made&view={view}")
        assert "No row is complete yet" in reader.page.locator("#conclusion").inner_text()
        assert HOSTILE in reader.page.locator("#further-rows").inner_text()
        assert reader.page.locator("img").count() == 0 and not reader.page.locator("#overview").is_visible()
        reader.page.get_by_role("combobox", name="Dataset").select_option("other")
        reader.drawn()
        assert reader.page.locator("#table tbody tr").count() == 4


@pytest.mark.slow
def test_undefined_metrics_are_said_to_be_undefined(browser: Browser, catalogue: Catalogue, tmp_path: Path):
    task = made_task("leave-one-site-out", 8)
    task = replace(task, labels=np.array([i // 2 % 8 for i in range(200)]).astype(np.int8) % 2)  # each site holds one class
    found = table(task, [row(task, name, 1.0) for name in NAMES])
    path = tmp_path / "made.html"
    path.write_text(page(SUITE, [found], catalogue), encoding="utf-8")
    with opened(browser, path, [], catalogue) as reader:
        for view in ("best", "across", "pairs", "two", "roc", "calibration", "sites", "time"):
            reader.open(f"view={view}")
            assert "undefined" not in reader.page.locator("#table").inner_text()
            assert "NaN" not in reader.page.locator("body").inner_text()
        assert reader.page.locator("#table tbody td[data-cell=estimate]").first.inner_text() == "n/a"


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1400])
def test_names_of_80_characters_fit(browser: Browser, tmp_path: Path, width: int):
    assert {len(name) for name in LONG} == {80}
    plugin, path = tmp_path / "long_names.py", tmp_path / "made.html"
    plugin.write_text("".join(PLUGIN.format(name=name, family="kin", i=i) for i, name in enumerate(LONG)))
    path.write_text(page(replace(SUITE, ranked=LONG), [rows_of(LONG)], found := discover([str(plugin)])), encoding="utf-8")
    with opened(browser, path, [], found) as reader:
        reader.page.set_viewport_size({"width": width, "height": 900})
        for view in ("best", "across", "pairs", "two", "roc", "time"):
            reader.open(f"view={view}")
            assert reader.page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert set(reader.page.locator("#table tbody th").all_inner_texts()) == set(LONG)
        estimate = reader.page.locator("#table tbody td[data-cell=estimate]").first.bounding_box()
        assert estimate["x"] + estimate["width"] <= width


@pytest.mark.slow
def test_a_removed_dataset_in_the_address_is_said_and_the_first_table_shown(
    browser: Browser, catalogue: Catalogue, tmp_path: Path
):
    path = tmp_path / "made.html"
    path.write_text(page(SUITE, [rows_of(NAMES)], catalogue), encoding="utf-8")
    with opened(browser, path, [], catalogue) as reader:
        reader.open("dataset=<b>gone</b>&a=nobody")
        said = "Not in this leaderboard: dataset <b>gone</b>, row nobody. Shown is made, repeated-cv."
        assert reader.page.locator("#message").inner_text() == said
        reader.page.get_by_label("Metric").select_option("brier")
        reader.open("dataset=made")
        assert not reader.page.locator("#message").is_visible()
