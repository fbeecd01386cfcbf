"""Sampling: formulas against brute-force integration, caps that hold, and active sampling that does save votes."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from pqa_lab.errors import InputError
from pqa_lab.scaling import scale_counts
from pqa_lab.scaling.model import SIGMA
from pqa_lab.scaling.sampling import (
    METHODS,
    _asked_once,
    enough,
    expected_information_gain,
    next_pairs,
    pairs_for_everyone,
    posterior,
)
from pqa_lab.scaling.study_sampling import comparisons_for, planning_curve


def some_counts(n=12, votes=150, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.4, n)
    counts = np.zeros((n, n))
    for _ in range(votes):
        i, j = rng.choice(n, 2, replace=False)
        if rng.random() > ndtr((truth[i] - truth[j]) / SIGMA):
            i, j = j, i
        counts[i, j] += 1
    return counts


def moments(d, density):
    density = density / np.trapezoid(density, d)
    mean = np.trapezoid(d * density, d)
    return mean, np.trapezoid((d - mean) ** 2 * density, d)


@pytest.mark.parametrize("i, j", [(0, 1), (2, 7), (11, 3)])
def test_one_vote_by_moment_matching_equals_integration_on_a_grid(i, j):
    mean, covariance = posterior(some_counts())
    m, v = mean[i] - mean[j], covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    d = np.linspace(m - 12 * np.sqrt(v), m + 12 * np.sqrt(v), 200_001)
    prior = np.exp(-((d - m) ** 2) / (2 * v))
    gain, variance = 0.0, 0.0
    for sign in (1, -1):
        likelihood = ndtr(sign * d / SIGMA)
        p = np.trapezoid(prior * likelihood, d) / np.trapezoid(prior, d)
        m1, v1 = moments(d, prior * likelihood)
        gain += p * 0.5 * (v1 / v + (m1 - m) ** 2 / v - 1 - np.log(v1 / v))
        variance += p * v1
    assert expected_information_gain(mean, covariance, np.array([i]), np.array([j]))[0] == pytest.approx(gain, rel=1e-5)
    after = _asked_once(mean, covariance, i, j)
    assert after[i, i] + after[j, j] - 2 * after[i, j] == pytest.approx(variance, rel=1e-5)
    assert np.linalg.eigvalsh(after).min() > 0


def test_the_posterior_is_that_of_the_scale():
    counts = some_counts()
    mean, covariance = posterior(counts)
    fitted = scale_counts(counts, ci="none").table.jod.to_numpy()
    np.testing.assert_allclose(mean - mean.mean(), fitted - fitted.mean(), atol=1e-3)
    more = posterior(counts * 9)[1]
    assert np.all(np.diag(more) < np.diag(covariance))


def test_a_optimal_takes_the_pair_with_the_smallest_trace_and_asap_a_tree():
    counts = some_counts()
    mean, covariance = posterior(counts)
    pairs = [(i, j) for i in range(12) for j in range(i)]
    traces = [np.trace(_asked_once(mean, covariance, i, j)) for i, j in pairs]
    best = next_pairs(counts, "a-optimal", 1, seed=0)[0]
    assert set(best) == set(pairs[int(np.argmin(traces))])
    tree = next_pairs(counts, "asap", seed=0)
    parent = np.arange(12)
    for i, j in tree:
        assert parent[i] != parent[j], "a cycle"
        parent[parent == parent[j]] = parent[i]
    assert len(set(parent)) == 1


def test_swiss_pairs_neighbours_and_matchings_balance():
    counts = some_counts(votes=600)
    rank = np.argsort(np.argsort(posterior(counts)[0]))
    swiss = next_pairs(counts, "swiss", 6, seed=0)
    assert np.all(np.abs(np.diff(rank[swiss], axis=1)) == 1)
    assert len(np.unique(swiss)) == 12
    for n in (12, 13):
        times = np.zeros(n)
        counts = np.zeros((n, n))
        for batch in range(8):
            pairs = next_pairs(counts, "matching", n // 2, seed=batch)
            np.add.at(counts, tuple(pairs.T), 1)
            np.add.at(times, pairs, 1)
        assert times.max() - times.min() <= 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("votes", [0, 40])
def test_caps_forbidden_and_asked_pairs_hold_for_every_method(method, votes):
    n = 9
    rng = np.random.default_rng(1)
    counts, asked = some_counts(n, votes), np.zeros((n, n))
    forbidden = np.triu(rng.random((n, n)) < 0.2, 1)
    either = forbidden | forbidden.T
    pending = np.zeros((n, n))
    pending[0, 1] = 3
    shown = 0
    while len(batch := next_pairs(counts, method, 5, seed=rng, asked=asked, forbidden=forbidden, max_per_pair=3,
                                  pending=pending)):  # fmt: skip
        for i, j in batch:
            assert i != j
            assert asked[i, j] + asked[j, i] == 0
            assert not either[i, j]
            assert counts[i, j] + counts[j, i] < 3
            assert {i, j} != {0, 1}
            asked[i, j] += 1
            counts[i, j] += 1
            shown += 1
    blocked = either | (some_counts(n, votes) + some_counts(n, votes).T >= 3)
    blocked[0, 1] = blocked[1, 0] = True
    assert shown == np.triu(~blocked, 1).sum(), "every pair that the caps allow is asked in the end"


@pytest.mark.parametrize("method", METHODS)
def test_deterministic_by_seed_and_sides_by_lot(method):
    counts = some_counts(20, 300)
    one, same = (next_pairs(counts, method, 40, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    sides = np.concatenate([next_pairs(counts, method, 40, seed=s) for s in range(20)])
    assert 0.42 < np.mean(sides[:, 0] < sides[:, 1]) < 0.58


@pytest.mark.parametrize("method", ["asap", "a-optimal"])
def test_observers_at_once_get_different_pairs(method):
    counts = some_counts(30, 200)
    asked = {f"o{k}": np.zeros((30, 30)) for k in range(6)}
    batches = pairs_for_everyone(counts, asked, method, 10, seed=0)
    planned = [frozenset(pair) for batch in batches.values() for pair in batch.tolist()]
    assert len(planned) == 60
    assert len(set(planned)) > 45


def test_enough_is_about_the_widest_intervals():
    class Scale:
        table = pd.DataFrame({"ci_low": [0.0, 0.0, 0.0], "ci_high": [0.5, 0.6, 2.0]})

    assert not enough(Scale, 1.0)
    assert enough(Scale, 2.0)
    assert enough(Scale, 1.0, share=0.6)
    Scale.table.loc[0, "ci_low"] = np.nan
    assert not enough(Scale, 9.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: next_pairs(np.zeros((3, 3)), "best"),
        lambda: next_pairs(np.zeros((3, 2))),
        lambda: next_pairs(np.zeros((1, 1))),
        lambda: next_pairs(np.full((3, 3), np.nan)),
        lambda: next_pairs(-np.ones((3, 3))),
        lambda: next_pairs(np.zeros((3, 3)), asked=np.zeros((2, 2))),
    ],
)
def test_bad_input_is_one_sentence(call):
    with pytest.raises(InputError, match=r"^[^\n]+\.$"):
        call()


@pytest.mark.slow
def test_active_sampling_saves_a_quarter_of_the_votes():
    """The small twin of `python -m pqa_lab.scaling.study_sampling`: 100 images, truth SD 1.42, the same ten truths."""
    design = {"repeats": 10, "seed": 1}
    random = planning_curve(method="random", comparisons=(148,), **design)
    active = planning_curve(method="asap", comparisons=(111,), **design)
    assert random.rmse[0] == pytest.approx(0.2, abs=0.02)
    assert active.rmse[0] < random.rmse[0], "three quarters of the votes, and yet a better scale"


def test_the_curve_is_read_on_the_line_between_checkpoints():
    curve = pd.DataFrame(
        {"method": "a", "comparisons": [10.0, 40.0, 160.0], "rmse": [0.8, 0.4, 0.2]}
    )  # error falls with the square root
    assert comparisons_for(curve, 0.4)["a"] == pytest.approx(40)
    assert comparisons_for(curve, 0.3)["a"] == pytest.approx(40 * (4 / 3) ** 2)
    assert np.isnan(comparisons_for(curve, 0.1)["a"])


def test_a_small_curve_falls_and_is_honest_about_its_error():
    curve = planning_curve(12, (10, 80), "asap", repeats=4)
    assert curve.rmse[1] < curve.rmse[0]
    assert curve.votes.tolist() == [60, 480]
    # the stated interval is about 4 times the error that was made
    assert np.all((curve.width / curve.rmse).between(2.5, 6.5))
