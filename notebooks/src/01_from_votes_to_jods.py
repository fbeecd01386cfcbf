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
# # 01 · From votes to JODs
#
# Nobody can say how good a portrait is on a scale from 1 to 10, and nobody says it twice the same way. But show two
# photos of the same person and almost everyone can point at the better one. This lesson turns such pointing into
# numbers with a unit and an honest interval: first with your own votes, then by hand, then with the library.
#
# | | |
# |---|---|
# | **You will be able to** | run a voting session; turn counts into JODs; read an interval; plan how many votes a study needs |
# | **You need** | [lesson 00](00_rank_a_scene_group.ipynb); Python; what a normal distribution is |
# | **Time** | 60 minutes with the exercises and your own votes; under 1 minute to run on two cores |
# | **Memory** | about 0.4 GB; no GPU, no network |

# %%
import numpy as np
import plotly.graph_objects as go
from IPython.display import display
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr, ndtri

from pqa_lab.lessons import check, near, photos, setup
from pqa_lab.samples import sample_group
from pqa_lab.scaling import SIGMA, NoFiniteScale, scale, scale_counts
from pqa_lab.viz import marker, show
from pqa_lab.viz.scaling import jod_figure
from pqa_lab.widgets import annotate, jod_explorer

lesson = setup(seed=0)

# %% [markdown]
# ## 1 · Vote yourself
#
# Six simulated phones took Grace Hopper's portrait. Below, the photos come two at a time, without names, left and right at
# random. Press `1` or `2` for the better one, `0` for a tie, `u` to take a vote back. Fifteen pairs are all there are;
# stop when you like. Your votes are kept in `my_votes.db` beside this notebook, so you can come back.
#
# **Predict.** After fifteen votes on six photos: will you know the best? The order of all six?

# %%
group = sample_group("an admiral, six phones")
portraits = {
    f"photo {letter}": image for (image, _), letter in zip(group, "ABCDEF", strict=True)
}
annotator = annotate(portraits, "my_votes.db", scene="admiral", observer="me")
annotator

# %% [markdown]
# If you see no widget above (on GitHub, in a PDF): these are the six photos that it shows in pairs.

# %%
photos(
    list(portraits.values()),
    list(portraits),
    alt="Grace Hopper's portrait six times, with different simulated faults: noise, blur, compression, darkness.",
)

# %% [markdown]
# What is stored is one row a vote: which photo stood first, which second, which was preferred, by whom and when. All
# that follows needs no more than this table. (Whoever votes is called an *observer*.)

# %%
mine = annotator.session.votes()
print(
    mine[["scene", "first", "second", "preferred", "observer"]].to_string(index=False)
    if len(mine)
    else "no vote yet"
)

# %% [markdown]
# ## 2 · One pair: from a share of votes to a distance
#
# Thurstone's story (1927) of what happens when you look at two photos: each look gives you a *felt* quality, the true
# quality plus some noise, and you point at the photo that felt better. Different people, different days, different
# noise. So the share of people who prefer A tells how far A is above B, in units of that noise.
#
# The unit is chosen so that it means something: **1 JOD** (just objectionable difference) **apart = 75 % prefer the
# better photo**. That fixes the noise of the difference: its standard deviation (SD) is
# $\sigma = 1/\Phi^{-1}(0.75) = 1.4826$, where $\Phi$ is the standard normal distribution function.
#
# **Predict.** 10,000 people look at two photos that are 1 JOD apart: 7,500 prefer the better one. How many at 2 JOD?


# %%
def looks(distance, people, seed):
    """How many of these people prefer the better of two photos: two felt qualities each, compared."""
    noise = np.random.default_rng(seed).normal(
        0, SIGMA / np.sqrt(2), (2, people)
    )  # the difference has SD sigma
    return int((distance + noise[0] > noise[1]).sum())


for seed in range(3):
    print(
        f"people {seed}: {looks(1, 10_000, seed)} at 1 JOD, {looks(2, 10_000, seed)} at 2 JOD"
    )

assert all(abs(looks(1, 10_000, seed) / 10_000 - 0.75) < 0.02 for seed in range(5))
assert all(
    abs(looks(2, 10_000, seed) / 10_000 - ndtr(2 / SIGMA)) < 0.02 for seed in range(5)
)

# %% [markdown]
# **Explain.** The difference of two noises is normal with SD $\sigma$, so the share who prefer A ($A \succ B$) is
# $P(A \succ B) = \Phi\big((q_A - q_B)/\sigma\big)$ for the qualities $q_A$ and $q_B$. Here is that curve; read it from the vertical axis back as well.

