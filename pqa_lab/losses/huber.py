r"""Huber loss of SAR (survey 3.5; SECE-SYSU).

- *Stated*: "the Huber loss, with a hyperparameter of 0.2".
- *Inferred*: that the hyperparameter is the delta of the classical form. Read as the beta of a smooth L1 it would be
  this loss over delta: the same optimum, five times the step.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pqa_lab.losses._scenes import check


def huber_loss(pred: Tensor, target: Tensor, scene: Tensor, delta: float = 0.2) -> Tensor:
    r"""Squared near the target, linear beyond ``delta`` JOD. Lessons 05, 11.

    .. math:: \ell(e) = \tfrac12 e^2 \text{ if } |e| \le \delta, \quad \delta\,(|e| - \tfrac12 \delta) \text{ otherwise}

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted and true JOD.
    scene : integer Tensor, shape (B,)
        Not used: a pointwise loss. It is taken so that every loss is called alike.
    delta : float
        JOD.

    Returns
    -------
    Tensor, scalar

    Notes
    -----
    Invariant to a shift common to predictions and targets, and to exchanging them; to nothing else.

    Examples
    --------
    >>> import torch
    >>> scene = torch.zeros(1, dtype=torch.long)
    >>> round(float(huber_loss(torch.tensor([1.0]), torch.tensor([0.0]), scene)), 3)  # 0.2 (1 - 0.1)
    0.18
    """
    pred, target = check(pred, target, scene)
    return F.huber_loss(pred, target, delta=delta)


class HuberLoss(nn.Module):
    """`huber_loss` with its option fixed."""

    def __init__(self, delta: float = 0.2):
        super().__init__()
        self.delta = delta

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return huber_loss(pred, target, scene, self.delta)
