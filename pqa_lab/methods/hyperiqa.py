r"""HyperIQA (survey section 2.1, baseline 1): a network that writes another network for each photo.

*From public code* (SSL92/hyperIQA@c42e727, MIT; DXOMARK-Research/PIQ2023@4a20fa8, architecture only): ResNet-50; local
distortion features of its four stages form a content vector v of 224 r numbers; its last map, squeezed to 112 r
channels on a 7r x 7r grid, yields the weights and biases of a small target network 224r-112r-56r-28r-14r-1, which
answers :math:`q = f_{\theta(x)}(v(x))`. At 224 pixels r = 1 (27.38 M parameters); the PIQ23 baseline takes 1344
pixels, r = 6 (128.17 M). L1 loss; Adam 2e-5 with weight decay 5e-4, ten times that for what is not ResNet; batch 96;
16 epochs; 25 random 224-pixel patches a photo.

*Stated*: 1300 px, 128 M, no extra data. *From the PIQ23 README*: ResNet-50 starts from ImageNet, no IQA pre-training.

*Inferred*: the photo is resized to 1344 x 1344, aspect not kept (the public network takes nothing but squares, and how
they were made is not said). *Unknown*: the organisers' recipe at 1344.

*Ours*: images of a batch never mix; any height and width (grids are adaptive); pooling comes before the 1 x 1
convolutions of the local features (they commute) and batch norms are folded, so it runs faster with equal outputs.

Published (PIQ23 README, scene split, overall; median over scenes): SRCC .740, PLCC .736, KRCC .550, MAE .989;
challenge .429 / .560 / .333.

Tiny, on the *simulation* (not PIQ23), three seeds of 150 steps, about 30 CPU seconds each; median SRCC on unseen scenes
HyperIQA .79 (.78 to .84), SEM .81 (.77 to .83), FULL .81 (.78 to .84), on known ones .79 .79 .80: no order is resolved
(``evaluation/results/benchmark.md``). The backbone is pre-trained on further simulated scenes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.errors import InputError
from pqa_lab.losses import l1_loss
from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.views import crops, random_crop, random_flip, resize_global, to_tensor


@dataclass(frozen=True)
class HyperIQAConfig:
    """Sizes of HyperIQA; the defaults are the published ones at 1344 pixels.

    Attributes
    ----------
    size : int
        Side of a view in pixels. The grid of the last map is ``7 r``, ``r = size // (7 * stride of the backbone)``.
    squeeze : (int, int)
        Widths of the 1 x 1 convolutions between the last map and the hyper features.
    hyper : int
        Channels of the hyper features, in units of the grid (112 r = 16 * 7 r).
    target : five ints
        Widths of the target network without the last 1, in units of the grid; the first is the content vector's.
    local : (int, int, int)
        Channels of the local distortion features of the first three stages.
    local_out : int
        Numbers that each of these stages adds to the content vector; the last stage adds the rest.
    whole : bool
        A view is the whole photo, resized (else a random crop at its own resolution).
    middle : float
        With ``whole``: the middle of the photo, this share of both sides, instead of all of it. Half of a portrait
        holds the face, and at 112 pixels shows noise and blur that the whole would hide. In training it moves about.
    calm : bool
        Start with written weights of the size of an ordinary layer's, 1 / sqrt(inputs), and hyper features that
        keep the size of the backbone's. The public start writes weights of order 1 whatever the inputs, with which the
        sigmoids of a network from scratch start saturated.
    """

    method: str = "hyperiqa"
    preset: str = "paper"
    size: int = 1344
    backbone: str = "resnet50"
    squeeze: tuple[int, int] = (1024, 512)
    hyper: int = 16
    target: tuple[int, int, int, int, int] = (32, 16, 8, 4, 2)
    local: tuple[int, int, int] = (16, 32, 64)
    local_out: int = 16
    whole: bool = True
    middle: float = 1.0
    calm: bool = False

    def __post_init__(self):
        for name in ("squeeze", "target", "local"):  # JSON knows no tuples
            object.__setattr__(self, name, tuple(getattr(self, name)))


TINY = {
    "preset": "tiny",
    "size": 112,
    "backbone": "tiny_cnn",
    "squeeze": (64, 48),
    "hyper": 4,
    "target": (8, 4, 2, 1, 1),
    "local": (8, 8, 8),
    "local_out": 8,
    "middle": 0.5,
    "calm": True,
}


class HyperNet(nn.Module):
    """Backbone, hypernetwork and target network: what HyperIQA, SEM-HyperIQA and FULL-HyperIQA share."""

    def __init__(self, config: HyperIQAConfig):
        super().__init__()
        self.backbone = backbones.build(config.backbone)
        channels = self.backbone.channels
        rate = config.size // (7 * self.backbone.stride)  # r
        if rate < 1:
            raise InputError(f"A view needs at least {7 * self.backbone.stride} pixels for {config.backbone}.")
        self.grid = grid = 7 * rate
        self.cells = (8 * rate, 4 * rate, 2 * rate, rate)
        widths = [grid * unit for unit in config.target]  # 224r, 112r, 56r, 28r, 14r
        self.channels = hyper = grid * config.hyper  # 112r

        # Local distortion: each stage on a grid of cells -> a few numbers of the content vector.
        self.local_convs = nn.ModuleList(
            nn.Conv2d(c, out, 1, bias=False) for c, out in zip(channels[:3], config.local, strict=True)
        )
        sizes = [c * n * n for c, n in zip((*config.local, channels[3]), self.cells, strict=True)]
        rest = widths[0] - 3 * config.local_out
        self.local_fcs = nn.ModuleList(
            nn.Linear(size, out) for size, out in zip(sizes, [config.local_out] * 3 + [rest], strict=True)
        )

        # Hyper features: what is in the photo, on the grid.
        a, b = config.squeeze
        self.squeeze = nn.Sequential(
            nn.Conv2d(channels[3], a, 1), nn.ReLU(), nn.Conv2d(a, b, 1), nn.ReLU(), nn.Conv2d(b, hyper, 1), nn.ReLU()
        )

        # Heads that write the target network. Layer k has widths[k] x widths[k + 1] weights: so many channels on the
        # grid; the last layer has few, and they come from the mean of the grid, like all biases.
        layers = list(zip(widths, widths[1:], strict=False))
        self.weight_convs = nn.ModuleList(nn.Conv2d(hyper, i * o // grid**2, 3, padding=1) for i, o in layers)
        self.weight_fc = nn.Linear(hyper, widths[-1])
        self.bias_fcs = nn.ModuleList(nn.Linear(hyper, o) for o in (*widths[1:], 1))

        # Start as in the public code.
        for layer in (*self.local_convs, *self.local_fcs, *self.weight_convs, self.weight_fc, *self.bias_fcs):
            nn.init.kaiming_normal_(layer.weight)
        if config.calm:
            for layer, inputs in zip((*self.weight_convs, self.weight_fc), widths, strict=True):
                layer.weight.data /= inputs**0.5
            for layer in self.squeeze[::2]:
                nn.init.kaiming_normal_(layer.weight)  # hyper features of the size of the backbone's, not a thirtieth

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Photos (B, 3, H, W) -> quality (B,), hyper features (B, channels, grid, grid)."""
        maps = self.backbone(x)
        content = self.content(maps)  # (B, 224r)
        hyper = self.squeeze(_pool(maps[3], self.grid))  # (B, 112r, 7r, 7r)
        return self.target(content, hyper), hyper

    def content(self, maps: list[Tensor]) -> Tensor:
        r"""The content vector v: local distortion features of every stage.

        The source averages over cells after its 1 x 1 convolution. Both are linear and act on different axes, so
        averaging first gives the same numbers from 49 times fewer products.
        """
        pooled = [_pool(stage, cells) for stage, cells in zip(maps, self.cells, strict=True)]  # (B, C, cells, cells)
        local = [conv(stage) for conv, stage in zip(self.local_convs, pooled[:3], strict=True)] + pooled[3:]
        return torch.cat([fc(stage.flatten(1)) for fc, stage in zip(self.local_fcs, local, strict=True)], 1)

    def target(self, content: Tensor, hyper: Tensor) -> Tensor:
        r"""Write the target network of every photo and run it on the photo's content vector.

        .. math:: v_{k+1} = \sigma(W_k(h)\, v_k + b_k(h)), \qquad q = w(h)^\top v_4 + b(h)

        The weights are the map of a 3 x 3 convolution read row by row as a matrix; one product per photo.
        """
        mean = hyper.mean((2, 3))  # (B, 112r)
        v = content.unsqueeze(2)  # (B, 224r, 1)
        for conv, fc in zip(self.weight_convs, self.bias_fcs[:4], strict=True):
            bias = fc(mean).unsqueeze(2)  # (B, out, 1)
            weight = conv(hyper).reshape(len(v), bias.shape[1], v.shape[1])  # (B, out, in)
            v = torch.baddbmm(bias, weight, v).sigmoid()  # (B, out, 1)
        return (self.weight_fc(mean) * v.squeeze(2)).sum(1) + self.bias_fcs[4](mean).squeeze(1)  # (B,)


