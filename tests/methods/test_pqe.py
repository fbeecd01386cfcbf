"""PQE: the public network under its public names, what each branch sees, the pairwise loss, LIQE beside the network."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from training_toy import toy_rows

from pqa_lab.errors import InputError
from pqa_lab.methods import METHODS, predict_views
from pqa_lab.methods.liqe import LIQE
from pqa_lab.methods.pqe import PQE
from pqa_lab.methods.pqe_pretraining import PQEBranch
from pqa_lab.views import Face, resize_short, to_tensor

SMALL = {"backbone_options": {"size": 96, "width": 16, "stem": 8}, "size": 96, "resize": 160, "pretrained": False}
LINEAR = {"backbone_options": {"size": 96, "width": 16, "stem": 0}}  # patches as in the published Swin


def photo(height, width, grey=False, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image[:, :, :1].repeat(3, 2) if grey else image


def sees(*boxes):
    """A detector that finds these faces in every photo and counts its calls."""

    def detector(image):
        detector.calls += 1
        return [Face(box, 0.99) for box in boxes]

    detector.calls = 0
    return detector


def make(detector=None, **config):
    torch.manual_seed(0)
    model = PQE.tiny(**SMALL | config).eval()
    model.detector = detector or sees()
    return model


@pytest.fixture(scope="module")
def shared():
    return make()


def inputs(n, seed=0, size=96):
    random = torch.Generator().manual_seed(seed)
    views = {name: torch.randn(n, 3, size, size, generator=random) for name in ("full", "face")}
    return views | {"liqe": 10 * torch.randn(n, 495, generator=random)}


@torch.inference_mode()
def score(model, image, seed=0):
    views = model.views(train=False)(image, np.random.default_rng(seed))
    return predict_views(model, {name: view[None] for name, view in views.items()}).score


# The public network ---------------------------------------------------------------------------------------------------


def test_published_size():
    with torch.device("meta"):
        model = PQE.paper()
    assert sum(p.numel() for p in model.parameters()) == 174_082_929  # Table 2: 174 M
    assert model.head[0].in_features == 2543


def swin(seed):
    torch.manual_seed(seed)
    return timm.models.SwinTransformer(
        96, embed_dim=16, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8), window_size=4, mlp_ratio=2, num_classes=0
    ).eval()


def before_timm_09(name):
    """Where the public code's timm 0.6 keeps a parameter of today's Swin."""
    for stage in (1, 2, 3):
        name = name.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample")
    return name


@pytest.mark.parametrize("old", [True, False])
def test_equals_the_public_network_under_its_names(old):
    full, face = swin(1), swin(2)
    random = torch.Generator().manual_seed(3)
    state = {}
    for prefix, net in (("feature_extraction.feature_extraction", full),
                        ("feature_extraction_face.feature_extraction.feature_extraction", face)):  # fmt: skip
        for name, value in net.state_dict().items():
            state[f"module.{prefix}.{before_timm_09(name) if old else name}"] = value
        if old:  # buffers that were stored then
            state[f"module.{prefix}.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16)
            state[f"module.{prefix}.layers.1.blocks.1.attn_mask"] = torch.zeros(4, 16, 16)
    w1, b1 = torch.randn(32, 256 + 495, generator=random) / 30, torch.randn(32, generator=random)
    w2, b2 = torch.randn(1, 32, generator=random), torch.randn(1, generator=random)
    state |= {"module.quality.0.weight": w1, "module.quality.0.bias": b1}
    state |= {"module.quality.3.weight": w2, "module.quality.3.bias": b2}

    model = make(**LINEAR)
    model.load_reference(state)
    views = inputs(3)
    with torch.inference_mode():
        answer = model(views).score
        for i in range(3):
            feature = torch.cat([full(views["full"][[i]])[0], face(views["face"][[i]])[0], views["liqe"][i]])
            expected = F.linear(F.linear(feature, w1, b1).relu(), w2, b2)[0]
            torch.testing.assert_close(answer[i], expected, rtol=0, atol=1e-4)

    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=r"head\.3\.bias"):
        model.load_reference({key: value for key, value in state.items() if key != "module.quality.3.bias"})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# What the branches see ------------------------------------------------------------------------------------------------


def test_five_crops_of_the_photo_and_of_its_largest_face():
    image = photo(300, 200)
    model = make(sees((10, 10, 40, 50), (60, 100, 160, 220), (0, 0, 20, 20)))
    views = model.views(train=False)(image, np.random.default_rng(0))
    margin = model.config.margin
    cut = image[100 - margin : 220 + margin, 60 - margin : 160 + margin]
    for name, source in (("full", image), ("face", cut)):
        small = resize_short(source, model.config.resize)
        height, width = small.shape[:2]
        corners = [(0, 0), (0, width - 96), (height - 96, 0), (height - 96, width - 96)]
        corners.append((round((height - 96) / 2), round((width - 96) / 2)))
        expected = torch.cat([to_tensor(small[y : y + 96, x : x + 96], "imagenet") for y, x in corners])
        assert torch.equal(views[name], expected)


def test_without_a_face_the_face_branch_sees_the_whole_photo():
    views = make(sees()).views(train=False)(photo(200, 260), np.random.default_rng(0))
    assert torch.equal(views["face"], views["full"])


def test_training_crops_of_photo_and_face_are_independent():
    model = make(sees())
    image = photo(200, 260)
    places = {"full": set(), "face": set()}
    for seed in range(12):
        views = model.views(train=True)(image, np.random.default_rng(seed))
        again = model.views(train=True)(image, np.random.default_rng(seed))
        for name in places:
            assert views[name].shape == (1, 3, 96, 96)
            assert torch.equal(views[name], again[name])
            places[name].add(float(views[name].sum()))
        assert not torch.equal(views["full"], views["face"])
    assert len(places["full"]) > 8
    assert len(places["face"]) > 8


def test_every_input_counts(shared):
    model = shared
    views, other = inputs(2), inputs(2, seed=1)
    with torch.inference_mode():
        score = model(views).score
        for name in views:
            changed = model(views | {name: other[name]}).score
            assert ((changed - score).abs() > 1e-4).all()


ODD = {
    "one pixel": photo(1, 1),
    "smaller than a crop": photo(40, 30),
    "panorama": photo(40, 2000),
    "tower": photo(2000, 40),
    "grey": photo(200, 260, grey=True),
    "black": np.zeros((200, 200, 3), np.uint8),
}


@pytest.mark.parametrize("faces", ["none", "sliver", "default"])
def test_odd_photos_get_a_score_and_the_same_one_twice(shared, faces):
    model = copy.copy(shared)
    model.detector = {"none": sees(), "sliver": sees((0, 0, 1, 1)), "default": None}[faces]
    for name, image in ODD.items():
        scores = []
        for seed in (0, 1):  # the random numbers that come with a photo do not matter
            model._seen = {}
            scores.append(score(model, image, seed))
        assert scores[0].isfinite().all(), name
        assert torch.equal(*scores), name


# LIQE beside the network ----------------------------------------------------------------------------------------------


def test_liqe_is_frozen_and_no_part_of_the_network():
    model = make()
    image = photo(200, 260)
    before = [sum(p.numel() for p in model.parameters()), list(model.state_dict())]
    logits = model.views(train=False)(image, np.random.default_rng(0))["liqe"]
    assert isinstance(model.liqe, LIQE)
    assert [sum(p.numel() for p in model.parameters()), list(model.state_dict())] == before
    assert logits.shape == (5, 495)
    assert torch.equal(logits, logits[:1].expand(5, -1))
    assert not logits.requires_grad
    assert not model.liqe.training
    model.train()
    assert not model.liqe.training
    assert torch.equal(PQE.tiny(**SMALL).look_once(image)[1], logits[0])  # whatever was drawn from the generator before


def test_liqe_sees_patches_of_the_photo_in_its_own_resolution():
    model = make(liqe_patches=15)
    image = photo(130, 1100)  # LIQE itself would take steps of 48 from 1024 pixels on; the public PQE does not
    x = to_tensor(image, "clip")[0].unfold(1, 112, 32).unfold(2, 112, 32).permute(1, 2, 0, 3, 4).flatten(0, 1)
    assert len(x) == 31
    with torch.inference_mode():
        expected = torch.stack([model.liqe.logits(patch[None])[0] for patch in x[:30:2]]).mean(0)
    torch.testing.assert_close(model.look_once(image)[1], expected)


def test_a_trained_liqe_is_named_by_the_config(tmp_path):
    torch.manual_seed(5)
    trained = LIQE.tiny().eval()
    trained.save_pretrained(tmp_path / "liqe")
    model = make(liqe=str(tmp_path / "liqe"))
    image = photo(200, 260)
    logits = model.look_once(image)[1]
    assert not torch.allclose(logits, make().look_once(image)[1])
    model.save_pretrained(tmp_path / "pqe")
    loaded = PQE.from_pretrained(tmp_path / "pqe").eval()
    loaded.detector = sees()
    assert torch.equal(loaded.look_once(image)[1], logits)
    assert torch.equal(score(loaded, image), score(model, image))


def test_a_photo_is_searched_for_faces_once():
    detector = sees()
    model = make(detector)
    for train in (True, True, False):
        model.views(train)(photo(200, 260), np.random.default_rng(0))
    assert detector.calls == 1
    for other in (photo(200, 260, seed=1), photo(260, 200).reshape(260, 200, 3)):
        model.views(False)(other, np.random.default_rng(0))
    assert detector.calls == 3


def test_what_was_seen_in_inference_can_be_trained_on():
    model = make()
    look = model.views(train=True)
    with torch.inference_mode():
        look(photo(200, 260), np.random.default_rng(0))
    model.train()(look(photo(200, 260), np.random.default_rng(0))).score.sum().backward()
    assert model.head[0].weight.grad.isfinite().all()


# Loss, pairs, pre-training --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label, sigma", [("hard", math.sqrt(2)), ("soft", 1.0)])
def test_loss_over_same_scene_pairs_naively(label, sigma):
    model = make(label=label, sigma=sigma)
    prediction = model(inputs(6))
    jod, scene = [0.3, -1.0, 2.0, 0.5, 0.0, 4.0], [0, 0, 1, 1, 1, 2]
    q = prediction.score.tolist()
    terms = []
    for x in range(6):
        for y in range(6):
            if x == y or scene[x] != scene[y]:
                continue
            p = float(jod[x] > jod[y]) if label == "hard" else 0.5 * (1 + math.erf((jod[x] - jod[y]) / math.sqrt(2)))
            p_hat = 0.5 * (1 + math.erf((q[x] - q[y]) / sigma / math.sqrt(2)))
            terms.append(1 - math.sqrt(p * p_hat) - math.sqrt((1 - p) * (1 - p_hat)))
    loss = model.loss(prediction, {"jod": torch.tensor(jod), "scene": torch.tensor(scene)})["loss"]
    assert float(loss.detach()) == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_branches_start_from_their_pre_training():
    torch.manual_seed(1)
    full, face, model = PQEBranch.tiny(), PQEBranch.tiny(), PQE.tiny(pretrained=False).eval()
    model.start_from(full, face)
    views = inputs(2, size=128)
    with torch.inference_mode():
        parts = model(views).parts
        assert torch.equal(parts["full"], full.eval().swin(views["full"]))
        assert torch.equal(parts["face"], face.eval().swin(views["face"]))
        prediction = full({"image": views["full"]})
        mos = torch.tensor([3.0, 1.0])
        loss = full.loss(prediction, {"jod": mos, "scene": torch.zeros(2)})["loss"]
    assert float(loss) == pytest.approx(float(((prediction.score - mos) ** 2).mean()))
    assert full.views(train=False)(photo(200, 260), np.random.default_rng(0))["image"].shape == (5, 3, 128, 128)


def test_key_is_in_the_table_of_methods():
    assert METHODS[make().config.method] is PQE


@pytest.mark.training
def test_the_published_path_from_frames_to_pairs(tmp_path):
    from pqa_lab.training import fit, load_checkpoint, predict

    frames, portraits = toy_rows(scenes=1, images=8), toy_rows(scenes=3, images=4)
    torch.manual_seed(0)
    full = PQEBranch.tiny()
    quick = dataclasses.replace(full.recipe, images_per_scene=8)
    fit(full, frames, recipe=quick, max_steps=4, progress=False, device="cpu", out=tmp_path / "full")
    assert isinstance(load_checkpoint(tmp_path / "full" / "last", PQEBranch), PQEBranch)
    face = copy.deepcopy(full)
    fit(face, frames, recipe=quick, max_steps=4, progress=False, device="cpu")
    model = PQE.tiny()
    model.start_from(full, face)
    history = fit(model, portraits, sampler=PQE.pairs, max_steps=5, progress=False, device="cpu")
    assert len(history.records) == 5
    assert np.isfinite(predict(model, portraits, progress=False)["score"]).all()


@pytest.mark.training
def test_overfits_eight_photos():
    from pqa_lab.training import fit, predict

    rows = toy_rows(scenes=1, images=8)
    torch.manual_seed(0)
    model = PQE.tiny()
    recipe = dataclasses.replace(model.recipe, scenes_per_batch=1, images_per_scene=8, warmup_epochs=0)
    history = fit(model, rows, recipe=recipe, max_steps=60, progress=False, device="cpu")
    frame = predict(model, rows, progress=False)
    assert frame["score"].corr(frame["jod"], method="spearman") > 0.95
    assert history.records[-1]["loss"] < history.records[0]["loss"] / 2
