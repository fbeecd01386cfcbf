"""What the report must notice, what it must not invent, and how published scales are imitated."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from pqa_lab.errors import InputError
from pqa_lab.scaling import SIGMA, held_out, observers, report_text, residuals, scale, scale_counts, standardize
from pqa_lab.scaling.panel import make_panel, simulate_votes, vote

rng = np.random.default_rng(7)
TRUTH = rng.normal(0, 1.42, 12)


def honest(n=20, votes=3000, seed=0, **people):
    return simulate_votes(TRUTH, votes, make_panel(n, seed=seed, **people), seed)


def ring(n, votes=6):
    """Images on a ring, every neighbour pair half and half, one more for the first."""
    c = np.zeros((n, n), int)
    for k in range(n):
        c[k, (k + 1) % n], c[(k + 1) % n, k] = votes // 2 + 1, votes // 2
    return c


def two_rings(bridge=(0, 0)):
    c = np.zeros((8, 8), int)
    c[:4, :4] = c[4:, 4:] = ring(4)
    c[1, 6], c[6, 1] = bridge
    return c


def test_groups_without_a_link_are_refused_named_or_scaled_apart():
    with pytest.raises(InputError, match=r"2 groups .*\(0, 1, 2, 3\); \(4, 5, 6, 7\)"):
        scale_counts(two_rings())
    apart = scale_counts(two_rings(), link="separate")
    assert apart.scenes == ["all [group 1]", "all [group 2]"]
    alone = scale_counts(ring(4)).table
    for group in apart.scenes:
        np.testing.assert_allclose(apart[group].table["jod"], alone["jod"], atol=1e-6)
    joined = scale_counts(two_rings(), link="pwcmp")
    assert any("Made-up 1:1 votes" in note for note in joined.report["notes"])


def test_bridges_are_found_and_named():
    report = scale_counts(two_rings((1, 1))).report
    assert report["bridges"] == [[1, 6, 2.0]]
    assert report["groups"] == 1
    assert any("hang on 1 bridge" in note for note in report["notes"])
    assert scale_counts(ring(5)).report["bridges"] == []
    chain = scale_counts([[0, 3, 0], [2, 0, 3], [0, 2, 0]]).report["bridges"]
    assert [b[:2] for b in chain] == [[0, 1], [1, 2]]


def test_reports_are_plain_json():
    for found in (scale_counts(ring(4)), scale(honest()), scale_counts(ring(4), prior="none", ci="none")):
        assert json.loads(json.dumps(found.report, allow_nan=False)) == found.report


def test_strong_components_winners_and_losers():
    c = np.array([[0, 3, 4, 2], [0, 0, 2, 5], [0, 2, 0, 5], [0, 0, 0, 0]])
    report = scale_counts(c).report
    assert report["strong_components"] == 3
    assert report["always_winners"] == [0]
    assert report["always_losers"] == [3]


def test_circular_triads_by_listing_them():
    c = rng.integers(0, 4, (9, 9)) * (1 - np.eye(9, dtype=int))
    circular = settled = 0
    for i, j, k in itertools.combinations(range(9), 3):
        signs = [np.sign(c[i, j] - c[j, i]), np.sign(c[j, k] - c[k, j]), np.sign(c[k, i] - c[i, k])]
        settled += 0 not in signs
        circular += abs(sum(signs)) == 3
    report = scale_counts(c).report
    assert (report["circular_triads"], report["triads"]) == (circular, settled)


def test_fit_accepts_one_dimension_and_refuses_two():
    def counts(p, n=40):
        won = np.random.default_rng(0).binomial(n, np.triu(p, 1))
        return won + np.triu(n - won, 1).T

    good = norm.cdf((TRUTH[:, None] - TRUTH) / SIGMA)
    plane = rng.normal(0, 1, (12, 2))
    twisted = norm.cdf(plane[:, :1] * plane[:, 1] - plane[:, 1:] * plane[:, 0])  # antisymmetric, no order at all
    fine, bad = scale_counts(counts(good)).report, scale_counts(counts(twisted)).report
    assert fine["fit_degrees"] == 66 - 11
    assert fine["fit_p"] > 0.01 > bad["fit_p"]
    assert "does NOT explain" in report_text(scale_counts(counts(twisted)))
    worst = residuals(scale_counts(counts(twisted)))
    assert abs(worst["residual"][0]) > 4
    # few votes a pair: chi-square would mislead
    assert scale_counts(np.minimum(counts(good), 1)).report["fit_p"] is None


def test_a_million_votes_a_pair_do_not_break_the_report():
    report = scale_counts(1000 * ring(5, 1000)).report
    assert np.isfinite([report["deviance"], report["chi_square"]]).all()


def test_reversed_and_guessing_observers_stand_out_and_honest_ones_do_not():
    panel = make_panel(20, guessers=1, reversers=1)
    people = [o.name for o in panel.observers]
    false = 0
    for seed in range(4):
        table = observers(scale(simulate_votes(TRUTH, 3000, panel, seed)))
        outliers = set(table.loc[table["outlier"], "observer"])
        assert {people[-1], people[-2]} <= outliers
        false += len(outliers) - 2
        assert table["observer"][0] == people[-1]
        assert table["agreement"][0] < 0.4
    assert false <= 1
    assert scale(simulate_votes(TRUTH, 3000, panel, 0)).report["outliers"][0] == people[-1]


def test_observers_who_saw_only_hard_pairs_are_not_blamed():
    """Half of the observers see near pairs only: their many 'errors' are the pairs' fault."""
    order = np.argsort(TRUTH)
    near = [(order[k], order[k + 1]) for k in range(11)]
    generator = np.random.default_rng(0)
    false, z = 0, []
    for seed in range(5):
        panel = make_panel(20, seed=seed)
        easy = generator.integers(12, size=(1500, 2))
        easy = easy[easy[:, 0] != easy[:, 1]]
        hard = np.array(near)[generator.integers(11, size=1500)]
        pairs = np.concatenate([easy, hard])
        who = np.r_[generator.integers(0, 10, len(easy)), generator.integers(10, 20, len(hard))]
        table = observers(scale(vote(TRUTH, pairs, panel, seed, observers=who)))
        assert table.sort_values("observer")["agreement"].iloc[10:].max() < 0.75
        false += table["outlier"].sum()
        z.extend(table["z"])
    assert false <= 1
    assert 0.6 < np.std(z) < 1.4


