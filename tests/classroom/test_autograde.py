"""Every assignment graded by the real nbgrader: right, blank, wrong and tampered submissions get what they deserve."""

import copy
import time

import nbformat
import pytest
from classroom.course import ANSWERS, Course, answered, answers

from pqa_lab.classroom.build import HIDDEN, SOLUTION, kind, nbgrader_notebook, points, sources

pytest.importorskip("nbgrader", reason="nbgrader is not installed: python -m pip install '.[classroom]'")
NAMES = [source.stem for source in sources()]


def tampered(blank: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """No answer, but every test says yes, and is worth more."""
    page = copy.deepcopy(blank)
    for cell in page.cells:
        if kind(cell) == "test":
            cell.source = "assert True"
            cell.metadata.nbgrader["points"] = 100
    return page


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_submissions_get_the_marks_they_deserve(name, tmp_path):
    given = answers(name)
    full = given["POINTS"]
    assert len(given["WRONG"]) >= 6
    course = Course(tmp_path)
    blank = course.release(name)
    handed_in = {"reference": answered(blank, name), "blank": blank, "tampered": tampered(blank)}
    deserved = {"reference": full, "blank": dict.fromkeys(full, 0), "tampered": dict.fromkeys(full, 0)}
    for number, (code, fails) in enumerate(given["WRONG"].values()):
        assert set(fails) <= set(full), set(fails) - set(full)
        handed_in[f"wrong_{number}"] = answered(blank, name, code)
        deserved[f"wrong_{number}"] = {test: 0 if test in fails else mark for test, mark in full.items()}
    for student, page in handed_in.items():
        course.hand_in(student, name, page)
    start = time.monotonic()
    said = course.nbgrader("autograde", name)
    seconds = time.monotonic() - start
    assert course.status == 0, said
    marks = course.marks(name)
    labels = {f"wrong_{number}": label for number, label in enumerate(given["WRONG"])}
    total = sum(full.values())
    print(f"\n{name}: {len(handed_in)} submissions autograded in {seconds:.0f} s")
    for student in handed_in:
        print(f"  {labels.get(student, student):55} {sum(marks[student].values()):5g} of {total:g}")
    for student in handed_in:
        assert marks[student] == deserved[student], labels.get(student, student)


@pytest.mark.parametrize("name", NAMES)
def test_points_are_as_described(name):
    page = nbgrader_notebook(next(source for source in sources() if source.stem == name))
    assert points(page)["test"] == answers(name)["POINTS"]
    assert points(page)["written"], "an assignment asks for words, too"
    assert all(1 <= mark <= 3 for mark in points(page)["test"].values()), "small test cells"


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_the_release_validates_and_holds_no_solution(name, tmp_path):
    course = Course(tmp_path)
    released = course.release(name)
    nbformat.validate(released)
    text = "\n".join(cell.source for cell in released.cells)
    assert "BEGIN SOLUTION" not in text
    assert "BEGIN HIDDEN" not in text
    page = nbgrader_notebook(next(source for source in sources() if source.stem == name))
    secret = []
    for cell in page.cells:
        if kind(cell) == "written":
            secret += cell.source.split("\n")
        secret += [line for found in SOLUTION.findall(cell.source) for line in found[1].split("\n")]
        secret += [line for found in HIDDEN.findall(cell.source) for line in found.split("\n")]
    public = {
        line.strip()
        for cell in page.cells
        if kind(cell) in ("text", "test")
        for line in HIDDEN.sub("", cell.source).split("\n")
    }
    secret = [line.strip() for line in secret if len(line.strip()) > 20 and line.strip() not in public]
    assert len(secret) > 20
    leaked = [line for line in secret if line in text]
    assert not leaked
    assert "Model answer" not in text


def test_every_assignment_has_its_answers_described():
    assert sorted(path.stem for path in ANSWERS.glob("*.py")) == sorted(NAMES)