# %%
distance = np.linspace(-4, 4, 81)
curve = go.Figure()
curve.add_scatter(
    x=distance,
    y=100 * ndtr(distance / SIGMA),
    name="Thurstone",
    line_color=marker(0)["color"],
)
points = np.array([0, 1, 2])
labels = [f"{100 * p:.0f} %" for p in ndtr(points / SIGMA)]
curve.add_scatter(
    x=points,
    y=100 * ndtr(points / SIGMA),
    text=labels,
    mode="markers+text",
    name="0, 1 and 2 JOD",
    textposition="bottom right",
    marker=marker(1, size=10),
)
curve.update_layout(
    template="plotly_white",
    height=340,
    margin_t=30,
    xaxis_title="A is better by ... JOD",
    yaxis_title="% of people who prefer A",
)
show(
    curve,
    "Share of people who prefer A against its advantage in JOD: 50 % at 0, 75 % at 1, 91 % at 2, then it flattens.",
)

# %% [markdown]
# **Look.** The ends are flat: from 98 % to 99 % it is as far, in JOD, as from 50 % to 60 %. Pairs that are far apart therefore
# tell little about *how far*. We will meet this again when we choose which pair to ask.

# %%
assert abs((ndtri(0.99) - ndtri(0.98)) - (ndtri(0.60) - ndtri(0.50))) < 0.02

# %% [markdown]
# ### Exercise 1 · The distance of one pair (●○○, 3 min)
#
# Write the function that turns the votes of one pair into a distance in JOD.
#
# <details><summary>Hint</summary>
#
# The share of wins estimates $\Phi(d/\sigma)$; `ndtri` is the inverse of $\Phi$.
#
# </details>


# %%
def distance_of(wins, losses):
    """By how many JOD the first photo is better, from the votes of one pair."""
    return SIGMA * ndtri(wins / (wins + losses))  # solution


# %%
with check(1):
    near(distance_of(10, 10), 0, "the distance at 10 to 10")
    near(
        distance_of(15, 5),
        1,
        "the distance at 15 to 5",
        hint="75 % is one JOD by definition: multiply by SIGMA.",
    )
    near(
        distance_of(5, 15),
        -1,
        "the distance at 5 to 15",
        hint="The worse photo has a negative distance.",
    )

# %% [markdown]
# ## 3 · Three photos: the distances do not add up
#
# Twenty people compared three photos. `counts[i, j]` is how often photo *i* was preferred to photo *j*.

# %%
counts = np.array([[0, 15, 18], [5, 0, 14], [2, 6, 0]])
names = ["A", "B", "C"]
a_b, b_c, a_c = (SIGMA * ndtri(counts[i, j] / 20) for i, j in ((0, 1), (1, 2), (0, 2)))
print(
    f"A above B: {a_b:.2f} JOD,  B above C: {b_c:.2f} JOD,  so A above C: {a_b + b_c:.2f} JOD"
)
print(f"but the votes on A and C themselves say {a_c:.2f} JOD")

assert abs(a_b + b_c - a_c) > 0.1

# %% [markdown]
# Three pairs, three distances, but the photos must lie on *one* line, where two distances fix the third. So we ask
# instead: which qualities $q$ make the votes that we saw most likely (*maximum likelihood*)? With $C_{ij}$ votes for *i* over *j* we minimise
#
# $$-\log L(q) = -\sum_{i \ne j} C_{ij} \log \Phi\!\left(\frac{q_i - q_j}{\sigma}\right).$$
#
# ### Exercise 2 · The likelihood by hand (●●○, 8 min)
#
# Write $-\log L(q)$ for any number of photos.
#
# <details><summary>Hint</summary>
#
# `q[:, None] - q[None, :]` holds all differences $q_i - q_j$ at once. `log_ndtr` is $\log \Phi$, computed so that it stays
# finite far out, where `np.log(ndtr(...))` is minus infinity. The diagonal of the counts is zero.
#
# </details>


# %%
def minus_log_likelihood(q, counts):
    """How unlikely the counts (N, N) are if the qualities are q (N,)."""
    # solution
    differences = q[:, None] - q[None, :]  # (N, N)
    return -(counts * log_ndtr(differences / SIGMA)).sum()


