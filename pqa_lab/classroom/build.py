"""From the one source of an assignment to what nbgrader and otter read.

``notebooks/assignments/aN_name.py`` (jupytext percent format) holds the text, the solutions, the visible and the hidden
tests, with nbgrader's marks and nbgrader's metadata in the head of each cell:

- an answer in code has ``solution: true, grade: false``; what stands between ``### BEGIN SOLUTION`` and
  ``### END SOLUTION`` is what the student writes;
- a test has ``grade: true, solution: false, locked: true``; what stands between ``### BEGIN HIDDEN TESTS`` and
  ``### END HIDDEN TESTS`` is not released;
- a hand-graded answer is a markdown cell with ``grade: true, solution: true``: the model answer and its rubric, of
  which nothing is released.
"""

import re
from pathlib import Path

import nbformat

from pqa_lab.errors import InputError
from pqa_lab.shipped import shipped

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
STUB = "raise NotImplementedError()  # your answer"
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS\n(.*?)^ *### END HIDDEN TESTS\n?", re.DOTALL | re.MULTILINE)
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.DOTALL | re.MULTILINE)


def sources() -> list[Path]:
    """The assignments that travel with the package, in their order."""
    found = sorted((shipped("notebooks") / "assignments").glob("a[0-9]_*.py"))
    if not found:
        raise InputError("The assignments are missing from this installation; reinstall pqa-lab.")
    return found


def kind(cell: nbformat.NotebookNode) -> str:
    """What a cell is for: "answer" (code), "test", "written" (graded by hand), or "text" for all others."""
    meta = cell.metadata.get("nbgrader", {})
    if meta.get("grade"):
        return "written" if meta.get("solution") else "test"
    return "answer" if meta.get("solution") else "text"


def nbgrader_notebook(source: Path) -> nbformat.NotebookNode:
    """The instructor's version for nbgrader's ``source/`` folder, solutions and hidden tests inside.

    Raises
    ------
    InputError
        When a cell could not be graded as it is meant: see `faults`.
    """
    import jupytext

    page = jupytext.read(source)
    page.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    page.nbformat, page.nbformat_minor = 4, 5
    for number, cell in enumerate(page.cells):
        cell["id"] = cell.metadata.get("nbgrader", {}).get("grade_id", f"cell-{number:03d}")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if wrong := faults(page):
        raise InputError(f"{source.name}: {'; '.join(wrong)}.")
    nbformat.validate(page)
    return page


def faults(page: nbformat.NotebookNode) -> list[str]:
    """What would make nbgrader or otter grade something else than meant, in words."""
    wrong, seen = [], set()
    for cell in page.cells:
        what, name = kind(cell), cell.metadata.get("nbgrader", {}).get("grade_id", "")
        marked = SOLUTION.search(cell.source) is not None
        if what == "text" and ("### BEGIN" in cell.source or "### END" in cell.source):
            wrong.append(f"marks in a cell that is neither answer nor test: {cell.source[:40]!r}")
        if what == "text":
            continue
        if not name or name in seen:
            wrong.append(f"grade_id {name!r} is missing or used twice")
        seen.add(name)
        if what == "answer" and not marked:
            wrong.append(f"{name} has no ### BEGIN SOLUTION")
        if what in ("answer", "test") and cell.cell_type != "code":
            wrong.append(f"{name} should be code")
        if what == "test":
            if not HIDDEN.search(cell.source) or "assert" not in HIDDEN.search(cell.source).group(1):
                wrong.append(f"{name} asserts nothing in hidden tests")
            # nbgrader takes a number that a test cell displays for its points.
            last = cell.source.rstrip().split("\n")[-1]
            if not (last.startswith((" ", "#", ")")) or "assert" in last or "=" in last):
                wrong.append(f"{name} should not end with a value")
    return wrong


def points(page: nbformat.NotebookNode) -> dict[str, dict[str, float]]:
    """Points of the tests and of the written answers: {"test": {grade_id: points}, "written": {...}}."""
    found: dict[str, dict[str, float]] = {"test": {}, "written": {}}
    for cell in page.cells:
        if kind(cell) in found:
            found[kind(cell)][cell.metadata.nbgrader.grade_id] = cell.metadata.nbgrader.points
    return found


def rubric(page: nbformat.NotebookNode) -> str:
    """Model answers and marking of the written questions, as one page for the graders."""
    parts = [
        f"### {cell.metadata.nbgrader.grade_id} ({cell.metadata.nbgrader.points} points)\n\n{cell.source}"
        for cell in page.cells
        if kind(cell) == "written"
    ]
    return "\n\n".join(parts)