def _pool(x: Tensor, cells: int) -> Tensor:
    # At the published size the cells are exact 7 x 7 (or 1 x 1) blocks; at any other size they stretch.
    return x if x.shape[2:] == (cells, cells) else F.adaptive_avg_pool2d(x, cells)


# Names in the public state dicts -> ours. SSL92's keys start right here; DXOMARK's carry "hyperNet." before them.
REFERENCE_NAMES = {
    "res.lda1_pool.0": "local_convs.0",
    "res.lda2_pool.0": "local_convs.1",
    "res.lda3_pool.0": "local_convs.2",
    "res.lda1_fc": "local_fcs.0",
    "res.lda2_fc": "local_fcs.1",
    "res.lda3_fc": "local_fcs.2",
    "res.lda4_fc": "local_fcs.3",
    "res": "backbone.body",
    "conv1": "squeeze",
    "fc1w_conv": "weight_convs.0",
    "fc2w_conv": "weight_convs.1",
    "fc3w_conv": "weight_convs.2",
    "fc4w_conv": "weight_convs.3",
    "fc5w_fc": "weight_fc",
    "fc1b_fc": "bias_fcs.0",
    "fc2b_fc": "bias_fcs.1",
    "fc3b_fc": "bias_fcs.2",
    "fc4b_fc": "bias_fcs.3",
    "fc5b_fc": "bias_fcs.4",
}


