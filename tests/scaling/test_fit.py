"""The point estimate: against independent solvers, under symmetries, and at the ends of what votes can be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_ndtr
from scipy.stats import norm

from pqa_lab.scaling import SIGMA, NoFiniteScale, probability, scale, scale_counts
from pqa_lab.scaling.model import loss_slopes, slopes
from pqa_lab.scaling.panel import simulate_votes

CHAIN = np.array([[0, 75, 0], [25, 0, 75], [0, 25, 0]])


def votes_of(seed=0, images=8, votes=600, observers=6, sd=1.4, scene="s"):
    truth = np.random.default_rng(seed).normal(0, sd, images)
    names = [f"img{k}" for k in range(images)]
    return simulate_votes(pd.Series(truth, names), votes, observers, seed, scene=scene)


def jod(votes, **options):
    return scale(votes, **options).table.set_index("image")["jod"]


def test_three_images_75_percent_apart_are_one_jod_apart():
    for model in ("thurstone", "bradley-terry"):
        found = scale_counts(CHAIN, prior="none", model=model).table["jod"]
        np.testing.assert_allclose(found, [1, 0, -1], atol=2e-6)
        assert probability(1.0, model) == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize("model", ["thurstone", "bradley-terry"])
@pytest.mark.parametrize("prior", ["none", 0.7])
def test_against_a_general_optimiser(model, prior):
    rng = np.random.default_rng(3)
    c = rng.integers(0, 6, (7, 7)) * (1 - np.eye(7, dtype=int))

    def loss(q):
        d = q[:, None] - q
        log_p = norm.logcdf(d / SIGMA) if model == "thurstone" else np.log(expit(d * np.log(3)))
        return -(c * log_p).sum() + (0 if prior == "none" else (q @ q) / (2 * prior**2))

    best = minimize(loss, np.zeros(7), method="BFGS", options={"gtol": 1e-7}).x
    found = scale_counts(c, prior=prior, model=model).table["jod"]
    np.testing.assert_allclose(found, best - best.mean(), atol=1e-5)


@pytest.mark.parametrize("model", ["thurstone", "bradley-terry"])
def test_derivatives_hold_in_both_tails(model):
    x = np.array([-60.0, -20, -3, -0.5, 0, 0.5, 3, 20, 60])
    win, lose, win_bend, lose_bend = slopes(x, model)
    log_p = norm.logcdf if model == "thurstone" else (lambda v: -np.logaddexp(0, -v))
    step = 1e-4
    np.testing.assert_allclose(win, (log_p(x + step) - log_p(x - step)) / (2 * step), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(lose, win[::-1])
    np.testing.assert_allclose(win_bend, lose_bend[::-1])
    assert (win_bend >= 0).all()
    a, b = np.arange(9.0), np.arange(9.0)[::-1] ** 2
    first, second = loss_slopes(x, a, b, model)
    np.testing.assert_allclose(first, b * lose - a * win, rtol=1e-12)
    np.testing.assert_allclose(second, a * win_bend + b * lose_bend, rtol=1e-9)


def test_many_scenes_in_one_call_are_the_scenes_one_by_one():
    parts = [votes_of(k, images=3 + 4 * k, votes=150 + 60 * k, scene=f"scene {k}") for k in range(6)]
    together = scale(pd.concat(parts).sample(frac=1, random_state=0))
    for part in parts:
        name = part["scene"].iloc[0]
        alone = scale(part)
        pd.testing.assert_frame_equal(together[name].table, alone.table, atol=1e-6, rtol=0)
        np.testing.assert_allclose(together.covariance[name], alone.covariance, atol=1e-6)
        assert together.report[name]["prior_sd"] == pytest.approx(alone.report["prior_sd"], rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["eb", 2.0]), st.sampled_from(["thurstone", "bradley-terry"]))
def test_symmetries(seed, prior, model):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    c = rng.integers(0, 4, (n, n)) * (1 - np.eye(n, dtype=int))
    c[np.arange(n - 1), np.arange(1, n)] += 1  # one group
    options = {"prior": prior, "model": model}
    here = scale_counts(c, **options).table
    order = rng.permutation(n)
    permuted = scale_counts(c[np.ix_(order, order)], labels=order, **options).table
    np.testing.assert_allclose(permuted["jod"], here["jod"].to_numpy()[order], atol=1e-5)
    np.testing.assert_allclose(permuted["se"], here["se"].to_numpy()[order], atol=1e-5)
    np.testing.assert_allclose(scale_counts(c.T, **options).table["jod"], -here["jod"], atol=1e-5)
    moved = scale_counts(c, reference=0, **options).table
    np.testing.assert_allclose(np.diff(moved["jod"]), np.diff(here["jod"]), atol=1e-6)
    assert (moved.loc[0, ["jod", "se", "ci_low", "ci_high"]] == 0).all()
    assert abs(here["jod"].mean()) < 1e-9


def test_the_order_of_rows_and_of_first_and_second_does_not_matter():
    votes = votes_of()
    turned = votes.rename(columns={"first": "second", "second": "first"})
    turned["preferred"] = turned["preferred"].map({"first": "second", "second": "first"})
    for other in (votes.sample(frac=1, random_state=1), turned):
        pd.testing.assert_frame_equal(scale(votes).table, scale(other).table, atol=1e-9, rtol=0)


def test_a_tie_is_half_a_vote_for_each():
    ties = np.array([[0, 2, 0], [2, 0, 4], [0, 4, 0]])
    halves = scale_counts(2 * CHAIN + ties, prior=1.0).table
    table = pd.DataFrame({"first": ["b", "a"], "second": ["a", "b"], "preferred": ["tie", "first"]})
    found = scale_counts(2 * CHAIN, prior=1.0, ties=2 * ties).table  # 2 t ties = t votes each way
    np.testing.assert_allclose(found["jod"], halves["jod"], atol=1e-9)
    assert scale(table).table["comparisons"].tolist() == [2, 2]
    assert scale(table).report["ties"] == 1


def test_a_weight_is_a_repetition():
    votes = votes_of()
    times = np.random.default_rng(0).integers(0, 4, len(votes))
    repeated = votes.loc[votes.index.repeat(times)].drop(columns="answered_at")
    np.testing.assert_allclose(jod(votes, weights=times), jod(repeated), atol=1e-6)
    assert scale(votes.assign(w=times), weights="w").table.equals(scale(votes, weights=times).table)


@pytest.mark.parametrize("model", ["thurstone", "bradley-terry"])
@pytest.mark.parametrize("prior", ["eb", "none", 3.0])
def test_a_million_votes_a_pair(model, prior):
    true = np.array([1.5, 0.2, -1.7])
    p = probability(true[:, None] - true, model)
    c = np.round(1e6 * p * (1 - np.eye(3)))
    table = scale_counts(c, prior=prior, model=model).table
    np.testing.assert_allclose(table["jod"], true - true.mean(), atol=1e-4)
    assert (table["se"] < 0.002).all()
    assert (table["se"] > 0).all()


def test_one_vote():
    table = scale_counts([[0, 1], [0, 0]]).table
    assert 0 < table["jod"][0] < 3
    assert table["ci_low"][0] < 0 < table["ci_high"][0]
    assert table["ci_high"][0] - table["ci_low"][0] > 2


@pytest.mark.parametrize("c", [[[0, 5], [0, 0]], [[0, 10**6], [0, 0]], [[0, 9, 9], [0, 0, 9], [0, 0, 0]]])
def test_unanimous_votes_stay_finite_with_a_prior_and_are_refused_without(c):
    table = scale_counts(c).table
    assert table["jod"].is_monotonic_decreasing
    assert table["jod"].abs().max() < 8
    with pytest.raises(NoFiniteScale, match="no finite scale without a prior"):
        scale_counts(c, prior="none")


def test_no_finite_scale_is_seen_in_the_graph_even_if_every_image_wins_and_loses():
    # {0, 1} always beats {2, 3}; within each pair both win.
    c = np.array([[0, 3, 4, 0], [3, 0, 0, 4], [0, 0, 0, 3], [0, 0, 3, 0]])
    with pytest.raises(NoFiniteScale, match="0, 1|2, 3"):
        scale_counts(c, prior="none")
    c[2, 0] = 1
    assert np.isfinite(scale_counts(c, prior="none").table["jod"]).all()


def test_near_separation_converges_to_the_maximum():
    c = np.array([[0, 10**6, 0], [1, 0, 10**6], [0, 1, 0]])
    gap = np.diff(scale_counts(c, prior="none").table["jod"])
    np.testing.assert_allclose(gap, SIGMA * norm.ppf(1 / (10**6 + 1)), rtol=1e-7)


def exact_log_evidence(c, sds):
    """log of the integral of the likelihood over q ~ N(0, sd^2), three images: a sum over a grid of differences."""
    grid = np.linspace(-20, 20, 301)
    u, v = np.meshgrid(grid, grid, indexing="ij")  # q0 - q1, q1 - q2
    log = sum(
        c[i, j] * log_ndtr(d / SIGMA)
        for i, j, d in [(0, 1, u), (1, 0, -u), (1, 2, v), (2, 1, -v), (0, 2, u + v), (2, 0, -u - v)]
    )
    shape = np.linalg.inv([[2, -1], [-1, 2]])
    square = shape[0, 0] * u * u + 2 * shape[0, 1] * u * v + shape[1, 1] * v * v
    return np.array([np.log(np.exp(log - log.max() - square / (2 * sd**2)).sum() / sd**2) for sd in sds])


@pytest.mark.parametrize("top", [70, 95])
def test_prior_sd_against_the_exact_marginal_likelihood(top):
    c = np.array([[0, top, top + 2], [100 - top, 0, 60], [98 - top, 40, 0]])
    sds = np.exp(np.linspace(np.log(0.2), np.log(6), 60))
    best = sds[np.argmax(exact_log_evidence(c, sds) + np.log(sds) - sds / 3)]
    assert scale_counts(c).report["prior_sd"] == pytest.approx(best, rel=0.1)


@pytest.mark.parametrize("sd", [0.4, 1.42, 3.0])
def test_prior_sd_finds_the_spread_of_the_truth(sd):
    found = [scale(votes_of(k, images=60, votes=4000, sd=sd)).report["prior_sd"] for k in range(5)]
    assert np.mean(found) == pytest.approx(sd, rel=0.12)


def test_default_prior_does_not_stretch_or_crush_sparse_scales():
    """At 2.4 votes a pair pwcmp's prior has slope 0.70; ours keeps 0.9 to 1."""
    slope = []
    for k in range(4):
        truth = np.random.default_rng(k).normal(0, 1.42, 50)
        slope.append(np.polyfit(truth, scale(simulate_votes(truth, 3000, 20, k)).table["jod"], 1)[0])
    assert 0.9 < np.mean(slope) < 1.03
