"""SAR: which regressor counts when, what is frozen, the published size and cost, odd photos, and that it learns."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from training_toy import toy_rows

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene
from pqa_lab.methods import METHODS, predict_views
from pqa_lab.methods.backbones import build
from pqa_lab.methods.sar import BRANCHES, SAR, SARConfig, mean_of_conv
from pqa_lab.scenes import load_simulated
from pqa_lab.training import fit, predict
from pqa_lab.training.schedule import lr_factor, parameter_groups
from pqa_lab.views import Face


def batch(n=8):
    generator = torch.Generator().manual_seed(0)
    noise = torch.linspace(0, 1, n)

    def photos():
        colour = torch.rand(n, 3, 1, 1, generator=generator)
        return colour + noise[:, None, None, None] * torch.randn(n, 3, 112, 112, generator=generator)

    return {"views": {name: photos() for name in BRANCHES}, "jod": -3 * noise + 1.5, "scene": torch.arange(n) % 2}


@pytest.fixture(scope="module")
def tiny() -> SAR:
    torch.manual_seed(0)
    return SAR.tiny().eval()


# ------------------------------------------------------------------------------------------------- size and cost


def macs(model: nn.Module) -> tuple[float, float]:
    """Multiply-adds of linear layers and convolutions for a pair of views, all and without attention's (10^9)."""
    seen = {}

    def note(name):
        def hook(module, _, out):
            positions = out.numel() // module.weight.shape[0]
            if name.startswith("project"):
                positions = 14 * 14  # we average first; the published count can hardly have
            seen[name] = seen.get(name, 0) + positions * module.weight.numel() / 1e9

        return hook

    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.register_forward_hook(note(name))
    model({name: torch.empty(1, 3, 224, 224) for name in BRANCHES})
    return sum(seen.values()), sum(value for name, value in seen.items() if "self_attn" not in name)


def test_published_parameters_and_multiply_adds():
    with torch.device("meta"):
        model, shared = SAR.paper().eval(), SAR.paper(late="shared")
        every, without_attention = macs(model)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    assert parameters == pytest.approx(135.02, rel=0.01)
    assert parameters + 14.22 == pytest.approx(149, rel=0.01)
    assert without_attention == pytest.approx(26.11, abs=0.005)
    assert every == pytest.approx(35.43, rel=0.001)
    four_blocks = 4 * (12 * 768**2 + 13 * 768)
    assert parameters - sum(p.numel() for p in shared.parameters()) / 1e6 == pytest.approx(four_blocks / 1e6)


def test_the_mean_of_a_convolution_is_taken_before_it():
    torch.manual_seed(0)
    conv, x = nn.Conv2d(5, 4, 3).double(), torch.randn(2, 5, 6, 6, dtype=torch.float64)
    expected = F.conv2d(x, conv.weight, conv.bias, padding=1).mean((2, 3))
    torch.testing.assert_close(mean_of_conv(conv, x), expected)


# ------------------------------------------------------------------------------------- regressors, scenarios, gate


def test_in_testing_scenes_are_weighed_by_their_probabilities_and_branches_by_the_gate(tiny):
    with torch.no_grad():
        prediction = tiny(batch(4)["views"])
    parts = prediction.parts
    for i in range(4):
        scores = {}
        for name in BRANCHES:
            p = parts[f"{name}_scene_logits"][i].softmax(0)
            scores[name] = sum(float(p[c]) * float(parts[f"{name}_by_scene"][i, c]) for c in range(12))
            assert float(parts[name][i]) == pytest.approx(scores[name], abs=1e-5)
        g = float(parts["gate"][i])
        assert 0 < g < 1
        assert float(prediction.score[i]) == pytest.approx(g * scores["global"] + (1 - g) * scores["local"], abs=1e-5)
    torch.testing.assert_close(prediction.scene_logits, parts["global_scene_logits"])


