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
# # 02 · Scenes and scales
#
# A portrait at night has the score +0.4, a portrait in the park has +0.4. Are they equally good? The question has no
# answer, and this lesson shows why: two things are lost on the way from quality to a published score, the zero and the
# unit. Whoever forgets one of them trains on nonsense, or measures it.
#
# | | |
# |---|---|
# | **You will be able to** | say which comparisons of scores are allowed; rebuild a published scale; spot a pooled correlation |
# | **You need** | [lesson 01](01_from_votes_to_jods.ipynb): votes, JODs, intervals |
# | **Time** | 30 minutes with the exercises; under 1 minute to run on two cores |
# | **Memory** | about 0.5 GB; no GPU, no network |

# %%
import numpy as np
import pandas as pd
from plotly.subplots import make_subplots
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtr
from scipy.stats import spearmanr

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene
from pqa_lab.lessons import check, near, photos, same, setup
from pqa_lab.scaling import SIGMA, scale, simulate_votes
from pqa_lab.scenes import load_simulated
from pqa_lab.viz import marker, show

lesson = setup(seed=0)

# %% [markdown]
# ## 1 · Two photos with the same score
#
# Four simulated scenes, twelve photos each: drawn portraits, simulated phones, a simulated panel that votes, and JODs
# that are scaled and published scene by scene **as PIQ23's are**. Because we made this world, we know something that
# nobody knows about PIQ23: the true quality of every photo, in JOD below the ideal photo, comparable over all scenes.
#
# Here are two photos from two scenes. Their published scores are the same within 0.1.

# %%
rows = load_simulated(scenes=4, images=12, size=160, workers=1, progress=False)
world = rows.remove_columns("image").to_pandas()
day, night = (
    world[world.scene.str.startswith(name)] for name in ("Outdoor_03", "Night_02")
)
same_score = [
    (a, b) for a in day.index for b in night.index if abs(day.jod[a] - night.jod[b]) < 0.1
]
a, b = max(same_score, key=lambda pair: day.truth[pair[0]] - night.truth[pair[1]])
captions = [f"{world.scene[k]}: published {world.jod[k]:+.2f}" for k in (a, b)]
photos(
    [rows[a]["image"], rows[b]["image"]],
    captions,
    height=260,
    columns=2,
    alt="A portrait in daylight and a portrait at night whose published scores are nearly equal.",
)

# %% [markdown]
# **Predict.** Which of the two is better, and by how many JOD?

# %%
print(f"{world.scene[a]}: {world.truth[a]:+.2f} JOD against its ideal photo")
print(f"{world.scene[b]}: {world.truth[b]:+.2f} JOD against its ideal photo")
print(f"so the one by day is {world.truth[a] - world.truth[b]:.1f} JOD better")

assert ndtr((world.truth[a] - world.truth[b]) / SIGMA) > 0.9

# %% [markdown]
# **Look.** Equal scores, and yet nine of ten people would take the one by day. Nothing is wrong with the votes or with the
# scaling. Let us find out where the difference went.
#
# ## 2 · Where the zero went
#
# People compared photos *of the same scene*. Put the votes of two scenes into one table and count who met whom.

# %%
truth = {
    "park": np.array([0.0, -0.5, -1.0, -1.5]),
    "night": np.array([-3.0, -4.0, -5.0, -6.0]),
}
votes = pd.concat(
    [
        simulate_votes(
            {f"{name} {k}": quality for k, quality in enumerate(q)},
            400,
            20,
            seed=k,
            scene=name,
        )
        for k, (name, q) in enumerate(truth.items())
    ]
)
met = pd.crosstab(
    votes["first"].str.split().str[0].rename("shown first"),
    votes["second"].str.split().str[0].rename("shown second"),
)
print(met.to_string())

assert met.loc["park", "night"] == met.loc["night", "park"] == 0

# %% [markdown]
# The table has two blocks and nothing between them. Lesson 01 found that votes have no zero: adding a number to all
# qualities changes no probability. With two blocks there are *two* such numbers, and no vote ties them together.
#
# **Predict.** What will the library do if we hide the column `scene` and ask for one scale of all eight photos?

# %%
try:
    scale(votes.drop(columns="scene"))
except InputError as error:
    print(error)
else:
    raise AssertionError("eight photos in two groups should not have one scale")

