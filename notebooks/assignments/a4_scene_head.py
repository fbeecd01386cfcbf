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
# # A4 · A head that knows the scene
#
# JODs have another zero and another unit in each scene. Three methods of the survey answer with a head that asks "which
# scene is this?": SEM-HyperIQA rescales its score by one line, FULL-HyperIQA by several, SAR gives each scene a regressor
# of its own and lets a gate choose between photo and face. Here you build the three heads on small tensors, without photos and
# without a backbone, and find out exactly what they can and cannot do to a *ranking*. Then a scene comes that nobody knows.
#
# | | |
# |---|---|
# | **You need** | lessons 06 and 11; `nn.Module`, softmax, `gather` |
# | **Time** | 3 to 3½ hours |
# | **Points** | 24 by tests, 14 by a reader |
#
# How it works: replace every `raise NotImplementedError()`. Below each answer stands a test that you can run; after you
# hand in, the same test runs on other numbers. A test gives all of its points or none. Do not change the tests: they are
# put back before grading. Written answers go into the cells that say so.
#
# Put your name into `STUDENT`: it draws random numbers of your own, so your tables are not your neighbour's; no test depends on it.
#
# Shapes: B photos, C known scenes, W channels of an embedding.

# %%
STUDENT = "your name"

# %%
import torch
from torch import nn

from pqa_lab.classroom import student_seed

torch.set_default_dtype(torch.float64)
torch.manual_seed(student_seed(STUDENT, "a4"))  # your own numbers; no test depends on them

# %% [markdown]
# ## 1 · What a scene costs
#
# SEM and FULL add two networks to HyperIQA, each a chain of linear layers with biases:
#
# - the scene head, from 672 · C inputs (672 for each scene) over 500 and 500 to C;
# - the rescaling network, from C over 100, 100 and 100 to 2.
#
# **1** (2 points). Write `mlp_size(*widths)`, the parameters of such a chain, and `extra(scenes)`, what both networks add.


# %% nbgrader={"grade": false, "grade_id": "sizes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mlp_size(*widths):
    """Weights and biases of linear layers from widths[0] over widths[1], ... to widths[-1]."""
    ### BEGIN SOLUTION
    return sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))
    ### END SOLUTION


