"""What every method shares: the words of its answer, of its batch and of its recipe.

A method is an ``nn.Module`` with ``PyTorchModelHubMixin`` and

- ``Config``: a frozen dataclass; ``__init__(self, config: Config)``; ``config.method`` is its key in ``METHODS``;
- ``paper(**overrides)`` and ``tiny(**overrides)``: class methods, the published size and one for two CPU cores;
- ``views(train) -> View``: what it looks at;
- ``forward(views) -> Prediction`` for one view an image, every tensor ``(B, ...)``;
- ``loss(prediction, batch) -> dict[str, Tensor]``: the key ``"loss"`` is the sum to minimise, the others are its terms;
- ``recipe``: how the preset is trained.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

# A photo (H, W, 3) uint8 RGB and a generator -> named views, each with a leading axis of views, (V, 3, S, S).
# In training V is usually 1; at test time V counts the crops of the test-time augmentation.
View = Callable[[np.ndarray, np.random.Generator], dict[str, Tensor]]

# A batch: "views" (each (B, V, ...)), "jod" (B,), "scene" (B,) int64 index of the training scenes (-1 = unknown),
# and, where the rows have them, "jod_std" (B,).
Batch = dict[str, Tensor | dict[str, Tensor]]


@dataclass
class Prediction:
    """What a method says of a batch of B images.

    Attributes
    ----------
    score : Tensor, shape (B,)
        Higher is better; comparable within a scene.
    scene_logits : Tensor, shape (B, C), or None
        Where the method recognises the training scenes.
    parts : dict of Tensor
        Scores of branches, gates, attention: what lessons plot. Each (B, ...).
    """

    score: Tensor
    scene_logits: Tensor | None = None
    parts: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """How a preset is trained; a number that the sources leave open is named in ``unknown``.

    ``scenes_per_batch`` (P) times ``images_per_scene`` (K) is the batch. ``lr_scale`` maps a prefix of parameter names
    to a factor on ``lr`` (0 freezes). ``schedule`` is ``"cosine"``, ``"step"`` or ``"constant"``; ``period`` is the
    cosine's half period or the step's length, in epochs (0: the whole run).
    ``warmup_epochs`` of linear warm-up come first; ``gamma`` is the step's factor, ``min_lr`` the cosine's floor;
    ``weight_decay`` is the optimizer's; ``ema`` the decay of averaged weights (0: none); ``clip_norm`` the largest norm
    of the gradient (0: any); ``accumulate`` the pieces in which a batch is computed; ``source`` says where all this is
    from.
    """

    epochs: int
    lr: float
    optimizer: str = "adam"  # "adam" | "adamw"
    weight_decay: float = 0.0
    scenes_per_batch: int = 4
    images_per_scene: int = 8
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    period: float = 0.0
    gamma: float = 0.1
    min_lr: float = 0.0
    lr_scale: dict[str, float] = field(default_factory=dict)
    ema: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1
    precision: str = "no"  # "no" | "bf16"
    source: str = ""
    unknown: tuple[str, ...] = ()
