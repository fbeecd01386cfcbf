"""Who learns from what in a generalization study, and the one call that trains, saves and goes on where it stood."""

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pqa_lab import generalization
from pqa_lab.errors import InputError
from pqa_lab.evaluation import load_evaluation
from pqa_lab.generalization import runs, shifts
from pqa_lab.methods import METHODS
from pqa_lab.scenes.rows import to_rows
from pqa_lab.training import save_checkpoint

CONDITIONS = ("outdoor", "indoor", "night", "lowlight")


def table(scenes=12, n=12, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"scene": np.repeat([f"s{k:02d}" for k in range(scenes)], n)})
    k, place = np.divmod(np.arange(len(frame)), n)
    frame["condition"] = [CONDITIONS[i % 4] for i in k]
    frame["device"] = [f"d{i % 5}" for i in place]
    frame["subject"] = [f"p{(3 * a + b % 3) % 20:02d}" for a, b in zip(k, place, strict=True)]
    frame["jod"] = rng.normal(size=len(frame))
    return frame


def noisy_rows(scenes=6, n=6):
    """Photos of plain colours, the better the less noise."""
    frame, rng, photos = table(scenes, n), np.random.default_rng(0), []
    for jod in frame["jod"]:
        photo = rng.integers(60, 200, 3) + 40 * np.exp(-jod) * rng.normal(size=(64, 64, 3))
        photos.append(Image.fromarray(photo.clip(0, 255).astype(np.uint8)))
    return to_rows(frame, photos)


@pytest.mark.parametrize("by", ["scene", "device", "subject"])
@pytest.mark.parametrize("seed", range(4))
def test_half_of_the_groups_is_new_to_each_training(by, seed):
    frame = table()
    first, second = shifts.plan_crossed(to_rows(frame), "x", by, seed)
    assert len(first.train) == len(second.train) > 30
    held, half = first.notes["held_out"], first.notes["half"]
    for run in (first, second):
        assert not held[run.train].any()
        learnt = set(frame[by].iloc[run.train])
        assert not learnt & set(frame[by][~run.notes["known"]])
        np.testing.assert_array_equal(run.score, np.arange(len(frame)))
    np.testing.assert_array_equal(first.notes["known"], ~second.notes["known"])
    assert (frame.groupby(by)[[]].size().index.size) == frame.assign(half=half).groupby(by)["half"].nunique().sum()
    assert abs(half.mean() - 0.5) < 0.15
    # A correlation needs two images at least.
    assert frame[held].assign(half=half[held]).groupby(["scene", "half"]).size().min() >= 2


def test_scenes_of_a_condition_are_shared_out():
    frame = table(scenes=16)
    half = shifts.plan_crossed(to_rows(frame), "x", "scene", 3)[0].notes["half"]
    shares = frame.assign(half=half).groupby("condition")["half"].mean()
    np.testing.assert_allclose(shares, 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_a_condition_is_left_out_and_scenes_of_the_test_are_new_to_all(seed):
    frame = table(scenes=16)
    plans = shifts.plan_conditions(to_rows(frame), "x", seed)
    assert len({len(run.train) for run in plans}) == 1
    assert [run.notes["left_out"] for run in plans] == ["nothing", *sorted(CONDITIONS)]
    tested = set(frame["scene"].iloc[plans[0].score])
    assert set(frame["condition"].iloc[plans[0].score]) == set(CONDITIONS)
    for run in plans:
        assert not tested & set(frame["scene"].iloc[run.train])
        assert run.notes["left_out"] not in set(frame["condition"].iloc[run.train])
    for run in plans[1:]:
        assert set(frame["condition"].iloc[run.score]) == {run.notes["left_out"]}
        assert set(run.score) <= set(plans[0].score)


@pytest.mark.parametrize("scenes, n", [(12, 12), (40, 24), (9, 7)])
def test_more_scenes_at_equally_many_images(scenes, n):
    frame = table(scenes, n)
    plans = shifts.plan_size(to_rows(frame), "x", 0)
    assert len(plans) > 1
    assert len({len(run.train) for run in plans}) == 1
    tested, before = set(frame["scene"].iloc[plans[0].score]), set()
    for run in plans:
        each = frame["scene"].iloc[run.train].value_counts()
        assert not tested & set(each.index)
        assert before < set(each.index)  # nested: scenes are added, none is exchanged
        assert (each == run.notes["images_per_scene"]).all()
        assert len(each) == run.notes["train_scenes"]
        before = set(each.index)


@pytest.mark.parametrize(
    "study, column",
    [("devices", "device"), ("people", "subject"), ("conditions", "condition"), ("tones", "tone")]
    + [("quality_gap", "tier"), ("face_size", "face")],
)
def test_a_column_that_a_source_lacks_is_named_before_anything_is_trained(study, column, monkeypatch):
    monkeypatch.setattr(runs, "fit", None)
    frame = table()
    for rows in (to_rows(frame.drop(columns=column, errors="ignore")), to_rows(frame.assign(**{column: None}))):
        with pytest.raises(InputError, match=f"study '{study}' needs the column '{column}'"):
            generalization.run_study(study, data=rows)


def test_wrong_words_are_refused(tmp_path):
    rows = to_rows(table())
    with pytest.raises(InputError, match="no study 'colour': choose one of scenes, devices"):
        generalization.run_study("colour", data=rows)
    with pytest.raises(InputError, match="study 'devices' has to train, so it needs a method"):
        generalization.run_study("devices", str(tmp_path), rows)
    with pytest.raises(InputError, match="at least two values in the column 'device'"):
        generalization.run_study("devices", data=to_rows(table().assign(device="d")))
    with pytest.raises(InputError, match="two conditions with at least two scenes each; there is 1"):
        generalization.run_study("conditions", data=to_rows(table().assign(condition="night")))
    with pytest.raises(InputError, match="at least 6 scenes of 4 images"):
        generalization.run_study("size", data=to_rows(table(scenes=3)))
    with pytest.raises(InputError, match="at least one, such as 0"):
        generalization.run_study("scenes", data=rows, seeds=())
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="is a file; name a folder"):
        generalization.generalize("scenes", data=rows, out=file)


