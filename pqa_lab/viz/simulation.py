"""Figures of the simulation's data page; each carries its caption."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.simulation import dead_leaves
from pqa_lab.simulation.pixels import luminance, to_linear
from pqa_lab.simulation.study import PHOTOS, natural_photo, power_spectrum, spectra
from pqa_lab.viz.style import OKABE_ITO, SYMBOLS, TEMPLATE


def spread_figure(rows) -> go.Figure:
    """JODs of every scene, one strip a scene: scales that share a mean and an overall spread, and nothing else."""
    frame = rows.remove_columns("image").to_pandas()
    strips = [
        go.Box(
            x=part["jod"],
            name=str(scene),
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"size": 4, "color": OKABE_ITO[0]},
        )
        for scene, part in frame.groupby("scene")
    ]
    figure = go.Figure(strips)
    text = f"JODs of {len(frame)} simulated photos in {frame['scene'].nunique()} scenes; each scene has its own scale."
    figure.update_layout(
        template=TEMPLATE, title="JODs by scene", xaxis_title="JOD", showlegend=False, meta={"text": text}
    )
    figure.update_layout(height=140 + 34 * frame["scene"].nunique())
    return figure


def device_figure(rows) -> go.Figure:
    """Mean true quality of every device by condition: no device is best everywhere."""
    frame = rows.remove_columns("image").to_pandas()
    means = frame.groupby(["condition", "device"])["truth"].mean().unstack("condition")
    means = means.loc[means.mean(axis=1).sort_values().index]
    series = [
        go.Scatter(
            x=means[condition],
            y=means.index,
            mode="markers",
            name=condition,
            marker={"size": 10, "color": OKABE_ITO[i], "symbol": SYMBOLS[i]},
        )
        for i, condition in enumerate(means)
    ]
    figure = go.Figure(series)
    text = "Mean true quality of each simulated device by light; devices that are good by day may fail at night."
    figure.update_layout(
        template=TEMPLATE, title="Devices by light", xaxis_title="true quality, JOD", meta={"text": text}
    )
    return figure


def spectrum_figure(seed: int = 0) -> go.Figure:
    """Power spectra of photographs and of the dead leaves behind our backgrounds, side by side."""
    rng = np.random.default_rng(seed)
    palette = rng.uniform(0.02, 0.9, (12, 1)) * rng.uniform(0.6, 1, (12, 3))
    leaves = dead_leaves((512, 512), rng, palette, 6000, (1.5, 180), 1.0, 0.2)
    pictures = {name: to_linear(natural_photo(name)) for name in PHOTOS} | {"dead leaves": leaves}
    figure = go.Figure()
    for i, (name, light) in enumerate(pictures.items()):
        curve = power_spectrum(np.log(luminance(light) + 0.01))
        line = {"color": OKABE_ITO[i % len(OKABE_ITO)], "dash": "solid" if name == "dead leaves" else "dot"}
        line["width"] = 4 if name == "dead leaves" else 2
        figure.add_scatter(x=curve["frequency"], y=curve["power"], name=name, mode="lines", line=line)
    slopes = spectra(seed=seed).groupby("kind")["slope"].agg(["min", "max"]).round(2)
    text = "Power spectra of log luminance; slopes " + "; ".join(
        f"{kind} {low:.2f} to {high:.2f}" for kind, (low, high) in slopes.iterrows()
    )
    figure.update_layout(template=TEMPLATE, title="Power spectra", meta={"text": text})
    figure.update_xaxes(type="log", title="cycles per pixel")
    figure.update_yaxes(type="log", title="power")
    return figure


def cue_figure(cues: pd.DataFrame) -> go.Figure:
    """How far hand-made cues get: mean per-scene SRCC with its range over scenes."""
    figure = go.Figure(
        go.Scatter(
            x=cues["srcc"],
            y=cues.index,
            mode="markers",
            marker={"size": 10, "color": OKABE_ITO[0]},
            error_x={"array": cues["highest"] - cues["srcc"], "arrayminus": cues["srcc"] - cues["lowest"]},
        )
    )
    best = cues["srcc"].abs().idxmax()
    text = f"No single cue ranks the scenes: the best, {best}, reaches a mean SRCC of {cues.loc[best, 'srcc']:.2f}."
    figure.update_layout(template=TEMPLATE, title="Simple cues", xaxis_title="SRCC with JOD", meta={"text": text})
    return figure
