"""The simulated set: the same for everyone, split as it says, and its JODs follow its truth."""

import os

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from pqa_lab.errors import InputError
from pqa_lab.simulation import dataset, simulate

SMALL = {"scenes": 3, "images": 6, "size": 64, "progress": False}
COLUMNS = ["image", "scene", "jod", "jod_std", "condition", "device", "subject", "attribute", "split"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    place = tmp_path_factory.mktemp("cache")
    old = os.environ.get("PQA_LAB_CACHE")
    os.environ["PQA_LAB_CACHE"] = str(place)
    yield place
    os.environ.pop("PQA_LAB_CACHE") if old is None else os.environ.update(PQA_LAB_CACHE=old)


@pytest.fixture(scope="module")
def rows(cache):
    return simulate(**SMALL, workers=1)


def frame(rows):
    return rows.remove_columns("image").to_pandas()


def test_rows_have_the_shared_columns_and_decode(rows):
    assert rows.column_names[: len(COLUMNS)] == COLUMNS
    assert len(rows) == 18
    photo = np.asarray(rows[0]["image"])
    assert photo.shape == (64, 64, 3)
    assert rows[0]["image"].format == "JPEG"
    table = frame(rows)
    assert table.notna().all().all()
    assert table.tone.between(1, 10).all()
    assert (table.truth == table.truth_overall).all()
    assert (table.truth < 0).all()


def test_every_scene_has_its_own_standardised_scale(rows):
    for _, scene in frame(rows).groupby("scene"):
        assert abs(scene.jod.mean()) < 1e-9
        assert np.isclose(scene.jod.var(ddof=0) + (scene.jod_std**2).mean(), 1.4826**2, rtol=1e-4)


def test_same_rows_on_two_workers(rows, monkeypatch, tmp_path):
    monkeypatch.setenv("PQA_LAB_CACHE", str(tmp_path))
    again = simulate(**SMALL, workers=2)
    pd.testing.assert_frame_equal(frame(rows), frame(again))
    for one, other in zip(rows, again, strict=True):
        np.testing.assert_array_equal(np.asarray(one["image"]), np.asarray(other["image"]))


def test_another_seed_is_another_world(cache, rows):
    other = simulate(**SMALL, seed=1, workers=1)
    assert not set(frame(rows).subject) & set(frame(other).subject)
    assert not np.allclose(frame(rows).truth, frame(other).truth)


def test_cache_is_used_whole_and_left_clean(cache, rows, monkeypatch):
    monkeypatch.setattr(dataset, "_draw", lambda *a: pytest.fail("drawn again"))
    assert len(simulate(**SMALL, workers=2)) == len(rows)
    assert not [p for p in (cache / "simulation").iterdir() if p.name.startswith(".")]


def test_a_failed_run_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("PQA_LAB_CACHE", str(tmp_path))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(scenes=1, images=3, size=64, workers=1, progress=False)
    assert list((tmp_path / "simulation").iterdir()) == []


def test_attributes_share_the_pictures(cache, rows):
    details = simulate(**SMALL, attribute="details", workers=1)
    np.testing.assert_array_equal(np.asarray(rows[5]["image"]), np.asarray(details[5]["image"]))
    assert (frame(details).truth == frame(rows).truth_details).all()
    assert (frame(details).attribute == "details").all()


def test_votes_follow_the_truth():
    truth = np.linspace(-6, 0, 13)
    votes = dataset.scene_votes(truth, "a scene", seed=1)
    better = np.where(votes.preferred == "first", votes["first"], votes["second"]).astype(int)
    worse = np.where(votes.preferred == "first", votes["second"], votes["first"]).astype(int)
    clear = np.abs(better - worse) >= 8  # 4 JOD apart
    assert (truth[better] > truth[worse])[clear].mean() > 0.95
    rows = [{"truth": t, "scene": "a scene"} for t in truth]
    dataset._scale_scene(rows, seed=1)
    assert spearmanr(truth, [row["jod"] for row in rows]).statistic > 0.9


def plan(shift, scenes=12, images=28):
    return dataset._plan(scenes, images, 64, 3, "overall", shift)


@pytest.mark.parametrize("shift", [None, "scene", "device", "person"])
def test_splits_are_disjoint_in_what_they_shift(shift):
    p = plan(shift)
    sides = {"train": set(), "test": set()}
    for index in range(p.scenes):
        scene = dataset._scene(p, index)
        for device, subject, _, _, split in dataset._cast(p, index):
            item = {"device": device, "person": scene.subjects[subject].seed}.get(shift, scene.name)
            sides[split].add(item)
    assert sides["train"]
    assert sides["test"]
    assert not sides["train"] & sides["test"]


def test_every_device_photographs_every_scene():
    for index in range(3):
        devices = [device for device, *_ in dataset._cast(plan(None), index)]
        assert set(np.unique(devices, return_counts=True)[1]) == {2}


def test_challenge_is_seven_high_end_photos_of_one_new_person():
    p = dataset._plan(None, None, 64, 3, "overall", "challenge")
    assert (p.scenes, p.images) == (96, 7)
    ordinary = {person.seed for k in range(12) for person in dataset._scene(plan(None), k).subjects}
    assert dataset._scene(p, 5).name != dataset._scene(plan(None), 5).name
    for index in (0, 50, 95):
        cast, scene = dataset._cast(p, index), dataset._scene(p, index)
        assert {dataset.DEVICES[device].tier for device, *_ in cast} == {"high", "reference"}
        assert sum(device == "studio" for device, *_ in cast) == 1
        assert len({device for device, *_ in cast}) == 7
        assert len(scene.subjects) == 1
        assert scene.subjects[0].seed not in ordinary
        assert {split for *_, split in cast} == {"test"}


def test_challenge_and_large_seeds_are_drawn(cache):
    rows = frame(simulate(scenes=1, images=7, size=64, seed=10**9, shift="challenge", workers=1, progress=False))
    assert rows.device.nunique() == 7
    assert rows.subject.nunique() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": "weather"},
        {"attribute": "beauty"},
        {"scenes": 0},
        {"images": 2},
        {"images": 2.5},
        {"size": 16},
        {"seed": -1},
        {"workers": 0},
        {"scenes": True},
    ],
)
def test_bad_arguments_say_what_is_wrong(wrong):
    with pytest.raises(InputError):
        simulate(**(SMALL | wrong))


@pytest.mark.slow
def test_default_set_is_not_solved_by_simple_cues_and_jods_follow_truth():
    from pqa_lab.simulation.study import cue_table, data_card, distributions

    rows = simulate(progress=False)
    assert len(rows) == 288
    assert cue_table(rows).srcc.max() < 0.7
    table = frame(rows)
    assert np.median([spearmanr(g.jod, g.truth).statistic for _, g in table.groupby("scene")]) > 0.9
    devices = distributions(rows)["devices"].drop("studio")
    assert devices.idxmax().nunique() >= 2  # no phone is best in every light
    assert "cannot stand for" in data_card(rows)
