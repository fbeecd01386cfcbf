"""The protocol against scipy and naive loops, on ties, on degenerate scenes and on bad tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import least_squares
from scipy.special import expit

from pqa_lab import evaluation
from pqa_lab.errors import InputError
from pqa_lab.evaluation.logistic import fit_logistic


def table(seed=0, sizes=(7, 20, 3, 45, 2), digits=1):
    """Scenes of unequal size in shuffled rows; one digit makes many ties."""
    rng = np.random.default_rng(seed)
    scene = np.repeat([f"scene {c}" for c in "dbeac"[: len(sizes)]], sizes)
    jod = rng.normal(size=len(scene)).round(digits)
    score = (0.8 * jod + rng.normal(size=len(scene))).round(digits)
    frame = pd.DataFrame({"scene": scene, "score": score, "jod": jod})
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def by_scipy(frame, variant="b"):
    rows = {}
    for scene, g in frame.groupby("scene"):
        rows[scene] = [
            stats.spearmanr(g.score, g.jod)[0],
            stats.pearsonr(g.score, g.jod)[0],
            stats.kendalltau(g.score, g.jod, variant=variant)[0],
        ]
    return pd.DataFrame(rows, index=["srcc", "plcc", "krcc"]).T


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_agrees_with_scipy(seed, digits):
    frame = table(seed, sizes=(7, 20, 9, 45, 30), digits=digits)
    ours = evaluation.per_scene(frame, fit=False).set_index("scene")
    assert list(ours.index) == sorted(frame.scene.unique())
    np.testing.assert_allclose(ours[["srcc", "plcc", "krcc"]], by_scipy(frame), rtol=0, atol=1e-12)
    assert ours["n"].to_dict() == frame.groupby("scene").size().to_dict()
    np.testing.assert_allclose(ours["challenge"], by_scipy(frame).mean(axis=1), rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=40),
    scale=st.sampled_from([1.0, 1e-150, 1e150, 1e-9]),
    shift=st.sampled_from([0.0, 1e3]),
)
def test_any_small_table_agrees_with_loops(rows, scale, shift):
    frame = pd.DataFrame(rows, columns=["scene", "score", "jod"]).astype({"score": float, "jod": float})
    frame["score"] = frame["score"] * scale + (shift if scale == 1 else 0)
    ours = evaluation.per_scene(frame, fit=False).set_index("scene")
    for scene, g in frame.groupby("scene"):
        x, y = g.score.to_numpy() / scale, g.jod.to_numpy()
        pairs = [(x[i] - x[j], y[i] - y[j]) for i in range(len(g)) for j in range(i)]
        agreement = sum(np.sign(a) * np.sign(b) for a, b in pairs)
        untied_x, untied_y = sum(a != 0 for a, _ in pairs), sum(b != 0 for _, b in pairs)
        row = ours.loc[scene]
        if untied_x == 0 or untied_y == 0:
            assert row[["srcc", "plcc", "krcc", "challenge"]].isna().all()
            assert row["undefined"] == (
                "one image" if len(g) == 1 else "constant score" if untied_x == 0 else "constant jod"
            )
        else:
            assert row["undefined"] == ""
            assert row["krcc"] == pytest.approx(agreement / np.sqrt(untied_x * untied_y), abs=1e-12)
            assert row["srcc"] == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
            assert row["plcc"] == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-9)
        if untied_y:
            right = sum(0.5 if a == 0 else float((a > 0) == (b > 0)) for a, b in pairs if b != 0)
            assert row["pairwise_accuracy"] == pytest.approx(right / untied_y)
            top = y[x == x.max()]
            assert row["top1"] == pytest.approx((top == y.max()).mean())
        else:
            assert np.isnan(row["pairwise_accuracy"])
            assert np.isnan(row["top1"])


def test_tie_policies():
    frame = pd.DataFrame({"scene": 0, "score": [1.0, 1, 2, 3], "jod": [1.0, 2, 2, 0]})
    # pairs: 2 tied (one a side), 1 concordant (0, 2), 3 discordant (0, 3), (1, 3), (2, 3)
    value = {ties: evaluation.per_scene(frame, ties=ties)["krcc"][0] for ties in ("a", "b", "gamma")}
    assert value == {"a": pytest.approx(-2 / 6), "b": pytest.approx(-2 / 5), "gamma": pytest.approx(-2 / 4)}
    with pytest.raises(InputError, match="gamma"):
        evaluation.per_scene(frame, ties="c")


def test_by_splits_like_separate_calls():
    frames = {m: table(s) for s, m in enumerate(["x", "y"])}
    both = pd.concat([f.assign(method=m) for m, f in frames.items()])
    ours = evaluation.per_scene(both, by="method")
    for method, frame in frames.items():
        part = ours[ours.method == method].drop(columns="method").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, evaluation.per_scene(frame))
    summary = evaluation.summarize(both, by=["method"], resamples=50)
    assert summary.loc[("y", "srcc"), "median"] == evaluation.per_scene(frames["y"])["srcc"].median()


def test_undefined_scenes_are_counted_not_hidden():
    good = table(1, sizes=(9, 9, 9), digits=9)
    bad = pd.DataFrame(
        {
            "scene": ["lone"] + ["flat"] * 3 + ["equal"] * 3,
            "score": [1.0] + [0.3] * 3 + [1.0, 2, 3],
            "jod": [1.0] + [1.0, 2, 3] + [0.5] * 3,
        }
    )
    scenes = evaluation.per_scene(pd.concat([good, bad])).set_index("scene")
    assert scenes["undefined"].to_dict()["lone"] == "one image"
    assert scenes.loc["flat", "undefined"] == "constant score"
    assert scenes.loc["equal", "undefined"] == "constant jod"
    summary = evaluation.summarize(pd.concat([good, bad]), resamples=200)
    assert summary.loc["srcc", "scenes"] == 6
    assert summary.loc["srcc", "undefined"] == 3
    assert summary.loc["pairwise_accuracy", "undefined"] == 2  # a flat scorer still meets pairs: one half
    assert summary.loc["srcc", "median"] == pytest.approx(evaluation.per_scene(good)["srcc"].median())
    only_bad = evaluation.summarize(bad, resamples=200)
    assert only_bad.loc["srcc", ["median", "mean", "median_low", "mean_high"]].isna().all()
    assert only_bad.loc["srcc", "undefined"] == only_bad.loc["srcc", "scenes"] == 3


def test_challenge_score_is_the_median_of_per_scene_means():
    frame = table(2, sizes=(7,) * 5, digits=9)
    scenes = by_scipy(frame).mean(axis=1)
    assert evaluation.challenge_score(frame) == pytest.approx(scenes.median(), abs=1e-12)
    assert evaluation.summarize(frame, resamples=0).loc["challenge", "median"] == pytest.approx(scenes.median())


def test_pooling_over_scenes_would_lie():
    """Perfect within every scene, scales unrelated between scenes: the protocol sees 1."""
    frame = pd.DataFrame(
        {"scene": np.repeat([0, 1], 5), "score": np.arange(10.0), "jod": [10.0, 11, 12, 13, 14, 0, 1, 2, 3, 4]}
    )
    assert stats.spearmanr(frame.score, frame.jod)[0] < 0
    assert evaluation.summarize(frame, resamples=0).loc["srcc", "median"] == 1


def test_logistic_recovers_a_saturating_scorer():
    rng = np.random.default_rng(0)
    score = rng.uniform(-4, 4, size=60)
    jod = 3 / (1 + np.exp(-(score - 0.5) / 0.4)) - 1
    fitted, correlation = fit_logistic(score, jod)
    assert correlation == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(fitted, jod, atol=1e-4)
    row = evaluation.per_scene(pd.DataFrame({"scene": 0, "score": score, "jod": jod})).iloc[0]
    assert row["plcc_logistic"] == pytest.approx(1, abs=1e-6)
    assert row["mae"] == pytest.approx(0, abs=1e-4)
    assert row["plcc"] < 0.97


def test_logistic_does_not_depend_on_units_and_keeps_the_sign():
    frame = table(3, sizes=(40, 30), digits=9)
    moved = frame.assign(score=frame["score"] * 1e4 - 77)
    names = ["plcc_logistic", "mae"]
    ours, other = evaluation.per_scene(frame)[names], evaluation.per_scene(moved)[names]
    np.testing.assert_allclose(ours, other, rtol=1e-4)
    assert (ours["plcc_logistic"] >= evaluation.per_scene(frame)["plcc"] - 1e-6).all()  # a line is nearly a logistic
    flipped = evaluation.per_scene(frame.assign(score=-frame["score"]))
    np.testing.assert_allclose(flipped["plcc_logistic"], -ours["plcc_logistic"], rtol=1e-4)


@pytest.mark.parametrize("n, noise", [(7, 0.3), (7, 2.0), (40, 0.5), (100, 1.5)])
def test_logistic_is_no_worse_than_scipys_best_of_many_starts(n, noise):
    rng = np.random.default_rng(n)
    score = rng.normal(size=n)
    jod = 2 * expit(1.5 * score) + noise * rng.normal(size=n)

    def residual(b):
        return b[1] + (b[0] - b[1]) * expit((score - b[2]) / np.exp(np.clip(b[3], -3.9, 2.9))) - jod

    starts = [(s * np.ptp(jod), 0.0, c, w) for s in (1, -1) for c in (-1.0, 0.0, 1.0) for w in (-2.0, 0.0)]
    best = min(np.square(least_squares(residual, start, max_nfev=200).fun).sum() for start in starts)
    fitted, _ = fit_logistic(score, jod)
    assert np.square(fitted - jod).sum() <= best * 1.02


def test_logistic_failures_are_nan():
    rng = np.random.default_rng(0)
    assert fit_logistic(rng.normal(size=4), rng.normal(size=4)) is None
    assert fit_logistic(np.ones(9), rng.normal(size=9)) is None
    four = pd.DataFrame({"scene": 0, "score": [1.0, 2, 3, 4], "jod": [1.0, 3, 2, 4]})
    assert evaluation.per_scene(four)[["plcc_logistic", "mae"]].isna().all(axis=None)
    assert evaluation.summarize(four, resamples=0).loc["mae", "undefined"] == 1


def named(frame):
    return frame.assign(image=[f"{i}.jpg" for i in range(len(frame))])


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        (lambda f: f.drop(columns="jod"), "lacks jod"),
        (lambda f: f.iloc[:0], "no row"),
        (lambda f: f.assign(score=f["score"].where(f.index != 3)), "1 of 77 images have no score, the first in scene"),
        (lambda f: f.assign(jod=np.inf), "77 of 77 images have no jod"),
        (lambda f: f.assign(scene=f["scene"].where(f.index > 1)), "2 of 77 images have no scene"),
        (lambda f: f.assign(score=f["score"].astype(str)), "not a number"),
        (lambda f: pd.concat([f, f.iloc[:2]]), "2 rows repeat an image"),
        (lambda f: pd.concat([f, f.iloc[:2]]).drop(columns="image"), "2 rows repeat an image"),
        (lambda f: f.to_dict(), "one row an image, not a dict"),
    ],
)
def test_bad_tables_get_one_clear_sentence(spoil, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        evaluation.per_scene(spoil(named(table(0, digits=9))))
    assert "\n" not in str(caught.value)


def test_the_same_image_under_two_methods_is_no_duplicate():
    frame = named(table(0))
    both = pd.concat([frame.assign(method="a"), frame.assign(method="b")])
    assert len(evaluation.per_scene(both, by="method")) == 10
    with pytest.raises(InputError, match="repeat an image"):
        evaluation.per_scene(both)
