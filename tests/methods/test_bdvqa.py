"""BDVQA: multi-stage Swin features, the merged loss, the crops of its inference."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset, Image
from PIL import Image as PILImage
from skimage import data

from pqa_lab.errors import InputError
from pqa_lab.losses import rank_mse_loss
from pqa_lab.methods import METHODS, predict_views
from pqa_lab.methods.bdvqa import BDVQA, BDVQAConfig
from pqa_lab.training import fit, predict

SMALL = {"backbone_options": {"stem": 8, "width": 8}, "pretrained": False}


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return BDVQA.tiny(members=2, tta="random", tta_count=4, **SMALL).eval()


def photos(n, size=128):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, size, size, generator=generator) + torch.randn(n, 3, 1, 1, generator=generator)


def test_published_parameter_count():
    with torch.device("meta"):
        model = BDVQA.paper()
    counts = [sum(p.numel() for p in member.parameters()) for member in model.members]
    assert abs(sum(counts) / 794e6 - 1) < 0.01
    assert sum(counts) == sum(p.numel() for p in model.parameters())
    assert counts == [counts[0]] * 4
    assert [stage["num_chs"] for stage in model.members[0].swin.feature_info] == [192, 384, 768, 1536]
    assert model.members[0].head[0].in_features == 2880


def test_a_member_is_its_four_stages_averaged_and_regressed(tiny):
    """Stage by stage through timm's layers, one photo at a time."""
    x = photos(2)
    with torch.inference_mode():
        for m, member in enumerate(tiny.members):
            for i in range(2):
                h = member.swin.patch_embed(x[i : i + 1])  # (1, h, w, C)
                fused = []
                for layer in member.swin.layers:
                    h = layer(h)
                    last = layer is member.swin.layers[-1]
                    fused.append((member.swin.norm(h) if last else h)[0].flatten(0, 1).mean(0))
                first, _, second = member.head
                hidden = (first.weight @ torch.cat(fused) + first.bias).clamp(min=0)
                expected = second.weight[0] @ hidden + second.bias[0]
                torch.testing.assert_close(tiny({"image": x}).parts["members"][i, m], expected, rtol=1e-4, atol=1e-5)


def test_the_score_is_the_mean_of_members_that_differ(tiny):
    with torch.inference_mode():
        prediction = tiny({"image": photos(3)})
    members = prediction.parts["members"]
    torch.testing.assert_close(prediction.score, (members[:, 0] + members[:, 1]) / 2)
    assert not torch.isclose(members[:, 0], members[:, 1]).any()


