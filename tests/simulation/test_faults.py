"""Faults of real photographs: more is worse, nothing is nothing, and the seed decides the rest."""

import numpy as np
import pytest
from skimage import data

from pqa_lab.errors import InputError
from pqa_lab.simulation import FAULTS, apply_fault, apply_faults, compare, fault_group, mixed_group


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut()[20:212, 130:322])


@pytest.mark.parametrize("fault", FAULTS)
def test_more_of_a_fault_is_further_from_the_photo_and_worse(photo, fault):
    group = fault_group(photo, fault, n=5, seed=4)
    severities = [severity for _, severity in group]
    assert severities[0] == 0
    assert severities[-1] == 1
    assert np.all(np.diff(severities) > 0)
    np.testing.assert_array_equal(group[0][0], photo)
    distance = [np.abs(p.astype(float) - photo).mean() for p, _ in group]
    assert np.all(np.diff(distance) > 0)
    jod = [compare(photo, p)["overall"] for p, _ in group]
    assert np.all(np.diff(jod) < 0)
    assert -11 < jod[-1] < -2


@pytest.mark.parametrize("fault", FAULTS)
def test_seed_fixes_the_fault_and_sizes_may_be_odd(photo, fault):
    odd = photo[:97, :141]
    one, same = (apply_fault(odd, fault, 0.6, seed=2) for _ in range(2))
    assert one.shape == odd.shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("fault", ["noise", "grain", "cast", "motion"])
def test_another_seed_gives_another_grain_hue_or_direction(photo, fault):
    assert (apply_fault(photo, fault, 0.6, seed=1) != apply_fault(photo, fault, 0.6, seed=2)).any()


def test_fault_does_what_its_name_says(photo):
    def detail(picture):
        return np.abs(np.diff(picture.astype(float), axis=1)).mean()

    for fault in ("blur", "defocus", "motion", "smear", "paint", "lowres", "haze", "flat"):
        assert detail(apply_fault(photo, fault, 0.8)) < detail(photo), fault
    for fault in ("noise", "grain", "oversharpen", "harsh"):
        assert detail(apply_fault(photo, fault, 0.8)) > detail(photo), fault
    assert apply_fault(photo, "under", 0.5).mean() < photo.mean() < apply_fault(photo, "over", 0.5).mean()
    assert np.ptp(apply_fault(photo, "dull", 1.0).astype(int), axis=2).max() <= 2


def test_smearing_keeps_edges_that_blur_loses():
    step = np.full((96, 96, 3), 60, np.uint8)
    step[:, 48:] = 200
    noisy = np.clip(step + np.random.default_rng(0).normal(0, 5, step.shape), 0, 255).astype(np.uint8)
    smeared, blurred = apply_fault(noisy, "smear", 0.5), apply_fault(noisy, "blur", 1.0)
    flat = np.s_[10:-10, 60:86]
    assert smeared[flat].std() < 0.5 * noisy[flat].std()
    edge = [int(p[48, 49, 0]) - int(p[48, 46, 0]) for p in (noisy, smeared, blurred)]
    assert edge[1] > 0.8 * edge[0] > edge[2]


def test_mixtures_span_the_range_and_name_their_faults(photo):
    group = mixed_group(photo, n=6, seed=3)
    totals = [total for _, total, _ in group]
    np.testing.assert_allclose(totals, np.linspace(0, 1, 6))
    for mixed, total, severities in group:
        assert np.isclose(np.sqrt(sum(s**2 for s in severities.values())), total)
        assert mixed.shape == photo.shape
    np.testing.assert_array_equal(group[0][0], photo)


def test_order_of_naming_faults_does_not_matter(photo):
    one = apply_faults(photo, {"noise": 0.3, "compression": 0.4}, seed=5)
    np.testing.assert_array_equal(one, apply_faults(photo, {"compression": 0.4, "noise": 0.3}, seed=5))


@pytest.mark.parametrize(
    "call",
    [
        lambda p: apply_fault(p, "scratches", 0.5),
        lambda p: apply_fault(p, "blur", 1.5),
        lambda p: apply_fault(p, "blur", float("nan")),
        lambda p: apply_fault(p.astype(float), "blur", 0.5),
        lambda p: apply_fault(p[..., 0], "blur", 0.5),
        lambda p: fault_group(p, "blur", n=1),
        lambda p: mixed_group(p, n=1),
        lambda p: mixed_group(p, faults=[]),
        lambda p: compare(p, p[:-2]),
    ],
)
def test_bad_arguments_say_what_is_wrong(photo, call):
    with pytest.raises(InputError):
        call(photo)
