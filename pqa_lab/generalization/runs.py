"""Trainings that studies share: the same method on the same images is trained once, its scores are kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.evaluation import load_evaluation, save_evaluation
from pqa_lab.methods import METHODS
from pqa_lab.training import fit, predict
from pqa_lab.training.data import check_labels, scene_names

STEPS = 150  # of a tiny HyperIQA: about 35 CPU seconds
# Where a photo becomes numbers that a linear probe can read: the input of what makes the score.
LAYERS = {
    "hyperiqa": "net.squeeze",
    "sem_hyperiqa": "net.squeeze",
    "fhiqa": "net.squeeze",
    "set_ranker": "members.0.embed",
}
_IMAGE = ("image", "path")


def trained_scores(
    rows: datasets.Dataset,
    train: Sequence[int],
    score: Sequence[int],
    method: str = "hyperiqa",
    seed: int = 0,
    max_steps: int | None = STEPS,
    store: Path | None = None,
    progress: bool = False,
    overrides: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Train the tiny preset of a method on some rows and score others.

    Parameters
    ----------
    rows : datasets.Dataset
    train, score : sequence of int
        Row numbers.
    max_steps : int, optional
        Optimizer steps; None is the whole recipe.
    store : path, optional
        Folder of finished trainings. One that was made with the same method, steps, seed, images and labels is read
        back; it is written aside and then renamed, so there is never half of one.
    overrides : dict, optional
        Words of the method's config that replace the preset's, such as ``{"scene_weight": 1.0}``.

    Returns
    -------
    DataFrame
        `described_scores` of the rows ``score``, with ``method, seed``; ``image`` is the number in ``rows``.
    """
    train, score = [int(i) for i in train], [int(i) for i in score]
    about = {"method": method, "seed": seed, "max_steps": max_steps, "train": train, "score": score}
    overrides = dict(overrides or {})
    about |= {"overrides": overrides} if overrides else {}
    key = hashlib.sha256(json.dumps([about, _fingerprint(rows)]).encode()).hexdigest()[:16]
    kept = None if store is None else Path(store) / f"{method}-{key}.parquet"
    if kept is not None and kept.is_file():
        return load_evaluation(kept)
    known = rows.select(train)
    check_labels(known)
    scenes = scene_names(known)
    torch.manual_seed(seed)
    cls = METHODS[method]
    model = cls.tiny(**overrides)
    if hasattr(model.config, "scenes") and model.config.scenes != len(scenes):
        torch.manual_seed(seed)
        model = cls.tiny(**{"scenes": len(scenes)} | overrides)
    # A batch cannot hold more different scenes than there are.
    recipe = dataclasses.replace(model.recipe, scenes_per_batch=min(model.recipe.scenes_per_batch, len(scenes)))
    fit(model, known, recipe=recipe, seed=seed, max_steps=max_steps, progress=progress, device="cpu")
    frame = described_scores(model, rows.select(score), scenes, progress).assign(method=method, seed=seed)
    frame["image"] = np.asarray(score)[frame["image"]]
    frame["in_training"] = frame["image"].isin(train)
    if kept is not None:
        save_evaluation(frame, kept, max_steps=max_steps, overrides=overrides, train_scenes=scenes)
    return frame


