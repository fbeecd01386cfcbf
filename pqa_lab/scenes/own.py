"""Own photos: a folder of scene folders, with a table of scores or of votes."""

from os import PathLike
from pathlib import Path, PureWindowsPath

import pandas as pd
from datasets import Dataset

from pqa_lab.errors import InputError
from pqa_lab.scaling import read_votes, scale
from pqa_lab.scenes.rows import find_images, match_images, report, some, to_numbers, to_rows
from pqa_lab.scenes.tables import check_folder, pick, read_table

Table = str | PathLike | pd.DataFrame


def load_folder(
    root: str | PathLike,
    scores: Table | None = None,
    votes: Table | None = None,
    strict: bool = True,
    prior: str | float = "eb",
) -> Dataset:
    """Load a folder of scene folders; photos that lie in ``root`` itself are one scene. Lesson 15.

    Parameters
    ----------
    root : path
        ``root/SCENE/photo.jpg``.
    scores : path, DataFrame or None
        Columns ``image`` (or ``name``, ``file_name``; "SCENE/photo.jpg" or the file's name) and ``jod`` (or ``score``,
        ``mos``); optional ``scene, jod_std, condition, device, subject, attribute, split``. None takes
        ``root/scores.csv`` if it is there.
    votes : path, DataFrame or None
        Columns ``first, second, preferred`` ("first" | "second" | "tie"), ``scene`` where there are several, optional
        ``observer``. They are scaled to JOD per scene by `pqa_lab.scaling.scale`. None takes ``root/votes.csv``.
    strict : bool
        Whether images without score, scores without image and scenes of one image are errors; otherwise they are left
        out with a warning.
    prior : str or float
        Of the scaling.

    Returns
    -------
    datasets.Dataset
        Rows with the further column ``name``; ``jod`` is null without scores and votes.

    Raises
    ------
    InputError
        No photos, photos beside scene folders, both tables at once, or what `to_rows` and the scaling complain about.
    """
    root = check_folder(root, "your photos")
    files = _scene_files(root, strict)
    if scores is None and votes is None:
        scores = root / "scores.csv" if (root / "scores.csv").is_file() else None
        votes = root / "votes.csv" if (root / "votes.csv").is_file() else None
    if scores is not None and votes is not None:
        raise InputError("There are scores and votes: give one of them.")
    if scores is None and votes is None:
        return to_rows(files.drop(columns="path"), files["path"], strict)
    table = _scores(scores) if votes is None else _scaled(votes, files["scene"].unique(), prior)
    table = _with_scene(table, files)
    empty = table["jod"].isna()
    without = table.loc[empty, "name"].tolist()
    report(without, f"{len(without)} of {len(table)} rows have no score ({some(without)})", strict)
    if empty.all():
        raise InputError("No row of the table has a score: is it the right table?")
    table, ignored = table[~empty], table[empty]

    parts, paths = [], []
    for scene, mine in table.groupby("scene", sort=False):
        unscored = set(ignored.loc[ignored["scene"] == scene, "name"])
        here = [path for path in files.loc[files["scene"] == scene, "path"] if path.name not in unscored]
        found, kept = match_images(mine["name"], here, root / scene, strict)
        parts.append(mine[kept])
        paths += [path for path in found if path is not None]
    absent = sorted(set(files["scene"]) - set(table["scene"]))
    report(absent, f"{len(absent)} scenes in {root} have no score ({some(absent)})", strict)
    return to_rows(pd.concat(parts), paths, strict)


def _scene_files(root: Path, strict: bool) -> pd.DataFrame:
    paths = find_images(root)
    if not paths:
        raise InputError(f"{root} has no photos: give a folder of scene folders.")
    beside = [path for path in paths if path.parent == root]
    if beside and len(beside) < len(paths):
        report(beside, f"{len(beside)} photos lie beside the scene folders ({some(p.name for p in beside)})", strict)
        paths = [path for path in paths if path.parent != root]
    scenes = [path.parent.relative_to(root).as_posix() if path.parent != root else root.name for path in paths]
    return pd.DataFrame({"scene": scenes, "name": [path.name for path in paths], "path": paths})


def _scores(scores: Table) -> pd.DataFrame:
    table, title = (scores, "The table") if isinstance(scores, pd.DataFrame) else _file(scores)
    table = table.copy()
    found = {}
    for ours, names in {"name": ["image", "name", "file_name", "image path"], "jod": ["jod", "score", "mos"]}.items():
        column = pick(table, names)
        if column is None:
            raise InputError(f"{title} has no column '{names[0]}' (it has {some(table.columns, 8)}).")
        found[column] = ours
    for ours in ("scene", "jod_std", "condition", "device", "subject", "attribute", "split"):
        column = pick(table, [ours])
        if column is not None:
            found[column] = ours
    table = table.rename(columns=found)[list(found.values())]
    table["jod"] = to_numbers(table, "jod")
    for column in ("scene", "split"):
        if column in table:
            table[column] = table[column].astype("string").str.strip()
    if "split" in table:
        table["split"] = table["split"].str.lower()
    return table


def _scaled(votes: Table, scenes: list[str], prior: str | float) -> pd.DataFrame:
    if not isinstance(votes, pd.DataFrame):
        votes = read_votes(votes)
    votes = votes.copy()
    if "scene" not in votes.columns:
        if len(scenes) > 1:
            raise InputError(
                "The votes have no column 'scene', but the folder has several scenes: say which they are of."
            )
        votes["scene"] = scenes[0]
    votes["scene"] = votes["scene"].astype(str)
    table = scale(votes, prior=prior).table
    return table.rename(columns={"image": "name", "se": "jod_std"})[["scene", "name", "jod", "jod_std", "comparisons"]]


def _with_scene(table: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    """Names without folder, and a scene in every row."""
    paths = [PureWindowsPath(str(name)) for name in table["name"]]
    table = table.assign(name=[path.name for path in paths])
    if "scene" not in table.columns:
        homes = {}
        for name, scene in zip(files["name"], files["scene"], strict=True):
            homes.setdefault(name, set()).add(scene)
            homes.setdefault(Path(name).stem, set()).add(scene)
        found = [{path.parent.as_posix()} if len(path.parts) > 1 else homes.get(path.name, set()) for path in paths]
        lost = [path.name for path, scenes in zip(paths, found, strict=True) if not scenes]
        if lost:
            raise InputError(f"{len(lost)} of {len(paths)} rows have no image in the folder ({some(lost)}).")
        unclear = [path.name for path, scenes in zip(paths, found, strict=True) if len(scenes) > 1]
        if unclear:
            raise InputError(f"{len(unclear)} names are in several scenes ({some(unclear)}): add a column 'scene'.")
        table = table.assign(scene=[next(iter(scenes)) for scenes in found])
    if table["scene"].isna().any():
        raise InputError(f"{int(table['scene'].isna().sum())} rows of the table have no scene: complete the column.")
    unknown = sorted(set(table["scene"]) - set(files["scene"]))
    if unknown:
        raise InputError(f"{len(unknown)} scenes of the table have no folder ({some(unknown)}).")
    return table


def _file(path: str | PathLike) -> tuple[pd.DataFrame, str]:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: give the table of scores.")
    # As text, so that the scene "007" stays what it is; an empty cell is a missing value.
    return read_table(path, text=True).replace("", None), path.name
