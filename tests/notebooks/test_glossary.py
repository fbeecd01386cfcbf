"""The glossary is in order, and every file and name that it gives is in the package."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^- \*\*(.+?)\.\*\* (.+)$", TEXT, re.MULTILINE)
PLACE = re.compile(r": `(pqa_lab/[\w/]+\.py)` \(((?:`\w+`(?:, )?)+)\)\.$")


def defined(tree: ast.Module) -> set[str]:
    """Functions, classes and values that a module defines itself; what it imports does not count."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def test_terms_are_sorted_and_each_has_words():
    terms = [term for term, _ in ENTRIES]
    assert len(terms) == TEXT.count("\n- ") >= 30
    assert terms == sorted(terms, key=lambda term: re.sub(r"\W", "", term).lower())
    assert len({term.lower() for term in terms}) == len(terms)


@pytest.mark.parametrize("term, words", ENTRIES, ids=[term for term, _ in ENTRIES])
def test_what_a_term_names_exists(term, words):
    place = PLACE.search(words)
    assert place, "an entry ends with `pqa_lab/room/file.py` (`name`)."
    said = words[: place.start()]
    assert 30 < len(said) < 260, "one or two sentences"
    file = ROOT / place[1]
    assert file.is_file(), f"there is no {place[1]}"
    missing = set(re.findall(r"\w+", place[2])) - defined(ast.parse(file.read_text(encoding="utf-8")))
    assert not missing, f"{place[1]} defines no {', '.join(sorted(missing))}"