# %%
with check(2):
    equal = minus_log_likelihood(np.zeros(3), counts)
    near(
        equal,
        60 * np.log(2),
        "for equal qualities it",
        hint="Sum over all pairs: 60 votes, each as likely as a coin, 60 log 2.",
    )
    near(
        minus_log_likelihood(np.array([1.0, 0, -1]), counts),
        30.11,
        "for q = 1, 0, -1 it",
        hint="Is the difference divided by SIGMA, and is it i over j?",
    )
    near(
        minus_log_likelihood(np.array([6.0, 5, 4]), counts),
        30.11,
        "for q = 6, 5, 4 it",
        hint="Only differences count.",
    )
    assert np.isfinite(minus_log_likelihood(np.array([0.0, 80, 0]), counts)), (
        "It is infinite far out: use log_ndtr."
    )

# %% [markdown]
# The check just saw something important: q = 6, 5, 4 has the value of q = 1, 0, -1. Adding the same number to all
# qualities changes nothing. **Votes have no zero.** We agree that the mean is zero.
#
# ### Exercise 3 · The scale (●●○, 6 min)
#
# Find the qualities that minimise it, with `scipy.optimize.minimize`, and shift them to mean zero.
#
# <details><summary>Hint</summary>
#
# `minimize(lambda q: ..., np.ones(3)).x` is where it found the least (`.x`), from a start at 1, 1, 1. The function must not depend on Exercise 2 being right: take yours or
# write it once more.
#
# </details>

# %%
# solution
found = minimize(
    lambda q: -(counts * log_ndtr((q[:, None] - q[None, :]) / SIGMA)).sum(), np.ones(3)
).x
my_scale = found - found.mean()  # solution

# %%
library = scale_counts(counts, prior="none", labels=names).table
with check(3):
    near(my_scale, library["jod"], "my_scale", tolerance=2e-3, hint="Is the mean zero?")
print(
    library[["image", "jod", "se", "ci_low", "ci_high", "comparisons"]]
    .round(2)
    .to_string(index=False)
)

between = library.jod[0] - library.jod[2]
assert min(a_b + b_c, a_c) < between < max(a_b + b_c, a_c)  # the fit is a compromise

# %% [markdown]
# **Look.** A is above C by a little more than one way of counting said and a little less than the other: the fit weighs
# all votes together. Beside each JOD stands its standard error `se`, by which it is typically off, and an interval from
# `ci_low` to `ci_high`, about two of them to each side. What the interval promises is section 5.
#
# ## 4 · When everybody agrees
#
# **Predict.** Five people compare two photos, and all five prefer A. How many JOD is A better: 2, 5, 10?

# %%
unanimous = np.array([[0, 5], [0, 0]])
for distance in (1, 2, 4, 8, 16):
    print(f"{distance:2} JOD apart: -log L = {-5 * log_ndtr(distance / SIGMA):.2g}")
try:
    scale_counts(unanimous, prior="none")
except NoFiniteScale as error:
    print(f"\nThe library refuses: {error}")
else:
    raise AssertionError("five to nothing should have no finite scale")

# %% [markdown]
# **Explain.** The further apart, the better the fit, for ever: likelihood alone has no answer. This is no rarity: in a
# sparse study some photo wins all of its votes. What helps is what we know before any vote: photos of one scene spread
# by a JOD or two, not by sixteen. The library's default, `prior="eb"`, puts a normal distribution on the qualities and
# **estimates its width from the votes themselves** (empirical Bayes).

# %%
with_prior = scale_counts(unanimous, labels=["A", "B"])
gap = with_prior.difference("A", "B")
print(
    f"SD of the prior {with_prior.report['prior_sd']:.1f} JOD: A is better by {gap['difference']:.1f}, "
    f"95 % interval {gap['ci_low']:.1f} to {gap['ci_high']:.1f}"
)

assert (
    gap["ci_low"] < 0 < gap["difference"] < 6
)  # finite, and honest: five votes do not prove much

# %% [markdown]
# Now play. Drag the true qualities, change the number of votes, ask other people, take the prior away.
# Find a setting in which *no prior* has no finite scale; find how many votes a pair it takes until every interval is
# narrower than 1 JOD.

# %%
explorer = jod_explorer([-1.5, -0.5, 0.0, 2.0], votes=15)
explorer

# %% [markdown]
# If you see no widget above: the same four photos after few, some and many votes a pair. The upright strokes are the true
# qualities; a good interval crosses its stroke.

# %%
explorer.static()

# %% [markdown]
# ## 5 · How sure is a JOD?
#
# A simulated panel: 12 people, each votes on 60 random pairs of 20 photos. Since it is simulated, the truth is known.
# These people have **tastes**: each has a lasting opinion of each photo, about 0.7 JOD off everybody's.

