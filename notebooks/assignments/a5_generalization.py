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
# # A5 · How well will it do elsewhere?
#
# "Our model reaches 0.8." On which photos, of whom, by which phones, and would you bet on it for next year's phone? In
# lesson 13 you read a design that others had made. Here you make one: keep train and test apart, hold out one thing at a
# time, put an interval around the drop, take it apart, and write down what may be said, and no more.
#
# | | |
# |---|---|
# | **You need** | lessons 01 (JODs and their errors), 03 (bootstrap) and 13; for task 3, a function of 02 may help; pandas (`groupby`, `isin`, `pivot`) |
# | **Time** | about 4 hours |
# | **Points** | 22 by tests, 17 by a reader |
#
# **Rules.** Write where it says so, in place of `raise NotImplementedError()`; you may add cells. Visible tests tell you that you are on the right
# way; after you hand in, the same tests run on other numbers. A test gives all of its points or none. Do not change test cells: the grader puts
# back its own.

# %%
from importlib.resources import files

import numpy as np
import pandas as pd

from pqa_lab.classroom import student_seed
from pqa_lab.evaluation import load_evaluation, per_scene

# %% [markdown]
# Your name draws a world that is yours alone: how much devices and people matter in it nobody else knows.

# %%
STUDENT = "your name"


# %%
def world(seed, scenes=36, bursts=28, devices=12, shoots=12):
    """A table of photos: scene, device, person, burst, JOD, and 13 features that a model may see.

    Photos come in bursts: two of the same person by the same device, a moment apart. Three
    scenes make a shoot, at which four people are photographed. A device, and a person, shifts
    the JOD by a quirk of its own; by its features a model can recognise both.
    """
    rng = np.random.default_rng(seed)
    quirk = {"device": rng.uniform(0.3, 1.2) * rng.normal(size=devices)}
    quirk["person"] = rng.uniform(0.3, 1.2) * rng.normal(size=4 * shoots)
    sizes = {"device": devices, "person": 4 * shoots, "scene": scenes}
    look = {kind: rng.normal(size=(count, 3)) for kind, count in sizes.items()}
    rows = []
    for scene in range(scenes):
        for burst in range(bursts):
            device, person = rng.integers(devices), 4 * (scene % shoots) + rng.integers(4)
            quality = rng.normal()
            jod = quality + quirk["device"][device] + quirk["person"][person] + 0.5 * rng.normal()
            seen = [
                [quality + 0.7 * rng.normal()],
                look["device"][device],
                look["person"][person],
                look["scene"][scene],
            ]
            x = np.concatenate([*seen, rng.normal(size=3)])
            names = f"scene {scene:02}", f"device {device:02}", f"person {person:02}", f"burst {scene:02}-{burst:02}"
            for _ in range(2):
                rows.append((*names, jod + 0.1 * rng.normal(), *(x + 0.05 * rng.normal(size=13))))
    columns = ["scene", "device", "person", "burst", "jod", *(f"x{k}" for k in range(13))]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(jod=table.jod - table.groupby("scene").jod.transform("mean"))


def fit_predict(train, test, width=2.5, strength=0.3):
    """Scores of the test photos by a kernel ridge regression that was fitted on the training photos."""
    names = [name for name in train if name[0] == "x"]
    a, b = train[names].to_numpy(), test[names].to_numpy()
    a, b = (a - a.mean(0)) / a.std(0), (b - a.mean(0)) / a.std(0)

    def near(u, v):
        return np.exp(-((u**2).sum(1)[:, None] + (v**2).sum(1) - 2 * u @ v.T) / (2 * width**2))

    return near(b, a) @ np.linalg.solve(near(a, a) + strength * np.eye(len(a)), train.jod.to_numpy())


photos = world(student_seed(STUDENT, "a5"))
photos.head(4)

# %% [markdown]
# ## 1 · The split that everybody makes
#
# Shuffle, 80 % for training, 20 % for testing. We measure KRCC (Kendall) in each scene and take the mean: unlike that of SRCC, its
# expectation does not depend on how many photos a scene has in the test set, and that differs between our splits.


# %%
def measured(train, test):
    """KRCC of every scene of the test photos, one of each burst: the order of twins is a coin toss."""
    test = test.drop_duplicates("burst")
    scored = test.assign(score=fit_predict(train, test))
    return per_scene(scored, fit=False).set_index("scene").krcc


shuffled = np.random.default_rng(0).random(len(photos)) < 0.2
print(f"KRCC on a shuffled fifth: {measured(photos[~shuffled], photos[shuffled]).mean():.2f}")

# %% [markdown]
# Splendid, and worth nothing. What do the two sides share?
#
# **1** (2 points). Write `leaks(train, test, columns)`: for each column the sorted list of values that occur on both sides.


# %% nbgrader={"grade": false, "grade_id": "leaks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def leaks(train, test, columns):
    """What both tables share: {column: sorted list of values}."""
    ### BEGIN SOLUTION
    return {column: sorted(set(train[column]) & set(test[column])) for column in columns}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-leaks", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