# %% [markdown]
# **Explain.** It refuses, and rightly: the votes would be just as likely if all night photos were 10 JOD better. Some
# tools go on silently and put each group's mean (or its best photo) at the same place. That *looks* like a common scale.
#
# ### Exercise 1 · Count the free zeros (●○○, 5 min)
#
# Given a matrix of votes `counts[i, j]` (how often *i* was preferred to *j*), how many numbers can be chosen freely
# without changing the likelihood? Write the function for any matrix.
#
# <details><summary>Hint</summary>
#
# Photos are connected when a vote was cast between them, whoever won. `connected_components(graph, directed=False)` of
# scipy returns the number of groups first.
#
# </details>


# %%
def free_zeros(counts):
    """How many shifts the votes leave open."""
    return connected_components(counts + counts.T, directed=False)[0]  # solution


# %%
block = np.array([[0, 3], [2, 0]])
two_scenes = np.block([[block, np.zeros((2, 2), int)], [np.zeros((2, 2), int), block]])
bridged = two_scenes.copy()
bridged[1, 2] = 1
with check(1):
    near(free_zeros(block), 1, "for one scene the number of free zeros")
    near(free_zeros(two_scenes), 2, "for two scenes the number of free zeros")
    near(
        free_zeros(bridged),
        1,
        "with a single vote between two scenes the number",
        hint="One vote is a bridge.",
    )

# %% [markdown]
# One vote between the scenes would be a bridge; a few hundred would give a common zero. PIQ23's makers chose not to ask:
# "by design, each scene has an independent quality scale" (survey, section 2), since people answer consistently about
# photos of like content, and a face at night against another in the park is a different question.
#
# ## 3 · Where the unit went
#
# So the zero is lost. But is 1 JOD not always 75 %? In `scale`, yes. In the published columns of PIQ23, no. We measured
# this on the public tables: in **all 150** of its groups (50 scenes, three attributes), to six digits,
#
# $$\overline{\mathrm{JOD}} = 0, \qquad \operatorname{var}(\mathrm{JOD}) + \overline{\mathrm{STD}^2} = 1.4826^2 = \sigma^2 .$$
#
# No scene has that spread by nature. Each was shifted and *stretched* until it did. The simulated rows copy this:

# %%
spread = world.groupby("scene").apply(
    lambda scene: np.sqrt(scene.jod.var(ddof=0) + (scene.jod_std**2).mean()),
    include_groups=False,
)
print(
    pd.DataFrame({"published": spread, "true SD": world.groupby("scene").truth.std()})
    .round(3)
    .to_string()
)

assert np.allclose(spread, 1.4826, atol=1e-6)

# %% [markdown]
# ### Exercise 2 · Publish a scale (●●○, 6 min)
#
# Write the function that turns the JODs and standard errors of one scene into published values.
#
# <details><summary>Hint</summary>
#
# Subtract the mean, then multiply by one factor $f$. Standard errors are multiplied by $f$, too, so the sum of squares
# on the left of the equation grows with $f^2$.
#
# </details>


# %%
def published(jod, se):
    """Published values and their standard errors, from JODs (N,) and standard errors (N,)."""
    # solution
    factor = SIGMA / np.sqrt(np.var(jod) + np.mean(se**2))
    return (jod - jod.mean()) * factor, se * factor


# %%
honest = scale(votes)["night"]
expected = scale(votes, standardize="piq23")["night"].table
with check(2):
    answer = published(honest.table.jod.to_numpy(), honest.table.se.to_numpy())
    assert answer is None or len(answer) == 2, (
        "Return two things: values and standard errors."
    )
    values, errors = (None, None) if answer is None else answer
    near(
        values,
        expected.jod,
        "the published values",
        tolerance=1e-6,
        hint="np.var divides by N, as here.",
    )
    near(
        errors,
        expected.se,
        "the published standard errors",
        tolerance=1e-6,
        hint="Multiply them by the factor, too.",
    )

# %% [markdown]
# Now watch what it does. Two scenes: in the *park* the phones differ little, at *night* a lot.
#
# **Predict.** After publishing, which of the two scenes will look more spread out?

# %%
scales = {"in JOD": scale(votes), "as published": scale(votes, standardize="piq23")}
figure = make_subplots(1, 2, subplot_titles=list(scales), shared_yaxes=True)
for column, result in enumerate(scales.values(), start=1):
    for k, scene in enumerate(("park", "night")):
        part = result[scene].table
        figure.add_scatter(
            x=part.jod,
            y=[f"photo {i + 1}" for i in range(len(part))],
            name=scene,
            mode="markers",
            row=1,
            col=column,
            error_x={"array": part.ci_high - part.jod},
            marker=marker(k, size=10),
            showlegend=column == 1,
        )
