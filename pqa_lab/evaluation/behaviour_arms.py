"""What a trained model says when a branch is silenced, its gate fixed, or when it looks at fewer or more views.

Scores are always recomputed from the features of every view, never from their mean over views: the heads bend.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from torch import Tensor, nn

from pqa_lab.methods.sar import BRANCHES, blend
from pqa_lab.training import load_checkpoint, predict
from pqa_lab.training.data import Views, column, numbers
from pqa_lab.views import detect_face

SHUFFLES = 5
Features = dict[str, Tensor]  # branch -> (N, V, D)
Head = Callable[[Features], dict[str, Tensor]]  # -> "score" (N, V), and what else the method has: "gate", ...

# What a method can do at test time, from one view to many: words of its config, or which of its views to keep.
SETTINGS: dict[str, dict[str, dict[str, object] | int]] = {
    "rqnet": {"1 view": {"tta": "centre"}, "5 views": {"tta": "five"}, "9 views": {"tta": "nine"}},
    "bdvqa": {
        "1 crop": {"tta": "centre"},
        "5 crops": {"tta": "five"},
        "10 crops": {"tta": "ten"},
        "18 random crops": {"tta": "random"},
    },
    "monet": {"1 crop": {"tta": "centre"}, "5 crops": {"tta": "five"}, "10 crops": {"tta": "ten"}},
    "sar": {"1 patch": {"patches": 1}, "6 patches": {"patches": 6}, "30 patches": {"patches": 30}},
    "pqe": {"1 crop": 4, "5 crops": {}},  # of its five crops the last is the centre
}


@torch.inference_mode()
def branch_features(model: nn.Module, rows: datasets.Dataset, batch_size: int = 8) -> Features:
    """The features of PQE's or SAR's branches for every view of every row, (N, V, D) each.

    A feature of SAR's is the embedding of a branch and, behind it, its logits of the scenes.
    """
    data, kept = Views(rows, model.views(train=False), cache=False), {}
    for start in range(0, len(data), batch_size):
        # The same random numbers for every photo, as `predict` draws them.
        seen = [data.look(row, [0]) for row in range(start, min(start + batch_size, len(data)))]
        flat = {name: torch.cat([views[name] for views in seen]) for name in seen[0]}  # (B V, ...)
        features = _sar_features(model, flat) if model.config.method == "sar" else model(flat).parts
        for name, values in features.items():
            kept.setdefault(name, []).append(values.unflatten(0, (len(seen), -1)))  # (B, V, D)
    return {name: torch.cat(values) for name, values in kept.items()}


def _sar_features(model: nn.Module, flat: dict[str, Tensor]) -> Features:
    heard: Features = {}
    hooks = [
        model.project[name].register_forward_hook(
            lambda _module, _inputs, out, name=name: heard.update({name: out.flatten(1)})
        )
        for name in BRANCHES
    ]
    try:
        parts = model(flat).parts
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat([heard[name], parts[f"{name}_scene_logits"]], 1) for name in BRANCHES}  # (B V, W + C)


def head_of(model: nn.Module) -> Head:
    """What makes scores (N, V) of the features of PQE's or SAR's branches."""
    if model.config.method == "pqe":
        return lambda features: {"score": model.head(torch.cat(list(features.values()), -1)).squeeze(-1)}
    width = model.regressors["global"].in_features

    def head(features: Features) -> dict[str, Tensor]:
        embedding = {name: features[name][..., :width] for name in BRANCHES}
        # q_b = sum_c p_c q_bc
        scores = {
            name: (features[name][..., width:].softmax(-1) * model.regressors[name](embedding[name])).sum(-1)
            for name in BRANCHES
        }
        gate = model.gate(torch.cat(list(embedding.values()), -1)).sigmoid().squeeze(-1)  # (N, V)
        return scores | {"gate": gate, "score": blend({"gate": gate}, scores)}

    return head


@torch.inference_mode()
def arms(features: Features, head: Head, scene: np.ndarray, seed: int = 0) -> Iterator[tuple[str, str, int, Tensor]]:
    """Scores (N,) as they are and under every change: ``(branch, change, draw, scores)``.

    Changes of a branch: ``"zero"``; ``"mean"``, the same mean features for all photos; ``"shuffled"``, every photo gets
    those of another of its scene (``SHUFFLES`` draws), which leaves their distribution alone and takes only what they
    tell of the photo. A head with a gate also has the branch ``"gate"``: ``"mean"``, ``"global only"``,
    ``"local only"``.
    """
    answer = head(features)
    yield "", "as is", 0, answer["score"].mean(1)
    rng = np.random.default_rng(seed)
    orders = [_shuffled(scene, rng) for _ in range(SHUFFLES)]  # the same for all branches
    for name, values in features.items():
        mean = values.mean((0, 1), keepdim=True).expand_as(values)
        changed = [("zero", 0, torch.zeros_like(values)), ("mean", 0, mean)]
        changed += [("shuffled", draw, values[order]) for draw, order in enumerate(orders)]
        for change, draw, put in changed:
            yield name, change, draw, head(features | {name: put})["score"].mean(1)
    if "gate" in answer:
        for change, value in (("mean", answer["gate"].mean()), ("global only", 1.0), ("local only", 0.0)):
            gate = torch.full_like(answer["gate"], float(value))
            yield "gate", change, 0, blend({"gate": gate}, {name: answer[name] for name in BRANCHES}).mean(1)


def _shuffled(scene: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Row numbers, permuted within every scene."""
    order = np.arange(len(scene))
    for name in np.unique(scene):
        inside = np.flatnonzero(scene == name)
        order[inside] = rng.permutation(inside)
    return torch.from_numpy(order)


