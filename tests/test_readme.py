"""The README's words are what CI runs and what the command line offers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_the_readmes_own_test_command():
    command = re.search(r'python -m pip install "\.\[lab,app,classroom,test\]" && pytest', README)
    assert command
    script = (ROOT / ".ci" / "run").read_text()
    install, test = command.group().split(" && ")
    assert install.removeprefix("python -m pip install ") in script
    assert re.search(rf"^{test}\b", script, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`pqa-lab ([a-z]+)", README))))
def test_every_command_named_in_the_readme_exists(command):
    answer = subprocess.run([sys.executable, "-m", "pqa_lab.cli", command, "--help"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("picture", sorted(set(re.findall(r"!\[[^\]]{20,}\]\(([^)]+)\)", README))))
def test_pictures_are_small_and_there(picture):
    assert (ROOT / picture).stat().st_size < 200_000


def test_every_method_is_in_the_readme():
    from pqa_lab.methods import METHODS

    for place in METHODS.places.values():
        assert f"(pqa_lab/methods/{place.partition(':')[0]}.py)" in README
