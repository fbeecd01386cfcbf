"""A small scene of drawn photos and a session over it."""

import numpy as np
import pytest
from PIL import Image

from pqa_lab.scaling.session import PairSession


@pytest.fixture
def photos(tmp_path):
    """Five 300 x 400 photos: one face-like disc each, sharper from file to file; the first carries metadata."""
    y, x = np.mgrid[:400, :300]
    made = {}
    for k in range(5):
        disc = 1 / (1 + np.exp((np.hypot(x - 150, y - 180) - 90) / (12 - 2.5 * k)))
        rgb = np.stack([60 + 150 * disc, 70 + 100 * disc, 90 + 60 * disc], axis=-1).astype(np.uint8)
        made[f"phone_{k}.jpg"] = tmp_path / f"phone_{k}.jpg"
        exif = Image.Exif()
        exif[0x010F] = "SecretPhoneMaker"
        Image.fromarray(rgb).save(made[f"phone_{k}.jpg"], exif=exif, comment=b"SecretComment")
    return made


@pytest.fixture
def session(photos, tmp_path):
    return PairSession(list(photos), tmp_path / "votes.db", scene="park", observer="ada")
