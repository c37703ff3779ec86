"""What a reader does with the page: opens it offline, switches, sorts, filters, compares two rows, reads a p-value."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from benchmark.leaderboard.answers import answers
from benchmark.leaderboard.conclusions import conclusion
from benchmark.leaderboard.critical_difference import over_sites
from benchmark.leaderboard.figures import figures, label_figures
from benchmark.leaderboard.tables import p_value
from tests.browser.conftest import DESCRIPTIVE, HOSTILE, METHODS, Reader, made_suite

VIEWS = ("best", "across", "pairs", "two", "roc", "calibration", "decision", "labels", "sites", "time", "ablations")
TABLES = ("dataset=made&protocol=repeated-cv", "dataset=made&protocol=leave-one-site-out", "dataset=wide")


def methods(reader: Reader) -> list[str]:
    return reader.page.locator("#table tbody th").all_inner_texts()


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\u2212")


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_every_table_is_drawn_offline_with_a_heading_and_words(reader: Reader, view: str):
    for table in TABLES:
        reader.open(f"{table}&view={view}")
        panel = reader.page.locator("#panel")
        assert panel.locator("h3").first.inner_text()
        assert panel.locator("p, figcaption").count()
        assert panel.locator("p:has-text('could not be drawn')").count() == 0


@pytest.mark.slow
def test_a_figure_has_a_description_and_its_data_as_a_table(reader: Reader):
    for view in ("best", "pairs", "roc", "calibration", "decision", "time", "ablations"):
        reader.open(f"dataset=made&view={view}")
        assert reader.page.locator(".drawing").first.get_attribute("aria-label")
        reader.page.locator("#panel figure summary").first.click()
        reader.page.locator("#panel figure table").first.wait_for()
        assert reader.page.locator("#panel figure table tbody tr").count() > 3


FIGURES = {
    "best": ("forest",),
    "pairs": ("matrix",),
    "roc": ("roc",),
    "calibration": ("calibration", "shares"),
    "decision": ("decision",),
    "sites": ("sites", "ranks"),
    "time": ("time",),
}


@pytest.mark.slow
@pytest.mark.parametrize("table", range(len(TABLES)))
def test_page_and_paper_draw_the_same_records(reader: Reader, table: int):
    """The page draws what Python embedded: field by field its records are those of the paper's figures."""
    paper = {each.name: each.spec["datasets"] for each in figures(made_suite(), reader.tables[table], reader.catalogue)}
    paper["shares"] = paper["calibration"]
    page = {}
    for view, names in FIGURES.items():
        reader.open(TABLES[table])
        reader.page.evaluate(
            "() => { const real = vegaEmbed; window.drawnData = [];"
            " vegaEmbed = (at, spec, how) => (drawnData.push(spec.datasets), real(at, spec, how)) }"
        )
        reader.page.locator(f"#tab-{view}").click()
        reader.drawn()
        page |= dict(zip(names, reader.page.evaluate("drawnData"), strict=False))
    reader.page.evaluate("() => { drawnData.length = 0; location.hash += '&kind=all'; }")
    reader.page.wait_for_function("() => drawnData.length")
    page["intervals"] = reader.page.evaluate("drawnData")[0]  # a new address draws all, from the top
    for name in paper:
        assert set(page[name]) == set(paper[name])
        for part, records in paper[name].items():
            assert [{field: record[field] for field in records[0]} for record in page[name][part]] == records


@pytest.mark.slow
def test_rows_are_drawn_by_the_share_of_the_labels_as_in_the_papers_figure(reader: Reader):
    reader.open("dataset=few&protocol=repeated-cv&view=labels")
    assert reader.page.locator("#panel h3").first.inner_text().startswith("Few labels")
    drawn = reader.page.locator("#panel .drawing").get_attribute("aria-label")
    assert drawn == f"AUC by share of the labels of alpha, beta, gamma, {HOSTILE}."
    reader.page.locator("#panel figure summary").click()
    cells = [row.inner_text().split("\t")[:3] for row in reader.page.locator("#panel figure table tbody tr").all()]
    ((dataset, paper),) = label_figures(made_suite(), reader.tables, reader.catalogue)
    records = paper.spec["datasets"]["rows"]
    assert dataset == "few"
    assert cells == [[row["method"], f"{row['x']:.3f}", f"{row['y']:.3f}"] for row in records]
    shares = ["0.100", "0.250", "1.000"]
    assert [row[1] for row in cells] == [*shares, *shares[1:], *shares, *shares]
    ticks = reader.page.locator("#panel svg .role-axis-label text").all_text_contents()
    assert {"10%", "25%", "100%"} <= set(ticks)


