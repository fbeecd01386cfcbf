"""The photo loader against files as people and attackers hand them in."""

import io
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hostile import BILEVEL, FINE, GREY, GREY_TARGET, JPEG, REFUSED, TARGET, encode, write_hostile
from PIL import Image

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import BadPhoto, load_photo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("a secret place")
    cases = write_hostile(path)
    assert len(cases) >= 40
    return path


def middle_of_quarters(photo):
    """Mean colours (2, 2, 3) well inside the four quarters."""
    height, width = photo.shape[0] // 2, photo.shape[1] // 2
    cell = photo[: 2 * height, : 2 * width].reshape(2, height, 2, width, 3)
    return cell[:, height // 4 : height // 2, :, width // 4 : width // 2].mean((1, 3))


@pytest.mark.parametrize("name", FINE)
def test_odd_files_show_the_photo_upright(folder, name):
    photo = load_photo(folder / name)
    assert photo.dtype == np.uint8
    assert photo.shape == TARGET.shape
    assert photo.flags.writeable
    tolerance = 12 if "cmyk" not in name else 40  # Pillow converts inks without a profile
    assert np.abs(middle_of_quarters(photo) - middle_of_quarters(TARGET)).max() < tolerance


@pytest.mark.parametrize("name", GREY)
def test_grey_of_any_depth(folder, name):
    photo = load_photo(folder / name)
    assert photo.shape == TARGET.shape
    assert np.abs(photo.astype(int) - GREY_TARGET[:, :, None]).mean() < 2


@pytest.mark.parametrize("name", BILEVEL)
def test_bilevel_is_black_and_white(folder, name):
    photo = load_photo(folder / name)
    assert np.array_equal(photo, np.where(GREY_TARGET > 100, 255, 0).astype(np.uint8)[:, :, None].repeat(3, 2))


@pytest.mark.parametrize("name", ["rgba.png", "rgba.webp", "rgba.tif"])
def test_transparency_lies_on_mid_grey(folder, name):
    assert np.array_equal(load_photo(folder / name)[44:52, 64:80], np.full((8, 16, 3), 128))


@pytest.mark.parametrize("max_side", [None, 80])
@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_sentence_without_path(folder, name, max_side):
    with pytest.raises(BadPhoto) as caught:
        load_photo(folder / name, max_side)
    text = str(caught.value)
    assert REFUSED[name][0] in text
    assert str(folder) not in text
    assert name not in text
    assert "\n" not in text
    assert text.endswith(".")
    assert isinstance(caught.value, InputError)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_nothing_is_printed_or_warned(folder):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in (*FINE, *REFUSED):
            try:
                load_photo(folder / name)
            except BadPhoto:
                continue
    assert [str(w.message) for w in caught] == []


def test_paths_that_are_no_photos(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")  # opening it would wait for ever
    for name in ("folder.jpg", "missing.jpg", "loop.jpg", "pipe.jpg", "a\0b.jpg", "x" * 5000):
        with pytest.raises(BadPhoto) as caught:
            load_photo(str(tmp_path / name))
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(JPEG)
    (tmp_path / "a.jpg").chmod(0)
    with pytest.raises(BadPhoto, match="may not be read"):
        load_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("source", [None, 3, 2.5, [1, 2], {"a": 1}, io.StringIO("text"), np.zeros((2, 2, 7), np.uint8)])
def test_other_things_are_refused(source):
    with pytest.raises(BadPhoto):
        load_photo(source)


def test_every_kind_of_source_gives_the_same_pixels(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    expected = load_photo(path)
    with path.open("rb") as file:
        assert np.array_equal(load_photo(file), expected)
        assert not file.closed
    with Image.open(path) as image:
        assert np.array_equal(load_photo(image), expected)
    for source in (str(path), JPEG, bytearray(JPEG), io.BytesIO(JPEG), expected):
        assert np.array_equal(load_photo(source), expected)


def test_a_pil_image_is_turned_and_left_alone():
    with Image.open(
        io.BytesIO(encode(TARGET, "PNG", exif=b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"))
    ) as image:
        photo = load_photo(image)
        assert photo.shape == (TARGET.shape[1], TARGET.shape[0], 3)
        assert np.array_equal(photo, np.rot90(TARGET, -1))
        assert image.size == (TARGET.shape[1], TARGET.shape[0])


def test_arrays():
    assert load_photo(TARGET) is TARGET
    for array in (TARGET.astype(np.uint16) * 257, TARGET / 255, (TARGET / 255).astype(np.float32)):
        assert np.array_equal(load_photo(array), TARGET)
    for array in (GREY_TARGET, GREY_TARGET[:, :, None]):
        assert np.array_equal(load_photo(array), GREY_TARGET[:, :, None].repeat(3, 2))
    assert np.array_equal(load_photo(GREY_TARGET > 100)[:, :, 0], (GREY_TARGET > 100) * 255)
    assert np.array_equal(load_photo(np.full((1, 5), np.nan)), np.zeros((1, 5, 3)))
    clear = np.dstack([TARGET, np.zeros(TARGET.shape[:2], np.uint8)])
    assert np.array_equal(load_photo(clear), np.full_like(TARGET, 128))
    for array in (
        TARGET.astype(int),
        TARGET.transpose(2, 0, 1),
        TARGET[:0],
        np.zeros(5, np.uint8),
        TARGET.astype(object),
    ):
        with pytest.raises(BadPhoto):
            load_photo(array)


@pytest.mark.parametrize(
    "kind, shape",
    [(kind, (300, 400)) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")]
    + [("JPEG", (400, 300)), ("JPEG", (64, 3200)), ("JPEG", (101, 777))],
)
def test_max_side_keeps_the_aspect_and_resembles_the_exact_reduction(kind, shape):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
        shape[::-1], Image.Resampling.BICUBIC
    )
    photo = load_photo(encode(smooth, kind, quality=95), max_side=100)
    exact = smooth.resize((photo.shape[1], photo.shape[0]), Image.Resampling.BICUBIC)
    assert max(photo.shape) == 100
    assert photo.shape[:2] == tuple(max(1, round(side * 100 / max(shape))) for side in shape)
    assert np.abs(photo.astype(int) - np.asarray(exact)).mean() < 4


def test_max_side_never_enlarges_and_must_be_positive():
    assert load_photo(JPEG, max_side=5000).shape == TARGET.shape
    assert load_photo(TARGET, max_side=72).shape == (48, 72, 3)
    with pytest.raises(InputError, match="max_side"):
        load_photo(JPEG, max_side=0)


def test_a_baseline_jpeg_over_the_limit_loads_only_when_the_decoder_scales_it_down():
    data = encode(Image.new("L", (10000, 7000), 90), "JPEG")
    with pytest.raises(BadPhoto, match="megapixels"):
        load_photo(data)
    photo = load_photo(data, max_side=500)
    assert photo.shape == (350, 500, 3)
    assert np.abs(photo.astype(int) - 90).max() <= 1


def test_threads_see_the_same_and_leave_the_warning_filters_alone(folder):
    names = [*list(FINE)[:12], "bomb.png", "cut.jpg"] * 4
    before = list(warnings.filters)

    def outcome(name):
        try:
            return load_photo(folder / name).tobytes()
        except BadPhoto as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(outcome, names))
    assert together == [outcome(name) for name in names]
    assert warnings.filters == before


def test_bombs_take_no_memory(folder):
    script = """
import resource, sys
from pathlib import Path
from pqa_lab.scenes.photo import BadPhoto, load_photo
load_photo(Path(sys.argv[1]) / "exif_6.heic")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
refused = 0
for path in Path(sys.argv[1]).iterdir():
    if "bomb" in path.name or "claims" in path.name:
        for max_side in (None, 100):
            try:
                load_photo(path, max_side)
            except BadPhoto:
                refused += 1
print(refused, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    refused, megabytes = map(int, done.stdout.split())
    assert refused == 2 * sum("bomb" in name or "claims" in name for name in REFUSED)
    assert megabytes < 200  # bomb.png decoded would be 144 MB in grey and 432 MB more in RGB
