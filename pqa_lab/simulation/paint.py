"""What is painted on the shape of a head: skin, eyes, brows, lips, beard; in head coordinates, so that it turns along.

Every function takes points of the surface ``x, y, z`` (N,) in the head's frame and ``px``, the size of one pixel there,
by which edges are softened.
"""

from __future__ import annotations

import numpy as np

from pqa_lab.simulation.head import EYE_X
from pqa_lab.simulation.people import Pose, Subject
from pqa_lab.simulation.textures import fractal, noise


def cover(distance: np.ndarray, px: float) -> np.ndarray:
    """Share of a pixel inside a region whose signed distance (negative inside) is given."""
    return np.clip(0.5 - distance / px, 0, 1)


def bump(distance: np.ndarray, width: float) -> np.ndarray:
    """A soft ridge: 1 at distance 0, falling over ``width``."""
    return np.exp(-((distance / width) ** 2))


def _mix(colour: np.ndarray, other, share: np.ndarray) -> np.ndarray:
    return colour + share[:, None] * (np.asarray(other, np.float32) - colour)


def skin(subject: Subject, pose: Pose, x, y, z, px: float) -> np.ndarray:
    """Reflectance (N, 3) of bare skin: mottling, pores, blush, freckles, lines."""
    side = np.abs(x)
    mottle = 0.05 * fractal(x * 5, y * 5, 3, subject.seed) + 0.03 * noise(x * 26, y * 26, subject.seed + 3)
    pores = 0.035 * noise(x * 60, y * 60, subject.seed + 4) + 0.04 * noise(x * 115, y * 115, subject.seed + 5)
    colour = subject.skin * (1 + mottle + pores)[:, None]
    blush = 0.5 * bump(np.hypot(side - 0.36, y + 0.26), 0.22) + 0.4 * bump(np.hypot(x, y + 0.38), 0.12)
    blush = blush + 0.5 * bump(np.hypot(side - 0.64, y + 0.06), 0.15)
    colour = colour * (1 - np.outer(blush * (0.7 + 0.4 * subject.lips), (0.03, 0.22, 0.2)))
    if subject.freckles > 0.05:
        spots = np.clip(noise(x * 34, y * 34, subject.seed + 6) * 2 - 1.1, 0, 1) * np.exp(-((y + 0.2) ** 2) / 0.08)
        colour = colour * (1 - np.outer(subject.freckles * spots, (0.35, 0.5, 0.6)))
    # Folds beside the mouth, lines on the forehead and at the corners of the eyes.
    along = np.clip((-0.38 - y) / 0.26, 0, 1)
    fold = bump(side - (0.15 + 0.13 * along**0.8), 0.016) * (along > 0) * (along < 1)
    lines = bump(np.sin(y * 40 + 1.5 * noise(x * 3, y * 2, subject.seed)), 0.25) * bump(y - 0.42, 0.12) * bump(x, 0.35)
    feet = bump(np.sin(np.arctan2(y, side - 0.35) * 9), 0.25) * bump(np.hypot(side - 0.5, y), 0.07)
    dark = (0.1 + 0.16 * max(pose.smile, 0) + 0.14 * subject.age) * fold + 0.18 * subject.age * (lines + feet)
    dark = dark + (0.06 + 0.1 * subject.age) * bump(np.hypot((side - EYE_X) / 1.6, y + 0.10), 0.05)
    dark = dark + 0.8 * bump(np.hypot((side - 0.062) / 1.9, y + 0.455 * subject.shape.nose_length), 0.022) * (z > 0.5)
    dark = dark + 0.22 * bump(np.hypot(x / 4, y + 0.79), 0.025)
    return (colour * np.clip(1 - dark, 0.05, 1)[:, None]).astype(np.float32)


def brows(subject: Subject, colour: np.ndarray, x, y, px: float) -> np.ndarray:
    """Hairs along an arc over each eye."""
    out = np.abs(x) - EYE_X
    arc = 0.150 + 0.035 * np.cos(np.clip((out - 0.05) / 0.2, -1.5, 1.5) * 1.5)
    thick = 0.030 * subject.shape.brow * np.clip((0.2 - out) / 0.2, 0.25, 1)
    hairs = 0.75 + 0.5 * noise(out * 55 - y * 30, y * 18, subject.seed + 7)
    inside = np.clip((thick - np.abs(y - arc)) / 0.016, 0, 1) * np.clip((out + 0.16) / 0.03, 0, 1)
    share = inside * np.clip((0.21 - out) / 0.05, 0, 1) * np.clip(hairs, 0, 1) * 0.88
    return _mix(colour, np.minimum(subject.hair_colour, 0.14), share)


