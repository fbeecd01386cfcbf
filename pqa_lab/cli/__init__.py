"""The doors: one thin command for each stretch of the road. ``pqa-lab COMMAND --help`` says more.

Every command takes paths, exits 0 on success and 2 with one clear line on bad input.
"""

import sys

import typer

from pqa_lab.cli import use, data, research, classroom  # noqa: F401  # isort: skip - the order of the help
from pqa_lab.cli.common import app
from pqa_lab.errors import InputError

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