def extra(scenes):
    """What scene head and rescaling network add to HyperIQA."""
    ### BEGIN SOLUTION
    return mlp_size(672 * scenes, 500, 500, scenes) + mlp_size(scenes, 100, 100, 100, 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-sizes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert mlp_size(3, 5) == 20, "3 * 5 weights and 5 biases."
assert mlp_size(3, 5, 2) == 32, "The second layer has 5 * 2 weights and 2 biases."
print(f"HyperIQA has 128.17 M parameters; with a head for 50 scenes {128.17 + extra(50) / 1e6:.2f} M")
### BEGIN HIDDEN TESTS
assert mlp_size(7, 1) == 8
assert mlp_size(4, 6, 6, 3) == 30 + 42 + 21
assert extra(50) == 17_101_552
for _c in (2, 35):
    _head = (672 * _c + 1) * 500 + 501 * 500 + 501 * _c
    assert extra(_c) == _head + (_c + 1) * 100 + 2 * 101 * 100 + 101 * 2
### END HIDDEN TESTS

# %% [markdown]
# The survey's Table 2 says 145 M, and so does this count, for C = 50. But the scene split trains on 35 scenes: `128.17 + extra(35) / 1e6`
# is 140.2. So fifteen outputs of the published head belong to scenes that training never shows. Keep that in mind for part 7.
#
# ## 2 · Fifty columns from a map that is 42 wide
#
# The 672 · C inputs of the scene head come from HyperIQA's feature map, (672, 42, 42). It is averaged over its whole height, and its
# width is cut into C windows, each averaged: (672, C), then flattened, channel by channel. With C = 50 there are more windows than
# columns, so they overlap. Window $k$ of C over a width $w$ holds the columns $i$ with
#
# $$\lfloor k\,w / C \rfloor \le i < \lceil (k+1)\,w / C \rceil, \qquad k = 0, \dots, C - 1$$
#
# **2** (2 points). Write `scene_rows(features, scenes)`. (There is a function for that in PyTorch, and you may use it once
# you can say what it does.)


# %% nbgrader={"grade": false, "grade_id": "rows", "locked": false, "schema_version": 3, "solution": true, "task": false}
def scene_rows(features, scenes):
    """Inputs of the scene head: features (B, F, h, w) -> (B, F * scenes)."""
    ### BEGIN SOLUTION
    row = features.mean(2)  # (B, F, w)
    width = row.shape[2]
    columns = [row[:, :, k * width // scenes : -(-(k + 1) * width // scenes)].mean(2) for k in range(scenes)]
    return torch.stack(columns, 2).flatten(1)  # (B, F * C)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-rows", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Two channels: rows 0 1 2 and 3 4 5, then 6 7 8 and 9 10 11.
features = torch.arange(12.0).reshape(1, 2, 2, 3)
found = scene_rows(features, 3)
assert tuple(found.shape) == (1, 6), f"two channels of three columns are 6 inputs, not {tuple(found.shape)}"
assert found.tolist() == [[1.5, 2.5, 3.5, 7.5, 8.5, 9.5]], "The mean over the height, column by column."
found = scene_rows(features, 4)[0, :4].tolist()  # windows: column 0; 0 and 1; 1 and 2; 2
assert found == [1.5, 2.0, 3.0, 3.5], f"four overlapping windows of three columns: {found}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch

for _seed, _h, _w, _c in ((1, 3, 5, 2), (2, 4, 6, 7), (3, 2, 7, 5), (4, 5, 42, 50)):
    _rng = _random.Random(_seed)
    _map = [[[[_rng.gauss(0, 1) for _ in _b.range(_w)] for _ in _b.range(_h)] for _ in "ab"] for _ in "abc"]
    _got = scene_rows(_torch.tensor(_map, dtype=_torch.float64), _c).tolist()
    for _i in _b.range(3):
        assert _b.len(_got[_i]) == 2 * _c
        for _f in _b.range(2):
            for _k in _b.range(_c):
                _cells = [
                    _map[_i][_f][y][x]
                    for y in _b.range(_h)
                    for x in _b.range(_w)
                    if _k * _w - _c < x * _c < (_k + 1) * _w  # floor(k w / C) <= x < ceil((k + 1) w / C)
                ]
                assert -1e-9 < _got[_i][_f * _c + _k] - _b.sum(_cells) / _b.len(_cells) < 1e-9
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · One line, or many
#
# Let $P = \mathrm{softmax}(z)$ be the chances of the C scenes, one row a photo, and let the network $R$ turn a vector of C
# numbers into a multiplier and an offset. For the common score $q$ of a photo
#
# $$\text{SEM: } (a, b) = R(P), \quad a\,q + b \qquad\qquad
# \text{FULL: } (a_c, b_c) = R(e_c), \quad \frac{\sum_{c \in \text{top } k} P_c\,(a_c\, q + b_c)}{\sum_{c \in \text{top } k} P_c}$$
#
# where $e_c$ is the one-hot vector of scene $c$ and "top k" are the k likeliest scenes *of that photo*.
#
# **3a** (2 points). Write `sem`. `rescale` is a function or module from (N, C) to (N, 2).
#
# **3b** (2 points). Write `full`, for a whole batch. The lines of the C scenes do not depend on the photo: ask `rescale` for them once,
# with one (C, C) input. It returns the scores and the weights of all scenes, which add up to 1 in each row and
# are 0 outside of the top k.
#
# To try them out, two photos, three scenes and a rescaling that is easy to follow:


# %%
def by_square(P):
    """a is the sum of the squared chances, b the chance of the first scene."""
    return torch.stack([(P**2).sum(1), P[:, 0]], 1)


quality, logits = torch.tensor([0.5, 2.0]), torch.tensor([[0.0, 0.0, 0.0], [0.0, 20.0, 0.0]])


# %% nbgrader={"grade": false, "grade_id": "sem", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sem(quality, logits, rescale):
    """SEM's scores: quality (B,), logits (B, C) -> (B,)."""
    ### BEGIN SOLUTION
    a, b = rescale(logits.softmax(1)).unbind(1)  # (B,), (B,)
    return a * quality + b
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-sem", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = sem(quality, logits, by_square)
# Photo 1: a = 3 * (1/3)^2, b = 1/3. Photo 2 is certain: a = 1, b = 0.
assert tuple(found.shape) == (2,), "One score a photo."
assert torch.allclose(found, torch.tensor([0.5, 2.0]), atol=1e-6), f"expected 0.5 and 2, found {found.tolist()}"
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import torch as _torch


def _rescale(P):
    return _torch.stack([1 + P[:, 0] * P[:, 1], _torch.sin(3 * P[:, 2] - P[:, 3])], 1)


for _seed in (5, 6, 7):
    _rng = _random.Random(_seed)
    _q = [_rng.gauss(0, 1) for _ in _b.range(6)]
    _z = [[_rng.gauss(0, 2) for _ in _b.range(4)] for _ in _q]
    _got = sem(_torch.tensor(_q, dtype=_torch.float64), _torch.tensor(_z, dtype=_torch.float64), _rescale).tolist()
    assert _b.len(_got) == 6
    for _i in _b.range(6):
        _total = _b.sum(_math.exp(v) for v in _z[_i])
        _p = [_math.exp(v) / _total for v in _z[_i]]
        _want = (1 + _p[0] * _p[1]) * _q[_i] + _math.sin(3 * _p[2] - _p[3])
        assert -1e-9 < _got[_i] - _want < 1e-9
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "full", "locked": false, "schema_version": 3, "solution": true, "task": false}
def full(quality, logits, rescale, k):
    """FULL's scores (B,) and the weights of the scenes (B, C)."""
    ### BEGIN SOLUTION
    lines = rescale(torch.eye(logits.shape[1]).to(logits))  # (C, 2)
    largest, scenes = logits.topk(k, dim=1)  # (B, k), (B, k)
    weight = torch.zeros_like(logits).scatter(1, scenes, largest.softmax(1))  # (B, C)
    by_scene = quality[:, None] * lines[:, 0] + lines[:, 1]  # (B, C)
    return (weight * by_scene).sum(1), weight
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-full", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
calls = []


def noted(P):
    calls.append(tuple(P.shape))
    return by_square(P)


score, weight = full(quality, logits, noted, 2)
assert calls == [(3, 3)], f"rescale should be asked once, about the three scenes; it was asked {calls}"
assert torch.allclose(weight.sum(1), torch.ones(2)), "The weights of a photo add up to 1."
assert (weight > 1e-12).sum(1).tolist() == [2, 2], "Two scenes of each photo have a weight."
assert abs(float(score[1]) - 2) < 1e-6, f"Photo 2 is certain of a scene with a = 1, b = 0; not {float(score[1]):.3f}."
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import torch as _torch

for _seed, _k in ((8, 1), (9, 2), (10, 3), (11, 5)):
    _rng = _random.Random(_seed)
    _q = [_rng.gauss(0, 1) for _ in _b.range(7)]
    _z = [[_rng.gauss(0, 2) for _ in _b.range(5)] for _ in _q]
    _a, _off = ([_rng.gauss(1, 1) for _ in _b.range(5)] for _ in _b.range(2))
    _asked = []

    def _rescale(P, _a=_a, _off=_off, _asked=_asked):  # curved in P, so a mixture of scenes gives no mixture of lines
        _asked.append(P.tolist())
        A = _torch.tensor(_b.list(_b.zip(_a, _off, strict=True)), dtype=_torch.float64)  # (C, 2)
        return (P**3).to(_torch.float64) @ A

    _tensors = (_torch.tensor(v, dtype=_torch.float64) for v in (_q, _z))
    _score, _weight = full(*_tensors, _rescale, _k)
    assert _asked == [[[_b.float(i == j) for j in _b.range(5)] for i in _b.range(5)]]
    _score, _weight = _score.tolist(), _weight.tolist()
    assert _b.len(_score) == _b.len(_weight) == 7
    for _i in _b.range(7):
        _top = _b.sorted(_b.range(5), key=lambda c: -_z[_i][c])[:_k]
        _total = _b.sum(_math.exp(_z[_i][c]) for c in _top)
        _want = 0
        for _c in _b.range(5):
            _w = _math.exp(_z[_i][_c]) / _total if _c in _top else 0.0
            assert -1e-9 < _weight[_i][_c] - _w < 1e-9
            _want += _w * (_a[_c] * _q[_i] + _off[_c])
        assert -1e-9 < _score[_i] - _want < 1e-9
### END HIDDEN TESTS

# %% [markdown]
# SEM asks about the mixture, FULL mixes the answers. When is that the same?
#
# **3c** (2 points). Give two functions from (N, 3) to (N, 2), for C = 3 scenes:
#
# - `agreeing`: SEM and FULL with k = 3 give the same score for *every* photo, though the three scenes have three different
#   lines;
# - `differing`: for a photo of common score 1 and equal chances of all scenes, the two scores are at least 1 apart.
#
# The test below looks at neither the three lines nor the gap of 1; the hidden one does. Check both with your own `sem` and `full`
# (k = 3) and some logits.


# %% nbgrader={"grade": false, "grade_id": "agreement", "locked": false, "schema_version": 3, "solution": true, "task": false}
def agreeing(P):
    """A rescaling with which SEM = FULL, (N, 3) -> (N, 2)."""
    ### BEGIN SOLUTION
    return P @ torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.5, -1.0]])
    ### END SOLUTION


