"""The images of a folder: NIfTI files, each checked, turned to RAS and averaged to one grid; masks measured in their own."""

from __future__ import annotations

import hashlib
import io
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.folder.description import BRAIN, Images
from benchmark.data.modalities.image import MASK
from benchmark.data.parts import BLOCK, Floats, let_go
from benchmark.data.remarks import Remarks
from benchmark.system.errors import DataError
from benchmark.system.file_digests import digests_of
from benchmark.system.files import write_durably
from benchmark.system.locations import data_folder
from benchmark.system.provenance import digest

VERSION = 1
"""Raise it with any change to what is made of an image: kept volumes of another version are made anew."""
PERCENTILES = (1.0, 99.0)
"""Intensities of the tissue that become 0 and 1 [A]."""
NIFTI2_HEADER, MOST_EXTENDED = 540, 2**20
"""Bytes of the longer header, and of what may stand between a header and the voxels."""
FINEST = 4
"""An output voxel is the mean of at most so many samples along each axis."""
TEMPLATE_MIDDLE = np.array([0.0, -18.0, 18.0])
"""The middle of the MNI152 template's box, in its own millimetres: a grid of 192 x 224 x 192 mm about it holds the brain."""
SAME_PLACE_MM = 1.0
"""Affines of one grid that differ by less, at every corner, are the same."""
READERS = 2
"""Cases that are read at a time: a scan and its samples take about half a gigabyte."""
MOST_SCALED = (0.6, 1.7)
"""How much smaller or larger than the template's a head may be along any direction, after registration [A]."""
MIRRORED = "is stored left-right flipped against"
MOST_VOXELS = 2**29
"""Voxels of a scan beyond which it is not read, as many as 512 x 512 x 2,048: a small file can say that it unpacks to more."""
LEAST_OVERLAP = 0.5
"""Share of a mask's box that lies in its scan's."""


@dataclass(frozen=True)
class Volume:
    """A file as it was read: values (x, y, z) float32, affine (4, 4) in millimetres, and what was noted in reading it."""

    path: Path
    values: Floats
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @property
    def voxel_ml(self) -> float:
        """The volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def mirrored(self) -> bool:
        """Whether its voxels are stored as in a mirror, against right, anterior and superior."""
        return bool(np.linalg.det(self.affine[:3, :3]) < 0)

    @property
    def corners(self) -> NDArray[np.float64]:
        """(8, 3) the corners of its box in millimetres."""
        edges = np.array(list(product(*((-0.5, size - 0.5) for size in self.values.shape))))
        return np.asarray(edges @ self.affine[:3, :3].T + self.affine[:3, 3])

    @property
    def middle(self) -> NDArray[np.float64]:
        """(3,) the middle of its box in millimetres."""
        return np.asarray(self.corners.mean(axis=0))


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file, or a folder with one DICOM series.

    Raises `DataError`, without the folder's name, for what is no volume.
    """
    values, affine = _read_dicom(path) if path.is_dir() else _read_nifti(path)
    notes = []
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
        notes = ["a fourth axis of length 1 is left out"]
    if values.ndim != 3:
        raise DataError(f"has {values.ndim} axes ({' x '.join(map(str, values.shape))}): give one volume, three axes")
    if min(values.shape) < 2:
        raise DataError(f"is {' x '.join(map(str, values.shape))}: a single plane is no volume")
    sizes = np.linalg.norm(affine[:3, :3], axis=0) if np.isfinite(affine).all() else np.zeros(3)
    if not (sizes > 0).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6 * sizes.prod():
        raise DataError("its affine is not usable: convert it anew from the scanner's files")
    if sizes.max() > 50 or sizes.min() < 0.05:
        raise DataError(f"its voxels measure {' x '.join(f'{size:.3g}' for size in sizes)} mm: is the affine in millimetres?")
    strange = ~np.isfinite(values)
    if strange.any():
        notes.append(f"{int(strange.sum())} NaN or infinite voxels are read as 0")
        values = np.where(strange, np.float32(0), values)
    return Volume(path, values, affine, tuple(notes))


def _read_nifti(path: Path) -> tuple[Floats, NDArray[np.float64]]:
    import nibabel
    from nibabel.openers import ImageOpener

    try:
        with ImageOpener(str(path)) as stream:
            head = stream.read(NIFTI2_HEADER)
        kinds = (nibabel.Nifti1Image, nibabel.Nifti2Image)
        kind: Any = next((each for each in kinds if each.header_class.may_contain_header(head)), None)
        if kind is None:
            raise DataError("cannot be read as NIfTI (it has no such header): is it whole? export it anew")
        header = kind.header_class(head[: kind.header_class.sizeof_hdr], check=False)
        if header["vox_offset"] > MOST_EXTENDED:
            raise DataError(f"says that {header['vox_offset']:.2g} bytes stand before its voxels: export it anew")
        image: Any = kind.from_filename(path)
        if (count := math.prod(image.shape)) > MOST_VOXELS:
            raise DataError(f"says that it has {count:.2g} voxels: at most {MOST_VOXELS:.2g} are read")
        return np.asarray(image.dataobj, dtype=np.float32), np.asarray(image.affine, dtype=np.float64)
    except DataError:
        raise
    except Exception as error:  # nibabel, gzip and zlib raise many kinds
        raise DataError(f"cannot be read as NIfTI ({type(error).__name__}): is it whole? export it anew") from error


