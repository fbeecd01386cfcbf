import datasets
import numpy as np
import pytest
import torch
from training_toy import toy, toy_rows

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Prediction
from pqa_lab.training import predict


class Jittery(torch.nn.Module):
    """Random crops at test time too, several views a photo: BDVQA's way."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def views(self, train):
        def crops(photo, rng):
            corners = rng.integers(0, 40, (5, 2))
            return {"image": torch.stack([torch.from_numpy(photo[y : y + 9, x : x + 9].copy()) for y, x in corners])}

        return crops

    def forward(self, views):
        return Prediction(score=self.weight * views["image"].float().mean((1, 2, 3)))


def test_the_frame_has_a_line_an_image_in_order():
    rows = toy_rows(2, 3)
    frame = predict(toy(), rows, batch_size=4, progress=False)
    assert list(frame.columns[:6]) == ["scene", "image", "path", "score", "jod", "jod_std"]
    assert frame["image"].tolist() == list(range(6))
    assert frame["scene"].tolist() == rows["scene"][:]
    np.testing.assert_array_equal(frame["jod"], rows["jod"][:])
    assert frame["path"].isna().all()


def test_the_score_is_the_mean_over_views_of_single_forwards():
    rows, model = toy_rows(1, 3), Jittery()
    frame = predict(model, rows, progress=False)
    photo = np.asarray(rows[2]["image"])
    corners = np.random.default_rng([0]).integers(0, 40, (5, 2))
    assert frame["score"][2] == pytest.approx(
        np.mean([photo[y : y + 9, x : x + 9].mean() for y, x in corners]), rel=1e-5
    )


def test_the_same_photo_has_the_same_score_wherever_it_stands():
    rows = toy_rows(1, 3)
    twice = datasets.concatenate_datasets([rows, rows.select([2, 1, 0])])
    score = predict(Jittery(), twice, batch_size=1, progress=False)["score"].to_numpy()
    np.testing.assert_array_equal(score[:3], score[5:2:-1])
    np.testing.assert_allclose(predict(Jittery(), twice, batch_size=4, progress=False)["score"], score, rtol=1e-6)
    np.testing.assert_array_equal(
        predict(Jittery(), twice, batch_size=1, progress=False, num_workers=2)["score"], score
    )


def test_parts_mode_and_generator():
    model = toy(dropout=0.5).train()
    rows = toy_rows(1, 3)
    torch.manual_seed(0)
    frame = predict(model, rows, parts=True, progress=False)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))
    assert model.training
    assert model.backbone[2].training
    np.testing.assert_allclose(frame["part.twice"], 2 * frame["score"], rtol=1e-5)
    assert frame["part.feature"][0].shape == (16,)


def test_rows_may_know_nothing_but_the_photo(tmp_path):
    rows = toy_rows(1, 2)
    file = tmp_path / "portrait.png"
    rows[1]["image"].save(file)
    frame = predict(toy(), datasets.Dataset.from_dict({"image": [str(file)]}), progress=False)
    assert frame["path"][0] == str(file)
    assert frame["score"][0] == pytest.approx(predict(toy(), rows, progress=False)["score"][1], rel=1e-5)
    assert frame["jod"].isna().all()
    assert predict(toy(), rows.select([]), progress=False).empty


def test_bad_photos_and_broken_weights():
    rows = toy_rows(1, 2)
    model = toy()
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="not numbers"):
        predict(model, rows, progress=False)
    broken = datasets.Dataset.from_dict({"image": [{"bytes": b"no photo", "path": None}]})
    with pytest.raises(InputError, match="Row 0: This is not a photo"):
        predict(toy(), broken, progress=False)
