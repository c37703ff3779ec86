"""`explain-image`: which parts of the images a method's network uses, by Grad-CAM and, as its control, by occlusion."""

from pathlib import Path
from typing import Any

from benchmark.cli.selection import JSON, PLUGIN, Options, argument, print_json
from benchmark.suites.suite import DEFAULT, canonical, load_suite

NOTE = "A map shows what this network used on these cases, not what causes stroke or its outcome."
LISTED = 12
"""Territories that are printed; the file has all."""

ARGUMENTS = (
    argument("method", metavar="METHOD", help="a method that sees the image itself, such as image-cnn"),
    argument("--dataset", required=True, metavar="D", help="a dataset with images"),
    argument("--split", default="", metavar="NAME", help="the split of repeated-cv that is fitted (default: its first)"),
    argument("--case", action="append", default=[], metavar="ID", help="a single test case, in place of the mean over cases"),
    argument("--view", default="", metavar="V", help="only the branch of the network that this image view enters"),
    argument("--label", type=int, choices=(0, 1), default=1, help="the label whose logit is explained (default: 1)"),
    argument("--output", default="", metavar="DIR", help="where figure, NIfTI files and table go (default: results/explained)"),
    argument("--suite", default=DEFAULT, metavar="NAME|FILE", help="whose limits of a cell hold, and whose plug-ins are known"),
    PLUGIN,
    JSON,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.explained import Wanted, explain_image
    from benchmark.cells.rows import catalogue_of
    from benchmark.data.preparation import load_cohort
    from benchmark.leaderboard.brain_maps import write_maps
    from benchmark.system.files import safe
    from benchmark.system.locations import results_folder

    catalogue = catalogue_of(options.suite, options.plugin)
    dataset, method = canonical("dataset", options.dataset, catalogue), canonical("method", options.method, catalogue)
    cohort = load_cohort(dataset, catalogue)
    wanted = Wanted(options.label, options.view, tuple(dict.fromkeys(options.case)))
    explained = explain_image(load_suite(options.suite), method, cohort, dataset, catalogue, options.split, wanted)
    folder = Path(options.output).expanduser() if options.output else results_folder() / "explained"
    stem = f"{dataset}-{method}-{explained.split}-label{options.label}"
    maps = list(write_maps(folder, safe(stem), explained, cohort, catalogue.dataset(dataset).entry.name))
    content = {
        "dataset": dataset,
        "method": method,
        "split": explained.split,
        "label": options.label,
        "test_cases": explained.labelled,
        "predicted_correctly": explained.correct,
        "cases": [
            {"case": case, "probability": chance} for case, chance in zip(explained.cases, explained.probabilities, strict=True)
        ],
        "maps": maps,
        "note": NOTE,
    }
    if options.json:
        print_json(content)
    else:
        print("\n".join(_lines(content)))
    return 0


def _lines(content: dict[str, Any]) -> list[str]:
    right = f"{content['predicted_correctly']} of {content['test_cases']} test cases of label {content['label']}"
    lines = [f"{content['method']} on {content['dataset']}, {content['split']}: {right} are predicted correctly"]
    for shown in content["maps"]:
        of = "their mean" if shown["map"] == "mean" else f"case {shown['map']}"
        cells, agree = "x".join(map(str, shown["cells"])), _number(shown["correlation"])
        lines.append(f"{of}, {' + '.join(shown['views'])}: maps of {cells} cells ({shown['stage']}), in {shown['space']}")
        lines.append(f"  correlation of Grad-CAM with occlusion: {agree}")
        if shown["regions"]:
            lines.append(f"  {'Grad-CAM':>9}  {'occlusion':>9}  {'places':>6}  share of")
        for row in shown["regions"][:LISTED]:
            lines.append(
                f"  {_number(row['grad_cam']):>9}  {_number(row['occlusion']):>9}  {row['places']:6.3f}  {row['region']}"
            )
        lines += [f"  {path}" for path in shown["files"]]
    return [*lines, "Each case's map is divided by its maximum before the mean is taken.", content["note"]]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
