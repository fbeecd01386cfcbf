"""What must hold of the protocol's metrics, on tables that hypothesis draws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pqa_lab.evaluation import challenge_score, per_scene

few = settings(max_examples=25, deadline=None, derandomize=True)
RANKS = ["srcc", "krcc", "pairwise_accuracy", "top1"]
# Whole numbers over 4, so that monotone maps below are exact and keep ties.
numbers = st.integers(-40, 40).map(lambda k: k / 4)


@st.composite
def tables(draw):
    """1 to 4 scenes of 1 to 9 images, with many ties."""
    rows = []
    for scene in range(draw(st.integers(1, 4))):
        for image in range(draw(st.integers(1, 9))):
            rows.append((f"s{scene}", f"i{image}", draw(numbers), draw(numbers)))
    return pd.DataFrame(rows, columns=["scene", "image", "score", "jod"])


def defined(table):
    values = table.to_numpy(float)
    return values[~np.isnan(values)]


def metrics(frame, columns):
    return per_scene(frame, fit=False).set_index("scene")[columns]


MAPS = {
    "exponential": lambda x: np.exp2(x / 4),
    "cube": lambda x: x**3,
    "affine": lambda x: 3 * x - 7,
    "arctan": np.arctan,
}


@pytest.mark.parametrize("name", MAPS)
@few
@given(frame=tables())
def test_ranks_see_only_the_order(name, frame):
    for column in ("score", "jod"):
        moved = frame.assign(**{column: MAPS[name](frame[column])})
        pd.testing.assert_frame_equal(metrics(moved, RANKS), metrics(frame, RANKS))


@few
@given(frame=tables(), shifts=st.lists(numbers, min_size=4, max_size=4), scales=st.lists(st.integers(1, 9), min_size=4))
def test_each_scene_may_have_its_own_units(frame, shifts, scales):
    scene = frame["scene"].str[1:].astype(int).to_numpy()
    a, b = np.array(scales)[scene], np.array(shifts)[scene]
    all_of_them = [*RANKS, "plcc", "challenge"]
    for column in ("score", "jod"):
        moved = frame.assign(**{column: a * frame[column] + b})
        pd.testing.assert_frame_equal(metrics(moved, all_of_them), metrics(frame, all_of_them), atol=1e-9)


@few
@given(frame=tables())
def test_bounds_and_symmetry(frame):
    columns = ["srcc", "plcc", "krcc"]
    table = metrics(frame, [*columns, "pairwise_accuracy", "top1"])
    assert (np.abs(defined(table[columns])) <= 1).all()
    shares = defined(table[["pairwise_accuracy", "top1"]])
    assert ((shares >= 0) & (shares <= 1)).all()
    turned = metrics(frame.rename(columns={"score": "jod", "jod": "score"}), columns)
    pd.testing.assert_frame_equal(turned, table[columns], atol=1e-12)
    pd.testing.assert_frame_equal(metrics(frame.assign(score=-frame["score"]), columns), -table[columns], atol=1e-12)
    accuracy = metrics(frame.assign(score=-frame["score"]), ["pairwise_accuracy"])
    pd.testing.assert_frame_equal(accuracy, 1 - table[["pairwise_accuracy"]], atol=1e-12)


@few
@given(frame=tables())
def test_a_perfect_scorer_has_one_everywhere_that_is_defined(frame):
    perfect = metrics(frame.assign(score=frame["jod"]), ["srcc", "plcc", "krcc", "pairwise_accuracy", "top1"])
    assert (defined(perfect) == 1).all()
    constant = frame.groupby("scene")["jod"].nunique() == 1
    pd.testing.assert_series_equal(perfect["srcc"].isna(), constant, check_names=False)


@few
@given(frame=tables(), seed=st.integers(0, 99))
def test_order_of_rows_names_of_scenes_and_other_scenes_do_not_matter(frame, seed):
    columns = [*RANKS, "plcc", "challenge"]
    mixed = frame.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(metrics(mixed, columns), metrics(frame, columns), atol=1e-12)
    alone = [metrics(part, columns) for _, part in frame.groupby("scene")]
    pd.testing.assert_frame_equal(pd.concat(alone), metrics(frame, columns), atol=1e-12)
    renamed = metrics(frame.assign(scene=frame["scene"].str.replace("s", "z")), columns)
    np.testing.assert_allclose(renamed.to_numpy(), metrics(frame, columns).to_numpy(), atol=1e-12)
    assert challenge_score(mixed) == pytest.approx(challenge_score(frame), nan_ok=True)


@few
@given(n=st.integers(3, 9), seed=st.integers(0, 9999))
def test_putting_one_wrong_pair_right_helps_kendall_and_spearman(n, seed):
    """A scorer without ties, two neighbours in its order that stand the wrong way: swapped, both correlations rise."""
    jod, score = np.arange(n, dtype=float), np.random.default_rng(seed).permutation(n).astype(float)
    order = np.argsort(score)
    wrong = [k for k in range(n - 1) if jod[order[k]] > jod[order[k + 1]]]
    if not wrong:
        return
    k = wrong[0]
    better = score.copy()
    better[[order[k], order[k + 1]]] = better[[order[k + 1], order[k]]]
    before, after = (metrics(pd.DataFrame({"scene": "s", "score": s, "jod": jod}), RANKS) for s in (score, better))
    assert (after[["srcc", "krcc", "pairwise_accuracy"]] > before[["srcc", "krcc", "pairwise_accuracy"]]).all(axis=None)
