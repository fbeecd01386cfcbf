"""PIQ23 for a person who has the data set: images, score tables and the two official splits.

From the public repository (DXOMARK-Research/PIQ2023): the download holds the folders ``Overall/ Details/ Exposure/``
with ``{number}_{scene}.{jpg,JPG,jpeg,tiff,tif}`` and the tables ``Scores_{attribute}.csv``; the repository holds the
same tables under ``Scores/``, ``Test split/{Scene,Device} Split.csv`` and ``Metadata/Image Metadata.csv`` (the device
of each image). All of them may lie anywhere under ``root``.

5,116 images of 50 scenes: the scene split has 3,630 in 35 training and 1,486 in 15 test scenes, the device split 3,604
and 1,512. Scene names are matched exactly: matching by substring (``Indoor_Scene_1`` in ``Indoor_Scene_12``), as one
public toolbox does, moves 193 training images to the test side.

The data are for research only and may not be passed on; `pqa_lab.scenes.standin` makes a stand-in in their format.
"""

from os import PathLike
from pathlib import Path, PureWindowsPath

import pandas as pd
from datasets import Dataset

from pqa_lab.errors import InputError
from pqa_lab.scenes.rows import PARTS, check_unique, find_images, match_images, select_part, some, to_numbers, to_rows
from pqa_lab.scenes.tables import check_folder, find_table, find_tables, need, pick, read_table

ATTRIBUTES = ("Overall", "Details", "Exposure")
SPLITS = ("scene", "device")

# Our column: (names in the table, whether it is needed, whether it holds numbers).
_COLUMNS = {
    "path": (["IMAGE PATH"], False, False),
    "name": (["IMAGE", "IMAGE NAME"], False, False),
    "scene": (["SCENE"], True, False),
    "jod": (["JOD"], True, True),
    "jod_std": (["JOD STD"], False, True),
    "ci_low": (["CI LOW"], False, True),
    "ci_high": (["CI HIGH"], False, True),
    "ci_range": (["CI RANGE"], False, True),
    "quality_level": (["QUALITY LEVEL"], False, True),
    "cluster": (["CLUSTER"], False, True),
    "comparisons": (["TOTAL COMPARISONS"], False, True),
    "condition": (["CONDITION"], False, False),
}


def load_piq23(
    root: str | PathLike,
    attribute: str = "Overall",
    split: str | None = "scene",
    part: str | None = None,
    images: bool | str | PathLike = True,
    strict: bool = True,
) -> Dataset:
    """Load PIQ23 as rows.

    Parameters
    ----------
    root : path
        The folder that holds the attribute folders and the tables.
    attribute : "Overall", "Details" or "Exposure"
    split : "scene", "device" or None
        Which official split fills the column ``split``.
    part : "train", "test" or None
        Keep one side of the split.
    images : bool or path
        The folder of the attribute folders, if they do not lie in ``root``; False loads the scores alone.
    strict : bool
        Whether rows without image, images without row and scenes of one image are errors; otherwise they are left out
        with a warning.

    Returns
    -------
    datasets.Dataset
        Rows with the further columns ``name, ci_low, ci_high, ci_range, quality_level, cluster`` (-1: unassigned),
        ``comparisons`` (0 occurs). Devices are null where the metadata table is missing.

    Raises
    ------
    InputError
        Wrong folder, missing table or column, unknown attribute or split, duplicates, words among the scores.
    """
    _check_part(part, split)
    scores = load_piq23_scores(root, attribute, split)
    paths = None
    if images is not False:
        home = check_folder(root if images is True else images, "PIQ23's images")
        paths, found = match_images(scores["name"], _attribute_images(home, scores["attribute"].iloc[0]), home, strict)
        scores, paths = scores[found], [path for path in paths if path is not None]
    return select_part(to_rows(scores, paths, strict), part)


def load_piq23_scores(
    root: str | PathLike, attribute: str = "Overall", split: str | None = "scene", part: str | None = None
) -> pd.DataFrame:
    """The score table alone, one row an image, for lessons on scales; parameters and columns as in `load_piq23`.

    Parameters
    ----------
    root, attribute, split, part
        As in `load_piq23`.

    Returns
    -------
    DataFrame
        ``jod`` and ``jod_std`` in JOD, and the columns of the published tables.
    """
    root = check_folder(root, "PIQ23")
    known = {name.lower(): name for name in ATTRIBUTES}
    if str(attribute).lower() not in known:
        raise InputError(f"PIQ23 has no attribute '{attribute}': use {', '.join(ATTRIBUTES)}.")
    attribute = known[str(attribute).lower()]
    _check_part(part, split)
    path = find_table(root, [f"Scores_{attribute}.csv", f"{attribute}.csv"], "PIQ23")
    scores = _score_columns(read_table(path), path)
    scores["attribute"] = attribute
    check_unique(scores, ["name"])
    scores["device"] = _devices(root, scores)
    scores["split"] = _split(root, split, scores)
    return scores if part is None else scores[scores["split"] == part].reset_index(drop=True)


