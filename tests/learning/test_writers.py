"""Writers: pictures, prompts, filters, and what a draft claims, read against cases worked out by hand."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import LESION_VOLUME, Atlas, ImageView, Slice
from benchmark.learning.writers.fidelity import Truth, judged, read_claims, truths
from benchmark.learning.writers.filters import reason_against
from benchmark.learning.writers.pictures import as_png, described, pictures, rule_of
from benchmark.learning.writers.prompts import Lists, read_lists, read_prompts
from benchmark.system.errors import BenchmarkError

NAMES = ("middle cerebral artery left", "middle cerebral artery right", "basilar left", "basilar right")


def cohort(axes: str = "RAS", **views: ImageView) -> Cohort:
    return Cohort("made", ["a"], images=views or {"scan": marked(axes)})


def marked(axes: str) -> ImageView:
    """A volume of 16 voxels along each axis that is bright in the patient's left, anterior, superior corner."""
    volume = np.full((1, 1, 16, 16, 16), 40, dtype=np.uint8)
    corner = tuple(slice(8, 16) if letter in "LAS" else slice(0, 8) for letter in axes)
    volume[(0, 0, *corner)] = 200
    return ImageView(volume, axes=axes)


def quarters(picture: np.ndarray) -> dict[str, float]:
    """The mean grey of each quarter."""
    height, width = (length // 2 for length in picture.shape)
    parts = {"top left": picture[:height, :width], "top right": picture[:height, width:]}
    parts |= {"bottom left": picture[height:, :width], "bottom right": picture[height:, width:]}
    return {name: float(part.mean()) for name, part in parts.items()}


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "RPI", "SRA", "AIL"])
def test_the_patients_left_is_on_the_viewers_right_whatever_the_axes(axes: str) -> None:
    shown = pictures(whole := cohort(axes), rule_of(whole, None), 0)
    assert len(shown) == 6
    for picture in shown[3:]:  # the superior half
        bright = quarters(picture)
        assert max(bright, key=lambda name: bright[name]) == "top right"
    assert np.ptp(list(quarters(shown[0]).values())) < 5


def test_a_plane_picture_is_turned_by_where_it_lies_in_the_mask() -> None:
    plane = np.zeros((1, 1, 20, 20), dtype=np.uint8)
    plane[0, 0, 2:8, 2:8] = 200  # at the beginning of rows and columns
    plane[0, 0, 12:18, 12:18] = 100
    mask = ImageView(np.zeros((1, 1, 4, 4, 4), dtype=np.uint8), axes="LAS")
    to_the_right = Slice((1.0, 1.0, 0.5), (0.0, -0.05, 0.0), (-0.05, 0.0, 0.0))  # columns run to the patient's right, rows back
    seen = cohort(mask=mask, slices=ImageView(plane, slices=(to_the_right,)))
    rule = rule_of(seen, None)
    (picture,) = pictures(seen, rule, 0)
    assert max(quarters(picture), key=lambda name: quarters(picture)[name]) == "top right"
    assert "picture 1: axial, the patient's left is on its right side and anterior on top" in described(seen, rule)


def test_a_picture_is_sent_as_its_pixels_and_nothing_else() -> None:
    whole = cohort()
    content = as_png(pictures(whole, rule_of(whole, None), 0)[0])
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode, image.info) == ("PNG", "L", {})
        assert min(image.size) >= 336


def test_the_shipped_prompts_are_the_papers_five_and_can_be_filled_in() -> None:
    prompts = read_prompts(None, ())
    assert [prompt.name for prompt in prompts] == ["core-volume", "aspects", "lesion-areas", "mass-effect", "nihss"]
    for prompt in prompts:
        assert "2 PICTURES" in prompt.filled("2 PICTURES", ["here", "there"])
    assert "here, there" in prompts[2].filled("2 PICTURES", ["here", "there"])
    assert read_lists(None, ["aspects"]).white == {"aspects": ("ASPECTS", "ASPECTS-like")}


@pytest.mark.parametrize("text", ["[white]\naspects = 'one'", "[blak]", "[black", "black = 1"])
def test_lists_that_cannot_be_read_are_refused(tmp_path, text: str) -> None:
    (tmp_path / "lists.toml").write_text(text)
    with pytest.raises(BenchmarkError, match=r"lists\.toml"):
        read_lists(tmp_path, ["aspects"])


LISTS = Lists({"volume": ("ml", "infarct core")}, {"hedge": ("cannot be determined",)})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("The infarct core measures roughly 12 ml.", ""),
        ("About 12ml.", ""),
        ("The infarct core: 12 ml; the left side is affected <5 %.", ""),
        ("The volume is large.", "white list"),
        ("The volume in ml cannot be\ndetermined.", "hedge"),
        ("El volumen: 12 ml.", "another language"),
        ("Das Volumen beträgt etwa 12 ml und ist links.", "another language"),
        ("梗死核心体积约为12 ml。", "another language"),
        ("# Volume\nIt is 12 ml.", "markup"),
        ("- 12 ml", "markup"),
        ("<b>12 ml</b> is the volume.", "markup"),
        ("The patient John Smith has an infarct core of 12 ml.", "identity"),
        ("Seen on 12.03.2024: the infarct core is 12 ml.", "identity"),
        ("The infarct core of case a-17 is 12 ml.", "identity"),
        ("...", "empty"),
        ("word " * 301, "too long"),
        ("The infarct core\x07 is 12 ml.", "not text"),
    ],
)
def test_the_reason_against_an_answer(answer: str, reason: str) -> None:
    assert reason_against(answer, "volume", LISTS, ["a-17"]) == reason


