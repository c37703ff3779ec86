"""The edge to the plotting library: Vega-Lite for a browser, and drawings of its specifications.

A drawing needs no font of the machine that makes or shows it: texts are set in DejaVu Sans, which matplotlib brings along, and
an SVG has them as outlines.
"""

import contextlib
import html
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.system.errors import BenchmarkError
from benchmark.system.files import write_durably
from benchmark.system.locations import cache_folder

PACKAGE = "vl-convert-python"
MISSING = f"the page and the figures need {PACKAGE}: pip install -r requirements.lock"
DOTS_PER_INCH = 300
FONTS = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
TEXT = re.compile(r"<text (?P<attributes>[^>]*)>(?P<text>[^<]*)</text>")
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
SHIFT = {"start": 0.0, "middle": 0.5, "end": 1.0}
"""What part of a text's width stands left of its place."""
OF_FONTS = ("text-anchor", "font-family", "font-size", "font-weight", "font-style", "transform")
DEFINED = re.compile(r"(?<=id=\"|rl\(#)(clip|gradient_)\d+")
"""Names within a drawing, which the library counts on from one drawing to the next."""


def browser_bundle() -> str:
    """Vega, Vega-Lite and their embedding as one script that needs no network; made once per version, then kept.

    Making it takes two seconds, so it lies in the user's cache; where that cannot be written it is made each time.
    """
    from importlib.metadata import version

    try:
        name = f"vega-{version(PACKAGE)}.js"
    except ImportError as error:
        raise BenchmarkError(MISSING) from error
    with contextlib.suppress(OSError, UnicodeDecodeError, BenchmarkError):
        return (cache_folder() / "page" / name).read_text(encoding="utf-8")
    bundle: str = _library().javascript_bundle()
    with contextlib.suppress(BenchmarkError):
        write_durably(cache_folder() / "page" / name, bundle.encode())
    return bundle


def as_svg(spec: dict[str, Any]) -> bytes:
    """The drawing of a Vega-Lite specification as SVG with texts as outlines; the same bytes for the same specification."""
    svg: str = _library().vegalite_to_svg(spec)
    known: dict[str, str] = {}
    named = DEFINED.sub(lambda found: known.setdefault(found[0], f"{found[1]}{len(known)}"), svg)
    return TEXT.sub(_outlined, named).encode()


def as_pdf(spec: dict[str, Any]) -> bytes:
    """The drawing of a Vega-Lite specification as PDF, which holds its font; its texts can be searched."""
    return bytes(_library().vegalite_to_pdf(spec))


def as_png(spec: dict[str, Any]) -> bytes:
    """The drawing of a Vega-Lite specification as PNG."""
    return bytes(_library().vegalite_to_png(spec, ppi=DOTS_PER_INCH))


def _library() -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        raise BenchmarkError(MISSING) from error
    _register_fonts(vl_convert)
    return vl_convert


@cache
def _register_fonts(library: ModuleType) -> None:
    """Have the library measure and draw texts in our font, whatever the machine has."""
    library.register_font_directory(str(_font_folder()))


def _font_folder() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _outlined(found: re.Match[str]) -> str:
    """A text of an SVG as the outlines of its letters, with the text as its title; nothing of one that is not seen."""
    attributes = dict(ATTRIBUTE.findall(found["attributes"]))
    if attributes.get("opacity") == "0" or not found["text"]:
        return ""
    weight = "bold" if attributes.get("font-weight", "normal") in ("bold", "700") else "normal"
    outlines, width = _outlines(html.unescape(found["text"]), weight)
    size = float(attributes["font-size"].removesuffix("px"))
    left = -SHIFT[attributes.get("text-anchor", "start")] * width * size
    place = f"{attributes.get('transform', '')} translate({left:.2f},0) scale({size:g},{-size:g})".strip()
    kept = " ".join(f'{name}="{value}"' for name, value in attributes.items() if name not in OF_FONTS)
    return f'<path transform="{place}" {kept} d="{outlines}"><title>{found["text"]}</title></path>'


def _outlines(text: str, weight: str) -> tuple[str, float]:
    """The outlines of a text as an SVG path, and its width: both in units of the font's size, y upwards."""
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.pens.transformPen import TransformPen

    glyphs, letters, unit = _font(weight)
    pen, x = SVGPathPen(glyphs, ntos=lambda number: f"{number:.3f}".rstrip("0").rstrip(".")), 0.0
    for letter in text:
        glyph = glyphs[letters.get(ord(letter), ".notdef")]
        glyph.draw(TransformPen(pen, (1 / unit, 0, 0, 1 / unit, x, 0)))
        x += glyph.width / unit
    return pen.getCommands(), x


@cache
def _font(weight: str) -> tuple[Any, dict[int, str], int]:
    """The glyphs of a font, its letters by code point, and how many of its units make its size."""
    from fontTools.ttLib import TTFont

    font = TTFont(_font_folder() / FONTS[weight])
    return font.getGlyphSet(), font.getBestCmap(), font["head"].unitsPerEm