@pytest.mark.slow
def test_a_dataset_without_shares_of_labels_says_so(reader: Reader):
    reader.open("dataset=made&protocol=repeated-cv&view=labels")
    assert "No tables of made differ in the share of the labels alone" in reader.page.locator("#panel").inner_text()
    assert reader.page.locator("#panel svg").count() == 0


@pytest.mark.slow
def test_rows_still_to_come_take_places_on_the_bars_of_ranks(reader: Reader):
    reader.open("dataset=partly")
    ranks = dict(zip(methods(reader), reader.page.locator("#table tbody td:has(.rank)").all_inner_texts(), strict=True))
    assert ranks == {"alpha": "1\u20134", "gamma": "1\u20134", "weak": "3\u20135"}
    bars = reader.page.locator("#table .rank > *")
    shares = [(bar.evaluate("b => b.style.left"), bar.evaluate("b => b.style.right")) for bar in bars.all()]
    assert shares == [("0%", "20%"), ("0%", "20%"), ("40%", "0%")]


@pytest.mark.slow
def test_answers_are_shown_first_as_text_with_each_contrast_behind_them(reader: Reader):
    reader.open("dataset=made&protocol=repeated-cv")
    first, *_ = answers(reader.tables[0])
    said = reader.page.locator("#questions")
    assert said.locator("p").all_inner_texts() == [
        "Questions named by a paper:",
        "Questions named by us; written after results were seen: exploratory:",
    ]
    assert said.locator("li").first.inner_text() == f"{first.ask} {first.verdict}."
    assert said.bounding_box()["y"] < reader.page.locator("#conclusion").bounding_box()["y"]
    said.locator("summary").click()
    assert said.locator("tbody tr").count() == 3
    assert reader.page.title() != "caught"
    reader.open("dataset=partly")
    assert reader.page.locator("#questions li, #questions details").count() == 0


@pytest.mark.slow
def test_switching_the_dataset_changes_conclusion_and_rows(reader: Reader):
    reader.page.get_by_label("Dataset").select_option("wide")
    reader.drawn()
    said = reader.page.locator("#conclusion").inner_text()
    assert said == conclusion(reader.tables[2]).replace("`", "")
    assert reader.page.locator("#panel h3").inner_text().endswith("wide, leave-one-site-out")


@pytest.mark.slow
def test_a_table_without_tests_says_why_and_has_no_columns_of_tests(reader: Reader):
    reader.page.get_by_label("Protocol").select_option("leave-one-site-out")
    heads = reader.page.locator("#table thead").inner_text()
    assert "P, all pairs" not in heads and "Rank" not in heads and "Best set" not in heads
    for view in ("best", "pairs"):
        reader.open(f"dataset=made&protocol=leave-one-site-out&view={view}")
        assert "with 3 sites of sufficient size" in reader.page.locator("#panel").inner_text()
        assert reader.page.locator("#panel svg").count() == 0
    reader.open("dataset=made&protocol=leave-one-site-out&view=two")
    assert reader.page.locator("#verdict").inner_text().startswith("Not tested")
    assert reader.page.locator("[data-test]").count() == 0


@pytest.mark.slow
def test_many_sites_have_mean_ranks_with_their_critical_difference(reader: Reader):
    reader.open("dataset=wide&view=sites")
    caption = reader.page.locator("figcaption", has_text="Mean ranks of the ranked rows over 8 sites").inner_text()
    table = next(each for each in reader.tables if each.task.dataset == "wide")
    assert f"critical difference, {over_sites(table).test.critical_difference:.2f}:" in caption
    reader.open("dataset=made&protocol=leave-one-site-out&view=sites")
    assert reader.page.locator("figcaption", has_text="Mean ranks").count() == 0


@pytest.mark.slow
def test_a_press_on_a_head_sorts_and_says_so(reader: Reader):
    head = reader.page.locator("th[data-key=estimate]")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    found = {
        each["method"]: each["metrics"]["auc"]["mean"] for each in reader.json("made", "repeated-cv")["rows"][: len(METHODS)]
    }
    assert methods(reader) == sorted(found, key=lambda name: -found[name])
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert methods(reader) == sorted(found, key=lambda name: found[name])


