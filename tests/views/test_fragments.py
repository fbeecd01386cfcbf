"""Fragments against naive loops."""

import numpy as np
import pytest
import torch
from skimage import data

from pqa_lab.errors import InputError
from pqa_lab.views import fragments, resize_short
from pqa_lab.views.fragments import LAYOUTS, random_offsets, slack, splice

SHAPES = [(672, 900, 3), (1000, 701, 3), (224, 224, 3), (237, 455, 3)]


def where(shape):
    """A photo whose channels say where each pixel is: row, column (mod 256) and which 256-block."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    return np.dstack([row % 256, column % 256, row // 256 * 16 + column // 256]).astype(np.uint8)


def naive(photo, grid, patch, rows, columns):
    mosaic = np.zeros((grid * patch, grid * patch, 3), np.uint8)
    for i in range(grid):
        for j in range(grid):
            top = i * (photo.shape[0] // grid) + rows[i, j]
            left = j * (photo.shape[1] // grid) + columns[i, j]
            for y in range(patch):
                for x in range(patch):
                    mosaic[i * patch + y, j * patch + x] = photo[top + y, left + x]
    return mosaic


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["rqnet", "fastvqa"])
@pytest.mark.parametrize("grid, patch", [(7, 32), (3, 16), (1, 20)])
def test_equals_naive_loops(shape, mode, grid, patch):
    photo = where(shape)
    ours = fragments(photo, grid, patch, mode, rng=np.random.default_rng(3), short_side=None)
    rows, columns = random_offsets(shape, grid, patch, mode, np.random.default_rng(3))
    assert ours.shape == (1, 3, grid * patch, grid * patch)
    assert ours.dtype == torch.float32
    expected = naive(photo, grid, patch, rows, columns)
    assert np.array_equal((ours[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8), expected)


@pytest.mark.parametrize("mode", ["rqnet", "fastvqa"])
def test_offsets_stay_in_their_cells_and_reach_every_place(mode):
    down, right = slack((240, 300, 3), 7, 32)
    rng = np.random.default_rng(0)
    draws = [random_offsets((240, 300, 3), 7, 32, mode, rng) for _ in range(400)]
    rows, columns = np.stack([d[0] for d in draws]), np.stack([d[1] for d in draws])
    assert set(rows.ravel()) == set(range(down + 1))
    assert set(columns.ravel()) == set(range(right + 1))
    shared = (rows == rows[:, :, :1]).all() and (columns == columns[:, :1, :]).all()
    assert shared == (mode == "rqnet")  # RQ-Net: one number a grid row and a grid column


def test_no_mini_patch_leaves_the_photo_or_its_cell():
    shape = (7 * 40 + 6, 7 * 50 + 3, 3)
    photo = where(shape)
    cell = np.arange(shape[0])[:, None] // 40 * 7 + np.arange(shape[1])[None] // 50
    marked = np.dstack([cell, cell, cell]).astype(np.uint8)
    for seed in range(20):
        rows, columns = random_offsets(photo.shape, 7, 32, "fastvqa", np.random.default_rng(seed))
        mosaic = splice(marked, 7, 32, rows, columns)[:, :, 0].reshape(7, 32, 7, 32)
        assert np.array_equal(mosaic.min((1, 3)), np.arange(49).reshape(7, 7))
        assert np.array_equal(mosaic.max((1, 3)), np.arange(49).reshape(7, 7))


def test_nine_layouts_are_corners_edges_and_centre_in_every_cell():
    photo = where((7 * 96, 7 * 96, 3))
    views = (fragments(photo, layout="nine") * 255).round().to(torch.uint8)
    assert views.shape == (9, 3, 224, 224)
    room = 96 - 32
    starts = [(top, left) for top in (0, room // 2, room) for left in (0, room // 2, room)]
    for view, (top, left) in zip(views, starts, strict=True):
        for i, j in ((0, 0), (3, 5), (6, 6)):
            corner = view[:2, i * 32, j * 32].tolist()
            assert corner == [(i * 96 + top) % 256, (j * 96 + left) % 256]


def test_mean_of_nine_layouts_of_a_ramp_is_the_centre_layout():
    """Offsets are symmetric about the centre, so on any linear photo their mean is the centre's mosaic."""
    ramp = np.broadcast_to(np.linspace(0, 255, 672)[:, None, None], (672, 672, 3))
    nine = fragments(ramp / 255, layout="nine").mean(0)
    assert (nine - fragments(ramp / 255)[0]).abs().max() < 1.01 / 255


def test_rng_reproduces_and_varies():
    photo = data.astronaut()
    one, same, other = (fragments(photo, rng=np.random.default_rng(seed), count=2) for seed in (1, 1, 2))
    assert one.shape == (2, 3, 224, 224)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])
    assert torch.equal(fragments(photo), fragments(photo))


def test_rqnet_resizes_the_short_side_and_fastvqa_does_not():
    photo = data.coffee()  # (400, 600)
    assert torch.equal(fragments(photo), fragments(resize_short(photo, 672), short_side=None))
    assert torch.equal(fragments(photo, mode="fastvqa"), fragments(photo, short_side=None))
    assert not torch.equal(fragments(photo), fragments(photo, mode="fastvqa"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (30, 40), (64, 3200), (3, 3, 1), (223, 224, 3)])
@pytest.mark.parametrize("mode", ["rqnet", "fastvqa"])
def test_any_shape_gives_the_mosaic(shape, mode):
    photo = np.full(shape, 77, np.uint8)
    views = fragments(photo, mode=mode, rng=np.random.default_rng(0))
    assert views.shape == (1, 3, 224, 224)
    assert torch.allclose(views, torch.tensor(77 / 255))


def test_bad_input_is_told():
    with pytest.raises(InputError, match="mode"):
        fragments(data.coffee(), mode="slow")
    with pytest.raises(InputError, match="grid"):
        fragments(data.coffee(), grid=0)
    with pytest.raises(InputError, match="layout"):
        fragments(data.coffee(), layout="ten")
    assert set(LAYOUTS) == {"centre", "five", "nine"}