one = pd.DataFrame({"scene": ["b", "a", "a"], "device": ["x", "y", "x"]})
two = pd.DataFrame({"scene": ["c", "d"], "device": ["x", "z"]})
found = leaks(one, two, ["scene", "device"])
assert found == {"scene": [], "device": ["x"]}, f"only device x is on both sides; you say {found}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import pandas as _pd

for _seed in (1, 2, 3):
    _rng = _random.Random(_seed)
    _sides = [{c: [_rng.choice("abcdefgh") for _ in _b.range(5)] for c in ("scene", "person", "light")} for _ in "ab"]
    _got = leaks(*(_pd.DataFrame(side) for side in _sides), ["person", "scene"])
    _want = {c: [v for v in "abcdefgh" if v in _sides[0][c] and v in _sides[1][c]] for c in ("person", "scene")}
    assert _got == _want
### END HIDDEN TESTS

# %%
try:
    for column, values in leaks(photos[~shuffled], photos[shuffled], ["scene", "device", "person", "burst"]).items():
        print(f"{column}: {len(values)} of {photos[column].nunique()} on both sides")
except NotImplementedError:
    print("Write leaks first.")

# %% [markdown]
# ## 2 · Whole groups
#
# **2** (2 points). Write `hold_out(frame, column, share, seed)`: a boolean Series on the index of `frame` that is True for *all* rows
# of some values of `column`. Of m different values, `round(share * m)` are held out, but at least one; drawn at random, the same
# ones for the same seed, in whatever order the rows stand.


# %% nbgrader={"grade": false, "grade_id": "hold-out", "locked": false, "schema_version": 3, "solution": true, "task": false}
def hold_out(frame, column, share, seed):
    """Which rows are held out when whole groups are: boolean Series."""
    ### BEGIN SOLUTION
    names = sorted(frame[column].unique())
    count = max(1, round(share * len(names)))
    chosen = np.random.default_rng(seed).choice(names, count, replace=False)
    return frame[column].isin(chosen)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-hold-out", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
few = pd.DataFrame({"scene": list("aabbbcdddd")}, index=range(10, 20))
held = hold_out(few, "scene", 0.5, seed=0)
assert list(held.index) == list(few.index), "A Series on the index of the table."
assert few.scene[held].nunique() == 2, "Half of four scenes are two."
assert not set(few.scene[held]) & set(few.scene[~held]), "A scene is held out as a whole or not at all."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import pandas as _pd

for _size, _share, _count in ((10, 0.22, 2), (30, 0.333, 10), (7, 0.01, 1), (12, 0.25, 3)):
    _rng = _random.Random(_size)
    _groups = [f"g{k:02}" for k in _b.range(_size)] * 4 + [f"g{_rng.randrange(_size):02}" for _ in _b.range(60)]
    _rng.shuffle(_groups)
    _frame = _pd.DataFrame({"person": _groups, "jod": 0.0})
    _drawn = []
    for _seed in _b.range(12):
        _mask = [_b.bool(v) for v in hold_out(_frame, "person", _share, _seed)]
        assert _mask == [_b.bool(v) for v in hold_out(_frame, "person", _share, _seed)]
        _in = _b.set(g for g, v in _b.zip(_groups, _mask, strict=True) if v)
        _out = _b.set(g for g, v in _b.zip(_groups, _mask, strict=True) if not v)
        assert not _in & _out
        assert _b.len(_in) == _count
        _drawn.append(_b.tuple(_b.sorted(_in)))
        _turned = hold_out(_frame.iloc[::-1], "person", _share, _seed)
        assert [_b.bool(v) for v in _turned][::-1] == _mask  # the order of the rows does not matter
    assert _b.len(_b.set(_drawn)) > 1  # not the same ones for every seed
### END HIDDEN TESTS

# %%
try:
    for column in ("burst", "scene", "person", "device"):
        cuts = [hold_out(photos, column, 0.2, seed) for seed in range(2)]
        found = np.mean([measured(photos[~cut], photos[cut]).mean() for cut in cuts])
        print(f"whole {column}s held out: KRCC {found:.2f}")
except NotImplementedError:
    print("Write hold_out first.")

# %% [markdown]
# One model, one table of photos, five answers. But a split by scene still shares the people: three scenes make a shoot. To be free of *both* leaks
# with whole groups, what hangs together must stay together: two photos that share a scene **or** a person, and photos that are
# linked by a chain of such photos.
#
# **3** (2 points). Write `components(frame, columns)`: a label for each row, equal for two rows exactly when a chain of rows, each
# sharing a value of at least one of the columns with the next, leads from one to the other. The same word in two columns is
# not the same value: scene "a" and person "a" share nothing. The labels may be anything.


# %% nbgrader={"grade": false, "grade_id": "components", "locked": false, "schema_version": 3, "solution": true, "task": false}
def components(frame, columns):
    """Which rows hang together: labels (N,)."""
    ### BEGIN SOLUTION
    label = np.arange(len(frame))
    while True:
        before = label
        for column in columns:
            label = pd.Series(label).groupby(frame[column].to_numpy()).transform("min").to_numpy()
        if (label == before).all():
            return label
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-components", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
chain = pd.DataFrame({"scene": list("aabcd"), "person": list("pqqrs")})
label = list(components(chain, ["scene", "person"]))
assert label[0] == label[1] == label[2], "Rows 0 and 1 share a scene, 1 and 2 a person: one chain."
assert len(set(label)) == 3, f"three groups, not {len(set(label))}"
assert len(set(components(chain, ["scene"]))) == 4, "By scene alone there are four."
words = pd.DataFrame({"scene": list("ab"), "person": list("bc")})
assert len(set(components(words, ["scene", "person"]))) == 2, "Scene b and person b share nothing."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import pandas as _pd

