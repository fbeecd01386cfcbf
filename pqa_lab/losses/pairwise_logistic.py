r"""Pairwise logistic loss (RankNet: Burges et al., ICML 2005) on the pairs of a scene.

No team states it; it is the relative of the fidelity loss (Eq. 6) that is not bounded, so a pair that is badly wrong
still pulls with full force.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pqa_lab.losses._scenes import check, pair_mean, same_scene_pairs


def pairwise_logistic_loss(pred: Tensor, target: Tensor, scene: Tensor, scale: float = 1.0) -> Tensor:
    r"""Logistic loss of the order of every same-scene pair that differs in JOD. Lesson 05.

    .. math::
        \mathcal L = \frac1{|\Omega|} \sum_{(i,j) \in \Omega}
        \log\big(1 + e^{-a\,\mathrm{sgn}(y_i - y_j)(\hat y_i - \hat y_j)}\big), \qquad
        \Omega = \{\text{same scene},\ y_i \ne y_j\}

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted quality and JOD.
    scene : integer Tensor, shape (B,)
    scale : float
        a.

    Returns
    -------
    Tensor, scalar
        log 2 for equal predictions; 0 if no pair differs.

    Notes
    -----
    Invariant, scene by scene, to a shift of the predictions and to any increasing map of the targets.
    """
    pred, target = check(pred, target, scene)
    d_pred, d_target = pred[:, None] - pred[None, :], target[:, None] - target[None, :]  # (B, B)
    # log(1 + exp(-u)) = softplus(-u)
    loss = F.softplus(-scale * d_target.sign() * d_pred)
    return pair_mean(loss, same_scene_pairs(scene) & (d_target != 0))


class PairwiseLogisticLoss(nn.Module):
    """`pairwise_logistic_loss` with its option fixed."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return pairwise_logistic_loss(pred, target, scene, self.scale)
