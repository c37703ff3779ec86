"""Suites whose results a suite's page and pairs show besides its own: its ablations and its sensitivity."""

from benchmark.cells.rows import current_suite
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Suite, suite_names

FURTHER = ("ablations", "sensitivity")
"""Suites `<suite>-<part>`."""


def further_suites(suite: Suite, catalogue: Catalogue, *, local: bool = True) -> list[Suite]:
    """Those that a suite has, as they stand."""
    names = [f"{suite.name}-{part}" for part in FURTHER]
    return [current_suite(name, catalogue, local=local) for name in names if name in suite_names()]