def described_scores(
    model: nn.Module, rows: datasets.Dataset, scenes: Sequence[str] = (), progress: bool = False
) -> pd.DataFrame:
    """Scores of rows with everything that a study asks about an image.

    Parameters
    ----------
    scenes : sequence of str
        Names of the training scenes in the order of the scene head's outputs.

    Returns
    -------
    DataFrame
        What `pqa_lab.training.predict` returns, the further columns of the rows, `face_share`, where the model names
        scenes ``confidence`` (largest softmax), ``effective_scenes`` (exp of the entropy), ``named`` (the scene), and
        where `LAYERS` knows the layer ``features`` (list of float).
    """
    layer = LAYERS.get(model.config.method)
    with _listening(model, layer) as heard:
        frame = predict(model, rows, parts=True, progress=progress)
    if heard is not None:
        # The model may take whole scenes at a time; `predict` puts its own answers back in order, we do the same here.
        order = _order(model, frame)
        features = np.concatenate(heard)  # (N V, D)
        features = features.reshape(len(frame), -1, features.shape[1]).mean(1)  # (N, D)
        ordered = np.empty_like(features)
        ordered[order] = features
        frame["features"] = list(ordered.astype(np.float32))
    if "part.scene_logits" in frame.columns:
        chance = softmax(np.stack(frame["part.scene_logits"]), axis=1)  # (N, C)
        frame["confidence"] = chance.max(1)
        frame["effective_scenes"] = np.exp(-(chance * np.log(np.maximum(chance, 1e-12))).sum(1))
        if len(scenes) == chance.shape[1]:
            frame["named"] = np.asarray(scenes)[chance.argmax(1)]
    frame = frame.drop(columns=[name for name in frame.columns if name.startswith("part.")])
    return frame.merge(described(rows, without=frame.columns), left_on="image", right_index=True, how="left")


def described(rows: datasets.Dataset, without: Sequence[str] = ()) -> pd.DataFrame:
    """The columns of the rows as a table, and ``face_share``: the face box's height as a share of the photo's."""
    plain = rows.with_format(None)
    names = [name for name in plain.column_names if name not in _IMAGE and name not in without]
    table = pd.DataFrame({name: plain[name][:] for name in names})
    if "face" in plain.column_names:
        heights = [_height(stored) for stored in plain["image"]]
        table["face_share"] = [
            np.nan if box is None else (box[3] - box[1]) / height
            for box, height in zip(plain["face"][:], heights, strict=True)
        ]
        table = table.drop(columns="face", errors="ignore")
    return table


def _height(stored: object) -> float:
    return float("nan") if stored is None else float(stored.height)


class _listening:
    """Keep what a layer says, averaged over space: one row a view; None where there is no layer to listen to."""

    def __init__(self, model: nn.Module, layer: str | None):
        self.model, self.layer, self.rows = model, layer, []

    def __enter__(self) -> list[np.ndarray] | None:
        if self.layer is None:
            return None

        def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            output = output.flatten(0, 1) if output.ndim == 3 else output  # (1, B, D) -> (B, D)
            self.rows.append((output.mean((2, 3)) if output.ndim == 4 else output).float().cpu().numpy())

        self.hook = self.model.get_submodule(self.layer).register_forward_hook(keep)
        return self.rows

    def __exit__(self, *_: object) -> None:
        if self.layer is not None:
            self.hook.remove()


def _order(model: nn.Module, frame: pd.DataFrame) -> np.ndarray:
    """Row numbers in the order in which the model saw them."""
    if not getattr(model, "compares", False):
        return np.arange(len(frame))
    groups: dict[object, list[int]] = {}
    for row, name in enumerate(frame["scene"]):
        groups.setdefault(name, []).append(row)
    return np.concatenate([np.asarray(group) for group in groups.values()])


def _fingerprint(rows: datasets.Dataset) -> str:
    """Which images with which labels: names and JODs, not pixels."""
    plain = rows.with_format(None).cast_column("image", datasets.Image(decode=False))
    digest = hashlib.sha256()
    for scene, jod, stored in zip(plain["scene"][:], plain["jod"][:], plain["image"], strict=True):
        size = None if stored is None else len(stored["bytes"] or b"")
        digest.update(json.dumps([scene, jod, stored and stored["path"], size]).encode())
    return digest.hexdigest()


def check_method(method: str, study: str) -> None:
    """Refuse anything but a key of ``METHODS``."""
    if method not in METHODS:
        raise InputError(
            f"The study {study!r} has to train, so it needs a method ({', '.join(METHODS)}), not {method!r}."
        )