def test_undefined_values_stay_last_whichever_way_a_column_is_sorted(reader: Reader):
    head = reader.page.locator("th[data-key=p_adjusted]")
    untested = {reader.tables[0].ranked[0], *DESCRIPTIVE}
    for _ in range(2):
        head.get_by_role("button").click()
        assert set(methods(reader)[-3:]) == untested


def test_the_filter_leaves_the_rows_whose_name_family_or_input_has_the_words(reader: Reader):
    reader.page.get_by_label("Filter").fill("shown WIDTH")
    assert methods(reader) == ["shown[width=3]"]
    assert reader.page.locator("#count").inner_text().startswith("1 of 7 rows")
    reader.page.get_by_label("Filter").fill("")
    reader.page.get_by_role("combobox", name="Show").select_option("descriptive")
    assert set(methods(reader)) == set(DESCRIPTIVE)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["auc", "brier", "specificity_label0"])
def test_any_metric_is_shown_with_its_interval(reader: Reader, metric: str):
    reader.page.get_by_label("Metric").select_option(metric)
    heads = reader.page.locator("#table thead th").all_inner_texts()
    column = next(i for i, head in enumerate(heads) if head.endswith("(95 % CI)"))
    row = reader.page.locator("#table tbody tr", has=reader.page.locator("th", has_text="beta"))
    found = next(each for each in reader.json("made", "repeated-cv")["rows"] if each["method"] == "beta")["metrics"][metric]
    shown = row.locator("td, th").nth(column).inner_text()
    low, high = found["ci"]
    assert shown.split() == f"{found['mean']:.3f} {low:.3f} to {high:.3f}".split()


@pytest.mark.slow
def test_all_metrics_can_be_chosen(reader: Reader):
    assert reader.page.locator("#metric option").count() == 25


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [("alpha", "weak"), ("weak", "alpha"), ("beta", "alpha"), ("gamma", "weak")])
def test_two_rows_compared_show_the_p_values_of_rank_json(reader: Reader, a: str, b: str):
    reader.page.get_by_role("tab", name="Two rows").click()
    reader.page.get_by_role("combobox", name="First row").select_option(a)
    reader.page.get_by_role("combobox", name="Second row").select_option(b)
    reader.drawn()
    pair = next(each for each in reader.json("made", "repeated-cv")["pairs"] if {each["a"], each["b"]} == {a, b})
    sign = 1 if pair["a"] == a else -1
    shown = {key: reader.page.locator(f"[data-test={key}]").inner_text() for key in ("p", "p_adjusted", "difference")}
    assert shown == {
        "p": p_value(pair["p"]),
        "p_adjusted": p_value(pair["p_adjusted"]),
        "difference": signed(sign * pair["difference"]),
    }
    verdict = reader.page.locator("#verdict").inner_text()
    assert ("significantly better" in verdict) == (pair["p_adjusted"] < 0.05)
    if pair["p_adjusted"] < 0.05:
        assert verdict.startswith(a if sign * pair["difference"] > 0 else b)
    assert reader.page.locator("#panel svg").count() == 2


@pytest.mark.slow
def test_a_row_is_added_to_the_curves_and_a_seventh_is_refused(reader: Reader):
    reader.open("dataset=made&view=roc")
    before = reader.page.locator("#panel .chips li").count()
    for name in [name for name in METHODS if name in ("shown", "shown[width=3]", "weak", HOSTILE)]:
        box = reader.page.locator("#table tbody tr", has=reader.page.get_by_text(name, exact=True)).get_by_role("checkbox")
        if box.count() == 1 and not box.is_checked():
            box.click()
    reader.drawn()
    assert before == 5
    assert reader.page.locator("#count").inner_text().startswith("At most 6 rows")
    assert reader.page.locator("#panel .chips li").count() == 6
    assert reader.page.locator("#table input:checked").count() == 6
    reader.page.get_by_role("button", name="remove alpha").click()
    reader.drawn()
    assert reader.page.evaluate("document.activeElement.id") == "add-row"
    assert not reader.page.get_by_role("checkbox", name="curves of alpha").is_checked()


@pytest.mark.slow
def test_the_address_keeps_what_was_chosen(reader: Reader):
    reader.page.get_by_label("Dataset").select_option("wide")
    reader.page.get_by_label("Metric").select_option("brier")
    reader.page.get_by_label("Filter").fill("a")
    reader.page.get_by_role("tab", name="Sites").click()
    address = reader.page.url
    shown = methods(reader)
    reader.page.goto("about:blank")
    reader.page.goto(address)
    assert reader.page.get_by_label("Dataset").input_value() == "wide"
    assert reader.page.get_by_label("Metric").input_value() == "brier"
    assert reader.page.get_by_role("tab", name="Sites").get_attribute("aria-selected") == "true"
    assert methods(reader) == shown


