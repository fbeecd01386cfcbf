"""Backbones: the published ones through timm and transformers, and a tiny one beside each that needs no network.

``build(name, pretrained=False)`` gives random weights offline; ``pretrained=True`` fetches the real ones from the hub.
A tiny one's come with the package: pre-trained by us on simulated portraits (``pqa_lab/weights/backbones/README.md``).

Backbones for the HyperIQA family (``resnet50``, ``tiny_cnn``) answer with four maps, from fine to coarse, and have
``channels`` (of the four) and ``stride`` (of the last).
"""

import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPVisionModelWithProjection

from pqa_lab.errors import InputError


class ResNet50(nn.Module):
    """ResNet-50 (timm), ending in its four stages: (B, 3, H, W) -> (B, 256 | 512 | 1024 | 2048, H/4 | ... | H/32, ...).

    In evaluation every batch normalization is folded into its convolution, weight by weight, on the fly: the same
    function (to rounding) without 53 passes over maps that at 1344 pixels take up to 115 MB each. Folding touches
    25 million weights a call, so small inputs go without.
    """

    channels = (256, 512, 1024, 2048)
    stride = 32
    fold_from = 2**19  # pixels of the batch: ten views of 224 x 224

    def __init__(self, pretrained: bool = False):
        super().__init__()
        self.body = timm.create_model("resnet50.tv_in1k", pretrained, features_only=True, out_indices=(1, 2, 3, 4))

    def forward(self, x: Tensor) -> list[Tensor]:
        body = self.body
        if self.training or len(x) * x.shape[2] * x.shape[3] < self.fold_from:
            return body(x)
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(_conv_bn(x, body.conv1, body.bn1).relu_(), 3, 2, 1)  # (B, 64, H/4, W/4)
        maps = []
        for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
            for block in stage:
                shortcut = x if block.downsample is None else _conv_bn(x, *block.downsample)
                x = _conv_bn(x, block.conv1, block.bn1).relu_()
                x = _conv_bn(x, block.conv2, block.bn2).relu_()
                x = _conv_bn(x, block.conv3, block.bn3).add_(shortcut).relu_()
            maps.append(x)
        return maps


