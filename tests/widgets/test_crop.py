"""The crop viewer: what is outlined is what is shown, whatever the view."""

import numpy as np
import pytest

from pqa_lab.errors import InputError
from pqa_lab.views import detect_face, resize, resize_short
from pqa_lab.widgets import CropView, crop_viewer
from pqa_lab.widgets.crop import CROPS, FACES, FRAGMENTS, KINDS, RESIZE


@pytest.fixture
def photo():
    """Noise, so that no two places look alike; 700 x 900."""
    return np.random.default_rng(0).integers(0, 256, (700, 900, 3)).astype(np.uint8)


def cut(photo, region):
    x0, y0, x1, y1 = (round(v) for v in region)
    return photo[y0:y1, x0:x1]


@pytest.mark.parametrize("kind", CROPS)
def test_crops_are_what_their_regions_hold(photo, kind):
    look = CropView(photo, kind, seed=3)
    views, regions = look.views(), look.regions()
    assert len(views) == {"centre": 1, "five": 5, "nine": 9, "ten": 10, "random": 18, "dense": 30}[CROPS[kind]]
    for k, view in enumerate(views):
        whole = photo if k < len(regions) else photo[:, ::-1]  # the last five of ten are crops of the mirrored photo
        assert np.array_equal(view, cut(whole, regions[k % len(regions)]))


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("kind", FRAGMENTS)
def test_fragments_are_the_patches_that_are_outlined(photo, kind, random):
    look = CropView(photo, kind, random=random, seed=5)
    seen = photo if "FAST" in kind else resize_short(photo, 672)
    scale = seen.shape[0] / photo.shape[0]
    mosaic = look.views()[0]
    assert len(look.regions()) == 49
    for k, region in enumerate(look.regions()):
        i, j = divmod(k, 7)
        patch = mosaic[32 * i : 32 * i + 32, 32 * j : 32 * j + 32]
        assert np.array_equal(patch, cut(seen, [v * scale for v in region]))


def test_random_fragments_move_with_each_draw_and_fixed_ones_do_not(photo):
    look = CropView(photo, random=True)
    before = look.views()[0]
    look.draw_again()
    assert not np.array_equal(before, look.views()[0])
    fixed = CropView(photo)
    before = fixed.views()[0]
    fixed.draw_again()
    assert np.array_equal(before, fixed.views()[0])


@pytest.mark.parametrize("kind", FACES[:2])
def test_a_face_view_shows_its_region(kind):
    look = CropView(None, kind)
    assert look.face == detect_face(look.photo)
    x0, y0, x1, y1 = look.regions()[0]
    assert x0 <= look.face[0] < look.face[2] <= x1
    assert np.array_equal(look.views()[0], resize(cut(look.photo, (x0, y0, x1, y1)).copy(), 224, 224))


def test_a_photo_without_a_face_serves_as_a_whole_and_says_so():
    look = CropView(np.full((300, 400, 3), 128, np.uint8), FACES[0])
    assert look.regions() == [(0, 0, 400, 300)]
    assert "No face" in look.words()


def test_coverage_and_zoom(photo):
    assert CropView(photo, RESIZE).coverage() == 1
    assert CropView(photo, RESIZE).zoom() == pytest.approx(224 / 700)
    assert CropView(photo, "one crop, centre").coverage() == pytest.approx(224**2 / (700 * 900))
    assert CropView(photo, "fragments (FAST-VQA)").coverage() == pytest.approx(49 * 32**2 / (700 * 900))
    small = CropView(photo[:100, :150], "one crop, centre")
    assert small.zoom() == pytest.approx(2.24)
    assert "enlarged 2.2 times" in small.words()


def test_every_kind_shows_itself_live(photo):
    explorer = crop_viewer(photo)
    shown = set()
    for kind in KINDS:
        explorer.controls["kind"].value = kind
        assert explorer.message.value == ""
        assert kind in explorer.faces["pictures"].html
        shown.add(explorer.faces["pictures"].html)
    assert len(shown) == len(KINDS)
    with pytest.raises(InputError, match="no view"):
        crop_viewer(photo, "telescope")


def test_static_twin():
    shown = crop_viewer().static()
    assert len(shown.figure.data) == 6
    assert shown.table["area seen"].tolist()[0] == "100 %"
    assert len(shown.figure.to_json()) < 400_000
