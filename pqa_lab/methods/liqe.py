r"""LIQE (Zhang et al., CVPR 2023): quality in words; a building block of PQE (survey section 3.3), here a method.

CLIP compares a photo with 495 sentences, "a photo of a {content} with {distortion} artifacts, which is of {level}
quality": 5 levels x 9 contents x 11 distortions. One softmax over all of them is a joint distribution; its marginals
name the content and the distortion, and the mean level is the score.

*Stated* by the survey: that PQE takes "scene and quality features" from a LIQE trained on LIVE, CSIQ, KADID-10k, BID,
CLIVE and KonIQ-10k; its fidelity loss (Eq. 4-6) is LIQE's.
*From public code* (zwx8981/LIQE@a64655f, MIT): words and their order, ViT-B/32, both halves of CLIP trained, logit
scale frozen; logits averaged over patches before the softmax; the three losses and their dynamic weights; photos whose
sides are all at least 768 px shrink to a short side of 768; patches of 224 px on a grid of 32 px (48 from 1024 px on),
3 random ones in training, 15 at even steps in testing; the recipe.
*Inferred*: a data set is a "scene", so on portraits only photos of one scene are compared.

*Ours*: the public ``LIQE.py`` counts the step between test patches on the axis of the batch instead of the patches, so
it looks at the first patch 15 times; here, as in the loader that it was trained with, the patches are spread. It
divides the distortion term by 11 (``distortion_weight=1/11``) and has Phi of the difference itself (``sigma=1``); the
paper's equations are the defaults. Every data set of a batch has equally many photos (there 4, 4, 4, 4, 16, 16). A
photo that fits fewer patches than asked for repeats some. "Scene" is a word for what can be compared, so the nine kinds
of content are called content. Content and distortion terms are there where a batch has these labels.

Published: nothing on portraits; the survey has no row for LIQE.

Tiny, on the *simulation* (not PIQ23), three seeds of 150 steps, 40 CPU seconds each: median SRCC .60 (.50 to .68) on
unseen scenes, .67 on known ones (``evaluation/results/benchmark.md``); by the quality term alone.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import fidelity_loss
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.methods.hyperiqa import load_reference
from pqa_lab.methods.liqe_prompts import SHAPE, tokenize
from pqa_lab.methods.openai_clip import from_openai
from pqa_lab.scenes.photo import Source, load_photo
from pqa_lab.views import at_least, random_flip, resize_short, to_tensor


@dataclass(frozen=True)
class LIQEConfig:
    """Sizes of LIQE; the defaults are the published ones.

    Attributes
    ----------
    backbone_options : dict
        What ``backbones.build`` takes beside the name and ``text=True``.
    size : int
        Side of a patch in pixels.
    train_patches, test_patches : int
        Patches of a photo, judged together.
    resize : int
        Short side to which photos of at least this size shrink; 0 leaves every photo as it is.
    stride : int
        Step of the grid of patches in pixels; half as much again where a side has 1024 pixels or more.
    sigma : float
        Standard deviation of a difference of two scores in the quality loss: sqrt(2) (paper) or 1 (public code).
    distortion_weight : float
        Of the distortion term: 1 (paper) or 1 / 11 (public code).
    temperature, period : float, int
        Of the dynamic weights, and how many losses make an "epoch" of them.
    """

    method: str = "liqe"
    preset: str = "paper"
    backbone: str = "clip_vit_b32"
    backbone_options: dict[str, int] = field(default_factory=dict)
    size: int = 224
    train_patches: int = 3
    test_patches: int = 15
    resize: int = 768
    stride: int = 32
    sigma: float = math.sqrt(2)
    distortion_weight: float = 1.0
    temperature: float = 2.0
    period: int = 200


TINY = {"preset": "tiny", "backbone": "tiny_clip", "backbone_options": {"stem": 8}, "size": 112, "train_patches": 1,
        "test_patches": 5, "resize": 256, "stride": 16, "period": 20}  # fmt: skip


class LIQE(nn.Module, PyTorchModelHubMixin):
    """LIQE: ``paper()``, ``paper(pretrained=True)`` (CLIP before it has learned quality), ``tiny()``. Lesson 09."""

    def __init__(self, config: LIQEConfig):
        super().__init__()
        self.config = config
        self.clip = backbones.build(config.backbone, text=True, **config.backbone_options)
        # CLIP's own training ends at a scale of 100; LIQE freezes it. At CLIP's first one (14) tiny ones learn worse.
        self.clip.logit_scale.data.fill_(math.log(100))
        self.clip.logit_scale.requires_grad_(False)
        self.weighting = DynamicWeightAverage(3, config.period, config.temperature)
        self.register_buffer("tokens", tokenize(config.backbone), persistent=False)  # (495, L)
        self._text: tuple[list, Tensor] | None = None  # what it was computed from, and the text features

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "LIQE":
        """The published size; ``pretrained`` fetches OpenAI's CLIP from the hub, with which its training starts."""
        return _start(cls(LIQEConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "LIQE":
        """For two CPU cores: the same prompts and losses on a small CLIP, one 112-pixel patch in training.

        ``pretrained`` starts the vision half from the package's own weights; the text half knows no word before it is
        trained. Rows carry no labels of content and distortion, so ``fit`` trains by the quality term alone.
        """
        return _start(cls(LIQEConfig(**TINY | overrides)), pretrained)

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    def views(self, train: bool) -> View:
        """``"image"``: the patches of a photo as one view, (1, N, 3, S, S)."""
        config = self.config
        count = config.train_patches if train else config.test_patches

        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            photo = random_flip(photo, rng) if train else photo
            chance = rng if train else None
            return {"image": patches(photo, config.size, count, config.resize, config.stride, chance)[None]}

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        r"""Score photos: ``views["image"]`` (B, N, 3, S, S), or (B, 3, S, S) for one patch a photo.

        .. math:: p(c, s, d) = \mathrm{softmax}(\text{logits}), \qquad \hat q = \sum_{c=1}^5 c \sum_{s, d} p(c, s, d)

        Returns
        -------
        Prediction
            ``score`` in [1, 5]. ``parts``: ``logits`` (B, 495), and the marginals ``level`` (B, 5), ``content``
            (B, 9) and ``distortion`` (B, 11).
        """
        logits = self.logits(views["image"])
        joint = logits.softmax(1).unflatten(1, SHAPE)  # (B, 495) -> (B, 5, 9, 11)
        level, content, distortion = joint.sum((2, 3)), joint.sum((1, 3)), joint.sum((1, 2))
        # q = sum_c c p(c)
        score = (level * torch.arange(1, 6, device=level.device)).sum(1)  # (B,)
        return Prediction(score, parts={"logits": logits, "level": level, "content": content, "distortion": distortion})

    def logits(self, image: Tensor) -> Tensor:
        """How well every prompt fits: (B, N, 3, S, S) or (B, 3, S, S) -> (B, 495), the mean over the N patches.

        The mean is over unit vectors, before the product with the prompts: it is linear, so nothing changes.
        """
        image = image if image.ndim == 5 else image.unsqueeze(1)  # (B, N, 3, S, S)
        embedding = self.clip.visual_projection(self.clip.vision_model(image.flatten(0, 1)).pooler_output)  # (B N, D)
        unit = F.normalize(embedding, dim=1).unflatten(0, image.shape[:2]).mean(1)  # (B, D)
        # logits = exp(s) cos(image, text)
        return self.clip.logit_scale.exp() * unit @ self.text_features().T

    def text_features(self) -> Tensor:
        """Unit embeddings of the prompts, (495, D); outside of training computed once for the weights that there are.

        On a CPU they cost more than the photos (ViT-B/32: about 10 s).
        """
        weights = [*self.clip.text_model.parameters(), *self.clip.text_projection.parameters()]
        if self.training and torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            return self._embed_prompts()
        version = [(w.data_ptr(), 0 if w.is_inference() else w._version) for w in weights]
        if self._text is None or self._text[0] != version:
            # Full precision and no inference tensor, whoever asks first: it is kept for all.
            kind = self.tokens.device.type
            full = nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)
            with torch.inference_mode(False), torch.no_grad(), full:
                self._text = version, self._embed_prompts()
        return self._text[1]

    def _embed_prompts(self) -> Tensor:
        return F.normalize(backbones.embed_text(self.clip, {"input_ids": self.tokens}), dim=1)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Quality, and where a batch has the labels content and distortion, each a fidelity, dynamically weighted.

        ``batch["content"]`` (B, 9): 1 for every content that a photo shows, a row of zeros where that is not known.
        ``batch["distortion"]`` integer (B,): index into ``DISTORTIONS``, -1 where not known.
        """
        terms = {"quality": self._quality_loss(prediction.score, batch["jod"], batch["scene"])}
        if "content" in batch and (known := batch["content"].any(1)).any():
            terms["content"] = content_fidelity(prediction.parts["content"][known], batch["content"][known])
        if "distortion" in batch and (known := batch["distortion"] >= 0).any():
            fidelity = distortion_fidelity(prediction.parts["distortion"][known], batch["distortion"][known])
            terms["distortion"] = self.config.distortion_weight * fidelity
        slots = [("quality", "content", "distortion").index(name) for name in terms]
        return {"loss": self.weighting(torch.stack(list(terms.values())), slots), **terms}

    def _quality_loss(self, score: Tensor, jod: Tensor, scene: Tensor) -> Tensor:
        # A small data set counts as much as a large one: the mean over scenes of the mean over a scene's pairs.
        scenes = [scene == s for s in scene.unique()]
        options = {"sigma": self.config.sigma, "tie": 0.5}
        return torch.stack([fidelity_loss(score[s], jod[s], scene[s], **options) for s in scenes]).mean()

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the published checkpoint: a state dict of OpenAI's CLIP, alone or as ``model.*`` of the public class."""
        prefix = next((key.removesuffix("logit_scale") for key in state if key.endswith("logit_scale")), None)
        if prefix is None:
            raise InputError("This is no state dict of LIQE: CLIP's 'logit_scale' is not in it.")
        sizes = ("input_resolution", "context_length", "vocab_size")  # three numbers in the files of OpenAI's CLIP
        named = {key.removeprefix(prefix): value for key, value in state.items()}
        renamed = from_openai({key: value for key, value in named.items() if key not in sizes})
        load_reference(self.clip, renamed, {name.split(".")[0]: name.split(".")[0] for name in self.clip.state_dict()})


def _start(model: LIQE, pretrained: bool) -> LIQE:
    if pretrained:
        options = {"text": True, **model.config.backbone_options}
        scale = model.clip.logit_scale.detach().clone()
        backbones.load_pretrained(model.clip, model.config.backbone, **options)
        if model.config.preset == "tiny":  # the file has the vision half alone
            model.clip.logit_scale.data.copy_(scale)
    return model


class DynamicWeightAverage(nn.Module):
    r"""Weights for several losses: what falls more slowly counts more (Liu et al., CVPR 2019).

    .. math:: w_k = \frac{K \exp(r_k / T)}{\sum_i \exp(r_i / T)}, \qquad r_k = \frac{L_k(t - 1)}{L_k(t - 2)}

    L(t) is the mean loss of period t; in the first two, and for a loss not met in both, r is 1. K counts the losses
    that are there. The means are buffers, so training resumes with them.
    """

    def __init__(self, losses: int, period: int, temperature: float = 2.0):
        super().__init__()
        self.period, self.temperature = period, temperature
        self.register_buffer("sums", torch.zeros(3, losses))  # this period, the last one, the one before
        self.register_buffer("counts", torch.zeros(3, losses))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, values: Tensor, slots: list[int]) -> Tensor:
        """Weighted sum of the losses ``values`` (K,) that stand in ``slots``; in training they are remembered."""
        if self.training:
            if self.calls == self.period:
                self.sums.copy_(self.sums.roll(1, 0))
                self.counts.copy_(self.counts.roll(1, 0))
                for state in (self.sums[0], self.counts[0], self.calls):
                    state.zero_()
            self.calls += 1
            self.sums[0, slots] += values.detach().to(self.sums)
            self.counts[0, slots] += 1
        return (self.weights(slots).to(values) * values).sum()

    def weights(self, slots: list[int]) -> Tensor:
        """(K,), adding up to K."""
        last, before = (self.sums / self.counts.clamp(min=1))[1:, slots]  # (K,), (K,)
        met = (self.counts[1:, slots] > 0).all(0) & (before > 0)
        ratio = torch.where(met, last / before, 1.0)
        # w_k = K exp(r_k / T) / sum_i exp(r_i / T)
        return len(slots) * (ratio / self.temperature).softmax(0)


