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
# # 10 · MoNet
#
# A JOD is what many viewers agree on. MoNet builds the many viewers into the network: five modules, alike but started
# apart, each form an *opinion* of the photo, and a sixth merges them. The table says 408 million parameters. Where do
# they sit, and do five modules really hold five opinions?
#
# | | |
# |---|---|
# | **You will be able to** | follow a photo through MoNet; write its attention; find 408 M; test whether "opinions" differ; price test-time augmentation |
# | **You need** | [lesson 03](03_metrics_and_the_challenge.ipynb) (metrics); attention in PyTorch |
# | **Time** | 40 minutes with the exercises; about 1 minute to run on two cores |
# | **Memory** | about 1.2 GB; no GPU, no network |

# %%
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from pqa_lab.lessons import check, drawing, near, same, setup
from pqa_lab.losses import mse_scene_loss
from pqa_lab.methods.forensics import CLASSIFIER, count_parameters
from pqa_lab.methods.monet import MAL, MoNet, TokenAttention
from pqa_lab.samples import astronaut
from pqa_lab.scenes import load_simulated
from pqa_lab.training import fit
from pqa_lab.viz import marker, show
from pqa_lab.viz.diagram import diagram
from pqa_lab.widgets import AttentionView, attention_viewer

lesson = setup(seed=0, torch=True)

# %% [markdown]
# ## 1 · One photo, several opinions

# %%
drawing(
    diagram(
        {
            "photo": (0, 1, "data", "photo\n(3, 384, 384)"),
            "vit": (1, 1, "trained", "ViT-B/16\nblocks 3 6 9 12\n86.1 M"),
            "mal1": (2, 0, "trained", "opinion 1\nMAL, 47.2 M"),
            "mal2": (2, 1, "trained", "opinions 2-4\n3 MALs"),
            "mal5": (2, 2, "trained", "opinion 5\nMAL, 47.2 M"),
            "fusion": (3, 1, "trained", "fusion\nMAL, 72.8 M\n(576, 768)"),
            "block": (4, 1, "trained", "block, convs\n12.4 M\n128 numbers"),
            "score": (5, 0.5, "answer", "score"),
            "scene": (5, 1.5, "answer", "scene\n50 classes"),
        },
        [
            ("photo", "vit"),
            ("vit", "mal1"),
            ("vit", "mal2"),
            ("vit", "mal5"),
            ("mal1", "fusion"),
            ("mal2", "fusion"),
            ("mal5", "fusion"),
            ("fusion", "block"),
            ("block", "score"),
            ("block", "scene"),
        ],
        width=120,
        gap=24,
    ),
    alt="MoNet: four depths of a ViT go to five attention modules side by side, each forms an opinion; one more module "
    "merges them; a transformer block and convolutions read off the score and the scene.",
)

# %% [markdown]
# MAL is the method's name for such a module: *multi-view attention learning*. ViT is a
# [vision transformer](GLOSSARY.md).
#
# **Predict.** The ViT cuts 384 x 384 pixels into 16 x 16 patches and works with 768 channels. What shape has the stack
# of four levels that each MAL gets? What shape is an opinion?
#
# We walk the same code twice: tiny with numbers, and the published size on PyTorch's *meta* device, which computes
# shapes alone and costs nothing.


# %%
@torch.no_grad()
def walk(model, view):
    """The stages of a MoNet, one after the other, with their shapes."""
    depths = [depth - 1 for depth in model.config.depths]
    levels = model.vit.forward_intermediates(
        view, depths, output_fmt="NLC", intermediates_only=True
    )
    stages = {"view": view, "levels": torch.stack(levels, 1)}
    stages["one opinion"] = model.mals[0](stages["levels"])
    stages["opinions"] = torch.stack([mal(stages["levels"]) for mal in model.mals], 1)
    stages["merged"] = model.fusion(stages["opinions"])
    grid = model.block(stages["merged"]).transpose(1, 2).unflatten(2, model.grid)
    stages["map"], stages["after convs"] = grid, model.convs(grid).flatten(1)
    stages["score"] = model.score_head(stages["after convs"])
    stages["scene"] = model.scene_head(stages["after convs"])
    return stages