def differing(P):
    """A rescaling with which they differ, (N, 3) -> (N, 2)."""
    ### BEGIN SOLUTION
    return torch.stack([P[:, 0], 3 * P.max(1).values], 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-agreement", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert tuple(agreeing(torch.eye(3)).shape) == tuple(differing(torch.eye(3)).shape) == (3, 2), "From (N, 3) to (N, 2)."
chances = torch.tensor([[0.2, 0.3, 0.5]])
mixed = (chances[0, :, None] * agreeing(torch.eye(3))).sum(0)
assert torch.allclose(agreeing(chances)[0], mixed), "Its answer to a mixture is not the mixture of its answers."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch

_eye = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]
_lines = agreeing(_torch.tensor(_eye, dtype=_torch.float64)).tolist()
for _i, _j in ((0, 1), (0, 2), (1, 2)):
    assert _b.max(_b.abs(x - y) for x, y in _b.zip(_lines[_i], _lines[_j], strict=True)) > 1e-3
_rng = _random.Random(12)
for _ in _b.range(5):
    _raw = [_rng.random() for _ in _b.range(3)]
    _p = [v / _b.sum(_raw) for v in _raw]
    _line = agreeing(_torch.tensor([_p], dtype=_torch.float64)).tolist()[0]
    for _side in (0, 1):
        assert -1e-6 < _line[_side] - _b.sum(_p[c] * _lines[c][_side] for c in _b.range(3)) < 1e-6
_lines = differing(_torch.tensor(_eye, dtype=_torch.float64)).tolist()
_line = differing(_torch.full((1, 3), 1 / 3, dtype=_torch.float64)).tolist()[0]
assert _b.abs(_b.sum(_line) - _b.sum(_b.sum(v) for v in _lines) / 3) > 1 - 1e-9
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · What that does to a ranking
#
# A ranking compares photos of one scene. Each photo brings its own chances; the lines of the C scenes are given, row $c$ of `lines`,
# (C, 2), being $(a_c, b_c)$. Take FULL with k = C.
#
# **4a** (2 points). Write `flips(quality, chances, lines)`: how many pairs of photos stand in one order by `quality` and in the opposite
# order after rescaling. Ties, before or after, are no flips.


# %% nbgrader={"grade": false, "grade_id": "flips", "locked": false, "schema_version": 3, "solution": true, "task": false}
def flips(quality, chances, lines):
    """Pairs that change their order: quality (N,), chances (N, C), lines (C, 2) -> int."""
    ### BEGIN SOLUTION
    a, b = (chances @ lines).unbind(1)  # (N,), (N,)
    score = a * quality + b
    before, after = (v[:, None] - v[None, :] for v in (quality, score))  # (N, N)
    return int((before * after < 0).sum()) // 2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-flips", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
lines = torch.tensor([[2.0, 0.0], [0.5, 1.0]])
quality = torch.tensor([0.2, 0.5, 0.9, 1.6])
same_for_all = torch.tensor([[0.3, 0.7]]).expand(4, 2)
assert flips(quality, same_for_all, lines) == 0, "One rising line for all photos changes no order."
assert flips(quality, same_for_all, -lines) == 6, "One falling line turns all six pairs round."
told_apart = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # scores 1.1, 1.0, 1.8, 1.8
assert flips(quality, told_apart, lines) == 1, "Photos 1 and 2 change places; 3 and 4 become equal."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch

for _seed in (13, 14, 15):
    _rng = _random.Random(_seed)
    _q = [_b.round(_rng.gauss(0, 1), 1) for _ in _b.range(12)]
    _raw = [[_rng.random() for _ in _b.range(4)] for _ in _q]
    _p = [[v / _b.sum(row) for v in row] for row in _raw]
    _l = [[_rng.gauss(1, 2), _rng.gauss(0, 1)] for _ in _b.range(4)]
    _s = [
        _b.sum(c * (line[0] * q + line[1]) for c, line in _b.zip(p, _l, strict=True))
        for q, p in _b.zip(_q, _p, strict=True)
    ]
    _count = 0
    for _i in _b.range(12):
        for _j in _b.range(_i):
            _count += (_q[_i] - _q[_j]) * (_s[_i] - _s[_j]) < 0
    assert flips(*(_torch.tensor(v, dtype=_torch.float64) for v in (_q, _p, _l))) == _count
### END HIDDEN TESTS

# %% [markdown]
# **4b** (2 points). How far can it go wrong? Two photos of one scene have the common scores `low` < `high`. An adversary may choose the
# chances of each, any two probability vectors. Write `worst_margin(low, high, lines)`: the smallest value of (score of the better
# photo) - (score of the other) that the adversary can reach. If it is positive, no confusion of scenes whatever can exchange the two.


# %% nbgrader={"grade": false, "grade_id": "worst", "locked": false, "schema_version": 3, "solution": true, "task": false}
def worst_margin(low, high, lines):
    """Smallest difference of the two scores over all chances: numbers low < high, lines (C, 2) -> a number."""
    ### BEGIN SOLUTION
    a, b = lines.unbind(1)
    return (a * high + b).min() - (a * low + b).max()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-worst", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
one_line = torch.tensor([[2.0, 5.0]])
assert abs(float(worst_margin(0.0, 1.5, one_line)) - 3) < 1e-9, "With one scene there is nothing to choose: 2 * 1.5."
found = float(worst_margin(0.0, 1.0, torch.tensor([[1.0, 0.0], [1.0, 4.0]])))
assert abs(found + 3) < 1e-9, f"The better photo gets the lower line, the other the upper: 1 - 4, not {found:.2f}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch

for _seed in (16, 17, 18):
    _rng = _random.Random(_seed)
    _l = [[_rng.gauss(1, 1), _rng.gauss(0, 1)] for _ in _b.range(5)]
    _low, _high = _rng.uniform(-1, 0), _rng.uniform(0.1, 2)
    _want = _b.min(  # a mixture lies between its lines: the extremes are at single scenes
        (x[0] * _high + x[1]) - (y[0] * _low + y[1]) for x in _l for y in _l
    )
    assert -1e-9 < _b.float(worst_margin(_low, _high, _torch.tensor(_l, dtype=_torch.float64))) - _want < 1e-9
### END HIDDEN TESTS

# %% [markdown]
# **4c** (5 points, by hand). Explain to a colleague who hopes that FULL's rescaling "improves the ranking in a scene":
#
# 1. State one sufficient condition on the chances and the lines under which rescaling leaves the ranking of a scene exactly as it is
#    (several are right), and prove it for k = C. Is the same condition sufficient for k < C, where only the lines of the top k are mixed?
# 2. When it does change the ranking, what has the scene head done? Can that help other than by luck?
# 3. Why may training with the rescaling improve the common score $q$ all the same?

# %% [markdown] nbgrader={"grade": true, "grade_id": "ranking", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (1) If all photos of the scene have the same chances, the weights $w_c$ over the top k are the same, too (ties
# broken alike), so the score is $A q + B$ with $A = \sum w_c a_c$, $B = \sum w_c b_c$ for all of them. If $A > 0$ this is an
# increasing map of $q$: all orders stay, for any k (all $a_c > 0$ suffices, as $A$ is a mean of them). $A = 0$ ties all photos, $A < 0$ turns
# the order round. SEM likewise with $R(P)$. (Also accepted: `worst_margin > 0` for each pair.) (2) The photos got
# different chances: the head says that two photos of *one* scene show different scenes, which is an error as to the scene. It
# can help if the chances carry information on quality that $q$ lacks (the head sees blur or darkness and calls it another scene,
# whose line is lower): then it is a second quality head by the back door; or by chance. (3) In training the loss compares scores with JODs of
# scenes with different zeros and units. With the lines the shared network need not fit these; its gradients within a scene
# are no longer mixed with the guessing of offsets, so $q$ may become a better common score.
#
# **Marks.** 1: equal chances *and* positive slope, both named (1), proof by the increasing map (1), the sign condition or k
# discussed (1). 2: chances differ within a scene; luck, or quality through the head (1). 3: offsets and units taken off the
# shared score (1).

# %% [markdown]
# ## 5 · A regressor for each scene
#
# SAR has no common score. An embedding $e$, (W,), goes to C linear regressors: $q_c = w_c \cdot e + b_c$. All start *alike* (with equal weights), but
# they are separate parameters, so training can part them.
#
# **5a** (1 point). Write the module. It has one `nn.Linear` named `linear`; weights of its first row for all rows, biases 0.
#
# **5b** (2 points). In training the *true* scene picks the score; where it is unknown (`scene` is -1) the chances weigh all of them,
# as at test time. Write `training_score(by_scene, logits, scene)`. (-1 is no index for `gather`.)