def load_reference(model: nn.Module, state: dict[str, Tensor], names: dict[str, str]) -> None:
    """Load a public state dict: the longest prefix of a key that ``names`` holds is replaced, the rest is kept.

    Parameters
    ----------
    model : nn.Module
    state : dict
        The reference's ``state_dict()``; a leading ``module.`` (DataParallel) is dropped.
    names : dict
        Dotted prefix there -> dotted prefix here.

    Raises
    ------
    InputError
        Keys are missing or left over, or a shape differs; the model is then unchanged.
    """
    ours, mapped, foreign = model.state_dict(), {}, []
    for key, value in state.items():
        parts = key.removeprefix("module.").split(".")
        prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        prefix = next((p for p in prefixes if p in names), None)
        name = None if prefix is None else ".".join([names[prefix], *parts[prefix.count(".") + 1 :]])
        if name in ours:
            mapped[name] = value
        else:
            foreign.append(key)
    # Counters of batches seen, which files from before PyTorch 0.4.1 lack, do not enter evaluation.
    missing = [name for name in ours if name not in mapped and not name.endswith("num_batches_tracked")]
    if missing or foreign:
        raise InputError(
            f"This state dict does not fit {type(model).__name__}: missing here {missing[:5] or 'nothing'}"
            f" ({len(missing)}), unexpected there {foreign[:5] or 'nothing'} ({len(foreign)})."
        )
    wrong = [
        f"{name} {tuple(v.shape)} for {tuple(ours[name].shape)}"
        for name, v in mapped.items()
        if v.shape != ours[name].shape
    ]
    if wrong:
        raise InputError(f"This state dict is of another size (input resolution or scenes): {'; '.join(wrong[:3])}.")
    model.load_state_dict({**ours, **mapped})


