"""Behaviour that the survey claims, measured: do the branches carry information, does the gate move, does the scene
head know the scene, what does each test-time augmentation buy for its cost, what does an ensemble.

    python -m pqa_lab.evaluation.behaviour --out DIR --page DIR2              # everything: half an hour on a core
    python -m pqa_lab.evaluation.behaviour --out DIR --methods pqe --seeds 0  # some trainings; the others can follow

The tiny presets are trained as in `pqa_lab.evaluation.benchmark`: same scenes, same budget, seed % 3 is the fold that
is kept from training. The photos asked are those that no training of the fold saw: of known scenes (about seven each)
and of new scenes (24 each). ``DIR/models`` keeps what was trained, so measuring again does not train again.

`behaviour_arms` asks the models, `behaviour_tables` makes tables and sentences of the answers. All of it is the
simulation; none of it is a result on PIQ23.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from torch import nn

from pqa_lab.errors import InputError
from pqa_lab.evaluation import behaviour_tables as tables
from pqa_lab.evaluation.behaviour_arms import SETTINGS, augmented, measure
from pqa_lab.evaluation.benchmark import FULL, QUICK, build, machine, train_fold
from pqa_lab.evaluation.benchmark_world import FOLDS, World, deal, load_world
from pqa_lab.evaluation.files import load_evaluation, save_evaluation
from pqa_lab.training import load_checkpoint, save_checkpoint
from pqa_lab.training.data import scene_names

ASKED = ("pqe", "sar", "sem_hyperiqa", "fhiqa", "monet")  # branches, gate, scene heads: with every seed
SINGLE = ("rqnet", "bdvqa")  # for augmentation and ensembles: with the first seed alone
PAIR = "rqnet"  # trained twice on the same photos, with the seeds s and s + FOLDS
MIXED = ("rqnet", "bdvqa", "pqe")
FACTS = ("world", "variant", "recipe", "start")  # what a kept training must share


def plan(seeds: Sequence[int], methods: Sequence[str] = ()) -> list[tuple[str, int]]:
    """The trainings, those of the first seed first: ``(method, seed)``."""
    first = seeds[0]
    cells = [(name, first) for name in (*ASKED, *SINGLE)] + [(PAIR, first + FOLDS)]
    cells += [(name, seed) for seed in seeds[1:] for name in ASKED]
    return [cell for cell in cells if not methods or cell[0] in methods]


def behaviour(
    out: str | os.PathLike[str],
    seeds: Sequence[int] = (0, 1, 2),
    quick: bool = False,
    methods: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """Train what is missing, ask every model, and make the tables of all that lies in ``out``.

    Parameters
    ----------
    out : path
        ``models/METHOD-SEED`` (checkpoints), ``cells/METHOD-SEED.parquet`` (answers), ``views/METHOD-SEED.parquet``
        (augmentation): each appears whole, and is kept as long as world, recipe and starting weights are the same.
    seeds : sequence of int
        Branches, gates and scene heads are measured with all, augmentation and ensembles with the first.
    quick : bool
        A world of small photos and a few steps: shows the way, measures nothing.
    methods : sequence of str
        Only these; default all.

    Returns
    -------
    dict of DataFrame
        `make_tables`.

    Raises
    ------
    InputError
        No seed, or a method that is not measured here.
    """
    unknown = [name for name in methods if name not in (*ASKED, *SINGLE)]
    if unknown or not seeds or min(seeds) < 0:
        wrong = f"{unknown[0]!r} is not measured here" if unknown else "Seeds are whole numbers from 0, at least one"
        raise InputError(f"{wrong}; methods are {', '.join((*ASKED, *SINGLE))}.")
    out, world, rows = Path(out), QUICK if quick else FULL, None
    for name, seed in plan(seeds, methods):
        model, facts = build(name, seed, world)
        answers = out / "cells" / f"{name}-{seed}.parquet"
        views = out / "views" / f"{name}-{seed}.parquet"
        asks_views = name in SETTINGS and seed == seeds[0]
        if _kept(answers, facts) and (not asks_views or _kept(views, facts)):
            continue
        print(f"{name}, seed {seed}", flush=True)
        rows = load_world(world, progress=False) if rows is None else rows
        checkpoint = trained(model, facts, rows, seed, world, out / "models" / f"{name}-{seed}")
        if not _kept(answers, facts):
            ask(checkpoint, facts, rows, seed, answers)
        if asks_views and not _kept(views, facts):
            ask_views(checkpoint, facts, rows, seed, views)
    return make_tables(out)


def trained(
    model: nn.Module, facts: dict[str, Any], rows: datasets.Dataset, seed: int, world: World, folder: Path
) -> Path:
    """The checkpoint of a training, trained if it is not there; the budget is the benchmark's."""
    if folder.exists():
        known = load_checkpoint(folder).facts
        if all(known.get(name) == facts[name] for name in FACTS):
            return folder
    train = rows.select(deal(rows, seed % FOLDS)[0])
    begun = time.process_time()
    steps = train_fold(model, rows, seed, world, progress=False)
    cost = time.process_time() - begun
    kept = {name: facts[name] for name in FACTS}
    return save_checkpoint(model, folder, **kept, scenes=scene_names(train), fit_seconds=cost, steps=steps)


