"""Figures of the generalization studies: groups and differences with intervals, or one mark a scene.

`study_figure` returns a plotly Figure; ``figure.layout.meta["text"]`` holds the study's reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.viz.style import TEMPLATE, marker

if TYPE_CHECKING:
    from pqa_lab.generalization import Finding

LABELS = {"mae": "MAE as scored", "mae_own_scale": "MAE on the scene's own scale", "srcc": "SRCC"}


def study_figure(finding: Finding) -> go.Figure:
    """The figure of a study: ``finding.draw`` says which kind, with which axis and title."""
    draw = finding.draw
    if draw.get("kind") == "scatter":
        figure = _scatter(finding.table, draw["x"], draw["y"], draw["axis"])
    else:
        figure = _intervals(finding.table, draw["axis"])
    title = draw["title"] + _who(finding.scores)
    figure.update_layout(template=TEMPLATE, title=title, meta={"text": finding.reading}, margin={"t": 60})
    return figure


def _who(scores: pd.DataFrame) -> str:
    """``: hyperiqa, 3 seeds`` where the scores say it."""
    if "method" not in scores.columns:
        return ""
    seeds = scores["seed"].nunique() if "seed" in scores.columns else 0
    methods = sorted({str(name).split(",")[0] for name in scores["method"]})  # a saved one also names the fold
    return f": {', '.join(methods)}" + (f", {seeds} seed{'s' if seeds > 1 else ''}" if seeds else "")


def _intervals(table: pd.DataFrame, axis: str) -> go.Figure:
    """One line a group with its interval, the first on top; differences have another mark, and a line at 0."""
    figure, last = go.Figure(), len(table) - 1
    for index, (name, differences) in enumerate((("group", False), ("difference", True))):
        at = np.flatnonzero(table["is_difference"].to_numpy(bool) == differences)
        part = table.iloc[at]
        if not len(part):
            continue
        figure.add_scatter(
            x=part["value"],
            y=last - at,
            mode="markers",
            error_x={
                "type": "data",
                "array": (part["high"] - part["value"]).to_numpy(),
                "arrayminus": (part["value"] - part["low"]).to_numpy(),
                "thickness": 2.5,
                "width": 6,
            },
            marker=marker(index, size=11),
            text=[f"{group}, {scenes} scenes" for group, scenes in zip(part["group"], part["scenes"], strict=True)],
            hovertemplate="%{text}: %{x:.3f}<extra></extra>",
            name=name,
        )
    if table["is_difference"].any():
        figure.add_vline(0, line={"color": "grey", "width": 1, "dash": "dot"})
    ticks = [f"{group} (n = {scenes})" for group, scenes in zip(table["group"], table["scenes"], strict=True)]
    figure.update_layout(
        xaxis_title=axis,
        yaxis={
            "tickvals": list(range(last, -1, -1)),
            "ticktext": ticks,
            "automargin": True,
            "range": [-0.6, last + 0.6],
        },
        legend={"orientation": "h", "y": -0.25},
        height=190 + 34 * len(table),
    )
    return figure


def _scatter(table: pd.DataFrame, x: str, columns: list[str], axis: str) -> go.Figure:
    """One mark a scene for each column."""
    figure = go.Figure()
    for index, column in enumerate(columns):
        figure.add_scatter(
            x=table[x],
            y=table[column],
            mode="markers",
            marker=marker(index, size=9, opacity=0.8),
            text=[f"scene {scene}" for scene in table["scene"]],
            hovertemplate="%{text}: %{x:.2f}, %{y:.2f}",
            name=LABELS.get(column, column),
        )
    figure.update_layout(xaxis_title=LABELS.get(x, x), yaxis_title=axis, legend={"orientation": "h", "y": -0.25})
    return figure
