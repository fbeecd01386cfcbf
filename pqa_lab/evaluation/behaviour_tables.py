"""What the measured answers say: one table a question, and the sentence that its numbers make.

The value of a scene is the mean over the trainings (and draws of a shuffle) that scored it; statistics and intervals
are over scenes. An interval holds the trained models fixed, so with several seeds a verdict also asks each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pqa_lab.evaluation.metrics import count_pairs, srcc
from pqa_lab.evaluation.protocol import per_scene
from pqa_lab.evaluation.uncertainty import interval, over_scenes, replicates
from pqa_lab.methods.ensemble import average_frames

RESAMPLES = 10_000
FEWEST = 4  # photos of a scene for a correlation within it
MOVES = 0.1  # a gate moves if 90 % of the photos spread over this much of its scale from 0 to 1
UNITS = 10.0  # what one member's scores are multiplied with, to show what a unit does


def scene_srcc(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """SRCC of every scene with at least ``FEWEST`` photos and two JODs; scores that are all equal ranked nothing: 0."""
    table = per_scene(frame, by=list(by), fit=False)
    table = table[(table["n"] >= FEWEST) & (table["undefined"] != "constant jod")]
    return table.assign(srcc=table["srcc"].fillna(0.0))[[*by, "scene", "n", "srcc"]]


def paired(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    """First minus second, scene by scene: differences of medians and of means with 95 % intervals.

    Both tables: ``scene, seed, srcc``, any number of rows a scene and seed (draws).
    """
    a, b = (table.groupby("scene")["srcc"].mean() for table in (first, second))
    both = a.index.intersection(b.index)
    if len(both) < 2:
        return {"scenes": len(both)}
    values = np.stack([a[both], b[both]], axis=1)  # (S, 2)
    row: dict[str, float] = {"scenes": len(both)}
    for statistic in ("median", "mean"):
        middle = over_scenes(values.T, statistic)
        low, high = np.quantile(-np.diff(replicates(values, statistic, RESAMPLES), axis=1)[:, 0], [0.025, 0.975])
        row |= {f"{statistic}_first": middle[0], f"{statistic}_second": middle[1]}
        row |= {f"{statistic}_difference": middle[0] - middle[1], f"{statistic}_low": low, f"{statistic}_high": high}
    by_seed = [table.groupby(["seed", "scene"])["srcc"].mean() for table in (first, second)]
    gaps = (by_seed[0] - by_seed[1]).dropna().groupby("seed").mean()
    return row | {"seed_low": gaps.min(), "seed_high": gaps.max()}


def verdict(row: pd.Series | dict, yes: str, no: str, unseen: str = "not seen") -> str:
    """``yes`` only if interval of the mean and every seed lie above 0, ``no`` if below."""
    if row["scenes"] < 2:
        return "not measured"
    if row["mean_low"] > 0 and row["seed_low"] > 0:
        return yes
    return no if row["mean_high"] < 0 and row["seed_high"] < 0 else unseen


def branch_table(photos: pd.DataFrame) -> pd.DataFrame:
    """SRCC as is minus SRCC with a branch (or the gate) changed, on several groups of photos."""
    rows = []
    for (method, branch, change), changed in photos[photos["branch"] != ""].groupby(
        ["method", "branch", "change"], sort=False
    ):
        plain = photos[(photos["method"] == method) & (photos["branch"] == "")]
        for group, chosen in groups(plain):
            keys = ["seed", "row"]
            inside = changed.merge(chosen[keys], on=keys)
            tables = [scene_srcc(table, ["seed", "draw"]) for table in (chosen, inside) if len(table)]
            test = paired(*tables) if len(tables) == 2 else {"scenes": 0}
            rows.append({"method": method, "branch": branch, "change": change, "photos": group} | test)
    table = pd.DataFrame(rows)
    return table.rename(columns={f"{s}_{w}": f"{s}_{n}" for s in ("median", "mean") for w, n in _NAMES})


_NAMES = (("first", "as_is"), ("second", "changed"))


def groups(plain: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """All photos, those of known and of new scenes, with and without a detected face."""
    face = plain["face_share"].notna()
    chosen = {"all": face | ~face, "known scenes": plain["known"], "new scenes": ~plain["known"]}
    chosen |= {"with a face": face, "no face found": ~face}
    return [(name, plain[mask]) for name, mask in chosen.items()]


def branch_sentences(table: pd.DataFrame) -> list[str]:
    told = []
    chosen = table[(table["photos"] == "all") & (table["change"] == "shuffled")]
    for row in chosen.to_dict("records"):
        words = ("carries information", "misleads", "information not seen")
        told.append(
            f"{row['method']}, branch {row['branch']}: {verdict(row, *words)}; exchanging its features between photos "
            f"of a scene costs {_signed(row, 'mean')} mean SRCC over {row['scenes']} scenes."
        )
    return told


def gate_table(photos: pd.DataFrame) -> pd.DataFrame:
    """How a gate spreads, one line a seed and group of photos; ``face_rho`` is the mean over scenes of Spearman's
    correlation with the size of the face."""
    rows = []
    gated = photos[(photos["branch"] == "") & photos["gate"].notna()] if "gate" in photos else photos[:0]
    for (method, seed), plain in gated.groupby(["method", "seed"]):
        for group, part in groups(plain):
            if part.empty:
                continue
            low, high = part["gate"].quantile([0.05, 0.95])
            row = {"method": method, "seed": seed, "photos": group, "n": len(part), "mean": part["gate"].mean()}
            row |= {"sd": part["gate"].std(ddof=0), "low": low, "high": high}
            rows.append(row | _with_face(part))
    return pd.DataFrame(rows)


def _with_face(part: pd.DataFrame) -> dict[str, float]:
    sized = part[part["face_share"].notna()].sort_values("scene", kind="stable")
    sizes = sized.groupby("scene").size()
    sized, sizes = sized[sized["scene"].map(sizes) >= FEWEST], sizes[sizes >= FEWEST].to_numpy()
    if len(sizes) < 2:
        return {}
    pairs = count_pairs(sized["gate"].to_numpy(), sized["face_share"].to_numpy(), sizes)
    rho = srcc(pairs, sizes)[:, None]  # (S, 1)
    low, high = interval(rho, "mean", RESAMPLES)[:, 0]
    return {"face_rho": over_scenes(rho.T, "mean")[0], "face_rho_low": low, "face_rho_high": high}


def gate_sentences(table: pd.DataFrame, branches: pd.DataFrame) -> list[str]:
    told = []
    for method, rows in table.groupby("method") if len(table) else ():
        whole = rows[rows["photos"] == "all"]
        width = (whole["high"] - whole["low"]).min()
        told.append(
            f"{method}: the gate {'moves' if width >= MOVES else 'hardly moves'}; 5 to 95 % of the photos lie within "
            f"{whole['low'].min():.2f} to {whole['high'].max():.2f} (mean {whole['mean'].mean():.2f}, least width of a "
            f"seed {width:.2f}, {MOVES:g} counts as moving)."
        )
        fixed = branches[(branches["method"] == method) & (branches["branch"] == "gate")]
        for row in fixed[(fixed["change"] == "mean") & (fixed["photos"] == "all")].to_dict("records"):
            words = ("its moving helps the order", "its moving hurts the order", "a use of its moving is not seen")
            told.append(
                f"{method}: {verdict(row, *words)}; the same mean gate for all photos costs "
                f"{_signed(row, 'mean')} mean SRCC."
            )
    return told


def scene_head_table(photos: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on held-out photos of known scenes, probability of the named scene and entropy, known and new."""
    rows = []
    heads = photos[(photos["branch"] == "") & photos["named"].notna()] if "named" in photos else photos[:0]
    for method, answers in heads.groupby("method", sort=False):
        known = answers[answers["known"]]
        chance = (1 / known.groupby("seed")["trained_scenes"].first()).mean()
        right = (known["named"] == known["scene"]).groupby(known["scene"]).mean()
        by_seed = (known["named"] == known["scene"]).groupby(known["seed"]).mean()
        low, high = interval(right.to_numpy()[:, None], "mean", RESAMPLES)[:, 0]
        row = {"method": method, "seeds": answers["seed"].nunique(), "photos": len(known), "accuracy": right.mean()}
        row |= {"low": low, "high": high, "seed_low": by_seed.min(), "seed_high": by_seed.max(), "chance": chance}
        for name, part in (("known", known), ("new", answers[~answers["known"]])):
            row |= {f"confidence_{name}": part["confidence"].mean(), f"entropy_{name}": part["entropy"].mean()}
        rows.append(row)
    return pd.DataFrame(rows)


