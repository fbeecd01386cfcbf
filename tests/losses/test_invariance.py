"""What each docstring says its loss is invariant to, on random batches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pqa_lab import losses

N_SCENES = 3
shifts = st.lists(st.floats(-5, 5), min_size=N_SCENES, max_size=N_SCENES)
scales = st.lists(st.floats(0.2, 5), min_size=N_SCENES, max_size=N_SCENES)
seeds = st.integers(0, 10_000)
SHIFT_PRED = ["scale_shift_invariant", "fidelity", "plcc", "pairwise_logistic", "bradley_terry"]
AFFINE = ["scale_shift_invariant", "plcc"]
MONOTONE_TARGET = ["fidelity", "pairwise_logistic"]
COMMON_SHIFT = ["rank_mse", "huber", "l1"]
quick = settings(max_examples=25, deadline=None)


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    scene = torch.randint(N_SCENES, (18,), generator=generator)
    pred, target = torch.randn(2, 18, generator=generator, dtype=torch.float64)
    return pred, target, scene


def value(name, pred, target, scene):
    return losses.LOSSES[name](pred, target, scene).item()


@pytest.mark.parametrize("name", SHIFT_PRED)
@quick
@given(seed=seeds, shift=shifts)
def test_shift_of_each_scenes_predictions(name, seed, shift):
    pred, target, scene = batch(seed)
    moved = pred + torch.tensor(shift, dtype=pred.dtype)[scene]
    assert value(name, moved, target, scene) == pytest.approx(value(name, pred, target, scene), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", AFFINE)
@quick
@given(seed=seeds, a=scales, b=shifts, c=scales, d=shifts)
def test_affine_maps_of_each_scenes_predictions_and_targets(name, seed, a, b, c, d):
    pred, target, scene = batch(seed)
    a, b, c, d = (torch.tensor(v, dtype=pred.dtype)[scene] for v in (a, b, c, d))
    moved = value(name, a * pred + b, c * target + d, scene)
    assert moved == pytest.approx(value(name, pred, target, scene), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", AFFINE)
@quick
@given(seed=seeds)
def test_a_sign_flip_is_seen(name, seed):
    pred, _, scene = batch(seed)
    assert value(name, pred, pred, scene) == pytest.approx(0, abs=1e-6)
    assert value(name, -pred, pred, scene) > 0.5


@pytest.mark.parametrize("name", MONOTONE_TARGET)
@quick
@given(seed=seeds, a=scales, b=shifts)
def test_increasing_maps_of_each_scenes_targets(name, seed, a, b):
    pred, target, scene = batch(seed)
    a, b = (torch.tensor(v, dtype=pred.dtype)[scene] for v in (a, b))
    warped = b + a * torch.sinh(target)
    assert value(name, pred, warped, scene) == pytest.approx(value(name, pred, target, scene), rel=1e-9)


@quick
@given(seed=seeds, shift=shifts)
def test_soft_and_vote_labels_see_only_differences_of_targets(seed, shift):
    pred, target, scene = batch(seed)
    moved = target + torch.tensor(shift, dtype=pred.dtype)[scene]
    for options in ({"label": "soft"}, {"label": "soft", "sigma": 1.0}):
        before = losses.fidelity_loss(pred, target, scene, **options)
        assert losses.fidelity_loss(pred, moved, scene, **options).item() == pytest.approx(before.item(), rel=1e-6)
    assert value("bradley_terry", pred, moved, scene) == pytest.approx(value("bradley_terry", pred, target, scene))


@pytest.mark.parametrize("name", COMMON_SHIFT)
@quick
@given(seed=seeds, shift=st.floats(-5, 5))
def test_shift_common_to_predictions_and_targets(name, seed, shift):
    pred, target, scene = batch(seed)
    assert value(name, pred + shift, target + shift, scene) == pytest.approx(value(name, pred, target, scene), rel=1e-9)
    assert value(name, pred + shift + 1, target + shift, scene) != pytest.approx(value(name, pred, target, scene))


@quick
@given(seed=seeds, shift=shifts, factor=st.floats(0.1, 10))
def test_the_rank_term_alone(seed, shift, factor):
    pred, target, scene = batch(seed)

    def rank(p, y, form="margin"):
        merged = losses.rank_mse_loss(p, y, scene, 1.0, form) - losses.rank_mse_loss(p, y, scene, 0.0, form)
        return pytest.approx(merged.item(), rel=1e-6, abs=1e-6)

    moved = torch.tensor(shift, dtype=pred.dtype)[scene]
    assert rank(pred + moved, target) == rank(pred, target).expected
    assert rank(pred, target + moved) == rank(pred, target).expected
    assert rank(factor * pred, target, "sign") == factor * rank(pred, target, "sign").expected
    assert rank(pred, factor * target, "sign") == rank(pred, target, "sign").expected


@quick
@given(seed=seeds, shift=st.floats(-9, 9))
def test_scene_cross_entropy_sees_only_differences_of_logits(seed, shift):
    pred, target, scene = batch(seed)
    logits = torch.randn(18, N_SCENES, generator=torch.Generator().manual_seed(seed + 1))
    one = losses.mse_scene_loss(pred + shift, target + shift, scene, logits + shift)
    assert one.item() == pytest.approx(losses.mse_scene_loss(pred, target, scene, logits).item(), rel=1e-4)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
@quick
@given(seed=seeds)
def test_the_order_and_the_names_of_scenes_do_not_matter(name, seed):
    pred, target, scene = batch(seed)
    order = torch.randperm(18, generator=torch.Generator().manual_seed(seed))
    if name == "mse_scene":
        logits = torch.randn(18, N_SCENES, generator=torch.Generator().manual_seed(seed + 1))
        before = losses.mse_scene_loss(pred, target, scene, logits)
        after = losses.mse_scene_loss(pred[order], target[order], scene[order], logits[order])
        assert after.item() == pytest.approx(before.item(), rel=1e-5)
    else:
        renamed = torch.tensor([17, -1, 4])[scene[order]]
        assert value(name, pred[order], target[order], renamed) == pytest.approx(value(name, pred, target, scene))


@pytest.mark.parametrize("name", SHIFT_PRED)
def test_other_scenes_do_not_leak(name):
    """Adding a far-away scene leaves the gradient of the first as it was, up to the mean over more terms."""
    pred, target, scene = batch(0)
    scene = torch.zeros_like(scene)
    grads = []
    for p, y, s in (
        (pred, target, scene),
        (torch.cat([pred, pred * 50 + 1e3]), torch.cat([target, -target - 1e3]), torch.cat([scene, scene + 1])),
    ):
        p = p.clone().requires_grad_(True)
        losses.LOSSES[name](p, y, s).backward()
        grads.append(p.grad[:18])
    torch.testing.assert_close(grads[1] * 2, grads[0])
