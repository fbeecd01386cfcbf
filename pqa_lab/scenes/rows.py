"""Rows: the one table that every loader returns, a plain `datasets.Dataset`, and the checks that all of them share.

==========  =======================================================================================================
image       `datasets.Image`: a file or embedded bytes, decoded when it is read; null where only scores are known
scene       str: scores are comparable within it and only there
jod         float: quality in JOD (or the source's own scale), higher is better
jod_std     float: its standard deviation
condition   str, lower case: indoor, outdoor, lowlight, night
device      str: the camera
subject     str: the person
attribute   str: overall, details or exposure as the source writes it
split       str: train or test
==========  =======================================================================================================

What a source lacks is null; what it has beyond this follows in further columns (``name`` is the file's name).
"""

import warnings
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset, Features, Image, Value

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import PHOTO_SUFFIXES, load_photo

FEATURES = Features(
    {
        "image": Image(),
        "scene": Value("string"),
        "jod": Value("float64"),
        "jod_std": Value("float64"),
        "condition": Value("string"),
        "device": Value("string"),
        "subject": Value("string"),
        "attribute": Value("string"),
        "split": Value("string"),
    }
)
PARTS = ("train", "test")


def to_rows(frame: pd.DataFrame, images: Sequence | None = None, strict: bool = True) -> Dataset:
    """Check a table and turn it into rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row an image; ``scene`` is needed, the other columns of the schema are optional, further ones are kept.
    images : sequence of path or PIL.Image or bytes, or None
        One an image, in the order of ``frame``; None leaves the column null (score tables alone).
    strict : bool
        Whether a scene with a single image is an error; otherwise it is dropped with a warning.

    Returns
    -------
    datasets.Dataset

    Raises
    ------
    InputError
        No rows, no scene, a score that is not a number, duplicate rows (same scene and name), a scene of one image.
    """
    frame = frame.reset_index(drop=True)
    if "scene" not in frame.columns:
        raise InputError("The table has no column 'scene': say which photos may be compared.")
    if frame.empty:
        raise InputError("The table has no rows.")
    if frame["scene"].isna().any():
        raise InputError(f"{int(frame['scene'].isna().sum())} rows have no scene: fill the column or drop the rows.")
    for column in ("jod", "jod_std"):
        if column in frame.columns:
            frame[column] = to_numbers(frame, column)
    if "name" in frame.columns:
        check_unique(frame, ["scene", "name"])
    entries = [None] * len(frame) if images is None else [_entry(image) for image in images]
    keep = _lonely(frame, strict)
    frame, entries = frame[keep], [entry for entry, kept in zip(entries, keep, strict=True) if kept]

    columns: dict[str, Any] = {"image": entries}
    features = Features(FEATURES)
    for name in FEATURES:
        if name != "image":
            columns[name] = _plain(frame[name], FEATURES[name].dtype) if name in frame.columns else [None] * len(frame)
    for name in frame.columns.difference(list(FEATURES), sort=False):
        values = frame[name]
        kind = "string"
        if pd.api.types.is_numeric_dtype(values):
            kind = "int64" if pd.api.types.is_integer_dtype(values) else "float64"
        columns[name], features[name] = _plain(values, kind), Value(kind)
    return Dataset.from_dict(columns, features=features)


def photo(entry: Any, max_side: int | None = None) -> np.ndarray:
    """The photo of a row's ``image``, decoded or not, as (H, W, 3) uint8 RGB.

    Fastest on `undecoded` rows, where a large JPEG is decoded directly at about ``max_side`` pixels.
    """
    if entry is None:
        raise InputError("This row has scores but no image: load the images with the scores.")
    if isinstance(entry, dict):
        entry = entry["bytes"] if entry.get("bytes") is not None else entry["path"]
    return load_photo(entry, max_side=max_side)


def undecoded(rows: Dataset) -> Dataset:
    """The same rows with ``image`` as ``{"path", "bytes"}``: for `photo`, and for moving files without decoding."""
    return rows.cast_column("image", Image(decode=False))


def select_part(rows: Dataset, part: str | None) -> Dataset:
    """The rows whose ``split`` is ``part``, "train" or "test"; None keeps all."""
    if part is None:
        return rows
    if part not in PARTS:
        raise InputError(f"There is no part '{part}': use 'train' or 'test'.")
    chosen = [i for i, split in enumerate(rows["split"]) if split == part]
    if not chosen:
        raise InputError(f"No row belongs to the {part} part: the column 'split' must say train or test.")
    return rows.select(chosen)


