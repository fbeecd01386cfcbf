r"""PQE (survey section 3.3; team SJTU MMLab): the whole photo, the face, and what LIQE says, in one score.

Two Swin Transformers look at the whole photo and at the face; 495 frozen numbers of LIQE tell scene and quality in
words; a two-layer perceptron scores the three side by side. Trained on which of two photos of a scene is the better.

*Stated*: all of this; Eq. 4-6 in words; pre-training of the whole photo's branch on LSVQ and of the face's on GFIQA;
batch 6, 10 epochs, 2 hours on two RTX 3090.
*From public code* (sunwei925/DN-PIQA@babb093, no licence, the authors' repository): Swin-B at 384; LIQE's raw logits
(no softmax), computed once from patches of the photo in its own resolution; 2543-128-ReLU-Dropout .1-1; short side 448,
then one random crop of 384 of each image in training, five of both in testing; the face's box and 20 px around it,
without a face the whole photo; Adam 1e-5, weight decay 1e-7, lr x .9 every 2 epochs; 6 pairs a step, every photo twice
the first of a pair. Its loss departs from Eq. 4-5: ``PQE.paper(label="soft", sigma=1)``. Its figures are means over
scenes, PLCC after a logistic fit, of the epoch that was best on the test scenes.
*Inferred*: the symbols of Eq. 4-6 (see ``losses/fidelity.py``).
*Unknown*: how the branches were pre-trained beyond the sources and L2.

*Ours*: another face detector (MTCNN; ``model.detector``). All same-scene pairs of a batch count: with ``PQE.pairs`` as
sampler of ``fit`` these are the sampled ones and a few that meet by chance. Boxes and logits are remembered by photo.
No trained LIQE ships with the package: ``paper(liqe=folder)`` takes one, else its logits mean nothing (see the config).

Published: PIQ23 SRCC / PLCC / KRCC .864 / .857 / .690, challenge .411 / .544 / .333; 174 M parameters (without LIQE's
151 M and the detector's).

Tiny, on the *simulation* (not PIQ23), three seeds of 150 steps, 136 CPU seconds each: median SRCC .74 (.70 to .81) on
unseen scenes, .75 on known ones (``evaluation/results/benchmark.md``).
"""

import math
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import blake2b

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.losses import fidelity_loss
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.methods.hyperiqa import load_reference
from pqa_lab.methods.liqe import LIQE
from pqa_lab.methods.liqe_prompts import PROMPTS
from pqa_lab.scenes.photo import Source, load_photo
from pqa_lab.scenes.sampler import PairSampler
from pqa_lab.views import Box, FaceDetector, crops, detect_face, pqe_face, random_crop, resize_short, to_tensor


@dataclass(frozen=True)
class PQEConfig:
    """Sizes of PQE; the defaults are the published ones.

    Attributes
    ----------
    backbone_options : dict
        What ``backbones.build`` takes beside the name.
    size, resize : int
        Side of a crop, and short side of the image from which it is taken, in pixels; for both branches.
    margin : int
        Pixels around the face's box.
    width, dropout : int, float
        Of the perceptron's hidden layer.
    liqe : str
        Which LIQE: a folder or hub name with a trained one; ``"clip"``, the published CLIP untrained; ``""``, random
        weights (always the same), as offline backbones have them, and plain cosines for logits.
    liqe_patches : int
        Patches of a photo that LIQE judges.
    label, sigma : str, float
        Of ``fidelity_loss``: ``"hard"`` and sqrt(2) are Eq. 4-5, ``"soft"`` and 1 the public code.
    """

    method: str = "pqe"
    preset: str = "paper"
    backbone: str = "swin_b_384"
    backbone_options: dict[str, int] = field(default_factory=dict)
    size: int = 384
    resize: int = 448
    margin: int = 20
    width: int = 128
    dropout: float = 0.1
    liqe: str = ""
    liqe_patches: int = 15
    label: str = "hard"
    sigma: float = math.sqrt(2)


TINY = {
    "preset": "tiny",
    "backbone": "tiny_swin",
    "backbone_options": {"stem": 8},
    "size": 128,
    "resize": 150,
    "margin": 5,
    "width": 32,
    "liqe_patches": 4,
}


