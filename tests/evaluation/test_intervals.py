"""Intervals, paired tests, the label-noise ceiling, and what is saved of an evaluation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pqa_lab import evaluation
from pqa_lab.errors import InputError
from pqa_lab.evaluation.speed import benchmark
from pqa_lab.evaluation.uncertainty import over_scenes


def scores(seed=0, n_scenes=30, n=12, noise=(0.6, 1.5)):
    rng = np.random.default_rng(seed)
    jod = rng.normal(size=(n_scenes, n))
    frames = [
        pd.DataFrame(
            {
                "method": f"noise {sd}",
                "scene": np.repeat(np.arange(n_scenes), n),
                "image": np.tile(np.arange(n), n_scenes),
                "score": (jod + sd * rng.normal(size=jod.shape)).ravel(),
                "jod": jod.ravel(),
                "jod_std": 0.3,
            }
        )
        for sd in noise
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("statistic, function", [("median", np.nanmedian), ("mean", np.nanmean)])
def test_statistics_leave_nan_out(statistic, function):
    values = np.random.default_rng(0).normal(size=(40, 9))
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    np.testing.assert_allclose(over_scenes(values, statistic), function(values, axis=1))
    assert np.isnan(over_scenes(np.full(3, np.nan), statistic))


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_interval_is_scipys_percentile_bootstrap(statistic):
    values = np.random.default_rng(0).normal(size=(50, 3))
    ours = evaluation.interval(values, statistic, 4000)
    for column in range(3):
        theirs = stats.bootstrap(
            (values[:, column],), getattr(np, statistic), n_resamples=4000, method="percentile", rng=5
        ).confidence_interval
        np.testing.assert_allclose(ours[:, column], theirs, atol=0.05)


@pytest.mark.parametrize("statistic", ["median", "mean"])
@pytest.mark.parametrize("n_scenes", [1, 6, 7])
def test_replicates_are_the_statistic_of_drawn_scenes(statistic, n_scenes):
    values = np.random.default_rng(0).normal(size=(n_scenes, 4)).round(1)
    values[0, 1:3] = np.nan
    values[:, 2] = np.nan
    draws = np.random.default_rng(8).integers(n_scenes, size=(200, n_scenes))
    loop = np.stack([over_scenes(values[row].T, statistic) for row in draws])
    np.testing.assert_allclose(evaluation.replicates(values, statistic, 200, seed=8), loop, atol=1e-12)


def test_interval_covers():
    """95 % intervals of the mean of 40 scenes hold the truth about as often as they say."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.5, 0.3, size=(40, 400))
    low, high = evaluation.interval(values, "mean", 500)
    assert 0.9 < np.mean((low < 0.5) & (high > 0.5)) < 0.98


def test_replicates_are_paired():
    values = np.random.default_rng(0).normal(size=(20, 1))
    replicate = evaluation.replicates(np.hstack([values, values + 0.1]), resamples=300)
    np.testing.assert_allclose(replicate[:, 1] - replicate[:, 0], 0.1)


def test_paired_test_sees_a_real_difference_and_its_sign():
    frame = scores()
    better, worse = (part for _, part in frame.groupby("method"))
    result = evaluation.paired_test(better, worse, resamples=2000)
    medians = [evaluation.per_scene(part)["srcc"].median() for part in (better, worse)]
    assert result["difference"] == pytest.approx(medians[0] - medians[1])
    assert result["low"] > 0
    assert max(result[["p_bootstrap", "p_permutation", "p_wilcoxon"]]) < 0.01
    turned = evaluation.paired_test(worse, better, resamples=2000)
    assert turned["difference"] == -result["difference"]
    assert turned["high"] < 0
    one, two = (evaluation.per_scene(part)["srcc"] for part in (better, worse))
    assert result["p_wilcoxon"] == pytest.approx(stats.wilcoxon(one, two).pvalue)