def to_numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    """The column as floats; a missing value stays missing, a word is an error that says where."""
    values = frame[column]
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    bad = (numbers.isna() & values.notna()) | np.isinf(numbers)
    if bad.any():
        where = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"Column '{column}' must hold numbers, but {int(bad.sum())} of {len(frame)} rows do not: "
            f"the first is row {where + 1} with '{values.iloc[where]}'."
        )
    return numbers


def check_unique(frame: pd.DataFrame, columns: list[str]) -> None:
    """Raise `InputError` if two rows agree in all these columns."""
    twice = frame.duplicated(columns)
    if twice.any():
        names = frame.loc[twice, columns[-1]].unique()
        raise InputError(f"{int(twice.sum())} rows are duplicates ({some(names)}): keep one row an image.")


def find_images(folder: Path) -> list[Path]:
    """All image files under a folder, sorted; hidden files and folders are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def match_images(
    wanted: Sequence[str], files: Iterable[Path], where: object, strict: bool = True, spare_is_bad: bool = True
) -> tuple[list[Path | None], np.ndarray]:
    """Find the file of every row by its name: exactly, else without regard to case, else (no ending) by its stem.

    Parameters
    ----------
    wanted : sequence of str
        A file name a row.
    files : iterable of Path
        The images that there are.
    where : object
        Names the place in the messages.
    strict : bool
        Whether rows without an image and images without a row are errors; otherwise they are left out with a warning.
    spare_is_bad : bool
        Whether images without a row are worth a word at all.

    Returns
    -------
    paths : list of Path or None
        One a row.
    found : ndarray of bool
        Which rows have an image.
    """
    files = list(files)
    exact = {path.name: path for path in files}
    loose = {path.stem.lower(): path for path in files} | {path.name.lower(): path for path in files}
    paths = [exact.get(name) or loose.get(name.lower()) for name in wanted]
    found = np.array([path is not None for path in paths])
    missing = [name for name, path in zip(wanted, paths, strict=True) if path is None]
    used = {path for path in paths if path is not None}
    spare = [path.name for path in files if path not in used and spare_is_bad]
    report(missing, f"{len(missing)} of {len(wanted)} rows have no image in {where} ({some(missing)})", strict)
    report(
        spare if spare_is_bad else [],
        f"{len(spare)} of {len(files)} images in {where} have no row ({some(spare)})",
        strict,
    )
    if not found.any():
        raise InputError(f"None of the {len(wanted)} rows has an image in {where}: is it the right folder?")
    return paths, found


def report(problems: Sequence, sentence: str, strict: bool) -> None:
    """Raise the sentence, or with ``strict=False`` say that the odd ones are left out."""
    if len(problems) and strict:
        raise InputError(f"{sentence}: complete the data, or leave them out with strict=False.")
    if len(problems):
        warnings.warn(f"{sentence}: left out.", stacklevel=3)


def some(names: Iterable, most: int = 3) -> str:
    """A few names for a sentence: ``a, b, c and 4 more``."""
    names = [str(name) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _lonely(frame: pd.DataFrame, strict: bool) -> np.ndarray:
    sizes = frame.groupby("scene")["scene"].transform("size")
    alone = frame.loc[sizes == 1, "scene"].tolist()
    report(alone, f"{len(alone)} scenes have a single image, which cannot be ranked ({some(alone)})", strict)
    if len(alone) == len(frame):
        raise InputError("Every scene has a single image: there is nothing to compare.")
    return (sizes > 1).to_numpy()


def _entry(image: Any) -> Any:
    """What `datasets.Image` stores: paths stay paths, so that nothing is read yet."""
    if isinstance(image, (bytes, bytearray)):
        return {"bytes": bytes(image), "path": None}
    return str(image) if isinstance(image, (str, PathLike)) else image


def _plain(values: pd.Series, kind: str) -> list:
    """Python values with None for what is missing."""
    present = values.notna()
    plain = values.astype(object).mask(~present, None)
    plain[present] = values[present].astype({"string": str, "float64": float, "int64": int}[kind])
    return plain.tolist()
