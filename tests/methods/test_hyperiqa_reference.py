"""The family is numerically the public code: state dicts with the public names against a naive formulation.

The oracle knows the public architecture by its published sizes and names only: torchvision's ResNet-50 (whose names
the public code uses), then one photo at a time, every layer a plain ``F.linear`` or ``F.conv2d``, averages after
convolutions.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import resnet50

from pqa_lab.errors import InputError
from pqa_lab.methods.fhiqa import FHIQA
from pqa_lab.methods.hyperiqa import HyperIQA
from pqa_lab.methods.sem_hyperiqa import VARIANTS, SemHyperIQA

SCENES = 7
GENERATOR = torch.Generator().manual_seed(3)


def random_layer(*shape: int, bias: bool = True) -> dict[str, Tensor]:
    fan_in = torch.tensor(shape[1:]).prod()
    layer = {"weight": torch.randn(shape, generator=GENERATOR) * (1.5 / fan_in).sqrt()}
    return layer | ({"bias": torch.rand(shape[0], generator=GENERATOR) - 0.5} if bias else {})


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A random state dict with the public names at 224 pixels, the scene's layers included."""
    layers = {
        "res.lda1_pool.0": random_layer(16, 256, 1, 1, bias=False),
        "res.lda2_pool.0": random_layer(32, 512, 1, 1, bias=False),
        "res.lda3_pool.0": random_layer(64, 1024, 1, 1, bias=False),
        "res.lda1_fc": random_layer(16, 16 * 64),
        "res.lda2_fc": random_layer(16, 32 * 16),
        "res.lda3_fc": random_layer(16, 64 * 4),
        "res.lda4_fc": random_layer(176, 2048),
        "conv1.0": random_layer(1024, 2048, 1, 1),
        "conv1.2": random_layer(512, 1024, 1, 1),
        "conv1.4": random_layer(112, 512, 1, 1),
        "fc1w_conv": random_layer(512, 112, 3, 3),
        "fc2w_conv": random_layer(128, 112, 3, 3),
        "fc3w_conv": random_layer(32, 112, 3, 3),
        "fc4w_conv": random_layer(8, 112, 3, 3),
        "fc1b_fc": random_layer(112, 112),
        "fc2b_fc": random_layer(56, 112),
        "fc3b_fc": random_layer(28, 112),
        "fc4b_fc": random_layer(14, 112),
        "fc5w_fc": random_layer(14, 112),
        "fc5b_fc": random_layer(1, 112),
    }
    layers = {f"hyperNet.{name}": layer for name, layer in layers.items()} | {
        "sceneClassNet.layers.0": random_layer(500, 112 * SCENES),
        "sceneClassNet.layers.2": random_layer(500, 500),
        "sceneClassNet.layers.4": random_layer(SCENES, 500),
        "rescaleNet.layers.0": random_layer(100, SCENES),
        "rescaleNet.layers.2": random_layer(100, 100),
        "rescaleNet.layers.4": random_layer(100, 100),
        "rescaleNet.layers.6": random_layer(2, 100),
    }
    flat = {f"{name}.{part}": value for name, layer in layers.items() for part, value in layer.items()}
    for name, value in resnet50().state_dict().items():
        if name.endswith("running_mean"):
            value = torch.randn(value.shape, generator=GENERATOR) * 0.1
        elif name.endswith("running_var"):
            value = torch.rand(value.shape, generator=GENERATOR) + 0.5
        elif name.endswith("weight") and value.ndim == 1:  # batch normalization
            value = torch.rand(value.shape, generator=GENERATOR) * 0.3 + 0.5
        if not name.startswith("fc."):
            flat[f"hyperNet.res.{name}"] = value
    return flat


@pytest.fixture(scope="module")
def photos() -> Tensor:
    return torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(4))


