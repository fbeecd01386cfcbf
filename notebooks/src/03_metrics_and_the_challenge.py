# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 03 · Metrics and the challenge: who really won?
#
# Five teams and three baselines, one table, three decimals. RQ-Net won with a median SRCC of 0.554; the organisers' own
# baseline reached 0.536. Is that a difference? In this lesson you take the survey's tables apart: what the numbers are,
# how the digits betray the protocol, and how much of the order would survive 96 other scenes.
#
# | | |
# |---|---|
# | **You will be able to** | compute SRCC, PLCC, KRCC and the challenge's score; put an interval on a median; tell a lead from noise |
# | **You need** | [lesson 02](02_scenes_and_scales.ipynb): why correlations are computed scene by scene |
# | **Time** | 40 minutes with the exercises; under 1 minute to run on two cores |
# | **Memory** | about 0.4 GB; no GPU, no network |

# %%
from itertools import permutations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.stats import kendalltau, spearmanr

from pqa_lab import evaluation
from pqa_lab.lessons import check, near, setup
from pqa_lab.viz import show
from pqa_lab.widgets import challenge_like, leaderboard

lesson = setup(seed=0)

# %% [markdown]
# ## 1 · The table
#
# The challenge's private test set has 96 scenes of seven photos: six phones and one edited DSLR picture. Each method
# ranks the seven. Table 1 of the survey:

# %%
table1 = evaluation.table1().sort_values("challenge_srcc", ascending=False)
columns = [
    "team",
    "method",
    "challenge_srcc",
    "challenge_plcc",
    "challenge_krcc",
    "piq23_srcc",
]
print(table1[columns].to_string(index=False))

assert table1.method.iloc[0] == "RQ-Net"
assert (table1.piq23_srcc > table1.challenge_srcc + 0.2).all()

# %% [markdown]
# **Look.** Everyone loses at least 0.2 of SRCC from PIQ23's test scenes to the challenge's. And `challenge_krcc` repeats
# itself: 0.333 four times among eight methods. Keep that in mind.
#
# ## 2 · Three ways to agree with people
#
# For one scene, with the scores $s$ and the JODs $q$ of its photos:
#
# - **SRCC**, Spearman: the correlation of the two *rankings*. Only order counts.
# - **PLCC**, Pearson: the correlation of the *values*. A straight line is perfect; here without any curve fitted first.
# - **KRCC**, Kendall: take all pairs of photos; (pairs in the right order − pairs in the wrong order) / all pairs.
#
# **Predict.** Seven photos, and the scorer swaps the best two, nothing else. Which of the three falls most?

# %%
jod = np.array([2.0, 0.9, 0.5, 0.1, -0.4, -1.0, -2.1])
swapped = jod[[1, 0, 2, 3, 4, 5, 6]]
frame = pd.DataFrame({"scene": "one", "score": swapped, "jod": jod})
one = evaluation.per_scene(frame, fit=False).iloc[0]
print(f"SRCC {one.srcc:.3f}   PLCC {one.plcc:.3f}   KRCC {one.krcc:.3f}")

assert one.plcc < one.krcc < one.srcc < 1

# %% [markdown]
# **Explain.** Pearson falls most: it sees values, and the two photos are more than a JOD apart. For Kendall one of 21
# pairs is wrong, which costs 2/21. Spearman squares differences of ranks, and a swap of neighbours is the smallest there
# is. The one thing that the owner of a camera wants to know, *which photo is the best*, is wrong here, and none of the
# three says so.
#
# ### Exercise 1 · Kendall by hand (●○○, 5 min)
#
# Write KRCC for photos without ties.
#
# <details><summary>Hint</summary>
#
# `np.sign(x[:, None] - x[None, :])` holds, for every two photos, which is ahead. Two such tables agree where their
# product is +1. Mind that each pair occurs twice.
#
# </details>


# %%
def krcc(score, jod):
    """Kendall's correlation of two arrays (N,) without ties."""
    # solution
    agree = np.sign(score[:, None] - score[None, :]) * np.sign(jod[:, None] - jod[None, :])
    n = len(jod)
    return agree.sum() / (n * (n - 1))


