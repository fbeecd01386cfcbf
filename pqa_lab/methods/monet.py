r"""MoNet (survey section 3.4; team I2Group): learned "opinions" of a photo, merged like the votes behind a score.

A ViT gives features of four depths; M multi-view attention learning (MAL) modules, alike but initialised apart, each
form an opinion of them; one more MAL merges the opinions; a transformer block and three convolutions read the score
from the result, and a second head the scene.

*Stated*: all of this; vit_base_patch16_384 and its blocks 3, 6, 9, 12; fully connected layers 128-64-1; MSE and scene
cross-entropy; Adam, batch 11, 100 epochs, cosine annealing "for every 50 epochs".
*From public code* of the same authors (chencn2020/PromptIQA@92f6121, "completion for Mean-opinion Network", and
MobileIQA@c74fec9): the inside of a MAL, convolutions 5-3-3 with batch norms and pools, no final norm of the ViT, flips,
mean and deviation 0.5; lr and weight decay 1e-5, lr down to 0.
*Inferred*: M = 5, which alone gives the published number of parameters (M = 1 to 6: 150, 206, 268, 335, 408, 487 M);
the last pool is adaptive (the code's is for a larger grid); the scene head is 128-64-scenes; the two losses weigh the
same. *Unknown*: how photos become 384 x 384 (here the whole photo, resized), test-time augmentation (here none).

*Where we depart from the public code*: two of its reshapes do not do what the survey's words say. What a token has
gathered is transposed before it is added to the token's own features, so it lands on other ones, and the channel
branch's tokens are K neighbouring channels of one level instead of one channel of K levels. Here words win;
``public_layout=True`` is the code, number for number (the layers are the same).

Published: PIQ23 SRCC / PLCC / KRCC .760 / .791 / .580, challenge .357 / .433 / .286; 408 M parameters, of which 0.77 M
are the ViT's unused 1000-way classifier, dropped here.

Tiny, on the *simulation* (not PIQ23): the ViT is pre-trained on further simulated scenes
(``pqa_lab/weights/backbones``); photos are resized to 168 pixels and cropped (a ridge regression on the frozen ViT
ranks new scenes at .68 so, at .63 from the whole photo at 112). Three seeds of 150 steps, 72 CPU
seconds each: median SRCC .72 (.67 to .75) on unseen scenes, .76 on known ones (``evaluation/results/benchmark.md``).
The settings were chosen on training scenes left out.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import mse_scene_loss, scene_cross_entropy
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.views import crops, random_crop, random_flip, resize, to_tensor


@dataclass(frozen=True)
class MoNetConfig:
    """Sizes of MoNet.

    Attributes
    ----------
    backbone_options : dict
        Further options of the backbone, see ``backbones.build``.
    size : int
        Side of the view in pixels; must be the backbone's.
    zoom : float
        The photo is resized to ``zoom`` times this side; 1: the view is the whole photo, else crops of it.
    tta : str
        Crops at test time, a kind of ``pqa_lab.views.crops``; with ``zoom=1`` all are the whole photo.
    depths : tuple of int
        Blocks of the ViT whose outputs are the K levels, counted from 1.
    mals : int
        Opinions, M.
    channels, kernels : three ints
        Of the convolutions that read the score; ``padding`` keeps the size of small maps.
    heads : int
        Of the transformer block before them.
    scenes : int
        Classes of the scene head.
    scene_weight : float
        Of the scene's cross-entropy beside the squared error.
    public_layout : bool
        The reshapes of the public code (see above).
    """

    method: str = "monet"
    preset: str = "paper"
    backbone: str = "vit_b16_384"
    backbone_options: dict[str, int] = field(default_factory=dict)
    size: int = 384
    zoom: float = 1.0
    tta: str = "centre"
    depths: tuple[int, ...] = (3, 6, 9, 12)
    mals: int = 5
    heads: int = 12
    channels: tuple[int, int, int] = (256, 128, 128)
    kernels: tuple[int, int, int] = (5, 3, 3)
    padding: bool = False
    hidden: int = 64
    scenes: int = 50
    scene_weight: float = 1.0
    dropout: float = 0.1
    norm: str = "half"
    public_layout: bool = False

    def __post_init__(self):
        for name in ("depths", "channels", "kernels"):  # JSON knows no tuples
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.mals < 1:
            raise InputError(f"MoNet needs at least one opinion, not mals={self.mals}.")


TINY = {
    "preset": "tiny",
    "backbone": "tiny_vit",
    "backbone_options": {"stem": 8, "width": 48},
    "size": 112,
    "zoom": 1.5,
    "norm": "imagenet",
    "depths": (1, 2, 3, 4),
    "mals": 3,
    "heads": 4,
    "channels": (48, 32, 32),
    "padding": True,
    "hidden": 16,
    "scenes": 12,
    "scene_weight": 0.1,
}


class LevelAttention(nn.Module):
    r"""Self-attention over the pixels of one level, as in SAGAN; it starts as the identity.

    .. math:: y_i = x_i + \gamma \sum_j \operatorname{softmax}_j(q_i \cdot k_j)\, v_j, \qquad \gamma_0 = 0
    """

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key = nn.Linear(width, width // 8), nn.Linear(width, width // 8)
        self.value = nn.Linear(width, width)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        mixed = F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x), scale=1.0)
        return x + self.gamma * mixed


class TokenAttention(nn.Module):
    r"""One head over tokens of any meaning: :math:`y = x + \mathrm{dropout}(\mathrm{softmax}(QK^\top d^{-1/2})\,V)`.

    Lesson 10.
    """

    def __init__(self, dim: int, dropout: float, public_layout: bool):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        self.public_layout = public_layout

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, T, d)."""
        mixed = F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x))
        if self.public_layout:
            mixed = mixed.transpose(1, 2).reshape(x.shape)
        return x + self.dropout(mixed)


