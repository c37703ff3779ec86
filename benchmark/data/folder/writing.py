"""Any cohort as a folder: the table, the images as NIfTI, the reports, and the `cohort.toml` that reads them back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.folder.cohort import is_folder_name
from benchmark.data.folder.volumes import TEMPLATE_MIDDLE
from benchmark.data.modalities.image import MASK, ImageView
from benchmark.registry.cards import DatasetCard
from benchmark.registry.folders import FILE
from benchmark.system.errors import BenchmarkError

COLUMNS = ("case", "patient", "site", "order", "label")
"""What stands beside the inputs in a table that is written."""
VOXEL_MM = 4.0
"""The edge of a voxel where a cohort does not say it [A]."""
GOOD, POOR = "1", "0"


def write_folder(cohort: Cohort, card: DatasetCard, folder: Path, name: str) -> list[str]:
    """Write a cohort and its pool into an empty folder; returns what could not be written, in words.

    Columns of the table that bear the name of one of `COLUMNS` get a `_` behind it. Volumes are written in template space.
    Raises `BenchmarkError` for an id that cannot be the name of a folder.
    """
    parts = [cohort, *([cohort.pool] if cohort.pool is not None else [])]
    if wrong := [case for part in parts for case in map(str, part.case_ids) if not is_folder_name(case)]:
        raise BenchmarkError(
            f"{cohort.name}: the id {ascii(wrong[0])} cannot be a folder's name: it cannot be written as a folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    left_out = [f"view '{view}' is no volume" for view, images in cohort.images.items() if len(images.shape) != 5]
    if cohort.signals is not None:
        left_out.append("signals have no place in a folder yet")
    pd.concat([_rows(part) for part in parts]).to_csv(folder / "clinical.csv", index=False)
    for part in parts:
        _write_reports(part, folder)
        _write_images(part, folder)
    atlas = cohort.atlas if MASK in cohort.images else None
    if atlas is not None:
        _save(folder / "atlas.nii.gz", _in_ras(atlas.labels, cohort.images[MASK].axes), atlas.voxel_mm)
        (folder / "atlas.txt").write_text("\n".join(atlas.names) + "\n", encoding="utf-8")
    (folder / FILE).write_text(_description(cohort, card, name), encoding="utf-8")
    return left_out


def _rows(part: Cohort) -> pd.DataFrame:
    """The table of a cohort, or of its pool, with what stands beside the inputs."""
    ids = [str(case) for case in part.case_ids]
    groups = ids if part.groups is None else list(part.groups)
    sites = [""] * len(ids) if part.sites is None else list(part.sites)
    labels = [""] * len(ids) if part.labels is None else [GOOD if label else POOR for label in part.labels]
    beside = pd.DataFrame({"case": ids, "patient": groups, "site": sites, "order": range(len(ids)), "label": labels})
    if part.table is None:
        return beside
    return pd.concat([beside, part.table.rename(columns=_column)], axis=1)


def _column(name: object) -> str:
    return f"{name}_" if str(name).casefold() in COLUMNS else str(name)


def _write_reports(part: Cohort, folder: Path) -> None:
    for case, drafts in zip(part.case_ids, part.reports or (), strict=part.reports is not None):
        for number, draft in enumerate(drafts, start=1):
            path = folder / "reports" / str(case) / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(draft, encoding="utf-8")


def _write_images(part: Cohort, folder: Path) -> None:
    voxel = _voxel(part)
    for view, images in part.images.items():
        if len(images.shape) != 5:
            continue
        there = part.having("image") & part.having(view)
        for row in np.flatnonzero(there):
            stored = images.array[images.rows[row]]
            values = stored * np.float32(images.scale) if view == MASK else np.asarray(stored, dtype=np.float32)
            for name, channel in zip(_channels(view, images), values, strict=True):
                path = folder / "images" / str(part.case_ids[row]) / f"{name}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                _save(path, _in_ras(channel, images.axes), voxel)


def _channels(view: str, images: ImageView) -> list[str]:
    """The names of a view's channels: its own where it has one."""
    count = images.shape[1]
    return [view] if count == 1 else [f"{view}_{number}" for number in range(1, count + 1)]


def _voxel(part: Cohort) -> float:
    """The edge of a volume's voxel in millimetres: the atlas's, times the number of its voxels that one of the mask holds."""
    if part.atlas is None or MASK not in part.images:
        return VOXEL_MM
    parts: int = max(1, round(part.atlas.labels.shape[0] / part.images[MASK].shape[2]))
    return float(part.atlas.voxel_mm) * parts


def _in_ras(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """The array with its axes turned to right, anterior, superior."""
    order = [next(axis for axis, letter in enumerate(axes) if letter in pair) for pair in ("RL", "AP", "SI")]
    turned = np.transpose(values, order)
    backward = [axis for axis, old in enumerate(order) if axes[old] in "LPI"]
    return np.flip(turned, tuple(backward)) if backward else turned


def _save(path: Path, values: NDArray[Any], voxel_mm: float) -> None:
    """A NIfTI file whose middle is that of the template."""
    import nibabel

    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = TEMPLATE_MIDDLE - voxel_mm * (np.array(values.shape) - 1) / 2
    kind = np.uint8 if values.dtype == np.uint8 else np.float32
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values, dtype=kind), affine), path)


def _description(cohort: Cohort, card: DatasetCard, name: str) -> str:
    """The text of `cohort.toml`."""
    table = cohort.table if cohort.table is not None else pd.DataFrame(index=range(len(cohort)))
    words = [_column(column) for column in table if isinstance(table[column].dtype, pd.CategoricalDtype)]
    lines = [
        f"name = {_quoted(name)}",
        f"title = {_quoted(card.title)}",
        f"source = {_quoted(card.source)}",
        f"license = {_quoted(card.license)}",
        f"scope = {_quoted(card.scope)}",
        "",
        "[table]",
        'file = "clinical.csv"',
        'case = "case"',
        'patient = "patient"',
        *(['site = "site"'] if cohort.sites is not None else []),
        'order = "order"',
        "",
        "[label]",
        'column = "label"',
        f'positive = "== {GOOD}"',
        f"means = {_list([card.negative, card.positive])}",
        f"time = {_quoted(card.label_time)}",
        "",
        "[columns]",
        f"admission = {_list([_column(column) for column in table])}",
        *([f"categories = {_list(words)}"] if words else []),
        *(['later = ["site"]'] if cohort.sites is None else []),
    ]
    volumes = {view: images for view, images in cohort.images.items() if len(images.shape) == 5}
    if volumes:
        grid = list(
            _in_ras(np.zeros(next(iter(volumes.values())).shape[2:], np.uint8), next(iter(volumes.values())).axes).shape
        )
        lines += ["", "[images]", 'space = "template"', f"voxel_mm = {_voxel(cohort)}", f"grid = {grid}"]
        if cohort.atlas is not None and MASK in volumes:
            lines += ['atlas = "atlas.nii.gz"', 'atlas_names = "atlas.txt"']
        lines += ["", "[images.views]"]
        lines += [
            f"{channel} = {_quoted('images/{case}/' + channel + '.nii.gz')}"
            for view, images in volumes.items()
            for channel in _channels(view, images)
        ]
    if cohort.reports is not None:
        lines += ["", "[reports]", 'files = "reports/{case}/*.txt"']
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)


def _list(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, words))}]"
