# %% [markdown]
# # A1 · From votes to JODs, and whom to believe
#
# A phone maker took one portrait with ten settings and let twelve people vote on pairs. You get the raw table of votes.
# Your client wants a ranking with honest intervals, and has a suspicion: "one of the twelve had the keys the wrong way
# round, and I think another one just pressed buttons". In this assignment you build the whole machine yourself, from the
# table to the intervals, and then use it to find out.
#
# | | |
# |---|---|
# | **You need** | lessons 01 and 02 |
# | **Time** | about 3.5 hours |
# | **Points** | 24 by tests (some tests are hidden), 15 for three written answers |
#
# **Rules.** Write where it says so; you may add cells. Do not change test cells: the grader puts back its own. Visible
# tests tell you that you are on the right way; hidden ones repeat them with other votes. A cell may take 30 seconds,
# none needs more than five. Before you hand in: *Kernel → Restart Kernel and Run All Cells*.
#
# **Tasks 4 to 7 do not use your code of tasks 1 to 3**, so a slip early on costs little.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtri
from scipy.stats import binom, norm

from pqa_lab.classroom import student_seed
from pqa_lab.classroom.data import jods, photos, session

SIGMA = 1 / ndtri(0.75)  # one JOD is where 75 % agree

# %% [markdown]
# Put your name here. It draws a voting session that is yours alone; your written answers are about *your* session. (If
# your class voted together, you got a file `votes.csv` beside this notebook: then the session is your class's.)

# %%
STUDENT = "your name"

votes = session(student_seed(STUDENT, "a1"))
images = photos(10)
if Path("votes.csv").exists():
    votes = pd.read_csv("votes.csv")
    images = sorted({*votes["first"], *votes["second"]})
votes.head()

# %% [markdown]
# ## 1 · Count
#
# All that the likelihood needs is a matrix: $C_{ij}$ is how often photo $i$ was preferred to photo $j$. A tie is half a
# vote for each. `first` and `second` say who was shown where, `preferred` says "first", "second" or "tie".


# %% nbgrader={"grade": false, "grade_id": "count_votes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def count_votes(votes, images):
    """Counts (N, N) of a votes table, in the order of ``images``; photos without votes have zeros."""
    ### BEGIN SOLUTION
    place = {image: k for k, image in enumerate(images)}
    counts = np.zeros((len(images), len(images)))
    for first, second, preferred in votes[["first", "second", "preferred"]].itertuples(index=False):
        i, j = place[first], place[second]
        counts[i, j] += {"first": 1, "tie": 0.5, "second": 0}[preferred]
        counts[j, i] += {"first": 0, "tie": 0.5, "second": 1}[preferred]
    return counts
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "count_votes_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_columns = ["first", "second", "preferred"]
_table = _pd.DataFrame([("a", "b", "first"), ("c", "a", "second"), ("b", "c", "first")], columns=_columns)
_got = count_votes(_table, ["a", "b", "c", "never shown"])
assert _np.shape(_got) == (4, 4), f"four photos need a 4 by 4 matrix, not {_np.shape(_got)}"
assert _got[0][1] == 1, "a was preferred to b once: row a, column b"
assert _got[0][2] == 1, "a was shown second and preferred to c: that is a vote for a, too"
assert _np.sum(_got) == 3, "three votes make three counts"
### BEGIN HIDDEN TESTS
from pqa_lab.classroom.data import photos as _photos
from pqa_lab.classroom.data import session as _session

