"""The NTIRE 2024 challenge folder, in and out, as its public submission kit describes it.

*From the public kit* (DXOMARK-Research/PIQ2023, ``NTIRE24/Submission Kit``): ``images.csv`` with the columns IMAGE,
CLASS, CONDITION; images at ``images/CLASS/NAME.(jpg|tiff)``, 1280 x 960 or 960 x 1280; 7 devices a scene; CLASS is the
scene; conditions INDOOR, OUTDOOR, LOWLIGHT, NIGHT. The answer is ``results/result_LASTNAME_FIRSTNAME.csv``: images.csv
with one more column, SCORE, every other column kept, comma or semicolon between them.
*Ours*: IMAGE may be the path from the folder (as the kit's sample has it) or the bare name, with or without extension.
"""

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd
from datasets import Dataset

from pqa_lab.errors import InputError
from pqa_lab.scenes.rows import check_unique, report, some, to_numbers, to_rows
from pqa_lab.scenes.tables import check_folder, need, pick, read_table, written

EXTENSIONS = (".jpg", ".tiff", ".tif", ".jpeg", ".JPG", ".TIFF", ".TIF", ".JPEG")


def load_challenge(root: str | PathLike, images_per_scene: int | None = 7, strict: bool = True) -> Dataset:
    """Load the challenge's test images as rows, in the order of images.csv. Lesson 15.

    Parameters
    ----------
    root : path
        The folder of ``images.csv``.
    images_per_scene : int or None
        How many images every scene must have; None accepts any number above one.
    strict : bool
        Whether missing images and incomplete scenes are errors; otherwise they are left out with a warning.

    Returns
    -------
    datasets.Dataset
        Rows with ``split`` = "test", the further column ``name`` (IMAGE as written), and ``jod`` where images.csv has a
        column JOD.

    Raises
    ------
    InputError
        No images.csv, a missing column, duplicate rows, missing images, scenes of another size.
    """
    root, table = _images_csv(root)
    frame = pd.DataFrame({"name": table["IMAGE"], "scene": table["CLASS"], "condition": table["CONDITION"].str.lower()})
    frame["split"] = "test"
    jod = pick(table, ["JOD"])
    if jod is not None:
        frame["jod"] = to_numbers(table.replace({jod: {"": None}}), jod)
    paths = [_image_path(root, image, scene) for image, scene in zip(frame["name"], frame["scene"], strict=True)]
    found = np.array([path is not None for path in paths])
    missing = frame.loc[~found, "name"]
    report(missing, f"{len(missing)} of {len(frame)} rows of images.csv have no image ({some(missing)})", strict)
    listed = {path.resolve() for path in paths if path is not None}
    spare = [
        p.name for p in sorted((root / "images").rglob("*")) if p.suffix in EXTENSIONS and p.resolve() not in listed
    ]
    report(spare, f"{len(spare)} images have no row in images.csv ({some(spare)})", strict)
    sizes = frame[found].groupby("scene")["scene"].transform("size").reindex(frame.index)
    if images_per_scene is not None:
        odd = frame.loc[found & (sizes != images_per_scene), "scene"].unique()
        report(odd, f"{len(odd)} scenes do not have {images_per_scene} images ({some(odd)})", strict)
        found &= (sizes == images_per_scene).to_numpy()
    return to_rows(frame[found], [path for path, kept in zip(paths, found, strict=True) if kept], strict)


def write_submission(
    root: str | PathLike,
    scores: pd.DataFrame | Mapping[str, float] | Sequence[float],
    out: str | PathLike | None = None,
    last_name: str = "LAST_NAME",
    first_name: str = "FIRST_NAME",
) -> Path:
    """Write the table that the challenge asks for: images.csv with a column SCORE. Lesson 15.

    Parameters
    ----------
    root : path
        The folder of ``images.csv``.
    scores : table, mapping or sequence
        A table with columns ``name`` (or IMAGE) and ``score`` (or SCORE), a mapping from IMAGE to the score, or one
        score a row of images.csv in its order. Higher is better.
    out : path or None
        The file to write, or a folder for it; None is ``root/results``. In a folder the kit's name is used,
        ``result_LASTNAME_FIRSTNAME.csv``.
    last_name, first_name : str
        Of the participant.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        A row without score, a score without row, a score that is not a finite number.
    """
    root, table = _images_csv(root)
    table["SCORE"] = _align(table["IMAGE"], scores)
    out = Path(out) if out is not None else root / "results"
    if out.suffix.lower() != ".csv":
        out = out / submission_name(last_name, first_name)
    with written(out) as part:
        table.to_csv(part, index=False)
    return out


def submission_name(last_name: str, first_name: str, kind: str = "result") -> str:
    """The kit's naming: ``kind`` is "result" (.csv), "weights" (.pth) or "model" (.py)."""
    ending = {"result": "csv", "weights": "pth", "model": "py"}
    if kind not in ending:
        raise InputError(f"The kit names no '{kind}': use {', '.join(ending)}.")
    clean = [re.sub(r"[^\w-]+", "_", name.strip()) for name in (last_name, first_name)]
    if not all(clean):
        raise InputError("A submission needs a last name and a first name.")
    return f"{kind}_{clean[0]}_{clean[1]}.{ending[kind]}"


def _images_csv(root: str | PathLike) -> tuple[Path, pd.DataFrame]:
    """The folder and its table, every cell as the text that it is, so that nothing changes on the way out."""
    root = check_folder(root, "the challenge, which holds images.csv")
    path = root / "images.csv"
    if not path.is_file():
        raise InputError(f"{root} has no table 'images.csv': is it the folder of the challenge?")
    table = read_table(path, text=True)
    for name in ("IMAGE", "CLASS", "CONDITION"):
        table = table.rename(columns={need(table, [name], path): name})
    if table.empty:
        raise InputError("images.csv has no rows.")
    check_unique(table, ["CLASS", "IMAGE"])
    return root, table


def _image_path(root: Path, image: str, scene: str) -> Path | None:
    relative = Path(*PureWindowsPath(image).parts)
    places = [root / relative, root / "images" / scene / relative.name]
    candidates = [place.with_name(place.name + ending) for place in places for ending in ("", *EXTENSIONS)]
    return next((path for path in candidates if path.is_file()), None)


def _align(images: pd.Series, scores: pd.DataFrame | Mapping | Sequence[float]) -> list[float]:
    if isinstance(scores, pd.DataFrame):
        name, score = pick(scores, ["name", "IMAGE"]), pick(scores, ["score"])
        if name is None or score is None:
            raise InputError(f"The scores need the columns 'name' and 'score' (they have {some(scores.columns, 8)}).")
        check_unique(scores, [name])
        scores = dict(zip(scores[name].astype(str), scores[score], strict=True))
    if isinstance(scores, Mapping):
        without = [image for image in images if image not in scores]
        if without:
            raise InputError(f"{len(without)} of {len(images)} images have no score ({some(without)}).")
        strange = sorted(set(scores) - set(images))
        if strange:
            raise InputError(f"{len(strange)} scores belong to no row of images.csv ({some(strange)}).")
        scores = [scores[image] for image in images]
    if len(scores) != len(images):
        raise InputError(f"There are {len(scores)} scores for {len(images)} rows of images.csv: give one a row.")
    numbers = to_numbers(pd.DataFrame({"SCORE": list(scores)}), "SCORE")
    if numbers.isna().any():
        raise InputError(f"{int(numbers.isna().sum())} scores are missing: every image needs a number.")
    return numbers.tolist()
