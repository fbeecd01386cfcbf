# %% [markdown]
# # A2 · The protocol: what Table 2 says, and how loudly
#
# Table 2 of the survey names a winner with a score of 0.517, two thousandths ahead of a baseline. How that score is made,
# the survey does not say. In this assignment you are the referee who has to reproduce it: you build the metrics so that
# they survive ties, rebuild the score, prove from nothing but printed digits what kind of average stands behind the
# table, and measure how much of such a table is luck.
#
# | | |
# |---|---|
# | **You need** | lessons 02 and 03 |
# | **Time** | about 3 hours |
# | **Points** | 23 by tests (some tests are hidden), 15 for three written answers |
#
# **Rules.** Write where it says so; you may add cells. Do not change test cells: the grader puts back its own. Visible
# tests tell you that you are on the right way; hidden ones repeat them with other numbers. A cell may take 30 seconds,
# none needs more than five. Before you hand in: *Kernel → Restart Kernel and Run All Cells*.
#
# In tasks 2, 4 and 5 use `scipy.stats` where you like; task 1 is there to know what it does.

# %%
import math
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, pearsonr, spearmanr

from pqa_lab.classroom import student_seed
from pqa_lab.classroom.data import contest
from pqa_lab.evaluation import table1, table2

# %% [markdown]
# Put your name here. It draws a challenge of your own, three methods on 96 scenes of seven photos, for the written
# answers. (The data are simulated; nothing in it is a result of the real challenge.)

# %%
STUDENT = "your name"

mine = contest(student_seed(STUDENT, "a2"))
mine.head(3)

# %% [markdown]
# ## 1 · Correlations that survive ties
#
# The network of a colleague ends in a classifier with five grades, so many photos get *equal* scores. Lesson 03 wrote
# Kendall's correlation for photos without ties. With ties one has to decide something:
#
# - **Ranks**: photos with equal scores share the mean of the ranks that they occupy. The scores 5, 7, 7, 9 have the ranks
#   1, 2.5, 2.5, 4. SRCC is the ordinary (Pearson) correlation of such ranks.
# - **Pairs**, Kendall's $\tau_b$: $C$ pairs in the right order, $D$ in the wrong one; a pair tied in either is neither. With
#   $T_s$, $T_q$ the pairs that are tied in the score and in the JODs, and $P$ all pairs,
#   $$\tau_b = \frac{C - D}{\sqrt{(P - T_s)(P - T_q)}} .$$
#
# Write both with numpy only.


# %% nbgrader={"grade": false, "grade_id": "ranks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def average_ranks(x):
    """Ranks (N,) from 1 of the values x (N,); equal values share the mean of their ranks."""
    ### BEGIN SOLUTION
    x = np.asarray(x)
    below = (x[None, :] < x[:, None]).sum(axis=1)  # (N,)
    equal = (x[None, :] == x[:, None]).sum(axis=1)  # (N,), itself included
    return below + (equal + 1) / 2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ranks_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

assert _np.allclose(average_ranks(_np.array([5.0, 7, 7, 9])), [1, 2.5, 2.5, 4]), (
    "5, 7, 7, 9 have the ranks 1, 2.5, 2.5, 4"
)
assert _np.allclose(average_ranks(_np.array([3.0, 1, 2])), [3, 1, 2]), "without ties: 3, 1, 2"
### BEGIN HIDDEN TESTS
from scipy.stats import rankdata as _rankdata

