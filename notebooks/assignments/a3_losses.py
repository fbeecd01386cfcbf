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
# # A3 · What a loss cannot see
#
# In lesson 05 you wrote Eq. 1-2 for one scene and Eq. 6 for one pair. A batch is worse:
# it holds photos of several scenes in any order, some scenes with two photos, one with a single photo, and a slip in the
# bookkeeping raises no error. It only trains another model. Here you write both losses for a batch, learn to read from a
# *gradient* what a loss is blind to, and use that to examine five losses of a colleague.
#
# | | |
# |---|---|
# | **You need** | lessons 00 to 02 (what a JOD is) and 05; PyTorch tensors and `backward`; the chain rule |
# | **Time** | 4 to 4½ hours |
# | **Points** | 24 by tests, 16 by a reader |
#
# How it works: replace every `raise NotImplementedError()`. Below each answer stands a test that you can run; after you
# hand in, the same test runs on other numbers. A test gives all of its points or none. Do not change the tests: they are
# put back before grading. Written answers go into the cells that say so.
#
# In all of it `pred` and `target` are tensors of shape (B,), predictions and JODs, and `scene`, (B,), holds whole numbers:
# photos with the same number are of one scene.

# %%
import torch

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## 1 · A batch of several scenes
#
# The survey moves each scene to median 0 and mean absolute deviation 1 (Eq. 2):
#
# $$\hat s_k = \frac{s_k - t}{\sigma + \varepsilon}, \qquad t = \mathrm{median}_k\, s_k, \qquad
# \sigma = \frac1K \sum_k |s_k - t|, \qquad \varepsilon = 10^{-8}$$
#
# with `tensor.median()`, which is the *lower* of two middle values, and sums over the K photos of *that* scene. A scene of
# one photo gets 0.
#
# **1a** (2 points). Write `normalised(s, scene)`: the normalised values, in the order of the batch. A loop over
# `scene.unique()` is fine.


# %% nbgrader={"grade": false, "grade_id": "normalised", "locked": false, "schema_version": 3, "solution": true, "task": false}
def normalised(s, scene):
    """Values of each scene moved to median 0 and mean absolute deviation 1, (B,), (B,) -> (B,)."""
    ### BEGIN SOLUTION
    out = torch.zeros_like(s)
    for p in scene.unique():
        mine = scene == p
        centred = s[mine] - s[mine].median()
        out = out.masked_scatter(mine, centred / (centred.abs().mean() + 1e-8))
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-normalised", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
answer = normalised(torch.tensor([3.0, 10.0, 1.0, 5.0, 30.0]), torch.tensor([4, 7, 4, 4, 7]))
assert tuple(answer.shape) == (5,), "One value for each photo, in the order of the batch."
# Scene 4 has the values 3, 1, 5: median 3, deviations 0, 2, 2, their mean 4/3.
# Scene 7 has 10 and 30: lower median 10.
for found, right in zip(answer.tolist(), [0, 0, -1.5, 1.5, 2], strict=True):
    assert abs(found - right) < 1e-6, f"expected 0, 0, -1.5, 1.5, 2, found {answer.tolist()}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch

