"""Every public name is documented in numpydoc's form, and what it documents is what it takes."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from sklearn.base import BaseEstimator

import skmtl

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs"))
from api_reference import ROOMS, aliases, methods, pages, public_rooms, write_pages

# {"skmtl.Name": {"test_function_name": "reason"}}
EXCEPTIONS: dict[str, dict[str, str]] = {}


def function_of(member: Any) -> Callable:
    """The plain function behind a method, class method, static method, property or descriptor."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", None) or getattr(member, "fn", None) or member


NAMES = {page.name: page.value for page in pages()}
CLASSES = {name: value for name, value in NAMES.items() if inspect.isclass(value)}
# Inherited methods included, those of scikit-learn left out.
METHODS = {
    f"{name}.{attribute}": member
    for name, cls in CLASSES.items()
    for attribute, member in methods(cls).items()
    if inspect.unwrap(function_of(member)).__module__.startswith("skmtl.")
}
ESTIMATORS = {
    name: cls
    for name, cls in CLASSES.items()
    if issubclass(cls, BaseEstimator) and hasattr(cls, "fit")
}


def each(values: dict[str, Any]) -> Any:
    return pytest.mark.parametrize("name", sorted(values))


@pytest.fixture(autouse=True)
def _excepted(request):
    name = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    if reason := EXCEPTIONS.get(name, {}).get(request.node.originalname):
        pytest.skip(reason)


# ---------------------------------------------------------------------- reading
def parse(value: Any) -> Any:
    return (
        ClassDoc(value, config={"show_class_members": False})
        if inspect.isclass(value)
        else FunctionDoc(value)
    )


def signature_names(value: Any) -> list[str]:
    if getattr(value, "_is_protocol", False):  # is never made: it has no parameters
        return []
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(value).parameters.values()
    return [stars.get(p.kind, "") + p.name for p in parameters if p.name not in ("self", "cls")]


def documented_names(doc: Any, section: str) -> list[str]:
    return [name.strip() for entry in doc[section] for name in entry.name.split(",")]


def fitted_attributes(cls: type) -> set[str]:
    """Names ending in one underscore that a method of the class, or of a base in skmtl, assigns on
    self, or that are properties.
    """
    found = set()
    for base in cls.__mro__:
        if base.__module__.split(".")[0] == "skmtl":
            found |= {name for name, member in vars(base).items() if isinstance(member, property)}
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            found |= {node.attr for node in ast.walk(tree) if _stores_on_self(node)}
    return {name for name in found if re.fullmatch(r"[a-zA-Z]\w*[^_]_", name)}


