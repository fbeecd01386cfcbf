"""The notebooks are what their sources say, and the generator blanks what it should and nothing else."""

import sys

import nbformat
import pytest
from lesson_files import SOURCES, load_build, name, read

build = load_build()
SOURCE = '''# %% [markdown]
# # A title

# %%
import math


def area(r):
    """Of a circle."""
    # solution
    squared = r * r

    return math.pi * squared


def circumference(r):
    return 2 * math.pi * r  # solution


unit = area(1)
# solution
sides = 96

bound = 3 + 10 / 71  # solution
guess = 3.14  # solution

# %% [markdown] tags=["solution"]
# Archimedes knew.

# %%
print(unit)
'''


@pytest.fixture
def pages(tmp_path):
    source = tmp_path / "99_circles.py"
    source.write_text(SOURCE)
    return {str(path): page for path, page in build.generate(source).items()}


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_committed_notebooks_are_up_to_date(source):
    for path, page in build.generate(source).items():
        assert build.faults(path, page) == "", path


def test_the_reader_gets_stubs(pages):
    page = pages["99_circles.ipynb"]
    code = page.cells[2].source
    assert "squared" not in code
    assert "3.14" not in code
    assert "2 * math.pi" not in code
    space = {}
    exec(code, space)  # still runs
    assert space["unit"] is None
    assert space["circumference"](1) is ...
    assert space["guess"] is space["bound"] is ...
    assert "sides" not in space
    assert space["area"].__doc__ == "Of a circle."
    assert not any("Archimedes" in cell.source for cell in page.cells)


def test_the_solutions_are_complete_and_unmarked(pages):
    page = pages["solutions/99_circles.ipynb"]
    assert any("Archimedes" in cell.source for cell in page.cells)
    code = page.cells[2].source
    assert "solution" not in code
    space = {}
    exec(code, space)
    assert abs(space["unit"] - 3.14159) < 1e-4
    assert space["circumference"](1) == 2 * space["area"](1)
    assert space["guess"] == 3.14


def test_a_mark_that_blanks_nothing_is_refused():
    with pytest.raises(SystemExit, match="blanks nothing"):
        build.blank("x = f(\n    1\n)  # solution")


def test_the_first_code_cell_installs_on_colab_only(pages):
    for page in pages.values():
        first = next(cell for cell in page.cells if cell.cell_type == "code")
        before = set(sys.modules)
        exec(first.source, {})
        assert "subprocess" in before or "subprocess" not in sys.modules


def test_a_changed_source_and_a_lost_output_are_noticed(pages, tmp_path, monkeypatch):
    path, page = next((path, page) for path, page in pages.items() if "solutions" not in path)
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert "missing" in build.faults(path, page)
    build.write(tmp_path / path, page)
    assert "no outputs" in build.faults(path, page)
    page.cells[-1].outputs = [nbformat.v4.new_output("stream", text="3.14\n")]
    build.write(tmp_path / path, page)
    assert build.faults(path, page) == ""
    page.cells[0].source += "!"
    assert "out of date" in build.faults(path, page)
    page.cells[-1].outputs[0].text = "x" * 300_000
    build.write(tmp_path / path, page)
    assert "more than 200" in build.faults(path, page)


def test_outputs_become_static():
    page = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("show(figure)")
    figure = {
        "application/vnd.plotly.v1+json": {"data": [], "layout": {}},
        "text/markdown": "*Figure.* A line.\n\n| x |",
    }
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "Slider(value=3)"}
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a"),
        nbformat.v4.new_output("stream", name="stderr", text="Warning"),
        nbformat.v4.new_output("stream", name="stdout", text="b"),
        nbformat.v4.new_output("display_data", {**figure, "text/plain": "Figure. A line.\n\nx y"}),
        nbformat.v4.new_output("execute_result", widget, execution_count=3),
        nbformat.v4.new_output("display_data", {"text/html": "<b>", "text/plain": "x" * 3000}),
    ]
    cell.execution_count, page.cells = 3, [cell]
    found = build.prune(page, draw=lambda figure: "cGljdHVyZQ==").cells[0]
    assert found.execution_count is None
    assert [output.output_type for output in found.outputs] == ["stream"] + ["display_data"] * 4
    assert found.outputs[0].text == "ab"
    assert [dict(output.data) for output in found.outputs[1:]] == [
        {"image/png": "cGljdHVyZQ==", "text/plain": "Figure. A line."},
        {"text/markdown": "*Figure.* A line.\n\n<details><summary>The numbers</summary>\n\n| x |\n\n</details>"},
        {"text/plain": "(shown where the notebook runs)"},
        {"text/plain": "(shown where the notebook runs)"},
    ]
    without = build.prune(page).cells[0]  # no Chromium: words remain
    assert {"text/markdown": "*Figure.* A line.\n\n| x |"} in [
        dict(output.get("data", {})) for output in without.outputs
    ]


def test_no_notebook_without_a_source():
    stems = {source.stem for source in SOURCES}
    for folder in (build.HERE, build.HERE / "solutions"):
        assert {path.stem for path in folder.glob("*.ipynb")} == stems
        assert all(read(path).cells for path in folder.glob("*.ipynb"))


def test_layout_alone_keeps_outputs():
    a, b, c = nbformat.v4.new_notebook(), nbformat.v4.new_notebook(), nbformat.v4.new_notebook()
    a.cells = [nbformat.v4.new_code_cell("f(1,  2)  # why"), nbformat.v4.new_markdown_cell("words")]
    b.cells = [nbformat.v4.new_code_cell("f(\n    1,\n    2,\n)"), nbformat.v4.new_markdown_cell("other words")]
    c.cells = [nbformat.v4.new_code_cell("f(1, 3)")]
    assert build.code_of(a) == build.code_of(b) != build.code_of(c)
