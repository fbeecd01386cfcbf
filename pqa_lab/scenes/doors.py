"""The one door that the commands use: a word or a path in, rows out."""

import re
from pathlib import Path
from typing import Any

from datasets import Dataset

from pqa_lab.errors import InputError
from pqa_lab.scenes.rows import select_part

KINDS = (
    "simulated, simulated:50x100, piq23:PATH, challenge:PATH, folder:PATH, hf:OWNER/NAME, SOURCE:PATH, a .parquet "
    "or a folder"
)


def load_rows(spec: str, part: str | None = None, **options: Any) -> Dataset:
    """Load rows from a short description.

    Parameters
    ----------
    spec : str
        ``simulated``, ``simulated:SCENESxIMAGES``, ``piq23:PATH``, ``challenge:PATH``, ``folder:PATH``, a pre-training
        source as ``koniq10k:PATH``, ``hf:owner/name``; or a path: a .parquet file, a saved data set, an image folder,
        or a folder that is recognised by what lies in it.
    part : "train", "test" or None
        Keep one side of the split.
    **options
        Of the loader: ``attribute="Details"``, ``split="device"``, ``votes=...``, ...

    Returns
    -------
    datasets.Dataset
        Rows (`pqa_lab.scenes.rows`): ``image, scene, jod, jod_std, condition, device, subject, attribute, split``, null
        where the source lacks them.

    Raises
    ------
    InputError
        The description is not understood, the path is not there, or the loader complains.
    """
    kind, colon, place = str(spec).partition(":")
    kind = kind.strip().lower()
    if len(kind) == 1 or not colon:  # a path; "C:\photos" is one too
        kind, place = ("simulated", "") if kind == "simulated" else (_recognise(spec), spec)
    elif kind != "simulated" and not place.strip():
        raise InputError(f"'{spec}' lacks the path: write {kind}:PATH.")
    return select_part(_load(kind, place.strip(), part, options, spec), part)


def _load(kind: str, place: str, part: str | None, options: dict, spec: str) -> Dataset:
    if kind == "simulated":
        from pqa_lab.scenes.simulated import load_simulated

        return load_simulated(**_size(place, spec), part=part, **options)
    if kind == "piq23":
        from pqa_lab.scenes.piq23 import load_piq23

        return load_piq23(place, part=part, **options)
    if kind == "challenge":
        from pqa_lab.scenes.challenge import load_challenge

        return load_challenge(place, **options)
    if kind == "folder":
        from pqa_lab.scenes.own import load_folder

        return load_folder(place, **options)
    if kind == "hf":
        from pqa_lab.scenes.hub import load_hf

        return load_hf(place, **options)
    from pqa_lab.scenes.sources import SOURCES, load_source

    if kind not in SOURCES:
        raise InputError(f"'{spec}' is not understood: use {KINDS}.")
    return load_source(kind, place, **options)


def _size(place: str, spec: str) -> dict[str, int]:
    if not place:
        return {}
    match = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", place.lower())
    if match is None or min(map(int, match.groups())) < 1:
        raise InputError(f"'{spec}' is not understood: write simulated:SCENESxIMAGES, for example simulated:50x100.")
    return {"scenes": int(match[1]), "images": int(match[2])}


def _recognise(spec: str) -> str:
    path = Path(spec).expanduser()
    if path.suffix == ".parquet" and path.is_file():
        return "hf"
    if not path.is_dir():
        raise InputError(f"'{spec}' is neither a folder nor a .parquet file that is there: use {KINDS}.")
    signs = {
        "challenge": ("images.csv",),
        "hf": ("dataset_info.json", "dataset_dict.json", "metadata.csv", "metadata.jsonl", "*.parquet"),
        "piq23": ("Scores_*.csv", "Scores/Scores_*.csv"),
    }
    for kind, patterns in signs.items():
        if any(True for pattern in patterns for _ in path.glob(pattern)):
            return kind
    return "folder"
