"""Pre-training sources as "one domain, one scene": their photos cannot be compared with another source's, only within.

RQ-Net pre-trains on SPAQ, KonIQ-10k, LIVE in the Wild and RBID as four scenes (*stated*, and so in its public code);
PQE starts from LSVQ frames and GFIQA-20k faces (*stated*). Each preset says what a source's own distribution holds, as
public code reads it; ``jod`` is then the source's mean opinion score in its own units. Download them from their
authors: nothing of them is in this package.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd
from datasets import Dataset, Image

from pqa_lab.errors import InputError
from pqa_lab.scenes.rows import check_unique, find_images, match_images, photo, to_numbers, to_rows, undecoded
from pqa_lab.scenes.tables import check_folder, find_table, find_tables, need, pick, read_mat, read_table


@dataclass(frozen=True)
class Source:
    """Where a source keeps its scores.

    Attributes
    ----------
    scene : str
        The scene that all of its photos form.
    tables : tuple of str
        Patterns of the table's name; the first that matches is taken, all files that match it are read.
    image, score, std : tuple of str
        Names of the columns; in a MATLAB source ``(file, variable)``.
    name : str
        How the column becomes a file name.
    folders : tuple of str
        If the same names lie in several folders, this order of preference.
    skip : int
        Leading rows that are no data (training images of the study).
    frames : bool
        The scores are of videos, the images their extracted frames: ``VIDEO/000.png`` or ``VIDEO_000.png``.
    """

    scene: str
    tables: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    score: tuple[str, ...] = ("MOS",)
    std: tuple[str, ...] = ()
    name: str = "{}"
    folders: tuple[str, ...] = ()
    skip: int = 0
    frames: bool = False


SOURCES = {
    "spaq": Source("SPAQ", ("MOS and Image attribute scores.*", "MOS*Image*attribute*scores.*"), ("Image name",)),
    "koniq10k": Source(
        "KonIQ-10k",
        ("koniq10k_scores_and_distributions.csv", "koniq10k_*scores*.csv", "koniq10k_distributions_sets.csv"),
        image=("image_name",),
        std=("SD",),  # MOS and SD on the scale 1 to 5; the table has MOS_zscore too
        folders=("1024x768", "512x384"),
    ),
    "livew": Source(
        "LIVE in the Wild",
        image=("AllImages_release.mat", "AllImages_release"),
        score=("AllMOS_release.mat", "AllMOS_release"),
        std=("AllStdDev_release.mat", "AllStdDev_release"),
        skip=7,
    ),
    "rbid": Source(
        "RBID",
        ("DatabaseGrades.xls*",),
        image=("Image Number",),
        score=("Average Subjective Grade",),
        std=("std",),
        name="DatabaseImage{:04d}.JPG",
    ),
    "gfiqa20k": Source(
        "GFIQA-20k", ("mos_rating.csv", "mos.csv", "mos_*rating.csv"), ("img_name",), score=("mos",), folders=("image",)
    ),
    "lsvq": Source("LSVQ", ("LSVQ_whole_train.csv", "labels_train_test.csv"), ("name",), score=("mos",), frames=True),
}
_ALIASES = {"koniq": "koniq10k", "livec": "livew", "liveinthewild": "livew", "bid": "rbid", "gfiqa": "gfiqa20k"}


def load_source(name: str, root: str | PathLike, strict: bool = True) -> Dataset:
    """Load a pre-training source as rows of one scene.

    Parameters
    ----------
    name : str
        A key of `SOURCES`; case, blanks and hyphens do not matter, "bid" is "rbid".
    root : path
        Its folder as distributed; for LSVQ the frames that you extracted lie in a folder a video.
    strict : bool
        Whether rows without an image are an error; otherwise they are left out with a warning. Images without a row
        (training images, a second resolution) are normal here.

    Returns
    -------
    datasets.Dataset
        ``scene`` is the source, ``jod`` its mean opinion score, higher is better; further columns ``name`` and, for
        frames, ``video``. To pre-train on several: ``datasets.concatenate_datasets([...])``.

    Raises
    ------
    InputError
        Unknown source, wrong folder, missing table or column, duplicates, words among the scores, missing images.
    """
    key = name.lower().replace(" ", "").replace("-", "").replace("_", "")
    key = _ALIASES.get(key, key)
    if key not in SOURCES:
        raise InputError(f"There is no source '{name}': use {', '.join(SOURCES)}.")
    source = SOURCES[key]
    root = check_folder(root, source.scene)
    frame = _scores_of_mat(root, source) if source.image[0].endswith(".mat") else _scores_of_tables(root, source)
    frame = frame.iloc[source.skip :].reset_index(drop=True)
    if frame["jod"].isna().any():
        raise InputError(f"{int(frame['jod'].isna().sum())} rows of {source.scene} have no score: complete the table.")
    check_unique(frame, ["name"])
    if source.frames:
        frame, paths = _frames(frame, root)
    else:
        files = _prefer(find_images(root), source.folders)
        paths, found = match_images(frame["name"], files, root, strict, spare_is_bad=False)
        frame, paths = frame[found], [path for path in paths if path is not None]
    return to_rows(frame.assign(scene=source.scene), paths, strict)


def face_only(rows: Dataset, find_face: Callable[[np.ndarray], np.ndarray | Sequence[float] | None]) -> Dataset:
    """Everything outside the face set to 0, as RQ-Net makes PIQ23-Face (*stated*; the detector is unknown).

    Parameters
    ----------
    rows : datasets.Dataset
    find_face : callable
        Photo (H, W, 3) -> a mask (H, W), a box (x0, y0, x1, y1) in pixels, or None; for example
        `pqa_lab.views.detect_face`. A photo without a face is left as it is (*ours*).

    Returns
    -------
    datasets.Dataset
        The same rows; changed images are embedded as PNG, so that no new compression comes in.
    """

    def mask(row: dict) -> dict:
        pixels = photo(row["image"])
        face = find_face(pixels)
        if face is None:
            return {"image": row["image"]}
        keep = np.asarray(face)
        if keep.ndim != 2:
            x0, y0, x1, y1 = (max(0, round(float(v))) for v in face)
            keep = np.zeros(pixels.shape[:2], bool)
            keep[y0:y1, x0:x1] = True
        if keep.shape != pixels.shape[:2]:
            raise InputError(f"The mask is {keep.shape} but the photo {pixels.shape[:2]}: give one value a pixel.")
        return {"image": Image().encode_example(np.where(keep[..., None], pixels, 0).astype(np.uint8))}

    plain = undecoded(rows)
    return plain.map(mask, features=plain.features).cast_column("image", Image())


def _scores_of_tables(root: Path, source: Source) -> pd.DataFrame:
    find_table(root, source.tables, source.scene)  # complains if there is none
    parts = []
    for path in find_tables(root, source.tables):
        table = read_table(path)
        image = table[need(table, source.image, path)].dropna()
        table = table.loc[image.index]
        if source.name != "{}":
            image = to_numbers(table, image.name).astype(int)
        part = pd.DataFrame({"name": [source.name.format(value) for value in image]}, index=table.index)
        part["jod"] = to_numbers(table, need(table, source.score, path))
        std = pick(table, source.std)
        if std is not None:
            part["jod_std"] = to_numbers(table, std)
        parts.append(part)
    # The same table may lie there twice, and a table of all beside those of its parts.
    return pd.concat(parts, ignore_index=True).drop_duplicates(["name", "jod"])


def _scores_of_mat(root: Path, source: Source) -> pd.DataFrame:
    columns = {}
    for ours, (file, variable) in {"name": source.image, "jod": source.score, "jod_std": source.std}.items():
        columns[ours] = read_mat(find_table(root, [file], source.scene), variable)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"The tables of {source.scene} have different lengths ({lengths}): use those of one release.")
    frame = pd.DataFrame(columns)
    return frame.assign(jod=to_numbers(frame, "jod"), jod_std=to_numbers(frame, "jod_std"))


def _prefer(files: list[Path], folders: Sequence[str]) -> list[Path]:
    """One file a name: the one in the folder that comes first in the preference."""
    order = {folder.lower(): rank for rank, folder in enumerate(folders)}
    best: dict[str, Path] = {}
    for path in sorted(files, key=lambda p: min(order.get(part.lower(), len(order)) for part in p.parts)):
        best.setdefault(path.name, path)
    return list(best.values())


def _frames(frame: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[Path]]:
    """One row a frame, with the score of its video."""
    videos = [PureWindowsPath(str(name)).name.removesuffix(".mp4") for name in frame["name"]]
    frame = frame.assign(video=videos).set_index("video", drop=False)
    rows, paths = [], []
    for path in find_images(root):
        video = next((v for v in (path.parent.name, path.stem, path.stem.rpartition("_")[0]) if v in frame.index), None)
        if video is not None:
            rows.append(video)
            paths.append(path)
    if not rows:
        raise InputError(f"None of the {len(frame)} videos has a frame in {root}: extract them to VIDEO/000.png first.")
    chosen = frame.loc[rows].reset_index(drop=True)
    return chosen.assign(name=[str(path.relative_to(root)) for path in paths]), paths
