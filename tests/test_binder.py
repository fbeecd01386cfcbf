"""What can be tried of the Binder image here: its pins, its scripts, and a lesson baked by them in a scratch place.

The image itself was never built: mybinder.org is out of reach of these tests.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


def pins() -> dict[str, str]:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    return dict(re.fullmatch(r"([\w-]+)==(\S+)", line).groups() for line in lines if line[:1].isalpha())


def test_every_dependency_is_pinned_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {name.replace("_", "-").lower(): version for name, version in pins().items()}
    for text in project["dependencies"] + project["optional-dependencies"]["lab"]:
        wanted = Requirement(text)
        version = pinned.pop(wanted.name.replace("_", "-").lower())
        assert wanted.specifier.contains(version), (wanted, version)
    assert not pinned, f"pinned without being a dependency: {pinned}"
    assert pins()["torch"].endswith("+cpu")
    assert pins()["torchvision"].endswith("+cpu")
    assert "python-3.11" in (BINDER / "runtime.txt").read_text()


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_are_sound(name):
    assert os.access(BINDER / name, os.X_OK)
    subprocess.run(["bash", "-n", str(BINDER / name)], check=True)


def test_start_hands_over_to_what_it_is_given():
    told = subprocess.run([str(BINDER / "start"), "env"], capture_output=True, text=True, check=True).stdout
    assert {"PQA_LAB_FAST=1", "OMP_NUM_THREADS=1", "HF_HUB_OFFLINE=1"} <= set(told.split())
    assert subprocess.run([str(BINDER / "start"), "bash", "-c", "exit 7"]).returncode == 7


@pytest.mark.slow
def test_a_lesson_is_baked_and_a_broken_one_stops_the_build(tmp_path):
    """The real postBuild, in an environment of its own that sees this one's packages but not this clone."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    place = subprocess.check_output([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    (Path(place.decode().strip()) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    lesson = next((ROOT / "notebooks" / "src").glob("00_*.py"))
    env = {
        **os.environ,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": "",
        "PQA_LAB_CACHE": str(tmp_path / "cache"),
        "PQA_LAB_BAKE": str(lesson),
    }
    build = [str(BINDER / "postBuild")]
    done = subprocess.run(build, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where = [str(python), "-c", "import pqa_lab; print(pqa_lab.__file__)"]
    where = subprocess.check_output(where, cwd=tmp_path, env=env)
    assert str(tmp_path / "venv") in where.decode()

    (tmp_path / "broken.py").write_text("raise RuntimeError('a lesson that fails')")
    env["PQA_LAB_BAKE"] = str(tmp_path / "broken.py")
    assert subprocess.run(build, cwd=ROOT, env=env, capture_output=True).returncode != 0
