"""The house rules of skmtl, held against its source, and the checker held against small houses that
break each rule.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# "" is skmtl/__init__.py. _sklearn_compat lies below everything: every room may import it, it
# imports none.
FLOORS = {
    "_sklearn_compat": -1,
    **dict.fromkeys(["data", "base", "support"], 0),
    **dict.fromkeys(["metrics", "splitting", "losses"], 1),
    "network": 2,
    **dict.fromkeys(["aggregation", "fairness"], 3),
    "estimators": 4,
    **dict.fromkeys(["affinity", "representation", "spurious", "model_selection"], 5),
    "grouping": 6,
    **dict.fromkeys(["plotting", "report", "utils", "cli", "__main__"], 7),
    "": 8,
}
# The room at the side stands on floor 0 and is seen from floor 7 only.
SIDE, SIDE_FLOOR, SIDE_SEEN_FROM = "datasets", 1, 7
# Stairs within floor 7: the command line writes the report, the report holds the pictures.
STAIRS = {("__main__", "cli"), ("cli", "report"), ("cli", "plotting"), ("report", "plotting")}

LONGEST_FILE = 400
# Rooms in which every attribute is born in the class body or in __init__; files in them that are
# not there yet.
BORN_EARLY = {"network"}
MACHINE_PATH = re.compile(r"/(work|farm|root)/|/home/\w+/|bash_" + r"jobs|\." + r"library\b")

NUMPY_PRIVATE_GENERATORS = {
    "Generator",
    "RandomState",
    "SeedSequence",
    "BitGenerator",
    "default_rng",
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "MT19937",
    "SFC64",
}
TORCH_GLOBAL = {
    "manual_seed",
    "seed",
    "initial_seed",
    "set_rng_state",
    "manual_seed_all",
    "seed_all",
    "set_rng_state_all",
    "fork_rng",
}
TORCH_SAMPLERS = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
    "rand_like",
    "randn_like",
    "randint_like",
}
TENSOR_SAMPLERS = {
    "normal_",
    "uniform_",
    "bernoulli_",
    "random_",
    "exponential_",
    "cauchy_",
    "geometric_",
    "log_normal_",
}


# ---------------------------------------------------------------------- reading
@dataclass(frozen=True)
class Source:
    """One parsed file; ``module`` is dotted below skmtl, "" for skmtl/__init__.py itself."""

    path: Path
    module: str
    is_package: bool
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.module.split(".")[0]


@dataclass(frozen=True)
class Import:
    """``from skmtl.<module> import <name>`` or ``import skmtl.<module>`` (name None), made
    absolute.
    """

    module: str
    name: str | None
    line: int


@cache
def read_house(package: Path) -> dict[str, Source]:
    sources = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        sources[module] = Source(
            path,
            module,
            is_package,
            ast.parse(path.read_text(encoding="utf-8"), filename=str(path)),
        )
    return sources


def absolute_imports(source: Source) -> Iterator[tuple[str, str | None, int]]:
    """Every import of the file, wherever it stands: in functions, under TYPE_CHECKING, relative, or
    by ``import_module("...")``.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = ["skmtl", *source.module.split(".")] if source.module else ["skmtl"]
                package = here[: len(here) - node.level + (1 if source.is_package else 0)]
                base = ".".join([*package, *([base] if base else [])])
            yield from ((base, alias.name, node.lineno) for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func).endswith("import_module")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), None, node.lineno


def house_imports(source: Source, sources: dict[str, Source]) -> Iterator[Import]:
    """The imports of skmtl itself; a name that is a file or package counts as importing that file."""
    for module, name, line in absolute_imports(source):
        if module.split(".")[0] != "skmtl":
            continue
        inner = module[len("skmtl.") :]
        longer = f"{inner}.{name}".lstrip(".")
        is_file = name is not None and (
            longer in sources or (not inner and name in {*FLOORS, SIDE})
        )
        yield Import(longer, None, line) if is_file else Import(inner, name, line)


