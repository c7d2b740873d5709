"""Saved state of estimators with version numbers, and links to the documentation."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

# Where the documentation is served; the HTML representations of all estimators link below it.
DOCS_URL = "https://skmtl.readthedocs.io/en/stable"

_KEY = "_versions"
# Key that marks a dict of arrays as a stored DataFrame.
_FRAME = "_skmtl_frame"
# Distributions, and the module of each whose __version__ is recorded.
_RECORDED = {"skmtl": "skmtl", "numpy": "numpy", "scikit-learn": "sklearn", "torch": "torch"}


class VersionMismatchWarning(InconsistentVersionWarning):
    """Warning that an estimator was saved with other versions than those that load it.

    Parameters
    ----------
    estimator_name : str
        Class of the estimator.
    saved : dict of str to str
        Versions recorded in the file, by package.
    running : dict of str to str
        Installed versions, by package.
    differing : list of str
        Packages that the warning is about.

    Examples
    --------
    >>> from skmtl.support import VersionMismatchWarning
    >>> print(
    ...     VersionMismatchWarning(
    ...         "MultiTaskRegressor", {"skmtl": "1.0"}, {"skmtl": "1.1"}, ["skmtl"]
    ...     )
    ... )
    MultiTaskRegressor was saved with skmtl 1.0 and is loaded with skmtl 1.1. It may fail or predict
    something else: fit it again, or load it with the versions that saved it (skmtl 1.0).
    """

    def __init__(
        self,
        estimator_name: str,
        saved: dict[str, str],
        running: dict[str, str],
        differing: list[str],
    ):
        super().__init__(
            estimator_name=estimator_name,
            current_sklearn_version=sklearn.__version__,
            original_sklearn_version=saved.get("scikit-learn", "unknown"),
        )
        self.saved, self.running, self.differing = saved, running, differing

    def __str__(self) -> str:
        return (
            f"{self.estimator_name} was saved with {_listed(self.saved, self.differing)} and is "
            f"loaded with {_listed(self.running, self.differing)}. "
            "It may fail or predict something else: fit it again, or load it with the versions "
            f"that saved it ({_listed(self.saved, list(self.saved))})."
        )


class VersionedState:
    """Mixin that saves version numbers with an estimator; goes left of ``BaseEstimator``.

    Loading warns (:class:`VersionMismatchWarning`, an ``InconsistentVersionWarning``) if the
    version of skmtl, or the major version of numpy, scikit-learn or torch, differs. A state without
    versions loads silently. Works with pickle, joblib, skops and ``copy``.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.base import BaseEstimator
    >>> from skmtl.support import VersionedState
    >>> class Mean(VersionedState, BaseEstimator):
    ...     def fit(self, X, y):
    ...         self.mean_ = sum(y) / len(y)
    ...         return self
    >>> sorted(Mean().fit(None, [1.0, 3.0]).__getstate__()["_versions"])
    ['numpy', 'scikit-learn', 'skmtl', 'torch']
    """

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()  # type: ignore[misc]  # BaseEstimator has it on every Python
        return {
            **{name: frame_to_arrays(value) for name, value in state.items()},
            _KEY: running_versions(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        attributes = {
            name: frame_from_arrays(value) for name, value in state.items() if name != _KEY
        }
        saved = state.get(_KEY)
        if isinstance(saved, dict):
            _warn_where_versions_differ(type(self).__name__, saved)
        super().__setstate__(attributes)  # type: ignore[misc]


class DocLinks:
    """Mixin that links the HTML representation to the class's page in the documentation.

    It goes left of ``BaseEstimator``. A user's subclass has no page, and no link.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from skmtl.support import DocLinks
    >>> class Mean(DocLinks, BaseEstimator):
    ...     __module__ = "skmtl.estimators.mean"
    >>> Mean()._get_doc_link()
    'https://skmtl.readthedocs.io/en/stable/api/generated/skmtl.estimators.Mean.html'
    """

    _doc_link_module = "skmtl"
    _doc_link_template = DOCS_URL + "/api/generated/{room}.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Return the package that users import the class from, and its name, for its URL."""
        name, (package, *rest) = type(self).__name__, type(self).__module__.split(".")
        straight = name in getattr(sys.modules.get(package), "__all__", ())
        return {"room": package if straight else ".".join([package, *rest[:1]]), "name": name}


def frame_to_arrays(value: Any) -> Any:
    """Convert a DataFrame to a dict of arrays, which skops can store; keep anything else.

    Parameters
    ----------
    value : object
        Attribute of an estimator.

    Returns
    -------
    object
        A dict with the arrays of the frame, or ``value``.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.support.state import frame_from_arrays, frame_to_arrays
    >>> frame_from_arrays(frame_to_arrays(pd.DataFrame({"a": [1, 2]})))["a"].tolist()
    [1, 2]
    """
    if not isinstance(value, pd.DataFrame):
        return value
    columns = [value.iloc[:, k].to_numpy() for k in range(value.shape[1])]
    return {_FRAME: columns, "columns": list(value.columns), "index": list(value.index)}


def frame_from_arrays(value: Any) -> Any:
    """Restore the DataFrame that :func:`frame_to_arrays` converted; keep anything else.

    Parameters
    ----------
    value : object
        Result of ``frame_to_arrays``.

    Returns
    -------
    object
        A DataFrame, or ``value``.

    Examples
    --------
    >>> from skmtl.support.state import frame_from_arrays
    >>> frame_from_arrays(3)
    3
    """
    if not isinstance(value, dict) or _FRAME not in value:
        return value
    frame = pd.DataFrame(dict(enumerate(value[_FRAME])), index=value["index"])
    return frame.set_axis(value["columns"], axis=1)


def running_versions() -> dict[str, str]:
    """Return the versions of skmtl and of the packages that a saved estimator depends on.

    Returns
    -------
    dict of str to str
        Version by package; packages that are not installed are left out.

    Examples
    --------
    >>> from skmtl.support import running_versions
    >>> list(running_versions())
    ['skmtl', 'numpy', 'scikit-learn', 'torch']
    """
    found = {
        name: getattr(sys.modules.get(module), "__version__", None) or _installed(name)
        for name, module in _RECORDED.items()
    }
    return {name: str(value) for name, value in found.items() if value}


@cache
def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _warn_where_versions_differ(estimator_name: str, saved: dict[str, Any]) -> None:
    """Warn if the version of skmtl, or the major version of another package, differs."""
    running = running_versions()
    saved = {name: number for name, number in saved.items() if isinstance(number, str)}
    both = [name for name in running if name in saved]
    differing = [
        name
        for name in both
        if saved[name] != running[name]
        and (name == "skmtl" or _major(saved[name]) != _major(running[name]))
    ]
    if differing:
        warnings.warn(
            VersionMismatchWarning(estimator_name, saved, running, differing), stacklevel=3
        )


def _major(number: str) -> str:
    return number.split(".")[0]


def _listed(versions: dict[str, str], names: list[str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in names)
