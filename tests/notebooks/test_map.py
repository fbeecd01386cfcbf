"""The course's start page: up to date, and nothing on it leads nowhere."""

import importlib
import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted((NOTEBOOKS / "src").glob("[0-9][0-9]_*.py"))
EVERYWHERE = {"pqa_lab.lessons", "pqa_lab.errors", "pqa_lab.samples", "pqa_lab.methods.base"}  # and in viz: COMMON


def test_the_page_is_up_to_date():
    done = subprocess.run([sys.executable, str(NOTEBOOKS / "map.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_lesson_is_on_it_and_every_link_leads_somewhere():
    text = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert {path.name for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")} <= set(links)
    assert not [link for link in links if not (NOTEBOOKS / link).exists()]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_what_a_lesson_uses_names_the_lesson(source):
    pages = runpy.run_path(str(NOTEBOOKS / "map.py"))
    silent = []
    for module, names in pages["used"](source).items():
        for name in names - pages["COMMON"]:
            thing = getattr(importlib.import_module(module), name)
            if not (inspect.isfunction(thing) or inspect.isclass(thing)) or thing.__module__ in EVERYWHERE:
                continue
            if not re.search(rf"Lessons? [\d, ]*{source.stem[:2]}", thing.__doc__ or ""):
                silent.append(f"{thing.__module__}.{name}")
    assert not silent, f"say 'Lesson {source.stem[:2]}.' in the docstrings of {', '.join(silent)}"