def public_names(source: Source) -> list[str] | None:
    """The literal ``__all__`` of a file, None where it has none."""
    return _literal_list(source, "__all__")


def offered_names(source: Source) -> list[str]:
    """What other rooms may take: what users may rely on, and what rooms give each other."""
    return (public_names(source) or []) + (_literal_list(source, "__shared__") or [])


def _literal_list(source: Source, name: str) -> list[str] | None:
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return None


def dotted(node: ast.AST) -> str:
    """``np.random.rand`` of an attribute chain; what the chain hangs on is "?" where it is not a
    plain name.
    """
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


# ---------------------------------------------------------------------- rules
def breached_floors(package: Path) -> list[str]:
    sources, breaches = read_house(package), []
    for source in sources.values():
        if source.room not in FLOORS and source.room != SIDE:
            breaches.append(
                f"{source.path}: the room {source.room!r} is on no floor; give it one in "
                "tests/test_house.py and in CONTRIBUTING.md"
            )
            continue
        for found in house_imports(source, sources):
            target = found.module.split(".")[0]
            reason = _why_not(source.room, target)
            if reason:
                breaches.append(
                    f"{source.path}:{found.line}: {_called(source.room)} imports "
                    f"{_called(target)}: {reason}"
                )
    return breaches


def _why_not(room: str, target: str) -> str | None:
    if room in (target, "") or (room, target) in STAIRS:
        return None
    if target == "":
        return "import from the room that has the name, not from the roof"
    if target == SIDE:
        return (
            None
            if FLOORS[room] == SIDE_SEEN_FROM
            else f"{SIDE} is seen from floor {SIDE_SEEN_FROM} only"
        )
    if target not in FLOORS:
        return "there is no such room"
    floor = SIDE_FLOOR if room == SIDE else FLOORS[room]
    return (
        None
        if FLOORS[target] < floor
        else f"floor {FLOORS[target]} does not lie below floor {floor}"
    )


def _called(room: str) -> str:
    return f"skmtl.{room}" if room else "skmtl"


def cycles_within_rooms(package: Path) -> list[str]:
    """Circles of imports between the files of a room, each reported once."""
    sources = read_house(package)
    edges = {
        name: {
            i.module
            for i in house_imports(s, sources)
            if i.module.split(".")[0] == s.room and i.module != name
        }
        for name, s in sources.items()
    }
    done: set[str] = set()
    found: list[str] = []

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append(" -> ".join(_called(step) for step in [*trail[trail.index(name) :], name]))
        elif name not in done and name in sources:
            for following in sorted(edges[name]):
                visit(following, [*trail, name])
            done.add(name)

    for name in sources:
        visit(name, [])
    return [f"a circle of imports: {circle}" for circle in found]


def imports_past_the_door(package: Path) -> list[str]:
    """Names taken from a file inside another room, or that neither list of the other room's door
    offer.
    """
    sources, breaches = read_house(package), []
    for source in sources.values():
        for found in house_imports(source, sources):
            target = found.module.split(".")[0]
            if target in (source.room, "") or target not in sources:
                continue
            where = f"{source.path}:{found.line}"
            if found.module != target:
                breaches.append(
                    f"{where}: imports skmtl.{found.module}, a file inside another room; import "
                    f"from skmtl.{target}"
                )
            elif (
                sources[target].is_package
                and found.name is not None
                and found.name not in offered_names(sources[target])
            ):
                breaches.append(f"{where}: {found.name!r} is in neither list of skmtl.{target}")
            elif found.name is not None and found.name.startswith("_"):
                breaches.append(f"{where}: {found.name!r} is private to skmtl.{target}")
    return breaches


def private_attributes_of_others(package: Path) -> list[str]:
    """Attributes with a leading underscore that a file reads and only other files define.

    A file defines what it assigns, annotates, or names in a ``def`` or ``class``; ``getattr`` and
    its like count as reading the name that they spell out.
    """
    sources = read_house(package)
    defined = {module: _private_definitions(source.tree) for module, source in sources.items()}
    breaches = []
    for module, source in sources.items():
        elsewhere = set().union(*(names for other, names in defined.items() if other != module))
        for line, name in _private_reads(source.tree):
            if name in elsewhere - defined[module]:
                breaches.append(f"{source.path}:{line}: reads {name!r}, which another file defines")
    return breaches


