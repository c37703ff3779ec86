"""Cases as a page that works from disk, without script: what was asked, each case with its picture, scores and report."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmark.leaderboard.case_pictures import Picture
from benchmark.leaderboard.cases_found import Found, names

STYLE = Path(__file__).resolve().parent / "page_files" / "cases.css"
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data:"
NOTE = "Research only: a score says how alike image and words are to this model, and is no diagnosis."


def cases_page(title: str, said: Sequence[str], found: Found, pictures: Mapping[str, Picture]) -> str:
    """The page. `said` are the sentences above the cases; `pictures` case -> its picture."""
    asked = _article(found["case"], "", pictures) if isinstance(found.get("case"), dict) else ""
    cards = [_article(case, f"{case['rank']}. ", pictures) for case in found["cases"]]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{STYLE.read_text(encoding='utf-8')}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#cases">Skip to the cases</a>',
            f"<header><h1>{html.escape(title)}</h1>",
            *(f"<p>{html.escape(sentence)}</p>" for sentence in said),
            f'<p class="note">{NOTE}</p></header>',
            "<main>",
            *([f'<section aria-label="The case that was asked about">{asked}</section>'] if asked else []),
            _findings(found.get("findings")),
            _listed(cards),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _listed(cards: Sequence[str]) -> str:
    items = "".join(f"<li>{card}</li>" for card in cards)
    return f'<section id="cases" tabindex="-1"><h2>Cases</h2><ol>{items}</ol></section>' if cards else ""


def _article(case: Found, place: str, pictures: Mapping[str, Picture]) -> str:
    shown = pictures.get(case["case"], Picture())
    image = f'<img src="{shown.source}" alt="{html.escape(shown.words, quote=True)}">' if shown.source else "<p>No image.</p>"
    figures = [
        ("similarity", f"{case['similarity']:.3f}" if "similarity" in case else ""),
        ("P(label = 1)", f"{case['probability']:.3f}" if "probability" in case else ""),
        ("called", {True: "yes", False: "no"}.get(case.get("called", ""), "")),
        ("findings", "" if "report" not in case or case["findings"] is None else names(case["findings"])),
        ("pool", "without label" if case.get("pool") else ""),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in figures if value)
    report = case.get("report", "")
    text = f"<details open><summary>Report</summary><p>{html.escape(report)}</p></details>" if report else ""
    return f"<article><h3>{place}{html.escape(case['case'])}</h3>{image}<dl>{rows}</dl>{text}</article>"


def _findings(findings: Iterable[Found] | None) -> str:
    """The table of suggested findings."""
    if findings is None:
        return ""
    values = ((html.escape(row["finding"]), f"{row['similarity']:.3f}", area(row["auc"])) for row in findings)
    rows = "".join(f"<tr><th scope='row'>{name}</th><td>{like}</td><td>{of}</td></tr>" for name, like, of in values)
    head = "<tr><th scope='col'>finding</th><th scope='col'>similarity</th><th scope='col'>AUC in the benchmark</th></tr>"
    return f"<section><h2>Findings</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table></section>"


def area(estimate: Found | None) -> str:
    """An AUC with its interval, or that it was not computed."""
    if estimate is None:
        return "not computed yet"
    interval = "" if estimate["ci"] is None else f" ({estimate['ci'][0]:.3f} to {estimate['ci'][1]:.3f})"
    return f"{estimate['mean']:.3f}{interval}"
