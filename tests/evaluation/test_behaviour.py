"""Measured behaviour: planted branches, gates, scene heads, views and members are recognised, none is invented."""

import datasets
import numpy as np
import pandas as pd
import pytest
import torch

from pqa_lab.errors import InputError
from pqa_lab.evaluation import behaviour, behaviour_arms, behaviour_tables
from pqa_lab.evaluation.behaviour_page import sentences, write_page
from pqa_lab.methods import METHODS
from pqa_lab.training import predict

SCENES, PHOTOS, VIEWS = 12, 10, 2


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(behaviour_tables, "RESAMPLES", 200)


def asked(head, features=None, gate=None, seed=0):
    """What `measure` and `ask` give for a made-up model: half of the scenes known, two of three photos with a face."""
    rng = np.random.default_rng(seed)
    scene = np.repeat([f"S{k:02d}" for k in range(SCENES)], PHOTOS)
    jod = rng.standard_normal(len(scene))
    signal = torch.tensor(jod)[:, None, None].expand(-1, VIEWS, 1)
    noise = torch.tensor(rng.standard_normal((len(scene), VIEWS, 1)))
    features = features or {"face": signal, "whole": noise}
    plain = pd.DataFrame({"row": np.arange(len(scene)), "scene": scene, "jod": jod, "method": "pqe", "seed": seed})
    frames = [
        plain.assign(score=scores.numpy(), branch=branch, change=change, draw=draw)
        for branch, change, draw, scores in behaviour_arms.arms(features, head, scene)
    ]
    share = np.where(plain["row"] % 3 == 0, np.nan, rng.uniform(0.2, 0.6, len(plain)))
    frames[0] = frames[0].assign(face_share=share, gate=np.nan if gate is None else gate(share, rng))
    table = pd.concat(frames, ignore_index=True)
    return table.assign(known=table["scene"] < "S06", trained_scenes=6)


def sum_of(**weights):
    return lambda features: {"score": sum(w * features[name].sum(-1) for name, w in weights.items())}


def all_photos(table):
    return table[table["photos"] == "all"].set_index(["branch", "change"])


def test_a_branch_that_knows_everything_and_one_that_is_not_listened_to():
    table = behaviour_tables.branch_table(asked(sum_of(face=1.0, whole=0.0)))
    found = all_photos(table)
    assert found.loc[("face", "shuffled"), "mean_as_is"] == pytest.approx(1)
    assert abs(found.loc[("face", "shuffled"), "mean_changed"]) < 0.15
    assert found.loc[("face", "zero"), "mean_changed"] == 0  # one score for all photos ranks nothing
    assert (found.loc["whole"]["mean_difference"] == 0).all()
    face, whole = behaviour_tables.branch_sentences(table)
    assert face.startswith("pqe, branch face: carries information;")
    assert whole.startswith("pqe, branch whole: information not seen;")


def test_a_branch_of_noise_is_not_said_to_inform_although_the_model_listens_to_it():
    table = behaviour_tables.branch_table(asked(sum_of(face=1.0, whole=1.0)))
    assert "information not seen" in behaviour_tables.branch_sentences(table)[1]
    # Silenced, noise can only help: that is no information either.
    assert all_photos(table).loc[("whole", "zero"), "mean_high"] < 0


def test_a_branch_that_is_read_the_wrong_way_round_misleads():
    table = behaviour_tables.branch_table(asked(sum_of(face=-1.0, whole=1.0)))
    assert "branch face: misleads" in behaviour_tables.branch_sentences(table)[0]


def test_groups_of_photos_are_measured_apart():
    """A branch that informs where there is a face and is noise elsewhere."""
    photos = asked(sum_of(face=1.0, whole=0.0))
    lost = photos.loc[photos["branch"] == "", ["row", "face_share"]].set_index("row")["face_share"].isna()
    noise = np.random.default_rng(5).standard_normal(len(photos))
    photos["score"] = np.where(photos["row"].map(lost), noise, photos["score"])
    table = behaviour_tables.branch_table(photos)
    found = table[(table["branch"] == "face") & (table["change"] == "shuffled")].set_index("photos")
    assert found.loc["with a face", "mean_low"] > 0.5
    assert found.loc["no face found", "scenes"] < SCENES  # 3 or 4 photos of a scene: some have too few
    assert found.loc["no face found", "mean_low"] < 0
    assert set(found.index) == {"all", "known scenes", "new scenes", "with a face", "no face found"}
    assert found.loc["known scenes", "scenes"] == found.loc["new scenes", "scenes"] == SCENES // 2