class PQE(nn.Module, PyTorchModelHubMixin):
    """PQE: ``paper()``, ``paper(pretrained=True)``, ``tiny()``. Lesson 09.

    LIQE is frozen and judges the photo before any crop, so it is a part of the *view* and not of the network: it is
    built at the first photo, is no submodule, and neither trains nor travels with the weights; the config names it.
    """

    def __init__(self, config: PQEConfig):
        super().__init__()
        self.config = config
        self.full = backbones.build(config.backbone, num_classes=0, **config.backbone_options)
        self.face = backbones.build(config.backbone, num_classes=0, **config.backbone_options)
        features = self.full.num_features + self.face.num_features + len(PROMPTS)  # 1024 + 1024 + 495
        self.head = nn.Sequential(
            nn.Linear(features, config.width), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.width, 1)
        )
        self.detector: FaceDetector | None = None  # None: the default of ``detect_face``
        self._seen: dict[bytes, tuple[Box | None, Tensor]] = {}

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "PQE":
        """The challenge model; ``pretrained`` fetches Swin-B of ImageNet-22k, and CLIP for LIQE, from the hub."""
        return _start(cls(PQEConfig(**({"liqe": "clip"} if pretrained else {}) | overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "PQE":
        """For two CPU cores: the same code with two small Swins, a tiny LIQE and 128-pixel crops.

        ``pretrained`` starts both Swins, and LIQE's vision half, from the package's own weights.
        """
        return _start(cls(PQEConfig(**TINY | ({"liqe": "clip"} if pretrained else {}) | overrides)), pretrained)

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    # ``fit(model, rows, sampler=PQE.pairs)``: the published batches, 6 pairs of 6 scenes or fewer.
    pairs = partial(PairSampler, pairs_per_batch=6)

    @cached_property
    def liqe(self) -> LIQE:
        """The frozen LIQE, on the device where this model is when it is first asked for."""
        name, tiny = self.config.liqe, self.config.preset == "tiny"
        if name not in ("", "clip"):
            liqe = LIQE.from_pretrained(name)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                liqe = (LIQE.tiny if tiny else LIQE.paper)(pretrained=name == "clip")
            if tiny or not name:  # a tiny CLIP knows no words, pre-trained or not
                # Numbers without a meaning stay small: a perceptron could learn photos by heart from them.
                liqe.clip.logit_scale.data.zero_()
        return liqe.eval().requires_grad_(False).to(self.head[0].weight.device)

    @torch.inference_mode(False)  # what is remembered may be trained on later
    @torch.no_grad()
    def look_once(self, photo: np.ndarray) -> tuple[Box | None, Tensor]:
        """The face's box and LIQE's logits (495,) of a photo (H, W, 3); remembered, so the second time costs nothing.

        Call it for every photo beforehand where a loader's workers prepare the views: they share what is known then.
        """
        key = blake2b(np.ascontiguousarray(photo), digest_size=16, person=str(photo.shape).encode()[:16]).digest()
        if key not in self._seen:
            image = crops(photo, self.liqe.config.size, "unfold", self.config.liqe_patches, norm="clip")
            logits = self.liqe.logits(image[None].to(self.liqe.tokens.device))[0]  # (1, N, 3, S, S) -> (495,)
            if len(self._seen) >= 2**15:  # 64 MB, reached by an app that never ends
                self._seen.clear()
            # Workers cannot pass on what lies on a GPU (and what lies on the meta device is nowhere).
            self._seen[key] = detect_face(photo, self.detector), logits if logits.is_meta else logits.cpu()
        return self._seen[key]

    def views(self, train: bool) -> View:
        """``"full"`` and ``"face"`` (V, 3, S, S), ``"liqe"`` (V, 495): V = 1 in training, five crops in testing."""
        config = self.config

        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            box, logits = self.look_once(photo)
            images = {"full": photo, "face": pqe_face(photo, box, config.margin)}
            views = {name: branch_view(image, config.size, config.resize, train, rng) for name, image in images.items()}
            return views | {"liqe": logits.expand(len(views["full"]), -1)}  # (V, 495)

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """Score photos: ``"full"`` and ``"face"`` (B, 3, S, S), ``"liqe"`` (B, 495) -> score (B,).

        ``parts`` has the three inputs of the perceptron, ``full``, ``face`` and ``liqe``.
        """
        parts = {"full": self.full(views["full"]), "face": self.face(views["face"]), "liqe": views["liqe"]}
        score = self.head(torch.cat(list(parts.values()), 1)).squeeze(1)  # (B, 2543) -> (B,)
        return Prediction(score, parts=parts)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        options = {"label": self.config.label, "sigma": self.config.sigma}
        return {"loss": fidelity_loss(prediction.score, batch["jod"], batch["scene"], **options)}

    def start_from(self, full: nn.Module, face: nn.Module) -> None:
        """Take the two branches from their pre-training (see ``pqe_pretraining.PQEBranch``)."""
        self.full.load_state_dict(full.swin.state_dict())
        self.face.load_state_dict(face.swin.state_dict())

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of DN-PIQA's ``PIQ_model``, from timm before or after 0.9. LIQE's is another file."""
        names = {"feature_extraction.feature_extraction": "full", "quality": "head"}
        names["feature_extraction_face.feature_extraction.feature_extraction"] = "face"
        load_reference(self, modern_swin(state), names)


def _start(model: PQE, pretrained: bool) -> PQE:
    for branch in (model.full, model.face) if pretrained else ():
        backbones.load_pretrained(branch, model.config.backbone, num_classes=0, **model.config.backbone_options)
    return model


def branch_view(image: Source, size: int, resize: int, train: bool, rng: np.random.Generator) -> Tensor:
    """What a branch sees: one random crop in training (1, 3, size, size), else five (5, 3, size, size)."""
    image = resize_short(load_photo(image), resize)
    return (
        to_tensor(random_crop(image, size, rng), "imagenet") if train else crops(image, size, "five", norm="imagenet")
    )


def modern_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of timm's Swin since 0.9: a downsampling opens the next stage, and what is computed is not stored."""
    old = any("layers.0.downsample." in key for key in state)
    renamed = {}
    for key, value in state.items():
        if key.endswith(("relative_position_index", "attn_mask")):
            continue
        if old and ".downsample." in key:
            stem, rest = key.split(".downsample.")
            layers, stage = stem.rsplit(".", 1)
            key = f"{layers}.{int(stage) + 1}.downsample.{rest}"
        renamed[key] = value
    return renamed


RECIPES = {
    "paper": Recipe(
        epochs=10,
        lr=1e-5,
        weight_decay=1e-7,
        scenes_per_batch=6,
        images_per_scene=2,
        schedule="step",
        period=2,
        gamma=0.9,
        source="sunwei925/DN-PIQA@babb093, train.sh; an epoch there is one of PQE.pairs: two pairs an image.",
    ),
    "tiny": Recipe(
        epochs=12,
        lr=3e-3,
        optimizer="adamw",
        weight_decay=1e-2,
        lr_scale={"full": 0.05, "face": 0.05},
        clip_norm=1.0,
    ),
}
