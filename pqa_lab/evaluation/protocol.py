"""The challenge's protocol: one value a scene, then the median over scenes. Nothing is pooled over scenes.

JODs of two scenes are not comparable (survey, section 2), so a correlation over the images of several scenes has no
meaning here; the functions group by ``scene`` and there is no switch to turn that off.

*Stated*: SRCC, PLCC, KRCC (Table 1). *From public code and proved from the tables*: median over scenes, raw PLCC.
*Inferred*: the score of Table 2 is the median over scenes of the mean of the three (`table2_score_check`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.evaluation import metrics
from pqa_lab.evaluation.logistic import fit_logistic
from pqa_lab.evaluation.uncertainty import interval

HEADLINE = ["srcc", "plcc", "krcc", "challenge"]
METRICS = [*HEADLINE, "pairwise_accuracy", "top1", "plcc_logistic", "mae"]
_IMAGE = "image"


def per_scene(frame: pd.DataFrame, by: Sequence[str] = (), ties: str = "b", fit: bool = True) -> pd.DataFrame:
    """Agreement of score and JOD in every scene. Lessons 02, 03, 13, 14, 15.

    Parameters
    ----------
    frame : DataFrame
        One row an image: ``scene, score, jod``, and anything else; higher is better in both. With a column ``image``,
        an image that occurs twice in a scene is refused.
    by : sequence of str
        Columns that split the rows further, such as ``["method", "seed"]``.
    ties : {"b", "a", "gamma"}
        Kendall's treatment of ties (`pqa_lab.evaluation.metrics.krcc`). Spearman always uses average ranks.
    fit : bool
        Whether to fit the logistic of ``plcc_logistic`` and ``mae`` (milliseconds a scene).

    Returns
    -------
    DataFrame
        One row a scene, sorted: ``*by, scene, n, srcc, plcc, krcc, challenge`` (mean of these three),
        ``pairwise_accuracy``, ``top1``, then with ``fit`` ``plcc_logistic`` (negative where the fitted curve
        decreases) and ``mae`` (mean absolute error after the fit, in JOD), and ``undefined``: why the correlations are
        NaN (``"one image"``, ``"constant score"``, ``"constant jod"``) or ``""``.

    Raises
    ------
    InputError
        Columns or values missing, no row, or an image twice.

    Examples
    --------
    >>> frame = pd.DataFrame({"scene": "park", "score": [1.0, 2.0, 3.0], "jod": [-1.0, 2.0, 1.0]})
    >>> per_scene(frame)[["scene", "n", "srcc", "krcc"]].round(2).to_dict("records")
    [{'scene': 'park', 'n': 3, 'srcc': 0.5, 'krcc': 0.33}]
    """
    by = [by] if isinstance(by, str) else list(by)
    if ties not in metrics.TIES:
        raise InputError(f"ties must be one of {', '.join(metrics.TIES)}, not {ties!r}.")
    check_frame(frame, by)
    keys = [*by, "scene"]
    frame = frame.sort_values(keys, kind="stable")
    groups = frame.groupby(keys, sort=True, observed=True)
    table = groups.size().rename("n").reset_index()
    sizes, score, jod = table["n"].to_numpy(), *(frame[c].to_numpy(dtype=np.float64) for c in ("score", "jod"))

    pairs = metrics.count_pairs(score, jod, sizes)
    table["srcc"] = metrics.srcc(pairs, sizes)
    table["plcc"] = metrics.plcc(score, jod, sizes)
    table["krcc"] = metrics.krcc(pairs, ties)
    table["challenge"] = table[["srcc", "plcc", "krcc"]].mean(axis=1, skipna=False)
    table["pairwise_accuracy"] = metrics.pairwise_accuracy(pairs)
    table["top1"] = metrics.top1(score, jod, sizes)
    if fit:
        table["plcc_logistic"], table["mae"] = _after_fit(score, jod, sizes)
    table["undefined"] = np.select(
        [sizes < 2, metrics.constant(score, sizes), metrics.constant(jod, sizes)],
        ["one image", "constant score", "constant jod"],
        default="",
    )
    return table


def summarize(
    frame: pd.DataFrame, by: Sequence[str] = (), resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Median and mean over scenes of every metric, with bootstrap intervals over scenes. Lesson 03.

    Parameters
    ----------
    frame : DataFrame
        One row an image (`per_scene`'s input), or one row a scene (its output).
    by : sequence of str
        As in `per_scene`; one block of rows for each value.
    resamples, level, seed
        Of the bootstrap over scenes; ``resamples=0`` leaves the intervals NaN.

    Returns
    -------
    DataFrame
        Index ``(*by, metric)``; columns ``median, median_low, median_high, mean, mean_low, mean_high, scenes,
        undefined``. ``undefined`` counts the scenes whose value is NaN: they are in ``scenes`` but in no statistic, so
        a statistic with ``undefined > 0`` rests on ``scenes - undefined`` scenes. The row ``challenge`` holds the
        challenge's score: the median over scenes of the mean of SRCC, PLCC and KRCC.
    """
    by = [by] if isinstance(by, str) else list(by)
    scenes = frame if "srcc" in frame.columns else per_scene(frame, by)
    names = [name for name in METRICS if name in scenes.columns]
    rows = []
    for key, part in scenes.groupby(by, sort=True, observed=True) if by else [((), scenes)]:
        values = part[names].to_numpy(dtype=np.float64)  # (S, metrics)
        bounds = {s: interval(values, s, resamples, level, seed) for s in ("median", "mean")}
        for column, name in enumerate(names):
            defined = values[~np.isnan(values[:, column]), column]
            row = dict(zip(by, key, strict=True)) | {"metric": name}
            for statistic in ("median", "mean"):
                row[statistic] = getattr(np, statistic)(defined) if defined.size else np.nan
                row[f"{statistic}_low"], row[f"{statistic}_high"] = bounds[statistic][:, column]
            rows.append(row | {"scenes": len(part), "undefined": len(part) - defined.size})
    return pd.DataFrame(rows).set_index([*by, "metric"])