model = MoNet.tiny().eval()
with torch.device("meta"):
    paper = MoNet.paper().eval()
    published = walk(paper, torch.zeros(1, 3, 384, 384))
photo = astronaut()
view = model.views(train=False)(photo, np.random.default_rng(0))["image"]
stages = walk(model, view)
shapes = {"tiny": stages, "published": published}
print(
    pd.DataFrame(
        {n: {k: tuple(v.shape) for k, v in s.items()} for n, s in shapes.items()}
    ).to_string()
)

assert torch.allclose(stages["score"][:, 0], model({"image": view}).score, atol=1e-5)
assert published["levels"].shape == (1, 4, 576, 768)
assert published["one opinion"].shape == (
    1,
    576,
    768,
)

# %% [markdown]
# **Look.** Follow one axis at a time. Four levels come in and disappear inside each MAL (their mean); M opinions come
# out and disappear inside the fusion, in the same way. To the fusion an opinion *is* a level.
#
# ## 2 · Inside a MAL
#
# Each level first attends to itself. Then two branches look at the same stack: in one a *pixel* is a token (its channels
# at all levels), in the other a *channel* is (its pixels at all levels). Their mean over levels is the opinion. Both use
#
# $$y = x + \mathrm{softmax}\!\big(QK^\top / \sqrt d\big)\,V$$
#
# ### Exercise 1 · One head (●●○, 8 min)
#
# Write that equation for tokens `x` (B, T, d). `attention.query`, `.key` and `.value` are the three linear layers. No
# dropout.
#
# <details><summary>Hint</summary>
#
# `q @ k.transpose(1, 2)` is (B, T, T); divide by the square root of d, softmax over the *last* axis, times `v`.
#
# </details>


# %%
@torch.no_grad()
def one_head(attention, x):
    """x + softmax(q k' / sqrt(d)) v: (B, T, d) -> (B, T, d)."""
    # solution
    q, k, v = attention.query(x), attention.key(x), attention.value(x)
    weights = (q @ k.transpose(1, 2) / x.shape[-1] ** 0.5).softmax(2)
    return x + weights @ v


# %%
with check(1):
    for tokens, dim in ((5, 8), (3, 16)):
        attention = TokenAttention(dim, dropout=0.1, public_layout=False).eval()
        x = 4 * torch.randn(2, tokens, dim)
        yours, expected = one_head(attention, x), attention(x).detach()
        assert (
            yours is None
            or yours is ...
            or not torch.allclose(yours, expected - x, atol=1e-4)
        ), "The residual is missing: begin with x +."
        near(
            yours,
            expected,
            "the answer",
            tolerance=1e-3,
            hint="Softmax over the last axis, scale 1 / sqrt(d).",
        )

# %% [markdown]
# **Predict.** Shuffle the pixels of all levels in the same way. Does the pixel branch's answer change, apart from being
# shuffled, too? And the channel branch's?

# %%
mal = MAL(levels=4, pixels=9, width=16).eval()
x = torch.randn(1, 4, 9, 16)
order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    pixels = x.permute(0, 2, 1, 3).flatten(2)  # (B, N, K C): a token is a pixel
    channels = x.permute(0, 3, 1, 2).flatten(2)  # (B, C, K N): a token is a channel
    moved = x[:, :, order].permute(0, 3, 1, 2).flatten(2)
    by_pixel = mal.of_pixels(pixels)[:, order] - mal.of_pixels(pixels[:, order])
    back = mal.of_channels(moved).unflatten(2, (4, 9))
    by_channel = mal.of_channels(channels).unflatten(2, (4, 9))[..., order] - back
