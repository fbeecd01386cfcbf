"""The text twin of a figure reaches every viewer, and reports stay self-contained."""

import json
import sys

import nbformat
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from nbclient import NotebookClient

from pqa_lab.errors import InputError
from pqa_lab.viz import figure_html, figure_table, marker, show


def figure():
    fig = go.Figure()
    fig.add_scatter(x=np.arange(50) / 7, y=np.arange(50) ** 2, name="first|one")
    fig.add_bar(x=["a", "b"], y=[1.0, 2.0], name="second")
    fig.update_layout(title="Squares", xaxis_title="side", yaxis_title="area")
    return fig


def test_bundle_has_the_figure_and_its_twin():
    bundle = show(figure(), alt="Areas grow with the side.")._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.plotly.v1+json", "text/markdown", "text/plain"}
    drawn = go.Figure(bundle["application/vnd.plotly.v1+json"])
    assert [t.name for t in drawn.data] == ["first|one", "second"]
    json.dumps(bundle)
    markdown = bundle["text/markdown"].splitlines()
    assert markdown[0] == "*Figure.* Areas grow with the side."
    assert markdown[2] == "| series | side | area |"
    assert len({line.replace("\\|", "").count("|") for line in markdown[2:]}) == 1  # a name with | breaks no row
    assert len(markdown) <= 14
    assert "Areas grow" in bundle["text/plain"]


def test_without_a_title_no_room_is_left_for_one():
    def top(figure):
        drawn = show(figure, "Words.")._repr_mimebundle_()["application/vnd.plotly.v1+json"]
        return drawn["layout"].get("margin", {}).get("t")

    assert top(figure()) is None  # plotly's own
    assert top(figure().update_layout(title=None)) == 40
    assert top(figure().update_layout(title=None, margin_t=7)) == 7
    untitled = figure().update_layout(title=None)
    show(untitled, "Words.")._repr_mimebundle_()
    assert untitled.layout.margin.t is None  # the reader's figure stays as it was


def test_caption_comes_from_the_figure():
    fig = figure()
    assert show(fig).alt == "Squares"
    fig.update_layout(meta={"text": "Said in full."})
    assert show(fig).alt == "Said in full."
    with pytest.raises(InputError, match="pass alt"):
        show(go.Figure())


def test_table_is_thinned_evenly_and_covers_both_ends():
    table = figure_table(figure(), rows=5)
    assert len(table) == 5
    assert table.iloc[0].tolist() == ["first|one", "0", 0]
    assert table.iloc[-1].tolist() == ["second", "b", "2"]
    heat = figure_table(go.Figure(go.Heatmap(z=[[1.0, 2.0], [3.0, 4.0]], x=["p", "q"], y=["r", "s"])))
    assert heat[["x", "y", "value"]].values.tolist() == [
        ["p", "r", "1"],
        ["q", "r", "2"],
        ["p", "s", "3"],
        ["q", "s", "4"],
    ]


def test_a_given_table_is_used():
    shown = show(figure(), alt="x", table=pd.DataFrame({"n": range(99)}))
    assert "| n |" in shown._repr_mimebundle_()["text/markdown"]
    assert len(shown.table) == 10


def test_colab_gets_html(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert "plotly" in show(figure())._repr_mimebundle_()["text/html"]


def test_html_is_self_contained_and_says_its_words():
    fig = figure().update_layout(meta={"text": 'Bigger & "better" <squares>'})
    first, second = figure_html(fig), figure_html(fig, plotlyjs=False)
    assert len(first) > 3_000_000 > len(second)
    assert "cdn.plot.ly" not in second
    assert "<script src=" not in first
    assert 'aria-label="Bigger &amp; &quot;better&quot; &lt;squares&gt;"' in second
    assert "<figcaption>Bigger &amp;" in second
    assert "<details>" in second
    assert "<td>second</td>" in second
    assert figure_html(go.Figure(go.Scatter(y=[1, 2])), plotlyjs=False).startswith("<figure>")


def test_series_differ_without_colour():
    styles = [marker(i) for i in range(64)]
    assert len({(s["color"], s["symbol"]) for s in styles}) == 64
    assert len({s["symbol"] for s in styles[:8]}) == 8


@pytest.mark.notebook
def test_a_notebook_stores_both_twins(tmp_path):
    code = """
import plotly.graph_objects as go
from pqa_lab.viz import show
show(go.Figure(go.Scatter(y=[1, 2])), alt="Two points.")
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    data = book.cells[0].outputs[0].data
    assert "Two points." in data["text/markdown"]
    assert "application/vnd.plotly.v1+json" in data