@pytest.mark.parametrize("option", [{}, {"rank_form": "sign"}, {"rank_weight": 0.3}, {"rank_max_gap": 1.5}])
def test_members_train_as_if_alone(option):
    torch.manual_seed(0)
    both = BDVQA.tiny(members=2, **SMALL, **option)
    batch = {"jod": torch.tensor([1.0, 3.0, -2.0, 0.0]), "scene": torch.tensor([0, 0, 1, 1])}
    x = photos(4)
    terms = both.loss(both({"image": x}), batch)
    torch.testing.assert_close(terms["loss"], terms["mse"] + terms["rank"])
    terms["loss"].backward()

    alone = BDVQA.tiny(members=1, **SMALL, **option)
    alone.members[0].load_state_dict(both.members[1].state_dict())
    c = both.config
    options = {"weight": c.rank_weight, "form": c.rank_form, "max_gap": c.rank_max_gap}
    rank_mse_loss(alone({"image": x}).score, batch["jod"], batch["scene"], **options).backward()
    for ours, lone in zip(both.members[1].parameters(), alone.members[0].parameters(), strict=True):
        torch.testing.assert_close(2 * ours.grad, lone.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("tta, count", [("random", 18), ("five", 5), ("ten", 10), ("centre", 1)])
def test_crops_at_test_time(tta, count):
    model = BDVQA.tiny(tta=tta, **SMALL)
    look = model.views(train=False)
    image = look(data.astronaut(), np.random.default_rng(5))["image"]
    assert image.shape == (count, 3, 128, 128)
    assert torch.equal(image, look(data.astronaut(), np.random.default_rng(5))["image"])
    if tta == "random":
        assert not torch.equal(image, look(data.astronaut(), np.random.default_rng(6))["image"])
        few = BDVQA.tiny(tta=tta, tta_count=3, **SMALL).views(train=False)
        assert few(data.astronaut(), np.random.default_rng(5))["image"].shape == (3, 3, 128, 128)


def test_paper_views():
    paper, photo, rng = SimpleNamespace(config=BDVQAConfig()), data.astronaut(), np.random.default_rng(0)
    assert BDVQA.views(paper, train=True)(photo, rng)["image"].shape == (1, 3, 384, 384)
    assert BDVQA.views(paper, train=False)(photo, rng)["image"].shape == (18, 3, 384, 384)


def test_test_crops_come_from_the_photo_itself_when_asked():
    photo = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    model = BDVQA.tiny(tta="centre", test_side=None, **SMALL)
    crop = model.views(False)(photo, np.random.default_rng(0))["image"][0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (crop.permute(1, 2, 0) * std + mean) * 255
    expected = torch.from_numpy(photo[136 : 136 + 128, 86 : 86 + 128]).float()
    torch.testing.assert_close(pixels, expected, rtol=0, atol=1e-3)


HARD = {
    "one pixel": (1, 1),
    "smaller than the crop": (40, 30),
    "panorama": (20, 1000),
    "tower": (1000, 20),
    "two rows": (2, 90),
}


@pytest.mark.parametrize("shape", HARD.values(), ids=HARD.keys())
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("train", [False, True])
def test_any_photo_gives_a_score(tiny, shape, gray, train):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, shape if gray else (*shape, 3), dtype=np.uint8)
    seen = {name: view[None, :2] for name, view in tiny.views(train)(photo, rng).items()}
    with torch.inference_mode():
        score = predict_views(tiny, seen).score
    assert score.shape == (1,)
    assert score.isfinite().all()


def rows(images, jod):
    columns = {"image": [PILImage.fromarray(image) for image in images], "scene": ["one"] * len(jod), "jod": jod}
    return Dataset.from_dict(columns).cast_column("image", Image())


def test_the_same_photo_twice_gets_the_same_score(tiny):
    photo = data.astronaut()[:200, :180]
    frame = predict(tiny, rows([photo, photo[::-1], photo], [0.0, 1.0, 2.0]), batch_size=1, progress=False)
    assert frame["score"][0] == frame["score"][2] != frame["score"][1]


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="'corner' crops"):
        BDVQA.tiny(tta="corner")
    with pytest.raises(InputError, match="at least one member"):
        BDVQA.tiny(members=0)


def test_save_and_load(tiny, tmp_path):
    tiny.save_pretrained(tmp_path)
    twin = METHODS["bdvqa"].from_pretrained(tmp_path).eval()
    assert twin.config == tiny.config
    with torch.inference_mode():
        torch.testing.assert_close(twin({"image": photos(2)}).score, tiny({"image": photos(2)}).score, rtol=0, atol=0)


@pytest.mark.training
def test_overfits_eight_images():
    photo = data.astronaut()[:256, 100:356]
    rng = np.random.default_rng(0)
    noisy = [np.clip(photo + 12 * i * rng.normal(size=photo.shape), 0, 255).astype(np.uint8) for i in range(8)]
    order = rng.permutation(8)
    eight = rows([noisy[i] for i in order], [3.5 - float(i) for i in order])
    torch.manual_seed(0)
    model = BDVQA.tiny(tta="five")
    recipe = replace(model.recipe, epochs=60, scenes_per_batch=1, images_per_scene=8)
    history = fit(model, eight, recipe=recipe, progress=False)
    losses = [record["loss"] for record in history.records]
    assert np.mean(losses[-5:]) < 0.35 * np.mean(losses[:5])
    frame = predict(model, eight, progress=False)
    assert frame["score"].corr(frame["jod"], method="spearman") > 0.95
    assert (frame["score"] - frame["jod"]).abs().mean() < 1  # MSE puts the scores on the labels' scale
