"""What the benchmark's cells say: the table, the set ranker against the others, and the survey's claims.

One rule throughout: the value of a scene is the mean over the seeds that scored it (in a Latin square of three seeds
one of them does, of the challenge's scenes all three do); a statistic is taken over scenes; its interval is a bootstrap
over scenes, which holds the trained models fixed, so a verdict also asks every seed. The table gives medians, as the
survey does. Differences are means over scenes of the paired differences: a median over groups of seven photos moves in
steps of the lattice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from pqa_lab.evaluation.compare import _holm, paired_test
from pqa_lab.evaluation.protocol import HEADLINE, per_scene
from pqa_lab.evaluation.survey import table1
from pqa_lab.evaluation.uncertainty import interval, replicates

PARTS = ("known", "new_device", "new_scene", "new_scene_all", "challenge")
SHIFTS = ("new_device", "new_scene_all", "challenge")
PUBLISHED = (*table1()["key"], "liqe")
OURS = "set_ranker"
TEST = ["difference", "low", "high", "p_permutation", "scenes", "seed_low", "seed_high"]


def scene_table(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a method, seed, part and scene: ``n`` and the four headline metrics. Lesson 14.

    A run whose scores are constant in a scene (no correlation is defined) earns 0 there: it ranked nothing.
    """
    scenes = per_scene(cells, by=["method", "seed", "part"], fit=False)
    return scenes.assign(**scenes[HEADLINE].fillna(0.0))


def results_table(cells: pd.DataFrame, resamples: int = 10_000) -> pd.DataFrame:
    """One row a method and part, in the order of the cells. Lesson 13.

    Returns
    -------
    DataFrame
        ``method, part, seeds, scenes, n`` (mean images a scene); ``srcc, srcc_low, srcc_high, plcc, krcc, challenge``
        with bounds (medians over scenes), ``srcc_mean`` with bounds; ``drop, drop_low, drop_high``: mean over scenes of
        SRCC when known minus SRCC now, the same photos (NaN for parts of other photos); ``parameters``, ``fit_seconds``
        (CPU, a run) and ``score_seconds`` (CPU, a photo).
    """
    scenes = scene_table(cells)
    cost = cells.groupby(["method", "seed"])[["parameters", "fit_seconds", "score_seconds"]].first()
    cost = cost.groupby("method").mean()
    seeds = cells.groupby("method")["seed"].nunique()
    rows = []
    for method in cells["method"].unique():
        for part in PARTS:
            runs = _take(scenes, method, part)
            if runs.empty:
                continue
            of_part = over_seeds(runs)
            row = {"method": method, "part": part, "seeds": seeds[method], "scenes": len(of_part)}
            row["n"] = of_part["n"].mean()
            medians, (low, high) = (
                of_part[HEADLINE].median(),
                interval(of_part[HEADLINE].to_numpy(), "median", resamples),
            )
            for column, metric in enumerate(HEADLINE):
                row |= {metric: medians[metric], f"{metric}_low": low[column], f"{metric}_high": high[column]}
            bounds = interval(of_part[["srcc"]].to_numpy(), "mean", resamples)[:, 0]
            row |= {"srcc_mean": of_part["srcc"].mean(), "srcc_mean_low": bounds[0], "srcc_mean_high": bounds[1]}
            same_photos = part in ("new_device", "new_scene")
            drop = difference(_take(scenes, method, "known"), runs, resamples) if same_photos else _nothing()
            row |= {"drop": drop["difference"], "drop_low": drop["low"], "drop_high": drop["high"]}
            rows.append(row | cost.loc[method].to_dict())
    return pd.DataFrame(rows)


