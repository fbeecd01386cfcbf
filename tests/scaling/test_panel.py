"""The simulated panel does what its equation says: shares of votes against Phi, and each vice shows as itself."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from pqa_lab.errors import InputError
from pqa_lab.scaling.panel import SIGMA, Observer, Panel, make_panel, simulate_votes, vote

M = 40_000


def share_first(difference, seed=0, **vices):
    """Share of M votes for the first of two images that differ by this many JOD."""
    table = vote([difference, 0.0], np.tile([0, 1], (M, 1)), Panel((Observer("o", **vices),), seed=seed), seed=seed)
    return (table.preferred == "first").mean()


def within(share, expected):
    assert share == pytest.approx(expected, abs=4.5 * np.sqrt(0.25 / M))


@pytest.mark.parametrize("difference", [-2.0, 0.0, 0.5, 1.0, 3.0])
def test_shares_follow_the_normal_ogive(difference):
    within(share_first(difference), ndtr(difference / SIGMA))


def test_one_jod_is_75_percent():
    within(share_first(1.0), 0.75)


@pytest.mark.parametrize(
    "vices, expected",
    [
        ({"sensitivity": 0.5}, ndtr(0.5 / SIGMA)),
        ({"sensitivity": 0.0}, 0.5),
        ({"lapse": 0.4}, 0.6 * 0.75 + 0.2),
        ({"lapse": 1.0}, 0.5),
        ({"bias": 0.7}, ndtr(1.7 / SIGMA)),
        ({"reversed": True}, 0.25),
        ({"reversed": True, "bias": 0.7}, ndtr(-0.3 / SIGMA)),
    ],
)
def test_each_vice_shows_as_its_equation_says(vices, expected):
    within(share_first(1.0, **vices), expected)


def test_ties_are_the_small_felt_differences():
    table = vote([0.5, 0.0], np.tile([0, 1], (M, 1)), Panel((Observer("o", tie_width=0.8),)), seed=3)
    within((table.preferred == "tie").mean(), ndtr((0.8 - 0.5) / SIGMA) - ndtr((-0.8 - 0.5) / SIGMA))


def test_taste_belongs_to_the_observer_not_to_the_vote():
    panel = make_panel(400, taste=0.5, seed=1)
    offsets = panel.taste(50, "park")
    assert offsets.std() == pytest.approx(0.5, rel=0.03)
    np.testing.assert_array_equal(offsets, make_panel(400, taste=0.5, seed=1).taste(50, "park"))
    assert not np.allclose(offsets, panel.taste(50, "beach"))
    one = Panel((Observer("o", taste=3.0),), seed=7)
    t = one.taste(2, "park")[0]
    table = vote([0.0, 0.0], np.tile([0, 1], (M, 1)), one, seed=11, scene="park")
    within((table.preferred == "first").mean(), ndtr((t[0] - t[1]) / SIGMA))


def test_the_table_is_whole_deterministic_and_balanced():
    jods = {"a": 1.0, "b": 0.0, "c": -1.0}
    table = simulate_votes(jods, 600, observers=6, seed=5, scene="park")
    pd.testing.assert_frame_equal(table, simulate_votes(jods, 600, observers=6, seed=5, scene="park"))
    assert not table.equals(simulate_votes(jods, 600, observers=6, seed=6, scene="park"))
    assert list(table) == ["scene", "first", "second", "preferred", "observer", "answered_at"]
    assert (table["first"] != table["second"]).all()
    assert (table.observer.value_counts() == 100).all()
    assert set(table["first"]) == set(jods)
    assert not table.duplicated(["observer", "answered_at"]).any()
    pairs = table[["first", "second"]].value_counts()
    assert len(pairs) == 6
    assert pairs.min() > 60


def test_guessers_and_reversers_are_the_last_of_the_panel():
    panel = make_panel(12, guessers=2, reversers=3)
    assert [o.lapse for o in panel.observers] == [0] * 7 + [1] * 2 + [0] * 3
    assert [o.reversed for o in panel.observers] == [False] * 9 + [True] * 3


@pytest.mark.parametrize(
    "call",
    [
        lambda: Observer("o", lapse=2),
        lambda: Observer("o", sensitivity=-1),
        lambda: Panel(()),
        lambda: Panel((Observer("o"), Observer("o"))),
        lambda: make_panel(2, guessers=2, reversers=1),
        lambda: vote([0.0, 1.0], [[0, 0]], make_panel(1), 0),
        lambda: vote([0.0, 1.0], [[0, 2]], make_panel(1), 0),
        lambda: vote([0.0, np.nan], [[0, 1]], make_panel(1), 0),
        lambda: simulate_votes([0.0], 10),
    ],
)
def test_bad_input_is_one_sentence(call):
    with pytest.raises(InputError, match=r"^[^\n]+\.$"):
        call()