@pytest.mark.parametrize(
    ("draft", "volume"),
    [
        ("About 12 ml.", (11.5, 12.5)),
        ("The volume is 3.5 mL.", (3.25, 3.75)),
        ("Some 10-20 cc are affected.", (10, 20)),
        ("Between 10 and 20 ml.", (10, 20)),
        ("Less than 0.5 ml.", (0, 0.5)),
        ("There is no infarct core.", (0, 0)),
        ("There is no infarct in the cerebellum.", None),
        ("ASPECTS: 7.", None),
    ],
)
def test_the_volume_that_a_draft_claims(draft: str, volume: tuple[float, float] | None) -> None:
    assert read_claims(draft, NAMES).volume == volume


@pytest.mark.parametrize(
    ("draft", "side"),
    [
        ("The lesion is left-sided. A trace of the right basilar territory is affected.", "left"),
        ("The infarct is bilateral, mainly right.", "right"),
        ("The infarct is bilateral.", "both"),
        ("Laterality: bilateral.", "both"),
        ("It lies in the right hemisphere.", "right"),
        ("The left basilar territory is affected. The right basilar territory is spared.", "left"),
        ("The left MCA and the right PCA are affected.", "both"),
        ("There is mass effect.", None),
    ],
)
def test_the_side_that_a_draft_claims(draft: str, side: str | None) -> None:
    assert read_claims(draft, NAMES).side == side


@pytest.mark.parametrize(
    ("draft", "score"),
    [
        ("ASPECTS: 7.", 7),
        ("The ASPECTS-like score is 10 of 10.", 10),
        ("An ASPECTS-like score of 3 is obtained.", 3),
        ("An ASPECTS score of 35.", None),
        ("No score.", None),
    ],
)
def test_the_aspects_that_a_draft_claims(draft: str, score: int | None) -> None:
    assert read_claims(draft, NAMES).aspects == score


def test_the_territories_and_arteries_that_a_draft_claims() -> None:
    claims = read_claims(
        "The left middle cerebral artery is involved. The basilar right territory too. The left basilar is spared.", NAMES
    )
    assert claims.territories == {"middle cerebral artery left", "basilar right"}
    assert claims.arteries == {"middle cerebral artery left", "vertebrobasilar right"}
    assert read_claims("The right MCA is occluded.", NAMES).arteries == {"middle cerebral artery right"}
    assert read_claims("No territory is involved.", NAMES).spoken


def test_figures_of_fidelity_are_those_counted_by_hand() -> None:
    known = [
        Truth(12.2, 1.0, {NAMES[0]: 0.3, NAMES[1]: 0.0, NAMES[2]: 0.05, NAMES[3]: 0.0}),
        Truth(100.0, 0.2, {NAMES[0]: 0.0, NAMES[1]: 0.6, NAMES[2]: 0.0, NAMES[3]: 0.0}),
        None,
    ]
    reports = (
        ("About 12 ml.", "The lesion is left-sided.", "The left basilar and the right basilar are affected.", "ASPECTS: 9."),
        ("About 60 ml.", "The lesion is left-sided.", "The right middle cerebral artery is affected.", "ASPECTS: 9."),
        ("About 60 ml.",),
    )
    found = judged(reports, known, NAMES)
    against = found["against_mask"]
    assert (against["volume"]["claims"], against["volume"]["true"], against["volume"]["within_half"]) == (2, 0.5, 1.0)
    assert against["volume"]["median_absolute_error_ml"] == pytest.approx((0.2 + 40) / 2)
    assert (against["side"]["claims"], against["side"]["true"]) == (4, 0.5), "left and both; left and right"
    assert (against["territories"]["named"], against["territories"]["precision"]) == (3, pytest.approx(2 / 3))
    assert against["territories"]["recall"] == pytest.approx(2 / 3)
    assert (against["aspects"]["true"], against["aspects"]["mean_absolute_error"]) == (0.5, 0.5)
    assert found["agreement"]["side"] == 0


def test_the_masks_side_follows_the_atlas_and_the_axes() -> None:
    masks = np.zeros((2, 1, 8, 4, 4), dtype=np.uint8)
    masks[0, 0, 1:3, 0, 0] = 1
    masks[1, 0, 6, 0, 0] = masks[1, 0, 1, 0, 0] = 1
    ids = ["a", "b"]
    for axes, left in (("LAS", 0.0), ("RAS", 1.0)):
        only = Cohort("made", ids, images={"mask": ImageView(masks, axes=axes)})
        assert [truth.left for truth in truths(only)] == [left, 0.5]
    labels = np.zeros((8, 4, 4), dtype=np.uint8)
    labels[1:3] = 1  # left there, whatever the grid's middle says
    derived = pd.DataFrame({LESION_VOLUME: [2.0, 2.0], "basilar left": [2 / 32, 1 / 32]})
    atlas = Atlas(labels, ("basilar left",), 10.0)
    whole = Cohort("made", ids, images={"mask": ImageView(masks, axes="LAS")}, derived=derived, atlas=atlas)
    assert [truth.left for truth in truths(whole)] == pytest.approx([1.0, 0.75])
    assert truths(Cohort("made", ids)) is None