class MAL(nn.Module):
    """Multi-view attention learning: K levels of N pixels and C channels -> one opinion. Lesson 10.

    Two branches look at the same stack: in one a token is a pixel (its C channels at all levels), in the other a
    channel (its N pixels at all levels). The survey calls them pixel-wise and channel-wise attention; the public code
    has the two names the other way round.
    """

    def __init__(self, levels: int, pixels: int, width: int, dropout: float = 0.1, public_layout: bool = False):
        super().__init__()
        self.levels = nn.ModuleList(LevelAttention(width) for _ in range(levels))
        self.of_pixels = TokenAttention(levels * width, dropout, public_layout)
        self.of_channels = TokenAttention(levels * pixels, dropout, public_layout)
        self.public_layout = public_layout

    def forward(self, levels: Tensor) -> Tensor:
        """(B, K, N, C) -> (B, N, C)."""
        x = torch.stack([attend(level) for attend, level in zip(self.levels, levels.unbind(1), strict=True)], 1)
        batch, depth, pixels, width = x.shape

        tokens = x.permute(0, 2, 1, 3).reshape(batch, pixels, depth * width)  # (B, N, K C)
        by_pixel = self.of_pixels(tokens).unflatten(2, (depth, width)).transpose(1, 2)  # (B, K, N, C)

        if self.public_layout:
            tokens = x.transpose(2, 3).reshape(batch, width, depth * pixels)  # (B, C, K N), K channels of one level
            by_channel = self.of_channels(tokens).reshape(batch, depth, width, pixels).transpose(2, 3)  # (B, K, N, C)
        else:
            tokens = x.permute(0, 3, 1, 2).reshape(batch, width, depth * pixels)  # (B, C, K N)
            by_channel = self.of_channels(tokens).unflatten(2, (depth, pixels)).permute(0, 2, 3, 1)  # (B, K, N, C)
        return ((by_pixel + by_channel) / 2).mean(1)  # (B, N, C)