def attributes_born_late(package: Path) -> list[str]:
    """Attributes that a method other than ``__init__`` assigns first.

    Attributes that end in an underscore are fitted ones, which scikit-learn's estimators set in
    ``fit``. What a base class anywhere in the package defines is known.
    """
    sources = read_house(package)
    classes = {
        node.name: node
        for source in sources.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    }
    breaches = []
    for source in sources.values():
        if source.room not in BORN_EARLY:
            continue
        for owner in (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)):
            known = _born(owner, classes, set())
            breaches += [
                f"{source.path}:{line}: {owner.name}.{name} is first assigned outside __init__"
                for method in owner.body
                if isinstance(method, ast.FunctionDef)
                for line, name in _assigned_to_self(method)
                if name not in known and (not name.endswith("_") or name.startswith("_"))
            ]
    return breaches


def _born(owner: ast.ClassDef, classes: dict[str, ast.ClassDef], seen: set[str]) -> set[str]:
    """Names that the body, ``__init__`` or the properties of a class or its bases define."""
    seen.add(owner.name)
    names: set[str] = set()
    for node in owner.body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
            if node.name == "__init__":
                names |= {name for _, name in _assigned_to_self(node)}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    for base in owner.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        name = dotted(plain).split(".")[-1]
        if name in classes and name not in seen:
            names |= _born(classes[name], classes, seen)
    return names


def _assigned_to_self(method: ast.FunctionDef) -> list[tuple[int, str]]:
    """Line and name of every attribute of its first argument that a method assigns."""
    if not method.args.args:
        return []
    own = method.args.args[0].arg
    return [
        (node.lineno, node.attr)
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == own
    ]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _private_definitions(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return {name for name in names if _is_private(name)}


def _private_reads(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load | ast.Del):
            name = node.attr
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func) in {"getattr", "setattr", "hasattr", "delattr"}
            and len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
        ):
            name = str(node.args[1].value)
        else:
            continue
        if _is_private(name):
            yield node.lineno, name


def private_sklearn_imports(package: Path) -> list[str]:
    breaches = []
    for source in read_house(package).values():
        if source.module == "_sklearn_compat":
            continue
        for module, name, line in absolute_imports(source):
            parts = [*module.split("."), *([name] if name else [])]
            if parts[0] == "sklearn" and any(
                part.startswith("_") and not part.endswith("__") for part in parts
            ):
                breaches.append(
                    f"{source.path}:{line}: {'.'.join(parts)} is private to scikit-learn; import "
                    "it in skmtl/_sklearn_compat.py"
                )
    return breaches


def long_files(package: Path) -> list[str]:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(package.rglob("*.py"))
    }
    return [
        f"{path}: {n} lines, more than {LONGEST_FILE}; split it by idea"
        for path, n in lengths.items()
        if n > LONGEST_FILE
    ]


def file_names_that_occur_twice(package: Path) -> list[str]:
    paths: dict[str, list[Path]] = {}
    for path in sorted(package.rglob("*.py")):
        paths.setdefault(path.name, []).append(path)
    return [
        f"{first} and {second} have one file name; give them names that tell them apart"
        for name, (first, *others) in paths.items()
        if name != "__init__.py"
        for second in others
    ]


# TorchJD's objects draw from torch's global generator: it is seeded from a network's own for the
# call, and set back at once.
LENT_GENERATOR = {
    ("torchjd.py", "torch.random.set_rng_state"),
    ("torchjd.py", "torch.default_generator.manual_seed"),
}