# %% nbgrader={"grade": false, "grade_id": "regressors", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Regressors(nn.Module):
    """One linear regressor a scene, all starting alike: (B, W) -> (B, C)."""

    def __init__(self, width, scenes):
        super().__init__()
        ### BEGIN SOLUTION
        self.linear = nn.Linear(width, scenes)
        with torch.no_grad():
            self.linear.weight.copy_(self.linear.weight[:1].clone().expand(scenes, width))
            self.linear.bias.zero_()
        ### END SOLUTION

    def forward(self, embedding):
        ### BEGIN SOLUTION
        return self.linear(embedding)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-regressors", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
answer = Regressors(5, 3)(torch.randn(4, 5)).detach()
assert tuple(answer.shape) == (4, 3), "One score a photo and scene."
assert float(answer.std(1).max()) < 1e-12, "At the start all scenes say the same."
assert float(answer.std(0).min()) > 1e-6, "But not of all photos."
### BEGIN HIDDEN TESTS
import builtins as _b

import torch as _torch

_module = Regressors(6, 4)
assert _b.sorted(_b.tuple(p.shape) for p in _module.parameters()) == [(4,), (4, 6)]
_module.linear.weight.data[1] += 1  # separate parameters: the other scenes do not follow
_e = _torch.ones(1, 6, dtype=_module.linear.weight.dtype)
_row = _module(_e).tolist()[0]
assert -1e-6 < _row[1] - _row[0] - 6 < 1e-6
assert -1e-6 < _row[2] - _row[0] < 1e-6
assert _module.linear.bias.tolist() == [0, 0, 0, 0]
_module(_e)[0, 2].backward()
assert [_b.any(v != 0 for v in row) for row in _module.linear.weight.grad.tolist()] == [False, False, True, False]
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "training", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_score(by_scene, logits, scene):
    """True scene's score, the mixture where it is -1: (B, C), (B, C), integers (B,) -> (B,)."""
    ### BEGIN SOLUTION
    mixture = (logits.softmax(1) * by_scene).sum(1)
    own = by_scene.gather(1, scene.clamp(min=0)[:, None]).squeeze(1)
    return torch.where(scene >= 0, own, mixture)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-training", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
by_scene = torch.tensor([[1.0, 2.0, 6.0], [1.0, 2.0, 6.0]])
found = training_score(by_scene, torch.zeros(2, 3), torch.tensor([1, -1]))
assert tuple(found.shape) == (2,), "One score a photo."
assert torch.allclose(found, torch.tensor([2.0, 3.0])), (
    f"scene 1 says 2; unknown, equal chances: 3; not {found.tolist()}"
)
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import torch as _torch

for _seed in (19, 20, 21):
    _rng = _random.Random(_seed)
    _q, _z = ([[_rng.gauss(0, 2) for _ in _b.range(4)] for _ in _b.range(8)] for _ in _b.range(2))
    _c = [_rng.choice([-1, 0, 1, 2, 3]) for _ in _b.range(6)] + [-1, 3]
    _logits = _torch.tensor(_z, dtype=_torch.float64, requires_grad=True)
    _answer = training_score(_torch.tensor(_q, dtype=_torch.float64), _logits, _torch.tensor(_c))
    _got = _answer.tolist()
    _answer.sum().backward()
    for _i in _b.range(8):
        _total = _b.sum(_math.exp(v) for v in _z[_i])
        _mean = _b.sum(_math.exp(z) / _total * q for z, q in _b.zip(_z[_i], _q[_i], strict=True))
        assert -1e-9 < _got[_i] - (_q[_i][_c[_i]] if _c[_i] >= 0 else _mean) < 1e-9
        _moved = _b.any(g != 0 for g in _logits.grad[_i].tolist())  # known scenes teach the scene head nothing
        assert _moved == (_c[_i] < 0)
### END HIDDEN TESTS

# %% [markdown]
# **5c** (1 point). C linear regressors, mixed by chances $p$, are *one* linear regressor. Write `as_one(weight, bias, p)`: its weights (W,)
# and its bias, from `weight` (C, W), `bias` (C,) and `p` (C,). (So SAR on a scene of which its head has no idea is a plain linear
# regression: the average one.)
#
# **5d** (2 points). For photos of unknown scenes the score $\hat q = \sum_c P_c q_c$ depends on the logits. Write
# `logit_slope(logits, by_scene)`: $\partial \hat q / \partial z_c$, from the formula. (For yourself, nothing to hand in: when
# is a logit not moved at all?)


# %% nbgrader={"grade": false, "grade_id": "one", "locked": false, "schema_version": 3, "solution": true, "task": false}
def as_one(weight, bias, p):
    """The mixed regressor: (C, W), (C,), (C,) -> (W,), a scalar."""
    ### BEGIN SOLUTION
    return p @ weight, p @ bias
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-one", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
w, b = as_one(torch.tensor([[1.0, 0.0, 2.0], [3.0, 4.0, 0.0]]), torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5]))
assert torch.allclose(w, torch.tensor([2.0, 2.0, 1.0])), f"the mean of the two rows, not {w.tolist()}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import torch as _torch

for _seed in (22, 23):
    _rng = _random.Random(_seed)
    _w = [[_rng.gauss(0, 1) for _ in _b.range(3)] for _ in _b.range(5)]
    _off, _raw = ([_rng.random() for _ in _b.range(5)] for _ in _b.range(2))
    _p = [v / _b.sum(_raw) for v in _raw]
    _weight, _bias = as_one(*(_torch.tensor(v, dtype=_torch.float64) for v in (_w, _off, _p)))
    _e = [_rng.gauss(0, 1) for _ in _b.range(3)]
    _want = _b.sum(
        c * (_b.sum(x * y for x, y in _b.zip(row, _e, strict=True)) + o)
        for c, row, o in _b.zip(_p, _w, _off, strict=True)
    )
    _found = _b.sum(x * y for x, y in _b.zip(_weight.tolist(), _e, strict=True)) + _b.float(_bias)
    assert -1e-9 < _found - _want < 1e-9
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "logit-slope", "locked": false, "schema_version": 3, "solution": true, "task": false}
def logit_slope(logits, by_scene):
    """How the mixed score changes with each logit: (B, C), (B, C) -> (B, C)."""
    ### BEGIN SOLUTION
    P = logits.softmax(1)
    mean = (P * by_scene).sum(1, keepdim=True)  # (B, 1)
    return P * (by_scene - mean)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-logit-slope", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = logit_slope(torch.zeros(1, 2), torch.tensor([[0.0, 4.0]]))