def versus(
    cells: pd.DataFrame, ours: str = OURS, parts: Sequence[str] = PARTS, resamples: int = 10_000
) -> pd.DataFrame:
    """One method against every other, part by part.

    Returns
    -------
    DataFrame
        ``part, against, difference`` (mean SRCC, ours minus theirs), ``low, high, p_permutation, scenes, seed_low,
        seed_high, p_holm`` (corrected for the methods of the part), ``ahead``: `verdict` is "supported".
    """
    scenes, tables = scene_table(cells), []
    for part in parts:
        mine = _take(scenes, ours, part)
        others = [name for name in cells["method"].unique() if name != ours]
        rows = [
            {"part": part, "against": o} | difference(mine, _take(scenes, o, part), resamples).to_dict() for o in others
        ]
        table = pd.DataFrame(rows).dropna(subset=["difference"]) if rows and len(mine) else pd.DataFrame()
        if len(table):
            tables.append(
                table.assign(
                    p_holm=_holm(table["p_permutation"].to_numpy()), ahead=table.apply(verdict, axis=1) == "supported"
                )
            )
    columns = ["part", "against", *TEST, "p_holm", "ahead"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def claims(cells: pd.DataFrame, resamples: int = 10_000) -> pd.DataFrame:
    """The survey's claims, and ours, with what this benchmark says of them.

    Returns
    -------
    DataFrame
        ``claim, measured, difference, low, high, p_permutation, scenes, seed_low, seed_high, verdict``: "supported" if
        the 95 % interval over scenes and every seed lie above 0, "reversed" if below, "not run" without the cells,
        otherwise "not seen".
    """
    scenes = scene_table(cells)
    published = [name for name in cells["method"].unique() if name in PUBLISHED]
    lines = [
        (
            "Methods lose when the scene is new",
            "mean of all published methods",
            *_pooled(scenes, published, "new_scene"),
        )
    ]
    lines += [("Methods lose when the scene is new", name, *_pooled(scenes, [name], "new_scene")) for name in published]
    lines += [
        ("... and when the devices are new", "mean of all published methods", *_pooled(scenes, published, "new_device"))
    ]
    for first, second in (("rqnet", "rqnet_mse"), ("hyperiqa_ssi", "hyperiqa_mse")):
        for part in ("new_scene_all", "challenge"):
            lines.append(_pair(scenes, "Scale-shift invariance helps across scenes", first, second, part))
    for first, second in (("fhiqa", "sem_hyperiqa"), ("sem_hyperiqa", "hyperiqa"), ("fhiqa", "hyperiqa")):
        for part in ("new_scene_all", "challenge"):
            lines.append(_pair(scenes, "FULL over SEM over HyperIQA on new scenes", first, second, part))
    for part in SHIFTS:
        best = _best(scenes, published, part)
        lines.append(_pair(scenes, "Ours: scoring the group together is ahead of all", OURS, best, part))
    for name in ("set_ranker_absolute", "set_ranker_no_attention", "set_ranker_alone"):
        lines.append(_pair(scenes, "Ours: each idea of the set ranker helps", OURS, name, "new_scene_all"))
    lines.append(_pair(scenes, "Ours: each idea of the set ranker helps", "set_ranker_four", OURS, "new_scene_all"))
    rows = []
    for claim, measured, first, second in lines:
        test = difference(first, second, resamples)
        rows.append({"claim": claim, "measured": measured} | test.to_dict() | {"verdict": verdict(test)})
    return pd.DataFrame(rows)


def order_kept(cells: pd.DataFrame, resamples: int = 2000) -> pd.Series:
    """Does the order of the published methods on known scenes predict theirs on the challenge's?

    Spearman between the two columns of mean SRCC; the interval resamples the scenes of both. The survey's Table 2 gives
    it for the methods and data of the paper (`pqa_lab.evaluation.rank_reversal`).
    """
    scenes, found = scene_table(cells), {}
    published = [name for name in cells["method"].unique() if name in PUBLISHED]
    for part in ("known", "challenge"):
        wide = scenes[(scenes["part"] == part) & scenes["method"].isin(published)]
        wide = wide.pivot_table("srcc", "scene", "method").reindex(columns=published).dropna()  # mean over seeds
        if len(wide) < 2 or len(published) < 3:
            return pd.Series({"spearman": np.nan, "low": np.nan, "high": np.nan, "methods": len(published)})
        means = wide.mean().to_numpy()[None]
        found[part] = np.concatenate(
            [means, replicates(wide.to_numpy(), "mean", resamples, seed=len(part))]
        )  # (1 + R, M)
    ranks = [stats.rankdata(values, axis=1) for values in found.values()]
    centred = [r - r.mean(axis=1, keepdims=True) for r in ranks]
    # the correlation of the ranks, row by row
    rho = (centred[0] * centred[1]).sum(1) / np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))  # (1 + R,)
    low, high = np.quantile(rho[1:], [0.025, 0.975])
    return pd.Series({"spearman": rho[0], "low": low, "high": high, "methods": len(published)})


