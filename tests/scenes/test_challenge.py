"""The challenge's folder and result table, and the measured limits against hand counts."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.scenes.challenge import load_challenge, submission_name, write_submission
from pqa_lab.scenes.limits import GB, check_limits, count_flops


@pytest.fixture
def folder(tmp_path):
    """Two scenes of seven images in the kit's format, with a further column and values that a parser would change."""
    rows = []
    for scene, condition in (("007", "INDOOR"), ("12", "NIGHT")):
        (tmp_path / "images" / scene).mkdir(parents=True)
        for i in range(7):
            name = f"images/{scene}/image{i}.{'tiff' if i == 3 else 'jpg'}"
            Image.new("RGB", (80, 64), (30 * i, 90, 90)).save(tmp_path / name)
            rows.append((name, scene, condition, "NA" if i else "1.10"))
    pd.DataFrame(rows, columns=["IMAGE", "CLASS", "CONDITION", "NOTE"]).to_csv(tmp_path / "images.csv", index=False)
    return tmp_path


def test_rows(folder):
    rows = load_challenge(folder)
    assert len(rows) == 14
    assert set(rows["scene"]) == {"007", "12"}
    assert set(rows["condition"]) == {"indoor", "night"}
    assert set(rows["jod"]) == {None}
    assert set(rows["split"]) == {"test"}
    for row in rows:
        assert row["image"].filename.endswith(row["name"])


