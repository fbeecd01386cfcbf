"""Backbones: the published ones through timm and transformers, and a tiny one beside each that needs no network.

``build(name, pretrained=False)`` gives random weights offline; ``pretrained=True`` fetches the real ones from the hub.

Backbones for the HyperIQA family (``resnet50``, ``tiny_cnn``) answer with four maps, from fine to coarse, and have
``channels`` (of the four) and ``stride`` (of the last).
"""

import os
from collections.abc import Callable

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqa_lab.errors import InputError


class ResNet50(nn.Module):
    """ResNet-50 (timm), ending in its four stages: (B, 3, H, W) -> (B, 256 | 512 | 1024 | 2048, H/4 | ... | H/32, ...).

    In evaluation every batch normalization is folded into its convolution, weight by weight, on the fly: the same
    function (to rounding) without 53 passes over maps that at 1344 pixels take up to 115 MB each.
    """

    channels = (256, 512, 1024, 2048)
    stride = 32

    def __init__(self, pretrained: bool = False):
        super().__init__()
        self.body = timm.create_model("resnet50.tv_in1k", pretrained, features_only=True, out_indices=(1, 2, 3, 4))

    def forward(self, x: Tensor) -> list[Tensor]:
        body = self.body
        if self.training:
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
    whatever the exposure; with it, and without an early stride, training takes a minute instead of many.
    """

    stride = 16

    def __init__(self, channels: tuple[int, int, int, int] = (24, 32, 48, 64)):
        super().__init__()
        self.channels = tuple(channels)
        self.stem = _conv_norm(6, 16)
        widths = (16, *channels)
        self.stages = nn.ModuleList(
            nn.Sequential(_conv_norm(a, b), nn.MaxPool2d(2)) for a, b in zip(widths, widths[1:], strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(torch.cat([x, local_contrast(x)], 1))  # (B, 6, H, W) -> (B, 16, H, W)
        maps = []
        for stage in self.stages:
            x = stage(x)  # each halves H and W
            maps.append(x)
        return maps


def _conv_norm(inputs: int, outputs: int) -> nn.Sequential:
    # Group normalization: an image's features never depend on the rest of its batch, in training either.
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(outputs // 8, outputs), nn.ReLU()
    )


def local_contrast(x: Tensor, window: int = 7, floor: float = 0.1) -> Tensor:
    """Local contrast normalization, (B, C, H, W) -> the same shape: (x - mu) / (sigma + floor) over square windows."""

    def blur(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, window, 1, window // 2, count_include_pad=False)

    mean = blur(x)
    variance = (blur(x.square()) - mean.square()).clamp(min=0)
    return (x - mean) / (variance + 1e-6).sqrt().add(floor)


_BUILDERS: dict[str, Callable[[bool], nn.Module]] = {
    "resnet50": ResNet50,
    "tiny_cnn": lambda pretrained: TinyCNN(),
}


def build(name: str, pretrained: bool = False) -> nn.Module:
    """Build a backbone.

    Parameters
    ----------
    name : str
        One of ``BACKBONES``.
    pretrained : bool
        Published weights from the hub (``HF_ENDPOINT`` and the local cache are honoured); tiny ones have none.

    Raises
    ------
    InputError
        An unknown name, or weights that cannot be fetched.
    """
    if name not in _BUILDERS:
        raise InputError(f"There is no backbone {name!r}: choose one of {', '.join(_BUILDERS)}.")
    if pretrained and name.startswith("tiny"):
        raise InputError(f"{name} has no published weights: build it with pretrained=False.")
    try:
        return _BUILDERS[name](pretrained)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        how = "offline mode is on" if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else "no connection?"
        raise InputError(
            f"The weights of {name} could not be fetched from the hub ({how}): connect once to fill the cache, "
            "or build with pretrained=False."
        ) from error


def load_pretrained(backbone: nn.Module, name: str) -> None:
    """Give an existing backbone its published weights (see ``build``)."""
    backbone.load_state_dict(build(name, pretrained=True).state_dict())


BACKBONES = tuple(_BUILDERS)
