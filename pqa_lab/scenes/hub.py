"""Hugging Face data sets in and out: parquet with the images inside, image folders, the Hub, streams.

Rows of files are read when they are looked at and parquet is memory-mapped, so both may be larger than the memory;
`stream` is for what should not even be copied to the disk.
"""

import json
from glob import escape
from os import PathLike
from pathlib import Path, PurePosixPath

import datasets
import pandas as pd
import pyarrow.parquet as pq
from datasets import Dataset, Features, Image, IterableDataset, Value
from datasets.table import embed_table_storage

from pqa_lab.errors import InputError
from pqa_lab.scenes.rows import FEATURES, report, some, undecoded
from pqa_lab.scenes.tables import written


def load_hf(source: str | PathLike, split: str = "train", cache_dir: str | None = None, strict: bool = True) -> Dataset:
    """Load rows from a parquet file, an ``imagefolder``, a folder of ``save_to_disk``, or a data set of the Hub.

    Lesson 15.

    Parameters
    ----------
    source : path or str
        A path, or a name on the Hub ("owner/name").
    split : str
        The split of a data set on the Hub or of a saved ``DatasetDict``; other local data are one split.
    cache_dir : str or None
        Where ``datasets`` keeps its memory-mapped copy.
    strict : bool
        As in `to_rows`.

    Returns
    -------
    datasets.Dataset
        Rows (`pqa_lab.scenes.rows`): ``image, scene, jod, jod_std, condition, device, subject, attribute, split``, null
        where the source lacks them.
    """
    path = Path(source).expanduser()
    try:
        if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(str(path))
            loaded = loaded[split] if isinstance(loaded, datasets.DatasetDict) else loaded
        else:
            kind, options = _hub_options(source)
            loaded = datasets.load_dataset(kind, **options, split=split, cache_dir=cache_dir)
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"{source} cannot be loaded as a data set: is it there, complete, and reachable?") from error
    rows = conform(loaded)
    lonely = pd.Series(rows["scene"][:]).value_counts()
    alone = lonely.index[lonely == 1]
    report(alone, f"{len(alone)} scenes have a single image, which cannot be ranked ({some(alone)})", strict)
    return rows if not len(alone) else rows.select([i for i, s in enumerate(rows["scene"]) if s not in set(alone)])


def stream(source: str | PathLike | Dataset, split: str = "train", shuffle: int = 0, seed: int = 0) -> IterableDataset:
    """Rows one after the other, nothing copied: for what fits neither in memory nor on the disk.

    Parameters
    ----------
    source : path, str or Dataset
        Parquet files (a file, a folder, a pattern with ``*``), an ``imagefolder``, a name on the Hub, or rows.
    split : str
        Of a data set on the Hub; local data are one split.
    shuffle : int
        Size of the buffer in which rows are shuffled; 0 keeps their order.
    seed : int
        Of the shuffle.

    Returns
    -------
    datasets.IterableDataset
    """
    if isinstance(source, Dataset):
        rows = source.to_iterable_dataset()
    else:
        kind, options = _hub_options(source)
        try:
            rows = datasets.load_dataset(kind, **options, split=split, streaming=True)
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise InputError(f"{source} cannot be streamed: is it there and reachable?") from error
    rows = conform(rows)
    return rows.shuffle(seed=seed, buffer_size=shuffle) if shuffle else rows


def save_parquet(rows: Dataset, path: str | PathLike, batch: int = 64) -> Path:
    """Write rows with their images inside (a plain ``to_parquet`` would write only the paths of the files). Lesson 15.

    ``batch`` rows are in memory at a time. The file holds the features too, so that any reader of ``datasets`` sees
    images, and ``push_to_hub`` can take the rows that `load_hf` reads from it.
    """
    path = Path(path)
    schema = rows.features.arrow_schema
    try:
        with written(path) as part, pq.ParquetWriter(part, schema) as writer:
            for table in rows.with_format("arrow").iter(batch_size=batch):
                writer.write_table(embed_table_storage(table.cast(schema)))
    except FileNotFoundError as error:
        raise InputError(f"{path.name} was not written: an image of the rows is not there any more.") from error
    return path


