"""The Space as Hugging Face builds it: its own requirements in a fresh environment, then the folder alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from app_server import write_photos
from browser import free_port, server

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_folder_builds_and_runs_from_its_own_requirements(tmp_path):
    from gradio_client import Client, handle_file

    def pip(*arguments, python=sys.executable):
        command = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
        subprocess.run(command, check=True, cwd=tmp_path)

    # The package is not on the index under test: its wheel stands in for it; everything else comes from the index.
    pip("wheel", "--no-deps", "-w", tmp_path / "dist", ROOT)
    space, python = tmp_path / "space", tmp_path / "venv" / "bin" / "python"
    shutil.copytree(ROOT / "apps" / "rank_scene", space, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip("install", "--find-links", tmp_path / "dist", "-r", space / "requirements.txt", python=python)

    port, url = free_port(), "http://127.0.0.1:"
    command = [str(python), str(space / "app.py"), "--host", "127.0.0.1", "--port", str(port)]
    photos = write_photos(tmp_path, 3)
    with server(command, f"{url}{port}", tmp_path / "log.txt", env={"PYTHONPATH": "", "HF_HUB_OFFLINE": "1"}):
        files = [{"image": handle_file(str(path)), "caption": None} for path in photos]
        answer = Client(f"{url}{port}", verbose=False).predict(files, "default", api_name="/rank")
    assert {photo["photo"] for photo in answer["photos"]} == {path.name for path in photos}
    assert answer["model"].startswith("set_ranker")
