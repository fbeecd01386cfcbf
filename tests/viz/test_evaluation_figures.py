"""The figures of an evaluation show the numbers of the evaluation."""

import numpy as np
import pandas as pd
import pytest

from pqa_lab import evaluation
from pqa_lab.errors import InputError
from pqa_lab.viz import forest_figure, scene_figure, show


def frame(n_scenes=12):
    rng = np.random.default_rng(0)
    jod = rng.normal(size=(n_scenes, 9))
    return pd.concat(
        pd.DataFrame(
            {
                "method": name,
                "scene": np.repeat([f"s{i}" for i in range(n_scenes)], 9),
                "score": (jod + sd * rng.normal(size=jod.shape)).ravel(),
                "jod": jod.ravel(),
            }
        )
        for name, sd in (("good", 0.5), ("poor", 2.0))
    )


@pytest.mark.parametrize("metric", ["srcc", "challenge", "top1", "mae"])
@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_forest_shows_the_summary(metric, statistic):
    table = frame()
    figure = forest_figure(table, metric, statistic=statistic, resamples=500)
    summary = evaluation.summarize(table, ["method"], resamples=500)
    scenes = evaluation.per_scene(table, ["method"])
    for trace in figure.data:
        if trace.error_x.array is None:
            method = trace.name.split(":")[0]
            np.testing.assert_allclose(trace.x, scenes.loc[scenes.method == method, metric])
        else:
            row = summary.loc[(trace.name, metric)]
            centre = trace.x[0]
            assert centre == pytest.approx(row[statistic])
            assert centre + trace.error_x.array[0] == pytest.approx(row[f"{statistic}_high"])
            assert centre - trace.error_x.arrayminus[0] == pytest.approx(row[f"{statistic}_low"])
    assert list(figure.layout.yaxis.ticktext) == ["poor", "good"]  # best on top, also where small is good
    assert len({t.marker.symbol for t in figure.data}) == 2
    text = show(figure).alt
    assert f"{summary.loc[('good', metric), statistic]:.3f}" in text


def test_forest_tells_of_undefined_scenes():
    table = frame()
    table.loc[(table["method"] == "poor") & (table["scene"] == "s3"), "score"] = 0.0
    assert "1 of 12 scenes undefined" in forest_figure(table, resamples=100).layout.meta["text"]


def test_forest_takes_one_method_and_refuses_unknown_metrics():
    one = frame().query("method == 'good'").drop(columns="method")
    assert list(forest_figure(one, resamples=100).layout.yaxis.ticktext) == ["all"]
    with pytest.raises(InputError, match="no metric"):
        forest_figure(one, metric="rmse")


def test_scene_panels_hold_their_images():
    table = frame().query("method == 'poor'")
    figure = scene_figure(table)
    srcc = evaluation.per_scene(table, fit=False).set_index("scene")["srcc"]
    assert len(figure.data) == 8
    assert [t.name for t in figure.data][0] == srcc.idxmin()
    assert [t.name for t in figure.data][-1] == srcc.idxmax()
    for trace in figure.data:
        np.testing.assert_allclose(trace.x, table.loc[table.scene == trace.name, "score"])
        assert f"{trace.name}: SRCC {srcc[trace.name]:.2f}" in figure.layout.meta["text"]
    assert len({t.marker.symbol for t in figure.data}) == 8
    assert [t.name for t in scene_figure(table, ["s4", "s1"]).data] == ["s4", "s1"]
    with pytest.raises(InputError, match="no scene s99"):
        scene_figure(table, ["s99"])
