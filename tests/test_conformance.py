"""Conformance: every registered method keeps the contract, and each check catches what breaks it, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.listing import listing
from benchmark.cli.main import main
from benchmark.conformance import CHECKS, SHAPES, Finding, check_method, has_error, specimen, with_specimens
from benchmark.discovery import discover
from benchmark.errors import UnknownNameError
from benchmark.registry import Catalogue
from benchmark.spelling import parse_spelling, spell
from tests.conftest import Run

REGISTERED = [item["name"] for item in listing(discover())["methods"]]
SMALLER = {"random-forest": {"trees": 10}}
"""Fields that make a method quick and change nothing of how it treats its inputs."""
REFITTING = ("determinism", "seed", "modalities")

GOOD = '''
"""Methods that keep the contract, and methods that each break one part of it."""

import pickle
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import register_method

CALLS = []


def severity(table):
    return np.nan_to_num(table["nihss"].to_numpy(dtype=float) - 8)


class Curve:
    """Logistic curve of one number; which end is good is learnt."""

    def number(self, cases):
        return severity(cases.table)

    def fit(self, train, validation, seed):
        number = self.number(train)
        self.slope = -1.0 if number[train.labels == 1].mean() < number[train.labels == 0].mean() else 1.0

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-self.slope * self.number(cases) / 8))


@register_method("good", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Good(Curve):
    stochastic = False


@register_method("seeded", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Seeded(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.slope *= np.random.default_rng(seed).uniform(0.5, 2)
        self.threshold, self.chosen = np.float32(0.4), {"slope": np.float64(self.slope)}


@register_method("teacher", family="f", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table"})
@dataclass
class Teacher(Curve):
    """Learns from the image as well, and predicts without it."""

    stochastic = False

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.slope *= 1 + abs(np.corrcoef(train.derived["lesion_volume_ml"], train.labels)[0, 1])


@register_method("forgiving", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"},
                 accepts_missing=True)
@dataclass
class Forgiving(Curve):
    stochastic = False


@register_method("restoring", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Restoring(Curve):
    """Keeps its state in torch's own format and reads it back without running what it holds."""

    stochastic = False

    def fit(self, train, validation, seed):
        import io
        import torch

        super().fit(train, validation, seed)
        kept = io.BytesIO()
        torch.save({"slope": torch.tensor(self.slope)}, kept)
        kept.seek(0)
        self.slope = float(torch.load(kept, weights_only=True)["slope"])