def _conv_bn(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    # gamma (w * x - mean) / sqrt(var + eps) + beta  =  (s w) * x + (beta - s mean)   with s = gamma / sqrt(var + eps)
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = (conv.weight * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, weight, norm.bias - norm.running_mean * scale, conv.stride, conv.padding)


class TinyCNN(nn.Module):
    """A CNN for 112-pixel views on two CPU cores: a stem at full resolution and four stages of one convolution each.

    The stem sees the photo beside its locally contrast-normalized self, in which noise, blur and blocking stand out
    whatever the exposure; with it, and without an early stride, training takes a minute instead of many. Nothing is
    normalized later: how bright or tinted a photo is must survive.
    """

    stride = 16

    def __init__(self, channels: tuple[int, int, int, int] = (24, 32, 48, 64)):
        super().__init__()
        self.channels = tuple(channels)
        self.stem = _conv(6, 16)
        widths = (16, *channels)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), _conv(a, b)) for a, b in zip(widths, widths[1:], strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = torch.cat([x, local_contrast(x)], 1).contiguous(memory_format=torch.channels_last)  # a third faster
        x = self.stem(x)  # (B, 6, H, W) -> (B, 16, H, W)
        maps = []
        for stage in self.stages:
            x = stage(x)  # each halves H and W
            maps.append(x)
        return maps


def _conv(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.bias)
    return nn.Sequential(conv, nn.ReLU())


def _conv_norm(inputs: int, outputs: int) -> nn.Sequential:
    # Group normalization: an image's features never depend on the rest of its batch, in training either.
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(outputs // 8, outputs), nn.ReLU()
    )


def local_contrast(x: Tensor, window: int = 7, floor: float = 0.1) -> Tensor:
    """Local contrast normalization, (B, C, H, W) -> the same shape: (x - mu) / (sigma + floor) over square windows."""

    def blur(x: Tensor) -> Tensor:
        for axis in (2, 3):  # a square mean is a mean of means: 14 terms, not 49
            x = _sliding_mean(x, axis, window)
        return x

    mean = blur(x)
    variance = (blur(x.square()) - mean.square()).clamp(min=0)
    return (x - mean) / (variance + 1e-6).sqrt().add(floor)


def _sliding_mean(x: Tensor, axis: int, window: int) -> Tensor:
    # Sums of shifted copies: a third less time than avg_pool2d with such narrow windows.
    length, reach = x.shape[axis], window // 2
    padded = F.pad(x, (0, 0, reach, reach) if axis == 2 else (reach, reach))
    total = padded.narrow(axis, 0, length)
    for start in range(1, window):
        total = total + padded.narrow(axis, start, length)
    inside = F.pad(x.new_ones(length), (reach, reach)).unfold(0, window, 1).sum(1)  # fewer at the borders
    return total / (inside[:, None] if axis == 2 else inside)


class ConvStem(nn.Sequential):
    """Patches by small convolutions, (B, 3, H, W) -> (B, width, H/patch, W/patch): a drop-in for a ViT's one big one.

    A transformer on linear patches needs far more than a minute to find blur and noise; on this stem it does not.
    """

    def __init__(self, width: int, patch: int, stem: int = 16):
        halvings = patch.bit_length() - 1
        widths = [stem] + [min(width, stem * 2**i) // 8 * 8 for i in range(1, halvings + 1)]
        layers = [_conv_norm(6, stem)]
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.MaxPool2d(2), _conv_norm(inputs, outputs)]
        super().__init__(*layers, nn.Conv2d(widths[-1], width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.cat([x, local_contrast(x)], 1))

    @property
    def weight(self) -> Tensor:
        return self[-1].weight  # transformers asks the patch convolution for its dtype


def _timm(name: str) -> Callable[..., nn.Module]:
    return lambda pretrained, **options: timm.create_model(name, pretrained, **options)


def _clip(name: str, patch: int) -> Callable[..., nn.Module]:
    def make(pretrained: bool, text: bool = False) -> nn.Module:
        kind = CLIPModel if text else CLIPVisionModelWithProjection
        if pretrained:
            return kind.from_pretrained(CLIP_REPOSITORIES[name])
        config = CLIPConfig(vision_config={"patch_size": patch})  # everything else is ViT-B by default
        return kind(config if text else config.vision_config)

    return make


def tiny_vit(
    pretrained: bool = False, width: int = 64, depth: int = 4, size: int = 112, stem: int = 16, **options
) -> nn.Module:
    """A ViT of 16-pixel patches on a convolutional stem (timm's interface)."""
    vit = timm.models.VisionTransformer(
        size, 16, embed_dim=width, depth=depth, num_heads=4, mlp_ratio=2, **{"num_classes": 0} | options
    )
    if stem:
        vit.patch_embed.proj = ConvStem(width, 16, stem)
    return vit


def tiny_swin(pretrained: bool = False, width: int = 24, size: int = 128, stem: int = 16, **options) -> nn.Module:
    """A Swin of four stages on a convolutional stem (timm's interface)."""
    swin = timm.models.SwinTransformer(
        size,
        embed_dim=width,
        depths=(1, 1, 2, 1),
        num_heads=(1, 2, 4, 8),
        window_size=4,
        mlp_ratio=2,
        drop_path_rate=0,
        **{"num_classes": 0} | options,
    )
    if stem:
        swin.patch_embed.proj = ConvStem(width, 4, stem)
    return swin


def tiny_clip(
    pretrained: bool = False,
    text: bool = False,
    width: int = 64,
    depth: int = 4,
    size: int = 112,
    patch: int = 16,
    stem: int = 16,
) -> nn.Module:
    """A CLIP (vision, with ``text=True`` both halves) of random weights, its patches from a convolutional stem."""
    layers = {"num_attention_heads": 4, "projection_dim": width}
    vision = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": depth,
        "image_size": size,
        "patch_size": patch,
    }
    words = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "vocab_size": TINY_VOCABULARY,
        "bos_token_id": TINY_VOCABULARY - 2,
        "eos_token_id": TINY_VOCABULARY - 1,
        "pad_token_id": 0,
    }
    config = CLIPConfig(vision_config=vision | layers, text_config=words | layers, projection_dim=width)
    clip = CLIPModel(config) if text else CLIPVisionModelWithProjection(config.vision_config)
    if stem:
        clip.vision_model.embeddings.patch_embedding = ConvStem(width, patch, stem)
    return clip


CLIP_REPOSITORIES = {"clip_vit_b16": "openai/clip-vit-base-patch16", "clip_vit_b32": "openai/clip-vit-base-patch32"}
CLIP_LENGTH = 77  # tokens
TINY_WEIGHTS = Path(__file__).parents[1] / "weights" / "backbones"
TINY_VOCABULARY = 4096

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "resnet50": ResNet50,
    "vit_b16_384": _timm("vit_base_patch16_384.augreg_in21k_ft_in1k"),
    "swin_b_384": _timm("swin_base_patch4_window12_384.ms_in22k"),
    "swin_l_384": _timm("swin_large_patch4_window12_384.ms_in22k"),
    "clip_vit_b16": _clip("clip_vit_b16", 16),
    "clip_vit_b32": _clip("clip_vit_b32", 32),
    "tiny_cnn": lambda pretrained, **options: TinyCNN(**options),
    "tiny_vit": tiny_vit,
    "tiny_swin": tiny_swin,
    "tiny_clip": tiny_clip,
}
BACKBONES = tuple(_BUILDERS)


