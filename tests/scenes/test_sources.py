"""Pre-training sources in their distributed formats (tiny stand-ins with made-up scores), faces only, and the door."""

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

import pqa_lab.scenes
from pqa_lab.errors import InputError
from pqa_lab.scenes.doors import load_rows
from pqa_lab.scenes.hub import load_hf, save_parquet
from pqa_lab.scenes.rows import FEATURES, photo, to_rows, undecoded
from pqa_lab.scenes.sampler import SceneBatchSampler
from pqa_lab.scenes.sources import SOURCES, face_only, load_source
from pqa_lab.scenes.standin import make_piq23_standin


def _image(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 64), (shade, 0, 0)).save(path)


def _spaq(root):
    names = [f"{i:05d}.jpg" for i in (1, 2, 3)]
    [_image(root / "TestImage" / name, 50 * i) for i, name in enumerate(names)]
    (root / "Annotations").mkdir()
    table = pd.DataFrame({"Image name": names, "MOS": [60.5, 30, 90], "Brightness": 1, "Sharpness": 2})
    table.to_excel(root / "Annotations" / "MOS and Image attribute scores.xlsx", index=False)
    table.to_excel(root / "Annotations" / "Scene category labels.xlsx", index=False)
    return names, [60.5, 30, 90], None


def _koniq10k(root):
    names = ["10004473376.jpg", "10007357496.jpg"]
    for i, name in enumerate(names):
        _image(root / "512x384" / name, 99)
        _image(root / "1024x768" / name, 50 * i)
    table = pd.DataFrame({"image_name": names, "c1": 0, "MOS": [3.9, 2.1], "SD": [0.5, 0.6], "MOS_zscore": [77, 30]})
    table.to_csv(root / "koniq10k_scores_and_distributions.csv", index=False)
    return names, [3.9, 2.1], [0.5, 0.6]


def _livew(root):
    names = [f"t{i}.bmp" for i in range(1, 8)] + ["3.bmp", "5.JPG"]
    [_image(root / "Images" / ("trainingImages" if name[0] == "t" else ".") / name) for name in names[:7]]
    [_image(root / "Images" / name, 50 * i) for i, name in enumerate(names[7:])]
    (root / "Data").mkdir()
    cells = np.array([[name] for name in names], dtype=object)
    savemat(root / "Data" / "AllImages_release.mat", {"AllImages_release": cells})
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": np.arange(9.0)[None] * 10})
    savemat(root / "Data" / "AllStdDev_release.mat", {"AllStdDev_release": np.arange(9.0)[None]})
    return names[7:], [70, 80], [7, 8]


def _rbid(root):
    [_image(root / f"DatabaseImage{i:04d}.JPG", 50 * n) for n, i in enumerate((1, 27))]
    table = pd.DataFrame({"Image Number": [1, 27], "Average Subjective Grade": [2.5, 4], "std": [0.1, 0.2]})
    table.to_excel(root / "DatabaseGrades.xlsx", index=False)
    return ["DatabaseImage0001.JPG", "DatabaseImage0027.JPG"], [2.5, 4], [0.1, 0.2]


def _gfiqa20k(root):
    names = ["000001.png", "000002.png"]
    [_image(root / "image" / name, 50 * i) for i, name in enumerate(names)]
    for name, mos, part in zip(names, (0.25, 0.75), ("train", "val"), strict=True):
        pd.DataFrame({"img_name": [name], "mos": [mos]}).to_csv(root / f"mos_{part}_rating.csv", index=False)
    return names, [0.25, 0.75], None


def _lsvq(root):
    for i, video in enumerate(("one", "two")):
        [_image(root / "LSVQ_image" / video / f"{f:03d}.png", 50 * (2 * i + f)) for f in range(2)]
    table = pd.DataFrame({"name": ["ia-batch1/one", "yfcc-batch2/two"], "mos": [66.5, 40.0], "mos_p1": 0})
    table.to_csv(root / "LSVQ_whole_train.csv", index=False)
    names = [f"LSVQ_image/{video}/{f:03d}.png" for video in ("one", "two") for f in range(2)]
    return names, [66.5, 66.5, 40, 40], None


MAKE = {"spaq": _spaq, "koniq10k": _koniq10k, "livew": _livew, "rbid": _rbid, "gfiqa20k": _gfiqa20k, "lsvq": _lsvq}


@pytest.mark.parametrize("key", SOURCES)
def test_a_source_is_one_scene(key, tmp_path):
    names, scores, stds = MAKE[key](tmp_path)
    rows = load_source(key.upper(), tmp_path)
    assert set(rows["scene"]) == {SOURCES[key].scene}
    assert rows["name"][:] == names
    assert rows["jod"][:] == scores
    assert rows["jod_std"][:] == (stds or [None] * len(names))
    for i, row in enumerate(rows):
        # The photo of this very row (and of the preferred resolution), by its shade.
        assert np.asarray(row["image"].convert("RGB"))[0, 0, 0] == pytest.approx(50 * i, abs=2)


def test_sources_mix_into_batches_of_one_domain_a_chunk(tmp_path):
    loaded = []
    for key in ("spaq", "koniq10k", "rbid"):
        (tmp_path / key).mkdir()
        MAKE[key](tmp_path / key)
        loaded.append(load_source(key, tmp_path / key))
    rows = datasets.concatenate_datasets(loaded)
    batch = next(iter(SceneBatchSampler(rows["scene"][:], 3, 2, distinct=True)))
    assert len({rows[i]["scene"] for i in batch}) == 3


