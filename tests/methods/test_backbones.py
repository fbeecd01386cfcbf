"""Backbones: sizes of the published ones, what the tiny ones promise, and the real download code on a loopback hub."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from fakehub import fake_hub, hub_environment
from safetensors.torch import save_model
from scipy.stats import spearmanr

from pqa_lab.errors import InputError
from pqa_lab.methods import backbones
from pqa_lab.methods.backbones import TINY_WEIGHTS, build, embed_text, local_contrast, tiny_clip, tokenize
from pqa_lab.simulation import apply_fault
from pqa_lab.simulation.pixels import to_srgb, to_uint8
from pqa_lab.simulation.textures import dead_leaves
from pqa_lab.views import to_tensor

# Words of LIQE's prompts, which must not fall together.
TRAITS = ["animal", "cityscape", "human", "indoor", "landscape", "night", "plant", "still_life", "others", "jpeg2000"]
TRAITS += ["jpeg", "noise", "blur", "realistic", "underexposure", "overexposure", "spatially", "quantization", "color"]
TRAITS += [
    "contrast",
    "compression",
    "other",
    "bad",
    "poor",
    "fair",
    "good",
    "perfect",
    "photo",
    "artifacts",
    "quality",
]


def millions(model):
    return sum(p.numel() for p in model.parameters()) / 1e6


@pytest.mark.parametrize(
    "name, options, size",
    [
        ("resnet50", {}, 23.508),
        ("vit_b16_384", {}, 86.859),
        ("swin_b_384", {"num_classes": 0}, 86.879),
        ("swin_l_384", {"num_classes": 0}, 195.199),
        ("clip_vit_b16", {}, 86.193),
        ("clip_vit_b32", {"text": True}, 151.277),
    ],
)
def test_published_sizes(name, options, size):
    with torch.device("meta"):
        assert millions(build(name, **options)) == pytest.approx(size, abs=5e-4)


def test_maps_of_the_hyperiqa_backbones():
    for name in ("resnet50", "tiny_cnn"):
        backbone = build(name).eval()
        with torch.inference_mode():
            maps = backbone(torch.randn(2, 3, 64, 96))
        assert [m.shape[1] for m in maps] == list(backbone.channels)
        assert maps[3].shape[2:] == (64 // backbone.stride, 96 // backbone.stride)
        assert [a.shape[2] // b.shape[2] for a, b in itertools.pairwise(maps)] == [2, 2, 2]


def test_folded_batch_norms_give_the_same_maps_and_gradients():
    torch.manual_seed(0)
    backbone = build("resnet50").train()
    with torch.no_grad():
        backbone(torch.randn(4, 3, 64, 64) * 2)  # so that the running statistics are not 0 and 1
    backbone.eval()
    backbone.fold_from = 0
    x = torch.randn(2, 3, 64, 64)
    ours, plain = backbone(x), backbone.body(x)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    weight = backbone.body.layer2[0].conv2.weight
    for_ours, for_plain = (torch.autograd.grad(maps[3].square().mean(), weight)[0] for maps in (ours, plain))
    torch.testing.assert_close(for_ours, for_plain, rtol=1e-3, atol=1e-5)


def test_local_contrast_ignores_exposure():
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(local_contrast(x + 3), local_contrast(x), rtol=0, atol=1e-3)
    assert local_contrast(torch.full((1, 3, 16, 16), 2.5)).abs().max() < 1e-3


@pytest.mark.parametrize("name, size", [("tiny_vit", 112), ("tiny_swin", 128), ("tiny_clip", 112), ("tiny_cnn", 112)])
def test_tiny_ones_are_small_and_all_of_them_learns(name, size):
    model = build(name)
    assert millions(model) < 1
    x = torch.randn(2, 3, size, size)
    out = model(pixel_values=x).image_embeds if name == "tiny_clip" else model(x)
    out = out[-1] if isinstance(out, list) else out
    assert not torch.allclose(out[0], out[1])
    out.square().sum().backward()
    stuck = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert stuck == []


def test_offline_tokens_tell_words_and_lengths_apart():
    for name in ("tiny_clip", "clip_vit_b32"):
        words = tokenize(TRAITS, name)["input_ids"]
        assert len({int(row[1]) for row in words}) == len(TRAITS)
    clip = tiny_clip(text=True).eval()
    prompts = ["a photo of a human, which is of good quality", "a photo, which is of bad quality", "human"]
    with torch.inference_mode():
        together = embed_text(clip, tokenize(prompts, "tiny_clip"))
        alone = torch.cat([embed_text(clip, tokenize([prompt], "tiny_clip")) for prompt in prompts])
    torch.testing.assert_close(together, alone)  # padding does not matter
    assert torch.pdist(together).min() > 1e-3
    assert tokenize(["word " * 500], "tiny_clip")["input_ids"].shape == (1, 77)


def test_bad_names_are_refused():
    with pytest.raises(InputError, match="resnet50"):
        build("resnet5")


SHIPPED = json.loads((TINY_WEIGHTS / "weights.json").read_text())


@pytest.mark.parametrize("name", SHIPPED)
def test_our_own_weights_load_offline_whatever_the_seed(name):
    options = SHIPPED[name]["options"]
    first, second = (build(name, pretrained=True, **options) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert next(first.parameters()).dtype == torch.float32
    assert (TINY_WEIGHTS / f"{name}.safetensors").stat().st_size < 2e6


def test_our_own_weights_tell_how_noisy_and_how_blurred_pictures_are_that_they_never_saw():
    rng = np.random.default_rng(0)
    palette = rng.uniform(0.05, 0.8, (12, 3)).astype(np.float32)
    pictures = [to_uint8(to_srgb(dead_leaves((112, 112), rng, palette, count=300))) for _ in range(30)]
    for fault in ("noise", "blur"):
        severity = rng.uniform(0.05, 1, len(pictures))
        photos = [apply_fault(p, fault, s, seed=i) for i, (p, s) in enumerate(zip(pictures, severity, strict=True))]
        with torch.inference_mode():
            maps = build("tiny_cnn", pretrained=True)(to_tensor(photos, "imagenet"))
        seen = torch.cat([m.mean((2, 3)) for m in maps], 1).double().numpy()  # (30, 168)
        assert spearmanr(left_out(seen, severity), severity).statistic > 0.8


def left_out(x, y, weight=0.1):
    """Every y predicted by ridge regression on the others: y_i - (K^-1 y)_i / (K^-1)_ii, centred."""
    x, centred = (x - x.mean(0)) / (x.std(0) + 1e-9), y - y.mean()
    inverse = np.linalg.inv(x @ x.T / x.shape[1] + weight * np.eye(len(y)))
    return y - (inverse @ centred) / np.diag(inverse)


def test_damaged_weights_and_other_options_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="options"):
        build("tiny_cnn", pretrained=True, channels=(8, 8, 8, 8))
    monkeypatch.setattr(backbones, "TINY_WEIGHTS", tmp_path)
    (tmp_path / "weights.json").write_text(json.dumps(SHIPPED))
    data = bytearray((TINY_WEIGHTS / "tiny_cnn.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "tiny_cnn.safetensors").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        build("tiny_cnn", pretrained=True)
    (tmp_path / "weights.json").write_text("{}")
    with pytest.raises(InputError, match="no pre-trained weights"):
        build("tiny_vit", pretrained=True)


CLIENT = """
import json, sys, torch
from pqa_lab.errors import InputError
from pqa_lab.methods.backbones import build, tokenize
from pqa_lab.methods.hyperiqa import HyperIQA