def under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def naive_hyperiqa(state: dict[str, Tensor], photo: Tensor) -> tuple[Tensor, Tensor]:
    """Quality () and hyper features (112, 7, 7) of one photo (3, 224, 224)."""
    net = resnet50().eval()
    net.load_state_dict(under(state, "res."), strict=False)
    x = net.maxpool(net.relu(net.bn1(net.conv1(photo[None]))))
    content = []
    for k in (1, 2, 3, 4):
        x = net.get_submodule(f"layer{k}")(x)
        local = x if k == 4 else F.conv2d(x, state[f"res.lda{k}_pool.0.weight"])
        cells = F.avg_pool2d(local, 7)
        content.append(F.linear(cells.flatten(), state[f"res.lda{k}_fc.weight"], state[f"res.lda{k}_fc.bias"]))
    for layer in (0, 2, 4):
        x = F.conv2d(x, state[f"conv1.{layer}.weight"], state[f"conv1.{layer}.bias"]).relu()
    mean = x.mean((2, 3))[0]
    v = torch.cat(content)
    for k in (1, 2, 3, 4):
        written = F.conv2d(x, state[f"fc{k}w_conv.weight"], state[f"fc{k}w_conv.bias"], padding=1)
        bias = F.linear(mean, state[f"fc{k}b_fc.weight"], state[f"fc{k}b_fc.bias"])
        v = F.linear(v, written.flatten().view(len(bias), len(v)), bias).sigmoid()
    weight = F.linear(mean, state["fc5w_fc.weight"], state["fc5w_fc.bias"])
    return weight @ v + F.linear(mean, state["fc5b_fc.weight"], state["fc5b_fc.bias"])[0], x[0]


