"""soop-findings: what the masks of soop show, what rows see of it, and the reports, against the real files."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import Sources
from benchmark.data.cohort import Cohort
from benchmark.data.fetching import read_manifest
from benchmark.learning.writers.measurement import Findings
from benchmark.registry.discovery import discover
from datasets._soop_files import DEMO, PICTURES
from datasets._soop_words import GROUPS, NAMES, altered, findings_of, territories_of, write
from datasets.findings.reports import KINDS
from datasets.soop_findings import PLANES, coarse

if TYPE_CHECKING:
    from datasets._soop_files import SoopFiles

NAME = "soop-findings"
ATLAS = ("anterior cerebral artery", "lateral lenticulostriate", "basilar")
SIZES = {f"{name} {side}": 40.0 for name in ATLAS for side in ("left", "right")}


@pytest.fixture(scope="module")
def patients(real_cohort: Callable[[str], Cohort]) -> Cohort:
    return real_cohort(NAME)


@pytest.fixture(scope="module")
def measured(patients: Cohort, files: SoopFiles) -> list[Findings]:
    position = {case: i for i, case in enumerate(files.case_ids)}
    return [files.findings[position[case]] for case in patients.case_ids]


def made(left: float = 10.0, right: float = 0.0, **shares: float) -> Findings:
    """A lesion of these volumes, with damaged shares such as basilar_right=0.2."""
    damaged = {name: shares.get(name.replace(" ", "_"), 0.0) for name in SIZES}
    return Findings(left + right, left, right, damaged, 0.05)


@pytest.mark.slow
def test_944_patients_201_of_them_with_a_large_infarct(patients: Cohort) -> None:
    assert (len(patients), int(patients.labels.sum())) == (944, 201)
    card = discover().datasets.get(NAME).card
    assert (card.cases, card.sites) == (944, len(np.unique(patients.sites)))
    assert card.modalities == patients.modalities == {"image", "text"}


def test_every_patient_has_a_finding_so_the_label_is_one_of_them(patients: Cohort) -> None:
    assert tuple(patients.findings) == NAMES == ("left", "right", "large", *GROUPS)
    assert patients.findings.any(axis=1).all()
    assert patients.findings["large"].tolist() == patients.labels.tolist()
    assert dict(patients.findings.sum()) == {
        "left": 592,
        "right": 546,
        "large": 201,
        "anterior-cerebral": 246,
        "middle-cerebral": 668,
        "posterior-cerebral": 330,
        "vertebrobasilar": 208,
    }
    assert "not any finding" in discover().datasets.get(NAME).card.label


def test_findings_agree_with_the_sources_own_measurements(patients: Cohort, source_files: Callable[[str], Sources]) -> None:
    artery = pd.read_csv(source_files("soop").path(f"{DEMO}Scripts/artery.tsv"), sep="\t", index_col=0)
    volume = artery.iloc[:, 0] / 1000
    known = [case for case in patients.case_ids if case in volume.index]
    assert len(known) > 900
    position = {case: i for i, case in enumerate(patients.case_ids)}
    large = patients.findings["large"].to_numpy()[[position[case] for case in known]]
    assert (volume.loc[known].to_numpy() >= 70).tolist() == large.astype(bool).tolist()


def test_groups_are_those_of_the_atlas(files: SoopFiles, source_files: Callable[[str], Sources]) -> None:
    text = source_files("soop").path(f"{DEMO}NIfTI/ArterialAtlas136.txt").read_text(encoding="utf-8")
    number = [int(line.split("|")[3]) for line in text.splitlines() if line.strip()]
    groups = dict(zip(files.atlas.names, number, strict=True))
    for k, group in enumerate(GROUPS):
        own = territories_of(group, dict.fromkeys(files.atlas.names, 0.0))
        assert {name for name, code in groups.items() if code in (2 * k + 1, 2 * k + 2)} == set(own)


def test_rows_see_the_slices_in_64_levels_and_nothing_of_the_mask(
    patients: Cohort, real_cohort: Callable[[str], Cohort]
) -> None:
    assert set(patients.images) == set(PLANES)
    assert patients.table is None and patients.derived is None and patients.atlas is None and patients.pool is None
    soop = real_cohort("soop-nihss")
    assert patients.case_ids.tolist() == soop.case_ids.tolist()
    for k, plane in enumerate(PLANES):
        grey = patients.images[plane].array
        assert grey.shape == (944, 1, 189, 189)
        assert not (grey & 3).any()
        first = np.asarray(soop.images["flair"].array[soop.images["flair"].rows[:5]])
        np.testing.assert_array_equal(grey[:5, 0], coarse(first[:, k]))


def test_cutting_grey_to_64_levels_takes_the_tints_odd_values_away(
    patients: Cohort, real_cohort: Callable[[str], Cohort], source_files: Callable[[str], Sources]
) -> None:
    """Where the tint was, nearly all grey values are odd; the levels that rows see are as even there as elsewhere."""
    soop, paths = real_cohort("soop-nihss").images["flair"], {}
    for path in source_files("soop").matching(PICTURES, "_lesion.nii.png"):
        paths[re.search(r"sub-\d+", path.name)[0]] = path
    odd: dict[str, list[np.ndarray]] = {"before": [], "after": [], "elsewhere": []}
    for case in range(0, 944, 12):
        with Image.open(paths[patients.case_ids[case]]) as picture:
            rgb = np.asarray(picture.convert("RGB"), dtype=np.int16)
        tinted = (rgb[:, 157:346, 0] - rgb[:, 157:346, 1]) > 20
        whole = np.asarray(soop.array[soop.rows[case], 1])
        cut = np.asarray(patients.images["sagittal"].array[case, 0])
        inside = (whole > 20) & (whole < 250)
        odd["before"].append(whole[tinted & inside] % 2)
        odd["after"].append(cut[tinted & inside] // 4 % 2)
        odd["elsewhere"].append(cut[~tinted & inside] // 4 % 2)
    share = {name: np.concatenate(values).mean() for name, values in odd.items()}
    assert share["before"] > 0.9
    assert share["after"] == pytest.approx(share["elsewhere"], abs=0.02)


def test_the_card_claims_no_detection_and_says_what_remains() -> None:
    card = discover().datasets.get(NAME).card
    assert card.scope.startswith("No claim of detection")
    for word in ("traces of the tint may remain", "never ill above well", "a lesion that misses them is not in the slices"):
        assert word in card.scope
    assert "neither the mask nor what is measured on it" in card.inputs["image"]


def test_reports_have_both_headings_and_state_the_findings(patients: Cohort) -> None:
    for (text,), (_, found) in zip(patients.reports, patients.findings.iterrows(), strict=True):
        assert text.startswith("Findings: ") and text.count("Summary: ") == 1
        summary = text.partition("Summary: ")[2].lower()
        assert ("bilateral" in summary) == bool(found["left"] and found["right"])
        assert ("left-sided" in summary) == bool(found["left"] and not found["right"])
        assert ("large" in summary or "extensive" in summary) == bool(found["large"])
        for group, artery in GROUPS.items():
            assert (artery in summary) == bool(found[group])
        assert "nihss" not in text.lower() and "rankin" not in text.lower()


def test_wrong_reports_change_what_their_name_says_and_nothing_else(patients: Cohort, measured: list[Findings]) -> None:
    sets = patients.report_sets
    assert set(sets) == set(KINDS)
    own = [reports[0] for reports in patients.reports]
    assert {kind: sum(map(bool, drafts)) for kind, drafts in sets.items()} == {
        "exchanged": 944,
        "side-swapped": 750,
        "finding-removed": 704,
        "finding-invented": 918,
    }
    swap = {"left": "right", "right": "left"}
    for case, (text, found) in enumerate(zip(own, map(findings_of, measured), strict=True)):
        for other in sets["side-swapped"][case]:
            turned = re.sub(r"\b(left|right)\b", lambda side: swap[side[0]], text.lower())
            assert sorted(turned.split()) == sorted(other.lower().split())
            assert found["left"] != found["right"]
        for kind, more in (("finding-removed", -1), ("finding-invented", 1)):
            for other in sets[kind][case]:
                told = sum(artery in other.partition("Summary: ")[2] for artery in GROUPS.values())
                assert told == sum(found[group] for group in GROUPS) + more
        assert all(text not in sets[kind][case] for kind in KINDS)
    for kind in KINDS:  # reports of the smallest lesions may coincide
        assert sum(bool(drafts) and drafts[0] in set(own) for drafts in sets[kind]) < 20


def test_a_finding_follows_its_rule() -> None:
    left_only = findings_of(made(left=95.0, right=5.0, basilar_left=0.01))
    assert left_only["left"] and not left_only["right"] and left_only["large"] and left_only["vertebrobasilar"]
    both = findings_of(made(left=60.0, right=9.9, basilar_left=0.0099))
    assert both["left"] and both["right"] and not both["large"] and not both["vertebrobasilar"]
    assert not any(both[group] for group in GROUPS)


def test_what_is_invented_comes_from_another_mask_and_what_is_removed_takes_its_volume_along() -> None:
    own = made(left=20.0, anterior_cerebral_artery_left=0.2, lateral_lenticulostriate_left=0.2)
    other = made(left=8.0, basilar_left=0.2)
    others = [(other, findings_of(other))]
    more = altered("finding-invented", own, "case", others, SIZES)
    assert more is not None and more.territories["basilar left"] == 0.2
    assert more.volume_ml == pytest.approx(28) and more.left_ml == pytest.approx(28)
    less = altered("finding-removed", own, "case", others, SIZES)
    assert less is not None and less.volume_ml == pytest.approx(12)
    assert sum(findings_of(less).values()) == sum(findings_of(own).values()) - 1
    assert altered("exchanged", own, "case", [(own, findings_of(own))], SIZES) is None
    assert altered("exchanged", own, "case", others, SIZES) is other
    mirrored = altered("side-swapped", own, "case", others, SIZES)
    assert mirrored is not None and mirrored.territories["anterior cerebral artery right"] == 0.2
    assert altered("side-swapped", made(5.0, 5.0), "case", others, SIZES) is None


def test_a_lesion_outside_all_territories_is_said_to_be_so() -> None:
    text = write(made(left=2.0), "case", "case").partition("Summary: ")[2]
    assert "the arterial territories" in text and "artery" not in text


def test_queries_state_every_finding_in_sentences_of_no_report(patients: Cohort) -> None:
    assert set(patients.queries) == set(NAMES)
    texts = " ".join(reports[0] for reports in patients.reports).lower()
    for sentences in patients.queries.values():
        assert len(sentences) >= 3
        assert all(f"{sentence.lower()}." not in texts for sentence in sentences)


def test_it_needs_no_other_file_than_soop() -> None:
    assert read_manifest(NAME) == read_manifest("soop")
