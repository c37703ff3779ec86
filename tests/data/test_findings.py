"""Findings and queries: how they are stored and digested, who sees them, and what a method without labels is handed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import DataError, read_queries
from benchmark.audit.conformance import check_method
from benchmark.data import findings as where
from benchmark.data.preparation import load_cohort, prepared_folder
from benchmark.data.splits import Split
from benchmark.data.union import pooled
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover

COMPONENTS = """
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Cohort, register_dataset, register_method, stage

N = 40
FINDINGS = True


@register_dataset("scans", title="t", source="s", license="l", citation="c", label="any finding", label_time="t",
                  positive="abnormal", negative="normal", site="s", inputs={}, barred={}, scope="s",
                  modalities={"table", "text"})
@dataclass(frozen=True)
class Scans:
    def build(self, sources):
        infarct, bleed = np.arange(N) % 2, np.arange(N) % 4 == 2
        findings = pd.DataFrame({"infarct": infarct, "bleed": bleed}) if FINDINGS else None
        queries = {"infarct": ["an acute infarct ", "a stroke"], "bleed": ("a bleed",), "normal": ["no abnormality"]}
        pool = Cohort("p", case_ids=[f"p{i}" for i in range(4)], table=pd.DataFrame({"x": np.arange(4.0)}),
                      reports=[("of the pool",)] * 4)
        return Cohort(
            "scans",
            case_ids=[f"c{i:02d}" for i in range(N)],
            labels=infarct | bleed,
            table=pd.DataFrame({"x": np.arange(N) * 1.0}),
            reports=[(f"report {i}",) for i in range(N)],
            report_sets={
                "exchanged": [(f"report {(i + 1) % N}",) for i in range(N)],
                "topics": [(f"topic {i}",) for i in range(N)],
            },
            findings=findings,
            queries=queries if FINDINGS else {},
            pool=pool,
            source_digest="scans-1",
        )


@dataclass
class Learner:
    needs: str = "table"

    @stage(sees={"train", "validation"}, labels=True)
    def before(self, seen, seed):
        return {"labelled": np.array([part.labels is not None for part in (seen.train, seen.validation)])}

    def fit(self, train, validation, seed):
        self.seen = [(part.labels, part.findings) for part in (train, validation)]
        self.stage_saw = getattr(self, "stages", {}).get("before", {}).get("labelled")
        self.queries = train.queries

    def predict_proba(self, cases):
        self.queries = cases.queries
        return 1 / (1 + np.exp(-cases.table.iloc[:, 0].fillna(0).to_numpy(dtype=float) / 40))


@register_method("blinded", family="made", reference="r", fit_modalities={"table"}, predict_modalities={"table"}, labels=False)
@dataclass
class Blinded(Learner):
    def search_space(self):
        return {"needs": ("table", "tables")}