def build(name: str, pretrained: bool = False, **options) -> nn.Module:
    """Build a backbone.

    Parameters
    ----------
    name : str
        One of ``BACKBONES``.
    pretrained : bool
        Published weights from the hub (``HF_ENDPOINT`` and the local cache are honoured); tiny ones load ours, which
        exist for one set of options each (``TINY_WEIGHTS / "weights.json"``). Of a tiny CLIP they are the vision half.
    **options
        timm models take ``create_model``'s (``num_classes=0`` drops the classifier); CLIP takes ``text=True`` for both
        halves (``CLIPModel``, else ``CLIPVisionModelWithProjection``); tiny ones take ``width``, ``depth``, ``size``,
        ``stem`` (channels at full resolution; 0: linear patches, as in the published ones).

    Raises
    ------
    InputError
        An unknown name, weights that cannot be fetched, or, of tiny ones, weights that are damaged or of other options.
    """
    if name not in _BUILDERS:
        raise InputError(f"There is no backbone {name!r}: choose one of {', '.join(BACKBONES)}.")
    if not pretrained or name.startswith("tiny"):
        backbone = _BUILDERS[name](False, **options)
        if pretrained:
            _load_tiny(backbone, name)
        return backbone
    try:
        return _BUILDERS[name](True, **options)
    except (OSError, RuntimeError) as error:
        raise InputError(_unreachable(f"The weights of {name}")) from error


def _load_tiny(backbone: nn.Module, name: str) -> None:
    """Give a tiny backbone the weights that come with the package."""
    known = json.loads((TINY_WEIGHTS / "weights.json").read_text())
    if name not in known:
        raise InputError(f"{name} has no pre-trained weights (there are for {', '.join(known)}): use pretrained=False.")
    data = (TINY_WEIGHTS / f"{name}.safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != known[name]["sha256"]:
        raise InputError(f"The weights of {name} are damaged: install pqa-lab again.")
    state, own = load(data), backbone.state_dict()
    text_half = ("text_model.", "text_projection.", "logit_scale")
    missing = [key for key in own if key not in state and not key.startswith(text_half)]
    if missing or any(key not in own or own[key].shape != value.shape for key, value in state.items()):
        raise InputError(f"{name} is pre-trained with the options {known[name]['options']} only: build it with these.")
    backbone.load_state_dict(state, strict=False)


def load_pretrained(backbone: nn.Module, name: str, **options) -> None:
    """Give an existing backbone its published weights (see ``build``)."""
    backbone.load_state_dict(build(name, pretrained=True, **options).state_dict())


def tokenize(texts: list[str], name: str, pretrained: bool = False) -> dict[str, Tensor]:
    """Prompts as ``input_ids`` and ``attention_mask``, each (N, L), for the text half of CLIP ``name``.

    ``pretrained`` uses CLIP's own tokenizer from the hub. Random weights need no particular numbers, so without it
    every word (and comma) gets one by its checksum: offline, the same everywhere, at most ``CLIP_LENGTH`` tokens.
    """
    if pretrained:
        try:
            # CLIPTokenizer itself would, without a connection, silently know no words at all.
            tokenizer = AutoTokenizer.from_pretrained(CLIP_REPOSITORIES[name])
        except (OSError, RuntimeError) as error:
            raise InputError(_unreachable(f"The tokenizer of {name}")) from error
        return dict(tokenizer(texts, padding=True, truncation=True, max_length=CLIP_LENGTH, return_tensors="pt"))
    size = TINY_VOCABULARY if name == "tiny_clip" else CLIPConfig().text_config.vocab_size
    first, last = size - 2, size - 1  # begin and end of text, as in CLIP
    rows = []
    for text in texts:
        words = re.findall(r"\w+|[^\w\s]", text.lower())[: CLIP_LENGTH - 2]
        rows.append([first, *(1 + zlib.crc32(word.encode()) % (size - 3) for word in words), last])
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def embed_text(clip: nn.Module, tokens: dict[str, Tensor]) -> Tensor:
    """Projected text embeddings of a ``CLIPModel``, not normalized: tokens (N, L) -> (N, D)."""
    return clip.text_projection(clip.text_model(**tokens).pooler_output)


def _unreachable(what: str) -> str:
    offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on")
    why = "HF_HUB_OFFLINE is set" if offline else "is there a connection?"
    return (
        f"{what} are not in the cache and could not be fetched from the hub ({why}): "
        "connect once to fill the cache, or use pretrained=False."
    ).replace("tokenizer of", "tokenizer files of")
