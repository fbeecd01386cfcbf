"""The sentence must be true: faults that were put into real portraits are the faults that it names."""

import re

import numpy as np
import pytest

from pqa_lab.looks import face_crops, part_maps
from pqa_lab.ranking import Calibration, assemble
from pqa_lab.reasons import ASPECTS, MERITS, PRAISE, Measures, blockiness, explain, flat_noise, measure, measure_group
from pqa_lab.samples import PORTRAITS
from pqa_lab.simulation import apply_fault, fault_group

DETAIL = "blurred|smeared|softer"
# What a photographer would say of each fault.
WORDS = {
    "blur": DETAIL,
    "defocus": DETAIL,
    "motion": DETAIL,
    "lowres": DETAIL,
    "smear": DETAIL,
    "paint": DETAIL,
    "noise": "noisier",
    "grain": "colour noise",
    "under": "darker",
    "over": "brighter",
    "compression": "compression",
    "cast": "cooler|warmer|greener|pinker",
    "haze": "haze",
    "flat": "flatter|haze",
    "harsh": "harsher|burnt|burn out",
    "oversharpen": "over-sharpened|noisier",
    "vivid": "more saturated",
    "dull": "paler",
}


@pytest.fixture(scope="module", params=PORTRAITS)
def portrait(request):
    return PORTRAITS[request.param]()


def sentences(*photos: np.ndarray) -> list[str]:
    return explain(measure_group(photos))


@pytest.mark.slow
def test_a_fault_is_what_is_named_first(portrait):
    faults = list(WORDS)
    said = sentences(portrait, *(apply_fault(portrait, fault, 0.55, seed=3) for fault in faults))[1:]
    wrong = [(f, s) for f, s in zip(faults, said, strict=True) if not re.search(WORDS[f], s.split(";")[0])]
    # Sharpening raises noise, contrast moves the exposure: either may be said first.
    assert len(wrong) <= 2, wrong
    assert not [(f, s) for f, s in zip(faults, said, strict=True) if not re.search(WORDS[f], s)]


MERIT = {
    "blur": "crisp|texture",
    "motion": "crisp|texture",
    "smear": "texture|crisp",
    "noise": "less noise|least noise",
    "grain": "colour noise",
    "under": "stops brighter",
    "over": "burnt",
    "compression": "compression|texture|crisp",
    "haze": "blacks|no fault",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", MERIT)
def test_the_best_photo_is_praised_for_what_the_others_lack(portrait, fault):
    said = sentences(*(photo for photo, _ in fault_group(portrait, fault, n=4)))[0]
    assert re.search(MERIT[fault], said), said


def test_the_best_photo_is_never_scolded():
    grey = {name: 0.0 for name in ASPECTS} | {"edge": 1.0, "spread": 10.0, "brightness": 0.0}
    rng = np.random.default_rng(0)
    scolding = (
        "noisier|smeared|blurred|softer|darker|halos|flatter|harsher|a veil|blocks of|drowned|paler|cooler|pinker"
    )
    for _ in range(300):
        group = [grey | {n: grey[n] + rng.normal(0, 2 * ASPECTS[n][1]) for n in ASPECTS} for _ in range(4)]
        best = explain([Measures(values, None) for values in group])[0]
        assert best
        assert not re.search(scolding, best), best
        for name, (most, _) in PRAISE.items():  # a superlative is true
            if most in best:
                assert all(MERITS[name] * (group[0][name] - other[name]) >= 0 for other in group[1:])


@pytest.mark.parametrize("fault, stops_at_1", [("under", -2.6), ("over", 2.0)])
def test_stops_are_the_true_stops(portrait, fault, stops_at_1):
    for severity in (0.2, 0.4):  # more would clip, and then the stops that are seen are fewer
        said = sentences(portrait, apply_fault(portrait, fault, severity))[1]
        told = float(re.search(r"(\d\.\d) stops", said)[1]) * (1 if "brighter" in said else -1)
        assert told == pytest.approx(stops_at_1 * severity, abs=0.2)


def test_noise_is_told_in_grey_levels():
    rng = np.random.default_rng(0)
    slope = np.linspace(90, 150, 256)[:, None, None].repeat(256, 1).repeat(3, 2)
    for level in (2, 8):
        noisy = slope + rng.normal(0, level, slope.shape)
        # independent channels of one SD add up in luminance to sqrt(sum w^2) of it
        true = level * np.sqrt(np.sum(np.square([0.2126, 0.7152, 0.0722])))
        assert flat_noise(noisy.astype(np.float32))[0] == pytest.approx(true, rel=0.15)


def test_a_cast_of_known_direction(portrait):
    tinted = (portrait * np.array([1.0, 0.92, 0.8])).astype(np.uint8)
    assert "warmer" in sentences(portrait, tinted)[1]
    assert "cooler" in sentences(tinted, portrait)[1]


@pytest.mark.slow
def test_worse_photos_are_told_worse(portrait):
    group = [photo for photo, _ in fault_group(portrait, "under", n=5)]
    told = [float(re.search(r"(\d\.\d) stops", s)[1]) for s in sentences(*group)[2:]]
    assert told == sorted(told)


def test_the_same_photo_has_nothing_to_tell(portrait):
    assert sentences(portrait, portrait)[1] == "much like the first in every measured part"


def test_a_face_that_is_missed_is_measured_where_the_others_have_theirs(portrait):
    black = (portrait * 0.02).astype(np.uint8)
    known, missed = measure_group([portrait, black])
    assert known.face is not None
    assert missed.values["exposure"] < known.values["exposure"] - 3
    crops = face_crops([portrait, black], [known.face, missed.face])
    assert crops[0].shape == crops[1].shape
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.6  # what is left of it in six grey levels


def test_blocks_need_the_grid():
    smooth = np.add.outer(np.arange(128), np.arange(128))[..., None].repeat(3, 2).astype(np.uint8)
    assert blockiness(smooth) == pytest.approx(0, abs=0.1)
    stairs = (np.arange(128) // 8 * 8)[None, :, None].repeat(128, 0).repeat(3, 2).astype(np.uint8)
    assert blockiness(stairs) > 1.5  # rows have no stairs, columns have


def test_maps_show_the_fault_where_it_is():
    grey = np.full((200, 300, 3), 118, np.uint8)
    grey[:, 150:] = np.random.default_rng(0).normal(118, 10, (200, 150, 3)).clip(0, 255)
    grey[:40, :40] = 255
    maps = {part.name: part.image.astype(int) for part in part_maps(grey)}
    for name in ("Sharpness", "Noise"):
        assert maps[name][100:, 200:].mean() > maps[name][100:, 60:100].mean() + 50
    assert (maps["Exposure"][5:35, 5:35] == (213, 94, 0)).all()
    assert np.ptp(maps["Colour"][100:190, 10:140].reshape(-1, 3).mean(0)) < 3  # grey stays grey


def test_a_face_at_the_border_and_a_tiny_photo():
    tiny = np.zeros((9, 7, 3), np.uint8)
    assert np.isfinite(list(measure(tiny).values.values())).all()
    ranking = assemble(["a", "b"], [tiny, tiny + 200], np.array([0.5, -0.5]), Calibration(), [], "test")
    assert ranking.photos[0].reason