@pytest.mark.parametrize(
    "harm, sentence",
    [
        (lambda r: (r / "DatabaseGrades.xlsx").unlink(), "no table 'DatabaseGrades.xls"),
        (lambda r: (r / "DatabaseImage0027.JPG").unlink(), r"1 of 2 rows have no image .*\(DatabaseImage0027.JPG\)"),
        (lambda r: (r / "DatabaseGrades.xlsx").write_bytes(b"no workbook"), "cannot be read as a table"),
        (lambda r: _grades(r, {"Average Subjective Grade": ["a", 2]}), "must hold numbers.*'a'"),
        (lambda r: _grades(r, {"Average Subjective Grade": [None, 2]}), "1 rows of RBID have no score"),
        (lambda r: _grades(r, {"Image Number": [1, 1]}), r"1 rows are duplicates \(DatabaseImage0001.JPG\)"),
        (
            lambda r: _grades(r, {"Grade": [1, 1]}, drop="Average Subjective Grade"),
            "no column 'Average Subjective Grade'",
        ),
    ],
)
def test_damaged_sources_are_told(tmp_path, harm, sentence):
    _rbid(tmp_path)
    harm(tmp_path)
    with pytest.raises(InputError, match=sentence) as error:
        load_source("bid", tmp_path)
    assert "\n" not in str(error.value)


def _grades(root, columns, drop=None):
    table = pd.read_excel(root / "DatabaseGrades.xlsx").assign(**columns)
    table.drop(columns=drop or []).to_excel(root / "DatabaseGrades.xlsx", index=False)


def test_mat_files_without_the_variable_or_of_two_releases(tmp_path):
    _livew(tmp_path)
    savemat(tmp_path / "Data" / "AllMOS_release.mat", {"AllMOS_release": np.arange(5.0)[None]})
    with pytest.raises(InputError, match="different lengths"):
        load_source("livew", tmp_path)
    savemat(tmp_path / "Data" / "AllMOS_release.mat", {"mos": np.arange(9.0)[None]})
    with pytest.raises(InputError, match=r"no variable 'AllMOS_release' \(it has mos\)"):
        load_source("livew", tmp_path)
    with pytest.raises(InputError, match="no source 'imagenet': use spaq, koniq10k"):
        load_source("imagenet", tmp_path)


def test_only_the_face_is_left(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 256, (64, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    rows = to_rows(pd.DataFrame({"scene": ["a"] * 3, "jod": [1.0, 2, 3]}), [tmp_path / "face.png"] * 3)
    mask = np.zeros((64, 80), bool)
    mask[10:30, 20:50] = True
    answers = iter([(20.2, 9.8, 49.9, 30), mask, None])
    done = face_only(rows, lambda given: next(answers) if (given == pixels).all() else pytest.fail("other photo"))
    expected = np.where(mask[..., None], pixels, 0)
    for row, truth in zip(undecoded(done), (expected, expected, pixels), strict=True):
        np.testing.assert_array_equal(photo(row["image"]), truth)
    assert done["jod"][:] == [1, 2, 3]
    assert done.features == rows.features
    with pytest.raises(InputError, match="one value a pixel"):
        face_only(rows, lambda given: np.ones((3, 3)))


def test_the_door_recognises_what_lies_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    piq = make_piq23_standin(tmp_path / "piq", images_per_scene=2, attributes=("Overall",))
    assert len(load_rows(f"piq23:{piq}", "test")) == 30
    assert len(load_rows(str(piq), "train", split="device")) == 100 - len(load_rows(str(piq), "test", split="device"))
    path = save_parquet(load_rows(str(piq)), tmp_path / "piq.parquet")
    assert set(load_rows(str(path), "test")["scene"]) == set(load_rows(str(piq), "test")["scene"])
    (tmp_path / "rbid").mkdir()
    _rbid(tmp_path / "rbid")
    assert set(load_rows(f"rbid:{tmp_path / 'rbid'}")["scene"]) == {"RBID"}
    for i in range(3):
        _image(tmp_path / "mine" / "scene" / f"{i}.jpg")
    assert len(load_rows(str(tmp_path / "mine"))) == len(load_rows(f"folder:{tmp_path / 'mine'}")) == 3


@pytest.mark.parametrize(
    "spec, sentence",
    [
        ("nonsense", "neither a folder nor"),
        ("imagenet:/data", "'imagenet:/data' is not understood: use simulated"),
        ("piq23:", "lacks the path"),
        ("simulated:50", "write simulated:SCENESxIMAGES"),
        ("simulated:0x5", "write simulated:SCENESxIMAGES"),
        ("piq23:/nowhere", "is not a folder"),
    ],
)
def test_the_door_says_what_it_does_not_understand(spec, sentence):
    with pytest.raises(InputError, match=sentence):
        load_rows(spec)


@pytest.mark.slow
def test_the_simulation_through_the_door(tmp_path, monkeypatch):
    monkeypatch.setenv("PQA_LAB_CACHE", str(tmp_path))
    options = {"size": 64, "workers": 1, "progress": False}
    rows = load_rows("simulated:3x6", **options)
    assert len(rows) == 18
    assert list(rows.features)[:9] == list(FEATURES)
    train, test = (load_rows("simulated:3x6", part, **options) for part in ("train", "test"))
    assert len(train) + len(test) == 18
    assert not set(train["scene"]) & set(test["scene"])
    path = save_parquet(test, tmp_path / "rows.parquet")
    again = load_hf(path, cache_dir=str(tmp_path / "cache"))
    for one, two in zip(test, again, strict=True):
        np.testing.assert_array_equal(np.asarray(one.pop("image")), np.asarray(two.pop("image")))
        assert one == two


def test_every_name_of_the_room_can_be_had():
    for name in pqa_lab.scenes.__all__:
        assert getattr(pqa_lab.scenes, name) is not None
    with pytest.raises(AttributeError):
        _ = pqa_lab.scenes.nothing
