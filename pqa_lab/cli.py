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
def train(
    method: Annotated[str, typer.Argument(help="A key of `pqa-lab methods`, for example hyperiqa.")],
    data: Annotated[
        str, typer.Option(help="simulated, simulated:50x100, piq23:DIR, folder:DIR, a parquet file, …")
    ] = "simulated",
    out: Annotated[Path, typer.Option(help="Folder for the history and the checkpoints.")] = Path("outputs/train"),
    preset: Preset = Preset.tiny,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps instead of the recipe's epochs.")] = None,
    seed: int = 0,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU if there is one.")] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Fetch the backbone's weights from the hub.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> None:
    """Train a method; a validation part of the training scenes chooses the checkpoint, never the test scenes."""
    import torch

    from pqa_lab.ranking import calibrate
    from pqa_lab.scenes import load_rows
    from pqa_lab.training import fit, predict, save_checkpoint, split_validation

    chosen = _method(method)
    known, held_out = split_validation(load_rows(data, part="train"), seed=seed)
    torch.manual_seed(seed)  # the weights that training starts from
    options = {"pretrained": True} if pretrained else {}
    model = chosen.tiny(**options) if preset is Preset.tiny else chosen.paper(**options)
    history = fit(model, known, held_out, out=out, seed=seed, max_steps=steps, device=device, resume=resume)
    calibration = calibrate(predict(model, held_out))
    save_checkpoint(model, out / "model", calibration=vars(calibration), data=data, seed=seed)
    best = history.best["val_srcc"] if history.best else float("nan")
    typer.echo(
        f"validation SRCC {best:.3f} (median over {len(set(held_out['scene']))} scenes)   model: {out / 'model'}"
    )


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="Folder with model.safetensors and config.json.")],
    data: Annotated[str, typer.Option(help="As for train; its test part is used.")] = "simulated",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Also write the scores, one row an image (parquet).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the test scenes with a checkpoint: SRCC, PLCC, KRCC in every scene, then medians over scenes."""
    from pqa_lab.evaluation import per_scene, save_evaluation, summarize
    from pqa_lab.scenes import load_rows
    from pqa_lab.training import load_checkpoint, predict

    model = load_checkpoint(checkpoint)
    frame = predict(model, load_rows(data, part="test"))
    scenes, summary = per_scene(frame, fit=False), summarize(frame)
    if out is not None:
        save_evaluation(frame.assign(method=model.config.method), out)
    if as_json:
        say_json({"scenes": scenes.to_dict("records"), "summary": summary.reset_index().to_dict("records")})
        return
    typer.echo(scenes[["scene", "n", "srcc", "plcc", "krcc"]].round(3).to_string(index=False))
    typer.echo(summary.round(3).to_string())
    if data.startswith("simulated"):
        typer.echo("Simulated scenes: not a result on PIQ23.")


@app.command()
def methods(
    time_each: Annotated[bool, typer.Option("--time", help="Also time one image (builds every model).")] = False,
    as_json: AsJson = False,
) -> None:
    """List the methods: survey section, parameters here and in the survey, FLOPs."""
    from pqa_lab.methods.table import methods_table

    table = methods_table(time=time_each)
    if as_json:
        say_json(table.reset_index().to_dict("records"))
    else:
        typer.echo(table.to_string(index=False))


@app.command()
def submission(
    checkpoint: Annotated[str, typer.Argument(help="'default' or a checkpoint folder.")],
    root: Annotated[Path, typer.Argument(help="The challenge folder with images.csv and images/.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table, or a folder for it.")] = Path("results"),
    last_name: Annotated[str, typer.Option(help="For the file name that the kit asks for.")] = "LAST_NAME",
    first_name: str = "FIRST_NAME",
    check: Annotated[bool, typer.Option(help="Measure the model against the kit's limits.")] = True,
) -> None:
    """Score the challenge's images, write its result table, and check the model against its limits."""
    from pqa_lab.ranking import load_ranker
    from pqa_lab.scenes import check_limits, load_challenge, load_photo, write_submission
    from pqa_lab.training import predict

    rows = load_challenge(root)
    model, _, name = load_ranker(checkpoint)
    written = write_submission(root, predict(model, rows)["score"].tolist(), out, last_name, first_name)
    typer.echo(f"{len(rows)} images in {len(set(rows['scene']))} scenes scored by {name}: {written}")
    if check:
        typer.echo(check_limits(model, photo=load_photo(rows[0]["image"])).round(4).to_string())


@app.command("data")
def data_page(
    scenes: Annotated[int, typer.Option(help="Scenes to simulate.")] = 12,
    images: Annotated[int, typer.Option(help="Photos a scene.")] = 24,
    seed: int = 0,
    out: Annotated[Path, typer.Option("-o", "--out", help="The page.")] = Path("data.html"),
) -> None:
    """Show the simulated data: contact sheet, distributions, spectra, data card (one HTML page)."""
    from pqa_lab.data_page import write_data_page
    from pqa_lab.scenes import load_simulated

    write_data_page(load_simulated(scenes=scenes, images=images, seed=seed), out)
    typer.echo(f"page: {out}")


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
    model: Annotated[
        list[Path] | None, typer.Option(help="Folder of a checkpoint; again for a menu of several.")
    ] = None,
) -> None:
    """Open the Gradio demo."""
    import runpy

    from pqa_lab.shipped import shipped

    if not _has("gradio"):
        raise InputError('The demo needs gradio: python -m pip install ".[app]"')
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

    if not _has("jupyterlab"):
        raise InputError('The lessons need JupyterLab: python -m pip install ".[lab]"')
    first = copy_lessons(folder)
    command = [sys.executable, "-m", "jupyterlab", str(first)] + ([] if browser else ["--no-browser"])
    raise typer.Exit(subprocess.call(command))


def _method(name: str) -> type:
    from pqa_lab.methods import METHODS

    if name not in METHODS:
        raise InputError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


# Newer Typer carries its own copy of click, older Typer imports it: the common ancestor of usage errors, either way.
ClickError = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def main() -> None:
    """Entry point: usage errors and ``InputError`` become one line and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except InputError as error:
        status = fail(str(error))
    except ClickError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message())
            status = 0
        else:
            context = getattr(error, "ctx", None)
            status = fail(
                error.format_message().rstrip(".") + "." + (f" See {context.command_path} --help." if context else "")
            )
    except (KeyboardInterrupt, typer.Abort):
        status = fail("Stopped.", 130)
    sys.exit(status or 0)


def fail(sentence: str, status: int = 2) -> int:
    typer.echo("error: " + " ".join(sentence.split()), err=True)
    return status


if __name__ == "__main__":
    main()
