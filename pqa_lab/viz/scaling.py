"""Figures of a JOD scale: JODs with intervals, win probabilities, who was compared with whom.

Each function returns a plotly Figure; ``figure.layout.meta["text"]`` says the same in words, for readers without it.
"""

import numpy as np
import plotly.graph_objects as go

from ..scaling.graph import bridges, groups
from ..scaling.result import JodScale, SceneFit
from .style import OKABE_ITO, TEMPLATE

BLUE, ORANGE = OKABE_ITO[:2]
GREY = "#666666"


def _figure(traces, title: str, text: str, **layout) -> go.Figure:
    figure = go.Figure(traces)
    figure.update_layout(title=title, template=TEMPLATE, meta={"text": text}, **layout)
    return figure


def _names(fit: SceneFit, order: np.ndarray) -> list[str]:
    return [str(name) for name in fit.tally.images[order]]


def jod_figure(scale: JodScale, scene=None) -> go.Figure:
    """JODs with their intervals, best image on top. Lesson 01.

    Parameters
    ----------
    scale : JodScale
    scene : optional
        Needed if the scale has several.
    """
    fit = scale._fit(scene)
    order = np.argsort(np.where(np.isnan(fit.jod), -np.inf, fit.jod), kind="stable")
    jod, low, high = fit.jod[order], fit.low[order], fit.high[order]
    seen = fit.tally.comparisons[order] > 0
    names = np.array(_names(fit, order))
    traces = []
    for mask, label, colour, symbol in ((seen, "compared", BLUE, "circle"), (~seen, "never compared", ORANGE, "x")):
        if mask.any():
            error = {"type": "data", "array": (high - jod)[mask], "arrayminus": (jod - low)[mask], "thickness": 1.5}
            hover = [f"{n:g} votes" for n in fit.tally.comparisons[order][mask]]
            marker = {"color": colour, "symbol": symbol, "size": 8}
            traces.append(
                go.Scatter(
                    x=jod[mask], y=names[mask], error_x=error, mode="markers", name=label, marker=marker, text=hover
                )
            )
    level = 100 * fit.settings["level"]
    last = int(np.isnan(jod).sum())  # images without a JOD come first in this order
    text = (
        f"JODs of {len(jod)} images with {level:g} % intervals. "
        f"Best: {names[-1]} ({low[-1]:.2f} to {high[-1]:.2f}); last: {names[last]} ({low[last]:.2f} to "
        f"{high[last]:.2f}). 1 JOD apart means that 75 % prefer the better image."
    )
    return _figure(
        traces,
        f"Scene {fit.tally.scene}: JODs, {level:g} % intervals",
        text,
        xaxis_title="JOD (1 JOD = 75 % prefer the better image)",
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": list(names)},
        height=max(300, 18 * len(jod) + 150),
        showlegend=len(traces) > 1,
    )


def win_figure(scale: JodScale, scene=None) -> go.Figure:
    """How often an observer is expected to prefer the row's image to the column's; best image first."""
    fit = scale._fit(scene)
    order = np.argsort(-fit.jod, kind="stable")
    order = order[np.isfinite(fit.jod[order])]
    p = scale.win_probability(fit.tally.scene).to_numpy()[np.ix_(order, order)]
    names = _names(fit, order)
    close = int((np.abs(p[np.triu_indices(len(p), 1)] - 0.5) < 0.25).sum())
    text = (
        f"Win probabilities of {len(p)} images, best first. {names[0]} beats {names[-1]} in {100 * p[0, -1]:.1f} % of "
        f"votes; {close} pairs are closer than 75:25."
    )
    heat = go.Heatmap(
        z=100 * p, x=names, y=names, zmin=0, zmax=100, colorscale="Cividis", colorbar_title="% of votes",
        hovertemplate="%{y} preferred to %{x}: %{z:.0f} %<extra></extra>",
    )  # fmt: skip
    return _figure(
        [heat],
        f"Scene {fit.tally.scene}: how often the row is preferred",
        text,
        xaxis={"type": "category", "side": "top", "constrain": "domain"},
        yaxis={"type": "category", "autorange": "reversed", "scaleanchor": "x", "constrain": "domain"},
        height=600,
    )


def graph_figure(scale: JodScale, scene=None, most: int = 1500) -> go.Figure:
    """Who was compared with whom: images on a circle in the order of their JODs, thicker lines for more votes.

    Bridges, the pairs whose votes alone hold two parts together, are drawn dashed and orange.

    Parameters
    ----------
    most : int
        Lines drawn; with more pairs than this, those with most votes (bridges always).
    """
    fit = scale._fit(scene)
    tally = fit.tally
    place = np.empty(tally.n)
    place[np.argsort(-np.nan_to_num(fit.jod), kind="stable")] = np.arange(tally.n)
    angle = np.pi / 2 - 2 * np.pi * place / tally.n
    x, y = np.cos(angle), np.sin(angle)
    i, j, votes = tally.pairs.i, tally.pairs.j, sum(tally.ab)
    held = np.zeros(len(i), bool)
    held[bridges(tally)] = True
    drawn = np.argsort(-votes - held * votes.max())[:most]
    traces = []
    middle = np.median(votes)
    for mask, label, line in (
        (~held & (votes <= middle), f"up to {middle:g} votes", {"color": GREY, "width": 0.5}),
        (~held & (votes > middle), f"more than {middle:g} votes", {"color": BLUE, "width": 1.5}),
        (held, "bridge", {"color": ORANGE, "width": 3, "dash": "dash"}),
    ):
        k = drawn[mask[drawn]]
        if len(k):
            gap = np.full(len(k), np.nan)
            ends = (np.stack([x[i[k]], x[j[k]], gap], 1).ravel(), np.stack([y[i[k]], y[j[k]], gap], 1).ravel())
            traces.append(go.Scatter(x=ends[0], y=ends[1], mode="lines", name=label, line=line, hoverinfo="skip"))
    label = groups(tally)
    hover = [f"{name}: {n:g} votes" for name, n in zip(tally.images, tally.comparisons, strict=True)]
    marker = {"size": 9, "color": np.where(label < 0, ORANGE, BLUE), "symbol": np.where(label < 0, "x", "circle")}
    mode = "markers+text" if tally.n <= 30 else "markers"
    names = _names(fit, np.arange(tally.n))
    dots = {"x": x, "y": y, "text": names, "hovertext": hover, "hoverinfo": "text", "textposition": "top center"}
    traces.append(go.Scatter(mode=mode, marker=marker, name="image", **dots))
    text = (
        f"{len(i)} of {tally.n * (tally.n - 1) // 2} pairs were compared, {votes.min():g} to {votes.max():g} votes "
        f"each; {int(held.sum())} bridges, {int((label < 0).sum())} images without a vote."
    )
    axis = {"visible": False, "range": [-1.25, 1.25]}
    return _figure(
        traces, f"Scene {tally.scene}: who was compared with whom", text, xaxis=axis,
        yaxis={**axis, "scaleanchor": "x"}, height=600,
    )  # fmt: skip
