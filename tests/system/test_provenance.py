"""What a code digest depends on, in a made checkout, and digests of values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.system import provenance
from benchmark.system.locations import ROOT
from benchmark.system.provenance import code_digest, digest, file_digest, library_versions

METHOD = '''\
"""A method."""

import sklearn
from benchmark import Cohort
from benchmark.data.cohort import Features
from methods.layers import attention


class Method:
    """Says what it does."""

    DEPTH = 3

    def fit(self, train):
        """Fit."""
        # a remark
        return attention.attend(train, self.DEPTH)
'''
PUBLIC = """\
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.data.cohort import Cohort
    from benchmark.learning.method import EstimatorMethod
"""
FILES = {
    "methods/mine.py": METHOD,
    "methods/__init__.py": "",
    "methods/layers/__init__.py": "",
    "methods/layers/attention.py": "from . import softmax\nfrom ..blocks import gate\ndef attend(x, depth): return x\n",
    "methods/layers/softmax.py": "TEMPERATURE = 1.0\n",
    "methods/blocks.py": "def gate(): return 0.5\n",
    "methods/unrelated.py": "X = 1\n",
    "benchmark/__init__.py": PUBLIC,
    "benchmark/data/cohort.py": "class Features: pass\n",
    "benchmark/data/__init__.py": "",
    "benchmark/learning/encoders/__init__.py": "",
    "benchmark/learning/method.py": "from benchmark.learning import design_matrix\nclass EstimatorMethod: pass\n",
    "benchmark/learning/design_matrix.py": "IMPUTE = 'mode'\n",
}
Edit = Callable[..., bool]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def changes(checkout: Path) -> Edit:
    """Whether an edit of a file changes the digest of `methods/mine.py`."""

    def edit(name: str, old: str, new: str) -> bool:
        before = code_digest(checkout / "methods/mine.py")
        text = (checkout / name).read_text()
        assert old in text
        (checkout / name).write_text(text.replace(old, new, 1))
        return code_digest(checkout / "methods/mine.py") != before

    return edit


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a remark", "# another remark, longer"),
        ('"""A method."""', '"""The best method."""'),
        ('    """Says what it does."""\n', ""),
        ('        """Fit."""\n', '        """Fit\n\n        on two lines."""\n'),
        ("attention.attend(train, self.DEPTH)", "attention.attend(\n            train,\n            (self.DEPTH),\n        )"),
        ("DEPTH = 3", "DEPTH   =   3   # layers"),
    ],
    ids=["comment", "module docstring", "class docstring", "function docstring", "layout", "spaces"],
)
def test_comments_docstrings_and_layout_do_not_count(changes: Edit, old: str, new: str) -> None:
    assert not changes("methods/mine.py", old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [("DEPTH = 3", "DEPTH = 4"), ("return attention", "train = None; return attention"), ("def fit", "def fit_it")],
    ids=["constant", "statement", "name"],
)
def test_a_change_of_code_counts(changes: Edit, old: str, new: str) -> None:
    assert changes("methods/mine.py", old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("methods/layers/attention.py", "return x", "return -x"),
        ("methods/layers/softmax.py", "1.0", "2.0"),
        ("methods/blocks.py", "0.5", "0.6"),
    ],
    ids=["imported", "by a relative import", "by a relative import from the parent"],
)
def test_an_edit_of_a_project_module_imported_however_deep_counts(changes: Edit, name: str, old: str, new: str) -> None:
    assert changes(name, old, new)


@pytest.mark.parametrize(
    "imports",
    [
        "from benchmark import EstimatorMethod\n",
        "from benchmark import EstimatorMethod as Base\n",
        "import benchmark\nBase = benchmark.EstimatorMethod\n",
        "from benchmark import *\n",
    ],
    ids=["by name", "under another name", "as an attribute", "all names"],
)
def test_an_edit_of_the_module_behind_a_public_name_counts(changes: Edit, checkout: Path, imports: str) -> None:
    (checkout / "methods/mine.py").write_text(imports + METHOD)
    assert changes("benchmark/learning/method.py", "pass", "x = 1")
    assert changes("benchmark/learning/design_matrix.py", "mode", "mean")
    assert not changes("benchmark/data/cohort.py", "pass", "x = 1")


def test_a_public_name_that_is_not_imported_does_not_count(changes: Edit) -> None:
    assert not changes("benchmark/learning/method.py", "pass", "x = 1")


def test_an_edit_of_a_contract_module_does_not_count(changes: Edit) -> None:
    assert not changes("benchmark/data/cohort.py", "pass", "x = 1")


def test_an_edit_of_a_module_that_is_not_imported_does_not_count(changes: Edit) -> None:
    assert not changes("methods/unrelated.py", "X = 1", "X = 2")


def test_an_import_inside_a_function_counts(checkout: Path, changes: Edit) -> None:
    mine = checkout / "methods/mine.py"
    mine.write_text(METHOD + "\n\ndef late():\n    from benchmark.learning.design_matrix import IMPUTE\n    return IMPUTE\n")
    assert changes("benchmark/learning/design_matrix.py", "mode", "mean")


def test_modules_that_import_each_other_have_a_digest(checkout: Path) -> None:
    (checkout / "methods/blocks.py").write_text("import methods.mine\n")
    assert len(code_digest(checkout / "methods/mine.py")) == 64


def test_a_file_with_a_syntax_error_has_a_digest_that_follows_its_text(checkout: Path) -> None:
    path = checkout / "methods/broken.py"
    path.write_text("def broken(:\n")
    before = code_digest(path)
    path.write_text("def broken(::\n")
    assert len(before) == 64
    assert code_digest(path) != before


def test_a_plugins_digest_does_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    digests = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(METHOD)
        digests.add(code_digest(tmp_path / folder / "mine.py"))
    assert len(digests) == 1


def test_the_encoding_of_a_file_does_not_count(tmp_path: Path) -> None:
    path, text, digests = tmp_path / "mine.py", METHOD + "\n\nNAME = 'Jürgen'\n", set()
    for written in (
        text.encode(),
        text.replace("\n", "\r\n").encode("utf-8-sig"),
        f"# coding: latin-1\n{text}".encode("latin-1"),
    ):
        path.write_bytes(written)
        digests.add(code_digest(path))
    assert len(digests) == 1


# Modules beside a plug-in

BESIDE = {
    "mine.py": "import beside_a\nfrom beside_pack import deep\nimport statistics, numpy\nimport beside_space.leaf\n",
    "beside_a.py": "from beside_b import STEEP\n",
    "beside_b.py": "STEEP = 1\n",
    "beside_pack/__init__.py": "from .near import K\n",
    "beside_pack/near.py": "K = 1\n",
    "beside_pack/deep.py": "from . import near\nDEEP = 1\n",
    "beside_space/leaf.py": "LEAF = 1\n",
    "statistics.py": "raise ImportError\n",
    "numpy.py": "raise ImportError\n",
    "beside_idle.py": "X = 1\n",
}


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    for name, text in BESIDE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "mine.py"


def test_the_modules_beside_a_plugin_are_those_that_it_imports_and_that_are_not_installed(plugin: Path) -> None:
    found = provenance.modules_beside(plugin)
    assert set(found) == {*("beside_a", "beside_b", "beside_pack", "beside_pack.near", "beside_pack.deep", "beside_space.leaf")}
    assert found["beside_pack"] == plugin.parent / "beside_pack" / "__init__.py"


@pytest.mark.parametrize(
    "name", ["beside_a.py", "beside_b.py", "beside_pack/near.py", "beside_pack/deep.py", "beside_space/leaf.py"]
)
def test_an_edit_of_a_module_beside_a_plugin_counts(plugin: Path, name: str) -> None:
    before = code_digest(plugin)
    (plugin.parent / name).write_text(BESIDE[name] + "MORE = 2\n")
    assert code_digest(plugin) != before


@pytest.mark.parametrize("name", ["statistics.py", "numpy.py", "beside_idle.py"])
def test_an_edit_of_what_python_finds_elsewhere_or_nobody_imports_does_not_count(plugin: Path, name: str) -> None:
    before = code_digest(plugin)
    (plugin.parent / name).write_text("X = 2\n")
    assert code_digest(plugin) == before


def test_the_digest_with_the_modules_beside_does_not_depend_on_where_they_lie(plugin: Path) -> None:
    other = plugin.parent / "copy"
    for name, text in BESIDE.items():
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(text)
    assert code_digest(other / "mine.py") == code_digest(plugin)


def test_a_plugin_that_bears_the_name_of_what_it_imports_is_not_beside_itself(tmp_path: Path) -> None:
    path = tmp_path / "beside_self.py"
    path.write_text("import beside_self\n")
    assert provenance.modules_beside(path) == {}


def test_a_file_of_the_checkout_has_nothing_beside_it() -> None:
    assert provenance.modules_beside(ROOT / "baselines" / "xgboost.py") == {}


def test_what_computes_the_design_matrix_is_part_of_every_method_that_uses_it() -> None:
    """The logistic regression imputes, encodes and scales by `design_matrix`: its edit must make cells stale."""
    names = {name for name, _, _ in provenance._closure(ROOT / "baselines" / "logistic_regression.py")}
    assert "benchmark/learning/design_matrix.py" in names
    assert "benchmark/data/cohort.py" not in names


def test_library_versions_are_those_installed_of_what_is_imported(checkout: Path) -> None:
    import numpy
    import sklearn

    versions = library_versions(checkout / "methods/mine.py")
    assert versions["scikit-learn"] == sklearn.__version__
    assert versions["numpy"] == numpy.__version__
    assert "torch" not in versions
    assert "json" not in versions


def test_a_method_that_uses_a_library_built_on_torch_depends_on_torch(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "mine.py"
    path.write_text("def fit():\n    import monai\n")
    assert library_versions(path)["torch"] == torch.__version__


# Values


def test_the_digest_of_a_value_is_sha256_of_its_canonical_json() -> None:
    # printf '{"a":[1,2.5,null],"b":"x"}' | sha256sum
    assert digest({"b": "x", "a": [1, 2.5, None]}) == "6739d783db2ab3fd0e308ed566ca042752f3cab5f9516e0e6d9e411041c24c13"


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.none()), min_size=1))
def test_the_order_of_keys_does_not_change_a_digest(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))
    assert digest(value) == digest(json.loads(json.dumps(value)))


def test_a_files_digest_is_sha256_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_environment_names_python_packages_and_processor() -> None:
    environment = provenance.environment()
    assert environment["python"].startswith("3.")
    assert any(package.lower().startswith("numpy==") for package in environment["packages"])
    assert environment["cores"] >= 1