def eyes(subject: Subject, pose: Pose, colour: np.ndarray, gloss: np.ndarray, lamp, x, y, z, px: float):
    """Eyeball, iris, pupil, catchlight, lashes and lids; returns (colour (N, 3), gloss (N,) added light)."""
    near = (np.abs(np.abs(x) - EYE_X) < 0.2) & (np.abs(y) < 0.15) & (z > 0.2)
    if not near.any():
        return colour, gloss
    eye_x, eye_y = x[near], y[near]
    side = np.where(eye_x < 0, -1, 1)
    out = np.abs(eye_x) - EYE_X  # towards the temple
    t = out / 0.140
    bow = 1 - t * t
    upper = 0.066 * pose.lids * bow * (1 - 0.12 * t) + 0.012 * t
    lower = -(0.036 + 0.004 * pose.lids) * bow + 0.012 * t
    gap = np.maximum(eye_y - upper, lower - eye_y)
    local = colour[near]
    # Lid: a crease above, a little darker towards the lashes.
    crease = 0.38 * bump(eye_y - upper - 0.034, 0.010) + 0.16 * bump(eye_y - upper, 0.03)
    local = local * (1 - crease * np.clip(bow + 0.35, 0, 1))[:, None]
    # Eyeball
    iris_x, iris_y = side * out - 0.28 * pose.gaze[0], eye_y - 0.008 - 0.2 * pose.gaze[1]
    radius = np.hypot(iris_x, iris_y)
    streaks = 1 + 0.35 * noise(np.arctan2(iris_y, iris_x) * 7, radius * 40, subject.seed + 8)
    ball = np.tile(np.array([0.42, 0.37, 0.34], np.float32), (len(out), 1)) * (1 - 0.35 * t**2)[:, None]
    iris = np.array(subject.iris, np.float32) * (streaks * (0.7 + 0.8 * bump(radius, 0.045)))[:, None]
    iris = iris * (1 - 0.75 * bump(radius - 0.062, 0.012))[:, None]
    share = cover(radius - 0.062, px)[:, None]
    ball = ball + share * (iris - ball)
    ball = ball * (1 - 0.96 * cover(radius - 0.027, px))[:, None]
    ball = ball * (1 - 0.65 * np.exp(-np.clip(upper - eye_y, 0, 1) / 0.02))[:, None]  # the lid's shadow
    share = cover(gap, px)[:, None]
    local = local + share * (ball - local)
    # Lashes: a dark line that thickens outwards, with hairs above it.
    hairs = 0.012 * np.clip(noise(out * 70 + eye_y * 25, eye_y * 3, 11), 0, 1)
    width = np.maximum(0.008 + 0.008 * np.clip(t, -0.5, 1) + hairs, 0.4 * px)
    lash = 0.92 * np.clip(1 - np.abs(eye_y - upper - 0.4 * width) / width, 0, 1) * (np.abs(t) < 1.06)
    lash = lash + 0.35 * bump(eye_y - lower, 0.007) * (np.abs(t) < 1)
    local = _mix(local, (0.012, 0.009, 0.008), np.clip(lash, 0, 1))
    spot = np.hypot(iris_x - 0.03 * lamp[0] - 0.004, iris_y - 0.03 * lamp[1] - 0.006)
    colour, gloss = colour.copy(), gloss.copy()
    colour[near] = local
    shine = 0.9 * cover(spot - 0.013, px) + 0.008 * cover(radius - 0.05, px)
    gloss[near] = gloss[near] * (1 - cover(gap, px)) + shine * cover(gap, px)
    return colour, gloss


