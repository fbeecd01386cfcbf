"""Reading the tables of data sets (csv, xlsx and mat, whatever their case or separator), and writing files whole."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.scenes.rows import some


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A place to write that becomes ``path`` when all went well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        yield part
        if path.is_dir():
            path.rmdir()  # only an empty folder makes place
        os.replace(part, path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def check_folder(root: str | PathLike, what: str) -> Path:
    """The folder as a `Path`; `InputError` if it is not one."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: give the folder of {what}.")
    return root


def find_tables(root: Path, patterns: Sequence[str]) -> list[Path]:
    """The tables whose name matches the first pattern that any matches, without regard to case, anywhere below."""
    tables = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in (".csv", ".xlsx", ".xls", ".mat")]
    for pattern in patterns:
        found = [path for path in tables if fnmatch(path.name.lower(), pattern.lower())]
        if found:
            return sorted(found, key=lambda path: (len(path.parts), path.name))
    return []


def find_table(root: Path, patterns: Sequence[str], what: str) -> Path:
    """The uppermost of `find_tables`; `InputError` if there is none."""
    found = find_tables(root, patterns)
    if not found:
        raise InputError(f"{root} has no table '{patterns[0]}': is it the folder of {what}?")
    return found[0]


def read_table(path: Path, text: bool = False) -> pd.DataFrame:
    """A csv (comma, semicolon or tab) or the first sheet of a workbook.

    With ``text`` every cell stays the text that it is, an empty one the empty string.
    """
    cells = {"dtype": str, "keep_default_na": False} if text else {}
    try:
        if path.suffix.lower() in (".xlsx", ".xls"):
            frame = pd.read_excel(path, **cells)
        else:
            with open(path, encoding="utf-8-sig", errors="replace") as file:
                head = file.readline()
            separator = max(",;\t", key=head.count)
            frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig", **cells)
    except Exception as error:  # a damaged workbook raises nearly everything: BadZipFile, ParseError, KeyError, ...
        raise InputError(f"{path.name} cannot be read as a table: is it damaged or cut short?") from error
    frame.columns = [str(column).strip() for column in frame.columns]
    return frame


def read_mat(path: Path, variable: str) -> np.ndarray:
    """One variable of a MATLAB file, flattened: numbers or strings (cell arrays are unpacked)."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:  # as above: TypeError, struct.error, zlib.error, MatReadError, ...
        raise InputError(f"{path.name} cannot be read as a MATLAB file: is it damaged or cut short?") from error
    if variable not in content:
        have = some(name for name in content if not name.startswith("__"))
        raise InputError(f"{path.name} has no variable '{variable}' (it has {have}).")
    values = content[variable].ravel()
    if values.dtype == object:
        cells = [np.asarray(cell).ravel() for cell in values]
        if any(cell.size == 0 for cell in cells):
            raise InputError(f"{path.name} has an empty cell in '{variable}': complete it or leave its image out.")
        values = np.array([cell[0] for cell in cells])
    return values


def pick(frame: pd.DataFrame, wanted: Sequence[str]) -> str | None:
    """The column that has one of these names, without regard to case, blanks and underscores; None if there is none."""
    simple = {_simple(column): column for column in frame.columns}
    return next((simple[_simple(name)] for name in wanted if _simple(name) in simple), None)


def need(frame: pd.DataFrame, wanted: Sequence[str], path: Path) -> str:
    """As `pick`; `InputError` if there is none."""
    column = pick(frame, wanted)
    if column is None:
        raise InputError(f"{path.name} has no column '{wanted[0]}' (it has {some(frame.columns, 8)}).")
    return column


def _simple(name: str) -> str:
    return name.strip().lower().replace(" ", "").replace("_", "")