for _seed, _values in ((4, 14), (5, 20), (6, 30), (7, 40)):
    _rng = _random.Random(_seed)
    _rows = [[f"{c}{_rng.randrange(_values)}" for c in "sp"] for _ in _b.range(24)]
    if _seed == 6:  # the same words in both columns
        _rows = [[v[1:] for v in _row] for _row in _rows]
    if _seed == 7:  # one long chain, from its end to its beginning
        _rows = [[f"s{k // 2}", f"p{(k + 1) // 2}"] for k in _b.range(24)][::-1]
    _got = _b.list(components(_pd.DataFrame(_rows, columns=["scene", "person"]), ["scene", "person"]))
    assert _b.len(_got) == 24
    for _start in _b.range(24):
        _reached, _edge = {_start}, [_start]
        while _edge:
            _i = _edge.pop()
            for _j in _b.range(24):
                if _j not in _reached and (_rows[_i][0] == _rows[_j][0] or _rows[_i][1] == _rows[_j][1]):
                    _reached.add(_j)
                    _edge.append(_j)
        for _j in _b.range(24):
            assert (_got[_start] == _got[_j]) == (_j in _reached)
### END HIDDEN TESTS

# %%
try:
    for columns in (["scene"], ["scene", "person"], ["scene", "person", "device"]):
        print(f"whole {' and '.join(columns)}: {len(set(components(photos, columns)))} groups")
except NotImplementedError:
    print("Write components first.")

# %% [markdown]
# With devices in, everything hangs together in one group: no split with whole groups is free of all three leaks. The way out costs photos. Hold out
# some scenes, some devices and some people; train on photos that have *none* of them; and test on each kind of rest by itself.
#
# **4** (2 points). Write `roles(frame, new)`. `new` says what is held out, such as `{"scene": {...}, "device": {...}}`. For each row: `"known"`
# if nothing about it is new; else what is, in the order of `new`: `"new device"`, or `"new scene + new device"`.


# %% nbgrader={"grade": false, "grade_id": "roles", "locked": false, "schema_version": 3, "solution": true, "task": false}
def roles(frame, new):
    """What is new about each row: Series of words."""
    ### BEGIN SOLUTION
    words = [
        " + ".join(f"new {column}" for column, names in new.items() if row[column] in names) or "known"
        for row in frame[list(new)].to_dict("records")
    ]
    return pd.Series(words, index=frame.index)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-roles", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
few = pd.DataFrame({"scene": list("aabb"), "device": list("xyxy")})
found = list(roles(few, {"scene": {"b"}, "device": {"y"}}))
assert found == ["known", "new device", "new scene", "new scene + new device"], f"found {found}"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

import pandas as _pd

for _seed in (8, 9):
    _rng = _random.Random(_seed)
    _table = {c: [_rng.choice("abcdef") for _ in _b.range(40)] for c in ("person", "scene", "device")}
    _new = {"device": {"a", "f"}, "person": {"b"}, "scene": {"a", "c"}}
    _got = _b.list(roles(_pd.DataFrame(_table, index=_b.range(5, 45)), _new))
    assert _b.len(_got) == 40
    for _k in _b.range(40):
        _words = [f"new {c}" for c in ("device", "person", "scene") if _table[c][_k] in _new[c]]
        assert _got[_k] == (" + ".join(_words) or "known")
### END HIDDEN TESTS

# %% [markdown]
# **5** (5 points, by hand). A phone maker wants to know how the model will rank photos of *next year's phone*, taken by customers *of themselves*, at *places
# nobody photographed*. Design the evaluation: what is held out, what trains, what is tested against what, and which photos neither train nor answer the
# question. Estimate for your world (you may compute it) how many photos train and how many answer the question in one draw, and say from that how often
# you repeat the draw, and how you would know that it is often enough. Say what the shuffled split would have answered instead, and name one thing that your
# design still shares between training and test.

# %% [markdown] nbgrader={"grade": true, "grade_id": "design", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** Hold out scenes, devices and people at once, a quarter of each, whole; train on photos with none of the three new (0.75³ = 42 %; fewer if
# some known photos, whole bursts, are kept to be tested); the answer to the question is the cell in which *all three* are new (1/64 of the photos: about 32 of
# 2016, often fewer, so the draw is repeated until every scene has been the new one several times and further draws no longer move the mean or its interval over scenes;
# or a third is held out in a Latin square). To explain it, also test on "known" (other bursts of known scenes, devices and people) and on one new thing at
# a time, all against the same training. Photos with two new things can be kept for interactions or go unused. Shuffled: nearly all bursts have their
# twin in training, so it answers "how well does the model know photos that it has seen", which nobody asked. Still shared: the panel that voted, the
# way of taking photos, the year, one maker's phones (a *next* phone differs from today's by more than these from each other).
#
# **Marks.** All three held out whole, training on none of them (2). The tested cell fits the question, with a known reference on other bursts (1). The price in photos and
# repetition (1). Shuffled explained by the twins, and one thing still shared (1).

