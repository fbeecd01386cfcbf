"""The scenes of the benchmark, dealt so that one training serves every shift.

The survey compares a method's score on known data with its score on other scenes, which are other photos of another
difficulty in groups of another size. A simulation can do better: here **the same photos** are seen by a model that
knows their scene and their devices, by one to which the scene is new, and by one to which the devices are new.

Scenes and devices are dealt into three folds. Photos by the devices of fold g(s) are held out of scene s, always; about
seven a scene, as in the challenge. Seed 0, 1, 2 is also the fold f whose scenes (h(s) = f) and devices (g(s) = f) are
kept from training. As h(s) differs from g(s), the held-out photos of every scene are, in the three runs, once
``new_scene`` (f = h), once ``new_device`` (f = g) and once ``known``: a Latin square, so that every drop is a paired
difference over all scenes, at equal group size, on equal photos. Two more parts: ``new_scene_all``, every photo of a
new scene by a known device (about 17: groups large enough to compare methods), and ``challenge``, other scenes, other
people and high-end devices alone, seven photos each (``shift="challenge"``).
"""

from __future__ import annotations

from dataclasses import dataclass

import datasets
import numpy as np
import pandas as pd

from pqa_lab.scenes import load_simulated
from pqa_lab.simulation.dataset import scene_votes

FOLDS = 3
# One low, one middling and two high-end phones each; "polar" and the camera "studio" are known to every run.
DEVICE_FOLDS = (
    ("pebble", "cream", "lumen", "vista"),
    ("halo", "amber", "north", "honest"),
    ("dusk", "crisp", "mirror", "zenith"),
)


@dataclass(frozen=True)
class World:
    """The data of a benchmark (arguments of `load_simulated`), and the budget of a run in photos seen."""

    scenes: int = 40
    images: int = 24
    size: int = 256
    seed: int = 2024
    challenge_scenes: int = 40
    photos: int = 4800


def load_world(world: World, progress: bool = True) -> datasets.Dataset:
    """Scenes for training and testing, then the challenge's scenes; drawn once, then from the cache."""
    return datasets.concatenate_datasets([_inner(world, progress), _challenge(world, progress)])


def _inner(world: World, progress: bool = False) -> datasets.Dataset:
    return load_simulated(world.scenes, world.images, world.size, world.seed, workers=1, progress=progress)


def _challenge(world: World, progress: bool = False) -> datasets.Dataset:
    options = {"shift": "challenge", "workers": 1, "progress": progress}
    return load_simulated(world.challenge_scenes, None, world.size, world.seed, **options)


def world_votes(world: World) -> pd.DataFrame:
    """The panel's votes behind the world's JODs; ``first, second`` name photos as the cells' column ``photo`` does."""
    tables = []
    for rows in (_inner(world), _challenge(world)):
        names = [stored["path"] for stored in rows.cast_column("image", datasets.Image(decode=False))["image"]]
        frame = pd.DataFrame({"scene": rows["scene"][:], "truth": rows["truth"][:], "photo": names})
        for index, (scene, part) in enumerate(frame.groupby("scene", sort=False)):
            truth = part["truth"].set_axis([f"{k:04d}" for k in range(len(part))])
            votes = scene_votes(truth, scene, seed=world.seed + 7919 * index)  # the seed of `simulate`
            photo = part["photo"].to_numpy()
            tables.append(votes.assign(**{side: photo[votes[side].astype(int)] for side in ("first", "second")}))
    return pd.concat(tables, ignore_index=True)


def deal(rows: datasets.Dataset, fold: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Who is trained on and who is tested, in one fold.

    Parameters
    ----------
    rows : Dataset
        ``scene, condition, device``; scenes of the challenge have names that begin with "Challenge".
    fold : int
        0, 1 or 2.

    Returns
    -------
    train : int array
        Row numbers.
    parts : dict of int arrays
        ``known, new_device, new_scene`` (the same photos in all folds, each in another role), ``new_scene_all,
        challenge``.
    """
    scene, device, condition = (np.array(rows[name][:]) for name in ("scene", "device", "condition"))
    challenge = np.char.startswith(scene, "Challenge")
    fold_of_device = {name: g for g, names in enumerate(DEVICE_FOLDS) for name in names}
    g_device = np.array([fold_of_device.get(name, -1) for name in device])
    # Scenes in the order of their conditions are dealt in turn, so that every fold has its share of nights.
    named = dict(zip(scene[~challenge], condition[~challenge], strict=True))
    order = {name: k for k, name in enumerate(sorted(named, key=lambda name: (named[name], name)))}
    k = np.array([order.get(name, 0) for name in scene])
    h = k % FOLDS
    g = (h + 1 + (k // FOLDS) % 2) % FOLDS  # never h: a scene and its held-out devices are new in different runs
    held, inside = (g_device == g) & ~challenge, ~challenge
    parts = {
        "known": held & (h != fold) & (g != fold),
        "new_device": held & (g == fold),
        "new_scene": held & (h == fold),
        "new_scene_all": inside & (h == fold) & (g_device != fold),
        "challenge": challenge,
    }
    train = inside & (h != fold) & (g_device != fold) & ~held
    return np.flatnonzero(train), {name: np.flatnonzero(chosen) for name, chosen in parts.items()}
