"""``pqa-lab quickstart``: the whole road once, offline, in under two minutes on two cores.

Simulated scenes, a panel's votes, JODs, a small model trained, evaluated on unseen scenes, real photographs ranked.
"""

import time
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch

from pqa_lab.errors import InputError
from pqa_lab.evaluation import per_scene, summarize
from pqa_lab.methods import METHODS
from pqa_lab.ranking import Ranking, calibrate, rank
from pqa_lab.report import data_uri, ranking_html, table_html, write_page, write_table
from pqa_lab.samples import SAMPLES, sample_group
from pqa_lab.scaling import JodScale, scale
from pqa_lab.scaling.panel import make_panel, simulate_votes
from pqa_lab.scenes import load_photo, load_simulated
from pqa_lab.training import History, fit, predict, save_checkpoint
from pqa_lab.viz import figure_html

SCENES, IMAGES, SIDE = 12, 16, 192
OBSERVERS, VOTES_PER_IMAGE = 15, 30
STEPS = 150


def run(out: Path, seed: int = 0) -> Ranking:
    """Walk the road; write ``report.html``, the tables and the model to ``out``.

    Raises
    ------
    InputError
        ``out`` holds something that is not an earlier quickstart.
    """
    if out.exists() and not (out / "report.html").exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds something else; name another folder with --out.")
    started = time.perf_counter()
    print(f"1/5  simulate {SCENES} scenes of {IMAGES} portraits, drawn and photographed", flush=True)
    rows = load_simulated(scenes=SCENES, images=IMAGES, size=SIDE, seed=seed)
    print(f"2/5  {OBSERVERS} observers vote on pairs; their votes become JODs", flush=True)
    votes, jods = vote_and_scale(rows, seed)
    rows = rows.remove_columns("jod").add_column("jod", jods.table["jod"].tolist())
    known = rows.filter(lambda part: part == "train", input_columns="split")
    unseen = rows.filter(lambda part: part == "test", input_columns="split")
    print(f"3/5  train HyperIQA (tiny) on {len(set(known['scene']))} scenes", flush=True)
    torch.manual_seed(seed)
    model = METHODS["hyperiqa"].tiny()
    history = fit(model, known, max_steps=STEPS, seed=seed)
    print(f"4/5  evaluate on {len(set(unseen['scene']))} scenes that it never saw", flush=True)
    frame = predict(model, unseen)
    scenes, summary = per_scene(frame, fit=False), summarize(frame)
    model.facts |= {"calibration": vars(calibrate(frame)), "data": "simulated"}
    print(scenes[["scene", "n", "srcc", "plcc", "krcc"]].round(3).to_string(index=False))
    medians = ", ".join(f"{name.upper()} {summary.loc[name, 'median']:.3f}" for name in ("srcc", "plcc", "krcc"))
    print(f"median over unseen scenes: {medians} (simulated scenes; not a result on PIQ23)")
    print("5/5  rank a real portrait, photographed by six simulated phones", flush=True)
    photos, captions = zip(*sample_group(next(iter(SAMPLES))), strict=True)
    ranking = rank(photos, model=model, names=captions)
    print(f"by the model just trained, which has seen {len(known)} drawn portraits and no photograph:")
    print(ranking.as_text())
    shipped = rank(photos, names=captions)
    print("by the ranker that ships with the package (pqa-lab rank):")
    print(shipped.as_text())

    save_checkpoint(model, out / "model")
    write_table(votes, out / "votes.csv")
    write_table(jods.table, out / "jods.csv")
    write_table(scenes, out / "per_scene.csv")
    sections = [
        ("1 · Scenes", "<p>Portraits drawn from numbers, photographed by simulated phones.</p>" + contact_sheet(rows)),
        ("2 · From votes to JODs", truth_figure(rows, len(votes))),
        ("3 · Training", learning_curve(history)),
        ("4 · Scenes that the model never saw", table_html(scenes) + f"<p>Median over scenes: {medians}.</p>"),
        ("5 · A real portrait, six simulated phones: the model just trained", ranking_html(ranking)),
        ("6 · The same photos: the ranker that ships with the package", ranking_html(shipped)),
    ]
    write_page(out / "report.html", "pqa_lab quickstart: simulated scenes, not PIQ23", sections)
    print(f"report: {out / 'report.html'}   ({time.perf_counter() - started:.0f} s)")
    return shipped


def vote_and_scale(rows: datasets.Dataset, seed: int) -> tuple[pd.DataFrame, JodScale]:
    """A panel votes on each scene's true qualities; one call scales all scenes. Rows keep their order in the table."""
    images = pd.DataFrame({"scene": rows["scene"], "truth": rows["truth"], "image": np.arange(len(rows))})
    votes = [
        simulate_votes(
            part.set_index("image")["truth"],
            VOTES_PER_IMAGE * len(part) // 2,
            make_panel(OBSERVERS, taste=0.3, lapse=0.02, seed=seed),
            seed=seed + number,
            scene=scene,
        )
        for number, (scene, part) in enumerate(images.groupby("scene"))
    ]
    votes = pd.concat(votes, ignore_index=True)
    jods = scale(votes)
    jods.table = jods.table.sort_values("image", ignore_index=True)
    return votes, jods


def contact_sheet(rows: datasets.Dataset, scenes: int = 4, columns: int = 8) -> str:
    """Some photos of some scenes as HTML, each scene from best to worst."""
    names = sorted(set(rows["scene"]))[:scenes]
    lines = []
    for name in names:
        part = rows.filter(lambda scene, name=name: scene == name, input_columns="scene").sort("jod", reverse=True)
        picked = np.linspace(0, len(part) - 1, columns).round().astype(int)
        cells = "".join(
            f'<img src="{data_uri(load_photo(part[int(i)]["image"]), 128)}" width="112" '
            f'alt="{name}, {part[int(i)]["jod"]:+.1f} JOD" title="{part[int(i)]["jod"]:+.1f} JOD">'
            for i in picked
        )
        lines.append(f"<p><b>{name}</b>, best to worst<br>{cells}</p>")
    return "".join(lines)


def truth_figure(rows: datasets.Dataset, votes: int) -> str:
    truth, jod, scene = (np.array(rows[name]) for name in ("truth", "jod", "scene"))
    centred = truth - pd.Series(truth).groupby(scene).transform("mean").to_numpy()
    figure = go.Figure(go.Scatter(x=centred, y=jod, mode="markers", marker={"size": 5, "color": "#0072b2"}))
    figure.update_layout(height=380, xaxis_title="true quality, JOD (mean 0 a scene)", yaxis_title="JOD from votes")
    agreement = np.corrcoef(centred, jod)[0, 1]
    text = f"JODs from {votes} votes against the hidden truth: correlation {agreement:.3f}"
    return f"<p>{text}.</p>" + figure_html(figure, alt=text)


def learning_curve(history: History) -> str:
    table = history.table
    figure = go.Figure(go.Scatter(x=table["step"], y=table["loss"], mode="lines", line={"color": "#d55e00"}))
    figure.update_layout(height=300, xaxis_title="step", yaxis_title="loss")
    return figure_html(figure, alt="Training loss at every step", plotlyjs=False)  # the figure above carries the script
