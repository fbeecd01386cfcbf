"""A4: the points of its tests, and wrong answers with the tests that each must fail."""

POINTS = {
    "test-sizes": 2,
    "test-rows": 2,
    "test-sem": 2,
    "test-full": 2,
    "test-agreement": 2,
    "test-flips": 2,
    "test-worst": 2,
    "test-regressors": 1,
    "test-training": 2,
    "test-one": 1,
    "test-logit-slope": 2,
    "test-gate": 2,
    "test-gate-gradient": 2,
}

_SIZES = """
def mlp_size(*widths):
    return {layers}


def extra(scenes):
    return mlp_size({inputs}, 500, 500, scenes) + mlp_size(scenes, 100, 100, 100, 2)
"""
_ROWS = """
def scene_rows(features, scenes):
    row = features.mean({axis})
    width = row.shape[2]
    columns = [row[:, :, k * width // scenes : {end}].mean(2) for k in range(scenes)]
    return torch.stack(columns, {stack}).flatten(1)
"""
_SEM = """
def sem(quality, logits, rescale):
    a, b = rescale({chances}).unbind(1)
    return a * quality + b
"""
_FULL = """
def full(quality, logits, rescale, k):
    lines = rescale(torch.eye(logits.shape[1]).to(logits))
    largest, scenes = {top}
    weight = torch.zeros_like(logits).scatter(1, scenes, {share})
    by_scene = quality[:, None] * lines[:, 0] + lines[:, 1]
    return (weight * by_scene).sum(1), weight
"""
_TRAINING = """
def training_score(by_scene, logits, scene):
    mixture = (logits.softmax({axis}) * by_scene).sum(1)
    own = by_scene.gather(1, {column}[:, None]).squeeze(1)
    return {answer}
"""
_REGRESSORS = """
class Regressors(nn.Module):
    def __init__(self, width, scenes):
        super().__init__()
{body}
    def forward(self, embedding):
        return self.linear(embedding)
"""
_GATE = """
class GatedHead(nn.Module):
    def __init__(self, width, scenes):
        super().__init__()
        self.photo = nn.Linear(width, scenes)
        self.face = nn.Linear(width, scenes)
        self.gate = nn.Sequential(
            nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, photo, face, photo_chances, face_chances):
        if face is None:
            return (photo_chances * self.photo(photo)).sum(1), None
        if photo is None:
            return (face_chances * self.face(face)).sum(1), None
        whole = (photo_chances * self.photo(photo)).sum(1)
        part = (face_chances * self.face(face)).sum(1)
        g = {gate}
        return {score}, g
"""
_GATES = "self.gate(torch.cat([photo, face], 1)).squeeze(1).sigmoid()"


def _sizes(layers="sum(a * b + b for a, b in zip(widths, widths[1:]))", inputs="672 * scenes"):
    return {"sizes": _SIZES.format(layers=layers, inputs=inputs)}


def _rows(axis="2", end="-(-(k + 1) * width // scenes)", stack="2"):
    return {"rows": _ROWS.format(axis=axis, end=end, stack=stack)}


def _full(top="logits.topk(k, dim=1)", share="largest.softmax(1)"):
    return {"full": _FULL.format(top=top, share=share)}


def _training(axis="1", column="scene.clamp(min=0)", answer="torch.where(scene >= 0, own, mixture)"):
    return {"training": _TRAINING.format(axis=axis, column=column, answer=answer)}


def _gate(gate=_GATES, score="g * whole + (1 - g) * part"):
    return {"gate": _GATE.format(gate=gate, score=score)}


