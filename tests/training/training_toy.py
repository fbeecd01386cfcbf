"""A method and rows just large enough to train in a second: the score must find how bright a photo is."""

import io
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from PIL import Image
from torch import nn

import pqa_lab
from pqa_lab.methods.base import Prediction, Recipe

RECIPE = Recipe(epochs=3, lr=1e-2, scenes_per_batch=2, images_per_scene=4, schedule="constant")


@dataclass(frozen=True)
class ToyConfig:
    method: str = "toy"
    width: int = 16
    dropout: float = 0.0
    widths: tuple[int, ...] = (1, 2)


class Toy(nn.Module, PyTorchModelHubMixin):
    def __init__(self, config: ToyConfig):
        super().__init__()
        self.config = config
        self.recipe = RECIPE
        self.backbone = nn.Sequential(nn.Linear(3 * 8 * 8, config.width), nn.Tanh(), nn.Dropout(config.dropout))
        self.head = nn.Linear(config.width, 1)

    def views(self, train):
        def crop(photo, rng):
            y, x = rng.integers(0, 33, 2) if train else (16, 16)
            patch = torch.from_numpy(photo[y : y + 32 : 4, x : x + 32 : 4].copy()).permute(2, 0, 1)  # (3, 8, 8)
            return {"image": patch[None].float() / 255 - 0.5}  # (1, 3, 8, 8)

        return crop

    def forward(self, views):
        feature = self.backbone(views["image"].flatten(1))  # (B, width)
        return Prediction(
            score=self.head(feature)[:, 0], parts={"feature": feature, "twice": 2 * self.head(feature)[:, 0]}
        )

    def loss(self, prediction, batch):
        # mean over scenes of the mean absolute error of centred scores
        terms = []
        for scene in batch["scene"].unique():
            s, j = prediction.score[batch["scene"] == scene], batch["jod"][batch["scene"] == scene]
            terms.append(((s - s.mean()) - (j - j.mean())).abs().mean())
        fit = torch.stack(terms).mean()
        return {"loss": fit, "fit": fit}


@dataclass(frozen=True)
class OtherConfig(ToyConfig):
    method: str = "other_toy"


class OtherToy(Toy):
    """The same weights under another method's name."""

    def __init__(self, config: OtherConfig):
        super().__init__(config)


def toy(seed=0, **config):
    torch.manual_seed(seed)
    return Toy(ToyConfig(**config))


def recipe(**changes):
    return replace(RECIPE, **changes)


def toy_rows(scenes=4, images=8, seed=0, noise=0.05, **columns):
    """Grey photos with a gradient; JOD = brightness, shifted from scene to scene."""
    rng = np.random.default_rng(seed)
    lines = []
    for scene in range(scenes):
        for _ in range(images):
            quality = rng.normal()
            base = 128 + 40 * quality + 20 * rng.normal(size=(8, 8, 3)).repeat(8, 0).repeat(8, 1)
            stream = io.BytesIO()
            Image.fromarray(base.clip(0, 255).astype(np.uint8)).save(stream, "PNG")
            line = {
                "image": {"bytes": stream.getvalue(), "path": None},
                "scene": f"scene {scene}",
                "jod": quality + scene,
                "jod_std": 0.3,
                "device": "phone",
                "subject": None,
                "condition": None,
            }
            lines.append({**line, **columns})
    return datasets.Dataset.from_list(lines).cast_column("image", datasets.Image())


def run_script(out, *words, processes=1):
    """run_fit.py in a process of its own, or in several under torchrun; returns the finished process."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    script = Path(__file__).with_name("run_fit.py")
    home = Path(pqa_lab.__file__).parents[1]  # a clone need not be installed
    return subprocess.run(
        [*map(str, [*start, script, out, *words])],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(home)},
    )