@pytest.mark.parametrize("form", ["{name}", "{name}.{ending}", "images\\{scene}\\{name}.{ending}"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_other_ways_to_write_the_table(folder, form, separator):
    table = pd.read_csv(folder / "images.csv", dtype=str)
    split = table["IMAGE"].str.extract(r"images/(?P<scene>.*)/(?P<name>.*)\.(?P<ending>.*)")
    table["IMAGE"] = [form.format(**row) for row in split.to_dict("records")]
    table.to_csv(folder / "images.csv", index=False, sep=separator)
    reds = [np.asarray(row["image"])[0, 0, 0] for row in load_challenge(folder)]
    np.testing.assert_allclose(reds, [30 * i for _ in range(2) for i in range(7)], atol=3)


def test_submission_keeps_every_other_column_as_it_was(folder):
    before = (folder / "images.csv").read_text().splitlines()
    scores = [0.5 * i for i in range(14)]
    path = write_submission(folder, scores, last_name="van Dyk", first_name="Jo")
    assert path == folder / "results" / "result_van_Dyk_Jo.csv"
    after = path.read_text().splitlines()
    assert after[0] == "IMAGE,CLASS,CONDITION,NOTE,SCORE"
    assert [line.rsplit(",", 1)[0] for line in after] == before
    assert [float(line.rsplit(",", 1)[1]) for line in after[1:]] == scores
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_scores_are_matched_by_name_whatever_their_order(folder):
    rows = load_challenge(folder)
    frame = pd.DataFrame({"name": rows["name"][:], "score": np.arange(14.0)}).sample(frac=1, random_state=0)
    for scores in (frame, dict(zip(frame["name"], frame["score"], strict=True))):
        out = write_submission(folder, scores, folder / "mine.csv")
        assert pd.read_csv(out)["SCORE"].tolist() == list(range(14))


def test_the_kits_names():
    assert submission_name("Doe", "Jane") == "result_Doe_Jane.csv"
    assert submission_name("Doe", "Jane", "weights") == "weights_Doe_Jane.pth"
    assert submission_name("Doe", "Jane", "model") == "model_Doe_Jane.py"
    with pytest.raises(InputError, match="names no 'video'"):
        submission_name("Doe", "Jane", "video")
    with pytest.raises(InputError, match="last name"):
        submission_name(" ", "Jane")


@pytest.mark.parametrize(
    "scores, sentence",
    [
        ([1.0, 2.0], "2 scores for 14 rows"),
        ([1.0] * 13 + [float("nan")], "1 scores are missing"),
        ([1.0] * 13 + ["good"], "must hold numbers.*'good'"),
        ([1.0] * 13 + [float("inf")], "must hold numbers"),
        ({"images/007/image0.jpg": 1.0}, "13 of 14 images have no score"),
        (pd.DataFrame({"name": [], "value": []}), "need the columns 'name' and 'score'"),
    ],
)
def test_bad_scores(folder, scores, sentence):
    with pytest.raises(InputError, match=sentence):
        write_submission(folder, scores)
    assert not (folder / "results").exists()


def test_scores_of_unknown_images(folder):
    scores = dict.fromkeys([*load_challenge(folder)["name"], "other.jpg"], 1.0)
    with pytest.raises(InputError, match=r"1 scores belong to no row .*\(other.jpg\)"):
        write_submission(folder, scores)


def _edit(root, change):
    change(pd.read_csv(root / "images.csv", dtype=str)).to_csv(root / "images.csv", index=False)


DAMAGE = {
    "no table": (lambda r: (r / "images.csv").unlink(), "no table 'images.csv'"),
    "no column": (lambda r: _edit(r, lambda f: f.drop(columns="CLASS")), "no column 'CLASS'"),
    "no rows": (lambda r: _edit(r, lambda f: f.head(0)), "no rows"),
    "no image": (lambda r: (r / "images/12/image0.jpg").unlink(), r"1 of 14 rows .* \(images/12/image0.jpg\)"),
    "no row": (lambda r: _edit(r, lambda f: f.iloc[:7]), "7 images have no row"),
    "duplicates": (lambda r: _edit(r, lambda f: pd.concat([f, f.head(1)])), "1 rows are duplicates"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage(folder, damage):
    harm, sentence = DAMAGE[damage]
    harm(folder)
    with pytest.raises(InputError, match=sentence):
        load_challenge(folder)


def test_scenes_of_another_size(folder):
    (folder / "images/12/image0.jpg").unlink()
    _edit(folder, lambda f: f[f["IMAGE"] != "images/12/image0.jpg"])
    with pytest.raises(InputError, match=r"1 scenes do not have 7 images \(12\)"):
        load_challenge(folder)
    assert len(load_challenge(folder, images_per_scene=None)) == 13
    with pytest.warns(UserWarning, match="do not have 7"):
        assert len(load_challenge(folder, strict=False)) == 7


def test_flops_of_a_convolution_and_a_linear_layer_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(8 * 32 * 32, 10))
    table = check_limits(model, torch.rand(1, 3, 32, 32))
    macs = 32 * 32 * 8 * 3 * 9 + 8 * 32 * 32 * 10
    assert table.loc["compute", "measured"] * 1e12 == pytest.approx(2 * macs)
    parameters = 8 * 27 + 8 + 8 * 32 * 32 * 10 + 10
    assert table.loc["weights", "measured"] * GB == 4 * parameters
    assert table["ok"].all()
    assert table["limit"].tolist() == [5, 5, 8, 2]


@pytest.mark.parametrize("fused", ["attention", "encoder"])
def test_attention_is_counted_although_torch_fuses_it(fused):
    n, d = 50, 64
    if fused == "attention":
        model = nn.MultiheadAttention(d, 4, batch_first=True).eval()
        x = torch.rand(1, n, d)
        # Four projections (q, k, v, output), then n x n x d twice: the products with the keys and with the values.
        macs, run = 4 * n * d * d + 2 * n * n * d, lambda: model(x, x, x, need_weights=False)
    else:
        model = nn.TransformerEncoderLayer(d, 4, dim_feedforward=128, batch_first=True).eval()
        x = torch.rand(1, n, d)
        macs, run = 4 * n * d * d + 2 * n * n * d + 2 * n * d * 128, lambda: model(x)
    with torch.no_grad():
        assert count_flops(run) == 2 * macs


def test_cpu_memory_is_the_peak_of_living_tensors():
    class Steps(nn.Module):
        def forward(self, x):
            y = x * 2  # x is the caller's; y lives
            z = y + 1  # y and z live: the peak
            del y
            return z.sum()

    table = check_limits(Steps(), torch.zeros(1000, 1000))
    assert table.loc["memory", "measured"] * GB == pytest.approx(2 * 4e6, rel=0.01)


def test_a_model_that_breaks_a_limit_is_told_and_left_as_it_was():
    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def views(self, train):
            assert not train
            return lambda photo, rng: {"whole": torch.from_numpy(photo[:1, :4, 0] / 255).float()}

        def forward(self, views):
            torch.empty(3 * GB // 4)  # 3 GB for a moment
            return self.layer(views["whole"]) if not self.training else None

    model = Slow().train()
    table = check_limits(model, repeats=1)
    assert model.training
    assert table.loc["memory", "measured"] == pytest.approx(3, rel=0.01)
    assert table["ok"].all()
    with pytest.raises(InputError, match="does not say how it looks"):
        check_limits(nn.Linear(2, 2))


def test_weights_over_two_gigabytes_break_the_limit():
    model = nn.Linear(1, 1)
    model.register_buffer("unused", torch.empty(int(2.5 * GB) // 4))  # reserved, never touched
    table = check_limits(model, torch.zeros(1, 1), repeats=1)
    assert table["ok"].to_dict() == {"time": True, "compute": True, "memory": True, "weights": False}
