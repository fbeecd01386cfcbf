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
# | **Time** | 15 minutes with the exercises; under 1 minute to run on two cores |
# | **Memory** | about 1 GB; no GPU, no network |

# %%
import numpy as np
from scipy.special import ndtr, ndtri

import pqa_lab
from pqa_lab.lessons import check, near, photos, same, setup
from pqa_lab.ranking import SIGMA
from pqa_lab.samples import sample_group
from pqa_lab.widgets import camera_bench

lesson = setup(seed=0)

# %% [markdown]
# ## 1 · The scene
#
# The face is a real photograph (the astronaut Eileen Collins, NASA, public domain). The six phones are simulated: one is
# clean, the others each have one fault.

# %%
group = sample_group("an astronaut, six phones")
images = [image for image, _ in group]
names = [name for _, name in group]
photos(
    images,
    names,
    alt="One portrait six times: sharp, soft, noisy, dark, smeared, and in blocks of compression.",
)

# %% [markdown]
# **Predict.** Put the six in order, best first, before you run the next cell. Which is second? Which is last?
#
# ## 2 · The answer

# %%
ranking = pqa_lab.rank(images, names=names)
assert ranking.photos[0].path == "phone A (clean)"
ranking

# %% [markdown]
# **Look.** Was your order the same? Where you differ, read the reason beside the photo: it says what was measured on
# the face, against the middle of the group. (In JupyterLab you see the photos with their maps; elsewhere the same answer
# in words, which `print(ranking.as_text())` gives you, too.)

# %%
close = [ranking.photos[place].path for group in ranking.ties for place in group]
print(f"too close to call: {', '.join(close)}")

assert len(close) >= 3
assert "phone A (clean)" not in close

# %% [markdown]
# **Explain.** The clean photo wins; that much everyone sees. Behind it the model is far less sure, and says so: most of
# the others are "too close to call". Is noise worse than softness? People disagree about that, too.
#
# ## 3 · How sure is that?
#
# Scores are in **JODs** (just objectionable differences). One JOD apart means that 75 % of viewers prefer the better
# photo; zero means a coin toss. The curve in between is the standard normal distribution function:
#
# $$P(i \succ j) = \Phi\!\left(\frac{q_i - q_j}{\sigma}\right), \qquad \sigma = 1/\Phi^{-1}(0.75) \approx 1.4826$$
#
# **Predict.** One JOD is 75 %. Is two JOD 87 %, 91 % or 95 %?

# %%
for difference in (0, 0.5, 1, 2, 3):
    print(
        f"{difference:3} JOD apart: {ndtr(difference / SIGMA):.0%} prefer the better photo"
    )

assert abs(ndtr(1 / SIGMA) - 0.75) < 1e-4

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
# ### Exercise 1 · From chance to JOD (●○○, 3 min)
#
# Nine viewers of ten prefer photo A to photo B. How many JODs are they apart? Write the function that turns a chance
# into a difference.
#
# <details><summary>Hint</summary>
#
# It is the equation above, solved for the difference. The inverse of `ndtr` is `ndtri`.
#
# </details>


# %%
def jods_apart(chance):
    """The difference in JOD at which this share of viewers prefers the better photo."""
    return SIGMA * ndtri(chance)  # solution


# %%
with check(1):
    near(jods_apart(0.5), 0, "the difference at a coin toss")
    near(
        jods_apart(0.75),
        1,
        "the difference at 75 %",
        hint="One JOD is defined as 75 %: did you multiply by SIGMA?",
    )
    near(jods_apart(0.9), 1.9, "the difference at 90 %")

# %% [markdown]
# ## 4 · What a score does not mean
#
# A score compares photos **of this group**: the model looks at all of them together, takes away what they share, and
# puts the mean at zero.
#
# **Predict.** Remove the winner. What happens to the score of the second, and to the order of the rest?

# %%
losers = [photo.path for photo in ranking.photos[1:]]
again = pqa_lab.rank([images[names.index(name)] for name in losers], names=losers)
second = ranking.photos[1]
print(f"{second.path}: {second.score:+.2f} JOD among six, ", end="")
print(f"{next(p.score for p in again.photos if p.path == second.path):+.2f} JOD among five")
print("order among six: ", ", ".join(losers))
print("order among five:", ", ".join(photo.path for photo in again.photos))

