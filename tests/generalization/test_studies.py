"""Generalization studies on made-up scores: a planted effect is found, none is invented."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pqa_lab import generalization
from pqa_lab.errors import InputError
from pqa_lab.evaluation import load_evaluation, replicates, save_evaluation
from pqa_lab.generalization import finding
from pqa_lab.generalization.pairs import probe_quality, probe_scene, ridge, same_scene_pairs, srcc_at


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(finding, "RESAMPLES", 2000)
    monkeypatch.setattr(generalization.scores, "RESAMPLES", 2000)
    monkeypatch.setattr(generalization.probes, "BOOTSTRAPS", 100)


def scores(seed=0, scenes=40, n=24, noise=0.8):
    """Scores that are the quality and an error, the same for every photo."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"scene": np.repeat([f"s{k:02d}" for k in range(scenes)], n), "image": range(scenes * n)})
    frame["truth"] = rng.normal(size=len(frame))
    frame["jod"] = frame["truth"]
    frame["score"] = frame["truth"] + noise * rng.normal(size=len(frame))
    return frame


def known_new(seed=0, drop=0.0, n=8, scenes=40):
    rng = np.random.default_rng([seed, 1])
    frame = scores(seed, scenes, n).assign(held_out=True)
    parts = [
        frame.assign(known=known, score=frame["jod"] + (0.6 + drop * (not known)) * rng.normal(size=len(frame)))
        for known in (True, False)
    ]
    return pd.concat(parts, ignore_index=True)


def last(table):
    return table[table["is_difference"]].iloc[-1]


def share(test, worlds=20):
    return np.mean([bool(test(seed)) for seed in range(worlds)])


