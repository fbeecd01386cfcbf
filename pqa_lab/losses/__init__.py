"""The survey's losses and their relatives: one file an equation, a function, which the methods call, and a thin module
for training scripts of your own.

All take ``(pred, target, scene)`` of shape (B,) and give a scalar; images of one scene may lie anywhere in the batch.

| name | survey | invariant, scene by scene, to |
|---|---|---|
| ``scale_shift_invariant`` | Eq. 1-2, RQ-Net | increasing affine maps of predictions and of targets |
| ``rank_mse`` | Eq. 3, BDVQA | a shift common to both |
| ``fidelity`` | Eq. 4-6, PQE | shifts of predictions; increasing maps of targets (hard label) |
| ``huber`` | 3.5, SAR | a shift common to both |
| ``mse_scene`` | 3.4, MoNet (takes ``scene_logits`` too) | a shift common to both |
| ``l1`` | 2.1, HyperIQA | a shift common to both |
| ``plcc`` | relative of Eq. 1-2 | increasing affine maps of predictions and of targets |
| ``pairwise_logistic`` | relative of Eq. 3 and 6 | shifts of predictions; increasing maps of targets |
| ``bradley_terry`` | relative of Eq. 6, on votes | shifts of predictions and of targets |
"""

from collections.abc import Callable

from torch import Tensor

from pqa_lab.losses.bradley_terry import BradleyTerryLoss, bradley_terry_loss
from pqa_lab.losses.fidelity import FidelityLoss, fidelity_loss
from pqa_lab.losses.huber import HuberLoss, huber_loss
from pqa_lab.losses.l1 import L1Loss, l1_loss
from pqa_lab.losses.mse_scene import MSESceneLoss, mse_scene_loss, scene_cross_entropy
from pqa_lab.losses.pairwise_logistic import PairwiseLogisticLoss, pairwise_logistic_loss
from pqa_lab.losses.plcc import PLCCLoss, plcc_loss
from pqa_lab.losses.rank_mse import RankMSELoss, rank_mse_loss
from pqa_lab.losses.scale_shift import ScaleShiftInvariantLoss, scale_shift_invariant_loss

LOSSES: dict[str, Callable[..., Tensor]] = {
    "scale_shift_invariant": scale_shift_invariant_loss,
    "rank_mse": rank_mse_loss,
    "fidelity": fidelity_loss,
    "huber": huber_loss,
    "mse_scene": mse_scene_loss,
    "l1": l1_loss,
    "plcc": plcc_loss,
    "pairwise_logistic": pairwise_logistic_loss,
    "bradley_terry": bradley_terry_loss,
}

__all__ = [
    "LOSSES",
    "BradleyTerryLoss",
    "FidelityLoss",
    "HuberLoss",
    "L1Loss",
    "MSESceneLoss",
    "PLCCLoss",
    "PairwiseLogisticLoss",
    "RankMSELoss",
    "ScaleShiftInvariantLoss",
    "bradley_terry_loss",
    "fidelity_loss",
    "huber_loss",
    "l1_loss",
    "mse_scene_loss",
    "pairwise_logistic_loss",
    "plcc_loss",
    "rank_mse_loss",
    "scale_shift_invariant_loss",
    "scene_cross_entropy",
]
