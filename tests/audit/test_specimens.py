"""Specimens: what each shape holds, and that every modality can be encoded, permuted, and told from noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmark.audit import made_cohorts
from benchmark.audit.attempt import specimen
from benchmark.audit.made_cohorts import SHAPES
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError


@pytest.mark.slow
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
            "signal": whole.signals is None or np.array_equal(whole.signals.load(), other.signals.load()),
        }
        assert [name for name in whole.modalities if not same[name]] == [modality]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_modality_of_a_specimen_can_be_encoded_and_tells_of_the_label(shape: str) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    from benchmark.learning.design_matrix import PARTS, DesignMatrix

    cases = specimen(shape)
    for part in (name for name, modality in PARTS.items() if modality in cases.modalities):
        x = DesignMatrix(part).fit(cases).transform(cases)
        with threadpool_limits(1):
            aucs = cross_val_score(LogisticRegression(max_iter=1000), x, cases.labels, scoring="roc_auc")
        assert aucs.mean() > 0.7


def test_the_made_ecg_tells_of_the_label_by_its_chest_leads_and_keeps_the_laws_of_the_limb_leads() -> None:
    from sklearn.metrics import roc_auc_score

    cases = specimen("signal-only")
    one, two, three, right, left, foot, *chest = np.moveaxis(cases.signals.load(), 1, 0)
    assert roc_auc_score(cases.labels, -np.mean(chest, axis=(0, 2))) > 0.75
    for computed, lead in ((two - one, three), (-(one + two) / 2, right), (one - two / 2, left), (two - one / 2, foot)):
        assert np.abs((computed - lead).mean(axis=1)).max() < 0.03


def test_a_specimen_lacks_what_its_shape_says() -> None:
    assert specimen("table-only").modalities == {"table"}
    assert specimen("no-text").modalities == {"table", "image", "signal"}
    assert specimen("signal-only").modalities == {"signal"}
    assert set(specimen("one-site").sites) == {"East"}
    lacking = specimen("missing-modalities")
    assert lacking.absent == {"table": 9, "image": 9, "text": 9, "signal": 9}
    assert lacking.table[~lacking.present["table"]].isna().all(axis=None)
    assert lacking.derived[~lacking.present["image"]].isna().all(axis=None)
    assert not lacking.images["flair"].load()[~lacking.present["image"]].any()
    assert (lacking.signals.load().any(axis=(1, 2)) == lacking.present["signal"]).all()
    assert all((not drafts) == (not there) for drafts, there in zip(lacking.reports, lacking.present["text"], strict=True))
    assert specimen("complete").absent == {}


def test_a_dataset_of_that_name_is_not_taken_for_a_specimen(tmp_path: Path) -> None:
    path = tmp_path / "specimen.py"
    path.write_text(Path(made_cohorts.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(BenchmarkError, match="registered twice"):
        specimen("complete", discover([str(path)]))
