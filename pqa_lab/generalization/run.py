"""All studies by name, and the one call behind ``pqa-lab generalize``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.evaluation import load_evaluation, save_evaluation
from pqa_lab.generalization import probes, scores, shifts
from pqa_lab.generalization.finding import Finding, need
from pqa_lab.generalization.runs import STEPS, check_method, described_scores, trained_scores
from pqa_lab.generalization.shifts import Run
from pqa_lab.methods import METHODS
from pqa_lab.ranking import load_ranker


@dataclass(frozen=True)
class Study:
    """A question, who has to be trained for it, and how the scores answer it.

    Attributes
    ----------
    question : str
    analyse : callable
        Scores (one row an image and model) -> `Finding`.
    plan : callable
        ``(rows, seed) -> list of Run``. Studies of scores share the plan of ``scenes``, hence its trainings.
    needs : tuple of str
        Columns of the rows.
    compares_models : bool
        Whether one model cannot answer it.
    method : str
        Trained unless another one is asked for.
    """

    question: str
    analyse: Callable[[pd.DataFrame], Finding]
    plan: Callable[[datasets.Dataset, int], list[Run]]
    needs: tuple[str, ...] = ()
    compares_models: bool = False
    method: str = "hyperiqa"


def _crossed(study: str, by: str) -> Callable[[datasets.Dataset, int], list[Run]]:
    return lambda rows, seed: shifts.plan_crossed(rows, study, by, seed)


def _within(name: str, by: str, question: str) -> Study:
    return Study(question, partial(shifts.known_and_new, study=name, what=name), _crossed(name, by), (by,), True)


def _of_scores(name: str, question: str, analyse: Callable, needs: tuple[str, ...] = (), **more: object) -> Study:
    return Study(question, analyse, _crossed(name, "scene"), needs, **more)


STUDIES: dict[str, Study] = {
    "scenes": _within("scenes", "scene", "Known scenes against new scenes"),
    "devices": _within("devices", "device", "Known devices against new devices, in known scenes"),
    "people": _within("people", "subject", "Known people against new people, in known scenes"),
    "conditions": Study(
        "New scenes of a condition that training left out",
        shifts.left_out,
        lambda rows, seed: shifts.plan_conditions(rows, "conditions", seed),
        ("condition",),
        True,
    ),
    "size": Study(
        "More scenes or more images a scene, at equally many images",
        shifts.scenes_or_images,
        lambda rows, seed: shifts.plan_size(rows, "size", seed),
        (),
        True,
    ),
    "tones": _of_scores("tones", "Is any skin tone ranked worse?", scores.tones, ("tone",)),
    "quality_gap": _of_scores("quality_gap", "Only high-end devices", scores.quality_gap, ("tier",)),
    "label_scale": _of_scores("label_scale", "Why MAE and SRCC disagree", scores.label_scale),
    "face_size": _of_scores("face_size", "Error by face size", scores.face_size, ("face",)),
    "shortcut": _of_scores("shortcut", "Does the model read the scene or the quality?", probes.shortcut),
    "confidence": _of_scores(
        "confidence",
        "How sure the scene classifier is of scenes that it does not know",
        probes.scene_confidence,
        compares_models=True,
        method="sem_hyperiqa",
    ),
}


def run_study(
    study: str,
    model: str | None = None,
    data: datasets.Dataset | None = None,
    seeds: Sequence[int] = (0,),
    max_steps: int | None = STEPS,
    store: str | os.PathLike[str] | None = None,
    progress: bool = False,
    overrides: dict[str, Any] | None = None,
) -> Finding:
    """Answer one question about generalization.

    Parameters
    ----------
    study : str
        Key in ``STUDIES``.
    model : str, optional
        A key of ``METHODS``, whose tiny preset is trained as the study plans it (default: the study's). Or scores that
        exist: the folder of a checkpoint or ``"default"`` (which scores ``data``), or a ``.parquet`` that
        `pqa_lab.evaluation.save_evaluation` wrote (``data`` is then not needed). A study that compares models takes a
        method or a .parquet of an earlier run.
    data : datasets.Dataset, optional
        Rows; default the simulated 12 scenes of 24 images.
    seeds : sequence of int
        Each draws its own split and trains its own models.
    max_steps : int, optional
        Of each training; None is the method's whole recipe.
    store : path, optional
        Folder where finished trainings are kept and found again.
    overrides : dict, optional
        Words of the method's config that replace the preset's, such as ``{"scene_weight": 1.0}``.

    Returns
    -------
    Finding

    Raises
    ------
    InputError
        An unknown study or model, a column that the study needs and the rows lack, too few scenes, ...
    """
    if study not in STUDIES:
        raise InputError(f"There is no study {study!r}: choose one of {', '.join(STUDIES)}.")
    chosen = STUDIES[study]
    model = chosen.method if model is None else str(model)
    if model not in METHODS and Path(model).suffix == ".parquet":
        return chosen.analyse(load_evaluation(model))
    if chosen.compares_models:
        check_method(model, study)
    ranker = None if model in METHODS else load_ranker(model)  # refused before minutes are spent on scenes
    if not len(seeds):
        raise InputError("There is no seed: give at least one, such as 0.")
    if data is None:
        from pqa_lab.scenes import load_simulated

        data = load_simulated(progress=progress)
    _check_columns(study, data)
    if ranker is not None:
        return chosen.analyse(_ranker_scores(ranker, data, progress))
    frames = []
    for seed in seeds:
        for run in chosen.plan(data, seed):
            frame = trained_scores(
                data, run.train, run.score, model, seed, max_steps, store and Path(store), progress, overrides
            )
            frames.append(frame.assign(**run.notes))
    return chosen.analyse(pd.concat(frames, ignore_index=True))


def generalize(
    study: str,
    model: str | None = None,
    data: datasets.Dataset | str | None = None,
    out: str | os.PathLike[str] = "outputs/generalize",
    seeds: Sequence[int] = (0,),
    max_steps: int | None = STEPS,
    progress: bool = True,
    overrides: dict[str, Any] | None = None,
) -> Finding:
    """What ``pqa-lab generalize`` does: `run_study`, and its results in ``out``. Parameters as `run_study`.

    ``out/STUDY/`` gets ``table.csv``, ``scores.parquet`` (all that is needed to draw it again), ``figure.html`` (with
    the reading and the numbers) and ``reading.txt``, each written aside and then renamed. ``out/trainings/`` keeps the
    scores of every finished training: a run that was broken off goes on where it stood, and studies share them.

    Parameters
    ----------
    data : datasets.Dataset or str, optional
        Rows, or a description that `pqa_lab.scenes.load_rows` understands.

    Returns
    -------
    Finding
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the results.")
    if isinstance(data, str):
        from pqa_lab.scenes import load_rows

        data = load_rows(data)
    found = run_study(study, model, data, seeds, max_steps, out / "trainings", progress, overrides)
    simulated = "truth" in found.scores.columns  # only a made world knows it
    folder = out / study
    folder.mkdir(parents=True, exist_ok=True)
    kept = found.scores
    if "method" not in kept.columns:
        kept = kept.assign(method=str(model or STUDIES[study].method))
    if "image" not in kept.columns:
        kept = kept.assign(image=range(len(kept)))
    about = {"study": study, "reading": found.reading, "max_steps": max_steps, "simulated": simulated}
    about |= {"overrides": overrides} if overrides else {}
    _save(kept, folder / "scores.parquet", about)
    note = " Simulated scenes: not a result on PIQ23." if simulated else ""
    for name, text in (
        ("table.csv", found.table.to_csv(index=False)),
        ("figure.html", _page(found, note)),
        ("reading.txt", found.reading + note + "\n"),
    ):
        aside = folder / f".{name}.{os.getpid()}.partial"
        aside.write_text(text, encoding="utf-8")
        aside.replace(folder / name)
    return found


def _page(found: Finding, note: str) -> str:
    from html import escape

    from pqa_lab.viz import figure_html

    title = escape(f"{STUDIES[found.study].question}")
    body = figure_html(found.figure, table=found.table.round(3))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><h1>{title}</h1><p>{escape(found.reading + note)}</p>{body}</html>"
    )


def _save(frame: pd.DataFrame, path: Path, about: dict) -> None:
    """A saved evaluation holds an image once a method and seed: the models of a study become methods of their own."""
    frame = frame.copy()
    for name in ("fold", "left_out", "train_scenes"):
        if name in frame.columns and not frame["method"].astype(str).str.contains(f"{name} ").any():
            frame["method"] = frame["method"].astype(str) + f", {name} " + frame[name].astype(str)
    save_evaluation(frame, path, **about)


def _check_columns(study: str, rows: datasets.Dataset) -> None:
    """Before anything is trained."""
    table = {}
    for name in STUDIES[study].needs:
        if name not in rows.column_names:
            raise InputError(f"The study {study!r} needs the column {name!r}, which these rows do not have.")
        table[name] = rows.with_format(None)[name][:]
    if table:
        need(pd.DataFrame(table), study, list(table))


def _ranker_scores(ranker: tuple[Any, Any, str], rows: datasets.Dataset, progress: bool) -> pd.DataFrame:
    net, _, name = ranker
    known = getattr(net, "facts", {}).get("scenes", [])
    frame = described_scores(net, rows, known, progress)
    return frame.assign(method=name, known=frame["scene"].isin(known))
