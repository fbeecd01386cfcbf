"""What the rooms export is documented, the examples in docstrings are true, and the API reference builds."""

import dataclasses
import doctest
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pqa_lab
from pqa_lab.methods import METHODS
from pqa_lab.provenance import provenance

numpydoc = pytest.importorskip("numpydoc.docscrape")

ROOT = Path(__file__).parents[1]
ROOMS = [f"pqa_lab.{room}" for room in (*pqa_lab._ROOMS, "provenance")]
# The same everywhere, so a docstring need not repeat them: CONTRIBUTING.md, "Words".
USUAL = {
    "image",
    "images",
    "photo",
    "photos",
    "rng",
    "seed",
    "rows",
    "frame",
    "path",
    "box",
    "progress",
    "norm",
    "self",
}


def public():
    """(room, name, thing) of every function and class of ours that a room exports, once."""
    seen = set()
    for room in ROOMS:
        module = importlib.import_module(room)
        own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == room]
        for name in getattr(module, "__all__", [name for name in own if not name.startswith("_")]):
            thing = getattr(module, name)
            if (inspect.isfunction(thing) or inspect.isclass(thing)) and id(thing) not in seen:
                seen.add(id(thing))
                yield pytest.param(thing, id=f"{room.removeprefix('pqa_lab.')}.{name}")


def undocumented(thing) -> list[str]:
    """What is wrong with a docstring: parameters that it does not name or that do not exist, no word on the result."""
    text = inspect.getdoc(thing) or ""
    if not text or (dataclasses.is_dataclass(thing) and text.startswith(f"{thing.__name__}(")):
        return ["no docstring"]
    doc = numpydoc.NumpyDocString(text)
    try:
        taken = set(inspect.signature(thing).parameters)
    except ValueError:
        return []
    if re.search(r"as a module|options? fixed|[Pp]arameters (are those of|as) `", text):
        taken = set()  # another docstring tells
    if issubclass_(thing, Exception) or getattr(thing, "_is_protocol", False):
        taken = set()
    listed = [name.lstrip("*") for entry in doc["Parameters"] for name in re.split(r",\s*", entry.name)]
    comments = inspect.getsource(thing) if inspect.isclass(thing) else ""
    wrong = [f"{name} is no parameter" for name in listed if taken and name not in taken]
    wrong += [
        f"{name} is not explained"
        for name in taken - USUAL
        if not re.search(rf"\b{name}\b", text) and not re.search(rf"^    {name}: .*#", comments, re.M)
    ]
    returns = inspect.isfunction(thing) and inspect.signature(thing).return_annotation not in (None, "None")
    if returns and doc["Parameters"] and not doc["Returns"] and not doc["Yields"]:
        wrong.append("parameters have a section and the result has none")
    return wrong


def issubclass_(thing, kind) -> bool:
    return inspect.isclass(thing) and issubclass(thing, kind)


@pytest.mark.parametrize("thing", public())
def test_public_names_are_documented(thing):
    assert undocumented(thing) == []


def with_examples():
    """Modules whose source has a doctest prompt."""
    for info in pkgutil.walk_packages(pqa_lab.__path__, "pqa_lab."):
        source = ROOT / (info.name.replace(".", "/") + ("/__init__.py" if info.ispkg else ".py"))
        if ">>> " in source.read_text(encoding="utf-8"):
            yield info.name


@pytest.mark.parametrize("name", with_examples())
def test_examples_in_docstrings_are_true(name):
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize(
    "function", ["scaling.scale", "evaluation.per_scene", "losses.fidelity_loss", "views.fragments"]
)
def test_the_most_used_functions_have_an_example(function):
    room, name = function.split(".")
    assert ">>> " in inspect.getdoc(getattr(importlib.import_module(f"pqa_lab.{room}"), name))


@pytest.mark.slow
def test_the_api_reference_builds_without_a_warning(tmp_path):
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, ROOT / "docs" / "build.py", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 warnings" in done.stdout
    pages = {page.relative_to(tmp_path).as_posix(): page.read_text("utf-8") for page in tmp_path.rglob("*.html")}
    for method in METHODS.places.values():
        module, name = method.split(":")
        assert f'id="{name}"' in pages[f"pqa_lab/methods/{module}.html"]
    for parameter in public():
        room, name = parameter.id.rsplit(".", 1)
        assert f'id="{name}"' in pages[f"pqa_lab/{room}.html"], parameter.id
    assert pages["pqa_lab/provenance.html"].count("<tr>") == len(provenance()) + 1
    assert "<math" in pages["pqa_lab/losses/fidelity.html"]
    left = [name for name, page in pages.items() if ".. math::" in page or ":math:`" in page]
    assert left == []
    broken = [
        (name, link)
        for name, page in pages.items()
        for link in re.findall(r'href="([^"#:]+\.html)', page)
        if not (tmp_path / name).parent.joinpath(link).is_file()
    ]
    assert broken == []
