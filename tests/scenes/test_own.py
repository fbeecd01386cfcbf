"""Own folders with scores and votes, Hugging Face formats and back, streams, splits and the schema's checks."""

import shutil
from io import BytesIO

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pqa_lab.errors import InputError
from pqa_lab.scaling import scale
from pqa_lab.scenes.hub import load_hf, save_imagefolder, save_parquet, stream
from pqa_lab.scenes.own import load_folder
from pqa_lab.scenes.rows import FEATURES, photo, select_part, to_rows, undecoded
from pqa_lab.scenes.splits import split_scenes


@pytest.fixture
def folder(tmp_path):
    """Two scenes, "007" and "night", of four photos with the same names."""
    root = tmp_path / "photos"
    for s, scene in enumerate(("007", "night")):
        (root / scene).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (80, 64), (60 * i, 200 * s, 9)).save(root / scene / f"p{i}.{'PNG' if i else 'jpg'}")
    return root


@pytest.fixture
def scores(folder):
    files = sorted(folder.rglob("p*"))
    table = pd.DataFrame({"image": [str(p.relative_to(folder)) for p in files], "jod": np.arange(8) / 7})
    table["device"] = ["A", "B"] * 4
    table["split"] = ["Train"] * 4 + ["Test"] * 4
    return table


def test_folder_alone(folder):
    rows = load_folder(folder)
    assert rows.column_names == [*FEATURES, "name"]
    assert rows["scene"][:] == ["007"] * 4 + ["night"] * 4
    assert set(rows["jod"]) == {None}
    assert photo(rows[7]["image"])[0, 0].tolist() == [180, 200, 9]


def test_scores_find_their_photos(folder, scores):
    shuffled = scores.sample(frac=1, random_state=1)
    for table in (shuffled, shuffled.assign(image=shuffled["image"].str.replace("/", "\\"))):
        rows = load_folder(folder, scores=table)
        for row in rows:
            assert row["image"].filename.endswith(f"{row['scene']}/{row['name']}")
        jods = {f"{row['scene']}/{row['name']}": row["jod"] for row in rows}
        assert jods == dict(zip(scores["image"], scores["jod"], strict=True))
        assert len(select_part(rows, "test")) == 4


def test_a_table_in_the_folder_is_found_and_its_scene_stays_text(folder, scores):
    split = scores["image"].str.split("/", expand=True)
    scores.assign(scene=split[0], image=split[1]).to_csv(folder / "scores.csv", index=False)
    rows = load_folder(folder)
    assert set(rows["scene"]) == {"007", "night"}
    assert sorted(rows["jod"]) == pytest.approx(sorted(scores["jod"]))


def test_photos_in_one_folder_are_one_scene(folder):
    rows = load_folder(folder / "night", scores=pd.DataFrame({"name": ["p3", "p0", "p1", "p2"], "mos": [3, 0, 1, 2]}))
    assert set(rows["scene"]) == {"night"}
    assert dict(zip(rows["name"], rows["jod"], strict=True)) == {"p0": 0, "p1": 1, "p2": 2, "p3": 3}
    for row in rows:
        assert row["name"] in row["image"].filename


def _votes(scene, good, bad, times, wrong):
    return [(scene, good, bad, "first")] * times + [(scene, good, bad, "second")] * wrong


def test_votes_are_scaled_scene_by_scene(folder):
    names = ["p0.jpg", "p1.PNG", "p2.PNG", "p3.PNG"]
    data = [v for a, b in zip(names[1:], names[:-1], strict=True) for v in _votes("007", a, b, 7, 3)]
    data += [v for a, b in zip(names[:-1], names[1:], strict=True) for v in _votes("night", a, b, 9, 1)]
    votes = pd.DataFrame(data, columns=["scene", "first", "second", "preferred"])
    votes.to_csv(folder / "votes.csv", index=False)
    rows = load_folder(folder)
    expected = scale(votes).table.set_index(["scene", "image"])
    for row in rows:
        assert row["jod"] == expected.loc[(row["scene"], row["name"]), "jod"]
        assert row["jod_std"] == expected.loc[(row["scene"], row["name"]), "se"]
        assert row["image"].filename.endswith(f"{row['scene']}/{row['name']}")
    order = pd.DataFrame({"scene": rows["scene"][:], "name": rows["name"][:], "jod": rows["jod"][:]})
    best = order.sort_values("jod").groupby("scene")["name"].last()
    assert best.to_dict() == {"007": "p3.PNG", "night": "p0.jpg"}


