"""The leaderboard: shares against a naive loop over draws, ties, undefined scenes, and the view."""

from statistics import mean, median

import numpy as np
import pandas as pd
import pytest

from pqa_lab.errors import InputError
from pqa_lab.evaluation import table1
from pqa_lab.widgets import Leaderboard, challenge_like, leaderboard


@pytest.fixture
def scenes():
    rng = np.random.default_rng(0)
    value = rng.normal([[0.5, 0.48, 0.3]], 0.2, (12, 3)).round(2)  # (S, M)
    return pd.DataFrame(
        [(m, s, value[s, k]) for k, m in enumerate("abc") for s in range(12)], columns=["method", "scene", "srcc"]
    )


@pytest.mark.parametrize(("statistic", "naive"), [("median", median), ("mean", mean)])
def test_places_equal_a_naive_loop_over_the_same_draws(scenes, statistic, naive):
    board = Leaderboard(scenes, statistic=statistic, scenes=9, resamples=150, seed=4)
    values = board.values()
    rng = np.random.default_rng(4)  # the draws of `replicates`: one matrix of scene numbers
    draws = rng.integers(9, size=(150, 9))
    expected = np.zeros((3, 3))
    for draw in draws:
        got = [round(naive([values[s, k] for s in draw]), 9) for k in range(3)]
        for k in range(3):
            above, tied = sum(g > got[k] for g in got), sum(g == got[k] for g in got)
            for place in range(above, above + tied):
                expected[k, place] += 1 / tied / 150
    assert board.places() == pytest.approx(expected, abs=0.02)  # means may tie up to rounding
    assert board.wins().sum() == pytest.approx(1)
    assert board.places().sum(axis=0) == pytest.approx(np.ones(3))
    assert board.places().sum(axis=1) == pytest.approx(np.ones(3))


def test_twins_share_every_place_and_a_method_that_is_always_better_always_wins(scenes):
    a = scenes[scenes.method == "a"]
    twins = Leaderboard(pd.concat([a, a.assign(method="twin")]))
    assert twins.wins() == pytest.approx([0.5, 0.5])
    best = Leaderboard(pd.concat([scenes, a.assign(method="best", srcc=0.99)]))
    assert best.wins() == pytest.approx([0, 0, 0, 1])
    assert best.table().method[0] == "best"
    assert "wins 100 %" in best.words()


def test_undefined_scenes_are_left_out_and_a_method_without_any_never_wins(scenes):
    scenes = scenes.copy()
    scenes.loc[scenes.method == "b", "srcc"] = np.nan
    board = Leaderboard(scenes)
    assert board.wins()[1] == 0
    assert board.wins().sum() == pytest.approx(1)


def test_low_errors_win():
    frame = challenge_like(scenes=4).query("method in ('RQ-Net', 'SAR')")
    board = Leaderboard(frame, metric="mae")
    assert board.table().value.is_monotonic_increasing
    assert (board.table().low <= board.table().high).all()
    assert (board.table().value > 0).all()


def test_the_simulated_scorers_are_as_good_as_printed():
    printed = table1().set_index("method")["challenge_srcc"]
    seeds = [Leaderboard(challenge_like(seed=seed), resamples=2).table().set_index("method") for seed in range(4)]
    mean_of_seeds = pd.concat([table["value"] for table in seeds], axis=1).mean(axis=1)
    assert (mean_of_seeds - printed).abs().max() < 0.07


def test_with_more_scenes_the_winner_is_surer():
    frame = challenge_like(seed=1)
    entropy = []
    for n in (6, 96):
        boards = [Leaderboard(frame, scenes=n, seed=seed, resamples=300).wins() for seed in range(5)]
        entropy.append(np.mean([-(w[w > 0] * np.log(w[w > 0])).sum() for w in boards]))
    assert entropy[1] < entropy[0]


def test_bad_tables_get_one_sentence(scenes):
    with pytest.raises(InputError, match="at least two methods"):
        Leaderboard(scenes[scenes.method == "a"])
    with pytest.raises(InputError, match="twice"):
        Leaderboard(pd.concat([scenes, scenes]))
    with pytest.raises(InputError, match="no metric"):
        leaderboard(scenes, metric="beauty")
    with pytest.raises(InputError, match="names the method"):
        Leaderboard(scenes, by="team")


def test_controls_change_table_and_places(scenes):
    explorer = leaderboard(scenes)
    before = explorer.faces["table"].html, explorer.faces["places"].figure
    explorer.controls["scenes"].value = 4
    assert explorer.session.scenes == 4
    assert explorer.faces["table"].html != before[0]
    assert explorer.faces["places"].figure != before[1]
    assert explorer.faces["places"].alt.startswith("4 scenes")
    explorer.controls["draw_again"].click()
    assert explorer.session.seed == 1


def test_other_scenes_make_another_study():
    explorer = leaderboard()
    before = explorer.session.table()
    explorer.controls["draw_again"].click()
    assert (explorer.session.table().value != before.value).any()
    assert explorer.session.wins().sum() == pytest.approx(1)


def test_the_static_twin_compares_study_sizes(scenes):
    shown = leaderboard(scenes).static()
    assert [a.text for a in shown.figure.layout.annotations] == ["2 scenes", "4 scenes", "12 scenes"]
    assert list(shown.table.columns) == ["method", "wins with 2 scenes", "wins with 4 scenes", "wins with 12 scenes"]
