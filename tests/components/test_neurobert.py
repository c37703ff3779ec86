"""Text-vision rows: questions answered without labels, who shares which stage, and what no stage may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch.nn.functional import normalize

from baselines.bright_pixels import BrightPixels
from baselines.finding_net import FindingNet
from baselines.nearest_scan import NearestScan
from baselines.report_query import ReportQuery
from baselines.report_space_probe import ReportSpaceProbe
from benchmark.cells.stages import PlannedStage, RowStages
from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities.image import ImageView
from benchmark.data.splits import Split
from benchmark.learning.stages import Seen, declared_stages
from benchmark.learning.text_vision.exporting import stored_encoder
from benchmark.learning.text_vision.matching import sections_of
from benchmark.learning.text_vision.wordpiece import WordPieces
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, UnknownNameError
from methods.neurobert import NeuroBERT
from tests.learning.text_vision.made_reports import PLACES, QUERIES, made
from tools import text_encoder

TEXT = {
    **{"corpora": "", "vocabulary": 300, "text_width": 32, "text_layers": 1, "longest": 48},
    **{"language_epochs": 2, "language_rate": 1e-3, "matching_epochs": 30, "matching_rate": 4e-3},
}
SMALL = {**TEXT, "width": 16, "edge": 4, "image_steps": 480, "image_rate": 5e-3}
TINY = {**SMALL, "language_epochs": 1, "matching_epochs": 1, "image_steps": 1}
(TRAIN, _), (VALIDATION, _), (TEST, THERE) = made(240, 1, "a"), made(60, 2, "b"), made(100, 3, "c")
FITTING = frozenset({"image", "text"})


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


def built(method: Any, train: Cohort = TRAIN, seed: int = 5) -> Any:
    """The method with the results of its stages."""
    for declared in declared_stages(type(method)):
        seen = Seen(declared, train, VALIDATION)
        method.stages = {**method.stages, declared.name: getattr(method, declared.name)(seen, seed)}
    return method


def fitted(method: Any, train: Cohort = TRAIN) -> Any:
    built(method, train).fit(train, VALIDATION, 7)
    return method


def seen_in_prediction(cases: Cohort, *modalities: str) -> Cohort:
    return cases.only(set(modalities or ("image",))).blind()


def aucs(method: Any, cases: Cohort, there: NDArray[np.bool_] = THERE) -> list[float]:
    scores = [method.similarity(cases, QUERIES[name]).mean(axis=1) for name in PLACES]
    return [float(roc_auc_score(there[:, column], score)) for column, score in enumerate(scores)]


@pytest.fixture(scope="module")
def neurobert(tmp_path_factory: pytest.TempPathFactory) -> NeuroBERT:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROKEBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        row: NeuroBERT = fitted(NeuroBERT(**SMALL))
    return row


@pytest.mark.slow
def test_findings_are_told_from_images_without_a_label(neurobert: NeuroBERT) -> None:
    cases = seen_in_prediction(TEST)
    assert min(aucs(neurobert, cases)) > 0.85
    assert roc_auc_score(TEST.labels, neurobert.predict_proba(cases)) > 0.85


def test_a_case_finds_its_own_report_among_all(neurobert: NeuroBERT) -> None:
    cosines = neurobert.similarity(seen_in_prediction(TEST), [drafts[0] for drafts in TEST.reports])
    rank = (cosines > np.diag(cosines)[:, None]).sum(axis=1)
    assert np.median(rank) < len(TEST) / 4  # of four kinds of report a quarter of all says the same


def test_a_denied_finding_is_not_scored_as_the_finding(neurobert: NeuroBERT) -> None:
    denied = "No sign of infarct. No sign of bleed. No sign of mass."
    cosines = neurobert.similarity(seen_in_prediction(TEST), [denied, "Acute mass."])
    nearer = cosines[:, 1] > cosines[:, 0]
    mass, normal = THERE[:, list(PLACES).index("mass")], ~THERE.any(axis=1)
    assert nearer[mass].mean() > 0.9 and nearer[normal].mean() < 0.1


@pytest.mark.slow
def test_with_permuted_reports_nothing_is_learnt(neurobert: NeuroBERT) -> None:
    row = built(NeuroBERT(**SMALL, permuted=True))
    cases, reports = seen_in_prediction(TEST), [drafts[0] for drafts in TEST.reports]
    own, dealt = (each.similarity(cases, reports) for each in (neurobert, row))
    nearer = [float(np.diag(cosines).mean() - cosines.mean()) for cosines in (own, dealt)]
    assert nearer[0] > 0.5 and abs(nearer[1]) < 0.1  # the own report than any


def test_vectors_are_of_length_one_and_need_the_stages_alone(neurobert: NeuroBERT) -> None:
    row = NeuroBERT(**SMALL)
    row.stages = neurobert.stages
    cases, texts = seen_in_prediction(TEST), ["there is an acute mass", "normal brain"]
    image, text = row.image_vectors(cases), row.text_vectors(texts)
    assert image.dtype == text.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(np.vstack([image, text]), axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(neurobert.similarity(cases, texts), image @ text.T, atol=1e-6)


def test_neither_labels_nor_findings_reach_a_zero_shot_row(neurobert: NeuroBERT) -> None:
    assert not discover().methods.get("neurobert").card.labels and not discover().methods.get("report-query").card.labels
    flipped = replace(TRAIN, labels=1 - TRAIN.labels, findings=1 - TRAIN.findings)
    again = NeuroBERT(**SMALL)
    again.stages = neurobert.stages
    again.fit(flipped, VALIDATION, 7)
    cases = seen_in_prediction(TEST)
    assert again.predict_proba(cases).tobytes() == neurobert.predict_proba(cases).tobytes()


def test_the_row_says_how_its_language_model_and_its_stages_learnt(neurobert: NeuroBERT) -> None:
    assert neurobert.chosen["matching_loss_after"] < neurobert.chosen["matching_loss_before"]
    assert neurobert.chosen["vision_loss_after"] < neurobert.chosen["vision_loss_before"]
    assert neurobert.chosen["pairs"] == len({drafts for case in TRAIN.reports for drafts in case})


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    bytes_of = []
    for seed in (5, 5, 6):
        row = built(NeuroBERT(**TINY), seed=seed)
        row.fit(TRAIN, VALIDATION, 7)
        bytes_of.append(row.predict_proba(seen_in_prediction(TEST)).tobytes())
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]


def test_the_report_itself_answers_best_and_no_image_is_seen() -> None:
    row = fitted(ReportQuery(**TEXT), TRAIN.only({"text"}))
    cases = seen_in_prediction(TEST, "text")
    assert min(aucs(row, cases)) > 0.9
    cosines = row.similarity(cases, [drafts[0] for drafts in TEST.reports])
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-5)


def parts() -> tuple[Cohort, Cohort, Cohort]:
    """Training, validation and test part of one cohort."""
    whole, _ = made(400, 1)
    rows = np.arange(400)
    return whole.take(rows[:240]), whole.take(rows[240:300]), whole.take(rows[300:])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"penalty": 10.0}])
def test_supervised_rows_tell_each_finding_and_the_label(options: dict[str, float]) -> None:
    train, validation, test = parts()
    rows = [ReportSpaceProbe(**SMALL, **options)]
    rows += [] if options else [FindingNet(width=4, edge=4, steps=120, rate=5e-3), NearestScan(edge=4)]
    for row in rows:
        if declared_stages(type(row)):
            built(row, train)
        row.fit(train, validation, 7)
        cases = seen_in_prediction(test)
        predicted = row.predict_findings(cases)
        assert predicted.shape == (100, len(PLACES)) and predicted.min() >= 0 and predicted.max() <= 1
        for column, name in enumerate(PLACES):
            assert roc_auc_score(test.findings[name], predicted[:, column]) > 0.85
        assert roc_auc_score(test.labels, row.predict_proba(cases)) > 0.85


def test_a_finding_that_no_training_case_has_is_given_its_share() -> None:
    train, validation, test = parts()
    absent = [replace(part, findings=part.findings.assign(mass=np.int8(0))) for part in (train, validation)]
    row = built(ReportSpaceProbe(**TINY), train)
    row.fit(*absent, 7)
    assert (row.predict_findings(seen_in_prediction(test))[:, 2] == 0).all()


def test_the_nearest_scan_lends_its_own_report() -> None:
    train, validation, test = parts()
    row = NearestScan(edge=8)
    row.fit(train, validation, 7)
    cases = train.join(validation).take(np.arange(20))
    cosines = row.similarity(seen_in_prediction(cases), [drafts[0] for drafts in cases.reports])
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-9)
    assert (row.predict_findings(seen_in_prediction(cases)) == cases.findings.to_numpy()).all()


# Who shares what


def stages_of(spelled: str, cut: Split, dataset: str = "made") -> dict[str, PlannedStage]:
    catalogue = discover()
    made = RowStages(dataset, catalogue.method(spelled), catalogue, _row, shared=False)
    return {each.name: each for each in made.of(cut, lambda method: 0)}


def _row(owner: Any) -> dict[str, Any]:
    from benchmark.system.provenance import code_digest

    made = owner.make()
    configuration = {item.name: getattr(made, item.name) for item in fields(made) if item.init}
    return {"configuration": configuration, "method code": code_digest(owner.entry.path)}


def cut(test: int, seed: int = 39) -> Split:
    """Of 40 cases, whose test part begins at `test`."""
    rows = np.roll(np.arange(40), -test)
    return Split(f"s{test}", seed, np.sort(rows[18:]), np.sort(rows[10:18]), np.sort(rows[:10]), np.arange(0))


def test_rows_of_all_kinds_share_the_language_model_and_those_of_one_split_its_stages() -> None:
    spelled = [f"{name}[corpora=none]" for name in ("neurobert", "report-space-probe", "report-query")]
    spelled = [name.replace("none", "''") for name in spelled]
    digests = {name: {each: key.key.digest for each, key in stages_of(name, cut(0)).items()} for name in spelled}
    neurobert, probe, query = digests.values()
    assert neurobert == probe and query == {name: neurobert[name] for name in ("language", "matching")}
    elsewhere = stages_of(spelled[0], cut(10, 40), "other")
    assert elsewhere["language"].key.digest == neurobert["language"]
    assert elsewhere["matching"].key.digest != neurobert["matching"]


def test_the_permuted_control_shares_all_but_the_image_side() -> None:
    own, control = (stages_of(f"neurobert[corpora='',{more}]", cut(0)) for more in ("width=4", "width=4,permuted=true"))
    same = {name for name in own if own[name].key.digest == control[name].key.digest}
    assert same == {"language", "matching"}


def test_no_stage_sees_a_test_patients_report_or_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path))
    whole, _ = made(40, 4)
    marked = 3
    reports = tuple(
        ("Findings: zyzzyva zyzzyva. Summary: zyzzyva.",) if row == marked else own for row, own in enumerate(whole.reports)
    )
    scans = np.array(whole.images["flair"].array)
    scans[marked] = np.random.default_rng(0).integers(0, 256, size=scans[marked].shape)
    planted = replace(whole, reports=reports, images={"flair": ImageView(scans, scale=1 / 255)})
    options = ",".join(f"{name}={value!r}" for name, value in TINY.items())
    for first, seen in ((0, False), (20, True)):
        found = []
        for number, cohort in enumerate((whole, planted)):
            monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / f"{first}-{number}"))
            stages = stages_of(f"neurobert[{options}]", cut(first))
            for stage in stages.values():
                stage.build(cohort)
            found.append({name: stage.key.arrays() for name, stage in stages.items()})
        plain, with_marker = found
        words = WordPieces.from_array(with_marker["matching"]["vocabulary"]).vocabulary
        assert ("zyzzyva" in words) == seen
        for name in ("matching", "vision"):
            same = all(plain[name][key].tobytes() == with_marker[name][key].tobytes() for key in plain[name])
            assert same != seen


def test_the_encoder_of_a_stage_is_written_for_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "data"))
    options = ",".join(f"{name}={value!r}" for name, value in TINY.items())
    stages = stages_of(f"report-query[{options}]".replace(",width=16,edge=4,image_steps=1,image_rate=0.005", ""), cut(0))
    for stage in stages.values():
        stage.build(made(40, 4)[0])
    digest = stages["matching"].key.digest
    monkeypatch.setattr("sys.argv", ["text_encoder", digest[:12], str(tmp_path / "encoder")])
    text_encoder.main()
    tokenizer, model = (
        AutoTokenizer.from_pretrained(tmp_path / "encoder"),
        AutoModel.from_pretrained(tmp_path / "encoder").eval(),
    )
    with torch.no_grad():
        states = model(**tokenizer("Acute mass.", return_tensors="pt")).last_hidden_state[0]
    torch.testing.assert_close(states.mean(0), stored_encoder(digest).vectors(["Acute mass."])[0], atol=1e-5, rtol=1e-4)
    with pytest.raises(BenchmarkError, match="holds no text encoder"):
        stored_encoder(stages["language"].key.digest)  # of no corpus
    with pytest.raises(BenchmarkError, match="0 stages on this machine begin with 'feed'"):
        stored_encoder("feed")


# What is missing


def test_cases_without_report_or_image_are_left_out_of_learning_and_have_no_vector(neurobert: NeuroBERT) -> None:
    some = np.arange(len(TRAIN)) % 3 > 0
    reports = tuple(own if there else () for own, there in zip(TRAIN.reports, some, strict=True))
    partly = replace(TRAIN, reports=reports, present={"text": some, "image": np.arange(len(TRAIN)) % 5 > 0})
    row = fitted(NeuroBERT(**TINY), partly)
    assert row.stages["vision"]["cases"] == (some & (np.arange(len(TRAIN)) % 5 > 0)).sum()
    blank = replace(seen_in_prediction(TEST), present={"image": np.arange(len(TEST)) > 0})
    assert (row.image_vectors(blank)[0] == 0).all() and np.isfinite(row.predict_proba(blank)).all()


def test_five_reports_are_enough_and_none_are_refused_by_name() -> None:
    few = replace(TRAIN, reports=TRAIN.reports[:5] + ((),) * (len(TRAIN) - 5))
    row = fitted(NeuroBERT(**TINY), few)
    assert row.stages["vision"]["cases"] == 5 and np.isfinite(row.predict_proba(seen_in_prediction(TEST))).all()
    with pytest.raises(BenchmarkError, match="made: no case has a report"):
        built(NeuroBERT(**TINY), replace(TRAIN, reports=((),) * len(TRAIN)))


def test_reports_without_sections_are_learnt_from_without_matching() -> None:
    plain = replace(TRAIN, reports=tuple((own[0].replace("Findings:", "").replace("Summary:", ""),) for own in TRAIN.reports))
    row = fitted(NeuroBERT(**TINY), plain)
    assert row.chosen["pairs"] == 0 and len(row.stages["matching"]["loss"]) == 0
    assert np.isfinite(row.predict_proba(seen_in_prediction(TEST))).all()


def test_an_empty_question_is_refused_and_a_strange_one_has_a_score(neurobert: NeuroBERT) -> None:
    cases = seen_in_prediction(TEST)
    with pytest.raises(BenchmarkError, match="holds no word"):
        neurobert.similarity(cases, ["infarct", " "])
    strange = ["😀 \x00", "infarct " * 5000, "Es liegt ein Infarkt vor"]
    assert np.isfinite(neurobert.similarity(cases, strange)).all()


def test_options_that_there_are_not_are_refused() -> None:
    for options in ({"mode": "thawed"}, {"size": "huge"}):
        with pytest.raises(UnknownNameError):
            NeuroBERT(**options)
    with pytest.raises(UnknownNameError):
        ReportSpaceProbe(inputs="table")


# Encoders in place of the row's own


def featured(cohort: Cohort) -> Cohort:
    """With features of the modalities as a dataset has them: text by MiniLM, images as two numbers that tell nothing."""
    from benchmark.learning.encoders.text_models import MiniLM

    def source(modality: str, encoder: str | None, rows: Any, *reports: str) -> Features:
        if modality == "text":
            return MiniLM().encode(cohort).take(rows)
        pooled = cohort.images["flair"].array[:].reshape(len(cohort), 1, -1).astype(np.float32) / 255
        return Features(pooled[:, :, None], np.ones((len(cohort), 1, 1), bool), pooled).take(rows)

    return replace(cohort, feature_source=source, rows=np.arange(len(cohort)), encoders={"image": "pixels", "text": "minilm"})


def test_minilm_stands_in_for_the_language_model_and_reads_reports_and_questions_alike() -> None:
    from benchmark.learning.encoders.text_models import MiniLM

    train = TRAIN.take(np.arange(40))
    row = fitted(NeuroBERT(**{**TINY, "text_encoder": "minilm"}), train)
    assert row.unencoded == {"image", "text"} and len(row.stages["language"]["perplexity"]) == 0
    learnt, asked = row.report_vectors(train)[0].numpy(), row.text_vectors([own[0] for own in train.reports])
    np.testing.assert_allclose(learnt, asked, atol=1e-5)

    report = train.reports[0][0]
    sections = sections_of(report)
    halves = Cohort("halves", np.array(["a", "b"]), reports=((sections.findings,), (sections.summary,)))
    unit = normalize(torch.from_numpy(MiniLM().encode(halves).pooled[:, 0]), dim=1).numpy()
    np.testing.assert_allclose(encoded_by_section(row, report), unit.sum(axis=0), atol=1e-5)
    assert row.image_vectors(seen_in_prediction(TEST)).shape == (len(TEST), 384)


def encoded_by_section(row: NeuroBERT, report: str) -> NDArray[np.float32]:
    """What the space of reports makes of one before its centre is taken away."""
    return np.asarray(row.text_space.vectors_of([report])[0].numpy())


def test_frozen_image_features_stand_in_for_the_convolutions() -> None:
    row = fitted(NeuroBERT(**{**SMALL, "mode": "frozen"}), featured(TRAIN))
    assert "image" not in row.unencoded
    cases = replace(featured(TEST), labels=None)
    assert np.mean(aucs(row, cases)) > 0.8


def test_a_finding_network_takes_as_many_steps_with_few_cases_as_with_many() -> None:
    train, validation, _ = parts()
    for cases, batches in ((240, 8), (30, 1)):
        row = FindingNet(width=2, edge=4, steps=16)
        row.fit(train.take(np.arange(cases)), validation, 7)
        assert len(row.history["loss"]) == 16 / batches


def test_a_text_encoder_is_part_of_the_key_by_its_weights() -> None:
    catalogue = discover()
    digests = {name: catalogue.method(name).make().weights_digest() for name in ("neurobert", "neurobert[text_encoder=minilm]")}
    assert digests["neurobert"] == "" and digests["neurobert[text_encoder=minilm]"]


def test_bright_pixels_tell_by_their_place_and_nothing_else_does() -> None:
    rng = np.random.default_rng(0)
    slices = rng.uniform(0, 0.9, (200, 1, 8, 8)).astype(np.float32)
    right = rng.random(200) < 0.5
    for case, shown in enumerate(right):
        slices[case, 0, 1, 6 if shown else 2] = 1.0
    findings = pd.DataFrame({"right": right.astype(np.int8), "all": np.ones(200, np.int8)})
    ids = np.array([f"{number:03d}" for number in range(200)])
    cohort = Cohort("painted", ids, right.astype(np.int8), findings=findings, images={"axial": ImageView(slices)})
    row = BrightPixels()
    row.fit(cohort.take(np.arange(100)), cohort.take(np.arange(100, 120)), 0)
    test = seen_in_prediction(cohort.take(np.arange(120, 200)))
    assert ((row.predict_proba(test) > 0.5) == right[120:]).all()
    assert (row.predict_findings(test)[:, 1] == 1).all()
    dimmed = replace(cohort, images={"axial": ImageView(np.minimum(slices, 0.9))}).take(np.arange(120, 200))
    assert np.ptp(row.predict_proba(seen_in_prediction(dimmed))) == 0
