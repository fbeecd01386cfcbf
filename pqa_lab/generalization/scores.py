"""Studies of a table of scores: nothing is trained here, so they cost nothing on a saved evaluation.

Each takes one row an image (``scene, score, jod`` and what the study names) and returns a `Finding`. Seeds are averaged
inside a scene before anything else, and every interval is a bootstrap of scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.evaluation import check_frame, label_noise_ceiling, per_scene, replicates
from pqa_lab.generalization.finding import (
    LEVEL,
    RESAMPLES,
    Finding,
    bounds,
    contrast,
    need,
    numbered,
    resolved,
    told,
    uncounted,
    verdict,
    wide,
)
from pqa_lab.generalization.pairs import rank_correlation, same_scene_pairs, srcc_at

TONES = ((1, 3), (4, 6), (7, 10))  # light, medium and dark on the Monk scale
HIGH_END = ("high", "reference")


def unseen(frame: pd.DataFrame, study: str, columns: Sequence[str]) -> pd.DataFrame:
    """The rows that no training knew (all, where nobody says), checked."""
    if "known" in frame.columns:
        frame = frame[~frame["known"].astype(bool)]
    need(frame, study, ["scene", "score", "jod", *columns])
    frame = numbered(frame)
    check_frame(frame, ["seed"])
    return frame


def tones(frame: pd.DataFrame, groups: Sequence[tuple[int, int]] = TONES) -> Finding:
    """Is any skin tone ranked worse, or scored lower than its quality?

    Two harms, each a difference of one group of tones from the others in the same scene:

    - *order*: how much less often the better of two photos of that group gets the higher score, compared with all
      pairs whose JODs lie as far apart (`same_scene_pairs`);
    - *level*: mean of :math:`e = z(s) - \\beta\\,(j - \\bar j)`, the score in standard deviations of its scene beyond
      what the JOD explains. With ``jod_std``, beta is corrected for the noise of the labels; without that, a group
      whose photos really are worse would seem to be favoured.

    The intervals are those of all differences together (Bonferroni): a flag means less than one chance in twenty that
    any flag is an accident of the scenes. People who return in many scenes make the intervals too short.

    Lesson 13.

    Parameters
    ----------
    frame : DataFrame
        With ``tone`` (Monk scale, 1 to 10), and if known ``jod_std`` and ``subject``.
    groups : sequence of (first, last)
        Tones that count as one.

    Returns
    -------
    Finding
    """
    study = "tones"
    frame = unseen(frame, study, ["tone"])
    tone = pd.to_numeric(frame["tone"], errors="coerce")
    names = [f"tones {a}–{b}" for a, b in groups]
    bins = [(tone >= a) & (tone <= b) for a, b in groups]
    frame = frame.assign(group=np.select(bins, names, default=""))
    if (frame["group"] == "").any():
        outside = frame.loc[frame["group"] == "", "tone"].iloc[0]
        raise InputError(f"The study 'tones' needs tones in {groups}, but a row has {outside}.")
    present = [name for name in names if (frame["group"] == name).any()]
    if len(present) < 2:
        raise InputError("The study 'tones' compares groups of tones, but all photos belong to one group.")

    pairs = same_scene_pairs(frame, "group")
    pairs = pairs[pairs["first"] == pairs["second"]]
    pairs = pairs.assign(beyond=pairs["right"] - pairs["expected"])
    kinds = {
        "order": wide(pairs, "first", "beyond"),
        "level": wide(frame.assign(e=_beyond_quality(frame)), "group", "e"),
    }
    level = 1 - (1 - LEVEL) / (2 * len(present))
    tables = []
    for kind, values in kinds.items():
        values = values.reindex(index=sorted(frame["scene"].unique()), columns=present)
        from_others = {name: values[name] - values.drop(columns=name).mean(axis=1) for name in present}
        tables.append(contrast(pd.DataFrame(from_others), level=level).assign(kind=kind, is_difference=True))
    table = pd.concat(tables, ignore_index=True).assign(level=level)
    counts = frame[frame["seed"] == frame["seed"].iloc[0]].groupby("group")
    accuracy, expected = (pairs.groupby("first")[name].mean() for name in ("right", "expected"))
    for column, values in (("accuracy", accuracy), ("expected", expected), ("images", counts.size())):
        table[column] = table["group"].map(values)
    people = "subject" in frame.columns and frame["subject"].notna().all()
    if people:
        table["people"] = table["group"].map(counts["subject"].nunique())
    table["flagged"] = (table["high"] < 0) | ((table["low"] > 0) & (table["kind"] == "level"))
    flagged = [f"{row['group']} ({row['kind']} {told(row)})" for _, row in table[table["flagged"]].iterrows()]
    widest = (table["high"] - table["low"]).groupby(table["kind"]).max()
    resolution = (
        f"an effect below about {widest['order'] / 2:.2f} in accuracy or {widest['level'] / 2:.2f} SD in level would "
        "not be seen"
    )
    who = f" of {frame['subject'].nunique()} people" if people else ""
    reading = (
        f"Among {len(present)} groups of tones{who}, "
        + (f"flagged: {'; '.join(flagged)}" if flagged else "none is flagged as ranked worse or scored off its quality")
        + f"; {resolution}{uncounted(table)}."
    )
    table["group"] = table["kind"] + ", " + table["group"]
    draw = {"axis": "difference from the other tones (accuracy; SD of the score)", "title": "Skin tones"}
    return Finding(study, reading, table, frame, draw)


def _beyond_quality(frame: pd.DataFrame) -> np.ndarray:
    """Score in SDs of its scene beyond what the JOD explains; slope over all scenes, corrected for label noise."""
    groups = frame.groupby(["seed", "scene"], observed=True)
    score = frame["score"] - groups["score"].transform("mean")
    z = (score / groups["score"].transform("std").replace(0, np.nan)).fillna(0)
    jod = frame["jod"] - groups["jod"].transform("mean")
    slope = (z * jod).sum() / max((jod**2).sum(), 1e-12)
    if "jod_std" in frame.columns and frame["jod_std"].notna().all():
        # β = β_observed / reliability,  reliability = 1 - mean(jod_std²) / var(jod)
        reliability = 1 - (frame["jod_std"] ** 2).mean() / max((jod**2).mean(), 1e-12)
        slope /= np.clip(reliability, 0.3, 1)
    return (z - slope * jod).to_numpy()


def quality_gap(frame: pd.DataFrame, tiers: Sequence[str] = HIGH_END) -> Finding:
    """Only high-end devices, as in the challenge: is it the model that fails, or are the photos closer together?

    SRCC on the high-end photos of a scene against SRCC on random photos of the scene, equally many. Then the part that
    remains at equal label gap: how often pairs of high-end photos are put in the right order, beyond pairs of any
    devices whose JODs lie as far apart.

    Lesson 13.

    Parameters
    ----------
    frame : DataFrame
        With ``tier``; with ``jod_std`` the table also says what a perfect scorer would reach against such labels.
    tiers : sequence of str
        Which tiers are high-end.

    Returns
    -------
    Finding
    """
    study = "quality_gap"
    frame = unseen(frame, study, ["tier"])
    frame = frame.assign(tier_group=np.where(frame["tier"].isin(tiers), "high", "other"))
    values: dict[object, dict[str, float]] = {}
    for (seed, scene), part in frame.groupby(["seed", "scene"], observed=True):
        high = part[part["tier_group"] == "high"]
        count = len(high) if len(high) >= 3 else 0
        of_high = srcc_at(high["score"].to_numpy(), high["jod"].to_numpy(), count)
        of_all = srcc_at(part["score"].to_numpy(), part["jod"].to_numpy(), count)
        values[seed, scene] = {"all devices": of_all, "high-end only": of_high, "n": count or np.nan}
    srcc = pd.DataFrame(values).T.groupby(level=1).mean()
    if srcc["n"].isna().all() or (frame["tier_group"] == "high").all():
        raise InputError(
            f"The study 'quality_gap' needs scenes with at least three photos of the tiers {', '.join(tiers)} beside "
            "others; these rows have none."
        )
    pairs = same_scene_pairs(frame, "tier_group")
    pairs = pairs[(pairs["first"] == "high") & (pairs["second"] == "high")]
    beyond = (pairs["right"] - pairs["expected"]).groupby(pairs["scene"]).mean().reindex(srcc.index)
    table = contrast(srcc[["all devices", "high-end only"]], [("high-end only", "all devices")])
    name = "accuracy beyond equal label gap"
    rest = contrast(beyond.rename(name).to_frame()).assign(is_difference=True)
    parts = [table, rest]
    if "jod_std" in frame.columns and frame["jod_std"].notna().all():
        once = frame[frame["seed"] == frame["seed"].iloc[0]]
        once = once[once["tier_group"] == "high"]
        ceiling = label_noise_ceiling(once[once.groupby("scene")["jod"].transform("size") > 2]).set_index("scene")
        parts.insert(1, contrast(ceiling["srcc"].rename("high-end only, perfect scorer").to_frame()))
    table = pd.concat(parts, ignore_index=True)
    table["images"] = srcc["n"].median()
    drop, left = table[table["is_difference"]].iloc[0], table.iloc[-1]
    reading = (
        f"At {srcc['n'].median():.0f} photos a scene, "
        f"{verdict(drop, 'high-end photos are ranked worse', 'high-end photos are ranked better')}; at equal label gap "
        f"{_rest(left)}{uncounted(table)}."
    )
    return Finding(study, reading, table, frame, {"axis": "SRCC or accuracy, mean over scenes", "title": "Quality gap"})


def _rest(row: pd.Series) -> str:
    if not resolved(row):
        return f"nothing more is resolved (accuracy {told(row)}), so closer labels can explain it"
    return f"the model itself is {'worse' if row['value'] < 0 else 'better'} on them (accuracy {told(row)})"


def label_scale(frame: pd.DataFrame) -> Finding:
    """Why MAE and SRCC disagree: every scene has its own scale, which SRCC does not see and MAE does. Lesson 13.

    The mean squared error of a scene falls into three parts (Theil's decomposition), exactly:

    .. math:: \\overline{(s - j)^2} = (\\bar s - \\bar j)^2 + (\\sigma_s - r \\sigma_j)^2 + (1 - r^2) \\sigma_j^2

    a wrong offset, a wrong scale, and disorder; only the last one remains when each scene may choose its own scale.
    Scores must be in JOD for the first two to mean anything.

    Returns
    -------
    Finding
        ``table``: one row a scene: ``srcc, mae, mae_own_scale`` (after the scene's own line), ``offset, scale,
        disorder`` (parts of the mean squared error, JOD^2), and where rows have ``truth`` (comparable over scenes)
        ``label_gain``: JOD of the label for one JOD of truth.
    """
    study = "label_scale"
    frame = unseen(frame, study, [])
    rows = []
    for (seed, scene), part in frame.groupby(["seed", "scene"], observed=True):
        rows.append({"seed": seed, "scene": scene, "n": len(part)} | error_parts(part["score"], part["jod"]))
        if "truth" in part.columns and part["truth"].nunique() > 2:
            rows[-1]["label_gain"] = np.polyfit(part["truth"], part["jod"], 1)[0]
    table = pd.DataFrame(rows).groupby("scene").mean().drop(columns="seed").reset_index()
    table["srcc"] = per_scene(frame, ["seed"], fit=False).groupby("scene")["srcc"].mean().to_numpy()
    known = table.dropna(subset=["srcc"])
    if len(known) < 4:
        raise InputError(
            f"The study 'label_scale' compares scenes; {len(known)} of them have an SRCC, four are needed."
        )
    rho, low, high = _over_scenes(known["mae"].to_numpy(), known["srcc"].to_numpy())
    parts = table[["offset", "scale", "disorder"]].sum() / table[["offset", "scale", "disorder"]].to_numpy().sum()
    own, gain = table["mae_own_scale"].mean(), ""
    if "label_gain" in table.columns:
        gain = (
            f"; a JOD of truth is worth {table['label_gain'].min():.2f} to {table['label_gain'].max():.2f} JOD of label"
        )
    reading = (
        f"Over {len(known)} scenes MAE and SRCC are correlated at {rho:+.2f} ({low:+.2f} to {high:+.2f}): "
        f"{100 * (parts['offset'] + parts['scale']):.0f} % of the squared error is the scene's offset "
        f"({100 * parts['offset']:.0f} %) and scale ({100 * parts['scale']:.0f} %), which no ranking sees, and MAE "
        f"falls from {table['mae'].mean():.2f} to {own:.2f} JOD on each scene's own scale{gain}; "
        f"{len(table) - len(known)} scenes have no SRCC."
    )
    draw = {
        "kind": "scatter",
        "x": "srcc",
        "y": ["mae", "mae_own_scale"],
        "title": "MAE against SRCC, one mark a scene",
    }
    return Finding(study, reading, table, frame, draw | {"axis": "MAE, JOD"})


def _over_scenes(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Rank correlation over scenes and its bootstrap interval; NaN if one of them is the same in all scenes."""
    rho = rank_correlation(x[None], y[None])[0]
    if np.isnan(rho):
        return rho, rho, rho
    draws = np.random.default_rng(0).integers(len(x), size=(RESAMPLES, len(x)))  # (R, S)
    low, high = np.nanquantile(rank_correlation(x[draws], y[draws]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(rho), float(low), float(high)


def error_parts(score: pd.Series, jod: pd.Series) -> dict[str, float]:
    """MAE, MAE after the least-squares line, and the three parts of the mean squared error of one scene."""
    s, j = np.asarray(score, float), np.asarray(jod, float)
    spread_s, spread_j = s.std(), j.std()
    r = ((s - s.mean()) * (j - j.mean())).mean() / (spread_s * spread_j) if spread_s * spread_j > 0 else 0.0
    line = j.mean() + (r * spread_j / spread_s if spread_s > 0 else 0.0) * (s - s.mean())
    return {
        "mae": np.abs(s - j).mean(),
        "mae_own_scale": np.abs(line - j).mean(),
        "offset": (s.mean() - j.mean()) ** 2,
        "scale": (spread_s - r * spread_j) ** 2,
        "disorder": (1 - r**2) * spread_j**2,
    }


def face_size(frame: pd.DataFrame) -> Finding:
    """Is a scene ranked worse where faces are small?

    Scenes are cut into thirds by the median height of their faces; SRCC at equal numbers of photos, and the rank
    correlation of face size and SRCC over scenes. Face size is a matter of the scene's framing, so other properties of
    the scenes go with it: this is an association.

    Parameters
    ----------
    frame : DataFrame
        With ``face_share``: the face's height as a share of the photo's.

    Returns
    -------
    Finding
    """
    study = "face_size"
    frame = unseen(frame, study, ["face_share"])
    sizes = frame.groupby(["seed", "scene"], observed=True).size()
    count, scenes = int(sizes.min()), frame.groupby("scene")["face_share"].median()
    if len(scenes) < 6 or count < 2:
        raise InputError(f"The study 'face_size' compares thirds of the scenes: it needs six, there are {len(scenes)}.")
    values = {
        key: {
            "srcc": srcc_at(part["score"].to_numpy(), part["jod"].to_numpy(), count),
            "error": error_parts(part["score"], part["jod"])["mae_own_scale"],
        }
        for key, part in frame.groupby(["seed", "scene"], observed=True)
    }
    table = pd.DataFrame(values).T.groupby(level=1).mean().loc[scenes.index].assign(face_share=scenes)
    names = ["small faces", "medium faces", "large faces"]
    third = pd.qcut(table["face_share"].rank(method="first"), 3, labels=names)
    groups = pd.DataFrame({name: table["srcc"].where(third == name) for name in names})
    summary = contrast(groups)
    summary["undefined"] = [int(((third == name) & table["srcc"].isna()).sum()) for name in names]
    summary["face_share"] = [table["face_share"][third == name].median() for name in names]
    summary["error"] = [table["error"][third == name].mean() for name in names]
    draws = replicates(groups.to_numpy(), "mean", RESAMPLES)
    # Two groups of scenes, not pairs: as few degrees of freedom as the smaller one has.
    low_gap, high_gap = bounds(draws[:, 0] - draws[:, 2], int(summary["scenes"].iloc[[0, 2]].min()))
    difference = {
        "group": "small faces − large faces",
        "value": summary["value"][0] - summary["value"][2],
        "low": low_gap,
        "high": high_gap,
        "scenes": int(summary["scenes"][0] + summary["scenes"][2]),
        "undefined": 0,
        "is_difference": True,
        "error": summary["error"][0] - summary["error"][2],
    }
    summary = pd.concat([summary, pd.DataFrame([difference])], ignore_index=True).assign(images=count)
    known = table.dropna(subset=["srcc"])
    rho, low, high = _over_scenes(known["face_share"].to_numpy(), known["srcc"].to_numpy())
    words = (f"scenes with small faces are ranked {word}" for word in ("worse", "better"))
    reading = (
        f"From the small faces ({summary['face_share'][0]:.2f} of the photo's height) to the large "
        f"({summary['face_share'][2]:.2f}), {verdict(summary.iloc[-1], *words)}; "
        f"over all {len(table)} scenes face size and SRCC are correlated at {rho:+.2f} ({low:+.2f} to "
        f"{high:+.2f}), "
        f"and the error on the scene's own scale is {summary['error'][0]:.2f} JOD for small and "
        f"{summary['error'][2]:.2f} for large faces{uncounted(summary)}."
    )
    draw = {"axis": "SRCC, mean over scenes", "title": "Face size"}
    return Finding(study, reading, summary, frame.merge(table[["srcc"]], left_on="scene", right_index=True), draw)