def global_randomness(package: Path) -> list[str]:
    breaches = []
    for source in read_house(package).values():
        imported = {(module, name) for module, name, _ in absolute_imports(source)}
        draws = [
            (node.lineno, _global_draw(node, imported))
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call)
        ]
        draws = [
            (line, name) for line, name in draws if (source.path.name, name) not in LENT_GENERATOR
        ]
        breaches += [
            f"{source.path}:{line}: {name} uses a global random generator; draw from one made of "
            "random_state"
            for line, name in draws
            if name
        ]
    return breaches


def _global_draw(call: ast.Call, imported: set[tuple[str, str | None]]) -> str | None:
    name = dotted(call.func)
    parts = name.split(".")
    private = any(keyword.arg == "generator" for keyword in call.keywords)
    if parts[:2] in (["np", "random"], ["numpy", "random"]):
        return None if parts[2] in NUMPY_PRIVATE_GENERATORS else name
    if parts[0] == "random" and ("random", None) in imported:
        return None if parts[1] in ("Random", "SystemRandom") else name
    if parts[0] == "torch" and (
        parts[-1] in TORCH_GLOBAL
        or (len(parts) == 2 and parts[1] in TORCH_SAMPLERS and not private)
    ):
        return name
    if (
        len(parts) == 1
        and ("torch", name) in imported
        and (name in TORCH_GLOBAL or (name in TORCH_SAMPLERS and not private))
    ):
        return name
    if len(parts) > 1 and parts[-1] in TENSOR_SAMPLERS and not private:
        return name
    return None


def machine_paths(root: Path) -> list[str]:
    """Paths of the machine that something was written on, in any text of the repository."""
    suffixes = {".py", ".rst", ".md", ".txt", ".csv", ".json", ".html", ".j2", ".toml"}
    names = [
        root / name
        for name in (
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "Makefile",
            "pyproject.toml",
            "constraints.txt",
            ".ci/run",
        )
    ]
    for folder in ("skmtl", "tests", "docs", "benchmarks"):
        names += [path for path in sorted((root / folder).rglob("*")) if path.suffix in suffixes]
    built = root / "docs" / "_build"
    breaches = []
    for path in names:
        if path.is_file() and built not in path.parents:
            for number, line in enumerate(
                path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1
            ):
                if found := MACHINE_PATH.search(line):
                    breaches.append(
                        f"{path}:{number}: names a path of one machine ({found.group()})"
                    )
    return breaches


RULES = [
    breached_floors,
    cycles_within_rooms,
    imports_past_the_door,
    private_sklearn_imports,
    long_files,
    file_names_that_occur_twice,
    private_attributes_of_others,
    attributes_born_late,
    global_randomness,
]


# ---------------------------------------------------------------------- the house as it stands
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_skmtl_keeps_the_rule(rule):
    breaches = rule(ROOT / "skmtl")
    assert not breaches, "\n" + "\n".join(breaches)


def test_no_text_names_a_path_of_one_machine():
    breaches = machine_paths(ROOT)
    assert not breaches, "\n" + "\n".join(breaches)


# ---------------------------------------------------------------------- the checker itself
@pytest.fixture
def build(tmp_path):
    """Write files below tmp_path/skmtl; packages on the way get an empty __init__.py."""

    def write(**files: str) -> Path:
        package = tmp_path / "skmtl"
        for name, text in {"__init__": "", **files}.items():
            path = package / f"{name.replace('__of__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if path.parent != package and not (path.parent / "__init__.py").exists():
                (path.parent / "__init__.py").write_text("", encoding="utf-8")
        return package

    return write


