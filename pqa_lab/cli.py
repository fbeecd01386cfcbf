"""The doors: one thin command for each stretch of the road. ``pqa-lab COMMAND --help`` says more.

Every command takes paths, exits 0 on success and 2 with one clear line on bad input.
"""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pqa_lab.errors import InputError

app = typer.Typer(
    help="Learn, try and use portrait quality assessment.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


class Interval(StrEnum):
    sandwich = "sandwich"
    bootstrap = "bootstrap"
    none = "none"


class Preset(StrEnum):
    tiny = "tiny"
    paper = "paper"


def say_json(answer: object) -> None:
    typer.echo(json.dumps(answer, indent=2, default=str))


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


@app.command("scale")
def scale_votes(
    votes: Annotated[Path, typer.Argument(help="Votes (CSV or Parquet), or counts with --counts.")],
    counts: Annotated[
        bool, typer.Option("--counts", help="The file is a square CSV: row i preferred to column j.")
    ] = False,
    prior: Annotated[str, typer.Option(help="eb, none, pwcmp, or a standard deviation in JOD.")] = "eb",
    ci: Annotated[Interval, typer.Option(help="How intervals are made.")] = Interval.sandwich,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the table (CSV).")] = None,
    figure: Annotated[Path | None, typer.Option(help="Also write the figures (one HTML file).")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn votes on pairs of images into JODs with intervals."""
    from pqa_lab import scaling
    from pqa_lab.report import write_table

    prior_sd = _number(prior)
    if counts:
        jods = scaling.scale_counts(scaling.read_counts(votes), prior=prior_sd, ci=ci.value)
    else:
        jods = scaling.scale(scaling.read_votes(votes), prior=prior_sd, ci=ci.value)
    if out is not None:
        write_table(jods.table, out)
    if figure is not None:
        from pqa_lab.report import write_scale_report

        write_scale_report(jods, figure)
    if as_json:
        say_json({"table": jods.table.to_dict("records"), "report": jods.report})
    else:
        typer.echo(scaling.report_text(jods))


@app.command()
def rank(
    photos: Annotated[list[Path], typer.Argument(help="2 or more photos of one scene.")],
    model: Annotated[str, typer.Option(help="'default' or a checkpoint folder.")] = "default",
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


@app.command("app")
def open_app(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free port.")] = 7860,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Open the Gradio demo."""
    import runpy

    from pqa_lab.shipped import shipped

    if not _has("gradio"):
        raise InputError('The demo needs gradio: python -m pip install ".[app]"')
    demo = runpy.run_path(str(shipped("apps") / "rank_scene" / "app.py"))
    demo["serve"](host=host, port=port, browser=browser)


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where your own copy of the lessons goes.")] = Path("pqa-lessons"),
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Copy the lessons (what is there already stays) and open JupyterLab on lesson 00."""
    import subprocess

    from pqa_lab.lessons import copy_lessons

    if not _has("jupyterlab"):
        raise InputError('The lessons need JupyterLab: python -m pip install ".[lab]"')
    first = copy_lessons(folder)
    command = [sys.executable, "-m", "jupyterlab", str(first)] + ([] if browser else ["--no-browser"])
    raise typer.Exit(subprocess.call(command))


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def main() -> None:
    """Entry point: usage errors and ``InputError`` become one line and exit status 2."""
    import click

    try:
        status = app(standalone_mode=False)
    except InputError as error:
        status = fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        typer.echo(error.ctx.get_help())
        status = 0
    except click.ClickException as error:
        where = f" (see {error.ctx.command_path} --help)" if getattr(error, "ctx", None) else ""
        status = fail(error.format_message() + where)
    except (KeyboardInterrupt, click.Abort):
        status = fail("Stopped.", 130)
    sys.exit(status or 0)


def fail(sentence: str, status: int = 2) -> int:
    typer.echo("error: " + " ".join(sentence.split()), err=True)
    return status


if __name__ == "__main__":
    main()