# %%
with check(1):
    near(
        krcc(jod, jod),
        1,
        "for equal rankings the KRCC",
        hint="Divide by n (n - 1): pairs are counted twice.",
    )
    near(krcc(swapped, jod), 19 / 21, "after one swap the KRCC", tolerance=1e-9)
    for draw in np.random.default_rng(0).normal(size=(5, 12)):
        near(
            krcc(draw, np.arange(12.0)),
            kendalltau(draw, np.arange(12)).statistic,
            "KRCC",
            tolerance=1e-9,
        )

# %% [markdown]
# ## 3 · What the digits betray
#
# The survey does not say how 96 correlations became one number. The digits do.
#
# **Predict.** Seven photos can be ranked in 5,040 ways. How many different values can SRCC take? Ten, fifty, thousands?

# %%
ranks = np.arange(7)
orders = np.array(list(permutations(ranks)))  # (5040, 7)
srcc = np.corrcoef(ranks, orders)[0, 1:]  # Pearson's correlation of the ranks
first, second = np.triu_indices(7, 1)
krcc_all = np.sign(orders[:, second] - orders[:, first]).mean(1)  # over the 21 pairs
values = {
    "SRCC": np.unique((28 * srcc).round(6)),
    "KRCC": np.unique((21 * krcc_all).round(6)),
}
for name, whole in values.items():
    print(f"{name} of seven photos: {len(whole)} values in {len(orders)} orders")

assert values["SRCC"].tolist() == list(range(-28, 29))  # steps of 1/28
assert values["KRCC"].tolist() == list(range(-21, 22, 2))  # steps of 2/21
assert abs(srcc[1234] - spearmanr(ranks, orders[1234]).statistic) < 1e-9

# %% [markdown]
# **Explain.** Fifty-seven values for SRCC, 1/28 = 0.036 apart; 22 for KRCC, 2/21 = 0.095 apart. Thousands of orders share
# them: SRCC depends only on the sum of squared rank differences, which is even and runs from 0 to 112.
#
# A *mean* over 96 scenes could print almost any third decimal. A *median* cannot: it is one of these values, or the mean of
# two neighbours. `lattice_check` asks of every printed number whether it is.

# %%
lattice = evaluation.lattice_check()
print(lattice[["method", "metric", "printed", "on_lattice", "how"]].to_string(index=False))
chance = lattice.chance.prod()
print(f"\nall {lattice.on_lattice.sum()} fit; by chance: one in {1 / chance:.0e}")

assert lattice.on_lattice.all()
assert chance < 1e-20

# %% [markdown]
# **Explain.** (`how` says what scene stands behind a print: its sum of squared rank differences d², or its concordant minus
# discordant pairs C - D; or the mean of two such neighbours.) Sixteen of sixteen. So the protocol is: one correlation a scene, then the **median over scenes**. It is
# also why KRCC repeats itself: there are only so many values to have. Between 0.333 and 0.429 there is exactly one.
#
# ### Exercise 2 · Read a digit (●●○, 5 min)
#
# Without ties, $\mathrm{SRCC} = 1 - \dfrac{6 D}{n(n^2-1)}$, where $D$ is the sum of the squared differences of ranks. Find the
# (even) $D$ behind a printed SRCC of a single median scene of seven.
#
# <details><summary>Hint</summary>
#
# Solve for $D$; for $n = 7$, $n(n^2-1) = 336$. Round to the nearest even number, since the print was rounded.
#
# </details>


# %%
def squared_differences(printed):
    """The even D of a scene of seven photos with this SRCC."""
    return 2 * round((1 - printed) * 336 / 6 / 2)  # solution


# %%
with check(2):
    near(squared_differences(1.0), 0, "for SRCC 1 the sum D")
    near(
        squared_differences(0.393),
        34,
        "for BDVQA's 0.393 the sum D",
        tolerance=1e-9,
        hint="Round to an even number.",
    )
    near(
        squared_differences(0.536),
        26,
        "for FULL-HyperIQA's 0.536 the sum D",
        tolerance=1e-9,
    )

# %% [markdown]
# ## 4 · How far can chance move a median?
#
# Suppose a method's typical SRCC is 0.45. We simulate such a scorer on 96 scenes of seven, a thousand times over.
#
# **Predict.** By how much does the median over 96 scenes vary (its standard deviation): 0.005, 0.02 or 0.05? Would the
# mean vary more or less?

