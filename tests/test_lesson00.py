"""Lesson 00 from the first to the last cell in a real JupyterLab in Chromium."""

import os
import sys

import pytest
from browser import chromium, free_port, server


@pytest.mark.browser
def test_lesson_00_runs_in_jupyterlab(tmp_path):
    from playwright.sync_api import expect

    from pqa_lab.lessons import copy_lessons

    lesson = copy_lessons(tmp_path / "lessons")
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    env = {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password="),
        *(f"--ServerApp.root_dir={lesson.parent}", "--expose-app-in-browser"),
    ]
    with (
        server(command, f"http://127.0.0.1:{port}/api", tmp_path / "log.txt", env),
        chromium(viewport={"width": 1300, "height": 4000}) as page,
    ):
        page.goto(f"http://127.0.0.1:{port}/lab/tree/{lesson.name}?reset", wait_until="domcontentloaded")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context", timeout=90_000)
        page.evaluate(
            "async () => { const tab = jupyterapp.shell.currentWidget;"
            " await tab.context.ready; await tab.sessionContext.ready }"
        )
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        notebook = page.locator(".jp-Notebook")
        expect(notebook.get_by_text("The last cell ran:").last).to_be_visible(timeout=240_000)
        assert notebook.locator("[data-mime-type='application/vnd.jupyter.stderr'] >> text=Error").count() == 0
        cards = notebook.locator(".pqa-card")
        assert cards.count() == 6
        assert notebook.get_by_text("not answered yet").count() == 3
        assert cards.first.locator("img").evaluate("image => image.naturalWidth") > 0
        cards.first.scroll_into_view_if_needed()
        page.screenshot(path=os.environ.get("PQA_LAB_SHOTS", str(tmp_path)) + "/lesson00.png")
