"""The second export: an otter-grader master notebook of an assignment, for Gradescope or `otter run`.

Otter reads its marks from raw cells. One question holds an answer with the tests that follow it; a test with a hidden
part becomes two: the visible part for no points, and the whole, hidden, for all of them, so that the marks are those of
nbgrader.
"""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from pqa_lab.classroom.build import HIDDEN, SOLUTION, STUB, kind

CONFIG = """\
# ASSIGNMENT CONFIG
name: {name}
init_cell: true
check_all_cell: true
export_cell: false
generate: true"""


def otter_notebook(page: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Otter's master notebook from the notebook that `nbgrader_notebook` made."""
    cells = [new_raw_cell(CONFIG.format(name=name))]
    k = 0
    while k < len(page.cells):
        cell = page.cells[k]
        what = kind(cell)
        if what == "written":
            cells += _written(cell)
        elif what in ("answer", "test"):
            end = _end_of_question(page.cells, k)
            cells += _question(page.cells[k:end])
            k = end
            continue
        else:
            cells.append(_same(cell))
        k += 1
    out = nbformat.v4.new_notebook(cells=cells, metadata=page.metadata)
    for number, cell in enumerate(out.cells):
        cell["id"] = f"cell-{number:03d}"
    nbformat.validate(out)
    return out


def _end_of_question(cells: list, start: int) -> int:
    """A question lasts until the last of the tests that follow its answers with nothing in between."""
    end, tested = start, False
    while end < len(cells):
        what = kind(cells[end])
        if what == "written" or (what == "answer" and tested) or (what == "text" and tested):
            break
        tested = tested or what == "test"
        end += 1
    if not tested:
        raise ValueError(f"{cells[start].metadata.nbgrader.grade_id} is followed by no test")
    return end


def _question(cells: list) -> list:
    tests = [cell for cell in cells if kind(cell) == "test"]
    total = sum(cell.metadata.nbgrader.points for cell in tests)
    name = tests[0].metadata.nbgrader.grade_id
    out = [new_raw_cell(f"# BEGIN QUESTION\nname: {name}\npoints: {total}")]
    for cell in cells:
        if kind(cell) == "text":
            out.append(_same(cell))
        elif kind(cell) == "answer":
            out += [
                new_raw_cell("# BEGIN SOLUTION"),
                new_code_cell(_solution(cell.source)),
                new_raw_cell("# END SOLUTION"),
            ]
    out.append(new_raw_cell("# BEGIN TESTS"))
    for cell in tests:
        whole = HIDDEN.sub(lambda found: found.group(1), cell.source)
        seen = HIDDEN.sub("", cell.source)
        if "assert" in seen:
            out.append(_test(seen, 0, hidden=False))
        out.append(_test(whole, cell.metadata.nbgrader.points, hidden=True))
    return [*out, new_raw_cell("# END TESTS"), new_raw_cell("# END QUESTION")]


def _test(source: str, points: float, hidden: bool) -> nbformat.NotebookNode:
    head = f'""" # BEGIN TEST CONFIG\npoints: {points}\nhidden: {str(hidden).lower()}\n""" # END TEST CONFIG\n'
    return new_code_cell(head + source.strip())


def _solution(source: str) -> str:
    """Otter keeps what stands in a prompt for the student, and the block for the solution."""
    return SOLUTION.sub(
        lambda found: (
            f"{found[1]}# BEGIN SOLUTION\n{found[2]}{found[1]}# END SOLUTION\n"
            f'{found[1]}""" # BEGIN PROMPT\n{found[1]}{STUB}\n{found[1]}""" # END PROMPT'
        ),
        source,
    )


def _written(cell: nbformat.NotebookNode) -> list:
    meta = cell.metadata.nbgrader
    return [
        new_raw_cell(f"# BEGIN QUESTION\nname: {meta.grade_id}\nmanual: true\npoints: {meta.points}"),
        new_raw_cell("# BEGIN SOLUTION"),
        new_markdown_cell(cell.source),
        new_raw_cell("# END SOLUTION"),
        new_raw_cell("# END QUESTION"),
    ]


def _same(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_code_cell(cell.source) if cell.cell_type == "code" else new_markdown_cell(cell.source)
