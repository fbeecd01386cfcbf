"""Figures of a scale carry its numbers and say them in words."""

import subprocess
import sys

import numpy as np
import pytest

from pqa_lab.scaling import scale_counts
from pqa_lab.viz.scaling import graph_figure, jod_figure, win_figure

C = np.array([[0, 7, 9, 0, 0], [3, 0, 6, 0, 0], [2, 4, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]])
NAMES = ["a", "b", "c", "d", "unseen"]


@pytest.fixture(scope="module")
def found():
    return scale_counts(C, labels=NAMES)


def test_jods_with_intervals(found):
    figure = jod_figure(found)
    table = found.table.set_index("image")
    drawn = {}
    for trace in figure.data:
        for name, x, up, down in zip(trace.y, trace.x, trace.error_x.array, trace.error_x.arrayminus, strict=True):
            drawn[name] = (x - down, x, x + up)
    assert set(drawn) == set(NAMES)
    for name, numbers in drawn.items():
        np.testing.assert_allclose(numbers, table.loc[name, ["ci_low", "jod", "ci_high"]].astype(float))
    assert [trace.name for trace in figure.data] == ["compared", "never compared"]
    assert figure.data[0].marker.symbol != figure.data[1].marker.symbol
    assert "Best: a" in figure.layout.meta["text"]


def test_win_probabilities(found):
    heat = win_figure(found).data[0]
    assert list(heat.x) == list(heat.y)
    z = np.array(heat.z)
    np.testing.assert_allclose(z + z.T, 100)
    assert (np.diff(z, axis=1) >= -1e-9).all()  # best image first


def test_graph(found):
    figure = graph_figure(found)
    names = [trace.name for trace in figure.data]
    assert "bridge" in names
    bridge = figure.data[names.index("bridge")]
    assert len(bridge.x) == 3  # one line, closed by a gap
    assert bridge.line.dash == "dash"
    assert "4 of 10 pairs" in figure.layout.meta["text"]
    assert "1 bridges, 1 images without a vote" in figure.layout.meta["text"]


def test_images_without_a_jod_do_not_break_figures():
    bare = scale_counts(C, labels=NAMES, prior="none")
    for draw in (jod_figure, win_figure, graph_figure):
        assert "nan" not in draw(bare).layout.meta["text"]
        draw(bare).to_json()


def test_scaling_needs_neither_torch_nor_plotly():
    code = (
        "import sys, pqa_lab.scaling as s; [getattr(s, n) for n in s.__all__]; "
        "s.scale_counts([[0, 2], [1, 0]]).report; assert not {'torch', 'plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
