"""What a release carries agrees with the package: versions, licences, citation, and the files that the pages name."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import pqa_lab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "LICENSES.md"]


def licences():
    spec = importlib.util.spec_from_file_location("licences", ROOT / "docs" / "licences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_version_everywhere():
    version = PROJECT["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert pqa_lab.__version__ == version == str(citation["version"])
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_citation_is_complete():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format asks for
    assert citation["license"] == PROJECT["project"]["license"]
    assert "2404.11159" in citation["references"][0]["url"]


def test_every_declared_dependency_has_a_licence_line():
    page = (ROOT / "LICENSES.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([\w.-]+) \| ([\w, ]+) \| [^?|]+ \|$", page, re.M))
    listed.pop("package", None)
    assert listed == licences().declared(), "python docs/licences.py"


def test_a_licence_is_read_from_metadata():
    assert licences().licence("numpy").startswith("BSD-3-Clause")
    assert licences().licence("no-such-package") == "?"


@pytest.mark.parametrize("page", [*PAGES, "CITATION.cff", "docs/build.py"])
def test_the_source_distribution_carries_the_pages(page):
    patterns = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    file = ROOT / page
    assert file.is_file()
    assert any(
        file in ROOT.glob(pattern.lstrip("/")) or file.is_relative_to(ROOT / pattern[1:]) for pattern in patterns
    )


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    files = [name for name in re.findall(r"`((?:pqa_lab|tests|docs|notebooks|binder)/[\w./]+)`", text)]
    named = {
        name for name in links + files if "NAME" not in name and "NN" not in name and not name.startswith("docs/api")
    }
    assert [name for name in sorted(named) if name and not (ROOT / name).exists()] == []