# %%
draws = lesson.pick(1000, fast=400)
noise = {
    name: evaluation.median_noise(0.45, statistic=name, draws=draws)
    for name in ("median", "mean")
}
print(
    f"standard deviation over sets of 96 scenes: median {noise['median']:.3f}, mean {noise['mean']:.3f}"
)

assert 0.035 < noise["median"] < 0.06
assert noise["mean"] < 0.85 * noise["median"]

# %% [markdown]
# **Look.** One standard deviation of one method is about 0.05, and the lead at the top of the table is 0.018. The third
# decimal, and the second, are noise.
#
# **Explain.** One scene of seven photos says little: its SRCC can be 0.9 or 0.1 for the same method. A typical value over 96
# such scenes is known about ten times better ($\sqrt{96} \approx 10$), and still not to 0.02. The mean varies less because
# it uses how far each scene lies from the middle; the median uses only on which side.
#
# ### Exercise 3 · An interval for a median (●●○, 8 min)
#
# You do not need a simulation: the scenes themselves say how much they vary. Draw 96 scenes **with replacement** from the
# 96 you have, take the median, and repeat. The spread of these medians is the uncertainty (the bootstrap).
#
# <details><summary>Hint</summary>
#
# `rng.integers(len(values), size=(draws, len(values)))` gives all draws at once; index `values` with it and take the
# median along axis 1.
#
# </details>


# %%
def bootstrap_medians(values, draws, seed=0):
    """Medians (draws,) of resampled scenes, from one value a scene (S,)."""
    rng = np.random.default_rng(seed)
    # solution
    chosen = rng.integers(len(values), size=(draws, len(values)))
    return np.median(values[chosen], axis=1)


# %%
scenes = evaluation.per_scene(challenge_like(), ["method"], fit=False)
values = scenes.srcc[scenes.method == "RQ-Net"].to_numpy()
with check(3):
    found = bootstrap_medians(values, 4000)
    near(np.shape(found) if found is not None else None, (4000,), "the shape of the result")
    assert np.std(found) > 0.01, (
        "All medians are (nearly) equal: draw the scenes with replacement."
    )
    low, high = evaluation.interval(values[:, None], "median")[:, 0]
    near(np.quantile(found, [0.025, 0.975]), [low, high], "the interval", tolerance=0.04)

# %% [markdown]
# ## 5 · Who really won?
#
# Now every pair of methods: is the difference of their medians larger than its noise? `sd` is the noise of the difference, and
# `p` the chance of a difference at least as large (either way) if the two were equally good; below 0.05 we call them told
# apart. Even among equally good methods one pair in twenty would be.
#
# **Predict.** Eight methods make 28 pairs. How many are told apart at p < 0.05: 25, 18, 10?

# %%
pairs = evaluation.rank_noise()
told_apart = pairs[~pairs.tie]
print(
    f"{len(told_apart)} of {len(pairs)} pairs are told apart; "
    f"{0.05:.0%} of {len(pairs)}, or {0.05 * len(pairs):.1f}, would be by chance alone"
)
print(
    pairs[["first", "second", "difference", "sd", "p"]]
    .head(4)
    .round(3)
    .to_string(index=False)
)

ties = {(row.first, row.second) for row in pairs[pairs.tie].itertuples()}
assert ("RQ-Net", "FULL-HyperIQA") in ties
assert ("RQ-Net", "SEM-HyperIQA") in ties
assert 8 <= len(told_apart) <= 12
apart = {(row.first, row.second) for row in told_apart.itertuples()}
best, last = table1.method[:3], table1.method[-2:]
assert all((a, b) in apart for a in best for b in last)

# %%
order = table1.method.tolist()
matrix = pd.DataFrame(np.nan, index=order, columns=order)
for row in pairs.itertuples():
    matrix.loc[row.first, row.second] = row.p
words = [
    ["" if np.isnan(p) else "<.001" if p < 0.001 else f"{p:.2g}" for p in row]
    for row in matrix.to_numpy()
]
heat = go.Heatmap(
    z=np.log10(matrix),
    x=order,
    y=order,
    text=words,
    texttemplate="%{text}",
    colorscale="Cividis",
    showscale=False,
)
figure = go.Figure(heat).update_layout(
    template="plotly_white",
    height=420,
    margin_t=30,
    xaxis_title="second",
    yaxis_title="first",
    yaxis_autorange="reversed",
)
show(
    figure,
    "p-values of all pairs, best method first. The winner, RQ-Net, is not told apart from the two baselines FULL- "
    "and SEM-HyperIQA; among the methods below them hardly any two are told apart.",
)