# %%
from pqa_lab.scaling.studies import simulated_scenes

scenes = lesson.pick(100, fast=40)
votes, truth = simulated_scenes(scenes, images=20, observers=12, each=60, taste=0.7, seed=1)
everybody = {scene: range(20) for scene in range(scenes)}
fitted = scale(votes, images=everybody)
print(f"{len(votes)} votes, {scenes} scenes, truth known: {truth.shape}")
show(
    jod_figure(fitted, 0),
    "The 20 photos of one scene with their JODs and 95 % intervals, each a little over 1 JOD wide.",
)

# %% [markdown]
# A 95 % interval makes a promise: of a hundred such intervals, about 95 hold the truth. Few papers check it. We can.
#
# ### Exercise 4 · Keep the promise (●●○, 6 min)
#
# Compute the share of intervals in a scale's `table` (columns `ci_low`, `ci_high`, one row an image) that hold the truth.
#
# <details><summary>Hint</summary>
#
# `truth` has the shape (scenes, 20), and the rows of the table are in the same order: `truth.ravel()`.
#
# </details>


# %%
def coverage(table, truth):
    """Share of the intervals that hold the truth."""
    # solution
    true = truth.ravel()
    return ((table["ci_low"] <= true) & (true <= table["ci_high"])).mean()


# %%
with check(4):
    held = fitted.table.assign(ci_low=truth.ravel() - 1, ci_high=truth.ravel() + 1)
    near(coverage(held, truth), 1, "when all intervals hold the truth, the share")
    near(
        coverage(held.assign(ci_low=[9] * 10 + list(held.ci_low[10:])), truth),
        1 - 10 / len(held),
        "when ten intervals lie too high, the share",
        tolerance=1e-9,
        hint="Both ends count.",
    )
    near(
        coverage(held.assign(ci_high=[-9] * 10 + list(held.ci_high[10:])), truth),
        1 - 10 / len(held),
        "when ten intervals lie too low, the share",
        tolerance=1e-9,
        hint="Both ends count.",
    )

# %% [markdown]
# **Predict.** The library's intervals treat the votes of one person as belonging together. What if we forget who voted,
# and take all 720 votes of a scene as independent? Wider or narrower? And does the promise hold?

# %%
for seed in range(1, 4):
    votes, truth = simulated_scenes(
        scenes, images=20, observers=12, each=60, taste=0.7, seed=seed
    )
    shares = {}
    for name, table in (
        ("with observers", votes),
        ("without", votes.drop(columns="observer")),
    ):
        low, high = scale(table, images=everybody).table[["ci_low", "ci_high"]].to_numpy().T
        shares[name] = ((low <= truth.ravel()) & (truth.ravel() <= high)).mean()
        print(
            f"panel {seed}, {name:15}: intervals {np.mean(high - low):.2f} JOD wide hold the truth in {shares[name]:.1%}"
        )
    assert shares["with observers"] > 0.92 > shares["without"]

# %% [markdown]
# **Explain.** Two votes of the same person share the person's taste; they are less than two independent opinions. So
# intervals that forget it are too narrow, and promise 95 % where they keep about 90 %. **Keep the observer's name in
# your table of votes.**
#
# One more trap: two intervals that overlap do *not* mean that two photos are equal. An interval says how sure one photo is
# against the *mean of all*; the question "is A better than B?" has an interval of its own, `scale.difference`.

# %%
pairs = fitted.differences(0, correction=None)
ends = fitted[0].table.set_index("image")
overlap = (
    ends.loc[pairs.better, "ci_low"].to_numpy()
    < ends.loc[pairs.worse, "ci_high"].to_numpy()
)
hidden = pairs[overlap & pairs.significant]
print(
    f"{len(pairs)} pairs, {overlap.sum()} with overlapping intervals; {len(hidden)} of those differ significantly all the same"
)

assert len(hidden) > 5

# %% [markdown]
# ### Exercise 5 · How many votes will your study need? (●●○, 4 min)
#
# A pilot study of `votes` votes gave intervals of width `width`. How many votes will it take to reach the width `wanted`?
#
# <details><summary>Hint</summary>
#
# Errors shrink with the square root of the number of independent votes.
#
# </details>


# %%
def votes_needed(votes, width, wanted):
    """Votes in all for intervals of the wanted width."""
    return votes * (width / wanted) ** 2  # solution


