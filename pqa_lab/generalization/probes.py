"""What a model relies on: how sure it is of scenes that it does not know; whether it reads scene or quality."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene
from pqa_lab.generalization.finding import (
    LEVEL,
    Finding,
    contrast,
    minus,
    need,
    numbered,
    told,
    uncounted,
    verdict,
    wide,
)
from pqa_lab.generalization.pairs import probe_quality, probe_scene
from pqa_lab.generalization.scores import unseen

SURE = 0.9
BOOTSTRAPS = 1000


def scene_confidence(frame: pd.DataFrame, sure: float = SURE) -> Finding:
    """How sure the scene classifier is of scenes that it cannot know. Lesson 13.

    SEM-HyperIQA rescales a score by the scene that it names, FULL-HyperIQA by the whole vector of probabilities. On a
    new scene every name is wrong; what helps there is a classifier that says so (low confidence, many effective
    scenes) or that names a scene of the same condition.

    Parameters
    ----------
    frame : DataFrame
        ``scene, known`` (was the scene in training), ``confidence`` (largest probability), ``named`` (the scene that it
        belongs to), and if there ``held_out`` (only such images count), ``effective_scenes`` (exp of the entropy) and
        ``condition``.
    sure : float
        A name given with at least this probability counts as sure.

    Returns
    -------
    Finding
    """
    study = "confidence"
    if "confidence" not in frame.columns:
        raise InputError(
            "The study 'confidence' needs the column 'confidence', which only methods that name scenes give: "
            "sem_hyperiqa, fhiqa, monet, sar."
        )
    need(frame, study, ["scene", "known", "confidence", "named"])
    if "held_out" in frame.columns:
        frame = frame[frame["held_out"].astype(bool)]
    frame = numbered(frame)
    known = frame["known"].astype(bool)
    if known.all() or not known.any():
        raise InputError("The study 'confidence' compares known with new scenes, but the table holds only one of them.")
    frame = frame.assign(
        trained=np.where(known, "known", "new"),
        right=(frame["named"] == frame["scene"]).astype(float),
        is_sure=(frame["confidence"] >= sure).astype(float),
    )
    if "condition" in frame.columns and frame["condition"].notna().all():
        condition = frame.groupby("scene")["condition"].first()
        same = frame["named"].map(condition)
        frame["same_condition"] = (same == frame["condition"]).astype(float).where(same.notna())

    def of(column: str) -> pd.DataFrame:
        return wide(frame, "trained", column)

    parts = [
        contrast(of("confidence"), [("new", "known")]).assign(what="confidence"),
        contrast(of("is_sure")).assign(what=f"share surer than {sure:g}"),
        contrast(of("right")[["known"]]).assign(what="named rightly"),
    ]
    # Within a scene: how often a random photo is surer when the scene is known than another when it is new.
    separation = {}
    for scene, part in frame.groupby("scene"):
        a, b = (part.loc[part["trained"] == word, "confidence"].to_numpy() for word in ("known", "new"))
        if len(a) and len(b):
            ranks = rankdata(np.concatenate([a, b]))
            separation[scene] = (ranks[: len(a)].sum() - len(a) * (len(a) + 1) / 2) / (len(a) * len(b))
    if separation:
        area = pd.Series(separation, name="area under the curve").to_frame()
        parts.append(contrast(area).assign(what="known told from new by confidence"))
    chance = None
    if "same_condition" in frame.columns and frame.loc[~known, "same_condition"].notna().any():
        parts.append(contrast(of("same_condition")[["new"]]).assign(what="named a scene of the same condition"))
        chance = _chance_of_condition(frame[~known], condition)
    if "effective_scenes" in frame.columns:
        frame["log_effective"] = np.log(frame["effective_scenes"].astype(float))
    table = pd.concat(parts, ignore_index=True)
    table["images"] = len(frame)
    row = {(line["what"], line["group"]): line for _, line in table.iterrows()}
    told_sure = row[f"share surer than {sure:g}", "new"]
    words = (f"it is {word} of new scenes" for word in ("less sure", "surer"))
    gap = row["confidence", minus("new", "known")]
    mean = {word: row["confidence", word]["value"] for word in ("new", "known")}
    reading = (
        f"On new scenes, where every name is wrong, the mean confidence is {mean['new']:.2f} and {_percent(told_sure)} "
        f"of the photos are named with at least {sure:g}; on known scenes it is {mean['known']:.2f} with "
        f"{_percent(row['named rightly', 'known'])} named rightly, by chance {100 * _chance(frame[known]):.0f} %; "
        f"{verdict(gap, *words)}"
    )
    if separation:
        reading += f"; confidence tells known from new with an area of {parts[3]['value'][0]:.2f} (chance 0.50)"
    if chance is not None:
        hit = row["named a scene of the same condition", "new"]
        reading += (
            f"; {_percent(hit)} of the new photos are given a scene of their own condition, by chance "
            f"{100 * chance:.0f} %"
        )
    if "log_effective" in frame.columns:
        many = np.exp(frame.groupby("trained")["log_effective"].mean())
        reading += f"; its answer spreads over {many['new']:.1f} scenes on new and {many['known']:.1f} on known ones"
    table["group"] = table["what"] + ", " + table["group"]
    draw = {"axis": "probability or share, mean over scenes", "title": "How sure the model is of the scene"}
    return Finding(study, reading + uncounted(table.assign(undefined=0)) + ".", table, frame, draw)


def _chance(known: pd.DataFrame) -> float:
    """One over the number of scenes that a model knows."""
    keys = [name for name in ("seed", "fold") if name in known.columns]
    return float((1 / known.groupby(keys)["scene"].nunique()).mean())


def _chance_of_condition(new: pd.DataFrame, condition: pd.Series) -> float:
    """Share of photos given a scene of their condition if names were dealt at random to the photos of each model."""
    keys = [name for name in ("seed", "fold") if name in new.columns]
    hits = []
    for _, part in new.groupby(keys):
        named = part["named"].map(condition).value_counts(normalize=True)
        hits.append(part["condition"].map(named).fillna(0))
    return float(pd.concat(hits).mean())


def shortcut(frame: pd.DataFrame) -> Finding:
    """Does the model read the scene or the quality?

    Of the score's variance (per seed, then averaged; shares are adjusted for the number of groups):

    - *scene at equal quality*: what the scene explains beyond a straight line in quality. Quality is ``truth`` where
      rows have it (comparable over scenes, so a reader of quality has 0 here); with ``jod`` alone, which has mean 0 in
      every scene, it also holds the real differences between scenes.
    - *person at equal quality*: within a scene, what the person explains beyond quality (with ``subject``).
    - *quality within scenes*: what quality explains within scenes; this is the part that ranks.

    With ``features`` (a list of numbers an image, as `described_scores` gives) two linear probes: one names the scene
    from other images of it, one reads the quality in scenes that it was not fitted on, beside the model's own SRCC.

    Lesson 13.
    """
    study = "shortcut"
    frame = unseen(frame, study, [])
    truth = "truth" in frame.columns and frame["truth"].notna().all()
    people = "subject" in frame.columns and frame["subject"].notna().all()
    quality = "truth" if truth else "jod"
    if frame["scene"].nunique() < 3:
        raise InputError(f"The study 'shortcut' compares scenes: it needs three, there are {frame['scene'].nunique()}.")
    keys = [key for key in ("seed", "fold") if key in frame.columns]
    models = [part for _, part in frame.groupby(keys, observed=True)]
    measured = np.array([_shares(part, quality, people) for part in models])  # (models, 3)
    rng = np.random.default_rng(0)
    draws = np.array([[_shares(part, quality, people, rng) for part in models] for _ in range(BOOTSTRAPS)]).mean(1)
    low, high = np.full((2, 3), np.nan)
    there = ~np.isnan(draws).all(axis=0)  # without people their column is empty
    low[there], high[there] = np.nanquantile(draws[:, there], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    names = [f"scene at equal {quality}", f"person at equal {quality}", f"{quality} within scenes"]
    table = pd.DataFrame(
        {"group": names, "value": measured.mean(0), "low": low, "high": high, "scenes": frame["scene"].nunique()}
    ).assign(undefined=0, is_difference=False, what="share of the score's variance")
    table = table[table["value"].notna()]
    reading = (
        f"At equal {quality} the scene explains {_percent(table.iloc[0])} of the score's variance"
        + (f" and within a scene the person {_percent(table.iloc[1])}" if people else "")
        + f", while {quality} explains {_percent(table.iloc[-1])} within scenes"
    )
    if "features" in frame.columns and frame["features"].notna().all():
        probes, chance = _probe(models)
        table = pd.concat([table, probes], ignore_index=True)
        named, read, gap = (probes.iloc[k] for k in (0, 1, 3))
        reading += (
            f"; from the features a linear probe names the scene of {_percent(named)} of the photos, by chance "
            f"{100 * chance:.0f} %, and ranks new scenes with SRCC {read['value']:.2f}: its lead over the model's own "
            f"score is {told(gap)}"
        )
    if not truth:
        reading += "; without a truth that compares scenes, real differences between scenes count as the scene's"
    table["images"] = len(models[0])
    draw = {"axis": "share, accuracy or SRCC", "title": "Scene or quality"}
    return Finding(study, reading + uncounted(table) + ".", table, frame, draw)


def _percent(row: pd.Series) -> str:
    return f"{100 * row['value']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def _shares(
    part: pd.DataFrame, quality: str, people: bool, rng: np.random.Generator | None = None
) -> tuple[float, float, float]:
    """Scene at equal quality, person at equal quality within scenes, quality within scenes; ``rng``: of a resample."""
    scene = np.unique(part["scene"], return_inverse=True)[1]
    rows, block = np.arange(len(part)), scene
    if rng is not None:
        members = [np.flatnonzero(scene == k) for k in rng.integers(scene.max() + 1, size=scene.max() + 1)]
        rows = np.concatenate(members)
        block = np.repeat(np.arange(len(members)), [len(index) for index in members])  # twice drawn is two scenes
    s, q = (part[name].to_numpy(np.float64)[rows] for name in ("score", quality))
    total = ((s - s.mean()) ** 2).sum() / (len(s) - 1)
    if total == 0:
        return float("nan"), float("nan"), float("nan")
    none = np.zeros(len(s), dtype=int)
    inside = _left(s, q * 0, block)
    at_scene = _left(s, q, block)
    person = float("nan")
    if people:
        who = np.unique(part["subject"].to_numpy()[rows], return_inverse=True)[1]
        person = (at_scene - _left(s, q, np.unique(block * (who.max() + 1) + who, return_inverse=True)[1])) / total
    return (_left(s, q, none) - at_scene) / total, person, (inside - at_scene) / total


def _left(score: np.ndarray, quality: np.ndarray, group: np.ndarray) -> float:
    """Variance left after the groups' means and one slope on quality, unbiased: divided by what is free."""
    size = np.bincount(group)
    s, q = (x - (np.bincount(group, x) / size)[group] for x in (score, quality))
    slope = bool((q**2).sum() > 0)
    rest = (s**2).sum() - ((s * q).sum() ** 2 / (q**2).sum() if slope else 0.0)
    free = len(s) - len(size) - slope
    return float(rest / free) if free > 0 else float("nan")