def _stores_on_self(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def wrong_defaults(value: Any, doc: Any) -> list[str]:
    """Parameters whose documented ``default=`` is another literal than that of the signature."""
    wrong = []
    for entry in doc["Parameters"]:
        parameter = inspect.signature(value).parameters.get(entry.name)
        stated = re.search(r"default=(.+)$", entry.type)
        if parameter is None or stated is None:
            continue
        try:
            literal = ast.literal_eval(stated.group(1))
        except (ValueError, SyntaxError):
            continue
        if literal != parameter.default:
            wrong.append(f"{entry.name}: documented {literal!r}, is {parameter.default!r}")
    return wrong


# ---------------------------------------------------------------------- the contract
def test_every_room_with_public_names_has_a_title_in_the_api_pages():
    assert set(public_rooms()) - {"skmtl"} <= set(ROOMS), "add it to PARTS in docs/api_reference.py"


def test_every_public_name_exists_and_is_listed_once():
    for room, names in public_rooms().items():
        assert len(set(names)) == len(names), f"{room}.__all__ holds a name twice"
        missing = [name for name in names if not hasattr(importlib.import_module(room), name)]
        assert not missing, f"{room}.__all__ offers what is not there: {missing}"


def test_no_name_is_both_public_and_shared_between_packages():
    for room, names in public_rooms().items():
        shared = getattr(importlib.import_module(room), "__shared__", [])
        assert not set(names) & set(shared), room


def test_every_public_class_and_function_has_one_page_under_the_name_that_users_import():
    assert len({id(value) for value in NAMES.values()}) == len(NAMES)
    for room, names in public_rooms().items():
        for name in names:
            value = getattr(importlib.import_module(room), name)
            if inspect.isclass(value) or inspect.isroutine(value):
                assert NAMES[aliases()[f"{room}.{name}"]] is value
    assert {f"skmtl.{name}" for name in skmtl.__all__} <= set(NAMES)


def test_the_page_of_an_estimator_lists_inherited_methods(tmp_path):
    write_pages(tmp_path)
    page = (tmp_path / "skmtl.MultiTaskClassifier.rst").read_text(encoding="utf-8")
    for name in ("fit", "partial_fit", "predict", "predict_proba", "score", "transform"):
        assert f".. automethod:: MultiTaskClassifier.{name}\n" in page
    assert "get_params" in page
    assert "set_fit_request" not in page
    search = (tmp_path / "skmtl.model_selection.FleetSearchCV.rst").read_text(encoding="utf-8")
    assert ".. automethod:: FleetSearchCV.predict_proba\n" in search


def test_shared_names_have_no_page(tmp_path):
    write_pages(tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    for room in pkgutil.iter_modules(skmtl.__path__):
        if not room.name.startswith("_"):
            shared = getattr(importlib.import_module(f"skmtl.{room.name}"), "__shared__", [])
            assert not {f"skmtl.{room.name}.{name}.rst" for name in shared} & written


def test_exceptions_name_what_exists():
    assert set(EXCEPTIONS) <= set(NAMES) | set(METHODS)


@each(NAMES)
def test_a_public_name_has_a_one_line_summary_that_ends_with_a_stop(name):
    summary = " ".join(parse(NAMES[name])["Summary"])
    assert summary, f"{name} has no docstring"
    assert summary.endswith("."), f"the first paragraph of {name} is not a sentence: {summary!r}"


@each(NAMES)
def test_documented_parameters_are_those_of_the_signature(name):
    doc = parse(NAMES[name])
    documented = documented_names(doc, "Parameters") + documented_names(doc, "Other Parameters")
    if not documented and dataclasses.is_dataclass(NAMES[name]):
        fields = signature_names(NAMES[name])
        documented = [
            attribute for attribute in documented_names(doc, "Attributes") if attribute in fields
        ]
    assert documented == signature_names(NAMES[name])


@each(NAMES)
def test_every_parameter_has_a_type_and_a_description(name):
    entries = parse(NAMES[name])["Parameters"]
    assert [
        entry.name for entry in entries if not entry.type or not "".join(entry.desc).strip()
    ] == []


@each(NAMES)
def test_documented_defaults_are_those_of_the_signature(name):
    assert wrong_defaults(NAMES[name], parse(NAMES[name])) == []


@each(NAMES)
def test_a_public_name_shows_an_example_that_runs(name):
    assert any(line.lstrip().startswith(">>>") for line in parse(NAMES[name])["Examples"]), (
        f"{name} has no example in its docstring"
    )


@each({name: value for name, value in NAMES.items() if not inspect.isclass(value)})
def test_a_function_that_returns_something_says_what(name):
    annotation = inspect.signature(NAMES[name]).return_annotation
    if annotation in (None, "None", inspect.Signature.empty):
        pytest.skip("returns nothing")
    doc = parse(NAMES[name])
    assert doc["Returns"] or doc["Yields"]


@each(METHODS)
def test_a_public_method_is_documented_and_lists_its_parameters_if_it_lists_any(name):
    function = function_of(METHODS[name])
    assert inspect.getdoc(function), f"{name} has no docstring"
    doc = FunctionDoc(function)
    assert documented_names(doc, "Parameters") in ([], signature_names(function))
    assert wrong_defaults(function, doc) == []


@each(ESTIMATORS)
def test_fitted_attributes_are_documented(name):
    missing = fitted_attributes(ESTIMATORS[name]) - set(
        documented_names(parse(ESTIMATORS[name]), "Attributes")
    )
    assert not missing, f"{name} sets {sorted(missing)}, which its Attributes section lacks"


# ---------------------------------------------------------------------- the checker itself
class _Sloppy(BaseEstimator):
    """Do something.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength.

    Attributes
    ----------
    coef_ : ndarray
        Slopes.
    """

    def __init__(self, alpha=2.0, beta=None):
        self.alpha = alpha
        self.beta = beta

    def fit(self, X, y):
        self.coef_, self.intercept_ = y, y
        self._hidden_ = y
        return self


def test_the_checker_sees_what_a_sloppy_class_leaves_out(monkeypatch):
    monkeypatch.setattr(_Sloppy, "__module__", "skmtl.sloppy")
    monkeypatch.setattr(
        inspect,
        "getsource",
        lambda cls, source=inspect.getsource: (
            source(sys.modules[__name__]) if cls is _Sloppy else source(cls)
        ),
    )
    doc = parse(_Sloppy)
    assert documented_names(doc, "Parameters") == ["alpha"]
    assert signature_names(_Sloppy) == ["alpha", "beta"]
    assert wrong_defaults(_Sloppy, doc) == ["alpha: documented 1.0, is 2.0"]
    assert fitted_attributes(_Sloppy) - set(documented_names(doc, "Attributes")) == {"intercept_"}
