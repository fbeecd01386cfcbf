"""PIQ23 on a stand-in in the exact public format: official counts, exact scene names, and what is said of bad input."""

import shutil

import numpy as np
import pandas as pd
import pytest

from pqa_lab.errors import InputError
from pqa_lab.scenes.piq23 import load_piq23, load_piq23_scores
from pqa_lab.scenes.rows import select_part
from pqa_lab.scenes.standin import make_piq23_standin

TEST_SCENES = {
    *("Indoor_Scene_1", "Indoor_Scene_5", "Indoor_Scene_10", "Indoor_Scene_11"),
    *("Lowlight_Scene_16", "Lowlight_Scene_17", "Lowlight_Scene_20", "Night_Scene_28", "Night_Scene_30"),
    *("Night_Scene_31", "Outdoor_Scene_33", "Outdoor_Scene_34", "Outdoor_Scene_43", "Outdoor_Scene_45"),
    "Outdoor_Scene_46",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return make_piq23_standin(tmp_path_factory.mktemp("tables"), images=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_piq23_standin(tmp_path_factory.mktemp("small"), images_per_scene=3, attributes=("Overall", "Details"))


@pytest.fixture
def broken(small, tmp_path):
    """A copy to damage."""
    return shutil.copytree(small, tmp_path / "PIQ23")


OFFICIAL = {"scene": ((3630, 35), (1486, 15)), "device": ((3604, 50), (1512, 50))}


@pytest.mark.parametrize("attribute, split", [("Overall", "scene"), ("Details", "device"), ("Exposure", "scene")])
def test_official_counts(tables, attribute, split):
    rows = load_piq23(tables, attribute, split, images=False)
    assert set(rows["attribute"]) == {attribute}
    for part, expected in zip(("train", "test"), OFFICIAL[split], strict=True):
        chosen = load_piq23_scores(tables, attribute, split, part)
        assert (len(chosen), chosen["scene"].nunique()) == expected
        assert chosen["name"].tolist() == select_part(rows, part)["name"][:]


def test_scene_names_match_exactly_and_the_stand_in_shows_the_substring_bug(tables):
    scores = load_piq23_scores(tables)
    assert set(scores.loc[scores["split"] == "test", "scene"]) == TEST_SCENES
    table = pd.read_csv(tables / "Test split" / "Scene Split.csv")
    by_substring = pd.Series("", index=scores.index)
    for scene, side in zip(table["SCENE"], table["SPLIT"], strict=True):
        by_substring[scores["scene"].str.contains(scene, regex=False)] = side
    assert by_substring.value_counts().to_dict() == {"Train": 3437, "Test": 1679}


def test_the_stand_in_has_the_public_statistics(tables):
    """Aggregates as published of the real tables."""
    scores = load_piq23_scores(tables)
    groups = scores.groupby("scene")
    np.testing.assert_allclose(groups["jod"].mean(), 0, atol=1e-9)
    np.testing.assert_allclose(groups["jod"].var(ddof=0) + groups["jod_std"].apply(lambda s: (s**2).mean()), 1.4826**2)
    assert groups.size().between(45, 125).all()
    assert (scores["cluster"] == -1).mean() == pytest.approx(0.16, abs=0.02)
    assert (scores["comparisons"] == 0).any()
    assert groups["condition"].first().value_counts().to_dict() == {
        "indoor": 14,
        "lowlight": 8,
        "night": 11,
        "outdoor": 17,
    }
    details = load_piq23_scores(tables, "Details").set_index("name")["jod"]
    together = scores.assign(details=scores["name"].map(details)).groupby("scene")[["jod", "details"]]
    median = together.apply(lambda g: g.corr("spearman").iloc[0, 1]).median()
    assert median == pytest.approx(0.70, abs=0.05)


def test_images_scores_and_devices_belong_together(small):
    table = pd.read_csv(small / "Scores" / "Scores_Details.csv").set_index("IMAGE")
    devices = pd.read_csv(small / "Metadata" / "Image Metadata.csv").set_index("Image")["Device"]
    rows = load_piq23(small, "details", "device")
    assert len(rows) == 150
    for row in rows.select(range(0, 150, 7)):
        assert row["jod"] == table.loc[row["name"], "JOD"]
        assert row["image"].size == (64, 64)
        assert row["image"].filename.endswith(f"Details/{row['name']}")
        assert row["device"] == devices[row["name"]]
        assert row["condition"] == row["scene"].split("_")[0].lower()
        assert row["subject"] is None
    assert {name.split(".")[1] for name in rows["name"]} == {"jpg", "JPG", "jpeg", "tiff", "tif"}


def test_the_layout_of_the_download_loads_too(broken):
    """Tables beside the folders, column names in other case, file extensions of another case."""
    shutil.move(broken / "Scores" / "Scores_Overall.csv", broken / "Scores_Overall.csv")
    table = pd.read_csv(broken / "Scores_Overall.csv")
    table.rename(columns=lambda name: name.title().replace(" ", "_")).to_csv(broken / "Scores_Overall.csv", index=False)
    for path in list((broken / "Overall").glob("*.JPG")):
        path.rename(path.with_suffix(".jpg"))
    shutil.rmtree(broken / "Metadata")
    rows = load_piq23(broken, split=None)
    assert (len(rows), set(rows["split"]), set(rows["device"])) == (150, {None}, {None})


def test_one_device_table_serves_files_with_other_endings(broken):
    before = load_piq23(broken, split="device")
    for table, column in (("Test split/Device Split.csv", "IMAGE"), ("Metadata/Image Metadata.csv", "Image")):
        _edit(broken, lambda f, column=column: f.assign(**{column: f[column].str.replace(".tiff", ".jpg")}), table)
    after = load_piq23(broken, split="device")
    assert after["split"][:] == before["split"][:]
    assert after["device"][:] == before["device"][:]


def test_images_may_lie_elsewhere_than_tables(broken, tmp_path):
    shutil.move(broken / "Overall", tmp_path / "photos" / "Overall")
    assert len(load_piq23(broken, images=tmp_path / "photos")) == 150


def test_part_keeps_images_and_scores_together(small):
    for row in load_piq23(small, part="test"):
        assert row["scene"] in TEST_SCENES
        assert row["image"].filename.endswith(row["name"])


def _edit(root, change, table="Scores/Scores_Overall.csv"):
    frame = pd.read_csv(root / table)
    change(frame).to_csv(root / table, index=False)


def _set(frame, column, value, rows):
    frame[column] = frame[column].astype(object)
    frame.loc[rows, column] = value
    return frame


DAMAGE = {
    "wrong folder": (lambda r: shutil.rmtree(r), "is not a folder"),
    "missing table": (lambda r: shutil.rmtree(r / "Scores"), "has no table 'Scores_Overall.csv'"),
    "missing split": (lambda r: (r / "Test split" / "Scene Split.csv").unlink(), "no table 'Scene Split.csv'"),
    "missing column": (lambda r: _edit(r, lambda f: f.drop(columns="JOD")), "has no column 'JOD'"),
    "no images": (lambda r: shutil.rmtree(r / "Overall"), "has no folder 'Overall' with images"),
    "rows without image": (
        lambda r: [p.unlink() for p in sorted((r / "Overall").iterdir())[:2]],
        r"2 of 150 rows have no image in .* \(.*_Scene_.*, .*_Scene_",
    ),
    "images without row": (
        lambda r: _edit(r, lambda f: f[f["SCENE"] != "Indoor_Scene_0"]),
        "3 of 150 images .* have no",
    ),
    "duplicate rows": (lambda r: _edit(r, lambda f: pd.concat([f, f.head(4)])), "4 rows are duplicates"),
    "words for scores": (
        lambda r: _edit(r, lambda f: _set(f, "JOD", "good", [1, 5])),
        "'JOD' must hold numbers.*'good'",
    ),
    "missing scores": (
        lambda r: _edit(r, lambda f: _set(f, "JOD", None, [1, 5])),
        "2 rows of Scores_Overall.csv have no",
    ),
    "unknown scene": (
        lambda r: _edit(r, lambda f: f[f["SCENE"] != "Night_Scene_22"], "Test split/Scene Split.csv"),
        r"where 1 scenes .* \(Night_Scene_22\)",
    ),
    "other side": (
        lambda r: _edit(r, lambda f: _set(f, "SPLIT", "Val", [0]), "Test split/Scene Split.csv"),
        "must say Train or Test, not 'val'",
    ),
    "binary table": (
        lambda r: (r / "Scores" / "Scores_Overall.csv").write_bytes(b'"a\x00\n' * 3),
        "Scores_Overall.csv",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_in_one_sentence(broken, damage):
    harm, sentence = DAMAGE[damage]
    harm(broken)
    with pytest.raises(InputError, match=sentence) as error:
        load_piq23(broken)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"attribute": "Beauty"}, "no attribute 'Beauty': use Overall, Details, Exposure"),
        ({"split": "person"}, "no split 'person'"),
        ({"part": "val"}, "no part 'val'"),
        ({"split": None, "part": "test"}, "part of which split"),
    ],
)
def test_unknown_words_are_told(tables, options, sentence):
    with pytest.raises(InputError, match=sentence):
        load_piq23(tables, images=False, **options)


def test_a_scene_with_one_image(broken):
    names = pd.read_csv(broken / "Scores" / "Scores_Overall.csv").query("SCENE == 'Night_Scene_30'")["IMAGE"].tolist()
    _edit(broken, lambda f: f[~f["IMAGE"].isin(names[1:])])
    for name in names[1:]:
        (broken / "Overall" / name).unlink()
    with pytest.raises(InputError, match=r"single image.*\(Night_Scene_30\)"):
        load_piq23(broken)
    with pytest.warns(UserWarning, match="single image"):
        rows = load_piq23(broken, strict=False)
    assert len(rows) == 147
    assert "Night_Scene_30" not in rows["scene"]


def test_what_does_not_fit_can_be_left_out(broken):
    [path.unlink() for path in sorted((broken / "Overall").glob("*_Indoor_Scene_0.*"))[:1]]
    with pytest.warns(UserWarning, match="1 of 150 rows have no image"):
        rows = load_piq23(broken, strict=False)
    assert len(rows) == 149
    assert all(row["image"].filename.endswith(row["name"]) for row in rows)
