"""From a dataset's code to a prepared folder and back: equal, sorted, cached, and refused where it is not a cohort."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort
from benchmark.data.features import data_key
from benchmark.data.modalities.image import Slice
from benchmark.data.preparation import load_cohort, prepare
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, DataError, NotFetchedError
from benchmark.system.locations import data_folder
from tests.made_benchmark import MadeBenchmark

ALL_KINDS = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np, pandas as pd
from benchmark import Atlas, Cohort, ImageView, Slice, register_dataset

PLANE = Slice((0.5, 1 / 3, 0), (0, -0.1, 0), (0, 0, 0.7))


@register_dataset("kinds", title="t", source="s", license="l", citation="c", label="l", label_time="t", positive="p",
                  negative="n", site="s", inputs={}, barred={}, scope="s", modalities={"table", "image", "text"})
@dataclass(frozen=True)
class Kinds:
    def build(self, sources):
        with Path(__file__).with_suffix(".builds").open("a") as log:
            log.write("built\\n")
        ids = np.array(["c10", "c9", "c2", "c1"])
        labels, sites, groups = np.array([1, 0, 0, 1]), np.array(["X", "Ü", "X", "Ü"]), np.array(["p1", "p1", "p2", "p3"])
        table = pd.DataFrame({
            "age": [71.5, np.nan, 60, 55],
            "count": pd.array([1, 2, 3, 4], dtype="int64"),
            "grade": pd.Categorical(["b", None, "a", "b"], categories=["a", "b", "never seen"]),
            "smoker": [True, False, True, True],
        })
        images = {
            "adc": ImageView(np.arange(4 * 6, dtype=np.float16).reshape(4, 1, 1, 2, 3)),
            "mask": ImageView(np.arange(5 * 2, dtype=np.uint8).reshape(5, 1, 2), rows=np.array([4, 0, 1, 2]), scale=0.1,
                              axes="LAS"),
            "flair": ImageView(np.zeros((4, 1, 2, 2), np.uint8), slices=(PLANE,)),
        }
        pool = Cohort(name="p", case_ids=["q2", "q1"], sites=["X", "Y"], groups=["q2", "q1"], reports=(("two",), ("one",)))
        cohort = Cohort(
            name="whatever", case_ids=ids, labels=labels, sites=sites, groups=groups, table=table,
            reports=(("ten", "zehn"), (), ("zwei – “quoted”",), ("one",)), images=images,
            derived=pd.DataFrame({"volume": [10.0, 9.0, 2.0, 1.0]}),
            present={"text": np.array([True, False, True, True])},
            atlas=Atlas(np.array([[[0, 1]]], dtype=np.uint8), ("MCA left",), 2.5),
            pool=pool, encoders={"text": "minilm"}, facts={"oracle_auc": 0.875}, source_digest="version 1",
        )
        FAULT
        return cohort
"""


