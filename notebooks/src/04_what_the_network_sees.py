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
# # 04 · What the network sees
#
# A phone takes twelve million pixels. The network gets fifty thousand. Somebody has to choose which, and that choice
# comes before any training: a fault that the view has thrown away cannot be learned. On this page you measure what each
# view throws away, and meet one fault that is *easier* to see in the smaller picture.
#
# | | |
# |---|---|
# | **You will be able to** | say what a resize, fragments, crops and a face crop keep and destroy; measure it for a view of your own |
# | **You need** | [lesson 00](00_rank_a_scene_group.ipynb); numpy |
# | **Time** | 35 minutes with the exercises; 40 s to run on two cores |
# | **Memory** | about 1 GB; no GPU, no network |

# %%
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.stats import spearmanr

from pqa_lab.evaluation.survey import table1
from pqa_lab.lessons import check, near, photos, same, setup
from pqa_lab.samples import astronaut, grace_hopper
from pqa_lab.simulation import apply_fault, apply_faults
from pqa_lab.views import (
    crops,
    detect_face,
    fragments,
    pqe_face,
    resize,
    resize_global,
    to_tensor,
)
from pqa_lab.viz import marker, show
from pqa_lab.widgets import CropView, crop_viewer

lesson = setup(seed=0, torch=True)
portraits = {"astronaut": astronaut(), "admiral": grace_hopper()}

# %% [markdown]
# ## 1 · One photo, four views
#
# **Predict.** Four networks look at the same portrait through inputs of 224 x 224 pixels. One gets the whole photo,
# shrunk; one gets the middle, unshrunk; one the face; one gets *fragments*: 49 patches of 32 x 32 pixels, one from each
# cell of a 7 x 7 grid, pushed together. Which of the four could tell you that the photo is noisy? Which, that the head
# is too low in the frame?

# %%
photo = portraits["astronaut"]
face = detect_face(photo)
looks = {
    "resize": lambda photo: resize_global(photo, 224),
    "fragments": lambda photo: fragments(photo, mode="fastvqa"),  # no resizing before
    "centre crop": lambda photo: crops(photo, 224, "centre"),
    "face crop": lambda photo: to_tensor(resize(pqe_face(photo, face), 224, 224)),
}


def picture(view):
    """The first of a tensor of views, (V, 3, S, S) -> (S, S, 3)."""
    return (255 * view[0]).byte().permute(1, 2, 0).numpy()


photos(
    [picture(look(photo)) for look in looks.values()],
    list(looks),
    alt="A portrait as four networks see it: whole but small; as a mosaic of sharp patches; the middle; the face.",
)

# %% [markdown]
# **Look.** The mosaic is not as mad as it seems. Each patch is where it was in the photo, so a network can still learn
# "skin is in the middle"; and inside a patch nothing has been resized, so texture is what the sensor and its software
# made of it. The centre crop is as sharp, but it has hardly any face: this one is in the upper half. So noise shows in
# fragments and centre crop, and where the head sits in the frame only the shrunk photo tells (the mosaic roughly).
#
# **Your turn.** The viewer outlines on the photo what each view takes. Try "18 random crops" with *Draw again*, and a
# side of 64 pixels.

# %%
crop_viewer()

# %% [markdown]
# If you see no widget above (GitHub, PDF): the photo with what is taken outlined, and beside it what the network gets.

# %%
twins = [CropView(kind=kind) for kind in ("fragments (RQ-Net)", "five crops (PQE, BDVQA)")]
photos(
    [shown for twin in twins for shown in twin.pictures().values()],
    ["fragments: taken", "fragments: seen", "five crops: taken", "five crops: seen"],
    alt="Outlines of 49 small patches spread over a portrait, and their mosaic; outlines of four "
    "corners and the middle, and these five crops.",
)

# %% [markdown]
# **Predict.** How much of this photo's area do RQ-Net's fragments show: about 10 %, 40 %, or all of it? And of its
# *face*, how much do the centre crop, five crops and 18 random crops show?


# %%
def share_seen(look, box):
    """Share of the pixels of a box that lie in at least one view."""
    seen = np.zeros(look.photo.shape[:2], bool)
    for x0, y0, x1, y1 in look.regions():
        seen[round(y0) : round(y1), round(x0) : round(x1)] = True
    x0, y0, x1, y1 = box
    return seen[y0:y1, x0:x1].mean()


kinds = [
    "fragments (RQ-Net)",
    "one crop, centre",
    "five crops (PQE, BDVQA)",
    "18 random crops (BDVQA)",
]
rows = []
for kind in [*kinds, "face square (SAR)"]:
    look = CropView(photo, kind)
    rows.append((kind, look.coverage(), share_seen(look, look.face), look.zoom()))
