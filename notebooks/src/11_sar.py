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
# # 11 · SAR
#
# "Which scene is this?" SAR asks first, and then lets the scene's own regressor score the photo; a gate decides between
# the whole photo and the face. On photos of *known* scenes the team reports 0.83; on the challenge's new scenes it has
# 0.30, the last of five. You will take its gate and its fifty regressors away and see what is left.
#
# | | |
# |---|---|
# | **You will be able to** | follow a photo through SAR; mix scores by scene and gate; say from a gradient why a gate does not move; test a part by taking it away |
# | **You need** | [lesson 03](03_metrics_and_the_challenge.ipynb) (metrics), [lesson 06](06_hyperiqa_sem_full.ipynb) (scene weights); some PyTorch |
# | **Time** | 40 minutes with the exercises; about 1 minute to run on two cores |
# | **Memory** | about 1.2 GB; no GPU, no network |

# %%
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional as F

from pqa_lab.lessons import check, drawing, near, setup
from pqa_lab.losses import huber_loss
from pqa_lab.methods.forensics import DETECTOR, count_parameters
from pqa_lab.methods.sar import SAR, mean_of_conv
from pqa_lab.samples import astronaut
from pqa_lab.scenes import load_simulated
from pqa_lab.training import fit
from pqa_lab.viz.diagram import diagram
from pqa_lab.widgets import AttentionView, attention_viewer

lesson = setup(seed=0, torch=True)

# %% [markdown]
# ## 1 · Two patches, fifty regressors, one gate

# %%
drawing(
    diagram(
        {
            "photo": (0, 0, "data", "photo\npatch\n(3, 224, 224)"),
            "face": (0, 2, "data", "face square\npatch\n(3, 224, 224)"),
            "early": (1, 1, "frozen", "CLIP 1-6\nshared\n43.3 M"),
            "scene": (2, 1, "trained", "scene head\n50 chances\n2.7 M"),
            "late1": (2, 0, "trained", "CLIP 7-10\n+ projection\n44.3 M"),
            "late2": (2, 2, "trained", "CLIP 7-10\n+ projection\n44.3 M"),
            "reg1": (3, 0, "trained", "regressors\n768 to 50"),
            "reg2": (3, 2, "trained", "regressors\n768 to 50"),
            "gate": (4, 1, "trained", "gate\n128-64-1\n0.2 M"),
            "score": (5, 1, "answer", "score\nmean of 30"),
        },
        [
            ("photo", "early"),
            ("face", "early"),
            ("early", "late1"),
            ("early", "scene"),
            ("early", "late2"),
            ("late1", "reg1"),
            ("late2", "reg2"),
            ("scene", "reg1"),
            ("scene", "reg2"),
            ("reg1", "gate", "", "hv"),
            ("reg2", "gate", "", "hv"),
            ("gate", "score"),
        ],
        width=120,
        gap=24,
    ),
    alt="SAR: a patch of the photo and one of the face go through six shared blocks of CLIP, which also tell the scene; "
    "four blocks of their own and fifty regressors each give a score, and a gate mixes the two.",
)

# %% [markdown]
# [CLIP](GLOSSARY.md) is the vision transformer of lesson 07, of which SAR takes ten blocks. A *regressor* here is one
# linear layer: 768 numbers in, one score for each scene out.
#
# **Predict.** A patch of 224 x 224 pixels becomes how many tokens of 16 x 16? The scene head reads the outputs of six
# blocks of 768 channels, side by side: how many channels is that? The embedding joins the last three: how many?
#
# The tiny preset with numbers, the published size on the *meta* device, which computes shapes alone.


# %%
@torch.no_grad()
def walk(model, patch):
    """The stages of one branch of a SAR, with their shapes."""
    tokens, maps = model.run(model.early["blocks"], model.embed(patch))
    stages = {"patch": patch, "tokens": tokens, "early maps": torch.cat(maps, 1)}
    stages["seen"] = F.relu(model.scene_conv(stages["early maps"])).mean((2, 3))
    stages["scene logits"] = model.scene_fc(stages["seen"])
    _, maps = model.run(model.late["global"], tokens)
    stages["late maps"] = torch.cat(maps[-model.config.fused :], 1)
    stages["embedding"] = mean_of_conv(model.project["global"], stages["late maps"])
    stages["score of each scene"] = model.regressors["global"](stages["embedding"])
    return stages


