"""MoNet: the attention modules against naive loops, the published size, odd photos, and that it learns."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene
from pqa_lab.methods import METHODS, predict_views
from pqa_lab.methods.monet import MAL, MoNet, build_vit
from pqa_lab.scenes import load_simulated
from pqa_lab.training import fit, predict
from pqa_lab.views import resize_global

K, C, SIDE = 3, 8, 2
N = SIDE * SIDE


def softmax(values: list[float]) -> list[float]:
    top = max(values)
    powers = [math.exp(v - top) for v in values]
    return [p / sum(powers) for p in powers]


def attend(x: list[list[float]], layer, scale: float) -> list[list[float]]:
    """softmax(Q K' scale) V, number by number."""

    def linear(weights, row):
        w, b = weights.weight.tolist(), weights.bias.tolist()
        return [sum(wi * xi for wi, xi in zip(w[o], row, strict=True)) + b[o] for o in range(len(b))]

    q, k, v = ([linear(part, row) for row in x] for part in (layer.query, layer.key, layer.value))
    mixed = []
    for i in range(len(x)):
        weights = softmax([scale * sum(a * b for a, b in zip(q[i], k[j], strict=True)) for j in range(len(x))])
        mixed.append([sum(weights[j] * v[j][d] for j in range(len(x))) for d in range(len(v[0]))])
    return mixed


def naive_mal(mal: MAL, levels: Tensor, public: bool) -> list[list[float]]:
    """One photo, (K, N, C) -> (N, C), by index arithmetic alone."""
    x = []
    for level, attention in zip(levels.tolist(), mal.levels, strict=True):
        mixed, gamma = attend(level, attention, 1.0), attention.gamma.item()
        x.append([[level[n][c] + gamma * mixed[n][c] for c in range(C)] for n in range(N)])

    def branch(attention, places):
        """Tokens as lists of places (level, pixel, channel); returns place -> value."""
        tokens = [[x[k][n][c] for k, n, c in token] for token in places]
        mixed = attend(tokens, attention, len(places[0]) ** -0.5)
        if public:  # written down column by column, read row by row
            flat = [mixed[t][d] for d in range(len(places[0])) for t in range(len(places))]
            mixed = [flat[t * len(places[0]) : (t + 1) * len(places[0])] for t in range(len(places))]
        return {place: tokens[t][d] + mixed[t][d] for t, token in enumerate(places) for d, place in enumerate(token)}

    pixels = branch(mal.of_pixels, [[(k, n, c) for k in range(K) for c in range(C)] for n in range(N)])
    if public:
        rows = [(k, c) for k in range(K) for c in range(C)]
        places = [[(k, n, c) for k, c in rows[t * K : (t + 1) * K] for n in range(N)] for t in range(C)]
    else:
        places = [[(k, n, c) for k in range(K) for n in range(N)] for c in range(C)]
    channels = branch(mal.of_channels, places)
    return [[sum((pixels[k, n, c] + channels[k, n, c]) / 2 for k in range(K)) / K for c in range(C)] for n in range(N)]


@pytest.mark.parametrize("public", [False, True])
def test_mal_equals_naive_loops(public):
    torch.manual_seed(0)
    mal = MAL(K, N, C, public_layout=public).double().eval()
    for attention in mal.levels:
        attention.gamma.data.fill_(0.7)
    levels = torch.randn(2, K, N, C, dtype=torch.float64)
    expected = torch.tensor([naive_mal(mal, photo, public) for photo in levels], dtype=torch.float64)
    torch.testing.assert_close(mal(levels), expected)


def test_level_attention_starts_as_the_identity_and_pixels_are_interchangeable():
    torch.manual_seed(0)
    mal, levels = MAL(K, N, C).eval(), torch.randn(2, K, N, C)
    for attention in mal.levels:
        torch.testing.assert_close(attention(levels[:, 0]), levels[:, 0])
        attention.gamma.data.fill_(1.0)
        order = torch.randperm(N)
        torch.testing.assert_close(attention(levels[:, 0, order]), attention(levels[:, 0])[:, order])


def test_the_published_size_and_the_choice_of_five_opinions():
    counts = []
    with torch.device("meta"):
        for mals in range(1, 7):
            model = MoNet.paper(mals=mals).eval()
            counts.append(sum(p.numel() for p in model.parameters()) / 1e6)
        prediction = model({"image": torch.empty(1, 3, 384, 384)})
    # Counts of the public code, whose ViT keeps a classifier of 0.77 M.
    np.testing.assert_allclose(np.add(counts, 0.769), [150, 206, 268, 335, 408.2, 487], atol=0.8)
    published = [abs(count / 408 - 1) < 0.01 for count in counts]
    assert published == [False, False, False, False, True, False]
    assert prediction.scene_logits.shape == (1, 50)
    assert prediction.parts["opinions"].shape == (1, 6, 24, 24)


def batch(n=8):
    generator = torch.Generator().manual_seed(0)
    noise = torch.linspace(0, 1, n)
    photos = torch.rand(n, 3, 1, 1, generator=generator) + noise[:, None, None, None] * torch.randn(
        n, 3, 112, 112, generator=generator
    )
    return {"views": {"image": photos}, "jod": -3 * noise + 1.5, "scene": torch.arange(n) % 2}


@pytest.mark.slow
def test_a_handful_of_photos_is_learned_and_every_parameter_takes_part():
    torch.manual_seed(0)
    model, data = MoNet.tiny(), batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    history = []
    for _ in range(30):
        terms = model.loss(model(data["views"]), data)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        history.append(terms["quality"].item())
    assert min(history[-5:]) < 0.2 * data["jod"].var(correction=0)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


@pytest.mark.training
def test_unseen_scenes_are_ranked_from_the_shipped_backbone():
    known, new = (load_simulated(size=128, part=part, progress=False) for part in ("train", "test"))
    model = MoNet.tiny()
    fit(model, known, max_steps=40, progress=False, device="cpu")
    each = per_scene(predict(model, new, progress=False))["srcc"]
    assert each.median() > 0.35  # by chance in one of 150: three scenes of 24
    assert len(each) == 3


def test_tiny_starts_from_the_shipped_vit_unless_told_otherwise():
    shipped = build_vit(MoNet.tiny(pretrained=False).config, pretrained=True).state_dict()
    first, second, random = MoNet.tiny(), MoNet.tiny(), MoNet.tiny(pretrained=False)
    for model in (first, second):
        for name, value in model.vit.state_dict().items():
            torch.testing.assert_close(value, shipped[name], rtol=0, atol=0)
    assert not torch.equal(random.vit.pos_embed, first.vit.pos_embed)
    with pytest.raises(InputError, match="pre-trained with the options"):
        MoNet.tiny(backbone_options={"stem": 8, "width": 32})


def odd_photos() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (90, 70, 1), dtype=np.uint8)
    return {
        "smaller than the view": rng.integers(0, 256, (40, 30, 3), dtype=np.uint8),
        "one pixel": np.full((1, 1, 3), 7, np.uint8),
        "panorama": rng.integers(0, 256, (24, 1200, 3), dtype=np.uint8),
        "greyscale": np.repeat(grey, 3, axis=2),
        "black": np.zeros((200, 120, 3), np.uint8),
    }


