"""The edge to the plotting library: Vega-Lite for a browser, and drawings of its specifications."""

import contextlib
import re
from types import ModuleType
from typing import Any

from benchmark.system.errors import BenchmarkError
from benchmark.system.files import write_durably
from benchmark.system.locations import cache_folder

PACKAGE = "vl-convert-python"
MISSING = f"the page and the figures need {PACKAGE}: pip install -r requirements.lock"
DOTS_PER_INCH = 300
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
    """The drawing of a Vega-Lite specification as SVG; the same bytes for the same specification."""
    svg: str = _library().vegalite_to_svg(spec)
    known: dict[str, str] = {}
    return DEFINED.sub(lambda found: known.setdefault(found[0], f"{found[1]}{len(known)}"), svg).encode()


def as_png(spec: dict[str, Any]) -> bytes:
    """The drawing of a Vega-Lite specification as PNG."""
    return bytes(_library().vegalite_to_png(spec, ppi=DOTS_PER_INCH))


def _library() -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        raise BenchmarkError(MISSING) from error
    return vl_convert