model = SAR.tiny().eval()
with torch.device("meta"):
    paper = SAR.paper().eval()
    published = walk(paper, torch.zeros(1, 3, 224, 224))
photo = astronaut()
views = model.views(train=False)(photo, np.random.default_rng(0))
stages = walk(model, views["global"])
shapes = {"tiny, 6 patches": stages, "published, 1 patch": published}
print(
    pd.DataFrame(
        {n: {k: tuple(v.shape) for k, v in s.items()} for n, s in shapes.items()}
    ).to_string()
)

assert published["early maps"].shape[1] == 6 * 768
assert published["late maps"].shape[1] == 3 * 768
with torch.no_grad():
    parts = model(views).parts
assert torch.allclose(parts["global_by_scene"], stages["score of each scene"], atol=1e-5)

# %% [markdown]
# **Look.** 197 tokens: 196 patches and the class token, which belongs to no patch and gathers what all of them say. One branch is enough to see; the other is its twin, with late
# blocks, projection and regressors of its own.
#
# The survey counts this network's parameters in two halves, 135.02 M and 14.22 M of the face detector, and Table 2 has
# the sum, 149.

# %%
ours = count_parameters(paper) / 1e6
scene_by_scene = (
    sum(p.numel() for r in paper.regressors.values() for p in r.parameters()) / 1e6
)
print(f"ours {ours:.2f} M, with the detector {ours + DETECTOR / 1e6:.2f} M")
print(f"all fifty scenes' regressors together: {scene_by_scene:.2f} M")

assert abs(ours - 135.02) < 0.5
assert abs(ours + DETECTOR / 1e6 - 149) < 0.5
assert scene_by_scene < 0.1

# %% [markdown]
# A scene costs next to nothing (two rows of weights and one of the scene head). Whether fifty of them *buy* something
# is the question of this lesson.
#
# ## 2 · A score for every scene
#
# In training the true scene picks the regressor. A new photo has no true scene, so the predicted chances weigh all of
# them, and the gate $g$ weighs the two branches:
#
# $$\hat q_b = \sum_c p_{b,c}\, q_{b,c}, \qquad \hat q = g\, \hat q_{\text{global}} + (1 - g)\, \hat q_{\text{local}}$$
#
# ### Exercise 1 · The mixture (●○○, 6 min)
#
# Write `mixture(logits, by_scene)` for one branch, both (B, C), and `gated(g, whole, face)`, all (B,).
#
# <details><summary>Hint</summary>
#
# The logits are not yet chances: `logits.softmax(1)` turns each row into numbers $p_{b,c}$ above zero that add up to 1.
# Multiply by the scores, sum over the scenes (axis 1). The gate is the share of the *whole photo*.
#
# </details>


# %%
def mixture(logits, by_scene):
    """Scores weighed by the chances of their scenes: (B, C), (B, C) -> (B,)."""
    return (logits.softmax(1) * by_scene).sum(1)  # solution


def gated(g, whole, face):
    """The share g of the whole photo's score and 1 - g of the face's: (B,)."""
    return g * whole + (1 - g) * face  # solution


# %%
with check(1):
    near(
        mixture(torch.zeros(1, 4), torch.tensor([[1.0, 2, 3, 6]])),
        [3],
        "the score of four scenes of equal chance",
        hint="Are the logits chances already? Zero everywhere means a quarter each: softmax.",
    )
    for name in ("global", "local"):
        yours = mixture(parts[f"{name}_scene_logits"], parts[f"{name}_by_scene"])
        near(
            yours,
            parts[name],
            f"the {name} score",
            tolerance=1e-4,
            hint="Softmax over axis 1, multiply, sum.",
        )
    g, whole, face = torch.tensor([0.25]), torch.tensor([4.0]), torch.tensor([0.0])
    near(
        gated(g, whole, face),
        [1],
        "the gated score",
        hint="g is the share of the whole photo, not of the face.",
    )

