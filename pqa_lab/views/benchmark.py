"""What the decoder's own down-scaling saves: views of a 12-megapixel JPEG, two ways, side by side in one run.

python -m pqa_lab.views.benchmark
"""

import io
import os
import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from torch import Tensor

from pqa_lab.scenes.photo import load_photo
from pqa_lab.views.face_crop import Box, pqe_face
from pqa_lab.views.faces import Face, FaceDetector, default_detector, detect_face
from pqa_lab.views.fragments import fragments
from pqa_lab.views.resize import resize, resize_global, resize_short, to_tensor

WORKING_SIDE = 1536  # twice RQ-Net's 672 at 4:3, and a face of 20 % still has 300 pixels
MARGIN = 0.01  # of the longer side around the face, so that both ways show the same
Views = tuple[Tensor, Tensor, Tensor]


def quick_views(data: bytes, detector: FaceDetector | None = None) -> tuple[Views, Box | None]:
    """Global, fragment and face views (1, 3, 224, 224) of a JPEG that the decoder itself scales down."""
    photo = load_photo(data, max_side=WORKING_SIDE)
    box = detect_face(photo, detector)
    whole, local = resize_global(photo, 224, "imagenet"), fragments(photo, norm="imagenet")
    return (whole, local, _face(photo, box)), box


def naive_views(data: bytes, detector: FaceDetector | None = None) -> tuple[Views, Box | None]:
    """The usual way: decode all, resize from the full size each time, cut 49 patches in a loop.

    The detector gets a copy of 640 pixels here too, made by an exact resize.
    """
    photo = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    height, width = photo.shape[:2]
    scale = 640 / max(height, width)
    box = detect_face(resize(photo, round(height * scale), round(width * scale), fast=False), detector)
    box = box and tuple(round(v / scale) for v in box)
    whole = to_tensor(resize(photo, 224, 224, fast=False), "imagenet")
    small = resize_short(photo, 672, fast=False)
    cell_height, cell_width = small.shape[0] // 7, small.shape[1] // 7
    mosaic = np.zeros((224, 224, 3), np.uint8)
    for i in range(7):
        for j in range(7):
            top = i * cell_height + round((cell_height - 32) / 2)
            left = j * cell_width + round((cell_width - 32) / 2)
            mosaic[32 * i : 32 * i + 32, 32 * j : 32 * j + 32] = small[top : top + 32, left : left + 32]
    return (whole, to_tensor(mosaic, "imagenet"), _face(photo, box, fast=False)), box


def _face(photo: np.ndarray, box: Box | None, fast: bool = True) -> Tensor:
    margin = round(MARGIN * max(photo.shape))
    return to_tensor(resize(pqe_face(photo, box, margin), 224, 224, fast=fast), "imagenet")


def sample_photo(width: int = 4032, height: int = 3024) -> bytes:
    """A JPEG of natural-image statistics, 12 megapixels: 1/f noise in three correlated colours, quality 90."""
    rng = np.random.default_rng(0)
    fy, fx = np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / 1024)
    grey, tint = (np.fft.irfft2(amplitude * np.fft.rfft2(rng.normal(size=(1024, 1024)))) for _ in range(2))
    tile = np.stack([grey + share * tint for share in (0.3, 0.0, -0.3)], 2)  # (1024, 1024, 3)
    tile = 128 + 50 * (tile - tile.mean()) / tile.std()
    tiles = np.tile(tile, (height // 1024 + 1, width // 1024 + 1, 1))[:height, :width]
    buffer = io.BytesIO()
    pixels = (tiles + rng.normal(0, 1.5, tiles.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def middle(photo: np.ndarray) -> list[Face]:
    """A box where faces often are, without the cost of finding one."""
    height, width = photo.shape[:2]
    return [Face((0.4 * width, 0.3 * height, 0.6 * width, 0.6 * height), 1.0)]


def seconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """The least wall and CPU time of ``repeats`` runs."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def views_benchmark(data: bytes | None = None, repeats: int = 5) -> dict[str, float]:
    """Print, and return, what views of a 12-megapixel JPEG cost with and without the decoder's down-scaling.

    Parameters
    ----------
    data : bytes, optional
        A JPEG of your own; by default one is generated.
    repeats : int
        The least time of so many runs counts.

    Returns
    -------
    dict
        Milliseconds of CPU of each step (``quick_*``, ``naive_*``) and ``ratio``, naive over quick, for all three views
        with a detector that costs nothing; ``ratio_with_detector`` adds the default one's time to both.
    """
    data = data or sample_photo()
    detector = default_detector()
    height, width = load_photo(data).shape[:2]

    steps = {
        "decode": (
            lambda: load_photo(data, max_side=WORKING_SIDE),
            lambda: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
        ),
        "three views": (lambda: quick_views(data, middle), lambda: naive_views(data, middle)),
        "with detector": (lambda: quick_views(data, detector), lambda: naive_views(data, detector)),
    }
    print(f"{width} x {height} JPEG, {len(data) / 1e6:.1f} MB; least of {repeats} runs, {os.cpu_count()} cores")
    print(f"{'CPU milliseconds':16} {'draft':>8} {'naive':>8} {'ratio':>7}")
    answer: dict[str, float] = {}
    for name, (quick, naive) in steps.items():
        q, n = 1000 * seconds(quick, repeats)[1], 1000 * seconds(naive, repeats)[1]
        print(f"{name:16} {q:8.1f} {n:8.1f} {n / q:6.1f}x")
        key = name.replace(" ", "_")
        answer |= {f"quick_{key}": q, f"naive_{key}": n}
    quick, naive = quick_views(data, middle)[0], naive_views(data, middle)[0]
    for name, a, b in zip(("global", "fragments", "face"), quick, naive, strict=True):
        print(f"{name}: mean difference {float((a - b).abs().mean()) * 0.225 * 255:.2f} grey levels")
    answer["ratio"] = answer["naive_three_views"] / answer["quick_three_views"]
    answer["ratio_with_detector"] = answer["naive_with_detector"] / answer["quick_with_detector"]
    return answer


if __name__ == "__main__":
    views_benchmark()