figure.update_layout(template="plotly_white", height=320, margin_t=40).update_xaxes(
    title="JOD", col=1
)
figure.update_xaxes(title="published value", col=2)
show(
    figure,
    "Left, in JOD: night spreads about twice as far as the park. Right, as published: both spread the same.",
)

# %%
sd = {
    name: [result[scene].table.jod.std() for scene in ("park", "night")]
    for name, result in scales.items()
}
for name, (park, dark) in sd.items():
    print(
        f"{name:12}: SD {park:.2f} in the park, {dark:.2f} at night, ratio {dark / park:.2f}"
    )

assert sd["in JOD"][1] / sd["in JOD"][0] > 1.6
assert 0.9 < sd["as published"][1] / sd["as published"][0] < 1.2

# %% [markdown]
# **Explain.** The park was stretched, the night squeezed. So "one unit" is not 75 % of the people any more, and it is not
# even the same in both.
#
# ### Exercise 3 · What is one published unit worth? (●●○, 5 min)
#
# In a scene that was multiplied by `factor`, two photos are one *published* unit apart. What share of people prefers the
# better one?
#
# <details><summary>Hint</summary>
#
# First undo the stretching: how many JOD are one published unit? Then the curve of lesson 01.
#
# </details>


# %%
def share_at_one_unit(factor):
    """Share of people who prefer the photo that is one published unit better."""
    return ndtr(1 / factor / SIGMA)  # solution


# %%
with check(3):
    near(share_at_one_unit(1.0), 0.75, "without stretching the share")
    near(
        share_at_one_unit(2.0),
        0.632,
        "for a scene stretched twofold the share",
        hint="Its units are half a JOD.",
    )

for k, scene in enumerate(("park", "night")):
    factor = sd["as published"][k] / sd["in JOD"][k]
    print(
        f"{scene:5}: multiplied by {factor:.2f}; one published unit is {ndtr(1 / factor / SIGMA):.0%} of the people"
    )

# %% [markdown]
# **Look.** The same number, very different agreement. Three things follow for anyone who uses PIQ23's columns:
#
# - **Order within a scene** is what the votes say. Use it freely.
# - **Ratios of distances within a scene** survive a shift and a stretch. A loss may use them.
# - **Everything across scenes**, zero or distance, was made equal by arithmetic. It is no measurement.
#
# The same arithmetic touches the intervals. One more trap lies in them: a photo that nobody ever compared. Its interval
# should be the widest of all. In one of PIQ23's public tables the photo with zero comparisons has the *narrowest*.

# %%
scene = simulate_votes(
    np.random.default_rng(0).normal(0, 1.4, 12), 200, observers=10, seed=0
)
table = scale(scene, images=range(13)).table.assign(
    width=lambda t: t.ci_high - t.ci_low
)  # number 12 has no vote
print(
    table[["image", "jod", "ci_low", "ci_high", "comparisons"]]
    .tail(3)
    .round(2)
    .to_string(index=False)
)
print(
    f"typical width {table.width[:12].median():.1f} JOD, never compared {table.width[12]:.1f} JOD"
)

assert table.comparisons[12] == 0
assert table.width[12] == table.width.max() > 2 * table.width[:12].median()

# %% [markdown]
# ## 4 · Mixing scales when you measure
#
# A method is usually judged by a rank correlation (SRCC) between its scores and the JODs. Two scorers face fifteen
# scenes. **Ada** ranks each scene nearly perfectly, but her scores of a scene all move up and down together. **Bob** is
# noisy everywhere, and never moves a scene.
#
# **Predict.** Who has the higher SRCC over all 360 photos pooled? Who ranks better?


# %%
def contest(seed, scenes=15, images=24):
    """Scores of Ada and Bob on the same photos, one row an image and scorer."""
    rng = np.random.default_rng(seed)
    jod = rng.normal(0, 1.4, (scenes, images))
    jod -= jod.mean(axis=1, keepdims=True)  # as published: no zero across scenes
    score = {
        "Ada": jod + rng.normal(0, 0.6, jod.shape) + rng.normal(0, 3, (scenes, 1)),
        "Bob": jod + rng.normal(0, 1.6, jod.shape),
    }
    scene = np.repeat(np.arange(scenes), images)
    parts = [
        pd.DataFrame(
            {"method": name, "scene": scene, "score": s.ravel(), "jod": jod.ravel()}
        )
        for name, s in score.items()
    ]
    return pd.concat(parts, ignore_index=True)


