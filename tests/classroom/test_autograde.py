"""Every assignment graded by the real nbgrader: right, blank, wrong and tampered submissions get what they deserve."""

import copy
import csv
import html
import os
import re
import time
from dataclasses import dataclass

import nbformat
import pytest
from classroom.course import ANSWERS, Course, answered, answers

from pqa_lab.classroom.build import HIDDEN, SOLUTION, kind, nbgrader_notebook, points, sources

pytest.importorskip("nbgrader", reason="nbgrader is not installed: python -m pip install '.[classroom]'")
SOURCES = {source.stem: source for source in sources()}


@dataclass
class Graded:
    """An assignment from release to marks, in one `nbgrader autograde` call."""

    name: str
    course: Course
    released: nbformat.NotebookNode
    labels: dict[str, str]  # student -> what the submission is
    deserved: dict[str, dict[str, float]]
    marks: dict[str, dict[str, float]]


@pytest.fixture(scope="module", params=SOURCES)
def graded(request, tmp_path_factory):
    name, given = request.param, answers(request.param)
    course, full = Course(tmp_path_factory.mktemp(request.param)), given["POINTS"]
    blank = course.release(name)
    handed_in = {"reference": answered(blank, name), "blank": blank, "tampered": tampered(blank)}
    deserved = {"reference": full, "blank": dict.fromkeys(full, 0), "tampered": dict.fromkeys(full, 0)}
    labels = {student: student for student in handed_in}
    for number, (label, (code, fails)) in enumerate(chosen(given["WRONG"]).items()):
        assert set(fails) <= set(full), set(fails) - set(full)
        student = f"wrong_{number}"
        handed_in[student], labels[student] = answered(blank, name, code), label
        deserved[student] = {test: 0 if test in fails else mark for test, mark in full.items()}
    for student, page in handed_in.items():
        course.hand_in(student, name, page)
    start = time.monotonic()
    said = course.nbgrader("autograde", name)
    assert course.status == 0, said
    marks, total = course.marks(name), sum(full.values())
    print(f"\n{name}: {len(handed_in)} submissions autograded in {time.monotonic() - start:.0f} s")
    for student, label in labels.items():
        print(f"  {sum(marks[student].values()):4g} of {total:g}  {label}")
    return Graded(name, course, blank, labels, deserved, marks)


def chosen(wrong: dict[str, tuple]) -> dict[str, tuple]:
    """Eight wrong answers, or more until every test cell that any fails is failed; all with PQA_LAB_ALL_ANSWERS=1."""
    if os.environ.get("PQA_LAB_ALL_ANSWERS") == "1":
        return wrong
    picked, missing = {}, set().union(*(fails for _, fails in wrong.values()))
    while missing or len(picked) < 8:
        label = max(wrong.keys() - picked.keys(), key=lambda name: (len(missing & set(wrong[name][1])), name))
        picked[label] = wrong[label]
        missing -= set(wrong[label][1])
    return picked


def tampered(blank: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """No answer, but every test says yes, and is worth more."""
    page = copy.deepcopy(blank)
    for cell in page.cells:
        if kind(cell) == "test":
            cell.source = "assert True"
            cell.metadata.nbgrader["points"] = 100
    return page


@pytest.mark.notebook
def test_submissions_get_the_marks_they_deserve(graded):
    assert len(graded.labels) >= 3 + 6
    for student, label in graded.labels.items():
        assert graded.marks[student] == graded.deserved[student], label


def secrets(name: str) -> list[str]:
    """Lines of solutions, hidden tests and model answers that stand nowhere in what is public."""
    secret, public = [], set()
    for cell in nbgrader_notebook(SOURCES[name]).cells:
        if kind(cell) == "written":
            secret += cell.source.split("\n")
        else:
            public |= {line.strip() for line in SOLUTION.sub("", HIDDEN.sub("", cell.source)).split("\n")}
            hidden = [found[1] for found in SOLUTION.findall(cell.source)] + HIDDEN.findall(cell.source)
            secret += "\n".join(hidden).split("\n")
    secret = [line.strip() for line in secret if len(line.strip()) > 20 and line.strip() not in public]
    assert len(secret) > 20
    return secret


@pytest.mark.notebook
def test_the_release_validates_and_holds_no_solution(graded):
    nbformat.validate(graded.released)
    text = "\n".join(cell.source for cell in graded.released.cells)
    for word in ("BEGIN SOLUTION", "BEGIN HIDDEN", "Model answer", "Rubric"):
        assert word not in text
    assert [line for line in secrets(graded.name) if line in text] == []


@pytest.mark.notebook
@pytest.mark.parametrize("graded", [name for name in SOURCES if name == "a1_psychometrics"], indirect=True)
def test_feedback_and_grades_are_written_and_keep_the_hidden_tests(graded):
    course, name = graded.course, graded.name
    said = course.nbgrader("generate_feedback", name, "--student=blank")
    assert course.status == 0, said
    page = (course.folder / "feedback" / "blank" / name / f"{name}.html").read_text()
    text = html.unescape(re.sub("<[^>]+>", "", page))
    assert "NotImplementedError" in text
    assert "a tie is half a vote for each" in text  # a visible test
    assert [line for line in secrets(name) if line in text] == []
    said = course.nbgrader("export")
    assert course.status == 0, said
    with (course.folder / "grades.csv").open() as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows == {student: sum(marks.values()) for student, marks in graded.marks.items()}


@pytest.mark.parametrize("name", SOURCES)
def test_points_are_as_described(name):
    found = points(nbgrader_notebook(SOURCES[name]))
    assert found["test"] == answers(name)["POINTS"]
    assert found["written"], "an assignment asks for words, too"
    assert all(1 <= mark <= 3 for mark in found["test"].values()), "small test cells"


def test_every_assignment_has_its_answers_described():
    assert sorted(path.stem for path in ANSWERS.glob("*.py")) == sorted(SOURCES)