for _seed in (501, 502):
    _votes = _session(_seed, count=7, observers=5, each=30, ties=0)
    _names = _photos(7)[::-1]
    _want = [[sum(((_votes["first"] == _a) & (_votes["second"] == _b) & (_votes["preferred"] == "first"))
                  | ((_votes["first"] == _b) & (_votes["second"] == _a) & (_votes["preferred"] == "second")))
              for _b in _names] for _a in _names]  # fmt: skip
    assert _np.array_equal(_np.asarray(count_votes(_votes, _names), float), _want), (
        "the counts of another session differ"
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "count_ties_test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_table = _pd.DataFrame({"first": ["a", "a"], "second": ["b", "b"], "preferred": ["tie", "first"]})
assert _np.allclose(_np.asarray(count_votes(_table, ["a", "b"]), float), [[0, 1.5], [0.5, 0]]), (
    "a tie is half a vote for each"
)
### BEGIN HIDDEN TESTS
from pqa_lab.classroom.data import photos as _photos
from pqa_lab.classroom.data import session as _session

_votes = _session(503, count=5, observers=4, each=25, ties=0.8)
_got = _np.asarray(count_votes(_votes, _photos(5)), float)
assert (_votes["preferred"] == "tie").sum() > 10
assert _np.allclose(_np.sum(_got), 100), "every vote counts one in all"
for _k, _name in enumerate(_photos(5)):
    _won = ((_votes["first"] == _name) & (_votes["preferred"] == "first")).sum()
    _won += ((_votes["second"] == _name) & (_votes["preferred"] == "second")).sum()
    _tied = (((_votes["first"] == _name) | (_votes["second"] == _name)) & (_votes["preferred"] == "tie")).sum()
    assert _np.allclose(_np.sum(_got[_k]), _won + _tied / 2), "the counts with ties differ"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · The slope of the likelihood
#
# In lesson 01 you minimised
#
# $$-\log L(q) = -\sum_{i \ne j} C_{ij} \log \Phi\!\left(\frac{q_i - q_j}{\sigma}\right)$$
#
# and let scipy feel its way. With the slope it needs far fewer steps, and the slope explains *why* the fit is what it is:
# every vote pulls. Derive $\partial(-\log L)/\partial q_i$ on paper, then write it. Two hints:
#
# - $\frac{d}{dz}\log\Phi(z) = \varphi(z)/\Phi(z)$, and $q_i$ appears once as the winner and once as the loser.
# - Far out, at $z = -60$, both $\varphi$ and $\Phi$ are 0 for the computer and their ratio is NaN; the truth is about 60.
#   Take the difference of their logarithms first: `norm.logpdf` and `log_ndtr` stay finite.


# %% nbgrader={"grade": false, "grade_id": "gradient", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gradient(q, counts):
    """Slope (N,) of -log L at the qualities q (N,), for counts (N, N)."""
    ### BEGIN SOLUTION
    z = (q[:, None] - q[None, :]) / SIGMA  # (N, N)
    pull = counts * np.exp(norm.logpdf(z) - log_ndtr(z)) / SIGMA  # (N, N), of the votes for i over j
    return pull.sum(axis=0) - pull.sum(axis=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gradient_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_counts = _np.array([[0.0, 15, 18], [5, 0, 14], [2, 6, 0]])
_got = _np.asarray(gradient(_np.zeros(3), _counts), float)
assert _got.shape == (3,), f"three photos have three slopes, not the shape {_got.shape}"
assert _np.allclose(_np.sum(_got), 0), "adding the same to all q changes nothing, so the slopes must sum to 0"
assert _got[0] < 0 < _got[2], "-log L should fall when the winner, photo 0, goes up"
### BEGIN HIDDEN TESTS
from scipy.special import log_ndtr as _log_ndtr
from scipy.special import ndtri as _ndtri

for _seed in (511, 512, 513):
    _rng = _np.random.default_rng(_seed)
    _counts = _rng.integers(0, 9, (6, 6)) * (1 - _np.eye(6))
    _q = _rng.normal(0, 1.5, 6)

    def _cost(q, counts=_counts):
        return -(counts * _log_ndtr(_np.subtract.outer(q, q) * _ndtri(0.75))).sum()

    _want = [(_cost(_q + _step) - _cost(_q - _step)) / 2e-5 for _step in 1e-5 * _np.eye(6)]
    assert _np.allclose(_np.asarray(gradient(_q, _counts), float), _want, atol=1e-4), (
        "the slope differs from small steps"
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "gradient_far_test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_got = _np.asarray(gradient(_np.array([0.0, 90.0]), _np.array([[0.0, 1.0], [0.0, 0.0]])), float)
assert _np.isfinite(_got).all(), f"not finite 90 JOD out: {_got}"
### BEGIN HIDDEN TESTS
# phi(z) / Phi(z) is about -z far out; at -200 / 1.4826 the error is below one percent.
_got = _np.asarray(gradient(_np.array([0.0, 200.0, 0.0]), _np.array([[0.0, 2, 0], [0, 0, 0], [0, 0, 0]])), float)
_want = 2 * 200 * 0.6744897501960817**2
assert _np.allclose(_got, [-_want, _want, 0], rtol=0.01), "the slope far out should grow like the distance"
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Fit, with a prior
#
# A photo that wins all its votes has no finite JOD (lesson 01, section 4). So add what we know before any vote: photos of
# one scene spread by a JOD or two, $q_i \sim N(0, s^2)$. We minimise
#
# $$-\log L(q) + \frac{1}{2 s^2}\sum_i q_i^2 .$$
#
# Write the fit. Use your `gradient` or let scipy estimate the slope: at ten photos both are quick.


# %% nbgrader={"grade": false, "grade_id": "fit", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fit(counts, prior_sd):
    """The qualities (N,) in JOD that minimise -log L plus the prior's term."""
    ### BEGIN SOLUTION

    def cost(q):
        likelihood = -(counts * log_ndtr((q[:, None] - q[None, :]) / SIGMA)).sum()
        return likelihood + (q**2).sum() / (2 * prior_sd**2)

    def slope(q):
        return gradient(q, counts) + q / prior_sd**2

    return minimize(cost, np.zeros(len(counts)), jac=slope, tol=1e-9).x
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "fit_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_got = _np.asarray(fit(_np.array([[0.0, 15], [5, 0]]), 100.0), float)
assert _np.allclose(_got[0] - _got[1], 1, atol=0.02), "15 to 5 is 1 JOD when the prior is as wide as 100 JOD"
_got = _np.asarray(fit(_np.array([[0.0, 15], [5, 0]]), 0.01), float)
assert _np.allclose(_got, 0, atol=0.02), "a prior of 0.01 JOD holds everything near 0"
### BEGIN HIDDEN TESTS
from pqa_lab.scaling import scale_counts as _scale_counts

for _seed, _sd in ((521, 1.5), (522, 0.7), (523, 3.0)):
    _counts = _np.random.default_rng(_seed).integers(0, 6, (5, 5)) * (1 - _np.eye(5, dtype=int))
    _want = _scale_counts(_counts, prior=_sd, ci="none").table["jod"]
    _got = _np.asarray(fit(_counts.astype(float), _sd), float)
    assert _np.allclose(_got, _want, atol=5e-3), f"the fit with the prior SD {_sd} differs"
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "fit_unanimous_test", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_got = _np.asarray(fit(_np.array([[0.0, 5], [0, 0]]), 1.5), float)
assert 0.5 < _got[0] - _got[1] < 4, (
    "five to nothing should be a JOD or two with the prior, neither nothing nor infinite"
)
### BEGIN HIDDEN TESTS
from pqa_lab.scaling import scale_counts as _scale_counts

_counts = _np.triu(_np.full((4, 4), 3), 1)
_want = _scale_counts(_counts, prior=1.2, ci="none").table["jod"]
assert _np.allclose(_np.asarray(fit(_counts.astype(float), 1.2), float), _want, atol=5e-3), "unanimous votes differ"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · How sure? From curvature to a covariance
#
# Near its minimum the cost looks like a bowl, and a steep bowl means a sure estimate. The covariance of $q$ is the inverse
# of the matrix of second derivatives. With $z = (q_i - q_j)/\sigma$ and $\lambda = \varphi(z)/\Phi(z)$,
#
# $$-\frac{d^2}{d(q_i-q_j)^2}\log\Phi = \frac{\lambda(\lambda + z)}{\sigma^2} =: w_{ij},\qquad
# H_{ij} = -(C_{ij} w_{ij} + C_{ji} w_{ji})\ (i \ne j),\qquad H_{ii} = -\sum_{j \ne i} H_{ij} + \frac{1}{s^2}.$$
#
# Without the prior's $1/s^2$ all rows of $H$ sum to zero and it has no inverse: votes have no zero.


# %% nbgrader={"grade": false, "grade_id": "covariance", "locked": false, "schema_version": 3, "solution": true, "task": false}
def covariance(q, counts, prior_sd):
    """Covariance (N, N) of the fitted qualities q (N,), in JOD squared."""
    ### BEGIN SOLUTION
    z = (q[:, None] - q[None, :]) / SIGMA  # (N, N)
    steep = np.exp(norm.logpdf(z) - log_ndtr(z))
    weight = counts * steep * (steep + z) / SIGMA**2
    weight = weight + weight.T
    hessian = np.diag(weight.sum(axis=1) + 1 / prior_sd**2) - weight
    return np.linalg.inv(hessian)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "covariance_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_counts = _np.array([[0.0, 15, 18], [5, 0, 14], [2, 6, 0]])
_got = _np.asarray(covariance(_np.array([0.9, 0.1, -1.0]), _counts, 1.5), float)
assert _got.shape == (3, 3), f"three photos have a 3 by 3 covariance, not {_got.shape}"
assert _np.allclose(_got, _got.T), "a covariance is symmetric"
_more = _np.asarray(covariance(_np.array([0.9, 0.1, -1.0]), 10 * _counts, 1.5), float)
_change = (_got[0, 0] + _got[1, 1] - 2 * _got[0, 1]) / (_more[0, 0] + _more[1, 1] - 2 * _more[0, 1])
assert 5 < _change < 11, "ten times the votes should make the variance of a difference nearly ten times smaller"
### BEGIN HIDDEN TESTS
from scipy.special import log_ndtr as _log_ndtr
from scipy.special import ndtri as _ndtri

for _seed, _sd in ((531, 1.5), (532, 0.6)):
    _rng = _np.random.default_rng(_seed)
    _counts = _rng.integers(0, 9, (4, 4)) * (1.0 - _np.eye(4))
    _q = _rng.normal(0, 1, 4)

    def _cost(q, counts=_counts, sd=_sd):
        return -(counts * _log_ndtr(_np.subtract.outer(q, q) * _ndtri(0.75))).sum() + (q**2).sum() / (2 * sd**2)

    _s = 1e-3 * _np.eye(4)
    _hessian = [[(_cost(_q + _a + _b) - _cost(_q + _a - _b) - _cost(_q - _a + _b) + _cost(_q - _a - _b)) / 4e-6
                 for _a in _s] for _b in _s]  # fmt: skip
    _got = _np.asarray(covariance(_q, _counts, _sd), float)
    assert _np.allclose(_got, _np.linalg.inv(_hessian), rtol=1e-3, atol=1e-5), "the covariance differs from small steps"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Is A better than B?
#
# Your client will ask about *differences*. Two photos' errors are correlated (a vote between them moves both, in opposite
# directions), so the interval of a difference does not follow from two intervals. For any covariance $V$,
#
# $$\operatorname{var}(q_a - q_b) = V_{aa} + V_{bb} - 2 V_{ab}.$$


# %% nbgrader={"grade": false, "grade_id": "difference", "locked": false, "schema_version": 3, "solution": true, "task": false}
def difference(q, cov, a, b, level=0.95):
    """(q_a - q_b, low, high): the difference of photos number a and b with its normal interval of that level."""
    ### BEGIN SOLUTION
    middle = q[a] - q[b]
    half = norm.ppf((1 + level) / 2) * np.sqrt(cov[a, a] + cov[b, b] - 2 * cov[a, b])
    return middle, middle - half, middle + half
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "difference_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
import numpy as _np

_got = difference(_np.array([1.0, 0.0]), _np.eye(2) / 2, 0, 1)
assert _np.allclose(_got, [1, 1 - 1.96, 1 + 1.96], atol=1e-3), (
    f"two independent photos of variance 1/2: 1 ± 1.96, not {_got}"
)
### BEGIN HIDDEN TESTS
from scipy.stats import norm as _norm

for _seed, _level in ((541, 0.95), (542, 0.8), (543, 0.99)):
    _rng = _np.random.default_rng(_seed)
    _root = _rng.normal(0, 1, (4, 4))
    _cov, _q = _root @ _root.T, _rng.normal(0, 1, 4)
    _c = _np.array([0.0, 1, 0, -1])
    _half = _norm.isf((1 - _level) / 2) * _np.sqrt(_c @ _cov @ _c)
    _want = [_c @ _q, _c @ _q - _half, _c @ _q + _half]
    assert _np.allclose(difference(_q, _cov, 1, 3, _level), _want, atol=1e-6), "another difference is wrong"
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · The panel is a sample, too
#
# The curvature believes that 720 votes are 720 independent opinions. They are those of twelve people, and a person's votes
# share the person's taste. The bootstrap over **observers** takes this seriously: draw as many observers as there are,
# *with replacement*, and take all votes of each drawn person (twice, if drawn twice).
#
# Write the resampling. It gets a generator; draw from nothing else. Each person has the same chance, however many votes
# they cast. Keep the table's columns. In the result, somebody who was drawn twice has all their rows twice: under their
# own name or, the second time, under a new one, as you like, for the fit does not read names. (Rows that repeat look like
# a mistake of recording, and `scale` refuses them unless told otherwise; `jods` knows that here they are meant.)


# %% nbgrader={"grade": false, "grade_id": "resample", "locked": false, "schema_version": 3, "solution": true, "task": false}
def resample_observers(votes, rng):
    """A votes table: as many observers as ``votes`` has, drawn with replacement, each draw with all their votes."""
    ### BEGIN SOLUTION
    people = votes["observer"].unique()
    drawn = rng.choice(people, size=len(people))
    return pd.concat([votes[votes["observer"] == name] for name in drawn], ignore_index=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "resample_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_table = _pd.DataFrame({"first": "a", "second": "b", "preferred": "first", "observer": ["x", "x", "x", "y", "z"]})
_table["answered_at"] = _np.arange(5)
_draws = [resample_observers(_table, _np.random.default_rng(_k)) for _k in range(250)]
assert all(set(_draw) >= {"first", "second", "preferred", "observer"} for _draw in _draws), "keep the table's columns"
_sizes = {len(_draw) for _draw in _draws}
assert _sizes == {3, 5, 7, 9}, (
    f"y and z may be drawn all three times, and so may x, with nine votes; your tables have {sorted(_sizes)} votes"
)
### BEGIN HIDDEN TESTS
from collections import Counter as _Counter

_rng = _np.random.default_rng(551)
_sizes = {"u": 2, "v": 4, "w": 6, "x": 8, "y": 10, "z": 20}  # a photo's name says whose vote it is
_rows = [(f"{_who}{_k}", "other", "first", _who) for _who, _size in _sizes.items() for _k in range(_size)]
_rows = [(_b, _a, "second", _who) if _rng.random() < 0.5 else (_a, _b, _p, _who) for _a, _b, _p, _who in _rows]
_table = _pd.DataFrame(_rows, columns=["first", "second", "preferred", "observer"]).assign(scene="one")
_table["answered_at"] = _np.arange(len(_table)) // 2
_table = _table.sample(frac=1, random_state=1)
_most, _drawn = 0, _Counter()
for _seed in range(80):
    _got = resample_observers(_table.copy(), _np.random.default_rng(_seed))
    _votes = _Counter(zip(_got["first"], _got["second"], _got["preferred"], strict=True))
    _times = {_who: {_votes.pop(_row[:3], 0) for _row in _rows if _row[3] == _who} for _who in _sizes}
    assert not _votes, "there are votes that nobody cast"
    assert all(len(_set) == 1 for _set in _times.values()), "take all votes of everyone who is drawn, equally often"
    _times = {_who: _set.pop() for _who, _set in _times.items()}
    assert sum(_times.values()) == 6, "six observers must be drawn where there are six"
    _whose = _got["first"].where(_got["first"] != "other", _got["second"]).str[0]
    assert (_whose.groupby(_got["observer"]).nunique() == 1).all(), "votes of two people stand under one name"
    if _seed < 5:
        _again = resample_observers(_table.copy(), _np.random.default_rng(_seed))
        assert list(_again["first"]) == list(_got["first"]), "draw from the generator that is given, and nothing else"
    _most += max(_times.values()) / 80
    _drawn.update(_times)
assert 1.7 < _most < 2.7, "the one drawn most should be drawn two or three times: with replacement"
assert all(45 < _drawn[_who] < 115 for _who in _sizes), "everyone has the same chance, with few votes or many"
### END HIDDEN TESTS

# %% [markdown]
# Now compare the two kinds of error on your own panel (this cell uses the library's fit, not yours). Below the table,
# `drawn` (60, N) holds the JODs of 60 redrawn panels: a column for each photo, in the order of `images`.

# %%
from pqa_lab.scaling import scale

fitted = scale(votes.drop(columns="observer"), prior=1.5, images=images).table.set_index("image").loc[images]
errors = fitted[["jod", "se"]].rename(columns={"se": "by curvature"})
try:
    rng = np.random.default_rng(0)
    drawn = np.array([jods(resample_observers(votes, rng), images) for _ in range(60)])
    errors["by observers"] = np.std(drawn, axis=0, ddof=1)
except NotImplementedError:
    print("Write resample_observers for the last column.")
except Exception as error:
    print(f"resample_observers, or the fit to its table, stopped with {error!r}")
print(errors.round(2).to_string())

# %% [markdown]
# ### Written answer 1 (5 points)
#
# Look at your table above. (a) Which of the two errors is larger for most photos, and why must it be so for *this* panel?
# Name two properties of the panel (one that any panel has; for the other, come back after task 7). (b) Take your first and
# second photo by JOD. Give their difference with two intervals of 95 %: by curvature (with your tasks 3 to 5), and by
# observers, ± 1.96 times the standard deviation of `drawn[:, a] - drawn[:, b]`. Would you tell the client that one is
# better, and on which interval do you rest it? (c) Your panel is 720 votes from twelve people. Instead, either 1,440 votes
# from the same twelve, or 720 votes from twenty-four people like them: what would each do to each of the two errors, about?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_errors", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (a) By observers, for most photos. Votes of one person share the person's taste (0.4 JOD a photo here),
# and two of the twelve answer something else (one reversed, one at random), so *who* is drawn matters a lot. The curvature
# takes all votes for independent. (b) Depends on the student's data: the two intervals, and a claim that fits the one by
# observers, for the client asks about people, not about these twelve. (c) 1,440 of the same twelve shrink the curvature's
# error by $\sqrt2$ and the observers' little, for it is mostly a matter of who sits there. 720 of twenty-four leave the
# curvature's as it is (it only counts votes) and shrink the observers' by up to $\sqrt2$. Simulated, means of five panels,
# in JOD: 0.15 and 0.26 now; 0.11 and 0.24 with 1,440 votes; 0.15 and 0.20 with twenty-four people.
#
# **Rubric.** (a) 1 for the direction read off one's own table (also when it is not the expected one, if said so), 1 for
# shared taste, 1 for the odd observers or "only twelve people". (b) 1 for a claim with the difference *and* the
# interval that it rests on, by observers or with a reason for the other; 0 if two overlapping intervals of single photos
# are the argument. (c) 1 for "votes help the one, people the other" with the square root.

# %% [markdown]
# ## 7 · Find the bad observer
#
# To judge a person fairly, do not let that person vote in the verdict: fit the scale to all *others*, then look how often
# the person sided with it.
#
# Write `agreement`: for every observer the number of votes for the photo that the others' scale puts higher (`agree`), and
# the number of that person's votes (`votes`). A person's ties say nothing here: leave them out of both columns. In the
# scale of the others, the others' ties count as ever. The library's fit is `jods(votes, images)`; do not use your own.


# %% nbgrader={"grade": false, "grade_id": "agreement", "locked": false, "schema_version": 3, "solution": true, "task": false}
def agreement(votes, images):
    """Table with the index observer and the columns agree and votes, counted against the scale of all others."""
    ### BEGIN SOLUTION
    rows = {}
    for name, own in votes.groupby("observer"):
        q = pd.Series(jods(votes[votes["observer"] != name], images), index=images)
        own = own[own["preferred"] != "tie"]
        first_is_better = q[own["first"]].to_numpy() > q[own["second"]].to_numpy()
        sided = first_is_better == (own["preferred"] == "first").to_numpy()
        rows[name] = {"agree": int(sided.sum()), "votes": len(own)}
    return pd.DataFrame.from_dict(rows, orient="index")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "agreement_test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
import numpy as _np
import pandas as _pd

_rows = [("a", "b", "first", _who) for _who in "xxxyyy"] + [("a", "b", "second", "z"), ("b", "a", "tie", "z")]
_table = _pd.DataFrame(_rows, columns=["first", "second", "preferred", "observer"])
_got = agreement(_table, ["a", "b"])
assert list(_np.sort(_got.index)) == ["x", "y", "z"], "one row an observer, the name as index"
assert _got.loc["x", "agree"] == 3, "x sides with the others three times"
assert _got.loc["z", "agree"] == 0, "z sides with the others never"
assert _got.loc["z", "votes"] == 1, "a tie says nothing: z has one vote"
### BEGIN HIDDEN TESTS
from pqa_lab.classroom.data import jods as _jods
from pqa_lab.classroom.data import photos as _photos
from pqa_lab.classroom.data import session as _session

for _seed in (561, 562, 568):  # in 568 the others' ties decide an order
    _votes, _names = _session(_seed, count=6, observers=4, each=40, ties=0.4), _photos(6)
    _got = agreement(_votes.sample(frac=1, random_state=1), _names)
    for _who in _votes["observer"].unique():
        _q = dict(zip(_names, _jods(_votes[_votes["observer"] != _who], _names), strict=True))
        _agree = _all = 0
        for _row in _votes[_votes["observer"] == _who].itertuples():
            _all += _row.preferred != "tie"
            _better = "first" if _q[_row.first] > _q[_row.second] else "second"
            _agree += _row.preferred == _better
        assert _got.loc[_who, "agree"] == _agree, "somebody's agreement in another session differs"
        assert _got.loc[_who, "votes"] == _all, "somebody's votes in another session differ"
### END HIDDEN TESTS

# %% [markdown]
# A share alone convicts nobody: 3 of 8 is bad luck, 30 of 80 is not. Under pure guessing the number of agreements is
# binomial with $p = 1/2$. Write the verdict:
#
# - **"reverser"** if so few agreements, or fewer, have a chance below 0.001 under guessing,
# - **"fine"** if so many agreements, or more, have a chance below 0.001 under guessing,
# - **"guesser"** otherwise: no better than guessing can be shown.


# %% nbgrader={"grade": false, "grade_id": "verdict", "locked": false, "schema_version": 3, "solution": true, "task": false}
def verdict(agree, votes):
    """ "reverser", "fine" or "guesser", for the number of agreements among so many votes."""
    ### BEGIN SOLUTION
    if binom.cdf(agree, votes, 0.5) < 0.001:
        return "reverser"
    if binom.sf(agree - 1, votes, 0.5) < 0.001:
        return "fine"
    return "guesser"
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "verdict_test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert verdict(60, 80) == "fine", "60 of 80 is far beyond guessing"
assert verdict(20, 80) == "reverser", "20 of 80 is far below guessing"
assert verdict(43, 80) == "guesser", "43 of 80 is what guessing looks like"
### BEGIN HIDDEN TESTS
from math import comb as _comb

for _n in (8, 10, 35, 60):
    for _k in range(_n + 1):
        _low = sum(_comb(_n, _m) for _m in range(_k + 1)) / 2**_n
        _high = sum(_comb(_n, _m) for _m in range(_k, _n + 1)) / 2**_n
        _want = "reverser" if _low < 0.001 else "fine" if _high < 0.001 else "guesser"
        assert verdict(_k, _n) == _want, f"{_k} of {_n} votes should be: {_want}"
### END HIDDEN TESTS

# %%
try:
    table = agreement(votes, images)
    table["verdict"] = [verdict(int(a), int(n)) for a, n in zip(table["agree"], table["votes"], strict=True)]
    print(table.sort_values("agree").to_string())
except NotImplementedError:
    print("Write agreement and verdict first.")
except Exception as error:
    print(f"agreement or verdict stopped with {error!r}")

# %% [markdown]
# ### Written answer 2 (5 points)
#
# A letter to the client, at most 250 words: who in *your* panel is what, with the evidence in numbers; whose votes you
# would leave out, if anybody's, and why. Fit with all votes and without those of the people that you suspect, and say what
# changes: the photo that changes most, in JOD, and the JODs as a whole. Was the client's suspicion right? If there is a
# reverser, those votes carry information: say how one could use them and why one might rather not.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_letter", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** Depends on the student's data: `pqa_lab.classroom.data.odd_ones(seed)` names the reverser and the guesser,
# `pqa-lab classroom seed "NAME" a1` the seed. The reverser agrees in about a quarter of the votes, the guesser in about half, all
# others in three quarters. Without the two, the JODs spread wider (their votes shrink all differences); the order of close
# photos may change. One could turn the reverser's votes round, but that rests on our reading of the person's mistake,
# decided after seeing the answers; leaving the votes out costs a twelfth of the data and no assumption.
#
# **Rubric.** 2 for both people with counts and the chance under guessing (1 if one is missing; full points for "not shown"
# where the student's own table honestly says so). 1 for JODs with and without and the photo that changes most. 1 for
# "all differences shrink with the odd votes in" or an equivalent explanation. 1 for turning round against leaving out, with a reason.

# %% [markdown]
# ### Written answer 3 (5 points)
#
# A colleague has a simpler rule: "leave out everybody whose agreement is more than one standard deviation below the mean".
# (a) Apply it to a panel of twelve honest people: how many will be left out, about, and what does the rule do to the
# intervals? (b) Apply it twice in a row: what happens? (c) Somebody with unusual but lasting taste (loves dark portraits)
# is caught by both, by the colleague's rule and by your verdict (not "fine"). Should that person be left out? Argue from
# what a JOD claims to be.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_rule", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
# **Model answer.** (a) About one in six of any panel, two of twelve, whatever they did: the threshold moves with the panel.
# The rest agree better with each other than people do, so intervals become too narrow, and the scale claims an agreement
# that was made by selection. (b) Again one in six of the rest, and again: it never ends, for there is always a lowest sixth.
# (c) No: 1 JOD says that 75 % of *people* prefer a photo, and this person is one of them. Taste is no error; a reversed key
# is. A rule must be about whether the task was done (against guessing, repeated pairs, times), and be fixed beforehand.
#
# **Rubric.** (a) 1 for about two of twelve, 1 for intervals too narrow or selection. (b) 1. (c) 1 for a position with the
# meaning of a JOD, 1 for separating "did not do the task" from "has another taste".
