"""Statistics of a photo: against scipy, against what is known of the fault, and on degenerate photos."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.data import astronaut

from pqa_lab.simulation import apply_fault
from pqa_lab.views.statistics import BOX, WINDOW, native_crop, smooth, statistic_names, statistics

FACE = (170, 60, 270, 180)


def named(photo: np.ndarray, face=FACE) -> dict[str, float]:
    return dict(zip(statistic_names(), statistics(photo, face).tolist(), strict=True))


@pytest.mark.parametrize("shape", [(64, 50), (9, 7), (3, 40), (1, 1)])
def test_windows_are_those_of_scipy(shape):
    y = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_allclose(smooth(y, WINDOW), gaussian_filter(y, 7 / 6, truncate=2.6), atol=2e-6)
    np.testing.assert_allclose(smooth(y, BOX), uniform_filter(y, 3), atol=2e-6)


@pytest.mark.parametrize(
    "fault, name, sign",
    [
        ("noise", "s1 contrast p5", 1),
        ("blur", "s1 gradient p90", -1),
        ("blur", "energy 1/2 major", -1),
        ("motion", "s1 anisotropy", 1),
        ("under", "face light", -1),
        ("over", "clipped", 1),
        ("compression", "block columns", 1),
        ("haze", "photo dark channel", 1),
        ("dull", "photo saturation", -1),
        ("oversharpen", "s1 gradient p99", 1),
    ],
)
def test_each_fault_moves_its_statistic(fault, name, sign):
    photo = astronaut()
    change = [named(apply_fault(photo, fault, s, seed=1))[name] - named(photo)[name] for s in (0.4, 0.8)]
    assert sign * change[0] > 0.05
    assert sign * change[1] > sign * change[0]


def test_a_cast_moves_the_balance_by_its_gains():
    linear = (np.full((80, 80, 3), 120) / 255) ** 2.2
    tinted = np.round(255 * (linear * [1.5, 1, 0.75]) ** (1 / 2.2)).astype(np.uint8)
    values = named(tinted, None)
    assert values["photo red pale"] == pytest.approx(np.log2(1.5), abs=0.03)
    assert values["photo blue pale"] == pytest.approx(np.log2(0.75), abs=0.03)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(8, 8), (64, 9), (700, 900)])
def test_flat_and_tiny_photos_have_finite_statistics(level, shape):
    assert np.isfinite(statistics(np.full((*shape, 3), level, np.uint8), None)).all()


def test_the_crop_is_native_pixels_on_the_grid_of_jpeg():
    photo = np.asarray(Image.fromarray(astronaut()).resize((2000, 1500)))
    crop = native_crop(photo, (1700, 1300, 1990, 1490))
    assert crop.shape == (768, 768, 3)
    rows, columns = np.nonzero((photo[::8, ::8] == crop[0, 0]).all(-1))
    assert any(
        np.array_equal(photo[8 * r : 8 * r + 768, 8 * c : 8 * c + 768], crop)
        for r, c in zip(rows, columns, strict=True)
    )


def test_structure_means_the_same_at_any_resolution():
    window = Image.fromarray(astronaut()).resize((640, 640), Image.Resampling.BICUBIC)
    large = np.asarray(window.resize((1600, 1600), Image.Resampling.BICUBIC))
    of_window, of_large = named(np.asarray(window)), named(large, tuple(2.5 * 1.25 * v for v in FACE))
    structure = [name for name in of_window if name.startswith(("s1", "s2", "s4", "energy"))]
    assert len(structure) > 60
    assert np.median([abs(of_window[name] - of_large[name]) for name in structure]) < 0.1