assert abs(sum(photo.score for photo in again.photos)) < 1e-3
assert [photo.path for photo in again.photos] == losers
assert next(p.score for p in again.photos if p.path == second.path) > second.score + 0.1

# %% [markdown]
# **Explain.** The second gained without being any better: the mean that it is measured against went down. The order
# stayed. This is why nobody can say "this portrait is an 8.2": the data behind such models (PIQ23, 50 scenes,
# people comparing two photos of the *same* scene) has no scale that spans scenes. Lesson 01 builds such a scale from
# votes, and lesson 02 shows what goes wrong when two of them are mixed.
#
# ### Exercise 2 · A photo against itself (●○○, 2 min)
#
# Photo A enters the group twice, under two names. What chance does it have against its own copy, and how far apart are
# their scores? Write down both, then run the check: it asks the model.
#
# <details><summary>Hint</summary>
#
# The model sees pixels, not names. What is left to tell the two apart?
#
# </details>

# %%
chance_against_itself = 0.5  # solution
score_difference = 0  # solution

# %%
twice = pqa_lab.rank([*images[:3], images[0]], names=[*names[:3], "copy"])
place = {photo.path: k for k, photo in enumerate(twice.photos)}
original, copy = place[names[0]], place["copy"]

with check(2):
    near(chance_against_itself, twice.win[original, copy], "the chance against its copy")
    near(
        score_difference,
        twice.photos[original].score - twice.photos[copy].score,
        "the difference of the scores",
    )

# %% [markdown]
# ### Exercise 3 · Same phones, another portrait (●●○, 4 min)
#
# Rank `sample_group("an admiral, six phones")`: the same phones photograph Grace Hopper. Store the phone that wins in
# `winner`, and in `same_order` whether the order of all six is that of the astronaut.
#
# <details><summary>Hint</summary>
#
# `[photo.path for photo in some_ranking.photos]` is the order of the names, best first.
#
# </details>

# %%
# solution
admiral = sample_group("an admiral, six phones")
second_ranking = pqa_lab.rank(
    [image for image, _ in admiral], names=[name for _, name in admiral]
)
order = [photo.path for photo in second_ranking.photos]
winner = order[0]  # solution
same_order = order == [photo.path for photo in ranking.photos]  # solution

# %%
with check(3):
    same(
        winner,
        "phone A (clean)",
        "winner",
        hint="It is the path of the first photo of the ranking.",
    )
    same(
        same_order,
        False,
        "same_order",
        hint="Compare the two lists of names; places behind the winner change.",
    )

# %% [markdown]
# The winner is the same and the order behind it is not, although the phones are: a phone has no quality of its own. A
# photo of a scene has, against the other photos of that scene.
#
# **Your turn.** Make a camera of your own: turn its knobs and see the photo, what the model says of it, the truth of the
# simulation, and the maps that show where the photo is blurred, noisy or dark. Where does the model err?

# %%
bench = camera_bench()
bench

# %% [markdown]
# If you see no widget above (GitHub, PDF): the same camera, ideal, out of focus, with too little light, and too bright.

# %%
bench.static()

# %% [markdown]
# **Your own photos.** Put two or more takes of one scene beside this notebook and run
# `pqa_lab.rank(["take1.jpg", "take2.jpg"])`. Phone formats (HEIC) work.
#
# ## What the survey says, what we saw
#
# The survey's task (section 2) is this one: rank the images of a scene; seven images, one of them a DSLR's. Its methods
# reach a median rank correlation of 0.30 to 0.55 on scenes they never saw (Table 1). The model used here is small and was
# trained on **simulated** portraits: nothing on this page is a result on PIQ23. What we saw agrees in one thing: the
# best is found, and the order behind it is hard.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: section 2 (the task), Table 1.
# - Perez-Ortiz and Mantiuk, *A practical guide and software for analysing pairwise comparison experiments*, arXiv
#   1712.03686, section 2: the JOD and its σ.
# - In the package: `pqa_lab/ranking.py` (this page's answers), `pqa_lab/samples.py` (the phones).

# %%
lesson.done()