for _seed in (601, 602, 603):
    _x = _np.random.default_rng(_seed).integers(0, 4, 12) / 2.0
    assert _np.allclose(average_ranks(_x), _rankdata(_x)), "other ranks differ"
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "tau", "locked": false, "schema_version": 3, "solution": true, "task": false}
def tau_b(score, jod):
    """Kendall's tau-b of two arrays (N,) that may hold ties."""
    ### BEGIN SOLUTION
    a = np.sign(np.subtract.outer(score, score))  # (N, N)
    b = np.sign(np.subtract.outer(jod, jod))
    return (a * b).sum() / np.sqrt(np.abs(a).sum() * np.abs(b).sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tau_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_q = _np.array([1.0, 2, 3, 4])
assert _np.allclose(tau_b(_q, _q), 1), "equal orders have tau 1"
assert _np.allclose(tau_b(-_q, _q), -1), "opposite orders have tau -1"
### BEGIN HIDDEN TESTS
from scipy.stats import kendalltau as _kendalltau

for _seed in (611, 612, 613):
    _rng = _np.random.default_rng(_seed)
    _s, _q = _rng.integers(0, 5, 9) / 1.0, _np.round(_rng.normal(0, 1, 9), 1)
    assert _np.allclose(tau_b(_s, _q), _kendalltau(_s, _q).statistic), "tau-b differs where there are ties"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · The protocol
#
# One value a scene, then the median over scenes. Write `scene_table`: for each scene the three correlations and their mean.
# One rule has to be fixed: if all scores (or all JODs) of a scene are equal, no correlation is defined. **Here such a scene
# counts 0 in all four columns**: who says nothing earns nothing. (Leaving the scene out would be a gift to methods that
# go silent in hard scenes.)


# %% nbgrader={"grade": false, "grade_id": "scene_table", "locked": false, "schema_version": 3, "solution": true, "task": false}
def scene_table(frame):
    """Table with the index scene and the columns srcc, plcc, krcc, mean3, for a frame with scene, score, jod."""
    ### BEGIN SOLUTION
    rows = {}
    for scene, part in frame.groupby("scene"):
        s, q = part["score"].to_numpy(), part["jod"].to_numpy()
        if np.ptp(s) == 0 or np.ptp(q) == 0:
            values = [0.0, 0.0, 0.0]
        else:
            values = [spearmanr(s, q).statistic, pearsonr(s, q).statistic, kendalltau(s, q).statistic]
        rows[scene] = [*values, np.mean(values)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["srcc", "plcc", "krcc", "mean3"])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "scene_table_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_frame = _pd.DataFrame({"scene": list("aaabbb"), "score": [1.0, 2, 3, 3, 2, 1], "jod": [1.0, 2, 3, 1, 2, 3]})
_got = scene_table(_frame)
assert list(_got.columns) == ["srcc", "plcc", "krcc", "mean3"], f"the columns are {list(_got.columns)}"
assert _np.allclose(_got.loc["a"], 1), "scene a is perfect"
assert _np.allclose(_got.loc["b"], -1), "scene b is upside down"
### BEGIN HIDDEN TESTS
from scipy.stats import kendalltau as _kendalltau
from scipy.stats import pearsonr as _pearsonr
from scipy.stats import spearmanr as _spearmanr

from pqa_lab.classroom.data import contest as _contest

_frame = _contest(621, scenes=9, images=6).query("method == 'west'").sample(frac=1, random_state=3)
_got = scene_table(_frame)
assert len(_got) == 9
for _scene, _part in _frame.groupby("scene"):
    _three = [_f(_part["score"], _part["jod"]).statistic for _f in (_spearmanr, _pearsonr, _kendalltau)]
    assert _np.allclose(_got.loc[_scene, ["srcc", "plcc", "krcc"]].to_numpy(float), _three), "a scene differs"
    assert _np.allclose(_got.loc[_scene, "mean3"], _np.mean(_three)), "the mean of three differs in a scene"
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "silent_test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_frame = _pd.DataFrame({"scene": list("aaabbb"), "score": [2.0, 2, 2, 1, 2, 3], "jod": [1.0, 2, 3, 1, 2, 3]})
_got = scene_table(_frame)
assert _np.allclose(_got.loc["a"].to_numpy(float), 0), "a scene with equal scores counts 0 in all columns"
### BEGIN HIDDEN TESTS
_frame = _pd.DataFrame({"scene": [7] * 4 + [3] * 4, "score": [1, 3, 2, 4] * 2, "jod": [0.5] * 4 + [1, 3, 2, 4]})
_got = scene_table(_frame.astype({"score": float}))
assert _np.allclose(_got.loc[7].to_numpy(float), 0), "a scene with equal JODs counts 0, too"
assert _np.allclose(_got.loc[3].to_numpy(float), 1)
### END HIDDEN TESTS

# %% [markdown]
# Now two candidates for the score of Table 2. Both use all three metrics, and they differ in the order of two steps:
#
# - **A**, the mean of medians: the median over scenes of each metric, then the mean of the three medians;
# - **B**, the median of means: the mean of the three metrics in each scene, then the median over scenes.


# %% nbgrader={"grade": false, "grade_id": "candidates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mean_of_medians(scenes):
    """Candidate A, for a table as of scene_table."""
    ### BEGIN SOLUTION
    return scenes[["srcc", "plcc", "krcc"]].median().mean()
    ### END SOLUTION


def median_of_means(scenes):
    """Candidate B, for a table as of scene_table."""
    ### BEGIN SOLUTION
    return scenes[["srcc", "plcc", "krcc"]].mean(axis=1).median()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "candidates_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_table = _pd.DataFrame({"srcc": [0.1, 0.5, 0.9], "plcc": [0.9, 0.1, 0.5], "krcc": [0.5, 0.9, 0.4]})
_table["mean3"] = _table[["srcc", "plcc", "krcc"]].mean(axis=1)
assert _np.allclose(mean_of_medians(_table), 0.5), "A: the three medians are 0.5, 0.5, 0.5"
assert _np.allclose(median_of_means(_table), 0.5), "B: the three means are 0.5, 0.5, 0.6"
### BEGIN HIDDEN TESTS
for _seed in (631, 632):
    _values = _np.random.default_rng(_seed).uniform(-0.5, 1, (24, 3)) ** 3
    _table = _pd.DataFrame(_values, columns=["srcc", "plcc", "krcc"])
    _table["mean3"] = _table[["srcc", "plcc", "krcc"]].mean(axis=1)
    _a, _b = _np.mean(_np.median(_values, axis=0)), _np.median(_np.mean(_values, axis=1))
    assert _np.abs(_a - _b) > 0.005
    assert _np.allclose(mean_of_medians(_table), _a), "A differs"
    assert _np.allclose(median_of_means(_table), _b), "B differs"
### END HIDDEN TESTS

# %% [markdown]
# The survey prints the three medians (Table 1) and the score (Table 2), so candidate A can be computed from Table 1. On
# your own challenge you can compute both. This cell shows both kinds of evidence.

# %%
both = table1().merge(table2(), on=["team", "method", "key"])
both["A"] = both[["challenge_srcc", "challenge_plcc", "challenge_krcc"]].mean(axis=1).round(3)
both["printed - A"] = (both["challenge_score"] - both["A"]).round(3)
print(both[["method", "challenge_score", "A", "printed - A"]].to_string(index=False))

try:
    gaps = []
    for seed in range(5):
        for _, part in contest(seed, scenes=96).groupby("method"):
            scenes = scene_table(part)
            gaps.append(median_of_means(scenes) - mean_of_medians(scenes))
    print(f"\nB - A over 15 simulated methods: mean {np.mean(gaps):+.4f}, standard deviation {np.std(gaps):.4f}")
except Exception as error:
    print(f"not yet: {error!r}")

# %% [markdown]
# ### Written answer 1 (5 points)
#
# (a) Is candidate A, computed from Table 1, what Table 2 prints? Mind that the printed medians are rounded: how large a
# difference could rounding alone make? (b) Is B compatible with Table 2? Compare the size of the residuals with what your
# simulation says, and say what you *cannot* conclude, since nobody published the values scene by scene. (c) Name one more
# formula that would have to be excluded before you would sign that B is right, and how you would exclude it.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_score", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (a) No. Each median is rounded by at most 0.0005, so their mean is, too, and with the rounding of the score
# 0.001 is the most; the residuals reach 0.018. (b) Yes: B - A has a standard deviation of 0.01 to 0.02 over simulated
# sets of 96 scenes, the size of the residuals, and both have both signs. Compatible is not proved: any statistic that differs from A by as much
# would do, and the simulation's scorer and scenes are made up. (c) For example: the mean of SRCC and PLCC only (excluded:
# all eight residuals have the same sign, 0.04 to 0.07); a mean over scenes of the three; weights; a median over scenes
# *and* metrics. Exclude by simulating the gap to A and comparing sign and size over eight methods and both data sets.
#
# **Rubric.** (a) 1 for "no", 1 for the bound by rounding (0.0005 or 0.001 with a reason). (b) 1 for residuals compared with
# the simulated spread, 1 for a limit named. (c) 1 for a formula with a test that could fail.

# %% [markdown]
# ## 3 · Prove the median
#
# The order of $n$ photos without ties can agree with the JODs in only so many ways, so SRCC of a scene takes only certain
# values. Lesson 03 used this for $n = 7$. Make it a tool for any small $n$, and for any number of scenes.
#
# `attainable(n)`: all values that SRCC can take with $n$ photos, without ties. Go through the permutations ($n \le 7$); do
# not trust the formula $D = 0, 2, 4, \dots$ blindly: for $n = 3$ one of the even numbers is missing.


# %% nbgrader={"grade": false, "grade_id": "attainable", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attainable(n):
    """Sorted array of all values that SRCC takes over the rankings of n photos without ties."""
    ### BEGIN SOLUTION
    orders = np.array(list(permutations(range(n))))  # (n!, n)
    d = np.unique(((orders - np.arange(n)) ** 2).sum(axis=1))
    return np.sort(1 - 6 * d / (n * (n**2 - 1)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "attainable_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

assert _np.allclose(attainable(2), [-1, 1]), "two photos are in the right or in the wrong order"
_got = _np.asarray(attainable(7), float)
assert len(_got) == 57, f"seven photos have 57 values, not {len(_got)}"
assert (_np.diff(_got) > 1e-6).all(), "sorted, each value once"
### BEGIN HIDDEN TESTS
from itertools import permutations as _permutations

from scipy.stats import spearmanr as _spearmanr

for _n in (3, 4, 5):
    _ranks = _np.arange(_n)
    _want = _np.unique([_np.round(_spearmanr(_ranks, _p).statistic, 9) for _p in _permutations(_ranks)])
    _got = _np.asarray(attainable(_n), float)
    assert len(_got) == len(_want), f"the number of values for {_n} photos differs"
    assert _np.allclose(_got, _want), f"the values for {_n} photos differ"
### END HIDDEN TESTS

# %% [markdown]
# The median of an **odd** number of scenes is one of these values. The median of an **even** number is the mean of the two
# middle ones, and those can be any two. Write what a table could print: the set of all medians, rounded to three decimals.


# %% nbgrader={"grade": false, "grade_id": "printable", "locked": false, "schema_version": 3, "solution": true, "task": false}
def printable(values, scenes):
    """Set of the medians, rounded to 3 decimals, that so many scenes can have if each has one of the values."""
    ### BEGIN SOLUTION
    values = np.asarray(values)
    medians = values if scenes % 2 else np.add.outer(values, values).ravel() / 2
    return {round(float(value), 3) for value in medians}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "printable_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert printable([0.0, 0.5, 1.0], 3) == {0.0, 0.5, 1.0}, "three scenes: the median is one of the values"
assert printable([0.0, 1.0], 4) == {0.0, 0.5, 1.0}, "four scenes: the two middle ones may differ"
### BEGIN HIDDEN TESTS
from itertools import combinations_with_replacement as _multisets

import numpy as _np

_values = [-1.0, -0.123, 0.2, 0.9]
for _scenes in (1, 2, 5, 6):
    _want = {round(float(_np.median(_m)), 3) for _m in _multisets(_values, _scenes)}
    assert {round(float(_v), 3) for _v in printable(_values, _scenes)} == _want, (
        f"the medians of {_scenes} scenes differ"
    )
### END HIDDEN TESTS

# %% [markdown]
# Now the verdict. Of all three-decimal numbers from 0.200 to 0.600 (401 of them), a share $p$ is printable. If the eight
# printed numbers were ordinary numbers in that range, they would *all* be printable with a chance of $p^8$.
#
# Write `evidence(printed, values, scenes)`: how many of the printed numbers are printable, and that chance.


# %% nbgrader={"grade": false, "grade_id": "evidence", "locked": false, "schema_version": 3, "solution": true, "task": false}
def evidence(printed, values, scenes):
    """(number of printed numbers that are printable, chance that that many ordinary numbers all would be)."""
    ### BEGIN SOLUTION
    possible = printable(values, scenes)
    share = np.mean([round(k / 1000, 3) in possible for k in range(200, 601)])
    return sum(round(float(x), 3) in possible for x in printed), share ** len(printed)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "evidence_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_got = evidence([0.5, 0.3, 0.25], [0.25, 0.5], 3)
assert _got[0] == 2, "0.5 and 0.25 are printable, 0.3 is not"
assert _np.allclose(_got[1], (2 / 401) ** 3, rtol=1e-6), (
    "2 of 401 numbers are printable, and three numbers were printed"
)
### BEGIN HIDDEN TESTS
from pqa_lab.evaluation import table1 as _table1

_lattice = 1 - 6 * _np.arange(0, 113, 2) / 336
_steps = {round(float(_v), 3) for _v in _np.add.outer(_lattice, _lattice).ravel() / 2}
_share = _np.mean([round(_k / 1000, 3) in _steps for _k in range(200, 601)])
_got = evidence(_table1()["challenge_srcc"], _lattice, 96)
assert _got[0] == 8, "all eight of Table 1 are printable"
assert _np.allclose(_got[1], _share**8, rtol=1e-6), "the chance for Table 1 differs"
assert evidence([0.401, 0.518], _lattice, 96)[0] == 1
### END HIDDEN TESTS

# %%
try:
    for n in (5, 6, 7):
        found, chance = evidence(table1()["challenge_srcc"], attainable(n), 96)
        print(f"scenes of {n} photos: {found} of 8 printable, by chance all eight with {chance:.1e}")
except Exception as error:
    print(f"not yet: {error!r}")

# %% [markdown]
# ## 4 · How loud is the noise?
#
# A scorer whose scores are JOD plus noise has a typical SRCC. On 96 scenes its *median* SRCC varies from one set of scenes
# to the next. Write the simulation: JODs and the scorer's errors are normal with the SDs 1 and `noise`; return the standard
# deviation, over `draws` sets of scenes, of the median SRCC over a set. Loops over scenes are too slow here: rank all
# rows of an array at once (`argsort` twice, along the last axis), then use the formula with $D$.


# %% nbgrader={"grade": false, "grade_id": "median_sd", "locked": false, "schema_version": 3, "solution": true, "task": false}
def median_sd(noise, scenes, images, draws, rng):
    """SD of the median over scenes of SRCC, for a scorer with errors of SD noise."""
    ### BEGIN SOLUTION
    jod = rng.normal(size=(draws, scenes, images))
    score = jod + noise * rng.normal(size=jod.shape)
    rank = [x.argsort(axis=-1).argsort(axis=-1) for x in (score, jod)]
    d = ((rank[0] - rank[1]) ** 2).sum(axis=-1)  # (draws, scenes)
    srcc = 1 - 6 * d / (images * (images**2 - 1))
    return np.median(srcc, axis=1).std()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "median_sd_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

assert median_sd(0.0, 20, 7, 50, _np.random.default_rng(0)) < 1e-9, "without noise every SRCC is 1 and nothing varies"
_few, _many = (median_sd(1.5, _s, 7, 300, _np.random.default_rng(1)) for _s in (24, 96))
assert 1.5 < _few / _many < 2.7, "four times the scenes should halve it, about"
### BEGIN HIDDEN TESTS
from scipy.stats import rankdata as _rankdata

for _noise, _scenes, _images in ((1.0, 31, 7), (2.0, 61, 5)):
    _rng = _np.random.default_rng(641)
    _q = _rng.standard_normal((2000, _scenes, _images))
    _a, _b = (_rankdata(_x, axis=-1) for _x in (_q + _noise * _rng.standard_normal(_q.shape), _q))
    _all = 1 - 6 * _np.sum((_a - _b) ** 2, axis=-1) / (_images * (_images**2 - 1))
    _want = _np.std(_np.median(_all, axis=1))
    _got = median_sd(_noise, _scenes, _images, 2000, _np.random.default_rng(642))
    assert _np.abs(_got / _want - 1) < 0.1, "another scorer's noise differs by more than the simulation's own"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Who won *your* challenge?
#
# Two methods, the same scenes. Draw the scenes with replacement, **the same drawn scenes for both**, and look at the
# difference of the two medians: its 2.5 % and 97.5 % quantiles are an interval. Since both methods stumble over the same
# hard scenes, part of the noise cancels, if you let it.


# %% nbgrader={"grade": false, "grade_id": "lead", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lead(a, b, draws, rng):
    """(median of a - median of b, low, high) for values (S,) of two methods on the same S scenes."""
    ### BEGIN SOLUTION
    a, b = np.asarray(a), np.asarray(b)
    drawn = rng.integers(len(a), size=(draws, len(a)))
    gap = np.median(a[drawn], axis=1) - np.median(b[drawn], axis=1)
    return np.median(a) - np.median(b), *np.quantile(gap, [0.025, 0.975])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "lead_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_x = _np.random.default_rng(0).uniform(0, 1, 50)
_got = lead(_x + 0.25, _x, 500, _np.random.default_rng(1))
assert _np.allclose(_got[0], 0.25), "a is 0.25 better in every scene, so its median is"
assert _got[1] <= _got[0] <= _got[2], "low, then high"
### BEGIN HIDDEN TESTS
assert _np.allclose(_got, 0.25), (
    "a is 0.25 better in every scene: whatever scenes are drawn, the same for both, it leads by 0.25"
)
for _seed, _odd in ((651, 41), (652, 96)):
    _rng = _np.random.default_rng(_seed)
    _hard = _rng.normal(0, 0.3, _odd)
    _a, _b = (_hard + _rng.normal(_m, 0.1, _odd) for _m in (0.5, 0.45))
    _pick = _rng.integers(0, _odd, (4000, _odd))
    _want = _np.quantile(_np.median(_a[_pick], axis=1) - _np.median(_b[_pick], axis=1), [0.025, 0.975])
    _got = lead(_a, _b, 4000, _np.random.default_rng(653))
    assert _np.allclose(_got[0], _np.median(_a) - _np.median(_b)), "another lead differs"
    assert _np.allclose(_got[1:], _want, atol=0.02), "another interval differs"
### END HIDDEN TESTS

# %% [markdown]
# A rule for the next challenge: if a median over 96 scenes has the standard deviation `sd96`, how many scenes would tell two
# *independent* medians apart that differ by `gap`? That is, when does the gap reach 1.96 standard deviations of the
# difference? Return the smallest whole number of scenes.


# %% nbgrader={"grade": false, "grade_id": "scenes_needed", "locked": false, "schema_version": 3, "solution": true, "task": false}
def scenes_needed(gap, sd96):
    """Scenes for which a gap between two independent medians is 1.96 standard deviations of their difference."""
    ### BEGIN SOLUTION
    return math.ceil(96 * 2 * (1.96 * sd96 / gap) ** 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "scenes_needed_test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert scenes_needed(0.1, 0.05) == 185, "a gap of 0.1 with a noise of 0.05: 185 scenes"
### BEGIN HIDDEN TESTS
assert scenes_needed(0.05, 0.05) == 738
assert scenes_needed(0.018, 0.048) == 5246
### END HIDDEN TESTS

# %%
try:
    found = {method: scene_table(part)["mean3"].to_numpy() for method, part in mine.groupby("method")}
    print("score of each method:", {method: round(float(np.median(x)), 3) for method, x in found.items()})
    for a, b in (("north", "south"), ("north", "west"), ("south", "west")):
        middle, low, high = lead(found[a], found[b], 2000, np.random.default_rng(0))
        print(f"{a} leads {b} by {middle:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}")
except Exception as error:
    print(f"not yet: {error!r}")

# %% [markdown]
# ### Written answer 2 (5 points)
#
# Two reports on *your* challenge. (a) For the press, at most 80 words, no formula: who won, and how sure is that?
# (b) For the referees: the three intervals, which pairs you call different and why, and what three comparisons at once do
# to your 95 %. (c) RQ-Net's lead over FULL-HyperIQA in Table 2 is 0.002. Use `median_sd` and `scenes_needed` to say how many
# scenes such a lead would need, and one reason why the true number is smaller.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_winner", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** Depends on the student's data; north and south are about equally good by construction and usually cannot
# be told apart, west usually can. (a) A shared first place unless the own interval excludes 0, in plain words. (b) Intervals
# quoted; a pair is different where its interval excludes 0; three comparisons at 5 % each leave up to 15 % for at least
# one false alarm (Bonferroni: 98.3 % intervals). (c) With a noise of about 0.05: about half a million scenes. Fewer in
# truth, since both methods see the same scenes and their errors are correlated, so the difference varies less than two
# independent medians do.
#
# **Rubric.** (a) 1 for words that fit the intervals; 0 for a winner that the interval does not support. (b) 1 for intervals
# used rather than point values, 1 for multiple comparisons. (c) 1 for a number of the right size (10^5 to 10^6), 1 for pairing.

# %% [markdown]
# ### Written answer 3 (5 points)
#
# You design the next challenge. The budget is 672 photos (as here: 96 × 7), each with enough votes. (a) Use `median_sd` to
# compare 96 scenes of 7 with 48 of 14 and 24 of 28 at the same scorer; show the numbers and explain the direction. (b) Which
# of the three says more about *new scenes*, and why is that not the same question? (c) Mean or median over scenes? Give
# one argument for each from what you saw here, and decide.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_design", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (a) The noise of the median is of similar size in all three and somewhat smaller with more photos a scene
# (a scene of 28 has 378 pairs, one of 7 has 21, so pairs grow faster than photos; fewer scenes to take the median of work
# against it). Any direction is fine that the student's own numbers show. (b) 96 scenes: the simulated scorer is equally good in
# every scene, a real one is not; what varies between scenes is averaged only by more scenes. (c) For the median: one broken
# scene does not move it, and no single scene can be gamed. For the mean: less noise (lesson 03: about a fifth), no lattice,
# and it sees a method that fails badly in a third of the scenes, which the median does not. A decision with a reason.
#
# **Rubric.** (a) 1 for numbers from one's own code, 1 for an explanation that fits them. (b) 1 for variation between scenes.
# (c) 1 for an argument on each side, 1 for a decision that follows.
