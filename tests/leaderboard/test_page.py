"""The page as a file, and the figures for papers."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.leaderboard.charts import CHARTS, PAPER, filled
from benchmark.leaderboard.critical_difference import over_sites
from benchmark.leaderboard.figures import figures, write_figures
from benchmark.leaderboard.page import in_html, packed, page
from benchmark.leaderboard.page_data import shown_rows, table_data
from benchmark.leaderboard.records import grouped
from benchmark.leaderboard.standings import Standings, standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.statistics.metric_names import METRICS
from benchmark.suites.questions import Question
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table
from tests.leaderboard.page_reading import data_of

RANKED = ("logistic-regression", "svm", "xgboost", "random-forest")
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), RANKED, ("majority",))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return discover()


def made_standings(protocol: str = "repeated-cv", sites: int = 0) -> Standings:
    task = made_task(protocol, sites)
    strengths = dict(zip((*RANKED, "majority"), (1.2, 0.8, 0.75, 0.0, 0.3), strict=True))
    rows = [replace(row(task, name, strength), seconds=strength + 0.1) for name, strength in strengths.items()]
    return table(task, rows, ("majority",))


@pytest.fixture(scope="module")
def cross_validated() -> Standings:
    return made_standings()


def scripts(text: str) -> list[tuple[str, str]]:
    """Attributes and content of each script element."""
    return re.findall(r"<script([^>]*)>(.*?)</script>", text, flags=re.DOTALL)


def test_the_page_is_one_file_that_names_nothing_to_load(cross_validated: Standings, catalogue: Catalogue):
    text = page(SUITE, [cross_validated], catalogue)
    frame = text
    for _, content in scripts(text):
        frame = frame.replace(content, "")
    assert re.findall(r"(?:src|href)\s*=\s*\S+", frame) == ['href="#ranking">Skip']
    assert "@import" not in frame and "url(" not in frame


def test_its_policy_allows_no_network_and_its_own_scripts_alone(cross_validated: Standings, catalogue: Catalogue):
    text = page(SUITE, [cross_validated], catalogue)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1))
    own = [content for attributes, content in scripts(text) if "json" not in attributes]
    digests = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in own]
    assert len(own) == 2
    assert policy.startswith("default-src 'none';")
    assert re.search(r"script-src ([^;]*);", policy).group(1) == " ".join(f"'sha256-{each}'" for each in digests)


def test_the_same_standings_give_the_same_bytes(cross_validated: Standings, catalogue: Catalogue):
    assert page(SUITE, [cross_validated], catalogue) == page(SUITE, [made_standings()], catalogue)


def test_no_name_can_end_the_element_that_holds_the_data():
    said = {"</script><script>": ["<!--", "a & b", "\u2028"]}
    assert not set("<>&") & set(in_html(said))
    assert json.loads(in_html(said)) == said


def test_the_data_hold_every_metric_as_the_comparison_has_it(cross_validated: Standings, catalogue: Catalogue):
    data, found = table_data(SUITE, cross_validated, catalogue), cross_validated.comparison
    assert list(data["metrics"]) == [*METRICS, "calibration_error"]
    assert data["metrics"]["calibration_error"]["mean"] == found.calibration_error[data["rows"]["method"]].tolist()
    for metric in METRICS:
        for place, name in enumerate(data["rows"]["method"]):
            for part, frame in (("mean", found.metrics), ("low", found.low), ("high", found.high)):
                there, here = frame.at[name, metric], data["metrics"][metric][part][place]
                assert here is None if np.isnan(there) else here == there


def test_pairs_stand_with_the_better_mean_first_and_keep_their_p(cross_validated: Standings, catalogue: Catalogue):
    pairs = table_data(SUITE, cross_validated, catalogue)["pairs"]
    names = cross_validated.ranked
    truth = {frozenset((pair.a, pair.b)): pair for pair in cross_validated.comparison.pairs.itertuples()}
    assert len(pairs["a"]) == len(truth) == 6
    for a, b, difference, low, high, p in zip(
        *(pairs[key] for key in ("a", "b", "difference", "low", "high", "p")), strict=True
    ):
        pair = truth[frozenset((a, b))]
        sign = 1 if pair.a == a else -1
        assert names.index(a) < names.index(b) and difference >= 0 and low <= difference <= high
        assert (difference, p) == (sign * pair.difference, pair.p)


def test_the_forest_turns_every_difference_towards_the_first_row(cross_validated: Standings, catalogue: Catalogue):
    (forest,) = table_data(SUITE, cross_validated, catalogue)["charts"]["forest"]
    found, leader = cross_validated.comparison, cross_validated.ranked[0]
    assert forest["method"] == cross_validated.ranked
    for name, difference, low, high in zip(*(forest[key] for key in ("method", "difference", "low", "high")), strict=True):
        if name != leader:
            truth = found.metrics.at[name, "auc"] - found.metrics.at[leader, "auc"]
            assert difference == pytest.approx(truth, abs=1e-15)
            assert low < difference < high


def test_curves_of_the_first_four_rows_and_a_baseline_are_shown_unasked(cross_validated: Standings, catalogue: Catalogue):
    data = table_data(SUITE, cross_validated, catalogue)
    assert set(shown_rows(data)) == set(RANKED)
    data["rows"]["method"] = [f"row{i}" for i in range(7)] + ["logistic-regression"]
    data["rows"]["kind"] = ["ranked"] * 8
    assert shown_rows(data) == ["row0", "row1", "row2", "row3", "logistic-regression"]


@pytest.mark.slow
def test_40_rows_in_6_tables_stay_below_5_mb(catalogue: Catalogue):
    names = [f"logistic-regression[max_iter={i + 1}]" for i in range(40)]
    task = made_task()
    found = table(task, [row(task, name, 0.3 + i / 40) for i, name in enumerate(names)])
    suite = replace(SUITE, ranked=tuple(names), descriptive=())
    assert len(page(suite, [found] * 6, catalogue).encode()) < 5e6


def test_packing_keeps_every_bit_of_a_number(cross_validated: Standings, catalogue: Catalogue):
    data = table_data(SUITE, cross_validated, catalogue)
    (read,) = data_of(page(SUITE, [cross_validated], catalogue))["suite"]["tables"]
    assert read["metrics"] == data["metrics"] and read["charts"] == data["charts"] and read["splits"] == data["splits"]
    assert {key: data["pairs"][key] for key in read["pairs"]} == read["pairs"]
    hostile = [0.1 + 0.2, None, 1e-300, -5.0, 0.0499999, 1 / 3, 2.0, 3.2767, 32768.0]
    assert "float64" in packed({"x": hostile})["x"] and "int16" in packed([[0.1, None, -3.2767] * 4])[0]


def test_rows_are_grouped_by_what_they_change_alone_or_together():
    names = ["svm", "svm[a=1]", "svm[b=2,c=3]", "svm[b=1]", "svm[a=2]", "svm[c=5]", "svm[d=1]"]
    assert list(grouped(names).values()) == ["as registered", "a", "b, c", "b, c", "a", "b, c", "d"]


def test_a_suite_without_predictions_has_a_page(catalogue: Catalogue):
    assert '"tables":[]' in page(SUITE, [], catalogue)


def test_a_table_without_tests_has_neither_forest_nor_tests(catalogue: Catalogue):
    data = table_data(SUITE, made_standings("leave-one-site-out", 3), catalogue)
    assert data["charts"]["forest"] == [] and not data["tested"]
    assert not {"p", "p_adjusted"} & (set(data["pairs"]) | {column["name"] for column in data["columns"]})
    assert data["sites"]["count"] == 3


def test_answers_stand_above_the_conclusion_and_no_question_can_end_the_element_that_holds_them(catalogue: Catalogue):
    task = made_task()
    rows = [row(task, name, strength) for name, strength in (("svm", 1.5), ("xgboost", 0.2))]
    ask = "</script><script>alert(1)</script>?"
    found = table(task, rows, questions=[Question(ask, ("svm",), ("xgboost",), "us")])
    ((origin, (sentence,)),) = table_data(SUITE, found, catalogue)["questions"]
    assert origin == "named by us" and sentence.startswith(f"*{ask}* yes: +.")
    assert table_data(SUITE, found, catalogue)["contrasts"]["rows"][0][1:3] == ["`svm`", "`xgboost`"]
    text = page(SUITE, [found], catalogue)
    assert text.count(ask) == 0 and "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)" in text
    assert text.index('<div id="questions">') < text.index('<p id="conclusion">')


def test_words_in_a_name_are_not_taken_for_words_of_the_chart():
    words = {"metric": "AUC", "interval": ", 95 % CI"}
    spec = filled(CHARTS["time"](PAPER), {"rows": [{"family": "{metric}", "method": "{metric}"}], "named": []}, words)
    assert spec["datasets"]["rows"] == [{"family": "{metric}", "method": "{metric}"}]
    assert "AUC, 95 % CI" in json.dumps(spec)


@pytest.mark.slow
def test_figures_are_named_valid_and_the_same_twice(cross_validated: Standings, catalogue: Catalogue, tmp_path: Path):
    tables = [cross_validated, made_standings("leave-one-site-out", 3)]
    first = write_figures(tmp_path / "1", SUITE, tables, catalogue, "svg")
    second = write_figures(tmp_path / "2", SUITE, tables, catalogue, "svg")
    tested = ("intervals", "forest", "matrix", "roc", "calibration", "decision", "time")
    untested = ("intervals", "roc", "calibration", "decision", "sites", "time")
    names = [f"made-repeated-cv-{name}.svg" for name in tested] + [f"made-leave-one-site-out-{name}.svg" for name in untested]
    assert [path.name for path in first] == names
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        text = " ".join(ElementTree.fromstring(one.read_text(encoding="utf-8")).itertext())
        assert "made, " in text
        assert "{" not in text


def test_six_sites_have_a_figure_of_mean_ranks_with_the_critical_difference(catalogue: Catalogue):
    table = made_standings("leave-one-site-out", 6)
    ranks = next(figure for figure in figures(SUITE, table, catalogue) if figure.name == "ranks").spec["datasets"]["rows"]
    test = over_sites(table).test
    assert [row["value"] for row in ranks] == sorted(test.ranks)
    assert {round(row["high"] - row["low"], 3) for row in ranks} == {round(test.critical_difference, 3)}


@pytest.mark.slow
def test_a_figure_as_png_is_a_png_of_300_dots_per_inch(cross_validated: Standings, catalogue: Catalogue, tmp_path: Path):
    from PIL import Image

    path = write_figures(tmp_path, SUITE, [cross_validated], catalogue, "png")[0]
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["dpi"][0] == pytest.approx(300, abs=1)
        assert len(image.getcolors(10**7)) > 2


def test_the_page_tells_the_family_that_was_corrected_for_rows_to_come_included(
    cross_validated: Standings, catalogue: Catalogue
):
    rows = cross_validated.rows
    waiting = standings(replace(rows, ranked=(*rows.ranked, "later", "last")), "auc")
    data, complete = table_data(SUITE, waiting, catalogue), len(waiting.ranked)
    assert data["corrected"] == (complete + 2) * (complete + 1) // 2 > data["comparisons"]
    assert max(high for high in data["rows"]["rank_high"] if high is not None) == complete + 2