assert torch.allclose(found, torch.tensor([[-1.0, 1.0]])), (
    f"chances 1/2, scores -2 and 2 off their mean: not {found.tolist()}"
)
assert float(logit_slope(torch.randn(3, 5), torch.ones(3, 5)).abs().max()) < 1e-9, "All scenes agree: no slope."
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import torch as _torch


def _mixed(z, q):
    total = _b.sum(_math.exp(v) for v in z)
    return _b.sum(_math.exp(v) / total * s for v, s in _b.zip(z, q, strict=True))


for _seed in (24, 25):
    _rng = _random.Random(_seed)
    _z, _q = ([[_rng.gauss(0, 1.5) for _ in _b.range(4)] for _ in _b.range(5)] for _ in _b.range(2))
    _got = logit_slope(*(_torch.tensor(v, dtype=_torch.float64) for v in (_z, _q))).tolist()
    for _i in _b.range(5):
        for _k in _b.range(4):
            _up, _down = ([v + e * (j == _k) for j, v in _b.enumerate(_z[_i])] for e in (1e-6, -1e-6))
            assert -1e-6 < _got[_i][_k] - (_mixed(_up, _q[_i]) - _mixed(_down, _q[_i])) / 2e-6 < 1e-6
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Two branches and a gate
#
# The whole head: an embedding of the photo and one of the face, (B, W) each; regressors for either; a gate that looks at both
# embeddings side by side, 2W-128-64-1 with ReLU between the layers and a sigmoid at the end:
#
# $$\hat q_b = \sum_c P_{b,c}\, q_{b,c}, \quad b \in \{\text{photo}, \text{face}\}; \qquad \hat q = g\,\hat q_{\text{photo}} + (1 - g)\,\hat q_{\text{face}}$$
#
# In 60 % of the training steps only one branch runs: the other's embedding is `None`, and the score is that of the one that runs.
#
# **6** (2 + 2 points). Write `GatedHead`. Its parts are named `photo`, `face` (two `nn.Linear` from W to C, as PyTorch starts them:
# part 5's equal start is not asked for here) and `gate` (an `nn.Sequential` that ends with one number, before the sigmoid). The gate reads *embeddings*, no scores; in
# the drawing of lesson 11 the arrows from the regressors to the gate are the two scores that it weighs. `forward` takes two
# embeddings and two tables of chances (B, C) and returns score and gate, the gate being `None` where a branch is missing. The second
# test looks at gradients: the score must teach the gate, and through the gate both embeddings, too.


# %% nbgrader={"grade": false, "grade_id": "gate", "locked": false, "schema_version": 3, "solution": true, "task": false}
class GatedHead(nn.Module):
    """SAR's head: embeddings and chances of photo and face -> score (B,), gate (B,) or None."""

    def __init__(self, width, scenes):
        super().__init__()
        ### BEGIN SOLUTION
        self.photo = nn.Linear(width, scenes)
        self.face = nn.Linear(width, scenes)
        self.gate = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
        ### END SOLUTION

    def forward(self, photo, face, photo_chances, face_chances):
        ### BEGIN SOLUTION
        scores = [
            None if e is None else (chances * regressors(e)).sum(1)
            for e, chances, regressors in ((photo, photo_chances, self.photo), (face, face_chances, self.face))
        ]
        if photo is None or face is None:
            return scores[0] if face is None else scores[1], None
        g = self.gate(torch.cat([photo, face], 1)).squeeze(1).sigmoid()  # (B,)
        return g * scores[0] + (1 - g) * scores[1], g
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-gate", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
head = GatedHead(6, 4)
chances = torch.full((3, 4), 0.25)
photo, face = torch.randn(2, 3, 6)
score, gate = head(photo, face, chances, chances)
assert tuple(score.shape) == tuple(gate.shape) == (3,), "One score and one gate a photo."
assert 0 < gate.min().item() <= gate.max().item() < 1, "A gate lies between 0 and 1."
alone, none = head(photo, None, chances, None)
assert tuple(alone.shape) == (3,), "Without a face the photo's score is the score."
assert none is None, "And there is no gate."
other, none = head(None, face, None, chances)
assert torch.allclose(score, gate * alone + (1 - gate) * other), (
    "A gate of 1 gives the photo's score, one of 0 the face's."
)
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math

import torch as _torch

