"""Every lesson runs from top to bottom, offline, in its fast setting: with the exercises blank, and solved."""

import os
import re
from pathlib import Path

import pytest
from lesson_files import EXERCISE, SOLUTIONS, STUDENT, load_build, name, read

pytestmark = pytest.mark.notebook
SECONDS, GIGABYTES = 60, 1.5  # of CPU, since the clock of a busy machine says nothing about a lesson


@pytest.mark.parametrize("path", [*STUDENT, *SOLUTIONS], ids=name)
def test_runs(path, tmp_path, record_property, capsys):
    run = load_build().execute(read(path), tmp_path, path=str(Path(__file__).parent / "offline"))
    with capsys.disabled():
        print(f"\n{name(path)}: {run}", end="")
    record_property("took", str(run))
    said = re.findall(
        r"^Exercise (\d+): (\S.*)$",
        "\n".join(output.get("text", "") for cell in run.page.cells for output in cell.get("outputs", [])),
        re.MULTILINE,
    )
    text = "\n".join(cell.source for cell in run.page.cells if cell.cell_type == "markdown")
    assert [number for number, _ in said] == [number for number, _ in EXERCISE.findall(text)]
    expected = "right." if path.parent.name == "solutions" else "not answered yet."
    assert [words for _, words in said if words != expected] == []
    assert run.memory <= GIGABYTES
    assert run.cpu <= SECONDS


def test_the_network_is_really_blocked(tmp_path):
    import nbformat

    page = nbformat.v4.new_notebook()
    reach = (
        "import socket\ntry:\n    socket.create_connection(('{}', 80), 2)\nexcept OSError as error:\n    print(error)"
    )
    page.cells = [nbformat.v4.new_code_cell(reach.format(host)) for host in ("192.0.2.1", "example.org")]
    run = load_build().execute(page, tmp_path, path=str(Path(__file__).parent / "offline"))
    assert ["lessons run offline" in cell.outputs[0].text for cell in run.page.cells] == [True, True]
    assert 0.01 < run.memory < 1
    assert os.listdir(tmp_path) == []