def test_one_seed_against_the_others_is_no_verdict():
    row = {"scenes": 9, "mean_low": 0.1, "mean_high": 0.3, "seed_low": -0.1, "seed_high": 0.4}
    assert behaviour_tables.verdict(row, "yes", "no") == "not seen"
    assert behaviour_tables.verdict(row | {"seed_low": 0.1}, "yes", "no") == "yes"
    assert behaviour_tables.verdict({"scenes": 1}, "yes", "no") == "not measured"


def test_shuffles_stay_within_the_scene():
    scene = np.array(list("aabbbacc"))
    order = behaviour_arms._shuffled(scene, np.random.default_rng(0)).numpy()
    assert sorted(order) == list(range(8))
    assert (scene[order] == scene).all()


@pytest.mark.parametrize(
    "gate,moves", [(lambda share, rng: np.full(len(share), 0.5), "hardly moves"), (lambda s, r: 1 - s, "moves")]
)
def test_a_gate_that_stands_and_one_that_follows_the_face(gate, moves):
    photos = asked(sum_of(face=1.0), gate=lambda s, r: np.nan_to_num(gate(s, r), nan=0.9))
    table = behaviour_tables.gate_table(photos)
    whole = table.set_index("photos").loc["all"]
    assert f"the gate {moves};" in behaviour_tables.gate_sentences(table, behaviour_tables.branch_table(photos))[0]
    if moves == "moves":
        assert whole["face_rho"] == pytest.approx(-1)
        assert table.set_index("photos").loc["no face found", "sd"] == pytest.approx(0)
    else:
        assert whole["low"] == whole["high"] == 0.5
        assert np.isnan(whole["face_rho"])


def test_a_gate_that_chooses_the_branch_that_knows_is_of_use():
    """Each photo is known to one branch; the gate says to which."""
    rng = np.random.default_rng(3)
    scene = np.repeat([f"S{k:02d}" for k in range(SCENES)], PHOTOS)
    jod, side = np.random.default_rng(0).standard_normal(len(scene)), rng.integers(0, 2, len(scene))
    features = {
        name: torch.tensor(np.where(side == of, jod, rng.standard_normal(len(scene))))[:, None, None]
        for name, of in (("global", 1), ("local", 0))
    }

    def head(features):
        gate = torch.tensor(side, dtype=torch.float64)[:, None]
        scores = {name: features[name].squeeze(-1) for name in ("global", "local")}
        return scores | {"gate": gate, "score": behaviour_arms.blend({"gate": gate}, scores)}

    photos = asked(head, features, gate=lambda share, rng: side)
    table = behaviour_tables.branch_table(photos)
    found = all_photos(table)
    assert found.loc[("gate", "mean"), "mean_as_is"] == pytest.approx(1)
    assert found.loc[("gate", "mean"), "mean_low"] > 0.1
    _, used = behaviour_tables.gate_sentences(behaviour_tables.gate_table(photos), table)
    assert used.startswith("pqe: its moving helps the order;")


@pytest.mark.parametrize("skill,word", [(10.0, "knows"), (0.0, "is not seen to know")])
def test_a_scene_head_that_knows_and_one_that_guesses(skill, word):
    photos = asked(sum_of(face=1.0))
    plain = photos["branch"] == ""
    names, rng = [f"S{k:02d}" for k in range(6)], np.random.default_rng(1)
    right = photos.loc[plain, "scene"].to_numpy()[:, None] == np.array(names)
    logits = rng.standard_normal(right.shape) + skill * right
    answers = photos[plain].assign(**behaviour_arms.of_scene_head(logits, names))
    table = behaviour_tables.scene_head_table(answers)
    row = table.iloc[0]
    assert row["chance"] == pytest.approx(1 / 6)
    known = answers[answers["known"]]
    assert row["accuracy"] == pytest.approx((known["named"] == known["scene"]).mean())
    assert f"the scene head {word} the scene" in behaviour_tables.scene_head_sentences(table)[0]
    if skill:
        assert row["confidence_known"] > row["confidence_new"]
        assert row["entropy_known"] < row["entropy_new"]


def test_even_odds_have_the_entropy_of_their_number():
    said = behaviour_arms.of_scene_head(np.zeros((2, 4)), list("abcd"))
    assert said["entropy"] == pytest.approx(np.log(4))
    assert said["confidence"] == pytest.approx(0.25)
    assert behaviour_arms.of_scene_head(None, []) == {}


