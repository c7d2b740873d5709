"""Write the API pages: one page per public name, one table per room, grouped like the user guide.

A name in a package's ``__all__`` gets its page by itself. A new room needs an entry in ``PARTS``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Part of the guide: {room: (title, one sentence)}. The order is the order of the pages.
PARTS: dict[str, dict[str, tuple[str, str]]] = {
    "Prediction": {
        "skmtl.estimators": ("Estimators", "Multi-task networks with scikit-learn's interface."),
        "skmtl.data": ("Tasks", "Named tasks with their data, in wide and long form."),
        "skmtl.losses": ("Losses", "What a task's predictions are trained to minimize."),
        "skmtl.metrics": (
            "Metrics",
            "Scores of predictions for several tasks with missing labels, and gaps between "
            "sensitive groups.",
        ),
        "skmtl.datasets": ("Data sets", "Loaders, and generators that know the truth."),
    },
    "Which tasks help each other": {
        "skmtl.affinity": (
            "Affinity",
            "Measured gains of task pairs, features that predict them, and published affinities.",
        ),
        "skmtl.grouping": (
            "Grouping",
            "Algorithms and estimators that decide which tasks are trained together.",
        ),
        "skmtl.representation": (
            "Representation",
            "Low-rank linear models, and what a shared representation costs a minority of tasks.",
        ),
        "skmtl.spurious": (
            "Spurious task correlation",
            "Find tasks whose labels correlate by accident, and retrain heads that rely on it.",
        ),
        "skmtl.plotting": ("Displays", "Pictures of fitted estimators and results."),
        "skmtl.report": ("Reports", "Results as one self-contained HTML file."),
    },
    "Fairness": {
        "skmtl.fairness": ("Fairness", "Penalties and fairness terms, which are added to a loss."),
    },
    "Scale": {
        "skmtl.model_selection": (
            "Model selection",
            "Splitters that accept missing labels, and searches that train all candidates at once.",
        ),
    },
    "Under the hood": {
        "skmtl.aggregation": (
            "Aggregation",
            "How the losses or gradients of many tasks become one step.",
        ),
        "skmtl.base": ("Protocols", "What your own aggregator, loss or fairness term implements."),
        "skmtl.support": ("Support", "Saved state and versions."),
        "skmtl.utils": ("Estimator checks", "What a multi-task estimator promises, as checks."),
    },
}

ROOMS = {room: about for rooms in PARTS.values() for room, about in rooms.items()}


@dataclass(frozen=True)
class Page:
    """A public class or function: the name that users import, and the room that lists it."""

    name: str
    room: str
    value: Any


# ---------------------------------------------------------------------- what is public
def public_rooms() -> dict[str, list[str]]:
    """Names in ``__all__`` of skmtl and of every package or module directly below it."""
    rooms = ["skmtl"]
    found = importlib.import_module("skmtl")
    rooms += [f"skmtl.{m.name}" for m in pkgutil.iter_modules(found.__path__) if m.name[0] != "_"]
    names = {room: list(getattr(importlib.import_module(room), "__all__", ())) for room in rooms}
    return {room: offered for room, offered in names.items() if offered}


def pages() -> list[Page]:
    """One page per public class or function, under the shortest name that users import.

    A name that ``skmtl`` itself offers is ``skmtl.Name``, listed in the room that offers it too.
    A name that two rooms offer belongs to the first of them.
    """
    rooms = public_rooms()
    below = [room for room in ROOMS if room in rooms]
    below += [room for room in rooms if room not in ROOMS and room != "skmtl"]
    found: dict[str, Page] = {}
    for room in [*below, "skmtl"]:
        for name in rooms[room]:
            value = getattr(importlib.import_module(room), name)
            if not has_page(value):
                continue
            offering = [other for other in below if name in rooms[other]]
            own = ".".join(value.__module__.split(".")[:2])
            home = offering[0] if offering else own
            path = f"skmtl.{name}" if name in rooms["skmtl"] else f"{home}.{name}"
            found.setdefault(path, Page(path, home, value))
    return list(found.values())


def has_page(value: Any) -> bool:
    """Whether a public value is a class or function: constants and type aliases have no page."""
    return inspect.isclass(value) or inspect.isroutine(value)


def aliases() -> dict[str, str]:
    """Every dotted path that leads to a public class or function, with the path of its page."""
    rooms = public_rooms()
    found = {}
    for page in pages():
        short = page.name.rpartition(".")[2]
        found[f"{page.value.__module__}.{short}"] = page.name
        found.update({f"{room}.{short}": page.name for room in rooms if short in rooms[room]})
        found[f"{page.room}.{short}"] = page.name
    return found


def methods(cls: type) -> dict[str, Any]:
    """Public methods and properties that users meet, inherited ones included.

    Left out: what Python's own classes bring, and scikit-learn's ``set_*_request``, whose texts
    are about its own guide.
    """
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split(".")[0] not in ("skmtl", "sklearn"):
            continue
        for name, member in vars(base).items():
            if name.startswith("_") or re.fullmatch(r"set_\w+_request", name):
                continue
            found.pop(name, None)
            if _is_method(cls, name, member):
                found[name] = member
    return dict(sorted(found.items()))


def _is_method(cls: type, name: str, member: Any) -> bool:
    if isinstance(member, (property, classmethod, staticmethod)):
        return True
    # A conditional method of scikit-learn is a descriptor that gives a function.
    return not inspect.isclass(member) and inspect.isroutine(getattr(cls, name, None))


# ---------------------------------------------------------------------- writing
def write_pages(folder: Path) -> None:
    """Write all pages into ``folder``, and drop what earlier builds left for names now gone."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{page.name}.rst": _page_text(page) for page in pages()}
    texts |= {f"room_{room}.rst": _room_text(room) for room in listed_rooms()}
    texts["rooms.inc"] = _index_text()
    for name, text in texts.items():
        path = folder / name
        # Sphinx reads a page again when its time changes.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()