# %% [markdown]
# ## 3 · The drop and its interval
#
# Your functions run the study: eight times a quarter of the scenes, devices and people is drawn; a third of the known bursts is
# kept from training to be the "known" test photos.


# %%
def study(photos, repeats=8):
    """One row a draw, part and scene: seed, part, scene, value (KRCC)."""
    tables = []
    for seed in range(repeats):
        kinds = ("scene", "device", "person")
        held = {c: hold_out(photos, c, 0.25, 10 * seed + k) for k, c in enumerate(kinds)}
        part = roles(photos, {c: set(photos[c][held[c]]) for c in kinds})
        train = (part == "known") & ~hold_out(photos, "burst", 1 / 3, 10 * seed + 9)
        test = photos[~train].drop_duplicates("burst")
        scored = test.assign(part=part[test.index], score=fit_predict(photos[train], test))
        tables.append(per_scene(scored, by=["part"], fit=False).assign(seed=seed, value=lambda t: t.krcc))
    return pd.concat(tables)[["seed", "part", "scene", "value"]]


try:
    table = study(photos)
    print(table.groupby("part").value.agg(["mean", "count"]).round(2).to_string())
except NotImplementedError:
    print("Write hold_out and roles first.")

# %% [markdown]
# Averages alone decide nothing. What varies from one use of the model to the next is the scene, so the interval is a bootstrap of *scenes*; eight draws of
# one scene are not eight scenes. And scenes differ in difficulty, so we compare each scene with itself.
#
# **6** (3 points). Write `drop_interval(table, part, seed=0, resamples=2000)` from the columns `seed, part, scene, value`:
#
# 1. the mean of `value` over the seeds, for each scene and part (a missing value, NaN, is left out);
# 2. for the n scenes that have both, in alphabetical order: value of `"known"` minus value of `part`;
# 3. `draws = np.random.default_rng(seed).integers(n, size=(resamples, n))` says which scenes make each resample; take the mean
#    of each;
# 4. return the mean of the n differences, the 2.5 % and 97.5 % quantiles (`np.quantile`) of the resampled means, and n.


# %% nbgrader={"grade": false, "grade_id": "interval", "locked": false, "schema_version": 3, "solution": true, "task": false}
def drop_interval(table, part, seed=0, resamples=2000):
    """Mean drop from "known" to a part, paired by scene, with a 95 % interval: (mean, low, high, scenes)."""
    ### BEGIN SOLUTION
    values = table.groupby(["scene", "part"]).value.mean().unstack()
    drop = (values["known"] - values[part]).dropna().sort_index().to_numpy()
    draws = np.random.default_rng(seed).integers(len(drop), size=(resamples, len(drop)))
    low, high = np.quantile(drop[draws].mean(1), [0.025, 0.975])
    return float(drop.mean()), float(low), float(high), len(drop)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-interval", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
rows = [(0, "known", "a", 0.9), (1, "known", "a", 0.7), (0, "new scene", "a", 0.5)]
rows += [(0, "known", "b", 0.6), (0, "new scene", "b", 0.5), (1, "new scene", "b", np.nan)]
rows += [(0, "known", "c", 0.2), (0, "new scene", "d", 0.9)]
found = drop_interval(pd.DataFrame(rows, columns=["seed", "part", "scene", "value"]), "new scene")
assert len(found) == 4, "Mean, low, high, and the number of scenes."
assert found[3] == 2, f"scenes a and b have both parts; you count {found[3]}"
assert abs(found[0] - 0.2) < 1e-9, f"0.8 - 0.5 in a and 0.6 - 0.5 in b make a mean of 0.2, not {found[0]:.3f}"
assert abs(found[1] - 0.1) + abs(found[2] - 0.3) < 1e-9, "Two scenes: resamples run from 0.1 to 0.3."
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import numpy as _np
import pandas as _pd

for _seed, _scenes in ((11, 9), (12, 15)):
    _rng = _random.Random(_seed)
    _rows, _by = [], {}
    for _s in _rng.sample(_b.range(40), _scenes):
        for _part in ("known", "new device", "other"):
            for _run in _b.range(_rng.choice([0, 1, 2, 4])):
                _v = _rng.gauss(0.5, 0.2) if _rng.random() < 0.8 else _math.nan
                _rows.append((_run, _part, f"s{_s:02}", _v))
                if _v == _v:
                    _by.setdefault((f"s{_s:02}", _part), []).append(_v)
    _rng.shuffle(_rows)
    _mean = {k: _b.sum(v) / _b.len(v) for k, v in _by.items()}
    _both = _b.sorted(s for s, p in _mean if p == "known" and (s, "new device") in _mean)
    _drop = [_mean[s, "known"] - _mean[s, "new device"] for s in _both]
    _n = _b.len(_drop)
    _draws = _np.random.default_rng(5).integers(_n, size=(400, _n)).tolist()
    _means = _b.sorted(_b.sum(_drop[i] for i in draw) / _n for draw in _draws)
    _frame = _pd.DataFrame(_rows, columns=["seed", "part", "scene", "value"])
    _got = drop_interval(_frame, "new device", seed=5, resamples=400)
    assert _got[3] == _n
    assert -1e-9 < _got[0] - _b.sum(_drop) / _n < 1e-9
    for _side, _share in ((1, 0.025), (2, 0.975)):
        _at = _share * 399
        _below = _b.int(_at)
        _want = _means[_below] + (_at - _below) * (_means[_below + 1] - _means[_below])
        assert -1e-9 < _got[_side] - _want < 1e-9