# %%
with check(5):
    near(
        votes_needed(1000, 1.0, 1.0),
        1000,
        "for the same width, the number of votes",
        tolerance=1,
    )
    near(
        votes_needed(1000, 1.0, 0.5),
        4000,
        "for half the width, the number of votes",
        tolerance=1,
        hint="Half the width takes four times the votes, not twice.",
    )

# The rule against a simulation without tastes: four times the votes.
width = {}
for each in (60, 240):
    trial, _ = simulated_scenes(10, images=20, observers=12, each=each, seed=2)
    table = scale(trial, images={scene: range(20) for scene in range(10)}).table
    width[12 * each] = (table.ci_high - table.ci_low).mean()
    print(f"{12 * each} votes: intervals {width[12 * each]:.2f} JOD wide")

assert 1.6 < width[720] / width[2880] < 2.4

# %% [markdown]
# ## 6 · Which pair next?
#
# Votes are expensive, and a study like PIQ23 takes hundreds of thousands. Must every pair be asked equally often?
#
# **Predict.** You know a little already. Which pair teaches you most: two photos that seem equal, the best against the
# worst, or any two at random? (`asap` is a rule that chooses; how, comes after the figure.)

# %%
import pandas as pd

from pqa_lab.scaling.study_sampling import planning_curve

plan = dict(
    n_images=24, comparisons=(8, 16, 32, 64), spread=2.0, repeats=lesson.pick(20, fast=8)
)
curves = pd.concat(
    [planning_curve(method=method, **plan) for method in ("random", "asap")],
    ignore_index=True,
)
figure = go.Figure()
for k, (method, part) in enumerate(curves.groupby("method", sort=False)):
    error = {"type": "data", "array": part.se}
    figure.add_scatter(
        x=part.comparisons,
        y=part.rmse,
        error_y=error,
        name=method,
        marker=marker(k, size=9),
    )
figure.update_layout(
    template="plotly_white",
    height=340,
    margin_t=30,
    xaxis_title="comparisons an image",
    yaxis_title="typical error of a JOD (RMSE)",
    xaxis_type="log",
    xaxis_tickvals=[8, 16, 32, 64],
)
show(
    figure,
    "Error of the JODs against comparisons an image: from 32 on, choosing the pairs beats drawing them at random.",
)

# %%
error = curves.pivot(index="comparisons", columns="method", values="rmse")
print(error.round(2).to_string())

assert (error.loc[[32, 64], "asap"] < 0.9 * error.loc[[32, 64], "random"]).all()

# %% [markdown]
# **Explain.** "asap" asks the pair whose answer is expected to change our belief most (expected information gain): photos
# that are close *and* uncertain. The best against the worst is nearly always a foregone conclusion, the flat end of the
# curve in section 2. The annotator at the top chose the order of your pairs this way. At the very start nothing is known, so nothing
# can be gained by choosing.
#
# And now, if you voted: **your** scale, from your own fifteen votes. Do the intervals of the best two overlap? That is the
# answer to this lesson's first question.

# %%
mine = annotator.session.scale() if len(annotator.session.votes()) >= 5 else None
if mine is None:
    print(
        "Fewer than five votes of yours so far: vote in section 1, then run this cell again."
    )
else:
    display(show(jod_figure(mine)))

# %% [markdown]
# ## What the survey says, what we saw
#
# The survey's data set PIQ23 was made this way: people compared two photos of the same scene, and the votes were scaled
# to JODs scene by scene (section 2). What it does not print are the votes, the number of comparisons a photo, or an
# interval. We saw why these matter: without intervals 0.3 JOD may be nothing, intervals that forget who voted are too
# narrow, and a photo that wins every vote has no finite JOD without a prior. All votes on this page but yours are
# simulated; nothing here is a result on PIQ23.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159, section 2: PIQ23 and its JODs.
# - L. L. Thurstone, *A law of comparative judgment*, Psychological Review 34, 1927: Case V, equation 1 with equal noise.
# - Perez-Ortiz and Mantiuk, *A practical guide and software for analysing pairwise comparison experiments*, arXiv
#   1712.03686, sections 2 and 4: the JOD's unit, maximum likelihood, priors.
# - Mikhailiuk et al., *Active sampling for pairwise comparisons via approximate message passing and information gain
#   maximization*, arXiv 2004.05691, section 3.
# - In the package: `pqa_lab/scaling/fit.py` (`scale`), `pqa_lab/scaling/uncertainty.py` (the intervals),
#   `pqa_lab/scaling/sampling.py` (which pair next), `pqa_lab/widgets/pairwise.py` (the annotator).

# %%
lesson.done()
