"""Crops, sizes and tensors against torchvision; augmentation against its own geometry."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torchvision.transforms import ToTensor, v2

from pqa_lab.errors import InputError
from pqa_lab.views import (
    NORMS,
    crops,
    random_crop,
    random_flip,
    random_resized_crop,
    random_rotation,
    resize,
    resize_global,
    resize_short,
    to_tensor,
)
from pqa_lab.views.augment import inner_rectangle
from pqa_lab.views.crops import COUNTS, places

PHOTO = data.coffee()  # (400, 600, 3)
to_image = ToTensor()


@pytest.mark.parametrize("photo", [PHOTO, PHOTO[:, :301], data.astronaut()[:225, :224]])
@pytest.mark.parametrize("kind, reference", [("five", v2.FiveCrop(224)), ("ten", v2.TenCrop(224))])
def test_five_and_ten_equal_torchvision(photo, kind, reference):
    expected = torch.stack([to_image(crop) for crop in reference(Image.fromarray(photo))])
    assert torch.equal(crops(photo, 224, kind), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_normalisation_equals_torchvision(norm):
    expected = v2.Normalize(*NORMS[norm])(to_image(Image.fromarray(PHOTO)))
    assert torch.allclose(to_tensor(PHOTO, norm)[0], expected, atol=1e-6)
    assert torch.equal(to_tensor(PHOTO)[0], to_image(Image.fromarray(PHOTO)))


@pytest.mark.parametrize("side", [96, 224, 447])
def test_resizing_equals_torchvision_and_the_fast_way_is_close(side):
    image = Image.fromarray(PHOTO)
    assert np.array_equal(resize_short(PHOTO, side, fast=False), np.asarray(v2.Resize(side)(image)))
    square = np.asarray(v2.Resize((side, side))(image))
    assert np.array_equal(resize(PHOTO, side, side, fast=False), square)
    large = np.asarray(image.resize((2400, 1600)))
    exact = resize(large, side, side, fast=False).astype(int)
    assert np.abs(resize(large, side, side) - exact).mean() < 0.5
    assert torch.equal(resize_global(large, side)[0], to_image(Image.fromarray(resize(large, side, side))))


def test_nine_and_dense_cover_the_photo_evenly():
    assert places(400, 600, 224, "nine", 9) == [(t, x) for t in (0, 88, 176) for x in (0, 188, 376)]
    dense = places(400, 600, 224, "dense", 30)
    assert len(set(dense)) == 30
    assert sorted({t for t, _ in dense}) == [0, 44, 88, 132, 176]  # 5 rows x 6 columns for a landscape photo
    assert len({x for _, x in places(600, 400, 224, "dense", 30)}) == 5
    assert len({x for _, x in places(224, 9000, 224, "dense", 30)}) == 30  # a panorama: one row


def test_unfold_takes_even_steps_through_the_stride_32_unfolding():
    x = torch.arange(400 * 600).reshape(1, 1, 400, 600).float()
    corners = torch.nn.functional.unfold(x, 224, stride=32)[0, 0]  # the top left pixel of every patch, row by row
    step = len(corners) // 15
    expected = [(int(corners[i * step]) // 600, int(corners[i * step]) % 600) for i in range(15)]
    assert places(400, 600, 224, "unfold", 15) == expected
    assert len(places(230, 230, 224, "unfold", 15)) == 15  # fewer patches than asked for: they repeat


def test_random_crops_are_reproducible_inside_and_spread():
    one = crops(PHOTO, 224, "random", rng=np.random.default_rng(5))
    assert one.shape == (18, 3, 224, 224)
    assert torch.equal(one, crops(PHOTO, 224, "random", rng=np.random.default_rng(5)))
    assert torch.equal(crops(PHOTO, 224, "random"), crops(PHOTO, 224, "random"))  # test time: the same every time
    corners = np.array(places(226, 225, 224, "random", 500, np.random.default_rng(0)))
    assert {tuple(c) for c in corners} == {(t, x) for t in (0, 1, 2) for x in (0, 1)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (50, 2500), (224, 224), (3, 900, 1)[:2], (90, 60, 3)])
@pytest.mark.parametrize("kind", COUNTS)
def test_any_shape_gives_the_right_views(shape, kind):
    views = crops(np.full(shape, 200, np.uint8), 96, kind, norm="half")
    assert views.shape == (COUNTS[kind], 3, 96, 96)
    assert views.dtype == torch.float32
    assert torch.allclose(views, torch.tensor(2 * 200 / 255 - 1), atol=1e-6)


def test_flip_is_a_fair_coin():
    rng = np.random.default_rng(0)
    flipped = [np.array_equal(random_flip(PHOTO[:9, :9], rng), PHOTO[:9, :9][:, ::-1]) for _ in range(400)]
    assert 160 < sum(flipped) < 240
    assert crops(random_flip(PHOTO, rng, p=1.0), 96, "centre").shape == (1, 3, 96, 96)  # a mirrored view is usable


def test_training_views_are_reproducible_squares_of_any_photo():
    for shape in ((1, 1), (2, 900), (64, 3200), (400, 600, 3)):
        photo = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        for augment in (random_crop, random_resized_crop):
            views = [augment(photo, 64, np.random.default_rng(seed)) for seed in (1, 1, 2)]
            assert views[0].shape == (64, 64, 3)
            assert np.array_equal(views[0], views[1])
        turned = random_rotation(photo, np.random.default_rng(0), 30)
        assert min(turned.shape[:2]) >= 1


def test_random_resized_crop_keeps_to_its_area():
    """Of a photo whose colour is its place, the crop's range shows how much of it was taken."""
    row, column = np.mgrid[:240, :240]
    photo = np.dstack([row, column, row]).astype(np.uint8)
    for seed in range(50):
        view = random_resized_crop(photo, 240, np.random.default_rng(seed), scale=(0.25, 0.5), ratio=(1, 1)).astype(int)
        height, width = np.ptp(view[:, :, 0]) + 1, np.ptp(view[:, :, 1]) + 1
        assert 0.22 < height * width / 240**2 < 0.53


