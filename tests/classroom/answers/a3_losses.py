"""A3: the points of its tests, and wrong answers with the tests that each must fail."""

POINTS = {
    "test-normalised": 2,
    "test-scale-shift": 2,
    "test-scale-shift-gradient": 1,
    "test-blind": 3,
    "test-notices-scale-shift": 2,
    "test-notices-fidelity": 2,
    "test-fidelity-hard": 2,
    "test-fidelity-soft": 2,
    "test-slope": 2,
    "test-hardest": 1,
    "test-diagnosis": 2,
    "test-witness": 1,
    "test-mended": 2,
}

_NORMALISED = """
def normalised(s, scene):
    out = torch.zeros_like(s)
    for p in scene.unique():
        mine = scene == p
        centred = s[mine] - s[mine].{centre}()
        out = out.masked_scatter(mine, centred / ({spread} + 1e-8))
    return out
"""
_FIDELITY = """
def fidelity(pred, target, scene, soft=False):
    different = ~torch.eye(len(pred), dtype=torch.bool)
    pair = (scene[:, None] == scene[None, :]) & {different}
    d_pred, d_target = (v[:, None] - v[None, :] for v in (pred, target))
    win = torch.special.ndtr(d_pred[pair] / {sigma})
    p = {soft} if soft else {hard}.to(win.dtype)
    lost = 1 - (p * win).sqrt() - ((1 - p) * (1 - win)).sqrt()
    return lost.sum() / max(len(lost), 1)
"""
_MENDED = """
def correlation_loss(pred, target, scene):
    parts = []
    for p in scene.unique():
        x, y = pred[scene == p], target[scene == p]
        if {counts}:
            x, y = x - x.mean(), y - y.mean()
            parts.append(1 - (x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-12))
    return torch.stack(parts).mean() if parts else {none}
"""


def _normalised(centre="median", spread="centred.abs().mean()"):
    return {"normalised": _NORMALISED.format(centre=centre, spread=spread)}


def _fidelity(
    different="different", sigma="2**0.5", soft="torch.special.ndtr(d_target[pair])", hard="(d_target[pair] >= 0)"
):
    return {"fidelity": _FIDELITY.format(different=different, sigma=sigma, soft=soft, hard=hard)}


_FIDELITY_OF_NO_PAIR = _fidelity()["fidelity"].replace(
    "    return", "    if len(lost) == 0:\n        return torch.tensor(0.0)\n    return"
)
_EQ_1_2 = {"test-normalised", "test-scale-shift", "test-scale-shift-gradient"}
_FIDELITIES = {"test-fidelity-hard", "test-fidelity-soft"}

