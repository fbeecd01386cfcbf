r"""Fidelity loss of PQE (survey 3.3, Eq. 4-6; SJTU MMLab), after Tsai et al., FRank, SIGIR 2007.

- *Stated*, in words: a binary label from the JODs of a same-scene pair; the standard Normal CDF with "the variance ...
  fixed to one"; the fidelity loss.
- *From public code*: zwx8981/LIQE@a64655f has the hard label (1/2 on ties), Phi(difference) and all pairs of a data
  set; sunwei925/DN-PIQA@babb093, which is PQE, has a *soft* label Phi(JOD difference) and Phi(difference). Both add
  1e-8 inside the roots.
- *Inferred*: the symbols of Eq. 4-6, from the LIQE paper; each score has variance one, so a difference has 2.

The code departs from the survey's equations in the label and in the scale. The defaults here are the equations; the
code's reading is ``label="soft", sigma=1, eps=1e-8``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses._scenes import check, pair_mean, same_scene_pairs

# Beyond this many standard deviations every gradient is below the smallest float64, so the clamp changes nothing.
_FAR = 100.0


def fidelity_loss(
    pred: Tensor,
    target: Tensor,
    scene: Tensor,
    label: str = "hard",
    sigma: float = math.sqrt(2.0),
    eps: float = 0.0,
    tie: float = 1.0,
    label_sigma: float = 1.0,
) -> Tensor:
    r"""Mean over all same-scene pairs of one minus the fidelity of the predicted and the labelled preference.

    .. math::
        p(x, y) = \mathbb 1[q^*(x) \ge q^*(y)]  \qquad (4)

        \hat p(x, y) = \Phi\big((\hat q(x) - \hat q(y)) / \sqrt 2\big)  \qquad (5)

        \ell = 1 - \sqrt{p\,\hat p} - \sqrt{(1 - p)(1 - \hat p)}  \qquad (6)

    Lessons 05, 09.

    Parameters
    ----------
    pred, target : Tensor, shape (B,)
        Predicted quality in units of one viewer's standard deviation, and JOD.
    scene : integer Tensor, shape (B,)
    label : {"hard", "soft"}
        Eq. 4, or Phi(JOD difference / label_sigma) as the released code has it.
    sigma : float
        Standard deviation of a *difference*: sqrt(2) (Eq. 5) or 1 (both public codes).
    eps : float
        Added inside the roots (public codes: 1e-8); 0 is Eq. 6.
    tie : float
        Hard label of two equal JODs, seen from either side: 1 is Eq. 4 as written, 0.5 is LIQE's code.
    label_sigma : float
        Of the soft label; 1.4826 would make 1 JOD mean 75 %.

    Returns
    -------
    Tensor, scalar in [0, 1]
        A batch without a same-scene pair gives 0.

    Notes
    -----
    Invariant, scene by scene, to a shift of the predictions and to a shift of the targets; the hard label also to any
    increasing map of a scene's targets. Not invariant to the predictions' scale.

    Bounded: a pair that is wrong by z standard deviations pulls with exp(-z^2 / 4), so hopelessly wrong pairs (z < -21
    in float32, < -55 in float64) pull with an exact 0. That is the loss itself, not the arithmetic: the roots are taken
    in log space, where no gradient is infinite or NaN. Keep early predictions within a few units, or start with
    `pairwise_logistic_loss`, which pulls on such pairs with full force.

    Examples
    --------
    >>> jod, scene = torch.tensor([0.0, 1.0]), torch.tensor([0, 0])
    >>> [round(float(fidelity_loss(q * jod, jod, scene)), 3) for q in (-5.0, 0.0, 5.0)]  # wrong, unsure, right
    [0.986, 0.293, 0.0]
    """
    pred, target = check(pred, target, scene)
    if label not in ("hard", "soft"):
        raise InputError(f'The label of the fidelity loss is "hard" or "soft", not {label!r}.')
    z = ((pred[:, None] - pred[None, :]) / sigma).clamp(-_FAR, _FAR)  # (B, B)
    d_target = target[:, None] - target[None, :]  # (B, B)
    if label == "hard":
        # p = 1[q*(x) >= q*(y)]; the pairs are ordered, so a tie is met once from either side
        p = torch.where(d_target == 0, tie, (d_target > 0).to(z.dtype))
        log_p, log_not_p = p.log(), (1 - p).log()
    else:
        far = (d_target / label_sigma).clamp(-_FAR, _FAR)
        log_p, log_not_p = torch.special.log_ndtr(far), torch.special.log_ndtr(-far)
    # p_hat = Phi(z), and 1 - Phi(z) = Phi(-z)
    log_win, log_loss = torch.special.log_ndtr(z), torch.special.log_ndtr(-z)
    # l = 1 - sqrt(p p_hat) - sqrt((1 - p)(1 - p_hat))
    if eps == 0:
        fidelity = ((log_p + log_win) / 2).exp() + ((log_not_p + log_loss) / 2).exp()
    else:
        fidelity = ((log_p + log_win).exp() + eps).sqrt() + ((log_not_p + log_loss).exp() + eps).sqrt()
    return pair_mean(1 - fidelity, same_scene_pairs(scene))


class FidelityLoss(nn.Module):
    """`fidelity_loss` with its options fixed."""

    def __init__(
        self,
        label: str = "hard",
        sigma: float = math.sqrt(2.0),
        eps: float = 0.0,
        tie: float = 1.0,
        label_sigma: float = 1.0,
    ):
        super().__init__()
        self.options = {"label": label, "sigma": sigma, "eps": eps, "tie": tie, "label_sigma": label_sigma}

    def forward(self, pred: Tensor, target: Tensor, scene: Tensor) -> Tensor:
        return fidelity_loss(pred, target, scene, **self.options)
