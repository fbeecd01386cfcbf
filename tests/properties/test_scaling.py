"""What must hold of every JOD scale, on votes that hypothesis draws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pqa_lab import scaling

few = settings(max_examples=12, deadline=None, derandomize=True)
FLIP = {"first": "second", "second": "first", "tie": "tie"}


@st.composite
def vote_tables(draw, observers=True):
    """3 to 6 images, each compared with the next (so all hang together) and some pairs more; 1 to 40 votes more."""
    n = draw(st.integers(3, 6))
    votes = [(i, i + 1, draw(st.sampled_from(list(FLIP)))) for i in range(n - 1)]
    pair = st.tuples(st.integers(0, n - 1), st.integers(1, n - 1), st.sampled_from(list(FLIP)))
    more = [(i, (i + step) % n, answer) for i, step, answer in draw(st.lists(pair, min_size=1, max_size=40))]
    table = pd.DataFrame(votes + more, columns=["first", "second", "preferred"])
    if observers:
        table["observer"] = [f"o{k % 4}" for k in range(len(table))]
    return table


def jods(table, **options):
    return scaling.scale(table, ci="none", **options).table.set_index("image")["jod"]


def close(a, b, atol=1e-5):
    np.testing.assert_allclose(a.to_numpy(float), b.to_numpy(float), atol=atol)


models = st.sampled_from(["thurstone", "bradley-terry"])
priors = st.sampled_from(["eb", 1.42])


@few
@given(table=vote_tables(), seed=st.integers(0, 99), prior=priors, model=models)
def test_names_and_order_do_not_matter(table, seed, prior, model):
    base = jods(table, prior=prior, model=model)
    names = np.random.default_rng(seed).permutation([f"p{k}" for k in range(len(base))])
    named = table.assign(first=names[table["first"]], second=names[table["second"]])
    moved = jods(named.sample(frac=1, random_state=seed), prior=prior, model=model)
    close(moved.loc[list(names)], base.loc[range(len(base))])


@few
@given(table=vote_tables(), prior=priors, model=models)
def test_answers_turned_round_turn_the_scale_round(table, prior, model):
    turned = table.assign(preferred=table["preferred"].map(FLIP))
    close(jods(turned, prior=prior, model=model), -jods(table, prior=prior, model=model))
    swapped = turned.rename(columns={"first": "second", "second": "first"})
    close(jods(swapped, prior=prior, model=model), jods(table, prior=prior, model=model))


@few
@given(table=vote_tables(), prior=priors)
def test_the_gauge_is_the_mean_or_the_reference(table, prior):
    base = jods(table, prior=prior)
    assert base.mean() == pytest.approx(0, abs=1e-9)
    close(jods(table, prior=prior, reference=1), base - base[1])


@few
@given(table=vote_tables())
def test_other_scenes_do_not_matter(table):
    turned = table.assign(preferred=table["preferred"].map(FLIP))
    both = pd.concat([table.assign(scene="a"), turned.assign(scene="b")], ignore_index=True)
    together = scaling.scale(both, ci="none").table.set_index(["scene", "image"])["jod"]
    close(together["a"], jods(table))
    close(together["b"], jods(turned))


@few
@given(table=vote_tables(), winner=st.integers(0, 2), times=st.integers(1, 5))
def test_a_won_vote_never_lowers_the_winner_against_the_loser(table, winner, times):
    loser = (winner + 1) % 3
    more = pd.DataFrame({"first": winner, "second": loser, "preferred": "first", "observer": "o0"}, index=range(times))
    before, after = jods(table, prior=1.42), jods(pd.concat([table, more], ignore_index=True), prior=1.42)
    assert after[winner] - after[loser] > before[winner] - before[loser]


@few
@given(table=vote_tables(observers=False), times=st.integers(2, 6))
def test_more_votes_of_the_same_kind_shrink_the_intervals(table, times):
    """Laplace's standard error of every difference, under one prior and at one scale: answers both ways round."""

    def errors(votes):
        c = np.asarray(scaling.scale(votes, prior=1.42).covariance)
        return np.sqrt(np.diag(c)[:, None] + np.diag(c)[None] - 2 * c)

    even = pd.concat([table, table.assign(preferred=table["preferred"].map(FLIP))], ignore_index=True)
    apart = ~np.eye(len(errors(even)), dtype=bool)
    assert (errors(pd.concat([even] * times, ignore_index=True)) < errors(even))[apart].all()


@few
@given(table=vote_tables(), ci=st.sampled_from(["sandwich", "bootstrap"]), level=st.sampled_from([0.5, 0.95]))
def test_intervals_hold_the_estimate_and_are_finite(table, ci, level):
    wide = scaling.scale(table, ci=ci, level=level, resamples=20).table
    assert np.isfinite(wide[["jod", "se", "ci_low", "ci_high"]].to_numpy(float)).all()
    assert (wide["ci_low"] <= wide["jod"]).all()
    assert (wide["jod"] <= wide["ci_high"]).all()


@few
@given(table=vote_tables(observers=False))
def test_counts_and_ties_give_the_scale_of_their_votes(table):
    decided, tied = table["preferred"] != "tie", table["preferred"] == "tie"
    n = int(table[["first", "second"]].to_numpy().max()) + 1
    counts, ties = np.zeros((n, n), int), np.zeros((n, n), int)
    for vote in table[decided].itertuples():
        winner, loser = (vote.first, vote.second) if vote.preferred == "first" else (vote.second, vote.first)
        counts[winner, loser] += 1
    for vote in table[tied].itertuples():
        ties[vote.first, vote.second] += 1
        ties[vote.second, vote.first] += 1
    close(scaling.scale_counts(counts, ties=ties, ci="none").table.set_index("image")["jod"], jods(table))


@few
@given(table=vote_tables())
def test_chances_of_winning_are_complementary(table):
    win = scaling.scale(table).win_probability().to_numpy()
    np.testing.assert_allclose(win + win.T, 1, atol=1e-12)
    assert ((win > 0) & (win < 1)).all()