@pytest.mark.slow
def test_an_address_of_nonsense_opens_as_the_first_time(reader: Reader):
    first = methods(reader)
    reader.open("dataset=nowhere&protocol=x&view=y&metric=z&row=q&a=a&b=b&sort=w")
    assert methods(reader) == first


@pytest.mark.slow
def test_hostile_names_are_text_wherever_they_stand(reader: Reader):
    for view in VIEWS:
        reader.open(f"dataset=made&view={view}&row=alpha&row={HOSTILE.replace('=', '%3D')}")
        assert reader.page.locator("img").count() == 0
    assert HOSTILE in methods(reader)
    assert reader.page.title() == f"Made {HOSTILE}"
    reader.open("dataset=made&view=time")
    tooltip = reader.page.locator("#vg-tooltip-element")
    told = []
    for point in reader.page.locator("#panel svg .role-mark.mark-symbol path").all():
        point.hover(force=True)
        told.append(tooltip.inner_text())
        assert tooltip.locator("img").count() == 0
    assert any("<img src=x" in text for text in told)
    assert reader.page.title() == f"Made {HOSTILE}"


@pytest.mark.slow
def test_everything_is_reached_by_the_keyboard(reader: Reader):
    page = reader.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the table"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "ranking"
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"metric", "filter", "kind", "table", "tab-best"} <= set(reached)
    page.locator("#tab-best").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-across"
    assert page.locator("#panel h3").inner_text().startswith("Across datasets")
    page.locator("th[data-key=method] button").focus()
    page.keyboard.press("Enter")
    assert methods(reader) == sorted(methods(reader), key=str.lower)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.slow
def test_dark_mode_follows_the_system_and_the_button(reader: Reader):
    ground = "getComputedStyle(document.body).backgroundColor"
    assert reader.page.evaluate(ground) == "rgb(255, 255, 255)"
    reader.page.emulate_media(color_scheme="dark")
    dark = reader.page.evaluate(ground)
    assert dark != "rgb(255, 255, 255)"
    reader.page.get_by_role("button", name="Colours").click()
    assert reader.page.evaluate(ground) == "rgb(255, 255, 255)"
    reader.page.get_by_role("button", name="Colours").click()
    reader.page.emulate_media(color_scheme="light")
    assert reader.page.evaluate(ground) == dark


@pytest.mark.slow
def test_print_has_the_columns_shown_in_black_on_white_and_no_controls(reader: Reader, tmp_path: Path):
    reader.open("dataset=made&theme=dark")
    reader.page.emulate_media(media="print")
    assert reader.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not reader.page.locator("#metric").is_visible()
    assert not reader.page.locator("#tabs").is_visible()
    assert reader.page.locator("th[data-key=inputs] .printed").is_visible()
    assert reader.page.evaluate("getComputedStyle(document.querySelector('#panel svg text')).fill") == "rgb(0, 0, 0)"
    assert reader.page.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True).startswith(b"%PDF")


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_window_scrolls_tables_and_figures_in_their_own_boxes(reader: Reader, view: str):
    reader.page.set_viewport_size({"width": 380, "height": 800})
    reader.open(f"dataset=wide&view={view}")
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 380


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 380)])
def test_axe_finds_nothing_wrong(reader: Reader, scheme: Literal["light", "dark"], width: int):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    reader.page.emulate_media(color_scheme=scheme)
    reader.page.set_viewport_size({"width": width, "height": 900})
    for view in VIEWS:
        reader.open(f"dataset=wide&view={view}" if view == "sites" else f"dataset=made&view={view}")
        if view == "best":
            for summary in reader.page.locator("summary").all():
                summary.click()
        found = axe.run(reader.page).response["violations"]
        assert not [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found], view


