"""The loss explorer: what is blind stays still, what is drawn is the slope, and the view follows its session."""

import numpy as np
import pytest
import torch

from pqa_lab.errors import InputError
from pqa_lab.losses import LOSSES
from pqa_lab.widgets import LossBench, loss_explorer

# survey's equations: see the table in pqa_lab.losses
BLIND_TO_SHIFT = {"scale_shift_invariant", "fidelity", "plcc", "pairwise_logistic", "bradley_terry"}
BLIND_TO_SCALE = {"scale_shift_invariant", "plcc"}


def unnoticed(bench):
    table = bench.table()
    return set(table.loss[~table.noticed])


def test_each_button_shows_what_each_loss_is_blind_to():
    bench = LossBench()
    bench.shift()
    assert unnoticed(bench) == BLIND_TO_SHIFT
    bench.scale()
    assert unnoticed(bench) == BLIND_TO_SCALE
    bench.swap_two()
    assert unnoticed(bench) == set()
    table = bench.table().set_index("loss")
    assert table.loc["fidelity", "now"] > table.loc["fidelity", "before"]
    bench.start_over()
    assert bench.predictions == LossBench().predictions


@pytest.mark.parametrize("loss", LOSSES)
def test_arrows_point_down_the_slope(loss):
    bench = LossBench(loss=loss)
    gradient, h = bench.gradient(), 1e-6
    for k in range(5):
        high, low = list(bench.predictions), list(bench.predictions)
        high[k] += h
        low[k] -= h
        slope = (LossBench(high, bench.targets).values()[loss] - LossBench(low, bench.targets).values()[loss]) / (2 * h)
        assert gradient[k] == pytest.approx(slope, abs=1e-4)
    arrows = {t.name: t.y[1] - t.y[0] for t in bench.figure().data if str(t.name).startswith("push")}
    assert arrows
    for name, move in arrows.items():
        k = bench.names.index(name.removeprefix("push on "))
        assert np.sign(move) == -np.sign(gradient[k])


def test_values_are_those_of_the_losses():
    bench = LossBench([0.0, 2.0], [1.0, 0.0])
    assert bench.values()["l1"] == pytest.approx(1.5)
    assert bench.values()["mse_scene"] == pytest.approx(2.5)  # (1 + 4) / 2, no cross-entropy with one scene
    pred, target = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0])
    expected = LOSSES["fidelity"](pred, target, torch.zeros(2, dtype=torch.long)).item()
    assert bench.values()["fidelity"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", ["l1", "fidelity", "rank_mse", "plcc"])
def test_following_the_arrows_lowers_the_loss(loss):
    bench = LossBench(loss=loss)
    start = bench.values()[loss]
    bench.descend()
    assert bench.values()[loss] < start


def test_a_drag_is_one_action():
    bench = LossBench()
    first = bench.values()
    for value in (0.4, 0.5, 0.6):
        bench.put("predictions", 2, value)
    assert bench.table().before.tolist() == list(first.values())
    assert bench.predictions[2] == 0.6


def test_equal_predictions_have_no_end_of_the_world():
    bench = LossBench([0.0] * 5, loss="plcc")
    assert np.isfinite(list(bench.values().values())).all()
    assert bench.faces()["figure"].layout.meta["text"]


def test_what_cannot_be_shown_is_said():
    with pytest.raises(InputError, match="2 to 8 photos"):
        LossBench([1.0], [1.0])
    with pytest.raises(InputError, match="no loss"):
        loss_explorer("mse")
    explorer = loss_explorer()
    for _ in range(12):
        explorer.controls["shift"].click()
    assert "start over" in explorer.message.value
    explorer.controls["start_over"].click()
    assert explorer.message.value == ""
    assert explorer.session.predictions == LossBench().predictions


def test_buttons_move_the_sliders_and_sliders_the_losses():
    explorer = loss_explorer()
    before = explorer.faces["table"].html
    explorer.controls["shift"].click()
    assert explorer.controls["predictions", 0].value == pytest.approx(-0.5)
    assert explorer.faces["table"].html != before
    explorer.controls["loss"].value = "l1"
    assert "l1 is" in explorer.faces["figure"].alt
    explorer.controls["predictions", 4].value = -2.0
    assert explorer.session.predictions[4] == -2.0
    assert "photo E" in explorer.faces["figure"].alt


def test_the_static_twin_says_who_is_blind_and_leaves_the_session_alone():
    explorer = loss_explorer()
    shown = explorer.static()
    assert explorer.session.predictions == LossBench().predictions
    table = shown.table.set_index("loss")
    for loss in LOSSES:
        assert (table.loc[loss, "after shift"] == "not noticed") == (loss in BLIND_TO_SHIFT)
        assert (table.loc[loss, "after scale"] == "not noticed") == (loss in BLIND_TO_SCALE)
    assert "swap two: noticed by every loss" in shown.alt
    assert [a.text for a in shown.figure.layout.annotations] == ["shift", "scale", "swap two"]