def asked_rows(rows: datasets.Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that no training of the seed's fold saw, and whether their scene is known."""
    _, parts = deal(rows, seed % FOLDS)
    known = np.concatenate([parts["known"], parts["new_device"]])
    new = np.concatenate([parts["new_scene"], parts["new_scene_all"]])
    chosen = np.unique(np.concatenate([known, new]))  # the held-out photos of a new scene are among all of its photos
    return chosen, np.isin(chosen, known)


def ask(checkpoint: Path, facts: dict[str, Any], rows: datasets.Dataset, seed: int, path: Path) -> None:
    """Save all answers of a model."""
    model = load_checkpoint(checkpoint)
    chosen, known = asked_rows(rows, seed)
    begun = time.process_time()
    frame = measure(model, rows.select(chosen), model.facts["scenes"])
    frame = frame.assign(known=known[frame["row"]], trained_scenes=len(model.facts["scenes"]))
    frame["row"] = chosen[frame["row"]]
    words = (frame[name].astype(str) for name in ("branch", "change", "draw", "row"))
    frame["image"] = ["|".join(word) for word in zip(*words, strict=True)]
    costs = {"fit_seconds": model.facts["fit_seconds"], "ask_seconds": time.process_time() - begun}
    save_evaluation(
        frame, path, method=model.config.method, seed=seed, **facts, **costs, machine=machine(), threads=_threads()
    )


def ask_views(checkpoint: Path, facts: dict[str, Any], rows: datasets.Dataset, seed: int, path: Path) -> None:
    """Save scores and costs of every setting of a method's augmentation, on every second photo of the new scenes."""
    chosen, known = asked_rows(rows, seed)
    new = chosen[~known]
    begun = time.process_time()
    frame = augmented(checkpoint, rows.select(new[::2]), rows.select(new[1:4:2]))
    frame["row"] = new[::2][frame["row"]]
    frame["image"] = frame["setting"] + "|" + frame["row"].astype(str)
    cost = time.process_time() - begun
    method = load_checkpoint(checkpoint).config.method
    save_evaluation(
        frame, path, method=method, seed=seed, **facts, ask_seconds=cost, machine=machine(), threads=_threads()
    )


def load_answers(out: str | os.PathLike[str], kind: str = "cells") -> pd.DataFrame:
    """All answers below ``out`` (``"cells"`` or ``"views"``) in one table; ``.attrs["runs"]`` holds the facts."""
    frames = [load_evaluation(path) for path in sorted((Path(out) / kind).glob("*.parquet"))]
    runs = [{"method": f["method"].iloc[0], "seed": int(f["seed"].iloc[0]), **f.attrs} for f in frames]
    if len({str(run["world"]) for run in runs}) > 1:
        raise InputError(f"{out} holds answers of different worlds (quick and full?): use a folder for each.")
    for frame in frames:
        frame.attrs = {}  # pandas compares attrs when it concatenates
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    table.attrs["runs"] = runs
    return table


def make_tables(out: str | os.PathLike[str]) -> dict[str, pd.DataFrame]:
    """``branches, gate, scene_heads, augmentation, ensembles`` of the answers in ``out``; empty without any."""
    photos, views = load_answers(out), load_answers(out, "views")
    if photos.empty:
        raise InputError(f"Nothing was measured in {out} yet.")
    photos = photos.assign(**{name: np.nan for name in ("gate", "face_share", "named") if name not in photos})
    asked = photos[photos["method"].isin(ASKED)]
    return {
        "branches": tables.branch_table(asked),
        "gate": tables.gate_table(asked),
        "scene_heads": tables.scene_head_table(asked),
        "augmentation": tables.augmentation_table(views),
        "ensembles": _ensembles(photos[photos["branch"] == ""]),
    }


def _ensembles(plain: pd.DataFrame) -> pd.DataFrame:
    """Two seeds of a method on the same photos, and three methods of one seed; on the photos of new scenes."""
    cells = {cell: frame for cell, frame in plain[~plain["known"]].groupby(["method", "seed"])}
    first = min((seed for method, seed in cells if method == PAIR), default=0)
    found = []
    for name, members in (
        (f"{PAIR}, two seeds", [(PAIR, first), (PAIR, first + FOLDS)]),
        (f"{', '.join(MIXED)}", [(method, first) for method in MIXED]),
    ):
        if all(cell in cells for cell in members):
            frames = {f"{method}, seed {seed}": cells[method, seed] for method, seed in members}
            found.append(tables.ensemble_table(frames, name))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _kept(path: Path, facts: dict[str, Any]) -> bool:
    if not path.exists():
        return False
    try:
        about = load_evaluation(path).attrs
    except InputError:  # damaged: ask again
        return False
    return all(about.get(name) == facts[name] for name in FACTS)


def _threads() -> int:
    return torch.get_num_threads()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/behaviour"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default="", help="comma-separated; default all")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--page", type=Path, help="where page and tables go; default --out")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    try:
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        behaviour(asked.out, seeds, asked.quick, [name for name in asked.methods.split(",") if name])
    except (InputError, ValueError) as error:
        parser.error(str(error))
    from pqa_lab.evaluation.behaviour_page import write_page

    print(write_page(asked.out, asked.page or asked.out).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