WRONG = {
    "mean for median": (_normalised(centre="mean"), _EQ_1_2),
    "standard deviation for mean absolute deviation": (_normalised(spread="centred.std(correction=0)"), _EQ_1_2),
    "normalised over the whole batch": (
        {
            "normalised": """
def normalised(s, scene):
    centred = s - s.median()
    return centred / (centred.abs().mean() + 1e-8)
"""
        },
        _EQ_1_2,
    ),
    "spread of the whole batch": (_normalised(spread="(s - s.median()).abs().mean()"), _EQ_1_2),
    "detached spread: right values, another gradient": (
        _normalised(spread="centred.abs().mean().detach()"),
        {"test-scale-shift-gradient"},
    ),
    "mean over photos, not over scenes": (
        {
            "scale-shift": """
def scale_shift(pred, target, scene):
    return (normalised(pred, scene) - normalised(target, scene)).abs().mean()
"""
        },
        {"test-scale-shift", "test-scale-shift-gradient"},
    ),
    "blindness summed over the whole batch": (
        {
            "blind": """
def blind(loss, pred, target, scene):
    leaf = pred.clone().requires_grad_()
    loss(leaf, target, scene).backward()
    return {
        "shift": abs(float(leaf.grad.sum())) < 1e-9,
        "stretch": abs(float((leaf.grad * pred).sum())) < 1e-9,
    }
"""
        },
        {"test-blind"},
    ),
    "a lone photo is thought to change nothing, and no pair of equals": (
        {
            "notices": """
names = ["own shift", "one stretch", "own stretch", "cube", "minus", "ranks", "shuffle", "twice", "lone photo"]
scale_shift_notices = {n: n in ("cube", "minus", "ranks") for n in names}
fidelity_notices = {n: n in ("one stretch", "own stretch", "cube", "minus") for n in names}
"""
        },
        {"test-notices-scale-shift", "test-notices-fidelity"},
    ),
    "off by a root: the variance of a difference": (_fidelity(sigma="1"), _FIDELITIES),
    "a photo paired with itself": (
        _fidelity(different="torch.ones_like(different)"),
        _FIDELITIES,
    ),
    "pairs across scenes": (
        {
            "fidelity": _FIDELITY.replace("(scene[:, None] == scene[None, :]) & {different}", "different").format(
                sigma="2**0.5", soft="torch.special.ndtr(d_target[pair])", hard="(d_target[pair] >= 0)"
            )
        },
        _FIDELITIES,
    ),
    "a tie is half a win": (_fidelity(hard="((d_target[pair].sign() + 1) / 2)"), {"test-fidelity-hard"}),
    "a root in the soft label, too": (
        _fidelity(soft="torch.special.ndtr(d_target[pair] / 2**0.5)"),
        {"test-fidelity-soft"},
    ),
    "a logistic for the soft label": (_fidelity(soft="d_target[pair].sigmoid()"), {"test-fidelity-soft"}),
    "slope by autograd: not a number far out": (
        {
            "slope": """
def fidelity_slope(d):
    leaf = d.clone().requires_grad_()
    (1 - torch.special.ndtr(leaf / 2**0.5).sqrt()).sum().backward()
    return leaf.grad
"""
        },
        {"test-slope"},
    ),
    "slope without the inner derivative": (
        {
            "slope": """
def fidelity_slope(d):
    z = d / 2**0.5
    log_density = -(z**2) / 2 - 0.5 * torch.log(torch.tensor(2 * torch.pi))
    return -(log_density - torch.special.log_ndtr(z) / 2).exp() / 2
"""
        },
        {"test-slope"},
    ),
    "hardest in units of z": ({"hardest": "hardest = -0.612"}, {"test-hardest"}),
    "two diagnoses exchanged": (
        {
            "diagnosis": """
diagnosis = {
    "loss_a": "wrong n",
    "loss_b": "sound",
    "loss_c": "large scenes",
    "loss_d": "mixes scenes",
    "loss_e": "fixed spread",
}
"""
        },
        {"test-diagnosis"},
    ),
    "a witness of ties": (
        {"witness": "jod = torch.tensor([0.0, 0, 1, 2, 3, 4])\nwitness = jod, jod, torch.tensor([0, 0, 1, 1, 2, 2])"},
        {"test-witness"},
    ),
    "not a number for a lone photo": (
        {
            "mended": """
def correlation_loss(pred, target, scene):
    return loss_c(pred, target, scene)
"""
        },
        {"test-mended"},
    ),
    "scenes without correlation counted as r = 0": (
        {
            "mended": """
def correlation_loss(pred, target, scene):
    parts = []
    for p in scene.unique():
        x, y = (v[scene == p] - v[scene == p].mean() for v in (pred, target))
        parts.append(1 - (x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-12))
    return torch.stack(parts).mean()
"""
        },
        {"test-mended"},
    ),
    "without any scene the loss is 1": (
        {"mended": _MENDED.format(counts="(y != y[0]).any()", none="1 + 0 * pred.sum()")},
        {"test-mended"},
    ),
    "without any scene a constant": (
        {"mended": _MENDED.format(counts="(y != y[0]).any()", none="torch.tensor(0.0)")},
        {"test-mended"},
    ),
    "a scene of equal predictions left out": (
        {"mended": _MENDED.format(counts="(y != y[0]).any() and (x != x[0]).any()", none="0 * pred.sum()")},
        {"test-mended"},
    ),
    "without a pair a constant": (
        {"fidelity": _FIDELITY_OF_NO_PAIR},
        {"test-fidelity-hard"},
    ),
    "tampers with the names that a test may use": (
        {
            "normalised": """
def normalised(s, scene):
    return 0 * s

abs = lambda x: 0
all = any = lambda x: True
sorted = list
torch.allclose = torch.equal = lambda *a, **k: True
"""
        },
        _EQ_1_2,
    ),
}
