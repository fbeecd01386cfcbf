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
# # 00 · Rank a scene group in five minutes
#
# Someone took the same portrait with six phones. Which photo is best, how sure is that, and why? By the end of this page
# you have asked a model, read its answer with the right amount of trust, and tried it on photos of your own.
#
# | | |
# |---|---|
# | **You will be able to** | rank a scene group; read win probabilities; say what a score does *not* mean |
# | **You need** | Python; nothing about image quality |
# | **Time** | 5 minutes to read, under 1 minute to run on two cores |
# | **Memory** | about 1 GB; no GPU, no network |

# %%
import numpy as np

import pqa_lab
from pqa_lab.ranking import SIGMA
from pqa_lab.samples import sample_group

# %% [markdown]
# ## 1 · The scene
#
# The face below is a real photograph (the astronaut Eileen Collins, NASA, public domain). The six phones are simulated:
# one is clean, the others each have one fault.
#
# **Predict.** Put the six in order before you run the next cell. Which is second? Which is last?

# %%
group = sample_group("an astronaut, six phones")
photos = [photo for photo, _ in group]
names = [caption for _, caption in group]
print(f"{len(photos)} photos of {photos[0].shape[1]} x {photos[0].shape[0]} pixels:")
print("\n".join(names))

# %% [markdown]
# ## 2 · The answer

# %%
ranking = pqa_lab.rank(photos, names=names)
ranking

# %% [markdown]
# **Look.** Was your order the same? Where you differ, look at the sentence under the photo: it says what was measured on
# the face, against the middle of the group.
#
# Without pictures, the same answer reads:

# %%
print(ranking.as_text())

# %% [markdown]
# ## 3 · How sure is that?
#
# Scores are in **JODs** (just objectionable differences). One JOD apart means that 75 % of viewers prefer the better
# photo; zero means a coin toss. The curve in between is the standard normal distribution function:
#
# $$P(i \succ j) = \Phi\!\left(\frac{q_i - q_j}{\sigma}\right), \qquad \sigma = 1/\Phi^{-1}(0.75) \approx 1.4826$$
#
# **Predict.** What is the chance at 2 JOD: 87 %, 91 % or 95 %? Then run.

# %%
from scipy.special import ndtr

for difference in (0, 0.5, 1, 2, 3):
    print(f"{difference:3} JOD apart: {ndtr(difference / SIGMA):.0%} prefer the better photo")

assert abs(ndtr(1 / SIGMA) - 0.75) < 1e-12

# %% [markdown]
# The ranking holds this chance for every pair. Each row is a photo, best first; read across: the chance that a viewer
# prefers it to the photo of that column.

# %%
print(np.array2string(ranking.win, formatter={"float": lambda p: f"{p:4.0%}"}))

# A pair is one question: the chances of its two answers add up to one.
assert np.allclose(ranking.win + ranking.win.T, 1)
# And a better place never has the smaller chance against its neighbour.
assert (np.diag(ranking.win, 1) >= 0.5).all()

# %% [markdown]
# ## 4 · What a score does not mean
#
# A score compares photos **of this group**: the model looks at all of them together, takes away what they share, and
# puts the mean at zero. Drop one photo and the scores of the others change; what should stay is their order.
#
# **Predict.** Remove the winner. What happens to the score of the second, and to the order of the rest?

# %%
rest = [photos[names.index(photo.path)] for photo in ranking.photos[1:]]
again = pqa_lab.rank(rest, names=[photo.path for photo in ranking.photos[1:]])
second = ranking.photos[1]
print(f"'{second.path}': {second.score:+.2f} JOD among six, ", end="")
print(f"{next(p.score for p in again.photos if p.path == second.path):+.2f} JOD among five")
print("order among six: ", [photo.path for photo in ranking.photos[1:]])
print("order among five:", [photo.path for photo in again.photos])

assert abs(sum(photo.score for photo in again.photos)) < 1e-3

# %% [markdown]
# This is why nobody can say "this portrait is an 8.2": the data behind such models (PIQ23, 50 scenes, people comparing
# two photos of the *same* scene) has no scale that spans scenes. Lesson 01 builds such a scale from votes.
#
# ## Try
#
# 1. **Your own photos** (●○○, 2 min). Put two or more takes of one scene beside this notebook and run
#    `pqa_lab.rank(["take1.jpg", "take2.jpg"])`. Phone formats (HEIC) work.
# 2. **The other sample** (●○○, 2 min). Rank `sample_group("an admiral, six phones")`: the phones are the same, the
#    portrait is another. Is the order the same? Should it be?
# 3. **A photo against itself** (●●○, 3 min). What chance does a photo get against an exact copy of itself? Say it first.
#
# ## What the survey says, what we saw
#
# The survey's task (section 2) is this one: rank the images of a scene; seven images, one of them a DSLR's. Its methods
# reach a median rank correlation of 0.30 to 0.55 on scenes they never saw (Table 1). The model used here is small and was
# trained on **simulated** portraits: nothing on this page is a result on PIQ23.

# %%
print("last cell ran")
