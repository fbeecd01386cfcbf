"""Make the notebooks from their text source.

    python notebooks/build.py [01 ...]          generate; outputs of lessons whose code did not change are kept
    python notebooks/build.py --run [01 ...]    and run those that have none (or that are named): the fast setting
    python notebooks/build.py --check           change nothing; fail if a notebook is out of date, unrun or large

``src/NN_name.py`` (jupytext percent format, solutions inside) is the one form that is edited by hand. From it come
``NN_name.ipynb``, whose exercises are blank, and ``solutions/NN_name.ipynb``:

- a line ``# solution`` and what follows, as far as it is indented like it, is what the reader writes;
- ``name = value  # solution`` and ``return value  # solution`` blank the value, inside such a block, too;
- cells with the tag ``solution`` are in the solutions only.
"""

import argparse
import ast
import contextlib
import copy
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat

HERE = Path(__file__).parent
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
LARGEST = 200_000  # bytes of a committed notebook
STATIC = ("image/png", "image/jpeg", "image/svg+xml", "text/markdown", "text/plain")
PLOTLY, WIDGET = (
    "application/vnd.plotly.v1+json",
    "application/vnd.jupyter.widget-view+json",
)
COLAB = """\
# On Colab this installs pqa_lab where it is missing; anywhere else it does nothing.
import importlib.util
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("pqa_lab") is None:
    import subprocess

    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "pqa-lab[lab]"], check=True)"""
VALUE = re.compile(r"^(\s*(?:return|[\w.\[\], ]+ =)) .*?  # solution$")


def blank(code: str) -> str:
    """The code of a cell as the reader gets it."""
    out: list[str] = []
    cut = None
    for line in code.split("\n"):
        indent = len(line) - len(line.lstrip())
        if VALUE.match(line):  # within a block, too: the names that the check asks for
            out.append(VALUE.sub(r"\1 ...  # your answer here", line))
            continue
        if cut is not None and (not line.strip() or indent >= cut):
            continue
        if cut is not None:
            out.append("")
            cut = None
        if line.strip() == "# solution":
            out.append(" " * indent + "...  # your code here")
            cut = indent
        else:
            out.append(line)
    return _without_marks("\n".join(out))


def solved(code: str) -> str:
    """The code of a cell as the solutions show it."""
    lines = [line for line in code.split("\n") if line.strip() != "# solution"]
    return _without_marks("\n".join(re.sub(r"  # solution$", "", line) for line in lines))


def _without_marks(code: str) -> str:
    if "# solution" in code:
        raise SystemExit(f"A '# solution' mark stands where it blanks nothing:\n{code}")
    return re.sub(r"  # fmt: skip$", "", code, flags=re.MULTILINE)


def generate(source: Path) -> dict[Path, nbformat.NotebookNode]:
    """Path below notebooks/ -> notebook without outputs, for the reader and for the solutions."""
    lesson = jupytext.read(source)
    first = next(k for k, cell in enumerate(lesson.cells) if cell.cell_type == "code")
    lesson.cells.insert(first, nbformat.v4.new_code_cell(COLAB))
    pages = {}
    for folder in ("", "solutions"):
        page = copy.deepcopy(lesson)
        page.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
        page.nbformat, page.nbformat_minor = 4, 5
        for number, cell in enumerate(page.cells):
            cell["id"] = f"cell-{number:03d}"
            if cell.cell_type == "code":
                cell.source = solved(cell.source) if folder else blank(cell.source)
                cell.outputs, cell.execution_count = [], None
        if not folder:
            page.cells = [cell for cell in page.cells if "solution" not in cell.metadata.get("tags", [])]
            # The reader's way to the solutions stands under the opening table.
            page.cells[0].source += f"\n\nSolutions: [solutions/{source.stem}.ipynb](solutions/{source.stem}.ipynb)"
        else:
            page.cells[0].source += f"\n\nThese are the solutions of [{source.stem}.ipynb](../{source.stem}.ipynb)."
        pages[Path(folder) / f"{source.stem}.ipynb"] = page
    return pages