### END HIDDEN TESTS

# %%
try:
    for part in ("new scene", "new device", "new person"):
        print("{}: drop {:+.3f} ({:+.3f} to {:+.3f}), {} scenes".format(part, *drop_interval(table, part)))
except (NotImplementedError, NameError):
    print("Write the functions above first.")

# %% [markdown]
# How wrong is it to resample photos instead? Suppose each of N photos has a number (whether it was ranked rightly, say), n photos in each of
# S scenes, and photos of a scene resemble each other.
#
# **7** (2 points). Write `design_effect(values, scene)`: the variance of the overall mean as estimated from the S means of the scenes,
# $\mathrm{var}(m_1, \dots, m_S)/S$, divided by the one that takes the N photos for independent, $\mathrm{var}(v_1, \dots, v_N)/N$. Both variances with the
# divisor (number - 1). All scenes have the same number of photos. N photos are worth N divided by it.


# %% nbgrader={"grade": false, "grade_id": "design-effect", "locked": false, "schema_version": 3, "solution": true, "task": false}
def design_effect(values, scene):
    """How many times the variance of the mean exceeds that of independent photos: (N,), (N,) -> a number."""
    ### BEGIN SOLUTION
    values = pd.Series(np.asarray(values, dtype=float))
    means = values.groupby(np.asarray(scene)).mean()
    return (means.var() / len(means)) / (values.var() / len(values))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-design-effect", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = design_effect(np.array([1.0, 1.0, 3.0, 3.0]), np.array(["a", "a", "b", "b"]))
# Scene means 1 and 3: variance 2, over 2 scenes: 1. Photos: variance 4/3, over 4: 1/3.
assert abs(found - 3) < 1e-9, f"1 divided by 1/3 is 3, not {found:.3f}: the four photos are worth less than two"
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random
import statistics as _statistics

import numpy as _np

for _seed, _scenes, _each in ((13, 6, 5), (14, 9, 3)):
    _rng = _random.Random(_seed)
    _level = [_rng.gauss(0, 1) for _ in _b.range(_scenes)]
    _place = [s for s in _b.range(_scenes) for _ in _b.range(_each)]
    _rng.shuffle(_place)
    _v = [_level[s] + _rng.gauss(0, 0.7) for s in _place]
    _m = [_statistics.fmean(v for v, p in _b.zip(_v, _place, strict=True) if p == s) for s in _b.range(_scenes)]
    _want = _statistics.variance(_m) / _scenes / (_statistics.variance(_v) / _b.len(_v))
    _got = design_effect(_np.array(_v), _np.array([f"scene {s}" for s in _place]))
    assert -1e-9 < _b.float(_got) - _want < 1e-9
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Take it apart
#
# Your study has cells in which one thing is new, and cells in which two are. If a new device costs $x$ and a new person $y$, do both together cost $x + y$?
# Often less: a photo that is ranked at random cannot be ranked worse. The difference has a name, *interaction*.
#
# **8** (2 points). `values` has one row a scene and the columns `"known"`, `a`, `b` and `f"{a} + {b}"`. Write `decompose(values, a, b)`, a dictionary: under `a` and `b` the
# mean drop of each alone, under `"total"` that of both, under `"interaction"` total minus the sum of the two. Only scenes in which all four are there count,
# for all four numbers: otherwise they would not add up.


# %% nbgrader={"grade": false, "grade_id": "decompose", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decompose(values, a, b):
    """Mean drops of a, of b, of both, and what both cost beyond the sum."""
    ### BEGIN SOLUTION
    complete = values[["known", a, b, f"{a} + {b}"]].dropna()
    one, two, both = (float((complete["known"] - complete[part]).mean()) for part in (a, b, f"{a} + {b}"))
    return {a: one, b: two, "interaction": both - one - two, "total": both}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-decompose", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
values = pd.DataFrame(
    {"known": [0.8, 0.6, 0.9], "x": [0.6, 0.6, np.nan], "y": [0.5, 0.5, 0.1], "x + y": [0.4, 0.4, 0.1]}
)
found = decompose(values, "x", "y")
assert abs(found["x"] - 0.1) < 1e-9, f"0.2 and 0 make a mean of 0.1, not {found['x']:.3f}"
assert abs(found["y"] - 0.2) < 1e-9, f"the third scene does not count: 0.2, not {found['y']:.3f}"
assert abs(found["interaction"]) < 1e-9, "here the drops add up"
### BEGIN HIDDEN TESTS
import builtins as _b
import math as _math
import random as _random

import pandas as _pd