table = pd.DataFrame(
    rows, columns=["view", "of the photo", "of the face", "zoom"]
).set_index("view")
print(table.round(2).to_string())

assert table.loc[kinds[0], "of the photo"] < 0.15
assert table.loc[kinds[1], "of the face"] < 0.5 < table.loc[kinds[3], "of the face"]
assert table.loc["face square (SAR)", "of the face"] == 1

# %% [markdown]
# **Explain.** Fragments show a tenth of the photo and a little of everything. The centre crop shows a bigger share of
# the photo but most of the face is outside it: whoever tests with one centre crop judges this portrait by a space suit.
# More crops bring the face back, each at the price of one more pass through the network. (Zoom: pixels of the view for
# one pixel of the photo. Above 1 the photo was enlarged, which adds no detail: our photo is small. SAR's square of at
# least 512 pixels is, on a photo of 512, the whole photo.)
#
# ### Exercise 1 · A phone's photo (●○○, 5 min)
#
# RQ-Net first resizes a photo to a short side of 672 pixels. A phone's photo has 4000 x 3000 pixels, and the face is
# 600 of them wide. Find (a) `coverage`, the share of the *resized* photo's area that the 49 patches of 32 x 32 show; (b)
# `face_global`, how many pixels wide the face is after a resize of the whole photo to 224 x 224; (c) `face_local`, how
# wide it is in the resized photo from which the patches are cut.
#
# <details><summary>Hint</summary>
#
# The short side, 3000, becomes 672, and the long side shrinks by the same factor. The resize to 224 x 224 does not keep
# the aspect ratio: a width of 4000 becomes 224.
#
# </details>

# %%
# solution
short, long = 672, 672 * 4000 / 3000
coverage = 49 * 32 * 32 / (short * long)  # solution
face_global = 600 * 224 / 4000  # solution
face_local = 600 * 672 / 3000  # solution

# %%
with check(1):
    near(
        coverage,
        0.0833,
        "coverage",
        tolerance=0.002,
        hint="49 patches of 32 * 32 pixels, over 672 * 896.",
    )
    near(
        face_global,
        33.6,
        "face_global",
        tolerance=0.6,
        hint="The width of 4000 pixels becomes 224.",
    )
    near(
        face_local,
        134.4,
        "face_local",
        tolerance=0.6,
        hint="The height of 3000 pixels becomes 672.",
    )

# %% [markdown]
# In the global view of a real phone photo the face is as large as a thumbnail in a contact sheet. That is why three of
# the five teams in the survey look a second time, at sharp pixels or at the face.
#
# ## 2 · What is left of a fault
#
# Take a clean photo and a faulty copy. Whatever a network can learn about the fault is in their *difference*. So we ask
# how much of it a view keeps:
#
# $$\text{kept} = \frac{\mathrm{rms}\big(v(\text{faulty}) - v(\text{clean})\big)}{\mathrm{rms}(\text{faulty} - \text{clean})}$$
#
# **Predict.** Noise, blur, compression, darkness: which of them lose the most when the photo is shrunk to 224 pixels?
# What do fragments lose?


# %%
def rms(difference):
    return float(difference.square().mean().sqrt())


def kept(look, clean, faulty):
    """Root mean square difference in the view over that in the photo."""
    return rms(look(faulty) - look(clean)) / rms(to_tensor(faulty) - to_tensor(clean))


whole = {
    "resize": looks["resize"],
    "fragments": looks["fragments"],
    "five crops": lambda p: crops(p, 224, "five"),
}
rows = []
for name, clean in portraits.items():
    for fault in ("noise", "compression", "blur", "under"):
        for seed in range(lesson.pick(3, fast=2)):
            faulty = apply_fault(clean, fault, 0.6, seed=seed)
            rows += [
                (name, fault, view, kept(look, clean, faulty))
                for view, look in whole.items()
            ]
survival = pd.DataFrame(rows, columns=["portrait", "fault", "view", "kept"])
table = survival.groupby(["fault", "view"], sort=False).kept.mean().unstack()
print(table.round(2).to_string())

least, most = (survival.groupby(["view", "fault"]).kept.agg(how) for how in ("min", "max"))
assert most["resize", "noise"] < 0.5
assert most["resize", "compression"] < 0.7
assert least["fragments", "noise"] > 0.9
assert all(least[view, "under"] > 0.9 for view in whole)