def test_a_planted_drop_is_found_and_is_the_mean_of_the_paired_differences():
    frame = known_new(drop=1.5)
    found = generalization.known_and_new(frame)
    expected = [
        stats.spearmanr(*part.loc[~part["known"], ["score", "jod"]].T.to_numpy()).statistic
        - stats.spearmanr(*part.loc[part["known"], ["score", "jod"]].T.to_numpy()).statistic
        for _, part in frame.groupby("scene")
    ]
    assert last(found.table)["value"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert last(found.table)["high"] < 0
    assert "new scenes are ranked worse" in found.reading
    assert "no effect" not in found.reading
    assert found.table["images"].iloc[0] == 8


def test_without_an_effect_the_interval_covers_zero():
    def covered(seed):
        row = last(generalization.known_and_new(known_new(seed)).table)
        return row["low"] <= 0 <= row["high"]

    assert share(covered) >= 0.8
    reading = next(
        f.reading for f in (generalization.known_and_new(known_new(s)) for s in range(9)) if "no effect" in f.reading
    )
    assert "covers 0" in reading


@pytest.mark.parametrize("scenes, least", [(5, 0.90), (12, 0.925)])
def test_the_interval_of_a_few_scenes_covers_more_than_plain_percentiles(scenes, least):
    rng, inside, plain = np.random.default_rng(0), [], []
    for _ in range(400):
        draws = replicates(rng.normal(size=(scenes, 1)), "mean", 1000)[:, 0]
        for found, (low, high) in (
            (inside, finding.bounds(draws, scenes)),
            (plain, np.quantile(draws, [0.025, 0.975])),
        ):
            found.append(low <= 0 <= high)
    assert np.mean(inside) > least > np.mean(plain), (np.mean(inside), np.mean(plain))


def test_one_scene_has_no_interval():
    row = finding.contrast(pd.DataFrame({"a": [1.0, np.nan]})).iloc[0]
    assert np.isnan([row["low"], row["high"]]).all()
    assert row["undefined"] == 1


def test_seeds_are_averaged_inside_scenes_and_undefined_scenes_are_counted():
    frame = pd.concat([known_new(s, scenes=10).assign(seed=s) for s in (0, 1)], ignore_index=True)
    frame.loc[frame["scene"] == "s03", "score"] = 1.0
    found = generalization.known_and_new(frame)
    assert found.table["scenes"].tolist() == [9, 9, 9]
    assert found.table["undefined"].tolist() == [1, 1, 1]
    assert "in up to 1 scenes a value is undefined" in found.reading


def test_images_that_were_learnt_from_do_not_count():
    frame = known_new(drop=1.5)
    learnt = frame.assign(held_out=False, score=frame["jod"], image=frame["image"] + 10**6)
    tables = [generalization.known_and_new(f).table for f in (frame, pd.concat([frame, learnt], ignore_index=True))]
    pd.testing.assert_frame_equal(*tables)


def test_a_condition_left_out():
    frame = known_new(drop=0.0)
    frame["condition"] = np.where(frame["scene"] < "s20", "night", "indoor")
    bad = (frame["condition"] == "night") & ~frame["known"]
    frame.loc[bad, "score"] = np.random.default_rng(5).normal(size=bad.sum())
    found = generalization.left_out(frame)
    row = found.table.set_index("group")
    assert row.loc["night: new − known", "high"] < 0
    assert row.loc["indoor: new − known", "low"] < 0 < row.loc["indoor: new − known", "high"]
    assert "the largest change is that of night" in found.reading


def test_scenes_or_images():
    parts = []
    for count, noise in ((2, 2.0), (4, 1.4), (8, 0.9), (16, 0.5)):
        part = scores(count, noise=noise).assign(train_scenes=count, images_per_scene=64 // count)
        part["jod"] = scores(0)["jod"]
        part["score"] += part["jod"] - part["truth"]
        parts.append(part)
    found = generalization.scenes_or_images(pd.concat(parts, ignore_index=True))
    assert "more scenes are better" in found.reading
    assert found.table["low"].iloc[-1] > 0
    assert found.table["group"].iloc[0] == "2 scenes × 32 images"


def toned(seed=0, bias=0.0, extra=0.0, worse=0.0, narrow=1.0, label_noise=0.0, scenes=40):
    """Six light, medium and dark photos a scene; what is planted concerns the dark ones."""
    rng = np.random.default_rng([seed, 1])
    frame = scores(seed, scenes, 18).assign(tone=np.tile(np.repeat([2, 5, 9], 6), scenes))
    dark = (frame["tone"] == 9).to_numpy()
    truth = frame["truth"] * np.where(dark, narrow, 1) - worse * dark
    noise = 0.6 * rng.normal(size=len(frame)) + extra * dark * rng.normal(size=len(frame))
    jod = truth + label_noise * rng.normal(size=len(frame))
    return frame.assign(truth=truth, score=truth + noise + bias * dark, jod=jod, jod_std=label_noise)


def dark(found, kind):
    return found.table.set_index("group").loc[f"{kind}, tones 7–10"]


def test_tones_scored_below_their_quality_are_flagged():
    found = generalization.tones(toned(bias=-0.5))
    assert dark(found, "level")["flagged"]
    assert dark(found, "level")["value"] < 0
    assert not dark(found, "order")["flagged"]
    assert "flagged" in found.reading
    assert "level, tones 7–10" not in found.reading
    assert "tones 7–10 (level" in found.reading


def test_tones_ranked_worse_are_flagged():
    found = generalization.tones(toned(extra=2.0))
    assert dark(found, "order")["flagged"]
    assert "tones 7–10 (order" in found.reading


def test_every_pair_of_a_scene_once():
    frame = toned(scenes=3).assign(seed=0)
    frame.loc[0, "jod"] = frame.loc[1, "jod"]
    frame.loc[4, "score"] = frame.loc[5, "score"]
    pairs = same_scene_pairs(frame.sample(frac=1, random_state=1), "tone")
    loops = []
    for scene, part in frame.groupby("scene"):
        for (_, a), (_, b) in combinations(part.iterrows(), 2):
            if a["jod"] != b["jod"]:
                right = 0.5 if a["score"] == b["score"] else float((a["score"] > b["score"]) == (a["jod"] > b["jod"]))
                loops.append((scene, *sorted((a["tone"], b["tone"])), round(abs(a["jod"] - b["jod"]), 9), right))
    tones = np.sort(pairs[["first", "second"]], axis=1)
    ours = zip(pairs["scene"], tones[:, 0], tones[:, 1], pairs["gap"].round(9), pairs["right"], strict=True)
    assert sorted(ours) == sorted(loops)


def test_no_tone_is_flagged_without_a_reason():
    assert share(lambda s: generalization.tones(toned(s)).table["flagged"].any()) <= 0.2


def test_photos_that_are_worse_or_alike_are_no_bias():
    """The dark photos really are worse, known only from noisy labels; or they lie closer together."""
    worse = [generalization.tones(toned(s, worse=1.5, label_noise=0.7)) for s in range(10)]
    assert np.mean([f.table["flagged"].any() for f in worse]) <= 0.3
    uncorrected = [generalization.tones(f.scores.drop(columns="jod_std")) for f in worse]
    assert np.mean([dark(f, "level")["flagged"] for f in uncorrected]) >= 0.7  # what the correction is for
    close = [generalization.tones(toned(s, narrow=0.3)) for s in range(10)]
    assert np.mean([dark(f, "order")["flagged"] for f in close]) <= 0.2
    accuracy = close[0].table.set_index("group")["accuracy"]
    assert accuracy["order, tones 7–10"] < accuracy["order, tones 1–3"] - 0.1


def tiered(seed=0, narrow=1.0, extra=0.0):
    rng = np.random.default_rng([seed, 1])
    frame = scores(seed, 60, 24)
    high = np.tile(np.repeat([False, True], 12), 60)
    jod = frame["truth"] * np.where(high, narrow, 1)
    score = jod + (0.5 + extra * high) * rng.normal(size=len(frame))
    return frame.assign(tier=np.where(high, "high", "low"), jod=jod, score=score)


def test_quality_gap_tells_closer_photos_from_a_worse_model():
    closer = generalization.quality_gap(tiered(narrow=0.3))
    assert closer.table["high"][2] < 0
    assert "closer labels can explain it" in closer.reading
    worse = generalization.quality_gap(tiered(extra=1.5))
    assert last(worse.table)["high"] < 0
    assert "the model itself is worse on them" in worse.reading
    even = generalization.quality_gap(tiered())
    assert even.table["low"][2] < 0 < even.table["high"][2]
    assert "no effect is resolved" in even.reading


def test_srcc_at_fewer_images_is_the_mean_of_all_subsets():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 7))
    y += x
    every = [stats.spearmanr(x[list(c)], y[list(c)]).statistic for c in combinations(range(7), 4)]
    assert srcc_at(x, y, 4, draws=6000) == pytest.approx(np.mean(every), abs=0.02)
    assert srcc_at(x, y, 7) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert np.isnan(srcc_at(x, y, 8))
    assert np.isnan(srcc_at(np.ones(5), y[:5], 4))


