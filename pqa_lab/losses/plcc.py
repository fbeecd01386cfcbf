r"""Correlation loss, scene by scene: the challenge's own metric (raw PLCC) as a loss.

No team states it; a relative of Eq. 1-2 with mean and standard deviation in the place of median and mean absolute
deviation (half of the squared distance of two z-scored vectors is 1 - r). Known from FAST-VQA and many others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pqa_lab.losses._scenes import check, members, scene_mean


def plcc_loss(pred: Tensor, target: Tensor, scene: Tensor, eps: float = 1e-8) -> Tensor:
    r"""One minus Pearson's correlation, mean over scenes. Lesson 05.

    .. math::
        \mathcal L = \frac1P \sum_p (1 - r_p), \qquad
        r_p = \frac{\langle s - \bar s,\ s^* - \bar s^* \rangle}{\|s - \bar s\|\,\|s^* - \bar s^*\|}

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted quality (any scale) and JOD.
    scene : integer Tensor, shape (B,)
    eps : float
        Least value of both norms.

    Returns
    -------
    Tensor, scalar in [0, 2]

    Notes
    -----
    Invariant, scene by scene, to ``a * pred + b`` and ``a * target + b`` with a > 0; a sign flip turns r to -r. Scenes
    with one image or with equal targets have no correlation and are left out; without any other the loss is 0. Equal
    predictions count as r = 0, with a finite gradient. Two images have r = 1 or -1 and no gradient: use three or more.
    """
    pred, target = check(pred, target, scene)
    member = members(scene)  # (P, B)
    x, x_norm = _centred(pred, member)
    y, y_norm = _centred(target, member)
    spread = torch.where(member, target, -torch.inf).amax(1) > torch.where(member, target, torch.inf).amin(1)  # (P,)
    # r = <x, y> / (|x| |y|)
    r = (x * y).sum(dim=1) / (x_norm.clamp(min=eps) * y_norm.clamp(min=eps))  # (P,)
    return torch.where(spread, 1 - r, 0.0).sum() / spread.sum().clamp(min=1)


def _centred(s: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
    """Deviations from the scene's mean, (P, B) with zeros outside, and their norm, (P,)."""
    x = torch.where(member, s - scene_mean(s, member)[:, None], 0.0)  # (P, B)
    return x, torch.linalg.vector_norm(x, dim=1)  # its gradient at 0 is 0, unlike that of sqrt


class PLCCLoss(nn.Module):
    """`plcc_loss` with its option fixed."""

    def __init__(self, eps: float = 1e-8):
        super().__init__()
        self.eps = eps

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return plcc_loss(pred, target, scene, self.eps)
