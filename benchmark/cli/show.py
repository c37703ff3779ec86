"""`show`: a card, how a cohort was read, a single case, a suite, splits, stored predictions, or stages."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.cli.selection import JSON, PLUGIN, Options, addressed, argument, print_json
from benchmark.registry.discovery import discover
from benchmark.suites.members import members
from benchmark.suites.suite import DEFAULT, load_suite
from benchmark.system.errors import BenchmarkError, check_known

LEVELS = 6
"""Levels of a category that are printed."""
SUBJECTS = ("dataset", "method", "encoder", "protocol", "suite", "case", "splits", "predictions", "stages")


ARGUMENTS = (
    argument("subject", choices=SUBJECTS, help="what to show"),
    argument(
        "name",
        nargs="?",
        help="its name (a card or a suite), the id of a case, or for predictions DATASET/PROTOCOL/METHOD[/SPLIT]",
    ),
    argument("--dataset", metavar="D", help="for a case, splits and stages; for predictions in place of the address"),
    argument("--protocol", metavar="P", help="for splits; for predictions in place of the address"),
    argument("--method", metavar="M", help="for stages their owner; for predictions in place of the address"),
    argument("--suite", default=DEFAULT, metavar="NAME", help="for predictions: the suite whose rows are shown"),
    argument("--output", default="", metavar="DIR", help="for a case: where its ECG is drawn (default: results/cases/DATASET)"),
    argument("--columns", action="store_true", help="for a dataset: how each column of its cohort was read"),
    PLUGIN,
    JSON,
)


def run(options: Options) -> int:
    """Exit code 0."""
    special = {"suite": _suite, "case": _case, "splits": _splits, "predictions": _predictions, "stages": _stages}
    if options.columns:
        return _columns(options)
    content: Any = special.get(options.subject, _card)(options)
    if options.json:
        print_json(content)
    elif isinstance(content, dict):
        for key, value in content.items():
            print(_field(key, value))
    else:
        for row in content:
            print("  ".join(f"{key}={len(value) if isinstance(value, list) else value}" for key, value in row.items()))
    return 0


def _card(options: Options) -> dict[str, Any]:
    catalogue = discover(options.plugin)
    if not options.name:
        raise BenchmarkError(f"show {options.subject} needs a name: `python -m benchmark list {options.subject}s` lists them")
    configured = catalogue.configured(options.subject, options.name)
    entry = configured.entry
    described = {"error": entry.error} if entry.error else vars(configured.card)
    card = {"name": entry.name, "kind": entry.kind, "file": str(entry.path), **described}
    parameters = {name: value for name, value in entry.constants.items() if not name.startswith("_")}
    return {key: _ordered(value) for key, value in (card | ({"parameters": parameters} if parameters else {})).items()}


def _columns(options: Options) -> int:
    """Print how a cohort's columns were read, and what was remarked when it was prepared."""
    from benchmark.data.intake import columns, read_remarks
    from benchmark.data.preparation import load_cohort

    if options.subject != "dataset" or not options.name:
        raise BenchmarkError("--columns goes with `show dataset NAME`")
    cohort = load_cohort(options.name, discover(options.plugin))
    remarks = read_remarks(Path(cohort.folder))
    rows = columns(cohort, remarks)
    if options.json:
        lines = [asdict(line) for line in remarks.lines]
        print_json({"dataset": cohort.name, "cases": len(cohort), "columns": rows, "remarks": lines})
        return 0
    print(f"{cohort.name}: {len(cohort)} cases with {', '.join(sorted(cohort.modalities))}")
    width = max((len(f"{row['part']}.{row['column']}") for row in rows), default=0)
    for row in rows:
        name = f"{row['part']}.{row['column']}".ljust(width)
        print(f"{name}  {row['read_as']:8}  {row['given']:10}  {row['missing']:5} missing  {_held(row)}")
    for line in remarks.lines:
        print(f"{line.state}: {line}")
    return 0


def _held(row: dict[str, Any]) -> str:
    """The range of a number, or the first levels of a category."""
    if row["read_as"] == "number":
        if row["range"] is None:
            return "no value"
        least, median, greatest = row["range"]
        return f"{least:.5g} to {greatest:.5g}, median {median:.5g}"
    levels = list(row["levels"].items())
    more = f" and {len(levels) - LEVELS} more" if len(levels) > LEVELS else ""
    return ", ".join(f"{level} ({cases})" for level, cases in levels[:LEVELS]) + more


