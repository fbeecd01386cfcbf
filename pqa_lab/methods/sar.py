r"""SAR (survey section 3.5; team SECE-SYSU): the photo and the face, each scored by the regressor of its scene.

Ten blocks of CLIP's ViT see a patch of the photo and a patch of the face. The first six say which scene it is; the
last three give an embedding, which one linear regressor a scene turns into a score; a gate weighs the two scores.

*Stated*: all of this; six blocks frozen; the true scene picks the regressor in training, in testing the predicted
probabilities weigh all of them; gate 128-64-1; steps train global only, local only or both with probabilities 0.3, 0.3
and 0.4; Huber loss, 0.2; AdamW, batch 16, 80 epochs; 224-pixel patches, one random and flipped in training, 30 dense
ones in testing; faces from a light DSFD at 0.8, then lower thresholds, cut as a square of the longer edge, at least
512 pixels.

*Inferred*: ViT-B/16 (224-pixel patches). Each branch has its own blocks 7-10 (``late="separate"``), its own 3 x 3
projection, averaged over the patch, and its own regressors; one scene head, a 3 x 3 convolution to 64 channels, ReLU,
mean and a linear layer, looks at both branches, and each branch weighs its regressors by its own scene. The gate sees
both embeddings. Why so: published are 135.02 M parameters, 26.11 GMACs and 35.43 "GFLOPs"; this has 134.77 M, 35.40
GMACs, and 26.11 for a counter that skips attention. (``scene_kernel=1, scene_width=768``: 135.69 M, 35.75 and 26.45.)
Patches are cut at native resolution. A photo without a face gives patches of the whole photo in its place.
*Unknown*: the weight of the scene's cross-entropy (blocks 1-6 are frozen, so it reaches nothing but the scene head),
the length of the warm-up, what "30 cycles" are (here the cosine's half period in epochs).

*Ours*: mean and projection are linear and commute, so the mean comes first: 1/196 of the products. The detector is
``pqa_lab.views.detect_face`` up the same thresholds, or any other, as ``model.detector``. Images of unknown scenes
are trained as they are tested, with the predicted probabilities. The regressors of all scenes start alike.

Published: PIQ23 SRCC / PLCC / KRCC .828 / .855 / .651 (90 % of every scene trained on; .8335 / .8422 on the scene
split), challenge .304 / .453 / .238; 149 M parameters with the detector's 14.22 M.

Tiny, on the *simulation* (not PIQ23), three seeds of 150 steps, 71 CPU seconds each: median SRCC .69 (.59 to .77) on
unseen scenes, .76 on known ones (``evaluation/results/benchmark.md``).
The CLIP is pre-trained on further simulated scenes; settings were chosen on training scenes left out.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import huber_loss, scene_cross_entropy
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.views import (
    Box,
    FaceDetector,
    crops,
    detect_face,
    random_crop,
    random_flip,
    resize_short,
    sar_face,
    to_tensor,
)

BRANCHES = ("global", "local")


@dataclass(frozen=True)
class SARConfig:
    """Sizes of SAR.

    Attributes
    ----------
    backbone_options : dict
        What ``backbones.build`` takes beside the name.
    size : int
        Side of a patch in pixels.
    early, blocks, fused : int
        Blocks that the branches share and the scene head reads; blocks in all; last blocks that an embedding joins.
    late : str
        ``"separate"`` blocks after the shared ones for either branch, or ``"shared"``.
    scene_width, scene_kernel : int
        Convolution of the scene head.
    scenes : int
        Scenes known, each with its regressors.
    scenarios : (float, float, float)
        Probabilities of training global only, local only and both.
    delta, scene_weight : float
        Of the Huber loss in JOD; of the scene's cross-entropy beside it.
    patches : int
        Views at test time.
    short_side : int
        To which photos are resized before the global patches are cut; 0: not at all.
    face_side : int
        Least side of the square around the face.
    """

    method: str = "sar"
    preset: str = "paper"
    backbone: str = "clip_vit_b16"
    backbone_options: dict[str, int] = field(default_factory=dict)
    size: int = 224
    early: int = 6
    blocks: int = 10
    fused: int = 3
    late: str = "separate"
    scene_width: int = 64
    scene_kernel: int = 3
    gate: tuple[int, int] = (128, 64)
    scenes: int = 50
    scenarios: tuple[float, float, float] = (0.3, 0.3, 0.4)
    delta: float = 0.2
    scene_weight: float = 1.0
    patches: int = 30
    short_side: int = 0
    face_side: int = 512

    def __post_init__(self):
        for name in ("gate", "scenarios"):  # JSON knows no tuples
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.late not in ("separate", "shared"):
            raise InputError(f"late is 'separate' or 'shared', not {self.late!r}.")
        if not 1 <= self.early < self.blocks or not 1 <= self.fused <= self.blocks - self.early:
            raise InputError("SAR needs early blocks, and at least as many late ones as an embedding joins.")
        if len(self.scenarios) != 3 or min(self.scenarios) < 0 or abs(sum(self.scenarios) - 1) > 1e-6:
            raise InputError(f"scenarios are three probabilities that add up to 1, not {self.scenarios}.")


TINY = {
    "preset": "tiny",
    "backbone": "tiny_clip",
    "backbone_options": {"stem": 8},
    "size": 112,
    "early": 2,
    "blocks": 4,
    "fused": 2,
    "scene_width": 32,
    "gate": (32, 16),
    "scenes": 12,
    "scene_weight": 0.1,
    "patches": 6,
    "short_side": 160,
    "face_side": 80,
}


class SAR(nn.Module, PyTorchModelHubMixin):
    """SAR: ``paper()``, ``paper(late="shared")``, ``tiny()``. Lesson 11."""

    def __init__(self, config: SARConfig):
        super().__init__()
        self.config = c = config
        self.detector: FaceDetector | None = None  # None: the default of ``detect_face``
        self.early, self.late = split_clip(backbones.build(c.backbone, **c.backbone_options), c)
        width = self.early["embeddings"].embed_dim
        self.scene_conv = nn.Conv2d(c.early * width, c.scene_width, c.scene_kernel, padding=c.scene_kernel // 2)
        self.scene_fc = nn.Linear(c.scene_width, c.scenes)
        self.project = nn.ModuleDict({name: nn.Conv2d(c.fused * width, width, 3) for name in BRANCHES})
        self.regressors = nn.ModuleDict({name: nn.Linear(width, c.scenes) for name in BRANCHES})
        for regressor in self.regressors.values():
            # All scenes start from one regressor: apart, they would pull the embedding in as many directions.
            nn.init.zeros_(regressor.bias)
            with torch.no_grad():
                regressor.weight.copy_(regressor.weight[:1].expand_as(regressor.weight).clone())
        a, b = c.gate
        self.gate = nn.Sequential(nn.Linear(2 * width, a), nn.ReLU(), nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 1))

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "SAR":
        """The challenge model; ``pretrained`` fetches OpenAI's CLIP from the hub."""
        return _start(cls(SARConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "SAR":
        """For two CPU cores: a small CLIP with a convolutional stem, 112-pixel patches; ``pretrained`` starts it from
        the package's own weights.

        Photos are resized to 160 pixels for the global patches, and faces cut from 80 on: on the simulation's 256
        pixels a 512-pixel square would be the whole photo.
        """
        return _start(cls(SARConfig(**TINY | overrides)), pretrained)

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    def views(self, train: bool) -> View:
        """``"global"`` and ``"local"``: a random patch each in training, ``patches`` dense ones in testing."""
        c = self.config
        find_face = remember(self.detector)

        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            regions = {
                "global": resize_short(photo, c.short_side) if c.short_side else photo,
                "local": sar_face(photo, find_face(photo), c.face_side),
            }
            if not train:
                return {
                    name: crops(region, c.size, "dense", c.patches, norm="clip") for name, region in regions.items()
                }  # (patches, 3, size, size) each
            return {
                name: to_tensor(random_crop(random_flip(region, rng), c.size, rng), "clip")
                for name, region in regions.items()
            }  # (1, 3, size, size) each

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """Score patches: ``views["global"]`` and ``views["local"]``, (B, 3, size, size) each.

        In training mode every call draws (torch's generator) whether global, local or both branches run, and only
        these are in the answer.

        Returns
        -------
        Prediction
            ``score`` by predicted scenes; ``scene_logits`` (B, C) of the global branch where it runs. ``parts``:
            ``global`` and ``local`` (B,), the two scores; ``global_by_scene`` and ``local_by_scene`` (B, C), what the
            regressor of every scene says, from which ``loss`` picks the true scene's; ``global_scene_logits`` and
            ``local_scene_logits`` (B, C); ``gate`` (B,) in [0, 1], the share of the global score.
        """
        parts, embeddings = {}, []
        branches = self.scenario() if self.training else BRANCHES
        for name in branches:
            tokens, maps = self.run(self.early["blocks"], self.embed(views[name]))  # (B, 1 + N, W), 6 x (B, W, h, w)
            seen = F.relu(self.scene_conv(torch.cat(maps, 1))).mean((2, 3))  # (B, scene_width)
            logits = self.scene_fc(seen)  # (B, C)
            late = self.late["both" if self.config.late == "shared" else name]
            _, maps = self.run(late, tokens)
            embedding = mean_of_conv(self.project[name], torch.cat(maps[-self.config.fused :], 1))  # (B, W)
            by_scene = self.regressors[name](embedding)  # (B, C)
            # q = Σ_c p_c q_c
            score = (logits.softmax(1) * by_scene).sum(1)  # (B,)
            parts |= {name: score, f"{name}_by_scene": by_scene, f"{name}_scene_logits": logits}
            embeddings.append(embedding)
        if len(branches) == 2:
            parts["gate"] = self.gate(torch.cat(embeddings, 1)).sigmoid().squeeze(1)  # (B,)
        score = blend(parts, {name: parts[name] for name in branches})  # (B,)
        return Prediction(score, parts[f"{branches[0]}_scene_logits"], parts)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Huber loss of the score by true scenes, plus the scene's cross-entropy, the mean of the branches that ran."""
        parts, scene = prediction.parts, batch["scene"].long()
        branches = [name for name in BRANCHES if name in parts]
        recognised = sum(scene_cross_entropy(parts[f"{name}_scene_logits"], scene) for name in branches) / len(branches)
        column = scene.clamp(min=0)[:, None]  # (B, 1)
        by_truth = {
            name: torch.where(scene >= 0, parts[f"{name}_by_scene"].gather(1, column).squeeze(1), parts[name])
            for name in branches
        }
        quality = huber_loss(blend(parts, by_truth), batch["jod"], scene, self.config.delta)
        return {"loss": quality + self.config.scene_weight * recognised, "quality": quality, "scene": recognised}

    def scenario(self) -> tuple[str, ...]:
        """The branches of a training step, drawn."""
        draw = float(torch.rand(()))
        for probability, branches in zip(self.config.scenarios, (BRANCHES[:1], BRANCHES[1:]), strict=False):
            if draw < probability:
                return branches
            draw -= probability
        return BRANCHES

    def embed(self, image: Tensor) -> Tensor:
        """Patches (B, 3, size, size) as tokens, class token first, (B, 1 + N, W)."""
        return self.early["norm"](self.early["embeddings"](image))

    @staticmethod
    def run(blocks: nn.ModuleList, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Tokens after the last block, and the map of patch tokens after every block, each (B, W, h, w)."""
        maps, side = [], round((tokens.shape[1] - 1) ** 0.5)
        for block in blocks:
            tokens = block(tokens, None)
            maps.append(tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side)))
        return tokens, maps


def _start(model: SAR, pretrained: bool) -> SAR:
    if pretrained:
        clip = backbones.build(model.config.backbone, pretrained=True, **model.config.backbone_options)
        model.early, model.late = split_clip(clip, model.config)
    return model


def split_clip(clip: nn.Module, config: SARConfig) -> tuple[nn.ModuleDict, nn.ModuleDict]:
    """CLIP's vision half cut after ``early`` blocks: what is shared, and the late blocks of either branch."""
    vision = clip.vision_model
    layers = vision.encoder.layers
    if config.size != clip.config.image_size or config.blocks > len(layers):
        raise InputError(
            f"{config.backbone} has {len(layers)} blocks for views of {clip.config.image_size} pixels, "
            f"not {config.blocks} for {config.size}."
        )
    parts = {"embeddings": vision.embeddings, "norm": vision.pre_layrnorm, "blocks": layers[: config.early]}
    late = layers[config.early : config.blocks]
    late = {"both": late} if config.late == "shared" else {"global": late, "local": deepcopy(late)}
    return nn.ModuleDict(parts), nn.ModuleDict(late)


def blend(parts: dict[str, Tensor], scores: dict[str, Tensor]) -> Tensor:
    """The one score there is, or both by the gate: (B,)."""
    if len(scores) == 1:
        return next(iter(scores.values()))
    # q = g q_global + (1 - g) q_local
    return parts["gate"] * scores["global"] + (1 - parts["gate"]) * scores["local"]


def mean_of_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Mean over positions of a 3 x 3 convolution with zero padding 1: (B, C, h, w) -> (B, out). Lesson 11."""
    # mean_p Σ_d W_d x_{p+d} = Σ_d W_d (mean_p x_{p+d}): nine shifted means, then one product.
    means = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), x.shape[2:], 1)  # (B, C, 3, 3)
    return conv(means).flatten(1)


def remember(detector: FaceDetector | None) -> Callable[[np.ndarray], Box | None]:
    """``detect_face``, asked once for every photo: training sees each one in every epoch."""
    boxes: dict[bytes, Box | None] = {}

    def find(photo: np.ndarray) -> Box | None:
        key = blake2b(np.ascontiguousarray(photo), digest_size=16, person=str(photo.shape).encode()[:16]).digest()
        if key not in boxes:
            boxes[key] = detect_face(photo, detector)
        return boxes[key]

    return find


RECIPES = {
    "paper": Recipe(
        epochs=80,
        lr=1e-4,
        optimizer="adamw",
        weight_decay=1e-5,
        scenes_per_batch=4,
        images_per_scene=4,
        warmup_epochs=1,
        period=30,
        lr_scale={"early": 0.0},
        source="Survey 3.5: AdamW, 1e-5 warmed up to 1e-4, cosine to 0 over 30 cycles, batch 16, 80 epochs.",
        unknown=("warmup_epochs (here from 0, not from 1e-5)", "what 30 cycles are", "scenes in a batch"),
    ),
    # An embedding adds up a thousand features of one sign: steps of the heads' size would throw it off.
    "tiny": Recipe(
        24,
        1e-3,
        "adamw",
        1e-2,
        scenes_per_batch=4,
        images_per_scene=8,
        warmup_epochs=1,
        clip_norm=1.0,
        lr_scale={"early": 0.1, "late": 0.1, "project": 0.1, "scene_conv": 0.1},
    ),
}
