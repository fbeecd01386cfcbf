"""The two pre-trainings of RQ-Net (survey section 3.1), as rows, and the ensemble that they end in.

    rows = general_rows({"spaq": ..., "koniq10k": ..., "livew": ..., "rbid": ...})     # GENERAL_SOURCES
    general = RQNet.paper(pretrained=True)
    fit(general, rows, recipe=RECIPES["pretrain_general"])

    rows = portrait_rows({"details": load_piq23(root, "Details"), "exposure": ..., "overall": ...})
    portrait = RQNet.paper(pretrained=True, heads=BLOCKS)
    assign_blocks(portrait, rows)
    fit(portrait, rows, recipe=RECIPES["pretrain_portrait"])
    portrait = overall_only(portrait)

Both are then fine-tuned, ``fit(model, load_piq23(root, part="train"))``, on two divisions of the training scenes, and
the four averaged: ``average_frames([predict(model, test) for model in models])``.

*Stated*: the four sources, each one scene; PIQ23 masked to the face, its three attributes, a block for each; the
ensemble. *Inferred* and *unknown*: see ``rqnet.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets

from pqa_lab.errors import InputError
from pqa_lab.methods.rqnet import RQNet
from pqa_lab.scenes import FEATURES, face_only, load_source
from pqa_lab.views import detect_face

GENERAL_SOURCES = ("spaq", "koniq10k", "livew", "rbid")
# The ensemble: two pre-trainings, each fine-tuned on two divisions of the training set. *Ours*: a division is the seed
# of ``split_validation(rows, seed=...)``.
ENSEMBLE = tuple((pretraining, division) for division in (1, 2) for pretraining in ("general", "portrait"))


def general_rows(roots: Mapping[str, str | PathLike]) -> Dataset:
    """Rows to pre-train the general variant: sources by name and folder, each a scene of its own.

    The published mix is ``GENERAL_SOURCES``; train on it with ``RECIPES["pretrain_general"]``.
    """
    return _join([load_source(name, root) for name, root in roots.items()])


def portrait_rows(
    attributes: Mapping[str, Dataset], find_face: Callable[[np.ndarray], object] | None = detect_face
) -> Dataset:
    """Rows to pre-train the portrait variant: PIQ23-Face of three attributes, a scene for each attribute and scene.

    Parameters
    ----------
    attributes : dict
        Block -> rows with that attribute's JODs: ``{"details": load_piq23(root, "Details", ...), ...}``.
    find_face : callable, optional
        What ``face_only`` takes; None where photos are already masked.
    """
    parts = []
    for name, rows in attributes.items():
        rows = rows if find_face is None else face_only(rows, find_face)
        scenes = [f"{name}/{scene}" for scene in rows["scene"]]
        parts.append(rows.remove_columns("scene").add_column("scene", scenes))
    return _join(parts)


def assign_blocks(model: RQNet, rows: Dataset) -> None:
    """Before portrait pre-training: each scene of ``portrait_rows`` trains the block that it is named after."""
    names = [scene.partition("/")[0] for scene in sorted(set(rows["scene"]))]  # in the order of scene indices
    heads = model.config.heads
    if len(heads) == 1 or not set(names) <= set(heads):
        raise InputError(
            f"The blocks {', '.join(heads)} do not fit scenes that start with {', '.join(sorted(set(names)))}: take "
            "rows from portrait_rows and a model with heads=BLOCKS."
        )
    model.block_of_scene = torch.tensor([heads.index(name) for name in names], device=model.block_of_scene.device)


def overall_only(model: RQNet) -> RQNet:
    """After portrait pre-training: the same model with the block ``overall`` alone, to be fine-tuned."""
    kept = type(model)(replace(model.config, heads=("overall",)))
    wanted = kept.state_dict()
    kept.load_state_dict({name: value for name, value in model.state_dict().items() if name in wanted})
    return kept


def _join(parts: list[Dataset]) -> Dataset:
    if not parts:
        raise InputError("There is nothing to pre-train on: name at least one source.")
    columns = [name for name in FEATURES if all(name in part.column_names for part in parts)]
    return concatenate_datasets([part.select_columns(columns) for part in parts])