def _ordered(value: Any) -> Any:
    """Sets as sorted lists, at any depth."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    return {key: _ordered(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _suite(options: Options) -> dict[str, Any]:
    suite = load_suite(options.name or DEFAULT)
    declared = {name: value for name, value in asdict(suite).items() if name != "places"}
    return {**declared, "members on this machine": asdict(members(suite.name))}


def _case(options: Options) -> dict[str, Any]:
    """What is known of a case; its recording is drawn to a file."""
    from benchmark.data.case import described, find_case
    from benchmark.data.contracts import Inspected
    from benchmark.data.preparation import load_cohort
    from benchmark.leaderboard.ecg_paper import write_ecg
    from benchmark.system.files import safe
    from benchmark.system.locations import results_folder

    if not options.name:
        raise BenchmarkError("show case needs the id of a case, as `show splits` lists them, and --dataset")
    catalogue = discover(options.plugin)
    dataset = catalogue.dataset(_needed(options, "dataset"))
    cohort, row = find_case(load_cohort(dataset.spelled, catalogue), options.name)
    content = described(cohort, row, {0: dataset.card.negative, 1: dataset.card.positive})
    if isinstance(made := dataset.make(), Inspected) and (own := made.own_names().get(options.name)):
        content = {"your own id": own, **content}
    if cohort.signals is not None and cohort.having("signal")[row]:
        place = Path(options.output).expanduser() if options.output else results_folder() / "cases" / safe(dataset.spelled)
        path = place / f"{safe(options.name)}.png"
        content["drawing"] = str(write_ecg(path, cohort.signals, row, f"{dataset.spelled}, case {options.name}"))
    return content


def _splits(options: Options) -> list[dict[str, Any]]:
    from benchmark.cells.planning import splits_of
    from benchmark.data.preparation import load_cohort

    catalogue = discover(options.plugin)
    protocol = catalogue.protocol(_needed(options, "protocol"))
    cohort = load_cohort(_needed(options, "dataset"), catalogue)
    return [
        {
            "name": split.name,
            "seed": split.seed,
            **{part: cohort.case_ids[getattr(split, part)].tolist() for part in ("train", "validation", "test")},
            **({"unlabelled": cohort.case_ids[split.unlabelled].tolist()} if len(split.unlabelled) else {}),
        }
        for split in splits_of(protocol, cohort)
    ]


def _predictions(options: Options) -> list[dict[str, Any]]:
    from benchmark.cells.rows import catalogue_of, load_predictions

    catalogue = catalogue_of(options.suite, options.plugin)
    row = dict(zip(("dataset", "protocol", "method", "split"), addressed(_address(options), catalogue), strict=True))
    frame = load_predictions(options.suite)
    for column in ("dataset", "protocol", "method"):
        frame = frame[frame[column] == row[column]]
    if frame.empty:
        address = "/".join(str(row[column]) for column in ("dataset", "protocol", "method"))
        raise BenchmarkError(
            f"no complete row {address} is stored in suite {options.suite}: run it, or name its suite by --suite"
        )
    if row["split"] is not None:
        check_known("split", [row["split"]], frame["split"].astype(str).unique().tolist())
        frame = frame[frame["split"] == row["split"]]
    columns = ["case", "split", "seed", "label", "probability"]
    rows = frame[columns].astype({"case": str, "split": str}).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _address(options: Options) -> str:
    """The address of a row: its name, or what the three options give. Raises `BenchmarkError` where both are given."""
    given = [name for name in ("dataset", "protocol", "method") if getattr(options, name)]
    if options.name and given:
        raise BenchmarkError(f"{options.name} names dataset, protocol and method: leave out --{given[0]}")
    return options.name or "/".join(_needed(options, name) for name in ("dataset", "protocol", "method"))


def _stages(options: Options) -> list[dict[str, Any]]:
    """The stages on this machine, with the rows whose cells, stored here, build on them."""
    from benchmark.cells.stages import used_by
    from benchmark.data.stages import stored_stages

    users, wanted = used_by(), {"owner": options.method, "dataset": options.dataset}
    return [
        {
            "digest": stage.digest,
            "method": stage.owner,
            "stage": stage.stage,
            "dataset": stage.dataset,
            "sees": list(stage.sees),
            "cases_seen": list(stage.cases_seen),
            "seconds": stage.seconds,
            "used_by": users.get(stage.digest, []),
        }
        for stage in stored_stages()
        if all(value in (None, getattr(stage, name)) for name, value in wanted.items())
    ]


def _needed(options: Options, name: str) -> str:
    value: str | None = getattr(options, name)
    if value is None:
        raise BenchmarkError(f"show {options.subject} needs --{name}")
    return value


def _field(key: str, value: Any) -> str:
    if isinstance(value, dict) and value:
        return "\n  ".join([f"{key}:", *(f"{inner}: {item}" for inner, item in value.items())])
    if isinstance(value, list | tuple):
        return f"{key}: {', '.join(map(str, value)) or 'none'}"
    return f"{key}: {value}"
