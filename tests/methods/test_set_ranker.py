"""The set ranker: equivariance, no leak between groups, any group size, its loss against loops, and learning."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import norm, spearmanr

from pqa_lab.methods import METHODS
from pqa_lab.methods.base import Prediction
from pqa_lab.methods.set_ranker import SIGMA, SetRanker
from pqa_lab.methods.tta import predict_views


def ranker(**overrides) -> SetRanker:
    torch.manual_seed(0)
    model = SetRanker.tiny(features=12, **overrides)
    model.train()  # one pass so that the scale of the features is known
    model({"statistics": 3 * torch.randn(64, 12) + 1})
    return model.eval()


@pytest.mark.parametrize("options", [{}, {"depth": 0}, {"relative": False}])
def test_scores_follow_the_photos_whatever_their_order(options):
    model, x = ranker(**options), torch.randn(9, 12)
    order = torch.randperm(9)
    torch.testing.assert_close(model({"statistics": x[order]}).score, model({"statistics": x}).score[order])


def test_groups_do_not_see_each_other():
    model, x = ranker(), torch.randn(10, 12)
    group = torch.tensor([0, 1, 0, 2, 1, 0, 2, 2, 1, 0])
    together = model({"statistics": x}, group).score
    for g in range(3):
        torch.testing.assert_close(together[group == g], model({"statistics": x[group == g]}).score)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_any_group_size_gives_finite_scores(count):
    assert torch.isfinite(ranker()({"statistics": 100 * torch.randn(count, 12)}).score).all()


def test_a_photo_and_its_copy_tie():
    x = torch.randn(5, 12)
    score = ranker()({"statistics": torch.cat([x, x[:1]])}).score
    torch.testing.assert_close(score[0], score[5])


def test_views_of_a_photo_form_groups_of_their_own():
    model, x = ranker(), torch.randn(4, 2, 12)  # (B, V, F)
    scene = torch.tensor([0, 0, 1, 1])
    expected = torch.stack([model({"statistics": x[:, v]}, scene).score for v in range(2)]).mean(0)
    torch.testing.assert_close(predict_views(model, {"statistics": x}, scene).score, expected)


def test_loss_is_the_cross_entropy_of_votes():
    rng = np.random.default_rng(0)
    score, jod, scene = rng.normal(size=8), rng.normal(size=8), np.array([0, 0, 0, 1, 1, 1, 1, 2])
    terms = [
        -norm.cdf((jod[i] - jod[j]) / SIGMA) * norm.logcdf((score[i] - score[j]) / SIGMA)
        for i in range(8)
        for j in range(8)
        if i != j and scene[i] == scene[j]
    ]
    batch = {"jod": torch.tensor(jod), "scene": torch.tensor(scene)}
    loss = ranker().loss(Prediction(torch.tensor(score, dtype=torch.float32)), batch)["loss"]
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-5)


def test_a_batch_without_pairs_still_backpropagates():
    score = torch.zeros(3, requires_grad=True)
    ranker().loss(Prediction(score), {"jod": torch.zeros(3), "scene": torch.arange(3)})["loss"].backward()
    assert torch.isfinite(score.grad).all()


def test_it_learns_what_only_the_group_tells():
    """Quality is a photo's distance from its scene's common part: no photo alone shows it."""
    torch.manual_seed(1)
    model = SetRanker.tiny(features=4)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def draw(scenes: int):
        common, own = 3 * torch.randn(scenes, 1, 4), torch.randn(scenes, 6, 4)
        return (common + own).flatten(0, 1), own[..., 0].flatten(), torch.arange(scenes).repeat_interleave(6)

    model.train()
    for _ in range(200):
        x, jod, scene = draw(16)
        loss = model.loss(model({"statistics": x}, scene), {"jod": jod, "scene": scene})["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    x, jod, scene = draw(40)
    with torch.inference_mode():
        score = model({"statistics": x}, scene).score
    rho = [spearmanr(score[scene == s], jod[scene == s])[0] for s in range(40)]
    assert np.median(rho) > 0.85


def test_it_is_a_method_like_the_others():
    model = METHODS["set_ranker"].tiny()
    photo = np.random.default_rng(0).integers(0, 255, (96, 80, 3), dtype=np.uint8)
    views = model.views(train=False)(photo, np.random.default_rng(0))
    assert views["statistics"].shape == (1, model.config.features)
    assert torch.isfinite(views["statistics"]).all()
    copy.deepcopy(model)