def test_in_training_the_true_scene_picks_the_regressor_where_it_is_known(tiny):
    data = batch(4)
    data["scene"] = torch.tensor([3, -1, 0, -1])
    prediction = tiny(data["views"])
    parts, gate = prediction.parts, prediction.parts["gate"]
    expected = []
    for i, c in enumerate(data["scene"].tolist()):
        one, two = (parts[f"{name}_by_scene"][i, c] if c >= 0 else parts[name][i] for name in BRANCHES)
        expected.append(gate[i] * one + (1 - gate[i]) * two)
    error = (torch.stack(expected) - data["jod"]).abs()
    huber = torch.where(error <= 0.2, error**2 / 2, 0.2 * (error - 0.1)).mean()
    terms = tiny.loss(prediction, data)
    torch.testing.assert_close(terms["quality"], huber)
    known = torch.tensor([0, 2])
    recognised = [F.cross_entropy(parts[f"{n}_scene_logits"][known], data["scene"][known]) for n in BRANCHES]
    torch.testing.assert_close(terms["scene"], sum(recognised) / 2)
    torch.testing.assert_close(terms["loss"], terms["quality"] + 0.1 * terms["scene"])
    data["scene"] = torch.full((4,), -1)
    assert tiny.loss(prediction, data)["scene"] == 0
    data["scene"][0] = 12
    with pytest.raises(InputError, match="knows 12 scenes"):
        tiny.loss(prediction, data)


def test_scenarios_are_drawn_as_often_as_stated():
    torch.manual_seed(0)
    model = SAR.tiny()
    drawn = [model.scenario() for _ in range(4000)]
    shares = [drawn.count(branches) / 4000 for branches in (BRANCHES[:1], BRANCHES[1:], BRANCHES)]
    np.testing.assert_allclose(shares, (0.3, 0.3, 0.4), atol=0.025)  # three standard errors


@pytest.mark.parametrize(("scenarios", "other"), [((1, 0, 0), "local"), ((0, 1, 0), "global")])
def test_a_single_branch_trains_alone(scenarios, other):
    torch.manual_seed(0)
    model, data = SAR.tiny(scenarios=scenarios).train(), batch(4)
    prediction = model(data["views"])
    assert not [name for name in prediction.parts if other in name or name == "gate"]
    model.loss(prediction, data)["loss"].backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    assert not [name for name in learning if other in name.split(".") or name.startswith("gate")]
    rest = {n for n, _ in model.named_parameters() if other not in n.split(".") and not n.startswith("gate")}
    assert learning == rest


def test_frozen_blocks_stay_and_all_else_learns():
    torch.manual_seed(0)
    model = SAR.tiny(scenarios=(0, 0, 1))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe = dataclasses.replace(
        SAR(SARConfig(**dataclasses.asdict(model.config) | {"preset": "paper"})).recipe,
        scenes_per_batch=2,
        images_per_scene=2,
        warmup_epochs=0,
    )
    assert recipe.lr_scale == {"early": 0.0}
    fit(model, toy_rows(scenes=3, images=4), recipe=recipe, max_steps=2, progress=False, device="cpu")
    moved = {name for name, p in model.named_parameters() if not torch.equal(before[name], p)}
    assert moved == {name for name in before if not name.startswith("early.")}
    assert all(p.requires_grad for p in model.parameters())


def test_late_blocks_are_separate_or_shared():
    separate, shared = SAR.tiny(), SAR.tiny(late="shared")
    assert set(separate.late) == set(BRANCHES)
    assert set(shared.late) == {"both"}
    twins = zip(separate.late["global"].parameters(), separate.late["local"].parameters(), strict=True)
    assert all(a is not b and torch.equal(a, b) for a, b in twins)  # both start from CLIP
    assert shared.eval()(batch(2)["views"]).score.isfinite().all()


@pytest.mark.slow
def test_a_handful_of_photos_is_learned():
    torch.manual_seed(0)
    model, data, steps = SAR.tiny(scenarios=(0, 0, 1)), batch(), 100
    recipe = model.recipe
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe), lr=recipe.lr)
    history = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * lr_factor(recipe, step, 1, steps) * group["lr_scale"]
        terms = model.loss(model(data["views"]), data)
        optimizer.zero_grad()
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        history.append(terms["quality"].item())
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []
    same_for_all = F.huber_loss(torch.zeros(8), data["jod"], delta=model.config.delta)
    assert min(history[-5:]) < 0.3 * same_for_all


@pytest.mark.training
def test_unseen_scenes_are_ranked_from_the_shipped_backbone():
    known, new = (load_simulated(size=128, part=part, progress=False) for part in ("train", "test"))
    model = SAR.tiny(patches=1)
    fit(model, known, max_steps=50, progress=False, device="cpu")
    each = per_scene(predict(model, new, progress=False))["srcc"]
    assert each.median() > 0.35  # by chance in one of 150: three scenes of 24
    assert len(each) == 3


