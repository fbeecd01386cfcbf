"""A stand-in for PIQ23: its exact format and public counts, but SIMULATED numbers and drawn pictures.

PIQ23's images and everything derived from them may not be passed on, so tests and the lessons on scales use this. The
file names, columns, scene names, test scenes and totals are those that the public repository documents; the sizes of
the single scenes, every score, device and pixel are made up here. Nothing measured on it says anything about PIQ23.
"""

from io import BytesIO
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pqa_lab.scenes.piq23 import ATTRIBUTES

# First and last scene number of each condition: 14, 8, 11 and 17 scenes.
CONDITIONS = {"Indoor": (0, 13), "Lowlight": (14, 21), "Night": (22, 32), "Outdoor": (33, 49)}
TEST_SCENES = (1, 5, 10, 11, 16, 17, 20, 28, 30, 31, 33, 34, 43, 45, 46)
# The two training scenes that a substring match takes for Indoor_Scene_1 (test), and their images together.
TWINS, TWIN_IMAGES = (12, 13), 193
TRAIN_IMAGES, TEST_IMAGES, DEVICE_TEST_IMAGES = 3630, 1486, 1512
# Within a scene: correlation of the attributes, and the scale on which var(JOD) + mean(std^2) = 1.4826^2.
CORRELATION = {("Overall", "Details"): 0.72, ("Overall", "Exposure"): 0.82, ("Details", "Exposure"): 0.81}
SIGMA = 1.4826


