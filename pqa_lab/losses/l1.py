r"""L1 loss of HyperIQA (survey 2.1, baseline 1).

- *From public code* (SSL92/hyperIQA@c42e727): L1 between score and label.
- *Inferred*: that the organisers kept it on PIQ23; their training code is not public.
"""

from __future__ import annotations

from torch import Tensor, nn

from pqa_lab.losses._scenes import check


def l1_loss(pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
    r"""Mean absolute error, in JOD. Lessons 05, 06, 07.

    .. math:: \mathcal L = \frac1B \sum_i |\hat y_i - y_i|

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted and true JOD.
    scene : integer Tensor, shape (B,)
        Not used: a pointwise loss. It is taken so that every loss is called alike.

    Returns
    -------
    Tensor, scalar

    Notes
    -----
    Invariant to a shift common to predictions and targets, and proportional to a scale common to both.
    """
    pred, target = check(pred, target, scene)
    return (pred - target).abs().mean()


class L1Loss(nn.Module):
    """`l1_loss` as a module."""

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return l1_loss(pred, target, scene)