'''

BAD = {
    "card": {
        "plain-class": """
class PlainClass(Curve):
    pass
""",
        "no-default": """
@dataclass
class NoDefault(Curve):
    width: int
""",
        "no-predict": """
@dataclass
class NoPredict:
    def fit(self, train, validation, seed):
        pass
""",
        "unmakeable": """
@dataclass
class Unmakeable(Curve):
    def __post_init__(self):
        raise RuntimeError("no luck")
""",
    },
    "probabilities": {
        "raises-in-fit": """
@dataclass
class RaisesInFit(Curve):
    def fit(self, train, validation, seed):
        raise ValueError("a deliberate failure")
""",
        "raises-in-predict": """
@dataclass
class RaisesInPredict(Curve):
    def predict_proba(self, cases):
        return self.weights
""",
        "quits": """
@dataclass
class Quits(Curve):
    def fit(self, train, validation, seed):
        raise SystemExit(3)
""",
        "gives-nan": """
@dataclass
class GivesNaN(Curve):
    def predict_proba(self, cases):
        return cases.table["age"].to_numpy() * np.nan
""",
        "gives-columns": """
@dataclass
class GivesColumns(Curve):
    def predict_proba(self, cases):
        p = super().predict_proba(cases)
        return np.column_stack([1 - p, p])
""",
        "gives-logits": """
@dataclass
class GivesLogits(Curve):
    def predict_proba(self, cases):
        return self.number(cases)
""",
    },
    "determinism": {
        "counting": """
@dataclass
class Counting(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        CALLS.append(1)
        self.slope *= 1 + len(CALLS)
""",
        "clocked": """
@dataclass
class Clocked(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.slope *= 1 + np.random.default_rng(time.perf_counter_ns()).random()
""",
        "drawing": """
@dataclass
class Drawing(Curve):
    def predict_proba(self, cases):
        return np.clip(super().predict_proba(cases) + 0.1 * np.random.random(len(cases)), 0, 1)
""",
    },
    "seed": {
        "falsely-steady": """
@dataclass
class FalselySteady(Seeded):
    stochastic = False
""",
    },
    "independence": {
        "leaking": """
@dataclass
class Leaking(Curve):
    def number(self, cases):
        raw = super().number(cases)
        return (raw - raw.mean()) / (raw.std() + 1e-9)
""",
        "ranking": """
@dataclass
class Ranking(Curve):
    def predict_proba(self, cases):
        return np.argsort(np.argsort(super().predict_proba(cases))) / len(cases)
""",
        "needs-company": """
@dataclass
class NeedsCompany(Curve):
    def predict_proba(self, cases):
        if len(cases) == 1:
            raise ValueError("a batch of one")
        return super().predict_proba(cases)
""",
    },
    "modalities": {
        "unsealing-at-the-end": """
@dataclass
class UnsealingAtTheEnd(Curve):
    def predict_proba(self, cases):
        source = next(cell.cell_contents for cell in cases.feature_source.__closure__ if callable(cell.cell_contents))
        volume = source("image", None, cases.rows).pooled[:, 0, 0]
        return super().predict_proba(cases) / (1 + volume)
""",
        "unsealing": """
@dataclass
class Unsealing(Curve):
    def number(self, cases):
        source = next(cell.cell_contents for cell in cases.feature_source.__closure__ if callable(cell.cell_contents))
        return super().number(cases) + source("image", None, cases.rows).pooled[:, 0, 0]
""",
    },
    "inputs": {
        "filling-in": """
@dataclass
class FillingIn(Curve):
    def number(self, cases):
        cases.table["age"] = cases.table["age"].fillna(70)
        return super().number(cases)
""",
        "flipping": """
@dataclass
class Flipping(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        train.labels[:] = 1 - train.labels
""",
        "adding-a-column": """
@dataclass
class AddingAColumn(Curve):
    def predict_proba(self, cases):
        cases.table["score"] = self.number(cases)
        return super().predict_proba(cases)
""",
        "swimming": """
@dataclass
class Swimming(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        train.pool.table["nihss"] = 0.0
""",
    },
    "pickle": {
        "unpickling": """
@dataclass
class Unpickling(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        pickle.loads(pickle.dumps(Fraction(1, 2)))
""",
        "unpickling-late": """
@dataclass
class UnpicklingLate(Curve):
    def predict_proba(self, cases):
        import io
        import torch

        kept = io.BytesIO()
        torch.save(torch.zeros(1), kept)
        kept.seek(0)
        torch.load(kept, weights_only=False)
        return super().predict_proba(cases)
""",
    },
    "time": {
        "sleeping": """
@dataclass
class Sleeping(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        time.sleep(0.25)
""",
    },
    "saved attributes": {
        "chooses-a-set": """
@dataclass
class ChoosesASet(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.chosen = {"columns": {1, 2}}
""",
        "chooses-a-list": """
@dataclass
class ChoosesAList(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.chosen = [1, 2]
""",
        "boundless": """
@dataclass
class Boundless(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.threshold = float("inf")
""",
    },
}
IDLE = '''
@register_method("idle", family="f", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table", "image"})
@dataclass
class Idle(Curve):
    """Declares the image and never looks at it."""

    stochastic = False


@register_method("small", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Small(Curve):
    max_cases = 20
    max_cases_reason = "memory grows with the square"


@register_method("misspelt", family="f", reference="r", fit_modalities={"tables"}, predict_modalities={"tables"})
@dataclass
class Misspelt(Curve):
    pass


@register_method("nameless", family="f", reference=" ", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Nameless(Curve):
    pass


@register_method("other-field", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"},
                 variants={"inputs": {"table": {"table"}}})
@dataclass
class OtherField(Curve):
    pass
'''


def registered(name: str, body: str) -> str:
    """The text of a bad method under its decorator."""
    said = f'@register_method("{name}", family="f", reference="r", fit_modalities={{"table"}}, predict_modalities={{"table"}})'
    return f"\n\n{said}\n{body.strip()}\n"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all tests here, so that each specimen is made once."""
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(autouse=True)
def isolated(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKEBENCH_DATA", str(data / "data"))
    monkeypatch.setenv("STROKEBENCH_OUTPUT", str(data / "output"))


@pytest.fixture(scope="session")
def plugin(data: Path) -> Path:
    path = data / "good_and_bad.py"
    bad = [registered(name, body) for methods in BAD.values() for name, body in methods.items()]
    path.write_text(GOOD + IDLE + "".join(bad), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def good_file(data: Path) -> Path:
    path = data / "good_ones.py"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def known(plugin: Path) -> Catalogue:
    """All that is registered in the checkout and in the plug-in."""
    return with_specimens(discover([str(plugin)]))


def of_state(findings: list[Finding], state: str) -> set[str]:
    return {finding.check for finding in findings if finding.state == state}


def said(findings: list[Finding], check: str) -> str:
    return next(finding.said for finding in findings if finding.check == check)


# Every registered method


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", REGISTERED)
def test_a_registered_method_conforms(method: str, shape: str, known: Catalogue) -> None:
    name, parameters = parse_spelling(method)
    # For time's sake a variant is fitted again and again on the complete shape alone, and once on each other shape.
    thorough = not parameters or shape == "complete"
    checks = () if thorough else [check for check in CHECKS if check not in REFITTING]
    findings = check_method(spell(name, parameters | SMALLER.get(name, {})), known, shape, checks=checks)
    assert not has_error(findings), [finding for finding in findings if finding.state == "error"]


@pytest.mark.parametrize("method", ["good", "seeded", "teacher", "forgiving"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_good_method_conforms_without_a_warning(method: str, shape: str, known: Catalogue) -> None:
    findings = check_method(method, known, shape)
    assert of_state(findings, "error") | of_state(findings, "warning") == set()


# What breaks the contract


@pytest.mark.parametrize(("check", "method"), [(check, method) for check, methods in BAD.items() for method in methods])
def test_a_method_that_breaks_one_rule_is_caught_by_that_check_alone(check: str, method: str, known: Catalogue) -> None:
    findings = check_method(method, known, limit_seconds=0.2 if check == "time" else 60)
    assert of_state(findings, "error") == {check}
    assert of_state(findings, "warning") == set()


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("misspelt", "'tables' is no modality: did you mean 'table'?"),
        ("nameless", "'reference' is empty"),
        ("other-field", "variants name 'inputs', which is no field of OtherField"),
        ("plain-class", "put @dataclass below @register_method"),
        ("no-default", "field 'width' has no default"),
        ("no-predict", "has no predict_proba"),
        ("unmakeable", "RuntimeError: no luck"),
    ],
)
def test_what_is_wrong_with_a_card_is_said(method: str, words: str, known: Catalogue) -> None:
    (finding,) = check_method(method, known)
    assert (finding.check, finding.state) == ("card", "error")
    assert words in finding.said


def test_a_file_that_cannot_be_read_or_imported_is_an_error_of_the_card(tmp_path: Path) -> None:
    for number, text in enumerate(["def broken(:", "import no_such_library\n" + GOOD]):
        path = tmp_path / f"broken_{number}.py"
        path.write_text(text, encoding="utf-8")
        catalogue = discover([str(path)])
        name = next(entry.name for entry in catalogue.methods if entry.path == path)
        (finding,) = check_method(name, catalogue)
        assert (finding.check, finding.state) == ("card", "error")


def test_what_a_method_raises_is_told_with_the_line_that_raised_it(known: Catalogue) -> None:
    findings = check_method("raises-in-fit", known)
    first, *traceback = findings[-1].said.splitlines()
    assert first == "fit raised ValueError: a deliberate failure"
    assert any('raise ValueError("a deliberate failure")' in line for line in traceback)


def test_after_a_failure_nothing_more_is_checked(known: Catalogue) -> None:
    assert [finding.check for finding in check_method("raises-in-predict", known)] == ["card", "applicability", "probabilities"]


def test_where_predictions_differ_each_time_nothing_is_concluded_from_comparing_them(known: Catalogue) -> None:
    assert of_state(check_method("counting", known), "skipped") == {"seed", "independence", "modalities"}


def test_a_declared_modality_without_effect_is_a_warning(known: Catalogue) -> None:
    findings = check_method("idle", known)
    assert of_state(findings, "error") == set()
    assert of_state(findings, "warning") == {"modalities"}
    assert said(findings, "modalities").startswith("image dealt anew")


def test_a_method_that_declares_nothing_is_not_warned(known: Catalogue) -> None:
    assert of_state(check_method("majority", known), "warning") == set()


def test_a_seed_without_effect_is_a_hint_and_no_warning(known: Catalogue) -> None:
    assert "`stochastic = False` would save cells" in said(check_method("filling-in", known), "seed")
    assert said(check_method("good", known), "seed") == "no seed changes anything, as `stochastic = False` says"
    assert of_state(check_method("filling-in", known), "warning") == set()


def test_what_was_changed_in_place_is_named(known: Catalogue) -> None:
    assert "train.labels" in said(check_method("flipping", known), "inputs")
    assert "test.table" in said(check_method("adding-a-column", known), "inputs")
    assert "train.pool.table" in said(check_method("swimming", known), "inputs")


def test_what_was_unpickled_is_named(known: Catalogue) -> None:
    assert "fractions.Fraction" in said(check_method("unpickling", known), "pickle")


def test_loading_weights_alone_is_no_unpickling(known: Catalogue) -> None:
    assert of_state(check_method("restoring", known), "error") == set()


@pytest.mark.parametrize(
    ("method", "shape", "reason"),
    [("small", "complete", "memory grows with the square"), ("lesion-volume", "table only", "has no image")],
)
def test_a_method_that_does_not_apply_is_skipped_with_the_reason(
    method: str, shape: str, reason: str, known: Catalogue
) -> None:
    findings = check_method(method, known, shape)
    assert [finding.state for finding in findings] == ["good", "skipped"]
    assert reason in findings[-1].said


def test_only_a_method_that_accepts_missing_modalities_is_tried_on_them(known: Catalogue) -> None:
    assert of_state(check_method("good", known, "missing modalities"), "skipped") == {"applicability"}
    assert of_state(check_method("forgiving", known, "missing modalities"), "skipped") == set()


def test_checks_can_be_confined(known: Catalogue) -> None:
    assert [finding.check for finding in check_method("good", known, checks=["time"])] == ["card", "applicability", "time"]


@pytest.mark.parametrize(
    ("spelled", "shape", "checks"),
    [("godo", "complete", ()), ("xgboost[depth=1]", "complete", ()), ("good", "round", ()), ("good", "complete", ("colour",))],
)
def test_unknown_names_are_refused(spelled: str, shape: str, checks: tuple[str, ...], known: Catalogue) -> None:
    with pytest.raises(UnknownNameError):
        check_method(spelled, known, shape, checks=checks)


# Specimens


@pytest.mark.parametrize("shape", SHAPES)
def test_permuting_a_modality_moves_it_and_nothing_else(shape: str) -> None:
    whole = specimen(shape)
    for modality in whole.modalities:
        other = specimen(shape, permuted=frozenset({modality}))
        assert np.array_equal(whole.labels, other.labels)
        assert np.array_equal(whole.sites, other.sites)
        same = {
            "table": whole.table is None or whole.table.equals(other.table),
            "text": whole.reports == other.reports,
            "image": whole.derived is None or whole.derived.equals(other.derived),
        }
        assert [name for name in whole.modalities if not same[name]] == [modality]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_modality_of_a_specimen_can_be_encoded_and_tells_of_the_label(shape: str) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    from benchmark.preprocessing import PARTS, DesignMatrix

    cases = specimen(shape)
    for part in (name for name, modality in PARTS.items() if modality in cases.modalities):
        x = DesignMatrix(part).fit(cases).transform(cases)
        assert cross_val_score(LogisticRegression(max_iter=1000), x, cases.labels, scoring="roc_auc").mean() > 0.7


def test_a_specimen_lacks_what_its_shape_says() -> None:
    assert specimen("table only").modalities == {"table"}
    assert specimen("no text").modalities == {"table", "image"}
    assert set(specimen("one site").sites) == {"East"}
    lacking = specimen("missing modalities")
    assert lacking.absent == {"table": 12, "image": 12, "text": 12}
    assert lacking.table[~lacking.present["table"]].isna().all(axis=None)
    assert lacking.derived[~lacking.present["image"]].isna().all(axis=None)
    assert not lacking.images["flair"].load()[~lacking.present["image"]].any()
    assert all((not drafts) == (not there) for drafts, there in zip(lacking.reports, lacking.present["text"], strict=True))
    assert specimen("complete").absent == {}


# The command


def test_a_method_that_conforms_ends_with_0_and_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "lesion-volume"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lesion-volume"
    assert [line.strip() for line in lines if line.strip() in SHAPES] == list(SHAPES)
    assert lines[-1] == "lesion-volume conforms (35 checks on 5 shapes, 2 skipped)"


def test_a_method_that_does_not_conform_ends_with_1(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "leaking", "--plugin", str(plugin), "--shape", "table only"]) == 1
    out = capsys.readouterr().out
    assert "    error   independence: predictions of one case alone differ" in out
    assert out.splitlines()[-1] == "leaking does not conform: 1 error"


def test_what_is_wrong_with_a_card_is_said_once(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "misspelt", "--plugin", str(plugin)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "misspelt does not conform: 1 error"


def test_a_warning_is_counted_and_is_no_failure(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "idle", "--plugin", str(plugin), "--shape", "no text"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "idle conforms (11 checks on 1 shape, 1 warning)"


def test_a_method_that_applies_nowhere_is_not_said_to_conform(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "small", "--plugin", str(plugin)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "small was not tried: it applies to no shape that was asked for"


def test_a_file_stands_for_all_its_methods(good_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(good_file), "--shape", "complete", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {item["method"] for item in found} == {"good", "seeded", "teacher", "forgiving", "restoring"}
    assert {item["shape"] for item in found} == {"complete"}
    assert set(found[0]) == {"method", "shape", "check", "state", "said"}


def test_json_holds_what_the_text_says(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "flipping", "--plugin", str(plugin), "--shape", "complete", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [item["check"] for item in found if item["state"] == "error"] == ["inputs"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["xgbost"], "did you mean 'xgboost'?"),
        (["xgboost[depth=1]"], "unknown parameter of xgboost 'depth'"),
        (["xgboost", "--shape", "tabl only"], "did you mean 'table only'?"),
        (["no_such_file.py"], "is not a file"),
        (["datasets/synthetic_stroke.py"], "registers no method"),
    ],
)
def test_a_usage_error_ends_with_2_and_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_the_real_command_and_its_help(benchmark_cli: Run, plugin: Path) -> None:
    done = benchmark_cli("check", "good", "--plugin", plugin, "--shape", "table only")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "good conforms (11 checks on 1 shape)")


def test_help_imports_nothing_heavy(python: Run) -> None:
    done = python(
        "import sys\n"
        "from benchmark.cli.main import main\n"
        "try:\n    main(['check', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('numpy', 'pandas', 'sklearn', 'torch') if name in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "[]"