def _probe(models: list[pd.DataFrame]) -> tuple[pd.DataFrame, float]:
    """Contrasts of both probes and the model's own score, each model on its own, and the chance of naming a scene."""
    named, ranked = [], []
    for number, part in enumerate(models):
        features = np.stack(part["features"].to_numpy()).astype(np.float64)  # (N, D)
        scene, jod = part["scene"].to_numpy(), part["jod"].to_numpy()
        named.append(pd.DataFrame({"scene": scene, "scene named by a probe": probe_scene(features, scene, number)}))
        for name, score in (
            ("quality read by a probe", probe_quality(features, jod, scene, number)),
            ("the model's own score", part["score"].to_numpy()),
        ):
            found = per_scene(part[["scene", "jod"]].assign(score=score), fit=False)
            ranked.append(found.assign(who=name)[["scene", "who", "srcc"]])
    names = pd.concat(named).groupby("scene").mean()
    srcc = wide(pd.concat(ranked), "who", "srcc")
    srcc = srcc[["quality read by a probe", "the model's own score"]]
    table = pd.concat([contrast(names), contrast(srcc, [tuple(srcc.columns)])], ignore_index=True)
    # named, read, own, difference
    return table.assign(what="probe"), float(np.mean([1 / part["scene"].nunique() for part in models]))