def _read_dicom(folder: Path) -> tuple[Floats, NDArray[np.float64]]:
    """The slices of a series, sorted by their place; nothing of their headers but the geometry is kept."""
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    series = reader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise DataError(f"holds {len(series)} DICOM series: give a folder with one")
    names = reader.GetGDCMSeriesFileNames(str(folder), series[0])
    try:
        first = SimpleITK.ImageFileReader()
        first.SetFileName(names[0])
        first.ReadImageInformation()
        if (count := math.prod(first.GetSize()) * len(names)) > MOST_VOXELS:
            raise DataError(f"says that it has {count:.2g} voxels: at most {MOST_VOXELS:.2g} are read")
        reader.SetFileNames(names)
        image = reader.Execute()
    except RuntimeError as error:
        raise DataError("cannot be read as a DICOM series: are slices missing or cut?") from error
    values = np.asarray(SimpleITK.GetArrayFromImage(image), dtype=np.float32).T
    return values, _ras_affine(image.GetDirection(), image.GetSpacing(), image.GetOrigin())


def _ras_affine(direction: Sequence[float], spacing: Sequence[float], origin: Sequence[float]) -> NDArray[np.float64]:
    """(4, 4) voxel to millimetres right, anterior, superior, of a geometry in left, posterior, superior."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(direction).reshape(3, 3) * np.array(spacing)
    affine[:3, 3] = origin
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def read_mask(path: Path) -> Volume:
    """Read a mask: 0 and one other value, or shares from 0 to 1. Raises `DataError` for anything else."""
    mask = read_volume(path)
    levels = np.unique(mask.values)
    if levels[0] < 0 or (levels[-1] > 1 and len(levels) > 2) or (levels[0] > 0 and len(levels) > 1):
        shown = ", ".join(f"{level:g}" for level in levels[:4]) + (" ..." if len(levels) > 4 else "")
        raise DataError(f"holds the values {shown}: a mask holds 0 and one other value, or shares from 0 to 1")
    notes = list(mask.notes)
    if levels[-1] > 1:
        notes.append(f"0 and {levels[-1]:g} are read as 0 and 1")
    if len(levels) == 1:
        notes.append("is empty" if levels[-1] == 0 else "covers the whole volume")
    return Volume(path, mask.values / max(float(levels[-1]), 1.0), mask.affine, tuple(notes))


def disagreement(mask: Volume, scan: Volume) -> str:
    """Why a mask and its scan do not lie in one place, or an empty string."""
    if _same_box(mask, scan):
        return ""
    if mask.values.shape == scan.values.shape and mask.mirrored != scan.mirrored:
        return f"{MIRRORED} the scan by its affine: which of the two is right?"
    low, high = mask.corners.min(axis=0), mask.corners.max(axis=0)
    inside = np.minimum(high, scan.corners.max(axis=0)) - np.maximum(low, scan.corners.min(axis=0))
    if (inside <= 0).any() or float((inside / (high - low)).prod()) < LEAST_OVERLAP:
        return "lies elsewhere than the scan by its affine: was one of them moved or cropped without it?"
    return ""


def _same_box(mask: Volume, scan: Volume) -> bool:
    """Whether both fill the same box, whatever the order in which their voxels are stored."""
    edges = [(volume.corners.min(axis=0), volume.corners.max(axis=0)) for volume in (mask, scan)]
    return bool(max(np.abs(one - other).max() for one, other in zip(*edges, strict=True)) < SAME_PLACE_MM)


def on_grid(volume: Volume, images: Images, middle: NDArray[np.float64]) -> Floats:
    """(x, y, z) the volume in RAS on the cohort's grid: each voxel is the mean of the samples within it.

    `middle` (3,) is the place in millimetres of the grid's middle. Outside the volume it is zero.
    """
    from scipy.ndimage import affine_transform

    finest = float(np.linalg.norm(volume.affine[:3, :3], axis=0).min())
    parts = int(np.clip(round(images.voxel_mm / finest), 1, FINEST))
    step, shape = images.voxel_mm / parts, np.array(images.grid) * parts
    target = np.diag([step, step, step, 1.0])
    target[:3, 3] = middle - step * (shape - 1) / 2
    to_voxels = np.linalg.inv(volume.affine) @ target
    fine = affine_transform(
        volume.values, to_voxels[:3, :3], to_voxels[:3, 3], tuple(shape), order=1, mode="constant", cval=0.0, prefilter=False
    )
    split = fine.reshape(images.grid[0], parts, images.grid[1], parts, images.grid[2], parts)
    return np.asarray(split.mean(axis=(1, 3, 5)), dtype=np.float32)


def scaled(values: Floats, inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Intensities as bytes: two percentiles of the tissue become 0 and 255; what is outside is 0."""
    if not inside.any():
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = np.percentile(values[inside], PERCENTILES)
    shares = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(np.where(inside, np.round(shares * 254) + 1, 0), dtype=np.uint8)