def test_the_first_screen_holds_dataset_answers_and_the_picture_of_all_ranked_rows(reader: Reader):
    reader.page.set_viewport_size({"width": 1400, "height": 900})
    reader.open()
    assert reader.page.get_by_role("combobox", name="Dataset").input_value() == "made"
    assert "200 cases" in reader.page.locator("#facts").inner_text()
    for place in ("#dataset", "#protocol", "#facts", "#questions", "#overview svg"):
        box = reader.page.locator(place).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, place
    names = reader.page.locator("#overview svg .role-axis-label text").all_text_contents()
    assert {name for name in reader.tables[0].ranked if len(name) < 40} <= set(names)  # a longer one is cut
    assert reader.page.locator("#source").is_visible() is False
    reader.page.get_by_text("Source, licence, citation, docs").click()
    source = reader.page.locator("#source").inner_text()
    assert "Licence" in source and reader.page.locator("#source a").count() >= 3


@pytest.mark.parametrize("width", [1000, 1300, 1600])
def test_no_word_of_a_legend_is_cut_off(reader: Reader, width: int):
    reader.page.set_viewport_size({"width": width, "height": 900})
    reader.open()
    reader.drawn()
    legend = reader.page.locator("#overview svg .role-legend text")
    assert legend.all_text_contents() == ["first row", "significantly different", "no difference shown", "not tested"]
    edge = reader.page.locator("#overview svg").bounding_box()
    for word in legend.all():
        box = word.bounding_box()
        assert edge["x"] <= box["x"] and box["x"] + box["width"] <= edge["x"] + edge["width"], word.text_content()


def test_six_columns_stand_unasked_and_the_others_on_demand(reader: Reader):
    heads = reader.page.locator("#table thead th")
    keys = heads.evaluate_all("heads => heads.map((head) => head.dataset.key ?? '')")
    assert keys == ["", "rank", "method", "inputs", "estimate", "difference", "p_adjusted"]
    assert reader.page.evaluate("document.querySelector('#table table').offsetWidth") <= 1280
    reader.page.locator("summary", has_text="Columns").click()
    reader.page.get_by_label("letters", exact=False).check()
    assert reader.page.locator("th[data-key=letters]").count() == 1 and "column=letters" in reader.page.url


def test_the_heat_map_marks_what_is_significantly_worse_than_the_best_of_its_dataset(reader: Reader):
    reader.open("dataset=made&protocol=repeated-cv&view=across")
    heads = reader.page.locator("#panel thead th").all_inner_texts()
    for table in (each for each in reader.tables if each.task.protocol == "repeated-cv"):
        place, against = heads.index(table.task.dataset), table.against_the_first
        for row in reader.page.locator("#panel tbody tr").all():
            name, text = row.locator("th").inner_text(), row.locator("td").nth(place - 1).inner_text()
            worse = name in against and against[name]["p_adjusted"] < 0.05
            assert ("\u25be" in text) == worse and ("*" in text) == (name == table.ranked[0]), name


def test_on_a_telephone_name_and_estimate_are_in_sight_and_the_name_stays(reader: Reader):
    reader.page.set_viewport_size({"width": 390, "height": 844})
    reader.open("dataset=made")
    heads = reader.page.locator("#table thead th[data-key]").evaluate_all("heads => heads.map((head) => head.dataset.key)")
    assert heads[:2] == ["method", "estimate"]
    box = reader.page.locator("#table tbody td[data-cell=estimate]").first.bounding_box()
    assert box["x"] + box["width"] <= 390
    reader.page.locator("#table").evaluate("place => place.scrollTo(500, 0)")
    assert reader.page.locator("#table tbody th").first.bounding_box()["x"] == pytest.approx(12, abs=2)


def test_each_printed_table_says_dataset_protocol_date_licence_and_citation(reader: Reader):
    reader.open("dataset=made&protocol=repeated-cv&view=across")
    reader.page.locator("#overview summary").click()
    reader.page.emulate_media(media="print")
    feet = reader.page.locator("tfoot.printed").all()
    assert len(feet) >= 3
    for foot in feet:
        if foot.is_visible():
            assert foot.inner_text().startswith("made, repeated-cv. Suite made, results of 20")
    made = reader.page.locator("#table tfoot").inner_text()
    assert all(part in made for part in (". Made. none. none",))


def test_a_saved_drawing_is_black_on_white_and_complete(reader: Reader):
    reader.open("dataset=made&theme=dark")
    with reader.page.expect_download() as saved:
        reader.page.locator("#overview button", has_text="Save SVG").click()
    assert saved.value.suggested_filename == "made-repeated-cv-intervals.svg"
    svg = Path(saved.value.path()).read_text(encoding="utf-8")
    assert "var(" not in svg and 'fill="#ffffff"' in svg and "alpha" in svg
    assert "rgb(22, 24, 26)" in svg, "the ink of the light theme"
