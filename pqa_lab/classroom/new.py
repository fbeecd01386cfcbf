"""`pqa-lab classroom new DIR`: a course folder that works with nbgrader at once."""

import shutil
import tempfile
from pathlib import Path

import nbformat

from pqa_lab.classroom.build import STUB, nbgrader_notebook, points, rubric, sources
from pqa_lab.classroom.otter import otter_notebook
from pqa_lab.errors import InputError
from pqa_lab.shipped import shipped

CONFIG = f'''\
"""How nbgrader releases and grades this course. All settings: nbgrader --help-all"""

from nbconvert.preprocessors import ClearMetadataPreprocessor, CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearHiddenTests,
    GetGrades,
    IgnorePattern,
    LimitOutput,
    SaveAutoGrades,
)

from pqa_lab.classroom.limits import LimitedExecute

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "pqa"
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
c.ClearSolutions.text_stub = "*Your answer here.*"

# nbgrader's own steps, but submissions run with limits.
c.Autograde.autograde_preprocessors = [
    LimitedExecute,
    IgnorePattern,
    ClearMetadataPreprocessor,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
c.LimitedExecute.cell_seconds = 30  # of the processor
c.LimitedExecute.total_seconds = 240
c.LimitedExecute.memory_gb = 2.0
c.LimitedExecute.written_mb = 100

# Feedback without the hidden tests, which the next class will meet again.
c.GenerateFeedback.preprocessors = [GetGrades, ClearHiddenTests, CSSHTMLHeaderPreprocessor]
'''

README = """\
# A course in portrait quality assessment

Made by `pqa-lab classroom new`. **Keep this folder from students**: `source/`, `otter/` and `RUBRIC.md` hold the
solutions. How to teach with it: [GUIDE.md](GUIDE.md). How to mark the written answers: [RUBRIC.md](RUBRIC.md).

{table}

For each assignment, in this folder (`{first}` stands for any of them):

```sh
# 1. From source/ to release/, without solutions and hidden tests. Hand out what is in release/.
nbgrader generate_assignment {first}
# 2. Put what comes back into submitted/STUDENT/{first}/{first}.ipynb. Points go into gradebook.db:
nbgrader autograde {first}
# 3. Mark the written answers with RUBRIC.md (Nbgrader > Formgrader in the menu):
jupyter lab
# 4. Pages for the students, feedback/STUDENT/{first}/{first}.html, and all marks in grades.csv:
nbgrader generate_feedback {first}
nbgrader export
```

A submission may take {limits};
`nbgrader_config.py` sets that. One that goes on for ever, or fills the disk, is stopped: its feedback says so in red,
and the cells that were not reached get no points.

**Hand back `feedback/`, never `autograded/`**: autograded notebooks contain the hidden tests.

With otter-grader (Gradescope), in an environment that has it: `otter assign otter/{first}.ipynb dist --no-pdfs`, then
hand out `dist/student/` and upload the zip of `dist/autograder/`, or run it here with `otter run`. The image that
grades must have pqa_lab installed.
"""


def new_course(folder: Path) -> list[str]:
    """Lay out a course folder: sources, nbgrader's configuration, otter masters, guide and rubric.

    Parameters
    ----------
    folder : Path
        New or empty.

    Returns
    -------
    list of str
        The names of the assignments.

    Raises
    ------
    InputError
        When the folder holds something already, or is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a new folder for the course.")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; name a new folder for the course.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".course-", dir=folder.parent))
    try:
        names = _fill(aside)
        aside.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return names


def _fill(folder: Path) -> list[str]:
    names, rows, rubrics = [], [], []
    for source in sources():
        name, page = source.stem, nbgrader_notebook(source)
        _write(page, folder / "source" / name / f"{name}.ipynb")
        _write(otter_notebook(page, name), folder / "otter" / f"{name}.ipynb")
        title = page.cells[0].source.split("\n")[0].lstrip("# ")
        given = {what: sum(part.values()) for what, part in points(page).items()}
        rows.append(f"| `{name}` | {title} | {given['test']:g} | {given['written']:g} |")
        rubrics.append(f"## {title}\n\n{rubric(page)}")
        names.append(name)
    table = "\n".join(["| assignment | | points by tests | by hand |", "|---|---|---|---|", *rows])
    limits = "30 seconds of the processor a cell, 240 in all, 2 GB of memory and 100 MB of what it writes"
    (folder / "README.md").write_text(README.format(table=table, first=names[0], limits=limits), encoding="utf-8")
    (folder / "RUBRIC.md").write_text("# Model answers and rubric\n\n" + "\n\n".join(rubrics) + "\n", encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    shutil.copy(shipped("notebooks") / "assignments" / "GUIDE.md", folder / "GUIDE.md")
    return names


def _write(page: nbformat.NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(page) + "\n", encoding="utf-8")