def content_fidelity(p: Tensor, g: Tensor, eps: float = 1e-8) -> Tensor:
    """Mean over photos and contents of a binary fidelity: several may be true. ``p`` and ``g`` (n, 9) -> scalar."""
    g = g.to(p)
    # l = 1 - sqrt(p g) - sqrt((1 - p)(1 - g)); eps keeps gradients finite
    return (1 - (p * g + eps).sqrt() - ((1 - p) * (1 - g) + eps).sqrt()).mean()


def distortion_fidelity(p: Tensor, g: Tensor, eps: float = 1e-8) -> Tensor:
    """Mean over photos of the fidelity of a distribution ``p`` (n, 11) with the one true class ``g`` (n,) -> scalar."""
    # l = 1 - sum_i sqrt(p_i g_i): only the true class is left
    return (1 - (p.gather(1, g[:, None]) + eps).sqrt()).mean()


def patches(
    image: Source, size: int, count: int, resize: int = 0, stride: int = 32, rng: np.random.Generator | None = None
) -> Tensor:
    """Patches from a grid over the photo, (count, 3, size, size), normalised for CLIP; sizes are ``LIQEConfig``'s.

    ``rng`` draws them; None takes them at even steps, row by row, the same every time.
    """
    photo = load_photo(image)
    if resize and min(photo.shape[:2]) >= resize:
        photo = resize_short(photo, resize)
    photo = at_least(photo, size)
    height, width = photo.shape[:2]
    step = stride if max(height, width) < 1024 else stride * 3 // 2
    corners = list(product(range(0, height - size + 1, step), range(0, width - size + 1, step)))
    if rng is not None:
        chosen = rng.integers(len(corners), size=count)
    else:
        chosen = np.arange(count) * max(1, len(corners) // count) % len(corners)
    return to_tensor([photo[y : y + size, x : x + size] for y, x in (corners[i] for i in chosen)], "clip")


RECIPES = {
    "paper": Recipe(
        epochs=80,
        lr=5e-6,
        optimizer="adamw",
        weight_decay=1e-3,
        scenes_per_batch=6,
        images_per_scene=8,
        period=5,
        source="zwx8981/LIQE@a64655f: CosineAnnealingLR(T_max=5), 80 epochs of 200 steps, 48 photos a step.",
        unknown=("anything on portraits: LIQE was not trained on them",),
    ),
    # Of the tiny CLIP only the vision half is pre-trained, so words learn faster than looking.
    "tiny": Recipe(
        epochs=24,
        lr=1e-3,
        optimizer="adamw",
        weight_decay=1e-4,
        warmup_epochs=1,
        lr_scale={"clip.vision_model": 0.1},
    ),
}