for _seed in (15, 16):
    _rng = _random.Random(_seed)
    _names = ["known", "new scene", "new device", "new scene + new device"]
    _rows = [[_rng.random() if _rng.random() < 0.9 else _math.nan for _ in _names] for _ in _b.range(30)]
    _got = decompose(_pd.DataFrame(_rows, columns=_names).assign(other=_math.nan), "new scene", "new device")
    _full = [r for r in _rows if r == r and _b.all(v == v for v in r)]
    assert 5 < _b.len(_full) < 30
    _one, _two, _both = (_b.sum(r[0] - r[k] for r in _full) / _b.len(_full) for k in (1, 2, 3))
    assert -1e-9 < _got["new scene"] - _one < 1e-9
    assert -1e-9 < _got["new device"] - _two < 1e-9
    assert -1e-9 < _got["total"] - _both < 1e-9
    assert -1e-9 < _got["interaction"] - (_both - _one - _two) < 1e-9
### END HIDDEN TESTS

# %%
try:
    of_scene = table.groupby(["scene", "part"]).value.mean().unstack()
    resamples = np.random.default_rng(0).integers(len(of_scene), size=(200, len(of_scene)))
    redrawn = pd.DataFrame([decompose(of_scene.iloc[scenes], "new device", "new person") for scenes in resamples])
    number = of_scene[["known", "new device", "new person", "new device + new person"]].notna().all(axis=1).sum()
    print(f"Drops in KRCC, bootstrap of scenes, {number} scenes")
    for name, value in decompose(of_scene, "new device", "new person").items():
        low, high = redrawn[name].quantile([0.025, 0.975])
        print(f"{name:12} {value:+.3f} ({low:+.3f} to {high:+.3f})")
except (NotImplementedError, NameError):
    print("Write the functions above first.")

# %% [markdown]
# A drop may also be the labels' fault: where photos are of nearly equal quality, JODs are mostly noise, and a perfect model would correlate poorly. JODs
# come with standard errors. If the noise is independent of the true quality, then var(JOD) = var(truth) + mean(error²), and the truth itself
# correlates with the JODs at
#
# $$r_{\max} = \sqrt{1 - \frac{\overline{e^2}}{\mathrm{var}(j)}}$$
#
# **9** (2 points). Write `ceiling(jod, jod_std)` for one scene: this $r_{\max}$, with the variance that divides by (N - 1), and 0 where the noise
# explains all of the variance or more.


# %% nbgrader={"grade": false, "grade_id": "ceiling", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ceiling(jod, jod_std):
    """Correlation of the true quality with JODs of these standard errors: (N,), (N,) -> a number."""
    ### BEGIN SOLUTION
    reliability = 1 - np.mean(np.square(jod_std)) / np.var(jod, ddof=1)
    return float(np.sqrt(max(reliability, 0)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-ceiling", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = ceiling(np.array([-1.0, 0.0, 1.0]), np.array([0.6, 0.6, 0.6]))
assert abs(found - 0.8) < 1e-9, f"variance 1, noise 0.36: the root of 0.64 is 0.8, not {found:.3f}"
assert ceiling(np.array([0.1, 0.0, -0.1]), np.array([0.5, 0.5, 0.5])) == 0, "Nothing but noise."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random
import statistics as _statistics

import numpy as _np

for _seed in (17, 18, 19):
    _rng = _random.Random(_seed)
    _j = [_rng.gauss(0, 1.5) for _ in _b.range(8)]
    _e = [_rng.uniform(0.1, 1) for _ in _b.range(8)]
    _want = (1 - _statistics.fmean(e * e for e in _e) / _statistics.variance(_j)) ** 0.5
    assert -1e-9 < ceiling(_np.array(_j), _np.array(_e)) - _want < 1e-9
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · The real thing, in simulation
#
# The package carries the scores of its benchmark: small versions of the survey's methods, three trainings each, on 40 simulated scenes. The same photos are judged
# by a model to which everything about them is known, by one to which the scene is new, by one to which the devices are new (lesson 13). `challenge` is other scenes with
# high-end devices only. One training is tested on the known photos of 13 or 14 scenes; the three together reach all 40.

# %%
scores = load_evaluation(files("pqa_lab") / "evaluation" / "results" / "scores.parquet")
methods = ["hyperiqa", "sem_hyperiqa", "fhiqa", "rqnet", "bdvqa", "pqe", "monet", "sar"]
parts = ["known", "new_scene", "new_device", "challenge"]
scores = scores[scores.method.isin(methods) & scores.part.isin(parts)]
print(scores.groupby("part").agg(scenes=("scene", "nunique"), rows=("score", "size")).to_string())

# %% [markdown]
# **10** (3 points). Fill `drops`: for each of the eight methods and the parts `"new_scene"` and `"new_device"`, under the key `(method, part)`, the four numbers of
# `drop_interval` (its defaults) with SRCC in the column `value`. `per_scene(frame, by=[...], fit=False)` gives the SRCC of all scenes, for each value of the columns in `by`. Your `drop_interval` knows no methods: give it the rows of one method
# at a time, with a value for each seed, part and scene.

# %% nbgrader={"grade": false, "grade_id": "real", "locked": false, "schema_version": 3, "solution": true, "task": false}
drops = {}
### BEGIN SOLUTION
srcc = per_scene(scores, by=["method", "part", "seed"], fit=False)
srcc["value"] = srcc.srcc
for method in methods:
    for part in ("new_scene", "new_device"):
        drops[method, part] = drop_interval(srcc[srcc.method == method], part)
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-real", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
assert len(drops) == 16, "Eight methods and two parts."
assert all(len(v) == 4 and v[1] < v[0] < v[2] for v in drops.values()), "Mean, low, high, scenes."
assert all(v[3] == 40 for v in drops.values()), "All 40 scenes have all parts."
### BEGIN HIDDEN TESTS
import builtins as _b
from importlib.resources import files as _files

import numpy as _np
import pandas as _pd

_all = _pd.read_parquet(_files("pqa_lab") / "evaluation" / "results" / "scores.parquet")


def _ranks(v):
    return [_b.sum(w < x for w in v) + (_b.sum(w == x for w in v) - 1) / 2 for x in v]


def _srcc(x, y):
    x, y = _ranks(x), _ranks(y)
    mx, my = _b.sum(x) / _b.len(x), _b.sum(y) / _b.len(y)
    top = _b.sum((a - mx) * (b - my) for a, b in _b.zip(x, y, strict=True))
    low = (_b.sum((a - mx) ** 2 for a in x) * _b.sum((b - my) ** 2 for b in y)) ** 0.5
    return top / low if low else 0.0


for _method, _part in (("hyperiqa", "new_device"), ("monet", "new_scene"), ("sar", "new_device"), ("pqe", "new_scene")):
    _rows = _all[(_all["method"] == _method) & _all["part"].isin(["known", _part])]
    _cells = {}
    for _key in _b.zip(_rows["part"], _rows["scene"], _rows["seed"], _rows["score"], _rows["jod"], strict=True):
        _cells.setdefault(_key[:3], []).append(_key[3:])
    _of = {}
    for (_p, _scene, _), _pairs in _cells.items():
        _of.setdefault((_scene, _p), []).append(_srcc([s for s, _ in _pairs], [j for _, j in _pairs]))
    _mean = {k: _b.sum(v) / _b.len(v) for k, v in _of.items()}
    _drop = [_mean[s, "known"] - _mean[s, _part] for s in _b.sorted(s for s, p in _mean if p == "known")]
    _draws = _np.random.default_rng(0).integers(40, size=(2000, 40)).tolist()
    _means = _b.sorted(_b.sum(_drop[i] for i in draw) / 40 for draw in _draws)
    _got = drops[_method, _part]
    assert -1e-6 < _got[0] - _b.sum(_drop) / 40 < 1e-6
    assert _means[48] < _got[1] < _means[51]
    assert _means[1948] < _got[2] < _means[1951]
### END HIDDEN TESTS


# %%
def over_scenes(values):
    """In words: the mean over scenes, with a 95 % interval by a bootstrap of scenes, and their number."""
    values = values.dropna().to_numpy()
    draws = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.quantile(values[draws].mean(1), [0.025, 0.975])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f}), {len(values)} scenes"