def listed_rooms() -> list[str]:
    """Rooms that list at least one page or constant, in the order of the guide."""
    with_pages = {page.room for page in pages()}
    rooms = public_rooms()
    return [room for room in ROOMS if room in with_pages or room in rooms]


def _index_text() -> str:
    lines = []
    listed = listed_rooms()
    for part, rooms in PARTS.items():
        shown = [room for room in rooms if room in listed]
        if shown:
            lines += [part, "-" * len(part), ""]
            for room in shown:
                title, about = ROOMS[room]
                lines.append(f"- :doc:`{title} <generated/room_{room}>`: {about}")
            lines += ["", ".. toctree::", f"   :caption: {part}", "   :hidden:", ""]
            lines += [f"   generated/room_{room}" for room in shown] + [""]
    return "\n".join(lines)


def _room_text(room: str) -> str:
    title, about = ROOMS[room]
    lines = [title, "=" * len(title), "", about, "", ".. autosummary::", "   :toctree: .", ""]
    lines += [f"   {page.name}" for page in pages() if page.room == room] + [""]
    constants = [
        f"``{room}.{name}``"
        for name in public_rooms().get(room, [])
        if not has_page(getattr(importlib.import_module(room), name))
    ]
    if constants:
        lines += ["Types and constants: " + ", ".join(constants) + ".", ""]
    return "\n".join(lines)


def _page_text(page: Page) -> str:
    module, _, short = page.name.rpartition(".")
    lines = [short, "=" * len(short), "", f".. currentmodule:: {module}", ""]
    if not inspect.isclass(page.value):
        return "\n".join([*lines, f".. autofunction:: {short}", ""])
    lines += [f".. autoclass:: {short}", ""]
    names = list(methods(page.value))
    if names:
        table = [f"      ~{short}.{name}" for name in names]
        lines += ["   .. rubric:: Methods", "", "   .. autosummary::", "", *table, ""]
        for name in names:
            kind = "property" if isinstance(methods(page.value)[name], property) else "method"
            lines += [f"   .. auto{kind}:: {short}.{name}", ""]
    return "\n".join(lines)
