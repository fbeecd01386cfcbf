"""The lessons as the tests see them: their committed notebooks, and the tool that makes them."""

import importlib.util
import re
from pathlib import Path

import nbformat

HOME = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted((HOME / "src").glob("[0-9][0-9]_*.py"))
STUDENT = [HOME / f"{source.stem}.ipynb" for source in SOURCES]
SOLUTIONS = [HOME / "solutions" / f"{source.stem}.ipynb" for source in SOURCES]
EXERCISE = re.compile(r"^### Exercise (\d+) · .+ \((●●●|●●○|●○○), \d+ min\)$", re.MULTILINE)


def load_build():
    """notebooks/build.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("notebooks_build", HOME / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}" if path.parent.name == "solutions" else path.stem