print(f"pixel branch: largest change {by_pixel.abs().max():.0e}")
print(f"channel branch: largest change {by_channel.abs().max():.2f}")

assert by_pixel.abs().max() < 1e-5 < 0.01 < by_channel.abs().max()

# %% [markdown]
# **Explain.** Attention over pixels treats them as a set; position comes from the ViT alone. The channel branch has a
# weight for every place: its linear layers read all pixels of all levels at once. That makes it strong, and huge, and it
# ties the network to *one* size of photo.
#
# ## 3 · Where 408 million come from
#
# ### Exercise 2 · The size of a MAL (●●○, 8 min)
#
# Write `mal_size(K, N, C)`, the parameters of a MAL for K levels of N pixels and C channels. Each level has queries and
# keys from C to C/8, values from C to C, and one number more (γ). Then each branch has three linear layers from d to d:
# d = KC where tokens are pixels, d = KN where they are channels. All layers have biases.
#
# <details><summary>Hint</summary>
#
# A linear layer from a to b: `a * b + b`. Write that as a helper first.
#
# </details>


# %%
def mal_size(K, N, C):
    """Parameters of a MAL for K levels of N pixels and C channels."""

    # solution
    def linear(a, b):
        return a * b + b

    level = 2 * linear(C, C // 8) + linear(C, C) + 1
    return K * level + 3 * linear(K * C, K * C) + 3 * linear(K * N, K * N)


# %%
with check(2):
    for K, N, C in ((1, 4, 8), (4, 9, 16), (3, 25, 24)):
        near(
            mal_size(K, N, C),
            count_parameters(MAL(K, N, C)),
            f"the size for K={K}, N={N}, C={C}",
            tolerance=0,
            hint="K levels; two branches of three layers each; biases everywhere; one gamma a level.",
        )

# %% [markdown]
# The survey's text lost the number of MALs in print. The parameters give it back.
#
# **Predict.** With one MAL the whole network has 150 M. How does it grow with M: in a line, or faster? Which M is 408?

# %%
totals = {}
for mals in range(1, 7):
    with torch.device("meta"):
        totals[mals] = (count_parameters(MoNet.paper(mals=mals)) + CLASSIFIER) / 1e6
figure = go.Figure()
figure.add_scatter(
    x=list(totals),
    y=list(totals.values()),
    name="rebuilt",
    mode="lines+markers",
    marker=marker(0),
)
figure.add_scatter(
    x=[1, 6],
    y=[408, 408],
    name="Table 2",
    mode="lines",
    line={"dash": "dash", "color": "#555555"},
)
figure.update_xaxes(title="number of MALs, M", dtick=1)
figure.update_yaxes(title="parameters, million", rangemode="tozero")
figure.update_layout(template="plotly_white", height=320, margin={"t": 20})
print({mals: round(total, 1) for mals, total in totals.items()})

steps = np.diff(list(totals.values()))
assert (np.diff(steps) > 0).all()
assert [mals for mals, total in totals.items() if abs(total - 408) < 1] == [5]
show(
    figure,
    "Parameters over the number of opinions: a curve that bends upwards and meets 408 million at five.",
)

# %% [markdown]
# **Explain.** Every opinion costs a MAL, and makes the *fusion* larger, which has M levels: its d is MC and MN. Five is
# the only whole number near 408 (with the ViT's unused 1000-way classifier, 0.77 M, which nobody reads). This is
# evidence, not proof; the authors' public default is three.
#
# ### Exercise 3 · A larger photo (●○○, 5 min)
#
# MoNet sees a phone's photo as 384 x 384. Use `mal_size` (or count by hand) for a side of 768: how many million
# parameters has *one* MAL (K = 4, C = 768) then? Store it in `larger`. At 384 it has 47.2.
#
# <details><summary>Hint</summary>
#
# Patches of 16 x 16: N is (768 / 16) squared.
#
# </details>

# %%
larger = mal_size(4, (768 // 16) ** 2, 768) / 1e6  # solution

# %%
with check(3):
    with torch.device("meta"):
        expected = count_parameters(MAL(4, 48**2, 768)) / 1e6
    assert larger is None or larger is ... or abs(larger - 4 * 47.2) > 1, (
        "Four times as many pixels is not four times the parameters: which layers grow with N, and how?"
    )
    near(
        larger,
        expected,
        "larger",
        tolerance=0.5,
        hint="N is 48 * 48; the channel branch grows with its square.",
    )

# %% [markdown]
# Twice the side, sixteen times the channel branch. A network of this kind cannot see more pixels; it can only be fed
# crops.
#
# ## 4 · The loss
#
# Squared error of the score, and cross-entropy of the scene, one to one as far as anyone can tell:
#
# $$\mathcal L = \frac1B \sum_i (\hat y_i - y_i)^2 \; - \; \frac wB \sum_i \log \mathrm{softmax}(z_i)_{c_i}$$
#
# ```python
# def mse_scene_loss(pred, target, scene, scene_logits, weight=1.0):
#     error = (pred - target).square().mean()
#     return error + weight * scene_cross_entropy(scene_logits, scene)
# ```
#
# ### Exercise 4 · What a perfect ranking costs (●○○, 5 min)
#
# A network ranks a scene perfectly, but its scores are half as far apart as the JODs, and 1 too high. JODs: -2, 0, 2.
# Its scene head knows nothing: equal chances for 50 scenes. Store the `quality` term, the `scene_term` and which of the
# two is `larger_term`: "quality" or "scene".
#
# <details><summary>Hint</summary>
#
# The scores are 0, 1, 2. The cross-entropy of equal chances is the logarithm of their number.
#
# </details>

# %%
# solution
quality = np.mean([4, 1, 0])  # solution
scene_term = np.log(50)  # solution
larger_term = "scene"  # solution

# %%
with check(4):
    scores, jods = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([-2.0, 0.0, 2.0])
    which, blank = torch.zeros(3).long(), torch.zeros(3, 50)
    both = float(mse_scene_loss(scores, jods, which, blank))
    alone = float(mse_scene_loss(scores, jods, which, blank, weight=0.0))
    near(quality, alone, "quality", hint="Errors are 2, 1, 0; the mean of their squares.")
    near(scene_term, both - alone, "scene_term", hint="The natural logarithm of 50.")
    same(larger_term, "scene", "larger_term")

# %% [markdown]
# A perfect ranking is not free here, and a good part of the gradient teaches the network which *scene* it sees, which on
# a new scene is of no use in itself. The bet is that features that know the scene judge it better.
#
# ## 5 · Do the opinions differ?
#
# The survey: each MAL "is initialized with different weights and updated independently to encourage diversity".
#
# **Predict.** Start all MALs from *the same* weights instead. After one step, are they still the same? (They all get the
# same levels.)

# %%
twins = MoNet.tiny().eval()
for other in twins.mals[1:]:
    other.load_state_dict(twins.mals[0].state_dict())
twins({"image": view}).score.sum().backward()
slopes = [
    torch.cat([p.grad.flatten() for p in m.of_pixels.parameters()]) for m in twins.mals
]
alike = [float(torch.cosine_similarity(slopes[0], slope, 0)) for slope in slopes]
print("cosine of their gradients with the first one's:", np.round(alike, 2))

assert max(alike[1:]) < 0.99

# %% [markdown]
# **Explain.** They part, though slowly: the gradients are not the same, but nearly parallel. The fusion reads each opinion
# at another place with other weights, so each is asked for something a little different. Different starting points are
# not *needed* for opinions to differ; and nothing in the loss asks for diversity. So let us measure it: we
# train briefly on simulated scenes (not PIQ23), and silence one opinion at a time (its place taken by its mean over the
# photos).

# %%
rows = load_simulated(
    scenes=12, images=lesson.pick(24, fast=12), size=128, workers=1, progress=False
)
train, test = (
    rows.select([i for i, s in enumerate(rows["split"]) if s == part])
    for part in ("train", "test")
)
recipe = replace(model.recipe, scenes_per_batch=4, images_per_scene=4)
torch.manual_seed(0)
model = MoNet.tiny()
fit(model, train, recipe=recipe, max_steps=lesson.pick(80, fast=24), progress=False)
model.eval()
look = model.views(train=False)
batch = torch.cat(
    [look(np.asarray(image), np.random.default_rng(0))["image"] for image in test["image"]]
)
scene, jod = np.array(test["scene"]), np.array(test["jod"])


# %%
@torch.no_grad()
def levels_of(model, batch):
    depths = [depth - 1 for depth in model.config.depths]
    levels = model.vit.forward_intermediates(
        batch, depths, output_fmt="NLC", intermediates_only=True
    )
    return torch.stack(levels, 1)  # (B, K, N, C)


@torch.no_grad()
def opinions_of(model, batch):
    levels = levels_of(model, batch)
    return torch.stack([mal(levels) for mal in model.mals], 1)  # (B, M, N, C)


@torch.no_grad()
def judge(model, opinions):
    """The rest of the network: opinions (B, M, N, C) -> scores (B,)."""
    grid = model.block(model.fusion(opinions)).transpose(1, 2).unflatten(2, model.grid)
    return model.score_head(model.convs(grid).flatten(1)).squeeze(1).numpy()


def srcc(score):
    return np.mean(
        [spearmanr(score[scene == s], jod[scene == s])[0] for s in np.unique(scene)]
    )


# %% [markdown]
# **Predict.** Three opinions. With one of them silenced, how well do the new scores agree with the old ones (rank
# correlation): 0.3, 0.7, above 0.9?

# %%
opinions = opinions_of(model, batch)
whole = judge(model, opinions)
lines = [("none", 1.0, srcc(whole))]
for silent in ([0], [1], [2], [0, 1], [0, 1, 2]):
    muted = opinions.clone()
    muted[:, silent] = opinions[:, silent].mean(0)
    score = judge(model, muted)
    agrees = spearmanr(score, whole)[0] if len(silent) < 3 else 0  # then all scores are one
    lines.append(
        (
            " and ".join(str(k + 1) for k in silent),
            agrees,
            srcc(score) if len(silent) < 3 else 0,
        )
    )
table = pd.DataFrame(lines, columns=["silenced", "agrees with all", "SRCC, new scenes"])
print(table.round(2).to_string(index=False))

with torch.no_grad():
    assert np.allclose(whole, model({"image": batch}).score, atol=1e-4)
assert table["agrees with all"][1:4].min() > 0.9

# %% [markdown]
# **Look.** Read the middle column first: how little the ranking changes when a third of the opinions is gone. (With all
# silenced nothing is left to rank by.)
#
# **Predict.** Where could that come from? Each MAL is residual from end to end, so every opinion contains the plain mean
# of the four levels. Take that mean away: how alike are the opinions with it, and without? (Cosine over photos and
# pixels; each with its mean over the photos taken away. Untrained networks of three seeds, and ours.)


# %%
def alike(opinions):
    """Mean cosine of two opinions, (B, M, N, C), over what differs between photos."""
    centred = (opinions - opinions.mean(0)).transpose(0, 1).flatten(1)  # (M, B N C)
    cosines = F.cosine_similarity(centred[:, None], centred[None], dim=2)  # (M, M)
    return float(cosines[~torch.eye(len(cosines), dtype=bool)].mean())


def untrained(seed):
    torch.manual_seed(seed)
    return MoNet.tiny().eval()


lines = []
for name, network in [(f"untrained, seed {k}", untrained(k)) for k in range(3)] + [
    ("trained", model)
]:
    opinions, common = (
        opinions_of(network, batch),
        levels_of(network, batch).mean(1, keepdim=True),
    )
    lines.append((name, alike(opinions), alike(opinions - common)))
table = pd.DataFrame(lines, columns=["network", "opinions", "without the common mean"])
print(table.round(2).to_string(index=False))

assert (table["opinions"] > table["without the common mean"]).all()
assert table["opinions"].min() > 0.6

# %% [markdown]
# **Explain.** What the opinions share is mostly what none of them formed: the residual path hands the same features to
# all. Without it they are less alike. So silencing one moves little, because the others carry the same mean. "Initialised
# differently" is no evidence of "sees differently", and the test costs three lines. (This is a short run of a tiny
# network on a small simulation; that the structure makes opinions alike before any training does not depend on that.)
#
# **Your turn.** The viewer shows each opinion as a map over the photo (how long its feature vector is at each patch).
# Do they light up in different places?

# %%
attention_viewer(model, [photo, np.asarray(test[0]["image"])])

# %% [markdown]
# If you see no widget above (GitHub, PDF): what the model sees, and three of the maps.

# %%
AttentionView(model, [photo]).static()

# %% [markdown]
# ## 6 · More crops at test time
#
# The tiny MoNet resizes a photo to 168 pixels and looks at a square of 112. At test time it may look at the centre, at
# five crops, or at ten (five and their mirror images), and average.
#
# **Predict.** Ten crops cost how many times the time of one? Do they rank *much* better?


# %%
@torch.no_grad()
def with_crops(kind):
    """CPU seconds of looking, and the mean score over the crops of each photo."""
    crops_model = MoNet(replace(model.config, tta=kind)).eval()
    crops_model.load_state_dict(model.state_dict())
    look, scores = crops_model.views(train=False), []
    started = time.process_time()
    for image in test["image"]:
        views = look(np.asarray(image), np.random.default_rng(0))
        scores.append(float(crops_model(views).score.mean()))
    return len(views["image"]), time.process_time() - started, np.array(scores)


looks = {kind: with_crops(kind) for kind in ("centre", "five", "ten")}
lines = [
    (
        kind,
        views,
        seconds / looks["centre"][1],
        srcc(score),
        spearmanr(score, looks["centre"][2])[0],
    )
    for kind, (views, seconds, score) in looks.items()
]
print(
    pd.DataFrame(
        lines, columns=["crops", "views", "times the cost", "SRCC", "agrees with centre"]
    )
    .round(2)
    .to_string(index=False)
)

assert [line[1] for line in lines] == [1, 5, 10]

# %% [markdown]
# **Explain.** The cost grows with the views; the ranking hardly changes, because crops of a photo share its faults: their
# errors are not independent, so averaging takes little away (lesson 04 has the arithmetic for independent ones). The
# committed benchmark repeats this with fully trained models, over three seeds; look there before you believe a digit
# from this page.
#
# ## What the survey says, what we saw
#
# - Section 3.4 says that opinions are collected "from various perspectives", and that their number is a hyper-parameter
#   (the number is missing in the text). The parameters of Table 2 say five.
# - Table 1: MoNet reaches a median rank correlation of .76 on PIQ23 and .36 on the challenge's new scenes: one of the
#   largest networks, and fourth of five. Size did not buy generalization.
# - What we saw, on **simulated** scenes with a tiny network: opinions part from the first step even from equal starts; one
#   of them can be silenced at little cost; ten crops cost several times one and change little.
# - Two reshapes of the authors' public code do something else than the survey's words. `MoNetConfig.public_layout`
#   switches to the code; both have the same layers and the same number of parameters.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: section 3.4, Figure 8, Tables 1, 2.
# - Chen et al., *GMC-IQA*, arXiv 2401.10511: where the mean-opinion network comes from.
# - In the package: `pqa_lab/methods/monet.py`, `pqa_lab/losses/mse_scene.py`, `pqa_lab/methods/forensics.py`,
#   `pqa_lab/widgets/attention.py`; figures over three seeds in `pqa_lab/evaluation/results/`.

# %%
lesson.done()
