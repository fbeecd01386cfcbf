"""The page of the measured behaviour: every table, the sentences that its numbers make, and where they come from."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from pqa_lab.evaluation import behaviour_tables as tables
from pqa_lab.evaluation.behaviour import load_answers, make_tables

HEADS = {
    "branches": "Do the branches carry information?",
    "gate": "Does SAR's gate move?",
    "scene_heads": "Does the scene head know the scene?",
    "augmentation": "What does test-time augmentation buy?",
    "ensembles": "What does an ensemble buy, and why is it z-normalised a scene?",
}
ABOUT = {
    "branches": "SRCC as is minus SRCC changed, paired by scene; above 0 the branch was of use. Only `shuffled` leaves "
    "the distribution of the features alone, so the sentences are about it; zeros and means are inputs that training "
    f"never showed. Groups of photos count the scenes with at least {tables.FEWEST} such photos.",
    "gate": "The share of the global score, mean over the views of a photo; `low, high` are 5 and 95 %. `face_rho`: "
    "Spearman with the height of the detected face within a scene, mean over scenes.",
    "scene_heads": "Named rightly: held-out photos of known scenes. Entropy in nats.",
    "augmentation": "Every second photo of the new scenes; `ms` are CPU milliseconds a photo with reading, face "
    "detection and LIQE; `times` and differences against the first setting.",
    "ensembles": "Photos of new scenes; differences to the mean SRCC of the members. `spread`: standard deviation of "
    "the scores in a scene, mean over scenes.",
}


def sentences(made: dict[str, pd.DataFrame]) -> dict[str, list[str]]:
    """The sentences of every table, computed from it."""
    return {
        "branches": tables.branch_sentences(made["branches"]) if len(made["branches"]) else [],
        "gate": tables.gate_sentences(made["gate"], made["branches"]),
        "scene_heads": tables.scene_head_sentences(made["scene_heads"]),
        "augmentation": tables.augmentation_sentences(made["augmentation"]),
        "ensembles": tables.ensemble_sentences(made["ensembles"]),
    }


def write_page(out: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Path:
    """Write ``behaviour.md`` and a ``behaviour_TABLE.csv`` for each table, each aside and then renamed."""
    made, folder = make_tables(out), Path(folder)
    told = sentences(made)
    lines = ["# Behaviour that the survey claims, measured", "", *_origin(out)]
    for name, title in HEADS.items():
        lines += ["", f"## {title}", ""]
        lines += [f"- {sentence}" for sentence in told[name]] or ["Not measured yet."]
        if len(made[name]):
            lines += ["", ABOUT[name], "", *_markdown(made[name])]
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        if len(table):
            _write(folder / f"behaviour_{name}.csv", table.round(6).to_csv(index=False))
    return _write(folder / "behaviour.md", "\n".join(lines) + "\n")


def _origin(out: str | os.PathLike[str]) -> list[str]:
    """What was run, where, when and for how long."""
    runs = load_answers(out).attrs["runs"]
    views = load_answers(out, "views").attrs["runs"]
    world, threads = runs[0]["world"], sorted({run["threads"] for run in runs})
    seeds = pd.DataFrame(runs).groupby("method")["seed"].unique()
    cost = sum(run["fit_seconds"] + run["ask_seconds"] for run in runs) + sum(run["ask_seconds"] for run in views)
    versions = {f"{name} {value}": None for run in runs for name, value in run["versions"].items()}
    return [
        "**This is the simulation, not PIQ23**: tiny presets on made-up portraits. No figure here is of the survey.",
        "",
        "- Command: `python -m pqa_lab.evaluation.behaviour --out DIR --page pqa_lab/evaluation/results`",
        f"- World: {world['scenes']} scenes of {world['images']} photos, {world['size']} pixels, seed {world['seed']}; "
        f"{world['photos']} photos a training.",
        "- Seeds: " + "; ".join(f"{method} {', '.join(map(str, sorted(s)))}" for method, s in seeds.items()) + ".",
        f"- CPU: {cost / 60:.1f} minutes in all ({sum(run['fit_seconds'] for run in runs) / 60:.1f} of training), "
        f"threads: {', '.join(map(str, threads))}; {'; '.join(sorted({run['machine'] for run in runs}))}.",
        f"- Measured {min(run['created'] for run in runs)} to {max(run['created'] for run in runs)}; "
        f"{', '.join(versions)}.",
        "- Intervals: 95 %, bootstrap over scenes; they hold the trained models fixed. With one seed a verdict speaks "
        "of that training.",
    ]


def _markdown(table: pd.DataFrame) -> list[str]:
    head = [str(name) for name in table.columns]
    body = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.0f}" if value.is_integer() and abs(value) >= 2 else f"{value:.3f}"
    return str(value)


def _write(path: Path, text: str) -> Path:
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    return path