for _seed in (11, 12, 13, 14):
    _rng = _random.Random(_seed)
    _scene = [_rng.choice([3, 5, 8, 9]) for _ in _b.range(17)] + [70]
    _s = [_rng.gauss(0, 2) + 4 * c for c in _scene]
    _got = normalised(_torch.tensor(_s, dtype=_torch.float64), _torch.tensor(_scene)).tolist()
    assert _b.len(_got) == 18
    for _k in _b.range(18):
        _mine = _b.sorted(_s[j] for j in _b.range(18) if _scene[j] == _scene[_k])
        _t = _mine[(_b.len(_mine) - 1) // 2]
        _sigma = _b.sum(_b.abs(v - _t) for v in _mine) / _b.len(_mine)
        assert -1e-5 < _got[_k] - (_s[_k] - _t) / (_sigma + 1e-8) < 1e-5
### END HIDDEN TESTS

# %% [markdown]
# **1b** (2 points). Eq. 1 averages twice: over the photos of a scene, then over the scenes of the batch. Write
# `scale_shift(pred, target, scene)`. (For yourself, nothing to hand in: which scene counts more with one mean over all
# photos, and would you want that?)


# %% nbgrader={"grade": false, "grade_id": "scale-shift", "locked": false, "schema_version": 3, "solution": true, "task": false}
def scale_shift(pred, target, scene):
    """Scale-shift-invariant loss of a batch, (B,), (B,), (B,) -> scalar."""
    ### BEGIN SOLUTION
    distance = (normalised(pred, scene) - normalised(target, scene)).abs()
    return torch.stack([distance[scene == p].mean() for p in scene.unique()]).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-scale-shift", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
pred = torch.tensor([0.0, 1.0, 2.0, 5.0, 7.0])
target = torch.tensor([0.0, 2.0, 1.0, -1.0, 1.0])
found = scale_shift(pred, target, torch.tensor([0, 0, 0, 1, 1]))
# Scene 0: (-1.5, 0, 1.5) against (-1.5, 1.5, 0), mean distance 1.
# Scene 1: the same pair on another scale, distance 0.
assert abs(float(found) - 0.5) < 1e-6, f"the mean of 1 and 0 is 0.5, not {float(found):.3f}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch


def _normal(values):
    ordered = _b.sorted(values)
    t = ordered[(_b.len(values) - 1) // 2]
    sigma = _b.sum(_b.abs(v - t) for v in values) / _b.len(values)
    return [(v - t) / (sigma + 1e-8) for v in values]


for _seed in (21, 22, 23):
    _rng = _random.Random(_seed)
    _scene = [2] * 9 + [0] * 3 + [6] * 2 + [5] * 4
    _rng.shuffle(_scene)
    _p, _q = ([_rng.gauss(c, 1 + c) for c in _scene] for _ in _b.range(2))
    _parts = []
    for _c in (0, 2, 5, 6):
        _x, _y = (_normal([v[i] for i in _b.range(18) if _scene[i] == _c]) for v in (_p, _q))
        _parts.append(_b.sum(_b.abs(a - b) for a, b in _b.zip(_x, _y, strict=True)) / _b.len(_x))
    _tensors = (_torch.tensor(v, dtype=_torch.float64) for v in (_p, _q))
    _got = _b.float(scale_shift(*_tensors, _torch.tensor(_scene)))
    assert -1e-5 < _got - _b.sum(_parts) / 4 < 1e-5
### END HIDDEN TESTS

# %% [markdown]
# **1c** (1 point, nothing to write). A loss is there to be differentiated. This test asks for a finite gradient of the
# right shape, which is 0 for a photo that is alone in its scene. If it fails, mend 1a: did you leave the graph with
# `.item()`, `.tolist()` or `torch.tensor(...)`, or write into a tensor that autograd needs?

# %% nbgrader={"grade": true, "grade_id": "test-scale-shift-gradient", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
pred = torch.tensor([0.1, 0.9, 0.2, 2.0], requires_grad=True)
loss = scale_shift(pred, torch.tensor([0.0, 1.0, 3.0, 1.0]), torch.tensor([0, 0, 0, 1]))
assert loss.requires_grad, "The loss has left the graph: no gradient can arrive at the predictions."
loss.backward()
assert pred.grad is not None, "No gradient arrives at the predictions."
assert bool(pred.grad.isfinite().all()), "The gradient is not finite."
assert pred.grad[3] == 0, "The lone photo has nothing to be compared with."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch


def _loss(p, q, scene):
    total = 0
    for c in (0, 1, 2):
        sides = []
        for values in (p, q):
            mine = [values[i] for i in _b.range(12) if scene[i] == c]
            t = _b.sorted(mine)[(_b.len(mine) - 1) // 2]
            sigma = _b.sum(_b.abs(v - t) for v in mine) / _b.len(mine)
            sides.append([(v - t) / (sigma + 1e-8) for v in mine])
        total += _b.sum(_b.abs(a - b) for a, b in _b.zip(*sides, strict=True)) / _b.len(sides[0]) / 3
    return total


for _seed in (31, 32):
    _rng = _random.Random(_seed)
    _scene = [0] * 6 + [1] * 5 + [2]
    _p, _q = ([_rng.gauss(0, 1) for _ in _scene] for _ in _b.range(2))
    _leaf = _torch.tensor(_p, dtype=_torch.float64, requires_grad=True)
    scale_shift(_leaf, _torch.tensor(_q, dtype=_torch.float64), _torch.tensor(_scene)).backward()
    _grad = _leaf.grad.tolist()
    for _k in _b.range(12):
        _up, _down = ([v + e * (i == _k) for i, v in _b.enumerate(_p)] for e in (1e-6, -1e-6))
        _slope = (_loss(_up, _q, _scene) - _loss(_down, _q, _scene)) / 2e-6
        assert -1e-4 < _grad[_k] - _slope < 1e-4
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Reading blindness from a gradient
#
# Lesson 05 tried shifts and stretches out. There is a better way, which needs *one* gradient. If adding a constant to
# all predictions of a scene never changes the loss, then the derivative in that direction is 0:
#
# $$\frac{d}{db}\,\mathcal L(s + b)\Big|_{b=0} = \sum_{i \in \text{scene}} g_i = 0, \qquad g_i = \frac{\partial \mathcal L}{\partial s_i}$$
#
# What is the corresponding sum for a stretch, $s \mapsto a\,s$ at $a = 1$? (Nothing to hand in here: 2a uses it, 2b asks why.)
#
# **2a** (3 points). Write `blind(loss, pred, target, scene)`: a dictionary `{"shift": ..., "stretch": ...}` of True and
# False. True means: *in every scene of the batch* the sum is 0 (below 1e-9 in absolute value). `loss` is any function of
# three tensors. Leave `pred` itself as it is (`pred.clone().requires_grad_()`).


# %% nbgrader={"grade": false, "grade_id": "blind", "locked": false, "schema_version": 3, "solution": true, "task": false}
def blind(loss, pred, target, scene):
    """To which moves of one scene's predictions the loss is blind, judged from its gradient."""
    ### BEGIN SOLUTION
    leaf = pred.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf, target, scene), leaf)
    own = scene.unique()[:, None] == scene[None, :]  # (P, B)
    along_shift = torch.where(own, gradient, 0.0).sum(1)  # (P,)
    along_stretch = torch.where(own, gradient * pred, 0.0).sum(1)  # (P,)
    return {
        "shift": bool((along_shift.abs() < 1e-9).all()),
        "stretch": bool((along_stretch.abs() < 1e-9).all()),
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-blind", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
draw = torch.Generator().manual_seed(0)
pred, target = torch.randn(2, 9, generator=draw) + 1
scene = torch.tensor([0, 1, 2] * 3)


def squared(pred, target, scene):
    return (pred - target).square().mean()


def cosine(pred, target, scene):
    """One minus the cosine of predictions and JODs, one scene after the other: no mean is taken away."""
    total = 0
    for p in scene.unique():
        x, y = pred[scene == p], target[scene == p]
        total = total + 1 - (x * y).sum() / (x.norm() * y.norm())
    return total


def every_pair(pred, target, scene):
    """No scene in it: all photos of the batch against each other."""
    d = pred[:, None] - pred
    return torch.nn.functional.softplus(-d[target[:, None] > target]).mean()


told = blind(squared, pred, target, scene)
assert told == {"shift": False, "stretch": False}, f"The squared error sees both; you say {told}."
told = blind(cosine, pred, target, scene)
assert told == {"shift": False, "stretch": True}, f"A cosine sees a shift only; you say {told}."
told = blind(every_pair, pred, target, scene)
assert told == {"shift": False, "stretch": False}, (
    f"A shift of *one* scene changes pairs across scenes; you say {told}."
)
### BEGIN HIDDEN TESTS
import torch as _torch


def _pairs(pred, target, scene):
    d, e = pred[:, None] - pred, target[:, None] - target
    pair = (scene[:, None] == scene) & (e > 0)
    return _torch.nn.functional.softplus(-d[pair]).mean()


def _batch_centred(pred, target, scene):
    return (pred - pred.mean() - target).square().mean()


def _batch_normal(pred, target, scene):
    return ((pred - pred.mean()) / pred.std() - target).square().mean()


def _correlation(pred, target, scene):
    total = 0
    for p in (0, 1, 2):
        x, y = (v[scene == p] - v[scene == p].mean() for v in (pred, target))
        total = total - (x * y).sum() / (x.norm() * y.norm())
    return total


def _one_scene(pred, target, scene):  # blind in scenes 1 and 2, not in scene 0
    return _correlation(pred, target, scene) + (pred[scene == 0] - target[scene == 0]).square().sum()


_wanted = ((_pairs, 1, 0), (_batch_centred, 0, 0), (_batch_normal, 0, 0), (_correlation, 1, 1), (_one_scene, 0, 0))
for _seed in (1, 2, 3):
    _draw = _torch.Generator().manual_seed(_seed)
    _pred, _target = _torch.randn(2, 12, generator=_draw, dtype=_torch.float64) + 0.5
    for _loss, _shift, _stretch in _wanted:
        _told = blind(_loss, _pred, _target, _torch.tensor([0, 1, 2] * 4))
        assert _told["shift"] is (_shift == 1)
        assert _told["stretch"] is (_stretch == 1)
### END HIDDEN TESTS

# %% [markdown]
# **2b** (5 points, by hand). For one scene, and a loss $\mathcal L$ that is blind to shift and stretch, so
# $\mathcal L(a s + b) = \mathcal L(s)$ for all $a > 0$ and all $b$, at a point where it is differentiable, derive:
#
# 1. $\sum_i g_i(s) = 0$ and $\sum_i s_i\, g_i(s) = 0$;
# 2. $g(a s) = g(s) / a$: the gradient's size is inverse to the scale of the predictions;
# 3. what one step of plain gradient descent, $s \leftarrow s - \eta g$, does to $\sum_i (s_i - \bar s)^2$, and what follows for
#    a long training of free predictions (no network: the predictions themselves are the parameters). (Use 1.)

# %% [markdown] nbgrader={"grade": true, "grade_id": "derivation", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (1) Differentiate $\mathcal L(s + b) = \mathcal L(s)$ by $b$ at 0: $\sum_i g_i = 0$. Differentiate
# $\mathcal L(a s) = \mathcal L(s)$ by $a$ at 1: $\sum_i s_i g_i = 0$. (2) Differentiate $\mathcal L(a s) = \mathcal L(s)$ by
# $s_i$: $a\, g_i(a s) = g_i(s)$. (3) By (1), $g$ is orthogonal to the vector of ones and to $s$, hence to $s - \bar s$, and the mean
# of $s$ does not move: $\sum (s_i - \eta g_i - \bar s)^2 = \sum (s_i - \bar s)^2 + \eta^2 \sum g_i^2$. The spread can only
# grow (Pythagoras). By (2) the gradient shrinks as it grows: the steps get smaller by themselves, and a spread that starts
# tiny is thrown far out by the first step.
#
# **Marks.** 1: both identities from the invariance, with the variable of differentiation named (1 + 1; stated without
# derivation: 0). 2: chain rule on the left (1). 3: the cross term vanishes because of 1, so the spread grows by
# $\eta^2 \lVert g \rVert^2$ (1); a consequence in words, such as steps that shrink or the wild first step (1).

# %% [markdown]
# ## 3 · Nine changes to a batch
#
# Take a batch of 12 photos in three scenes, predictions and JODs without ties, and the two losses of the survey: `scale_shift`
# (Eq. 1-2) and the fidelity loss as its Eq. 4-6 are written: the mean over *all ordered pairs* of two different
# photos $x, y$ of one scene (two places in the batch: a copy of a photo counts as a photo of its own) of
#
# $$\ell = 1 - \sqrt{p\,\hat p} - \sqrt{(1-p)(1-\hat p)}, \qquad p = 1[q_x \ge q_y], \qquad
# \hat p = \Phi\Big(\frac{s_x - s_y}{\sqrt 2}\Big)$$
#
# | change | what is done |
# |---|---|
# | `own shift` | each scene's predictions get a constant of their own |
# | `one stretch` | all predictions of the batch times 3 |
# | `own stretch` | each scene's predictions times a positive number of its own |
# | `cube` | each prediction is replaced by its third power |
# | `minus` | all predictions change sign |
# | `ranks` | the JODs are replaced by their ranks in the scene, 1, 2, 3, ... |
# | `shuffle` | the photos of the batch are put in another order (all three tensors alike) |
# | `twice` | each photo stands in the batch twice, with the same prediction and JOD |
# | `lone photo` | one photo of a fourth scene joins the batch |
#
# **3a** and **3b** (2 + 2 points). For each loss, which changes does it notice: True if its value changes in general, False
# if it never does, up to what $\varepsilon = 10^{-8}$ does (a change below $10^{-6}$ is none)? The pairs that you need first come in part 4, so you may do 3b after 4a.
# Think first, then *try* it, on several random batches (one of them may be a coincidence). Delete the `raise` when you have filled in the rest.

# %% nbgrader={"grade": false, "grade_id": "notices", "locked": false, "schema_version": 3, "solution": true, "task": false}
scale_shift_notices = {
    "own shift": ...,
    "one stretch": ...,
    "own stretch": ...,
    "cube": ...,
    "minus": ...,
    "ranks": ...,
    "shuffle": ...,
    "twice": ...,
    "lone photo": ...,
}
fidelity_notices = {
    "own shift": ...,
    "one stretch": ...,
    "own stretch": ...,
    "cube": ...,
    "minus": ...,
    "ranks": ...,
    "shuffle": ...,
    "twice": ...,
    "lone photo": ...,
}
### BEGIN SOLUTION
scale_shift_notices = {
    "own shift": False,
    "one stretch": False,
    "own stretch": False,
    "cube": True,
    "minus": True,
    "ranks": True,
    "shuffle": False,
    "twice": False,
    "lone photo": True,
}
fidelity_notices = {
    "own shift": False,
    "one stretch": True,
    "own stretch": True,
    "cube": True,
    "minus": True,
    "ranks": False,
    "shuffle": False,
    "twice": True,
    "lone photo": False,
}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-notices-scale-shift", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
changes = {"own shift", "one stretch", "own stretch", "cube", "minus", "ranks"}
changes |= {"shuffle", "twice", "lone photo"}
assert set(scale_shift_notices) == changes, "One entry for each of the nine changes."
assert set(scale_shift_notices.values()) <= {True, False}, "Each entry is True or False."
### BEGIN HIDDEN TESTS
for _change in ("own shift", "one stretch", "own stretch", "shuffle", "twice"):
    assert scale_shift_notices[_change] is False
for _change in ("cube", "minus", "ranks", "lone photo"):
    assert scale_shift_notices[_change] is True
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test-notices-fidelity", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
changes = {"own shift", "one stretch", "own stretch", "cube", "minus", "ranks"}
changes |= {"shuffle", "twice", "lone photo"}
assert set(fidelity_notices) == changes, "One entry for each of the nine changes."
assert set(fidelity_notices.values()) <= {True, False}, "Each entry is True or False."
### BEGIN HIDDEN TESTS
for _change in ("own shift", "ranks", "shuffle", "lone photo"):
    assert fidelity_notices[_change] is False
for _change in ("one stretch", "own stretch", "cube", "minus", "twice"):
    assert fidelity_notices[_change] is True
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · The fidelity loss, from label to gradient
#
# **4a** (2 points). Write `fidelity(pred, target, scene, soft=False)` for a batch, as in part 3 (ordered pairs, of one scene, of two
# *different* photos; two photos with equal JODs are a pair, too, and have $p = 1$ from either side). Without any pair the
# answer is a zero that `backward()` accepts. You may leave `soft` for 4b. (Lesson 05 has $p$ = ½ for equal JODs, as public code does;
# here, as in Eq. 4 and in `pqa_lab.losses.fidelity_loss` unless told otherwise, it is 1.)
#
# **4b** (2 points). The code published with this loss uses a *soft* label instead of Eq. 4, how clearly $x$ is better:
# $p = \Phi(q_x - q_y)$ (no $\sqrt 2$ here: on purpose, see 4c). With `soft=True` your function takes it.
#
# `torch.special.ndtr` is $\Phi$. Only the value is asked here: by autograd your loss may have `nan` for a slope, as $\sqrt u$ has
# none at 0. 4d is about that.


# %% nbgrader={"grade": false, "grade_id": "fidelity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fidelity(pred, target, scene, soft=False):
    """Fidelity loss of a batch, (B,), (B,), (B,) -> scalar."""
    ### BEGIN SOLUTION
    different = ~torch.eye(len(pred), dtype=torch.bool)
    pair = (scene[:, None] == scene[None, :]) & different  # (B, B)
    d_pred, d_target = (v[:, None] - v[None, :] for v in (pred, target))  # (B, B)
    win = torch.special.ndtr(d_pred[pair] / 2**0.5)  # (pairs,)
    p = torch.special.ndtr(d_target[pair]) if soft else (d_target[pair] >= 0).to(win.dtype)
    lost = 1 - (p * win).sqrt() - ((1 - p) * (1 - win)).sqrt()
    return lost.sum() / max(len(lost), 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-fidelity-hard", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
scene = torch.tensor([0, 1, 0, 1, 2])
found = fidelity(torch.zeros(5), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), scene)
assert abs(float(found) - (1 - 0.5**0.5)) < 1e-6, "Equal predictions: each pair costs 1 - sqrt(1/2)."
found = fidelity(torch.tensor([0.0, 1.0, 0.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), scene)
assert abs(float(found) - (1 - 0.5**0.5)) < 1e-6, "Only photos of one scene make a pair."
found = fidelity(torch.tensor([9.0, -9.0]), torch.tensor([1.0, 0.0]), torch.tensor([3, 3]))
assert abs(float(found)) < 1e-6, f"In the right order by far: 0, not {float(found):.3f}. Is a photo paired with itself?"
found = fidelity(torch.zeros(2), torch.ones(2), torch.tensor([3, 3]))
assert abs(float(found) - (1 - 0.5**0.5)) < 1e-6, (
    f"A tie: p = 1 from either side, 1 - sqrt(1/2), not {float(found):.3f}"
)
leaf = torch.zeros(3, requires_grad=True)
loss = fidelity(leaf, torch.zeros(3), torch.tensor([0, 1, 2]))
assert float(loss) == 0, f"Without a pair the loss is 0, not {float(loss):.3f}"
assert loss.requires_grad, "Without a pair the loss is a zero, but one that backward() accepts."
loss.backward()
assert leaf.grad.abs().sum() == 0, "Without a pair the gradient is zeros."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random
from statistics import NormalDist as _Normal

import torch as _torch

for _seed in (41, 42, 43):
    _rng = _random.Random(_seed)
    _scene = [_rng.choice([0, 1, 4]) for _ in _b.range(13)] + [9]
    _p = [_rng.gauss(0, 1) + c for c in _scene]
    _q = [_b.round(_rng.gauss(0, 1)) + 3.0 * c for c in _scene]  # with ties
    _lost = []
    for _i in _b.range(14):
        for _j in _b.range(14):
            if _i != _j and _scene[_i] == _scene[_j]:
                _win = _Normal().cdf((_p[_i] - _p[_j]) / 2**0.5)
                _lost.append(1 - (_win if _q[_i] >= _q[_j] else 1 - _win) ** 0.5)
    _tensors = (_torch.tensor(v, dtype=_torch.float64) for v in (_p, _q))
    _got = _b.float(fidelity(*_tensors, _torch.tensor(_scene)))
    assert -1e-6 < _got - _b.sum(_lost) / _b.len(_lost) < 1e-6
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test-fidelity-soft", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = float(fidelity(torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([5, 5]), soft=True))
# The predictions' chances are 1/2, whatever stands under the difference: only the label can be wrong here.
assert abs(found - 0.0698) < 1e-4, f"Label Phi(1) against 1/2 costs 0.0698, not {found:.4f}: look at the label p."
found = float(fidelity(torch.tensor([2.0**0.5, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([5, 5]), soft=True))
assert abs(found) < 1e-6, f"Both chances are Phi(1), so the loss is 0, not {found:.4f}: look at the prediction's p-hat."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random
from statistics import NormalDist as _Normal

import torch as _torch

for _seed in (51, 52, 53):
    _rng = _random.Random(_seed)
    _scene = [_rng.choice([0, 1, 4]) for _ in _b.range(13)] + [9]
    _p, _q = ([_rng.gauss(c, 1) for c in _scene] for _ in _b.range(2))
    _lost = []
    for _i in _b.range(14):
        for _j in _b.range(14):
            if _i != _j and _scene[_i] == _scene[_j]:
                _win, _label = _Normal().cdf((_p[_i] - _p[_j]) / 2**0.5), _Normal().cdf(_q[_i] - _q[_j])
                _lost.append(1 - (_label * _win) ** 0.5 - ((1 - _label) * (1 - _win)) ** 0.5)
    _tensors = (_torch.tensor(v, dtype=_torch.float64) for v in (_p, _q))
    _got = _b.float(fidelity(*_tensors, _torch.tensor(_scene), soft=True))
    assert -1e-6 < _got - _b.sum(_lost) / _b.len(_lost) < 1e-6
### END HIDDEN TESTS

# %% [markdown]
# **4c** (4 points, by hand). Show, for one pair with label $p$ and prediction $\hat p$, that $\ell \ge 0$, with equality only at
# $\hat p = p$. Where, then, does a pair with JODs 1.5 apart come to rest under the hard label, and where under the soft
# one? What follows for the scale of a trained model's scores?

# %% [markdown] nbgrader={"grade": true, "grade_id": "rest", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** $u = (\sqrt p, \sqrt{1-p})$ and $v = (\sqrt{\hat p}, \sqrt{1-\hat p})$ are unit vectors and
# $\ell = 1 - u \cdot v$. By Cauchy-Schwarz $u \cdot v \le 1$, with equality only for $u = v$ (both have length 1 and no negative
# entry), that is $\hat p = p$. Hard label: $p = 1$ asks $\Phi(d/\sqrt 2) = 1$, which no finite $d$ reaches: the pair never
# rests, scores drift apart ever more slowly. Soft label: $\Phi(d/\sqrt 2) = \Phi(1.5)$ gives $d = 1.5\sqrt 2 \approx 2.12$. So
# with soft labels the scores get a unit, $\sqrt 2$ per JOD (all pairs of a scene can rest at once, as $d$ is linear
# in the JOD difference); with hard labels the scale says how long and how consistently the model was trained, not quality.
#
# **Marks.** Inequality and its case of equality (1 + 1; AM-GM on each product, or differentiating by $\hat p$, serve as well).
# Both places (1). Consequence for the scale (1).

# %% [markdown]
# **4d** (2 points). One pair, the first photo better, hard label: $\ell(d) = 1 - \sqrt{\Phi(d/\sqrt 2)}$ at the predicted difference
# $d$. Write its derivative `fidelity_slope(d)` for a tensor of any shape, right to six digits for all $d$ from -60 to
# 10. The formula by hand is short; at $d = -60$ it reads 0/0 in floating point, and autograd through `ndtr(...).sqrt()`
# gives `nan` there. One `nan` pair ruins a whole training. Logarithms help: `torch.special.log_ndtr`, and $\ln\varphi$ is a
# parabola.


# %% nbgrader={"grade": false, "grade_id": "slope", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fidelity_slope(d):
    """Derivative of 1 - sqrt(Phi(d / sqrt 2)) by d, same shape."""
    ### BEGIN SOLUTION
    z = d / 2**0.5
    log_density = -(z**2) / 2 - 0.5 * torch.log(torch.tensor(2 * torch.pi))
    # l' = -phi(z) / (2 sqrt(2) sqrt(Phi(z)))
    return -(log_density - torch.special.log_ndtr(z) / 2).exp() / 8**0.5
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-slope", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
d = torch.tensor([-3.0, -1.0, 0.0, 2.0], requires_grad=True)
(1 - torch.special.ndtr(d / 2**0.5).sqrt()).sum().backward()
found = fidelity_slope(d.detach())
assert torch.allclose(found, d.grad, atol=1e-9), f"autograd says {d.grad.tolist()}, you {found.tolist()}"
assert bool(fidelity_slope(torch.tensor([-60.0, 10.0])).isfinite().all()), "not finite at -60 or 10"
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math

import torch as _torch


def _log_slope(d):
    z = d / 2**0.5
    if z > -8:
        log_cdf = _math.log(_math.erfc(-z / 2**0.5) / 2)
    else:  # Phi(z) = phi(z) / (x + 1 / (x + 2 / (x + 3 / ...))), x = -z
        fraction = -z
        for k in _b.range(200, 0, -1):
            fraction = -z + k / fraction
        log_cdf = -z * z / 2 - _math.log(2 * _math.pi) / 2 - _math.log(fraction)
    return -z * z / 2 - _math.log(2 * _math.pi) / 2 - log_cdf / 2 - _math.log(8) / 2


_at = [-60.0, -51.3, -33.0, -20.5, -9.0, -4.4, -0.7, 0.3, 1.9, 5.5, 10.0]
_got = fidelity_slope(_torch.tensor(_at, dtype=_torch.float64)).tolist()
assert _b.len(_got) == 11
for _d, _g in _b.zip(_at, _got, strict=True):
    assert _g < 0
    assert -1e-6 < _math.log(-_g) - _log_slope(_d) < 1e-6
### END HIDDEN TESTS

# %% [markdown]
# **4e** (1 point). At which predicted difference does such a pair pull hardest, that is, where is the slope's absolute value largest?
# Give `hardest` to two decimals (a search over a grid will do; 0.01 off is right). For yourself, nothing to hand in: what does that say about
# pairs that a model has badly wrong?

# %% nbgrader={"grade": false, "grade_id": "hardest", "locked": false, "schema_version": 3, "solution": true, "task": false}
hardest = ...
### BEGIN SOLUTION
grid = torch.linspace(-5, 5, 100001)
hardest = float(grid[fidelity_slope(grid).argmin()])
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-hardest", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert -50 < float(hardest) < 9, (
    f"The largest *absolute* slope: at {float(hardest):.2f} it is almost 0, the pair hardly pulls."
)
### BEGIN HIDDEN TESTS
import math as _math

_low, _high = -3.0, 0.0  # where -z = phi(z) / (2 Phi(z)), by halving
for _ in range(60):
    _z = (_low + _high) / 2
    _ratio = _math.exp(-_z * _z / 2) / _math.sqrt(2 * _math.pi) / _math.erfc(-_z / 2**0.5)
    _low, _high = (_z, _high) if -_z > _ratio else (_low, _z)
assert -0.01 < hardest - 2**0.5 * _z < 0.01
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Five losses of a colleague
#
# A colleague wants a loss that is one minus Pearson's correlation $r$, scene by scene, then the mean over scenes. She wrote five
# versions. All train; all give small values to good predictions. One is sound.

# %% nbgrader={"grade": false, "grade_id": "colleague", "locked": true, "schema_version": 3, "solution": false, "task": false}


def loss_a(pred, target, scene):
    parts = []
    for p in scene.unique():
        x, y = pred[scene == p], target[scene == p]
        covariance = ((x - x.mean()) * (y - y.mean())).mean()
        parts.append(1 - covariance / (x.std() * y.std()))
    return torch.stack(parts).mean()


def loss_b(pred, target, scene):
    same = (scene[:, None] == scene[None, :]).to(pred.dtype)  # (B, B)
    count = same.sum(1)
    x, y = pred - same @ pred / count, target - same @ target / count  # (B,)
    r = (same @ (x * y)) / (same @ x**2 * (same @ y**2)).sqrt()  # (B,)
    return 1 - r.mean()


def loss_c(pred, target, scene):
    r = 0
    names = scene.unique()
    for p in names:
        x, y = (v[scene == p] - v[scene == p].mean() for v in (pred, target))
        r = r + torch.nn.functional.cosine_similarity(x, y, dim=0)
    return 1 - r / len(names)


def loss_d(pred, target, scene):
    own = (scene.unique()[:, None] == scene[None, :]).to(pred.dtype)  # (P, B)
    x, y = (own * (v - (own @ v / own.sum(1))[:, None]) for v in (pred, target))  # (P, B)
    r = (x * y).sum() / (x.norm() * y.norm())
    return 1 - r


def loss_e(pred, target, scene):
    parts = []
    for p in scene.unique():
        x, y = (v[scene == p] - v[scene == p].mean() for v in (pred, target))
        spread = max(x.norm().item(), 1e-12)  # no division by zero
        parts.append(1 - (x * y).sum() / (spread * y.norm()))
    return torch.stack(parts).mean()


# %% [markdown]
# **5a** (2 points). Give each its diagnosis, one of the following, each once:
#
# - `"sound"`;
# - `"wrong n"`: covariance and spreads are divided by different numbers of photos;
# - `"mixes scenes"`: a scene whose scores spread more counts more, as one $r$ is taken of all scenes together;
# - `"large scenes"`: a scene with more photos counts more;
# - `"fixed spread"`: the value is right, and the gradient is not that of $1 - r$.
#
# Reading is one way. Another works on code that you cannot read: `blind` sorts the five into two groups, no more; two well-chosen
# batches tell those of a group apart.

# %% nbgrader={"grade": false, "grade_id": "diagnosis", "locked": false, "schema_version": 3, "solution": true, "task": false}
diagnosis = {"loss_a": ..., "loss_b": ..., "loss_c": ..., "loss_d": ..., "loss_e": ...}
### BEGIN SOLUTION
diagnosis = {
    "loss_a": "wrong n",
    "loss_b": "large scenes",
    "loss_c": "sound",
    "loss_d": "mixes scenes",
    "loss_e": "fixed spread",
}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-diagnosis", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
names = {"sound", "wrong n", "mixes scenes", "large scenes", "fixed spread"}
assert set(diagnosis.values()) == names, "Each of the five words once."
### BEGIN HIDDEN TESTS
assert diagnosis["loss_a"] == "wrong n"
assert diagnosis["loss_b"] == "large scenes"
assert diagnosis["loss_c"] == "sound"
assert diagnosis["loss_d"] == "mixes scenes"
assert diagnosis["loss_e"] == "fixed spread"
### END HIDDEN TESTS

# %% [markdown]
# **5b** (1 point). Her test of `loss_a`: "perfect predictions get 0.05, that is rounding". Give her a witness: `pred, target, scene`
# of at least three scenes in which the predictions *are* the JODs (no ties within a scene), and `loss_a` is at least 0.45.

# %% nbgrader={"grade": false, "grade_id": "witness", "locked": false, "schema_version": 3, "solution": true, "task": false}
witness = ...  # three tensors: pred, target, scene
### BEGIN SOLUTION
jod = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, 3.0])
witness = jod, jod, torch.tensor([0, 0, 1, 1, 2, 2])  # scenes of two photos: r = 1/2
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-witness", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
pred, target, scene = witness
assert len(scene.unique()) >= 3, "At least three scenes."
assert torch.equal(pred, target), "The predictions are the JODs."
assert float(loss_a(pred, target, scene)) >= 0.45, f"loss_a is {float(loss_a(pred, target, scene)):.2f}"
### BEGIN HIDDEN TESTS
import builtins as _b

_p, _q, _c = (v.tolist() for v in witness)
assert _p == _q
assert _b.len(_b.set(_c)) >= 3
_value = 0
for _scene in _b.set(_c):
    _x = [v for v, c in _b.zip(_p, _c, strict=True) if c == _scene]
    assert _b.len(_b.set(_x)) == _b.len(_x) >= 2
    _value += (1 - (_b.len(_x) - 1) / _b.len(_x)) / _b.len(_b.set(_c))  # r = (n - 1) / n where it should be 1
assert _value >= 0.45
### END HIDDEN TESTS

# %% [markdown]
# **5c** (2 points). The sound version still fails on a real batch. Write `correlation_loss(pred, target, scene)`, the mean of $1 - r$ over
# the scenes, where
#
# - a photo that is alone in its scene, or a scene whose *JODs* are all equal, has no order to learn: left out, also of the count;
# - a scene whose *predictions* are all equal, though its JODs are not, stays in with $r = 0$ (else a model could get rid of a scene by
#   giving all its photos one score);
# - where no scene is left, the loss is 0, a zero that `backward()` accepts;
# - no gradient may be `nan`.


# %% nbgrader={"grade": false, "grade_id": "mended", "locked": false, "schema_version": 3, "solution": true, "task": false}
def correlation_loss(pred, target, scene):
    """Mean of 1 - r over the scenes whose JODs have an order, (B,), (B,), (B,) -> scalar."""
    ### BEGIN SOLUTION
    parts = []
    for p in scene.unique():
        x, y = (v[scene == p] - v[scene == p].mean() for v in (pred, target))
        if len(x) > 1 and (target[scene == p] != target[scene == p][0]).any():
            parts.append(1 - (x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-12))
    return torch.stack(parts).mean() if parts else 0 * pred.sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-mended", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
pred = torch.tensor([1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 8.0, 4.0, 6.0], requires_grad=True)
target = torch.tensor([1.0, 2.0, 3.0, 1.0, 3.0, 2.0, 0.0, 5.0, 5.0])
scene = torch.tensor([0, 0, 0, 1, 1, 1, 2, 3, 3])
loss = correlation_loss(pred, target, scene)
assert loss.requires_grad, "The loss has left the graph: no gradient can arrive at the predictions."
loss.backward()
found = loss.item()
assert abs(found - 0.75) < 1e-6, (
    f"r is 1 and -1/2, two scenes are left out: the mean of 0 and 1.5 is 0.75, not {found:.3f}"
)
assert bool(pred.grad.isfinite().all()), "A gradient is not finite."
leaf = torch.tensor([1.0, 2.0, 3.0, 7.0, 7.0, 7.0], requires_grad=True)
loss = correlation_loss(leaf, torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]), torch.tensor([0, 0, 0, 1, 1, 1]))
loss.backward()
found = loss.item()
assert abs(found - 0.5) < 1e-6, f"Equal predictions count as r = 0: the mean of 0 and 1 is 0.5, not {found:.3f}"
assert bool(leaf.grad.isfinite().all()), "A gradient is not finite where all predictions of a scene are equal."
leaf = torch.zeros(2, requires_grad=True)
loss = correlation_loss(leaf, torch.zeros(2), torch.tensor([0, 1]))
assert float(loss) == 0, f"Without any scene the loss is 0, not {float(loss):.3f}"
assert loss.requires_grad, "Without any scene the loss is a zero, but one that backward() accepts."
loss.backward()
assert leaf.grad.abs().sum() == 0, "Without any scene the gradient is zeros."
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import torch as _torch


