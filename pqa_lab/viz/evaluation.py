"""Figures of an evaluation: metrics a scene with intervals, and scores against JODs scene by scene.

Each function returns a plotly Figure; ``figure.layout.meta["text"]`` says the same in words.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene, summarize
from pqa_lab.viz.style import TEMPLATE, marker

NAMES = {
    "srcc": "SRCC",
    "plcc": "raw PLCC",
    "krcc": "KRCC",
    "challenge": "mean of SRCC, PLCC and KRCC",
    "pairwise_accuracy": "pairwise accuracy",
    "top1": "top-1",
    "plcc_logistic": "PLCC after the logistic fit",
    "mae": "MAE after the logistic fit, JOD",
}
MAX_PANELS = 8


def forest_figure(
    frame: pd.DataFrame,
    metric: str = "srcc",
    by: str = "method",
    statistic: str = "median",
    level: float = 0.95,
    resamples: int = 10_000,
) -> go.Figure:
    """One row a method: every scene as a faint mark, the median (or mean) over scenes with its interval on top.

    Parameters
    ----------
    frame : DataFrame
        One row an image or one row a scene (see `pqa_lab.evaluation.summarize`), with the column ``by``; without that
        column it is one method.
    metric : str
        A column of `per_scene`.
    by, statistic, level, resamples
        As in `pqa_lab.evaluation.summarize`; ``statistic`` is "median" or "mean".

    Returns
    -------
    go.Figure
    """
    if by not in frame.columns:
        frame = frame.assign(**{by: "all"})
    scenes = frame if metric in frame.columns else per_scene(frame, [by], fit=metric in ("plcc_logistic", "mae"))
    if metric not in scenes.columns:
        raise InputError(f"There is no metric {metric!r}; choose one of {', '.join(NAMES)}.")
    summary = summarize(scenes[[by, "scene", metric]].assign(srcc=scenes[metric]), [by], resamples, level)
    summary = summary.xs(metric, level="metric").sort_values(statistic, ascending=metric != "mae")
    figure, lines, label = go.Figure(), [], NAMES.get(metric, metric)
    for row, (method, line) in enumerate(summary.iterrows()):
        values = scenes.loc[scenes[by] == method, [metric, "scene"]].dropna()
        wiggle = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(len(values))
        order = np.argsort(np.random.default_rng(0).random(len(values)))
        figure.add_scatter(
            x=values[metric],
            y=row + wiggle[order],
            mode="markers",
            marker=marker(row, opacity=0.35, size=6),
            text=[f"scene {s}" for s in values["scene"]],
            hovertemplate="%{text}: %{x:.3f}",
            name=f"{method}: scenes",
            legendgroup=str(method),
            showlegend=False,
        )
        low, high, centre = line[f"{statistic}_low"], line[f"{statistic}_high"], line[statistic]
        figure.add_scatter(
            x=[centre],
            y=[row],
            error_x={
                "type": "data",
                "array": [high - centre],
                "arrayminus": [centre - low],
                "thickness": 3,
                "width": 7,
            },
            mode="markers",
            marker=marker(row, size=13, line={"width": 1.5, "color": "white"}),
            name=str(method),
            legendgroup=str(method),
        )
        undefined = f", {line['undefined']:.0f} of {line['scenes']:.0f} scenes undefined" if line["undefined"] else ""
        lines.append(f"{method} {centre:.3f} ({low:.3f} to {high:.3f}{undefined})")
    figure.update_layout(
        template=TEMPLATE,
        title=f"{label}: {statistic} over scenes, {100 * level:g} % interval",
        xaxis_title=label,
        yaxis={"tickvals": list(range(len(summary))), "ticktext": [str(m) for m in summary.index], "title": by},
        height=150 + 55 * len(summary),
        meta={
            "text": f"{label}, {statistic} over scenes with {100 * level:g} % bootstrap interval, best first: "
            f"{'; '.join(reversed(lines))}. Faint marks are single scenes."
        },
    )
    return figure


def scene_figure(frame: pd.DataFrame, scenes: list[object] | None = None) -> go.Figure:
    """Score against JOD, one panel a scene, since neither axis is comparable between scenes.

    Parameters
    ----------
    frame : DataFrame
        One row an image: ``scene, score, jod``.
    scenes : list, optional
        Which to draw; default at most eight, spread from the worst SRCC to the best.

    Returns
    -------
    go.Figure
    """
    found = per_scene(frame, fit=False).sort_values("srcc", na_position="first").reset_index(drop=True)
    if scenes is None:
        found = found.iloc[np.unique(np.linspace(0, len(found) - 1, min(MAX_PANELS, len(found))).round().astype(int))]
        told = "from the worst to the best"
    else:
        missing = [s for s in scenes if s not in set(found["scene"])]
        if missing:
            raise InputError(f"There is no scene {missing[0]} in the table; choose among those of the column scene.")
        found, told = found.set_index("scene").loc[scenes].reset_index(), "as chosen"
    columns = min(4, len(found))
    srcc = [f"SRCC {r:.2f}" if np.isfinite(r) else "SRCC undefined" for r in found["srcc"]]
    titles = [f"{scene}<br>{r}" for scene, r in zip(found["scene"], srcc, strict=True)]
    figure = make_subplots(ceil(len(found) / columns), columns, subplot_titles=titles, horizontal_spacing=0.06)
    for index, scene in enumerate(found["scene"]):
        part = frame[frame["scene"] == scene]
        row, column = index // columns + 1, index % columns + 1
        figure.add_scatter(
            x=part["score"],
            y=part["jod"],
            mode="markers",
            marker=marker(index, size=7, opacity=0.8),
            name=str(scene),
            row=row,
            col=column,
        )
        figure.update_xaxes(title_text="score", row=row, col=column)
        if column == 1:
            figure.update_yaxes(title_text="JOD", row=row, col=column)
    pairs = "; ".join(f"{scene}: {r}" for scene, r in zip(found["scene"], srcc, strict=True))
    figure.update_layout(
        template=TEMPLATE,
        title="Score against JOD, scene by scene",
        showlegend=False,
        height=120 + 260 * ceil(len(found) / columns),
        meta={"text": f"Score against JOD in {len(found)} scenes, {told}, one panel each. {pairs}."},
    )
    return figure
