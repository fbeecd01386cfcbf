r"""BDVQA (survey section 3.2; ByteDance): Swin features of every stage, regressed and ranked at once.

Four Swin Transformers look at a crop of 384 pixels; of each the four stages are averaged over the map, fused and
regressed; MSE and a same-scene rank loss train them; 18 random crops of a photo are averaged.

*Stated*: based on MSTRIQ (CVPRW 2022), Swin pre-trained on ImageNet, rank loss merged with MSE, random resized crop to
384 x 384, random rotation, random crops, AdamW, two hours on eight A100, no further data; five, ten or 18 random crops
at test time, finally 18.
*From an abstract* (MSTRIQ, arXiv 2205.10101): features fused from multiple stages, strong augmentation.
*Inferred*: Swin-L four times, because 794 M / 4 = 198.5 M is Swin-L and a head of 3 M; the head 2880-1024-1 on the
averages of 192 + 384 + 768 + 1536 channels; ReLU; the last stage after Swin's own norm; members trained independently;
the form of Eq. 3 and lambda = 1 (see ``pqa_lab.losses.rank_mse``). Each is a field of the config. In float32 four
Swin-L weigh 3.2 GB, above the challenge's 2 GB: half precision, or a limit not applied.
*Unknown*: Swin's size, lr, weight decay, epochs, batch, angles and scales of the augmentation, and the resolution that
test crops are cut from. *Ours*: photos are first resized to a short side of ``test_side`` = 448, because crops of 50
to 100 % of the area, resized to 384, show the photo at about that size in training; None cuts from the photo itself.

Published: PIQ23 SRCC / PLCC / KRCC .849 / .866 / .667, challenge .393 / .575 / .333; 794 M parameters.

Tiny, on the *simulation* (not PIQ23), three seeds of 150 steps, 68 CPU seconds each: median SRCC .67 (.57 to .70) on
unseen scenes, .71 on known ones (``evaluation/results/benchmark.md``).
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import rank_mse_loss
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.views import crops, random_resized_crop, random_rotation, resize_short, to_tensor

CROPS = {"random": 18, "five": 5, "ten": 10, "centre": 1}


@dataclass(frozen=True)
class BDVQAConfig:
    """Sizes of BDVQA; the defaults are the published model as far as it is known.

    Attributes
    ----------
    backbone_options : dict
        What ``backbones.build`` takes beside the name.
    members : int
        Independent networks whose scores are averaged. [inferred]
    hidden : int
        Width between the fused stages and the score. [inferred]
    rank_weight, rank_form, rank_max_gap
        lambda, margin and mask of hard pairs in Eq. 3. [inferred]
    scale : (float, float)
        Share of the area that a training crop covers. [unknown]
    degrees : float
        Largest angle of the random rotation. [unknown]
    tta : str
        ``"random"``, ``"five"``, ``"ten"`` or ``"centre"`` crops at test time.
    tta_count : int
        How many random ones; others have their own number.
    test_side : int or None
        Short side of the photo that test crops are cut from; None: its own. [unknown]
    """

    method: str = "bdvqa"
    preset: str = "paper"
    backbone: str = "swin_l_384"
    backbone_options: dict[str, int] = field(default_factory=dict)
    members: int = 4
    size: int = 384
    hidden: int = 1024
    rank_weight: float = 1.0
    rank_form: str = "margin"
    rank_max_gap: float | None = None
    scale: tuple[float, float] = (0.5, 1.0)
    degrees: float = 10.0
    tta: str = "random"
    tta_count: int = 18
    test_side: int | None = 448

    def __post_init__(self):
        object.__setattr__(self, "scale", tuple(self.scale))  # JSON knows no tuples
        if self.tta not in CROPS:
            raise InputError(f"There are no {self.tta!r} crops for BDVQA: choose one of {', '.join(CROPS)}.")
        if self.members < 1 or self.tta_count < 1:
            raise InputError("BDVQA needs at least one member and one crop.")


TINY = {
    "preset": "tiny",
    "backbone": "tiny_swin",
    "backbone_options": {"stem": 8},
    "members": 1,
    "size": 128,
    "hidden": 64,
    "rank_weight": 10.0,
    "scale": (0.6, 1.0),
    "degrees": 5.0,
    "test_side": 144,
    "tta": "centre",
}


class MultiStageSwin(nn.Module):
    """One member: a Swin whose four stages are averaged over the map, concatenated and regressed."""

    def __init__(self, config: BDVQAConfig):
        super().__init__()
        self.swin = backbones.build(config.backbone, num_classes=0, **config.backbone_options)
        stages = [stage["num_chs"] for stage in self.swin.feature_info]  # 192, 384, 768, 1536
        self.head = nn.Sequential(nn.Linear(sum(stages), config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, size, size) -> (B,)."""
        maps = self.swin.forward_intermediates(x, norm=True, intermediates_only=True)  # four of (B, C, h, w)
        fused = torch.cat([stage.mean((2, 3)) for stage in maps], 1)  # (B, 2880)
        return self.head(fused).squeeze(1)