def test_permutation_is_exact_on_few_scenes():
    """With five scenes all 32 swaps can be listed."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 5))
    differences = []
    for swap in range(32):
        flip = np.array([(swap >> i) & 1 for i in range(5)], dtype=bool)
        differences.append(np.where(flip, b, a).mean() - np.where(flip, a, b).mean())
    exact = np.mean(np.abs(differences) >= abs(a.mean() - b.mean()) - 1e-12)
    one, two = (pd.DataFrame({"scene": range(5), "srcc": v}) for v in (a, b))
    result = evaluation.paired_test(one, two, statistic="mean", resamples=20_000)
    assert result["p_permutation"] == pytest.approx(exact, abs=0.01)


def test_permutation_is_calibrated_under_the_null():
    rng, p = np.random.default_rng(0), []
    for _ in range(150):
        one, two = (pd.DataFrame({"scene": range(25), "srcc": rng.normal(size=25)}) for _ in range(2))
        p.append(evaluation.paired_test(one, two, resamples=200)["p_permutation"])
    assert np.mean(np.array(p) < 0.1) < 0.18


def test_a_method_against_itself():
    part = scores(noise=(1.0,))
    result = evaluation.paired_test(part, part, resamples=500)
    assert result["difference"] == 0
    assert result[["p_bootstrap", "p_permutation", "p_wilcoxon"]].tolist() == [1, 1, 1]


def test_compare_corrects_for_the_number_of_pairs():
    table = evaluation.compare(scores(noise=(0.5, 1.5, 1.6)), resamples=1000)
    assert len(table) == 3
    assert (table["p_holm"] >= table["p_permutation"]).all()
    assert table["p_holm"].min() == pytest.approx(3 * table["p_permutation"].min())
    with pytest.raises(InputError, match="two methods"):
        evaluation.compare(scores(noise=(1.0,)))


def test_undefined_scenes_leave_the_pair_counted():
    frame = scores()
    first, second = (part.copy() for _, part in frame.groupby("method"))
    first.loc[first["scene"] == 4, "score"] = 0.0
    result = evaluation.paired_test(first, second, resamples=200)
    assert (result["scenes"], result["undefined"]) == (29, 1)


def test_other_scenes_or_images_are_refused():
    first, second = (part for _, part in scores().groupby("method"))
    with pytest.raises(InputError, match=r"2 only in the first \(such as 0\)"):
        evaluation.paired_test(first, second[second["scene"] > 1])
    with pytest.raises(InputError, match="Scene 0 has 12 images in the first method and 11 in the second"):
        evaluation.paired_test(first, second.iloc[1:])
    with pytest.raises(InputError, match="no metric"):
        evaluation.paired_test(first, second, metric="rmse")
    scenes = evaluation.per_scene(first)
    with pytest.raises(InputError, match="scene occurs twice"):
        evaluation.paired_test(pd.concat([scenes, scenes]), scenes)


def test_ceiling_of_perfect_labels_is_one_and_falls_with_noise():
    frame = scores(noise=(0.0,), n=20)
    ceilings = [evaluation.label_noise_ceiling(frame.assign(jod_std=sd), 40) for sd in (0.0, 0.3, 1.0)]
    values = [evaluation.summarize(ceiling, resamples=0).loc["srcc", "median"] for ceiling in ceilings]
    assert values[0] == 1
    assert 1 > values[1] > values[2] > 0.5


def test_ceiling_equals_a_loop_over_noisy_copies():
    frame = scores(noise=(0.0,), n_scenes=3, n=15)
    rng, values = np.random.default_rng(9), []
    for _ in range(150):
        noisy = frame.assign(score=frame["jod"] + 0.3 * rng.normal(size=len(frame)))
        values.append(evaluation.per_scene(noisy, fit=False)[["srcc", "plcc", "krcc", "top1"]].to_numpy())
    ours = evaluation.label_noise_ceiling(frame, draws=150)[["srcc", "plcc", "krcc", "top1"]]
    np.testing.assert_allclose(ours, np.mean(values, axis=0), atol=0.12)
    np.testing.assert_allclose(ours[["srcc", "plcc", "krcc"]], np.mean(values, axis=0)[:, :3], atol=0.012)


def test_ceiling_needs_the_labels_noise():
    frame = scores(noise=(0.0,))
    with pytest.raises(InputError, match="jod_std"):
        evaluation.label_noise_ceiling(frame.drop(columns="jod_std"))
    with pytest.raises(InputError, match="negative"):
        evaluation.label_noise_ceiling(frame.assign(jod_std=-0.1))
    with pytest.raises(InputError, match="missing"):
        evaluation.label_noise_ceiling(frame.assign(jod_std=np.nan))


def test_a_saved_evaluation_redraws_its_table(tmp_path):
    frame = scores(noise=(1.0,)).drop(columns="method")
    path = evaluation.save_evaluation(frame, tmp_path / "new" / "run.parquet", method="rqnet", seed=3, split="scene")
    again = evaluation.load_evaluation(path)
    assert again.attrs["split"] == "scene"
    assert {"python", "numpy", "torch"} <= set(again.attrs["versions"])
    assert again.attrs["created"].startswith("20")
    assert set(again["method"]) == {"rqnet"}
    assert set(again["seed"]) == {3}
    pd.testing.assert_frame_equal(again[frame.columns], frame, check_names=False)
    pd.testing.assert_frame_equal(
        evaluation.summarize(again, resamples=200), evaluation.summarize(frame, resamples=200)
    )
    assert [p.name for p in path.parent.iterdir()] == ["run.parquet"]


def test_bad_files_get_one_clear_sentence(tmp_path):
    frame = scores(noise=(1.0,))
    with pytest.raises(InputError, match="no saved evaluation"):
        evaluation.load_evaluation(tmp_path / "none.parquet")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match="not a readable parquet"):
        evaluation.load_evaluation(tmp_path / "cut.parquet")
    frame.to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="not one that save_evaluation wrote"):
        evaluation.load_evaluation(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="lacks image"):
        evaluation.save_evaluation(frame.drop(columns="image"), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="repeat an image"):
        evaluation.save_evaluation(pd.concat([frame, frame]), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=".parquet"):
        evaluation.save_evaluation(frame, tmp_path / "x.csv", seed=0)


def test_an_unknown_seed_is_saved_as_unknown(tmp_path):
    path = evaluation.save_evaluation(scores(noise=(1.0,)), tmp_path / "run.parquet")
    assert evaluation.load_evaluation(path)["seed"].isna().all()


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    frame = scores(noise=(1.0,))
    path = evaluation.save_evaluation(frame, tmp_path / "run.parquet", seed=0)
    before = path.read_bytes()

    def full(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="space"):
        evaluation.save_evaluation(frame, path, seed=1)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.parquet"]


def test_the_benchmark_compares_equal_results():
    table = benchmark(scenes=6, images=8, methods=2, resamples=300)
    assert (table["largest_difference"].iloc[:2] < 1e-9).all()
    np.testing.assert_allclose(table["ratio"], table["scipy_s"] / table["ours_s"])
