"""Members: what a user added to a suite on this machine by naming it in `run`, remembered beside the results."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmark.system.errors import BenchmarkError, check_known
from benchmark.system.files import write_durably
from benchmark.system.locations import results_folder

FOLDER = Path(__file__).resolve().parent
"""Where the suites of the checkout lie."""
Standing = Literal["ranked", "descriptive"]
Table = tuple[str, str]
"""A dataset and a protocol."""
NAMED = ("datasets", "protocols", "methods")


class Place(NamedTuple):
    """A table that a method was run for, and how it stands there."""

    dataset: str
    protocol: str
    standing: Standing

    @property
    def table(self) -> Table:
        """Its dataset and protocol."""
        return self.dataset, self.protocol


Places = Mapping[str, tuple[Place, ...]]


@dataclass(frozen=True)
class Members:
    """What a user added to a suite on this machine.

    `places` is method -> the tables that it was run for. A method without places joined before they were remembered: it is
    ranked in every table.
    """

    methods: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    places: Places = field(default_factory=dict)

    def placed(self, tables: Iterable[Table]) -> Places:
        """Every method with its places: `tables` where it has none of its own."""
        everywhere = tuple(Place(*table, "ranked") for table in tables)
        return {name: self.places.get(name, everywhere) for name in self.methods}

    def joined_by(self, extra: "Members") -> "Members":
        """These and further ones; a method stands in a table as it was named there last."""
        names = {
            item.name: tuple(dict.fromkeys(getattr(self, item.name) + getattr(extra, item.name)))
            for item in fields(self)
            if item.name != "places"
        }
        everywhere = {name for each in (self, extra) for name in each.methods if name not in each.places}
        places = {
            name: _merged(self.places.get(name, ()), extra.places.get(name, ()))
            for name in names["methods"]
            if name not in everywhere
        }
        return Members(**names, places=places)

    def without(self, leaving: Places) -> "Members":
        """These after some methods left some of their places; one that has none left is no member any more."""
        places = {
            name: tuple(place for place in there if place not in leaving.get(name, ())) for name, there in self.places.items()
        }
        gone = {name for name, there in places.items() if not there}
        return replace(
            self,
            methods=tuple(name for name in self.methods if name not in gone),
            places={name: there for name, there in places.items() if name not in gone},
        )


def _merged(before: Collection[Place], after: Collection[Place]) -> tuple[Place, ...]:
    return tuple({place.table: place for place in (*before, *after)}.values())


def members(suite: str) -> Members:
    """Who joined a suite on this machine."""
    known = read_members().get(suite, {})
    names = {item.name: tuple(known.get(item.name, ())) for item in fields(Members) if item.name != "places"}
    places = {name: tuple(Place(*place) for place in there) for name, there in known.get("places", {}).items()}
    return Members(**names, places=places)


def remember_members(suite: str, now: Members) -> None:
    """Remember who the members of a suite are on this machine."""
    if now != members(suite):
        everyone = read_members()
        _write_members({**everyone, suite: {**everyone.get(suite, {}), **asdict(now)}})


def leave(suite: str, name: str) -> None:
    """Forget a member of a suite on this machine, in every table. Raises `UnknownNameError` where it is none."""
    mine = members(suite)
    check_known(f"member of {suite}", [name], [other for kind in NAMED for other in getattr(mine, kind)])
    places = {
        method: tuple(place for place in there if name in (method, *place.table)) for method, there in mine.places.items()
    }
    left = mine.without(places)
    names: dict[str, Any] = {kind: tuple(other for other in getattr(left, kind) if other != name) for kind in NAMED}
    remember_members(suite, replace(left, **names))


def remember_file(name: str) -> None:
    """Remember beside the results which file a suite is of that is not of the checkout: another of its name is refused then."""
    everyone, path = read_members(), Path(name)
    mine = everyone.get(path.stem, {})
    if name.endswith(".toml") and path.resolve().parent != FOLDER and mine.get("file") != file_of(path):
        _write_members({**everyone, path.stem: {**mine, "file": file_of(path)}})


def file_of(path: Path) -> list[str]:
    """How the file of a suite is remembered."""
    return [str(path.resolve())]


def _members_file() -> Path:
    return results_folder() / "members.json"


def _write_members(everyone: Mapping[str, Mapping[str, Any]]) -> None:
    write_durably(_members_file(), (json.dumps(everyone, indent=1, sort_keys=True) + "\n").encode())


def read_members() -> dict[str, dict[str, Any]]:
    """Suite -> what is remembered of it on this machine. Raises `BenchmarkError` where the file is not JSON."""
    path = _members_file()
    try:
        content: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise BenchmarkError(f"{path} is not JSON ({error}): delete it, and name your methods in `run` again") from error
    return content