print("Drops in SRCC")
print(pd.DataFrame(drops, index=["drop", "low", "high", "scenes"]).T.round(3).to_string())
print("SRCC, mean of the methods and trainings (the scenes of challenge are others: not paired)")
for part in parts:
    one = per_scene(scores[scores.part == part], by=["method", "seed"], fit=False)
    print(f"{part:12}", over_scenes(one.groupby("scene").srcc.mean()))

# %% [markdown]
# Sixteen intervals, each wrong once in twenty: one of them will leave out 0 by accident more often than not. Holm's rule keeps the chance of *any* false alarm among m
# tests at 5 %. With the p-values in ascending order, $p_{(1)} \le \dots \le p_{(m)}$, the adjusted one of the k-th is
#
# $$\tilde p_{(k)} = \min\Big(1,\ \max_{j \le k}\ (m - j + 1)\, p_{(j)}\Big)$$
#
# **11** (2 points, the last function). Write `holm(p)`: from a dictionary of p-values to one of adjusted p-values, with the same keys.


# %% nbgrader={"grade": false, "grade_id": "holm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def holm(p):
    """Adjusted p-values: {name: p} -> {name: adjusted p}."""
    ### BEGIN SOLUTION
    adjusted, largest = {}, 0.0
    for place, name in enumerate(sorted(p, key=p.get)):
        largest = max(largest, (len(p) - place) * p[name])
        adjusted[name] = min(1.0, largest)
    return adjusted
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-holm", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = holm({"a": 0.03, "b": 0.01, "c": 0.5})
assert set(found) == {"a", "b", "c"}, "The same keys."
assert abs(found["b"] - 0.03) < 1e-9, "The smallest of three is multiplied by 3."
assert abs(found["a"] - 0.06) < 1e-9, "The next by 2."
### BEGIN HIDDEN TESTS
import builtins as _b
import random as _random

for _seed in (20, 21, 22):
    _rng = _random.Random(_seed)
    _p = {f"m{k}": _rng.choice([0.001, 0.01, 0.012, 0.02, 0.2, 0.6]) * (1 + _rng.random()) for k in _b.range(7)}
    _got = holm(_b.dict(_p))
    assert _b.len(_got) == 7
    for _name, _value in _p.items():
        _want = 0.0  # over all p-values that are not larger: (number of those at least as large as it) times it
        for _other in _p.values():
            if _other <= _value:
                _want = _b.max(_want, _other * _b.sum(v >= _other for v in _p.values()))
        assert -1e-9 < _got[_name] - _b.min(1.0, _want) < 1e-9
