"""What the losses share: which images belong together, and in which precision to compute.

A batch holds images of several scenes in any order. JODs of different scenes are not comparable (survey, section 2), so
a loss compares images of one scene only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pqa_lab.errors import InputError


def check(pred: Tensor, target: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
    """``pred`` and ``target`` in float32 or better, all of shape (B,).

    Half precision is lifted because sums over a scene and differences of near-equal scores need the digits; under
    autocast nothing below is a matrix product, so nothing is lowered again. A (B, 1) against a (B,) would broadcast to
    (B, B) without a word, hence the check.
    """
    shapes = [tuple(t.shape) for t in (pred, target, scene)]
    if pred.ndim != 1 or shapes.count(shapes[0]) != 3:
        raise InputError(f"A loss needs pred, target and scene of one shape (B,), not {shapes}; squeeze the last axis.")
    dtype = torch.promote_types(pred.dtype, torch.float32)
    return pred.to(dtype), target.to(dtype)


def members(scene: Tensor) -> Tensor:
    """Which image belongs to which scene of the batch: bool (P, B), scenes in ascending order."""
    return scene.unique()[:, None] == scene[None, :]


def scene_mean(values: Tensor, member: Tensor) -> Tensor:
    """Mean over the images of each scene; ``values`` (B,) or (P, B) -> (P,)."""
    return torch.where(member, values, 0.0).sum(dim=1) / member.sum(dim=1)


def same_scene_pairs(scene: Tensor) -> Tensor:
    """Ordered pairs (i, j), i != j, of one scene: bool (B, B)."""
    return (scene[:, None] == scene[None, :]) & ~torch.eye(len(scene), dtype=torch.bool, device=scene.device)


def pair_mean(values: Tensor, pairs: Tensor) -> Tensor:
    """Mean of ``values`` (B, B) over the chosen pairs; without any, a zero that still backpropagates."""
    return torch.where(pairs, values, 0.0).sum() / pairs.sum().clamp(min=1)