def _value(p, q, scene):
    parts = []
    for c in (0, 1, 2, 3, 4, 5):
        x, y = ([v[i] for i in _b.range(20) if scene[i] == c] for v in (p, q))
        if _b.len(x) < 2 or _b.max(y) == _b.min(y):
            continue
        if _b.max(x) == _b.min(x):
            parts.append(1.0)
            continue
        mx, my, n = _b.sum(x) / _b.len(x), _b.sum(y) / _b.len(y), _b.range(_b.len(x))
        cross = _b.sum((x[i] - mx) * (y[i] - my) for i in n)
        parts.append(1 - cross / _math.sqrt(_b.sum((v - mx) ** 2 for v in x) * _b.sum((v - my) ** 2 for v in y)))
    return _b.sum(parts) / _b.len(parts)


for _seed in (61, 62, 63):
    _rng = _random.Random(_seed)
    _scene = [0] * 7 + [1] * 4 + [2] * 3 + [3] + [4] + [5] * 4
    _p, _q = ([_rng.gauss(2 * c, 1 + c) for c in _scene] for _ in _b.range(2))
    _q[11] = _q[12] = _q[13]  # scene 2 has no correlation
    _p[16:] = [_b.float(_rng.choice([-2, 1, 3]))] * 4  # scene 5 has r = 0
    _order = _rng.sample(_b.range(20), 20)
    _p, _q, _scene = ([v[i] for i in _order] for v in (_p, _q, _scene))
    _leaf = _torch.tensor(_p, dtype=_torch.float64, requires_grad=True)
    _got = correlation_loss(_leaf, _torch.tensor(_q, dtype=_torch.float64), _torch.tensor(_scene))
    _got.backward()
    assert -1e-6 < _got.item() - _value(_p, _q, _scene) < 1e-6
    _none = [_k for _k in _b.range(20) if _scene[_k] in (2, 3, 4)]  # no scene of these has a correlation
    _few = _torch.tensor([_p[_k] for _k in _none], dtype=_torch.float64, requires_grad=True)
    _rest = _torch.tensor([_q[_k] for _k in _none], dtype=_torch.float64)
    _zero = correlation_loss(_few, _rest, _torch.tensor([_scene[_k] for _k in _none]))
    _zero.backward()
    assert _zero.item() == 0
    assert _few.grad.tolist() == [0.0] * 5
    for _k, _g in _b.enumerate(_leaf.grad.tolist()):
        assert _math.isfinite(_g)
        if _scene[_k] == 5:  # r jumps there: a step has no slope to compare
            continue
        _up, _down = ([v + e * (i == _k) for i, v in _b.enumerate(_p)] for e in (1e-6, -1e-6))
        assert -1e-5 < _g - (_value(_up, _q, _scene) - _value(_down, _q, _scene)) / 2e-6 < 1e-5
