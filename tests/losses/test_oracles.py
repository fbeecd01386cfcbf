"""Every loss against nested loops written straight from its equation, its gradient against finite differences."""

import math
import statistics

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm

from pqa_lab import losses
from pqa_lab.errors import InputError

DTYPES = [torch.float32, torch.float64]


def batch(seed=0, sizes=(5, 4, 7, 2), dtype=torch.float64):
    """Scenes of odd and even size, shuffled, with ids that are neither dense nor ordered."""
    rng = np.random.default_rng(seed)
    scene = rng.permutation(np.repeat([30, 2, 11, 7], sizes))
    pred, target = rng.normal(size=len(scene)) * 1.7, rng.normal(size=len(scene)) * 1.4
    as_tensor = [torch.tensor(v, dtype=dtype) for v in (pred, target)]
    return *as_tensor, torch.tensor(scene)


def scenes_of(scene):
    return [[i for i, s in enumerate(scene.tolist()) if s == c] for c in sorted(set(scene.tolist()))]


def pairs_of(scene):
    return [(i, j) for group in scenes_of(scene) for i in group for j in group if i != j]


def oracle_scale_shift(pred, target, scene, eps=1e-8):
    def normalised(values):
        t = statistics.median_low(values)
        sigma = sum(abs(v - t) for v in values) / len(values)
        return [(v - t) / (sigma + eps) for v in values]

    total, groups = 0.0, scenes_of(scene)
    for group in groups:
        p, q = normalised([float(pred[i]) for i in group]), normalised([float(target[i]) for i in group])
        total += sum(abs(a - b) for a, b in zip(p, q, strict=True)) / len(group)
    return total / len(groups)


def oracle_rank_mse(pred, target, scene, weight=1.0, form="margin", max_gap=None):
    mse = sum((float(p) - float(y)) ** 2 for p, y in zip(pred, target, strict=True)) / len(pred)
    terms = []
    for i, j in pairs_of(scene):
        dy, dp = float(target[i] - target[j]), float(pred[i] - pred[j])
        if max_gap is not None and not 0 < abs(dy) < max_gap:
            continue
        terms.append(max(0.0, (abs(dy) if form == "margin" else 0.0) - math.copysign(1, dy) * (dy != 0) * dp))
    return mse + weight * sum(terms) / max(len(terms), 1)


def oracle_fidelity(pred, target, scene, label="hard", sigma=math.sqrt(2), eps=0.0, tie=1.0, label_sigma=1.0):
    terms = []
    for i, j in pairs_of(scene):
        dq = float(target[i] - target[j])
        p = norm.cdf(dq / label_sigma) if label == "soft" else tie if dq == 0 else float(dq > 0)
        p_hat = norm.cdf(float(pred[i] - pred[j]) / sigma)
        terms.append(1 - math.sqrt(p * p_hat + eps) - math.sqrt((1 - p) * (1 - p_hat) + eps))
    return sum(terms) / len(terms)


def oracle_plcc(pred, target, scene):
    return np.mean([1 - np.corrcoef(pred[g].numpy(), target[g].numpy())[0, 1] for g in scenes_of(scene)])


def oracle_pairwise_logistic(pred, target, scene, scale=1.0):
    terms = [
        math.log1p(math.exp(-scale * math.copysign(1, float(target[i] - target[j])) * float(pred[i] - pred[j])))
        for i, j in pairs_of(scene)
        if target[i] != target[j]
    ]
    return sum(terms) / len(terms)


def oracle_bradley_terry(pred, target, scene, votes=None, scale=math.log(3)):
    total = count = 0.0
    for i, j in pairs_of(scene):
        w = norm.cdf(float(target[i] - target[j]) * norm.ppf(0.75)) if votes is None else float(votes[i, j])
        win = 1 / (1 + math.exp(-scale * float(pred[i] - pred[j])))
        total, count = total - w * math.log(win), count + w
    return total / count


CASES = [
    ("scale_shift_invariant", oracle_scale_shift, {}),
    ("scale_shift_invariant", oracle_scale_shift, {"eps": 0.3}),
    ("rank_mse", oracle_rank_mse, {}),
    ("rank_mse", oracle_rank_mse, {"form": "sign", "weight": 0.3}),
    ("rank_mse", oracle_rank_mse, {"max_gap": 1.0}),
    ("fidelity", oracle_fidelity, {}),
    ("fidelity", oracle_fidelity, {"sigma": 1.0}),
    ("fidelity", oracle_fidelity, {"label": "soft", "sigma": 1.0, "eps": 1e-8}),
    ("fidelity", oracle_fidelity, {"label": "soft", "label_sigma": 1.4826}),
    ("plcc", oracle_plcc, {}),
    ("pairwise_logistic", oracle_pairwise_logistic, {}),
    ("pairwise_logistic", oracle_pairwise_logistic, {"scale": 2.5}),
    ("bradley_terry", oracle_bradley_terry, {}),
]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, _, options in CASES]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, oracle, options", CASES, ids=IDS)
def test_equals_the_loops(name, oracle, options, dtype):
    for seed in range(3):
        pred, target, scene = batch(seed, dtype=dtype)
        value = losses.LOSSES[name](pred, target, scene, **options)
        assert value.shape == ()
        assert value.dtype == dtype
        assert float(value) == pytest.approx(
            oracle(pred, target, scene, **options), rel=2e-5 if dtype.itemsize == 4 else 1e-9
        )


