"""Pre-training of PQE's branches (survey section 3.3): one Swin at a time, on opinion scores of other sources.

*Stated*: the whole photo's branch on LSVQ, the face's on GFIQA. *From public code* (sunwei925/DN-PIQA@babb093): the
face's branch goes on from the other; L2; two linear layers, no activation between them. There the head for LSVQ also
read 256 motion features of SlowFast; a single frame has no motion, so here it reads the Swin's alone. *Unknown*: the
rest of the recipe; here it is PQE's own.
"""

from dataclasses import dataclass, field

import numpy as np
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from pqa_lab.methods import backbones
from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.methods.pqe import TINY, branch_view


@dataclass(frozen=True)
class PQEBranchConfig:
    """One branch of PQE on its way: a backbone and crops as in ``PQEConfig``."""

    method: str = "pqe_branch"
    preset: str = "paper"
    backbone: str = "swin_b_384"
    backbone_options: dict[str, int] = field(default_factory=dict)
    size: int = 384
    resize: int = 448
    width: int = 128


class PQEBranch(nn.Module, PyTorchModelHubMixin):
    """One branch of PQE in pre-training: a Swin and two linear layers, trained by L2 on opinion scores::

    full = PQEBranch.paper(pretrained=True)
    fit(full, load_source("lsvq", frames))        # the whole photo's branch: video frames
    face = copy.deepcopy(full)
    fit(face, load_source("gfiqa20k", faces))     # the face's branch goes on from there
    model = PQE.paper(liqe="outputs/liqe")
    model.start_from(full, face)
    fit(model, load_piq23(root, part="train"), sampler=PQE.pairs)
    """

    def __init__(self, config: PQEBranchConfig):
        super().__init__()
        self.config = config
        self.swin = backbones.build(config.backbone, num_classes=0, **config.backbone_options)
        self.head = nn.Sequential(nn.Linear(self.swin.num_features, config.width), nn.Linear(config.width, 1))

    @classmethod
    def paper(cls, pretrained: bool = False, **overrides) -> "PQEBranch":
        """A branch at the published size; ``pretrained`` fetches Swin-B of ImageNet-22k from the hub."""
        model = cls(PQEBranchConfig(**overrides))
        if pretrained:
            backbones.load_pretrained(model.swin, model.config.backbone, num_classes=0)
        return model

    @classmethod
    def tiny(cls, **overrides) -> "PQEBranch":
        """A branch of ``PQE.tiny()``."""
        shared = PQEBranchConfig.__dataclass_fields__.keys() & TINY.keys()
        return cls(PQEBranchConfig(**{name: TINY[name] for name in shared} | overrides))

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.preset]

    def views(self, train: bool) -> View:
        def look(photo: np.ndarray, rng: np.random.Generator) -> dict[str, Tensor]:
            return {"image": branch_view(photo, self.config.size, self.config.resize, train, rng)}

        return look

    def forward(self, views: dict[str, Tensor]) -> Prediction:
        """``views["image"]`` (B, 3, S, S) -> score (B,)."""
        return Prediction(self.head(self.swin(views["image"])).squeeze(1))

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        # l = (q - q*)^2: one source, one scale
        return {"loss": F.mse_loss(prediction.score, batch["jod"])}


RECIPES = {
    "paper": Recipe(
        epochs=10,
        lr=1e-5,
        weight_decay=1e-7,
        scenes_per_batch=1,
        images_per_scene=12,
        schedule="step",
        period=2,
        gamma=0.9,
        source="sunwei925/DN-PIQA@babb093: L2 by the name of a file; the rest as in PQE's own training.",
        unknown=("everything but the sources and L2: the pre-training code is not public",),
    ),
    "tiny": Recipe(epochs=10, lr=1e-3, optimizer="adamw", weight_decay=1e-4, scenes_per_batch=1, images_per_scene=32),
}
