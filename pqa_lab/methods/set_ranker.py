r"""Set ranker: score the photos of a scene together. Our own method; it is not in the survey.

Every published method scores a photo alone, although the challenge names the scene of each photo (its images.csv has a
CLASS) and a person uploads a scene group. What the photos of a scene share (light, pose, background, the resolution of
the camera that took the best of them) says nothing about their order, yet it moves every feature; it is why a model of
known scenes is lost in a new one. So:

1. each photo becomes features (natural-scene statistics, exposure, colour, face: ``pqa_lab.views.statistics``);
2. the scene is removed: the group's mean is subtracted, and the photo keeps both, itself and its difference;
3. photos look at each other: attention within the group, without positions, hence equivariant to their order;
4. one number each, in JODs: :math:`P(i \succ j) = \Phi((s_i - s_j) / \sigma)`, :math:`\sigma = 1/\Phi^{-1}(3/4)`,
   trained on the votes' own model, so that its win probabilities are calibrated by construction of the loss;
5. a few such scorers, alike but initialised apart, answer with their mean: one alone depends on its start.

Each idea can be switched off (``relative``, ``depth``, ``members``) to measure what it buys. On the *simulation* (not
PIQ23; three seeds, ``evaluation/results/benchmark.md``) the tiny preset is ahead of the best published method's tiny
preset by .08 (.05 to .11) mean SRCC on unseen scenes, and of each photo scored alone by .02 (.01 to .04).
"""

from dataclasses import dataclass

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from scipy.special import ndtri
from torch import Tensor, nn

from pqa_lab.methods.base import Batch, Prediction, Recipe, View
from pqa_lab.views.face_crop import Box
from pqa_lab.views.statistics import statistic_names, statistics

SIGMA = float(1 / ndtri(0.75))
RECIPES = {
    "paper": Recipe(epochs=60, lr=2e-3, optimizer="adamw", weight_decay=0.02, scenes_per_batch=16, images_per_scene=6),
    "tiny": Recipe(epochs=40, lr=3e-3, optimizer="adamw", weight_decay=0.02, scenes_per_batch=4, images_per_scene=8),
}


@dataclass(frozen=True)
class SetRankerConfig:
    """Attributes
    ----------
    features : int
        Numbers that describe a photo.
    width, heads, depth : int
        Of the tokens and of the attention within the group; depth 0 has none.
    relative : bool
        Whether a photo is also described by its difference from its group's mean.
    members : int
        Scorers whose answers are averaged.
    dropout : float
    """

    method: str = "set_ranker"
    preset: str = "paper"
    features: int = len(statistic_names())
    width: int = 96
    heads: int = 4
    depth: int = 1
    relative: bool = True
    members: int = 4
    dropout: float = 0.3


class Scorer(nn.Module):
    """Photos described by numbers -> scores, each photo seeing its group."""

    def __init__(self, config: SetRankerConfig):
        super().__init__()
        inputs = config.features * (2 if config.relative else 1)
        self.embed = nn.Sequential(nn.Linear(inputs, config.width), nn.GELU(), nn.Dropout(config.dropout))
        self.mix = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width, config.heads, 2 * config.width, config.dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.depth)
        )
        self.score = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, 1))

    def forward(self, x: Tensor, same: Tensor) -> Tensor:
        """Descriptions (B, F), who is in whose group (B, B) -> scores (B,)."""
        tokens = self.embed(x)[None]  # (1, B, D)
        for layer in self.mix:
            tokens = layer(tokens, src_mask=~same)  # (1, B, D)
        return self.score(tokens)[0, :, 0]  # (B,)


class SetRanker(nn.Module, PyTorchModelHubMixin):
    """See the top of the file. ``compares`` tells the loop that photos of a scene are scored together.

    Lessons 12, 14.
    """

    compares = True

    def __init__(self, config: SetRankerConfig):
        super().__init__()
        self.config = config
        self.recipe = RECIPES[config.preset]
        # Features have units (stops, grey levels, ratios); their spread over the training photos is their scale.
        self.scale = nn.BatchNorm1d(config.features, affine=False, momentum=None)
        self.members = nn.ModuleList(Scorer(config) for _ in range(config.members))

    @classmethod
    def paper(cls, **overrides: object) -> "SetRanker":
        """The size of the shipped ranker."""
        return cls(SetRankerConfig(**{"preset": "paper", **overrides}))

    @classmethod
    def tiny(cls, **overrides: object) -> "SetRanker":
        """Half as wide, and one scorer."""
        return cls(SetRankerConfig(**{"preset": "tiny", "width": 48, "members": 1, **overrides}))

    def views(self, train: bool) -> View:
        """The statistics of a photo; nothing is drawn, so they are computed once."""

        def look(photo: np.ndarray, rng: np.random.Generator, face: Box | None | str = "find") -> dict[str, Tensor]:
            return {"statistics": torch.from_numpy(statistics(photo, face))[None]}  # (1, F)

        look.fixed = look.takes_face = True
        return look

    def forward(self, views: dict[str, Tensor], group: Tensor | None = None) -> Prediction:
        """Score photos together.

        Parameters
        ----------
        views : dict
            ``statistics`` (B, F).
        group : Tensor, shape (B,), optional
            Which photos belong together; None: all of them.
        """
        x = self.scale(views["statistics"].clamp(-30, 30)).clamp(-5, 5)  # (B, F)
        group = torch.zeros(len(x), dtype=torch.long, device=x.device) if group is None else group
        same = group[:, None] == group[None, :]  # (B, B)
        if self.config.relative:
            # d_i = x_i - mean over the group of x
            common = (same.to(x.dtype) / same.sum(1, keepdim=True)) @ x  # (B, F)
            x = torch.cat([x, x - common], 1)  # (B, 2F)
        members = torch.stack([member(x, same) for member in self.members], 1)  # (B, M)
        return Prediction(score=members.mean(1), parts={"members": members})  # (B,)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        r"""Cross-entropy between the votes that the JODs imply and those that the scores predict.

        .. math:: L = -\frac{1}{|\Omega|} \sum_{(i,j) \in \Omega} p_{ij} \log \hat p_{ij},\quad
            p_{ij} = \Phi((q_i - q_j)/\sigma),\ \hat p_{ij} = \Phi((s_i - s_j)/\sigma),

        over all ordered pairs of the same scene, for each scorer by itself.
        """
        score = prediction.parts.get("members", prediction.score[:, None]).float()  # (B, M)
        jod, scene = batch["jod"].float(), batch["scene"]
        pair = (scene[:, None] == scene[None, :]) & ~torch.eye(len(scene), dtype=torch.bool, device=scene.device)
        label = torch.special.ndtr((jod[:, None] - jod[None, :]) / SIGMA)  # (B, B)
        log_chance = torch.special.log_ndtr((score[:, None] - score[None, :]) / SIGMA)  # (B, B, M)
        loss = -(label[..., None] * log_chance)[pair].sum() / (pair.sum().clamp(min=1) * score.shape[1])
        return {"loss": loss}
