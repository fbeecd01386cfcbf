"""The shape of a head: a signed distance field of a dozen soft solids, and the marching of rays through it.

Head frame: x to the viewer's right, y up, z towards the camera; 1 is half the height of a head (about 112 mm), the eyes
are at y = 0, the chin at y = -1, the crown at y = 1. Distances are approximate near flat ellipsoids, so rays take short
steps. Proportions are those of anthropometric drawing books, rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Field = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # x, y, z (N,) -> signed distance (N,)
EYE_X, EYE_Z, EYE_RADIUS = 0.285, 0.47, 0.125


@dataclass(frozen=True)
class Shape:
    """Proportions of one head, each a factor around 1."""

    width: float = 1.0
    jaw: float = 1.0
    chin: float = 1.0
    nose_length: float = 1.0
    nose_width: float = 1.0
    cheek: float = 1.0
    lips: float = 1.0
    brow: float = 1.0
    shoulders: float = 1.0


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) matrix from the head's frame to the camera's; radians; yaw turns to the viewer's right, pitch up."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (tilt @ turn @ nod).astype(np.float32)


def ellipsoid(x, y, z, centre, radii):
    """Approximate distance to an ellipsoid: k0 (k0 - 1) / k1 with k0 = |p / r|, k1 = |p / r^2|."""
    a, b, c = ((p - o) / r for p, o, r in zip((x, y, z), centre, radii, strict=True))
    k0 = np.sqrt(a * a + b * b + c * c)
    k1 = np.sqrt((a / radii[0]) ** 2 + (b / radii[1]) ** 2 + (c / radii[2]) ** 2) + 1e-6
    return k0 * (k0 - 1) / k1


def capsule(x, y, z, start, end, radius_start, radius_end):
    """Distance to a thick line whose radius changes from one end to the other."""
    axis = np.subtract(end, start)
    a, b, c = x - start[0], y - start[1], z - start[2]
    t = np.clip((a * axis[0] + b * axis[1] + c * axis[2]) / float(axis @ axis), 0, 1)
    gap = np.sqrt((a - t * axis[0]) ** 2 + (b - t * axis[1]) ** 2 + (c - t * axis[2]) ** 2)
    return gap - (radius_start + t * (radius_end - radius_start))


def join(a, b, k):
    """Smooth union of two fields over a distance k."""
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.minimum(a, b) - h * h * (k / 4)


def carve(a, b, k):
    """Smooth subtraction of b from a."""
    return -join(-a, b, k)


def head_field(shape: Shape, smile: float, opening: float) -> Field:
    """The head without hair, in its own frame; ``smile`` lifts the cheeks, ``opening`` drops the jaw."""
    w, drop = shape.width, 0.07 * opening
    nose_y = -0.40 * shape.nose_length

    def field(x, y, z):
        side = np.sqrt(x * x + 1e-5)  # |x|, smooth on the mirror plane
        d = ellipsoid(x, y, z, (0, 0.30, -0.14), (0.67 * w, 0.70, 0.80))
        d = join(d, ellipsoid(x, y, z, (0, -0.28, 0.06), (0.55 * w, 0.66, 0.575)), 0.25)
        jaw = (0.40 * shape.jaw * w, 0.20, 0.34)
        d = join(d, ellipsoid(x, y, z, (0, -0.70 - drop, 0.16), jaw), 0.22)
        chin = (0.17 * shape.jaw, 0.13 * shape.chin, 0.12)
        d = join(d, ellipsoid(x, y, z, (0, -0.86 - drop, 0.44), chin), 0.2)
        cheek_y = -0.20 + 0.05 * smile
        d = join(d, ellipsoid(side, y, z, (0.37 * w, cheek_y, 0.36), (0.17 * shape.cheek, 0.15, 0.14)), 0.22)
        d = join(d, ellipsoid(side, y, z, (0.24, 0.19, 0.545), (0.20, 0.06, 0.05 * shape.brow)), 0.16)
        d = carve(d, ellipsoid(side, y, z, (EYE_X, 0.03, 0.74), (0.17, 0.11, 0.16)), 0.12)
        d = join(d, ellipsoid(side, y, z, (EYE_X, 0.0, EYE_Z), (EYE_RADIUS + 0.012,) * 3), 0.045)
        d = join(d, ellipsoid(x, y, z, (0, -0.62 - drop / 2, 0.46), (0.24, 0.17, 0.17)), 0.16)
        d = join(d, capsule(x, y, z, (0, 0.12, 0.57), (0, nose_y + 0.04, 0.74), 0.045, 0.07), 0.11)
        tip = (0.085 * shape.nose_width, 0.07, 0.08)
        d = join(d, ellipsoid(x, y, z, (0, nose_y, 0.76), tip), 0.07)
        wing = (0.055, 0.05, 0.07)
        d = join(d, ellipsoid(side, y, z, (0.105 * shape.nose_width, nose_y - 0.02, 0.66), wing), 0.05)
        return join(d, ellipsoid(side, y, z, (0.66 * w, -0.06, -0.12), (0.05, 0.19, 0.11)), 0.05)

    return field


def body_field(shape: Shape) -> Field:
    """Neck and shoulders in the head's frame of an upright head."""
    s = shape.shoulders

    def field(x, y, z):
        side = np.sqrt(x * x + 1e-4)
        neck = capsule(x, y, z, (0, -0.55, -0.12), (0, -1.6, -0.28), 0.35, 0.40)
        chest = ellipsoid(x, y, z, (0, -3.4, -0.30), (1.25 * s, 1.9, 0.60))
        shoulder = capsule(side, y, z, (0.35, -1.52, -0.34), (1.28 * s, -1.95, -0.36), 0.20, 0.34)
        arm = capsule(side, y, z, (1.28 * s, -1.95, -0.36), (1.5 * s, -4.4, -0.25), 0.34, 0.3)
        return join(neck, join(join(chest, shoulder, 0.35), arm, 0.15), 0.22)

    return field


