"""Stages of corpora: built once for all datasets, splits and rows, from texts alone; and stages that belong to a base class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from benchmark.cells.stages import RowStages
from benchmark.data.splits import Split
from benchmark.data.stages import ARRAYS, stages_folder, stored_stages
from benchmark.learning.stages import stage
from benchmark.registry.discovery import discover
from tests.made_benchmark import MadeBenchmark

ROWS = """
from dataclasses import dataclass, field

import numpy as np

from benchmark import BenchmarkError, Document, register_corpus, register_method, stage


@register_corpus("few", title="Few", source="here", license="CC0-1.0", citation="none", scope="Made: of no use.", documents=2)
@dataclass(frozen=True)
class Few:
    def documents(self, sources):
        return [Document("an acute infarct"), Document("no bleed WORD")]


@dataclass
class WithLanguage:
    corpora: str = "few"
    depth: int = 1
    head: str = "plain"

    @stage(corpora="corpora", fields=("corpora", "depth"))
    def language(self, seen, seed):
        for part in ("train", "validation", "pool", "unlabelled"):
            try:
                getattr(seen, part)
            except BenchmarkError:
                continue
            raise AssertionError(f"{part} was seen")
        words = [len(document.text.split()) for corpus in seen.corpora(self.corpora) for document in corpus.documents]
        return {"words": np.array(words), "drawn": np.random.normal(size=self.depth), "seed": np.array(seed)}

    @stage(sees={"unlabelled"}, modalities={"text"}, fields=("corpora", "depth"), after=("language",))
    def matching(self, seen, seed):
        held = np.array([int(name in seen.unlabelled.modalities) for name in ("text", "table", "image")])
        return {"held": held, "words": self.stages["language"]["words"], "cases": np.array(len(seen.unlabelled))}

    def fit(self, train, validation, seed):
        self.p = float(self.stages["matching"]["words"].mean()) / 10

    def predict_proba(self, cases):
        return np.full(len(cases), self.p)


@register_method("one", family="made", reference="none", fit_modalities={"text", "table"}, predict_modalities={"table"})
@dataclass
class One(WithLanguage):
    pass


@register_method("other", family="made", reference="none", fit_modalities={"text", "image"}, predict_modalities={"image"})
@dataclass
class Other(WithLanguage):
    shown: int = 1
"""


SEARCHED = """    shown: int = 1

    def search_space(self):
        return {"shown": [1, 2, 3]}
"""


def run(made: MadeBenchmark, *words: str, code: str = ROWS) -> Any:
    path = made.write("rows.py", code)
    return made.run("--plugin", str(path), "--protocol", "leave-one-site-out", *words)


def built(made: MadeBenchmark, stage: str) -> list[dict[str, Any]]:
    return [each for each in made.json("show", "stages", "--json") if each["stage"] == stage]


def arrays(stage: str) -> list[dict[str, np.ndarray]]:
    kept = [each for each in stored_stages() if each.stage == stage]
    return [load((stages_folder() / each.digest / ARRAYS).read_bytes()) for each in kept]


def test_one_stage_of_corpora_serves_every_split_seed_row_and_dataset(made: MadeBenchmark) -> None:
    run(made, "--method", "one", "--method", "other", "--method", "other[shown=2]", "--method", "one[head=other]")
    (language,) = built(made, "language")
    assert (language["method"], language["dataset"], language["cases_seen"]) == ("with-language", "few", [])
    assert {row.split("/")[2] for row in language["used_by"]} == {"one", "other", "other[shown=2]", "one[head=other]"}
    assert arrays("language")[0]["words"].tolist() == [3, 3]


def test_a_stage_that_says_what_it_sees_belongs_to_its_class_and_rows_of_other_methods_share_it(made: MadeBenchmark) -> None:
    run(made, "--method", "one", "--method", "other", "--seeds", "39")
    matching = built(made, "matching")
    assert len(matching) == 3  # a hospital each
    assert {each["method"] for each in matching} == {"with-language"}
    assert all(len(each["used_by"]) == 2 and each["cases_seen"] for each in matching)
    assert all(each["held"].tolist() == [1, 0, 0] for each in arrays("matching"))


@pytest.mark.slow
def test_another_text_another_field_and_other_code_make_another_stage_of_corpora(made: MadeBenchmark) -> None:
    run(made, "--method", "one", "--seeds", "39")
    run(made, "--method", "one[depth=2]", "--seeds", "39")
    assert len(built(made, "language")) == 2
    run(made, "--method", "one", "--seeds", "39", code=ROWS.replace("WORD", "acute"))
    assert len(built(made, "language")) == 3
    run(
        made,
        "--method",
        "one",
        "--seeds",
        "39",
        code=ROWS.replace("WORD", "acute").replace("np.array(words)", "np.array(words) + 1"),
    )
    assert len(built(made, "language")) == 4


def test_the_texts_are_among_what_all_cells_of_a_row_depend_on_a_tuned_one_too(made: MadeBenchmark) -> None:
    def ingredients(code: str) -> list[dict[str, Any]]:
        searched = code.replace("    shown: int = 1", SEARCHED)
        planned = made.plan(["other", "other[tuned=tpe-2]"], ["holdout"], plugins=[made.write("rows.py", searched)])
        assert not planned.not_applicable
        return [dict(cell.row.ingredients) for cell in planned.cells]

    before, after = ingredients(ROWS), ingredients(ROWS.replace("WORD", "here"))
    for one, other in zip(before, after, strict=True):
        assert one["corpora"].keys() == {"few"} and one["corpora"] != other["corpora"]


def test_a_row_whose_corpus_is_not_here_does_not_apply_and_says_which_to_fetch(made: MadeBenchmark) -> None:
    done = run(made, "--method", "one[corpora=few+mtsamples]", "--method", "majority")
    assert not built(made, "language")
    assert "is not applicable: mtsamples is not fetched: run `python -m benchmark fetch mtsamples`" in done.stdout


def test_a_stage_of_corpora_cannot_see_cases() -> None:
    for wrong in ({"sees": {"train"}}, {"after": ("before",)}, {"labels": True}):
        with pytest.raises(ValueError, match="sees no case"):
            stage(corpora="corpora", **wrong)  # type: ignore[arg-type]


BEFORE = {
    "cardio-ssl": {
        "imaging": "474d458c760a824427efdea034b5ef6f",
        "masking": "60e39bbe50be3a39460683174d9140e5",
        "transferring": "36c524f6146c0addc160ac4e538b4d9e",
    },
    "ssmsrpm": {"pretraining": "c5ba2e8fd7d1d65fdeffcaef6739418d"},
}
"""Digests of stages as they were before there were stages of corpora."""


@pytest.mark.parametrize("name", BEFORE)
def test_the_digests_of_other_stages_are_what_they_were(name: str) -> None:
    catalogue = discover()
    stages = RowStages("made", catalogue.method(name), catalogue, lambda owner: {"row": owner.spelled}, shared=False)
    split = Split("s", 39, np.arange(40), np.arange(40, 50), np.arange(50, 60), np.arange(7))
    assert {each.name: each.key.digest for each in stages.of(split, lambda method: 0)} == BEFORE[name]
