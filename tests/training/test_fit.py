import copy
import json
import warnings

import numpy as np
import pytest
import torch
from training_toy import Toy, recipe, toy, toy_rows

from pqa_lab.errors import InputError
from pqa_lab.methods.tta import predict_views
from pqa_lab.scenes.sampler import SceneBatchSampler
from pqa_lab.training import TrainingError, fit, load_checkpoint, predict, save_checkpoint, split_validation
from pqa_lab.training.data import training_loader
from pqa_lab.training.predict import median_srcc


def train(model, rows=None, **options):
    return fit(model, toy_rows() if rows is None else rows, progress=False, device="cpu", **options)


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_fit_is_a_bare_torch_loop():
    """Two groups, StepLR, weight decay, clipping: the same weights as the loop that anyone would write."""
    rows, mine, bare = toy_rows(), toy(), toy()
    r = recipe(lr_scale={"head": 10.0}, schedule="step", period=1, gamma=0.5, weight_decay=1e-2, clip_norm=0.5)
    history = train(mine, rows, recipe=r, seed=5)

    optimizer = torch.optim.Adam(
        [{"params": bare.backbone.parameters()}, {"params": bare.head.parameters(), "lr": 10 * r.lr}],
        lr=r.lr,
        weight_decay=1e-2,
    )
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    sampler = SceneBatchSampler(rows["scene"][:], 2, 4, seed=5, distinct=True)
    loader = iter(training_loader(rows, bare.views(train=True), sampler, seed=5))
    losses = []
    for _ in range(r.epochs):
        for _ in range(len(sampler)):
            batch = next(loader)
            loss = bare.loss(predict_views(bare, batch["views"]), batch)["loss"]
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(bare.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    assert history.table["loss"].tolist() == pytest.approx(losses, abs=1e-6)
    torch.testing.assert_close(weights(mine), weights(bare), rtol=0, atol=1e-6)


def test_ema_is_the_naive_average():
    model, seen = toy(), []
    train(model, recipe=recipe(ema=0.9), callbacks=[lambda record, history: seen.append(weights(model).clone())])
    average = seen[0]
    for now in seen[1:]:
        average = 0.9 * average + 0.1 * now
    torch.testing.assert_close(weights(model), average)


@pytest.mark.parametrize("pieces", [2, 4])
def test_accumulation_is_the_big_batch(pieces):
    whole, cut = toy(), toy()
    r = recipe(scenes_per_batch=4)
    a = train(whole, recipe=r)
    b = train(cut, recipe=recipe(scenes_per_batch=4, accumulate=pieces))
    np.testing.assert_allclose(a.table["loss"], b.table["loss"], rtol=1e-5)
    torch.testing.assert_close(weights(whole), weights(cut), rtol=0, atol=1e-5)


def test_two_runs_agree_to_the_last_bit_and_another_seed_does_not():
    runs = [toy(dropout=0.3) for _ in range(3)]
    for model, seed in zip(runs, (0, 0, 1), strict=True):
        torch.rand(17)  # the state that the caller's generator is in must not matter
        train(model, seed=seed)
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


def test_frozen_parameters_do_not_move_and_are_free_again_for_fine_tuning():
    model = toy()
    before = copy.deepcopy(model.state_dict())
    train(model, recipe=recipe(lr_scale={"backbone": 0.0}, weight_decay=0.1))
    assert torch.equal(model.backbone[0].weight, before["backbone.0.weight"])
    assert not torch.equal(model.head.weight, before["head.weight"])
    train(model)  # fine-tune everything
    assert not torch.equal(model.backbone[0].weight, before["backbone.0.weight"])


def test_it_learns_and_the_history_tells(tmp_path):
    rows, held_out = split_validation(toy_rows(6, 12))
    model = toy()
    history = train(model, rows, val_rows=held_out, out=tmp_path / "run", recipe=recipe(epochs=5))
    table = history.table
    assert table["loss"].tail(5).mean() < 0.7 * table["loss"].head(5).mean()
    assert len(table) == table["step"].max() == 5 * 8
    assert table["val_srcc"].notna().sum() == 5
    assert history.best["val_srcc"] == table["val_srcc"].max() > 0.8
    assert [json.loads(line) for line in (tmp_path / "run/history.jsonl").open()] == history.records
    assert history.scenes == sorted(set(rows["scene"]))
    # The best checkpoint is what is left in the model, and what was measured.
    best = load_checkpoint(history.checkpoint, Toy)
    assert torch.equal(weights(best), weights(model))
    assert best.facts["scenes"] == history.scenes
    assert median_srcc(predict(model, held_out, progress=False)) == history.best["val_srcc"]
    assert not model.training
    # What is saved by hand afterwards knows the scenes, too.
    by_hand = load_checkpoint(save_checkpoint(model, tmp_path / "model"), Toy)
    assert by_hand.facts["scenes"] == history.scenes
    assert by_hand.facts["record"] == history.best


def test_the_best_weights_come_back_without_a_folder_and_patience_stops():
    rows, held_out = split_validation(toy_rows(6, 12))
    # A learning rate that destroys what the first epoch found.
    wild = recipe(epochs=30, schedule="step", period=1, gamma=8.0, lr=5e-3)
    model, seen = toy(), {}

    def remember(record, history):
        seen[record["step"]] = weights(model).clone()

    history = train(model, rows, val_rows=held_out, recipe=wild, patience=3, callbacks=[remember])
    assert len(history.validated) < 30
    assert len(history.validated) - 3 == history.validated.index(history.best) + 1
    assert torch.equal(weights(model), seen[history.best["step"]])


def test_bf16_differs_a_little():
    exact, rough = toy(), toy()
    a, b = train(exact), train(rough, precision="bf16")
    assert b.table["loss"].dtype == float
    assert not torch.equal(weights(exact), weights(rough))
    assert rough.head.weight.dtype == torch.float32
    np.testing.assert_allclose(a.table["loss"], b.table["loss"], rtol=0.1, atol=0.02)


class Poisoned(Toy):
    """Divides by zero in the gradient, or answers NaN, from some step on."""

    def loss(self, prediction, batch):
        self.calls = getattr(self, "calls", 0) + 1
        terms = super().loss(prediction, batch)
        if self.calls > 5 and self.poison == "loss":
            return {"loss": terms["loss"] * float("nan")}
        if self.calls > 5:
            return {"loss": terms["loss"] + (self.head.bias * 0).sqrt().sum()}
        return terms


@pytest.mark.parametrize("poison, what", [("loss", "loss"), ("gradient", "gradient")])
def test_nan_stops_says_where_and_keeps_the_last_good_checkpoint(tmp_path, poison, what):
    model = Poisoned(toy().config)
    model.poison = poison
    with pytest.raises(
        TrainingError, match=rf"The {what} is not a number .* epoch 2, step 6, scenes scene \d, scene \d:"
    ):
        train(model, out=tmp_path / "run")
    kept = load_checkpoint(tmp_path / "run/last", Toy)
    assert kept.facts["record"]["step"] == 4
    assert torch.isfinite(weights(kept)).all()
    assert torch.isfinite(weights(model)).all()  # the step that failed was not taken


class Classifier(Toy):
    def forward(self, views):
        prediction = super().forward(views)
        prediction.scene_logits = torch.zeros(len(prediction.score), 3)
        return prediction


def test_bad_input_is_one_sentence(tmp_path):
    rows = toy_rows()
    with pytest.raises(InputError, match="fewer than the 5"):
        train(toy(), recipe=recipe(scenes_per_batch=5))
    with pytest.raises(InputError, match="use a multiple"):
        train(toy(), recipe=recipe(accumulate=3))
    with pytest.raises(InputError, match="optimizer 'sgd'"):
        train(toy(), recipe=recipe(optimizer="sgd"))
    with pytest.raises(InputError, match="precision 'fp8'"):
        train(toy(), precision="fp8")
    with pytest.raises(InputError, match="no JOD"):
        train(toy(), rows.remove_columns("jod"))
    with pytest.raises(InputError, match="rank nothing"):
        train(toy(), val_rows=rows.remove_columns("jod"))
    with pytest.raises(InputError, match="rank nothing"):
        train(toy(), val_rows=toy_rows(images=1))
    with pytest.raises(InputError, match="at least 4 scenes, but the method tells only 3"):
        train(Classifier(toy().config), recipe=recipe(scenes_per_batch=4))
    with pytest.raises(InputError, match="nothing to resume"):
        train(toy(), resume=True)
    with pytest.raises(InputError, match="no device 'gpu'"):
        fit(toy(), rows, device="gpu")
    with pytest.raises(InputError, match="no step"):
        train(toy(), max_steps=0)
    with pytest.raises(InputError, match="Ask for 'cpu'"):
        fit(toy(), rows, device="cpu:0")
    train(toy(), out=tmp_path, max_steps=1)
    with pytest.raises(InputError, match="already holds a run"):
        train(toy(), out=tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_though_one_was_asked_for():
    with pytest.raises(InputError, match="No GPU was found"):
        fit(toy(), toy_rows(), device="cuda")
    with pytest.raises(InputError, match="No GPU was found"):
        predict(toy(), toy_rows(), device="cuda")


def test_choosing_on_the_test_split_is_warned_about():
    with pytest.warns(UserWarning, match="test split"):
        train(toy(), val_rows=toy_rows(split="test"), max_steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(toy(), val_rows=toy_rows(split="train"), max_steps=1)


def test_median_srcc_is_scipys():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    frame = predict(toy(), toy_rows(5, 9), progress=False)
    frame["score"], frame["jod"] = rng.integers(0, 5, 45).astype(float), rng.normal(size=45)
    expected = np.median([spearmanr(scene["score"], scene["jod"])[0] for _, scene in frame.groupby("scene")])
    assert median_srcc(frame) == pytest.approx(expected)
    assert median_srcc(frame.assign(score=1.0)) == 0
    assert np.isnan(median_srcc(frame.assign(jod=1.0)))
