"""Teach with it: lay out a course."""

from pathlib import Path
from typing import Annotated

import typer

from pqa_lab.cli.common import app, require

classroom = typer.Typer(help="Assignments that grade themselves, for teachers.", no_args_is_help=True)
app.add_typer(classroom, name="classroom")


@classroom.command()
def new(
    folder: Annotated[Path, typer.Argument(help="A new folder for the course.")],
) -> None:
    """Lay out a course folder with five assignments for nbgrader (and otter), a guide and a rubric."""
    from pqa_lab.classroom.new import new_course

    for module in ("nbgrader", "jupytext"):
        require(module, 'A course needs nbgrader and jupytext: python -m pip install ".[classroom]"')
    names = new_course(folder)
    typer.echo(f"{folder}: {len(names)} assignments. Next: cd {folder} && nbgrader generate_assignment {names[0]}")


@classroom.command()
def seed(
    name: Annotated[str, typer.Argument(help="The name as the student wrote it.")],
    assignment: Annotated[str, typer.Argument(help="For example a1.")] = "",
) -> None:
    """Print the seed of a student's own data."""
    from pqa_lab.classroom import student_seed

    typer.echo(student_seed(name, assignment))
