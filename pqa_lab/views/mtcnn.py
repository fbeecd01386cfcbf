"""MTCNN, the face detector in three small networks (Zhang et al., IEEE SPL 2016, arXiv 1604.02878), in plain torch.

A sieve: P-Net slides over an image pyramid and proposes thousands of squares, R-Net rejects most of them at 24 x 24,
O-Net decides at 48 x 48; each one also regresses where the box should have been. 0.5 M weights in all.

The weights are the arrays inside the PyPI package ``mtcnn`` (MIT, 1.9 MB; its own code needs TensorFlow, so only the
arrays are read). They are joblib pickles, as safe as the installed package itself.
"""

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init
from torchvision.ops import nms, roi_align

from pqa_lab.errors import InputError

PYRAMID_STEP = 0.709  # about 1/sqrt(2): the area halves from level to level
P_WINDOW, P_STRIDE = 12, 2  # receptive field and stride of P-Net in pixels


class Stage(nn.Module):
    """One of the three networks: convolutions with PReLU and pooling, then a face score and a box correction."""

    def __init__(self, name: str, pools: list[nn.Module]):
        super().__init__()
        arrays = iter(_arrays(name))
        layers: list[nn.Module] = []
        for pool in pools:
            layers += [_filled(next(arrays), next(arrays)), _prelu(next(arrays)), pool]
        self.dense = nn.Identity()
        if name != "pnet":
            self.dense = nn.Sequential(_Flatten(), _filled(next(arrays), next(arrays)), _prelu(next(arrays)))
        self.body = nn.Sequential(*layers)
        self.box = _filled(next(arrays), next(arrays))
        rest = list(arrays)  # O-Net has five facial points before its face score; they are not needed here
        self.face = _filled(*rest[-2:])
        # Channels last: torch's max pooling is several times faster, the whole detector 1.8 times.
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.dense(self.body(x))
        return self.face(x).softmax(1)[:, 1], self.box(x)  # (N, ...), (N, 4, ...)


class Mtcnn:
    """Detect faces in a photo.

    Parameters
    ----------
    smallest : float
        Width of the smallest face looked for, as a share of the photo's longer side (at least 20 pixels).
    thresholds : three floats
        Scores that a square must pass after P-Net, R-Net and O-Net.
    """

    def __init__(self, smallest: float = 0.03, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)):
        self.smallest, self.thresholds = smallest, thresholds
        self.pnet = Stage("pnet", [nn.MaxPool2d(2, 2, ceil_mode=True), nn.Identity(), nn.Identity()])
        halve = [nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(3, 2)]
        self.rnet = Stage("rnet", [*halve, nn.Identity()])
        self.onet = Stage("onet", [*halve, nn.MaxPool2d(2, 2, ceil_mode=True), nn.Identity()])

    @torch.inference_mode()
    def __call__(self, photo: np.ndarray) -> list[tuple[tuple[float, float, float, float], float]]:
        """Boxes (x0, y0, x1, y1) in pixels and scores in [0, 1], best first, of a photo (H, W, 3) uint8."""
        x = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float().sub_(127.5).div_(128)  # (1, 3, H, W)
        boxes, scores = self._propose(x)
        for net, size, threshold in ((self.rnet, 24, self.thresholds[1]), (self.onet, 48, self.thresholds[2])):
            if not len(boxes):
                return []
            # Samples outside the photo are 0, which is mid grey here. (N, 3, size, size)
            scores, shift = net(roi_align(x, [_square(boxes)], (size, size), aligned=True))
            passed = scores > threshold
            boxes, scores = _moved(_square(boxes)[passed], shift[passed]), scores[passed]
            kept = nms(boxes, scores, 0.7)
            boxes, scores = boxes[kept], scores[kept]
        kept = _without_nested(boxes)
        return [(tuple(boxes[i].tolist()), float(scores[i])) for i in kept]

    def _propose(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squares that P-Net takes for faces at any level of the pyramid: boxes (N, 4), scores (N,)."""
        height, width = x.shape[-2:]
        scale = P_WINDOW / max(20.0, self.smallest * max(height, width))
        boxes, scores = [x.new_zeros(0, 4)], [x.new_zeros(0)]
        while min(height, width) * scale >= P_WINDOW:
            level = F.interpolate(x, size=(math.ceil(height * scale), math.ceil(width * scale)), mode="area")
            face, shift = self.pnet(level)  # (1, h, w), (1, 4, h, w)
            row, column = (face[0] > self.thresholds[0]).nonzero(as_tuple=True)  # (n,), (n,)
            corner = torch.stack([column, row], 1).float() * P_STRIDE  # (n, 2)
            squares = torch.cat([corner, corner + P_WINDOW], 1) / scale  # (n, 4)
            score = face[0, row, column]
            kept = nms(squares, score, 0.5)
            boxes.append(_moved(squares, shift[0, :, row, column].T)[kept])
            scores.append(score[kept])
            scale *= PYRAMID_STEP
        every, score = torch.cat(boxes), torch.cat(scores)
        kept = nms(every, score, 0.7)
        return every[kept], score[kept]


class _Flatten(nn.Module):
    """(N, C, H, W) -> (N, W H C): the order in which these weights were trained, column by column, channels last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 2, 1).flatten(1)


def _moved(boxes: Tensor, shift: Tensor) -> Tensor:
    """Corners moved by ``shift`` (N, 4), in units of the box's width and height."""
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)  # (N, 4)
    return boxes + shift * size


def _square(boxes: Tensor) -> Tensor:
    """The squares around the same centres whose side is the longer edge."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], 1)


def _without_nested(boxes: Tensor, limit: float = 0.7) -> list[int]:
    """Indices of boxes, best first, that share less than ``limit`` of the smaller area with a better one."""
    kept: list[int] = []
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    for i in range(len(boxes)):
        corner = torch.minimum(boxes[i, 2:], boxes[kept, 2:]) - torch.maximum(boxes[i, :2], boxes[kept, :2])
        shared = corner.clamp(min=0).prod(1) / torch.minimum(area[i], area[kept]).clamp(min=1)
        if not len(kept) or float(shared.max()) < limit:
            kept.append(i)
    return kept


@cache
def _folder() -> Path:
    spec = find_spec("mtcnn")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("The weights of the face detector are missing: run pip install mtcnn.")
    return Path(spec.submodule_search_locations[0]) / "assets" / "weights"


def _arrays(name: str) -> list[Tensor]:
    import joblib

    return [torch.from_numpy(np.array(w, np.float32)) for w in joblib.load(_folder() / f"{name}.lz4")]


def _filled(weight: Tensor, bias: Tensor) -> nn.Module:
    """A convolution from (kh, kw, in, out), or a linear layer from (in, out), with its bias."""
    # skip_init: the first face of a process must not draw from the generator that a training counts on.
    if weight.ndim == 4:
        layer = skip_init(nn.Conv2d, weight.shape[2], weight.shape[3], tuple(weight.shape[:2]))
        weight = weight.permute(3, 2, 0, 1)
    else:
        layer = skip_init(nn.Linear, *weight.shape)
        weight = weight.T
    layer.weight.data, layer.bias.data = weight.contiguous(), bias
    return layer


def _prelu(slope: Tensor) -> nn.PReLU:
    layer = nn.PReLU(slope.numel())
    layer.weight.data = slope.flatten()
    return layer
