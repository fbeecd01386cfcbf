"""Try it: the quickstart, ranking photos, the demo, the lessons, and what is wrong with an installation."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pqa_lab.cli.common import AsJson, app, require, say_json


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="Folder for the report, the tables and the model.")] = Path(
        "pqa-quickstart"
    ),
    seed: int = 0,
) -> None:
    """The whole road once, offline: votes, JODs, training, evaluation, a ranked scene group and a report."""
    from pqa_lab.quickstart import run

    run(out, seed=seed)


@app.command()
def rank(
    photos: Annotated[list[Path], typer.Argument(help="2 or more photos of one scene.")],
    model: Annotated[
        str, typer.Option(help="'default', a checkpoint folder, or 'zero-shot' (CLIP, from the hub).")
    ] = "default",
    report: Annotated[Path | None, typer.Option(help="Also write a self-contained HTML report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rank photos of one scene, best first."""
    from pqa_lab.ranking import rank as rank_photos
    from pqa_lab.report import write_ranking_report

    ranking = rank_photos(photos, model=model)
    for name, why in ranking.left_out:
        typer.echo(f"left out: {name}: {why}", err=True)
    if report is not None:
        write_ranking_report(ranking, report)
        typer.echo(f"report: {report}", err=True)
    if as_json:
        say_json(ranking.as_dict())
    else:
        typer.echo(ranking.as_text())


@app.command("app")
def open_app(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free port.")] = 7860,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    model: Annotated[
        list[Path] | None, typer.Option(help="Folder of a checkpoint; again for a menu of several.")
    ] = None,
) -> None:
    """Open the Gradio demo."""
    import runpy

    from pqa_lab.shipped import shipped

    require("gradio", 'The demo needs gradio: python -m pip install ".[app]"')
    demo = runpy.run_path(str(shipped("apps") / "rank_scene" / "app.py"))
    demo["serve"](host=host, port=port, browser=browser, models=[str(folder) for folder in model or []])


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where your own copy of the lessons goes.")] = Path("pqa-lessons"),
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Copy the lessons (what is there already stays) and open JupyterLab on lesson 00."""
    import subprocess

    from pqa_lab.lessons import copy_lessons

    require("jupyterlab", 'The lessons need JupyterLab: python -m pip install ".[lab]"')
    first = copy_lessons(folder)
    command = [sys.executable, "-m", "jupyterlab", str(first)] + ([] if browser else ["--no-browser"])
    raise typer.Exit(subprocess.call(command))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, what is missing and how to mend it."""
    from dataclasses import asdict

    from pqa_lab.doctor import diagnose

    findings = diagnose()
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{finding.status:8} {finding.name:16} {finding.detail}")
            if finding.remedy:
                typer.echo(f"{'':8} {'':16} -> {finding.remedy}")
    if any(finding.status == "broken" for finding in findings):
        raise typer.Exit(1)
