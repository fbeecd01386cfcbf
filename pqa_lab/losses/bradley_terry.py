r"""Bradley-Terry likelihood of the votes themselves: training on comparisons without the detour over JODs.

No team states it; it is the direct answer to "each scene has an independent quality scale" (survey, section 2) and what
PICNIQ (arXiv 2403.09746) and our set ranker build on.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses._scenes import check, same_scene_pairs

_JOD_SIGMA = 1.4826022185056018  # 1 / Phi^-1(0.75): one JOD apart means 75 % of the votes


def bradley_terry_loss(
    pred: Tensor, target: Tensor, scene: Tensor, votes: Tensor | None = None, scale: float = math.log(3.0)
) -> Tensor:
    r"""Negative log-likelihood of the votes, per vote. Lesson 05.

    .. math::
        \mathcal L = -\frac{\sum_{i \ne j} w_{ij} \log \frac1{1 + e^{-a (\hat q_i - \hat q_j)}}}{\sum_{i \ne j} w_{ij}}

    with w_ij the votes for i against j in one scene.

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted quality and JOD; with ``votes`` the JODs are not used.
    scene : integer Tensor, shape (B,)
    votes : Tensor, shape (B, B), optional
        ``votes[i, j]`` = times i was preferred over j, or any weight that is not negative; a tie is half a vote to
        either. Entries across scenes are left out. None: the votes that the JODs predict, Phi(JOD difference /
        1.4826), one a pair.
    scale : float
        a; with log 3 one unit of ``pred`` is one JOD, since 1 / (1 + 1/3) = 75 %.

    Returns
    -------
    Tensor, scalar
        log 2 for equal predictions; 0 without a vote.

    Notes
    -----
    Invariant, scene by scene, to a shift of the predictions (and of the targets), and to a factor on all votes.
    """
    pred, target = check(pred, target, scene)
    pairs = same_scene_pairs(scene)
    if votes is None:
        votes = torch.special.ndtr((target[:, None] - target[None, :]) / _JOD_SIGMA)
    elif votes.shape != pairs.shape:
        raise InputError(f"votes must be (B, B) with B = {len(scene)}, not {tuple(votes.shape)}.")
    weight = torch.where(pairs, votes.to(pred.dtype), 0.0)  # (B, B)
    # -log sigmoid(u) = softplus(-u)
    loss = F.softplus(-scale * (pred[:, None] - pred[None, :]))  # (B, B)
    total = weight.sum()
    return (weight * loss).sum() / torch.where(total > 0, total, 1.0)


class BradleyTerryLoss(nn.Module):
    """`bradley_terry_loss` with its option fixed."""

    def __init__(self, scale: float = math.log(3.0)):
        super().__init__()
        self.scale = scale

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor, votes: Tensor | None = None) -> Tensor:
        return bradley_terry_loss(pred, target, scene, votes, self.scale)
