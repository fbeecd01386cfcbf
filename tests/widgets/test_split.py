"""The scene split: the ridge against plain least squares, SRCC against scipy, what carries over, clicks."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from pqa_lab.errors import InputError
from pqa_lab.widgets import SceneSplit, scene_split_explorer, toy_scenes
from pqa_lab.widgets.split import TOY


def test_the_ridge_is_least_squares_on_training_scenes_only():
    frame = toy_scenes(scenes=5, seed=2)
    split = SceneSplit(frame, ["scene 2", "scene 4"], TOY)
    known = frame[frame.scene.isin(split.train)]
    x = (frame[list(TOY)] - known[list(TOY)].mean()) / known[list(TOY)].std(ddof=0)
    inside = frame.scene.isin(split.train)
    rows, targets = [], []
    for scene in split.train:
        here = frame.scene == scene
        rows += (x[here] - x[here].mean()).to_numpy().tolist()
        targets += (frame.jod[here] - frame.jod[here].mean()).tolist()
    # a ridge of 1 is one more made-up observation of 0 for every weight
    w = np.linalg.lstsq(np.array(rows + np.eye(8).tolist()), np.array(targets + [0.0] * 8), rcond=None)[0]
    assert split.scored().score.to_numpy() == pytest.approx(x.to_numpy() @ w)
    changed = frame.assign(jod=np.where(inside, frame.jod, -frame.jod))  # test labels must not matter
    assert SceneSplit(changed, split.train, TOY).scored().score.tolist() == split.scored().score.tolist()


def test_the_table_is_scipy_s_and_the_medians_are_of_each_side():
    split = SceneSplit(toy_scenes(), features=TOY)
    frame, table = split.scored(), split.table()
    for row in table.itertuples():
        part = frame[frame.scene == row.scene]
        assert row.srcc == pytest.approx(spearmanr(part.score, part.jod).statistic)
        assert row.role == ("train" if row.scene in split.train else "test")
    assert split.medians()["train"] == np.median(table.srcc[table.role == "train"])


def test_what_is_each_scene_s_own_does_not_carry_over():
    gaps = {}
    for own in (0.0, 1.5):
        splits = [SceneSplit(toy_scenes(own=own, seed=seed), features=TOY).medians() for seed in range(6)]
        gaps[own] = np.mean([m["train"] - m["test"] for m in splits])
    assert abs(gaps[0.0]) < 0.1
    assert gaps[1.5] > gaps[0.0] + 0.1


def test_given_scores_stay_whatever_the_split():
    frame = toy_scenes(scenes=4).rename(columns={"feature 1": "score"})
    split = SceneSplit(frame)
    before = split.table().srcc.tolist()
    split.deal_again()
    assert split.table().srcc.tolist() == before
    assert split.scored().score.tolist() == frame.score.tolist()


def test_dealing_keeps_the_number_of_training_scenes():
    split = SceneSplit(toy_scenes(), features=TOY)
    seen = set()
    for _ in range(5):
        split.deal_again()
        assert len(set(split.train)) == 5
        seen.add(split.train)
    assert len(seen) > 1


def test_bad_splits_get_a_sentence():
    frame = toy_scenes(scenes=3)
    with pytest.raises(InputError, match="at least one scene"):
        SceneSplit(frame, frame.scene.unique(), TOY).table()
    with pytest.raises(InputError, match="no scene 'moon'"):
        SceneSplit(frame, ["moon"], TOY).table()
    with pytest.raises(InputError, match="no column"):
        SceneSplit(frame, features=["beauty"])
    with pytest.raises(InputError, match="at least two scenes"):
        SceneSplit(frame[frame.scene == "scene 1"], features=TOY)
    with pytest.raises(InputError):
        scene_split_explorer(pd.DataFrame({"scene": [], "jod": []}))


def test_controls_and_clicks_choose():
    explorer = scene_split_explorer()
    before = explorer.faces["srcc"].figure
    explorer.controls["train"].value = ("scene 9", "scene 10")
    assert explorer.session.train == ("scene 9", "scene 10")
    assert explorer.faces["srcc"].figure != before
    assert "over 2 training scenes" in explorer.faces["scatter"].alt
    explorer.controls["train"].value = ()
    assert "at least one scene" in explorer.message.value
    explorer.controls["train"].value = ("scene 1",)
    explorer.faces["srcc"].clicked = {"curve": 0, "point": 0, "customdata": "scene 3", "times": 1}
    assert explorer.controls["scene"].value == "scene 3"
    assert "scene 3 (test)" in explorer.faces["scatter"].alt
    explorer.controls["deal_again"].click()
    assert explorer.controls["train"].value == explorer.session.train


def test_static_twin():
    explorer = scene_split_explorer()
    shown = explorer.static()
    assert list(shown.table.columns) == ["scene", "split 1", "split 2", "split 3"]
    assert len(shown.table) == 10
    assert explorer.session.train == tuple(f"scene {k}" for k in range(1, 6))  # as it was
    named = [getattr(shown.figure.layout, axis).showticklabels for axis in ("yaxis", "yaxis2", "yaxis3")]
    assert named == [None, False, False]  # the scenes' names, once
