"""What every study returns, and the one statistic that they share: a contrast of groups, paired inside scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene, replicates

if TYPE_CHECKING:
    import plotly.graph_objects as go

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass
class Finding:
    """A study's answer.

    Attributes
    ----------
    study : str
        Key in ``STUDIES``.
    reading : str
        One sentence, computed from ``table``.
    table : DataFrame
        The numbers that ``figure`` draws, one row a group or a difference of two.
    scores : DataFrame
        One row an image and model: all that is needed to compute the study again.
    draw : dict
        How `pqa_lab.viz.generalization.study_figure` draws it.
    """

    study: str
    reading: str
    table: pd.DataFrame
    scores: pd.DataFrame
    draw: dict[str, Any] = field(default_factory=dict)

    @property
    def figure(self) -> go.Figure:
        """A plotly figure; its ``layout.meta["text"]`` says the same in words."""
        from pqa_lab.viz.generalization import study_figure

        return study_figure(self)


def need(frame: pd.DataFrame, study: str, columns: Sequence[str]) -> None:
    """Refuse a table that lacks a column, or whose column is null.

    Raises
    ------
    InputError
        One sentence that names the study and the column.
    """
    if len(frame) == 0:
        raise InputError(f"The study {study!r} has no image to look at: give it rows.")
    for column in columns:
        if column not in frame.columns:
            raise InputError(f"The study {study!r} needs the column {column!r}, which these rows do not have.")
        missing = int(frame[column].isna().sum())
        if missing:
            raise InputError(
                f"The study {study!r} needs the column {column!r}, but it is empty in {missing} of {len(frame)} rows: "
                "complete it, or drop those rows."
            )


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a ``seed`` (0 where nobody says it): studies average over seeds before they look at scenes."""
    seed = frame["seed"].fillna(0) if "seed" in frame.columns else 0
    return frame.assign(seed=seed)


def per_scene_by(frame: pd.DataFrame, by: Sequence[str], metric: str = "srcc") -> pd.DataFrame:
    """A metric in every scene, averaged over seeds: one row a scene, one column a value of ``by``.

    ``by`` may hold further columns before the last; they are averaged over too, like the seed.
    """
    table = per_scene(frame, ["seed", *by], fit=metric in ("mae", "plcc_logistic"))
    return wide(table, by[-1], metric)


def wide(table: pd.DataFrame, columns: str, values: str) -> pd.DataFrame:
    """Mean of ``values`` in every scene (rows) and group (columns); NaN where there is none."""
    return table.groupby(["scene", columns], observed=True)[values].mean().unstack()


def contrast(
    groups: pd.DataFrame, pairs: Sequence[tuple[Any, Any]] = (), level: float = LEVEL, seed: int = 0
) -> pd.DataFrame:
    """Mean over scenes of every column, and of the differences of some, with bootstrap intervals over scenes.

    Parameters
    ----------
    groups : DataFrame
        One row a scene, one column a group; NaN where a scene has no value.
    pairs : sequence of (a, b)
        Differences ``a - b`` to add; a scene counts only where it has both, so scenes differ in nothing else.

    Returns
    -------
    DataFrame
        ``group, value, low, high, scenes`` (with a value), ``undefined`` (without), ``is_difference``.
    """
    whole = groups.astype(float)
    for a, b in pairs:
        whole = pd.concat([whole, (groups[a] - groups[b]).rename(minus(a, b))], axis=1)
    draws = replicates(whole.to_numpy(), "mean", RESAMPLES, seed)  # (R, groups)
    low, high = np.transpose([bounds(*column, level) for column in zip(draws.T, whole.notna().sum(), strict=True)])
    return pd.DataFrame(
        {
            "group": [str(name) for name in whole.columns],
            "value": whole.mean().to_numpy(),
            "low": low,
            "high": high,
            "scenes": whole.notna().sum().to_numpy(),
            "undefined": whole.isna().sum().to_numpy(),
            "is_difference": [False] * groups.shape[1] + [True] * len(pairs),
        }
    )


def bounds(draws: np.ndarray, scenes: int, level: float = LEVEL) -> tuple[float, float]:
    r"""Percentile interval of bootstrapped means of ``scenes`` values, widened for their small number.

    .. math:: \alpha'/2 = \Phi\left(-\sqrt{n / (n - 1)}\; t_{1 - \alpha/2,\, n - 1}\right)

    The plain percentiles of few scenes cover too little. This is Hesterberg's expanded percentile interval (The
    American Statistician 69, 2015). Coverage of a mean of normal values where 95 % is meant, plain and expanded, in
    1,000 worlds: 4 scenes 80 and 87 %, 5: 85 and 93, 9: 91 and 95, 12: 91 and 94, 40: 94 and 95. NaN below two scenes.
    """
    if scenes < 2 or np.isnan(draws).all():
        return float("nan"), float("nan")
    tail = norm.cdf(-np.sqrt(scenes / (scenes - 1)) * t.ppf((1 + level) / 2, scenes - 1))
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def minus(a: Any, b: Any) -> str:
    """Name of a difference."""
    return f"{a} − {b}"


def resolved(row: pd.Series) -> bool:
    """Whether the interval of a difference leaves 0 out."""
    return bool(row["low"] > 0 or row["high"] < 0)


def told(row: pd.Series, digits: int = 2) -> str:
    """``-0.12 (-0.20 to -0.03, 12 scenes)``."""
    value, low, high = (f"{row[name]:+.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high}, {row['scenes']:.0f} scenes)"


def verdict(row: pd.Series, down: str, up: str) -> str:
    """A difference in words: ``down`` below 0, ``up`` above; an interval that covers 0 resolves nothing."""
    if np.isnan(row["low"]):
        return f"{row['group']} cannot be judged: {row['scenes']:.0f} scenes have both"
    if not resolved(row):
        return f"no effect is resolved, as {row['group']} is {told(row)} and covers 0"
    return f"{down if row['value'] < 0 else up}, as {row['group']} is {told(row)}"


def uncounted(table: pd.DataFrame) -> str:
    """The scenes that no statistic holds, as the end of a sentence."""
    most = int(table["undefined"].max())
    return f"; in up to {most} scenes a value is undefined and left out" if most else ""
