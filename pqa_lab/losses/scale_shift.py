r"""Scale-shift-invariant loss of RQ-Net (survey 3.1, Eq. 1-2; Xidian IPPL, the winner).

- *Stated*, in words: predictions and ground truth are mapped, scene by scene, to zero shift and unit scale; P = 4
  scenes of K = 32 images a batch.
- *From public code* (ZachL1/SIND@65fbe22): the shift is the lower median, the scale the mean absolute deviation from it
  plus 1e-8; gradients flow through both; mean over a scene, then over the scenes that are present.

The same idea as the depth loss of MiDaS (arXiv 1907.01341), there with half the weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pqa_lab.losses._scenes import check, members, scene_mean


def scale_shift_invariant_loss(pred: Tensor, target: Tensor, scene: Tensor, eps: float = 1e-8) -> Tensor:
    r"""L1 distance after every scene is moved to median 0 and mean absolute deviation 1. Lessons 05, 07.

    .. math::
        \mathcal L = \frac1P \sum_{p=1}^{P} \frac1{K_p} \sum_{k=1}^{K_p} |\hat s_{p,k} - \hat s^*_{p,k}|  \qquad (1)

        \hat s_{p,k} = \frac{s_{p,k} - t(s_p)}{\sigma(s_p)}, \quad t(s_p) = \mathrm{median}_k\, s_{p,k}, \quad
        \sigma(s_p) = \frac1{K_p} \sum_k |s_{p,k} - t(s_p)|  \qquad (2)

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted quality (any scale) and JOD; P scenes of K_p images in any order.
    scene : integer Tensor, shape (B,)
    eps : float
        Added to sigma.

    Returns
    -------
    Tensor, scalar
        0 at best; 2 at most, up to the few images around the median.

    Notes
    -----
    Invariant, scene by scene, to ``a * pred + b`` and ``a * target + b`` with a > 0; not to a sign flip. A lone image
    gives 0. The gradient grows as 1 / sigma of the predictions: where those of a scene are all but equal it is very
    large (finite, up to 1 / eps), so clip its norm or use Adam.

    Examples
    --------
    >>> jod, scene = torch.tensor([0.0, 1.0, 3.0, 9.0]), torch.tensor([0, 0, 0, 0])
    >>> round(float(scale_shift_invariant_loss(5 * jod - 7, jod, scene)), 6)
    0.0
    """
    pred, target = check(pred, target, scene)
    member = members(scene)  # (P, B)
    distance = (_normalised(pred, member, eps) - _normalised(target, member, eps)).abs()  # (P, B)
    return scene_mean(distance, member).mean()


def _normalised(s: Tensor, member: Tensor, eps: float) -> Tensor:
    """Eq. 2 for every scene, (B,) -> (P, B); only the entries of ``member`` mean something."""
    count = member.sum(dim=1, keepdim=True)  # (P, 1)
    ordered = torch.where(member, s, torch.inf).sort(dim=1).values  # (P, B)
    t = ordered.gather(1, (count - 1) // 2)  # (P, 1), the lower median as torch.median has it
    deviation = torch.where(member, s - t, 0.0)  # (P, B)
    # sigma = 1/K sum_k |s_k - t|
    sigma = scene_mean(deviation.abs(), member)[:, None]  # (P, 1)
    return deviation / (sigma + eps)


class ScaleShiftInvariantLoss(nn.Module):
    """`scale_shift_invariant_loss` with its option fixed."""

    def __init__(self, eps: float = 1e-8):
        super().__init__()
        self.eps = eps

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return scale_shift_invariant_loss(pred, target, scene, self.eps)