def test_a_sound_house_breaks_no_rule(build):
    package = build(
        __init__="from skmtl.estimators import E\nfrom skmtl.datasets import fetch\n__all__ = "
        "['E', 'fetch']\n",
        _sklearn_compat="from sklearn.utils._tags import Tags\n",
        data="import numpy as np\nfrom skmtl._sklearn_compat import Tags\nrng = "
        "np.random.default_rng(0)\n",
        network__of____init__="from skmtl.network.fleet import Fleet\n__all__ = ['Fleet']\n",
        network__of__fleet="import torch\nfrom skmtl.data import TaskSet\nfrom .losses import "
        "mse\ntorch.rand(3, generator=g)\nx.normal_(generator=g)\n",
        network__of__losses="from sklearn.utils import check_array\n",
        estimators__of____init__="from skmtl.estimators.e import E\n__all__ = ['E']\n",
        estimators__of__e="from ..network import Fleet\nfrom skmtl import metrics\n",
        metrics__of____init__="__all__ = []\n",
        datasets__of____init__="from skmtl.data import TaskSet\n__all__ = ['fetch']\n",
        cli="def main():\n    from skmtl.datasets import fetch\n    from skmtl.report import "
        "write\n",
        report__of____init__="__all__ = ['write']\n",
        __main__="from skmtl.cli import main\n",
    )
    assert [breach for rule in RULES for breach in rule(package)] == []


@pytest.mark.parametrize(
    ("room", "text", "reason"),
    [
        (
            "network__of__fleet",
            "from skmtl.estimators import E",
            "floor 4 does not lie below floor 2",
        ),
        (
            "network__of__fleet",
            "def f():\n    from skmtl.aggregation import Mean",
            "floor 3 does not lie below floor 2",
        ),
        (
            "network__of__fleet",
            "if TYPE_CHECKING:\n    import skmtl.fairness",
            "floor 3 does not lie below floor 2",
        ),
        (
            "network__of__fleet",
            "from ..grouping import TaskGrouper",
            "floor 6 does not lie below floor 2",
        ),
        ("network__of__fleet", "from .. import grouping", "floor 6 does not lie below floor 2"),
        (
            "network__of__fleet",
            "import importlib\nimportlib.import_module('skmtl.cli')",
            "floor 7 does not lie below floor 2",
        ),
        (
            "aggregation__of__mean",
            "from skmtl.fairness import MTAF",
            "floor 3 does not lie below floor 3",
        ),
        ("data__of__a", "from skmtl.support import check", "floor 0 does not lie below floor 0"),
        (
            "_sklearn_compat",
            "from skmtl.support import check",
            "floor 0 does not lie below floor -1",
        ),
        ("plotting__of__a", "from skmtl.report import write", "floor 7 does not lie below floor 7"),
        ("affinity__of__a", "from skmtl import TaskSet", "not from the roof"),
        ("affinity__of__a", "import skmtl", "not from the roof"),
        ("affinity__of__a", "from skmtl.datasets import fetch", "seen from floor 7 only"),
        (
            "datasets__of__a",
            "from skmtl.network import Fleet",
            "floor 2 does not lie below floor 1",
        ),
        ("estimators__of__a", "from skmtl.cellar import wine", "no such room"),
        ("cellar__of__a", "", "is on no floor"),
    ],
)
def test_an_import_from_the_wrong_floor_is_found(build, room, text, reason):
    breaches = breached_floors(build(**{room: text}))
    assert any(reason in breach for breach in breaches), breaches


def test_circles_of_imports_within_a_room_are_found(build):
    package = build(
        network__of__a="from skmtl.network.b import x",
        network__of__b="def f():\n    from .a import y",
    )
    assert cycles_within_rooms(package) == [
        "a circle of imports: skmtl.network.a -> skmtl.network.b -> skmtl.network.a"
    ]


