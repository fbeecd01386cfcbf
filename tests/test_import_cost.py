"""What starts often starts light: the package and the command line's help load no heavy library.

How long both take, beside a bare Python, is measured by ``pqa-lab benchmark speed``.
"""

import json
import subprocess
import sys

import pytest

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