# %% [markdown]
# **Predict.** A SAR that has not been trained yet looks at a photo. By how much do the scores of its scenes differ from
# each other?

# %%
spread = parts["global_by_scene"].std(1).max()
print(
    f"before training, the scores of all scenes differ by {spread:.1e}; the gate is {parts['gate'].mean():.3f}"
)

assert spread < 1e-5
assert abs(parts["gate"].mean() - 0.5) < 0.1

# %% [markdown]
# **Look.** Not "small": zero.
#
# **Explain.** All regressors start from the same weights (our choice; the survey is silent). Apart, they would pull the
# embedding in as many directions before any of them has learned something. The gate starts near one half: its sigmoid
# reads a number near zero.
#
# ## 3 · The loss, and what it cannot reach
#
# Huber's loss: squared up to $\delta = 0.2$ JOD, then linear; plus the scene's cross-entropy.
#
# $$\ell(e) = \tfrac12 e^2 \text{ if } |e| \le \delta, \qquad \delta\,(|e| - \tfrac12 \delta) \text{ otherwise}$$
#
# ### Exercise 2 · Huber by hand (●○○, 6 min)
#
# Write `huber(error, delta)` for an array of errors: the loss of each.
#
# <details><summary>Hint</summary>
#
# `np.where(condition, inside, outside)`, with the absolute error.
#
# </details>


# %%
def huber(error, delta=0.2):
    """The loss of every error, the same shape."""
    # solution
    size = np.abs(error)
    return np.where(size <= delta, error**2 / 2, delta * (size - delta / 2))


# %%
with check(2):
    for errors, delta in (
        (np.array([0.0, 0.1, -0.1, 0.2, 2, -3]), 0.2),
        (np.array([0.5, -1.5]), 1.0),
    ):
        zero = torch.zeros(1, dtype=torch.float64)
        expected = [
            float(huber_loss(torch.tensor([e]), zero, torch.zeros(1).long(), delta))
            for e in errors
        ]
        yours, size = huber(errors, delta), np.abs(errors)
        if np.shape(yours) == errors.shape and delta != 1:
            forgotten = np.where(size <= delta, errors**2 / 2, size - delta / 2)
            assert not np.allclose(yours, forgotten), (
                "The linear part is too steep: delta stands in front of its bracket, too."
            )
            signed = np.where(errors <= delta, errors**2 / 2, delta * (errors - delta / 2))
            assert not np.allclose(yours, signed), (
                "Large negative errors are large, too: compare the absolute error with delta."
            )
        near(
            yours,
            expected,
            f"the loss with delta {delta}",
            1e-4,
            "Use the delta that is given.",
        )

# %% [markdown]
# In the paper blocks 1-6 are frozen, and the scene head reads blocks 1-6. Each training step draws one of three *scenarios*: the
# loss sees the whole photo's score alone (in 30 % of the steps), the face's alone (30 %), or the mixture of both (40 %).
# The last is the only one in which the gate takes part; we ask for it here.
#
# **Predict.** Which parts of the network does the scene's cross-entropy train then? The late blocks? The regressors?

# %%
frozen = SAR.tiny(scenarios=(0, 0, 1))  # chances of the three: always both branches
frozen.early.requires_grad_(False)
batch = {
    "jod": torch.randn(6),
    "scene": torch.arange(6),
}  # say that the six patches are six photos
frozen.loss(frozen(views), batch)["scene"].backward()
reached = {
    name: any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
    for name, part in frozen.named_children()
}
print(reached)

assert {name for name, yes in reached.items() if yes} == {"scene_conv", "scene_fc"}

# %% [markdown]
# **Explain.** The scene head alone. Whatever weight the survey's authors gave this term (unknown), it could not change
# the features that the scores are made from: recognising the scene is a separate little classifier on frozen features. In MoNet and
# SEM-HyperIQA the same term reaches the backbone.
#
# ## 4 · Take parts away
#
# We train the tiny SAR briefly on simulated scenes (not PIQ23), from the package's own CLIP. Then we score new scenes as
# the method says, and with one part at a time replaced by something that knows nothing.

