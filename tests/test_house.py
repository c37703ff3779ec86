"""The house: where modules may lie, and which way their imports point."""

from __future__ import annotations

from benchmark.system import provenance
from benchmark.system.locations import ROOT


def test_every_contract_module_of_the_keys_exists() -> None:
    for name in (*provenance.CONTRACTS, *provenance.CONTRACT_FOLDERS):
        place = ROOT.joinpath(*name.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file(), name
