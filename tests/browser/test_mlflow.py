"""MLflow's own pages: from the address that `sync` prints a reader finds the leaderboard's number in two clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark.cells.mlflow_mirror import how_to_look, own_database
from tests.made_benchmark import MadeBenchmark
from tests.services import MlflowService

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def test_the_printed_address_leads_to_the_leaderboards_number_in_two_clicks(browser: Browser, ran: MadeBenchmark) -> None:
    said = ran.cli("sync", *ran.options).stdout.splitlines()
    place = said[-1].removeprefix("then open http://127.0.0.1:5000")
    assert place.startswith("/#/experiments/") and said[-2].startswith("to look at it: ")
    mean = next(row["metrics"]["auc"]["mean"] for row in ran.table()["rows"] if row["method"] == "steady")
    server = MlflowService(ran.folder / "server", own_database()).start()
    try:
        assert how_to_look(server.uri, "1") == f"to look at it, open {server.uri}{place}", "of a server the same page"
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(90_000)  # its script is large, and the machine may be busy
        page.goto(server.uri + place)
        page.get_by_role("link", name="made x repeated-cv").click()
        page.get_by_role("link", name="steady", exact=True).click()
        page.get_by_text("Metrics (", exact=False).wait_for()
        shown = page.locator("body").inner_text().split()
        assert float(shown[shown.index("auc") + 1]) == mean
        page.close()
    finally:
        server.end()
