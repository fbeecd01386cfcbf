"""The attention viewer: weights against softmax by hand, maps where the model looked, parts as the model gave them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pqa_lab.errors import InputError
from pqa_lab.methods import METHODS
from pqa_lab.views import to_tensor
from pqa_lab.widgets import AttentionView, attention_viewer
from pqa_lab.widgets.listening import AttentionListener, as_photo, by_branch, looked_at


@pytest.fixture(scope="module")
def photo():
    from pqa_lab.samples import astronaut

    return astronaut()


@pytest.fixture(scope="module")
def sar():
    torch.manual_seed(0)
    return METHODS["sar"].tiny()


def test_weights_equal_softmax_by_hand_and_the_answer_is_the_same():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 9, 8)
    mask = torch.rand(9, 9) > 0.3
    mask |= torch.eye(9, dtype=torch.bool)
    with AttentionListener() as heard:
        plain = F.scaled_dot_product_attention(q, k, v)
        masked = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.1)
        causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    for out, weights in zip((plain, masked, causal), heard.weights, strict=True):
        assert torch.allclose(weights @ v, out, atol=1e-5)  # A V is what attention gives
        assert torch.allclose(weights.sum(-1), torch.ones(2, 4, 9))


def test_multihead_attention_gives_its_weights_and_keeps_its_contract():
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    x = torch.randn(2, 5, 16)
    expected, weights = layer(x, x, x, average_attn_weights=False)
    with AttentionListener() as heard:
        out, none = layer(x, x, x, need_weights=False)
        _, mean = layer(x, x, x)
    assert none is None
    assert torch.allclose(out, expected, atol=1e-6)
    assert torch.allclose(heard.weights[0], weights)
    assert torch.allclose(mean, weights.mean(1), atol=1e-6)


def test_where_a_class_token_looks_becomes_a_map():
    weights = torch.full((1, 2, 10, 10), 1e-3)
    weights[:, :, 0, 1 + 5] = 1  # a class token and 3 x 3 patches: it looks at row 1, column 2
    grid = looked_at(weights)
    assert grid.shape == (1, 3, 3)
    assert grid[0].argmax() == 5
    assert grid.sum() == pytest.approx(1)
    assert looked_at(torch.rand(1, 2, 16, 16)).shape == (1, 4, 4)
    assert looked_at(torch.rand(1, 2, 7, 7)) is None


def test_branches_in_turn_and_in_one_batch():
    turn = [torch.full((2, 3, 3), float(k)) for k in range(4)]
    named = [(branch, block, grid.mean().item()) for branch, block, grid in by_branch(turn, ["a", "b"], 2)]
    assert named == [("a", 1, 0), ("a", 2, 1), ("b", 1, 2), ("b", 2, 3)]
    batch = torch.cat([torch.zeros(2, 3, 3), torch.ones(2, 3, 3)])
    assert [(b, n, g.mean().item()) for b, n, g in by_branch([batch, None], ["a", "b"], 2)] == [
        ("a", 1, 0),
        ("b", 1, 1),
    ]


@pytest.mark.parametrize("norm", [None, "imagenet", "clip", "half"])
def test_any_normalisation_is_undone(photo, norm):
    small = photo[:64, :64]
    assert np.array_equal(as_photo(to_tensor(small, norm))[0], small)


def test_numbers_and_scenes_are_those_of_the_model(sar, photo):
    view = AttentionView(sar, [photo], view=2)
    seen = sar.eval().views(False)(photo, np.random.default_rng(0))
    with torch.inference_mode():
        alone = sar({name: crops[2:3] for name, crops in seen.items()})
    numbers = view.numbers()
    assert set(numbers) == {"score", "global", "local", "gate"}
    assert numbers["score"] == pytest.approx(alone.score.item(), abs=1e-4)
    g = numbers["gate"]
    assert numbers["score"] == pytest.approx(g * numbers["global"] + (1 - g) * numbers["local"], abs=1e-5)
    assert view.vectors()["scene chances"] == pytest.approx(alone.scene_logits.softmax(1)[0].numpy(), abs=1e-4)
    assert len([name for name in view.maps() if name.endswith("local")]) == len(sar.early["blocks"]) + 2 + 1


def test_the_gradient_map_is_where_a_change_matters(photo):
    model = METHODS["hyperiqa"].tiny()
    view = AttentionView(model, [photo])
    name, slope = view.maps()["gradient of the score"]
    x = view.run().seen[name].clone()
    i, j = np.unravel_index(slope.argmax(), slope.shape)
    with torch.inference_mode():
        base, h = model({name: x}).score.item(), 1e-3
        moved = 0.0
        for channel in range(3):
            y = x.clone()
            y[0, channel, i, j] += h
            moved += abs(model({name: y}).score.item() - base) / h
    assert slope[i, j] == pytest.approx(moved, rel=0.1)


@pytest.mark.slow
def test_a_model_that_compares_shows_who_looks_at_whom(photo):
    torch.manual_seed(0)
    model = METHODS["set_ranker"].tiny()
    photos = [photo, photo[::-1].copy(), photo // 2]
    view = AttentionView(model, photos)
    (matrix,) = view.group_attention()
    assert matrix.shape == (3, 3)
    assert matrix.sum(1) == pytest.approx(np.ones(3), abs=1e-5)
    scores = [AttentionView(model, photos, photo=k).numbers()["score"] for k in range(3)]
    from pqa_lab.ranking import score_photos

    assert scores == pytest.approx(score_photos(model, photos).tolist(), abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["liqe", "rqnet", "monet"])
def test_every_map_of_every_method_can_be_shown(key, photo):
    explorer = attention_viewer(METHODS[key].tiny(), [photo])
    shown = set()
    for name in explorer.session.maps():
        explorer.controls["map"].value = name
        assert explorer.message.value == ""
        shown.add(explorer.faces["pictures"].html)
    assert len(shown) == len(explorer.session.maps()) > 3
    if "view_number" in explorer.controls:
        before = explorer.faces["pictures"].html
        explorer.controls["view_number"].value = 4
        assert explorer.faces["pictures"].html != before
    shown = explorer.static()  # three maps, and each branch's view once
    titles = [a.text for a in shown.figure.layout.annotations]
    assert len(titles) == 3 + sum(title.startswith("what the model sees") for title in titles) >= 4


def test_bad_choices_get_a_sentence(sar, photo):
    with pytest.raises(InputError, match="at least one photo"):
        AttentionView(sar, [])
    with pytest.raises(InputError, match="no map"):
        AttentionView(sar, [photo], map="x-ray").pictures()