def naive_mlp(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    layers = sorted({int(key.split(".")[2]) for key in state if key.startswith(f"{name}.")})
    for layer in layers:
        x = F.linear(x, state[f"{name}.layers.{layer}.weight"], state[f"{name}.layers.{layer}.bias"])
        x = x if layer == layers[-1] else x.relu()
    return x


def naive_scene(state: dict[str, Tensor], photo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quality, scene probabilities, and (a, b) of every scene."""
    quality, hyper = naive_hyperiqa(under(state, "hyperNet."), photo)
    rows = F.adaptive_avg_pool2d(hyper, (1, SCENES)).flatten()
    rescale = torch.stack([naive_mlp(state, "rescaleNet", row) for row in torch.eye(SCENES)])
    return quality, naive_mlp(state, "sceneClassNet", rows).softmax(0), rescale


@pytest.fixture(scope="module")
def naive(state, photos):
    return [naive_scene(state, photo) for photo in photos]


@torch.inference_mode()
def answers(model, state, views):
    model.eval().load_reference(state)
    model.net.backbone.fold_from = 0  # as at 1344 pixels
    return model(views)


@pytest.mark.parametrize("prefix", ["", "hyperNet.", "module."])
def test_hyperiqa(state, photos, naive, prefix):
    named = {prefix + key: value for key, value in under(state, "hyperNet.").items()}
    score = answers(HyperIQA.paper(size=224), named, {"image": photos}).score
    torch.testing.assert_close(score, torch.stack([quality for quality, _, _ in naive]), rtol=0, atol=1e-4)


def test_hyperiqa_answers_alike_with_and_without_folded_norms(state, photos):
    model = HyperIQA.paper(size=224)
    folded = answers(model, under(state, "hyperNet."), {"image": photos}).score
    model.net.backbone.fold_from = float("inf")
    with torch.inference_mode():
        torch.testing.assert_close(model({"image": photos}).score, folded, rtol=0, atol=1e-4)


def test_sem_hyperiqa(state, photos, naive):
    answer = answers(SemHyperIQA.paper(size=224, scenes=SCENES), state, {"image": photos})
    for i, (quality, probability, _) in enumerate(naive):
        a, b = naive_mlp(state, "rescaleNet", probability)
        torch.testing.assert_close(answer.score[i], a * quality + b, rtol=0, atol=1e-4)
        torch.testing.assert_close(answer.scene_logits[i].softmax(0), probability, rtol=0, atol=1e-4)
        torch.testing.assert_close(answer.parts["pre_quality"][i], quality, rtol=0, atol=1e-4)


def test_sem_hyperiqa_so_is_told_the_scene(state, photos, naive):
    told = {key: value for key, value in state.items() if not key.startswith("sceneClassNet.")}
    model = SemHyperIQA.paper(size=224, scenes=SCENES, **VARIANTS["so"])
    answer = answers(model, told, {"image": photos, "scene": torch.tensor([5, -1, 2])})
    by_scene = torch.stack([quality * rescale[:, 0] + rescale[:, 1] for quality, _, rescale in naive])
    expected = torch.stack([by_scene[0, 5], by_scene[1].mean(), by_scene[2, 2]])
    torch.testing.assert_close(answer.score, expected, rtol=0, atol=1e-4)
    batch = {"jod": torch.zeros(3), "scene": torch.tensor([1, -1, 2])}
    loss = (by_scene[0, 1].abs() + by_scene[1].mean().abs() + by_scene[2, 2].abs()) / 3
    torch.testing.assert_close(model.loss(answer, batch)["loss"], loss, rtol=0, atol=1e-4)


def test_sem_hyperiqa_co_only_names_the_scene(state, photos, naive):
    named = {key: value for key, value in state.items() if not key.startswith("rescaleNet.")}
    answer = answers(SemHyperIQA.paper(size=224, scenes=SCENES, **VARIANTS["co"]), named, {"image": photos})
    torch.testing.assert_close(answer.score, torch.stack([quality for quality, _, _ in naive]), rtol=0, atol=1e-4)
    assert answer.scene_logits.shape == (3, SCENES)


@pytest.mark.parametrize("top", [1, 3, SCENES])
def test_full_hyperiqa(state, photos, naive, top):
    answer = answers(FHIQA.paper(size=224, scenes=SCENES, top=top), state, {"image": photos})
    for i, (quality, probability, rescale) in enumerate(naive):
        best = sorted(range(SCENES), key=lambda c: -probability[c])[:top]
        total = sum(probability[c] for c in best)
        expected = sum(probability[c] * (rescale[c, 0] * quality + rescale[c, 1]) for c in best) / total
        torch.testing.assert_close(answer.score[i], expected, rtol=0, atol=1e-4)


def test_patches_of_a_photo_are_judged_together_and_photos_apart(state, photos, naive):
    wide = dict(state)
    wide["sceneClassNet.layers.0.weight"] = random_layer(500, 2 * 112 * SCENES)["weight"]
    views = torch.stack([photos[:2], photos[1:]])  # two photos of two patches
    model = SemHyperIQA.paper(size=224, scenes=SCENES, patches=2)
    answer = answers(model, wide, {"image": views})
    quality = [quality for quality, _, _ in naive]
    expected = torch.stack([(quality[0] + quality[1]) / 2, (quality[1] + quality[2]) / 2])
    torch.testing.assert_close(answer.parts["pre_quality"], expected, rtol=0, atol=1e-4)
    with torch.inference_mode():
        alone = torch.cat([model({"image": photo[None]}).score for photo in views])
    torch.testing.assert_close(answer.score, alone, rtol=0, atol=1e-4)


def test_a_state_dict_that_does_not_fit_is_refused_by_name_and_changes_nothing(state):
    model = HyperIQA.paper(size=224)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    good = under(state, "hyperNet.")
    renamed = {("fc1w_con" if key == "fc1w_conv.weight" else key): value for key, value in good.items()}
    with pytest.raises(InputError, match=r"weight_convs\.0\.weight.*fc1w_con"):
        model.load_reference(renamed)
    with pytest.raises(InputError, match="sceneClassNet"):
        model.load_reference(state)
    with pytest.raises(InputError, match="another size"):
        model.load_reference(good | {"fc5w_fc.weight": torch.zeros(84, 672)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    # Files from before PyTorch 0.4.1 have no counters.
    model.load_reference({key: value for key, value in good.items() if not key.endswith("num_batches_tracked")})