def _score_columns(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    scores = pd.DataFrame(index=table.index)
    for ours, (names, needed, numeric) in _COLUMNS.items():
        column = need(table, names, path) if needed else pick(table, names)
        if column is not None:
            scores[ours] = to_numbers(table, column) if numeric else table[column]
    if "path" not in scores and "name" not in scores:
        raise InputError(f"{path.name} has no column 'IMAGE PATH' (it has {some(table.columns, 8)}).")
    if scores.empty:
        raise InputError(f"{path.name} has no rows.")
    for column in ("jod", "scene"):
        if scores[column].isna().any():
            raise InputError(f"{int(scores[column].isna().sum())} rows of {path.name} have no {column}: complete them.")
    # "Overall\29_Indoor_Scene_0.jpg": a Windows path on every system; it also reads forward slashes.
    source = scores.pop("path") if "path" in scores else scores["name"]
    scores["name"] = [PureWindowsPath(str(value)).name for value in source]
    scores["scene"] = scores["scene"].astype(str).str.strip()
    if "condition" in scores:
        scores["condition"] = scores["condition"].str.lower()
    for column in ("quality_level", "cluster", "comparisons"):
        if column in scores:
            scores[column] = scores[column].round().astype("Int64")
    return scores


def _devices(root: Path, scores: pd.DataFrame) -> pd.Series | None:
    found = find_tables(root, ["Image Metadata.csv", "*Metadata*.csv"])
    if not found:
        return None
    table = read_table(found[0])
    names, devices = need(table, ["Image", "IMAGE NAME"], found[0]), need(table, ["Device"], found[0])
    return scores["name"].map(_stem).map(dict(zip(table[names].map(_stem), table[devices], strict=True)))


def _split(root: Path, split: str | None, scores: pd.DataFrame) -> pd.Series | None:
    if split is None:
        return None
    if split not in SPLITS:
        raise InputError(f"PIQ23 has no split '{split}': use {' or '.join(SPLITS)}, or None.")
    patterns = [f"{split} Split.csv", f"{split}_Split.csv", f"{split}Split.csv"]
    if not find_tables(root, patterns):
        raise InputError(
            f"{root} has no table '{split.title()} Split.csv': take the folder 'Test split' from PIQ23's public "
            "repository, or use split=None."
        )
    path = find_table(root, patterns, "PIQ23")
    table = read_table(path)
    key, side = (
        need(table, ["SCENE"] if split == "scene" else ["IMAGE", "IMAGE NAME"], path),
        need(table, ["SPLIT"], path),
    )
    sides = table[side].astype(str).str.strip().str.lower()
    if not sides.isin(PARTS).all():
        raise InputError(f"{path.name} must say Train or Test, not '{sides[~sides.isin(PARTS)].iloc[0]}'.")
    # Exact names: no substring, no prefix.
    if split == "scene":
        result = scores["scene"].map(dict(zip(table[key].astype(str).str.strip(), sides, strict=True)))
        without = scores.loc[result.isna(), "scene"].unique()
    else:
        result = scores["name"].map(_stem).map(dict(zip(table[key].map(_stem), sides, strict=True)))
        without = scores.loc[result.isna(), "name"]
    if len(without):
        kind = "scenes" if split == "scene" else "images"
        raise InputError(
            f"{path.name} does not say where {len(without)} {kind} of the score table belong ({some(without)}): "
            "use the split table of the same release."
        )
    return result


def _attribute_images(home: Path, attribute: str) -> list[Path]:
    places = [path for pattern in ("*", "*/*") for path in sorted(home.glob(pattern))]
    folders = [path for path in places if path.name.lower() == attribute.lower() and path.is_dir()]
    files = [file for folder in folders[:1] for file in find_images(folder)]
    if not files:
        raise InputError(
            f"{home} has no folder '{attribute}' with images: give the folder of PIQ23, or load the scores alone with "
            "images=False."
        )
    return files


def _stem(value: object) -> str:
    """``29_Indoor_Scene_0``: one table serves three attributes, whose files may differ in their ending."""
    return PureWindowsPath(str(value).strip()).stem


def _check_part(part: str | None, split: str | None) -> None:
    if part not in (None, *PARTS):
        raise InputError(f"There is no part '{part}': use 'train' or 'test'.")
    if part is not None and split is None:
        raise InputError(f"The {part} part of which split? Use split='scene' or split='device'.")
