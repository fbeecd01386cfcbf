"""The tiny presets of the family: what they share with the paper's, and that they fit."""

import copy
import pickle

import numpy as np
import pytest
import torch

from pqa_lab.errors import InputError
from pqa_lab.methods import METHODS, predict_views
from pqa_lab.methods.sem_hyperiqa import VARIANTS, SemHyperIQA

FAMILY = ["hyperiqa", "sem_hyperiqa", "fhiqa"]


def batch(n=8):
    generator = torch.Generator().manual_seed(0)
    noise = torch.linspace(0, 1, n)
    photos = torch.rand(n, 3, 1, 1, generator=generator) + noise[:, None, None, None] * torch.randn(
        n, 3, 112, 112, generator=generator
    )
    return {"views": {"image": photos}, "jod": -3 * noise + 1.5, "scene": torch.arange(n) % 2}


@pytest.mark.training
@pytest.mark.parametrize("key", FAMILY)
def test_a_handful_of_photos_is_learned(key):
    torch.manual_seed(0)
    model, data = METHODS[key].tiny(), batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    history = []
    for _ in range(40):
        terms = model.loss(model(data["views"]), data)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        history.append(terms["loss"].item())
    assert min(history[-5:]) < 0.5 * history[0]
    silent = [name for name, p in model.named_parameters() if p.grad is None]
    assert silent == []


@pytest.mark.parametrize("key", FAMILY)
def test_views_fit_the_model_for_any_photo(key):
    model = METHODS[key].tiny().eval()
    rng = np.random.default_rng(0)
    for shape in ((90, 260, 3), (200, 120, 3)):
        photo = rng.integers(0, 256, shape, dtype=np.uint8)
        for train in (True, False):
            views = {name: view[None] for name, view in model.views(train)(photo, rng).items()}
            assert predict_views(model, views).score.isfinite().all()
    crops = METHODS[key].paper(size=224, whole=False).views(train=False)(photo, rng)["image"]
    assert crops.shape == (25, 3, 224, 224)


@pytest.mark.parametrize("key", FAMILY[1:])
def test_scene_models_keep_images_apart_and_copy(key, tmp_path):
    torch.manual_seed(0)
    model, x = METHODS[key].tiny().eval(), batch(4)["views"]["image"]
    singles = torch.cat([model({"image": image[None]}).score for image in x])
    torch.testing.assert_close(model({"image": x}).score, singles)
    model.save_pretrained(tmp_path)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), type(model).from_pretrained(tmp_path).eval()):
        assert twin.config == model.config
        torch.testing.assert_close(twin({"image": x}).score, model({"image": x}).score, rtol=0, atol=0)


def test_unknown_scenes_do_not_enter_the_scene_loss():
    model, data = SemHyperIQA.tiny(), batch(4)
    data["scene"] = torch.tensor([1, -1, 0, -1])
    prediction = model(data["views"])
    known = model(data["views"]).scene_logits[[0, 2]]
    expected = torch.nn.functional.cross_entropy(known, torch.tensor([1, 0]))
    torch.testing.assert_close(model.loss(prediction, data)["scene"], expected)
    data["scene"] = torch.full((4,), -1)
    assert model.loss(prediction, data)["scene"] == 0


def test_impossible_configurations_are_refused():
    with pytest.raises(InputError, match="scene head"):
        SemHyperIQA.tiny(scene_head=False)
    with pytest.raises(InputError, match="rescale_by"):
        SemHyperIQA.tiny(rescale_by="guess")
    with pytest.raises(InputError, match="top"):
        METHODS["fhiqa"].tiny(scenes=3, top=4)
    with pytest.raises(InputError, match="112 pixels"):
        METHODS["hyperiqa"].tiny(size=64)
    with pytest.raises(InputError, match="patches"):
        SemHyperIQA.tiny(patches=2)(batch(2)["views"])
    assert SemHyperIQA.tiny(**VARIANTS["co"])(batch(2)["views"]).scene_logits.shape == (2, 12)
