"""The benchmark's figures: known beside new, and whether chances of winning come true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.evaluation.benchmark_tables import PARTS
from pqa_lab.viz.style import TEMPLATE, marker

NAMES = {
    "known": "known scene and devices",
    "new_device": "same photos, new devices",
    "new_scene": "same photos, new scene",
    "new_scene_all": "new scenes, all photos",
    "challenge": "challenge-like: new scenes, people, high-end devices",
}


def known_new_figure(table: pd.DataFrame) -> go.Figure:
    """Median SRCC of every method on each part, with intervals; `results_table`'s output."""
    methods = list(dict.fromkeys(table["method"]))
    figure, words = go.Figure(), []
    for i, part in enumerate(name for name in PARTS if (table["part"] == name).any()):
        of_part = table[table["part"] == part].set_index("method").reindex(methods)
        figure.add_scatter(
            x=of_part["srcc"],
            y=np.arange(len(methods)) + 0.14 * (2 - i),
            error_x={
                "type": "data",
                "array": of_part["srcc_high"] - of_part["srcc"],
                "arrayminus": of_part["srcc"] - of_part["srcc_low"],
                "thickness": 1.5,
                "width": 3,
            },
            mode="markers",
            marker=marker(i, size=10),
            name=NAMES[part],
            text=methods,
            hovertemplate="%{text}: %{x:.3f}",
        )
        best = of_part["srcc"].idxmax()
        words.append(f"{NAMES[part]}: {of_part['srcc'].min():.2f} to {of_part['srcc'].max():.2f}, best {best}")
    text = f"SRCC on simulated scenes, median over scenes with 95 % interval, {len(methods)} rows. {'; '.join(words)}."
    figure.update_layout(
        template=TEMPLATE,
        title="Known beside new (simulation, not PIQ23)",
        xaxis_title="SRCC, median over scenes",
        yaxis={"tickvals": list(range(len(methods))), "ticktext": methods, "autorange": "reversed"},
        legend={"orientation": "h", "y": -0.12},
        height=220 + 46 * len(methods),
        meta={"text": text},
    )
    return figure


def calibration_figure(curves: dict[str, pd.DataFrame], errors: dict[str, dict]) -> go.Figure:
    """Share of votes that the favourite won against its predicted chance; `calibration_curve`'s output by name."""
    figure, words = go.Figure(), []
    figure.add_scatter(
        x=[0.5, 1], y=[0.5, 1], mode="lines", line={"dash": "dash", "color": "#777"}, name="as predicted"
    )
    for i, (name, curve) in enumerate(curves.items()):
        figure.add_scatter(
            x=curve["chance"],
            y=curve["share"],
            mode="markers+lines",
            marker=marker(i, size=10),
            line={"color": marker(i)["color"]},
            name=NAMES.get(name, name),
            text=[f"{votes} votes" for votes in curve["votes"]],
            hovertemplate="predicted %{x:.2f}, came true %{y:.2f}, %{text}",
        )
        e = errors[name]
        words.append(
            f"{NAMES.get(name, name)}: expected calibration error {e['ece']:.3f} ({e['low']:.3f} to {e['high']:.3f}; "
            f"{e['floor']:.3f} would be noise of the votes alone; {e['votes']} votes, {e['scenes']} scenes)"
        )
    figure.update_layout(
        template=TEMPLATE,
        title="Chances of winning (simulation)",
        xaxis_title="predicted chance of the favourite",
        yaxis_title="share of votes it won",
        height=480,
        meta={"text": "Predicted chances of winning against the panel's votes. " + "; ".join(words) + "."},
    )
    return figure
