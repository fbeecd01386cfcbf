"""Studies that train: what a model loses on scenes, devices, people and conditions that it has not seen.

A drop is only worth its name if nothing else changed. So the same test images are scored twice, by a model that knew
their group (other images of it were in training) and by one that did not, both trained on equally many images with the
same number of steps; SRCC is compared inside each scene, and the interval is a bootstrap of scenes.

- ``plan_*`` say who learns from what: a list of `Run`; they train nothing.
- the studies of the same names read the scores of these runs: ``scene, score, jod, known, held_out, seed`` and more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import datasets
import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.generalization.finding import (
    Finding,
    contrast,
    minus,
    need,
    numbered,
    per_scene_by,
    told,
    uncounted,
    verdict,
)
from pqa_lab.training.data import column, numbers

KNOWN, NEW = "known", "new"


@dataclass
class Run:
    """One training: row numbers to learn from and to score, and what to note on the scored rows."""

    train: np.ndarray
    score: np.ndarray
    notes: dict[str, object] = field(default_factory=dict)  # a value, or one an image of ``score``


def table_of(rows: datasets.Dataset, study: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Those columns of the rows, complete, and the JOD."""
    frame = pd.DataFrame({name: column(rows, name) for name in dict.fromkeys(("scene", *columns))})
    frame["jod"] = numbers(rows, "jod")
    for name in columns:
        if name not in rows.column_names:
            raise InputError(f"The study {study!r} needs the column {name!r}, which these rows do not have.")
    need(frame, study, list(frame.columns))
    return frame


def halves(frame: pd.DataFrame, by: str, rng: np.random.Generator) -> np.ndarray:
    """Half (0 or 1) of every image: whole groups, about as many images in both, scenes with the conditions in turn."""
    groups = frame.groupby(by, observed=True).size()
    names = groups.index.to_numpy()[rng.permutation(len(groups))]
    if by == "scene" and "condition" in frame.columns and frame["condition"].notna().all():
        condition = frame.groupby("scene")["condition"].first()
        names = names[np.argsort(condition.loc[names].to_numpy(), kind="stable")]
    side, load = {}, [0, 0]
    for pair in range(0, len(names), 2):  # neighbours go to different halves, the larger to the lighter one
        couple = sorted(names[pair : pair + 2], key=lambda name: -groups[name])
        first = int(load[0] > load[1]) if load[0] != load[1] else int(rng.integers(2))
        for name, half in zip(couple, (first, 1 - first), strict=False):
            side[name] = half
            load[half] += groups[name]
    return frame[by].map(side).to_numpy()


def held_out(frame: pd.DataFrame, keys: list[str], share: float, rng: np.random.Generator) -> np.ndarray:
    """A random share of the images of every group of ``keys``, at least two where it has more than two."""
    out = np.zeros(len(frame), dtype=bool)
    for _, index in frame.groupby(keys, observed=True).indices.items():
        count = min(len(index) - 1, max(2, round(share * len(index))))
        out[rng.permutation(index)[:count]] = True
    return out


def plan_crossed(rows: datasets.Dataset, study: str, by: str, seed: int, share: float | None = None) -> list[Run]:
    """Two trainings, each on one half of the scenes (devices, people): every image is once known's and once new's.

    Parameters
    ----------
    by : "scene", "device" or "subject"
        What is new.
    share : float, optional
        Images that no training sees, of each scene (and half), so that knowing the group is not knowing the image;
        default a third for scenes and half for groups inside scenes, where few images are left to correlate.
    """
    extra = ("condition",) if by == "scene" and "condition" in rows.column_names else ()
    frame = table_of(rows, study, ("scene", by))
    frame = frame.assign(**{name: column(rows, name) for name in extra})
    if frame[by].nunique() < 2:
        raise InputError(f"The study {study!r} needs at least two values in the column {by!r} to keep one away.")
    rng = np.random.default_rng([seed, 71])
    half = halves(frame, by, rng)
    apart = held_out(frame.assign(half=half), ["scene", "half"], share or (1 / 3 if by == "scene" else 1 / 2), rng)
    pools = [np.flatnonzero(~apart & (half == k)) for k in (0, 1)]
    size = min(map(len, pools))
    if size == 0:
        raise InputError(f"The study {study!r} has no image left to learn from: it needs more images in each scene.")
    everything = np.arange(len(frame))
    return [
        Run(
            np.sort(rng.permutation(pool)[:size]),  # equally many images
            everything,
            {"known": half == k, "held_out": apart, "half": half, "fold": k},
        )
        for k, pool in enumerate(pools)
    ]