def save_imagefolder(rows: Dataset, root: str | PathLike) -> Path:
    """Write ``root/SCENE/NAME`` files as they are (not compressed anew) and ``metadata.jsonl``.

    JSON lines rather than csv, because a csv would turn the scene "007" into the number 7.
    """
    root = Path(root)
    if root.exists() and any(root.iterdir()):
        raise InputError(f"{root} is not empty: give a new folder.")
    with written(root) as part:
        lines = []
        for i, row in enumerate(undecoded(rows)):
            content, path = _content(row.pop("image"), i)
            suffix = Path(path or "").suffix or _suffix(content)
            stem = PurePosixPath(row.get("name") or Path(path or f"{i:06d}").name).stem
            file = part / _safe(row["scene"]) / f"{_safe(stem)}{suffix}"
            if file.exists():
                file = file.with_name(f"{i:06d}_{file.name}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            lines.append(json.dumps({"file_name": file.relative_to(part).as_posix(), **row}, ensure_ascii=False))
        (part / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def _content(image: dict | None, i: int) -> tuple[bytes, str | None]:
    """The file's bytes as they are, and its name where it has one."""
    if image is None:
        raise InputError(f"Row {i + 1} has no image: an image folder needs one a row.")
    if image["bytes"] is not None:
        return image["bytes"], image["path"]
    try:
        return Path(image["path"]).read_bytes(), image["path"]
    except OSError as error:
        raise InputError(f"The image of row {i + 1} is not there any more ({Path(image['path']).name}).") from error


def conform(rows: Dataset | IterableDataset) -> Dataset | IterableDataset:
    """The schema's columns first, in its types; what is missing is null, further columns follow."""
    have = rows.features if rows.features is not None else rows._resolve_features().features
    if "image" not in have or "scene" not in have:
        raise InputError(f"The data set needs the columns 'image' and 'scene' (it has {some(have, 8)}).")
    rest = {name: kind for name, kind in have.items() if name not in FEATURES}
    features = Features({**FEATURES, **rest})
    missing = [name for name in FEATURES if name not in have]
    if isinstance(rows, Dataset):
        for name in missing:
            rows = rows.add_column(name, [None] * len(rows), feature=FEATURES[name])
        return rows.select_columns(list(features)).cast(features)

    def fill(row: dict) -> dict:
        values = {name: row.get(name) for name in features}
        return values | {n: str(v) for n, v in values.items() if v is not None and features[n] == Value("string")}

    # Undecoded through the map, so that an image passes unread. The types come after it: rows of a map that knows its
    # features are not decoded any more (datasets 5.2).
    return rows.cast_column("image", Image(decode=False)).map(fill).cast(features)


def _hub_options(source: str | PathLike) -> tuple[str, dict]:
    path = Path(source).expanduser()
    if "*" in str(source):
        return "parquet", {"data_files": str(path)}
    if path.suffix == ".parquet":
        return "parquet", {"data_files": escape(str(path))}
    if path.is_dir():
        # Everything is one split: left alone, datasets would sort files by the words "train" and "test" in their names.
        shards = [escape(str(shard)) for shard in sorted(path.rglob("*.parquet"))]
        if shards:
            return "parquet", {"data_files": shards}
        return "imagefolder", {"data_files": f"{escape(str(path))}/**"}
    return str(source), {}


def _safe(name: str) -> str:
    """A scene or file name that is one plain path part."""
    clean = "".join(c if c.isalnum() or c in " ._-+()" else "_" for c in str(name)).strip(" .")
    return clean or "_"


def _suffix(content: bytes) -> str:
    signatures = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"II*\0": ".tif", b"MM\0*": ".tif", b"RIFF": ".webp"}
    return next((suffix for start, suffix in signatures.items() if content.startswith(start)), ".jpg")