def scene_head_sentences(table: pd.DataFrame) -> list[str]:
    told = []
    for row in table.to_dict("records"):
        knows = row["low"] > row["chance"] and row["seed_low"] > row["chance"]
        told.append(
            f"{row['method']}: the scene head {'knows' if knows else 'is not seen to know'} the scene; it names "
            f"{100 * row['accuracy']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}] of the held-out photos "
            f"rightly, by chance {100 * row['chance']:.0f} %; its mean probability is {row['confidence_known']:.2f} on "
            f"known and {row['confidence_new']:.2f} on new scenes."
        )
    return told


def augmentation_table(tta: pd.DataFrame) -> pd.DataFrame:
    """SRCC and cost of every setting, and what it gains on the first one."""
    rows = []
    for method, answers in tta.groupby("method", sort=False) if len(tta) else ():
        first = answers[answers["order"] == 0]
        for (_, name), part in answers.groupby(["order", "setting"]):
            scenes = scene_srcc(part, ["seed"])
            test = paired(scenes, scene_srcc(first, ["seed"]))
            row = {"method": method, "setting": name, "views": part["views"].iloc[0], "photos": len(part)}
            row |= {"ms": part["ms"].mean(), "times": part["ms"].mean() / first["ms"].mean(), "scenes": test["scenes"]}
            row |= {"median": scenes.groupby("scene")["srcc"].mean().median()}
            row |= {"mean": scenes.groupby("scene")["srcc"].mean().mean()}
            keep = ("mean_difference", "mean_low", "mean_high", "seed_low", "seed_high")
            rows.append(row | {name: test.get(name, np.nan) for name in keep})
    return pd.DataFrame(rows)


