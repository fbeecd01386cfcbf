"""The benchmark: who is trained on what, what the tables say of planted results, calibration, and the way through."""

import dataclasses
from functools import partial
from itertools import product

import datasets
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pqa_lab.errors import InputError
from pqa_lab.evaluation import benchmark as bench
from pqa_lab.evaluation import benchmark_tables as tables
from pqa_lab.evaluation import load_evaluation, save_evaluation
from pqa_lab.evaluation.benchmark_world import DEVICE_FOLDS, World, deal, load_world, world_votes
from pqa_lab.simulation import DEVICES
from pqa_lab.simulation.scenes import ROUND
from pqa_lab.viz.benchmark import known_new_figure
from pqa_lab.viz.benchmark_page import write_benchmark_page

FEW = 400  # resamples; enough for planted differences
HELD = ("known", "new_device", "new_scene")


def fake_rows(scenes=40, images=24, challenge=5):
    rng, rows = np.random.default_rng(0), []
    for index in range(scenes):
        names = [*DEVICES, *rng.permutation(list(DEVICES))][:images]
        rows += [(f"Scene_{index:02d}", name, ROUND[index % len(ROUND)]) for name in names]
    rows += [(f"Challenge_{index}", name, "night") for index in range(challenge) for name in list(DEVICES)[-7:]]
    return datasets.Dataset.from_dict(dict(zip(("scene", "device", "condition"), zip(*rows, strict=True), strict=True)))