def test_label_scale():
    frame = scores(noise=0.7)
    table = generalization.label_scale(frame).table
    for _, part in table.iterrows():
        rows = frame[frame["scene"] == part["scene"]]
        parts = part[["offset", "scale", "disorder"]].sum()
        assert parts == pytest.approx(((rows["score"] - rows["jod"]) ** 2).mean(), abs=1e-12)
        line = np.polyval(np.polyfit(rows["score"], rows["jod"], 1), rows["score"])
        assert part["mae_own_scale"] == pytest.approx(np.abs(line - rows["jod"]).mean(), abs=1e-9)
    # The order is perfect, the scale is each scene's own: SRCC 1 and a large MAE that the scene's line removes.
    k = frame["scene"].str[1:].astype(int)
    shifted = generalization.label_scale(frame.assign(score=(frame["jod"] + k) * 2.0))
    assert (shifted.table["srcc"] > 1 - 1e-9).all()
    assert shifted.table["mae"].max() > 10
    assert shifted.table["mae_own_scale"].max() < 1e-9
    assert "100 % of the squared error is the scene's offset" in shifted.reading


def confident(sure_of_new):
    rng = np.random.default_rng(0)
    frame = known_new(n=6, scenes=12)
    names = np.sort(frame["scene"].unique())
    high = frame["known"] | sure_of_new
    frame["confidence"] = np.where(high, rng.uniform(0.92, 1, len(frame)), rng.uniform(0.1, 0.4, len(frame)))
    frame["named"] = np.where(frame["known"], frame["scene"], np.roll(names, 1)[np.searchsorted(names, frame["scene"])])
    return frame


