"""Make the API reference from the docstrings: ``python docs/build.py`` writes ``docs/api/index.html`` in half a minute.

pdoc does the work, and a warning of it makes the command fail. Three things are done for it: names that a room imports
late are imported, formulas become MathML (pdoc's Markdown would garble them, and its MathJax needs a network), and the
page of ``pqa_lab.provenance`` gets its table.
"""

import argparse
import importlib
import pkgutil
import re
import sys
import warnings
from pathlib import Path
from textwrap import dedent

import pdoc
from jinja2 import pass_context
from latex2mathml.converter import convert
from pdoc.render_helpers import to_markdown_with_context

import pqa_lab
from pqa_lab.provenance import provenance

HIDDEN = ("pqa_lab.weights", "pqa_lab.cli.__main__")
MATH_BLOCK = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +.*| *$))*)", re.M)
MATH_INLINE = re.compile(r":math:`(.+?)`", re.S)


def modules() -> list[str]:
    """Every public module of the package."""
    found = [info.name for info in pkgutil.walk_packages(pqa_lab.__path__, "pqa_lab.")]
    public = [name for name in found if not any(part.startswith("_") for part in name.split("."))]
    return ["pqa_lab", *(name for name in public if not name.startswith(HIDDEN))]


def prepare(name: str, names: list[str]) -> None:
    """Import what a room exports late, and list its files beside what it exports."""
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", ()))
    for item in exported:
        if item not in vars(module):
            setattr(module, item, getattr(module, item))
    files = [other.rpartition(".")[2] for other in names if other.rpartition(".")[0] == name]
    if exported:
        module.__all__ = [*exported, *(file for file in files if file not in exported)]


def provenance_table() -> str:
    lines = ["\n\n| place | says | implemented by |\n|---|---|---|"]
    for row in provenance().itertuples():
        parts = [symbol.replace(":", ".").partition("=") for symbol in row.implemented_by.split()]
        where = "<br>".join(f"`{name}`{equal}{value}" for name, equal, value in parts)
        note = f"<br>*{row.note}*" * bool(row.note)
        lines.append(f"| {row.place.replace(' ', '<br>')} | {row.says} (**{row.evidence}**){note} | {where} |")
    return "\n".join(lines)


def mathml(docstring: str) -> str:
    """The docstring with ``.. math::`` (a blank line between formulas) and ``:math:`` as MathML, safe from Markdown."""

    def block(match: re.Match) -> str:
        formulas = re.split(r"\n\s*\n", dedent(match[2]).strip())
        return "\n" + "".join(f"{match[1]}{_mathml(formula, 'block')}\n\n" for formula in formulas)

    return MATH_INLINE.sub(lambda match: _mathml(match[1], "inline"), MATH_BLOCK.sub(block, docstring))


def _mathml(formula: str, display: str) -> str:
    return convert(" ".join(formula.split()), display=display).replace("*", "&#42;").replace("_", "&#95;")


@pass_context
def to_markdown(context: object, docstring: str) -> str:
    return to_markdown_with_context(context, mathml(docstring))


def build(out: Path) -> list[str]:
    """Write the pages to ``out``; returns pdoc's warnings."""
    names = modules()
    for name in names:
        prepare(name, names)
    importlib.import_module("pqa_lab.provenance").__doc__ += provenance_table()
    pdoc.render.configure(docformat="numpy", show_source=False, footer_text=f"pqa_lab {pqa_lab.__version__}")
    pdoc.render.env.filters["to_markdown"] = to_markdown
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc("pqa_lab", *(f"!{name}" for name in HIDDEN), output_directory=out)
    return [str(warning.message) for warning in caught if Path(pdoc.__file__).parent in Path(warning.filename).parents]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "api")
    out = parser.parse_args().out
    complaints = build(out)
    print(*complaints, f"{out / 'index.html'}: {len(modules())} modules, {len(complaints)} warnings", sep="\n")
    sys.exit(bool(complaints))
