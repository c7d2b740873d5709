"""What the API pages are made of: one entry a room, names read from the packages themselves.

A new public name appears as soon as it is in its package's ``__all__``; a new room needs a title
here. Rooms that do not exist or have no ``__all__`` are left out.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

# Room: title, and one sentence about it. The order is the order of the pages.
ROOMS: dict[str, tuple[str, str]] = {
    "skmtl": ("Straight from skmtl", "The names that most programs need."),
    "skmtl.data": ("Tasks", "Named tasks with their data, in long and wide form."),
    "skmtl.estimators": ("Estimators", "Multi-task networks with the scikit-learn interface."),
    "skmtl.affinity": (
        "Affinity",
        "Who helps whom: features of task pairs, measured gains, their prediction, and the "
        "published rivals.",
    ),
    "skmtl.grouping": ("Grouping", "Who learns together."),
    "skmtl.losses": ("Losses", "What tasks are trained to minimize, one class per loss."),
    "skmtl.aggregation": (
        "Aggregation",
        "How the gradients or losses of many tasks become one step.",
    ),
    "skmtl.fairness": ("Fairness", "What is added to a loss so that groups are treated alike."),
    "skmtl.representation": (
        "Representation",
        "Low-rank linear models, and what a shared representation costs a task in the minority.",
    ),
    "skmtl.spurious": (
        "Spurious task relations",
        "Which tasks mislead which, and heads that are not misled.",
    ),
    "skmtl.model_selection": (
        "Model selection",
        "Splitters for targets with gaps, and a search that trains all candidates at once.",
    ),
    "skmtl.metrics": (
        "Metrics",
        "Numbers about predictions for many tasks, targets with gaps, and groups.",
    ),
    "skmtl.plotting": ("Displays", "Pictures of fitted estimators and results."),
    "skmtl.report": ("Reports", "Results as one self-contained HTML file."),
    "skmtl.cli": ("Command line", "What ``python -m skmtl`` runs."),
    "skmtl.datasets": ("Data sets", "Loaders and generators."),
    "skmtl.utils": ("Utilities", "The contract suite for multi-task estimators."),
    "skmtl.base": ("Base classes", "What a plug-in of the network derives from."),
    "skmtl.network": (
        "Network",
        "The one training loop and its parts, for those who extend skmtl.",
    ),
    "skmtl.support": (
        "Validation",
        "Splits, progress and saved state, for those who extend skmtl.",
    ),
}


def public_rooms() -> dict[str, list[str]]:
    """Packages and modules directly under skmtl that have an ``__all__``, and skmtl itself, with
    their names.
    """
    import skmtl

    found = {"skmtl": list(skmtl.__all__)}
    for module in pkgutil.iter_modules(skmtl.__path__):
        if not module.name.startswith("_"):
            names = getattr(importlib.import_module(f"skmtl.{module.name}"), "__all__", None)
            if names:
                found[f"skmtl.{module.name}"] = list(names)
    return found


def homes() -> dict[str, dict[str, str | None]]:
    """Room where every public name is described: ``{room: {name: room of its page}}``, every class
    and function described once.

    A name that several rooms offer is described in the room that its module lies in, else where it
    is met first. Constants and type aliases have no page.
    """
    rooms = public_rooms()
    order = [room for room in ROOMS if room in rooms] + [
        room for room in rooms if room not in ROOMS
    ]
    pages: dict[str, dict[str, str | None]] = {}
    for room in order:
        pages[room] = {}
        for name in rooms[room]:
            value = getattr(importlib.import_module(room), name)
            offered = [other for other in order if other != "skmtl" and name in rooms[other]] or [
                room
            ]
            own = ".".join(getattr(value, "__module__", "").split(".")[:2])
            page = own if own in offered else offered[0]
            pages[room][name] = page if inspect.isclass(value) or inspect.isroutine(value) else None
    return pages


def write_pages(folder: Path) -> None:
    """Write one page a room into ``folder``, a table of contents beside them, and drop what earlier
    builds left for names now gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages, expected = homes(), {"rooms.inc"}
    for room, names in pages.items():
        title, about = ROOMS.get(room, (room, ""))
        own = [name for name, page in names.items() if page == room]
        elsewhere = [
            f":obj:`~{page}.{name}`" for name, page in names.items() if page not in (room, None)
        ]
        values = [f"``{name}``" for name, page in names.items() if page is None]
        lines = [
            title,
            "=" * len(title),
            "",
            f"``{room}``: {about}" if about else f"``{room}``",
            "",
        ]
        if elsewhere:
            lines += [
                "Offered here, described in the room it comes from: " + ", ".join(elsewhere) + ".",
                "",
            ]
        if own:
            lines += [
                ".. autosummary::",
                "   :toctree: .",
                "",
                *[f"   {room}.{name}" for name in own],
                "",
            ]
        if values:
            lines += ["Types and constants: " + ", ".join(values) + ".", ""]
        _write(folder / f"room_{room}.rst", "\n".join(lines))
        expected |= {f"room_{room}.rst"} | {f"{room}.{name}.rst" for name in own}
    _write(
        folder / "rooms.inc",
        "\n".join(
            [
                ".. toctree::",
                "   :maxdepth: 2",
                "",
                *[f"   generated/room_{room}" for room in pages],
                "",
            ]
        ),
    )
    for path in folder.iterdir():
        if path.name not in expected:
            path.unlink()


def _write(path: Path, text: str) -> None:
    # Sphinx reads a page again when its time changes.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