def kinds(folder: Path, fault: str = "pass") -> Catalogue:
    """The dataset `kinds`, with a line that spoils its cohort."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kinds.py"
    path.write_text(ALL_KINDS.replace("FAULT", fault), encoding="utf-8")
    return discover([str(path)])


def builds(folder: Path) -> int:
    log = folder / "kinds.builds"
    return log.read_text().count("built") if log.exists() else 0


@pytest.fixture
def loaded(tmp_path: Path) -> Cohort:
    return load_cohort("kinds", kinds(tmp_path))


def test_cases_are_sorted_by_id_as_strings_with_all_that_belongs_to_them(loaded: Cohort) -> None:
    assert loaded.case_ids.tolist() == ["c1", "c10", "c2", "c9"]
    assert loaded.labels.tolist() == [1, 1, 0, 0]
    assert loaded.sites.tolist() == ["Ü", "X", "X", "Ü"]
    assert loaded.groups.tolist() == ["p3", "p1", "p2", "p1"]
    assert loaded.derived["volume"].tolist() == [1, 10, 2, 9]
    assert loaded.reports == (("one",), ("ten", "zehn"), ("zwei – “quoted”",), ())
    assert loaded.present["text"].tolist() == [True, True, True, False]


def test_the_table_keeps_gaps_and_categories_that_occur_and_its_numbers_are_float64(loaded: Cohort) -> None:
    expected = pd.DataFrame(
        {
            "age": [55.0, 71.5, 60.0, np.nan],
            "count": [4.0, 1.0, 3.0, 2.0],
            "grade": pd.Categorical(["b", "b", "a", None]),
            "smoker": [1.0, 1.0, 1.0, 0.0],
        }
    )
    pd.testing.assert_frame_equal(loaded.table, expected)


def test_images_keep_their_voxels_types_and_scales(loaded: Cohort) -> None:
    assert (loaded.images["adc"].array.dtype, loaded.images["mask"].array.dtype) == (np.float16, np.uint8)
    np.testing.assert_array_equal(loaded.images["adc"].load(), np.arange(24.0).reshape(4, 1, 1, 2, 3)[[3, 0, 2, 1]])
    # c10, c9, c2 and c1 are rows 4, 0, 1 and 2 of the source array.
    expected = np.array([[4, 5], [8, 9], [2, 3], [0, 1]], dtype=np.float32) * np.float32(0.1)
    np.testing.assert_array_equal(loaded.images["mask"].load()[:, 0], expected)


def test_images_are_memory_maps_that_cannot_be_written(loaded: Cohort) -> None:
    array = loaded.images["adc"].array
    assert isinstance(array.base, np.memmap)
    assert not array.flags.writeable


def test_an_array_does_not_name_its_file_for_labels_lie_beside_it(loaded: Cohort) -> None:
    assert not hasattr(loaded.images["adc"].array, "filename")
    assert not hasattr(loaded.atlas.labels, "filename")


def test_atlas_pool_facts_and_encoders_come_back(loaded: Cohort) -> None:
    assert (loaded.atlas.labels.tolist(), loaded.atlas.names, loaded.atlas.voxel_mm) == ([[[0, 1]]], ("MCA left",), 2.5)
    assert (loaded.pool.case_ids.tolist(), loaded.pool.sites.tolist()) == (["q1", "q2"], ["Y", "X"])
    assert (loaded.pool.labels, loaded.pool.reports) == (None, (("one",), ("two",)))
    assert (dict(loaded.facts), dict(loaded.encoders)) == ({"oracle_auc": 0.875}, {"text": "minilm"})
    assert loaded.pool.encoders == loaded.encoders


def test_the_cohort_bears_the_datasets_name_as_spelled(catalogue: Catalogue) -> None:
    assert load_cohort("made[cases=30]", catalogue).name == "made[cases=30]"


def test_what_a_dataset_lacks_is_none(catalogue: Catalogue) -> None:
    cohort = load_cohort("made[text=False,pool=0]", catalogue)
    assert (cohort.reports, cohort.pool) == (None, None)
    assert cohort.modalities == {"table", "image"}


def test_where_volumes_and_slices_lie_is_kept_by_a_cohort_and_its_views_and_keys_their_features(tmp_path: Path) -> None:
    loaded = load_cohort("kinds", kinds(tmp_path))
    for cohort in (loaded, loaded.take([2, 0]), loaded.take([3]).join(loaded.take([1]))):
        assert {name: view.axes for name, view in cohort.images.items()} == {"adc": "RAS", "mask": "LAS", "flair": "RAS"}
        assert cohort.images["flair"].slices == (Slice((0.5, 1 / 3, 0), (0, -0.1, 0), (0, 0, 0.7)),)
    moved = load_cohort("kinds", kinds(tmp_path / "moved", "images['flair'].slices = ()"))
    assert moved.content_digest == loaded.content_digest  # of arrays alone
    assert data_key(moved) != data_key(loaded)


def test_a_cohort_is_built_once_and_read_afterwards(tmp_path: Path) -> None:
    catalogue = kinds(tmp_path)
    first, second = load_cohort("kinds", catalogue), load_cohort("kinds", catalogue)
    assert builds(tmp_path) == 1
    assert first.folder == second.folder
    assert first.content_digest == second.content_digest


def test_a_change_of_the_datasets_code_builds_it_again(tmp_path: Path) -> None:
    first = prepare("kinds", kinds(tmp_path))
    assert prepare("kinds", kinds(tmp_path, "1 + 1")) != first


def test_prepared_data_that_cannot_be_read_says_how_to_mend_it(tmp_path: Path) -> None:
    catalogue = kinds(tmp_path)
    (prepare("kinds", catalogue) / "cohort.json").write_text("{")
    with pytest.raises(BenchmarkError, match="cohort.json is damaged: `clean --prepared"):
        load_cohort("kinds", catalogue)


def test_a_dataset_that_was_not_fetched_says_how_to_fetch_it() -> None:
    with pytest.raises(NotFetchedError, match="python -m benchmark fetch soop"):
        load_cohort("soop")


# Refusals

REPLACE = "from dataclasses import replace; cohort = replace(cohort, {})"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('case_ids=np.array(["c1", "c2", "c2", "c3"])', "case_ids: 'c2' occurs more than once"),
        ("labels=np.array([0, 1, 2, 1])", r"labels: must be 0 or 1, and are 0, 1, 2"),
        ("labels=np.array([0, 1, np.nan, 1])", "labels: missing.*case c2"),
        ("labels=None", "labels: the dataset gives none"),
        ("labels=np.array([0, 1, 1])", "labels: has 3 rows for 4 cases"),
        ("sites=sites[:2]", "sites: has 2 rows for 4 cases"),
        ("groups=groups[:3]", "groups: has 3 rows for 4 cases"),
        ("table=table[:3]", "table: has 3 rows for 4 cases"),
        ("reports=(('a',),)", "reports: has 1 rows for 4 cases"),
        ("derived=cohort.derived[:1]", "derived: has 1 rows for 4 cases"),
        ("images={'adc': ImageView(np.zeros((3, 1, 2)))}", r"images\['adc'\]: has 3 rows for 4 cases"),
        ("present={'text': np.ones(5, bool)}", r"present\['text'\]: has 5 rows for 4 cases"),
        ("pool=replace(pool, case_ids=np.array(['q1', 'c9']))", "'c9' is labelled as well"),
        ("pool=replace(pool, sites=np.array(['X']))", "sites: has 1 rows for 2 cases"),
        ("pool=replace(pool, case_ids=np.array(['q1', 'q1']))", "'q1' occurs more than once"),
    ],
)
def test_a_cohort_that_is_not_one_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path, fault: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare("kinds", kinds(tmp_path, REPLACE.format(fault)))
    assert "kinds" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert re.search(said, str(caught.value))
    left = [path.name for path in (data_folder() / "prepared").rglob("*") if path.suffix != ".lock" and path.name != "kinds"]
    assert left == []


@pytest.mark.parametrize("kind", ["bool", "float", "int64"])
def test_labels_of_any_kind_of_number_are_read_back_as_what_was_prepared(tmp_path: Path, kind: str) -> None:
    catalogue = kinds(tmp_path, REPLACE.format(f"labels=np.asarray(cohort.labels).astype('{kind}')"))
    built, read = load_cohort("kinds", catalogue), load_cohort("kinds", catalogue)
    assert built.labels is not None
    assert read.labels is not None
    assert read.labels.dtype == np.int8
    assert read.labels.tolist() == built.labels.tolist()


def test_a_spelling_with_a_path_in_it_is_one_folder_below_prepared(tmp_path: Path) -> None:
    path = tmp_path / "kinds.py"
    path.write_text(ALL_KINDS.replace("FAULT", "pass").replace("class Kinds:", 'class Kinds:\n    csv: str = ""'))
    catalogue, spelled = discover([str(path)]), "kinds[csv=../../../exports/lab.csv]"
    assert prepare(spelled, catalogue).resolve().parent.parent == (data_folder() / "prepared").resolve()
    assert load_cohort(spelled, catalogue).name == spelled


def test_an_empty_cohort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no case is left"):
        prepare("kinds", kinds(tmp_path, "cohort = cohort.take([])"))


def test_what_fails_while_it_is_written_leaves_nothing_and_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = kinds(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(np, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            prepare("kinds", catalogue)
    assert [path.suffix for path in (data_folder() / "prepared" / "kinds").iterdir()] == [".lock"]
    assert len(load_cohort("kinds", catalogue)) == 4
    assert builds(tmp_path) == 2


# Digests


def digests(folder: Path, plugin: Path, old: str = "", new: str = "") -> tuple[str, str]:
    """(task digest, content digest) of `made` after an edit of its code, as another machine would compute them."""
    folder.mkdir()
    copy = folder / plugin.name
    text = plugin.read_text()
    assert old in text
    copy.write_text(text.replace(old, new, 1))
    cohort = load_cohort("made", discover([str(copy)]))
    return cohort.task_digest, cohort.content_digest


def test_digests_are_the_same_wherever_and_however_the_same_cohort_is_coded(tmp_path: Path, made: MadeBenchmark) -> None:
    before = digests(tmp_path / "a", made.plugin)
    assert digests(tmp_path / "b", made.plugin, "SLOPE = 3.0", "SLOPE = 5.0") == before


def test_a_changed_label_changes_both_digests(tmp_path: Path, made: MadeBenchmark) -> None:
    before, after = digests(tmp_path / "a", made.plugin), digests(tmp_path / "b", made.plugin, "FLIPPED = ()", "FLIPPED = (3,)")
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BRIGHTER = ()", "BRIGHTER = (5,)"),
        ("70 + 5 * severity", "71 + 5 * severity"),
        ('"Small infarct."', '"A small infarct."'),
        ("scale=1 / 255", "scale=1 / 256"),
        ("share**2", "share**3"),
        ('f"patient-{i}"', 'f"patient-{i // 2}"'),
        ("% 3, (", "% 2, ("),
        ("np.ones(last - first, dtype=bool)", "np.arange(first, last) > 0"),
    ],
    ids=["voxel", "table", "report", "scale", "derived", "groups", "atlas", "present"],
)
def test_a_changed_input_changes_the_content_digest_alone(tmp_path: Path, made: MadeBenchmark, old: str, new: str) -> None:
    before, after = digests(tmp_path / "a", made.plugin), digests(tmp_path / "b", made.plugin, old, new)
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [('["North", ', '["Nord", '), ('"made-1"', '"made-2"'), ('f"case-{i}"', 'f"patient-{i}"')],
    ids=["site", "source", "id"],
)
def test_sites_sources_and_ids_belong_to_the_task(tmp_path: Path, made: MadeBenchmark, old: str, new: str) -> None:
    assert digests(tmp_path / "a", made.plugin)[0] != digests(tmp_path / "b", made.plugin, old, new)[0]
