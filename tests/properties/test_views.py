"""What must hold of the views of a photo of any size and content."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pqa_lab import views
from pqa_lab.methods import METHODS
from pqa_lab.views.statistics import statistics

few = settings(max_examples=25, deadline=None, derandomize=True)
LIGHT = ("hyperiqa", "rqnet")


@st.composite
def photos(draw, longest=400):
    """Any shape from a line to a square, and flat, noisy, striped or extreme content."""
    height, width = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    content = draw(st.sampled_from(["flat", "noise", "stripes", "black and white"]))
    if content == "flat":
        return np.full((height, width, 3), draw(st.integers(0, 255)), np.uint8)
    if content == "noise":
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if content == "stripes":
        return np.repeat(rng.integers(0, 256, (height, 1, 3), dtype=np.uint8), width, axis=1)
    return rng.choice(np.uint8([0, 255]), (height, width, 1)).repeat(3, axis=2)


TENSORS = {
    "global": (lambda photo, rng: views.resize_global(photo, 64), (1, 64)),
    "fragments": (lambda photo, rng: views.fragments(photo, grid=3, patch=16, short_side=96, rng=rng), (1, 48)),
    "nine fragments": (
        lambda photo, rng: views.fragments(photo, grid=3, patch=16, mode="fastvqa", layout="nine"),
        (9, 48),
    ),
    "five crops": (lambda photo, rng: views.crops(photo, 48), (5, 48)),
    "random crops": (lambda photo, rng: views.crops(photo, 48, "random", 4, rng), (4, 48)),
    "dense crops": (lambda photo, rng: views.crops(photo, 48, "dense", 6), (6, 48)),
}


@pytest.mark.parametrize("name", TENSORS)
@few
@given(photo=photos(), seed=st.integers(0, 99))
def test_tensors_have_their_shape_and_range_and_come_again(name, photo, seed):
    make, (count, side) = TENSORS[name]
    before = photo.copy()
    tensor = make(photo, np.random.default_rng(seed))
    assert tensor.shape == (count, 3, side, side)
    assert tensor.dtype == torch.float32
    # Bilinear: no value beyond those of the photo.
    assert photo.min() / 255 - 1e-6 <= tensor.min()
    assert tensor.max() <= photo.max() / 255 + 1e-6
    assert torch.equal(tensor, make(photo, np.random.default_rng(seed)))
    assert np.array_equal(photo, before)  # the photo is the caller's


@few
@given(photo=photos(), seed=st.integers(0, 99))
def test_augmentations_give_photos_and_invent_no_colour(photo, seed):
    for augment in (
        views.random_flip,
        lambda image, rng: views.random_crop(image, 32, rng),
        lambda image, rng: views.random_resized_crop(image, 32, rng),
        views.random_rotation,
    ):
        made = augment(photo, np.random.default_rng(seed))
        assert made.dtype == np.uint8
        assert made.ndim == 3
        assert min(made.shape) >= 1
        assert np.array_equal(made, augment(photo, np.random.default_rng(seed)))
        assert photo.min() <= made.min()
        assert made.max() <= photo.max()


@few
@given(photo=photos())
def test_a_mirrored_photo_has_mirrored_views(photo):
    mirror = np.ascontiguousarray(photo[:, ::-1])
    whole, turned = (views.resize(image, 48, 48, fast=False).astype(int) for image in (photo, mirror))
    assert np.abs(whole[:, ::-1] - turned).max() <= 1  # Pillow rounds to grey levels
    ten, other = (views.crops(image, 48, "ten") for image in (photo, mirror))
    # Top left and top right change places, and so do bottom left and bottom right; enlarging rounds to grey levels.
    assert (ten[[0, 1, 2, 3]].flip(-1) - other[[1, 0, 3, 2]]).abs().max() <= 2.01 / 255


@few
@given(photo=photos(longest=300), data=st.data())
def test_statistics_are_finite(photo, data):
    height, width = photo.shape[:2]
    face = None
    if min(height, width) >= 8 and data.draw(st.booleans()):
        x, y = data.draw(st.integers(0, width - 4)), data.draw(st.integers(0, height - 4))
        face = (x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height)))
    assert np.isfinite(statistics(photo, face)).all()


@few
@given(photo=photos(), data=st.data())
def test_face_crops_stay_inside(photo, data):
    height, width = photo.shape[:2]
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    face = (x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height)))
    assert views.sar_face(photo, face, at_least=16).shape[0] == views.sar_face(photo, face, at_least=16).shape[1]
    wide = views.pqe_face(photo, face)
    assert wide.shape[0] >= face[3] - face[1]
    assert wide.shape[1] >= face[2] - face[0]
    masked = views.mask_face(photo, face)
    assert masked.shape == photo.shape
    assert masked.sum(dtype=np.int64) == photo[face[1] : face[3], face[0] : face[2]].sum(dtype=np.int64)


@pytest.mark.parametrize("method", LIGHT)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(photo=photos())
def test_views_of_a_method_do_not_depend_on_the_photos_size(method, photo):
    model = METHODS[method].tiny()
    usual = np.zeros((90, 120, 3), np.uint8)
    for train in (False, True):
        look = model.views(train=train)
        made, expected = (look(image, np.random.default_rng(0)) for image in (photo, usual))
        assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in expected.items()}
        assert all(torch.isfinite(v).all() for v in made.values())
