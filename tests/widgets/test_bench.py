"""The camera bench: knobs turn what they say, truth and prediction follow, real photos get faults instead."""

import numpy as np
import pytest

from pqa_lab import rank
from pqa_lab.errors import InputError
from pqa_lab.simulation import apply_fault, compare
from pqa_lab.widgets import CameraBench, camera_bench


@pytest.fixture(scope="module")
def bench():
    return CameraBench()


@pytest.fixture
def photo():
    from pqa_lab.samples import astronaut

    return astronaut()[:256, 100:356].copy()


def test_at_rest_the_bench_is_the_ideal_camera(bench):
    assert bench.turned() == []
    assert np.array_equal(bench.picture(), bench.reference)
    assert bench.scores()["true"] == pytest.approx(0)
    assert bench.scores()["predicted"] == pytest.approx(0, abs=1e-4)
    assert bench.scores()["chance"] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "knobs",
    [
        {"stops": -2.0},
        {"defocus": 3.0},
        {"motion": 8.0},
        {"light": -9.0},
        {"jpeg": 5.0},
        {"warmth": 1.5},
        {"sharpen": 4.0},
    ],
)
def test_a_bad_knob_costs_quality_in_truth_and_in_the_ranker_s_eyes(bench, knobs):
    turned = bench.turn(**knobs)
    assert len(turned.turned()) == 1
    scores = turned.scores()
    assert scores["true"] < -0.3
    assert scores["predicted"] < 0
    assert bench.turned() == []  # the bench itself stays as it was


def test_exposure_and_warmth_go_the_way_that_they_say(bench):
    middle = bench.reference.astype(float)
    assert bench.turn(stops=1).picture().mean() > middle.mean() > bench.turn(stops=-1).picture().mean()
    ratio = [(p[..., 0].mean() / p[..., 2].mean()) for p in (bench.turn(warmth=1).picture(), middle)]
    assert ratio[0] > ratio[1] * 1.2


@pytest.mark.slow
def test_scores_are_rank_s_and_compare_s(bench):
    turned = bench.turn(defocus=2)
    photo = turned.picture()
    ranking = rank([bench.reference, photo], names=["reference", "photo"])
    jod = {p.path: p.score for p in ranking.photos}
    assert turned.scores()["predicted"] == pytest.approx(jod["photo"] - jod["reference"], abs=0.05)
    assert turned.scores()["true"] == compare(bench.reference, photo, bench.mask)["overall"]


def test_a_photo_gets_faults(photo):
    bench = CameraBench(photo, faults=("blur", "noise"))
    assert np.array_equal(bench.picture(), photo)
    turned = bench.turn(noise=0.8)
    assert np.array_equal(turned.picture(), apply_fault(photo, "noise", 0.8, 0))
    assert turned.scores()["true"] < bench.scores()["true"]
    with pytest.raises(InputError, match="no fault"):
        CameraBench(photo, faults=("gravity",))
    with pytest.raises(InputError, match="no knob"):
        bench.turn(stops=1)


def test_a_device_turns_the_knobs_and_reset_turns_them_back():
    explorer = camera_bench()
    start = explorer.faces["photo"].html
    explorer.controls["camera"].value = "pebble"
    assert explorer.controls["values", list(explorer.session.knobs).index("jpeg")].value == 66
    assert explorer.faces["photo"].html != start
    assert "JPEG quality 66" in explorer.faces["photo"].html
    explorer.controls["reset"].click()
    assert explorer.session.turned() == []
    assert explorer.controls["camera"].value == "ideal"
    assert explorer.faces["photo"].html == start


@pytest.mark.slow
def test_static_twin(bench):
    shown = bench.static({"blurred": {"defocus": 2.0}, "dark": {"stops": -2.0}})
    assert shown.table.photo.tolist() == ["blurred", "dark"]
    assert (shown.table.predicted < 0).all()
    assert len(shown.figure.data) == 3
    assert "defocus, pixels 2" in shown.alt
