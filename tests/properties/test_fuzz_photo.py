"""The photo loader on damaged files: a photo, or one sentence without a path; nothing else, ever."""

import io
import zlib

import numpy as np
import pytest
from damage import damaged, is_one_sentence, noise
from hostile import TARGET, encode, oriented
from PIL import Image

from pqa_lab.scenes.photo import MAX_MEGAPIXELS, BadPhoto, load_photo

COPIES = 90
SOUND = {
    "jpeg": oriented("JPEG", 6, gps=True, quality=90),
    "progressive jpeg": encode(TARGET, "JPEG", progressive=True),
    "png": oriented("PNG", 8),
    "palette png": encode(Image.fromarray(TARGET).quantize(16), "PNG", transparency=3),
    "webp": encode(TARGET, "WEBP"),
    "tiff": encode(TARGET, "TIFF", compression="tiff_lzw"),
    "bmp": encode(TARGET, "BMP"),
    "heif": encode(TARGET, "HEIF"),
}


def look(source, folder):
    """What came out: "photo" or the refusal."""
    try:
        photo = load_photo(source)
    except BadPhoto as refusal:
        text = str(refusal)
        assert is_one_sentence(text), text
        assert folder not in text
        assert "broken-7" not in text
        return text
    assert photo.dtype == np.uint8
    assert photo.ndim == 3
    assert photo.shape[2] == 3
    assert min(photo.shape[:2]) >= 1
    assert photo.shape[0] * photo.shape[1] <= MAX_MEGAPIXELS * 1_000_000
    return "photo"


@pytest.mark.parametrize("kind", SOUND)
def test_damage_gives_a_photo_or_a_sentence(kind, tmp_path):
    assert look(SOUND[kind], str(tmp_path)) == "photo"
    file = tmp_path / "broken-7.jpg"  # the name lies about the kind, as names do
    seen = set()
    for number, data in enumerate(damaged(SOUND[kind], COPIES, zlib.crc32(kind.encode()))):
        if number % 3:
            seen.add(look(data, str(tmp_path)))
        else:
            file.write_bytes(data)
            seen.add(look(file, str(tmp_path)))
    assert len(seen) > 1  # the damage was felt


def test_noise_is_refused(tmp_path):
    heads = [data[:12] for data in SOUND.values()] + [b"GIF89a", b"%PDF-1.7", b"PK\x03\x04", b""]
    for number, data in enumerate(noise(60, seed=3)):
        assert look(io.BytesIO(heads[number % len(heads)] + data), str(tmp_path)) != "photo"