# %% [markdown]
# **Look.** (`under` is darkness, underexposure.) Read the column "resize" from top to bottom: from the finest fault to the coarsest. Then read the other two.
#
# **Explain.** To shrink is to average neighbouring pixels. Noise differs from pixel to pixel and cancels; blocks of
# compression are a little larger and cancel less; darkness is the same everywhere and cannot cancel. Fragments and crops
# copy pixels, so they keep each kind of fault, each from the few places they look at.
#
# ### Exercise 2 · How fast does noise vanish? (●●○, 5 min)
#
# Each pixel of a grey picture has noise of standard deviation `sd`, independent of its neighbours. We shrink the picture
# `n` times: each new pixel is the mean of a block of `n x n` old ones. Write the function that gives the standard
# deviation that is left.
#
# <details><summary>Hint</summary>
#
# The standard deviation of the mean of $k$ independent values is $\sigma / \sqrt{k}$. How many pixels are in a block?
#
# </details>


# %%
def noise_left(sd, n):
    """Standard deviation after the mean of n x n pixels."""
    return sd / n  # solution


# %%
with check(2):
    measured = (
        np.random.default_rng(0)
        .normal(0, 8, (600, 600))
        .reshape(150, 4, 150, 4)
        .mean((1, 3))
        .std()
    )
    near(noise_left(8, 1), 8, "the noise of an unshrunk picture")
    assert abs(noise_left(8, 4) - 4) > 0.01, (
        "That is the mean of n values; a block of n x n has more."
    )
    near(
        noise_left(8, 4),
        measured,
        "the noise after a shrink by 4",
        tolerance=0.1,
        hint="Divide by the square root of the number of pixels in a block, n * n.",
    )
    near(noise_left(3, 10), 0.3, "the noise after a shrink by 10")

# %% [markdown]
# A phone's photo shrinks by 13 on its way to 224 pixels. A real resize does a bit more than your formula: so that edges
# do not become staircases, its filter reaches over the neighbouring blocks, too.

