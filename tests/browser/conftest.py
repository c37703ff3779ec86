"""A made leaderboard with a hostile row, written as a page, and a browser that opens it from disk without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark.leaderboard.exports import as_json
from benchmark.leaderboard.page import page
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.questions import Question
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "<img src=x onerror=\"document.title='caught'\"></script><script>document.title='caught'</script>"
METHODS = {"alpha": 2.0, "beta": 1.9, "gamma": 1.2, "weak": 0.1, HOSTILE: 0.6, "shown": 1.5, "shown[width=3]": 1.4}
DESCRIPTIVE = ("shown", "shown[width=3]")
QUESTIONS = (
    Question(f"Is alpha better? {HOSTILE}", ("alpha",), ("weak",), "a paper"),
    Question("Is gamma?", ("gamma",), ("beta", HOSTILE), "us", "other", exploratory=True),
)
PLUGIN = """
from dataclasses import dataclass

from benchmark.registry.cards import register_method


@register_method({name!r}, family={family!r}, reference={name!r}, fit_modalities={{"table"}}, predict_modalities={{"table"}})
@dataclass
class Made{i}:
    width: int = 2
"""


@dataclass
class Reader:
    """A browser's page, and whatever went wrong in it or left it."""

    page: Page
    address: str
    tables: list[Standings]
    catalogue: Catalogue
    wrong: list[str] = field(default_factory=list)

    def open(self, address: str = "") -> None:
        """Open the page at this state; its figure is drawn on return."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#{address}")
        self.drawn()

    def drawn(self) -> None:
        """Wait until every figure holds its drawing: by a function, since the page's policy forbids text to be evaluated."""
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.drawing > div')].every((each) => each.querySelector('svg'))"
        )

    def json(self, dataset: str, protocol: str) -> dict[str, Any]:
        """A table as `rank --json` prints it."""
        found = as_json("made", self.tables)["tables"]
        return next(each for each in found if (each["dataset"], each["protocol"]) == (dataset, protocol))


def made_suite() -> Suite:
    ranked = tuple(name for name in METHODS if name not in DESCRIPTIVE)
    return Suite("made", f"Made {HOSTILE}", ("made",), ("repeated-cv", "leave-one-site-out"), ranked, DESCRIPTIVE, note=HOSTILE)


def made_tables() -> list[Standings]:
    """Tested by cross-validation, over eight sites and, with three sites, not at all; and one with two rows still to come."""
    tables = []
    for dataset, protocol, sites in (
        ("made", "repeated-cv", 0),
        ("made", "leave-one-site-out", 3),
        ("wide", "leave-one-site-out", 8),
    ):
        task = made_task(protocol, sites)
        object.__setattr__(task, "dataset", dataset)
        rows = [row(task, name, strength) for name, strength in METHODS.items()]
        for i, item in enumerate(rows):
            object.__setattr__(item, "seconds", 0.1 * 3**i)
        tables.append(
            table(task, [*rows, row(task, "broken", 1.0, splits=2, failed=HOSTILE)], DESCRIPTIVE, questions=QUESTIONS)
        )
    task = made_task()
    object.__setattr__(task, "dataset", "partly")
    done = [replace(row(task, name, METHODS[name]), source="reference") for name in ("alpha", "gamma", "weak")]
    partly = table(task, [*done, *(row(task, name, 1.0, splits=0) for name in ("beta", HOSTILE))])
    return [*tables, partly, *few_label_tables()]


def few_label_tables() -> list[Standings]:
    """A quarter and a tenth of the labels beside all of them; one row is missing at a tenth, another has but one table."""
    tables = []
    for protocol, share in (("repeated-cv", 1.0), ("label-efficiency[share=0.25]", 0.6), ("label-efficiency[share=0.1]", 0.4)):
        task = replace(made_task(), dataset="few", protocol=protocol)
        names = [name for name in METHODS if (name, share) != ("beta", 0.4) and (name != "weak" or share == 1)]
        tables.append(table(task, [row(task, name, share * METHODS[name]) for name in names], DESCRIPTIVE))
    return tables


def browser_path() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
    path = browser_path()
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Standings], Catalogue]:
    folder = tmp_path_factory.mktemp("page")
    plugin = folder / "made_methods.py"
    names = [*dict.fromkeys(name.partition("[")[0] for name in METHODS), "broken"]
    plugin.write_text("".join(PLUGIN.format(name=name, family=f"kin {HOSTILE}", i=i) for i, name in enumerate(names)))
    path, tables = folder / "made.html", made_tables()
    suite, catalogue = made_suite(), discover([str(plugin)])
    path.write_bytes(page(suite, tables, catalogue, [(suite, tables[:1])]).encode())
    return path, tables, catalogue


@pytest.fixture
def reader(browser: Browser, written: tuple[Path, list[Standings], Catalogue]) -> Iterator[Reader]:
    """The page in a fresh browser context without a network; the test fails if anything goes wrong in it."""
    with opened(browser, *written) as found:
        yield found


@contextmanager
def opened(browser: Browser, path: Path, tables: list[Standings], catalogue: Catalogue) -> Iterator[Reader]:
    """The page of a path in a fresh browser context, as `reader` has it."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    found = Reader(context.new_page(), path.as_uri(), tables, catalogue)
    found.page.on("console", lambda said: found.wrong.append(said.text) if said.type in ("error", "warning") else None)
    found.page.on("pageerror", lambda error: found.wrong.append(str(error)))
    found.page.on("request", lambda sent: None if sent.url.startswith("file:") else found.wrong.append(sent.url))
    found.open()
    yield found
    context.close()
    assert not found.wrong