# %%
rows = load_simulated(
    scenes=12, images=lesson.pick(24, fast=12), size=128, workers=1, progress=False
)
train, test = (
    rows.select([i for i, s in enumerate(rows["split"]) if s == part])
    for part in ("train", "test")
)
torch.manual_seed(0)
model = SAR.tiny(patches=2)
recipe = replace(model.recipe, scenes_per_batch=4, images_per_scene=4)
fit(model, train, recipe=recipe, max_steps=lesson.pick(80, fast=24), progress=False)
model.eval()


@torch.no_grad()
def look_at(rows):
    """All parts of the answer, one patch a photo, and scene and JOD."""
    look = model.views(train=False)
    seen = [look(np.asarray(image), np.random.default_rng(0)) for image in rows["image"]]
    parts = model(
        {name: torch.cat([view[name][:1] for view in seen]) for name in seen[0]}
    ).parts
    return parts, np.array(rows["scene"]), np.array(rows["jod"])


new, scene, jod = look_at(test)


def srcc(score):
    """Mean over scenes of the rank correlation."""
    return np.mean([spearmanr(score[scene == s], jod[scene == s])[0]
                    for s in np.unique(scene)])  # fmt: skip


print({name: tuple(part.shape) for name, part in new.items()})
print(f"gate: mean {new['gate'].mean():.3f}, standard deviation {new['gate'].std():.3f}")
chances = new["global_scene_logits"].softmax(1)
print(
    f"most likely scene: {chances.max(1).values.mean():.2f} on average; chance would be {1 / chances.shape[1]:.2f}"
)

# %% [markdown]
# **Predict.** Which replacement costs the most: every gate at one half; equal chances for all scenes; the face branch
# dropped; the whole-photo branch dropped?


# %%
def answer(parts, gate=None, logits=None):
    """SAR's score with another gate or other scene logits."""
    scores = [
        (
            (parts[f"{b}_scene_logits"] if logits is None else logits).softmax(1)
            * parts[f"{b}_by_scene"]
        ).sum(1)
        for b in ("global", "local")
    ]
    gate = parts["gate"] if gate is None else torch.as_tensor(gate)
    return (gate * scores[0] + (1 - gate) * scores[1]).numpy()


def agreement(a, b):
    """Mean over scenes of the rank correlation of two scores."""
    return np.mean([spearmanr(a[scene == s], b[scene == s])[0] for s in np.unique(scene)])


# %%
told = 100 * torch.eye(12)  # logits that are sure of a scene
asked = {
    "as it is": [answer(new)],
    "gate one half": [answer(new, gate=0.5)],
    "all scenes equal": [answer(new, logits=0 * chances)],
    "one scene for all": [
        answer(new, logits=told[[k]].expand_as(chances)) for k in range(5)
    ],
    "a scene drawn for each": [
        answer(new, logits=told[torch.randperm(len(jod)) % 12]) for _ in range(5)
    ],
    "whole photo alone": [answer(new, gate=1.0)],
    "face alone": [answer(new, gate=0.0)],
}
reference = asked["as it is"][0]
lines = {
    name: (
        np.mean([srcc(s) for s in scores]),
        np.mean([agreement(s, reference) for s in scores]),
    )
    for name, scores in asked.items()
}
table = pd.DataFrame(lines, index=["SRCC", "agrees with all"]).T
print(table.round(2).to_string())

agrees = table["agrees with all"]
assert agrees["gate one half"] > 0.95
assert agrees["all scenes equal"] > 0.9
assert table.SRCC["all scenes equal"] > table.SRCC["as it is"] - 0.05
branches = ["whole photo alone", "face alone"]
assert (table.SRCC[branches] > table.SRCC["as it is"] - 0.15).all()
assert agrees[branches].max() < agrees[["gate one half", "all scenes equal"]].min()
assert agrees["one scene for all"] > 0.95
assert table.SRCC["a scene drawn for each"] < table.SRCC["one scene for all"] - 0.03

