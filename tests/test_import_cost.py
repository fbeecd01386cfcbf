"""What starts often starts light: the package and the command line's help load no heavy library; rooms load one way.

How long both take, beside a bare Python, is measured by ``pqa-lab benchmark speed``.
"""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pqa_lab

PACKAGE = Path(pqa_lab.__file__).parent
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "datasets",
    "plotly",
    "gradio",
    "pandas",
    "scipy",
    "numpy",
    "PIL",
)
HELP = """
import pqa_lab.cli, sys
from pqa_lab.cli.common import app
for command in ([], *([c.name or c.callback.__name__] for c in app.registered_commands)):
    sys.argv = ["pqa-lab", *command, "--help"]
    try:
        pqa_lab.cli.main()
    except SystemExit as end:
        assert not end.code, command
"""


def loaded_by(code: str) -> list[str]:
    code += "\nimport json, sys; print(); print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.parametrize("code", ["import pqa_lab", HELP], ids=["import", "help of every command"])
def test_nothing_heavy_is_loaded(code):
    loaded = loaded_by(code)
    assert "pqa_lab" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_scaling_loads_no_torch():
    loaded = loaded_by("import pqa_lab.scaling; pqa_lab.scaling.scale")
    assert "scipy" in loaded  # the check sees what is there
    assert [name for name in ("torch", "plotly", "transformers", "datasets") if name in loaded] == []


def test_rooms_import_in_one_direction():
    """What a room needs when it is loaded never leads back to it; what is imported inside a function may look right."""
    graph: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for line in ast.parse(file.read_text("utf-8")).body:
            if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("pqa_lab"):
                names = [line.module, *(f"{line.module}.{name.name}" for name in line.names)]
                found = {name.split(".")[1] for name in names if "." in name}
                found = {r for r in found if (PACKAGE / r).is_dir() or (PACKAGE / f"{r}.py").exists()}
                graph.setdefault(room, set()).update(found - {room})
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert {"scaling", "methods", "training", "evaluation", "widgets", "cli"} <= set(order)
    road = [room for room in order if room in ("scaling", "scenes", "views", "methods", "training", "evaluation")]
    assert road == ["scaling", "scenes", "views", "methods", "training", "evaluation"]