class Run(NamedTuple):
    """A notebook with raw outputs, and what it took: seconds on the clock and of the processor, GB at most."""

    page: nbformat.NotebookNode
    seconds: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s ({self.cpu:.0f} s of CPU), {self.memory:.2f} GB at most"


def execute(page: nbformat.NotebookNode, folder: Path, path: str = "", fast: bool = True) -> Run:
    """Run a notebook in ``folder``.

    ``path`` goes before the package on the kernel's PYTHONPATH. A cell that raises stops the run with its message.
    """
    from nbclient import NotebookClient

    path = os.pathsep.join(filter(None, [path, str(HERE.parent), os.environ.get("PYTHONPATH")]))
    env = {
        **os.environ,
        "PYTHONPATH": path,
        "PQA_LAB_FAST": str(int(fast)),
        "OMP_NUM_THREADS": "1",
    }
    env |= {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    page, metadata = copy.deepcopy(page), page.metadata
    client = NotebookClient(page, timeout=900, kernel_name="python3", store_widget_state=False)
    finished, took, started = (
        threading.Event(),
        {"cpu": 0.0, "memory": 0.0},
        time.monotonic(),
    )
    watcher = threading.Thread(target=_watch, args=(client, finished, took))
    watcher.start()
    try:
        client.execute(cwd=str(folder), env=env)
    finally:
        finished.set()
        watcher.join()
    page.metadata = copy.deepcopy(metadata)  # without widget state and the version of this Python
    return Run(page, time.monotonic() - started, **took)


def _watch(client, finished: threading.Event, took: dict[str, float]) -> None:
    """Keep what the kernel takes with its children (workers that draw scenes): CPU seconds, largest size in GB."""
    import psutil

    while not finished.wait(0.1):
        with contextlib.suppress(psutil.Error, AttributeError, ValueError):  # not started yet, or gone
            kernel = psutil.Process(int(client.km.provisioner.pid or -1))  # None would mean this process
            family = [kernel, *kernel.children(recursive=True)]
            took["memory"] = max(took["memory"], sum(process.memory_info().rss for process in family) / 2**30)
            took["cpu"] = max(took["cpu"], sum(sum(process.cpu_times()[:4]) for process in family))


def prune(page: nbformat.NotebookNode, draw=None) -> nbformat.NotebookNode:
    """Leave of the outputs what a code host shows: text, Markdown, pictures. ``draw``: plotly JSON -> base64 PNG."""
    page = copy.deepcopy(page)
    for cell in page.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.execution_count, kept = None, []
        for output in cell.outputs:
            if output.output_type == "stream":
                # Two streams in turns arrive in pieces whose number is a matter of timing.
                if output.name == "stdout" and kept and kept[-1].output_type == "stream":
                    kept[-1].text += output.text
                elif output.name == "stdout":
                    kept.append(output)
                continue
            if output.output_type == "error":
                kept.append(output)
                continue
            data = output.data
            figure = data.get(PLOTLY)
            alt = data.get("text/plain", "")
            if ("text/html" in data and len(alt) > 2000) or (WIDGET in data and "(" in alt):  # a bare repr
                data["text/plain"] = alt = "(shown where the notebook runs)"
            still = next((mime for mime in STATIC if mime in data), None)
            if figure is not None and draw is not None:
                kept.append(_display({"image/png": draw(figure), "text/plain": alt.split("\n\n")[0]}))
                words, _, numbers = data.get("text/markdown", "").partition("\n\n")
                folded = f"\n\n<details><summary>The numbers</summary>\n\n{numbers}\n\n</details>" if numbers else ""
                data["text/markdown"] = words + folded
            # One type an output: of several, code hosts would choose words before the picture.
            if still is not None:
                kept.append(_display({still: data[still]} | ({"text/plain": alt} if still != "text/markdown" else {})))
        cell.outputs = kept
    return page


def _display(data: dict) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data)