# %% [markdown]
# **Explain.** The winner of the challenge cannot be told from the organisers' own baselines. What *can* be said: the
# top three are better than the bottom two. So of the three guesses ten was the best one. This treats the medians as independent; all methods saw the same scenes, so a
# paired test on the per-scene scores could see more. Those are unpublished. For your own methods you have them; here on simulated scores:

# %%
mine = challenge_like(seed=1)
first, second = (mine[mine.method == name] for name in ("RQ-Net", "HyperIQA"))
print(evaluation.paired_test(first, second).round(3).to_string())

# %% [markdown]
# `difference` (of medians) has the 95 % interval from `low` to `high`. The three p-values ask the same in three ways:
# `p_bootstrap` draws the scenes again, `p_permutation` exchanges the names of the two methods in random scenes, and
# `p_wilcoxon` ranks the differences of the scenes. Where they disagree, decide *before* you look which one counts.
# `undefined` counts scenes without a correlation (all scores equal).
#
# Why pair? Because scenes differ more than methods do. Here two scorers face scenes of very different difficulty, ten
# times over; the interval of their difference is computed from pairs, and as if the two had seen different scenes.

# %%
from pqa_lab.evaluation import replicates

for seed in range(lesson.pick(10, fast=5)):
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 0.25, 96)
    a, b = (0.5 + gap + difficulty + rng.normal(0, 0.08, 96) for gap in (0.05, 0.0))
    drawn = replicates(np.stack([a, b], axis=1), "mean", 2000)  # the same scenes for both
    paired = np.std(drawn[:, 0] - drawn[:, 1])
    unpaired = np.hypot(drawn[:, 0].std(), drawn[:, 1].std())
    assert paired < 0.6 * unpaired
print(
    f"last draw: the difference is known to ±{paired:.3f} in pairs, to ±{unpaired:.3f} without"
)

# %% [markdown]
# Now hold your own challenge. The scorers below are simulated: each is as good as one of the survey's methods, the
# scenes and photos are made up. Slide the number of scenes; press *Other scenes*; see who wins.

# %%
board = leaderboard()
board

# %% [markdown]
# If you see no widget above: how often each simulated scorer comes first, with few, more and all scenes.

# %%
board.static()

# %%
winners = []
for seed in range(lesson.pick(40, fast=20)):
    scored = evaluation.per_scene(challenge_like(seed=seed), ["method"], fit=False)
    winners.append(scored.groupby("method").srcc.median().idxmax())
count = pd.Series(winners).value_counts()
print(count.to_string())

assert len(count) >= 2
assert count.max() < 0.95 * count.sum()

# %% [markdown]
# **Look.** The same methods, other scenes, another winner. Nobody did anything wrong; 96 scenes are simply few.
#
# ## 6 · The final score
#
# Table 2 ranks by one number a method, and does not say how it was made. Two candidates: the mean of SRCC and PLCC, or the
# mean of SRCC, PLCC and KRCC.

# %%
table2 = evaluation.table2().merge(evaluation.table1(), on=["team", "method", "key"])
print(
    table2[
        ["method", "challenge_score", "challenge_srcc", "challenge_plcc", "challenge_krcc"]
    ].to_string(index=False)
)

# %% [markdown]
# ### Exercise 4 · Which formula? (●●○, 6 min)
#
# Write `largest_gap(columns, table)`: the largest absolute difference, over the methods of the table, between the mean of
# these columns and `challenge_score`. Store what it gives for the two candidates in `of_two` and `of_three`, and the
# better candidate ("two" or "three") in `formula`.
#
# <details><summary>Hint</summary>
#
# `table[["challenge_srcc", "challenge_plcc"]].mean(axis=1)` is the first candidate; subtract, `.abs()`, `.max()`.
#
# </details>


# %%
def largest_gap(columns, table):
    """Largest absolute difference of the columns' mean from challenge_score."""
    return (table[columns].mean(axis=1) - table.challenge_score).abs().max()  # solution


