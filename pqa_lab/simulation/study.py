"""What the simulated set looks like and what it is worth: the numbers and pictures of the page on the data."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy import ndimage, stats
from skimage import data

from pqa_lab.simulation.people import MONK_TONES
from pqa_lab.simulation.pixels import luminance, to_linear
from pqa_lab.simulation.textures import dead_leaves

# The five photographs that our dependencies carry.
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "grace_hopper")


def natural_photo(name: str) -> np.ndarray:
    """One of ``PHOTOS`` (H, W, 3) uint8; all in the public domain or CC0, carried by scikit-image and matplotlib."""
    if name == "grace_hopper":
        from matplotlib import cbook

        with cbook.get_sample_data("grace_hopper.jpg") as file, Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    return np.asarray(getattr(data, name)())


def table(rows) -> pd.DataFrame:
    """The rows without their photos."""
    return rows.remove_columns("image").to_pandas()


def contact_sheet(rows, columns: int = 12, side: int = 128, per_scene: int | None = None) -> np.ndarray:
    """Photos side by side, one scene a row, best first (by JOD), with scene and JOD written in; (H, W, 3) uint8.

    ``per_scene`` photos are spread evenly from best to worst (default: ``columns``).
    """
    frame = table(rows)
    shown = per_scene or columns
    strips = []
    for scene, group in frame.groupby("scene", sort=False):
        order = group.sort_values("jod", ascending=False).index
        chosen = order[np.unique(np.linspace(0, len(order) - 1, min(shown, len(order))).round().astype(int))]
        tiles = []
        for k in chosen:
            tile = rows[int(k)]["image"].convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            text = f"{frame.jod[k]:+.1f} {frame.device[k]}"
            text = text if tiles else f"{scene}\n{text}"
            ImageDraw.Draw(tile).text((3, 2), text, fill="white", stroke_width=1, stroke_fill="black")
            tiles.append(np.asarray(tile))
        tiles += [np.full((side, side, 3), 255, np.uint8)] * (shown - len(tiles))
        strips.append(np.concatenate(tiles, axis=1))
    return np.concatenate(strips, axis=0)


def distributions(rows) -> dict[str, pd.DataFrame]:
    """Tables of the page: ``scenes`` (spread of JODs), ``devices`` (mean truth by condition), ``tones`` (images and
    mean truth by Monk tone), ``attributes`` (median within-scene SRCC between the three truths)."""
    frame = table(rows)
    scenes = frame.groupby("scene", sort=False).agg(
        condition=("condition", "first"),
        split=("split", "first"),
        images=("jod", "size"),
        jod_min=("jod", "min"),
        jod_max=("jod", "max"),
        jod_sd=("jod", "std"),
        mean_jod_std=("jod_std", "mean"),
        truth_sd=("truth", "std"),
    )
    truths = [c for c in frame if c.startswith("truth_")]
    between = [g[truths].corr("spearman") for _, g in frame.groupby("scene")]
    return {
        "scenes": scenes,
        "devices": frame.pivot_table(index="device", columns="condition", values="truth"),
        "tones": frame.groupby("tone").agg(images=("truth", "size"), truth=("truth", "mean")),
        "attributes": pd.DataFrame(np.median(between, axis=0), index=truths, columns=truths),
    }


def power_spectrum(grey: np.ndarray, bins: int = 40) -> pd.DataFrame:
    """Radial power spectrum of a grey picture (H, W): ``frequency`` in cycles per pixel, ``power``.

    The picture's central square is centred and windowed (Hann) first, so that its borders do not count as edges.
    """
    side = min(grey.shape)
    top, left = ((n - side) // 2 for n in grey.shape)
    square = grey[top : top + side, left : left + side].astype(np.float64)
    window = np.hanning(side)
    square = (square - square.mean()) * window[:, None] * window
    power = np.abs(np.fft.fft2(square)) ** 2
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(2 / side, 0.5, bins + 1)
    place = np.digitize(radius.ravel(), edges) - 1
    inside = (place >= 0) & (place < bins)
    count = np.bincount(place[inside], minlength=bins)
    total = np.bincount(place[inside], power.ravel()[inside], minlength=bins)
    frame = pd.DataFrame({"frequency": np.sqrt(edges[1:] * edges[:-1]), "power": total / np.maximum(count, 1)})
    return frame[count > 0].reset_index(drop=True)


def spectral_slope(grey: np.ndarray, low: float = 0.02, high: float = 0.25) -> float:
    """Exponent of the power spectrum over a band of frequencies; about -2 for photographs (Field 1987)."""
    frame = power_spectrum(grey)
    band = frame[frame.frequency.between(low, high)]
    return float(stats.linregress(np.log(band.frequency), np.log(band.power)).slope)


def spectra(pictures: dict[str, np.ndarray] | None = None, seed: int = 0) -> pd.DataFrame:
    """Slopes side by side: five photographs, dead leaves, and any further ``pictures`` {name: (H, W, 3) uint8}.

    Returns a table ``name, kind, slope``; slopes are of log luminance, so that brightness does not count.
    """
    rng = np.random.default_rng(seed)
    palette = rng.uniform(0.02, 0.9, (12, 1)) * rng.uniform(0.6, 1, (12, 3))
    rows = [(name, "photograph", to_linear(natural_photo(name))) for name in PHOTOS]
    for k in range(3):
        leaves = dead_leaves((512, 512), rng, palette, 6000, (1.5, 180), 1.0, 0.2)
        rows.append((f"dead leaves {k + 1}", "dead leaves", leaves))
    rows += [(name, "simulated", to_linear(picture)) for name, picture in (pictures or {}).items()]
    slopes = [(name, kind, spectral_slope(np.log(luminance(light) + 0.01))) for name, kind, light in rows]
    return pd.DataFrame(slopes, columns=["name", "kind", "slope"])


def cues(photo: np.ndarray) -> dict[str, float]:
    """Simple hand-made measures of a photo (H, W, 3) uint8, each of which some call "quality"."""
    grey = photo.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    share = np.bincount(grey.astype(np.uint8).ravel(), minlength=256) / grey.size
    share = share[share > 0]
    spread = photo.astype(np.float32).max(-1) - photo.min(-1)
    return {
        "variance of Laplacian": float(ndimage.laplace(grey).var()),
        "gradient energy": float(np.mean(ndimage.sobel(grey, 0) ** 2 + ndimage.sobel(grey, 1) ** 2)),
        "entropy": float(-(share * np.log2(share)).sum()),
        "brightness": float(grey.mean()),
        "mid brightness": -abs(float(grey.mean()) - 118),
        "contrast": float(grey.std()),
        "colourfulness": float(spread.mean()),
    }


def cue_table(rows, against: str = "jod") -> pd.DataFrame:
    """Mean per-scene SRCC of each cue against ``jod`` (or ``truth``): how far simple cues get. Index: cue."""
    frame = pd.DataFrame([cues(np.asarray(row["image"].convert("RGB"))) for row in rows])
    names = list(frame)
    frame = frame.join(table(rows)[["scene", against]])
    by_scene = [
        {name: stats.spearmanr(group[name], group[against]).statistic for name in names}
        for _, group in frame.groupby("scene")
    ]
    scores = pd.DataFrame(by_scene)
    return pd.DataFrame({"srcc": scores.mean(), "lowest": scores.min(), "highest": scores.max()}).sort_values(
        "srcc", ascending=False
    )


def detection_rate(rows_or_photos: Iterable, detect, boxes: Iterable | None = None) -> float:
    """Share of photos whose face ``detect(photo) -> box (left, top, right, bottom) | None`` finds.

    A find overlaps the known face (``boxes``, or the column ``face`` of the rows) by an intersection over union of at
    least 0.35: detectors differ in how much forehead and chin they take in.
    """
    found = []
    truths = boxes if boxes is not None else (row["face"] for row in rows_or_photos)
    photos = rows_or_photos if boxes is not None else (row["image"] for row in rows_or_photos)
    for photo, truth in zip(photos, truths, strict=True):
        box = detect(np.asarray(photo))
        if box is None:
            found.append(False)
            continue
        a, b = np.asarray(box, float)[:4], np.asarray(truth, float)
        shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
        union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
        found.append(bool(shared / union >= 0.35))
    return float(np.mean(found))


def data_card(rows) -> str:
    """The data card (Markdown) of a simulated set: what is in it, and what it can and cannot stand for."""
    frame = table(rows)
    numbers = distributions(rows)
    scenes, tones = numbers["scenes"], numbers["tones"]
    conditions = ", ".join(f"{n} {c}" for c, n in scenes.condition.value_counts().items())
    tone_line = ", ".join(f"{t}: {tones.images.get(t, 0)}" for t in range(1, len(MONK_TONES) + 1))
    between = numbers["attributes"]
    return f"""# Simulated portraits: data card

