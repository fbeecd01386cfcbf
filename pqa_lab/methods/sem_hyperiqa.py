r"""SEM-HyperIQA (survey section 2.1, baseline 2): HyperIQA that names the scene and rescales its score for it.

*Stated*: a multi-layer perceptron predicts the scene category, which yields a scene-specific multiplier and offset;
every photo is assumed to show a known scene; 1300 px, 145 M, no extra data.

*From public code* (DXOMARK-Research/PIQ2023@4a20fa8, architecture only): the hyper features of all patches of a photo,
averaged to one row of C columns, go through 500-500-C to the scene logits; C-100-100-100-2 turns the softmax vector
into (a, b); :math:`q = a\,\bar q + b`, where :math:`\bar q` is the mean quality of the patches. C = 50 on either split,
one patch: 145.27 M. Variants: -SO feeds the true one-hot scene instead, -CO names the scene and does not rescale.
The survey's "scene category" reads as the likeliest scene alone; here as in the code. Patches of a photo share (a, b),
so it is the same to rescale each of them, as the survey says, or their mean.

*Inferred*: the loss (L1 on the rescaled score + cross-entropy, 1 : 1), and that -SO has no scene head.
*Unknown*: learning rate, epochs, number of patches.

*Ours*: where a photo has several patches, scene features and qualities are both grouped by photo (the public code
groups qualities by patch, so photos of a batch mix). A photo of unknown scene gets, in -SO, the mean over all scenes'
rescalings.

Published (PIQ23 README, overall, median over scenes, SRCC / PLCC / KRCC / MAE): scene split .749 / .752 / .558 / 1.033,
-CO .739 / .736 / .550 / 1.038; device split .845 / .856 / .674 / .641, -CO .829 / .843 / .640 / .624,
-SO .840 / .849 / .661 / .639; challenge .518 / .605 / .333.
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


@dataclass(frozen=True)
class SemHyperIQAConfig(HyperIQAConfig):
    """HyperIQA's sizes and the scene's.

    Attributes
    ----------
    scenes : int
        C, the scenes that the model can name.
    patches : int
        Patches of a photo that are judged together; from 2 on a view is (patches, 3, S, S).
    scene_head : bool
        Name the scene.
    rescale_by : str
        ``"predicted"`` (softmax vector), ``"given"`` (true scene, in ``views["scene"]``) or ``"nothing"``.
    scene_weight : float
        Of the cross-entropy in the loss.
    """

    method: str = "sem_hyperiqa"
    scenes: int = 50
    patches: int = 1
    scene_head: bool = True
    rescale_by: str = "predicted"
    scene_weight: float = 1.0


# The published variants: SemHyperIQA.paper(**VARIANTS["so"]).
VARIANTS = {
    "sem": {},
    "so": {"scene_head": False, "rescale_by": "given"},
    "co": {"rescale_by": "nothing"},
}


class SemHyperIQA(nn.Module, PyTorchModelHubMixin):
    """SEM-HyperIQA and, by ``VARIANTS``, SEM-HyperIQA-SO and -CO."""

    def __init__(self, config: SemHyperIQAConfig):
        super().__init__()
        if config.rescale_by not in ("predicted", "given", "nothing"):
            raise InputError(f"rescale_by is 'predicted', 'given' or 'nothing', not {config.rescale_by!r}.")
        if config.rescale_by == "predicted" and not config.scene_head:
            raise InputError("Rescaling by the predicted scene needs the scene head.")
        self.config = config
        self.net = HyperNet(config)
        if config.scene_head:
            self.scene_head = mlp(config.patches * self.net.channels * config.scenes, 500, 500, config.scenes)
        if config.rescale_by != "nothing":
            self.rescale = mlp(config.scenes, 100, 100, 100, 2)

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "SemHyperIQA":
        """The PIQ23 baseline; ``pretrained`` fetches ImageNet weights of ResNet-50 from the hub."""
        return hyperiqa.start(cls(SemHyperIQAConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "SemHyperIQA":
        """For two CPU cores (see ``HyperIQA.tiny``)."""
        return hyperiqa.start(
            cls(SemHyperIQAConfig(**hyperiqa.TINY | {"scenes": 12, "scene_weight": 0.1} | overrides)), pretrained
        )

    @property
    def recipe(self) -> Recipe:
        unknown = ("everything: the training code of SEM-HyperIQA is not public",)
        recipe = hyperiqa.RECIPES[self.config.preset]
        return replace(recipe, unknown=unknown) if self.config.preset == "paper" else recipe

    def views(self, train: bool) -> View:
        return hyperiqa.views(self.config, train)

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        r"""Score photos.

        Parameters
        ----------
        views : dict
            ``"image"``: (B, 3, H, W), or (B, N, 3, H, W) for N patches a photo. ``"scene"``: integer (B,), -1 where
            unknown; read (if it is there) only when ``rescale_by="given"``.

        Returns
        -------
        Prediction
            ``parts``: ``pre_quality`` (B,), and ``quality_by_scene`` (B, C) when rescaling by the given scene.
        """
        image = views["image"]
        patches = image if image.ndim == 5 else image.unsqueeze(1)  # (B, N, 3, H, W)
        if patches.shape[1] != self.config.patches:
            raise InputError(f"This model judges {self.config.patches} patches a photo, but got {patches.shape[1]}.")
        quality, hyper = self.net(patches.flatten(0, 1))  # (B N,), (B N, 112r, 7r, 7r)
        pre_quality = quality.view(len(image), -1).mean(1)  # (B,)
        parts = {"pre_quality": pre_quality}

        logits = None
        if self.config.scene_head:
            rows = F.adaptive_avg_pool2d(hyper, (1, self.config.scenes))  # (B N, 112r, 1, C)
            logits = self.scene_head(rows.reshape(len(image), -1))  # (B, N 112r C) -> (B, C)

        score = pre_quality
        if self.config.rescale_by == "predicted":
            # q = a q_pre + b,  (a, b) = rescale(softmax(logits))
            a, b = self.rescale(logits.softmax(1)).unbind(1)  # (B,), (B,)
            score = a * pre_quality + b
        elif self.config.rescale_by == "given":
            # q_c = a_c q_pre + b_c,  (a_c, b_c) = rescale(one-hot of c)
            a, b = self.rescale(torch.eye(self.config.scenes).to(pre_quality)).unbind(1)  # (C,), (C,)
            parts["quality_by_scene"] = by_scene = pre_quality[:, None] * a + b  # (B, C)
            score = _of_scene(by_scene, views.get("scene"))
        return Prediction(score, logits, parts)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        score = prediction.score
        if self.config.rescale_by == "given":
            score = _of_scene(prediction.parts["quality_by_scene"], batch["scene"])
        terms = {"quality": l1_loss(score, batch["jod"], batch["scene"])}
        if self.config.scene_head:
            terms["scene"] = scene_cross_entropy(prediction.scene_logits, batch["scene"])
        return {"loss": terms["quality"] + self.config.scene_weight * terms.get("scene", 0), **terms}

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of DXOMARK's ``SemHyperIQA``."""
        names = {f"hyperNet.{theirs}": f"net.{ours}" for theirs, ours in REFERENCE_NAMES.items()}
        names |= {"sceneClassNet.layers": "scene_head", "rescaleNet.layers": "rescale"}
        load_reference(self, state, names)


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them, started as in the public code (He weights, zero biases)."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        nn.init.kaiming_normal_(layers[-2].weight)
        nn.init.zeros_(layers[-2].bias)
    return nn.Sequential(*layers[:-1])


def _of_scene(by_scene: Tensor, scene: Tensor | None) -> Tensor:
    """Column ``scene`` of (B, C), the mean of the row where the scene is unknown (-1): (B,)."""
    mean = by_scene.mean(1)
    if scene is None:
        return mean
    known = by_scene.gather(1, scene.clamp(min=0).long()[:, None]).squeeze(1)
    return torch.where(scene >= 0, known, mean)