def plan_conditions(rows: datasets.Dataset, study: str, seed: int) -> list[Run]:
    """One training with all conditions, one without each; new scenes of each condition are the test.

    All learn from equally many images of half of the scenes, so that the scenes of the test are new to every model and
    only their condition is known to one and new to the other.
    """
    frame = table_of(rows, study, ("scene", "condition"))
    rng = np.random.default_rng([seed, 72])
    test: set[str] = set()
    conditions = []
    for condition, scenes in frame.groupby("condition")["scene"].unique().items():
        if len(scenes) > 1:
            conditions.append(condition)
            # The odd scene goes to the test: its scenes are the sample of the interval.
            test |= set(rng.permutation(np.sort(scenes))[: (len(scenes) + 1) // 2])
    if len(conditions) < 2:
        raise InputError(
            f"The study {study!r} needs two conditions with at least two scenes each; there is {len(conditions)}."
        )
    side = frame["scene"].isin(test).to_numpy()
    name = frame["condition"].to_numpy()
    pools = {None: np.flatnonzero(~side)} | {c: np.flatnonzero(~side & (name != c)) for c in conditions}
    size = min(map(len, pools.values()))
    return [
        Run(
            np.sort(rng.permutation(pool)[:size]),
            np.flatnonzero(side & np.isin(name, conditions if left is None else [left])),
            {"known": left is None, "held_out": True, "left_out": left or "nothing"},
        )
        for left, pool in pools.items()
    ]


def plan_size(rows: datasets.Dataset, study: str, seed: int) -> list[Run]:
    """Equally many images and steps, from a few scenes with all their images to many scenes with few of each."""
    frame = table_of(rows, study, ("scene",))
    rng = np.random.default_rng([seed, 73])
    scenes = rng.permutation(np.sort(frame["scene"].unique()))
    test, pool = np.split(scenes, [max(1, round(len(scenes) / 3))])
    fewest = max(2, len(pool) // 8)
    counts = [fewest * 2**k for k in range(4) if fewest * 2**k <= len(pool)]
    members = {scene: rng.permutation(index) for scene, index in frame.groupby("scene").indices.items()}
    each = min(len(members[scene]) for scene in pool)
    # Halving must end with at least two images a scene, and whole numbers keep the sum equal.
    counts = [count for count in counts if each // (count // fewest) >= 2]
    if len(counts) < 2:
        raise InputError(
            f"The study {study!r} needs at least 6 scenes of 4 images to trade scenes against images; these rows have "
            f"{len(scenes)} scenes, the smallest with {each}."
        )
    each -= each % (counts[-1] // fewest)
    score = np.flatnonzero(frame["scene"].isin(test))
    runs = []
    for count in counts:
        images = each * fewest // count
        train = np.concatenate([members[scene][:images] for scene in pool[:count]])
        notes = {"train_scenes": count, "images_per_scene": images, "known": False, "held_out": True}
        runs.append(Run(np.sort(train), score, notes))
    return runs


def known_and_new(frame: pd.DataFrame, study: str = "scenes", what: str = "scenes", metric: str = "srcc") -> Finding:
    """The same held-out images, scored by the model that knew their group and by the one that did not.

    Parameters
    ----------
    frame : DataFrame
        ``scene, score, jod, known, held_out``; with ``half`` an image is compared only with others of its half (groups
        inside scenes); ``seed`` is averaged over.
    study : str
        Key in ``STUDIES`` that the finding is filed under.
    what : str
        What was held out, in the plural: "scenes", "devices".
    metric : str
        A column of `pqa_lab.evaluation.per_scene`.

    Returns
    -------
    Finding
    """
    need(frame, study, ["scene", "score", "jod", "known", "held_out"])
    frame = numbered(frame[frame["held_out"].astype(bool)])
    frame = frame.assign(trained=np.where(frame["known"].astype(bool), KNOWN, NEW))
    _need_both(frame, study)
    if "half" not in frame.columns:
        frame = frame.assign(half=0)
    groups = per_scene_by(frame, ["half", "trained"], metric)[[KNOWN, NEW]]
    table = contrast(groups, [(NEW, KNOWN)])
    table["images"] = _group_size(frame)
    words = (f"new {what} are ranked {word}" for word in ("worse", "better"))
    reading = (
        f"SRCC is {table.value[0]:.2f} on known {what} and {table.value[1]:.2f} on new {what}, the same "
        f"{table['images'][0]:.0f} images at a time: {verdict(table.iloc[-1], *words)}"
        f"{uncounted(table)}."
    )
    return Finding(study, reading, table, frame, {"axis": "SRCC, mean over scenes", "title": f"Known and new {what}"})


def left_out(frame: pd.DataFrame, study: str = "conditions") -> Finding:
    """New scenes of each condition, by a model that learnt from the condition and by one that did not.

    Filed under ``study``.
    """
    need(frame, study, ["scene", "score", "jod", "known", "condition"])
    frame = numbered(frame).assign(trained=np.where(frame["known"].astype(bool), KNOWN, NEW))
    _need_both(frame, study)
    groups = per_scene_by(frame, ["trained"])[[KNOWN, NEW]]
    condition = frame.groupby("scene")["condition"].first().loc[groups.index]
    parts = [("all", groups)] + [(name, groups[condition == name]) for name in sorted(condition.unique())]
    tables = [contrast(part, [(NEW, KNOWN)]).assign(condition=name) for name, part in parts]
    table = pd.concat(tables, ignore_index=True)
    table["group"] = table["condition"] + ": " + table["group"]
    table["images"] = _group_size(frame)
    drops = table[table["is_difference"]]
    worst = drops[drops["condition"] != "all"].sort_values("value").iloc[0]
    words = (f"a condition left out is ranked {word}" for word in ("worse", "better"))
    reading = (
        f"Over all conditions {verdict(drops.iloc[0], *words)}"
        f"; the largest change is that of {worst['condition']}, {told(worst)}{uncounted(table)}."
    )
    return Finding(study, reading, table, frame, {"axis": "SRCC, mean over scenes", "title": "One condition left out"})


def scenes_or_images(frame: pd.DataFrame, study: str = "size") -> Finding:
    """Equally many training images from few scenes or from many: SRCC on new scenes; filed under ``study``."""
    need(frame, study, ["scene", "score", "jod", "train_scenes", "images_per_scene"])
    frame = numbered(frame)
    groups = per_scene_by(frame, ["train_scenes"])
    if groups.shape[1] < 2:
        raise InputError(f"The study {study!r} compares two sizes at least; the table has one.")
    few, many = groups.columns[0], groups.columns[-1]
    # Slope of SRCC on log2(scenes) in each test scene: what one doubling brings.
    x = np.log2(groups.columns.to_numpy(dtype=float))
    x -= x.mean()
    doubling = "one doubling of the scenes"
    slope = pd.Series(groups.to_numpy() @ x / (x @ x), groups.index, name=doubling)
    table = contrast(groups, [(many, few)])
    table = pd.concat([table, contrast(slope.to_frame()).assign(is_difference=True)], ignore_index=True)
    images = frame.groupby("train_scenes")["images_per_scene"].first()
    sizes = {str(count): f"{count} scenes × {images[count]} images" for count in groups.columns}
    sizes[minus(many, few)] = f"{many} scenes − {few} scenes"
    table["group"] = table["group"].map(lambda name: sizes.get(name, name))
    table["images"] = _group_size(frame)
    seeds = frame["seed"].nunique()
    gain = table.iloc[-2]
    reading = (
        f"With equally many training images, {verdict(gain, 'fewer scenes are better', 'more scenes are better')}; one "
        f"doubling of the scenes brings {told(table.iloc[-1])}; which scenes were drawn varies over {seeds} "
        f"seed{'s' if seeds > 1 else ''} only{uncounted(table)}."
    )
    draw = {"axis": "SRCC on new scenes, mean over scenes", "title": "Scenes or images for training"}
    return Finding(study, reading, table, frame, draw)


def _group_size(frame: pd.DataFrame) -> float:
    """Median number of images that are correlated with each other."""
    keys = [name for name in ("seed", "half", "trained", "train_scenes", "scene") if name in frame.columns]
    return float(frame.groupby(keys, observed=True).size().median())


def _need_both(frame: pd.DataFrame, study: str) -> None:
    for word in (KNOWN, NEW):
        if not (frame["trained"] == word).any():
            raise InputError(
                f"The study {study!r} compares known with new, but no image in the column 'known' is {word}: give the "
                "scores of both models."
            )
