"""The course folder, the command that makes it, and the two exports, without running a grader."""

import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from pqa_lab.classroom import student_seed
from pqa_lab.classroom.build import HIDDEN, faults, kind, nbgrader_notebook, points, sources
from pqa_lab.classroom.data import NAMES, contest, jods, odd_ones, photos, session
from pqa_lab.classroom.new import new_course
from pqa_lab.classroom.otter import otter_notebook
from pqa_lab.errors import InputError

pytest.importorskip("jupytext")
NAMED = [source.stem for source in sources()]


def pqa(*arguments):
    command = [sys.executable, "-m", "pqa_lab.cli", "classroom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_course_is_laid_out_and_nothing_of_the_teachers_is_overwritten(tmp_path):
    folder = tmp_path / "deep" / "course"
    answer = pqa("new", folder)
    assert answer.returncode == 0, answer.stderr
    assert {path.name for path in folder.iterdir()} == {
        *("source", "otter", "README.md", "GUIDE.md", "RUBRIC.md", "nbgrader_config.py"),
    }
    for name in NAMED:
        nbformat.validate(nbformat.read(folder / "source" / name / f"{name}.ipynb", as_version=4))
        assert name in (folder / "README.md").read_text()
    assert "Model answer" in (folder / "RUBRIC.md").read_text()
    (folder / "mine.txt").write_text("marks")
    again = pqa("new", folder)
    assert again.returncode == 2
    assert again.stderr.strip() == f"error: {folder} is not empty; name a new folder for the course."
    assert (folder / "mine.txt").read_text() == "marks"
    assert list(tmp_path.rglob(".course-*")) == []


def test_an_empty_folder_is_filled_and_a_file_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert new_course(tmp_path / "empty") == NAMED
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        new_course(tmp_path / "file")


def test_the_configuration_names_what_nbgrader_has(tmp_path):
    pytest.importorskip("nbgrader")
    from nbgrader.converters import Autograde
    from traitlets.config import Config

    new_course(tmp_path / "course")
    config = Config()
    runpy.run_path(str(tmp_path / "course" / "nbgrader_config.py"), {"get_config": lambda: config})
    steps = [step.__name__ for step in config.Autograde.autograde_preprocessors]
    usual = [step.__name__ for step in Autograde.autograde_preprocessors.default_args[0]]
    assert steps == ["LimitedExecute", *usual[1:]]


@pytest.mark.parametrize("name", NAMED)
def test_hidden_tests_do_not_ask_for_a_widget_the_network_or_the_students_name(name):
    page = nbgrader_notebook(next(source for source in sources() if source.stem == name))
    for cell in page.cells:
        if kind(cell) == "test":
            for word in ("widgets", "urllib", "requests", "STUDENT", "http"):
                assert word not in cell.source, cell.metadata.nbgrader.grade_id


def test_a_source_that_would_be_graded_wrongly_is_refused():
    def page(source, **meta):
        meta = {"grade_id": "x", "grade": True, "solution": False, "points": 1} | meta
        cell = nbformat.v4.new_code_cell(source, metadata={"nbgrader": meta})
        return nbformat.v4.new_notebook(cells=[cell])

    good = "assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(2) == 2\n### END HIDDEN TESTS"
    assert faults(page(good)) == []
    assert "asserts nothing" in faults(page("assert f(1) == 1"))[0]
    assert "end with a value" in faults(page(good + "\nf(3)"))[0]
    assert "BEGIN SOLUTION" in faults(page("x = 1", grade=False, solution=True))[0]
    assert "twice" in faults(page(good, grade_id=""))[0]


@pytest.mark.parametrize("name", NAMED)
def test_the_otter_master_has_every_point_and_every_hidden_test(name):
    page = nbgrader_notebook(next(source for source in sources() if source.stem == name))
    cells = otter_notebook(page, name).cells
    raw = [cell.source for cell in cells if cell.cell_type == "raw"]
    assert raw[0].startswith("# ASSIGNMENT CONFIG")
    # Every block that opens closes before the next of its kind opens.
    for block in ("QUESTION", "SOLUTION", "TESTS"):
        marks = [text.split("\n")[0] for text in raw if block in text.split("\n")[0]]
        assert marks == [f"# BEGIN {block}", f"# END {block}"] * (len(marks) // 2)
    given = sum(points(page)["test"].values()) + sum(points(page)["written"].values())
    questions = [text for text in raw if text.startswith("# BEGIN QUESTION")]
    assert sum(float(text.split("points: ")[1].split("\n")[0]) for text in questions) == given
    tests = [cell.source for cell in cells if "# BEGIN TEST CONFIG" in cell.source]
    hidden = [source for source in tests if "hidden: true" in source]
    assert sum(float(source.split("points: ")[1].split("\n")[0]) for source in tests) == sum(
        points(page)["test"].values()
    )
    assert len(hidden) == len(points(page)["test"])
    originals = [HIDDEN.search(cell.source).group(1).strip() for cell in page.cells if kind(cell) == "test"]
    assert all(any(secret in source for source in hidden) for secret in originals)
    assert not any(secret in source for source in tests if "hidden: false" in source for secret in originals)
    assert not any("### " in cell.source for cell in cells if cell.cell_type == "code")


def test_a_students_seed_is_the_students_own_and_forgives_typing():
    assert student_seed("Ada Lovelace", "a1") == student_seed("  ada  LOVELACE ", "a1")
    assert len({student_seed(name, a) for name in NAMES for a in ("", "a1", "a2")}) == 3 * len(NAMES)
    answer = pqa("seed", "Ada Lovelace", "a1")
    assert int(answer.stdout) == student_seed("Ada Lovelace", "a1")


@pytest.mark.parametrize("seed", range(5))
def test_in_a_session_the_odd_ones_are_who_the_key_says(seed):
    votes, images = session(seed), photos(10)
    reverser, guesser = odd_ones(seed)
    share = {}
    for name, own in votes.groupby("observer"):
        q = dict(zip(images, jods(votes[votes["observer"] != name], images), strict=True))
        own = own[own["preferred"] != "tie"]
        right = [
            (q[a] > q[b]) == (p == "first")
            for a, b, p in zip(own["first"], own["second"], own["preferred"], strict=True)
        ]
        share[name] = sum(right) / len(right)
    assert min(share, key=share.get) == reverser
    assert sorted(share, key=share.get)[1] == guesser
    assert session(seed).equals(votes)


def test_of_a_contest_west_is_the_worst():
    from pqa_lab.evaluation import per_scene

    for seed in range(3):
        medians = per_scene(contest(seed), ["method"], fit=False).groupby("method").challenge.median()
        assert medians.idxmin() == "west"
        assert abs(medians["north"] - medians["south"]) < 0.2


def test_the_guide_names_files_and_commands_that_exist():
    guide = (Path(sources()[0].parent) / "GUIDE.md").read_text(encoding="utf-8")
    assert all(f"A{k}" in guide for k in range(1, 6))
    from pqa_lab.widgets import annotate  # noqa: F401  named in the guide

    assert pqa("--help").returncode == 0