@register_method("sighted", family="made", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Sighted(Blinded):
    pass
"""
SPLIT = Split("only", 39, np.arange(0, 24), np.arange(24, 30), np.arange(30, 40), np.arange(4), unlabelled=np.arange(0))


@pytest.fixture
def scans(tmp_path: Path) -> Catalogue:
    return written(tmp_path)


def written(folder: Path, *edit: str) -> Catalogue:
    path = folder / f"scans{len(list(folder.glob('*.py')))}.py"
    text = COMPONENTS
    for old, new in zip(edit[::2], edit[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return discover([str(path)])


def test_findings_and_queries_are_prepared_and_are_part_of_the_task(tmp_path: Path) -> None:
    cohort = load_cohort("scans", written(tmp_path))
    assert cohort.findings.dtypes.tolist() == [np.int8, np.int8]
    assert cohort.findings.iloc[1:4].values.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert cohort.queries == {
        "infarct": ("an acute infarct", "a stroke"),
        "bleed": ("a bleed",),
        "normal": ("no abnormality",),
    }
    assert cohort.pool.findings is None
    assert cohort.pool.queries == cohort.queries
    bare = load_cohort("scans", written(tmp_path, "FINDINGS = True", "FINDINGS = False"))
    assert (bare.findings, bare.queries) == (None, {})
    worded = load_cohort("scans", written(tmp_path, '"a stroke"', '"one stroke"'))
    assert len({cohort.content_digest, worded.content_digest, bare.content_digest}) == 3
    assert len({cohort.task_digest, worded.task_digest, bare.task_digest}) == 3


def test_taking_and_joining_keep_each_case_with_its_findings(scans: Catalogue) -> None:
    cohort = load_cohort("scans", scans)
    taken = cohort.take([3, 2])
    assert taken.findings.values.tolist() == [[1, 0], [0, 1]]
    assert taken.join(cohort.take([0])).findings.values.tolist() == [[0, 0], [0, 1], [1, 0]]


def test_no_blind_view_and_no_pool_holds_findings_and_every_view_holds_the_queries(scans: Catalogue) -> None:
    cohort = load_cohort("scans", scans)
    split = replace(SPLIT, train=np.arange(0, 20), unlabelled=np.arange(20, 24))
    views = views_of(*pooled(cohort, split), (frozenset({"table", "text"}), frozenset({"table"})))
    assert views.train.findings.equals(cohort.findings[:20])
    assert views.test.findings is None
    assert views.train.pool.findings is None
    assert len(views.train.pool) == 8
    assert {view.queries["bleed"] for view in (views.train, views.validation, views.test, views.train.pool)} == {("a bleed",)}


def test_no_view_holds_a_set_of_reports_by_which_methods_are_judged(scans: Catalogue) -> None:
    cohort = load_cohort("scans", scans)
    assert set(cohort.report_sets) == {"exchanged", "topics"}
    assert set(cohort.only({"text"}).report_sets) == {"topics"}


def test_a_method_without_labels_is_handed_neither_labels_nor_findings_whoever_fits_it(scans: Catalogue) -> None:
    cohort = load_cohort("scans", scans)
    for name, sees in (("blinded", False), ("sighted", True)):
        method = scans.method(name)
        fitted = fit_and_predict(method, views_of(cohort, SPLIT, method.modalities), 39).method
        assert [(labels is not None, findings is not None) for labels, findings in fitted.seen] == [(sees, sees)] * 2
        assert fitted.stage_saw.tolist() == [sees, sees]
        assert fitted.queries == cohort.queries


def test_a_tuned_method_without_labels_is_handed_none_either(scans: Catalogue) -> None:
    from benchmark.learning.tuning.search import method_of

    cohort, method = load_cohort("scans", scans), scans.method("blinded[tuned=grid-2]")
    views = views_of(cohort, SPLIT, method.modalities)
    fitted = fit_and_predict(method, views, 39, lambda: method_of(method)).method
    assert fitted._fitted.seen == [(None, None)] * 2


def test_check_says_that_a_method_is_handed_no_labels(scans: Catalogue) -> None:
    blinded, sighted = (
        {finding.check: finding for finding in check_method(name, scans, checks=["labels"])} for name in ("blinded", "sighted")
    )
    assert blinded["labels"].message == "it is handed neither labels nor findings, as its card says"
    assert "stay the same" in sighted["labels"].message


def test_an_edit_of_the_queries_prepares_the_cohort_anew(
    tmp_path: Path, scans: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, "FOLDER", tmp_path)
    before = prepared_folder("scans", scans)
    for sentence in ("a bleed", "one bleed"):
        (tmp_path / "scans.toml").write_text(f'[templates]\nbleed = ["{sentence}"]\n', encoding="utf-8")
        assert read_queries("scans") == {"bleed": (sentence,)}
        assert (after := prepared_folder("scans", scans)) != before
        before = after
    (tmp_path / "scans.toml").write_text("bleed = []\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"scans\.toml must hold \[templates\]"):
        read_queries("scans")


def test_where_every_case_has_a_finding_the_label_is_one_of_them(tmp_path: Path) -> None:
    """Another label is refused by name, and so is one of them where some case has no finding (docs/malformed-cohorts.md)."""
    everyone = ('"bleed": bleed})', '"bleed": bleed | True})')
    cohort = load_cohort("scans", written(tmp_path, *everyone, "labels=infarct | bleed", "labels=infarct"))
    assert cohort.findings["bleed"].all() and cohort.labels.tolist() == cohort.findings["infarct"].tolist()
    with pytest.raises(DataError, match="every case has a finding: give labels that equal one of the findings"):
        load_cohort("scans", written(tmp_path, *everyone, "labels=infarct | bleed", "labels=1 - infarct"))
    with pytest.raises(DataError, match="must be 1 where a case has any finding"):
        load_cohort("scans", written(tmp_path, "labels=infarct | bleed", "labels=infarct"))
