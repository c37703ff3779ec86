"""Discovery without import, broken components, spellings, plug-ins, entry points, and the name `datasets`."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.list import listing
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.registry.entries import PLURALS
from benchmark.registry.spelling import divided, parse_spelling, spell
from benchmark.suites.suite import canonical
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.locations import ROOT
from tests.conftest import Run
from tests.made_benchmark import MadeBenchmark

GOOD = """
from dataclasses import dataclass
from benchmark import register_method

@register_method("{name}", family="f", reference="r", fit_modalities=set(), predict_modalities=set())
@dataclass
class Good:
    answer: int = 42
"""


def plugin(folder: Path, text: str, name: str = "mine.py") -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def listed(python: Run, *arguments: str) -> dict[str, bool]:
    """What is in sys.modules after listing."""
    done = python(
        "import json, sys\n"
        "from benchmark.cli.main import main\n"
        f"main({['list', *arguments]!r})\n"
        "names = ['numpy', 'pandas', 'sklearn', 'torch', 'xgboost', 'transformers']\n"
        "names.append('benchmark.learning.encoders.text_models')\n"
        "project = [n for n in sys.modules if n.split('.')[0] in ('datasets', 'baselines', 'methods')]\n"
        "plugins = [n for n in sys.modules if 'plugin' in n and 'strokebench' in n]\n"
        "print(json.dumps([[n for n in names if n in sys.modules], project, plugins]))"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Listing


def test_listing_imports_no_component_and_no_heavy_library(python: Run, made: MadeBenchmark) -> None:
    assert listed(python, "--plugin", str(made.plugin)) == [[], [], []]


def test_everything_shipped_is_listed_without_error() -> None:
    catalogue = discover()
    for kind in PLURALS.values():
        assert [entry.error for entry in getattr(catalogue, kind) if entry.error] == []
    known = {"repeated-cv", "label-efficiency", "leave-one-site-out", "holdout", "own-folds", "external"}
    assert known == {entry.name for entry in catalogue.protocols}
    assert {"majority", "logistic-regression"} <= {entry.name for entry in catalogue.methods}


SOURCE_PAPERS_ROWS = """
vdafm vdafm[text=permuted] vdafm[text=constant] vdafm[image=permuted] vdafm[image=constant]
vdafm[modalities=text] vdafm[modalities=image] vdafm[modalities=table]
vdafm[zeroed=text] vdafm[zeroed=image] vdafm[zeroed=table]
vdafm[modalities=text+image] vdafm[modalities=text+table] vdafm[modalities=image+table]
vdafm[zeroed=table+text] vdafm[zeroed=image+text] vdafm[zeroed=image+table]
logistic-regression random-forest svm xgboost lightgbm decision-tree majority lesion-volume average-ensemble
xgboost[features=table+image+text] xgboost[features=table+derived] xgboost[smote=1] xgboost[class_weight=balanced]
mlp table-net table-net[size=paper] ft-transformer ft-transformer[size=paper] image-net text-net concat late-average gated
cross-attention cross-attention[size=paper] self-attention self-attention[size=paper]
joint-transformer joint-transformer[size=paper]
low-rank-fusion film daft earthmind earthmind[tokens=pooled] earthmind[size=paper] earthmind[alignment=mse]
fusion fusion[tokens=pooled] fusion[size=paper] sparsemm sparsemm[tokens=pooled] sparsemm[size=paper]
sparsemm[scores=random] sparsemm[scores=uniform] sparsemm[masked=visual-heads] sparsemm[masked=random-heads]
"""


def test_every_row_of_the_source_papers_comparison_is_listed() -> None:
    assert set(SOURCE_PAPERS_ROWS.split()) <= {item["name"] for item in listing(discover())["methods"]}


def test_adapted_rows_say_what_was_kept_dropped_and_assumed() -> None:
    adapted = [entry for entry in discover().methods if entry.card.family == "adapted"]
    assert {entry.name for entry in adapted} == {"earthmind", "fusion", "sparsemm"}
    for entry in adapted:
        assert all(word in entry.card.differences for word in ("kept: ", "Changed: ", "Dropped: ", "[A] ")), entry.name


def test_fields_and_defaults_read_from_the_source_are_those_of_the_imported_class(catalogue: Catalogue) -> None:
    for entry in (*catalogue.methods, *catalogue.datasets, *catalogue.corpora):
        fields = {field.name for field in dataclasses.fields(entry.load()) if field.init}
        assert entry.fields == fields, entry.name
        assert {name: entry.constants[name] for name in entry.defaults()} == entry.defaults(), entry.name


def test_a_parameter_inherited_from_the_training_loop_is_spelled_without_importing_it(python: Run) -> None:
    done = python(
        "import sys\n"
        "from benchmark.registry.discovery import discover\n"
        "from benchmark.suites.suite import canonical\n"
        "print(canonical('method', 'vdafm[learning_rate=0.0005,patience=10]', discover()), 'torch' in sys.modules)"
    )
    assert done.stdout.split() == ["vdafm[patience=10]", "False"], done.stderr


def test_listing_shows_methods_in_alphabetical_order(catalogue: Catalogue) -> None:
    names = [entry.name for entry in catalogue.methods]
    assert names == sorted(names)


def test_a_plugin_registers_datasets_and_methods_alike(catalogue: Catalogue, made: MadeBenchmark) -> None:
    assert catalogue.datasets.get("made").path == made.plugin
    assert catalogue.methods.get("steady").path == made.plugin


def test_a_plugin_is_loaded_by_path_and_configured(tmp_path: Path) -> None:
    entry = discover([plugin(tmp_path, GOOD.format(name="mine"))]).methods.get("mine")
    assert entry.make({"answer": 7}).answer == 7


def test_two_plugin_files_of_one_name_are_both_loaded(tmp_path: Path) -> None:
    paths = [plugin(tmp_path / folder, GOOD.format(name=folder).replace("42", folder[-1])) for folder in ("a1", "a2")]
    catalogue = discover(paths)
    assert [catalogue.methods.get(name).make({}).answer for name in ("a1", "a2")] == [1, 2]


def test_a_plugin_that_is_not_a_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"nothing\.py' is not a file"):
        discover([str(tmp_path / "nothing.py")])


def test_a_method_may_give_none_for_its_variants_and_a_class_attribute_that_is_no_literal(
    tmp_path: Path, made: MadeBenchmark
) -> None:
    text = GOOD.format(name="plain").replace('family="f"', 'family="f", variants=None')
    path = plugin(tmp_path, text + "    odd = {[1]}\n")
    assert "  plain  f" in made.cli("list", "methods", "--plugin", str(path)).stdout


# Encodings


@pytest.mark.parametrize(
    ("head", "encoding"),
    [("", "utf-8-sig"), ("# -*- coding: latin-1 -*-\n", "latin-1"), ("#!/usr/bin/python\n# coding: cp1252\n", "cp1252")],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_is_read_in_the_encoding_that_it_names(tmp_path: Path, head: str, encoding: str, end: str) -> None:
    text = head + GOOD.format(name="mine").replace('"f"', '"Jürgen"')
    path = tmp_path / "mine.py"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    entry = discover([str(path)]).methods.get("mine")
    assert entry.card.family == "Jürgen"
    assert entry.make({}).answer == 42


def test_a_file_of_another_encoding_than_it_names_is_broken_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(GOOD.format(name="mine").replace('"f"', '"Jürgen"').encode("latin-1"))
    error = discover([str(path)]).methods.get("mine").error
    assert error is not None
    assert re.search(r"mine\.py: .*'utf-8' codec can't decode", error)


# Broken files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n", "line 1"),
        ("import numpy\n", "registers nothing"),
        ("\x00", "null"),
        (GOOD.format(name="x").replace('family="f"', "family=FAMILY"), "'family'.*must be a literal"),
        (GOOD.format(name="x").replace('reference="r", ', ""), "lacks reference"),
        (GOOD.format(name="x").replace('family="f"', 'family="f", flavour="sweet"'), "does not know flavour"),
        (GOOD.format(name="x").replace('"x"', "NAME"), "is the name, a string"),
        (GOOD.format(name="x").replace('"x"', "42"), "is the name, a string"),
        (GOOD.format(name="x").replace('family="f"', "family={[]: 1}"), "must be a literal"),
        (GOOD.format(name="x").replace("fit_modalities=set()", "fit_modalities=7"), "fit_modalities"),
        (GOOD.format(name="x").replace("fit_modalities=set()", 'fit_modalities="table"'), "fit_modalities"),
    ],
    ids=["syntax", "nothing", "null", "literal", "missing", "unknown", "name", "number", "unhashable", "type", "letters"],
)
def test_a_broken_file_stays_listed_with_its_error_and_others_with_it(
    tmp_path: Path, text: str, said: str, made: MadeBenchmark
) -> None:
    bad, good = plugin(tmp_path, text, "bad.py"), plugin(tmp_path, GOOD.format(name="good"), "good.py")
    listed = made.json("list", "methods", "--json", "--plugin", str(bad), "--plugin", str(good))
    methods = {item["name"]: item for item in listed["methods"]}
    broken = [item for item in methods.values() if "error" in item]
    assert len(broken) == 1
    assert "bad.py" in broken[0]["error"]
    assert re.search(said, broken[0]["error"])
    assert "error" not in methods["good"]
    assert "error" not in methods["majority"]


def test_a_broken_component_cannot_be_loaded_and_says_why(tmp_path: Path) -> None:
    entry = discover([plugin(tmp_path, "def broken(:\n", "my_method.py")]).methods.get("my-method")
    with pytest.raises(BenchmarkError, match=r"method 'my-method' is broken: .*my_method\.py: line 1"):
        entry.load()


def test_a_name_registered_in_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    paths = [plugin(tmp_path, GOOD.format(name="twin"), name) for name in ("first.py", "second.py")]
    error = discover(paths).methods.get("twin").error
    assert error is not None
    assert "first.py" in error
    assert "second.py" in error


def test_a_name_registered_twice_in_one_file_is_an_error(tmp_path: Path) -> None:
    text = GOOD.format(name="twin") + GOOD.format(name="twin").replace("class Good", "class Other")
    error = discover([plugin(tmp_path, text)]).methods.get("twin").error
    assert error is not None
    assert "twice" in error


def test_a_file_of_the_checkout_that_was_edited_or_appeared_is_read_anew_in_the_same_process(tmp_path: Path) -> None:
    def names() -> set[str]:
        return {entry.name for entry in discover(root=tmp_path).methods}

    path = Path(plugin(tmp_path / "methods", GOOD.format(name="before")))
    assert names() == {"before"} == names()
    path.write_text(GOOD.format(name="after"), encoding="utf-8")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    plugin(tmp_path / "methods", GOOD.format(name="other"), "other.py")
    (tmp_path / "methods" / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert names() == {"after", "other", "gone"}


def test_the_same_plugin_given_twice_is_no_duplicate(tmp_path: Path) -> None:
    path = plugin(tmp_path, GOOD.format(name="mine"))
    assert discover([path, path]).methods.get("mine").error is None


# Names


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("method", "logistic-regresion", "logistic-regression"),
        ("dataset", "sooop", "soop"),
        ("protocol", "repeated-vc", "repeated-cv"),
        ("encoder", "minlim", "minilm"),
    ],
)
def test_an_unknown_name_is_met_with_the_nearest_one(kind: str, name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown {kind} '{name}': did you mean .*'{near}'"):
        discover().configured(kind, name)


def test_a_name_like_no_other_is_met_with_all_known_ones() -> None:
    with pytest.raises(
        UnknownNameError, match="known: external, holdout, label-efficiency, leave-one-site-out, own-folds, repeated-cv"
    ):
        discover().protocols.get("zzzzzz")


def test_an_unknown_parameter_is_met_with_the_nearest_one(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownNameError, match="unknown parameter of dicey 'nois': did you mean 'noise'"):
        catalogue.methods.get("dicey").make({"nois": 1})


# Spellings


@pytest.mark.parametrize(
    ("spelled", "name", "parameters"),
    [
        ("plain", "plain", {}),
        ("m[]", "m", {}),
        ("m[b=2,a=x]", "m", {"a": "x", "b": 2}),
        ("m[ a = 1.5 , b=true]", "m", {"a": 1.5, "b": True}),
        ("m[a=None,b=-3,c=1e-4]", "m", {"a": None, "b": -3, "c": 1e-4}),
        ("m[features=table+image]", "m", {"features": "table+image"}),
        ("m[a='3']", "m", {"a": "3"}),
        ("m[text_encoder=biobert[weights=/x/y],a=1]", "m", {"text_encoder": "biobert[weights=/x/y]", "a": 1}),
        ("m[e=f[a=1,b=g[c=2,d=3]]]", "m", {"e": "f[a=1,b=g[c=2,d=3]]"}),
    ],
)
def test_a_spelling_is_read_as_name_and_parameters(spelled: str, name: str, parameters: dict[str, object]) -> None:
    assert parse_spelling(spelled) == (name, parameters)


@pytest.mark.parametrize("spelled", ["m[a=1", "m[a]", "m[=1]", "m[a=1,a=2]", "m[a=1]b", "m[a=b[c=1]"])
def test_a_wrong_spelling_is_an_error_of_one_line_that_repeats_it(spelled: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        parse_spelling(spelled)
    assert spelled in str(caught.value)
    assert "\n" not in str(caught.value)


KEYS = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
WORDS = st.from_regex(r"[a-z][a-z+/.]{0,10}", fullmatch=True).filter(lambda text: text not in ("true", "false", "none"))
VALUES = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), WORDS)


@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True), parameters=st.dictionaries(KEYS, VALUES, max_size=4))
def test_parsing_undoes_spelling(name: str, parameters: dict[str, object]) -> None:
    assert parse_spelling(spell(name, parameters)) == (name, parameters)


@given(parameters=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_the_order_of_parameters_does_not_change_the_spelling(parameters: dict[str, object]) -> None:
    turned = dict(reversed(parameters.items()))
    assert spell("m", parameters) == spell("m", turned)


@pytest.mark.parametrize(
    ("text", "separator", "parts"),
    [
        ("a[x=1,b=c[d=1]],e", ",", ["a[x=1,b=c[d=1]]", "e"]),
        ("a[l=1,t=h[w=/x,n=2]],b", ",", ["a[l=1,t=h[w=/x,n=2]]", "b"]),
        ("made/cv/m[w=/x,f=a[n=1]]/s", "/", ["made", "cv", "m[w=/x,f=a[n=1]]", "s"]),
        ("", ",", [""]),
    ],
)
def test_rows_and_addresses_are_divided_outside_brackets_however_deep(text: str, separator: str, parts: list[str]) -> None:
    assert divided(text, separator) == parts


def test_keys_stand_sorted_in_a_spelling() -> None:
    assert spell("m", {"b": 1, "a": 2}) == "m[a=2,b=1]"


def test_a_datasets_card_says_what_a_configuration_changes_of_it(made: MadeBenchmark) -> None:
    variants = '{"sites=1": {"scope": "One hospital.", "cases": 30}, "text=False": {"site": "ward"}}'
    made.edit('scope="Made for tests.",', f'scope="Made for tests.", variants={variants},')
    card = {
        spelled: made.catalogue().dataset(spelled).card for spelled in ("made", "made[sites=1]", "made[sites=1,text=false]")
    }
    assert [(each.scope, each.cases, each.site) for each in card.values()] == [
        ("Made for tests.", 60, "hospital"), ("One hospital.", 30, "hospital"), ("One hospital.", 30, "ward"),
    ]  # fmt: skip
    assert made.json("show", "dataset", "made[sites=1]", *made.options[2:], "--json")["scope"] == "One hospital."


def test_a_configuration_may_be_a_component_of_its_own(made: MadeBenchmark) -> None:
    copy = made.plugin.read_text().replace('"made",\n    title="Made"', '"made[label=other]",\n    title="Other"')
    catalogue = made.catalogue(made.write("other_label.py", copy[: copy.index("@register_method")]))
    other = catalogue.dataset("made[ label = other ]")
    assert (other.spelled, other.card.title, other.make().cases) == ("made[label=other]", "Other", 60)
    assert catalogue.dataset("made").card.title == catalogue.dataset("made[sites=1]").card.title == "Made"
    with pytest.raises(UnknownNameError, match="label"):
        catalogue.dataset("made[label=third]")


def test_a_parameter_that_equals_its_default_is_dropped(catalogue: Catalogue) -> None:
    assert canonical("method", "varied[width=8,features=table]", catalogue) == "varied"
    assert canonical("method", "varied[width=9,features=table]", catalogue) == "varied[width=9]"
    assert canonical("dataset", "made[cases=60,text=false]", catalogue) == "made[text=False]"


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("concat[modalities=table+image+text]", "concat"),
        ("concat[modalities=text+table+image,dropout=0.5]", "concat"),
        ("concat[modalities=table+image]", "concat[modalities=image+table]"),
        ("vdafm[modalities=image+text]", "vdafm[modalities=text+image]"),
        ("logistic-regression[features=image+table]", "logistic-regression[features=table+image]"),
        ("logistic-regression[features=text+table+image]", "logistic-regression[features=table+image+text]"),
        ("logistic-regression[features=derived+image]", "logistic-regression[features=derived+image]"),
        ("vdafm[modalities=image+table,tuned=tpe-5]", "vdafm[modalities=image+table,tuned=tpe-5]"),
        ("vdafm[modalities=table+image,tuned=tpe-5]", "vdafm[modalities=image+table,tuned=tpe-5]"),
    ],
)
def test_names_joined_by_plus_stand_in_their_registered_order(given: str, spelled: str) -> None:
    assert canonical("method", given, discover()) == spelled


def test_a_parameter_that_the_method_lacks_is_an_error_when_it_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'width'"):
        canonical("method", "varied[widht=9]", catalogue)


def test_a_class_attribute_is_no_parameter(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownNameError, match="stochastic"):
        canonical("method", "majority[stochastic=true]", catalogue)


# Entry points


def test_a_component_of_an_installed_package_is_found_by_its_entry_point(tmp_path: Path, python: Run) -> None:
    plugin(tmp_path, GOOD.format(name="from-afar"), "afar_methods.py")
    info = tmp_path / "afar-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: afar\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[strokebench.methods]\nfrom-afar = afar_methods:Good\ngone = not_there:Method\n"
        "[strokebench.datasets]\nlost = a.b.c:D\n"
    )
    done = python(
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from benchmark.registry.discovery import discover\n"
        "catalogue = discover()\n"
        "assert 'afar_methods' not in sys.modules\n"
        "assert catalogue.methods.get('from-afar').make({}).answer == 42\n"
        "assert 'not_there:Method is not installed' in catalogue.methods.get('gone').error\n"
        "assert 'a.b.c:D' in catalogue.datasets.get('lost').error\n"
        "assert catalogue.methods.get('majority').error is None"
    )
    assert done.returncode == 0, done.stderr


# The name `datasets`


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with another package named `datasets`, as Hugging Face's is."""
    package = tmp_path / "site" / "datasets"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '4.0'\ndef load_dataset(name): ...\n")
    return package.parent


