"""The tiny presets start from the package's own weights, and what they learn holds on scenes never seen."""

import numpy as np
import pytest
import torch

from pqa_lab.methods import METHODS, backbones, predict_views
from pqa_lab.scenes import load_simulated
from pqa_lab.training import fit, predict

STEPS = {"rqnet": 40, "bdvqa": 40, "liqe": 60, "pqe": 40}
BACKBONES = {
    "rqnet": lambda model: [model.clip],
    "bdvqa": lambda model: [member.swin for member in model.members],
    "liqe": lambda model: [model.clip],
    "pqe": lambda model: [model.full, model.face],
}


@pytest.mark.parametrize("key", BACKBONES)
def test_tiny_starts_from_the_shipped_weights(key):
    model, plain = METHODS[key].tiny(), METHODS[key].tiny(pretrained=False)
    name = model.config.backbone
    shipped = backbones.build(name, pretrained=True, **model.config.backbone_options).state_dict()
    for started, random in zip(BACKBONES[key](model), BACKBONES[key](plain), strict=True):
        assert all(torch.equal(started.state_dict()[entry], value) for entry, value in shipped.items())
        assert not all(torch.equal(random.state_dict()[entry], value) for entry, value in shipped.items())


@pytest.mark.parametrize("key", BACKBONES)
def test_every_part_of_a_tiny_model_gets_a_gradient(key):
    rng = np.random.default_rng(0)
    model = METHODS[key].tiny().train()
    photos = [rng.integers(0, 1 + 60 * i, (140, 170, 3), dtype=np.uint8) for i in range(1, 5)]
    looked = [model.views(train=True)(photo, rng) for photo in photos]
    views = {name: torch.stack([view[name] for view in looked]) for name in looked[0]}  # (4, 1, ...)
    batch = {"jod": torch.tensor([1.0, -1.0, 0.5, 2.0]), "scene": torch.zeros(4, dtype=torch.long)}
    model.loss(predict_views(model, views), batch)["loss"].backward()
    silent = {name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())}
    # What shifts all scores alike changes no comparison.
    assert silent <= {"blocks.overall.score.bias", "head.3.bias"}


@pytest.mark.training
@pytest.mark.parametrize("key", BACKBONES)
def test_unseen_scenes_are_ranked_above_chance(key):
    torch.manual_seed(0)
    model = METHODS[key].tiny()
    fit(model, load_simulated(part="train"), max_steps=STEPS[key], progress=False, device="cpu")
    frame = predict(model, load_simulated(part="test"), progress=False)
    srcc = [part["score"].corr(part["jod"], method="spearman") for _, part in frame.groupby("scene")]
    # Chance: 0 +- 1 / sqrt(23) a scene of 24, so +- .12 for the mean of three.
    assert np.mean(srcc) > 0.3, srcc