three = ["challenge_srcc", "challenge_plcc", "challenge_krcc"]
of_two = largest_gap(three[:2], table2)  # solution
of_three = largest_gap(three, table2)  # solution
formula = "two" if of_two < of_three else "three"  # solution

# %%
evidence = evaluation.table2_score_check().query("data == 'challenge'")
with check(4):
    for shift in (0.1, -0.1):  # the same gap to either side
        toy = pd.DataFrame(
            {"challenge_srcc": [0.5, 0.4], "challenge_score": [0.5, 0.4 + shift]}
        )
        found = largest_gap(["challenge_srcc"], toy)
        near(
            found,
            0.1,
            "a gap of 0.1",
            1e-9,
            "Differences can be negative: .abs(), then .max().",
        )
    near(
        of_two,
        evidence.residual_without_krcc.abs().max(),
        "of_two",
        tolerance=1e-6,
        hint="Largest, of absolute values.",
    )
    near(of_three, evidence.residual.abs().max(), "of_three", tolerance=1e-6)
    assert formula == "three", "The smaller difference is the better candidate."

# %%
print(
    evidence[["method", "printed", "mean_of_medians", "residual", "sd_expected"]]
    .round(3)
    .to_string(index=False)
)

assert evidence.residual.abs().max() < 2 * evidence.sd_expected.iloc[0]
assert evidence.residual_without_krcc.max() < 0  # one-sided: this formula is wrong

# %% [markdown]
# **Explain.** Three metrics fit, and almost: up to 0.018 remains. That is what you get if the mean of the three is taken
# *in each scene* and the median after that, instead of the mean of three medians; `sd_expected` says how far the two
# differ by chance. So this is our reading [inferred]: score = median over scenes of (SRCC + PLCC + KRCC) / 3. Under it,
# RQ-Net leads FULL-HyperIQA by 0.002.
#
# ## 7 · Even a perfect scorer does not reach 1
#
# JODs are estimates. A scorer that knew the truth would still disagree with them.
#
# **Predict.** 96 scenes of seven photos; each of 10 people compares 12 pairs in every scene. What SRCC does the *truth* reach against such
# labels?

# %%
from pqa_lab.scaling import scale
from pqa_lab.scaling.studies import simulated_scenes

for votes_each in (12, 60):
    votes, truth = simulated_scenes(
        96, images=7, observers=10, each=votes_each, seed=votes_each
    )
    labels = scale(votes, images={k: range(7) for k in range(96)}).table
    judged = labels.assign(score=truth.ravel())
    real = evaluation.summarize(judged, resamples=0).loc["srcc", "mean"]
    known = labels.rename(columns={"se": "jod_std"})
    ceiling = evaluation.label_noise_ceiling(known).srcc.mean()
    print(
        f"{votes_each} votes each: the truth reaches SRCC {real:.2f}; the labels' own errors predict {ceiling:.2f}"
    )
    assert real < 0.995
    assert abs(real - ceiling) < 0.08

# %% [markdown]
# **Explain.** The ceiling follows from the standard errors alone, so anyone who publishes them publishes how good a method
# can possibly look. A score above the ceiling is a warning, not a triumph.
#
# ## What the survey says, what we saw
#
# The survey (section 2.1) reports Table 1 to three decimals, and Table 2 names a winner. We saw that Table 1 holds medians
# over scenes of seven photos; that of its 28 pairs no more than a dozen can be told apart; that the winner and the best
# baseline are not among those; and that Table 2's score needs all three metrics. The survey also says that "all the
# methods struggle to generalize": there the tables are clear, every method loses far more than the noise. And the order
# on PIQ23 cannot be seen to say anything about the order on the challenge:

# %%
print(evaluation.rank_reversal().round(2).to_string(index=False))

assert (evaluation.rank_reversal().p > 0.4).all()

# %% [markdown]
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: section 2 (test set, metrics), Table 1,
#   Table 2.
# - Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, section 6.2.
# - In the package: `pqa_lab/evaluation/metrics.py` (SRCC, PLCC, KRCC), `pqa_lab/evaluation/protocol.py` (the median over
#   scenes), `pqa_lab/evaluation/survey_proofs.py` (lattice, noise, score), `pqa_lab/evaluation/compare.py` (paired tests),
#   `pqa_lab/evaluation/ceiling.py`, `pqa_lab/widgets/board.py` (the leaderboard).

# %%
lesson.done()