@contextlib.contextmanager
def painter():
    """A function that draws plotly figures with Chromium, or None without one (the figures' words are there anyway)."""
    import shutil

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        yield None
        return
    from base64 import b64decode, b64encode
    from io import BytesIO

    from PIL import Image
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.add_script_tag(content=get_plotlyjs())

        def draw(figure: dict) -> str:
            size = {"format": "png", "width": figure["layout"].get("width") or 720}
            size["height"] = figure["layout"].get("height") or 400
            url = tab.evaluate("([figure, size]) => Plotly.toImage(figure, size)", [figure, size])
            image, out = (
                Image.open(BytesIO(b64decode(url.split(",")[1]))).convert("RGB"),
                BytesIO(),
            )
            image.quantize(48).save(out, "PNG", optimize=True)
            return b64encode(out.getvalue()).decode()

        try:
            yield draw
        finally:
            browser.close()


def sources_of(page: nbformat.NotebookNode) -> list[tuple]:
    """What is compared: everything but outputs."""
    return [(cell.cell_type, cell.id, cell.source, dict(cell.metadata)) for cell in page.cells] + [page.metadata]


def code_of(page: nbformat.NotebookNode) -> list[str]:
    """What outputs depend on: the code without its layout."""
    return [ast.unparse(ast.parse(cell.source)) for cell in page.cells if cell.cell_type == "code"]


def unrun(page: nbformat.NotebookNode) -> bool:
    """Whether the last cell, which says that it ran, says nothing."""
    return not [cell for cell in page.cells if cell.cell_type == "code"][-1].outputs


def faults(path: Path, page: nbformat.NotebookNode) -> str:
    """What is wrong with the committed notebook of ``page``, or ""."""
    target = HERE / path
    if not target.exists():
        return "missing: python notebooks/build.py"
    found = nbformat.read(target, as_version=4)
    if sources_of(found) != sources_of(page):
        return "out of date: python notebooks/build.py --run"
    if unrun(found):
        return "has no outputs: python notebooks/build.py --run"
    size = target.stat().st_size
    return f"{size / 1000:.0f} kB, more than {LARGEST / 1000:.0f}" if size > LARGEST else ""


def write(path: Path, page: nbformat.NotebookNode) -> None:
    target = HERE / path
    target.parent.mkdir(exist_ok=True)
    aside = target.with_suffix(".new")
    aside.write_text(nbformat.writes(page) + "\n", encoding="utf-8")
    aside.replace(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", help="numbers, such as 01; default all")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--run", action="store_true")
    asked = parser.parse_args()
    chosen = [
        s for s in sorted((HERE / "src").glob("[0-9][0-9]_*.py")) if not asked.lessons or s.stem[:2] in asked.lessons
    ]
    pages = {path: page for source in chosen for path, page in generate(source).items()}
    if asked.check:
        found = {path: fault for path, page in pages.items() if (fault := faults(path, page))}
        print(
            "\n".join(f"{path}: {fault}" for path, fault in found.items()) or f"{len(pages)} notebooks are up to date"
        )
        return 1 if found else 0
    with painter() if asked.run else contextlib.nullcontext() as draw:
        for path, page in pages.items():
            old = nbformat.read(HERE / path, as_version=4) if (HERE / path).exists() else None
            if old is not None and code_of(old) == code_of(page):
                for cell, earlier in zip(
                    (c for c in page.cells if c.cell_type == "code"),
                    (c for c in old.cells if c.cell_type == "code"),
                    strict=True,
                ):
                    cell.outputs = earlier.outputs
            if asked.run and (asked.lessons or unrun(page)):
                with tempfile.TemporaryDirectory() as folder:
                    run = execute(page, Path(folder))
                page = prune(run.page, draw)
                print(f"{path}: ran in {run}")
            write(path, page)
            print(f"{path}: {(HERE / path).stat().st_size / 1000:.0f} kB{', not run' if unrun(page) else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