def test_tiny_starts_from_the_shipped_clip_unless_told_otherwise():
    clip = build("tiny_clip", pretrained=True, stem=8).vision_model.encoder.layers
    model, random = SAR.tiny(), SAR.tiny(pretrained=False)
    ours = [*model.early["blocks"], *model.late["local"]]
    for layer, shipped in zip(ours, clip, strict=True):
        for a, b in zip(layer.parameters(), shipped.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    name = "embeddings.patch_embedding.0.0.weight"
    assert not torch.equal(model.early.state_dict()[name], random.early.state_dict()[name])
    with pytest.raises(InputError, match="pre-trained with the options"):
        SAR.tiny(backbone_options={"stem": 8, "width": 48})


# ------------------------------------------------------------------------------------------------------ views


def test_views_are_patches_of_the_photo_and_of_the_face():
    photo = np.zeros((300, 400, 3), np.uint8)
    photo[100:180, 200:280] = 255
    model = SAR.tiny(short_side=0, face_side=80, patches=30)
    asked = []

    def detector(image):
        asked.append(image.shape)
        return [Face((200, 100, 280, 180), 0.3), Face((0, 0, 300, 300), 0.1)]  # the second is below every threshold

    model.detector = detector
    white = (1 - torch.tensor([0.48145466, 0.4578275, 0.40821073])) / torch.tensor([0.26862954, 0.26130258, 0.27577711])
    look = model.views(train=False)
    views = look(photo, np.random.default_rng(0))
    assert {name: tuple(view.shape) for name, view in views.items()} == dict.fromkeys(BRANCHES, (30, 3, 112, 112))
    torch.testing.assert_close(views["local"], white[None, :, None, None].expand(30, 3, 112, 112))
    assert views["global"].std() > 0.1
    look(photo.copy(), np.random.default_rng(1))
    assert len(asked) == 1  # remembered
    trained = model.views(train=True)(photo, np.random.default_rng(0))
    assert {tuple(view.shape) for view in trained.values()} == {(1, 3, 112, 112)}


def odd_photos() -> dict[str, tuple[np.ndarray, list[Face]]]:
    rng = np.random.default_rng(0)

    def noise(*shape):
        return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)

    two = [Face((10, 10, 60, 70), 0.9), Face((100, 20, 170, 110), 0.95)]
    return {
        "no face": (noise(150, 200), []),
        "several faces": (noise(150, 200), two),
        "smaller than the patch": (noise(40, 30), [Face((5, 5, 20, 25), 0.9)]),
        "one pixel": (noise(1, 1), []),
        "panorama": (noise(24, 1200), [Face((600, 2, 618, 22), 0.9)]),
        "tower": (noise(1200, 24), []),
        "greyscale": (np.repeat(noise(90, 70)[:, :, :1], 3, axis=2), []),
        "face over the border": (noise(120, 120), [Face((-20, -30, 140, 150), 0.9)]),
    }


@pytest.mark.parametrize("name", odd_photos())
def test_odd_photos_get_a_finite_score_twice_the_same(name):
    torch.manual_seed(0)
    photo, faces = odd_photos()[name]
    model = SAR.tiny().eval()
    model.detector = lambda image: faces

    def score() -> Tensor:
        views = model.views(train=False)(photo, np.random.default_rng())
        return predict_views(model, {key: view[None] for key, view in views.items()}).score

    first = score()
    assert first.isfinite().all()
    assert first == score()
    trained = model.views(train=True)(photo, np.random.default_rng(0))
    assert {tuple(view.shape) for view in trained.values()} == {(1, 3, 112, 112)}


def test_the_default_detector_serves_a_photo_without_a_face(tiny):
    views = tiny.views(train=False)(np.full((60, 80, 3), 90, np.uint8), np.random.default_rng(0))
    assert predict_views(tiny, {key: view[None] for key, view in views.items()}).score.isfinite().all()


def test_images_of_a_batch_do_not_mix_and_a_copy_from_disk_is_the_same(tiny, tmp_path):
    views = batch(4)["views"]
    together = tiny(views).score
    alone = [tiny({name: view[i : i + 1] for name, view in views.items()}).score for i in range(4)]
    torch.testing.assert_close(torch.cat(alone), together)
    tiny.save_pretrained(tmp_path)
    twin = SAR.from_pretrained(tmp_path).eval()
    assert twin.config == tiny.config
    torch.testing.assert_close(twin(views).score, together, rtol=0, atol=0)


def test_impossible_configurations_are_refused():
    assert METHODS["sar"] is SAR
    with pytest.raises(InputError, match="separate"):
        SAR.tiny(late="apart")
    with pytest.raises(InputError, match="late ones"):
        SAR.tiny(fused=3)
    with pytest.raises(InputError, match="add up to 1"):
        SAR.tiny(scenarios=(0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="has 4 blocks"):
        SAR.tiny(blocks=5)