### END HIDDEN TESTS

# %% [markdown]
# Does it matter? Here nothing but ten free predictions of a scene is trained, by plain gradient descent, first with the sound
# loss, then with `loss_e`. Run it and look at the spread.

# %%
draw = torch.Generator().manual_seed(3)
start, jod = torch.randn(2, 10, generator=draw)
one = torch.zeros(10, dtype=torch.long)
for name, loss in {"loss_c": loss_c, "loss_e": loss_e}.items():
    free = start.clone()
    for step in range(3001):
        if step % 1000 == 0:
            value = float(loss(free, jod, one))
            print(f"{name} after {step:4} steps: loss {abs(value):.5f}, spread {float(free.std()):.2f}")
        leaf = free.clone().requires_grad_()
        loss(leaf, jod, one).backward()
        free = free - 0.3 * leaf.grad

# %% [markdown]
# **5d** (3 points, by hand). Both come to $r$ near 1, and yet one spread stands still while the other grows and grows. Explain
# both with the sums of part 2, and say what the growing one would do to a network that is trained with weight decay or in
# half precision. Why did no test of *values* find this?

# %% [markdown] nbgrader={"grade": true, "grade_id": "drift", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** For loss_c, $\sum s_i g_i = 0$ with $\sum g_i = 0$: the step is orthogonal to the centred predictions; the spread grows only by
# second order, $\eta^2\lVert g\rVert^2$, and $g \to 0$ at $r = 1$: it stands still. loss_e has the right value, but its gradient is
# $-y/(\lVert x\rVert \lVert y\rVert)$, never 0, not even at $r = 1$; there $\sum s_i g_i = -r < 0$, so each step
# pushes the predictions outwards along $y$: the square of the spread grows linearly with the steps. In a network it fights weight decay for
# ever (an equilibrium set by the two, not by the data), and in half precision large scores overflow or lose digits. Values were
# right at every point: only a derivative along the stretch, or a long training, shows it.
#
# **Marks.** loss_c: orthogonality to the predictions (1). loss_e: the gradient has a part along the stretch, sign
# included (1). One consequence for a network, and why values cannot tell (1).