def augmentation_sentences(table: pd.DataFrame) -> list[str]:
    told = []
    for method, rows in table.groupby("method", sort=False) if len(table) else ():
        row = rows.iloc[-1].to_dict()
        told.append(
            f"{method}: {verdict(row, 'the views help', 'the views hurt', 'a gain is not seen')}; {row['setting']} "
            f"cost {row['times']:.1f} times the CPU of {rows.iloc[0]['setting']} ({row['ms']:.0f} and "
            f"{rows.iloc[0]['ms']:.0f} ms a photo) and change mean SRCC by {_signed(row, 'mean')}."
        )
    return told


def ensemble_table(members: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """The members of an ensemble, its average with and without z-normalisation, and raw with one member's unit changed.

    ``members``: frames ``scene, seed, image, jod, score`` of the same photos. ``spread`` is the mean over scenes of the
    standard deviation of the scores; differences are to the members' mean SRCC.
    """
    frames = list(members.values())
    loud = [*frames[:-1], frames[-1].assign(score=UNITS * frames[-1]["score"])]
    last = list(members)[-1]
    answers = dict(members) | {
        "averaged raw": average_frames(frames, normalise=False),
        "z-normalised, averaged": average_frames(frames),
        f"raw, {last} times {UNITS:g}": average_frames(loud, normalise=False),
        f"z-normalised, {last} times {UNITS:g}": average_frames(loud),
    }
    one = pd.concat([scene_srcc(frame, ["seed"]) for frame in frames])
    rows = []
    for arm, frame in answers.items():
        test = paired(scene_srcc(frame, ["seed"]), one.assign(seed=frame["seed"].iloc[0]))
        spread = frame.groupby("scene")["score"].std(ddof=0).mean()
        keep = ("scenes", "mean_difference", "mean_low", "mean_high", "seed_low", "seed_high")
        row = {"ensemble": name, "scores": arm, "spread": spread, "median": test["median_first"]}
        rows.append(row | {"mean": test["mean_first"]} | {word: test[word] for word in keep})
    return pd.DataFrame(rows)


def ensemble_sentences(table: pd.DataFrame) -> list[str]:
    told = []
    for name, rows in table.groupby("ensemble", sort=False) if len(table) else ():
        by = rows.set_index("scores")
        z, raw = by.loc["z-normalised, averaged"], by.loc["averaged raw"]
        loud = next(arm for arm in by.index if arm.startswith("raw, "))
        quiet = by.loc[loud.replace("raw", "z-normalised")]
        words = ("the average is ahead of its members", "behind its members", "a gain on its members is not seen")
        told.append(
            f"{name}: {verdict(z, *words)}; z-normalised a scene it reaches {z['mean']:.3f}, {_signed(z, 'mean')} on "
            f"the mean of the members; averaged raw {raw['mean']:.3f}. In another unit for one member, which a loss "
            f"that ranks cannot see, raw becomes {by.loc[loud, 'mean']:.3f}, z-normalised {quiet['mean']:.3f}."
        )
    return told


def _signed(row: pd.Series | dict, statistic: str) -> str:
    if row["scenes"] < 2:
        return "an unknown"
    low, high = row[f"{statistic}_low"], row[f"{statistic}_high"]
    return f"{row[f'{statistic}_difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
