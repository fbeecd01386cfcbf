"""Who stands before the camera: a subject drawn from numbers, and how they hold themselves in one take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pqa_lab.simulation.head import Shape
from pqa_lab.simulation.pixels import to_linear

# The ten tones of the Monk Skin Tone scale (Ellis Monk, 2019; skintone.google, CC BY 4.0), lightest first.
MONK_TONES = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
HAIR_COLOURS = {  # linear reflectance
    "black": (0.016, 0.013, 0.012),
    "dark brown": (0.045, 0.026, 0.017),
    "brown": (0.10, 0.055, 0.03),
    "red": (0.22, 0.075, 0.03),
    "blond": (0.40, 0.27, 0.13),
    "grey": (0.30, 0.29, 0.28),
    "white": (0.55, 0.53, 0.5),
}
IRIS_COLOURS = {"brown": (0.09, 0.045, 0.02), "hazel": (0.16, 0.11, 0.04), "green": (0.14, 0.18, 0.1)}
IRIS_COLOURS |= {"blue": (0.14, 0.22, 0.33), "grey": (0.2, 0.22, 0.24)}
HAIR_STYLES = ("short", "short", "buzz", "long", "long", "bob", "curly", "bun", "bald")
CLOTHES = ("knit", "weave", "stripes", "plaid", "dots", "plain")


@dataclass(frozen=True)
class Subject:
    """A person: everything that stays the same from take to take. Colours are linear reflectances.

    ``shape`` of the face; ``hair`` (a style), ``hair_colour``, ``hair_volume``; ``iris`` and ``freckles``; ``glasses``;
    ``clothes`` (a pattern) in two ``cloth_colours``.
    """

    seed: int
    tone: int  # 1 to 10 on the Monk scale
    shape: Shape
    hair: str
    hair_colour: tuple[float, float, float]
    hair_volume: float
    iris: tuple[float, float, float]
    lips: float  # redness of the lips
    freckles: float
    oil: float  # strength of the highlights
    age: float  # 0 smooth to 1 lined
    beard: float  # 0 none, 0.3 stubble, 1 full
    glasses: bool
    clothes: str
    cloth_colours: tuple[tuple[float, float, float], tuple[float, float, float]]
    collar: str  # "crew" | "v" | "shirt"

    @property
    def skin(self) -> np.ndarray:
        """Linear reflectance (3,) of the skin."""
        code = np.array([int(MONK_TONES[self.tone - 1][i : i + 2], 16) for i in (0, 2, 4)], np.uint8)
        # The swatches show skin as photographed: real reflectance is a little redder, the lightest is not white
        # paper, and the darkest owe part of their lightness to gloss.
        colour = to_linear(code) * np.array([0.84, 0.70, 0.62] if self.tone < 9 else [0.9, 0.67, 0.56], np.float32)
        return (colour * (1, 1, 1, 1, 1, 1, 1, 1.1, 1.7, 2.0)[self.tone - 1]).astype(np.float32)


@dataclass(frozen=True)
class Pose:
    """One take: angles (``yaw, pitch, roll`` of the head, ``gaze`` of the eyes) in radians, the head's half height and
    centre as shares of the frame."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    turn: float = 0.0  # of the body
    smile: float = 0.3  # -0.3 to 1
    opening: float = 0.0  # of the mouth, 0 to 1
    lids: float = 1.0  # 1 open, 0 closed
    gaze: tuple[float, float] = (0.0, 0.0)
    head: float = 0.2
    centre: tuple[float, float] = (0.5, 0.42)  # x, y from the top left


def draw_subject(seed: int, tone: int | None = None) -> Subject:
    """A person from a seed. Ten seeds in a row have the ten Monk tones, unless ``tone`` (1 to 10) is given."""
    rng = np.random.default_rng([seed, 10])
    tone = 1 + seed % 10 if tone is None else tone

    def around(spread: float) -> float:
        return float(np.clip(1 + spread * rng.standard_normal(), 1 - 2 * spread, 1 + 2 * spread))

    shape = Shape(*(around(s) for s in (0.04, 0.09, 0.12, 0.07, 0.13, 0.06, 0.2, 0.3, 0.05)))
    style = str(rng.choice(HAIR_STYLES))
    age = float(rng.beta(1.5, 2.5))
    weights = np.array([0.4, 0.3, 0.14, 0.04, 0.12, 0, 0]) if tone <= 6 else np.array([0.8, 0.17, 0.03, 0, 0, 0, 0])
    weights[5:] = (0.4 * age**2, 0.2 * age**3)
    colour = str(rng.choice(list(HAIR_COLOURS), p=weights / weights.sum()))
    iris = str(rng.choice(list(IRIS_COLOURS), p=[0.5, 0.15, 0.12, 0.15, 0.08] if tone <= 5 else [0.93, 0.07, 0, 0, 0]))
    beard = float(rng.choice([0.0, 0.3, 0.9], p=[0.45, 0.3, 0.25])) if style in ("short", "buzz", "bald") else 0.0
    cloth = []
    for _ in range(2):
        hue, depth, value = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.8), rng.uniform(0.04, 0.6)
        wave = 0.5 + 0.5 * np.cos(hue + np.array([0, 2.1, 4.2]))
        cloth.append(tuple(float(c) for c in value * (1 - depth + depth * wave)))
    return Subject(
        seed=seed,
        tone=tone,
        shape=shape,
        hair=style,
        hair_colour=HAIR_COLOURS[colour],
        hair_volume=float(rng.uniform(0.6, 1.6)),
        iris=IRIS_COLOURS[iris],
        lips=float(rng.uniform(0.2, 1.0) if beard == 0 else rng.uniform(0.1, 0.4)),
        freckles=float(rng.beta(0.6, 2.0)) if tone <= 5 else 0.0,
        oil=float(rng.uniform(0.4, 1.3)),
        age=age,
        beard=beard,
        glasses=bool(rng.random() < 0.22),
        clothes=str(rng.choice(CLOTHES, p=[0.25, 0.22, 0.2, 0.15, 0.08, 0.1])),
        cloth_colours=tuple(cloth),
        collar=str(rng.choice(["crew", "v", "shirt"])),
    )


def draw_pose(rng: np.random.Generator, head: float = 0.2, centre: tuple[float, float] = (0.5, 0.42)) -> Pose:
    """A take: the subject roughly faces the camera and mostly smiles a little; ``head`` and ``centre`` as in `Pose`."""
    n = np.clip(rng.standard_normal(8), -2, 2)
    smile = float(rng.uniform(-0.2, 1.0))
    return Pose(
        yaw=0.15 * n[0],
        pitch=0.06 * n[1],
        roll=0.05 * n[2],
        turn=0.15 * n[0] + 0.1 * n[3],
        smile=smile,
        opening=float(rng.uniform(0.2, 0.7)) if smile > 0.5 and rng.random() < 0.6 else 0.0,
        lids=float(np.clip(1.0 - 0.12 * abs(n[4]) - 0.15 * max(smile, 0), 0.55, 1)),
        gaze=(0.15 * n[5] - 0.3 * 0.15 * n[0], 0.08 * n[6]),
        head=head,
        centre=centre,
    )