def test_more_views_of_use_at_a_price():
    rng, frames = np.random.default_rng(7), []  # not the seed that drew the JODs
    plain = asked(sum_of(face=1.0)).query("branch == ''")[["row", "scene", "jod", "seed", "method"]]
    for order, (noise, views) in enumerate(((2.0, 1), (0.1, 9))):
        score = plain["jod"] + noise * rng.standard_normal(len(plain))
        frames.append(plain.assign(score=score, setting=f"{views} views", order=order, views=views, ms=10.0 * views))
    table = behaviour_tables.augmentation_table(pd.concat(frames, ignore_index=True))
    assert table["times"].tolist() == [1, 9]
    assert table["mean_difference"].iloc[0] == 0
    (told,) = behaviour_tables.augmentation_sentences(table)
    assert told.startswith("pqe: the views help; 9 views cost 9.0 times")


def test_a_members_unit_spoils_the_raw_average_alone():
    rng = np.random.default_rng(7)  # not the seed that drew the JODs
    plain = (
        asked(sum_of(face=1.0)).query("branch == ''")[["scene", "jod", "row", "seed"]].rename(columns={"row": "image"})
    )
    members = {name: plain.assign(score=plain["jod"] + rng.standard_normal(len(plain))) for name in ("a", "b")}
    table = behaviour_tables.ensemble_table(members, "two").set_index("scores")
    assert table.loc["z-normalised, averaged", "mean_low"] > 0
    assert table.loc["z-normalised, b times 10", "mean"] == table.loc["z-normalised, averaged", "mean"]
    lost = table.loc["averaged raw", "mean"] - table.loc["raw, b times 10", "mean"]
    assert lost > 0.5 * (table.loc["averaged raw", "mean"] - table.loc["b", "mean"]) > 0  # the loud member decides
    (told,) = behaviour_tables.ensemble_sentences(table.reset_index())
    assert told.startswith("two: the average is ahead of its members")


@pytest.mark.parametrize("method", ["pqe", "sar"])
def test_scores_of_the_features_are_those_of_predict(method):
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (130, 170, 3), dtype=np.uint8) for _ in range(3)]
    rows = datasets.Dataset.from_dict({"image": photos, "scene": list("aab")}).cast_column("image", datasets.Image())
    torch.manual_seed(0)
    model = METHODS[method].tiny().eval()
    features = behaviour_arms.branch_features(model, rows, batch_size=2)
    with torch.inference_mode():
        answer = behaviour_arms.head_of(model)(features)
    expected = predict(model, rows, progress=False, parts=True)
    np.testing.assert_allclose(answer["score"].mean(1), expected["score"], atol=1e-5)
    if method == "sar":
        np.testing.assert_allclose(answer["gate"].mean(1), expected["part.gate"], atol=1e-5)


def test_plan_asks_all_seeds_only_where_seeds_are_compared():
    cells = behaviour.plan([0, 1])
    assert len(cells) == len(set(cells)) == 2 * 5 + 2 + 1
    assert ("rqnet", 3) in cells
    assert ("rqnet", 1) not in cells
    assert behaviour.plan([0, 1], ["sar"]) == [("sar", 0), ("sar", 1)]


@pytest.mark.parametrize(
    "options,word", [({"methods": ["liqe"]}, "'liqe'"), ({"seeds": []}, "Seeds"), ({"seeds": [-1]}, "Seeds")]
)
def test_bad_requests_are_one_sentence(tmp_path, options, word):
    with pytest.raises(InputError, match=word):
        behaviour.behaviour(tmp_path, quick=True, **options)


def test_nothing_measured_is_said(tmp_path):
    with pytest.raises(InputError, match="Nothing was measured"):
        write_page(tmp_path, tmp_path)


@pytest.mark.training
def test_quick_run_from_nothing_to_the_page_and_again_without_training(tmp_path, monkeypatch):
    made = behaviour.behaviour(tmp_path, seeds=[0], quick=True)
    assert all(len(table) for table in made.values())
    assert set(made["branches"]["method"]) == {"pqe", "sar"}
    assert set(made["scene_heads"]["method"]) == {"sar", "sem_hyperiqa", "fhiqa", "monet"}
    assert set(made["augmentation"]["method"]) == set(behaviour_arms.SETTINGS)
    assert made["ensembles"]["ensemble"].nunique() == 2
    page = write_page(tmp_path, tmp_path / "page").read_text()
    assert "not PIQ23" in page
    assert all(line in page for told in sentences(made).values() for line in told)
    assert len(list((tmp_path / "page").glob("*.csv"))) == 5

    before = behaviour.load_answers(tmp_path)
    for name in ("sar-0", "rqnet-0"):
        (tmp_path / "cells" / f"{name}.parquet").unlink()
    monkeypatch.setattr(behaviour, "train_fold", lambda *_, **__: pytest.fail("trained again"))
    behaviour.behaviour(tmp_path, seeds=[0], quick=True)
    after = behaviour.load_answers(tmp_path)
    pd.testing.assert_frame_equal(before, after)
