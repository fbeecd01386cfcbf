"""RQ-Net: the public code's function under its names, its two pre-trainings, its nine views."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset, Image
from PIL import Image as PILImage
from skimage import data
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import scale_shift_invariant_loss
from pqa_lab.methods import METHODS, predict_views
from pqa_lab.methods.ensemble import average_frames
from pqa_lab.methods.rqnet import BLOCKS, RECIPES, GlobalLocalBlock, RQNet, RQNetConfig
from pqa_lab.methods.rqnet_pretraining import assign_blocks, general_rows, overall_only, portrait_rows
from pqa_lab.scenes import FEATURES
from pqa_lab.training import fit, predict

WIDTH, LAYERS, HEADS, SIDE, DIM = 32, 2, 4, 7, 32
# Linear patches, as in CLIP; there are no weights for such a small one.
PLAIN = {
    "backbone_options": {"stem": 0, "width": WIDTH, "depth": LAYERS},
    "pretrained": False,
}


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return RQNet.tiny(tta="nine").eval()


def views(batch, size=112):
    generator = torch.Generator().manual_seed(1)
    # Noise on a colour of its own in each photo: plain noise looks the same to any network.
    return {
        name: torch.randn(batch, 3, size, size, generator=generator)
        + 2 * torch.randn(batch, 3, 1, 1, generator=generator)
        for name in ("global", "local")
    }


# ------------------------------------------------------------------------------------------- the public formulation


def naive(state: dict[str, Tensor], seen: dict[str, Tensor], heads: int) -> Tensor:
    """OpenAI's ViT and the public head, written down from their equations; attention by torch's own module."""
    state = {key.removeprefix("module."): value for key, value in state.items()}

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def encode(x):
        v = "clip_model.visual"
        kernel = state[f"{v}.conv1.weight"]
        x = F.conv2d(x, kernel, stride=kernel.shape[-1]).flatten(2).transpose(1, 2)  # (B, N, W)
        x = torch.cat([state[f"{v}.class_embedding"].expand(len(x), 1, -1), x], 1)
        x = norm(x + state[f"{v}.positional_embedding"], f"{v}.ln_pre")
        layers = len({key.split(".")[4] for key in state if "visual.transformer" in key})
        for i in range(layers):
            layer = f"{v}.transformer.resblocks.{i}"
            attention = nn.MultiheadAttention(x.shape[2], heads, batch_first=True)
            stem = f"{layer}.attn."
            attention.load_state_dict({k.removeprefix(stem): w for k, w in state.items() if k.startswith(stem)})
            h = norm(x, f"{layer}.ln_1")
            x = x + attention(h, h, h, need_weights=False)[0]
            h = linear(norm(x, f"{layer}.ln_2"), f"{layer}.mlp.c_fc")
            x = x + linear(h * torch.sigmoid(1.702 * h), f"{layer}.mlp.c_proj")
        x = norm(x, f"{v}.ln_post")
        return x[:, 0] @ state[f"{v}.proj"], x[:, 1:]

    whole, tokens = encode(seen["global"])[0], encode(seen["local"])[1]
    scores = []
    for g, t in zip(whole, tokens, strict=True):  # one photo at a time
        t = (state["head.local_proj.0.weight"][:, :, 0] @ t + state["head.local_proj.0.bias"][:, None]).relu()
        t = (state["head.local_proj.2.weight"][:, :, 0] @ t + state["head.local_proj.2.bias"][:, None]).relu()
        local = linear(t[0], "head.local_proj.4").relu()
        scores.append(linear(torch.cat([g, local]), "head.quality_predictor.0"))
    return torch.cat(scores)


def public_state(width=WIDTH, layers=LAYERS, patch=16, side=SIDE, dim=DIM, squeeze=16, prefix="") -> dict[str, Tensor]:
    """A random state dict with the public names, the text half that the public code carries along included."""
    generator = torch.Generator().manual_seed(3)
    v = "clip_model.visual"
    shapes = {f"{v}.class_embedding": (width,), f"{v}.positional_embedding": (side**2 + 1, width)}
    shapes |= {f"{v}.proj": (width, dim), f"{v}.conv1.weight": (width, 3, patch, patch)}
    linears = {
        "head.local_proj.0": (squeeze, side**2, 1),
        "head.local_proj.2": (1, squeeze, 1),
        "head.local_proj.4": (dim, width),
        "head.quality_predictor.0": (1, 2 * dim),
    }
    for half, depth in ((v, layers), ("clip_model", 1)):
        for i in range(depth):
            layer = f"{half}.transformer.resblocks.{i}"
            shapes |= {f"{layer}.attn.in_proj_weight": (3 * width, width), f"{layer}.attn.in_proj_bias": (3 * width,)}
            linears |= {f"{layer}.attn.out_proj": (width, width)}
            linears |= {f"{layer}.mlp.c_fc": (4 * width, width), f"{layer}.mlp.c_proj": (width, 4 * width)}
            linears |= {f"{layer}.ln_1": (width,), f"{layer}.ln_2": (width,)}
    linears |= {f"{v}.ln_pre": (width,), f"{v}.ln_post": (width,), "clip_model.ln_final": (width,)}
    shapes |= {"clip_model.positional_embedding": (77, width), "clip_model.token_embedding.weight": (99, width)}
    shapes |= {"clip_model.text_projection": (width, dim), "clip_model.logit_scale": ()}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}

    def draw(shape):
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 4
        return torch.randn(shape, generator=generator) * (1.5 / fan_in) ** 0.5

    return {prefix + name: draw(shape) for name, shape in shapes.items()}


def small_state(prefix=""):
    state = public_state(prefix=prefix)
    for key in [
        key for key in state if ".mlp." in key
    ]:  # the tiny CLIP's feed-forward is twice as wide, not four times
        state[key] = state[key][: 2 * WIDTH] if "c_fc" in key else state[key][..., : 2 * WIDTH]
    return state


@pytest.mark.parametrize("prefix", ["", "module."])
def test_public_weights_give_the_public_scores(prefix):
    state, seen = small_state(prefix), views(3)
    model = RQNet.tiny(**PLAIN).eval()
    model.load_reference(state)
    with torch.inference_mode():
        expected = naive(state, seen, HEADS)
        torch.testing.assert_close(model(seen).score, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.02  # far above the tolerance, else any model would pass


def test_the_block_alone_at_its_published_size():
    state = {
        key.removeprefix("head."): value
        for key, value in public_state(768, 1, side=14, dim=512, squeeze=49).items()
        if key.startswith("head.")
    }
    generator = torch.Generator().manual_seed(5)
    whole, tokens = torch.randn(4, 512, generator=generator), torch.randn(4, 196, 768, generator=generator)
    block = GlobalLocalBlock(196, 768, 512, 49)
    block.load_reference(state)
    w = {key: value.double() for key, value in state.items()}
    for i in range(4):
        a = torch.einsum("mn,nw->mw", w["local_proj.0.weight"][..., 0], tokens[i].double())
        a = (a + w["local_proj.0.bias"][:, None]).clamp(min=0)
        a = (w["local_proj.2.weight"][0, :, 0] @ a + w["local_proj.2.bias"]).clamp(min=0)
        a = (w["local_proj.4.weight"] @ a + w["local_proj.4.bias"]).clamp(min=0)
        both = torch.cat([whole[i].double(), a])
        expected = both @ w["quality_predictor.0.weight"][0] + w["quality_predictor.0.bias"][0]
        torch.testing.assert_close(block(whole, tokens)[i].double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_public_weights_give_the_public_scores_at_full_size():
    state, seen = public_state(768, 12, side=14, dim=512, squeeze=49), views(2, 224)
    model = RQNet.paper().eval()
    model.load_reference(state)
    with torch.inference_mode():
        expected = naive(state, seen, 12)
        torch.testing.assert_close(model(seen).score, expected, rtol=1e-4, atol=1e-4)
    assert (expected[0] - expected[1]).abs() > 1e-2


def test_a_state_dict_that_does_not_fit_changes_nothing():
    model = RQNet.tiny(**PLAIN)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lacking = small_state()
    del lacking["clip_model.visual.transformer.resblocks.1.attn.in_proj_weight"]
    for state in (lacking, small_state() | {"head.extra": torch.ones(1)}, public_state(squeeze=8), {}):
        with pytest.raises(InputError):
            model.load_reference(state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_published_parameter_counts():
    with torch.device("meta"):
        one, three = RQNet.paper(), RQNet.paper(heads=BLOCKS)
    count = {model: sum(p.numel() for p in model.parameters()) for model in (one, three, one.blocks)}
    assert count[one.blocks] == 404_456
    assert round(count[one] / 1e6, 2) == 86.60
    assert count[three] - count[one] == 2 * 404_456


def test_published_recipe():
    recipe = RECIPES["paper"]
    assert (recipe.scenes_per_batch, recipe.images_per_scene, recipe.optimizer) == (4, 32, "adam")
    assert (recipe.schedule, recipe.unknown != ()) == ("cosine", True)


# ------------------------------------------------------------------------------------------- views and inference


def test_nine_views_of_the_published_sizes():
    look = RQNet.views(SimpleNamespace(config=RQNetConfig()), train=False)
    seen = look(data.astronaut(), np.random.default_rng(0))
    assert {name: tuple(view.shape) for name, view in seen.items()} == dict.fromkeys(
        ("global", "local"), (9, 3, 224, 224)
    )
    again = look(data.astronaut(), np.random.default_rng(1))
    assert all(torch.equal(seen[name], again[name]) for name in seen)  # no chance at test time
    assert all(len(view.flatten(1).unique(dim=0)) == 9 for view in seen.values())


def test_the_mean_of_nine_views_does_not_depend_on_their_pairing(tiny):
    seen = {name: x[None] for name, x in views(9).items()}
    other = seen | {"local": seen["local"][:, torch.randperm(9, generator=torch.Generator().manual_seed(0))]}
    with torch.inference_mode():
        a, b = predict_views(tiny, seen), predict_views(tiny, other)
    torch.testing.assert_close(a.score, b.score)
    torch.testing.assert_close(a.parts["global"] + a.parts["local"], a.score)


def test_each_branch_sees_its_own_view(tiny):
    seen, other = views(2), {name: -x for name, x in views(2).items()}
    with torch.inference_mode():
        base = tiny(seen).parts
        for name, untouched in (("global", "local"), ("local", "global")):
            moved = tiny(seen | {name: other[name]}).parts
            assert not torch.isclose(moved[name], base[name]).any()
            torch.testing.assert_close(moved[untouched], base[untouched])


HARD = {
    "one pixel": (1, 1),
    "smaller than the crop": (40, 30),
    "panorama": (20, 1000),
    "tower": (1000, 20),
    "smaller than a cell": (3, 90),
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


def test_the_same_photo_twice_gets_the_same_score_and_a_batch_never_mixes(tiny):
    x = views(3)
    with torch.inference_mode():
        batch = tiny({name: view[[0, 1, 2, 0]] for name, view in x.items()}).score
        single = torch.cat([tiny({name: view[[i]] for name, view in x.items()}).score for i in range(3)])
    assert batch[0] == batch[3]
    torch.testing.assert_close(batch[:3], single)


# ------------------------------------------------------------------------------------------- pre-training


def rows(scene, n=3, **more):
    photos = [PILImage.fromarray(np.full((96, 64, 3), 50 + i, np.uint8)) for i in range(n)]
    columns = {"image": photos, "scene": [scene] * n, "jod": [float(i) for i in range(n)]}
    columns |= {name: [None] * n for name in FEATURES if name not in columns} | more
    return Dataset.from_dict({name: columns[name] for name in (*FEATURES, *more)}).cast_column("image", Image())


def test_general_pre_training_joins_sources_as_scenes(tmp_path):
    for i, folder in enumerate(("512x384", "1024x768")):
        (tmp_path / "koniq" / folder).mkdir(parents=True)
        for name in ("a.jpg", "b.jpg"):
            PILImage.new("RGB", (80, 64), (i, 0, 0)).save(tmp_path / "koniq" / folder / name)
    table = pd.DataFrame({"image_name": ["a.jpg", "b.jpg"], "MOS": [3.9, 2.1], "SD": [0.5, 0.6]})
    table.to_csv(tmp_path / "koniq" / "koniq10k_scores_and_distributions.csv", index=False)
    (tmp_path / "faces" / "image").mkdir(parents=True)
    for name in ("x.png", "y.png"):
        PILImage.new("RGB", (64, 64)).save(tmp_path / "faces" / "image" / name)
    pd.DataFrame({"img_name": ["x.png", "y.png"], "mos": [0.2, 0.9]}).to_csv(
        tmp_path / "faces" / "mos_rating.csv", index=False
    )
    joined = general_rows({"koniq10k": tmp_path / "koniq", "gfiqa20k": tmp_path / "faces"})
    assert joined["scene"][:] == ["KonIQ-10k"] * 2 + ["GFIQA-20k"] * 2
    assert joined["jod"][:] == [3.9, 2.1, 0.2, 0.9]
    with pytest.raises(InputError, match="nothing to pre-train on"):
        general_rows({})


def test_portrait_pre_training_masks_photos_and_keeps_attributes_apart():
    made = portrait_rows(
        {name: rows("7", name=list("abc")) for name in ("overall", "details")}, lambda photo: (5, 10, 15, 20)
    )
    assert made["scene"][:] == ["overall/7"] * 3 + ["details/7"] * 3
    photo = np.asarray(made[4]["image"])
    assert (photo[10:20, 5:15] == 51).all()
    photo = photo.copy()
    photo[10:20, 5:15] = 0
    assert not photo.any()
    unmasked = portrait_rows({"details": rows("7")}, None)
    assert np.asarray(unmasked[0]["image"]).all()


def portrait():
    torch.manual_seed(2)
    model = RQNet.tiny(heads=BLOCKS, **PLAIN)
    assign_blocks(model, Dataset.from_dict({"scene": ["overall/b", "details/b", "exposure/a", "details/a"] * 2}))
    return model


def test_every_scene_trains_the_block_of_its_attribute():
    model, seen = portrait(), views(8)
    scene = torch.tensor([0, 0, 0, 0, 3, 3, 3, 3])  # sorted names: details/a, details/b, exposure/a, overall/b
    jod = torch.tensor([1.0, 2, 4, 3, -1, 5, 0, 2])
    prediction = model(seen)
    loss = model.loss(prediction, {"jod": jod, "scene": scene})["loss"]
    by_hand = [
        scale_shift_invariant_loss(prediction.parts[name][half], jod[half], scene[half])
        for name, half in (("details", slice(0, 4)), ("overall", slice(4, 8)))
    ]
    torch.testing.assert_close(loss, (by_hand[0] + by_hand[1]) / 2)
    loss.backward()
    trained = {
        name: any(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
        for name, block in model.blocks.items()
    }
    assert trained == {"details": True, "exposure": False, "overall": True}


def test_fine_tuning_keeps_the_overall_block():
    model = portrait().eval()
    kept, seen = overall_only(model).eval(), views(2)
    assert list(kept.blocks) == ["overall"]
    with torch.inference_mode():
        torch.testing.assert_close(kept(seen).score, model(seen).score, rtol=0, atol=0)
        torch.testing.assert_close(model(seen).parts["overall"], model(seen).score, rtol=0, atol=0)


def test_pre_training_fine_tuning_and_the_ensemble_end_to_end():
    made = portrait_rows({name: rows("7", 4) for name in BLOCKS}, None)
    recipe = replace(RECIPES["pretrain_portrait"], images_per_scene=2, scenes_per_batch=3, warmup_epochs=0, lr=1e-3)
    frames = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = RQNet.tiny(heads=BLOCKS, **PLAIN)
        assign_blocks(model, made)
        before = {name: block.score.weight.detach().clone() for name, block in model.blocks.items()}
        fit(model, made, recipe=recipe, max_steps=2, progress=False, seed=seed)
        assert all(not torch.equal(block.score.weight, before[name]) for name, block in model.blocks.items())
        tuned = overall_only(model)
        fit(tuned, rows("7", 4), recipe=replace(recipe, scenes_per_batch=1), max_steps=1, progress=False, seed=seed)
        frames.append(predict(tuned, rows("7", 4), progress=False))
    both = average_frames(frames)
    by_hand = sum((f["score"] - f["score"].mean()) / f["score"].std(ddof=0) for f in frames) / 2
    np.testing.assert_allclose(both["score"], by_hand, atol=1e-9)


def test_blocks_that_do_not_fit_are_refused():
    plain = Dataset.from_dict({"scene": ["a", "b"]})
    with pytest.raises(InputError, match="portrait_rows"):
        assign_blocks(portrait(), plain)
    with pytest.raises(InputError, match="heads=BLOCKS"):
        assign_blocks(RQNet.tiny(), Dataset.from_dict({"scene": ["overall/a"]}))
    with pytest.raises(InputError, match="overall"):
        RQNet.tiny(heads=("details",))


def test_save_and_load(tmp_path):
    model = portrait().eval()
    model.save_pretrained(tmp_path)
    twin = METHODS["rqnet"].from_pretrained(tmp_path).eval()
    assert twin.config == model.config
    with torch.inference_mode():
        torch.testing.assert_close(twin(views(2)).score, model(views(2)).score, rtol=0, atol=0)


def test_no_tiny_model_starts_with_a_dead_local_branch():
    x = views(2)
    for seed in range(30):
        torch.manual_seed(seed)
        model = RQNet.tiny(**PLAIN)
        model(x).parts["local"].sum().backward()
        assert model.blocks["overall"].local[0].weight.grad.any(), seed


@pytest.mark.training
def test_overfits_eight_images():
    photo = data.astronaut()[:256, 100:356]
    rng = np.random.default_rng(0)
    noisy = [np.clip(photo + 12 * i * rng.normal(size=photo.shape), 0, 255).astype(np.uint8) for i in range(8)]
    order = rng.permutation(8)
    eight = rows("one", 8, image=[PILImage.fromarray(noisy[i]) for i in order], jod=[-float(i) for i in order])
    torch.manual_seed(0)
    model = RQNet.tiny()
    recipe = replace(model.recipe, epochs=60, scenes_per_batch=1, images_per_scene=8)
    history = fit(model, eight, recipe=recipe, progress=False)
    losses = [record["loss"] for record in history.records]
    assert np.mean(losses[-5:]) < 0.35 * np.mean(losses[:5])
    frame = predict(model, eight, progress=False)
    assert frame["score"].corr(frame["jod"], method="spearman") > 0.95