@pytest.mark.parametrize("name", odd_photos())
def test_odd_photos_get_a_finite_score_twice_the_same(name):
    torch.manual_seed(0)
    model, photo = MoNet.tiny().eval(), odd_photos()[name]

    def score() -> Tensor:
        views = model.views(train=False)(photo, np.random.default_rng())
        return predict_views(model, {key: view[None] for key, view in views.items()}).score

    first = score()
    assert first.isfinite().all()
    assert first == score()


def test_images_of_a_batch_do_not_mix_and_a_copy_from_disk_is_the_same(tmp_path):
    torch.manual_seed(0)
    model, x = MoNet.tiny(public_layout=True).eval(), batch(4)["views"]["image"]
    together = model({"image": x})
    torch.testing.assert_close(torch.cat([model({"image": one[None]}).score for one in x]), together.score)
    model.save_pretrained(tmp_path)
    twin = MoNet.from_pretrained(tmp_path).eval()
    assert twin.config == model.config
    torch.testing.assert_close(twin({"image": x}).score, together.score, rtol=0, atol=0)


def test_the_published_view_is_the_whole_photo_mirrored_in_training():
    with torch.device("meta"):
        model = MoNet.paper(mals=1)
    photo = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    plain = model.views(train=False)(photo, np.random.default_rng(0))["image"]
    torch.testing.assert_close(plain, resize_global(photo, 384, "half"), rtol=0, atol=0)
    looks = [model.views(train=True)(photo, np.random.default_rng(seed))["image"] for seed in range(8)]
    assert {"plain" if look.equal(plain) else "mirrored" if look.equal(plain.flip(3)) else "?" for look in looks} == {
        "plain",
        "mirrored",
    }


def test_zoom_leaves_crops_to_choose_from():
    photo = np.zeros((300, 200, 3), np.uint8)
    photo[:100] = 255  # the upper third
    white = {}
    for tta, count in (("centre", 1), ("five", 5), ("ten", 10)):
        view = MoNet.tiny(zoom=1.5, tta=tta).views(train=False)(photo, np.random.default_rng(0))["image"]
        assert view.shape == (count, 3, 112, 112)
        white[tta] = (view > 0).float().mean((1, 2, 3))
    np.testing.assert_allclose(white["five"][:4], [0.5, 0.5, 0, 0], atol=0.02)  # 56 of 168 rows are white
    torch.testing.assert_close(white["ten"], white["five"].repeat(2))
    torch.testing.assert_close(white["centre"], white["five"][4:])
    look = MoNet.tiny(zoom=1.5).views(train=True)
    drawn = [float((look(photo, np.random.default_rng(seed))["image"] > 0).float().mean()) for seed in range(20)]
    assert max(drawn) > 0.4
    assert min(drawn) < 0.1


def test_unknown_scenes_enter_the_score_alone():
    torch.manual_seed(0)
    model, data = MoNet.tiny().eval(), batch(4)
    prediction = model(data["views"])
    data["scene"] = torch.tensor([1, -1, 0, -1])
    expected = torch.nn.functional.cross_entropy(prediction.scene_logits[[0, 2]], torch.tensor([1, 0]))
    terms = model.loss(prediction, data)
    torch.testing.assert_close(terms["scene"], expected)
    torch.testing.assert_close(terms["quality"], (prediction.score - data["jod"]).square().mean())
    data["scene"] = torch.full((4,), -1)
    assert model.loss(prediction, data)["scene"] == 0
    data["scene"][0] = 12
    with pytest.raises(InputError, match="knows 12 scenes"):
        model.loss(prediction, data)


def test_impossible_configurations_are_refused():
    assert METHODS["monet"] is MoNet
    with pytest.raises(InputError, match="at least one opinion"):
        MoNet.tiny(mals=0)
    with pytest.raises(InputError, match="from 1 to 4"):
        MoNet.tiny(depths=(2, 5))
    with pytest.raises(InputError, match="views of 112 pixels"):
        MoNet.tiny(size=96)