BAD = {
    "no photos": (lambda r, t: [shutil.rmtree(r / s) for s in ("007", "night")], "has no photos"),
    "not a folder": (lambda r, t: shutil.rmtree(r), "is not a folder"),
    "no column": (lambda r, t: t.drop(columns="jod", inplace=True), "no column 'jod'"),
    "words": (lambda r, t: t.__setitem__("jod", ["good"] * 8), "must hold numbers"),
    "empty score": (lambda r, t: t.__setitem__("jod", [None, *range(7)]), r"1 of 8 rows have no score \(p0.jpg\)"),
    "no image": (lambda r, t: (r / "007" / "p1.PNG").unlink(), r"1 of 4 rows have no image in .*007 \(p1.PNG\)"),
    "no row": (lambda r, t: t.drop(index=[2], inplace=True), r"1 of 4 images in .*007 have no row \(p2.PNG\)"),
    "no scene folder": (lambda r, t: shutil.rmtree(r / "night"), r"1 scenes of the table have no folder \(night\)"),
    "no scene row": (lambda r, t: t.drop(index=range(4, 8), inplace=True), r"1 scenes in .* have no score \(night\)"),
    "names twice": (
        lambda r, t: t.__setitem__("image", [n.split("/")[1] for n in t["image"]]),
        "8 names are in several",
    ),
    "row twice": (lambda r, t: t.__setitem__("image", ["007/p0.jpg"] * 2 + list(t["image"])[2:]), "no row|duplicates"),
    "empty scene": (lambda r, t: t.__setitem__("scene", [None] + ["007"] * 7), "1 rows of the table have no scene"),
    "photo beside": (lambda r, t: shutil.copy(r / "007" / "p1.PNG", r / "x.png"), r"1 photos lie beside .* \(x.png\)"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_folders_are_told_in_one_sentence(folder, scores, what):
    harm, sentence = BAD[what]
    harm(folder, scores)
    with pytest.raises(InputError, match=sentence) as error:
        load_folder(folder, scores=scores)
    assert "\n" not in str(error.value)


def test_scores_and_votes_together(folder, scores):
    with pytest.raises(InputError, match="one of them"):
        load_folder(folder, scores=scores, votes=scores)


def test_checks_of_the_schema():
    frame = pd.DataFrame({"scene": ["a", "a"], "jod": [1.0, None], "extra": [1, 2]})
    rows = to_rows(frame)
    assert rows[1] == dict.fromkeys(FEATURES) | {"scene": "a", "extra": 2}
    for bad, sentence in [
        (frame.drop(columns="scene"), "no column 'scene'"),
        (frame.head(0), "no rows"),
        (frame.assign(scene=["a", None]), "1 rows have no scene"),
        (frame.assign(jod=["1", "two"]), "the first is row 2 with 'two'"),
        (frame.assign(jod=[1, np.inf]), "must hold numbers"),
        (frame.assign(name=["x", "x"]), r"1 rows are duplicates \(x\)"),
        (frame.assign(scene=["a", "b"]), "single image"),
    ]:
        with pytest.raises(InputError, match=sentence):
            to_rows(bad)
    with pytest.raises(InputError, match="No row belongs to the test part"):
        select_part(rows, "test")
    with pytest.raises(InputError, match="no image"):
        photo(rows[0]["image"])


def _same(one, two):
    assert one.features == two.features
    assert one.num_rows == two.num_rows
    for a, b in zip(undecoded(one), undecoded(two), strict=True):
        pixels = [photo(row.pop("image")) for row in (a, b)]
        np.testing.assert_array_equal(*pixels)
        assert a == b


def test_parquet_there_and_back_carries_the_images(folder, scores, tmp_path):
    rows = load_folder(folder, scores=scores)
    path = save_parquet(rows, tmp_path / "deep [1]" / "rows.parquet", batch=3)
    shutil.rmtree(folder)
    again = load_hf(path, cache_dir=str(tmp_path / "cache"))
    assert np.asarray(again[7]["image"])[0, 0].tolist() == [180, 200, 9]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    rest = [{k: v for k, v in row.items() if k != "image"} for row in undecoded(rows)]
    assert [{k: v for k, v in row.items() if k != "image"} for row in undecoded(again)] == rest
    assert again.features == rows.features


def test_image_folder_there_and_back_keeps_files_and_names(folder, scores, tmp_path):
    rows = load_folder(folder, scores=scores)
    out = save_imagefolder(rows, tmp_path / "out [2]")
    assert (out / "007" / "p0.jpg").read_bytes() == (folder / "007" / "p0.jpg").read_bytes()
    again = load_hf(out, cache_dir=str(tmp_path / "cache"))
    order = np.argsort([f"{s}/{n}" for s, n in zip(again["scene"], again["name"], strict=True)])
    _same(rows, again.select(order))
    with pytest.raises(InputError, match="not empty"):
        save_imagefolder(rows, out)


def test_names_that_sound_like_splits_stay_together(folder, tmp_path):
    """Left alone, datasets sorts files by the words train, test and validation in their names."""
    (folder / "night").rename(folder / "test")
    (folder / "test" / "p1.PNG").rename(folder / "test" / "train.PNG")
    out = save_imagefolder(load_folder(folder), tmp_path / "out")
    assert sorted(load_hf(out, cache_dir=str(tmp_path / "cache"))["scene"]) == ["007"] * 4 + ["test"] * 4


def test_an_image_folder_with_a_csv_and_a_saved_data_set(folder, scores, tmp_path):
    scores.assign(scene="s").rename(columns={"image": "file_name"}).to_csv(folder / "metadata.csv", index=False)
    rows = load_hf(folder, cache_dir=str(tmp_path / "cache"))
    assert list(rows.features)[:9] == list(FEATURES)
    assert sorted(rows["jod"]) == pytest.approx(sorted(scores["jod"]))
    rows.save_to_disk(str(tmp_path / "saved"))
    _same(load_hf(tmp_path / "saved"), rows)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_hf(tmp_path / "nowhere.parquet", cache_dir=str(tmp_path / "cache"))


def test_what_cannot_be_written_leaves_nothing_behind(folder, tmp_path):
    rows = load_folder(folder)
    (folder / "night" / "p3.PNG").unlink()
    with pytest.raises(InputError, match="not there any more"):
        save_parquet(rows, tmp_path / "out" / "rows.parquet")
    with pytest.raises(InputError, match=r"row 8 is not there any more \(p3.PNG\)"):
        save_imagefolder(rows, tmp_path / "out" / "images")
    assert list((tmp_path / "out").iterdir()) == []


def test_stream_gives_the_same_rows_without_a_copy(folder, scores, tmp_path):
    rows = load_folder(folder, scores=scores)
    path = save_parquet(rows, tmp_path / "rows.parquet")
    streamed = stream(path)
    assert streamed.features == rows.features
    first, *rest = list(streamed)
    assert first["image"].size == (80, 64)
    assert [row["jod"] for row in [first, *rest]] == rows["jod"][:]
    assert [r["name"] for r in stream(rows)] == rows["name"][:]
    assert sorted(r["name"] + r["scene"] for r in stream(path, shuffle=8, seed=1)) == sorted(
        n + s for n, s in zip(rows["name"], rows["scene"], strict=True)
    )
    foreign = datasets.Dataset.from_dict({"scene": [1, 1], "image": [first["image"]] * 2, "note": ["x", "y"]})
    row = next(iter(stream(foreign)))
    assert (row["scene"], row["jod"], row["note"], row["image"].size) == ("1", None, "x", (80, 64))


def test_rows_made_in_memory_go_out_as_well(tmp_path):
    buffer = BytesIO()
    Image.new("RGB", (70, 70), (5, 6, 7)).save(buffer, "PNG")
    rows = to_rows(pd.DataFrame({"scene": ["a/b", "a/b"]}), [buffer.getvalue(), Image.new("RGB", (70, 70))])
    out = save_imagefolder(rows, tmp_path / "out")
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == ["a_b/000000.png", "a_b/000001.png"]
    again = load_hf(out, cache_dir=str(tmp_path / "cache"))
    assert set(again["scene"]) == {"a/b"}
    assert photo(undecoded(again)[0]["image"])[0, 0].tolist() == [5, 6, 7]


def test_split_keeps_scenes_whole_and_meets_the_share():
    sizes = {"a": 10, "b": 20, "c": 30, "d": 40}
    frame = pd.DataFrame({"scene": [s for s, n in sizes.items() for _ in range(n)]})
    rows = to_rows(frame.assign(device=["x", "y"] * 50))
    seen = set()
    for seed in range(20):
        split = split_scenes(rows, 0.3, seed)
        table = pd.crosstab(pd.Series(split["scene"][:]), pd.Series(split["split"][:]))
        assert ((table > 0).sum(axis=1) == 1).all()
        assert 10 <= table["test"].sum() <= 50
        seen.add(table["test"].sum())
    assert len(seen) > 2
    assert split_scenes(rows, 0.3, 4)["split"][:] == split_scenes(rows, 0.3, 4)["split"][:]
    assert set(zip(split_scenes(rows, 0.5, by="device")["device"], split["split"], strict=True)) >= {("x", "train")}
    for bad, sentence in [((1.0,), "share"), ((0.5, 0, "subject"), "no subject"), ((0.5, 0, "jod"), "'jod'")]:
        with pytest.raises(InputError, match=sentence):
            split_scenes(rows, *bad)
    with pytest.raises(InputError, match="one scene only"):
        split_scenes(rows.select(range(10)))
