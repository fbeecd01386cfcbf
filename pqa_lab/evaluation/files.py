"""Saved evaluations: one parquet file that holds everything needed to draw its figures again."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.evaluation.protocol import check_frame

COLUMNS = ["method", "seed", "scene", "image", "score", "jod"]
_PACKAGES = ("pqa-lab", "torch", "timm", "transformers", "numpy", "scipy", "pandas")
_KEY = "pqa_lab_evaluation"


def save_evaluation(
    frame: pd.DataFrame, path: str | os.PathLike[str], method: str | None = None, seed: int | None = None, **about: Any
) -> Path:
    """Write the scores of every image with what produced them.

    Parameters
    ----------
    frame : DataFrame
        ``scene, image, score, jod`` and, unless given here, ``method`` and ``seed`` (null if nobody says it); other
        columns (``jod_std, condition, device``, ...) are kept.
    path : path
        Ends in ``.parquet``; replaced only when the new file is complete.
    method, seed
        The same for all rows.
    **about
        What else to remember (data set, split, checkpoint, notes): strings, numbers, lists and dicts.

    Returns
    -------
    Path
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise InputError(f"An evaluation is saved as .parquet, not as {path.name!r}.")
    given = {name: value for name, value in (("method", method), ("seed", seed)) if value is not None}
    if "seed" not in frame.columns and seed is None:
        given["seed"] = pd.array([pd.NA] * len(frame), dtype="Int64")  # a checkpoint from elsewhere
    frame = frame.assign(**given)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"The table lacks {', '.join(missing)}; a saved evaluation needs {', '.join(COLUMNS)}.")
    check_frame(frame.assign(seed=frame["seed"].fillna(-1)), by=["method", "seed"])
    frame = frame[COLUMNS + [name for name in frame.columns if name not in COLUMNS]].reset_index(drop=True)
    frame.attrs = {_KEY: {"created": datetime.now(UTC).isoformat(timespec="seconds"), "command": sys.argv} | about}
    frame.attrs[_KEY]["versions"] = _versions()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        frame.to_parquet(partial, index=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load_evaluation(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what `save_evaluation` wrote; ``frame.attrs`` holds ``created, command, versions`` and what was added."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no saved evaluation at {path}.")
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise InputError(
            f"{path.name} is not a readable parquet file ({type(error).__name__}); save it again."
        ) from error
    if _KEY not in frame.attrs or not set(COLUMNS) <= set(frame.columns):
        raise InputError(f"{path.name} is a table, but not one that save_evaluation wrote.")
    frame.attrs = frame.attrs[_KEY]
    return frame


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
