"""A portrait in linear light: shape, paint, hair, clothes and lamps come together over a background.

Geometry is marched once per output pixel; paint and edges are computed at twice the resolution and averaged down, as a
sensor's pixels do. The light is one soft key lamp, a hemisphere of fill, and a rim lamp; skin lets light in and out
(red the most), so its shading is wrapped around the terminator per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pqa_lab.simulation import head, paint
from pqa_lab.simulation.head import march, normals, occlusion, shadow
from pqa_lab.simulation.people import Pose, Subject
from pqa_lab.simulation.pixels import enlarge, luminance, shrink
from pqa_lab.simulation.textures import cloth, fractal, noise

PIVOT = np.array([0.0, -0.55, -0.15], np.float32)  # where a head turns on its neck
WRAP = np.array([0.38, 0.24, 0.18], np.float32)  # how far light creeps around skin, by channel


@dataclass(frozen=True)
class Lighting:
    """Lamps on the subject. Directions point from the face to the lamp: x right, y up, z to the camera.

    The ``key`` lamp of some ``strength``, an even ``fill``, and a ``rim`` lamp that comes ``rim_from`` behind.
    """

    key: tuple[float, float, float] = (-0.5, 0.5, 0.75)
    strength: float = 0.85
    fill: float = 0.35
    softness: float = 0.35  # 0.1 is a bare lamp, 0.6 a cloudy sky
    rim: float = 0.15
    rim_from: tuple[float, float, float] = (0.8, 0.4, -0.5)


@dataclass(frozen=True)
class Portrait:
    """A rendered take.

    Attributes
    ----------
    linear : ndarray (H, W, 3) float32
        Light without the lamp's colour.
    box : (left, top, right, bottom)
        The face in pixels: hairline to chin, cheek to cheek.
    face : ndarray (H, W) float32 in [0, 1]
        Share of each pixel that is facial skin, eyes or mouth.
    key : float
        Stops of gain that expose the face well: its light becomes that of a face in the key lamp, and the darkest skins
        get up to half a stop more, as portrait photographers do it.
    """

    linear: np.ndarray
    box: tuple[float, float, float, float]
    face: np.ndarray
    key: float


def _unit(vector) -> np.ndarray:
    v = np.asarray(vector, np.float32)
    return v / np.linalg.norm(v)


def _light(normal, clear, ambient, lamp: Lighting, wrap=WRAP) -> np.ndarray:
    """Light (N, 3) that reaches a matte surface."""
    facing = normal @ _unit(lamp.key)
    # wrapped Lambert: max(0, (n.l + w) / (1 + w)), shadows matter on the lit side
    lit = np.clip((facing[:, None] + wrap) / (1 + wrap), 0, 1) * (0.12 + 0.88 * clear)[:, None]
    sky = ambient * (0.72 + 0.28 * normal[:, 1])
    rim = np.clip(normal @ _unit(lamp.rim_from), 0, 1) * np.clip(1 - normal[:, 2], 0, 1) ** 1.5
    return lamp.strength * lit + (lamp.fill * sky + lamp.rim * rim)[:, None]


def _gleam(normal, lamp: Lighting, power: float) -> np.ndarray:
    """Blinn-Phong highlight (N,) with a Fresnel rise towards grazing angles."""
    half = _unit(_unit(lamp.key) + np.array([0, 0, 1], np.float32))
    fresnel = 0.5 + 0.5 * (1 - np.clip(normal[:, 2], 0, 1)) ** 2
    return lamp.strength * np.clip(normal @ half, 0, 1) ** power * fresnel


def _over(below: np.ndarray, above: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return below + alpha[..., None] * (above - below)


def render(subject: Subject, pose: Pose, lamp: Lighting, background: np.ndarray, seed: int = 0) -> Portrait:
    """Draw one take.

    Parameters
    ----------
    subject, pose, lamp : Subject, Pose, Lighting
    background : ndarray (H, W, 3)
        Linear light behind the subject; gives the picture its size.
    seed : int
        Folds of the clothes.

    Returns
    -------
    Portrait
    """
    height, width = background.shape[:2]
    scale = pose.head * height  # pixels per unit of the head's frame
    ys, xs = np.mgrid[:height, :width].astype(np.float32) + 0.5
    x, y = (xs - pose.centre[0] * width) / scale, (pose.centre[1] * height - ys) / scale
    turn = head.rotation(pose.yaw, pose.pitch, pose.roll)
    skull = head.head_field(subject.shape, pose.smile, pose.opening)
    body = head.body_field(subject.shape)
    cos, sin = np.cos(pose.turn), np.sin(pose.turn)

    def to_head(a, b, c):
        p = [a - PIVOT[0], b - PIVOT[1], c - PIVOT[2]]
        return [sum(turn[j, i] * p[j] for j in range(3)) + PIVOT[i] for i in range(3)]

    def to_body(a, b, c):
        return cos * a - sin * c, b, sin * a + cos * c

    def person(a, b, c):
        return head.join(skull(*to_head(a, b, c)), body(*to_body(a, b, c)), 0.12)

    def trunk(a, b, c):
        return body(*to_body(a, b, c))

    def shell(a, b, c):
        return tuft(*to_head(a, b, c))

    tuft = head.hair_field(subject.hair, subject.hair_volume, subject.shape.width)
    around = np.hypot(x / 1.0, (y + 0.1) / 1.25) < 1.25
    below = ~around & (y < -0.9)
    layers = {}
    long = subject.hair in ("long", "bob", "curly")
    locks = np.hypot(x, (y + 0.4) / 1.35) < 1.35 if long else np.hypot(x, (y - 0.3) / 1.1) < 1.1
    regions = {"skin": [(person, around), (trunk, below)], "hair": [(shell, locks)]}
    if subject.hair == "bald":
        del regions["hair"]
    px = 1 / scale
    for name, parts in regions.items():
        z, edge = np.full(x.shape, -1.1, np.float32), np.full(x.shape, 1.0, np.float32)
        normal, light = np.zeros((*x.shape, 3), np.float32), np.zeros((*x.shape, 3), np.float32)
        gleam = np.zeros(x.shape, np.float32)
        normal[..., 2] = 1
        for field, mask in parts:
            a, b = x[mask], y[mask]
            depth, near = march(field, a, b)
            near[near < 0.004] = -px if name == "skin" else -0.06  # strands fray from the outline, not from within
            slope = normals(field, a, b, depth)
            # Shadows are soft: every other pixel each way will do. Below the shoulders nothing stands before the lamp.
            some = mask.copy()
            some[1::2], some[:, 1::2] = False, False
            near_some = some[mask]
            point = [p[near_some] for p in (a, b, depth, slope)]
            soft = np.ones((*x[::2, ::2].shape, 2), np.float32)
            soft[some[::2, ::2], 0] = occlusion(field, *point)
            if field is not trunk:
                soft[some[::2, ::2], 1] = shadow(person, *point, _unit(lamp.key), lamp.softness)
            ambient, clear = enlarge(soft, x.shape)[mask].T
            z[mask], edge[mask], normal[mask] = depth, near, slope
            light[mask] = _light(slope, clear, ambient, lamp, WRAP if name == "skin" else WRAP * 0 + 0.3)
            gleam[mask] = (0.75 * _gleam(slope, lamp, 14) + 0.5 * _gleam(slope, lamp, 45)) * clear
        layers[name] = np.dstack([z, edge, gleam, normal, light])

    # Everything from here on at twice the resolution, and only where the subject is.
    taken = np.minimum(layers["skin"][..., 1], layers["hair"][..., 1] if "hair" in layers else 1) < 0.1
    rows, columns = (np.flatnonzero(taken.any(axis)) for axis in (1, 0))
    part = tuple(slice(max(n[0] - 2, 0), n[-1] + 3) for n in (rows, columns))
    picture = enlarge(background.astype(np.float32), (2 * height, 2 * width))
    view = picture[tuple(slice(2 * n.start, 2 * n.stop) for n in part)]
    big = view.shape[:2]
    fine_y, fine_x = np.mgrid[: big[0], : big[1]].astype(np.float32) / 2 + 0.25
    x = (fine_x + part[1].start - pose.centre[0] * width) / scale
    y, px = (pose.centre[1] * height - fine_y - part[0].start) / scale, px / 2

    z, edge, gleam, _, light = _split(enlarge(layers["skin"][part], big))
    alpha = paint.cover(edge, 2 * px)
    seen = alpha > 0
    hx, hy, hz = to_head(x[seen], y[seen], z[seen])
    u, v, _ = to_body(x[seen], y[seen], z[seen])
    is_cloth = _neckline(subject, u, v, px)
    # Skin below the jaw is bare; the face's paint stays on the front of the head.
    colour, gloss = paint.face(subject, pose, _unit(lamp.key), hx, hy, hz, px)
    fabric = _fabric(subject, u, v, seed)
    shine = (
        (0.045 + 0.005 * subject.tone)
        * subject.oil
        * gleam[seen]
        * (1 + 0.25 * noise(hx * 60, hy * 60, 21))
        * (1 - is_cloth)
    )
    albedo = colour + is_cloth[:, None] * (fabric - colour)
    view[seen] = _over(view[seen], albedo * light[seen] + (shine + gloss * (1 - is_cloth))[:, None], alpha[seen])
    bare = np.zeros(big, np.float32)
    bare[seen] = (1 - is_cloth) * (hz > 0.05) * (hy > -1.0) * (hy < 0.62) * (np.abs(hx) < 0.62) * alpha[seen]
    if "hair" in layers:
        deep, edge, _, normal, light = _split(enlarge(layers["hair"][part], big))
        behind = np.where(alpha > 0.5, z, -2) - deep
        near = (edge < 0.1) & (behind < 0.03)
        points = to_head(x[near], y[near], deep[near])
        hair, share = _hair(subject, points, edge[near], normal[near], light[near], lamp, px)
        share = share * np.clip(0.5 - behind[near] / 0.03, 0, 1)
        view[near] = _over(view[near], hair, share)
        bare[near] *= 1 - share
    if subject.glasses:
        _glasses(view, bare, subject, x, y, turn, lamp, px)
    mask = np.zeros((height, width), np.float32)
    mask[part], picture = shrink(bare, 2), shrink(picture, 2)
    skin_light = luminance(layers["skin"][..., 6:9])
    mean_light = float((skin_light * mask).sum() / max(mask.sum(), 1e-6))
    rows, cols = np.nonzero(mask > 0.3)
    box = (0.0, 0.0, 0.0, 0.0)
    if len(rows):
        box = tuple(float(n) for n in (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1))
    key = float(np.log2(0.75 / max(mean_light, 1e-3))) + 0.125 * max(subject.tone - 6, 0)
    return Portrait(picture, box, mask, key)


def _split(layer: np.ndarray):
    return layer[..., 0], layer[..., 1], layer[..., 2], layer[..., 3:6], layer[..., 6:9]


def _neckline(subject: Subject, u, v, px: float) -> np.ndarray:
    """(N,) share of cloth at body coordinates (u, v)."""
    side = np.abs(u)
    edge = {"crew": -1.52 + 1.3 * side**2, "v": -2.05 + 1.55 * side, "shirt": -1.72 + 0.95 * side}[subject.collar]
    return paint.cover(v - edge, 2 * px) * (v < -0.95)


def _fabric(subject: Subject, u, v, seed: int) -> np.ndarray:
    """(N, 3) reflectance of the clothes, with folds and the seam of the collar."""
    folds = fractal(u * 1.3 + 0.5 * noise(u, v, seed), v * 0.8, 3, seed + 31)
    colour = cloth(subject.clothes, u + 0.03 * folds, v + 0.03 * folds, subject.cloth_colours)
    colour = colour * (1 + 0.28 * folds)[:, None]
    if subject.collar == "shirt":
        side = np.abs(u)
        flap = (v > -1.95 + 0.2 * side) & (side < 0.62)
        placket = paint.bump(u, 0.02) * (v < -1.7)
        colour = colour * (1 - 0.3 * paint.bump(v + 1.95 - 0.2 * side, 0.03) * (side < 0.62) - 0.3 * placket)[:, None]
        colour = np.where(flap[:, None], colour * 1.12, colour)
    else:
        edge = -1.52 + 1.3 * u**2 if subject.collar == "crew" else -2.05 + 1.55 * np.abs(u)
        colour = colour * (1 - 0.35 * paint.bump(v - edge + 0.1, 0.018))[:, None]
    return np.maximum(colour, 0.004)


def _hair(subject: Subject, points, edge, normal, light, lamp: Lighting, px: float):
    """Colour (N, 3) and coverage (N,) of hair: strands along meridians from the crown, Kajiya-Kay highlights."""
    hx, hy, hz = points
    across = np.arctan2(hx, hz + 0.55)
    if subject.hair == "curly":
        warp = fractal(hx * 4, hy * 4, 2, subject.seed)
        strands = 0.9 * noise(hx * 13 + 2 * warp, hy * 13 - 2 * warp, subject.seed + 14)
        strands = strands + 0.4 * noise(hx * 34 + 3 * warp, hy * 34, subject.seed + 15)
        rough, sheen = 0.045, 0.25
    else:
        sweep = across + 0.12 * noise(hy * 2, across * 2, subject.seed)
        strands = 0.8 * noise(sweep * 18, hy * 1.5, subject.seed + 14) + 0.55 * noise(
            sweep * 60, hy * 3, subject.seed + 15
        )
        strands = strands + 0.4 * noise(sweep * 130, hy * 5, subject.seed + 16)
        rough, sheen = (0.012 if subject.hair == "buzz" else 0.03), 1.0
    # Kajiya & Kay 1989: highlights where the strand is square to the half vector, shifted strand by strand.
    half = _unit(_unit(lamp.key) + np.array([0, 0, 1], np.float32))
    down = np.array([0, -1, 0], np.float32)
    strand = down - (normal @ down)[..., None] * normal + 0.12 * strands[..., None] * normal
    strand = strand / (np.linalg.norm(strand, axis=-1, keepdims=True) + 1e-6)
    square = np.sqrt(np.clip(1 - (strand @ half) ** 2, 0, 1)) ** 26 * np.clip(normal @ half + 0.3, 0, 1)
    base = np.asarray(subject.hair_colour, np.float32)
    body = base * np.clip(0.85 + 0.75 * strands, 0.12, 2.2)[..., None]
    gloss = sheen * lamp.strength * square * np.clip(0.6 + 0.9 * strands, 0, 2)
    colour = body * light * 1.15 + gloss[..., None] * (0.03 + 0.25 * base)
    # A ragged outline: strands stick out by a fraction of the roughness.
    return colour, paint.cover(edge - rough * np.clip(strands - 0.1, -1.4, 1.4), 2.5 * px)


def _glasses(view, bare, subject: Subject, x, y, turn: np.ndarray, lamp: Lighting, px: float) -> None:
    """Frames in a plane before the eyes, drawn into ``view``."""
    # The ray (x, y, t) meets the plane z = 0.74 of the head's frame.
    a, b = x - PIVOT[0], y - PIVOT[1]
    depth = (0.74 - PIVOT[2] - turn[0, 2] * a - turn[1, 2] * b) / turn[2, 2]
    hx = turn[0, 0] * a + turn[1, 0] * b + turn[2, 0] * depth + PIVOT[0]
    hy = turn[0, 1] * a + turn[1, 1] * b + turn[2, 1] * depth + PIVOT[1]
    rng = np.random.default_rng([subject.seed, 20])
    wide, tall, corner = rng.uniform(0.19, 0.23), rng.uniform(0.13, 0.18), rng.uniform(0.06, 0.12)
    qx, qy = np.abs(np.abs(hx) - 0.29) - wide + corner, np.abs(hy - 0.0) - tall + corner
    rim = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - corner
    thick = rng.uniform(0.012, 0.028)
    frame = paint.cover(np.abs(rim) - thick, px)
    bridge = paint.cover(np.abs(hy - 0.05 + 0.4 * hx**2) - 0.6 * thick, px) * (np.abs(hx) < 0.29 - wide)
    temples = paint.cover(np.abs(hy - 0.06) - 0.8 * thick, px) * (np.abs(hx) > 0.29 + wide) * (np.abs(hx) < 0.66)
    share = np.clip(frame + bridge + temples, 0, 1)
    colour = np.array(rng.choice([0.01, 0.02, 0.06]) * rng.uniform(0.5, 1.5, 3), np.float32)
    inside = paint.cover(rim + thick, px)
    glare = 0.025 + 0.08 * paint.bump(hx - hy * 0.6 - 0.35 * np.sign(hx), 0.05)
    view += (inside * glare * lamp.strength)[..., None]
    view[:] = _over(
        view,
        np.broadcast_to(colour * (1 + 6 * paint.bump(rim + 0.3 * thick, 0.3 * thick))[..., None], view.shape),
        share,
    )
    bare *= 1 - share