class MoNet(nn.Module, PyTorchModelHubMixin):
    """MoNet: ``paper()``, ``paper(mals=3)`` for speed, ``tiny()``. Lesson 10."""

    def __init__(self, config: MoNetConfig):
        super().__init__()
        self.config = c = config
        self.vit = build_vit(config)
        width, self.grid = self.vit.embed_dim, self.vit.patch_embed.grid_size
        pixels = self.grid[0] * self.grid[1]
        options = {"dropout": c.dropout, "public_layout": c.public_layout}
        self.mals = nn.ModuleList(MAL(len(c.depths), pixels, width, **options) for _ in range(c.mals))
        self.fusion = MAL(c.mals, pixels, width, **options)
        self.block = Block(width, c.heads)
        self.convs = _convs(width, c)
        self.score_head = _head(c.channels[-1], c.hidden, 1, c.dropout)
        self.scene_head = _head(c.channels[-1], c.hidden, c.scenes, c.dropout)

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "MoNet":
        """The challenge model; ``pretrained`` fetches ImageNet weights of the ViT from the hub."""
        return _start(cls(MoNetConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "MoNet":
        """For two CPU cores: the same code, three opinions of a small ViT on a convolutional stem, 112 pixels;
        ``pretrained`` starts it from the package's own weights."""
        return _start(cls(MoNetConfig(**TINY | overrides)), pretrained)

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    def views(self, train: bool) -> View:
        """``"image"``: the photo as a square, with ``zoom`` crops of it; one, mirrored or not, in training."""
        c = self.config
        side = round(c.size * c.zoom)

        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            photo = resize(photo, side, side)
            if not train:
                return {"image": crops(photo, c.size, c.tta, norm=c.norm)}  # (V, 3, size, size)
            photo = random_crop(random_flip(photo, rng), c.size, rng)
            return {"image": to_tensor(photo, c.norm)}  # (1, 3, size, size)

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """Score photos: ``views["image"]`` (B, 3, size, size).

        Returns
        -------
        Prediction
            ``parts``: ``opinions`` (B, M, h, w), the length of every opinion's feature vector at every patch.
        """
        depths = [depth - 1 for depth in self.config.depths]
        levels = self.vit.forward_intermediates(
            views["image"], depths, output_fmt="NLC", intermediates_only=True
        )  # K x (B, N, C), class token left out
        levels = torch.stack(levels, 1)  # (B, K, N, C)
        opinions = torch.stack([mal(levels) for mal in self.mals], 1)  # (B, M, N, C)
        merged = self.block(self.fusion(opinions))  # (B, N, C)
        feature = self.convs(merged.transpose(1, 2).unflatten(2, self.grid)).flatten(1)  # (B, channels)
        parts = {"opinions": opinions.detach().norm(dim=3).unflatten(2, self.grid)}  # (B, M, h, w)
        return Prediction(self.score_head(feature).squeeze(1), self.scene_head(feature), parts)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Squared error plus the scene's cross-entropy, of images of known scenes."""
        weight = self.config.scene_weight
        loss = mse_scene_loss(prediction.score, batch["jod"], batch["scene"], prediction.scene_logits, weight)
        scene = scene_cross_entropy(prediction.scene_logits, batch["scene"])
        return {"loss": loss, "quality": loss - weight * scene, "scene": scene}


def _start(model: MoNet, pretrained: bool) -> MoNet:
    if pretrained:
        model.vit = build_vit(model.config, pretrained=True)
    return model


def build_vit(config: MoNetConfig, pretrained: bool = False) -> nn.Module:
    """The backbone without what lies behind the last level: blocks, final norm, classifier."""
    vit = backbones.build(config.backbone, pretrained, num_classes=0, **config.backbone_options)
    depth = len(vit.blocks)
    if not config.depths or not all(1 <= block <= depth for block in config.depths):
        raise InputError(f"depths are blocks of {config.backbone}, from 1 to {depth}, not {config.depths}.")
    if vit.patch_embed.img_size != (config.size, config.size):
        raise InputError(f"{config.backbone} takes views of {vit.patch_embed.img_size[0]} pixels, not {config.size}.")
    vit.prune_intermediate_layers([block - 1 for block in config.depths], prune_norm=True)
    return vit


def _convs(width: int, config: MoNetConfig) -> nn.Sequential:
    layers = []
    for kernel, channels in zip(config.kernels, config.channels, strict=True):
        padding = kernel // 2 if config.padding else 0
        layers += [nn.Conv2d(width, channels, kernel, padding=padding), nn.BatchNorm2d(channels), nn.ReLU()]
        layers += [nn.AvgPool2d(2, ceil_mode=True)]
        width = channels
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1))  # 24 x 24: 24-20-10-8-4-2-1


def _head(width: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs))


RECIPES = {
    "paper": Recipe(
        epochs=100,
        lr=1e-5,
        weight_decay=1e-5,
        scenes_per_batch=1,
        images_per_scene=11,
        period=50,
        source="Survey 3.4: Adam, batch 11, 100 epochs, period 50. chencn2020/MobileIQA@c74fec9: lr, weight decay.",
        unknown=("scenes in a batch (11 is prime; the public loader shuffles)", "whether the ViT learns as fast"),
    ),
    "tiny": Recipe(
        epochs=24, lr=1e-3, optimizer="adamw", weight_decay=1e-2, scenes_per_batch=4, images_per_scene=8, clip_norm=1.0
    ),
}
