"""A released assignment, solved by a student in a real JupyterLab in Chromium."""

import sys

import nbformat
import pytest
from browser import chromium, free_port, server
from classroom.course import Course, answered


@pytest.mark.browser
def test_a_released_assignment_opens_and_runs_in_jupyterlab(tmp_path):
    pytest.importorskip("nbgrader")
    name = "a1_psychometrics"
    course = Course(tmp_path)
    released = course.release(name)
    work = tmp_path / "student"
    work.mkdir()
    nbformat.write(answered(released, name), work / f"{name}.ipynb")
    settings = tmp_path / "settings"
    news = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    env = {key: value for key, value in course.env.items() if key.startswith(("JUPYTER", "IPYTHON", "PYTHON", "PATH"))}
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(settings), "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces")}
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
               f"--ServerApp.root_dir={work}", "--expose-app-in-browser"]  # fmt: skip
    with (
        server(command, f"{url}/api", tmp_path / "lab.log", env),
        chromium(viewport={"width": 1300, "height": 4000}) as page,
    ):
        page.set_default_timeout(240_000)
        page.goto(f"{url}/lab/tree/{name}.ipynb?reset", wait_until="domcontentloaded")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context")
        page.evaluate(
            "async () => { const tab = jupyterapp.shell.currentWidget;"
            " await tab.context.ready; await tab.sessionContext.ready }"
        )
        assert page.locator(".jp-Dialog").count() == 0
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        # Run-all stops at the first failing test; the table of verdicts is the last output.
        page.wait_for_function(
            "() => [...jupyterapp.shell.currentWidget.content.model.cells].some("
            "cell => cell.type === 'code' && JSON.stringify(cell.outputs.toJSON()).includes('verdict'))"
        )
        cells = page.evaluate(
            "() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === 'code')"
            ".map(cell => [cell.executionCount, cell.outputs.toJSON().map(output => output.output_type)])"
        )
    assert all(count for count, _ in cells)
    assert not any("error" in kinds for _, kinds in cells)