def digest(module):
    return {name: float(p.double().sum()) for name, p in module.state_dict().items() if p.is_floating_point()}

answers = {}
for name, make in {
    "resnet50": lambda: digest(build("resnet50", pretrained=True).body),
    "hyperiqa": lambda: digest(HyperIQA.paper(pretrained=True, size=224).net.backbone.body),
    "vision": lambda: digest(build("clip_vit_b32", pretrained=True)),
    "both": lambda: digest(build("clip_vit_b32", pretrained=True, text=True)),
    "tokens": lambda: tokenize(["a photo", "photo"], "clip_vit_b32", pretrained=True)["input_ids"].tolist(),
    "missing": lambda: digest(build("clip_vit_b16", pretrained=True)),
}.items():
    try:
        answers[name] = make()
    except InputError as error:
        answers[name] = str(error)
if sys.argv[1] == "push":
    model = HyperIQA.tiny().eval()
    model.push_to_hub("local/tiny-hyperiqa")
    x = {"image": torch.ones(1, 3, 112, 112)}
    twin = HyperIQA.from_pretrained("local/tiny-hyperiqa").eval()
    answers["pushed"] = twin.config == model.config and torch.equal(twin(x).score, model(x).score)
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_real_downloads_from_a_hub_then_from_the_cache_then_a_clear_refusal(tmp_path):
    torch.manual_seed(1)
    resnet, clip = timm.create_model("resnet50"), tiny_clip(text=True)
    # What a CLIP repository holds: a plain patch convolution and a tokenizer.
    clip.vision_model.embeddings.patch_embedding = torch.nn.Conv2d(3, 64, 16, 16, bias=False)
    root = tmp_path / "hub" / "models"
    repository = root / "openai/clip-vit-base-patch32"
    clip.save_pretrained(repository)
    write_tokenizer(repository)
    (root / "timm/resnet50.tv_in1k").mkdir(parents=True)
    save_model(resnet, str(root / "timm/resnet50.tv_in1k/model.safetensors"))

    with fake_hub(tmp_path / "hub") as url:
        online = hub_environment(url, tmp_path / "cache")
        first = run_client("push", online)
    second = run_client("", {**online, "HF_HUB_OFFLINE": "1"})
    third = run_client("", {**hub_environment(url, tmp_path / "empty"), "HF_HUB_OFFLINE": "1"})

    served = {name: float(p.double().sum()) for name, p in resnet.state_dict().items() if p.is_floating_point()}
    for answers in (first, second):
        assert answers["resnet50"] == answers["hyperiqa"]
        assert answers["resnet50"] == {name: served[name] for name in served if not name.startswith("fc.")}
        vision = clip.vision_model.state_dict()["post_layernorm.weight"].double().sum()
        assert answers["vision"]["vision_model.post_layernorm.weight"] == pytest.approx(float(vision))
        assert answers["both"]["text_projection.weight"] == pytest.approx(
            float(clip.text_projection.weight.detach().double().sum())
        )
        assert answers["tokens"][0][1:3] == [0, 1]
        assert answers["missing"].startswith("The weights of clip_vit_b16")
    assert first["pushed"] is True
    for name, answer in third.items():
        assert "HF_HUB_OFFLINE" in answer, name


def write_tokenizer(folder: Path) -> None:
    vocabulary = {
        word: i for i, word in enumerate(["a</w>", "photo</w>", *"aphot", "<|startoftext|>", "<|endoftext|>"])
    }
    merges = ["p h", "ph o", "pho t", "phot o</w>"]
    for part in ("o</w>", "ph", "pho", "phot"):
        vocabulary[part] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges))
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    settings = {"tokenizer_class": "CLIPTokenizer", "pad_token": "<|endoftext|>", "model_max_length": 77, **marks}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def run_client(argument: str, environment: dict[str, str]) -> dict:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, argument], env=environment, cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
