"""The house: where modules may lie, and which way their imports point."""

from __future__ import annotations

from benchmark.system import provenance
from benchmark.system.locations import ROOT


def test_every_contract_module_of_the_keys_exists() -> None:
    for name in (*provenance.CONTRACTS, *provenance.CONTRACT_FOLDERS):
        place = ROOT.joinpath(*name.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file(), name


def test_no_module_imports_itself_in_a_circle_not_even_inside_a_function() -> None:
    import grimp

    graph = grimp.build_graph("benchmark", "datasets", "baselines", "methods")
    waiting = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while ready := {module for module, imported in waiting.items() if not imported & waiting.keys()}:
        waiting = {module: imported for module, imported in waiting.items() if module not in ready}
    assert not waiting, f"these import each other in a circle, or what does: {sorted(waiting)}"