# %% [markdown]
# ## 6 · Choose a judge
#
# **6** (4 points, by hand, about 150 words). A team trains with the fidelity loss and hard labels, on pairs of one scene. Their model ranks
# well. Now there are two wishes: (1) the app shall say "A is 1 JOD better than B" (1 JOD: 75 % prefer A, lessons 00 and 01); (2) it shall show
# one number for photos of *different* scenes.
#
# - Wish 1: what does each of the two losses of part 3 promise, and what not?
# - Wish 1: propose a change (of loss, label or data), and a test that could show that it failed.
# - Wish 2: what do the two losses promise? What would be needed?

# %% [markdown] nbgrader={"grade": true, "grade_id": "judge", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** Hard-label fidelity is blind to how much better (ranks of the JODs give the same loss), so distances of scores are no JODs;
# its scale drifts with training. Scale-shift invariance keeps the *proportions* of distances within a scene, but is blind to the
# unit and the zero of each scene. So neither gives a JOD difference. For the first wish: soft labels (rest at $\sqrt 2$ per JOD), or a
# Bradley-Terry loss on votes, or a pointwise loss on differences; or fit one factor afterwards on held-out scenes. Test: on new
# scenes, bin pairs by predicted difference and compare the share of votes with the share that this many JODs should win
# (1 JOD: 75 %), or regress the true difference on the predicted one: slope 1 within its interval over scenes. Second wish: both losses are blind
# to each scene's own shift, and so are the labels, as nobody compared photos across scenes. No loss can mend that; it takes votes
# between scenes.
#
# **Marks.** What each loss is blind to, correctly used for the first wish (1). A change that gives a unit (1). A test that can fail, on
# new scenes (1). The second wish is a matter of the data, not of the loss (1).
