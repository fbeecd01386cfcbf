"""What the commands share: the Typer application, the option ``--json``, and checks that need no heavy import."""

import json
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


def say_json(answer: object) -> None:
    typer.echo(json.dumps(answer, indent=2, default=str))


def find_method(name: str) -> type:
    from pqa_lab.methods import METHODS

    if name not in METHODS:
        raise InputError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def require(module: str, sentence: str) -> None:
    """Raise ``InputError`` with the sentence unless the module is installed (it is not imported)."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise InputError(sentence)