def test_a_file_that_imports_from_its_own_package_is_a_circle(build):
    package = build(
        network__of____init__="from skmtl.network.a import x",
        network__of__a="from skmtl.network import y",
    )
    assert cycles_within_rooms(package) == [
        "a circle of imports: skmtl.network -> skmtl.network.a -> skmtl.network"
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from skmtl.network.fleet import Fleet", "a file inside another room"),
        ("import skmtl.network.fleet", "a file inside another room"),
        ("from skmtl.network import fleet", "a file inside another room"),
        ("from skmtl.network import Hidden", "in neither list"),
        ("from skmtl.base import _helper", "private to skmtl.base"),
    ],
)
def test_an_import_past_the_door_of_a_room_is_found(build, text, reason):
    package = build(
        network__of____init__="__all__ = ['Fleet']",
        network__of__fleet="",
        base="",
        estimators__of__a=text,
    )
    breaches = imports_past_the_door(package)
    assert len(breaches) == 1
    assert reason in breaches[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class A:\n    def fit(self):\n        self.x = 1", 1),
        ("class A:\n    def fit(self):\n        self._x_, self.y = 1, 2", 2),
        ("class A:\n    def fit(self):\n        self.x_ = 1", 0),
        ("class A:\n    x: int\n    def step(self):\n        self.x += 1", 0),
        (
            "class A:\n    def __init__(self):\n        self.x = 0\n    def go(self):\n        self.x = 1",
            0,
        ),
        ("class B(A):\n    def go(self):\n        self.z = 1", 0),
    ],
)
def test_an_attribute_that_is_born_outside_the_constructor_is_found(build, text, found):
    base = "class A:\n    def __init__(self):\n        self.z = 0\n"
    files = {"network__of__a": text, **({"base": base} if "B(A)" in text else {})}
    assert len(attributes_born_late(build(**files))) == found


def test_two_files_of_one_name_are_found(build):
    package = build(metrics__of__losses="x = 1\n", network__of__losses="x = 1\n")
    assert ["have one file name" in b for b in file_names_that_occur_twice(package)] == [True]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class B(A):\n    def g(self):\n        return self._f()\n", "_f"),
        ("def g(a):\n    return a._rows\n", "_rows"),
        ("def g(a):\n    return getattr(a, '_rows', None)\n", "_rows"),
        ("def g(a):\n    a._rows += 1\n", None),
        ("class C:\n    def __init__(self):\n        self._rows = 1\n", None),
        ("def g(a):\n    return a._elsewhere\n", None),
    ],
)
def test_a_private_attribute_of_another_file_is_found(build, text, name):
    defined = "class A:\n    def __init__(self):\n        self._rows = 1\n    def _f(self): ...\n"
    breaches = private_attributes_of_others(
        build(estimators__of__a=defined, estimators__of__b=text)
    )
    assert [name in breach for breach in breaches] == ([True] if name else [])


@pytest.mark.parametrize(
    "text",
    [
        "from sklearn.utils._tags import Tags",
        "from sklearn.utils import _safe_indexing",
        "import sklearn.utils._set_output",
    ],
)
def test_a_private_import_from_sklearn_is_found_outside_the_compat_file(build, text):
    package = build(_sklearn_compat=text, metrics__of__a=f"def f():\n    {text}")
    breaches = private_sklearn_imports(package)
    assert len(breaches) == 1
    assert "metrics" in breaches[0]


def test_a_long_file_is_found(build):
    package = build(base="x = 1\n" * LONGEST_FILE, data="x = 1\n" * (LONGEST_FILE + 1))
    assert [breach.split(": ")[1] for breach in long_files(package)] == [
        "401 lines, more than 400; split it by idea"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nnp.random.seed(0)",
        "import numpy\nx = numpy.random.randn(3)",
        "import torch\ntorch.manual_seed(0)",
        "import torch\ntorch.cuda.manual_seed_all(0)",
        "import torch\nx = torch.randn(3)",
        "from torch import randperm\nx = randperm(3)",
        "x.normal_(0, 1)",
        "import random\nrandom.shuffle(x)",
    ],
)
def test_a_draw_from_a_global_generator_is_found(build, text):
    assert len(global_randomness(build(base=text))) == 1


@pytest.mark.parametrize("path", ["work", "root"])
def test_a_path_of_one_machine_is_found(tmp_path, path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.rst").write_text(f"fine\nsee /{path}/data\n", encoding="utf-8")
    (tmp_path / "README.md").write_text(
        "the network/ folder and /homework/ are fine\n", encoding="utf-8"
    )
    assert [breach.split("page.rst")[1] for breach in machine_paths(tmp_path)] == [
        f":2: names a path of one machine (/{path}/)"
    ]
