"""The mean over views equals a loop over photos and views."""

import pytest
import torch
from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.methods.base import Prediction
from pqa_lab.methods.tta import predict_views


class TwoBranches(nn.Module):
    """Nonlinear in the view, so that averaging pixels instead of scores would be caught."""

    def forward(self, views):
        whole, crop = views["whole"].flatten(1), views["crop"].flatten(1)
        score = whole.square().mean(1) + 2 * crop.exp().mean(1)
        return Prediction(score, whole[:, :4].exp(), {"crop": crop[:, :3].sin(), "best": whole.argmax(1)})


def photos(n, v):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(n, v, 3, size, size, generator=generator) for name, size in (("whole", 8), ("crop", 5))}


def test_equals_a_loop_over_photos_and_views():
    views, model = photos(3, 4), TwoBranches()
    got = predict_views(model, views)
    for i in range(3):
        singles = [model({name: view[i, v][None] for name, view in views.items()}) for v in range(4)]
        torch.testing.assert_close(got.score[i], torch.stack([s.score[0] for s in singles]).mean())
        torch.testing.assert_close(got.scene_logits[i], torch.stack([s.scene_logits[0] for s in singles]).mean(0))
        torch.testing.assert_close(got.parts["crop"][i], torch.stack([s.parts["crop"][0] for s in singles]).mean(0))


def test_order_of_views_does_not_matter_and_gradients_pass():
    views = photos(2, 5)
    views["whole"].requires_grad_()
    score = predict_views(TwoBranches(), views).score
    shuffled = predict_views(TwoBranches(), {name: view[:, [3, 1, 4, 0, 2]] for name, view in views.items()}).score
    torch.testing.assert_close(score, shuffled)
    score.sum().backward()
    assert views["whole"].grad.abs().sum() > 0


@pytest.mark.parametrize("change", ["none", "views", "photos", "empty"])
def test_bad_views_are_named(change):
    views = photos(2, 3)
    if change == "none":
        views = {}
    elif change == "views":
        views["crop"] = views["crop"][:, :2]
    elif change == "photos":
        views["crop"] = views["crop"][:1]
    else:
        views = {name: view[:0] for name, view in views.items()}
    with pytest.raises(InputError):
        predict_views(TwoBranches(), views)