# %% [markdown]
# **Look.** First the gate and "all scenes equal", then the two branches, last the two rows about scenes that are told wrongly.
#
# **Explain.** Of the four replacements of the question, dropping a branch moves the ranking most (which of the two differs
# between the short and the full setting, and even that costs little SRCC). Gate and scene recognition can go, and nothing happens (in trainings this short they had little chance to
# learn; what a longer one does is in `pqa_lab/evaluation/results/behaviour.md`). On a *new* scene the chances are nearly flat, and no
# regressor is the right one anyway. The two wrong rows say more. If each photo is scored by a regressor drawn for it
# alone, the ranking suffers: the regressors do differ. If all photos of a scene get the *same* wrong one, hardly anything
# happens: it orders them as the others would. So a rank correlation within scenes cannot see what scene weights are good
# for (one scale for all scenes), but it sees what they spoil when two photos of a scene are told to be of different ones.
#
# ### Exercise 3 · Why the gate does not move (●●○, 8 min)
#
# The gate is $g = \mathrm{sigmoid}(z)$. How much does the score change with $z$? Write `gate_slope(g, whole, face)`, the
# derivative $\partial \hat q / \partial z$.
#
# <details><summary>Hint</summary>
#
# $\partial g / \partial z = g (1 - g)$. And $\hat q = g\,\hat q_{\text{global}} + (1 - g)\,\hat q_{\text{local}}$: what
# is its derivative with respect to $g$?
#
# </details>


# %%
def gate_slope(g, whole, face):
    """How much the score changes with the gate's logit: (B,)."""
    return g * (1 - g) * (whole - face)  # solution


# %%
with check(3):
    z = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    whole, face = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, 2.0, 1.5])
    g = z.sigmoid()
    (g * whole + (1 - g) * face).sum().backward()
    yours = gate_slope(g.detach(), whole, face)
    if yours is not None and yours is not ...:
        assert not np.allclose(yours, whole - face), (
            "That is the derivative with respect to g; go on to z."
        )
    near(
        yours,
        z.grad,
        "the slope",
        tolerance=1e-4,
        hint="g (1 - g) times the difference of the two scores.",
    )

# %% [markdown]
# **Predict.** So the gate learns only where the two branches *disagree*. How well do their scores agree here, and how
# large is the slope, in JOD for one unit of the logit?

# %%
agree = np.mean(
    [
        spearmanr(new["global"][scene == s], new["local"][scene == s])[0]
        for s in np.unique(scene)
    ]
)
slope = (new["gate"] * (1 - new["gate"]) * (new["global"] - new["local"])).abs()
print(f"rank correlation of the two branches within a scene: {agree:.2f}")
print(f"slope of the score by the gate's logit: {slope.mean():.2f} on average")

assert slope.mean() < 0.5
assert agree > 0.3

# %% [markdown]
# **Explain.** Two factors make the slope small: $g(1-g)$ is at most a quarter, and the difference is small where both
# branches have learned to give the JOD, which the scenarios of section 3 ask of one of them *alone* in 60 % of the steps;
# only the other 40 % train the gate. A gate between two experts that are trained to agree has little to do.
#
# ## 5 · What a patch costs
#
# ### Exercise 4 · Average first (●●●, 10 min)
#
# An embedding is a 3 x 3 convolution of 2304 channels with padding 1, averaged over the 14 x 14 places. Both steps are
# linear, so they commute: average first, multiply once. Without padding the mean of the input would be enough; with zero
# padding each of the nine weights sees the input *shifted*. Write `quick(conv, x)`: the same answer with one product.
#
# <details><summary>Hint</summary>
#
# `padded = F.pad(x, (1, 1, 1, 1))` is (B, C, h + 2, w + 2). The weight at (i, j) sees `padded[:, :, i : i + h, j : j + w]`:
# nine means make a (B, C, 3, 3), and `conv` of that (it has no padding of its own) is (B, out, 1, 1).
#
# </details>


