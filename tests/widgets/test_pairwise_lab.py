"""The annotator in a real JupyterLab in Chromium: real keys vote, and the notebook is none the worse for them."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from browser import chromium, free_port, server

from pqa_lab.scaling.store import VoteStore

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
CELLS = [
    "# A notebook to be left in peace",
    "from pathlib import Path\nfrom pqa_lab.widgets import annotate\n"
    "photos = {p.name: p for p in sorted(Path('.').glob('*.jpg'))}\n"
    "annotator = annotate(photos, 'votes.db', scene='park', observer='ada')\nannotator",
    "buttons = annotate(photos, 'votes.db', scene='park', observer='grace', plain=True)\nbuttons",
    "print('last cell ran')",
]


def write_notebook(folder):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.cells = [nbformat.v4.new_markdown_cell(CELLS[0]), *map(nbformat.v4.new_code_cell, CELLS[1:])]
    nbformat.write(notebook, folder / "x.ipynb")


def test_keys_vote_in_jupyterlab_and_the_notebook_is_unharmed(photos, tmp_path):
    write_notebook(tmp_path)  # the photos lie here, too
    private = tmp_path / "jupyter"
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    env = {f"JUPYTER_{name}": str(private / name) for name in places}
    env |= {f"JUPYTERLAB_{name}": str(private / name) for name in ("SETTINGS_DIR", "WORKSPACES_DIR")}
    env |= {"IPYTHONDIR": str(private / "ipython"), "PYTHONPATH": str(ROOT)}
    news = private / "SETTINGS_DIR/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
               f"--ServerApp.root_dir={tmp_path}", "--expose-app-in-browser"]  # fmt: skip
    outside, errors = [], []
    with (
        server(command, f"{url}/api", tmp_path / "lab.log", env),
        chromium(viewport={"width": 1300, "height": 2200}) as page,  # tall: what is off the screen is drawn lazily
    ):
        page.set_default_timeout(60_000)
        page.on("request", lambda r: None if r.url.startswith((url, "blob:", "data:")) else outside.append(r.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{url}/lab/tree/x.ipynb?reset", wait_until="domcontentloaded")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context")
        page.evaluate("() => jupyterapp.shell.currentWidget.context.ready")
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.ready")
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        page.locator(".jp-OutputArea-output", has_text="last cell ran").last.wait_for()
        pair = page.locator(".pqa-pair")
        pair.wait_for()

        def press(key, count=None):
            page.wait_for_function("document.querySelector('.pqa-pair').getAttribute('aria-busy') === 'false'")
            page.keyboard.press(key)
            if count is not None:
                page.locator(".pqa-count", has_text=f"{count} of 10 votes").wait_for()

        pair.click(position={"x": 5, "y": 5})
        for count, key in enumerate(["1", "2", "0", "ArrowLeft", "ArrowRight", "="], start=1):
            press(key, count)
        press("u", 5)
        # Unprotected, these cut, copy, insert, merge and convert cells.
        for key in ["x", "m", "a", "b", "c", "v", "d", "d", "y", "r", "1", "Shift+m", "?"]:
            press(key)
        page.locator(".pqa-count", has_text="6 of 10 votes").wait_for()
        page.locator(".pqa-help li").first.wait_for()
        if folder := os.environ.get("PQA_LAB_SCREENSHOTS"):
            pair.screenshot(path=f"{folder}/annotator_help.png")
        press("?")
        pair.get_by_role("button", name="B is better").click()
        page.locator(".pqa-count", has_text="7 of 10 votes").wait_for()
        page.locator(".pqa-plot summary").click()
        if folder:
            page.screenshot(path=f"{folder}/lab.png")
        page.locator(".jupyter-button", has_text="A is better").click()
        page.locator(".widget-label", has_text="1 of 10").first.wait_for()
        if folder:
            page.screenshot(path=f"{folder}/lab_end.png")
        cells = page.evaluate(
            "() => jupyterapp.shell.currentWidget.context.model.toJSON().cells.map((c) => [c.cell_type, c.source])"
        )
    table = VoteStore(tmp_path / "votes.db").votes(undone=True)
    ada = table[table.observer == "ada"]
    assert ada.preferred.tolist() == ["first", "second", "tie", "first", "second", "tie", "first", "second"]
    assert ada.undone_at.notna().tolist() == [False] * 5 + [True] + [False] * 2
    assert table[table.observer == "grace"].preferred.tolist() == ["first"]
    texts = ["".join(source) for _, source in cells]
    assert texts == CELLS
    assert [kind for kind, _ in cells] == ["markdown", "code", "code", "code"]
    assert outside == []
    assert errors == []