def test_a_classifier_that_is_confidently_wrong_is_shown():
    wrong = generalization.scene_confidence(confident(True))
    assert "100 % (100 to 100) of the photos are named with at least 0.9" in wrong.reading
    assert "no effect is resolved" in wrong.reading
    honest = generalization.scene_confidence(confident(False))
    assert "less sure of new scenes" in honest.reading
    assert " 0 % (0 to 0) of the photos" in honest.reading
    areas = [f.table.set_index("what").loc["known told from new by confidence", "value"] for f in (wrong, honest)]
    loops = []
    for _, part in wrong.scores.groupby("scene"):
        a, b = (part.loc[part["known"] == word, "confidence"].to_numpy() for word in (True, False))
        loops.append(np.mean(a[:, None] > b[None, :]))
    assert areas[0] == pytest.approx(np.mean(loops), abs=1e-12)
    assert areas[1] == 1


def test_shortcut_tells_the_scene_from_the_quality():
    frame = scores(scenes=20)
    rng = np.random.default_rng(3)
    frame["subject"] = np.arange(len(frame)) % 4
    scene = rng.normal(size=20)[np.repeat(np.arange(20), 24)]
    person = rng.normal(size=(20, 4))[np.repeat(np.arange(20), 24), frame["subject"]]

    def shares(score):
        return generalization.shortcut(frame.assign(score=score)).table["value"].to_numpy()

    noise = 0.5 * rng.normal(size=len(frame))
    reader = shares(frame["truth"] + noise)
    assert abs(reader[0]) < 0.05
    assert abs(reader[1]) < 0.05
    assert reader[2] == pytest.approx(0.8, abs=0.08)
    np.testing.assert_array_less([0.6, -0.05, -0.05], shares(2 * scene + noise))
    assert shares(2 * scene + noise)[2] < 0.05
    assert shares(frame["truth"] + person + noise)[1] > 0.25


def test_probes():
    frame = scores(scenes=15)
    rng = np.random.default_rng(0)
    code = np.unique(frame["scene"], return_inverse=True)[1]
    noise = rng.normal(size=(len(frame), 10))
    assert probe_scene(np.c_[np.eye(15)[code], noise], frame["scene"].to_numpy()).mean() > 0.95
    assert probe_scene(noise, frame["scene"].to_numpy()).mean() < 0.2
    read = probe_quality(np.c_[frame["jod"], noise], frame["jod"].to_numpy(), frame["scene"].to_numpy())
    assert stats.spearmanr(read, frame["jod"]).statistic > 0.95
    # A quality that is only a property of the scenes cannot be carried over to new scenes.
    read = probe_quality(np.eye(15)[code], code.astype(float), frame["scene"].to_numpy())
    assert abs(stats.spearmanr(read, code).statistic) < 0.9
    found = generalization.shortcut(frame.assign(features=list(np.eye(15)[code])))
    assert "names the scene of 100 %" in found.reading
    assert "by chance 7 %" in found.reading


def test_ridge_chooses_a_strength_that_predicts():
    rng = np.random.default_rng(0)
    weights = np.zeros((30, 1))
    weights[:2] = 1
    x, new = rng.normal(size=(40, 30)), rng.normal(size=(500, 30))
    y = x @ weights + 1.5 * rng.normal(size=(40, 1)) + 7
    error = ((ridge(x, y, new) - new @ weights - 7) ** 2).mean()
    plain = np.c_[new, np.ones(500)] @ np.linalg.lstsq(np.c_[x, np.ones(40)], y, rcond=None)[0]
    assert error < 0.7 * ((plain - new @ weights - 7) ** 2).mean()