for _seed, _width, _scenes in ((26, 5, 3), (27, 8, 6)):
    _torch.manual_seed(_seed)
    _head = GatedHead(_width, _scenes).double()
    _count = _b.sum(p.numel() for p in _head.parameters())
    assert _count == 2 * _scenes * (_width + 1) + 128 * (2 * _width + 1) + 64 * 129 + 65
    _e, _f = _torch.randn(2, 4, _width, dtype=_torch.float64)
    _p, _r = _torch.randn(2, 4, _scenes, dtype=_torch.float64).softmax(2)
    _score, _gate = (v.tolist() for v in _head(_e, _f, _p, _r))
    _alone = [_head(_e, None, _p, None), _head(None, _f, None, _r)]
    assert _alone[0][1] is None
    assert _alone[1][1] is None
    for _i in _b.range(4):
        _sides = []
        for _x, _chance, _part in ((_e, _p, _head.photo), (_f, _r, _head.face)):
            _w, _off, _x, _chance = _part.weight.tolist(), _part.bias.tolist(), _x[_i].tolist(), _chance[_i].tolist()
            _by = [
                _b.sum(a * b for a, b in _b.zip(row, _x, strict=True)) + o for row, o in _b.zip(_w, _off, strict=True)
            ]
            _sides.append(_b.sum(c * q for c, q in _b.zip(_chance, _by, strict=True)))
        _x = _e[_i].tolist() + _f[_i].tolist()
        _layers = [m for m in _head.gate if _b.hasattr(m, "weight")]
        for _n, _layer in _b.enumerate(_layers):
            _w, _off = _layer.weight.tolist(), _layer.bias.tolist()
            _x = [
                _b.sum(a * b for a, b in _b.zip(row, _x, strict=True)) + o for row, o in _b.zip(_w, _off, strict=True)
            ]
            _x = [_b.max(v, 0.0) for v in _x] if _n < 2 else _x
        _g = 1 / (1 + _math.exp(-_x[0]))
        assert -1e-9 < _gate[_i] - _g < 1e-9
        assert -1e-9 < _score[_i] - (_g * _sides[0] + (1 - _g) * _sides[1]) < 1e-9
        assert -1e-9 < _alone[0][0].tolist()[_i] - _sides[0] < 1e-9
        assert -1e-9 < _alone[1][0].tolist()[_i] - _sides[1] < 1e-9
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test-gate-gradient", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
head, chances = GatedHead(6, 4), torch.full((3, 4), 0.25)
score, gate = head(torch.randn(3, 6), torch.randn(3, 6), chances, chances)
score.sum().backward()
assert all(p.grad is not None for p in head.gate.parameters()), "The score does not teach the gate."
head.zero_grad()
# The photo's score is 1 and the face's 0, whatever the embeddings: the score is g, and all that can move it is the gate.
for regressors, level in ((head.photo, 1.0), (head.face, 0.0)):
    regressors.weight.data.zero_()
    regressors.bias.data.fill_(level)
both = torch.randn(2, 3, 6, requires_grad=True)
(head(*both, chances, chances)[0] @ torch.tensor([1.0, 2.0, 4.0])).backward()
assert bool((both.grad.abs().sum(2) > 0).all()), "Through the gate the score teaches both embeddings, too."
head.zero_grad()
head(torch.randn(3, 6), None, chances, None)[0].sum().backward()
assert all(p.grad is None for p in head.gate.parameters()), "A lone branch has no gate to teach."
assert all(p.grad is None for p in head.face.parameters()), "The branch that did not run learns nothing."
### BEGIN HIDDEN TESTS
import builtins as _b

import torch as _torch

_torch.manual_seed(28)
_head = GatedHead(5, 3).double()
_inputs = [_torch.randn(2, 5, dtype=_torch.float64) for _ in "ab"]
_chances = [_torch.randn(2, 3, dtype=_torch.float64).softmax(1) for _ in "ab"]
_leaves = [e.clone().requires_grad_() for e in _inputs]
_head(*_leaves, *_chances)[0].sum().backward()
assert _b.sum(p.grad.abs().sum().item() for p in _head.gate.parameters()) > 1e-6
for _side in (0, 1):  # through the regressors and through the gate: against finite differences
    for _i in (0, 1):
        for _k in _b.range(5):
            _two = []
            for _step in (1e-6, -1e-6):
                _moved = [e.clone() for e in _inputs]
                _moved[_side][_i, _k] += _step
                _two.append(_b.sum(_head(*_moved, *_chances)[0].tolist()))
            assert -1e-5 < _leaves[_side].grad[_i, _k].item() - (_two[0] - _two[1]) / 2e-6 < 1e-5
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · Scenes that nobody knows
#
# A small world to look at, nothing to write: 35 training scenes with 40 photos each, 15 new scenes with 40. An embedding is a place of the
# scene plus a deviation of the photo; the JOD is a linear function of the deviation, a common part plus one of the scene's own. Each training scene gets a
# regressor by ridge regression (the JODs have zero mean in each scene), and a scene head takes the chances from distances to the
# scenes' places. The world is drawn from your name; call `look` with other seeds, too, before you trust a figure.
#
# Four ways to choose the regressor of a photo:
#
# - *by its chances (SAR)*: all, weighed by the chances of the photo;
# - *equal chances (mean of all)*: all, with 1/35 each;
# - *one scene for all photos*: scene number $s$ gets the regressor of scene $s$ modulo 35. For a known scene that is its *own*, as if
#   the name were given; for a new one that of another;
# - *likeliest scene of each photo*: the one with the largest chance, photo by photo.


# %%
def world(seed, scenes=50, photos=40, width=12, own=0.8):
    """Embeddings (S, N, W) and JODs (S, N)."""
    draw = torch.Generator().manual_seed(seed)
    place = 2 * torch.randn(scenes, 1, width, generator=draw)
    deviation = torch.randn(scenes, photos, width, generator=draw)
    taste = torch.randn(1, width, generator=draw) + own * torch.randn(scenes, width, generator=draw)
    jod = torch.einsum("snw,sw->sn", deviation, taste) / width**0.5
    jod = jod + 0.5 * torch.randn(scenes, photos, generator=draw)
    return place + deviation, jod - jod.mean(1, keepdim=True)


