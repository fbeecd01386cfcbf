"""LIQE: the public network under its public names against a naive formulation, its losses, its patches, odd photos."""

import copy
import dataclasses
import hashlib
import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pqa_lab.errors import InputError
from pqa_lab.losses import fidelity_loss
from pqa_lab.methods import METHODS, backbones, predict_views
from pqa_lab.methods.liqe import LIQE, DynamicWeightAverage, content_fidelity, distortion_fidelity, patches
from pqa_lab.methods.liqe_prompts import PROMPTS, tokenize

LEVELS = ["bad", "poor", "fair", "good", "perfect"]
CONTENTS = ["animal", "cityscape", "human", "indoor", "landscape", "night", "plant", "still_life", "others"]
DISTORTIONS = ["jpeg2000 compression", "jpeg compression", "noise", "blur", "color", "contrast", "overexposure",
               "underexposure", "spatial", "quantization", "other"]  # fmt: skip
LINEAR = {"backbone_options": {"stem": 0}, "pretrained": False}  # patches as in the public CLIP


def photo(height, width, grey=False, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image[:, :, :1].repeat(3, 2) if grey else image


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return LIQE.tiny(pretrained=False).eval()


# The public network -------------------------------------------------------------------------------------------------


def openai_state(seed=0):
    """A random state dict with the names of OpenAI's CLIP, in the sizes of the tiny one."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=0.3):
        return scale * torch.randn(shape, generator=random)

    state = {"logit_scale": torch.tensor(3.0)}

    def norm(name, width):
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + normal(width), normal(width)

    def transformer(name, width, depth, ratio=2):
        for k in range(depth):
            layer = f"{name}.resblocks.{k}"
            state[f"{layer}.attn.in_proj_weight"] = normal(3 * width, width)
            state[f"{layer}.attn.in_proj_bias"] = normal(3 * width)
            state[f"{layer}.attn.out_proj.weight"] = normal(width, width)
            state[f"{layer}.attn.out_proj.bias"] = normal(width)
            state[f"{layer}.mlp.c_fc.weight"] = normal(ratio * width, width)
            state[f"{layer}.mlp.c_fc.bias"] = normal(ratio * width)
            state[f"{layer}.mlp.c_proj.weight"] = normal(width, ratio * width)
            state[f"{layer}.mlp.c_proj.bias"] = normal(width)
            norm(f"{layer}.ln_1", width)
            norm(f"{layer}.ln_2", width)

    state["visual.class_embedding"] = normal(64)
    state["visual.positional_embedding"] = normal(50, 64)
    state["visual.conv1.weight"] = normal(64, 3, 16, 16, scale=0.05)
    state["visual.proj"] = normal(64, 64)
    norm("visual.ln_pre", 64)
    norm("visual.ln_post", 64)
    transformer("visual.transformer", 64, 4)
    state["token_embedding.weight"] = normal(backbones.TINY_VOCABULARY, 32)
    state["positional_embedding"] = normal(77, 32)
    state["text_projection"] = normal(32, 64)
    norm("ln_final", 32)
    transformer("transformer", 32, 2)
    return state


def naive_transformer(state, name, x, heads, causal):
    """(tokens, width) through pre-norm blocks with explicit attention, head by head."""
    width = x.shape[1]
    for k in itertools.count():
        layer = f"{name}.resblocks.{k}"
        if f"{layer}.ln_1.weight" not in state:
            return x
        y = F.layer_norm(x, (width,), state[f"{layer}.ln_1.weight"], state[f"{layer}.ln_1.bias"])
        q, k_, v = F.linear(y, state[f"{layer}.attn.in_proj_weight"], state[f"{layer}.attn.in_proj_bias"]).split(
            width, 1
        )
        mixed = []
        for head in range(heads):
            part = slice(head * width // heads, (head + 1) * width // heads)
            scores = q[:, part] @ k_[:, part].T / math.sqrt(width // heads)
            if causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
            mixed.append(scores.softmax(1) @ v[:, part])
        x = x + F.linear(
            torch.cat(mixed, 1), state[f"{layer}.attn.out_proj.weight"], state[f"{layer}.attn.out_proj.bias"]
        )
        y = F.layer_norm(x, (width,), state[f"{layer}.ln_2.weight"], state[f"{layer}.ln_2.bias"])
        y = F.linear(y, state[f"{layer}.mlp.c_fc.weight"], state[f"{layer}.mlp.c_fc.bias"])
        x = x + F.linear(
            y * (1.702 * y).sigmoid(), state[f"{layer}.mlp.c_proj.weight"], state[f"{layer}.mlp.c_proj.bias"]
        )


def naive_logits(state, image):
    """The 495 logits of one photo: patches (N, 3, 112, 112), one patch and one prompt at a time."""
    texts = []
    for level, content, distortion in itertools.product(LEVELS, CONTENTS, DISTORTIONS):
        prompt = f"a photo of a {content} with {distortion} artifacts, which is of {level} quality"
        ids = backbones.tokenize([prompt], "tiny_clip")["input_ids"][0]
        x = state["token_embedding.weight"][ids] + state["positional_embedding"][: len(ids)]
        x = naive_transformer(state, "transformer", x, heads=4, causal=True)
        x = F.layer_norm(x, (32,), state["ln_final.weight"], state["ln_final.bias"])[ids.argmax()]
        x = x @ state["text_projection"]
        texts.append(x / x.norm())
    logits = []
    for patch in image:
        x = F.conv2d(patch[None], state["visual.conv1.weight"], stride=16)[0].flatten(1).T  # (49, 64)
        x = torch.cat([state["visual.class_embedding"][None], x]) + state["visual.positional_embedding"]
        x = F.layer_norm(x, (64,), state["visual.ln_pre.weight"], state["visual.ln_pre.bias"])
        x = naive_transformer(state, "visual.transformer", x, heads=4, causal=False)
        x = (
            F.layer_norm(x[0], (64,), state["visual.ln_post.weight"], state["visual.ln_post.bias"])
            @ state["visual.proj"]
        )
        logits.append(torch.stack([state["logit_scale"].exp() * (x / x.norm()) @ text for text in texts]))
    return torch.stack(logits).mean(0)


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_equals_a_naive_formulation_under_the_public_names(prefix):
    state = openai_state()
    image = torch.randn(2, 3, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    model = LIQE.tiny(**LINEAR).eval()
    extra = {"input_resolution": torch.tensor(112), "vocab_size": torch.tensor(4096)}
    model.load_reference({prefix + key: value for key, value in (state | extra).items()})
    with torch.inference_mode():
        answer = model({"image": image})
        for i in range(1 if prefix else 2):
            logits = naive_logits(state, image[i])
            torch.testing.assert_close(answer.parts["logits"][i], logits, rtol=0, atol=1e-4)
            joint, quality = (logits.exp() / logits.exp().sum()).tolist(), 0.0
            for p, (c, _, _) in zip(joint, itertools.product(range(5), range(9), range(11)), strict=True):
                quality += (c + 1) * p
            assert float(answer.score[i]) == pytest.approx(quality, abs=1e-4)


def test_a_state_dict_that_does_not_fit_is_refused_and_changes_nothing():
    model = LIQE.tiny(**LINEAR)
    before = copy.deepcopy(model.state_dict())
    state = openai_state()
    with pytest.raises(InputError, match="visual_projection"):
        model.load_reference({key: value for key, value in state.items() if key != "visual.proj"})
    with pytest.raises(InputError, match="head"):
        model.load_reference(state | {"head.weight": torch.zeros(2)})
    with pytest.raises(InputError, match="logit_scale"):
        model.load_reference({"fc.weight": torch.zeros(2)})
    with pytest.raises(InputError, match="another size"):
        model.load_reference(state | {"visual.class_embedding": torch.zeros(768)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_published_size():
    with torch.device("meta"):
        model = LIQE.paper()
    assert sum(p.numel() for p in model.parameters()) == 151_277_313  # OpenAI's CLIP ViT-B/32
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["clip.logit_scale"]


# "a photo of a still_life with jpeg2000 compression artifacts, which is of bad quality"; a digest of all 495 rows. Both
# from an independent byte-pair encoder on the published merges.
STILL_LIFE = [49406, 320, 1125, 539, 320, 1170, 318, 970, 593, 73, 11207, 273, 271, 271, 271, 25638, 30249, 267, 1448,
              533, 539, 2103, 3027, 49407]  # fmt: skip
ALL_ROWS = "245fd13ecec952d3"


def test_published_tokens():
    tokens = tokenize("clip_vit_b32")
    assert tokens[77].tolist() == STILL_LIFE
    assert hashlib.blake2b(tokens.numpy().tobytes(), digest_size=8).hexdigest() == ALL_ROWS
    assert len(PROMPTS) == len(set(map(tuple, tokens.tolist()))) == 495


# Marginals, prompts, patches ------------------------------------------------------------------------------------------


def test_marginals_are_those_of_one_joint_distribution(tiny):
    with torch.inference_mode():
        answer = tiny({"image": torch.randn(3, 3, 112, 112)})
    parts = {name: part.double().numpy() for name, part in answer.parts.items()}
    joint = np.exp(parts["logits"]) / np.exp(parts["logits"]).sum(1, keepdims=True)
    for row, (level, content, distortion) in enumerate(itertools.product(LEVELS, CONTENTS, DISTORTIONS)):
        parts["level"][:, LEVELS.index(level)] -= joint[:, row]
        parts["content"][:, CONTENTS.index(content)] -= joint[:, row]
        parts["distortion"][:, DISTORTIONS.index(distortion)] -= joint[:, row]
    for name in ("level", "content", "distortion"):
        np.testing.assert_allclose(parts[name], 0, atol=1e-5)
    assert ((answer.score >= 1) & (answer.score <= 5)).all()


def test_prompts_are_read_once_for_the_weights_that_there_are(tiny, monkeypatch):
    model, reads = copy.deepcopy(tiny), []
    embed = backbones.embed_text
    monkeypatch.setattr(backbones, "embed_text", lambda *a: reads.append(1) or embed(*a))
    x = {"image": torch.randn(2, 3, 112, 112)}
    with torch.inference_mode():
        before = model(x).score
        model(x)
    assert len(reads) <= 1  # the copy may bring them along
    model(x).score.sum().backward()  # kept prompts are no inference tensors
    reads.clear()
    with torch.no_grad():
        model.clip.text_projection.weight.mul_(-1)
        after = model(x).score
    assert len(reads) == 1
    assert not torch.allclose(before, after)
    model.train()
    model(x).score.sum().backward()
    assert len(reads) == 2
    assert model.clip.text_projection.weight.grad.abs().sum() > 0
    assert model.clip.logit_scale.grad is None


@pytest.mark.parametrize(
    "height, width, resize, step", [(300, 420, 0, 32), (300, 1100, 0, 48), (900, 800, 768, 32), (760, 1000, 768, 32)]
)
def test_patches_are_spread_over_the_photo(height, width, resize, step):
    image = photo(height, width)
    seen = patches(image, 224, 15, resize)
    if resize == 768 and min(height, width) >= 768:
        from PIL import Image

        image = np.asarray(Image.fromarray(image).resize((768, 864), Image.Resampling.BILINEAR))
    x = torch.from_numpy(image.copy()).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.48145466, 0.4578275, 0.40821073),
                                                          (0.26862954, 0.26130258, 0.27577711)))  # fmt: skip
    every = ((x - mean) / std).unfold(1, 224, step).unfold(2, 224, step).permute(1, 2, 0, 3, 4).reshape(-1, 3, 224, 224)
    # Every (n // 15)-th place; the public LIQE.py takes this step from the batch and sees one patch 15 times.
    torch.testing.assert_close(seen, every[:: max(1, len(every) // 15)][:15], rtol=0, atol=1e-4)
    assert len({float(patch.sum()) for patch in seen}) == 15


def test_training_patches_are_random_and_reproducible():
    draws = [patches(photo(400, 400), 224, 3, rng=np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


ODD = {
    "one pixel": photo(1, 1),
    "smaller than a patch": photo(40, 30),
    "panorama": photo(40, 2000),
    "tower": photo(2000, 40),
    "grey": photo(200, 260, grey=True),
    "black": np.zeros((200, 200, 3), np.uint8),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_photos_get_a_score_and_the_same_one_twice(tiny, name):
    look, scores = tiny.views(train=False), []
    for seed in (0, 1):  # the random numbers that come with a photo do not matter
        views = look(ODD[name], np.random.default_rng(seed))
        with torch.inference_mode():
            scores.append(predict_views(tiny, {key: view[None] for key, view in views.items()}).score)
    assert scores[0].isfinite().all()
    assert torch.equal(*scores)
    assert tiny.views(train=True)(ODD[name], np.random.default_rng(0))["image"].isfinite().all()


def test_photos_of_a_batch_never_mix(tiny):
    x = torch.randn(3, 5, 3, 112, 112)
    with torch.inference_mode():
        alone = torch.cat([tiny({"image": image[None]}).score for image in x])
        torch.testing.assert_close(tiny({"image": x}).score, alone)


# Losses ---------------------------------------------------------------------------------------------------------------


def test_content_and_distortion_fidelity_naively():
    random = torch.Generator().manual_seed(0)
    p = torch.rand(4, 9, generator=random, dtype=torch.float64)
    g = (torch.rand(4, 9, generator=random) < 0.3).double()
    naive = 0.0
    for i, j in itertools.product(range(4), range(9)):
        a, b = float(p[i, j]), float(g[i, j])
        naive += 1 - math.sqrt(a * b + 1e-8) - math.sqrt((1 - a) * (1 - b) + 1e-8)
    assert float(content_fidelity(p, g)) == pytest.approx(naive / 36, abs=1e-12)
    q = torch.rand(4, 11, generator=random, dtype=torch.float64).softmax(1)
    truth = torch.tensor([0, 10, 3, 3])
    naive = sum(1 - math.sqrt(float(q[i, t]) + 1e-8) for i, t in enumerate(truth.tolist())) / 4
    assert float(distortion_fidelity(q, truth)) == pytest.approx(naive, abs=1e-12)


def test_gradients_stay_finite_where_the_truth_has_no_probability():
    p = torch.zeros(1, 9, requires_grad=True)
    content_fidelity(p, torch.ones(1, 9)).backward()
    q = torch.zeros(1, 11, requires_grad=True)
    distortion_fidelity(q, torch.tensor([3])).backward()
    assert p.grad.isfinite().all()
    assert q.grad.isfinite().all()


def test_terms_without_labels_are_absent(tiny):
    model = copy.deepcopy(tiny).eval()
    answer = model({"image": torch.randn(6, 3, 112, 112)})
    batch = {"jod": torch.randn(6), "scene": torch.tensor([0, 0, 0, 0, 1, 1])}
    alone = model.loss(answer, batch)
    assert set(alone) == {"loss", "quality"}
    by_scene = [
        fidelity_loss(answer.score[s], batch["jod"][s], batch["scene"][s], tie=0.5) for s in (slice(4), slice(4, 6))
    ]
    torch.testing.assert_close(alone["loss"], (by_scene[0] + by_scene[1]) / 2)  # small data sets count as much

    nothing = {"content": torch.zeros(6, 9), "distortion": torch.full((6,), -1)}
    assert set(model.loss(answer, batch | nothing)) == {"loss", "quality"}

    labels = copy.deepcopy(nothing)
    labels["content"][1, [2, 5]] = 1
    labels["distortion"][4] = 7
    terms = model.loss(answer, batch | labels)
    only = {name: part[[row]] for name, part, row in (("content", answer.parts["content"], 1),
                                                      ("distortion", answer.parts["distortion"], 4))}  # fmt: skip
    torch.testing.assert_close(terms["content"], content_fidelity(only["content"], labels["content"][[1]]))
    torch.testing.assert_close(terms["distortion"], distortion_fidelity(only["distortion"], torch.tensor([7])))
    torch.testing.assert_close(terms["loss"], terms["quality"] + terms["content"] + terms["distortion"])


def test_dynamic_weights_naively():
    period, T = 5, 2.0
    weighting = DynamicWeightAverage(3, period, T).train()
    losses = torch.rand(4 * period, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    means = losses.reshape(4, period, 3).mean(1)
    for step, values in enumerate(losses):
        if step == 2 * period + 2:
            weighting = copy.deepcopy(weighting)  # a resumed training
        epoch = step // period
        ratio = [1.0] * 3 if epoch < 2 else [float(means[epoch - 1, k] / means[epoch - 2, k]) for k in range(3)]
        total = sum(math.exp(r / T) for r in ratio)
        expected = sum(3 * math.exp(r / T) / total * float(v) for r, v in zip(ratio, values, strict=True))
        assert float(weighting(values, [0, 1, 2])) == pytest.approx(expected, abs=1e-5)
    state = copy.deepcopy(weighting.state_dict())
    weighting.eval()(losses[0], [0, 1, 2])
    assert all(torch.equal(value, state[name]) for name, value in weighting.state_dict().items())
    assert float(weighting(losses[0, :1], [0])) == pytest.approx(float(losses[0, 0]))  # alone a loss weighs 1


# The whole method -----------------------------------------------------------------------------------------------------


def test_key_and_saved_copy(tiny, tmp_path):
    assert METHODS[tiny.config.method] is LIQE
    tiny.save_pretrained(tmp_path)
    twin = LIQE.from_pretrained(tmp_path).eval()
    x = {"image": torch.randn(1, 2, 3, 112, 112)}
    with torch.inference_mode():
        assert torch.equal(twin(x).score, tiny(x).score)


@pytest.mark.training
def test_overfits_eight_photos():
    from training_toy import toy_rows

    from pqa_lab.training import fit, predict

    rows = toy_rows(scenes=1, images=8)
    torch.manual_seed(0)
    model = LIQE.tiny()
    recipe = dataclasses.replace(model.recipe, scenes_per_batch=1, images_per_scene=8, warmup_epochs=0)
    history = fit(model, rows, recipe=recipe, max_steps=60, progress=False, device="cpu")
    frame = predict(model, rows, progress=False)
    assert frame["score"].corr(frame["jod"], method="spearman") > 0.95
    # Scores end at 1 and 5, so eight photos cannot all be far apart: the loss has a floor.
    assert history.records[-1]["loss"] < 0.6 * history.records[0]["loss"]
