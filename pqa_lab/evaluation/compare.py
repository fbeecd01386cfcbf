"""Is one method better than another? Paired over the same scenes, never two intervals held side by side.

Scenes differ more from each other than methods do, so the two values of a scene are kept together: a bootstrap over
scenes for the interval of the difference, a permutation of the two methods inside scenes for its p-value, and
Wilcoxon's signed-rank test as the textbook's second opinion.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from pqa_lab.errors import InputError
from pqa_lab.evaluation.protocol import per_scene
from pqa_lab.evaluation.uncertainty import check_statistic, over_scenes, replicates

_CHUNK = 2_000_000  # swaps drawn at a time, so that memory does not grow with the resamples


def paired_test(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metric: str = "srcc",
    statistic: str = "median",
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.Series:
    """Compare two methods on the same scenes. Lesson 03.

    Parameters
    ----------
    first, second : DataFrame
        One row an image (``scene, score, jod``) or one row a scene (`per_scene`'s output).
    metric : str
        A column of `per_scene`.
    statistic : {"median", "mean"}
        Over scenes; the difference tested is that of the two statistics, as a table would show it.
    resamples, level, seed
        Of the bootstrap over scenes, and of the permutations.

    Returns
    -------
    Series
        ``difference`` (first minus second), ``low, high`` (paired bootstrap over scenes), ``p_bootstrap``,
        ``p_permutation`` (methods swapped inside scenes), ``p_wilcoxon``, ``scenes`` used, ``undefined`` left out
        because either value is NaN. All p-values are two-sided.

    Raises
    ------
    InputError
        The scenes, or the number of images in one, differ between the two.
    """
    check_statistic(statistic)
    a, b = (_scene_values(table, metric) for table in (first, second))
    _check_same(a, b)
    values = np.stack([a[metric], b.loc[a.index, metric]], axis=1).astype(np.float64)  # (S, 2)
    undefined = np.isnan(values).any(axis=1)
    values = values[~undefined]
    if not len(values):
        raise InputError(f"No scene has a defined {metric} for both methods, so there is nothing to compare.")
    difference = over_scenes(values[:, 0], statistic) - over_scenes(values[:, 1], statistic)
    replicate = -np.diff(replicates(values, statistic, resamples, seed), axis=1)[:, 0]  # (R,)
    low, high = np.quantile(replicate, [(1 - level) / 2, (1 + level) / 2])
    one_sided = min((replicate <= 0).sum(), (replicate >= 0).sum())
    same = np.array_equal(values[:, 0], values[:, 1])
    return pd.Series(
        {
            "difference": difference,
            "low": low,
            "high": high,
            "p_bootstrap": min(1.0, 2 * (one_sided + 1) / (resamples + 1)),
            "p_permutation": _permutation(values, statistic, difference, resamples, seed),
            "p_wilcoxon": 1.0 if same else float(stats.wilcoxon(values[:, 0], values[:, 1]).pvalue),
            "scenes": len(values),
            "undefined": int(undefined.sum()),
        }
    )


def compare(
    frame: pd.DataFrame,
    metric: str = "srcc",
    statistic: str = "median",
    by: str = "method",
    resamples: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """`paired_test` of every two methods.

    Parameters
    ----------
    frame : DataFrame
        One row an image and method, or one row a scene and method; the column ``by`` names the method.
    metric, statistic, resamples, seed
        As in `paired_test`.

    Returns
    -------
    DataFrame
        One row a pair: ``first, second``, `paired_test`'s columns, and ``p_holm``: the permutation p-value corrected
        for the number of pairs (Holm).
    """
    scenes = frame if metric in frame.columns else per_scene(frame, [by], fit=metric in ("plcc_logistic", "mae"))
    parts = {name: part for name, part in scenes.groupby(by, sort=False, observed=True)}
    if len(parts) < 2:
        raise InputError(f"A comparison needs two methods in the column {by}; there is {len(parts)}.")
    rows = [
        {"first": a, "second": b} | paired_test(parts[a], parts[b], metric, statistic, resamples, seed=seed).to_dict()
        for a, b in combinations(parts, 2)
    ]
    table = pd.DataFrame(rows)
    table["p_holm"] = _holm(table["p_permutation"].to_numpy())
    return table


def _permutation(values: np.ndarray, statistic: str, difference: float, resamples: int, seed: int) -> float:
    """Share of random swaps of the two methods inside scenes whose difference is at least as large."""
    rng, extreme, step = np.random.default_rng(seed), 0, max(1, _CHUNK // len(values))
    for start in range(0, resamples, step):
        swap = rng.random((min(step, resamples - start), len(values))) < 0.5  # (R, S)
        a, b = np.where(swap, values[:, 1], values[:, 0]), np.where(swap, values[:, 0], values[:, 1])
        permuted = over_scenes(a, statistic) - over_scenes(b, statistic)  # (R,)
        extreme += int((np.abs(permuted) >= abs(difference) - 1e-12).sum())
    return (extreme + 1) / (resamples + 1)


def _scene_values(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    scenes = table if metric in table.columns else per_scene(table, fit=metric in ("plcc_logistic", "mae"))
    if metric not in scenes.columns:
        raise InputError(f"There is no metric {metric!r}; choose one of the columns of per_scene.")
    if scenes["scene"].duplicated().any():
        raise InputError(
            "A scene occurs twice in one method's table; compare one seed at a time, or average them first."
        )
    return scenes.set_index("scene")


def _check_same(a: pd.DataFrame, b: pd.DataFrame) -> None:
    only = [list(x.index.difference(y.index)) for x, y in ((a, b), (b, a))]
    if any(only):
        told = " and ".join(
            f"{len(scenes)} only in the {which} (such as {scenes[0]})"
            for scenes, which in zip(only, ("first", "second"), strict=True)
            if scenes
        )
        raise InputError(f"The two methods were scored on different scenes: {told}; score both on the same ones.")
    if "n" in a.columns and "n" in b.columns:
        other = b.loc[a.index, "n"]
        for scene in a.index[a["n"] != other]:
            raise InputError(
                f"Scene {scene} has {a.loc[scene, 'n']} images in the first method and {other[scene]} in the second; "
                "score both on the same images."
            )


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty_like(p)
    out[order] = np.minimum(adjusted, 1.0)
    return out
