"""Chances of winning against votes: calibrated where they made the votes, and found out where not."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from pqa_lab.errors import InputError
from pqa_lab.evaluation.calibration import SIGMA, calibration_curve, calibration_error, predicted_chances
from pqa_lab.viz.benchmark import calibration_figure
from pqa_lab.viz.benchmark_page import win_calibration


def votes_and_scores(scenes=12, images=10, seed=0):
    rng, frames, votes = np.random.default_rng(seed), [], []
    for scene in range(scenes):
        score = 1.5 * rng.standard_normal(images)
        frames.append(pd.DataFrame({"scene": scene, "image": [f"p{i}" for i in range(images)], "score": score}))
        i, j = rng.integers(images, size=(2, 400))
        i, j = i[i != j], j[i != j]
        won = rng.random(len(i)) < ndtr((score[i] - score[j]) / SIGMA)
        names = {"first": [f"p{x}" for x in i], "second": [f"p{x}" for x in j]}
        votes.append(pd.DataFrame({"scene": scene, **names, "preferred": np.where(won, "first", "second")}))
    return pd.concat(frames, ignore_index=True), pd.concat(votes, ignore_index=True)


def test_chances_that_made_the_votes_are_calibrated_and_others_are_not():
    frame, votes = votes_and_scores(60)
    pairs = predicted_chances(frame, votes)
    curve, error = calibration_curve(pairs), calibration_error(pairs)
    assert np.allclose(curve["chance"], curve["share"], atol=0.03)
    assert curve["votes"].sum() == len(votes)
    assert error["ece"] < 2.5 * error["floor"]
    assert error["low"] <= error["high"]
    for scale in (0.3, 4.0):
        wrong = calibration_error(predicted_chances(frame, votes, scale))
        assert wrong["low"] > 0.05 > 2 * wrong["floor"]


def test_curve_by_hand():
    frame = pd.DataFrame({"scene": "s", "image": ["a", "b", "c"], "score": [1.0, 0.0, 0.0]})
    ballots = [
        ("a", "b", "first"),
        ("b", "a", "first"),
        ("b", "a", "second"),
        ("a", "b", "tie"),
        ("a", "gone", "first"),
    ]
    votes = pd.DataFrame(ballots, columns=["first", "second", "preferred"]).assign(scene="s")
    pairs = predicted_chances(frame, votes)
    assert pairs["chance"].tolist() == pytest.approx([0.75])  # one JOD
    assert pairs["votes"].tolist() == [4]
    assert pairs["wins"].tolist() == [2.5]
    assert calibration_error(pairs)["ece"] == pytest.approx(0.75 - 2.5 / 4)


def test_calibration_refuses_two_models_at_once_and_votes_on_other_photos():
    frame, votes = votes_and_scores(2)
    with pytest.raises(InputError, match="twice"):
        predicted_chances(pd.concat([frame, frame]), votes)
    with pytest.raises(InputError, match="No vote"):
        predicted_chances(frame, votes.assign(scene=99))


def test_the_figure_says_the_error_in_words():
    frame, votes = votes_and_scores()
    part = frame.rename(columns={"image": "photo"}).assign(method="set_ranker", seed=0, part="challenge")
    curves, errors = win_calibration(part, votes)
    words = calibration_figure(curves, errors).layout.meta["text"]
    assert f"{errors['challenge']['ece']:.3f}" in words
    assert list(curves) == ["challenge"]