def mouth(subject: Subject, pose: Pose, colour: np.ndarray, gloss: np.ndarray, x, y, z, px: float):
    """Lips, the line between them, teeth; returns (colour, gloss)."""
    half = 0.20 * (1 + 0.16 * pose.smile)
    near = (np.abs(x) < half + 0.05) & (np.abs(y + 0.62) < 0.2) & (z > 0.2)
    if not near.any():
        return colour, gloss
    mx, my = x[near], y[near]
    t = np.clip(mx / half, -1.3, 1.3)
    bow = np.maximum(1 - t * t, -0.4)
    line = -0.595 + 0.05 * pose.smile * (t * t - 0.35) - 0.006 * np.cos(3 * np.pi * t) * bow
    full = subject.shape.lips
    cupid = 1 - 0.22 * bump(t, 0.16) + 0.12 * bump(np.abs(t) - 0.3, 0.2)
    top_edge, low_edge = line + 0.012 * pose.opening * bow, line - 0.13 * pose.opening * bow
    upper = np.maximum(my - (top_edge + 0.052 * full * bow * cupid), top_edge - my)
    lower = np.maximum(my - low_edge, (low_edge - 0.072 * full * np.sqrt(np.maximum(bow, 0)) * (bow > 0)) - my)
    lip = subject.skin * np.array([0.92, 0.52 - 0.14 * subject.lips, 0.54 - 0.12 * subject.lips], np.float32)
    lip = lip + np.where(my > line, 0.0, 1.0)[:, None] * np.array([0.035, 0.012, 0.013], np.float32)
    grooves = 1 + 0.14 * noise(mx * 60, my * 9, subject.seed + 9)
    local = colour[near]
    soft = max(px, 0.014)
    share = np.maximum(cover(upper, soft), cover(lower, soft)) * (bow > 0)
    local = local + (0.9 * share)[:, None] * (lip * (grooves * np.where(my > line, 0.82, 1.0))[:, None] - local)
    inside = np.maximum(my - top_edge, low_edge - my)
    if pose.opening > 0:
        teeth = np.clip((my - (top_edge - 0.085)) / 0.012, 0, 1) * np.clip((0.86 - np.abs(t)) / 0.12, 0, 1)
        gaps = 1 - 0.35 * bump(((mx / 0.045 + 0.5) % 1) - 0.5, 0.06)
        cave = np.outer(teeth * gaps * (1 - 0.5 * t * t), (0.62, 0.58, 0.50)) + np.array([0.03, 0.008, 0.008])
        share = cover(inside, px) * (bow > 0)
        local = local + share[:, None] * (cave.astype(np.float32) - local)
    else:
        local = local * (1 - 0.75 * bump(my - line, max(0.009, 0.6 * px)) * np.clip(bow + 0.08, 0, 1) ** 0.3)[:, None]
    corner = bump(np.hypot(np.abs(mx) - half, my - line), 0.025)
    local = local * (1 - 0.4 * corner)[:, None]
    colour, gloss = colour.copy(), gloss.copy()
    colour[near] = local
    gloss[near] += 0.05 * subject.lips * cover(lower, 0.02) * bump(my - low_edge + 0.035, 0.018) * (bow > 0)
    return colour, gloss


def beard(subject: Subject, colour: np.ndarray, x, y, z, px: float) -> np.ndarray:
    """Stubble to full beard on jaw, chin and upper lip."""
    side = np.abs(x)
    edge = y + 0.36 - 0.55 * np.clip(side - 0.42, 0, 0.3) - 0.12 * bump(side, 0.12)
    area = np.clip(-edge / 0.12, 0, 1) * np.clip((y + 1.12) / 0.12, 0, 1) * np.clip((z + 0.3) / 0.25, 0, 1)
    area = area * (1 - bump(np.hypot(x / 1.9, y + 0.62), 0.11))
    area = area * np.clip((np.hypot(x / 1.1, y - 0.40 + 0.83 * subject.shape.nose_length) - 0.12) / 0.05, 0, 1)
    if subject.beard < 0.5:
        share = area * np.clip(0.28 + 0.35 * noise(x * 75, y * 60, subject.seed + 12), 0, 1) * 0.8
    else:
        share = np.clip(area * 1.6 * (0.85 + 0.4 * noise(x * 40, y * 14, subject.seed + 12)), 0, 0.96)
    strands = 1 + 0.5 * noise(x * 50, y * 16, subject.seed + 13)
    hair = np.asarray(subject.hair_colour, np.float32) * strands[:, None]
    return colour + share[:, None] * (np.maximum(hair, 0.005) - colour)


def face(subject: Subject, pose: Pose, lamp, x, y, z, px: float) -> tuple[np.ndarray, np.ndarray]:
    """Reflectance (N, 3) and gloss (N,) of the front of the head."""
    colour = skin(subject, pose, x, y, z, px)
    gloss = np.zeros(len(x), np.float32)
    if subject.beard:
        colour = beard(subject, colour, x, y, z, px)
    colour, gloss = mouth(subject, pose, colour, gloss, x, y, z, px)
    front = np.where(z > 0.1, 1.0, 0.0)
    colour = colour + front[:, None] * (brows(subject, colour, x, y, px) - colour)
    return eyes(subject, pose, colour, gloss, lamp, x, y, z, px)