def fake_cells(skill, scenes=12, images=7, seeds=(0, 1, 2)):
    """Scores = skill(part, seed) x JOD + noise; scenes take their part by the Latin square's rule."""
    rng, lines = np.random.default_rng(0), []
    jod = rng.standard_normal((scenes, images))
    for method, seed, k in product(skill, seeds, range(scenes)):
        h = k % 3
        g = (h + 1 + (k // 3) % 2) % 3
        role = "new_scene" if h == seed % 3 else "new_device" if g == seed % 3 else "known"
        for part in [role, "challenge", *(["new_scene_all"] if role == "new_scene" else [])]:
            scene = f"Challenge_{k}" if part == "challenge" else f"S{k}"
            score = skill[method](part, seed) * jod[k] + rng.standard_normal(images)
            lines += [
                (method, seed, part, scene, f"{i}.jpg", f"{part}/{i}.jpg", score[i], jod[k, i]) for i in range(images)
            ]
    columns = ["method", "seed", "part", "scene", "photo", "image", "score", "jod"]
    cells = pd.DataFrame(lines, columns=columns)
    return cells.assign(jod_std=0.4, parameters=10, fit_seconds=2.0 + cells["seed"], score_seconds=0.1)


@pytest.mark.parametrize("scenes", [9, 40])
def test_every_held_out_photo_is_known_once_from_a_new_scene_once_and_by_a_new_device_once(scenes):
    rows = fake_rows(scenes)
    roles = {}
    for fold in range(3):
        _, parts = deal(rows, fold)
        for name in HELD:
            for row in parts[name]:
                roles.setdefault(row, []).append(name)
    assert all(sorted(found) == sorted(HELD) for found in roles.values())
    scene = np.array(rows["scene"][:])
    assert {scene[row] for row in roles} == {name for name in scene if not name.startswith("Challenge")}


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_training_sees_neither_the_tested_photos_nor_what_should_be_new(fold):
    rows = fake_rows()
    train, parts = deal(rows, fold)
    scene, device = np.array(rows["scene"][:]), np.array(rows["device"][:])
    for part in parts.values():
        assert not set(train) & set(part)
    assert not set(device[train]) & set(DEVICE_FOLDS[fold])
    assert not {name for name in scene[train] if name.startswith("Challenge")}
    for name in ("new_scene", "new_scene_all", "challenge"):
        assert not set(scene[train]) & set(scene[parts[name]])
    assert set(device[parts["new_device"]]) == set(DEVICE_FOLDS[fold])
    assert set(scene[parts["new_device"]]) | set(scene[parts["known"]]) == set(scene[train])
    for name in ("known", "new_scene", "new_scene_all"):  # what is new there is the scene alone, or nothing
        assert set(device[parts[name]]) <= set(device[train])
    conditions = np.array(rows["condition"][:])
    assert set(conditions[parts["new_scene"]]) == set(ROUND)
    assert bench.build("sem_hyperiqa", fold, World())[0].config.scenes == len(set(scene[train]))


def test_table_agrees_with_scipy_scene_by_scene():
    cells = fake_cells({"hyperiqa": lambda part, seed: 1.0, "pqe": lambda part, seed: 3.0})
    table = tables.results_table(cells, FEW).set_index(["method", "part"])

    def srcc(part):
        chosen = cells[(cells["method"] == "pqe") & (cells["part"] == part)]
        by_run = {key: stats.spearmanr(t["score"], t["jod"])[0] for key, t in chosen.groupby(["scene", "seed"])}
        return pd.Series(by_run).groupby(level=0).mean()  # over seeds

    line = table.loc["pqe", "challenge"]
    assert line["srcc"] == pytest.approx(srcc("challenge").median(), abs=1e-12)
    assert line["srcc_mean"] == pytest.approx(srcc("challenge").mean(), abs=1e-12)
    assert line["srcc_low"] <= line["srcc"] <= line["srcc_high"]
    drop = srcc("known") - srcc("new_scene")
    assert len(drop.dropna()) == 12
    assert table.loc[("pqe", "new_scene"), "drop"] == pytest.approx(drop.mean(), abs=1e-12)
    assert np.isnan(line["drop"])
    assert line["fit_seconds"] == 3.0
    assert line["scenes"] == 12
    assert line["seeds"] == 3


def test_a_run_that_answers_with_a_constant_earns_nothing():
    cells = fake_cells({"hyperiqa": lambda part, seed: 1.0})
    cells["score"] = 0.5
    assert (tables.results_table(cells, FEW)["srcc"] == 0).all()


def verdicts(cells):
    found = tables.claims(cells, FEW)
    return dict(zip(found["claim"] + ": " + found["measured"], found["verdict"], strict=True))


def test_claims_find_what_was_planted():
    skill = {
        "hyperiqa": lambda part, seed: 4.0 if part == "known" else 0.2,
        "sem_hyperiqa": lambda part, seed: 4.0,
        "fhiqa": lambda part, seed: 0.0 if part == "new_scene_all" else 4.0,
    }
    found = verdicts(fake_cells(skill, scenes=36))
    assert found["Methods lose when the scene is new: hyperiqa"] == "supported"
    assert found["Methods lose when the scene is new: sem_hyperiqa"] == "not seen"
    assert found["Methods lose when the scene is new: mean of all published methods"] == "supported"
    order = "FULL over SEM over HyperIQA on new scenes: "
    assert found[order + "sem_hyperiqa - hyperiqa, new_scene_all"] == "supported"
    assert found[order + "fhiqa - sem_hyperiqa, new_scene_all"] == "reversed"
    assert found[order + "fhiqa - sem_hyperiqa, challenge"] == "not seen"
    assert found["Scale-shift invariance helps across scenes: rqnet - rqnet_mse, challenge"] == "not run"


def test_one_lucky_seed_is_no_support():
    lucky = {
        "sem_hyperiqa": lambda part, seed: 8.0 if seed == 1 else 0.9,
        "hyperiqa": lambda part, seed: 0.0 if seed == 1 else 1.2,
    }
    cells = fake_cells(lucky, scenes=60)
    found = tables.claims(cells, FEW).set_index("measured").loc["sem_hyperiqa - hyperiqa, challenge"]
    assert found["low"] > 0 > found["seed_low"]
    assert found["verdict"] == "not seen"


def test_the_set_ranker_is_compared_with_every_other_on_the_same_scenes():
    skill = {"hyperiqa": lambda p, s: 0.2, "pqe": lambda p, s: 3.0, "set_ranker": lambda p, s: 3.0}
    cells = fake_cells(skill, scenes=36)
    found = tables.versus(cells, resamples=FEW).set_index(["part", "against"])
    assert found.loc["challenge", "hyperiqa"]["ahead"]
    assert not found.loc["challenge", "pqe"]["ahead"]
    assert (found["p_holm"] >= found["p_permutation"]).all()
    other = tables.versus(cells, "hyperiqa", resamples=FEW).set_index(["part", "against"])
    assert other.loc["known", "set_ranker"]["difference"] == pytest.approx(
        -found.loc["known", "hyperiqa"]["difference"]
    )


def test_order_of_methods_kept_or_turned_round():
    names = ("rqnet", "bdvqa", "pqe", "monet", "sar")
    kept = {name: lambda part, seed, k=k: 0.3 + k for k, name in enumerate(names)}
    turned = {name: lambda p, s, k=k: 4.3 - k if p == "challenge" else 0.3 + k for k, name in enumerate(names)}
    assert tables.order_kept(fake_cells(kept, scenes=60), 200)["spearman"] > 0.8
    assert tables.order_kept(fake_cells(turned, scenes=60), 200)["high"] < 0


@pytest.fixture
def counted(monkeypatch):
    """`run_cell` without training: the cells that it was asked for, and a method that always fails."""
    asked = []

    def run_cell(model, rows, seed, world, progress=True):
        method = model.config.method
        asked.append((method, seed))
        if method == "pqe":
            raise ValueError("broken on purpose")
        cells = fake_cells({method: lambda part, seed: 1.0}, seeds=[seed])
        costs = {"trained_on": {"photos": 9, "scenes": 3, "steps": 1}, "machine": "none"}
        costs |= {"fit_seconds": 1.0, "score_seconds": 0.1}
        return cells.drop(columns=["method", "seed", "parameters", "fit_seconds", "score_seconds"]), costs

    monkeypatch.setattr(bench, "run_cell", run_cell)
    monkeypatch.setattr(bench, "results_table", partial(tables.results_table, resamples=FEW))
    monkeypatch.setattr(bench, "load_world", lambda world, progress: None)
    return asked


def test_finished_cells_are_kept_and_a_failure_costs_only_its_own(tmp_path, counted, capsys):
    table = bench.benchmark(tmp_path, ["pqe", "hyperiqa"], seeds=[0, 1], progress=False)
    assert set(table["method"]) == {"hyperiqa"}
    assert (table["seeds"] == 2).all()
    assert table.attrs["failed"] == dict.fromkeys(["pqe-0", "pqe-1"], "ValueError: broken on purpose")
    assert "failed: pqe, seed 0" in capsys.readouterr().out
    counted.clear()
    bench.benchmark(tmp_path, ["hyperiqa"], seeds=[0, 1, 2], progress=False)
    assert counted == [("hyperiqa", 2)]
    bench.benchmark(tmp_path, ["hyperiqa"], seeds=[0], resume=False, progress=False)
    assert counted == [("hyperiqa", 2), ("hyperiqa", 0)]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_damaged_or_outdated_cell_is_run_again(tmp_path, counted, monkeypatch):
    bench.benchmark(tmp_path, ["hyperiqa"], seeds=[0, 1], progress=False)
    bench.cell_path(tmp_path, "hyperiqa", 1).write_bytes(b"half a file")
    counted.clear()
    bench.benchmark(tmp_path, ["hyperiqa"], seeds=[0, 1], progress=False)
    assert counted == [("hyperiqa", 1)]
    from pqa_lab.methods import hyperiqa

    changed = dataclasses.replace(hyperiqa.RECIPES["tiny"], lr=1e-5)
    monkeypatch.setitem(hyperiqa.RECIPES, "tiny", changed)
    bench.benchmark(tmp_path, ["hyperiqa"], seeds=[0], progress=False)
    assert counted == [("hyperiqa", 1), ("hyperiqa", 0)]
    assert load_evaluation(bench.cell_path(tmp_path, "hyperiqa", 0)).attrs["recipe"]["lr"] == 1e-5


def test_starting_weights_are_part_of_a_cell():
    starts = [bench.build("hyperiqa", seed, World())[1]["start"] for seed in (0, 0, 1)]
    assert starts[0] == starts[1] != starts[2]


def test_losses_of_the_variants_are_what_their_names_say():
    import torch

    from pqa_lab.methods import Prediction

    torch.manual_seed(0)
    score, jod, scene = torch.randn(12), torch.randn(12), torch.arange(12) // 6
    batch = {"jod": jod, "scene": scene}
    loss = {n: bench.build(n, 0, World())[0].loss for n in ("hyperiqa_mse", "rqnet_mse", "hyperiqa_ssi", "rqnet")}
    for name in ("hyperiqa_mse", "rqnet_mse"):
        assert loss[name](Prediction(score), batch)["loss"].item() == pytest.approx(((score - jod) ** 2).mean().item())
    moved = Prediction(3 * score + 5 * scene)
    for name in ("hyperiqa_ssi", "rqnet"):
        same = loss[name](Prediction(score), batch)["loss"].item()
        assert loss[name](moved, batch)["loss"].item() == pytest.approx(same, rel=1e-4)


def test_bad_requests_are_one_sentence(tmp_path, counted):
    with pytest.raises(InputError, match="no method 'nope'"):
        bench.benchmark(tmp_path, ["nope"])
    with pytest.raises(InputError, match="needs a seed"):
        bench.benchmark(tmp_path, seeds=[])
    with pytest.raises(InputError, match="broken on purpose"):
        bench.benchmark(tmp_path, ["pqe"], seeds=[0], progress=False)
    with pytest.raises(InputError, match="no finished cell"):
        bench.load_cells(tmp_path / "empty")
    bench.benchmark(tmp_path, ["hyperiqa"], seeds=[0], progress=False)
    with pytest.raises(InputError, match="different worlds"):
        bench.benchmark(tmp_path, ["hyperiqa"], seeds=[1], quick=True, progress=False)


def test_figures_say_in_words_what_they_show():
    cells = fake_cells({"hyperiqa": lambda p, s: 0.3, "set_ranker": lambda p, s: 3.0})
    figure = known_new_figure(tables.results_table(cells, FEW))
    assert "best set_ranker" in figure.layout.meta["text"]
    assert "not PIQ23" in figure.layout.title.text


@pytest.mark.slow
def test_votes_are_those_that_made_the_jods():
    from pqa_lab.scaling import scale

    world = World(scenes=3, images=14, size=64, seed=5, challenge_scenes=2)
    rows, votes = load_world(world, progress=False), world_votes(world)
    names = [photo["path"] for photo in rows.cast_column("image", datasets.Image(decode=False))["image"]]
    frame = pd.DataFrame({"scene": rows["scene"][:], "image": names, "jod": rows["jod"][:]})
    for scene, of_scene in votes.groupby("scene"):
        found = scale(of_scene).table.set_index("image")["jod"]
        jod = frame[frame["scene"] == scene].set_index("image")["jod"]
        # `simulate` standardises each scene, which no correlation sees
        assert np.corrcoef(found.loc[jod.index], jod)[0, 1] > 0.999


@pytest.mark.slow
def test_quick_benchmark_from_nothing_to_the_page(tmp_path):
    table = bench.benchmark(tmp_path, quick=True, progress=False)
    assert set(table["method"]) == {"hyperiqa", "set_ranker"}
    assert set(table["part"]) == set(tables.PARTS)
    assert not table.attrs["failed"]
    first = load_evaluation(bench.cell_path(tmp_path, "set_ranker", 0))
    bench.benchmark(tmp_path, ["set_ranker"], quick=True, resume=False, progress=False)
    pd.testing.assert_frame_equal(first, load_evaluation(bench.cell_path(tmp_path, "set_ranker", 0)))
    page = write_benchmark_page(tmp_path, tmp_path / "page")
    again = write_benchmark_page(tmp_path / "page", tmp_path / "again")  # from the saved scores alone
    for text in (page.read_text(), (tmp_path / "page" / "benchmark.md").read_text()):
        assert "not PIQ23" in text
        assert "RQ-Net" in text
        assert "0.554 / 0.597 / 0.381 / 0.517" in text
        assert "python -m pqa_lab.evaluation.benchmark" in text
        assert "torch" in text
    assert "<script src" not in page.read_text()
    for name in ("results", "versus", "claims", "calibration"):
        one, two = ((folder / f"{name}.csv").read_text() for folder in (page.parent, again.parent))
        assert one == two
        assert len(one.splitlines()) > 1


def test_a_saved_cell_needs_every_image_once(tmp_path):
    cells = fake_cells({"hyperiqa": lambda p, s: 1.0}, seeds=[0])
    with pytest.raises(InputError, match="repeat an image"):
        save_evaluation(pd.concat([cells, cells.iloc[:1]]), tmp_path / "x.parquet")


def test_the_committed_results_hold_every_method_seed_and_part_and_give_their_own_table():
    cells = bench.committed_results()
    assert set(cells["method"]) == set(bench.VARIANTS)
    assert (cells.groupby("method")["seed"].nunique() == 3).all()
    parts = cells.groupby(["method", "seed"])["part"].nunique()
    assert (parts == len(tables.PARTS)).all()
    # the Latin square: the same photos in all three roles, each once
    held = cells[(cells["method"] == "hyperiqa") & cells["part"].isin(HELD)]
    assert (held.groupby(["scene", "photo"])["part"].agg(["nunique", "size"]) == 3).all(axis=None)
    written = pd.read_csv(bench.RESULTS / "results.csv").set_index(["method", "part"])["srcc"]
    few = cells[cells["method"].isin(["hyperiqa", "set_ranker"])]
    mine = tables.results_table(few, FEW).set_index(["method", "part"])["srcc"]
    np.testing.assert_allclose(mine, written.loc[mine.index], atol=2e-3)