def test_face_size():
    frame = scores(scenes=30)
    size = np.repeat(np.linspace(0.1, 0.5, 30), 24)
    rng = np.random.default_rng(1)
    planted = frame["jod"] + (2.5 - 4 * size) * rng.normal(size=len(frame))
    found = generalization.face_size(frame.assign(face_share=size, score=planted))
    assert "small faces are ranked worse" in found.reading
    assert last(found.table)["high"] < 0
    none = share(lambda s: "no effect" in generalization.face_size(scores(s, 30).assign(face_share=size)).reading)
    assert none >= 0.8


NEEDS = [
    (generalization.known_and_new, "scenes", "known", known_new()),
    (generalization.left_out, "conditions", "condition", known_new().assign(condition="night")),
    (generalization.scenes_or_images, "size", "train_scenes", scores().assign(train_scenes=2, images_per_scene=3)),
    (generalization.tones, "tones", "tone", toned()),
    (generalization.quality_gap, "quality_gap", "tier", tiered()),
    (generalization.label_scale, "label_scale", "jod", scores()),
    (generalization.face_size, "face_size", "face_share", scores().assign(face_share=0.3)),
    (generalization.shortcut, "shortcut", "score", scores()),
    (generalization.scene_confidence, "confidence", "confidence", confident(True)),
]


@pytest.mark.parametrize("analyse, study, column, frame", NEEDS, ids=[need[1] for need in NEEDS])
def test_a_missing_or_empty_column_is_named(analyse, study, column, frame):
    for broken in (frame.drop(columns=column), frame.assign(**{column: None})):
        with pytest.raises(InputError, match=f"study '{study}' needs the column '{column}'") as told:
            analyse(broken)
        assert "\n" not in str(told.value)


def test_what_cannot_be_compared_is_refused():
    frame = known_new()
    with pytest.raises(InputError, match="no image in the column 'known' is new"):
        generalization.known_and_new(frame[frame["known"]])
    with pytest.raises(InputError, match="all photos belong to one group"):
        generalization.tones(toned().assign(tone=9))
    with pytest.raises(InputError, match="a row has 11"):
        generalization.tones(toned().assign(tone=11))
    with pytest.raises(InputError, match="at least three photos of the tiers"):
        generalization.quality_gap(tiered().assign(tier="low"))
    with pytest.raises(InputError, match="it needs six, there are 3"):
        generalization.face_size(scores(scenes=3).assign(face_share=0.2))
    with pytest.raises(InputError, match="repeat an image"):
        generalization.label_scale(pd.concat([scores(), scores()]))
    with pytest.raises(InputError, match="has no image to look at"):
        generalization.shortcut(scores()[:0])


def test_a_saved_evaluation_is_enough(tmp_path):
    """PIQ23's columns: no truth, tone or tier."""
    frame = scores().drop(columns="truth").assign(device="d", subject=None)
    path = save_evaluation(frame, tmp_path / "scores.parquet", method="hyperiqa", seed=0)
    found = generalization.run_study("label_scale", path)
    pd.testing.assert_frame_equal(found.table, generalization.label_scale(load_evaluation(path)).table)
    assert "without a truth" in generalization.run_study("shortcut", path).reading
    with pytest.raises(InputError, match="needs the column 'tone'"):
        generalization.run_study("tones", path)


@pytest.mark.parametrize(
    "analyse, frame",
    [
        (generalization.known_and_new, known_new(drop=1.0)),
        (generalization.tones, toned()),
        (generalization.label_scale, scores()),
        (generalization.scene_confidence, confident(True)),
    ],
    ids=["scenes", "tones", "label_scale", "confidence"],
)
def test_figures_say_what_the_table_says(analyse, frame):
    found = analyse(frame)
    figure = found.figure
    assert figure.layout.meta["text"] == found.reading
    assert figure.layout.title.text
    column = found.table["mae" if found.study == "label_scale" else "value"]
    drawn = np.concatenate([np.asarray(t.y if found.study == "label_scale" else t.x, float) for t in figure.data])
    assert np.isin(column.dropna().round(9), drawn.round(9)).all()