# %%
factors = [1, 2, 3, 4, 6, 8, 13]
grey = (
    np.random.default_rng(0)
    .normal(128, 25, (936, 936, 1))
    .clip(0, 255)
    .astype(np.uint8)
    .repeat(3, axis=2)
)
left = [resize(grey, 936 // n, 936 // n).std() / grey.std() for n in factors]
figure = go.Figure()
figure.add_scatter(
    x=factors, y=left, name="measured, bilinear", mode="lines+markers", marker=marker(0)
)
figure.add_scatter(
    x=factors, y=[1 / n for n in factors], name="1 / n (mean of a block)", marker=marker(1)
)
figure.update_xaxes(title="how many times smaller", type="log", tickvals=factors)
figure.update_yaxes(title="share of the noise that is left", range=[0, 1.05])
figure.update_layout(template="plotly_white", height=320, margin={"t": 20})

assert all(measured < 1 / n for n, measured in zip(factors[1:], left[1:], strict=True))
show(
    figure,
    "Noise left by a resize falls a little faster than one over the factor: at 13, less than a tenth is left.",
)

# %% [markdown]
# ## 3 · The surprise: what noise hides
#
# In a real scene faults come together. We make groups of photos of one portrait, each with its own amount of noise,
# blur and darkness, and read each fault off each view with the simplest meter there is:
#
# - *noise*: the median of the second differences (grain makes even skin and sky restless);
# - *blur*: the steepest percent of the steps between neighbours (blur flattens edges);
# - *darkness*: the mean.
#
# The score of a view is the rank correlation between meter and truth within the group: can this view still tell *which
# of the photos* is the noisier, the more blurred, the darker one?


# %%
def meters(view):
    """Three numbers of a tensor of views (V, 3, S, S)."""
    grey = view.mean(1).numpy()  # (V, S, S)
    steps = np.diff(grey, axis=2)
    return {
        "noise": np.median(np.abs(np.diff(steps, axis=1))),
        "blur": -np.quantile(np.abs(steps), 0.99),
        "under": -grey.mean(),
    }


def study(clean, seed, views, photos=14):
    """Rank correlation of each meter with its fault, view by view, in one group of photos."""
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame(
        {
            fault: rng.permutation(np.linspace(0, 1, photos))
            for fault in ("noise", "blur", "under")
        }
    )
    group = [apply_faults(clean, dict(row), seed=k) for k, row in truth.iterrows()]
    for view, look in views.items():
        read = pd.DataFrame([meters(look(photo)) for photo in group])
        yield from (
            (seed, view, fault, spearmanr(read[fault], truth[fault])[0]) for fault in truth
        )


# %% [markdown]
# **Predict.** The photo as it was taken (512 pixels), or the same photo shrunk to 224, 112 or 56: in which of them is
# *blur* read best? (56 does to our photo what a network with an input of 448 does to a phone's.)

# %%
views = {
    str(size): lambda photo, size=size: resize_global(photo, size)
    for size in (512, 224, 112, 56)
}
views["fragments"] = looks["fragments"]
views["512"] = to_tensor
rows = [
    (name, *row)
    for name, clean in portraits.items()
    for seed in range(lesson.pick(4, fast=2))
    for row in study(clean, seed, views)
]
readable = pd.DataFrame(rows, columns=["portrait", "seed", "view", "fault", "srcc"])
mean = readable.groupby(["fault", "view"], sort=False).srcc.mean().unstack()
print(mean.round(2).to_string())

assert readable[readable.fault == "under"].srcc.min() > 0.9
assert readable.query("fault == 'noise' and view in ('512', 'fragments')").srcc.min() > 0.95
assert mean.loc["noise", "56"] < mean.loc["noise", "512"] - 0.2
for other in ("512", "112", "56"):
    assert mean.loc["blur", "224"] > mean.loc["blur", other] + 0.1

# %%
figure = go.Figure()
for k, (fault, row) in enumerate(mean[["512", "224", "112", "56"]].iterrows()):
    figure.add_scatter(
        x=list(row.index),
        y=row,
        name=fault,
        mode="lines+markers",
        marker=marker(k) | {"size": 10},
    )
figure.update_xaxes(title="side of the view in pixels (photo: 512)", type="category")
figure.update_yaxes(title="rank correlation with the truth", range=[0, 1.05])
figure.update_layout(template="plotly_white", height=340, margin={"t": 20})
show(
    figure,
    "Darkness is read from every view; noise is lost below 112 pixels; blur is read best at 224, worse both in the "
    "full photo, where noise hides it, and in smaller views, where it is gone.",
)

# %% [markdown]
# **Look.** The curve of blur (a mean over all groups) has its top in the middle.
#
# **Explain.** At full size the steepest steps of a noisy photo *are* noise: the meter for blur reads the wrong fault. A
# resize by two takes most of the noise away and leaves edges a few pixels wide, and blur comes out. A resize by nine
# takes blur away, too. No single size is right, and "as many pixels as possible" is not even right for sharpness. A
# network can learn better meters than ours (it can weigh noise against edges), but only from what is in its view. This is
# the argument for a global *and* a local branch in one sentence: **they are blind to different things.**
#
# ### Exercise 3 · Fragments by hand (●●○, 10 min)
#
# Write `mosaic(photo, grid, patch)`: cut the photo into `grid x grid` cells of equal size (whole pixels; what is left
# over at the right and bottom is dropped), take the `patch x patch` pixels in the middle of each cell, and put them side
# by side. The room above the patch in its cell is `round((cell - patch) / 2)`.
#
# <details><summary>Hint</summary>
#
# Two loops over `i, j in range(grid)`; the cell starts at `i * cell_height`, and the patch goes to
# `out[i * patch : (i + 1) * patch, ...]`. Start from `np.zeros((grid * patch, grid * patch, 3), np.uint8)`.
#
# </details>


# %%
def mosaic(photo, grid=7, patch=32):
    """The middle of every cell, spliced: (H, W, 3) -> (grid * patch, grid * patch, 3)."""
    # solution
    height, width = photo.shape[0] // grid, photo.shape[1] // grid
    down, right = round((height - patch) / 2), round((width - patch) / 2)
    out = np.zeros((grid * patch, grid * patch, 3), np.uint8)
    for i in range(grid):
        for j in range(grid):
            top, left = i * height + down, j * width + right
            out[i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = photo[
                top : top + patch, left : left + patch
            ]
    return out


# %%
with check(3):
    ours = mosaic(photo)
    size = None if ours is None or ours is ... else np.shape(ours)
    same(size, (224, 224, 3), "The shape", hint="One picture of 7 x 32 pixels a side.")
    assert not np.array_equal(ours, picture(crops(photo, 224, "centre"))), (
        "That is a centre crop: step by cells."
    )
    near(
        ours[:32, :32],
        photo[20:52, 20:52],
        "the first patch",
        hint="A cell has 512 // 7 = 73 pixels, so the first patch starts at 20, 20.",
    )
    assert not np.array_equal(ours[32:64, :32], photo[20:52, 93:125]), (
        "Rows and columns are exchanged: i goes down, j goes right."
    )
    for grid, patch in ((7, 32), (4, 56), (3, 100)):
        expected = picture(
            fragments(portraits["admiral"], grid, patch, mode="fastvqa", short_side=None)
        )
        got = mosaic(portraits["admiral"], grid, patch)
        near(
            got,
            expected,
            f"the mosaic of {grid} x {grid} patches",
            hint="This photo is not square: cells have a height and a width of their own.",
        )

# %% [markdown]
# ## 4 · Several crops, one answer
#
# A random crop of a portrait may hold the face or a flag. Its score depends on the luck of the draw, so at test time
# teams average over several: *test-time augmentation*. Let the "network" be our meter of darkness.
#
# **Predict.** BDVQA averages over 18 random crops. By what factor is its answer steadier than that of one crop: 18, or
# less? And what do ten crops (five and their mirror images) add to five?


# %%
def darkness(count, seed):
    """Mean grey level over random crops, in percent of white."""
    return 100 * float(
        crops(photo, 224, "random", count, rng=np.random.default_rng(seed)).mean()
    )


draws = lesson.pick(200, fast=60)
one, eighteen = (
    np.std([darkness(count, seed) for seed in range(draws)]) for count in (1, 18)
)
five, ten = (100 * float(crops(photo, 224, kind).mean()) for kind in ("five", "ten"))
print(
    f"spread of the answer: one crop {one:.1f}, eighteen {eighteen:.1f}: {one / eighteen:.1f} times steadier"
)
print(f"five crops: {five:.2f}, ten crops: {ten:.2f}")

assert 3 < one / eighteen < 6
assert abs(five - ten) < 0.01

# %% [markdown]
# **Explain.** Independent draws get steadier with the square root of their number, and $\sqrt{18} \approx 4.2$. Ten
# crops add nothing to a meter that does not know left from right; a network knows a little, so they add a little. Nothing
# is free here: 18 crops are 18 passes, and the mean of a face and seventeen backgrounds is mostly background.
#
# ### Exercise 4 · What steadiness costs (●○○, 3 min)
#
# One crop of a method has a spread of 0.6 JOD. How many random crops do you need for a spread of 0.1 JOD?
#
# <details><summary>Hint</summary>
#
# $0.6 / \sqrt{n} = 0.1$.
#
# </details>

# %%
crops_needed = 36  # solution

# %%
with check(4):
    assert crops_needed != 6, (
        "Six times steadier takes more than six draws: the spread falls with the square root."
    )
    near(crops_needed, 36, "the number of crops", hint="Solve 0.6 / sqrt(n) = 0.1 for n.")

# %% [markdown]
# ## 5 · Who looks how
#
# | method | whole photo | sharp pixels | face | averaged at test time |
# |---|---|---|---|---|
# | RQ-Net (3.1) | resize to 244, crop 224 | fragments of 7 x 7 patches | training only: the rest black | 9 crops and layouts |
# | BDVQA (3.2) | crops of 384, resized | | | 18 random crops |
# | PQE (3.3) | resized, crops of 384 | | face box | five crops (*inferred*) |
# | MoNet (3.4) | resized to 384 (*inferred*) | | | |
# | SAR (3.5) | | patches of 224 | a square of at least 512 | 30 dense patches |
#
# Who looks at the whole photo sees light, colour and composition; who looks at sharp pixels sees noise and the traces of
# compression; who looks at the face sees what viewers look at first. So, do those who look twice win?

# %%
teams = table1().head(5).set_index("key").challenge_srcc
print(teams.sort_values(ascending=False).to_string())

assert teams.idxmax() == "rqnet"
assert teams.idxmin() == "sar"

# %% [markdown]
# The first of the five teams looks twice, and so does the last. A good view is needed and decides nothing: the methods
# differ in everything else, too.
#
# ## What the survey says, what we saw
#
# Section 3.1 cuts 7 x 7 squares and takes 32 x 32 pixels of each, so that 49 patches make 224 x 224: the mosaic above.
# Section 3.2 averages over 18 random crops, and over five or ten. Section 3.5 gives the reason for a face crop: the face
# "typically occupies only a small portion of the entire image". The survey does not test views one by one. We measured
# on two public-domain photographs with simulated faults and three crude meters; nothing here is a result on PIQ23.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: sections 3.1 to 3.5.
# - Wu et al., *FAST-VQA: Efficient End-to-end Video Quality Assessment with Fragment Sampling*, ECCV 2022.
# - In the package: `pqa_lab/views/fragments.py`, `pqa_lab/views/crops.py`, `pqa_lab/views/face_crop.py`,
#   `pqa_lab/views/resize.py`, `pqa_lab/widgets/crop.py`; `pqa_lab/views/statistics.py` has better meters than ours.

# %%
lesson.done()
