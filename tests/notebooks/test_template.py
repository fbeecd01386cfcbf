"""Every lesson has the same parts, says how long it takes, describes its pictures, and stays small and offline."""

import ast
import re

import nbformat
import pytest
from lesson_files import EXERCISE, HOME, SOLUTIONS, STUDENT, name, read

BOTH = [*STUDENT, *SOLUTIONS]
STATIC = {"image/png", "image/jpeg", "image/svg+xml", "text/markdown", "text/plain"}
NETWORK = re.compile(r"\b(requests|urllib|urlopen|hf_hub_download|snapshot_download|wget|load_dataset\()")
each_lesson = pytest.mark.parametrize("path", STUDENT, ids=name)
each_notebook = pytest.mark.parametrize("path", BOTH, ids=name)


def markdown(page) -> str:
    return "\n\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")


def code_cells(page) -> list:
    return [cell for cell in page.cells if cell.cell_type == "code"]


def outside_fences(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@each_lesson
def test_opens_with_what_it_gives_and_costs(path):
    opening = read(path).cells[0]
    assert opening.cell_type == "markdown"
    assert re.match(rf"# {path.stem[:2]} · \S", opening.source), "the first line is '# NN · Title'"
    for row in ("You will be able to", "You need", "Time", "Memory"):
        assert re.search(rf"^\| \*\*{row}\*\* \| \S", opening.source, re.MULTILINE), f"the opening table lacks {row}"
    assert re.search(r"\*\*Time\*\*.*\d+ min.*run", opening.source), "Time says minutes to read and to run"
    assert re.search(r"\*\*Memory\*\*.*\d(\.\d)? (GB|MB)", opening.source), "Memory is a number of GB"


@each_lesson
def test_headings_form_a_tree(path):
    levels = [len(h) for h in re.findall(r"^(#+) ", outside_fences(markdown(read(path))), re.MULTILINE)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), levels


@each_lesson
def test_predict_run_look_explain(path):
    cells = read(path).cells
    text = markdown(read(path))
    for word, least in (("Predict", 2), ("Look", 1), ("Explain", 1)):
        assert text.count(f"**{word}.**") >= least, f"**{word}.** at least {least} times"
    for cell, after in zip(cells, cells[1:], strict=False):
        if "**Predict.**" in cell.source.split("\n## ")[-1]:
            assert after.cell_type == "code", f"what is predicted is run next: {cell.source[:60]}"


@each_lesson
def test_exercises(path):
    page, solved = read(path), read(HOME / "solutions" / path.name)
    text = markdown(page)
    numbers = [int(number) for number, _ in EXERCISE.findall(text)]
    assert 3 <= len(numbers) <= 6, numbers
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(re.findall(r"^### Exercise", text, re.MULTILINE)) == len(numbers), "a heading has another form"
    checks = re.findall(r"^with check\((\d+)\):", "\n".join(c.source for c in code_cells(page)), re.MULTILINE)
    assert [int(number) for number in checks] == numbers, "one check an exercise, in order"
    assert f"](solutions/{path.name})" in page.cells[0].source
    worked = {cell.id: cell.source for cell in solved.cells}
    for part in re.split(r"(?=^### Exercise)", text, flags=re.MULTILINE)[1:]:
        title = part.split("\n")[0]
        assert re.search(r"<details><summary>Hint</summary>\n\n.+?\n\n</details>", part, re.DOTALL), f"no hint: {title}"
        start = next(k for k, cell in enumerate(page.cells) if title in cell.source)
        stub = next(cell for cell in page.cells[start + 1 :] if cell.cell_type == "code")
        assert re.search(r"\.\.\.  # your (code|answer) here", stub.source), f"no stub after {title}"
        assert stub.source != worked[stub.id]
        assert not re.search(r"\.\.\.  # your", worked[stub.id])


@each_lesson
def test_ends_with_the_survey_and_references(path):
    text = markdown(read(path))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[-2:] == ["What the survey says, what we saw", "References"]
    survey, references = text.split("\n## What the survey says, what we saw\n")[1].split("\n## References\n")
    assert re.search(r"\b([Ss]ections?|Tables?|Eqs?\.|Equations?) \d", survey), "name the section, table or equation"
    assert "2404.11159" in references
    assert len(re.findall(r"\b([Ss]ections?|Tables?|Eqs?\.|Equations?) \d", references)) >= 1
    assert re.search(r"`pqa_lab/\S+\.py`", references), "say which files of the package the lesson reads"
    assert code_cells(read(path))[-1].source.strip() == "lesson.done()"


@each_notebook
def test_code_is_plain_and_offline(path):
    cells = code_cells(read(path))
    for number, cell in enumerate(cells):
        tree = ast.parse(cell.source)  # a magic or a shell command is no Python
        if number == 0:
            assert "google.colab" in cell.source
            continue
        assert not NETWORK.search(cell.source), cell.source
        assert "https://" not in cell.source
        assert not re.search(r"\.show\(\)|tqdm\.(auto|notebook)|num_workers=[1-9]", cell.source), cell.source
        assert "get_ipython" not in cell.source
        assert len(cell.source.split("\n")) <= 40, f"a wall of code: {cell.source[:80]}"
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            words = [keyword.arg for keyword in call.keywords]
            if function == "load_simulated":
                assert "workers" in words, "two processes hold the package twice: more than 1.5 GB in the full setting"
            if function in ("photos", "drawing"):
                assert "alt" in words or len(call.args) > {"photos": 2, "drawing": 1}[function], cell.source


@each_notebook
def test_pictures_have_words(path):
    page = read(path)
    text = markdown(page)
    assert not re.search(r"!\[\s*\]\(", text)
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img[^>]*>", text))
    for cell in code_cells(page):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(mime.startswith("image/") for mime in data):
                words = data.get("text/plain", "")
                assert len(words) > 20, cell.source
                assert not words.startswith("<"), f"show it with photos, drawing or viz.show: {cell.source}"
                assert not words.startswith("Figure("), f"show it with viz.show: {cell.source}"


@each_notebook
def test_outputs_are_static_and_small(path):
    page = read(path)
    nbformat.validate(page)
    assert path.stat().st_size < 200_000
    assert set(page.metadata) == {"kernelspec", "language_info"}
    for cell in code_cells(page):
        assert cell.execution_count is None
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data"), cell.source
            assert set(output.get("data", {})) <= STATIC
            assert len(output.get("text", "")) < 6000, f"print less: {cell.source}"
