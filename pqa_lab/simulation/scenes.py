"""Scenes as PIQ23 has them: a condition, a light, a place, a few people, and takes of them.

A scene is drawn from its seed alone, so it is the same whichever devices photograph it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pqa_lab.simulation.background import KINDS, draw_background
from pqa_lab.simulation.camera import Light
from pqa_lab.simulation.people import Pose, Subject, draw_pose, draw_subject
from pqa_lab.simulation.portrait import Lighting, Portrait, render

# One round of PIQ23's proportions (17 outdoor, 14 indoor, 11 night, 8 low light of 50).
ROUND = ("outdoor", "indoor", "night", "outdoor", "lowlight", "indoor")
ROUND += ("night", "outdoor", "indoor", "lowlight", "night", "outdoor")
TOWN = 40  # people
MARGIN = 0.06  # a take is drawn this much larger than the photos cut from it


@dataclass(frozen=True)
class Scene:
    """One scene, by ``name``: everything but the camera.

    ``condition`` (PIQ23's four), ``background`` (its kind) and ``defocus`` (blur of it), the ``light`` there is, the
    ``lamp`` on the face, and the ``subjects``.
    """

    name: str
    seed: int
    condition: str
    background: str
    defocus: float
    level: float  # light of the background relative to that of the subject
    light: Light
    lamp: Lighting
    head: float  # half height of the head as a share of the frame
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class Take:
    """One pose of one subject in a scene, rendered with a margin (``portrait``)."""

    subject: Subject
    pose: Pose
    portrait: Portrait
    light: Light  # with the key of this take


def draw_scene(index: int, seed: int = 0, subjects: int = 3, people: tuple[int, ...] | None = None) -> Scene:
    """Scene number ``index`` of the world ``seed``.

    Conditions come round as in PIQ23. ``people`` are the seeds of the subjects (default: dealt from a shuffled town of
    40 people with every skin tone equally often, so that people return only when all have had their turn).
    """
    rng = np.random.default_rng([seed, index, 30])
    condition = ROUND[index % len(ROUND)]
    kind = str(rng.choice(KINDS[condition]))
    side = float(rng.choice([-1, 1]))
    key = (side * rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.8), rng.uniform(0.55, 1.0))
    backlit = condition in ("outdoor", "indoor") and (kind in ("window", "skyline") or rng.random() < 0.2)
    stops, kelvin, level, strength, fill, softness = {
        "outdoor": (rng.uniform(-1, 0), rng.uniform(4800, 7500), rng.uniform(0.7, 1.4), 0.8, 0.42, 0.5),
        "indoor": (rng.uniform(-4, -2.5), rng.uniform(3000, 4600), rng.uniform(0.5, 1.0), 0.75, 0.36, 0.4),
        "lowlight": (rng.uniform(-6, -4.5), rng.uniform(2400, 3300), rng.uniform(0.35, 0.8), 0.8, 0.22, 0.25),
        "night": (rng.uniform(-7.5, -6), rng.uniform(2300, 4200), rng.uniform(0.8, 1.3), 0.8, 0.2, 0.25),
    }[condition]
    if condition == "night" and kind == "street":
        level *= 0.12
    if backlit:
        level, strength = level * rng.uniform(2.0, 3.5), strength * 0.6
    deck = np.random.default_rng([seed, 36]).permutation(TOWN)
    seeds = people or tuple(int(deck[(index * subjects + k) % TOWN]) + 1000 * seed for k in range(subjects))
    rim = rng.uniform(0.2, 0.7) if backlit else rng.uniform(0.0, 0.25)
    return Scene(
        name=f"{condition.capitalize()}_{index:02d}",
        seed=seed,
        condition=condition,
        background=kind,
        defocus=float(rng.uniform(0.2, 2.2)),
        level=float(level),
        light=Light(condition, float(stops), float(kelvin)),
        lamp=Lighting(key, strength, fill, softness, float(rim), (-side * 0.8, 0.4, -0.5)),
        head=float(np.clip(np.exp(rng.normal(np.log(0.235), 0.2)), 0.16, 0.32)),
        subjects=tuple(draw_subject(p) for p in seeds),
    )


def draw_take(scene: Scene, subject: int, take: int, size: int) -> Take:
    """Render take number ``take`` of the scene's subject number ``subject``, ``size`` pixels plus the margin."""
    person = scene.subjects[subject]
    rng = np.random.default_rng([scene.seed, person.seed, take, 31])
    full = size + 2 * round(size * MARGIN / 2)
    head = scene.head * float(np.exp(0.06 * rng.standard_normal()))
    # Small heads sit lower in the frame, large ones keep the chin inside.
    centre = (float(rng.uniform(0.44, 0.56)), float(0.30 + 0.75 * head + rng.uniform(-0.02, 0.02)))
    pose = draw_pose(rng, head / (1 + MARGIN), centre)
    place = int(np.random.default_rng([scene.seed, sum(map(ord, scene.name)), 32]).integers(2**31))
    background = scene.level * draw_background(scene.background, full, place, scene.defocus)
    portrait = render(person, pose, scene.lamp, background, seed=person.seed % 97)
    return Take(person, pose, portrait, replace(scene.light, key=portrait.key))