@pytest.mark.parametrize("name, oracle, options", CASES, ids=IDS)
def test_equals_the_loops_with_ties(name, oracle, options):
    pred, target, scene = batch(3)
    target, pred = target.round(), (pred * 2).round() / 2
    if name == "plcc":  # loops would divide by zero in the scene of two
        target[scene == 7] = torch.tensor([0.0, 1.0], dtype=target.dtype)
        pred[scene == 7] = torch.tensor([0.0, 1.0], dtype=target.dtype)
    assert float(losses.LOSSES[name](pred, target, scene, **options)) == pytest.approx(
        oracle(pred, target, scene, **options), rel=1e-7
    )


@pytest.mark.parametrize("name, oracle, options", CASES, ids=IDS)
def test_gradient(name, oracle, options):
    pred, target, scene = batch(4)
    pred.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda p: losses.LOSSES[name](p, target, scene, **options), (pred,))


def test_bradley_terry_takes_vote_counts():
    pred, target, scene = batch(5)
    votes = torch.tensor(np.random.default_rng(5).integers(0, 9, size=(len(pred), len(pred))))
    value = losses.bradley_terry_loss(pred, target, scene, votes)
    assert float(value) == pytest.approx(oracle_bradley_terry(pred, target, scene, votes), rel=1e-10)
    assert float(losses.bradley_terry_loss(pred, target, scene, 7 * votes)) == pytest.approx(float(value), rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda p: losses.bradley_terry_loss(p, target, scene, votes), (pred.requires_grad_(),)
    )


def test_bradley_terry_recovers_the_jods_of_one_pair():
    """With 3 votes to 1 the best difference is one JOD: 75 %."""
    pred = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([pred], max_iter=50)
    votes = torch.tensor([[0, 3], [1, 0]])

    def closure():
        optimizer.zero_grad()
        loss = losses.bradley_terry_loss(pred, torch.zeros(2), torch.zeros(2, dtype=torch.long), votes)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert float((pred[0] - pred[1]).detach()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pointwise_losses(dtype):
    pred, target, scene = batch(6, dtype=dtype)
    error = [float(p - y) for p, y in zip(pred, target, strict=True)]
    huber = sum(e * e / 2 if abs(e) <= 0.2 else 0.2 * (abs(e) - 0.1) for e in error) / len(error)
    assert float(losses.huber_loss(pred, target, scene)) == pytest.approx(huber, rel=1e-5)
    assert float(losses.l1_loss(pred, target, scene)) == pytest.approx(sum(map(abs, error)) / len(error), rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_mse_scene(dtype):
    pred, target, scene = batch(7, dtype=dtype)
    scene = torch.unique(scene, return_inverse=True)[1]
    scene[0] = -1  # an unknown scene has no class to be right about
    logits = torch.randn(len(pred), 4, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()
    known = range(1, len(pred))
    ce = sum(math.log(sum(math.exp(z) for z in logits[i].tolist())) - logits[i, scene[i]].item() for i in known)
    mse = float((pred - target).square().sum()) / len(pred)
    value = losses.mse_scene_loss(pred, target, scene, logits, weight=0.5)
    assert float(value) == pytest.approx(mse + 0.5 * ce / len(known), rel=1e-5)
    value.backward()
    assert logits.grad[0].abs().max() == 0
    assert float(losses.scene_cross_entropy(logits, torch.full_like(scene, -1))) == 0


def test_fidelity_of_a_distribution_with_itself_is_zero():
    pred, _, scene = batch(8)
    assert float(losses.fidelity_loss(pred, pred, scene, label="soft", sigma=1.0)) == pytest.approx(0, abs=1e-12)


def test_liqe_reads_a_tie_as_one_half():
    pred, target, scene = torch.zeros(2), torch.zeros(2), torch.zeros(2, dtype=torch.long)
    assert float(losses.fidelity_loss(pred, target, scene, tie=0.5)) == pytest.approx(0, abs=1e-6)
    assert float(losses.fidelity_loss(pred, target, scene)) == pytest.approx(1 - math.sqrt(0.5), rel=1e-6)


def test_modules_are_their_functions():
    pred, target, scene = batch(9)
    modules = {
        losses.ScaleShiftInvariantLoss(eps=0.1): losses.scale_shift_invariant_loss(pred, target, scene, 0.1),
        losses.RankMSELoss(0.5, "sign"): losses.rank_mse_loss(pred, target, scene, 0.5, "sign"),
        losses.FidelityLoss("soft", 1.0): losses.fidelity_loss(pred, target, scene, "soft", 1.0),
        losses.HuberLoss(0.7): F.huber_loss(pred, target, delta=0.7),
        losses.L1Loss(): F.l1_loss(pred, target),
        losses.PLCCLoss(): losses.plcc_loss(pred, target, scene),
        losses.PairwiseLogisticLoss(2.0): losses.pairwise_logistic_loss(pred, target, scene, 2.0),
        losses.BradleyTerryLoss(2.0): losses.bradley_terry_loss(pred, target, scene, scale=2.0),
    }
    for module, value in modules.items():
        assert float(module(pred, target, scene)) == pytest.approx(float(value), rel=1e-12)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_trailing_axis_is_refused(name):
    pred, target, scene = batch(0)
    extra = (torch.zeros(len(pred), 40),) if name == "mse_scene" else ()
    with pytest.raises(InputError, match="squeeze"):
        losses.LOSSES[name](pred[:, None], target, scene, *extra)


def test_unknown_options_are_refused():
    pred, target, scene = batch(0)
    with pytest.raises(InputError, match="margin"):
        losses.rank_mse_loss(pred, target, scene, form="hinge")
    with pytest.raises(InputError, match="hard"):
        losses.fidelity_loss(pred, target, scene, label="binary")
    with pytest.raises(InputError, match="votes"):
        losses.bradley_terry_loss(pred, target, scene, votes=torch.zeros(2, 2))
    with pytest.raises(InputError, match="head knows"):
        losses.mse_scene_loss(pred, target, scene, torch.zeros(len(pred), 4))