def test_features_belong_to_their_image():
    """The set ranker takes a scene at a time, whatever the order of the rows."""
    rows = noisy_rows(3, 4)
    model = METHODS["set_ranker"].tiny().eval()
    order = np.random.default_rng(0).permutation(len(rows))
    plain = runs.described_scores(model, rows)
    mixed = runs.described_scores(model, rows.select(order))
    assert plain["features"].iloc[0].shape == (48,)
    np.testing.assert_allclose(np.stack(mixed["features"]), np.stack(plain["features"])[order], atol=1e-5)
    np.testing.assert_allclose(mixed["score"], plain["score"].to_numpy()[order], atol=1e-5)
    assert np.ptp(np.stack(plain["features"]), axis=0).max() > 0.01


def test_faces_become_shares_of_the_photo():
    rows = noisy_rows(2, 2)
    boxes = [[0.0, 6.0, 20.0, 38.0]] * 3 + [None]
    rows = rows.add_column("face", boxes, feature=datasets.List(datasets.Value("float32")))
    shares = runs.described(rows)["face_share"]
    np.testing.assert_allclose(shares[:3], 0.5)
    assert np.isnan(shares[3])


@pytest.mark.training
def test_generalize_trains_once_saves_everything_and_goes_on(tmp_path, monkeypatch):
    rows, trained = noisy_rows(), []

    def counted(model, *args, **options):
        trained.append(model.config.method)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(model, *args, **options)

    real = runs.fit
    monkeypatch.setattr(runs, "fit", counted)
    call = {"data": rows, "out": tmp_path, "max_steps": 2, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        generalization.generalize("scenes", "hyperiqa", **call)
    assert not (tmp_path / "scenes").exists()
    found = generalization.generalize("scenes", "hyperiqa", **call)
    assert len(trained) == 3  # the first training was kept
    folder = tmp_path / "scenes"
    assert sorted(path.name for path in folder.iterdir()) == [
        "figure.html",
        "reading.txt",
        "scores.parquet",
        "table.csv",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(folder / "table.csv"), found.table, check_dtype=False)
    page = (folder / "figure.html").read_text(encoding="utf-8")
    assert "SRCC is " in page
    assert "plotly" in page
    saved = load_evaluation(folder / "scores.parquet")
    assert saved.attrs["study"] == "scenes"
    assert saved.attrs["reading"] == found.reading
    again = generalization.run_study("scenes", folder / "scores.parquet")
    pd.testing.assert_frame_equal(again.table, found.table)
    assert again.reading == found.reading

    monkeypatch.setattr(runs, "fit", None)  # other studies of the same trainings cost nothing
    for study in ("label_scale", "shortcut"):
        other = generalization.generalize(study, "hyperiqa", **call)
        assert len(other.scores) == len(rows)  # each photo once, by the model that did not know its scene
        assert not other.scores["in_training"].any()
    with pytest.raises(TypeError):  # another budget is another training
        generalization.generalize("scenes", "hyperiqa", **call | {"max_steps": 3})


@pytest.mark.training
@pytest.mark.parametrize("study", ["devices", "people", "conditions", "size"])
def test_studies_that_train_are_saved_and_read_back(study, tmp_path):
    call = {"out": tmp_path, "max_steps": 1, "progress": False}
    found = generalization.generalize(study, "hyperiqa", noisy_rows(9, 8), **call)
    again = generalization.run_study(study, tmp_path / study / "scores.parquet")
    pd.testing.assert_frame_equal(again.table, found.table)
    assert found.table["scenes"].max() > 1
    assert found.table["is_difference"].any()


@pytest.mark.training
def test_confidence_needs_a_method_that_names_scenes(tmp_path):
    rows = noisy_rows(4, 6)
    found = generalization.run_study("confidence", data=rows, max_steps=2)
    assert set(found.scores["named"]) <= set(rows["scene"])
    assert found.scores["confidence"].between(0.5, 1).all()  # two scenes a half
    with pytest.raises(InputError, match="only methods that name scenes give: sem_hyperiqa"):
        generalization.run_study("confidence", "hyperiqa", rows, max_steps=1)


def test_a_checkpoint_answers_what_needs_no_training(tmp_path):
    rows = noisy_rows(5, 5)
    model = METHODS["hyperiqa"].tiny()
    save_checkpoint(model, tmp_path / "run", scenes=["s00"])
    found = generalization.generalize("label_scale", str(tmp_path / "run"), rows, tmp_path / "out", progress=False)
    assert found.table["scene"].tolist() == ["s01", "s02", "s03", "s04"]  # s00 was in its training
    assert (tmp_path / "out" / "label_scale" / "scores.parquet").is_file()
