"""A reader's own copy of the lessons."""

import shutil
from pathlib import Path

from pqa_lab.errors import InputError
from pqa_lab.shipped import shipped


def copy_lessons(folder: Path) -> Path:
    """Copy the lessons to ``folder`` and return the first; a file that is there already is the reader's and stays."""
    lessons = sorted(shipped("notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not lessons:
        raise InputError("The lessons are missing from this installation; reinstall pqa-lab.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the lessons.")
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in lessons:
        if not (folder / lesson.name).exists():
            shutil.copy(lesson, folder / lesson.name)
    return folder / lessons[0].name
