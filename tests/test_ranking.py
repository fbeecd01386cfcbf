"""Rankings: calibration against a known scale, ties, what is left out, and bad input."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import ndtr

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Prediction
from pqa_lab.ranking import SIGMA, Calibration, calibrate, close_groups, rank


class Brightness(torch.nn.Module):
    """A model whose answer is known: mean grey level over 10."""

    def views(self, train):
        return lambda photo, rng: {"image": torch.tensor(photo / 10.0, dtype=torch.float32).permute(2, 0, 1)[None]}

    def forward(self, views):
        return Prediction(views["image"].mean((1, 2, 3)))


def grey(level: int) -> np.ndarray:
    return np.full((80, 70, 3), level, np.uint8)


def test_calibration_finds_the_scale_and_the_error():
    rng = np.random.default_rng(0)
    jod = rng.normal(0, 1.5, 4000)
    score = jod / 7 + rng.normal(0, 0.02, 4000)
    frame = pd.DataFrame({"scene": np.repeat(np.arange(200), 20), "score": score, "jod": jod})
    found = calibrate(frame)
    assert found.scale == pytest.approx(7, rel=0.05)
    assert found.error_sd == pytest.approx(0.14, rel=0.1)


def test_calibration_shrinks_what_is_only_noise():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"scene": np.repeat(np.arange(50), 20), "score": rng.normal(size=1000), "jod": rng.normal(size=1000)}
    )
    assert calibrate(frame).scale < 0.1


def test_calibration_needs_a_pair():
    with pytest.raises(InputError, match="two images"):
        calibrate(pd.DataFrame({"scene": [0, 1], "score": [1.0, 2.0], "jod": [0.0, 1.0]}))


def test_best_first_with_the_chances_of_the_jod_scale():
    ranking = rank([grey(100), grey(120), grey(110)], model=Brightness(), names=["dark", "bright", "middle"])
    assert [photo.path for photo in ranking.photos] == ["bright", "middle", "dark"]
    assert ranking.photos[0].score - ranking.photos[1].score == pytest.approx(1, abs=1e-4)
    assert ranking.win[0, 1] == pytest.approx(ndtr(1 / SIGMA), abs=1e-4)
    assert sum(photo.score for photo in ranking.photos) == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(ranking.win + ranking.win.T, 1)


def test_equal_photos_keep_their_order_and_are_too_close_to_call():
    ranking = rank([grey(100), grey(100), grey(140)], model=Brightness(), names=["a", "b", "c"])
    assert [photo.path for photo in ranking.photos] == ["c", "a", "b"]
    assert ranking.ties == [[1, 2]]


def test_runs_of_close_neighbours_join():
    jod = np.array([3.0, 2.9, 2.8, 0.0, -3.0, -3.1])
    assert close_groups(ndtr((jod[:, None] - jod[None, :]) / SIGMA)) == [[0, 1, 2], [4, 5]]


def test_a_broken_photo_is_named_and_left_out(tmp_path):
    bad = tmp_path / "torn.jpg"
    bad.write_bytes(b"\xff\xd8\xff not really")
    ranking = rank([grey(90), bad, grey(120)], model=Brightness())
    assert len(ranking.photos) == 2
    assert ranking.left_out[0][0] == "torn.jpg"
    assert str(tmp_path) not in ranking.left_out[0][1]


@pytest.mark.parametrize(
    "photos, options, words",
    [
        ([], {}, "at least two"),
        ([grey(1)], {}, "at least two"),
        ([grey(1)] * 101, {}, "At most 100"),
        ([grey(1), grey(2)], {"names": ["only one"]}, "names"),
        ([grey(1), grey(2)], {"model": 3}, "model must be"),
    ],
)
def test_bad_input_is_a_sentence(photos, options, words):
    with pytest.raises(InputError, match=words):
        rank(photos, **{"model": Brightness(), **options})


def test_the_text_and_the_table_say_the_same():
    ranking = rank([grey(100), grey(120)], model=Brightness(), names=["a.jpg", "b.jpg"])
    text = ranking.as_text()
    assert text.index("b.jpg") < text.index("a.jpg")
    assert text in repr(ranking)  # what a viewer without HTML shows
    assert "array(" not in repr(ranking)
    assert list(ranking.as_frame()["photo"]) == ["b.jpg", "a.jpg"]
    assert [photo["path"] for photo in ranking.as_dict()["photos"]] == ["b.jpg", "a.jpg"]


def test_names_are_escaped_in_html():
    ranking = rank([grey(100), grey(120)], model=Brightness(), names=["<img src=x onerror=alert(1)>", "b"])
    assert "<img src=x" not in ranking._repr_html_()


def test_default_calibration_counts_scores_as_jods():
    assert Calibration() == Calibration(1.0, 1.0)


def test_zero_shot_without_a_connection_is_a_sentence(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="could not be fetched from the hub"):
        rank([grey(60), grey(90), grey(120)], model="zero-shot")


def test_zero_shot_ranks_with_the_prompts_of_liqe(monkeypatch):
    from pqa_lab import ranking
    from pqa_lab.methods.liqe import LIQE

    monkeypatch.setattr(LIQE, "paper", lambda pretrained: LIQE.tiny(pretrained=False))  # the real one: test_liqe.py
    ranking._zero_shot.cache_clear()
    found = rank([grey(60), grey(90), grey(120)], model="zero-shot")
    ranking._zero_shot.cache_clear()
    assert len(found.photos) == 3
    assert "zero-shot" in found.model
