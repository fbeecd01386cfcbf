"""Every figure has a text twin: a caption and a small table, for screen readers and for viewers that drop figures.

JupyterLab draws the plotly JSON; GitHub, nbviewer and nbconvert, which would leave a blank, fall back on the Markdown.
A figure carries its caption in ``figure.layout.meta["text"]`` where the function that made it wrote one.
"""

from __future__ import annotations

import html
import json
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pqa_lab.errors import InputError

ROWS = 10


@dataclass
class Shown:
    """A figure with its text twin, the words ``alt`` and the numbers ``table``.

    The last expression of a cell displays it.
    """

    figure: go.Figure
    alt: str
    table: pd.DataFrame

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        drawn = json.loads(self.figure.to_json())
        if not self.figure.layout.title.text:  # plotly would leave 100 pixels for one
            drawn["layout"].setdefault("margin", {}).setdefault("t", 40)
        bundle = {
            "application/vnd.plotly.v1+json": drawn,
            "text/markdown": f"*Figure.* {self.alt}\n\n{_markdown(self.table)}",
            "text/plain": f"Figure. {self.alt}\n\n{self.table.to_string(index=False)}",
        }
        if "google.colab" in sys.modules:  # it draws HTML, not plotly's own type (not verified there)
            bundle["text/html"] = self.figure.to_html(include_plotlyjs="cdn", full_html=False)
        return bundle


def show(figure: go.Figure, alt: str | None = None, table: pd.DataFrame | None = None, rows: int = ROWS) -> Shown:
    """Show a figure in a notebook, with a text twin.

    Parameters
    ----------
    figure : plotly Figure
    alt : str, optional
        What the figure says, in a sentence or two. Default: the caption that the figure carries, or its title.
    table : DataFrame, optional
        The numbers behind it. Default: those of its traces, thinned to ``rows``.
    rows : int
        At most so many.

    Returns
    -------
    Shown
        What a cell displays as its last expression.

    Raises
    ------
    InputError
        No ``alt`` is given and the figure has neither caption nor title.
    """
    return Shown(figure, alt or caption(figure), figure_table(figure, rows) if table is None else table.head(rows))


def caption(figure: go.Figure) -> str:
    """The words that a figure carries: ``layout.meta["text"]``, else its title."""
    meta = figure.layout.meta
    text = meta.get("text") if isinstance(meta, dict) else None
    text = text or figure.layout.title.text
    if not text:
        raise InputError("The figure has no caption: pass alt, one sentence that says what it shows.")
    return str(text)


def figure_table(figure: go.Figure, rows: int = ROWS) -> pd.DataFrame:
    """The data of a figure's traces as one small table, evenly thinned to at most ``rows`` rows."""
    parts = []
    for number, trace in enumerate(figure.data):
        if trace.type in ("heatmap", "contour") and trace.z is not None:
            z = np.asarray(trace.z)
            x = np.arange(z.shape[1]) if trace.x is None else np.asarray(trace.x)
            y = np.arange(z.shape[0]) if trace.y is None else np.asarray(trace.y)
            part = pd.DataFrame({"x": np.tile(x, len(y)), "y": np.repeat(y, len(x)), "value": z.ravel()})
        else:
            columns = {axis: getattr(trace, axis, None) for axis in ("x", "y", "z")}
            part = pd.DataFrame({k: pd.Series(list(v), dtype=object) for k, v in columns.items() if v is not None})
        if len(part):
            part.insert(0, "series", trace.name or f"series {number + 1}")
            parts.append(part)
    if not parts:
        return pd.DataFrame({"series": []})
    table = pd.concat(parts, ignore_index=True)
    titles = {axis: getattr(figure.layout, f"{axis}axis").title.text or axis for axis in ("x", "y")}
    if titles["x"] != titles["y"]:
        table = table.rename(columns=titles)
    if len(table) > rows:
        table = table.iloc[np.linspace(0, len(table) - 1, rows).round().astype(int)]
    return table.map(_short).reset_index(drop=True)


def figure_html(
    figure: go.Figure, alt: str | None = None, table: pd.DataFrame | None = None, plotlyjs: bool = True
) -> str:
    """A figure with its text twin as an HTML fragment that needs no network.

    Parameters
    ----------
    figure, alt, table
        As in `show`; a figure without any words gets none.
    plotlyjs : bool
        Carry plotly.js (4.5 MB) along. In a report with several figures only the first one should.

    Returns
    -------
    str
        ``<figure>`` with the drawing, its caption and a folded table.
    """
    try:
        alt = alt or caption(figure)
    except InputError:
        alt = ""
    words = html.escape(alt)
    drawing = figure.to_html(
        full_html=False, include_plotlyjs=plotlyjs, config={"responsive": True, "displaylogo": False}
    )
    table = figure_table(figure) if table is None else table
    cells = table.to_html(index=False, border=0) if len(table) else ""
    folded = f"<details><summary>The numbers of this figure</summary>{cells}</details>" if cells else ""
    return (
        f'<figure><div role="img" aria-label="{words}">{drawing}</div><figcaption>{words}</figcaption>{folded}</figure>'
    )


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else value


def _markdown(table: pd.DataFrame) -> str:
    def line(cells: object) -> str:
        return "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in cells) + " |"

    rows = [line(table.columns), "|" + "---|" * len(table.columns)]
    return "\n".join(rows + [line(row) for row in table.itertuples(index=False)])