@dataclass(frozen=True)
class CaseImages:
    """The images of a case on the cohort's grid: view -> (x, y, z) bytes, and the lesion's volume in its own voxels.

    `notes` are (view, what was noted), `problems` (view, why it is refused).
    """

    views: Mapping[str, NDArray[np.uint8]]
    lesion_ml: float | None = None
    notes: tuple[tuple[str, str], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


def case_images(files: Mapping[str, Path], images: Images) -> CaseImages:
    """Read the files of one case, by view, and bring them to the grid."""
    volumes: dict[str, Volume] = {}
    problems: list[tuple[str, str]] = []
    for name, path in files.items():
        try:
            volumes[name] = (read_mask if name in (MASK, BRAIN) else read_volume)(path)
        except DataError as error:
            problems.append((name, str(error)))
    scans = [name for name in volumes if name not in (MASK, BRAIN)]
    for name in (name for name in (MASK, BRAIN) if name in volumes and scans):
        if apart := disagreement(volumes[name], volumes[scans[0]]):
            problems.append((name, f"{apart} ({volumes[scans[0]].path.name})"))
        elif volumes[name].mirrored != volumes[scans[0]].mirrored:
            volumes[name] = replace(volumes[name], notes=(*volumes[name].notes, f"{MIRRORED} its scan"))
    notes = tuple((name, note) for name, volume in volumes.items() for note in volume.notes)
    if problems or not volumes:
        return CaseImages({}, notes=notes, problems=tuple(problems))
    mask = volumes.get(MASK)
    lesion_ml = None if mask is None else float(mask.values.sum()) * mask.voxel_ml
    first = volumes[(scans or [*volumes])[0]]
    if images.space == "mni":
        try:
            moved = to_mni(first)
        except DataError as error:
            return CaseImages({}, notes=notes, problems=((scans[0] if scans else MASK, str(error)),))
        volumes = {name: replace(volume, affine=moved @ volume.affine) for name, volume in volumes.items()}
    middle = first.middle if images.space == "scanner" else TEMPLATE_MIDDLE
    gridded = {name: on_grid(volume, images, middle) for name, volume in volumes.items()}
    brain = gridded.pop(BRAIN, None)
    views = {}
    for name, values in gridded.items():
        if name == MASK:
            views[name] = np.round(values * 255).astype(np.uint8)
        else:
            views[name] = scaled(values, (values > 0) if brain is None else (brain >= 0.5))
    return CaseImages(views, lesion_ml, notes)


def to_mni(scan: Volume) -> NDArray[np.float64]:
    """(4, 4) millimetres of the scanner to those of MNI152: an affine registration by mutual information, by SimpleITK.

    The template is nilearn's at 4 mm, whatever the contrast of the scan. The same scan gives the same matrix.
    Raises `DataError` where the two are not brought together.
    """
    import SimpleITK
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=4)
    fixed = _as_itk(np.asarray(template.get_fdata(), dtype=np.float32), np.asarray(template.affine))
    moving = _as_itk(scan.values, scan.affine)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # sums in another order would give other last digits
    start = SimpleITK.CenteredTransformInitializer(
        fixed, moving, SimpleITK.AffineTransform(3), SimpleITK.CenteredTransformInitializerFilter.MOMENTS
    )
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.5, seed=1)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([4, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise DataError(
            "cannot be registered to MNI152: is it a whole head? register it beforehand, or use its own space"
        ) from error
    points = np.vstack([np.zeros(3), 100 * np.eye(3)])
    found = np.array([start.TransformPoint(point.tolist()) for point in points])  # of the template, in the scan; both LPS
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = ((found[1:] - found[0]) / 100).T, found[0]
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    scale = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if scale.min() < MOST_SCALED[0] or scale.max() > MOST_SCALED[1]:
        raise DataError("is not brought to MNI152 by a plausible affine: register it beforehand, or use its own space")
    return np.asarray(np.linalg.inv(flip @ matrix @ flip))


def _as_itk(values: Floats, affine: NDArray[np.float64]) -> Any:
    """A volume with its geometry, as SimpleITK takes it."""
    import SimpleITK

    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(values.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _digests(paths: Sequence[Path]) -> dict[Path, str]:
    """Of each file, or of all files of a folder."""
    files = {path: [path] if path.is_file() else sorted(filter(Path.is_file, path.iterdir())) for path in paths}
    every = [each for some in files.values() for each in some]
    known = dict(zip(every, digests_of(every), strict=True))
    return {path: digest([known[each] for each in some]) for path, some in files.items()}


def kept_case_images(files: Mapping[str, Path], digests: Mapping[str, str], images: Images) -> CaseImages:
    """Likewise, kept on this machine under a digest of the files and the grid, so that a run that was stopped goes on.

    `digests` : view -> digest of its file. What is refused is not kept.
    """
    settings = [VERSION, sorted(digests.items()), images.space, images.voxel_mm, images.grid]
    name = hashlib.sha256(repr(settings).encode()).hexdigest()
    path = data_folder() / "folders" / name[:2] / f"{name}.npz"
    if path.is_file():
        try:
            with np.load(path) as kept:
                notes = tuple((str(view), str(note)) for view, note in kept["notes"])
                lesion = float(kept["lesion_ml"])
                views = {key.removeprefix("view-"): kept[key] for key in kept.files if key.startswith("view-")}
                return CaseImages(views, None if np.isnan(lesion) else lesion, notes)
        except (OSError, ValueError, KeyError):
            path.unlink(missing_ok=True)
    made = case_images(files, images)
    if not made.problems:
        arrays: dict[str, NDArray[Any]] = {f"view-{view}": values for view, values in made.views.items()}
        arrays["notes"] = np.array(made.notes, dtype=np.str_).reshape(-1, 2)
        arrays["lesion_ml"] = np.array(np.nan if made.lesion_ml is None else made.lesion_ml)
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        write_durably(path, stream.getvalue())
    return made


def territories(mask: NDArray[np.uint8], labels: NDArray[np.uint8], count: int) -> Sequence[float]:
    """The damaged share of each territory: the mean of the mask (bytes) over its voxels; zero for one without voxels."""
    sums = np.bincount(labels.ravel(), weights=mask.ravel() / 255, minlength=count + 1)[1:]
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    shares: list[float] = (sums / np.maximum(sizes, 1)).tolist()
    return shares


def read_images(
    ids: Sequence[str], files: Mapping[str, Mapping[int, Path]], images: Images, remarks: Remarks
) -> tuple[dict[str, NDArray[np.uint8]], NDArray[np.float64] | None]:
    """Every case's images on one grid, and the lesions' volumes in millilitres (None without a view `mask`).

    `files` : view -> row -> file. Returns view -> (n, 1, x, y, z) bytes on disk, zero where a case has no file. What is wrong
    or noted goes to `remarks`, by case.
    """
    views = [view for view in images.views if view != BRAIN]
    shape = (len(ids), 1, *images.grid)
    place = data_folder() / "folders"
    place.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".reading-", dir=place))
    arrays: dict[str, NDArray[np.uint8]] = {
        view: np.lib.format.open_memmap(scratch / f"{view}.npy", mode="w+", dtype=np.uint8, shape=shape) for view in views
    }
    shutil.rmtree(scratch, ignore_errors=True)  # what is mapped stays until nobody holds it
    lesion = np.full(len(ids), np.nan)
    noted: dict[tuple[str, str], list[int]] = {}

    digests = _digests([path for by_row in files.values() for path in by_row.values()])

    def read(row: int) -> CaseImages:
        own = {view: by_row[row] for view, by_row in files.items() if row in by_row}
        return kept_case_images(own, {view: digests[path] for view, path in own.items()}, images)

    with ThreadPoolExecutor(READERS) as threads:
        for row, made in enumerate(threads.map(read, range(len(ids)))):
            for view, problem in made.problems:
                remarks.refuse(f"view '{view}'", f"case {ids[row]}: {problem}")
            for noted_of in made.notes:
                noted.setdefault(noted_of, []).append(row)
            for view, values in made.views.items():
                arrays[view][row, 0] = values
            if made.lesion_ml is not None:
                lesion[row] = made.lesion_ml
            if row % BLOCK == 0:
                for array in arrays.values():
                    let_go(array)
    for (view, note), rows in noted.items():
        concerned = np.isin(np.arange(len(ids)), rows)
        if note.startswith(MIRRORED) and len(rows) <= len(files[view]) / 2:
            mend = "as most are not: is its affine right, or is the lesion on the other side?"
            remarks.refuse(f"view '{view}'", f"{note}, {mend}", concerned)
        else:
            remarks.read(f"view '{view}'", note, concerned)
    return arrays, lesion if MASK in views else None
