"""Conformance: every registered method keeps the contract, and each check catches what breaks it, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from benchmark.audit.attempt import with_specimens
from benchmark.audit.conformance import CHECKS, COMPARING, check_method
from benchmark.audit.findings import Finding, has_error
from benchmark.audit.made_cohorts import SHAPES
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.registry.spelling import parse_spelling, spell
from benchmark.system.errors import UnknownNameError

CONTRACT_METHODS = Path(__file__).with_name("contract_methods.py")
REGISTERED = [method.spelled for method in discover().variants()]
SMALLER = {
    "random-forest": {"trees": 10},
    "average-ensemble": {"trees": 10},
    "neural": {"epochs": 2},
    "adapted": {"epochs": 2},
    "proposed": {"epochs": 2},
    "late-average": {},
    "self-supervised": {"epochs": 2, "samples": 64, "pretraining_epochs": 2},
    "ssmsrpm": {"epochs": 2, "samples": 64, "pretraining_epochs": 2},
    "image-table-net": {"epochs": 2, "samples": 64},
    "ecg-net": {"epochs": 2, "samples": 64},
    "ecg-mae": {"epochs": 2, "samples": 64, "masking_epochs": 2},
    **dict.fromkeys(
        ("neurobert", "report-space-probe"), {"corpora": "", "language_epochs": 1, "matching_epochs": 2, "image_steps": 32}
    ),
    "report-query": {"corpora": "", "language_epochs": 1, "matching_epochs": 2},
    "finding-net": {"steps": 8},
    "nearest-scan": {},
    "bright-pixels": {},
    "cardio-ssl": {"epochs": 2, "samples": 64, "masking_epochs": 2, "image_epochs": 2, "transfer_epochs": 2},
}
"""Fields that make a method, or those of a family, quick, and change nothing of how it treats its inputs."""
REFITTING = {"determinism", "seed", "shared training", "labels", "earlier cells", "modalities"}
"""Checks that fit again; all others look at one fit."""
REBALANCING = {"smote", "class_weight"}
"""Fields of how a method weighs or draws its training cases, whatever modalities it sees."""
BLINDED = {"image", "text", "table", "zeroed"}
"""Fields of controls and ablations, in which a declared modality may tell nothing."""
CHOOSY = {"decision-tree", "nearest-scan"}
"""The few splits of the one need not touch every modality; the other reads reports to compare scans with words alone."""
CARDS = {
    "misspelt": "unknown modality 'tables': did you mean 'table'?",
    "nameless": "'reference' is empty",
    "other-field": "variants name 'inputs', which is no field of OtherField",
    "plain-class": "put @dataclass below @register_method",
    "no-default": "field 'width' has no default",
    "no-predict": "has no predict_proba",
    "unmakeable": "RuntimeError: no luck",
}
"""What is said of each method whose card is wrong."""


def of_family(*families: str) -> list[tuple[str, str]]:
    """(family, name) of the contract methods; the family of a bad one is the check that it fails."""
    entries = [entry for entry in discover([str(CONTRACT_METHODS)]).methods if entry.path == CONTRACT_METHODS]
    return [(entry.card.family, entry.name) for entry in entries if entry.card.family in families]


def tried(method: str) -> dict[str, Collection[str]]:
    """Shape -> the checks that fit a registered method again there; a single fit shows the others.

    A shape changes how a method fits through missing values alone. A variant is the same code with another field: it is
    refitted for what that field can change.
    """
    parameters = parse_spelling(method)[1].keys()
    if not parameters:
        return {shape: REFITTING if shape in ("complete", "missing-modalities") else () for shape in SHAPES}
    if parameters & REBALANCING:
        return {"complete": ("determinism", "seed", "labels"), "missing-modalities": ()}
    complete = () if "size" in parameters else ("determinism", "shared training", "modalities")
    others = ("table-only", "no-text", "missing-modalities") if parameters & {"features", "modalities"} else ()
    return {"complete": complete, **dict.fromkeys(others, ())}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all tests here, so that each specimen is made once."""
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(autouse=True)
def isolated(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Below that folder, and with one computing thread, as the command has it: two are five times slower on 72 cases."""
    monkeypatch.setenv("STROKEBENCH_DATA", str(data / "data"))
    monkeypatch.setenv("STROKEBENCH_OUTPUT", str(data / "output"))
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def known() -> Catalogue:
    """All that is registered in the checkout and in the file of contract methods."""
    return with_specimens(discover([str(CONTRACT_METHODS)]))


@pytest.fixture(scope="session")
def found(known: Catalogue) -> Callable[[str], list[Finding]]:
    """`found("good")` -> what all checks find of a contract method on the complete shape, tried once per session."""
    slow = {name for _, name in of_family("time")}
    return cache(lambda method: check_method(method, known, limit_seconds=0.2 if method in slow else 60))


Found = Callable[[str], list[Finding]]


def of_state(findings: list[Finding], state: str) -> set[str]:
    return {finding.check for finding in findings if finding.state == state}


def said(findings: list[Finding], check: str) -> str:
    return next(finding.message for finding in findings if finding.check == check)


# What keeps the contract


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "shape", "refitting"),
    [pytest.param(method, *how, id=f"{method}-{how[0]}") for method in REGISTERED for how in tried(method).items()],
)
def test_a_registered_method_conforms(method: str, shape: str, refitting: Collection[str], known: Catalogue) -> None:
    name, parameters = parse_spelling(method)
    smaller = SMALLER.get(name, SMALLER.get(known.methods.get(name).card.family, {}))
    checks = (CHECKS.keys() - REFITTING) | set(refitting)
    findings = check_method(spell(name, parameters | smaller), known, shape, checks=checks)
    assert not has_error(findings), [finding for finding in findings if finding.state == "error"]
    if not (parameters.keys() & BLINDED) and name not in CHOOSY:
        assert "modalities" not in of_state(findings, "warning"), said(findings, "modalities")


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for _, name in of_family("conforms")])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_good_method_conforms_without_a_warning(method: str, shape: str, known: Catalogue) -> None:
    findings = check_method(method, known, shape)
    assert of_state(findings, "error") | of_state(findings, "warning") == set()


# What breaks the contract


@pytest.mark.parametrize(("check", "method"), of_family(*CHECKS))
def test_a_method_that_breaks_one_rule_is_caught_by_that_check_alone(check: str, method: str, found: Found) -> None:
    assert of_state(found(method), "error") == {check}
    assert of_state(found(method), "warning") == set()


def test_each_check_is_failed_by_a_method() -> None:
    families = {family for family, _ in of_family("card", *CHECKS, "warned: labels")}
    assert {family.removeprefix("warned: ") for family in families} == {"card", *CHECKS}


@pytest.mark.parametrize("check", ["labels", "probabilities", "determinism"])
def test_what_may_be_meant_is_a_warning_of_that_check_alone(check: str, found: Found) -> None:
    ((_, method),) = of_family(f"warned: {check}")
    assert of_state(found(method), "error") == set()
    assert of_state(found(method), "warning") == {check}


def test_a_failure_says_how_small_the_specimen_is(found: Found) -> None:
    assert "the specimen trains on 45 cases and validates on 12" in said(found("raises-in-fit"), "probabilities")


@pytest.mark.parametrize("method", [name for _, name in of_family("card")])
def test_what_is_wrong_with_a_card_is_said(method: str, found: Found) -> None:
    (finding,) = found(method)
    assert (finding.check, finding.state) == ("card", "error")
    assert CARDS[method] in finding.message


@pytest.mark.parametrize("first_line", ["def broken(:", "import no_such_library"])
def test_a_file_that_cannot_be_read_or_imported_is_an_error_of_the_card(first_line: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(f"{first_line}\n{CONTRACT_METHODS.read_text(encoding='utf-8')}", encoding="utf-8")
    catalogue = discover([str(path)])
    name = next(entry.name for entry in catalogue.methods if entry.path == path)
    (finding,) = check_method(name, catalogue)
    assert (finding.check, finding.state) == ("card", "error")


def test_what_a_method_raises_is_told_with_the_line_that_raised_it(found: Found) -> None:
    first, *traceback = found("raises-in-fit")[-1].message.splitlines()
    assert first == "fit raised ValueError: a deliberate failure"
    assert any('raise ValueError("a deliberate failure")' in line for line in traceback)


def test_writing_into_images_raises(found: Found) -> None:
    assert "read-only" in said(found("painting"), "probabilities")


def test_after_a_failure_nothing_more_is_checked(found: Found) -> None:
    assert [finding.check for finding in found("raises-in-predict")] == ["card", "applicability", "probabilities"]


def test_where_predictions_differ_each_time_nothing_is_concluded_from_comparing_them(found: Found) -> None:
    assert of_state(found("counting"), "skipped") == COMPARING


def test_a_declared_modality_without_effect_is_a_warning(found: Found) -> None:
    assert of_state(found("idle"), "error") == set()
    assert of_state(found("idle"), "warning") == {"modalities"}
    assert said(found("idle"), "modalities").startswith("permuting image")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("classes", "only two distinct values, 0 and 1: the AUC is that of a vote"),
        ("constant", "all are 0.3, although modalities are declared"),
    ],
)
def test_predictions_of_few_values_are_a_warning(method: str, message: str, found: Found) -> None:
    assert of_state(found(method), "error") == set()
    assert "probabilities" in of_state(found(method), "warning")
    assert said(found(method), "probabilities").startswith(message)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("gives-columns", r"shape \(15, 2\) for 15 cases: it must be \(15,\): take column 1, P\(label = 1\)"),
        ("gives-logits", r"\d+ of 15 probabilities lie outside \[0, 1\], by up to [\d.]+ .*: these look like log-odds"),
    ],
)
def test_what_is_given_instead_of_probabilities_is_recognised(method: str, message: str, found: Found) -> None:
    assert re.search(message, said(found(method), "probabilities"))


def test_a_method_that_declares_nothing_is_not_warned(found: Found) -> None:
    assert of_state(found("majority"), "warning") == set()


def test_a_seed_without_effect_is_a_hint(found: Found) -> None:
    assert "`stochastic = False` would save cells" in said(found("filling-in"), "seed")
    assert said(found("good"), "seed") == "no seed changes anything, as `stochastic = False` says"


def test_what_was_changed_in_place_is_named(found: Found) -> None:
    assert "train.labels" in said(found("flipping"), "inputs")
    assert "test.table" in said(found("adding-a-column"), "inputs")
    assert "train.pool.table" in said(found("swimming"), "inputs")


def test_what_was_unpickled_is_named(found: Found) -> None:
    assert "fractions.Fraction" in said(found("unpickling"), "pickle")


@pytest.mark.parametrize(
    ("method", "shape", "reason"),
    [
        ("small", "complete", "memory grows with the square"),
        ("lesion-volume", "table-only", "has no image"),
        ("consciousness", "complete", "has no column RCONSC"),
    ],
)
def test_a_method_that_does_not_apply_is_skipped_with_the_reason(
    method: str, shape: str, reason: str, known: Catalogue
) -> None:
    findings = check_method(method, known, shape)
    assert [finding.state for finding in findings] == ["good", "skipped"]
    assert reason in findings[-1].message


def test_only_a_method_that_accepts_missing_modalities_is_tried_on_them(known: Catalogue) -> None:
    assert of_state(check_method("good", known, "missing-modalities", checks=["time"]), "skipped") == {"applicability"}
    assert of_state(check_method("forgiving", known, "missing-modalities", checks=["time"]), "skipped") == set()


def test_checks_can_be_confined(known: Catalogue) -> None:
    assert [finding.check for finding in check_method("good", known, checks=["time"])] == ["card", "applicability", "time"]


@pytest.mark.parametrize(
    ("spelled", "shape", "checks"),
    [("godo", "complete", ()), ("xgboost[depth=1]", "complete", ()), ("good", "round", ()), ("good", "complete", ("colour",))],
)
def test_unknown_names_are_refused(spelled: str, shape: str, checks: tuple[str, ...], known: Catalogue) -> None:
    with pytest.raises(UnknownNameError):
        check_method(spelled, known, shape, checks=checks)
