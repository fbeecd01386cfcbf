r"""RQ-Net (survey section 3.1; team Xidian IPPL, the winner): quality relative to the scene, seen globally and locally.

One ViT-B/16 of CLIP looks at the small whole photo (its class embedding) and at a mosaic of sharp fragments (its patch
tokens); the Global-Local Feature-aware Block turns both into a score; the loss maps every scene to median 0 and mean
absolute deviation 1 first, so sources with different scales train together.

*Stated*: all of this; Adam, batch 128 = 4 scenes x 32, cosine; nine crops at test time; four models {general,
portrait} x {M1, M2}.
*From public code* (ZachL1/SIND@65fbe22, the authors' repository): all sizes, ImageNet's mean and deviation rather than
CLIP's, lr 1e-5, warm-up, EMA 0.99, epochs; the nine mosaics that go with the nine crops; the ensemble averages raw
scores; the published checkpoints were chosen on the PIQ23 test scenes.
*Inferred*: portrait pre-training takes every (attribute, scene) as a scene of its own, whose images train that
attribute's block; all three attributes weigh the same. The block that fine-tuning keeps is ``overall``.
*Unknown*: weight decay (1e-5 or 5e-4), whether pre-training saw PIQ23 too, the face detector, the divisions M1 and M2.
*Ours*: photos too small for the fragments are enlarged; ``fit`` keeps the four scenes of a batch different, which the
public sampler does not (``SceneBatchSampler(distinct=False)``). The last layer is linear on two halves, so a score is
a sum of a global and a local part: ``parts`` has both, and the mean of nine views depends on no pairing of crops and
mosaics.

Published: PIQ23 SRCC / PLCC / KRCC .820 / .839 / .621, challenge .554 / .597 / .381; 57.6 M parameters, of a counter
that skips attention's: one model has 86.60 M, the ensemble four times that.

Tiny, on the *simulation* (not PIQ23), three seeds of 150 steps, 74 CPU seconds each: median SRCC .70 (.66 to .74) on
unseen scenes, .79 on known ones (``evaluation/results/benchmark.md``).
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import scale_shift_invariant_loss
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.methods.hyperiqa import load_reference
from pqa_lab.methods.openai_clip import from_openai
from pqa_lab.views import crops, fragments, random_crop, random_flip, resize, to_tensor

BLOCKS = ("details", "exposure", "overall")  # of portrait pre-training


@dataclass(frozen=True)
class RQNetConfig:
    """Sizes of RQ-Net; the defaults are the published ones.

    Attributes
    ----------
    backbone_options : dict
        What ``backbones.build`` takes beside the name.
    size : int
        Side of both views in pixels; ``resize`` is the side of the photo from which the global one is cropped.
    grid : int
        Cells a side of the fragments; a mini-patch has ``size // grid`` pixels.
    short_side : int
        To which photos are resized before fragments are cut.
    squeeze : int
        Channels between the tokens and their weighted mean.
    heads : tuple of str
        The blocks: ``("overall",)``, or ``BLOCKS`` for portrait pre-training. The score is that of ``overall``.
    tta : str
        ``"nine"`` views at test time, ``"five"`` or ``"centre"``.
    """

    method: str = "rqnet"
    preset: str = "paper"
    backbone: str = "clip_vit_b16"
    backbone_options: dict[str, int] = field(default_factory=dict)
    size: int = 224
    resize: int = 244
    grid: int = 7
    short_side: int = 672
    squeeze: int = 49
    heads: tuple[str, ...] = ("overall",)
    tta: str = "nine"

    def __post_init__(self):
        object.__setattr__(self, "heads", tuple(self.heads))  # JSON knows no tuples
        if "overall" not in self.heads:
            raise InputError("RQ-Net needs the block 'overall' among its heads: the score is its answer.")
        if self.size % self.grid:
            raise InputError(f"A view of {self.size} pixels cannot be cut into {self.grid} mini-patches a side.")


TINY = {
    "preset": "tiny",
    "backbone": "tiny_clip",
    "backbone_options": {"stem": 8},
    "size": 112,
    "resize": 122,
    "short_side": 256,
    "squeeze": 16,
    "tta": "centre",
}


class GlobalLocalBlock(nn.Module):
    """The Global-Local Feature-aware Block: class embedding (B, D) and patch tokens (B, N, W) -> score (B,)."""

    def __init__(self, tokens: int, width: int, dim: int, squeeze: int):
        super().__init__()
        self.local = nn.Sequential(
            nn.Conv1d(tokens, squeeze, 1),  # mixes tokens, each feature alike
            nn.ReLU(),
            nn.Conv1d(squeeze, 1, 1),
            nn.ReLU(),
            nn.Linear(width, dim),
            nn.ReLU(),
        )
        self.score = nn.Linear(2 * dim, 1)

    def forward(self, whole: Tensor, tokens: Tensor) -> Tensor:
        return sum(self.parts(whole, tokens))

    def parts(self, whole: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The score's global and local part, (B,) each; the bias is in the local one."""
        local = self.local(tokens).squeeze(1)  # (B, N, W) -> (B, 1, W) -> (B, D)
        # q = w · [g; l] + b = w_g · g + (w_l · l + b)
        of_whole, of_local = self.score.weight.squeeze(0).chunk(2)  # (D,), (D,)
        return whole @ of_whole, local @ of_local + self.score.bias

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of the public ``QualityFusionHead``."""
        load_reference(self, state, HEAD_NAMES)


class RQNet(nn.Module, PyTorchModelHubMixin):
    """RQ-Net: ``paper()``, ``paper(heads=BLOCKS)`` to pre-train the portrait variant, ``tiny()``."""

    def __init__(self, config: RQNetConfig):
        super().__init__()
        self.config = config
        self.clip = backbones.build(config.backbone, **config.backbone_options)
        vision = self.clip.config
        tokens = (config.size // vision.patch_size) ** 2
        if config.size != vision.image_size:
            raise InputError(f"{config.backbone} takes views of {vision.image_size} pixels, not {config.size}.")
        self.blocks = nn.ModuleDict(
            {
                name: GlobalLocalBlock(tokens, vision.hidden_size, vision.projection_dim, config.squeeze)
                for name in config.heads
            }
        )
        # Set by rqnet_pretraining.assign_blocks: which block a scene trains; empty: all train "overall".
        self.register_buffer("block_of_scene", torch.empty(0, dtype=torch.long), persistent=False)

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "RQNet":
        """The challenge model; ``pretrained`` fetches OpenAI's CLIP from the hub."""
        return _start(cls(RQNetConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "RQNet":
        """For two CPU cores: the same code on a small CLIP with a convolutional stem and 112-pixel views.

        One view at test time, else validating costs more than training; ``tiny(tta="nine")`` for all. ``pretrained``
        starts CLIP from the package's own weights (which exist for the default ``backbone_options`` only).
        """
        model = _start(cls(RQNetConfig(**TINY | overrides)), pretrained)
        for block in model.blocks.values():
            # One channel behind a ReLU: of 60 random starts 7 were dead for all photos, the local branch with them.
            block.local[2].weight.data.abs_()
        return model

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    def views(self, train: bool) -> View:
        """``"global"`` and ``"local"``: one random view each in training, paired crops and mosaics in testing."""
        c = self.config
        patch = c.size // c.grid

        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            small = resize(photo, c.resize, c.resize)
            if not train:
                return {
                    "global": crops(small, c.size, c.tta, norm="imagenet"),  # (9, 3, size, size)
                    "local": fragments(
                        photo, c.grid, patch, layout=c.tta, short_side=c.short_side, norm="imagenet"
                    ),  # (9, 3, size, size)
                }
            whole = random_crop(random_flip(small, rng), c.size, rng)
            # The local view is mirrored on its own, whatever the global one does.
            local = fragments(
                random_flip(photo, rng), c.grid, patch, rng=rng, short_side=c.short_side, norm="imagenet"
            )  # (1, 3, size, size)
            return {"global": to_tensor(whole, "imagenet"), "local": local}

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """``views["global"]`` and ``views["local"]``, each (B, 3, size, size) -> score (B,).

        ``parts``: ``global`` and ``local``, which add up to the score; with several blocks the answer of each.
        """
        seen = self.clip(pixel_values=torch.cat([views["global"], views["local"]]))  # both branches share one ViT
        whole = seen.image_embeds.chunk(2)[0]  # (B, D), projected
        tokens = self.clip.vision_model.post_layernorm(seen.last_hidden_state.chunk(2)[1][:, 1:])  # (B, N, W), not

        parts = dict(zip(("global", "local"), self.blocks["overall"].parts(whole, tokens), strict=True))
        score = parts["global"] + parts["local"]
        for name, block in self.blocks.items() if len(self.blocks) > 1 else ():
            parts[name] = score if name == "overall" else block(whole, tokens)
        return Prediction(score, parts=parts)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Eq. 1-2; with ``assign_blocks``, on the answer of the block that each scene trains."""
        score = prediction.score
        if len(self.block_of_scene):
            answers = torch.stack([prediction.parts[name] for name in self.config.heads], 1)  # (B, blocks)
            score = answers.gather(1, self.block_of_scene[batch["scene"]][:, None]).squeeze(1)  # (B,)
        return {"loss": scale_shift_invariant_loss(score, batch["jod"], batch["scene"])}

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of the public ``LocalGlobalClipIQA``; CLIP's text half, which it carries, is left out."""
        state = {key.removeprefix("module."): value for key, value in state.items()}
        vision = "clip_model.visual."
        clip = from_openai({f"visual.{k.removeprefix(vision)}": v for k, v in state.items() if k.startswith(vision)})
        rest = {key: value for key, value in state.items() if not key.startswith("clip_model.")}
        names = {"clip": "clip"} | {f"head.{theirs}": f"blocks.overall.{ours}" for theirs, ours in HEAD_NAMES.items()}
        load_reference(self, rest | {f"clip.{key}": value for key, value in clip.items()}, names)


def _start(model: RQNet, pretrained: bool) -> RQNet:
    if pretrained:
        backbones.load_pretrained(model.clip, model.config.backbone, **model.config.backbone_options)
    return model


# Names in the public state dict -> ours.
HEAD_NAMES = {"local_proj": "local", "quality_predictor.0": "score"}

_PAPER = Recipe(
    epochs=35,
    lr=1e-5,
    weight_decay=1e-5,
    scenes_per_batch=4,
    images_per_scene=32,
    warmup_epochs=3,
    ema=0.99,
    source="Survey 3.1: Adam, 4 scenes x 32, cosine. ZachL1/SIND@65fbe22: the numbers.",
    unknown=("weight_decay: 5e-4 was tried too", "warmup_epochs: 5 in later scripts", "the divisions M1 and M2"),
)
RECIPES = {
    "paper": _PAPER,  # fine-tuning
    "pretrain_general": replace(_PAPER, epochs=70, unknown=(*_PAPER.unknown, "whether PIQ23 was in the mix")),
    "pretrain_portrait": replace(_PAPER, epochs=50, unknown=(*_PAPER.unknown, "how the three attributes weigh")),
    # Few scenes, many images of each: medians and deviations of eight images are noise.
    "tiny": Recipe(
        epochs=20,
        lr=3e-3,
        optimizer="adamw",
        weight_decay=1e-2,
        scenes_per_batch=2,
        images_per_scene=16,
        lr_scale={"clip": 0.1},
        clip_norm=1.0,
    ),
}