**What it is.** {len(frame)} photos of {len(scenes)} scenes ({conditions}) by {frame.device.nunique()} simulated devices
of {frame.subject.nunique()} simulated people, all made by `pqa_lab.simulation`. No photograph and no person is in it,
nothing of PIQ23 is in it, and no figure measured on it is a figure about PIQ23.

**How it was made.** Portraits are drawn from numbers (a signed distance field of a head, painted and lit), photographed
in linear light by a raw-to-JPEG camera, and compared with an ideal photo of the same take: that comparison is the known
truth in JOD (`truth`). A panel of 24 observers with tastes, slips and unequal eyes votes; `pqa_lab.scaling` turns the
votes into `jod` and `jod_std`. As in PIQ23 each scene has its own scale: mean 0, var(jod) + mean(jod_std^2) = 1.4826^2.

**Numbers.** JOD range within a scene: median {(scenes.jod_max - scenes.jod_min).median():.1f}; standard error of a JOD:
median {frame.jod_std.median():.2f}. Median within-scene SRCC between truths: overall-details
{between.loc["truth_overall", "truth_details"]:.2f}, overall-exposure
{between.loc["truth_overall", "truth_exposure"]:.2f}, details-exposure
{between.loc["truth_details", "truth_exposure"]:.2f}. Images by Monk skin tone: {tone_line}.

**What it can stand for.** The shape of the task (scenes that do not share a scale, few images, noisy labels, shifts of
scene, device and person); faults that a camera commits (noise, blur, smearing, halos, exposure, casts, haze,
compression); checking code, losses, metrics and protocols against a known truth; fairness over the ten tones, which are
drawn evenly and exposed by the same rule.

**What it cannot stand for.** Real faces, real skin and real taste: expression, composition, beauty and the value of a
background play no part in the truth. The weights of the truth are ours, not people's. Bayer artefacts, multi-frame
ghosts and neural retouching are missing. A ranking of methods on this set need not hold on photographs; measure there
too.

**Licence.** Apache-2.0, like the code. Monk Skin Tone scale: Ellis Monk, CC BY 4.0.
"""
