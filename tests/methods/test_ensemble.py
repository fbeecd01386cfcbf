"""Ensembles against hand-worked sums and invariances."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.methods import Prediction
from pqa_lab.methods.ensemble import average_frames, score_photos, z_scores


def frame(scores, scenes="aaabb"):
    return pd.DataFrame({"scene": list(scenes), "image": range(5), "score": scores, "jod": [1.0, 2, 3, 4, np.nan]})


def test_two_members_by_hand():
    # scene a: (0, 3, 6) -> (-1, 0, 1) * sqrt(1.5); (2, 1, 0) -> (1, 0, -1) * sqrt(1.5): they cancel.
    # scene b: (0, 1) -> (-1, 1) twice.
    both = average_frames([frame([0, 3, 6, 0, 1]), frame([2, 1, 0, 10, 30])])
    np.testing.assert_allclose(both["score"], [0, 0, 0, -1, 1], atol=1e-12)
    raw = average_frames([frame([0, 3, 6, 0, 1]), frame([2, 1, 0, 10, 30])], normalise=False)
    np.testing.assert_allclose(raw["score"], [1, 2, 3, 5, 15.5])


def test_a_members_scale_and_shift_in_a_scene_do_not_matter():
    a, b = np.random.default_rng(0).normal(size=(2, 5))
    stretched = b * [7, 7, 7, 0.01, 0.01] + [3, 3, 3, -90, -90]
    plain = average_frames([frame(a), frame(b)])["score"]
    np.testing.assert_allclose(average_frames([frame(a), frame(stretched)])["score"], plain, atol=1e-9)
    wide = average_frames([frame(a), frame(1e6 * b)], normalise=False)["score"]
    assert (wide[:3].rank() == pd.Series(b[:3]).rank()).all()  # raw: the wide member decides alone


def test_frames_are_matched_by_image_not_by_place():
    a, b = frame([5, 1, 4, 2, 3]), frame([9, 2, 8, 1, 7])
    expected = average_frames([a, b])
    shuffled = b.sample(frac=1, random_state=1)
    assert list(shuffled["image"]) != list(b["image"])
    pd.testing.assert_frame_equal(average_frames([a, shuffled]), expected)
    pd.testing.assert_frame_equal(
        average_frames([shuffled, a]).sort_values("image").reset_index(drop=True), expected.sort_values("image")
    )


@pytest.mark.parametrize("scores", [[4.0], [2.0, 2.0, 2.0], [0.1 + 0.2, 0.3]])
def test_equal_scores_say_nothing(scores):
    assert (z_scores(scores) == 0).all()


def test_z_scores_have_mean_0_and_deviation_1_in_every_scene():
    scenes = np.array(["x", "y", None, "y", "x", None, "x"], dtype=object)
    z = z_scores(np.random.default_rng(1).normal(size=7), scenes)
    for scene in ("x", "y", None):
        inside = np.array([s is scene or s == scene for s in scenes])
        assert abs(z[inside].mean()) < 1e-12
        assert abs(z[inside].std() - 1) < 1e-12


@dataclass(frozen=True)
class Config:
    method: str = "brightness"


class Brightness(nn.Module):
    """Scores two random pixels: slope times their mean."""

    def __init__(self, slope):
        super().__init__()
        self.config, self.slope = Config(), nn.Parameter(torch.tensor(float(slope)))
        self.dropout = nn.Dropout(0.5)

    def views(self, train):
        def look(photo, rng):
            row, column = rng.integers(0, photo.shape[0], 2), rng.integers(0, photo.shape[1], 2)
            return {"pixel": torch.from_numpy(photo[row, column].astype(np.float32))}  # (2, 3)

        return look

    def forward(self, views):
        return Prediction(self.dropout(views["pixel"].mean(1) * self.slope))


def test_models_on_a_group_of_photos():
    photos = [np.full((8, 9, 3), value, np.uint8) for value in (10, 40, 20)]
    models = [Brightness(1), Brightness(1000)]
    np.testing.assert_allclose(score_photos(models, photos, normalise=False), 500.5 * np.array([10, 40, 20]), rtol=1e-6)
    np.testing.assert_allclose(score_photos(models, photos), z_scores([10, 40, 20]), rtol=1e-6)
    np.testing.assert_allclose(score_photos([Brightness(1), Brightness(-5)], photos), [0, 0, 0], atol=1e-6)
    assert all(model.training and model.dropout.training for model in models)  # left as they were


def test_the_same_photo_twice_gets_the_same_score():
    photo = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    scores = score_photos([Brightness(1)], [photo, photo[::-1], photo], normalise=False)
    assert scores[0] == scores[2] != scores[1]


def test_a_model_that_compares_photos_sees_them_together():
    class Rank(Brightness):
        compares = True

        def forward(self, views, group):
            bright = views["pixel"].mean(1)  # (n V,)
            same = group[:, None] == group[None, :]
            return Prediction(((bright[:, None] > bright[None, :]) & same).sum(1).float())

    photos = [np.full((8, 9, 3), value, np.uint8) for value in (10, 40, 20)]
    np.testing.assert_array_equal(score_photos([Rank(1)], photos, normalise=False), [0, 2, 1])


@pytest.mark.parametrize(
    "frames, says",
    [
        ([], "nothing to average"),
        ([frame([1, 2, 3, 4, 5]).drop(columns="score")], "no column 'score'"),
        ([frame([1, 2, np.nan, 4, 5])], "not numbers"),
        ([frame([1, 2, 3, 4, 5]), frame([1, 2, 3, 4, 5])[:4]], "same photos"),
        ([frame([1, 2, 3, 4, 5]), frame([1, 2, 3, 4, 5], "aabbb")], "same photos"),
        ([frame([1, 2, 3, 4, 5]), frame([1, 2, 3, 4, 5]).assign(jod=0.0)], "same photos"),
        ([frame([1, 2, 3, 4, 5]).drop(columns="image"), frame([1, 2, 3, 4, 5])[::-1]], "same photos"),
    ],
)
def test_bad_frames(frames, says):
    with pytest.raises(InputError, match=says):
        average_frames(frames)


def test_nothing_to_score():
    for models, photos in (([], [np.zeros((4, 4, 3), np.uint8)]), ([Brightness(1)], [])):
        with pytest.raises(InputError, match="at least one model and one photo"):
            score_photos(models, photos)