def measure(model: nn.Module, rows: datasets.Dataset, scenes: list[str]) -> pd.DataFrame:
    """Everything that the tables ask about a model's answers, one row a photo and change.

    Parameters
    ----------
    model : a trained method, in evaluation mode
    rows : Dataset
    scenes : list of str
        The training scenes in the order of the scene head.

    Returns
    -------
    DataFrame
        ``row, scene, jod, score, branch, change, draw``; at the unchanged answer also, where the method has them,
        ``gate, face_share`` (face box's height as a share of the photo's; NaN without a face), ``named`` (scene),
        ``confidence`` (its probability) and ``entropy`` (nats).
    """
    scene = np.array(column(rows, "scene"))
    plain = pd.DataFrame({"row": np.arange(len(rows)), "scene": scene, "jod": numbers(rows, "jod")})
    if model.config.method not in ("pqe", "sar"):
        answer = predict(model, rows, progress=False, parts=True)
        frame = plain.assign(score=answer["score"], branch="", change="as is", draw=0)
        logits = np.stack(answer["part.scene_logits"]) if "part.scene_logits" in answer else None
        return frame.assign(**of_scene_head(logits, scenes))
    features, head = branch_features(model, rows), head_of(model)
    frames = [
        plain.assign(score=scores.numpy(), branch=branch, change=change, draw=draw)
        for branch, change, draw, scores in arms(features, head, scene)
    ]
    frames[0]["face_share"] = face_shares(rows)
    if model.config.method == "sar":
        width = model.regressors["global"].in_features
        with torch.inference_mode():
            frames[0]["gate"] = head(features)["gate"].mean(1).numpy()
        logits = features["global"][..., width:].mean(1).numpy()  # the mean over views, as predict_views answers
        frames[0] = frames[0].assign(**of_scene_head(logits, scenes))
    return pd.concat(frames, ignore_index=True)


def of_scene_head(logits: np.ndarray | None, scenes: list[str]) -> dict[str, np.ndarray]:
    """What logits (N, C) say of the scene; nothing without them."""
    if logits is None:
        return {}
    p = softmax(logits.astype(np.float64), axis=1)  # (N, C)
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(1)
    return {"named": np.asarray(scenes)[p.argmax(1)], "confidence": p.max(1), "entropy": entropy}


def face_shares(rows: datasets.Dataset) -> np.ndarray:
    """Height of the detected face as a share of the photo's, (N,); NaN where none was found."""
    data, shares = Views(rows, lambda photo, rng: {}, cache=False), []
    for row in range(len(data)):
        photo = data.photo(row)
        box = detect_face(photo)
        shares.append(np.nan if box is None else (box[3] - box[1]) / photo.shape[0])
    return np.array(shares)


def augmented(checkpoint: Path, rows: datasets.Dataset, warm: datasets.Dataset) -> pd.DataFrame:
    """Scores and cost of a method with every setting of its test-time augmentation.

    Every setting starts from the checkpoint, as a method may remember what it saw (PQE: boxes and LIQE's logits), and
    looks at ``warm`` first, so that what is loaded once is not counted.

    Returns
    -------
    DataFrame
        ``row, scene, jod, score, setting, order, views`` and ``ms``, CPU milliseconds a photo of this process: reading,
        face, crops, network.
    """
    frames, method = [], load_checkpoint(checkpoint).config.method
    for order, (name, setting) in enumerate(SETTINGS[method].items()):
        model = load_checkpoint(checkpoint)
        if isinstance(setting, int):
            model.views = _one_of(model.views, setting)
        else:
            model.config = replace(model.config, **setting)
        predict(model, warm, progress=False)
        begun = time.process_time()
        frame = predict(model, rows, progress=False)[["image", "scene", "jod", "score"]]
        ms = 1000 * (time.process_time() - begun) / len(rows)
        views = int(name.split()[0])
        frames.append(frame.rename(columns={"image": "row"}).assign(setting=name, order=order, views=views, ms=ms))
    return pd.concat(frames, ignore_index=True)


def _one_of(views: Callable, index: int) -> Callable:
    def one(train: bool) -> Callable:
        look = views(train)
        return lambda photo, rng: {name: view[index : index + 1] for name, view in look(photo, rng).items()}

    return one
