"""The JOD explorer: its numbers against Thurstone's formula and counting by hand, its view against its session."""

import numpy as np
import pytest
from scipy.stats import norm

import pqa_lab.widgets
from pqa_lab.errors import InputError
from pqa_lab.widgets import JodStudy, jod_explorer


def test_probabilities_are_thurstones():
    study = JodStudy([0.0, 1.0, -2.5])
    for i, a in enumerate(study.qualities):
        for j, b in enumerate(study.qualities):
            assert study.probabilities()[i, j] == pytest.approx(norm.cdf((a - b) / 1.4826))
    assert study.probabilities()[1, 0] == pytest.approx(0.75, abs=1e-4)  # what a JOD means


def test_every_pair_gets_its_votes_and_they_follow_the_probabilities():
    study = JodStudy([0.0, 0.7, -1.0, 1.5, 0.2, 0.1], votes=4000, seed=3)
    counts, p = study.counts(), study.probabilities()
    off = ~np.eye(6, dtype=bool)
    assert (counts + counts.T)[off].tolist() == [4000] * 30
    assert (np.diag(counts) == 0).all()
    assert np.abs(counts / 4000 - p)[off].max() < 5 * 0.5 / np.sqrt(4000)


def test_votes_change_only_where_they_must():
    study = JodStudy(votes=50)
    before = study.counts()
    study.qualities[3] += 0.5
    after = study.counts()
    assert (after[:3, :3] == before[:3, :3]).all()  # pairs without the moved photo
    assert (after[3] >= before[3]).all()
    assert after[3].sum() > before[3].sum()
    twenty, forty = JodStudy(votes=20).counts(), JodStudy(votes=40).counts()
    assert ((forty - twenty)[~np.eye(4, dtype=bool)] >= 0).all()
    assert ((forty - twenty)[~np.eye(4, dtype=bool)] <= 20).all()
    study.new_votes()
    assert (study.counts() != after).any()


def test_more_votes_bring_the_scale_to_the_truth_with_narrower_intervals():
    few, many = JodStudy(votes=10).table(), JodStudy(votes=2000).table()
    assert many.truth.mean() == pytest.approx(0)
    assert np.abs(many.jod - many.truth).max() < 0.2
    # intervals shrink with the square root of the votes
    shrink = (few.ci_high - few.ci_low) / (many.ci_high - many.ci_low)
    assert shrink.mean() == pytest.approx(np.sqrt(200), rel=0.3)


def test_without_a_prior_a_photo_that_always_wins_has_no_scale_and_the_words_say_so():
    study = JodStudy([-4.0, 0.0, 4.0], votes=3, prior="none")
    assert "no finite scale" in study.scale_figure().layout.meta["text"]
    assert [trace.name for trace in study.scale_figure().data] == ["true quality"]
    study.prior = "eb"
    assert "intervals" in study.scale_figure().layout.meta["text"]


@pytest.mark.parametrize("n", [2, 7])
def test_three_to_six_photos(n):
    with pytest.raises(InputError, match="3 to 6 photos"):
        jod_explorer([0.0] * n)


def test_controls_move_the_session_and_the_faces():
    explorer = jod_explorer([0.0, 1.0, 2.0])
    before = {name: face.figure for name, face in explorer.faces.items()}
    explorer.controls["votes"].value = 100
    assert explorer.session.votes == 100
    assert "100 votes a pair" in explorer.faces["scale"].alt
    explorer.controls[("qualities", 2)].value = -3.0
    assert explorer.session.qualities == [0.0, 1.0, -3.0]
    assert all(face.figure != before[name] for name, face in explorer.faces.items())
    explorer.controls["new_votes"].click()
    assert explorer.session.seed == 1


def test_the_static_twin_has_every_setting_and_words():
    shown = jod_explorer([0.0, 1.0, 2.0]).static()
    titles = [a.text for a in shown.figure.layout.annotations]
    assert titles == ["5 votes a pair", "20 votes a pair", "100 votes a pair"]
    assert all(f"{n} votes a pair: intervals" in shown.alt for n in (5, 20, 100))
    assert len(shown.figure.data) == 6


def test_the_call_is_a_function_even_after_its_module_was_imported():
    assert callable(pqa_lab.widgets.jod_explorer)
    assert pqa_lab.widgets.jod_explorer().static().alt == pqa_lab.widgets.jod_explorer().static().alt