def over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a scene: the mean over the seeds that scored it."""
    return runs.groupby("scene", as_index=False).agg(n=("n", "first"), **{m: (m, "mean") for m in HEADLINE})


def difference(first: pd.DataFrame, second: pd.DataFrame, resamples: int = 10_000) -> pd.Series:
    """`paired_test` of mean SRCC over the scenes that both have (all, when the three folds are complete). Lesson 14.

    ``seed_low, seed_high``: least and largest difference of a seed, as the interval knows nothing of other trainings.
    """
    a, b = over_seeds(first).set_index("scene"), over_seeds(second).set_index("scene")
    both = a.index.intersection(b.index)
    if both.empty:
        return _nothing()
    test = paired_test(a.loc[both].reset_index(), b.loc[both].reset_index(), "srcc", "mean", resamples)[TEST[:-2]]
    by_seed = []
    for seed, runs in second[second["scene"].isin(both)].groupby("seed"):
        partners = first[first["scene"].isin(runs["scene"])]
        same = partners[partners["seed"] == seed]  # empty for a drop: known and new are two runs by design
        partners = (same if len(same) else partners).groupby("scene")["srcc"].mean()
        by_seed.append((partners - runs.set_index("scene")["srcc"]).mean())
    return pd.concat([test, pd.Series({"seed_low": min(by_seed), "seed_high": max(by_seed)})])


def verdict(test: pd.Series) -> str:
    """ "supported" or "reversed" only if the interval over scenes and every seed say so. Lesson 14."""
    if not test["scenes"]:
        return "not run"
    if test["low"] > 0 and test["seed_low"] > 0:
        return "supported"
    return "reversed" if test["high"] < 0 and test["seed_high"] < 0 else "not seen"


def _nothing() -> pd.Series:
    return pd.Series(dict.fromkeys(TEST, np.nan) | {"scenes": 0})


def _take(scenes: pd.DataFrame, method: str | None, part: str) -> pd.DataFrame:
    return scenes[(scenes["method"] == method) & (scenes["part"] == part)]


def _pooled(scenes: pd.DataFrame, methods: Sequence[str], part: str) -> list[pd.DataFrame]:
    """Scenes as known and as ``part``, SRCC averaged over the methods that have both."""
    chosen = scenes[scenes["method"].isin(methods)]
    return [
        chosen[chosen["part"] == name]
        .groupby(["scene", "seed"], as_index=False)
        .agg(n=("n", "first"), **{m: (m, "mean") for m in HEADLINE})
        for name in ("known", part)
    ]


def _pair(scenes: pd.DataFrame, claim: str, first: str, second: str | None, part: str) -> tuple:
    return claim, f"{first} - {second}, {part}", _take(scenes, first, part), _take(scenes, second, part)


def _best(scenes: pd.DataFrame, methods: Sequence[str], part: str) -> str | None:
    chosen = scenes[(scenes["part"] == part) & scenes["method"].isin(methods)]
    means = chosen.groupby(["method", "scene"])["srcc"].mean().groupby("method").mean()
    return means.idxmax() if len(means) else None
