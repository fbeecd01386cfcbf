r"""FULL-HyperIQA, FHIQA (survey section 2.1 and Fig. 4, baseline 3): SEM-HyperIQA that hedges between similar scenes.

*Stated*: it extends SEM-HyperIQA to new scenes by weighting the rescaled scores with the whole vector of scene
probabilities, all known scenes by their similarity; 1300 px, 145 M, no extra data.

*From the paper's abstract page* (arXiv 2402.09178) and *public code* (DXOMARK-Research/PIQ2023@4a20fa8, architecture
only): with scene probabilities P, their k largest :math:`s_1 \dots s_k` and a multiplier and offset for each scene,

.. math:: Q_f = \frac{\sum_{i=1}^k P_{s_i} (a_{s_i} Q_p + b_{s_i})}{\sum_{j=1}^k P_{s_j}}

where (a, b) of a scene come from the rescale network C-100-100-100-2 on the scene's one-hot vector, and P from
HyperIQA's hyper features, averaged to one row of C columns, through 500-500-C. The same parameters as SEM-HyperIQA:
145.27 M at C = 50.

The code keeps the k likeliest scenes, the survey's words all of them (``top=scenes``); here as in the code.

*Inferred*: the loss (L1 on the score + scene cross-entropy, 1 : 1). *Unknown*: k (5 here), learning rate, epochs.

Published (PIQ23 README, scene split, overall; median over scenes): SRCC .78, PLCC .78, KRCC .59, MAE 1.12 (the best
ranking has the worst error: a new scene's scale cannot be known); challenge .536 / .633 / .429.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import l1_loss, scene_cross_entropy
from pqa_lab.methods import hyperiqa
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.methods.hyperiqa import REFERENCE_NAMES, HyperIQAConfig, HyperNet, load_reference
from pqa_lab.methods.sem_hyperiqa import mlp


@dataclass(frozen=True)
class FHIQAConfig(HyperIQAConfig):
    """HyperIQA's sizes, and ``scenes`` (C), ``top`` (k), ``patches`` of a photo judged together, the weight of the
    scene's cross-entropy."""

    method: str = "fhiqa"
    scenes: int = 50
    top: int = 5
    patches: int = 1
    scene_weight: float = 1.0


class FHIQA(nn.Module, PyTorchModelHubMixin):
    """FULL-HyperIQA."""

    def __init__(self, config: FHIQAConfig):
        super().__init__()
        if not 1 <= config.top <= config.scenes:
            raise InputError(f"top is from 1 to the number of scenes, {config.scenes}, not {config.top}.")
        self.config = config
        self.net = HyperNet(config)
        self.scene_head = mlp(config.patches * self.net.channels * config.scenes, 500, 500, config.scenes)
        self.rescale = mlp(config.scenes, 100, 100, 100, 2)

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "FHIQA":
        """The PIQ23 baseline; ``pretrained`` fetches ImageNet weights of ResNet-50 from the hub."""
        return hyperiqa.start(cls(FHIQAConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "FHIQA":
        """For two CPU cores (see ``HyperIQA.tiny``)."""
        return hyperiqa.start(
            cls(FHIQAConfig(**hyperiqa.TINY | {"scenes": 12, "top": 3, "scene_weight": 0.1} | overrides)), pretrained
        )

    @property
    def recipe(self) -> Recipe:
        unknown = ("everything: the training code of FULL-HyperIQA is not public", "k")
        recipe = hyperiqa.RECIPES[self.config.preset]
        return replace(recipe, unknown=unknown) if self.config.preset == "paper" else recipe

    def views(self, train: bool) -> View:
        return hyperiqa.views(self.config, train)

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """Score photos: ``views["image"]`` (B, 3, H, W), or (B, N, 3, H, W) for N patches a photo.

        Returns
        -------
        Prediction
            ``parts``: ``pre_quality`` (B,), ``quality_by_scene`` (B, C), and ``weight_by_scene`` (B, C), zero for all
            but the k likeliest scenes.
        """
        image = views["image"]
        patches = image if image.ndim == 5 else image.unsqueeze(1)  # (B, N, 3, H, W)
        if patches.shape[1] != self.config.patches:
            raise InputError(f"This model judges {self.config.patches} patches a photo, but got {patches.shape[1]}.")
        quality, hyper = self.net(patches.flatten(0, 1))  # (B N,), (B N, 112r, 7r, 7r)
        pre_quality = quality.view(len(image), -1).mean(1)  # (B,)

        rows = F.adaptive_avg_pool2d(hyper, (1, self.config.scenes))  # (B N, 112r, 1, C)
        logits = self.scene_head(rows.reshape(len(image), -1))  # (B, N 112r C) -> (B, C)

        # P_{s_i} / sum_j P_{s_j}: a softmax over the k largest logits alone
        largest, scenes = logits.topk(self.config.top, dim=1)  # (B, k), (B, k)
        weight = torch.zeros_like(logits).scatter(1, scenes, largest.softmax(1))  # (B, C)

        # Q_f = sum_i weight_i (a_{s_i} Q_p + b_{s_i})
        a, b = self.rescale(torch.eye(self.config.scenes).to(pre_quality)).unbind(1)  # (C,), (C,)
        by_scene = pre_quality[:, None] * a + b  # (B, C)
        score = (weight * by_scene).sum(1)  # (B,)
        parts = {"pre_quality": pre_quality, "quality_by_scene": by_scene, "weight_by_scene": weight}
        return Prediction(score, logits, parts)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        quality = l1_loss(prediction.score, batch["jod"], batch["scene"])
        scene = scene_cross_entropy(prediction.scene_logits, batch["scene"])
        return {"loss": quality + self.config.scene_weight * scene, "quality": quality, "scene": scene}

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of DXOMARK's ``FullHyperIQA``."""
        names = {f"hyperNet.{theirs}": f"net.{ours}" for theirs, ours in REFERENCE_NAMES.items()}
        names |= {"sceneClassNet.layers": "scene_head", "rescaleNet.layers": "rescale"}
        load_reference(self, state, names)
