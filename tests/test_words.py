"""The words of the project: what users read avoids terms that have a standard name."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_UNITS = (
    "(task|row|group|network|pair|split|member|class|fit|step|pass|epoch|column|level|fold|line)"
)
# Pattern: what to write in its place.
BANNED = {
    rf"\b(one|a|an|every|each|two) \w+ a {_UNITS}\b": '"per": one column per task',
    rf"\b(rows|labels|networks|columns|entries|values|seconds|heads) an? {_UNITS}\b": '"per"',
    r"\b(bear|bears|borne|bearing)\b": "handles, supports, accepts",
    r"\bin the manner of\b": "name what it is",
    r"\btold (of|in)\b": "named, documented",
    r"\b(of yours|of its own|of their own)\b": "a possessive: your, its",
    r"\b(goes round|go hungry|by heart|call everybody|everybody)\b": "plain words",
    r"\bwho (helps|learns with) whom\b": "which tasks help each other",
    r"\b(hold|holds|held|holding)( \w+){1,4} against\b": "compare X with Y",
    r"\bheld against\b": "compared with",
    r"\blearnt\b": "learned",
    r"\b\w*(standardis|normalis|regularis|optimis|minimis|maximis|generalis|summaris|parametris"
    r"|initialis|penalis|symmetris|vectoris|neutralis|memoris|organis|recognis|visualis)"
    r"(e|es|ed|er|ing|ation)\b": "American spelling, -ize",
    r"\b(un)?labelled\b": "labeled",
    r"\b(colour|neighbour|behaviour|favour|honour)\w*\b": "American spelling, -or",
    r"\b(centred|centre|centres|grey|modelled|modelling|cancelled|artefacts?)\b": "American",
    r"\bstep sizes?\b": "learning rate",
    r"\b(a|one|every|each|per|last|first|whole|of|the) pass\b": "epoch",
    r"\bpasses (made|over|without|of|that)\b": "epochs",
    r"\b(held|watched) rows\b": "validation rows, test rows",
    r"\ball together\b": "joint",
    r"\bsteer(s|ed|ing)?\b": "loss, penalty, fairness term, aggregator",
    r"\bholes?\b": "missing value, missing label",
    r"\b(labels|targets) (have|with) gaps\b": "missing labels",
    r"\bgaps in (the )?(labels|targets|y)\b": "missing labels",
}


def texts_of_module(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings, comments and messages of a module, with the lines they start on."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def breaches(texts: Iterator[tuple[int, str]], where: str) -> list[str]:
    """Banned words of some texts, one line each."""
    found = []
    for line, text in texts:
        plain = " ".join(text.split())
        for pattern, instead in BANNED.items():
            for match in re.finditer(pattern, plain, flags=re.IGNORECASE):
                around = plain[max(0, match.start() - 25) : match.end() + 25]
                found.append(f"{where}:{line}: ...{around}...: write {instead}")
    return found


MODULES = sorted((ROOT / "skmtl").rglob("*.py"))
# "What is cheap is also indirect." names no subject; a question may start so.
NO_SUBJECT = re.compile(r"^What [^?.]*\.")

PAGES = [
    *ROOT.glob("*.md"),
    *sorted((ROOT / "docs").glob("*.rst")),
    *sorted((ROOT / "docs" / "user_guide").glob("*.rst")),
    *sorted((ROOT / "docs" / "gallery").rglob("*.py")),
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_uses_the_words_of_the_project(path):
    assert breaches(texts_of_module(path), str(path.relative_to(ROOT))) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_uses_the_words_of_the_project(path):
    paragraphs = path.read_text(encoding="utf-8").split("\n\n")
    starts = [1]
    for paragraph in paragraphs:
        starts.append(starts[-1] + paragraph.count("\n") + 2)
    texts = zip(starts, paragraphs, strict=False)
    assert breaches(texts, str(path.relative_to(ROOT))) == []
    assert [text for text in paragraphs if NO_SUBJECT.match(" ".join(text.split()))] == []


@pytest.mark.parametrize(
    ("text", "is_banned"),
    [
        ("One column a task.", True),
        ("one column per task", False),
        ("It bears missing labels.", True),
        ("skmtl is held against scikit-learn", True),
        ("a row that belongs to a task", False),
        ("Standardised inputs", True),
        ("the gap between groups", False),
        ("train a network", False),
    ],
)
def test_the_patterns_find_what_they_are_for(text, is_banned):
    assert bool(breaches(iter([(1, text)]), "text")) is is_banned
