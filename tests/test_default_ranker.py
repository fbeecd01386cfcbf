"""The ranker that ships, on real portraits with faults that its training never saw in that form."""

import numpy as np
import pytest
from PIL import Image
from ranker_table import described, measured
from real_faults import DEVELOPMENT, FINAL, harmed
from scipy.ndimage import laplace
from scipy.stats import spearmanr

from pqa_lab.ranking import DEFAULT_MODEL, rank
from pqa_lab.samples import PORTRAITS
from pqa_lab.training import load_checkpoint


@pytest.fixture(scope="module", params=PORTRAITS)
def portrait(request) -> np.ndarray:
    photo = Image.fromarray(PORTRAITS[request.param]())
    photo.thumbnail((320, 320))
    return np.asarray(photo)


def ranked(photos: dict[str, np.ndarray]) -> list[str]:
    return [photo.path for photo in rank(list(photos.values()), names=list(photos)).photos]


def test_the_sharpest_photo_does_not_win_when_it_is_oversharpened(portrait):
    photos = {
        "clean": portrait,
        "blurred": harmed(DEVELOPMENT["blur"], portrait, 0.3, 0),
        "sharpened": harmed(DEVELOPMENT["sharpening"], portrait, 0.7, 0),
        "unsharp mask": harmed(FINAL["sharpening (unsharp)"], portrait, 0.9, 0),
        "more blurred": harmed(DEVELOPMENT["blur"], portrait, 0.6, 0),
    }
    energy = {name: laplace(photo.mean(2)).var() for name, photo in photos.items()}
    assert sorted(energy, key=energy.get)[-2:] in (["sharpened", "unsharp mask"], ["unsharp mask", "sharpened"])
    order = ranked(photos)
    assert order.index("clean") < min(order.index("sharpened"), order.index("unsharp mask")), order


def test_the_brightest_photo_does_not_win_when_it_is_overexposed(portrait):
    photos = {
        "clean": portrait,
        "dark": harmed(DEVELOPMENT["under (gain)"], portrait, 0.5, 0),
        "bright": harmed(DEVELOPMENT["over (gain)"], portrait, 0.7, 0),
        "lifted": harmed(FINAL["over (levels)"], portrait, 0.7, 0),
        "darker": harmed(DEVELOPMENT["under (gain)"], portrait, 0.8, 0),
    }
    assert max(photos, key=lambda name: photos[name].mean()) in ("bright", "lifted")
    order = ranked(photos)
    assert order.index("clean") < min(order.index("bright"), order.index("lifted")), order


@pytest.mark.parametrize("form", [DEVELOPMENT["cast (Lab)"], DEVELOPMENT["cast (gains)"], FINAL["cast (bulb)"]])
def test_a_colour_cast_is_seen_in_any_direction(portrait, form):
    for seed in range(3):
        photos = {str(s): harmed(form, portrait, s, seed) for s in (0.8, 0, 0.4)}
        assert ranked(photos)[0] == "0"
        assert ranked(photos)[-1] == "0.8"


@pytest.mark.slow
@pytest.mark.parametrize("half, every, lowest", [("final", 3, 0.85), ("last", 1, 0.6)])
def test_unseen_faults_of_real_portraits_are_ranked(half, every, lowest):
    table = measured(described(half, every=every), {"model": load_checkpoint(DEFAULT_MODEL)})
    single = table[table["kind"] == "single"]
    assert single["model"].mean() > 0.9
    by_name = single.groupby("name")["model"].mean()
    assert by_name.min() > lowest, by_name.sort_values()[:3]
    assert table[table["kind"] == "mixture"]["model"].mean() > 0.85
    for cue in ("variance of Laplacian", "gradient energy", "entropy"):
        assert single[cue].mean() < single["model"].mean() - 0.15
    # Faults of different kinds have no common scale of severity: the damage seen beside the unharmed picture decides.
    assert table[table["kind"].isin(("one each", "two each"))]["model ~ jod"].mean() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("side", [400, 800, 1400])
def test_a_group_keeps_its_order_at_any_resolution(side):
    photo = np.asarray(Image.fromarray(PORTRAITS["astronaut"]()).resize((side, side), Image.Resampling.BICUBIC))
    found = []
    for name in ("blur", "noise", "under (gamma)", "over (gain)", "cast (Lab)", "haze"):
        photos = [harmed(DEVELOPMENT[name], photo, s, 1) for s in np.linspace(0, 1, 5)]
        order = [int(place.path) for place in rank(photos, names=[str(i) for i in range(5)]).photos]
        found.append(spearmanr(order, np.arange(5))[0])
    assert np.mean(found) > 0.85, found
