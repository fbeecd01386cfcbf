"""The wheel and the source distribution: what they carry, and a smoke run of the wheel outside the repository."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CACHES = ("__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".hypothesis", ".ruff_cache", ".git/", "outputs/")
WEIGHTS = (
    "default/model.safetensors",
    "default/config.json",
    "backbones/tiny_cnn.safetensors",
    "backbones/weights.json",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both distributions, built by the backend that pyproject names."""
    pytest.importorskip("hatchling", reason="hatchling builds the package: pip install hatchling")
    out = tmp_path_factory.mktemp("dist")
    code = "import sys, hatchling.build as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, check=True, capture_output=True, text=True)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def names_of(path: Path) -> set[str]:
    if path.suffix == ".whl":
        return set(zipfile.ZipFile(path).namelist())
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def tracked(folder: str) -> set[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_carries_what_the_commands_open(built):
    names = names_of(built[0])
    needed = {f"pqa_lab/weights/{name}" for name in WEIGHTS} | {"pqa_lab/widgets/pairwise.js", "pqa_lab/provenance.csv"}
    needed |= {"pqa_lab/_notebooks/00_rank_a_scene_group.ipynb", "pqa_lab/_apps/rank_scene/app.py"}
    assert needed - names == set()
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert tracked("pqa_lab") - names == set()
    for folder in ("apps", "notebooks"):
        assert {f"pqa_lab/_{name}" for name in tracked(folder)} - names == set()


def test_the_source_distribution_is_the_repository(built):
    names = names_of(built[1])
    folders = ("pqa_lab", "apps", "notebooks", "tests", "binder", "docs")
    assert set().union(*map(tracked, folders)) - names == set()
    assert {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO"} - names == set()


@pytest.mark.parametrize("which", [0, 1], ids=["wheel", "sdist"])
def test_nothing_is_carried_by_accident(built, which):
    names = names_of(built[which])
    assert [name for name in sorted(names) if any(cache in name for cache in CACHES)] == []
    assert [name for name in sorted(names) if name.endswith((".pyc", ".sqlite", ".part", ".log"))] == []
    assert built[which].stat().st_size < 15e6  # most of it weights and notebooks
    assert not any("piq23" in name.lower() and not name.endswith(".py") for name in names)


def test_the_wheel_runs_outside_the_repository(built, tmp_path):
    """A fresh environment that borrows the libraries of this one; the package in it is the wheel's alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "venv"], cwd=tmp_path, check=True)
    venv, outside = tmp_path / "venv", tmp_path / "outside"
    outside.mkdir()
    python = venv / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "libraries.pth").write_text("\n".join(libraries))
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(*command):
        done = subprocess.run(command, cwd=outside, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index",
        "--force-reinstall", str(built[0]))  # fmt: skip
    code = """
from PIL import Image
import pqa_lab
from pqa_lab.samples import sample_group
from pqa_lab.shipped import shipped
from pqa_lab.widgets.pairwise import PairAnnotator
for number, (photo, _) in enumerate(sample_group("an astronaut, six phones")[:2]):
    Image.fromarray(photo).save(f"{number}.jpg")
assert "render" in str(PairAnnotator._esm)
assert list(shipped("notebooks").glob("*.ipynb"))
assert (shipped("apps")).is_dir()
print(pqa_lab.__file__)
"""
    where = run(python, "-c", code).splitlines()[-1]
    assert Path(where).is_relative_to(venv)
    pqa = str(venv / "bin" / "pqa-lab")
    assert "rank" in run(pqa, "--help")
    assert "0.jpg" in run(pqa, "rank", "0.jpg", "1.jpg")
    assert "Usage" in run(pqa, "lab", "--help")
    run(pqa, "classroom", "new", "course")
    assert any((outside / "course").iterdir())
