"""A real course with nbgrader's own commands: release, hand in, autograde, read the marks."""

import copy
import os
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat

from pqa_lab.classroom.build import SOLUTION, kind, nbgrader_notebook
from pqa_lab.classroom.new import new_course

ROOT = Path(__file__).parents[2]
ANSWERS = Path(__file__).parent / "answers"


def answers(name: str) -> dict:
    """POINTS and WRONG of an assignment, see the files in answers/."""
    return runpy.run_path(str(ANSWERS / f"{name}.py"))


class Course:
    """A course folder; ``nbgrader("autograde", name)`` runs the command in it."""

    def __init__(self, folder: Path):
        new_course(folder / "course")
        self.folder = folder / "course"
        private = folder / "jupyter"
        private.mkdir()
        # nbgrader calls alembic by its bare name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        self.env = os.environ | {f"JUPYTER_{n}": str(private / n) for n in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
        self.env |= {"IPYTHONDIR": str(private / "ipython"), "PYTHONPATH": str(ROOT), "PATH": path}

    def nbgrader(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=3600)
        self.status = done.returncode
        return done.stdout + done.stderr

    def release(self, name: str) -> nbformat.NotebookNode:
        said = self.nbgrader("generate_assignment", name)
        assert self.status == 0, said
        return nbformat.read(self.folder / "release" / name / f"{name}.ipynb", as_version=4)

    def hand_in(self, student: str, name: str, page: nbformat.NotebookNode) -> None:
        path = self.folder / "submitted" / student / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(page, path)

    def marks(self, name: str) -> dict[str, dict[str, float]]:
        """Student -> test cell -> points."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}", "pqa") as book:
            return {
                submission.student.id: {
                    grade.name: grade.auto_score
                    for grade in submission.notebooks[0].grades
                    if grade.cell.cell_type == "code"
                }
                for submission in book.assignment_submissions(name)
            }


def answered(released: nbformat.NotebookNode, name: str, wrong: dict[str, str] | None = None) -> nbformat.NotebookNode:
    """The released notebook with the reference's answers, some of them replaced by other code.

    ``wrong`` maps the grade_id of a solution cell to the whole code of that cell.
    """
    source = next((ROOT / "notebooks" / "assignments").glob(f"{name}.py"))
    right = {
        cell.metadata.nbgrader.grade_id: SOLUTION.sub(lambda found: found[2].rstrip("\n"), cell.source)
        for cell in nbgrader_notebook(source).cells
        if kind(cell) == "answer"
    }
    assert not set(wrong or {}) - set(right), f"no such answers: {set(wrong) - set(right)}"
    page = copy.deepcopy(released)
    for cell in page.cells:
        if kind(cell) == "answer":
            cell.source = {**right, **(wrong or {})}[cell.metadata.nbgrader.grade_id]
    return page
