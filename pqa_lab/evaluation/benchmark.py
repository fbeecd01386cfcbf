"""The benchmark: every method's tiny preset on the same simulated scenes, on known and on new ones.

    python -m pqa_lab.evaluation.benchmark --out DIR --page DIR                   # everything: over an hour on a core
    python -m pqa_lab.evaluation.benchmark --out DIR --methods pqe,sar --seeds 0  # some cells, to run two side by side

`pqa_lab.evaluation.benchmark_world` deals scenes and devices so that one training serves every shift, and every drop is
a paired difference on the same photos; `pqa_lab.evaluation.benchmark_tables` says what the cells say.

Budget: every run sees the same number of photos (with repetition); all else is the method's own ``tiny`` recipe.
CPU seconds are reported beside the scores, since the same photos cost one method more than another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from pqa_lab.errors import InputError
from pqa_lab.evaluation.benchmark_tables import results_table
from pqa_lab.evaluation.benchmark_world import FOLDS, World, deal, load_world
from pqa_lab.evaluation.files import load_evaluation, save_evaluation
from pqa_lab.losses import scale_shift_invariant_loss
from pqa_lab.methods import METHODS
from pqa_lab.training import fit, predict

KEPT = ("jod_std", "condition", "device")  # columns of the rows that a saved cell carries along


RESULTS = Path(__file__).with_name("results")
FULL = World()
QUICK = World(scenes=9, images=14, size=96, challenge_scenes=4, photos=96)
QUICK_METHODS = ("hyperiqa", "set_ranker")


@dataclass(frozen=True)
class Variant:
    """A method, or a method with one thing changed: config words, or the loss."""

    method: str
    options: dict[str, Any] = field(default_factory=dict)
    loss: str = ""  # "mse", "scale_shift" or the method's own
    about: str = ""


ABLATIONS = {
    "rqnet_mse": Variant("rqnet", loss="mse", about="RQ-Net with MSE for Eq. 1-2"),
    "hyperiqa_mse": Variant("hyperiqa", loss="mse", about="HyperIQA with MSE for L1"),
    "hyperiqa_ssi": Variant("hyperiqa", loss="scale_shift", about="HyperIQA with Eq. 1-2 for L1"),
    "set_ranker_absolute": Variant("set_ranker", {"relative": False}, about="scene not subtracted"),
    "set_ranker_no_attention": Variant("set_ranker", {"depth": 0}, about="no attention in the group"),
    "set_ranker_alone": Variant("set_ranker", {"relative": False, "depth": 0}, about="each photo by itself"),
    "set_ranker_four": Variant("set_ranker", {"members": 4}, about="mean of four scorers"),
}
VARIANTS = {key: Variant(key) for key in METHODS} | ABLATIONS


def benchmark(
    out: str | os.PathLike[str],
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    quick: bool = False,
    resume: bool = True,
    progress: bool = True,
) -> pd.DataFrame:
    """Train and score every method with every seed, and compare them; finished cells are kept.

    Parameters
    ----------
    out : path
        ``cells/METHOD-SEED.parquet`` appears there whole (`save_evaluation`), one file a run.
    methods : sequence of str, optional
        Keys of ``VARIANTS``: the methods and the ablations; default all (``quick``: two methods).
    seeds : sequence of int
        Of weights, batches and views; seed % 3 is also the fold whose scenes and devices are kept from training.
    quick : bool
        A world of small photos and three steps (and, unless told, one seed): shows the way, measures nothing.
    resume : bool
        Skip a cell that this world, recipe and starting weights have filled; anything else is run again. A change of a
        method's views or loss is not noticed: run those cells with ``resume=False``.
    progress : bool
        Show bars.

    Returns
    -------
    DataFrame
        `pqa_lab.evaluation.benchmark_tables.results_table` of all cells in ``out``; ``.attrs["failed"]`` maps cells
        that could not be run to the reason.

    Raises
    ------
    InputError
        Unknown methods, no seed, or no cell that could be run.
    """
    world = QUICK if quick else FULL
    methods = list(methods or (QUICK_METHODS if quick else VARIANTS))
    seeds = list(seeds if not quick or tuple(seeds) != (0, 1, 2) else (0,))
    unknown = [name for name in methods if name not in VARIANTS]
    if unknown or not seeds:
        wrong = f"There is no method {unknown[0]!r} in the benchmark" if unknown else "A benchmark needs a seed"
        raise InputError(f"{wrong}; methods are {', '.join(VARIANTS)}, seeds whole numbers from 0.")
    out, rows, failed = Path(out), None, {}
    cells = [(name, seed) for seed in seeds for name in methods]
    bar = tqdm(cells, desc="benchmark", unit="cell", disable=not progress)
    for name, seed in bar:
        bar.set_postfix_str(f"{name}, seed {seed}")
        path = cell_path(out, name, seed)
        try:
            model, facts = build(name, seed, world)
            if resume and _filled(path, facts):
                continue
            rows = load_world(world, progress) if rows is None else rows
            frame, costs = run_cell(model, rows, seed, world, progress)
            save_evaluation(frame, path, method=name, seed=seed, **facts, **costs)
        except Exception as error:  # one method's fault must not cost the others their hours
            failed[f"{name}-{seed}"] = f"{type(error).__name__}: {error}"
            bar.write(f"failed: {name}, seed {seed}: {failed[f'{name}-{seed}']}")
    if len(failed) == len(cells):
        raise InputError(f"No cell could be run; the first says: {next(iter(failed.values()))}")
    table = results_table(load_cells(out))
    table.attrs["failed"] = failed
    return table


def cell_path(out: Path, name: str, seed: int) -> Path:
    return out / "cells" / f"{name}-{seed}.parquet"


def load_cells(out: str | os.PathLike[str]) -> pd.DataFrame:
    """All finished cells below ``out`` in one table; ``.attrs["cells"]`` holds the facts of each.

    A folder of committed results has them in one file, ``scores.parquet``.
    """
    paths = sorted((Path(out) / "cells").glob("*.parquet"))
    if not paths and (Path(out) / "scores.parquet").exists():
        return load_evaluation(Path(out) / "scores.parquet")
    if not paths:
        raise InputError(f"There is no finished cell in {out}: run the benchmark first.")
    frames = [load_evaluation(path) for path in paths]
    facts = [{"cell": path.stem, **frame.attrs} for path, frame in zip(paths, frames, strict=True)]
    worlds = {json.dumps(fact["world"], sort_keys=True) for fact in facts}
    if len(worlds) > 1:
        raise InputError(
            f"{out} holds cells of {len(worlds)} different worlds (quick and full?): use a folder for each."
        )
    for frame, fact in zip(frames, facts, strict=True):
        frame.attrs = {}  # pandas compares attrs when it concatenates
        for name in ("parameters", "fit_seconds", "score_seconds"):
            frame[name] = fact[name]
    table = pd.concat(frames, ignore_index=True)
    order = {name: place for place, name in enumerate(VARIANTS)}
    table = table.sort_values("method", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    table.attrs["cells"] = facts
    return table


def committed_results() -> pd.DataFrame:
    """The cells of the benchmark that the package carries (``pqa_lab/evaluation/results``), as `load_cells` reads them.

    Scores of every method on the simulated world, one row an image, part, method and seed: enough to ask a new question
    without any training.

    Lessons 13, 14.
    """
    return load_cells(RESULTS)


def build(name: str, seed: int, world: World) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a cell before its training, and the facts that a finished cell must share to count as done."""
    variant = VARIANTS[name]
    method = METHODS[variant.method]
    torch.manual_seed(seed)  # the weights that training starts from
    model = method.tiny(**variant.options)
    if "scenes" in {f.name for f in fields(model.config)}:  # a scene head names the scenes that it is trained on
        torch.manual_seed(seed)
        model = method.tiny(**variant.options, scenes=sum(k % FOLDS != seed % FOLDS for k in range(world.scenes)))
    if variant.loss:
        compute = {"mse": lambda p, y, scene: F.mse_loss(p, y), "scale_shift": scale_shift_invariant_loss}[variant.loss]
        model.loss = lambda prediction, batch: {"loss": compute(prediction.score, batch["jod"], batch["scene"])}
    start = hashlib.sha256()
    for key, value in model.state_dict().items():
        start.update(key.encode() + value.numpy().tobytes())
    facts = {
        "world": asdict(world),
        "variant": asdict(variant),
        "recipe": asdict(model.recipe),
        "start": start.hexdigest()[:16],
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    return model, json.loads(json.dumps(facts))  # as a saved cell returns them


def train_fold(model: nn.Module, rows: datasets.Dataset, seed: int, world: World, progress: bool = True) -> int:
    """Train on the fold of a seed with the world's budget of photos; return the optimizer steps."""
    chosen, recipe = deal(rows, seed % FOLDS)[0], model.recipe
    steps = max(1, round(world.photos / (recipe.scenes_per_batch * recipe.images_per_scene)))
    fit(model, rows.select(chosen), seed=seed, max_steps=steps, progress=progress, device="cpu")
    return steps


def run_cell(
    model: nn.Module, rows: datasets.Dataset, seed: int, world: World, progress: bool = True
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train once, score all parts: the frame of `save_evaluation`, and what it cost (CPU seconds of this process)."""
    train, parts = deal(rows, seed % FOLDS)
    begun = time.process_time()
    steps = train_fold(model, rows, seed, world, progress)
    trained = time.process_time()
    # A method that compares photos sees a part's scene as one group; any other scores a photo once for all parts.
    if getattr(model, "compares", False):
        answers = {name: predict(model, rows.select(part), progress=False) for name, part in parts.items()}
    else:
        every = np.unique(np.concatenate(list(parts.values())))
        answer = predict(model, rows.select(every), progress=False)
        answers = {name: answer.iloc[np.searchsorted(every, part)] for name, part in parts.items()}
    scored = time.process_time()
    frames = []
    for name, answer in answers.items():
        frame = answer[["scene", "score", "jod", *KEPT]].assign(part=name, photo=answer["path"])
        frames.append(frame.assign(image=name + "/" + frame["photo"]))  # a photo may be in two parts
    photos = sum(len(answer) for answer in answers.values()) if getattr(model, "compares", False) else len(every)
    costs = {
        "trained_on": {"photos": len(train), "scenes": len(set(rows.select(train)["scene"])), "steps": steps},
        "fit_seconds": trained - begun,
        "score_seconds": (scored - trained) / photos,
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }
    return pd.concat(frames, ignore_index=True), costs


def machine() -> str:
    """The processor, and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    return f"{name}, {os.cpu_count()} cores"


def _filled(path: Path, facts: dict[str, Any]) -> bool:
    if not path.exists():
        return False
    try:
        about = load_evaluation(path).attrs
    except InputError:  # damaged: run it again
        return False
    return all(about.get(name) == value for name, value in facts.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"))
    parser.add_argument("--methods", default="", help="comma-separated; default all")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--again", action="store_true", help="run finished cells again")
    parser.add_argument("--page", type=Path, help="write page, tables and scores of all finished cells to this folder")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # two such processes run side by side; more threads would only share the same cores
    methods = [name for name in asked.methods.split(",") if name] or None
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    table = benchmark(asked.out, methods, seeds, asked.quick, not asked.again)
    print(table.round(3).to_string(index=False))
    if asked.page:
        from pqa_lab.viz.benchmark_page import write_benchmark_page  # a door may open every room

        print(f"page: {write_benchmark_page(asked.out, asked.page)}")


if __name__ == "__main__":
    main()
