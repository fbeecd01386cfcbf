"""The camera obeys the physics that it claims."""

from dataclasses import replace

import numpy as np
import pytest

from pqa_lab.simulation import DEVICES, Light, Shot, aim, compare, develop, ideal_shot, illuminant, shoot
from pqa_lab.simulation.camera import _optics, _sense
from pqa_lab.simulation.pixels import (
    blur,
    convolve,
    decode_jpeg,
    disc_kernel,
    enlarge,
    line_kernel,
    shrink,
    to_linear,
    to_srgb,
    to_uint8,
)
from pqa_lab.simulation.textures import dead_leaves

PLAIN = Shot(hdr=0, contrast=0, shoulder=0, jpeg=100)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    return dead_leaves((128, 128), rng, rng.uniform(0.05, 0.6, (8, 3)), 800, (1.5, 30))


def photo_of(linear, shot, seed=0):
    return decode_jpeg(develop(linear, shot, np.random.default_rng(seed)))


def test_srgb_there_and_back():
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(to_srgb(to_linear(codes))), codes)


@pytest.mark.parametrize("electrons, read", [(50, 0), (400, 3), (5000, 20)])
def test_noise_variance_is_that_of_the_model(electrons, read):
    shot = Shot(electrons=electrons, read_noise=read)
    for level in (0.1, 0.5, 1.0):
        counted = _sense(np.full((300, 300, 3), level, np.float32), shot, 1.0, np.random.default_rng(1))
        model = level / electrons + (read / electrons) ** 2
        assert np.isclose(counted.var(), model, rtol=0.03)
        assert np.isclose(counted.mean(), level, rtol=0.01)


def test_optics_move_light_about_but_neither_make_nor_lose_it():
    lamp = np.zeros((96, 96, 3), np.float32)
    lamp[44:52, 40:56] = [4.0, 2.0, 1.0]
    shot = Shot(lens_blur=1.0, defocus=3.0, motion=4.0, angle=0.7, flare=0.05)
    spread = _optics(lamp, shot, 1.0)
    np.testing.assert_allclose(spread.sum((0, 1)), lamp.sum((0, 1)), rtol=0.02)
    assert spread.max() < lamp.max()


@pytest.mark.parametrize("kernel", [disc_kernel(2.3), disc_kernel(0.2), line_kernel(7.5, 0.4), line_kernel(1.0, 2.0)])
def test_kernels_sum_to_one_and_do_not_shift(kernel):
    assert np.isclose(kernel.sum(), 1)
    centre = kernel.shape[0] // 2
    place = np.arange(kernel.shape[0]) - centre
    assert abs((kernel.sum(0) * place).sum()) < 1e-5
    assert abs((kernel.sum(1) * place).sum()) < 1e-5
    flat = np.full((20, 25, 3), 0.3, np.float32)
    np.testing.assert_allclose(convolve(flat, kernel), flat, atol=1e-5)


def test_wide_blur_keeps_the_mean_and_agrees_with_the_exact_one():
    from scipy.ndimage import gaussian_filter

    picture = blur(np.random.default_rng(0).random((101, 130)).astype(np.float32), 3.0)
    np.testing.assert_allclose(blur(picture, 12.0), gaussian_filter(picture, 12.0, mode="nearest"), atol=0.02)
    np.testing.assert_allclose(shrink(enlarge(picture[:40, :50], (80, 100)), 2), picture[:40, :50], atol=0.02)


@pytest.mark.parametrize("kelvin", [2500, 4000, 6500, 9000])
def test_white_balance_makes_grey_grey_again(kelvin):
    grey = np.full((64, 64, 3), 0.2, np.float32)
    lamp = illuminant(kelvin)
    neutral = replace(PLAIN, balance=tuple(1 / lamp))
    pixel = photo_of(grey * lamp, neutral).reshape(-1, 3).mean(0)
    assert np.ptp(pixel) < 1.5
    assert np.isclose(pixel[1], 255 * to_srgb(np.float32(0.2)), atol=1.5)


def test_warm_light_is_warm():
    assert illuminant(2500)[0] > 1 > illuminant(2500)[2]
    np.testing.assert_allclose(illuminant(6500), 1, atol=1e-6)


def test_one_stop_is_twice_the_light():
    grey = np.full((64, 64, 3), 0.1, np.float32)
    dark, bright = (to_linear(photo_of(grey, replace(PLAIN, stops=s))).mean() for s in (0, 1))
    assert np.isclose(bright / dark, 2, rtol=0.03)


@pytest.mark.parametrize(
    "name, mild, strong",
    [
        ("defocus", 2.0, 4.0),
        ("motion", 4.0, 9.0),
        ("lens_blur", 1.0, 2.0),
        ("denoise", 0.05, 0.25),
        ("sharpen", 1.5, 5.0),
        ("flare", 0.1, 0.4),
        ("stops", 0.7, 1.8),
        ("stops", -0.7, -2.0),
        ("electrons", 500, 40),
        ("saturation", 1.4, 2.0),
        ("jpeg", 60, 8),
        ("balance", (1.2, 1, 0.8), (1.6, 1, 0.6)),
    ],
)
def test_every_fault_of_a_shot_costs_and_more_of_it_costs_more(world, name, mild, strong):
    ideal = Shot()
    reference = photo_of(world, ideal)
    costs = [compare(reference, photo_of(world, replace(ideal, **{name: v})))["overall"] for v in (mild, strong)]
    assert 0 > costs[0] > costs[1]


def test_ideal_photo_is_best_and_worth_zero(world):
    light = Light("indoor", -3, 3500)
    reference = photo_of(world * illuminant(3500), ideal_shot(light))
    assert compare(reference, reference)["overall"] == 0
    for device in DEVICES.values():
        rng = np.random.default_rng(3)
        assert compare(reference, shoot(world * illuminant(3500), device, light, rng))["overall"] < -0.1


def test_a_face_counts_more_than_its_surroundings(world):
    reference = photo_of(world, Shot())
    blurred = photo_of(world, Shot(defocus=3.0))
    face = np.zeros(world.shape[:2])
    face[40:80, 40:80] = 1
    on_face, off_face = reference.copy(), blurred.copy()
    on_face[40:80, 40:80] = blurred[40:80, 40:80]
    elsewhere = reference.copy()
    elsewhere[80:120, 80:120] = blurred[80:120, 80:120]
    assert compare(reference, on_face, face)["details"] < compare(reference, elsewhere, face)["details"]
    assert off_face.shape == reference.shape


def test_devices_see_less_in_the_dark_and_a_shot_repeats_with_its_seed(world):
    day, night = Light("outdoor", 0, 6000), Light("night", -7, 6000)
    for device in DEVICES.values():
        bright, dark = (aim(world, device, light, np.random.default_rng(5)) for light in (day, night))
        assert dark.electrons < bright.electrons
        one, two = (shoot(world, device, night, np.random.default_rng(6)) for _ in range(2))
        np.testing.assert_array_equal(one, two)


def test_no_device_is_best_everywhere_but_the_edited_one(world):
    from pqa_lab.simulation.camera import Device

    assert len({d.tier for d in DEVICES.values()}) == 4
    assert sum(d.tier in ("high", "reference") for d in DEVICES.values()) == 7
    assert all(isinstance(d, Device) and d.name == name for name, d in DEVICES.items())
