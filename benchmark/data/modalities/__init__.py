"""The modalities, one file each: how it is stored, digested, taken, joined and made for tests.

A file of this folder defines `MODALITY`, a `benchmark.data.parts.Modality`; its name is the modality's. Adding one touches no
other file of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.data.parts import Modality, Part

MODALITIES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")))


@cache
def known_modalities() -> Mapping[str, Modality]:
    """Every modality by its name, sorted; the first call imports them all."""
    return {name: import_module(f"{__name__}.{name}").MODALITY for name in MODALITIES}


@cache
def known_parts() -> Mapping[str, Part]:
    """The parts of all modalities by name."""
    return {part.name: part for modality in known_modalities().values() for part in modality.parts}
