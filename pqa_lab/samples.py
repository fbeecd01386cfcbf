"""Scene groups made of real photographs that come with our dependencies, put through the camera pipeline.

The astronaut Eileen Collins (NASA, in scikit-image) and Grace Hopper (US Navy, in matplotlib): public-domain portraits.
The cameras are simulated; the faces are not.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np


def astronaut() -> np.ndarray:
    """Eileen Collins, (512, 512, 3) uint8."""
    from skimage.data import astronaut as load

    return load()


def grace_hopper() -> np.ndarray:
    """Grace Hopper, (600, 512, 3) uint8."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))


PORTRAITS = {"astronaut": astronaut, "admiral": grace_hopper}


def _of_skimage(name: str) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        import skimage.data

        photo = getattr(skimage.data, name)()
        return (photo[0] if isinstance(photo, tuple) else photo)[..., :3]  # of a stereo pair, the left one

    return load


# Colour photographs of other things, to learn what undistorted pictures look like.
OBJECTS = {name: _of_skimage(name) for name in ("chelsea", "coffee", "rocket", "stereo_motorcycle")}
# name -> (portrait, faults as (name in the caption, fault, severity)), worst not always last
SAMPLES = {
    "an astronaut, six phones": "astronaut",
    "an admiral, six phones": "admiral",
}
CAMERAS = [
    ("phone A (clean)", None, 0.0),
    ("phone B (soft focus)", "blur", 0.45),
    ("phone C (noisy)", "noise", 0.6),
    ("phone D (too dark)", "under", 0.6),
    ("phone E (smeared)", "smear", 0.6),
    ("phone F (compressed)", "compression", 0.8),
]


@lru_cache(maxsize=4)
def sample_group(name: str, seed: int = 0) -> list[tuple[np.ndarray, str]]:
    """The photos of a sample scene, (H, W, 3) uint8, with captions; in an order that does not give the answer away."""
    from pqa_lab.simulation import apply_fault

    portrait = PORTRAITS[SAMPLES[name]]()
    group = [
        (portrait if fault is None else apply_fault(portrait, fault, severity, seed=seed + i), caption)
        for i, (caption, fault, severity) in enumerate(CAMERAS)
    ]
    order = np.random.default_rng(seed + 7).permutation(len(group))
    return [group[i] for i in order]