def hair_field(style: str, volume: float, width: float) -> Field:
    """The outer shell of the hair; the face is carved out of it."""

    def field(x, y, z):
        side = np.sqrt(x * x + 1e-4)
        v = 0.07 * volume
        d = ellipsoid(x, y, z, (0, 0.34, -0.17), ((0.67 + v) * width, 0.70 + v, 0.80 + v))
        if style in ("long", "bob", "curly"):
            low = {"long": -1.5, "bob": -0.75, "curly": -0.6}[style]
            lock = capsule(side, y, z, (0.60 * width, 0.2, -0.12), (0.66 * width, low, -0.18), 0.2 + v, 0.17 + v)
            d = join(d, lock, 0.2)
        if style == "bun":
            d = join(d, ellipsoid(x, y, z, (0, 1.08 + v, -0.35), (0.3, 0.26, 0.3)), 0.08)
        # The opening of the face, wider and higher for short hair.
        top = 0.66 if style in ("short", "buzz", "bun") else 0.58
        reach = 0.62 if style in ("short", "buzz", "bun") else 0.53
        face = ellipsoid(x, y, z, (0, top - 1.25, 0.75), (reach * width, 1.25, 0.95))
        d = carve(d, face, 0.05)
        if style in ("short", "buzz", "bun"):
            d = np.maximum(d, -(y + 0.12 + 0.5 * np.minimum(z, 0)))  # ends above the neck, lower at the back
        return d

    return field


def march(field: Field, x: np.ndarray, y: np.ndarray, start: float = 1.1, end: float = -1.1, steps: int = 60):
    """Depth of the surface along parallel rays that come from +z.

    Parameters
    ----------
    field : callable
    x, y : ndarray (N,)
        Where each ray passes, camera frame.

    Returns
    -------
    z : ndarray (N,)
        Depth of the hit (or of the closest approach).
    near : ndarray (N,)
        Smallest distance met along the ray: 0 or below on a hit, the gap to the silhouette beside it.
    """
    z = np.full(x.shape, start, np.float32)
    near = np.full(x.shape, np.inf, np.float32)
    best = z.copy()
    active = np.arange(len(x))
    for _ in range(steps):
        d = field(x[active], y[active], z[active]).astype(np.float32)
        closer = d < near[active]
        near[active[closer]] = d[closer]
        best[active[closer]] = z[active[closer]]
        z[active] -= np.maximum(0.85 * d, np.float32(0.006))  # a least step, so that grazing rays get past
        active = active[(d > 0.002) & (z[active] > end)]
        if not len(active):
            break
    return best, near


def normals(field: Field, x, y, z, step: float = 0.006) -> np.ndarray:
    """(N, 3) outward unit normals from four evaluations (tetrahedron differences)."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    slope = sum(
        corner * field(x + step * corner[0], y + step * corner[1], z + step * corner[2])[:, None] for corner in corners
    )
    return (slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 1e-9)).astype(np.float32)


def shadow(field: Field, x, y, z, normal: np.ndarray, light: np.ndarray, softness: float, steps: int = 9) -> np.ndarray:
    """(N,) how much of a lamp in direction ``light`` each point sees, 0 to 1; a soft lamp has ``softness`` near 0.3."""
    clear = np.ones(len(x), np.float32)
    travelled = np.full(len(x), 0.04, np.float32)
    origin = [p + 0.02 * normal[:, i] for i, p in enumerate((x, y, z))]
    for _ in range(steps):
        d = field(*(o + travelled * light[i] for i, o in enumerate(origin)))
        clear = np.minimum(clear, 0.5 + 0.5 * d / (softness * travelled))
        travelled += np.clip(d, 0.03, 0.25)
    return np.clip(clear, 0, 1) ** 2 * (3 - 2 * np.clip(clear, 0, 1))


def occlusion(field: Field, x, y, z, normal: np.ndarray) -> np.ndarray:
    """(N,) ambient light that reaches each point, 0 to 1: from how fast the distance grows along the normal."""
    lost = np.zeros(len(x), np.float32)
    for distance, weight in ((0.06, 1.4), (0.18, 0.9), (0.4, 0.5)):
        d = field(*(p + distance * normal[:, i] for i, p in enumerate((x, y, z))))
        lost += weight * np.clip(distance - d, 0, distance) / distance * 0.36
    return np.clip(1 - lost, 0.15, 1)
