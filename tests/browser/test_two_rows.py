"""Two rows from anywhere: the page says what `compare` prints, of ranked, descriptive and ablation rows alike."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark.leaderboard.one_pair import as_lines, pair_at
from benchmark.leaderboard.page import page
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics import comparison
from benchmark.suites.suite import Suite
from tests.browser.conftest import DESCRIPTIVE, HOSTILE, Reader, made_suite, opened
from tests.leaderboard.made_standings import row, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ABLATION = "shown[width=5]"
TWINS = ("gamma", "shown[width=4]")


@pytest.fixture(scope="module")
def with_ablations(tmp_path_factory: pytest.TempPathFactory, written: tuple[Path, list[Standings], Catalogue]):
    """The made tables, with an ablation of the first one that is a suite of its own."""
    tables, catalogue = written[1][:4], written[2]
    task = tables[0].task
    twin = replace(tables[0].row(TWINS[0]), method=TWINS[1])
    other = table(task, [row(task, "shown", 1.5), row(task, ABLATION, 1.0), twin], DESCRIPTIVE)
    ablations = Suite("made-ablations", f"Ablations {HOSTILE}", ("made",), ("repeated-cv",), ("shown", ABLATION, TWINS[1]), ())
    path = tmp_path_factory.mktemp("two") / "made.html"
    path.write_text(page(made_suite(), tables, catalogue, [(ablations, [other])]), encoding="utf-8")
    return path, tables, catalogue, other


@pytest.fixture
def reader(browser: Browser, with_ablations: tuple[Path, list[Standings], Catalogue, Standings]) -> Iterator[Reader]:
    with opened(browser, *with_ablations[:3]) as found:
        yield found


def printed(reader: Reader, place: int, other: Standings, a: str, b: str) -> list[str]:
    """What `compare` prints of the pair below its heading."""
    rows = reader.tables[place].rows
    own = {each.method for each in rows.complete}
    further = tuple(each for each in other.rows.complete if each.method not in own)
    whole = replace(rows, complete=(*rows.complete, *further)) if place == 0 else rows
    return [line.replace("`", "") for line in as_lines(pair_at(whole, "auc", a, b))[1:]]


def address(place: int, reader: Reader, **chosen: str) -> str:
    task = reader.tables[place].task
    return "&".join(f"{key}={value}" for key, value in {"dataset": task.dataset, "protocol": task.protocol, **chosen}.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "a", "b"),
    [
        (0, "alpha", "weak"),
        (0, "weak", "alpha"),
        (0, "beta", "alpha"),
        (0, "shown", "alpha"),
        (0, "gamma", ABLATION),
        (0, ABLATION, "shown[width=3]"),
        (0, *TWINS),
        (1, "alpha", "gamma"),
        (2, "weak", "gamma"),
        (2, "shown", "beta"),
        (3, "alpha", "gamma"),
    ],
)
def test_the_page_says_what_compare_prints(reader: Reader, with_ablations: tuple[object, ...], place: int, a: str, b: str):
    reader.open(address(place, reader, view="two", a=a, b=b))
    said = [text.replace("\u2212", "-") for text in reader.page.locator("#said li").all_inner_texts()]
    assert said == printed(reader, place, with_ablations[3], a, b)
    verdict = reader.page.locator("#verdict").inner_text()
    unranked = {a, b} & {*DESCRIPTIVE, ABLATION, TWINS[1]}
    tested = place != 1  # three sites are too few
    assert verdict.startswith("Not tested") != tested
    assert ("Unadjusted" in verdict) == bool(unranked and tested)
    assert reader.page.locator("[data-test=p_adjusted]").count() == int(tested and not unranked)
    assert reader.page.locator("[data-test=p]").count() == int(tested)


@pytest.mark.slow
def test_two_rows_are_reached_from_the_table_its_ticks_a_cell_and_the_picture(reader: Reader):
    chosen = "[...document.querySelectorAll('#row-a, #row-b')].map((each) => each.value)"
    row_of = reader.page.locator("#table tbody tr", has=reader.page.locator("th", has_text="gamma"))
    row_of.get_by_role("link").click()
    reader.drawn()
    assert reader.page.evaluate(chosen) == ["gamma", "alpha"]
    assert reader.page.locator("#panel").evaluate("panel => panel.getBoundingClientRect().top") < 900
    reader.open("row=beta&row=shown")
    reader.page.get_by_role("button", name="Compare the last two ticked").click()
    assert reader.page.evaluate(chosen) == ["beta", "shown"]
    reader.open("view=pairs")
    first = reader.page.locator("#panel svg .role-mark path").first
    first.click(force=True)
    reader.drawn()
    pair = reader.page.evaluate(chosen)
    assert len(set(pair)) == 2 and set(pair) <= {*reader.tables[0].ranked}
    reader.open()
    reader.page.locator("#overview svg .role-mark.mark-symbol path").nth(2).click(force=True)
    assert reader.page.evaluate(chosen) == [reader.tables[0].ranked[2], "alpha"]


@pytest.mark.slow
def test_the_other_way_round_turns_every_sign(reader: Reader):
    reader.open(address(0, reader, view="two", a="alpha", b=ABLATION))
    one = reader.page.locator("[data-test=difference]").inner_text()
    reader.page.get_by_role("button", name="The other way round").click()
    assert reader.page.locator("#row-a").input_value() == ABLATION
    assert reader.page.locator("[data-test=difference]").inner_text() == one.replace("+", "\u2212")
    assert f"a={ABLATION.replace('[', '%5B')[:5]}" in reader.page.url


@pytest.mark.slow
def test_a_page_of_many_rows_names_the_command_for_a_pair_that_it_does_not_hold(
    browser: Browser,
    with_ablations: tuple[Path, list[Standings], Catalogue, Standings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(comparison, "MANY_ROWS", 3)
    tables, catalogue = with_ablations[1:3]
    path = tmp_path / "many.html"
    path.write_text(page(made_suite(), tables, catalogue), encoding="utf-8")
    with opened(browser, path, tables, catalogue) as reader:
        reader.open(address(0, reader, view="two", a="beta", b="weak"))
        assert "the command below tests these two" in reader.page.locator("#verdict").inner_text()
        assert reader.page.locator("details[open] code", has_text="compare beta weak --suite").is_visible()
        assert reader.page.locator("[data-test]").count() == 0
        reader.open(address(0, reader, view="two", a=HOSTILE, b="beta"))
        (command,) = reader.page.locator("details[open] code").all_inner_texts()
        words = ["compare", HOSTILE, "beta", "--suite", made_suite().spelled, "--dataset", "made"]
        assert shlex.split(command) == ["python", "-m", "benchmark", *words]
        reader.open(address(0, reader, view="two", a="alpha", b="weak"))
        assert "significantly better" in reader.page.locator("#verdict").inner_text()
        reader.open(address(0, reader, view="pairs"))
        assert "too many for a figure" in reader.page.locator("#panel").inner_text()