# %%
@torch.no_grad()
def quick(conv, x):
    """Mean over places of the padded convolution, with one product: (B, C, h, w) -> (B, out)."""
    # solution
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    means = [
        padded[:, :, i : i + height, j : j + width].mean((2, 3))
        for i in range(3)
        for j in range(3)
    ]
    return conv(torch.stack(means, 2).unflatten(2, (3, 3))).flatten(1)


# %%
with check(4):
    for channels, side in ((4, 5), (8, 7)):
        conv, x = nn.Conv2d(channels, 3, 3), torch.randn(2, channels, side, side) + 1
        slow = conv(F.pad(x, (1, 1, 1, 1))).mean((2, 3)).detach()
        yours = quick(conv, x)
        if torch.is_tensor(yours) and yours.shape == slow.shape:
            plain = x.mean((2, 3))[:, :, None, None].expand(-1, -1, 3, 3)
            assert not torch.allclose(yours, conv(plain).flatten(1)), (
                "At the border the padding's zeros count, too."
            )
        near(
            yours,
            slow,
            "the embedding",
            tolerance=1e-4,
            hint="Nine shifted means, then conv of a 3 x 3 map.",
        )

# %%
conv, x = nn.Conv2d(256, 256, 3), torch.randn(8, 256, 14, 14)
seconds = {}
with torch.no_grad():
    for name, way in {
        "convolve, then average": lambda: conv(F.pad(x, (1, 1, 1, 1))).mean((2, 3)),
        "average, then convolve": lambda: mean_of_conv(conv, x),
    }.items():
        way()
        started = time.process_time()
        results = [way() for _ in range(5)]
        seconds[name] = time.process_time() - started
print(
    f"{seconds['convolve, then average'] / seconds['average, then convolve']:.0f} times faster, ",
    end="",
)
print("one product instead of 196")

# %% [markdown]
# The published network cuts 30 patches from each photo *and* from each face: 60 passes. Does a photo need that many?
#
# **Predict.** Scores from two dense patches against scores from one: how well do the two rankings agree?

# %%
look = model.views(train=False)
with torch.no_grad():
    two = np.array(
        [
            float(model(look(np.asarray(image), np.random.default_rng(0))).score.mean())
            for image in test["image"]
        ]
    )
agree = np.mean(
    [spearmanr(two[scene == s], reference[scene == s])[0] for s in np.unique(scene)]
)
print(
    f"one patch: SRCC {srcc(reference):.2f}; two: {srcc(two):.2f}; their rankings agree: {agree:.2f}"
)

assert agree > 0.7

# %% [markdown]
# **Your turn.** What do gate, branches and scenes say about a photo, and where do the blocks look? Choose another photo
# and a block of the local branch.

# %%
attention_viewer(model, [photo, np.asarray(test[0]["image"])])

# %% [markdown]
# If you see no widget above (GitHub, PDF): what the model sees, and three of the maps.

# %%
AttentionView(model, [photo]).static()

# %% [markdown]
# ## What the survey says, what we saw
#
# - Section 3.5 reports .83 on a split *within* scenes (90 % of each scene's photos for training), .8335 on the official
#   scene split, and Table 1 has .30 on the challenge's new scenes. Regressors for scenes are made for scenes that come
#   back.
# - What we saw, on **simulated** scenes with a tiny network trained for a few steps: the gate stays near one half and can be
#   replaced by one half; all regressors can be averaged; each branch alone ranks nearly as well as both. The committed
#   benchmark has the figures of longer training, over three seeds, and the method's file those of its gate.
# - Table 3 counts 26.11 G MACs (multiply-accumulates: a product and its sum count as one) and 35.43 G FLOPs for the same network. Ours has 35.40 G multiply-adds, and 26.11 G for
#   a counter that skips attention: the table's two columns are probably two counters of one thing.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: section 3.5, Figure 9, Tables 1-3.
# - In the package: `pqa_lab/methods/sar.py`, `pqa_lab/losses/huber.py`, `pqa_lab/methods/forensics.py`,
#   `pqa_lab/widgets/attention.py`; figures over three seeds in `pqa_lab/evaluation/results/`.

# %%
lesson.done()
