"""Generate the notebooks from their text source: ``python notebooks/build.py`` (``--check`` only compares).

``src/NN_name.py`` (jupytext percent format) is the one form that is edited by hand.
"""

import argparse
import sys
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).parent
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def build(source: Path) -> str:
    """The notebook of a source as text: no outputs, no counts, stable cell ids, a kernel that every Jupyter finds."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a notebook is out of date")
    arguments = parser.parse_args()
    stale = []
    for source in sorted((HERE / "src").glob("[0-9][0-9]_*.py")):
        target, text = HERE / f"{source.stem}.ipynb", build(source)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(target.name)
            if not arguments.check:
                target.write_text(text, encoding="utf-8")
    print("\n".join(stale) or "every notebook is up to date")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