WRONG = {
    "weights without biases": (_sizes(layers="sum(a * b for a, b in zip(widths, widths[1:]))"), {"test-sizes"}),
    "a scene head of 672 inputs": (_sizes(inputs="672"), {"test-sizes"}),
    "windows that do not overlap": (
        _rows(end="max((k + 1) * width // scenes, k * width // scenes + 1)"),
        {"test-rows"},
    ),
    "pooled over the width": (_rows(axis="3"), {"test-rows"}),
    "flattened column by column": (_rows(stack="1"), {"test-rows"}),
    "softmax over the batch": ({"sem": _SEM.format(chances="logits.softmax(0)")}, {"test-sem"}),
    "logits for chances": ({"sem": _SEM.format(chances="logits")}, {"test-sem"}),
    "SEM names one scene": (
        {"sem": _SEM.format(chances="torch.eye(logits.shape[1])[logits.argmax(1)]")},
        {"test-sem"},
    ),
    "the k chances do not add up to 1": (
        _full(share="logits.softmax(1).gather(1, scenes)"),
        {"test-full"},
    ),
    "the top k of the whole batch": (
        {
            "full": """
def full(quality, logits, rescale, k):
    lines = rescale(torch.eye(logits.shape[1]).to(logits))
    scenes = logits.mean(0).topk(k).indices
    weight = torch.zeros_like(logits)
    weight[:, scenes] = logits[:, scenes].softmax(1)
    return (weight * (quality[:, None] * lines[:, 0] + lines[:, 1])).sum(1), weight
"""
        },
        {"test-full"},
    ),
    "asks about the mixture of the top k": (
        {
            "full": """
def full(quality, logits, rescale, k):
    largest, scenes = logits.topk(k, dim=1)
    weight = torch.zeros_like(logits).scatter(1, scenes, largest.softmax(1))
    a, b = rescale(weight).unbind(1)
    return a * quality + b, weight
"""
        },
        {"test-full"},
    ),
    "agrees because all lines are alike": (
        {
            "agreement": """
def agreeing(P):
    return P.sum(1, keepdim=True) * torch.tensor([[2.0, 1.0]])


def differing(P):
    return torch.stack([P[:, 0], 3 * P.max(1).values], 1)
"""
        },
        {"test-agreement"},
    ),
    "two rescalings that hardly differ": (
        {
            "agreement": """
def agreeing(P):
    return P @ torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.5, -1.0]])


def differing(P):
    return torch.stack([P[:, 0], P.max(1).values], 1)
"""
        },
        {"test-agreement"},
    ),
    "pairs counted twice": (
        {
            "flips": """
def flips(quality, chances, lines):
    a, b = (chances @ lines).unbind(1)
    score = a * quality + b
    before, after = (v[:, None] - v[None, :] for v in (quality, score))
    return int((before * after < 0).sum())
"""
        },
        {"test-flips"},
    ),
    "only neighbours compared": (
        {
            "flips": """
def flips(quality, chances, lines):
    a, b = (chances @ lines).unbind(1)
    score = (a * quality + b)[quality.argsort()]
    return int((score.diff() < 0).sum())
"""
        },
        {"test-flips"},
    ),
    "both photos on one line": (
        {
            "worst": """
def worst_margin(low, high, lines):
    a, b = lines.unbind(1)
    return (a * (high - low)).min()
"""
        },
        {"test-worst"},
    ),
    "regressors that start apart": (
        {
            "regressors": _REGRESSORS.format(
                body="        self.linear = nn.Linear(width, scenes)\n        nn.init.zeros_(self.linear.bias)\n"
            )
        },
        {"test-regressors"},
    ),
    "regressors that can never part": (
        {
            "regressors": """
class Regressors(nn.Module):
    def __init__(self, width, scenes):
        super().__init__()
        self.linear, self.scenes = nn.Linear(width, 1), scenes
        nn.init.zeros_(self.linear.bias)

    def forward(self, embedding):
        return self.linear(embedding).expand(-1, self.scenes)
"""
        },
        {"test-regressors"},
    ),
    "unknown is read as the last scene": (
        _training(column="scene.where(scene >= 0, by_scene.shape[1] - 1)", answer="own"),
        {"test-training"},
    ),
    "always the mixture": (_training(answer="mixture"), {"test-training"}),
    "chances over the batch": (_training(axis="0"), {"test-training"}),
    "mean for mixture": (
        {"one": "def as_one(weight, bias, p):\n    return weight.mean(0), bias.mean()\n"},
        {"test-one"},
    ),
    "slope without the mean": (
        {"logit-slope": "def logit_slope(logits, by_scene):\n    return logits.softmax(1) * by_scene\n"},
        {"test-logit-slope"},
    ),
    "slope of a sigmoid": (
        {
            "logit-slope": """
def logit_slope(logits, by_scene):
    P = logits.softmax(1)
    return P * (1 - P) * by_scene
"""
        },
        {"test-logit-slope"},
    ),
    "detached gate": (_gate(gate=f"{_GATES}.detach()"), {"test-gate-gradient"}),
    "a gate that does not teach the embeddings": (
        _gate(gate="self.gate(torch.cat([photo, face], 1).detach()).squeeze(1).sigmoid()"),
        {"test-gate-gradient"},
    ),
    "the gate is the share of the face": (_gate(score="(1 - g) * whole + g * part"), {"test-gate"}),
    "a softmax over the batch for a gate": (
        _gate(gate=_GATES.replace(".sigmoid()", ".softmax(0)")),
        {"test-gate"},
    ),
    "tampers with the names that a test may use": (
        {
            "worst": """
def worst_margin(low, high, lines):
    return torch.zeros(())

abs = lambda x: 0
any = lambda x: True
sorted = list
torch.allclose = torch.equal = lambda *a, **k: True
"""
        },
        {"test-worst"},
    ),
}
