"""Data: from votes to JODs, and a look at the simulated scenes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pqa_lab.cli.common import AsJson, app, say_json


class Interval(StrEnum):
    sandwich = "sandwich"
    bootstrap = "bootstrap"
    none = "none"


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


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
