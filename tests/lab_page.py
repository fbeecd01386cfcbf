"""A notebook in a real JupyterLab in Chromium, all cells run."""

import contextlib
import json
import sys
from pathlib import Path

import nbformat
from browser import chromium, free_port, server

ROOT = Path(__file__).parents[1]
DONE = "last cell ran"


def cells_of(page) -> list[tuple[str, str]]:
    """Type and source of the notebook's cells as JupyterLab has them now, without the last, which says "done"."""
    cells = page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.model.toJSON().cells.map((c) => [c.cell_type, c.source])"
    )
    return [(kind, "".join(source)) for kind, source in cells][:-1]


@contextlib.contextmanager
def lab_page(folder: Path, cells: list[str], height: int = 1600):
    """Run ``cells`` in a new notebook; gives the page and a list that fills with errors and requests that leave it."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.cells = [*map(nbformat.v4.new_code_cell, [*cells, f"print('{DONE}')"])]
    nbformat.write(notebook, folder / "x.ipynb")
    private = folder / "jupyter"
    env = {f"JUPYTER_{name}": str(private / name) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    env |= {f"JUPYTERLAB_{name}": str(private / name) for name in ("SETTINGS_DIR", "WORKSPACES_DIR")}
    env |= {"IPYTHONDIR": str(private / "ipython"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    news = private / "SETTINGS_DIR/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
               f"--ServerApp.root_dir={folder}", "--expose-app-in-browser"]  # fmt: skip
    trouble: list[str] = []
    with (
        server(command, f"{url}/api", folder / "lab.log", env),
        chromium(viewport={"width": 1300, "height": height}) as page,
    ):
        page.set_default_timeout(240_000)
        page.on("request", lambda r: None if r.url.startswith((url, "blob:", "data:")) else trouble.append(r.url))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(f"{url}/lab/tree/x.ipynb?reset", wait_until="domcontentloaded")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context")
        page.evaluate("() => jupyterapp.shell.currentWidget.context.ready")
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.ready")
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        page.locator(".jp-OutputArea-output", has_text=DONE).last.wait_for()
        yield page, trouble
