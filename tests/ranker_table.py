"""How well the default ranker orders real portraits with faults, beside hand-made cues and a full reference.

``PYTHONPATH=. python tests/ranker_table.py last`` prints the table of the model card (of ``last_faults``); other words
are ``fresh`` (``fresh_faults``), ``development`` and ``final`` (``real_faults``). Folders of checkpoints that follow
are judged beside the default ranker.
"""

import sys

import fresh_faults
import last_faults
import numpy as np
import pandas as pd
import torch
from real_faults import groups
from scipy.ndimage import laplace, sobel
from scipy.stats import spearmanr

from pqa_lab.simulation import compare
from pqa_lab.views import agreed_faces, detect_face
from pqa_lab.views.statistics import statistics

SETS = {"fresh": fresh_faults, "last": last_faults}


def cues(photo: np.ndarray) -> list[float]:
    """What people try first: variance of the Laplacian, gradient energy, entropy."""
    grey = photo @ np.array([0.299, 0.587, 0.114])
    share = np.bincount(np.round(grey).astype(int).ravel(), minlength=256) / grey.size
    entropy = -float((share * np.log2(np.maximum(share, 1e-12))).sum())
    return [float(laplace(grey).var()), float((sobel(grey, 0) ** 2 + sobel(grey, 1) ** 2).mean()), entropy]


def face_mask(shape: tuple[int, ...], face: tuple | None) -> np.ndarray | None:
    if face is None:
        return None
    y, x = np.ogrid[: shape[0], : shape[1]]
    across = (2 * x - face[0] - face[2]) / (face[2] - face[0])
    down = (2 * y - face[1] - face[3]) / (face[3] - face[1])
    return (across**2 + down**2 <= 1).astype(np.float32)


def described(half: str, mixed: int = 4, every: int = 1) -> pd.DataFrame:
    """One row a photo: ``group, kind, name, severity, jod, statistics, cues``, as the ranker would see the group.

    ``jod`` is the damage that `compare` sees beside the unharmed picture. Fewer groups with ``every``.
    """
    rows, seen = [], {}
    chosen = SETS[half].groups() if half in SETS else groups(half, mixed)
    for number, (kind, name, picture, photos, severities) in enumerate(chosen):
        if number % every:
            continue
        if id(picture) not in seen:
            seen = {id(picture): (picture, detect_face(picture))}
        own = seen[id(picture)][1]
        boxes = agreed_faces(photos, [own, *(detect_face(photo) for photo in photos[1:])])
        mask = face_mask(picture.shape, own)
        for photo, box, severity in zip(photos, boxes, severities, strict=True):
            jod = compare(picture, photo, mask)["overall"]
            rows.append((number, kind, name, severity, jod, statistics(photo, box), cues(photo)))
    return pd.DataFrame(rows, columns=["group", "kind", "name", "severity", "jod", "statistics", "cues"])


def measured(photos: pd.DataFrame, models: dict[str, torch.nn.Module]) -> pd.DataFrame:
    """SRCC of each group: of each set ranker, each cue and `compare` with the severity, and with `compare` (``~ jod``).

    One row a group, columns ``kind, name`` and one a judge.
    """
    rows = []
    for _, group in photos.groupby("group"):
        judges = {"full reference": group["jod"].to_numpy()}
        x = torch.from_numpy(np.stack(group["statistics"].to_list()))
        with torch.inference_mode():
            judges |= {name: model({"statistics": x}).score.numpy() for name, model in models.items()}
        names = ("variance of Laplacian", "gradient energy", "entropy")
        judges |= dict(zip(names, np.array(group["cues"].to_list()).T, strict=True))
        row = {judge: spearmanr(score, -group["severity"])[0] for judge, score in judges.items()}
        row |= {f"{name} ~ jod": spearmanr(judges[name], group["jod"])[0] for name in models}
        rows.append({"kind": group["kind"].iloc[0], "name": group["name"].iloc[0], **row})
    return pd.DataFrame(rows)


def main(half: str, *others: str) -> None:
    from pqa_lab.ranking import DEFAULT_MODEL
    from pqa_lab.training import load_checkpoint

    models = {"default": load_checkpoint(DEFAULT_MODEL)} | {other: load_checkpoint(other) for other in others}
    table = measured(described(half), models)
    print(table[table["kind"].isin(("single", "mixture"))].groupby(["kind", "name"]).mean().round(2).to_string())
    print(table.drop(columns="name").groupby("kind").mean().round(3).to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
