"""Submissions that run for ever, fill the disk or the memory, or change the libraries: stopped, with a word why."""

import pytest
from classroom.course import Course, answered

pytest.importorskip("nbgrader", reason="nbgrader is not installed: python -m pip install '.[classroom]'")
NAME = "a1_psychometrics"

# What stands where A1's answer `difference` should: there are tests before it, its own, and tests after it.
LOOP = "def difference(*anything):\n    while True:\n        pass"
STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
ONE_FILE = "with open('big', 'wb') as file:\n    for _ in range(1000):\n        file.write(bytes(10**6))"
MANY_FILES = "for k in range(1000):\n    with open(f'big_{k}', 'wb') as file:\n        file.write(bytes(10**6))"
ELSEWHERE = (
    "import subprocess, tempfile\n"
    "for _ in range(25):\n"
    "    target = f'of={tempfile.mkdtemp()}/big'\n"
    "    subprocess.run(['dd', 'if=/dev/zero', target, 'bs=1M', 'count=40', 'oflag=dsync'])\n"
)
PRINTING = "while True:\n    print('x' * 10**5)"
MEMORY = "hoard = [bytes(10**8) for _ in range(100)]"
CHILDREN = (
    "import subprocess, sys, time\n"
    "code = 'x = b\"1\" * 900_000_000; import time; time.sleep(60)'\n"
    "for _ in range(3):\n    subprocess.Popen([sys.executable, '-c', code])\n"
    "time.sleep(60)"
)
CRASH = "import os\nos.kill(os.getpid(), 9)"
PATCHED = (
    "import numpy, builtins\n"
    "numpy.allclose = numpy.array_equal = lambda *a, **k: True\n"
    "numpy.sum = lambda *a, **k: 3\n"
    "numpy.shape = lambda *a: (4, 4)\n"
    "builtins.abs = abs = len = sum = lambda *a: 0\n"
    "np = _np = None\n"
    "def count_votes(votes, images):\n    return [[0, 1, 1, 0]] * 4"
)


@pytest.mark.notebook
def test_no_submission_holds_up_the_class(tmp_path):
    course = Course(tmp_path)
    with (course.folder / "nbgrader_config.py").open("a") as config:
        config.write("c.LimitedExecute.cell_seconds = 8\n")
    released = course.release(NAME)
    cells = {"loop": LOOP, "stubborn": STUBBORN, "one_file": ONE_FILE, "many_files": MANY_FILES, "elsewhere": ELSEWHERE}
    cells |= {"printing": PRINTING, "memory": MEMORY, "children": CHILDREN, "crash": CRASH}
    for student, code in cells.items():
        course.hand_in(student, NAME, answered(released, NAME, {"difference": code}))
    course.hand_in("patched", NAME, answered(released, NAME, {"count_votes": PATCHED}))
    course.hand_in("zoe_the_last", NAME, answered(released, NAME))
    said = course.nbgrader("autograde", NAME)
    assert course.status == 0, said
    marks = course.marks(NAME)
    course.nbgrader("generate_feedback", NAME)
    words = {
        "stubborn": "could not be interrupted",
        "many_files": "It wrote more than 100 MB",
        "elsewhere": "It wrote more than 100 MB",
        "printing": "The grading of this submission stopped here",
        "children": "more than 2 GB of memory",
        "crash": "The Python process ended",
        "loop": "more than 8 seconds and was interrupted",
        "one_file": "File too large",
        "memory": "MemoryError",
    }
    full = sum(marks["zoe_the_last"].values())
    assert full == 24
    print()
    for student in [*cells, "patched", "zoe_the_last"]:
        print(f"  {student:14} {sum(marks[student].values()):3g} of {full:g}  {words.get(student, '')}")
    for student, sentence in words.items():
        page = (course.folder / "feedback" / student / NAME / f"{NAME}.html").read_text()
        assert sentence in page, student
        # What came before is graded, the cell itself and what needs it is not.
        assert marks[student]["covariance_test"] == 3
        assert marks[student]["difference_test"] == 0
        stopped = student not in ("loop", "one_file", "memory")
        assert marks[student]["verdict_test"] == (0 if stopped else 2), student
        assert ("The grading of this submission stopped here" in page) == stopped
        assert ("Not run:" in page) == stopped
    assert marks["patched"]["count_votes_test"] == marks["patched"]["count_ties_test"] == 0
    left = sum(path.stat().st_size for path in (course.folder / "autograded").rglob("*") if path.is_file())
    assert left < 20e6, "what was written stays"