for seed in range(3):
    frame = contest(seed)
    pooled = {
        name: spearmanr(part.score, part.jod)[0] for name, part in frame.groupby("method")
    }
    within = per_scene(frame, ["method"], fit=False).groupby("method").srcc.median()
    print(f"draw {seed}: pooled Ada {pooled['Ada']:.2f}, Bob {pooled['Bob']:.2f};", end=" ")
    print(f"scene by scene Ada {within['Ada']:.2f}, Bob {within['Bob']:.2f}")
    assert pooled["Bob"] > pooled["Ada"]
    assert within["Ada"] > within["Bob"] + 0.1

# %% [markdown]
# **Explain.** Pooling punishes Ada for not knowing a zero that *does not exist*. Scene by scene, she is far better. That
# is why the challenge computes a correlation in every scene and then takes the median over scenes, and why
# `pqa_lab.evaluation` has no switch to pool.
#
# ### Exercise 4 · The protocol in three lines (●●○, 6 min)
#
# Write the challenge's SRCC: one Spearman correlation a scene, then the median over scenes.
#
# <details><summary>Hint</summary>
#
# `frame.groupby("scene")` gives the scenes one by one; `spearmanr(x, y)[0]` is the correlation.
#
# </details>


# %%
def challenge_srcc(frame):
    """Median over scenes of the SRCC in each, for a table with the columns scene, score and jod."""
    # solution
    return np.median(
        [spearmanr(scene.score, scene.jod)[0] for _, scene in frame.groupby("scene")]
    )


# %%
with check(4):
    for name, part in contest(7).groupby("method"):
        expected = per_scene(part, fit=False).srcc.median()
        near(
            challenge_srcc(part),
            expected,
            f"{name}'s median SRCC",
            tolerance=1e-9,
            hint="Median, not mean?",
        )

# %% [markdown]
# ### Exercise 5 · What may be said? (●○○, 3 min)
#
# Four sentences about published scores. Which are allowed? Replace each value by `True` or `False`.
#
# 1. In the park, photo 1 (+1.2) is better than photo 2 (+0.3).
# 2. Photo 1 of the park (+1.2) is better than photo 1 of the night (+0.9).
# 3. At night, photos 1 and 2 are twice as far apart as photos 2 and 3.
# 4. At night the phones differ more than in the park, since the scores spread further.
#
# <details><summary>Hint</summary>
#
# Which of them stays true if every scene is shifted and stretched by numbers of its own?
#
# </details>

# %%
allowed = [True, False, True, False]  # solution

# %%
with check(5):
    same(
        allowed,
        [True, False, True, False],
        "The list",
        hint="Shift and stretch each scene: what survives?",
    )

# %% [markdown]
# **If you have PIQ23**: `pqa_lab.scenes.load_piq23_scores("path/to/PIQ23")` reads its tables, with the columns `scene,
# jod, jod_std`; the cell of section 3 that prints `published` works on it unchanged.
#
# ## What the survey says, what we saw
#
# Section 2 of the survey says both things in one paragraph: 1 JOD is 75 % of the observers, and "the scores of the scenes
# are not inter-comparable"; models are asked to rank within a scene, not to hit a value. We saw that the second sentence
# is even truer than it sounds: in the public columns the unit is gone, too. Several methods answer to this: RQ-Net
# compares photos only after taking each scene's shift and scale away (Equations 1 and 2), PQE uses only the order of pairs
# of one scene (Equation 4), and FULL-HyperIQA learns a scale and a shift for each scene. The photos and votes on this page are
# simulated; only the identity of section 3 was measured on PIQ23's public tables.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: section 2 (PIQ23, JOD, scales),
#   Equations 1-2 and 4 (losses that live within a scene).
# - Chahine et al., *An Image Quality Assessment Dataset for Portraits*, CVPR 2023, section 3: PIQ23.
# - In the package: `pqa_lab/scaling/link.py` (groups that no vote joins), `pqa_lab/scaling/published.py` (the published
#   columns), `pqa_lab/simulation/dataset.py` (these scenes), `pqa_lab/evaluation/protocol.py` (the median over scenes).

# %%
lesson.done()
