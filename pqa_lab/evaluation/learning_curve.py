"""A tiny model's learning curve on scenes that it never sees, one line a seed, beside chance.

    python -m pqa_lab.evaluation.learning_curve hyperiqa --seeds 0,1,2 --out pqa_lab/evaluation/results

The curve looks at the benchmark's new scenes while the model learns. Nothing is chosen by it: the model of the last
step is what a line ends with. Simulated scenes, not PIQ23.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from pqa_lab.errors import InputError
from pqa_lab.evaluation.benchmark_world import World, deal, load_world
from pqa_lab.methods import METHODS
from pqa_lab.training import fit

EVERY = 10  # steps


def learning_curve(
    method: str, seeds: Sequence[int] = (0, 1, 2), steps: int = 150, world: World | None = None, progress: bool = True
) -> pd.DataFrame:
    """Train the tiny preset with every seed and score the unseen scenes as it learns.

    Returns
    -------
    DataFrame
        ``method, seed, step, srcc`` (median over the unseen scenes), and ``loss`` (mean since the last of them). Step 0
        is the untrained head on the pre-trained backbone.
    """
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
    from pqa_lab.training import predict
    from pqa_lab.training.predict import median_srcc

    rows, records = load_world(world or World(), progress), []
    for seed in seeds:
        train, parts = deal(rows, seed % 3)
        known, unseen = rows.select(train), rows.select(parts["new_scene_all"])
        torch.manual_seed(seed)
        model = METHODS[method].tiny()
        start = median_srcc(predict(model, unseen, progress=False))
        records.append({"method": method, "seed": seed, "step": 0, "srcc": start, "loss": float("nan")})
        per_epoch = _steps_per_epoch(model, known)
        history = fit(
            model, known, unseen, seed=seed, max_steps=steps, validate_every=EVERY / per_epoch, progress=progress
        )
        loss = history.table.set_index("step")["loss"].rolling(EVERY, min_periods=1).mean()
        records += [
            {"method": method, "seed": seed, "step": r["step"], "srcc": r["val_srcc"], "loss": loss[r["step"]]}
            for r in history.validated
        ]
    return pd.DataFrame(records)


def draw(curves: pd.DataFrame, path: Path) -> None:
    """One line a seed, as a picture that a code host shows."""
    from matplotlib.figure import Figure

    from pqa_lab.viz import OKABE_ITO  # a door may open every room

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for k, (seed, curve) in enumerate(curves.groupby("seed")):
        axes.plot(curve["step"], curve["srcc"], marker="os^Dv"[k % 5], color=OKABE_ITO[k + 1], label=f"seed {seed}")
    axes.axhline(0, color="grey", linewidth=1, linestyle=":", label="chance")
    axes.set(xlabel="optimizer step (32 photos)", ylabel="SRCC, median over unseen scenes", ylim=(-0.3, 1))
    axes.set_title(f"tiny {curves['method'].iloc[0]}: simulated scenes that it never saw", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)


def _steps_per_epoch(model: torch.nn.Module, rows) -> int:
    from pqa_lab.scenes.sampler import SceneBatchSampler

    recipe = model.recipe
    return len(
        SceneBatchSampler(rows["scene"][:], recipe.scenes_per_batch, recipe.images_per_scene, seed=0, distinct=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", nargs="?", default="hyperiqa")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("outputs/learning_curve"))
    asked = parser.parse_args()
    curves = learning_curve(asked.method, [int(seed) for seed in asked.seeds.split(",")], asked.steps)
    asked.out.mkdir(parents=True, exist_ok=True)
    curves.round(4).to_csv(asked.out / f"learning_curve_{asked.method}.csv", index=False)
    draw(curves, asked.out / f"learning_curve_{asked.method}.png")
    wide = curves.pivot(index="step", columns="seed", values="srcc")
    print(wide.round(3).to_string())
    print("Simulated scenes: not a result on PIQ23.")


if __name__ == "__main__":
    main()