### END HIDDEN TESTS

# %%
from scipy.stats import norm

try:  # rough p-values, from the width of the intervals
    p = {key: 2 * norm.sf(abs(m) / ((high - low) / 3.92)) for key, (m, low, high, _) in drops.items()}
    for key, value in holm(p).items():
        if value < 0.05:
            print(f"{key[0]:14} {key[1]:12} drop {drops[key][0]:+.3f}, adjusted p {value:.4f}")
    print("Pearson's correlation of the truth itself with the JODs (an SRCC has a ceiling near it, not the same)")
    labels = scores[scores.method == "hyperiqa"]  # all methods saw the same labels
    for part in parts:
        of_part = labels[labels.part == part].groupby(["scene", "seed"])[["jod", "jod_std"]]
        best = pd.Series({key: ceiling(one.jod, one.jod_std) for key, one in of_part})
        print(f"{part:12}", over_scenes(best.groupby(level=0).mean()))
except NotImplementedError:
    print("Write the functions above first.")

# %% [markdown]
# ## 6 · Write it down
#
# **12** (8 points, by hand, 200 to 280 words). Write the conclusion of *your* study for someone who decides whether the phone maker buys the model. Use your own
# world (section 3 and 4) and the benchmark (section 5). It must let the reader see: how large the drop is and how sure that is; what it is due to and
# what not; what was held fixed; what the labels allow; what none of this can say. No figure without its unit
# (of a correlation: which one), its interval and the number of scenes; for drops, interaction, SRCC and ceilings they are printed above.

# %% [markdown] nbgrader={"grade": true, "grade_id": "conclusion", "locked": false, "points": 8, "schema_version": 3, "solution": true, "task": false}
# **Model answer** (figures are those of the world of "your name"; each student has others). *In our simulated world the model orders photos less well than those of known scenes, devices and people when
# the device is new: KRCC falls by 0.17 (0.05 to 0.28, 36 scenes). For a new person it falls by 0.07 (-0.02 to 0.15, 36 scenes) and for a new scene 0.05 (-0.02 to 0.12, 35
# scenes): neither is resolved, and losses up to 0.15 and 0.12 would fit as well. Device and person together cost 0.24 (0.05 to 0.41, 36 scenes), 0.01 more than their
# sum (-0.18 to 0.18): whether they add up is open. The drops are
# paired by scene and are means of eight draws; model, settings and world were held fixed, so the intervals cover other scenes, not other worlds or trainings. The benchmark (40 simulated scenes, eight methods,
# three trainings) agrees as to devices: all eight methods lose, from 0.09 (0.03 to 0.15) to 0.43 (0.30 to 0.56) in SRCC, 40 scenes, each after Holm's correction; for a new scene none does. On
# its 40 challenge-like scenes the mean SRCC is 0.30 (0.21 to 0.40) against 0.71 (0.65 to 0.76) on known photos; there the labels are noisier, the truth itself would correlate with them (Pearson) at 0.90
# (0.88 to 0.91) instead of 0.96 (0.95 to 0.96), which can explain a small part of it; the scenes are others, so the rest is no effect of devices alone. All photos are simulated and devices were drawn alike, so next year's phone may
# differ by more. Nothing here is a result on PIQ23 or about real customers. Before buying: 15 scenes with three unreleased phones, voted on.*
#
# **Marks.** Drop with interval, number of scenes and direction, from the own table (2; 1 if the interval is missing). Attribution: device against person against scene, each from a comparison in
# which one thing changes (2). "Not resolved" is not "no effect": says what would have gone unseen (1). What is held fixed or what the interval is over (1). Labels or multiplicity used correctly
# (1). Limits: simulation, not PIQ23, a new device may lie outside (1). Deduct 1 for a causal or general claim that the data do not carry.

# %% [markdown]
# **13** (4 points, by hand). From a press release: *"Tested on 5,000 photos (random 80/20 split), our model loses a mere 0.02 in SRCC from training to test (p < 0.001); on the high-end test set it
# falls to 0.55, which proves that high-end phones confuse it. It generalizes."* Name four faults (there are more; the first four that you name count), and say for each what should have been done.

# %% [markdown] nbgrader={"grade": true, "grade_id": "press", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (a) A random split shares scenes, people, devices, bursts: it does not test generalization; hold out whole groups. (b) Photos are not independent: the unit is the scene, p and the
# interval must be over scenes (design effect), and p < 0.001 of a drop says that it is not 0, not that it is small. (c) The high-end set changes more than the devices: closer qualities, noisier labels, other scenes and group sizes; compare at
# equal label gap and with the labels' ceiling, same scenes, one thing at a time. (d) No comparison by chance: one training, no seeds, no interval for 0.55. (e) SRCC pooled or per scene? Not said. (f) "It generalizes": to what? Name the
# population. (g) 0.02 is from training to test: the training score is itself no standard.
#
# **Marks.** One each for four different faults, with the remedy (half without).
