"""Intervals: their formula, what they must do under doubling and missing data, and whether they hold the truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from pqa_lab.errors import InputError
from pqa_lab.scaling import SIGMA, JodScale, scale, scale_counts
from pqa_lab.scaling.panel import make_panel, simulate_votes
from pqa_lab.scaling.result import adjust
from pqa_lab.scaling.studies import coverage_study, speed_benchmark

TRUTH = np.array([1.6, 0.9, 0.1, -0.4, -2.2])


def votes_of(observers=12, votes=720, taste=0.4, seed=0, truth=TRUTH):
    return simulate_votes(truth, votes, make_panel(observers, taste=taste, seed=seed), seed)


def test_sandwich_is_its_formula():
    """Score and information summed vote by vote from phi / Phi, each observer left out by an exact solve."""
    votes, prior = votes_of(), 1.3
    found = scale(votes, prior=prior)
    q, n = found.table["jod"].to_numpy(), 5
    score, information = {}, {}
    for row in votes.itertuples():
        won, lost = (row.first, row.second) if row.preferred == "first" else (row.second, row.first)
        e = np.zeros(n)
        e[won], e[lost] = 1, -1
        x = (q[won] - q[lost]) / SIGMA
        r = norm.pdf(x) / norm.cdf(x)
        score[row.observer] = score.get(row.observer, 0) + r / SIGMA * e
        information[row.observer] = information.get(row.observer, 0) + r * (x + r) / SIGMA**2 * np.outer(e, e)
    whole = sum(information.values()) + np.eye(n) / prior**2
    mean, k = sum(score.values()) / len(score), len(score)
    expected = np.linalg.inv(whole) @ np.linalg.inv(whole) / prior**2
    for name in score:
        move = np.linalg.solve(whole - information[name], score[name] - mean)
        expected = expected + (k - 1) / k * np.outer(move, move)
    centre = np.eye(n) - 1 / n
    expected = centre @ expected @ centre
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-2, atol=1e-5)  # a series of leverage^k, cut at 3
    half = (found.table["ci_high"] - found.table["ci_low"]) / 2
    np.testing.assert_allclose(half, t.ppf(0.975, k - 1) * found.table["se"], atol=1e-9)


def test_laplace_without_observers_is_the_inverse_information_and_the_report_says_so():
    c = np.array([[0, 60], [40, 0]])
    found = scale_counts(c, prior="none")
    x = norm.ppf(0.6)
    information = 100 * norm.pdf(x) ** 2 / (0.6 * 0.4) / SIGMA**2  # of the difference
    assert found.difference(0, 1)["se"] == pytest.approx(information**-0.5, rel=1e-6)
    assert any("Laplace" in note for note in found.report["notes"])


@pytest.mark.parametrize("ci", ["sandwich", "bootstrap"])
def test_twice_the_observers_shrink_the_error_by_root_two(ci):
    votes = votes_of(observers=25, votes=2500)
    double = pd.concat([votes, votes.assign(observer=votes["observer"] + "'")])
    one, two = (scale(v, prior="none", ci=ci, resamples=2000).table["se"] for v in (votes, double))
    correction = np.sqrt((25 / 24) / (50 / 49)) if ci == "sandwich" else 1
    np.testing.assert_allclose(one / two, np.sqrt(2) * correction, rtol=0.01 if ci == "sandwich" else 0.07)


def test_doubled_counts_shrink_laplace_by_root_two():
    c = np.array([[0, 7, 9], [3, 0, 5], [2, 6, 0]])
    one, two = scale_counts(c, prior="none").table["se"], scale_counts(2 * c, prior="none").table["se"]
    np.testing.assert_allclose(one / two, np.sqrt(2), rtol=1e-5)


@pytest.mark.parametrize("prior", ["eb", "none"])
def test_bootstrap_and_sandwich_agree(prior):
    votes = votes_of(observers=40, votes=4000)
    a = scale(votes, prior=prior).table["se"]
    b = scale(votes, prior=prior, ci="bootstrap", resamples=1500).table["se"]
    np.testing.assert_allclose(a, b, rtol=0.12)


def test_taste_widens_clustered_intervals_but_not_laplace():
    votes = votes_of(observers=20, votes=6000, taste=1.0)
    clustered = scale(votes).table["se"].mean()
    assert clustered > 2 * scale(votes.drop(columns="observer")).table["se"].mean()


def test_an_image_without_votes_is_never_narrow():
    votes = votes_of()
    everything = [*range(5), "never shown"]
    votes = votes.astype({"first": object, "second": object})
    for ci in ("sandwich", "bootstrap"):
        found = scale(votes, ci=ci, images=everything, resamples=800)
        table = found.table.set_index("image")
        sd = found.report["prior_sd"]
        assert table.loc["never shown", "se"] == pytest.approx(sd * np.sqrt(1 + 1 / 5), rel=0.08)
        assert table.loc["never shown", "se"] > 2 * table.loc[range(5), "se"].max()
        assert found.report["uncompared"] == ["never shown"]
    bare = scale(votes, "none", images=everything)
    assert bare.table.set_index("image").loc["never shown", ["jod", "se", "ci_low", "ci_high"]].isna().all()
    assert np.isfinite(bare.table["jod"][:5]).all()
    assert len(bare.differences()) == 10
    assert any("never" in note.lower() for note in bare.report["notes"])


def test_one_observer_is_said_and_two_are_wide():
    votes = votes_of()
    alone = scale(votes[votes["observer"] == votes["observer"][0]])
    assert any("One observer" in note for note in alone.report["notes"])
    assert alone.report["degrees_of_freedom"] is None
    with pytest.raises(InputError, match="at least two observers"):
        scale(votes[votes["observer"] == votes["observer"][0]], ci="bootstrap")
    two = scale(votes[votes["observer"].isin(votes["observer"].unique()[:2])])
    assert (two.table["ci_high"] - two.table["ci_low"]).min() > 20 * two.table["se"].min()


def test_lost_resamples_are_counted():
    votes = votes_of(observers=6, votes=72, truth=np.array([2.5, 1, 0, -1, -2]), seed=4)
    found = scale(votes, "none", "bootstrap", resamples=200)
    note = next(note for note in found.report["notes"] if "no finite optimum" in note)
    assert int(note.split()[0]) == 200 - len(found.samples) > 0
    assert len(scale(votes, "eb", "bootstrap", resamples=200).samples) == 200


def test_percentile_interval_and_bootstrap_of_single_votes():
    found = scale(votes_of().drop(columns="observer"), ci="bootstrap", interval="percentile", resamples=300)
    low = np.percentile(found.samples, 2.5, axis=0, method="hazen")
    np.testing.assert_allclose(found.table["ci_low"], low, atol=1e-9)
    assert any("single votes" in note for note in found.report["notes"])
    again = scale(votes_of().drop(columns="observer"), ci="bootstrap", interval="percentile", resamples=300)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_no_intervals_on_request():
    table = scale(votes_of(), ci="none").table
    assert table[["se", "ci_low", "ci_high"]].isna().all(axis=None)
    assert table["jod"].notna().all()


def test_differences_use_the_covariance_and_no_gauge():
    votes = votes_of()
    here, moved = scale(votes), scale(votes, reference=3)
    one, other = here.difference(0, 4), moved.difference(0, 4)
    for name in one:
        assert one[name] == pytest.approx(other[name], abs=1e-9)
    v = here.covariance
    assert one["se"] == pytest.approx(np.sqrt(v[0, 0] + v[4, 4] - 2 * v[0, 4]))
    pairs = here.differences(correction=None)
    assert len(pairs) == 10
    row = pairs[(pairs["better"] == 0) & (pairs["worse"] == 4)].iloc[0]
    assert row["p"] == pytest.approx(one["p"])
    assert row["win_probability"] == pytest.approx(norm.cdf(one["difference"] / SIGMA))


def test_corrections_for_many_pairs():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjust(p, "holm"), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(adjust(p, "bh"), [0.02, 0.04, 0.04, 0.02])
    assert (adjust(p, None) == p).all()
    with pytest.raises(InputError):
        adjust(p, "bonferroni")


def test_levels_separate_what_is_significant():
    truth = np.array([3.0, 3.0, 0.0, 0.0, -3.0])
    levels = scale(votes_of(observers=20, votes=4000, taste=0.0, truth=truth)).levels()
    assert levels.tolist() == [1, 1, 2, 2, 3]


def test_images_of_two_scenes_have_no_difference():
    both = scale(pd.concat([votes_of().assign(scene="a"), votes_of(seed=1).assign(scene="b")]))
    with pytest.raises(InputError, match="say which scene|Say which scene"):
        both.difference(0, 1)
    assert isinstance(both["a"], JodScale)
    with pytest.raises(InputError, match="share no scale"):
        scale(votes_of()).difference(0, "of another scene")


def test_coverage_small():
    """A small twin of `python -m pqa_lab.scaling.studies coverage`: 60 scenes, 1500 intervals a design."""
    table = coverage_study(60, designs=[(25, 20, 150, 0.5), (25, 10, 60, 0.0)], echo=lambda *a, **k: None)
    assert table["coverage"].between(0.92, 0.98).all()


@pytest.mark.slow
def test_coverage():
    table = coverage_study(150, echo=lambda *a, **k: None)
    assert table["coverage"].between(0.93, 0.97).all()


def test_speed_benchmark_compares_the_same_fits():
    pytest.importorskip("choix")
    lines = []
    figures = speed_benchmark(
        scenes=2, images=15, observers=6, votes=300, resamples=5, baseline_fits=2,
        echo=lambda *a, **k: lines.extend(a),
    )  # fmt: skip
    assert figures["fits"] == 12
    assert figures["largest_difference"] < 1e-4
    assert figures["lbfgs_ratio"] == pytest.approx(figures["lbfgs"] / figures["ours"])
    assert any("choix" in line for line in lines)