def look(seed):
    """Median SRCC and mean absolute error, for known and new scenes and four ways to choose."""
    embedding, jod = world(seed)
    fit, held = slice(0, 30), slice(30, 40)  # photos of a known scene: learnt from, and kept
    x, y = embedding[:35, fit], jod[:35, fit]
    centre = x.mean(1, keepdim=True)  # (35, 1, W)
    ridge = (x - centre).transpose(1, 2) @ (x - centre) + 5 * torch.eye(x.shape[2])
    weight = torch.linalg.solve(ridge, (x - centre).transpose(1, 2) @ y[..., None])[..., 0]  # (35, W)
    bias = -(weight * centre[:, 0]).sum(1)  # (35,)
    rows = {}
    for name, part, photos in (("known", slice(0, 35), held), ("new", slice(35, 50), slice(0, 40))):
        e, truth = embedding[part, photos], jod[part, photos]
        logits = -(torch.cdist(e, centre[:, 0][None]) ** 2) / 4  # (S, N, 35)
        by_scene = e @ weight.T + bias  # (S, N, 35)
        one = torch.arange(len(e))[:, None, None].expand(-1, e.shape[1], 1) % 35
        ways = {
            "by its chances (SAR)": (logits.softmax(2) * by_scene).sum(2),
            "equal chances (mean of all)": by_scene.mean(2),
            "one scene for all photos": by_scene.gather(2, one)[..., 0],
            "likeliest scene of each photo": by_scene.gather(2, logits.argmax(2, keepdim=True))[..., 0],
        }
        for way, score in ways.items():
            ranks = [v.argsort(1).argsort(1).to(v.dtype) for v in (score, truth)]
            x, y = (r - r.mean(1, keepdim=True) for r in ranks)
            srcc = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
            rows[name, way] = float(srcc.median()), float((score - truth).abs().mean())
    return rows


for (part, way), (srcc, error) in look(student_seed(STUDENT, "a4") % 2**31).items():
    print(f"{part:6} {way:30} SRCC {srcc:5.2f}   absolute error {error:5.2f} JOD")

# %% [markdown]
# **7a** (5 points, by hand, about 300 words, or a table of three heads and four aspects). PIQ23's scene split has 35 training scenes
# and 15 unseen ones; the published heads have 50 outputs. Predict, step by step, what happens to a photo of an unseen scene in SEM, in FULL with k = 5 and in SAR: what the softmax
# does, what becomes of the 15 outputs that were never trained, what the score's level and unit are worth, and what the ranking
# in the scene suffers. Use your table where it helps, and say where the little world cannot speak for PIQ23.

# %% [markdown] nbgrader={"grade": true, "grade_id": "unseen", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** The softmax has no "none of these": its chances add up to 1 over known scenes, so the photo is called by the names of
# scenes it resembles, flat if the head is unsure, sharp and wrong if it is overconfident. The 15 outputs got only pushes downwards in the
# cross-entropy (no photo was theirs), so their chances are near 0; their lines (SEM, FULL: the network at one-hot
# vectors it never met) and regressors (SAR: started alike or at random, taught by no true scene) are untrained, and harmless only as long
# as their chances stay small. SEM asks $R$ about a mixture that it may never have met, and its answer can be anything; FULL
# averages lines that were trained, a hedge; SAR averages regressors, which is one average regressor where chances are flat. Level and unit of the
# scores are those of other scenes: MAE says nothing about the model and rises, while SRCC does not see a level that all photos share. The
# ranking suffers where photos of the scene get different chances (flips), or a borrowed regressor weighs features otherwise (SAR).
# Table: on new scenes the average of all regressors ranks as well as or better than chances or likeliest; errors are larger than on
# known scenes. The world is linear, its regressors differ by a drawn amount (`own`), its new scenes are as alike to the old as these to each
# other; real scenes need not be.
#
# **Marks.** Softmax must name known scenes (1). The untrained outputs (1). Difference of SEM / FULL / SAR (1). Level and unit
# unknowable, MAE against SRCC (1). Effect on the ranking with a figure of the own table, and one limit of the world (1).

# %% [markdown]
# **7b** (4 points, by hand). The table of PIQ23's repository, scene split, median over the 15 test scenes:
#
# | | SRCC | MAE |
# |---|---|---|
# | HyperIQA | .740 | 0.989 |
# | scene head only (names the scene, no rescaling) | .739 | 1.038 |
# | SEM-HyperIQA | .749 | 1.033 |
# | FULL-HyperIQA | .78 | 1.12 |
#
# Over draws of 15 scenes *one* such median has a standard deviation of about 0.03; that of a difference between two rows is not given. A
# colleague writes: "Rescaling by scene improves ranking on new scenes, and FULL is the best model." Which differences does the table support? Why can the best SRCC go with the worst MAE? And what would
# you measure, and on what, to support or refute the sentence? Name one thing that the second row is good for.

# %% [markdown] nbgrader={"grade": true, "grade_id": "table", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** .739, .740 and .749 are one value within the noise; .78 is one to one and a half standard errors above: suggestive, at most (the
# scenes are the same, so a paired comparison could be sharper than two separate medians; and the models were chosen by their best
# test SRCC, so all figures are optimistic). SRCC does not see the level and unit of a scene, MAE is ruled by them; FULL averages
# lines of other scenes, whose zeros are arbitrary for the new one. Measure: paired differences scene by scene with a bootstrap over scenes, several
# seeds of each method, the same budget; and the SRCC of FULL's own common score before rescaling against after, which separates what rescaling
# does at test time from what it does in training. The second row separates the *naming* of the scene (a second task in training) from
# the rescaling: naming alone gains nothing here.
#
# **Marks.** Noise applied to the differences (1). SRCC against MAE by level and unit (1). A design: paired by scene, intervals, seeds, or
# before / after rescaling (1). The row as a control (1).
