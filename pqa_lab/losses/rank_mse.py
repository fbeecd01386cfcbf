r"""Merged MSE and ranking loss of BDVQA (survey 3.2, Eq. 3; ByteDance).

- *Stated*: rank loss and MSE are combined "to increase the model same-scene ranking ability".
- *From public code*, though not BDVQA's, of which none is public: the margin form and its mask of hard pairs
  (sunwei925/SimpleVQA@017edda).
- *Inferred*: the form of Eq. 3, whose formula the survey's text lost; lambda = 1; same-scene pairs only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses._scenes import check, pair_mean, same_scene_pairs


def rank_mse_loss(
    pred: Tensor,
    target: Tensor,
    scene: Tensor,
    weight: float = 1.0,
    form: str = "margin",
    max_gap: float | None = None,
) -> Tensor:
    r"""Mean squared error plus a hinge on every same-scene pair. Lessons 05, 08.

    .. math::
        \mathcal L = \frac1B \sum_i (\hat y_i - y_i)^2 + \lambda \frac1{|\Omega|} \sum_{(i,j) \in \Omega}
        \max\big(0,\ m_{ij} - \mathrm{sgn}(y_i - y_j)(\hat y_i - \hat y_j)\big)  \qquad (3)

    with Omega the pairs of one scene, i != j, and m_ij = |y_i - y_j| (margin form) or 0 (sign form).

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted and true JOD.
    scene : integer Tensor, shape (B,)
    weight : float
        lambda.
    form : {"margin", "sign"}
    max_gap : float, optional
        Keep only the hard pairs 0 < \|y_i - y_j\| < max_gap (SimpleVQA: 1). None: all pairs.

    Returns
    -------
    Tensor, scalar

    Notes
    -----
    The rank term is invariant to a shift of a scene's predictions (of a scene's targets too); the sum is only
    invariant to one shift common to predictions and targets, because of the MSE. The rank term of the sign form is
    proportional to the predictions' scale and blind to the targets'. Pairs tied in JOD stay in Omega and cost nothing.

    Examples
    --------
    >>> jod, scene = torch.tensor([0.0, 1.0]), torch.tensor([0, 0])
    >>> float(rank_mse_loss(1 - jod, jod, scene))  # squared error 1, and a hinge of 1 - (-1)
    3.0
    """
    pred, target = check(pred, target, scene)
    if form not in ("margin", "sign"):
        raise InputError(f'The form of the rank loss is "margin" or "sign", not {form!r}.')
    d_pred, d_target = pred[:, None] - pred[None, :], target[:, None] - target[None, :]  # (B, B)
    margin = d_target.abs() if form == "margin" else torch.zeros_like(d_target)
    # max(0, m_ij - sgn(y_i - y_j) (pred_i - pred_j))
    hinge = (margin - d_target.sign() * d_pred).clamp(min=0)  # (B, B)
    pairs = same_scene_pairs(scene)
    if max_gap is not None:
        pairs = pairs & (d_target != 0) & (d_target.abs() < max_gap)
    return (pred - target).square().mean() + weight * pair_mean(hinge, pairs)


class RankMSELoss(nn.Module):
    """`rank_mse_loss` with its options fixed."""

    def __init__(self, weight: float = 1.0, form: str = "margin", max_gap: float | None = None):
        super().__init__()
        self.weight, self.form, self.max_gap = weight, form, max_gap

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return rank_mse_loss(pred, target, scene, self.weight, self.form, self.max_gap)