def test_outliers_over_scenes_pool_their_votes():
    panel = make_panel(10, guessers=1)
    votes = [simulate_votes(TRUTH, 400, panel, seed, scene=f"s{seed}") for seed in range(5)]
    table = observers(scale(pd.concat(votes)))
    assert table["observer"][0] == panel.observers[-1].name
    assert table["outlier"].tolist() == [True] + [False] * 9
    assert table["votes"].sum() == 2000


def test_observers_cannot_be_screened_without_names_or_alone():
    with pytest.raises(InputError, match="no observers"):
        observers(scale_counts(ring(4)))
    with pytest.raises(InputError, match="One observer"):
        observers(scale(honest(1)))


def test_position_bias_is_measured_in_jod():
    votes = honest()
    fair = scale(votes).report["position_bias"]
    assert fair["p"] > 0.01
    panel = make_panel(20)
    panel = replace(panel, observers=tuple(replace(o, bias=0.5) for o in panel.observers))
    biased = scale(simulate_votes(TRUTH, 3000, panel, 0)).report["position_bias"]
    assert biased["gain"] == pytest.approx(0.5, abs=3 * biased["se"])
    assert biased["p"] < 1e-6
    winners = votes.assign(
        winner=np.where(votes["preferred"] == "first", votes["first"], votes["second"]),
        loser=np.where(votes["preferred"] == "first", votes["second"], votes["first"]),
    )[["observer", "winner", "loser"]]
    assert scale(winners).report["position_bias"] is None


def test_one_jod_is_75_percent_on_held_out_votes():
    found = held_out(scale(honest(votes=6000)))
    assert found["at_one_jod_low"] < 0.75 < found["at_one_jod_high"]
    assert found["at_one_jod_high"] - found["at_one_jod_low"] < 0.06
    assert found["bins"]["votes"].sum() == 6000
    np.testing.assert_allclose(found["bins"]["predicted"], found["bins"]["observed"], atol=0.06)
    # One reverser in four spoils the unit for everybody.
    spoiled = held_out(scale(honest(votes=6000, reversers=5)))
    assert spoiled["slope_low"] < spoiled["slope"] < spoiled["slope_high"]
    assert spoiled["slope_high"] - spoiled["slope_low"] > 3 * (found["slope_high"] - found["slope_low"])


def test_held_out_sees_a_stretched_scale():
    votes = honest(votes=6000)
    stretched = scale(votes, prior=1e3)
    fit = next(iter(stretched.fits.values()))
    sparse = held_out(scale(honest(votes=150), prior=1e3))
    assert sparse["slope"] < 0.9  # maximum likelihood on few votes is inflated
    assert held_out(stretched)["slope"] > sparse["slope"]
    assert fit.ridge == pytest.approx(1e-6)


def test_standardised_like_piq23():
    votes = pd.concat([honest(seed=k).assign(scene=f"s{k}") for k in range(3)])
    plain = scale(votes)
    published = scale(votes, standardize="piq23")
    for _, part in published.table.groupby("scene"):
        assert part["jod"].var(ddof=0) + (part["se"] ** 2).mean() == pytest.approx(1.4826**2)
        assert part["jod"].mean() == pytest.approx(0, abs=1e-12)
    pd.testing.assert_frame_equal(standardize(plain).table, published.table)
    assert (plain.table["jod"] - published.table["jod"]).abs().max() > 0.01
    pd.testing.assert_frame_equal(plain["s0"].win_probability(), published["s0"].win_probability())
    ratio = published.table["se"] / plain.table["se"]
    assert ratio.groupby(published.table["scene"]).std().max() < 1e-9
    assert any("not JOD" in note for note in published["s1"].report["notes"])
    with pytest.raises(InputError, match="standard errors"):
        scale(votes, ci="none", standardize="piq23")


def test_report_text_says_what_matters():
    panel = make_panel(20, reversers=1)
    text = report_text(scale(simulate_votes(TRUTH, 3000, panel, 0)))
    for part in ("12 images", "3000 votes", "20 observers", "estimated from the votes", "clustered", "disagree", "o20"):
        assert part in text
    assert max(map(len, text.splitlines())) < 160
    many = report_text(scale(pd.concat([honest(seed=k).assign(scene=f"s{k}") for k in range(3)])))
    assert "3 scenes" in many
    assert many.count("\n") < 10
    for options in ({"prior": "none"}, {"ci": "none"}, {"prior": "pwcmp"}, {"prior": 2.0}, {"ci": "bootstrap"}):
        assert "JOD" in report_text(scale(honest(votes=600), resamples=20, **options))
