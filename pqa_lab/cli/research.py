"""Research: the methods, training, evaluation, generalization, the benchmark, the challenge's submission."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pqa_lab.cli.common import AsJson, app, find_method, say_json
from pqa_lab.errors import InputError


class Preset(StrEnum):
    tiny = "tiny"
    paper = "paper"


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
def provenance(
    part: Annotated[str, typer.Argument(help="How a place begins: 3.1, equation, table2; default all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show where each equation, table row and number of the survey is implemented, and how it is known."""
    from pqa_lab.provenance import provenance as table_of

    table = table_of(part)
    if as_json:
        say_json(table.to_dict("records"))
        return
    for line in table.itertuples():
        typer.echo(f"{line.place}  [{line.evidence}]  {line.says}\n    {line.implemented_by or line.note}")
    typer.echo(f"{len(table)} lines: " + ", ".join(f"{n} {e}" for e, n in table["evidence"].value_counts().items()))


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

    chosen = find_method(method)
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
def generalize(
    study: Annotated[str, typer.Argument(help="A study, or 'list' to see them.")],
    model: Annotated[
        str | None, typer.Option(help="A method to train, a checkpoint folder, or saved scores (.parquet).")
    ] = None,
    data: Annotated[str | None, typer.Option(help="As for train; default the simulated scenes.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for tables, figures and trainings.")] = Path("outputs/generalize"),
    seeds: Annotated[int, typer.Option(help="How many seeds, 0, 1, …")] = 1,
    steps: Annotated[int, typer.Option(help="Optimizer steps of each training.")] = 150,
    as_json: AsJson = False,
) -> None:
    """Ask where a method stops working: new scenes, devices, people, conditions, and what it relies on."""
    from pqa_lab import generalization

    if study == "list":
        for name, described in generalization.STUDIES.items():
            typer.echo(f"{name:16} {described.question}")
        return
    found = generalization.generalize(study, model, data, out, tuple(range(seeds)), steps)
    if as_json:
        say_json({"study": study, "reading": found.reading, "table": found.table.to_dict("records")})
        return
    typer.echo(found.table.round(3).to_string(index=False))
    typer.echo(found.reading)
    if data is None or data.startswith("simulated"):
        typer.echo("Simulated scenes: not a result on PIQ23.")
    typer.echo(f"table, scores and figure: {out / study}")


class Benchmark(StrEnum):
    methods = "methods"
    speed = "speed"


@app.command()
def benchmark(
    what: Annotated[
        Benchmark, typer.Argument(help="methods: how good they are; speed: how fast everything is.")
    ] = Benchmark.methods,
    out: Annotated[
        Path | None, typer.Option(help="Folder, default outputs/benchmark or outputs/speed; methods go on there.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Some of the methods, comma-separated; default all, and the ablations.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated.")] = "0,1,2",
    quick: Annotated[bool, typer.Option("--quick", help="A few steps or small sizes: shows the way only.")] = False,
    again: Annotated[bool, typer.Option("--again", help="methods: run finished cells again.")] = False,
    paper: Annotated[bool, typer.Option("--paper", help="speed: also the published sizes (minutes, GBs).")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare every method's tiny preset on known and new simulated scenes; or measure how fast everything is."""
    if what is Benchmark.speed:
        from pqa_lab.speed import speed, speed_text

        out = out or Path("outputs/speed")
        text = speed_text(speed(out, quick=quick, paper=paper))
        typer.echo((out / "speed.json").read_text() if as_json else f"{text}\npage: {out / 'speed.html'}")
        return
    from pqa_lab.evaluation.benchmark import benchmark as run
    from pqa_lab.viz.benchmark_page import write_benchmark_page

    out = out or Path("outputs/benchmark")
    try:
        chosen = tuple(int(seed) for seed in seeds.split(","))
    except ValueError:
        raise InputError(f"--seeds takes whole numbers with commas between, such as 0,1,2, not {seeds!r}.") from None
    table = run(out, methods.split(",") if methods else None, chosen, quick=quick, resume=not again)
    page = write_benchmark_page(out)
    if as_json:
        say_json(table.to_dict("records"))
    else:
        typer.echo(table.round(3).to_string(index=False))
        typer.echo(f"Simulated scenes: not a result on PIQ23.   page: {page}")
    if table.attrs["failed"]:
        raise typer.Exit(1)


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