def make_piq23_standin(
    root: str | PathLike,
    images: bool = True,
    images_per_scene: int | None = None,
    attributes: tuple[str, ...] = ATTRIBUTES,
    size: int = 64,
    seed: int = 0,
) -> Path:
    """Write the stand-in and return its folder.

    Parameters
    ----------
    root : path
        The folder to write to; created if needed.
    images : bool
        Whether to draw the images (15,348 small files for everything); without them only the tables are written.
    images_per_scene : int or None
        At most so many images a scene; None gives the public totals: 5,116 images, scene split 3,630 / 1,486, device
        split 3,604 / 1,512.
    attributes : tuple of str
        Which score tables and folders.
    size : int
        Longer side of a picture in pixels.
    seed : int
        Fixes every number and pixel.

    Returns
    -------
    Path
        The folder.
    """
    root = Path(root)
    rng = np.random.default_rng(seed)
    table = _images(rng, images_per_scene)
    latent = _latent_quality(table, rng)
    for folder in ("Scores", "Test split", "Metadata"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    scene_table = table.groupby(["SCENE", "SPLIT"], sort=False).size().rename("NB IMAGES").reset_index()
    scene_table.sort_values("SPLIT", ascending=False, kind="stable").to_csv(
        root / "Test split" / "Scene Split.csv", index=False
    )
    table[["IMAGE", "DEVICE SPLIT"]].rename(columns={"DEVICE SPLIT": "SPLIT"}).to_csv(
        root / "Test split" / "Device Split.csv", index=False
    )
    table[["IMAGE", "DEVICE"]].rename(columns={"IMAGE": "Image", "DEVICE": "Device"}).to_csv(
        root / "Metadata" / "Image Metadata.csv", index=False
    )
    for attribute in attributes:
        scores = _scores(table, latent[attribute], attribute, rng)
        scores.to_csv(root / "Scores" / f"Scores_{attribute}.csv", index=False)
        if images:
            (root / attribute).mkdir(exist_ok=True)
            for name, jod in zip(scores["IMAGE"], scores["JOD"], strict=True):
                (root / attribute / name).write_bytes(_picture(name, jod, size, rng))
    return root


def scene_sizes() -> dict[int, int]:
    """Images of each scene: made up, 50 scenes with the public totals."""
    plain = [scene for scene in range(50) if scene not in TEST_SCENES + TWINS]
    sizes = dict(zip(TEST_SCENES, _spread(TEST_IMAGES, len(TEST_SCENES)), strict=True))
    sizes |= dict(zip(TWINS, _spread(TWIN_IMAGES, len(TWINS)), strict=True))
    return sizes | dict(zip(plain, _spread(TRAIN_IMAGES - TWIN_IMAGES, len(plain)), strict=True))


def _spread(total: int, n: int) -> list[int]:
    """n sizes that add up to the total and rise evenly to 125."""
    mean = total / n
    ends = np.linspace(2 * mean - 125, 125, n).cumsum().round().astype(int)
    return np.diff(ends, prepend=0).tolist()


def _images(rng: np.random.Generator, images_per_scene: int | None) -> pd.DataFrame:
    rows, number = [], 0
    for scene, count in sorted(scene_sizes().items()):
        condition = next(name for name, (first, last) in CONDITIONS.items() if first <= scene <= last)
        for _ in range(min(count, images_per_scene or count)):
            extension = rng.choice([".jpg", ".JPG", ".jpeg", ".tiff", ".tif"], p=[0.78, 0.14, 0.03, 0.03, 0.02])
            name = f"{condition}_Scene_{scene}"
            rows.append((f"{number}_{name}{extension}", name, scene, condition))
            number += 1
    table = pd.DataFrame(rows, columns=["IMAGE", "SCENE", "SCENE IDX", "CONDITION"])
    table["SPLIT"] = np.where(table["SCENE IDX"].isin(TEST_SCENES), "Test", "Train")
    devices = np.array([f"Stand-in phone {i + 1}" for i in range(100)])
    table["DEVICE"] = rng.choice(devices, len(table))
    test = np.array(table["DEVICE"].isin(devices[:30]))
    # A few images cross over, as in the original, until the totals are right.
    wanted = round(len(table) * DEVICE_TEST_IMAGES / (TRAIN_IMAGES + TEST_IMAGES))
    cross = rng.choice(np.flatnonzero(test == (test.sum() > wanted)), abs(int(test.sum()) - wanted), replace=False)
    test[cross] ^= True
    table["DEVICE SPLIT"] = np.where(test, "Test", "Train")
    return table


def _latent_quality(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Quality of each image in the three attributes, (N, 3), correlated as attributes of one photo are."""
    matrix = np.eye(3)
    for (one, two), value in CORRELATION.items():
        i, j = ATTRIBUTES.index(one), ATTRIBUTES.index(two)
        matrix[i, j] = matrix[j, i] = value
    quality = rng.multivariate_normal(np.zeros(3), matrix, size=len(table))
    return pd.DataFrame(quality, columns=list(ATTRIBUTES))


def _scores(table: pd.DataFrame, quality: pd.Series, attribute: str, rng: np.random.Generator) -> pd.DataFrame:
    n = len(table)
    std = np.exp(rng.normal(np.log(0.37), 0.3, n))
    scene = table["SCENE"]
    # Mean 0 in every scene, and var(JOD) + mean(std^2) = SIGMA^2.
    centred = quality - quality.groupby(scene).transform("mean")
    spread = centred.groupby(scene).transform("std", ddof=0).replace(0, 1)
    noise = pd.Series(std**2).groupby(scene).transform("mean")
    jod = centred / spread * np.sqrt(np.maximum(SIGMA**2 - noise, 0.1))
    low, high = jod - std * rng.uniform(1.6, 2.3, n), jod + std * rng.uniform(1.6, 2.3, n)
    level = jod.groupby(scene).rank(method="first").sub(1)
    level = (level * 7 // scene.map(scene.value_counts())).astype(int)
    cluster = np.where(rng.random(n) < 0.16, -1.0, (jod.groupby(scene).rank(method="first") // 6).astype(float))
    comparisons = np.where(rng.random(n) < 0.002, 0.0, rng.poisson(140, n).astype(float))
    return pd.DataFrame(
        {
            "IMAGE PATH": attribute + "\\" + table["IMAGE"],
            "JOD": jod,
            "JOD STD": std,
            "CI LOW": low,
            "CI HIGH": high,
            "CI RANGE": high - low,
            "QUALITY LEVEL": level,
            "CLUSTER": cluster,
            "TOTAL COMPARISONS": comparisons,
            "IMAGE": table["IMAGE"],
            "SCENE": scene,
            "ATTRIBUTE": attribute,
            "SCENE IDX": table["SCENE IDX"],
            "CONDITION": table["CONDITION"],
        }
    ).iloc[np.argsort(table["SCENE IDX"] * 100 + jod, kind="stable")]


def _picture(name: str, jod: float, size: int, rng: np.random.Generator) -> bytes:
    """A smooth gradient under noise that falls with quality: enough for a loader, no likeness to a portrait."""
    height = max(64, round(size * 0.75))
    y, x = np.mgrid[0:height, 0 : max(64, size)]
    pixels = np.stack([x, y, x + y], axis=2) / (x + y).max() * 200 + 20  # (H, W, 3)
    pixels = pixels + rng.normal(0, max(1.0, 20 - 4 * jod), (*y.shape, 1))
    buffer = BytesIO()
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    image.save(buffer, "TIFF" if name.lower().endswith((".tif", ".tiff")) else "JPEG")
    return buffer.getvalue()