def challenge_score(frame: pd.DataFrame) -> float:
    """Score of the survey's Table 2 [inferred]: the median over scenes of the mean of SRCC, raw PLCC and KRCC."""
    scenes = frame if "challenge" in frame.columns else per_scene(frame, fit=False)
    return float(scenes["challenge"].median())


def check_frame(frame: pd.DataFrame, by: Sequence[str] = ()) -> None:
    """Raise `InputError` with one sentence if the frame cannot be evaluated, the columns ``by`` included."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"An evaluation needs a table with one row an image, not a {type(frame).__name__}.")
    missing = [c for c in (*by, "scene", "score", "jod") if c not in frame.columns]
    if missing:
        raise InputError(f"The table lacks {', '.join(missing)}; an evaluation needs scene, score and jod.")
    if frame.empty:
        raise InputError("The table has no row: there is nothing to evaluate.")
    for column in ("score", "jod"):
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise InputError(f"The column {column} holds something that is not a number; give numbers.")
    for column in (*by, "scene", "score", "jod"):
        values = frame[column]
        numbers = column in ("score", "jod")
        bad = ~np.isfinite(values.to_numpy(np.float64, na_value=np.nan)) if numbers else values.isna().to_numpy()
        if bad.any():
            where = "" if column == "scene" else f", the first in scene {frame.loc[bad, 'scene'].iloc[0]}"
            raise InputError(
                f"{int(bad.sum())} of {len(frame)} images have no {column}{where}; give every image one or drop it."
            )
    _check_duplicates(frame, [*by, "scene"])


def _check_duplicates(frame: pd.DataFrame, keys: list[str]) -> None:
    if _IMAGE in frame.columns:
        again = frame.duplicated([*keys, _IMAGE])
    else:
        # Without names, two equal rows may be honest ties; full-precision numbers that agree twice are not.
        precise = (frame["score"].round(6) != frame["score"]) & (frame["jod"].round(6) != frame["jod"])
        again = frame.duplicated([*keys, "score", "jod"]) & precise
    if again.any():
        scene = frame.loc[again.to_numpy(), "scene"].iloc[0]
        extra = "" if _IMAGE in frame.columns else " (same score and JOD)"
        raise InputError(
            f"{int(again.sum())} rows repeat an image{extra}, the first in scene {scene}; keep one of each."
        )


def _after_fit(score: np.ndarray, jod: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    linear, error = np.full(len(sizes), np.nan), np.full(len(sizes), np.nan)
    edges = np.cumsum(sizes)[:-1]
    for index, (x, y) in enumerate(zip(np.split(score, edges), np.split(jod, edges), strict=True)):
        fit = fit_logistic(x, y)
        if fit is not None:
            linear[index], error[index] = fit[1], np.abs(fit[0] - y).mean()
    return linear, error