class HyperIQA(nn.Module, PyTorchModelHubMixin):
    """HyperIQA at any size: ``paper()`` (1344), ``paper(size=224, whole=False)``, ``tiny()``. Lessons 06, 12."""

    def __init__(self, config: HyperIQAConfig):
        super().__init__()
        self.config = config
        self.net = HyperNet(config)

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "HyperIQA":
        """The PIQ23 baseline; ``pretrained`` fetches ImageNet weights of ResNet-50 from the hub."""
        return start(cls(HyperIQAConfig(**overrides)), pretrained)

    @classmethod
    def tiny(cls, pretrained: bool = True, **overrides) -> "HyperIQA":
        """For two CPU cores: the same code, a small backbone and narrow target network, the photo's middle at 112
        pixels; ``pretrained`` starts the backbone from the package's own weights."""
        return start(cls(HyperIQAConfig(**TINY | overrides)), pretrained)

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    def views(self, train: bool) -> View:
        return views(self.config, train)

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """``views["image"]`` (B, 3, H, W) -> score (B,)."""
        score, _ = self.net(views["image"])
        return Prediction(score)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {"loss": l1_loss(prediction.score, batch["jod"], batch["scene"])}

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Load the state dict of SSL92's ``HyperNet`` or of DXOMARK's ``SemHyperIQA`` without scene and rescaling."""
        prefix = "hyperNet." if any("hyperNet." in key for key in state) else ""
        load_reference(self, state, {prefix + theirs: f"net.{ours}" for theirs, ours in REFERENCE_NAMES.items()})


def start(model: nn.Module, pretrained: bool) -> nn.Module:
    """A model of the family, its backbone as ``backbones.build`` pre-trained it."""
    if pretrained:
        backbones.load_pretrained(model.net.backbone, model.config.backbone)
    return model


def views(config: HyperIQAConfig, train: bool) -> View:
    """What the family looks at: the whole photo as a square, or random crops (one in training, 25 in testing)."""

    def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
        if train:
            photo = random_flip(photo, rng)
        if config.whole:
            photo = _middle(photo, config.middle, rng if train else None)
            return {"image": resize_global(photo, config.size, "imagenet")}  # (1, 3, size, size)
        if train:
            return {"image": to_tensor(random_crop(photo, config.size, rng), "imagenet")}  # (1, 3, size, size)
        return {"image": crops(photo, config.size, "random", 25, rng, "imagenet")}  # (25, 3, size, size)

    return look


def _middle(photo: np.ndarray, share: float, rng: np.random.Generator | None) -> np.ndarray:
    """The middle of a photo, ``share`` of both sides; with ``rng`` up to a tenth of the sides away from it."""
    if share == 1:
        return photo
    sides = np.array(photo.shape[:2])
    height, width = np.maximum(1, np.round(share * sides)).astype(int)
    away = 0.0 if rng is None else rng.uniform(-0.1, 0.1, 2)
    top, left = np.clip(np.round(sides * ((1 - share) / 2 + away)), 0, sides - (height, width)).astype(int)
    return photo[top : top + height, left : left + width]


RECIPES = {
    "paper": Recipe(
        epochs=16,
        lr=2e-4,  # heads; ResNet-50 at a tenth of it
        lr_scale={"net.backbone": 0.1},
        weight_decay=5e-4,
        scenes_per_batch=12,
        images_per_scene=8,
        schedule="step",
        period=6,
        gamma=0.1,
        source="SSL92/hyperIQA@c42e727: Adam, batch 96 patches, lr / 10 every 6 epochs.",
        unknown=("everything at 1344 pixels: lr, epochs, batch", "scenes in a batch (the public loader shuffles)"),
    ),
    # 150 to 200 steps from the package's own backbone
    "tiny": Recipe(
        24, 5e-3, "adamw", 1e-4, scenes_per_batch=4, images_per_scene=8, lr_scale={"net.backbone": 0.1}, clip_norm=1.0
    ),
}