class BDVQA(nn.Module, PyTorchModelHubMixin):
    """BDVQA: ``paper()`` with four Swin-L, ``paper(members=1)`` for one, ``tiny()``."""

    def __init__(self, config: BDVQAConfig):
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(MultiStageSwin(config) for _ in range(config.members))

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "BDVQA":
        """The challenge model; ``pretrained`` fetches ImageNet weights of Swin from the hub."""
        return _start(cls(BDVQAConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "BDVQA":
        """For two CPU cores: the same code, one small Swin with a convolutional stem, 128-pixel crops.

        One crop at test time, else validating costs more than training; ``tiny(tta="random")`` for 18. ``pretrained``
        starts Swin from the package's own weights (which exist for the default ``backbone_options`` only). The rank
        loss counts ten times: the MSE asks for a score that compares across scenes, which a JOD does not.
        """
        return _start(cls(BDVQAConfig(**TINY | overrides)), pretrained)

    @property
    def recipe(self) -> Recipe:
        recipe = RECIPES[self.config.preset]
        if self.config.preset == "tiny":  # what is pre-trained moves slowly
            recipe = replace(recipe, lr_scale={f"members.{i}.swin": 0.05 for i in range(self.config.members)})
        return recipe

    def views(self, train: bool) -> View:
        """``"image"``: a turned, randomly resized crop in training; crops of one size, ``config.tta``, in testing."""
        c = self.config

        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            if train:
                photo = random_resized_crop(random_rotation(photo, rng, c.degrees), c.size, rng, c.scale)
                return {"image": to_tensor(photo, "imagenet")}  # (1, 3, size, size)
            if c.test_side is not None:
                photo = resize_short(photo, c.test_side)
            count = c.tta_count if c.tta == "random" else None
            return {"image": crops(photo, c.size, c.tta, count, rng, "imagenet")}  # (V, 3, size, size)

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """``views["image"]`` (B, 3, size, size) -> score (B,); ``parts["members"]`` (B, members)."""
        scores = torch.stack([member(views["image"]) for member in self.members], 1)  # (B, members)
        return Prediction(scores.mean(1), parts={"members": scores})

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Eq. 3 of every member, averaged: no member's gradient knows the others, so each trains as if alone.

        (AdamW's step does not depend on the factor 1 / members.) ``mse`` and ``rank`` are the terms of the sum.
        """
        c = self.config

        def mean_loss(weight: float) -> Tensor:
            losses = [
                rank_mse_loss(score, batch["jod"], batch["scene"], weight, c.rank_form, c.rank_max_gap)
                for score in prediction.parts["members"].unbind(1)
            ]
            return torch.stack(losses).mean()

        loss, mse = mean_loss(c.rank_weight), mean_loss(0.0).detach()
        return {"loss": loss, "mse": mse, "rank": loss.detach() - mse}


def _start(model: BDVQA, pretrained: bool) -> BDVQA:
    for member in model.members if pretrained else ():
        backbones.load_pretrained(member.swin, model.config.backbone, num_classes=0, **model.config.backbone_options)
    return model


RECIPES = {
    "paper": Recipe(
        epochs=20,
        lr=1e-5,
        optimizer="adamw",
        weight_decay=0.05,
        scenes_per_batch=8,
        images_per_scene=8,
        warmup_epochs=1,
        precision="bf16",
        source="Survey 3.2: AdamW, two hours on eight A100 (40 GB).",
        unknown=("lr", "weight_decay", "epochs", "the batch and its scenes", "schedule and warm-up", "precision"),
    ),
    "tiny": Recipe(
        epochs=20, lr=3e-3, optimizer="adamw", weight_decay=1e-2, scenes_per_batch=4, images_per_scene=8, clip_norm=1.0
    ),
}