@pytest.mark.parametrize("height, width", [(300, 400), (400, 300), (200, 200), (100, 900)])
@pytest.mark.parametrize("angle", [0.0, 3.0, 17.0, 45.0, 80.0])
def test_inner_rectangle_touches_the_border_from_inside(height, width, angle):
    """Turn the rectangle's corners back into the photo: none outside, and 1 % more would be."""

    def fits(h, w):
        t = math.radians(angle)
        corners = [(sx * w / 2, sy * h / 2) for sx in (-1, 1) for sy in (-1, 1)]
        back = [(x * math.cos(t) + y * math.sin(t), y * math.cos(t) - x * math.sin(t)) for x, y in corners]
        return all(abs(x) <= width / 2 + 1e-6 and abs(y) <= height / 2 + 1e-6 for x, y in back)

    h, w = inner_rectangle(height, width, math.radians(angle))
    assert fits(h, w)
    assert not fits((h + 1) * 1.01, (w + 1) * 1.01)


def test_rotation_shows_no_filled_corner():
    white = np.full((150, 220, 3), 255, np.uint8)
    for seed in range(30):
        assert random_rotation(white, np.random.default_rng(seed), 40).min() == 255


def test_bad_input_is_told():
    for call in (
        lambda: crops(PHOTO, 224, "seven"),
        lambda: crops(PHOTO, 0),
        lambda: crops(PHOTO, 32, "random", count=0),
        lambda: to_tensor(PHOTO, "imagnet"),
        lambda: resize(PHOTO, 0, 5),
        lambda: resize(PHOTO, 5, 5, "cubic"),
        lambda: random_rotation(PHOTO, np.random.default_rng(0), 90),
    ):
        with pytest.raises(InputError):
            call()
