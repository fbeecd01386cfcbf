r"""MSE and scene cross-entropy of MoNet (survey 3.4; I2Group).

- *Stated*: MSE on the scores, cross-entropy on the scene.
- *Inferred*: the weight 1 : 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses._scenes import check


def mse_scene_loss(pred: Tensor, target: Tensor, scene: Tensor, scene_logits: Tensor, weight: float = 1.0) -> Tensor:
    r"""Squared error of the score plus cross-entropy of the scene. Lesson 10.

    .. math::
        \mathcal L = \frac1B \sum_i (\hat y_i - y_i)^2 - \frac wB \sum_i \log \mathrm{softmax}(z_i)_{c_i}

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted and true JOD.
    scene : integer Tensor, shape (B,)
        Index c of the training scene, -1 where it is unknown: such an image is left out of the cross-entropy.
    scene_logits : Tensor, shape (B, C)
    weight : float
        w.

    Returns
    -------
    Tensor, scalar

    Notes
    -----
    The first term is invariant to a shift common to predictions and targets, the second to a constant added to all
    logits of an image.
    """
    pred, target = check(pred, target, scene)
    return (pred - target).square().mean() + weight * scene_cross_entropy(scene_logits, scene)


def scene_cross_entropy(scene_logits: Tensor, scene: Tensor) -> Tensor:
    """Mean cross-entropy over the images whose scene is known (not -1); (B, C), (B,) -> scalar, 0 if there is none.

    Parameters
    ----------
    scene_logits : Tensor, shape (B, C)
    scene : integer Tensor, shape (B,)
        -1 where unknown.

    Returns
    -------
    Tensor, scalar
    """
    if scene_logits.ndim != 2 or len(scene_logits) != len(scene):
        raise InputError(f"scene_logits must be (B, C) with B = {len(scene)}, not {tuple(scene_logits.shape)}.")
    if len(scene) and int(scene.max()) >= scene_logits.shape[1]:
        raise InputError(f"A scene has index {int(scene.max())} but the head knows {scene_logits.shape[1]} scenes.")
    logits = scene_logits.to(torch.promote_types(scene_logits.dtype, torch.float32))
    total = F.cross_entropy(logits, scene.long(), ignore_index=-1, reduction="sum")
    return total / (scene != -1).sum().clamp(min=1)


class MSESceneLoss(nn.Module):
    """`mse_scene_loss` with its option fixed."""

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor, scene_logits: Tensor) -> Tensor:
        return mse_scene_loss(pred, target, scene, scene_logits, self.weight)