@pytest.mark.parametrize("place", ["sys.path.insert(0, {!r})", "sys.path.append({!r})"], ids=["before", "after"])
def test_components_come_from_the_checkout_wherever_another_datasets_package_lies(
    foreign: Path, python: Run, place: str
) -> None:
    done = python(
        f"import sys; {place.format(str(foreign))}\n"
        "from benchmark.registry.discovery import discover\n"
        "discover().datasets.get('synthetic-stroke').load()\n"
        "import datasets\n"
        f"assert datasets.__file__.startswith({str(ROOT / 'datasets')!r}), datasets.__file__"
    )
    assert done.returncode == 0, done.stderr


def test_another_datasets_package_imported_first_is_an_error_of_one_line(foreign: Path, python: Run) -> None:
    done = python(
        f"import sys; sys.path.insert(0, {str(foreign)!r})\n"
        "import datasets\n"
        "from benchmark.system.errors import BenchmarkError\n"
        "from benchmark.registry.discovery import discover\n"
        "try:\n"
        "    discover().datasets.get('synthetic-stroke').load()\n"
        "except BenchmarkError as error:\n"
        "    print(error)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert str(foreign) in done.stdout
    assert "uninstall that package" in done.stdout


@pytest.mark.slow
def test_the_datasets_package_does_not_disturb_transformers(python: Run) -> None:
    done = python(
        "import datasets\n"
        "from transformers import AutoModel, AutoTokenizer\n"
        "print(datasets.__file__, AutoModel.__name__, AutoTokenizer.__name__)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROOT / "datasets" / "__init__.py"), "AutoModel", "AutoTokenizer"]


def test_a_method_that_is_no_dataclass_has_no_parameters(tmp_path: Path) -> None:
    path = tmp_path / "plain.py"
    path.write_text(
        "from benchmark import register_method\n\n"
        "@register_method('plain', family='f', reference='r', fit_modalities={'table'}, predict_modalities={'table'})\n"
        "class Plain:\n    pass\n"
    )
    entry = discover([str(path)]).methods.get("plain")
    assert type(entry.make({})).__name__ == "Plain"
    with pytest.raises(UnknownNameError, match="unknown parameter of plain 'depth'"):
        entry.make({"depth": 3})
